"""Memory: that nothing is copied, at sizes where a copy would show; at the sizes that users have (`slow`)."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import landau_vae as lv

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # each thread of a BLAS has buffers of its own

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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --------------------------------------------------------------------- that nothing is copied, by its peak

RISE = """
import re, sys
from pathlib import Path
import numpy as np, landau_vae as lv
lv.Spectrum.from_data(np.eye(3))  # what the first call loads is not the data's fault
{prepare}
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = peak()
{work}
print(peak() - before)
"""

MAPPED = """
array = np.lib.format.open_memmap("x.npy", mode="w+", dtype="f4", shape={shape})
array[:300] = np.random.default_rng(0).standard_normal((300, array.shape[1]))
array[:300] *= np.geomspace(1, 0.01, 300, dtype="f4")[:, None]
del array
array = np.load("x.npy", mmap_mode="r")
"""


def rise(folder, prepare, work):
    """By how many MB the peak memory of a process rises during the work."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("there is no /proc to read the peak memory from")
    command = [sys.executable, "-c", RISE.format(prepare=prepare, work=work)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=folder, env=os.environ | ONE_THREAD)
    assert run.returncode == 0, run.stderr
    return float(run.stdout)


@pytest.mark.parametrize("work", ["lv.Spectrum.from_file('x.npy')", "lv.spectrum.Partial.from_data(array)"])
def test_a_mapped_file_is_not_copied(tmp_path, work):
    """300 MB on the disk; a block of it, once more in float64, may be in memory."""
    assert rise(tmp_path, MAPPED.format(shape=(300_000, 250)), work) < 60


def test_a_wide_array_is_not_copied(tmp_path):
    """320 MB in memory; its Gram takes blocks of 32 MB."""
    prepare = "array = np.random.default_rng(0).standard_normal((400, 100_000))"
    assert rise(tmp_path, prepare, "lv.Spectrum.from_data(array, modes=3)") < 160


def test_the_strongest_modes_of_a_mapped_file_need_no_matrix(tmp_path):
    """A file of 200 MB, whose covariance would take 1.2 GB; kept are 2 × 256 vectors (49 MB), a few blocks of 32 MB."""
    work = "assert lv.Spectrum.from_data(array, modes=3).truncated"
    assert rise(tmp_path, MAPPED.format(shape=(4200, 12_000)), work) < 280


def test_a_zarr_store_is_not_loaded(tmp_path):
    """480 MB of zeros, which fill no disk, but would fill memory; a slab of whole chunks is 32 MB."""
    pytest.importorskip("zarr")
    prepare = """
import zarr
how = {"chunks": (20_000, 100), "dtype": "f8", "dimension_names": ["i", "j"]}
store = zarr.create_array("x.zarr/t", shape=(600_000, 100), **how)
store[:5000] = np.random.default_rng(0).standard_normal((5000, 100))
zarr.open_group("x.zarr", mode="a")
lv.Spectrum.from_file("x.zarr", exclude=[str(i) for i in range(1, 100)])  # loads the libraries
"""
    assert rise(tmp_path, prepare, "assert lv.Spectrum.from_file('x.zarr').samples == 600_000") < 130


def test_threads_of_dask_hold_blocks_and_not_the_table(tmp_path):
    """320 MB that are made block by block, 8 MB each."""
    pytest.importorskip("dask.array")
    prepare = """
import dask, dask.array as da
array = da.random.default_rng(0).standard_normal((400_000, 100), chunks=(10_000, 100))
dask.config.set(scheduler="threads", num_workers=2)
lv.Spectrum.from_data(array[:20_000])
"""
    assert rise(tmp_path, prepare, "assert lv.Spectrum.from_data(array).samples == 400_000") < 160


def test_the_strongest_modes_on_the_command_line(tmp_path, capsys, rng):
    from landau_vae.cli import main

    X = rng.standard_normal((300, 40)) * 0.9 ** np.arange(40)
    np.save(tmp_path / "x.npy", X)
    whole = lv.Spectrum.from_data(X).eigenvalues
    for beta, words in (("0.9", "1 of 5 modes are active"), ("0.1", "all 5 modes are active, and perhaps more")):
        arguments = ["thresholds", str(tmp_path / "x.npy"), "--strongest", "5", "--beta", beta]
        assert main([*arguments, "--output", str(tmp_path / "cascade.png")]) == 0
        assert words in capsys.readouterr().out
        assert main([*arguments, "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        assert content["transitions"]["price"] == pytest.approx(whole[:5].tolist(), rel=1e-8)
        assert (content["equilibrium"] is None) == (beta == "0.1")
    assert main([*arguments[:2], "--strongest", "5", "--given", "0"]) == 2
    assert "find all modes at once" in capsys.readouterr().err
