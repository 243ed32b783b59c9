"""WorldClim 2.1 at 10 arc-minutes: 19 bioclimatic variables of all land, as aggregate statistics.

The layers themselves may not be redistributed (worldclim.org), their aggregates may: means,
standard deviations and correlations, unweighted as in J. Hirn's protocol and weighted by cell
area (cos latitude). `write_statistics` beside the reader of the layers makes the file again.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from landau_vae.checks import checked
from landau_vae.display import Array, readonly
from landau_vae.spectrum.spectrum import Spectrum

SHIPPED = Path(__file__).with_name("worldclim.json")


@dataclass(frozen=True, eq=False)
class WorldClim:
    """Statistics of the land cells that are valid in all 19 layers."""

    names: tuple[str, ...]  #: bio1 … bio19
    descriptions: tuple[str, ...]  #: what each variable is, with its unit
    mean: Array  #: (19,), the variables' units
    std: Array  #: (19,), the variables' units, divisor n
    correlation: Array  #: (19, 19)
    cells: int  #: number of land cells
    weighted: bool  #: whether cells were weighted by their area
    provenance: str  #: which layers, how aggregated
    citation: str  #: what to cite
    licence: str  #: what WorldClim allows

    def spectrum(self) -> Spectrum:
        """Return the spectrum of the standardised variables."""
        spectrum = Spectrum.from_covariance(self.correlation, samples=self.cells, names=self.names)
        return replace(spectrum, kind="correlation", mean=self.mean, scale=self.std)


@checked
def worldclim(*, weighted: bool = False) -> WorldClim:
    """Return the shipped statistics of WorldClim 2.1.

    Parameters
    ----------
    weighted : bool, default False
        Whether cells are weighted by their area.

    Returns
    -------
    WorldClim
        Means, standard deviations and correlations of 19 variables.

    Examples
    --------
    >>> climate = worldclim()
    >>> climate.cells, climate.spectrum().rank(0.01)
    (808053, 9)
    """
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    statistics = data["area_weighted" if weighted else "unweighted"]
    mean, std, correlation = (readonly(statistics[name]) for name in ("mean", "std", "correlation"))
    names, descriptions = tuple(data["names"]), tuple(data["descriptions"])
    texts = [data[name] for name in ("provenance", "citation", "licence")]
    return WorldClim(names, descriptions, mean, std, correlation, data["cells"], weighted, *texts)
