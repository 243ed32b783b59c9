"""`landau-vae bifurcate` as a user runs it: what it prints, draws and refuses."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

import landau_vae as lv
from landau_vae import cli
from landau_vae.cli import main
from landau_vae.numeric import continuation
from landau_vae.numeric.problems import Linear

LOCATED = 1e-8  # relative: the bar for a located bifurcation


@pytest.fixture
def table(tmp_path, rng):
    frame = pd.DataFrame(rng.standard_normal((300, 4)) * [3, 2, 1, 0.5], columns=list("abcd"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    return lv.Spectrum.from_data(frame), str(tmp_path / "x.csv")


@pytest.fixture
def bits(tmp_path):
    """Words of three bits, as often as their probabilities say."""
    words = np.array(list(itertools.product([0, 1], repeat=3)))
    counts = np.array([40, 5, 12, 3, 7, 9, 4, 20])
    pd.DataFrame(np.repeat(words, counts, axis=0), columns=list("uvw")).to_csv(tmp_path / "bits.csv", index=False)
    y = (words - counts @ words / 100) * np.sqrt(counts / 100)[:, None]
    scale = np.sqrt((y**2).sum(0))
    return np.linalg.eigvalsh(y.T @ y / np.outer(scale, scale))[::-1], str(tmp_path / "bits.csv")


def as_json(capsys, *arguments):
    assert main(["bifurcate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_thresholds_are_found_in_the_loss_of_the_user(table, capsys):
    spectrum, path = table
    found = as_json(capsys, path, "--reconstruction", "mean", "--no-half")
    cascade = lv.transitions(spectrum, lv.Loss.gaussian(reconstruction="mean", half=False))
    points = found["special"]
    np.testing.assert_allclose([point["control"] for point in points], cascade.beta, rtol=LOCATED)
    assert [point["kernel_dimension"] for point in points] == [4, 3, 2, 1]
    assert {point["kind"] for point in points} == {"supercritical pitchfork"}
    assert found["unknowns"] == 4 * 9
    assert found["hysteresis"] is None
    assert "derive landscape" in found["certificate"]


def test_what_is_printed(table, capsys):
    spectrum, path = table
    assert main(["bifurcate", path, "--latents", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("x.csv: Spectrum(4 modes")
    assert "2 latents, 18 unknowns" in "\n".join(lines[:6])
    rows = [line.split() for line in lines if line.endswith(("-16", "-15", "-14", "-13", "-12", "+0.0e+00"))]
    assert [float(row[3]) for row in rows] == pytest.approx(spectrum.eigenvalues[:2], rel=1e-9)
    assert lines[-1].startswith("No jumps: ")


def test_learned_variance_ends_at_the_singular_limit(table, capsys):
    spectrum, path = table
    found = as_json(capsys, path, "--learned-variance")
    expected = 4 * spectrum.eigenvalues / np.minimum.outer(spectrum.eigenvalues, spectrum.eigenvalues).sum(1)
    np.testing.assert_allclose([point["control"] for point in found["special"]], expected[:3], rtol=LOCATED)
    assert found["status"] == "UNBOUNDED"
    assert "At β ≤ 1 " in found["reason"]
    assert found["branches"][-1]["control"][-1] == pytest.approx(1, abs=1e-6)


def test_weight_decay_with_a_jump(tmp_path, capsys):
    """One feature of variance 1 and γ_E = 0.8: spinodals at 1/5 and 4/11 (derivation 12), Maxwell between them."""
    np.savetxt(tmp_path / "c.csv", [[1.0]], delimiter=",")
    options = [str(tmp_path / "c.csv"), "--covariance", "--no-header", "--encoder-decay", "0.8"]
    found = as_json(capsys, *options)
    [jump] = found["hysteresis"]["up"]["jumps"]
    assert [jump["control"], jump["returns"]] == pytest.approx([4 / 11, 0.2], rel=1e-6)
    [exchange] = found["coexistence"]["exchanges"]
    assert exchange["control"] == pytest.approx(jump["maxwell"], rel=1e-9)
    assert main(["bifurcate", *options]) == 0
    text = capsys.readouterr().out
    assert "subcritical pitchfork" in text
    assert "1 first-order jump" in text
    assert "β = 0.341609" in text


def test_modes_that_never_live_are_named(table, capsys):
    _, path = table
    assert main(["bifurcate", path, "--latents", "2", "--decoder-decay", "0.5", "--encoder-decay", "60"]) == 0
    assert "Mode 2 is never active, at whatever β." in capsys.readouterr().out


def test_bits(bits, capsys):
    eigenvalues, path = bits
    found = as_json(capsys, path, "--decoder", "bernoulli", "--latents", "2")
    first, second = (point["control"] for point in found["special"])
    assert first == pytest.approx(eigenvalues[0], rel=LOCATED)
    assert second > 1.001 * eigenvalues[1]  # later thresholds shift, see test_exponential_branches
    assert found["predicted"] == pytest.approx(eigenvalues[:2], rel=1e-12)
    assert found["certificate"] is None
    assert found["hysteresis"]["verdict"].endswith("no theorem excludes one elsewhere")
    assert main(["bifurcate", path, "--decoder", "bernoulli", "--latents", "1"]) == 0
    assert "from collapse" in capsys.readouterr().out


def test_every_branch(table, capsys):
    _, path = table
    few = as_json(capsys, path, "--latents", "2")
    many = as_json(capsys, path, "--latents", "2", "--all")
    assert len(many["branches"]) > len(few["branches"])
    assert max(max(branch["index"]) for branch in many["branches"]) > 0


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture(table, capsys, tmp_path, suffix):
    _, path = table
    target = tmp_path / f"branches.{suffix}"
    assert main(["bifurcate", path, "--latents", "2", "--output", str(target)]) == 0
    assert target.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


def test_a_disagreement_is_exit_code_1(table, capsys, monkeypatch):
    _, path = table
    right = Linear.predicted
    monkeypatch.setattr(Linear, "predicted", lambda self: [(1.0001 * beta, m) for beta, m in right(self)])
    assert main(["bifurcate", path, "--latents", "2"]) == 1
    assert "disagree" in capsys.readouterr().err


def test_how_far_it_follows(table, capsys):
    spectrum, path = table
    top = spectrum.eigenvalues[0]
    found = as_json(capsys, path, "--from", str(1.1 * top), "--to", str(0.9 * top))
    assert [point["control"] for point in found["special"]] == pytest.approx([top], rel=LOCATED)
    controls = found["branches"][0]["control"] + found["branches"][-1]["control"]
    assert [max(controls), min(controls)] == pytest.approx([1.1 * top, 0.9 * top], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--encoder-decay", "-1"], "encoder_decay is -1.0, but a number from 0 on is expected"),
        (["--prior-variance", "0"], "prior_variance is 0.0, but a number above 0 is expected"),
        (["--learned-variance", "--no-half"], "give the loss with its ½"),
        (["--learned-variance", "--decoder-decay", "1"], "leave out weight decay"),
        (["--decoder", "bernoulli"], "are from 0 to 1"),
        (["--decoder", "poisson"], "from 0 on"),
        (["--decoder", "bernoulli", "--standardize"], "needs the samples as they are"),
        (["--decoder", "bernoulli", "--no-half"], "leave the options of the squared error"),
        (["--decoder", "bernoulli", "--learned-variance"], "leave the options of the squared error"),
        (["--from", "1", "--to", "2"], "from a larger to a smaller positive number"),
        (["--from", "nan"], "--from is nan, but a finite number"),
        (["--to", "-1"], "from a larger to a smaller positive number"),
        (["--encoder-decay", "1e3", "--decoder-decay", "1"], "No mode becomes unstable at any β here"),
        (["--latents", "400"], "3600 unknowns, but up to 2500 are followed: give at most --latents 277"),
        (["--output", "x.xyz"], "cannot be saved as 'x.xyz'"),
        (["--decoder", "laplace"], "laplace"),
    ],
)
def test_bad_input_is_one_sentence(table, capsys, options, words):
    _, path = table
    assert main(["bifurcate", path, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("landau-vae: ")
    assert err.count("\n") == 1
    assert words in err


def test_large_models_get_fewer_latents_by_default(tmp_path, capsys, rng):
    np.save(tmp_path / "wide.npy", rng.standard_normal((80, 60)))
    assert main(["bifurcate", str(tmp_path / "wide.npy"), "--to", "3"]) == 0
    assert f"{cli.bifurcate.COMFORTABLE // 121} latents" in capsys.readouterr().out


def test_ctrl_c_keeps_what_was_found(table, capsys, monkeypatch):
    """The signal comes when β is half-way down: the branches so far are printed, and the exit code is a shell's."""
    spectrum, path = table
    below = np.sqrt(spectrum.eigenvalues[1] * spectrum.eigenvalues[2])
    real = continuation.follow

    def interrupted(*arguments, on_progress, **options):
        def stop_at(beta):
            on_progress(beta)
            if beta < below:
                raise KeyboardInterrupt

        return real(*arguments, on_progress=stop_at, **options)

    monkeypatch.setattr(continuation, "follow", interrupted)
    assert main(["bifurcate", path]) == 130
    out, err = capsys.readouterr()
    assert out.count("supercritical pitchfork") == 2
    assert "Interrupted; what was found until then is kept." in out
    assert "interrupted" in err
    assert "disagree" not in err


def test_a_search_that_fails_says_so(table, capsys, monkeypatch):
    _, path = table
    real = continuation.follow
    monkeypatch.setattr(continuation, "follow", lambda *a, **options: real(*a, max_points=5, **options))
    assert main(["bifurcate", path, "--encoder-decay", "0.1"]) == 1
    out = capsys.readouterr().out
    assert "The number of steps was used up" in out
    assert "No jumps: None" not in out
