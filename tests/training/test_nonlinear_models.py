"""Models that are not linear: what they agree with where an exact answer is known, and how their runs end."""

import pickle

import numpy as np
import pytest
from conftest import CLOSED
from oracles import bernoulli_minimum
from scipy.special import expit

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum, limits
from landau_vae.likelihoods import Generator, Likelihood
from landau_vae.training import SGD, Adam, Neural, Schedule, Status, trained_model
from landau_vae.training.stopping import LOOKS, evenly, last_movement
from landau_vae.verification import causes

jax = pytest.importorskip("jax")
from landau_vae.training import descent  # noqa: E402
from landau_vae.training.network import Network  # noqa: E402
from landau_vae.training.training_set import training_set  # noqa: E402

SINGLE = 1e-6  # of numbers in float32
CONSTANT = Schedule(((0.0, 1.0),))
DOWN = Schedule(((0.0, 1.0), (0.3, 0.0)))  # 0 for most of the run


# -------------------------------------------------------------------------------------- against exact answers


def test_a_bernoulli_decoder_dies_at_the_top_of_its_own_spectrum():
    """Three binary columns; T counts in the trace of F⁻¹C = 3, so the first latent dies at λ₁/3 of the correlations.

    A network without hidden layers against quadrature. All rows at a falling rate: what noise of ε leaves in M² is
    below 0.03.
    """
    patterns, counts = np.array(list(np.ndindex(2, 2, 2)), dtype=float), np.array([40, 5, 10, 12, 6, 20, 2, 55])
    rows = np.repeat(patterns, 20 * counts, axis=0)
    threshold = np.linalg.eigvalsh(np.corrcoef(rows.T))[-1] / 3
    T = threshold * np.array([1.15, 0.8, 0.5])
    how = Neural(hidden=(), updates=3000, batch=len(rows), optimizer=Adam(1e-2), loss=Loss.bernoulli())
    found = lv.scan(rows, T, latents=1, trainer=how).isel(seed=0)
    least = [bernoulli_minimum(patterns, counts, 3 * t) for t in T]
    np.testing.assert_allclose(found.signal_fraction[:, 0], [fraction for _, fraction in least], atol=0.03)
    np.testing.assert_allclose(found.loss, [loss for loss, _ in least], atol=0.08)  # 3000 draws
    assert found.signal_fraction[0, 0] < 0.01
    assert found.signal_fraction[1, 0] > 0.1
    np.testing.assert_allclose(found.price, 3 * T, rtol=SINGLE)  # in nats of cross-entropy, as those of the spectrum


def test_a_bernoulli_decoder_on_more_columns_than_rows(rng):
    rows = (rng.random((10, 14)) < 0.5).astype(float)
    rows[0], rows[1] = 0, 1  # no column is constant
    how = Neural(hidden=(4,), updates=20, batch=4, loss=Loss.bernoulli())
    models = lv.scan(rows, [0.1], latents=2, trainer=how)
    np.testing.assert_allclose(models.price, 0.1 * 14, rtol=SINGLE)  # F⁻¹C has ones on its diagonal
    means = trained_model(models, 0.1).decode(np.zeros((1, 2)))
    assert means.shape == (1, 14)
    assert np.all((means > 0) & (means < 1))


def test_a_tanh_network_of_small_arguments_is_a_linear_one(rng):
    """Data of amplitude 1e-2 and weights of 0.03: tanh departs from its argument by less than 1 %."""
    rows = 1e-2 * rng.standard_normal((400, 2)) * [2.0, 1.4]
    how = Neural(hidden=(6,), activation="tanh", updates=300, batch=4, optimizer=SGD(1e-3), start=0.03)
    model = trained_model(lv.scan(rows, [0.1], latents=2, trainer=how), 0.1)
    (first, bias), (second, last) = model.weights.layers[2:]  # of the decoder
    z = rng.standard_normal((50, 2))
    np.testing.assert_allclose(model.output(z), (z @ first + bias) @ second + last, rtol=1e-2, atol=1e-5)
    wide = 100 * z
    assert np.abs(model.output(wide) - (wide @ first + bias) @ second - last).max() > 1e-3


# ---------------------------------------------------------------------------------------------- how runs end


def test_the_last_movement_is_counted_in_training_time():
    """Looks that rise as long as the rate is above 0, and one model that stopped half-way."""
    at = evenly(1000, LOOKS)[1:]
    looks = np.clip(at / 300, 0, 1)[:, None, None] * np.ones((1, 2, 3))
    steady = last_movement(CONSTANT, 1000, looks, np.array([1000, 1000]))
    np.testing.assert_allclose(steady, 0, atol=CLOSED)  # still for the last half
    down = last_movement(DOWN, 1000, looks, np.array([1000, 1000]))
    assert np.all(down > limits.AT_REST)  # all of its training was in the first 300 updates
    whole, stopped = last_movement(CONSTANT, 1000, looks, np.array([1000, 275]))
    np.testing.assert_allclose(whole, 0, atol=CLOSED)
    shares = at[at <= 275] / 275
    rising = looks[: len(shares), 0, 0]
    third, last = rising[(shares > 0.5) & (shares <= 0.75)], rising[shares > 0.75]
    np.testing.assert_allclose(stopped, last.mean() - third.mean(), rtol=CLOSED)
    assert np.isinf(last_movement(CONSTANT, 1000, looks, np.array([25, 25]))).all()  # one look is not enough
    looks[-1] = np.nan
    assert np.isinf(last_movement(CONSTANT, 1000, looks, np.array([1000, 1000]))).all()


def test_a_rate_that_has_run_down_hides_no_movement():
    """The rate is zero for most of the run: quarters are those of training time."""
    how = {"hidden": (8,), "activation": "tanh", "updates": 1000, "batch": 64, "optimizer": SGD(0.3)}
    data = Spectrum.from_eigenvalues([0.3, 0.1])
    stopped = lv.scan(data, [0.05], latents=2, trainer=Neural(**how, learning_rate=DOWN))
    assert stopped.status.values.item() == Status.MOVING
    never = lv.scan(data, [0.05], latents=2, trainer=Neural(**how, learning_rate=Schedule(((0.0, 0.0),))))
    assert never.status.values.item() != Status.CONVERGED


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_plateau_of_a_decoder_that_is_not_linear(rng, likelihood):
    """The fully collapsed state is judged, by the spectrum that counts for the decoder: its modes are at λ/V."""
    rows = (rng.random((400, 3)) < expit(3 * rng.standard_normal((400, 1)) * [1.0, 0.5, 0.1])).astype(float)
    matrix = np.corrcoef(rows.T) if likelihood == "bernoulli" else np.cov(rows.T, bias=True)
    first, second, _ = np.linalg.eigvalsh(matrix)[::-1] / np.trace(matrix)
    T = [1.2 * first, 0.5 * (first + second), 0.8 * second]
    loss = Loss.bernoulli() if likelihood == "bernoulli" else Loss.gaussian()
    how = Neural(hidden=(8,), activation="tanh", updates=50, batch=8, loss=loss, start=1e-4, optimizer=Adam(1e-7))
    found = lv.scan(rows, T, latents=3, trainer=how).isel(seed=0)
    assert found.status.values.tolist() == [Status.CONVERGED, Status.PLATEAU, Status.PLATEAU]
    assert found.waiting[:2].values.tolist() == [0, 1]
    assert found.waiting[2] >= 2


@pytest.mark.parametrize("optimizer", [SGD(1e6), Adam(1e30)], ids=lambda rule: repr(rule)[:20])
@pytest.mark.parametrize("how", [{}, {"learned_variance": True}, {"precision": "float64"}], ids=str)
def test_a_learning_rate_that_is_far_too_high_diverges_without_a_warning(how, optimizer):
    """Warnings are errors here."""
    trainer = Neural(hidden=(4,), activation="tanh", updates=60, batch=8, optimizer=optimizer, **how)
    found = lv.scan(Spectrum.from_eigenvalues([4, 2, 1]), [0.3, 0.1], latents=2, trainer=trainer)
    lost = ~np.isfinite(found.loss.values)
    assert np.all(found.status.values[lost] == Status.DIVERGED)
    assert not found.converged.any()


@pytest.mark.parametrize(
    ("start", "expected"), [(1e-6, [Status.CONVERGED, Status.PLATEAU]), (1.0, [Status.MOVING, Status.PLATEAU])]
)
def test_a_learned_variance_is_at_rest_only_where_it_is_the_error(rng, start, expected):
    """Rows of 1 % of a unit: τ is theirs, and weights that stand still are not at rest where the error is larger."""
    rows = 1e-2 * rng.standard_normal((400, 2)) * [2.0, 1.0]
    first = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[-1] / rows.var(axis=0).sum()
    how = Neural(hidden=(8,), updates=40, batch=8, start=start, optimizer=Adam(1e-9), learned_variance=True)
    found = lv.scan(rows, [1.2 * first, 0.8 * first], latents=1, trainer=how)
    assert found.status.values.tolist() == [expected]


def test_models_that_diverge_do_not_harm_others(rng):
    rows = rng.standard_normal((50, 2))
    how, data = Neural(hidden=(4,), updates=8, batch=8, patience=lv.training.Patience(1)), training_set(rows)
    sound = how.network(2, 1).flat(how.network(2, 1).start(0, 0)).astype("f4")
    train = lambda *weights: descent.Descent(how.starting_from(np.stack(weights)), data, 1, lambda done: None).train(  # noqa: E731
        np.full(len(weights), 0.1), [(0, 0)] * len(weights)
    )
    found, alone = train(np.full_like(sound, np.nan), sound, 1e25 * sound), train(sound)
    assert found["status"][1].tolist() == [Status.DIVERGED, alone["status"][1][0], Status.DIVERGED]
    for name, (_, values) in alone.items():
        np.testing.assert_array_equal(found[name][1][1], values[0])


def test_rows_beyond_single_precision_diverge_without_a_warning(rng):
    how = Neural(hidden=(4,), updates=4, batch=8, learned_variance=True)
    found = lv.scan(1e60 * rng.standard_normal((40, 2)), [0.1], latents=1, trainer=how)
    assert found.status.item() == Status.DIVERGED
    trained_model(found, 0.1).encode([[1.0, 2.0]])
    advice = "bring the data to unit scale (standardize=True), or take smaller initial weights (Neural(start=…)), or"
    assert advice in lv.verification.onsets(found).conclusion()
    assert advice in causes.diverged(causes.Case(found, None, None, None)).advice


def test_one_compilation_serves_all_temperatures_and_seeds(rng, caplog):
    """What the first model has had compiled is enough for the others."""
    how, rows = Neural(hidden=(3,), updates=45, batch=7), rng.standard_normal((40, 2))
    with jax.log_compiles():
        lv.scan(rows, [0.3], latents=1, trainer=how)
        assert "XLA compilation" in caplog.text
        caplog.clear()
        lv.scan(rows, [0.5, 0.2, 0.1], seeds=2, latents=1, trainer=how)
    assert "XLA compilation" not in caplog.text


def test_more_modes_than_rows_are_pruned_on(monkeypatch):
    """Rows of exactly C take two per mode; without latents their whole variance is left."""
    monkeypatch.setattr(descent, "WATCHED", 8)
    found = lv.scan(Spectrum.from_eigenvalues([5, 4, 3, 2, 1, 1]), [0.1], latents=1, trainer=Neural((2,), updates=2))
    np.testing.assert_allclose(found.pruned_distortion.sel(rank=0), 1, rtol=1e-5)


# ------------------------------------------------------------------------------------------------ likelihoods


def exponential(f):
    """Poisson's A, A′ and A″ in functions that take NumPy arrays only."""
    each = np.exp(np.asarray(f))
    return Generator(each, each, each)


class Unhashable:
    __hash__ = None

    def __call__(self, f):
        return exponential(f)


def train_counts(likelihood):
    rows = np.random.default_rng(3).poisson(2.0, (60, 2)).astype(float)
    how = Neural(hidden=(4,), updates=20, batch=16, loss=Loss(1.0, likelihood=likelihood))
    return lv.scan(rows, [0.1], latents=1, trainer=how)


def own(generator, **functions):
    return Likelihood("counts", generator=generator, link=np.log, support=(0, np.inf), **functions)


WITHOUT_MEAN = Likelihood(
    "counts", link=np.log, value=lambda x, f: np.exp(f) - x * f, score=lambda x, f: np.exp(f) - x,
    curvature=lambda x, f: np.exp(f),
)  # fmt: skip


def test_functions_that_take_numpy_arrays_only_train_the_same_model():
    """Unhashable ones, too; a likelihood that does not say its mean has no distortion."""
    known, same, without = (train_counts(each) for each in (lv.loss.POISSON, own(Unhashable()), WITHOUT_MEAN))
    for name in ("loss", "signal_fraction", "distortion", "pruned_distortion"):
        np.testing.assert_allclose(same[name], known[name], rtol=1e-4)
    np.testing.assert_allclose(without.loss, known.loss, rtol=1e-4)
    assert np.isnan(without.distortion).all()
    assert np.isnan(without.pruned_distortion).all()
    assert without.status.item() == known.status.item()
    said = lv.verification.onsets(without).conclusion()
    assert "The likelihood 'counts' does not say its mean, so there are no distortions: make it with generator" in said
    for given in (None, "counts"):
        with pytest.raises(InputError, match="has only the name of its likelihood, 'counts': give the object"):
            trained_model(without, 0.1, likelihood=given)
    with pytest.raises(InputError, match="likelihood is 'poisson', but the scan was trained with 'counts'"):
        trained_model(without, 0.1, likelihood="poisson")
    assert trained_model(without, 0.1, likelihood=WITHOUT_MEAN).likelihood is WITHOUT_MEAN


def test_reconstructions_that_are_no_numbers_are_of_a_diverged_model():
    def hollow(f):
        return exponential(f)._replace(mean=np.exp(np.asarray(f)) + (np.inf if np.ndim(f) > 1 else 0))

    each = WITHOUT_MEAN
    found = train_counts(own(hollow, value=each.value, score=each.score, curvature=each.curvature))
    assert np.isfinite(found.loss).all()
    assert found.status.item() == Status.DIVERGED


def test_a_copy_of_a_likelihood_is_compiled_for_already():
    """As a worker has one for each task."""
    copies = [pickle.loads(descent.dumps(own(lambda f: exponential(f)))) for _ in range(2)]
    assert copies[0] != copies[1]
    first, second = (descent.Objective(Network(2, 1), each, 0.5) for each in copies)
    assert (first, hash(first)) == (second, hash(second))
    assert first != descent.Objective(Network(2, 1), own(exponential), 0.5)


def test_what_a_likelihood_raises_is_told():
    def late(f):
        if np.asarray(f).dtype == np.float32:
            raise ValueError("too\nlate")
        return exponential(f)

    for generator, complaint in [(lambda f: 1 / 0, r"ZeroDivisionError .*division"), (late, r"ValueError .*too late")]:
        with pytest.raises(InputError, match=f"^The likelihood 'counts' raised {complaint}") as caught:
            train_counts(own(generator))
        assert (caught.value.argument, "\n" in str(caught.value)) == ("loss", False)


# ------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [([[0.0, 1.0], [2.0, 0.0]], "are from 0 to 1, but these run from 0 to 2"),
     ([[0.0, 1.0], [-0.5, 0.0]], "these run from -0.5 to 1")],
)  # fmt: skip
def test_data_that_a_bernoulli_decoder_cannot_give(rows, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        lv.scan(rows, [0.1], latents=1, trainer=Neural(updates=3, loss=Loss.bernoulli()))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
