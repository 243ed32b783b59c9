"""The same table as xarray, Zarr, netCDF or Dask gives the same spectrum, read by blocks; the strongest modes alone."""

import numpy as np
import pandas as pd
import pytest
import xarray
from conftest import CLOSED

import landau_vae as lv
from landau_vae import InputError, Loss, OutsideTheory, Spectrum, choose_beta, equilibrium, transitions
from landau_vae.cli import main
from landau_vae.data import dask_arrays as parallel
from landau_vae.data import moments as strongest
from landau_vae.data import read_xarray as labelled
from landau_vae.data import source
from landau_vae.data.source import Source, of_data, of_labelled
from landau_vae.numeric import noise_floor


def same(a, b, rtol=CLOSED):
    assert a.modes == b.modes
    np.testing.assert_allclose(a.eigenvalues, b.eigenvalues, rtol=0, atol=rtol * b.eigenvalues[0])
    assert (a.dimension, a.samples) == (b.dimension, b.samples)
    assert a.total_variance == pytest.approx(b.total_variance, rel=rtol)


# ------------------------------------------------------------------------------------------------ xarray


@pytest.fixture
def field(rng):
    values = rng.standard_normal((4, 300, 3)) * [3, 1, 0.5] + 270
    coords = {"x": [10.0, 20.5, 30.0], "y": list("nesw")}
    return xarray.DataArray(values, dims=("y", "time", "x"), name="t", coords=coords)


@pytest.fixture
def rows(field):
    return field.transpose("time", "y", "x").values.reshape(300, 12)


def saved(field, folder, suffix):
    """Time first, with numbers for labels (Zarr has no standard for strings)."""
    path, data = folder / f"x{suffix}", field.transpose("time", "y", "x").assign_coords(y=range(4)).to_dataset()
    if suffix == ".zarr":
        data.to_zarr(path, encoding={"t": {"chunks": (50, 2, 3)}}, consolidated=False)
    elif suffix == ".nc":
        data.to_netcdf(path, engine="h5netcdf", encoding={"t": {"chunksizes": (50, 2, 3)}})
    else:
        data.to_netcdf(folder / "x.nc", engine="scipy")
        path = folder / "x.nc"
    return path


def test_an_array_with_named_samples(field, rows):
    spectrum = Spectrum.from_xarray(field, samples="time")
    same(spectrum, Spectrum.from_data(rows))
    assert spectrum.names[:4] == ("n 10.0", "n 20.5", "n 30.0", "e 10.0")
    places = Spectrum.from_xarray(field, samples=("y", "time"))
    same(places, Spectrum.from_data(field.values.reshape(-1, 3)))
    assert places.names == ("10.0", "20.5", "30.0")
    one = Spectrum.from_xarray(field.isel(y=0, x=0, drop=True), samples="time")
    assert (one.dimension, one.names) == (1, ("t",))


def test_a_dataset_puts_its_variables_side_by_side(field, rows):
    data = xarray.Dataset({"t": field, "index": field.mean(("x", "y")) ** 2})
    spectrum = Spectrum.from_xarray(data, samples="time", standardize=True)
    same(spectrum, Spectrum.from_data(np.column_stack([rows, rows.mean(axis=1) ** 2]), standardize=True))
    assert spectrum.names[0] == "t n 10.0"
    assert spectrum.names[-1] == "index"


def test_weights_along_some_of_the_sample_dimensions(field, rng):
    area = xarray.DataArray([1.0, 0.5, 0.2, 0.0], dims="y", coords={"y": field.y})
    weighted = Spectrum.from_xarray(field, samples=("time", "y"), weights=area)
    table = field.transpose("time", "y", "x").values.reshape(-1, 3)
    same(weighted, Spectrum.from_data(table, weights=np.tile(area.values, 300)))
    each = rng.uniform(size=1200)
    same(Spectrum.from_xarray(field, samples=("time", "y"), weights=each), Spectrum.from_data(table, weights=each))


@pytest.mark.parametrize("suffix", [".zarr", ".nc", "netCDF 3"])
@pytest.mark.parametrize("slab", [10**7, 700, 60])
def test_files_are_read_by_slabs(tmp_path, field, rows, monkeypatch, suffix, slab):
    """Slabs of whole chunks, of parts of them, and of less than the features of one sample of a chunk."""
    if suffix == ".zarr":
        pytest.importorskip("zarr", reason="needs the extra 'zarr'")
    monkeypatch.setattr(labelled, "LEAST", slab // 4)
    monkeypatch.setattr(labelled, "MOST", slab)
    path = saved(field, tmp_path, suffix)
    spectrum = Spectrum.from_file(path)  # the first dimension counts the samples
    same(spectrum, Spectrum.from_data(rows))
    assert spectrum.names[1] == "0 20.5"
    same(Spectrum.from_file(path, samples=["time", "y"]), Spectrum.from_data(rows.reshape(-1, 3)))
    same(Spectrum.from_file(path, array="t", exclude=["0 10.0"], weights="1 10.0"),
         Spectrum.from_data(np.delete(rows, [0, 3], axis=1), weights=rows[:, 3]))  # fmt: skip
    same(lv.spectrum.Partial.from_file(path, samples="x").spectrum(), Spectrum.from_xarray(field, samples="x"), 1e-11)
    assert main(["thresholds", str(path)]) == 0
    output = str(tmp_path / "part.npz")
    assert main(["gather", str(path), "--output", output, "--samples", "time", "--samples", "y"]) == 0
    same(Spectrum.from_file(output), Spectrum.from_data(rows.reshape(-1, 3)))


def test_slabs_follow_the_chunks_and_have_a_bound(field, monkeypatch):
    slabs = labelled.Slabs(field.chunk({"time": 70}), "time")
    monkeypatch.setattr(labelled, "LEAST", 12 * 100)
    assert [stop - start for start, stop, _ in slabs.pieces()] == [140, 140, 20]
    monkeypatch.setattr(labelled, "MOST", 12 * 50)
    monkeypatch.setattr(labelled, "LEAST", 12 * 20)
    assert {stop - start for start, stop, _ in slabs.pieces()} == {50}


def test_a_store_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled, "find_spec", lambda name: None)
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(InputError, match=r"zarr is not installed: pip install 'landau-vae\[zarr\]'\."):
        Spectrum.from_file(tmp_path / "x.zarr")


@pytest.mark.parametrize("name", ["empty.zarr", "junk.nc", "old.nc"])
def test_damaged_stores(tmp_path, name):
    path = tmp_path / name
    if name == "empty.zarr":
        pytest.importorskip("zarr")
        path.mkdir()
    else:
        path.write_bytes((b"\x89HDF\r\n\x1a\n" if name == "junk.nc" else b"CDF\x01") + b"junk" * 50)
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        Spectrum.from_file(path)


def test_what_has_to_be_said_of_xarray_objects(tmp_path, field):
    with pytest.raises(InputError, match="samples='y'"):
        Spectrum.from_data(field)
    with pytest.raises(InputError, match="no dimension 'lat' in its variable 't', only y, time, x"):
        Spectrum.from_xarray(field, samples="lat")
    with pytest.raises(InputError, match="DataArray or a Dataset is expected"):
        Spectrum.from_xarray(field.values, samples="time")
    with pytest.raises(InputError, match="weigh those"):
        Spectrum.from_xarray(field, samples="time", weights=field)
    with pytest.raises(InputError, match="several different"):
        Spectrum.from_xarray(field, samples=("time", "time"))
    with pytest.raises(InputError, match=r"NaN or infinite, the first .* row 7, column 3 .'e 10.0'."):
        Spectrum.from_xarray(field.where((field.time != 7) | (field.y != "e")), samples="time")
    two = xarray.Dataset({"t": field, "u": field.isel(x=0, drop=True)})
    two.drop_vars("y").to_netcdf(tmp_path / "x.nc", engine="scipy")
    with pytest.raises(InputError, match=r"2 variables \(t, u\)"):
        Spectrum.from_file(tmp_path / "x.nc")
    with pytest.raises(InputError, match="no variable 'v', only t, u"):
        Spectrum.from_file(tmp_path / "x.nc", array="v")
    np.save(tmp_path / "x.npy", field.values[0])
    with pytest.raises(InputError, match="leave that option out"):
        Spectrum.from_file(tmp_path / "x.npy", samples="time")


# -------------------------------------------------------------------------------------- Dask, in threads

dask_array = pytest.importorskip("dask.array", reason="needs the extra 'dask'")
dask_frame = pytest.importorskip("dask.dataframe", reason="needs the extra 'dask'")


@pytest.fixture
def table(rng):
    return rng.standard_normal((1000, 6)) * [5, 4, 3, 2, 1, 0.1] + [0, 1e4, -1e4, 3, 0, 1]


@pytest.mark.parametrize("chunks", [(1000, 6), (90, 6), (133, 4), ((1, 0, 999), (5, 1))])
def test_dask_arrays(table, monkeypatch, chunks):
    monkeypatch.setattr(parallel, "SLAB_NUMBERS", 200)
    blocks = dask_array.from_array(table, chunks=chunks)
    for how in ({"standardize": True}, {"weights": np.arange(1000) % 3}, {"modes": 2}, {"names": list("abcdef")}):
        same(Spectrum.from_data(blocks, **how), Spectrum.from_data(table, **how))
    unknown = blocks[blocks[:, 0] > 0]  # a length that is known only once it is computed
    kept = table[table[:, 0] > 0]
    same(Spectrum.from_data(unknown), Spectrum.from_data(kept))
    weights = np.linspace(0, 1, len(kept))
    same(Spectrum.from_data(unknown, weights=weights), Spectrum.from_data(kept, weights=weights))


def test_dask_frames(table):
    frame = pd.DataFrame(table, columns=list("abcdef"))
    parts = dask_frame.from_pandas(frame, npartitions=7)
    spectrum = Spectrum.from_data(parts, standardize=True)
    same(spectrum, Spectrum.from_data(frame, standardize=True))
    assert spectrum.names == tuple("abcdef")
    same(Spectrum.from_data(parts[parts.a > 0]), Spectrum.from_data(frame[frame.a > 0]))
    same(lv.spectrum.Partial.from_data(parts).merge(lv.spectrum.Partial.from_data(frame)).spectrum(),
         Spectrum.from_data(pd.concat([frame, frame])))  # fmt: skip


def test_dask_xarray(field, rows):
    chunked = field.chunk({"time": 40, "x": 2})
    same(Spectrum.from_xarray(chunked, samples="time"), Spectrum.from_data(rows))
    same(Spectrum.from_xarray(chunked.to_dataset(), samples=("time", "y"), weights=np.ones(1200)),
         Spectrum.from_data(rows.reshape(-1, 3)))  # fmt: skip


def test_wide_dask_arrays(rng):
    data = rng.standard_normal((20, 50))
    same(Spectrum.from_data(dask_array.from_array(data, chunks=(7, 20))), Spectrum.from_data(data), 1e-11)


def test_what_is_wrong_with_dask_data(table):
    table[500, 3] = np.inf
    with pytest.raises(InputError, match=r"1 value is NaN or infinite, the first .inf. in row 500, column 3"):
        Spectrum.from_data(dask_array.from_array(table, chunks=(90, 6)))
    with pytest.raises(InputError, match="rows × columns"):
        Spectrum.from_data(dask_array.ones((3, 3, 3)))
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.raises(InputError, match="Column 'b' holds values that are not numbers"):
        Spectrum.from_data(dask_frame.from_pandas(frame, npartitions=1))
    with pytest.raises(InputError, match="one weight per row"):
        Spectrum.from_data(dask_array.ones((10, 3)), weights=np.ones(9))


# -------------------------------------------------------------------------------- the strongest modes only


@pytest.fixture(params=["wide", "square", "long"])
def many(request, rng):
    """A few strong modes above a bulk, off centre."""
    n, d = {"wide": (150, 400), "square": (300, 300), "long": (900, 200)}[request.param]
    parts = rng.standard_normal((n, 12)) * np.geomspace(20, 2, 12)
    return parts @ rng.standard_normal((12, d)) / d**0.5 + rng.standard_normal((n, d)) + 100


@pytest.fixture(params=["formed", "passes"])
def route(request, monkeypatch):
    """By way of a matrix, and by passes over the data."""
    if request.param == "passes":
        monkeypatch.setattr(source, "FORMED", 0)
    monkeypatch.setattr(strongest, "DENSE", 0)
    return request.param


HOW = [{}, {"standardize": True}, {"divisor": "n-1"}, {"weights": True}]


@pytest.mark.parametrize("how", HOW, ids=str)
def test_strongest_modes(many, route, how):
    if "weights" in how:
        how = {"weights": np.arange(len(many)) % 4}
    few, all_of_them = Spectrum.from_data(many, modes=7, **how), Spectrum.from_data(many, **how)
    np.testing.assert_allclose(few.eigenvalues, all_of_them.eigenvalues[:7], rtol=1e-10)
    assert few.total_variance == pytest.approx(all_of_them.total_variance, rel=CLOSED)
    assert few.truncated
    assert not all_of_them.truncated
    assert few.rest == pytest.approx(all_of_them.eigenvalues[7:].sum(), rel=1e-9)


def test_strongest_modes_of_files_chunks_and_dask(tmp_path, many, route):
    expected = Spectrum.from_data(many).eigenvalues[:5]
    np.save(tmp_path / "x.npy", many)
    frame = pd.DataFrame(many).rename(columns=str)
    frame.to_parquet(tmp_path / "x.parquet")
    pieces = np.array_split(many, 4)
    for spectrum in (
        Spectrum.from_file(tmp_path / "x.npy", modes=5),
        Spectrum.from_file(tmp_path / "x.parquet", modes=5),
        Spectrum.from_chunks(pieces, modes=5),
        Spectrum.from_chunks(iter(pieces), modes=5),  # once only: the matrix has to be formed
        Spectrum.from_data(dask_array.from_array(many, chunks=(80, 90)), modes=5),
        Spectrum.from_xarray(xarray.DataArray(many, dims=("i", "j")), samples="i", modes=5),
        lv.spectrum.Partial.from_chunks(iter(pieces)).spectrum(modes=5),
    ):
        np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-10)
        assert spectrum.truncated


def test_which_way_is_taken(rng, monkeypatch):
    monkeypatch.setattr(source, "FORMED", 50)
    kinds = {}
    for n, d in ((40, 200), (200, 40), (200, 200)):
        kinds[n, d] = type(of_data(rng.standard_normal((n, d))).moments(3)).__name__
    assert kinds == {(40, 200): "Gram", (200, 40): "Moments", (200, 200): "Margins"}
    wide = xarray.DataArray(rng.standard_normal((40, 200)), dims=("i", "j"))
    assert type(of_labelled(wide, "i").moments(3)).__name__ == "Margins"  # its rows would have to be copied
    assert type(of_labelled(wide, "i").moments()).__name__ == "Gram"


def test_asking_for_all_the_modes_there_are(rng, monkeypatch):
    monkeypatch.setattr(source, "FORMED", 0)
    data = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 80))
    for spectrum in (Spectrum.from_data(data, modes=5), Spectrum.from_data(data, modes=29), Spectrum.from_data(data)):
        assert (spectrum.modes, spectrum.truncated) == (3, False)
    full = rng.standard_normal((200, 4))
    assert not Spectrum.from_data(full, modes=4).truncated
    assert Spectrum.from_data(full, modes=3).truncated
    assert Spectrum.from_data(data, modes=2).truncated
    assert not Spectrum.from_data(data, modes=3).truncated  # what is left is rounding


def test_multiplets_are_found_and_nearly_equal_modes_told_apart(monkeypatch):
    values = np.concatenate([[5.0] * 6, [4.0, 4.0 - 1e-7], np.linspace(3, 0.1, 992)])
    found = strongest.strongest(lambda block: values[:, None] * block, 1000, 8)
    np.testing.assert_allclose(found, values[:8], rtol=1e-12)
    monkeypatch.setattr(strongest, "PASSES", 2)
    with pytest.raises(OutsideTheory, match="not settled to eight digits in 2 passes"):
        strongest.strongest(lambda block: values[:, None] * block, 1000, 8)


def test_a_nan_is_found_where_nothing_is_formed(rng, monkeypatch):
    monkeypatch.setattr(source, "FORMED", 0)
    data = rng.standard_normal((100, 60))
    data[70, 5] = np.nan
    with pytest.raises(InputError, match="row 70, column 5"):
        Spectrum.from_data(data, modes=2)


@pytest.mark.parametrize("modes", [0, -1, 2.5, "three"])
def test_numbers_of_modes_that_are_none(rng, modes):
    with pytest.raises(InputError, match="whole number from 1 on"):
        Spectrum.from_data(rng.standard_normal((9, 3)), modes=modes)


# --------------------------------------------------------------------- what a truncated spectrum leads to


@pytest.fixture
def pair(rng):
    """All modes, and the four strongest."""
    data = rng.standard_normal((400, 9)) * np.geomspace(8, 0.5, 9)
    return Spectrum.from_data(data), Spectrum.from_data(data, modes=4)


def test_it_does_not_claim_to_be_all(pair):
    whole, few = pair
    assert repr(few).startswith("Spectrum(the first 4 modes of more in 9 dimensions")
    assert f"not kept hold {whole.eigenvalues[4:].sum() / whole.total_variance:.4%}" in few.summary()
    assert few.unresolved == 0
    assert few.to_dict()["unresolved"] is None
    assert few.to_dict()["truncated"] is True
    np.testing.assert_allclose(few.normalized, whole.normalized[:4], rtol=CLOSED)


def test_ranks(pair):
    whole, few = pair
    left = few.rest / few.total_variance
    for share in (0.5, 0.2, left * (1 + 1e-9)):
        assert few.rank(share) == whole.rank(share)
    with pytest.raises(OutsideTheory, match=r"keep more modes \(modes=…\), or tolerate more"):
        few.rank(left * 0.99)


@pytest.mark.parametrize("loss", [Loss.gaussian(), Loss.gaussian(latents=4), Loss.gaussian(latents=3),
                                  Loss.gaussian(decoder_variance="learned", latents=4),
                                  Loss.gaussian(decoder_variance="learned")], ids=str)  # fmt: skip
def test_equilibria_and_transitions(pair, loss):
    """Above the last kept threshold everything is as for all modes; below it only with as few latents as modes."""
    whole, few = pair
    cascade, expected = transitions(few, loss), transitions(whole, loss)
    np.testing.assert_allclose(cascade.beta, expected.beta[:4], rtol=1e-11)
    betas = list(cascade.beta * 1.0001)
    if loss.latents is not None:
        betas.append(cascade.beta[-1] * 0.8)
    for beta in betas:
        state, full = equilibrium(few, loss.at(beta)), equilibrium(whole, loss.at(beta))
        for name in ("active", "total_rate", "total_distortion", "free_energy", "loss_value"):
            np.testing.assert_allclose(getattr(state, name), getattr(full, name), rtol=1e-10)
        np.testing.assert_allclose(state.signal_fraction, full.signal_fraction[:4], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(state.distortion, full.distortion[:4], rtol=1e-10)
    if loss.latents is None:
        with pytest.raises(OutsideTheory, match="modes beyond the 4 that were kept may be active"):
            _ = equilibrium(few, loss.at(cascade.beta[-1] * 0.9)).total_distortion


def test_thresholds_of_kept_modes_are_told_at_any_beta(pair):
    _, few = pair
    state = equilibrium(few, Loss.gaussian(few.eigenvalues[-1] / 2))
    assert "modes beyond the 4 kept may be active" in repr(state)
    assert state.summary()
    assert transitions(few, Loss.gaussian(few.eigenvalues[-1] / 2)).summary()


def test_choices(pair):
    whole, few = pair
    loss = Loss.gaussian()
    assert choose_beta(few, loss, keep=3).interval == pytest.approx(choose_beta(whole, loss, keep=3).interval)
    for keep in (4, 5):
        with pytest.raises(OutsideTheory, match="with more of them"):
            choose_beta(few, loss, keep=keep)
    tight = Loss.gaussian(latents=4)
    assert choose_beta(few, tight, keep=4).interval == pytest.approx(choose_beta(whole, tight, keep=4).interval)
    share = 1.5 * equilibrium(whole, loss.at(whole.eigenvalues[3])).total_distortion
    for kind in ("sampled", "mean"):
        options = {"tolerance": share, "reconstruction": kind}
        assert choose_beta(few, loss, **options).beta == pytest.approx(choose_beta(whole, loss, **options).beta)
    near = 1.01 * few.rest / few.total_variance
    with pytest.raises(OutsideTheory, match="modes beyond the 4"):
        choose_beta(few, loss, tolerance=near)
    assert choose_beta(few, tight, tolerance=near).beta == pytest.approx(choose_beta(whole, tight, tolerance=near).beta)
    with pytest.raises(OutsideTheory, match="all modes, but only the 4 strongest"):
        choose_beta(few, loss, noise_floor=True)
    with pytest.raises(OutsideTheory, match="The noise floor needs all modes"):
        noise_floor(few)


def test_no_covariance_is_made_up_for_what_was_not_kept(rng):
    wide = Spectrum.from_data(rng.standard_normal((20, 50)), modes=4)
    with pytest.raises(OutsideTheory, match="needs all modes"):
        _ = wide.covariance
    with pytest.raises(OutsideTheory, match="needs all modes"):
        lv.scan(wide, [0.1])


def test_a_source_says_what_it_knows(rng):
    known = of_data(rng.standard_normal((10, 3)))
    assert isinstance(known, Source)
    assert (known.rows, known.dimension, known.again) == (10, 3, True)
