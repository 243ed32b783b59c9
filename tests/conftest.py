"""Named tolerances and data that many tests share.

A tolerance says how two independent routes to one number may differ, and why; a test that needs another one states
its reason beside it.
"""

import os
from pathlib import Path

for library in ("OPENBLAS", "OMP", "MKL"):  # one thread each: tests run on all cores already (before NumPy loads)
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pytest

import landau_vae as lv

collect_ignore_glob = ["studies/*"]  # scripts, not tests

#: Tests of more than a second or two, as measured; those of minutes are marked where they stand.
SLOW = set((Path(__file__).parent / "slow.txt").read_text(encoding="utf-8").splitlines())


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if {item.nodeid, item.nodeid.partition("[")[0]} & SLOW:
            item.add_marker(pytest.mark.slow)


CLOSED = 1e-12  # closed form against closed form in float64: a few dozen roundings of 1e-16
SOLVED = (
    1e-6  # an independent minimiser stops at gradients of 1e-9; order parameters are square roots of that, at worst
)
TRAINED = 1e-5  # the trainer's relative gradient of 1e-8 near a threshold, where curvature vanishes like 1 − T/T_k
SAMPLED = 4  # standard errors, from the estimator itself: 6e-5 of all draws fall outside


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260522)


@pytest.fixture(scope="session")
def climate() -> lv.Spectrum:
    return lv.datasets.worldclim().spectrum()


@pytest.fixture(scope="session")
def climate_scan(climate):
    """The main job: 121 temperatures over six decades."""
    return lv.scan(climate, np.geomspace(1, 1e-6, 121))


@pytest.fixture(scope="session")
def layers_folder() -> Path:
    folder = os.environ.get("LANDAU_VAE_WORLDCLIM")
    if not folder:
        pytest.skip("LANDAU_VAE_WORLDCLIM does not name a folder with the WorldClim layers")
    pytest.importorskip("rasterio", reason="reading the layers needs the extra 'worldclim'")
    return Path(folder)
