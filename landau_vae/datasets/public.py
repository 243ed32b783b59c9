"""Public data sets that come with installed libraries, so that nothing is downloaded.

digits          1797 images of 8 × 8 pixels, ten classes              extra `datasets` (scikit-learn)
breast_cancer   569 tumours, 30 measures of cell nuclei, two classes  extra `datasets`
wine            178 wines, 13 chemical measures, three cultivars      extra `datasets`
iris            150 flowers, 4 lengths, three species                 extra `datasets`
diabetes        442 patients, 10 measures, progression as target      extra `datasets`
terrain         2150 patches of 8 × 8 elevations                      (Matplotlib)
worldclim       19 climate variables of all land, as correlations     (shipped)
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from landau_vae.datasets._worldclim import worldclim
from landau_vae.datasets.dataset import Dataset
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError

__all__ = ["NAMES", "breast_cancer", "diabetes", "digits", "iris", "load", "terrain", "wine"]

UCI = "UCI Machine Learning Repository, as shipped with scikit-learn"
CC_BY = "Creative Commons Attribution 4.0 (CC BY 4.0)"
PATCH = 8  # cells along an edge of a patch of terrain


def digits() -> Dataset:
    """Handwritten digits: 1797 images of 8 × 8 pixels from 0 to 1 in steps of 1/16, ten classes.

    >>> data = digits()
    >>> data.spectrum().modes, data.spectrum("bernoulli").modes  # some pixels are constant, of binary images more
    (61, 51)
    """
    found = _sklearn("load_digits")
    return Dataset(
        "digits",
        readonly(found.data / 16),
        tuple(map(str, found.feature_names)),
        len(found.data),
        "handwritten digits, images of 8 × 8 pixels, intensity from 0 to 1",
        f"Alpaydin, E. and Kaynak, C. (1998), Optical Recognition of Handwritten Digits (its test set). {UCI}",
        CC_BY,
        *_classes(found.target, [f"digit_{digit}" for digit in range(10)]),
        levels=16,
    )


def wine() -> Dataset:
    """178 wines of three cultivars: 13 chemical measures, each with its unit."""
    found = _sklearn("load_wine")
    return Dataset(
        "wine",
        readonly(found.data),
        tuple(map(str, found.feature_names)),
        len(found.data),
        "chemical measures of wines of three cultivars",
        f"Aeberhard, S. and Forina, M. (1991), Wine. {UCI}",
        CC_BY,
        *_classes(found.target, [f"cultivar_{number}" for number in (1, 2, 3)]),
        standardize=True,
    )


def breast_cancer() -> Dataset:
    """569 tumours: 30 measures of cell nuclei, each with its unit; malignant or benign."""
    found = _sklearn("load_breast_cancer")
    return Dataset(
        "breast_cancer",
        readonly(found.data),
        tuple(str(name).replace(" ", "_") for name in found.feature_names),
        len(found.data),
        "measures of cell nuclei of breast tumours",
        f"Wolberg, W., Mangasarian, O., Street, N. and Street, W. (1993), Breast Cancer Wisconsin (Diagnostic). {UCI}",
        CC_BY,
        *_classes(found.target, list(map(str, found.target_names))),
        standardize=True,
    )


def iris() -> Dataset:
    """150 flowers of three species: four lengths in cm."""
    found = _sklearn("load_iris")
    return Dataset(
        "iris",
        readonly(found.data),
        tuple(str(name).removesuffix(" (cm)").replace(" ", "_") for name in found.feature_names),
        len(found.data),
        "lengths and widths of sepals and petals of iris flowers [cm]",
        f"Fisher, R. A. (1936), The use of multiple measurements in taxonomic problems. {UCI}",
        CC_BY,
        *_classes(found.target, list(map(str, found.target_names))),
    )


def diabetes() -> Dataset:
    """442 patients: ten measures, each with its unit, and as target the progression of the disease a year later."""
    found = _sklearn("load_diabetes", scaled=False)
    return Dataset(
        "diabetes",
        readonly(found.data),
        tuple(map(str, found.feature_names)),
        len(found.data),
        "age, sex, body mass index, blood pressure and six blood serum measures of patients",
        "Efron, B., Hastie, T., Johnstone, I. and Tibshirani, R. (2004), Least angle regression, Annals of Statistics "
        "32, 407–499; as shipped with scikit-learn",
        "no licence is stated at its source; shipped with scikit-learn (BSD-3-Clause)",
        readonly(np.reshape(found.target, (-1, 1))),
        ("progression",),
        standardize=True,
    )


def terrain() -> Dataset:
    """Patches of 8 × 8 elevations, 3 arc-seconds apart, in metres; needs no extra.

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
    return Dataset(
        "terrain",
        readonly(patches.reshape(down * right, PATCH * PATCH)),
        tuple(f"cell_{row}_{column}" for row in range(PATCH) for column in range(PATCH)),
        down * right,
        "elevations around the Jacksboro fault (Tennessee), patches of 8 × 8 cells of 3 arc-seconds [m]",
        "jacksboro_fault_dem.npz of Matplotlib's sample data, which name no source of it",
        "shipped with Matplotlib under its licence; no other is stated",
    )


def _worldclim() -> Dataset:
    climate = worldclim()
    return Dataset(
        "worldclim",
        climate.correlation,
        climate.names,
        climate.cells,
        "bioclimatic variables of all land (WorldClim 2.1, 10 arc-minutes), their correlations",
        climate.citation,
        climate.licence,
        standardize=True,
        covariance=True,
    )


_LOADERS: dict[str, Callable[[], Dataset]] = {
    "breast_cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "iris": iris,
    "terrain": terrain,
    "wine": wine,
    "worldclim": _worldclim,
}
NAMES = tuple(_LOADERS)


def load(name: str) -> Dataset:
    """A data set by its name, one of `NAMES`.

    >>> load("worldclim")
    Dataset(worldclim: 808053 samples × 19 features)
    """
    if name not in _LOADERS:
        raise InputError(f"There is no data set {name!r}: the names are {', '.join(NAMES)}.")
    return _LOADERS[name]()


def _sklearn(loader: str, **options: Any) -> Any:
    try:
        module = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError:
        raise InputError(
            "This data set comes with scikit-learn, the extra 'datasets': pip install 'landau-vae[datasets]'."
        ) from None
    return getattr(module, loader)(**options)


def _classes(labels: Any, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """A column per class, 1 where a row is of it, and its name."""
    return readonly(np.asarray(labels)[:, None] == np.arange(len(names))), tuple(names)
