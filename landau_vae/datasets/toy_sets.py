"""Public data sets that come with installed libraries, so that nothing is downloaded: `load(name)`.

digits          1797 images of 8 × 8 pixels, ten classes              extra `sklearn` (scikit-learn)
breast_cancer   569 tumours, 30 measures of cell nuclei, two classes  extra `sklearn`
wine            178 wines, 13 chemical measures, three cultivars      extra `sklearn`
iris            150 flowers, 4 lengths, three species                 extra `sklearn`
diabetes        442 patients, 10 measures, progression as target      extra `sklearn`
terrain         2150 patches of 8 × 8 elevations                      (Matplotlib)
worldclim       19 climate variables of all land, as correlations     (shipped)
counts          1000 cells, 40 genes, drawn with library sizes        (from a seed)
"""

import importlib

import numpy as np

from landau_vae.checks import checked, shown
from landau_vae.datasets._worldclim import worldclim
from landau_vae.datasets.dataset import Dataset
from landau_vae.datasets.drawn_counts import counts
from landau_vae.display import readonly
from landau_vae.errors import InputError

PATCH = 8  # cells along an edge of a patch of terrain


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
        raise InputError(f"There is no data set {shown(name)}: the names are {', '.join(NAMES)}.", "name")
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
            "This data set comes with scikit-learn, the extra 'sklearn': pip install 'landau-vae[sklearn]'."
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
