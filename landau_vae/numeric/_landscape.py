"""The landscape of the linear β-VAE's loss: stationary points, their Morse indices, and how fast one leaves them.

A pure stationary point gives each of a set A of modes with λ > τ a latent of its own. Its
Hessian falls into blocks of one, two and three variables, and has

    #{(idle latent, l ∉ A): λ_l > τ} + #{(i ∈ A, l ∉ A): λ_l > λ_i}

negative directions: none only where A holds the strongest modes. There are also points at which
latents share modes; all of them are saddles, and they are not listed. Derivations:
`landau-vae derive landscape`, `gradient-flow`; minima: Lucas et al., arXiv:1911.02469, Wang &
Ziyin, arXiv:2205.04009. Equal eigenvalues are one multiplet: points that differ by a rotation
in its eigenspace are one family, and the rotations are its flat directions.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from landau_vae.checks import Positive, Share, checked
from landau_vae.display import Array, Column, Content, Result, Table, readonly, significant
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric.plateau_growth import Momentum, growth, per_update
from landau_vae.spectrum.spectrum import Spectrum

MOST_LISTED = 2000  # families of stationary points that are listed one by one
MOST_SHOWN = 30  # points of a summary
MOST_COUNTED = 40  # modes above the price up to which families are counted by index


@dataclass(frozen=True)
class StationaryPoint:
    """A family of pure stationary points: which modes have a latent."""

    active: tuple[int, ...]  #: modes with a latent, counted from 1, strongest first
    free_energy: float  #: σ_dec² L there, data²
    index: int  #: negative directions of the Hessian (Morse index)
    flat: int  #: directions without curvature


@dataclass(frozen=True)
class Escape:
    """A direction in which the loss falls from a stationary point."""

    latent: int | None  #: the mode that the latent serves now, or None for an idle one
    mode: int  #: the mode that it turns to
    rate: float  #: growth rate under gradient flow of the user's own loss, per unit of (learning rate × steps)
    tilt: float  #: e/w of the growing direction, 1/data²
    multiplicity: int  #: latents for which it is the same


@dataclass(frozen=True, eq=False)
class Landscape(Result):
    """All pure stationary points at one price, or the ladder of the strongest modes where they are too many to list."""

    spectrum: Spectrum  #: the modes λ_k
    loss: Loss  #: the convention in which β is read
    price: float  #: τ, data² per nat
    latents: int  #: K
    points: tuple[StationaryPoint, ...] = field(repr=False)  #: by rising loss; the first is the minimum
    counts: dict[int, int] | None = field(repr=False)  #: families by Morse index; None where there are too many modes
    complete: bool  #: whether `points` lists them all
    json_fields = ("loss", "price", "latents", "complete", "counts", "points")

    @property
    def minimum(self) -> StationaryPoint:
        """Return the global minimum, which is the only local one."""
        return self.points[0]

    @property
    def above(self) -> Array:
        """Return the eigenvalues above the price that have a latent, descending, data²."""
        lam = self.spectrum.eigenvalues[: self.latents]
        return lam[lam > self.price]

    @cached_property
    def collapsed(self) -> StationaryPoint:
        """Return the point at which every latent is inactive."""
        return next(point for point in self.points if not point.active)

    # ------------------------------------------------------------------------------------ the Hessian

    @checked
    def hessian_eigenvalues(self, point: StationaryPoint, *, logarithmic: bool = False) -> Array:
        """Return all eigenvalues of the Hessian of σ_dec² L at a point, ascending.

        Parameters
        ----------
        point : StationaryPoint
            One of `points`.
        logarithmic : bool, default False
            Whether the posterior variance s is trained as ln s, as in most code. Signs are the
            same, stiff directions are not.

        Returns
        -------
        (K (2p + 1),) array
            In the coordinates (W, E, s) or (W, E, ln s), p resolved modes.

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        # Block by block: the dense Hessian is never formed. i, j: active modes; l: modes without a latent.
        lam, tau = self.spectrum.eigenvalues, self.price
        i = np.asarray(point.active, dtype=np.int64) - 1
        active, outside = lam[i], np.delete(lam, i)
        idle, w = self.latents - len(i), np.sqrt(lam[i] - tau)
        to_w, own_s = (w * tau / active, tau / 2) if logarithmic else (w, active**2 / (2 * tau))
        own_w, to_e, apart = np.ones(len(i)), active - 2 * tau, np.zeros(len(i))
        own = np.array([[own_w, to_e, to_w], [to_e, active**2, apart], [to_w, apart, own_s * own_w]])
        first, second = np.triu_indices(len(i), 1)
        stiff, mixing = active[first] * active[second], w[first] * w[second]
        busy = np.multiply.outer(active, outside)
        blocks = [
            np.linalg.eigvalsh(own.T),
            *_pair(mixing - tau, stiff),
            *_pair(mixing + tau, stiff),
            *_pair(np.broadcast_to(outside, busy.shape), busy),
            *np.repeat(_pair(np.full(len(i), tau), tau * active), idle, axis=0),
            *np.repeat(_pair(outside, tau * outside), idle, axis=0),
            np.full(idle, tau / 2),
        ]
        return readonly(np.sort(np.concatenate([np.ravel(block) for block in blocks])))

    @checked
    def escapes(self, point: StationaryPoint) -> tuple[Escape, ...]:
        """Return the directions in which the loss falls from a point, fastest first.

        Parameters
        ----------
        point : StationaryPoint
            One of `points`.

        Returns
        -------
        tuple of Escape
            Empty at the minimum.

        Raises
        ------
        InputError
            If it is not a point of a landscape.
        """
        lam, idle = self.spectrum.eigenvalues, self.latents - len(point.active)
        sizes = self.spectrum.multiplets[1]
        groups = np.repeat(np.arange(len(sizes)), sizes)  # of each mode, strongest first
        directions = []
        for target in (k for k in range(len(lam)) if k + 1 not in point.active):
            idle_latents = [(None, self.price, idle)] if idle and lam[target] > self.price else []
            weaker = [(mode, lam[mode - 1], 1) for mode in point.active if groups[target] < groups[mode - 1]]
            for latent, served, multiplicity in [*idle_latents, *weaker]:
                rate = growth(lam[target], served)
                tilt = (1 + rate) / lam[target]
                directions.append(Escape(latent, target + 1, self._scale * rate, tilt, multiplicity))
        return tuple(sorted(directions, key=lambda escape: -escape.rate))

    @checked
    def plateau(self, start: Share = 0.01, learning_rate: Positive | None = None, momentum: Momentum = 0.0) -> Array:
        """Return how long each mode above the price needs to leave the collapsed point.

        Valid for small starts; other optimisers have other times.

        Parameters
        ----------
        start : float, default 0.01
            Share of its final amplitude that a mode begins with.
        learning_rate : float, optional
            Of gradient descent; by default gradient flow.
        momentum : float, default 0
            Of heavy-ball momentum, from 0 to below 1.

        Returns
        -------
        (modes,) array
            Steps of gradient descent, or without a learning rate the time (learning
            rate × steps) under gradient flow of the user's loss, for each mode above the price
            that can have a latent.

        Raises
        ------
        InputError
            If an argument cannot be used.

        Examples
        --------
        >>> scene = landscape(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(beta=0.5))
        >>> scene.plateau(start=0.01).round(2).tolist(), scene.plateau(0.01, learning_rate=0.1).round().tolist()
        ([1.82, 16.4], [20.0, 166.0])
        """
        rate = self._scale * growth(self.above, self.price)
        per_unit = rate if learning_rate is None else per_update(rate, learning_rate, momentum)
        with np.errstate(over="ignore"):  # more steps than a number can hold
            return readonly(-np.log(start) / per_unit)

    @cached_property
    def _scale(self) -> float:
        """Return 2a, the user's own loss in units of σ_dec² L."""
        return 2 * self.loss.weights(self.spectrum.dimension)[0]

    # ---------------------------------------------------------------------------------------- output

    def __repr__(self) -> str:
        families = "many" if self.counts is None else sum(self.counts.values())
        least = f"minimum with {len(self.minimum.active)} active"
        return f"Landscape(τ = {significant(self.price)}, {families} families of pure stationary points, {least})"

    def content(self) -> Content:
        """Yield the table of stationary points, lowest first."""
        yield f"{self.loss.explain(self.spectrum)}\n{self!r}"
        shown = self.points[:MOST_SHOWN]
        hidden = f"… and {len(self.points) - MOST_SHOWN} more\n" * (len(self.points) > MOST_SHOWN)
        rates = [max((escape.rate for escape in self.escapes(point)), default=0.0) for point in shown]
        yield Table([
            Column("active modes", [_listed(point.active) for point in shown]),
            Column("σ²L", [point.free_energy for point in shown]), Column("index", [p.index for p in shown]),
            Column("flat", [point.flat for point in shown]), Column("escape rate", rates, "{:.4g}".format),
        ], note=f"{hidden}index: directions in which the loss falls; σ²L: the loss times σ_dec²")  # fmt: skip
        if not self.complete:
            yield "Too many to list: these give their latents to the strongest modes."


@checked
def landscape(spectrum: Spectrum, loss: Loss) -> Landscape:
    """Return the pure stationary points of the linear β-VAE at one β.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss
        The convention, with one β, a squared error and a fixed decoder variance.

    Returns
    -------
    Landscape
        All points where there are at most 2000 families; else the ladder: no mode, the
        strongest, the two strongest, …

    Raises
    ------
    InputError
        If β is not one number.
    OutsideTheory
        If the loss is of another kind.

    Examples
    --------
    >>> scene = landscape(Spectrum.from_eigenvalues([4, 2, 1]), Loss.gaussian(beta=0.5, latents=2))
    >>> [(point.active, point.index) for point in scene.points]
    [((1, 2), 0), ((1, 3), 1), ((1,), 2), ((2, 3), 2), ((2,), 3), ((3,), 4), ((), 6)]
    >>> scene.counts
    {0: 1, 1: 1, 2: 2, 3: 1, 4: 1, 6: 1}
    """
    loss.must_be_fixed("the landscape is known")
    price = loss.price(spectrum)
    if price.ndim:
        raise InputError(f"A landscape is drawn at one price, but β holds {price.size}: give one number.", "loss")
    tau = float(price)
    latents = spectrum.modes if loss.latents is None else loss.latents
    starts, sizes = spectrum.multiplets
    sizes = sizes[spectrum.eigenvalues[starts + sizes - 1] > tau].tolist()  # the multiplets above the price come first
    counts = _counts(sizes, latents) if sum(sizes) <= MOST_COUNTED else None
    complete = counts is not None and sum(counts.values()) <= MOST_LISTED
    chosen = _choices(sizes, latents) if complete else _ladder(sizes, latents)
    points = [_point(spectrum, tau, latents, sizes, shares) for shares in chosen]
    points.sort(key=lambda point: (point.free_energy, point.index))
    return Landscape(spectrum, loss, tau, latents, tuple(points), counts, complete)


# ------------------------------------------------------------------------------------------- formulas


def _pair(coupling: Array, stiffness: Array) -> Array:
    """Return the eigenvalues of [[1, c], [c, h]], (2, …)."""
    larger = (1 + stiffness + np.sqrt((1 - stiffness) ** 2 + 4 * coupling**2)) / 2
    return np.stack([(stiffness - coupling**2) / larger, larger])


def _point(spectrum: Spectrum, tau: float, latents: int, sizes: list[int], shares: tuple[int, ...]) -> StationaryPoint:
    """Return the family that gives a latent to so many modes of each multiplet."""
    lam = spectrum.eigenvalues
    size, share = np.array(sizes, dtype=np.int64), np.array(shares, dtype=np.int64)
    starts, left = np.cumsum(size) - size, size - share
    modes = [start + k for start, number in zip(starts.tolist(), shares, strict=True) for k in range(number)]
    idle = latents - len(modes)
    index = idle * left.sum() + (np.cumsum(left) - left) @ share  # pairs of an active latent and a stronger mode
    flat = np.sum(share * left + share * (share - 1) // 2) + idle * np.count_nonzero(lam == tau)
    energy = 0.5 * np.delete(lam, modes).sum() + 0.5 * tau * np.sum(1 + np.log(lam[modes] / tau))
    return StationaryPoint(tuple(k + 1 for k in modes), float(energy), int(index), int(flat))


def _choices(sizes: list[int], latents: int) -> Iterator[tuple[int, ...]]:
    """Return every possibility for how many modes of each multiplet get a latent."""
    return (shares for shares in product(*(range(m + 1) for m in sizes)) if sum(shares) <= latents)


def _ladder(sizes: list[int], latents: int) -> Iterator[tuple[int, ...]]:
    """Yield the choices of no mode, the strongest, the two strongest, …"""
    before = np.cumsum(sizes) - sizes
    for active in range(min(sum(sizes), latents) + 1):
        yield tuple(np.clip(active - before, 0, sizes).tolist())


def _counts(sizes: list[int], latents: int) -> dict[int, int]:
    """Count families by Morse index without listing them: multiplet after multiplet, strongest first."""
    states = Counter({(0, 0): 1})  # (active so far, index so far) → families
    passed = 0
    for size in sizes:
        following: Counter[tuple[int, int]] = Counter()
        for (active, index), number in states.items():
            for share in range(min(size, latents - active) + 1):
                following[active + share, index + share * (passed - active)] += number
        states, passed = following, passed + size
    totals: Counter[int] = Counter()
    for (active, index), number in states.items():
        totals[index + (latents - active) * (passed - active)] += number
    return dict(sorted(totals.items()))


def _listed(modes: tuple[int, ...]) -> str:
    return " ".join(map(str, modes)) if len(modes) <= 8 else f"{modes[0]} … {modes[-1]} ({len(modes)})"
