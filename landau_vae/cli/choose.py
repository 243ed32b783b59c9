"""`landau-vae choose FILE`: which β keeps latents, loses a share of the variance, has a rate, or avoids noise."""

from pathlib import Path
from typing import Annotated, Any

import landau_vae as lv
from landau_vae.cli.options import Inputs
from landau_vae.cli.program import AsJson, command, option, say, say_written
from landau_vae.errors import InputError
from landau_vae.numeric._choose_beta import Unit

QUESTION = "Question (one of five)"


@command
def choose(
    inputs: Inputs,
    keep: Annotated[int | None, option("Keep this many latents active", panel=QUESTION)] = None,
    tolerance: Annotated[float | None, option("Share of the variance that may be lost", panel=QUESTION)] = None,
    noise_floor: Annotated[bool, option("Stay above sampling noise", "--noise-floor", panel=QUESTION)] = False,
    rate: Annotated[float | None, option("KL of all latents together", panel=QUESTION)] = None,
    codes: Annotated[int | None, option("What this many codes of a codebook can carry", panel=QUESTION)] = None,
    unit: Annotated[Unit, option("Of --rate: nats, bits, bits per dimension", metavar="UNIT", panel=QUESTION)] = "nats",
    mean: Annotated[bool, option("Decode z = μ(x), not a sampled z", "--mean", panel=QUESTION)] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Draw the cascade (.png, .pdf, .svg)")] = None,
) -> int:
    """Choose β to keep latents, to lose little variance, to have a rate, or to stay above noise."""
    if output is not None:
        lv.report.check_picture(output)
    if mean and tolerance is None:
        raise InputError("--mean does not change which modes are active: leave it out, or give a --tolerance.")
    if noise_floor and inputs.reading.weights is not None:
        raise InputError("The noise floor needs rows of equal weight: leave --weights out, or ask another question.")
    question: dict[str, Any] = {"keep": keep, "tolerance": tolerance, "noise_floor": noise_floor}
    question |= {"rate": rate, "codes": codes, "unit": unit}
    choice = lv.choose_beta(inputs.spectrum, inputs.loss, reconstruction="mean" if mean else "sampled", **question)
    content = {"file": inputs.name, "spectrum": inputs.spectrum, **choice.to_dict()}
    say(content if as_json else f"{inputs.heading()}\n{choice.summary()}")
    if output is not None:
        picture = lv.plotting.cascade(inputs.spectrum, inputs.loss, chosen=choice.beta)
        say_written(lv.report.save_figure(output, picture))
    return 0
