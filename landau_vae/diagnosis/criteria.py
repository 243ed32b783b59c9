"""When is a latent "collapsed"? The criteria in use, on one axis: a price relative to the mode's own threshold.

    ⟨σ²⟩ = τ/λ,  ⟨μ²⟩ = 1 − τ/λ    ⇒    dead where τ/λ is above a number of the criterion's own

(the linear law, J. Hirn, arXiv:2605.22691). A number of living latents, or a critical β, means little without its
criterion: for one and the same model they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from landau_vae.diagnosis.posterior import EPSILON, Posterior
from landau_vae.display import Array

__all__ = ["CRITERIA", "DELTA", "Criterion"]

DELTA = 0.01  #: share of the data that (ε, δ)-collapse lets off


@dataclass(frozen=True)
class Criterion:
    """One rule: which latents it calls alive, and up to which τ/λ the linear law makes a mode so."""

    code: str
    rule: str  #: alive if
    source: str
    ratio: float  #: τ/λ above which a mode at equilibrium is dead
    alive: Callable[[Posterior], NDArray[np.bool_]]

    def predicted(self, price: float, eigenvalues: Array) -> int:
        """How many modes it calls alive at equilibrium."""
        return int(np.count_nonzero(price < self.ratio * eigenvalues))


def _quiet_ratio() -> float:
    """τ/λ of Gaussian data at which KL < ε for 1 − δ of them: z²(1 − t) + t − 1 − ln t = 2ε, z the 1 − δ/2 quantile."""
    square = float(norm.ppf(1 - DELTA / 2)) ** 2
    return float(brentq(lambda t: square * (1 - t) + t - 1 - np.log(t) - 2 * EPSILON, 0.5, 1.0))


CRITERIA: tuple[Criterion, ...] = (
    Criterion("kl-1e-4", "KL > 0.0001 nats", "Dang et al., arXiv:2306.05023", float(np.exp(-2e-4)),
              lambda q: q.rate > 1e-4),
    Criterion("epsilon-delta", "KL > 0.01 nats for over 1 % of the data", "Lucas et al., arXiv:1911.02469",
              _quiet_ratio(), lambda q: q.quiet < 1 - DELTA),
    Criterion("active-units", "Var μ > 0.01", "Burda et al., arXiv:1509.00519", 0.99,
              lambda q: q.mean_variance > 0.01),
    Criterion("kl-0.01", "KL > 0.01 nats", "common", float(np.exp(-0.02)), lambda q: q.rate > 0.01),
    Criterion("variance-0.05", "Var μ > 0.05", "disentanglement_lib", 0.95, lambda q: q.mean_variance > 0.05),
    Criterion("signal-fraction", "M² > 0.1", "Hirn, arXiv:2605.22691", 0.9, lambda q: q.signal_fraction > 0.1),
    Criterion("half-variance", "Var μ > ½", "Rolinek et al., arXiv:1812.06775", 0.5, lambda q: q.mean_variance > 0.5),
    Criterion("fondue", "σ² ≤ 0.1", "FONDUE, arXiv:2209.12806", 0.1, lambda q: q.variance <= 0.1),
)  # fmt: skip
