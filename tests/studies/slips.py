"""Settings with one slip each, of which the code names the truth, on three data sets. `SLIPS`."""

from dataclasses import replace
from typing import Any

from models import Setting
from tables import available

CLIMATE = "worldclim" if available("worldclim") else "exponential"
DIGITS = Setting("digits", data="digits", hidden=(64,), activation="relu", latents=10)
FACTORS = Setting("factors", data="exponential", seed=1, hidden=(64, 64), activation="silu", latents=6, form="sum")
CELLS = Setting("cells", data=CLIMATE, seed=1, hidden=(64, 64), activation="silu", latents=6, form="sum")
GROUPS = Setting("clusters", data="clusters", seed=2, hidden=(64,), activation="relu", latents=8, form="mean")
WINE = Setting("wine", data="wine", seed=2, hidden=(32,), activation="tanh", latents=5, form="mean")
TUMOURS = Setting("tumours", data="breast_cancer", seed=2, hidden=(32,), activation="relu", latents=6, form="mean")
WALK = Setting("walk", data="walk:16", seed=1, hidden=(64,), activation="tanh", latents=4)
SIGMOID = replace(DIGITS, link="sigmoid")


def slip(code: str, bases: tuple[Setting, ...], price: tuple[float, ...], **changes: Any) -> list[Setting]:
    """Return a slip on each base; a change that is a list has one value for each."""
    made = []
    for i, (base, share) in enumerate(zip(bases, price, strict=True)):
        own = {key: value[i] if isinstance(value, list) else value for key, value in changes.items()}
        made.append(replace(base, name=f"slip-{code}-{base.name}-{i}", truth=code, price=share, **own))
    return made


USUAL = (DIGITS, CELLS, GROUPS)

SLIPS = [
    *slip("kl-x10", USUAL, (0.02, 0.02, 0.3), factor=10.0),
    *slip("kl-x2", USUAL, (0.15, 0.05, 0.1), factor=2.0),
    *slip("kl-x0.1", USUAL, (0.2, 0.2, 0.5), factor=0.1),
    *slip("features-averaged", USUAL, (0.002, 0.005, 0.1), factor="d", form=["half", "sum", "half"]),
    *slip("latents-averaged", USUAL, (0.5, 0.5, 0.9), factor="1/K"),
    *slip("batch-summed", USUAL, (0.002, 0.0005, 0.1), factor="batch"),
    *slip("warm-up-ended", USUAL, (0.5, 0.5, 0.5), warm_up=[10.0, 5.0, 3.3], schedule="constant", rate=1e-3),
    *slip("few-updates", USUAL, (0.1, 0.1, 0.2), updates=250, schedule="constant", rate=1e-3),
    *slip("plateau", USUAL, (0.2, 0.2, 0.3), rate=[1e-6, 3e-7, 1e-6], start=0.03, schedule="constant"),
    *slip("rate-too-large", (DIGITS,) * 3, (0.3, 0.3, 0.5), rate=[0.03, 0.07, 0.03], seed=[0, 1, 2]),
    *slip("variance-learned", (FACTORS, CELLS, TUMOURS), (0.25, 0.1, 0.075), learned_variance=True, latents=2),
    *slip("sigma-frozen", USUAL, (0.1, 0.1, 0.2), sigma="frozen"),
    *slip("sigma-softplus", USUAL, (0.1, 0.1, 0.2), sigma="softplus"),
    *slip("offset", (DIGITS, FACTORS, TUMOURS), (0.3, 0.3, 0.2), after="offset"),
    *slip("exploded", (DIGITS, FACTORS, TUMOURS), (0.3, 0.3, 0.2), after="exploded"),
    *slip("free-bits", (DIGITS, FACTORS, WINE), (0.3, 0.3, 0.3), free_bits=[0.1, 0.25, 0.5]),
    *slip("total-bits", (DIGITS, FACTORS, WINE), (0.3, 0.4, 0.4), total_bits=[8.0, 4.0, 4.0]),
    *slip("kl-masked", USUAL, (0.2, 0.2, 0.3), free=[5, 3, 4]),
    *slip("too-few-latents", (DIGITS, CELLS, TUMOURS), (0.05, 0.01, 0.02), latents=2),
    *slip("units-x16", (DIGITS, FACTORS, WINE), (0.14, 0.1, 0.2), after="x16"),
    *slip("units-x255", (DIGITS, FACTORS, WINE), (0.14, 0.1, 0.2), after="x255", seed=3),
    *slip("rows-shuffled", USUAL, (0.1, 0.1, 0.2), after="shuffled"),
    *slip("logits-for-means", (SIGMOID,) * 3, (0.14, 0.3, 0.05), seed=[0, 1, 2], activation=["relu", "silu", "tanh"]),
    *slip("condition-undeclared", (DIGITS, GROUPS, WINE), (0.1, 0.2, 0.2), condition=True, decoder=[True, True, False]),
    *slip("teacher-undeclared", (WALK, DIGITS, CELLS), (0.03, 0.1, 0.05), teacher=True),
    *slip("latents-of-another", USUAL, (0.1, 0.1, 0.2), form="kl mean of 2K"),
    *slip("features-of-another", USUAL, (0.1, 0.1, 0.2), form="mean", features=[784, 100, 10]),
]
