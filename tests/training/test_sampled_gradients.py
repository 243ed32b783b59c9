"""Minibatch gradients, the distribution of drawn moments, and measurements on models: all against brute force."""

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from oracles import close, minibatch_loss, slope

from landau_vae import Spectrum
from landau_vae.training.gradients import Layout, MomentGradient, Noise, Parts, RowGradient
from landau_vae.training.measure import Gauge, gauge_of
from landau_vae.training.optimizers import SGD
from landau_vae.training.sampled import Sampled
from landau_vae.training.training_set import TrainingSet

DIFFERENCES = 1e-8  # of `slope`: h⁴ times a fifth derivative of some hundreds is 1e-9, rounding over h is 1e-12
SHAPES = [(3, 2), (2, 2), (2, 4), (3, 1), (1, 1), (1, 2)]  # features, latents
PRICES = np.array([[0.7], [2.0], [1.1]])


ONE_SEED = np.zeros(2, dtype=int)


def random_weights(rng, layout, models=2):
    return 0.5 * rng.standard_normal((models, layout.size))


def random_batches(rng, features, size=5, updates=2):
    """Centred on nothing in particular: a minibatch has a mean."""
    return np.concatenate([rng.standard_normal((updates, size, features)), np.ones((updates, size, 1))], axis=2)


def gradient(engine, layout, flat, update=0):
    out = np.full_like(flat, np.nan)  # every entry has to be written
    engine.gradient(layout.parts(flat), PRICES[: len(flat)], update, layout.parts(out))
    return out


# ------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"d={shape[0]},K={shape[1]}")
@pytest.mark.parametrize("learned", [False, True])
def test_row_gradients_are_those_of_finite_differences(rng, shape, learned):
    layout = Layout(*shape, learned)
    flat, batches = random_weights(rng, layout), random_batches(rng, shape[0])
    engine = RowGradient(layout, 0.3, Noise([(0, 0), (0, 1)], np.float64))
    engine.draw(batches[None], ONE_SEED)
    found = gradient(engine, layout, flat, update=1)
    for model in range(2):

        def loss(v, model=model):
            weights = [part[0] for part in layout.parts(v[None])]
            noise = engine._noise[model, 1]
            return minibatch_loss(weights, batches[1, :, :-1], noise, 0.3, PRICES[model, 0])

        close(found[model], slope(loss, flat[model]), DIFFERENCES)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"d={shape[0]},K={shape[1]}")
def test_moment_gradients_are_row_gradients(rng, shape, learned):
    layout = Layout(*shape, learned)
    flat, batches = random_weights(rng, layout), random_batches(rng, shape[0])
    rows = RowGradient(layout, 0.3, Noise([(0, 0), (0, 1)], np.float64))
    rows.draw(batches[None], ONE_SEED)
    moments = MomentGradient(layout, 0.3, rows.noise)
    size, noise = batches.shape[1], rows._noise
    moments._second, moments._owner = np.einsum("ubi,ubj->uij", batches, batches)[None] / size, ONE_SEED
    moments._cross = np.einsum("ubi,mubk->muik", batches, noise) / size
    moments._noise = np.einsum("mubk,mubl->mukl", noise, noise) / size
    for update in range(2):
        close(gradient(moments, layout, flat, update), gradient(rows, layout, flat, update), CLOSED)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"d={shape[0]},K={shape[1]}")
def test_the_expected_gradient_is_that_of_noise_with_exact_moments(rng, shape, learned):
    """Each row meets ε = ±√K e_k: ⟨ε⟩ = 0 and ⟨εεᵀ⟩ = 1 for every row, and no more of ε enters."""
    (_, latents), layout = shape, Layout(*shape, learned)
    flat, batch = random_weights(rng, layout), random_batches(rng, shape[0], updates=1)
    design = np.sqrt(latents) * np.concatenate([np.eye(latents), -np.eye(latents)])
    rows = RowGradient(layout, 0.3, Noise([], np.float64))
    rows._batches, rows._owner = np.repeat(batch, 2 * latents, axis=1)[None], ONE_SEED
    rows._noise = np.tile(design, (2, 1, batch.shape[1], 1))
    second = batch[0].T @ batch[0] / batch.shape[1]
    exact = MomentGradient(layout, 0.3, None, second)
    close(gradient(exact, layout, flat), gradient(rows, layout, flat), CLOSED)
    quiet = MomentGradient(layout, 0.3, None)  # the same of minibatches
    quiet.draw(batch[None], ONE_SEED)
    close(gradient(quiet, layout, flat), gradient(rows, layout, flat), CLOSED)


@pytest.mark.parametrize("kind", [MomentGradient, RowGradient])
def test_models_of_several_seeds_see_the_batches_of_their_own(rng, kind):
    """Bit by bit what each seed gives by itself."""
    layout, starts, owner = Layout(3, 2), [(0, 0), (5, 0), (0, 1)], np.array([0, 1, 0])
    flat, batches = random_weights(rng, layout, 3), np.stack([random_batches(rng, 3, 6) for _ in range(2)])
    together = kind(layout, 0.3, Noise(starts, np.float64))
    together.draw(batches, owner)
    found = gradient(together, layout, flat, 1)
    for seed, members in ((0, [0, 2]), (1, [1])):
        alone = kind(layout, 0.3, Noise([starts[i] for i in members], np.float64))
        alone.draw(batches[seed][None], np.zeros(len(members), dtype=int))
        expected = np.full_like(flat[members], np.nan)
        alone.gradient(layout.parts(flat[members]), PRICES[members], 1, layout.parts(expected))
        np.testing.assert_array_equal(found[members], expected)


# ------------------------------------------------------------------------------------- distribution of moments


def drawn(batch, latents, updates, dtype=np.float64):
    """⟨x̃εᵀ⟩ and ⟨εεᵀ⟩ of one batch under many draws of the noise, (updates, ·)."""
    engine = MomentGradient(Layout(batch.shape[1] - 1, latents), 0.5, Noise([(3, 1)], dtype))
    engine.draw(np.broadcast_to(batch.astype(dtype), (1, updates, *batch.shape)), ONE_SEED)
    rounding = 1e-6 if dtype == "f4" else CLOSED
    np.testing.assert_allclose(engine._second[0, 7], batch.T @ batch / len(batch), rtol=rounding)
    return engine._cross[0].astype(float), engine._noise[0].astype(float)


def brute_force(batch, latents, updates, rng):
    noise = rng.standard_normal((updates, len(batch), latents))
    return batch.T @ noise / len(batch), np.swapaxes(noise, 1, 2) @ noise / len(batch)


def products(cross, square):
    """All moments up to the second of all entries, and ⟨εεᵀ⟩ times squares of ⟨x̃εᵀ⟩, which belong together."""
    above = np.triu_indices(square.shape[-1])
    entries = np.concatenate([cross.reshape(len(cross), -1), square[:, *above]], axis=1)
    pairs = [entries[:, i] * entries[:, j] for i in range(entries.shape[1]) for j in range(i + 1)]
    triples = np.einsum("uik,ujk,ukk->uijk", cross, cross, square).reshape(len(cross), -1)
    return np.column_stack([entries, *pairs, triples])


SIZES = {"one row": 1, "fewer than features": 2, "as many": 3, "one more": 4, "one short of Bartlett's": 5,
         "Bartlett's least": 6, "many": 40}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_drawn_moments_have_the_distribution_of_brute_force(rng, size, dtype):
    """Rank 3 (two features and the constant), two latents: what no feature sees is a Wishart matrix from 6 rows on."""
    batch = random_batches(rng, 2, size, 1)[0] + [0.5, 0, 0]
    check_distribution(batch, 2, rng, dtype)


def test_drawn_moments_of_a_batch_without_full_rank(rng):
    """Equal rows, and a column twice."""
    batch = random_batches(rng, 3, 9, 1)[0]
    batch[3:] = batch[2]
    batch[:, 1] = batch[:, 0]
    check_distribution(batch, 2, rng)


@pytest.mark.parametrize("size", [2, 8])
def test_drawn_moments_for_one_latent_and_one_feature(rng, size):
    check_distribution(random_batches(rng, 1, size, 1)[0], 1, rng)


def check_distribution(batch, latents, rng, dtype="f8", updates=40_000):
    a = products(*drawn(batch, latents, updates, dtype))
    b = products(*brute_force(batch, latents, updates, rng))
    error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / updates)
    rounding = 1e-6 if dtype == "f4" else CLOSED  # of entries that are zero, or that noise does not change
    np.testing.assert_array_less(np.abs(a.mean(axis=0) - b.mean(axis=0)), SAMPLED * error + rounding)


def test_no_two_draws_share_noise():
    """Correlations of ⟨ε₁ε₂⟩ and of ⟨x̃ε⟩ across models, and across successive updates, vanish within 4/√n."""
    engine = MomentGradient(Layout(1, 2), 0.5, Noise([(0, 0), (0, 1)], np.float64))
    engine.draw(np.ones((1, 10_000, 9, 2)), ONE_SEED)
    for values in (engine._noise[..., 0, 1], engine._cross[..., 0, 0], engine._noise[..., 1, 1]):
        assert abs(np.corrcoef(values)[0, 1]) < SAMPLED / 100
        assert abs(np.corrcoef(values[0, 1:], values[0, :-1])[0, 1]) < SAMPLED / 100


# ------------------------------------------------------------------------------------------------ measurements


def brute_force_measurements(layout, flat, rows, mean, b, rng, repeats=8):
    """⟨μ²⟩, ⟨σ²⟩, R_k, ‖x − x̂‖² and the loss of every (row, ε), (n · repeats, ·)."""
    W, F, bias, log_variance, log_decoder = (part[0] for part in layout.parts(flat[None]))
    x = np.repeat(rows - mean, repeats, axis=0)
    mu = np.column_stack([x, np.ones(len(x))]) @ F
    output = (mu + np.exp(log_variance / 2) * rng.standard_normal(mu.shape)) @ W.T + bias
    error = ((x - output) ** 2).sum(axis=1)
    term = error
    if layout.learned_variance:
        term = error / np.exp(log_decoder[0]) + layout.features * log_decoder[0]
    rate = (mu**2 + np.exp(log_variance) - 1 - log_variance) / 2
    return mu**2, np.tile(np.exp(log_variance), (len(x), 1)), rate, error, 0.5 * term + b * rate.sum(axis=1)


@pytest.mark.parametrize("split", [None, "test"])
@pytest.mark.parametrize("learned", [False, True])
def test_measurements_on_any_model_are_those_of_its_samples(rng, learned, split):
    """Brute force meets the same rows 8 times with other noise; the gauge integrates over it.

    The spread of brute force is bounded by that over rows *and* noise.
    """
    n = 3000
    rows = rng.uniform(0, 1, (n, 3)) ** [[0.5, 1, 2]]
    held_out = rng.uniform(0, 1, (n, 3)) ** 2
    data = TrainingSet(Spectrum.from_data(rows), rows, held_out={"test": held_out})
    layout, b = Layout(3, 2, learned), 0.8
    flat = random_weights(rng, layout, 1)
    gauge, parts = gauge_of(layout, data, split), layout.parts(flat)
    seen = rows if split is None else held_out
    brute = brute_force_measurements(layout, flat[0], seen, rows.mean(axis=0), b, rng)
    square, variance, rate, error, loss = (part.mean(axis=0) for part in brute)
    close(gauge.mean_square(parts)[0], square, CLOSED)
    close(gauge.variance(parts)[0], variance, CLOSED)
    close(gauge.rate(parts)[0], rate, CLOSED)
    close(gauge.signal_fraction(parts)[0], square / (square + variance), CLOSED)
    for found, expected, values in (
        (gauge.distortion(parts), error, brute[3]),
        (gauge.loss(parts, 0.5, np.array([[b]])), loss, brute[4]),
    ):
        assert abs(found[0] - expected) < SAMPLED * values.std() * np.sqrt(1 / (8 * n))


def test_measurements_know_the_weights_of_rows(rng):
    """Weights 1 and 3 are rows that stand there once and three times."""
    layout = Layout(2, 2)
    few, weights = rng.uniform(0, 1, (1000, 2)), np.where(np.arange(1000) < 500, 1.0, 3.0)
    few[500:] **= 3
    many = np.repeat(few, weights.astype(int), axis=0)
    parts = layout.parts(random_weights(rng, layout, 3))
    one, other = (
        gauge_of(layout, TrainingSet(Spectrum.from_data(rows), rows, share), None)
        for rows, share in ((few, 10 * weights), (many, None))
    )
    held_out = TrainingSet(Spectrum.from_data(many), many, None, {"test": few}, {"test": 10 * weights})
    seen = gauge_of(layout, held_out, "test")
    close(seen.loss(parts, 0.5, np.ones((3, 1))), one.loss(parts, 0.5, np.ones((3, 1))), CLOSED)
    for measure in ("mean_square", "variance", "rate", "distortion"):
        close(getattr(one, measure)(parts), getattr(other, measure)(parts), CLOSED)
    close(one.loss(parts, 0.5, np.ones((3, 1))), other.loss(parts, 0.5, np.ones((3, 1))), CLOSED)


def test_what_training_returns_is_what_was_measured(rng):
    """One update of no length: the start itself, in the units that are promised."""
    rows = 100 + rng.standard_normal((500, 3)) * [3, 2, 1]
    data = TrainingSet(Spectrum.from_data(rows), rows, held_out={"test": 2 * rows[:100]})
    how = Sampled(updates=1, batch=8, optimizer=SGD(1e-300))
    named = how.train(data, np.array([0.1, 0.3]), [(5, 0), (5, 1)], 2, lambda models: None)
    found = {name: values for name, (_, values) in named.items()}
    layout, b = Layout(3, 2), 2 * 0.5 * 0.1 * data.spectrum.total_variance
    start = layout.start(5, 0, 1.0)
    np.testing.assert_array_equal(found["decoder"][0], layout.parts(start[None]).decoder[0])
    np.testing.assert_array_equal(found["encoder"][0], layout.parts(start[None]).encoder[0, :-1].T)
    for prefix, seen in (("", rows), ("test_", 2 * rows[:100])):
        brute = brute_force_measurements(layout, start, seen, rows.mean(axis=0), b, rng)
        square, variance, rate, error, loss = (part.mean(axis=0) for part in brute)
        bound = SAMPLED * brute[3].std() / np.sqrt(8 * len(seen))
        assert abs(found[f"{prefix}distortion"][0] * data.spectrum.total_variance - error) < bound
        assert abs(found[f"{prefix}loss"][0] - loss) < SAMPLED * brute[4].std() / np.sqrt(8 * len(seen))
        if not prefix:
            close(found["signal_fraction"][0], square / (square + variance), CLOSED)
            close(found["rate"][0], rate, CLOSED)
    close(found["price"], np.array([0.1, 0.3]) * data.spectrum.total_variance, CLOSED)
    learned = Sampled(updates=1, batch=8, optimizer=SGD(1e-300), learned_variance=True)  # σ_dec² begins at V/d
    price = learned.train(data, np.array([0.1, 0.3]), [(5, 0), (5, 1)], 2, lambda models: None)["price"][1]
    close(price, np.array([0.1, 0.3]) * data.spectrum.total_variance, CLOSED)
    assert found["decoder_bias"].shape == (2, 3)
    assert found["encoder_bias"].shape == (2, 2)


def waiting(covariance, decoder, encoder, price, mean=0.0, penalty=0.0):
    """Latents that wait, of one hand-made model."""
    features, latents = np.shape(decoder)
    second = np.ones((features + 1,) * 2)
    second[:-1, :-1] = covariance + mean**2
    second[:-1, -1] = second[-1, :-1] = mean
    gauge = Gauge(Layout(features, latents), second)
    F = np.column_stack([encoder, np.zeros(latents)]).T
    parts = Parts(*map(np.array, ([decoder], [F], np.zeros((1, features)), np.zeros((1, latents)), np.zeros((1, 0)))))
    return int(gauge.waiting(parts, np.array([[price]]), np.array([[penalty]]))[0])


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_waiting_counts_idle_latents_that_a_mode_would_wake(mean):
    rotation = np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 + np.eye(3))[0]
    covariance, none = rotation @ np.diag([4.0, 2.0, 1.0]) @ rotation.T, np.zeros((3, 3))
    ask = lambda *parts: waiting(covariance, *parts, mean)  # noqa: E731
    assert [ask(none, none, price) for price in (5.0, 3.61, 3.59, 1.5, 0.5)] == [0, 0, 1, 2, 3]
    assert ask(none[:, :1], none[:1], 0.5) == 1  # only as many as there are latents
    live = np.zeros((3, 3))
    live[:, 0] = rotation[:, 0]
    assert [ask(live, live.T, price) for price in (3.0, 1.5, 0.5)] == [0, 1, 2]  # mode 1 is gone from what is left
    assert ask(live[:, :1], live[:, :1].T, 0.5) == 0  # the others have no latent to wake
    assert ask(none, live.T, 1.0) == 2  # a latent with signal that no decoder uses is not idle


@pytest.mark.parametrize("penalty", [0.1, 1.5])
def test_waiting_knows_of_weight_decay(penalty):
    """Against the Hessian of w and e at the collapsed point, [[1 + γ, −λ], [−λ, τλ + γ]], λ² less 10 % of slack."""
    eigenvalues, none = np.array([4.0, 2.0, 1.0]), np.zeros((3, 3))
    for price in np.geomspace(0.05, 5, 40):
        hessians = [[[1 + penalty, -np.sqrt(0.9) * v], [-np.sqrt(0.9) * v, price * v + penalty]] for v in eigenvalues]
        unstable = sum(np.linalg.eigvalsh(hessian)[0] < 0 for hessian in hessians)
        assert waiting(np.diag(eigenvalues), none, none, price, 2.0, penalty) == unstable
