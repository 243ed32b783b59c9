"""Write what was measured as JSON: a row a line, with the commit. `rounded`, `written`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
DIGITS = 4


def rounded(values: Any) -> Any:
    """Return numbers with a few digits; None for what is not finite."""
    if np.ndim(values):
        return [rounded(each) for each in values]
    return float(f"{values:.{DIGITS}g}") if np.isfinite(values) else None


def written(name: str, rows: list[dict], **head: Any) -> None:
    """Write rows to a file of this folder, one a line, after the commit and what stands at the head."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
    start = json.dumps({"commit": commit.stdout.strip()} | head, indent=1, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows)
    (HERE / name).write_text(f'{start},\n "models": [\n{lines}\n]\n}}\n')


def read(name: str) -> dict:
    """Return a file of this folder."""
    return json.loads((HERE / name).read_text())
