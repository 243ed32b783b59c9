"""What a scan records of its trainer: its settings, its loss, its decoders' likelihood, whether models are linear."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from landau_vae.checks import is_real, shown
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood
from landau_vae.likelihoods.likelihood import OF_FUNCTIONS, PER_FEATURE, by_name
from landau_vae.loss import Loss

MOST_UPDATES = 10**8  # of a run
TRAINERS = ("Exact", "Sampled", "Neural")  # of this package: they record their own loss with each model
RECORDERS = (*TRAINERS, "fit")  # who record their settings as `KINDS` says


def _is_schedule(value: Any) -> bool:
    known = isinstance(value, dict) and set(value) <= {"points", "curve"}
    points = value.get("points") if known else None
    pairs = points if isinstance(points, list) else []
    return bool(pairs) and all(isinstance(pair, list) and len(pair) == 2 and all(map(is_real, pair)) for pair in pairs)


def _is_optimizer(value: Any) -> bool:
    known = isinstance(value, dict) and isinstance(value.get("name"), str)
    if not known or not all(is_real(value.get(rate, 0.0)) for rate in ("learning_rate", "momentum", "weight_decay")):
        return False
    rate, momentum, decay = value.get("learning_rate", 1.0), value.get("momentum", 0.0), value.get("weight_decay", 0.0)
    return bool(rate > 0 and 0 <= momentum < 1 and decay >= 0)


#: setting → whether a value can be one of it: those that verification and trained models are read by
KINDS: Mapping[str, Callable[[Any], bool]] = {
    "loss": lambda value: isinstance(value, dict) and isinstance(value.get("likelihood", ""), str),
    "optimizer": _is_optimizer,
    "learning_rate": _is_schedule,
    "beta": _is_schedule,
    "updates": lambda value: isinstance(value, int) and 0 <= value <= MOST_UPDATES,
    "batch": lambda value: value is None or (is_real(value) and value > 0),
    "noise": lambda value: isinstance(value, bool),
    "learned_variance": lambda value: isinstance(value, bool),
    "linear": lambda value: isinstance(value, bool),
    "hidden": lambda value: isinstance(value, list) and all(isinstance(width, int) for width in value),
    "activation": lambda value: isinstance(value, str),
}


def trainer_settings(scan: Any) -> dict[str, Any]:
    """Return the settings of the trainer as the scan records them; none where it records none.

    Settings of other trainers than this package's mean something else where they are of another
    kind: they are left out.
    """
    text = scan.attrs.get("trainer", "{}")
    try:
        settings = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise InputError(f"The scan's attribute trainer is {shown(text)}, but settings in JSON are expected.", "scan")
    other = [name for name, fits in KINDS.items() if name in settings and not fits(settings[name])]
    if other and settings.get("name") in RECORDERS:
        found = f"The scan records that its trainer has {other[0]} = {shown(settings[other[0]])}"
        raise InputError(
            f"{found}, which no trainer of lv.scan has: give its attribute trainer as lv.scan gave it.", "scan"
        )
    return {name: value for name, value in settings.items() if name not in other}


def recorded(settings: Mapping[str, Any], *names: str) -> list[Any]:
    """Return some settings of a trainer; `InputError` where one is not recorded."""
    if missing := [name for name in names if name not in settings]:
        found = f"The scan does not record the {missing[0]} of its trainer"
        raise InputError(f"{found}: give its attribute trainer as lv.scan gave it.", "scan")
    return [settings[name] for name in names]


def recorded_loss(scan: Any) -> Loss:
    """Return the loss that a trainer recorded, with the K latents of its models; `InputError` if it recorded none."""
    return Loss.from_dict(recorded(trainer_settings(scan), "loss")[0] | {"latents": scan.sizes["latent"]})


def squared_weight(scan: Any) -> float:
    """Return a: what a squared unit costs in the loss that a trainer of this package recorded."""
    if trainer_settings(scan).get("name") == "Exact":
        return 0.5
    return recorded_loss(scan).weights(int(scan.attrs.get("dimension", scan.sizes["feature"])))[0]


def recorded_splits(scan: Any) -> list[Any] | None:
    """Return the shares of rows for training, validation and test; None where all rows were trained on."""
    text = scan.attrs.get("splits", "null")
    try:
        shares = json.loads(text)
        return None if shares is None else list(shares.values())
    except (TypeError, ValueError, AttributeError, RecursionError):
        found = f"The scan's attribute splits is {shown(text)}, but shares in JSON are expected"
        raise InputError(f"{found}: give its attributes as lv.scan gave them.", "scan") from None


def recorded_likelihood(settings: Mapping[str, Any]) -> Likelihood:
    """Return the likelihood that the settings of a trainer name; without a name, the Gaussian one.

    Of one whose name does not hold all of it, only the name is known.

    >>> recorded_likelihood({"loss": {"likelihood": "huber(0.5)"}}).score(0.0, 3.0).item()
    0.5
    """
    name = str(settings.get("loss", {}).get("likelihood", GAUSSIAN.name))
    kept = PER_FEATURE not in name and name.partition("(")[0] not in OF_FUNCTIONS
    whole = by_name(name) if kept else None
    return whole or Likelihood(name)


def recorded_linear(settings: Mapping[str, Any]) -> bool:
    """Return whether the models of a trainer with these settings are linear, as far as is known."""
    return bool(settings.get("linear", True)) and recorded_likelihood(settings).squared
