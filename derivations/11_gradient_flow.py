# %% [markdown]
# # Gradient flow
#
# **Assumed.** The loss $\ell(w,e,s)$ of one mode of variance $\lambda$ at price $\tau$, from *The loss, from Gaussian
# integrals*, trained by gradient flow, the limit of gradient descent with small steps. Time $t$ is the number of steps
# times the learning rate, over $\sigma_\mathrm{dec}^2$, so that
#
# $$\frac{d}{dt}(w,e,s)=-\partial_{(w,e,s)}\,\sigma_\mathrm{dec}^2\,\ell$$
#
# **Sought.** How fast a latent leaves the collapsed point, how fast it settles on the active branch, what happens at
# the threshold itself, and which of these numbers mean something beyond this parametrisation.
#
# **Sources.** Dynamics of the linear VAE: Ichikawa & Hukushima, arXiv:2310.15440. The same saddles in linear networks:
# Saxe et al., arXiv:1312.6120. The loss and its notation: J. Hirn, arXiv:2605.22691.

# %%
import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.page import check, show

lam, tau, w, e, s = linear.lam, linear.tau, linear.w, linear.e, linear.s
theory = linear.mode_theory()
for variable, slope in theory.stationarity.items():
    show(rf"\dot {variable}", sp.collect(sp.expand(-slope), [w, e]))

# %% [markdown]
# One latent and one mode are not a restriction for the beginning. At the collapsed point of the full model nothing
# couples two pairs of a latent and a mode (*The collapsed point and its Landau expansion*), and where each latent
# speaks to its own mode no force mixes them (*The loss, from Gaussian integrals*).
#
# Along the flow the loss only falls, at the rate of its squared gradient. For $\tau<\lambda$ it can fall from the
# collapsed point to the active branch $w^2=\lambda-\tau$, $e=w/\lambda$, $s=\tau/\lambda$:

# %%
delta = sp.Symbol("delta", positive=True)  # λ − τ
active = {w: sp.sqrt(lam - tau), e: sp.sqrt(lam - tau) / lam, s: tau / lam}
slopes = sp.Matrix(list(theory.stationarity.values()))
check("both points are at rest", sp.Matrix([slopes.subs(theory.collapsed), slopes.subs(active).applyfunc(sp.simplify)]))
start = sp.expand_log(theory.loss.subs(theory.collapsed))
end = sp.expand_log(sp.simplify(theory.loss.subs(active)), force=True)
show(r"\sigma_\mathrm{dec}^2\,\ell_\mathrm{collapsed}", start)
show(r"\sigma_\mathrm{dec}^2\,\ell_\mathrm{active}", tau / 2 * (1 + sp.log(lam / tau)))
check("the flow starts at the loss $\\lambda/2$", start - lam / 2)
check("and ends at $\\frac{\\tau}{2}[1+\\ln(\\lambda/\\tau)]$", end - tau / 2 * (1 + sp.log(lam) - sp.log(tau)))

# %% [markdown]
# ## Leaving the collapsed point
#
# Close to a point at rest the flow is linear: displacements along an eigenvector of the Hessian change as $e^{-xt}$,
# where $x$ is its eigenvalue. At the collapsed point the characteristic polynomial $\det(H-x)$ is

# %%
x = sp.Symbol("x", real=True)
collapsed = theory.characteristic(x)
quadratic = x**2 - (1 + tau * lam) * x + lam * (tau - lam)
show(r"\det(H-x)", sp.Mul(tau / 2 - x, quadratic, evaluate=False))
check(
    "$\\det(H-x)=(\\frac{\\tau}{2}-x)[x^2-(1+\\tau\\lambda)x+\\lambda(\\tau-\\lambda)]$",
    collapsed - (tau / 2 - x) * quadratic,
)
discriminant = (1 - tau * lam) ** 2 + 4 * lam**2
lower, upper = ((1 + tau * lam + sign * sp.sqrt(discriminant)) / 2 for sign in (-1, 1))
show("x_-", lower)
check("the other two roots are real", sp.Matrix([collapsed.subs(x, root).expand() for root in (lower, upper)]))
check("their product is $\\lambda(\\tau-\\lambda)$", (lower * upper).expand() - lam * (tau - lam))
check("their sum is $1+\\tau\\lambda$, positive", lower + upper - 1 - tau * lam)

# %% [markdown]
# So for $\tau<\lambda$ one root is negative: the latent grows as $e^{\kappa t}$ with $\kappa=-x_-$, along the
# eigenvector with $e/w=(1+\kappa)/\lambda$. Everything else shrinks. From a start with amplitude $\varepsilon$ along
# that direction it takes the time
#
# $$t\approx\frac{1}{\kappa}\ln\frac{a}{\varepsilon}$$
#
# to reach an amplitude $a$, as long as $a$ is small: the plateau at the beginning of training is logarithmic in the
# size of the initial weights.

# %%
kappa = -lower
H = theory.hessian()
growing = sp.Matrix([1, (1 + kappa) / lam, 0])
check("the growing direction is $e/w=(1+\\kappa)/\\lambda$, with $s$ at rest", (H * growing + kappa * growing).expand())
check(
    "the discriminant exceeds $(1+\\tau\\lambda)^2$ by $4\\lambda(\\lambda-\\tau)$: $\\kappa>0$ exactly for $\\tau<\\lambda$",
    sp.expand(discriminant - (1 + tau * lam) ** 2) - 4 * lam * (lam - tau),
)

# %% [markdown]
# **Stronger modes leave first.** From the quadratic, $\kappa^2+(1+\tau\lambda)\kappa=\lambda(\lambda-\tau)$. Its
# derivative in $\lambda$ gives $\partial\kappa/\partial\lambda=(2\lambda-\tau-\tau\kappa)/(1+\tau\lambda+2\kappa)$,
# which is positive as long as $\kappa<\kappa_1=(2\lambda-\tau)/\tau$; and so it is, because at $\kappa_1$ the left-hand
# side already exceeds the right-hand one. From small weights, modes are learned in the order of their variance. Several
# latents grow along the same mode at first; that they cannot share it for ever is shown under *The landscape*.

# %%
k = sp.Symbol("kappa", positive=True)
balance = sp.cancel(collapsed.subs(x, -k) / (tau / 2 + k))
check(
    "$\\partial\\kappa/\\partial\\lambda=(2\\lambda-\\tau-\\tau\\kappa)/(1+\\tau\\lambda+2\\kappa)$",
    -sp.diff(balance, lam) / sp.diff(balance, k) - (2 * lam - tau - tau * k) / (1 + tau * lam + 2 * k),
)
excess = sp.expand(balance.subs(k, (2 * lam - tau) / tau).subs(lam, tau + delta))
show(r"[\kappa^2+(1+\tau\lambda)\kappa-\lambda(\lambda-\tau)]_{\kappa=\kappa_1}", excess)
check(
    "this is positive for $\\lambda=\\tau+\\delta$, $\\delta>0$, so $\\kappa$ increases with $\\lambda$",
    excess.is_positive,
)

# %% [markdown]
# **A latent on the wrong mode.** The same quadratic says how fast an active latent of mode $i$ turns to a stronger mode
# $l$ that no latent has taken: $\lambda_i$ takes the place of the price.

# %%
W, E, variances = linear.variables(2, 1)
mode_i, mode_l = sp.symbols("lambda_i lambda_l", positive=True)
pair = linear.loss(W, E, variances, sp.diag(mode_i, mode_l))
amplitude = sp.sqrt(mode_i - tau)
busy = {W[0]: amplitude, W[1]: 0, E[0]: amplitude / mode_i, E[1]: 0, variances[0]: tau / mode_i}
turn = sp.hessian(pair, [W[1], E[1]]).xreplace(busy).applyfunc(sp.cancel)
turning = sp.expand((turn - x * sp.eye(2)).det())
show(r"\det(H_{il}-x)", sp.collect(turning, x))
check(
    "a latent leaves mode $i$ for mode $l$ at the rate at which it would leave zero at the price $\\lambda_i$",
    turning - quadratic.subs({lam: mode_l, tau: mode_i}, simultaneous=True),
)

# %% [markdown]
# **Latents that still share a mode.** Along the path from small weights all latents grow along the strongest mode, and
# it becomes active while they share it. Let two latents carry mode $i$ alike, with whatever amplitudes $a$ and $c$, and
# with posterior variances that have both fallen to $s$. Mode $l$ can then grow in the direction of latent space that
# mode $i$ leaves free, $w_l=u(1,-1)/\sqrt2$ and $e_l=v(1,-1)/\sqrt2$. Its Hessian in $(u,v)$:

# %%
W2, E2, variances2 = linear.variables(2, 2)
u, v, a_i, c_i = sp.symbols("u v a c", real=True)
shared = {
    **dict(zip(W2, [a_i, a_i, u / sp.sqrt(2), -u / sp.sqrt(2)], strict=True)),  # rows: modes i and l
    **dict(zip(E2, [c_i, v / sp.sqrt(2), c_i, -v / sp.sqrt(2)], strict=True)),
    **dict.fromkeys(variances2, s),
}
both = linear.loss(W2, E2, variances2, sp.diag(mode_i, mode_l)).subs(shared, simultaneous=True)
free = sp.hessian(sp.expand(both), [u, v]).subs({u: 0, v: 0}).applyfunc(sp.expand)
show("H", free)
check(
    "beside a shared mode the Hessian is that of the collapsed point with $s$ in the place of 1, whatever $a$ and $c$",
    free - sp.Matrix([[s, -mode_l], [-mode_l, tau * mode_l]]),
)
width = x**2 - (s + tau * lam) * x + lam * (s * tau - lam)
falling = sp.cancel((-sp.diff(width, s) / sp.diff(width, x)).subs(x, -k))
check(
    "$\\partial\\kappa/\\partial s=-(\\kappa+\\tau\\lambda)/(2\\kappa+s+\\tau\\lambda)<0$",
    -falling + (k + tau * lam) / (2 * k + s + tau * lam),
)

# %% [markdown]
# So while latents share a mode, and their variance is below 1 already, others grow faster than they would from latents
# that idle: the rates at the collapsed point are the slowest. Far above the price the difference is large for
# $\lambda\ll1$, where $\kappa$ goes from $\lambda^2$ to $\lambda$ as $s$ falls from 1 to 0, and small for $\lambda\gg1$,
# where $\kappa\approx\lambda$ whatever $s$ is.

# %% [markdown]
# ## The active branch
#
# There the Hessian couples all three variables:

# %%
H_active = sp.hessian(theory.loss, theory.variables).xreplace(active).applyfunc(sp.cancel)
show("H", H_active)
cubic = sp.collect(sp.expand((x * sp.eye(3) - H_active).det()), x)
coefficients = [
    -(lam**2) * (lam - tau),
    (lam - tau) * (4 * tau - 1) + lam**2 * (1 + lam**2) / (2 * tau),
    -(1 + lam**2 + lam**2 / (2 * tau)),
    1,
]
show(r"\det(x-H)", sum(c * x**n for n, c in enumerate(coefficients)))
check(
    "the characteristic polynomial is $x^3-(1+\\lambda^2+\\frac{\\lambda^2}{2\\tau})x^2"
    "+[(\\lambda-\\tau)(4\\tau-1)+\\frac{\\lambda^2(1+\\lambda^2)}{2\\tau}]x-\\lambda^2(\\lambda-\\tau)$",
    cubic - sum(c * x**n for n, c in enumerate(coefficients)),
)
minors = [sp.factor(H_active[n:, n:].det().subs(lam, tau + delta)) for n in (2, 1, 0)]
check("the leading minors, from $s$ upwards, are positive", all(minor.is_positive for minor in minors))

# %% [markdown]
# So all three rates are positive, the branch is stable at every price below $\lambda$, and the product of the rates is
# $\lambda^2(\lambda-\tau)$. A symmetric Hessian has real eigenvalues: nothing oscillates, neither here nor there.
#
# ## Critical slowing down
#
# At the threshold one rate vanishes, on both sides. If a polynomial $P(x,\tau)$ has the simple root $x=0$ at
# $\tau=\lambda$, then close to it $x\approx-(\tau-\lambda)\partial_\tau P/\partial_xP$:


# %%
def slope_at_threshold(polynomial):
    at = {x: 0, tau: lam}
    return sp.factor(-sp.diff(polynomial, tau).subs(at) / sp.diff(polynomial, x).subs(at))


check("$x=0$ is a root of both polynomials at $\\tau=\\lambda$", sp.Matrix([collapsed, cubic]).subs({x: 0, tau: lam}))
above, below = slope_at_threshold(collapsed), slope_at_threshold(cubic)
show(r"x_\mathrm{collapsed}", above * (tau - lam))
show(r"x_\mathrm{active}", below * (tau - lam))
check("collapsed: $x\\approx\\lambda(\\tau-\\lambda)/(1+\\lambda^2)$, on either side", above - lam / (1 + lam**2))
check("active: $x\\approx2\\lambda(\\lambda-\\tau)/(1+\\lambda^2)$", below + 2 * lam / (1 + lam**2))

# %% [markdown]
# The relaxation time $1/x$ diverges as $|\tau-\lambda|^{-1}$: exponent 1 on both sides, and at the same distance from
# the threshold the active state relaxes twice as fast as the collapsed one. It is Landau's ratio: the curvature of
# $-\frac{1}{2}\delta a^2+\frac{1}{4}a^4$ at its minimum $a^2=\delta$ is $2\delta$, that of
# $\frac{1}{2}\delta a^2+\frac{1}{4}a^4$ at zero is $\delta$.
#
# **Slow in the cold, too.** For $\tau\to0$ one rate of the active branch vanishes like $\tau$: without a price nothing
# fixes the scale of the latent ($w\to cw$, $e\to e/c$, once $s$ is small). The raw loss is ill-conditioned at both
# ends.

# %%
y = sp.Symbol("y", real=True)
cold = sp.Poly(sp.expand(2 * tau * cubic.subs(x, tau * y)), tau)
show(r"\lim_{\tau\to0}\frac{x}{\tau}", sp.factor(sp.solve(cold.coeff_monomial(tau), y)[0]))
check("with $x=\\tau y$ nothing of order $\\tau^0$ is left", cold.coeff_monomial(1))
check("in order $\\tau$: $y=2\\lambda/(1+\\lambda^2)$", cold.coeff_monomial(tau).subs(y, 2 * lam / (1 + lam**2)))

# %% [markdown]
# ## At the threshold, and through it
#
# Close to the threshold two directions are fast and one, the soft mode, is slow. After a short time the fast variables
# follow the slow one, which moves alone. Call its amplitude $w=a$, put $\delta=\lambda-\tau$, and count $a$ as small of
# first order, $\delta$ as small of second. The most general motion through the collapsed point that respects the
# symmetry $(w,e)\to-(w,e)$ is, to third order,
#
# $$e=\frac{a}{\lambda}+e_1\delta a+e_2a^3,\qquad s=1+s_2a^2,\qquad\dot a=r\,\delta\,a-c\,a^3$$
#
# Put this into the three equations of the flow. ($\dot s=2s_2a\dot a$ is of fourth order, so $s$ is at its best value.)
# One linear equation for each power, five unknowns:

# %%
a, d, zeta = sp.symbols("a delta zeta", real=True)
e1, e2, s2, r, c = unknowns = sp.symbols("e_1 e_2 s_2 r c")
motion = zeta**3 * (r * d * a - c * a**3)
ansatz = {
    w: zeta * a,
    e: zeta * a / lam + zeta**3 * (e1 * d * a + e2 * a**3),
    s: 1 + zeta**2 * s2 * a**2,
    tau: lam - zeta**2 * d,
}
flow_w, flow_e, flow_s = (-slope.subs(ansatz, simultaneous=True) for slope in theory.stationarity.values())
conditions = []
for part in (flow_w - motion, flow_e - motion / lam, flow_s):
    third_order = sp.series(part, zeta, 0, 4).removeO()
    conditions += sp.Poly(third_order, zeta, a, d).coeffs()
solution = sp.solve(conditions, unknowns, dict=True)[0]
for unknown in unknowns:
    show(str(unknown), sp.factor(solution[unknown]))
check("the linear coefficient is the rate found above, $r=\\lambda/(1+\\lambda^2)$", solution[r] - above)
check("the cubic coefficient is $c=\\lambda/(1+\\lambda^2)$", solution[c] - lam / (1 + lam**2))
check("the posterior variance follows as $s=1-a^2/\\lambda$", solution[s2] + 1 / lam)

# %% [markdown]
# Both coefficients are the same, because the motion has to stop on the active branch, $a^2=\delta$. They also follow
# from the Landau potential of *The collapsed point and its Landau expansion*: the flow confined to the soft direction
# $(w,e)=(1,1/\lambda)a$, of squared length $(1+1/\lambda^2)a^2$, is $(1+1/\lambda^2)\dot a=-\partial_a[a_2a^2+a_4a^4]$.
# The potential knows where the motion ends, the geometry of the parameters sets the clock.

# %%
potential = theory.expansion(4)
quadratic_term = sp.series(potential.coefficients[2].subs(tau, lam - d), d, 0, 2).removeO()
pull = -sp.diff(quadratic_term * a**2 + potential.at_threshold[4] * a**4, a)
reduced = solution[r] * d * a - solution[c] * a**3
check("the potential gives the same motion", sp.expand(pull / (1 + 1 / lam**2) - reduced))

# %% [markdown]
# With $c=r$ this is the logistic equation for $a^2$. For $\delta>0$
#
# $$a^2(t)=\frac{\delta}{1+(\delta/a_0^2-1)e^{-2c\delta t}}$$
#
# and half of the final $w^2$ is reached at $t=\ln(\delta/a_0^2-1)/(2c\delta)$; for a small start this is
# $\ln(\sqrt\delta/a_0)/\kappa$, with $\kappa\approx c\delta$. The formula holds for $\delta<0$ as well, and then ends
# in $e^{-c|\delta|t}$. At the threshold itself growth and decay are gone, and the amplitude dies not exponentially but
# as a power of time:
#
# $$a^2(t)=\frac{a_0^2}{1+2ca_0^2t}\to\frac{1}{2ct}=\frac{1+\lambda^2}{2\lambda t}$$
#
# It forgets where it began.

# %%
t, a0, c0 = sp.symbols("t a_0 c", positive=True)
logistic = sp.sqrt(delta / (1 + (delta / a0**2 - 1) * sp.exp(-2 * c0 * delta * t)))
algebraic = a0 / sp.sqrt(1 + 2 * c0 * a0**2 * t)
pace = sp.cancel(reduced / solution[c])  # the velocity over c
check(
    "the logistic formula solves the equation, and starts at $a_0$",
    sp.Matrix(
        [
            sp.diff(logistic, t) - c0 * pace.subs({a: logistic, d: delta}, simultaneous=True),
            logistic.subs(t, 0) - a0,
        ]
    ),
)
half = sp.log(delta / a0**2 - 1) / (2 * c0 * delta)
check("half of the final $w^2$ is reached at this time", logistic.subs(t, half) ** 2 - delta / 2)
check(
    "the power law solves it at the threshold, and starts at $a_0$",
    sp.Matrix(
        [
            sp.diff(algebraic, t) - c0 * pace.subs({a: algebraic, d: 0}, simultaneous=True),
            algebraic.subs(t, 0) - a0,
        ]
    ),
)
check("it tends to $a^2=1/(2ct)$", sp.limit(algebraic**2 * t, t, sp.oo) - 1 / (2 * c0))

# %% [markdown]
# ## What depends on the parametrisation
#
# Rates are not invariants. A gradient needs a way to measure distances between parameters, and $dw^2+de^2+ds^2$ is a
# choice. It even adds quantities of different units (this is how $1+\lambda^2$ comes about): train on data in other
# units, and the rates of two modes do not change by a common factor. With learning rates $\eta_w,\eta_e,\eta_s$ the
# flow at the collapsed point has the matrix $\mathrm{diag}(\eta)H$ in the place of $H$:

# %%
eta = sp.symbols("eta_w eta_e eta_s", positive=True)
scaled = (sp.diag(*eta) * H - x * sp.eye(3)).det()
general = x**2 - (eta[0] + eta[1] * tau * lam) * x + eta[0] * eta[1] * lam * (tau - lam)
show(r"\det(\mathrm{diag}(\eta)H-x)", sp.Mul(eta[2] * tau / 2 - x, general, evaluate=False))
check("this is the characteristic polynomial", sp.expand(scaled - (eta[2] * tau / 2 - x) * general))
show("x", slope_at_threshold(scaled) * (tau - lam))
check(
    "near the threshold $x\\approx\\eta_w\\eta_e\\lambda(\\tau-\\lambda)/(\\eta_w+\\eta_e\\lambda^2)$: another number, the same exponent",
    slope_at_threshold(scaled) - eta[0] * eta[1] * lam / (eta[0] + eta[1] * lam**2),
)
scaled_active = (sp.diag(*eta) * H_active - x * sp.eye(3)).det()
check("the ratio 2 of the two sides stays", slope_at_threshold(scaled_active) + 2 * slope_at_threshold(scaled))

# %% [markdown]
# In general a change of parameters turns $H$ at a point of rest into $MH$ with a positive definite $M$. Its eigenvalues
# are those of $M^{1/2}HM^{1/2}$, which by Sylvester's law of inertia has as many negative and as many vanishing ones as
# $H$. So thresholds, the number of growing directions, exponents, the ratio 2 and the states at rest belong to the
# model; rates and times belong to the trainer.
#
# Many trainers learn $\ln s$ rather than $s$. At the collapsed point, where $s=1$, that changes nothing. On the active
# branch it does, though not to leading order near the threshold, and it removes a stiffness: the curvature in $s$ is
# $\lambda^2/(2\tau)$, that in $\ln s$ is $\tau/2$.

# %%
sigma = sp.Symbol("sigma", real=True)  # ln s
in_log = sp.expand_log(theory.loss.subs(s, sp.exp(sigma)))
log_active = {w: active[w], e: active[e], sp.exp(sigma): active[s]}
H_log = sp.hessian(in_log, [w, e, sigma]).subs(log_active, simultaneous=True).applyfunc(sp.cancel)
check("in $\\ln s$ the curvature is $\\tau/2$", H_log[2, 2] - tau / 2)
check("in $s$ it is $\\lambda^2/(2\\tau)$", H_active[2, 2] - lam**2 / (2 * tau))
check("the slow rate near the threshold is the same", slope_at_threshold((x * sp.eye(3) - H_log).det()) - below)

# %% [markdown]
# ## Finite steps
#
# Gradient descent with step $\eta$, in the units of $t$, multiplies a displacement along an eigenvector by $1-\eta x$
# in each step: $1+\eta\kappa$ in the growing direction, so that leaving takes $\ln(a/\varepsilon)/\ln(1+\eta\kappa)$
# steps. It converges where $\eta x<2$ for every eigenvalue $x$. The largest eigenvalue is at least as large as any
# diagonal entry of the Hessian: trained in $s$, the active branch demands $\eta<4\tau/\lambda^2$, a step that shrinks
# with the price. In $\ln s$ this bound is gone.

# %%
step = sp.Symbol("eta", positive=True)
update = sp.Matrix(theory.variables) - step * slopes
jacobian = update.jacobian(theory.variables).subs(theory.collapsed)
check(
    "one step multiplies the growing direction by $1+\\eta\\kappa$",
    (jacobian * growing - (1 + step * kappa) * growing).expand(),
)

# %% [markdown]
# With heavy-ball momentum $\mu$ the step is $\eta$ times a velocity, $v\leftarrow\mu v-\text{slope}$: along the growing
# direction amplitudes follow $a_{n+1}=(1+\mu+\eta\kappa)a_n-\mu a_{n-1}$ and grow by the larger root of
# $z^2-(1+\mu+\eta\kappa)z+\mu$. For small steps that is $1+\eta\kappa/(1-\mu)$.

# %%
mu, position, velocity = sp.symbols("mu a v", real=True)
kicked = mu * velocity + kappa * position
heavy = sp.Matrix([position + step * kicked, kicked]).jacobian([position, velocity])
z = sp.Symbol("z", real=True)
momentum = z**2 - (1 + mu + step * kappa) * z + mu
check(
    "with momentum this is the characteristic polynomial of one update",
    sp.expand((z * sp.eye(2) - heavy).det() - momentum),
)
first_order = -(sp.diff(momentum, step) / sp.diff(momentum, z)).subs({step: 0, z: 1})
check("and for small steps $z\\approx1+\\eta\\kappa/(1-\\mu)$", sp.cancel(first_order - kappa / (1 - mu)))

# %% [markdown]
# ## The same numbers
#
# The eigenvalues of the dense Hessian at random parameters against the polynomials, and the end of the flow, integrated
# numerically, against the package's equilibrium.

# %%
import numpy as np
from scipy.integrate import solve_ivp

import landau_vae as lv

variables = list(theory.variables)
downhill = sp.lambdify([variables, lam, tau], list(-slopes))
hessian = sp.lambdify([variables, lam, tau], sp.hessian(theory.loss, variables))
rate = sp.lambdify([lam, tau], kappa)
by_polynomial = sp.lambdify([lam, tau], coefficients)


def branch(variance, price):
    """The active branch."""
    amplitude = np.sqrt(variance - price)
    return np.array([amplitude, amplitude / variance, price / variance])


def seed(amplitude, variance, price):
    """A small displacement from the collapsed point along the growing direction."""
    return np.array([amplitude, amplitude * (1 + rate(variance, price)) / variance, 1.0])


def flow(start, variance, price, until, **options):
    """The gradient flow from a start, up to a time, with relative errors of about 1e-10."""

    def curvature(_, point):
        return -np.array(hessian(point, variance, price), dtype=float)

    def velocity(_, point):
        return downhill(point, variance, price)

    accuracy = {"method": "Radau", "jac": curvature, "rtol": 1e-10, "atol": 1e-16}
    return solve_ivp(velocity, (0, until), start, **accuracy, **options)


pairs = np.random.default_rng(11).uniform([1.0, 0.1], [4.0, 0.9], (20, 2))  # λ and τ
dense = [np.linalg.eigvalsh(np.array(hessian(branch(*pair), *pair), dtype=float)) for pair in pairs]
of_cubic = [np.sort(np.roots(by_polynomial(*pair)[::-1]).real) for pair in pairs]
check("the three rates of the active branch, to $10^{-10}$", np.allclose(dense, of_cubic, rtol=1e-10, atol=1e-10))
dense = [np.linalg.eigvalsh(np.array(hessian([0, 0, 1], *pair), dtype=float))[0] for pair in pairs]
check(
    "the growth rate of the collapsed point, to $10^{-12}$",
    np.allclose(dense, [-rate(*pair) for pair in pairs], rtol=0, atol=1e-12),
)

modes, price = (2.0, 1.1), 0.7
equilibrium = lv.equilibrium(lv.Spectrum.from_eigenvalues(modes), lv.Loss.gaussian(beta=price))
ends = np.array([flow(seed(1e-3, variance, price), variance, price, 400).y[:, -1] for variance in modes])
check(
    "the flow ends in the package's decoder norms, to $10^{-8}$",
    np.allclose(ends[:, 0], equilibrium.decoder_norm, rtol=0, atol=1e-8),
)
check("and posterior variances", np.allclose(ends[:, 2], equilibrium.posterior_variance, rtol=0, atol=1e-8))

# %% [markdown]
# The start: growth over five growth times from an amplitude of $10^{-7}$, where the nonlinear terms are of relative
# size $10^{-10}$ at most; how much longer it takes to half of the final $w^2$ from $10^{-7}$ than from $10^{-4}$ (in
# the difference the constant that the logarithm leaves open drops out); and a hundred steps of plain gradient descent.


# %%
def time_to_half(amplitude, variance):
    """When w² reaches half of its final value."""

    def reached(_, point):
        return point[0] ** 2 - (variance - price) / 2

    reached.terminal = True
    return flow(seed(amplitude, variance, price), variance, price, 1e3, events=reached).t_events[0][0]


def descended(point, variance, size, number):
    """Plain gradient descent."""
    for _ in range(number):
        point = point + size * np.array(downhill(point, variance, price))
    return point


for variance in modes:
    growth = rate(variance, price)
    grown = flow(seed(1e-7, variance, price), variance, price, 5 / growth).y[0, -1] / 1e-7
    check(
        f"growth by $e^5$ in the time $5/\\kappa$, to $10^{{-8}}$ ($\\lambda={variance}$)",
        abs(grown / np.exp(5) - 1) < 1e-8,
    )
    longer = time_to_half(1e-7, variance) - time_to_half(1e-4, variance)
    check(
        f"a start a thousand times smaller costs $\\ln(1000)/\\kappa$, to $10^{{-6}}$ ($\\lambda={variance}$)",
        abs(longer * growth / np.log(1e3) - 1) < 1e-6,
    )
    stepped = descended(seed(1e-10, variance, price), variance, 0.1, 100)[0] / 1e-10
    check(
        f"a hundred steps of 0.1 multiply it by $(1+0.1\\kappa)^{{100}}$, to $10^{{-10}}$ ($\\lambda={variance}$)",
        abs(stepped / (1 + 0.1 * growth) ** 100 - 1) < 1e-10,
    )

# %% [markdown]
# Around the threshold, at $\lambda=1.5$. The power law holds up to relative corrections of order $\ln t/t$, from
# whatever start. The logistic formula has a rate that is right up to a relative error of order $\delta/\lambda$, here
# $10^{-3}$, over five growth or decay times.

# %%
variance, amplitude, gap = 1.5, 0.01, 1e-3
pace = sp.lambdify(lam, solution[c])(variance)
starts = np.array([[0.3, 0.2, 0.9], [-0.1, 0.4, 0.5]])
late = np.array([flow(start, variance, variance, 1e5).y[0, -1] for start in starts])
check(
    "at the threshold $w^2\\to1/(2ct)$ from two different starts: at $t=10^5$ to $10^{-3}$",
    np.allclose(late**2 * 2 * pace * 1e5, 1, rtol=0, atol=1e-3),
)
soft = np.array([amplitude, amplitude / variance, 1 - amplitude**2 / variance])  # on the slow manifold
for side, difference in (("below", gap), ("above", -gap)):
    times = np.linspace(0, 5, 11) / (pace * gap)
    integrated = flow(soft, variance, variance - difference, times[-1], t_eval=times).y[0]
    formula = np.sqrt(difference / (1 + (difference / amplitude**2 - 1) * np.exp(-2 * pace * difference * times)))
    check(
        f"the logistic formula just {side} the threshold, to $10^{{-2}}$",
        np.allclose(integrated, formula, rtol=1e-2, atol=0),
    )
