"""Where does the first latent of a nonlinear VAE collapse on given rows, and with or without a jump?

    λ₁ ≤ τ_Maxwell ≤ τ_spinodal,        τ_Maxwell ≤ σ²_sG

From λ₁ on the collapsed state is stable; from the Maxwell point on it is the best one
that a latent with a free decoder has; from the spinodal on it is the only one; from
σ²_sG on it is the best of any VAE. Of skewed rows the first two differ: then the
collapse is first-order, and a warm-up of the KL finds states that a fresh training at
the same β does not. The excess
τ_Maxwell/λ₁ − 1 grows as κ², so that its error is that of itself and that of its root.
Source: this package.
"""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Count, Range, Seed, checked
from landau_vae.display import progress_bar, readonly
from landau_vae.errors import InputError, OutsideTheory, TooFewSamples
from landau_vae.intervals.influence import as_blocks
from landau_vae.limits import FOURTH_MOMENT_ROWS
from landau_vae.loss import Loss
from landau_vae.networks._first_collapse import first_collapse
from landau_vae.networks._frontier import bounds, first_price
from landau_vae.networks._frontier import frontier as best_of_any
from landau_vae.networks.free_decoder import MOST_TERMS
from landau_vae.networks.moments import row_moments
from landau_vae.networks.onset_result import Onset
from landau_vae.threads import one_thread
from landau_vae.training.training_set import TrainingSet, training_set

MOST = 2000  # rows
OWN = 41  # beside the seed: data that were drawn with the same one are independent
PRICES = 6  # of the frontier, from λ₁ to σ²_sG


@checked
@one_thread()
def onset(
    data: Any,
    loss: Loss,
    *,
    rows: Count = MOST,
    blocks: ArrayLike | None = None,
    degree: Annotated[int, Range(4, MOST_TERMS)] | None = None,
    frontier: bool = False,
    seed: Seed = 0,
    progress: bool = False,
) -> Onset:
    """Return where the first latent of a nonlinear VAE collapses on some rows, and whether with a jump.

    Parameters
    ----------
    data : (n, d) array, DataFrame or TrainingSet
        The rows that are trained on.
    loss : Loss
        Of squared errors with a fixed variance. At a single β the result also says what
        is expected there.
    rows : int, default 2000
        How many rows are used, at most; of more they are drawn at random.
    blocks : array_like (n,), optional
        The block of each row, where rows are not independent (neighbours in space or
        time): then errors are those of independent blocks.
    degree : int, optional
        Of the decoder, a polynomial in z, from 4 to 12. By default 6, and more until
        two more move the Maxwell point no further.
    frontier : bool, default False
        Whether to solve for the best of any VAE at several β too, as `lv.frontier`
        does: a few seconds each.
    seed : int, default 0
        Of the choice of rows.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    Onset

    Raises
    ------
    InputError
        For a `Spectrum`, which has no rows, and for rows that cannot be used.
    OutsideTheory
        For a learned variance and other likelihoods. `partial` is the β from which on
        the collapsed state is stable.
    TooFewSamples
        For fewer rows or blocks than a fourth moment needs, with the same `partial`.

    Notes
    -----
    One latent, a decoder that is a polynomial in z, and an encoder without
    restrictions. A network can come near to this, and not below it; with more latents
    the first of them may survive to a larger β. What is found holds for the rows that
    were used, and its errors are those of the population that they were drawn from.

    Examples
    --------
    >>> x = np.repeat([[-1.0], [1.0]], 50, axis=0)  # no skew
    >>> found = onset(x, Loss.gaussian(half=False))
    >>> found.order, found.linear  # β of Σ(x − x̂)² is 2 τ
    ('continuous', 2.0)
    """
    table = training_set(data)
    if table.rows is None:
        raise InputError("data is a Spectrum, but the onset needs the rows: give the table.", "data")
    loss.must_be_plain("the first collapse is solved")
    linear = _linear(loss, table)
    weights = np.ones(len(table.rows)) if table.weights is None else table.weights
    labels = None if blocks is None else as_blocks(blocks, len(table.rows), table.weights)
    living = np.flatnonzero(weights)
    chosen = np.sort(np.random.default_rng((seed, OWN)).permutation(living)[:rows])
    x, w = table.rows[chosen], weights[chosen]
    moments = row_moments(x, w, blocks=None if labels is None else labels[chosen])
    if not moments.enough:
        found = f"{moments.units} rows or blocks have weight, but a fourth moment needs {FOURTH_MOMENT_ROWS:g}"
        raise TooFewSamples(f"{found}: only the linear threshold is known, {loss.knob} = {linear:.6g}.", linear)
    with progress_bar(3, "onset", progress, unit=" steps") as bar:
        collapse = first_collapse(x, w, order=degree)
        bar.update()
        proxy, memorising = (each / collapse.first for each in bounds(x, w))
        bar.update()
        ratios = np.geomspace(1.0, max(proxy, collapse.spinodal.price), PRICES)
        any_vae = best_of_any(training_set(x, weights=w), loss.at(linear * ratios)) if frontier else None
        bar.update()
    return Onset(
        loss, linear, collapse, moments, proxy, memorising, any_vae, readonly(chosen, np.int64), len(living)
    )  # fmt: skip


def _linear(loss: Loss, table: TrainingSet) -> float:
    """Return the β from which on the collapsed state is stable; other losses have no more than that."""
    if loss.constraint:
        loss.must_be_fixed("the first collapse is solved")
    first, spectrum = first_price(loss, table), replace(table.spectrum, likelihood=loss.likelihood)
    linear = float(loss.beta_at(first, spectrum))
    if loss.learned or not loss.likelihood.squared:
        part = "a learned decoder variance" if loss.learned else f"a {loss.likelihood} likelihood"
        raise OutsideTheory(
            f"The loss has {part}, but the order of the first collapse is known for squared errors with a fixed "
            f"variance only: what is known is the linear threshold, {loss.knob} = {linear:.6g}.",
            linear,
        )
    return linear
