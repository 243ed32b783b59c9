"""An interrupted scan loses no finished task, and ends in the same bits as one that nobody interrupted."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from trainers import Logged, same

from landau_vae import InputError, Loss, Spectrum, scan
from landau_vae.training import Exact, Neural, plan

SPECTRUM = Spectrum.from_eigenvalues([4, 2, 1, 0.5])
GRID = np.geomspace(0.5, 0.01, 12)  # six tasks of two
SEEDS = (0, 1, 2, 3)
SCRIPT = """
import sys
from test_resume import GRID, SEEDS, SPECTRUM
from trainers import Logged
from landau_vae import scan
trainer = Logged(log=sys.argv[2], pause=0.02)
scan(SPECTRUM, GRID, seeds=SEEDS, folder=sys.argv[1], trainer=trainer, workers=int(sys.argv[3]))
"""


@pytest.fixture
def whole():
    return scan(SPECTRUM, GRID, seeds=SEEDS)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "scan"


def begun(log):
    return log.read_text().split() if log.exists() else []


def finished(folder):
    """Tasks as the log names them."""
    return {path.stem.removeprefix("task-").rpartition("-of-")[0] for path in folder.glob("task-*.npz")}


def start(folder, log, workers=1):
    """A process of its own, as from a terminal."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(log), str(workers)]
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def work(folder, log):
    scan(SPECTRUM, GRID, seeds=SEEDS, folder=folder, trainer=Logged(log=str(log), pause=0.02))


def wait_for_tasks(log, count, process):
    running = process.is_alive if hasattr(process, "is_alive") else lambda: process.poll() is None
    while len(begun(log)) < count and running():
        time.sleep(0.001)


def resumed(folder, log, **arguments):
    return scan(SPECTRUM, GRID, seeds=SEEDS, folder=folder, trainer=Logged(log=str(log)), **arguments)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
def test_killed_at_random_moments_until_it_ends(whole, folder, log):
    """24 tasks; killed after three to eight more have begun, in the midst of training, writing or renaming."""
    chance, kills = random.Random(5), 0
    context = multiprocessing.get_context("forkserver")  # its processes start in no time: imports are done
    context.set_forkserver_preload(["xarray", "filelock", "landau_vae.training"])
    while True:
        done, before = finished(folder), len(begun(log))
        process = context.Process(target=work, args=(folder, log))
        process.start()
        wait_for_tasks(log, before + chance.randint(3, 8), process)
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.join()
        code = process.exitcode
        assert not done & set(begun(log)[before:])  # nothing that was finished is done again
        assert done <= finished(folder)  # or lost
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert len(finished(folder)) == 24
    count = len(begun(log))
    assert same(resumed(folder, log), whole)
    assert len(begun(log)) == count
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_what_is_finished(whole, folder, log, workers):
    process = start(folder, log, workers)
    wait_for_tasks(log, 8, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all its processes
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in err
    done, before = finished(folder), len(begun(log))
    assert 8 - 2 * workers <= len(done) < 24
    assert same(resumed(folder, log), whole)
    assert not done & set(begun(log)[before:])


def test_an_interruption_is_handed_on(whole, folder, log):
    """Place 4 is in the fifth of six tasks."""
    with pytest.raises(KeyboardInterrupt):
        scan(SPECTRUM, GRID, seeds=SEEDS, folder=folder, trainer=Logged(log=str(log), fail_at=4))
    assert finished(folder) == {f"0-{first}" for first in range(4)}
    assert same(resumed(folder, log, workers=2), whole)


def damage(how, path):
    content = bytearray(path.read_bytes())
    if how == "half":
        content = content[: len(content) // 2]
    elif how == "one bit":
        content[content.find(b"decoder.npy") + 300] ^= 1
    elif how == "other shape":
        place = content.find(b"'shape': (2,") + len("'shape': (")
        content[place] = ord("1")
    elif how == "empty":
        content = bytearray()
    elif how == "another task's":
        content = bytearray(path.with_name("task-0-0-of-1.npz").read_bytes())
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["half", "one bit", "other shape", "empty"])
def test_a_damaged_file_is_never_taken_for_finished(whole, folder, log, how):
    resumed(folder, log)
    damage(how, folder / "task-2-3-of-6.npz")
    before = len(begun(log))
    assert same(resumed(folder, log), whole)
    assert begun(log)[before:] == ["2-3"]
    resumed(folder, log)
    assert len(begun(log)) == before + 1  # it is mended


def test_a_file_of_another_scan_does_not_count(whole, folder, log, tmp_path):
    resumed(folder, log)
    scan(SPECTRUM, GRID, seeds=SEEDS, folder=tmp_path / "other", trainer=Logged(log=str(log), tolerance=1e-3))
    (tmp_path / "other" / "task-1-1-of-6.npz").replace(folder / "task-1-1-of-6.npz")
    assert same(resumed(folder, log), whole)


def test_more_seeds_reuse_what_is_there(whole, folder, log):
    trainer = Logged(log=str(log))
    assert same(scan(SPECTRUM, GRID, seeds=(1, 3), folder=folder, trainer=trainer), whole.sel(seed=[1, 3]))
    assert same(resumed(folder, log), whole)
    assert len(begun(log)) == len(set(begun(log))) == 24


class Elsewhere(Logged):
    """As `Logged`, each model by itself, on a device of another kind that trains all of them together."""

    device, one_by_one = "gpu", True

    def models_at_once(self, data, latents):
        return 100


def test_models_of_two_devices_are_reported(folder, log):
    """What a CPU has trained one by one is read on a GPU, which trains all of the rest in one call."""
    cpu = type("Here", (Elsewhere,), {"device": "cpu", "models_at_once": lambda *_: 1})
    scan(SPECTRUM, GRID, seeds=[0], folder=folder, trainer=cpu(log=str(log)))
    with pytest.warns(UserWarning, match="trained on cpu, the rest is trained on gpu"):
        both = scan(SPECTRUM, GRID, seeds=[0, 1], folder=folder, trainer=Elsewhere(log=str(log)))
    assert both.attrs["device"] == "cpu, gpu"
    assert len(begun(log)) == 12 + 1
    assert both.drop_attrs().equals(scan(SPECTRUM, GRID, seeds=[0, 1]).drop_attrs())


def test_leftovers_are_cleaned_up(folder, log):
    folder.mkdir()
    for name in (".task-0-0-of-6.npz.77.part", ".scan.json.77.part"):
        (folder / name).write_text("half")
    (folder / "notes.txt").write_text("the user's own")
    resumed(folder, log)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".npz") == [
        "notes.txt", "scan.json", "scan.lock",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "what"),
    [({"temperatures": GRID[:-1]}, "temperatures"), ({"latents": 3}, "number of latents"),
     ({"keep_weights": False}, "keep_weights"),
     ({"trainer": Exact(tolerance=1e-7)}, r"trainer \(tolerance: 1e-08, not 1e-07\)"),
     ({"source": Spectrum.from_eigenvalues([4, 2, 1, 0.6])}, "data, standardisation, weights or splits")],
)  # fmt: skip
def test_another_scans_folder_is_refused(folder, arguments, what):
    usual = {"source": SPECTRUM, "temperatures": GRID}
    scan(**usual, folder=folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=f"holds a scan that differs in its {what}"):
        scan(**(usual | arguments), folder=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_without_tasks_is_free(folder, rng):
    """A scan that never trained anything does not bind it; one of another version does, and says so."""
    scan(SPECTRUM, [0.1], folder=folder)
    [task] = folder.glob("task-*")
    task.unlink()
    scan(SPECTRUM, [0.2], folder=folder)
    known = json.loads((folder / "scan.json").read_text())
    (folder / "scan.json").write_text(json.dumps({"format of results": 2, "trainer": known["trainer"]}))
    with pytest.raises(InputError, match=r"of another version of landau_vae \(format 2, not 3\)"):
        scan(SPECTRUM, [0.2], folder=folder)


@pytest.mark.parametrize("settings", [{"measured_on": "test"}, {"loss": Loss.bernoulli()}])
def test_what_a_trainer_refuses_is_told_by_the_plan_and_leaves_no_folder(folder, rng, settings):
    pytest.importorskip("jax")
    for ask in (plan, scan):
        with pytest.raises(InputError, match=r"give splits=|decoder are from 0 to 1"):
            ask(rng.standard_normal((20, 2)), [0.1], trainer=Neural(hidden=(), updates=2, **settings), folder=folder)
    assert not folder.exists()


def test_what_data_are_is_part_of_the_fingerprint(folder, rng):
    rows = rng.standard_normal((30, 2))
    scan(rows, [0.1], folder=folder, splits=(0.5, 0.5, 0))
    for other in ({"standardize": True}, {"splits": (0.5, 0, 0.5)}, {"splits": (0.6, 0.4, 0)}, {"splits": None},
                  {"weights": np.arange(1, 31)}):  # fmt: skip
        with pytest.raises(InputError, match="differs in its data"):
            scan(rows, [0.1], folder=folder, **({"splits": (0.5, 0.5, 0)} | other))
    scan(rows.tolist(), np.array([0.1]), folder=folder, splits=[0.5, 0.5, 0.0])  # the same, however it is given


def test_a_folder_in_use_is_refused(folder, log):
    folder.mkdir()
    with FileLock(folder / "scan.lock"), pytest.raises(InputError, match="Another process is at work"):
        resumed(folder, log)
    resumed(folder, log)
    assert len(begun(log)) == 24


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"text"', "\udcff"])
def test_a_folder_that_cannot_be_told_is_refused(folder, log, content):
    folder.mkdir()
    (folder / "scan.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=r"scan\.json in .* cannot be read"):
        resumed(folder, log)


def test_a_place_that_is_no_folder_is_refused(tmp_path, log):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        resumed(tmp_path / "file", log)
    with pytest.raises(InputError, match="cannot be used"):
        resumed(tmp_path / "file" / "below", log)


def test_a_full_disk_is_told_in_a_sentence(folder, log, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        resumed(folder, log)
    assert list(folder.glob(".*")) == []
