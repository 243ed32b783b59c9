"""Every example, file and number in the README is what the package does; `.ci/run` runs its two install commands."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from documents import blocks, run_examples

from landau_vae.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples():
    assert run_examples(README) >= 8


def test_shell_examples(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    rows = rng.standard_normal((300, 9)) * 0.6 ** np.arange(9) @ np.linalg.qr(rng.standard_normal((9, 9)))[0]
    np.savetxt("climate.csv", rows, delimiter=",", header=",".join("abcdefghi"), comments="")
    commands = [line.removeprefix("$ ") for block in blocks(README, "console") for line in block.splitlines()]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "landau-vae"
        assert main(arguments) == 0
        expected = {
            "thresholds": "dies at β",
            "derive": "a_12 =",
            "bifurcate": "supercritical",
            "verify": "modes agree",
        }
        assert expected[arguments[0]] in capsys.readouterr().out


def test_every_option_that_is_named_exists(capsys):
    for command in ("thresholds", "choose", "bifurcate", "verify", "reproduce", "derive"):
        main([command, "--help"])
    known = capsys.readouterr().out
    for option in re.findall(r"(--[a-z][a-z-]+)", re.sub(r"```sh.*?```", "", README, flags=re.DOTALL)):
        assert option in known, option


@pytest.mark.parametrize("marker", ["main job", "tests"])
def test_the_two_commands_are_one_line_each(marker):
    (command,) = re.findall(rf"<!-- command: {marker} -->\n```sh\n(.*?)```", README, flags=re.DOTALL)
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv .venv && ")


def test_paths_and_versions():
    for cell in re.findall(r"^\| (`.*?) \|", README, flags=re.MULTILINE):
        paths = re.findall(r"`(.*?)`", cell)
        for path in paths:
            assert (ROOT / path).exists() or (ROOT / "landau_vae" / path).exists(), path
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / path).is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python ≥ {project['requires-python'].removeprefix('>=')}" in README
