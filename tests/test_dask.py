"""A scan on a Dask cluster: two processes of their own, the same bits."""

import joblib
import numpy as np
import pytest
from trainers import Counted, Small, same

from landau_vae import scan

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
    np.testing.assert_array_equal(models["mean"][0, 7], rows.mean(axis=0))
