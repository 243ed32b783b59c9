"""`landau-vae diagnose` and `convert` as a user types them: files in; a verdict, a page and an exit code out."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.cli import main
from landau_vae.loss import PRESETS, Loss

LAM = np.array([6, 3, 2, 1.2, 0.6])


def equilibrium(rng, price, rows=3000, latents=4):
    """Rows, and the posteriors of a linear model at its equilibrium: M²_k = 1 − τ/λ_k."""
    X = rng.standard_normal((rows, 5))
    X = np.linalg.qr(X - X.mean(axis=0))[0] * np.sqrt(rows * LAM)  # principal axes are the columns, λ exactly
    variance = np.minimum(price / LAM[:latents], 1.0)
    mean = X[:, :latents] * np.sqrt((1 - variance) / LAM[:latents])
    return X, mean, np.tile(variance, (rows, 1))


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    """In the working folder: data.npy, and post.npz of a model at τ = 1 under the names that encoders use."""
    X, mean, variance = equilibrium(rng, 1.0)
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", X)
    np.savez("post.npz", mu=mean, logvar=np.log(variance))
    np.savetxt("data.csv", X, delimiter=",", header="a,b,c,d,e", comments="")
    return tmp_path


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_healthy_model(files, capsys):
    code, out, _ = run(capsys, "diagnose", "post.npz", "--data", "data.npy", "--loss", "pythae", "--beta", "1")
    assert code == 0
    assert (
        "post.npz on data.npy: Diagnosis(healthy: 4 of 4 latents active, 4 in a linear model, τ = 1, in effect 1.000"
        in out
    )
    assert re.search(
        r"^question +beta .*\n.*\nTo keep 4 latents ", out, flags=re.MULTILINE
    )  # in the names of their code


def test_an_alarm_is_exit_code_one_and_json_says_the_same(files, capsys):
    arguments = ("diagnose", "post.npz", "--data", "data.csv", "--loss", "pythae", "--beta", "0.25", "--json")
    code, out, _ = run(capsys, *arguments)
    content = json.loads(out)
    assert (code, content["verdict"], content["healthy"]) == (1, "higher-price", False)
    assert content["implied_price"] == pytest.approx(1.0)
    assert content["modes"]["observed"][:4] == pytest.approx((1 - 1 / LAM[:4]).tolist())
    assert content["posterior"] == "post.npz"


def test_which_rows_these_are(files, capsys):
    arguments = ("diagnose", "post.npz", "--data", "data.npy", "--rows")
    assert "taken for the rows it was trained on" in run(capsys, *arguments, "training")[1]
    assert "taken for held-out rows" in run(capsys, *arguments, "held-out")[1]
    code, _, err = run(capsys, *arguments, "some")
    assert code == 2
    assert "held-out" in err


def test_the_help_names_the_way_to_give_a_decoder(capsys):
    assert "decode=model.decode" in " ".join(run(capsys, "diagnose", "--help")[1].split())


def test_the_page(files, capsys):
    code, _, err = run(capsys, "diagnose", "post.npz", "--data", "data.npy", "--output", "report.html")
    assert code == 0
    assert "written: report.html" in err
    page = (files / "report.html").read_text(encoding="utf-8")
    assert "post.npz on data.npy" in page
    assert page.count("<svg") >= 4


def test_names_are_told_and_not_guessed(files, capsys, rng):
    X, mean, variance = equilibrium(rng, 1.0)
    np.savez("odd.npz", m=mean, v=variance, other=X)
    np.save("data.npy", X)
    code, _, err = run(capsys, "diagnose", "odd.npz", "--data", "data.npy")
    assert code == 2
    assert "holds the arrays m, v, other" in err
    assert run(capsys, "diagnose", "odd.npz", "--data", "data.npy", "--mean", "m", "--variance", "v")[0] == 0
    np.savez("both.npz", mean=mean, variance=variance, log_variance=np.log(variance))
    assert run(capsys, "diagnose", "both.npz", "--data", "data.npy")[0] == 2
    assert run(capsys, "diagnose", "both.npz", "--data", "data.npy", "--log-variance", "log_variance")[0] == 0


def test_covariance_in_place_of_rows(files, capsys):
    np.savetxt("cov.csv", np.diag(LAM), delimiter=",")
    code, out, _ = run(capsys, "diagnose", "post.npz", "--data", "cov.csv", "--covariance", "--no-header", "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "healthy"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["post.npz", "--data", "missing.npy"], "no file"),
        (["missing.npz", "--data", "data.npy"], "no file"),
        (["data.npy", "--data", "data.npy"], "NPZ file of named arrays"),
        (["post.npz", "--data", "data.npy", "--loss", "phytae"], "There is no loss called 'phytae'"),
        (["post.npz", "--data", "data.npy", "--loss", "pythae", "--no-half"], "so does --half"),
        (["post.npz", "--data", "data.npy", "--loss", "pyod"], "clamps its KL"),
        (["post.npz", "--data", "data.npy", "--loss", "sigma-vae-mse"], "--batch"),
        (["post.npz", "--data", "data.npy", "--beta", "0"], "positive finite number"),
        (["post.npz", "--data", "data.npy", "--output", "report.pdf"], "does not end with .html"),
        (["post.npz", "--data", "data.npy", "--output", "no/such/report.html"], "There is no folder no/such to save"),
        (["post.npz", "--data", "data.npy", "--updates", "100"], "both are needed"),
        (["post.npz", "--data", "data.npy", "--mean", "nothing"], "no array 'nothing'"),
        (["post.npz", "--data", "data.npy", "--likelihood", "bernoulli"], "from 0 to 1"),
        (["post.npz"], "--data"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(files, capsys, arguments, words):
    code, out, err = run(capsys, "diagnose", *arguments)
    assert code == 2
    assert words in err
    assert not out
    assert not (files / "report.pdf").exists()


def test_rows_that_do_not_belong_together(files, capsys, rng):
    np.save("fewer.npy", rng.standard_normal((10, 5)))
    code, _, err = run(capsys, "diagnose", "post.npz", "--data", "fewer.npy")
    assert code == 2
    assert "3000 posteriors, but 10 rows" in err


# ------------------------------------------------------------------------------------------------ convert


def test_convert_lists_every_loss_in_its_group(capsys):
    code, out, _ = run(capsys, "convert")
    assert code == 0
    for name, preset in PRESETS.items():
        assert f"\n{name} " in out.split(f"\n\n{preset.group}\n")[1]
        assert (preset.note or preset.refused) in out
        assert preset.setting in out
    code, out, _ = run(capsys, "convert", "--features", "12288", "--json")
    losses = json.loads(out)["losses"]
    assert set(losses) == set(PRESETS)
    assert losses["pytorch-vae"]["price"] == pytest.approx(1.536)  # CONVENTIONS of the code bases: M_N D/2
    assert losses["pyod"]["price"] is None
    assert losses["actor"]["needs"] == ["batch", "valid"]
    assert losses["world-models"]["loss"]["constraint"]["value"] == 8.0  # .5 nats of each of 16 latents


def test_valid_entries_are_all_unless_given(capsys):
    """ACTOR: τ = λBN/2."""
    for given, entries in (([], 784), (["--valid", "300"], 300)):
        out = run(capsys, "convert", "--json", "--batch", "20", *given)[1]
        assert json.loads(out)["losses"]["actor"]["price"] == pytest.approx(1e-5 * 20 * entries / 2)


def test_convert_between_two(capsys):
    code, out, _ = run(capsys, "convert", "--from", "beta-vae", "--beta", "4", "--to", "pytorch-vae")
    assert code == 0
    assert out.strip() == "beta = 4 in beta-vae is kld_weight = 0.00510204 in pytorch-vae (d = 784): τ = 2."
    code, out, _ = run(capsys, "convert", "--from", "beta-vae", "--to", "alibi-detect", "--latents", "8", "--json")
    there = Loss.from_dict(json.loads(out)["to"][0])
    assert float(there.charge(784)) == pytest.approx(2.0)
    code, out, _ = run(capsys, "convert", "--from", "pyro", "--beta", "2")  # to all others of the same likelihood
    assert "flax-nnx" in out
    assert "pythae" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "pythae"], "where β comes from"),
        (["--from", "pyro", "--to", "pythae"], "no equal among"),
        (["--from", "pythae", "--to", "sigma-vae-optimal"], "depends on the data"),
        (["--from", "nonsense"], "There is no loss"),
        (["--from", "pythae", "--features", "0"], "features is 0"),
        (["--from", "pythae", "--latents", "0"], "latents is 0"),
    ],
)
def test_convert_bad_input(capsys, arguments, words):
    code, _, err = run(capsys, "convert", *arguments)
    assert code == 2
    assert words in err


# ----------------------------------------------------------------- the shared options of the other commands


def test_losses_by_name_in_every_command(files, capsys):
    named = run(capsys, "thresholds", "data.npy", "--loss", "pytorch-vae", "--json")[1]
    parts = run(
        capsys, "thresholds", "data.npy", "--reconstruction", "mean", "--no-half", "--beta", "0.00025", "--json"
    )
    first, second = (json.loads(out)["transitions"]["beta"] for out in (named, parts[1]))
    assert first == pytest.approx(second)
    code, out, _ = run(capsys, "choose", "data.npy", "--loss", "beta-vae", "--keep", "2")
    assert code == 0
    assert "keep 2 modes" in out


def test_sizes_and_parts_of_losses_by_name(files, capsys):
    """λβ-VAE: τ = β/(1 + 2λ); ACTOR: λBN/2; the reconstruction term of RAVE is the user's own."""
    prices = {}
    for code, *options in (
        ("lambda-beta-vae", "--beta", "6", "--with", "reconstruction_weight=3"),
        ("actor", "--beta", "0.1", "--batch", "4", "--valid", "10"),
        ("rave", "--beta", "1", "--likelihood", "gaussian"),
    ):
        out = run(capsys, "thresholds", "data.npy", "--loss", code, *options, "--json")[1]
        prices[code] = json.loads(out)["equilibrium"]["price"]
    assert prices == {"lambda-beta-vae": pytest.approx(2), "actor": pytest.approx(2), "rave": pytest.approx(2)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loss", "rave", "--beta", "1"], "depends on its reconstruction term"),
        (["--loss", "actor"], "--batch, --valid"),
        (["--loss", "pythae", "--with", "nonsense=1"], "--with nonsense=1 cannot be used: give one of capacity"),
        (["--loss", "pythae", "--with", "capacity"], "--with capacity= cannot be used"),
        (["--loss", "pythae", "--with", "kl_weight=1e999"], "kl_weight is inf"),
        (["--with", "capacity=2"], "--with belongs to losses of code bases"),
        (["--valid", "2"], "--valid belongs to losses of code bases"),
        (["--loss", "pythae", "--likelihood", "bernoulli"], "give one of the two"),
    ],
)
def test_bad_sizes_and_parts(options, words, files, capsys):
    code, _, err = run(capsys, "thresholds", "data.npy", *options)
    assert code == 2
    assert words in err


def test_learned_variance_in_thresholds(files, capsys):
    out = run(capsys, "thresholds", "data.npy", "--learned-variance", "--latents", "3", "--beta", "1.5", "--json")[1]
    found = json.loads(out)["transitions"]["beta"]
    expected = lv.numeric.learned_variance(lv.Spectrum.from_eigenvalues(LAM), latents=3).beta
    assert found == pytest.approx(expected.tolist())


def test_binary_data_in_thresholds(files, capsys, rng):
    bits = (rng.random((500, 6)) < 0.3).astype(float)
    np.save("bits.npy", bits)
    code, out, _ = run(capsys, "thresholds", "bits.npy", "--loss", "pyro")
    assert code == 0
    assert "the first threshold is exact" in out
    assert f"{np.linalg.eigvalsh(np.corrcoef(bits.T))[-1]:.6g}" in out
    code, _, err = run(capsys, "verify", "bits.npy", "--loss", "pyro")
    assert code == 2
    assert "bifurcate" in err


def test_help_answers_quickly_and_without_heavy_imports():
    code = "import sys; from landau_vae.cli import main; main(['diagnose', '--help']); print(*sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"scipy", "matplotlib", "pandas"} & set(out.split())


# --------------------------------------------------------------------------------- other spectra in the commands


def test_conditions_targets_and_noise(files, capsys, rng):
    x = rng.standard_normal((200, 3))
    np.savetxt("t.csv", x @ rng.standard_normal((3, 3)), delimiter=",", header="a,b,c", comments="")
    np.savetxt("noise.csv", [1.0, 2.0, 3.0])
    X = np.loadtxt("t.csv", delimiter=",", skiprows=1)
    cases = {
        ("--given", "a"): lv.spectrum.conditional(X[:, :1], X[:, 1:]),
        ("--target", "c", "--target", "a"): lv.spectrum.supervised(X[:, 1:2], X[:, [0, 2]]),
        ("--noise", "noise.csv"): lv.spectrum.noise_metric(X, [1, 2, 3]),
    }
    for options, expected in cases.items():
        content = json.loads(run(capsys, "thresholds", "t.csv", *options, "--json")[1])
        assert content["spectrum"]["eigenvalues"] == pytest.approx(expected.eigenvalues.tolist())
        code, out, _ = run(capsys, "thresholds", "t.csv", *options)
        assert code == 0
        assert expected.note in out
        assert run(capsys, "choose", "t.csv", *options, "--keep", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["thresholds", "data.csv", "--given", "z"], "no column 'z'"),
        (["thresholds", "data.csv", "--given", "a", "--target", "b"], "one of the two"),
        (["thresholds", "data.csv", *(part for name in "abcde" for part in ("--given", name))], "All columns are cond"),
        (["thresholds", "data.csv", "--given", "a", "--likelihood", "poisson"], "go with squared errors"),
        (["thresholds", "data.csv", "--noise", "data.csv"], "metric|covariance"),
        (["verify", "data.csv", "--given", "a"], "takes the data as they are"),
        (["diagnose", "post.npz", "--data", "data.csv", "--target", "a"], "takes the data as they are"),
    ],
)
def test_other_spectra_bad_input(files, capsys, arguments, words):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert re.search(words, err)
