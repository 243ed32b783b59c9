"""The site is built without a warning and without a network, and every public name is on it: `.ci/run docs`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_pages import generate

pytest.importorskip("pydata_sphinx_theme", reason="the extra 'docs' is not installed")
pytest.importorskip("myst_nb", reason="the extra 'docs' is not installed")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        folder / "trees",
        "docs",
        folder / "html",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def pages(site):
    """Path and text of every page; what lies in _static is the theme's."""
    found = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return [(path, path.read_text(encoding="utf-8")) for path in found]


def test_every_public_name_is_on_the_site(site):
    from sphinx.util.inventory import InventoryFile

    content = (site / "objects.inv").read_bytes()
    inventory = InventoryFile.loads(content, uri="").data
    known = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    for names in generate.public().values():
        assert [home for home in names.values() if home not in known] == []


def test_every_internal_link_leads_somewhere(site):
    for page, text in pages(site):
        for target in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', text):
            if not re.match(r"[a-z]+:|//", target):
                assert (page.parent / target).exists(), f"{page.relative_to(site)}: {target}"
                assert not target.endswith((".md", ".ipynb", ".rst")), f"{page.relative_to(site)}: {target}"


def test_nothing_but_mathematics_is_loaded_from_outside(site):
    for _, text in pages(site):
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)"', text)
        assert all("mathjax" in address for address in loaded), loaded
