"""Every convention of a β-VAE's loss → one price τ.

    per-sample loss = a Σ_features (x − x̂)² + b Σ_latents KL    ⇒    τ = b / (2a)
                      a Σ_features −ln p(x | x̂) + b Σ_latents KL ⇒   τ = b / a   (Bernoulli, Poisson)

τ is in data² per nat, so a user's β means nothing before this conversion: the same "β = 1" spans
τ = 1/510 … d/2 among public code bases. Mode k dies where λ_k ≤ τ (J. Hirn, arXiv:2605.22691; for
β = 1, Lucas et al., arXiv:1911.02469). An overall factor of the loss drops out, and so do averages over
the batch as long as both terms have them. For other likelihoods λ_k belongs to F^(−½) C F^(−½), F the variance of
the likelihood at the mean x̄ (`landau-vae derive exponential-family`): the first threshold is exact then, and later
ones are those seen from the collapsed state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from math import isclose
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.tables import as_numbers, is_real
from landau_vae.display import Array, jsonable
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, FAMILY, GAUSSIAN, POISSON, Likelihood, as_likelihood
from landau_vae.loss import formula as words
from landau_vae.loss.checks import LEARNED, check, checked_beta
from landau_vae.loss.learned_price import beta_of_learned, price_of_learned, without_price
from landau_vae.loss.presets import PRESETS
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Likelihood", "Loss", "Reduction"]

Reduction = Literal["sum", "mean"]

RELATIVE = "β/β_now"
RELATIVELY = "β counts in multiples of the weight that the KL has now: give beta=… to have it in your own numbers."


class Options(TypedDict, total=False):
    """How a loss that is no squared error is formed: see the fields of `Loss`."""

    reconstruction: Reduction
    kl: Reduction
    latents: int | None
    reconstruction_weight: float
    kl_weight: float


@dataclass(frozen=True, eq=False)
class Loss:
    """The convention of a training loop, and the β it runs at.

    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> float(Loss.gaussian(beta=2.0).price(spectrum))
    2.0
    >>> float(Loss.gaussian(beta=2.0, reconstruction="mean", half=False).price(spectrum))
    2.0
    """

    beta: Array  #: β, weight of the KL term: a number, or an array of them (any shape)
    decoder_variance: float | Literal["learned"] = 1.0  #: σ_dec², data²; learned: it is trained along
    reconstruction: Reduction = "sum"  #: over features
    kl: Reduction = "sum"  #: over latents
    half: bool = True  #: whether the squared error carries the ½ of −ln N(x; x̂, σ_dec²)
    latents: int | None = None  #: K; None: at least as many as there are modes
    likelihood: Likelihood = GAUSSIAN  #: of the decoder
    reconstruction_weight: float = 1.0  #: a further factor on the reconstruction error
    kl_weight: float = 1.0  #: a further factor on β
    name: str | None = None  #: the code base's, or "measured"
    knob: str = "β"  #: what this code base calls β
    notes: tuple[str, ...] = ()  #: of a measured loss: what was found, in sentences

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", checked_beta(self.beta))
        object.__setattr__(self, "likelihood", as_likelihood(self.likelihood))
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.likelihood != "gaussian":
            object.__setattr__(self, "half", False)  # the ½ is of squared errors only
        check(self)

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    def gaussian(
        cls,
        beta: ArrayLike = 1.0,
        *,
        decoder_variance: float | Literal["learned"] = 1.0,
        reconstruction: Reduction = "sum",
        kl: Reduction = "sum",
        half: bool = True,
        latents: int | None = None,
        reconstruction_weight: float = 1.0,
        kl_weight: float = 1.0,
    ) -> "Loss":
        """[½] reduce_features (x − x̂)² / σ_dec² + β reduce_latents KL.

        The ½ belongs to a Gaussian likelihood and is on by default; a bare `mse_loss` has none (`half=False`).
        `kl="mean"` averages over the K `latents`, so K must be given. `decoder_variance="learned"` is a σ_dec² that is
        trained, or set to the current mean squared error. What else multiplies a term goes into the weights.
        """
        return cls(
            as_numbers(beta, "β"), decoder_variance, reconstruction, kl, half, latents,
            reconstruction_weight=reconstruction_weight, kl_weight=kl_weight,
        )  # fmt: skip

    @classmethod
    def bernoulli(cls, beta: ArrayLike = 1.0, **options: Unpack[Options]) -> "Loss":
        """Binary cross-entropy + β KL, for data from 0 to 1: its price is one of F^(−½) C F^(−½), F = x̄(1 − x̄).

        >>> X = [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0], [1, 1]]
        >>> spectrum = Spectrum.from_data(X, likelihood="bernoulli")  # the correlation matrix
        >>> Loss.bernoulli(beta=0.5).price(spectrum).item(), spectrum.eigenvalues.round(3).tolist()
        (0.5, [1.333, 0.667])
        """
        return cls(as_numbers(beta, "β"), likelihood=BERNOULLI, **options)

    @classmethod
    def poisson(cls, beta: ArrayLike = 1.0, **options: Unpack[Options]) -> "Loss":
        """−ln Poisson(x; x̂) + β KL with log-linear x̂, for counts: its price is one of F^(−½) C F^(−½), F = x̄."""
        return cls(as_numbers(beta, "β"), likelihood=POISSON, **options)

    @classmethod
    def family(cls, beta: ArrayLike = 1.0, **options: Unpack[Options]) -> "Loss":
        """−ln p + β KL for any exponential family: its price is one of `spectra.exponential_family`."""
        return cls(as_numbers(beta, "β"), likelihood=FAMILY, **options)

    @classmethod
    def preset(
        cls,
        name: str,
        beta: ArrayLike | None = None,
        *,
        latents: int | None = None,
        batch: int | None = None,
        channels: int | None = None,
        kl_weight: float | None = None,
    ) -> "Loss":
        """The loss of a public code base (`landau_vae.loss.PRESETS`), at its own default β unless one is given.

        Some prices depend on the number of latents, on the rows of a batch, or on the channels of an image: an
        `InputError` says so where one is missing.

        >>> loss = Loss.preset("pytorch-vae")
        >>> loss.formula, float(loss.price(Spectrum.from_eigenvalues([1.0] * 12288)))
        ('mean(x − x̂)² + β Σ KL', 1.536)
        """
        key = str(name).lower()
        if key not in PRESETS:
            near = [each for each in PRESETS if key.split("-")[0] in each or each.split("-")[0] in key]
            raise InputError(
                f"There is no loss called {name!r}{f' (did you mean {near[0]}?)' if near else ''}: "
                f"known are {', '.join(PRESETS)}."
            )
        preset = PRESETS[key]
        if preset.refused:
            raise InputError(preset.refused)
        sizes = {"latents": latents, "batch": batch, "channels": channels}
        for what, value in sizes.items():
            if value is None and what in preset.needs and what != "channels":
                raise InputError(f"The price of {key} depends on its {what}: say how many ({what}=…; --{what}).")
            if value is not None and not (is_real(value) and value == int(value) >= 1):
                raise InputError(f"{what} is {value!r}, but a whole number from 1 on is expected.")
        own = dict(preset.convention)
        if kl_weight is not None:
            own["kl_weight"] = kl_weight
        if batch is not None and "batch" in preset.needs:  # the KL is summed over it, the error is not
            own["kl_weight"] = own.get("kl_weight", 1.0) * batch
        if channels is not None and "channels" in preset.needs:
            own["reconstruction_weight"] = 1 / channels
        knob = as_numbers(preset.shipped if beta is None else beta, "β")
        return cls(knob, **own, latents=latents, name=key, knob=preset.knob)

    @classmethod
    def measure(
        cls,
        function: Callable[..., Any],
        *,
        features: int | Sequence[int],
        latents: int,
        batch: int = 8,
        beta: float | None = None,
        spread: Literal["log_variance", "variance", "std", "log_std"] = "log_variance",
        to: Callable[[Any], Any] | None = None,
    ) -> "Loss":
        """The loss that `function(x, x_hat, mean, log_variance)` computes, read off by finite differences.

        `features` is the shape of one sample, `batch` the rows of a training batch, `beta` the β that the function
        runs at: without it every β is told in multiples of the weight that the KL has now. x̂ may be a reconstruction,
        probabilities or logits, counts' means or their logarithms: what fits is found. The fourth argument is what
        `spread` says. `to` makes the framework's arrays of NumPy's (`to=torch.as_tensor`); a function may return a
        number, a tuple that begins with the loss, or a mapping with "loss". Raises `InputError` where the loss is no
        reconstruction error plus KL, and says what it is instead. Values do not show whether a KL was detached.

        >>> def mine(x, x_hat, mean, log_variance):
        ...     kl = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum(axis=1)
        ...     return ((x - x_hat) ** 2).mean() + 4 * kl.mean()
        >>> loss = Loss.measure(mine, features=10, latents=3, beta=4)
        >>> loss.formula, float(loss.beta)
        ('mean(x − x̂)² + β Σ KL', 4.0)
        """
        from landau_vae.loss._measure import measure

        if beta is not None and not is_real(beta):
            raise InputError(f"β is {beta!r}, but the one number is expected that the function runs at.")
        value = checked_beta(1.0 if beta is None else beta)
        found = measure(function, features=features, latents=latents, batch=batch, spread=spread, to=to)
        weight = found.kl_weight / float(value)
        return cls(
            value, found.decoder_variance, found.reconstruction, found.kl, found.half, latents,
            as_likelihood(found.likelihood), found.reconstruction_weight,
            1.0 if isclose(weight, 1.0, rel_tol=1e-6) else weight, "measured",
            RELATIVE if beta is None else "β", (*found.notes, *([RELATIVELY] if beta is None else [])),
        )  # fmt: skip

    # -------------------------------------------------------------------------------- quantities

    @property
    def learned(self) -> bool:
        """Whether the decoder's variance is trained along."""
        return self.decoder_variance == LEARNED

    def weights(self, dimension: int) -> tuple[float, Array]:
        """(a, b): what one squared unit (of other likelihoods, one nat of −ln p) and one nat of KL cost in this loss.

        Where σ_dec² is learned, a is that at σ_dec² = 1.
        """
        a = (0.5 if self.half else 1.0) * self.reconstruction_weight
        if not isinstance(self.decoder_variance, str):
            a /= self.decoder_variance
        return (a / dimension if self.reconstruction == "mean" else a), self.beta * self._per_beta

    def price(self, spectrum: Spectrum) -> Array:
        """τ = b / (2a), data² per nat, of the shape of `beta`.

        With a learned σ_dec² it is that of the equilibrium, and depends on the whole spectrum and on K.
        """
        with np.errstate(all="ignore"):
            own = self.beta * self.price_per_beta(spectrum)
        price = np.asarray(price_of_learned(own, spectrum, self.latents) if self.learned else own)
        if not np.all((price > 1e-300) & (price < 1e300)):
            raise InputError(
                "The price τ = b/(2a) is beyond what can be computed with (1e-300 … 1e300): choose a β "
                "and a decoder variance nearer to the data's own scale."
            )
        return price

    def without_price(self, spectrum: Spectrum) -> str | None:
        """Return why a learned decoder variance has no equilibrium, and the loss no price, or None where it has one.

        >>> Loss.gaussian(0.5, decoder_variance="learned").without_price(Spectrum.from_eigenvalues([4, 1]))[:31]
        'β = 0.5 has no equilibrium, bec'
        """
        if not self.learned:
            return None
        return without_price(self.beta * self.price_per_beta(spectrum), spectrum, self.latents)

    def charge(self, features: int) -> Array:
        """τ where the number of features is all that it depends on, as in `price`.

        >>> float(Loss.preset("beta-vae", 4.0).charge(784))
        2.0
        """
        return self.price(_spectrum(features, self))

    def beta_at(self, price: ArrayLike, spectrum: Spectrum) -> Array:
        """The β at which this loss has a given price; any shape.

        >>> loss = Loss.gaussian(reconstruction="mean")
        >>> float(loss.beta_at(3.0, Spectrum.from_eigenvalues([4, 1])))
        1.5
        """
        own: Array = np.asarray(price, dtype=np.float64)
        if self.learned:
            own = beta_of_learned(own, spectrum, self.latents)
        return np.asarray(own / self.price_per_beta(spectrum))

    def price_per_beta(self, spectrum: Spectrum) -> float:
        """b/(2aβ), and b/(aβ) for other likelihoods; with a learned σ_dec², that of τ/σ_dec²."""
        if spectrum.likelihood != self.likelihood:
            raise InputError(
                f"The loss has a {self.likelihood} likelihood, but the spectrum is one for a {spectrum.likelihood} "
                f"one: make it from the data with likelihood={self.likelihood.name!r}, or name the loss that you train."
            )
        a, _ = self.weights(spectrum.dimension)
        with np.errstate(all="ignore"):
            return self._per_beta / (2 * a if self.likelihood == "gaussian" else a)

    def must_be_fixed(self, purpose: str) -> None:
        """Raise `InputError` unless this is a squared error of a given variance, which alone `purpose` is known for."""
        if self.learned or self.likelihood != "gaussian":
            what = "a learned decoder variance" if self.learned else f"a {self.likelihood} likelihood"
            raise InputError(
                f"The loss has {what}, but {purpose} for squared errors with a fixed decoder variance only: "
                "follow the equilibria instead (lv.follow; `landau-vae bifurcate`)."
            )

    @property
    def _per_beta(self) -> float:
        """b/β."""
        return self.kl_weight / self.latents if self.kl == "mean" and self.latents else self.kl_weight

    # ------------------------------------------------------------------------------- conversions

    def at(self, beta: ArrayLike) -> "Loss":
        """The same convention at another β."""
        return replace(self, beta=as_numbers(beta, "β"))

    def with_latents(self, latents: int) -> "Loss":
        """The same loss of a model with K latents."""
        return replace(self, latents=latents)

    def equivalent(self, other: "Loss", spectrum: Spectrum | int) -> "Loss":
        """`other` at the β of the same price: how the code base of `other` would be told what this one does.

        For losses of fixed variance the number of features is enough of a spectrum.

        >>> mine = Loss.preset("beta-vae", 4.0)
        >>> float(mine.equivalent(Loss.preset("pytorch-vae"), 784).beta.round(9))
        0.005102041
        """
        known = _spectrum(spectrum, self, other)
        if self.likelihood != other.likelihood:
            raise InputError(
                f"A loss with a {self.likelihood} likelihood has no equal among those with a {other.likelihood} one: "
                "compare their thresholds on your data instead."
            )
        return other.at(other.beta_at(self.price(known), known))

    def translation(self, other: "Loss", spectrum: Spectrum | int) -> str:
        """The same as one sentence.

        >>> print(Loss.preset("beta-vae", 4.0).translation(Loss.preset("pytorch-vae"), 784))
        beta = 4 in beta-vae is kld_weight = 0.00510204 in pytorch-vae (d = 784): τ = 2.
        """
        return words.translation(self, other, _spectrum(spectrum, self, other))

    # ------------------------------------------------------------------------------------ output

    def reductions(self, features: int) -> str:
        """Return what the loss sums and what it averages, in words.

        >>> Loss.gaussian(reconstruction="mean").reductions(64)
        'averages the error over its 64 features and sums the KL over its latents'
        >>> Loss.gaussian(reconstruction="mean", kl="mean", latents=10).reductions(64)
        'averages the error over its 64 features and the KL over its 10 latents'
        """
        verbs = {"sum": "sums", "mean": "averages"}
        error, kl = verbs[self.reconstruction], verbs[self.kl]
        count = "" if self.latents is None else f"{self.latents} "
        return (
            f"{error} the error over its {features} features and {'' if kl == error else f'{kl} '}the KL over its "
            f"{count}latents"
        )

    @property
    def formula(self) -> str:
        """The loss as a formula."""
        return words.formula(self)

    def explain(self, spectrum: Spectrum) -> str:
        """One sentence that says how β became a price; of a measured loss, also what was found, a line each.

        >>> spectrum = Spectrum.from_eigenvalues([4, 1])
        >>> print(Loss.gaussian(4.0, reconstruction="mean").explain(spectrum))
        The loss ½ mean(x − x̂)² + β Σ KL charges a = 0.25 per squared unit and b = β per nat (d = 2),
        so τ = b/2a = 2 β: 8 at β = 4 (T = τ/V = 1.6).
        """
        return words.explain(self, spectrum)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Loss":
        """The inverse of `to_dict`; what it lacks is as by default, β too.

        >>> Loss.from_dict(Loss.gaussian(2.0, half=False).to_dict()).formula
        'Σ(x − x̂)² + β Σ KL'
        """
        known = {each.name for each in fields(cls)} - {"beta"}
        return cls(
            as_numbers(content.get("beta", 1.0), "β"), **{key: value for key, value in content.items() if key in known}
        )

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        content = {"formula": self.formula} | {each.name: getattr(self, each.name) for each in fields(self)}
        return jsonable(content | {"likelihood": self.likelihood.name})


def _spectrum(given: Spectrum | int, *losses: Loss) -> Spectrum:
    """A spectrum, or one of so many features where no more is needed of it."""
    if isinstance(given, Spectrum):
        return given
    if not (is_real(given) and given == int(given) >= 1):
        raise InputError(f"{given!r} is no spectrum and no number of features: give one of the two.")
    if any(loss.learned for loss in losses):
        raise InputError("The price of a learned decoder variance depends on the data: give their spectrum.")
    return replace(Spectrum.from_eigenvalues(np.ones(int(given))), likelihood=losses[0].likelihood)
