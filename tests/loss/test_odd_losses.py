"""No odd callable has a wrong price: each has the one worked out by hand, or is refused for its own reason."""

import re

import numpy as np
import pytest
from odd_losses import LIKE, ODD, squares

from landau_vae import Loss
from landau_vae.errors import InputError


def test_there_are_enough_of_them():
    assert len(ODD) >= 120
    assert len({case.name for case in ODD}) == len(ODD)


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
def test_odd(case):
    """The tolerance is that of the case: rounding, or what its own note says of draws and half precision."""
    if isinstance(case.truth, str):
        with pytest.raises(InputError) as caught:
            Loss.measure(case.function, **case.arguments)
        assert re.search(case.truth, str(caught.value)), str(caught.value)
        return
    loss = Loss.measure(case.function, **case.arguments)
    a, b = loss.weights(loss.features)
    np.testing.assert_allclose(float(b) / a, case.truth, rtol=case.near)
    assert loss.likelihood.name == case.likelihood
    assert case.note in " ".join(loss.notes)
    if case.constraint is None:
        assert loss.constraint is None
    else:
        kind, value, per = case.constraint
        assert (loss.constraint.kind, loss.constraint.per) == (kind, per)
        assert loss.constraint.value == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("seed", [27, 88])
def test_draws_that_look_like_no_law_are_repeated(seed):
    """With these seeds one reading of dozens is off by chance at first; the tolerance is that of one sample above."""
    rng = np.random.default_rng(seed)

    def one_sample(x, x_hat, mu, logvar):
        noise = rng.standard_normal(mu.shape)
        kl = ((mu + np.exp(logvar / 2) * noise) ** 2 - noise**2 - logvar).sum() / len(x) / 2
        return squares(x, x_hat), kl

    loss = Loss.measure(one_sample, beta=3.0, like=LIKE)
    a, b = loss.weights(loss.features)
    np.testing.assert_allclose(float(b) / a, 3.0, rtol=0.05)
