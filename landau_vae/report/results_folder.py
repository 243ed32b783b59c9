"""A verification as a folder: four figures, their overview, the numbers as JSON, the trained models as netCDF.

Each file is written beside its place and renamed into it, so that an interruption leaves no half of one.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from landau_vae import plotting
from landau_vae.errors import InputError
from landau_vae.training.netcdf import replace_file, save_scan
from landau_vae.verification.verification import Verification

if TYPE_CHECKING:
    import xarray

__all__ = ["check_picture", "make_folder", "save_figure", "write"]


def write(folder: str | Path, result: Verification, scan: "xarray.Dataset") -> list[Path]:
    """Write the report of a verification and the `scan` behind it; returns the files."""
    folder = make_folder(folder)
    written = [save_figure(folder / "overview.png", plotting.overview(result))]
    pictures = (plotting.branches, plotting.universal_law, plotting.spectra, plotting.rate_distortion)
    written += [save_figure(folder / f"{draw.__name__}.png", draw(result)) for draw in pictures]
    numbers = json.dumps(result.to_dict(), ensure_ascii=False, indent=1)
    written.append(replace_file(folder / "results.json", lambda path: path.write_text(numbers, encoding="utf-8")))
    written.append(save_scan(folder / "scan.nc", scan))
    return written


def make_folder(folder: str | Path) -> Path:
    """Make a folder for output, if need be."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"The output folder {folder} cannot be made ({problem.strerror}): name another.") from None
    return folder


def check_picture(path: str | Path) -> Path:
    """A path for a figure, once its suffix has been found to be one that figures are saved as."""
    path, supported = Path(path), FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in supported:
        raise InputError(
            f"A figure cannot be saved as {path.name!r}: give it one of the suffixes {', '.join(supported)}."
        )
    return path


def save_figure(path: str | Path, picture: Figure | Axes) -> Path:
    """Save a figure (or the one that axes belong to) in the format of the file's suffix."""
    path = check_picture(path)
    figure = picture.get_figure(root=True) if isinstance(picture, Axes) else picture
    assert figure is not None
    with matplotlib.rc_context(plotting.STYLE):
        return replace_file(path, lambda partial: figure.savefig(partial, format=path.suffix.removeprefix(".")))
