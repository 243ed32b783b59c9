# %% [markdown]
# # Rate–distortion: reverse water-filling
#
# **Assumed.** The loss of one mode of variance $\lambda$ at price $\tau$ and its equilibrium, from *The collapsed point
# and its Landau expansion*; for many modes the loss of *The loss, from Gaussian integrals*.
#
# **Sought.** How much squared error $D$ the linear model leaves when it spends $R$ nats, and whether any other setting
# of its parameters, or any other code, does better. It comes out that the equilibria, followed from $\tau=\infty$ to
# $\tau=0$, run along the rate–distortion curve of a Gaussian source, with the price as the water level.
#
# **Sources.** Equilibrium of the modes: J. Hirn, arXiv:2605.22691; at $\beta=1$: Lucas et al., arXiv:1911.02469. The
# rate–distortion function of a Gaussian source is classical (T. Cover and J. Thomas, *Elements of Information Theory*,
# chapter on rate distortion).

# %%
import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
mode = linear.mode_loss()

# %% [markdown]
# ## The two halves of the loss
#
# The loss is *half the squared error plus price times nats*. The part without the price is $\frac{1}{2}D$, with $D$ the
# squared error of a reconstruction from a sampled latent, and the factor of the price is the rate $R$.

# %%
D, R = sp.expand(2 * mode.subs(tau, 0)), sp.diff(mode, tau)
show("D(w,e,s)", sp.collect(D, w))
show("R(e,s)", R)
check("the loss of a mode is $\\frac{1}{2}D+\\tau R$, linear in the price", mode - D / 2 - tau * R)

# %% [markdown]
# ## What a nat buys at most
#
# Let $A^2=e^2\lambda+s$ be the second moment of the latent and $M^2=e^2\lambda/A^2$ its signal fraction. Complete the
# square in $w$, and write the rate with $s=A^2(1-M^2)$:
#
# $$D=\lambda(1-M^2)+A^2(w-e\lambda/A^2)^2,\qquad R=-\tfrac{1}{2}\ln(1-M^2)+\tfrac{1}{2}(A^2-1-\ln A^2)$$
#
# The first part of $R$ is the mutual information $I(x;z)=\frac{1}{2}\ln(A^2/s)$ of data and latent (for Gaussian data),
# the second the divergence of the latent's own distribution $\mathcal N(0,A^2)$ from the prior: nats that tell nothing.
# Both additions are non-negative and vanish at $w=e\lambda/A^2$ and $A^2=1$. So $-\frac{1}{2}\ln(1-M^2)\le R$, and
# whatever $w$, $e$ and $s$,
#
# $$D\ge\lambda(1-M^2)\ge\lambda \exp(-2R)$$

# %%
A2, M2 = linear.second_moment(), linear.signal_fraction()
a = sp.Symbol("A^2", positive=True)
scale_cost = (a - 1 - sp.log(a)) / 2
check("$D=\\lambda(1-M^2)+A^2(w-e\\lambda/A^2)^2$", D - lam * (1 - M2) - A2 * (w - e * lam / A2) ** 2)
excess = sp.expand_log(R - scale_cost.subs(a, A2) - sp.log(A2 / s) / 2, force=True)
check("$R=\\frac{1}{2}\\ln(A^2/s)+\\frac{1}{2}(A^2-1-\\ln A^2)$", excess)
check("and $A^2/s=1/(1-M^2)$", A2 / s - 1 / (1 - M2))
check("the second part is the divergence of $\\mathcal N(0,A^2)$ from the prior", scale_cost - linear.kl(0, a))
check("it vanishes at $A^2=1$, with slope zero", sp.Matrix([scale_cost, sp.diff(scale_cost, a)]).subs(a, 1))
check("and is strictly convex, so it is positive elsewhere", sp.diff(scale_cost, a, 2).is_positive)

# %% [markdown]
# The bound is reached at every rate: with $m^2=1-\exp(-2R)$ take $e=m/\sqrt\lambda$, $s=1-m^2$ and $w=m\sqrt\lambda$.
# So $D=\lambda \exp(-2R)$ is the least squared error of a mode at the rate $R$: each nat divides it by $e^2$.

# %%
rate = sp.Symbol("R", nonnegative=True)
m = sp.sqrt(1 - sp.exp(-2 * rate))
best = {w: m * sp.sqrt(lam), e: m / sp.sqrt(lam), s: 1 - m**2}
show(r"D_{\min}(R)", lam * sp.exp(-2 * rate))
check("these parameters have the rate $R$", sp.expand_log(R.subs(best), force=True) - rate)
check("and the squared error $\\lambda \\exp(-2R)$", D.subs(best) - lam * sp.exp(-2 * rate))

# %% [markdown]
# ## What a price makes it buy
#
# The stationary points of the loss at the price $\tau$ are the collapsed one and, for $\tau<\lambda$, a live pair. At
# them
#
# $$D=\min(\lambda,\tau),\qquad R=\tfrac{1}{2}\left[\ln(\lambda/\tau)\right]_+$$
#
# Eliminating $\tau$ gives $D=\lambda \exp(-2R)$: equilibria lie on the curve of the last section. Its slope is
# $dD/dR=-2D=-2\tau$: the model buys nats until the next one would save less than $2\tau$ of squared error, that is less
# than its price $\tau$ in units of $\frac{1}{2}D$. The first nat saves at the rate $2\lambda$, so at $\tau\ge\lambda$
# not even the first one pays: collapse is a matter of price.

# %%
theory = linear.mode_theory()
dead, *pair = [branch.values for branch in theory.branches()]
check("the collapsed point has $D=\\lambda$ and $R=0$", sp.Matrix([D - lam, R]).subs(dead))
check("there are two live points", len(pair) == 2)
check("both have $D=\\tau$", sp.Matrix([D.subs(live) - tau for live in pair]))
check("and $R=\\frac{1}{2}\\ln(\\lambda/\\tau)$", sp.Matrix([R.subs(live) - sp.log(lam / tau) / 2 for live in pair]))
D_of_R = sp.exp(-2 * rate) * lam
at_price = {rate: sp.log(lam / tau) / 2}
show("dD/dR", sp.diff(D_of_R, rate))
check("eliminating the price leaves $D=\\lambda \\exp(-2R)$", D_of_R.subs(at_price) - sp.expand(D.subs(pair[0])))
check("with slope $-2\\tau$", sp.diff(D_of_R, rate).subs(at_price) + 2 * tau)
check("and convex", sp.diff(D_of_R, rate, 2).is_positive)

# %% [markdown]
# ## Many modes: how the nats are shared out
#
# Suppose that each mode has a latent of its own. By the bound above, the least loss is that of the problem
#
# $$\min\sum_k\left[\tfrac{1}{2}D_k+\tfrac{\tau}{2}\ln(\lambda_k/D_k)\right]\quad\text{over}\quad 0<D_k\le\lambda_k$$
#
# which, divided by $\tau$, is the Lagrangian of the Gaussian rate–distortion problem: fewest nats
# $\sum_k\frac{1}{2}\ln(\lambda_k/D_k)$ for a given $\sum_k D_k$, with the multiplier $1/(2\tau)$. It is also the exact
# Landau potential of *The collapsed point and its Landau expansion*, read in $D=\lambda(1-M^2)$ in place of $M^2$. The
# wall $D_k\le\lambda_k$ (no negative rate) is the wall $M^2\ge0$.

# %%
Dk, q, delta = sp.symbols("D q delta", positive=True)
lagrangian = Dk / 2 + tau * sp.log(lam / Dk) / 2
landau = lam / 2 - lam * q / 2 - tau * sp.log(1 - q) / 2  # of the order parameter q = M²
in_invariants = {w: sp.sqrt(lam * q), e: sp.sqrt(q / lam), s: 1 - q}
check("at the best $w$ and $A^2=1$ the loss is the Landau potential", mode.subs(in_invariants) - landau)
check("which in $D=\\lambda(1-M^2)$ is the Lagrangian", landau.subs(q, 1 - Dk / lam) - lagrangian)

# %% [markdown]
# The conditions of Karush, Kuhn and Tucker, with a multiplier $\nu\ge0$ of the wall, are
# $\frac{1}{2}-\tau/(2D_k)+\nu=0$ and $\nu(\lambda_k-D_k)=0$; the problem is convex, so they suffice.
#
# - $\lambda_k>\tau$: $D_k=\tau$ lies inside the wall, $\nu=0$.
# - $\lambda_k\le\tau$: $D_k=\lambda_k$ sits at the wall, $\nu=\frac{1}{2}(\tau/\lambda_k-1)\ge0$.
#
# So $D_k=\min(\lambda_k,\tau)$. Draw the spectrum as bars of height $\lambda_k$ and flood it up to the level $\tau$:
# what is under water is error, what stands out of the water is sent. That is *reverse water-filling*, and the price is
# the water level.

# %%
slope = sp.diff(lagrangian, Dk)
check("the problem is strictly convex", sp.diff(lagrangian, Dk, 2).is_positive)
check("$D_k=\\tau$ solves it without the wall", slope.subs(Dk, tau))
check("for $\\lambda_k=\\tau+\\delta$ that is inside the wall", (lam - tau).subs(lam, tau + delta).is_positive)
nu = -slope.subs(Dk, lam)
check("at the wall the multiplier is $\\frac{1}{2}(\\tau/\\lambda_k-1)$", nu - (tau / lam - 1) / 2)
check("for $\\tau=\\lambda_k+\\delta$ it is positive", sp.cancel(nu.subs(tau, lam + delta)).is_positive)

# %% [markdown]
# ## No linear model does better
#
# So far each latent had its own mode. Take any encoder $E$, decoder $W$ and variances $S=\mathrm{diag}(s)$, with any
# number $K$ of latents and any $d$. Three steps lead to the same bound.
#
# 1. *Decoder.* With $A=ECE^\top+S$, the covariance of the latents, complete the square in $W$: $D$ is
#    $\mathrm{tr}(\Delta)$ plus a non-negative square, where $\Delta=C-CE^\top A^{-1}EC$ is the error covariance of the
#    best decoder.
# 2. *Rate.* The total rate is $\frac{1}{2}\ln(\det A/\det S)$ plus the divergence of $\mathcal N(0,A)$ from the prior.
# 3. *Both in one matrix.* Let $P=\sqrt{C}E^\top A^{-1}E\sqrt{C}$. Then $\Delta=\sqrt{C}(1-P)\sqrt{C}$, and
#    $\det(1-P)=\det S/\det A$. Its rank is at most $K$; its eigenvalues $\rho_1\ge\rho_2\ge\dots$ lie in $[0,1)$, since
#    those that are not zero are eigenvalues of $A^{-1}ECE^\top=1-A^{-1}S$, and $0\prec S\preceq A$.
#
# By von Neumann's trace inequality $\mathrm{tr}(CP)\le\sum_j\lambda_j\rho_j$ (largest with largest). Together
#
# $$D+2\tau R\ \ge\ V-\sum_{j\le K}\left[\lambda_j\rho_j+\tau \ln(1-\rho_j)\right]$$
#
# and what stands in the sum is, up to sign and factor 2, a Landau potential with $\rho_j$ in the place of $M^2$: at
# best at its minimum. The bound is reached by a latent for each of the $K$ strongest modes. This is the global minimum
# at every price, for any $K$, without a word about how it is found; the other stationary points are on the page *The
# landscape*.

# %%
W, E, variances = linear.variables(2, 2)
modes = linear.mode_variances(2)
C, S = sp.diag(*modes), sp.diag(*variances)
full = linear.loss(W, E, variances, C)
D_full, R_full = 2 * full.subs(tau, 0), sp.diff(full, tau)
second = E * C * E.T + S
inverse = second.adjugate() / second.det()
residual = C - C * E.T * inverse * E * C
off = W * second - C * E.T  # (W − W_best) A
check("$D=\\mathrm{tr}(\\Delta)$ plus a square ($d=K=2$)", D_full - residual.trace() - (off * inverse * off.T).trace())
prior_cost = (second.trace() - 2 - sp.log(second.det())) / 2
check(
    "$R=\\frac{1}{2}\\ln(\\det A/\\det S)+\\mathrm{KL}(\\mathcal N(0,A)\\mid\\mathcal N(0,1))$ ($d=K=2$)",
    sp.expand_log(R_full - (sp.log(second.det()) - sum(map(sp.log, variances))) / 2 - prior_cost, force=True),
)
roots = sp.diag(*map(sp.sqrt, modes))
P = roots * E.T * inverse * E * roots
check("$\\det(1-P)=\\det S/\\det A$ ($d=K=2$)", sp.cancel((sp.eye(2) - P).det() - S.det() / second.det()))
check(
    "$\\mathrm{tr}(\\Delta)=V-\\mathrm{tr}(CP)$ ($d=K=2$)", sp.cancel(residual.trace() - sum(modes) + (C * P).trace())
)

# %% [markdown]
# **No other code does better, if the data are Gaussian.** For any encoder, linear or not, the total rate is
# $R=I(x;z)+\mathrm{KL}(q(z)\mid p(z))$, with $q(z)$ the distribution of the latents over all data. So
# $R\ge I(x;z)\ge I(x;\hat x)$: it is never below the rate–distortion function, by its definition. For a Gaussian source
# that function is the one found here. For other data with the same covariance a nonlinear code can do better, never
# worse: among all sources of one covariance, the Gaussian one is the hardest to code.
#
# ## The curve and its joints
#
# Order the modes, $\lambda_1\ge\lambda_2\ge\dots$, and let $n\le K$ of them be alive:
# $\lambda_{n+1}\le\tau\le\lambda_n$. With $T_n=\sum_{i>n}\lambda_i$, the variance of the dead modes,
#
# $$D(\tau)=n\tau+T_n,\qquad R(\tau)=\tfrac{1}{2}\sum_{i\le n}\ln\lambda_i-\tfrac{n}{2}\ln\tau$$
#
# Both are continuous where a mode joins. The slope of the curve is $-2\tau$ again, and its curvature is $4\tau/n$:
# positive, so the curve is convex, and different on the two sides of a joint.

# %%
n = sp.Symbol("n", integer=True, positive=True)
T, logs = sp.Symbol("T_n", positive=True), sp.Symbol("Lambda_n", real=True)  # Λ_n = Σ_{i≤n} ln λ_i
live = pair[1]
D_n = sp.expand(n * D.subs(live)) + T
R_n = (logs - n * sp.log(tau)) / 2
check(
    "$R(\\tau)$ sums the rates of the live modes (two of them)",
    sp.expand_log(sum(R.subs(live).subs(lam, v) for v in modes), force=True)
    - R_n.subs({n: 2, logs: sum(map(sp.log, modes))}),
)
dD, dR = sp.diff(D_n, tau), sp.diff(R_n, tau)
along = sp.cancel(dD / dR)
bend = sp.cancel(sp.diff(along, tau) / dR)
show("dD/dR", along)
show("d^2D/dR^2", bend)
check("the slope is $-2\\tau$ whatever the number of live modes", along + 2 * tau)
check("the curvature is $4\\tau/n$, positive", bend - 4 * tau / n)
joint = sp.Symbol("lambda_n+1", positive=True)
after = {n: n + 1, T: T - joint, logs: logs + sp.log(joint)}
for name, quantity in [("D", D_n), ("R", R_n), ("dD/dR", along)]:
    step = (quantity.subs(after, simultaneous=True) - quantity).subs(tau, joint)
    check(f"${name}$ is continuous where mode $n+1$ joins", sp.expand(step))
drop = sp.factor((bend.subs(n, n + 1) - bend).subs(tau, joint))
show(r"\Delta(d^2D/dR^2)", drop)
check("the curvature drops there by $4\\lambda_{n+1}/(n(n+1))$", drop + 4 * joint / (n * (n + 1)))

# %% [markdown]
# So the curve is $C^1$ with jumps of its second derivative, one at every collapse: a *second-order* transition is seen
# here as a joint without a kink. Between joints, eliminating $\tau$ gives exponentials, ever flatter ones: with $G_n$
# the geometric mean of the live $\lambda_i$,
#
# $$D(R)=n G_n\exp(-2R/n)+T_n$$
#
# Read the other way round, $L(\tau)=\min(\frac{1}{2}D+\tau R)$ is the Legendre transform of the curve: $dL/d\tau=R$,
# and where the rate's slope jumps, so does $d^2L/d\tau^2$.

# %%
geometric_mean = sp.exp(logs / n)
arc = n * geometric_mean * sp.exp(-2 * rate / n) + T
check(
    "with $n$ live modes $D(R)=nG_n\\exp(-2R/n)+T_n$",
    sp.expand(arc.subs(rate, R_n)) - D_n,
)
least = D_n / 2 + tau * R_n
check("the slope of the least loss in the price is the rate", sp.diff(least, tau) - R_n)
jump = (sp.diff(least, tau, 2).subs(n, n + 1) - sp.diff(least, tau, 2)).subs(tau, joint)
check("its second derivative jumps by $-1/(2\\lambda_{n+1})$", jump + 1 / (2 * joint))

# %% [markdown]
# **No setting of the parameters lies below the curve**, at any $K$. The curve is convex, so it is the envelope of its
# tangents $\frac{1}{2}D+\tau R=L(\tau)$; a point below it would lie below one of them, and the loss there would be less
# than its minimum.
#
# ## Two modes, by hand
#
# Take $\lambda_1=\lambda_2+\delta$. The first nats all go to mode 1: $D=\lambda_1\exp(-2R)+\lambda_2$. At
# $R_1=\frac{1}{2}\ln(\lambda_1/\lambda_2)$ mode 1 has come down to the error of mode 2, and from there on they share:
# $D=2\sqrt{\lambda_1\lambda_2}\exp(-R)$. At the joint both arcs have $D=2\lambda_2$ and slope $-2\lambda_2$, but
# curvature $4\lambda_2$ before and $2\lambda_2$ after. The second arc, continued backwards, would mean a negative rate
# for mode 2. The first, continued forwards, is the curve of a model with one latent; it lies above the second by a
# square: spending on one mode only is a waste.

# %%
l2 = sp.Symbol("lambda_2", positive=True)
l1 = l2 + delta
one, two = l1 * sp.exp(-2 * rate) + l2, 2 * sp.sqrt(l1 * l2) * sp.exp(-rate)
by_hand = [arc.subs({n: 1, logs: sp.log(l1), T: l2}), arc.subs({n: 2, logs: sp.log(l1) + sp.log(l2), T: 0})]
differences = [sp.powsimp(sp.expand(f - g)) for f, g in zip((one, two), by_hand, strict=True)]
check("both arcs are the general ones", sp.Matrix(differences))
there = sp.log(l1 / l2) / 2
derivatives = [[sp.diff(f, rate, order).subs(rate, there) for order in range(3)] for f in (one, two)]
values = sp.Matrix(derivatives).applyfunc(sp.simplify)
show(r"(D, D', D'')_{R_1}", values)
check("$D$, $D'$ and $D''$ at the joint", values - l2 * sp.Matrix([[2, -2, 4], [2, -2, 2]]))
gap = (sp.sqrt(l1) * sp.exp(-rate) - sp.sqrt(l2)) ** 2
check(
    "the first arc minus the second is $(\\sqrt{\\lambda_1}\\exp(-R)-\\sqrt{\\lambda_2})^2$",
    sp.powsimp(sp.expand(one - two - gap)),
)

# %% [markdown]
# ## Limits
#
# - $\tau\ge\lambda_1$ (hot): nothing is sent, $R=0$ and $D=V$. The curve starts with slope $-2\lambda_1$: the utility
#   of the first nat.
# - $\tau\le\lambda_d$, $K\ge d$ (cold): all modes are alive with the same error each, $D=d G_d\exp(-2R/d)$. A further
#   nat is shared by $d$ modes and divides $D$ by $\exp(2/d)$. Compared with the same variance spread evenly over the
#   modes, the gain is the ratio of arithmetic and geometric mean of the spectrum.
# - $K<d$: modes beyond the $K$-th have no latent. $D$ never falls below their variance $T_K$, and for
#   $\tau<\lambda_{K+1}$ the curve stays on its $K$-th arc, above the one with more latents.

# %%
check("cold, $K=n$: the error tends to the tail $T_n$ as the price vanishes", sp.limit(D_n, tau, 0) - T)
check("while the rate has no bound", sp.limit(R_n, tau, 0, "+") == sp.oo)
check("cold, $d=2$: each nat divides $D$ by $\\exp(2/d)$", sp.powsimp(two.subs(rate, rate + 1) / two) - sp.exp(-1))
check("hot: the curve starts at $V$", one.subs(rate, 0) - l1 - l2)
check("hot: its first slope is $-2\\lambda_1$", sp.diff(one, rate).subs(rate, 0) + 2 * l1)

# %% [markdown]
# ## The same numbers
#
# The package's equilibrium gives $R$ and $D/V$ for a price. Independently, for each of these distortions the water
# level is found by bisection of $\sum_k\min(\lambda_k,\theta)=D$ and the rate is
# $\sum_k\frac{1}{2}\ln(\lambda_k/\theta)$ over the modes above it. Neither the level nor the rate is told the price.

# %%
import numpy as np

import landau_vae as lv

rng = np.random.default_rng(5)
eigenvalues = np.sort(rng.uniform(0.1, 5.0, 12))[::-1]
prices = np.geomspace(0.02, 4.9, 40)


def water_filling(variances, total):
    """(level, rate) that leave `total` of the variance."""
    low, high = 0.0, float(variances.max())
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(variances, level).sum() < total else (low, level)
    return level, 0.5 * np.log(np.maximum(variances / level, 1.0)).sum()


for latents, kept in [(None, eigenvalues), (5, eigenvalues[:5])]:
    spectrum = lv.Spectrum.from_eigenvalues(eigenvalues)
    state = lv.equilibrium(spectrum, lv.Loss.gaussian(beta=prices, latents=latents))
    tail = eigenvalues[len(kept) :].sum()
    distortion = state.total_distortion * spectrum.total_variance
    below = prices < kept[0]
    filled = np.array([water_filling(kept, total - tail) for total in distortion[below]])
    words = "$K\\ge d$" if latents is None else "$K=5<d=12$, the tail left out,"
    level, nats = filled.T
    check(
        f"{words} the water level is the price, to $10^{{-12}}$", np.allclose(level, prices[below], rtol=1e-12, atol=0)
    )
    check(f"{words} the rates agree to $10^{{-12}}$", np.allclose(nats, state.total_rate[below], rtol=0, atol=1e-12))

# %% [markdown]
# And models with random parameters, whatever they do, lie above the curve of their number of latents: $d=4$, $K=2$.

# %%
from landau_vae.training.linear_vae import LinearVAE

few = np.array([4.0, 2.0, 1.0, 0.5])
number = 2000
size = 10 ** rng.uniform(-1, 0.5, (3, number, 1, 1))
decoder, encoder = rng.normal(size=(number, 4, 2)) * size[0], rng.normal(size=(number, 2, 4)) * size[1]
encoder[::2] = np.swapaxes(decoder[::2], -1, -2) * size[2][::2]  # half of them with an encoder that fits the decoder
models = LinearVAE(np.diag(few), np.ones(number), decoder, encoder, 10 ** rng.uniform(-2, 0, (number, 2)))
spent = models.rate.sum(-1)
curve = sp.lambdify([rate, logs, T], [arc.subs(n, 1), arc.subs(n, 2)])
one_live, two_live = (np.asarray(x) for x in (curve(spent, np.log(4.0), 3.5)[0], curve(spent, np.log(8.0), 1.5)[1]))
floor = np.where(spent < np.log(2.0) / 2, one_live, two_live)
check("none of 2000 random models lies below the curve", np.all(models.distortion > floor))
