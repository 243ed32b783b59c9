"""The usual slips of convention, and the factor by which each multiplies the price τ.

Two losses with the same β differ by a ½, by a mean in place of a sum, or by a decoder variance
that is learned. A model that was trained at another price than stated, or thresholds that are
all off by one factor, are recognised by these factors. `_single` is the only table of them;
each follows from τ = b/2a (`landau-vae derive loss`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import isclose, log, prod
from typing import Annotated, Any

from landau_vae.checks import Count, Positive, Range, checked
from landau_vae.limits import FACTOR_OF_SLIP, PRICE_OF_SLIP
from landau_vae.loss.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum

Most = Annotated[int, Range(1, 3)]


@dataclass(frozen=True, eq=False)
class Slip:
    """A way in which a loss differs from the one that was assumed.

    Examples
    --------
    >>> [slip] = slips_that_make(0.5, features=784, latents=10)
    >>> slip.code, slip.words, slip.argument
    ('half-missing', 'no ½ before the squared error', 'half=False')
    """

    code: str  #: short and stable: programs may rely on it
    words: str  #: what the loss has, to follow "a loss with"
    factor: float  #: price per β with the slip over that without it; NaN where it depends on the data
    changes: Mapping[str, Any]  #: arguments of `Loss` that state the loss as it is

    @property
    def argument(self) -> str:
        """The arguments of `Loss` that state the loss as it is."""
        return ", ".join(f"{name}={value!r}" for name, value in self.changes.items())


@checked
def possible_slips(
    features: Count, latents: Count, *, batch: Count | None = None, loss: Loss | None = None, most: Most = 2
) -> tuple[Slip, ...]:
    """Return every slip, alone and combined with others, those of the fewest parts first.

    Parameters
    ----------
    features, latents : int
        d and K of the model.
    batch : int, optional
        Rows of a training batch. Unless given, slips of the reduction over the batch are left
        out.
    loss : Loss, optional
        The loss that was assumed. Only slips that change it are returned.
    most : int, default 2
        How many parts differ at most.

    Returns
    -------
    tuple of Slip
        Without those that leave the price as it is.

    Examples
    --------
    >>> [(slip.code, slip.factor) for slip in possible_slips(8, 2, loss=Loss.gaussian(), most=1)]
    [('half-missing', 0.5), ('features-averaged', 8.0), ('latents-averaged', 0.5)]
    """
    single = [slip for slip in _single(features, latents, batch) if loss is None or _alters(slip, loss)]
    chosen = (each for count in range(1, most + 1) for each in combinations(single, count))
    joined = (_joined(each) for each in chosen if len({part for slip in each for part in slip.changes}) == len(each))
    return tuple(slip for slip in joined if not isclose(slip.factor, 1))


@checked
def slips_that_make(
    factor: Positive, features: Count, latents: Count, *, batch: Count | None = None
) -> tuple[Slip, ...]:
    """Return the slips that multiply the price by a factor, those of the fewest parts first.

    Parameters
    ----------
    factor : float
        Price in training over the price assumed.
    features, latents : int
        d and K of the model.
    batch : int, optional
        Rows of a training batch.

    Returns
    -------
    tuple of Slip
        Empty if no slip makes this factor.

    Examples
    --------
    >>> [slip.code for slip in slips_that_make(392.0, features=784, latents=10)]
    ['half-missing+features-averaged']
    """
    every = possible_slips(features, latents, batch=batch)
    return tuple(slip for slip in every if abs(log(factor / slip.factor)) <= FACTOR_OF_SLIP)


def priced_slips(loss: Loss, spectrum: Spectrum) -> Iterator[tuple[Slip, float]]:
    """Yield the slips from a loss of K latents, with the price that each makes. A learned variance is the first."""
    if loss.likelihood.squared and loss.sampler.plain and not loss.learned:
        yield from _priced(LEARNED, replace(loss, decoder_variance="learned"), spectrum)
    for slip in possible_slips(spectrum.dimension, loss.latents or 1, loss=loss, most=3):
        # A factor on β has the effect of the slip, also where σ² is learned and the price is not proportional to β.
        yield from _priced(slip, replace(loss, kl_weight=loss.kl_weight * slip.factor), spectrum)


def slip_with_price(price: float, loss: Loss, spectrum: Spectrum) -> Slip | None:
    """Return the slip whose price is nearest to the given one, or None where none is near."""
    apart = {slip: abs(log(other / price)) for slip, other in priced_slips(loss, spectrum)}
    nearest = min(apart, key=apart.__getitem__, default=None)
    return nearest if nearest is not None and apart[nearest] <= PRICE_OF_SLIP else None


def _priced(slip: Slip, loss: Loss, spectrum: Spectrum) -> Iterator[tuple[Slip, float]]:
    if loss.without_price(spectrum) is None:
        yield slip, float(loss.price(spectrum))


def _alters(slip: Slip, loss: Loss) -> bool:
    [(part, value)] = slip.changes.items()
    return getattr(loss, part) != value and (loss.likelihood.squared or part != "half")


def _joined(parts: tuple[Slip, ...]) -> Slip:
    return Slip(
        "+".join(slip.code for slip in parts),
        " and ".join(slip.words for slip in parts),
        prod(slip.factor for slip in parts),
        {name: value for slip in parts for name, value in slip.changes.items()},
    )


LEARNED = Slip("variance-learned", "a learned decoder variance", float("nan"), {"decoder_variance": "learned"})


def _single(features: int, latents: int, batch: int | None) -> list[Slip]:
    """Return the slips of one part each. Training has what the words say; the opposite was assumed."""
    d, K, B = float(features), float(latents), float(batch or 1)
    feature = f"over the {features} features in place of a"
    latent = f"of the KL over the {latents} latents in place of a"
    table = [
        Slip("half-missing", "no ½ before the squared error", 1 / 2, {"half": False}),
        Slip("half-added", "a ½ before the squared error", 2.0, {"half": True}),
        Slip("features-averaged", f"a mean {feature} sum", d, {"reconstruction": "mean"}),
        Slip("features-summed", f"a sum {feature} mean", 1 / d, {"reconstruction": "sum"}),
        Slip("latents-averaged", f"a mean {latent} sum", 1 / K, {"kl": "mean"}),
        Slip("latents-summed", f"a sum {latent} mean", K, {"kl": "sum"}),
    ]
    if batch is not None:  # both averaged or both summed is the assumption
        rows = f"over the {batch} rows of a batch"
        table += [
            Slip("batch-kl-summed", f"a KL summed {rows} and an error averaged", B, {"kl_weight": B}),
            Slip("batch-error-summed", f"an error summed {rows} and a KL averaged", 1 / B, {"kl_weight": 1 / B}),
        ]
    return table
