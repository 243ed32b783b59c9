"""Networks that are trained in JAX: their loss, updates and starts are as stated, and the linear ones follow theory.

Most runs are short and small: each kind of model costs a second or two of compilation.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from oracles import slope

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum
from landau_vae.likelihoods import BERNOULLI, POISSON, Likelihood
from landau_vae.training import SGD, Adam, Neural, Patience, Status, trained_model, warm_up

jax = pytest.importorskip("jax")
from landau_vae.training.descent import Descent, Objective  # noqa: E402
from landau_vae.training.network import Network  # noqa: E402
from landau_vae.training.training_set import TrainingSet, seen_by, training_set  # noqa: E402

SMALL = {"hidden": (8,), "updates": 40, "batch": 16}
GRID = [0.5, 0.05]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(7)
    table = rng.standard_normal((600, 4)) @ rng.standard_normal((4, 4))
    table[:, 0] = np.exp(table[:, 0] / 4)
    return table


def log_cosh():
    """A likelihood of someone's own, in functions that take NumPy arrays only."""
    return Likelihood(
        "log cosh", link=np.copy, value=lambda x, f: np.log(np.cosh(x - f)), score=lambda x, f: -np.tanh(x - f),
        curvature=lambda x, f: np.cosh(x - f) ** -2.0,
    )  # fmt: skip


def neural(**settings):
    return Neural(**(SMALL | settings))


# ------------------------------------------------------------------------------------------------------ what is trained


def plain_loss(network, flat, rows, noise, price, term):
    """The loss row by row, as a training loop has it, through NumPy alone."""
    weights, total = network.weights(flat), 0.0
    for x, epsilon in zip(rows, noise, strict=True):
        (mean,), (logarithm,) = network.encode(weights, x[None])
        (output,) = network.decode(weights, (mean + np.exp(logarithm / 2) * epsilon)[None])
        total += term(x, output, weights) + price * np.sum(mean**2 + np.exp(logarithm) - 1 - logarithm) / 2
    return total / len(rows)


SHIFT = np.array([0.4, 0.5, 0.6])
TERMS = {
    "squares": (lv.loss.GAUSSIAN, False, 0.0, lambda x, f, w: 0.3 * np.sum((x - f) ** 2)),
    "learned": (lv.loss.GAUSSIAN, True, 0.0, lambda x, f, w: 0.3 * np.sum(
        (x - f) ** 2 / np.exp(w.log_decoder_variance[0]) + w.log_decoder_variance[0])),
    "bernoulli": (BERNOULLI, False, SHIFT, lambda x, f, w: 0.3 * np.sum(np.logaddexp(0, f) - (x + SHIFT) * f)),
    "poisson": (POISSON, False, SHIFT, lambda x, f, w: 0.3 * np.sum(np.exp(f) - (x + SHIFT) * f)),
    "one's own": (log_cosh(), False, SHIFT, lambda x, f, w: 0.3 * np.sum(np.log(np.cosh(x + SHIFT - f)))),
}  # fmt: skip


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_the_plain_loss(name, rng):
    """Against central differences of a loop over rows: extrapolated differences agree to about 1e-9."""
    likelihood, learned, shift, term = TERMS[name]
    network = Network(3, 2, (4,), "tanh", learned)
    rows, noise = rng.uniform(-0.3, 0.3, (6, 3)), rng.standard_normal((6, 2))
    flat = rng.uniform(-0.8, 0.8, network.size)
    expected = slope(lambda v: plain_loss(network, v, rows, noise, 0.7, term), flat)
    with jax.enable_x64(True):
        weights = jax.tree.map(jax.numpy.asarray, network.weights(flat))
        arguments = [jax.numpy.asarray(each, float) for each in (rows, shift, noise, 0.7)]
        objective = Objective(network, likelihood, 0.3)
        assert float(objective(weights, *arguments)) == pytest.approx(
            plain_loss(network, flat, rows, noise, 0.7, term), rel=CLOSED
        )
        found = network.flat(jax.tree.map(np.asarray, jax.jit(jax.grad(objective))(weights, *arguments)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "rule", [Adam(0.1), Adam(0.1, 0.5), Adam(0.1, 0.5, decoupled=True), SGD(0.1), SGD(0.1, 0.5, momentum=0.9),
             SGD(0.1, 0.5, decoupled=True)], ids=str,
)  # fmt: skip
def test_an_update_is_that_of_the_optimizer_in_numpy(rule, rng):
    """Three updates with optax and with our own arrays; decay acts on matrices and not on biases."""
    matrix, bias = rng.standard_normal((2, 3)), rng.standard_normal(3)
    ours = np.concatenate([matrix.ravel(), bias])[None]
    memory = rule.memory(ours)
    with jax.enable_x64(True):
        theirs = jax.tree.map(jax.numpy.asarray, (matrix, bias))
        transform = rule.rule()
        state = transform.init(theirs)
        for update in range(3):
            gradient = rng.standard_normal(9)
            tree = (jax.numpy.asarray(gradient[:6].reshape(2, 3)), jax.numpy.asarray(gradient[6:]))
            rule.step(ours, gradient[None].copy(), memory, 0.5, update + 1, slice(0, 6))
            theirs, state = rule.descend(transform, theirs, state, tree, 0.5)
    np.testing.assert_allclose(ours[0], np.concatenate([np.ravel(each) for each in theirs]), rtol=1e-10)


def test_a_linear_network_follows_the_exact_models(rng):
    """On a spectrum (Gaussian batches). What noise leaves of M² after 3 000 updates is below 0.02 (16 such runs)."""
    spectrum = Spectrum.from_eigenvalues([4, 1, 0.25])
    how = Neural(hidden=(), updates=3000, optimizer=Adam(1e-2))
    models = lv.scan(spectrum, [0.9, 0.4, 0.1], latents=3, seeds=2, trainer=how)
    exact = lv.scan(spectrum, [0.9, 0.4, 0.1], latents=3)
    ranked = lambda scan: np.sort(scan.signal_fraction.values, axis=-1)  # noqa: E731
    np.testing.assert_allclose(ranked(models), ranked(exact).repeat(2, axis=0), atol=0.03)
    np.testing.assert_allclose(models.rate.sum("latent"), exact.rate.sum("latent").values.repeat(2, axis=0), atol=0.03)
    # Rows of exactly this covariance, 8 192 draws of noise: 2 % of the distortion
    np.testing.assert_allclose(models.distortion, exact.distortion.values.repeat(2, axis=0), rtol=0.04)
    np.testing.assert_allclose(models.price, 5.25 * models.temperature.values[None].repeat(2, axis=0), rtol=1e-6)
    assert np.all(models.status == Status.CONVERGED)
    assert models.signal_fraction.isel(temperature=0).max() < 0.01


def test_a_linear_network_on_rows_is_a_sampled_model(rows):
    """Two trainers, one minimum: both within 0.03 of the exact order parameters of these rows."""
    exact = np.sort(lv.scan(rows, [0.3, 0.1], latents=2).signal_fraction.values[0])
    how = Neural(hidden=(), updates=3000, batch=64, optimizer=Adam(1e-2))
    models = lv.scan(rows, [0.3, 0.1], latents=2, trainer=how)
    np.testing.assert_allclose(np.sort(models.signal_fraction.values[0]), exact, atol=0.03)
    model = trained_model(models, 0.1)
    np.testing.assert_allclose(model.decode(model.encode(rows)[0]).mean(axis=0), rows.mean(axis=0), atol=0.15)


@pytest.mark.parametrize(("likelihood", "top"), [("bernoulli", 1.6), ("poisson", 1.6), ("own", 1.6)])
def test_other_likelihoods_live_below_the_top_of_their_spectrum_and_die_above(likelihood, top, rng):
    """One strong common cause: at half of the first threshold a latent lives, at one and a half it is dead."""
    cause = rng.standard_normal((2000, 1))
    log_mean = 0.8 * cause + 0.1 * rng.standard_normal((2000, 4))
    data, loss = {
        "bernoulli": ((log_mean + 0.5 * rng.logistic(size=(2000, 4)) > 0).astype(float), Loss.bernoulli()),
        "poisson": (rng.poisson(np.exp(log_mean)).astype(float), Loss.poisson()),
        "own": (log_mean, Loss.of(log_cosh())),
    }[likelihood]
    first = seen_by(loss.likelihood, training_set(data))[1].normalized[0]
    how = Neural(hidden=(16,), updates=1500, batch=128, loss=loss, optimizer=Adam(3e-3))
    models = lv.scan(data, [top * first, 0.5 * first], latents=1, trainer=how)
    dead, alive = models.signal_fraction.values[0, :, 0]
    assert dead < 0.05 < 0.2 < alive


def test_a_network_bends_where_a_line_cannot(rng):
    """A parabola, whose components are uncorrelated: one latent of a network explains both, of a line only one."""
    x = rng.standard_normal(2000)
    parabola = np.column_stack([x, (x**2 - 1) / np.sqrt(2)]) + 0.05 * rng.standard_normal((2000, 2))
    bent, straight = (
        float(
            lv.scan(parabola, [0.01], latents=1, trainer=neural(hidden=hidden, updates=2500, batch=64)).distortion[0, 0]
        )
        for hidden in ((24,), ())
    )
    assert bent < 0.2 < 0.45 < straight


# --------------------------------------------------------------------------------------------------- what a run returns


@pytest.fixture(scope="module")
def models(rows):
    return lv.scan(rows, GRID, latents=3, seeds=2, trainer=neural(updates=300))


def test_observables_keep_their_definitions(models, rows):
    """Through the encoder and decoder that come back, on all rows."""
    model = trained_model(models, 0.05, seed=1)
    one = models.sel(seed=1).isel(temperature=1)
    mean, log_variance = model.encode(rows)
    square, variance = np.mean(mean**2, axis=0), np.exp(log_variance).mean(axis=0)
    np.testing.assert_allclose(one.mean_square, square, rtol=1e-4)  # of float32
    np.testing.assert_allclose(one.posterior_variance, variance, rtol=1e-4)
    np.testing.assert_allclose(one.signal_fraction, square / (square + variance), rtol=1e-4)
    rate = np.mean(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=0) / 2
    np.testing.assert_allclose(one.rate, rate, rtol=1e-3, atol=1e-5)
    total, noise = rows.var(axis=0).sum(), np.random.default_rng(0).standard_normal((200, *mean.shape))
    errors = [
        np.square(rows - model.decode(mean + np.exp(log_variance / 2) * each)).sum(axis=1).mean() for each in noise
    ]
    assert float(one.distortion) == pytest.approx(np.mean(errors) / total, abs=SAMPLED * np.std(errors) / total)
    price = 0.05 * total
    assert float(one.price) == pytest.approx(price, rel=1e-5)
    assert float(one.loss) == pytest.approx(float(one.distortion) * total / 2 + price * rate.sum(), rel=1e-4)
    kept = model.decode(mean) - rows
    assert float(one.pruned_distortion.sel(reconstruction="mean")[-1]) == pytest.approx(
        kept.var(axis=0).sum() / total, rel=1e-4
    )
    assert np.all(np.diff(np.sort(-one.signal_fraction)) >= 0)


def test_standardised_models_take_and_give_original_units(rows):
    how = neural(hidden=(), updates=1500, optimizer=Adam(1e-2))
    model = trained_model(lv.scan(rows * 100 + 7, [0.02], latents=4, standardize=True, trainer=how), 0.02)
    again = model.decode(model.encode(rows * 100 + 7)[0])
    assert np.mean((again - rows * 100 - 7) ** 2) < 0.15 * np.mean((rows - rows.mean(axis=0)) ** 2) * 1e4


@pytest.mark.parametrize("trainer", ["exact", "sampled"])
def test_linear_models_come_back_too(trainer, rows):
    how = {"exact": None, "sampled": lv.training.Sampled(updates=300)}[trainer]
    scan = lv.scan(rows, GRID, latents=2, trainer=how)
    model, one = trained_model(scan, 0.05), scan.isel(seed=0, temperature=1)
    mean, log_variance = model.encode(rows)
    np.testing.assert_allclose(np.mean(mean**2, axis=0), one.mean_square, rtol=1e-6)
    np.testing.assert_allclose(np.exp(log_variance[0]), one.posterior_variance, rtol=1e-9)
    error = (
        np.square(rows - model.decode(mean)).sum(axis=1).mean()
        + np.exp(log_variance[0]) @ np.square(one.decoder).sum("feature").values
    )
    assert error / rows.var(axis=0).sum() == pytest.approx(float(one.distortion), rel=1e-6)


def test_a_model_does_not_feel_its_neighbours(models, rows, tmp_path):
    """To the bit: other workers, another order, a folder, fewer seeds."""
    how = neural(updates=300)
    assert lv.scan(rows, GRID, latents=3, seeds=2, trainer=how, workers=2).equals(models)
    alone = lv.scan(rows, GRID, latents=3, seeds=[1], trainer=how, folder=tmp_path)
    assert alone.equals(models.sel(seed=[1]))
    assert lv.scan(rows, GRID, latents=3, seeds=[1], trainer=how, folder=tmp_path).equals(alone)


def test_weights_can_be_left_out(models, rows):
    bare = lv.scan(rows, GRID, latents=3, seeds=2, trainer=neural(updates=300), keep_weights=False)
    assert bare.equals(models.drop_vars("network"))
    with pytest.raises(InputError, match="no weights"):
        trained_model(bare, 0.05)


def test_a_scan_on_file(models, tmp_path):
    lv.training.save_scan(tmp_path / "scan.nc", models)
    back = lv.training.load_scan(tmp_path / "scan.nc")
    assert back.identical(models)
    z = np.zeros((1, 3))
    np.testing.assert_array_equal(trained_model(back, 0.05).decode(z), trained_model(models, 0.05).decode(z))


def test_parts_that_are_held_out(rows):
    """Measured on the test part, in the scale of the training part; its distortion and loss are those listed."""
    how = {"latents": 2, "splits": (0.6, 0.2, 0.2)}
    plain = lv.scan(rows, [0.05], trainer=neural(updates=200), **how)
    held = lv.scan(rows, [0.05], trainer=neural(updates=200, measured_on="test"), **how)
    np.testing.assert_array_equal(held.network, plain.network)
    one, other = held.isel(seed=0, temperature=0), plain.isel(seed=0, temperature=0)
    for value in (one.test_distortion, other.test_distortion):
        assert float(one.distortion) == pytest.approx(float(value), rel=1e-6)
    assert float(one.loss) == pytest.approx(float(other.test_loss), rel=1e-6)
    assert float(other.loss) != pytest.approx(float(other.test_loss), rel=1e-3)
    assert float(other.validation_loss) != pytest.approx(float(other.test_loss), rel=1e-3)


def test_early_stopping(rows):
    """A tolerance that nothing reaches stops at the first look that counts, and a run stopped is a run that short."""
    how = {"updates": 400, "beta": warm_up(0.5), "learning_rate": lv.training.schedules.CONSTANT}
    impatient = Patience(looks=1, tolerance=10.0)
    stopped = lv.scan(rows, GRID, latents=2, trainer=neural(patience=impatient, **how))
    assert stopped.updates.values.tolist() == [[210, 210]]  # the first look at half of 400, then one more
    patient = lv.scan(rows, GRID, latents=2, trainer=neural(patience=Patience(looks=40), **how))
    assert patient.updates.values.tolist() == [[400, 400]]
    assert not np.array_equal(patient.network, stopped.network)


def test_weighted_rows_are_drawn_and_measured_by_their_weights(rng):
    """Rows of weight 0 do not count, whatever they hold."""
    good = rng.standard_normal((300, 3)) * [2, 1, 0.1]
    table, weights = np.vstack([good, np.full((100, 3), 50.0)]), np.r_[np.ones(300), np.zeros(100)]
    models = lv.scan(table, [0.05], latents=2, weights=weights, trainer=neural(updates=200))
    assert models.distortion.item() < 2
    assert models.price.item() == pytest.approx(0.05 * good.var(axis=0).sum(), rel=1e-5)


def test_double_precision_leaves_the_setting_of_jax_alone(rows):
    models = lv.scan(rows, [0.1], latents=1, trainer=neural(precision="float64"))
    assert models.network.dtype == np.float64
    assert jax.numpy.ones(1).dtype == np.float32
    single = lv.scan(rows, [0.1], latents=1, trainer=neural())
    assert single.network.dtype == np.float32
    np.testing.assert_allclose(models.loss, single.loss, rtol=0.05)  # other noise


def test_a_learned_variance_is_the_error_of_a_feature(rows):
    how = neural(updates=1500, learned_variance=True, optimizer=Adam(1e-2))
    models = lv.scan(rows, [0.1], latents=2, trainer=how)
    variance = np.exp(models.network.values[0, 0, -1])
    error = models.distortion.item() * rows.var(axis=0).sum() / 4
    assert variance == pytest.approx(error, rel=0.1)  # the noise of the last updates
    assert models.price.item() == pytest.approx(0.1 * 4 * variance, rel=1e-5)


# ------------------------------------------------------------------------------------------------------------ bad input


def test_a_run_that_diverges_says_so_and_keeps_the_others(rows):
    models = lv.scan(rows, GRID, latents=1, trainer=neural(optimizer=SGD(1e8)))
    assert np.all(models.status == Status.DIVERGED)
    assert np.isnan(models.loss).all()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"hidden": (0,)}, "hidden"), ({"hidden": 64}, "hidden"), ({"activation": "sine"}, "'silu'"),
        ({"updates": 0}, "updates is 0"), ({"batch": None}, "batch"), ({"precision": "float16"}, "float32"),
        ({"learned_variance": True, "loss": Loss.bernoulli()}, "no variance to learn"),
        ({"beta": lv.training.anneal(1.0, 1e-9)}, None), ({"optimizer": "adam"}, "an optimizer such as"),
        ({"beta": lv.training.Schedule(((0.0, 1.0), (1.0, 0.0)))}, "ends at 0"),
        ({"log_variance": np.nan}, "log_variance"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be(settings, complaint):
    if complaint is None:
        assert Neural(**settings).beta.final == pytest.approx(1e-9)
        return
    with pytest.raises(InputError, match=complaint):
        Neural(**settings)


@pytest.mark.parametrize(
    ("source", "settings", "complaint"),
    [
        (Spectrum.from_eigenvalues([2, 1]), {"loss": Loss.bernoulli()}, "needs samples"),
        (np.random.default_rng(0).standard_normal((50, 3)), {"loss": Loss.bernoulli()}, "from 0 to 1, but these run"),
        (np.eye(5), {"measured_on": "test"}, "there is no such part"),
    ],
)
def test_data_that_a_network_cannot_take(source, settings, complaint):
    with pytest.raises(InputError, match=complaint):
        lv.scan(source, [0.1], latents=1, trainer=neural(**settings))


@pytest.mark.parametrize("loss", [Loss.bernoulli(), Loss.poisson()])
def test_constant_columns_cost_nothing(loss):
    """They neither change the spectrum that T counts in, nor make a network fail: its outputs there are finite."""
    bits = np.random.default_rng(0).integers(0, 2, (60, 2)).astype(float)
    padded = np.c_[bits, np.zeros(60), bits[:, 0]]
    origin, seen = seen_by(loss.likelihood, training_set(padded))
    expected = seen_by(loss.likelihood, training_set(padded[:, [0, 1, 3]]))[1]
    np.testing.assert_allclose(seen.eigenvalues, expected.eigenvalues, rtol=1e-12)
    assert np.isfinite(origin).all()
    models = lv.scan(padded, [0.1], latents=1, trainer=neural(loss=loss))
    assert np.isfinite(models.loss).all()


def test_a_network_larger_than_memory_is_refused_before_it_is_made(rows):
    how = Neural(hidden=(200_000, 200_000))
    assert not lv.training.plan(rows, GRID, trainer=how).fits
    with pytest.raises(InputError, match=r"needs .* TB|needs .* GB"):
        lv.scan(rows, GRID, trainer=how)


def test_without_jax_one_sentence_names_the_extra(monkeypatch):
    monkeypatch.setattr("landau_vae.training.neural.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'landau-vae\[jax\]'"):
        Neural()


def test_linear_work_never_imports_jax():
    """Nor does the trainer's class; a fresh process tells."""
    code = (
        "import sys, landau_vae as lv; from landau_vae.training import Neural, Sampled; Neural();"
        "s = lv.Spectrum.from_eigenvalues([4, 1]); lv.verify(lv.scan(s, [0.4, 0.1]));"
        "lv.scan(s, [0.4], trainer=Sampled(updates=5)); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_settings_are_on_record(models):
    record = json.loads(models.attrs["trainer"])
    assert (record["name"], record["hidden"], record["linear"]) == ("Neural", [8], False)


def test_bad_calls_of_a_trained_model(models, rows):
    model = trained_model(models, 0.05)
    for call, complaint in [
        (lambda: model.encode(rows[:, :2]), r"rows has shape \(600, 2\), but \(n, 4\)"),
        (lambda: model.decode(np.zeros((2, 5))), r"latents has shape \(2, 5\), but \(n, 3\)"),
        (lambda: trained_model(models, 0.05, seed=9), r"seed is 9, but the scan has \[0, 1\]"),
        (lambda: trained_model(models, 0.05, 1, "bernoulli"), "likelihood is 'bernoulli', .* with 'gaussian'"),
        (lambda: trained_model(models.assign_coords(temperature=[0.5, 0.0]), 0.05), "has the temperature 0, but T"),
    ]:
        with pytest.raises(InputError, match=complaint):
            call()


def test_progress_adds_up(rows):
    heard = []
    Descent(neural(updates=90), TrainingSet(Spectrum.from_data(rows), rows), 1, heard.append).train(
        np.array([0.1, 0.2]), [(0, 0), (0, 1)]
    )
    assert sum(heard) == pytest.approx(2)


def test_a_model_that_does_worse_than_none_is_not_at_rest(rows):
    """Gradients of data of a millionth are below Adam's ε: nothing moves, and nothing has converged."""
    models = lv.scan(1e-6 * rows, GRID, latents=2, trainer=Neural(**SMALL))
    assert (models.status != Status.CONVERGED).all()
    assert (models.distortion > 1).all()


def test_a_folder_knows_likelihoods_of_one_name_apart(rows, tmp_path):
    def train(shape):
        own = Likelihood(
            "counts", variance=lambda m: m + m**2 / shape, link=np.log, support=(0, np.inf),
            value=lambda x, f: (x + shape) * np.log(shape + np.exp(f)) - x * f,
            score=lambda x, f: (x + shape) * np.exp(f) / (shape + np.exp(f)) - x,
            curvature=lambda x, f: (x + shape) * shape * np.exp(f) / (shape + np.exp(f)) ** 2,
        )  # fmt: skip
        counts = np.random.default_rng(0).poisson(3.0, (60, 2)).astype(float)
        trainer = Neural(**SMALL, loss=Loss.of(own))
        return lv.scan(counts, [0.5], latents=1, trainer=trainer, folder=tmp_path)

    train(0.5)
    with pytest.raises(InputError, match="differs in its likelihood"):
        train(50.0)


def test_a_part_of_one_row_is_not_measured_on(rows):
    with pytest.raises(InputError, match="has one row, but its variance is needed"):
        lv.scan(rows[:10], GRID, trainer=Neural(**SMALL, measured_on="test"), splits=(0.8, 0.1, 0.1))
