# %% [markdown]
# # The order parameter
#
# **Assumed.** The loss of one mode, and of $d$ modes with $K$ latents, from *The loss, from Gaussian integrals*.
#
# **Sought.** A number that says how much a latent carries and that does not depend on the unit in which the latent is
# measured: which such numbers exist, and why the signal fraction
#
# $$M_k^2=\frac{\langle\mu_k^2\rangle}{\langle\mu_k^2\rangle+\langle\sigma_k^2\rangle}$$
#
# is the one to use.
#
# **Source.** The signal fraction as order parameter: J. Hirn, arXiv:2605.22691.

# %%
import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
mode = linear.mode_loss()
rate = linear.kl(e**2 * lam, s)
squared = sp.expand(mode - tau * rate)
M2, A2 = linear.signal_fraction(), linear.second_moment()
show("M^2", M2)
show("A^2", A2)

# %% [markdown]
# ## The rescaling group
#
# Measure the latent in another unit, $z\to cz$: mean and standard deviation of the posterior become $c\mu$ and
# $c\sigma$, and the decoder divides by $c$. In the linear model $e\to ce$, $s\to c^2s$, $w\to w/c$. What is decoded
# does not change, so neither does the squared error; the divergence does, because the prior has a unit of its own.

# %%
c = sp.Symbol("c", positive=True)
rescaled = {w: w / c, e: c * e, s: c**2 * s}


def act(f):
    return f.subs(rescaled, simultaneous=True)


def generator(f):
    """X f = d f(c)/dc at c = 1."""
    return sp.expand(sp.diff(act(f), c).subs(c, 1))


check("the squared error is unchanged by $(w,e,s)\\to(w/c,ce,c^2s)$", sp.expand(act(squared) - squared))
check("the signal fraction is unchanged", act(M2) - M2)
show(r"R(c)-R(1)", sp.expand_log(sp.expand(act(rate) - rate), force=True))
check("the rate changes by $\\frac{1}{2}(c^2-1)A^2-\\ln c$", act(rate) - rate - (c**2 - 1) * A2 / 2 + sp.log(c))

# %% [markdown]
# ## All invariants
#
# The group has one parameter and acts on three variables, so two independent invariants are to be expected. Its
# generator is $X=e\partial_e+2s\partial_s-w\partial_w$. Take as coordinates the gain $we$, the signal-to-noise ratio
# $\rho=\lambda e^2/s$ and the scale $\sqrt s$. The first two are annihilated by $X$, the third is multiplied by $c$: a
# function of $(we,\rho,\sqrt s)$ is invariant only if it does not contain $\sqrt s$. *Wherever $e\ne0$,
# every invariant is a function of gain and signal-to-noise ratio.* (A silent latent, $e=0$, has the invariant $w^2s$
# besides: the noise it passes on.) The gain needs the decoder; a number for the encoder alone is a function of $\rho$.

# %%
for v, expected in ((w, -w), (e, e), (s, 2 * s)):
    check(f"$X{v}$ is as stated", generator(v) - expected)
snr = lam * e**2 / s
check("gain and signal-to-noise ratio are invariant", sp.Matrix([generator(w * e), generator(snr)]))
coordinates = sp.Matrix([w * e, snr, sp.sqrt(s)])
jacobian = sp.factor(coordinates.jacobian([w, e, s]).det())
show(r"\frac{\partial(we,\rho,\sqrt{s})}{\partial(w,e,s)}", jacobian)
check(
    "they and the scale are coordinates wherever $e\\ne0$", jacobian - sp.factor(lam * e**2 * s ** sp.Rational(-3, 2))
)
check("$M^2=\\rho/(1+\\rho)$", M2 - snr / (1 + snr))
check("and $\\rho$ is recovered as $M^2/(1-M^2)$", sp.cancel(M2 / (1 - M2)) - snr)

# %% [markdown]
# The other numbers in use are not invariant: the variance of the means $\langle\mu^2\rangle$ (active units), the
# posterior variance $s$, the rate.

# %%
for name, f in ((r"\langle\mu^2\rangle", lam * e**2), ("s", s), ("R", rate)):
    show(f"X\\,{name}", generator(f))
check("$X\\langle\\mu^2\\rangle=2\\langle\\mu^2\\rangle$", generator(lam * e**2) - 2 * lam * e**2)
check("$XR=A^2-1$", generator(rate) - A2 + 1)

# %% [markdown]
# ## What the prior does: it fixes the unit
#
# As the squared error does not see the unit, the loss changes under rescaling by the rate alone:
# $X(\sigma_\mathrm{dec}^2\ell)=\tau(A^2-1)$. At a stationary point this vanishes, so
#
# $$A_k^2=\langle\mu_k^2\rangle+\langle\sigma_k^2\rangle=1\quad\text{for every latent of every stationary point}$$
#
# whether it is the minimum or a saddle, at any price. (The same argument, with the same result, holds for nonlinear
# networks, as long as the encoder can produce $c\mu$ and $c\sigma$ and the decoder's first layer absorb $1/c$.) So *in equilibrium* $M^2=\langle\mu^2\rangle=1-s$, and all
# criteria tell the same story; of a model that has not settled, or whose KL term is not what it should be, $A^2\ne1$
# tells just that, while $M^2$ keeps its meaning.

# %%
check("$X(\\sigma_\\mathrm{dec}^2\\ell)=\\tau(A^2-1)$", generator(mode) - tau * (A2 - 1))
W, E, variances = linear.variables(2, 2)
modes = linear.mode_variances(2)
full = linear.loss(W, E, variances, sp.diag(*modes))
for k in range(2):
    moved = {W[i, k]: W[i, k] / c for i in range(2)} | {E[k, i]: c * E[k, i] for i in range(2)}
    moved[variances[k]] = c**2 * variances[k]
    virial = sp.diff(full.subs(moved, simultaneous=True), c).subs(c, 1)
    moment = sum(modes[i] * E[k, i] ** 2 for i in range(2)) + variances[k]
    check(
        f"the same for latent {k + 1} of the full model ($d=K=2$), whatever the other does",
        sp.expand(virial - tau * (moment - 1)),
    )

# %% [markdown]
# ## Rate = information + cost of the wrong unit
#
# In terms of $M^2$ and $A^2$ the rate falls apart exactly:
#
# $$R=-\tfrac{1}{2}\ln(1-M^2)+\tfrac{1}{2}(A^2-1-\ln A^2)$$
#
# The second part is never negative ($x-1\ge\ln x$) and vanishes at $A^2=1$ only. The first is invariant; for Gaussian
# data it is the mutual information of $x$ and $z$: the entropy of $z$, $\frac{1}{2}\ln A^2$ up to a constant, less that
# of $z$ given $x$, $\frac{1}{2}\ln s$.

# %%
split = -sp.log(1 - M2) / 2 + (A2 - 1 - sp.log(A2)) / 2
information = (sp.log(A2) - sp.log(s)) / 2
check("the rate is the sum of these two parts", sp.expand_log(rate - split.subs(1 - M2, sp.cancel(1 - M2)), force=True))
check("the invariant part is the mutual information $\\frac{1}{2}\\ln(A^2/s)$",
      sp.expand_log(-sp.log(sp.cancel(1 - M2)) / 2, force=True) - sp.expand_log(information, force=True))  # fmt: skip
x = sp.Symbol("x", positive=True)
check("$x-1-\\ln x$ is convex, and stationary at $x=1$ with the value 0",
      sp.diff(x - 1 - sp.log(x), x, 2).is_positive and sp.solve(sp.diff(x - 1 - sp.log(x), x), x) == [1])  # fmt: skip

# %% [markdown]
# ## Why the signal fraction among all functions of $\rho$
#
# The best decoder of a given encoder leaves the share $1-M^2$ of the mode's variance: $M^2$ is the coefficient of
# determination ($R^2$, squared correlation) between latent and mode. It lies between 0 and 1, it is what the squared
# error is linear in, and therefore what follows a straight line in $\tau$ (*Equilibrium*).

# %%
best = sp.solve(sp.diff(squared, w), w)[0]
left = sp.factor(squared.subs(w, best))
show(r"\min_w\tfrac{1}{2}\langle(x-\hat x)^2\rangle", left)
check("the best decoder leaves $\\frac{1}{2}\\lambda(1-M^2)$", left - lam * (1 - M2) / 2)
check("and the loss is convex in $w$", sp.diff(squared, w, 2).subs(e**2, x).is_positive)
correlation = (lam * e) ** 2 / (lam * A2)
check(
    "$M^2$ is the squared correlation of $x$ and $z$: $\\langle xz\\rangle=\\lambda e$, $\\langle z^2\\rangle=A^2$",
    correlation - M2,
)

# %% [markdown]
# ## The same numbers
#
# A trained model of the package, its latents measured in other units: signal fractions and distortion stay, rates
# change as stated.

# %%
import numpy as np

from landau_vae.training.linear_vae import LinearVAE

rng = np.random.default_rng(3)
covariance = np.diag([3.0, 1.5, 0.4])
decoder, encoder, posterior = rng.normal(size=(3, 2)), rng.normal(size=(2, 3)), rng.uniform(0.2, 1.0, 2)
unit = np.array([2.5, 0.3])
one = LinearVAE(covariance, np.array(0.7), decoder, encoder, posterior)
other = LinearVAE(covariance, np.array(0.7), decoder / unit, encoder * unit[:, None], posterior * unit**2)
check(
    "signal fractions agree to $10^{-12}$", np.allclose(one.signal_fraction, other.signal_fraction, rtol=0, atol=1e-12)
)
check("distortions agree to $10^{-12}$", np.allclose(one.distortion, other.distortion, rtol=1e-12, atol=0))
second = sp.Symbol("A2", positive=True)
change = sp.lambdify([c, second], (c**2 - 1) * second / 2 - sp.log(c))(unit, one.mean_square + posterior)
check("rates change by the formula, to $10^{-12}$", np.allclose(other.rate - one.rate, change, rtol=1e-12, atol=1e-12))
