"""Scans as netCDF-4: exact to the bit and to the type, never half written, and every flipped bit is found."""

import numpy as np
import pytest
import xarray
from trainers import Means, same

import landau_vae as lv
from landau_vae import InputError, Spectrum, scan
from landau_vae.training import Sampled, load_scan, save_scan

GRID = [0.3, 0.1]


@pytest.fixture
def models(rng):
    data = rng.standard_normal((30, 3)) * [3, 2, 1]
    spectrum = Spectrum.from_data(data, names=["Höhe", "日照", "x"])
    return scan(spectrum, GRID, seeds=(3, 2**62 + 1))


def test_a_round_trip_is_exact(models, tmp_path, rng):
    """Also 64-bit seeds, labels of any script, float32, a dimension of the trainer's own, NaN."""
    assert same(load_scan(save_scan(tmp_path / "scan.nc", models)), models)
    other = scan(rng.standard_normal((30, 3)), GRID, trainer=Means(), splits=(0.8, 0.2, 0))
    other["history"][0, 0, 0] = np.nan
    other.attrs["samples"] = 3_000_000_000
    loaded = load_scan(save_scan(str(tmp_path / "scan.nc"), other))  # over the other one
    assert same(loaded, other)
    assert loaded.history.dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nc"]


def test_snapshots_and_counts_survive(tmp_path, rng):
    trained = scan(rng.standard_normal((30, 3)), GRID, trainer=Sampled(updates=50, batch=8, history=3))
    loaded = load_scan(save_scan(tmp_path / "scan.nc", trained))
    assert same(loaded, trained)
    assert loaded.waiting.dtype == np.int16


def test_status_and_flags_survive(models, tmp_path):
    loaded = load_scan(save_scan(tmp_path / "scan.nc", models))
    assert loaded.converged.dtype == bool
    assert loaded.status.dtype == loaded.status.flag_values.dtype == np.int8
    assert loaded.status.flag_meanings == "converged moving plateau diverged"


def test_the_same_scan_is_the_same_bytes(models, tmp_path):
    first, second = (save_scan(tmp_path / name, models).read_bytes() for name in ("a.nc", "b.nc"))
    assert first == second


def test_any_reader_can_read_it(models, tmp_path):
    """Also a scan that is part of another one, in another order."""
    part = models.isel(temperature=[1]).transpose("latent", ...)
    for stored in (models, part):
        with xarray.open_dataset(save_scan(tmp_path / "scan.nc", stored)) as raw:  # by its first bytes
            np.testing.assert_array_equal(raw.decoder, stored.decoder)
            assert raw.feature.values.tolist() == ["Höhe", "日照", "x"]
            assert raw.converged.dtype == bool
            assert raw.decoder.units == "data"
        assert same(load_scan(tmp_path / "scan.nc"), stored)


def test_what_is_loaded_can_be_verified(tmp_path):
    spectrum = Spectrum.from_eigenvalues([4, 1])
    models = scan(spectrum, np.geomspace(1, 0.01, 21))
    loaded = load_scan(save_scan(tmp_path / "scan.nc", models))
    assert lv.verify(loaded, spectrum).agrees


@pytest.mark.parametrize("where", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_file_that_is_cut_is_refused(models, tmp_path, where):
    path = save_scan(tmp_path / "scan.nc", models)
    content = path.read_bytes()
    path.write_bytes(content[: int(where * len(content))])
    with pytest.raises(InputError, match=r"scan\.nc (is damaged|cannot be read as a scan)") as caught:
        load_scan(path)
    assert "\n" not in str(caught.value)


def test_every_flipped_bit_is_found(models, tmp_path, rng):
    """Each byte of the last line, the first ones, and some hundreds of places in between."""
    path = save_scan(tmp_path / "scan.nc", models)
    content = path.read_bytes()
    for place in [*range(64), *rng.integers(64, len(content), 300).tolist(), *range(len(content) - 121, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"scan\.nc (is damaged|cannot be read as a scan)"):
            load_scan(path)
    path.write_bytes(content)
    assert same(load_scan(path), models)


def test_other_files_are_refused(models, tmp_path):
    models.to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    (tmp_path / "text.nc").write_text("no netCDF")
    (tmp_path / "empty.nc").write_text("")
    for name in ("foreign.nc", "text.nc", "empty.nc"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a scan"):
            load_scan(tmp_path / name)
    with pytest.raises(InputError, match="There is no file"):
        load_scan(tmp_path / "none.nc")
    with pytest.raises(InputError, match="is a folder"):
        load_scan(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [(lambda models: models.isel(seed=0), "no dimension seed"),
     (lambda models: models.drop_vars("temperature"), "no numeric coordinates of its dimension temperature"),
     (lambda models: models.assign(rate=models.rate.astype(str)), "variable rate of the dataset has the type"),
     (lambda models: models.assign(loss=models.rate), "variable loss of the dataset has the dimensions"),
     (lambda models: models.assign(status=models.loss), "variable status of the dataset has the type float64"),
     (lambda models: models.isel(reconstruction=[1]), "variable pruned_distortion"),
     (lambda models: models.isel(latent=[0]), "pruned_distortion of the dataset is not that of all its latents"),
     (lambda models: models.assign(x=("t", np.array([object()]))), "cannot be stored as netCDF"),
     (lambda models: models.assign_attrs(about={}), "cannot be stored as netCDF"),
     (lambda models: models.assign(x=("t", np.array(["2020-01-01"], "M8[ns]"))), "variable x holds times"),
     (lambda models: models.assign_attrs(total_variance="much"), "total_variance of the dataset is 'much'"),
     (lambda models: models.decoder, "The dataset is a DataArray"), (lambda models: "scan.nc", "The dataset is a str")],
)  # fmt: skip
def test_what_is_no_scan_is_not_saved(models, tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint):
        save_scan(tmp_path / "scan.nc", change(models))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(models, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        save_scan(tmp_path / "nowhere" / "scan.nc", models)


@pytest.mark.slow
def test_a_variable_beyond_2_gib(tmp_path):
    values = np.arange(2**28 + 1, dtype=float)
    models = scan(Spectrum.from_eigenvalues([2, 1]), GRID).assign(large=("x", values))
    path = save_scan(tmp_path / "large.nc", models)
    assert path.stat().st_size > 2**31
    np.testing.assert_array_equal(load_scan(path).large, values)
