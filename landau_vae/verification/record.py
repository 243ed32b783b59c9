"""What a scan tells of how its models were trained: the trainer's settings, as they stand in its attributes."""

import json
from typing import TYPE_CHECKING, Any

from landau_vae.loss import Loss
from landau_vae.training.schedules import Schedule

if TYPE_CHECKING:
    import xarray

__all__ = ["learning_rate_schedule", "trained_loss", "trained_with"]


def trained_with(scan: "xarray.Dataset") -> dict[str, Any]:
    """The settings, as far as there are any: scans may come from elsewhere."""
    return dict(json.loads(scan.attrs.get("trainer", "{}")))


def trained_loss(how: dict[str, Any]) -> Loss:
    """The convention of the loop, at β = 1."""
    return Loss.from_dict(how["loss"])


def learning_rate_schedule(how: dict[str, Any]) -> Schedule:
    """The factor on the learning rate."""
    stored = how["learning_rate"]
    return Schedule(tuple((share, factor) for share, factor in stored["points"]), stored["curve"])
