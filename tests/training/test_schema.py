"""One schema for all trainers: what they return has the names, dimensions and meaning that `OBSERVABLES` says."""

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from trainers import Means

import landau_vae as lv
from landau_vae import InputError, Spectrum, scan
from landau_vae.training import OBSERVABLES, Exact, Sampled, Status, validate

TRAINERS = {
    "exact": Exact(),
    "moments": Sampled(updates=200, batch=32),
    "rows": Sampled(updates=200, batch=32, encoder="input", history=3),
    "learned variance": Sampled(updates=200, batch=32, learned_variance=True),
    "tanh": Sampled(updates=200, batch=32, decoder="tanh"),
    "bernoulli": Sampled(updates=200, batch=32, decoder="bernoulli"),
}
REQUIRED = list(OBSERVABLES)[:8]
WEIGHTS = [name for name, observable in OBSERVABLES.items() if observable.weight]


@pytest.fixture(scope="module")
def rows():
    return (np.random.default_rng(0).standard_normal((300, 4)) @ np.diag([2, 1, 0.5, 0.3]) > 0.2).astype(float)


@pytest.fixture(scope="module", params=TRAINERS)
def models(request, rows):
    return scan(rows, [0.3, 0.1, 0.02], seeds=(0, 1), latents=3, trainer=TRAINERS[request.param])


def test_every_trainer_returns_the_observables(models):
    assert validate(models, *REQUIRED, "converged", "covariance") is models
    assert models.pruned_distortion.sizes["rank"] == 4
    assert models.signal_fraction.attrs == {"long_name": "order parameter M2", "units": "1"}
    known = {*OBSERVABLES, "iterations", "relative_gradient"}
    assert known >= set(map(str, models.data_vars))


def test_observables_keep_their_definitions(models):
    """Ranked pruning begins at all of the variance; kept whole and sampled, it is the distortion but for biases."""
    square, variance = models.mean_square, models.posterior_variance
    np.testing.assert_allclose(models.signal_fraction, square / (square + variance), rtol=CLOSED)
    pruned = models.pruned_distortion.transpose("seed", "temperature", "reconstruction", "rank")
    assert np.all(pruned.sel(reconstruction="mean") <= pruned.sel(reconstruction="sampled") + CLOSED)
    linear = "linear_distortion" not in models and '"bernoulli"' not in models.attrs["trainer"]
    np.testing.assert_allclose(pruned[..., 0], 1, rtol=CLOSED if linear else 0.2)
    whole = pruned.sel(reconstruction="sampled")[..., -1]
    np.testing.assert_allclose(whole, models.distortion, rtol=0.1)
    assert set(np.unique(models.status)) <= set(Status)


def test_pruning_of_a_decoder_that_is_not_linear_is_measured():
    """tanh of small numbers is their sum but for 1 %: measured on draws, as matrices have it."""
    small = np.random.default_rng(1).standard_normal((4000, 3)) * [0.2, 0.1, 0.05]
    models = scan(small, [0.2, 0.02], trainer=Sampled(updates=1500, batch=64, decoder="tanh")).isel(seed=0)
    for index in range(2):
        one = models.isel(temperature=index)
        decoder = one.decoder.transpose("feature", "latent").values
        encoder = one.encoder.transpose("latent", "feature").values
        model = lv.training.LinearVAE(
            one.covariance.values, np.array(1.0), decoder, encoder, one.posterior_variance.values
        )
        order = np.argsort(-one.signal_fraction.values, kind="stable")
        np.testing.assert_allclose(one.pruned_distortion, model.pruned_shares(order), atol=SAMPLED * 0.01)


def test_weights_are_an_attachment(models, rows, request):
    trainer = TRAINERS[request.node.callspec.params["models"]]
    bare = scan(rows, [0.3, 0.1, 0.02], seeds=(0, 1), latents=3, trainer=trainer, keep_weights=False)
    assert bare.identical(models.drop_vars(WEIGHTS, errors="ignore"))


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
