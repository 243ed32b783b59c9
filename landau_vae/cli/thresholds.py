"""`landau-vae thresholds FILE`: at which β of the user's loss each latent collapses."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import landau_vae as lv
from landau_vae.checks import Range
from landau_vae.cli.options import Inputs
from landau_vae.cli.program import AsJson, command, option, say, say_written
from landau_vae.data.read_file import read_labels
from landau_vae.display import counted, significant, with_error
from landau_vae.errors import InputError
from landau_vae.likelihoods import Sized
from landau_vae.likelihoods.sizes import can_be_drawn
from landau_vae.limits import ORDER_MARGIN, ORDER_RESOLVED, UNITS

SMALL = 2**21  # numbers of a table whose moments are formed, too
FEW_COUNTS = 2**23  # of which others are drawn
BLOCKS = "For --intervals: rows per block, or a column of blocks"


@command
def thresholds(
    inputs: Inputs,
    modes: Annotated[int, Range(1), option("Number of modes in the table (30)")] = 30,
    intervals: Annotated[bool, option("Add 95 % intervals of the population's thresholds", "--intervals")] = False,
    blocks: Annotated[str | None, option(BLOCKS, metavar="ROWS|NAME")] = None,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Draw the cascade (.png, .pdf, .svg)")] = None,
) -> int:
    """List the β of your loss at which each latent collapses."""
    inputs, labels = (inputs, None) if blocks is None else _in_blocks(inputs, blocks)
    wanted = intervals or blocks is not None
    if output is not None:
        lv.report.check_picture(output)
    errors = _uncertainty(inputs, labels) if wanted else None  # first: it loads the rows, which are then not read again
    spectrum, loss = inputs.spectrum, inputs.loss
    cascade, state, noise = lv.transitions(spectrum, loss), lv.equilibrium(spectrum, loss), _noise(inputs)
    if as_json:
        content = {"file": inputs.name, "loss": loss, "spectrum": spectrum, "transitions": cascade}
        content["equilibrium"] = None if state.incomplete else state
        content |= {} if noise is None else {"count_noise": noise, "n_latent": _enough(noise, state)}
        say(content if errors is None else content | {"uncertainty": errors.to_dict(loss)})
    else:
        hidden = len(cascade.mode) - modes
        lines = [
            inputs.heading(),
            loss.explain(spectrum),
            "",
            cascade.summary(limit=modes, intervals=None if errors is None else errors.cells(cascade)),
            *([f"… and {hidden} more (--modes)"] if hidden > 0 else []),
            "",
            f"{_totals(state)}{_all_collapsed(cascade)}",
            *([] if noise is None else [_n_latent(noise, state)]),
            *[spectrum.unresolved_note] * bool(spectrum.unresolved),
            *(["", *errors.remarks()] if errors is not None else []),
            *_units(inputs),
            *_skewed(inputs),
        ]
        say("\n".join(lines))
    if output is not None:
        say_written(lv.report.save_figure(output, lv.plotting.cascade(spectrum, loss)))
    return 0


def _noise(inputs: Inputs) -> "lv.numeric.CountNoise | None":
    """Return what chance makes of counts whose sizes are given; None of other data, and where it would take long."""
    likelihood, spectrum = inputs.loss.likelihood, inputs.spectrum
    counts = isinstance(likelihood, Sized) or inputs.sizes is not None
    small = (spectrum.samples or 0) * spectrum.dimension <= FEW_COUNTS and inputs.reading.weights is None
    if not (counts and small and can_be_drawn(likelihood)):
        return None
    rows, sizes = inputs.sized_rows
    return lv.numeric.count_noise(rows.values, inputs.loss, sizes=sizes)


def _enough(noise: "lv.numeric.CountNoise", state: "lv.numeric.Equilibrium") -> int:
    """Return how many modes are worth their price, and more than chance."""
    return min(noise.modes, int(state.active))


def _n_latent(noise: "lv.numeric.CountNoise", state: "lv.numeric.Equilibrium") -> str:
    """Return how many latents such counts need, as far as the collapsed state tells."""
    above, price = int(state.active), significant(noise.price, 4)
    return (
        f"n_latent: {counted(above, 'mode')} above the price, {_enough(noise, state)} of them above what chance makes "
        f"of such counts (τ = {price}): that many latents are needed, as predicted from the collapsed state."
    )


def _units(inputs: Inputs) -> list[str]:
    """Return a line where named columns are of so different sizes that their units must differ."""
    spectrum = inputs.spectrum
    plain = inputs.loss.likelihood.squared and not (inputs.scaled or inputs.changed)
    if not plain or spectrum.matrix is None or spectrum.names is None:
        return []
    variance = np.diagonal(spectrum.matrix)
    deviation = np.sqrt(np.where(variance > spectrum.floor, variance, 0.0))  # of a constant column, rounding is left
    least, most = deviation[deviation > 0].min(initial=np.inf), int(deviation.argmax())
    if deviation[most] < UNITS * least:
        return []
    share = deviation[most] ** 2 / spectrum.total_variance
    ends = f"{significant(float(least), 3)} to {significant(float(deviation[most]), 3)}"
    return [
        f"Standard deviations of the columns range from {ends}, and column {spectrum.names[most]!r} holds {share:.0%} "
        "of the variance. If your training standardises the columns, add --standardize."
    ]


def _skewed(inputs: Inputs) -> list[str]:
    """Return a line where the first component is surely so skewed that a nonlinear VAE collapses later, by a jump."""
    spectrum, loss = inputs.spectrum, inputs.loss
    plain = loss.likelihood.squared and inputs.has_rows and not (loss.learned or inputs.changed)
    if not plain or (spectrum.samples or 0) * spectrum.dimension > SMALL:
        return []
    rows, weights, _ = inputs.loaded
    from landau_vae.training.training_set import training_set

    table = training_set(rows, standardize=inputs.scaled, weights=weights)
    assert table.rows is not None
    moments = lv.networks.row_moments(table.rows, table.weights)
    root, error = moments.root
    if not moments.enough or root - ORDER_MARGIN * error <= np.sqrt(ORDER_RESOLVED):
        return []
    skewness = with_error(float(moments.value[0]), float(moments.error[0]))
    return [
        f"The first component is skewed (κ = {skewness}): the first latent of a nonlinear VAE can stay active at "
        "larger β, and collapse by a jump (see `landau-vae onset`)."
    ]


def _all_collapsed(cascade: "lv.numeric.Transitions") -> str:
    """Return from which β on everything is collapsed."""
    if np.isfinite(cascade.beta[0]):
        return f"everything is collapsed from β = {cascade.beta[0]:.6g} on."
    return f"the constraint keeps {int(cascade.multiplicity @ np.isinf(cascade.beta))} of them active at every β."


def _totals(state: "lv.numeric.Equilibrium") -> str:
    """Return how many modes are active, and their rate and distortion, as far as the modes that were found tell."""
    beta, modes = float(state.loss.beta), state.spectrum.modes
    if state.incomplete:
        return f"At β = {beta:g} all {modes} modes are active, and perhaps more that were not found (--strongest); "
    return (
        f"At β = {beta:g}, {int(state.active)} of {modes} modes are active: rate {float(state.total_rate):.4g} nats, "
        f"distortion {float(state.total_distortion):.4%} of the variance{' of scores' * state.spectrum.of_scores}; "
    )


def _in_blocks(inputs: Inputs, blocks: str) -> tuple[Inputs, Any]:
    """Return the inputs without the column of blocks, and the block of each row, or how many rows a block has."""
    if blocks.isdecimal():
        return inputs, int(blocks)
    if inputs.public is not None:
        data = inputs.public
        if data.target is None or blocks not in data.target_names:
            raise InputError(f"{inputs.name} has no column {blocks!r} of blocks: give a number of rows.", "blocks")
        return inputs, data.target[:, data.target_names.index(blocks)]
    assert inputs.file is not None
    reading = inputs.reading
    labels = read_labels(inputs.file, blocks, header=reading.header, array=reading.array, samples=reading.samples)
    if inputs.file.suffix.lower() == ".h5ad":
        return inputs, labels
    return replace(inputs, reading=replace(reading, exclude=[*(reading.exclude or ()), blocks])), labels


def _uncertainty(inputs: Inputs, blocks: Any = None) -> "lv.intervals.Uncertainty":
    """Return the sampling errors of the spectrum, from all rows."""
    if inputs.is_covariance:
        raise InputError("Intervals need the rows, not only their covariance: give the rows, or leave --intervals out.")
    if inputs.divisor != "n":
        raise InputError("Intervals are those of covariances that divide by n, as a loss does: leave --divisor out.")
    if inputs.changed:
        raise InputError("Intervals are for the columns themselves: leave --given, --target and --noise out.")
    rows, weights, names = inputs.loaded
    likelihood = inputs.loss.likelihood
    return lv.uncertainty(
        rows, standardize=inputs.scaled, weights=weights, likelihood=likelihood, names=names, blocks=blocks
    )
