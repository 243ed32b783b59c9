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
from landau_vae.symbolic.expansion import Expansion
from landau_vae.symbolic.series import Series, coefficients, eliminate, taylor

__all__ = ["Branch", "Landau"]


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
        names = (*self.variables, self.control)
        if not all(isinstance(name, sp.Symbol) for name in names) or len(set(names)) < len(names):
            raise InputError(
                f"Slow amplitude, fast variables and control parameter are {', '.join(map(str, names))}, but SymPy "
                "symbols, all different, are expected."
            )
        object.__setattr__(self, "loss", sp.sympify(self.loss))
        if not isinstance(self.collapsed, Mapping):
            raise InputError(
                f"The collapsed point is {self.collapsed!r}, but values such as {{w: 0, s: 1}} are expected."
            )
        object.__setattr__(self, "collapsed", {v: sp.sympify(x) for v, x in self.collapsed.items()})
        if self.loss.atoms(sp.Float):
            raise InputError(
                f"The loss contains the float {min(self.loss.atoms(sp.Float))}, but exact numbers are expected: write "
                "sympy.Rational(3, 10) for 0.3."
            )
        missing = set(self.variables) - set(self.collapsed)
        if missing:
            raise InputError(f"The collapsed point has no value for {_names(missing)}: give one for each variable.")
        self._check_symmetry()
        for variable, slope in self.stationarity.items():
            force = slope.subs(self.collapsed)
            if force.has(sp.nan, sp.zoo, sp.oo):
                raise InputError(f"The loss is singular at the collapsed point: ∂L/∂{variable} has no value there.")
            if not vanishes(force):
                raise InputError(
                    f"The collapsed point is not stationary: ∂L/∂{variable} = {sp.factor(force)} there, where 0 is "
                    "expected."
                )

    def _check_symmetry(self) -> None:
        foreign = set(self.symmetry) - set(self.variables)
        if foreign or any(image not in (v, -v) for v, image in self.symmetry.items()):
            raise InputError("A symmetry is expected as signs of the variables, such as {w: -w, e: -e}.")
        if not vanishes(self.loss.xreplace(dict(self.symmetry)) - self.loss):
            raise InputError(f"The loss changes under the symmetry {dict(self.symmetry)}: leave it out or mend it.")
        moved = [v for v in self.variables if self._odd(v) and not vanishes(self.collapsed[v])]
        if moved:
            raise InputError(
                f"The symmetry turns {_names(moved)} round, which is not 0 at the collapsed point: leave the symmetry "
                "out, or expand around a point that it leaves alone."
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
        roots = sp.solve(sp.numer(sp.together(self._curvature)), self.control)
        return tuple(root for root in roots if root.is_real is not False)

    @cached_property
    def _curvature(self) -> sp.Expr:
        return self.expansion(2).coefficients[2]

    @cached_property
    def threshold(self) -> sp.Expr:
        """τ_c, where the curvature a₂ of the Landau potential vanishes.

        Raises `InputError` if there is none, or more than one.
        """
        if not self.thresholds:
            raise InputError(f"a₂ = {self._curvature} vanishes at no value of {self.control}: there is no threshold.")
        if len(self.thresholds) > 1:
            raise InputError(
                f"a₂ = {self._curvature} vanishes at {list(self.thresholds)}, but one value of {self.control} is "
                "expected: read .thresholds and choose."
            )
        return self.thresholds[0]

    @cached_property
    def soft_mode(self) -> dict[sp.Symbol, sp.Expr]:
        """The direction without curvature at the threshold, per unit of the slow amplitude."""
        at = {**self.collapsed, self.control: self.threshold}
        slopes = {y: sp.cancel(sp.diff(x, self.slow).subs(at)) for y, x in self.elimination(1).items()}
        return {self.slow: sp.Integer(1)} | slopes

    def characteristic(self, rate: sp.Symbol, point: Mapping[sp.Symbol, sp.Expr] | None = None) -> sp.Expr:
        """det(H − rate·1): its roots are the relaxation rates of gradient flow at a point (negative: growth)."""
        size = len(self.variables)
        return sp.factor((self.hessian(point) - rate * sp.eye(size)).det(method="berkowitz"))

    # ------------------------------------------------------------------------------- order by order

    def elimination(self, order: int) -> dict[sp.Symbol, sp.Expr]:
        """The fast variables as power series of the slow one around the collapsed point, exact to the given order.

        Raises `InputError` for an order below 1, and where the fast variables' Hessian is singular.
        """
        needed = self._whole(order, least=1) + max((self._grade(y) for y in self.fast), default=0)
        displacements = eliminate(self._series(needed), order)
        step = self.slow - self.collapsed[self.slow]
        return {
            y: self.collapsed[y] + sum((sp.factor(c) * step**n for n, c in coefficients(d)), sp.Integer(0))
            for y, d in zip(self.fast, displacements, strict=True)
        }

    def expansion(self, order: int) -> Expansion:
        """The Landau potential to a given order in the slow amplitude; with a symmetry, its even powers.

        Raises `InputError` for an order below 2, and where the fast variables' Hessian is singular.
        """
        series = self._series(self._whole(order, least=2))
        potential = dict(coefficients(series.insert(series.terms, eliminate(series, order // 2), order)))
        powers = range(2, order + 1, 2 if self._odd(self.slow) else 1)
        return Expansion(self, {n: sp.factor(potential.get(n, 0)) for n in powers})

    def _series(self, order: int) -> Series:
        if self.order is not None and order > self.order:
            raise InputError(
                f"Terms of order {order} are needed, but this loss has been cut after order {self.order}: state more "
                "of it."
            )
        return taylor(self.loss, self.slow, self.fast, self.collapsed, [self._grade(y) for y in self.fast], order)

    @staticmethod
    def _whole(order: int, least: int) -> int:
        if isinstance(order, bool) or not isinstance(order, int) or order < least:
            raise InputError(f"The order is {order!r}, but a whole number from {least} on is expected.")
        return order

    def _odd(self, variable: sp.Symbol) -> bool:
        """Whether the symmetry turns a variable round."""
        return self.symmetry.get(variable, variable) != variable

    def _grade(self, variable: sp.Symbol) -> int:
        """The lowest power of the slow amplitude that a fast variable can begin with."""
        return 2 if self._odd(self.slow) and not self._odd(variable) else 1

    # ----------------------------------------------------------------------------- without expanding

    def exact_elimination(self) -> dict[sp.Symbol, sp.Expr]:
        """The fast variables in closed form, on the sheet that passes through the collapsed point.

        Raises `InputError` where SymPy finds none (the expansion still works there), or where the fast variables'
        Hessian is singular, so that more than one sheet may pass.
        """
        if self.order is not None:
            raise InputError(
                f"This loss has been cut after order {self.order}: only .expansion(order) means something."
            )
        if not self.fast:
            return {}
        if vanishes(self.hessian()[1:, 1:].det()):
            raise InputError(f"The Hessian of the fast variables {_names(self.fast)} is singular: one is not fast.")
        origin = {self.slow: self.collapsed[self.slow]}
        try:
            sheets = sp.solve([self.stationarity[y] for y in self.fast], self.fast, dict=True)
        except NotImplementedError:
            sheets = []
        for sheet in sheets:
            complete = len(sheet) == len(self.fast)
            if complete and all(vanishes(sheet[y].subs(origin) - self.collapsed[y]) for y in self.fast):
                return {y: sp.factor(sheet[y]) for y in self.fast}
        raise InputError(f"No closed form of {_names(self.fast)} was found: use .expansion(order).")

    def exact_potential(self) -> sp.Expr:
        """The loss with the fast variables eliminated, to all orders."""
        return self.loss.subs(self.exact_elimination())

    def branches(self) -> list["Branch"]:
        """The collapsed point and the stationary points that the exact potential adds to it."""
        fast = self.exact_elimination()
        slope = sp.numer(sp.together(sp.diff(self.exact_potential(), self.slow)))
        try:
            roots = sp.solve(slope, self.slow)
        except NotImplementedError:
            raise InputError(f"No closed form of the branches was found: {slope} = 0 has none in SymPy.") from None
        return [
            Branch(self, {self.slow: r} | {y: sp.cancel(x.subs(self.slow, r)) for y, x in fast.items()}) for r in roots
        ]


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


def _names(symbols: object) -> str:
    return ", ".join(sorted(str(s) for s in symbols))  # type: ignore[attr-defined]
