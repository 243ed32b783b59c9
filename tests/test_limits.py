"""Every number that decides a verdict says what it limits and where it was measured, and is used."""

import re
from pathlib import Path

import pytest

import landau_vae
from landau_vae import limits

PACKAGE = Path(landau_vae.__file__).parent
LIMITS = {name: value for name, value in vars(limits).items() if isinstance(value, limits.Limit)}
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "limits.py")


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_has_meaning_and_origin_and_is_used(name):
    limit = LIMITS[name]
    assert len(limit.meaning.split()) > 2
    assert limit.origin
    assert re.search(rf"\b{name}\b", SOURCE)


def test_the_table_lists_all():
    rows = limits.table().rows()
    assert [row["limit"] for row in rows] == list(LIMITS)
    assert [row["value"] for row in rows] == list(LIMITS.values())
