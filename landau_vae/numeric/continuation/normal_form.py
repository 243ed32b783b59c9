"""The normal form where eigenvalues vanish: the loss reduced to the kernel, and the directions in which branches leave.

    V(a; q) = ½ μ′ (q − q*) |a|² + κ₃(a) + κ₄(a) + …      a ∈ kernel, all else at its own equilibrium (Lyapunov–Schmidt)

Branches leave along directions in which the force is radial: a = ±r â with r² = −μ′(q −
q*)/4κ₄ (pitchfork; κ₄ > 0: supercritical) or r = −μ′(q − q*)/3κ₃ (transcritical). In a
kernel of
several dimensions the direction of least κ₄ is the one along which the loss falls
fastest: the stable state. Amplitudes are those of z (see `solve`).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.linalg import norm
from scipy.optimize import minimize, root
from scipy.sparse import csr_array

from landau_vae.display import Array
from landau_vae.numeric.continuation.solve import STALLED_STEP, Diverged, Point, Solver

REACH = 0.02  # amplitude at which the reduced force is read: κ₅ and rounding both stay below 1e-6 of κ₄
VANISHING_COEFFICIENT = 1e-5  # κ₃ below it is 0 by symmetry; κ₄ below it leaves the decision to a higher order
MULTIPLET_WIDTH = 2e-4  # in q: thresholds closer than this are one multiplet to a branch that leaves
END_WIDTH = 1e-6  # in q: an eigenvalue that vanishes within it of the end of a branch vanishes there
LARGEST_CANDIDATE = 1e-3  # eigenvalues above it do not vanish within MULTIPLET_WIDTH
LEAST_STIFFNESS = 1e-9  # eigenvalues below it do not hold a trunk in place
SYMMETRY_STIFFNESS = 1e-7  # eigenvalues below it that do not vanish nearby belong to an approximate symmetry
GROWTH_STEP = 1e-4  # in q, for the growth of the vanishing eigenvalues
STARTS = 3  # random directions from which the one of least κ₄ is looked for
SEED = 20260522


@dataclass(frozen=True, eq=False)
class NormalForm:
    """The leading coefficients at a branch point."""

    kind: str  #: 'transcritical', or 'supercritical', 'subcritical', 'degenerate' and 'pitchfork'
    soft: int  #: eigenvalues that vanish
    growth: float  #: μ′ = dμ/dq of the vanishing eigenvalues along the trunk, nats
    cubic: float  #: κ₃ along `direction`
    quartic: float  #: κ₄ along `direction`
    kernel: Array = field(repr=False)  #: basis of the kernel, near-degenerate directions included, in z, (n, k)
    direction: Array = field(repr=False)  #: â, in the kernel, (k,)
    trunk: Array = field(repr=False)  #: dz/dq of the branch that they leave, (n,)
    reach: float = field(repr=False, default=REACH)  #: amplitude at which the coefficients were read


class Reduced:
    """The loss of a state that is displaced along the kernel while everything else finds its own equilibrium."""

    def __init__(self, solver: Solver, centre: Point, kernel: Array, reach: float = REACH) -> None:
        self.solver, self.centre, self.kernel, self.reach = solver, centre, kernel, reach
        inside = kernel.T @ centre.vectors
        self._stiffness = (inside * centre.values) @ inside.T  # 0, but for a multiplet that is split by a little
        outside = np.square(inside).sum(0) < 0.5
        self._others, values = csr_array(centre.vectors[:, outside]), centre.values[outside]  # blocks: few are not zero
        # A direction so soft that does not vanish nearby is an approximate symmetry: only rounding pushes along it.
        self._compliance = np.where(np.abs(values) > SYMMETRY_STIFFNESS, 1.0 / np.where(values == 0, 1.0, values), 0.0)
        self.others_index = int(np.count_nonzero(values < -SYMMETRY_STIFFNESS))  # unstable outside the kernel

    def state(self, a: Array) -> Array:
        """Return x with the kernel's amplitudes a (k,) and all else relaxed."""
        start, relaxed, change = self.kernel @ a, np.zeros(len(self.centre.x)), np.inf
        for _ in range(60):
            force = self._others.T @ self._gradient(self.centre.x + (start + relaxed) / self.centre.scale)
            step = self._others @ (self._compliance * force)
            relaxed -= step
            before, change = change, float(norm(step))
            if change <= 1e-15 or (change > 0.5 * before and change < STALLED_STEP):
                return self.centre.x + (start + relaxed) / self.centre.scale
            if not np.isfinite(change) or change > 2 * before:
                break
        raise Diverged("the other unknowns do not follow so large an amplitude")

    def force(self, a: Array) -> Array:
        """Return ∂V/∂a without its linear part, (k,)."""
        return self.kernel.T @ self._gradient(self.state(a)) - self._stiffness @ a

    def _gradient(self, x: Array) -> Array:
        return self.solver.gradient(x, self.centre.q, self.centre.scale)

    def cubic(self, a: Array) -> Array:
        """Return ∂κ₃/∂a at a unit vector a, (k,)."""
        return (self.force(self.reach * a) + self.force(-self.reach * a)) / (2 * self.reach**2)

    def quartic(self, a: Array, *, sharp: bool = False) -> Array:
        """Return ∂κ₄/∂a at a unit vector a, (k,); `sharp` removes the next order (Richardson)."""

        def at(reach: float) -> Array:
            return (self.force(reach * a) - self.force(-reach * a)) / (2 * reach**3)

        return (4 * at(self.reach) - at(2 * self.reach)) / 3 if sharp else at(self.reach)

    def leading(self) -> tuple[Array, bool]:
        """Return the unit direction of least κ₃, or of least κ₄ where no cubic terms exist; and whether they do."""
        generator, k = np.random.default_rng(SEED), self.kernel.shape[1]
        starts = [v / norm(v) for v in generator.standard_normal((STARTS, k))]
        odd = any(norm(self.cubic(a)) > VANISHING_COEFFICIENT * max(1.0, float(norm(self.quartic(a)))) for a in starts)
        if k == 1:
            return np.ones(1), odd
        force, power = (self.cubic, 3) if odd else (self.quartic, 4)

        def height(v: Array) -> tuple[float, Array]:
            a = v / norm(v)
            slope = force(a)
            return float(a @ slope) / power, (slope - (a @ slope) * a) / norm(v)

        ends = [minimize(height, v, jac=True, method="BFGS", options={"gtol": 1e-8}) for v in starts]
        best = min(ends, key=lambda end: end.fun).x
        return np.asarray(best / norm(best)), odd

    def directions(self, *, odd: bool, starts: int = 20) -> Iterator[Array]:
        """Yield directions in which the leading force is radial, one of each height that was found."""
        k = self.kernel.shape[1]
        if k == 1:
            yield np.ones(1)
            return
        generator, heights = np.random.default_rng(SEED), list[float]()
        force = self.cubic if odd else self.quartic

        def tangential(v: Array) -> Array:
            a = v / norm(v)
            slope = force(a)
            return slope - (a @ slope) * a + (v @ v - 1) * a

        for _ in range(starts):
            end = root(tangential, generator.standard_normal(k) / np.sqrt(k), method="lm", tol=1e-9).x
            a = end / norm(end)
            height = float(a @ force(a))
            if norm(tangential(a)) < 1e-5 and all(abs(height - other) > 1e-4 for other in heights):
                heights.append(height)
                yield a


def normal_form(solver: Solver, centre: Point, soft: int | None, trunk: Array | None) -> NormalForm:
    """Return the normal form at a point at which `soft` eigenvalues vanish, with those that are about to.

    Eigenvalues that vanish within `MULTIPLET_WIDTH` of the point belong to the same
    multiplet, split by a little: a branch that leaves has a share in all of them.
    `trunk` is dz/dq of the branch that others leave, and `soft` the count on it;
    without them, they are those of the branch on which every vanishing direction stays
    at rest.
    """
    values, vectors, size = centre.values, centre.vectors, np.abs(centre.values)
    if trunk is None:
        stiff = size > LEAST_STIFFNESS
        trunk = -vectors[:, stiff] @ (vectors[:, stiff].T @ centre.slope / values[stiff])
    near = np.argsort(size)[: max(int(np.count_nonzero(size < LARGEST_CANDIDATE)), soft or 1)]
    growth = _growth(solver, centre, vectors[:, near], trunk)
    distance = np.divide(size[near], np.abs(growth), out=np.full(len(near), np.inf), where=growth != 0)
    if soft is None:
        soft = max(1, int(np.count_nonzero(distance < END_WIDTH)))
    first = np.argsort(distance)[:soft]
    together = np.union1d(first, np.flatnonzero(distance < MULTIPLET_WIDTH))
    reduced = _within_reach(solver, centre, vectors[:, near[together]])
    direction, odd = reduced.leading()
    cubic = float(direction @ reduced.cubic(direction)) / 3
    quartic = float(direction @ reduced.quartic(direction, sharp=True)) / 4
    if odd:
        kind = "transcritical"
    elif abs(quartic) > VANISHING_COEFFICIENT:
        kind = f"{'supercritical' if quartic > 0 else 'subcritical'} pitchfork"
    else:
        kind = "degenerate pitchfork"
    mean_growth = float(growth[first].mean())
    return NormalForm(kind, soft, mean_growth, cubic, quartic, reduced.kernel, direction, trunk, reduced.reach)


def _within_reach(solver: Solver, centre: Point, kernel: Array) -> Reduced:
    """Return the reduced loss, with a shorter reach where other soft directions do not follow so far."""
    for reach in (REACH, REACH / 4, REACH / 16):
        reduced = Reduced(solver, centre, kernel, reach)
        with suppress(Diverged):
            for a in np.eye(kernel.shape[1]):
                reduced.quartic(a, sharp=True)
            return reduced
    raise Diverged("the other unknowns do not follow along the kernel")


def _growth(solver: Solver, centre: Point, vectors: Array, trunk: Array) -> Array:
    """Return dμ/dq along the trunk for each of some eigenvectors, by central differences (Hellmann & Feynman)."""

    def hessian(step: float) -> Array:
        return solver.hessian(centre.x + step * trunk / centre.scale, centre.q + step, centre.scale)[0]

    change = (hessian(GROWTH_STEP) - hessian(-GROWTH_STEP)) / (2 * GROWTH_STEP)
    return np.einsum("nk,nk->k", vectors, change @ vectors)
