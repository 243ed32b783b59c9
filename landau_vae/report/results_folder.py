"""A verification as a folder: four figures, their overview, the numbers as JSON, the trained models as netCDF.

Each file is written beside its place and renamed into it, so that an interruption
leaves no half of one.
"""

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from landau_vae import plotting
from landau_vae.checks import checked
from landau_vae.data.archive import replace_file
from landau_vae.data.door import brief, check_folder
from landau_vae.errors import InputError, reason
from landau_vae.training.netcdf import save_scan
from landau_vae.training.schema import validate
from landau_vae.verification._onsets import Onsets
from landau_vae.verification.verification import Verification

if TYPE_CHECKING:
    import xarray


@checked
def write(folder: str | Path, result: Verification, scan: "xarray.Dataset") -> list[Path]:
    """Write a verification as a folder: figures, numbers, and the trained models.

    Parameters
    ----------
    folder : str or Path
        Where to write; it is made if need be.
    result : Verification
        What `verify` returned.
    scan : xarray.Dataset
        The models that were verified.

    Returns
    -------
    list of Path
        The files: five figures (PNG), `results.json` and `scan.nc`.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    validate(scan)  # before the pictures, which take their time
    folder = make_folder(folder)
    written = [save_figure(folder / "overview.png", plotting.overview(result))]
    pictures = (plotting.branches, plotting.universal_law, plotting.spectra, plotting.rate_distortion)
    written += [save_figure(folder / f"{draw.__name__}.png", draw(result)) for draw in pictures]
    numbers = json.dumps(result.to_dict(), ensure_ascii=False, indent=1)
    written.append(replace_file(folder / "results.json", lambda path: path.write_text(numbers, encoding="utf-8")))
    written.append(save_scan(folder / "scan.nc", scan))
    return written


@checked
def write_onsets(folder: str | Path, found: Onsets) -> list[Path]:
    """Write a spectroscopy as a folder: its page of pictures, its numbers, and the models that it was read from.

    Parameters
    ----------
    folder : str or Path
        Where to write; it is made if need be.
    found : Onsets
        What `spectroscopy`, or `verification.onsets` of a scan, returned.

    Returns
    -------
    list of Path
        The files: `spectroscopy.png`, `results.json` and `scan.nc`.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    folder = make_folder(folder)
    numbers = json.dumps(found.to_dict(), ensure_ascii=False, indent=1)
    return [
        save_figure(folder / "spectroscopy.png", plotting.spectroscopy_page(found)),
        replace_file(folder / "results.json", lambda path: path.write_text(numbers, encoding="utf-8")),
        save_scan(folder / "scan.nc", found.scan),
    ]


@checked
def make_folder(folder: str | Path) -> Path:
    """Make a folder for output, unless it exists.

    Parameters
    ----------
    folder : str or Path
        The folder; those above it are made too.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:  # ValueError: a null character
        found = f"The output folder {brief(folder)} cannot be made ({reason(problem)})"
        raise InputError(f"{found}: name another.", "folder") from None
    return folder


@checked
def check_picture(path: str | Path) -> Path:
    """Return the path of a figure, if figures can be saved with its suffix, and there.

    Parameters
    ----------
    path : str or Path
        Where a figure is to be saved.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If no format has this suffix, or no file can be written there.

    Examples
    --------
    >>> check_picture("cascade.png").suffix
    '.png'
    """
    path, supported = Path(path), FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in supported:
        raise InputError(
            f"A figure cannot be saved as {path.name!r}: give it one of the suffixes {', '.join(supported)}.", "path"
        )
    check_folder(path)
    return path


@checked
def save_figure(path: str | Path, picture: Figure | Axes) -> Path:
    """Save a figure in the format of the file's suffix.

    Parameters
    ----------
    path : str or Path
        Where to save it: .png, .pdf, .svg, or another format of Matplotlib.
    picture : Figure or Axes
        The figure, or axes in it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If no format has this suffix, or the file cannot be written.
    """
    path = check_picture(path)
    figure = picture.get_figure(root=True) if isinstance(picture, Axes) else picture
    assert figure is not None
    drawn = BytesIO()  # some formats end in other errors where the disk is full
    with matplotlib.rc_context(plotting.STYLE):
        figure.savefig(drawn, format=path.suffix.removeprefix("."))
    return replace_file(path, lambda partial: partial.write_bytes(drawn.getbuffer()))
