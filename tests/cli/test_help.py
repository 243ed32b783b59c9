"""The help pages: short enough to be read, complete, and quick."""

import os
import subprocess
import sys

import pytest
import typer

import landau_vae
from landau_vae.cli import main
from landau_vae.cli.commands import app

LINES = 70  # of a help page
WORDS = 60  # characters of help per option
PROGRAM = typer.main.get_command(app)
every_command = pytest.mark.parametrize("command", PROGRAM.commands)


@every_command
def test_a_help_page_fits_on_a_screen(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100


@every_command
def test_every_option_has_one_line_of_help(command):
    for parameter in PROGRAM.commands[command].params:
        if parameter.name != "help":
            assert 0 < len(parameter.help) <= WORDS, parameter.name


def test_every_command_is_listed_with_one_line(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in PROGRAM.commands:
        assert f"│ {command} " in out
    assert len(out.splitlines()) <= 27


def test_the_kinds_of_files_that_are_read_are_named(capsys):
    assert main(["thresholds", "--help"]) == 0
    out = capsys.readouterr().out
    for kind in ("CSV", "Parquet", "NPY", "NPZ", "Zarr", "netCDF"):
        assert kind in out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"landau-vae {landau_vae.__version__}\n"


def test_plain_help_without_panels():
    command = [sys.executable, "-m", "landau_vae", "verify", "--help"]
    out = subprocess.run(command, env=os.environ | {"TYPER_USE_RICH": "0"}, capture_output=True, text=True, check=True)
    assert "--standardize" in out.stdout
    assert "│" not in out.stdout
