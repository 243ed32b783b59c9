"""What limits the trust in errors and intervals, in sentences: rows, their order and tails; groups, their bias."""

from collections.abc import Iterator

import numpy as np

from landau_vae.display import Booleans, listed, numbered, significant
from landau_vae.intervals.influence import Influence
from landau_vae.intervals.result import Uncertainty
from landau_vae.limits import (
    BIAS_SHOWN,
    CROWDED,
    DEPENDENT,
    FEW_BLOCKS,
    GROUP_RANGE,
    HEAVY_ROWS,
    HEAVY_SHARE,
    INTERVAL_ROWS,
    ORDER_MATTERS_FROM,
)  # fmt: skip
from landau_vae.numeric._noise_floor import noise_floor


def caveats(result: Uncertainty) -> tuple[str, ...]:
    """Return what limits the trust in errors and intervals, in sentences."""
    return (*_of_rows(result.influence, result.blocks), *_of_groups(result))


def _of_rows(found: Influence, blocks: bool) -> Iterator[str]:
    """Yield what the rows (blocks) are too few, too dependent or too unequal for."""
    units = "blocks" if blocks else "rows"
    if found.kish < INTERVAL_ROWS:
        weighted = "" if found.kish > 0.99 * found.units else f" ({found.units} of unequal weight)"
        yield (
            f"No intervals are given: the errors rest on {significant(found.kish, 3)} {units}{weighted}, and with less "
            f"than {INTERVAL_ROWS:g} intervals of 95 % often hold in less than 85 % of tables. Give more {units}."
        )
    ratio = float(np.median(np.sqrt(np.diagonal(found.covariance) / np.maximum(found.rowwise, 1e-300))))
    if blocks and ratio > max(DEPENDENT, 1 + 2 / np.sqrt(2 * found.units)):
        yield (
            f"Rows of one block are not independent: errors by blocks are {significant(ratio, 2)} times those of "
            "independent rows."
        )
    if (factor := np.sqrt(found.order.inflation)) > ORDER_MATTERS_FROM:
        yield _in_order(found, float(factor), units)
    carried = float(np.median(found.effective[0]))
    if carried < min(HEAVY_ROWS, HEAVY_SHARE * found.units):
        yield (
            f"Heavy tails: the errors are carried by about {carried:.1f} of {found.units} {units}, and are themselves "
            f"known to about {0.5 / np.sqrt(carried):.0%}. Intervals are wider for it; still, those of 95 % hold λ "
            "in 80 to 95 % of such tables only, and λ/V in 90 % or more."
        )


def _in_order(found: Influence, factor: float, units: str) -> str:
    """Return that units are like those before and after them, what that does to errors, and how to account for it."""
    length = 4 * found.order.length  # halves of shorter ones are alike
    blocks = f"blocks of at least {length} times the size"
    if units == "rows":
        blocks = "the block of each row (blocks=…; --blocks NAME)"
        blocks += f", or a length: blocks={length} makes blocks of {length} rows" * (FEW_BLOCKS * length <= found.units)
    return (
        f"{units.capitalize()} that follow one another are alike, as in a time series or on a map: errors are at least "
        f"about {significant(factor, 2)} times too small, and these {found.units} {units} count as about "
        f"{found.units / factor**2:.0f} independent ones. Give {blocks}. {units.capitalize()} that are "
        "independent, and were only sorted, can be shuffled instead."
    )


def _of_groups(result: Uncertainty) -> Iterator[str]:
    """Yield which groups have no interval, or one about another value, or are too wide for one mean."""
    spectrum, starts, sizes = result.spectrum, result.mode - 1, result.multiplicity
    known, share = result.known, result.bias / result.share.value
    unknown = result.influence.kish >= INTERVAL_ROWS and not known.all()
    if unknown:
        yield (
            f"No interval is given for modes {listed(_modes(result, ~known))}: a sample as small as this makes their "
            "eigenvalues too large or too small by more than their standard errors, and intervals of 95 % would often "
            "hold in less than 85 % of tables. Give more rows."
        )
    worst = int(np.where(known, np.abs(share), 0.0).argmax())
    if known[worst] and abs(share[worst]) > BIAS_SHOWN:
        yield (
            f"Eigenvalues of a sample are biased: that of mode {numbered(starts[worst] + 1, sizes[worst])} is too "
            f"{'large' if share[worst] > 0 else 'small'} by about {abs(share[worst]):.0%}. Intervals account for it."
        )
    n, d = spectrum.samples or 1, spectrum.dimension
    if unknown or d > CROWDED * n:
        floor = noise_floor(spectrum)
        yield (
            f"With d/n = {significant(d / n, 2)}, {floor.modes} of {spectrum.modes} modes stand above the floor of "
            f"sampling noise (λ = {significant(floor.price, 4)}): see numeric.noise_floor, and numeric.spiked for what "
            "the population's eigenvalues are then."
        )
    first, last = (spectrum.eigenvalues[at] for at in (starts, starts + sizes - 1))
    wide = int((first / last).argmax())
    if first[wide] > GROUP_RANGE * last[wide]:
        ends = f"{significant(first[wide], 3)} … {significant(last[wide], 3)}"
        yield (
            f"Modes {numbered(starts[wide] + 1, sizes[wide])} are one group because each is too close to the next, "
            f"though λ goes from {ends}: the interval is that of their mean, and says little about one of them."
        )


def _modes(result: Uncertainty, groups: Booleans) -> list[int]:
    """Return the modes of some groups, counting from 0."""
    return np.flatnonzero(np.repeat(groups, result.multiplicity)).tolist()
