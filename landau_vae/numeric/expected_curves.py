"""`Expected`: curves that a run should log, what its loss charges on the way, and the remarks on them.

L = a E + β ∂L/∂β,   ∂L/∂β = (b/β) R at rest (envelope theorem)
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from landau_vae.display import Array, Column, Content, Integers, Result, Table, counted, readonly, significant
from landau_vae.likelihoods import natural_parameter
from landau_vae.loss import Logged, Loss
from landau_vae.spectrum.spectrum import Spectrum

SHOWN = 9  # rows of the table
LEAST = 1e-300  # in place of β = 0
MOVED = 0.01  # share of a curve's range, below which it counts as level
ORIGINS = {"rest": "at rest", "gradient descent": "gradient descent", "adam": "Adam at the earliest"}
OF_OTHERS = "A prediction from the collapsed background, to second order; only the first threshold is exact."
OF_NETWORKS = "Exact for linear models; for nonlinear networks a prediction from the collapsed background."


@dataclass(frozen=True, eq=False)
class Expected(Result):
    """What a run should log, step by step, in its own units."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    loss: Loss = field(repr=False)  #: the convention in which β is read
    logged: Logged = field(repr=False)  #: what the numbers of the log are
    step: Array  #: updates, or epochs, (n,)
    beta: Array  #: β at each step, (n,)
    rate: Array  #: R, nats of a row, (n,); NaN where β is 0 and the model at rest
    error: Array  #: E of a row, Σ(x − x̂)² or −ln p, (n,); NaN where that of the mean predictor is not known
    active: Integers  #: modes with a signal fraction above 0.1, (n,)
    origin: Literal["rest", "gradient descent", "adam"]  #: rest at every β; descent; the earliest that Adam can be
    json_fields = ("loss", "origin", "step", "beta", "kl", "reconstruction", "total", "active", "remarks")

    @cached_property
    def kl(self) -> Array:
        """Return the KL as it is logged, (n,)."""
        loss = self.loss.at(np.where(self.beta > 0, self.beta, LEAST))
        return readonly(self.logged.logged_rate(self.rate, loss, self.spectrum.dimension))

    @cached_property
    def reconstruction(self) -> Array:
        """Return the reconstruction as it is logged, (n,)."""
        return readonly(self.logged.logged_error(self.error, self.loss, self.spectrum.dimension))

    @cached_property
    def total(self) -> Array:
        """Return the loss as it is logged, (n,): both terms with their weights."""
        beta = self.beta
        if self.loss.constraint is not None and self.loss.constraint.sets_price:  # β is what its controller makes it
            beta = self.loss.price(self.spectrum) / self.loss.price_per_beta(self.spectrum) + 0 * beta
        return readonly(total_loss(self.error, self.rate, beta, self.loss, self.logged, self.spectrum))

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """Return what the curves do and why, in sentences."""
        sentences = [_begins(self), _peaks(self), _rises(self), _without_kl(self), _ends(self)]
        return tuple(sentence for sentence in sentences if sentence)

    def __repr__(self) -> str:
        ends = f"β = {significant(self.beta[0], 3)} … {significant(self.beta[-1], 3)}"
        active = f"{self.active[0]} … {self.active[-1]} active"
        return f"Expected({counted(len(self.step), 'step')}, {ends}, {active}, {ORIGINS[self.origin]})"

    def content(self) -> Content:
        """Yield a table of a few steps, and the remarks."""
        yield repr(self)
        at = np.unique(np.linspace(0, len(self.step) - 1, SHOWN).round().astype(int))
        yield Table([
            Column("step", self.step[at]), Column("β", self.beta[at]), Column("KL", self.kl[at], _short, "kl"),
            Column("reconstruction", self.reconstruction[at], _short), Column("loss", self.total[at], _short),
            Column("active", self.active[at]),
        ], note="KL, reconstruction and loss are in the units of the log")  # fmt: skip
        yield "\n".join(self.remarks)


# --------------------------------------------------------------------------------- errors of a row


def mean_predictor(spectrum: Spectrum, loss: Loss) -> float:
    """Return the error of a row that the best constant output has; NaN where the spectrum does not know it.

    V of squared errors; ⟨A(f₀) − x f₀⟩ of a canonical family, linear in x.
    """
    likelihood, mean = loss.likelihood, spectrum.mean
    if likelihood.squared:
        return spectrum.total_variance
    if mean is None or not likelihood.canonical:
        return np.nan
    return float(np.sum(likelihood.value(mean, natural_parameter(likelihood, mean))))


def error_of(distortion: Array, spectrum: Spectrum, loss: Loss, mean_error: float | None = None) -> Array:
    """Return the error E of a row for a distortion D, data², (…); of −ln p to second order, E₀ − ½(V − D)."""
    at_mean = mean_predictor(spectrum, loss) if mean_error is None else mean_error
    return at_mean - 0.5 * loss.likelihood.curvature_of_term * (spectrum.total_variance - distortion)


def charged_per_beta(rate: Array, loss: Loss, logged: Logged, spectrum: Spectrum) -> Array:
    """Return dL/dβ of a logged loss at rest, (n,): its KL, or what a constraint makes of it."""
    demand = loss.demand(spectrum)
    charged = rate if demand is None else demand.charged(rate)
    return np.asarray(logged.rows * loss.at(1.0).weights(spectrum.dimension)[1] * charged)


def total_loss(error: Array, rate: Array, beta: Array, loss: Loss, logged: Logged, spectrum: Spectrum) -> Array:
    """Return the loss as it is logged, (n,): both terms with their weights; nothing is paid for at β = 0."""
    term = Logged(rows=logged.rows, constant=logged.constant * (logged.reconstruction == "loss"))
    paid = beta * charged_per_beta(np.where(beta > 0, rate, 0.0), loss, logged, spectrum)
    return np.asarray(term.logged_error(error, loss, spectrum.dimension) + paid)


# ---------------------------------------------------------------------------------------- sentences


def _begins(result: Expected) -> str:
    """Say when the first latent wakes up, if the run begins without one."""
    rising = np.flatnonzero(result.active > 0)
    if not len(rising):
        return (
            "The KL stays at 0 throughout: every mode is below the price. The reconstruction is the mean predictor's."
        )
    if result.active[0]:
        return ""
    first = rising[0]
    return (
        f"The KL is 0 up to about step {significant(result.step[first])}, where the first latent wakes up, and rises "
        "from there on: a KL that rises from 0 is what training looks like."
    )


def _peaks(result: Expected) -> str:
    """Say where the KL is largest, and that it falls from there on because β rises."""
    if not np.isfinite(result.rate).any():
        return ""
    top = int(np.nanargmax(result.rate))
    lost = int(result.active[top] - result.active[-1])
    if result.rate[-1] > (1 - MOVED) * result.rate[top] or result.beta[-1] <= result.beta[top]:
        return ""
    collapsed = f" {counted(lost, 'latent')} collapse{'s' * (lost == 1)} on the way." if lost > 0 else ""
    return (
        f"The KL peaks at step {significant(result.step[top])} with {_short(result.kl[top])} and falls to "
        f"{_short(result.kl[-1])} while β rises from {significant(result.beta[top], 3)} to "
        f"{significant(result.beta[-1], 3)}: that is the price of a nat, not a fault.{collapsed}"
    )


def _rises(result: Expected) -> str:
    """Say that the loss rises with β, by how much."""
    up = (np.diff(result.total) > 0) & (np.diff(result.beta) > 0)
    rise = float(np.diff(result.total)[up].sum())
    if not up.any() or rise <= MOVED * np.ptp(result.total):
        return ""
    steps = np.flatnonzero(up)
    return (
        f"The loss rises by {_short(rise)} between steps {significant(result.step[steps[0]])} and "
        f"{significant(result.step[steps[-1] + 1])}, because β does: at rest dL/dβ is the KL, "
        "or what a constraint makes of it. Losses at different β cannot be compared, so choose no checkpoint by them."
    )


def _without_kl(result: Expected) -> str:
    """Say that a KL has no equilibrium at β = 0."""
    if result.origin == "gradient descent" or not np.any(result.beta == 0):
        return ""
    return "Where β is 0 the KL has no equilibrium: it grows as long as β stays there, by no more than time allows."


def _ends(result: Expected) -> str:
    """Say what the last step has, and what it is a prediction of."""
    share = result.error[-1] / result.error.max() if result.loss.likelihood.squared else np.nan
    left = f" ({share:.3g} of the mean predictor's)" if np.isfinite(share) and result.active.min() == 0 else ""
    validity = OF_NETWORKS if result.loss.likelihood.linear_law else OF_OTHERS
    return (
        f"At the end: KL {_short(result.kl[-1])}, reconstruction {_short(result.reconstruction[-1])}{left}, "
        f"{counted(int(result.active[-1]), 'active latent')}. {validity}"
    )


def _short(value: float) -> str:
    return significant(float(value), 4)
