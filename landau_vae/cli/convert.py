"""`landau-vae convert`: what one code base's β is in another's, and what each of them charges for a nat."""

from dataclasses import replace
from typing import Annotated, Any

from landau_vae.checks import Range
from landau_vae.cli.options import Names, parts_of
from landau_vae.cli.program import AsJson, command, option, say
from landau_vae.display import Column, Table, counted, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods.likelihood import as_likelihood
from landau_vae.loss import FAMILY, PRESETS, Loss, Preset
from landau_vae.loss.presets import GROUPS
from landau_vae.loss.presets.preset import asks

SIZES = "Sizes that some losses depend on"


@command
def convert(
    source: Annotated[str | None, option("Code base whose β you have", "--from", panel="β", metavar="NAME")] = None,
    target: Annotated[str | None, option("Code base you want it for (all)", "--to", panel="β", metavar="NAME")] = None,
    beta: Annotated[float | None, option("β in the first one (as it ships)", panel="β")] = None,
    features: Annotated[int, Range(1), option("Features d, as pixels × channels (784)", panel=SIZES)] = 784,
    latents: Annotated[int, Range(1), option("Latents K (16)", panel=SIZES)] = 16,
    batch: Annotated[int, Range(1), option("Rows of a batch (128)", panel=SIZES)] = 128,
    channels: Annotated[int, Range(1), option("Channels of an image (1)", panel=SIZES)] = 1,
    valid: Annotated[int | None, Range(1), option("Entries of a sample that no mask hides (d)", panel=SIZES)] = None,
    likelihood: Annotated[str | None, option("Error of losses that leave it to you", panel=SIZES)] = None,
    parts: Annotated[Names, option("What else they take: capacity=20, …", "--with", panel=SIZES)] = None,
    as_json: AsJson = False,
) -> int:
    """Convert β between the losses of public code bases, or list these losses."""
    sizes: dict[str, Any] = {"latents": latents, "batch": batch, "channels": channels, "valid": valid or features}
    own = parts_of(parts) | {"likelihood": likelihood}
    if likelihood is not None:
        as_likelihood(likelihood)
    if source is None:
        if any(option is not None for option in (target, beta, likelihood, parts)):
            raise InputError("To convert, say where β comes from: --from NAME (without it all losses are listed).")
        say(_content(features, sizes) if as_json else _list(features, sizes))
        return 0
    here = _named(source, beta, sizes | own)
    if target is not None:
        losses = [_named(target, _any_beta(target), sizes | own)]
    else:
        every = (_example(name, sizes) for name in PRESETS if name != here.name)
        losses = [loss for loss in every if loss is not None and _alike(here, loss)]
    if not losses:
        raise OutsideTheory(f"No other loss is like that of {source} at a β that only sizes decide: name one (--to).")
    there = [here.equivalent(loss, features) for loss in losses]
    content = {"features": features, **sizes, "from": here, "to": there}
    say(content if as_json else "\n".join(here.translation(loss, features) for loss in losses))
    return 0


def _named(name: str, beta: float | None, given: dict[str, Any]) -> Loss:
    """Return a loss, with the parts of it that are not its own to give."""
    left_out = () if name in PRESETS and asks(PRESETS[name], "likelihood") else ("likelihood",)
    return Loss.preset(name, beta, **{part: value for part, value in given.items() if part not in left_out})


def _any_beta(name: str) -> float | None:
    """Return a β where a code base ships none: that of a target is found, not given."""
    return 1.0 if name in PRESETS and PRESETS[name].shipped is None else None


def _alike(here: Loss, loss: Loss) -> bool:
    """Whether one loss is like the other at a β that depends on the sizes only."""
    known = not loss.learned and (loss.constraint is None or loss.constraint.charges_beta)
    return known and loss.likelihood == here.likelihood


def _example(name: str, sizes: dict[str, Any]) -> Loss | None:
    """Return a loss as it ships, at β = 1 where it ships none, with a likelihood of no name where it asks for one."""
    preset = PRESETS[name]
    if preset.refused:
        return None
    given: dict[str, Any] = {"likelihood": FAMILY} if asks(preset, "likelihood") else {}
    given |= {part: 1.0 for part in ("capacity", "reconstruction_weight") if asks(preset, part)}
    if callable(preset.convention.get("likelihood")):  # of the smallest table: the price is the same
        sizes = sizes | {"valid": 1, "channels": 1}
    return Loss.preset(name, _any_beta(name), **sizes, **given)


def _nominal(loss: Loss, features: int) -> float | None:
    """Return the price of a loss, without its constraint; None where it depends on the data."""
    return None if loss.learned else float(replace(loss, constraint=None).charge(features))


def _price(preset: Preset, loss: Loss | None, features: int) -> str:
    """Return the price in a cell: in multiples of β where none is shipped, at most so much under a constraint."""
    if loss is None:
        return "none"
    nominal = _nominal(loss, features)
    if nominal is None:
        return "βσ²"
    if loss.constraint is not None and not loss.constraint.charges_beta:
        return "by C"
    price = f"{significant(nominal, 4)}{' β' if preset.shipped is None else ''}"
    return price if loss.constraint is None else f"≤ {price}"


def _list(features: int, sizes: dict[str, Any]) -> str:
    """Return all losses in groups, with the price that each has as it is shipped."""
    parts = [
        f"Price τ of a nat in each loss as it is shipped (d = {features}, K = {sizes['latents']}, batches of "
        f"{sizes['batch']}, {counted(sizes['channels'], 'channel')}, {sizes['valid']} valid entries), in data² "
        "with squared errors, in units of the reconstruction term with others. A constraint can make it smaller (≤) "
        "or set it (by C)."
    ]
    for group, presets in GROUPS.items():
        losses = {name: _example(name, sizes) for name in presets}
        columns = {
            "--loss": list(losses),
            "per sample": ["" if loss is None else loss.formula for loss in losses.values()],
            "shipped with": [preset.setting for preset in presets.values()],
            "τ": [_price(PRESETS[name], loss, features) for name, loss in losses.items()],
            "code": [f"{preset.code} ({preset.seen})" for preset in presets.values()],
        }
        table = Table([Column(label, cells, text=label != "τ") for label, cells in columns.items()])
        notes = [f"{name}: {each.note or each.refused}" for name, each in presets.items() if each.note or each.refused]
        parts.append("\n".join([f"{group}\n", table.text(), "", *notes]))
    return "\n\n".join(parts)


def _content(features: int, sizes: dict[str, Any]) -> dict[str, Any]:
    """Return all that is known of each loss."""
    losses = {name: _example(name, sizes) for name in PRESETS}
    content = {
        name: {
            "group": preset.group, "code": preset.code, "seen": preset.seen, "note": preset.note or preset.refused,
            "knob": preset.knob, "shipped": preset.shipped, "setting": preset.setting,
            "needs": [size.name for size in preset.needs],
            "price": None if (loss := losses[name]) is None else _nominal(loss, features), "loss": loss,
        }
        for name, preset in PRESETS.items()
    }  # fmt: skip
    return {"features": features, **sizes, "losses": content}
