"""Settings of networks in which nothing is wrong. `HEALTHY`, and `OTHERS`: neither healthy nor a slip."""

from typing import Any

from models import Setting
from tables import available

EXTRAS = (
    "trainer", "form", "batch_norm", "residual", "dropout", "warm_up", "schedule", "weight_decay", "clip", "ema",
    "patience", "learned_variance", "mu", "condition", "judged", "logits",
)  # fmt: skip  # fields that make a name of their own

REAL = ("digits", "breast_cancer", "wine", "worldclim", "clusters")  # which take longer to settle


def setting(data: str, hidden: tuple[int, ...], activation: str, latents: int, price: float, **extra: Any) -> Setting:
    """Return a setting with a name that says what it is."""
    notes = [f"{key}={extra[key]}".replace(" ", "_") for key in EXTRAS if key in extra]
    width = "x".join(map(str, hidden))
    name = "-".join([data.replace(":", "_"), width, activation, f"K{latents}", f"{price:g}", *notes])
    usual = {"rate": 8e-3, "updates": 16_000} if data.startswith(REAL) else {}
    plain = {"data": data, "hidden": hidden, "activation": activation, "latents": latents, "price": price}
    return Setting(name, **plain | usual | extra)


def bits(*plain: Any, constant: bool = False, **extra: Any) -> Setting:
    """Return a setting of binary images, with their constant columns or without."""
    return setting("digits-bits+constant" if constant else "digits-bits", *plain, likelihood="bernoulli", **extra)


def counts(*plain: Any, **extra: Any) -> Setting:
    """Return a setting of counts."""
    return setting("digits-counts", *plain, likelihood="poisson", **extra)


WARM = setting("clusters", (128,), "relu", 4, 1.25, warm_up=0.6, schedule="drop", updates=20_000, rate=1e-3)
FRESH = setting("clusters", (128,), "relu", 4, 1.25, truth="metastable", schedule="drop", updates=5000, rate=1e-3)

HEALTHY = [each for each in (
    setting("digits", (128,), "relu", 10, 0.14),
    setting("digits", (128,), "relu", 10, 0.14, trainer="package"),
    setting("ring:2", (64, 64), "silu", 2, 0.1, form="mean"),
    setting("exponential", (64, 64), "silu", 6, 0.1, trainer="package", form="sum"),
    setting("breast_cancer", (32,), "relu", 6, 0.1),
    bits((32,), "tanh", 4, 0.6, trainer="package"),
    setting("worldclim", (64, 64), "silu", 6, 0.1),
    setting("wine", (32,), "tanh", 4, 0.3, form="mean"),
    WARM,
    setting("digits", (128,), "relu", 10, 1.2),
    setting("digits", (64,), "silu", 10, 0.3, batch_norm=True),
    setting("gauss", (32,), "relu", 6, 0.2, judged="held-out"),
    setting("exponential", (64,), "relu", 4, 0.3, dropout=(0.1, 0.0)),
    setting("laplace", (64,), "silu", 6, 0.1, ema=0.998),
    bits((32,), "tanh", 6, 0.3, constant=True, logits=False),
    setting("digits", (64,), "tanh", 6, 0.3, form="mean", schedule="constant", rate=2e-3),
    counts((64,), "silu", 6, 0.3),
    setting("exponential", (64,), "gelu", 4, 0.3, patience=8),
    setting("ring:10", (64,), "relu", 4, 0.3, clip=1.0),
    setting("ring:5", (64, 64), "tanh", 1, 0.3),
    setting("digits", (256,), "gelu", 10, 0.5, form="sum", rate=4e-3),
    setting("digits", (16,), "relu", 4, 0.5, trainer="package"),
    setting("digits", (32, 32, 32), "silu", 12, 0.6),
    setting("digits", (64,), "relu", 20, 0.2, form="kl mean"),
    setting("digits", (64,), "silu", 10, 0.9, form="variance"),
    setting("digits", (32,), "tanh", 16, 0.2, judged="held-out", form="variance"),
    setting("digits", (64,), "relu", 8, 0.3, dropout=(0.1, 0.1)),
    setting("digits", (64,), "silu", 10, 0.4, weight_decay=0.01, clip=0.5),
    setting("digits", (64, 64), "relu", 8, 0.3, residual=True, ema=0.998),
    setting("digits", (64,), "tanh", 5, 0.4, condition=True, declared=True),
    setting("breast_cancer", (64,), "silu", 10, 0.2, trainer="package"),
    setting("breast_cancer", (16,), "tanh", 2, 0.5, schedule="constant", rate=2e-3),
    setting("breast_cancer", (128,), "gelu", 20, 0.4, form="mean"),
    setting("breast_cancer", (32,), "silu", 5, 0.2, patience=16),
    setting("breast_cancer", (32,), "relu", 4, 0.1, batch_norm=True, form="sum"),
    setting("breast_cancer", (32,), "tanh", 8, 0.4, judged="held-out"),
    setting("wine", (32,), "relu", 8, 0.4, trainer="package"),
    setting("wine", (16, 16), "silu", 3, 0.6, clip=1.0),
    setting("wine", (32,), "relu", 5, 0.4, dropout=(0.1, 0.0)),
    setting("wine", (16,), "tanh", 2, 0.6, ema=0.998, form="kl mean"),
    setting("ring:3", (64, 64), "silu", 3, 0.2),
    setting("ring:5", (64,), "relu", 4, 0.1, trainer="package"),
    setting("ring:10", (128,), "relu", 2, 0.05, schedule="constant", rate=2e-3),
    setting("ring:10", (32, 32), "gelu", 6, 0.2, batch_norm=True),
    setting("ring:2", (16,), "tanh", 1, 0.7, ema=0.998),
    setting("ring:10", (64, 64), "silu", 6, 0.1, trainer="package"),
    setting("laplace", (128,), "relu", 4, 0.2, form="mean"),
    setting("gamma", (64,), "gelu", 12, 0.2, judged="held-out"),
    setting("worldclim", (64, 64), "silu", 6, 0.3, trainer="package"),
    setting("worldclim", (64, 64), "silu", 1, 0.5),
    setting("laplace", (32,), "relu", 4, 0.3, patience=8, form="mean"),
    setting("worldclim", (32,), "tanh", 10, 0.05, clip=1.0),
    setting("exponential", (64, 64), "silu", 2, 0.9, form="mean"),
    setting("exponential", (32,), "gelu", 6, 0.02, form="sum"),
    setting("gamma", (64, 64), "silu", 6, 0.05, trainer="package"),
    setting("gamma", (32,), "relu", 3, 0.4, patience=6),
    setting("laplace", (32,), "tanh", 6, 0.3, batch_norm=True),
    setting("student", (64,), "relu", 6, 0.1),
    setting("student", (64, 64), "silu", 4, 0.5, trainer="package"),
    setting("gauss", (64,), "relu", 6, 0.1, trainer="package", form="mean"),
    setting("gauss", (16,), "tanh", 6, 0.002, updates=32_000, rate=1e-2),
    setting("gauss", (64, 64), "gelu", 8, 0.05, dropout=(0.0, 0.05)),
    setting("gauss", (32,), "silu", 3, 0.3, weight_decay=0.01, schedule="constant", rate=2e-3),
    bits((64,), "silu", 6, 0.6),
    bits((32,), "silu", 3, 0.7, trainer="package", logits=False, form="likelihood mean"),
    bits((32,), "relu", 10, 0.5, rate=4e-3, constant=True),
    bits((64,), "gelu", 5, 0.5, batch_norm=True, logits=False),
    bits((64,), "tanh", 3, 0.9, constant=True),
    bits((64,), "relu", 6, 0.4, judged="held-out", constant=True, logits=False),
    counts((32,), "relu", 4, 0.5, rate=4e-3, logits=False),
    counts((64,), "tanh", 8, 0.5),
    counts((64,), "gelu", 5, 0.6, schedule="constant", rate=2e-3),
    setting("laplace", (64,), "silu", 3, 0.3, mu="batch norm"),
) if available(each.data)]  # fmt: skip

OTHERS = [
    FRESH,
    setting("exponential", (64,), "silu", 2, 0.25, learned_variance=True, form="learned", truth="learned variance"),
    setting("digits", (64,), "relu", 8, 0.2, mu="relu", truth="odd head"),
    setting("gauss", (64,), "relu", 6, 0.1, mu="relu", truth="odd head"),
]
