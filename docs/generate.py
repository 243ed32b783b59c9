"""The pages of the site that have their source elsewhere: written beside the others when the site is built.

Derivations, notebooks, the changelog and the guide for contributors are taken from where they are; the reference comes
from the public names, and the tables of conventions, findings, limits and commands from the package.
"""

import contextlib
import importlib
import inspect
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import landau_vae as lv
from landau_vae.display import Column, Table
from landau_vae.loss.presets import GROUPS

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs"
#: Files of the repository and where they stand on the site; links between them are kept.
TAKEN = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "notebooks/README.md": "notebooks/index.md",
    **{f"notebooks/{path.name}": f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")},
    "derivations/README.md": "derivations/index.md",
    **{f"derivations/{path.name}": f"derivations/{path.name}" for path in (ROOT / "derivations").glob("[0-9]*.md")},
}
LONG = 80  # characters, of a value that is shown as it is
LINK = re.compile(r"(?<!!)\[([^\]\[]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")

# ------------------------------------------------------------------------------------------ what stands elsewhere


def on_site(text: str, source: Path) -> str:
    """The text of a file with its links as they are on the site; of those that lead out of it the words remain."""
    here = (SITE / TAKEN[str(source.relative_to(ROOT))]).parent

    def led(match: re.Match[str]) -> str:
        words, target, anchor = match.groups(default="")
        if "://" in target:
            return match[0]
        file = os.path.relpath((source.parent / target).resolve(), ROOT)
        if file.startswith("docs/"):
            return f"[{words}]({os.path.relpath(ROOT / file, here)}{anchor})"
        return f"[{words}]({os.path.relpath(SITE / TAKEN[file], here)}{anchor})" if file in TAKEN else words

    return LINK.sub(led, text)


def notebook(text: str, source: Path) -> str:
    """A notebook with the links of its prose as they are on the site."""
    content = json.loads(text)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = on_site("".join(cell["source"]), source)
    return json.dumps(content, ensure_ascii=False)


def contents(names: list[str]) -> str:
    """A hidden table of contents, in Markdown."""
    return "\n".join(["", "```{toctree}", ":hidden:", "", *names, "```", ""])


def taken() -> Iterator[tuple[str, str]]:
    """(Place on the site, text) of each file that is taken as it is."""
    for file, place in TAKEN.items():
        source = ROOT / file
        text = source.read_text(encoding="utf-8")
        if source.suffix == ".ipynb":
            yield place, notebook(text, source)
        elif source.name == "README.md":
            below = sorted(Path(other).stem for other in TAKEN if Path(other).parent == Path(file).parent)
            yield place, on_site(text, source) + contents([name for name in below if name != "README"])
        else:
            yield place, on_site(text, source)


# ----------------------------------------------------------------------------------------------- the reference


def rooms(module: ModuleType = lv) -> Iterator[tuple[str, ModuleType]]:
    """(Dotted name, package) of every package with public names, as users reach it."""
    yield module.__name__, module
    for name in module.__all__:
        item = getattr(module, name)
        if isinstance(item, ModuleType) and hasattr(item, "__path__"):
            yield from rooms(item)


def home_of(thing: Any, homes: dict[int, str], name: str) -> str:
    """The shortest name of a public object, where it has its page."""
    return homes.setdefault(id(thing), name) if callable(thing) or isinstance(thing, ModuleType) else name


def public() -> dict[str, dict[str, str]]:
    """Room → name in it → the dotted name that has a page; packages have pages as rooms."""
    homes: dict[int, str] = {}
    return {
        room: {
            name: home_of(getattr(module, name), homes, f"{room}.{name}")
            for name in sorted(module.__all__, key=str.casefold)
            if not hasattr(getattr(module, name), "__path__") and name != "__version__"
        }
        for room, module in rooms()
    }


def rst(title: str, *parts: str) -> str:
    """A page in reStructuredText."""
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *parts]) + "\n"


def kind_of(thing: Any) -> str:
    """The directive that documents an object."""
    if isinstance(thing, ModuleType):
        return "automodule"
    if inspect.isclass(thing):
        return "autoclass"
    return "autofunction" if inspect.isroutine(thing) else "py:data"


@cache
def source() -> str:
    """The package in one text, in which comments of constants are looked up."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "landau_vae").rglob("*.py")))


def first_line(name: str) -> str:
    """What an object is, in a line: of its docstring, or the comment of a constant, else its value."""
    room, _, own = name.rpartition(".")
    thing = getattr(importlib.import_module(room), own)
    if kind_of(thing) != "py:data":
        return (inspect.getdoc(thing) or "").partition("\n")[0].replace("|", "\\|")
    comment = re.search(rf"^((?:#: .*\n)+){own}\b", source(), flags=re.MULTILINE)
    if comment:
        return " ".join(comment[1].replace("#: ", "").split())
    return f"``{thing!r}``" if len(repr(thing)) < LONG else f"{len(thing)} entries"


def object_page(name: str) -> str:
    """The page of a public object."""
    room, _, own = name.rpartition(".")
    thing = getattr(importlib.import_module(room), own)
    kind = kind_of(thing)
    options = {"autoclass": ["members"], "automodule": ["members"]}.get(kind, [])
    if kind == "py:data":
        return rst(name.removeprefix("landau_vae."), f".. {kind}:: {name}\n\n   {first_line(name)}")
    inherited = ["inherited-members"] * (
        kind == "autoclass" and is_dataclass(thing)
    )  # of others, such as errors, those of Python
    return rst(
        name.removeprefix("landau_vae."),
        "\n".join([f".. {kind}:: {name}", *(f"   :{option}:" for option in [*options, *inherited])]),
    )


def toctree(entries: list[str], depth: int = 1) -> str:
    """A hidden table of contents, in reStructuredText."""
    return "\n".join([".. toctree::", "   :hidden:", f"   :maxdepth: {depth}", "", *(f"   {each}" for each in entries)])


def room_page(room: str, names: Mapping[str, str]) -> str:
    """The page of a room: what it is for, and its names with their first lines."""
    module = importlib.import_module(room)
    own = [home for name, home in names.items() if home == f"{room}.{name}"]
    rows = [f"   * - :py:obj:`{home}`\n     - {first_line(home)}" for home in names.values()]
    table = [".. list-table::", "   :widths: auto", "", *rows]
    parts = [inspect.cleandoc(module.__doc__ or "").replace("`", "``"), "\n".join(table)]
    return rst(room, *parts, toctree([f"names/{home}" for home in own]))


def reference() -> Iterator[tuple[str, str]]:
    """The pages of the reference: an index, one of each room and of each public name."""
    everything = public()
    lines = [
        f"| [`{room}`]({room}.rst) | {(importlib.import_module(room).__doc__ or '').splitlines()[0]} |"
        for room in everything
    ]
    yield (
        "reference/index.md",
        REFERENCE + "\n".join(lines) + "\n" + contents([*everything, "commands", "findings", "limits"]),
    )
    for room, names in everything.items():
        yield f"reference/{room}.rst", room_page(room, names)
    for home in sorted({home for names in everything.values() for home in names.values()}):
        yield f"reference/names/{home}.rst", object_page(home)


REFERENCE = """\
# Reference

`import landau_vae as lv` makes every room of the package available; each is loaded when it is first used. A
name that several rooms list has its page under the shortest one.

| room | what it is for |
|---|---|
"""

# ------------------------------------------------------------------------------------------- tables of the package


def answer(*arguments: str) -> str:
    """What a command prints."""
    from landau_vae.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(list(arguments))
    return printed.getvalue()


def price_of(preset: Mapping[str, Any]) -> str:
    """The price of a nat in a loss as it is shipped."""
    if preset["loss"] is None:
        return "none"
    return "β σ²" if preset["price"] is None else f"{preset['price']:.4g}{' β' * (not preset['setting'])}"


def conventions() -> str:
    """The losses of public code bases: what is summed, what is averaged, and the price that this makes."""
    content = json.loads(answer("convert", "--json"))
    parts = [CONVENTIONS.format_map(content)]
    for group in GROUPS:
        presets = {name: each for name, each in content["losses"].items() if each["group"] == group}
        columns: dict[str, Callable[[str, Any], str]] = {
            "name": lambda name, _: f"`{name}`",
            "loss of a row": lambda _, each: each["loss"]["formula"] if each["loss"] else "none",
            "shipped with": lambda _, each: each["setting"] or "—",
            "price τ": lambda _, each: price_of(each),
            "code base, and when it was read": lambda _, each: f"{each['code']} ({each['seen']})",
        }
        cells = [Column(label, [make(*pair) for pair in presets.items()], text=True) for label, make in columns.items()]
        notes = [f"- `{name}`: {each['note']}" for name, each in presets.items() if each["note"]]
        parts += [f"## {group[0].upper()}{group[1:]}", Table(cells).markdown(), "\n".join(notes)]
    return "\n\n".join(parts) + "\n"


CONVENTIONS = """\
# Conventions of public code bases

"β = 1" has no meaning without the loss it stands in. A sum or a mean over features, a ½, a KL that is averaged
over latents: each changes how much error a nat of KL is worth. This exchange rate is the **price** τ. Two
losses with the same price and the same data collapse the same latents.

The table lists every loss that the package knows by name: `lv.Loss.preset("NAME", β)` in Python, `--loss NAME
--beta β` on the command line. Prices are those of the loss as it is shipped, for {features} features, {latents}
latents and batches of {batch} rows. `landau-vae convert --help` lists how to ask for other sizes, and [how to
choose β](how_to/choose_beta.md) uses them. Rows without a price say why below the table.
"""


def findings() -> str:
    """All codes of findings with their meaning."""
    table = Table(
        [
            Column("code", [f"`{code}`" for code in lv.diagnosis.CODES], text=True),
            Column("meaning", list(lv.diagnosis.CODES.values()), text=True),
        ]
    )
    return f"# Findings\n\n{FINDINGS}\n\n{table.markdown()}\n"


FINDINGS = """\
`lv.diagnose` and `lv.Monitor` report what they find under these codes. [How to diagnose a
checkpoint](../how_to/diagnose.md) says what to do about each. In Python the table is `lv.diagnosis.CODES`."""


def limits() -> str:
    """The numbers that decide verdicts."""
    from landau_vae import limits

    return f"# Limits\n\n{LIMITS}\n\n{limits.table().markdown()}\n"


LIMITS = """\
These numbers decide verdicts. Each has a meaning and an origin: a source, or the models and data on which it
was measured."""


def commands() -> str:
    """The help of every command."""
    from landau_vae.cli.commands import app

    names = sorted(each.name or each.callback.__name__ for each in app.registered_commands if each.callback)
    parts = [f"## {name}\n\n```text\n{answer(name, '--help').strip()}\n```" for name in names]
    return "\n\n".join(["# Commands", COMMANDS, *parts]) + "\n"


COMMANDS = """\
Every command prints a table for readers. Most take `--json` for programs, and `--output` for figures and files.

| exit code | meaning |
|---|---|
| 0 | done, and what was checked holds |
| 1 | checked, and something disagrees: theory and numbers, or a model and its prediction |
| 2 | bad input, or output that cannot be written (a full disk); one sentence on standard error says how to mend it |
| 3 | a worker process was ended from outside, or memory ran out; the same command goes on where it was |
| 70 | an error of this program, with its traceback: please report it |
| 130, 143 | ended by Ctrl-C, by SIGTERM |

Files are written beside their place and renamed into it: an interruption, or a full disk, leaves the file that was
there before. `verify --output` and `reproduce --neural --output` keep finished trainings in the folder, `gather` what
it has read, and the same command goes on from there (`gather` with `--resume`). Worker processes end with the program,
however it ends."""


def pages() -> Iterator[tuple[str, str]]:
    """(Place, text) of every page that is made."""
    yield from taken()
    yield from reference()
    yield "conventions.md", conventions()
    yield "reference/findings.md", findings()
    yield "reference/limits.md", limits()
    yield "reference/commands.md", commands()


def write(folder: Path = SITE) -> None:
    """Write the pages; those that are unchanged are left alone, so that Sphinx does not read them again."""
    for place, text in pages():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
