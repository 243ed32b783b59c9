"""Training as people do it: what is trained agrees with theory, no model feels another, and how a run ends is told.

Without noise training is deterministic and held against theory closely; with noise, within what noise leaves.
"""

import json
import tracemalloc

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from oracles import raw_loss, slope

from landau_vae import InputError, Loss, Spectrum, equilibrium, limits
from landau_vae.numeric._learned_variance import learned_variance
from landau_vae.numeric._weight_decay import weight_decay
from landau_vae.training.gradients import Layout, MomentGradient
from landau_vae.training.optimizers import SGD, Adam
from landau_vae.training.sampled import Sampled
from landau_vae.training.schedules import CONSTANT, Schedule, anneal, cosine, cyclical, warm_up
from landau_vae.training.schema import WEIGHTS, Status
from landau_vae.training.stopping import Patience
from landau_vae.training.training_set import Batches, TrainingSet

AT_REST = 1e-6  # 4000 noiseless steps at a rate that falls to zero, at least 20 % from any threshold
THREE = Spectrum.from_eigenvalues([4.0, 2.0, 1.0])  # thresholds at 0.571, 0.286, 0.143
GRID = np.array([0.7, 0.4, 0.2, 0.1])
EXACT = {"updates": 4000, "batch": None}  # on a spectrum: the expected loss itself


def train(how, data, temperatures, latents, seed=0, places=None, heard=None):
    """name → values; `places` in the grid are 0, 1, … unless others are given."""
    data = data if isinstance(data, TrainingSet) else TrainingSet(data)
    places = range(len(temperatures)) if places is None else places
    heard = [] if heard is None else heard
    starts = [(seed, place) for place in places]
    named = how.train(data, np.asarray(temperatures, dtype=float), starts, latents, heard.append)
    assert sum(heard) == pytest.approx(len(starts), rel=1e-9)  # fractions of models, added up
    assert all(len(values) == len(starts) for _, values in named.values())
    assert all(values.ndim == 1 + len(dims) for dims, values in named.values())
    return {name: values for name, (_, values) in named.items()}


def ranked(values):
    return np.sort(values, axis=-1)[..., ::-1]


def table(rng, eigenvalues, rows=400):
    """Rows whose covariance has exactly these eigenvalues, in random directions."""
    d = len(eigenvalues)
    white = rng.standard_normal((rows, d))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / rows)).T
    return white * np.sqrt(eigenvalues) @ np.linalg.qr(rng.standard_normal((d, d)))[0]


# ------------------------------------------------------------------------------------------ what is trained


@pytest.mark.parametrize("optimizer", [Adam(1e-2), SGD(0.05), SGD(0.02, momentum=0.9)], ids=lambda rule: repr(rule)[:9])
@pytest.mark.parametrize("latents", [1, 3, 4])
def test_without_noise_training_ends_in_the_equilibrium(latents, optimizer):
    found = train(Sampled(optimizer=optimizer, **EXACT), THREE, GRID, latents)
    state = equilibrium(THREE, Loss.gaussian(GRID * THREE.total_variance, latents=latents))
    shared = min(latents, 3)
    tolerance = AT_REST if isinstance(optimizer, Adam) else 1e-3  # plain descent crawls where curvature is small
    np.testing.assert_allclose(
        ranked(found["signal_fraction"])[:, :shared], state.signal_fraction[:, :shared], atol=tolerance
    )
    np.testing.assert_allclose(ranked(found["rate"])[:, :shared], state.rate[:, :shared], atol=tolerance)
    np.testing.assert_allclose(ranked(found["signal_fraction"])[:, shared:], 0, atol=tolerance)
    np.testing.assert_allclose(found["distortion"], state.total_distortion, atol=tolerance)
    np.testing.assert_allclose(
        found["loss"], state.loss_value, rtol=10 * tolerance**2 + 1e-10
    )  # quadratic in the error
    np.testing.assert_allclose(found["price"], state.price, rtol=CLOSED)
    assert found["status"].tolist() == [Status.CONVERGED] * 4
    assert found["updates"].tolist() == [4000] * 4


@pytest.mark.parametrize("source", ["spectrum", "rows"])
@pytest.mark.parametrize("how", [{}, {"precision": "float32"}], ids=str)
def test_with_noise_training_ends_near_the_equilibrium(rng, source, how):
    """Noise at a falling rate leaves an excess loss (second order in weights) below 1e-3, so M² is within √ of that."""
    rows = None if source == "spectrum" else table(rng, [4.0, 2.0, 1.0])
    data = TrainingSet(THREE if rows is None else Spectrum.from_data(rows), rows)
    found = train(Sampled(updates=3000, batch=128, **how), data, GRID, 3)
    state = equilibrium(THREE, Loss.gaussian(GRID * THREE.total_variance))
    np.testing.assert_allclose(ranked(found["signal_fraction"]), state.signal_fraction, atol=0.03)
    np.testing.assert_allclose(found["loss"], state.loss_value, rtol=1e-3)
    assert found["status"].tolist() == [Status.CONVERGED] * 4


@pytest.mark.parametrize("size", [4, 40])
def test_moments_and_rows_train_alike(monkeypatch, size):
    """The same model along both routes, in the mean over 30 starts: within 4 standard errors, which are below 0.1."""
    T, ends = [0.3] * 30, []
    for by_moments in (True, False):
        monkeypatch.setattr(Sampled, "_by_moments", lambda self, data, yes=by_moments: yes)
        ends.append(train(Sampled(updates=600, batch=size), THREE, T, 2)["signal_fraction"].max(axis=1))
    error = np.sqrt(sum(end.var(ddof=1) for end in ends) / 30)
    assert abs(ends[0].mean() - ends[1].mean()) < SAMPLED * error < 0.1


@pytest.mark.parametrize("latents", [2, 3])
def test_a_learned_decoder_variance_is_that_of_theory(latents):
    """Where T = β/d is above the singular point, which only a latent for every mode has (T = 1/3)."""
    T = np.array([0.8, 0.45, 0.36]) if latents == 3 else np.array([0.8, 0.45, 0.3])
    found = train(Sampled(learned_variance=True, **EXACT), THREE, T, latents)
    price = learned_variance(THREE, latents).price(3 * T)
    state = equilibrium(THREE, Loss.gaussian(price, latents=latents))
    np.testing.assert_allclose(found["price"], price, rtol=AT_REST)
    np.testing.assert_allclose(ranked(found["signal_fraction"]), state.signal_fraction[:, :latents], atol=AT_REST)
    variance = price / (3 * T)
    least = 0.5 * (7 * state.total_distortion / variance + 3 * np.log(variance)) + 3 * T * state.total_rate
    np.testing.assert_allclose(found["loss"], least, rtol=1e-10)
    assert found["status"].tolist() == [Status.CONVERGED] * 3


def test_a_decoder_variance_that_falls_to_zero_is_no_equilibrium():
    found = train(Sampled(learned_variance=True, updates=1000, batch=None), THREE, [0.2, 0.45], 3)
    assert found["status"].tolist() == [Status.MOVING, Status.CONVERGED]


@pytest.mark.parametrize("loss", [Loss.gaussian(), Loss.gaussian(reconstruction="mean", half=False)])
def test_coupled_weight_decay_is_that_of_theory(loss):
    """γ on both matrices, in the loss's own units. At T = 0.5 mode 1 is dead by decay alone, and not waiting."""
    gamma = 0.6 * loss.weights(3)[0]
    T = np.array([0.5, 0.3, 0.15, 0.07])
    found = train(Sampled(optimizer=Adam(1e-2, gamma), loss=loss, **EXACT), THREE, T, 3)
    theory = weight_decay(THREE, loss, decoder=gamma, encoder=gamma)
    for index, beta in enumerate(loss.beta_at(7 * T, THREE)):
        living = theory.signal_fraction(beta)
        np.testing.assert_allclose(ranked(found["signal_fraction"])[index], living, atol=AT_REST)
    assert found["signal_fraction"][0].max() < AT_REST < found["signal_fraction"][1].max()
    assert 0.9 * 4 > 0.5 * 7  # without decay it would wake
    assert found["status"].tolist() == [Status.CONVERGED] * 4


@pytest.mark.parametrize(
    "loss",
    [Loss.gaussian(reconstruction="mean"), Loss.gaussian(half=False), Loss.gaussian(decoder_variance=0.3),
     Loss.gaussian(kl="mean", latents=2), Loss.gaussian(reconstruction="mean", half=False, beta=17.0)],
    ids=lambda loss: loss.formula,
)  # fmt: skip
@pytest.mark.parametrize(
    "spectrum", [THREE, Spectrum.from_eigenvalues([4.0, 2.0, 1.0, 0.0])], ids=["full", "deficient"]
)
def test_the_convention_of_the_loss_changes_units_only(loss, spectrum):
    found = train(Sampled(loss=loss, **EXACT), spectrum, GRID, 2)
    state = equilibrium(spectrum, loss.with_latents(2).at(loss.with_latents(2).beta_at(7 * GRID, spectrum)))
    np.testing.assert_allclose(ranked(found["signal_fraction"]), state.signal_fraction[:, :2], atol=AT_REST)
    np.testing.assert_allclose(found["loss"], state.loss_value, rtol=1e-9)
    np.testing.assert_allclose(found["price"], state.price, rtol=CLOSED)


# ------------------------------------------------------------------------------------------------ the data


def test_noiseless_training_is_plain_gradient_descent_on_the_raw_loss():
    """Against a loop that takes numerical gradients of the definition (1e-9) for five steps of 0.1."""
    T, how = 0.2, Sampled(updates=5, batch=None, noise=False, optimizer=SGD(0.1), learning_rate=CONSTANT)
    found = train(how, THREE, [T], 2, seed=7)
    start = Layout(3, 2).parts(Layout(3, 2).start(7, 0, 1.0)[None])
    weights = np.concatenate([start.decoder.ravel(), start.encoder[0, :-1].T.ravel(), [0.0, 0.0]])

    def loss(v):
        return raw_loss(v[:6].reshape(3, 2), v[6:12].reshape(2, 3), np.exp(v[12:]), THREE.covariance, 7 * T)

    for _ in range(5):
        weights -= 0.1 * slope(loss, weights)
    np.testing.assert_allclose(found["decoder"][0].ravel(), weights[:6], atol=1e-8)
    np.testing.assert_allclose(found["encoder"][0].ravel(), weights[6:12], atol=1e-8)
    np.testing.assert_allclose(np.log(found["posterior_variance"][0]), weights[12:], atol=1e-8)
    np.testing.assert_allclose(found["decoder_bias"], 0, atol=CLOSED)


@pytest.mark.parametrize("how", [{}, {"batch": 1}, {"noise": False}], ids=str)
def test_where_data_are_centred_plays_no_part(rng, how):
    """1e-9: the mean of 100 costs four of sixteen digits, and 100 updates do not amplify that beyond a thousand."""
    rows = table(rng, [4.0, 2.0, 1.0])
    centred, shifted = (TrainingSet(Spectrum.from_data(x), x) for x in (rows, rows + np.array([100.0, -50.0, 7.0])))
    # Adam would blow up gradients of 1e-14 at a bias.
    how = {"updates": 100, "batch": 32, "optimizer": SGD(0.02), **how}
    one, other = (train(Sampled(**how), data, [0.3, 0.1], 2) for data in (centred, shifted))
    for name in ("decoder", "encoder", "posterior_variance", "decoder_bias", "encoder_bias", "distortion", "loss"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-9)


def test_weighted_rows_train_like_duplicates(rng):
    """The same but for rounding where nothing is drawn; where batches are drawn, see the next test."""
    few, weights = rng.standard_normal((50, 2)), rng.integers(1, 4, 50)
    many = np.repeat(few, weights, axis=0)
    one = TrainingSet(Spectrum.from_data(few, weights=weights), few, 0.1 * weights)
    other = TrainingSet(Spectrum.from_data(many), many)
    how = Sampled(200, None, SGD(0.02), noise=False)  # Adam would blow up gradients of 1e-16 at a bias
    one, other = train(how, one, [0.3, 0.1], 2), train(how, other, [0.3, 0.1], 2)
    for name in ("decoder", "encoder", "loss", "distortion", "signal_fraction"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-10, atol=1e-10)


def test_weighted_rows_come_in_proportion_to_their_weights():
    """Counts of 30 000 draws against binomial standard errors."""
    rows, weights = np.arange(5.0)[:, None] + [[0.0, 10.0]], np.array([1.0, 0.0, 2.0, 3.0, 4.0])
    batches = Batches(TrainingSet(Spectrum.from_data(rows), rows, 7 * weights), 5, 3)
    block = batches.block(6000)
    assert block.shape == (6000, 5, 3)
    drawn = np.rint(block[..., 0] + weights @ rows[:, 0] / 10).astype(int)
    share = weights / 10
    counts = np.bincount(drawn.ravel(), minlength=5)
    assert np.all(np.abs(counts / 30_000 - share) <= SAMPLED * np.sqrt(share * (1 - share) / 30_000))
    np.testing.assert_array_equal(block[..., 2], 1)


def test_each_epoch_shows_each_row_once():
    """Ten rows in batches of three: nine of them, one left out, in another order in each epoch; whatever the blocks."""
    rows = np.arange(10.0)[:, None] * [1.0, 2.0]
    whole, pieces = (Batches(TrainingSet(Spectrum.from_data(rows), rows), 3, 0) for _ in range(2))
    block = whole.block(60)
    seen = np.rint(block[..., 0] + 4.5).astype(int).reshape(20, 9)
    assert all(len(set(epoch)) == 9 for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 20
    assert set(seen.ravel()) == set(range(10))
    np.testing.assert_array_equal(np.concatenate([pieces.block(n) for n in (1, 7, 2, 50)]), block)
    assert Batches(TrainingSet(Spectrum.from_data(rows), rows), 99, 0).block(2).shape == (2, 10, 3)


def test_fresh_samples_have_the_covariance_of_the_spectrum(rng):
    """Entries of 200 000 samples within 4 standard errors, (1 + δ) λλ′/n squared, in directions of the data's own."""
    spectrum = Spectrum.from_data(table(rng, [4.0, 1.0, 0.25]))
    sample = Batches(TrainingSet(spectrum), 2000, 1).block(100).reshape(-1, 4)[:, :3]
    C = spectrum.covariance
    error = np.sqrt((C**2 + np.outer(C.diagonal(), C.diagonal())) / len(sample))
    assert np.all(np.abs(sample.T @ sample / len(sample) - C) < SAMPLED * error)


# -------------------------------------------------------------------------------------------- schedules in use


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [(warm_up(0.3), 1.0), (Schedule(((0.0, 0.0), (0.3, 0.5))), 0.5), (cyclical(3), 1.0), (anneal(5.0, 1.0, 0.5), 1.0),
     (Schedule(((0.0, 1.0), (0.5, 2.0))), 2.0)],
)  # fmt: skip
def test_a_run_trains_the_model_of_its_last_beta(schedule, factor):
    how = Sampled(updates=4000, batch=128, beta=schedule, optimizer=Adam(5e-3), learning_rate=warm_up(0.01))
    found = train(how, THREE, [0.2, 0.1], 3)
    price = factor * 7 * np.array([0.2, 0.1])
    state = equilibrium(THREE, Loss.gaussian(price))
    np.testing.assert_allclose(
        ranked(found["signal_fraction"]), state.signal_fraction, atol=0.05
    )  # noise at a full rate
    np.testing.assert_allclose(found["price"], price, rtol=CLOSED)
    np.testing.assert_allclose(found["loss"], state.loss_value, rtol=2e-3)


class Noting(SGD):
    """Writes down the factors that it is called with."""

    def step(self, weights, gradient, memory, factor, update, decays):
        self.noted.append((update, factor))
        super().step(weights, gradient, memory, factor, update, decays)


@pytest.mark.parametrize("updates", [7, 100])
def test_schedules_are_applied_at_their_updates(updates):
    """The learning rate is that before each update (the first takes the first), β that after it (the last the last)."""
    rule, schedule = Noting(0.01), cosine(0.0, 0.3)
    object.__setattr__(rule, "noted", [])
    train(Sampled(updates=updates, batch=None, optimizer=rule, learning_rate=schedule), THREE, [0.1], 2)
    assert [update for update, _ in rule.noted] == list(range(1, updates + 1))
    np.testing.assert_allclose([f for _, f in rule.noted], schedule(np.arange(updates) / updates), atol=CLOSED)


def test_beta_of_an_update(monkeypatch):
    """β enters through the price that gradients are asked for at."""
    prices, gradient = [], MomentGradient.gradient

    def noted(self, weights, price, update, out):
        prices.append(price.copy())
        gradient(self, weights, price, update, out)

    monkeypatch.setattr(MomentGradient, "gradient", noted)
    schedule = warm_up(0.5, 0.2)
    train(Sampled(updates=90, batch=8, beta=schedule), THREE, [0.1, 0.3], 2)
    expected = np.outer(schedule(np.arange(1, 91) / 90), 7 * np.array([0.1, 0.3]))
    np.testing.assert_allclose(np.array(prices)[..., 0], expected, rtol=CLOSED)


# ----------------------------------------------------------------------------------------------- independence


ROUTES = [({}, "rows"), ({}, "spectrum"), ({"batch": 2}, "rows"), ({"batch": 8}, "rows"), ({"batch": None}, "rows"),
          ({"batch": 1}, "spectrum"), ({"batch": 1, "learned_variance": True}, "rows"),
          ({"batch": 1, "precision": "float32"}, "rows"), ({"learned_variance": True}, "rows"),
          ({"precision": "float32"}, "rows"), ({"batch": None}, "spectrum")]  # fmt: skip


def data_for(kind, rng, features):
    if kind == "spectrum":
        return TrainingSet(Spectrum.from_eigenvalues(np.linspace(1, 2, features)))
    rows = table(rng, np.linspace(1, 2, features), 60)
    return TrainingSet(Spectrum.from_data(rows), rows)


@pytest.mark.parametrize("shape", [(5, 3), (2, 6), (3, 1), (1, 1)], ids=lambda shape: f"d={shape[0]},K={shape[1]}")
@pytest.mark.parametrize(("how", "kind"), ROUTES)
def test_no_model_feels_what_trains_beside_it(monkeypatch, rng, how, kind, shape):
    """Bit by bit: products run model by model, noise has a generator per model and per kind of number."""
    data, latents = data_for(kind, rng, shape[0]), shape[1]
    how, T = Sampled(**{"updates": 60, "batch": 16, **how}), np.array([0.3, 0.1, 0.5, 0.2])
    whole = train(how, data, T, latents, seed=3)
    for members in ([2], [0, 3]):
        some = train(how, data, T[members], latents, seed=3, places=members)
        for name, values in some.items():
            np.testing.assert_array_equal(values, whole[name][members], err_msg=name)
    for block in (1, 700):
        monkeypatch.setattr("landau_vae.training.sampled.BLOCK", block)
        for name, values in train(how, data, T, latents, seed=3).items():
            np.testing.assert_array_equal(values, whole[name], err_msg=f"{name}, blocks of {block}")
    others = train(how, data, T, latents, seed=4)
    assert np.abs(others["decoder"] - whole["decoder"]).min(axis=(1, 2)).max() > 0


@pytest.mark.parametrize("how", [{}, {"batch": 1}, {"optimizer": SGD(0.01, momentum=0.9)}], ids=str)
def test_looks_and_neighbours_that_stop_change_nothing(how):
    """History, and a patience that some models exhaust and others do not."""
    how = {"updates": 400, "batch": 16, **how}
    plain, watched = (train(Sampled(**how, history=n), THREE, GRID, 2) for n in (0, 7))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, watched[name])
    patient = Sampled(**how, patience=Patience(3, 5e-3))
    together = train(patient, THREE, GRID, 2)
    assert len(set(together["updates"].tolist())) > 1
    for place in range(4):
        alone = train(patient, THREE, GRID[[place]], 2, places=[place])
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], together[name][place])
    stopped = together["updates"].tolist()
    if 400 in stopped:
        assert together["loss"][stopped.index(400)] == plain["loss"][stopped.index(400)]


# ------------------------------------------------------------------------------------------------- how runs end


@pytest.mark.parametrize("updates", [1, 2, 3, 5, 39, 41])
def test_too_few_updates_never_count_as_converged(updates):
    found = train(Sampled(updates=updates, batch=8, start=1e-3, optimizer=Adam(1e-3)), THREE, [0.3, 0.05], 3)
    assert set(found["status"].tolist()) <= {Status.MOVING, Status.PLATEAU}
    assert np.all(found["moved"].max(axis=1) > limits.AT_REST)


def test_training_in_full_swing_is_moving():
    found = train(Sampled(updates=300, batch=64, learning_rate=CONSTANT, optimizer=SGD(0.01)), THREE, [0.02], 3)
    assert found["status"].tolist() == [Status.MOVING]
    assert found["moved"].max() > limits.AT_REST
    assert found["waiting"].tolist() == [0]


@pytest.mark.parametrize(
    "how",
    [{"updates": 10}, {"updates": 100}, {"updates": 1000}, {"optimizer": Adam(1e-8)}, {"optimizer": Adam(10.0)},
     {"optimizer": Adam(1e3)}, {"optimizer": SGD(1e-4)}, {"batch": 4, "learning_rate": CONSTANT},
     {"learned_variance": True, "optimizer": Adam(1e-4)}, {"batch": 1, "optimizer": Adam(1e-8)}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("latents", [1, 3, 4])
def test_what_counts_as_converged_is_near_the_equilibrium(how, latents):
    """Whatever the rate and however short the run: what may be left to go, and what a hundred turns do not show."""
    T = np.array([0.9, 0.5, 0.35, 0.2, 0.1, 0.02])
    found = train(Sampled(**{"updates": 400, "batch": 64, **how}), THREE, T, latents)
    state = equilibrium(THREE, Loss.gaussian(found["price"], latents=latents))
    expected = np.zeros((6, latents))
    expected[:, : min(latents, 3)] = state.signal_fraction[:, :latents]
    error = np.abs(ranked(found["signal_fraction"]) - expected).max(axis=1)
    assert np.all(error[found["status"] == Status.CONVERGED] < 3 * limits.AT_REST)
    assert np.all(found["status"][error > 0.1] != Status.CONVERGED)


def test_a_start_that_is_left_too_slowly_is_a_plateau():
    """A collapsed start and a small rate: M² stands still, and everything that could live waits: for all of its M²."""
    how = Sampled(updates=200, batch=64, start=1e-4, optimizer=Adam(1e-7))
    found = train(how, THREE, [0.9, 0.4, 0.2, 0.1], 3)
    assert found["status"].tolist() == [Status.CONVERGED, Status.PLATEAU, Status.PLATEAU, Status.PLATEAU]
    assert found["waiting"].tolist() == [0, 1, 2, 3]
    law = [[0, 0, 0], [1 - 0.4 / (4 / 7), 0, 0], [1 - 0.2 / (4 / 7), 1 - 0.2 / (2 / 7), 0]]
    np.testing.assert_allclose(ranked(found["moved"])[:3], law, atol=1e-4)  # a hundred turns at λ/τ ≥ 1.4
    two = train(how, THREE, [0.1], 2)
    assert two["waiting"].tolist() == [2]


@pytest.mark.parametrize(
    "how",
    [{}, {"batch": 1}, {"batch": 1, "learned_variance": True}, {"learned_variance": True},
     {"precision": "float32"}, {"batch": None}, {"patience": Patience(2)}, {"history": 3}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("optimizer", [SGD(1e6), SGD(1e300), Adam(1e30)], ids=lambda rule: repr(rule)[:20])
def test_a_learning_rate_that_is_far_too_high_diverges_without_a_warning(how, optimizer):
    """Warnings are errors here."""
    found = train(Sampled(**{"updates": 200, "batch": 8, "optimizer": optimizer, **how}), THREE, [0.3, 0.1], 2)
    assert found["status"].tolist() == [Status.DIVERGED] * 2
    assert found["waiting"].tolist() == [0, 0]


@pytest.mark.parametrize("how", [{}, {"batch": 1}, {"learned_variance": True}], ids=str)
@pytest.mark.parametrize(
    "optimizer", [Adam(1e2), Adam(1e3), Adam(1e9, 0.1), Adam(1e12), SGD(10.0)], ids=lambda rule: repr(rule)[:20]
)
@pytest.mark.parametrize("latents", [2, 5])
def test_a_loss_that_is_no_number_is_never_passed_off(how, optimizer, latents):
    """Weights of 1e5 are finite, but an exponential of them is not. More latents than features have singular WᵀW."""
    how = {"updates": 200, "batch": 8, "optimizer": optimizer, **how}
    found = train(Sampled(**how), THREE, [0.5, 0.3, 0.1, 0.01], latents)
    lost = ~np.isfinite(found["loss"])
    assert np.all(found["status"][lost] == Status.DIVERGED)
    assert np.all(np.isfinite(found["signal_fraction"][found["status"] != Status.DIVERGED]))


def test_one_model_diverges_and_another_does_not():
    """At a price of 1e9 the step on ln σ² is too long."""
    found = train(Sampled(updates=2000, batch=None, optimizer=SGD(0.05)), THREE, [0.4, 1e9], 2)
    assert found["status"].tolist() == [Status.CONVERGED, Status.DIVERGED]
    alone = train(Sampled(updates=2000, batch=None, optimizer=SGD(0.05)), THREE, [0.4], 2)
    np.testing.assert_array_equal(found["decoder"][0], alone["decoder"][0])


@pytest.mark.parametrize("held_out", [False, True])
def test_patience_ends_runs_that_stand_still(rng, held_out):
    rows = table(rng, [4.0, 2.0, 1.0])
    parts = {"validation": rows[:100], "test": rows[100:150]} if held_out else {}
    data = TrainingSet(Spectrum.from_data(rows), rows, held_out=parts)
    how = {"updates": 8000, "batch": None, "noise": False, "history": 5}
    found = train(Sampled(**how, patience=Patience(4, 1e-6)), data, [0.9, 0.2], 2)
    assert np.all(found["updates"] < 8000)
    assert np.all(found["updates"] % 200 == 0)  # a fortieth of the run
    assert found["updates"].min() >= 800
    state = equilibrium(data.spectrum, Loss.gaussian([0.9 * 7, 0.2 * 7], latents=2))
    np.testing.assert_allclose(ranked(found["signal_fraction"]), state.signal_fraction[:, :2], atol=1e-2)
    assert found["signal_fraction_history"].shape == (2, 5, 2)
    assert found["decoder_history"].shape == (2, 5, 3, 2)
    assert found["encoder_history"].shape == (2, 5, 2, 3)
    np.testing.assert_array_equal(found["signal_fraction_history"][:, -1], found["signal_fraction"])
    assert ("test_loss" in found) == held_out
    # 1 update fewer than it takes to stand still for four looks is not enough
    assert np.all(train(Sampled(updates=40, patience=Patience(40)), data, [0.9], 2)["updates"] == 40)


def test_patience_looks_at_what_is_held_out(rng):
    """Rows at the training mean: the more is encoded, the more they cost, so nothing is gained after the first look."""
    rows = table(rng, [4.0, 2.0, 1.0])
    data = TrainingSet(Spectrum.from_data(rows), rows, held_out={"validation": np.zeros((5, 3)), "test": rows[:50]})
    how = Sampled(updates=400, batch=None, noise=False, start=0.1, patience=Patience(3, 0.0))
    assert train(how, data, [0.2], 2)["updates"].tolist() == [40]
    only = TrainingSet(data.spectrum, rows, held_out={"test": np.zeros((5, 3))})
    assert train(how, only, [0.2], 2)["updates"].tolist() == [400]


def test_patience_wants_progress_of_a_size():
    """Nothing falls by ten times what it falls to, so a run ends three looks after the first."""
    how = {"updates": 400, "batch": None, "start": 0.1}
    assert train(Sampled(**how, patience=Patience(3, 10.0)), THREE, [0.2], 2)["updates"].tolist() == [40]
    assert train(Sampled(**how, patience=Patience(3, 0.0)), THREE, [0.2], 2)["updates"].tolist() == [400]


@pytest.mark.parametrize("how", [{}, {"batch": 1}, {"learned_variance": True}], ids=str)
def test_half_of_beta_is_half_of_the_temperature(how):
    """Bit by bit, patience included: halves are exact in binary."""
    how = {"updates": 400, "batch": 16, "patience": Patience(3, 1e-3), **how}
    half = train(Sampled(**how, beta=Schedule(((0.0, 0.5),))), THREE, 2 * GRID, 2)
    for name, values in train(Sampled(**how), THREE, GRID, 2).items():
        np.testing.assert_array_equal(values, half[name])


def test_patience_waits_for_beta():
    """While β rises the loss must rise: looks count from where it has come to stay."""
    how = {"updates": 2000, "batch": None, "beta": warm_up(0.6)}
    found = train(Sampled(**how, patience=Patience(3, 1e-6)), THREE, [0.4, 0.2], 3)
    assert np.all(found["updates"] >= 1200 + 3 * 50)
    np.testing.assert_allclose(found["price"], 7 * np.array([0.4, 0.2]), rtol=CLOSED)


@pytest.mark.parametrize("history", [1, 2, 5, 1000])
def test_history_is_that_of_the_run(history):
    """Snapshots are what a shorter run with the same rates would have ended with; no more of them than updates."""
    how = {"batch": 16, "learning_rate": CONSTANT, "optimizer": Adam(1e-3)}
    trainer = Sampled(updates=80, history=history, **how)
    found = train(trainer, THREE, [0.3, 0.1], 2)
    frames = trainer.coordinates()["update"]
    assert found["signal_fraction_history"].shape == (2, len(frames), 2)
    assert len(frames) == min(history, 81)
    assert frames[0] == 0
    assert np.all(np.diff(frames) > 0)
    start = np.stack([Layout(3, 2).parts(Layout(3, 2).start(0, i, 1.0)[None]).decoder[0] for i in (0, 1)])
    np.testing.assert_allclose(found["decoder_history"][:, 0], start, rtol=1e-6)
    for index, update in enumerate(frames[1:].tolist(), start=1):
        if history == 5:
            shorter = train(Sampled(updates=update, **how), THREE, [0.3, 0.1], 2)
            np.testing.assert_array_equal(found["signal_fraction_history"][:, index], shorter["signal_fraction"])
            np.testing.assert_array_equal(found["encoder_history"][:, index], shorter["encoder"].astype(np.float32))


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"updates": 0}, "updates is 0"), ({"updates": 2.5}, "updates is 2.5"), ({"updates": True}, "updates is True"),
     ({"batch": 0}, "batch is 0"), ({"batch": np.nan}, "batch is nan"), ({"batch": "all"}, "batch is 'all'"),
     ({"history": -1}, "history is -1"), ({"precision": np.float32}, "precision is"),
     ({"optimizer": "adam"}, "optimizer is 'adam'"), ({"optimizer": Adam}, "optimizer is"),
     ({"learning_rate": 1e-3}, "learning_rate is 0.001"), ({"beta": 1.0}, "beta is 1.0"),
     ({"beta": cosine()}, "β schedule ends at 0"), ({"loss": "mse"}, "loss is 'mse'"),
     ({"noise": "no"}, "noise is 'no'"), ({"learned_variance": 1}, "learned_variance is 1"),
     ({"patience": 10}, "patience is 10"),
     ({"start": 0}, "start is 0"), ({"start": np.nan}, "start is nan"),
     ({"loss": Loss.bernoulli()}, "trains squared errors, but the loss is Bernoulli: take Neural")],
)  # fmt: skip
def test_bad_settings(settings, complaint):
    check_complaint(lambda: Sampled(**settings), complaint)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [((0,), "looks is 0"), ((2.5,), "looks is 2.5"), (("long",), "looks is 'long'"), ((3, -1.0), "tolerance is -1"),
     ((3, np.nan), "tolerance is nan")],
)  # fmt: skip
def test_bad_patience(settings, complaint):
    check_complaint(lambda: Patience(*settings), complaint)


def check_complaint(make, complaint):
    """One sentence, which says what was given."""
    with pytest.raises(InputError, match=complaint) as caught:
        make()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_batch_of_more_rows_than_there_are_has_them_all(rng):
    data = data_for("rows", rng, 3)
    ends = [train(Sampled(updates=30, batch=size), data, [0.1], 2) for size in (60, 1000, None)]
    for name, values in ends[0].items():
        np.testing.assert_array_equal(values, ends[1][name])
        np.testing.assert_array_equal(values, ends[2][name])


def test_numbers_as_numpy_and_json_have_them():
    plain, other = Sampled(updates=100, batch=8), Sampled(updates=np.int64(100), batch=8.0, history=np.float64(2))
    np.testing.assert_array_equal(train(plain, THREE, [0.1], 2)["decoder"], train(other, THREE, [0.1], 2)["decoder"])
    assert isinstance(other.batch, int)


@pytest.mark.parametrize(
    "how", [Sampled(), Sampled(patience=Patience(3), beta=cyclical(3), optimizer=SGD(np.float64(0.1)), batch=None)]
)
def test_settings_can_be_stored(how):
    stored = json.loads(json.dumps(how.to_dict()))
    assert stored["name"] == "Sampled"
    assert set(stored) == {"name", *Sampled.__dataclass_fields__}
    assert "beta" not in stored["loss"]  # it plays no part


# ------------------------------------------------------------------------------------------------------ memory


@pytest.mark.parametrize(
    ("how", "n", "d", "latents", "models"),
    [({"batch": 64}, None, 10, 10, 16), ({"batch": 256}, 5000, 20, 5, 1), ({"batch": None}, 1000, 10, 4, 8),
     ({"batch": None}, None, 40, 40, 8), ({"batch": 4}, 5000, 10, 4, 16),
     ({"batch": 40, "learned_variance": True}, 3000, 100, 3, 4), ({"batch": 16}, 20_000, 40, 4, 2)],
)  # fmt: skip
def test_memory_is_known_before_training(rng, how, n, d, latents, models):
    """An upper bound, and no more than three times what Python and NumPy allocate."""
    trainer = Sampled(updates=80, **how)
    rows = None if n is None else rng.random((n, d))
    data = TrainingSet(Spectrum.from_eigenvalues(np.ones(d)) if rows is None else Spectrum.from_data(rows), rows)
    promised = trainer.memory(data, latents, models)
    tracemalloc.start()
    train(trainer, data, np.full(models, 0.1), latents)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < promised + 2**18 < 3 * (peak + 2**18)  # a quarter of a megabyte for the program itself


@pytest.mark.parametrize("history", [0, 10])
@pytest.mark.parametrize("held_out", [{}, {"test": np.ones((3, 6))}], ids=["", "held out"])
def test_the_size_of_a_result_is_known(rng, history, held_out):
    rows = table(rng, np.ones(6))
    trainer, data = Sampled(updates=80, history=history), TrainingSet(Spectrum.from_data(rows), rows, held_out=held_out)
    apart = {*WEIGHTS, "pruned_distortion"}  # a scan adds these for any trainer
    size = sum(values.nbytes for name, values in train(trainer, data, [0.1], 4).items() if name not in apart)
    assert size <= trainer.result_bytes(data, 4) <= size + 32  # small integers count as floats
