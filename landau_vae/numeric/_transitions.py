"""The collapse cascade: at which price, and at which β of the user's own loss, each mode dies.

    τ_k = λ_k      T_k = λ_k / V      β_k = the β at which the loss has the price λ_k

Each transition is a supercritical pitchfork, continuous with a kink in the rate (J. Hirn,
arXiv:2605.22691). A multiplet of equal eigenvalues dies at once. With K latents only the K strongest
modes have a transition at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, jsonable, numbered, readonly, significant, table
from landau_vae.loss import Loss
from landau_vae.loss.checks import check_pair
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Transitions", "transitions"]


@dataclass(frozen=True, eq=False)
class Transitions:
    """One entry per multiplet, from the last to die (mode 1) to the first."""

    spectrum: Spectrum = field(repr=False)  #: the modes λ_k
    loss: Loss = field(repr=False)  #: the convention in which β is read
    mode: NDArray[np.int64]  #: (transitions,) index of the multiplet's first mode, counting from 1
    multiplicity: NDArray[np.int64]  #: (transitions,) how many latents die together
    price: Array  #: τ_k = λ_k, (transitions,), data² per nat
    temperature: Array  #: T_k = λ_k / V, (transitions,)
    beta: Array  #: β_k in the loss's own convention, (transitions,)

    def __repr__(self) -> str:
        return (
            f"Transitions({len(self.mode)} of {self.multiplicity.sum()} modes, "
            f"β = {significant(self.beta[0])} … {significant(self.beta[-1])})"
        )

    def summary(self, limit: int | None = None, *, intervals: Sequence[str] | None = None) -> str:
        """The table of the cascade, strongest mode first; at a single β also whether the mode lives there.

        `intervals` has a cell for each transition, of an interval of its β (`sampling.Uncertainty.cells`).
        """
        state = equilibrium(self.spectrum, self.loss) if self.loss.beta.ndim == 0 else None
        header = ["mode", "λ/V = T_k", "dies at β"] + ([] if intervals is None else ["population's β"])
        header += ["up to here"] + (["M² at β", "R [nat]"] if state else [])
        shares = np.cumsum(self.spectrum.normalized)
        rows = []
        for i in range(len(self.mode))[:limit]:
            first, last = int(self.mode[i]) - 1, int(self.mode[i] + self.multiplicity[i]) - 1
            row = [
                numbered(first + 1, last - first),
                significant(self.temperature[i]),
                significant(self.beta[i]),
                *([] if intervals is None else [intervals[i]]),
                f"{shares[last - 1]:.4%}",
            ]
            if state is not None:
                alive = state.signal_fraction[first] > 0
                row += [f"{state.signal_fraction[first]:.4f}", f"{state.rate[first]:.4f}"] if alive else ["dead", "0"]
            rows.append(row)
        return table(header, rows)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return jsonable(
            {
                "mode": self.mode,
                "multiplicity": self.multiplicity,
                "price": self.price,
                "temperature": self.temperature,
                "beta": self.beta,
            }
        )


def transitions(spectrum: Spectrum, loss: Loss) -> Transitions:
    """The threshold of each mode; β of `loss` plays no part, only its convention.

    >>> cascade = transitions(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(reconstruction="mean"))
    >>> cascade.mode.tolist(), cascade.multiplicity.tolist(), cascade.beta.round(9).tolist()
    ([1, 2], [1, 2], [1.333333333, 0.333333333])
    """
    check_pair(spectrum, loss)
    starts, counts = spectrum.multiplets
    ends = starts + counts if loss.latents is None else np.minimum(starts + counts, loss.latents)
    kept = ends > starts
    price = np.add.reduceat(spectrum.eigenvalues, starts)[kept] / counts[kept]
    return Transitions(
        spectrum,
        loss,
        readonly(starts[kept] + 1, np.int64),
        readonly((ends - starts)[kept], np.int64),
        readonly(price),
        readonly(price / spectrum.total_variance),
        readonly(loss.beta_at(price, spectrum)),
    )
