"""Every example, file and number in the README is what the package does; `.ci/run` runs its two install commands."""

import contextlib
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from documents import run_examples

from landau_vae.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_examples(tmp_path, monkeypatch):
    """Python and shell, with what they print; the two that need a model follow below."""
    monkeypatch.chdir(tmp_path)
    assert run_examples(README) >= 7


def equilibrium(X, price):
    """The posteriors of a linear model on X at its equilibrium, and its decoder (K, d): M² = 1 − τ/λ."""
    lam, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    alive = lam > price
    share = 1 - price / lam[alive]
    mean = (X - X.mean(axis=0)) @ vectors[:, alive] * np.sqrt(share / lam[alive])
    return mean, np.log(np.broadcast_to(1 - share, mean.shape)), (vectors[:, alive] * np.sqrt(share * lam[alive])).T


class Tensor(np.ndarray):
    """As much of a torch tensor as the README's example uses."""

    def detach(self):
        return self

    def float(self):
        return self.astype(np.float32)

    def exp(self):
        return np.exp(self)


def torch_or_not(kind, monkeypatch):
    """PyTorch's `as_tensor`, or that of a stand-in for the few calls that the README's example comes down to."""
    if kind == "torch":
        return pytest.importorskip("torch").as_tensor
    torch = types.ModuleType("torch")
    torch.no_grad, torch.Tensor = contextlib.nullcontext, type("Tensor", (), {})  # SciPy asks for the class
    torch.nn = types.SimpleNamespace(Module=type("Module", (), {}))
    torch.float32, torch.float64 = np.float32, np.float64
    torch.tensor = lambda values, dtype, device: np.asarray(values, dtype=dtype).view(Tensor)
    torch.as_tensor = lambda values: np.asarray(values).view(Tensor)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch.as_tensor


@pytest.mark.parametrize("kind", ["stand-in", pytest.param("torch", marks=pytest.mark.torch)])
def test_pytorch_example(kind, tmp_path, monkeypatch, capsys, rng):
    """Line by line."""
    as_tensor = torch_or_not(kind, monkeypatch)
    monkeypatch.chdir(tmp_path)
    X = (rng.standard_normal((2000, 6)) * 0.6 ** np.arange(6)).astype(np.float32)
    mean, log_variance, decoder = equilibrium(X, 0.1)

    class Model:
        def encode(self, rows):
            return as_tensor(mean.astype(np.float32)), as_tensor(log_variance.astype(np.float32))

        def decode(self, latents):
            return latents @ as_tensor(decoder.astype(np.float32)) + as_tensor(X.mean(axis=0))

    def my_loss(x, x_hat, mu, logvar):
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        return (0.5 * ((x - x_hat) ** 2).sum() + 0.1 * kl) / len(x)

    (example,) = re.findall(r"<!-- example: pytorch -->\n```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 10
    names = {"model": Model(), "X": as_tensor(X), "my_loss": my_loss, "beta": 0.1}
    exec(example, names)
    assert "healthy" in capsys.readouterr().out
    result = names["result"]
    assert abs(result.price_in_effect - 0.1) < 4 * result.price_in_effect_error
    other = example.replace("loss=loss", "loss=loss.at(beta / 3)")  # a β that is not the one of the training
    exec(other, names)
    assert names["result"].verdict == "higher-price"
    assert names["result"].price_in_effect == pytest.approx(3 * names["result"].price, rel=0.1)  # 4 errors of 2 %
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_pictures_are_drawn_by_the_script_that_is_named(tmp_path):
    subprocess.run([sys.executable, "docs/draw.py", str(tmp_path)], cwd=ROOT, check=True)
    drawn = {"diagnosis.png", "cascade.png", "pitchfork.png", "first_collapse.png"}
    assert {path.name for path in tmp_path.iterdir()} == drawn


def test_every_option_that_is_named_exists(capsys):
    commands = ("thresholds", "choose", "onset", "bifurcate", "verify", "diagnose", "explain", "convert", "reproduce",
                "derive")  # fmt: skip
    for command in commands:
        main([command, "--help"])
    known = capsys.readouterr().out
    for option in re.findall(
        r"(--[a-z][a-z-]+)", re.sub(r"```sh.*?```|pip install [^`]*", "", README, flags=re.DOTALL)
    ):
        assert option in known, option


@pytest.mark.parametrize("marker", ["main job", "tests"])
def test_the_two_commands_are_one_line_each(marker):
    (command,) = re.findall(rf"<!-- command: {marker} -->\n```sh\n(.*?)```", README, flags=re.DOTALL)
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv .venv && ")


def test_paths_and_versions():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in path or (ROOT / path).is_file(), path
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python ≥ {project['requires-python'].removeprefix('>=')}" in README


@pytest.mark.torch
def test_monitor_example(capsys, rng):
    """Line by line, around a loop whose KL has a tenth of the weight that is stated: it is reported, with its size."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    X = torch.as_tensor(rng.standard_normal((1000, 4)) * [2.0, 1.0, 0.5, 0.2], dtype=torch.float32)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = torch.nn.Linear(4, 6), torch.nn.Linear(3, 4)

        def encode(self, x):
            return self.encoder(x).chunk(2, dim=1)

        def decode(self, z):
            return self.decoder(z)

    def train(model):
        sgd = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(100):
            x = X[torch.randint(len(X), (100,))]
            mu, logvar = model.encode(x)
            x_hat = model.decode(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
            kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
            sgd.zero_grad()
            (0.5 * ((x - x_hat) ** 2).sum(1).mean() + 0.1 * kl).backward()
            sgd.step()

    (example,) = re.findall(r"<!-- example: monitor -->\n```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 10
    names = {"model": Model(), "X": X, "train": train}
    exec(example, names)
    assert "lower-price" in capsys.readouterr().out
    assert names["monitor"].log()["price_applied"] == pytest.approx(0.1, rel=1e-3)  # float32, 100 rows
