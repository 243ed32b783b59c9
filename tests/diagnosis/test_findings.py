"""What all findings of a diagnosis have in common, and the tables that a diagnosis is printed from."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.diagnosis import CODES, CRITERIA
from landau_vae.diagnosis.findings import (
    RULES,
    collapse,
    constraint,
    data,
    heads,
    latents,
    price,
    samplers,
    training,
    while_training,
)
from landau_vae.display import Table

PAGE = Path(lv.__file__).parents[1] / "docs" / "how_to" / "diagnose.md"


def codes_in(module):
    made = re.findall(r'(?:alarm|remark|Finding)\(\s*("[^\n]*)', inspect.getsource(module))
    return {code for line in made for code in re.findall(r'"([a-z-]+)"', line)}


@pytest.fixture
def result(rng):
    X = rng.standard_normal((2000, 4)) * [2.0, 1.5, 1.0, 0.5]
    mean = X[:, :3] * np.sqrt(1 - 0.5 / np.array([4, 2.25, 1])) / [2, 1.5, 1]
    return lv.diagnose(mean, variance=np.tile([0.125, 0.22, 0.5], (2000, 1)), data=X, loss=lv.Loss.gaussian(3.0))


def test_every_code_is_explained():
    files = (collapse, constraint, data, heads, latents, price, samplers, training, while_training)
    assert set().union(*map(codes_in, files)) == set(CODES)
    assert all(meaning.endswith(".") for meaning in CODES.values())


def test_every_alarm_has_its_line_on_the_site():
    page = PAGE.read_text(encoding="utf-8")
    remarks = {"metastable", "near-threshold", "further-latent", "price-differs", "means-at-odds", "unmeasured",
               "rightly-inactive",
               "normalised-mean", "rotated", "superfluous", "as-predicted", "nonlinear",
               "constraint-met", "constraint-idle", "free-nats",
               "binary-data", "few-rows", "nothing-found",
               "price-moving", "became-inactive", "on-plateau", "not-at-rest"}  # fmt: skip
    for code in set(CODES) - remarks:
        assert f"*{code}*" in page


def test_every_rule_has_a_file_by_subject():
    homes = {rule.__module__.rpartition(".")[2] for rule in RULES}
    about = {"constraint", "data", "heads", "samplers", "price", "training", "while_training", "collapse", "latents"}
    assert homes == about


def test_a_finding_carries_its_numbers(result):
    assert result.verdict == "lower-price"
    [finding] = [finding for finding in result.findings if finding.alarm]
    assert finding.evidence["price"] == 3.0
    assert finding.evidence["fitted_price"] == pytest.approx(0.5, rel=0.05)
    assert finding.evidence["modes"] == 3
    shown = result.to_dict()["findings"][0]
    assert shown["evidence"] == json.loads(json.dumps(shown["evidence"]))
    assert {"code", "alarm", "severity", "sentence", "advice", "evidence"} == set(shown)
    assert shown["severity"] == "alarm"


def test_tables_by_name_are_what_is_printed(result):
    tables = result.tables()
    assert list(tables) == ["latents", "modes", "criteria", "dimensions", "recommendations"]
    summary = result.summary()
    for table in tables.values():
        assert isinstance(table, Table)
        assert table.text() in summary
        assert table.title or table.header
    shown = result.to_dict()
    assert [row["observed"] for row in tables["modes"].rows()] == shown["modes"]["observed"]
    assert [row["rule"] for row in tables["criteria"].rows()] == [each.rule for each in CRITERIA]
    ranked = [row["signal_fraction"] for row in tables["latents"].rows()]
    assert ranked == sorted(shown["latents"]["signal_fraction"], reverse=True)
    for symbol in ("M²:", "A²:", "R:", "λ:", "price τ"):
        assert symbol in summary


def test_what_is_said_of_the_best_state(rng):
    """Stability of a total collapse is exact for any network; the certificate needs the rows."""
    X = rng.standard_normal((2000, 4))
    model = {"mean": np.zeros((2000, 2)), "variance": np.ones((2000, 2)), "loss": lv.Loss.gaussian(3.0)}
    [certified] = [f for f in lv.diagnose(data=X, **model).findings if f.code == "price-too-high"]
    assert "the collapsed state is stable" in certified.sentence
    assert "No VAE of any architecture can use these rows at this price" in certified.sentence
    assert 1 < certified.evidence["proxy"] < 3
    spectrum = lv.Spectrum.from_data(X)
    [local] = [f for f in lv.diagnose(spectrum=spectrum, **model).findings if f.code == "price-too-high"]
    assert "For a linear model it is the best state." in local.sentence
    assert "A nonlinear model may have a better one" in local.sentence


def test_active_latents_where_no_mode_is_worth_its_price(rng):
    X = rng.standard_normal((4000, 4)) * np.sqrt([20, 5, 2, 1])
    code = (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    first = lv.Spectrum.from_data(X).eigenvalues[0]
    mean = np.column_stack([code * np.sqrt(0.12), np.zeros((4000, 2))])
    variance = np.tile([0.88, 1, 1], (4000, 1))
    result = lv.diagnose(mean, variance=variance, data=X, loss=lv.Loss.gaussian(1.02 * first))
    [finding] = result.findings
    assert finding.code == "superfluous"
    assert "no mode of the data is worth encoding" in finding.sentence
    assert "no latent is needed" in finding.advice
    assert "the first one becomes active" in finding.advice
