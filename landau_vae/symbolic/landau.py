"""From a loss to its Landau theory: which mode goes soft, at which control value, and what happens there.

    ΔL(a) = a₂(τ) a² + a₄(τ) a⁴ + …      a₂(τ_c) = 0,  a₄(τ_c) > 0: continuous,  a₄(τ_c) < 0: a jump

State a loss, its slow amplitude a, its fast variables y, the control parameter, the collapsed point and the symmetry
that forbids odd powers of a; the engine eliminates y from ∂L/∂y = 0 order by order. As L is stationary in y, an error
of order n + 1 in y moves the potential at order 2n + 2 only: half the order is enough.

Exact rational arithmetic over the parameters; needs a loss that is analytic at the collapsed point and a stiff (not
singular) Hessian of the fast variables there. Derivations: `landau-vae derive collapse`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy as sp

from landau_vae.errors import InputError
from landau_vae.symbolic.algebra import vanishes
from landau_vae.symbolic.series import Series, coefficients, eliminate, taylor

__all__ = ["Branch", "Expansion", "Landau"]


@dataclass(frozen=True, eq=False)
class Landau:
    """A loss with the names that a Landau theory needs.

    >>> from sympy.abc import a, y, t
    >>> theory = Landau((1 + t) * a**2 / 2 - a * y + y**2 / 2 + y**4 / 4, slow=a, fast=[y], control=t,
    ...                 collapsed={a: 0, y: 0}, symmetry={a: -a, y: -y})
    >>> theory.threshold, theory.soft_mode
    (0, {a: 1, y: 1})
    >>> theory.expansion(6).coefficients
    {2: t/2, 4: 1/4, 6: -1/2}
    >>> theory.expansion(6).kind, theory.expansion(6).exponents["order parameter"]
    ('supercritical', 1/2)
    """

    loss: sp.Expr
    slow: sp.Symbol  #: a, the amplitude that stays
    fast: tuple[sp.Symbol, ...]  #: y, to be eliminated
    control: sp.Symbol  #: τ
    collapsed: Mapping[sp.Symbol, sp.Expr]  #: the fixed point to expand around
    symmetry: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)  #: signs that leave the loss alone
    order: int | None = None  #: the grade after which the loss itself has been cut, if it has

    def __post_init__(self) -> None:
        object.__setattr__(self, "fast", tuple(self.fast))
        object.__setattr__(self, "loss", sp.sympify(self.loss))
        object.__setattr__(self, "collapsed", {v: sp.sympify(x) for v, x in self.collapsed.items()})
        missing = set(self.variables) - set(self.collapsed)
        if missing:
            raise InputError(f"The collapsed point has no value for {_names(missing)}: give one for each variable.")
        foreign = set(self.symmetry) - set(self.variables)
        if foreign or any(image not in (v, -v) for v, image in self.symmetry.items()):
            raise InputError("A symmetry is expected as signs of the variables, such as {w: -w, e: -e}.")
        if not vanishes(self.loss.xreplace(dict(self.symmetry)) - self.loss):
            raise InputError(f"The loss changes under the symmetry {dict(self.symmetry)}: leave it out or mend it.")
        for variable, slope in self.stationarity.items():
            if not vanishes(slope.subs(self.collapsed)):
                raise InputError(
                    f"The collapsed point is not stationary: ∂L/∂{variable} = {sp.factor(slope.subs(self.collapsed))} "
                    "there, where 0 is expected."
                )

    def with_loss(self, loss: sp.Expr) -> "Landau":
        """The same names for another loss, say with numbers put in."""
        return replace(self, loss=loss)

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The slow amplitude, then the fast variables."""
        return (self.slow, *self.fast)

    # ------------------------------------------------------------------------ at the collapsed point

    @cached_property
    def stationarity(self) -> dict[sp.Symbol, sp.Expr]:
        """∂L/∂v for each variable v; a stationary point makes them all vanish."""
        return {v: sp.diff(self.loss, v) for v in self.variables}

    def hessian(self, point: Mapping[sp.Symbol, sp.Expr] | None = None) -> sp.Matrix:
        """∂²L/∂v∂v′ at a point, by default the collapsed one."""
        at = self.collapsed if point is None else point
        return sp.hessian(self.loss, self.variables).subs(at).applyfunc(sp.cancel)

    @cached_property
    def thresholds(self) -> tuple[sp.Expr, ...]:
        """Every control value at which the collapsed point has a soft direction along the slow amplitude."""
        return tuple(sp.solve(sp.numer(sp.together(self._curvature)), self.control))

    @cached_property
    def _curvature(self) -> sp.Expr:
        return self.expansion(2).coefficients[2]

    @cached_property
    def threshold(self) -> sp.Expr:
        """τ_c, where the curvature a₂ of the Landau potential vanishes.

        Raises `InputError` if there is none, or more than one.
        """
        if len(self.thresholds) != 1:
            raise InputError(
                f"a₂ = {self._curvature} vanishes at {list(self.thresholds)}, but one value of "
                f"{self.control} is expected: read .thresholds and choose."
            )
        return self.thresholds[0]

    @cached_property
    def soft_mode(self) -> dict[sp.Symbol, sp.Expr]:
        """The direction without curvature at the threshold, per unit of the slow amplitude."""
        at = {self.slow: 0, self.control: self.threshold}
        slopes = {y: sp.cancel(sp.diff(x, self.slow).subs(at)) for y, x in self.elimination(1).items()}
        return {self.slow: sp.Integer(1)} | slopes

    def characteristic(self, rate: sp.Symbol, point: Mapping[sp.Symbol, sp.Expr] | None = None) -> sp.Expr:
        """det(H − rate·1): its roots are the relaxation rates of gradient flow at a point (negative: growth)."""
        size = len(self.variables)
        return sp.factor((self.hessian(point) - rate * sp.eye(size)).det(method="berkowitz"))

    # ------------------------------------------------------------------------------- order by order

    def elimination(self, order: int) -> dict[sp.Symbol, sp.Expr]:
        """The fast variables as power series of the slow one, exact to the given order."""
        displacements = eliminate(self._series(2 * order), order)
        return {
            y: self.collapsed[y] + sum((sp.factor(c) * self.slow**n for n, c in coefficients(d)), sp.Integer(0))
            for y, d in zip(self.fast, displacements, strict=True)
        }

    def expansion(self, order: int) -> "Expansion":
        """The Landau potential to a given order in the slow amplitude (even where there is a symmetry).

        Raises `InputError` for an order below 2 or if the fast variables' Hessian is singular.
        """
        if isinstance(order, bool) or not isinstance(order, int) or order < 2:
            raise InputError(f"The order is {order!r}, but a whole number from 2 on is expected.")
        if self.order is not None and order > self.order:
            raise InputError(
                f"Order {order} was asked for, but this loss has been cut after order {self.order}: state more of it."
            )
        series = self._series(order)
        potential = dict(coefficients(series.insert(series.terms, eliminate(series, order // 2), order)))
        step = 2 if self._parity(self.slow) == 1 and self.symmetry else 1
        return Expansion(self, {n: sp.factor(potential.get(n, 0)) for n in range(2, order + 1, step)})

    def _series(self, order: int) -> Series:
        return taylor(self.loss, self.slow, self.fast, self.collapsed, [self._grade(y) for y in self.fast], order)

    def _parity(self, variable: sp.Symbol) -> int:
        return 0 if self.symmetry.get(variable, variable) == variable else 1

    def _grade(self, variable: sp.Symbol) -> int:
        """The lowest power of the slow amplitude that a fast variable can begin with."""
        return 2 if self.symmetry and not self._parity(variable) else 1

    # ----------------------------------------------------------------------------- without expanding

    def exact_elimination(self) -> dict[sp.Symbol, sp.Expr]:
        """The fast variables in closed form, on the sheet that passes through the collapsed point.

        Raises `InputError` where SymPy finds none: the expansion still works there.
        """
        sheets = sp.solve([self.stationarity[y] for y in self.fast], self.fast, dict=True)
        origin = {self.slow: self.collapsed[self.slow]}
        for sheet in sheets:
            if len(sheet) == len(self.fast) and all(
                vanishes(sheet[y].subs(origin) - self.collapsed[y]) for y in self.fast
            ):
                return {y: sp.factor(sheet[y]) for y in self.fast}
        raise InputError(f"No closed form of {_names(self.fast)} was found: use .expansion(order).")

    def exact_potential(self) -> sp.Expr:
        """The loss with the fast variables eliminated, to all orders."""
        return self.loss.subs(self.exact_elimination())

    def branches(self) -> list["Branch"]:
        """The collapsed point and the stationary points that the exact potential adds to it."""
        fast = self.exact_elimination()
        slope = sp.numer(sp.together(sp.diff(self.exact_potential(), self.slow)))
        points = [{self.slow: root} for root in sp.solve(slope, self.slow)]
        return [Branch(self, p | {y: sp.cancel(x.subs(p)) for y, x in fast.items()}) for p in points]


@dataclass(frozen=True, eq=False)
class Branch:
    """A stationary point as a function of the parameters."""

    theory: Landau = field(repr=False)
    values: dict[sp.Symbol, sp.Expr]  #: every variable's value

    @cached_property
    def hessian(self) -> sp.Matrix:
        """∂²L at the point, in the order of `theory.variables`."""
        return self.theory.hessian(self.values)

    @cached_property
    def minors(self) -> tuple[sp.Expr, ...]:
        """The leading minors of the Hessian, fast variables first: stable where all are positive (Sylvester)."""
        flipped = self.hessian[::-1, ::-1]
        return tuple(sp.factor(flipped[:n, :n].det()) for n in range(1, flipped.rows + 1))


@dataclass(frozen=True, eq=False)
class Expansion:
    """A Landau potential: its coefficients, and what they say about the transition."""

    theory: Landau = field(repr=False)
    coefficients: dict[int, sp.Expr]  #: power of the amplitude → coefficient, a function of the control parameter

    @property
    def potential(self) -> sp.Expr:
        """Σ_n a_n aⁿ, the loss above the collapsed point."""
        return sp.Add(*(c * self.theory.slow**n for n, c in self.coefficients.items()))

    @cached_property
    def at_threshold(self) -> dict[int, sp.Expr]:
        """The coefficients at τ_c."""
        at = {self.theory.control: self.theory.threshold}
        return {n: sp.factor(c.subs(at)) for n, c in self.coefficients.items()}

    @cached_property
    def leading(self) -> tuple[int, sp.Expr]:
        """The first power with a coefficient at the threshold, and that coefficient.

        Raises `InputError` if all coefficients vanish to the order of this expansion.
        """
        for n, c in self.at_threshold.items():
            if not vanishes(c):
                return n, c
        raise InputError(
            f"At the threshold nothing is left up to order {max(self.coefficients)}: expand to a higher order."
        )

    @property
    def kind(self) -> str:
        """'supercritical', 'subcritical', 'transcritical' (an odd power leads), or 'undecided' without a known sign."""
        power, coefficient = self.leading
        if power % 2:
            return "transcritical"
        if coefficient.is_positive:
            return "supercritical"
        return "subcritical" if coefficient.is_negative else "undecided"

    @cached_property
    def exponents(self) -> dict[str, sp.Rational]:
        """Critical exponents of a continuous transition, read off the orders at which coefficients vanish.

        With a₂ ~ tᵏ and leading power n: amplitude t^{k/(n−2)}, susceptibility t^{−k}, response to a field at the
        threshold h^{1/(n−1)}, gain of the loss t^{kn/(n−2)}.
        """
        power, control = self.leading[0], self.theory.control
        order = sp.Integer(1)
        slope = sp.diff(self.coefficients[2], control)
        while vanishes(slope.subs(control, self.theory.threshold)):
            slope, order = sp.diff(slope, control), order + 1
        return {
            "order parameter": order / (power - 2),
            "susceptibility": order,
            "field": sp.Rational(1, power - 1),
            "loss": order * power / (power - 2),
        }


def _names(symbols: object) -> str:
    return ", ".join(sorted(str(s) for s in symbols))  # type: ignore[attr-defined]
