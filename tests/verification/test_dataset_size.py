"""Closed forms of spiked data against random matrices and each other; trained models against the closed forms."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED, TRAINED
from matplotlib.figure import Figure

from landau_vae import InputError, plotting, report
from landau_vae.numeric import population_threshold, spiked
from landau_vae.training import Exact
from landau_vae.verification import DatasetSize, branches, dataset_size


def eigen(rng, spikes, noise, n, d):
    """Top eigenvalues of a training set, and the squared overlaps of their vectors with the axes of the spikes."""
    k = len(spikes)
    scale = np.full(d, noise, dtype=float)
    scale[:k] += spikes
    rows = rng.standard_normal((n, d)) * np.sqrt(scale)
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    return values[::-1][:k], vectors[np.arange(k), d - 1 - np.arange(k)] ** 2


def simulated(rng, theory, draws):
    """Mean and standard error of (threshold, overlap) over training sets of this size."""
    found = np.array([eigen(rng, theory.spikes, theory.noise, theory.samples, theory.features) for _ in range(draws)])
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(draws)


# ------------------------------------------------------------------------------------------ closed forms


@pytest.mark.parametrize("aspect", [0.5, 1, 4, 16])
@pytest.mark.parametrize(("spikes", "noise"), [([3], 1), ([12, 4], 2.0)])
def test_random_matrices_above_the_transition(rng, spikes, noise, aspect):
    theory = spiked(spikes, noise, int(200 * aspect), 200)
    assert np.all(theory.seen & ~theory.blurred)
    mean, error = simulated(rng, theory, 40)
    margin = SAMPLED * error + 3 / theory.samples * mean  # of order 1/n: centring, curvature, neighbours
    assert np.all(np.abs(mean - [theory.threshold, theory.overlap]) < margin)
    assert np.all(margin < [0.2 * theory.threshold, np.full(len(spikes), 0.2)])


@pytest.mark.parametrize("aspect", [0.25, 1, 2])
def test_random_matrices_below_the_transition(rng, aspect):
    """No spike is seen: the edge of the noise with its Tracy–Widom shift, and a direction that knows next to none."""
    theory = spiked([0.3], 1.0, int(200 * aspect), 200)
    assert not np.any(theory.seen | theory.blurred)
    (threshold, overlap), (error, overlap_error) = simulated(rng, theory, 40)
    assert abs(threshold - theory.expected_threshold) < SAMPLED * error + theory.edge / theory.samples
    assert abs(threshold - theory.edge) > SAMPLED * error  # the shift is no luxury
    assert overlap < theory.chance_overlap + SAMPLED * overlap_error < 0.1


def test_the_transition_itself_is_blurred(rng):
    theory = spiked([0.5], 1.0, 400, 100)
    assert theory.blurred
    (threshold, overlap), (error, overlap_error) = simulated(rng, theory, 60)
    assert threshold > theory.expected_threshold + SAMPLED * error
    assert overlap > theory.overlap + SAMPLED * overlap_error


def test_the_noise_floor_holds_where_the_edge_does_not(rng):
    """At the price of the edge itself, noise lives in more than one training set of twenty."""
    theory, draws = spiked([1e-9], 1.0, 200, 100), 600
    top = np.array([eigen(rng, [0.0], 1.0, 200, 100)[0][0] for _ in range(draws)])
    assert np.mean(top > theory.edge) > 0.05
    assert np.mean(top > theory.noise_floor) < 0.01 + SAMPLED * np.sqrt(0.01 * 0.99 / draws)


def test_ranks_below_the_edge(rng):
    """Several spikes that are not seen get the first, second … eigenvalue of noise."""
    theory = spiked([0.02, 0.01], 1.0, 200, 200)
    mean, error = simulated(rng, theory, 40)
    margin = SAMPLED * error[0] + 0.1 * theory.tracy_widom + theory.edge / theory.samples
    assert np.all(np.abs(mean[0] - theory.expected_threshold) < margin)


def test_limit_of_many_samples():
    theory = spiked([3, 1], 0.5, 10**15, 10)
    np.testing.assert_allclose(theory.threshold, [3.5, 1.5], rtol=CLOSED)
    np.testing.assert_allclose(theory.overlap, 1, rtol=CLOSED)
    assert theory.noise_floor == pytest.approx(0.5, rel=1e-6)  # by 2/√α


def test_continuity_at_the_transition():
    """One formula goes over into the other with its slope, and the overlap sets in at zero."""
    noise, spike, d = 2.0, 0.5, 10**9  # critical at n/d = 16
    below, at, above = (spiked([spike], noise, 16 * d + step, d) for step in (-1000, 0, 1000))
    assert at.critical_aspect[0] == 16
    assert [bool(theory.seen[0]) for theory in (below, at, above)] == [False, False, True]
    np.testing.assert_allclose([below.threshold[0], above.threshold[0]], at.threshold[0], rtol=1e-6)
    assert at.threshold == pytest.approx((spike + noise) ** 2 / noise, rel=CLOSED)
    slopes = (at.threshold - below.threshold) / (above.threshold - at.threshold)
    assert slopes == pytest.approx(1, abs=1e-3)  # the step is 1e-7 of n, of which differences keep half the digits
    assert 0 == at.overlap < above.overlap < 1e-6


@pytest.mark.parametrize("aspect", [0.3, 1, 7])
def test_inverse(aspect):
    theory = spiked(np.geomspace(0.01, 100, 30), 1.5, int(aspect * 1000), 1000)
    back = population_threshold(theory.threshold, 1.5, theory.samples, theory.features)
    np.testing.assert_allclose(back[theory.seen], theory.population[theory.seen], rtol=1e-7)  # a root at the edge
    np.testing.assert_allclose(back[~theory.seen], 1.5 * (1 + aspect**-0.5), rtol=1e-7)  # the edge itself: critical
    assert np.isnan(population_threshold(0.999 * theory.edge, 1.5, theory.samples, theory.features))


def test_scaling_of_the_data():
    one, ten = spiked([3, 0.1], 1, 50, 100), spiked([30, 1], 10, 50, 100)
    for name in ("threshold", "expected_threshold", "edge", "noise_floor", "width"):
        np.testing.assert_allclose(getattr(ten, name), 10 * np.asarray(getattr(one, name)), rtol=CLOSED)
    for name in ("overlap", "chance_overlap", "critical_aspect", "seen", "blurred"):
        np.testing.assert_allclose(getattr(ten, name), getattr(one, name), rtol=CLOSED)


def test_table_and_json():
    theory = spiked([0.5, 3], 1, 200, 100)
    assert theory.spikes.tolist() == [3, 0.5]
    assert "1 of 2 spikes detected" in theory.summary()
    assert json.loads(json.dumps(theory.to_dict(), allow_nan=False))["seen"] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], 1, 10, 10), "at least one"),
        (([1, 1], 1, 10, 10), "distinct"),
        (([-1], 1, 10, 10), "positive"),
        (([np.nan], 1, 10, 10), "positive"),
        (([1, 2], 1, 10, 2), "fewer than the 2 features"),
        ((["a"], 1, 10, 10), "cannot be read as numbers"),
        (([1], 0, 10, 10), "noise is 0"),
        (([1], [1, 2], 10, 10), "noise is .*, but a number above 0"),
        (([1], 1, 0, 10), "samples is 0, but a whole number"),
        (([1], 1, 10, 2.5), "features is 2.5, but a whole number"),
    ],
)
def test_bad_input_of_the_closed_forms(arguments, words):
    with pytest.raises(InputError, match=words):
        spiked(*arguments)


# ------------------------------------------------------------------------------------------- trained models


HOME = sys.modules[dataset_size.__module__]


@pytest.fixture(scope="module")
def trained() -> DatasetSize:
    """Below, at and above the transition, which is at n/d = 4."""
    return dataset_size([0.5], 1.0, features=100, ratios=[0.5, 4, 16], seeds=range(8))


def test_trained_models_on_both_sides_of_the_transition(trained):
    assert trained.agrees
    assert trained.verdict.tolist() == [["agrees"], ["not resolved"], ["agrees"]]
    assert np.all(trained.converged == 1)
    below, _, above = trained.overlap[..., 0]
    assert below.mean() < 0.1
    assert above.mean() == pytest.approx(2 / 3, abs=0.1)
    assert np.all(trained.threshold[0] > 3 * 1.5)  # the training set keeps a latent alive at thrice the true price
    assert trained.recovered[2].mean() == pytest.approx(1.5, abs=0.1)


def test_several_spikes_have_latents_of_their_own():
    result = dataset_size([4, 0.2], features=80, ratios=[0.5], seeds=range(16))
    assert result.predicted[0].seen.tolist() == [True, False]
    assert result.verdict.tolist() == [["agrees", "agrees"]]
    strong, weak = result.overlap[0].mean(axis=0)
    assert strong > 0.4 > 0.1 > weak


@pytest.mark.parametrize("aspect", [0.5, 3])
def test_thresholds_are_those_of_the_training_set(monkeypatch, aspect):
    """What is read off the branches is what the eigenvalues of the same data say, with fewer rows than columns too."""
    spectra = []

    def keeping(scan, spectrum):
        spectra.append(spectrum)
        return branches(scan, spectrum)

    monkeypatch.setattr(HOME, "branches", keeping)
    result = dataset_size([4, 2], features=30, ratios=[aspect], seeds=range(3))
    eigenvalues = [spectrum.eigenvalues[:2] for spectrum in spectra]
    np.testing.assert_allclose(result.threshold[0], eigenvalues, rtol=10 * TRAINED)  # a line drawn out from two points


def theories(result, **changed):
    """The same result held against closed forms in which something is changed."""
    return replace(
        result, predicted=tuple(replace(t, **{k: f(t) for k, f in changed.items()}) for t in result.predicted)
    )


def test_wrong_closed_forms_are_refuted(trained):
    refuted = [["disagrees"], ["not resolved"], ["disagrees"]]
    naive = theories(trained, threshold=lambda t: t.population)  # the training set mistaken for the population
    assert naive.verdict.tolist() == refuted
    assert not naive.agrees
    assert theories(trained, overlap=lambda t: t.overlap**0.5).verdict.tolist()[2] == ["disagrees"]  # squared or not
    assert theories(trained, threshold=lambda t: np.array([t.edge])).verdict.tolist()[2] == ["disagrees"]  # pure noise
    more = tuple(spiked(t.spikes, 1.15, t.samples, t.features) for t in trained.predicted)
    assert replace(trained, predicted=more).verdict.tolist() == refuted


def test_a_wrong_price_is_refuted_and_the_trainer_is_passed_on(monkeypatch, trained):
    asked = []

    def mislabelled(source, temperatures, *, trainer, **options):
        asked.append(trainer)
        models = scan(source, temperatures, **options)
        return models.assign_coords(temperature=models.temperature * 1.3)

    scan = HOME.scan
    monkeypatch.setattr(HOME, "scan", mislabelled)
    result = dataset_size([0.5], ratios=[0.5, 16], seeds=range(8), trainer=Exact(1e-7))
    assert set(asked) == {Exact(1e-7)}
    assert result.verdict.tolist() == [["disagrees"]] * 2
    np.testing.assert_allclose(result.threshold, 1.3 * trained.threshold[[0, 2]], rtol=1e-3)


def test_too_few_seeds_resolve_nothing(trained):
    few = replace(trained, threshold=trained.threshold[:, :2], overlap=trained.overlap[:, :2])
    assert set(few.verdict.ravel()) == {"not resolved"}
    assert not few.agrees


def test_a_branch_without_an_end_is_not_resolved(trained):
    lost = trained.threshold.copy()
    lost[2, 5] = np.nan
    result = replace(trained, threshold=lost, converged=np.array([1, 1, 0.5]))
    assert result.verdict.tolist() == [["agrees"], ["not resolved"], ["not resolved"]]
    assert "16.7% of the models were not trained" in result.summary()
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["threshold"][2][5] == [None]


def test_a_model_that_diverged_agrees_with_nothing(trained):
    lost = trained.overlap.copy()
    lost[1, 3] = np.nan
    result = replace(trained, overlap=lost)
    assert result.verdict[1].tolist() == ["disagrees"]
    assert not result.agrees


def test_summary(trained):
    lines = trained.summary().splitlines()
    assert lines[0] == "DatasetSize(n/d = 0.5 … 16, 2 of 3 agree)"
    assert [line.split()[:3] for line in lines[4:7]] == [
        ["0.5", "50", "1.5"],
        ["4", "400", "1.5"],
        ["16", "1600", "1.5"],
    ]
    assert "visible above n/d = 4" in lines[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ratios": []}, "ratios"),
        ({"ratios": [0.01]}, "from 0.02 on"),
        ({"ratios": [1, np.inf]}, "ratios"),
        ({"ratios": "many"}, "cannot be read as numbers"),
        ({"seeds": [1]}, "at least two"),
        ({"seeds": 1}, "at least two"),
        ({"seeds": [1, 1]}, "each only once"),
        ({"seeds": [-1, 1]}, "each a whole number from 0 on"),
        ({"features": 1}, "fewer than the 1 features"),
        ({"noise": -1}, "noise is -1"),
    ],
)
def test_bad_input(options, words):
    with pytest.raises(InputError, match=words):
        dataset_size(**options)


# ---------------------------------------------------------------------------------------------- the picture


def test_picture(trained, tmp_path):
    ax = plotting.dataset_size(trained)
    upper, lower = ax.child_axes
    for panel, name in ((upper, "threshold"), (lower, "overlap")):
        measured = getattr(trained, name)[..., 0]
        line = next(np.asarray(line.get_xydata()) for line in panel.get_lines() if len(line.get_xdata()) > 100)
        at = [getattr(spiked([0.5], 1, round(a * 10**6), 10**6), name)[0] for a in (1, 4, 9)]
        np.testing.assert_allclose(np.interp([1, 4, 9], *line.T), at, rtol=1e-3, atol=1e-9)
        drawn = {c.get_label(): c for c in panel.containers if len(c.lines[0].get_xdata())}
        assert list(drawn) == ["trained", "trained, not resolved"]
        np.testing.assert_allclose(
            drawn["trained"].lines[0].get_xydata(), np.c_[trained.ratio, measured.mean(axis=1)][[0, 2]], rtol=CLOSED
        )
        low, high = drawn["trained, not resolved"].lines[2][0].get_segments()[0][:, 1]
        assert high - low == pytest.approx(2 * measured[1].std(ddof=1) / 8**0.5)
        assert any(line.get_marker() == "D" and line.get_xdata() == 4 for line in panel.get_lines())  # the transition
    population = [line for line in upper.get_lines() if list(line.get_ydata()) == [1.5, 1.5]]
    assert len(population) == 1
    assert [text.get_text() for text in upper.get_legend().get_texts()][-1] == "trained, not resolved"
    assert report.save_figure(tmp_path / "x.png", ax).stat().st_size > 10_000


def test_picture_of_several_spikes_on_given_axes():
    result = dataset_size([5, 0.5], features=30, ratios=[1, 8], seeds=3)
    ax = Figure().add_subplot()
    assert plotting.dataset_size(result, ax) is ax
    assert [text.get_text() for text in ax.child_axes[1].texts] == ["BBP, $k = 2$"]
    wrong = theories(result, threshold=lambda t: 3 * t.threshold)
    texts = plotting.dataset_size(wrong).child_axes[0].get_legend().get_texts()
    assert "trained, disagrees" in [text.get_text() for text in texts]
