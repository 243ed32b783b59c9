"""Public data sets that come with installed libraries, so that nothing is downloaded: `load(name)`.

digits          1797 images of 8 × 8 pixels, ten classes              extra `datasets` (scikit-learn)
breast_cancer   569 tumours, 30 measures of cell nuclei, two classes  extra `datasets`
wine            178 wines, 13 chemical measures, three cultivars      extra `datasets`
iris            150 flowers, 4 lengths, three species                 extra `datasets`
diabetes        442 patients, 10 measures, progression as target      extra `datasets`
terrain         2150 patches of 8 × 8 elevations                      (Matplotlib)
worldclim       19 climate variables of all land, as correlations     (shipped)
counts          1000 cells, 40 genes, drawn with library sizes        (from a seed)
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import Count, Positive, Seed, checked
from landau_vae.datasets._worldclim import worldclim
from landau_vae.display import Array, counted, readonly
from landau_vae.errors import InputError
from landau_vae.likelihoods import GAUSSIAN, Likelihood, as_likelihood
from landau_vae.spectrum._score import score
from landau_vae.spectrum.build import Divisor
from landau_vae.spectrum.spectrum import Spectrum

PATCH = 8  # cells along an edge of a patch of terrain
OWN = 0x63656C6C  # stream of the draws
FIRST, STEP = 0.45, 0.7  # deviation of a log-mean by the first factor, and how much less the next one has
DEPTH = 0.5  # deviation of the log of a library size


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


UCI = "UCI Machine Learning Repository (CC BY 4.0), as shipped with scikit-learn"
# Sets of scikit-learn: whether features have units of their own; what the set is, its source, its licence.
SKLEARN = {
    "breast_cancer": (True, f"Cell nuclei of breast tumours. Wolberg et al. (1993), Breast Cancer Wisconsin. {UCI}"),
    "diabetes": (True, "Diabetes patients. Efron et al. (2004), Annals of Statistics 32, 407; no licence is stated"),
    "digits": (False, f"Handwritten digits, 8 × 8 pixels from 0 to 1. Alpaydin and Kaynak (1998), the test set. {UCI}"),
    "iris": (False, f"Lengths and widths of sepals and petals [cm]. Fisher (1936). {UCI}"),
    "wine": (True, f"Chemical measures of wines of three cultivars. Aeberhard and Forina (1991), Wine. {UCI}"),
}
INK = 16  # the largest intensity of `digits`
NAMES = tuple(sorted([*SKLEARN, "counts", "terrain", "worldclim"]))


@checked
def load(name: str) -> Dataset:
    """Return a data set by its name.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    Dataset
        The table and what belongs to it.

    Raises
    ------
    InputError
        For other names, and where the library that the set comes with is not installed.

    Examples
    --------
    >>> load("worldclim")
    Dataset(worldclim: 808053 samples × 19 features)
    >>> digits = load("digits")
    >>> digits.spectrum().modes, digits.spectrum("bernoulli").modes  # constant pixels; more of binary images
    (61, 51)
    """
    if name not in NAMES:
        raise InputError(f"There is no data set {name!r}: the names are {', '.join(NAMES)}.", "name")
    if name == "terrain":
        return terrain()
    if name == "counts":
        return counts()
    return _climate() if name == "worldclim" else _from_sklearn(name, *SKLEARN[name])


def terrain() -> Dataset:
    """Return patches of 8 × 8 elevations, 3 arc-seconds apart, in metres; needs no extra.

    Returns
    -------
    Dataset
        2150 patches.

    Raises
    ------
    InputError
        If Matplotlib comes without its sample data.

    Examples
    --------
    >>> terrain().spectrum().rank(0.01)
    5
    """
    from matplotlib.cbook import get_sample_data

    try:
        with np.load(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False), allow_pickle=False) as file:
            height = np.asarray(file["elevation"], dtype=np.float64)
    except (OSError, ValueError, KeyError):
        raise InputError(
            "This Matplotlib comes without its sample data: install it from PyPI (pip install matplotlib)."
        ) from None
    down, right = (size // PATCH for size in height.shape)
    patches = height[: down * PATCH, : right * PATCH].reshape(down, PATCH, right, PATCH).swapaxes(1, 2)
    names = tuple(f"cell_{row}_{column}" for row in range(PATCH) for column in range(PATCH))
    return Dataset(
        "terrain",
        readonly(patches.reshape(-1, len(names))),
        names,
        down * right,
        "Elevations around the Jacksboro fault (Tennessee) [m]. Matplotlib's sample data, which name no source of them",
    )


@checked
def counts(
    cells: Count = 1000, genes: Count = 40, factors: Count = 3, dispersion: Positive = 5.0, seed: Seed = 0
) -> Dataset:
    """Return drawn counts of genes in cells, whose target is the depth of each cell.

    x_ij ~ NB(l_i ρ_j e^{Σ_k w_jk u_ik}, θ) with factors u uniform of variance 1, and ln l normal.
    Cells differ in depth more than in any factor: a decoder that is not given the sizes spends
    its first latent on them.

    Parameters
    ----------
    cells, genes : int, default 1000, 40
        Rows and columns.
    factors : int, default 3
        How many factors move the means; each moves every gene.
    dispersion : float, default 5
        θ: the variance is m + m²/θ.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> cells = counts()
    >>> cells, cells.target_names
    (Dataset(counts: 1000 samples × 40 features), ('depth',))
    """
    rng = np.random.default_rng((seed, OWN))
    depth = np.exp(DEPTH * rng.standard_normal((cells, 1)))
    share = rng.uniform(1, 10, genes)
    load = FIRST * STEP ** np.arange(factors)[:, None] * rng.choice([-1.0, 1.0], (factors, genes))
    factor = np.sqrt(3) * rng.uniform(-1, 1, (cells, factors))
    mean = depth * share * np.exp(factor @ load)
    table = rng.poisson(rng.gamma(dispersion, mean / dispersion)).astype(np.float64)
    table[table.sum(axis=1) == 0, 0] = 1.0  # a cell without counts is none
    return Dataset(
        "counts", readonly(table), tuple(f"gene_{j}" for j in range(genes)), cells,
        "Drawn negative-binomial counts of cells with library sizes (landau_vae.datasets.counts), from a seed",
        readonly(depth), ("depth",), counts=True,
    )  # fmt: skip


def _climate() -> Dataset:
    climate = worldclim()
    source = f"Climate of all land, WorldClim 2.1, correlations. {climate.citation} {climate.licence}"
    return Dataset(
        "worldclim", climate.correlation, climate.names, climate.cells, source, standardize=True, covariance=True
    )


def _from_sklearn(name: str, own_units: bool, source: str) -> Dataset:
    try:
        module = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError:
        raise InputError(
            "This data set comes with scikit-learn, the extra 'datasets': pip install 'landau-vae[datasets]'."
        ) from None
    bunch = getattr(module, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    levels = INK if name == "digits" else 0
    classes = [f"digit_{label}" if levels else str(label) for label in bunch.get("target_names", ())]
    target = np.asarray(bunch.target)[:, None]
    return Dataset(
        name,
        readonly(bunch.data / (levels or 1)),
        tuple(str(label).removesuffix(" (cm)").replace(" ", "_") for label in bunch.feature_names),
        len(bunch.data),
        source,
        readonly(target == np.arange(len(classes)) if classes else target),
        tuple(classes or ["progression"]),
        own_units,
        levels,
    )


def _shown(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
