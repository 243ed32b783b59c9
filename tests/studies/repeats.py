"""More healthy networks, quick ones, each with several seeds: to count how often errors hold. `REPEATS`."""

from dataclasses import replace

from healthy import setting

QUICK = (
    setting("gauss", (32,), "relu", 6, 0.2),
    setting("exponential", (64,), "relu", 4, 0.3),
    setting("laplace", (32,), "tanh", 6, 0.25),
    setting("ring:5", (64,), "silu", 3, 0.2),
    setting("wine", (16,), "tanh", 3, 0.5),
    setting("gamma", (32,), "silu", 4, 0.3),
)
SEEDS = (1, 2, 3, 4)

REPEATS = [replace(each, name=f"{each.name}-seed={seed}", seed=seed) for seed in SEEDS for each in QUICK]
