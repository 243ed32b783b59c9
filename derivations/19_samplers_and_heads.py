# %% [markdown]
# # Samplers and heads: noise that is not the posterior's, variances that are not free
#
# **Assumed.** The linear VAE of *The loss, from Gaussian integrals*, with $z=\mu+\sqrt N\varepsilon$, where $N$ need
# not be the posterior variance $s$ that the KL charges: $N=c^2s$ (the noise is multiplied by $c$), $N=c^2s^2$ (the
# sampler takes the KL's log-variance for $\ln\sigma$). Or $s$ is frozen at one value $v$, or held above a floor $v$.
# $t=\tau/\lambda$ is the price in units of the mode.
#
# **Sought.** For each of them the law that takes the place of $M^2=1-t$, the price at which a mode is lost, and
# whether it is lost with a jump: then also the price up to which the living state is the better one, and up to which
# it exists.
#
# **Sources.** A fixed encoder variance: Wang & Ziyin, arXiv:2205.04009. The usual law: J. Hirn, arXiv:2605.22691. The
# others: this package.

# %%
import numpy as np
import sympy as sp
from scipy.optimize import minimize

from landau_vae.loss import Sampler
from landau_vae.symbolic import Landau, gaussian_mean, linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
c, u, v, t = sp.symbols("c u v t", positive=True)
x = sp.Symbol("x", real=True)


def mode_loss(noise, variance=s):
    """The loss of one mode whose z is drawn with another variance than the KL has."""
    z, data = sp.Matrix([e * x]), sp.Matrix([x])
    error = linear.average(data, sp.Matrix([[lam]]), z, [noise], lambda z: (data, w * z), sp.Integer(0))
    return error + tau * linear.kl(e**2 * lam, variance)


NOISES = {"c²s": c**2 * s, "c²s²": c**2 * s**2}
show(r"\ell", mode_loss(NOISES["c²s"]))

# %% [markdown]
# ## One function of one number
#
# The encoder's gain $e$ is best at $e=w/(\tau+w^2)$, whatever the noise. With $u=w^2/\tau$ what is left is
#
# $$\frac{2\ell}{\lambda}=\frac{1}{1+u}+t\,[uN(s)+s-1-\ln s]$$
#
# A mode leaves $1/(1+u)$ of its variance in a sampled reconstruction, and the square of that in one from $z=\mu$. The
# slope in $u$ vanishes where $tN(1+u)^2=1$, that in $s$ where $uN'(s)+1=1/s$. Then $\langle\mu^2\rangle=uN$, and with
# the variance that $z$ is really drawn with, $M^2=uN/(uN+N)=1-1/(1+u)$: signal and what is left add up to 1 for every
# sampler.

# %%
N = sp.Symbol("N", positive=True)
full = mode_loss(N)
best_gain = w / (tau + w**2)
check("the slope in $e$ vanishes at $w/(\\tau+w^2)$", sp.diff(full, e).subs(e, best_gain))
reduced = 1 / (1 + u) + t * (u * N + s - 1 - sp.log(s))
at_gain = (2 * full / lam).subs(e, best_gain).subs(w, sp.sqrt(u * tau)).subs(tau, t * lam)
check("with it the loss is $\\frac{1}{2}\\lambda$ times the bracket above", sp.simplify(at_gain - reduced))
at_rest = {t: 1 / (N * (1 + u) ** 2)}
check("the slope in $u$ vanishes where $tN(1+u)^2=1$", sp.diff(reduced, u).subs(at_rest))
units = {w: sp.sqrt(u * t * lam), tau: t * lam}
mean_square = (e**2 * lam).subs(e, best_gain).subs(units).subs(at_rest)
check("there $\\langle\\mu^2\\rangle=uN$", sp.simplify(mean_square - u * N))
sampled = ((1 - w * e) ** 2 + w**2 * N / lam).subs(e, best_gain).subs(units).subs(at_rest)
check("a sampled reconstruction leaves $1/(1+u)$", sp.simplify(sampled - 1 / (1 + u)))
check("one from $z=\\mu$ leaves its square", sp.simplify((1 - w * e).subs(e, best_gain).subs(units) - 1 / (1 + u)))

# %% [markdown]
# ## Still mode by mode
#
# With $E$ eliminated, the loss of a whole model is $\frac{1}{2}\tau[\mathrm{tr}(C(WW^\top+\tau)^{-1})+\sum_kG(u_k)]$
# with $u_k=\lVert w_k\rVert^2/\tau$ and $G(u)=\min_s[uN(s)+s-1-\ln s]$, taken over whatever $s$ the head can give. A
# minimum of functions that are linear in $u$ is concave. The $u_k$ are the diagonal of $W^\top W/\tau$, which its
# eigenvalues majorise, so for a concave $G$ the sum is least where the columns of $W$ are orthogonal: each latent has a
# mode of its own, as before. If $s$ is frozen $G$ is *linear*: then every rotation of the latents is as good, and so is
# a mode that is split between two of them.

# %%
narrower = {"c²s": 1 / (1 + c**2 * u), "c²s²": (sp.sqrt(1 + 8 * c**2 * u) - 1) / (4 * c**2 * u)}
for name, noise in NOISES.items():
    free = noise * u + s - 1 - sp.log(s)
    check(f"$N={name.replace('²', '^2')}$: the slope in $s$ vanishes at the $s(u)$ of this page",
          sp.simplify(sp.diff(free, s).subs(s, narrower[name])))  # fmt: skip
    bend = sp.diff(noise, s) * sp.diff(narrower[name], u)  # G'' = N'(s) s'(u), because G' = N
    check(
        f"$N={name.replace('²', '^2')}$: $G''<0$ at $u=1$, $c=1$",
        bool(bend.subs(s, narrower[name]).subs({u: 1, c: 1}) < 0),
    )

# %% [markdown]
# ## Where the collapsed state loses its stability, and how
#
# It does so at $\tau=\lambda/N(1)$: noise that is $c$ times as wide moves the threshold to $\lambda/c^2$. That is not
# the law of the price $\tau c^2$, though. As soon as the mode lives its $s$ falls, and with it the noise, the faster
# the larger $c$ is. The quartic coefficient at the threshold is positive only up to $c^2=2$, and, where the log-variance
# is drawn with as $\ln\sigma$, up to $c^2=\frac{1}{2}$: there $c=1$, the slip as it is usually made, collapses with a
# jump.

# %%
SIGNS = {w: -w, e: -e}
theories = {
    name: Landau(mode_loss(noise), w, (e, s), tau, collapsed={w: 0, e: 0, s: 1}, symmetry=SIGNS)
    for name, noise in NOISES.items()
}
quartics = {"c²s": c**4 * (2 - c**2) / (4 * lam), "c²s²": c**4 * (1 - 2 * c**2) / (2 * lam)}
for name, theory in theories.items():
    latex = name.replace("²", "^2")
    check(f"$N={latex}$: the collapsed state is unstable below $\\lambda/c^2$", theory.threshold - lam / c**2)
    expansion = theory.expansion(4)
    show(r"a_4\,\big|_{N=" + latex + "}", sp.factor(expansion.at_threshold[4]))
    check(f"$N={latex}$: the quartic coefficient there is the one shown", expansion.at_threshold[4] - quartics[name])
for name, square in (("c²s", sp.Integer(2)), ("c²s²", sp.Rational(1, 2))):
    tricritical = Landau(mode_loss(NOISES[name].subs(c, sp.sqrt(square))), w, (e, s), tau,
                         collapsed={w: 0, e: 0, s: 1}, symmetry=SIGNS).expansion(6)  # fmt: skip
    check(f"at $c^2={sp.latex(square)}$ the sextic coefficient decides, and is positive: still no jump",
          tricritical.leading[0] == 6 and bool(tricritical.leading[1].is_positive))  # fmt: skip

# %% [markdown]
# ## The laws
#
# Both conditions together are quadratic. For $N=c^2s$ in $y=1+u$, and for $N=c^2s^2$ in $s$:
#
# $$tc^2y^2-c^2y+c^2-1=0,\qquad 2c^2s^2-(1+2c/\sqrt t)s+1=0$$
#
# The living state is the larger $y$, the smaller $s$. Where the discriminant vanishes both roots meet and the living
# state ends, at
#
# $$t_\mathrm{s}=\frac{c^2}{4(c^2-1)},\qquad t_\mathrm{s}=\frac{4c^2}{(2\sqrt2c-1)^2}$$
#
# as long as that is above $1/c^2$. In between lies the price up to which it is the better one. It solves
# $2\ell/\lambda=1$ and has no closed form.

# %%
y = sp.Symbol("y", positive=True)
by_scale = (t * c**2 * y**2 - c**2 * y + c**2 - 1) / c**2
condition = t * c**2 * s * (1 + u) ** 2 - 1
scaled = sp.simplify(condition.subs(s, narrower["c²s"]).subs(u, y - 1) * (1 + c**2 * (y - 1)) / c**2)
check("$N=c^2s$: the condition on $u$ is the quadratic in $y$", sp.expand(scaled - by_scale))
slope = sp.sqrt(t) * c * s * (1 + (1 - s) / (2 * c**2 * s**2)) - 1  # √(tN)(1 + u) = 1, with u of that s
by_log = 2 * c**2 * s**2 - (1 + 2 * c / sp.sqrt(t)) * s + 1
check("$N=c^2s^2$: the one on $u$ is the quadratic in $s$", sp.expand(slope * 2 * c * s / sp.sqrt(t) - by_log))
check("its first end is where the discriminant vanishes",
      (c**4 - 4 * t * c**2 * (c**2 - 1)).subs(t, c**2 / (4 * (c**2 - 1))))  # fmt: skip
second = 4 * c**2 / (2 * sp.sqrt(2) * c - 1) ** 2
root = 1 + (2 * sp.sqrt(2) * c - 1)  # 1 + 2c/√t there, for c above 1/(2√2)
check("and so is the second", sp.expand(root**2 - 8 * c**2))
check("which is where $2c/\\sqrt t=2\\sqrt2c-1$", sp.simplify(4 * c**2 / second - (2 * sp.sqrt(2) * c - 1) ** 2))

# %% [markdown]
# **Frozen variances.** With $s=v$ throughout $u$ is free of it: $1+u=1/\sqrt{tN(v)}$, so for $N=v$
#
# $$\langle\mu^2\rangle=\sqrt{\lambda v/\tau}-v,\qquad M^2=1-\sqrt{\tau v/\lambda},\qquad A^2=\sqrt{\lambda v/\tau}$$
#
# and the mode is lost at $\tau=\lambda/v$, without a jump. $A^2\ne1$, and yet all is at rest. A log-variance that
# passes through a ReLU or a softplus has $s\ge1$; the best $s$ is below 1, so a linear model is at the floor, $v=1$.
# With a floor $v<1$ the usual law holds down to $\tau=v\lambda$, where $s$ reaches it, and the frozen one below; both
# agree there.

# %%
frozen = {u: 1 / sp.sqrt(t * v) - 1}
check("frozen: $\\langle\\mu^2\\rangle=\\sqrt{\\lambda v/\\tau}-v$", (u * v).subs(frozen) - (sp.sqrt(v / t) - v))
check("frozen: $M^2=1-\\sqrt{\\tau v/\\lambda}$", (u / (1 + u)).subs(frozen) - (1 - sp.sqrt(t * v)))
check("frozen: it vanishes at $\\tau=\\lambda/v$", (1 / sp.sqrt(t * v) - 1).subs(t, 1 / v))
held = Landau(mode_loss(v, v), w, (e,), tau, collapsed={w: 0, e: 0}, symmetry=SIGNS)
check("frozen: the collapsed state is unstable below $\\lambda/v$", held.threshold - lam / v)
check("frozen: and collapse is continuous", held.expansion(4).kind == "supercritical")
check("a floor: at $\\tau=v\\lambda$ the frozen law has the $\\langle\\mu^2\\rangle=1-v$ of the usual one",
      (sp.sqrt(v / t) - v).subs(t, v) - (1 - v))  # fmt: skip

# %% [markdown]
# ## What is 1 at rest
#
# Stretching a latent, $w\to w/\alpha$, $e\to\alpha e$, $\sqrt N\to\alpha\sqrt N$, leaves the error alone. The KL then
# asks for $\langle\mu^2\rangle+s=1$ if $N\propto s$, whatever $c$ is. If $N\propto s^2$ the stretch takes $s\to\alpha s$
# and the KL asks for $2\langle\mu^2\rangle+s=1$. Nothing is used of the decoder but its first layer, nothing of the
# encoder but its last: both hold for any network. If $s$ is frozen nothing is left to stretch, and there is no such
# sum.

# %%
alpha, P = sp.symbols("alpha P", positive=True)
for power, name in ((1, "c²s"), (2, "c²s²")):
    stretched = linear.kl(alpha**2 * P, alpha ** (sp.Integer(2) / power) * s)
    asked = sp.diff(stretched, alpha).subs(alpha, 1)
    total = power * P + s
    check(f"$N={name.replace('²', '^2')}$: the KL of a stretched latent is stationary where the sum is 1",
          sp.simplify(asked * power - (total - 1)))  # fmt: skip
    living = power * u * NOISES[name] + s
    check(f"$N={name.replace('²', '^2')}$: and so has the law of this page",
          sp.simplify(living.subs(s, narrower[name]) - 1))  # fmt: skip

# %% [markdown]
# ## Networks: the widths have a threshold of their own
#
# A decoder that is not linear can read $x$ from how wide the posterior is. Let $\ln s=\delta h(x)$ with a function $h$
# of mean 0 and variance 1, and let the decoder add $b(z^2-\langle z^2\rangle)$. To second order in $\delta$ and $b$ the
# loss changes by $c^4b^2-pc^2b\delta\langle xh\rangle+\frac{1}{4}\tau\delta^2$, where $N=c^2s^p$. With the best $h$,
# $\langle xh\rangle^2=\lambda$, the collapsed state is unstable to this below
#
# $$\tau=p^2\lambda$$
#
# whatever $c$ is. For the usual sampler that is $\lambda$ again. But where the log-variance is drawn with as
# $\ln\sigma$, a network is unstable up to $4\lambda_1$; and noise that is wider than the posterior, $c>1$, does not
# lower the threshold of a network below $\lambda_1$. A linear decoder has the mean's channel only, $\lambda/c^2$.

# %%
b, delta, p = sp.symbols("b delta p", real=True)
epsilon, h = sp.symbols("epsilon h", real=True)
moments = {(x, x): lam, (x, h): sp.sqrt(lam), (h, h): 1, (epsilon, epsilon): 1}
width_square = c**2 * (1 + p * delta * h + (p * delta * h) ** 2 / 2)  # c² s^p to second order
square = width_square * epsilon**2  # z², for μ = 0
average = c**2 * (1 + p**2 * delta**2 / 2)
error = sp.expand(linear.squared_error(x, b * (square - average)))
kept = sum(term for term in error.as_ordered_terms() if sp.Poly(term, b, delta).total_degree() <= 2)
mean_error = gaussian_mean(sp.expand(kept), [x, h, epsilon], moments)
rate = delta**2 / 4  # of s = exp(δh): ½⟨s − 1 − ln s⟩ to second order
log_s = sp.Symbol("l", real=True)
check("the KL of $s=e^l$ is $\\frac{1}{4}l^2$ to second order",
      sp.series(linear.kl(0, sp.exp(log_s)), log_s, 0, 3).removeO() - log_s**2 / 4)  # fmt: skip
quadratic = sp.expand(mean_error + tau * rate - lam / 2)
check("the second order is as stated",
      quadratic - (c**4 * b**2 - p * c**2 * b * delta * sp.sqrt(lam) + tau * delta**2 / 4))  # fmt: skip
determinant = sp.hessian(quadratic, (b, delta)).det()
check("its determinant is $c^4(\\tau-p^2\\lambda)$", sp.expand(determinant - c**4 * (tau - p**2 * lam)))

# %% [markdown]
# ## Three losses that turn out to be these
#
# **A further error of the mean reconstruction**, $\frac{1}{2}\lVert x-f(z)\rVert^2+\alpha\lVert x-f(\mu)\rVert^2+\beta
# \mathrm{KL}$: with $k=1+2\alpha$ and a linear decoder it is $k$ times the loss of price $\beta/k$ and noise scale
# $c^2=1/k$. So a mode is lost at $\beta=k^2\lambda$. (With a *sampled* $\hat x$ in both terms it is a price only,
# $\beta/k$.)
#
# **A KL without its $\frac{1}{2}$** counts each nat twice: the price doubles.
#
# **A latent with a constant mean $m$** that encodes nothing pays $\frac{1}{2}m^2$ nats for it, and has $A^2=1+m^2$. At
# rest, with a decoder that has a bias, $m=0$.

# %%
k = sp.Symbol("k", positive=True)
both = mode_loss(s) + (k - 1) * lam * (1 - w * e) ** 2 / 2
as_scale = k * mode_loss(s / k).subs(tau, tau / k)
check("the further error is a noise scale and a price", sp.expand(both - as_scale))
twice = Landau(both, w, (e, s), tau, collapsed={w: 0, e: 0, s: 1}, symmetry=SIGNS)
check("with it a mode is lost at $k^2\\lambda$", twice.threshold - k**2 * lam)
check("and without a jump at $k=2$", twice.with_loss(both.subs(k, 2)).expansion(4).kind == "supercritical")
m = sp.Symbol("m", real=True)
check("a constant mean costs $\\frac{1}{2}m^2$ nats", linear.kl(m**2, 1) - m**2 / 2)

# %% [markdown]
# ## The same numbers
#
# The package's laws, and direct minimisation of the loss of one mode, written down once more.


# %%
def minimum(price, noise, bounds):
    """The least loss in w, e and ln s, which is bounded; λ = 1."""

    def loss(unknowns):
        decoder, encoder, log = unknowns
        width = np.exp(log)
        error = (1 - decoder * encoder) ** 2 + decoder**2 * noise(width)
        return error / 2 + price * (encoder**2 + width - 1 - log) / 2

    ends = np.log(bounds)
    starts = [(0.8, 0.8, np.clip(log, *ends)) for log in (-0.1, -1.0, -3.0)]
    limits, precise = [(None, None), (None, None), tuple(ends)], {"ftol": 1e-16, "gtol": 1e-11}
    return min(minimize(loss, start, bounds=limits, options=precise).fun for start in starts)


FREE = (1e-9, 1e9)
CASES = {
    "noise scale 0.5": (Sampler(noise_scale=0.5), lambda s: s / 4, FREE),
    "noise scale 2": (Sampler(noise_scale=2.0), lambda s: 4 * s, FREE),
    "log-variance for $\\ln\\sigma$": (Sampler(log_std=True), lambda s: s**2, FREE),
    "$s$ frozen at 1": (Sampler(variance=1.0), lambda s: s, (1.0, 1.0)),
    "a floor at 0.3": (Sampler(least=0.3), lambda s: s, (0.3, 1e9)),
}
for name, (sampler, noise, bounds) in CASES.items():
    worst = 0.0
    for price in sampler.threshold * np.array([0.05, 0.4, 0.9, 1.2]):
        law = sampler.law(price)
        worst = max(worst, abs(0.5 * law.residual + price * law.rate - minimum(price, noise, bounds)))
    check(f"{name}: the least loss at four prices is that of the law, to $10^{{-8}}$", bool(worst < 1e-8))

told = Sampler(log_std=True)
check("log-variance for $\\ln\\sigma$: better up to $1.1490\\lambda$, alive up to $1.1965\\lambda$",
      bool(abs(told.threshold - 1.1490) < 1e-4 and abs(told.spinodal - 1.1965) < 1e-4))  # fmt: skip
check("the end of its living state is the one of this page",
      bool(abs(told.spinodal - float(second.subs(c, 1))) < 1e-12))  # fmt: skip
wide = Sampler(noise_scale=2.0)
check("noise scale 2: unstable below $0.25\\lambda$, better up to $0.3107\\lambda$, alive up to $\\lambda/3$",
      bool(wide.unstable == 0.25 and abs(wide.threshold - 0.3107) < 1e-4 and abs(wide.spinodal - 1 / 3) < 1e-12))  # fmt: skip
