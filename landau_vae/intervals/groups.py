"""Which eigenvalues are too close to be separated, and what limits the trust in the errors of the others?

    neighbours are separated if    λ̂_k − λ̂_{k+1} > 3 max(s.e.(λ̂_k − λ̂_{k+1}), 2 c),   c = s.e.(v_kᵀ Ĉ v_{k+1})
    p in a row are one group if    λ̂_first − λ̂_last ≤ 3 c √(2p); else they part at their widest gap (in its errors)

Two equal eigenvalues of a sample are √(g² + 4c²) apart, with g and 2c of one variance in
Gaussian data: they look separated in e^(−9/2) = 1 % of samples. Of p equal ones the
first and last are up to 4 c √p apart (Wigner's semicircle; the width of the
Marchenko–Pastur law). At the border of the first rule repulsion biases an eigenvalue by
1/(6√2) = 0.12 of its error. Larger biases come from many modes together: to first order
Σ_j E[y_k² y_j²]/(λ_k − λ_j)/n (Lawley 1956, Biometrika 43, 128; with Gaussian data λ_k
Σ_j λ_j/(λ_k − λ_j)/n).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from landau_vae.display import Array, Integers, listed, numbered, significant
from landau_vae.intervals.influence import Influence
from landau_vae.numeric._noise_floor import noise_floor
from landau_vae.spectrum.spectrum import Spectrum

SEPARATED = 3.0  # standard errors of a gap
FEW = 50  # rows or blocks below which the first order may not be enough
HEAVY = 5  # N rows that carry an error, below which it is itself uncertain by 1/(2√N) = 22 % and more
BIASED = 0.4  # standard errors: 95 % intervals cover about 92 % then
DEPENDENT = 1.2  # error by blocks over error by rows
CROWDED = 0.1  # d/n from which on the noise floor is worth a look
SPREAD = 2.0  # λ_first/λ_last of a group whose mean says little about its members


@np.errstate(divide="ignore", invalid="ignore")
def grouped(spectrum: Spectrum, found: Influence) -> tuple[Integers, Integers]:
    """Return first index and size of each group of eigenvalues that cannot be separated.

    >>> X = np.random.default_rng(0).standard_normal((500, 4)) * [3, 1, 1, 1]
    >>> spectrum = Spectrum.from_data(X)
    >>> from landau_vae.intervals.influence import influence
    >>> [part.tolist() for part in grouped(spectrum, influence(X, None, None, spectrum))]
    [[0, 1], [1, 3]]
    """
    own, neighbour = np.diagonal(found.covariance), np.diagonal(found.covariance, 1)
    gap_error = np.sqrt(np.maximum(own[:-1] + own[1:] - 2 * neighbour, 4 * found.coupling))
    lam, gap = spectrum.eigenvalues, -np.diff(spectrum.eigenvalues)
    apart = gap > np.maximum(SEPARATED * gap_error, spectrum.floor)
    width = np.where(gap > spectrum.floor, gap / gap_error, 0.0)
    edges = [0, *(np.flatnonzero(apart) + 1), spectrum.modes]
    waiting, starts = list(pairwise(edges)), []
    while waiting:
        first, end = waiting.pop()
        inner = slice(first, end - 1)
        equal = SEPARATED * np.sqrt(2 * (end - first) * np.mean(found.coupling[inner])) if end - first > 2 else np.inf
        if lam[first] - lam[end - 1] <= max(equal, spectrum.floor) or not np.any(width[inner]):
            starts.append(first)
        else:
            cut = first + 1 + int(width[inner].argmax())
            waiting += [(first, cut), (cut, end)]
    begin = np.sort(np.asarray(starts, dtype=np.int64))
    return begin, np.diff(np.append(begin, spectrum.modes))


@np.errstate(divide="ignore", invalid="ignore")
def bias(spectrum: Spectrum, found: Influence, starts: Integers, sizes: Integers) -> Array:
    """Return the first-order bias of each group's mean eigenvalue, (groups,), data²: positive, λ̂ is too large."""
    lam = spectrum.eigenvalues
    design = max(1.0, float(np.trace(found.covariance) / max(found.rowwise.sum(), 1e-300)))
    coupling = np.maximum(found.covariance + np.outer(lam, lam) * (design / found.kish_rows), 0.0)
    group = np.repeat(np.arange(len(starts)), sizes)
    pull = np.where(group[:, None] != group, coupling / (lam[:, None] - lam), 0.0)
    own = 0.0 if spectrum.standardized else lam * (design / found.kish_rows)  # that the mean is estimated
    return np.add.reduceat(pull.sum(axis=1) - own, starts) / sizes


@np.errstate(divide="ignore", invalid="ignore")
def caveats(
    spectrum: Spectrum, found: Influence, starts: Integers, sizes: Integers, error: Array, blocks: bool
) -> tuple[str, ...]:
    """Return what limits the trust in errors and intervals, in sentences; `error` (groups,) is that of the mean λ."""
    ratio = np.where(error > 0, bias(spectrum, found, starts, sizes) / error, 0.0)
    return (*_of_rows(found, blocks), *_of_groups(spectrum, ratio, error, starts, sizes))


def _of_rows(found: Influence, blocks: bool) -> Iterator[str]:
    """Yield what the rows (blocks) are too few, too dependent or too unequal for."""
    units = "blocks" if blocks else "rows"
    if found.kish < FEW:
        weighted = "" if found.kish > 0.99 * found.units else f" ({found.units} of unequal weight)"
        yield (
            f"The errors rest on {significant(found.kish, 3)} {units}{weighted}, and below {FEW} they are rough: "
            "intervals may cover less than they say."
        )
    ratio = float(np.median(np.sqrt(np.diagonal(found.covariance) / np.maximum(found.rowwise, 1e-300))))
    if blocks and ratio > max(DEPENDENT, 1 + 2 / np.sqrt(2 * found.units)):
        yield (
            f"Rows of one block are not independent: errors by blocks are {significant(ratio, 2)} times those of "
            "independent rows, and blocks that are themselves correlated would need larger ones still."
        )
    effective = found.effective.min(axis=0)
    heavy = np.flatnonzero(effective < min(HEAVY, found.units / 3))  # of few units no more can be asked
    if heavy.size:
        least = float(effective[heavy].min())
        yield (
            f"Heavy tails: the errors of modes {listed(heavy.tolist())} are carried by about {least:.1f} {units} "
            f"and themselves known to about {0.5 / np.sqrt(least):.0%}; intervals, of λ more than of λ/V, then cover "
            "some per cent less than they say."
        )


def _of_groups(spectrum: Spectrum, ratio: Array, error: Array, starts: Integers, sizes: Integers) -> Iterator[str]:
    """Yield which groups are biased, by `ratio` errors, below the noise floor, or too wide for one mean."""
    names = [numbered(start + 1, size) for start, size in zip(starts, sizes, strict=True)]
    worst, n, d = int(np.abs(ratio).argmax()), spectrum.samples or 1, spectrum.dimension
    most, biased = float(ratio[worst]), np.abs(ratio) > BIASED
    if biased.any():
        yield (
            f"Eigenvalues of a sample are biased: that of mode {names[worst]} is too "
            f"{'large' if most > 0 else 'small'} by about {significant(abs(most * float(error[worst])), 2)}, "
            f"{significant(abs(most), 2)} standard errors, which intervals do not account for "
            f"(so are {np.count_nonzero(biased)} of {len(starts)} by more than {BIASED:g})."
        )
    if biased.any() or d > CROWDED * n:
        floor = noise_floor(spectrum)
        yield (
            f"With d/n = {significant(d / n, 2)}, {floor.modes} of {spectrum.modes} modes stand above the floor of "
            f"sampling noise (λ = {significant(floor.price, 4)}): see numeric.noise_floor, and numeric.spiked for what "
            "the population's eigenvalues are then."
        )
    first, last = (spectrum.eigenvalues[at] for at in (starts, starts + sizes - 1))
    wide = int((first / last).argmax())
    if first[wide] > SPREAD * last[wide]:
        ends = f"{significant(first[wide], 3)} … {significant(last[wide], 3)}"
        yield (
            f"Modes {names[wide]} are one group because each is too close to the next, though λ goes from "
            f"{ends}: the interval is that of their mean, and says little about one of them."
        )
