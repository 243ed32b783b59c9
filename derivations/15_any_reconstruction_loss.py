# %% [markdown]
# # Total collapse under any reconstruction loss
#
# **Assumed.** A term $\ell(x,f)$ per row, of whatever kind, with the decoder's output $f=f(z)\in\mathbb R^d$: a square,
# a cross-entropy, a Huber loss, an absolute error, a distance of features. The loss is $\langle\ell\rangle$ plus $c$
# times the divergence from the prior $N(0,1)$, so that $c$ is the price of a nat in the unit of $\ell$. Decoder and
# encoder are networks that can represent any function. In the collapsed state the decoder returns the best constant
# $f_0$, which minimises $\langle\ell(x,f)\rangle$. Each row has a *score* $s=\partial\ell/\partial f$ and a *curvature*
# $H=\partial^2\ell/\partial f^2$ at $f_0$, so $\langle s\rangle=0$.
#
# **Sought.** The price $c^\star$ below which the collapsed state is no longer a minimum, and what this price does not
# say.
#
# **Sources.** This package. Squared error: J. Hirn, arXiv:2605.22691. Canonical exponential families: *Exponential-family
# decoders*.

# %%
import sympy as sp

from landau_vae.symbolic import any_loss, exponential_family, gaussian_mean, linear, moment
from landau_vae.symbolic.page import check, show

c = sp.Symbol("c", positive=True)

# %% [markdown]
# ## Second order around the collapsed state
#
# Let the decoder move by $\varphi(z)$ and the posterior of row $i$ by $\mu_i$ and $v_i=\ln\sigma_i$, all of them small
# of first order. A row then pays $\langle s_i\cdot\varphi+\frac{1}{2}\varphi^\top H_i\varphi\rangle$ more, averaged over
# its own posterior. Write $\varphi=b+wz+q(z^2-1)/\sqrt2+\dots$ in normalised Hermite polynomials.
#
# - In the term with $H_i$ the posterior is the prior, to this order. The polynomials are orthonormal there, so each
#   coefficient pays $\frac{1}{2}b^\top\langle H\rangle b$, and so on. Only the mean of $H$ matters.
# - In the term with $s_i$ the first order in the posterior's change is needed. The mean of $z$ is $\mu_i$, that of
#   $(z^2-1)/\sqrt2$ is $\sqrt2v_i$, and all higher polynomials begin at second order. The constant $b$ meets
#   $\langle s\rangle=0$.
# - The divergence costs $c(\frac{1}{2}\mu_i^2+v_i^2)$.
#
# So the Hessian consists of a *mean channel* $(w,\mu)$ and a *width channel* $(q,v)$ that do not meet. Three rows with
# two outputs, any scores and curvatures, and weights $p_i$ show it:

# %%
n, d = 3, 2
p = sp.symbols("p1:4", positive=True)
free = [sp.Matrix(d, 1, lambda j, _, i=i: sp.Symbol(f"s{i + 1}{j + 1}", real=True)) for i in range(n - 1)]
scores = [*free, -sum((p[i] * free[i] for i in range(n - 1)), sp.zeros(d, 1)) / p[-1]]  # ⟨s⟩ = 0
curvatures = [
    sp.Matrix(d, d, lambda j, k, i=i: sp.Symbol(f"h{i + 1}{min(j, k) + 1}{max(j, k) + 1}", real=True)) for i in range(n)
]
decoder = [sp.Matrix(sp.symbols(f"{name}1:{d + 1}", real=True)) for name in "bwq"]
b, w, q = decoder
mu, v = sp.symbols("mu1:4", real=True), sp.symbols("v1:4", real=True)


def mean_of(rows):
    """The average over rows."""
    return sum((weight * row for weight, row in zip(p, rows, strict=True)), 0 * rows[0])


loss = mean_of([any_loss.row_loss(scores[i], curvatures[i], decoder, mu[i], v[i], c) for i in range(n)])
unknowns = [*b, *w, *mu, *q, *v]
at_collapse = dict.fromkeys(unknowns, 0)
check(
    "the collapsed state is stationary: $\\langle s\\rangle=0$",
    sp.Matrix([sp.diff(loss, u) for u in unknowns]).subs(at_collapse),
)
hessian = sp.hessian(loss, unknowns).subs(at_collapse)
H_mean, S = mean_of(curvatures), sp.Matrix.hstack(*(p[i] * scores[i] for i in range(n)))
weights = sp.diag(*p)


def channel(factor):
    """The block of one channel: decoder, then rows."""
    return sp.Matrix(sp.BlockMatrix([[H_mean, factor * S], [factor * S.T, factor**2 * c * weights]]))


check(
    "the Hessian is $\\langle H\\rangle$ for $b$, and two channels apart: mean and width",
    hessian - sp.diag(H_mean, channel(1), channel(sp.sqrt(2))),
)
t, a, m = sp.symbols("t a m", real=True)
noise, width = sp.symbols("epsilon sigma", real=True)
for order in range(3, 7):  # he_n(z) is n! times the coefficient of tⁿ in exp(tz − t²/2)
    hermite = sp.expand(sp.series(sp.exp(t * noise - t**2 / 2), t, 0, order + 1).removeO().coeff(t, order))
    moved = gaussian_mean(sp.expand(hermite.subs(noise, a * m + width * noise)), [noise], {(noise, noise): 1})
    first = sp.diff(moved.subs(width, sp.exp(a * v[0])), a).subs(a, 0)
    check(f"the mean of the Hermite polynomial of degree {order} has no term of first order", first)

# %% [markdown]
# Eliminate the posteriors. A row answers with $\mu_i=-s_i\cdot w/c$, and with $v_i=-s_i\cdot q/(\sqrt2c)$. What is left
# is the same in both channels:
#
# $$\frac{1}{2}w^\top\left[\langle H\rangle-\frac{\mathrm{Cov}(s)}{c}\right]w$$
#
# So the collapsed state is a minimum if and only if $c\ge c^\star$ (at equality the next orders decide), with
#
# $$c^\star=\lambda_{\max}\left(\langle H\rangle^{-1/2}\mathrm{Cov}(s)\langle H\rangle^{-1/2}\right)$$

# %%
cov = mean_of([score * score.T for score in scores])
for name, factor in [("mean", 1), ("width", sp.sqrt(2))]:
    block = channel(factor)
    schur = block[:d, :d] - block[:d, d:] * block[d:, d:].inv() * block[d:, :d]
    check(
        f"with the posteriors eliminated, the {name} channel is $\\langle H\\rangle-\\mathrm{{Cov}}(s)/c$",
        schur - H_mean + cov / c,
    )
answer = {mu[i]: -scores[i].dot(w) / c for i in range(n)} | {
    v[i]: -scores[i].dot(q) / (sp.sqrt(2) * c) for i in range(n)
}
slopes = [slope for u, slope in zip(unknowns, hessian * sp.Matrix(unknowns), strict=True) if u in answer]
check("rows answer with $\\mu=-s\\cdot w/c$ and $v=-s\\cdot q/(\\sqrt2c)$", sp.Matrix(slopes).subs(answer))

# %% [markdown]
# **No other posterior does better.** Let the prior be any $p(z)$ and the posterior $p(z)[1+r_i(z)]$ with any small
# $r_i$ whose mean under the prior is zero. The divergence is $\frac{1}{2}\langle r_i^2\rangle$ to second order, and the
# rows gain $\langle s_i\cdot\varphi r_i\rangle$. The best $r_i=-s_i\cdot\varphi/c$ leaves
# $\frac{1}{2}\langle\varphi^\top[\langle H\rangle-\mathrm{Cov}(s)/c]\varphi\rangle$ for a $\varphi$ of mean zero: the
# same matrix. Full covariances, flows, mixtures and other priors cannot raise $c^\star$.
#
# **A weaker encoder lowers it.** With $\mu$ affine in $x$ (or in any features), $\mu_i=e\cdot y_i$ with $y$ centred and
# of covariance $\Sigma$, a row can only answer with the part of its score that is linear in $x$:
# $\mathrm{Cov}(s)$ becomes $\mathrm{Cov}(s,x)\Sigma^+\mathrm{Cov}(x,s)$. The same holds for $\ln\sigma$ affine in $x$.
# Where the score is linear in $x$, as for a square and for canonical exponential families, nothing is lost.
#
# **A weaker decoder** lowers it too: $w$ is restricted to what its last layer can move.

# %%
prior, ratio = sp.symbols("pi1:4", positive=True), sp.symbols("r1:4", real=True)
divergence = sum(weight * (1 + a * r) * sp.log(1 + a * r) for weight, r in zip(prior, ratio, strict=True))
mean_zero = {ratio[2]: -(prior[0] * ratio[0] + prior[1] * ratio[1]) / prior[2]}
check(
    "three states: the divergence of $p(1+r)$ from $p$ is $\\frac{1}{2}\\langle r^2\\rangle$ to second order",
    (sp.diff(divergence, a, 2).subs(a, 0) - sum(u * r**2 for u, r in zip(prior, ratio, strict=True))).subs(mean_zero),
)
check("without a term of first order", sp.diff(divergence, a).subs(a, 0).subs(mean_zero))
y = sp.Matrix(n, 2, lambda i, j: sp.Symbol(f"y{i + 1}{j + 1}", real=True))
affine = sp.diag(sp.eye(d), y)  # (w, e) → (w, μ)
sigma, cross = y.T * weights * y, S * y
restricted = affine.T * channel(1) * affine
check(
    "an encoder affine in $x$ has the blocks $\\langle H\\rangle$, $\\mathrm{Cov}(s,x)$ and $c\\Sigma$",
    restricted - sp.Matrix(sp.BlockMatrix([[H_mean, cross], [cross.T, c * sigma]])),
)

# %% [markdown]
# ## One output: squares, families, counts
#
# With one output $c^\star=\langle s^2\rangle/\langle H\rangle$. The moments of $x$ are symbols, and everything follows
# from $\ell$ by differentiation.
#
# - **Squared error** $a(x-f)^2$: $c^\star=2a\lambda$, that is $\tau^\star=c^\star/2a=\lambda$.
# - **Canonical exponential family** $A(f)-xf$: variance of the data over $\mathcal V(\bar x)$, as derived there.
# - **Negative binomial with fixed dispersion** $r$: not canonical in $f=\ln m$, and $H$ depends on $x$. The result is the
#   variance of the Pearson residual $(x-\bar x)/\sqrt{\bar x+\bar x^2/r}$; in several columns the covariance of these
#   residuals.
# - **The link does not matter.** Put $f=h(g)$ and let the network return $g$: scores gain a factor $h'$, curvatures
#   $h'^2$ and a part $sh''$ that averages to zero.

# %%
x, f, g, r, scale = sp.symbols("x f g r a", positive=True)
xbar, variance, fourth = sp.symbols("xbar V m_4", positive=True)
third = sp.Symbol("m_3", real=True)
central = [1, 0, variance, third, fourth]


def average(expression):
    """The mean of a polynomial in x of degree 4 or less."""
    shifted = sp.Poly(sp.expand(expression.subs(x, xbar + x)), x)
    return sp.Add(*(coefficient * central[power] for (power,), coefficient in shifted.terms()))


def threshold(term, f0):
    """c* of one output at its best constant."""
    return average(sp.diff(term, f).subs(f, f0) ** 2) / average(sp.diff(term, f, 2).subs(f, f0))


check(
    "squared error: $c^\\star=2a\\lambda$",
    threshold(2 * scale * linear.squared_error(x, f), xbar) - 2 * scale * variance,
)
poisson = threshold(sp.exp(f) - x * f, sp.log(xbar))
check("Poisson: $V/\\bar x$", poisson - variance / xbar)
engine = exponential_family([[xbar] * 4], [1]).threshold.subs(moment(0, 0), variance)
check("which is the threshold of *Exponential-family decoders*", poisson - engine)
negative_binomial = threshold((r + x) * sp.log(r + sp.exp(f)) - x * f, sp.log(xbar))
show(r"c^\star_\text{negative binomial}", sp.factor(negative_binomial))
check("negative binomial: the variance of the Pearson residual", negative_binomial - variance / (xbar + xbar**2 / r))
score, curve, cubic = sp.symbols("s H T", real=True)
h1, h2, h3 = sp.symbols("h1:4", real=True)
link = h1 * g + h2 * g**2 / 2 + h3 * g**3 / 6  # h(g) − f₀
through = score * link + curve * link**2 / 2 + cubic * link**3 / 6  # ℓ(x, h(g)) − ℓ₀
linked = [sp.diff(through, g, order).subs(g, 0) for order in (1, 2, 3)]
check("through a link the score is $sh'$", linked[0] - score * h1)
check("and the curvature $Hh'^2+sh''$, whose mean is $\\langle H\\rangle h'^2$", linked[1] - curve * h1**2 - score * h2)

# %% [markdown]
# ## Softmax: a direction without curvature
#
# For $\ell=-\sum_jx_jf_j+\ln\sum_je^{f_j}$ the curvature $\mathrm{diag}(\pi)-\pi\pi^\top$ has a null vector: adding a
# constant to all outputs of the group changes nothing. If $\sum_jx_j=1$ in every row, the score has no part there
# either. Leave that direction out: there is one such direction per group. On the rest, for single labels (*one-hot*),
# $\mathrm{Cov}(s)=\langle H\rangle$, and every eigenvalue is 1, as for a single bit.
#
# If $\sum_jx_j$ varies from row to row, the covariance of the scores does not vanish where the curvature does, and
# $c^\star=\infty$: along that direction the loss falls linearly without end.

# %%
pi = [*sp.symbols("pi1:3", positive=True)]
pi.append(1 - sum(pi))
logits, counts = sp.symbols("f1:4", real=True), sp.symbols("x1:4", real=True)
softmax = sp.log(sum(sp.exp(u) for u in logits)) - sum(u * z for u, z in zip(logits, counts, strict=True))
at_rest = {u: sp.log(value) for u, value in zip(logits, pi, strict=True)}
H_softmax = sp.hessian(softmax, logits).subs(at_rest).applyfunc(sp.simplify)
s_softmax = sp.Matrix([sp.diff(softmax, u) for u in logits]).subs(at_rest).applyfunc(sp.simplify)
ones, vector = sp.ones(3, 1), sp.Matrix(pi)
check("the curvature is $\\mathrm{diag}(\\pi)-\\pi\\pi^\\top$", H_softmax - sp.diag(*pi) + vector * vector.T)
check("which has a null vector", H_softmax * ones)
check("where the score is $1-\\sum_jx_j$", s_softmax.dot(ones) - 1 + sum(counts))
labels = [dict(zip(counts, sp.eye(3)[:, j], strict=True)) for j in range(3)]
cov_labels = sum((pi[j] * s_softmax.subs(labels[j]) * s_softmax.subs(labels[j]).T for j in range(3)), sp.zeros(3))
check("for single labels $\\mathrm{Cov}(s)=\\langle H\\rangle$: all eigenvalues are 1", cov_labels - H_softmax)

# %% [markdown]
# ## Absolute error: a density, and an atom
#
# $a|x-f|$ has no curvature at any row, but its mean has one: $\langle H\rangle=2a\rho(f_0)$, with $\rho$ the density of
# the data at their median. The score is $a$ times a sign. Hence, with $P=\mathrm{diag}\rho_j$ over the columns,
#
# $$c^\star=\frac{a}{2}\lambda_{\max}\left(P^{-1/2}\mathrm{Cov}(\mathrm{sign})P^{-1/2}\right)$$
#
# A finite sample has no density at a point. What counts is the share of rows within the amplitude of the latent's
# effect: a width has to be chosen, and the threshold is as sharp as the density is constant over it. The *smooth*
# absolute error ($\frac{1}{2\delta}(x-f)^2$ within $\delta$, a line beyond, slope 1) names its width itself, and its
# $c^\star$ tends to the one above as $\delta\to0$.
#
# **An atom at the median** (black pixels, columns with many zeros) is another matter. If a share $A$ of the rows sits
# there, any $w$ costs $aA\langle|wz|\rangle=aA|w|\sqrt{2/\pi}$, of *first* order, and what it may gain is of second
# order. The collapsed state is a minimum at every price. A latent can live there all the same, but only far from the
# collapsed state: it comes and goes with a jump.

# %%
rho = sp.Function("rho")
X, delta, L, deviation = sp.symbols("X delta L sigma", positive=True)
F = sp.Symbol("f", real=True)
left, right = sp.Integral(rho(X) * (F - X), (X, -sp.oo, F)), sp.Integral(rho(X) * (X - F), (X, F, sp.oo))
check("the mean of $|x-f|$ has the curvature $2\\rho(f)$", sp.diff(left + right, F, 2) - 2 * rho(F))


def smooth_absolute(inside, second):
    """c* of the smooth absolute error, from the share and the second moment of x within δ of the median."""
    return (second / delta**2 + 1 - inside) / (inside / delta)


uniform = smooth_absolute(delta / L, delta**3 / (3 * L))
share = sp.erf(delta / (sp.sqrt(2) * deviation))
bell = sp.exp(-(X**2) / (2 * deviation**2)) / (sp.sqrt(2 * sp.pi) * deviation)
normal = smooth_absolute(share, sp.integrate(X**2 * bell, (X, -delta, delta)))
show(r"c^\star_\text{uniform}", sp.expand(uniform))
check("smooth absolute error, uniform data on $[-L,L]$: $c^\\star=L-\\frac{2}{3}\\delta$", uniform - L + 2 * delta / 3)
check("for $\\delta\\to0$ that is $1/2\\rho$", sp.limit(uniform, delta, 0) - L)
check(
    "and $\\sigma\\sqrt{\\pi/2}=1/2\\rho$ for normal data",
    sp.limit(normal, delta, 0) - deviation * sp.sqrt(sp.pi / 2),
)
amplitude = sp.Symbol("w", positive=True)
gauss = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
check(
    "an atom pays $\\langle|wz|\\rangle=|w|\\sqrt{2/\\pi}$, of first order",
    2 * sp.integrate(amplitude * X * gauss, (X, 0, sp.oo)) - amplitude * sp.sqrt(2 / sp.pi),
)

# %% [markdown]
# ## Distances of features
#
# A perceptual loss is $\lVert\phi(x)-\phi(f)\rVert^2$ with a feature map $\phi$. With $J=\partial\phi/\partial f$ at
# $f_0$,
#
# $$\langle H\rangle=2J^\top J-2\sum_k[\langle\phi_k(x)\rangle-\phi_k(f_0)]\nabla^2\phi_k$$
#
# The first part, known as Gauss–Newton, is what one would take for the curvature. It is all of it only where the best
# constant has the mean features, $\phi(f_0)=\langle\phi(x)\rangle$, and in general no image has these. The smallest
# case shows how much that matters: one output, $\phi=(f,f^2)$, data with mean 0, variance 1 and no skewness. The best
# constant is $f_0=\pm1/\sqrt2$ (the mean is a *maximum*), and with the fourth moment $m_4$
#
# $$c^\star=2m_4-1$$
#
# where the first part alone gives two thirds of it: 5 and 10/3 for normal data.

# %%
phi = [sp.Function(f"phi{k}") for k in (1, 2)]
perceptual = 2 * sum(linear.squared_error(each(x), each(f)) for each in phi)
newton = 2 * sum(sp.diff(each(f), f) ** 2 for each in phi)
bent = 2 * sum((each(x) - each(f)) * sp.diff(each(f), f, 2) for each in phi)
check("two features of one output: the curvature is Gauss–Newton's less the bent part",
      sp.expand(sp.diff(perceptual, f, 2) - newton + bent))  # fmt: skip
squares = 2 * (linear.squared_error(x, f) + linear.squared_error(x**2, f**2))
standard = {xbar: 0, variance: 1, third: 0}
f0 = 1 / sp.sqrt(2)
rest, curvature = (average(sp.diff(squares, f, k)).subs(standard) for k in (1, 2))
check("$\\phi=(f,f^2)$: the best constants are $\\pm1/\\sqrt2$", sp.factor(rest) - 4 * f * (f - f0) * (f + f0))
check("the mean is a maximum", curvature.subs(f, 0) + 2)
check("there $\\langle H\\rangle=4$", curvature.subs(f, f0) - 4)
power = average(sp.diff(squares, f).subs(f, f0) ** 2).subs(standard)
check("so $c^\\star=2m_4-1$", power / 4 - 2 * fourth + 1)
first_part = (2 + 8 * f**2).subs(f, f0)
check(
    "and with Gauss–Newton's 6 it would be two thirds of that",
    power / first_part - sp.Rational(2, 3) * (2 * fourth - 1),
)

# %% [markdown]
# ## What local stability does not say
#
# $c^\star$ is where the collapsed state stops being a minimum. Whether it is the *best* state is decided by higher
# orders. Take one output (or the direction $u$ of the top eigenvector: $u\cdot s$, $u^\top Hu$ and so on), and go to
# third order with $T=\partial^3\ell/\partial f^3$. The rows' answers of first order are enough. What is left is
#
# $$F_3=\frac{B_3}{\sqrt2}\left(w^2q+\frac{2}{3}q^3\right),\qquad B_3=\frac{\langle s^3\rangle}{c^2}-\frac{3\langle sH\rangle}{c}+\langle T\rangle$$
#
# A cubic term makes the transition first-order. So under a free decoder collapse is continuous only where $B_3=0$. It
# has three sources: skewed scores, a curvature that goes with the score, and a term that is not a parabola on average.
# At $c^\star$ the number $B_3$ does not depend on the link, up to the factor $h'^3$ of its units.
#
# - Squared error: $B_3=-\kappa/\tau^2$ with the third moment $\kappa$ of the data.
# - Symmetric data under a symmetric loss: $B_3=0$.
# - A single bit under cross-entropy: skewed, but $B_3=0$. The score's skewness and the generator's third derivative
#   cancel, as they must, since the evidence bound forbids a jump there.
# - Poisson: $B_3=\bar x-m_3/c^{\star2}$, zero for Poisson data, not for others.

# %%
one = sp.eye(1)
ww, qq = sp.symbols("w q", real=True)
row = any_loss.row_loss(
    score * one, curve * one, (0 * one, a * ww * one, a * qq * one),
    -a * score * ww / c, -a * score * qq / (sp.sqrt(2) * c), c, cubic,
)  # fmt: skip
third_order = sp.expand(sp.diff(row, a, 3).subs(a, 0) / 6)
B3 = score**3 / c**2 - 3 * score * curve / c + cubic
check(
    "$F_3=B_3(w^2q+\\frac{2}{3}q^3)/\\sqrt2$, row by row",
    third_order - B3 * (ww**2 * qq + 2 * qq**3 / 3) / sp.sqrt(2),
)
carried = B3.subs(dict(zip((score, curve, cubic), linked, strict=True)), simultaneous=True)
check(
    "through a link $B_3$ becomes $B_3h'^3+3h'h''(H-s^2/c)+h^{(3)}s$: the rest averages to zero at $c^\\star$",
    carried - B3 * h1**3 - 3 * h1 * h2 * (curve - score**2 / c) - score * h3,
)


def cubic_coefficient(term, f0):
    """B₃ of one output at c*."""
    price = threshold(term, f0)
    s1, s2, s3 = (sp.diff(term, f, k).subs(f, f0) for k in (1, 2, 3))
    return average(s1**3) / price**2 - 3 * average(s1 * s2) / price + average(s3)


check(
    "squared error: $B_3=-\\kappa/\\tau^2$", cubic_coefficient(linear.squared_error(x, f), xbar) + third / variance**2
)
bit = cubic_coefficient(sp.log(1 + sp.exp(f)) - x * f, sp.log(xbar / (1 - xbar)))
moments = {variance: xbar * (1 - xbar), third: xbar * (1 - xbar) * (1 - 2 * xbar)}
check("a single bit: $B_3=0$", sp.simplify(bit.subs(moments)))
counted = cubic_coefficient(sp.exp(f) - x * f, sp.log(xbar))
check("Poisson decoder: $B_3=\\bar x-m_3/c^{\\star2}$", counted - xbar + third * xbar**2 / variance**2)
check("which vanishes on Poisson data", counted.subs({variance: xbar, third: xbar}))

# %% [markdown]
# ## The same numbers
#
# Rows with a posterior of their own each ($\mu_i$, $v_i$: a free encoder), a decoder $b+wz+q(z^2-1)/\sqrt2$, the noise
# by Gauss–Hermite quadrature (24 nodes), the true term $\ell$ and no expansion. First the Hessian of this loss, by
# differences of its exact gradient. It is affine in $c$. Both of its lowest eigenvalues, one of each channel, must
# vanish at the same price, the $c^\star$ of the formula.

# %%
import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq, minimize
from scipy.special import expit
from scipy.stats import expon, norm

node, mass = np.polynomial.hermite_e.hermegauss(24)
mass = mass / mass.sum()
width_of_kink, dispersion = 0.1, 10.0

# Value, score and curvature of each term, (x, f) → (…, d), for rows x and outputs f.
TERMS = {
    "smooth absolute error": lambda x, f: (
        np.where(abs(f - x) < width_of_kink, (f - x) ** 2 / (2 * width_of_kink), abs(f - x) - width_of_kink / 2),
        np.clip((f - x) / width_of_kink, -1, 1),
        (abs(f - x) < width_of_kink) / width_of_kink,
    ),
    "pseudo-Huber": lambda x, f: (
        np.sqrt(1 + (f - x) ** 2) - 1, (f - x) / np.sqrt(1 + (f - x) ** 2), (1 + (f - x) ** 2) ** -1.5
    ),
    "negative binomial": lambda x, f: (
        (dispersion + x) * np.logaddexp(np.log(dispersion), f) - x * f,
        (dispersion + x) * expit(f - np.log(dispersion)) - x,
        (dispersion + x) * expit(f - np.log(dispersion)) * expit(np.log(dispersion) - f),
    ),
    "features $(f,f^2)$": lambda x, f: (
        (x - f) ** 2 + (x**2 - f**2) ** 2, 2 * (f - x) + 4 * f * (f**2 - x**2), 2 - 4 * x**2 + 12 * f**2
    ),
}  # fmt: skip


SMALL = 0.01  # unit of all unknowns: the minimiser's first step has the length 1


class FreeEncoder:
    """A term on rows: unknowns are the decoder's (b, w, q), 3 × d, then μ and v of the rows in units of 1/√p."""

    def __init__(self, term, x, weights, guess):
        self.term, self.x, self.weights, (self.rows, self.outputs) = term, x, weights, x.shape
        self.scale = SMALL * np.concatenate([np.ones(3 * self.outputs), np.tile(weights**-0.5, 2)])

        def constant(f):
            value, slope, _ = term(x, f)
            return weights @ value.sum(1), weights @ slope

        f0 = minimize(constant, guess, jac=True, method="BFGS", options={"gtol": 1e-7}).x
        for _ in range(2):  # Newton, output by output
            f0 = f0 - (weights @ term(x, f0)[1]) / (weights @ term(x, f0)[2])
        _, s, curvature = term(x, f0)
        metric = np.diag(weights @ curvature)
        values, vectors = eigh((s.T * weights) @ s, metric)
        self.threshold, self.score = values[-1], s @ vectors[:, -1]
        self.soft, self.collapsed_loss = vectors[:, -1] / np.linalg.norm(vectors[:, -1]), constant(f0)[0]
        self.collapsed = np.concatenate([f0 / SMALL, np.zeros(2 * (self.outputs + self.rows))])

    def __call__(self, unknowns, price):
        """The loss and its gradient; a: row, n: node, m: Hermite polynomial, j: output."""
        unknowns = unknowns * self.scale
        decoder = unknowns[: 3 * self.outputs].reshape(3, -1)
        mean, v = unknowns[3 * self.outputs :].reshape(2, -1)
        z = mean[:, None] + np.exp(v)[:, None] * node
        basis = np.stack([np.ones_like(z), z, (z**2 - 1) / 2**0.5])
        tilt = decoder[1] + 2**0.5 * z[..., None] * decoder[2]  # ∂f/∂z
        value, slope, _ = self.term(self.x[:, None], np.einsum("man,mj->anj", basis, decoder))
        loss = self.weights @ (value.sum(-1) @ mass + price * ((mean**2 + np.exp(2 * v) - 1) / 2 - v))
        slope = slope * (self.weights[:, None] * mass)[..., None]
        along = (slope * tilt).sum(-1)
        by_decoder = np.einsum("man,anj->mj", basis, slope).ravel()
        by_mean = along.sum(1) + price * self.weights * mean
        by_width = np.exp(v) * (along @ node) + price * self.weights * (np.exp(2 * v) - 1)
        return loss, np.concatenate([by_decoder, by_mean, by_width]) * self.scale

    def hessian(self, price, step=1e-2):
        rows = [self(self.collapsed + h, price)[1] - self(self.collapsed - h, price)[1]
                for h in step * np.eye(len(self.collapsed))]  # fmt: skip
        return (np.array(rows) + np.array(rows).T) / (4 * step)

    def crossings(self):
        """The prices at which the two lowest eigenvalues of the Hessian vanish."""
        of_term = self.hessian(0.0)
        of_kl = self.hessian(1.0) - of_term

        def lowest(price, which):
            return eigh(of_term + price * of_kl, eigvals_only=True, subset_by_index=[which, which])[0]

        return [brentq(lowest, 0.5 * self.threshold, 1.5 * self.threshold, args=(k,), xtol=1e-10) for k in (0, 1)]

    def start(self, channel, size):
        """The soft mode, of that size, in the mean (1) or the width channel (2)."""
        unknowns, answer = self.collapsed.copy(), -size * np.tanh(self.score) / self.scale[-self.rows :]
        unknowns[channel * self.outputs : (channel + 1) * self.outputs] = 2 * size * self.soft / SMALL
        rows = slice(-2 * self.rows, -self.rows) if channel == 1 else slice(-self.rows, None)
        unknowns[rows] = answer / channel
        return unknowns

    def minimum(self, factor, start):
        """The loss above the collapsed one at factor × c*, and the minimum, from a start."""
        options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20}
        found = minimize(self, start, args=(factor * self.threshold,), jac=True, method="L-BFGS-B", options=options)
        return found.fun - self.collapsed_loss, found.x


def equal(rows):
    return np.full(rows, 1 / rows)


def quantiles(distribution, rows):
    return distribution.ppf((np.arange(rows) + 0.5) / rows)[:, None]


rng = np.random.default_rng(15)
rare = rng.random((200, 1)) < 0.1
bell_rows = quantiles(norm, 200)
mixing = np.array([[1.5, 0.5, 0.0], [0.0, 1.0, 0.4], [0.0, 0.0, 0.7]])
cases = {
    "smooth absolute error, 200 normal quantiles": ("smooth absolute error", bell_rows, [0.0]),
    "smooth absolute error, 200 uniform quantiles": ("smooth absolute error", 2 * norm.cdf(bell_rows) - 1, [0.0]),
    "pseudo-Huber, 100 correlated normal rows in three dimensions":
        ("pseudo-Huber", rng.normal(size=(100, 3)) @ mixing, np.zeros(3)),
    "pseudo-Huber, 100 exponential quantiles": ("pseudo-Huber", quantiles(expon, 100), [1.0]),
    "negative binomial, 200 rows of two counts, one in ten rows high":
        ("negative binomial", rng.poisson(1 + rare * [9, 6]).astype(float), np.zeros(2)),
    "features $(f,f^2)$, 200 normal quantiles": ("features $(f,f^2)$", bell_rows / bell_rows.std(), [0.7]),
}  # fmt: skip
models = {name: FreeEncoder(TERMS[term], rows, equal(len(rows)), guess) for name, (term, rows, guess) in cases.items()}
for name, model in models.items():
    off = max(abs(price / model.threshold - 1) for price in model.crossings())
    check(f"{name}: $c^\\star={model.threshold:.5f}$; both channels vanish there, to $10^{{-6}}$", off < 1e-6)

features = models["features $(f,f^2)$, 200 normal quantiles"]
m4 = float(np.mean(features.x**4))
check("features: that is $2m_4-1$ with the rows' own $m_4$, to $10^{-8}$", abs(features.threshold - 2 * m4 + 1) < 1e-8)

# %% [markdown]
# Without curvature's bent part the features' threshold would be 3.2013, where the collapsed state is a saddle.
#
# The package's spectra know the same numbers, where they have the likelihood.

# %%
from landau_vae.spectrum import exponential_family as spectrum_of_family

counted = models["negative binomial, 200 rows of two counts, one in ten rows high"]
by_variance = spectrum_of_family(counted.x, lambda mean: mean + mean**2 / dispersion).eigenvalues[0]
check("negative binomial: the package's spectrum in units of $\\bar x+\\bar x^2/r$ agrees to $10^{-8}$",
      abs(by_variance / counted.threshold - 1) < 1e-8)  # fmt: skip

# %% [markdown]
# Then minimisation. From starts along the soft mode, in either channel and of size 0.001, the collapsed state is left at
# $0.97c^\star$ and come back to at $1.03c^\star$, in all six cases.

# %%
for name, model in models.items():
    left = [model.minimum(0.97, model.start(channel, 0.001))[0] for channel in (1, 2)]
    kept = [model.minimum(1.03, model.start(channel, 0.001))[0] for channel in (1, 2)]
    check(f"{name}: below $c^\\star$ both channels lead away, above it back to the collapsed loss, to $10^{{-11}}$",
          max(left) < -1e-9 and max(map(abs, kept)) < 1e-11)  # fmt: skip

# %% [markdown]
# Farther out the cases differ as $B_3$ says. The first three are symmetric: above $c^\star$ large starts come back too.
# In the others the living state is followed upward, price by price, from $0.97c^\star$. It survives above $c^\star$ and
# its loss is the *lower* one for a while: the collapsed state is stable there, and not the best. The case with two
# features is the extreme one: it has two best constants, $\pm1/\sqrt2$, between which a latent can choose.


# %%
def followed(model, factors, size=1.0):
    """The loss above the collapsed one of the best state at 0.97 c*, followed to other prices."""
    gains = [model.minimum(0.97, model.start(channel, size)) for channel in (1, 2)]
    unknowns, result = min(gains, key=lambda found: found[0])[1], []
    for factor in factors:
        gain, unknowns = model.minimum(factor, unknowns)
        result.append(gain)
    return result


names = list(models)
for name in names[:3]:
    returned = [models[name].minimum(1.03, models[name].start(channel, 1.0))[0] for channel in (1, 2)]
    check(f"{name}: at $1.03c^\\star$ starts of size 1 come back as well", max(map(abs, returned)) < 1e-11)
exponential = followed(models[names[3]], [1.03, 1.1, 1.3])
check("pseudo-Huber, exponential data: the living state has the lower loss at $1.03c^\\star$ and at $1.1c^\\star$",
      exponential[0] < -3e-3 and exponential[1] < -5e-4)  # fmt: skip
check("and is gone at $1.3c^\\star$", abs(exponential[2]) < 1e-11)
living, gone = followed(models[names[4]], [1.03, 1.1])
check("negative binomial: the living state has the lower loss at $1.03c^\\star$", living < -2e-3)
check("and is gone at $1.1c^\\star$", abs(gone) < 1e-11)
living = followed(models[names[5]], [1.03, 1.1])[-1]
check("features: the living state lies 0.21 below the collapsed one at $1.1c^\\star$", abs(living + 0.2115) < 5e-4)

# %% [markdown]
# Last an atom: 60 per cent zeros, the others exponential, under the smooth absolute error. As its width $\delta$
# shrinks, $c^\star$ goes to zero with it. The living state does not care: it is the better one up to a price nearly
# thirty times as high.

# %%
zeros = np.concatenate([[[0.0]], quantiles(expon, 40)])
shares = np.concatenate([[0.6], np.full(40, 0.01)])
thresholds = []
for width_of_kink in (0.1, 0.01):
    atom = FreeEncoder(TERMS["smooth absolute error"], zeros, shares, [0.0])
    thresholds.append(atom.threshold)
    start = np.concatenate([[0.7, 1.0, 0.0], np.minimum(zeros[:, 0], 2) - 0.5, -np.ones(41)]) / atom.scale
    gains = []
    for price in (0.1, 0.2, 0.3):
        gain, start = atom.minimum(price / atom.threshold, start)
        gains.append(gain)
    check(f"60 % zeros, $\\delta={width_of_kink}$: $c^\\star={atom.threshold:.4f}$, and yet alive and better at $c=0.3$",
          gains[-1] < -0.03)  # fmt: skip
    kept = [atom.minimum(1.03, atom.start(channel, 0.001))[0] for channel in (1, 2)]
    check(f"for $\\delta={width_of_kink}$ small starts collapse at $1.03c^\\star$", max(map(abs, kept)) < 1e-11)
check("a tenth of the width has about a tenth of the threshold", abs(thresholds[0] / thresholds[1] / 10 - 1) < 0.25)
