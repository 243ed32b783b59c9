# %% [markdown]
# # Counts with library sizes
#
# **Assumed.** Counts $x_{ij}$ of genes $j$ in cells $i$, and a size $l_i$ of each cell that the decoder is given: its
# means are $m_{ij}=l_ie^{f_j(z)}$. The term is $-\ln p$ of a Poisson, or of a negative binomial with variance
# $m+m^2/\theta_j$. As in scvi-tools the means may instead be $l_i\mathrm{softmax}(f)_j$, with the total of the cell
# for its size. The collapsed state is the best constant $f$.
#
# **Sought.** The price below which it is unstable, and what the softmax changes.
#
# **Sources.** This package. The decoder: Lopez et al. 2018 (doi:10.1038/s41592-018-0229-2). The law that is used here:
# *Total collapse under any reconstruction loss*.

# %%
import sympy as sp

from landau_vae.symbolic.page import check, show

# %% [markdown]
# ## Scores and curvatures
#
# A size adds $\ln l_i$ to each output. So the score and the curvature of a row are those of the likelihood at
# $f+\ln l_i$, and the law holds as it stands: $c^\star=\lambda_{\max}$ of $\mathrm{Cov}(s)$ against $\langle H\rangle$.

# %%
x, m, theta, size = sp.symbols("x m theta l", positive=True)
f = sp.Symbol("f", real=True)
mean = size * sp.exp(f)
poisson = mean - x * sp.log(mean)
binomial = (x + theta) * sp.log(theta + mean) - x * sp.log(mean)


def at_mean(expression):
    """The expression as one of the mean."""
    return sp.simplify(expression.subs(f, sp.log(m / size)))


score, curvature = at_mean(sp.diff(binomial, f)), at_mean(sp.diff(binomial, f, 2))
check("Poisson: $s=m-x$", at_mean(sp.diff(poisson, f)) - (m - x))
check("Poisson: $H=m$", at_mean(sp.diff(poisson, f, 2)) - m)
check("negative binomial: $s=(m-x)/(1+m/\\theta)$", score - (m - x) / (1 + m / theta))
check(
    "its curvature is convex: $H=\\theta m(\\theta+x)/(\\theta+m)^2$",
    curvature - theta * m * (theta + x) / (theta + m) ** 2,
)
information = m / (1 + m / theta)
pearson = (x - m) / sp.sqrt(m + m**2 / theta)
check("the score is the Pearson residual times the root of the information $I=m/(1+m/\\theta)$",
      sp.simplify(score**2 - pearson**2 * information))  # fmt: skip
show("H(x=m)", curvature.subs(x, m).factor())

# %% [markdown]
# With one size for all cells $I$ is $\langle H\rangle$, and the spectrum is that of the Pearson residuals. With sizes it
# is not: cells of larger size weigh more, by $I_i/\langle H\rangle$.
#
# **A dispersion that is trained with the rest**, one number for each gene, changes nothing. It moves the loss of a row by
# $\partial_\theta\ell\delta\theta$, and meets the latents in $\partial_\theta s\cdot w\mu\delta\theta$ only, which is
# of third order. So $\theta$ is that of maximum likelihood in the collapsed state, and can be held fixed.
#
# ## The softmax
#
# Let $\eta=f-\ln\sum_ke^{f_k}$ be the logarithms of the shares $\rho$. Their Jacobian is $J=1-\mathbb 1\rho^\top$, and
# each has the same second derivative $-(\mathrm{diag}(\rho)-\rho\rho^\top)$.

# %%
d = 3
outputs = sp.symbols("f1:4", real=True)
total = sum(map(sp.exp, outputs))
share = sp.Matrix([sp.exp(each) / total for each in outputs])
logs = sp.Matrix([each - sp.log(total) for each in outputs])
J = logs.jacobian(outputs)
ones = sp.ones(d, 1)
check("$J=1-\\mathbb 1\\rho^\\top$", (J - sp.eye(d) + ones * share.T).applyfunc(sp.simplify))
check("$\\partial^2\\eta_j=-(\\mathrm{diag}(\\rho)-\\rho\\rho^\\top)$ for each $j$",
      (sp.hessian(logs[0], outputs) + sp.diag(*share) - share * share.T).applyfunc(sp.simplify))  # fmt: skip

# %% [markdown]
# So outputs $f$ have the score $J^\top s$ and the mean curvature
# $J^\top\langle H\rangle J-\kappa(\mathrm{diag}(\rho)-\rho\rho^\top)$, with $\kappa=\sum_j\langle s_j\rangle$. At rest
# $J^\top\langle s\rangle=0$, so that $\langle s\rangle=\kappa\rho$.
#
# A constant added to all outputs moves nothing: $J\mathbb 1=0$. That direction has neither score nor curvature, and is
# left out: there is no threshold at infinity. Of all $w$ that differ by such a constant take the one with
# $\rho\cdot w=0$. Then $Jw=w$, and what is left is
#
# $$c^\star=\max_{\rho\cdot w=0}\frac{w^\top\mathrm{Cov}(s)w}{w^\top(\langle H\rangle-\kappa\mathrm{diag}(\rho))w}$$

# %%
kappa = sp.Symbol("kappa", real=True)
h, s, w = (sp.Matrix(sp.symbols(f"{name}1:4", real=True)) for name in "hsw")
r1, r2 = sp.symbols("rho1 rho2", positive=True)
rho = sp.Matrix([r1, r2, 1 - r1 - r2])
J = sp.eye(d) - ones * rho.T
tangent = {w[2]: -(r1 * w[0] + r2 * w[1]) / rho[2]}
whole = J.T * sp.diag(*h) * J - kappa * (sp.diag(*rho) - rho * rho.T)
check(
    "$J\\mathbb 1=0$: the null direction has no score and no curvature",
    sp.Matrix.vstack(J * ones, whole * ones).applyfunc(sp.simplify),
)
check("on $\\rho\\cdot w=0$ the score is that of $e^f$", sp.simplify(((J.T * s).dot(w) - s.dot(w)).subs(tangent)))
check("and the curvature $\\langle H\\rangle-\\kappa\\mathrm{diag}(\\rho)$",
      sp.simplify((w.dot(whole * w) - w.dot((sp.diag(*h) - kappa * sp.diag(*rho)) * w)).subs(tangent)))  # fmt: skip

# %% [markdown]
# **Poisson, totals.** The scores of a row add up to $\sum_jm_{ij}-l_i=0$, so $\kappa=0$, and
# $\mathrm{Cov}(s)\mathbb 1=0$. Every eigenvector $\mathrm{Cov}(s)w=\lambda\langle H\rangle w$ with $\lambda\ne0$ then has
# $\mathbb 1^\top\langle H\rangle w=\langle l\rangle \rho\cdot w=0$ by itself: softmax and exponential have the same
# spectrum. Of a negative binomial they differ, by little.
#
# ## The same numbers

# %%
import numpy as np

from landau_vae.likelihoods import POISSON, negative_binomial, sized
from landau_vae.spectrum import score as spectrum_of

rng = np.random.default_rng(20)
sizes = np.exp(0.5 * rng.standard_normal(400))
factor = np.sqrt(3) * rng.uniform(-1, 1, (400, 1)) * [0.3, -0.2, 0.25, -0.3, 0.2]
rates = sizes[:, None] * [3, 8, 5, 10, 4] * np.exp(factor)
rows = rng.poisson(rng.gamma(4.0, rates / 4.0)) + 0.0
rows = rows[rows.any(axis=1)]


def first(likelihood, shares):
    return spectrum_of(rows, sized(likelihood, "total", shares)).eigenvalues


def by_hand(theta, shares):
    """All eigenvalues, from scores at constants that are found by a general minimiser."""
    from scipy.linalg import eigh, null_space
    from scipy.optimize import minimize

    totals = rows.sum(axis=1, keepdims=True)

    def terms(f):
        at = totals * np.exp(f - (np.log(np.exp(f).sum()) if shares else 0))
        if theta is None:
            return at - rows * np.log(at), at - rows, at
        inverse = 1 / (theta + at)
        value = (rows + theta) * np.log(theta + at) - rows * np.log(at)
        return value, theta * (at - rows) * inverse, theta * at * (theta + rows) * inverse**2

    start = np.log(rows.sum(axis=0) / rows.sum())
    best = minimize(lambda f: terms(f)[0].sum(axis=1).mean(), start, method="BFGS", options={"gtol": 1e-10}).x
    _, s, H = (each.mean(axis=0) if each.ndim == 1 else each for each in terms(best))
    C, metric = np.cov(s.T, bias=True), np.diag(H.mean(axis=0))
    if not shares:
        return eigh(C, metric, eigvals_only=True)[::-1]
    rho = np.exp(best) / np.exp(best).sum()
    N = null_space(rho[None])
    return eigh(N.T @ C @ N, N.T @ (metric - s.sum(axis=1).mean() * np.diag(rho)) @ N, eigvals_only=True)[::-1]


for name, likelihood, dispersion in [("Poisson", POISSON, None), ("negative binomial", negative_binomial(4.0), 4.0)]:
    for shares in (True, False):
        found, expected = first(likelihood, shares), by_hand(dispersion, shares)
        check(f"{name}, {'softmax' if shares else 'exponential'}: the package's spectrum, to $10^{{-5}}$",
              np.allclose(found[:4], expected[:4], rtol=1e-5))  # fmt: skip
check("Poisson: softmax and exponential have the same spectrum, to $10^{-9}$",
      np.allclose(first(POISSON, True)[:4], first(POISSON, False)[:4], rtol=1e-9))  # fmt: skip
apart = np.abs(first(negative_binomial(4.0), True)[:4] / first(negative_binomial(4.0), False)[:4] - 1).max()
check("negative binomial: they differ, by less than 1 per cent here", 1e-7 < apart < 1e-2)

# %% [markdown]
# `tests/spectrum/test_library_sizes.py` minimises the whole loss, with posteriors of rows and the sizes given to the
# decoder: every start collapses at $1.03c^\star$ and none at $0.97c^\star$, also where the dispersion is trained too.
