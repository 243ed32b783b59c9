"""The derivations that ship with the package: which there are, and how to run one.

The scripts live in the folder `derivations` of a checkout and are installed inside the package.
"""

from functools import cache
from pathlib import Path
from typing import Any

from landau_vae.checks import checked, nearest
from landau_vae.errors import InputError
from landau_vae.symbolic.page import Page, cells, heading, run

_PACKAGE = Path(__file__).parents[1]


@cache
def scripts() -> dict[str, Path]:
    """Return the script of each derivation by its name, in the order in which they build on each other."""
    installed = _PACKAGE / "derivations"
    folder = installed if installed.is_dir() else _PACKAGE.parent / "derivations"
    paths = sorted(folder.glob("[0-9][0-9]_*.py"))
    return {path.stem.split("_", 1)[1].replace("_", "-"): path for path in paths}


def names() -> list[str]:
    """Return the names of the derivations, in the order in which they build on each other.

    Examples
    --------
    >>> names()[:2]
    ['loss', 'collapse']
    """
    return list(scripts())


def with_option(option: str) -> list[str]:
    """Return the derivations in which the reader may choose an option."""
    return [name for name, path in scripts().items() if f'option("{option}"' in path.read_text(encoding="utf-8")]


@checked
def title(name: str) -> str:
    """Return what a derivation is about, the first heading of its script.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    str
        In Markdown.

    Raises
    ------
    InputError
        If there is no such derivation.

    Examples
    --------
    >>> title("collapse")
    'The collapsed point and its Landau expansion'
    """
    return heading(cells(_script(name).read_text(encoding="utf-8")))


@checked
def derive(name: str, *, progress: bool = False, **options: Any) -> Page:
    """Run a derivation with every step and check of it.

    Parameters
    ----------
    name : str
        One of `names`.
    progress : bool, default False
        Whether to show a bar on a terminal.
    **options
        What the script lets the reader change, such as `order=12`.

    Returns
    -------
    Page
        Prose, formulas and the statements that were checked.

    Raises
    ------
    InputError
        For a name or an option that does not exist.
    CheckFailed
        If a statement does not hold.

    Examples
    --------
    >>> page = derive("collapse", order=4)
    >>> page.title, len(page.statements) > 5
    ('The collapsed point and its Landau expansion', True)
    """
    script = _script(name)
    for option in sorted(options):
        if name not in (having := with_option(option)):
            others = ", ".join(having) or "no derivation"
            raise InputError(f"The derivation {name!r} has no {option} to choose; {others} has.", option)
    return run(name, script, options, progress=progress)


def _script(name: str) -> Path:
    if name not in scripts():
        some = ", ".join(nearest(name, names()))
        raise InputError(
            f"There is no derivation {name!r}: name one of {some}, or another that `landau-vae derive` lists.", "name"
        )
    return scripts()[name]
