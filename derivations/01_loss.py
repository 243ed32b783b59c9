# %% [markdown]
# # The loss, from Gaussian integrals
#
# **Assumed.** Centred data $x\in\mathbb R^d$ with covariance $C$, of any distribution; latents $z\in\mathbb R^K$ with
# prior $\mathcal N(0, I)$; a posterior with independent latents,
# $q(z|x)=\mathcal N(\mu(x), \mathrm{diag}(\sigma^2(x)))$; a linear decoder
# $p(x|z)=\mathcal N(Wz, \sigma_\mathrm{dec}^2 I)$. (Biases of encoder and decoder are dealt with on the way: they vanish.)
#
# **Sought.** The $\beta$-VAE's expected loss $L$ in closed form, in units where it reads *squared error plus price
# times nats*: with $\tau=\beta\sigma_\mathrm{dec}^2$ (the information price),
#
# $$\sigma_\mathrm{dec}^2 L = \tfrac{1}{2}\langle\lVert x-Wz\rVert^2\rangle + \tau\,\langle\mathrm{KL}(q(z|x)\,\|\,p(z))\rangle$$
#
# **Sources.** The linear case: Lucas et al., arXiv:1911.02469; in the notation used here: J. Hirn, arXiv:2605.22691.

# %%
import sympy as sp

from landau_vae.symbolic import gaussian_mean, linear
from landau_vae.symbolic.page import check, show

x, z, mu = sp.symbols("x z mu", real=True)
w, s, tau, lam = linear.w, linear.s, linear.tau, linear.lam


def gaussian(variable, mean, variance):
    return sp.exp(-((variable - mean) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def integral(f, variable):
    return sp.integrate(sp.expand(f), (variable, -sp.oo, sp.oo))


# %% [markdown]
# ## Two integrals
#
# One latent, one sample. The divergence of the posterior $q=\mathcal N(\mu,s)$ from the prior $p=\mathcal N(0,1)$ is
# $\int q(z)(\ln q-\ln p)dz$, where $\ln q-\ln p = \frac{z^2}{2}-\frac{(z-\mu)^2}{2s}-\frac{1}{2}\ln s$. For independent
# latents the divergences add, because $\ln q$ and $\ln p$ do.

# %%
q = gaussian(z, mu, s)
log_ratio = z**2 / 2 - (z - mu) ** 2 / (2 * s) - sp.log(s) / 2
check(
    "$\\ln q-\\ln p$ is the logarithm of the two densities",
    sp.expand_log(sp.log(q / gaussian(z, 0, 1)), force=True) - log_ratio,
)
divergence = sp.expand(integral(q * log_ratio, z))
show(r"\mathrm{KL}", divergence)
check("the integral is $\\frac{1}{2}[\\mu^2+s-1-\\ln s]$, the package's `linear.kl`", divergence - linear.kl(mu**2, s))

# %% [markdown]
# The squared error of one feature decoded by one latent, averaged over the posterior $z\sim\mathcal N(\mu,s)$: the mean
# is reconstructed, and the posterior's noise is passed on with gain $w^2$. With several latents the independent noises
# add.

# %%
sampled = sp.expand(integral(q * linear.squared_error(x, w * z), z))
show(r"\tfrac{1}{2}\langle(x-wz)^2\rangle_z", sampled)
check(
    "averaging over the posterior adds $\\frac{1}{2}w^2s$ to the squared error of the mean",
    sampled - (x - w * mu) ** 2 / 2 - w**2 * s / 2,
)

# %% [markdown]
# ## The best encoder is linear, with a constant variance
#
# Nothing has been said of how $\mu$ and $\sigma^2$ depend on $x$. For one sample the loss above is, as a function of
# the posterior,
#
# $$\tfrac{1}{2}\lVert x-W\mu\rVert^2 + \tfrac{\tau}{2}\lVert\mu\rVert^2 + \sum_k\left[\tfrac{1}{2}g_ks_k+\tfrac{\tau}{2}(s_k-1-\ln s_k)\right]$$
#
# with $g_k=\lVert w_k\rVert^2$, the squared lengths of the columns of $W$. The variances enter apart from $x$ and
# $\mu$, in a strictly convex way: every sample has the same best variance. The means enter as in ridge regression: the
# best $\mu$ is linear in $x$. So for a linear decoder an encoder of any capacity does no better than $\mu=Ex$,
# $\sigma^2=s$; that the posterior variance is constant is a result, not an assumption.

# %%
norm = sp.Symbol("g_k", positive=True)
variance_part = norm * s / 2 + tau * linear.kl(0, s)
best_variance = sp.solve(sp.diff(variance_part, s), s)[0]
show("s_k", best_variance)
check("the variance's part of the loss is convex", sp.diff(variance_part, s, 2).is_positive)
check(
    "the best variance does not contain $x$: it is $\\tau/(\\tau+g_k)$",
    best_variance - tau / (tau + norm),
)

W, _, variances = linear.variables(2, 2)
sample, mean = sp.Matrix(sp.symbols("x1:3", real=True)), sp.Matrix(sp.symbols("mu1:3", real=True))
noise = sp.symbols("epsilon1:3")
drawn = mean + sp.Matrix([sp.sqrt(v) * n for v, n in zip(variances, noise, strict=True)])
squares = sum(linear.squared_error(a, b) for a, b in zip(sample, W * drawn, strict=True))
one_sample = gaussian_mean(sp.expand(squares), noise, {(n, n): 1 for n in noise}) + tau * sum(
    linear.kl(m**2, v) for m, v in zip(mean, variances, strict=True)
)
ridge = (W.T * W + tau * sp.eye(2)).inv() * W.T * sample
slopes = sp.Matrix([sp.diff(one_sample, m) for m in mean]).subs(dict(zip(mean, ridge, strict=True)), simultaneous=True)
check("$\\mu=(W^\\top W+\\tau)^{-1}W^\\top x$ makes the loss of a sample stationary in $\\mu$ ($d=K=2$)", slopes)
curvature = sp.hessian(one_sample, list(mean))
check("and its curvature there is $W^\\top W+\\tau$, positive definite", curvature - (W.T * W + tau * sp.eye(2)))

# %% [markdown]
# With a bias $b$ in the decoder the same argument gives the best code of $x-b$, and a linear encoder may have an offset,
# $\mu=Ex+c$. For centred data the two add $\frac{1}{2}\lVert b+Wc\rVert^2+\frac{\tau}{2}\lVert c\rVert^2$ to the
# average loss, whatever the rest: they are least at $b=c=0$, and may be left out.

# %%
offset, bias = sp.Matrix(sp.symbols("c1:3", real=True)), sp.Matrix(sp.symbols("b1:3", real=True))
W, E, variances = linear.variables(2, 2)
data = sp.Matrix(sp.symbols("x1:3", real=True))
code = E * data + offset
drawn = code + sp.Matrix([sp.sqrt(v) * n for v, n in zip(variances, noise, strict=True)])
squares = sum(linear.squared_error(a, b) for a, b in zip(data, W * drawn + bias, strict=True))
rates = sum(linear.kl(m**2, v) for m, v in zip(code, variances, strict=True))
pairs = {(data[i], data[j]): sp.Symbol(f"c{i + 1}{j + 1}") for i in range(2) for j in range(i, 2)}
pairs |= {(n, n): 1 for n in noise}
biased = gaussian_mean(sp.expand(squares + tau * rates), [*data, *noise], pairs)
unbiased = biased.subs(dict.fromkeys([*offset, *bias], 0))
extra = ((bias + W * offset).T * (bias + W * offset))[0] / 2 + tau / 2 * (offset.T * offset)[0]
check("biases add $\\frac{1}{2}\\lVert b+Wc\\rVert^2+\\frac{\\tau}{2}\\lVert c\\rVert^2$", biased - unbiased - extra)

# %% [markdown]
# ## The average over the data
#
# With $\mu=Ex$, $S=\mathrm{diag}(s)$ and $z=Ex+S^{1/2}\varepsilon$, every term is quadratic in $x$ and $\varepsilon$:
# only the covariance of the data enters, whatever their distribution. Using $\langle xx^\top\rangle=C$ and
# $\langle zz^\top\rangle=ECE^\top+S$,
#
# - $\langle\lVert x\rVert^2\rangle=\mathrm{tr}(C)$, and $\langle x^\top Wz\rangle=\mathrm{tr}(WEC)$, since the noise
#   has mean zero;
# - $\langle\lVert Wz\rVert^2\rangle=\mathrm{tr}(W^\top W(ECE^\top+S))$;
# - $\langle\lVert\mu\rVert^2\rangle=\mathrm{tr}(ECE^\top)$.
#
# Together, for any $d$ and $K$:

# %%
d, K = sp.symbols("d K", integer=True, positive=True)


def matrix_form(trace, W, E, S, C, size, log_determinant):
    second = E * C * E.T + S
    squared = trace(C) / 2 - trace(W * E * C) + trace(W.T * W * second) / 2
    return squared + tau / 2 * (trace(second) - size - log_determinant)


abstract = matrix_form(
    sp.Trace, *(sp.MatrixSymbol(n, *shape) for n, shape in [("W", (d, K)), ("E", (K, d)), ("S", (K, K)), ("C", (d, d))]),
    K, sp.log(sp.Determinant(sp.MatrixSymbol("S", K, K))),
)  # fmt: skip
show(r"\sigma_\mathrm{dec}^2 L", abstract)
for d_, K_ in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2)]:
    W, E, variances = linear.variables(d_, K_)
    C = sp.Matrix(d_, d_, lambda i, j: sp.Symbol(f"c{min(i, j) + 1}{max(i, j) + 1}", real=True))
    log_determinant = sum(sp.log(v) for v in variances)
    explicit = matrix_form(sp.trace, W, E, sp.diag(*variances), C, K_, log_determinant)
    check(
        f"the matrix form is the average taken moment by moment, entry by entry ($d={d_}$, $K={K_}$)",
        explicit - linear.loss(W, E, variances, C),
    )

# %% [markdown]
# As a last check that the moments are the integrals they stand for, one feature and one latent with Gaussian data,
# integrated over $x$ as it stands. This is the loss of one *mode* of variance $\lambda$:

# %%
mode = linear.mode_loss()
mean_code = linear.e * x
inner = sampled.subs(mu, mean_code) + tau * divergence.subs(mu, mean_code)
show(r"\sigma_\mathrm{dec}^2\,\ell(w,e,s)", mode)
check("the integral over Gaussian data is the loss of one mode", integral(gaussian(x, 0, lam) * inner, x) - mode)
e = linear.e
check(
    "it is $\\frac{1}{2}[\\lambda-2we\\lambda+w^2(e^2\\lambda+s)]+\\frac{\\tau}{2}[e^2\\lambda+s-1-\\ln s]$",
    mode - (lam - 2 * w * e * lam + w**2 * (e**2 * lam + s)) / 2 - tau / 2 * (e**2 * lam + s - 1 - sp.log(s)),
)

# %% [markdown]
# ## Why modes decouple
#
# **Rotations of the data change nothing.** For an orthogonal $U$, $L$ is the same for $(W, E, C)$ and
# $(UW, EU^\top, UCU^\top)$, because only traces of products enter. So $C$ may be taken diagonal:
# $C=\mathrm{diag}(\lambda_1,\dots,\lambda_d)$, and coordinates are *modes*.
#
# **Reflections confine.** With $C$ diagonal, flipping a mode together with a latent, $x_i\to-x_i$ and $z_i\to-z_i$,
# changes nothing either. What all these flips leave alone are the configurations in which latent $i$ speaks to mode $i$
# only ($W$ and $E$ diagonal). Where a symmetry leaves a set of points alone, the gradient at those points lies in the
# set: no force mixes the modes. On that set the loss is a sum of mode losses, one per latent, and
# $\frac{1}{2}\lambda_i$ for each mode without a latent. That nothing outside the set does better is shown under *The
# landscape*.

# %%
angle = sp.Symbol("theta", real=True)
U = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
W, E, variances = linear.variables(2, 2)
C = sp.Matrix(2, 2, sp.symbols("c11 c12 c12 c22", real=True))
turned = linear.loss(U * W, E * U.T, variances, U * C * U.T)
check(
    "a rotation of the data leaves the loss alone ($d=K=2$)",
    sp.trigsimp(sp.expand(turned - linear.loss(W, E, variances, C))),
)

W, E, variances = linear.variables(3, 2)
modes = linear.mode_variances(3)
full = linear.loss(W, E, variances, sp.diag(*modes))
aside = [W[i, k] for i in range(3) for k in range(2) if i != k] + [
    E[k, i] for i in range(3) for k in range(2) if i != k
]
on_the_set = dict.fromkeys(aside, 0)
check(
    "where each latent speaks to its own mode, no force leads away ($d=3$, $K=2$)",
    sp.Matrix([sp.diff(full, v) for v in aside]).subs(on_the_set),
)
alone = sum(mode.subs({lam: modes[k], w: W[k, k], e: E[k, k], s: variances[k]}, simultaneous=True) for k in range(2))
check(
    "and the loss is the sum of the mode losses, plus $\\frac{1}{2}\\lambda$ of the mode left out",
    full.subs(on_the_set) - alone - modes[2] / 2,
)

# %% [markdown]
# ## The same numbers
#
# The trainer of the package minimises this loss with arrays; at random parameters, $d=3$, $K=2$, it returns what the
# formula does.

# %%
import numpy as np

from landau_vae.training.linear_vae import LinearVAE

rng = np.random.default_rng(1)
numbers = {v: rng.normal() for v in [*W, *E]} | {v: rng.uniform(0.2, 1.0) for v in variances}
numbers |= dict(zip(modes, (3.0, 2.0, 0.5), strict=True)) | {tau: 0.7}
array = sp.lambdify(list(numbers), [W, E, sp.Matrix(variances), sp.diag(*modes)])
decoder, encoder, posterior_variance, covariance = (np.array(part, dtype=float) for part in array(*numbers.values()))
model = LinearVAE(covariance, np.array(0.7), decoder, encoder, posterior_variance[:, 0])
difference = sp.lambdify(list(numbers), full)(*numbers.values()) - float(model.loss)
check("the trainer's loss and this formula agree to $10^{-12}$", abs(difference) < 1e-12)
