"""Batches of a training, read and added up: what `Monitor` holds of a window, and how the window forgets.

The reconstruction reaches the encoder through z alone, so that one gradient g = ∂L/∂z at the
decoder's input gives ∂ℓ/∂μ = g and ∂ℓ/∂ ln σ² = ½ p √N ε g (p = 1 and N = σ² by the usual sampler).
A window is a short list of parts, each a sum over batches of equal number: their sum is exact, and
their order says whether the model still moves.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.convert import as_rows
from landau_vae.data.moments import EPS, spacing
from landau_vae.diagnosis.measured import channels_of
from landau_vae.diagnosis.posterior import Posterior, averages
from landau_vae.diagnosis.totals import LEAST, Strip, Totals
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.loss.sampler import Sampler
from landau_vae.networks.identities import GradientSums, inside

PARTS = 8  # of a window, at most


@dataclass(frozen=True, eq=False)
class Batch:
    """What one update gives, in double precision."""

    mean: Array  #: μ, (n, K)
    log_variance: Array  #: ln σ², (n, K)
    shape: tuple[int, ...]  #: of the code of a row
    x: NDArray[Any] | None  #: (n, d), as it came in
    slopes: tuple[Array, Array] | None  #: ∂ℓ/∂μ and ∂ℓ/∂ ln σ² of each row, in the loss's own unit
    by_kl: Array | None  #: what the KL adds to the gradient at μ, of each row
    rounding: Array | None  #: by how much that may be off, since it is a difference of two rounded numbers

    @property
    def finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        arrays = (self.mean, np.exp(self.log_variance), self.x, *(self.slopes or ()), self.by_kl)
        return all(bool(np.isfinite(each.sum())) for each in arrays if each is not None)


def read(
    mean: Any, log_variance: Any, x: Any, noise: Any, grad_z: Any, grad_mean: Any, *, sampler: Sampler,
    mean_over_rows: bool, loss_scale: float,
) -> Batch:  # fmt: skip
    """Return a batch of arrays of any library, gradients as those of each row."""
    mu, _, shape = as_rows(mean, "mean of the posterior")
    n, scale = len(mu), float(loss_scale)
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"loss_scale is {scale:g}, but a number above 0 is expected.", "loss_scale")

    def codes(value: Any, name: str, factor: float = 1.0) -> Array | None:
        if value is None:
            return None
        array = as_rows(value, name, rows=n)[0]
        if array.shape != mu.shape:
            raise InputError(f"{name} has shape {array.shape}, but the mean has {mu.shape}: give one for each.", name)
        return np.multiply(array, factor, dtype=np.float64)

    mu, logs, factor = mu.astype(np.float64), codes(log_variance, "log_variance"), (n if mean_over_rows else 1) / scale
    if logs is None:
        raise InputError("log_variance is None, but the ln σ² of each row and latent is needed.", "log_variance")
    epsilon, by_z, by_mean = (
        codes(noise, "noise"),
        codes(grad_z, "grad_z", factor),
        codes(grad_mean, "grad_mean", factor),
    )
    rows = None if x is None else as_rows(x, "x", rows=n)[0]
    if rows is not None and len(rows) != n:
        raise InputError(f"x has {len(rows)} rows, but the mean has {n}: give the rows that were encoded.", "x")
    slopes = None
    if by_z is not None and epsilon is not None:
        variance = np.exp(logs)
        free = inside(np.sqrt(variance), sampler)  # no gradient goes through a clamp
        slopes = by_z, 0.5 * sampler.power * np.sqrt(sampler.noise(variance)) * epsilon * by_z * free
    if by_z is None or by_mean is None:
        return Batch(mu, logs, shape, rows, slopes, None, None)
    return Batch(mu, logs, shape, rows, slopes, by_mean - by_z, max(map(_precision, (grad_z, grad_mean))) * by_z)


def _precision(value: Any) -> float:
    """Return the gap between numbers near 1 of what any library holds."""
    kind = getattr(value, "dtype", None)
    if "bfloat16" in str(kind):
        return 2.0**-7
    return spacing(np.dtype(str(kind).rpartition(".")[2])) if "float" in str(kind) else EPS


class Streamed:
    """Sums over some batches."""

    def __init__(self, shape: tuple[int, ...], features: int, sampler: Sampler) -> None:
        K = int(np.prod(shape))
        self.shape, self.sampler, self.batches = shape, sampler, 0.0
        self.totals = Totals(K, Strip(features + K, K))
        self.slopes = GradientSums(list(channels_of(shape)), sampler)

    def fresh(self) -> "Streamed":
        """Return sums over no batch, of the same model."""
        return Streamed(self.shape, self.totals.features, self.sampler)

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        x = batch.mean[:, :0] if batch.x is None or not self.totals.features else batch.x
        if x.shape[1] != self.totals.features or batch.shape != self.shape:
            raise InputError(
                f"A batch has codes of shape {batch.shape} and {x.shape[1]} features, but those before it have "
                f"{self.shape} and {self.totals.features}: give all batches alike, x always or never, or call reset()."
            )
        for part in self.totals.blocks(len(x)):
            self.totals.add(batch.mean[part], batch.log_variance[part], "log_variance", x[part])
        if batch.slopes is not None:
            self.slopes.add(batch.mean, np.exp(batch.log_variance / 2), *batch.slopes)
        self.batches += 1

    def absorb(self, other: "Streamed") -> "Streamed":
        """Add the batches of `other`, which stays as it is; return itself."""
        self.batches += other.batches
        self.totals.merge(other.totals)
        self.slopes.merge(other.slopes)
        return self

    def merge(self, other: "Streamed") -> "Streamed":
        """Return sums over these batches and those of `other`."""
        return self.fresh().absorb(self).absorb(other)

    def fade(self, share: float) -> None:
        """Let all batches so far count by a share of what they did."""
        self.batches *= share
        self.totals.fade(share)
        self.slopes.fade(share)

    @property
    def rows(self) -> float:
        """Number of rows, less where some are forgotten."""
        return self.totals.joint.weight

    @property
    def posterior(self) -> Posterior:
        """Moments of the posteriors."""
        return averages(self.totals, "log_variance", self.sampler)


class Window:
    """The batches since the last reset, in parts that follow one another."""

    def __init__(self, empty: Streamed, memory: int | None) -> None:
        self.memory, self.size, self.parts = memory, 1.0, [empty]

    @property
    def batches(self) -> float:
        """Number of batches, less where some are forgotten."""
        return sum(part.batches for part in self.parts)

    @property
    def halves(self) -> tuple[Streamed, Streamed]:
        """Sums over about the older and the newer half of the batches; the second may be empty."""
        reached = np.cumsum([part.batches for part in self.parts])
        middle = int(np.argmin(np.abs(reached - reached[-1] / 2))) + 1
        old, new = self.parts[0].fresh(), self.parts[0].fresh()
        for place, part in enumerate(self.parts):
            (old if place < middle else new).absorb(part)
        return old, new

    def add(self, batch: Batch) -> None:
        """Add a batch; those before `memory` batches fade."""
        weight = self.batches
        if self.memory is not None and weight + 1 > self.memory:
            for part in self.parts:
                part.fade((self.memory - 1) / weight)
        if self.parts[-1].batches >= self.size:
            self._begin_part()
        self.parts[-1].add(batch)

    def _begin_part(self) -> None:
        if len(self.parts) == PARTS:
            grown = self.memory is not None and self.size * PARTS > self.memory
            if grown:  # extremes cannot fade: those of the oldest part are dropped
                oldest = self.parts[0].merge(self.parts[1])
                for name in LEAST:
                    setattr(oldest.totals, name, getattr(self.parts[1].totals, name))
                self.parts = [oldest, *self.parts[2:]]
            else:
                self.parts = [one.merge(two) for one, two in zip(self.parts[::2], self.parts[1::2], strict=True)]
                self.size *= 2
        self.parts.append(self.parts[0].fresh())

    def merge(self, other: "Window") -> "Window":
        """Return a window over the batches of both, the newest with the newest."""
        total = Window(self.parts[0], self.memory)
        total.size = self.size + other.size
        few, many = sorted((self.parts, other.parts), key=len)
        early = len(many) - len(few)
        pairs = zip(few, many[early:], strict=True)
        total.parts = [*map(deepcopy, many[:early]), *(one.merge(two) for one, two in pairs)]
        return total
