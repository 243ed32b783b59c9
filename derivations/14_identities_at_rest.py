# %% [markdown]
# # Identities at rest: which price a trained model obeys
#
# **Assumed.** Any model trained on $\langle\ell\rangle+c\sum_k\langle\mathrm{KL}_k\rangle$. Here $\ell$ is whatever
# depends on the drawn latents $z=\mu(x)+\sigma(x)\varepsilon$: the reconstruction term of a row, and every other term
# on $z$. $c$ is the price of a nat in the unit of $\ell$. Averages are over the training rows and the noise. Nothing is
# assumed of depth, of linearity, of the form of $\ell$ or of how well the model fits. The model is *at rest*: the
# gradient of its loss vanishes. The basic case has Gaussian posteriors, the prior $N(0,1)$, and heads for $\mu$ and
# $\ln\sigma^2$ that are linear with a bias.
#
# **Sought.** What the trained model itself says about the $c$ that it was trained with, latent by latent, and what has
# to be written instead where the basic case does not apply.
#
# **Sources.** This package.

# %%
import sympy as sp

from landau_vae.symbolic import linear, variations
from landau_vae.symbolic.page import check

c = sp.Symbol("c", positive=True)

# %% [markdown]
# ## The rule
#
# Let $\theta$ be a parameter of the encoder that the decoder does not share. At rest
# $\partial_\theta\langle\ell\rangle+c\partial_\theta\langle\mathrm{KL}\rangle=0$, so
#
# $$\hat c_\theta=-\frac{\partial_\theta\langle\ell\rangle}{\partial_\theta\langle\mathrm{KL}\rangle}=c$$
#
# for every $\theta$ whose divergence has a slope. This holds for normalising flows, mixtures and any prior, and also
# for a *direction* in which several parameters move. The rest of this page chooses directions along which the slopes
# can be written down without knowing the network. All follow from one row's loss, with $\ell$ an unknown function of
# $z$ whose slopes are $g_k=\partial\ell/\partial z_k$:

# %%
slopes = sp.symbols("g1:3", real=True)
mu = sp.symbols("mu1:3", real=True)
sigma = sp.symbols("sigma1:3", positive=True)
noise = sp.symbols("epsilon1:3", real=True)
t = sp.Symbol("t", real=True)  # how far along a direction; 0 at rest


class Term(sp.Function):
    """ℓ(z₁, z₂), of which only the slopes have names."""

    def fdiff(self, argindex=1):
        return slopes[argindex - 1]


def slope_along(means, widths, divergence=None):
    """The slope in t of one row's loss, for means and widths that depend on t."""
    z = [m + width * e for m, width, e in zip(means, widths, noise, strict=True)]
    rate = divergence or sum(linear.kl(m**2, width**2) for m, width in zip(means, widths, strict=True))
    return sp.expand(sp.diff(Term(*z) + c * rate, t).subs(t, 0))


# %% [markdown]
# - **The bias of the log-variance head** multiplies the width $\sigma_k$ of all rows by a common factor:
#
# $$(\sigma)\qquad\langle\varepsilon_k\sigma_kg_k\rangle=c\langle1-\sigma_k^2\rangle$$
#
# - **A common factor of the mean head** (weights and bias) multiplies all $\mu_k$:
#
# $$(\mu)\qquad\langle\mu_kg_k\rangle=-c\langle\mu_k^2\rangle$$
#
# - **Its bias** shifts them:
#
# $$(0)\qquad\langle g_k\rangle=-c\langle\mu_k\rangle$$
#
# - **Its rows.** Heads share their inputs, so $\mu_k$ may gain a multiple of $\mu_j$:
#   $\langle\mu_jg_k\rangle=-c\langle\mu_j\mu_k\rangle$ for all pairs.
#
# Hence two meters of the price, $\hat c_\sigma=\langle\varepsilon\sigma g\rangle/\langle1-\sigma^2\rangle$ and
# $\hat c_\mu=-\langle\mu g\rangle/\langle\mu^2\rangle$. An inactive latent shows nothing: $0/0$.

# %%
width = slope_along(mu, (sigma[0] * sp.exp(t), sigma[1]))
check(
    "$(\\sigma)$: the slope along a common factor of $\\sigma_1$",
    width - noise[0] * sigma[0] * slopes[0] - c * (sigma[0] ** 2 - 1),
)
mean = slope_along((mu[0] * sp.exp(t), mu[1]), sigma)
check("$(\\mu)$: along a common factor of $\\mu_1$", mean - mu[0] * slopes[0] - c * mu[0] ** 2)
shift = slope_along((mu[0] + t, mu[1]), sigma)
check("$(0)$: along a shift of $\\mu_1$", shift - slopes[0] - c * mu[0])
pair = slope_along((mu[0], mu[1] + t * mu[0]), sigma)
check("all pairs: along $\\mu_2+t\\mu_1$", pair - mu[0] * slopes[1] - c * mu[0] * mu[1])

# %% [markdown]
# ## The price applied, at every step
#
# One row of $(0)$ is more than an average. The gradient of a row's loss at $\mu_k$ is $g_k$, which comes through the
# decoder's input, plus $c\mu_k$. Backpropagation computes both gradients anyway, so
#
# $$\partial_{\mu_k}L-\partial_{z_k}L=c\,\mu_k$$
#
# gives $c$ in every row, by a regression through the origin over the rows of a batch. Nothing is at rest here, and
# nothing is assumed of $\ell$. Of a sum of divergences with weights of their own it gives each weight: 0 for a latent
# whose divergence is masked, or below its free bits. The width may enter the noise in any way, since $\mu_k$ does not.
# A prior $N(m,v)$ gives $c(\mu_k-m)/v$.
#
# A divergence that is *estimated* from the drawn $z$, $\frac12(z^2-\varepsilon^2)-\ln\sigma$, has the slope $cz_k$
# instead (with $g_k$ through the decoder alone). Its mean over the noise is $c\mu_k$: the regression gives $c$ and a
# noise that falls with the number of rows.

# %%
check("applied: $\\partial_{\\mu_1}L-g_1=c\\mu_1$ in one row", shift - slopes[0] - c * mu[0])
weights = sp.symbols("c1:3", nonnegative=True)
each = weights[0] * linear.kl((mu[0] + t) ** 2, sigma[0] ** 2) + weights[1] * linear.kl(mu[1] ** 2, sigma[1] ** 2)
masked = slope_along((mu[0] + t, mu[1]), sigma, each / c)
check("with a weight of its own for each latent: $c_1\\mu_1$", masked - slopes[0] - weights[0] * mu[0])
spread = sp.Function("N")(sigma[0])
other = slope_along((mu[0] + t, mu[1]), (sp.sqrt(spread), sigma[1]), linear.kl((mu[0] + t) ** 2, sigma[0] ** 2))
check("with noise of any other width: $c\\mu_1$", other - slopes[0] - c * mu[0])
prior_mean, prior_variance = sp.symbols("m v", positive=True)
moved = linear.kl((mu[0] + t - prior_mean) ** 2 / prior_variance, sigma[0] ** 2 / prior_variance)
moved = slope_along((mu[0] + t, mu[1]), sigma, moved)
check("with a prior $N(m,v)$: $c(\\mu_1-m)/v$", moved - slopes[0] - c * (mu[0] - prior_mean) / prior_variance)
drawn = ((mu[0] + t + sigma[0] * noise[0]) ** 2 - noise[0] ** 2) / 2 - sp.log(sigma[0])
sampled = slope_along((mu[0] + t, mu[1]), sigma, drawn)
check("a divergence of the drawn $z$: $cz_1$", sampled - slopes[0] - c * (mu[0] + sigma[0] * noise[0]))

# %% [markdown]
# ## What the decoder adds
#
# A first layer of the decoder that is linear in $z$ can undo any linear change of the latents. So such a change leaves
# $\ell$ alone, and only the divergence moves. The decoder's own rest says the same: $\langle z_jg_k\rangle=0$ for all
# pairs, and $\langle g_k\rangle=0$ if that layer has a bias.
#
# - **Scale**: $\langle z_kg_k\rangle=0$ is the sum of $(\sigma)$ and $(\mu)$, so
#
# $$(A)\qquad A_k^2=\langle\mu_k^2\rangle+\langle\sigma_k^2\rangle=1$$
#
# - **Shift**: with $(0)$, $\langle\mu_k\rangle=0$.
# - **Rotation**: $z_k$ may gain a multiple of $z_j$. With the pairs above, $\langle\varepsilon_j\sigma_jg_k\rangle=
#   c\langle\mu_j\mu_k\rangle$. By partial integration over the noise the left side is
#   $\langle\sigma_j^2\partial_j\partial_k\ell\rangle$. Where widths are the same in all rows, exchange $j$ and $k$:
#   $\langle\mu_j\mu_k\rangle(\sigma_j^{-2}-\sigma_k^{-2})=0$. Latents of different widths are uncorrelated, whatever
#   the decoder. That is what pins the axes of the latent space.
#
# $(A)$ asks nothing about the price. It says whether decoder and encoder have come to terms about the scale.

# %%
scale = slope_along((mu[0] * sp.exp(t), mu[1]), (sigma[0] * sp.exp(t), sigma[1]))
z = [m + s * e for m, s, e in zip(mu, sigma, noise, strict=True)]
check("$(A)$: along a common scale, $z_1g_1+c(\\mu_1^2+\\sigma_1^2-1)$",
      scale - sp.expand(z[0] * slopes[0]) - c * (mu[0] ** 2 + sigma[0] ** 2 - 1))  # fmt: skip
check("which is the sum of $(\\sigma)$ and $(\\mu)$", scale - width - mean)
check(
    "rotation: $z_1g_2$ less the pair's slope is $\\varepsilon_1\\sigma_1g_2-c\\mu_1\\mu_2$",
    sp.expand(z[0] * slopes[1]) - pair - noise[0] * sigma[0] * slopes[1] + c * mu[0] * mu[1],
)
pairs, bend = sp.symbols("m12 B")  # ⟨μ₁μ₂⟩, ⟨∂₁∂₂ℓ⟩
both = [sigma[j] ** 2 * bend - c * pairs for j in (0, 1)]
check(
    "two constant widths: the pair of equations gives $\\langle\\mu_1\\mu_2\\rangle(\\sigma_1^{-2}-\\sigma_2^{-2})=0$",
    (both[0] / sigma[0] ** 2 - both[1] / sigma[1] ** 2) + c * pairs * (sigma[0] ** -2 - sigma[1] ** -2),
)

# %% [markdown]
# **The linear VAE** in three lines. Its $g=w(wz-x)$ makes $\langle\varepsilon\sigma g\rangle=w^2s$ and
# $\langle\mu g\rangle=w^2e^2\lambda-we\lambda$. The three identities are then three equations for $(w,e,s)$, and their
# solution is the mean-field law, $s=\tau/\lambda$, $w^2=\lambda-\tau$.

# %%
lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
living = {w: sp.sqrt(lam - tau), e: sp.sqrt(lam - tau) / lam, s: tau / lam}
data, eps = sp.symbols("x epsilon", real=True)
decoded = sp.Symbol("zeta", real=True)
force = sp.diff(linear.squared_error(data, w * decoded), decoded).subs(decoded, e * data + sp.sqrt(s) * eps)


def over_rows(expression):
    """The mean over data of variance λ and unit noise."""
    moments = {(2, 0): lam, (0, 2): 1, (0, 0): 1}
    terms = sp.Poly(sp.expand(expression), data, eps).terms()
    return sum(coefficient * moments.get(powers, 0) for powers, coefficient in terms)


by_width, by_mean = over_rows(eps * sp.sqrt(s) * force), over_rows(e * data * force)
check("linear VAE: $(\\sigma)$ reads $w^2s=\\tau(1-s)$", by_width - w**2 * s)
check("$(\\mu)$ reads $w^2e^2\\lambda-we\\lambda=-\\tau e^2\\lambda$", by_mean - w**2 * e**2 * lam + w * e * lam)
check("the mean-field state obeys $(\\sigma)$", (by_width - tau * (1 - s)).subs(living))
check("it obeys $(\\mu)$", (by_mean + tau * e**2 * lam).subs(living))
check("and $(A)$", (linear.second_moment() - 1).subs(living))
mode = linear.mode_loss()
check("$(\\sigma)$ is its loss's slope in $\\ln s$, twice", 2 * s * sp.diff(mode, s) - by_width + tau * (1 - s))
check("$(\\mu)$ the one in $\\ln e$", e * sp.diff(mode, e) - by_mean - tau * e**2 * lam)
check("and $(A)$ their sum less the one in $\\ln w$",
      2 * s * sp.diff(mode, s) + e * sp.diff(mode, e) - w * sp.diff(mode, w) - tau * (linear.second_moment() - 1))  # fmt: skip

# %% [markdown]
# ## Other heads
#
# **$\sigma=h(u)$ with $u$ linear in the inputs of the head.** Its bias moves $\ln\sigma$ of each row by its own amount,
# the weight $\omega=d\ln\sigma/du$. Weight the rows of both sums by it:
#
# $$\langle\omega\varepsilon\sigma g\rangle=c\langle\omega(1-\sigma^2)\rangle$$
#
# For $\sigma=e^{u/2}$ the weight is constant. For softplus with a floor, $\sigma=\ln(1+e^u)+\delta$, it is
# $(1-e^{-(\sigma-\delta)})/\sigma$. Where a log-variance is clamped, $\omega=0$: only rows inside the clamp count.
# Without the weights the identity fails, and with it $(A)$, unless all rows have the same width. A softplus on the *log-variance* cannot
# go below $\sigma^2=1$: the optimum lies out of reach, there is no rest, and $\hat c_\sigma$ has the wrong sign.
#
# **Full covariance**, $z=\mu+L\varepsilon$, $\Sigma=LL^\top$. Multiply row $k$ of $L$ (its diagonal's bias and a common
# factor of the others). The divergence is the sum of those of the latents, with $\Sigma_{kk}$ for $\sigma_k^2$, and the
# total correlation $-\frac{1}{2}\ln\det$ of the correlation matrix, which such a factor leaves alone:
#
# $$\langle(z-\mu)_kg_k\rangle=c\langle1-\Sigma_{kk}\rangle,\qquad A_k^2=\langle\mu_k^2\rangle+\langle\Sigma_{kk}\rangle=1$$
#
# **A learned prior $N(m_k,\eta_k^2)$.** The same with $(\mu-m)/\eta$ and $\sigma/\eta$. The prior's own rest gives
# $\langle\mu\rangle=m$ and $\langle(\mu-m)^2\rangle+\langle\sigma^2\rangle=\eta^2$, so $(A)$ holds whatever the decoder.

# %%
u, delta = sp.symbols("u delta", real=True)
head = sp.log(1 + sp.exp(u)) + delta
omega = sp.diff(sp.log(head), u)
level = sp.Symbol("sigma", positive=True)
check("softplus with a floor: $\\omega=(1-e^{-(\\sigma-\\delta)})/\\sigma$",
      sp.simplify(omega - ((1 - sp.exp(-(level - delta))) / level).subs(level, head)))  # fmt: skip
check("$\\sigma=e^{u/2}$: $\\omega=\\frac{1}{2}$ in every row", sp.diff(sp.log(sp.exp(u / 2)), u) - sp.Rational(1, 2))
weight = sp.Symbol("omega", positive=True)
weighted = slope_along(mu, (sigma[0] * (1 + weight * t), sigma[1]))
check("any head: $(\\sigma)$ with the rows weighted by $\\omega$", weighted - sp.expand(weight * width))

rows = sp.Matrix([[sp.Symbol("L11", positive=True), 0], [sp.Symbol("L21", real=True), sp.Symbol("L22", positive=True)]])
factor = sp.diag(1, sp.exp(t)) * rows
covariance = factor * factor.T
divergence = sum(linear.kl(mu[k] ** 2, covariance[k, k]) for k in (0, 1))
total = (sp.log(covariance[0, 0] * covariance[1, 1]) - sp.log(sp.factor(covariance.det()))) / 2
general = (covariance.trace() + sum(m**2 for m in mu) - 2 - sp.log(sp.factor(covariance.det()))) / 2
check(
    "full covariance: the divergence is the latents' and the total correlation",
    (divergence + total - general).subs(t, 0),
)
offset = factor * sp.Matrix(noise)
moved = sp.diff(Term(*[m + o for m, o in zip(mu, offset, strict=True)]) + c * (divergence + total), t).subs(t, 0)
whole = (rows * rows.T)[1, 1]
check("along a factor of row 2 it gives $(z-\\mu)_2g_2+c(\\Sigma_{22}-1)$",
      sp.simplify(moved - (rows * sp.Matrix(noise))[1] * slopes[1] - c * (whole - 1)))  # fmt: skip

m, eta = sp.Symbol("m", real=True), sp.Symbol("eta", positive=True)
prior = linear.kl(((mu[0] - m) / eta) ** 2, sigma[0] ** 2 / eta**2)
along = slope_along(mu, (sigma[0] * sp.exp(t), sigma[1]), prior.subs(sigma[0], sigma[0] * sp.exp(t)))
check(
    "learned prior: $(\\sigma)$ with $1-\\sigma^2/\\eta^2$",
    along - noise[0] * sigma[0] * slopes[0] - c * (sigma[0] ** 2 / eta**2 - 1),
)
away = mu[0] + t * (mu[0] - m)
along = slope_along((away, mu[1]), sigma, prior.subs(mu[0], away))
check("$(\\mu)$ with $(\\mu-m)/\\eta$", sp.expand(along - (mu[0] - m) * slopes[0] - c * (mu[0] - m) ** 2 / eta**2))
check("the prior's width is at rest where $\\langle(\\mu-m)^2+\\sigma^2\\rangle=\\eta^2$",
      eta * sp.diff(prior, eta) + ((mu[0] - m) ** 2 + sigma[0] ** 2) / eta**2 - 1)  # fmt: skip
check("its mean where $\\langle\\mu\\rangle=m$", sp.diff(prior, m) + (mu[0] - m) / eta**2)

# %% [markdown]
# ## Other losses
#
# **A function of the rates.** If the loss contains $\Phi(R_1,R_2,\dots)$ of the mean rates $R_k=\langle\mathrm{KL}_k
# \rangle$ in place of $c\sum_kR_k$ (free bits, a target rate, a capacity), every identity holds with
# $c_k=\partial\Phi/\partial R_k$: the meter reads the price *in effect*. On the flat part of free bits that is nothing,
# at its kink any number between 0 and $c$.
#
# **L2 in the loss**, $\frac{1}{2}\gamma_E(\lVert W_k\rVert^2+b_k^2)$ of the mean head, $\frac{1}{2}\gamma_\sigma g_k^2$
# of the bias of the log-variance head (here $g_k$), $\frac{1}{2}\gamma_D\lVert V_k\rVert^2$ of the decoder's first
# layer. Each direction of above moves its own penalty:
#
# $$\frac{\hat c_\sigma}{c}-1=-\frac{2\gamma_\sigma g_k}{c\langle1-\sigma_k^2\rangle},\qquad\frac{\hat c_\mu}{c}-1=\frac{\gamma_E(\lVert W_k\rVert^2+b_k^2)}{c\langle\mu_k^2\rangle}$$
#
# $$A_k^2=1+\frac{\gamma_D\lVert V_k\rVert^2-\gamma_E(\lVert W_k\rVert^2+b_k^2)-2\gamma_\sigma g_k}{c}$$
#
# Penalties on other layers do not show. Decoupled decay (AdamW) is no part of a loss: it shifts the point of rest in
# the same directions.

# %%
gamma_E, gamma_D, gamma_s = sp.symbols("gamma_E gamma_D gamma_sigma", positive=True)
E2, V2 = sp.symbols("E2 V2", positive=True)  # ‖W‖² + b², ‖V‖²
bias = sp.Symbol("b_sigma", real=True)


def penalty(means, widths):
    """L2 after scaling means by e^{t·means} and widths by e^{t·widths}; the decoder undoes what both share."""
    decoder = V2 * sp.exp(-2 * t) if means and widths else V2
    return (gamma_E * E2 * sp.exp(2 * t * means) + gamma_s * (bias + 2 * t * widths) ** 2 + gamma_D * decoder) / 2


def penalty_slope(means, widths):
    return sp.diff(penalty(means, widths), t).subs(t, 0)


meter = sp.Symbol("chat", positive=True)
blank = sp.Symbol("ratio", positive=True)  # ⟨1 − σ²⟩, ⟨μ²⟩, A²
read = sp.solve(meter * blank - c * blank + penalty_slope(0, 1), meter)[0] / c - 1
check(
    "L2: $\\hat c_\\sigma/c-1=-2\\gamma_\\sigma g/(c\\langle1-\\sigma^2\\rangle)$",
    read + 2 * gamma_s * bias / (c * blank),
)
read = sp.solve(-meter * blank + c * blank + penalty_slope(1, 0), meter)[0] / c - 1
check(
    "$\\hat c_\\mu/c-1=\\gamma_E(\\lVert W\\rVert^2+b^2)/(c\\langle\\mu^2\\rangle)$", read - gamma_E * E2 / (c * blank)
)
read = sp.solve(c * (blank - 1) + penalty_slope(1, 1), blank)[0]
check("$A^2=1+[\\gamma_D\\lVert V\\rVert^2-\\gamma_E(\\lVert W\\rVert^2+b^2)-2\\gamma_\\sigma g]/c$",
      read - 1 - (gamma_D * V2 - gamma_E * E2 - 2 * gamma_s * bias) / c)  # fmt: skip
decayed = variations.weight_decay(gamma_D, gamma_E).loss
rest = 2 * s * sp.diff(decayed, s) + e * sp.diff(decayed, e) - w * sp.diff(decayed, w)
check("in the page *Weight decay* the same: $A^2=1+(\\gamma_Dw^2-\\gamma_Ee^2)/\\tau$",
      rest - tau * (linear.second_moment() - 1) + gamma_D * w**2 - gamma_E * e**2)  # fmt: skip
R1, R2 = sp.symbols("R1 R2", positive=True)
Phi = sp.Function("Phi")(R1, R2)
rates = {R1: linear.kl(mu[0] ** 2, (sigma[0] * sp.exp(t)) ** 2), R2: linear.kl(mu[1] ** 2, sigma[1] ** 2)}
chain = sum(sp.diff(Phi, R) * sp.diff(rate, t).subs(t, 0) for R, rate in rates.items())
check("a function of the rates: $(\\sigma)$ with $c_1=\\partial\\Phi/\\partial R_1$",
      chain - sp.diff(Phi, R1) * (sigma[0] ** 2 - 1))  # fmt: skip

# %% [markdown]
# ## What breaks each identity
#
# An identity holds if the model *has* the direction that it uses, and the direction changes nothing else.
#
# - **Held-out rows**: the sums are those of the gradient, over the rows that were trained on. A network that has fitted
#   them gives another result on others. Not at rest: no identity, and not before.
# - **Noise**: any fixed draws will do, if the model rests on the same ones. The identities are those of the loss as it
#   was computed.
# - **Batch norm on $\mu$** divides a common factor and a shift out again: $(\mu)$ and $(0)$ go, $(\sigma)$ stays. Batch
#   norm and dropout elsewhere are parts of the function: exact in training mode only.
# - **A bent mean head** ($\tanh$): a common factor is not a direction, $(\mu)$ fails; $(\sigma)$ holds.
# - **Frozen width**: $(\sigma)$ has no parameter, and $(A)$ goes with it. In the linear VAE with $s=1$,
#   $A^2=\sqrt{\lambda/\tau}$, at rest; $(\mu)$ holds.
# - **A decoder that normalises $z$ (LayerNorm)** undoes one factor common to all latents: $\sum_kA_k^2=K$ only. On
#   spheres, with codebooks or embeddings $(A)$ fails.
# - **Tied weights**: a factor of the mean head is one of the decoder too. With $\langle\mu g\rangle+\langle zg\rangle$
#   in the place of $\langle\mu g\rangle$ and $(\sigma)$,
#   $\langle\mu g\rangle=-\frac{c}{2}(1+\langle\mu^2\rangle-\langle\sigma^2\rangle)$, which is $(\mu)$ where $(A)$ holds
#   and not otherwise.
# - **Several weights** in one loss ($\beta$-TCVAE): several prices, and the meter reads a mixture.

# %%
frozen = mode.subs(s, 1)
gain = sp.sqrt(lam / tau)
still = {e: sp.sqrt((gain - 1) / lam), w: sp.sqrt(tau * (gain - 1))}
check(
    "frozen width: the linear VAE rests in $w$ where $A^2=\\sqrt{\\lambda/\\tau}$",
    sp.simplify(sp.diff(frozen, w).subs(still)),
)
check("and in $e$, which is $(\\mu)$", sp.simplify(sp.diff(frozen, e).subs(still)))
check("with $A^2=\\sqrt{\\lambda/\\tau}$", sp.simplify((linear.second_moment().subs(s, 1)).subs(still) - gain))
both_scales = slope_along([m * sp.exp(t) for m in mu], [width * sp.exp(t) for width in sigma])
kept = sp.expand(sum(z[k] * slopes[k] for k in (0, 1)))
check("a factor common to all latents: $\\sum_kA_k^2=K$",
      both_scales - kept - c * (sum(m**2 for m in mu) + sum(v**2 for v in sigma) - 2))  # fmt: skip
P, Q, mm, ss = sp.symbols("P Q mm ss", real=True)  # ⟨μg⟩, ⟨εσg⟩, ⟨μ²⟩, ⟨σ²⟩
tied = sp.solve([P + (P + Q) + c * mm, Q - c * (1 - ss)], [P, Q])[P]
check(
    "tied weights: $\\langle\\mu g\\rangle=-\\frac{c}{2}(1+\\langle\\mu^2\\rangle-\\langle\\sigma^2\\rangle)$",
    tied + c * (1 + mm - ss) / 2,
)
check("which is $(\\mu)$ where $A^2=1$", (tied + c * mm).subs(ss, 1 - mm))

# %% [markdown]
# ## The same numbers
#
# Linear heads on four fixed $\tanh$ features of the rows, a decoder with a hidden layer of three $\tanh$ units, two
# latents, 20 rows of three columns. L2 on the decoder's *last* layer keeps the weights finite; it must not show. All
# gradients are written out, the noise is by quadrature (5 × 5 nodes). The loss is minimised from a random start by
# BFGS, then by Newton steps in a trust region, until the gradient is rounding. Then the averages, from $\mu$, $\sigma$
# and the slopes of $\ell$ alone. First three terms and two prices with the basic head, at rest:

# %%
import numpy as np
from scipy.optimize import minimize

from landau_vae.networks import prices_from_gradients, prices_in_effect

rng = np.random.default_rng(14)
node, mass = np.polynomial.hermite_e.hermegauss(5)
grid = np.stack(np.meshgrid(node, node, indexing="ij"), axis=-1).reshape(-1, 2)
mass = np.outer(mass, mass).ravel() / mass.sum() ** 2
factors = rng.normal(size=(20, 2)) * [1.5, 1.0]
data_rows = np.column_stack([factors, np.sin(factors[:, 0]) + factors[:, 1] / 2])
data_rows = (data_rows + 0.2 * rng.normal(size=data_rows.shape)) / data_rows.std(axis=0)
bits = 1 / (1 + np.exp(-2 * data_rows))

# Value and slope of each term, at rows x and outputs f.
TERMS = {
    "squared error": lambda x, f: ((x - f) ** 2 / 2, f - x),
    "cross-entropy": lambda x, f: (np.logaddexp(0, f) - x * f, 1 / (1 + np.exp(-f)) - x),
    "pseudo-Huber": lambda x, f: (np.sqrt(1 + (x - f) ** 2) - 1, (f - x) / np.sqrt(1 + (x - f) ** 2)),
}
# σ and dσ/du of each head.
HEADS = {
    "exponential": lambda u: (np.exp(u / 2), np.exp(u / 2) / 2),
    "softplus": lambda u: (np.logaddexp(0, u) + 0.05, 1 / (1 + np.exp(-u))),
}
SHAPES = {"W": (4, 2), "b": (2,), "S": (4, 2), "g": (2,), "V": (2, 3), "v": (3,), "U": (3, 3), "r": (3,)}
FEATURES = rng.normal(size=(3, 4)) / 2  # A, drawn once
ENDS = np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()])


def parts(flat):
    """The weights by their names."""
    pieces = np.split(flat, ENDS[:-1])
    return {name: piece.reshape(shape) for (name, shape), piece in zip(SHAPES.items(), pieces, strict=True)}


def flattened(values):
    return values.reshape(-1, values.shape[-1])


class Network:
    """μ = hW + b and u = hS + g of features h = tanh(xA); f = tanh(zV + v)U + r. `decays`: γ by the name of a weight."""

    def __init__(self, x, term, price, head="exponential", decays=None):
        self.x, self.term, self.price, self.head = x, TERMS[term], price, HEADS[head]
        self.hidden, self.decays = np.tanh(x @ FEATURES), {"U": 0.02} | (decays or {})
        self.weights = np.full(len(x), 1 / len(x))[:, None] * mass

    def encode(self, p):
        return self.hidden @ p["W"] + p["b"], *self.head(self.hidden @ p["S"] + p["g"])

    def decode(self, p, z):
        inner = np.tanh(z @ p["V"] + p["v"])
        return inner, inner @ p["U"] + p["r"]

    def __call__(self, flat):
        """Loss and gradient; i: row, n: node."""
        p = parts(flat)
        mean, width, by_u = self.encode(p)
        z = mean[:, None] + width[:, None] * grid
        inner, output = self.decode(p, z)
        value, slope = self.term(self.x[:, None], output)
        loss = np.sum(self.weights[..., None] * value)
        loss += self.price * np.mean(np.sum((mean**2 + width**2 - 1) / 2 - np.log(width), axis=1))
        slope = slope * self.weights[..., None]
        inward = (slope @ p["U"].T) * (1 - inner**2)
        by_z = inward @ p["V"].T
        by_mean = by_z.sum(1) + self.price * mean / len(mean)
        by_width = (by_z * grid).sum(1) + self.price * (width - 1 / width) / len(mean)
        back = by_width * by_u
        gradient = {
            "W": self.hidden.T @ by_mean, "b": by_mean.sum(0), "S": self.hidden.T @ back, "g": back.sum(0), "V": flattened(z).T @ flattened(inward), "v": inward.sum((0, 1)),
            "U": flattened(inner).T @ flattened(slope), "r": slope.sum((0, 1)),
        }  # fmt: skip
        for name, gamma in self.decays.items():
            loss += gamma * np.sum(p[name] ** 2) / 2
            gradient[name] = gradient[name] + gamma * p[name]
        return loss, np.concatenate([gradient[name].ravel() for name in SHAPES])

    def trained(self, start, updates=600):
        """A point of rest, and the largest entry of its gradient."""
        near = minimize(self, start, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": updates}).x

        def hessian(flat, step=1e-6):
            rows = [self(flat + h)[1] - self(flat - h)[1] for h in step * np.eye(len(flat))]
            return (np.array(rows) + np.array(rows).T) / (4 * step)

        options = {"gtol": 1e-11, "maxiter": 300}
        flat = minimize(self, near, jac=True, hess=hessian, method="trust-exact", options=options).x
        return flat, np.abs(self(flat)[1]).max()

    def at(self, flat):
        """The term of each row as a function of z."""
        p = parts(flat)
        return lambda z: self.term(self.x, self.decode(p, z)[1])[0].sum(1)

    def averages(self, flat):
        """What the identities are about, from μ, σ and the slopes of the term."""
        p = parts(flat)
        mean, width, by_u = self.encode(p)
        z = mean[:, None] + width[:, None] * grid
        inner, output = self.decode(p, z)
        by_z = ((self.term(self.x[:, None], output)[1] @ p["U"].T) * (1 - inner**2)) @ p["V"].T
        by_mean = np.einsum("ink,n->ik", by_z, mass)
        by_log_width = np.einsum("ink,nk,n->ik", by_z, grid, mass) * width
        return mean, width, by_u / width, by_mean, by_log_width


def meters(mean, width, omega, by_mean, by_log_width):
    """ĉ_σ with and without the weights of the head, ĉ_μ, A²."""
    above, below = by_log_width, 1 - width**2
    plain, weighted = above.mean(0) / below.mean(0), (omega * above).mean(0) / (omega * below).mean(0)
    return weighted, plain, -(mean * by_mean).mean(0) / (mean**2).mean(0), (mean**2 + width**2).mean(0)


def largest(*deviations):
    return max(np.abs(deviation).max() for deviation in deviations)


start = 0.5 * rng.normal(size=ENDS[-1])
for term, rows, price in [("squared error", data_rows, 0.1), ("squared error", data_rows, 0.05),
                          ("cross-entropy", bits, 0.05), ("pseudo-Huber", data_rows, 0.1)]:  # fmt: skip
    network = Network(rows, term, price)
    flat, gradient = network.trained(start)
    mean, width, omega, by_mean, by_log_width = network.averages(flat)
    weighted, plain, by_scale, moment = meters(mean, width, omega, by_mean, by_log_width)
    case = f"{term}, $c={price}$"
    check(f"{case}: both latents active, gradient below $10^{{-9}}$", gradient < 1e-9 and (mean**2).mean(0).min() > 0.3)
    check(f"{case}: $\\hat c_\\sigma$, $\\hat c_\\mu$ and $A^2$ to $10^{{-6}}$",
          largest(plain / price - 1, by_scale / price - 1, moment - 1) < 1e-6)  # fmt: skip
    crossed = mean.T @ by_mean / len(mean) + price * mean.T @ mean / len(mean)
    check(f"{case}: $\\langle\\mu\\rangle=0$ and all pairs, to $10^{{-6}}$", largest(mean.mean(0), crossed) < 1e-6)
    free = prices_from_gradients(mean, width, by_mean, by_log_width / 2)
    check(
        f"{case}: the package reads the same from gradients",
        largest(free.width / price - 1, free.mean / price - 1) < 1e-6,
    )
    found = prices_in_effect(mean, width, network.at(flat), [0, 1], all_rows=True, precise=0.01)
    check(f"{case}: and from draws, within four of its standard errors",
          largest((found.width - price) / found.width_error, (found.mean - price) / found.mean_error) < 4)  # fmt: skip

# %% [markdown]
# Then the other cases: a softplus head, where the weights of the rows are needed; L2 on heads and decoder; and rows that
# were not trained on.

# %%
network = Network(data_rows, "squared error", 0.2, head="softplus")
flat, _ = network.trained(start)
weighted, plain, by_scale, moment = meters(*network.averages(flat))
check(
    "softplus: weighted, $\\hat c_\\sigma$ and $\\hat c_\\mu$ to $10^{-6}$",
    largest(weighted / 0.2 - 1, by_scale / 0.2 - 1) < 1e-6,
)
check("without the weights $\\hat c_\\sigma$ misses", largest(plain / 0.2 - 1) > 1e-4)
check("and so does $A^2$", largest(moment - 1) > 1e-4)

decays = {"W": 0.01, "b": 0.01, "g": 0.02, "V": 0.01}
network = Network(data_rows, "squared error", 0.2, decays=decays)
flat, _ = network.trained(start)
p, (mean, width, *others) = parts(flat), network.averages(flat)
_, plain, by_scale, moment = meters(mean, width, *others)
heads = (p["W"] ** 2).sum(0) + p["b"] ** 2
shares = {
    "$\\hat c_\\sigma$": (plain / 0.2 - 1, -2 * 0.02 * p["g"] / (0.2 * (1 - width**2).mean(0))),
    "$\\hat c_\\mu$": (by_scale / 0.2 - 1, 0.01 * heads / (0.2 * (mean**2).mean(0))),
    "$A^2$": (moment - 1, (0.01 * (p["V"] ** 2).sum(1) - 0.01 * heads - 2 * 0.02 * p["g"]) / 0.2),
}
for name, (seen, derived) in shares.items():
    check(
        f"L2: {name} is off by {np.abs(seen).max():.2f} at most, as derived, to $10^{{-6}}$",
        largest(seen - derived) < 1e-6,
    )

network = Network(data_rows[:12], "squared error", 0.05)
flat, _ = network.trained(start)
inside = meters(*network.averages(flat))
outside = meters(*Network(data_rows[12:], "squared error", 0.05).averages(flat))
check("trained on 12 rows: $\\hat c_\\mu$ to $10^{-6}$ on these", largest(inside[2] / 0.05 - 1) < 1e-6)
check("on 8 others it is off by more than a tenth", largest(outside[2] / 0.05 - 1) > 0.1)
