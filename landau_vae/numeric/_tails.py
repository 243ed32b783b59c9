"""Which modes above the floor of normal noise are there in both halves of the rows, and which are a few long rows?

    D_i = q_ik − |z_i outside the candidates|²/(p − s),                q_ik = (v_k·z_i)²,  v_k of the other half
    W = Π_i (1 + h_i ((p + 1 − k) q_ik/ℓ_ik − 1)),                     ℓ_ik = Σ_{j≥k} q_ij

Noise with heavy tails has eigenvalues far above the edge of normal noise, whose vectors are those
of a few long rows. For independent rows of any law with one variance in all p directions, ⟨D⟩ over
the other half has the expectation 0. Where few rows carry a mode, its error is large, but their
directions say more: W is what bets on v_k make of 1, with stakes h_i = 1 − ⟨ℓ_k⟩/ℓ_ik on rows longer
than on average. If no direction is preferred, W > 100 has a probability ≤ 1 % (Shafer 2021,
J. R. Stat. Soc. A 184, 407). v_k is found if ⟨D⟩ > 2.5 s.e. or W > 100. Halves alternate in the
order of the rows' lengths. They have less power than all rows, so they are asked only where tails
are heavy: by the kurtosis of a mode, or by Var |z_i|² > 2 tr C² outside the s candidates.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from landau_vae.display import Array, Booleans, Integers, readonly
from landau_vae.limits import FEWEST_ROWS, FOUND_AGAIN, MODE_TAILS, NOISE_TAILS, ODDS, SHARED
from landau_vae.spectrum.spectrum import Spectrum

MOST_STAKED = 0.9  # so that a long row that points elsewhere costs at most a factor of ten
HELD_NUMBERS = 2**24  # 128 MiB: rows that are kept from one pass to the next
SAME = 1e-6  # relative difference of the variance up to which rows are still those of the spectrum

Blocks = Callable[[], Iterable[Array]]


@dataclass(frozen=True, eq=False)
class Tails:
    """What the rows show of the modes that stand above the floor of normal noise."""

    carriers: Array  #: rows that carry each mode, (Σq)²/Σq² of squared projections q, (modes,); n/3 of normal rows
    confirmed: Booleans  #: whether tails are those of normal rows, or both halves of the rows have the mode, (modes,)


def tails(spectrum: Spectrum, modes: int, spikes: int, dimension: int) -> Tails | None:
    """Look at the first `modes` modes, of `spikes` candidates in p dimensions; None where the rows are not known."""
    known = _rows(spectrum)
    if known is None:
        return None
    blocks, vectors = known
    lam = spectrum.eigenvalues / spectrum.eigenvalues[0]
    with np.errstate(over="ignore", invalid="ignore"):  # in rows that have changed
        square, fourth, (length, rest, form) = _passed(blocks, vectors, lam, spikes)
    n, variance = len(length), spectrum.total_variance / spectrum.eigenvalues[0]
    if n != spectrum.samples or n < FEWEST_ROWS:
        return None
    strayed = np.abs(np.append(square / n - lam[:spikes], np.mean(length) - variance))
    if not strayed.max() < SAME * variance:
        return None  # they are not what they were
    carriers = square**2 / fourth
    heavy = (n / carriers > _normal_kurtosis(n)) | _vary(rest, lam[spikes:], dimension - spikes)
    confirmed = ~heavy[:modes]
    if heavy[:modes].any():
        order = np.lexsort((form, np.round(length / variance, 9)))  # of rows as long as one another, not as they came
        confirmed |= _overlap(blocks, order, spikes, dimension, vectors[:, :modes]) > SHARED
    return Tails(readonly(carriers[:modes]), confirmed)


def _rows(spectrum: Spectrum) -> tuple[Blocks, Array] | None:
    """Return the rows, in units of √λ₁ and up to a rotation, and the modes among their columns."""
    found, scale = spectrum.decomposition, spectrum.eigenvalues[0] ** -0.5
    if found is not None and found.lift is not None:  # the rows in the basis of the modes follow from a Gram matrix
        inner = found.eigh[1][:, ::-1][:, : spectrum.modes]
        whole = inner * np.sqrt(len(inner) * spectrum.eigenvalues) * scale
        return lambda: (whole,), np.eye(spectrum.modes)
    if spectrum.rows is None or spectrum.vectors is None:
        return None
    rows = spectrum.rows
    if (spectrum.samples or 0) * len(rows.mean) > HELD_NUMBERS:
        return lambda: (block * scale for block in rows.blocks()), spectrum.vectors
    held = [block * scale for block in rows.blocks()]
    return lambda: held, spectrum.vectors


def _passed(blocks: Blocks, vectors: Array, lam: Array, spikes: int) -> tuple[Array, Array, Array]:
    """Return Σq and Σq² of each candidate, and each row's Σ_k q_k: of all modes, of no candidates, of all times λ_k."""
    parts, square, fourth = [], np.zeros(spikes), np.zeros(spikes)
    for block in blocks():
        q = np.square(block @ vectors)
        square += q[:, :spikes].sum(axis=0)
        fourth += np.square(q[:, :spikes]).sum(axis=0)
        parts.append(np.stack([q.sum(axis=1), q[:, spikes:].sum(axis=1), q @ lam]))
    return square, fourth, np.concatenate(parts, axis=1) if parts else np.empty((3, 0))


def _normal_kurtosis(n: int) -> float:
    """Return the kurtosis Σy⁴ n/(Σy²)² that n normal numbers rarely exceed."""
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    return float(3 * (n - 1) / (n + 1) + MODE_TAILS * variance**0.5)


def _vary(rest: Array, lam: Array, directions: int) -> bool:
    """Return whether squared lengths of rows vary more than 2 tr C² by standard errors, λ being those of a sample."""
    n = len(rest)
    expected = 2 * (np.sum(lam**2) - np.sum(lam) ** 2 / n)
    error = ((2 + 12 / directions) / n) ** 0.5  # relative, of the variance of χ² with so many degrees of freedom
    return bool(np.var(rest, ddof=1) > expected * (1 + NOISE_TAILS * error))


def _overlap(blocks: Blocks, order: Integers, spikes: int, dimension: int, modes: Array) -> Array:
    """Return each mode's squared overlap with what is found in both halves, (modes,), mean over the halves."""
    first = np.empty(len(order), dtype=bool)
    first[order] = np.arange(len(order)) % 2 == 0
    scatter, count = np.zeros((2, len(modes), len(modes))), np.array([np.sum(~first), np.sum(first)])[:, None]
    for block, own in _with_half(blocks, first):
        for half in (0, 1):
            part = block[own != half]
            scatter[half] += part.T @ part
    lam, bases = (each[..., ::-1] for each in np.linalg.eigh(scatter / count[::-1, None]))
    tests = np.zeros((2, 3, spikes))
    for block, own in _with_half(blocks, first):
        for half in (0, 1):
            tests[half] += _tests(block[own == half], lam[half], bases[half], spikes, dimension)
    (mean, square), bets = (tests[:, :2] / count[:, None]).swapaxes(0, 1), tests[:, 2]
    found = (mean > FOUND_AGAIN * np.sqrt((square - mean**2) / (count - 1))) | (bets > np.log(ODDS))
    shares = [
        np.square(basis[:, :spikes][:, again].T @ modes).sum(axis=0) for basis, again in zip(bases, found, strict=True)
    ]
    return np.mean(shares, axis=0)


def _tests(rows: Array, lam: Array, basis: Array, spikes: int, dimension: int) -> tuple[Array, Array, Array]:
    """Return Σ D, Σ D² and ln W of each candidate for rows of one half; λ and basis are the modes of the other."""
    q = np.square(rows @ basis)
    excess = q[:, :spikes] - q[:, spikes:].sum(axis=1, keepdims=True) / (dimension - spikes)
    usual = np.cumsum(lam[::-1])[::-1][:spikes]
    length = np.maximum(np.cumsum(q[:, ::-1], axis=1)[:, ::-1][:, :spikes], usual)  # to shorter rows, no stake
    stake = np.minimum(1 - usual / length, MOST_STAKED) * (length[:, :1] > usual[0])  # to rows that are long as a whole
    gain = q[:, :spikes] / length * (dimension - np.arange(spikes)) - 1
    return excess.sum(axis=0), np.square(excess).sum(axis=0), np.log1p(stake * gain).sum(axis=0)


def _with_half(blocks: Blocks, first: Booleans) -> Iterable[tuple[Array, Booleans]]:
    """Yield blocks, and of each row whether it is in the first half."""
    start = 0
    for block in blocks():
        yield block, first[start : start + len(block)]
        start += len(block)
