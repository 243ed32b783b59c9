"""The callback for Lightning in its own trainer: what its loggers have, a failure that is caught, the same weights."""

import csv
import logging
import pickle

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.adapters.lightning import MonitorCallback
from landau_vae.diagnosis import MonitorWarning

lightning = pytest.importorskip("lightning")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.adapters, pytest.mark.filterwarnings("default", "error::landau_vae.diagnosis.MonitorWarning")]

D, K, EPOCHS, BATCH = 8, 4, 6, 100
EXACT = 1e-4  # gradients in float32


def library(name):
    return pytest.importorskip("lightning.pytorch" if name == "lightning" else name)


@pytest.fixture(autouse=True)
def quiet():
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)


def rows():
    drawn = torch.randn(2000, D, generator=torch.Generator().manual_seed(1))
    return drawn * torch.tensor([3.0, 2.0, 1.5] + [0.4] * (D - 3))


def module(base, weight):
    """A small VAE; `weight` is that of the KL in each update."""

    class Vae(base):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = torch.nn.Linear(D, 2 * K), torch.nn.Linear(K, D)

        def training_step(self, batch, index):
            (x,) = batch
            mean, log_variance = self.encoder(x).chunk(2, dim=-1)
            z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
            error = 0.5 * ((self.decoder(z) - x) ** 2).sum(1)
            kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
            return (error + weight(self.trainer.global_step) * kl).mean()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.02)

    return Vae()


def fit(folder, callbacks, weight=lambda step: 1.0, name="lightning", **how):
    pl = library(name)
    torch.manual_seed(0)
    model = module(pl.LightningModule, weight)
    logger = pl.loggers.CSVLogger(folder, name="run", version=0)
    trainer = pl.Trainer(max_epochs=EPOCHS, accelerator="cpu", callbacks=callbacks, logger=logger, log_every_n_steps=5,
                         enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
                         **how)  # fmt: skip
    data = torch.utils.data.TensorDataset(rows())
    trainer.fit(model, torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True))
    return model


def column(folder, name):
    with open(folder / "run" / "version_0" / "metrics.csv") as file:
        return np.array([float(row[f"landau/{name}"]) for row in csv.DictReader(file) if row.get(f"landau/{name}")])


def monitor(**how):
    return lv.Monitor(lv.Spectrum.from_data(rows()), lv.Loss.gaussian(1.0), **{"every": 5, "memory": 8, **how})


@pytest.mark.parametrize("name", ["lightning", "pytorch_lightning"])
def test_a_healthy_training(tmp_path, name):
    watched = fit(tmp_path, [MonitorCallback(monitor())], name=name)
    np.testing.assert_allclose(column(tmp_path, "price_applied"), 1.0, rtol=EXACT)
    assert column(tmp_path, "predicted")[-1] == 3, "of variances 9, 4 and 2.25 at the price 1"
    steps = 2000 // BATCH * EPOCHS
    assert len(column(tmp_path, "rate")) == steps // 5 + EPOCHS, "every fifth step, and each epoch's end"
    assert vars(watched.encoder).get("forward") is None
    plain = fit(tmp_path / "plain", [], name=name)
    assert all(torch.equal(mine, other) for mine, other in zip(watched.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(
    ("weight", "codes"),
    [(lambda step: 0.1, ()), (lambda step: min(step, 30) / 60, ("price-moving",))],
    ids=["KL × 0.1", "warm-up that ends early"],
)
def test_failures_are_caught(tmp_path, weight, codes):
    callback = MonitorCallback(monitor())
    with pytest.warns(MonitorWarning) as said:
        fit(tmp_path, [callback], weight)
    last = weight(10**6)
    np.testing.assert_allclose(column(tmp_path, "price_applied")[-1], last, rtol=EXACT)
    assert {"lower-price", *codes} <= callback.said.codes
    sentences = [str(each.message) for each in said if each.category is MonitorWarning]
    assert len(sentences) == len(set(sentences)), "each is said once"


def test_accumulated_and_scaled(tmp_path):
    """The trainer divides the loss of a batch by the number of batches that it accumulates."""
    fit(tmp_path, [MonitorCallback(monitor(), "encoder", "decoder")], accumulate_grad_batches=4)
    np.testing.assert_allclose(column(tmp_path, "price_applied"), 1.0, rtol=EXACT)


def test_parts_by_name():
    with pytest.raises(lv.InputError, match=r"no model\.encoder: there is no model in Vae"):
        fit("unused", [MonitorCallback(monitor(), "model.encoder", "model.decoder")])


def test_callbacks_can_be_pickled():
    twin = pickle.loads(pickle.dumps(MonitorCallback(monitor(), "encoder", "decoder", spread="std")))
    assert (twin.encoder, twin.decoder, twin.spread, twin.monitor.every) == ("encoder", "decoder", "std", 5)
    assert isinstance(twin, lightning.pytorch.Callback)
