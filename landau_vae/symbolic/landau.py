"""From a loss to its Landau theory: which mode goes soft, at which control value, and what happens there.

    ΔL(a) = a₂(τ) a² + a₄(τ) a⁴ + …      a₂(τ_c) = 0,  a₄(τ_c) > 0: continuous,  a₄(τ_c) < 0: a jump

State a loss, its slow amplitude a, its fast variables y, the control parameter, the
collapsed point and the symmetry that forbids odd powers of a; the engine eliminates y
from ∂L/∂y = 0 order by order. Because L is stationary in y, an error of order n + 1 in
y moves the potential at order 2n + 2 only: half the order is enough. Several slow
amplitudes give a potential in all of them.

With a₂ ~ tᵏ and a_N(τ_c) ≠ 0 the first that is left at the threshold, a² and a^N
balance at a ~ t^{k/(N−2)} (Newton's polygon). Exact rational arithmetic over the
parameters; needs a loss that is analytic at the collapsed point and a stiff (not
singular) Hessian of the fast variables there. Derivations: `landau-vae derive
collapse`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

import sympy as sp

from landau_vae.checks import Range, check_fields, checked
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.symbolic.algebra import Point, Series, as_expression, coefficients, eliminate, taylor, vanishes

MAX_ORDER = 40  # `derive collapse --order 40` takes 8 s, 60 takes 40 s


@dataclass(frozen=True, eq=False)
class Expansion:
    """A Landau potential and what it says about the transition, as `Landau.expansion` returns it."""

    theory: "Landau" = field(repr=False)  #: the theory that was expanded
    #: power of the amplitude (of several: a tuple of powers) → coefficient, a function of the control parameter
    coefficients: dict[Any, sp.Expr]

    @property
    def potential(self) -> sp.Expr:
        """Σ_n a_n aⁿ, the loss above the collapsed point."""
        return sp.Add(*(c * _monomial(self.theory, n) for n, c in self.coefficients.items()))

    @cached_property
    def at_threshold(self) -> dict[int, sp.Expr]:
        """The coefficients at τ_c."""
        at = {self.theory.control: self.theory.threshold}
        return {n: sp.factor(c.subs(at)) for n, c in self.coefficients.items()}

    @cached_property
    def leading(self) -> tuple[int, sp.Expr]:
        """N and a_N: the first power with a coefficient at the threshold, and that coefficient.

        Raises `OutsideTheory` if all coefficients vanish to the order of this
        expansion, or for several amplitudes.
        """
        _one_amplitude(self.theory)
        for n, c in self.at_threshold.items():
            if not vanishes(c):
                return n, c
        highest = max(self.coefficients)
        raise OutsideTheory(f"At the threshold nothing is left up to order {highest}: expand to a higher order.")

    @property
    def kind(self) -> str:
        """'supercritical', 'subcritical', 'transcritical' (an odd power leads), or 'undecided' without a known sign.

        Raises `OutsideTheory` where the fast variables are known to be at no minimum
        (then no state is stable), and where a₂ touches zero without changing sign (then
        there is no transition).
        """
        _one_amplitude(self.theory)
        fast = self.theory.hessian()[1:, 1:].subs(self.theory.control, self.theory.threshold)
        if any(fast[:n, :n].det().is_negative for n in range(1, fast.rows + 1)):
            raise OutsideTheory("The fast variables are not at a minimum at the threshold: no state is stable there.")
        self._changes_sign()
        power, coefficient = self.leading
        if power % 2:
            return "transcritical"
        if coefficient.is_positive:
            return "supercritical"
        return "subcritical" if coefficient.is_negative else "undecided"

    @cached_property
    def exponents(self) -> dict[str, sp.Rational]:
        """Critical exponents of a continuous transition, read off the orders k and N.

        Amplitude t^{k/(N−2)}, susceptibility t^{−k}, response to a field at the
        threshold h^{1/(N−1)}, gain of the loss t^{kN/(N−2)}. Raises `OutsideTheory` for
        a subcritical one, and where the powers between 2 and N matter.
        """
        power, coefficient = self.leading
        if power % 2 == 0 and coefficient.is_negative:
            raise OutsideTheory(f"a_{power} = {coefficient} is negative: the transition jumps, and has no exponents.")
        first = self._changes_sign()
        for n, c in self.coefficients.items():
            if 2 < n < power and not vanishes(c) and self._order_of_zero(n) * (power - 2) < first * (power - n):
                raise OutsideTheory(
                    f"a_{n} vanishes more slowly at the threshold than a scaling between a_2 and a_{power} allows: "
                    "exponents do not follow from these orders."
                )
        amplitude, response = first / (power - 2), sp.Rational(1, power - 1)
        return {"order parameter": amplitude, "susceptibility": first, "field": response, "loss": amplitude * power}

    def _changes_sign(self) -> sp.Integer:
        """Return the order k of the zero of a₂, which must be odd."""
        order = self._order_of_zero(2)
        if order % 2 == 0:
            at = f"{self.theory.control} = {self.theory.threshold}"
            raise OutsideTheory(f"a_2 = {self.coefficients[2]} does not change sign at {at}: there is no transition.")
        return order

    def _order_of_zero(self, power: int) -> sp.Integer:
        """Return the power of τ − τ_c with which a coefficient vanishes at the threshold."""
        slope, order = self.coefficients[power], sp.Integer(0)
        while vanishes(slope.subs(self.theory.control, self.theory.threshold)):
            slope, order = sp.diff(slope, self.theory.control), order + 1
        return order


@dataclass(frozen=True, eq=False)
class Landau:
    """A loss with the names that a Landau theory needs.

    Examples
    --------
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

    loss: Any  #: L, a SymPy expression
    slow: sp.Symbol | tuple[sp.Symbol, ...]  #: a, the amplitude that stays, or several of them
    fast: tuple[sp.Symbol, ...]  #: y, to be eliminated
    control: sp.Symbol  #: τ
    collapsed: Point  #: the fixed point to expand around
    symmetry: Point = field(default_factory=dict)  #: signs that leave the loss alone
    order: int | None = None  #: the grade after which the loss itself has been cut, if it has
    #: the power with which each of several slow amplitudes counts; 1 unless given
    weights: Mapping[sp.Symbol, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.amplitudes or not all(self.weights.get(a, 1) in range(1, MAX_ORDER) for a in self.amplitudes):
            raise InputError("Slow amplitudes are expected, each with a whole number from 1 on as its weight.", "slow")
        names = (*self.variables, self.control)
        if len(set(names)) < len(names):
            listed = ", ".join(map(str, names))
            raise InputError(f"Slow amplitude, fast variables and control are {listed}, not all different.", "fast")
        object.__setattr__(self, "loss", as_expression(self.loss, "loss"))
        for name in ("collapsed", "symmetry"):
            point = {v: as_expression(x, name) for v, x in getattr(self, name).items()}
            object.__setattr__(self, name, point)
        if floats := self.loss.atoms(sp.Float):
            raise InputError(f"The loss contains the float {min(floats)}: write sympy.Rational(3, 10) for 0.3.", "loss")
        missing = set(self.variables) - set(self.collapsed)
        if missing:
            raise InputError(f"The collapsed point has no value for {_names(missing)}: give one for each variable.")
        self._check_symmetry()
        for variable, slope in self.stationarity.items():
            force = slope.subs(self.collapsed)
            if force.has(sp.nan, sp.zoo, sp.oo):
                raise InputError(f"The loss is singular at the collapsed point: ∂L/∂{variable} has no value there.")
            if not vanishes(force):
                force = sp.factor(force)
                raise InputError(f"The collapsed point is not stationary: ∂L/∂{variable} = {force} there, not 0.")

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
        """Return the theory of another loss with the same names, such as one with numbers put in.

        Parameters
        ----------
        loss : sympy.Expr
            The other loss.

        Returns
        -------
        Landau
            Otherwise as this one.

        Raises
        ------
        InputError
            If the loss does not go with the collapsed point or the symmetry.
        """
        return replace(self, loss=loss)

    @property
    def amplitudes(self) -> tuple[sp.Symbol, ...]:
        """The slow amplitudes, one or several."""
        return (self.slow,) if isinstance(self.slow, sp.Symbol) else self.slow

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The slow amplitudes, then the fast variables."""
        return (*self.amplitudes, *self.fast)

    # ------------------------------------------------------------------------ at the collapsed point

    @cached_property
    def stationarity(self) -> dict[sp.Symbol, sp.Expr]:
        """∂L/∂v for each variable v; a stationary point makes them all vanish."""
        return {v: sp.diff(self.loss, v) for v in self.variables}

    @checked
    def hessian(self, point: Point | None = None) -> sp.Matrix:
        """Return ∂²L/∂v∂v′ at a point.

        Parameters
        ----------
        point : mapping of symbol to expression, optional
            The collapsed point, unless given.

        Returns
        -------
        sympy.Matrix
            In the order of `variables`.

        Raises
        ------
        InputError
            If the point is not one of expressions.
        """
        at = self.collapsed if point is None else {v: as_expression(x, "point") for v, x in point.items()}
        return sp.hessian(self.loss, self.variables).subs(at).applyfunc(sp.cancel)

    @cached_property
    def thresholds(self) -> tuple[sp.Expr, ...]:
        """Every control value at which the collapsed point has a soft direction along the slow amplitude."""
        roots = sp.solve(sp.numer(sp.together(self._curvature)), self.control)
        return tuple(root for root in roots if root.is_real is not False)

    @cached_property
    def _curvature(self) -> sp.Expr:
        """The determinant of the potential's quadratic form: of one amplitude, a₂."""
        form = sp.hessian(self.expansion(2).potential, self.amplitudes) / 2
        return sp.factor(form.det())

    @cached_property
    def threshold(self) -> sp.Expr:
        """The control value τ_c where the curvature a₂ of the Landau potential vanishes; of several: its determinant.

        Raises `OutsideTheory` unless there is exactly one such value (`partial` holds
        them all).
        """
        if not self.thresholds:
            raise OutsideTheory(f"a₂ = {self._curvature} vanishes at no {self.control}: there is no threshold.")
        if len(self.thresholds) > 1:
            several = f"a₂ = {self._curvature} vanishes at {list(self.thresholds)}, but one value of {self.control}"
            raise OutsideTheory(f"{several} is expected: read .thresholds and choose.", self.thresholds)
        return self.thresholds[0]

    @cached_property
    def soft_mode(self) -> dict[sp.Symbol, sp.Expr]:
        """The direction without curvature at the threshold, per unit of the slow amplitude."""
        slow, at = _one_amplitude(self), {**self.collapsed, self.control: self.threshold}
        slopes = {y: sp.cancel(sp.diff(x, slow).subs(at)) for y, x in self.elimination(1).items()}
        return {slow: sp.Integer(1)} | slopes

    @checked
    def characteristic(self, rate: sp.Symbol, point: Point | None = None) -> sp.Expr:
        """Return det(H − rate·1), whose roots are the relaxation rates of gradient flow at a point.

        Parameters
        ----------
        rate : sympy.Symbol
            The unknown. A negative root means growth.
        point : mapping of symbol to expression, optional
            The collapsed point, unless given.

        Returns
        -------
        sympy.Expr
            The characteristic polynomial, factored.

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        return sp.factor((self.hessian(point) - rate * sp.eye(len(self.variables))).det(method="berkowitz"))

    # ------------------------------------------------------------------------------- order by order

    @checked
    def elimination(self, order: Annotated[int, Range(1, MAX_ORDER)]) -> dict[sp.Symbol, sp.Expr]:
        """Return the fast variables as power series of the slow ones around the collapsed point.

        Parameters
        ----------
        order : int
            Of the slow amplitude, from 1 to 40; the series are exact to it.

        Returns
        -------
        dict of symbol to expression
            One series for each fast variable.

        Raises
        ------
        InputError
            If the Hessian of the fast variables is singular.
        """
        needed = order + max((self._grade(y) for y in self.fast), default=0)
        displacements = eliminate(self._series(needed), order)
        return {
            y: self.collapsed[y] + sum((sp.factor(c) * _monomial(self, n) for n, c in coefficients(d)), sp.Integer(0))
            for y, d in zip(self.fast, displacements, strict=True)
        }

    @checked
    def expansion(self, order: Annotated[int, Range(2, MAX_ORDER)]) -> Expansion:
        """Return the Landau potential to a given order in the slow amplitudes; with a symmetry, its even powers.

        Parameters
        ----------
        order : int
            The highest power, from 2 to 40.

        Returns
        -------
        Expansion
            The coefficients, and what they say about the transition.

        Raises
        ------
        InputError
            If the Hessian of the fast variables is singular.
        """
        series = self._series(order)
        potential = dict(coefficients(series.insert(series.terms, eliminate(series, order // 2), order)))
        if len(self.amplitudes) > 1:
            return Expansion(self, {powers: sp.factor(c) for powers, c in potential.items()})
        powers = range(2, order + 1, 2 if self._odd(self.amplitudes[0]) else 1)
        return Expansion(self, {n: sp.factor(potential.get((n,), 0)) for n in powers})

    def _series(self, order: int) -> Series:
        if self.order is not None and order > self.order:
            cut = f"this loss has been cut after order {self.order}"
            raise InputError(f"Terms of order {order} are needed, but {cut}: state more of it.", "order")
        grades, weights = [self._grade(y) for y in self.fast], [self.weights.get(a, 1) for a in self.amplitudes]
        return taylor(self.loss, self.amplitudes, self.fast, self.collapsed, grades, order, weights)

    def _odd(self, variable: sp.Symbol) -> bool:
        """Return whether the symmetry turns a variable round."""
        return self.symmetry.get(variable, variable) != variable

    def _grade(self, variable: sp.Symbol) -> int:
        """Return the lowest power of the slow amplitudes that a fast variable can begin with."""
        return 2 if all(map(self._odd, self.amplitudes)) and not self._odd(variable) else 1

    # ----------------------------------------------------------------------------- without expanding

    def exact_elimination(self) -> dict[sp.Symbol, sp.Expr]:
        """Return the fast variables in closed form, on the sheet that passes through the collapsed point.

        Returns
        -------
        dict of symbol to expression
            A function of the slow amplitudes for each fast variable.

        Raises
        ------
        OutsideTheory
            If SymPy finds no closed form (the expansion still works then), or the loss
            has been cut.
        InputError
            If the Hessian of the fast variables is singular, so that more than one
            sheet may pass.
        """
        if self.order is not None:
            raise OutsideTheory(f"This loss was cut after order {self.order}: only .expansion(order) means something.")
        if not self.fast:
            return {}
        count = len(self.amplitudes)
        if vanishes(self.hessian()[count:, count:].det()):
            raise InputError(f"The Hessian of the fast variables {_names(self.fast)} is singular: one is not fast.")
        origin = {a: self.collapsed[a] for a in self.amplitudes}
        for sheet in _solved([self.stationarity[y] for y in self.fast], self.fast, dict=True) or []:
            complete = len(sheet) == len(self.fast)
            if complete and all(vanishes(sheet[y].subs(origin) - self.collapsed[y]) for y in self.fast):
                return {y: sp.factor(sheet[y]) for y in self.fast}
        raise OutsideTheory(f"No closed form of {_names(self.fast)} was found: use .expansion(order).")

    def exact_potential(self) -> sp.Expr:
        """Return the loss with the fast variables eliminated, to all orders.

        Returns
        -------
        sympy.Expr
            A function of the slow amplitudes.

        Raises
        ------
        OutsideTheory
            If SymPy finds no closed form, or the loss has been cut.
        InputError
            If the Hessian of the fast variables is singular.
        """
        return self.loss.subs(self.exact_elimination())

    def branches(self) -> list["Branch"]:
        """Return the collapsed point and the stationary points that the exact potential adds to it.

        Returns
        -------
        list of Branch
            As SymPy orders them.

        Raises
        ------
        OutsideTheory
            If SymPy finds no closed form, or the loss has been cut.
        InputError
            If the Hessian of the fast variables is singular.
        """
        slow, fast = _one_amplitude(self), self.exact_elimination()
        slope = sp.numer(sp.together(sp.diff(self.loss.subs(fast), slow)))
        roots = _solved(slope, slow)
        if roots is None:
            raise OutsideTheory(f"No closed form of the branches was found: {slope} = 0 has none in SymPy.")
        points = ({slow: r} | {y: sp.cancel(x.subs(slow, r)) for y, x in fast.items()} for r in roots)
        return [Branch(self, point) for point in points]


@dataclass(frozen=True, eq=False)
class Branch:
    """A stationary point as a function of the parameters."""

    theory: Landau = field(repr=False)  #: whose stationary point it is
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


def _one_amplitude(theory: Landau) -> sp.Symbol:
    """Return the slow amplitude; raises `OutsideTheory` for several."""
    if len(theory.amplitudes) > 1:
        several = f"There are {len(theory.amplitudes)} slow amplitudes, {_names(theory.amplitudes)}"
        raise OutsideTheory(f"{several}, but this needs a single one: work with .expansion(order).potential.")
    return theory.amplitudes[0]


def _monomial(theory: Landau, powers: int | tuple[int, ...]) -> sp.Expr:
    """Return Π (a − a_collapsed)^power over the slow amplitudes."""
    exponents = (powers,) if isinstance(powers, int) else powers
    return sp.Mul(*((a - theory.collapsed[a]) ** n for a, n in zip(theory.amplitudes, exponents, strict=True)))


def _names(symbols: Iterable[sp.Symbol]) -> str:
    return ", ".join(sorted(map(str, symbols)))


def _solved(equations: Any, unknowns: Any, **options: Any) -> list[Any] | None:
    """Return the solutions that SymPy finds; None where it knows no method."""
    try:
        return sp.solve(equations, unknowns, **options)
    except NotImplementedError:
        return None
