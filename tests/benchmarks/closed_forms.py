"""All thresholds, and the equilibrium's totals at many prices, against the obvious loop over the prices.

The totals come from cumulative sums over the sorted spectrum, so they cost O(d + prices); the loop goes over all modes
at each price. The mode-wise array (prices × modes) is a million numbers and has no bar.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
from timing import Row, absolute, against, seconds

import landau_vae as lv
from landau_vae.display import Array

BAR = 1e-3  # seconds
TOTALS = ("active", "total_rate", "total_distortion", "free_energy")


def rows(quick: bool) -> Iterator[Row]:
    """The bar in seconds, the same work against the loop, and the mode-wise array."""
    size, rounds, budget = (50, 3, 0.05) if quick else (1000, 201, 2.0)
    spectrum = lv.Spectrum.from_eigenvalues(np.geomspace(1.0, 1e-6, size))
    loss = lv.Loss.gaussian(np.geomspace(2.0, 1e-7, size))
    ours, loop = partial(_ours, spectrum, loss), partial(_loop, spectrum, loss)
    for mine, theirs in zip(ours(), loop(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    work = f"thresholds and totals, d = {size}, {size} prices"
    yield absolute(work, median(seconds(ours) for _ in range(rounds)), BAR)
    yield against(work, ours, "loop over prices", loop, None, budget)
    modewise = partial(_signal_fraction, spectrum, loss)
    work = f"signal_fraction, {size} prices × {size} modes"
    yield absolute(work, median(seconds(modewise) for _ in range(min(rounds, 21))), None)


def _ours(spectrum: lv.Spectrum, loss: lv.Loss) -> list[Array]:
    spectrum = replace(spectrum)  # a fresh copy: nothing is remembered from the last round
    state = lv.equilibrium(spectrum, loss)
    return [lv.transitions(spectrum, loss).price, *(getattr(state, name) for name in TOTALS)]


def _loop(spectrum: lv.Spectrum, loss: lv.Loss) -> list[Array]:
    """Each price on its own, from the formulas as they are written down."""
    found = []
    for price in loss.price(spectrum):
        alive = spectrum.eigenvalues > price
        rate = 0.5 * np.log(spectrum.eigenvalues[alive] / price).sum()
        distortion = np.minimum(spectrum.eigenvalues, price).sum()
        found.append((alive.sum(), rate, distortion / spectrum.total_variance, 0.5 * distortion + price * rate))
    return [np.sort(spectrum.eigenvalues)[::-1], *np.transpose(found)]


def _signal_fraction(spectrum: lv.Spectrum, loss: lv.Loss) -> Array:
    return lv.equilibrium(spectrum, loss).signal_fraction
