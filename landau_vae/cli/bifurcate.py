"""`landau-vae bifurcate FILE`: follow the equilibria of the user's model against β, without using closed forms."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

import landau_vae as lv
from landau_vae.cli.options import Inputs
from landau_vae.cli.program import AsJson, command, option, say, say_written
from landau_vae.display import Column, counted, progress_bar, significant
from landau_vae.errors import InputError
from landau_vae.exits import INTERRUPTED
from landau_vae.likelihoods import GAUSSIAN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landau_vae.numeric.continuation import Coexistence, Diagram, Hysteresis, Potential
    from landau_vae.numeric.problems import Problem

MAX_UNKNOWNS = 2500  # the Hessian of so many is factorised at each step
COMFORTABLE = 1000  # unknowns, up to which as many latents as modes are taken by default
ABOVE, BELOW = 1.5, 0.5  # β begins at so much of the first threshold, and ends at so much of the last one
MATCH = 1e-3  # relative distance up to which a closed form belongs to a point that was found
STARTS = 8  # random starts at each of five β, from which coexisting minima are looked for
LATENTS = 3  # default where the decoder is not Gaussian
BRANCHES = "Model and branches"

Family = Literal["gaussian", "bernoulli", "poisson"]


@command
def bifurcate(
    inputs: Inputs,
    decoder: Annotated[Family, option("gaussian, bernoulli, poisson", panel=BRANCHES, metavar="NAME")] = "gaussian",
    decoder_decay: Annotated[float, option("γ of ½γ‖W‖² added to the loss (0)", panel=BRANCHES)] = 0.0,
    encoder_decay: Annotated[float, option("γ of ½γ‖E‖² added to the loss (0)", panel=BRANCHES)] = 0.0,
    prior_variance: Annotated[float, option("η² of the prior N(0, η²) (1)", panel=BRANCHES)] = 1.0,
    start: Annotated[float | None, option("β to start at (above all thresholds)", "--from", panel=BRANCHES)] = None,
    stop: Annotated[float | None, option("β to stop at (below all thresholds)", "--to", panel=BRANCHES)] = None,
    every_branch: Annotated[bool, option("Follow unstable branches too", "--all", panel=BRANCHES)] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Draw the diagram (.png, .pdf, .svg)")] = None,
) -> int:
    """Follow equilibria against β and list bifurcations, folds and jumps."""
    if output is not None:
        lv.report.check_picture(output)  # before the work, not after it
    likelihood = inputs.loss.likelihood
    if not (likelihood.squared or likelihood.canonical):
        raise InputError(
            f"Equilibria of a {likelihood} decoder have no closed form to follow: `thresholds` says where the first "
            "latent collapses, and lv.training.Neural trains networks with it."
        )
    if not likelihood.squared:
        decoder = likelihood.name  # type: ignore[assignment]
    if exact := decoder == GAUSSIAN.name:
        problem = _linear(inputs, decoder_decay, encoder_decay, prior_variance)
    else:
        plain = not inputs.loss.learned and decoder_decay == encoder_decay == 0.0 and prior_variance == 1.0
        problem = _exponential(inputs, decoder, plain)
    high, low = _range(problem, start, stop)
    diagram, loops, families = _explored(problem, high, low, every_branch)
    if as_json:
        content: dict[str, Any] = {
            "file": inputs.name,
            "loss": inputs.loss,
            "decoder": decoder,
            "unknowns": len(problem.rest(high)),
            "predicted": [beta for beta, _ in problem.predicted()],
            "certificate": problem.certificate,
        }
        say(content | diagram.to_dict() | {"hysteresis": loops, "coexistence": families})
    else:
        table = _special_points(problem, diagram, exact=exact)
        reason = diagram.reason + (f"\nNo jumps: {problem.certificate}." if problem.certificate else "")
        parts = ["\n".join(_introduction(inputs, decoder, problem, high, low)), table, reason]
        # the last: what weight decay does to each mode, also to those that stay inactive at every β
        decay = getattr(problem, "decay", None) if decoder_decay or encoder_decay else None
        say("\n\n".join([*parts, *(result.summary() for result in (loops, families, decay) if result is not None)]))
    if _was_interrupted(diagram, loops):
        return INTERRUPTED
    if output is not None:
        picture = _picture(problem, diagram, loops, (high, low), every_branch)
        say_written(lv.report.save_figure(output, picture))
    if diagram.status.failed and problem.singular(low) is None:
        return 1
    if exact and not every_branch and not _agrees(problem, diagram, high, low):
        print("landau-vae: continuation and closed forms disagree; see the table.", file=sys.stderr)
        return 1
    return 0


def _explored(
    problem: "Problem", high: float, low: float, every_branch: bool
) -> tuple["Diagram", "Hysteresis | None", "Coexistence | None"]:
    """Return branches, and, unless a theorem excludes jumps, sweeps and coexisting minima; Ctrl-C keeps them."""
    from landau_vae.numeric.continuation import coexistence, follow, hysteresis

    with progress_bar(100, "following", show=True, unit="%") as bar:

        def progress(beta: float) -> None:
            share = 100 * np.log(high / beta) / np.log(high / low)
            bar.update(max(0, int(share) - bar.n))

        diagram = follow(problem, high, low, switch="always" if every_branch else "stability", on_progress=progress)
        if problem.certificate is not None or diagram.status.failed:
            return diagram, None, None
        bar.reset()
        bar.set_description_str("sweeping down and up", refresh=False)
        loops = hysteresis(problem, high, low, on_progress=progress)
        if _was_interrupted(diagram, loops):
            return diagram, loops, None
        bar.reset()
        bar.set_description_str("looking for other minima", refresh=False)
        return diagram, loops, coexistence(problem, high, low, starts=STARTS, on_progress=progress)


def _was_interrupted(diagram: "Diagram", loops: "Hysteresis | None") -> bool:
    """Whether the user stopped the search."""
    statuses = [diagram.status] if loops is None else [diagram.status, loops.down.status, loops.up.status]
    return any(status.name == "INTERRUPTED" for status in statuses)


def _picture(
    problem: "Problem", diagram: "Diagram", loops: "Hysteresis | None", ends: tuple[float, float], every_branch: bool
) -> "Figure":
    """Draw the branches, with the collapsed state where it is unstable, and the potential of one transition."""
    from landau_vae.numeric.continuation import Diagram, follow

    if not every_branch and len(problem.rest(ends[0])) <= COMFORTABLE:
        diagram = Diagram(problem, diagram.branches + follow(problem, *ends, switch="never").branches)
    return lv.plotting.bifurcation_page(diagram, _potential(problem, diagram, loops))


def _potential(problem: "Problem", diagram: "Diagram", loops: "Hysteresis | None") -> "Potential | None":
    """Return the Landau potential around the first jump, or else the first continuous pitchfork."""
    telling_potential = lv.numeric.continuation.telling_potential
    if loops is not None:
        for jump in loops.down.jumps:
            if jump.at.form is not None and jump.maxwell is not None and jump.returns is not None:
                above, below = jump.maxwell**0.5 * jump.returns**0.5, jump.maxwell**0.75 * jump.control**0.25
                active, _ = loops.down.at(jump.control * 0.999)
                return telling_potential(problem, jump.at, active, (above, jump.maxwell, below))
    for special in diagram.special:
        if special.kind == "supercritical pitchfork":
            return telling_potential(problem, special)
    return None


def _linear(inputs: Inputs, decoder_decay: float, encoder_decay: float, prior: float) -> "Problem":
    """Return the linear VAE, with as many latents as the user says, or as can be followed quickly."""
    axes = len(inputs.spectrum.covariance)
    per_latent = 2 * axes + 1
    latents = inputs.loss.latents or min(inputs.spectrum.modes, max(1, COMFORTABLE // per_latent))
    if latents * per_latent > MAX_UNKNOWNS:
        raise InputError(
            f"{latents} latents on {axes} features have {latents * per_latent} unknowns, but up to {MAX_UNKNOWNS} are "
            f"followed: give at most --latents {MAX_UNKNOWNS // per_latent}, or fewer columns."
            if per_latent <= MAX_UNKNOWNS
            else f"{axes} features are too many to follow even one latent: give fewer columns, or use `thresholds`."
        )
    options: dict[str, Any] = {"decoder_decay": decoder_decay, "encoder_decay": encoder_decay, "prior_variance": prior}
    return lv.numeric.problems.Linear(inputs.spectrum, inputs.loss.with_latents(latents), **options)


def _exponential(inputs: Inputs, decoder: Family, plain: bool) -> "Problem":
    """Return the model with a Bernoulli or Poisson decoder, on the rows."""
    loss = inputs.loss
    inputs.preparation(decoder)  # raises the more helpful error for a public data set that is not for such a decoder
    if inputs.covariance or inputs.standardize:
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
    rows = inputs.rows(decoder)
    values = np.asarray(rows.values, dtype=np.float64)
    latents = loss.latents or min(LATENTS, values.shape[1])
    return lv.numeric.problems.ExponentialFamily(values, rows.weights, family=decoder, latents=latents)


def _range(problem: "Problem", start: float | None, stop: float | None) -> tuple[float, float]:
    """Return where to start and stop: above the first threshold and below the last, unless the user says otherwise."""
    thresholds = [beta for beta, _ in problem.predicted()]
    if (decay := getattr(problem, "decay", None)) is not None:
        thresholds += [float(beta) for beta in (*decay.beta, *decay.spinodal_beta) if np.isfinite(beta)]
    if not thresholds and (start is None or stop is None):
        raise InputError("No mode becomes unstable at any β here: say from where to where to follow (--from, --to).")
    high = ABOVE * max(thresholds) if start is None else start
    low = BELOW * min(thresholds) if stop is None else stop
    if not (np.isfinite([high, low]).all() and high > low > 0):
        raise InputError(f"β is followed from a larger to a smaller positive number, not --from {high:g} --to {low:g}.")
    return high, low


def _introduction(inputs: Inputs, decoder: Family, problem: "Problem", high: float, low: float) -> list[str]:
    """Return the lines that say what is followed, and from where to where."""
    unknowns = len(problem.rest(high))
    latents = len(problem.order_parameters(problem.rest(high), high))
    model = f"{counted(latents, 'latent')}, {unknowns} unknowns, β from {high:.4g} down to {low:.4g}"
    if decoder != GAUSSIAN.name:
        first = f"{inputs.name}: {decoder} decoder, cross-entropy summed over features + β Σ KL"
        return list(filter(None, [first, inputs.preparation(decoder), model]))
    if inputs.loss.latents is None and latents < inputs.spectrum.modes:
        model += f" (fewer latents than the {inputs.spectrum.modes} modes, to be quick: --latents)"
    return [inputs.heading(), inputs.loss.explain(inputs.spectrum), model]


def _special_points(problem: "Problem", diagram: "Diagram", *, exact: bool) -> str:
    """Return the table of special points, beside the closed form of each where there is one."""
    points = diagram.special
    if not points:
        return "no special points"
    closed = [beta or np.nan for beta in _closed_forms(problem, diagram, exact=exact)]
    differences = [point.control / beta - 1 for point, beta in zip(points, closed, strict=True)]
    return diagram.table(
        Column("closed form" if exact else "from collapse", closed, lambda beta: significant(beta, 10)),
        Column("differs", differences, lambda share: "—" if np.isnan(share) else f"{share:+.1e}"),
    ).text()


def _closed_forms(problem: "Problem", diagram: "Diagram", *, exact: bool) -> list[float | None]:
    """Return the β of a closed form for each special point, or None if it has no closed form.

    If closed forms are exact it is the nearest one; else they hold at the first transition only,
    and the thresholds of the collapsed state are listed in their order, strongest first, for
    comparison.
    """
    thresholds = [beta for beta, _ in problem.predicted()]
    if not exact:
        ordered = iter(thresholds)
        return [None if point.form is None else next(ordered, None) for point in diagram.special]
    nearest = [min(thresholds, key=lambda beta: abs(beta / x.control - 1), default=np.nan) for x in diagram.special]
    return [
        beta if point.form is not None and abs(beta / point.control - 1) < MATCH else None
        for beta, point in zip(nearest, diagram.special, strict=True)
    ]


def _agrees(problem: "Problem", diagram: "Diagram", high: float, low: float) -> bool:
    """Whether continuation found every threshold of the closed form, within its interval."""
    bifurcations = [point for point in diagram.special if point.form is not None]
    return all(
        any(abs(point.control / beta - 1) <= 2 * point.precision for point in bifurcations)
        for beta, _ in problem.predicted()
        if low < beta < high
    )
