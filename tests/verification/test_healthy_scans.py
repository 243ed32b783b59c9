"""Healthy scans are not refused, whatever their units and trainer, and whatever xarray did to them."""

import json

import numpy as np
import pytest
import xarray as xr

import landau_vae as lv
from landau_vae import InputError, Loss
from landau_vae.training import SGD, Adam, Neural, Sampled, Schedule, load_scan, save_scan
from landau_vae.training.training_set import training_set
from landau_vae.verification import dynamics, onsets

SPECTRUM = lv.Spectrum.from_eigenvalues([4, 1])
GRID = np.geomspace(0.95, 0.02, 10)
WIDE = np.random.default_rng(0).standard_normal((6, 20)) * np.linspace(3, 0.3, 20)  # 5 modes in 20 dimensions


def codes(result):
    return [cause.code for cause in result.causes]


@pytest.mark.parametrize("unit", [1e-120, 1e76, 1e149])
def test_scans_of_data_in_any_unit(unit):
    """The loss is of the unit squared, up to 1e298; thresholds are shares of V, good to the tolerance of training."""
    spectrum = lv.Spectrum.from_eigenvalues(np.array([4, 1]) * unit**2)
    result = lv.verify(lv.scan(spectrum, GRID))
    assert result.agrees
    np.testing.assert_allclose(result.threshold, [0.8, 0.2], rtol=1e-6)


def test_a_covariance_in_any_unit():
    matrix = np.array([[3.0, 1.0], [1.0, 3.0]])  # eigenvalues 4 and 2
    for unit in (1e-290, 1e160, 1e298):
        found = lv.Spectrum.from_covariance(matrix * unit).eigenvalues / unit
        np.testing.assert_allclose(found, [4, 2], rtol=1e-12)  # rounding of an eigenvalue


def test_runs_that_say_nothing_of_times_of_training():
    """Standard deviations of 1e-40: how long a mode needs is not known there, and a verdict does not need it."""
    spectrum = lv.Spectrum.from_eigenvalues(np.array([4, 1]) * 1e-80)
    result = lv.verify(lv.scan(spectrum, GRID, trainer=Sampled(updates=200, batch=64)))
    assert not result.agrees
    assert codes(result) == ["ended-early"]


@pytest.mark.parametrize("reductions", [("mean", "sum"), ("mean", "mean"), ("sum", "mean")])
def test_losses_by_the_dimension_of_wide_data(reductions):
    """Models of 5 modes, of a loss that is averaged over all 20 dimensions: a = 1/40."""
    reconstruction, kl = reductions
    loss = Loss.gaussian(reconstruction=reconstruction, kl=kl, latents=2)
    spectrum = lv.Spectrum.from_data(WIDE)
    rule = SGD(0.005) if reconstruction == "sum" else SGD(0.1)
    trainer = Sampled(600, None, rule, Schedule(((0, 1),)), noise=False, start=0.01, history=30, loss=loss)
    models = lv.scan(spectrum, [0.05, 0.1], latents=2, trainer=trainer)
    assert models.attrs["dimension"] == 20
    assert models.sizes["feature"] == 5
    assert "changed" not in codes(lv.verify(models))
    assert dynamics(models).descent.scale == pytest.approx(1 / 20 if reconstruction == "mean" else 1, rel=1e-15)


def test_networks_of_a_loss_averaged_over_latents():
    pytest.importorskip("jax")
    trainer = Neural(hidden=(4,), updates=50, batch=64, loss=Loss.gaussian(kl="mean", latents=2))
    result = lv.verify(lv.scan(SPECTRUM, [0.1, 0.5], trainer=trainer))
    assert codes(result) == ["nonlinear"]


@pytest.fixture(scope="module")
def split():
    """Rows of heavy tails, and networks of 80 % of them, hardly trained."""
    pytest.importorskip("jax")
    rows = np.random.default_rng(1).exponential(size=(300, 2)) * [1.0, 0.5]
    trainer = Neural(hidden=(4,), updates=50, batch=64)
    return rows, lv.scan(rows, [0.1, 0.9], latents=1, trainer=trainer, splits=(0.8, 0.1, 0.1))


def test_rows_of_networks_that_were_trained_on_a_part(split):
    """The part is drawn again, to the bit, from the rows that the scan got; it may be given itself, too."""
    rows, models = split
    part = training_set(rows, splits=(0.8, 0.1, 0.1)).rows
    assert abs(np.trace(np.cov(part.T)) / np.trace(np.cov(rows.T)) - 1) > 0.05  # other rows, by their variance
    assert lv.verify(models, data=rows).to_dict() == lv.verify(models, data=part).to_dict()
    with pytest.raises(InputError, match="give the rows that were trained on"):
        lv.verify(models, data=rows[:299])


@pytest.mark.parametrize("junk", ["x", 3, "[1]", '{"training": 2}', "[" * 10**5])
def test_shares_that_none_has(split, junk):
    rows, models = split
    with pytest.raises(InputError, match="splits is"):
        lv.verify(models.assign_attrs(splits=junk), data=rows)


def test_models_that_end_finite_and_huge_have_diverged():
    """Squares of a distortion of 1e239 overflow: verification names them, without a warning (an error in tests)."""
    models = lv.scan(SPECTRUM, GRID, trainer=Sampled(updates=5, start=1e60), seeds=2)
    assert np.all(models.status == 3)
    assert models.distortion.max() > 1e200
    assert codes(lv.verify(models))[0] == "diverged"
    onsets(models)


# -------------------------------------------------------------------------------------- what users do with xarray


@pytest.fixture(scope="module")
def models():
    trainer = Sampled(updates=1500, batch=128, optimizer=Adam(0.02))
    return lv.scan(SPECTRUM, GRID, seeds=3, trainer=trainer)


def halves(models, **how):
    return xr.concat([models.isel(temperature=slice(0, 5)), models.isel(temperature=slice(5, None))], **how)


def by_netcdf(models, folder):
    models.to_netcdf(folder / "scan.nc", engine="h5netcdf")
    return xr.open_dataset(folder / "scan.nc", engine="h5netcdf")


HARMLESS = {
    "sorted": lambda models, _: models.sortby("temperature"),
    "reversed": lambda models, _: models.isel(seed=slice(None, None, -1), latent=slice(None, None, -1)),
    "transposed": lambda models, _: models.transpose(),
    "joined": lambda models, _: halves(models, dim="temperature", data_vars="minimal"),
    "single precision": lambda models, _: models.map(
        lambda each: each.astype("float32") if each.dtype.kind == "f" else each, keep_attrs=True
    ),
    "without weights": lambda models, _: models.drop_vars(["decoder", "encoder"]),
    "by a dictionary": lambda models, _: xr.Dataset.from_dict(models.to_dict()),
    "by netCDF": by_netcdf,
    "with β": lambda models, _: models.assign_coords(beta=("temperature", models.temperature.values * 5)),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_xarray_does_changes_no_verdict(models, change, tmp_path):
    """Thresholds too, to single precision (6e-8) times the lines' extrapolation."""
    before, after = lv.verify(models), lv.verify(HARMLESS[change](models, tmp_path))
    assert (after.agrees, after.verdict, codes(after)) == (before.agrees, before.verdict, codes(before))
    np.testing.assert_allclose(after.threshold, before.threshold, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda models: halves(models, dim="temperature", data_vars="all"), "xarray.concat(…, data_vars='minimal')"),
        (lambda models: models.isel(seed=0).expand_dims("seed"), "isel(seed=[0])"),
        (lambda models: models.where(models.temperature < 0.5, drop=True), "sel and isel keep types, where does not"),
        (lambda models: models.astype("float16"), "single or double precision"),
        (lambda models: models.isel(temperature=[0, 0, 1]), "drop_duplicates('temperature')"),
        (lambda models: models.drop_attrs(), "give its attributes as lv.scan gave them"),
    ],
)
def test_what_xarray_does_to_more_than_it_should_is_refused_with_a_way_out(models, change, words):
    for ask in (lv.verify, onsets):
        with pytest.raises(InputError) as refused:
            ask(change(models))
        assert words in str(refused.value)


def test_a_temperature_twice_is_in_a_file_nevertheless(models, tmp_path):
    """Of an earlier version, say: it has to be read for one of the two to be chosen."""
    twice = models.isel(temperature=[0, *range(models.sizes["temperature"])])
    read = load_scan(save_scan(tmp_path / "scan.nc", twice)).drop_duplicates("temperature")
    assert lv.verify(read).verdict == lv.verify(models).verdict


def test_a_learning_rate_that_is_not_recorded_is_asked_for():
    trainer = Sampled(600, None, SGD(0.05), Schedule(((0, 1),)), noise=False, start=0.05, history=30)
    models = lv.scan(SPECTRUM, [0.05, 0.1], trainer=trainer)
    settings = json.loads(models.attrs["trainer"])
    del settings["optimizer"]["learning_rate"]
    unsaid = models.assign_attrs(trainer=json.dumps(settings))
    with pytest.raises(InputError, match="does not record the learning_rate"):
        dynamics(unsaid)
    assert dynamics(unsaid, learning_rate=0.05).summary() == dynamics(models).summary()
