# %% [markdown]
# # Constraints on the rate
#
# **Assumed.** The linear model with squared errors, whose plain loss is $\frac{1}{2}D+\tau_\beta R$ in units of the
# decoder's variance, and its curve $D(R)$ of slope $-2\tau$ (*Rate–distortion*). In place of $R$ the loss charges
# $g(R)$: $\max(R,C)$, $|R-C|$, $(R-C)^2$; or a controller moves $\beta$ until $R=C$, or until the reconstruction term
# has a given value.
#
# **Sought.** The *price in effect*: the $\tau$ of the plain loss that has the same state at rest. Then what changes
# where the limit is one of each row, or of each latent.
#
# **Sources.** This package. Free bits: Kingma et al., arXiv:1606.04934; the limit $|R-C|$: Burgess et al.,
# arXiv:1804.03599; a controller: ControlVAE, arXiv:2004.05988; a limit on the distortion: GECO, arXiv:1810.00597.
# Schur and Horn's theorem on diagonals and eigenvalues is classical.

# %%
import sympy as sp

from landau_vae.symbolic import gaussian_mean, linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
mode = linear.mode_loss()
D, R = sp.expand(2 * mode.subs(tau, 0)), sp.diff(mode, tau)
tau_b, C = sp.symbols("tau_beta C", positive=True)

# %% [markdown]
# ## A constraint is a price
#
# Whatever the smooth $g$, the slopes of $\frac{1}{2}D+\tau_\beta g(R)$ in the parameters are those of
# $\frac{1}{2}D+\tau R$ with
#
# $$\tau=\tau_\beta g'(R)$$
#
# So a state at rest under the constraint is one of the plain loss at this price, and all that is known of it holds: the
# modes that are active, $M^2$, the utilities. For a nonlinear network the same is true, with its own $R$. (Three
# parameters of one mode stand for all.)

# %%
g = sp.Function("g")
for name, kind in [("any smooth $g$", g), ("$(R-C)^2$", lambda r: (r - C) ** 2)]:
    r = sp.Symbol("r", real=True)
    price = tau_b * sp.diff(kind(r), r)
    differences = [
        sp.diff(D / 2 + tau_b * kind(R), u) - sp.diff(D / 2, u) - (price.subs(r, R) * sp.diff(R, u)).doit()
        for u in (w, e, s)
    ]
    check(f"{name}: the slopes are those of the plain loss at the price $\\tau_\\beta g'(R)$", sp.Matrix(differences))

at_rest = {w: sp.sqrt(lam - tau), e: sp.sqrt(lam - tau) / lam, s: tau / lam}
check("the plain loss of a mode is at rest at $w^2=\\lambda-\\tau$, $s=\\tau/\\lambda$",
      sp.Matrix([sp.simplify(sp.diff(mode, u).subs(at_rest)) for u in (w, e, s)]))  # fmt: skip
check("where its rate is $\\frac{1}{2}\\ln(\\lambda/\\tau)$",
      sp.expand_log(R.subs(at_rest) - sp.log(lam / tau) / 2, force=True).simplify())  # fmt: skip

# %% [markdown]
# **Corners.** On the curve the loss is $F(R)=\frac{1}{2}D(R)+\tau_\beta g(R)$ with $F'=-\tau(R)+\tau_\beta g'(R)$, and
# $\tau(R)$ falls. With $g=\max(R,C)$ the slope is $-\tau<0$ below $C$, and $\tau_\beta-\tau$ above. If $\tau(C)\le
# \tau_\beta$ that is not negative: the minimum is the corner. Else it lies above $C$, where $\tau=\tau_\beta$. Hence
#
# $$\tau=\min(\tau_\beta,\tau_C),\qquad R(\tau_C)=C$$
#
# $|R-C|$ has the slope $-\tau-\tau_\beta$ below $C$, and the same above it: the same price. A controller that moves
# $\beta$ until $R=C$ has $\tau_C$ itself; with an upper bound on its $\beta$ it is the minimum again, $\tau_\beta$ being
# that of the bound. On the arc with $n$ active modes, $\Lambda_n=\sum_{i\le n}\ln\lambda_i$,
#
# $$\tau_C=\exp\frac{\Lambda_n-2C}{n},\qquad C_n<C\le C_{n+1},\qquad C_k=\tfrac{1}{2}\sum_{i<k}\ln\frac{\lambda_i}{\lambda_k}$$
#
# so that mode $k$ is active from $C_k$ nats on.

# %%
n = sp.Symbol("n", integer=True, positive=True)
logs = sp.Symbol("Lambda_n", real=True)
R_n = (logs - n * sp.log(tau)) / 2
cap = sp.exp((logs - 2 * C) / n)
show("tau_C", cap)
check("$\\tau_C$ has the rate $C$", sp.expand_log(R_n.subs(tau, cap), force=True) - C)
first, second = sp.symbols("lambda_1 lambda_2", positive=True)
joint = sp.expand_log(R_n.subs({n: 1, logs: sp.log(first)}).subs(tau, second), force=True)
check("mode 2 joins at $\\frac{1}{2}\\ln(\\lambda_1/\\lambda_2)$ nats",
      joint - sp.expand_log(sp.log(first / second), force=True) / 2)  # fmt: skip

# %% [markdown]
# **The square** never meets its limit: $\tau=2\tau_\beta(R-C)$ needs $R>C$. On an arc
#
# $$n\ln\tau+\frac{\tau}{\tau_\beta}=\Lambda_n-2C\qquad\Rightarrow\qquad
# \tau=n\tau_\betaW\left(\frac{\exp((\Lambda_n-2C)/n)}{n\tau_\beta}\right)$$
#
# with Lambert's $W$ (of an exponential: the Wright function $\omega$, which does not overflow). It tends to $\tau_C$ as
# $\beta\to\infty$.

# %%
X = sp.Symbol("X", positive=True)  # exp((Λ_n − 2C)/n)
root = n * tau_b * sp.LambertW(X / (n * tau_b))
left = n * (sp.log(n * tau_b) + sp.log(sp.LambertW(X / (n * tau_b)))) + root / tau_b - n * sp.log(X)
argument = X / (n * tau_b)
identity = {sp.log(sp.LambertW(argument)): sp.log(argument) - sp.LambertW(argument)}  # ln W(y) = ln y − W(y)
check("the square's price solves its equation", sp.expand_log(sp.expand(left.subs(identity)), force=True))
check("it tends to $\\tau_C$ for strong constraints", sp.limit(root, tau_b, sp.oo) - X)

# %% [markdown]
# **Of means over latents.** If the loss has the mean of the KL over $K$ latents, $C$ is of this mean. In totals the limit
# is $KC$, and the square's price is $\frac{2\tau_\beta}{K}(R-KC)$, where $\tau_\beta$ has the $1/K$ of the plain loss.
#
# **A limit on the distortion** exchanges the roles: minimise $R$ where $aD=C$. With a multiplier $\nu$ the loss
# $R+\nu(aD-C)$ is, up to a factor, the plain one at $\tau=1/(2a\nu)$. On an arc $D=n\tau+T_n$, so
# $\tau=(C/a-T_n)/n$: between what the latents cannot remove, and $V$, where nothing is left to demand.

# %%
K, nu, a, tail = sp.symbols("K nu a T_n", positive=True)
check("the square of a mean over latents", sp.diff(tau_b * K * (X / K - C) ** 2, X) - 2 * tau_b / K * (X - K * C))
plain = (R + nu * a * D).subs(nu, 1 / (2 * a * tau)) * tau
check("a limit on the distortion leaves the plain loss", sp.expand(plain - mode))
check("its price on an arc", (n * tau + tail - C / a).subs(tau, (C / a - tail) / n))

# %% [markdown]
# ## A limit on each row
#
# Some code charges $\langle g(\mathrm{KL}(x))\rangle$, row by row. A row then pays $\tau_\beta g'(\mathrm{KL}(x))$ for
# a nat. Where each latent has one $\sigma$ for all rows, its width obeys the price
#
# $$\hat c_\sigma=\tau_\beta\langle g'\rangle,\qquad\text{its mean}\qquad
# \hat c_\mu=\tau_\beta\frac{\langle g'\mu^2\rangle}{\langle\mu^2\rangle}$$
#
# Rows far from the average have a large $\mu^2$ and a large KL, so $\hat c_\mu>\hat c_\sigma$ for growing $g'$: the two
# prices differ though the model is at rest, and what is held at 1 is $A^2$ with the weights $g'$. They agree where
# $\mathrm{KL}(x)$ does not vary. For Gaussian data its variance is
#
# $$\mathrm{Var}\mathrm{KL}(x)=\tfrac{1}{2}\sum_k(1-s_k)^2$$
#
# against a mean of $\frac{1}{2}\sum_k\ln(1/s_k)$: with many latents it concentrates, slowly. There is no closed form;
# `tests/studies/constraint_per_row.py` measures how far the law of the mean is off.

# %%
y, m2 = sp.Symbol("y", real=True), 1 - s
kl_row = linear.kl(y**2 * m2, s)  # μ² = (1 − s) y² with y ~ N(0, 1)
mean_kl = gaussian_mean(kl_row, [y], {(y, y): 1})
check("the mean over rows is $\\frac{1}{2}\\ln(1/s)$", mean_kl + sp.log(s) / 2)
spread = gaussian_mean(sp.expand((kl_row - mean_kl) ** 2), [y], {(y, y): 1})
check("its variance is $\\frac{1}{2}(1-s)^2$", sp.expand(spread - m2**2 / 2))

# %% [markdown]
# ## Free nats for each latent
#
# Now $\sum_k\max(R_k,C)$. A latent below $C$ pays nothing, so it can as well have $R_k=C$: the question is what it does
# with it.
#
# **What a latent can know.** In whitened data $y$ a latent $z=e\cdot y+\sqrt{s}\epsilon$ measures one direction, with
# the signal-to-noise ratio $\gamma=|e|^2/s$. At the rate $\frac{1}{2}(|e|^2+s-1-\ln s)$ that is largest at
# $|e|^2+s=1$, where
#
# $$\gamma=e^{2R}-1$$

# %%
rate = sp.Symbol("R", positive=True)
square = sp.Symbol("e^2", positive=True)
gamma = sp.solve(linear.kl(square, s) - rate, square)[0] / s  # |e|² from the rate, over s
best = sp.exp(-2 * rate)
check("the ratio is stationary at $s=e^{-2R}$", sp.simplify(sp.diff(gamma, s).subs(s, best)))
check("and largest there", sp.simplify(sp.diff(gamma, s, 2).subs(s, best) * best**3) + 1)
check("its value is $e^{2R}-1$", sp.expand(gamma.subs(s, best) - sp.exp(2 * rate) + 1))

# %% [markdown]
# **What several know together.** Independent noise: precisions add. With unit vectors $v_k$ the posterior precision of
# $y$ is $1+G$, $G=\sum_k\gamma_kv_kv_k^\top$, and the best linear decoder leaves $\mathrm{tr}\Lambda(1+G)^{-1}$.
# The best $G$ is diagonal in the eigenbasis (larger gains for larger $\lambda$), so that
# $D=\sum_i\lambda_i/(1+g_i)$. Which gains $g$ can $K$ latents have? $G$ has the nonzero eigenvalues of the $K\times K$
# Gram matrix of the $\sqrt{\gamma_k}v_k$, whose diagonal is $\gamma$. By Schur and Horn every $g$ that majorises
# $\gamma$ is possible, and no other: from one latent a mode, $g=\gamma$, to all on one mode,
# $g=(\sum_k\gamma_k,0,\dots)$, and *all mixtures between*. Two latents show it.

# %%
g1, g2, angle, l1, l2 = sp.symbols("gamma_1 gamma_2 phi lambda_1 lambda_2", positive=True)
directions = [sp.Matrix([1, 0]), sp.Matrix([sp.cos(angle), sp.sin(angle)])]
G = sum((x * v * v.T for x, v in zip((g1, g2), directions, strict=True)), sp.zeros(2))
gram = sp.Matrix([[g1, sp.sqrt(g1 * g2) * sp.cos(angle)], [sp.sqrt(g1 * g2) * sp.cos(angle), g2]])
z = sp.Symbol("z")
check("$G$ and the Gram matrix have the same eigenvalues",
      sp.simplify(G.charpoly(z).as_expr() - gram.charpoly(z).as_expr()))  # fmt: skip
check("in one direction gains add", (G.subs(angle, 0) - sp.diag(g1 + g2, 0)))
check("and what is left of a mode is $\\lambda/(1+\\gamma_1+\\gamma_2)$",
      (sp.eye(2) + G.subs(angle, 0)).inv()[0, 0] - 1 / (1 + g1 + g2))  # fmt: skip

# %% [markdown]
# **All latents free.** Each has $\gamma=e^{2C}-1$, and only $\sum_ig_i=K\gamma$ is fixed (with at most $K$ of them above
# 0, every such $g$ majorises equal ones). $\sum_i\lambda_i/(1+g_i)$ is convex in $g$: with a multiplier,
#
# $$1+g_i=\sqrt{\lambda_i}\frac{K\gamma+n}{S_n},\qquad S_n=\sum_{i\le n}\sqrt{\lambda_i}$$
#
# over the $n\le K$ modes for which this exceeds 1. So what is left of modes is proportional to $\sqrt{\lambda_i}$: free
# nats favour strong modes, and the latents are not identifiable, since any rotation of equals is as good.
#
# **Some latents pay.** Above $C$ a latent costs $\frac{\tau}{2}\ln(1+\gamma_k)$, which is concave: for given $g$ the
# $\gamma$ should be as unequal as majorisation allows. That is: the $j$ strongest modes have a latent alone,
# $1+g_i=\lambda_i/\tau$; the others form a pool, in which all but at most one have exactly $C$. If one pays, with gain
# $r$, its price is that of the pool's budget $B=r+(m-1)\gamma$,
#
# $$\frac{\tau}{1+r}=\frac{S_n^2}{(B+n)^2}$$
#
# a quadratic equation in $r$. The state is the best of at most $K+1$ such candidates, so that it is found without
# minimising anything. The package does so in `landau_vae.numeric.free_bits`.

# %%
B, i1, i2 = sp.symbols("B lambda_i lambda_j", positive=True)
total = sp.sqrt(i1) + sp.sqrt(i2)
gains = [sp.sqrt(x) * (B + 2) / total - 1 for x in (i1, i2)]
left = [x / (1 + g) for x, g in zip((i1, i2), gains, strict=True)]
check("the budget is spent", sp.simplify(sum(gains) - B))
check("both modes have the same marginal gain $\\lambda/(1+g)^2$",
      sp.simplify(i1 / (1 + gains[0]) ** 2 - i2 / (1 + gains[1]) ** 2))  # fmt: skip
check("it is $S^2/(B+n)^2$, the slope of what is left in the budget",
      sp.simplify(sp.diff(sum(left), B) + total**2 / (B + 2) ** 2))  # fmt: skip
r = sp.Symbol("r", positive=True)
check("a latent that pays has the slope $\\tau/(2(1+r))$", sp.diff(tau / 2 * sp.log(1 + r), r) - tau / (2 * (1 + r)))
check("which for a latent alone gives $1+g=\\lambda/\\tau$ as without free nats",
      sp.solve(sp.Eq(tau / (1 + r), lam / (1 + r) ** 2), r)[0] - (lam / tau - 1))  # fmt: skip

# %% [markdown]
# ## The same numbers
#
# Two latents, $\lambda=(1.5,0.1)$, $\tau=1$ and 0.3 free nats each: both on mode 1 cost 0.93364, one for each mode
# 1.03905. Then random cases against direct minimisation over encoders and widths, with a slack $t_k\ge R_k$, $t_k\ge C$
# for the corners.

# %%
import numpy as np
from scipy.optimize import minimize

import landau_vae as lv


def state(eigenvalues, latents, price, free):
    """The package's state."""
    loss = lv.Loss.gaussian(price, latents=latents).constrained("hinge", free, per="latent")
    return lv.numeric.free_bits(lv.Spectrum.from_eigenvalues(eigenvalues), loss)


two = state([1.5, 0.1], 2, 1.0, 0.3)
gain = np.expm1(0.6)
check("both on mode 1", abs(two.free_energy - (0.5 * (1.5 / (1 + 2 * gain) + 0.1) + 0.6)) < 1e-12)
check("one each costs 0.105 more", abs(0.5 * 1.6 / (1 + gain) + 0.6 - two.free_energy - 0.10541) < 1e-5)


def trained(eigenvalues, latents, price, free, rng):
    """The least loss over encoders and widths, of eight starts."""
    d, covariance = len(eigenvalues), np.diag(eigenvalues)

    def parts(v):
        encoder, widths = v[: latents * d].reshape(latents, d), np.exp(v[latents * d : -latents])
        cross = covariance @ encoder.T
        left = eigenvalues.sum() - np.trace(cross @ np.linalg.solve(encoder @ cross + np.diag(widths), cross.T))
        return left, 0.5 * ((encoder**2 @ eigenvalues) + widths - 1 - np.log(widths))

    slack = [{"type": "ineq", "fun": lambda v: v[-latents:] - parts(v)[1]}]
    bounds = [(None, None)] * (latents * d) + [(-12, 3)] * latents + [(free, None)] * latents
    losses = []
    for _ in range(8):
        start = [rng.normal(size=latents * d), rng.uniform(-2, 0, latents), np.full(latents, free + 0.5)]
        found = minimize(lambda v: 0.5 * parts(v)[0] + price * v[-latents:].sum(), np.concatenate(start),
                         method="SLSQP", constraints=slack, bounds=bounds,
                         options={"maxiter": 2000, "ftol": 1e-13})  # fmt: skip
        if np.all(parts(found.x)[1] <= found.x[-latents:] + 1e-7):
            losses.append(found.fun)
    return min(losses)


rng = np.random.default_rng(18)
off = []
for _ in range(12):
    eigenvalues = np.sort(rng.uniform(0.1, 5, rng.integers(1, 4)))[::-1]
    latents, price, free = int(rng.integers(1, 4)), rng.uniform(0.1, 2), rng.uniform(0.05, 1)
    off.append(state(eigenvalues, latents, price, free).free_energy - trained(eigenvalues, latents, price, free, rng))
check("twelve random cases agree with direct minimisation to $10^{-6}$", max(map(abs, off)) < 1e-6)

# %% [markdown]
# The limits on the mean rate, for $\lambda=(4,2,1,0.5,0.1)$ and $C=2$: $\tau=0.52719$ for all but the square, which has
# 0.50959 at $\gamma=5$. (`tests/loss/test_constraints.py` minimises each loss over all its parameters.)

# %%
spectrum = lv.Spectrum.from_eigenvalues([4, 2, 1, 0.5, 0.1])
for kind, expected in [("hinge", 0.527194), ("absolute", 0.527194), ("target", 0.527194), ("square", 0.509585)]:
    found = float(lv.Loss.gaussian(5.0).constrained(kind, 2.0).price(spectrum))
    check(f"{kind}: $\\tau={expected}$", abs(found - expected) < 1e-6)
