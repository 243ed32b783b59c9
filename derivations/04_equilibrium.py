# %% [markdown]
# # Equilibrium: the mean-field law, three spectra, and the order of the transition
#
# **Assumed.** The loss of one mode; its collapsed point, soft mode and potential from *The collapsed point and its
# Landau expansion*. That each of the $K$ strongest modes gets a latent of its own is shown under *The landscape*.
#
# **Sought.** The state below the threshold; what it says of rate, distortion and utility; how everything behaves as
# $\tau\to\lambda$.
#
# **Source.** J. Hirn, arXiv:2605.22691: mean-field law and the coincidence of the collapse, utility and PCA spectra.

# %%
import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
theory = linear.mode_theory()
M2 = linear.signal_fraction()
rate = linear.kl(e**2 * lam, s)
distortion = sp.expand(2 * (theory.loss - tau * rate))

# %% [markdown]
# ## The branches
#
# With $e$ and $s$ eliminated the slope of the potential is a polynomial in $w$ over a positive denominator. It has
# three roots: the collapsed point, and a pair of opposite signs, one and the same model with $z$ replaced by $-z$.

# %%
branches = {branch.values[w]: branch for branch in theory.branches()}
check(
    "the stationary points are $w=0$ and $w=\\pm\\sqrt{\\lambda-\\tau}$",
    set(branches) == {0, sp.sqrt(lam - tau), -sp.sqrt(lam - tau)},
)
living, dead = branches[sp.sqrt(lam - tau)], branches[sp.Integer(0)]
at = living.values
show("(w,e,s)", sp.Matrix([[at[v] for v in (w, e, s)]]))
for variable, slope in theory.stationarity.items():
    check(f"$\\partial_{variable}=0$ there", sp.simplify(slope.subs(at)))

# %% [markdown]
# Stability, by Sylvester's criterion (leading minors of the Hessian, taken in the order $s,e,w$): the living state is a
# minimum for $\tau<\lambda$, where alone it is real. The collapsed one is a minimum for $\tau>\lambda$ and has one
# negative direction below. They exchange stability: a supercritical pitchfork.

# %%
below = {lam: tau + sp.Symbol("delta", positive=True)}
above = {tau: lam + sp.Symbol("delta", positive=True)}
for n, minor in enumerate(living.minors, start=1):
    show(rf"D_{n}^\text{{living}}", minor)
check(
    "all minors of the living state are positive for $\\tau<\\lambda$",
    all(m.subs(below).is_positive for m in living.minors),
)
check(
    "all minors of the collapsed state are positive for $\\tau>\\lambda$",
    all(sp.factor(m.subs(above)).is_positive for m in dead.minors),
)
check("below, the last one is negative and the others are not",
      [sp.factor(m.subs(below)).is_positive for m in dead.minors] == [True, True, False])  # fmt: skip

# %% [markdown]
# ## The mean-field law and what goes with it

# %%
values = {
    "M^2": sp.cancel(M2.subs(at)),
    "R": sp.expand_log(sp.cancel(rate.subs(at)), force=True),
    "D": sp.cancel(distortion.subs(at)),
    "A^2": sp.cancel(linear.second_moment().subs(at)),
}
for name, value in values.items():
    show(name, value)
check("$M^2=1-\\tau/\\lambda$, which is $1-T/T_k$ with $T_k=\\lambda/V$", values["M^2"] - (1 - tau / lam))
check("$R=\\frac{1}{2}\\ln(\\lambda/\\tau)$", values["R"] - (sp.log(lam) - sp.log(tau)) / 2)
check("the sampled reconstruction leaves $D=\\tau$, the same in every living mode", values["D"] - tau)
check("$A^2=1$: in equilibrium $M^2=\\langle\\mu^2\\rangle=1-s$", values["A^2"] - 1)

# %% [markdown]
# ## Three spectra, two utilities
#
# *Collapse spectrum*: the temperatures $T_k=\lambda_k/V$ at which modes die. *PCA spectrum*: $\lambda_k/V$ by
# definition. *Utility spectrum*: what pruning latent $k$ adds to the distortion. A pruned latent is set to its prior
# mean $z=0$, and its mode is left with $\lambda$. How much that adds depends on what is compared with:
#
# - the *sampled* reconstruction, $z$ drawn from the posterior as in the loss, which leaves $\tau$;
# - the *mean* reconstruction, $z=\mu(x)$, as a trained model is used, which leaves $\lambda(1-we)^2$: no noise, but the
#   gain $we=M^2<1$ shrinks the signal.

# %%
gain = sp.cancel((w * e).subs(at))
show("we", gain)
left_by_mean = sp.expand(lam * (1 - gain) ** 2)
posterior_mean_error = distortion.subs(s, 0)  # no posterior noise
check("the gain is the signal fraction", gain - values["M^2"])
check("the mean reconstruction leaves $\\lambda(1-we)^2$", sp.expand(posterior_mean_error - lam * (1 - w * e) ** 2))
pruned = distortion.subs({w: 0, e: 0})
utility = {"sampled": pruned - values["D"], "mean": sp.expand(pruned - left_by_mean)}
for name, value in utility.items():
    show(rf"V\,\Delta\tilde D_\text{{{name}}}", value)
check("sampled: $\\Delta\\tilde D=(\\lambda-\\tau)/V$", utility["sampled"] - (lam - tau))
check("mean: $\\Delta\\tilde D=(\\lambda-\\tau^2/\\lambda)/V$", utility["mean"] - (lam - tau**2 / lam))
check("both tend to the PCA spectrum as $\\tau\\to0$", sp.Matrix([sp.limit(u - lam, tau, 0) for u in utility.values()]))
check(
    "the mean one is closer to it: the difference is $\\tau(\\lambda-\\tau)/\\lambda\\ge0$",
    sp.expand(utility["mean"] - utility["sampled"] - tau * (lam - tau) / lam),
)

# %% [markdown]
# So the three spectra coincide in the limit $T\to0$; at finite $T$ the collapse spectrum is still exact and the
# utilities are known functions of it.
#
# ## The least loss: envelope theorem and Ehrenfest order
#
# The least loss depends on $\tau$ explicitly and through the state. The state is stationary, so only the explicit
# dependence counts: its slope is the rate.

# %%
least = sp.expand_log(sp.expand(theory.loss.subs(at)), force=True)
collapsed_loss = theory.loss.subs(theory.collapsed)
show(r"\sigma_\mathrm{dec}^2\ell_\mathrm{min}", least)
check("$d\\ell_\\mathrm{min}/d\\tau=R$ on the living branch", sp.diff(least, tau) - values["R"])
check(
    "$\\partial\\ell/\\partial\\tau=R$ at any state: the envelope theorem's explicit part",
    sp.diff(theory.loss, tau) - rate,
)
jumps = [sp.factor((sp.diff(least, tau, n) - sp.diff(collapsed_loss, tau, n)).subs(tau, lam)) for n in range(3)]
show(r"\left(\Delta\ell,\Delta\ell',\Delta\ell''\right)_{\tau=\lambda}", sp.Matrix([jumps]))
check("the least loss is continuous at $\\tau=\\lambda$", jumps[0])
check("so is its slope, the rate", jumps[1])
check("the second derivative jumps, by $-1/(2\\lambda)$: second order in Ehrenfest's sense", jumps[2] + 1 / (2 * lam))

# %% [markdown]
# ## Critical exponents
#
# With $t=1-\tau/\lambda$. From the Landau expansion, where $a_2$ has a simple zero and $a_4$ is positive, the engine
# reads off the exponents of any such transition; the exact branch has the same.

# %%
t = sp.Symbol("t", positive=True)
near = {tau: lam * (1 - t)}
expansion = theory.expansion(4)
for name, exponent in expansion.exponents.items():
    show(rf"\text{{{name}}}", exponent)
check("order parameter $w\\sim t^{1/2}$: $w^2=\\lambda t$ exactly", sp.expand(at[w] ** 2).subs(near) - lam * t)
check("so $M^2=t$ exactly", sp.expand(values["M^2"].subs(near)) - t)
check(
    "rate: $R=-\\frac{1}{2}\\ln(1-t)\\sim\\frac{1}{2}t$, exponent 1",
    sp.limit(values["R"].subs(near) / t, t, 0) - sp.Rational(1, 2),
)
gain_of_loss = sp.expand_log(sp.expand((collapsed_loss - least).subs(near)), force=True)
check("gain of the loss: $\\frac{\\lambda}{4}t^2$, exponent 2", sp.limit(gain_of_loss / t**2, t, 0) - lam / 4)
check("the engine's exponents are $\\frac{1}{2}$, 1, $\\frac{1}{3}$ and 2",
      list(expansion.exponents.values()) == [sp.Rational(1, 2), 1, sp.Rational(1, 3), 2])  # fmt: skip

# %% [markdown]
# *Susceptibility.* A field $h$ that pulls at the decoder, $-hw$ added to the loss, moves a stable state by
# $\chi=\partial w/\partial h=(H^{-1})_{ww}$. It diverges like $1/\lvert t\rvert$ on both sides, with twice the
# amplitude on the collapsed side, as in any mean-field theory. At the threshold itself $\partial_w$ of $a_4w^4$
# balances the field: $w\sim h^{1/3}$.

# %%
size = sp.Symbol("|t|", positive=True)


def susceptibility(branch, side):
    H = branch.hessian
    cofactor = H[1:, 1:].det()  # of the (w, w) entry
    return sp.factor((cofactor / H.det()).subs(tau, lam * (1 + size if side == "above" else 1 - size)))


chi = {"above": susceptibility(dead, "above"), "below": susceptibility(living, "below")}
for side, value in chi.items():
    show(rf"\chi_\text{{{side}}}", value)
amplitudes = {side: sp.limit(value * size, size, 0) for side, value in chi.items()}
check(
    "$\\chi\\approx1/\\lvert t\\rvert$ above and $1/(2\\lvert t\\rvert)$ below the threshold",
    sp.Matrix([amplitudes["above"] - 1, amplitudes["below"] - sp.Rational(1, 2)]),
)

# %% [markdown]
# *Relaxation.* Gradient flow returns to a state at the rates that are the eigenvalues of its Hessian. The determinant
# vanishes like $t$ while the fast rates stay finite, so the slowest rate vanishes like $t$ and the relaxation time
# diverges like $1/\lvert t\rvert$ (*Gradient flow* has the amplitudes).

# %%
determinant = sp.factor(living.hessian.det().subs(near))
show(r"\det H_\text{living}", determinant)
check(
    "the determinant of the living state's Hessian has a simple zero in $t$", sp.limit(determinant / t, t, 0) - lam**3
)
others = sp.factor(living.hessian[1:, 1:].det().subs(near).subs(t, 0))
check("and its fast block stays stiff at the threshold", others.is_positive)

# %% [markdown]
# ## Thirty digits at $1-T/T_k=10^{-10}$
#
# So close to the threshold ordinary arithmetic sees nothing. With 80 digits the three stationarity conditions are
# solved for $(w,e,s)$ as they come from the loss, with no use of the results above, by Newton's method from a start
# that is wrong by a tenth.

# %%
import mpmath

lam0 = sp.Rational(7, 3)


def solved(t0, field=0):
    """The living state at τ = λ(1 − t₀), in a field h."""
    loss = (theory.loss - field * w).subs({lam: lam0, tau: lam0 * (1 - t0)})
    slopes = sp.lambdify([w, e, s], [sp.diff(loss, v) for v in (w, e, s)], "mpmath")
    root = mpmath.sqrt(mpmath.mpf(lam0.p) / lam0.q * mpmath.mpf(t0.p) / t0.q)
    guess = [1.1 * root, 1.1 * root * lam0.q / lam0.p, mpmath.mpf(1)]
    return mpmath.findroot(slopes, guess, tol=1e-140, maxsteps=100)


def agrees(value, expected):
    return abs(value / expected - 1) < mpmath.mpf(10) ** -30


with mpmath.workdps(80):
    t0, big = sp.Rational(1, 10**10), mpmath.mpf(10)
    state, other = solved(t0), solved(2 * t0)
    fraction = sp.lambdify([lam, w, e, s], M2, "mpmath")(mpmath.mpf(7) / 3, *state)
    nats = sp.lambdify([lam, w, e, s], rate, "mpmath")(mpmath.mpf(7) / 3, *state)
    check("$M^2=10^{-10}$ to 30 digits", agrees(fraction, big**-10))
    check("$R=-\\frac{1}{2}\\ln(1-10^{-10})$ to 30 digits", agrees(nats, -mpmath.log1p(-(big**-10)) / 2))
    check(
        "the slope of $\\ln w$ in $\\ln t$ between $10^{-10}$ and $2\\cdot10^{-10}$ is $\\frac{1}{2}$ to 30 digits",
        agrees(mpmath.log(other[0] / state[0]) / mpmath.log(2), mpmath.mpf(1) / 2),
    )
    h = sp.Rational(1, 10**58)
    response = (solved(t0, h)[0] - solved(t0, -h)[0]) / 2 * big**58
    expected = sp.lambdify([lam, size], chi["below"], "mpmath")(mpmath.mpf(7) / 3, big**-10)
    check("the measured response to a field is $\\chi$ to 30 digits", agrees(response, expected))

# %% [markdown]
# ## The same numbers
#
# The package computes its equilibria from these formulas written in NumPy; here SymPy's own are evaluated on a random
# spectrum.

# %%
import numpy as np

import landau_vae as lv

eigenvalues = np.sort(np.random.default_rng(4).uniform(0.05, 4.0, 15))[::-1]
price = 0.8
state = lv.equilibrium(lv.Spectrum.from_eigenvalues(eigenvalues), lv.Loss.gaussian(beta=price))
alive = eigenvalues > price


def close(name, formula, numbers):
    exact = sp.lambdify([lam, tau], formula)(eigenvalues[alive], price) * np.ones(alive.sum())
    check(f"{name} agree to $10^{{-12}}$", np.allclose(exact, numbers[alive], rtol=1e-12, atol=1e-12))


total = eigenvalues.sum()
close("signal fractions", values["M^2"], state.signal_fraction)
close("posterior variances", at[s], state.posterior_variance)
close("decoder norms", at[w], state.decoder_norm)
close("rates", values["R"], state.rate)
close("distortions", values["D"] / total, state.distortion)
for name, value in utility.items():
    close(f"utilities of the {name} reconstruction", value / total, state.utility(name))
check("modes below the price are dead", not state.signal_fraction[~alive].any())
free = sp.lambdify([lam, tau], least)(eigenvalues[alive], price).sum() + eigenvalues[~alive].sum() / 2
check("the least losses agree to $10^{-12}$", abs(free / float(state.free_energy) - 1) < 1e-12)
