"""The numbers of a fixed set of calls (`fixed_numbers.py`) are those of `numbers.json`, from before a rebuild.

They were recorded on a processor of Intel's SkylakeX kind. On others, the kernels of OpenBLAS round differently, and
what depends on that (signs of eigenvectors, when a minimiser stops) is listed in `numbers_of_one_processor.txt`.
"""

import json
from pathlib import Path

import pytest
from fixed_numbers import TABLE, collect, compare
from threadpoolctl import threadpool_info

HERE = Path(__file__).parent
RECORDED_ON = "SkylakeX"


ROOMS = list(dict.fromkeys(name.split("/")[0] for name in TABLE))


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_numbers_are_those_on_file(room):
    recorded = json.loads((HERE / "numbers.json").read_text(encoding="utf-8"))
    if {library["architecture"] for library in threadpool_info() if "architecture" in library} == {RECORDED_ON}:
        tolerance, grain = 1e-12, 0.0
    else:
        tolerance, grain = 1e-9, 1e-9
        for key in (HERE / "numbers_of_one_processor.txt").read_text(encoding="utf-8").splitlines():
            recorded.pop(key, None)
    recorded = {key: value for key, value in recorded.items() if key.split("/")[0] == room}
    lines = compare(recorded, collect(chosen=room), tolerance, grain)
    assert not lines, "\n".join(lines[:40])
