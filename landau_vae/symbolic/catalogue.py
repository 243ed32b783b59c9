"""The derivations that ship with the package: which there are, and how to run one.

The scripts live in the folder `derivations` of a checkout and are installed inside the package.
"""

from functools import cache
from pathlib import Path
from typing import Any

from landau_vae.errors import InputError
from landau_vae.symbolic.page import Page, cells, heading, run

__all__ = ["derive", "names", "scripts", "title", "with_option"]

_PACKAGE = Path(__file__).parents[1]


@cache
def scripts() -> dict[str, Path]:
    """Name of each derivation → its script, in the order in which they build on each other."""
    installed = _PACKAGE / "derivations"
    folder = installed if installed.is_dir() else _PACKAGE.parent / "derivations"
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    return {path.stem.split("_", 1)[1].replace("_", "-"): path for path in found}


def names() -> list[str]:
    """The names of the derivations, in order.

    >>> names()[:2]
    ['loss', 'collapse']
    """
    return list(scripts())


def with_option(option: str) -> list[str]:
    """The derivations in which the reader may choose this option."""
    return [name for name, path in scripts().items() if f'option("{option}"' in path.read_text(encoding="utf-8")]


def title(name: str) -> str:
    """What a derivation is about: the first heading of its script."""
    return heading(cells(scripts()[name].read_text(encoding="utf-8")))


def derive(name: str, *, progress: bool = False, **options: Any) -> Page:
    """Run a derivation, every step and check of it; `order=12` changes what its script lets the reader change.

    Raises `InputError` for a name or an option that does not exist, `CheckFailed` where a statement does not hold.

    >>> page = derive("collapse", order=4)
    >>> page.title, len(page.statements) > 5
    ('The collapsed point and its Landau expansion', True)
    """
    if name not in scripts():
        raise InputError(f"There is no derivation {name!r}: name one of {', '.join(names())}.")
    unknown = [option for option in sorted(options) if name not in with_option(option)]
    if unknown:
        raise InputError(
            f"The derivation {name!r} has no {unknown[0]} to choose; "
            f"{', '.join(with_option(unknown[0])) or 'none'} has."
        )
    return run(name, scripts()[name], options, progress=progress)
