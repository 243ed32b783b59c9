"""Diagnoses of models in many states, for the tests of pictures and pages."""

import functools

import numpy as np

import landau_vae as lv

LAMBDA = (6.0, 3.0, 2.0, 0.6, 0.3)


def rows(lam=LAMBDA, n=2000, seed=11):
    """Data whose covariance has exactly these eigenvalues."""
    raw = np.random.default_rng(seed).standard_normal((n, len(lam)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((len(lam), len(lam))))[0]
    return white * np.sqrt(lam) @ turn.T, turn


def trained(price, latents=5, lam=LAMBDA, scale=1.0, alive=None):
    """Data, posteriors of the linear VAE at equilibrium at a price, its decoder."""
    X, turn = rows(lam)
    signal = np.clip(1 - price / np.array(lam), 0, None)[:latents]
    if alive is not None:
        signal *= alive
    signal = np.append(signal, np.zeros(latents - len(signal)))
    used = min(latents, len(lam))
    mu = np.zeros((len(X), latents))
    mu[:, :used] = X @ turn[:, :used] * np.sqrt(signal[:used] / np.array(lam)[:used]) * scale
    decoder = np.zeros((latents, len(lam)))
    decoder[:used] = (turn[:, :used] * np.sqrt(signal[:used] * np.array(lam)[:used])).T / scale
    variance = np.broadcast_to((1 - signal) * scale**2, mu.shape)
    return X, mu, variance, lambda z: z @ decoder


def diagnosed(price, beta=None, decode=False, **how):
    X, mu, variance, decoder = trained(price, **how)
    loss = lv.Loss.gaussian(price if beta is None else beta)
    return lv.diagnose(mu, variance=variance, data=X, loss=loss, decode=decoder if decode else None)


def only_the_spectrum():
    _, mu, variance, _ = trained(1.0)
    spectrum = lv.Spectrum.from_eigenvalues(LAMBDA)
    return lv.diagnose(mu, variance=variance, spectrum=spectrum, loss=lv.Loss.gaussian(1.0))


def binary():
    rng = np.random.default_rng(1)
    x = (rng.random((800, 6)) < 1 / (1 + np.exp(-2 * rng.standard_normal((800, 1))))).astype(float)
    score = x.sum(1, keepdims=True) - x.sum(1).mean()
    mu = score / score.std() * np.sqrt(0.5)
    return lv.diagnose(mu, variance=np.full_like(mu, 0.5), data=x, loss=lv.Loss.bernoulli(1.0))


def curved(times=1.0, which="training"):
    """A nonlinear model whose widths are at rest, with a KL `times` the stated one.

    The first latent runs along a parabola. Its decoder is the mean of the rows that a z may come from, whose price is
    0.2396 with these numbers. The second one is linear, at the same price, the third inactive.
    """
    price = 0.2396
    rng = np.random.default_rng(3)
    t, s = rng.standard_normal((2, 1500))
    X = np.column_stack([t, 0.6 * (t**2 - 1), np.sqrt(price / 0.2) * (s - s.mean()) / s.std()])
    along = np.arcsinh(1.5 * t)
    mu = np.column_stack([along - along.mean(), X[:, 2], np.zeros(1500)])
    variance = np.array([0.08, 0.2, 1.0])
    mu *= np.sqrt((1 - variance) / np.maximum(mu.var(axis=0), 1e-12))
    grid = np.linspace(-4, 4, 161)
    weight = np.exp(-((grid[:, None] - mu[:, 0]) ** 2) / (2 * variance[0])) + 1e-30
    table = weight @ X[:, :2] / weight.sum(axis=1, keepdims=True)

    def decode(z):
        curve = [np.interp(z[:, 0], grid, column) for column in table.T]
        return np.column_stack([*curve, z[:, 1] * np.sqrt(0.8 * price / 0.2)])

    loss = lv.Loss.gaussian(price / times)
    return lv.diagnose(mu, variance=np.tile(variance, (1500, 1)), data=X, loss=loss, decode=decode, rows=which)


def diverged():
    X, mu, variance, decoder = trained(1.0)
    variance = variance * np.array([1, 1, 1, 1, 50])
    return lv.diagnose(mu, variance=variance, data=X, loss=lv.Loss.gaussian(1.0), decode=decoder)


def frozen():
    """σ² = 1 throughout: then ⟨μ²⟩ = √(λ/τ) − 1 at rest."""
    X, turn = rows()
    lam = np.array(LAMBDA)
    mean, weight = np.clip(np.sqrt(lam) - 1, 0, None), np.clip(np.sqrt(lam) - 1, 0, None)
    mu, decoder = X @ turn * np.sqrt(mean / lam), (turn * np.sqrt(weight)).T
    return lv.diagnose(mu, variance=np.ones_like(mu), data=X, loss=lv.Loss.gaussian(1.0), decode=lambda z: z @ decoder)


def clusters():
    """Eight tight clusters: all latents inactive above λ₁, where a channel that names the cluster would pay."""
    rng = np.random.default_rng(4)
    X = np.repeat(3 * np.eye(8), 25, axis=0) + 0.05 * rng.standard_normal((200, 8))
    first = float(lv.Spectrum.from_data(X).eigenvalues[0])
    return lv.diagnose(np.zeros((200, 2)), variance=np.ones((200, 2)), data=X, loss=lv.Loss.gaussian(1.2 * first))


def learned():
    X, mu, variance, _ = trained(1.0)
    return lv.diagnose(mu, variance=variance, data=X, loss=lv.Loss.gaussian(1.0, decoder_variance="learned"))


CASES = {
    "spectrum only": only_the_spectrum,
    "all dead": lambda: diagnosed(8.0),
    "higher price": lambda: diagnosed(1.5, beta=0.3),
    "kl off": lambda: diagnosed(1e-4, beta=1.0, scale=6.0),
    "one latent": lambda: diagnosed(1.0, latents=1, decode=True),
    "500 latents": lambda: diagnosed(1.0, latents=500),
    "one mode": lambda: diagnosed(1.0, latents=1, lam=(2.0,), decode=True),
    "70 modes": lambda: diagnosed(1.0, latents=70, lam=tuple(np.geomspace(30, 1e-7, 70))),
    "bernoulli": binary,
    "learned variance without an equilibrium": learned,
    "nonlinear": curved,
    "nonlinear, KL x 3": lambda: curved(3.0),
    "held-out": lambda: curved(which="held-out"),
    "diverged": diverged,
    "frozen": frozen,
    "clusters": clusters,
}


@functools.cache
def staged(case):
    """The diagnosis of a case, made once."""
    return CASES[case]()
