"""Scans and spectra on a Dask cluster: two processes of their own, the same bits."""

import os
import signal
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import CLOSED
from trainers import Counted, Small, same

from landau_vae import Spectrum, scan

distributed = pytest.importorskip("distributed", reason="a cluster needs the extra 'dask'")

GRID = np.geomspace(0.5, 0.01, 10)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as workers,
        distributed.Client(workers) as client,
        joblib.parallel_config(backend="dask"),
    ):
        yield client


def test_a_cluster_changes_no_bit(cluster, climate):
    arguments = {"seeds": (3, 1), "trainer": Small(max_iterations=30)}
    with joblib.parallel_config(backend="sequential"):
        alone = scan(climate, GRID, **arguments)
    assert same(scan(climate, GRID, workers=-1, **arguments), alone)


def test_a_scan_on_a_cluster_is_resumed(cluster, climate, tmp_path):
    part = scan(climate, GRID, seeds=(1,), trainer=Small(), workers=-1, folder=tmp_path)
    both = scan(climate, GRID, seeds=(1, 3), trainer=Small(), workers=-1, folder=tmp_path)
    assert same(both.sel(seed=[1]), part)


def test_data_are_sent_to_a_worker_once_and_not_with_each_task(cluster, rng):
    """4 MB of rows for 40 tasks of two workers, who count how often a trainer, and the data with it, has arrived."""
    rows = rng.standard_normal((50_000, 10))
    models = scan(rows, np.geomspace(0.5, 0.01, 40), trainer=Counted(1), workers=-1)
    assert models.arrivals.max() <= 2
    np.testing.assert_array_equal(models.row_mean[0, 7], rows.mean(axis=0))


# ------------------------------------------------------------------------------------------ spectra


def test_a_cluster_gives_the_spectrum_of_the_array_in_memory(cluster, rng):
    array = pytest.importorskip("dask.array")
    data = rng.standard_normal((20_000, 12)) * np.geomspace(5, 0.1, 12) + 30
    for how in ({}, {"standardize": True}, {"weights": rng.uniform(size=20_000)}):
        spectrum = Spectrum.from_data(array.from_array(data, chunks=(1500, 5)), **how)
        expected = Spectrum.from_data(data, **how)
        np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=CLOSED)
        assert spectrum.total_variance == pytest.approx(expected.total_variance, rel=CLOSED)
        assert spectrum.samples == 20_000
    frame = pytest.importorskip("dask.dataframe").from_array(data, columns=list("abcdefghijkl"))
    np.testing.assert_allclose(Spectrum.from_data(frame).eigenvalues, Spectrum.from_data(data).eigenvalues, rtol=CLOSED)


def test_a_killed_worker_changes_no_bit(cluster, tmp_path):
    """kill −9 on the worker that has come to block 20, once: its blocks are made again elsewhere."""
    array = pytest.importorskip("dask.array")
    blocks = array.map_blocks(
        block_that_kills_once,
        array.arange(40, chunks=1)[:, None],
        str(tmp_path),
        chunks=((100,) * 40, (6,)),
        dtype=float,
    )
    (tmp_path / "spared").touch()
    alone = Spectrum.from_data(np.concatenate([block_of(k) for k in range(40)]))
    calm = Spectrum.from_data(blocks)
    (tmp_path / "spared").unlink()
    killed = Spectrum.from_data(blocks)
    assert (tmp_path / "killed").exists()
    np.testing.assert_array_equal(killed.eigenvalues, calm.eigenvalues)
    np.testing.assert_allclose(killed.eigenvalues, alone.eigenvalues, rtol=CLOSED)


def block_of(k):
    return np.random.default_rng(k).standard_normal((100, 6)) * [5, 4, 3, 2, 1, 0.5]


def block_that_kills_once(index, folder):
    k, folder = int(index[0, 0]), Path(folder)
    if k == 20 and not (folder / "spared").exists() and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block_of(k)
