"""What is known of the first collapse of a nonlinear VAE: its order, its places in β, its jump, what they rest on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import checked, numbers
from landau_vae.display import (
    Array,
    Column,
    Content,
    Integers,
    Result,
    Table,
    counted,
    readonly,
    significant,
    with_error,
)
from landau_vae.errors import InputError
from landau_vae.limits import CARRIED, FEW_CARRY, ORDER_MARGIN, ORDER_RESOLVED, ORDER_VISIBLE, REPEATED, TRIMMED
from landau_vae.loss import Loss
from landau_vae.networks._first_collapse import Edge, FirstCollapse, among
from landau_vae.networks._frontier import Frontier
from landau_vae.networks.moments import RowMoments
from landau_vae.networks.quartic import QuarticCollapse, quartic_collapse

Order = Literal["continuous", "first-order", "undecided"]

BETWEEN = 5  # β of the table of gains


@dataclass(frozen=True, eq=False)
class Onset(Result):
    """The first collapse of a nonlinear VAE on some rows, in the β of a loss."""

    json_fields = (
        "order", "margin", "within", "resolution", "linear", "maxwell", "maxwell_error", "spinodal", "jump", "beta",
        "gain", "proxy_beta", "memorising_beta", "effective_rows", "trimmed_maxwell", "trimmed_linear", "dropped",
        "lost_early", "few_best_to", "rows", "available", "moments", "by_moments", "frontier",
    )  # fmt: skip

    loss: Loss  #: the loss as given
    linear: float  #: β of λ₁ of all rows, from which on the collapsed state is stable
    collapse: FirstCollapse = field(repr=False)  #: the branches of one latent with a free decoder, by τ/λ₁
    moments: RowMoments = field(repr=False)  #: of the first principal component
    proxy: float  #: σ²_sG/λ₁, from which on no VAE is better than the collapsed state
    memorising: float  #: τ/λ₁ below which a single row is worth an output of its own
    frontier: Frontier | None = field(repr=False)  #: the best of any VAE at several β, where it was asked for
    chosen: Integers = field(repr=False)  #: which rows were used, in the order of the data, (n,)
    available: int  #: number of rows with a weight in the data

    @property
    def rows(self) -> int:
        """Number of rows that were used."""
        return self.collapse.rows

    @property
    def resolution(self) -> float:
        """Least τ_Maxwell/λ₁ − 1 that counts as a jump: more than the numerical error too."""
        return max(float(ORDER_RESOLVED), self.collapse.resolution)

    @property
    def excess_error(self) -> float:
        """Standard error of τ_Maxwell/λ₁, with the change by the last two degrees of the decoder."""
        return float(np.hypot(self.moments.error_of(self.collapse.maxwell.influence), self.collapse.change))

    @cached_property
    def _errors(self) -> Array:
        """Standard errors of the excess τ_Maxwell/λ₁ − 1 and of its root.

        Where a skewness is 0 by chance the excess has no error of its own, but its root
        has.
        """
        return np.array([self.excess_error, self.moments.root[1]])

    @cached_property
    def margin(self) -> float:
        """Standard errors by which the collapse has a jump beyond the resolution; negative if it has none.

        By the Maxwell point, or by the gain of an active state above the resolution
        where that is clearer: of heavy tails few rows decide the former.
        """
        excess, least = self.collapse.maxwell.price - 1, self.resolution
        distance = np.abs([excess - least, np.sqrt(max(excess, 0.0)) - np.sqrt(least)])
        standard = np.divide(distance, self._errors, out=np.full(2, np.inf), where=self._errors > 0)
        return max(float(standard.min()), self._gain_in_errors) if excess > least else -float(standard.min())

    @property
    def _gain_in_errors(self) -> float:
        """The gain of a stable state above the resolution, in its standard errors, at most."""
        problem, branch, best = self.collapse.problem, self.collapse.stable, 0.0
        of_first = problem.rows[:, 0] ** 2 - 1  # what a row adds to ln λ₁
        for price, loss, rate, x in zip(branch.price, branch.loss, branch.rate, branch.coefficients, strict=True):
            if price > 1 + self.resolution and loss < 0:
                added = problem.posteriors(x, price).loss - loss + rate * price * of_first
                best = max(best, -loss / self.moments.error_of(added))
        return float(best)

    @property
    def within(self) -> float:
        """Largest excess of the Maxwell point over the linear threshold that the errors allow, in units of it.

        Infinite where the active state was not followed to its Maxwell point.
        """
        if self.lost_early:
            return np.inf
        excess = max(self.collapse.maxwell.price - 1, 0.0)
        by_itself, by_root = np.array([excess, np.sqrt(excess)]) + ORDER_MARGIN * self._errors
        return float(max(by_itself, by_root**2, self.resolution))

    @property
    def order(self) -> Order:
        """Whether the first collapse has a jump."""
        if self.margin >= ORDER_MARGIN:
            return "first-order"
        small = self.margin < 0 and self.within <= ORDER_VISIBLE
        return "continuous" if small else "undecided"

    @property
    def maxwell(self) -> float:
        """Largest β at which the active state is the best."""
        return self.linear * self.collapse.maxwell.price

    @property
    def maxwell_error(self) -> float:
        """Standard error of that β over the β of λ₁, in β."""
        return self.linear * self.excess_error

    @property
    def lost_early(self) -> bool:
        """Whether the active state was the best to where too few rows use it: its Maxwell point is a lower bound."""
        return self.collapse.lost_early

    @property
    def spinodal(self) -> float:
        """Largest β to which the active state survives where β rises."""
        return self.linear * self.collapse.spinodal.price

    @property
    def few_best_to(self) -> float:
        """Largest β at which a state that lives beyond the spinodal, of few rows, is the best; 0 without one."""
        return self.linear * max((phase.best_to for phase in self.collapse.outliers), default=0.0)

    @property
    def jump(self) -> Array:
        """Signal fraction M² and rate (nats) that are lost at the Maxwell point, (2,)."""
        return readonly(self.collapse.jump)

    @cached_property
    def beta(self) -> Array:
        """Values of β from the linear threshold to the Maxwell point, (b,)."""
        return readonly(np.linspace(self.linear, self.maxwell, BETWEEN))

    @property
    def gain(self) -> Array:
        """Amount by which the loss of the active state is below the collapsed one, per row, at each `beta`, (b,)."""
        from scipy.interpolate import CubicHermiteSpline

        branch = self.collapse.stable  # the slope of the loss in the price is the rate
        loss = CubicHermiteSpline(branch.price, branch.loss, branch.rate)(self.beta / self.linear)
        return readonly(self.unit * np.maximum(-loss, 0.0))

    @property
    def unit(self) -> float:
        """Loss, as the training loop has it, of λ₁ data²."""
        features = self.moments.features
        weight = self.loss.weights(features)[0] * self.loss.likelihood.curvature_of_term
        return float(weight * self.loss.at(self.linear).charge(features))

    @property
    def proxy_beta(self) -> float:
        """Least β, that of σ²_sG, from which on no VAE is better than the collapsed state."""
        return self.linear * self.proxy

    @property
    def memorising_beta(self) -> float:
        """Largest β at which a single row is worth an output of its own."""
        return self.linear * self.memorising

    @property
    def effective_rows(self) -> float:
        """Number of rows that share the rate at the Maxwell point, (Σ R)²/Σ R²."""
        return float(self.rows * self._active(self.collapse.stable.sharing)[-1])

    @cached_property
    def _raising(self) -> tuple[Integers, Integers]:
        """The rows that raise the Maxwell point most, and the others, by their place among those used."""
        order = np.argsort(-self.moments.share * self.collapse.maxwell.influence, kind="stable")
        dropped, kept = np.split(order, [ceil(TRIMMED * self.rows)])
        return np.sort(dropped), np.sort(kept)

    @property
    def dropped(self) -> Integers:
        """Those rows that raise the Maxwell point most, by their place in the data."""
        return readonly(self.chosen[self._raising[0]], np.int64)

    @cached_property
    def trimmed(self) -> tuple[float, Edge]:
        """Threshold λ₁ without these rows, in units of λ₁, and the Maxwell point in units of that threshold."""
        return among(self.collapse, self._raising[1])

    @property
    def trimmed_linear(self) -> float:
        """Linear threshold without the dropped rows, in β."""
        return self.linear * self.trimmed[0]

    @property
    def trimmed_maxwell(self) -> float:
        """Maxwell point without the dropped rows, in β."""
        return self.trimmed_linear * self.trimmed[1].price

    @checked
    def linear_gain(self, ratio: ArrayLike) -> Array:
        """Return by how much the best linear VAE of one latent or more is above the collapsed state.

        Parameters
        ----------
        ratio : (r,) array_like
            τ/λ₁.

        Returns
        -------
        (r,) array
            (F − F₀)/λ₁, not above 0.

        Raises
        ------
        InputError
            If a price is not positive.
        """
        price = numbers(ratio, "ratio", finite=True)[..., None]
        if not (price > 0).all():
            raise InputError("ratio has entries that are not positive: give τ/λ₁ above 0.", "ratio")
        over = np.maximum(np.append(1.0, self.moments.moments.across) / price, 1.0)
        return np.asarray(-0.5 * (price * (over - 1 - np.log(over))).sum(axis=-1))

    @cached_property
    def by_moments(self) -> QuarticCollapse:
        """Collapse by the moments alone, to quartic order; it says whether it is to be trusted."""
        return quartic_collapse(self.moments.moments)

    def _active(self, values: Array) -> Array:
        """Return what the stable active state has at each `beta`."""
        return np.interp(self.beta / self.linear, self.collapse.stable.price, values)

    def __repr__(self) -> str:
        places = f"linear {significant(self.linear, 4)}, Maxwell {significant(self.maxwell, 4)}"
        return f"Onset({self.order}; {self.loss.knob}: {places}, spinodal {significant(self.spinodal, 4)})"

    # ------------------------------------------------------------------------------------ output

    def content(self) -> Content:
        """Yield the verdict, the places in β, the gains between them, the moments, and what they rest on."""
        drawn = f" of {self.available}, drawn at random" * (self.rows < self.available)
        yield f"First collapse on {counted(self.rows, 'row')}{drawn}, for the loss {self.loss.formula}."
        yield self._verdict()
        yield self._places()
        if self.order == "first-order":
            yield self._gains()
        yield from self.moments.content()
        yield "\n".join(self._remarks())

    def _verdict(self) -> str:
        knob, over = self.loss.knob, with_error(self.collapse.maxwell.price - 1, self.excess_error)
        least = "at least " * self.lost_early
        found = f"the Maxwell point is above the linear threshold by {least}{over} of it"
        if self.order == "continuous":
            return f"Continuous within {self.within:.1%} of {knob}: {found}."
        if self.order == "undecided":
            if self.lost_early:
                return f"Undecided: {found}. Beyond that too few rows use the latent. More rows would tell."
            if np.isinf(self.within):
                return f"Undecided: {found}, but decoders of other degrees do not agree on it."
            return f"Undecided: {found}, and by {self.within:.2g} at most. More rows would tell."
        found += f", {self.margin:.1f} standard errors beyond the resolution of {self.resolution:.0%}"
        ends = f"{knob} = {significant(self.linear, 4)} to {significant(self.maxwell, 4)}"
        return (
            f"First-order: {found}. From {ends} the collapsed state is stable but not the best: "
            "raise the KL weight from below (warm-up) to find the better one."
        )

    def _places(self) -> Table:
        best, survives = (", at least" * early for early in (self.lost_early, self.collapse.ended))
        (signal, rate), places = self.jump, {
            "collapsed state stable from": self.linear, f"active state best up to (Maxwell){best}": self.maxwell,
            f"active state survives up to (spinodal){survives}": self.spinodal,
            "no VAE is active from (σ²_sG)": self.proxy_beta, "single rows memorised below": self.memorising_beta,
        }  # fmt: skip
        beta = np.array(list(places.values()))
        note = f"At the Maxwell point M² (signal fraction) jumps by {signal:.3g}, the rate R by {rate:.3g} nats."
        return Table(
            [
                Column("place", list(places), text=True), Column(self.loss.knob, beta, lambda b: significant(b, 4)),
                Column("over linear", beta / self.linear, lambda b: significant(b, 4)),
            ],
            note=note * bool(rate and self.order != "continuous"),
        )  # fmt: skip

    def _gains(self) -> Table:
        def three(value: float) -> str:
            return significant(value, 3)

        title = "What a warm-up gains over a fresh training that collapses, per row:"
        columns = [
            Column(self.loss.knob, self.beta, lambda b: significant(b, 4)), Column("gain", self.gain, three),
            Column("M²", self._active(self.collapse.stable.signal_fraction), three),
            Column("R [nat]", self._active(self.collapse.stable.rate), three),
        ]  # fmt: skip
        return Table(columns, title)

    def _at(self, ratio: float) -> str:
        """Return a price τ/λ₁ as β."""
        return f"{self.loss.knob} = {significant(self.linear * ratio, 4)}"

    def _remarks(self) -> Iterator[str]:
        """Yield what is expected at the β of the loss, and what the rows and the numbers limit."""
        if self.loss.beta.ndim == 0:
            beta = float(self.loss.beta)
            yield f"At your {self._at(beta / self.linear)} {self._expected(beta)}."
        yield from self._of_moments()
        if self.jump.any() or self.few_best_to > self.spinodal:
            yield from self._of_rows()
        if self.memorising > 1:
            yield (
                "Single rows are worth memorising above the linear threshold: σ²_sG is that of these rows, and says "
                "little about others."
            )
        if self.rows < self.available:
            yield f"The errors include that of drawing {self.rows} of {self.available} rows."
        change, less = significant(self.linear * self.collapse.change, 2), "two degrees less"
        moved = f"{less} move the Maxwell point by {change}"
        if not np.isfinite(self.collapse.change):
            moved = f"with {less} no state is active there"
        yield (
            f"Decoders of degree {self.collapse.order} in z; {moved}. Errors are those of the population; a training "
            "on these rows has only that of the degree."
        )

    def _of_moments(self) -> Iterator[str]:
        moments, law = self.moments, self.by_moments
        if not moments.separated:
            yield "λ₁ and λ₂ are equal within their sampling errors: the first component, κ and Q are not known."
        elif law.trusted:
            yield f"By the moments alone, to quartic order, the Maxwell point is at {self._at(law.maxwell)}."
        else:
            yield f"Moments alone do not give the Maxwell point. {law.reason}"
        if moments.distinct < REPEATED * self.rows:
            yield (
                f"The {self.rows} rows are {moments.distinct} distinct ones. If equal rows are copies and not "
                "independent draws, errors are larger: give copies the same block."
            )
        if moments.largest_share > CARRIED:
            carried = f"One distinct row carries {moments.largest_share:.0%} of the fourth moment"
            yield f"{carried}: moments and their errors are those of that row."

    def _of_rows(self) -> Iterator[str]:
        """Yield which rows the active state rests on."""
        if self.order != "continuous" and self.effective_rows < FEW_CARRY * self.rows:
            yield (
                f"The active state at the Maxwell point is one of few rows: about {self.effective_rows:.0f} of "
                f"{self.rows} rows use the latent."
            )
        if self.few_best_to > self.spinodal:
            best = self._at(self.few_best_to / self.linear)
            yield f"Beyond that a state of fewer and fewer rows is better than the collapsed one, to {best}."
        yield (
            f"Without the {counted(len(self.dropped), 'row')} that raise it most, the Maxwell point is at "
            f"{self._at(self.trimmed_maxwell / self.linear)}, and the linear threshold at "
            f"{self._at(self.trimmed_linear / self.linear)}."
        )

    def _expected(self, beta: float) -> str:
        """Return which states are there at a β."""
        if beta < self.linear:
            return "the collapsed state is unstable: a latent is active"
        if beta < self.maxwell:
            return "the active state is the best, and training from small weights stays collapsed"
        if beta < self.spinodal:
            return "the collapsed state is better, and an active one survives where it is reached from below"
        if beta >= self.proxy_beta:
            return "no VAE is better than the collapsed state"
        few = "a state of few rows is still better than the collapsed one"
        latent = few if beta < self.few_best_to else "the latent of this decoder is collapsed"
        return f"{latent}; how much any VAE can gain, `frontier` says"
