"""What training by samples takes: numbers per model and per update, and from them memory."""

from landau_vae.training.settings import LOOKS, ROWS, Settings
from landau_vae.training.trainer import TrainingSet

__all__ = ["drawn", "memory", "numbers", "per_draw", "result_bytes"]

BLOCK = 2**22  # numbers that noise and batches may take between two draws


def numbers(how: Settings, data: TrainingSet, latents: int) -> int:
    """That one model works with: its weights, an optimiser's memory, and one gradient or measurement."""
    d = data.features
    matrices = d * (5 * d + 18 * latents) + 3 * latents**2 + LOOKS * latents
    return matrices if how.by_moments(data) else matrices + how.rows_per_update(data) * (3 * d + 8 * latents)


def drawn(how: Settings, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
    """Numbers that are drawn for one update of so many models, working arrays included."""
    if how.by_moments(data) and how.expected(data):
        return 1
    d, size = data.features, how.rows_per_update(data)
    if not how.noise:
        return 3 * seeds * (size + d) * (d + 1)
    each = 4 * (d + 1 + latents) * latents if how.by_moments(data) else 2 * size * latents
    return 3 * seeds * (size + d) * (d + 1) + models * each


def per_draw(how: Settings, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
    """Updates that are drawn for at a time."""
    return max(1, BLOCK // drawn(how, data, latents, models, seeds))


def memory(how: Settings, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
    """Weights and the optimiser's memory, the working arrays of one gradient, a block of draws, and the gauges."""
    d, count = data.features, 0 if data.rows is None else len(data.rows)
    updates = min(per_draw(how, data, latents, models, seeds), -(-how.updates // LOOKS))
    block = drawn(how, data, latents, models, seeds) * updates
    rows = 0 if how.linear_and_constant else ROWS
    one_model = rows * (3 * latents + (0 if how.decoder == "gaussian" else 6 * d + 3 * latents))
    one_block = 3 * max(rows, min(count, ROWS)) * (d + 1)  # from which second moments are made
    gauges = rows * (d + 1) * (3 if data.held_out else 1) + max(one_model, one_block)
    return 8 * (block + models * numbers(how, data, latents) + gauges + 3 * count)


def result_bytes(how: Settings, data: TrainingSet, latents: int) -> int:
    """Of one model: weights, a few numbers per latent and per model, and snapshots (of weights, in float32)."""
    weights = 2 * data.features * latents
    plain = weights + data.features + 6 * latents + 6 + 2 * len(data.held_out)
    return 8 * plain + len(how.frames) * (8 * latents + 4 * weights)
