"""`landau-vae thresholds FILE` and `landau-vae choose FILE`: closed forms for the user's data and loss."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from landau_vae.cli.options import Given, with_data_and_loss
from landau_vae.cli.program import AsJson, app, draw, say, say_json
from landau_vae.errors import InputError

if TYPE_CHECKING:
    from landau_vae.intervals import Uncertainty
    from landau_vae.numeric import Equilibrium

__all__ = ["choose", "thresholds"]

Picture = Annotated[Path | None, typer.Option("--output", help="Draw the cascade into this file (.png, .pdf, .svg).")]


@app.command()
@with_data_and_loss
def thresholds(
    given: Given,
    modes: Annotated[int, typer.Option(help="How many modes to list.")] = 30,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Add 95 % intervals of the population's thresholds.")
    ] = False,
    as_json: AsJson = False,
    output: Picture = None,
) -> int:
    """At which β of your loss each latent dies, for your data."""
    from landau_vae import equilibrium, transitions
    from landau_vae.verification.verification import unresolved_lines

    if modes < 1:
        raise InputError(f"{modes} modes were to be listed, but a whole number from 1 on is expected.")
    spectrum, loss = given.spectrum, given.loss
    cascade, state = transitions(spectrum, loss), equilibrium(spectrum, loss)
    errors = _uncertainty(given) if intervals else None
    if as_json:
        say_json(
            {
                "file": given.name,
                "loss": loss.to_dict(),
                "spectrum": spectrum.to_dict(),
                "transitions": cascade.to_dict(),
                "equilibrium": _known(state),
                **({} if errors is None else {"uncertainty": errors.to_dict(loss)}),
            }
        )
    else:
        hidden = len(cascade.mode) - modes
        lines = [
            given.heading(),
            loss.explain(spectrum),
            "",
            cascade.summary(limit=modes, intervals=None if errors is None else errors.cells(cascade)),
            *([f"… and {hidden} more (--modes)"] if hidden > 0 else []),
            "",
            f"{_totals(state)}everything is dead from β = {cascade.beta[0]:.6g} on.",
            *unresolved_lines(spectrum),
            *(["", *errors.remarks()] if errors is not None else []),
        ]
        say("\n".join(lines))
    _draw_cascade(output, given, None)
    return 0


def _totals(state: "Equilibrium") -> str:
    """How many modes live in all, and what that costs; where only the strongest were found, as far as they tell."""
    beta, modes = float(state.loss.beta), state.spectrum.modes
    try:
        return (
            f"At β = {beta:g}, {int(state.active)} of {modes} modes live: rate {float(state.total_rate):.4g} nats, "
            f"distortion {float(state.total_distortion):.4%} of the variance; "
        )
    except InputError:
        return f"At β = {beta:g} all {modes} modes live, and perhaps more that were not found (--strongest); "


def _known(state: "Equilibrium") -> dict[str, Any] | None:
    """The equilibrium, where all that lives was found."""
    try:
        return state.to_dict()
    except InputError:
        return None


@app.command()
@with_data_and_loss
def choose(
    given: Given,
    keep: Annotated[int | None, typer.Option(help="Keep this many latents alive.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Share of the variance that may be lost.")] = None,
    noise_floor: Annotated[bool, typer.Option("--noise-floor", help="Stay above what sampling noise fakes.")] = False,
    mean: Annotated[bool, typer.Option("--mean", help="Measure the loss on z = μ(x), not on sampled z.")] = False,
    as_json: AsJson = False,
    output: Picture = None,
) -> int:
    """Which β keeps a number of latents, reaches a tolerance, or stays above sampling noise, for your data and loss."""
    from landau_vae import choose_beta

    if noise_floor and given.selection["weights"] is not None:
        raise InputError("The noise floor counts every row the same: leave --weights out, or ask for something else.")
    choice = choose_beta(
        given.spectrum,
        given.loss,
        keep=keep,
        tolerance=tolerance,
        noise_floor=noise_floor,
        reconstruction="mean" if mean else "sampled",
    )
    if as_json:
        say_json({"file": given.name, "spectrum": given.spectrum.to_dict(), **choice.to_dict()})
    else:
        say(f"{given.heading()}\n{choice.summary()}")
    _draw_cascade(output, given, choice.beta)
    return 0


def _uncertainty(given: Given) -> "Uncertainty":
    """Errors of the population's spectrum, from all rows of the file."""
    from landau_vae import uncertainty

    if given.covariance:
        raise InputError(
            "A covariance does not say how far it can be trusted, that takes the rows it was made of: "
            "give the samples, or leave --intervals out."
        )
    if given.divisor != "n":
        raise InputError("Intervals are those of covariances that divide by n, as a loss does: leave --divisor out.")
    if given.given or given.target or given.noise is not None:
        raise InputError(
            "Intervals are known for the spectrum of the file's own columns only: leave --given, --target and --noise "
            "out, or leave --intervals out."
        )
    content = given.table()
    blocks = [] if content.array is not None else list(content.blocks)
    weights = [weight for _, weight in blocks if weight is not None]
    return uncertainty(
        np.concatenate([rows for rows, _ in blocks]) if content.array is None else content.array,
        standardize=given.standardize,
        weights=np.concatenate(weights) if weights else None,
        likelihood=given.loss.likelihood,
        names=content.names,
    )


def _draw_cascade(output: Path | None, given: Given, chosen: float | None) -> None:
    if output is not None:
        from landau_vae import plotting

        draw(output, plotting.cascade(given.spectrum, given.loss, chosen=chosen))
