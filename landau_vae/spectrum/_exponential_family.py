"""The spectrum that a decoder of any exponential family sees from the collapsed state: F^(−½) C F^(−½).

F is the variance that the likelihood has at the mean of each feature: x̄(1 − x̄) for a Bernoulli, x̄ for a Poisson,
x̄ + x̄²/θ for a negative binomial decoder, whatever its link. The collapsed state of a decoder with linear logits
(log-means, …) is unstable for each mode of this spectrum above b/a, so the first threshold is exact; once a mode lives
the others shift (`landau-vae derive exponential-family`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.data.streams import gather_array
from landau_vae.data.tables import as_names, as_numbers, as_table, as_weights
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods import FAMILY
from landau_vae.spectrum._conditional import noise_metric
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["exponential_family"]


def exponential_family(
    data: Any,
    variance: Callable[[Array], ArrayLike],
    *,
    weights: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Spectrum:
    """The spectrum for a likelihood whose variance at the mean (d,) is `variance(mean)`; its loss is `Loss.family`.

    Bernoulli and Poisson decoders have it by name: `Spectrum.from_data(X, likelihood="bernoulli")`.

    >>> counts = [[0, 4], [2, 4], [4, 1], [2, 3]]
    >>> exponential_family(counts, lambda m: m + m**2 / 2).eigenvalues.round(4).tolist()
    [0.6622, 0.0378]
    """
    array, own_names = as_table(data)
    share = None if weights is None else as_weights(weights, len(array))
    moments = gather_array(array, share, own_names, False)
    try:
        at_mean = np.broadcast_to(as_numbers(variance(moments.mean), "The variance function"), moments.mean.shape)
    except InputError:
        raise
    except Exception as problem:
        raise InputError(
            f"The variance function raised {type(problem).__name__} on the means ({problem}): it takes an array of "
            "means and gives as many variances."
        ) from problem
    if not np.all(np.isfinite(at_mean) & (at_mean > 0)):
        worst = int(np.argmin(np.where(np.isfinite(at_mean), at_mean, -np.inf)))
        raise InputError(
            f"The variance function is {at_mean[worst]} at the mean {moments.mean[worst]:.6g} of column "
            f"{own_names[worst] if own_names else worst}, but a positive variance is expected: leave constant columns "
            "out (X[:, X.std(axis=0) > 0])."
        )
    found = noise_metric(array, at_mean, weights=weights, names=as_names(names, array.shape[1]) or own_names)
    note = "Spectrum of the data in units of the likelihood's variance at the mean; the first threshold is exact."
    return replace(found, likelihood=FAMILY, note=note)
