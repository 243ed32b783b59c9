"""The site: `python -m sphinx docs docs/_build/html`, with the extra `docs` installed."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ |= {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}  # the help of commands, as text

import generate  # noqa: E402

import landau_vae  # noqa: E402

generate.write()

project, author = "landau-vae", "The landau-vae developers"
version = release = landau_vae.__version__
copyright = f"{author}, MIT licence"
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx_design",
]
exclude_patterns = ["_build"]
default_role = "py:obj"

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "json_fields, expected, content"}  # how results are made
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "landau-vae"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("index", "start", "conventions", "scope", "changelog", "contributing")}
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}


def escape_bars(app, what, name, thing, options, lines):
    """In docstrings |x − f| is an absolute value and not a substitution; code is left as it is."""
    code = False
    for number, line in enumerate(lines):
        code = line.lstrip().startswith(">>>") or (code and bool(line.strip()))
        if not code:
            parts = line.split("`")
            lines[number] = "`".join(part.replace("|", r"\|") if k % 2 == 0 else part for k, part in enumerate(parts))


def setup(app):
    """Sphinx calls this when it has read the settings."""
    app.connect("autodoc-process-docstring", escape_bars, priority=900)  # after numpydoc
