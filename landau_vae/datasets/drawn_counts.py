"""Counts as of single cells, drawn: a few factors, library sizes of the cells, and negative-binomial noise.

    x_ij ~ NB(l_i ρ_j e^{Σ_k w_jk u_ik}, θ),    u uniform of variance 1,    ln l normal

Cells differ in depth far more than in any factor, as in real data: a decoder that is not given
the sizes spends its first latent on them.
"""

import numpy as np

from landau_vae.checks import Count, Positive, Seed, checked
from landau_vae.datasets.dataset import Dataset
from landau_vae.display import readonly
from landau_vae.errors import InputError

OWN = 0x63656C6C  # stream of the draws
FIRST, STEP = 0.45, 0.7  # deviation of a log-mean by the first factor, and how much less the next one has
MOST = 2**28  # counts, which take 2 GB
DEPTH = 0.5  # deviation of the log of a library size


@checked
def counts(
    cells: Count = 1000, genes: Count = 40, factors: Count = 3, dispersion: Positive = 5.0, seed: Seed = 0
) -> Dataset:
    """Return drawn counts of genes in cells, whose target is the depth of each cell.

    Parameters
    ----------
    cells, genes : int, default 1000, 40
        Rows and columns.
    factors : int, default 3
        How many factors move the means; each moves every gene.
    dispersion : float, default 5
        θ: the variance is m + m²/θ.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> cells = counts()
    >>> cells, cells.target_names
    (Dataset(counts: 1000 samples × 40 features), ('depth',))
    """
    if cells * genes > MOST:
        raise InputError(f"cells × genes is {cells * genes:.3g}, but at most {MOST:.3g} counts are drawn.", "cells")
    rng = np.random.default_rng((seed, OWN))
    depth = np.exp(DEPTH * rng.standard_normal((cells, 1)))
    share = rng.uniform(1, 10, genes)
    load = FIRST * STEP ** np.arange(factors)[:, None] * rng.choice([-1.0, 1.0], (factors, genes))
    factor = np.sqrt(3) * rng.uniform(-1, 1, (cells, factors))
    mean = depth * share * np.exp(factor @ load)
    table = rng.poisson(rng.gamma(dispersion, mean / dispersion)).astype(np.float64)
    table[table.sum(axis=1) == 0, 0] = 1.0  # every cell has a count
    return Dataset(
        "counts", readonly(table), tuple(f"gene_{j}" for j in range(genes)), cells,
        "Drawn negative-binomial counts of cells with library sizes (landau_vae.datasets.counts), from a seed",
        readonly(depth), ("depth",), counts=True,
    )  # fmt: skip
