"""`landau-vae onset` and the line about skewness in `landau-vae thresholds`, as a user runs them."""

import json

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.cli import main


@pytest.fixture
def skewed(tmp_path):
    rows = np.random.default_rng(0).gamma(1.0, size=(300, 2)) * [2, 0.5]
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", header="a,b", comments="")
    return rows, str(tmp_path / "x.csv")


def test_onset(skewed, capsys, tmp_path):
    rows, path = skewed
    options = ["--rows", "100", "--seed", "3", "--beta", "0.7", "--reconstruction", "mean", "--json"]
    assert main(["onset", path, *options, "--output", str(tmp_path / "onset.png")]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    expected = lv.onset(rows, lv.Loss.gaussian(0.7, reconstruction="mean"), rows=100, seed=3)
    for name in ("linear", "maxwell", "spinodal", "proxy_beta"):
        assert result[name] == pytest.approx(getattr(expected, name), rel=1e-9)  # the file has all digits
    assert result["order"] == expected.order
    assert (tmp_path / "onset.png").read_bytes()[:4] == b"\x89PNG"
    assert "written" in err


def test_thresholds_mention_a_skew_that_matters(skewed, capsys, tmp_path):
    assert main(["thresholds", skewed[1]]) == 0
    assert "see `landau-vae onset`" in capsys.readouterr().out
    np.save(tmp_path / "normal.npy", np.random.default_rng(0).standard_normal((300, 2)) * [2, 1])
    assert main(["thresholds", str(tmp_path / "normal.npy")]) == 0
    assert "onset" not in capsys.readouterr().out
    assert main(["thresholds", skewed[1], "--likelihood", "poisson"]) == 0
    assert "onset" not in capsys.readouterr().out


def test_thresholds_mention_columns_whose_units_differ(tmp_path, capsys):
    """Deviations 1000 and 1 in the first two columns: the first holds all of the variance but a millionth."""
    path, rows = tmp_path / "units.csv", np.random.default_rng(0).standard_normal((300, 2))
    np.savetxt(path, rows * [1000, 1], delimiter=",", header="elevation,soil", comments="")
    assert main(["thresholds", str(path)]) == 0
    assert "column 'elevation' holds 100% of the variance" in capsys.readouterr().out
    assert main(["thresholds", str(path), "--standardize"]) == 0
    assert "--standardize" not in capsys.readouterr().out
    np.savetxt(path, rows * [10, 1], delimiter=",", header="elevation,soil", comments="")
    assert main(["thresholds", str(path)]) == 0
    assert "--standardize" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learned-variance"], "linear threshold"),
        (["--likelihood", "poisson"], "linear threshold"),
        (["--given", "b"], "`onset` takes the data as they are"),
        (["--output", "x.nonsense"], "nonsense"),
        (["--rows", "5"], "needs 20"),
        (["--divisor", "n-1"], "leave --divisor out"),
    ],
)
def test_bad_input_exits_with_2(skewed, options, words, capsys):
    assert main(["onset", skewed[1], *options]) == 2
    assert words in capsys.readouterr().err


def test_a_covariance_has_no_onset(tmp_path, capsys):
    np.savetxt(tmp_path / "c.csv", np.eye(2), delimiter=",")
    assert main(["onset", str(tmp_path / "c.csv"), "--covariance", "--no-header"]) == 2
    assert "needs the rows" in capsys.readouterr().err
