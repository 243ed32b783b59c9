"""`landau-vae verify FILE` as a user runs it: tables, JSON, report, resuming, exit codes."""

import json

import numpy as np
import pandas as pd
import pytest

import landau_vae as lv
from landau_vae.cli import main
from landau_vae.training import load_scan

QUICK = ["--seeds", "4", "--updates", "2500", "--batch", "128", "--coldest", "0.004", "--workers", "1"]


@pytest.fixture
def table(tmp_path, rng):
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    rows = rng.standard_normal((2000, 4)) * np.sqrt([3.0, 1.0, 0.4, 0.15]) @ axes.T + 7.0
    frame = pd.DataFrame(rows, columns=list("abcd"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    return frame, str(tmp_path / "x.csv")


def test_table(table, capsys):
    _, path = table
    assert main(["verify", path, *QUICK]) == 0
    out, err = capsys.readouterr()
    assert "4 of 4 modes agree" in out
    assert "All this is for these 2000 rows; the λ/V of the population behind them is known to ± " in out
    assert "4 seeds, 4 latents: 2500 updates of 128 rows by adam" in out
    assert "models in 4 tasks: data " in err


@pytest.fixture
def networks(tmp_path, rng):
    """Rows, and two small networks of them, hardly trained: for what is said, not for the numbers."""
    pytest.importorskip("jax", reason="networks are trained with JAX")
    from landau_vae.training import Neural, save_scan

    rows = rng.standard_normal((500, 3)) * [2.0, 1.0, 0.5]
    np.save(tmp_path / "rows.npy", rows)
    how = Neural(hidden=(8,), updates=500, optimizer=lv.training.Adam(0.01))
    models = lv.scan(rows, [0.1, 0.9], latents=1, trainer=how, start="up")
    return str(tmp_path / "rows.npy"), str(save_scan(tmp_path / "up.nc", models)), rows, models


def test_networks_that_are_trained_already(networks, capsys, tmp_path):
    path, up, rows, models = networks
    expected = lv.verify(models, data=rows)
    assert main(["verify", path, "--scan", up, "--json"]) == (0 if expected.agrees else 1)
    out, err = capsys.readouterr()
    assert json.loads(out)["claims"] == expected.to_dict()["claims"] != []
    assert "training" not in err
    main(["verify", path, "--scan", up, "--output", str(tmp_path / "out")])
    assert "of networks" in capsys.readouterr().out
    assert (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scan", "{up}", "--updates", "5"], "so that --updates has no effect"),
        (["--scan", "{up}", "--exact"], "so that --exact has no effect"),
        (["--down", "{up}"], "name that one too (--scan)"),
        (["--scan", "{up}", "--down", "{up}"], "down was started 'up'"),
        (["--scan", "nowhere.nc"], "There is no file nowhere.nc"),
        (["--scan", "{up}", "--column", "0"], "columns"),
    ],
)
def test_networks_that_cannot_be_compared(networks, capsys, options, words):
    path, up, *_ = networks
    assert main(["verify", path, *(each.format(up=up) for each in options)]) == 2
    assert words in capsys.readouterr().err


def test_json_and_folder(table, capsys, tmp_path):
    frame, path = table
    folder = tmp_path / "out"
    assert main(["verify", path, *QUICK, "--output", str(folder), "--json", "--reconstruction", "mean"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agrees"] is True
    spectrum = lv.Spectrum.from_data(frame)
    np.testing.assert_allclose([mode["pca"] for mode in told["modes"]], spectrum.normalized, rtol=1e-9)
    assert told["loss"]["reconstruction"] == "mean"
    models = load_scan(folder / "scan.nc")
    assert json.loads(models.attrs["trainer"])["loss"]["reconstruction"] == "mean"  # their loop is what was trained
    assert models.feature.values.tolist() == list("abcd")
    assert {file.name for file in folder.iterdir()} >= {"overview.png", "results.json", "scan"}


def test_an_interrupted_run_goes_on(table, tmp_path, monkeypatch, capsys):
    _, path = table
    folder, trained = tmp_path / "out", []
    from landau_vae.training.sampled import Run

    result = Run.result

    def interrupted(self):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(self)
        return result(self)

    monkeypatch.setattr(Run, "result", interrupted)
    assert main(["verify", path, *QUICK, "--output", str(folder)]) == 130
    trained.clear()
    assert main(["verify", path, *QUICK, "--output", str(folder)]) == 0
    assert len(trained) == 2  # two of four tasks were kept
    assert main(["verify", path, *QUICK, "--output", str(folder), "--learning-rate", "0.01"]) == 2
    assert "differs in its trainer" in capsys.readouterr().err


def test_exact_training(table, capsys):
    _, path = table
    assert main(["verify", path, "--exact", "--seeds", "1", "--standardize"]) == 0
    assert "4 of 4 resolved modes agree within 0.01" in capsys.readouterr().out


def test_a_covariance_is_trained_on_by_fresh_samples(tmp_path, capsys):
    np.savetxt(tmp_path / "c.csv", np.diag([3.0, 1.0]), delimiter=",")
    assert main(["verify", str(tmp_path / "c.csv"), "--covariance", *QUICK]) == 0
    assert "2 of 2 modes agree" in capsys.readouterr().out


def test_weights_and_columns(table, capsys):
    frame, path = table
    frame.assign(w=np.where(np.arange(len(frame)) < 1000, 1.0, 0.0)).to_csv(path, index=False)
    options = ["--weights", "w", "--exclude", "d", "--json"]
    assert main(["verify", path, *QUICK, *options]) == 0
    told = json.loads(capsys.readouterr().out)
    half = lv.Spectrum.from_data(frame.iloc[:1000, :3])
    np.testing.assert_allclose([mode["pca"] for mode in told["modes"]], half.normalized, rtol=1e-9)


def test_too_short_a_run_is_no_success(table, capsys):
    _, path = table
    assert main(["verify", path, *QUICK, "--updates", "50"]) == 1
    out = capsys.readouterr().out
    assert "not converged" in out
    assert "Likely cause: Training (50 updates) ended before" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--exact", "--updates", "100"], "--updates has no effect"),
        (["--exact", "--optimizer", "adam"], "--optimizer has no effect"),
        (["--exact", "--learning-rate", "0.1"], "--learning-rate has no effect"),
        (["--seeds", "99999999999"], "from 1 to 100000"),
        (["--points", "99999999999"], "from 3 to 100000"),
    ],
)
def test_options_that_cannot_be_meant(table, options, said, capsys):
    assert main(["verify", table[1], *options]) == 2
    assert said in capsys.readouterr().err


def test_modes_that_no_latent_is_left_for(table, capsys, tmp_path):
    options = ["--latents", "1", "--seeds", "1", "--updates", "50", "--batch", "9999999", "--workers", "1"]
    main(["verify", table[1], *options, "--points", "4", "--output", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "1 latent: 50 updates of 2000 rows" in out
    assert "Modes 2–4: not compared (no latent was left)." in out


def test_a_grid_that_is_too_warm_says_so(table, capsys):
    assert main(["verify", table[1], *QUICK, "--updates", "50", "--coldest", "0.9", "--points", "3"]) == 1
    assert "Modes 1–4: outside the grid (too few temperatures" in capsys.readouterr().out


def test_pictures_of_one_latent_and_of_crowded_modes():
    spectrum = lv.Spectrum.from_eigenvalues([3.0, 1.0, 1.0, 1.0])
    one = lv.verify(lv.scan(spectrum, np.geomspace(1, 0.01, 8), latents=1), spectrum)
    curve, trained, *_ = lv.plotting.rate_distortion(one).lines
    np.testing.assert_allclose(trained.get_ydata()[0], curve.get_ydata()[0], rtol=1e-6)  # optimal with one latent
    pca = lv.plotting.spectra(one).lines[0]
    assert pca.get_marker() == "_"  # a line through one point would not be seen
    assert lv.plotting.spectra(one).get_title("left") == "Three spectra are one"
    wrong = lv.verify(lv.scan(spectrum, np.geomspace(1, 0.01, 8)), lv.Spectrum.from_eigenvalues([2.0, 2.0, 1.0, 1.0]))
    assert lv.plotting.spectra(wrong).get_title("left") == "Three spectra"  # no claim that the table denies
    lv.plotting.overview(lv.verify(lv.scan(spectrum, [0.1]), spectrum))  # of one temperature, without a warning
    crowded = lv.verify(lv.scan(spectrum, np.geomspace(1, 0.01, 8)), spectrum)
    assert [text.get_text() for text in lv.plotting.branches(crowded).texts if text.get_text().isdigit()] == list("123")
