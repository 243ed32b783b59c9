# %% [markdown]
# # The landscape
#
# **Assumed.** The loss of the linear model with $d$ modes and $K$ latents, from *The loss, from Gaussian integrals*, in
# the eigenbasis of the data: $C=\mathrm{diag}(\lambda_1,\dots,\lambda_d)$, all $\lambda_j>0$. (Stationarity in $W$
# reads $W(ECE^\top+S)=CE^\top$: the columns of $W$ lie in the range of $C$, and what $E$ does outside it does not
# enter. Directions without variance can be left out.)
#
# **Sought.** Every stationary point, the number of directions in which the loss falls from it (its Morse index), and
# whether a local minimum can be worse than the global one.
#
# **Sources.** Lucas et al., arXiv:1911.02469, and Wang & Ziyin, arXiv:2205.04009, for minima of the linear model;
# Tipping and Bishop (1999) for probabilistic PCA; J. Hirn, arXiv:2605.22691, for the equilibrium in this notation. The
# mixed stationary points below, and the index, are worked out here.

# %%
import sympy as sp

from landau_vae.symbolic import linear
from landau_vae.symbolic.page import check, show

tau = linear.tau

# %% [markdown]
# ## Three equations
#
# Write $G=W^\top W$ for the overlaps of the decoder's columns $w_k$, $D$ for the diagonal part of $G$, with entries
# $\lVert w_k\rVert^2$, and $S=\mathrm{diag}(s)$. The slopes of $\sigma_\mathrm{dec}^2L$ in $W$, in $E$ and in one $s_k$
# are


# %%
def slopes(W, E, S, C, G, price):
    return W * (E * C * E.T + S) - C * E.T, (G + price) * E * C - W.T * C


def symmetric(size):
    return sp.Matrix(size, size, lambda i, j: sp.Symbol(f"c{min(i, j) + 1}{max(i, j) + 1}", real=True))


def gradient(loss, matrix):
    return matrix.applyfunc(lambda entry: sp.diff(loss, entry))


n, m = sp.symbols("d K", integer=True, positive=True)
shapes = {"W": (n, m), "E": (m, n), "S": (m, m), "C": (n, n), "G": (m, m)}
in_W, in_E = slopes(*(sp.MatrixSymbol(k, *v) for k, v in shapes.items()), tau * sp.Identity(m))
show(r"\partial_W", in_W)
show(r"\partial_E", in_E)

W, E, s = linear.variables(3, 2)
C, S, one = symmetric(3), sp.diag(*s), sp.eye(2)
loss, G = linear.loss(W, E, s, C), W.T * W
in_W, in_E = slopes(W, E, S, C, G, tau * one)
in_s = sp.Matrix([(G[k, k] + tau - tau / s[k]) / 2 for k in range(2)])
show(r"\partial_{s_k}", (sp.Symbol("G_kk") + tau - tau / sp.Symbol("s_k")) / 2)
check("the slope in $W$ is $W(ECE^\\top+S)-CE^\\top$, for any covariance ($d=3$, $K=2$)", gradient(loss, W) - in_W)
check("the slope in $E$ is $(G+\\tau)EC-W^\\top C$", gradient(loss, E) - in_E)
check("the slope in $s_k$ is $\\frac{1}{2}(G_{kk}+\\tau-\\tau/s_k)$", gradient(loss, sp.Matrix(s)) - in_s)

# %% [markdown]
# Two of the three are solved at once. As $C$ is invertible and $G+\tau$ positive definite,
#
# $$E=(G+\tau)^{-1}W^\top,\qquad s_k=\frac{\tau}{\lVert w_k\rVert^2+\tau},\quad\text{that is}\quad S=\tau(D+\tau)^{-1}$$
#
# ## Latents overlap only at equal length
#
# Multiply the slope in $W$ by $W^\top$ from the left, the slope in $E$ by $E^\top$ from the right, and subtract: the
# terms with $CE^\top$ cancel, and at a stationary point $GS=\tau ECE^\top$ remains. The right-hand side is symmetric,
# so the left one is: $G_{kl}s_l=G_{kl}s_k$. Two latents with $G_{kl}\neq0$ have the same $s$, that is, columns of the
# same length. So the latents fall into *groups* of equal $\lVert w_k\rVert$; columns of different groups are
# orthogonal, and $G$ commutes with $D$.

# %%
remainder = W.T * gradient(loss, W) - gradient(loss, E) * E.T
check("$W^\\top\\partial_W-\\partial_E E^\\top=GS-\\tau ECE^\\top$", (remainder - (G * S - tau * E * C * E.T)).expand())

# %% [markdown]
# Now put $E$ and $S$ into the third equation. From $GS=\tau ECE^\top$, $ECE^\top+S=(G+\tau)(D+\tau)^{-1}$, so that
# $W(ECE^\top+S)=CE^\top$ becomes $W(G+\tau)(D+\tau)^{-1}=CW(G+\tau)^{-1}$, or
#
# $$CW=W(G+\tau)^2(D+\tau)^{-1},\qquad GD=DG$$
#
# This is not only necessary. Let $G$ commute with $D$, insert $E$ and $S$ into the slope in $W$, and call
# $Q=CW-W(G+\tau)^2(D+\tau)^{-1}$. With $CW=Q+W(G+\tau)^2(D+\tau)^{-1}$ the terms without $Q$ cancel, and
# $-[1-W(G+\tau)^{-1}W^\top]Q(G+\tau)^{-1}$ remains. As $1-W(G+\tau)^{-1}W^\top=\tau(WW^\top+\tau)^{-1}$,
#
# $$\partial_W=-\tau(WW^\top+\tau)^{-1}Q\,(G+\tau)^{-1}$$
#
# with invertible factors on both sides: $Q=0$ at the stationary points and nowhere else. A check: for two latents there
# are two ways to commute: orthogonal columns, or columns of equal length. Turning the axes of the data brings the first
# to $w_1=(u,0,0)$, $w_2=(0,v,0)$, the second to $w_{1,2}=(u,\pm v,0)$, with any covariance.

# %%
u, v = sp.symbols("u v", positive=True)


def optimal(decoder):
    """The encoder and the variances that make the loss stationary for a decoder."""
    overlap = decoder.T * decoder
    inverse = (overlap + tau * sp.eye(overlap.rows)).inv().applyfunc(sp.factor)
    return inverse * decoder.T, [tau / (overlap[k, k] + tau) for k in range(overlap.rows)]


def place(decoder, variables=(W, E, s)):
    """A decoder, with the encoder that is best for it, as values of the variables."""
    encoder, best = optimal(decoder)
    return dict(zip([entry for part in variables for entry in part], [*decoder, *encoder, *best], strict=True))


for name, decoder in {
    "orthogonal columns": sp.Matrix([[u, 0], [0, v], [0, 0]]),
    "columns of equal length": sp.Matrix([[u, u], [v, -v], [0, 0]]),
}.items():
    overlap = decoder.T * decoder
    powers = (overlap + tau * one) ** 2 * sp.diag(*(1 / (overlap[k, k] + tau) for k in range(2)))
    encoder, variances = optimal(decoder)
    left = gradient(loss, W).xreplace(place(decoder)) * (overlap + tau * one)
    bracket = C * decoder - decoder * powers
    # τ(WWᵀ + τ)⁻¹ = 1 − WE, which spares inverting a d × d matrix
    check(
        f"the slope in $W$ has this form: {name}",
        (left + (sp.eye(3) - decoder * encoder) * bracket).applyfunc(lambda f: sp.numer(sp.together(f)).expand()),
    )
    check(
        f"with $\\tau(WW^\\top+\\tau)^{{-1}}=1-WE$: {name}",
        (sp.eye(3) - decoder * encoder) * (decoder * decoder.T + tau * sp.eye(3)) - tau * sp.eye(3),
    )

# %% [markdown]
# ## All solutions: pure and mixed
#
# Take one group: $m$ latents of equal norm $g=\lVert w_k\rVert^2$. Inside it, $D$ is the number $g$, and the equation
# reads $CW=W(G+\tau)^2/(g+\tau)$. Let $R$ be the rotation of these $m$ latents that makes $G$ diagonal, with
# eigenvalues $\gamma_a$; their mean is $\mathrm{tr}(G)/m=g$. The columns of $WR$ are orthogonal, of squared lengths
# $\gamma_a$, and $C(WR)_a=(WR)_a(\gamma_a+\tau)^2/(g+\tau)$: each that is not zero is an eigenvector of $C$, with
#
# $$(\gamma_a+\tau)^2=\lambda_a(g+\tau),\qquad\frac{1}{m}\sum_{a=1}^m\gamma_a=g$$
#
# - $g=0$: the *collapsed* latents, $w_k=e_k=0$, $s_k=1$.
# - $m=1$: then $\gamma=g$, so $g+\tau=\lambda$. One latent, one mode, $w^2=\lambda-\tau$, for any mode with
#   $\lambda>\tau$.
# - $m\ge2$ and all $\gamma_a$ equal: then all $\lambda_a$ are equal to $g+\tau$. The same within a degenerate
#   eigenvalue, whose eigenvectors are not unique: any orthonormal set of them will do.
# - $m\ge2$ and the $\gamma_a$ not all equal: then $G$ is not diagonal, the columns are not orthogonal. Several latents
#   share several modes, each latent all of them.
#
# Points without a group of the last kind are **pure**: a set $A$ of at most $K$ active modes, all with
# $\lambda_i>\tau$, one latent for each, the other latents collapsed. Points with such a group are **mixed**. They are
# stationary too; a list of the pure points is not the list of all.
#
# How many mixed points are there? With $r\le m$ modes in the group ($\gamma_a>0$) and $m-r$ zeros, put
# $h=\sqrt{g+\tau}$. Then $\gamma_a=h\sqrt{\lambda_a}-\tau$, and the mean of the $\gamma$ fixes $h$:
#
# $$m h^2-h\sum_{a=1}^r\sqrt{\lambda_a}-(m-r)\tau=0$$
#
# The product of the roots is not positive, so there is one positive root; the point exists if it makes $g$ and all $r$
# of the $\gamma_a$ positive. A rotation back to latents of equal norm always exists: as long as the diagonal of a
# symmetric matrix is not constant, two of its entries lie on either side of their mean $g$; turning these two into each
# other exchanges them continuously, so one passes $g$ on the way. Stop there; after at most $m-1$ such turns all
# entries are $g$. For $m=2$ the turn is by 45 degrees. For $m\ge3$ the rotations that do it form continuous families.
#
# **Two latents, two modes.** $h$ is the mean of $\sqrt{\lambda_1}=p$ and $\sqrt{\lambda_2}=q$:

# %%
p, q, h, rest = sp.symbols("p q h lambda_3", positive=True)
gammas = [root * (p + q) / 2 - tau for root in (p, q)]
mixed = sp.Matrix([[sp.sqrt(gammas[0])] * 2, [sp.sqrt(gammas[1]), -sp.sqrt(gammas[1])], [0, 0]]) / sp.sqrt(2)
show("W", mixed)
spectrum = {C[i, j]: 0 for i in range(3) for j in range(i + 1, 3)} | {C[0, 0]: p**2, C[1, 1]: q**2, C[2, 2]: rest}
everything = sp.Matrix([*W, *E, *s])
at_mixed = gradient(loss.subs(spectrum), everything).xreplace(place(mixed))
check("this is a stationary point ($d=3$, $K=2$)", at_mixed.applyfunc(sp.cancel))
overlap = (mixed.T * mixed).applyfunc(sp.cancel)
check("$g+\\tau=\\frac{1}{4}(\\sqrt{\\lambda_1}+\\sqrt{\\lambda_2})^2$", overlap[0, 0] + tau - ((p + q) / 2) ** 2)
show("G_{12}", sp.factor(overlap[0, 1]))

# %% [markdown]
# It exists if the smaller $\gamma$ is positive: $q(p+q)>2\tau$. That can hold even for $q^2<\tau$: a mixed point may
# carry a mode below its threshold.
#
# **Two latents, one mode.** $2h^2-ph-\tau=0$, both columns equal. It exists if $h^2>\tau$, which is the same as
# $p^2>\tau$:

# %%
root = (2 * h**2 - tau) / h  # √λ₁ as a function of h
shared = sp.Matrix([[sp.sqrt(h**2 - tau)] * 2, [0, 0], [0, 0]])
show("W", shared)
at_shared = gradient(loss.subs(spectrum), everything).xreplace(place(shared)).subs(p, root)
check("this is a stationary point, whatever the other modes", at_shared.applyfunc(sp.cancel))
positive_root = (p + sp.sqrt(p**2 + 8 * tau)) / 4
check("$h=\\frac{1}{4}(\\sqrt{\\lambda_1}+\\sqrt{\\lambda_1+8\\tau})$", root.subs(h, positive_root) - p)
margin = sp.factor(root**2 - tau)
show(r"\lambda_1-\tau", margin)
# p > 0 means 2h² > τ: write h² = τ/2 + x
x = sp.Symbol("x", positive=True)
check(
    "$\\lambda_1-\\tau$ and $h^2-\\tau$ have the same sign",
    sp.cancel(margin / (h**2 - tau)).subs(h, sp.sqrt(tau / 2 + x)).factor().is_positive,
)

# %% [markdown]
# ## Mixed points are strict saddles
#
# Take two latents of a mixed group with $G_{12}\neq0$ (the group has such a pair, as $G$ is not diagonal there), and
# turn them into each other by an angle $\theta$: $W\to WR$, $E\to R^\top E$. The product $WE$ does not change, nor does
# $\langle\lVert\mu\rVert^2\rangle$; only the noise term $\frac{1}{2}\sum_k s_kG_{kk}$ does, because the two norms
# become $g\pm G_{12}\sin2\theta$. In the plane of the two columns axes can be chosen such that $w_{1,2}=(u,\pm v)$,
# whence $g=u^2+v^2$ and $G_{12}=u^2-v^2$. Covariance, encoder and variances are left free here:

# %%
W2, E2, s2 = linear.variables(2, 2)
C2, theta = symmetric(2), sp.Symbol("theta", real=True)
R = sp.Matrix([[sp.cos(theta), -sp.sin(theta)], [sp.sin(theta), sp.cos(theta)]])
pair = sp.Matrix([[u, u], [v, -v]])
small = linear.loss(W2, E2, s2, C2)


def turned(R):
    return small.subs(dict(zip([*W2, *E2], [*(pair * R), *(R.T * E2)], strict=True)), simultaneous=True)


unit_circle = sp.cos(theta) ** 2 + sp.sin(theta) ** 2 - 1
by_turning = sp.factor(sp.rem(sp.expand(turned(R) - turned(one)), unit_circle, sp.sin(theta)))
show(r"\sigma_\mathrm{dec}^2[L(\theta)-L(0)]_{E,s}", by_turning)
check(
    "a turn changes the loss by $\\frac{1}{2}(s_1-s_2)G_{12}\\sin2\\theta$, for any encoder and covariance",
    by_turning - (s2[0] - s2[1]) * (u**2 - v**2) * sp.sin(theta) * sp.cos(theta),
)

# %% [markdown]
# That is nothing as long as $s_1=s_2$. But let each variance follow its best value, $s_k=\tau/(G_{kk}+\tau)$ with the
# turned norm: then $\frac{\tau}{2}\sum_k\ln(G_{kk}+\tau)$ is what changes, and the logarithm of a product of two
# numbers of given sum is largest when they are equal.

# %%
shift, g = sp.symbols("x g", real=True)  # x = G₁₂ sin 2θ
norm, overlap = u**2 + v**2, u**2 - v**2
following = {s2[0]: tau / (norm + tau + shift), s2[1]: tau / (norm + tau - shift)}
per_shift = sp.cancel(by_turning / (2 * overlap * sp.sin(theta) * sp.cos(theta)))
change = (per_shift * shift + turned(one)).subs(following) - turned(one).subs(dict.fromkeys(s2, tau / (norm + tau)))
fall = tau / 2 * (sp.log(norm + tau + shift) + sp.log(norm + tau - shift) - 2 * sp.log(norm + tau))
check(
    "with the variances following it changes by $\\frac{\\tau}{2}\\ln[1-x^2/(g+\\tau)^2]$, $x=G_{12}\\sin2\\theta$",
    change - fall,
)
G12 = sp.Symbol("G_12", real=True)
along = tau / 2 * sp.log(1 - G12**2 * sp.sin(2 * theta) ** 2 / (g + tau) ** 2)
show(r"\sigma_\mathrm{dec}^2[L(\theta)-L(0)]", along)
curvature = sp.diff(along, theta, 2).subs(theta, 0)
show(r"\frac{\partial^2}{\partial\theta^2}\sigma_\mathrm{dec}^2 L\,\Big|_{\theta=0}", curvature)
check("its curvature is $-4\\tau G_{12}^2/(g+\\tau)^2$, negative", curvature + 4 * tau * G12**2 / (g + tau) ** 2)

# %% [markdown]
# The curve $\theta\mapsto(W,E,s)$ starts at the stationary point in a direction that is not zero. Along it the loss has
# a negative second derivative, so its Hessian there has a negative eigenvalue: a mixed point is a strict saddle, never
# a minimum, not even a flat one. The result has a simple reading. Overlapping columns of equal length are turned a
# little: one becomes longer, the other shorter, the reconstruction $WEx$ of the mean code stays, and posterior noise
# and nats together cost less.
#
# **What mixing costs** at the point of two modes, compared with the pure point that gives each of the two modes a
# latent of its own (where both have $\lambda>\tau$): the arithmetic mean of $\sqrt{\lambda_1}$ and $\sqrt{\lambda_2}$
# takes the place of their geometric mean.

# %%
own = sp.Matrix([[sp.sqrt(p**2 - tau), 0], [0, sp.sqrt(q**2 - tau)], [0, 0]])
values = [loss.subs(spectrum).xreplace(place(point)) for point in (mixed, own)]
values = [sp.cancel(value.replace(sp.log, lambda inside: sp.log(sp.factor(inside))).expand()) for value in values]
logarithm = 2 * sp.log(p + q) - 2 * sp.log(2) - sp.log(tau)
check(
    "the mixed point has the loss $\\tau[1+\\ln((g+\\tau)/\\tau)]$, plus $\\frac{1}{2}\\lambda_3$",
    sp.expand_log(values[0] - tau * (1 + logarithm) - rest / 2, force=True),
)
cost = tau * sp.log((p + q) ** 2 / (4 * p * q))
show(r"\sigma_\mathrm{dec}^2(L_\mathrm{mixed}-L_\mathrm{pure})", cost)
check("this is what it costs", sp.expand_log(values[0] - values[1] - cost, force=True))

# %% [markdown]
# ## The Hessian at a pure point
#
# Take an eigenbasis that contains the columns of $W$ (where eigenvalues are equal there is a choice), and number the
# active latents like their modes: latent $i$ speaks to mode $i$, with $w_i>0$ (flip the latent if not),
#
# $$w_i^2=\lambda_i-\tau,\qquad e_i=w_i/\lambda_i,\qquad s_i=\tau/\lambda_i\qquad(i\in A)$$
#
# Which variables does the Hessian couple? The loss is unchanged if mode $i$ and latent $i$ change sign together, if a
# mode $l\notin A$ changes sign, or if a collapsed latent $k$ does; the point itself is unchanged by all of these. So
# the Hessian couples only variables that have the same sign under every such flip. $W_{jk}$ and $E_{kj}$ carry the sign
# of mode $j$ times that of latent $k$. The classes, for any $d$ and $K$:
#
# - $(W_{ii},E_{ii},s_i)$ for $i\in A$, and $s_k$ of a collapsed latent: even under all flips. On the set where nothing
#   else is different from zero the loss is a sum over latents, so latents do not couple here.
# - $(W_{ji},E_{ij},W_{ij},E_{ji})$ for two active $i\neq j$: four variables.
# - $(W_{li},E_{il})$ for an active latent $i$ and a mode $l\notin A$.
# - $(W_{ik},E_{ki})$ for a collapsed latent $k$ and an active mode $i$.
# - $(W_{lk},E_{kl})$ for a collapsed latent $k$ and a mode $l\notin A$.
#
# While the variables of one class change, all latents and modes that the class does not name stay orthogonal to those
# that it does: they only add a constant. So a small model shows all blocks: $d=K=3$, modes $i,j$ active, mode $l$
# outside, the third latent $k$ collapsed. Its full Hessian, $21\times21$, is made of these:

# %%
li, lj, ll, wi, wj = sp.symbols("lambda_i lambda_j lambda_l w_i w_j", positive=True)


def radial(lam, w):
    return sp.Matrix([[1, lam - 2 * tau, w], [lam - 2 * tau, lam**2, 0], [w, 0, lam**2 / (2 * tau)]])


def two(curvature, coupling):
    return sp.Matrix([[1, -coupling], [-coupling, curvature]])


def four(li, lj):
    a, b = two(li * lj, tau), sp.Matrix([[0, wi * wj], [wi * wj, 0]])
    return sp.Matrix(sp.BlockMatrix([[a, b], [b, a]]))


show("H_i", radial(li, wi))
show("H_{ij}", four(li, lj))
show("H_{il}", two(li * ll, ll))
show("H_{ki}", two(tau * li, tau))
show("H_{kl}", two(tau * ll, ll))

W3, E3, s3 = linear.variables(3, 3)
i, j = tau + wi**2, tau + wj**2  # λ_i and λ_j
blocks = [
    ((W3[0, 0], E3[0, 0], s3[0]), radial(i, wi)),
    ((W3[1, 1], E3[1, 1], s3[1]), radial(j, wj)),
    ((W3[1, 0], E3[0, 1], W3[0, 1], E3[1, 0]), four(i, j)),
    ((W3[2, 0], E3[0, 2]), two(i * ll, ll)),
    ((W3[2, 1], E3[1, 2]), two(j * ll, ll)),
    ((W3[0, 2], E3[2, 0]), two(tau * i, tau)),
    ((W3[1, 2], E3[2, 1]), two(tau * j, tau)),
    ((W3[2, 2], E3[2, 2]), two(tau * ll, ll)),
    ((s3[2],), sp.Matrix([[tau / 2]])),
]
cubed = linear.loss(W3, E3, s3, sp.diag(i, j, ll))
ordered = [variable for names, _ in blocks for variable in names]
pure = place(sp.diag(wi, wj, 0), (W3, E3, s3))
slope = gradient(cubed, sp.Matrix(ordered))
hessian = slope.jacobian(ordered).xreplace(pure).applyfunc(sp.cancel)
check("the pure point is stationary ($d=K=3$)", slope.xreplace(pure))
check("its Hessian is made of these blocks, and all other entries vanish", hessian - sp.diag(*(b for _, b in blocks)))
a, k = sp.symbols("a k")  # a = |A|
check(
    "with the $\\tau/2$ of each collapsed $s_k$ the classes are all $K(2d+1)$ variables, for any $d$, $K$ and $|A|$",
    sp.expand(3 * a + 4 * a * (a - 1) / 2 + 2 * a * (n - a) + (m - a) * (2 * a + 2 * (n - a) + 1) - m * (2 * n + 1)),
)

# %% [markdown]
# All diagonal entries are positive. A $2\times2$ block has therefore one negative eigenvalue if its determinant is
# negative, and none otherwise:

# %%
show(r"\det H_{il}", two(li * ll, ll).det().factor())
show(r"\det H_{ki}", two(tau * li, tau).det().factor())
show(r"\det H_{kl}", two(tau * ll, ll).det().factor())
check("$\\det H_{il}=\\lambda_l(\\lambda_i-\\lambda_l)$", hessian[10:12, 10:12].det() - ll * (i - ll))
check("$\\det H_{ki}=\\tau w_i^2>0$", hessian[14:16, 14:16].det() - tau * wi**2)
check("$\\det H_{kl}=\\lambda_l(\\tau-\\lambda_l)$", hessian[18:20, 18:20].det() - ll * (tau - ll))

# %% [markdown]
# The block $H_i$ is positive definite, as its leading minors show, taken from $s$ upwards:

# %%
own = hessian[:3, :3]
show(r"\det H_i", radial(li, sp.sqrt(li - tau)).det().factor())
minors = [sp.factor(own[start:, start:].det()) for start in (2, 1, 0)]
check("the minors of $H_i$ are positive", all(minor.is_positive for minor in minors))
check("the last is $\\det H_i=\\lambda_i^2(\\lambda_i-\\tau)$", minors[2] - i**2 * wi**2)

# %% [markdown]
# In the sums and differences $(W_{ji}\pm W_{ij})/\sqrt2$, $(E_{ij}\pm E_{ji})/\sqrt2$ the block of two active latents
# falls into two:

# %%
apart = sp.Matrix([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, -1, 0], [0, 1, 0, -1]])
halves = apart * hessian[6:10, 6:10] * apart.T / 2
plus, minus = (two(i * j, tau - sign * wi * wj) for sign in (1, -1))
show("H_{ij}^+", two(li * lj, tau - wi * wj))
show("H_{ij}^-", two(li * lj, tau + wi * wj))
check("sums and differences decouple", halves - sp.diag(plus, minus))
show(r"\det H_{ij}^+", sp.factor(halves[:2, :2].det()))
show(r"\det H_{ij}^-", sp.factor(halves[2:, 2:].det()))
check(
    "$\\det H_{ij}^\\pm=\\tau(w_i\\pm w_j)^2$",
    sp.Matrix([halves[:2, :2].det() - tau * (wi + wj) ** 2, halves[2:, 2:].det() - tau * (wi - wj) ** 2]),
)

# %% [markdown]
# So two active latents never give a negative direction; they give a flat one if $w_i=w_j$, that is
# $\lambda_i=\lambda_j$.
#
# ## The index, and no spurious minima
#
# Only $H_{kl}$ and $H_{il}$ can have negative eigenvalues, one each. The Morse index of a pure point is therefore
#
# $$\#\lbrace(k,l):\lambda_l>\tau\rbrace+\#\lbrace(i,l):\lambda_l>\lambda_i\rbrace$$
#
# with $k$ a collapsed latent, $i\in A$, $l\notin A$. In words: an idle latent sees every mode above the price that
# nobody takes, and a busy latent sees every such mode that is stronger than its own.
#
# **Every stationary point is a strict saddle or a global minimum.**
#
# 1. Mixed points are strict saddles, as shown above.
# 2. Pure points of positive index are strict saddles.
# 3. At a pure point of index zero no mode outside $A$ is stronger than one inside; and if a latent is idle, no mode
#    outside is above $\tau$. So $A$ consists of the strongest modes: of all that are above $\tau$, or, if there are
#    more, of $K$. Up to ties there is one such set, and ties have the same loss, $\frac{1}{2}\sum_{l\notin
#    A}\lambda_l+\frac{\tau}{2}\sum_{i\in A}[1+\ln(\lambda_i/\tau)]$.
# 4. A global minimum exists: for a given $W$ the loss is convex in $E$ and $s$ with the unique minimum used above, and
#    what is left, the profile loss of the next section, is continuous and grows beyond all bounds with
#    $\lVert W\rVert$. It is a stationary point and no strict saddle. So it is a point of step 3, and all points of step
#    3, having the same loss, are global minima.
#
# Nothing here assumed that eigenvalues differ from each other or from $\tau$.

# %%
value = sp.expand_log(cubed.xreplace(pure), force=True)
expected = ll / 2 + tau / 2 * sum(1 + sp.log(tau + w**2) - sp.log(tau) for w in (wi, wj))
check(
    "a mode left out costs $\\frac{1}{2}\\lambda_l$, an active one $\\frac{\\tau}{2}[1+\\ln(\\lambda_i/\\tau)]$",
    value - expected,
)

# %% [markdown]
# ## The profile loss
#
# With $E$ and $s$ at their best values, a function of the decoder alone remains. Two latents and two modes show its
# form (turning the data's axes makes $W$ triangular; the covariance is free):

# %%
b1, b2, b3 = sp.symbols("b1:4", positive=True)
triangular = sp.Matrix([[b1, b2], [0, b3]])


def profile(decoder, covariance):
    """(τ/2)[tr C(WWᵀ + τ)⁻¹ + Σ ln(1 + ‖w_k‖²/τ)]."""
    inverse = (decoder * decoder.T + tau * sp.eye(decoder.rows)).inv()
    norms = (decoder.T * decoder).diagonal()
    return tau / 2 * (sp.trace(covariance * inverse) + sum(sp.log(norm + tau) - sp.log(tau) for norm in norms))


left = sp.expand_log(small.xreplace(place(triangular, (W2, E2, s2))), force=True)
check(
    "it is $\\frac{\\tau}{2}[\\mathrm{tr}C(WW^\\top+\\tau)^{-1}+\\sum_k\\ln(1+\\lVert w_k\\rVert^2/\\tau)]$",
    sp.cancel((left - profile(triangular, C2)).expand()),
)

# %% [markdown]
# Compare it with a posterior of *any* covariance, $\Sigma=R\mathrm{diag}(s)R^\top$. In the turned latents $R^\top z$,
# whose prior is the same, such a posterior is again one of independent latents, with decoder $WR$. So what the freedom
# of a full $\Sigma$ buys is the best rotation $R$ in the profile loss of $WR$. Rotations leave $WW^\top$ alone; of $G$
# only the diagonal counts. By *Hadamard's inequality* the product of the diagonal entries of a positive definite matrix
# is at least its determinant, with equality only for a diagonal matrix: write the matrix as $TT^\top$ with a triangular
# $T$; its diagonal entries are $\sum_{j\le k}T_{kj}^2\ge T_{kk}^2$, and its determinant is the product of the
# $T_{kk}^2$. So the best rotation is the one to orthogonal columns, and it leaves
#
# $$\frac{\tau}{2}\left[\mathrm{tr}\,C(WW^\top+\tau)^{-1}+\ln\det(1+G/\tau)\right]$$
#
# At $\beta=1$ this is $\sigma_\mathrm{dec}^2$ times the negative log-likelihood of probabilistic PCA, up to a constant.
# The profile loss lies above it by the **Hadamard gap**
#
# $$\frac{\tau}{2}\left[\sum_k\ln(1+\lVert w_k\rVert^2/\tau)-\ln\det(1+G/\tau)\right]\ge0,$$
#
# the price of a posterior that must not know of correlations. For two latents:

# %%
T = sp.Matrix(3, 3, lambda i, j: sp.Symbol(f"T{i + 1}{j + 1}", real=True) if j <= i else 0)
surplus = sp.Poly(sp.prod((T * T.T).diagonal()) - (T * T.T).det(), *[T[i, j] for i in range(3) for j in range(i + 1)])
check(
    "Hadamard's inequality for $K=3$: the surplus is a sum of squares",
    all(c > 0 and not any(power % 2 for power in powers) for powers, c in surplus.terms()),
)
G11, G12, G22 = sp.symbols("G_11 G_12 G_22", real=True)
shown = 1 + G12**2 / ((G11 + tau) * (G22 + tau) - G12**2)
show(r"\text{gap}", tau / 2 * sp.log(shown))
overlap = triangular.T * triangular
determinant = (overlap + tau * one).det()
gap = tau / 2 * (sp.log(sp.factor(determinant + overlap[0, 1] ** 2)) - sp.log(determinant))
numbers = {G11: overlap[0, 0], G22: overlap[1, 1], G12: overlap[0, 1]}
check(
    "the ratio inside the gap's logarithm is the one shown",
    sp.cancel((determinant + overlap[0, 1] ** 2) / determinant - shown.subs(numbers)),
)
precision = (triangular * triangular.T + tau * one).inv()
likelihood = tau / 2 * (sp.trace(C2 * precision) + sp.log(determinant) - 2 * sp.log(tau))
check(
    "the loss at the best encoder is the likelihood of probabilistic PCA plus this gap",
    sp.cancel(sp.expand_log(left - likelihood - gap, force=True).expand()),
)

# %% [markdown]
# **Why latents are identified.** Probabilistic PCA is blind to rotations of the latents: it finds the principal
# subspace, not the axes. The gap is not blind. It vanishes on the orthogonal frames, of which each family of rotated
# $W$ contains one (one up to signs and order, if its columns differ in length). So the minima of the profile loss are
# those minima of probabilistic PCA whose columns are principal axes, and the value at the minimum is the same:
# independence of the posterior costs nothing in the end, and fixes the latents.
#
# **The same index.** The Hessian in the eliminated variables is $(G+\tau)\otimes C$ for $E$, $\tau/(2s_k^2)$ for each
# $s_k$, and nothing between them: positive definite everywhere. Completing the square in the eliminated variables
# splits the full Hessian into this block and the Hessian of the profile loss (its Schur complement). Therefore the two
# losses have the same number of negative directions at each stationary point, and of flat ones.

# %%
eliminated = sp.hessian(loss, [*E, *s])
curvatures = sp.diag(sp.kronecker_product(G + tau * one, C), *(tau / (2 * variance**2) for variance in s))
check("the Hessian in $(E,s)$ is positive definite ($d=3$, $K=2$)", eliminated - curvatures)


def schur(start, kept, size):
    """What is left of a block of the Hessian (its first `kept` variables) when the others follow."""
    block = hessian[start : start + size, start : start + size]
    return (block[:kept, :kept] - block[:kept, kept:] * block[kept:, kept:].inv() * block[kept:, :kept]).applyfunc(
        sp.factor
    )


remaining = {
    "H_i": schur(0, 1, 3)[0],
    "H_{il}": schur(10, 1, 2)[0],
    "H_{ki}": schur(14, 1, 2)[0],
    "H_{kl}": schur(18, 1, 2)[0],
}
both = hessian.extract([6, 8, 7, 9], [6, 8, 7, 9])  # W_ji, W_ij, then E_ij, E_ji
pair_left = (both[:2, :2] - both[:2, 2:] * both[2:, 2:].inv() * both[2:, :2]).applyfunc(sp.factor)
show(r"\tilde H_i", 2 * tau * wi**2 / li**2)
show(r"\tilde H_{ij}", tau / (li * lj) * sp.Matrix([[wi**2 + wj**2, 2 * wi * wj], [2 * wi * wj, wi**2 + wj**2]]))
show(r"\tilde H_{il}", 1 - ll / li)
show(r"\tilde H_{ki}", 1 - tau / li)
show(r"\tilde H_{kl}", 1 - ll / tau)
check("$\\tilde H_i=2\\tau w_i^2/\\lambda_i^2$", remaining["H_i"] - 2 * tau * wi**2 / i**2)
mixing = sp.Matrix([[wi**2 + wj**2, 2 * wi * wj], [2 * wi * wj, wi**2 + wj**2]])
check(
    "$\\tilde H_{ij}$ has the eigenvalues $\\tau(w_i\\pm w_j)^2/(\\lambda_i\\lambda_j)$",
    pair_left - tau / (i * j) * mixing,
)
check("$\\tilde H_{il}=1-\\lambda_l/\\lambda_i$", remaining["H_{il}"] - 1 + ll / i)
check("$\\tilde H_{ki}=1-\\tau/\\lambda_i$", remaining["H_{ki}"] - 1 + tau / i)
check("$\\tilde H_{kl}=1-\\lambda_l/\\tau$", remaining["H_{kl}"] - 1 + ll / tau)

outer = schur(3, 1, 3)[0]  # H̃_j
around = list(W2)  # w11, w12, w21, w22
for name, decoder, modes, expected in [
    ("two active latents", sp.diag(wi, wj), (i, j), sp.diag(remaining["H_i"], pair_left, outer)),
    (
        "one active, one collapsed",
        sp.diag(wi, 0),
        (i, ll),
        sp.diag(*(remaining[b] for b in ("H_i", "H_{ki}", "H_{il}", "H_{kl}"))),
    ),
]:
    bent = sp.hessian(profile(W2, sp.diag(*modes)), around).xreplace(dict(zip(around, decoder, strict=True)))
    check(f"the Hessian of the profile loss consists of these blocks: {name}", (bent - expected).applyfunc(sp.cancel))

# %% [markdown]
# **A preconditioner.** The trainer of the package minimises the profile loss in units $U=W/\sqrt\tau$; the numbers in
# its Hessian are the same. With $m_i=\lambda_i/\tau=1+\lVert u_i\rVert^2$, it approximates the Hessian by the operator
#
# $$X\mapsto(UU^\top+1)^{-1}X+X(U^\top U+1)^{-1},$$
#
# which needs no knowledge of the data's eigenvectors. At a pure point it is diagonal: the entry of mode $j$ and latent
# $k$ is multiplied by the sum of $1/m_j$ (or 1, outside $A$) and $1/m_k$ (or 1, if collapsed). Far from threshold
# ($m_i\gg1$), and with modes far apart, every block that has to do with an active latent or an active mode comes out
# right, over all the decades that the $m_i$ span:

# %%
mi, mj, ml = sp.symbols("m_i m_j m_l", positive=True)
scaled = {wi: sp.sqrt(tau * (mi - 1)), wj: sp.sqrt(tau * (mj - 1)), ll: tau * ml}
true = [remaining["H_i"], remaining["H_{il}"], remaining["H_{ki}"]]
true += [pair_left[0, 0] + pair_left[0, 1], pair_left[0, 0] - pair_left[0, 1]]
guess = [2 / mi, 1 + 1 / mi, 1 + 1 / mi, 1 / mi + 1 / mj, 1 / mi + 1 / mj]
labels = [r"\tilde H_i", r"\tilde H_{il}", r"\tilde H_{ki}", r"\tilde H_{ij}^+", r"\tilde H_{ij}^-"]
for label, exact, approximate in zip(labels, true, guess, strict=True):
    ratio = sp.factor(exact.subs(scaled) / approximate)
    show(rf"{label}\,/\,\left({sp.latex(approximate)}\right)", ratio)
    check(f"the approximation of ${label}$ becomes exact as $m_i\\to\\infty$", sp.limit(ratio, mi, sp.oo) - 1)

# %% [markdown]
# Between a collapsed latent and a mode outside it takes 2 for $1-\lambda_l/\tau$, and close to a threshold it misses
# the soft direction: it cures the spread of scales, not critical slowing down.
#
# ## Degenerate eigenvalues
#
# What changes if eigenvalues are equal? Not the index, not the theorem, not the value of the minimum. But stationary
# points come in continuous families, and blocks get flat directions to show it:
#
# - two active modes with $\lambda_i=\lambda_j$: $\det H_{ij}^-=0$. The flat direction is a rotation of the two columns
#   in the eigenspace. Neither PCA nor the VAE can tell the axes there;
# - one mode inside $A$, one outside, $\lambda_i=\lambda_l$: $\det H_{il}=0$, the column turns towards the other
#   eigenvector;
# - a mode exactly at the price, $\lambda_l=\tau$: $\det H_{kl}=0$, the soft mode of *The collapsed point and its Landau
#   expansion*. This one is not flat: its potential is quartic.

# %%
turning = sp.Matrix([i, 1, -i, -1])  # (W_ji, E_ij, W_ij, E_ji) of a rotation: w = λe
check(
    "at $\\lambda_i=\\lambda_j$ the Hessian annihilates the rotation of two active columns",
    (hessian[6:10, 6:10] * turning).subs(wj, wi),
)
check(
    "at $\\lambda_i=\\lambda_l$ it annihilates the turn of an active column towards mode $l$",
    (hessian[10:12, 10:12] * sp.Matrix([i, 1])).subs(ll, i),
)

# %% [markdown]
# ## The same numbers
#
# A random spectrum with $d=4$, $K=2$ and a price between its eigenvalues. At every pure point and at every mixed one
# the full Hessian is evaluated as a dense $18\times18$ matrix, and its negative eigenvalues are counted.

# %%
from itertools import combinations

import numpy as np

rng = np.random.default_rng(6)
eigenvalues, price, size = np.array([4.0, 2.5, 1.5, 0.6]) * rng.uniform(0.9, 1.1, 4), 0.8, (4, 2)
W4, E4, s4 = linear.variables(*size)
variables, modes = [*W4, *E4, *s4], linear.mode_variances(4)
large = linear.loss(W4, E4, s4, sp.diag(*modes))
slope = gradient(large, sp.Matrix(variables))
numerical = sp.lambdify([variables, modes, tau], [large, list(slope), slope.jacobian(variables)])


def at(decoder):
    """Loss, gradient and Hessian eigenvalues of the full loss at a decoder, with the encoder that is best for it."""
    overlap = decoder.T @ decoder + price * np.eye(2)
    values = [*decoder.ravel(), *np.linalg.solve(overlap, decoder.T).ravel(), *(price / np.diag(overlap))]
    loss, slope, hessian = numerical(values, eigenvalues, price)
    return float(loss), np.abs(slope).max(), np.linalg.eigvalsh(np.array(hessian, dtype=float))


def index(active):
    """The formula."""
    outside = np.delete(eigenvalues, active)
    idle = (size[1] - len(active)) * np.sum(outside > price)
    return idle + sum(np.sum(outside > eigenvalues[i]) for i in active)


def pure_point(active):
    """One latent for each active mode."""
    decoder = np.zeros(size)
    decoder[list(active), range(len(active))] = np.sqrt(eigenvalues[list(active)] - price)
    return decoder


def mixed_points():
    """Two latents that share one mode or two."""
    for r in (1, 2):
        for shared in combinations(range(4), r):
            roots = np.sqrt(eigenvalues[list(shared)])
            h = max(np.roots([2, -roots.sum(), -(2 - r) * price]))
            lengths = h * roots - price
            if h**2 > price and lengths.min() > 0:
                decoder = np.zeros(size)
                decoder[list(shared)] = np.sqrt(lengths / 2)[:, None] * np.array([[1, 1], [1, -1]])[:r]
                yield decoder


live = [mode for mode in range(4) if eigenvalues[mode] > price]
subsets = [active for number in range(3) for active in combinations(live, number)]
pure_values, slopes_there, curvatures = zip(*(at(pure_point(active)) for active in subsets), strict=True)
check("the seven pure points are stationary to $10^{-12}$", len(subsets) == 7 and max(slopes_there) < 1e-12)
counted = [np.sum(curvature < 0) for curvature in curvatures]
check("the formula counts the negative eigenvalues at each of them", counted == [index(active) for active in subsets])
check("only the strongest modes have index 0", [a for a in subsets if index(a) == 0] == [(0, 1)])
check("and the lowest loss", np.argmin(pure_values) == subsets.index((0, 1)))
mixed_values, slopes_there, curvatures = zip(*map(at, mixed_points()), strict=True)
check("the eight mixed points are stationary to $10^{-12}$", len(mixed_values) == 8 and max(slopes_there) < 1e-12)
check("each has a negative eigenvalue, far from zero", all(curvature[0] < -1e-3 for curvature in curvatures))

# %% [markdown]
# Is the list complete? A search for zeros from 60 random starts, on the gradient that the trainer of the package
# computes, ends in nothing else. The trainer's loss and preconditioner are the ones above.

# %%
from scipy.optimize import root as find_root

from landau_vae.training.exact import ProfileLoss

trainer, member = ProfileLoss(np.diag(eigenvalues), np.array([price])), np.array([0])


def evaluated(decoder):
    return trainer.evaluate(decoder[None] / np.sqrt(price), member)


def force(entries):
    """(WWᵀ + τ) times the gradient: zero where the gradient is, and, unlike the gradient, not small far away."""
    decoder = entries.reshape(size)
    slope = evaluated(decoder).gradient[0]
    return (decoder @ (decoder.T @ slope) + price * slope).ravel()


formula = sp.lambdify([list(W4), modes, tau], profile(W4, sp.diag(*modes)))
decoder = rng.normal(size=size)
by_trainer, by_formula = evaluated(decoder).value[0] * price, formula(decoder.ravel(), eigenvalues, price)
check(
    "the trainer's profile loss is this formula to $10^{-12}$, at a random decoder",
    abs(by_trainer - by_formula) < 1e-12,
)

ends = [find_root(force, start, tol=1e-13) for start in rng.uniform(-2, 2, (60, 8))]
values = np.array([evaluated(end.x.reshape(size)).value[0] * price for end in ends if np.abs(end.fun).max() < 1e-11])
distance = np.abs(values[:, None] - np.array(pure_values + mixed_values))
nearest = set(distance.argmin(1))
check(
    "most searches end in a stationary point, of a value in the list to $10^{-9}$",
    len(values) > 40 and distance.min(1).max() < 1e-9,
)
check("pure points and mixed ones are among them", min(nearest) < len(pure_values) <= max(nearest))

unit = rng.normal(size=size)  # any direction
inside = np.where(np.isin(range(4), (0, 1)), price / eigenvalues, 1.0)
expected = unit / (inside[:, None] + price / eigenvalues[:2])
preconditioned = trainer.precondition(evaluated(pure_point((0, 1))), unit[None])[0]
check(
    "the trainer's preconditioner divides by these sums, to $10^{-12}$",
    np.allclose(preconditioned, expected, rtol=0, atol=1e-12),
)

# %% [markdown]
# Last, three latents that share three modes, with the turns that make the three norms equal.


# %%
def equal_norms(columns):
    """Turn the shortest column with the longest until one of the two has the mean norm; repeat."""
    mean = np.square(columns).sum() / columns.shape[1]
    for _ in range(columns.shape[1] - 1):
        norms = np.square(columns).sum(0)
        pair = [norms.argmin(), norms.argmax()]
        overlap = columns[:, pair[0]] @ columns[:, pair[1]]
        tangent = np.roots([norms[pair[1]] - mean, 2 * overlap, norms[pair[0]] - mean])[0]
        columns[:, pair] = columns[:, pair] @ np.array([[1, -tangent], [tangent, 1]]) / np.hypot(1, tangent)
    return columns


h = np.sqrt(eigenvalues[:3]).mean()
three = equal_norms(np.vstack([np.diag(np.sqrt(h * np.sqrt(eigenvalues[:3]) - price)), np.zeros(3)]))
check(
    "the three columns are of equal length, and not orthogonal",
    np.ptp(np.square(three).sum(0)) < 1e-12 and abs(three[:, 0] @ three[:, 1]) > 1e-3,
)
check(
    "three latents that share three modes are stationary to $10^{-12}$", np.abs(evaluated(three).gradient).max() < 1e-12
)
