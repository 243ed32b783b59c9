"""Commands with a likelihood by its name: its spectrum is made of the rows, and only what is known is said."""

import json

import numpy as np
import pytest
from likelihood_cases import LIKELIHOODS, rows

import landau_vae as lv
from landau_vae.cli import main

NAMED = ["laplace", "huber", "student-t", "counts", "zeros", "labels", "spread"]


@pytest.fixture
def table(tmp_path):
    def write(name):
        path = tmp_path / f"{name}.npy"
        np.save(path, rows(name))
        return str(path)

    return write


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", NAMED)
def test_thresholds_are_those_of_the_score_spectrum(name, table, capsys):
    code, out, _ = run(capsys, "thresholds", table(name), "--likelihood", LIKELIHOODS[name], "--json")
    found = json.loads(out)
    spectrum = lv.spectrum.score(rows(name), LIKELIHOODS[name])
    assert code == 0
    assert found["transitions"]["beta"][0] == pytest.approx(spectrum.eigenvalues[0], rel=1e-9)
    assert found["loss"]["likelihood"] == LIKELIHOODS[name]


@pytest.mark.parametrize("name", NAMED)
def test_what_is_exact_is_said_once(name, table, capsys):
    _, out, _ = run(capsys, "thresholds", table(name), "--likelihood", LIKELIHOODS[name])
    assert out.count("first threshold is exact") == 1
    assert "dependent" not in out
    _, out, _ = run(capsys, "choose", table(name), "--likelihood", LIKELIHOODS[name], "--keep", "1")
    assert out.count("first threshold is exact") == 1


def test_a_mean_over_features_has_its_own_price(table, capsys):
    """The absolute error of l1_loss is a mean over five features: β is a fifth of the price."""
    options = ["--likelihood", "laplace", "--json"]
    _, out, _ = run(capsys, "thresholds", table("laplace"), *options)
    _, mean, _ = run(capsys, "thresholds", table("laplace"), *options, "--reconstruction", "mean")
    one, five = (json.loads(each)["transitions"]["beta"][0] for each in (out, mean))
    assert one / five == pytest.approx(5)


def test_standardised_rows(table, capsys):
    _, out, _ = run(capsys, "thresholds", table("huber"), "--likelihood", "huber(1)", "--standardize", "--json")
    x = rows("huber")
    spectrum = lv.spectrum.score((x - x.mean(axis=0)) / x.std(axis=0), "huber(1)")
    assert json.loads(out)["transitions"]["beta"][0] == pytest.approx(spectrum.eigenvalues[0], rel=1e-9)


def test_public_data_in_units_of_their_own_are_standardised(capsys):
    pytest.importorskip("sklearn")
    code, out, _ = run(capsys, "thresholds", "--dataset", "wine", "--likelihood", "huber(1)")
    assert code == 0
    assert "standardised" in out


def test_posteriors_are_diagnosed(table, tmp_path, capsys):
    np.savez(tmp_path / "post.npz", mean=np.zeros((2000, 2)), variance=np.ones((2000, 2)))
    options = [str(tmp_path / "post.npz"), "--data", table("huber"), "--likelihood", "huber(1)"]
    code, out, _ = run(capsys, "diagnose", *options, "--beta", "0.5")
    assert code == 1
    assert "should-be-active" in out
    code, out, _ = run(capsys, "diagnose", *options, "--beta", "50")
    assert "price-too-high" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["thresholds", "huber", "--likelihood", "huber(x)"], "cannot be read as numbers"),
        (["thresholds", "huber", "--likelihood", "hubre(1)"], "but 'huber(0.5)' or one of"),
        (["thresholds", "huber", "--likelihood", "categorical(2,2)"], "groups"),
        (["thresholds", "huber", "--likelihood", "zero-inflated(2)"], "counts, from 0 on"),
        (["thresholds", "huber", "--likelihood", "huber(1)", "--intervals"], "one of scores"),
        (["thresholds", "huber", "--likelihood", "huber(1)", "--divisor", "n-1"], "leave --divisor out"),
        (["onset", "huber", "--likelihood", "huber(1)"], "linear threshold, β ="),
        (["bifurcate", "huber", "--likelihood", "huber(1)"], "no closed form to follow"),
        (["verify", "huber", "--likelihood", "huber(1)"], "train networks"),
        (["thresholds", "huber", "--likelihood", "laplace", "--decoder-variance", "2"], "no decoder variance"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_sentence(arguments, words, table, capsys):
    command, name, *options = arguments
    code, _, err = run(capsys, command, table(name), *options)
    assert code != 0
    assert words in " ".join(err.split())


def test_a_covariance_is_not_enough(tmp_path, capsys):
    np.save(tmp_path / "c.npy", np.eye(3))
    code, _, err = run(capsys, "thresholds", str(tmp_path / "c.npy"), "--covariance", "--likelihood", "laplace")
    assert code != 0
    assert "the rows are needed" in err
