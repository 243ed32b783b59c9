"""When each mode leaves the plateau of a training run, and for which modes the run is too short.

    n_k = ln(1/start) / ln z_k          z_k = 1 + 2aηκ_k under gradient descent with learning rate η (`growth`)

The collapsed point is a saddle for every mode above the price; close to it amplitudes grow by z_k per update, slower
and slower towards the mode's threshold. Valid for small starts and latents that have settled: while they still share
stronger modes, they leave earlier (`verification.dynamics` measures both). Of Adam there is a bound, no law: see
`activation`. Derivation: `landau-vae derive gradient-flow`; Saxe et al., arXiv:1312.6120; Kingma & Ba, arXiv:1412.6980.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.tables import is_real
from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric._landscape import Landscape, landscape
from landau_vae.numeric.adam_plateau import distance, longest_steps, updates_for
from landau_vae.numeric.growth import growth, per_update
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Activation", "activation"]

LISTED = 5  # late modes that get a sentence each


@dataclass(frozen=True, eq=False)
class Activation:
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
    late: NDArray[np.bool_]  #: whether that is more than the run has, (modes,)
    limit: float  #: learning rate above which descent is unstable at the collapsed point or the minimum; NaN for Adam

    @property
    def mode(self) -> NDArray[np.int64]:
        """Which modes these are, counted from 1, (modes,)."""
        return readonly(np.arange(1, len(self.needed) + 1), np.int64)

    @property
    def stable(self) -> bool:
        """Whether the learning rate is below its limit; of Adam none is known."""
        return not self.learning_rate > self.limit

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each mode that is late, and one for a learning rate that is too large."""
        words = "at least" if self.optimizer == "adam" else "about"
        run = "" if self.updates is None else _count(self.updates)
        if self.updates is not None and self.worth < 0.99 * self.updates:
            run += f" (worth {_count(self.worth, 2)} at the full rate)"
        late, needed = self.mode[self.late], self.needed[self.late]
        subjects = [(f"Mode {k} needs", _count(n, 2), "it") for k, n in zip(late, needed, strict=True)]
        if len(late) > LISTED:
            ends = f"{_count(needed.min(), 2)} to {_count(needed.max(), 2)}"
            subjects = [(f"{len(late)} modes from {late[0]} to {late[-1]} need", ends, "they")]
        found = [
            f"{subject} {words} {number} updates at learning rate {self.learning_rate:g} to leave the plateau: "
            f"the run of {run} ended before {who} could."
            for subject, number, who in subjects
        ]
        if not self.stable:
            found.append(
                f"The learning rate {self.learning_rate:g} is too large: above {significant(self.limit, 3)} gradient "
                "descent is unstable on the plateau or at the minimum."
            )
        return tuple(found)

    def __repr__(self) -> str:
        ends = f", {_count(self.needed[0], 2)} … {_count(self.needed[-1], 2)} updates" if len(self.needed) else ""
        late = "" if self.updates is None else f", {np.count_nonzero(self.late)} late"
        return f"Activation({len(self.needed)} modes by {self.optimizer} at {self.learning_rate:g}{ends}{late})"

    def summary(self) -> str:
        """The table of modes, strongest first, and the warnings."""
        header = ["mode", "λ/V", "rate per update", "at least" if self.optimizer == "adam" else "updates", ""]
        shares = self.spectrum.normalized[: len(self.needed)]
        rows = [
            [str(k), significant(share), significant(rate, 4), _count(needed, 3), "late" if late else ""]
            for k, share, rate, needed, late in zip(self.mode, shares, self.rate, self.needed, self.late, strict=True)
        ]
        lines = [self.loss.explain(self.spectrum), repr(self), table(header, rows)]
        if np.isfinite(self.limit):
            lines.append(f"Gradient descent is stable up to a learning rate of {significant(self.limit, 3)}.")
        return "\n".join([*lines, *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Numbers and arrays as strict JSON."""
        names = (
            "optimizer", "learning_rate", "momentum", "start", "updates", "worth", "mode", "rate", "needed", "late",
            "limit", "warnings",
        )  # fmt: skip
        return jsonable({"loss": self.loss.to_dict(), **{name: getattr(self, name) for name in names}})


def activation(
    spectrum: Spectrum,
    loss: Loss,
    *,
    learning_rate: float,
    updates: int | None = None,
    momentum: float = 0.0,
    start: float = 0.01,
    optimizer: Literal["gradient descent", "adam"] = "gradient descent",
    schedule: Callable[[Array], Array] | None = None,
) -> Activation:
    """How many updates each mode needs to leave the plateau, and which are late in a run of so many `updates`.

    `schedule` is the factor on the learning rate against the share of the run, such as `training.schedules.cosine()`.
    Of Adam (β₁ = 0.9, β₂ = 0.999) only a bound is known: in update t no weight moves by more than η C_t, C_t = 1 to
    7.27, whatever the gradients (`numeric.adam`), and some weight has to move by about √(M²/2) / √(K d) before M² is
    half its final value. It holds with noise, decay and any start of the other modes; trained models took 1.2 to 12
    times as long. Raises `InputError` for settings that are none, and for a list of β.

    >>> spectrum = Spectrum.from_eigenvalues([4, 1, 0.2])
    >>> found = activation(spectrum, Loss.gaussian(0.1), learning_rate=0.001, updates=10_000)
    >>> found
    Activation(3 modes by gradient descent at 0.001, 1 400 … 240 000 updates, 1 late)
    >>> print(found.warnings[0])
    Mode 3 needs about 240 000 updates at learning rate 0.001 to leave the plateau: the run of 10 000 ended before ...
    """
    _check(learning_rate, updates, momentum, start, optimizer, schedule)
    scene = landscape(spectrum, loss)
    lam = spectrum.eigenvalues[: scene.latents]
    lam = lam[lam > scene.price]
    scale = 2 * loss.weights(spectrum.dimension)[0]  # the user's own loss in units of σ_dec² L
    run = np.arange(updates if schedule and updates else 1)
    factors = np.ones(1) if schedule is None else np.asarray(schedule(run / len(run)))
    worth = np.inf if updates is None else updates * float(factors.mean())
    if optimizer == "adam":
        steps = distance(scene, start) / learning_rate
        rate, needed, limit = np.full(len(lam), np.nan), updates_for(steps), np.nan
        late = needed > worth if schedule is None else steps > factors @ longest_steps(len(run))
    else:
        rate = per_update(scale * growth(lam, scene.price), learning_rate, momentum)
        needed = scene.plateau(start, learning_rate, momentum)
        late, limit = needed > worth, 2 * (1 + momentum) / (scale * _curvature(scene) * float(factors.max()))
    return Activation(
        spectrum, loss, optimizer, float(learning_rate), float(momentum), float(start),
        None if updates is None else int(updates), worth, readonly(rate), readonly(needed), readonly(late, np.bool_),
        limit,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- formulas


def _curvature(scene: Landscape) -> float:
    """The largest eigenvalue of the Hessian of σ_dec² L in (W, E, ln s) and biases, collapsed or at the minimum."""
    ends = [scene.hessian_eigenvalues(point, logarithmic=True)[-1] for point in (scene.collapsed, scene.minimum)]
    served = scene.spectrum.eigenvalues[: len(scene.minimum.active)][:1]
    biases = (1 + served + np.sqrt((1 + served) ** 2 - 4 * scene.price)) / 2  # of [[1, w], [w, λ]], w² = λ − τ
    return float(max([*ends, *biases, scene.price]))


def _check(learning_rate: Any, updates: Any, momentum: Any, start: Any, optimizer: Any, schedule: Any) -> None:
    if not (is_real(learning_rate) and learning_rate > 0):
        raise InputError(f"The learning rate is {learning_rate!r}, but a positive number is expected, such as 1e-3.")
    if updates is not None and not (is_real(updates) and updates == int(updates) >= 1):
        raise InputError(f"The run has {updates!r} updates, but a whole number from 1 on is expected.")
    if not (is_real(momentum) and 0 <= momentum < 1):
        raise InputError(f"The momentum is {momentum!r}, but a number from 0 to below 1 is expected.")
    if not (is_real(start) and 0 < start < 1):
        raise InputError(f"The start is {start!r}, but a share of the final amplitude between 0 and 1 is expected.")
    if optimizer not in ("gradient descent", "adam"):
        raise InputError(f"The optimizer is {optimizer!r}, but 'gradient descent' or 'adam' is expected.")
    if optimizer == "adam" and momentum:
        raise InputError(f"A momentum of {momentum} was given, but Adam has its own: leave it out.")
    if schedule is not None and not (callable(schedule) and updates):
        raise InputError(
            f"The schedule is {schedule!r} in a run of {updates} updates, but a function of the share of the run is "
            "expected, such as cosine(), and the length of the run."
        )


def _count(number: float, digits: int | None = None) -> str:
    """A count as it is read aloud.

    >>> _count(51_834.2, 2), _count(10_000), _count(3e12, 2)
    ('52 000', '10 000', '3e+12')
    """
    rounded = number if digits is None or number == 0 else float(f"{number:.{digits}g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded < 1e9 else f"{rounded:.{digits or 6}g}"
