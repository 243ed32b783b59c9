# %% [markdown]
# # Learned decoder variance
#
# **Assumed.** The linear model with its equilibrium at a given price, from *The collapsed point and its Landau
# expansion* and *Rate–distortion: reverse water-filling*. The decoder's variance, fixed so far, is now a parameter of
# the model, and written $\sigma^2$ here.
#
# **Sought.** Equilibrium and stability with $\sigma^2$ trained along with the rest: thresholds in $\beta$, the order of
# the transitions, and where the model has no equilibrium at all.
#
# **Sources.** At $\beta=1$ the model is probabilistic PCA: Lucas et al., arXiv:1911.02469. The price as a temperature:
# J. Hirn, arXiv:2605.22691.

# %%
from itertools import pairwise

import sympy as sp

from landau_vae.symbolic import Landau, linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
d, beta, S, n, T = sp.symbols("d beta sigma^2 n T_n", positive=True)

# %% [markdown]
# ## The loss, with its constant put back
#
# As long as $\sigma^2$ was fixed, the normalisation of the decoder's Gaussian was a constant and could be left out. Now
# it counts: per feature, $-\ln p(x|z)$ is half the squared error over $\sigma^2$ plus $\frac{1}{2}\ln\sigma^2$, and a
# constant. In $d$ dimensions
#
# $$L=\tfrac{d}{2}\ln\sigma^2+\frac{1}{\sigma^2}\left[\tfrac{1}{2}D+\tau R\right],\qquad\tau=\beta\sigma^2$$
#
# with $D$ the squared error and $R$ the rate. The price is no longer given: it moves with $\sigma^2$.

# %%
x, y = sp.symbols("x y", real=True)
density = sp.exp(-((x - y) ** 2) / (2 * S)) / sp.sqrt(2 * sp.pi * S)
constant = sp.log(2 * sp.pi) / 2
check(
    "$-\\ln p=\\frac{1}{2}(x-\\hat x)^2/\\sigma^2+\\frac{1}{2}\\ln\\sigma^2$, up to a constant",
    -sp.expand_log(sp.log(density), force=True) - linear.squared_error(x, y) / S - sp.log(S) / 2 - constant,
)
W, E, variances = linear.variables(2, 1)
modes = linear.mode_variances(2)
full = linear.loss(W, E, variances, sp.diag(*modes), tau)
D, R = 2 * full.subs(tau, 0), sp.diff(full, tau)
L = sp.log(S) + full.subs(tau, beta * S) / S  # d = 2
check("$L=\\frac{d}{2}\\ln\\sigma^2+D/(2\\sigma^2)+\\beta R$ ($d=2$, $K=1$)", L - sp.log(S) - D / (2 * S) - beta * R)

# %% [markdown]
# ## One equation for the price
#
# At a given $\sigma^2$ the best $W$, $E$ and $s$ are the equilibrium at the price $\beta\sigma^2$: nothing new. What is
# left is a function of $\sigma^2$ alone, and as the other parameters are stationary, its slope is the explicit one,
#
# $$\frac{dL}{d\ln\sigma^2}=\frac{d}{2}-\frac{D}{2\sigma^2}=\frac{d}{2}-\frac{\beta}{2}\frac{D(\tau)}{\tau}$$
#
# with $D(\tau)=\sum_{i\le K}\min(\lambda_i,\tau)+\sum_{i>K}\lambda_i$ the squared error in equilibrium. In equilibrium
# $\sigma^2=D/d$, the squared error per feature, and the price solves
#
# $$\frac{D(\tau)}{\tau}=\frac{d}{\beta}$$

# %%
check(
    "$\\partial L/\\partial \\ln\\sigma^2=\\frac{d}{2}-D/(2\\sigma^2)$ at any $W$, $E$, $s$ ($d=2$, $K=1$)",
    S * sp.diff(L, S) - 1 + D / (2 * S),
)
theory = linear.mode_theory()
live = theory.branches()[-1].values
at_live = sp.expand_log(sp.expand(theory.loss.subs(live)), force=True)
at_rest = theory.loss.subs(theory.collapsed)
check(
    "a live mode has the loss $\\frac{\\tau}{2}+\\frac{\\tau}{2}\\ln(\\lambda/\\tau)$",
    at_live - tau / 2 - tau * sp.log(lam / tau) / 2,
)
check("a dead one $\\frac{1}{2}\\lambda$", at_rest - lam / 2)
logs = sp.Symbol("Lambda_n", real=True)  # Σ_{i≤n} ln λ_i
least = n * at_live.subs(lam, 1) + tau * logs / 2 + T / 2  # n live modes, T_n the variance of the others
check(
    "with $n$ live modes these add up (two live, one dead)",
    sum(at_live.subs(lam, v) for v in modes) + at_rest - least.subs({n: 2, logs: sum(map(sp.log, modes)), T: lam}),
)
reduced = d * sp.log(S) / 2 + least.subs(tau, beta * S) / S
slope = sp.expand(S * sp.diff(reduced, S))
show(r"L(\sigma^2)", reduced)
show(r"\frac{dL}{d\ln\sigma^2}", slope)
check(
    "the slope of the reduced loss is $\\frac{d}{2}-D(\\tau)/(2\\sigma^2)$ with $D(\\tau)=n\\tau+T_n$",
    slope - d / 2 + (n * beta * S + T) / (2 * S),
)

# %% [markdown]
# ## The left side falls, so there is one solution
#
# Let $n$ modes be alive, $\lambda_{n+1}\le\tau\le\lambda_n$, and $T_n=\sum_{i>n}\lambda_i$ be the variance of the rest.
# Then $D(\tau)/\tau=n+T_n/\tau$. It is continuous, and falls strictly wherever anything is left over, $T_n>0$. It tends
# to $0$ as $\tau\to\infty$; as $\tau\to0$ it grows without bound if $K<d$, and for $K\ge d$ it stays at $d$ from
# $\tau=\lambda_d$ down. So
#
# - for $K<d$ there is exactly one equilibrium price at every $\beta>0$;
# - for $K\ge d$ there is exactly one at every $\beta>1$ (if no eigenvalue is zero: for that case see below).
#
# A continuous function that falls strictly has a continuous inverse: as $\beta$ varies, the price varies continuously,
# and with it everything else. Explicitly, with $n$ live modes,
#
# $$\sigma^2=\frac{T_n}{d-n\beta},\qquad\tau=\beta\sigma^2$$
#
# To see all pieces at once take $d=3$ with the spectrum written in positive increments, $\lambda_3=c$, $\lambda_2=b+c$,
# $\lambda_1=a+b+c$.

# %%
best_S = sp.solve(slope, S)[0]
show(r"\sigma^2", sp.factor(best_S))
check("the equilibrium has $\\sigma^2=T_n/(d-n\\beta)$", best_S - T / (d - n * beta))
a, b, c = sp.symbols("a b c", positive=True)
spectrum = [a + b + c, b + c, c]


def quotient(alive):
    """D(τ)/τ with so many live modes."""
    return alive + sum(spectrum[alive:]) / tau


for k in range(3):
    joint = (quotient(k + 1) - quotient(k)).subs(tau, spectrum[k])
    check(f"$D(\\tau)/\\tau$ is continuous where mode {k + 1} wakes ($d=3$)", joint)
falls = [sp.diff(quotient(alive), tau).is_negative for alive in range(3)]
check("it falls while a mode is dead ($d=3$)", falls == [True] * 3)
check("and is constant, $d$, when none is ($K=3$)", quotient(3) - 3)
check("with $K=2$ it grows without bound as $\\tau\\to0$", sp.limit(quotient(2), tau, 0, "+") == sp.oo)
check("it vanishes as $\\tau\\to\\infty$", sp.limit(quotient(0), tau, sp.oo))

# %% [markdown]
# ## Thresholds in $\beta$
#
# Mode $k\le K$ wakes where the price comes down to $\lambda_k$. Modes beyond $K$ are not stronger than $\lambda_k$, so
# for them $\lambda_i=\min(\lambda_i,\lambda_k)$, and
#
# $$\beta_k=\frac{d\lambda_k}{\sum_i\min(\lambda_i,\lambda_k)}$$
#
# with the sum over all $d$ modes, whatever $K$. Two things differ from a fixed $\sigma^2$. First, $\beta_k$ is
# *scale-free*: data in other units, or another total variance, have the same thresholds. Second, every $\beta_k$ lies
# between 1 and $d$, and the last of all $d$ modes, if it has a latent, wakes at $\beta_d=1$ exactly. The first
# threshold is $\beta_1=d\lambda_1/V$: from the collapsed phase, where $\sigma^2=V/d$.

# %%
thresholds = [3 * v / sum(sp.Min(other, v) for other in spectrum) for v in spectrum]
for k, (value, v) in enumerate(zip(thresholds, spectrum, strict=True), start=1):
    check(f"at $\\beta_{k}$ the price is $\\lambda_{k}$ ($d=3$)", quotient(k).subs(tau, v) - 3 / value)
    price = (beta * best_S).subs({d: 3, beta: value})
    before, after = (price.subs({n: alive, T: sum(spectrum[alive:])}) for alive in (k - 1, k))
    check(f"$\\tau(\\beta)$ with {k - 1} live modes ends there", before - v)
    if k < 3:
        check(f"$\\tau(\\beta)$ with {k} begins there", after - v)
ordered = [sp.factor(u - v).is_positive for u, v in pairwise(thresholds)]
check("$\\beta_1>\\beta_2>\\beta_3$", ordered == [True, True])
check("$\\beta_3=1$, for $d=3$ the last", thresholds[-1] - 1)
check("$\\beta_1<d$", sp.factor(3 - thresholds[0]).is_positive)
check("$\\beta_1=d\\lambda_1/V$", thresholds[0] - 3 * spectrum[0] / sum(spectrum))
unit = sp.Symbol("u", positive=True)
rescaled = [v.subs({a: unit * a, b: unit * b, c: unit * c}, simultaneous=True) for v in thresholds]
check("a change of units leaves the thresholds alone", sp.Matrix(rescaled) - sp.Matrix(thresholds))

# %% [markdown]
# The cascade is faster than at fixed $\sigma^2$, where $\tau\propto\beta$. Every mode that is alive helps to lower
# $\sigma^2$, and thus the price of all others:
#
# $$\frac{d\ln\tau}{d\ln\beta}=\frac{d}{d-n\beta}\ge1$$
#
# Just below $\beta_k$ the signal fraction $M^2_k=1-\tau/\lambda_k$ rises linearly, as before (exponent 1, amplitude
# exponent $\frac{1}{2}$), steeper by that factor, which there is $1+k\lambda_k/T_k$. It is finite unless $T_k=0$:
# unless mode $k$ is the last with any variance.

# %%
speed = sp.factor(beta * sp.diff(sp.log(beta * best_S), beta))
show(r"\frac{d\ln\tau}{d\ln\beta}", speed)
check("$d\\ln\\tau/d\\ln\\beta=d/(d-n\\beta)$", speed - d / (d - n * beta))
beta_n = d * lam / (n * lam + T)  # λ = λ_n, the mode that has just woken
check(
    "with the $n$-th mode just awake it is $1+n\\lambda_n/T_n$", sp.cancel(speed.subs(beta, beta_n)) - 1 - n * lam / T
)
check("the denominator $d-n\\beta_n=dT_n/(n\\lambda_n+T_n)$ is positive", sp.factor(d - n * beta_n).is_positive)

# %% [markdown]
# ## Stability
#
# The reduced loss is $C^1$ in $\ln\sigma^2$ and its second derivative, $\beta T_n/(2\tau)$ with $n$ live modes, is
# positive wherever $T_n>0$: the reduced loss is convex, and its one stationary point the global minimum. At the
# equilibrium the curvature is $\frac{1}{2}(d-n\beta)$: positive, with a downward step where a mode wakes.
#
# Other stationary points of the whole loss (wrong modes alive) are saddles at their own $\sigma^2$ already, and remain
# saddles with one more direction: *The landscape* carries over, and the only local minimum is the global one.

# %%
curvature = sp.expand(S * sp.diff(slope, S))
show(r"\frac{d^2L}{d(\ln\sigma^2)^2}", curvature)
check("the curvature is $\\beta T_n/(2\\tau)$", curvature - beta * T / (2 * beta * S))
check("which is positive", curvature.is_positive)
check("and at the equilibrium $\\frac{1}{2}(d-n\\beta)$", sp.cancel(curvature.subs(S, best_S)) - (d - n * beta) / 2)

# %% [markdown]
# ## When nothing is left over
#
# **As many latents as modes,** $K\ge d$. With all $d$ modes alive $T_d=0$ and $dL/d\ln\sigma^2=\frac{d}{2}(1-\beta)$,
# whatever $\sigma^2$.
#
# - $\beta\downarrow1$: the price falls to $\lambda_d$, so the last mode wakes exactly at $\beta=1$; by then all others
#   are alive.
# - $\beta=1$: every $\sigma^2\le\lambda_d$ does equally well. $L$ is the negative log-likelihood of a Gaussian of
#   covariance $C$ (without its constant), $\frac{1}{2}\sum_i\ln\lambda_i+\frac{d}{2}$, along the whole flat direction:
#   the model with any of these $\sigma^2$ has exactly the covariance $C$.
# - $\beta<1$: the slope is positive down to $\sigma^2=0$, and $L\to-\infty$. There is no equilibrium; training ends in
#   rounding errors.
#
# **Rank-deficient data.** If only $r<d$ eigenvalues are positive and $K\ge r$, the same happens earlier. The last
# mode's threshold is $\beta_r=d/r>1$, and below it $dL/d\ln\sigma^2=\frac{1}{2}(d-r\beta)>0$ down to $\sigma^2=0$. One
# redundant feature is enough to put $\beta=1$ out of reach.
#
# **Fewer latents,** $K<d$, and variance left over. Nothing happens at $\beta=1$. There, with all $K$ latents alive,
# $\sigma^2=T_K/(d-K)$: the mean of the discarded eigenvalues, the noise variance of probabilistic PCA. As $\beta\to0$,
# $\sigma^2\to T_K/d$, the squared error of PCA per feature.

# %%
all_alive = reduced.subs({n: d, T: 0})
show(r"L(\sigma^2)\big|_{n=d}", sp.collect(sp.expand(sp.expand_log(all_alive, force=True)), sp.log(S)))
check("with all modes alive the slope is $\\frac{d}{2}(1-\\beta)$", S * sp.diff(all_alive, S) - d * (1 - beta) / 2)
at_one = sp.expand_log(all_alive.subs(beta, 1), force=True)
check("for $\\beta=1$ the loss is $\\frac{1}{2}\\sum_i\\ln\\lambda_i+\\frac{d}{2}$", at_one - (logs + d) / 2)
small = sp.Symbol("epsilon", positive=True)
below_one = all_alive.subs({beta: 1 / (1 + small), d: 3})
check("for $\\beta<1$ it falls without bound", sp.limit(below_one, S, 0, "+") == -sp.oo)
price = (beta * best_S).subs({d: 3, n: 2, T: c})
check("$\\tau\\to\\lambda_3$ as $\\beta\\to1$ ($d=K=3$)", price.subs(beta, 1) - c)
model_covariance = sp.expand(live[w] ** 2 + S).subs(tau, S)
check("a live mode's model variance $w^2+\\sigma^2$ is $\\lambda$ at $\\beta=1$", model_covariance - lam)
rank = [3 * v / (sp.Min(spectrum[0], v) + sp.Min(spectrum[1], v)) for v in spectrum[:2]]
deficient = [v.subs(c, 0) for v in rank]
check("rank 2 in $d=3$: the last threshold is $\\beta_2=3/2$", deficient[1] - sp.Rational(3, 2))
check("and below it the slope is $\\frac{1}{2}(d-r\\beta)$", slope.subs({n: 2, d: 3, T: 0}) - (3 - 2 * beta) / 2)
for K in (1, 2):
    at_one = best_S.subs({n: K, d: 3, T: sum(spectrum[K:]), beta: 1})
    check(
        f"$\\beta=1$, $d=3$, $K={K}$: $\\sigma^2$ is the mean of the discarded eigenvalues",
        at_one - sum(spectrum[K:]) / (3 - K),
    )
check("as $\\beta\\to0$, $\\sigma^2\\to T_K/d$", best_S.subs(beta, 0) - T / d)

# %% [markdown]
# ## Landau theory with $\sigma^2$ as a fast variable
#
# Is the transition still a supercritical pitchfork, now that $\sigma^2$ yields to the growing mode? Take the collapsed
# phase, $\sigma^2=V/d$, and let one mode of variance $\lambda$ wake; the others, with variance $V-\lambda$, stay dead.
# Give the engine the loss with $\sigma^2$ among the fast variables, and $\beta$ as the control. With $\rho=V-\lambda$:

# %%
rho = sp.Symbol("rho", nonnegative=True)
V = lam + rho
with_variance = d * sp.log(S) / 2 + (linear.mode_loss().subs(tau, beta * S) + rho / 2) / S
learned = Landau(
    with_variance, w, (e, s, S), beta, collapsed={w: 0, e: 0, s: 1, S: V / d}, symmetry={w: -w, e: -e}
)  # fmt: skip
expansion = learned.expansion(4)
show("a_2(w)", expansion.coefficients[2])
show(r"a_4(w)\big|_{\beta_1}", expansion.at_threshold[4])
check("the threshold is $\\beta_1=d\\lambda/V$", learned.threshold - d * lam / V)
check("$a_2=d(\\beta-\\beta_1)/(2\\beta V)$", expansion.coefficients[2] - d * (beta - d * lam / V) / (2 * beta * V))
check("at the threshold $a_4=d(V-\\lambda)/(4\\lambda V^2)$", expansion.at_threshold[4] - d * rho / (4 * lam * V**2))
delta = sp.Symbol("delta", positive=True)
check("positive for $\\lambda<V$, at any $d$", expansion.at_threshold[4].subs(rho, delta).is_positive)
check("zero for $\\lambda=V$", expansion.at_threshold[4].subs(rho, 0))
fixed = linear.mode_theory().expansion(4).at_threshold[4] * (d / V)  # in the same units: over σ² = V/d
check("it is that at fixed $\\sigma^2=V/d$, times $1-\\lambda/V$", expansion.at_threshold[4] - fixed * rho / V)

# %% [markdown]
# So the transition is supercritical for every $\lambda<V$ and every $d$, but softer by the factor $1-\lambda/V$: the
# more of the variance the mode has, the more its waking lowers the price and speeds up its own growth. At $\lambda=V$
# (rank one, and with it $d=1$) $a_4=0$; this is the case in which nothing is left over. There is no threat of a jump
# from the neighbours either: the same can be done to all orders, and in any phase.
#
# Go over to the order parameters $q_i=M^2_i$, with the best reconstruction amplitudes and $A^2_i=1$, as in *The
# collapsed point and its Landau expansion*. All modes together have, for given $\sigma^2$,
# $\frac{1}{2}D=\frac{1}{2}(V-\sum_i\lambda_iq_i)$ and $R=-\frac{1}{2}\sum_i\ln(1-q_i)$. With $\sigma^2=D/d$ eliminated,
#
# $$L=\tfrac{d}{2}\ln\left(V-\sum_i\lambda_iq_i\right)-\tfrac{\beta}{2}\sum_i\ln(1-q_i)+\mathrm{const.}$$

# %%
q1, q, total = sp.symbols("q_1 q V", positive=True)


def in_order_parameter(fraction, variance):
    """The loss of a mode with the best reconstruction amplitude and A² = 1."""
    amplitudes = {w: sp.sqrt(variance * fraction), e: sp.sqrt(fraction / variance), s: 1 - fraction}
    return linear.mode_loss(variance).subs(amplitudes)


two = in_order_parameter(q1, modes[0]) + in_order_parameter(q, lam) + (total - modes[0] - lam) / 2
two = d * sp.log(S) / 2 + two.subs(tau, beta * S) / S
eliminated = sp.solve(sp.diff(two, S), S)[0]
error = total - modes[0] * q1 - lam * q
check("$\\sigma^2=D/d$ with $D=V-\\lambda_1q_1-\\lambda q$", eliminated - error / d)
potential = d * sp.log(error) / 2 - beta * (sp.log(1 - q1) + sp.log(1 - q)) / 2
rest = sp.expand_log(two.subs(S, error / d) - potential, force=True)
slopes = sp.Matrix([sp.diff(rest, fraction) for fraction in (q1, q)])
check("and the potential is the one above, up to a constant (two modes, a rest)", slopes.applyfunc(sp.cancel))

# %% [markdown]
# Now eliminate a mode that is alive in the background: $\partial L/\partial q_1=0$ is linear in $q_1$. What remains is
# the same function with $d-\beta$ in the place of $d$ and $V-\lambda_1$ in the place of $V$. Repeat this for $n$ live
# modes: $d\to d-n\beta$ and $V\to T_n$. For mode $k=n+1$, with $\lambda=\lambda_k$,
#
# $$L(q)=\tfrac{d-n\beta}{2}\ln(T_n-\lambda q)-\tfrac{\beta}{2}\ln(1-q)$$

# %%
background = sp.solve(sp.diff(potential, q1), q1)[0]
seen = sp.diff(potential, q).subs(q1, background)
expected = sp.diff((d - beta) * sp.log(total - modes[0] - lam * q) / 2 - beta * sp.log(1 - q) / 2, q)
check("eliminating a live mode turns $(d,V)$ into $(d-\\beta,V-\\lambda_1)$", sp.cancel(seen - expected))
effective = sp.Symbol("d_n", positive=True)  # d − nβ; and V → T_n
single = effective * sp.log(T - lam * q) / 2 - beta * sp.log(1 - q) / 2
order = 5
coefficients = [sp.diff(single, q, j).subs(q, 0) / sp.factorial(j) for j in range(1, order + 1)]
closed = [(beta - effective * (lam / T) ** j) / (2 * j) for j in range(1, order + 1)]
show("a_2(M)", sp.factor(coefficients[0].subs(effective, d - n * beta)))
check(
    f"the coefficient of $M^{{2j}}$ is $[\\beta-(d-n\\beta)(\\lambda/T_n)^j]/(2j)$, to $j={order}$",
    sp.Matrix(coefficients) - sp.Matrix(closed),
)
beta_k = sp.solve(coefficients[0].subs(effective, d - n * beta), beta)[0]
check(
    "$a_2$ vanishes at $\\beta_k=d\\lambda/(n\\lambda+T_n)$, the threshold found above",
    beta_k - d * lam / (n * lam + T),
)
at_threshold = [sp.factor(x.subs(effective, beta * T / lam).subs(T, lam + delta)) for x in coefficients]
quartic = sp.factor(at_threshold[1])
show(r"a_4(M)\big|_{\beta_k}", sp.factor(coefficients[1].subs(effective, beta * T / lam)))
check("there $a_4=\\frac{\\beta_k}{4}(1-\\lambda_k/T_{k-1})$", quartic - beta / 4 * (1 - lam / (lam + delta)))
check(
    "all coefficients beyond $a_2$ are positive unless $T_{k-1}=\\lambda_k$",
    all(x.is_positive for x in at_threshold[1:]),
)
check("and if $T_{k-1}=\\lambda_k$ all vanish", sp.Matrix(at_threshold).subs(delta, 0))
in_w = quartic.subs(delta, rho).subs(beta, d * lam / V) / lam**2
check("in $w$ the engine found the same: $w^2=\\lambda M^2$ at the threshold", expansion.at_threshold[4] - in_w)
slope_q = sp.numer(sp.together(sp.diff(single, q)))
check("the potential has one stationary point in $q$, so no jump from afar", sp.degree(sp.expand(slope_q), q) == 1)

# %% [markdown]
# Every transition of the cascade is a supercritical pitchfork, with one exception: the last mode that has any variance,
# when it has a latent. There the potential is flat at $\beta_r=d/r$ to all orders, and below it unbounded.
#
# **Equal eigenvalues** change nothing in this: isotropic data, $V=d\lambda$, have $\beta_1=1$ for all modes at once.
# With $g$ of them awake at the same $q$ the potential is $\frac{d}{2}\ln(1-gq/d)-\frac{g\beta}{2}\ln(1-q)$, whose $q^2$
# coefficient at $\beta=1$ is $\frac{g}{4}(1-g/d)$: positive for $g<d$ (for $K<d$ latents a continuous transition), zero
# for $g=d$.

# %%
g = sp.Symbol("g", positive=True)
isotropic = d * sp.log(1 - g * q / d) / 2 - g * beta * sp.log(1 - q) / 2
pair = (potential - d * sp.log(total) / 2).subs({q1: q, modes[0]: lam, total: d * lam})
check("two equal modes of $d$: the potential with $g=2$", sp.cancel(sp.diff(pair - isotropic.subs(g, 2), q)))
first, second = (sp.diff(isotropic, q, j).subs(q, 0) / sp.factorial(j) for j in (1, 2))
check("the threshold is $\\beta=1$ for any $g$", sp.factor(first).subs(beta, 1))
check("and there the $q^2$ coefficient is $\\frac{g}{4}(1-g/d)$", second.subs(beta, 1) - g * (1 - g / d) / 4)

# %% [markdown]
# ## The same numbers
#
# At the price that solves $D(\tau)/\tau=d/\beta$, the package's equilibrium with $\sigma^2=\tau/\beta$ as its decoder
# variance leaves the squared error $d\sigma^2$: to $10^{-12}$.

# %%
import numpy as np
from scipy.optimize import minimize

import landau_vae as lv


def predicted(eigenvalues, latents, weight):
    """σ² from the closed form, in the phase that contains this β."""
    size, modes_alive = len(eigenvalues), 0
    for k in range(latents):
        modes_alive += weight < size * eigenvalues[k] / np.minimum(eigenvalues, eigenvalues[k]).sum()
    return sp.lambdify([d, n, T, beta], best_S)(size, modes_alive, eigenvalues[modes_alive:].sum(), weight)


rng = np.random.default_rng(7)
agree = True
for latents in (12, 5):
    eigenvalues = np.sort(rng.uniform(0.1, 5.0, 12))[::-1]
    data = lv.Spectrum.from_eigenvalues(eigenvalues)
    for weight in np.geomspace(1.001, 4.0, 25):
        noise = predicted(eigenvalues, latents, weight)
        state = lv.equilibrium(data, lv.Loss.gaussian(beta=weight, decoder_variance=noise, latents=latents))
        agree &= bool(np.isclose(float(state.total_distortion) * data.total_variance, 12 * noise, rtol=1e-12, atol=0))
check("the equilibrium's squared error is $d\\sigma^2$, to $10^{-12}$ ($d=12$, $K=12$ and $5$)", agree)

# %% [markdown]
# Independently of all theory: minimise the whole loss over $(W,E,\ln s,\ln\sigma^2)$ from random starts, for a random
# covariance that is not diagonal, with the loss and its gradient written out in arrays. At each threshold $\beta_k$ the
# minimiser is asked 0.1 % above and 0.1 % below it, and 3 % below. Gradients end at $10^{-8}$ or less and the softest
# curvature there is of order $10^{-3}$, so amplitudes are good to $10^{-5}$ and signal fractions to $10^{-6}$, while
# the ones 0.1 % below the thresholds are above $10^{-3}$: the thresholds are confirmed to 0.1 %.

# %%


def whole_loss(point, covariance, latents, weight):
    """L and its gradient."""
    size = len(covariance)
    decoder = point[: size * latents].reshape(size, latents)
    encoder = point[size * latents : -latents - 1].reshape(latents, size)
    log_s, log_noise = point[-latents - 1 : -1], point[-1]
    precision, carried = np.exp(-log_noise), encoder @ covariance
    moments = carried @ encoder.T + np.diag(np.exp(log_s))
    gram = decoder.T @ decoder
    squares = np.trace(covariance) - 2 * np.trace(decoder @ carried) + np.trace(gram @ moments)
    rates = 0.5 * (np.trace(moments) - latents - log_s.sum())
    by_decoder = precision * (decoder @ moments - carried.T)
    by_encoder = precision * (gram @ carried - decoder.T @ covariance) + weight * carried
    by_log_s = 0.5 * np.exp(log_s) * (precision * np.diag(gram) + weight) - 0.5 * weight
    by_log_noise = 0.5 * size - 0.5 * precision * squares
    value = 0.5 * size * log_noise + 0.5 * precision * squares + weight * rates
    return value, np.concatenate([by_decoder.ravel(), by_encoder.ravel(), by_log_s, [by_log_noise]])


def trained(covariance, latents, weight):
    """(signal fractions, σ², norm of the gradient) of the minimum that is found from a random start."""
    size = len(covariance)
    start = np.append(rng.normal(size=2 * size * latents) / 2, [0.0] * latents + [np.log(np.trace(covariance) / size)])
    for _ in range(3):  # restarted, so that a lost line search does not end it
        result = minimize(whole_loss, start, (covariance, latents, weight), "BFGS", jac=True, options={"gtol": 1e-10})
        start = result.x
    encoder = start[size * latents : -latents - 1].reshape(latents, size)
    signal = np.einsum("kp,pq,kq->k", encoder, covariance, encoder)
    fractions = np.sort(signal / (signal + np.exp(start[-latents - 1 : -1])))[::-1]
    return fractions, np.exp(start[-1]), np.abs(result.jac).max()


gradients, fractions_off, variances_off, pinned = [], [], [], True
for size, latents in [(3, 2), (4, 2), (3, 3), (4, 4)]:
    eigenvalues = np.sort(rng.uniform(0.3, 4.0, size))[::-1]
    rotation = np.linalg.qr(rng.normal(size=(size, size)))[0]
    covariance = rotation @ np.diag(eigenvalues) @ rotation.T
    for k in range(min(latents, size - 1)):  # the last of all modes has no equilibrium below its threshold
        threshold = size * eigenvalues[k] / np.minimum(eigenvalues, eigenvalues[k]).sum()
        for share in (1.001, 0.999, 0.97):
            fractions, noise, gradient = trained(covariance, latents, share * threshold)
            theory_noise = predicted(eigenvalues, latents, share * threshold)
            expected_fractions = np.maximum(1 - share * threshold * theory_noise / eigenvalues[:latents], 0)
            gradients.append(gradient)
            fractions_off.append(np.abs(fractions - expected_fractions).max())
            variances_off.append(abs(noise / theory_noise - 1))
            pinned &= bool(fractions[k] > 1e-3 if share < 1 else fractions[k] < 1e-6)
check("gradients ended at $10^{-7}$ or less", max(gradients) < 1e-7)
check("27 minima have been found", len(gradients) == 27)
check("their signal fractions agree to $10^{-6}$", max(fractions_off) < 1e-6)
check("$\\sigma^2$ agrees to $10^{-6}$", max(variances_off) < 1e-6)
check("each mode is dead 0.1 % above its threshold and alive 0.1 % below", pinned)

# %% [markdown]
# Below $\beta=1$ with $K=d$ the same minimiser runs off: held at $\ln\sigma^2\ge-3$, well below $\lambda_d=1$, it ends
# at that wall; with one latent less it ends at $T_K/(d-K\beta)$.

# %%
eigenvalues = np.array([3.0, 2.0, 1.0])
walls = []
for latents in (3, 2):
    start = np.concatenate([rng.normal(size=6 * latents) / 2, np.zeros(latents), [0.0]])
    bounds = [(None, None)] * (len(start) - 1) + [(-3.0, None)]
    found = minimize(
        whole_loss, start, (np.diag(eigenvalues), latents, 0.9), "L-BFGS-B", jac=True, bounds=bounds,
        options={"ftol": 1e-14, "gtol": 1e-7, "maxcor": 40},
    )  # fmt: skip
    walls.append(found.x[-1])
check("$K=d=3$, $\\beta=0.9$: no equilibrium, $\\sigma^2$ falls to the wall", walls[0] == -3.0)
check("$K=2$, $\\beta=0.9$: $\\sigma^2=T_2/(3-2\\beta)$, to $10^{-6}$", abs(np.exp(walls[1]) * (3 - 1.8) - 1) < 1e-6)
