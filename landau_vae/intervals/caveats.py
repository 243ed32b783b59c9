"""What limits the trust in errors and intervals, in sentences."""

from collections.abc import Iterator

import numpy as np

from landau_vae.display import Array, Integers, listed, numbered, significant
from landau_vae.intervals.influence import Influence
from landau_vae.limits import FEW_BLOCKS, ORDER_MATTERS_FROM
from landau_vae.numeric._noise_floor import noise_floor
from landau_vae.spectrum.spectrum import Spectrum

FEW = 50  # rows or blocks below which the first order may not be enough
HEAVY = 5  # N rows that carry an error, below which it is itself uncertain by 1/(2√N) = 22 % and more
BIASED = 0.4  # standard errors: 95 % intervals cover about 92 % then
DEPENDENT = 1.2  # error by blocks over error by rows
CROWDED = 0.1  # d/n from which on the noise floor is worth a look
SPREAD = 2.0  # λ_first/λ_last of a group whose mean says little about its members


@np.errstate(divide="ignore", invalid="ignore")
def caveats(
    spectrum: Spectrum, found: Influence, starts: Integers, sizes: Integers, error: Array, blocks: bool
) -> tuple[str, ...]:
    """Return what limits the trust in errors and intervals, in sentences; `error` (groups,) is that of the mean λ."""
    from landau_vae.intervals.groups import bias

    ratio = np.where(error > 0, bias(spectrum, found, starts, sizes) * spectrum.total_variance / error, 0.0)
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
            "independent rows."
        )
    if (factor := np.sqrt(found.order.inflation)) > ORDER_MATTERS_FROM:
        yield _in_order(found, float(factor), units)
    effective = found.effective.min(axis=0)
    heavy = np.flatnonzero(effective < min(HEAVY, found.units / 3))  # of few units no more can be asked
    if heavy.size:
        least = float(effective[heavy].min())
        yield (
            f"Heavy tails: the errors of modes {listed(heavy.tolist())} are carried by about {least:.1f} {units} "
            f"and themselves known to about {0.5 / np.sqrt(least):.0%}; intervals, of λ more than of λ/V, then cover "
            "some per cent less than they say."
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
        f"{significant(found.units / factor**2, 2)} independent ones. Give {blocks}. {units.capitalize()} that are "
        "independent, and were only sorted, can be shuffled instead."
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
