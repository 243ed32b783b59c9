"""Markdown pages whose code is run: every block once, in the order of the page, as one session in one folder.

A page may hold these blocks. `pycon`: Python with its answers. `python`: a script; a block `text` after it is what it
prints. `console`: commands of landau-vae after `$ `, each with what it prints (nothing: whatever it prints), and with
exit code 0 unless `<!-- exit 1 -->` stands above. `sh`, for installing, is not run here, nor is a block under
`<!-- example: … -->`, which has a test of its own. `...` stands for anything.

`python tests/documents.py PAGE …` runs pages and writes the outputs that are missing or no longer right.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
STATEMENT = re.compile(r"^(>>> [^\n]*\n(?:\.\.\.[^\n]*\n)*)((?:(?!>>> )[^\n]*\n)*)", re.MULTILINE)
NOT_RUN = ("sh", "math")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [match["body"] for match in FENCE.finditer(text) if match["kind"] == language]


def printed_by(source: str, names: dict, mode: str) -> str:
    """What Python prints when it runs a source."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, "<page>", mode, dont_inherit=True), names)
    return printed.getvalue()


def pycon(body: str, names: dict, mark: str) -> Iterator[tuple[str, str, str]]:
    """(Statement as shown, answer on the page, answer) of each statement."""
    for shown, want in STATEMENT.findall(body):
        source = "".join(line[4:] or "\n" for line in shown.splitlines(keepends=True))
        yield shown, want, printed_by(source, names, "single")


def console(body: str, names: dict, mark: str) -> Iterator[tuple[str, str, str]]:
    """(Command as shown, output on the page, output) of each command; without an output on the page any will do."""
    from landau_vae.cli import main

    wanted = int(mark.removeprefix("exit ")) if mark.startswith("exit ") else 0
    for command, want in re.findall(r"^(\$ [^\n]*\n)((?:(?!\$ )[^\n]*\n)*)", body, flags=re.MULTILINE):
        program, *arguments = shlex.split(command.removeprefix("$ "))
        assert program == "landau-vae", command
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert main(arguments) == wanted, command
        yield command, want, printed.getvalue() if want else ""


def python(body: str, names: dict, mark: str) -> Iterator[tuple[str, str, str]]:
    """A script, whose output is kept for the block after it."""
    names["_printed"] = printed_by(body, names, "exec")
    yield body, "", ""


def text(body: str, names: dict, mark: str) -> Iterator[tuple[str, str, str]]:
    """What the script before it printed."""
    assert "_printed" in names, f"no script before this output:\n{body}"
    yield "", body, names.pop("_printed")


KINDS = {"pycon": pycon, "console": console, "python": python, "text": text}


def agree(want: str, got: str) -> bool:
    """Whether an output is the one on the page; spaces at the ends of lines do not count."""
    want, got = ("\n".join(map(str.rstrip, each.strip("\n").splitlines())) + "\n" for each in (want, got))
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)


def run_page(page: str, names: dict | None = None) -> Iterator[tuple[str, str, str]]:
    """(Step, output on the page, output) of every step; to be exhausted in the folder where the page is run."""
    names = {"__name__": "__main__"} if names is None else names
    for match in FENCE.finditer(page):
        mark, kind = match["mark"] or "", match["kind"].strip()
        if kind in NOT_RUN or kind.startswith("{") or mark.startswith("example: "):
            continue
        assert kind in KINDS, f"a block of the kind '{kind}' is not run:\n{match['body']}"
        yield from KINDS[kind](match["body"], names, mark)


def run_examples(page: str, names: dict | None = None) -> int:
    """Run a page and compare; how many steps it has."""
    steps = 0
    for step, want, got in run_page(page, names):
        assert agree(want, got), f"{step}\nexpected:\n{want}\ngot:\n{got}"
        steps += 1
    return steps


def filled(page: str) -> str:
    """The page with right outputs: those that are right, dots included, stay as they are."""
    steps = run_page(page)
    for step, want, got in steps:
        clean = "\n".join(map(str.rstrip, got.strip("\n").splitlines())) + "\n" * bool(got.strip())
        if not agree(want, got):
            before, _, after = page.partition(step + want) if step else page.partition(want)
            page = f"{before}{step}{clean}{after}"
    return page


def main(paths: list[str]) -> None:
    """Fill the pages in."""
    for path in map(Path, paths):
        path = path.resolve()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main(sys.argv[1:])
