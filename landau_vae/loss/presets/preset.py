"""One public code base's loss as data: its convention, and the sizes that its price depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss.constraint import Constraint
from landau_vae.loss.sampler import Sampler


@dataclass(frozen=True)
class Size:
    """What the price of a loss depends on, and the argument of `Loss` that it enters as a factor."""

    name: str  #: argument of `Loss.preset`
    part: str = ""  #: argument of `Loss` that it multiplies; none where `Loss` takes it as it is
    power: int = 1  #: −1 where it divides
    default: int | None = None  #: where the code base has one
    words: str = ""  #: what it is called in messages, if not by its name


LATENTS = Size("latents")  # the KL is averaged over them
KL_SUMMED_OVER_BATCH = Size("batch", "kl_weight")  # while the error is averaged over it
ERROR_SUMMED_OVER_BATCH = Size("batch", "reconstruction_weight")  # while the KL is averaged over it
CHANNELS = Size("channels", "reconstruction_weight", -1, default=1)  # the error is averaged over them
ENTRIES = "valid entries (those of a sample that are neither padded nor masked)"
VALID = Size("valid", "reconstruction_weight", -1, words=ENTRIES)  # the error is averaged over them
CAPACITY_PER_LATENT = Size("latents", "capacity")
LIKELIHOOD = Size("likelihood", words="reconstruction term (an object of landau_vae.likelihoods)")

OPTIONS = {part: f"--with {part}=…" for part in ("capacity", "reconstruction_weight")}

CELLS = ("gene_likelihood", "dispersion")

SQUARES = {"half": False}
AVERAGED = {"reconstruction": "mean", "half": False}
ABSOLUTE = {"likelihood": "laplace", "reconstruction": "mean"}
ENTROPY = {"likelihood": "bernoulli"}


@dataclass(frozen=True)
class Preset:
    """One code base's convention."""

    code: str  #: where it is found
    seen: str  #: when it was read
    convention: dict[str, Any]  #: arguments of `Loss`; "capacity" is C; a likelihood, or what makes it of the sizes
    knob: str = "β"  #: what this code base calls the weight of the KL; "1/name" where it divides the KL
    shipped: float | None = 1.0  #: the knob's default, if it has one
    needs: tuple[Size, ...] = field(default=())  #: what the price depends on
    note: str = ""  #: what else one has to know
    refused: str = ""  #: why this loss has no price, where it has none
    shared: bool = False  #: whether the knob's default is divided by the number of latents
    noisy: bool = False  #: whether the knob multiplies the noise too
    group: str = ""  #: what it is for
    of_cells: bool = False  #: whether it takes gene_likelihood and dispersion

    @property
    def setting(self) -> str:
        """The knob at its default."""
        if self.refused or self.shipped is None:
            return ""
        return f"{self.knob.removeprefix('1/')} = {self.shipped:g}{'/K' * self.shared}"


def asks(preset: Preset, name: str) -> bool:
    """Return whether users must give a size or a part."""
    needed = any(each.name == name and each.default is None for each in preset.needs)
    return needed or (preset.shared and name == "latents")


def arguments(name: str, preset: Preset, knob: Array | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Loss` at a value of the knob, from the sizes and parts that users give."""
    _must_have(name, preset, given)
    strange = [part for part in CELLS if given.get(part) is not None and not preset.of_cells]
    if strange:
        raise InputError(f"{strange[0]} belongs to scvi-tools, not to {name}: leave it out.", strange[0])
    parts = {"kl_weight": 1.0, "reconstruction_weight": 1.0} | preset.convention
    own = ("kl_weight", "reconstruction_weight", "likelihood", "capacity", "noise_scale", "latents")
    parts |= {part: given[part] for part in own if given.get(part) is not None}
    for size in preset.needs:
        if size.part and not (size.part == "capacity" and given.get("capacity")):
            parts[size.part] *= (given.get(size.name) or size.default or 1) ** size.power
    beta = _weight(name, preset, knob, given.get("latents"))
    if preset.noisy and given.get("noise_scale") is None:
        parts["noise_scale"] = beta
    if callable(parts.get("likelihood")):
        parts["likelihood"] = parts["likelihood"](given)
    if "capacity" in parts:
        parts["constraint"] = _bound(name, parts, parts.pop("capacity"))
    if "noise_scale" in parts:
        parts["sampler"] = replace(parts.get("sampler", Sampler()), noise_scale=parts.pop("noise_scale"))
    divided = f"β stands for {preset.knob}." if preset.knob.startswith("1/") else ""
    notes = tuple(filter(None, (divided, preset.note)))
    return parts | {"beta": beta, "knob": preset.knob, "name": name, "notes": notes}


def _weight(name: str, preset: Preset, knob: Array | None, latents: int | None) -> Array:
    """Return the weight of the KL at a value of the knob, or at its default."""
    if knob is None and preset.shipped is None:
        raise InputError(f"{name} ships no {preset.knob.removeprefix('1/')}: give yours (beta=…; --beta).", "beta")
    if knob is not None and preset.noisy and knob.ndim:
        raise InputError(f"{name} multiplies its noise by {preset.knob}, too: give one β, not an array.", "beta")
    if knob is None:
        knob = np.asarray(preset.shipped) / (latents if preset.shared and latents else 1)
    return 1 / knob if preset.knob.startswith("1/") else knob


def _bound(name: str, parts: Mapping[str, Any], capacity: float) -> Constraint:
    if "constraint" not in parts:
        raise InputError(f"{name} has no constraint on its KL, so it has no capacity: leave it out.", "capacity")
    return replace(parts["constraint"], value=capacity)


def _must_have(name: str, preset: Preset, given: Mapping[str, Any]) -> None:
    """Raise `InputError` where a size that the price depends on is missing, in one sentence for all."""
    missing = [each for each, value in given.items() if value is None and asks(preset, each)]
    if missing:
        words = {size.name: size.words for size in preset.needs if size.words}
        what = " and its ".join(words.get(each, each) for each in missing)
        how = ", ".join(f"{each}=…" for each in missing), ", ".join(OPTIONS.get(each, f"--{each}") for each in missing)
        them = "it" if len(missing) == 1 else "them"
        raise InputError(f"The price of {name} depends on its {what}: give {them} ({'; '.join(how)}).", missing[0])
