"""What is published says the same everywhere; `.ci/run release` builds it, installs it and tries it."""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import consumer
import pytest

import landau_vae as lv

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
HOW_TO = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## How to make a release")[2]
PLACEHOLDER = "OWNER"


def described():
    """The README as the index shows it: with the substitutions that the build makes."""
    text = README.replace("$", "$$")
    for each in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    return text


def test_versions_agree():
    (cited,) = re.findall(r"^version: (\S+)$", CITATION, flags=re.MULTILINE)
    newest = re.search(
        r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert {lv.__version__, cited, newest[1]} == {lv.__version__}
    assert re.fullmatch(r"\d+\.\d+\.\d+", lv.__version__)


def test_the_description_leads_to_files_of_the_repository_by_full_addresses():
    found = re.findall(r"\]\((.*?)\)", described())
    assert len(found) >= 4
    assert not [link for link in found if not link.startswith("https://")]
    for host in ("https://github.com/OWNER/landau-vae/blob", "https://raw.githubusercontent.com/OWNER/landau-vae"):
        inside = [link.removeprefix(f"{host}/v$HFPR_VERSION/") for link in found if link.startswith(host)]
        assert inside
        assert [path for path in inside if not (ROOT / path.partition("#")[0]).exists()] == []
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", described(), flags=re.DOTALL)
    assert all("raw.githubusercontent" in link for link in pictures)  # a page about a picture shows none


def test_placeholders_are_where_contributing_says():
    """In no other file of the repository, and in each that is named."""
    listed = subprocess.run(
        ["git", "grep", "-lw", PLACEHOLDER, "--", ":!tests/test_release.py"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    (named,) = re.findall(rf"`{PLACEHOLDER}`.*? in (.*?);", HOW_TO, flags=re.DOTALL)
    assert sorted({*listed, "CONTRIBUTING.md"}) == sorted({*re.findall(r"`(.*?)`", named), "CONTRIBUTING.md"})


def test_classifiers_say_which_pythons():
    classifiers = PROJECT["project"]["classifiers"]
    pythons = [line.rsplit(" ", 1)[1] for line in classifiers if re.search(r"Python :: 3\.\d+$", line)]
    assert f">={pythons[0]}" == PROJECT["project"]["requires-python"]
    for topic in ("Development Status", "Intended Audience", "Operating System", "Topic", "Typing"):
        assert any(line.startswith(f"{topic} ::") for line in classifiers), topic


def test_citation_has_what_the_format_demands():
    """The required fields of CFF 1.2.0; cffconvert reads the whole in `.ci/run release`."""
    for name in ("cff-version", "message", "title", "authors"):
        assert re.search(rf"^{name}:", CITATION, flags=re.MULTILINE), name
    assert re.search(r"arXiv:2605\.22691", CITATION)


def test_extras_that_messages_name_exist_and_are_asked_for_by_the_smoke_test():
    extras = set(PROJECT["project"]["optional-dependencies"])
    assert set(runpy.run_path(str(ROOT / ".ci" / "smoke.py"))["MISSING"]) == extras
    for path in (ROOT / "landau_vae").rglob("*.py"):
        named = set(re.findall(r"landau-vae\[(\w+)\]", path.read_text(encoding="utf-8")))
        assert named <= extras, f"{path.name} names {named - extras}"


def test_types_are_shipped_and_the_users_program_runs():
    assert (ROOT / "landau_vae" / "py.typed").is_file()
    assert consumer.right_uses()[-1].startswith("Eigenvalues must be")


@pytest.mark.parametrize("wrong", ["beta", "reconstruction"])
def test_what_the_type_checker_finds_is_wrong_when_it_runs_too(wrong):
    with pytest.raises(lv.InputError, match=wrong):
        lv.Loss.gaussian(**{wrong: "4"})
