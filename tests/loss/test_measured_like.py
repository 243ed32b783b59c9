"""Measuring a loss on arrays like those of a batch: sizes, roles, calls, features of loss and data."""

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError
from landau_vae.loss.calling import calls, role_of

MEASURED = 1e-6  # what the measurement promises in double precision
FEW = 1000  # calls that are allowed at any size
ONCE = 100  # calls that a loss of squares and a KL takes, whatever its size


def nats(m, s):
    return 0.5 * (m**2 + np.exp(s) - 1 - s)


def rate(m, s):
    return nats(m, s).sum(axis=1).mean()


def arrays(batch, shape, latents):
    return (np.zeros((batch, *shape)),) * 2 + (np.zeros((batch, latents)),) * 2


def counted(function):
    """The function with its calls counted, and the arrays of the last one."""
    record = {"calls": 0}

    def call(x, x_hat, mu, logvar):
        record["calls"] += 1
        record["last"] = x, mu
        return function(x, x_hat, mu, logvar)

    return call, record


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (lambda x, y: ((x - y) ** 2).mean(), ONCE),
        (lambda x, h: (np.logaddexp(0, h) - x * h).sum() / len(x), ONCE),
        (lambda x, y: np.abs(x - y).mean(), FEW),
        (lambda x, y: np.where(np.abs(x - y) < 1, (x - y) ** 2 / 2, np.abs(x - y) - 0.5).mean(), FEW),
        (lambda x, h: np.exp(h).mean() - (x * h).mean(), FEW),
    ],
)
def test_few_calls_at_the_size_of_images(error, most):
    """12 288 features, 128 rows: few rows stand for the batch, and no feature is moved alone."""
    call, record = counted(lambda x, y, m, s: error(x, y) + 0.1 * rate(m, s))
    loss = Loss.measure(call, like=arrays(128, (3, 64, 64), 32), beta=0.1)
    assert record["calls"] <= most
    assert len(record["last"][0]) <= 16
    a, b = loss.weights(12288)
    assert float(b) == pytest.approx(0.1, rel=MEASURED)
    assert a == pytest.approx(1 if loss.reconstruction == "sum" else 1 / 12288, rel=MEASURED)


@pytest.mark.parametrize(
    "error",
    [
        lambda x, y: np.sqrt(((x - y) ** 2).mean()),
        lambda x, y: np.log(np.cosh(x - y)).mean(),
        lambda x, y: ((x - y) ** 2 * np.linspace(1, 2, x[0].size).reshape(x[0].shape)).mean(),
        lambda x, y: -((x * y).sum() ** 2) / (x**2).sum() / (y**2).sum(),
    ],
)
def test_few_calls_where_it_is_refused(error):
    call, record = counted(lambda x, y, m, s: error(x, y) + 0.1 * rate(m, s))
    with pytest.raises(InputError):
        Loss.measure(call, like=arrays(16, (3, 64, 64), 32), beta=0.1)
    assert record["calls"] <= FEW


def test_sizes_come_from_the_arrays():
    """Channels averaged, pixels summed: by the number of channels alone, as X.shape[1], the price would be another."""

    def loss(x, y, mu, logvar):
        return ((y - x) ** 2).mean(axis=1).sum() / len(x) + 0.1 * rate(mu, logvar)

    measured = Loss.measure(loss, like=arrays(20, (3, 8, 8), 4), beta=0.1)
    assert (measured.features, measured.latents) == (192, 4)
    spectrum = Spectrum.from_eigenvalues(np.ones(192))
    assert float(measured.price(spectrum)) == pytest.approx(0.1 * 3 / 2, rel=MEASURED)
    channels = Loss.measure(loss, features=3, latents=4, beta=0.1)
    with pytest.raises(InputError, match=r"measured with 3 features, but the data have 192.*like="):
        channels.price(spectrum)


def test_columns_that_are_left_out_cost_nothing():
    """A mean over 64 pixels of which 51 vary: its price is that of 64, in a sentence with both numbers."""

    def loss(x, y, mu, logvar):
        return ((x - y) ** 2).mean() + 0.02 * rate(mu, logvar)

    measured = Loss.measure(loss, like=arrays(16, (64,), 4), beta=0.02)
    fewer = Spectrum.from_eigenvalues(np.ones(51))
    assert float(measured.price(fewer)) == float(measured.charge(64)) == pytest.approx(0.64, rel=CLOSED)
    assert "The data have 51 of the model's 64 features" in measured.explain(fewer)
    learned = Loss.gaussian(decoder_variance="learned", features=64)
    with pytest.raises(InputError, match=r"64 features, but the data have 51.*learned variance"):
        learned.price(fewer)


def test_a_diagnosis_names_both_numbers(rng):
    X = rng.standard_normal((200, 8))
    loss = Loss.measure(lambda x, y, m, s: ((x - y) ** 2).sum() / len(x) + rate(m, s), features=3, latents=2, beta=1)
    result = lv.diagnose(np.zeros((200, 2)), variance=np.ones((200, 2)), data=X, loss=loss)
    assert result.verdict == "other-model"
    assert "3 features, but here are 8" in result.findings[0].sentence


def test_arrays_of_other_ranks():
    """The loss of PyTorch's example flattens x only, so x̂ has another shape than x."""

    def loss(recon_x, x, mu, logvar):
        x = x.reshape(-1, 784)
        return -(x * np.log(recon_x) + (1 - x) * np.log(1 - recon_x)).sum() + nats(mu, logvar).sum()

    like = (np.zeros((16, 1, 28, 28)), np.zeros((16, 784)), np.zeros((16, 5)), np.zeros((16, 5)))
    measured = Loss.measure(loss, like=like, beta=1)
    assert measured.formula == "Σ BCE(x, x̂) + β Σ KL"
    assert measured.features == 784


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ("x input inputs target targets y_true data batch images original real_x", "x"),
        ("x_hat xhat recon_x recons reconstruction x_recon y_pred output decoded logits x_tilde x_mu loc_img", "x_hat"),
        ("mu mean z_mean mu_z loc q_mean means", "mean"),
        ("logvar log_var z_log_var z_logvar logv log_variance lv z_log_sigma_sq log_sigma2", "log_variance"),
        ("std sigma z_scale scale q_std stddev", "std"),
        ("log_std log_sigma logsigma", "log_std"),
        ("var variance z_var sigma2", "variance"),
        ("x_logvar recon_logvar dec_std", "x_spread"),
    ],
)
def test_names(names, role):
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


def test_orders_that_names_leave_open():
    assert [each.roles for each in calls(lambda x, y, mu, logvar: 0)] == [("x", "x_hat", "mean", "spread")]
    assert len(calls(lambda a, b, c, d: 0)) == 8
