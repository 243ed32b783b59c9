"""kill −9 at random moments, of the program alone or of its workers too: nothing is left, and nothing is lost.

Each command is killed again and again, at moments from its first instruction to its last. What it then
gives is what it gives when nobody kills it, to the bit.
"""

import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
from programs import Program

from landau_vae.training import load_scan

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
VERIFY = ["verify", "x.csv", "--exact", "--points", 40, "--seeds", 8]
TRAIN = """
import sys
import numpy as np
from landau_vae import Spectrum, scan
from landau_vae.training import Sampled, save_scan
models = scan(Spectrum.from_eigenvalues([4, 2, 1]), np.geomspace(0.5, 0.05, 6), seeds=6, folder="out/scan", workers=2,
              trainer=Sampled(updates=300))
save_scan("out/scan.nc", models)
"""
COMMANDS = {
    "verify with workers": [*VERIFY, "--workers", 2, "--output", "out"],
    "verify alone": [*VERIFY, "--workers", 1, "--output", "out"],
    "scan": None,  # of the user's own, in Python
    "bifurcate": ["bifurcate", "x.csv", "--output", "out/a.png"],
    "gather": ["gather", "large.csv", "--output", "out/part.npz", "--every", 0, "--resume"],
    "reproduce": ["reproduce", "--points", 12, "--latents", 3, "--output", "out"],
}


@pytest.fixture
def table(tmp_path):
    """A folder with a small table and one that takes a while to read."""
    data = np.random.default_rng(0).standard_normal((60_000, 8)).round(6)
    for name, rows in {"x.csv": data[:300] * np.arange(8, 0, -1), "large.csv": data}.items():
        np.savetxt(tmp_path / name, rows, "%.6f", ",", header="a,b,c,d,e,f,g,h", comments="")
    return tmp_path


def start(folder, name):
    command = COMMANDS[name]
    return Program(folder, code=TRAIN) if command is None else Program(folder, *command)


def results(folder):
    """What a command has written in the end, apart from its way there; pictures and numbers by their bytes."""
    files = {str(path.relative_to(folder)): path for path in (folder / "out").rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith(".part")]
    ended = {name: path for name, path in files.items() if not name.endswith((".lock", ".state"))}
    scans = {name: load_scan(path) for name, path in ended.items() if name.endswith(".nc")}
    return {name: path.read_bytes() for name, path in ended.items() if name not in scans}, scans


def completed(folder, name):
    """Run a command to its end, or on to it, and return how long it took."""
    begun = time.monotonic()
    code, errors = start(folder, name).end()
    assert code in (0, 1), errors  # `verify` of a coarse grid may disagree, and does so each time
    return time.monotonic() - begun


def killed(folder, name, chance, longest, everyone):
    """Start a command, kill it at some moment, check that no process is left; return whether it was still at work."""
    program = start(folder, name)
    time.sleep(chance.uniform(0, longest))
    if everyone and program.process.poll() is None:
        os.killpg(program.process.pid, signal.SIGKILL)
    else:
        program.process.kill()
    assert program.left_over() == []
    return program.end()[0] == -signal.SIGKILL


def same(folder, files, scans):
    """Whether results are there, and are these."""
    again, models = results(folder)
    return (
        again == files and models.keys() == scans.keys() and all(models[name].identical(scans[name]) for name in scans)
    )


def kill_again_and_again(table, name, kills):
    """Kill a command so often, and run it on from there each time; one that has ended before begins anew."""
    (table / "out").mkdir()
    seconds, whole, chance, count = completed(table, name), results(table), random.Random(name), 0
    shutil.rmtree(table / "out")
    while count < kills:
        (table / "out").mkdir(exist_ok=True)
        if killed(table, name, chance, seconds, everyone=count % 2 == 1):
            count += 1
        else:
            assert same(table, *whole)
            shutil.rmtree(table / "out")
    (table / "out").mkdir(exist_ok=True)
    completed(table, name)
    assert same(table, *whole)


def test_killed_three_times(table):
    kill_again_and_again(table, "verify with workers", 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_again_and_again(table, name):
    """72 kills in all."""
    kill_again_and_again(table, name, 12)
