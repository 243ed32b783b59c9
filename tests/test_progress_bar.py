"""Progress on standard error: a bar on a terminal, else a line now and then, and nothing where work is quick."""

import gc
import itertools
import re
import threading
import time
import weakref

import landau_vae.display
from landau_vae.display import progress_bar


def written(monkeypatch, capfd, show, total, seconds):
    """What is written about ten steps of work that take so long each, by a clock that the test moves."""
    import tqdm.std

    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr(tqdm.std, "time", lambda: next(clock))
    with progress_bar(total, "training", show, unit=" models") as bar:
        for _ in range(10):
            bar.update(1)
    return capfd.readouterr().err


def test_a_line_is_written_now_and_then_where_there_is_no_terminal(monkeypatch, capfd):
    monkeypatch.setattr(landau_vae.display, "REPORTED", 30.0)
    lines = [line for line in re.split("[\r\n]+", written(monkeypatch, capfd, True, 10, 20.0)) if line.strip()]
    assert 3 <= len(lines) <= 11
    assert re.fullmatch(r"training: \d+ %, \d+ of 10 models after \d\d:\d\d, \d\d:\d\d left", lines[0])
    assert lines[-1].startswith("training: 100 %, 10 of 10 models")


def test_a_total_that_is_not_known_is_not_shown(monkeypatch, capfd):
    first = re.split("[\r\n]+", written(monkeypatch, capfd, True, None, 20.0).strip())[0]
    assert re.fullmatch(r"training: \d+ models after \d\d:\d\d", first)


def test_quick_work_and_work_without_progress_write_nothing(monkeypatch, capfd):
    assert written(monkeypatch, capfd, True, 10, 0.1) == ""
    assert written(monkeypatch, capfd, False, 10, 100.0) == ""


def test_the_time_goes_on_within_a_long_step(monkeypatch, capfd):
    monkeypatch.setattr(landau_vae.display, "REPORTED", 0.2)
    with progress_bar(10, "training", True, unit=" models") as bar:
        bar.update(3)
        time.sleep(2.5)
        written = capfd.readouterr().err
    assert written.count("training: 30 %, 3 of 10 models after 00:0") >= 3
    assert "after 00:02" in written
    time.sleep(0.5)
    assert capfd.readouterr().err.count("\n") <= 2  # of the end; nothing comes after it
    time.sleep(0.5)
    assert capfd.readouterr().err == ""


def test_no_thread_outlives_a_bar():
    with progress_bar(10, "training", True):
        pass
    left = progress_bar(10, "training", True)  # never closed, as by work that is given up
    gone = weakref.ref(left)
    del left
    gc.collect()
    assert gone() is None
    time.sleep(1.5)
    assert not [thread for thread in threading.enumerate() if "_refreshed" in thread.name]
