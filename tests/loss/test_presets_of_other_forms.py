"""Presets with a constraint, a sampler or a reconstruction term of another kind, against their losses as written.

Each case has the loss of (output, mean, log-variance), two outputs, and the error of an output summed over the batch.
"""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from conftest import CLOSED
from written_losses import kl_terms

import landau_vae as lv
from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError
from landau_vae.loss import FAMILY, GAUSSIAN, PRESETS, Sampler, mixed

B, K, T, V = 7, 6, 5, 4  # rows, latents, tokens of a row, letters of the alphabet
D = T * V
HALF = D // 2
RATES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])  # nats of the rows, on both sides of every capacity below
CAPACITY = 6.0
BITS = CAPACITY / log(2)


def squares(x, x_hat):
    return ((x - x_hat) ** 2).sum()


def entropy(tokens, logits):
    """−ln p of the tokens, in nats, of all rows."""
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, tokens[..., None], axis=-1).sum()


# Squared errors with a constraint on the KL ---------------------------------------------------------------------


def world_models(x, y, mu, logvar, kl_tolerance=CAPACITY / K):
    r_loss = np.mean(np.sum(np.square(x - y), axis=1))
    kl_loss = np.maximum(kl_terms(mu, logvar).sum(axis=1), kl_tolerance * K)
    return r_loss + np.mean(kl_loss)


def pythae_disentangled(x, recon_x, mu, log_var, beta=10.0, capacity=CAPACITY):
    kld = kl_terms(mu, log_var).sum(axis=-1)
    return (0.5 * ((x - recon_x) ** 2).sum(axis=-1) + beta * np.abs(kld - capacity)).mean()


def beta_control(y, y_recon, mu, logvar, gamma=0.3, beta=CAPACITY):
    kld = kl_terms(mu, logvar).sum(axis=1).mean()
    return np.mean((y_recon - y) ** 2) + gamma * (beta - kld) ** 2 / y[0].size


def sketch_rnn(x, x_hat, mu, presig, kl_weight=0.5, kl_tolerance=CAPACITY / K):
    """With half of the squares in place of its density, which is the user's own."""
    kl_cost = np.maximum(kl_terms(mu, presig).mean(), kl_tolerance)
    return 0.5 * squares(x, x_hat) / B + kl_weight * kl_cost


# Tokens ---------------------------------------------------------------------------------------------------------


def music_vae(tokens, logits, mu, logvar, beta=0.2, free_bits=BITS):
    kl_cost = np.maximum(kl_terms(mu, logvar).sum(axis=1) - free_bits * log(2), 0)
    return entropy(tokens, logits) / B + beta * kl_cost.mean()


def sentence_vae(target, logits, mean, logv, weight=1.0):
    return (entropy(target, logits) + weight * -0.5 * np.sum(1 + logv - mean**2 - np.exp(logv))) / B


def jt_vae(tokens, scores, mean, log_var, beta=1.0):
    kl_loss = -0.5 * np.sum(1.0 + log_var - mean * mean - np.exp(log_var)) / B
    return entropy(tokens, scores) / B + beta * kl_loss


def moses(x, y, mu, logvar, kl_weight=0.05):
    recon_loss = entropy(x, y) / x.size  # F.cross_entropy: the mean over the tokens of the batch
    return kl_weight * 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1).mean() + recon_loss


def chemical_vae(x, x_pred, mean, log_var, kl_loss_weight=1.0):
    kl_loss = -0.5 * np.mean(1 + log_var - np.square(mean) - np.exp(log_var), axis=-1)
    return entropy(x, x_pred) / x.size + kl_loss_weight * kl_loss.mean()


# A KL without its ½, and a posterior of unit variance -----------------------------------------------------------


def without_half(x, x_hat, mean, log_var, w=1e-4):
    """With half of the squares in place of its spectral distance, which is the user's own."""
    return 0.5 * squares(x, x_hat) / B + w * (mean**2 + np.exp(log_var) - log_var - 1).sum(axis=1).mean()


def mean_square(x, x_hat, mean, _, w=0.01):
    return 0.5 * squares(x, x_hat) / B + w * np.mean(mean**2)


# Absolute and Huber errors, metrics, several kinds of columns -----------------------------------------------------


def huber(x, x_hat):
    """torch.nn.functional.huber_loss(reduction="sum", delta=1)."""
    r = np.abs(x - x_hat)
    return np.where(r < 1, r**2 / 2, r - 0.5).sum()


def monai(x, recon, mu, logvar, kl_weight=1e-6):
    return np.abs(x - recon).mean() + kl_weight * kl_terms(mu, logvar).sum() / B


def unit(x, x_recon, hiddens, _, recon_x_w=10, recon_kl_w=0.01):
    return recon_x_w * np.mean(np.abs(x_recon - x)) + recon_kl_w * np.mean(hiddens**2)


def act(actions, a_hat, mu, logvar, kl_weight=10.0):
    is_pad = np.zeros(actions.shape, bool)
    is_pad[:, HALF:] = True
    l1 = np.abs(actions - a_hat)[~is_pad].mean()
    return l1 + kl_weight * kl_terms(mu, logvar).sum(axis=1).mean()


def dart(x, x_hat, mu, logvar, weight_kl=1e-4):
    return huber(x, x_hat) / x.size + weight_kl * kl_terms(mu, logvar).mean()


def time_vae(X, X_recons, z_mean, z_log_var, weight=3.0):
    X, X_recons = X.reshape(B, T, V), X_recons.reshape(B, T, V)
    by_axis = np.square(X.mean(axis=2) - X_recons.mean(axis=2)).sum()
    reconst_loss = np.square(X - X_recons).sum() + by_axis
    return weight * reconst_loss + kl_terms(z_mean, z_log_var).sum()


def tvae(x, recon, mu, logvar, sigmas=(0.3, 0.7), loss_factor=2.0):
    """Two columns with learned σ_j, and one of three labels."""
    eq = (x[:, :2] - np.tanh(recon[:, :2])) / np.array(sigmas)
    log_sigmas = B * np.log(sigmas).sum()
    parts = (eq**2 / 2).sum() + log_sigmas + entropy(x[:, 2:].argmax(axis=1), recon[:, 2:])
    return (parts * loss_factor + -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))) / B


def vamb(x, out, mu, _, beta=200.0, alpha=0.25, nsamples=V, ntnf=103):
    depths, tnf, abundance = np.split(x, [nsamples, nsamples + ntnf], axis=1)
    depths_out, tnf_out, abundance_out = np.split(out, [nsamples, nsamples + ntnf], axis=1)
    log_depths = depths_out - np.log(np.exp(depths_out).sum(axis=1, keepdims=True))
    ab_sse = ((abundance_out - abundance) ** 2).sum(axis=1)
    ce = -(log_depths * depths).sum(axis=1)
    sse = ((tnf_out - tnf) ** 2).sum(axis=1)
    kld = 0.5 * (mu**2).sum(axis=1)
    ce_weight = ((1 - alpha) * (nsamples - 1)) / (nsamples * log(nsamples))
    reconstruction = ce * ce_weight + ab_sse * (1 - alpha) / nsamples + sse * alpha / ntnf
    return (reconstruction + kld / (K * beta)).mean()


OWN = {"likelihood": GAUSSIAN}
# name: (loss as written, arguments of the preset; weights that the code base does not ship first)
WRITTEN = {
    "world-models": (world_models, {"capacity": CAPACITY}),
    "pythae-disentangled": (pythae_disentangled, {"capacity": CAPACITY}),
    "cryodrgn-beta-control": (beta_control, {"beta": 0.3, "capacity": CAPACITY}),
    "sketch-rnn": (sketch_rnn, {"capacity": CAPACITY / K} | OWN),
    "music-vae": (music_vae, {"beta": 0.2, "capacity": CAPACITY}),
    "sentence-vae": (sentence_vae, {}),
    "jt-vae": (jt_vae, {}),
    "moses": (moses, {"valid": T}),
    "chemical-vae": (chemical_vae, {"valid": T}),
    "stable-audio": (without_half, {"beta": 1e-4} | OWN),
    "rave": (without_half, {"beta": 1e-4} | OWN),
    "old-photos": (mean_square, {"beta": 0.01} | OWN),
    "monai": (monai, {}),
    "unit": (unit, {}),
    "act": (act, {"valid": HALF}),
    "lerobot-act": (act, {"valid": HALF}),
    "torchrl-act": (act, {"valid": HALF}),
    "dart": (dart, {}),
    "timevae": (time_vae, {"channels": V, "valid": D}),
    "tvae": (tvae, {"likelihood": mixed([("learned-variances(0.0001,1)", [0, 1]), ("categorical(3)", [2, 3, 4])])}),
    "vamb": (vamb, {"channels": V}),
}


def preset(name):
    return Loss.preset(name, latents=K, **WRITTEN[name][1])


def absolute(x, x_hat):
    return np.abs(x - x_hat).sum()


def errors(name, loss):
    """Return the error of an output, summed over the batch, in the units of the likelihood at weight 1."""
    if name.endswith("act"):
        return lambda x, f: absolute(x[:, :HALF], f[:, :HALF])
    if name == "tvae":  # its loss at no weight of the KL, half of it
        return lambda x, f: tvae(x, f, np.zeros((B, K)), np.zeros((B, K))) * B / 2
    if name in ("timevae", "vamb"):  # their weights of columns are those of the likelihood
        return lambda x, f: loss.likelihood.row_value(x, f).sum()
    return {"family": entropy, "gaussian": squares, "laplace": absolute, "huber(1)": huber}[loss.likelihood.name]


def outputs(name, loss, rng):
    """Data and three outputs."""
    if loss.likelihood == FAMILY:
        return rng.integers(V, size=(B, T)), rng.normal(size=(3, B, T, V))
    if name == "tvae":
        labels = np.eye(3)[rng.integers(3, size=B)]
        return np.concatenate([rng.uniform(-1, 1, (B, 2)), labels], axis=1), rng.normal(size=(3, B, 5))
    if name == "vamb":
        return np.concatenate([rng.dirichlet(np.ones(V), B), rng.normal(size=(B, 104))], axis=1), rng.normal(
            size=(3, B, V + 104)
        )
    return rng.normal(size=(B, D)), rng.normal(size=(3, B, D))


def posterior(rates, frozen):
    """Posteriors of these rates, shared among the latents in mean and variance, or in the mean alone."""
    if frozen:
        return np.sqrt(2 * rates / K)[:, None] * np.ones(K), np.zeros((B, K))
    log_variance = np.full((B, K), -0.2)
    rest = rates / K - kl_terms(0.0, -0.2)
    assert np.all(rest > 0)
    return np.sqrt(2 * rest)[:, None] * np.ones(K), log_variance


def charged(loss, rates):
    """Mean nats that are paid for at these rates of the rows."""
    constraint = loss.constraint
    if constraint is None:
        return rates.mean()
    if constraint.per == "mean":
        rates = rates.mean()
    gap = rates - constraint.value * (K if loss.kl == "mean" else 1)
    return np.mean({"hinge": np.maximum(gap, 0), "absolute": np.abs(gap), "square": gap**2}[constraint.kind])


@pytest.mark.parametrize("name", WRITTEN)
def test_errors_and_nats_cost_what_the_preset_says(name, rng):
    loss, written = preset(name), WRITTEN[name][0]
    data, (first, second, third) = outputs(name, loss, rng)
    error, frozen = errors(name, loss), loss.sampler.variance is not None
    start = posterior(RATES, frozen)
    a, again = (
        B * (written(data, other, *start) - written(data, first, *start)) / (error(data, other) - error(data, first))
        for other in (second, third)
    )
    # Differences of losses of order 1 to 1e3: their rounding, not the closed form, sets the tolerances.
    assert a == pytest.approx(again, rel=1e-9)
    of_error, of_kl = loss.weights(D)
    for scale in (0.6, 1.7, 5.0):  # capacities are crossed by the mean, too
        paid = written(data, first, *posterior(scale * RATES, frozen)) - written(data, first, *start)
        nats = charged(loss, scale * RATES) - charged(loss, RATES)
        assert paid / a == pytest.approx(of_kl / of_error * nats, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "given", "value", "per"),
    [
        ("world-models", {"latents": 32}, 16.0, "sample"),
        ("pythae-disentangled", {}, 50.0, "sample"),
        ("music-vae", {"beta": 1.0}, 48 * log(2), "sample"),
        ("sketch-rnn", {"latents": 128, "likelihood": GAUSSIAN}, 0.2, "mean"),
    ],
)
def test_capacities_are_those_of_the_code_base(name, given, value, per):
    """CONVENTIONS: 16 nats at K = 32; 50 nats; 48 bits; .2 nats of a mean over latents."""
    constraint = Loss.preset(name, **given).constraint
    assert (constraint.value, constraint.per) == (pytest.approx(value, rel=CLOSED), per)


def test_chemical_vae_multiplies_its_noise_by_the_weight():
    assert Loss.preset("chemical-vae", latents=K, valid=T).sampler.plain
    assert Loss.preset("chemical-vae", 0.25, latents=K, valid=T).sampler == Sampler(noise_scale=0.25)
    with pytest.raises(InputError, match="give one β"):
        Loss.preset("chemical-vae", [0.25, 0.5], latents=K, valid=T)


def test_vamb_of_one_sample_has_no_depths_to_reconstruct():
    """Its depths are constant then, its cross-entropy has the weight 0, and alpha is ½."""
    table = Loss.preset("vamb", latents=K, channels=1).likelihood
    assert [weight for _, _, weight in table.pieces] == [1.0, pytest.approx(1 / 103), 1.0]


def test_sizes_that_do_not_fit_each_other_are_refused():
    with pytest.raises(InputError, match="valid is 21, but a multiple of channels = 4"):
        Loss.preset("timevae", channels=4, valid=21)


@pytest.mark.parametrize(
    ("name", "given", "price"),
    [
        ("act", {"valid": 1400}, 14_000.0),
        ("monai", {}, 1e-6 * D),
        ("timevae", {"channels": V, "valid": D}, 1 / 6),
        ("tvae", {"likelihood": "learned-variances"}, 0.5),
        ("dart", {"latents": K}, 1e-4 * D / K),
        ("unit", {"latents": K}, 2 * 0.01 / K / (10 / D)),
        ("vame", {"latents": K, "batch": B}, 1 / (2 * B * K)),
        ("vame", {"latents": K, "batch": 1}, 1 / (2 * K)),
        ("actor", {"batch": B, "valid": 9}, 1e-5 * B * 9 / 2),
        ("actor", {"batch": 1, "valid": 9}, 1e-5 * 9 / 2),
        ("merlion", {}, D / 2),
        ("svg", {}, 1e-4 * D / 2),
        ("cryodrgn", {"latents": K}, 1 / (2 * K)),
        ("lambda-beta-vae", {"beta": 3.0, "reconstruction_weight": 2.0}, 1.5),
        ("adsp-world-models", {"beta": 1000.0}, D / 2000),
        ("lfads-torch", {"beta": 1e-4}, 1e-4 * D),
    ],
)
def test_prices_as_numbers(name, given, price):
    """CONVENTIONS, second table: the loss as shipped → price, b/a where the error is no square."""
    loss = Loss.preset(name, **given)
    a, b = loss.weights(D)
    assert float(b / (loss.likelihood.curvature_of_term * a)) == pytest.approx(price, rel=CLOSED)


def test_samplers_of_presets():
    assert Loss.preset("keras-molecules", latents=K).sampler == Sampler(noise_scale=0.01)
    assert Loss.preset("keras-molecules", latents=K, noise_scale=1.0).sampler.plain
    assert Loss.preset("old-photos", 0.01, latents=K, likelihood="gaussian").sampler == Sampler(variance=1.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nvae", "hierarchy"), ("lion", "hierarchy"), ("dreamer-v3", "categorical"), ("trajectron", "categorical"),
        ("vits", "normalizing flow"), ("pyg-vgae", "no spectrum"), ("tybalt", "weight 0 for ever"),
        ("pyod", "clamps its KL"),
    ],
)  # fmt: skip
def test_losses_without_a_price_are_refused_with_their_reason(name, words):
    with pytest.raises(InputError, match=words):
        Loss.preset(name, latents=K)


def test_the_refused_are_those():
    assert {name for name, each in PRESETS.items() if each.refused} == {
        "nvae", "lion", "dreamer-v3", "trajectron", "vits", "pyg-vgae", "tybalt", "pyod"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"name": "actor"}, "its batch and its valid entries.*give them .batch=…, valid=…; --batch, --valid"),
        ({"name": "actor", "batch": 20}, "its valid entries .*: give it"),
        ({"name": "rave", "beta": 1.0}, "its reconstruction term .an object of landau_vae.likelihoods"),
        ({"name": "rave", "likelihood": "gaussian"}, "rave ships no w: give yours"),
        ({"name": "adsp-world-models"}, "ships no r_loss_factor"),
        ({"name": "lambda-beta-vae", "beta": 1}, "weight of the reconstruction.*--with reconstruction_weight=…"),
        ({"name": "cryodrgn"}, "depends on its latents"),
        ({"name": "cryodrgn-beta-control", "beta": 1}, "depends on its capacity"),
        ({"name": "pythae", "capacity": 3.0}, "no constraint on its KL"),
        ({"name": "adsp-world-models", "beta": -1000}, "beta is -1000"),
        ({"name": "adsp-world-models", "beta": 0}, "beta is 0"),
        ({"name": "moses", "valid": 0}, "valid is 0"),
    ],
)
def test_what_the_price_depends_on_is_asked_for_in_one_sentence(call, words):
    with pytest.raises(InputError, match=words) as caught:
        Loss.preset(**call)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pytorch", "pytorch-examples"), ("lerobot", "lerobot-act"), ("cryo-drgn", "cryodrgn"), ("vae", "pytorch-vae"),
        ("Bringing-Old-Photos", "old-photos"), ("worldmodels", "world-models"), ("scvi", "scvi-tools"),
        ("musicvae", "music-vae"), ("antixk", "pytorch-vae"), ("keras_molecule", "keras-molecules"),
    ],
)  # fmt: skip
def test_near_misses_suggest_the_right_names(name, meant):
    with pytest.raises(InputError, match=rf"did you mean .*{meant}"):
        Loss.preset(name)


def test_no_name_is_suggested_for_nothing_like_it():
    with pytest.raises(InputError, match=r"called 'qqqq': landau_vae\.loss\.PRESETS and `landau-vae convert` list"):
        Loss.preset("qqqq")


def test_names_are_read_with_capitals_and_spaces():
    assert Loss.preset("World Models", latents=32).name == Loss.preset("world_models", latents=32).name


@pytest.mark.parametrize("name", WRITTEN)
def test_thresholds_are_those_of_the_weights(name):
    """λ₁ = b/a, b/2a of squares, at the first threshold in β; a constraint from below keeps the mode at any β."""
    loss = preset(name)
    spectrum = replace(Spectrum.from_eigenvalues([3.0, 2.0, 1.0]), likelihood=loss.likelihood)
    first = float(lv.transitions(spectrum, loss).beta[0])
    of_error, of_kl = loss.at(1.0).weights(3)
    expected = 3.0 * loss.likelihood.curvature_of_term * of_error / of_kl
    assert first == (np.inf if loss.constraint else pytest.approx(expected, rel=CLOSED))


def test_a_beta_that_divides_is_said_as_it_is_set():
    """τ = d/2f: 196 of 784 features is τ = 2, which is β = 2 in pythae."""
    loss = Loss.preset("adsp-world-models", 196)
    assert float(loss.charge(784)) == pytest.approx(2.0, rel=CLOSED)
    assert Loss.preset("pythae", 2).translation(loss, 784) == (
        "beta = 2 in pythae is r_loss_factor = 196 in adsp-world-models (d = 784): τ = 2."
    )
    assert "β stands for 1/r_loss_factor." in loss.explain(Spectrum.from_eigenvalues([2.0, 1.0]))
    doubled = Loss.preset("adsp-world-models", [196, 392]).charge(784)
    np.testing.assert_allclose(doubled, [2, 1], rtol=CLOSED)


def test_masks_divide_by_what_they_leave(rng):
    """ACTOR averages over the entries of the batch that its mask leaves."""
    from written_losses import actor

    x, x_hat = rng.normal(size=(2, B, D))
    mask = np.zeros((B, D), bool)
    mask[:, : D // 2] = True
    zero = np.zeros((B, K))
    a = actor(x_hat, x, zero, zero, mask) / squares(x[mask], x_hat[mask]) * B
    b = actor(x, x, zero + 1, zero, mask) / (K / 2)
    loss = Loss.preset("actor", latents=K, batch=B, valid=D // 2)
    of_error, of_kl = loss.weights(D)
    assert of_kl / of_error == pytest.approx(b / a, rel=CLOSED)
    assert float(loss.charge(D)) == pytest.approx(1e-5 * B * (D // 2) / 2, rel=CLOSED)
