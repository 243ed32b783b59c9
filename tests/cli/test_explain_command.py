"""`landau-vae explain` as a user runs it: a log and data in, words, numbers, a picture out; --follow while it grows."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.cli import main

LAM = (4.0, 1.0, 0.25)


@pytest.fixture
def run(tmp_path, monkeypatch, rng):
    """In the working folder: data.npy, and run.csv of a warm-up to β = 0.5, as gradient descent makes it."""
    X = rng.standard_normal((400, 3))
    X = np.linalg.qr(X - X.mean(axis=0))[0] * np.sqrt(400 * np.array(LAM))
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", X)
    warm_up = lv.training.schedules.warm_up(0.5)
    curves = lv.expected(lv.Spectrum.from_data(X), lv.Loss.gaussian(0.5), warm_up, updates=3000, learning_rate=0.02)
    columns = (curves.step, curves.kl, curves.reconstruction, curves.beta, curves.total)
    lines = [",".join(f"{number:.9g}" for number in row) for row in zip(*columns, strict=True)]
    (tmp_path / "run.csv").write_text("\n".join(["step,kl,recon_loss,beta,loss", *lines, "3001,1."]), encoding="utf-8")
    return curves


def test_the_end_and_the_course(run, capsys):
    assert main(["explain", "run.csv", "--data", "data.npy"]) == 0
    out = capsys.readouterr().out
    assert f"run.csv ({len(run.step)} steps) on data.npy" in out
    assert "β: 0.5 at β = 0.5" in out  # the last one of the log
    for code in ("active", "one-linear-model", "plateau", "rising-loss"):
        assert f"· {code}: " in out


def test_json_and_picture(run, capsys):
    assert main(["explain", "run.csv", "--data", "data.npy", "--json", "--output", "run.png"]) == 0
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert content["verdict"] == "active"
    assert content["kl"] == pytest.approx(run.kl[-1], rel=1e-8)
    assert content["expected_kl"] == pytest.approx(0.5 * np.log([8, 2]).sum(), rel=1e-6)
    assert {finding["code"] for finding in content["findings"]} >= {"active", "expected", "units", "plateau"}
    assert "written: run.png" in err
    with open("run.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_options_of_loss_and_log(run, capsys):
    arguments = [
        "--beta",
        "2",
        "--reconstruction",
        "mean",
        "--no-half",
        "--latents",
        "2",
        "--kl-as",
        "latent",
        "--json",
    ]
    assert main(["explain", "run.csv", "--data", "data.npy", *arguments, "--reconstruction-as", "row"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["rate"] == pytest.approx(2 * run.kl[-1], rel=1e-8)
    assert content["error"] == pytest.approx(run.reconstruction[-1], rel=1e-8)
    assert content["price"] == pytest.approx(3.0)  # β d/2
    assert content["loss"]["beta"] == 2.0


def test_named_columns_and_a_likelihood(run, capsys, rng):
    np.save("bits.npy", (rng.random((200, 4)) < 0.5).astype(float))
    with open("own.csv", "w", encoding="utf-8") as file:
        file.write("a;b\n0.0;2.77\n")
    named = ["--kl-column", "a", "--reconstruction-column", "b", "--likelihood", "bernoulli", "--beta", "3"]
    assert main(["explain", "own.csv", "--data", "bits.npy", *named]) == 0
    assert "· collapsed: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv", "--data", "data.npy"], "There is no file none.csv"),
        (["run.csv", "--data", "none.npy"], "no file"),
        (["run.csv"], "--data"),
        (["run.csv", "--data", "data.npy", "--kl-column", "x"], "no column 'x'"),
        (["run.csv", "--data", "data.npy", "--kl-as", "pixel"], "pixel"),
        (["run.csv", "--data", "data.npy", "--output", "x.nonsense"], "nonsense"),
        (["run.csv", "--data", "data.npy", "--beta", "0"], "positive finite number"),
        (["run.csv", "--data", "none.npy", "--follow"], "no file"),
    ],
)
def test_bad_input_exits_with_2(run, arguments, words, capsys):
    assert main(["explain", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def followed(run, tmp_path):
    """The command with --follow, on a log that is not there yet, in a process of its own."""
    command = [sys.executable, "-m", "landau_vae", "explain", "new.csv", "--data", "data.npy", "--follow"]
    with open("out.txt", "w", encoding="utf-8") as out:
        environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    yield process
    process.kill()


def waits_for(words, count=1):
    """Wait until the command has printed these words so often: half a minute on a busy machine."""
    for _ in range(600):
        with open("out.txt", encoding="utf-8") as file:
            if file.read().count(words) >= count:
                return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for processes")
def test_follow_sees_a_log_grow_end_in_half_a_line_and_begin_anew(followed):
    assert waits_for("There is no file new.csv")
    with open("new.csv", "w", encoding="utf-8") as log:
        log.write("step,kl,mse\n0,0.0,2.6\n")
        log.flush()
        assert waits_for("new.csv (1 step)")
        log.write("1,0.5,2.0\n2,0.6,1.")
        log.flush()
        assert waits_for("new.csv (2 steps)")
    with open("new.csv", "w", encoding="utf-8") as log:
        log.write("kl\n")
        log.flush()
        assert waits_for("none is known as its reconstruction")
    with open("new.csv", "w", encoding="utf-8") as log:
        log.write("step,kl,mse\n0,0.1,2.6\n")
    assert waits_for("new.csv (1 step)", count=2)
    followed.send_signal(signal.SIGINT)
    assert followed.wait(timeout=30) == 0


def test_a_run_that_diverged_is_said_to(run, capsys):
    with open("run.csv", "a", encoding="utf-8") as log:
        log.write("\n3002,nan,nan,0.5,nan\n")
    assert main(["explain", "run.csv", "--data", "data.npy"]) == 0
    assert "The run has diverged: from step 3002 on" in capsys.readouterr().out
    assert main(["explain", "run.csv", "--data", "data.npy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broken"] == 3002
