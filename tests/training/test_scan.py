"""Scans over any trainer: the same bits whoever does the work, labelled results, data that are split honestly."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED
from trainers import Killed, Means, Small, same

import landau_vae as lv
from landau_vae import InputError, Spectrum, scan
from landau_vae.training import Exact, Sampled, Trainer, TrainingSet, plan
from landau_vae.training.tasks import Work, execute
from landau_vae.training.training_set import training_set
from landau_vae.training.workers import end_with_parent

GRID = np.geomspace(0.5, 0.01, 10)


@pytest.fixture
def table(rng):
    return pd.DataFrame(rng.standard_normal((40, 3)) * [3, 1, 0.3] + [5, 0, 0], columns=["Höhe", "b", "c"])


# ------------------------------------------------------------------------------------------- who does the work


class Lists(joblib.parallel.ThreadingBackend):
    """A backend that cannot hand over results one by one, as older ones for clusters."""

    supports_return_generator = False


joblib.register_parallel_backend("lists", Lists)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing", "lists"])
def test_workers_change_no_bit(climate, backend):
    """Matrices of 19 × 19, multiplied on one thread wherever they are."""
    arguments = (climate, GRID), {"seeds": (3, 1), "trainer": Small(max_iterations=30)}
    alone = scan(*arguments[0], **arguments[1])
    with joblib.parallel_config(backend=backend):
        assert same(scan(*arguments[0], **arguments[1], workers=2), alone)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_worker_that_was_killed_is_an_error(backend):
    """The pool of Python's multiprocessing would wait for it forever, so loky takes its place."""
    with joblib.parallel_config(backend=backend), pytest.raises(lv.WorkerLost, match="give a folder"):
        scan(np.eye(4), GRID, trainer=Killed(), workers=2)


@pytest.mark.parametrize("thread", [True, False])
def test_only_processes_of_their_own_watch_their_parent(monkeypatch, thread):
    """A thread of a backend may be in a process of the user's, which has a parent of its own."""
    started = []
    monkeypatch.setattr("landau_vae.training.workers.parent_process", lambda: SimpleNamespace(pid=1))
    watcher = SimpleNamespace(start=lambda: started.append(1))
    monkeypatch.setattr("landau_vae.training.workers.Thread", lambda **arguments: watcher)
    if thread:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(end_with_parent).result()
    else:
        end_with_parent()
    assert len(started) == (not thread)


def test_rows_reach_the_workers_as_they_are(rng):
    """2 MB of rows: what workers get is a memory map."""
    rows = rng.standard_normal((64_000, 4))
    for data in (rows, np.asfortranarray(rows), rows[::-1, ::2], rows.astype("f4"), pd.DataFrame(rows)):
        assert same(scan(data, GRID, trainer=Means(), workers=2), scan(data, GRID, trainer=Means()))


def test_a_scan_is_reproducible(table):
    assert same(scan(table, GRID, splits=(0.6, 0.2, 0.2)), scan(table, GRID, splits=(0.6, 0.2, 0.2)))


@pytest.mark.parametrize(("count", "together"), [(1, 1), (1, 5), (7, 3), (8, 4), (9, 100), (121, 45)])
def test_tasks_share_out_each_temperature_once(count, together):
    data = TrainingSet(Spectrum.from_eigenvalues([2, 1]))
    work = Work(Means(together), data, np.arange(1.0, count + 1), (5, 2), 2, True)
    for seed in work.seeds:
        tasks = [task for task in work.tasks if task.seed == seed]
        assert sorted(place for task in tasks for place in task.places) == list(range(count))
        sizes = [len(task.places) for task in tasks]
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= together
        for task in tasks:
            assert work.temperature[task.places].tolist() == [work.temperature[place] for place in task.places]


def test_linear_algebra_gets_its_threads_back():
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(2):
        before = [pool["num_threads"] for pool in threadpool_info()]
        with joblib.parallel_config(backend="threading"):
            scan(Spectrum.from_eigenvalues([3, 1]), GRID, trainer=Small(), workers=2)
        assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_tasks_run_on_one_thread_even_if_others_end_meanwhile():
    from threading import Barrier, Thread

    from threadpoolctl import threadpool_info, threadpool_limits

    from landau_vae.threads import one_thread

    inside, ended, seen = Barrier(2), Barrier(2), []

    def short():
        with one_thread():
            inside.wait()
        ended.wait()

    with threadpool_limits(2):
        thread = Thread(target=short)
        with one_thread():
            thread.start()
            inside.wait()
            ended.wait()
            seen += [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        thread.join()
    assert set(seen) == {1}


# --------------------------------------------------------------------------------------------------- the dataset


def test_results_are_labelled_and_say_where_they_come_from(table):
    models = scan(table, GRID, seeds=(1, 2), latents=2, standardize=True, trainer=Exact(tolerance=1e-6))
    assert models.decoder.dims == ("seed", "temperature", "feature", "latent")
    assert models.feature.values.tolist() == models.other_feature.values.tolist() == ["Höhe", "b", "c"]
    np.testing.assert_allclose(models.covariance, np.corrcoef(table.T), atol=CLOSED)
    assert models.attrs["total_variance"] == pytest.approx(3)
    assert models.attrs["samples"] == 40
    assert models.attrs["standardized"] == "yes"
    assert models.attrs["landau_vae"] == lv.__version__
    assert models.attrs["numpy"] == np.__version__
    assert json.loads(models.attrs["trainer"]) == {"name": "Exact", "tolerance": 1e-6, "max_iterations": 5000}
    assert models.converged.dtype == bool
    assert models.converged.all()
    np.testing.assert_allclose(models["mean"], table.mean(), rtol=CLOSED)
    np.testing.assert_allclose(models["scale"], table.std(ddof=0), rtol=CLOSED)
    assert models["mean"].dims == models["scale"].dims == ("feature",)
    assert (models.attrs["start"], models.attrs["device"]) == ("fresh", "cpu")


def test_mean_and_scale_are_those_of_the_rows_that_were_trained_on(table, rng):
    """What was not scaled has scale 1; what has no rows, or was trained by its modes, has mean 0."""
    data = training_set(table, splits=(0.5, 0.5, 0))
    half = scan(table, [0.1], splits=(0.5, 0.5, 0))
    np.testing.assert_allclose(half["mean"], data.rows.mean(axis=0), rtol=CLOSED)
    np.testing.assert_array_equal(half["scale"], 1)
    for source in (SPECTRUM, rng.standard_normal((6, 30)) + 5):
        bare = scan(source, [0.1])
        np.testing.assert_array_equal(bare["mean"], np.zeros(bare.sizes["feature"]))
        np.testing.assert_array_equal(bare["scale"], 1)


def test_how_training_ended_is_told_in_words():
    models = scan(Spectrum.from_eigenvalues([3, 1]), GRID, trainer=Exact(max_iterations=2))
    assert models.status.dtype == np.int8
    words = dict(zip(models.status.flag_values.tolist(), models.status.flag_meanings.split(), strict=True))
    assert words == {0: "converged", 1: "moving", 2: "plateau", 3: "diverged"}
    assert {words[status] for status in models.status.values.ravel()} == {"moving"}
    assert not models.converged.any()


def test_a_trainer_brings_variables_dimensions_and_coordinates_of_its_own(table):
    models = scan(table, GRID, seeds=(0, 1), trainer=Means())
    assert models.history.dims == ("seed", "temperature", "update")
    assert models["update"].values.tolist() == [0, 100]
    assert "elsewhere" not in models.coords
    np.testing.assert_array_equal(models.history[1], np.outer(GRID, [1, 10]).astype("f4"))
    np.testing.assert_allclose(models.row_mean[0, 3], table.mean(), rtol=CLOSED)
    assert models.status[0].values.tolist() == [place % 4 for place in range(10)]
    np.testing.assert_array_equal(models.converged, models.status == 0)


def test_three_methods_make_a_trainer(table):
    """All others have defaults: it trains on the CPU, from its own starts, at shares of the variance of the data."""

    class Plain(Trainer):
        models_at_once, memory, train = Means.models_at_once, Means.memory, Means.train
        together, per_call = 3, 0

    models = scan(table, GRID, trainer=Plain())
    assert (models.attrs["device"], models.attrs["start"]) == ("cpu", "fresh")
    assert models.attrs["total_variance"] == Spectrum.from_data(table).total_variance
    assert "start_temperature" not in models
    for start in ("down", models):
        with pytest.raises(InputError, match="Plain starts from random weights only"):
            scan(table, GRID, trainer=Plain(), start=start)


def test_weights_may_be_left_out(table):
    with_weights, without = (scan(table, GRID, keep_weights=keep) for keep in (True, False))
    assert same(without, with_weights.drop_vars(["decoder", "encoder"]))


# ------------------------------------------------------------------------------------------------------ the data


def test_parts_are_disjoint_complete_and_the_same_for_all(table):
    data = training_set(table, splits=(0.6, 0.25, 0.15))
    parts = [data.rows, data.held_out["validation"], data.held_out["test"]]
    assert [len(part) for part in parts] == [24, 10, 6]
    rows = np.concatenate(parts)
    np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], table.sort_values("Höhe"))
    again = training_set(table.to_numpy(), splits=(0.6, 0.25, 0.15))
    np.testing.assert_array_equal(again.held_out["test"], parts[2])
    assert list(training_set(table, splits=(0.9, 0.1, 0)).held_out) == ["validation"]


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_scale_and_spectrum_are_the_training_parts_own(table, rng, standardize, weighted):
    weights = rng.uniform(0.5, 2, 40) if weighted else None
    data = training_set(table, standardize=standardize, weights=weights, splits=(0.5, 0.3, 0.2))
    raw = training_set(table, weights=weights, splits=(0.5, 0.3, 0.2))
    mean = np.average(raw.rows, axis=0, weights=raw.weights)
    second = np.average((raw.rows - mean) ** 2, axis=0, weights=raw.weights)
    shift, scale = (mean, np.sqrt(second)) if standardize else (0, 1)
    np.testing.assert_allclose(data.rows, (raw.rows - shift) / scale, rtol=CLOSED, atol=CLOSED)
    np.testing.assert_allclose(data.held_out["test"], (raw.held_out["test"] - shift) / scale, rtol=CLOSED, atol=CLOSED)
    own = Spectrum.from_data(raw.rows, standardize=standardize, weights=raw.weights)
    np.testing.assert_array_equal(data.spectrum.covariance, own.covariance)
    for part, covariance in data.held_out_covariance.items():
        centred = data.held_out[part] - np.average(data.rows, axis=0, weights=data.weights)
        shares = data.held_out_weights.get(part, np.ones(len(centred)))
        expected = (centred * shares[:, None]).T @ centred / shares.sum()
        np.testing.assert_allclose(covariance, expected, rtol=CLOSED, atol=CLOSED)


def test_held_out_rows_are_measured_by_models_that_have_not_seen_them(table):
    models = scan(table, [0.05], splits=(0.5, 0.5, 0)).isel(seed=0, temperature=0)
    data = training_set(table, splits=(0.5, 0.5, 0))
    held = data.held_out["validation"] - data.rows.mean(axis=0)
    decoder, encoder = models.decoder.values, models.encoder.values
    noise = (np.square(decoder).sum(axis=0) * models.posterior_variance.values).sum()
    distortion = np.square(held - held @ encoder.T @ decoder.T).sum(axis=1).mean() + noise
    assert float(models.validation_distortion) == pytest.approx(distortion / data.spectrum.total_variance, rel=CLOSED)
    assert float(models.validation_loss) > 0.5 * distortion
    assert "test_loss" not in models
    assert json.loads(models.attrs["splits"]) == {"training": 0.5, "validation": 0.5, "test": 0}
    assert models.attrs["samples"] == 20
    assert float(models.distortion) < float(models.validation_distortion)


def test_a_trainer_by_rows_gets_the_parts(table):
    models = scan(table, [0.1], trainer=Means(), splits=(0.5, 0.25, 0.25)).isel(seed=0, temperature=0)
    data = training_set(table, splits=(0.5, 0.25, 0.25))
    np.testing.assert_array_equal(models.row_mean, np.average(data.rows, axis=0))
    np.testing.assert_array_equal(models.test_row_mean, data.held_out["test"].mean(axis=0))
    assert int(models.seen) == 20


def test_wide_data_by_modes_and_by_rows(rng):
    wide = rng.standard_normal((6, 30))
    modes = scan(wide, [0.05])
    assert (modes.sizes["feature"], modes.sizes["latent"]) == (5, 5)
    np.testing.assert_allclose(np.linalg.eigvalsh(modes.covariance), modes.covariance.values.diagonal()[::-1])
    rows = scan(wide, [0.05], trainer=Means(), latents=2)
    assert rows.sizes["feature"] == 30
    np.testing.assert_allclose(rows.covariance, np.cov(wide.T, bias=True), atol=CLOSED)
    assert "validation_loss" not in scan(wide, [0.05], splits=(0.8, 0.2, 0))


def test_rows_are_copied_only_if_need_be(rng):
    rows = rng.standard_normal((50, 3))
    assert np.shares_memory(training_set(rows).rows, rows)
    assert training_set(rows, keep_rows=False).rows is None
    assert not training_set(rows, keep_rows=False, splits=(0.5, 0.5, 0)).held_out
    with pytest.raises(ValueError, match="read-only"):
        training_set(rows).rows[0] = 0
    rows[0] = 1  # the user's own array stays as it was


SPECTRUM = Spectrum.from_eigenvalues([2, 1])
ROWS = np.arange(20.0).reshape(10, 2) ** 1.5
LAST = training_set(np.arange(10.0)[:, None], splits=(0.9, 0.1, 0)).held_out["validation"].item()


@pytest.mark.parametrize(
    ("source", "arguments", "complaint"),
    [(SPECTRUM, {"standardize": True}, "has no rows for standardize to act on"),
     (SPECTRUM, {"weights": [1], "splits": (1, 0, 0)}, "no rows for weights and splits to act on"),
     (ROWS, {"weights": [1, 2]}, "one weight per row"),
     (ROWS, {"splits": (0.5, 0.5)}, "three shares that add up to 1"),
     (ROWS, {"splits": (0.5, 0.6, 0.1)}, "three shares that add up to 1"),
     (ROWS, {"splits": (0, 0.5, 0.5)}, "three shares that add up to 1"),
     (ROWS, {"splits": (1.5, -0.5, 0)}, "three shares that add up to 1"),
     (ROWS, {"splits": "80/10/10"}, "splits is '80/10/10', but a list"),
     (ROWS, {"splits": (0.97, 0.03, 0)}, "of 10 rows leaves 0 for the validation part"),
     (ROWS, {"splits": (0.1, 0.9, 0)}, "leaves 1 for the training part"),
     (ROWS, {"splits": (0.9, 0.1, 0), "weights": np.arange(10) != LAST}, "weights of all validation rows"),
     (np.where(ROWS > 80, np.nan, ROWS), {"splits": (0.5, 0.5, 0)}, "in row 9, column 1"),
     (ROWS, {"seeds": (1, 1)}, "each only once"),
     (ROWS, {"seeds": (1.5,)}, r"seeds is \(1.5,\), but a whole number from 1 on or a list, each a whole number"),
     (ROWS, {"seeds": -1}, "seeds is -1"), (ROWS, {"seeds": 0}, "seeds is 0"), (ROWS, {"seeds": 1.5}, "seeds is 1.5"),
     (ROWS, {"seeds": ["a"]}, "seeds is"),
     (ROWS, {"latents": "two"}, "latents is 'two'"),
     (ROWS, {"latents": 1.5}, "latents is 1.5"),
     (ROWS, {"workers": 0}, "workers is 0"),
     (ROWS, {"workers": 1.5}, "workers is 1.5"),
     (ROWS, {"memory": -1}, "memory is -1"),
     (ROWS, {"memory": "8 GB"}, "memory is '8 GB'"),
     (ROWS, {"trainer": "Adam"}, "trainer is 'Adam', but a trainer such as Exact")],
)  # fmt: skip
def test_bad_input(source, arguments, complaint):
    for ask in (scan, plan):
        with pytest.raises(InputError, match=complaint) as caught:
            ask(source, [0.1], **arguments)
        assert str(caught.value).count("\n") == 0


def test_temperatures_that_are_given_twice():
    """Merging them would give back fewer models than were asked for."""
    grid = np.r_[np.geomspace(1, 0.1, 3), np.geomspace(0.1, 0.01, 3)]
    for ask in (scan, plan):
        with pytest.raises(InputError, match=r"temperatures has 0\.1 2 times.*give np\.unique\(temperatures\)"):
            ask(SPECTRUM, grid)


@pytest.mark.parametrize("settings", [{"tolerance": 0}, {"tolerance": "1e-8"}, {"max_iterations": -1},
                                      {"max_iterations": 1.5}])  # fmt: skip
def test_bad_settings_of_the_exact_trainer(settings):
    with pytest.raises(InputError, match=r"but a (whole )?number (above 0|from 0 on)"):
        Exact(**settings)


@pytest.mark.parametrize("seeds", [[7], np.array([7]), range(7, 8), (7.0,)])
def test_seeds_in_any_form(seeds):
    assert scan(SPECTRUM, [0.1], seeds=seeds).seed.values.tolist() == [7]


@pytest.mark.parametrize("seeds", [3, np.int64(3), 3.0, [0, 1, 2]])
def test_a_number_of_seeds_counts_from_0(seeds):
    assert same(scan(SPECTRUM, [0.1], seeds=seeds), scan(SPECTRUM, [0.1], seeds=range(3)))


def test_bundles_change_no_bit_and_leave_no_worker_idle(monkeypatch):
    """Seeds that are trained together, one by one (as where tasks are kept), and shared out."""
    rows = np.random.default_rng(0).standard_normal((200, 3))
    trainer = Sampled(updates=60, batch=16)
    work = Work(trainer, training_set(rows), np.array([0.5, 0.2, 0.1]), (3, 1, 4, 1000), 2, True)
    for workers, sizes in ((1, [4]), (2, [2, 2]), (4, [1] * 4), (8, [1] * 4)):
        assert [len(bundle) for bundle in work.bundles(work.tasks, workers)] == sizes
    warm = replace(work, given={(seed, place): np.zeros(10) for seed in (3, 1000) for place in range(3)})
    seeds = [[task.seed for task in bundle] for bundle in warm.bundles(warm.tasks, 1)]
    assert seeds == [[3, 1000], [1, 4]]  # random starts go by themselves
    sent = []
    monkeypatch.setattr(Work, "train", lambda self, bundle, weights: sent.append((self.given, weights)) or [])
    with joblib.parallel_config(backend="threading"):
        assert list(execute(warm, warm.tasks, 2, print)) == []
    monkeypatch.undo()
    assert [(given, weights is None) for given, weights in sent] == [({}, False), ({}, True)]
    assert sent[0][1].shape == (6, 10)
    [whole] = work.bundles(work.tasks, 1)
    for (task, together), alone in zip(work.train(whole), work.tasks, strict=True):
        [(same_task, by_itself)] = work.train([alone])
        assert task == same_task
        for name, (_, values) in by_itself.items():
            np.testing.assert_array_equal(together[name][1], values)
