"""The language of docstrings, messages and pages: plain words, no riddles (shared by all who write here).

`python tests/test_language.py` prints every place of every phrase.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import landau_vae

PACKAGE = Path(landau_vae.__file__).parent
ROOT = PACKAGE.parent
PAGES = [ROOT / "README.md", *(ROOT / "docs" / name for name in ("index.md", "start.md", "scope.md"))]
PAGES += sorted((ROOT / "docs" / "how_to").glob("*.md"))

# Phrase (a regular expression, in any case) → what to write instead.
PHRASES = {
    r"alive-though-dead|dead-though-alive|though[- ]dead": "active below threshold",
    r"as it must\b|as they must\b|because they must": "as predicted",
    r"by what it (sees|saw)|what it sees": "the evidence",
    r"\ba word (where|when|if|on|about)\b": "warns when …",
    r"latent's life|life of a latent": "score",
    r"\b(is|are|was|be|been|as) told\b|\btold (by|in|exactly|apart|from)\b|\bnot told\b|\btold,": "reported, given",
    r"\bno grip\b|\bgrip on\b": "has no effect on",
    r"\bspeaks? (of|for|against)\b": "shows, suggests, no sign of",
    r"in your hands": "exposes, can be set",
    r"say, complain": "output, error handling",
    r"\bthat (is|are) none\b|none any more": "invalid, not …",
    r"what wants|\bwants? (a|an|the|its|to|no)\b": "needs",
    r"\bdead\b": "inactive, collapsed",
    r"\balive\b": "active",
    r"\b(dies|die|died|dying|deaths?|killed off)\b": "collapses",
    r"\b(is|are|was|be) born\b|\bbirths?\b": "appears, bifurcates",
    r"\bsees\b|\bsaw\b|\bseen by\b": "passive, or what is computed",
    r"\bbelieves?\b|\bbelieved\b": "trust, reliable",
    r"\bnot? .{0,20} any ?more\b": "no longer",
    r"\bno numbers\b|\b(that|which|it|they) (is|are) no (?!longer|more|other|better|larger)\w+": "is not a …",
    r"\bhearsay\b|\bverdict is open\b|\bknows nothing\b|\bhas its say\b": "plain words",
}
FIRST_WORDS = re.compile(r"(Of|By|As|In|The same)\b")


def texts(path):
    """(line, text) of every string constant of a file, docstrings included; single words are names, not prose."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


@cache
def prose():
    """(place, text) of all strings of the package and of the prose of pages; code in backticks is left out."""
    pairs = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in texts(path):
            place = f"{path.relative_to(PACKAGE.parent)}:{line}"
            pairs.append((place, re.sub(r"`[^`]*`|(?m:^ *(>>>|\.\.\.).*$)", "", text)))
    for page in PAGES:
        plain = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        pairs.append((str(page.relative_to(ROOT)), plain))
    return pairs


def places(phrase):
    return [
        f"{place}: …{' '.join(text[max(match.start() - 40, 0) : match.end() + 40].split())}…"
        for place, text in prose()
        for match in re.finditer(phrase, text, flags=re.IGNORECASE)
    ]


def first_lines():
    """Docstrings of functions and classes whose first line begins as a fragment does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and FIRST_WORDS.match(ast.get_docstring(node) or ""):
                yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {ast.get_docstring(node).splitlines()[0]}"


@pytest.mark.parametrize("phrase", PHRASES)
def test_plain_words(phrase):
    found = places(phrase)
    assert not found, f"write: {PHRASES[phrase]}\n" + "\n".join(found)


def test_first_lines_are_no_fragments():
    found = list(first_lines())
    assert not found, "\n".join(found)


if __name__ == "__main__":
    for phrase in PHRASES:
        print(f"{phrase}   →   {PHRASES[phrase]}", *places(phrase), sep="\n    ")
    print("first lines", *first_lines(), sep="\n    ")
