"""What encoders return, without any framework; what is imported, and what is said where a framework is missing."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.adapters.frameworks import framework
from landau_vae.adapters.outputs import channels, log_variance, noise, read
from landau_vae.adapters.taps import Tap, place

MEAN, SPREAD = np.full((5, 3), 0.5), np.full((5, 3), -0.2)


@dataclass
class Fields:
    embedding: np.ndarray
    log_covariance: np.ndarray


class Normal:
    """A distribution as libraries have them: what it holds has other names than what it says."""

    def __init__(self):
        self._parameters = ()

    mean = property(lambda self: MEAN)
    stddev = property(lambda self: np.exp(SPREAD / 2))


@pytest.mark.parametrize(
    "output",
    [
        (MEAN, SPREAD), [MEAN, SPREAD], [(MEAN, SPREAD)], (MEAN, SPREAD[0]), (MEAN, SPREAD[:1]),
        (MEAN, SPREAD[:, :1]),
        np.hstack([MEAN, SPREAD]), (np.hstack([MEAN, SPREAD]),), {"mu": MEAN, "logvar": SPREAD},
        {"log_std": SPREAD / 2, "loc": MEAN, "h": MEAN}, {"posterior": (MEAN, SPREAD)}, Fields(MEAN, SPREAD), Normal(),
        (Normal(), MEAN), {"qz": Normal(), "z": MEAN},
    ],
)  # fmt: skip
def test_encoders_return(output):
    code = read(output, "log_variance")
    np.testing.assert_array_equal(code.view(code.source), MEAN)
    np.testing.assert_allclose(log_variance(code.spread, code.kind), SPREAD, rtol=1e-14)  # of ln exp


def test_a_sample_before_or_after(rng):
    mean, spread = rng.standard_normal((50, 3)), rng.standard_normal((50, 3))
    z = mean + np.exp(spread / 2) * rng.standard_normal((50, 3))
    for output in ((mean, spread, z), (z, mean, spread)):
        code = read(output, "log_variance")
        assert code.source is mean
        assert code.spread is spread


def test_the_noise_of_a_sample(rng):
    mean, spread, epsilon = rng.standard_normal((3, 6, 2))
    np.testing.assert_allclose(noise(mean + np.exp(spread / 2) * epsilon, mean, spread), epsilon, atol=1e-14)


def test_latents_of_images_are_channels():
    whole = np.arange(2 * 6 * 2 * 2).reshape(2, 6, 2, 2)
    code = read(whole, "std")
    np.testing.assert_array_equal(code.view(code.source), whole[:, :3])
    np.testing.assert_array_equal(code.spread, whole[:, 3:])
    assert [channels(np.zeros((2,) * n)) for n in (2, 3, 4, 5)] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, "a NoneType"), (MEAN, "an array of shape (5, 3)"), ([], "a list"),
        ((MEAN, SPREAD[:2]), "a list of an array"),
        ({"h": MEAN}, "a mapping of 'h': an array of shape (5, 3)"),
        ((MEAN, "text"), "an array of shape (5, 3), a str"),
    ],
)  # fmt: skip
def test_what_holds_no_posterior(output, words):
    with pytest.raises(lv.InputError) as problem:
        read(output, "log_variance")
    assert words in str(problem.value)


def test_a_missing_framework():
    with pytest.raises(lv.InputError) as problem:
        framework("no_such_library.part", "nor_this", package="no-such-package")
    assert str(problem.value) == (
        "This adapter needs no-such-package, which is not installed: pip install no-such-package."
    )
    assert framework("no_such_library", "json.decoder").__name__ == "json.decoder"


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import sys, landau_vae as lv; from landau_vae.adapters import keras, lightning, pytorch, scvi; "
        "print(lv.adapters.pytorch is pytorch, {'torch', 'keras', 'lightning', 'scvi', 'jax'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["True", "set()"]


class Model:
    def encode(self, x):
        return x + 1

    alias = encode


def test_a_tap_sees_a_call_and_goes():
    model, seen = Model(), []
    tap = Tap(model.encode, before=lambda args, kwargs: ((args[0] * 2,), kwargs), after=lambda *all: seen.append(all))
    assert model.encode(3) == 7
    assert seen == [((6,), {}, 7)]
    assert place(model.encode) == (model, "encode")
    tap.remove()
    assert (model.encode(3), vars(model)) == (4, {})
    with pytest.raises(lv.InputError, match="a function"):
        place(lambda x: x)
