"""What a decoder says of its rows: does it reconstruct them, what does a nat cost, would a further latent pay?

    slope = Σ_j Cov(x_j, x̂_j) / Σ_j Var x̂_j,   shift = ‖⟨x − x̂⟩‖² / ⟨‖x − x̂‖²⟩

x̂ is the decoder's mean at z drawn from the posterior. Where it is the best guess of x
given z, the slope is 1 and there is no shift, for any network. Data in other units than
in training have another slope, codes of other rows a slope of 0. The best guess is the
mean for squared errors and canonical families; of other likelihoods the correlation
alone is read. Source: this package.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.diagnosis.posterior import Posterior, evenly, some_rows
from landau_vae.display import Array
from landau_vae.likelihoods import GAUSSIAN, Likelihood
from landau_vae.limits import ACTIVE, TELLS_A_PRICE
from landau_vae.loss.sampler import Sampler
from landau_vae.networks._next_latent import ROWS_PER_FEATURE, NextLatent, next_latent
from landau_vae.networks.decoder import Decoder
from landau_vae.networks.identities import OWN, PricesInEffect, prices_in_effect
from landau_vae.networks.kernel_onset import KernelOnset

ROWS, NUMBERS = 4096, 2**22  # of the data, at most, evenly spread
DRAWS = 4  # of z, for losses
LOOKS = 8  # of z, for the onset of the next latent: twice as many decodes
HALF = ROWS // 2  # rows for the onset, whose algebra costs as much as its decodes
PRICES = ("constant", "linear", "on_rows", "bulk", "places")  # that onsets hold, with their errors
NOTHING = 1e-12  # share of the variance that is rounding
TOLD = 32  # latents whose price is measured, at most
BUDGET = 240  # decodes of that many rows for the prices, unless one draw takes more

Onset = TypeVar("Onset", NextLatent, KernelOnset)


@dataclass(frozen=True, eq=False)
class Measured:
    """Averages over rows and draws of z, in the unit of the reconstruction term at weight 1 (½‖x − x̂‖² of squares)."""

    decoder: Decoder  #: of the user, as a function of arrays
    rows: NDArray[np.intp]  #: that were decoded
    dead: float  #: reconstruction term of the best constant output
    own: float  #: that of the model
    error: float  #: its standard error, over rows
    slope: float  #: of x on x̂; NaN without an active latent, or where the best guess is not the mean of x
    correlation: float  #: of x and x̂; NaN without a mean
    shift: float  #: share of ⟨‖x − x̂‖²⟩ that is one constant for all rows; NaN where it need not be 0
    prices: PricesInEffect | None  #: of the active latents; None without any
    following: NextLatent | None  #: whether a further latent would pay; None where nothing is known of it
    beside: NextLatent | None  #: the same of patterns beside those that active latents decode to; of squared errors
    priced: Callable[[Sampler], PricesInEffect]  #: the prices as they would be if z were drawn in this way


def channels_of(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the columns of each latent of a code of this shape, (latents, positions).

    Codes (k,) have one position; (T, k) are sequences, (k, h, w) images of k channels.
    An encoder that is shared between positions is at rest for their sum only.
    """
    columns = np.arange(int(np.prod(shape))).reshape(shape)
    return columns.T.reshape(shape[-1], -1) if len(shape) < 3 else columns.reshape(shape[0], -1)


def tells_a_price(posterior: Posterior, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the columns of the latents that tell a price, (a, positions): active ones, narrower than the prior.

    Of many latents, some of each strength.
    """
    channels = channels_of(shape)
    signal, narrow = posterior.signal_fraction[channels].mean(axis=1), 1 - posterior.variance[channels].mean(axis=1)
    pinned = posterior.bounded[channels].all(axis=1)  # its means tell the price
    tells = np.flatnonzero((signal > ACTIVE) & ((narrow > TELLS_A_PRICE) | pinned))
    ranked = tells[np.argsort(-signal[tells], kind="stable")]
    return channels[np.sort(ranked[evenly(len(ranked), TOLD)])] if tells.size else channels[:0]


def measure(
    decoder: Decoder, posterior: Posterior, mean: Array, deviation: Array, x: Array, rows: NDArray[np.intp],
    likelihood: Likelihood, origin: Array, term: Callable[[Array, Array], Array], shape: tuple[int, ...], *,
    all_rows: bool, onset: bool, seed: int,
) -> Measured:  # fmt: skip
    """Return what the decoder says of some rows.

    `mean`, `deviation` and `x` are those rows, `rows` their numbers, `origin` the best
    constant output, `term` the reconstruction term of each row at outputs, `shape` that
    of a code; `all_rows` says whether these are all that were trained on, `onset`
    whether to look for the onset of a further latent.
    """
    rng = np.random.default_rng((seed, OWN))

    def output(z: Array) -> Array:
        return decoder.output(z, rows)

    each, guess, width = np.zeros(len(x)), [], np.sqrt(posterior.sampler.noise(deviation**2))
    for _ in range(DRAWS):
        f = output(mean + width * rng.standard_normal(mean.shape))
        each += term(x, f) / DRAWS
        guess.append(_mean(likelihood, f, x))
    active, varies = np.flatnonzero(posterior.signal_fraction > ACTIVE), bool(np.ptp(f, axis=0).any())
    slope, correlation, shift = _regressed(x, guess) if active.size else (np.nan, np.nan, _shift(x, guess))
    if not likelihood.mean_is_best:
        slope = shift = np.nan
    telling, prices, budget = tells_a_price(posterior, shape), None, BUDGET * ROWS // len(x)

    def priced(sampler: Sampler) -> PricesInEffect:
        def of_rows(z: Array) -> Array:
            return term(x, output(z))

        how: Any = {"sampler": sampler, "all_rows": all_rows, "budget": budget, "seed": seed}
        return prices_in_effect(mean, deviation, of_rows, list(telling), **how)

    if telling.size and varies:
        prices = priced(posterior.sampler)
    following = None
    enough = len(x) >= ROWS_PER_FEATURE * (1 + len(active))
    if onset and enough and likelihood.curved:
        part = some_rows(len(x), HALF)
        following = next_latent(
            mean[part], width[part], lambda z: decoder.output(z, rows[part]), x[part], likelihood, active,
            draws=LOOKS, seed=seed,
        )  # fmt: skip
    beside = None
    if following is not None and likelihood.squared and 0 < active.size < x.shape[1]:
        beside = _beside(mean[part], width[part], lambda z: decoder.output(z, rows[part]), x[part], active, seed)
    following, beside = (each and by_sampler(each, posterior.sampler) for each in (following, beside))
    dead = float(term(x, np.broadcast_to(origin, f.shape)).mean())
    error = float(each.std() / np.sqrt(len(x)))
    return Measured(
        decoder, rows, dead, float(each.mean()), error, slope, correlation, shift, prices, following, beside, priced
    )


def _mean(likelihood: Likelihood, f: Array, x: Array) -> Array:
    """Return x̂ of outputs; NaN of a likelihood that does not say it."""
    mean = np.asarray(likelihood.mean(f))
    return mean if mean.shape == x.shape else np.full(x.shape, np.nan)


def by_sampler(onset: Onset, sampler: Sampler) -> Onset:
    """Return readings of Λ* as prices below which a latent of this sampler pays."""
    names = [name for name in onset.json_fields if name.removesuffix("_error") in PRICES]
    return replace(onset, **{name: sampler.unstable * getattr(onset, name) for name in names})


def _beside(
    mean: Array, deviation: Array, output: Callable[[Array], Array], x: Array, active: NDArray[np.intp], seed: int
) -> NextLatent | None:
    """Return the onset of a fixed pattern beside those that active latents decode to; None if nothing is beside them.

    What a living mode leaves, τ²/λ of a linear model, falls with the price: it is no
    onset. So the patterns of the active latents, from the regression of outputs on z,
    are taken out of rows and outputs.
    """
    z = mean + deviation * np.random.default_rng((seed, OWN + 1)).standard_normal(mean.shape)
    f, codes = output(z), z[:, active] - z[:, active].mean(axis=0)
    patterns = np.linalg.qr(np.linalg.lstsq(codes, f - f.mean(axis=0), rcond=None)[0].T)[0]

    def rest(values: Array) -> Array:
        return values - (values @ patterns) @ patterns.T

    if rest(x - x.mean(axis=0)).var() < NOTHING * x.var():
        return None
    return next_latent(
        mean, deviation, lambda z: rest(output(z)), rest(x), GAUSSIAN, active[:0], draws=DRAWS, seed=seed
    )  # fmt: skip


def _regressed(x: Array, guess: list[Array]) -> tuple[float, float, float]:
    """Return the slope of x on x̂, their correlation, and the share of the error that is a constant shift."""
    centred = x - x.mean(axis=0)
    covariance = float(np.mean([np.sum(centred * (g - g.mean(axis=0))) for g in guess])) / len(x)
    variance = float(np.mean([np.sum(np.square(g - g.mean(axis=0))) for g in guess])) / len(x)
    scale = np.sqrt(variance * np.square(centred).sum() / len(x))
    if not scale > 0:  # outputs that do not depend on z
        return np.nan, np.nan, _shift(x, guess)
    return covariance / variance, covariance / scale, _shift(x, guess)


def _shift(x: Array, guess: list[Array]) -> float:
    step = np.square(np.mean([(x - g).mean(axis=0) for g in guess], axis=0)).sum()
    return float(step / np.mean([np.square(x - g).sum() for g in guess]) * len(x))
