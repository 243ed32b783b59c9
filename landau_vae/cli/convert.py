"""`landau-vae convert`: what one code base's β is in another's, and what each of them charges for a nat."""

from typing import Annotated

import typer

from landau_vae.cli.program import AsJson, app, say, say_json
from landau_vae.display import significant, table
from landau_vae.errors import InputError
from landau_vae.loss import PRESETS, Loss

__all__ = ["convert"]


@app.command()
def convert(
    source: Annotated[
        str | None, typer.Option("--from", help="The code base whose β you have.", show_default="none: list all")
    ] = None,
    target: Annotated[str | None, typer.Option("--to", help="The code base you want it for.")] = None,
    beta: Annotated[float | None, typer.Option(help="β in the first one.", show_default="what it ships")] = None,
    features: Annotated[int, typer.Option(help="Number of features d, such as pixels times channels.")] = 784,
    latents: Annotated[int, typer.Option(help="Number of latents K.")] = 16,
    batch: Annotated[int, typer.Option(help="Rows of a batch.")] = 128,
    channels: Annotated[int, typer.Option(help="Channels of an image.")] = 1,
    as_json: AsJson = False,
) -> int:
    """What β means in public code bases: β = 4 in one of them is another number in the next."""
    sizes = {"latents": latents, "batch": batch, "channels": channels}
    if features < 1:
        raise InputError(f"{features} features were given, but a whole number from 1 on is expected.")
    if source is None:
        if target is not None or beta is not None:
            raise InputError("To convert, say where β comes from: --from NAME (without it all losses are listed).")
        return _list(features, sizes, as_json)
    here = Loss.preset(source, beta, **sizes)
    if target is not None:
        others = [target]
    else:
        others = [name for name, preset in PRESETS.items() if name != source and not preset.refused]
    losses = [Loss.preset(name, **sizes) for name in others]
    if target is None:
        losses = [each for each in losses if each.likelihood == here.likelihood and not each.learned]
    there = [here.equivalent(each, features) for each in losses]
    if as_json:
        say_json({"features": features, "from": here.to_dict(), "to": [each.to_dict() for each in there]})
    else:
        say("\n".join(here.translation(each, features) for each in losses))
    return 0


def _list(features: int, sizes: dict[str, int], as_json: bool) -> int:
    """All losses, with what they charge as they are shipped."""
    losses = {name: None if preset.refused else Loss.preset(name, **sizes) for name, preset in PRESETS.items()}
    if as_json:
        content = {name: {"code": preset.code, "seen": preset.seen, "note": preset.note or preset.refused,
                          "loss": None if (loss := losses[name]) is None else loss.to_dict(),
                          "price": None if loss is None or loss.learned else float(loss.charge(features))}
                   for name, preset in PRESETS.items()}  # fmt: skip
        say_json({"features": features, **sizes, "losses": content})
        return 0
    rows = []
    for name, preset in PRESETS.items():
        loss = losses[name]
        if loss is None:
            rows.append([name, "no price", "", "", preset.code])
        else:
            price = "βσ²" if loss.learned else significant(float(loss.charge(features)), 4)
            rows.append([name, loss.formula, f"{preset.knob} = {preset.shipped:g}", price, preset.code])
    say(
        f"What each loss charges for a nat as it is shipped (d = {features}, K = {sizes['latents']}, batches of "
        f"{sizes['batch']}, {sizes['channels']} channel{'s' * (sizes['channels'] != 1)}), in data² with squared "
        f"errors, in nats of −ln p with others:\n\n"
        f"{table(['--loss', 'per sample', 'shipped with', 'τ', 'code'], rows, text=(0, 1, 2, 4))}\n\n"
        + "\n".join(f"{name}: {text}" for name, preset in PRESETS.items() if (text := preset.note or preset.refused))
    )
    return 0
