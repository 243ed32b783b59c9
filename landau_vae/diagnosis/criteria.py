"""When is a latent collapsed? Published criteria on one axis: a price relative to the mode's own threshold.

    ⟨σ²⟩ = τ/λ,  ⟨μ²⟩ = 1 − τ/λ    ⇒    a latent is inactive where τ/λ is above a ratio that the criterion determines

(the linear law, J. Hirn, arXiv:2605.22691). A number of active latents, or a critical
β, means little without its criterion: for one and the same model they differ.

The criterion of DRVI is the largest |μ| of all rows, which grows with their number. That of
ARD-VAE is a share: the fewest latents that hold 99 % of Σ_k A²_k ‖∂x̂/∂z_k‖². The derivative is
read off the posterior here, ‖∂x̂/∂z_k‖² = τ(1/σ²_k − 1), which holds at rest where the decoder is
linear over the width of a posterior (Kumar and Poole, arXiv:2002.00041).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.totals import EPSILON
from landau_vae.display import Array, Column, Table
from landau_vae.limits import ACTIVE
from landau_vae.loss.sampler import PLAIN, Sampler

DELTA = 0.01  #: share of the data that (ε, δ)-collapse leaves out
ROWS = 10_000  #: for which the ratio of a criterion is stated that depends on their number
RELEVANT = 0.99  #: share of the decoder's variance that relevant latents hold together (ARD-VAE)


@dataclass(frozen=True)
class Criterion:
    """A rule for which latents are active, and up to which τ/λ a mode at the equilibrium of a linear model is."""

    code: str  #: short and stable: programs may rely on it
    rule: str  #: a latent is active if this holds
    source: str  #: where the criterion was published
    ratio: float  #: τ/λ above which a mode at equilibrium is inactive; of 10 000 Gaussian rows, or alone, if it depends
    active: Callable[[Posterior], NDArray[np.bool_]]  #: whether each latent is active, (K,)
    #: whether modes at equilibrium are active, by their τ/λ (modes,) and the number of rows; those below the ratio
    encoded: Callable[[Array, int], NDArray[np.bool_]] | None = None

    def predicted(self, price: float, eigenvalues: Array, samples: int = ROWS, sampler: Sampler = PLAIN) -> int:
        """Return how many modes this criterion calls active at equilibrium.

        Parameters
        ----------
        price : float
            τ, data² per nat.
        eigenvalues : (modes,) array
            λ of the modes that have a latent, data².
        samples : int, default 10 000
            Number of rows, which are taken to be Gaussian.
        sampler : Sampler, optional
            How z is drawn; of another one than usual the law is asked, not the ratio.

        Returns
        -------
        int
            How many.
        """
        ratio = price / eigenvalues
        if not sampler.plain:
            return int(np.count_nonzero(self.active(_at_rest(sampler, ratio, samples))))
        return int(np.count_nonzero(ratio < self.ratio if self.encoded is None else self.encoded(ratio, samples)))


def _at_rest(sampler: Sampler, ratio: Array, samples: int) -> Posterior:
    """Return the posteriors of Gaussian modes by the law of a sampler."""
    law, zero = sampler.law(ratio), np.zeros(len(ratio))
    least = law.variance - 1 - np.log(law.variance)  # 2 KL of a row whose mean is 0
    limit = np.divide(2 * EPSILON - least, law.mean_square, out=zero + np.inf, where=law.mean_square > 0)
    quiet = np.where(least < 2 * EPSILON, 2 * norm.cdf(np.sqrt(np.maximum(limit, 0.0))) - 1, 0.0)
    far = np.sqrt(law.mean_square) * _largest(samples)
    spread = (law.variance, law.rate, quiet, law.variance, law.variance, -far, far, law.variance**2)
    return Posterior(1, zero, np.diag(law.mean_square), *spread, sampler)


def _quiet_ratio() -> float:
    """Return τ/λ of Gaussian data at which KL < ε for a share 1 − δ of them.

    z²(1 − t) + t − 1 − ln t = 2ε with z the 1 − δ/2 quantile.
    """
    square = float(norm.ppf(1 - DELTA / 2)) ** 2
    return float(brentq(lambda t: square * (1 - t) + t - 1 - np.log(t) - 2 * EPSILON, 0.5, 1.0))


def _largest(samples: int) -> float:
    """Return the median of the largest of so many |z|, z standard normal."""
    return float(norm.isf(-np.expm1(np.log(0.5) / samples) / 2))


def _vanishing_ratio(limit: float, samples: int) -> float:
    """Return τ/λ of Gaussian data at which the largest |μ| of all rows has its median at the limit."""
    return 1 - min(1.0, limit / _largest(samples)) ** 2


def _vanished(code: str, limit: float, source: str) -> Criterion:
    return Criterion(
        code, f"|μ| ≥ {limit:g} in some row", source, _vanishing_ratio(limit, ROWS), lambda q: q.farthest >= limit,
        lambda ratio, samples: ratio < _vanishing_ratio(limit, samples),
    )  # fmt: skip


def _relevant(weight: Array) -> NDArray[np.bool_]:
    """Return which are the fewest that hold the relevant share of all weights together; none of zeros."""
    order = np.argsort(-weight, kind="stable")
    before = np.cumsum(weight[order]) - weight[order]
    relevant = np.zeros(len(weight), dtype=bool)
    relevant[order] = (before <= RELEVANT * weight.sum()) & (weight[order] > 0)
    return relevant


CRITERIA: tuple[Criterion, ...] = (
    Criterion("kl-1e-4", "KL > 0.0001 nats", "Dang et al., arXiv:2306.05023", float(np.exp(-2e-4)),
              lambda q: q.rate > 1e-4),
    Criterion("epsilon-delta", "KL > 0.01 nats for over 1 % of the data", "Lucas et al., arXiv:1911.02469",
              _quiet_ratio(), lambda q: q.quiet < 1 - DELTA),
    Criterion("active-units", "Var μ > 0.01", "Burda et al., arXiv:1509.00519", 0.99,
              lambda q: q.mean_variance > 0.01),
    Criterion("kl-0.01", "KL > 0.01 nats", "common", float(np.exp(-0.02)), lambda q: q.rate > 0.01),
    Criterion("variance-0.05", "Var μ > 0.05", "disentanglement_lib", 0.95, lambda q: q.mean_variance > 0.05),
    Criterion("signal-fraction", "M² > 0.1", "Hirn, arXiv:2605.22691", 0.9, lambda q: q.signal_fraction > ACTIVE),
    Criterion("half-variance", "Var μ > ½", "Rolinek et al., arXiv:1812.06775", 0.5, lambda q: q.mean_variance > 0.5),
    Criterion("fondue", "σ² ≤ 0.1", "FONDUE, arXiv:2209.12806", 0.1, lambda q: q.variance <= 0.1),
    _vanished("drvi-0.1", 0.1, "DRVI, doi:10.1101/2024.11.06.622266"),
    _vanished("drvi-0.5", 0.5, "DRVI in scvi-tools"),
    Criterion("ard-vae", "among the fewest that hold 99 % of Σ A²(1/σ² − 1)", "ARD-VAE, arXiv:2501.10901", 1.0,
              lambda q: _relevant(q.second_moment * np.clip(1 / q.variance - 1, 0.0, None)),
              lambda ratio, _: _relevant(np.clip(1 / ratio - 1, 0.0, None))),
)  # fmt: skip


def scores(posterior: Posterior, price: float, eigenvalues: Array) -> tuple[dict[str, Any], ...]:
    """Return each criterion with how many latents it calls active, observed and predicted, and which ones."""
    encodable, rows = eigenvalues[: posterior.latents], []
    for each in CRITERIA:
        active = each.active(posterior)
        counts = {
            "observed": int(active.sum()),
            "predicted": each.predicted(price, encodable, posterior.samples, posterior.sampler),
            "latents": active,
        }
        rows.append({"code": each.code, "rule": each.rule, "source": each.source, **counts})
    return tuple(rows)


def criteria_table(scored: Sequence[dict[str, Any]], yardstick: str = "a linear model") -> Table:
    """Return the table of `scores`, beside what they say of a model at equilibrium by a yardstick."""
    labels = {"rule": "active if", "observed": "latents", "predicted": "predicted", "source": "source"}
    columns = [
        Column(label, [each[key] for each in scored], key=key, text=key in ("rule", "source"))
        for key, label in labels.items()
    ]
    note = "How many latents each criterion calls active, and how many modes at the equilibrium of "
    note += f"{yardstick}."
    return Table(columns, note=note)
