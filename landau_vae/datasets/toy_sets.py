"""What all data sets to try at once have in common: a table, what belongs to its rows, and where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array, readonly
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum.spectrum import Divisor, Spectrum

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A public data set."""

    name: str  #: as `load` knows it
    table: Array  #: samples × features, (n, d); with `covariance`, a covariance (d, d)
    names: tuple[str, ...]  #: of the features, (d,)
    samples: int  #: n
    description: str  #: what it is
    source: str  #: where it comes from, and what to cite
    licence: str  #: what is allowed
    target: Array | None = None  #: (n, t), what belongs to the rows: numbers, or a 1 in the column of each row's class
    target_names: tuple[str, ...] = ()  #: (t,)
    standardize: bool = False  #: whether features have units of their own, so that they are meant to be standardised
    levels: int = 0  #: of intensities: this times the table are whole numbers from 0 to this; 0: no intensities
    covariance: bool = False  #: whether only a covariance is known, not the samples
    note: str = ""  #: what has been done to the table

    @property
    def condition(self) -> tuple[Array, tuple[str, ...]]:
        """What a conditional VAE may see, (n, t), and its names: the target, of classes all but the last one.

        Whether a row is of the last class follows from the others.
        """
        if self.target is None:
            raise InputError(f"The data set {self.name} has no target: give columns of its own.")
        classes = self.target.shape[1] > 1 and bool(np.all(self.target.sum(axis=1) == 1))
        last = -1 if classes else None
        return self.target[:, :last], self.target_names[:last]

    def select(self, columns: Sequence[str] | None = None, exclude: Sequence[str] = ()) -> "Dataset":
        """The same with only some of its features."""
        for name in (*(columns or ()), *exclude):
            if name not in self.names:
                raise InputError(f"{self.name} has no column {name!r}: its columns are {_shown(self.names, 12)}.")
        return self._keep(
            np.array([name not in exclude and (columns is None or name in columns) for name in self.names])
        )

    def prepared(self, likelihood: Likelihood | str = GAUSSIAN, *, standardize: bool = False) -> "Dataset":
        """As a decoder of that likelihood takes it; `note` says what was done.

        A Bernoulli decoder gets intensities cut at one half, a Poisson decoder whole numbers; constant features are
        left out where they would have no scale.
        """
        likelihood = as_likelihood(likelihood)
        if likelihood.squared:
            return self._varying() if standardize and not self.covariance else self
        if not self.levels:
            raise InputError(
                f"The data set {self.name} is neither binary nor counts, as a {likelihood} decoder needs them: take a "
                "Gaussian loss, or the data set digits."
            )
        if likelihood == BERNOULLI:
            done, rows = f"binarised: 1 above {self.levels / 2:g} of {self.levels}, else 0", self.table > 0.5
        else:
            done, rows = f"as whole numbers from 0 to {self.levels}", np.rint(self.table * self.levels)
        return replace(self, table=readonly(rows), levels=1, note=done)._varying()

    def spectrum(
        self,
        likelihood: Likelihood | str = GAUSSIAN,
        *,
        standardize: bool | None = None,
        divisor: Divisor = "n",
    ) -> Spectrum:
        """The spectrum, for a decoder of that likelihood; standardised by default where features have own units."""
        scaled = self.standardize and as_likelihood(likelihood).squared if standardize is None else standardize
        ready = self.prepared(likelihood, standardize=scaled)
        if not self.covariance:
            return Spectrum.from_data(
                ready.table, standardize=scaled, names=ready.names, divisor=divisor, likelihood=likelihood
            )
        if divisor != "n":
            raise InputError(f"Of {self.name} only a covariance is known, which divides by n: leave the divisor out.")
        return Spectrum.from_covariance(ready.table, standardize=scaled, samples=ready.samples, names=ready.names)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {self.samples} samples × {len(self.names)} features)"

    def _varying(self) -> "Dataset":
        """Without constant features."""
        varies = np.ptp(self.table, axis=0) > 0
        if varies.all():
            return self
        left = [name for name, kept in zip(self.names, varies, strict=True) if not kept]
        told = f"{len(left)} constant column{'s' * (len(left) > 1)} left out ({_shown(left, 5)})"
        return replace(self._keep(varies), note="; ".join(filter(None, [self.note, told])))

    def _keep(self, kept: NDArray[np.bool_]) -> "Dataset":
        if not kept.any():
            raise InputError(f"No column is left of the {len(self.names)} of {self.name}: keep at least one.")
        table = self.table[np.ix_(kept, kept)] if self.covariance else self.table[:, kept]
        names = tuple(name for name, is_kept in zip(self.names, kept, strict=True) if is_kept)
        return replace(self, table=readonly(table), names=names)


def _shown(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
