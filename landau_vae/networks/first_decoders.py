"""Decoders from which a descent may come to an active state: along the first axis, to a tail, of few rows, random.

The axis of the largest variance need not be that of the state that survives longest: a
skewed component of a lower variance can be worth more. Its direction u is a fixed point
of u ← ⟨(u·x)² x⟩, where the skewness along u is stationary.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from landau_vae.display import Array, Integers
from landau_vae.networks.free_decoder import FreeDecoder, hermite

RANDOM = 2
TAIL = 0.1  # share of the rows that lie farthest along the skewed direction
RARE = (1, 5, 0.01)  # rows, or share of them, with which phases of few rows are looked for
TURNS = 30  # of the power iteration for that direction
OWN = 0x66697273  # of the seed's streams, that of the random ones
TINY = np.finfo(float).tiny


def likely(problem: FreeDecoder, seed: int) -> Iterator[Array]:
    """Yield a line along the first axis, bent both ways, parabolas, steps up to a tail, and random decoders.

    Parameters
    ----------
    problem : FreeDecoder
        The loss.
    seed : int
        Of the random ones.

    Yields
    ------
    (unknowns,) array
    """
    rng, shape, rows = np.random.default_rng((seed, OWN)), problem.shape, problem.rows
    bend = _bent(problem, np.eye(1, shape[1])[0])
    for line, curve in ((0.4, 0.2), (0.0, 0.4), (0.4, -0.2)):
        start = np.zeros(shape)
        start[1, 0] = line
        start[2] = curve * bend
        yield start.ravel()
    yield _step(problem, np.argsort(-rows @ _skewed(problem), kind="stable")[: round(TAIL * len(rows)) or 1])
    spread = np.sqrt(problem.share @ rows**2) / np.maximum(np.arange(shape[0]), 1)[:, None]
    for _ in range(RANDOM):
        yield (0.4 * spread * rng.standard_normal(shape)).ravel()


def rare(problem: FreeDecoder) -> Iterator[Array]:
    """Yield decoders that give the farthest rows an output of their own, at the upper end of z.

    Parameters
    ----------
    problem : FreeDecoder
        The loss.

    Yields
    ------
    (unknowns,) array
    """
    far = np.argsort(-np.square(problem.rows).sum(axis=1))
    for many in RARE:
        yield _step(problem, far[: max(1, round(many if many >= 1 else many * len(far)))])


def _bent(problem: FreeDecoder, direction: Array) -> Array:
    """Return ⟨(u·x)² x⟩ of a direction u, with a length of 1."""
    third = (problem.share * (problem.rows @ direction) ** 2) @ problem.rows
    return np.asarray(third / max(np.linalg.norm(third), TINY))


def _skewed(problem: FreeDecoder) -> Array:
    """Return the direction of the largest third moment, as far as one start, from the most skewed axis, leads."""
    third = problem.share @ problem.rows**3
    axis = int(np.abs(third).argmax())
    direction = np.eye(len(third))[axis] * np.copysign(1.0, third[axis])
    for _ in range(TURNS):
        direction = _bent(problem, direction)
    return direction


def _step(problem: FreeDecoder, far: Integers) -> Array:
    """Return a decoder of the mean of some rows at the upper end of z, where the prior has as much weight as they."""
    terms = np.arange(1, problem.shape[0])
    share = len(far) / len(problem.rows)
    edge = float(norm.isf(share))
    powers = hermite(np.array([edge]), len(terms) - 1)[:, 0]
    step = np.append(share, norm.pdf(edge) * powers / np.sqrt(terms))  # of 1 from the edge on
    return np.outer(step, problem.rows[far].mean(axis=0)).ravel()
