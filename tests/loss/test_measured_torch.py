"""Losses in PyTorch and JAX as people write them, measured on tensors like those of a batch."""

import numpy as np
import pytest

from landau_vae import Loss
from landau_vae.errors import InputError

B, D, K = 20, 12, 4
EXACT = 1e-6  # what the measurement promises in double precision, which tensors are given in
HALF = 0.03  # bfloat16 rounds at 4e-3, its sums by a few of these


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    module.manual_seed(0)
    return module


@pytest.fixture
def arrays(torch):
    x, mean = torch.rand(B, D), torch.randn(B, K)
    return x, torch.rand(B, D), mean, 0.1 * mean


def price(function, like, **more):
    """b/a, which is 2τ of a squared error, and the loss."""
    loss = Loss.measure(function, like=like, **more)
    a, b = loss.weights(loss.features)
    return float(b) / a, loss


def nats(m, s):
    return -0.5 * (1 + s - m**2 - s.exp())


def plain(functional):
    def loss(recon, x, mu, logvar):
        return functional.mse_loss(recon, x) + 0.1 * nats(mu, logvar).sum(dim=1).mean()

    return loss


@pytest.mark.torch
def test_functions_of_torch(torch, arrays):
    """Each with b/a by hand: what multiplies the KL over what multiplies one unit of the error, per sample."""
    F = torch.nn.functional
    cases = {
        "mse": (lambda y, x: F.mse_loss(y, x), 0.1 * D, "gaussian"),
        "mse sum": (lambda y, x: F.mse_loss(y, x, reduction="sum") / len(x), 0.1, "gaussian"),
        "bce": (lambda y, x: F.binary_cross_entropy(y, x, reduction="sum") / len(x), 0.1, "bernoulli"),
        "logits": (lambda y, x: F.binary_cross_entropy_with_logits(y, x), 0.1 * D, "bernoulli"),
        "l1": (lambda y, x: F.l1_loss(y, x), 0.1 * D, "laplace"),
        "smooth l1": (lambda y, x: F.smooth_l1_loss(y, x, beta=0.5), 0.1 * D * 0.5, "huber(0.5)"),
        "huber": (lambda y, x: F.huber_loss(y, x, delta=0.5), 0.1 * D, "huber(0.5)"),
        "poisson": (lambda y, x: F.poisson_nll_loss(y, x, reduction="sum") / len(x), 0.1, "poisson"),
        "gaussian": (lambda y, x: F.gaussian_nll_loss(y, x, torch.full_like(x, 0.25)), 0.1 * D * 0.5, "gaussian"),
        "soft cross-entropy": (lambda y, x: F.cross_entropy(y, x), 0.1, f"categorical({D})"),
    }
    for name, (error, ratio, likelihood) in cases.items():
        found, loss = price(lambda y, x, mu, s, error=error: error(y, x) + 0.1 * nats(mu, s).sum(1).mean(), arrays)
        assert loss.likelihood.name == likelihood, name
        assert found == pytest.approx(ratio, rel=EXACT), name


@pytest.mark.torch
def test_classes(torch, arrays):
    """Logits (n, C, T) and indices (n, T), averaged over rows and tokens: a token costs 1/T of a sample."""
    F, (_, _, mean, logvar) = torch.nn.functional, arrays
    target, logits = torch.randint(0, 5, (B, 7)), torch.randn(B, 5, 7)

    def loss(logits, target, mu, s):
        return F.cross_entropy(logits, target) + 0.1 * nats(mu, s).sum(1).mean()

    found, measured = price(loss, (target, logits, mean, logvar))
    assert measured.likelihood.name == "categorical(5,5,5,5,5,5,5)"
    assert found == pytest.approx(0.7, rel=EXACT)


@pytest.mark.torch
@pytest.mark.parametrize("beta", [1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("how", ["doubles are taken", "float32 inside", "float32 given"])
def test_tiny_weights_beside_single_precision(torch, how, reduction, beta):
    """Each term is read where the other is least, so a weight of 1e-7 is known to what float32 rounds."""
    F, like = torch.nn.functional, (*torch.rand(2, B, 3, 16, 16), *torch.randn(2, B, 8))

    def loss(x, y, mu, s):
        if how == "float32 inside":
            x, y, mu, s = (each.float() for each in (x, y, mu, s))
        error = F.mse_loss(y, x, reduction=reduction) / (len(x) if reduction == "sum" else 1)
        return error + beta * nats(mu, s).sum(1).mean()

    more = {"to": lambda array: torch.as_tensor(array).float()} if how == "float32 given" else {}
    found, _ = price(loss, like, beta=beta, **more)
    assert found == pytest.approx(beta * (768 if reduction == "mean" else 1), rel=1e-3)  # three digits are promised


@pytest.mark.torch
def test_half_precision(torch, arrays):
    """Measured to the digits that there are, or refused for precision; never for another reason."""
    F, half = torch.nn.functional, torch.bfloat16

    def autocast(y, x, mu, s):
        with torch.autocast("cpu", dtype=half):
            return F.mse_loss(y, x) + 0.1 * nats(mu, s).sum(1).mean()

    def cast(error):
        return lambda y, x, mu, s: error(y.to(half), x.to(half)) + 0.1 * nats(mu.to(half), s.to(half)).sum(1).mean()

    for function, ratio in ((autocast, 0.1 * D), (cast(F.mse_loss), 0.1 * D), (cast(F.l1_loss), 0.1 * D)):
        assert price(function, arrays)[0] == pytest.approx(ratio, rel=HALF)
    with pytest.raises(InputError, match="half precision"):
        price(cast(F.binary_cross_entropy_with_logits), arrays)


@pytest.mark.torch
def test_distributions(torch, arrays):
    """The posterior as a Normal, the decoder's output as one of σ = ½: b/a = 2 · 2 · ¼."""
    from torch.distributions import Independent, Normal, kl_divergence

    x, x_hat, mean, logvar = arrays

    def by_rule(x, x_hat, q):
        return ((x - x_hat) ** 2).sum(1).mean() + 2 * kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()

    def both(x, p_x, q_z):
        prior = Independent(Normal(torch.zeros_like(q_z.mean), torch.ones_like(q_z.mean)), 1)
        return -p_x.log_prob(x).sum(1).mean() + 2 * kl_divergence(q_z, prior).mean()

    q = Normal(mean, (logvar / 2).exp())
    assert price(by_rule, (x, x_hat, q))[0] == pytest.approx(2, rel=EXACT)
    assert price(both, (x, Normal(x_hat, 0.5), Independent(q, 1)))[0] == pytest.approx(1, rel=EXACT)


def model_of(torch):
    class VAE(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = torch.nn.Linear(D, 2 * K), torch.nn.Linear(K, D)

        def encode(self, x):
            return self.encoder(x).chunk(2, dim=1)

        def reparameterize(self, mu, logvar):
            return mu + torch.randn_like(mu) * (logvar / 2).exp()

        def decode(self, z):
            return self.decoder(z)

        def forward(self, x):
            mu, logvar = self.encode(x)
            return {"x_hat": self.decode(self.reparameterize(mu, logvar)), "mu": mu, "logvar": logvar}

    return VAE()


@pytest.mark.torch
def test_models(torch, arrays):
    """A loss that calls the model: through its forward, through its methods, and with one sample of z."""
    F, x, model = torch.nn.functional, arrays[0], model_of(torch)

    def forward(model, batch):
        out = model(batch)
        return F.mse_loss(out["x_hat"], batch) + 0.1 * nats(out["mu"], out["logvar"]).sum(1).mean()

    def methods(model, batch):
        mu, logvar = model.encode(batch)
        x_hat = model.decode(model.reparameterize(mu, logvar))
        return {"loss": F.mse_loss(x_hat, batch) + 0.1 * nats(mu, logvar).sum(1).mean()}

    def sampled(model, batch):
        mu, logvar = model.encode(batch)
        q = torch.distributions.Normal(mu, (logvar / 2).exp())
        z = q.rsample()
        ratio = q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)
        return F.mse_loss(model.decode(z), batch) + 0.1 * ratio.sum(1).mean()

    before = [each.clone() for each in model.parameters()]
    assert price(forward, (model, x))[0] == pytest.approx(0.1 * D, rel=EXACT)
    assert price(methods, (model, x))[0] == pytest.approx(0.1 * D, rel=EXACT)
    found, loss = price(sampled, (model, x))
    assert found == pytest.approx(0.1 * D, rel=0.05)  # the note says how well it is known
    assert "calls were averaged" in " ".join(loss.notes)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


@pytest.mark.torch
def test_modules_and_what_they_own(torch, arrays):
    """A module with a fixed weight; one whose log σ is trained; one σ for each feature; a weight without its ln σ."""
    nn, F = torch.nn, torch.nn.functional

    class Weighted(nn.Module):
        def forward(self, recon, target, mu, logvar):
            return F.mse_loss(recon, target) + 0.3 * nats(mu, logvar).sum(1).mean()

    class Sigma(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.log_sigma = nn.Parameter(torch.full((size,), -0.3))

        def forward(self, recon, target, mu, logvar):
            nll = (recon - target) ** 2 / (2 * (2 * self.log_sigma).exp()) + self.log_sigma
            return nll.sum(1).mean() + 2 * nats(mu, logvar).sum(1).mean()

    assert price(Weighted(), arrays)[0] == pytest.approx(0.3 * D, rel=EXACT)
    shared = Sigma(1)
    found, loss = price(shared, arrays)
    assert (loss.decoder_variance, loss.half) == ("learned", True)
    assert found == pytest.approx(4, rel=1e-3)  # by differences: three digits
    assert float(shared.log_sigma.detach()) == pytest.approx(-0.3)  # it is put back
    assert "log_sigma" in " ".join(loss.notes)
    with pytest.raises(InputError, match=r"trained for each feature \(log_sigma"):
        price(Sigma(D), arrays)
    weight = nn.Parameter(torch.tensor(1.5))
    with pytest.raises(InputError, match="without the term ln σ"):
        price(lambda y, x, mu, s: weight**2 * F.mse_loss(y, x) + nats(mu, s).sum(1).mean(), arrays)


@pytest.mark.torch
def test_tensors_with_gradients_and_batches_that_are_summed(torch, arrays):
    """Gradients do not matter; a KL that is summed over the batch asks for it, and `like` gives it."""
    loss = plain(torch.nn.functional)
    assert price(loss, tuple(each.requires_grad_() for each in arrays))[0] == pytest.approx(0.1 * D, rel=EXACT)

    def summed(x, y, mu, s):
        return ((x - y) ** 2).mean() + nats(mu, s).sum()

    assert price(summed, tuple(each.detach() for each in arrays))[0] == pytest.approx(D * B, rel=EXACT)
    with pytest.raises(InputError, match="give batch"):
        Loss.measure(summed, features=D, latents=K, to=torch.as_tensor)


def test_functions_of_jax():
    """Compiled, in single precision."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    like = (jnp.ones((B, D)), jnp.ones((B, D)), jnp.zeros((B, K)), jnp.zeros((B, K)))

    @jax.jit
    def loss(recon_x, x, mean, logvar):
        kl = 0.5 * (mean**2 + jnp.exp(logvar) - 1 - logvar)
        return jnp.mean((recon_x - x) ** 2) + 0.1 * kl.sum(axis=1).mean()

    assert price(loss, like)[0] == pytest.approx(0.1 * D, rel=1e-3)  # three digits are promised


def test_sizes_of_numpy_are_taken_as_well():
    like = (np.zeros((B, D), np.float32),) * 2 + (np.zeros((B, K), np.float32),) * 2
    found, loss = price(lambda x, y, m, s: ((x - y) ** 2).sum() + 3 * (m**2 + np.exp(s) - 1 - s).sum() / 2, like)
    assert (found, loss.features, loss.latents) == (pytest.approx(3.0, rel=EXACT), D, K)
