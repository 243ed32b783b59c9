"""Which eigenvalues are too close to be separated, and by how much are the others biased?

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

from itertools import pairwise

import numpy as np

from landau_vae.display import Array, Integers
from landau_vae.intervals.influence import Influence
from landau_vae.spectrum.spectrum import Spectrum

SEPARATED = 3.0  # standard errors of a gap


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
    lam, floor = spectrum.normalized, spectrum.floor / spectrum.total_variance
    gap = -np.diff(lam)
    apart = gap > np.maximum(SEPARATED * gap_error, floor)
    width = np.where(gap > floor, gap / gap_error, 0.0)
    edges = [0, *(np.flatnonzero(apart) + 1), spectrum.modes]
    waiting, starts = list(pairwise(edges)), []
    while waiting:
        first, end = waiting.pop()
        inner = slice(first, end - 1)
        equal = SEPARATED * np.sqrt(2 * (end - first) * np.mean(found.coupling[inner])) if end - first > 2 else np.inf
        if lam[first] - lam[end - 1] <= max(equal, floor) or not np.any(width[inner]):
            starts.append(first)
        else:
            cut = first + 1 + int(width[inner].argmax())
            waiting += [(first, cut), (cut, end)]
    begin = np.sort(np.asarray(starts, dtype=np.int64))
    return begin, np.diff(np.append(begin, spectrum.modes))


def bias(spectrum: Spectrum, found: Influence, starts: Integers, sizes: Integers) -> tuple[Array, Array]:
    """Return by how much each group's mean λ/V is too large, (groups,), and the same without the signs of its parts.

    Each pair of groups has to give back what repulsion has taken: a mode k all that modes below it gave to it,
    λ̂_k/(1 + s_k) with s_k = Σ_j c_kj/(λ̂_k − λ̂_j)/λ̂_k, c_kj = E[y_k² y_j²]/n.
    """
    lam = spectrum.normalized
    design = max(1.0, float(np.trace(found.covariance) / max(found.rowwise.sum(), 1e-300)))
    coupling = np.maximum(found.covariance + np.outer(lam, lam) * (design / found.kish_rows), 0.0)
    group = np.repeat(np.arange(len(starts)), sizes)
    pull = coupling / np.where(group[:, None] < group, lam[:, None] - lam, np.inf)
    pull /= 1 + pull.sum(axis=1, keepdims=True) / lam[:, None]
    fixed = found.covariance.sum() <= 1e-12 * np.trace(found.covariance)  # V cannot vary, as of standardised columns
    own = 0.0 if fixed else lam * (design / found.kish_rows)  # that the mean is estimated
    down, up = (np.add.reduceat(pull.sum(axis=axis), starts) / sizes for axis in (0, 1))
    return up - down - np.add.reduceat(own * np.ones(len(lam)), starts) / sizes, up + down
