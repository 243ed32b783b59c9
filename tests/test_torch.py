"""Tensors of PyTorch for arrays: the same answers, and no warning from either library."""

import numpy as np
import pytest

import landau_vae as lv

pytestmark = pytest.mark.torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def rows(rng):
    return (rng.standard_normal((500, 4)) * [2, 1, 0.5, 0.2]).astype(np.float32)


def kl(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - logvar.exp())


def test_losses_in_torch_are_measured(torch):
    functional = torch.nn.functional
    losses = {
        "sum": (lambda x, h, m, v: (0.5 * functional.mse_loss(h, x, reduction="sum") + 3 * kl(m, v).sum()) / len(x),
                lv.Loss.gaussian(3.0)),
        "mse": (lambda x, h, m, v: functional.mse_loss(h, x) + 0.1 * kl(m, v).sum(dim=1).mean(),
                lv.Loss.gaussian(0.1, reconstruction="mean", half=False)),
        "bce": (lambda x, h, m, v: functional.binary_cross_entropy(h, x, reduction="sum") + 2 * kl(m, v).sum(),
                lv.Loss.bernoulli(2.0)),
        "logits": (lambda x, h, m, v: functional.binary_cross_entropy_with_logits(h, x, reduction="sum")
                   + kl(m, v).sum(), lv.Loss.bernoulli(1.0)),
        "poisson": (lambda x, h, m, v: functional.poisson_nll_loss(h, x, reduction="sum") + kl(m, v).sum(),
                    lv.Loss.poisson(1.0)),
    }  # fmt: skip
    for name, (function, expected) in losses.items():
        for to in (torch.as_tensor, lambda array: torch.as_tensor(array).float()):
            measured = lv.Loss.measure(function, features=6, latents=3, to=to)
            assert measured.likelihood == expected.likelihood, name
            np.testing.assert_allclose(measured.charge(6), expected.charge(6), rtol=1e-4, err_msg=name)


def test_tensors_are_data(torch, rows):
    reference = lv.Spectrum.from_data(rows)
    tensor = torch.as_tensor(rows)
    for spectrum in (lv.Spectrum.from_data(tensor), lv.Spectrum.from_chunks(tensor.split(100))):
        np.testing.assert_allclose(spectrum.eigenvalues, reference.eigenvalues, rtol=1e-12)
    np.testing.assert_allclose(lv.uncertainty(tensor).eigenvalue.error, lv.uncertainty(rows).eigenvalue.error)


def test_posteriors_may_be_tensors(torch, rows):
    share = 1 - 0.3 / np.var(rows, axis=0)[:2]
    mean = (rows[:, :2] - rows[:, :2].mean(axis=0)) * np.sqrt(share / np.var(rows, axis=0)[:2])
    log_variance = np.broadcast_to(np.log(1 - share), mean.shape)
    decoder = torch.as_tensor(np.diag(np.sqrt(share * np.var(rows, axis=0)[:2])).astype(np.float32) @ np.eye(2, 4,
                              dtype=np.float32))  # fmt: skip
    loss = lv.Loss.gaussian(0.3)
    arrays = lv.diagnose(mean, log_variance=log_variance, data=rows, loss=loss)
    tensors = lv.diagnose(
        torch.as_tensor(mean), log_variance=torch.as_tensor(log_variance.copy()), data=torch.as_tensor(rows), loss=loss
    )
    assert tensors.codes == arrays.codes
    np.testing.assert_array_equal(tensors.posterior.signal_fraction, arrays.posterior.signal_fraction)

    def decode(latents):
        return latents.float() @ decoder + torch.as_tensor(rows.mean(axis=0))

    for function in (decode, lambda latents: decode(torch.as_tensor(latents))):
        decoded = lv.diagnose(
            torch.as_tensor(mean), log_variance=torch.as_tensor(log_variance.copy()), data=torch.as_tensor(rows),
            loss=loss, decode=function,
        )  # fmt: skip
        assert decoded.healthy


def test_a_model_as_it_stands(torch, rows):
    """Tensors with gradients, batches, a module in place of functions: convolutional latents and images."""
    images = torch.as_tensor(rows).reshape(-1, 1, 2, 2)
    decoder = torch.nn.ConvTranspose2d(2, 1, 2)
    mean = torch.stack([images.mean(dim=(1, 2, 3)), images[:, 0, 0, 0]], dim=1)[..., None, None].requires_grad_()
    named = {"log_variance": list(torch.zeros_like(mean).split(200)), "loss": lv.Loss.gaussian(9.0)}
    result = lv.diagnose(mean, data=images, decode=decoder, **named)
    with torch.no_grad():
        left = (decoder(mean) - images).square().sum() / (images - images.mean(dim=0)).square().sum()
    np.testing.assert_allclose(result.decoded.mean[-1], float(left), rtol=1e-5)  # a sum of 2000 in float32
