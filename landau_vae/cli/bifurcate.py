"""`landau-vae bifurcate FILE`: follow the equilibria of the user's model against β, knowing nothing of closed forms."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from landau_vae.cli.options import Given, with_data_and_loss
from landau_vae.cli.program import INTERRUPTED, AsJson, app, draw, say, say_json
from landau_vae.display import significant, table
from landau_vae.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landau_vae.numeric.continuation import Coexistence, Diagram, Hysteresis, Potential
    from landau_vae.numeric.problems import Problem

__all__ = ["bifurcate"]

Decoder = Literal["gaussian", "bernoulli", "poisson"]

LARGEST = 2500  # unknowns: the Hessian is solved with at each step
COMFORTABLE = 1000  # unknowns, up to which as many latents as modes are taken by default
ABOVE, BELOW = 1.5, 0.5  # of the first and the last threshold: where to start and to stop
NEAR = 1e-3  # relative: a closed form farther off speaks of something else
STARTS = 8  # random starts at each of five β, from which coexisting minima are looked for
FEW = 3  # latents by default, where the decoder is not Gaussian


@app.command()
@with_data_and_loss
def bifurcate(
    given: Given,
    decoder: Annotated[Decoder, typer.Option(help="Likelihood; other than Gaussian, samples are needed.")] = "gaussian",
    decoder_decay: Annotated[float, typer.Option(help="γ of ½γ‖W‖² added to the loss.")] = 0.0,
    encoder_decay: Annotated[float, typer.Option(help="γ of ½γ‖E‖² added to the loss.")] = 0.0,
    prior_variance: Annotated[float, typer.Option(help="η² of the prior N(0, η²).")] = 1.0,
    start: Annotated[float | None, typer.Option("--from", help="β to start at.", show_default="above all")] = None,
    stop: Annotated[float | None, typer.Option("--to", help="β to stop at.", show_default="below all")] = None,
    every_branch: Annotated[bool, typer.Option("--all", help="Follow unstable branches too.")] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option(help="Draw the diagram into this file (.png, .pdf, .svg).")] = None,
) -> int:
    """Where states are born, die and jump as β changes: found by continuation, compared with closed forms."""
    if output is not None:
        from landau_vae import report

        report.check_picture(output)  # before the work, not after it
    if not given.loss.likelihood.squared:
        decoder = given.loss.likelihood.name  # type: ignore[assignment]
    if exact := decoder == "gaussian":
        problem = _linear(given, decoder_decay, encoder_decay, prior_variance)
    else:
        plain = not given.loss.learned and decoder_decay == encoder_decay == 0.0 and prior_variance == 1.0
        problem = _exponential(given, decoder, plain)
    high, low = _range(problem, start, stop)
    diagram, loops, families = _explored(problem, high, low, every_branch)
    if as_json:
        content = {
            "file": given.name,
            "loss": given.loss.to_dict(),
            "decoder": decoder,
            "unknowns": len(problem.rest(high)),
            "predicted": [beta for beta, _ in problem.predicted()],
            "certificate": problem.certificate,
        }
        more = {"hysteresis": loops, "coexistence": families}
        say_json(content | diagram.to_dict() | {k: None if v is None else v.to_dict() for k, v in more.items()})
    else:
        known = _beside_closed_forms(problem, diagram, exact=exact)
        lines = [*_introduction(given, decoder, problem, high, low), "", _found(diagram, known, exact=exact), ""]
        lines.append(diagram.reason)
        lines += [f"No jumps: {problem.certificate}."] if problem.certificate else []
        for result in (loops, families):
            lines += ["", result.summary()] if result is not None else []
        if decoder_decay or encoder_decay:
            lines += ["", *_closed_forms(problem)]
        say("\n".join(lines))
    if _was_interrupted(diagram, loops):
        return INTERRUPTED
    if output is not None:
        draw(output, _picture(problem, diagram, loops, (high, low), every_branch))
    if diagram.status.failed and problem.singular(low) is None:
        return 1
    if exact and not every_branch and not _agrees(problem, diagram, high, low):
        print("landau-vae: continuation and closed forms disagree; see the table.", file=sys.stderr)
        return 1
    return 0


def _explored(
    problem: "Problem", high: float, low: float, every_branch: bool
) -> tuple["Diagram", "Hysteresis | None", "Coexistence | None"]:
    """Branches, and, where no theorem excludes jumps, sweeps and coexisting minima; Ctrl-C keeps what was found."""
    from tqdm import tqdm

    from landau_vae.numeric.continuation import coexistence, follow, hysteresis

    with tqdm(total=100, desc="following", unit="%", leave=False, disable=None) as bar:

        def progress(beta: float) -> None:
            share = 100 * np.log(high / beta) / np.log(high / low)
            bar.update(max(0, int(share) - bar.n))

        diagram = follow(problem, high, low, switch="always" if every_branch else "stability", on_progress=progress)
        if problem.certificate is not None or diagram.status.failed:
            return diagram, None, None
        bar.reset()
        loops = hysteresis(problem, high, low, on_progress=progress)
        if _was_interrupted(diagram, loops):
            return diagram, loops, None
        bar.reset()
        return diagram, loops, coexistence(problem, high, low, starts=STARTS, on_progress=progress)


def _was_interrupted(diagram: "Diagram", loops: "Hysteresis | None") -> bool:
    statuses = [diagram.status, *([] if loops is None else [loops.down.status, loops.up.status])]
    return any(status.name == "INTERRUPTED" for status in statuses)


def _picture(
    problem: "Problem", diagram: "Diagram", loops: "Hysteresis | None", ends: tuple[float, float], every_branch: bool
) -> "Figure":
    """The branches, with the dead state where it is unstable, and the potential of one transition."""
    from landau_vae import plotting
    from landau_vae.numeric.continuation import Diagram, follow

    if not every_branch and len(problem.rest(ends[0])) <= COMFORTABLE:
        diagram = Diagram(problem, diagram.branches + follow(problem, *ends, switch="never").branches)
    return plotting.bifurcation_page(diagram, _potential(problem, diagram, loops))


def _potential(problem: "Problem", diagram: "Diagram", loops: "Hysteresis | None") -> "Potential | None":
    """The Landau potential around the first jump, or else the first continuous pitchfork."""
    from landau_vae.numeric.continuation import telling_potential

    if loops is not None:
        for jump in loops.down.jumps:
            if jump.at.form is not None and jump.maxwell is not None and jump.returns is not None:
                above, below = (jump.maxwell * jump.returns) ** 0.5, (jump.maxwell**3 * jump.control) ** 0.25
                living, _ = loops.down.at(jump.control * 0.999)
                return telling_potential(problem, jump.at, living, (above, jump.maxwell, below))
    for special in diagram.special:
        if special.kind == "supercritical pitchfork":
            return telling_potential(problem, special)
    return None


def _linear(given: Given, decoder_decay: float, encoder_decay: float, prior: float) -> "Problem":
    from landau_vae.numeric.problems import Linear

    axes, latents = len(given.spectrum.covariance), given.loss.latents
    per_latent = 2 * axes + 1
    if latents is None:
        latents = given.spectrum.modes
        if latents * per_latent > COMFORTABLE:
            latents = max(1, COMFORTABLE // per_latent)
    if latents * per_latent > LARGEST:
        raise InputError(
            f"{latents} latents on {axes} features have {latents * per_latent} unknowns, but up to {LARGEST} are "
            f"followed: give at most --latents {LARGEST // per_latent}, or fewer columns."
            if per_latent <= LARGEST
            else f"{axes} features are too many to follow even one latent: give fewer columns, or use `thresholds`."
        )
    return Linear(
        given.spectrum,
        given.loss.with_latents(latents),
        decoder_decay=decoder_decay,
        encoder_decay=encoder_decay,
        prior_variance=prior,
    )


def _exponential(given: Given, decoder: Decoder, plain: bool) -> "Problem":
    from landau_vae.numeric.problems import ExponentialFamily

    loss = given.loss
    given.preparation(decoder)  # of a data set that is not for such a decoder, its own complaint
    if given.covariance or given.standardize:
        raise InputError(
            f"A {decoder} decoder needs the samples as they are: leave --covariance and --standardize out."
        )
    sums = loss.reconstruction == loss.kl == "sum" and loss.reconstruction_weight == loss.kl_weight == 1.0
    squares = loss.likelihood.squared and (not loss.half or loss.decoder_variance != 1.0)
    if not plain or not sums or squares or not (loss.likelihood.squared or loss.likelihood.name == decoder):
        raise InputError(
            f"With a {decoder} decoder β is that of cross-entropy summed over features plus β times KL summed over "
            "latents: leave the options of the squared error, of the prior and of weight decay out."
        )
    rows, weights = given.samples(decoder)
    latents = loss.latents or min(FEW, rows.shape[1])
    return ExponentialFamily(rows, weights, family=decoder, latents=latents)


def _range(problem: "Problem", start: float | None, stop: float | None) -> tuple[float, float]:
    """From above the first threshold to below the last, unless told otherwise."""
    known = [beta for beta, _ in problem.predicted()]
    if (decay := getattr(problem, "decay", None)) is not None:
        known += [float(beta) for beta in (*decay.beta, *decay.spinodal_beta) if np.isfinite(beta)]
    if not known and (start is None or stop is None):
        raise InputError("No mode becomes unstable at any β here: say from where to where to follow (--from, --to).")
    high = ABOVE * max(known) if start is None else start
    low = BELOW * min(known) if stop is None else stop
    if not (np.isfinite([high, low]).all() and high > low > 0):
        raise InputError(
            f"β is followed downward, from a larger to a smaller positive number, but --from {high:g} --to {low:g} "
            "was asked for."
        )
    return high, low


def _introduction(given: Given, decoder: Decoder, problem: "Problem", high: float, low: float) -> list[str]:
    unknowns = len(problem.rest(high))
    orders = len(problem.order_parameters(problem.rest(high), high))
    model = f"{orders} latent{'s' * (orders != 1)}, {unknowns} unknowns, β from {high:.4g} down to {low:.4g}"
    if given.loss.latents is None and decoder == "gaussian" and orders < given.spectrum.modes:
        model += f" (fewer latents than the {given.spectrum.modes} modes, to be quick: --latents)"
    if decoder != "gaussian":
        first = f"{given.name}: {decoder} decoder, cross-entropy summed over features + β Σ KL"
        return [*filter(None, [first, given.preparation(decoder)]), model]
    return [given.heading(), given.loss.explain(given.spectrum), model]


def _beside_closed_forms(problem: "Problem", diagram: "Diagram", *, exact: bool) -> list[float | None]:
    """What a closed form says of each special point: exactly the nearest, or in their order from collapse on."""
    known = [beta for beta, _ in problem.predicted()]
    if not exact:
        ordered = iter(known)
        return [None if point.form is None else next(ordered, None) for point in diagram.special]
    nearest = [min(known, key=lambda beta: abs(beta / point.control - 1), default=np.nan) for point in diagram.special]
    return [
        beta if point.form is not None and abs(beta / point.control - 1) < NEAR else None
        for beta, point in zip(nearest, diagram.special, strict=True)
    ]


def _found(diagram: "Diagram", known: list[float | None], *, exact: bool) -> str:
    """The table of special points beside what closed forms say."""
    if not diagram.special:
        return "no special points"
    rows = [
        [str(n), point.kind, significant(point.control, 10), f"{point.precision:.0e}", str(point.kernel_dimension),
         f"{point.index[0]} → {point.index[1]}",
         *(["—", "—"] if beta is None else [significant(beta, 10), f"{point.control / beta - 1:+.1e}"])]
        for n, (point, beta) in enumerate(zip(diagram.special, known, strict=True), start=1)
    ]  # fmt: skip
    return table(
        ["", "kind", "β", "±", "kernel", "index", "closed form" if exact else "from collapse", "differs"], rows
    )


def _agrees(problem: "Problem", diagram: "Diagram", high: float, low: float) -> bool:
    """Whether every threshold of the closed form has been found, within its interval."""
    found = [point for point in diagram.special if point.form is not None]
    return all(
        any(abs(point.control / beta - 1) <= 2 * point.precision for point in found)
        for beta, _ in problem.predicted()
        if low < beta < high
    )


def _closed_forms(problem: "Problem") -> list[str]:
    """What weight decay does to each mode, those that it keeps dead at every β included."""
    known = getattr(problem, "decay", None)
    return [] if known is None else known.summary().splitlines()
