"""When each mode leaves the plateau of a training run, and for which modes the run is too short.

    n_k = ln(1/start) / ln z_k          z_k = 1 + 2aηκ_k under gradient descent with learning rate η (`plateau_growth`)

The collapsed point is a saddle for every mode above the price; close to it amplitudes grow by
z_k per update, slower and slower towards the mode's threshold. Valid for small starts and
latents that have parted: while they still share stronger modes, they leave earlier
(`verification.dynamics` measures both). For Adam only a bound is known, whatever the gradients:
|Δw_t| ≤ η C_t, C_t = (1 − β₁)/(1 − β₁ᵗ) · √[(1 − β₂ᵗ)(1 − rᵗ) / ((1 − β₂)(1 − r))], r = β₁²/β₂.
It divides a mean of gradients with weights β₁ⁱ by the root of a mean of their squares with
weights β₂ⁱ: by Cauchy and Schwarz the quotient is at most √Σ β₁²ⁱ/β₂ⁱ times the factors in
front. C_t rises from 1 to 7.27, attained by gradients that grow by β₂/β₁ per update, as on a
plateau; (1 − β₁)/√(1 − β₂) = 3.16 (Kingma & Ba, arXiv:1412.6980) belongs to one gradient after
many zeros, and is no bound. Derivation: `landau-vae derive gradient-flow`; Saxe et al.,
arXiv:1312.6120.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from landau_vae.checks import Count, Positive, Share, checked, numbers
from landau_vae.display import Array, Booleans, Column, Content, Integers, Result, Table, readonly, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric._landscape import Landscape, landscape
from landau_vae.numeric.plateau_growth import Momentum, growth, per_update
from landau_vae.spectrum.spectrum import Spectrum

MOST_SENTENCES = 5  # late modes that get a sentence each
UNITS = 1e-50, 1e50  # of the largest variance, of which rates of growth have fourth powers
LONGEST_SCHEDULE = 10**8  # updates whose factors fit into memory
MEAN_MEMORY, SQUARE_MEMORY = 0.9, 0.999  # Adam's β₁ and β₂ that nearly everyone uses
STEADY_UPDATES = 20_000  # after so many the longest step of Adam no longer changes


@dataclass(frozen=True, eq=False)
class Activation(Result):
    """The modes above the price that have a latent, strongest first; updates are counted at the full learning rate."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    loss: Loss = field(repr=False)  #: the convention in which the learning rate is read
    optimizer: str  #: gradient descent or adam
    learning_rate: float  #: η, of the user's own loss
    momentum: float  #: μ, heavy ball
    start: float  #: share of its final amplitude that a mode begins with
    updates: int | None  #: length of the run, if there is one
    worth: float  #: Σ of the schedule's factors: what the run is worth in updates at the full learning rate
    rate: Array  #: ln z_k, powers of e per update, (modes,); NaN for Adam
    needed: Array  #: updates to leave the plateau, (modes,); for Adam at least so many
    late: Booleans  #: whether that is more than the run has, (modes,)
    limit: float  #: learning rate above which descent is unstable at the collapsed point or the minimum; NaN for Adam
    json_fields = ("loss", "optimizer", "learning_rate", "momentum", "start", "updates", "worth", "mode", "rate",
                   "needed", "late", "limit", "warnings")  # fmt: skip

    @property
    def mode(self) -> Integers:
        """Return the numbers of these modes, counted from 1, (modes,)."""
        return readonly(np.arange(1, len(self.needed) + 1), np.int64)

    @property
    def stable(self) -> bool:
        """Return whether the learning rate is below its limit; for Adam no limit is known."""
        return not self.learning_rate > self.limit

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for each late mode, and one for a learning rate that is too large."""
        about = "at least" if self.optimizer == "adam" else "about"
        run = "" if self.updates is None else _count(self.updates)
        if self.updates is not None and self.worth < 0.99 * self.updates:
            run += f" (worth {_count(self.worth, 2)} at the full rate)"
        late, needed = self.mode[self.late], self.needed[self.late]
        subjects = [(f"Mode {k} needs", _count(n, 2), "it") for k, n in zip(late, needed, strict=True)]
        if len(late) > MOST_SENTENCES:
            ends = f"{_count(needed.min(), 2)} to {_count(needed.max(), 2)}"
            subjects = [(f"{len(late)} modes from {late[0]} to {late[-1]} need", ends, "they")]
        work = f"updates at learning rate {self.learning_rate:g} to leave the plateau: the run of {run} ended before"
        sentences = [f"{subject} {about} {number} {work} {pronoun} could." for subject, number, pronoun in subjects]
        if not self.stable:
            reason = f"above {significant(self.limit, 3)} gradient descent is unstable on the plateau or at the minimum"
            sentences.append(f"The learning rate {self.learning_rate:g} is too large: {reason}.")
        return tuple(sentences)

    def __repr__(self) -> str:
        ends = f", {_count(self.needed[0], 2)} … {_count(self.needed[-1], 2)} updates" if len(self.needed) else ""
        late = "" if self.updates is None else f", {np.count_nonzero(self.late)} late"
        return f"Activation({len(self.needed)} modes by {self.optimizer} at {self.learning_rate:g}{ends}{late})"

    def content(self) -> Content:
        """Yield the table of modes, strongest first, and the warnings."""
        yield f"{self.loss.explain(self.spectrum)}\n{self!r}"
        updates = "at least" if self.optimizer == "adam" else "updates"
        yield Table([
            Column("mode", self.mode), Column("λ/V", self.spectrum.normalized[: len(self.needed)]),
            Column("rate per update", self.rate, lambda rate: significant(rate, 4), "rate"),
            Column(updates, self.needed, lambda number: _count(number, 3), "needed"),
            Column("", self.late, lambda late: "late" if late else "", "late"),
        ])  # fmt: skip
        stable = f"Gradient descent is stable up to a learning rate of {significant(self.limit, 3)}."
        yield "\n".join([stable] * bool(np.isfinite(self.limit)) + list(self.warnings))


def is_timed(spectrum: Spectrum) -> bool:
    """Return whether times of training are known for data of this unit."""
    return bool(UNITS[0] < spectrum.eigenvalues[0] < UNITS[1])


@checked
def activation(
    spectrum: Spectrum,
    loss: Loss,
    *,
    learning_rate: Positive,
    updates: Count | None = None,
    momentum: Momentum = 0.0,
    start: Share = 0.01,
    optimizer: Literal["gradient descent", "adam"] = "gradient descent",
    schedule: Callable[[Array], Array] | None = None,
) -> Activation:
    """Return how many updates each mode needs to leave the plateau, and which modes are late in a run.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention in which β (one number) and the learning rate are read.
    learning_rate : float
        η, greater than 0.
    updates : int, optional
        Length of the run; without it no mode is late.
    momentum : float, default 0
        Of heavy-ball momentum, from 0 to below 1; Adam has its own.
    start : float, default 0.01
        Share of its final amplitude that each mode begins with.
    optimizer : {"gradient descent", "adam"}
        With Adam (β₁ = 0.9, β₂ = 0.999) the updates are a lower bound.
    schedule : callable, optional
        The factor on the learning rate against the share of the run, such as
        `training.schedules.cosine()`.

    Returns
    -------
    Activation
        The updates that each mode needs, which modes are late, and warnings in words.

    Raises
    ------
    InputError
        If an argument cannot be used, or β is not one number.

    Notes
    -----
    The bound for Adam: in update t no weight moves by more than η C_t, C_t = 1 to 7.27,
    whatever the gradients, and some weight has to move by about √(M²/2) / √(K d) before M² is
    half its final value. It holds with noise, decay and any start of the other modes; trained
    models took 1.2 to 12 times as long.

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([4, 1, 0.2])
    >>> result = activation(spectrum, Loss.gaussian(0.1), learning_rate=0.001, updates=10_000)
    >>> result
    Activation(3 modes by gradient descent at 0.001, 1 400 … 240 000 updates, 1 late)
    >>> print(result.warnings[0])
    Mode 3 needs about 240 000 updates at learning rate 0.001 to leave the plateau: the run of 10 000 ended before ...
    """
    if optimizer == "adam" and momentum:
        raise InputError(f"A momentum of {momentum} was given, but Adam has its own: leave it out.", "momentum")
    if schedule is not None and not (updates and updates <= LONGEST_SCHEDULE):
        run = f"a run of {updates} updates, but it needs the length of the run, at most {LONGEST_SCHEDULE:g}"
        raise InputError(f"A schedule was given for {run}: give updates, or leave the schedule out.", "schedule")
    if not is_timed(spectrum):
        ends = "from {:.0e} to {:.0e}".format(*UNITS)
        found = f"The largest variance is {spectrum.eigenvalues[0]:.1e}, but times of training are known {ends}"
        raise InputError(f"{found}: give data, β and starts in units nearer to 1.", "spectrum")
    scene = landscape(spectrum, loss)
    lam = scene.above
    scale = 2 * loss.weights(spectrum.dimension)[0]  # the user's own loss in units of σ_dec² L
    shares = np.arange(updates if schedule and updates else 1) / (updates or 1)
    factors = np.ones(1) if schedule is None else numbers(schedule(shares), "schedule", shape=shares.shape)
    worth = np.inf if updates is None else updates * float(factors.mean())
    if optimizer == "adam":
        steps = distance(spectrum, scene.latents, scene.price, start)[: len(lam)] / learning_rate
        rate, needed, limit = np.full(len(lam), np.nan), updates_for(steps), np.nan
        late = needed > worth if schedule is None else steps > factors @ longest_steps(len(shares))
    else:
        rate = per_update(scale * growth(lam, scene.price), learning_rate, momentum)
        needed = scene.plateau(start, learning_rate, momentum)
        late, limit = needed > worth, 2 * (1 + momentum) / (scale * _curvature(scene) * float(factors.max()))
    return Activation(
        spectrum, loss, optimizer, learning_rate, momentum, start, updates, worth, readonly(rate), readonly(needed),
        readonly(late, np.bool_), limit,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- formulas


def _curvature(scene: Landscape) -> float:
    """Return the largest Hessian eigenvalue of σ_dec² L in (W, E, ln s) and biases, collapsed or at the minimum."""
    ends = [scene.hessian_eigenvalues(point, logarithmic=True)[-1] for point in (scene.collapsed, scene.minimum)]
    served = scene.spectrum.eigenvalues[: len(scene.minimum.active)][:1]
    biases = (1 + served + np.sqrt((1 + served) ** 2 - 4 * scene.price)) / 2  # of [[1, w], [w, λ]], w² = λ − τ
    return float(max([*ends, *biases, scene.price]))


def longest_steps(updates: int) -> Array:
    """Return Adam's C_t of the updates 1 … `updates`, in learning rates, (updates,).

    >>> longest_steps(3).round(4).tolist(), longest_steps(STEADY_UPDATES)[-1].round(2).item()
    ([1.0, 1.0014, 1.0036], 7.27)
    """
    t, r = np.arange(1, updates + 1), MEAN_MEMORY**2 / SQUARE_MEMORY
    squares = (1 - SQUARE_MEMORY**t) * (1 - r**t) / ((1 - SQUARE_MEMORY) * (1 - r))
    return (1 - MEAN_MEMORY) / (1 - MEAN_MEMORY**t) * np.sqrt(squares)


def updates_for(steps: Array) -> Array:
    """Return the least number of updates in which Adam can move a weight by so many learning rates; any shape.

    >>> updates_for(np.array([0.5, 1.5, 1e6])).tolist()
    [1.0, 2.0, 138158.0]
    """
    longest = longest_steps(STEADY_UPDATES)
    reach = np.cumsum(longest)
    beyond = STEADY_UPDATES + np.ceil((steps - reach[-1]) / longest[-1])
    return np.where(steps > reach[-1], beyond, np.searchsorted(reach, steps) + (steps > 0.0))


def distance(spectrum: Spectrum, latents: int, price: float | Array, start: float) -> Array:
    """Return how far some weight has to go before a mode has half of its final M², (…, modes); 0 at or below the price.

    All weights within x/(√K ‖v‖₁) of the start bring the mode's amplitudes in K latents to
    start · w + x in the decoder and to start · e + x in the encoder at most, and M² to their
    product; w = √(λ−τ) and e = w/λ are the final ones. ‖v‖₁ = Σ_i |v_i| is that of the
    eigenvector, √d where it is not known.
    """
    lam = spectrum.eigenvalues
    w = np.sqrt(np.maximum(np.subtract.outer(-np.asarray(price), -lam), 0.0))
    e = w / lam
    x = np.sqrt(w * e / 2 + (start * (w - e) / 2) ** 2) - start * (w + e) / 2  # (start w + x)(start e + x) = we/2
    return np.maximum(x, 0.0) / (np.sqrt(latents) * _absolute_sums(spectrum))


def _absolute_sums(spectrum: Spectrum) -> Array:
    """Return ‖v‖₁ of each mode's eigenvector, (modes,); of a multiplet a bound for all its directions."""
    vectors = None if spectrum.matrix is None else spectrum.vectors
    if vectors is None:
        return np.full(spectrum.modes, np.sqrt(spectrum.dimension))
    sizes = [np.linalg.norm(vectors[:, a : a + m], axis=1).sum() for a, m in zip(*spectrum.multiplets, strict=True)]
    return np.repeat(sizes, spectrum.multiplets[1])


def _count(number: float, digits: int | None = None) -> str:
    """Return a count as it is read aloud.

    >>> _count(51_834.2, 2), _count(10_000), _count(3e12, 2)
    ('52 000', '10 000', '3e+12')
    """
    rounded = number if digits is None or number == 0 else float(f"{number:.{digits}g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded < 1e9 else f"{rounded:.{digits or 6}g}"
