# %% [markdown]
# # First-order collapse: what a nonlinear decoder changes
#
# **Assumed.** One latent, squared error, and a decoder $f(z)$ and posteriors $N(\mu(x),s(x))$ that are free functions:
# $F=\langle\frac{1}{2}\lVert x-f(z)\rVert^2\rangle+\tau\langle\mathrm{KL}\rangle$, with the prior $N(0,1)$. The rows $x$
# have any distribution with mean zero. Lengths are in units of $\sqrt{\lambda_1}$, prices in units of $\lambda_1$, the
# largest eigenvalue of their covariance, which is simple. $y$ is the first principal component, $x_j$ the others with
# variances $\ell_j<1$. What enters is
#
# $$\kappa=\langle y^3\rangle,\quad m_4=\langle y^4\rangle,\quad a_j=\langle x_jy^2\rangle,\quad |A|^2=\kappa^2+\sum_ja_j^2,\quad Q(\tau)=\sum_j\frac{a_j^2}{1-\ell_j/\tau}$$
#
# **Sought.** Whether the latent collapses with a jump, at which price, and how long a living state survives beyond it.
#
# **Sources.** The linear case: *The collapsed point and its Landau expansion*. All else is derived here.

# %%
import sympy as sp

from landau_vae.symbolic import first_collapse
from landau_vae.symbolic.page import check, show

tau, w, c, kappa, m4 = first_collapse.tau, first_collapse.w, first_collapse.c, first_collapse.kappa, first_collapse.m4

# %% [markdown]
# ## One row
#
# Write the decoder in Hermite polynomials, $f(z)=\sum_nf_n\mathrm{He}_n(z)$, which are orthogonal under the prior. Along
# $y$ call $f_1=w$ and $f_2=c$: the decoder's linear and quadratic amplitude. In the collapsed state $f=0$ and every
# posterior is the prior. For a given decoder each row chooses its own $\mu$ and $s$. To first order they are

# %%
y = sp.Symbol("y", real=True)
row = first_collapse.row_theory([y])
first = row.elimination(1)
show(r"\mu", first[first_collapse.mu])
show("s", first[first_collapse.s])
check("a linear decoder moves the posterior mean: $\\mu=wy/\\tau$", first[first_collapse.mu] - w * y / tau)
check("a quadratic one the posterior variance: $s=1+2cy/\\tau$", first[first_collapse.s] - 1 - 2 * c * y / tau)

# %% [markdown]
# So there are two channels: the *mean channel* $w$ and the *width channel* $c$. Put back, the loss of a row is a
# polynomial in the decoder's coefficients and in $x$. Its average contains the moments of the data. Its quadratic part
# shows that both channels of $y$ become soft at the same price, $\tau=1$, and nothing else does at or above it.

# %%
theory = first_collapse.theory(across=2)
a2, a3 = sp.symbols("a_2 a_3", real=True)
l2, l3 = sp.symbols("ell_2 ell_3", positive=True)
a = 1 - 1 / tau
quadratic = theory.hessian()
check("the curvature along $w$ is $a=1-1/\\tau$, that along $c$ is $2a$, and they do not mix",
      quadratic[:2, :2] - sp.diag(a, 2 * a))  # fmt: skip
check("both vanish at $\\tau=1$", theory.thresholds == (1,))
expected = {f"f_1{n}": sp.factorial(n) for n in (0, 3, 4)}
for j, ell in ((2, l2), (3, l3)):
    stiffness = (1, 1 - ell / tau, 2 * (1 - ell / tau), 6, 24)
    expected |= {f"f_{j}{n}": value for n, value in enumerate(stiffness)}
check("all other coefficients are stiff: $n!$ for $f_n$, times $1-\\ell_j/\\tau$ across $y$ if $n=1$ or $2$",
      quadratic[2:, 2:] - sp.diag(*(expected[str(v)] for v in theory.fast)))  # fmt: skip

# %% [markdown]
# ## The other coefficients follow
#
# They begin with two powers of $w$ and $c$. A component with $a_j\ne0$ curves along $y$: the data lie around a parabola
# in the plane of $y$ and $x_j$. Across $y$ the decoder bends along it.

# %%
fast = {str(v): x for v, x in theory.elimination(2).items()}
for name in ("f_13", "f_14", "f_21", "f_22", "f_23", "f_24"):
    show(name.replace("f_", "f_{") + "}", fast[name])
bend = a2 / (tau**2 * (1 - l2 / tau))
check("across $y$ the linear coefficient is $2a_jwc/(\\tau^2-\\ell_j\\tau)$", fast["f_21"] - 2 * w * c * bend)
check("the quadratic one is $a_j(w^2+4c^2)/(2\\tau^2-2\\ell_j\\tau)$", fast["f_22"] - (w**2 + 4 * c**2) * bend / 2)
check("the cubic coefficients are $Awc/\\tau^2$",
      sp.Matrix([fast["f_13"], fast["f_23"]]) - w * c / tau**2 * sp.Matrix([kappa, a2]))  # fmt: skip
check("the quartic coefficients are $Ac^2/(2\\tau^2)$",
      sp.Matrix([fast["f_14"], fast["f_24"]]) - c**2 / (2 * tau**2) * sp.Matrix([kappa, a2]))  # fmt: skip
check("the constant stays where it is", sp.Matrix([fast["f_10"], fast["f_20"]]))

# %% [markdown]
# ## The potential
#
# $$F=\tfrac{1}{2}a(w^2+2c^2)-\frac{\kappa}{\tau^2}\left(w^2c+\tfrac{4}{3}c^3\right)+Gw^4+B(w^2c^2+c^4),\qquad a=1-\frac{1}{\tau}$$
#
# $$G=\frac{1}{2\tau^2}-\frac{1}{4\tau}-\frac{Q}{4\tau^4},\qquad B=\frac{14}{\tau^2}-\frac{4}{\tau}-\frac{2m_4}{\tau^3}-\frac{3|A|^2+4Q}{\tau^4}$$
#
# at any price. One bracket $B$ serves both $w^2c^2$ and $c^4$. Each component beside $y$ adds its own term to $Q$ and
# $|A|^2$; two of them show the sum for any number.

# %%
Q = a2**2 / (1 - l2 / tau) + a3**2 / (1 - l3 / tau)
square = kappa**2 + a2**2 + a3**2
G = 1 / (2 * tau**2) - 1 / (4 * tau) - Q / (4 * tau**4)
B = 14 / tau**2 - 4 / tau - 2 * m4 / tau**3 - (3 * square + 4 * Q) / tau**4
found = theory.expansion(4).coefficients
terms = {(2, 0): ("$w^2$", a / 2), (0, 2): ("$c^2$", a), (2, 1): ("$w^2c$", -kappa / tau**2),
         (0, 3): ("$c^3$", -4 * kappa / (3 * tau**2)), (4, 0): ("$w^4$", G), (2, 2): ("$w^2c^2$", B),
         (0, 4): ("$c^4$", B)}  # fmt: skip
for powers, (name, coefficient) in terms.items():
    check(f"the coefficient of {name} is that of the formula", found[powers] - coefficient)
check("there are no other terms to quartic order", set(found) == set(terms))
higher = first_collapse.theory(across=1, highest=6).expansion(4).coefficients
check("$\\mathrm{He}_5$ and $\\mathrm{He}_6$ add nothing at this order",
      sp.Matrix([higher[n] - found[n].subs(a3, 0) for n in terms]))  # fmt: skip
at_one = {n: found[n].subs(tau, 1) for n in ((4, 0), (0, 4))}
show(r"B\,\big|_{\tau=1}", 10 - 2 * m4 - 3 * sp.Symbol("|A|", positive=True) ** 2 - 4 * sp.Symbol("Q"))
check("at $\\tau=1$: $G=(1-Q)/4$", at_one[4, 0] - (1 - Q.subs(tau, 1)) / 4)
check("there $B=10-2m_4-3|A|^2-4Q$", at_one[0, 4] - (10 - 2 * m4 - 3 * square - 4 * Q.subs(tau, 1)))
linear_case = {kappa: 0, m4: 3, a2: 0, a3: 0}
check("Gaussian data have $G=\\frac{1}{2\\tau^2}-\\frac{1}{4\\tau}$, as in the linear theory, and $B=4$ at $\\tau=1$",
      sp.Matrix([found[4, 0].subs(linear_case) - 1 / (2 * tau**2) + 1 / (4 * tau),
                 at_one[0, 4].subs(linear_case) - 4]))  # fmt: skip

# %% [markdown]
# The cubic terms make the collapse first-order as soon as $\kappa\ne0$: at $\tau=1$, where the quadratic terms vanish,
# $F=-\frac{4}{3}\kappa c^3+\dots$ is negative for small $c$ of the sign of $\kappa$.
#
# ## One parameter is left
#
# Take $G>0$ and $B>0$. With $k=\kappa/\tau^2$, $w^2=(k/B)^2P$, $c=(k/B)C$, $a=(k^2/B)\alpha$ and $g=G/B$,
#
# $$F=\frac{k^4}{B^3}\varphi,\qquad\varphi=q(C)P+U(C)+gP^2,\qquad q=\tfrac{\alpha}{2}-C+C^2,\qquad U=\alpha C^2-\tfrac{4}{3}C^3+C^4$$
#
# and $U'=4Cq$: where the width channel is at rest, the mean channel is neither stable nor unstable to first order in
# $P$. (No accident: see below.)

# %%
P, C, alpha, g, k = sp.symbols("P C alpha g k", positive=True)
beta = sp.Symbol("B", positive=True)
q, U = alpha / 2 - C + C**2, alpha * C**2 - sp.Rational(4, 3) * C**3 + C**4
phi = q * P + U + g * P**2
scaled = {w: k / beta * sp.sqrt(P), c: k / beta * C}
general = k**2 / beta * alpha * (w**2 + 2 * c**2) / 2 - k * (w**2 * c + sp.Rational(4, 3) * c**3)
general += g * beta * w**4 + beta * (w**2 * c**2 + c**4)
check("$F=(k^4/B^3)\\varphi$", sp.expand(general.subs(scaled) - k**4 / beta**3 * phi))
check("$U'=4Cq$", sp.diff(U, C) - 4 * C * q)

# %% [markdown]
# The stationary points beside the collapsed one are therefore
#
# - **the width alone**, $P=0$: $q=0$, so $C=\frac{1}{2}(1\pm\sqrt{1-2\alpha})$. The upper sign is the living state. It
#   exists for $\alpha\le\frac{1}{2}$, and it is a minimum as long as $8gC>2C-1$.
# - **mean and width**, $P>0$: $q=-2gP$ and then $8gC=2C-1$, so $C=C_2=1/(2-8g)$ at *every* price, and
#   $P=(C-C^2-\frac{\alpha}{2})/(2g)$. It is a minimum wherever it exists: for $g<\frac{1}{4}$ and
#   $\alpha<\alpha_2=2C_2(1-C_2)$. At $\alpha_2$ it branches off the width state, which is stable above.

# %%
width = {P: 0, C: (1 + sp.sqrt(1 - 2 * alpha)) / 2}
C2 = 1 / (2 - 8 * g)
mean = {P: (C2 - C2**2 - alpha / 2) / (2 * g), C: C2}
for name, point in (("width", width), ("mean and width", mean)):
    slopes = sp.Matrix([sp.diff(phi, C), sp.diff(phi, P)]).subs(point, simultaneous=True)
    check(f"{name}: both slopes vanish", slopes.applyfunc(sp.simplify))
curved = sp.hessian(phi, (P, C)).subs(alpha, 2 * (C - C**2) - 4 * g * P)  # on q = −2gP
check("mean and width: the Hessian has the determinant $2gP(2-8g)$",
      sp.expand(curved.det() - 2 * g * P * (2 - 8 * g)).subs(C, C2))  # fmt: skip
near = sp.expand(phi.subs(alpha, 2 * (C - C**2)) - U.subs(alpha, 2 * (C - C**2)))
check("at the width state $\\varphi$ rises by $gP^2$ at fixed $C$", near - g * P**2)
relaxed = g - sp.diff(q, C) ** 2 / (2 * sp.diff(U, C, 2))
check("and by $[g-(2C-1)/(8C)]P^2$ once $C$ follows", relaxed.subs(alpha, 2 * (C - C**2)) - g + (2 * C - 1) / (8 * C))
alpha2 = 2 * C2 * (1 - C2)
check("the two states meet where that bracket vanishes", (g - (2 * C - 1) / (8 * C)).subs(C, C2))
check("which is at $\\alpha_2=2C_2(1-C_2)$", mean[P].subs(alpha, alpha2))

# %% [markdown]
# ## Coexistence
#
# At given $w$ and $c$ the loss rises with $\alpha$, by $P/2+C^2$. So there is one price up to which a living state is
# the best. For the width alone $\varphi=C^2[(C-\frac{2}{3})^2+\alpha-\frac{4}{9}]$: it is $\alpha=\frac{4}{9}$, at
# $C=\frac{2}{3}$. There the mean channel could lower $\varphi$ by $q^2/(4g)$ where $q<0$, and
#
# $$\varphi=\left(C-\tfrac{2}{3}\right)^2\left[C^2-\frac{(C-\frac{1}{3})^2}{4g}\right],\qquad\tfrac{1}{3}\le C\le\tfrac{2}{3}$$
#
# $(C-\frac{1}{3})/C$ rises to $\frac{1}{2}$ at the end, so the bracket is nowhere negative if and only if
# $g\ge\frac{1}{16}$, which is $B\le16G=4(1-Q)$ at $\tau=1$. Then
#
# $$\tau_M=\lambda_1\left(1+\frac{4}{9}\frac{\kappa^2}{B}\right),\qquad w=0,\quad c=\frac{2\kappa}{3B},\qquad 0<B\le4(1-Q)$$
#
# The latent that is lost at $\tau_M$ speaks through its posterior variance alone. For Gaussian-like data, $B=4$, that is
# $1+\kappa^2/9$.

# %%
two_thirds, four_ninths = sp.Rational(2, 3), sp.Rational(4, 9)
check(
    "the width alone has $\\varphi=C^2[(C-2/3)^2+\\alpha-4/9]$",
    U - C**2 * ((C - two_thirds) ** 2 + alpha - four_ninths),
)
best_P = sp.solve(sp.diff(phi, P), P)[0]
lowered = phi.subs(P, best_P)
check("the best $P$ lowers $\\varphi$ by $q^2/(4g)$", lowered - U + q**2 / (4 * g))
check("$q=(C-1/3)(C-2/3)$ at $\\alpha=4/9$",
      q.subs(alpha, four_ninths) - (C - sp.Rational(1, 3)) * (C - two_thirds))  # fmt: skip
bracket = C**2 - (C - sp.Rational(1, 3)) ** 2 / (4 * g)
check("so $\\varphi=(C-2/3)^2[C^2-(C-1/3)^2/(4g)]$",
      lowered.subs(alpha, four_ninths) - (C - two_thirds) ** 2 * bracket)  # fmt: skip
share = (C - sp.Rational(1, 3)) / C
check("$(C-1/3)/C$ rises", sp.factor(sp.diff(share, C)).is_positive)
check("to $1/2$ at $C=2/3$, where the bracket vanishes for $g=1/16$",
      sp.Matrix([share.subs(C, two_thirds) - sp.Rational(1, 2),
                 bracket.subs({C: two_thirds, g: sp.Rational(1, 16)})]))  # fmt: skip
check("each living state rises with $\\alpha$", sp.diff(phi, alpha).is_positive)
check(
    "Gaussian-like data: $\\frac{4}{9}\\kappa^2/B=\\kappa^2/9$",
    four_ninths / at_one[0, 4].subs(linear_case) - sp.Rational(1, 9),
)

# %% [markdown]
# **For $g<\frac{1}{16}$**, that is $B>4(1-Q)$ (light tails, as of two clusters), mean and width live together at the
# coexistence. $\varphi=0$ on that state is a quadratic equation for $\alpha$. With $C_2$ as above its solution is
#
# $$\alpha_M=C_2\left[1-\sqrt{\frac{2C_2-1}{3}}\right]\qquad\text{so that}\qquad\frac{\tau_M}{\lambda_1}-1=\frac{\kappa^2}{2(B-1+Q)}\left[1-\sqrt{\frac{1-Q}{3(B-1+Q)}}\right]$$
#
# It lies between $\frac{4}{9}$ (at $g=\frac{1}{16}$) and $\frac{1}{2}$ (at $g\to0$).

# %%
x = sp.Symbol("x", positive=True)  # √((2C₂ − 1)/3), which is 1/3 at g = 1/16
on_x = {C: (1 + 3 * x**2) / 2}
g_x = sp.factor(((2 * C - 1) / (8 * C)).subs(on_x))
star = (C * (1 - x)).subs(on_x)
P_star = sp.factor(((C - C**2).subs(on_x) - star / 2) / (2 * g_x))
show("g(x)", g_x)
show(r"\alpha_M(x)", sp.factor(star))
show("P_M(x)", P_star)
check("$C=C_2$ at that $g$", C2.subs(g, g_x) - C.subs(on_x))
check("mean and width have $\\varphi=0$ at $\\alpha_M$", phi.subs({g: g_x, alpha: star}).subs({P: P_star, **on_x}))
smaller = P_star.subs(x, 1 / (3 + sp.Symbol("p", positive=True)))
check("$P_M$ is positive for $x<1/3$, and zero at $x=1/3$",
      sp.factor(smaller).is_positive
      and P_star.subs(x, sp.Rational(1, 3)) == 0)  # fmt: skip
check("$x=1/3$ is $g=1/16$, and $\\alpha_M=4/9$ there",
      sp.Matrix([g_x.subs(x, sp.Rational(1, 3)) - sp.Rational(1, 16),
                 star.subs(x, sp.Rational(1, 3)) - four_ninths]))  # fmt: skip
check("$x\\to0$ is $g\\to0$, and $\\alpha_M\\to1/2$", sp.Matrix([g_x.subs(x, 0), star.subs(x, 0) - sp.Rational(1, 2)]))
bent = sp.Symbol("Q", real=True)
C2_data = C2.subs(g, (1 - bent) / (4 * beta))
check("in terms of $\\kappa$, $B$ and $Q$: $C_2=B/(2(B-1+Q))$", C2_data - beta / (2 * (beta - 1 + bent)))
check("there $(2C_2-1)/3=(1-Q)/(3(B-1+Q))$", (2 * C2_data - 1) / 3 - (1 - bent) / (3 * (beta - 1 + bent)))

# %% [markdown]
# ## Hysteresis
#
# The collapsed state is stable down to $\lambda_1$. The last living state is the width alone, at $\alpha=\frac{1}{2}$
# and $C=\frac{1}{2}$, as $\alpha_2\le\frac{1}{2}$ for any $g$:
#
# $$\tau_s=\lambda_1\left(1+\frac{\kappa^2}{2B}\right),\qquad c=\frac{\kappa}{2B}$$
#
# So training that starts from the collapsed state sees a latent from $\lambda_1$ on, training that starts from a living
# one keeps it up to $\tau_s$, and which of them is better changes at $\tau_M$ between.

# %%
check("$\\frac{1}{2}-\\alpha_2=\\frac{1}{2}(2C_2-1)^2$", sp.Rational(1, 2) - alpha2 - (2 * C2 - 1) ** 2 / 2)
check("at $\\alpha=1/2$ the two width states meet, at $C=1/2$",
      sp.Matrix([q, sp.diff(q, C)]).subs({alpha: sp.Rational(1, 2), C: sp.Rational(1, 2)}))  # fmt: skip
check("at the spinodal the living state lies above the collapsed one, by $1/48$ in $\\varphi$",
      U.subs({alpha: sp.Rational(1, 2), C: sp.Rational(1, 2)}) - sp.Rational(1, 48))  # fmt: skip

# %% [markdown]
# ## Without skewness
#
# For $\kappa=0$ nothing is odd in $c$, and at $\tau=1$ only $Gw^4+B(w^2c^2+c^4)$ is left. It is positive in all
# directions if and only if $G>0$ and $B>0$; then the collapse is continuous. Otherwise $F<0$ at $\tau=1$ somewhere near
# the collapsed state, and by continuity also above: the collapse is first-order without any skewness if
#
# - **$Q>1$**: the data curve along $y$ more than the bend costs, or
# - **$B<0$**: tails are heavy, $m_4>5-\frac{3}{2}|A|^2-2Q$.
#
# In both cases the quartic has no lower bound. It says that there is a jump, not where.

# %%
modulus, m4_limit = sp.Symbol("A", positive=True), sp.Symbol("m", real=True)
limit = sp.solve(10 - 2 * m4_limit - 3 * modulus**2 - 4 * bent, m4_limit)[0]
check("$B=0$ at $m_4=5-\\frac{3}{2}|A|^2-2Q$", limit - (5 - sp.Rational(3, 2) * modulus**2 - 2 * bent))
level = found[4, 0].subs({tau: 1, a3: 0, a2: sp.sqrt(bent * (1 - l2))})
check("$G=0$ at $Q=1$, whatever else the data do", level.subs(bent, 1))
even = {n: coefficient.subs(kappa, 0) for n, coefficient in found.items()}
check("for $\\kappa=0$ no odd power is left", all(even[n] == 0 for n in ((2, 1), (0, 3))))

# %% [markdown]
# ## Why the mean channel is marginal
#
# Take any state that speaks through the width alone: $\mu=0$ for every row, $f$ even, $f$ and $s$ at their best. Then
# the mean channel has a direction without curvature, to all orders in $\kappa$. Change $f(z)$ into
# $f(z+\varepsilon)$ and $\mu$ from 0 to $-\varepsilon(1-s)$. With $h=\frac{1}{2}\lVert f\rVert^2-x\cdot f$ and
# $\langle h''\rangle=\tau(1/s-1)$ for each row (its $s$ is at rest), the second order is
#
# $$\tfrac{1}{2}\langle\lVert f'\rVert^2\rangle-\tfrac{\tau}{2}\left\langle\frac{(1-s)^2}{s}\right\rangle$$
#
# The decoder is at rest at every $z$, $\langle q_x(z)(f(z)-x)\rangle=0$ with $q_x=N(0,s)$. Differentiate by $z$,
# multiply by $f'$ and integrate by parts: $\langle\lVert f'\rVert^2\rangle=\langle h''\rangle=\tau\langle1/s-1\rangle$.
# What is left is $\frac{\tau}{2}\langle1-s\rangle$. It vanishes, as $\langle\mu^2+s\rangle=1$ for any decoder that can
# undo a scale of $z$. Whether the mean wakes is decided by the fourth order, $g-(2C-1)/(8C)$ above.

# %%
s = first_collapse.s
second = tau * (1 / s - 1) / 2 - tau * (1 - s) ** 2 / (2 * s)
check("the second order is $\\frac{\\tau}{2}(1-s)$ per row", second - tau * (1 - s) / 2)

# %% [markdown]
# ## The same numbers
#
# The loss of a few rows with probabilities, minimised without an expansion. The decoder has coefficients to $\mathrm{He}_6$.
# For a given decoder the averages of Hermite polynomials over a posterior follow exactly from
# $\langle\mathrm{He}_{n+1}\rangle=\mu\langle\mathrm{He}_n\rangle+n(s-1)\langle\mathrm{He}_{n-1}\rangle$; each row's
# posterior is found by Newton's method, and the decoder by a quasi-Newton method with the exact gradient.

# %%
import math

import numpy as np
from numpy.polynomial import hermite_e
from scipy.optimize import minimize

HIGHEST = 6
unit = np.eye(HIGHEST + 1)
products = np.zeros((HIGHEST + 1, HIGHEST + 1, 2 * HIGHEST + 1))  # He_m He_n in Hermite polynomials
for m in range(HIGHEST + 1):
    for n in range(HIGHEST + 1):
        series = hermite_e.hermemul(unit[m], unit[n])
        products[m, n, : len(series)] = series
scale = np.sqrt([float(math.factorial(n)) for n in range(HIGHEST + 1)])


def averages(mean, variance):
    """⟨He_n(z)⟩ per row, (2·HIGHEST + 1, rows)."""
    values = [np.ones_like(mean), mean]
    for n in range(1, 2 * HIGHEST):
        values.append(mean * values[n] + n * (variance - 1) * values[n - 1])
    return np.array(values)


def posteriors(decoder, x, price):
    """The best mean and ln variance of each row, by Newton's method from the prior."""
    terms = [np.einsum("im,in,mnk->k", decoder, decoder, products) / 2 - np.pad(x @ decoder, ((0, 0), (0, HIGHEST)))]
    for _ in range(4):  # derivatives by z
        terms.append(np.pad(terms[-1][:, 1:] * np.arange(1, 2 * HIGHEST + 1), ((0, 0), (0, 1))))
    mean, log_s = np.zeros((2, len(x)))
    for _ in range(60):
        s = np.exp(log_s)
        _, h1, h2, h3, h4 = (np.einsum("ik,ki->i", t, averages(mean, s)) for t in terms)
        slope = np.array([h1 + price * mean, s * h2 / 2 + price * (s - 1) / 2])
        mixed = s * h3 / 2
        stiff = np.array([h2 + price, s * h2 / 2 + s**2 * h4 / 4 + price * s / 2])
        step = (stiff[::-1] * slope - mixed * slope[::-1]) / (stiff[0] * stiff[1] - mixed**2)
        mean, log_s = mean - step[0], log_s - step[1]
        if abs(step).max() < 1e-14:
            break
    return mean, log_s


def loss(decoder, mean, log_s, x, weight, price):
    """The loss above the collapsed one, and its slope in the decoder."""
    he = averages(mean, np.exp(log_s))
    gram = products @ (he @ weight)
    cross = (x * weight[:, None]).T @ he[: HIGHEST + 1].T
    rate = weight @ (mean**2 + np.exp(log_s) - 1 - log_s) / 2
    return np.sum(decoder * (decoder @ gram / 2 - cross)) + price * rate, decoder @ gram - cross, rate


def minimised(x, weight, price, decoder, held=()):
    """The least loss from a decoder on, some of its coefficients held: value, decoder, rate."""
    free = np.ones(decoder.shape, bool)
    free[tuple(zip(*held, strict=True))] = not held
    factor = np.broadcast_to(scale, decoder.shape)[free]

    def changed(theta):
        new = decoder.copy()
        new[free] = theta / factor
        return new

    def objective(theta):
        new = changed(theta)
        value, slope, _ = loss(new, *posteriors(new, x, price), x, weight, price)
        return value, slope[free] / factor

    result = minimize(objective, decoder[free] * factor, jac=True, method="BFGS", options={"gtol": 1e-12})
    best = changed(result.x)
    return result.fun, best, loss(best, *posteriors(best, x, price), x, weight, price)[2]


def principal(x, weight):
    """Rows in principal components and units of √λ₁, and the moments κ, m₄, a_j, ℓ_j."""
    x = x - weight @ x
    values, vectors = np.linalg.eigh((x * weight[:, None]).T @ x)
    x = (x @ vectors / np.sqrt(values[-1]))[:, ::-1]
    x[:, 0] *= np.sign(weight @ x[:, 0] ** 3) or 1
    across = x.T @ (weight * x[:, 0] ** 2)
    return x, (across[0], weight @ x[:, 0] ** 4, across[1:], values[-2::-1] / values[-1])


def quartic(w, c, price, skew, fourth, across, variances):
    """The potential above, in numbers."""
    Q = np.sum(across**2 / (1 - variances / price))
    G = 1 / (2 * price**2) - 1 / (4 * price) - Q / (4 * price**4)
    B = 14 / price**2 - 4 / price - 2 * fourth / price**3 - (3 * skew**2 + 3 * across @ across + 4 * Q) / price**4
    cubic = skew / price**2 * (w**2 * c + 4 * c**3 / 3)
    return (1 - 1 / price) * (w**2 / 2 + c**2) - cubic + G * w**4 + B * (w**2 * c**2 + c**4)


# %% [markdown]
# **Every bracket.** With $(w,c)=\epsilon(w_0,c_0)$ held and all else minimised, the quartic misses terms of order 5,
# odd in $\epsilon$, and of order 6, even. Five rows in three dimensions, two prices: half of $\epsilon$ divides the odd
# part of the difference by 32 and the even part by 64.

# %%
points = np.array([[-2.0, 1, 0], [-1, -1, 0.6], [0.2, 0, -0.8], [1, -0.7, 0.3], [3, 1, 0.2]])
x, moments = principal(points, np.array([2, 3, 4, 3, 1]) / 13)
weight = np.array([2, 3, 4, 3, 1]) / 13


def missed(w0, c0, price):
    """Odd and even part of the difference to the quartic."""
    sides = []
    for sign in (1, -1):
        start = np.zeros((3, HIGHEST + 1))
        start[0, 1], start[0, 2] = sign * w0, sign * c0
        value = minimised(x, weight, price, start, held=[(0, 1), (0, 2)])[0]
        sides.append(value - quartic(sign * w0, sign * c0, price, *moments))
    return (sides[0] - sides[1]) / 2, (sides[0] + sides[1]) / 2


for price in (1.0, 1.3):
    for w0, c0 in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -0.6)):
        (odd, even), (odd_half, even_half) = (missed(e * w0, e * c0, price) for e in (0.016, 0.008))
        check(
            f"$\\tau={price}$, $(w_0,c_0)=({w0:g},{c0:g})$: the difference falls as $\\epsilon^5$ (odd) and $\\epsilon^6$ (even)",
            (c0 == 0 or abs(odd / odd_half - 32) < 2) and abs(even / even_half - 64) < 6,
        )

# %% [markdown]
# **Coexistence.** Rows at the nodes of Gauss–Hermite quadrature, a little bent, with light or with heavy tails; rows along
# a parabola; two smoothed points. $\tau_M-\lambda_1$ follows from minimisations alone, by Newton's method in the price, as
# the slope of the loss is the rate. What it differs from the law falls as $\kappa^2$: with half the skewness it is about
# a fourth. The predicted state is that of the package's numeric function.

# %%
from landau_vae.networks.quartic import Moments
from landau_vae.networks.quartic import quartic_collapse as expected_collapse

node, mass = hermite_e.hermegauss(9)
mass = mass / mass.sum()


def bent_rows(square, cube, across=0.0):
    """y = z + square (z² − 1) + cube (z³ − 3z), and across (z² − 1) with some noise beside it."""
    y = node + square * (node**2 - 1) + cube * (node**3 - 3 * node)
    rows = [np.c_[y, across * (node**2 - 1) + side] for side in (0.3, -0.3)]
    return np.vstack(rows), np.tile(mass / 2, 2)


def two_points(share):
    ends = math.sqrt((1 - share) / share), -math.sqrt(share / (1 - share))
    rows = np.concatenate([end + 0.3 * node for end in ends])
    return rows[:, None], np.concatenate([share * mass, (1 - share) * mass])


def prediction(moments):
    skew, fourth, *others = moments
    return expected_collapse(Moments(1.0, float(skew), float(fourth), *others))


def law(collapse):
    """τ*/λ₁ − 1 at the moments at λ₁."""
    G, B = collapse.moments.brackets()
    share = 4 / 9 if G / B >= 1 / 16 else (1 - math.sqrt(4 * G / (3 * (B - 4 * G)))) / (2 - 8 * G / B)
    return share * collapse.moments.skewness**2 / B


def coexistence(x, weight, expected):
    """The price at which the living state is as good as the collapsed one, and its decoder."""
    price, decoder = (1 + expected.maxwell) / 2, np.zeros((x.shape[1], HIGHEST + 1))
    decoder[0, 1:3] = expected.width
    for _ in range(8):
        value, decoder, rate = minimised(x, weight, price, decoder)
        price -= value / rate
    return price, decoder


families = {
    "light tails": (lambda e: bent_rows(0.03 * e, -0.03), True),
    "heavy tails": (lambda e: bent_rows(0.01 * e, 0.03), False),
    "a parabola": (lambda e: bent_rows(0.0125 * e, 0.0, across=0.25), False),
    "two points": (lambda e: two_points(0.5 - 0.03 * e), True),
}
for name, (rows, both) in families.items():
    errors = []
    for size in (1.0, 0.5):
        x, moments = principal(*rows(size))
        weight, expected = rows(size)[1], prediction(moments)
        price, decoder = coexistence(x, weight, expected)
        errors.append((price - 1) / law(expected) - 1)
    channels = "mean and width" if both else "width alone"
    check(f"{name}: the law is right to 1 %, and its error falls as $\\kappa^2$",
          abs(errors[1]) < 0.01 and 3.5 < errors[0] / errors[1] < 5.5)  # fmt: skip
    check(f"{name}: the living state there is {channels}, its amplitudes to 3 %",
          abs(decoder[0, 1:3] - [expected.mean, expected.width]).max() < 0.03 * expected.width
          and (expected.mean > 0) == both)  # fmt: skip

# %% [markdown]
# **The spinodal**, for the two points: the living state is found 3 % before the predicted end of its range, above the
# collapsed one, and is gone 3 % after it.

# %%
after = []
for factor in (0.97, 1.03):
    value, decoder, rate = minimised(x, weight, 1 + factor * (expected.spinodal - 1), decoder)
    after.append((value, rate))
check("the living state survives to $1+\\kappa^2/(2B)$, 3 % to either side",
      after[0][0] > 0 and after[0][1] > 1e-6 and after[1][1] < 1e-10)  # fmt: skip

# %% [markdown]
# **Four hundred quantiles of a gamma distribution** at $\tau=\lambda_1$, where the collapsed state loses its stability.

# %%
from scipy.stats import gamma


def scientific(value):
    digits, power = f"{value:.3e}".split("e")
    return f"{digits}\\cdot10^{{{int(power)}}}"


missing = []
for shape in (100, 400):
    weight = np.full(400, 1 / 400)
    x, moments = principal(gamma(shape).ppf((np.arange(400) + 0.5) / 400)[:, None], weight)
    phase = prediction(moments).phase(1.0)
    start = np.zeros((1, HIGHEST + 1))
    start[0, 1:3] = phase.mean, phase.width
    value, decoder, rate = minimised(x, weight, 1.0, start)
    missing.append(-phase.gain / value - 1)
    check(
        f"shape {shape} ($\\kappa={moments[0]:.4f}$): $F={scientific(value)}$ at $(w,c)=({decoder[0, 1]:.4f},{decoder[0, 2]:.4f})$; "
        f"the quartic says ${scientific(-phase.gain)}$ at $({phase.mean:.4f},{phase.width:.4f})$",
        abs(missing[-1]) < 3.2 * moments[0] ** 2,
    )
check("the quartic's error falls by a factor of four to five", 4 < missing[0] / missing[1] < 5)

# %% [markdown]
# **Without skewness.** Three points with $m_4=6$, so that $B=-2$, and eight points in the plane that curve so much that
# $Q=1.44$, with $B>0$. The first live by the width, the second by the mean; both have a lower loss than the collapsed
# state at $1.001\lambda_1$, where that is stable.

# %%
heavy = np.array([[math.sqrt(6)], [0.0], [-math.sqrt(6)]]), np.array([1, 10, 1]) / 12
signs = np.array([[i, j, k] for i in (1, -1) for j in (1, -1) for k in (1, -1)])
plane = np.c_[signs[:, 0] * np.sqrt(1 + signs[:, 1] / 2), math.sqrt(0.9) * signs[:, 2]]
curving = plane, (1 + 0.8 * signs[:, 1] * signs[:, 2]) / 8
for (rows, weight), channel, negative, which in ((heavy, 2, "B", "$m_4=6$"), (curving, 1, "G", "$Q=1.44$")):
    x, moments = principal(rows, weight)
    brackets = dict(zip("GB", prediction(moments).moments.brackets(), strict=True))
    check(f"{which}: $\\kappa=0$ and only ${negative}$ is negative",
          abs(moments[0]) < 1e-12 and [name for name, value in brackets.items() if value < 0] == [negative])  # fmt: skip
    start = np.zeros((x.shape[1], HIGHEST + 1))
    start[0, channel] = 0.1
    value, decoder, rate = minimised(x, weight, 1.001, start)
    check(f"{which}: alive at $1.001\\lambda_1$, with $F={scientific(value)}$ and a rate of ${rate:.4f}$ nats",
          value < -1e-5 and rate > 1e-3 and abs(decoder[0]).argmax() == channel)  # fmt: skip

# %% [markdown]
# **The marginal direction.** A state of the width alone, changed as above: the loss rises with the fourth power of
# $\varepsilon$ only.

# %%
rows, weight = bent_rows(0.01, 0.03)
x, moments = principal(rows, weight)
start = np.zeros((2, HIGHEST + 1))
start[0, 2] = prediction(moments).phase(1.0).width
odd = [(i, n) for i in (0, 1) for n in (1, 3, 5)]
lowest, decoder, _ = minimised(x, weight, 1.0, start, held=odd)
mean, log_s = posteriors(decoder, x, 1.0)


def changed(size):
    """The loss of f(z + ε) with the means −ε(1 − s), above that of the width alone."""
    shift = np.array([[math.comb(n, m) * size ** max(n - m, 0) for m in range(HIGHEST + 1)]
                      for n in range(HIGHEST + 1)])  # fmt: skip
    return loss(decoder @ shift, -size * (1 - np.exp(log_s)), log_s, x, weight, 1.0)[0] - lowest


check("the posterior variances differ, by more than 0.1", np.ptp(np.exp(log_s)) > 0.1)
check("they average to 1, to $10^{-9}$", abs(weight @ np.exp(log_s) - 1) < 1e-9)
check("half of $\\varepsilon$ costs a sixteenth", abs(changed(0.2) / changed(0.1) - 16) < 0.5)
