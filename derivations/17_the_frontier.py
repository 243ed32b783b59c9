# %% [markdown]
# # The frontier: what any VAE could reach
#
# **Assumed.** Rows $x$ with their shares, a reconstruction term $\ell(x,y)$ of a row and an output, a price $c$ of a
# nat. A VAE is any encoder $q(z\mid x)$, any prior $p(z)$ and any decoder $f(z)$, of any depth and number of latents.
# Its loss is $F=\langle\ell(x,f(z))\rangle+c\langle\mathrm{KL}(q(z\mid x)\mid p(z))\rangle$ with $z$ *drawn* from the
# posterior, an exact KL with one weight, and a decoder that is given $z$ alone.
#
# **Sought.** The least $F$ that any of them can have on these rows, when it is that of the collapsed state, and what it
# is for a Gaussian population. It comes out as a convex problem over distributions $q$ of outputs,
#
# $$F\ge F_\mathrm{any}=\min_qF(q),\qquad F(q)=-c \langle\ln\sum_yq(y)\exp(-\ell(x,y)/c)\rangle$$
#
# **Sources.** Rate–distortion functions as convex problems with a dual: R. Blahut and S. Arimoto (1972), I. Csiszár
# (1974); as likelihoods of mixtures: Yang, Eckstein, Nutz and Mandt (2023). The variance of Bernoulli variables as
# sub-Gaussian ones: M. Kearns and L. Saul (1998). What follows for collapse: this package.

# %%
import itertools

import sympy as sp

from landau_vae.symbolic import gaussian_mean, linear
from landau_vae.symbolic.page import check, show

lam, tau, w, s = linear.lam, linear.tau, linear.w, linear.s
x, y, z, m = sp.symbols("x y z m", real=True)
cost = sp.Symbol("c", positive=True)


def gaussian(variable, mean, variance):
    return sp.exp(-((variable - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def integral(f, variable):
    return sp.simplify(sp.integrate(f, (variable, -sp.oo, sp.oo)))


# %% [markdown]
# ## Gibbs, row by row
#
# For one row let $Z(x)=\int p(z)\exp(-\ell(x,f(z))/c)\mathrm{d}z$, and let $q^G(z\mid x)$ be the distribution under
# this integral, divided by $Z$. Then, whatever the posterior $q$,
#
# $$\mathrm{E}_q[\ell]+c\,\mathrm{KL}(q\mid p)=-c\ln Z(x)+c\,\mathrm{KL}(q\mid q^G)\ge-c\ln Z(x)$$
#
# $Z$ knows of prior and decoder only how often an output occurs: with $q(y)$ the distribution of $f(z)$ for $z$ from
# the prior, $Z(x)=\sum_yq(y)\exp(-\ell(x,y)/c)$. Averaged over rows this is $F\ge F(q)\ge F_\mathrm{any}$. Nothing else
# of the network is left in the bound. Several weights of KL terms: the bound holds with the smallest.
#
# The gap is the mean divergence of the posteriors from $q^G$. Free posteriors close it: a single latent whose decoder is
# a staircase with the values and shares of the best $q$ reaches $F_\mathrm{any}$. Gaussian posteriors close it where
# $q^G$ is Gaussian, as for a linear decoder, and nearly where groups of rows are far apart. In other cases a VAE stays
# above $F_\mathrm{any}$: its gain is *at most* $F_0-F_\mathrm{any}$, with $F_0$ the loss of the collapsed state.

# %%
p1, p2, l1, l2 = sp.symbols("p1 p2 l1 l2", positive=True)
q1 = sp.Symbol("q1", positive=True)
posterior, prior, terms = (q1, 1 - q1), (p1, 1 - p1), (l1, l2)
Z = sum(p * sp.exp(-a / cost) for p, a in zip(prior, terms, strict=True))
gibbs = [p * sp.exp(-a / cost) / Z for p, a in zip(prior, terms, strict=True)]


def divergence(first, second):
    return sum(a * (sp.log(a) - sp.log(b)) for a, b in zip(first, second, strict=True))


loss = sum(a * b for a, b in zip(posterior, terms, strict=True)) + cost * divergence(posterior, prior)
excess = loss + cost * sp.log(Z) - cost * divergence(posterior, gibbs)
check(
    "two codes: the loss of a row is $-c\\ln Z+c\\mathrm{KL}(q\\mid q^G)$", sp.expand(sp.expand_log(excess, force=True))
)

W = sp.Symbol("W", positive=True)  # w, with a sign that the integral knows
drawn = sp.Symbol("epsilon")
row = gaussian_mean(sp.expand(linear.squared_error(x, W * (m + drawn))), [drawn], {(drawn, drawn): s})
row += tau * linear.kl(m**2, s)
Z = integral(gaussian(z, 0, 1) * sp.exp(-linear.squared_error(x, W * z) / tau), z)
show("Z(x)", Z)
best_mean, best_variance = W * x / (tau + W**2), tau / (tau + W**2)
gap = tau * linear.kl((m - best_mean) ** 2 / best_variance, s / best_variance)
check("linear decoder: $q^G=\\mathcal N(wx/(\\tau+w^2),\\tau/(\\tau+w^2))$, and the gap is the divergence from it",
      sp.expand(sp.expand_log(row + tau * sp.log(Z) - gap, force=True)))  # fmt: skip

# %% [markdown]
# ## A convex problem, and its dual
#
# Write $K(x,y)=\exp(-\ell(x,y)/c)$ and $(Kq)(x)=\sum_yq(y)K(x,y)$. $F(q)$ is minus the logarithm of something linear in
# $q$: convex. Its slope towards a single output $y$ is $-c D(y)$, with
#
# $$D(y)=\left\langle\frac{K(x,y)}{(Kq)(x)}\right\rangle-1$$
#
# so $q$ is the best if and only if $D\le0$ everywhere. How far it is from that bounds what is left: for any other $q'$,
# Jensen's inequality gives
#
# $$F(q)-F(q')=c\left\langle\ln\frac{Kq'}{Kq}\right\rangle\le c\ln\left\langle\frac{Kq'}{Kq}\right\rangle=c\ln\left(1+\sum_yq'(y)D(y)\right)\le c\ln(1+G),\qquad G=\sup_yD(y)$$
#
# $F(q)-c\ln(1+G)\le F_\mathrm{any}\le F(q)$. The same step for any positive function $a$ with
# $\langle a(x)K(x,y)\rangle\le1$ at every $y$ gives the *dual*: $F_\mathrm{any}\ge c\langle\ln a\rangle$, and the
# largest such bound, at $a=1/Kq$ with the best $q$, is $F_\mathrm{any}$ itself. One feasible $a$ is a proof about all
# networks.

# %%
share = sp.Symbol("p", positive=True)
shares = (share, 1 - share)
K = sp.Matrix(2, 3, lambda i, j: sp.Symbol(f"K{i + 1}{j + 1}", positive=True))
q, other = sp.symbols("q1:4", positive=True), sp.symbols("r1:4", positive=True)
theta = sp.Symbol("theta", real=True)
mixed = [sum(K[i, j] * q[j] for j in range(3)) for i in range(2)]
D = [sum(p * K[i, j] / mixed[i] for i, p in enumerate(shares)) - 1 for j in range(3)]
line = [a + theta * (K[i, 2] - a) for i, a in enumerate(mixed)]
F = -cost * sum(p * sp.log(a) for p, a in zip(shares, line, strict=True))
check("the slope towards an output is $-c D(y)$", sp.diff(F, theta).subs(theta, 0) + cost * D[2])
square = sum(p * ((K[i, 2] - mixed[i]) / line[i]) ** 2 for i, p in enumerate(shares))
check("the second slope is $c$ times a mean square: convex", sp.diff(F, theta, 2) - cost * square)
ratio = sum(p * sum(K[i, j] * other[j] for j in range(3)) / mixed[i] for i, p in enumerate(shares))
check("$\\langle Kq'/Kq\\rangle=\\sum_yq'(y)(1+D(y))$", ratio - sum(r * (1 + d) for r, d in zip(other, D, strict=True)))
check("and $\\sum_yq(y)D(y)=1-\\sum_yq(y)$, zero for a distribution",
      sum(a * d for a, d in zip(q, D, strict=True)) - 1 + sum(q))  # fmt: skip

# %% [markdown]
# ## A certificate of collapse
#
# Squared errors, $\ell=\frac{1}{2}\lVert x-y\rVert^2$, $c=\tau$, centred rows. The collapsed state is the single output
# 0, with $F_0=\frac{1}{2}\langle\lVert x\rVert^2\rangle$. Its dual function is $a=\exp(\lVert
# x\rVert^2/2\tau)$, and with $y=\tau u$
#
# $$1+D(y)=\langle\exp((x^\top y-\tfrac{1}{2}\lVert y\rVert^2)/\tau)\rangle=\langle\exp(u^\top x)\rangle\exp(-\tfrac{1}{2}\tau\lVert u\rVert^2)$$
#
# This is at most 1 for all $u$ if and only if $\tau$ is at least
#
# $$\sigma^2_{sG}=\sup_u\frac{2\ln\langle\exp(u^\top x)\rangle}{\lVert u\rVert^2}$$
#
# the *optimal sub-Gaussian proxy* of the rows. From there on no VAE of any kind is better than the collapsed state;
# below it a better distribution of outputs exists. By the last section, no VAE gains more over the collapsed state than
# $\tau\ln\sup_y(1+D(y))$, at any price. (This is generous: on the rows below it is 16 times the gain at $\lambda_1$.)

# %%
u = sp.Symbol("u", real=True)
exponent = (linear.squared_error(x, 0) - linear.squared_error(x, y)) / tau
check("$\\ln[a(x)K(x,y)]=(xy-\\frac{1}{2}y^2)/\\tau$", exponent - (x * y - y**2 / 2) / tau)
check(
    "which is $ux-\\frac{1}{2}\\tau u^2$ at $y=\\tau u$", sp.expand(exponent.subs(y, tau * u) - u * x + tau * u**2 / 2)
)

# %% [markdown]
# **It is never below $\lambda_1$.** Expand at a small $u$. Along the first principal component, of unit variance,
# skewness $\kappa$ and fourth moment $m_4$, the quotient is $1+\frac{1}{3}\kappa t+\dots$ with $t=u_1$. So
# $\sigma^2_{sG}\ge\lambda_1$, with $>$ *whenever $\kappa\ne0$*: one of the two signs of $t$ is above. For $\kappa=0$
# let $u$ bend into the other components, $u_\perp=t^2b$, whose covariance is $C_\perp$, with
# $A_\perp=\langle y^2x_\perp\rangle$. At the best $b$ the next order is
#
# $$\tfrac{1}{12}t^2(m_4-3+3Q),\qquad Q=A_\perp^\top(1-C_\perp)^{-1}A_\perp$$
#
# so $\sigma^2_{sG}>\lambda_1$ also where tails are heavier than Gaussian or the data bend: $m_4+3Q>3$.

# %%
t, b, kappa, m4, A, C = sp.symbols("t b kappa m_4 A C", real=True)
y1, y2 = sp.symbols("y1 y2")
moments = {(2, 0): 1, (0, 2): C, (1, 1): 0, (3, 0): kappa, (4, 0): m4, (2, 1): A, (1, 0): 0, (0, 1): 0, (0, 0): 1}
inner = t * y1 + t**2 * b * y2
series = sp.Poly(sum(inner**n / sp.factorial(n) for n in range(5)), t, y1, y2)
generating = sum(c * t**k * moments[i, j] for (k, i, j), c in series.terms() if k <= 4)
logarithm = sp.series(sp.log(generating), t, 0, 5).removeO()
quotient = sp.series(2 * logarithm / (t**2 + t**4 * b**2), t, 0, 3).removeO()
show(r"2\ln\langle e^{u\cdot x}\rangle/u^2", sp.collect(sp.expand(quotient), t))
check("at the lowest order it is the variance, and the next is $\\frac{1}{3}\\kappa t$",
      sp.Matrix([quotient.coeff(t, 0) - 1, quotient.coeff(t, 1) - kappa / 3]))  # fmt: skip
second = sp.expand(quotient).coeff(t, 2)
bend = sp.solve(sp.diff(second, b), b)[0]
check("the best bend is $b=\\frac{1}{2}A/(1-C)$, a maximum for $C<1$", bend - A / (2 * (1 - C)))
check("where the second order is $\\frac{1}{12}(m_4-3+3Q)$",
      sp.cancel(second.subs(b, bend) - (m4 - 3 + 3 * A**2 / (1 - C)) / 12))  # fmt: skip

# %% [markdown]
# ## Memorising
#
# A row of share $p$ at a distance $M$ from the mean alone makes $\langle\exp(u^\top x)\rangle\ge p\exp(rM)$ for $u$ of
# length $r$ in its direction. The best $r$ gives
#
# $$\sigma^2_{sG}\ge\frac{M^2}{2\ln(1/p)}$$
#
# for every row or group of rows. For $n$ distinct rows $p=1/n$: a model that memorises rows pays, where
# $\max\lVert x\rVert^2/(2\ln n)$ exceeds the price. At the same time $q$ with an output at every row, with the row's
# share, has $Kq\ge p$, so $F_\mathrm{any}\le\tau\sum p\ln(1/p)\le\tau\ln n$. Gains near these bounds are true of the
# training loss and silent on the population.
#
# A variable that is 1 with the probability $p$ and else 0 has its proxy in closed form,
# $\sigma^2_{sG}=\frac{1}{2}(1-2p)/\ln((1-p)/p)$ (Kearns and Saul). With $v=\frac{1}{2}\ln((1-p)/p)$ it exceeds the
# variance $p(1-p)$ by the factor $\sinh(2v)/(2v)$, for every $p\ne\frac{1}{2}$. For rare ones it tends to the bound of
# memorising.

# %%
r, M, prob = sp.symbols("r M p", positive=True)
lower = 2 * (r * M + sp.log(prob)) / r**2
longest = sp.solve(sp.diff(lower, r), r)[0]
check("the best length is $2\\ln(1/p)/M$", longest + 2 * sp.log(prob) / M)
check("where the bound is $M^2/(2\\ln(1/p))$", sp.simplify(lower.subs(r, longest) + M**2 / (2 * sp.log(prob))))
check("outputs at the rows: $K=1$ there, so $Kq$ is at least the share", sp.exp(-linear.squared_error(x, x) / tau) - 1)
odds = sp.Symbol("omega", positive=True)  # (1 − p)/p
of_odds = 1 / (1 + odds)
cumulant = sp.log(of_odds * sp.exp(u * (1 - of_odds)) + (1 - of_odds) * sp.exp(-u * of_odds))
at_top = {u: 2 * sp.log(odds)}
height = sp.simplify(sp.expand_log(sp.simplify(sp.exp(cumulant.subs(at_top)) * odds ** (2 * of_odds - 1)), force=True))
check("bits: at $u=2\\ln\\omega$, $\\omega=(1-p)/p$, $\\langle\\exp(ux)\\rangle=\\omega^{1-2p}$", height - 1)
proxy = 2 * (1 - 2 * of_odds) * sp.log(odds) / (2 * sp.log(odds)) ** 2
check("so the quotient is $\\frac{1}{2}(1-2p)/\\ln\\omega$", proxy - (1 - 2 * of_odds) / (2 * sp.log(odds)))
flat = sp.simplify(sp.diff(cumulant, u).subs(at_top)) - proxy * 2 * sp.log(odds)
check("and there it is stationary", sp.simplify(flat))
v = sp.Symbol("v", positive=True)
factor = (proxy / (of_odds * (1 - of_odds))).subs(odds, sp.exp(2 * v))
check(
    "its excess over the variance is the factor $\\sinh(2v)/(2v)$",
    sp.simplify((factor - sp.sinh(2 * v) / (2 * v)).rewrite(sp.exp)),
)
check("rare ones reach the bound of memorising", sp.limit(proxy * 2 * sp.log(1 + odds), odds, sp.oo) - 1)
check("fair ones have $\\sigma^2_{sG}=\\lambda_1=\\frac{1}{4}$", sp.limit(proxy, odds, 1) - sp.Rational(1, 4))

# %% [markdown]
# ## Gaussian population: the linear model is the best of all
#
# For one mode above the price take $q=\mathcal N(0,\lambda-\tau)$, the outputs of the linear model at rest. Then
# $Kq=\sqrt{\tau/\lambda}\exp(-x^2/2\lambda)$, and $D(y)=0$ at *every* $y$: nothing can be added. For a mode below the
# price take the output 0: $1+D(y)=\exp(-\frac{1}{2}(\tau-\lambda)y^2/\tau^2)\le1$. For many modes $K$ and $q$ are
# products, and so is $1+D$. The value is that of the linear model, reverse water-filling: $F_\mathrm{any}=F_\mathrm{linear}$.
#
# For a finite sample of a Gaussian, and for any other data, it is lower as a rule:
#
# $$F_\mathrm{any}\le F_\mathrm{best}\le F_\mathrm{linear}$$
#
# where $F_\mathrm{best}$ is the least loss of a class of networks that contains the linear model (a network that is
# badly trained may be above). All three are $F_0$ from $\sigma^2_{sG}$ on, the last one from $\lambda_1$ on.

# %%
delta = sp.Symbol("delta", positive=True)
above = {lam: tau + delta}
kernel = sp.exp(-linear.squared_error(x, y) / tau)
Kq = integral(gaussian(y, 0, delta) * kernel, y)
closed = sp.sqrt(tau / (tau + delta)) * sp.exp(-(x**2) / (2 * (tau + delta)))
check(
    "$Kq=\\sqrt{\\tau/\\lambda}\\exp(-x^2/2\\lambda)$ for $q=\\mathcal N(0,\\lambda-\\tau)$",
    sp.simplify(Kq / closed) - 1,
)
violation = integral(sp.powsimp(gaussian(x, 0, tau + delta) * kernel / closed), x)
check("$D(y)=0$ at every $y$", violation - 1)
value = -tau * (sp.log(tau / lam) / 2 - sp.Rational(1, 2))  # ⟨x²⟩ = λ in −τ⟨ln Kq⟩
live = linear.mode_theory().branches()[1].values
at_rest = linear.mode_loss().subs(live)
check("the value is the loss of the linear model at rest", sp.expand_log(value - at_rest, force=True))
dead = sp.expand(sp.log(integral(gaussian(x, 0, lam) * sp.exp((x * y - y**2 / 2) / tau), x)), force=True)
check("below the price $1+D(y)=\\exp(-\\frac{1}{2}(\\tau-\\lambda)y^2/\\tau^2)$ for the output 0",
      sp.expand(sp.expand_log(dead, force=True) + (tau - lam) * y**2 / (2 * tau**2)))  # fmt: skip
two = sp.Matrix(sp.symbols("x1:3", real=True)), sp.Matrix(sp.symbols("y1:3", real=True))
together = sum(linear.squared_error(a, b) for a, b in zip(*two, strict=True))
check("the kernel of two modes is a product", sp.simplify(
    sp.exp(-together / tau) / sp.prod([kernel.subs({x: a, y: b}) for a, b in zip(*two, strict=True)])) - 1)  # fmt: skip

# %% [markdown]
# ## Population and sample
#
# Let $q_n$ be the best for $n$ rows drawn from a population. In the mean over samples
#
# $$\langle F_n(q_n)\rangle\le F_\mathrm{any}^\mathrm{population}\le\langle F_\mathrm{population}(q_n)\rangle$$
#
# On the left, $F_n(q_n)\le F_n(q)$ for the population's best $q$, whose mean is the middle. On the right, no $q$ is
# better on the population than its best. The right-hand side is measured on held-out rows.
#
# ## Other losses
#
# Nothing but $\ell/c$ entered. The collapsed state, the best constant output $f_0$, is the best of all if and only if
# $\langle\exp((\ell(x,f_0)-\ell(x,f))/c)\rangle\le1$ for every $f$. Near $f_0$ this reads $\langle
# ss^\top\rangle\preceq c\langle H\rangle$, with the score $s$ and the curvature $H$ of $\ell$ in $f$: the price at which the collapsed state
# becomes locally stable. So the certificate's price is never below that one.
#
# For a Bernoulli output, $\ell=\ln(1+e^f)-xf$, the mean is 1 for every $f$ at $c=1$ and a single bit: a likelihood
# sums to one. For $c>1$ it is less (a power $1/c<1$ of the likelihood ratio is concave). So the certificate of a single
# bit is $\beta=1$, which is also its local threshold (*Exponential-family decoders*).

# %%
step, score, curvature = sp.symbols("delta s H", real=True)
nearby = sp.series(sp.exp(-(score * step + curvature * step**2 / 2) / cost), step, 0, 3).removeO()
check("to second order it is $1-\\delta s/c+\\frac{1}{2}\\delta^2(s^2/c^2-H/c)$",
      sp.expand(nearby - 1 + step * score / cost - step**2 * (score**2 / cost**2 - curvature / cost) / 2))  # fmt: skip
f, f0 = sp.symbols("f f_0", real=True)
mean_of_bit = sp.exp(f0) / (1 + sp.exp(f0))
bit = [sp.log(1 + sp.exp(f)) - value * f for value in (0, 1)]
ratios = [sp.exp(a.subs(f, f0) - a) for a in bit]
check("a single bit at $c=1$: the mean is 1 for every $f$",
      sp.simplify((1 - mean_of_bit) * ratios[0] + mean_of_bit * ratios[1] - 1))  # fmt: skip

# %% [markdown]
# ## Where the conditions end
#
# *Sampled $z$.* If the reconstruction is that of the posterior's mean, noise costs nothing. A linear mode with $s=1$
# and $w=1/e$ reconstructs every row, and its KL, $\frac{1}{2}e^2\lambda$, goes to zero with $e$: the loss falls to 0 at
# every price, below any frontier. The same with an input that the decoder has besides $z$.

# %%
e = sp.Symbol("e", positive=True)
by_mean = gaussian_mean(sp.expand(linear.squared_error(x, (1 / e) * e * x)), [x], {(x, x): lam})
by_mean += tau * linear.kl(e**2 * lam, sp.Integer(1))
show(r"F_\text{mean}", by_mean)
check("with the mean in place of a sample the loss falls to 0 at every price", sp.limit(by_mean, e, 0, "+"))

# %% [markdown]
# ## The same numbers
#
# Eight rows of a skewed distribution. $F_\mathrm{any}$ by three ways: a Blahut–Arimoto iteration on a fine grid of
# outputs (each step multiplies $q$ by $1+D$), the *dual* problem with eight unknowns by a general convex solver, and the
# package's `frontier`, which has no grid. The bound $F(q)-\tau\ln(1+G)$ of the iteration is on the other side.

# %%
import numpy as np
from scipy.optimize import minimize, minimize_scalar

import landau_vae as lv

eight = -np.log1p(-(np.arange(8) + 0.5) / 8)
eight -= eight.mean()
variance = float(np.mean(eight**2))
grid = np.linspace(eight.min(), eight.max(), 601)


def iterated(rows, chance, price, outputs, steps):
    """Blahut–Arimoto: (F, lower bound, q)."""
    like = np.exp(-((rows[:, None] - outputs) ** 2) / (2 * price))
    weights = np.full(len(outputs), 1 / len(outputs))
    for _ in range(steps):
        weights = weights * (chance / (like @ weights) @ like)
    mixed = like @ weights
    reached = -price * float(chance @ np.log(mixed))
    return reached, reached - price * np.log((chance / mixed @ like).max()), weights


def dual(rows, chance, price, outputs):
    """Largest price ⟨ln a⟩ with ⟨a K(·, y)⟩ ≤ 1, by sequential quadratic programming in b = p a."""
    like = np.exp(-((rows[:, None] - outputs) ** 2) / (2 * price))
    rule = {"type": "ineq", "fun": lambda b: 1 - like.T @ b, "jac": lambda b: -like.T}
    found = minimize(lambda b: (-chance @ np.log(b), -chance / b), chance / 2, jac=True, method="SLSQP",
                     bounds=[(1e-9, None)] * len(rows), constraints=rule, options={"ftol": 1e-13, "maxiter": 500})  # fmt: skip
    return price * float(-found.fun - chance @ np.log(chance))


even, nothing = np.full(8, 1 / 8), variance / 2
prices = variance * np.array([0.3, 0.7, 1.0, 1.2])
of_package = lv.frontier(eight[:, None], lv.Loss.gaussian(prices))
for price, direct in zip(prices, of_package.any, strict=True):
    words = f"$\\tau={price / variance:.1f}\\lambda_1$"
    upper, lower_bound, _ = iterated(eight, even, price, grid, 20000)
    by_dual = dual(eight, even, price, grid[::3])
    check(f"{words}: iteration, dual and package agree to $10^{{-4}}\\lambda_1$",
          max(abs(upper - direct), abs(by_dual - direct)) < 1e-4 * variance)  # fmt: skip
    check(f"{words}: $F_\\mathrm{{any}}$ is below $\\tau\\ln8$, outputs at the rows", direct < price * np.log(8))
    check(f"{words}: the iteration's bound is below and within $10^{{-3}}\\lambda_1$",
          direct - 1e-3 * variance < lower_bound < direct + 1e-6 * variance)  # fmt: skip

# %% [markdown]
# Between the frontier and the linear model lie networks: one latent with a free mean and variance for every row and a
# polynomial decoder of degree 6 (its coefficients are a regression), minimised from four starts. At $\lambda_1$ the
# linear model is collapsed, and this one is not. Random codes with their best decoder do not come below the frontier
# either.

# %%
node, mass = np.polynomial.hermite_e.hermegauss(24)
mass = mass / mass.sum()


def network(flat, price):
    """Loss of free posteriors with the best polynomial decoder, and its gradient."""
    mean, width = flat[:8], np.exp(flat[8:])
    drawn = mean[:, None] + width[:, None] * node
    phi = np.polynomial.hermite_e.hermevander(drawn, 6)
    degrees = np.arange(7)
    slopes = np.concatenate([np.zeros((8, 24, 1)), degrees[1:] * phi[..., :-1]], axis=-1)
    scaled = np.sqrt(mass)[:, None] * phi
    best = np.linalg.lstsq(scaled.reshape(-1, 7), (np.sqrt(mass) * eight[:, None]).ravel(), rcond=None)[0]
    wrong = phi @ best - eight[:, None]
    value = np.mean(wrong**2 @ mass / 2 + price * (mean**2 + width**2 - 1 - 2 * np.log(width)) / 2)
    along = wrong * (slopes @ best)
    to_width = along @ (mass * node) * width + price * (width**2 - 1)
    return value, np.concatenate([along @ mass + price * mean, to_width]) / 8


rng = np.random.default_rng(17)
worst = np.inf
for price, least, linear_best in zip(prices[:3], of_package.bound, of_package.linear, strict=False):
    starts = [np.concatenate([size * eight, np.full(8, -size)]) for size in (0.3, 0.6, 1.0, 1.5)]
    ends = [minimize(network, start, args=(price,), jac=True, method="BFGS") for start in starts]
    best = min(float(end.fun) for end in ends)
    words = f"$\\tau={price / variance:.1f}\\lambda_1$"
    check(f"{words}: the minimised network is between the frontier and the linear model",
          least < best < linear_best - 1e-3 * variance)  # fmt: skip
    tried = [network(np.concatenate([a * eight, -b + 0.3 * rng.standard_normal(8)]), price)[0]
             for a, b in zip(rng.uniform(-2, 2, 200), rng.exponential(1.0, 200), strict=True)]  # fmt: skip
    worst = min(worst, min(tried) - least)
check("none of 600 random ones is below the frontier", worst > 0)

# %% [markdown]
# The certificate: $\sigma^2_{sG}$ by a search over $u$, without a gradient, on these rows and on bits, where the closed
# form is known; and a bent line, $x=(y,b(y^2-1))$ with $y$ on five equal steps, whose $m_4=1.7$ and no skewness. There
# $\sigma^2_{sG}$ leaves $\lambda_1$ where $m_4+3Q=3$, to either side of which it is looked for on a fine net of $u$.

# %%


def quotient_of(rows, chance, u):
    """2 ln⟨exp(u x)⟩/u², for u of shape (…, d)."""
    return 2 * np.log(np.exp(u @ rows.T) @ chance) / np.sum(u**2, axis=-1)


best = minimize_scalar(lambda a: -quotient_of(eight[:, None], even, np.array([a])), bounds=(1e-3, 20), method="bounded")
searched = -float(best.fun)
check("the rows' $\\sigma^2_{sG}$: search and package agree to $10^{-6}$", abs(searched / of_package.proxy - 1) < 1e-6)
check("it exceeds $\\lambda_1$ and the bound of memorising", searched > max(variance, eight[-1] ** 2 / (2 * np.log(8))))
near = lv.frontier(eight[:, None], lv.Loss.gaussian(searched * np.array([0.98, 1.001])))
check("2 % below it there is a better distribution of outputs, above it none",
      near.gain[0] > 1e-5 * variance and near.gain[1] == 0)  # fmt: skip
places = np.linspace(-6, 12, 4001)
for price, gain in zip(prices, of_package.gain, strict=True):
    most = price * np.log((even @ np.exp((eight[:, None] * places - places**2 / 2) / price)).max())
    check(f"$\\tau={price / variance:.1f}\\lambda_1$: no gain above $\\tau\\ln\\sup(1+D)$", gain <= most + 1e-9)
    if price == variance:
        check("at $\\lambda_1$ that is 16 times the gain, to 10 per cent", abs(most / gain / 16 - 1) < 0.1)
bits = np.repeat([1.0, 0.0], [1, 9]) - 0.1
rare = lv.frontier(bits[:, None], lv.Loss.gaussian(0.1)).proxy
check("bits of mean 0.1: the package finds the closed form, to $10^{-6}$",
      abs(rare / float(proxy.subs(odds, 9)) - 1) < 1e-6)  # fmt: skip
five = np.linspace(-np.sqrt(2), np.sqrt(2), 5)
along, across = np.meshgrid(np.linspace(0.02, 4, 400), np.linspace(-2, 4, 601), indexing="ij")
net = np.stack([along, across], axis=-1)
brink = np.sqrt(1.3 / (3 * 0.49 + 1.3 * 0.7))  # b at which 3 b²(m₄ − 1)²/(1 − b²(m₄ − 1)) = 3 − m₄
curved = [np.column_stack([five, factor * brink * (five**2 - 1)]) for factor in (0.97, 1.03)]
bends = [quotient_of(rows, np.full(5, 0.2), net).max() for rows in curved]
check("a bent line without skewness: $\\sigma^2_{sG}=\\lambda_1$ below the critical bend, more above it",
      bends[0] < 1 < 1 + 1e-4 < bends[1])  # fmt: skip

# %% [markdown]
# Population and sample, by going through all samples of three rows from three points with the probabilities 0.2, 0.3
# and 0.5: no draws, every sample with its probability. Last a Gaussian population, on a grid of steps $0.1$ with
# Gaussian shares: the iteration closes in on the loss of the linear model from above, its bound from below.

# %%
points, law, price = np.array([-1.0, 0.2, 1.5]), np.array([0.2, 0.3, 0.5]), 0.4
outputs = np.linspace(-1, 1.5, 251)
best, bound, _ = iterated(points, law, price, outputs, 5000)
inside = outside = 0.0
for sample in itertools.combinations_with_replacement(range(3), 3):
    counts = np.bincount(sample, minlength=3)
    chance = 6 * np.prod(law**counts / [float(sp.factorial(k)) for k in counts])
    fitted, _, weights = iterated(points, counts / 3, price, outputs, 5000)
    inside += chance * fitted
    held_out = np.exp(-((points[:, None] - outputs) ** 2) / (2 * price)) @ weights
    outside += chance * -price * float(law @ np.log(held_out))
check("fitted is below, held out above the population's frontier, in the mean over all samples",
      inside < bound - 0.01 and best + 0.01 < outside)  # fmt: skip
wide = np.arange(-80, 81) / 10
normal = np.exp(-(wide**2) / 2) / np.exp(-(wide**2) / 2).sum()
upper, lower_bound, _ = iterated(wide, normal, 0.4, np.arange(-60, 61) / 10, 3000)
known = float(at_rest.subs({lam: 1, tau: sp.Rational(2, 5)}))
check("a Gaussian, $\\tau=0.4\\lambda$: the linear loss, from above to $10^{-8}$", abs(upper - known) < 1e-8)
check("and from below to $10^{-5}$", known - 1e-5 < lower_bound < known + 1e-8)
