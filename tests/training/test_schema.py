"""One schema for all trainers: what they return has the names, dimensions and meaning that `OBSERVABLES` says."""

import json

import numpy as np
import pytest
from conftest import CLOSED
from trainers import Means

import landau_vae as lv
from landau_vae import InputError, Spectrum, scan
from landau_vae.training import OBSERVABLES, Adam, Exact, Neural, Sampled, Status, trained_model, validate
from landau_vae.training.record import recorded_likelihood

TRAINERS = {
    "exact": Exact(),
    "moments": Sampled(updates=200, batch=32),
    "rows": Sampled(updates=200, batch=1, history=3),
    "learned variance": Sampled(updates=200, batch=32, learned_variance=True),
    # settings of Neural, which needs JAX
    "network": {"hidden": (8,), "activation": "tanh", "updates": 200, "batch": 32},
    "bernoulli": {"hidden": (8,), "updates": 200, "batch": 32, "loss": lv.Loss.bernoulli()},
}
REQUIRED = list(OBSERVABLES)[:8]
WEIGHTS = [name for name, observable in OBSERVABLES.items() if observable.weight]


@pytest.fixture(scope="module")
def rows():
    return (np.random.default_rng(0).standard_normal((300, 4)) @ np.diag([2, 1, 0.5, 0.3]) > 0.2).astype(float)


def trainer_of(kind):
    trainer = TRAINERS[kind]
    if isinstance(trainer, dict):
        pytest.importorskip("jax")
        return Neural(**trainer)
    return trainer


@pytest.fixture(scope="module", params=TRAINERS)
def models(request, rows):
    return scan(rows, [0.3, 0.1, 0.02], seeds=(0, 1), latents=3, trainer=trainer_of(request.param))


def test_every_trainer_returns_the_observables(models):
    assert validate(models, *REQUIRED, "converged", "covariance") is models
    assert models.pruned_distortion.sizes["rank"] == 4
    assert models.signal_fraction.attrs == {"long_name": "order parameter M2", "units": "1"}
    known = {*OBSERVABLES, "iterations", "relative_gradient"}
    assert known >= set(map(str, models.data_vars))


def test_temperatures_are_shares_of_the_total_variance(models):
    """Also where that is not the data's: T V is the price, and the distortion a share of the data's own variance."""
    settings, total = json.loads(models.attrs["trainer"]), models.attrs["total_variance"]
    data = float(np.trace(models.covariance))
    assert (total == pytest.approx(data)) == recorded_likelihood(settings).squared
    if "price" in models and not settings["learned_variance"]:
        np.testing.assert_allclose(models.price, np.broadcast_to(models.temperature * total, (2, 3)), rtol=1e-6)
    whole = models.pruned_distortion[..., -1]
    assert models.attrs["temperature"].count("that of the likelihood") == (total != pytest.approx(data))
    np.testing.assert_allclose(whole.sel(reconstruction="sampled"), models.distortion, rtol=0.1)


def test_observables_keep_their_definitions(models):
    """Ranked pruning begins at all of the variance; kept whole and sampled, it is the distortion but for biases."""
    square, variance = models.mean_square, models.posterior_variance
    rounding = 1e-6 if "network" in models else CLOSED  # networks are trained and measured in float32
    np.testing.assert_allclose(models.signal_fraction, square / (square + variance), rtol=rounding)
    pruned = models.pruned_distortion.transpose("seed", "temperature", "reconstruction", "rank")
    allowed = 0.02 if "network" in models else CLOSED  # a network's samples are drawn, once for each of 300 rows
    assert np.all(pruned.sel(reconstruction="mean") <= pruned.sel(reconstruction="sampled") + allowed)
    np.testing.assert_allclose(pruned[..., 0], 1, rtol=rounding)
    whole = pruned.sel(reconstruction="sampled")[..., -1]
    np.testing.assert_allclose(whole, models.distortion, rtol=0.1)
    assert set(np.unique(models.status)) <= set(Status)


def test_pruning_of_a_decoder_that_is_not_linear_is_measured():
    """With the first latents by falling M² kept and the others at 0, through the decoder as it comes back."""
    pytest.importorskip("jax")
    data = np.tanh(np.random.default_rng(1).standard_normal((4000, 3)) * [2, 1, 0.5])
    how = Neural(hidden=(8,), activation="tanh", updates=800, batch=64, optimizer=Adam(1e-2))
    models = scan(data, [0.2, 0.02], trainer=how)
    for index, temperature in enumerate(models.temperature.values):
        one, model = models.isel(seed=0, temperature=index), trained_model(models, temperature)
        order, latent = np.argsort(-one.signal_fraction.values, kind="stable"), model.encode(data)[0]
        for kept in range(4):
            latent_kept = np.zeros_like(latent)
            latent_kept[:, order[:kept]] = latent[:, order[:kept]]
            left = (data - model.decode(latent_kept)).var(axis=0).sum() / data.var(axis=0).sum()
            pruned = float(one.pruned_distortion.sel(reconstruction="mean")[kept])
            assert pruned == pytest.approx(left, rel=1e-4)  # float32
    assert float(models.pruned_distortion.sel(reconstruction="mean").isel(temperature=1)[0, -1]) < 0.5


def test_weights_are_an_attachment(models, rows, request):
    trainer = trainer_of(request.node.callspec.params["models"])
    bare = scan(rows, [0.3, 0.1, 0.02], seeds=(0, 1), latents=3, trainer=trainer, keep_weights=False)
    assert bare.identical(models.drop_vars(WEIGHTS, errors="ignore"))


def test_a_scan_without_features_has_no_model_to_take_out():
    """As `spectroscopy` returns it."""
    bare = scan(Spectrum.from_eigenvalues([2, 1]), [0.5]).drop_dims(["feature"])
    with pytest.raises(InputError, match="scan has no weights: give one that"):
        trained_model(bare, 0.5)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"rate": ((), np.zeros(2))}, "variable rate of the trainer's result has the dimensions seed, temperature"),
     ({"status": None}, "returned no status")],
)  # fmt: skip
def test_a_trainer_that_breaks_the_schema_is_refused(change, complaint):
    class Broken(Means):
        def train(self, data, temperature, *rest):
            named = super().train(data, temperature, *rest) | change
            return {name: part for name, part in named.items() if part is not None}

    with pytest.raises(InputError, match=complaint):
        scan(np.arange(20.0).reshape(10, 2), [0.2, 0.1], trainer=Broken())


def test_a_scan_of_another_kind_is_refused_by_everything_that_takes_one():
    models = scan(Spectrum.from_eigenvalues([2, 1]), [0.5, 0.1])
    broken = models.assign(signal_fraction=models.signal_fraction.astype(str))
    spectrum = Spectrum.from_eigenvalues([2, 1])
    for ask in (lv.verify, lv.verification.dynamics, lambda scan: lv.verification.branches(scan, spectrum)):
        with pytest.raises(InputError, match="variable signal_fraction of the scan has the type"):
            ask(broken)
