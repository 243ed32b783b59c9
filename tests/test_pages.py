"""The pages of the site: every block of code is run, once, as a reader would; what they list is all there is.

The derivations, the notebooks and the docstrings, which are on the site too, have tests of their own. A page that needs
frameworks names them in a comment, and is run where they are: `.ci/run torch` and `.ci/run adapters`.
"""

import re
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from documents import FENCE, blocks, run_examples

import landau_vae as lv
from landau_vae.cli import main
from landau_vae.loss import PRESETS

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import generate  # noqa: E402

MADE = {*generate.TAKEN.values(), "conventions.md"}
PAGES = {
    str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
    for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("how_to/*.md")])
    if str(path.relative_to(DOCS)) not in MADE
}


def needs(page):
    """The frameworks that a page needs."""
    named = re.findall(r"^<!-- needs: (.*) -->$", page, flags=re.MULTILINE)
    imported = re.findall(r"^import (torch|lightning|keras|scvi)$", page, flags=re.MULTILINE)
    return " ".join(named).split() or imported


def marks(page):
    """Where a page is run."""
    frameworks = needs(page)
    return [getattr(pytest.mark, "torch" if frameworks == ["torch"] else "adapters")] if frameworks else []


WITH_CODE = [pytest.param(name, marks=marks(page)) for name, page in PAGES.items() if FENCE.search(page)]


@pytest.mark.parametrize("name", WITH_CODE)
def test_every_block_does_what_the_page_says(name, tmp_path, monkeypatch, capsys):
    page = PAGES[name]
    missing = [framework for framework in needs(page) if find_spec(framework) is None]  # the page imports them
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    monkeypatch.chdir(tmp_path)
    # Hugging Face looks for its own `datasets`, and would take the folder of tests of that name.
    tests = Path(__file__).parent
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each or ".").resolve() != tests])
    with warnings.catch_warnings():
        if set(needs(page)) - {"torch"}:  # their own warnings, and what monitors say in passing
            warnings.simplefilter("ignore")
        run_examples(page)


@pytest.mark.parametrize(
    "name", [name for name in PAGES if name.startswith("how_to/") and not name.endswith("index.md")]
)
def test_a_how_to_page_begins_with_what_the_reader_has_and_ends_in_what_to_do(name):
    page = PAGES[name]
    assert "**You have**" in page
    assert re.search(r"\*\*At the end\s+you\s+(have|know)\*\*", page)
    assert "## If it says …" in page or "## 4. If it says …" in page
    assert Path(name).stem in blocks(PAGES["how_to/index.md"], "{toctree}")[0].split()


@pytest.mark.parametrize("name", PAGES)
def test_files_that_a_page_leads_to_exist(name):
    for target in re.findall(r"\]\(([^)#\s]+)", PAGES[name]):
        path = (DOCS / name).parent / target
        made = str(path.resolve().relative_to(DOCS)) if path.resolve().is_relative_to(DOCS) else ""
        assert "://" in target or path.exists() or made in MADE or made.startswith("reference/"), target


def test_every_option_that_is_named_exists(capsys):
    for command in ("thresholds", "choose", "onset", "bifurcate", "verify", "diagnose", "explain", "convert", "gather",
                    "reproduce", "derive"):  # fmt: skip
        main([command, "--help"])
    known = capsys.readouterr().out
    for name, page in PAGES.items():
        for option in re.findall(r"(?<=[\s`(])(--[a-z][a-z-]+)", re.sub(r"```sh.*?```", "", page, flags=re.DOTALL)):
            assert option in known, f"{name}: {option}"


def test_every_alarm_has_its_line():
    """What to do about a code stands in the table of the page on checkpoints; of remarks, the table of all codes."""
    page, table = PAGES["how_to/diagnose.md"], generate.findings()
    alarms = re.findall(r"\*([a-z-]+)\*", page.partition("## 4.")[2].partition("\n## ")[0])
    assert set(alarms) <= set(lv.diagnosis.CODES) | {"healthy"}
    assert all(f"`{code}`" in table for code in lv.diagnosis.CODES)


def test_the_table_of_conventions_holds_every_preset():
    table = generate.conventions()
    assert all(f"| `{name}` |" in table for name in PRESETS)
    assert all(each.refused in table for each in PRESETS.values())
    assert "| `beta-vae` | Σ(x − x̂)² + β Σ KL | beta = 4 | 2 |" in table  # two nats cost 4: no ½


def test_every_public_name_has_a_page():
    places = dict(generate.reference())
    for room, names in generate.public().items():
        assert f"reference/{room}.rst" in places
        assert all(f"reference/names/{home}.rst" in places for home in names.values())
        assert all(f":py:obj:`{home}`" in places[f"reference/{room}.rst"] for home in names.values())


def test_links_of_what_is_taken_lead_to_pages():
    source = generate.ROOT / "derivations" / "README.md"
    text = "[a](01_loss.md), [b](../landau_vae/limits.py), [c](../CHANGELOG.md#x), [d](https://e.org)"
    assert generate.on_site(text, source) == "[a](01_loss.md), b, [c](../changelog.md#x), [d](https://e.org)"
