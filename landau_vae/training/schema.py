"""What every trainer takes and gives back, so that one scan serves them all.

A trainer turns a training set and a list of temperatures into trained models. `Exact` minimises the expected loss,
`Sampled` trains as people do; both are small frozen settings with one method that does the work.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Named", "Trainer", "TrainingSet"]

#: name → (dimensions after the first axis, which is the model's; values)
Named = dict[str, tuple[tuple[str, ...], NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What models are trained on. Held-out parts are on the scale of the training part."""

    spectrum: Spectrum  #: of the rows that are trained on (its covariance divides by n)
    rows: Array | None = None  #: (n, p), or None: fresh samples of N(0, C) wherever samples are needed
    weights: Array | None = None  #: (n,), of the rows; only their ratios matter
    held_out: Mapping[str, Array] = field(default_factory=dict)  #: "validation", "test" → rows (·, p), where asked for
    held_out_weights: Mapping[str, Array] = field(default_factory=dict)  #: (·,), of these rows, where rows have weights
    #: ⟨(x − x̄)(x − x̄)ᵀ⟩ of the held-out rows about the *training* mean x̄, (p, p); none of wide data (n < p)
    held_out_covariance: Mapping[str, Array] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """How many there are: p of the rows, or those of the covariance where there are none."""
        return len(self.spectrum.covariance) if self.rows is None else self.rows.shape[1]

    def arrays(self) -> Iterator[Array]:
        """All that is held, in a fixed order."""
        parts = (self.spectrum.eigenvalues, self.spectrum.covariance, self.rows, self.weights)
        yield from (part for part in parts if part is not None)
        for mapping in (self.held_out, self.held_out_weights, self.held_out_covariance):
            yield from (mapping[name] for name in sorted(mapping))


class Trainer(Protocol):
    """A way to train models at many temperatures at once.

    A trainer may also have: `uses_rows = False`, where it works with covariances alone and rows need not be kept;
    `coordinates() -> {dimension: values}` of dimensions that only its own results have;
    `result_bytes(data, latents) -> int`, of one model, where results are larger than the weights.
    """

    def models_at_once(self, data: TrainingSet, latents: int) -> int:
        """How many models one call of `train` should get: enough to be quick, few enough to bound memory."""
        ...

    def memory(self, data: TrainingSet, latents: int, models: int, seeds: int) -> int:
        """Bytes that one call of `train` needs beside the data and its result, for models of so many seeds."""
        ...

    def train(
        self,
        data: TrainingSet,
        temperature: Array,
        starts: Sequence[tuple[int, int]],
        latents: int,
        on_progress: Callable[[float], object],
    ) -> Named:
        """Train one model per temperature T = τ/V, started from its (seed, place in the grid).

        `on_progress` hears of models as they get done, fractions included. What comes out depends, to the bit, on
        (data, temperature, start, latents) of each model alone, and not on those beside it. Among it there must be
        `status`, int8: 0 converged, 1 moving, 2 plateau, 3 diverged.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """The settings, for provenance: they tell one scan from another."""
        ...
