"""A training that is interrupted in the midst of a task goes on from its last state, and ends in the same bits."""

import numpy as np
import pytest
from trainers import same

from landau_vae import Spectrum, scan
from landau_vae.training import SGD, Neural, Patience, Sampled, checkpoint, warm_up
from landau_vae.training.checkpoint import Checkpoint

SPECTRUM = Spectrum.from_eigenvalues([4, 2, 1])
GRID = np.geomspace(0.5, 0.02, 5)
PATIENCE = Patience(looks=2, tolerance=0.02)


def rows(n=60):
    return np.random.default_rng(3).standard_normal((n, 3)) * [2, 1, 0.5]


class Moments:
    """How often states are written, and after which of them someone presses Ctrl-C."""

    def __init__(self, monkeypatch):
        self.written, self.read, self.stop = 0, 0, None
        write, read = Checkpoint.write, Checkpoint.read
        monkeypatch.setattr(checkpoint, "EVERY", 0.0)
        monkeypatch.setattr(checkpoint, "SHARE", 0)
        monkeypatch.setattr(Checkpoint, "write", lambda own, *state: self._wrote(write, own, state))
        monkeypatch.setattr(Checkpoint, "read", lambda own: self._went_on(read(own)))

    def _wrote(self, write, own, state):
        write(own, *state)
        self.written += 1
        if self.written == self.stop:
            raise KeyboardInterrupt

    def _went_on(self, kept):
        self.read += kept is not None
        return kept


@pytest.fixture
def moments(monkeypatch):
    return Moments(monkeypatch)


def went_on(folder, moments, source, **arguments):
    """Interrupt a scan after a third of its states and again, then compare it with one that ran in one go."""
    whole = scan(source, GRID, **arguments)
    scan(source, GRID, folder=folder / "counted", **arguments)
    count, moments.written = moments.written, 0
    assert count >= 3
    for moments.stop in (count // 3, count // 2):
        with pytest.raises(KeyboardInterrupt):
            scan(source, GRID, folder=folder / "scan", **arguments)
        moments.written = 0
    moments.stop = None
    assert same(scan(source, GRID, folder=folder / "scan", **arguments), whole)
    assert moments.read >= 2  # states were used, and not only found
    assert not list((folder / "scan").glob("state-*"))
    return whole


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        (SPECTRUM, {}),
        (SPECTRUM, {"precision": "float32", "optimizer": SGD(0.05, momentum=0.9)}),
        (rows(), {"batch": 16, "history": 4}),
        (rows(), {"batch": 1, "learned_variance": True}),
        (rows(), {"batch": 16, "patience": PATIENCE}),
        (rows(), {"batch": None, "noise": False, "beta": warm_up(0.3)}),
    ],
)
def test_sampled(tmp_path, monkeypatch, moments, source, settings):
    monkeypatch.setattr("landau_vae.training.sampled.BLOCK", 12_000)  # of a few updates, so that there are many
    whole = went_on(tmp_path, moments, source, trainer=Sampled(updates=160, **settings), seeds=2, latents=3)
    if "patience" in settings:
        assert whole.updates.min() < 160  # some have stopped before others


@pytest.mark.parametrize(
    ("start", "settings"),
    [("fresh", {"learned_variance": True}), ("fresh", {"patience": PATIENCE}), ("down", {})],
)
def test_networks(tmp_path, monkeypatch, moments, start, settings):
    pytest.importorskip("jax")
    monkeypatch.setattr("landau_vae.training.descent.BLOCK", 40)
    trainer = Neural(hidden=(4,), updates=120, batch=16, **settings)
    went_on(tmp_path, moments, rows(), trainer=trainer, latents=2, start=start)


def test_a_state_of_another_training_is_not_used(tmp_path, moments):
    """A damaged one neither: the training then starts anew."""
    trainer = Sampled(updates=100)
    whole = scan(SPECTRUM, GRID, trainer=trainer)
    moments.stop = 2
    with pytest.raises(KeyboardInterrupt):
        scan(SPECTRUM, GRID, trainer=trainer, folder=tmp_path)
    [state] = tmp_path.glob("state-*")
    content, moments.stop = bytearray(state.read_bytes()), None
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    assert same(scan(SPECTRUM, GRID, trainer=trainer, folder=tmp_path), whole)
    assert moments.read == 0
    other = Checkpoint(tmp_path / "state.npz", "one scan")
    other.write({"done": 1}, {})
    assert Checkpoint(other.path, "another scan").read() is None
    assert Checkpoint(other.path, "one scan").read() == ({"done": 1}, {})


def test_a_state_of_another_version_is_not_used(tmp_path, monkeypatch):
    """What trainers keep may have changed meanwhile."""
    kept = checkpoint.Checkpoints(tmp_path, "one scan")
    kept.of([(0, 0)], "cpu").write({"done": 1}, {})
    assert kept.of([(0, 0)], "cpu").read() == ({"done": 1}, {})
    assert kept.of([(0, 0)], "gpu").read() is None
    monkeypatch.setattr(checkpoint, "__version__", "0.0.1")
    assert kept.of([(0, 0)], "cpu").read() is None


def test_a_full_disk_does_not_end_a_training(tmp_path, monkeypatch):
    """Its result may find room; until then each state that cannot be kept is a warning."""

    def flush(path, how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("landau_vae.data.archive._flush", flush)
    state = Checkpoint(tmp_path / "state.npz", "")
    with pytest.warns(UserWarning, match=r"The training goes on, .*state.npz cannot be written \(No space left"):
        state.write({"done": 1}, {})
    assert not state.due
    assert list(tmp_path.iterdir()) == []


def test_states_take_a_small_part_of_the_time(monkeypatch, tmp_path):
    """One a minute, but 20 seconds after each second that writing took: here 200 s after 10 s."""
    clock = [1000.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpoint, "save_arrays", lambda *arguments: clock.append(clock.pop() + 10))
    state = Checkpoint(tmp_path / "state.npz", "")

    def due_after(seconds):
        before = clock[0]
        clock[0] += seconds
        answer = state.due
        clock[0] = before
        return answer

    assert [due_after(59), due_after(60)] == [False, True]
    state.write({}, {})
    assert [due_after(199), due_after(200)] == [False, True]
