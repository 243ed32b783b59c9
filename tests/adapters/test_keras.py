"""The callback for Keras: what `History` and `CSVLogger` have, a failure that is caught, the same weights."""

import csv
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported

import landau_vae as lv
from landau_vae.adapters.keras import MonitorCallback
from landau_vae.diagnosis import MonitorWarning

keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.adapters, pytest.mark.filterwarnings("default", "error::landau_vae.diagnosis.MonitorWarning")]

K = 4


class Sampling(keras.layers.Layer):
    """The layer of the Keras documentation: its draws go on from a seed that is a variable of the model."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(0.5 * log_variance) * noise


class Vae(keras.Model):
    """Convolutions around four latents, as in the Keras documentation: the encoder returns z too."""

    def __init__(self, weight):
        super().__init__()
        self.weight = keras.Variable(0.0, trainable=False)
        self.weight.assign(weight(0))
        layers = keras.layers
        x = keras.Input((4, 4, 1))
        hidden = layers.Flatten()(layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x))
        mean, log_variance = layers.Dense(K)(hidden), layers.Dense(K)(hidden)
        self.encoder = keras.Model(x, [mean, log_variance, Sampling()([mean, log_variance])])
        z = keras.Input((K,))
        grid = layers.Reshape((2, 2, 16))(layers.Dense(64, activation="relu")(z))
        self.decoder = keras.Model(z, layers.Conv2DTranspose(1, 3, strides=2, padding="same")(grid))

    def call(self, x):
        ops = keras.ops
        mean, log_variance, z = self.encoder(x)
        kl = 0.5 * (mean**2 + ops.exp(log_variance) - 1 - log_variance)
        self.add_loss(self.weight * ops.mean(ops.sum(kl, axis=1)))
        return self.decoder(z)


def rows():
    drawn = np.random.default_rng(0).standard_normal((1000, 16)) * np.r_[3.0, 2.0, 1.5, [0.3] * 13]
    return drawn.astype(np.float32).reshape(-1, 4, 4, 1)


def fit(callbacks, weight=lambda epoch: 1.0, epochs=10):
    keras.utils.set_random_seed(0)
    model = Vae(weight)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 20 * epochs)
    model.compile(keras.optimizers.Adam(rate), loss=lambda y, x: 0.5 * keras.ops.sum((y - x) ** 2, axis=(1, 2, 3)))
    schedule = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.weight.assign(weight(epoch)))
    history = model.fit(rows(), rows(), batch_size=50, epochs=epochs, verbose=0, callbacks=[schedule, *callbacks])
    return model, history.history


@pytest.mark.parametrize(
    "weight", [lambda epoch: 0.1, lambda epoch: min(epoch, 2) / 20], ids=["KL × 0.1", "warm-up that ends early"]
)
def test_failures_are_caught(tmp_path, weight):
    callback = MonitorCallback(rows(), lv.Loss.gaussian(1.0), share=0)
    with pytest.warns(MonitorWarning, match="trained at another price than stated"):
        watched, history = fit([callback, keras.callbacks.CSVLogger(tmp_path / "log.csv")], weight)
    price, error = (history[f"landau/{name}"][-1] for name in ("price_in_effect", "price_in_effect_error"))
    assert abs(price - weight(99)) < 0.03 * 1 + 4 * error, "within 3 % of the stated price: it is not yet at rest"
    with open(tmp_path / "log.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["landau/price_in_effect"]) == price
    plain, other = fit([], weight)
    assert all(np.array_equal(mine, its) for mine, its in zip(watched.get_weights(), plain.get_weights(), strict=True))
    assert history["loss"] == other["loss"]


def test_a_healthy_training():
    """No alarm at the end of it; epochs that there is no time for repeat the numbers of the last."""
    callback = MonitorCallback(rows(), lv.Loss.gaussian(1.0), share=0)
    _, history = fit([callback], epochs=40)
    assert callback.diagnosis.healthy, callback.diagnosis.conclusion
    assert len({*history["landau/rate"][:39]}) == 1
    price, error = (history[f"landau/{name}"][-1] for name in ("price_in_effect", "price_in_effect_error"))
    assert abs(price - 1) < 0.03 + 4 * error


def test_a_training_that_is_stopped():
    """The model that it leaves is diagnosed, and not that of the last epoch that was."""
    callback = MonitorCallback(rows(), lv.Loss.gaussian(1.0), rows=200, share=0)
    callback.set_params({"epochs": 9})
    model, _ = fit([], epochs=2)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_end(epoch, {})
    before = callback.diagnosis
    callback.said.say = lambda findings: None
    callback.on_train_end()
    assert callback.diagnosis is not before
    assert callback.diagnosis.posterior.samples == 200


def test_parts_that_are_given():
    """A model without parts of these names, and an encoder that returns its outputs by name."""
    inner = Vae(lambda epoch: 1.0)
    callback = MonitorCallback(
        rows(),
        lv.Loss.gaussian(1.0),
        encode=lambda x: dict(zip(("z_mean", "z_log_var"), inner.encoder(x)[:2], strict=True)),
        decode=inner.decoder,
    )
    callback.set_model(other_model())
    assert callback.diagnose().posterior.latents == K
    other = MonitorCallback(rows(), lv.Loss.gaussian(1.0))
    other.set_model(other_model())
    with pytest.warns(MonitorWarning, match="not diagnosed any longer: Sequential has no method encode and decode"):
        other.on_epoch_end(0, {})
    other.on_epoch_end(1, {})  # and the training goes on


def other_model():
    return keras.Sequential([keras.layers.Dense(1)])
