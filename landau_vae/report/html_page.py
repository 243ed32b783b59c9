"""A diagnosis as one HTML page: the verdict, what it rests on, pictures, findings with advice, every number.

The page is the template `page.html` over the tables of the diagnosis. It loads nothing
from the network and runs no script, follows the reader's light or dark scheme, fits a
phone, and prints. `Diagnosis.to_dict()` is in it as JSON, under the id "diagnosis".
"""

from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from landau_vae import __version__, plotting
from landau_vae.checks import checked
from landau_vae.data.archive import replace_file
from landau_vae.diagnosis import Diagnosis
from landau_vae.diagnosis.findings import CODES
from landau_vae.display import significant, with_error
from landau_vae.report.inline_svg import inline_svg

ROWS = 200  # of a table, at most; the JSON has all
PICTURES = ("latent_bars", "rank_distortion_of")
OF_SPECTRUM = (
    "diagnosed_cascade",
    "spectrum_with_floor",
)  # of another unit than a reconstruction term of the user's own


@checked
def write_page(path: str | Path, result: Diagnosis, title: str | None = None) -> Path:
    """Write a diagnosis as an HTML page.

    Parameters
    ----------
    path : str or Path
        Where to write the page.
    result : Diagnosis
        What `diagnose` returned.
    title : str, optional
        The model and the data, in words.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from landau_vae import Loss, Spectrum, diagnose
    >>> spectrum, loss = Spectrum.from_eigenvalues([2]), Loss.gaussian()
    >>> mean = np.random.default_rng(0).standard_normal((100, 1)) * 0.5 ** 0.5
    >>> result = diagnose(mean, variance=np.full((100, 1), 0.5), spectrum=spectrum, loss=loss)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(f"{folder}/report.html", result, "my model").read_text(encoding="utf-8")
    >>> "<p class=kicker>my model</p>" in page
    True
    """
    names = ("prices_in_effect",) * (result.prices is not None) + PICTURES + OF_SPECTRUM * (not result.own_term)
    pictures = [getattr(plotting, name) for name in names]
    frontier = result.frontier if result.collapsed or "frontier" in vars(result) else None  # it takes seconds
    drawn = {each.__name__: inline_svg(each, result) for each in pictures}
    content = _template().render(
        result=result,
        title=title or "Diagnosis of a trained VAE",
        headline=headline(result),
        frontier=frontier,
        tables={name: replace(table, limit=ROWS) for name, table in result.tables().items()},
        pictures=drawn,
        version=__version__,
    )
    return replace_file(Path(path), lambda partial: partial.write_text(content, encoding="utf-8"))


def headline(result: Diagnosis) -> str:
    """Return the verdict in words; of a healthy model, what was checked."""
    inactive = set(result.status) - {"active"}
    if not result.healthy:
        words = CODES[result.verdict]
    elif "metastable" in result.codes:
        words = CODES["metastable"]
    elif "near-threshold" in result.codes:
        words = CODES["near-threshold"]
    elif result.price_in_effect is None:
        words = "No sign of failed training; the price in effect was not measured"
    elif result.prices is None:
        words = "A linear model at the price that its loss states"
    elif result.pays:
        words = "The KL costs what the loss states, but a further latent would pay"
    elif result.pays is False and inactive == {"inactive, as predicted"}:
        words = "The KL costs what the loss states, and the inactive latents have nothing to encode"
    else:
        words = "The KL costs what the loss states"
    return words.rstrip(".")


def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["digits"] = lambda value: significant(float(value), 4)
    environment.filters["within"] = with_error
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    return environment.get_template("page.html")
