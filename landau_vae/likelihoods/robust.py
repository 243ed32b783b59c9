"""Likelihoods of a difference x − f: absolute, Huber's, Student's.

    laplace        |x − f|                                                torch's l1_loss
    huber(δ)       ½(x − f)² within δ, δ(|x − f| − δ/2) beyond           huber_loss(delta=δ)
    smooth-l1(δ)   ½(x − f)²/δ within δ, |x − f| − δ/2 beyond            smooth_l1_loss(beta=δ)
    student-t(ν)   ½(ν + 1) ln(1 + (x − f)²/νs²)

huber is δ times smooth-l1, so a threshold on b/a is δ times as high. The first collapse of each
is at λ_max(⟨H⟩^−½ Cov(s) ⟨H⟩^−½) (`landau-vae derive any-reconstruction-loss`). For |x − f| the
curvature is 2ρ, ρ the density of the data at their median, at the scale of the latent's effect.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landau_vae.checks import Positive, checked
from landau_vae.display import Array, listed
from landau_vae.likelihoods.descend import QUANTILES, descend, weighted_quantiles
from landau_vae.likelihoods.functions import Rest, library, parts
from landau_vae.likelihoods.likelihood import KNOWN, MAKERS, Likelihood, named, of_numbers
from landau_vae.limits import ATOM

HALF = np.array([0.5])
ATOMS = (
    "Every column has many rows at its median exactly. There an absolute error has no local threshold: the collapsed "
    "state is stable at every price, and a latent becomes active only by a jump, from a start far away. Take a Huber "
    "loss, or ask lv.frontier up to which price another state is better."
)
ROUGHNESS = 0.5 / np.sqrt(np.pi)  # ∫K² of the normal kernel
SILVERMAN = 1.06  # of a deviation times n^(−1/5): the width of the kernel
QUARTILES, NORMAL_RANGE = np.array([0.25, 0.75]), 1.349  # the distance of a normal distribution's quartiles


@dataclass(frozen=True)
class Located(Likelihood):
    """A likelihood of x − f, whose best constant output is found by descent."""

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the best constant output, from quantiles of the columns."""
        return descend(self, x, weights, weighted_quantiles(x, QUANTILES, weights))


@dataclass(frozen=True)
class Laplace(Likelihood):
    """|x − f|: the best constant is the median, and the curvature there is twice the density."""

    width: float | None = field(default=None, repr=False)  #: of the kernel, in the unit of the data

    def constant(self, x: Array, weights: Array | None = None) -> Array:
        """Return the median of each column."""
        return np.asarray(weighted_quantiles(x, HALF, weights)[0])

    def mean_curvature(self, x: Array, output: Array, weights: Array | None = None) -> Array:
        """Return twice the density of each column at an output; ∞ where an atom is there."""
        return self._density(x, output, weights)[0]

    def rest(self, x: Array, weights: Array | None = None) -> Rest:
        """Return the state at the median, and what is known of the densities there."""
        output = self.constant(x, weights)
        curvature, error = self._density(x, output, weights)
        atoms = np.isinf(curvature)
        state = Rest(output, np.sign(output - x), curvature)
        if atoms.all():
            return state._replace(note=ATOMS)
        percent = 100 * np.max(error[~atoms])
        words = f"Thresholds follow densities at the medians, known to {percent:.2g} % (one standard error)"
        if varying := np.flatnonzero(atoms & (np.ptp(x, axis=0) > 0)).tolist():
            words += (
                f"; {listed(varying, 'Column')} (from 1) have many rows at the median exactly: "
                "they have no local threshold, and latents become active for them only by a jump"
            )
        return state._replace(note=words + ".", error=float(np.max(error[~atoms])))

    def _density(self, x: Array, output: Array, weights: Array | None) -> tuple[Array, Array]:
        """Return twice the density at an output, (d,), and its relative standard error."""
        share = np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()
        width, rows = self._width(x, share), 1 / np.square(share).sum()
        scaled = np.divide(x - output, width, out=np.zeros(x.shape), where=width > 0)
        at, near = x == output, np.abs(scaled) <= 1
        atom = (share @ at > ATOM * (share @ near)) & (np.count_nonzero(at, axis=0) > 2)
        kernel = share @ np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
        density = np.divide(kernel, width, out=np.full(len(width), np.inf), where=width > 0)
        return np.where(atom, np.inf, 2 * density), np.sqrt(ROUGHNESS / (rows * kernel))

    def _width(self, x: Array, share: Array) -> Array:
        """Return the width of the kernel of each column: that of Silverman's rule, with a robust deviation."""
        if self.width is not None:
            return np.full(x.shape[1], self.width)
        low, high = weighted_quantiles(x, QUARTILES, share)
        mean = share @ x
        deviation = np.sqrt(share @ np.square(x - mean))
        robust = np.where(high > low, np.minimum(deviation, (high - low) / NORMAL_RANGE), deviation)
        return np.asarray(SILVERMAN * robust * np.square(share).sum() ** 0.2)


def _absolute(x: Any, f: Any) -> tuple[Any, ...]:
    return library(f).abs(f - x), library(f).sign(f - x), 0 * (f - x)


def _huber(x: Any, f: Any, delta: float) -> tuple[Any, ...]:
    xp, r = library(f), f - x
    inside = xp.clip(r, -delta, delta)
    return inside * (r - inside / 2), inside, xp.where(xp.abs(r) <= delta, 1.0, 0.0)


def _smooth(x: Any, f: Any, delta: float) -> tuple[Any, ...]:
    return tuple(part / delta for part in _huber(x, f, delta))


def _student(x: Any, f: Any, freedom: float, scale: float) -> tuple[Any, ...]:
    xp, u = library(f), (f - x) / scale
    below = freedom + u**2
    factor = (freedom + 1) / below
    bent = factor * (freedom - u**2) / (below * scale**2)
    return (freedom + 1) / 2 * xp.log1p(u**2 / freedom), factor * u / scale, bent


@checked
def laplace(width: Positive | None = None) -> Likelihood:
    """Return the likelihood of an absolute error, |x − f|.

    Its first threshold is λ_max(P^−½ Cov(sign) P^−½)/2 with P the densities of the columns at
    their medians. A density belongs to a scale, that of the latent's effect on the output.
    Where many rows lie exactly at the median, there is no local threshold: the collapsed state
    is stable at every price, and a latent becomes active only by a jump.

    Parameters
    ----------
    width : float, optional
        Of the normal kernel that estimates the densities, in the unit of the data. By default
        Silverman's rule, 1.06 n^(−1/5) robust deviations of each column.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> float(laplace().value(3.0, np.array(1.0)))
    2.0
    """
    name = "laplace" if width is None else named("laplace", width)
    return Laplace(
        name, "Laplace", "|x − x̂|", "unit of absolute error", "real numbers", link=np.copy, width=width,
        **parts(_absolute),
    )  # fmt: skip


@checked
def huber(delta: Positive = 1.0) -> Likelihood:
    """Return Huber's likelihood: ½(x − f)² within δ, δ(|x − f| − δ/2) beyond.

    It is `huber_loss(delta=δ)` of PyTorch, and δ times `smooth_l1`.

    Parameters
    ----------
    delta : float, default 1
        δ, in the unit of the data.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> huber(1.0).value(0.0, np.array([0.5, 3.0])).tolist()
    [0.125, 2.5]
    """
    return Located(
        named("huber", delta), "Huber", f"Huber(x − x̂; δ = {delta:g})", "unit of the Huber loss", "real numbers",
        link=np.copy, convex=True, **parts(_huber, delta),
    )  # fmt: skip


@checked
def smooth_l1(delta: Positive = 1.0) -> Likelihood:
    """Return the smooth absolute error: ½(x − f)²/δ within δ, |x − f| − δ/2 beyond.

    It is `smooth_l1_loss(beta=δ)` of PyTorch. Its threshold tends to that of `laplace` for
    small δ.

    Parameters
    ----------
    delta : float, default 1
        δ, in the unit of the data.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> smooth_l1(0.5).value(0.0, np.array([0.5, 3.0])).tolist()
    [0.25, 2.75]
    """
    return Located(
        named("smooth-l1", delta), "smooth-L1", f"smooth L1(x − x̂; δ = {delta:g})", "unit of the smooth absolute error",
        "real numbers", link=np.copy, convex=True, **parts(_smooth, delta),
    )  # fmt: skip


@checked
def student_t(freedom: Positive, scale: Positive = 1.0) -> Likelihood:
    """Return −ln p of Student's t distribution around f, up to a constant.

    The mean loss of a constant output may have several minima; the lowest that is found from
    quantiles of the data counts.

    Parameters
    ----------
    freedom : float
        ν, the degrees of freedom.
    scale : float, default 1
        s, in the unit of the data.

    Returns
    -------
    Likelihood

    Examples
    --------
    >>> float(student_t(3.0).score(0.0, np.array(3.0)))
    1.0
    """
    return Located(
        named("student-t", freedom, *([scale] if scale != 1 else [])), "Student-t", data="real numbers", link=np.copy,
        **parts(_student, freedom, scale),
    )  # fmt: skip


KNOWN["laplace"] = laplace()
MAKERS.update(
    {
        "laplace": ("laplace(0.1)", of_numbers(laplace)),
        "huber": ("huber(0.5)", of_numbers(huber)),
        "smooth-l1": ("smooth-l1(0.5)", of_numbers(smooth_l1)),
        "student-t": ("student-t(4)", of_numbers(student_t)),
    }
)
