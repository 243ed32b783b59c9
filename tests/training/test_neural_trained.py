"""Longer trainings of networks: the linear law on Gaussian data at every stage, and scans that are killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import Loss, Spectrum, equilibrium
from landau_vae.training import Neural, Status

pytest.importorskip("jax")
pytestmark = pytest.mark.slow


def test_deep_networks_follow_the_linear_law_on_gaussian_data():
    """Fresh Gaussian batches: no nonlinear network shifts any onset, with one, two or three latents active.

    Grid points lie 20 % or more from a threshold; what 8 000 updates leave of M² there is below 0.03 (three seeds).
    """
    spectrum = Spectrum.from_eigenvalues([4.0, 1.5, 0.5])
    grid = np.array([0.9, 0.4, 0.15, 0.05])  # thresholds at 0.667, 0.25, 0.083
    how = Neural(hidden=(32, 32), updates=8000, optimizer=lv.training.Adam(2e-3))
    models = lv.scan(spectrum, grid, latents=3, seeds=3, trainer=how, workers=2)
    state = equilibrium(spectrum, Loss.gaussian(6 * grid))
    ranked = np.sort(models.signal_fraction.values, axis=-1)[..., ::-1]
    np.testing.assert_allclose(ranked.mean(axis=0), state.signal_fraction, atol=0.03)
    np.testing.assert_allclose(models.rate.sum("latent").mean("seed"), state.total_rate, atol=0.06)
    np.testing.assert_allclose(models.distortion.mean("seed"), state.total_distortion, rtol=0.03)
    result = lv.verify(models)
    assert result.verdict == ("outside the theory",) * 3
    assert "no verdict" in result.summary()


PROGRAM = """
import sys, numpy as np, landau_vae as lv
from landau_vae.training import Neural
rows = np.random.default_rng(0).standard_normal((500, 3)) * [2, 1, 0.3]
how = Neural(hidden=(16,), updates=1500, batch=32)
models = lv.scan(rows, np.geomspace(0.5, 0.05, 5), latents=2, seeds=2, trainer=how, folder=sys.argv[1], workers=2)
lv.training.save_scan(sys.argv[2], models)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by a signal")
def test_a_scan_that_is_killed_goes_on_with_the_same_numbers(tmp_path):
    """Killed at three random moments; no finished model is trained again, and the numbers are those of one run."""
    rng, finished = np.random.default_rng(7), {}
    for turn in range(4):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "folder"), str(tmp_path / "scan.nc")]
        process = subprocess.Popen(command, start_new_session=True)
        if turn < 3:
            time.sleep(rng.uniform(4, 12))
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(timeout=300) in (0, -signal.SIGKILL)
        for path in (tmp_path / "folder").glob("task-*.npz"):
            assert finished.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert len(finished) == 10
    rows = np.random.default_rng(0).standard_normal((500, 3)) * [2, 1, 0.3]
    how = Neural(hidden=(16,), updates=1500, batch=32)
    whole = lv.scan(rows, np.geomspace(0.5, 0.05, 5), latents=2, seeds=2, trainer=how)
    assert lv.training.load_scan(tmp_path / "scan.nc").equals(whole)
    assert not np.any(whole.status == Status.DIVERGED)
