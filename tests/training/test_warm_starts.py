"""Models that start from others: sweeps of the temperature, another scan, and interruptions of them."""

from contextlib import nullcontext

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError
from landau_vae.training import Neural, Sampled, Status, trained_model

pytest.importorskip("jax")

GRID = [0.3, 0.1, 0.2]
SMALL = {"hidden": (6,), "updates": 60, "batch": 16}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(2).standard_normal((300, 3)) * [2, 1, 0.3]


def scan(rows, grid=GRID, seeds=2, **options):
    return lv.scan(rows, grid, latents=2, seeds=seeds, trainer=Neural(**SMALL), **options)


@pytest.mark.parametrize(("start", "order"), [("down", [0, 2, 1]), ("up", [1, 2, 0])])
def test_a_sweep_is_a_chain_of_scans(rows, start, order):
    """One temperature after the other by `start=` of a scan with one temperature each: the same numbers."""
    swept = scan(rows, start=start)
    assert swept.attrs["start"] == start
    neighbour = np.full(3, np.nan)
    neighbour[order[1:]] = np.array(GRID)[order[:-1]]
    np.testing.assert_array_equal(swept.start_temperature, [neighbour] * 2)
    before = "fresh"
    for place in order:
        one = scan(rows, GRID, start=before)  # all places, of which one is looked at: noise belongs to the place
        np.testing.assert_array_equal(one.network[:, place], swept.network[:, place])
        before = one.isel(temperature=[place])
    fresh = scan(rows)
    np.testing.assert_array_equal(fresh.network[:, order[0]], swept.network[:, order[0]])
    assert not np.array_equal(fresh.network[:, order[1]], swept.network[:, order[1]])


def test_another_scan_is_met_by_temperature_and_seed(rows):
    """The nearest as a ratio: 0.15 is nearer to 0.2 than to 0.1."""
    first = scan(rows, seeds=[5, 3])
    again = scan(rows, [0.15, 0.9], seeds=[3], start=first)
    assert again.attrs["start"] == "another scan"
    np.testing.assert_array_equal(again.start_temperature, [[0.2, 0.3]])
    expected = [scan(rows, [0.15, 0.9], seeds=[3], start=first.isel(temperature=[at])) for at in (2, 0)]
    for place, one in enumerate(expected):
        np.testing.assert_array_equal(again.network[:, place], one.network[:, place])


def test_an_interrupted_sweep_goes_on(rows, tmp_path, monkeypatch):
    """Killed after two of six models: the rest is trained once, and the numbers are those of one sweep."""
    trained = []

    def counted(self, data, temperature, starts, latents, on_progress, train=Neural.train):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.extend(starts)
        return train(self, data, temperature, starts, latents, on_progress)

    whole = scan(rows, start="down", keep_weights=False)
    monkeypatch.setattr(Neural, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        scan(rows, start="down", folder=tmp_path, keep_weights=False)
    monkeypatch.undo()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("task-*.npz")}
    assert len(files) == 2
    assert scan(rows, start="down", folder=tmp_path, keep_weights=False).equals(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in files.items())
    with pytest.raises(InputError, match="differs in its start"):
        scan(rows, folder=tmp_path, keep_weights=False)


def test_a_sweep_passes_over_what_has_diverged(rows, monkeypatch):
    """Seed 0 diverges at the hottest T, seed 1 in the middle: the next start is random, or the last sound neighbour."""

    def failing(self, data, temperature, starts, latents, on_progress, train=Neural.train):
        named = train(self, data, temperature, starts, latents, on_progress)
        if starts[0] in [(0, 0), (1, 2)]:
            named["network"][1][:], named["status"][1][:] = np.nan, Status.DIVERGED
        return named

    fresh = scan(rows)
    monkeypatch.setattr(Neural, "train", failing)
    swept = scan(rows, start="down")
    np.testing.assert_array_equal(swept.start_temperature, [[np.nan, 0.2, np.nan], [np.nan, 0.3, 0.3]])
    np.testing.assert_array_equal(swept.network[0, 2], fresh.network[0, 2])
    assert np.isfinite(swept.network).all("weight").values.tolist() == [[False, True, True], [True, True, False]]
    monkeypatch.undo()
    again = scan(rows, start=swept)
    np.testing.assert_array_equal(again.start_temperature, [[0.2, 0.1, 0.2], [0.3, 0.1, 0.3]])
    assert np.isfinite(again.network).all()
    with pytest.raises(InputError, match="All models of start with seed 0 have diverged"):
        scan(rows, start=swept.isel(temperature=[0]))


@pytest.mark.slow
def test_workers_share_a_sweep(rows):
    assert scan(rows, start="up", workers=2).equals(scan(rows, start="up"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"trainer": Sampled(updates=5), "start": "down"}, "Sampled starts from random weights only"),
        ({"trainer": None, "start": "up"}, "Exact starts from random weights only"),
        ({"trainer": None, "start": lv.scan(lv.Spectrum.from_eigenvalues([2, 1]), [0.5])}, "Exact starts from random"),
        ({"start": "sideways"}, "'fresh', 'down' or 'up'"),
        ({"start": 3}, "start is 3"),
    ],
)
def test_bad_starts(rows, options, complaint):
    with pytest.raises(InputError, match=complaint):
        lv.scan(rows, GRID, **({"trainer": Neural(**SMALL)} | options))


def test_weights_to_start_from_are_no_setting():
    with pytest.raises(TypeError, match="given"):
        Neural(given=np.zeros((1, 3)))


def test_bad_scans_to_start_from(rows):
    first = scan(rows, [0.3])
    for start, options, complaint in [
        (first.drop_vars("network"), {}, "start has no (variable network|weights)"),
        (first, {"seeds": [7]}, r"seeds \[0, 1\], but \[7\]"),
        (first.isel(weight=slice(3)), {}, "start has 3 weights of each model, but its networks have 91: give it whole"),
        (first.assign_attrs(trainer="{}"), {}, "start does not say what its networks are like"),
    ]:
        with pytest.raises(InputError, match=complaint):
            scan(rows, start=start, **options)
        with pytest.raises(InputError, match=complaint.replace("start", "scan")) if not options else nullcontext():
            trained_model(start, 0.3)
    with pytest.raises(InputError, match=r"networks with hidden = \[6\], but \[7\] is"):
        lv.scan(rows, GRID, latents=2, trainer=Neural(**SMALL | {"hidden": (7,)}), start=first)
    with pytest.raises(InputError, match="latents = 2, but 3 is to be"):
        lv.scan(rows, GRID, latents=3, trainer=Neural(**SMALL), start=first)


def test_a_start_of_another_likelihood_or_scale_is_refused(rows):
    first = scan(rows, [0.3])
    bits = Neural(**SMALL, loss=lv.Loss.bernoulli())
    with pytest.raises(InputError, match="start has gaussian decoders"):
        lv.scan((rows > 0).astype(float), [0.3], latents=2, trainer=bits, start=first)
    with pytest.raises(InputError, match="give standardize as it was there"):
        scan(5 * rows, [0.3], standardize=True, start=first)


def test_seeds_are_added_to_a_scan_that_starts_from_another(rows, tmp_path):
    first = scan(rows, [0.3])
    scan(rows, [0.3], seeds=[0], start=first, folder=tmp_path)
    assert scan(rows, [0.3], start=first, folder=tmp_path).equals(scan(rows, [0.3], start=first))
