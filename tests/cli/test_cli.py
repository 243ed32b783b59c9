"""The commands as a user runs them: tables, JSON, pictures, exit codes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sympy
from conftest import CLOSED

from landau_vae import Loss, Spectrum, choose_beta, symbolic, transitions
from landau_vae.cli import main
from landau_vae.data import read_file


@pytest.fixture
def table(tmp_path, rng):
    frame = pd.DataFrame(rng.standard_normal((300, 4)) * [3, 2, 1, 0.5], columns=list("abcd"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    return frame, str(tmp_path / "x.csv")


def test_thresholds(table, capsys):
    frame, path = table
    assert main(["thresholds", path, "--beta", "0.7", "--reconstruction", "mean"]) == 0
    out = capsys.readouterr().out
    cascade = transitions(Spectrum.from_data(frame), Loss.gaussian(0.7, reconstruction="mean"))
    for beta in cascade.beta:
        assert f"{beta:.6g}" in out
    assert "½ mean(x − x̂)²" in out
    assert f"{int(np.count_nonzero(cascade.beta > 0.7))} of 4 modes are active" in out


def test_thresholds_as_json(table, capsys):
    frame, path = table
    options = ["--no-half", "--kl", "mean", "--latents", "3", "--standardize", "--beta", "1.5"]
    assert main(["thresholds", path, "--json", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    spectrum = Spectrum.from_data(frame, standardize=True)
    loss = Loss.gaussian(1.5, half=False, kl="mean", latents=3)
    np.testing.assert_allclose(result["transitions"]["beta"], transitions(spectrum, loss).beta, rtol=CLOSED)
    assert len(result["transitions"]["beta"]) == 3
    assert result["spectrum"]["names"] == list("abcd")
    assert result["equilibrium"]["price"] == pytest.approx(float(loss.price(spectrum)), rel=CLOSED)


def test_choose(table, capsys):
    frame, path = table
    spectrum = Spectrum.from_data(frame)
    assert main(["choose", path, "--keep", "2", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["beta"] == pytest.approx(choose_beta(spectrum, Loss.gaussian(), keep=2).beta, rel=CLOSED)
    assert kept["equilibrium"]["active"] == 2
    assert main(["choose", path, "--tolerance", "0.1", "--mean"]) == 0
    wanted = choose_beta(spectrum, Loss.gaussian(), tolerance=0.1, reconstruction="mean")
    assert f"β = {wanted.beta:.6g}" in capsys.readouterr().out
    for options, asked in [
        (["--rate", "3"], {"rate": 3.0}), (["--rate", "3", "--unit", "bits"], {"rate": 3.0, "unit": "bits"}),
        (["--codes", "16"], {"codes": 16}),
    ]:  # fmt: skip
        assert main(["choose", path, *options, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["beta"]
        assert found == pytest.approx(choose_beta(spectrum, Loss.gaussian(), **asked).beta, rel=CLOSED)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_pictures(table, capsys, tmp_path, suffix):
    _, path = table
    target = tmp_path / f"cascade.{suffix}"
    assert main(["choose", path, "--keep", "2", "--output", str(target)]) == 0
    assert target.read_bytes()[:5] in (b"\x89PNG\r", b"%PDF-", b"<?xml")
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_long_tables_are_cut_and_say_so(tmp_path, capsys, rng):
    np.save(tmp_path / "x.npy", rng.standard_normal((200, 50)))
    assert main(["thresholds", str(tmp_path / "x.npy"), "--modes", "5"]) == 0
    assert "… and 45 more" in capsys.readouterr().out


def test_reproduce(capsys, tmp_path):
    assert main(["reproduce", "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out.count("agrees") == 18
    assert "18 of 18 resolved modes agree" in out
    assert "Mode 19 is unresolved" in out
    assert "bio5, bio6, bio7" in out
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["branches.png", "overview.png", "rate_distortion.png", "results.json", "scan.nc", "spectra.png",
                       "universal_law.png"]  # fmt: skip
    import xarray

    with xarray.open_dataset(tmp_path / "out" / "scan.nc") as models:
        assert models.sizes["temperature"] == 121
    assert json.loads((tmp_path / "out" / "results.json").read_text())["agrees"] is True
    assert "written:" in err


def test_reproduce_exits_with_1_where_theory_and_training_differ(capsys):
    """A tolerance below what training can give: 1e-10."""
    assert main(["reproduce", "--points", "41", "--tolerance", "1e-10", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["agrees"] is False
    assert "disagrees" in {mode["verdict"] for mode in result["modes"]}


def test_reproduce_weighted_by_area(capsys):
    assert main(["reproduce", "--area-weighted", "--json"]) == 0
    assert [row["trained"] for row in json.loads(capsys.readouterr().out)["ranks"]] == [6, 9, 10, 12, 16, 17]


def run_program(*arguments):
    command = [sys.executable, "-m", "landau_vae", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_derive_lists_what_there_is(capsys):
    assert main(["derive"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == symbolic.names()
    assert "Landau expansion" in lines[1]
    assert main(["derive", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == symbolic.names()


def test_derive_prints_a_derivation(capsys):
    assert main(["derive", "collapse", "--order", "4"]) == 0
    text = capsys.readouterr().out
    assert "a_4" in text
    assert "a_6" not in text
    assert "✓ a_4=" not in text
    assert "✓ at the threshold a_4=1/(4λ)" in text
    assert main(["derive", "collapse", "--latex"]) == 0
    document = capsys.readouterr().out
    assert document.startswith("\\documentclass")
    assert "a_{8} = \\frac{4 \\lambda - \\tau}{8 \\tau^{4}}" in document
    assert main(["derive", "collapse", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert {"name": "a_{4}", "latex": r"\frac{2 \lambda - \tau}{4 \tau^{2}}",
            "sympy": "(2*lambda - tau)/(4*tau**2)"} in page["formulas"]  # fmt: skip
    assert len(page["checked"]) > 20


def test_derive_as_markdown_is_the_committed_page(capsys):
    assert main(["derive", "order-parameter", "--markdown"]) == 0
    assert capsys.readouterr().out == symbolic.typeset.markdown(symbolic.derive("order-parameter"))


def test_derive_exits_with_1_where_the_derivation_does_not_hold(capsys, monkeypatch):
    monkeypatch.setattr(symbolic.linear, "kl", lambda m, v: (m + v - 1 - 2 * sympy.log(v)) / 2)
    assert main(["derive", "order-parameter"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("landau-vae: the derivation does not hold. ")
    assert captured.err.count("\n") == 1


def test_the_program_itself(table):
    _, path = table
    run = run_program("thresholds", path)
    assert run.returncode == 0
    assert "collapses at β" in run.stdout
    run = run_program("thresholds", "no.csv")
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("reproduce", "thresholds", "choose", "derive"):
        assert command in out


def test_an_interruption_leaves_nothing_half_done(tmp_path):
    """Ctrl-C while the main job loads, trains and draws: no traceback of our own code, only whole files."""
    import signal
    import time

    for delay in (0.5, 1.5, 3.0):
        command = [sys.executable, "-m", "landau_vae", "reproduce", "--output", str(tmp_path / "out")]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8") as process:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
        assert "Traceback" not in err or process.returncode == -signal.SIGINT  # before our own code was running
        if (tmp_path / "out").exists():
            assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_a_reader_that_leaves_is_no_error(table):
    _, path = table
    command = [sys.executable, "-m", "landau_vae", "thresholds", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        "thresholds x.csv --intervals",
        "thresholds x.csv --given a --standardize",
        "choose x.csv --keep 2 --output x.png",
        "verify x.csv --exact --seeds 1 --points 8",
        "diagnose post.npz --data x.csv",
    ],
)
def test_a_file_is_read_once(table, tmp_path, monkeypatch, rng, arguments):
    mean = rng.standard_normal((300, 2))
    np.savez(tmp_path / "post.npz", mean=mean, variance=np.ones_like(mean))
    monkeypatch.chdir(tmp_path)
    opened, real = [], read_file.open_csv
    monkeypatch.setattr(read_file, "open_csv", lambda *options: opened.append(options) or real(*options))
    assert main(arguments.split()) in (0, 1)
    assert len(opened) == 1
