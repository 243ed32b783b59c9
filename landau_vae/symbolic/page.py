"""Literate derivations: a script of prose and code cells, run into a page of formulas and checked statements.

A script is in the percent format that notebooks and editors read: `# %% [markdown]`
begins prose, `# %%` code. Its code calls `show` for a formula and `check` for a
statement that the machine must confirm; a check that fails stops the page. Run as plain
Python, the same script prints.
"""

import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from landau_vae.display import progress_bar
from landau_vae.symbolic.algebra import vanishes


class CheckFailed(AssertionError):
    """A statement of a derivation does not hold."""


@dataclass(frozen=True)
class Prose:
    """Markdown with mathematics between dollars."""

    text: str


@dataclass(frozen=True)
class Code:
    """A cell of the script, as written."""

    text: str


@dataclass(frozen=True)
class Formula:
    """An equation: a left-hand side in LaTeX (may be empty) and an expression."""

    name: str
    expression: Any


@dataclass(eq=False)
class Page:
    """What a script leaves behind, in the order of the script."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    blocks: list[Prose | Code | Formula] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)  #: what has been checked

    @property
    def title(self) -> str:
        """The first heading."""
        return heading(self.blocks)

    @property
    def formulas(self) -> dict[str, Any]:
        """The expressions on the page by their names in LaTeX, such as `a_{4}`; of equal names the last."""
        return {block.name: block.expression for block in self.blocks if isinstance(block, Formula)}

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: formulas in LaTeX and as SymPy reads them."""
        blocks = (block for block in self.blocks if isinstance(block, Formula))
        formulas = [{"name": b.name, "latex": sp.latex(b.expression), "sympy": sp.sstr(b.expression)} for b in blocks]
        return {"name": self.name, "title": self.title, "formulas": formulas, "checked": self.statements}


def heading(blocks: Iterable[Prose | Code | Formula]) -> str:
    """Return the first line of the first prose, without its mark."""
    first = next(block.text for block in blocks if isinstance(block, Prose))
    return first.splitlines()[0].removeprefix("# ")


_page: ContextVar[Page | None] = ContextVar("page", default=None)


def show(name: str, expression: Any) -> None:
    """Put a formula on the page: `show(r"\\det H", H.det())`."""
    page = _page.get()
    if page is None:
        print(f"{name} = {expression}")
    else:
        page.blocks.append(Formula(name, expression))


def check(statement: str, claim: Any) -> None:
    """State something and have it confirmed: an expression or matrix that must vanish identically, or a truth value.

    Raises `CheckFailed` with what is left over.

    >>> x = sp.Symbol("x")
    >>> check("the binomial formula", (x + 1) ** 2 - x**2 - 2 * x - 1)
    ✓ the binomial formula
    >>> check("a wrong one", (x + 1) ** 2 - x**2 - 1)
    Traceback (most recent call last):
    landau_vae.symbolic.page.CheckFailed: a wrong one: 2*x is left, where nothing is expected.
    """
    if isinstance(claim, bool | np.bool_ | sp.logic.boolalg.BooleanAtom):
        if not claim:
            raise CheckFailed(f"{statement}: not so.")
    elif claim is None or isinstance(claim, sp.core.relational.Relational):
        raise CheckFailed(f"{statement}: undecided.")
    elif not vanishes(sp.sympify(claim)):
        raise CheckFailed(f"{statement}: {sp.factor(claim)} is left, where nothing is expected.")
    page = _page.get()
    if page is None:
        print(f"✓ {statement}")
    else:
        page.statements.append(statement)


def option(name: str, default: Any) -> Any:
    """Return a number that the reader may change, such as the order of an expansion."""
    page = _page.get()
    return default if page is None else page.options.get(name, default)


def cells(source: str) -> Iterator[Prose | Code]:
    """Yield the cells of a script in percent format, empty ones left out."""
    for marker, body in re.findall(r"^# %%(.*)\n((?:(?!^# %%).*\n?)*)", source, flags=re.MULTILINE):
        if "[markdown]" in marker:
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        if body.strip():
            yield Prose(body.strip()) if "[markdown]" in marker else Code(body.strip())


def run(name: str, path: Path, options: dict[str, Any] | None = None, *, progress: bool = False) -> Page:
    """Run a script into its page; `progress` shows how far it is.

    Raises `CheckFailed` at the first statement that does not hold.
    """
    page = Page(name, options or {})
    namespace: dict[str, Any] = {"__name__": f"derivation {name}"}
    script = list(cells(path.read_text(encoding="utf-8")))
    token = _page.set(page)
    try:
        with progress_bar(len(script), name, progress, unit=" cells") as bar:
            for number, cell in enumerate(script):
                page.blocks.append(cell)
                if isinstance(cell, Code):
                    exec(compile(cell.text, f"{path.name}, cell {number}", "exec"), namespace)
                bar.update()
    finally:
        _page.reset(token)
    return page
