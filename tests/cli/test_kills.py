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

from landau_vae.data.archive import load_arrays, load_partial
from landau_vae.training import load_scan
from landau_vae.training.checkpoint import HEADER as STATE

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
VERIFY = ["verify", "x.csv", "--exact", "--points", 24, "--seeds", 8, "--output", "out"]
SCAN = """
import numpy as np
from landau_vae import Spectrum, scan
from landau_vae.training import Sampled, checkpoint, save_scan
checkpoint.EVERY = 0.05
models = scan(Spectrum.from_eigenvalues([4, 2, 1]), np.geomspace(0.5, 0.05, 6), seeds={seeds}, folder="out/scan",
              workers={workers}, trainer=Sampled(updates={updates}))
save_scan("out/scan.nc", models)
"""
REPRODUCE = ["reproduce", "--points", 4, "--latents", 3, "--output", "out"]
COMMANDS = {  # and how often each is killed
    "verify with workers": ([*VERIFY, "--workers", 2], 8),
    "verify alone": ([*VERIFY, "--workers", 1], 6),
    "scan of several tasks": (SCAN.format(seeds=6, workers=2, updates=300), 14),  # of the user's own, in Python
    "scan of one task": (SCAN.format(seeds=1, workers=1, updates=12000), 14),
    "bifurcate": (["bifurcate", "x.csv", "--output", "out/a.png"], 6),
    "gather": (["gather", "large.csv", "--output", "out/part.npz", "--every", 0, "--resume"], 14),
    "reproduce": (REPRODUCE, 4),
}


@pytest.fixture
def table(tmp_path):
    """A folder with a small table and one that takes a while to read."""
    data = np.random.default_rng(0).standard_normal((100_000, 4)).round(6)
    for name, rows in {"x.csv": data[:40] * [4, 3, 2, 1], "large.csv": data}.items():
        np.savetxt(tmp_path / name, rows, "%.6f", ",", header="a,b,c,d", comments="")
    return tmp_path


def start(folder, name):
    command, _ = COMMANDS[name]
    return Program(folder, code=command) if isinstance(command, str) else Program(folder, *command)


def results(folder):
    """What a command has written in the end, apart from its way there; pictures and numbers by their bytes."""
    files = {str(path.relative_to(folder)): path for path in (folder / "out").rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith(".part")]
    ended = {name: path for name, path in files.items() if not name.endswith((".lock", ".state"))}
    scans = {name: load_scan(path) for name, path in ended.items() if name.endswith(".nc")}
    return {name: path.read_bytes() for name, path in ended.items() if name not in scans}, scans


def kept(folder):
    """What needs no second run: when each finished task was written, and how far those in progress have come."""
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("out/scan/task-*")}
    states = {path.name: load_arrays(path, STATE)[0]["done"] for path in folder.glob("out/scan/state-*")}
    read = {path.name: load_partial(path)[1]["rows"] for path in folder.glob("out/*.state")}
    return finished, states | read


def nothing_lost(before, now):
    """Whether finished tasks were not written again, and none in progress has gone back."""
    gone_back = [name for name, done in now[1].items() if done < before[1].get(name, 0)]
    return before[0].items() <= now[0].items() and not gone_back


def completed(folder, name):
    """Run a command to its end, or on to it, and return how long it took."""
    begun = time.monotonic()
    code, errors = start(folder, name).end()
    assert code in (0, 1), errors  # `verify` of a coarse grid may disagree, and does so each time
    return time.monotonic() - begun


def killed(folder, name, moment, everyone):
    """Start a command, kill it, check that no process is left; return whether it was still at work."""
    program = start(folder, name)
    program.wait_for(lambda: False, moment)
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
    seconds, whole, chance, count, before = completed(table, name), results(table), random.Random(name), 0, ({}, {})
    shutil.rmtree(table / "out")
    while count < kills:
        (table / "out").mkdir(exist_ok=True)
        if killed(table, name, chance.uniform(0, seconds), everyone=count % 2 == 1):
            count += 1
            now = kept(table)
            assert nothing_lost(before, now)
            before = now
        else:
            assert same(table, *whole)
            shutil.rmtree(table / "out")
            before = ({}, {})
    (table / "out").mkdir(exist_ok=True)
    completed(table, name)
    assert same(table, *whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_again_and_again(table, name):
    """66 times in all, half of them with all workers."""
    kill_again_and_again(table, name, COMMANDS[name][1])
