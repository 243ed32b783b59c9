# %% [markdown]
# # The collapsed point and its Landau expansion
#
# **Assumed.** The loss of one mode of variance $\lambda$ at price $\tau$, from *The loss, from Gaussian integrals*:
# decoder amplitude $w$, encoder amplitude $e$, posterior variance $s$.
#
# **Sought.** Where the collapsed state $w=e=0$, $s=1$ (the latent carries nothing) loses its stability as $\tau$ falls,
# and what the loss looks like around it, to any order.
#
# **Sources.** Threshold and mean-field law: J. Hirn, arXiv:2605.22691. The Hessian at $\beta=1$: Lucas et al.,
# arXiv:1911.02469.

# %%
import sympy as sp

from landau_vae.symbolic import Landau, linear
from landau_vae.symbolic.page import check, option, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
theory = linear.mode_theory()
show(r"\sigma_\mathrm{dec}^2\,\ell", theory.loss)

# %% [markdown]
# ## Stationary, but is it stable?
#
# The three conditions for an equilibrium, and the Hessian at the collapsed point in the order $(w, e, s)$:

# %%
for variable, slope in theory.stationarity.items():
    show(rf"\partial_{variable}", sp.collect(sp.expand(slope), [w, e]))
H = theory.hessian()
show("H", H)
check("the collapsed point is stationary", sp.Matrix(list(theory.stationarity.values())).subs(theory.collapsed))
check("its Hessian couples $w$ and $e$ only", H - sp.Matrix([[1, -lam, 0], [-lam, tau * lam, 0], [0, 0, tau / 2]]))

# %% [markdown]
# The posterior variance is stiff at any price. In the $(w,e)$ block the trace is positive, so stability hangs on the
# determinant alone: the collapsed state is a minimum for $\tau>\lambda$ and a saddle for $\tau<\lambda$. At
# $\tau=\lambda$ one direction has no curvature, the *soft mode*: decoder and encoder grow together.

# %%
block = H[:2, :2]
show(r"\det H_{we}", sp.factor(block.det()))
check("$\\det H_{we}=\\lambda(\\tau-\\lambda)$", block.det() - lam * (tau - lam))
check("its trace is positive", block.trace().is_positive)
check("the threshold is $\\tau_c=\\lambda$", theory.threshold - lam)
show(r"(w,e,s)_\mathrm{soft}", sp.Matrix([[theory.soft_mode[v] for v in (w, e, s)]]))
check("the soft mode is $w=\\lambda e$", theory.soft_mode[w] - lam * theory.soft_mode[e])
check(
    "and the Hessian annihilates it at the threshold",
    H.subs(tau, lam) * sp.Matrix([theory.soft_mode[v] for v in (w, e, s)]),
)

# %% [markdown]
# The full model has such a block for every pair of a latent and a mode, and nothing couples two pairs: at the collapsed
# point the Hessian of the model with $d=3$ modes and $K=2$ latents is made of $3\times2$ blocks, each with its own
# threshold $\lambda_j$.

# %%
W, E, variances = linear.variables(3, 2)
modes = linear.mode_variances(3)
pairs = [(W[j, k], E[k, j]) for j in range(3) for k in range(2)]
full = sp.hessian(linear.loss(W, E, variances, sp.diag(*modes)), [*sum(pairs, ()), *variances])
full = full.subs(dict.fromkeys([*W, *E], 0) | dict.fromkeys(variances, 1))
blocks = sp.diag(*(block.subs(lam, modes[j]) for j in range(3) for _ in range(2)), tau / 2, tau / 2)
check("the collapsed Hessian of the full model ($d=3$, $K=2$) is made of these blocks", full - blocks)

# %% [markdown]
# ## Landau expansion in the decoder amplitude
#
# Take $w$ as the slow amplitude. The other two follow it: solving $\partial_e=\partial_s=0$ gives them in closed form,
# and putting them back leaves a potential in $w$ alone.

# %%
fast = theory.exact_elimination()
show("e(w)", fast[e])
show("s(w)", fast[s])
check("$e=w/(\\tau+w^2)$", fast[e] - w / (tau + w**2))
check("$s=\\tau/(\\tau+w^2)$", fast[s] - tau / (tau + w**2))
potential = theory.exact_potential()
closed = lam * tau / (2 * (tau + w**2)) + tau * sp.log(1 + w**2 / tau) / 2
show(r"\sigma_\mathrm{dec}^2\,\ell(w)", closed)
check("the reduced loss is $\\frac{\\lambda\\tau}{2(\\tau+w^2)}+\\frac{\\tau}{2}\\ln(1+w^2/\\tau)$", potential - closed)

# %% [markdown]
# Its expansion $\sum_n a_n w^n$ can be had from this closed form, or without it, order by order: write $e$ and $s$ as
# power series with unknown coefficients, put them into $\partial_e=\partial_s=0$, and solve for one order after the
# other, each time a linear equation with the stiff block of the Hessian. Because the loss is stationary in $e$ and $s$,
# an error of order $n+1$ in them moves the potential at order $2n+2$ only. The second way works for losses without a
# closed form; here both must agree.

# %%
order = option("order", 8)
expansion = theory.expansion(order)
for n, coefficient in expansion.coefficients.items():
    show(f"a_{{{n}}}", coefficient)
u = sp.Symbol("u", positive=True)  # w²
series = sp.series((lam * tau / (tau + u) + tau * sp.log(1 + u / tau)) / 2, u, 0, order // 2 + 1).removeO()
check(
    f"the expansion order by order is the series of the closed form, to order {order}",
    expansion.potential - series.subs(u, w**2) + lam / 2,
)
check(
    f"$a_{{2n}}=(-1)^n (n\\lambda-\\tau)/(2n\\tau^n)$ for all $2n\\le{order}$",
    all(c == sp.factor((-1) ** (n // 2) * (n // 2 * lam - tau) / (n * tau ** (n // 2)))
        for n, c in expansion.coefficients.items()),
)  # fmt: skip
at_threshold = expansion.at_threshold
show(r"\sigma_\mathrm{dec}^2\,\Delta\ell\,\big|_{\tau=\lambda}", sum(c * w**n for n, c in at_threshold.items()))
check("$a_2$ changes sign at $\\tau=\\lambda$", sp.factor(expansion.coefficients[2]) - (tau - lam) / (2 * tau))
if order >= 4:
    check("at the threshold $a_4=1/(4\\lambda)$", at_threshold[4] - 1 / (4 * lam))
    check("which is positive: a supercritical pitchfork, a second-order transition", expansion.kind == "supercritical")

# %% [markdown]
# ## The exact potential in the order parameter
#
# An expansion says nothing of what happens far away. Take the signal fraction $M^2=\langle\mu^2\rangle/A^2$, with
# $A^2=\langle\mu^2\rangle+s$, as the slow variable instead of $w$. In place of $(w,e,s)$ use $(m, g, A^2)$: the signal
# amplitude $m=M$, the reconstruction amplitude $g=wA$, and the scale $A^2$ of the latent, so that
#
# $$e=Am/\sqrt\lambda,\qquad s=A^2(1-m^2),\qquad w=g/A$$
#
# The loss then falls into three parts with nothing in common but $m$: squared error in $(m,g)$, the cost of a scale
# other than 1, and the cost of signal.

# %%
m, g = sp.symbols("m g", real=True)
q, A2 = sp.symbols("q A^2", positive=True)  # q = m²
invariants = {w: g / sp.sqrt(A2), e: sp.sqrt(A2) * m / sp.sqrt(lam), s: A2 * (1 - m**2)}
in_m = sp.expand(sp.expand_log(theory.loss.subs(invariants, simultaneous=True), force=True))
parts = [(lam - 2 * g * m * sp.sqrt(lam) + g**2) / 2, tau * (A2 - 1 - sp.log(A2)) / 2, -tau * sp.log(1 - m**2) / 2]
show(r"\sigma_\mathrm{dec}^2\,\ell(m,g,A^2)", sp.Add(*parts, evaluate=False))
check("the loss is the sum of these three parts", in_m - sum(parts))
check("$m^2$ is the signal fraction", linear.signal_fraction().subs(invariants, simultaneous=True) - m**2)

# %% [markdown]
# The first part is least at $g=m\sqrt\lambda$, where it is $\frac{1}{2}\lambda(1-m^2)$; the second is convex and least
# at $A^2=1$, where it vanishes. Eliminated without any approximation, they leave

# %%
in_invariants = Landau(in_m, m, (g, A2), tau, collapsed={m: 0, g: 0, A2: 1}, symmetry={m: -m, g: -g})
fast_invariants = in_invariants.exact_elimination()
check("the best reconstruction amplitude is $g=m\\sqrt\\lambda$", fast_invariants[g] - m * sp.sqrt(lam))
check("the best scale is $A^2=1$", fast_invariants[A2] - 1)
landau = lam * (1 - q) / 2 - tau * sp.log(1 - q) / 2
show(r"\sigma_\mathrm{dec}^2\,\ell(m)", landau.subs(q, m**2))
check(
    "$\\sigma_\\mathrm{dec}^2\\ell=\\frac{1}{2}\\lambda-\\frac{1}{2}\\lambda M^2-\\frac{\\tau}{2}\\ln(1-M^2)$",
    in_invariants.exact_potential() - landau.subs(q, m**2),
)
check("the same threshold as before", in_invariants.threshold - theory.threshold)

# %% [markdown]
# **A remark.** The potential in $w$ is the same function of another variable, the gain $we=w^2/(\tau+w^2)$ of the best
# encoder of a given decoder. Gain and signal fraction are equal in equilibrium, and only there: off equilibrium the two
# potentials are two different cuts through the loss, with the same stationary points and the same values there.

# %%
gain = sp.cancel(w * fast[e])
check("in the gain the reduced loss has the same form", sp.log(1 - gain) + sp.log(1 + w**2 / tau))
off = sp.factor(linear.signal_fraction().subs(fast) - gain)
show(r"M^2-we", off)
check("signal fraction and gain agree where $w^2=\\lambda-\\tau$", off.subs(w, sp.sqrt(lam - tau)))

# %% [markdown]
# Divided by the total variance $V$, with $T=\tau/V$ and $T_k=\lambda/V$, this is
# $f(m)=\frac{1}{2}(T-T_k)m^2+\frac{T}{4}m^4+\frac{T}{6}m^6+\dots$ above the collapsed value: the quadratic coefficient
# changes sign at $T_k$, every other one is positive. As a function of $q=m^2$ it is strictly convex, so at each price
# there is one minimum, which leaves $q=0$ at $\tau=\lambda$ without a jump. The transition is continuous not only
# locally: there is nothing to jump to.

# %%
T, Tk = sp.symbols("T T_k", positive=True)
f = sp.series((-Tk * q - T * sp.log(1 - q)) / 2, q, 0, order // 2 + 1).removeO().subs(q, m**2)
show("f(m)", sp.collect(sp.expand(f), m))
check(
    "every coefficient beyond the quadratic one is positive",
    all(f.coeff(m, n).is_positive for n in range(4, order + 1, 2)),
)
bend = sp.factor(sp.diff(landau, q, 2))
show(r"\partial^2\ell/\partial q^2", bend)
check("the potential is strictly convex in $q=M^2$", sp.cancel(bend * (1 - q) ** 2).is_positive)
check("its minimum is at $M^2=1-\\tau/\\lambda$", sp.solve(sp.diff(landau, q), q)[0] - (1 - tau / lam))

# %% [markdown]
# ## The same numbers
#
# The thresholds that the package returns for a spectrum are this formula's, and the potential's minimum is its signal
# fraction.

# %%
import numpy as np

import landau_vae as lv

spectrum = lv.Spectrum.from_eigenvalues(np.random.default_rng(2).uniform(0.1, 5.0, 12))
loss = lv.Loss.gaussian(beta=1.3)
threshold = sp.lambdify(lam, theory.threshold)(spectrum.eigenvalues)
check(
    "thresholds of a random spectrum agree to $10^{-12}$",
    np.allclose(lv.transitions(spectrum, loss).price, threshold, rtol=1e-12, atol=0),
)
minimum = sp.lambdify([lam, tau], sp.Max(0, sp.solve(sp.diff(landau, q), q)[0]))(spectrum.eigenvalues, 1.3)
check(
    "signal fractions agree to $10^{-12}$",
    np.allclose(lv.equilibrium(spectrum, loss).signal_fraction, minimum, rtol=0, atol=1e-12),
)
