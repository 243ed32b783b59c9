"""Scans as netCDF: exact to the bit and to the type, never half written, and damage is told."""

import importlib

import numpy as np
import pytest
import xarray
from trainers import Means, same

import landau_vae as lv
from landau_vae import InputError, Spectrum, scan
from landau_vae.training import load_scan, save_scan

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


def test_status_and_flags_survive(models, tmp_path):
    loaded = load_scan(save_scan(tmp_path / "scan.nc", models))
    assert loaded.converged.dtype == bool
    assert loaded.status.dtype == loaded.status.flag_values.dtype == np.int8
    assert loaded.status.flag_meanings == "converged moving plateau diverged"


def test_any_reader_can_read_it(models, tmp_path):
    with xarray.open_dataset(save_scan(tmp_path / "scan.nc", models), engine="scipy") as raw:
        np.testing.assert_array_equal(raw.decoder, models.decoder)
        assert raw.feature.values.tolist() == ["Höhe", "日照", "x"]
        assert raw.decoder.units == "data"


def test_what_is_loaded_can_be_verified(tmp_path):
    spectrum = Spectrum.from_eigenvalues([4, 1])
    models = scan(spectrum, np.geomspace(1, 0.01, 21))
    loaded = load_scan(save_scan(tmp_path / "scan.nc", models))
    assert lv.verify(loaded, spectrum).agrees


@pytest.mark.parametrize("where", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
@pytest.mark.parametrize("how", ["cut", "bit"])
def test_damage_is_told(models, tmp_path, where, how):
    path = save_scan(tmp_path / "scan.nc", models)
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    if how == "cut":
        content = content[:place]
    else:
        content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"scan\.nc (is damaged|cannot be read as a scan)") as caught:
        load_scan(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    foreign = tmp_path / "foreign.nc"
    xarray.Dataset({"x": ("t", [1.0])}).to_netcdf(foreign, engine="scipy")
    (tmp_path / "text.nc").write_text("no netCDF")
    (tmp_path / "empty.nc").write_text("")
    for name in ("foreign.nc", "text.nc", "empty.nc"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a scan"):
            load_scan(tmp_path / name)
    with pytest.raises(InputError, match="There is no file"):
        load_scan(tmp_path / "none.nc")
    with pytest.raises(InputError, match="cannot be read as a scan"):
        load_scan(tmp_path)


def test_a_place_that_cannot_be_written(models, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        save_scan(tmp_path / "nowhere" / "scan.nc", models)


def test_a_variable_beyond_the_format_is_refused(models, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("landau_vae.training.netcdf"), "LARGEST", 100)
    with pytest.raises(InputError, match="The variable decoder takes 288 B, but a netCDF file holds 100 B of each"):
        save_scan(tmp_path / "scan.nc", models)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_file_of_4_gib(tmp_path):
    """Two variables as large as the format has them."""
    from landau_vae.training.netcdf import LARGEST

    values = np.arange(LARGEST // 8, dtype=float)
    path = save_scan(tmp_path / "large.nc", xarray.Dataset({"a": ("x", values), "b": ("x", values[::-1])}))
    assert path.stat().st_size > 2 * LARGEST
    loaded = load_scan(path)
    np.testing.assert_array_equal(loaded.a, values)
    np.testing.assert_array_equal(loaded.b, values[::-1])
