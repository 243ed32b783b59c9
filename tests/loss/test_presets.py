"""Every preset against its loss as that code base writes it: the price, and what measuring that loss reads."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import CLOSED
from test_presets_of_cells import WRITTEN as CELLS
from test_presets_of_other_forms import WRITTEN as OTHERS
from written_losses import LAMBDA, MORE, WEIGHTS

from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError
from landau_vae.loss import GAUSSIAN, PRESETS

SHAPE, LATENTS, BATCH = (4, 5, 3), 6, 7  # an image, channels last
D, C = 60, 3
MEASURED = 1e-6  # what the measurement promises in double precision: it accepts losses that differ by so much


def rows(array):
    return array.reshape(len(array), -1)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def bce(x, p):
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def bce_with_logits(x, h):
    return np.maximum(h, 0) - h * x + np.log1p(np.exp(-np.abs(h)))


def kl_terms(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - np.exp(log_var))


# Each as its code base computes it, over the whole batch and in its own order of reductions, at its shipped weight.


def pytorch_examples(recon_x, x, mu, logvar):
    return bce(x, recon_x).sum() + -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))


def pythae(recon_x, x, mu, log_var, beta=1.0, factor=0.5):
    recon_loss = factor * ((rows(recon_x) - rows(x)) ** 2).sum(axis=-1)
    kld = -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=-1)
    return (recon_loss + beta * kld).mean(axis=0)


def pytorch_vae(recons, x, mu, log_var, kld_weight=0.00025, beta=1.0):
    recons_loss = ((recons - x) ** 2).mean()
    kld_loss = np.mean(-0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=1), axis=0)
    return recons_loss + beta * kld_weight * kld_loss


def disentanglement_lib(logits, x, mean, logvar):
    reconstruction_loss = np.mean(rows(bce_with_logits(x, logits)).sum(axis=1))
    kl_loss = np.mean(0.5 * np.sum(np.square(mean) + np.exp(logvar) - logvar - 1, axis=1))
    return reconstruction_loss + 1.0 * kl_loss


def disentanglement_lib_l2(logits, x, mean, logvar):
    reconstruction_loss = np.mean(np.sum(np.square(x - sigmoid(logits)), axis=(1, 2, 3)))
    return reconstruction_loss + np.mean(0.5 * np.sum(np.square(mean) + np.exp(logvar) - logvar - 1, axis=1))


def keras_io(reconstruction, data, z_mean, z_log_var):
    entropy = np.mean(bce(data, reconstruction), axis=-1)  # keras.losses.binary_crossentropy averages its last axis
    reconstruction_loss = np.mean(np.sum(entropy, axis=(1, 2)))
    return reconstruction_loss + np.mean(np.sum(kl_terms(z_mean, z_log_var), axis=1))


def disentangling_vae(recon, data, mean, logvar):
    latent_kl = 0.5 * (-1 - logvar + mean**2 + np.exp(logvar)).mean(axis=0)
    return bce(data, recon).sum() / len(data) + latent_kl.sum()


def disentangling_vae_gaussian(recon, data, mean, logvar):
    loss = np.sum((recon * 255 - data * 255) ** 2) / 255
    return loss / len(data) + 0.5 * (-1 - logvar + mean**2 + np.exp(logvar)).mean(axis=0).sum()


def beta_vae(x_recon, x, mu, logvar):
    recon_loss = ((sigmoid(x_recon) - x) ** 2).sum() / len(x)
    return recon_loss + 4.0 * kl_terms(mu, logvar).sum(1).mean(0)


def beta_vae_bernoulli(x_recon, x, mu, logvar):
    return bce_with_logits(x, x_recon).sum() / len(x) + 4.0 * kl_terms(mu, logvar).sum(1).mean(0)


def sigma_vae(x_hat, x, mu, logvar, log_sigma=0.0):
    nll = 0.5 * ((x - x_hat) / np.exp(log_sigma)) ** 2 + log_sigma + 0.5 * np.log(2 * np.pi)
    return nll.sum() + -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))


def sigma_vae_mse(x_hat, x, mu, logvar):
    return ((x_hat - x) ** 2).mean() + -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))


def sigma_vae_optimal(x_hat, x, mu, logvar):
    log_sigma = np.log(np.sqrt(((x - x_hat) ** 2).mean()))
    return sigma_vae(x_hat, x, mu, logvar, -6 + np.logaddexp(0, log_sigma + 6))  # softclip(log_sigma, -6)


def pyro(loc_img, x, z_loc, z_scale):
    log_px = -rows(bce(x, loc_img)).sum(-1)
    kl = (np.log(1 / z_scale) + (z_scale**2 + z_loc**2) / 2 - 0.5).sum(-1)
    return -(log_px - kl).sum()


def flax(logits, batch, mean, logvar):
    logits = -np.logaddexp(0, -logits)  # log_sigmoid
    per_image = -np.sum(rows(batch * logits + (1 - batch) * np.log(-np.expm1(logits))), axis=1)
    return per_image.mean() + (-0.5 * np.sum(1 + logvar - mean**2 - np.exp(logvar), axis=1)).mean()


def tensorflow_tutorial(x_logit, x, mean, logvar):
    logpx_z = -np.sum(bce_with_logits(x, x_logit), axis=(1, 2, 3))
    return -np.mean(logpx_z - kl_terms(mean, logvar).sum(axis=1))  # the mean over its draws of z


def flax_nnx(logits, x, mean, std):
    kl_loss = np.mean(0.5 * np.mean(-np.log(std**2) - 1.0 + std**2 + mean**2, axis=-1))
    return np.mean(bce_with_logits(x, logits)) + 0.1 * kl_loss


def lightning_bolts(x_hat, x, mu, log_var, kl_coeff=0.1):
    return ((x_hat - x) ** 2).mean() + kl_coeff * kl_terms(mu, log_var).mean()


def alibi_detect(y_pred, y_true, z_mean, z_log_var, sim=0.05):
    log_prob = (-0.5 * (rows(y_true - y_pred) / sim) ** 2 - np.log(sim) - 0.5 * np.log(2 * np.pi)).sum(axis=-1)
    return -np.mean(log_prob) - 0.5 * np.mean(z_log_var - np.square(z_mean) - np.exp(z_log_var) + 1)


def pyod(x_recon, x, z_mu, z_logvar, beta=1.0, capacity=0.0):
    kl = -0.5 * np.mean(np.sum(1 + z_logvar - z_mu**2 - np.exp(z_logvar), axis=1))
    return ((x_recon - x) ** 2).mean() + beta * np.clip(kl, 0, capacity)


def diffusers(reconstruction, target, mean, logvar, kl_scale=1e-6):
    rec_loss = (reconstruction - target) ** 2
    rec_loss = np.sum(rec_loss) / rec_loss.shape[0]
    kl_loss = (0.5 * np.sum(mean**2 + np.exp(logvar) - 1.0 - logvar, axis=1)).mean()
    return rec_loss + kl_scale * kl_loss


# name: (loss of (x̂, x, mean, spread), what x̂ is, does it average its error over the batch)
WRITTEN = {
    "pytorch-examples": (pytorch_examples, "probabilities", False),
    "pythae": (pythae, "reconstruction", True),
    "pythae-0.1.2": (lambda *given: pythae(*given, factor=1.0), "reconstruction", True),
    "pytorch-vae": (pytorch_vae, "reconstruction", True),
    "pytorch-vae-beta": (lambda *given: pytorch_vae(*given, beta=10.0), "reconstruction", True),
    "disentanglement-lib": (disentanglement_lib, "logits", True),
    "disentanglement-lib-l2": (disentanglement_lib_l2, "logits", True),
    "keras-io": (keras_io, "probabilities", True),
    "disentangling-vae": (disentangling_vae, "probabilities", True),
    "disentangling-vae-gaussian": (disentangling_vae_gaussian, "reconstruction", True),
    "beta-vae": (beta_vae, "logits", True),
    "beta-vae-bernoulli": (beta_vae_bernoulli, "logits", True),
    "sigma-vae-gaussian": (sigma_vae, "reconstruction", False),
    "sigma-vae-mse": (sigma_vae_mse, "reconstruction", True),
    "sigma-vae-optimal": (sigma_vae_optimal, "reconstruction", False),
    "pyro": (pyro, "probabilities", False),
    "flax": (flax, "logits", True),
    "tensorflow-tutorial": (tensorflow_tutorial, "logits", True),
    "flax-nnx": (flax_nnx, "logits", True),
    "lightning-bolts": (lightning_bolts, "reconstruction", True),
    "alibi-detect": (alibi_detect, "reconstruction", True),
    "diffusers": (diffusers, "reconstruction", True),
} | MORE
TAKES_STD = ("pyro", "flax-nnx")
written = pytest.mark.parametrize("name", WRITTEN)


def spectrum_of(likelihood, dimension=D):
    """Unequal modes: a learned variance needs them, and fewer latents than modes."""
    return replace(Spectrum.from_eigenvalues(np.linspace(2.0, 0.1, dimension)), likelihood=likelihood)


SIZES = {"latents": LATENTS, "batch": BATCH, "channels": C, "valid": D}


def preset(name):
    """As it ships, or at the weight that the written loss has; channels only where a code base averages over them."""
    sizes = SIZES | ({"reconstruction_weight": 1 + 2 * LAMBDA} if name == "lambda-beta-vae" else {})
    return Loss.preset(name, WEIGHTS.get(name), **sizes)


def weights_by_hand(name, rng):
    """(a, b) of one sample, from the written loss: by how much it answers to known errors and known nats."""
    loss, link, averages = WRITTEN[name]
    likelihood = preset(name).likelihood
    x, m = rng.uniform(0.2, 0.8, (2, BATCH, *SHAPE))
    other = rng.uniform(0.2, 0.8, x.shape)
    give = {"logits": lambda m: np.log(m / (1 - m))}.get(link, lambda m: m)
    mean, zero = np.full((BATCH, LATENTS), 100.0), np.zeros((BATCH, LATENTS))
    spread = np.ones_like(zero) if name in TAKES_STD else zero

    def error(m):
        known = {"gaussian": lambda: (x - m) ** 2, "bernoulli": lambda: bce(x, m), "poisson": lambda: m - x * np.log(m)}
        return known[likelihood.name]().sum()

    if name == "sigma-vae-optimal":  # Σ(x − x̂)²/2σ² at the σ² of the batch is its logarithm, far above the softclip
        m, other = x + 1e7 * (m - x), x + 1e8 * (other - x)
        moved = x.size * np.log(error(other) / error(m))
    else:
        moved = error(other) - error(m)
    a = (loss(give(other), x, zero, spread) - loss(give(m), x, zero, spread)) / moved
    b = (loss(give(m), x, mean, spread) - loss(give(m), x, zero, spread)) / np.sum(mean**2 / 2)
    return (a * BATCH, b * BATCH) if averages else (a, b)


def test_every_preset_is_written_out():
    assert {*WRITTEN, *OTHERS, *CELLS} == {name for name, each in PRESETS.items() if not each.refused}


@written
def test_price_is_the_exchange_rate_of_the_written_loss(name, rng):
    loss = preset(name)
    spectrum = spectrum_of(loss.likelihood)
    a, b = weights_by_hand(name, rng)
    rounding = 1e-9 if loss.learned else CLOSED  # at errors of 1e7 the softclip still shows by e⁻⁶/1e7 = 2.5e-10
    of_error, of_kl = loss.weights(D)
    assert of_kl / of_error == pytest.approx(b / a, rel=rounding)  # a common factor has no effect
    if not loss.learned:
        price = b / (2 * a) if loss.likelihood.squared else b / a
        assert float(loss.price(spectrum)) == pytest.approx(price, rel=rounding)


@written
def test_what_else_one_has_to_know_is_said_where_a_price_is_explained(name):
    loss = preset(name)
    assert PRESETS[name].note in loss.explain(spectrum_of(loss.likelihood))


@written
def test_measuring_the_written_loss_reads_the_preset(name):
    loss, link, _ = WRITTEN[name]
    known = preset(name)
    found = Loss.measure(
        lambda x, x_hat, mean, spread: loss(x_hat, x, mean, spread),
        features=SHAPE, latents=LATENTS, batch=BATCH, beta=float(known.beta),
        parametrisation="std" if name in TAKES_STD else "log_variance",
    )  # fmt: skip
    spectrum = spectrum_of(known.likelihood)
    assert (found.likelihood, found.learned) == (known.likelihood, known.learned)
    if name not in MORE:  # the others have sizes or factors that no measurement can tell from a sum or a mean
        assert (found.reconstruction, found.kl) == (known.reconstruction, known.kl)
        assert found.weights(D) == tuple(pytest.approx(value, rel=MEASURED) for value in known.weights(D))
    assert float(found.price(spectrum)) == pytest.approx(float(known.price(spectrum)), rel=MEASURED)
    assert f"x̂ is read as {link}" in found.explain(spectrum)
    if name not in MORE and known.decoder_variance in (1.0, "learned") and known.kl_weight == 1.0:
        assert found.formula == known.formula


@pytest.mark.parametrize(
    ("name", "given", "beta", "dimension", "price"),
    [
        ("pytorch-examples", {}, None, 784, 1.0),
        ("pythae", {}, 3.0, 784, 3.0),
        ("pythae-0.1.2", {}, 3.0, 784, 1.5),
        ("pytorch-vae", {}, None, 64 * 64 * 3, 1.536),
        ("pytorch-vae", {}, 1.0, 64 * 64 * 3, 6144.0),  # its validation loss
        ("pytorch-vae-beta", {}, None, 64 * 64 * 3, 15.36),
        ("disentanglement-lib", {}, 4.0, 64 * 64, 4.0),
        ("disentanglement-lib-l2", {}, 4.0, 64 * 64, 2.0),
        ("keras-io", {}, None, 784, 1.0),
        ("keras-io", {"channels": 3}, None, 64 * 64 * 3, 3.0),
        ("disentangling-vae", {}, 4.0, 784, 4.0),
        ("disentangling-vae-gaussian", {}, None, 784, 1 / 510),
        ("beta-vae", {}, None, 64 * 64 * 3, 2.0),
        ("beta-vae-bernoulli", {}, None, 64 * 64 * 3, 4.0),
        ("sigma-vae-gaussian", {}, None, 784, 1.0),
        ("sigma-vae-mse", {"batch": 128}, None, 784, 128 * 784 / 2),
        ("sigma-vae-mse", {"batch": 1}, None, 784, 784 / 2),  # of one sample the sum is the mean
        ("pyro", {}, None, 784, 1.0),
        ("flax", {}, None, 784, 1.0),
        ("tensorflow-tutorial", {}, None, 784, 1.0),
        ("flax-nnx", {"latents": 32}, None, 784, 0.1 * 784 / 32),
        ("lightning-bolts", {"latents": 256}, None, 3072, 0.1 * 3072 / 512),
        ("scvi-tools", {}, None, 2000, 1.0),
        ("alibi-detect", {"latents": 5}, None, 784, 0.0025 / 5),
        ("diffusers", {}, None, 64 * 64 * 3, 0.5e-6),
    ],
)
def test_prices_as_numbers(name, given, beta, dimension, price):
    """CONVENTIONS: the loss as shipped → price."""
    loss = Loss.preset(name, beta, **given)
    assert float(loss.price(spectrum_of(loss.likelihood, dimension))) == pytest.approx(price, rel=CLOSED)


def test_learned_variance_is_the_current_error():
    """orybkin/sigma-vae: with σ² = MSE the price is that error, D(τ)/d."""
    spectrum = spectrum_of(GAUSSIAN)
    price = float(Loss.preset("sigma-vae-optimal", latents=LATENTS).price(spectrum))
    lam = spectrum.eigenvalues
    distortion = np.minimum(lam[:LATENTS], price).sum() + lam[LATENTS:].sum()
    assert price == pytest.approx(distortion / D, rel=CLOSED)


def test_pyod_is_refused_with_its_reason():
    with pytest.raises(InputError, match="clamps its KL to a capacity that is 0"):
        Loss.preset("pyod")
    with pytest.raises(InputError, match="clamped at 0: information has no price"):
        Loss.measure(lambda x, x_hat, mean, spread: pyod(x_hat, x, mean, spread), features=10, latents=3)
    with pytest.raises(InputError, match=r"stops growing at about 2\.5 nats per sample"):
        Loss.measure(lambda x, x_hat, *rest: pyod(x_hat, x, *rest, capacity=2.5), features=10, latents=3)


def test_weights_and_free_bits_as_they_are_shipped():
    assert Loss.preset("music-vae", 0.2).constraint.value == pytest.approx(33.2711, abs=1e-4)  # 48 bits in nats
    assert float(Loss.preset("actor", batch=2, valid=3).beta) == 1e-5
