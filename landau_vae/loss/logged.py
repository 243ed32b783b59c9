"""In which units a training loop logs its KL and its reconstruction, and what they are per row.

    R = Σ_latents KL, nats of a row          E = Σ_features (x − x̂)², or −ln p(x | x̂), of a row

Code bases print the same state in different numbers: with and without the weight of the loss,
summed or averaged over latents, features and rows. A KL of 0.05 per pixel of a 28 × 28 image is
39 nats, not 0.05. `Logged` says what is printed, and converts in both directions.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from landau_vae.checks import Count, Range, check_fields, checked, numbers
from landau_vae.display import Array, Numbers
from landau_vae.errors import InputError
from landau_vae.loss.loss import Loss

LoggedKL = Literal["unweighted", "weighted", "row", "latent", "feature"]
LoggedError = Literal["loss", "row", "feature"]


@dataclass(frozen=True)
class Logged:
    """What the numbers are that a loop prints, beside the loss that it trains.

    Parameters
    ----------
    kl : {"unweighted", "weighted", "row", "latent", "feature"}
        "unweighted": summed or averaged over latents as the loss has it, before any weight.
        "weighted": the whole KL term of the loss, β included. "row": nats of a row.
        "latent": mean over latents. "feature": nats of a row over its features (pixels,
        tokens).
    reconstruction : {"loss", "row", "feature"}
        "loss": the whole reconstruction term of the loss. "row": Σ(x − x̂)² of a row, without ½
        or weight, or −ln p. "feature": its mean over features, such as `mse_loss`.
    rows : int, default 1
        Rows that both numbers are summed over. 1: both are averages over rows.
    constant : float, default 0
        What the logged reconstruction has beyond its term, in logged units: d/2 · ln 2π of a
        Gaussian log-density, ⟨ln x!⟩ of counts.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> loss = Loss.gaussian(beta=4.0, reconstruction="mean", half=False, latents=10)
    >>> float(Logged(kl="weighted").rate(10.0, loss, 784)), float(Logged(kl="latent").rate(0.25, loss, 784))
    (2.5, 2.5)
    >>> float(Logged(kl="feature").rate(0.05, loss, 784)), float(Logged().error(0.25, loss, 784).round(9))
    (39.2, 196.0)
    """

    kl: LoggedKL = "unweighted"  #: what the KL is divided by, or multiplied with
    reconstruction: LoggedError = "loss"  #: the same of the reconstruction
    rows: Count = 1  #: that both are summed over
    constant: Annotated[float, Range(-1e300, 1e300)] = 0.0  #: beyond the reconstruction term, in logged units

    expected: ClassVar[str] = 'what is logged, such as Logged(kl="weighted")'  #: in messages

    def __post_init__(self) -> None:
        check_fields(self)

    @checked
    def rate(self, kl: Numbers, loss: Loss, features: Count) -> Array:
        """Return the nats of a row that a logged KL is.

        Parameters
        ----------
        kl : float or array_like
            As logged.
        loss : Loss
            That is trained.
        features : int
            d.

        Returns
        -------
        array
        """
        return np.asarray(numbers(kl, "kl") / self._per_nat(loss, features))

    @checked
    def logged_rate(self, rate: Numbers, loss: Loss, features: Count) -> Array:
        """Return what is logged for a rate; the inverse of `rate`.

        Parameters
        ----------
        rate : float or array_like
            Nats of a row.
        loss : Loss
            That is trained.
        features : int
            d.

        Returns
        -------
        array
        """
        return np.asarray(numbers(rate, "rate") * self._per_nat(loss, features))

    @checked
    def error(self, reconstruction: Numbers, loss: Loss, features: Count) -> Array:
        """Return the error of a row that a logged reconstruction is, Σ(x − x̂)² or −ln p.

        With a learned σ² it is that at which σ² is the mean squared error, its best value.

        Parameters
        ----------
        reconstruction : float or array_like
            As logged.
        loss : Loss
            That is trained.
        features : int
            d.

        Returns
        -------
        array
        """
        term = (numbers(reconstruction, "reconstruction") - self.constant) / (
            self.rows * self._per_error(loss, features)
        )
        learned = loss.learned and self.reconstruction == "loss"
        return np.asarray(features * np.exp(term / features - 1) if learned else term)

    @checked
    def logged_error(self, error: Numbers, loss: Loss, features: Count) -> Array:
        """Return what is logged for an error; the inverse of `error`.

        Parameters
        ----------
        error : float or array_like
            Σ(x − x̂)² of a row, or −ln p.
        loss : Loss
            That is trained.
        features : int
            d.

        Returns
        -------
        array
        """
        learned, term = loss.learned and self.reconstruction == "loss", numbers(error, "error")
        if learned:
            with np.errstate(divide="ignore", invalid="ignore"):
                term = features * (1 + np.log(term / features))
        return np.asarray(self.rows * self._per_error(loss, features) * term + self.constant)

    def _per_nat(self, loss: Loss, features: int) -> Array:
        """Return what is logged for one nat of a row."""
        if self.kl == "weighted" and loss.constraint is not None:
            raise InputError("The KL term of a loss with a constraint is not a rate: log the KL itself.", "logged")
        if self.kl == "latent" and loss.latents is None:
            raise InputError("A KL per latent needs the number of latents: give the loss latents=K.", "logged")
        share = 1 / loss.latents if loss.latents else np.nan
        b = loss.weights(features)[1]
        shares = {"unweighted": share if loss.kl == "mean" else 1.0, "weighted": b, "row": 1.0, "latent": share,
                  "feature": 1 / features}  # fmt: skip
        return self.rows * np.asarray(shares[self.kl])

    def _per_error(self, loss: Loss, features: int) -> float:
        """Return what is logged for one unit of a row's error."""
        a = loss.weights(features)[0]
        return {"loss": a, "row": 1.0, "feature": 1 / features}[self.reconstruction]
