"""The exact equilibrium of a linear VAE of Gaussian rows, and its exact spectrum of onsets."""

import itertools

import numpy as np


class Equilibrium:
    """μ, σ, the decoder and the rows of a linear VAE at rest at price τ, with a latent for each of some modes."""

    def __init__(self, eigenvalues, price, rows, seed, latents=None):
        lam = np.asarray(eigenvalues, dtype=float)
        a = np.flatnonzero(lam > price)[:latents]
        self.shrinkage = price / lam[a]  # t: the part of a mode's variance that is not encoded
        self.inactive = np.delete(lam, a)
        self.x = np.random.default_rng(seed).standard_normal((rows, len(lam))) * np.sqrt(lam)
        self.mean = self.x[:, a] * np.sqrt((1 - self.shrinkage) / lam[a])
        self.deviation = np.broadcast_to(np.sqrt(self.shrinkage), self.mean.shape)
        self.weights = np.zeros((len(a), len(lam)))
        self.weights[np.arange(len(a)), a] = np.sqrt(lam[a] - price)
        self.price, self.active = price, np.arange(len(a))

    def decode(self, z):
        return z @ self.weights

    def term(self, z):
        return 0.5 * np.square(self.x - self.decode(z)).sum(axis=1)

    def onsets(self, degree):
        """The largest price at which a w of a degree in z pays.

        The spectrum is that of products of Hermite polynomials: n_a trials of success probability t_a for each active
        latent. An inactive mode has λ_b P(no success), with w of degree Σ n_a; active ones have τ P(exactly one
        success), with w of degree Σ n_a − 1.
        """
        t = self.shrinkage
        values = [0.0]
        for total in range(degree + 2):
            for trials in itertools.combinations_with_replacement(range(len(t)), total):
                p = t[list(trials)]
                none = np.prod(1 - p)
                one = sum(p[i] * np.prod(np.delete(1 - p, i)) for i in range(total))
                values += [self.price * one, *(self.inactive * none * (total <= degree))]
        return max(values)
