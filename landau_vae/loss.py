"""What training really minimises: every convention of the Gaussian β-VAE loss → one price τ.

    per-sample loss = a Σ_features (x − x̂)² + b Σ_latents KL    ⇒    τ = b / (2a)

τ is in data² per nat, so a user's β means nothing before this conversion: the same "β = 1" spans
τ = 1/510 … d/2 among public code bases. Mode k dies where λ_k ≤ τ (J. Hirn, arXiv:2605.22691; for
β = 1, Lucas et al., arXiv:1911.02469). An overall factor of the loss drops out, and so do averages over
the batch as long as both terms have them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.errors import InputError
from landau_vae.results import Array, jsonable, readonly, significant
from landau_vae.samples.tables import as_numbers, is_real

if TYPE_CHECKING:
    from landau_vae.spectrum import Spectrum

__all__ = ["Loss", "Reduction"]

Reduction = Literal["sum", "mean"]


@dataclass(frozen=True, eq=False)
class Loss:
    """The convention of a training loop, and the β it runs at.

    >>> from landau_vae import Spectrum
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> float(Loss.gaussian(beta=2.0).price(spectrum))
    2.0
    >>> float(Loss.gaussian(beta=2.0, reconstruction="mean", half=False).price(spectrum))
    2.0
    """

    beta: Array  #: β, weight of the KL term: a number, or an array of them (any shape)
    decoder_variance: float = 1.0  #: σ_dec², data²
    reconstruction: Reduction = "sum"  #: over features
    kl: Reduction = "sum"  #: over latents
    half: bool = True  #: whether the squared error carries the ½ of −ln N(x; x̂, σ_dec²)
    latents: int | None = None  #: K; None: at least as many as there are modes

    @classmethod
    def gaussian(
        cls,
        beta: ArrayLike = 1.0,
        *,
        decoder_variance: float = 1.0,
        reconstruction: Reduction = "sum",
        kl: Reduction = "sum",
        half: bool = True,
        latents: int | None = None,
    ) -> "Loss":
        """[½] reduce_features (x − x̂)² / σ_dec² + β reduce_latents KL.

        The ½ belongs to a Gaussian likelihood and is on by default; a bare `mse_loss` has none (`half=False`).
        `kl="mean"` averages over the K `latents`, so K must be given.
        """
        values = as_numbers(beta, "β")
        if values.size == 0 or not np.all(np.isfinite(values) & (values > 0)):
            bad = values[~(np.isfinite(values) & (values > 0))]
            raise InputError(
                f"β is {bad.flat[0] if bad.size else 'missing'}, but a positive finite number is expected: "
                "without a KL term information has no price and nothing collapses."
            )
        if not isinstance(half, bool | np.bool_):
            raise InputError(f"half is {half!r}, but True (the squared error carries a ½) or False is expected.")
        if not (is_real(decoder_variance) and decoder_variance > 0):
            raise InputError(
                f"The decoder variance is {decoder_variance}, but a positive finite number is expected: "
                "use 1 for a plain squared error."
            )
        for term, reduction in (("reconstruction", reconstruction), ("KL", kl)):
            if reduction not in ("sum", "mean"):
                raise InputError(f"The {term} reduction is {reduction!r}, but 'sum' or 'mean' is expected.")
        if latents is not None and not (is_real(latents) and latents == int(latents) and latents >= 1):
            raise InputError(f"The number of latents is {latents}, but a whole number from 1 on is expected.")
        if kl == "mean" and latents is None:
            raise InputError(
                "A KL that is averaged over the latents depends on how many there are: "
                "say so (latents=K; on the command line --latents K)."
            )
        return cls(readonly(values), float(decoder_variance), reconstruction, kl, half, latents)

    def weights(self, dimension: int) -> tuple[float, Array]:
        """(a, b): what one squared unit of error and one nat cost in this loss."""
        a = (0.5 if self.half else 1.0) / self.decoder_variance
        return (a / dimension if self.reconstruction == "mean" else a), self.beta * self._per_latent

    def price(self, spectrum: "Spectrum") -> Array:
        """τ = b / (2a), data² per nat, of the shape of `beta`."""
        a, b = self.weights(spectrum.dimension)
        with np.errstate(all="ignore"):
            price = np.asarray(b / (2 * a))
        if not np.all((price > 1e-300) & (price < 1e300)):
            raise InputError(
                "The price τ = b/(2a) is beyond what can be computed with (1e-300 … 1e300): choose a β "
                "and a decoder variance nearer to the data's own scale."
            )
        return price

    def beta_at(self, price: ArrayLike, spectrum: "Spectrum") -> Array:
        """The β at which this loss has a given price; any shape.

        >>> from landau_vae import Spectrum
        >>> loss = Loss.gaussian(reconstruction="mean")
        >>> float(loss.beta_at(3.0, Spectrum.from_eigenvalues([4, 1])))
        1.5
        """
        a, _ = self.weights(spectrum.dimension)
        return np.asarray(price) * (2 * a / self._per_latent)

    @property
    def _per_latent(self) -> float:
        return 1 / self.latents if self.kl == "mean" and self.latents else 1.0

    def at(self, beta: ArrayLike) -> "Loss":
        """The same convention at another β."""
        return Loss.gaussian(beta, **self._convention)

    def with_latents(self, latents: int) -> "Loss":
        """The same loss of a model with K latents."""
        return Loss.gaussian(self.beta, **self._convention | {"latents": latents})

    @property
    def _convention(self) -> dict[str, Any]:
        names = ("decoder_variance", "reconstruction", "kl", "half", "latents")
        return {name: getattr(self, name) for name in names}

    @property
    def formula(self) -> str:
        """The loss as a formula."""
        squares = f"{'½ ' if self.half else ''}{'mean' if self.reconstruction == 'mean' else 'Σ'}(x − x̂)²"
        if self.decoder_variance != 1.0:
            squares += f"/{significant(self.decoder_variance)}"
        return f"{squares} + β {'mean' if self.kl == 'mean' else 'Σ'} KL"

    def explain(self, spectrum: "Spectrum") -> str:
        """One sentence that says how β became a price.

        >>> from landau_vae import Spectrum
        >>> spectrum = Spectrum.from_eigenvalues([4, 1])
        >>> print(Loss.gaussian(4.0, reconstruction="mean").explain(spectrum))
        The loss ½ mean(x − x̂)² + β Σ KL charges a = 0.25 per squared unit and b = β per nat (d = 2),
        so τ = b/2a = 2 β: 8 at β = 4 (T = τ/V = 1.6).
        """
        a, _ = self.weights(spectrum.dimension)
        size = f"d = {spectrum.dimension}" + (f", K = {self.latents}" if self.kl == "mean" else "")
        text = (
            f"The loss {self.formula} charges a = {significant(a)} per squared unit and "
            f"b = {'β' if self.kl == 'sum' else 'β/K'} per nat ({size}),\n"
            f"so τ = b/2a = {significant(self._per_latent / (2 * a))} β"
        )
        if self.beta.ndim:
            return f"{text}."
        tau = float(self.price(spectrum))
        share = significant(tau / spectrum.total_variance)
        return f"{text}: {significant(tau)} at β = {significant(float(self.beta))} (T = τ/V = {share})."

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable({"formula": self.formula, "beta": self.beta, **self._convention})
