"""What spectrum and loss predict of a model in training: computed once, and compared with each window.

Without a spectrum the covariance of the rows is accumulated, and the spectrum is computed anew
whenever it rests on twice as many of them. Until there is one nothing is predicted; prices are
known all the same, since they are ratios to the stated one.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.accumulate import Collected
from landau_vae.diagnosis._diagnose import compare, plateau
from landau_vae.diagnosis.applied import Applied
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.measured import channels_of, tells_a_price
from landau_vae.diagnosis.modes import MOST, Observed, observe
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.streamed import Streamed
from landau_vae.display import Array
from landau_vae.likelihoods import Dispersed, Sized
from landau_vae.limits import FAINT
from landau_vae.loss import Loss
from landau_vae.networks import PricesInEffect
from landau_vae.networks.identities import GradientSums
from landau_vae.numeric.plateau_activation import Activation
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum

ALONE = 1e-3  # relative error that a price applied has at least: single precision, few rows
COVARIANCES = ("covariance", "correlation", "exponential family")  # kinds of spectra whose modes are those of rows


class Prediction:
    """What is predicted at a loss, from a spectrum that is given or from rows that come in."""

    def __init__(self, loss: Loss, spectrum: Spectrum | None, learning_rate: float | None, optimizer: str) -> None:
        self.loss, self.given, self.known = loss, spectrum, spectrum
        self.learning_rate, self.optimizer = learning_rate, optimizer
        self.per_beta = float(loss.weights(loss.features or 1)[1] / loss.beta)  #: weight of the KL in the loss over β
        self.data = Collected()
        self.base: Diagnosis | None = None  # what does not change from batch to batch
        self.directions: Array | None = None  # of the modes, in units of the features
        self.plateau: Activation | None = None

    @property
    def collects(self) -> bool:
        """Whether rows are wanted: of likelihoods whose spectrum is that of means and covariances."""
        likelihood = self.loss.likelihood
        return self.given is None and likelihood.by_mean and not isinstance(likelihood, Sized | Dispersed)

    def features(self, x: NDArray[Any] | None) -> int:
        """Return how many features of x are looked at beside the means: none where nothing can be said of the modes."""
        s = self.given
        if x is None or not (self.collects or s):
            return 0
        fits = s is None or (s.kind in COVARIANCES and s.decomposition is not None and s.scale is not None)
        return int(x.shape[1]) if fits and (s is None or s.dimension == x.shape[1]) else 0

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum of the data: the one given, or that of the rows so far; None of too few."""
        if self.given is not None:
            return self.given
        d, known = self.data.dimension, self.known
        if d is not None and self.data.count > max(d, 2 * (known.samples or 0) - 1 if known else 1):
            fields = fields_of(self.data.result(), None, likelihood=self.loss.likelihood)
            self.known, self.base, self.directions = Spectrum(**fields), None, None
        return self.known

    def merge(self, other: "Prediction") -> "Prediction":
        """Return the same prediction, from the rows of both."""
        total = Prediction(self.loss, self.given, self.learning_rate, self.optimizer)
        for part in (self.data, other.data):
            total.data.merge(part)
        return total

    # ------------------------------------------------------------------------------ beside a window

    def compared(self, posterior: Posterior, shape: tuple[int, ...]) -> Diagnosis:
        """Return posteriors beside what is predicted; without a spectrum the reconstruction term is any function."""
        spectrum = self.spectrum
        if self.base is None or self.loss.constraint is not None:
            self.base = self._compare(posterior, spectrum)
            self.plateau = None
            if self.learning_rate is not None and spectrum is not None:
                self.plateau = plateau(spectrum, self.base.loss, None, self.learning_rate, self.optimizer)
        return replace(self.base, posterior=posterior, shape=shape)

    def _compare(self, posterior: Posterior, spectrum: Spectrum | None) -> Diagnosis:
        unknown = spectrum is None
        if spectrum is None:
            eps, d = np.finfo(float).eps, self.loss.features or 1
            spectrum = Spectrum(np.ones(1), d, 1.0, eps, likelihood=self.loss.likelihood)
        loss = self.loss.with_latents(posterior.latents).at_most_features(spectrum.dimension)
        error = 0.0 if self.given is not None or unknown else _first_error(spectrum)
        return replace(compare(posterior, spectrum, loss), stated=self.loss, own_term=unknown, first_error=error)

    def unit(self, c: Diagnosis) -> float:
        """Return what a coefficient of the loss is divided by to be a price in the unit of the comparison."""
        if c.own_term:
            return 1.0
        if self.loss.learned:
            return self.per_beta * c.beta_per_price
        loss = self.loss.at_most_features(c.spectrum.dimension)
        return loss.weights(c.spectrum.dimension)[0] * loss.likelihood.curvature_of_term

    def in_effect(self, c: Diagnosis, slopes: GradientSums) -> PricesInEffect | None:
        """Return the prices in effect of latents that tell one."""
        telling = tells_a_price(c.posterior, c.shape)
        if not slopes.rows or not telling.size:
            return None
        places = np.flatnonzero(np.isin(channels_of(c.shape)[:, 0], telling[:, 0]))
        return slopes.prices(list(places), unit=self.unit(c))

    def applied(self, c: Diagnosis, applied: Applied) -> PricesInEffect | None:
        """Return the prices applied to the latents in the form of prices in effect."""
        value, error = (each / self.unit(c) for each in applied.each)
        known = np.flatnonzero(np.isfinite(error) & (applied.mean_square > FAINT))
        value, error = value[known], np.maximum(error[known], ALONE * np.abs(value[known]).max(initial=c.price))
        first, nothing = channels_of(c.shape)[known, 0], np.full(len(known), np.nan)
        return PricesInEffect(first, value, error, value, error, nothing, nothing, nothing, 0) if len(known) else None

    def observed(self, c: Diagnosis, part: Streamed) -> Observed | None:
        """Return what the latents encode of each mode, where rows and directions are known."""
        features, joint = part.totals.features, part.totals.joint
        if not features or c.own_term or features != c.spectrum.dimension:
            return None
        if self.directions is None and (vectors := c.spectrum.vectors) is not None:
            scale = 1.0 if c.spectrum.kind == "correlation" else np.asarray(c.spectrum.scale)[:, None]
            self.directions = vectors[:, :MOST] / scale
        if self.directions is None:
            return None
        cross = joint.scatter[:features] / joint.weight
        return observe(c.posterior, c.spectrum, self.directions.T @ (cross * (c.posterior.mean_variance > 0)))


def _first_error(spectrum: Spectrum) -> float:
    """Return the relative error of λ₁ that comes from few rows: √(r/n) + r/n, with r = V/λ₁ (the effective rank)."""
    share = spectrum.total_variance / float(spectrum.eigenvalues[0]) / (spectrum.samples or 1)
    return float(np.sqrt(share) + share)
