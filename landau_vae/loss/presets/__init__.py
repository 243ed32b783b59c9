"""The losses that public code bases ship, each as read on the date given: what is summed, what is averaged.

Between them "β = 1" means prices from τ = 1/510 to d/2, so a β is worth nothing without its
code base. What a code base calls β is its `knob`; `shipped` is that knob's default. One file
per group holds them; those without a price say why. `tests/loss/test_presets.py` has each loss
as its code computes it.
"""

from dataclasses import replace
from difflib import get_close_matches

from landau_vae.errors import InputError
from landau_vae.loss.presets import audio, cells, images, molecules, motion, tables, text
from landau_vae.loss.presets.preset import Preset, Size, arguments

__all__ = ["GROUPS", "PRESETS", "Preset", "Size", "arguments", "preset_called"]

GROUPS = {
    "images and video": images.PRESETS, "text": text.PRESETS, "motion": motion.PRESETS,
    "single cells and genes": cells.PRESETS, "tables and time series": tables.PRESETS,
    "audio and music": audio.PRESETS, "molecules and graphs": molecules.PRESETS,
}  # fmt: skip

PRESETS: dict[str, Preset] = {
    name: replace(preset, group=group) for group, presets in GROUPS.items() for name, preset in presets.items()
}


def preset_called(name: str) -> tuple[str, Preset]:
    """Return a preset and its name as it is listed, which has small letters and hyphens."""
    key = "-".join(name.lower().replace("_", " ").split())
    if key not in PRESETS:
        near = _near(key)
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        known = f"landau_vae.loss.PRESETS and `landau-vae convert` list the {len(PRESETS)} that are known"
        raise InputError(f"There is no loss called {name!r}{meant}: {known}.", "name")
    preset = PRESETS[key]
    if preset.refused:
        raise InputError(preset.refused, "name")
    return key, preset


def _near(key: str) -> list[str]:
    """Return up to three names: those that hold the key or begin like it, or whose code base does; those like it."""
    first = key.split("-")[0]
    holding = [name for name, each in PRESETS.items() if key in name or key in each.code.lower()]
    begin = [name for name in PRESETS if name.split("-")[0] == first]
    return list(dict.fromkeys([*holding, *get_close_matches(key, PRESETS, 3), *begin]))[:3]
