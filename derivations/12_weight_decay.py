# %% [markdown]
# # Weight decay: when collapse becomes first-order
#
# **Assumed.** The linear VAE of *The loss, from Gaussian integrals*, in units where $\sigma_\mathrm{dec}^2=1$ (so
# $\tau=\beta$), plus a penalty on the weights, $\frac{1}{2}\gamma_W\lVert W\rVert^2+\frac{1}{2}\gamma_E\lVert
# E\rVert^2$ with $\gamma_W,\gamma_E\ge 0$. For another decoder variance replace $\gamma$ by
# $\gamma\sigma_\mathrm{dec}^2$. The penalty is part of the loss: the decoupled decay of some optimisers is not.
#
# **Sought.** The price at which a mode collapses, whether it does so with or without a jump, and whether the price at
# which the collapsed state becomes *unstable* is the price at which it ceases to be the *best*. Without decay both are
# $\tau=\lambda$. With decay of the encoder they come apart.
#
# **Sources.** Without decay: J. Hirn, arXiv:2605.22691. Collapse read as a phase transition: Li et al.,
# arXiv:2510.01621.

# %%
import sympy as sp

from landau_vae.symbolic import linear, variations
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
gamma_W, gamma_E = sp.symbols("gamma_W gamma_E", positive=True)
u = sp.Symbol("u", positive=True)  # w²
theory = variations.weight_decay(gamma_W, gamma_E)
show(r"\ell(w,e,s)", theory.loss)

# %% [markdown]
# ## Still mode by mode
#
# The penalty is the same for $(W,E)$ and $(UW,EU^\top)$ with orthogonal $U$, so
# $C=\mathrm{diag}(\lambda_1,\dots,\lambda_d)$ may be assumed as before. To see that each latent then serves one mode,
# take a given $W$ with rows $w_i$ (one per mode) and $G=W^\top W$. The slope in the column $e_i$ of $E$ is
# $[\lambda_i(G+\tau)+\gamma_E]e_i-\lambda_iw_i^\top$, with a positive definite matrix, and $s_k$ is best at
# $\tau/(\tau+G_{kk})$. With both eliminated the loss is
#
# $$\tfrac{1}{2}\sum_i\lambda_i-\tfrac{1}{2}\sum_i\lambda_i^2 w_i[\lambda_i(G+\tau)+\gamma_E]^{-1}w_i^\top+\tfrac{\tau}{2}\sum_k\ln(1+G_{kk}/\tau)+\tfrac{1}{2}\gamma_W \mathrm{tr} G$$
#
# 1. Turning the latents, $W\to WO$, changes the logarithms only. By Hadamard's inequality
#    $\sum_k\ln(1+G_{kk}/\tau)\ge\ln\det(1+G/\tau)$, with equality where $G$ is diagonal. So the best $W$ has orthogonal
#    columns, $W=U\mathrm{diag}(\sqrt{u_k})$ with $U^\top U=1$ (for $K\le d$; further latents have nothing left to speak
#    to).
# 2. For such a $W$ the loss is *linear* in the numbers $U_{ik}^2$. Their row sums are at most 1, their column sums are
#    1. By Birkhoff's theorem a linear function of such an array is least at one whose entries are 0 and 1: latent $k$
#    speaks to one mode, no two to the same.
#
# The rest of this page is about one mode. With fewer latents than modes the largest variances are served: the loss that
# a given $u$ saves grows with $\lambda$ (checked with the reduced loss below).

# %%
W, E, variances = linear.variables(2, 2)
modes = linear.mode_variances(2)
penalty = gamma_W * sum(v**2 for v in W) / 2 + gamma_E * sum(v**2 for v in E) / 2
full = linear.loss(W, E, variances, sp.diag(*modes)) + penalty
G = W.T * W
for i in range(2):
    stiff = modes[i] * (G + tau * sp.eye(2)) + gamma_E * sp.eye(2)
    column = sp.Matrix([sp.diff(full, v) for v in E[:, i]]) - (stiff * E[:, i] - modes[i] * W[i, :].T)
    check(
        f"the slope in $E$'s column {i + 1} is $[\\lambda(G+\\tau)+\\gamma_E]e-\\lambda w^\\top$ ($d=K=2$)",
        column.expand(),
    )
    variance = tau / (tau + G[i, i])
    check(
        f"that in $s_{i + 1}$ vanishes at $\\tau/(\\tau+G_{{kk}})$",
        sp.diff(full, variances[i]).subs(variances[i], variance),
    )

t, r1, r2 = sp.symbols("t r1 r2", positive=True)  # t: tangent of half the angle of U; u_k = r_k²
cosine, sine = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
U, r = sp.Matrix([[cosine, -sine], [sine, cosine]]), (r1, r2)
g = sp.Matrix(2, 2, lambda k, i: sp.Symbol(f"g{k + 1}{i + 1}", real=True))
orthogonal = dict(zip([*W, *E], [*(U * sp.diag(*r)), *g.multiply_elementwise(U.T)], strict=True))


def stiffness(k, i):
    return modes[i] * (r[k] ** 2 + tau) + gamma_E


def served(i, k):
    """What mode i pays if latent k speaks to it alone."""
    code = stiffness(k, i) * g[k, i] ** 2 / 2 - modes[i] * r[k] * g[k, i]
    return code + r[k] ** 2 * variances[k] / 2 + tau * linear.kl(0, variances[k]) + gamma_W * r[k] ** 2 / 2


mixture = sum(modes) / 2 + sum(U[i, k] ** 2 * served(i, k) for i in range(2) for k in range(2))
check(
    "with $E_{ki}=U_{ik}g_{ki}$ the loss is linear in the squares $U_{ik}^2$",
    sp.cancel(full.subs(orthogonal) - mixture),
)
best = {g[0, 0]: modes[0] * r1 / stiffness(0, 0), variances[0]: tau / (tau + r1**2)}
alone = served(0, 0).subs(best)
closed = gamma_W * r1**2 / 2 - modes[0] ** 2 * r1**2 / (2 * stiffness(0, 0)) + tau * sp.log(1 + r1**2 / tau) / 2
check("and eliminating $g$ and $s$ gives the formula above", alone - closed)
check(
    "Hadamard for $K=2$: the diagonal's product exceeds the determinant by $G_{12}^2/\\tau^2$",
    (1 + G[0, 0] / tau) * (1 + G[1, 1] / tau) - (sp.eye(2) + G / tau).det() - G[0, 1] ** 2 / tau**2,
)

# %% [markdown]
# ## Where the collapsed state loses its stability
#
# The penalty has its own curvature. In the $(w,e)$ block of the Hessian at the collapsed point the trace is positive,
# so the determinant decides: the collapsed state is a local minimum for $\tau>\tau_c$ and a saddle for $\tau<\tau_c$.

# %%
H = theory.hessian()
show("H", H)
block = sp.Matrix([[1 + gamma_W, -lam], [-lam, tau * lam + gamma_E]])
check(
    "the $(w,e)$ block is $[[1+\\gamma_W,-\\lambda],[-\\lambda,\\tau\\lambda+\\gamma_E]]$, the $s$ block $\\tau/2$",
    H - sp.diag(block, tau / 2),
)
check("its trace is positive", H[:2, :2].trace().is_positive)
tau_c = (lam**2 / (1 + gamma_W) - gamma_E) / lam
show(r"\tau_c", sp.factor(theory.threshold))
check("the threshold is $\\tau_c=(\\lambda^2/(1+\\gamma_W)-\\gamma_E)/\\lambda$", theory.threshold - tau_c)
check("$\\det H_{we}=(1+\\gamma_W)\\lambda(\\tau-\\tau_c)$", H[:2, :2].det() - (1 + gamma_W) * lam * (tau - tau_c))
check("the soft mode is $(1+\\gamma_W)w=\\lambda e$", (1 + gamma_W) * theory.soft_mode[w] - lam * theory.soft_mode[e])

# %% [markdown]
# For $\gamma_E\ge\lambda^2/(1+\gamma_W)$ there is no such price: the collapsed state is a local minimum at *every*
# price. That is a statement about the neighbourhood of a point. Whether the mode ever lives is another question.
#
# ## Landau expansion
#
# Eliminate $e$ and $s$ at a given decoder amplitude, with $u=w^2$ and $P=\tau\lambda+\gamma_E$. The decay of the
# encoder stiffens $e$ and leaves $s$ alone.

# %%
P = tau * lam + gamma_E
fast = {v: x.subs(w, sp.sqrt(u)) for v, x in theory.exact_elimination().items()}
check("$e=\\lambda w/(\\lambda u+P)$", fast[e] - lam * sp.sqrt(u) / (lam * u + P))
check("$s=\\tau/(\\tau+u)$", fast[s] - tau / (tau + u))
potential = lam / 2 - lam**2 * u / (2 * (lam * u + P)) + tau * sp.log(1 + u / tau) / 2 + gamma_W * u / 2
show(r"\ell(u)", potential)
check(
    "this is the loss with $e$ and $s$ eliminated",
    theory.exact_potential().subs(w, sp.sqrt(u)) - potential,
)
saving = sp.diff((lam / 2 - potential), lam)
check("what a given $u$ saves grows with $\\lambda$", sp.factor(saving).is_positive)
expansion = theory.expansion(6)
for n, coefficient in expansion.coefficients.items():
    show(f"a_{{{n}}}", coefficient)
    closed = lam * (-lam / P) ** (n // 2) / 2 - tau * (-1 / tau) ** (n // 2) / n + (gamma_W / 2 if n == 2 else 0)
    check(f"$a_{{{n}}}$ of the expansion order by order is that of the closed form", coefficient - closed)
quartic = ((1 + gamma_W) ** 2 / lam - 1 / (2 * tau)) / 2
check(
    "at the threshold $a_4=\\frac{1}{2}[(1+\\gamma_W)^2/\\lambda-1/(2\\tau_c)]$",
    expansion.at_threshold[4] - quartic.subs(tau, tau_c),
)

# %% [markdown]
# The quartic coefficient at the threshold has a sign of its own: it is negative where
# $\tau_c<\lambda/(2(1+\gamma_W)^2)$, which is where $\gamma_E$ exceeds
#
# $$\gamma_\mathrm{tri}=\frac{1+2\gamma_W}{2(1+\gamma_W)^2}\lambda^2$$
#
# (without decay of the decoder: $\lambda^2/2$). Then the pitchfork bends backwards: the transition is *subcritical*,
# and collapse happens with a jump. At $\gamma_E=\gamma_\mathrm{tri}$ the quartic coefficient vanishes at the threshold
# and the sextic one decides. It is positive: a *tricritical point*, with the amplitude growing as the fourth root of
# the distance.

# %%
gamma_tri = (1 + 2 * gamma_W) * lam**2 / (2 * (1 + gamma_W) ** 2)
tau_tri = lam / (2 * (1 + gamma_W) ** 2)
check(
    "$a_4$ vanishes at the threshold for $\\gamma_E=\\gamma_\\mathrm{tri}$",
    expansion.at_threshold[4].subs(gamma_E, gamma_tri),
)
check("where $\\tau_c=\\lambda/(2(1+\\gamma_W)^2)$", tau_c.subs(gamma_E, gamma_tri) - tau_tri)
check("more decay of the encoder lowers $\\tau_c$", sp.diff(tau_c, gamma_E).is_negative)
check("and with it $a_4$ at the threshold", sp.diff(quartic, tau).is_positive)
tricritical = variations.weight_decay(gamma_W, gamma_tri).expansion(6)
power, sextic = tricritical.leading
show(r"a_6\,\big|_\mathrm{tri}", sextic)
check("there the leading power is the sixth", power == 6)
check(
    "with $a_6=(1+\\gamma_W)^3(1+4\\gamma_W)/(6\\lambda^2)$",
    sextic - (1 + gamma_W) ** 3 * (1 + 4 * gamma_W) / (6 * lam**2),
)
check("which is positive: still continuous", tricritical.kind == "supercritical")
quarter = {
    "order parameter": sp.Rational(1, 4),
    "susceptibility": 1,
    "field": sp.Rational(1, 5),
    "loss": sp.Rational(3, 2),
}
check(
    "tricritical exponents: amplitude 1/4, susceptibility 1, field 1/5, gain of the loss 3/2",
    tricritical.exponents == quarter,
)

# %% [markdown]
# **Decay of the decoder alone** never does this: for $\gamma_E=0$ the quartic coefficient at the threshold is positive,
# whatever $\gamma_W$. The threshold moves to $\lambda/(1+\gamma_W)$, and nothing else happens.

# %%
decoder_only = variations.weight_decay(gamma_W, 0)
check("for $\\gamma_E=0$ the threshold is $\\lambda/(1+\\gamma_W)$", decoder_only.threshold - lam / (1 + gamma_W))
show(r"a_4\,\big|_{\gamma_E=0}", decoder_only.expansion(4).at_threshold[4])
check(
    "where $a_4=(1+\\gamma_W)(1+2\\gamma_W)/(4\\lambda)$",
    decoder_only.expansion(4).at_threshold[4] - (1 + gamma_W) * (1 + 2 * gamma_W) / (4 * lam),
)
check("which is positive: supercritical for every $\\gamma_W$", decoder_only.expansion(4).kind == "supercritical")
half = {"order parameter": sp.Rational(1, 2), "susceptibility": 1, "field": sp.Rational(1, 3), "loss": 2}
check("and the exponents are those without decay: 1/2, 1, 1/3, 2", decoder_only.expansion(4).exponents == half)

# %% [markdown]
# ## All stationary points
#
# An expansion sees the neighbourhood of $u=0$ only. The exact slope of the reduced loss, cleared of its positive
# denominators, is a cubic $c_3u^3+c_2u^2+c_1u+c_0$ (a quadratic without decay of the decoder):

# %%
slope = sp.diff(potential, u)
cubic = sp.Poly(sp.expand(sp.cancel(sp.together(2 * (tau + u) * (lam * u + P) ** 2 * slope))), u)
c3, c2, c1, c0 = cubic.all_coeffs()
show(
    r"2(\tau+u)(\lambda u+P)^2\,\partial_u\ell",
    sp.Add(*(sp.factor(c) * u**n for (n,), c in cubic.terms()), evaluate=False),
)
check("the coefficients of $u^3$ and $u^2$ are positive", c3.is_positive and sp.expand(c2).is_positive)
check("$c_0=(1+\\gamma_W)\\lambda\\tau P(\\tau-\\tau_c)$", c0 - (1 + gamma_W) * lam * tau * P * (tau - tau_c))
bracket = 2 * (1 + gamma_W) * lam * tau + gamma_W * P - lam**2
check("$c_1=P[2(1+\\gamma_W)\\lambda\\tau+\\gamma_WP-\\lambda^2]$", c1 - P * bracket)
check("the bracket grows with $\\tau$", sp.diff(bracket, tau).is_positive)
at_c = 2 * (1 + gamma_W) * lam * (tau - tau_tri)
check(
    "and is $2(1+\\gamma_W)\\lambda(\\tau_c-\\tau_\\mathrm{tri})$ at $\\tau=\\tau_c$", (bracket - at_c).subs(tau, tau_c)
)

# %% [markdown]
# By Descartes' rule the number of positive roots is the number of changes of sign in $(+,+,c_1,c_0)$, or less by two:
#
# - **$\tau<\tau_c$**: $c_0<0$, one change, so exactly one stationary point beside the collapsed one, the living state,
#   and it is the global minimum.
# - **$\tau\ge\tau_c$ and $\gamma_E\le\gamma_\mathrm{tri}$**: $\tau\ge\tau_c\ge\tau_\mathrm{tri}$, so $c_1\ge0$,
#   $c_0\ge0$ and there is no other stationary point. Collapse is continuous, and local stability tells all.
# - **$\tau\ge\tau_c$ and $\gamma_E>\gamma_\mathrm{tri}$**: none or two (at $\tau=\tau_c$ one). If two, a barrier and
#   beyond it a living state, which competes with the collapsed one.
#
# ## Which state is best: one price decides
#
# At given $u$ the loss is stationary in $e$ and $s$, so its slope in the price is the rate (the envelope theorem),
# which is positive for $u>0$. Relative to the collapsed state, whose loss is $\frac{\lambda}{2}$ at any price, *every*
# living state gets better as $\tau$ falls. So the prices at which a living state beats the collapsed one form an
# interval $0<\tau<\tau_M$, or there are none. (Where collapse is continuous, $\tau_M=\tau_c$.) As $\tau\to0$ the
# reduced loss becomes
#
# $$\Delta\ell\to\tfrac{1}{2}u\left(\gamma_W-\frac{\lambda^2}{\lambda u+\gamma_E}\right)$$
#
# which is negative somewhere if and only if $\lambda^2>\gamma_W\gamma_E$. Compare the condition for the collapsed state
# to become unstable at some price, $\lambda^2>(1+\gamma_W)\gamma_E$. Between the two, a mode is stable when collapsed
# at every price, and yet best alive at small prices. For $\lambda^2\le\gamma_W\gamma_E$ the slope is positive at every
# $u$ and $\tau$: such a mode does not live, not even metastably.

# %%
rate = linear.kl(fast[e] ** 2 * lam, fast[s])
check("$\\partial\\ell/\\partial\\tau$ at given $u$ is the rate", sp.diff(potential, tau) - rate)
x = sp.Symbol("x", positive=True)  # s − 1 or its opposite
noise_part = 2 * linear.kl(0, s)
check("the rate is positive: $s-1-\\ln s$ vanishes at $s=1$", noise_part.subs(s, 1))
check("rises above it", sp.factor(sp.diff(noise_part, s).subs(s, 1 + x)).is_positive)
check("and falls below it", sp.factor(sp.diff(noise_part, s).subs(s, 1 / (1 + x))).is_negative)
free = sp.limit(potential, tau, 0, "+") - lam / 2
show(r"\Delta\ell\,\big|_{\tau\to0}", sp.factor(free))
check(
    "as $\\tau\\to0$ it is $\\frac{1}{2}u(\\gamma_W-\\lambda^2/(\\lambda u+\\gamma_E))$",
    free - u * (gamma_W - lam**2 / (lam * u + gamma_E)) / 2,
)
check(
    "which is negative for $0<u<(\\lambda^2-\\gamma_W\\gamma_E)/(\\gamma_W\\lambda)$ only",
    free - u * gamma_W * lam / (2 * (lam * u + gamma_E)) * (u - (lam**2 - gamma_W * gamma_E) / (gamma_W * lam)),
)
margin = sp.symbols("delta", nonnegative=True)  # γ_W γ_E − λ²
never = slope.subs(gamma_W, (lam**2 + margin) / gamma_E)
check(
    "for $\\gamma_W\\gamma_E\\ge\\lambda^2$ the slope is positive at every $u$ and $\\tau$",
    sp.factor(sp.together(never)).is_positive,
)

# %% [markdown]
# ## Coexistence
#
# For $\gamma_E>\gamma_\mathrm{tri}$ the reduced loss at $\tau_c$ dips below its collapsed value, so $\tau_M>\tau_c$:
# the jump comes first. At $\tau_M$, the *Maxwell price*, the living and the collapsed state have the same loss:
# $\Delta\ell=0$ and $\partial_u\ell=0$. Put $u=\tau y$, so that $s=1/(1+y)$. The first equation gives
# $\lambda u+P=\lambda^2y/(\ln(1+y)+\gamma_Wy)$, the second then $P$, and both parameters follow:
#
# $$\tau_M=\lambda\frac{\ln(1+y)-y/(1+y)}{(\ln(1+y)+\gamma_Wy)^2}$$
#
# $$\gamma_E=\lambda^2\frac{y-\ln(1+y)+\gamma_Wy^2}{(\ln(1+y)+\gamma_Wy)^2}$$
#
# To go from $\gamma_E$ to $\tau_M$, solve the second for $y$ and insert it in the first. There is one such $y$ for each
# $\gamma_E$: one price $\tau_M$, and at that price one stationary point at the height of the collapsed state, the other
# one being the barrier. The line runs from the tricritical point ($y\to0$) to zero price at
# $\gamma_E=\lambda^2/\gamma_W$ ($y\to\infty$); without decay of the decoder it has no end.

# %%
y, q, p, ell = sp.symbols("y q p ell", positive=True)  # u/τ, τ/λ, P/λ², ln(1 + y)


def scaled(expression):
    """In these variables, in which the two equations are rational."""
    in_y = expression.subs(gamma_E, p * lam**2 - tau * lam).subs({u: q * lam * y, tau: q * lam}, simultaneous=True)
    logs = {sp.log(1 + y): ell, sp.log(1 / (1 + y)): -ell}
    return sp.cancel(sp.together(in_y.replace(sp.log, lambda inside: sp.log(sp.factor(inside)))).subs(logs))


scale = ell + gamma_W * y
q_M, gamma_M = (ell - y / (1 + y)) / scale**2, (y - ell + gamma_W * y**2) / scale**2
coexistence = {q: q_M, p: q_M + gamma_M}
no_gain, no_slope = scaled((potential - lam / 2) / lam), scaled(slope)
check("on this line the living state has the loss of the collapsed one", sp.cancel(no_gain.subs(coexistence)))
check("and is stationary", sp.cancel(no_slope.subs(coexistence)))
L = sp.log(1 + y)
maxwell_tau, maxwell_gamma = lam * q_M.subs(ell, L), lam**2 * gamma_M.subs(ell, L)
show(r"\tau_M", maxwell_tau)
show(r"\gamma_E", maxwell_gamma)
check("$\\tau_M>0$: its numerator vanishes at $y=0$", (L - y / (1 + y)).subs(y, 0))
check("and grows with $y$", sp.factor(sp.diff(L - y / (1 + y), y)).is_positive)
check("the coexistence line starts at $\\tau_\\mathrm{tri}$", sp.limit(maxwell_tau, y, 0) - tau_tri)
check("and $\\gamma_\\mathrm{tri}$, the tricritical point", sp.limit(maxwell_gamma, y, 0) - gamma_tri)
check("it ends at $\\tau_M=0$", sp.limit(maxwell_tau, y, sp.oo))
check("and $\\gamma_E=\\lambda^2/\\gamma_W$", sp.limit(maxwell_gamma, y, sp.oo) - lam**2 / gamma_W)
check("which lies beyond $\\gamma_\\mathrm{tri}$", sp.factor(lam**2 / gamma_W - gamma_tri).is_positive)
check("without decay of the decoder there is no end", sp.limit(maxwell_gamma.subs(gamma_W, 0), y, sp.oo) == sp.oo)

# %% [markdown]
# At $\tau_M$ the order parameter and the rate jump from zero. The loss is continuous, its slope in $\tau$ jumps by the
# rate: a first-order transition, where without decay the rate was continuous with a kink.

# %%
jump, rate_jump = (scaled(x).subs(coexistence) for x in (linear.signal_fraction().subs(fast), rate))
M2, R = 1 - y / ((1 + y) * L), ((1 + y) * L / y - 1) / 2
show(r"M^2", M2)
show(r"R", R)
check("$M^2$ jumps to $1-\\frac{y}{(1+y)\\ln(1+y)}$, whatever $\\gamma_W$", sp.cancel(jump).subs(ell, L) - M2)
check("the rate to $\\frac{1}{2}[\\frac{1+y}{y}\\ln(1+y)-1]$", sp.cancel(rate_jump).subs(ell, L) - R)
check("no jump at the tricritical point: $M^2\\to0$", sp.limit(M2, y, 0))
check("and $R\\to0$", sp.limit(R, y, 0))

# %% [markdown]
# ## How far the living state survives
#
# Above $\tau_M$ the living state is metastable until it meets the barrier and both vanish: the *spinodal* $\tau_s$, a
# double root, $\partial_u\ell=\partial_u^2\ell=0$. With $v=1+y$ and $\kappa=1+\gamma_Wv$ this line too is explicit:
#
# $$\tau_s=\lambda\frac{1+v+2\gamma_Wv^2}{4v\kappa^3}$$
#
# $$\gamma_E=\lambda^2\frac{(1+v+2\gamma_Wv^2)(1+2\gamma_Wv)}{4\kappa^3}$$
#
# As $v$ grows from 1, $\gamma_E$ rises from $\gamma_\mathrm{tri}$ to $\lambda^2/\gamma_W$ and $\tau_s$ falls: one
# spinodal for each $\gamma_E$. Without decay of the decoder $v$ can be eliminated:
# $\tau_s=\lambda\gamma_E/(4\gamma_E-\lambda^2)$, which never falls below $\lambda/4$, and the living state is the
# larger root of a quadratic.

# %%
v = 1 + y
kappa, shared = 1 + gamma_W * v, 1 + v + 2 * gamma_W * v**2
spinodal_tau, spinodal_gamma = (
    lam * shared / (4 * v * kappa**3),
    lam**2 * shared * (1 + 2 * gamma_W * v) / (4 * kappa**3),
)
double = {q: spinodal_tau / lam, p: spinodal_tau / lam + spinodal_gamma / lam**2}
cleared = sp.expand(sp.numer(no_slope))
check("on the spinodal the slope vanishes", sp.cancel(cleared.subs(double)))
check("and the curvature", sp.cancel(sp.diff(cleared, y).subs(double)))
check("$\\tau_s$ falls with $y$", sp.factor(sp.diff(spinodal_tau, y)).is_negative)
check("$\\gamma_E$ rises with it", sp.factor(sp.diff(spinodal_gamma, y)).is_positive)
check("the spinodal starts at $\\tau_\\mathrm{tri}$", spinodal_tau.subs(y, 0) - tau_tri)
check("and at $\\gamma_\\mathrm{tri}$", spinodal_gamma.subs(y, 0) - gamma_tri)
check("and ends at $\\gamma_E=\\lambda^2/\\gamma_W$", sp.limit(spinodal_gamma, y, sp.oo) - lam**2 / gamma_W)

quadratic = sp.Poly(cubic.as_expr().subs(gamma_W, 0), u)
tau_s = lam * gamma_E / (4 * gamma_E - lam**2)
show(r"\tau_s\,\big|_{\gamma_W=0}", tau_s)
discriminant = lam**3 * P * (lam * gamma_E - tau * (4 * gamma_E - lam**2))
check(
    "without decay of the decoder the discriminant vanishes at $\\tau_s$ only",
    sp.expand(quadratic.discriminant() - discriminant),
)
living = (lam * P * (lam - 2 * tau) + sp.sqrt(discriminant)) / (2 * lam**2 * tau)
show(r"u\,\big|_{\gamma_W=0}", living)
check("and this is the living state", sp.expand(quadratic.as_expr().subs(u, living)))
check(
    "$\\tau_s-\\frac{\\lambda}{4}=\\frac{\\lambda^3}{4(4\\gamma_E-\\lambda^2)}$",
    tau_s - lam / 4 - lam**3 / (4 * (4 * gamma_E - lam**2)),
)

# %% [markdown]
# ## What to remember
#
# - $\gamma_E\le\gamma_\mathrm{tri}$: collapse at $\tau_c$, continuous, mean-field exponents (tricritical ones at
#   equality).
# - $\gamma_\mathrm{tri}<\gamma_E<\lambda^2/\gamma_W$: collapse at $\tau_M>\tau_c$ with a jump. Training that starts
#   from small weights misses the living state for $\tau_c<\tau<\tau_M$; training that comes down from a living state
#   keeps it up to $\tau_s>\tau_M$. If $\tau_c\le0$, training from small weights finds the mode dead at every price,
#   though it is better alive.
# - $\gamma_E\ge\lambda^2/\gamma_W$: the mode is dead at every price.
#
# ## The same numbers
#
# First the whole model, $d=3$ modes and $K=2$ latents in a random basis: the package's loss of arrays plus the penalty,
# minimised from random starts with gradients by differences. The best minimum is what the reduced loss gives mode by
# mode, once where collapse is continuous and once where it jumps.

# %%
import numpy as np
from scipy.optimize import brentq, minimize

from landau_vae.training.linear_vae import LinearVAE

rng = np.random.default_rng(8)


def trained(covariance, price, decay_W, decay_E, latents, start):
    """Least loss of the arrays from a start, and the squared norms of the decoder's columns."""
    d = len(covariance)

    def parts(flat):
        W, E, log_s = np.split(flat, [d * latents, 2 * d * latents])
        return W.reshape(d, latents), E.reshape(latents, d), np.exp(log_s)

    def objective(flat):
        W, E, s = parts(flat)
        base = float(LinearVAE(covariance, np.array(price), W, E, s).loss)
        return base + decay_W * (W**2).sum() / 2 + decay_E * (E**2).sum() / 2

    result = minimize(objective, start, method="BFGS", jac="3-point", options={"gtol": 1e-9})
    return result.fun, (parts(result.x)[0] ** 2).sum(axis=0)


reduced = sp.lambdify([u, lam, tau, gamma_W, gamma_E], potential)
coefficients = sp.lambdify([lam, tau, gamma_W, gamma_E], cubic.all_coeffs())


def least(variance, *parameters):
    roots = np.roots(np.trim_zeros(coefficients(variance, *parameters), "f"))
    candidates = [0.0, *(r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 0)]
    return min(reduced(c, variance, *parameters) for c in candidates)


basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
eigenvalues = np.array([2.0, 1.2, 0.5])
covariance = basis @ np.diag(eigenvalues) @ basis.T
for parameters, regime in [((0.4, 0.3, 0.2), "continuous"), ((0.3, 0.05, 1.0), "first-order")]:
    best = min(trained(covariance, *parameters, 2, rng.normal(size=14))[0] for _ in range(4))
    expected = sum(least(variance, *parameters) for variance in eigenvalues[:2]) + eigenvalues[2] / 2
    check(f"the whole model's least loss, {regime} case, agrees to $10^{{-8}}$", abs(best - expected) < 1e-8)

# %% [markdown]
# Then one mode with $\lambda=1$. In the first example collapse is unstable below $\tau_c=0.2$ but the living state is
# best at $\tau=0.3$; in the second $\tau_c<0$ and yet the living state is best at $\tau=0.1$. Minimised from both
# sides:

# %%
unit = np.eye(1)


def from_both_sides(price, decay_W, decay_E):
    dead = trained(unit, price, decay_W, decay_E, 1, np.array([0.01, 0.01, 0.0]))
    alive = trained(unit, price, decay_W, decay_E, 1, np.array([1.2, 0.5, -1.0]))
    return dead, alive


for parameters, u_expected, gain in [((0.3, 0.0, 0.8), 1.39, 0.0198), ((0.1, 0.1, 1.05), 1.52, 0.0694)]:
    (dead, _), (alive, (norm,)) = from_both_sides(*parameters)
    where = f"$\\tau={parameters[0]}$, $\\gamma_W={parameters[1]}$, $\\gamma_E={parameters[2]}$"
    check(f"at {where} small weights end in the collapsed state, to $10^{{-12}}$", abs(dead - 0.5) < 1e-12)
    check(
        f"there large ones end {gain} below it at $u={u_expected}$",
        abs(norm - u_expected) < 5e-3 and abs(dead - alive - gain) < 5e-5,
    )
    check(
        f"the reduced loss has that minimum at {where}, to $10^{{-10}}$", abs(alive - least(1.0, *parameters)) < 1e-10
    )
exact = float(living.subs({lam: 1, tau: sp.Rational(3, 10), gamma_E: sp.Rational(4, 5)}))
check(
    "and the closed form's $u$, to $10^{-6}$ (gradients by differences)",
    abs(exact - from_both_sides(0.3, 0.0, 0.8)[1][1][0]) < 1e-6,
)

# %% [markdown]
# Last the coexistence line: for $\gamma_E=0.8$ (without decay of the decoder) and $\gamma_E=1.05$ (with $\gamma_W=0.1$)
# the Maxwell price from the formula, and from minimisations alone, by bisection on the sign of the difference of the
# two minima; and the spinodal, where the living state is lost.


# %%
def difference(price, decay_W, decay_E):
    """The living minimum above the collapsed one."""
    return trained(unit, price, decay_W, decay_E, 1, np.array([1.2, 0.5, -1.0]))[0] - 0.5


for decays in [(0.0, 0.8), (0.1, 1.05)]:
    line = (maxwell_gamma - decays[1]).subs({lam: 1, gamma_W: decays[0]})
    root = brentq(sp.lambdify(y, line), 0.1, 50.0, xtol=1e-14)
    price = float(maxwell_tau.subs({lam: 1, gamma_W: decays[0], y: root}))
    measured = brentq(difference, 0.95 * price, 1.03 * price, args=decays)
    case = f"$\\gamma_W={decays[0]}$, $\\gamma_E={decays[1]}$"
    check(
        f"the Maxwell price for {case} is ${price:.4f}$; bisection agrees to $10^{{-8}}$", abs(price - measured) < 1e-8
    )
end = float(tau_s.subs({lam: 1, gamma_E: 0.8}))
nearby = np.array([1.0, 0.5, -0.9])
below, above = (trained(unit, factor * end, 0.0, 0.8, 1, nearby)[1][0] for factor in (0.99, 1.01))
check(f"the living state for $\\gamma_W=0$, $\\gamma_E=0.8$ is found below $\\tau_s={end:.4f}$", below > 0.5)
check("and is gone above it (1 % to either side)", above < 1e-10)
