"""Every option that takes a number, at numbers that make no sense: one sentence and exit code 2, before any work."""

import numpy as np
import pytest
import typer

from landau_vae.cli import main
from landau_vae.cli.commands import app

PROGRAM = typer.main.get_command(app)
TINY, DIGITS = ["1e308", "1e-308", "-1e308"], "9" * 23
SENSELESS = {int: [DIGITS, f"-{DIGITS}", "nan", "1.5", "1e400"], float: ["nan", "inf", "-inf", "1e400"]}
CHEAP = {
    "thresholds": ["x.csv"],
    "choose": ["x.csv"],
    "onset": ["x.csv"],
    "verify": ["x.csv", "--exact"],
    "bifurcate": ["x.csv", "--latents=1"],
    "diagnose": ["posterior.npz", "--data=x.csv"],
    "explain": ["log.csv", "--data=x.csv"],
    "convert": ["--from=timevae", "--channels=1", "--valid=1"],
    "derive": ["collapse"],
    "gather": ["x.csv", "--output=part.npz"],
    "reproduce": ["--points=3", "--latents=2", "--coldest=.1"],
}
NUMERIC = [
    (command, option.opts[-1], option.type_descriptor.annotation)
    for command, parsed in PROGRAM.commands.items()
    for option in parsed.params
    if getattr(option, "type_descriptor", None) and option.type_descriptor.annotation in SENSELESS
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds")
    rows = np.random.default_rng(0).standard_normal((60, 3)) * [3, 2, 1]
    np.savetxt(folder / "x.csv", rows, delimiter=",", header="a,b,c", comments="")
    np.savez(folder / "posterior.npz", mean=rows[:, :2] * 0.3, variance=np.full((60, 2), 0.5))
    lines = [f"{step},{2 - 1 / step},{5 + 1 / step}" for step in range(1, 30)]
    (folder / "log.csv").write_text("\n".join(["step,kl,reconstruction", *lines]))
    return folder


def arguments(command, option, value):
    return [command, *(part for part in CHEAP[command] if not part.startswith(f"{option}=")), f"{option}={value}"]


def test_every_command_is_walked():
    assert set(CHEAP) == set(PROGRAM.commands)
    assert len(NUMERIC) > 80


@pytest.mark.parametrize(("command", "option", "kind"), NUMERIC)
def test_numbers_that_make_no_sense_are_refused(command, option, kind, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for value in SENSELESS[kind]:
        assert main(arguments(command, option, value)) == 2, value
        complaint = capsys.readouterr().err
        assert len(complaint.splitlines()) == 1, complaint
        assert complaint.startswith("landau-vae: ")


@pytest.mark.parametrize("command", ["thresholds", "choose", "explain", "convert", "diagnose"])
@pytest.mark.parametrize("value", TINY)
def test_numbers_at_the_ends_of_the_range_end_without_a_warning(command, value, folder, monkeypatch, capsys):
    # warnings are errors in tests: an overflow on the way would raise
    monkeypatch.chdir(folder)
    for name, option, kind in NUMERIC:
        if name == command and kind is float:
            assert main(arguments(command, option, value)) in (0, 1, 2)
            assert len(capsys.readouterr().err.splitlines()) <= 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("thresholds x.csv --batch=0", "batch is 0, but a whole number from 1 on is expected"),
        ("thresholds x.csv --decoder-variance=1e-308", "The price τ is beyond what can be computed"),
        ("reproduce --latents=100000", "latents is 100000, but a whole number from 1 to 1000 is expected"),
        ("reproduce --coldest=1e-12", "coldest is 1e-12, but a number from 1e-09 to below 1 is expected"),
        ("derive collapse --order=100000", "order is 100000, but a whole number from 2 to 40 is expected"),
        ("convert --from=timevae --channels=1 --valid=100000", "valid is 100000, but at most 2000 is expected"),
        ("verify x.csv --exact --coldest=1e-20", "temperatures"),
    ],
)
def test_what_would_not_come_back_is_bounded(line, words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(line.split()) == 2
    assert words in capsys.readouterr().err


def test_a_list_of_all_losses_takes_no_matrix_of_its_sizes(capsys):
    assert main(["convert", "--channels=100000", "--valid=100000"]) == 0
    assert "timevae" in capsys.readouterr().out
