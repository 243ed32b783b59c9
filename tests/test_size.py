"""Memory at the sizes that users have; minutes and gigabytes, hence `slow`."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

pytestmark = pytest.mark.slow

MEASURE = """
import re, resource, sys
from pathlib import Path
from landau_vae.cli import main
code = main(["thresholds", sys.argv[1], *sys.argv[2:]])
status = Path("/proc/self/status")  # of this program; the resource usage begins with the peak of the one that began it
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1] if status.exists() else None
print(peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def thresholds(*arguments):
    """What the command prints, and its peak memory in MB."""
    command = [sys.executable, "-c", MEASURE, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return run.stdout, int(run.stderr.split()[-1]) / 1000


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_4_gb_array_is_read_by_blocks(tmp_path, rng, dtype):
    """A sparse file with data at both ends; the whole of it is read. The bar is 500 MB."""
    columns = 20
    rows = 4 * 10**9 // (columns * np.dtype(dtype).itemsize)
    array = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=dtype, shape=(rows, columns))
    array[:1000] = 10 * rng.standard_normal((1000, columns))
    array[-1000:] = 10 * rng.standard_normal((1000, columns))
    ends = np.concatenate([array[:1000], array[-1000:]]).astype(float)
    total = (ends**2).sum() / rows - ((ends.sum(axis=0) / rows) ** 2).sum()
    del array
    for options in ([], ["--exclude", "3"]):
        out, peak = thresholds(tmp_path / "x.npy", *options)
        assert peak < 500
        assert f"n = {rows}" in out
        if not options:
            assert f"V = {total:.6g}" in out


def test_a_long_csv_and_parquet_are_read_by_blocks(tmp_path, rng):
    """Five times the rows in the same memory, which of a Parquet file is that of a row group."""
    import pandas as pd

    frame = pd.DataFrame(rng.standard_normal((400_000, 10)).round(6))
    frame.columns = frame.columns.map(str)
    long = pd.concat([frame] * 5)
    to_parquet = partial(pd.DataFrame.to_parquet, row_group_size=200_000)
    for suffix, save in ((".csv", pd.DataFrame.to_csv), (".parquet", to_parquet)):
        for name, table in (("short", frame), ("long", long)):
            save(table, tmp_path / f"{name}{suffix}", index=False)
        short, more = (thresholds(tmp_path / f"{name}{suffix}") for name in ("short", "long"))
        assert more[1] < short[1] + 50
        assert more[0].splitlines()[4:] == short[0].splitlines()[4:]  # five copies have the spectrum of one
