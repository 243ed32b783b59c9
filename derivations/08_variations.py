# %% [markdown]
# # Variations: weight decay, noise metric, other targets, fixed variance, prior variance
#
# **Assumed.** The linear VAE of *The loss, from Gaussian integrals*, changed in one respect at a time: a penalty on the
# weights, a prior of another variance, correlated or unequal decoder noise, a target that is not the input, side
# information, a posterior variance that is not learned.
#
# **Sought.** For each change the spectrum and the price that take the place of $\lambda_k$ and $\tau$, or, where that
# is not all, the new law.
#
# **Sources.** General linear latent variable models, fixed and learned encoder variance: Wang & Ziyin,
# arXiv:2205.04009; conditional VAEs: Dang et al., arXiv:2306.05023; the case that is varied: J. Hirn, arXiv:2605.22691.

# %%
import sympy as sp

from landau_vae.symbolic import gaussian_mean, linear, variations
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
beta, eta = sp.symbols("beta eta", positive=True)
gamma_W, gamma_E = sp.symbols("gamma_W gamma_E", positive=True)

# %% [markdown]
# ## Weight decay
#
# With $\frac{1}{2}\gamma_W\lVert W\rVert^2+\frac{1}{2}\gamma_E\lVert E\rVert^2$ added (units
# $\sigma_\mathrm{dec}^2=1$), the collapsed state of a mode is unstable for
# $\lambda^2>(1+\gamma_W)(\tau\lambda+\gamma_E)$. But the sign of the quartic coefficient at that threshold can be
# either: strong decay of the *encoder* makes collapse a jump, at a higher price than the threshold, and even a mode
# whose collapsed state is stable at every price may be better alive. The whole story has a page of its own, *Weight
# decay: when collapse becomes first-order*.

# %%
decaying = variations.weight_decay(gamma_W, gamma_E)
tau_c = lam / (1 + gamma_W) - gamma_E / lam
show(r"\tau_c", decaying.threshold)
check(
    "with weight decay the threshold is $\\tau_c=\\lambda/(1+\\gamma_W)-\\gamma_E/\\lambda$", decaying.threshold - tau_c
)
show(r"a_4\,\big|_{\tau_c}", decaying.expansion(4).at_threshold[4])
quartic = ((1 + gamma_W) ** 2 / lam - 1 / (2 * tau_c)) / 2
check(
    "the quartic coefficient there is $\\frac{1}{2}[(1+\\gamma_W)^2/\\lambda-1/(2\\tau_c)]$",
    decaying.expansion(4).at_threshold[4] - quartic,
)
check("which is positive for $\\gamma_E=0$", sp.factor(quartic.subs(gamma_E, 0)).is_positive)
near = lam**2 / (1 + gamma_W) - lam**2 / (4 * (1 + gamma_W) ** 2)
check("and negative where $\\tau_c=\\lambda/(4(1+\\gamma_W)^2)$", sp.factor(quartic.subs(gamma_E, near)).is_negative)

# %% [markdown]
# ## Prior variance
#
# Let the prior be $\mathcal N(0,\eta^2)$. A divergence does not change when both densities are stretched: that of
# $\mathcal N(\mu,s)$ from $\mathcal N(0,\eta^2)$ is that of $\mathcal N(\mu/\eta,s/\eta^2)$ from $\mathcal N(0,1)$. So
# measuring $z$ in units of $\eta$, that is $w\to w\eta$, $e\to e/\eta$, $s\to s/\eta^2$, gives back the loss with
# $\eta=1$: thresholds, rates, distortions and $M^2$ are the same, the scale of the latent is not. A learned $\eta$ is a
# redundant parameter.

# %%
mu, noise = sp.symbols("mu epsilon", real=True)
z = mu + sp.sqrt(s) * noise
log_ratio = (z**2 / eta**2 - (z - mu) ** 2 / s - sp.log(s / eta**2)) / 2  # ln q − ln p
divergence = gaussian_mean(sp.expand(log_ratio), [noise], {(noise, noise): 1})
check("the average of $\\ln q-\\ln p$ is the package's `linear.kl` of $\\mu/\\eta$ and $s/\\eta^2$",
      divergence - linear.kl(mu**2 / eta**2, s / eta**2))  # fmt: skip
stretched = variations.prior_variance(eta**2)
show(r"\sigma_\mathrm{dec}^2\,\ell", stretched.loss)
units = {w: w * eta, e: e / eta, s: s / eta**2}
check("in units of $\\eta$ the loss of a mode is the one with $\\eta=1$",
      stretched.loss - linear.mode_loss().subs(units, simultaneous=True))  # fmt: skip
check("the threshold stays at $\\tau_c=\\lambda$", stretched.threshold - lam)
living = stretched.branches()[-1].values
check("the living state has $w^2=(\\lambda-\\tau)/\\eta^2$", living[w] ** 2 - (lam - tau) / eta**2)
check("its posterior variance is $s=\\eta^2\\tau/\\lambda$", living[s] - eta**2 * tau / lam)
check("its scale is $A^2=\\eta^2$", linear.second_moment().subs(living) - eta**2)
check(
    "its signal fraction is $M^2=1-\\tau/\\lambda$ as before", linear.signal_fraction().subs(living) - (1 - tau / lam)
)

# %% [markdown]
# Together with weight decay the prior variance is no longer redundant: the same change of units turns $\gamma_W$ into
# $\gamma_W/\eta^2$ and $\gamma_E$ into $\gamma_E\eta^2$.

# %%
penalty = (gamma_W * w**2 + gamma_E * e**2) / 2
rescaled = variations.weight_decay(gamma_W / eta**2, gamma_E * eta**2).loss.subs(units, simultaneous=True)
check(
    "a prior variance rescales the decays to $\\gamma_W/\\eta^2$ and $\\gamma_E\\eta^2$",
    stretched.loss + penalty - rescaled,
)

# %% [markdown]
# ## Noise metric
#
# Let the decoder be $p(x|z)=\mathcal N(Wz,\Psi)$ with a given $\Psi\succ0$: the squared error is
# $(x-\hat x)^\top\Psi^{-1}(x-\hat x)$. Write $\Psi^{-1}=R^\top R$, for instance with $R=\Psi^{-1/2}$ or a triangular
# $R$. Then it is $\lVert Rx-R\hat x\rVert^2$, an ordinary squared error of the *whitened* data $Rx$, whose covariance
# is $RCR^\top$. With $W\to RW$ and $E\to ER^{-1}$ everything is as before at $\sigma_\mathrm{dec}^2=1$:
#
# - in place of $C$: $\Psi^{-1/2}C\Psi^{-1/2}$. Other choices of $R$ differ by a rotation and have the same spectrum,
#   that of $\Psi^{-1}C$;
# - in place of $\tau$: $\beta$;
# - in place of $V$: $\mathrm{tr}(\Psi^{-1}C)$.
#
# Modes are then those with the largest ratio of signal to decoder noise. If $\Psi$ is the diagonal of $C$, this is the
# spectrum of the correlation matrix.

# %%
r11, r22, r21 = *sp.symbols("r11 r22", positive=True), sp.Symbol("r21", real=True)
R = sp.Matrix([[r11, 0], [r21, r22]])
precision = R.T * R  # Ψ⁻¹
x, decoded = sp.Matrix(sp.symbols("x1:3", real=True)), sp.Matrix(sp.symbols("a1:3", real=True))
form = sum(linear.squared_error(a, b) for a, b in zip(R * x, R * decoded, strict=True))
check("$\\frac{1}{2}\\lVert Rx-R\\hat x\\rVert^2=\\frac{1}{2}(x-\\hat x)^\\top\\Psi^{-1}(x-\\hat x)$",
      form - ((x - decoded).T * precision * (x - decoded))[0] / 2)  # fmt: skip
W, E, variances = linear.variables(2, 2)
C = sp.Matrix(2, 2, sp.symbols("c11 c12 c12 c22", real=True))
metric_loss = variations.target_loss(W, E, variances, C, whitening=R, price=beta)
whitened = linear.loss(R * W, E * R.inv(), variances, R * C * R.T, price=beta)
check(
    "whitening turns the loss with a noise metric into the standard one at price $\\beta$ ($d=K=2$)",
    metric_loss - whitened,
)
check("the spectrum of $RCR^\\top$ is that of $\\Psi^{-1}C$",
      ((R * C * R.T).charpoly(lam) - (precision * C).charpoly(lam)).as_expr())  # fmt: skip
check("the total variance is $\\mathrm{tr}(\\Psi^{-1}C)$", (R * C * R.T).trace() - (precision * C).trace())

# %% [markdown]
# ## Another target
#
# The encoder reads $x$, the decoder is asked for $y$: denoising, regression through a bottleneck. Regress $y$ on $x$:
# $y=Gx+r$ with $G=\Sigma_{yx}\Sigma_{xx}^{-1}$ (for $\Sigma_{xx}\succ0$) and a residual $r$ uncorrelated with $x$. The
# reconstruction is built from $x$ and independent noise, so the residual's variance is added to the loss and nothing
# can be done about it. What remains has $\hat y=Gx$ as the data.
#
# The encoder reads $x$, though, and not $\hat y$. That makes no difference: the loss is quadratic in $E$, with
# curvature $(W^\top W+\tau)\otimes\Sigma_{xx}\succ0$, and at any given $W$ its minimum is
# $E=(W^\top W+\tau)^{-1}W^\top G$, which reads $x$ through $Gx$ only. On such encoders $E=FG$ the loss is exactly the
# standard one of data $\hat y$. So, with a noise metric included,
#
# - in place of $C$: $\Psi^{-1/2}\Sigma_{yx}\Sigma_{xx}^{-1}\Sigma_{xy}\Psi^{-1/2}$, the predictable part of the
#   covariance, at price $\beta$;
# - in place of $V$: $\mathrm{tr}(\Psi^{-1}\Sigma_{yy})$, where the distortion of the collapsed state starts.

# %%
S = sp.Matrix(2, 2, sp.symbols("sigma11 sigma12 sigma12 sigma22", real=True))  # Σ_xx
G = sp.Matrix(2, 2, sp.symbols("g11 g12 g21 g22", real=True))
N = sp.Matrix(2, 2, sp.symbols("n11 n12 n12 n22", real=True))  # covariance of the residual
predictable = G * S * G.T
joint = sp.Matrix(sp.BlockMatrix([[S, S * G.T], [G * S, predictable + N]]))  # of (x, y)
check("the predictable part's covariance is $\\Sigma_{yx}\\Sigma_{xx}^{-1}\\Sigma_{xy}$",
      (joint[2:, :2] * S.inv() * joint[:2, 2:] - predictable).applyfunc(sp.cancel))  # fmt: skip
F = sp.Matrix(2, 2, sp.symbols("f11 f12 f21 f22", real=True))
through_regression = variations.target_loss(W, F * G, variances, joint, whitening=R, price=beta)
of_predictable = linear.loss(R * W, F * R.inv(), variances, R * predictable * R.T, price=beta)
check("for an encoder $FG$ the loss is that of the data $Gx$, plus the residual's variance",
      through_regression - of_predictable - (R * N * R.T).trace() / 2)  # fmt: skip
supervised = variations.target_loss(W, E, variances, joint)
ridge = W.T * W + tau * sp.eye(2)
slopes = sp.Matrix([sp.diff(supervised, v) for v in E]).subs(dict(zip(E, ridge.inv() * W.T * G, strict=True)))
check("$E=(W^\\top W+\\tau)^{-1}W^\\top G$ is stationary in $E$", slopes.applyfunc(sp.cancel))
curvature = sp.hessian(supervised, list(E)) - sp.kronecker_product(ridge, S)
check("the curvature in $E$ is $(W^\\top W+\\tau)\\otimes\\Sigma_{xx}$", curvature)

# %% [markdown]
# For example, *denoising*: the input is the target plus independent noise of covariance $\nu I$. A mode of variance
# $\lambda$ then counts as $\lambda^2/(\lambda+\nu)$, and collapses at that price. Input noise prunes weak modes first.

# %%
nu = sp.Symbol("nu", positive=True)
noisy = sp.Matrix([[lam + nu, lam], [lam, lam]])  # of (x, y), one mode
mode_W, mode_E, mode_s = sp.Matrix([[w]]), sp.Matrix([[e]]), [s]
shrunk = sp.cancel(noisy[1, 0] / noisy[0, 0] * noisy[0, 1])
show(r"\lambda_\mathrm{denoising}", shrunk)
denoising = sp.hessian(variations.target_loss(mode_W, mode_E, mode_s, noisy), [w, e]).subs({w: 0, e: 0, s: 1})
check(
    "a denoising mode becomes unstable below $\\tau=\\lambda^2/(\\lambda+\\nu)$",
    denoising.det() - (lam + nu) * (tau - shrunk),
)
check("its share of $\\lambda$ grows with $\\lambda$", sp.factor(sp.diff(shrunk / lam, lam)).is_positive)

# %% [markdown]
# ## Conditional VAE
#
# Now the decoder sees $x$ as well, $\hat y=Wz+Bx$, and the encoder sees both, $\mu=E_xx+E_yy$; the prior stays
# $\mathcal N(0,I)$. With $y=Gx+r$ as before, $\mu=Hx+E_yr$ and $y-\hat y=r-WE_yr+Dx$ up to noise, where $H=E_x+E_yG$
# and $D=G-B-WH$. As $x$ and $r$ are uncorrelated, the loss is a sum:
#
# $$\sigma_\mathrm{dec}^2L=L_\mathrm{standard}(W,E_y;\Sigma_{rr})+\tfrac{1}{2}\langle\lVert Dx\rVert^2\rangle+\tfrac{\tau}{2}\langle\lVert Hx\rVert^2\rangle$$
#
# The last two terms are least at $H=0$, $D=0$, whatever $W$ and $E_y$: the direct path is the regression, $B=G$, and
# the encoder takes out of $y$ what the decoder knows, $E_x=-E_yG$. The code carries the residual only:
#
# - in place of $C$: $\Sigma_{rr}=\Sigma_{yy}-\Sigma_{yx}\Sigma_{xx}^{-1}\Sigma_{xy}$ (whitened by $\Psi$, if there is a
#   metric).
#
# Collapse is therefore the rule where $x$ predicts $y$ well. The two spectra of $y$ share out its covariance: what a
# bottleneck on $x$ can transmit, and what a conditional code can add.

# %%
full_encoder = sp.Matrix(1, 4, sp.symbols("e11 e12 e13 e14", real=True))
W1, s1 = W[:, :1], variances[:1]
B = sp.Matrix(2, 2, sp.symbols("b11 b12 b21 b22", real=True))
conditional = variations.target_loss(W1, full_encoder, s1, joint, direct=B)
E_x, E_y = full_encoder[:, :2], full_encoder[:, 2:]
H = E_x + E_y * G
D = G - B - W1 * H
pieces = linear.loss(W1, E_y, s1, N) + (D * S * D.T).trace() / 2 + tau * (H * S * H.T).trace() / 2
check(
    "the conditional loss is the standard one of the residual, plus two squares ($d=2$, $K=1$, two side inputs)",
    conditional - pieces,
)
residual = joint[2:, 2:] - joint[2:, :2] * S.inv() * joint[:2, 2:]
check(
    "the residual's covariance is $\\Sigma_{yy}-\\Sigma_{yx}\\Sigma_{xx}^{-1}\\Sigma_{xy}$",
    (residual - N).applyfunc(sp.cancel),
)
check(
    "predictable and residual covariance add up to $\\Sigma_{yy}$",
    predictable + residual.applyfunc(sp.cancel) - joint[2:, 2:],
)

# %% [markdown]
# ## Fixed encoder variance
#
# Some encoders have a posterior variance $s$ that is set, not learned. With the code amplitude $c=e\sqrt\lambda$ and
# the reconstructed amplitude $a=wc$ of a mode of amplitude $\sqrt\lambda$, complete a square in the loss:
#
# $$\sigma_\mathrm{dec}^2\ell=\tfrac{1}{2}(\sqrt\lambda-a)^2+\sqrt{\tau s}a+\tfrac{1}{2}(\sqrt s w-\sqrt\tau c)^2+\tfrac{\tau}{2}(s-1-\ln s)$$
#
# The third term is a choice of scale and can be made zero at any $a\ge0$ (for $a<0$ it costs $2\sqrt{\tau s}|a|$ at
# least). What remains is a parabola plus a price *per unit of amplitude*: its minimum is *soft thresholding*,
#
# $$a=[\sqrt\lambda-\sqrt{\tau s}]_+$$
#
# so the mode is alive if and only if $\lambda>\tau s$, and life gains $\frac{1}{2}a^2$. The last term does not depend
# on the state: a collapsed latent still pays it.

# %%
fixed = variations.fixed_variance()
c = sp.Symbol("c", real=True)
squares = (sp.sqrt(lam) - w * c) ** 2 / 2 + sp.sqrt(tau * s) * w * c + (sp.sqrt(s) * w - sp.sqrt(tau) * c) ** 2 / 2
check(
    "the loss at given $s$ is the sum of these terms",
    fixed.loss.subs(e, c / sp.sqrt(lam)) - squares - tau * (s - 1 - sp.log(s)) / 2,
)
other = (sp.sqrt(s) * w + sp.sqrt(tau) * c) ** 2 / 2 - 2 * sp.sqrt(tau * s) * w * c
check("for $a<0$ the third term is another square plus $2\\sqrt{\\tau s}|a|$",
      (sp.sqrt(s) * w - sp.sqrt(tau) * c) ** 2 / 2 - other)  # fmt: skip
check("the threshold is $\\tau_c=\\lambda/s$", fixed.threshold - lam / s)
show("H", fixed.hessian())
check(
    "the collapsed Hessian has determinant $\\lambda(\\tau s-\\lambda)$", fixed.hessian().det() - lam * (tau * s - lam)
)
a = sp.sqrt(lam) - sp.sqrt(tau * s)
alive = next(b for b in fixed.branches() if sp.cancel(b.values[w] ** 2 + tau - sp.sqrt(lam * tau / s)) == 0)
check("alive, $w^2+\\tau=\\sqrt{\\lambda\\tau/s}$", alive.values[w] ** 2 + tau - sp.sqrt(lam * tau / s))
gain = sp.expand(alive.values[w] * alive.values[e])
check("the gain is $we=1-\\sqrt{\\tau s/\\lambda}$", gain - (1 - sp.sqrt(tau * s / lam)))
check("so the amplitude is $\\sqrt\\lambda-\\sqrt{\\tau s}$", sp.sqrt(lam) * gain - a)
M2 = sp.simplify(linear.signal_fraction().subs(alive.values))
show("M^2", M2)
check("the signal fraction equals the gain, $M^2=1-\\sqrt{\\tau s/\\lambda}$", M2 - (1 - sp.sqrt(tau * s / lam)))
saved = sp.expand(fixed.loss.subs({w: 0, e: 0}) - fixed.loss.subs(alive.values))
check(
    "the living state gains $\\frac{1}{2}(\\sqrt\\lambda-\\sqrt{\\tau s})^2$", sp.radsimp(saved - sp.expand(a**2) / 2)
)

# %% [markdown]
# The transition is continuous, with the exponents of the case with a learned variance. What differs is amplitudes:
# $M^2$ starts with half the slope in $\tau/\tau_c$, and far from the threshold it approaches 1 with the square root of
# the price. Learning $s$ means following the fixed-variance curves to their best point $s=\tau/\lambda$, where the
# mean-field law comes back.

# %%
exponents = {"order parameter": sp.Rational(1, 2), "susceptibility": 1, "field": sp.Rational(1, 3), "loss": 2}
check(
    "exponents at given $s$: amplitude 1/2, susceptibility 1, field 1/3, gain 2",
    fixed.expansion(4).exponents == exponents,
)
check("as for learned $s$", linear.mode_theory().expansion(4).exponents == exponents)
check("the transition is supercritical", fixed.expansion(4).kind == "supercritical")
fixed_slope = sp.diff(M2, tau).subs(tau, lam / s) * lam / s
learned_slope = sp.diff(1 - tau / lam, tau) * lam
check("$M^2$ starts with half the slope in $\\tau/\\tau_c$", fixed_slope - learned_slope / 2)
lowest = sp.expand_log(fixed.loss.subs(alive.values), force=True)
check("at $s=\\tau/\\lambda$ the living state's loss is stationary in $s$", sp.diff(lowest, s).subs(s, tau / lam))
check("and $M^2=1-\\tau/\\lambda$ is back", M2.subs(s, tau / lam) - (1 - tau / lam))

# %% [markdown]
# **Unequal variances.** If latent $k$ has its own $s_k$, which mode should it serve? Eliminating $E$ leaves
# $\frac{\tau}{2}\mathrm{tr}[C(WW^\top+\tau)^{-1}]+\frac{1}{2}\mathrm{tr}[SW^\top W]$, up to a constant. With
# $W=U\mathrm{diag}(\sqrt{u_j})V^\top$ it is linear in the squares $U_{ij}^2$ and, separately, in $V_{kj}^2$, so by
# Birkhoff's theorem it is least where both are permutations: each latent serves one mode. The modes' gains are
# $h(\sqrt{\lambda_i}-\sqrt{\tau s_k})$ with the convex function $h(a)=\frac{1}{2}[a]_+^2$. For two modes
# $\sqrt{\lambda_1}\ge\sqrt{\lambda_2}$ and two latents $s_1\le s_2$ the four possible arguments obey
#
# $$a_{11}\ge a_{12},\quad a_{21}\ge a_{22},\qquad a_{11}+a_{22}=a_{12}+a_{21}$$
#
# and the pairing of the strong mode with the quiet latent is never worse, $h(a_{11})+h(a_{22})\ge h(a_{12})+h(a_{21})$.
# Any other pairing of more than two improves by such swaps: the best one sorts $\lambda$ downwards and $s$ upwards, and
# latent $k$ is alive if and only if $\lambda_k>\tau s_k$ in that order.

# %%
modes = linear.mode_variances(2)
generic = linear.loss(W, E, variances, sp.diag(*modes))
best_E = dict(zip(E, ridge.inv() * W.T, strict=True))
profile = tau * (sp.diag(*modes) * (W * W.T + tau * sp.eye(2)).inv()).trace() / 2
profile += (sp.diag(*variances) * W.T * W).trace() / 2 + tau * sum(linear.kl(0, v) for v in variances)
check("eliminating $E$ leaves the two traces and a constant ($d=K=2$)", sp.cancel(generic.subs(best_E) - profile))
check("where $E$ is stationary", sp.Matrix([sp.diff(generic, v) for v in E]).subs(best_E).applyfunc(sp.cancel))
a11, a12, a21, a22 = (sp.sqrt(mode) - sp.sqrt(tau * v) for mode in modes for v in variances)
swap = sp.sqrt(tau) * (sp.sqrt(modes[0]) - sp.sqrt(modes[1])) * (sp.sqrt(variances[1]) - sp.sqrt(variances[0]))
check("the sums of arguments are equal", a11 + a22 - a12 - a21)
check(
    "if all live, the swap gains $\\sqrt\\tau(\\sqrt{\\lambda_1}-\\sqrt{\\lambda_2})(\\sqrt{s_2}-\\sqrt{s_1})\\ge0$",
    sp.expand(a11**2 + a22**2 - a12**2 - a21**2) / 2 - sp.expand(swap),
)
n1, n2, n3 = sp.symbols("n1:4", positive=True)  # sizes of arguments, with their signs written out
largest = n1 + n2 + n3  # a₁₁ = a₁₂ + a₂₁ − a₂₂ with a₁₂ = n1, a₂₁ = n2, a₂₂ = −n3
check("if $a_{22}<0$ only, it gains as well", sp.expand(largest**2 - n1**2 - n2**2).is_positive)
check(
    "if one of $a_{12},a_{21}$ is negative too, it gains as $a_{11}$ is the largest",
    sp.expand((n1 + n2) ** 2 - n1**2).is_positive,
)

# %% [markdown]
# ## The same numbers
#
# Each variation once more with plain arrays: the averages as traces over random covariances, all parameters free,
# minimised from random starts with gradients by differences. The least loss must be that of the standard model with the
# spectrum that was derived, as the package computes it (`free_energy`), plus the variance that no code can reach. $K=2$
# latents; tolerance $10^{-8}$, for minima found to a gradient of about $10^{-8}$.

# %%
import numpy as np
from scipy.optimize import minimize

import landau_vae as lv

rng = np.random.default_rng(5)
K, q, p = 2, 3, 2
factor = rng.normal(size=(p + q, p + q))
covariance = factor @ factor.T / 2  # of (x, y)
xx, xy, yy = covariance[:p, :p], covariance[:p, p:], covariance[p:, p:]
explained = xy.T @ np.linalg.solve(xx, xy)
metric = np.diag([0.5, 1.0, 2.0]) + 0.3  # Ψ
root = np.linalg.cholesky(np.linalg.inv(metric)).T  # RᵀR = Ψ⁻¹


def least(reads, price, *, metric=None, prior=1.0, direct=False, given=None):
    """The least loss of target y if the encoder reads a part of (x, y)."""
    shapes = [(q, K), (K, reads.stop - reads.start), (1, K), (q, p)]
    cuts = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    inverse = np.eye(q) if metric is None else np.linalg.inv(metric)

    def objective(flat):
        W, E, log_s, B = (part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes, strict=True))
        s = np.exp(log_s[0]) if given is None else given
        error = np.hstack([-B * direct, np.eye(q)])
        error[:, reads] -= W @ E
        D = error @ covariance @ error.T + (W * s) @ W.T
        mean_square = np.diag(E @ covariance[reads, reads] @ E.T)
        rate = ((mean_square + s) / prior - 1 - np.log(s / prior)).sum() / 2
        return np.trace(inverse @ D) / 2 + price * rate

    starts = [rng.normal(size=sum(np.prod(shape) for shape in shapes)) / 2 for _ in range(3)]
    return min(minimize(objective, start, method="BFGS", jac="3-point", options={"gtol": 1e-8}).fun for start in starts)


def predicted(spectral, price, unreachable=0.0):
    spectrum = lv.Spectrum.from_covariance(spectral)
    return float(lv.equilibrium(spectrum, lv.Loss.gaussian(beta=price, latents=K)).free_energy) + unreachable / 2


inputs, target, both = slice(0, p), slice(p, p + q), slice(0, p + q)
cases = {
    "prior variance 2.5": (least(target, 0.4, prior=2.5), predicted(yy, 0.4)),
    "noise metric": (least(target, 0.4, metric=metric), predicted(root @ yy @ root.T, 0.4)),
    "other target": (least(inputs, 0.2), predicted(explained, 0.2, np.trace(yy - explained))),
    "other target with a metric": (
        least(inputs, 0.2, metric=metric),
        predicted(root @ explained @ root.T, 0.2, np.trace(root @ (yy - explained) @ root.T)),
    ),
    "conditional VAE": (least(both, 0.2, direct=True), predicted(yy - explained, 0.2)),
}
for name, (found, expected) in cases.items():
    check(f"least loss, {name}: minimisation and formula agree to $10^{{-8}}$", abs(found - expected) < 1e-8)
given = np.array([0.9, 0.3])
strongest = np.linalg.eigvalsh(yy)[::-1][:K]
gains = np.maximum(np.sqrt(strongest) - np.sqrt(0.4 * np.sort(given)), 0) ** 2 / 2
expected = np.trace(yy) / 2 - gains.sum() + 0.4 * (given - 1 - np.log(given)).sum() / 2
found = least(target, 0.4, given=given)
check(
    "least loss, unequal fixed variances: minimisation and sorted pairing agree to $10^{-8}$",
    abs(found - expected) < 1e-8,
)
crossed = np.maximum(np.sqrt(strongest) - np.sqrt(0.4 * np.sort(given)[::-1]), 0) ** 2 / 2
check("the crossed pairing would be worse by more than 0.01", gains.sum() - crossed.sum() > 0.01)
