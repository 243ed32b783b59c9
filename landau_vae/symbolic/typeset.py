"""A page as Markdown with GitHub's mathematics, as a LaTeX document, and as text for a terminal."""

import re
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import sympy as sp
from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
from pylatexenc.latexencode import unicode_to_latex
from pylatexenc.macrospec import LatexContextDb
from sympy.printing.pretty.pretty import PrettyPrinter

from landau_vae.symbolic.page import Code, Formula, Page, Prose

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ONE_INDEX = r"-?\d+|[^-+/<>≤≥ ]*"  # what stands in an index without brackets
_ONE_TERM = r"[^-+ ]|[^-+ (][^-+ (]*"
_ONE_FACTOR = r"\d+|\w(_\w)?(\^\d)?"
_FRACTIONS = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("1", "6"): "⅙", ("1", "8"): "⅛", ("3", "4"): "¾"}
_COMMANDS = {"bold": r"\textbf", "italic": r"\emph", "code": r"\texttt"}
_PLACE = "QFORMULAQ"  # stands for a formula while the prose around it is changed: letters that nothing touches
_MATHEMATICS = re.compile(r"(\$\$.+?\$\$|\$[^$]+\$)", flags=re.DOTALL)


def markdown(page: Page) -> str:
    """Return GitHub Markdown: prose, displayed formulas, the code folded away, the statements checked at the end."""
    parts = []
    for block in page.blocks:
        if isinstance(block, Prose):
            parts.append(re.sub(r"\$\$(.+?)\$\$", r"```math\n\1\n```", block.text, flags=re.DOTALL))
        elif isinstance(block, Formula):
            parts.append(f"```math\n{_equation(block)}\n```")
        else:
            parts.append(f"<details><summary>the computation</summary>\n\n```python\n{block.text}\n```\n\n</details>")
    parts.append("## Checked by machine\n\n" + "\n".join(f"- ✓ {statement}" for statement in page.statements))
    return "\n\n".join(parts) + "\n"


def latex(page: Page) -> str:
    """Return a LaTeX document (article, amsmath) of the prose, the formulas and the statements."""
    parts = [
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb,hyperref}\n\\allowdisplaybreaks\n\\begin{document}"
    ]
    parts += _written(page, _latex_prose, lambda f: f"\\begin{{equation*}}\n{_equation(f)}\n\\end{{equation*}}")
    items = "\n".join(f"\\item {_outside_mathematics(statement, _latex_inline)}" for statement in page.statements)
    parts.append(f"\\section*{{Checked by machine}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}\n\\end{{document}}")
    return "\n\n".join(parts) + "\n"


def text(page: Page, width: int = 100) -> str:
    """Return Unicode for a terminal: the code left out, formulas drawn over several lines."""
    parts = _written(page, lambda prose: _text_prose(prose, width), lambda f: textwrap.indent(_drawn(f), "    "))
    lines = (textwrap.fill(f"  ✓ {_plain(s)}", width, subsequent_indent="    ") for s in page.statements)
    parts.append("Checked by machine\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _written(page: Page, prose: Callable[[str], str], formula: Callable[[Formula], str]) -> list[str]:
    """Return prose and formulas in their order, the code left out."""
    blocks = (block for block in page.blocks if not isinstance(block, Code))
    return [prose(block.text) if isinstance(block, Prose) else formula(block) for block in blocks]


# ------------------------------------------------------------------------------------------ equations


def _equation(formula: Formula) -> str:
    body = sp.latex(formula.expression, mat_delim="(", ln_notation=True)
    return f"{formula.name} = {body}" if formula.name else body


def _drawn(formula: Formula) -> str:
    """Return the name at the height of the expression's own line, as a book would set it."""
    drawing = PrettyPrinter({"use_unicode": True, "wrap_line": False})._print(formula.expression)
    name = f"{_unicode(formula.name)} = " if formula.name else ""
    lines = str(drawing).split("\n")
    return "\n".join((name if i == drawing.baseline else " " * len(name)) + line for i, line in enumerate(lines))


# ---------------------------------------------------------------------------------------------- prose


def _outside_mathematics(text: str, change: Callable[[str], str], inside: Callable[[str], str] = str) -> str:
    """Change the prose around the mathematics, marks that span it included, and the mathematics in its own way."""
    formulas = _MATHEMATICS.findall(text)
    hidden = change(_MATHEMATICS.sub(_PLACE, text))
    for formula in formulas:
        hidden = hidden.replace(_PLACE, inside(formula), 1)
    return hidden


def _unicode(mathematics: str) -> str:
    """Return inline mathematics as one line of Unicode."""
    spelled = mathematics.replace("tfrac", "frac").replace("''", "″").replace("'", "′")
    grouped = re.sub(r"([_^])\{([^{}]*)\}", lambda f: f"{f[1]}{{{_grouped(f[2], _ONE_INDEX)}}}", spelled)
    line = LatexNodes2Text(latex_context=_plain_text(), math_mode="text").latex_to_text(grouped)
    line = re.sub(r" +", " ", line).replace("_ ", "_").replace(" ,", ",").strip()
    return re.sub(r"\^(-?\d+)", lambda power: power[1].translate(_RAISED), line)


@cache
def _plain_text() -> LatexContextDb:
    """Return how LaTeX's macros read on one line: fractions with a slash, functions by their names."""
    context = get_default_latex_context_db()
    functions = [MacroTextSpec(name, f" {name} ") for name in ("det", "ln", "min", "max", "sup", "lim")]
    others = [MacroTextSpec("frac", _fraction), MacroTextSpec("top", "T"), MacroTextSpec("ne", "≠")]
    context.add_context_category("one line", prepend=True, macros=[*functions, *others])
    return context


def _fraction(node: Any, l2tobj: LatexNodes2Text) -> str:
    above, below = (l2tobj.nodelist_to_text([argument]).strip() for argument in node.nodeargd.argnlist)
    return _FRACTIONS.get((above, below), f"{_grouped(above, _ONE_TERM)}/{_grouped(below, _ONE_FACTOR)}")


def _grouped(part: str, keep: str) -> str:
    return part if re.fullmatch(keep, part) else f"({part})"


def _plain(text: str) -> str:
    """Return one line of prose without marks."""
    return re.sub(r"\s+", " ", _outside_mathematics(text, _unmarked, lambda piece: _unicode(piece.strip("$"))))


def _unmarked(text: str) -> str:
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1", text)
    return re.sub(r"(\*\*|\*|`)(.+?)\1", r"\2", text, flags=re.DOTALL)


def _paragraphs(text: str) -> list[str]:
    """Return paragraphs, headings and displayed formulas, whether or not blank lines stand between them."""
    apart = re.sub(r"^(#+ [^\n]*|\$\$.+?\$\$)$", r"\n\1\n", text, flags=re.MULTILINE | re.DOTALL)
    return [paragraph.strip() for paragraph in re.split(r"\n\s*\n", apart) if paragraph.strip()]


def _text_prose(text: str, width: int) -> str:
    """Return paragraphs wrapped, headings underlined, lists kept."""
    blocks = []
    for paragraph in _paragraphs(text):
        if paragraph.startswith("$$"):
            blocks.append("    " + _unicode(paragraph.strip("$\n ")))
        elif paragraph.startswith("#"):
            title = textwrap.fill(_plain(paragraph.lstrip("# ")), width)
            rule = ("=" if paragraph.startswith("# ") else "-") * max(map(len, title.splitlines()))
            blocks.append(f"{title}\n{rule}")
        else:
            items = re.split(r"\n(?=- |\d+\. )", paragraph)
            hang = "  " if re.match(r"- |\d+\. ", paragraph) else ""
            blocks.append("\n".join(textwrap.fill(_plain(item), width, subsequent_indent=hang) for item in items))
    return "\n\n".join(blocks)


def _latex_prose(text: str) -> str:
    blocks = []
    for paragraph in _paragraphs(text):
        level, body = re.match(r"(#*)\s*(.*)", paragraph, flags=re.DOTALL).groups()  # type: ignore[union-attr]
        items = re.split(r"(?:^|\n)(?:- |\d+\. )", body)
        typeset = [_outside_mathematics(item.strip(), _latex_inline) for item in items]
        if level:
            blocks.append(f"\\{'sub' * (len(level) - 1)}section*{{{typeset[0]}}}")
        elif len(items) > 1:
            listed = "\n".join(f"\\item {item}" for item in typeset[1:])
            blocks.append(f"{typeset[0]}\n\\begin{{itemize}}\n{listed}\n\\end{{itemize}}".strip())
        else:
            blocks.append(typeset[0])
    return "\n\n".join(blocks)


def _latex_inline(text: str) -> str:
    """Turn marks of Markdown into commands, everything else as it reads."""
    marks = r"\*\*(?P<bold>.+?)\*\*|\*(?P<italic>.+?)\*|`(?P<code>[^`]+)`|\[(?P<label>[^\]]+)\]\((?P<link>[^)]+)\)"
    result, end = "", 0
    for match in re.finditer(marks, text, flags=re.DOTALL):
        result += unicode_to_latex(text[end : match.start()])
        end = match.end()
        command = _COMMANDS.get(match.lastgroup or "", rf"\href{{{match['link']}}}")
        content = next(part for part in match.groups() if part)
        result += rf"{command}{{{unicode_to_latex(content)}}}"
    return result + unicode_to_latex(text[end:])
