"""What was not measured agrees with nothing: NaN, infinities and impossible numbers in an agreeing scan, one by one."""

import json

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError
from landau_vae.training import OBSERVABLES, SGD, Adam, Neural, Sampled, Schedule, validate
from landau_vae.verification import branches, dynamics, onsets

SPECTRUM = lv.Spectrum.from_eigenvalues([4, 1])
PRICES = np.geomspace(0.95, 0.02, 10)


def exact():
    return lv.scan(SPECTRUM, PRICES)


def sampled():
    trainer = Sampled(updates=2500, batch=128, optimizer=Adam(0.02))
    return lv.scan(SPECTRUM, PRICES, seeds=3, trainer=trainer)


def network():
    """Linear, so that it has to follow the law."""
    pytest.importorskip("jax")
    trainer = Neural(hidden=(), updates=3000, batch=128, optimizer=Adam(0.02))
    return lv.scan(SPECTRUM, PRICES, trainer=trainer, start="down")


def descended():
    constant = Schedule(((0, 1),))
    trainer = Sampled(4000, None, SGD(0.005), constant, noise=False, start=0.01, history=200)
    return lv.scan(SPECTRUM, [0.05, 0.1], trainer=trainer)


KINDS = {
    "exact": (exact, lv.verify),
    "sampled": (sampled, lv.verify),
    "network": (network, lv.verify),
    "descended": (descended, dynamics),
}


@pytest.fixture(scope="module", params=KINDS)
def agreeing(request):
    """A scan, and a check that it passes."""
    make, check = KINDS[request.param]
    models = make()
    assert check(models).agrees
    return models, check


def agrees(check, models):
    """Whether a scan agrees; it does not if it is refused, in one sentence about it."""
    try:
        return check(models).agrees
    except InputError as refused:
        text = str(refused)
        assert text.count(". ") == 0, text
        assert "scan" in text
        return False


def with_values(models, name, places, value):
    """Return the scan with another value at some places of a variable."""
    changed = models[name].values.astype(np.result_type(models[name].dtype, np.asarray(value).dtype)).copy()
    changed.flat[places] = value
    return models.assign({name: models[name].copy(data=changed)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_observable_that_was_not_measured_agrees_with_nothing(agreeing, value):
    """One entry, several, all: of every real variable, weights and records of training included."""
    models, check = agreeing
    names = [name for name, each in OBSERVABLES.items() if name in models and each.kind == "f"]
    assert len(names) > 10
    rng = np.random.default_rng(0)
    for name in names:
        size = models[name].size
        finite = np.flatnonzero(np.isfinite(models[name].values))  # what is missing already is meant to be
        for count in (1, min(3, len(finite)), size):
            places = np.arange(size) if count == size else rng.choice(finite, count, replace=False)
            if (name, value, count) == ("moved", np.inf, size) and not models.converged.any():
                continue  # that is what it is where nothing is known, and no model is at rest
            assert not agrees(check, with_values(models, name, places, value)), (name, count)


def test_a_number_that_cannot_be_agrees_with_nothing(agreeing):
    models, check = agreeing
    impossible = {"rate": -0.5, "signal_fraction": 1.5, "mean_square": -1.0, "posterior_variance": -1.0,
        "distortion": -0.1, "pruned_distortion": -0.1, "price": -1.0, "moved": -1.0}  # fmt: skip
    for name, value in impossible.items():
        if name in models:
            changed = with_values(models, name, [models[name].size // 2], value)
            with pytest.raises(InputError, match=f"variable {name} of the scan has 1 value such as {value:g}"):
                check(changed)


def test_statuses_and_labels_that_contradict_one_another_agree_with_nothing(agreeing):
    """A scan that says of itself that it did not converge, or that it was trained at other temperatures."""
    models, check = agreeing
    at = models.temperature.values
    swapped, twice = at.copy(), at.copy()
    swapped[[-1, -2]], twice[-1] = swapped[[-2, -1]], twice[-2]
    wrong = [
        with_values(models, "status", [0], 7),
        models.assign(converged=~models.converged),
        models.assign_coords(temperature=-at),
        models.assign_coords(temperature=np.where(at == at[0], np.inf, at)),
        models.assign_coords(seed=models.seed + 0.5),
        models.assign_attrs(total_variance=np.nan),
        models.assign_attrs(total_variance="5"),
        models.assign_attrs(samples=2.5),
        models.assign_attrs(trainer="not JSON"),
    ]
    if check is lv.verify:
        wrong += [models.assign_coords(temperature=swapped), models.assign_coords(temperature=twice)]
        wrong += [
            models.assign_attrs(total_variance=2 * models.attrs["total_variance"]),
            models.assign(loss=2 * models.loss),
        ]
    for each in wrong:
        assert not agrees(check, each)


def test_a_record_that_is_missing_or_wrong_agrees_with_nothing(agreeing):
    """Loss, β, learning rate: what a check needs of the trainer's settings is not guessed."""
    models, check = agreeing
    settings = json.loads(models.attrs["trainer"])
    if settings["name"] == "Exact":
        pytest.skip("it has no such settings")
    for name in ("loss", *(("beta", "learning_rate", "optimizer", "updates") if check is dynamics else ())):
        for other in (None, "x", [], {"likelihood": 1, "points": [[0]], "name": 1}, -1):
            changed = settings | {name: other}
            if other is None:
                del changed[name]
            assert not agrees(check, models.assign_attrs(trainer=json.dumps(changed))), (name, other)


def test_models_that_have_diverged_may_miss_everything(agreeing):
    """They are named as the cause; a scan is not refused for them."""
    models, check = agreeing
    lost = models.copy(deep=True)
    names = [name for name, each in OBSERVABLES.items() if name in models and each.kind == "f" and each.by_model]
    for name in names:
        lost[name] = lost[name].transpose("seed", "temperature", ...)
        lost[name].values[0, 0] = np.nan
    lost.status.values[0, 0], lost.converged.values[0, 0] = 3, False
    assert validate(lost) is lost
    if "pruned_distortion" in lost:
        assert not check(lost).agrees


@pytest.mark.parametrize("ask", [onsets, lambda models: branches(models, SPECTRUM)])
def test_what_has_no_verdict_refuses_too(ask):
    for name in ("rate", "signal_fraction", "pruned_distortion"):
        with pytest.raises(InputError, match=f"variable {name} of the scan has 1 NaN or infinite value although"):
            ask(with_values(exact(), name, [0], np.nan))
