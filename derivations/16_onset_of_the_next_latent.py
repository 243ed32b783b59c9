# %% [markdown]
# # Onset of the next latent
#
# **Assumed.** A network with some *active* latents $z_A$, drawn from any posterior $q(z_A\mid x)$, and a decoder
# $f(z_A)$. A loss $\langle\ell(x,f)\rangle+c\langle\mathrm{KL}\rangle$, with score $s=\partial\ell/\partial f$ and
# curvature $H=\partial^2\ell/\partial f^2$ at the decoder's output; $c$ is the price of a nat. A further latent $z_b$
# is *inactive*: its posterior is the prior $\mathcal N(0,1)$, and the decoder does not read it. Given $x$ it is drawn
# independently of $z_A$, as from a posterior of diagonal covariance.
#
# **Sought.** The price below which the inactive latent becomes active. It comes out that it stays inactive if and only if
#
# $$c\ge\Lambda=\sup_w\frac{\langle h_w(x)^2\rangle}{\langle w(z_A)^\top H w(z_A)\rangle},\qquad h_w(x)=\mathrm{E}[w(z_A)^\top s\mid x]$$
#
# and that for Gaussian data $\Lambda$ is known in closed form: no network, however nonlinear, has other thresholds
# there than the linear one.
#
# **Sources.** Stability of partially collapsed states by an operator of the residual: Zhen Li, arXiv:2610.11257. The
# supremum over all $w$ and the spectrum of Gaussian data: this package. Linear equilibrium: J. Hirn, arXiv:2605.22691.

# %%
import itertools

import sympy as sp

from landau_vae.symbolic import gaussian_mean, linear
from landau_vae.symbolic.page import check, show

lam, tau = linear.lam, linear.tau

# %% [markdown]
# ## The second variation
#
# Move everything a little, by a step $\delta$. The latent $z_b$ gets the mean $\delta h$ and the variance $1+\delta k$,
# which may depend on $x$. The posterior of the active latents moves by $\delta m$ in its mean and $\delta v$ in its variance. The
# decoder gains $\delta g$, where any function of $(z_A,z_b)$ can be written in Hermite polynomials of $z_b$:
#
# $$g=w_0(z_A)+w_1(z_A)z_b+w_2(z_A)\frac{z_b^2-1}{\sqrt2}+w_3(z_A)\frac{z_b^3-3z_b}{\sqrt6}+\dots$$
#
# What the loss of a sample gains at order $\delta^2$ falls apart into blocks that know nothing of each other:
#
# - *mean channel* $(h,w_1)$: $\frac{c}{2}h^2+h\mathrm{E}[w_1s]+\frac{1}{2}\mathrm{E}[Hw_1^2]$
# - *width channel* $(k,w_2)$: $\frac{c}{4}k^2+\frac{1}{\sqrt2}k\mathrm{E}[w_2s]+\frac{1}{2}\mathrm{E}[Hw_2^2]$
# - $w_n$ with $n\ge3$: $\frac{1}{2}\mathrm{E}[Hw_n^2]$, which only costs
# - the active part, $w_0$, $m$ and $v$: the second variation of the model without $z_b$.
#
# The reflection $z_b\to-z_b$ alone says that $h$, $w_1$, $w_3$ do not meet $k$, $w_2$ and the active part. That the
# rest parts too is due to $\mathrm{E}[z_b^n]$ under the prior: the Hermite polynomials are orthogonal, and the active
# posterior meets $w_1$ or $w_2$ only together with $h$ or $k$, at order $\delta^3$. Nor does it matter whether the
# active part is at rest: the inactive latent is stationary anyway.
#
# The machine takes one output and one active latent, with score, curvature and every $w_n$ a polynomial in $z_A$ with
# free coefficients.

# %%
step, h, k, m, v, mu, var, cost = sp.symbols("delta h k m v mu_A s_A c", real=True)
xi, eta = sp.symbols("xi eta")  # the noise of z_A and of z_b


def polynomial(name, degree=1):
    return sp.Poly(sp.symbols(f"{name}_0:{degree + 1}", real=True)[::-1], xi).as_expr()


def hermite(n, z):
    """He_n(z), by its recurrence."""
    return sp.Integer(1) if n == 0 else sp.expand(z * hermite(n - 1, z) - sp.diff(hermite(n - 1, z), z))


score, curvature = polynomial("s", 2), polynomial("H")
w = [polynomial(f"w{n}") for n in range(4)]


def averaged(f, order=0):
    """E over z_A and z_b of a sample: where they are, or with the posteriors moved by δ."""
    moved = step * order
    moments = {(xi, xi): var + moved * v, (eta, eta): 1 + moved * k}
    drawn = sp.expand(f.subs({xi: mu + moved * m + xi, eta: moved * h + eta}, simultaneous=True))
    return gaussian_mean(drawn, [xi, eta], moments)


unit = [hermite(n, eta) / sp.sqrt(sp.factorial(n)) for n in range(4)]
g = sum(a * b for a, b in zip(w, unit, strict=True))
pull = averaged(sp.expand(score * g), order=1)  # δ E[s g], whose posteriors move
nats = sp.diff(linear.kl((step * h) ** 2, 1 + step * k), step, 2).subs(step, 0) / 2
first = pull.subs(step, 0)
variation = sp.diff(pull, step).subs(step, 0) + averaged(sp.expand(curvature * g**2)) / 2 + cost * nats
root = sp.sqrt(2)
blocks = {
    "mean": cost * h**2 / 2 + h * averaged(w[1] * score) + averaged(curvature * w[1] ** 2) / 2,
    "width": cost * k**2 / 4 + k * averaged(w[2] * score) / root + averaged(curvature * w[2] ** 2) / 2,
    "third": averaged(curvature * w[3] ** 2) / 2,
}
active_part = sp.expand(variation - sum(map(sp.expand, blocks.values())))
inactive = {h, k} | {a for f in w[1:] for a in f.free_symbols - {xi}}
check(
    "nothing of the inactive latent moves the loss at first order, whatever the residual",
    not first.free_symbols & inactive and not sp.diff(linear.kl((step * h) ** 2, 1 + step * k), step).subs(step, 0),
)
check("the second variation is the sum of the blocks", not active_part.free_symbols & inactive)

# %% [markdown]
# ## The price below which it pays
#
# In the mean channel the best $h$ for a given $w_1$ is $-h_w/c$, in the width channel the best $k$ for a given $w_2$ is
# $-\sqrt2h_w/c$. Both leave the same, averaged over the data:
#
# $$\tfrac{1}{2}\langle w^\top Hw\rangle-\frac{1}{2c}\langle h_w^2\rangle$$
#
# It is negative for some $w$ if and only if $c<\Lambda$. So both channels have one threshold, and an encoder that can
# only move means finds as much as one that moves widths too. For squared errors, $\ell=\frac{1}{2}\lVert
# x-f\rVert^2$, the score is minus the residual $r=x-f$, $H=1$ and $c=\tau$. Without active latents $w$ is constant and
# $\Lambda$ is the largest eigenvalue of the data's covariance: the first collapse.

# %%
h_w, metric = sp.symbols("h_w metric", real=True)
channels = [(cost * h**2 / 2 + h * h_w + metric / 2, h), (cost * k**2 / 4 + k * h_w / root + metric / 2, k)]
for (form, variable), name in zip(channels, ("mean", "width"), strict=True):
    best = sp.solve(sp.diff(form, variable), variable)[0]
    show(f"{variable}", best)
    check(f"eliminating the {name} leaves $\\frac{{1}}{{2}}w^\\top Hw-h_w^2/(2c)$",
          form.subs(variable, best) - metric / 2 + h_w**2 / (2 * cost))  # fmt: skip
x, f = sp.symbols("x f", real=True)
error = linear.squared_error(x, f)
check("squared errors: the score is $f-x$ and the curvature 1",
      sp.Matrix([sp.diff(error, f) - f + x, sp.diff(error, f, 2) - 1]))  # fmt: skip

# %% [markdown]
# ## One operator, read in two ways
#
# Let $T$ take a pattern $w$ to the function $h_w$ of $x$. Its adjoint takes a function $h$ of $x$ to the pattern
# $\mathrm{E}[sh(x)\mid z_A]$, the best decoder for a latent of mean $h$. For $H=1$ the two quotients
#
# $$\frac{\langle\mathrm{E}[w^\top s\mid x]^2\rangle}{\langle\lVert w\rVert^2\rangle}\qquad\text{and}\qquad\frac{\langle\lVert\mathrm{E}[sh\mid z_A]\rVert^2\rangle}{\langle h^2\rangle}$$
#
# have the same stationary values, the squared singular values of $T$: from the decoder's side or from the encoder's.
# The operator $TT^\dagger$ acts on functions of $x$, with the kernel
# $\int q(z\mid x)q(z\mid x')q(z)^{-1}s(x,z)^\top s(x',z)\mathrm{d}z$ of pairs of samples. (For other $H$ replace $w$ by
# $H^{-1/2}w$.) Two bounds follow:
#
# - *from above*: $\mathrm{E}[w^\top s\mid x]^2\le\mathrm{E}[(w^\top s)^2\mid x]$, so $\Lambda$ is at most the largest
#   eigenvalue of $\mathrm{E}[ss^\top\mid z_A]$ over all $z_A$. This bound itself is what a latent would reach whose
#   posterior may read $z_A$ beside $x$ (a hierarchy).
# - *from below*: a constant $w$ gives the largest eigenvalue of the second moments of $\mathrm{E}[s\mid x]$.

# %%
joint = sp.Matrix(2, 3, lambda i, j: sp.Symbol(f"p{i + 1}{j + 1}", positive=True))
signal = sp.Matrix(2, 3, lambda i, j: sp.Symbol(f"s{i + 1}{j + 1}", real=True))
rows, columns = sp.symbols("p1:3", positive=True), sp.symbols("q1:4", positive=True)  # its sums
pattern, code = sp.Matrix(sp.symbols("w1:4", real=True)), sp.Matrix(sp.symbols("h1:3", real=True))
to_h = sp.Matrix([sum(joint[i, j] * signal[i, j] * pattern[j] for j in range(3)) / rows[i] for i in range(2)])
to_w = sp.Matrix([sum(joint[i, j] * signal[i, j] * code[i] for i in range(2)) / columns[j] for j in range(3)])
inner_x = sum(rows[i] * code[i] * to_h[i] for i in range(2))
inner_z = sum(columns[j] * pattern[j] * to_w[j] for j in range(3))
check("$h\\to\\mathrm{E}[sh\\mid z]$ is the adjoint of $w\\to\\mathrm{E}[ws\\mid x]$ (2 samples, 3 places)",
      sp.expand(inner_x - inner_z))  # fmt: skip
there_and_back = to_h.subs(dict(zip(pattern, to_w, strict=True)), simultaneous=True)
kernel = sp.Matrix(2, 2, lambda i, k: sum(
    joint[i, j] / rows[i] * joint[k, j] / rows[k] / columns[j] * signal[i, j] * signal[k, j] for j in range(3)))  # fmt: skip
by_kernel = sp.Matrix([sum(kernel[i, k] * rows[k] * code[k] for k in range(2)) for i in range(2)])
check("$TT^\\dagger$ has the kernel of pairs of samples", sp.expand(there_and_back - by_kernel))

# %% [markdown]
# ## The linear model at rest
#
# Gaussian data in the eigenbasis of their covariance, $x_a=\sqrt{\lambda_a}\xi_a$. At price $\tau$ an active mode
# $\lambda>\tau$ has a latent of its own; $z$ has variance 1, its correlation $\rho$ with $\xi$ has
# $\rho^2=M^2=1-\tau/\lambda$, and the decoder's weight is $\sqrt\lambda\rho$. Write $t=1-\rho^2=\tau/\lambda$. The
# residual of a sample, averaged over its posterior, is $t x$: its variance is $\tau^2/\lambda<\tau$. In an inactive mode it
# is $x$ itself, of variance $\lambda_b$. That is $\Lambda$ with a constant $w$: the larger of the two.

# %%
theory = linear.mode_theory()
_, *pair = [branch.values for branch in theory.branches()]
alive = pair[1]
weight, encoder, noise = (alive[a] for a in (linear.w, linear.e, linear.s))
rho2 = linear.signal_fraction().subs(alive)
check("the second moment of an active latent is 1", sp.simplify(linear.second_moment().subs(alive)) - 1)
check("its squared correlation with the mode is $1-\\tau/\\lambda$", sp.simplify(rho2 - 1 + tau / lam))
check("the decoder's weight is that of the best decoder, $w^2=\\lambda\\rho^2$", sp.simplify(weight**2 - lam * rho2))
check("given the latent, the mode varies by $\\lambda t=\\tau$", sp.simplify(lam * (1 - rho2)) - tau)
left = sp.simplify((1 - weight * encoder) ** 2 * lam)
show(r"\langle\mathrm{E}[r\mid x]^2\rangle", left)
check("the averaged residual has the variance $\\tau^2/\\lambda$", left - tau**2 / lam)

# %% [markdown]
# ## Posteriors with correlations
#
# Let the posterior be Gaussian with a covariance $\kappa$ between $z_b$ and an active latent of variance $\sigma^2$.
# Then the mean of $z_b$ may read $z_A$, linearly. The price of that is $\frac{c}{2}\kappa^2/\sigma^2$ at second order, and
# $h_w^2$ becomes $h_w^2+\mathrm{E}[w^\top s(z_A-\mu)/\sigma\mid x]^2$. This quotient is never below the price at a state
# of rest: turning $z_b$ and $z_A$ into each other changes nothing in such a model, so the pattern $w=\partial f/\partial
# z_A$ costs nothing, and reads $c$ at least. In the linear model it reads $\tau$ exactly. It is no gain; other patterns
# may become active at a higher price than $\Lambda$. The bound from above holds for them, too.

# %%
kappa = sp.symbols("kappa", real=True)
correlated = linear.kl(kappa**2 / var, 1 - kappa**2 / var)
check("a covariance costs $-\\frac{1}{2}\\ln(1-\\kappa^2/\\sigma^2)$ nats, $\\frac{1}{2}\\kappa^2/\\sigma^2$ at second order",
      sp.Matrix([correlated + sp.log(1 - kappa**2 / var) / 2, sp.diff(correlated, kappa, 2).subs(kappa, 0) - 1 / var]))  # fmt: skip
check("in the linear model the turning pattern reads $\\tau$", sp.simplify(left + weight**2 * noise - tau))

# %% [markdown]
# ## The binomial theorem
#
# Now all $w$. Hermite polynomials turn conditional means of Gaussian pairs into factors (Mehler):
# $\mathrm{E}[He_n(z)\mid\xi]=\rho^nHe_n(\xi)$. The residual of an active mode, $\sqrt\lambda(\xi-\rho z)$, does as well:
#
# $$\mathrm{E}[(\xi-\rho z)He_m(z)\mid\xi]=\rho^m(1-\rho^2)He_{m+1}(\xi)$$
#
# All $m$ follow from one identity of generating functions, $G(u,z)=\exp(uz-\frac{1}{2}u^2)=\sum_mHe_m(z)u^m/m!$, with
# $\mathrm{E}[G(u,z)\mid\xi]=G(\rho u,\xi)$.

# %%
rho, u, z, x0 = sp.symbols("rho u z xi_0", real=True)


def generating(a, b):
    return sp.exp(a * b - a**2 / 2)


density = sp.exp(-((z - rho * x0) ** 2) / (2 * (1 - rho**2))) / sp.sqrt(2 * sp.pi * (1 - rho**2))
exponent = sp.expand(sp.log(density * generating(u, z) / generating(rho * u, x0)), force=True)
shifted = -((z - rho * x0 - u * (1 - rho**2)) ** 2) / (2 * (1 - rho**2)) - sp.log(2 * sp.pi * (1 - rho**2)) / 2
difference = (
    sp.expand_log(sp.log(density) - sp.log(1), force=True) + u * z - u**2 / 2 - (rho * u * x0 - (rho * u) ** 2 / 2)
)
check("under $G$ the posterior stays Gaussian: its mean moves to $\\rho\\xi+(1-\\rho^2)u$, its norm to $G(\\rho u,\\xi)$",
      sp.expand_log(difference - shifted, force=True))  # fmt: skip
moved = (x0 - rho * (rho * x0 + (1 - rho**2) * u)) * generating(rho * u, x0)
slope = sp.diff(generating(u, x0), u).subs(u, rho * u)
check("so the residual makes it $(1-\\rho^2)\\partial G$ at $\\rho u$: the formula for every $m$",
      sp.expand(moved - (1 - rho**2) * slope))  # fmt: skip
spread = {(xi, xi): 1 - rho**2}
products = [sp.expand((x0 - rho * z) * hermite(degree, z)).subs(z, rho * x0 + xi) for degree in range(6)]
claims = [rho**degree * (1 - rho**2) * hermite(degree + 1, x0) for degree in range(6)]
check("the same, term by term, for $m=0,\\dots,5$",
      sp.Matrix([gaussian_mean(sp.expand(a), [xi], spread) - b for a, b in zip(products, claims, strict=True)]))  # fmt: skip

# %% [markdown]
# Take several active latents and a product $\prod_cHe_{n_c}(\xi_c)$. The patterns that lead to it are, for each active
# output $a$, the product with $n_a-1$ in place of $n_a$; other products lead to other, orthogonal ones. So on it
# $TT^\dagger$ is a number. With $\langle He_n^2\rangle=n!$, output $a$ contributes
#
# $$\lambda_at_a\cdot n_at_a(1-t_a)^{n_a-1}\prod_{c\ne a}(1-t_c)^{n_c}$$
#
# Toss $n_c$ coins for each latent $c$, with the probability $t_c$ of success. At rest $\lambda_at_a=\tau$ for every
# $a$, and the sum over $a$ is $\tau$ times the probability of *exactly one success*. In an inactive output $b$ the pattern
# $\prod_cHe_{n_c}(z_c)$ leads to $\xi_b\prod_cHe_{n_c}(\xi_c)$, with the number $\lambda_b$ times the probability of
# *no success*. These are all: the full functional spectrum, with $n_c\ge0$ any whole numbers.

# %%
t1, t2 = sp.symbols("t1 t2", positive=True)
shares = (t1, t2)


def coins(counts, wanted):
    """Probability of so many successes, by going through all outcomes."""
    chances = [t for t, n in zip(shares, counts, strict=True) for _ in range(n)]
    outcomes = (o for o in itertools.product((0, 1), repeat=len(chances)) if sum(o) == wanted)
    return sum((sp.prod([t if o else 1 - t for t, o in zip(chances, outcome, strict=True)]) for outcome in outcomes),
               sp.Integer(0))  # fmt: skip


def back_and_forth(counts, output):
    """⟨h²⟩/⟨w²⟩ of the pattern that leads to a product of Hermite polynomials, from the formula above."""
    lowered = [n - (a == output) for a, n in enumerate(counts)]
    if min(lowered) < 0:
        return sp.Integer(0)
    image = sp.prod([(1 - t) ** n for t, n in zip(shares, lowered, strict=True)])
    if output is not None:
        image *= shares[output] ** 2
    return image * sp.prod([sp.factorial(n) for n in counts]) / sp.prod([sp.factorial(n) for n in lowered])


for counts in [(1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (2, 2)]:
    value = sum(tau / shares[a] * back_and_forth(counts, a) for a in range(2))
    check(f"active outputs, $n=({counts[0]},{counts[1]})$: the price times the probability of exactly one success",
          sp.expand(value - tau * coins(counts, 1)))  # fmt: skip
    check(f"an inactive output, $n=({counts[0]},{counts[1]})$: its variance times the probability of none",
          sp.expand(back_and_forth(counts, None) - coins(counts, 0)))  # fmt: skip

# %% [markdown]
# **No nonlinear network shifts an onset of Gaussian data.** A probability is at most 1, and that of no success is 1
# for no toss: $\Lambda$ is $\max_b\lambda_b$, unless an active one reads more, and that is always less than $\tau$.
# So the next latent becomes active at $\tau=\lambda_b$, where the linear theory has it, whatever decoder and encoder may do. The
# bound from above says the same at a glance: given $z_A$ the data vary by $\tau$ in active and $\lambda_b$ in inactive
# modes. It is no matter of small amplitudes either: for a Gaussian population the linear model is the best of all codes
# (*Rate–distortion*).
#
# **A floor of 1/e.** One active latent reads $\tau nt(1-t)^{n-1}$, most for the largest whole $n\le1/t$. For
# $1/(n+1)\le t\le1/n$ this is least at the left end, where it is $\tau(1+1/n)^{-n}>\tau/e$. So the active
# outputs of a model at its very best read at least $\tau/e$ if $w$ may be any function, and never more than $\tau$. With
# $w$ of degree 0 they read $\tau t$, with degree 1 $\tau\max[t,2t(1-t)]$ or, from two latents, $\tau[t_1(1-t_2)+t_2(1-t_1)]$.

# %%
n, t = sp.symbols("n t", positive=True)
one_of_n = n * t * (1 - t) ** (n - 1)
logarithm = sp.log(n) + sp.log(t) + (n - 1) * sp.log(1 - t)
growth = sp.exp(sp.expand(logarithm.subs(n, n + 1) - logarithm))
check("the logarithm of one latent's reading", sp.expand_log(sp.log(one_of_n), force=True) - logarithm)
check("one more toss multiplies it by $(n+1)(1-t)/n$: a gain while $n+1\\le1/t$", growth - (n + 1) * (1 - t) / n)
check("for given $n$ it rises with $t$ up to $1/n$", sp.diff(logarithm, t) - (1 - n * t) / (t * (1 - t)))
at_end = sp.expand_log(logarithm.subs(t, 1 / (n + 1)).subs(1 - 1 / (n + 1), n / (n + 1)), force=True)
check("at $t=1/(n+1)$ it is $(1+1/n)^{-n}$", at_end - n * sp.expand_log(sp.log(n / (n + 1)), force=True))
check("which falls to $1/e$", sp.limit((1 + 1 / n) ** (-n), n, sp.oo) - sp.exp(-1))
check("two active latents and $w$ of degree 1", sp.expand(coins((1, 1), 1) - t1 * (1 - t2) - t2 * (1 - t1)))

# %% [markdown]
# ## What it does not say
#
# $\Lambda\le\tau$ says that *inactive* latents stay inactive. Of the active ones it says nothing. Take $\lambda=(4,\frac{1}{2})$ and
# $\tau=1$, and two latents that share mode 1, each with the squared weight $g$, where $(\tau+2g)^2=\lambda(\tau+g)$:
# $g=\sqrt3/2$. All slopes vanish. Turning the two weights into each other keeps $g_1+g_2$, and
# $\frac{\tau}{2}\sum_k\ln(1+g_k/\tau)$ is concave: the loss falls. It is a strict saddle (one of those in *The
# landscape*). Yet a third latent stays inactive. The sum of the two latents carries the signal, with
# $t=\tau/(\tau+2g)$; their difference is noise. The theorem holds with the residual's variance $\lambda t$ in place of
# $\tau$, as the best decoder is still linear, and $\Lambda=\max_n\lambda nt^2(1-t)^{n-1}$ is taken at $n=2$:
# $\Lambda=18-10\sqrt3\approx0.68$, above $\lambda_2=\frac{1}{2}$ and below the price.
#
# Nor does $\Lambda>\tau$ always ask for a latent. It takes the decoder as it is. A constant error $b$ of the output adds
# $bb^\top$ to the second moments of $\mathrm{E}[r\mid x]$, and a latent would pay for it, where a better bias is for
# free. What the functions of $z_A$ explain of the residual is the decoder's own debt; an estimator takes it out first.

# %%
W, E, variances = linear.variables(1, 2)
shared = linear.loss(W, E, variances, sp.Matrix([[lam]])).subs({lam: 4, tau: 1})
unknowns = [*W, *E, *variances]
g = sp.sqrt(3) / 2
at = dict.fromkeys(W, sp.sqrt(g)) | dict.fromkeys(E, sp.sqrt(g) / (1 + 2 * g)) | dict.fromkeys(variances, 1 / (1 + g))
slopes = sp.Matrix([sp.diff(shared, a) for a in unknowns]).subs(at)
check(
    "two latents on one mode, with $g=\\sqrt3/2$ each: all slopes vanish",
    slopes.applyfunc(sp.radsimp).applyfunc(sp.simplify),
)
hessian = sp.hessian(shared, unknowns).subs(at)
fast_part, turn = hessian[2:, 2:], sp.Matrix([1, -1, 0, 0, 0, 0])
follow = fast_part.LUsolve(-(hessian * turn)[2:, :])
direction = sp.Matrix([1, -1, *follow])
fall = sp.nsimplify(sp.radsimp(sp.simplify((direction.T * hessian * direction)[0])))
show(r"v^\top\mathrm{Hess}\,v", fall)
check("turning them into each other lowers the loss", fall.is_negative)
share = sp.radsimp(1 / (1 + 2 * g))
readings = [sp.expand(sp.radsimp(4 * share * one_of_n.subs({n: count, t: share}))) for count in range(1, 6)]
Lambda = readings[1]
show(r"\Lambda", Lambda)
check("$\\Lambda=18-10\\sqrt3$, at $n=2$", Lambda - 18 + 10 * sp.sqrt(3))
check("it is the largest reading, above $\\lambda_2$ and below the price", all(
    bool(Lambda > other) for other in [readings[0], *readings[2:], sp.Rational(1, 2)]) and bool(Lambda < 1))  # fmt: skip

constant = sp.Symbol("b", real=True)
with_error = gaussian_mean(sp.expand((t * x + constant) ** 2), [x], {(x, x): lam})
check("a constant error of the output adds its square", sp.expand(with_error - t**2 * lam - constant**2))

# %% [markdown]
# ## The same numbers
#
# First the spectrum without Hermite polynomials. The joint density of data and latents is put on a grid of equal steps
# (where sums of smooth, fast decaying functions are exact to rounding), and $T$ becomes a matrix, whose singular values
# NumPy finds. Their squares are compared with the binomial numbers, for one active latent and for two.

# %%
import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq, minimize


def pair_density(signal2, grid):
    """Joint density of mode and latent, both of variance 1, times the step squared, (mode, latent)."""
    shrink, (a, b) = 1 - signal2, np.meshgrid(grid, grid, indexing="ij")
    spread = np.exp(-((b - np.sqrt(signal2) * a) ** 2) / (2 * shrink) - a**2 / 2) / (2 * np.pi * np.sqrt(shrink))
    return spread * (grid[1] - grid[0]) ** 2


def matrix(density, residual):
    """p r/√(p_x p_z): its squared singular values are the stationary values of the quotient."""
    return density * residual / np.sqrt(density.sum(1)[:, None] * density.sum(0))


def singular(*matrices):
    return np.linalg.svd(np.hstack(matrices), compute_uv=False) ** 2


def numeric(price, variances, degrees, tosses):
    """Largest stationary values, by the theorem."""
    chances = [price / v for v in variances]
    values = []
    for counts in itertools.product(range(degrees), repeat=len(chances)):
        trials = np.repeat(chances, counts)
        none = np.prod(1 - trials)
        values.append(none * (np.sum(trials / (1 - trials)) if tosses == 1 else 1.0))
    return np.sort(values)[::-1]


grid = np.arange(-9, 9.1, 0.15)
for price, variance in [(1.0, 4.0), (1.0, 1.3)]:
    rho_squared = 1 - price / variance
    density = pair_density(rho_squared, grid)
    residual = np.sqrt(variance) * (grid[:, None] - np.sqrt(rho_squared) * grid)
    found, inactive_found = singular(matrix(density, residual)), singular(matrix(density, np.ones_like(residual)))
    expected = price * numeric(price, [variance], 30, 1), numeric(price, [variance], 30, 0)
    check(f"one active mode, $\\lambda/\\tau={variance}$: the six largest of its output, to $10^{{-9}}$",
          np.allclose(found[:6], expected[0][:6], rtol=0, atol=1e-9))  # fmt: skip
    check(f"and of an inactive output, $\\lambda/\\tau={variance}$, in units of its variance",
          np.allclose(inactive_found[:6], expected[1][:6], rtol=0, atol=1e-9))  # fmt: skip
coarse = np.arange(-6.6, 6.7, 0.6)
two_active = [2.5, 2.2]
densities = [pair_density(1 - 1 / a, coarse) for a in two_active]
both = np.einsum("ac,bd->abcd", *densities).reshape(len(coarse) ** 2, -1)
parts = [np.sqrt(a) * (coarse[:, None] - np.sqrt(1 - 1 / a) * coarse) for a in two_active]
apart = np.ones((len(coarse), len(coarse)))
first = np.einsum("ac,bd->abcd", parts[0], apart).reshape(both.shape)
second = np.einsum("ac,bd->abcd", apart, parts[1]).reshape(both.shape)
found = singular(matrix(both, first), matrix(both, second))
check("two active modes, 2.5 and 2.2 at the price 1: the six largest of both outputs together, to $10^{-6}$",
      np.allclose(found[:6], numeric(1.0, two_active, 8, 1)[:6], rtol=0, atol=1e-6))  # fmt: skip
gain, width = float(sp.sqrt(g)), float(1 / (1 + g))
code = 2 * gain / (1 + 2 * gain**2) * coarse[:, None]  # the mean of either latent
posterior = np.exp(-((coarse - code) ** 2) / (2 * width)) / np.sqrt(2 * np.pi * width) * 0.6
shares = np.exp(-(coarse**2) / 2) / np.sqrt(2 * np.pi) * 0.6
both = np.einsum("x,xa,xb->xab", shares, posterior, posterior).reshape(len(coarse), -1)
sums = np.add.outer(coarse, coarse).ravel()
saddle = singular(matrix(both, 2 * coarse[:, None] - gain * sums))[0]
check(
    "the saddle's two latents, on a grid of both, read $18-10\\sqrt3$, to $10^{-6}$", abs(saddle - float(Lambda)) < 1e-6
)

# %% [markdown]
# The package's estimators see rows and draws only. At the linear equilibrium of $\lambda=(4,0.9,0.1)$ they read 0.9
# within three standard errors: `next_latent` from the decoder, the kernel from the encoder alone.

# %%
from landau_vae.likelihoods import GAUSSIAN
from landau_vae.networks._next_latent import next_latent
from landau_vae.networks.kernel_onset import next_latent_by_kernel

rng = np.random.default_rng(16)
data = rng.standard_normal((4000, 3)) * np.sqrt([4.0, 0.9, 0.1])
codes, deviation = data[:, :1] * np.sqrt(0.75 / 4), np.full((4000, 1), 0.5)
decode = np.array([[np.sqrt(3.0), 0.0, 0.0]])
by_decoder = next_latent(codes, deviation, lambda z: z @ decode, data, GAUSSIAN, np.arange(1))
by_kernel = next_latent_by_kernel(codes, deviation, data, np.arange(1))
check("read from the decoder", abs(by_decoder.constant - 0.9) < 3 * by_decoder.constant_error)
check("read from the encoder alone", abs(by_kernel.bulk - 0.9) < 3 * by_kernel.bulk_error)

# %% [markdown]
# Last a case that is neither Gaussian nor linear: twelve points in space along a bent line, with free means and
# variances for every point, and a decoder of all $He_m(z_A)He_n(z_b)$ with $m,n\le2$. For given posteriors its
# coefficients are a regression. The loss is averaged by quadrature, exact for these polynomials, and minimised without
# any expansion. $\Lambda$ with $w$ of degree 2 is compared with the Hessian of that loss by differences of its gradient,
# and with what minimisation finds on both sides of the price where $\Lambda=\tau$. PCA's second eigenvalue is not it:
# the active latent explains part of the bend.

# %%
node, mass = np.polynomial.hermite_e.hermegauss(6)
mass = mass / mass.sum()


def table(z):
    return np.stack([np.ones_like(z), z, z**2 - 1])


class Free:
    """A VAE with a free posterior for each point and a polynomial decoder; indices n: point, q: node, j: feature."""

    def __init__(self, x, price, latents):
        self.x, self.price, self.shape = x, price, (2, len(x), latents)
        self.noise = np.array(list(itertools.product(node, repeat=latents)))
        self.weight = np.prod(list(itertools.product(mass, repeat=latents)), axis=1)
        self.powers = np.array(list(itertools.product(range(3), repeat=latents)))

    def parts(self, flat):
        """Means, widths, features and their slopes in z, Gram matrix, coefficients, errors."""
        mean, width = flat.reshape(self.shape)[0], np.exp(flat.reshape(self.shape)[1])
        values = table(mean[:, None] + width[:, None] * self.noise)  # (degree, n, q, latent)
        each = [values[p, :, :, i] for i, p in enumerate(self.powers.T)]
        phi = np.prod(each, axis=0)
        slopes = [np.prod([p[:, None, None] * values[np.maximum(p - 1, 0), :, :, i], *each[:i], *each[i + 1 :]], axis=0)
                  for i, p in enumerate(self.powers.T)]  # fmt: skip
        gram = np.einsum("inq,jnq,q->ij", phi, phi, self.weight) / len(self.x)
        best = np.linalg.solve(gram, np.einsum("jnq,q,nd->jd", phi, self.weight, self.x) / len(self.x))
        return mean, width, phi, slopes, gram, best, np.einsum("jnq,jd->nqd", phi, best) - self.x[:, None]

    def loss(self, flat):
        """Loss with the decoder eliminated, and its gradient (the decoder's slope vanishes)."""
        mean, width, _, slopes, _, best, wrong = self.parts(flat)
        nats = (mean**2 + width**2 - 1 - 2 * np.log(width)).sum() / 2
        value = (np.einsum("nqd,nqd,q->", wrong, wrong, self.weight) / 2 + self.price * nats) / len(self.x)
        along = np.einsum("nqd,kjnq,jd->nqk", wrong, slopes, best)
        to_mean = np.einsum("nqk,q->nk", along, self.weight) + self.price * mean
        to_width = np.einsum("nqk,q,qk->nk", along, self.weight, self.noise) * width + self.price * (width**2 - 1)
        return value, np.stack([to_mean, to_width]).ravel() / len(self.x)

    def minimised(self, start):
        return minimize(self.loss, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 4000})

    def readings(self, flat):
        """Stationary values of ⟨h²⟩/⟨w²⟩ for w in the span of the features, largest first."""
        *_, phi, _, gram, _, wrong = self.parts(flat)
        h = np.einsum("jnq,nqd,q->njd", phi, wrong, self.weight).reshape(len(self.x), -1)
        return eigh(h.T @ h / len(self.x), np.kron(gram, np.eye(self.x.shape[1])), eigvals_only=True)[::-1]


line = np.linspace(-1.6, 1.6, 12)
bent = np.column_stack([2 * line, line**2, 1.1 * np.cos(9 * line)])
bent -= bent.mean(axis=0)
spectrum, axes = np.linalg.eigh(bent.T @ bent / 12)
begin = np.concatenate([0.8 * bent @ axes[:, -1] / np.sqrt(spectrum[-1]), np.full(12, -0.5)])


def at_rest(price):
    """One active latent at its minimum."""
    return Free(bent, price, 1).minimised(begin)


def with_inactive(flat, amplitude=0.0):
    """The same with a second latent, inactive but for an amplitude."""
    extra = amplitude * rng.standard_normal((2, 12))
    return np.stack([flat.reshape(2, 12), extra], axis=-1).ravel()


price = 0.7 * spectrum[1]
state = at_rest(price).x
readings = Free(bent, price, 1).readings(state)
model, flat = Free(bent, price, 2), with_inactive(state)
unit = 1e-4 * np.eye(len(flat))
hessian = 12 * np.array([(model.loss(flat + d)[1] - model.loss(flat - d)[1]) / 2e-4 for d in unit])
index = np.arange(len(flat)).reshape(2, 12, 2)
mean_part, width_part = index[0, :, 1], index[1, :, 1]
for name, part, factor in [("mean", mean_part, 1), ("width", width_part, 2)]:
    curvatures = np.linalg.eigvalsh(hessian[np.ix_(part, part)]) / factor
    check(f"{name} channel: the lowest four curvatures are $\\tau-\\Lambda_i$, to $10^{{-6}}$ (differences)",
          np.allclose(curvatures[:4], price - readings[:4], rtol=0, atol=1e-6))  # fmt: skip
others = np.setdiff1d(np.arange(len(flat)), [*mean_part, *width_part])
crossed = [hessian[np.ix_(a, b)] for a, b in [(mean_part, width_part), (mean_part, others), (width_part, others)]]
check("the channels and the active latent do not meet, to $10^{-6}$", max(np.abs(c).max() for c in crossed) < 1e-6)
onset = brentq(lambda p: Free(bent, p, 1).readings(at_rest(p).x)[0] - p, 0.6 * spectrum[1], spectrum[1], xtol=1e-7)
moments = []
for factor in (0.99, 1.01):
    alone = at_rest(factor * onset)
    ends = [Free(bent, factor * onset, 2).minimised(with_inactive(alone.x, a)) for a in (1e-3, 0.5)]
    moments.append(max(np.mean(end.x.reshape(2, 12, 2)[0, :, 1] ** 2) for end in ends))
    if factor < 1:
        gained = alone.fun - min(end.fun for end in ends)
check(
    "one per cent below the onset the second latent becomes active, and the loss is lower",
    moments[0] > 1e-3 and gained > 1e-6,
)
check("one per cent above it becomes inactive, from small and from large starts", moments[1] < 1e-9)
check("the onset is at 0.795 of PCA's second eigenvalue, to $10^{-3}$", abs(onset / spectrum[1] - 0.795) < 1e-3)
