"""A diagnosis as one HTML file: the verdict, four pictures, findings with advice, every number, and what it means.

The file asks nothing of the network and runs no script; it follows the reader's light or dark scheme, reads on a
phone, and prints. What `Diagnosis.to_dict()` says is in it as JSON, under the id "diagnosis".
"""

import json
import sys
from html import escape
from pathlib import Path

from landau_vae.diagnosis import Diagnosis
from landau_vae.report.sections import SECTIONS, facts, headline, pictures
from landau_vae.training.netcdf import replace_file

__all__ = ["write_page"]


def write_page(path: str | Path, result: Diagnosis, title: str | None = None) -> Path:
    """Write the page of a diagnosis; `title` says of which model and data."""
    content = page(result, title or "Diagnosis of a trained VAE")
    return replace_file(Path(path), lambda partial: partial.write_text(content, encoding="utf-8"))


def page(result: Diagnosis, title: str) -> str:
    """The page as text."""
    style = Path(__file__).with_name("html_page.css").read_text(encoding="utf-8")
    verdict, kind = headline(result), "calm" if result.healthy else "alarm"
    mark = "✓ healthy" if result.healthy else f"! {result.verdict}"
    q = result.posterior
    colophon = (
        f"landau-vae {sys.modules['landau_vae'].__version__} · n = {q.samples}, d = {result.spectrum.dimension}, "
        f"K = {q.latents} · "
        "theory: J. Hirn, arXiv:2605.22691"
    )
    return f"""<!DOCTYPE html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark">
<title>{escape(f"{title}: {verdict}")}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header class={kind}>
<p class=kicker>{escape(title)}</p>
<h1>{escape(verdict)}</h1>
<p class=verdict>{escape(mark)}</p>
{facts(result)}
</header>
{pictures(result)}
{"".join(f"{section(result)}{chr(10)}" for section in SECTIONS)}</main>
<footer>{escape(colophon)}</footer>
<script type="application/json" id="diagnosis">{embedded(result)}</script>
</body>
</html>
"""


def embedded(result: Diagnosis) -> str:
    """Strict JSON that no tag can end."""
    return json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
