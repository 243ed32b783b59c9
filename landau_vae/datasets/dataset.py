"""A public data set: a table, its names, what belongs to its rows, and how a decoder takes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import checked
from landau_vae.display import Array, counted, readonly
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum._score import score
from landau_vae.spectrum.build import Divisor
from landau_vae.spectrum.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Dataset:
    """A public data set: a table, what belongs to its rows, and where it comes from."""

    name: str  #: as `load` knows it
    table: Array  #: samples × features, (n, d); with `covariance`, a covariance (d, d)
    names: tuple[str, ...]  #: of the features, (d,)
    samples: int  #: n
    source: str  #: what it is, where it comes from (what to cite), and its licence
    target: Array | None = None  #: (n, t), what belongs to the rows: numbers, or a 1 in the column of each row's class
    target_names: tuple[str, ...] = ()  #: (t,)
    standardize: bool = False  #: whether features have units of their own, so that they are meant to be standardised
    levels: int = 0  #: of intensities: this times the table are whole numbers from 0 to this; 0: no intensities
    covariance: bool = False  #: whether only a covariance is known, not the samples
    counts: bool = False  #: whether the table holds counts
    note: str = ""  #: what has been done to the table

    @property
    def condition(self) -> tuple[Array, tuple[str, ...]]:
        """Columns for a conditional VAE, (n, t), and their names: the target, of classes all but the last one.

        Whether a row is of the last class follows from the others.
        """
        if self.target is None:
            raise InputError(f"The data set {self.name} has no target: give columns of its own.")
        classes = self.target.shape[1] > 1 and bool(np.all(self.target.sum(axis=1) == 1))
        last = -1 if classes else None
        return self.target[:, :last], self.target_names[:last]

    @checked
    def select(self, columns: Sequence[str] | None = None, exclude: Sequence[str] = ()) -> "Dataset":
        """Return the data set with some of its features.

        Parameters
        ----------
        columns : sequence of str, optional
            The features to keep; all by default.
        exclude : sequence of str, default ()
            The features to leave out.

        Returns
        -------
        Dataset
            With at least one feature.
        """
        for argument, wanted in {"columns": columns or (), "exclude": exclude}.items():
            for name in (name for name in wanted if name not in self.names):
                message = f"{self.name} has no column {name!r}: its columns are {_shown(self.names, 12)}."
                raise InputError(message, argument)
        kept = [name not in exclude and (columns is None or name in columns) for name in self.names]
        return self._keep(np.array(kept))

    @checked
    def prepared(self, likelihood: Likelihood | str = GAUSSIAN, *, standardize: bool = False) -> "Dataset":
        """Return the data set in the form that a decoder of a likelihood takes.

        A Bernoulli decoder gets intensities cut at one half, a Poisson decoder whole numbers;
        constant features are left out where they would have no scale.

        Parameters
        ----------
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        standardize : bool, default False
            Whether features will be divided by their standard deviations.

        Returns
        -------
        Dataset
            Its `note` says what was done.
        """
        likelihood = as_likelihood(likelihood)
        if likelihood.of_reals:
            return self._varying() if standardize and not self.covariance else self
        if self.counts and not np.isfinite(likelihood.support[1]):
            return self
        if not self.levels:
            raise InputError(
                f"The data set {self.name} is neither binary nor counts, as a {likelihood} decoder needs them: take a "
                "Gaussian loss, or the data set digits."
            )
        if np.isfinite(likelihood.support[1]):
            note, rows = f"binarised: 1 above {self.levels / 2:g} of {self.levels}, else 0", self.table > 0.5
        else:
            note, rows = f"as whole numbers from 0 to {self.levels}", np.rint(self.table * self.levels)
        return replace(self, table=readonly(rows), levels=1, note=note)._varying()

    @checked
    def spectrum(
        self, likelihood: Likelihood | str = GAUSSIAN, *, standardize: bool | None = None, divisor: Divisor = "n"
    ) -> Spectrum:
        """Return the spectrum for a decoder of a likelihood.

        Parameters
        ----------
        likelihood : Likelihood or str, default "gaussian"
            Of the decoder.
        standardize : bool, optional
            Whether to divide features by their standard deviations; by default where they have
            units of their own.
        divisor : {"n", "n-1"}, default "n"
            Of the covariance.

        Returns
        -------
        Spectrum
            Of the table as `prepared`.
        """
        likelihood = as_likelihood(likelihood)
        scaled = self.standardize and likelihood.of_reals if standardize is None else standardize
        ready = self.prepared(likelihood, standardize=scaled)
        if not self.covariance:
            if not likelihood.by_mean:
                return score(ready.table, likelihood, names=ready.names, standardize=scaled)
            options: dict[str, Any] = {"names": ready.names, "divisor": divisor, "likelihood": likelihood}
            return Spectrum.from_data(ready.table, standardize=scaled, **options)
        if divisor != "n":
            raise InputError(f"Of {self.name} only a covariance is known, which divides by n: leave the divisor out.")
        return Spectrum.from_covariance(ready.table, standardize=scaled, samples=ready.samples, names=ready.names)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {self.samples} samples × {len(self.names)} features)"

    def _varying(self) -> "Dataset":
        """Return the data set without constant features."""
        varies = np.ptp(self.table, axis=0) > 0
        if varies.all():
            return self
        left = [name for name, kept in zip(self.names, varies, strict=True) if not kept]
        note = f"{counted(len(left), 'constant column')} left out ({_shown(left, 5)})"
        return replace(self._keep(varies), note="; ".join(filter(None, [self.note, note])))

    def _keep(self, kept: NDArray[np.bool_]) -> "Dataset":
        if not kept.any():
            raise InputError(f"No column is left of the {len(self.names)} of {self.name}: keep at least one.")
        table = self.table[np.ix_(kept, kept)] if self.covariance else self.table[:, kept]
        names = tuple(name for name, is_kept in zip(self.names, kept, strict=True) if is_kept)
        return replace(self, table=readonly(table), names=names)


def _shown(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
