"""Decoders as people have them, as one NumPy function.

Numbers that only change their container are exactly equal. SINGLE: what passes through float32 (rounding of 6e-8, by
sums of three terms).
"""

from collections import namedtuple
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from landau_vae import InputError
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, POISSON
from landau_vae.networks.decoder import ROWS, Decoder, choose_link

SINGLE = 1e-6
W = np.array([[1.0, -2.0, 0.5, 3.0], [0.3, 1.0, 2.0, -1.0], [2.0, 0.1, -0.7, 1.0]])
Pair = namedtuple("Pair", "mean log_variance")


@pytest.fixture
def z(rng):
    return rng.standard_normal((6, 3))


def wrap(decode, z, features=4, **rest):
    return Decoder.wrap(decode, z[:2], features, **rest)


class Distribution:
    """As torch.distributions and numpyro have them: it draws, and `log_prob` is no array."""

    event_shape, batch_shape = (4,), ()

    def __init__(self, mean):
        self.mean, self.variance = mean, np.ones_like(mean)

    def sample(self):
        raise AssertionError("nothing is drawn")


class Computed(Distribution):
    """As TensorFlow Probability has them, whose mean is a method."""

    def __init__(self, mean):
        self.value = mean

    def mean(self):
        return self.value

    def variance(self):
        return np.ones_like(self.value)


class NoMean:
    """A distribution whose mean is not implemented, but whose logits are known."""

    def __init__(self, logits):
        self.logits = logits

    @property
    def mean(self):
        raise NotImplementedError


RETURNED = {
    "array": (lambda y: y, ""),
    "nested list": (lambda y: y.tolist(), ""),
    "images": (lambda y: y.reshape(-1, 1, 2, 2), ""),
    "pair": (lambda y: (y, np.ones_like(y)), "[0]"),
    "named pair": (lambda y: Pair(y, y), "[0]"),
    "latents first": (lambda y: (y[:, :3], y, 5.0), "[1]"),
    "mapping": (lambda y: {"z": y[:, :2], "mu": y * 0, "x_hat": y}, "['x_hat']"),
    "mapping of one": (lambda y: {"whatever": y}, "['whatever']"),
    "distribution": (Distribution, ".mean"),
    "computed mean": (Computed, ".mean"),
    "no mean": (NoMean, ".logits"),
    "mapping with a distribution": (lambda y: {"px": Distribution(y), "pl": None}, "['px'].mean"),
    "diffusers": (lambda y: SimpleNamespace(sample=y), ".sample"),
}


@pytest.mark.parametrize("name", RETURNED)
def test_what_is_returned(z, name):
    make, entry = RETURNED[name]
    decoder = wrap(lambda latents: make(latents @ W), z)
    np.testing.assert_array_equal(decoder(z), z @ W)
    assert decoder.entry == entry
    assert decoder(z[:1]).shape == (1, 4)
    assert any("is used as the reconstruction" in each for each in decoder.notes) == bool(entry)
    spread = name in ("pair", "named pair", "distribution", "computed mean")
    assert (decoder.spread is not None) == spread
    assert any("for its spread" in each for each in decoder.notes) == spread


@pytest.mark.parametrize(
    ("decode", "words"),
    [(lambda z: z[:, :2], r"an array of shape \(2, 2\) for 2 rows of 4 features"),
     (lambda z: (z @ W).T, r"an array of shape \(4, 2\) for 2 rows of 4 features"),
     (lambda z: None, "decode returned None for"), (lambda z: "image", "decode returned a str"),
     (lambda z: {"a": z @ W, "b": z @ W}, r"a dict with 'a': an array of shape \(2, 4\), 'b'"),
     (lambda z: (z, z[:, :1]), r"a tuple of 2: an array of shape \(2, 3\), an array of shape \(2, 1\)"),
     (lambda z: z @ W * np.nan, "NaN or infinite"), (lambda z: z @ W * 1j, r"of shape \(2, 4\)"),
     (lambda z: z @ np.ones((7, 4)), r"raised ValueError \(matmul.*\) on NumPy arrays of float64 of shape \(2, 3\)"),
     (5, "decode is 5, but a function")],
)  # fmt: skip
def test_what_cannot_be_used(z, decode, words):
    with pytest.raises(InputError, match=words) as caught:
        wrap(decode, z)
    assert caught.value.argument == "decode"
    assert "\n" not in str(caught.value)


def test_later_calls_are_checked_too(z):
    calls = []

    def decode(latents):
        calls.append(len(latents))
        if len(latents) > 3:
            raise KeyError("too many")
        return latents @ W if len(latents) < 3 else latents[:, :1]

    decoder = wrap(decode, z)
    with pytest.raises(
        InputError, match=r"raised KeyError \(.too many.\) on NumPy arrays of float64 of shape \(6, 3\)"
    ):
        decoder(z)
    with pytest.raises(InputError, match=r"an array of shape \(3, 1\) for 3 rows of 4 features"):
        decoder(z[:3])


def test_single_precision_is_found(z):
    def decode(latents):
        if latents.dtype != np.float32:
            raise ValueError("float32, please")
        return latents @ W.astype(np.float32)

    decoder = wrap(decode, z)
    assert decoder.takes == "NumPy arrays of float32"
    np.testing.assert_allclose(decoder(z), z @ W, rtol=SINGLE, atol=SINGLE)
    assert decoder(z).dtype == np.float64


def test_latents_are_the_decoders_own(z):
    def decode(latents):
        latents *= 2.0
        return latents @ W

    before = z.copy()
    z.flags.writeable = False
    np.testing.assert_array_equal(wrap(decode, z)(z), 2 * before @ W)
    np.testing.assert_array_equal(z, before)


def test_jax_functions(z):
    def only_jax(latents):
        return (latents.at[:, 0].multiply(1.0) @ W).reshape(-1, 2, 2)

    for decode, takes in ((jax.jit(lambda latents: latents @ W), "NumPy arrays of float64"), (only_jax, "JAX arrays")):
        decoder = wrap(decode, z)
        assert decoder.takes == takes
        np.testing.assert_allclose(decoder(z), z @ W, rtol=SINGLE, atol=SINGLE)
    halves = wrap(lambda latents: jnp.asarray(latents @ W, dtype=jnp.bfloat16), z)
    np.testing.assert_allclose(halves(z), z @ W, rtol=2**-8)  # eight digits of a bfloat16


def test_tensorflow_functions(z, monkeypatch):
    class Eager:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def numpy(self):
            return self.array

    def decode(latents):
        if not isinstance(latents, Eager):
            raise TypeError("only tensors")
        return Eager(latents.numpy() @ W.astype(np.float32))

    monkeypatch.setitem(__import__("sys").modules, "tensorflow", SimpleNamespace(convert_to_tensor=Eager))
    decoder = wrap(decode, z)
    assert decoder.takes == "TensorFlow tensors of float32"
    np.testing.assert_allclose(decoder(z), z @ W, rtol=SINGLE, atol=SINGLE)


def test_shapes_of_latents_and_images(z):
    """Channels last in the data, first in the decoder."""
    images = np.arange(2 * 12.0).reshape(2, 2, 3, 2)  # height, width, channels
    seen = []

    def decode(latents):
        seen.append(latents.shape)
        return np.moveaxis(images[: len(latents)], -1, 1)

    decoder = Decoder.wrap(decode, np.zeros((2, 6)), (2, 3, 2), shape=(3, 2, 1))
    assert seen[0] == (2, 3, 2, 1)
    np.testing.assert_array_equal(decoder(np.zeros((2, 6))), images.reshape(2, -1))
    first = Decoder.wrap(lambda z: images, np.zeros((2, 6)), (2, 2, 3))  # and the other way round
    np.testing.assert_array_equal(first(np.zeros((2, 6))), np.moveaxis(images, -1, 1).reshape(2, -1))


def test_conditions_run_along(z):
    labels, ages = np.array([0, 1, 2, 0, 1, 2]), np.linspace(0, 1, 6)
    expected = z @ W + labels[:, None]

    def of_labels(latents, given):
        assert given.dtype.kind == "i"
        return latents @ W + given[:, None]

    for given in (labels, labels.tolist(), jnp.asarray(labels)):
        decoder = wrap(of_labels, z, given=given)
        np.testing.assert_allclose(decoder(z), expected, rtol=SINGLE, atol=SINGLE)  # JAX adds in float32
        np.testing.assert_allclose(decoder(z[4:], np.array([4, 5])), expected[4:], rtol=SINGLE, atol=SINGLE)
    frame = pd.DataFrame({"label": labels, "age": ages}, index=list("abcdef"))
    decoder = wrap(lambda latents, given: latents @ W + given.label.to_numpy()[:, None], z, given=frame)
    np.testing.assert_array_equal(decoder(z[3:], np.array([3, 4, 5])), expected[3:])
    with pytest.raises(InputError, match="latents, rows × K and rows of given"):
        wrap(lambda latents: latents @ W, z, given=labels)


def test_rows_come_by_the_thousand(rng):
    sizes = []

    def decode(latents):
        sizes.append(len(latents))
        return latents @ W

    z = rng.standard_normal((2 * ROWS + 1, 3))
    decoder = wrap(decode, z)
    sizes.clear()
    np.testing.assert_array_equal(decoder(z), z @ W)
    assert max(sizes) <= ROWS
    assert min(sizes) > 1  # batch normalisation refuses a single row
    assert len(sizes) == 3


def test_decoders_that_draw_and_that_couple_rows(rng, z):
    noisy = wrap(lambda latents: latents @ W + 0.01 * rng.standard_normal((len(latents), 4)), z)
    assert noisy.stochastic
    coupled = wrap(lambda latents: (latents - latents.mean(axis=0)) @ W, z)
    assert coupled.couples_rows
    assert not coupled.stochastic
    quiet = wrap(lambda latents: latents @ W * (1 + 1e-7 * rng.standard_normal(1)), z)  # rounding of float32
    for decoder in (quiet, wrap(lambda latents: latents @ W, z)):
        assert not any((decoder.stochastic, decoder.couples_rows, decoder.train_mode))
        assert decoder.notes == ("decode takes NumPy arrays of float64.",)
    assert "stochastic" in noisy.notes[1]
    assert "influence one another" in coupled.notes[1]


# ---------------------------------------------------------------------------------------- means or natural


def sigmoid(y):
    return 1 / (1 + np.exp(-y))


def test_links_of_bernoulli_decoders(rng):
    z = 3 * rng.standard_normal((200, 3))
    logits = z @ W
    x = (rng.random(logits.shape) < sigmoid(logits)).astype(float)
    for decode, link in ((lambda z: z @ W, "natural"), (lambda z: sigmoid(z @ W), "mean")):
        decoder = choose_link(wrap(decode, z), z, x, BERNOULLI)
        assert decoder.link == link
        kept = logits if link == "natural" else np.clip(logits, *(np.log(1e-9) * np.array([1, -1])))  # the EDGE
        np.testing.assert_allclose(decoder.output(z), kept, atol=1e-6)  # 1 − p is rounded by 1e-16, of 1e-9 at least


def test_links_of_outputs_that_may_be_either(rng):
    """Logits from 0 to 1 are probabilities too: the loss decides, by the data."""
    z = rng.uniform(0, 1, (2000, 1))
    for decode, mean, link in ((lambda z: z, sigmoid(z), "natural"), (lambda z: z, z, "mean")):
        x = (rng.random(z.shape) < mean).astype(float)
        assert choose_link(wrap(decode, z, 1), z, x, BERNOULLI).link == link


def test_links_of_poisson_decoders(rng):
    z = rng.uniform(0, 1, (300, 3))
    x = rng.poisson(np.exp(z @ np.abs(W))).astype(float)
    for decode, link in ((lambda z: z @ np.abs(W), "natural"), (lambda z: np.exp(z @ np.abs(W)), "mean")):
        decoder = choose_link(wrap(decode, z), z, x, POISSON)
        assert decoder.link == link
        np.testing.assert_allclose(decoder.output(z), z @ np.abs(W), atol=1e-12)
    assert any("natural parameters" in each for each in choose_link(wrap(lambda z: z @ W, z), z, x, POISSON).notes)


@pytest.mark.parametrize(("name", "link"), [("sigmoid", sigmoid), ("exp", np.exp)])
def test_outputs_that_lack_their_last_function(rng, name, link):
    z = rng.standard_normal((300, 3))
    x = link(z @ W) + 0.05 * rng.standard_normal((300, 4))
    slip = choose_link(wrap(lambda z: z @ W, z), z, x, GAUSSIAN)
    assert slip.better_link == name
    assert slip.improvement < 0.1
    assert name in slip.notes[-1]
    np.testing.assert_array_equal(slip.output(z), slip(z))  # reported, not repaired
    right = choose_link(wrap(lambda z: link(z @ W), z), z, x, GAUSSIAN)
    assert right.better_link is None
    assert right.link == "mean"


def test_right_decoders_lack_nothing(rng):
    """Collapsed and poor decoders too, of data that are positive, binary, or centred."""
    z = rng.standard_normal((300, 3))
    for x in (z @ W, np.abs(z @ W), sigmoid(4 * z @ W), (z @ W > 0).astype(float), rng.poisson(1.0, (300, 4)) + 0.0):
        for share in (0.0, 0.3, 1.0):
            best = x.mean(axis=0) + share * z @ np.linalg.lstsq(z, x - x.mean(axis=0), rcond=None)[0]
            decoder = wrap(lambda latents, best=best: best[: len(latents)], z)
            assert choose_link(decoder, z, x, GAUSSIAN).better_link is None
