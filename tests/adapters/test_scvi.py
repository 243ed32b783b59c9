"""The callback for scvi-tools in its own trainer: the warm-up of its KL is followed, a cut one is reported."""

import warnings

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.adapters.scvi import MonitorCallback
from landau_vae.diagnosis import MonitorWarning

anndata = pytest.importorskip("anndata")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.adapters, pytest.mark.filterwarnings("default", "error::landau_vae.diagnosis.MonitorWarning")]

EPOCHS, EXACT = 8, 1e-4  # gradients in float32


@pytest.fixture(scope="module")
def scvi():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of its libraries
        return pytest.importorskip("scvi")


@pytest.fixture(scope="module")
def counts():
    return lv.datasets.counts(cells=600, genes=30).table.astype(np.float32)


def fit(scvi, counts, callbacks, warm_up=4, **how):
    scvi.settings.seed = 0
    data = anndata.AnnData(counts.copy())
    scvi.model.SCVI.setup_anndata(data)
    model = scvi.model.SCVI(data, n_latent=5, n_hidden=32, **{"gene_likelihood": "nb", **how})
    model.train(max_epochs=EPOCHS, batch_size=64, accelerator="cpu", callbacks=callbacks, enable_progress_bar=False,
                plan_kwargs={"n_epochs_kl_warmup": warm_up})  # fmt: skip
    return model


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_a_warm_up_is_followed(scvi, counts, likelihood):
    """The price applied is the weight that scvi-tools has in each epoch; there is no alarm, and no other weights."""
    callback = MonitorCallback(counts=counts)
    model = fit(scvi, counts, [callback], gene_likelihood=likelihood)
    applied = model.history["landau/price_applied"].to_numpy(dtype=float).ravel()
    np.testing.assert_allclose(applied, np.minimum(np.arange(EPOCHS) / 4, 1), atol=EXACT)
    assert "price-moving" in callback.said.codes
    assert {"landau/active", "landau/predicted", "landau/rate"} <= set(model.history)
    stated = lv.Loss.preset("scvi-tools", gene_likelihood=likelihood, dispersion="gene")
    assert callback.monitor.loss.likelihood.name == stated.likelihood.name
    plain = fit(scvi, counts, [], gene_likelihood=likelihood)
    pairs = zip(model.module.parameters(), plain.module.parameters(), strict=True)
    assert all(torch.equal(mine, other) for mine, other in pairs)


def test_a_warm_up_that_ends_early(scvi, counts):
    """400 epochs by default: that of a short training ends at 7/400."""
    callback = MonitorCallback()
    with pytest.warns(MonitorWarning, match=r"rises to 1 over 400 epochs, but the training ends after 8, at 0\.0175"):
        model = fit(scvi, counts, [callback], warm_up=400)
    np.testing.assert_allclose(model.history["landau/price_applied"].astype(float).iloc[-1], 7 / 400, rtol=EXACT)


def test_latents_that_are_not_normal(scvi, counts):
    with pytest.raises(lv.InputError, match="latent_distribution='normal'"):
        fit(scvi, counts, [MonitorCallback()], latent_distribution="ln")
