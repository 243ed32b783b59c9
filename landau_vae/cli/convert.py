"""`landau-vae convert`: what one code base's β is in another's, and what each of them charges for a nat."""

from typing import Annotated, Any

from landau_vae.checks import Range
from landau_vae.cli.program import AsJson, command, option, say
from landau_vae.display import Column, Table, counted
from landau_vae.errors import InputError
from landau_vae.loss import PRESETS, Loss

SIZES = "Sizes that some losses depend on"


@command
def convert(
    source: Annotated[str | None, option("Code base whose β you have", "--from", panel="β", metavar="NAME")] = None,
    target: Annotated[str | None, option("Code base you want it for (all)", "--to", panel="β", metavar="NAME")] = None,
    beta: Annotated[float | None, option("β in the first one (as it ships)", panel="β")] = None,
    features: Annotated[int, Range(1), option("Features d, as pixels × channels (784)", panel=SIZES)] = 784,
    latents: Annotated[int, option("Latents K (16)", panel=SIZES)] = 16,
    batch: Annotated[int, option("Rows of a batch (128)", panel=SIZES)] = 128,
    channels: Annotated[int, option("Channels of an image (1)", panel=SIZES)] = 1,
    as_json: AsJson = False,
) -> int:
    """Convert β between the losses of public code bases, or list these losses."""
    sizes = {"latents": latents, "batch": batch, "channels": channels}
    if source is None:
        if target is not None or beta is not None:
            raise InputError("To convert, say where β comes from: --from NAME (without it all losses are listed).")
        say(_list(features, sizes, as_json))
        return 0
    here = Loss.preset(source, beta, **sizes)
    names = [name for name, preset in PRESETS.items() if name != source and not preset.refused]
    losses = [Loss.preset(name, **sizes) for name in (names if target is None else [target])]
    if target is None:
        losses = [loss for loss in losses if loss.likelihood == here.likelihood and not loss.learned]
    there = [here.equivalent(loss, features) for loss in losses]
    content = {"features": features, "from": here, "to": there}
    say(content if as_json else "\n".join(here.translation(loss, features) for loss in losses))
    return 0


def _list(features: int, sizes: dict[str, int], as_json: bool) -> str | dict[str, Any]:
    """Return all losses, with the price that each has as it is shipped."""
    losses = {name: None if preset.refused else Loss.preset(name, **sizes) for name, preset in PRESETS.items()}
    prices = [None if x is None or x.learned else float(x.charge(features)) for x in losses.values()]
    notes = [preset.note or preset.refused for preset in PRESETS.values()]
    columns = {
        "--loss": list(losses),
        "per sample": ["no price" if loss is None else loss.formula for loss in losses.values()],
        "shipped with": ["" if x.refused else f"{x.knob} = {x.shipped:g}" for x in PRESETS.values()],
        "τ": ["" if x is None else "βσ²" if x.learned else f"{x.charge(features):.4g}" for x in losses.values()],
        "code": [preset.code for preset in PRESETS.values()],
    }
    table = Table([Column(label, cells, text=label != "τ") for label, cells in columns.items()])
    if as_json:
        content: dict[str, Any] = {
            name: {"code": preset.code, "seen": preset.seen, "note": note, "price": price, "loss": losses[name]}
            for (name, preset), note, price in zip(PRESETS.items(), notes, prices, strict=True)
        }
        return {"features": features, **sizes, "losses": content}
    return (
        f"Price τ of a nat in each loss as it is shipped (d = {features}, K = {sizes['latents']}, batches of "
        f"{sizes['batch']}, {counted(sizes['channels'], 'channel')}), in data² with squared errors, in nats of −ln p "
        f"with other likelihoods:\n\n{table.text()}\n\n"
        + "\n".join(f"{name}: {note}" for name, note in zip(PRESETS, notes, strict=True) if note)
    )
