# %% [markdown]
# # Two-level hierarchy
#
# **Assumed.** Two levels of latents, $x\leftarrow z_1\leftarrow z_2$, all maps linear, all distributions Gaussian. For
# one mode of variance $\lambda$ of centred data: $q(z_1|x)=\mathcal N(v_1x,s_1)$ with a *given* variance $s_1$,
# $q(z_2|z_1)=\mathcal N(v_2z_1,s_2)$ with $s_2$ learned, decoders $p(x|z_1)=\mathcal N(w_1z_1,\sigma^2)$ and
# $p(z_1|z_2)=\mathcal N(w_2z_2,\sigma^2)$ with the same $\sigma^2=\sigma_\mathrm{dec}^2$, prior
# $p(z_2)=\mathcal N(0,1)$. Two weights: $\beta_1$ for the divergence at the first level, $\beta_2$ at the second.
# ($s_1$ and $s_2$ are variances, often written $\sigma_1^2$ and $\sigma_2^2$.)
#
# **Sought.** Which of the two levels is alive, how strongly, and what kind of transitions lie in between.
#
# **Sources.** The model, its thresholds and amplitudes: Dang et al., arXiv:2306.05023. The derivation below is another
# one: it reduces the model to the linear mode of *The collapsed point and its Landau expansion*.

# %%
import sympy as sp

from landau_vae.symbolic import gaussian_mean, hierarchy, linear
from landau_vae.symbolic.hierarchy import beta1, beta2, collapsed, s1, s2, v1, v2, w1, w2
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
S = hierarchy.sigma**2
loss = hierarchy.mode_loss()

# %% [markdown]
# ## The loss
#
# $$\sigma^2\ell=\tfrac{1}{2}\langle(x-w_1z_1)^2\rangle+\beta_1\sigma^2R_1+\beta_2\sigma^2R_2$$
#
# $$R_1=\langle \ln q(z_1|x)-\ln p(z_1|z_2)\rangle,\qquad R_2=\langle\mathrm{KL}(q(z_2|z_1)\mid p(z_2))\rangle$$
#
# The averages are joint: $x$ from the data, then $z_1=v_1x+\sqrt{s_1}\varepsilon_1$, then
# $z_2=v_2z_1+\sqrt{s_2}\varepsilon_2$ from this very $z_1$. $R_1$ is usually written as the divergence
# $\mathrm{KL}(q(z_1|x)\mid p(z_1|z_2))$. As $z_2$ comes from $z_1$, it is no divergence for each $z_2$, and may be
# negative; $R_1+R_2$, the divergence of $q(z_1,z_2|x)$ from $p(z_1,z_2)$, may not. As in *The loss, from Gaussian
# integrals*, only the variance of $x$ enters, and modes decouple: flipping the sign of a mode together with its two
# latents changes nothing, so no force mixes them. (That no mixture of modes does better is not shown here.)

# %%
x, first_noise, second_noise = sp.symbols("x epsilon1 epsilon2", real=True)
z1 = v1 * x + sp.sqrt(s1) * first_noise
z2 = v2 * z1 + sp.sqrt(s2) * second_noise


def mean(expression):
    moments = {(x, x): lam, (first_noise, first_noise): 1, (second_noise, second_noise): 1}
    return gaussian_mean(sp.expand(expression), [x, first_noise, second_noise], moments)


def log_density(value, centre, variance):
    """ln N(value; centre, variance), without −½ ln 2π."""
    return -sp.log(variance) / 2 - (value - centre) ** 2 / (2 * variance)


error = mean((x - w1 * z1) ** 2)
first_rate = mean(log_density(z1, v1 * x, s1) - log_density(z1, w2 * z2, S))
second_rate = mean(log_density(z2, v2 * z1, s2) - log_density(z2, 0, sp.Integer(1)))
check(
    "the loss is the average of these logarithms of densities",
    loss - error / 2 - S * (beta1 * first_rate + beta2 * second_rate),
)
show(r"\langle(x-w_1z_1)^2\rangle", sp.collect(error, w1))
show(r"\langle(z_1-w_2z_2)^2\rangle", sp.collect(mean((z1 - w2 * z2) ** 2), w2))
second_moment = v1**2 * lam + s1
check(
    "$\\langle(z_1-w_2z_2)^2\\rangle=A(1-w_2v_2)^2+w_2^2s_2$ with $A=v_1^2\\lambda+s_1$",
    mean((z1 - w2 * z2) ** 2) - second_moment * (1 - w2 * v2) ** 2 - w2**2 * s2,
)
check("$\\langle z_1^2\\rangle=A$", mean(z1**2) - second_moment)

# %% [markdown]
# ## Seen from the first level, the second is a linear VAE
#
# The second level sees of the first only the variance of its data $z_1$,
#
# $$A=\langle z_1^2\rangle=v_1^2\lambda+s_1$$
#
# and encodes and decodes $z_1$ as the linear model does $x$. Collect the terms: up to a constant, the loss is half the
# squared error of the first level plus $\beta_1$ times the loss of a linear mode of variance $A$ at the price
#
# $$\tau_2=\beta_2\sigma^2/\beta_1$$

# %%
a, tau2 = sp.symbols("A tau_2", positive=True)
price = beta2 * S / beta1
as_mode = {lam: second_moment, tau: price, w: w2, e: v2, s: s2}
second_level = linear.mode_loss().subs(as_mode, simultaneous=True)
constant = -beta1 * S * (1 + sp.log(s1 / S)) / 2
check(
    "the loss is half the first squared error plus $\\beta_1$ times the loss of that linear mode, and a constant",
    sp.expand_log(sp.expand(loss - error / 2 - beta1 * second_level - constant), force=True),
)

# %% [markdown]
# Now eliminate all but $A$. At the second level that has been done on the earlier page: its loss is
# $\varphi(A)=\frac{1}{2}A$ if it is dead, which it is for $A\le\tau_2$, and $\frac{\tau_2}{2}(1+\ln(A/\tau_2))$ for
# $A>\tau_2$. At the first level complete the square in $w_1$: the squared error is $\lambda s_1/A$ at
# $w_1=v_1\lambda/A$. With $v_1^2=(A-s_1)/\lambda$ the whole problem is one-dimensional:
#
# $$\sigma^2F(A)=\frac{\lambda s_1}{2A}+\beta_1\varphi(A),\qquad A\ge s_1$$

# %%
linear_theory = linear.mode_theory()
live = linear_theory.branches()[-1].values
seen = {lam: a, tau: tau2}
phi_dead = linear_theory.loss.subs(linear_theory.collapsed).subs(seen)
phi_live = sp.expand_log(sp.expand(linear_theory.loss.subs(live)), force=True).subs(seen)
check("a dead second level costs $\\varphi=\\frac{1}{2}A$", phi_dead - a / 2)
check("a live one $\\varphi=\\frac{\\tau_2}{2}(1+\\ln(A/\\tau_2))$", phi_live - tau2 * (1 + sp.log(a / tau2)) / 2)
square = second_moment * (w1 - v1 * lam / second_moment) ** 2
check("the squared error is $\\lambda s_1/A+A(w_1-v_1\\lambda/A)^2$", error - lam * s1 / second_moment - square)
F_dead, F_live = (lam * s1 / (2 * a) + beta1 * phi for phi in (phi_dead, phi_live))
show(r"\sigma^2F\big|_{A\le\tau_2}", F_dead)
show(r"\sigma^2F\big|_{A\ge\tau_2}", F_live)

# %% [markdown]
# ## One minimum, always
#
# Take $\ln A$ as the variable. On both sides of $\tau_2$ the second derivative of $F$ is positive; at $\tau_2$ value
# and slope are continuous. So $F$ is strictly convex in $\ln A$: it has one minimum on $A\ge s_1$, and as the
# parameters vary, the minimum moves continuously. There is no second state to jump to: every transition of this model
# is continuous.

# %%
for name, F in (("dead", F_dead), ("live", F_live)):
    bend = sp.expand(a * sp.diff(a * sp.diff(F, a), a))
    check(f"$F$ is strictly convex in $\\ln A$, second level {name}", bend.is_positive)
difference = F_live - F_dead
check("value and slope are continuous at $A=\\tau_2$", sp.Matrix([difference, sp.diff(difference, a)]).subs(a, tau2))

# %% [markdown]
# ## Four phases
#
# The minimum lies at the wall $A=s_1$ (then $v_1=0$: the first level is dead) or where $F$ is flat. On the branch
# without the second level that is at $A=\sqrt{\lambda s_1/\beta_1}$, on the branch with it at
# $A=\lambda s_1/(\beta_2\sigma^2)$. Which one it is hangs on two numbers,
#
# $$\xi=\frac{s_1}{\tau_2}=\frac{\beta_1s_1}{\beta_2\sigma^2},\qquad\eta=\frac{\lambda}{\beta_2\sigma^2}$$
#
# - **Both dead**, $\xi<1$ and $\eta<\xi$ (that is $\lambda<\beta_1s_1$): $A=s_1$, below $\tau_2$.
# - **First alone**, $\xi<1$ and $\xi<\eta<1/\xi$ (that is $\beta_1s_1<\lambda<\beta_2^2\sigma^4/(\beta_1s_1)$):
#   $A=\sqrt{\lambda s_1/\beta_1}$, between $s_1$ and $\tau_2$.
# - **Both alive**, $\eta>1$ and $\eta>1/\xi$: $A=\lambda s_1/(\beta_2\sigma^2)$, above $s_1$ and $\tau_2$.
# - **Second alone**, $\xi>1$ and $\eta<1$ (that is $\lambda<\beta_2\sigma^2$): $A=s_1$, above $\tau_2$. The second
#   level encodes the noise of the first.
#
# For $s_1\ge\tau_2$ the first level lives iff $\lambda>\beta_2\sigma^2$, whatever $\beta_1$ and $s_1$; for $s_1<\tau_2$
# it lives iff $\lambda>\beta_1s_1$, and the second joins it at $\lambda=\beta_2^2\sigma^4/(\beta_1s_1)$. The four
# phases meet in one point, $\xi=\eta=1$.

# %%
A_first, A_both = sp.sqrt(lam * s1 / beta1), lam * s1 / (beta2 * S)
show(r"A\ (\mathrm{first\ alone})", A_first)
show(r"A\ (\mathrm{both})", A_both)
check("$F$ without the second level is flat at $A=\\sqrt{\\lambda s_1/\\beta_1}$", sp.diff(F_dead, a).subs(a, A_first))
check("with it at $A=\\lambda s_1/(\\beta_2\\sigma^2)$", sp.diff(F_live.subs(tau2, price), a).subs(a, A_both))
xi, eta, step = sp.symbols("xi eta delta", positive=True)
numbers = {s1: xi * price, lam: eta * beta2 * S}
first, both, wall = (  # in units of τ₂
    sp.simplify(value.subs(numbers, simultaneous=True) / price) for value in (A_first, A_both, s1)
)
check("in units of $\\tau_2$ the first is $\\sqrt{\\xi\\eta}$", first**2 - xi * eta)
check("the second $\\xi\\eta$, the wall $\\xi$", sp.Matrix([both - xi * eta, wall - xi]))
at_wall = [(2 * sp.diff(F, a) / beta1).subs(a, s1).subs(tau2, price).subs(numbers) for F in (F_dead, F_live)]
slopes = [sp.simplify(value) for value in at_wall]
check("the slope at the wall, second level dead, has the sign of $\\xi-\\eta$", slopes[0] - (1 - eta / xi))
check("and with it alive, that of $1-\\eta$", slopes[1] - (1 - eta) / xi)
inside = sp.factor(1 - first.subs(eta, 1 / (xi * (1 + step))) ** 2)
outside = sp.factor(both.subs(eta, (1 + step) / xi) - 1)
check("$\\sqrt{\\xi\\eta}<1$ for $\\eta<1/\\xi$: put $\\eta=1/(\\xi(1+\\delta))$", inside.is_positive)
check("$\\xi\\eta>1$ for $\\eta>1/\\xi$: put $\\eta=(1+\\delta)/\\xi$", outside.is_positive)

# %% [markdown]
# Everything else follows from $A$. The first level has $v_1^2=(A-s_1)/\lambda$ and $w_1=v_1\lambda/A$; the second,
# where it lives, $w_2^2=A-\tau_2$, $v_2=w_2/A$ and $s_2=\tau_2/A$. (Signs are free, one per level.) The squares of the
# amplitudes in the phases with a live first level:

# %%
first_alone = {"v_1^2": (A_first - s1) / lam, "w_1^2": (A_first - s1) * lam / A_first**2}
both_alive = {
    "v_1^2": (A_both - s1) / lam, "w_1^2": (A_both - s1) * lam / A_both**2,
    "w_2^2": A_both - price, "v_2^2": (A_both - price) / A_both**2, "s_2": price / A_both,
}  # fmt: skip
for phase, amplitudes in ((r"first\ alone", first_alone), (r"both", both_alive)):
    for name, value in amplitudes.items():
        show(rf"{name}\ (\mathrm{{{phase}}})", sp.expand(value))
t = sp.Symbol("t", positive=True)


def stationary(phase_moment, second_is_alive, parameters):
    """The slopes of the whole loss at the amplitudes that belong to A."""
    signal = sp.sqrt(phase_moment - s1)
    amplitude = sp.sqrt(phase_moment - price) if second_is_alive else sp.Integer(0)
    point = {v1: signal / sp.sqrt(lam), w1: signal * sp.sqrt(lam) / phase_moment}
    point |= {
        w2: amplitude,
        v2: amplitude / phase_moment,
        s2: price / phase_moment if second_is_alive else sp.Integer(1),
    }
    slopes = sp.Matrix([sp.diff(loss, variable).subs(point) for variable in (w1, v1, w2, v2, s2)])
    return slopes.subs(parameters, simultaneous=True).applyfunc(sp.simplify)


check("both dead: the whole loss is stationary", stationary(s1, False, {}))
check("first alone: the whole loss is stationary", stationary(A_first, False, {lam: t**2 * beta1 * s1}))
check("both alive: the whole loss is stationary", stationary(A_both, True, {}))
check("second alone: the whole loss is stationary", stationary(s1, True, {}))

# %% [markdown]
# At every border the two expressions for $A$ agree, and with them all amplitudes: nothing jumps.

# %%
meet = beta2**2 * S**2 / (beta1 * s1)
check("both dead | first alone, at $\\lambda=\\beta_1s_1$: $A=s_1$", A_first.subs(lam, beta1 * s1) - s1)
both_ways = sp.Matrix([A_first - price, A_both - price]).subs(lam, meet).applyfunc(sp.simplify)
check("first alone | both alive, at $\\lambda=\\beta_2^2\\sigma^4/(\\beta_1s_1)$: $A=\\tau_2$", both_ways)
check("second alone | both alive, at $\\lambda=\\beta_2\\sigma^2$: $A=s_1$", A_both.subs(lam, beta2 * S) - s1)
check("both dead | second alone, at $s_1=\\tau_2$: $w_2=0$", (s1 - price).subs(s1, price))
borders = sp.Matrix([beta1 * s1, meet]).subs(s1, price) - sp.Matrix([beta2 * S, beta2 * S])
check("at $s_1=\\tau_2$ all thresholds in $\\lambda$ are $\\beta_2\\sigma^2$: the four phases meet", borders)

# %% [markdown]
# ## Order parameters
#
# The signal fractions of the two levels are $M_1^2=v_1^2\lambda/A=1-s_1/A$ and $M_2^2=v_2^2A/(v_2^2A+s_2)$, which is
# $1-\tau_2/A$ where the second level lives. In the four phases:
#
# - first alone: $M_1^2=1-\sqrt{\beta_1s_1/\lambda}$, the soft threshold of a *given* encoder variance; the squared
#   error is $\sqrt{\beta_1s_1\lambda}$.
# - both alive: $M_1^2=1-\beta_2\sigma^2/\lambda$, the mean-field law of an ordinary VAE at the price $\beta_2\sigma^2$,
#   and the squared error is $\beta_2\sigma^2$: neither $\beta_1$ nor $s_1$ is left in it.
#   $M_2^2=1-\beta_2^2\sigma^4/(\beta_1s_1\lambda)$.
# - second alone: $M_2^2=1-\tau_2/s_1$, with $M_1^2=0$.
#
# The second level's signal is $z_1$, not $x$. Of the variance of $z_2$ the share $M_1^2M_2^2$ comes from the data, so
# where the second level is alone, it is alive by any measure of its own, its rate is positive, and it says nothing of
# $x$.

# %%
check("$v_1^2\\lambda/A=1-s_1/A$", v1**2 * lam / second_moment - (1 - s1 / second_moment))
share = v2**2 * a / (v2**2 * a + s2)
of_live = share.subs({v2: live[e].subs(seen), s2: live[s].subs(seen)})
check("with the second level live, $M_2^2=1-\\tau_2/A$", of_live - (1 - tau2 / a))
fractions = [1 - s1 / A_first, 1 - s1 / A_both, 1 - price / A_both]
check("first alone: $M_1^2=1-\\sqrt{\\beta_1s_1/\\lambda}$", fractions[0] - 1 + sp.sqrt(beta1 * s1 / lam))
check("its squared error is $\\sqrt{\\beta_1s_1\\lambda}$", lam * s1 / A_first - sp.sqrt(beta1 * s1 * lam))
check("both alive: $M_1^2=1-\\beta_2\\sigma^2/\\lambda$", fractions[1] - 1 + beta2 * S / lam)
check("the squared error is $\\beta_2\\sigma^2$", lam * s1 / A_both - beta2 * S)
check("$M_2^2=1-\\beta_2^2\\sigma^4/(\\beta_1s_1\\lambda)$", fractions[2] - 1 + meet / lam)
from_data = v2**2 * v1**2 * lam / mean(z2**2)
product = v1**2 * lam / second_moment * share.subs(a, second_moment)
check("the share of the data in $\\langle z_2^2\\rangle$ is $M_1^2M_2^2$", from_data - product)

# %% [markdown]
# ## The potential of both order parameters
#
# With the best amplitudes at given $q_1=M_1^2$ and $q_2=M_2^2$, the loss is, up to its constant,
#
# $$2\sigma^2\ell(q_1,q_2)=\lambda(1-q_1)+\beta_1s_1\frac{1-q_2}{1-q_1}-\beta_2\sigma^2\ln(1-q_2)$$
#
# Each level alone has a potential whose coefficients beyond the quadratic one are positive. What couples them at lowest
# order, $-\frac{1}{2}\beta_1s_1q_1q_2$, is negative: the levels *help* each other. Signal at the first level is more
# variance for the second to encode, and a second level that is alive makes variance at the first level cheaper.
# Cooperation can make a transition discontinuous; here it is too weak. In the point where the four phases meet, the
# quartic form in $(M_1,M_2)$ is positive definite, which is the condition for four continuous phases to meet there (a
# *tetracritical* point).

# %%
q1, q2 = sp.symbols("q_1 q_2", positive=True)
noise = sp.Symbol("p", positive=True)  # 1 − q₁, so that roots stay simple
moment = s1 / noise
amplitudes = {
    v1: sp.sqrt(moment * (1 - noise) / lam), w1: sp.sqrt((1 - noise) * lam / moment),
    v2: sp.sqrt(q2 / moment), w2: sp.sqrt(q2 * moment), s2: 1 - q2,
}  # fmt: skip
in_fractions = sp.expand(loss.subs(amplitudes, simultaneous=True) - constant).subs(noise, 1 - q1)
potential = lam * (1 - q1) / 2 + beta1 * s1 * (1 - q2) / (1 - q1) / 2 - beta2 * S * sp.log(1 - q2) / 2
check("the potential in both order parameters", in_fractions - potential)
check("is stationary in $q_2$ at $1-q_2=\\tau_2/A$", sp.diff(potential, q2).subs(q2, 1 - price * (1 - q1) / s1))
geometric = lam * (1 - q1) / 2 + beta1 * s1 * (1 + q1 + q1**2 / (1 - q1)) / 2
check(
    "at $q_2=0$ all coefficients beyond $q_1$ are $\\frac{1}{2}\\beta_1s_1$",
    sp.cancel(potential.subs(q2, 0) - geometric),
)
quartic = sp.hessian(potential, (q1, q2)).subs({q1: 0, q2: 0}) / 2
show("Q", quartic)
at_meeting = quartic.subs(s1, price)
check("the coupling is $-\\frac{1}{2}\\beta_1s_1$", 2 * quartic[0, 1] + beta1 * s1 / 2)
check("where the phases meet, $\\det Q=\\frac{1}{16}\\beta_2^2\\sigma^4$", at_meeting.det() - beta2**2 * S**2 / 16)
check("so $Q$ is positive definite there", at_meeting[0, 0].is_positive and sp.factor(at_meeting.det()).is_positive)

# %% [markdown]
# ## Landau theory of the four transitions
#
# The same from the whole loss in its own variables, order by order. For each transition: the level that wakes gives the
# slow amplitude, everything else, the amplitudes of the other level included, is fast and follows. The background is
# the other level at rest, dead or alive. To have it rational, its parameters are named anew: with the second level
# alive, $s_1=\tau_2+g^2$ where $g=w_2$; with the first alive, $\beta_1=\lambda s_1/A^2$, where $A=\lambda c^2+s_1$ and
# $c=v_1$.

# %%
c, g = sp.symbols("c g", positive=True)
A_c, A_g = lam * c**2 + s1, price + g**2
first_lives = collapsed | {v1: c, w1: lam * c / A_c}
second_lives = collapsed | {w2: g, v2: g / A_g, s2: price / A_g}
theories = {
    "first, second dead": hierarchy.mode_theory(w1, lam),
    "first, second alive": hierarchy.mode_theory(w1, lam, second_lives, {s1: A_g}),
    "second, first dead": hierarchy.mode_theory(w2, s1),
    "second, first alive": hierarchy.mode_theory(w2, beta2, first_lives, {beta1: lam * s1 / A_c**2}),
}
expansions = {name: theory.expansion(4) for name, theory in theories.items()}
for name, expansion in expansions.items():
    show(rf"a_4\ (\mathrm{{{name.replace(' ', '~')}}})", expansion.at_threshold[4])
expected = {  # threshold of the control, and a₄ there
    "first, second dead": (beta1 * s1, s1 / (2 * beta1)),
    "first, second alive": (beta2 * S, A_g**2 / (4 * beta2 * S)),
    "second, first dead": (price, beta1 / (4 * price)),
    "second, first alive": (lam * s1 / (A_c * S), lam * s1 / (8 * A_c**3)),
}
for name, (threshold, coefficient) in expected.items():
    check(f"{name}: the threshold", theories[name].threshold - threshold)
    check(f"{name}: the quartic coefficient", expansions[name].at_threshold[4] - coefficient)
    check(f"{name}: a supercritical pitchfork", expansions[name].kind == "supercritical")
    exponent = expansions[name].exponents["order parameter"]
    check(f"{name}: the order parameter has exponent $\\frac{{1}}{{2}}$", exponent == sp.Rational(1, 2))

# %% [markdown]
# Read together with the sections above:
#
# - The first level wakes at $\lambda=\beta_1s_1$ over a dead second one, at $\lambda=\beta_2\sigma^2$ over a live one.
# - The second level wakes over a dead first one at $s_1=\tau_2$, and there the coefficient is the one of a linear mode
#   of variance $A=\tau_2$: $\beta_1/(4A)$.
# - Over a live first level it wakes at $A=\tau_2$, that is $\beta_2\sigma^2=\lambda s_1/A$, and the coefficient is half
#   of that: $\lambda s_1/(8A^3)=\beta_1/(8A)$. The first level gives way, which softens the transition without changing
#   its kind.

# %%
check(
    "$\\lambda s_1/(8A^3)=\\beta_1/(8A)$ at $A=\\sqrt{\\lambda s_1/\\beta_1}$",
    (lam * s1 / (8 * a**3) - beta1 / (8 * a)).subs(a, A_first),
)
check(
    "$\\lambda s_1/A=\\beta_2\\sigma^2$ there is $\\lambda=\\beta_2^2\\sigma^4/(\\beta_1s_1)$",
    sp.simplify((lam * s1 / A_first - beta2 * S).subs(lam, meet)),
)
over_dead = expansions["second, first dead"].at_threshold[4]
check("which at $A=\\tau_2$ is half the coefficient over a dead first level", beta1 / (8 * price) - over_dead / 2)

# %% [markdown]
# ## Why the first variance is given
#
# If $s_1$ is learned too, minimise over it: $s_1=\sigma^2(1-q_1)/(1-q_2)$, and what is left is
#
# $$\tfrac{\lambda}{2}(1-q_1)-\tfrac{\beta_1\sigma^2}{2}\ln(1-q_1)-\tfrac{(\beta_2-\beta_1)\sigma^2}{2}\ln(1-q_2)$$
#
# The levels have come apart. The first is an ordinary linear VAE at the price $\beta_1\sigma^2$. The second knows
# nothing of the data any more: for $\beta_2>\beta_1$ it is dead for any $\lambda$; for $\beta_2=\beta_1$ the loss does
# not depend on it; for $\beta_2<\beta_1$ the loss has no minimum, $q_2\to1$ and $A\to\infty$. A learned variance at the
# first level collapses the second.

# %%
with_s1 = potential + constant
best_s1 = sp.solve(sp.diff(with_s1, s1), s1)[0]
show("s_1", sp.factor(best_s1))
check("the best variance is $\\sigma^2(1-q_1)/(1-q_2)$", best_s1 - S * (1 - q1) / (1 - q2))
check(
    "at which the curvature $\\beta_1\\sigma^2/(2s_1^2)$ is positive", sp.diff(with_s1, s1, 2) - beta1 * S / (2 * s1**2)
)
apart = lam * (1 - q1) / 2 - beta1 * S * sp.log(1 - q1) / 2 - (beta2 - beta1) * S * sp.log(1 - q2) / 2
left = sp.Matrix([sp.diff(with_s1, fraction).subs(s1, best_s1) - sp.diff(apart, fraction) for fraction in (q1, q2)])
check(
    "and the levels come apart (both slopes; by the envelope theorem those at fixed $s_1$)", left.applyfunc(sp.cancel)
)
check("the two potentials agree at $q_1=q_2=0$", sp.expand((with_s1.subs(s1, best_s1) - apart).subs({q1: 0, q2: 0})))

# %% [markdown]
# ## The same numbers
#
# The package has no array version of this model. So minimise its loss numerically, from several random starts, the
# averages taken with the joint covariance of $(x,z_1,z_2)$ and the densities written out, at six random parameter sets
# in each phase. The search ends at gradients of $10^{-7}$ or less (finite differences), the softest curvatures are of
# order $10^{-2}$ at the chosen distance from the borders, and squares of amplitudes agree to $10^{-5}$; the loss, being
# stationary, to $10^{-10}$. Every start ends in the predicted minimum: no other one turns up.

# %%
import numpy as np
from scipy.optimize import minimize


def numerical_loss(point, variance, noise, weights, given=None):
    """The loss over σ² of (w₁, v₁, w₂, v₂, ln s₂), or with ln s₁ behind them."""
    decode1, encode1, decode2, encode2, log_s2 = point[:5]
    log_s1 = np.log(given) if given is not None else point[5]
    rows = np.array(  # x, z₁, z₂ in terms of independent unit noises
        [[1.0, 0.0, 0.0], [encode1, np.exp(log_s1 / 2), 0.0], [0.0, 0.0, np.exp(log_s2 / 2)]]
    )
    rows[2] += encode2 * rows[1]
    covariance = rows @ np.diag([variance, 1.0, 1.0]) @ rows.T
    first, second = np.array([1.0, -decode1, 0.0]), np.array([0.0, 1.0, -decode2])
    rate1 = 0.5 * (np.log(noise) + second @ covariance @ second / noise - log_s1 - 1.0)
    rate2 = 0.5 * (covariance[2, 2] - log_s2 - 1.0)
    return 0.5 * first @ covariance @ first / noise + weights[0] * rate1 + weights[1] * rate2


def minima(arguments, size, rng):
    """(amplitudes, loss) found from four starts."""
    starts = rng.normal(size=(4, size))
    options = {"gtol": 1e-7}
    found = [minimize(numerical_loss, start, arguments, "BFGS", jac="3-point", options=options) for start in starts]
    return [(result.x, result.fun) for result in found]


rng = np.random.default_rng(10)
parameters = [lam, s1, hierarchy.sigma, beta1, beta2]
moments = {
    "both dead": s1,
    "first alone": A_first,
    "both alive": A_both,
    "second alone": s1,
}
losses = {name: (F_live if name in ("both alive", "second alone") else F_dead).subs({tau2: price}) for name in moments}
off = {"amplitudes": 0.0, "loss": 0.0}
for name, value in moments.items():
    predict = sp.lambdify(parameters, [value, price, (losses[name].subs(a, value) + constant) / S])
    for _ in range(6):
        weight1, weight2, noise = np.exp(rng.uniform(-0.7, 0.7, 3))
        near, far = rng.uniform(0.2, 0.8, 2)
        xi_there, eta_there = {
            "both dead": (near, near * far),
            "first alone": (near, near ** (1 - 2 * far)),
            "both alive": (3 * near, max(1.0, 1 / (3 * near)) * (1.3 + far)),
            "second alone": (1 + near, far),
        }[name]
        numbers = [eta_there * weight2 * noise, xi_there * weight2 * noise / weight1]
        moment, second_price, least = predict(*numbers[:2], np.sqrt(noise), weight1, weight2)
        alive2 = max(moment - second_price, 0.0)
        expected_squares = [
            (moment - numbers[1]) * numbers[0] / moment**2, (moment - numbers[1]) / numbers[0],
            alive2, alive2 / moment**2, min(1.0, second_price / moment),
        ]  # fmt: skip
        for point, value_there in minima((numbers[0], noise, (weight1, weight2), numbers[1]), 5, rng):
            squares = [*point[:4] ** 2, np.exp(point[4])]
            off["amplitudes"] = max(off["amplitudes"], np.abs(np.subtract(squares, expected_squares)).max())
            off["loss"] = max(off["loss"], abs(value_there - least))
check("squared amplitudes agree to $10^{-5}$: 24 parameter sets, four starts each", off["amplitudes"] < 1e-5)
check("the loss agrees to $10^{-10}$", off["loss"] < 1e-10)

# %% [markdown]
# With $s_1$ learned and $\beta_2>\beta_1$, the second level dies and the first follows the mean-field law at the price
# $\beta_1\sigma^2$:

# %%
worst = 0.0
for _ in range(4):
    weight1, noise = np.exp(rng.uniform(-0.7, 0.7, 2))
    weight2, variance = weight1 * rng.uniform(1.5, 3.0), weight1 * noise * rng.uniform(1.5, 5.0)
    for point, _ in minima((variance, noise, (weight1, weight2)), 6, rng):
        signal = point[1] ** 2 * variance
        worst = max(worst, point[2] ** 2, abs(signal / (signal + np.exp(point[5])) - 1 + weight1 * noise / variance))
check("$w_2=0$ and $M_1^2=1-\\beta_1\\sigma^2/\\lambda$, to $10^{-5}$", worst < 1e-5)
