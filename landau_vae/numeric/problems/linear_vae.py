"""The linear β-VAE with all its weights, and its exact variations: weight decay, another prior, learned σ_dec².

    F = A/τ + Σ_k ½[(‖g_k‖² + s_k)/η² − 1 − ln(s_k/η²)],   τ = β σ_dec²
    A = ½⟨‖x − Wz‖²⟩ = ½ tr C − Σ √λ_i W_ik G_ik + ½ tr WᵀW GᵀG + ½ Σ s_k ‖w_k‖² + decay

F is the loss over β, in nats. Unknowns are W (d × K), G = C^{1/2} Eᵀ (d × K: the encoder of
whitened data, so that modes of any variance are equally stiff), t = ln s (K) and, where it is
learned, ln σ_dec². Rows are written along the principal axes of the data, which is a rotation
of x and no approximation; no other use is made of modes. i, j: axes; k, l: latents. In symbols:
`symbolic.linear.loss`, `symbolic.variations`; derivations 1, 7, 8 and 12.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from landau_vae.checks import NonNegative, Positive, checked
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss import Loss
from landau_vae.numeric._learned_variance import LearnedVariance
from landau_vae.numeric._learned_variance import learned_variance as cascade_of_learned
from landau_vae.numeric._transitions import transitions
from landau_vae.numeric._weight_decay import weight_decay
from landau_vae.numeric.problems.problem import Problem
from landau_vae.spectrum.spectrum import Spectrum

SPLIT_WIDTH = 3e-4  # relative, more than MULTIPLET_WIDTH of the solver: closer eigenvalues are a split multiplet
EQUAL_WIDTH = 1e-7  # relative: closer than this, it makes no difference which of them has a latent


class Linear(Problem):
    """The linear β-VAE on data of one spectrum, in the convention of the user's loss.

    Parameters
    ----------
    spectrum : Spectrum
        The modes of the data.
    loss : Loss, optional
        The convention; by default `Loss.gaussian()`. Without a number of latents there is one
        per mode.
    decoder_decay, encoder_decay : float, default 0
        γ_W and γ_E of ½γ_W‖W‖² + ½γ_E‖E‖², added to the user's loss.
    prior_variance : float, default 1
        η² of the prior N(0, η²).
    learned_variance : bool, default False
        Whether σ_dec² is trained too; the loss then has the ½ of a likelihood.

    Raises
    ------
    InputError
        If an argument cannot be used, or a learned variance is combined with weight decay.

    Examples
    --------
    >>> problem = Linear(Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(latents=2))
    >>> len(problem.rest(1.0)), problem.predicted()
    (10, [(4.0, 1), (1.0, 1)])
    """

    @checked
    def __init__(
        self,
        spectrum: Spectrum,
        loss: Loss | None = None,
        *,
        decoder_decay: NonNegative = 0.0,
        encoder_decay: NonNegative = 0.0,
        prior_variance: Positive = 1.0,
        learned_variance: bool = False,
    ) -> None:
        loss = Loss.gaussian() if loss is None else loss
        loss.must_be_plain("branches are followed")
        decays = bool(decoder_decay or encoder_decay)
        if loss.learned:
            learned_variance, loss = True, replace(loss, decoder_variance=1.0)
        if learned_variance and (decays or not loss.half or loss.decoder_variance != 1.0):
            raise InputError(
                "A learned decoder variance goes with the plain Gaussian likelihood: leave out weight decay, and give "
                "the loss with its ½ and no decoder variance of its own.",
                "learned_variance",
            )
        self.latents = loss.latents or spectrum.modes
        self.spectrum, self.user_loss = spectrum, loss.with_latents(self.latents)
        self.learned, self.prior_variance = learned_variance, prior_variance
        a, _ = loss.weights(spectrum.dimension)
        self._per_beta = float(loss.at(1.0).price(spectrum))  # τ at β = 1 (σ_dec² = 1 where it is learned)
        starts, sizes = spectrum.multiplets
        self._multiplets = [
            group
            for apart in (spectrum.floor, SPLIT_WIDTH * spectrum.eigenvalues[:-1])
            for group in np.split(np.arange(spectrum.modes), np.flatnonzero(-np.diff(spectrum.eigenvalues) > apart) + 1)
            if len(group) > 1
        ]  # the exact ones, then those that are split by a little
        d, K = len(spectrum.covariance), self.latents
        self._weights = np.arange(2 * d * K).reshape(2, d, K)  # where W_ik and G_ik are in x
        self._decoder, self._encoder = self._weights
        self._log_s = np.arange(2 * d * K, 2 * d * K + K)
        self._variance = np.zeros(d)  # λ_i, equal within a multiplet
        self._variance[: spectrum.modes] = np.repeat(np.add.reduceat(spectrum.eigenvalues, starts) / sizes, sizes)
        self._gain = np.sqrt(self._variance)
        by_axis = np.divide(encoder_decay / (2 * a), self._variance, out=np.zeros(d), where=self._variance > 0)
        self._decoder_decay, self._encoder_decay = decoder_decay / (2 * a), by_axis[:, None]
        self._learned_cascade = cascade_of_learned(spectrum, self.latents) if self.learned else None
        limit = self._learned_cascade.singular if self._learned_cascade else None
        self._limit = None if limit is None else limit / self._per_beta  # at β below it σ_dec² falls to 0
        self.decay = None
        if decays:  # z → z/η turns the prior into N(0, 1) and carries the decays along
            along = {"decoder": decoder_decay / prior_variance, "encoder": encoder_decay * prior_variance}
            self.decay = weight_decay(spectrum, self.user_loss, **along)
        self.certificate = self._continuity()

    # --------------------------------------------------------------------------------- the loss and its derivatives

    def loss(self, x: Array, control: float) -> float:
        W, G, s, tau = self._unpack(x, control)
        size = (np.square(G).sum(0) + s) / self.prior_variance
        value = self._error(W, G, s) / tau + 0.5 * np.sum(size - 1.0 - np.log(s / self.prior_variance))
        return float(value + self._per_nat(control) * x[-1] if self.learned else value)

    def gradient(self, x: Array, control: float) -> Array:
        _, G, s, _ = self._unpack(x, control)
        result = self._force(x, control)
        result[self._encoder] += G / self.prior_variance
        result[self._log_s] += 0.5 * (s / self.prior_variance - 1.0)
        return result

    def hessian(self, x: Array, control: float) -> Array:
        W, G, s, tau = self._unpack(x, control)
        D, E, S, weights = self._decoder, self._encoder, self._log_s, self._decoder.size
        hessian = np.zeros((len(x), len(x)))
        hessian[D[:, :, None], D[:, None]] = _second_moment(G, s) + self._decoder_decay * np.eye(self.latents)
        hessian[E[:, :, None], E[:, None]] = W.T @ W + self._encoder_decay[..., None] * np.eye(self.latents)
        mixed = np.einsum("il,jk->ikjl", W, G)  # ∂²A/∂W_ik ∂G_jl = W_il G_jk + δ_kl [(W Gᵀ)_ij − δ_ij √λ_i]
        np.einsum("ikjk->kij", mixed)[:] += W @ G.T - np.diag(self._gain)
        hessian[D[:, :, None, None], E] = mixed
        hessian[D, S] = s * W
        hessian[weights:, :weights] = hessian[:weights, weights:].T
        hessian[S, S] = 0.5 * s * np.square(W).sum(0)
        hessian /= tau
        hessian[E, E] += 1.0 / self.prior_variance
        hessian[S, S] += 0.5 * s / self.prior_variance
        if self.learned:
            hessian[-1, :-1] = hessian[:-1, -1] = -self._force(x, control)[:-1]
            hessian[-1, -1] = self._error(W, G, s) / tau
        return hessian

    def drift(self, x: Array, control: float) -> Array:
        return -self._force(x, control) / control  # the control is not in the KL

    def _error(self, W: Array, G: Array, s: Array) -> float:
        """Return A, the squared error and the decay."""
        value = 0.5 * self.spectrum.total_variance - np.sum(self._gain[:, None] * W * G)
        value += 0.5 * np.sum((W.T @ W) * _second_moment(G, s))
        value += 0.5 * self._decoder_decay * np.square(W).sum() + 0.5 * np.sum(self._encoder_decay * np.square(G))
        return float(value)

    def _force(self, x: Array, control: float) -> Array:
        """Return the gradient of A/τ and of what ln σ_dec² costs, (n,)."""
        W, G, s, tau = self._unpack(x, control)
        by_decoder = W @ _second_moment(G, s) - self._gain[:, None] * G + self._decoder_decay * W
        by_encoder = G @ (W.T @ W) - self._gain[:, None] * W + self._encoder_decay * G
        by_variance = 0.5 * s * np.square(W).sum(0)
        result = np.concatenate([by_decoder.ravel(), by_encoder.ravel(), by_variance]) / tau
        return np.append(result, self._per_nat(control) - self._error(W, G, s) / tau) if self.learned else result

    def _per_nat(self, control: float) -> float:
        """Return d/2β, the cost of a unit of ln σ_dec² where it is learned."""
        return self.spectrum.dimension / (2 * self._per_beta * control)

    def _unpack(self, x: Array, control: float) -> tuple[Array, Array, Array, float]:
        """Return W (d, K), G (d, K), s (K,) and τ."""
        price = self._per_beta * control * (np.exp(x[-1]) if self.learned else 1.0)
        return x[self._decoder], x[self._encoder], np.exp(x[self._log_s]), float(price)

    # ------------------------------------------------------------------------------------- what a solver may know

    def rest(self, control: float) -> Array:
        x = np.zeros(self._log_s[-1] + 1 + self.learned)
        x[self._log_s] = np.log(self.prior_variance)
        if self.learned:
            x[-1] = np.log(self.spectrum.total_variance / self.spectrum.dimension)
        return x

    def metric(self, x: Array, control: float) -> Array:
        return np.diagonal(self.hessian(x, control))  # it is positive everywhere

    def orbit(self, x: Array) -> Array:
        # Rotations within each multiplet; in one that is split by a little, those of its active modes: if λ₁ ≈ λ₂ are
        # both active, their latents may share them in any way at a cost of the order (λ₁ − λ₂)².
        both = x[self._weights]
        moved = [np.zeros((0, len(x)))]
        for group in self._multiplets:
            split = self._variance[group[0]] - self._variance[group[-1]]
            axes = np.eye(len(group))
            if split > EQUAL_WIDTH * self._variance[group[0]]:
                axes, gain, _ = np.linalg.svd(both[0, group])
                axes = axes[:, : np.count_nonzero(np.square(gain) > 10 * split)]
            for a, b in combinations(axes.T, 2):
                turned = np.zeros((1, len(x)))
                turned[0, self._weights[:, group]] = (np.outer(a, b) - np.outer(b, a)) @ both[:, group]
                moved.append(turned)
        return np.concatenate(moved)

    def order_parameters(self, x: Array, control: float) -> Array:
        # M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + s_k) of each latent, strongest first
        _, G, s, _ = self._unpack(x, control)
        signal = np.square(G).sum(0)
        return np.sort(signal / (signal + s))[::-1]

    def singular(self, control: float) -> str | None:
        # With as many latents as modes and σ_dec² learned, the loss has no lower bound below β = d/modes.
        if self._limit is None or control > self._limit:
            return None
        return (
            f"At β ≤ {self._limit:g} the learned decoder variance falls to 0 and the loss without bound, as "
            f"{self.latents} latents encode all {self.spectrum.modes} modes: use fewer latents or a larger β."
        )

    def predicted(self) -> list[tuple[float, int]]:
        # Modes whose collapsed state is stable at every β have no threshold.
        cascade = self._learned_cascade or self.decay or transitions(self.spectrum, self.user_loss)
        beta = (cascade.beta if isinstance(cascade, LearnedVariance) else cascade.price) / self._per_beta
        modes = cascade.multiplicity
        return [(float(b), int(m)) for b, m in zip(beta, modes, strict=True) if b > (self._limit or 0.0)]

    def _continuity(self) -> str | None:
        if self.learned:
            return "one equilibrium at each β (landau-vae derive learned-variance)"
        if self.decay is None:
            return "the only local minimum is the global one, and it moves continuously (landau-vae derive landscape)"
        if "first-order" in self.decay.kind:
            return None
        return "γ_E ≤ γ_tri for every mode (landau-vae derive weight-decay)"


def _second_moment(G: Array, s: Array) -> Array:
    """Return ⟨z zᵀ⟩ = GᵀG + diag s, (K, K)."""
    return G.T @ G + np.diag(s)
