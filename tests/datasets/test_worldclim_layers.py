"""Layers cell by cell: equal-area blocks, parts of whole blocks, files that are not as they should be.

Blocks need no layers; what reads files does so on tiny maps of random numbers, and on the real layers where present.
"""

import functools
import gc
import hashlib
import http.server
import json
import sys
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import landau_vae as lv
from landau_vae import InputError
from landau_vae.cli import main
from landau_vae.cli import reproduce_networks as networks
from landau_vae.datasets import _worldclim_layers as files
from landau_vae.datasets import spatial_blocks as spatial

HEIGHT, WIDTH = 36, 72  # of the tiny maps: cells of 5°
SIZE = 2500.0  # km, of blocks on them


@pytest.fixture
def globe():
    """Cells of 1° all over the globe."""
    north, east = np.meshgrid(np.arange(-89.5, 90), np.arange(-179.5, 180), indexing="ij")
    return north.ravel(), east.ravel()


# -------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize("size", [200.0, 500.0, 777.0, 2000.0])
def test_blocks_have_equal_areas(size):
    """By counting points that are drawn uniformly from the sphere: √N errors."""
    rng, draws = np.random.default_rng(7), 400_000
    north = np.degrees(np.arcsin(rng.uniform(-1, 1, draws)))
    labels = spatial.block_labels(north, rng.uniform(-180, 180, draws), size)
    rows, columns = spatial.block_grid(size)
    counts = np.bincount(labels, minlength=rows * columns)
    assert len(counts) == rows * columns
    expected = draws / len(counts)
    assert np.abs(counts - expected).max() < 6 * expected**0.5
    assert abs(np.var(counts) / expected - 1) < 6 * (2 / len(counts)) ** 0.5  # Poisson, no block larger than another
    area = 4 * np.pi * 6371.0088**2 / len(counts)
    assert spatial.block_area(size) == pytest.approx(area, rel=1e-12)
    assert area**0.5 == pytest.approx(size, rel=0.02)


def test_the_usual_block():
    assert spatial.block_grid(500.0) == (30, 68)
    assert spatial.block_area(500.0) == pytest.approx(500.0**2, rel=2e-4)


def test_blocks_are_contiguous_and_cover_the_globe(globe):
    north, east = globe
    labels = spatial.block_labels(north, east, 1000.0)
    rows, columns = spatial.block_grid(1000.0)
    assert set(labels) == set(range(rows * columns))  # every block has cells, every cell one block
    for label in np.unique(labels)[::17]:
        inside = labels == label
        low, high = (np.array([north[inside].min(), north[inside].max()]),
                     np.array([east[inside].min(), east[inside].max()]))  # fmt: skip
        box = (north >= low[0]) & (north <= low[1]) & (east >= high[0]) & (east <= high[1])
        np.testing.assert_array_equal(box, inside)


def test_edges_of_the_map():
    labels = spatial.block_labels([-90, 90, 0, 0, 0], [-180, 180, -180, 180, 539.9999], 500.0)
    assert labels[0] == 0
    assert labels[1] == 29 * 68  # 180° E is 180° W
    assert labels[2] == labels[3]
    assert labels[4] == labels[2] + 67


@pytest.mark.parametrize("size", [0, -500, np.nan, np.inf, 0.5, 20_000, "500"])
def test_sizes_that_are_none(size):
    with pytest.raises(InputError, match="from 1 to 10000 km is expected"):
        spatial.block_grid(size)


def test_points_off_the_map():
    for north, east in (([91], [0]), ([np.nan], [0]), ([0], [np.nan]), ([0, 1], [0])):
        with pytest.raises(InputError, match="one latitude from −90 to 90"):
            spatial.block_labels(north, east)


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.9, 0.1, 0.0), (1.0, 0.0, 0.0)])
def test_parts_are_whole_blocks(globe, fractions):
    labels = spatial.block_labels(*globe, 500.0)
    parts, blocks = spatial.split_blocks(labels, fractions, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    inside = [set(labels[part]) for part in parts]
    assert [len(each) for each in inside] == list(blocks)
    assert not inside[0] & inside[1]
    assert not inside[0] & inside[2]
    assert not inside[1] & inside[2]
    largest = np.bincount(labels).max() / len(labels)
    for part, share in zip(parts, fractions, strict=True):
        assert abs(len(part) / len(labels) - share) <= largest
        assert not part.flags.writeable


def test_a_split_is_that_of_its_seed(globe):
    labels = spatial.block_labels(*globe, 500.0)
    first, again, other = (spatial.split_blocks(labels, (0.8, 0.1, 0.1), seed)[0] for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert set(first[1].tolist()) != set(other[1].tolist())


def test_splits_that_are_none():
    labels = np.repeat([4, 9, 11], 5)
    for fractions in ((0.8, 0.1), (0.5, 0.2, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), "all"):
        with pytest.raises(InputError, match=r"three shares that add up to 1|cannot be read as numbers"):
            spatial.split_blocks(labels, fractions, 0)
    with pytest.raises(InputError, match="3 blocks are too few for a part with a share of"):
        spatial.split_blocks(labels, (0.9, 0.08, 0.02), 0)
    for seed in (-1, 0.5, "0"):
        with pytest.raises(InputError, match="whole number from 0 on"):
            spatial.split_blocks(labels, (0.8, 0.1, 0.1), seed)


# --------------------------------------------------------------------------------------------- files


def write_layer(path, values, **changes):
    rasterio = pytest.importorskip("rasterio", reason="the extra 'worldclim' is not installed")
    about = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "float32", "nodata": -3.4e38,
             "crs": "EPSG:4326", "transform": rasterio.Affine(5, 0, -180, 0, -5, 90)}  # fmt: skip
    with rasterio.open(path, "w", **(about | changes)) as target:
        target.write(values.astype(np.float32), 1)


@pytest.fixture
def land(rng):
    """(19, HEIGHT, WIDTH) random numbers, and where they hold data: not at sea, and at two places not in all layers."""
    mixing = np.linalg.qr(rng.standard_normal((19, 19)))[0] * 1.5 ** -np.arange(19)
    values = np.tensordot(mixing, rng.standard_normal((19, HEIGHT, WIDTH)), 1) + 5
    values[6] = values[4] - values[5]
    missing = np.broadcast_to(rng.random((HEIGHT, WIDTH)) < 0.3, values.shape).copy()
    missing[3, 0, 0] = missing[18, 20, 20] = True
    return values, missing


@pytest.fixture
def folder(tmp_path, land, monkeypatch):
    """A folder with the layers of a tiny map, which count as the official ones."""
    values, missing = land
    place = tmp_path / "layers"
    place.mkdir()
    for name, layer, gap in zip(files.LAYERS, values, missing, strict=True):
        write_layer(place / name, np.where(gap, -3.4e38, layer))
    sums = [f"{hashlib.sha256((place / name).read_bytes()).hexdigest()} {name}" for name in files.LAYERS]
    (tmp_path / "sums").write_text("\n".join(sums), encoding="ascii")
    monkeypatch.setattr(files, "CHECKSUMS", tmp_path / "sums")
    return place


def test_cells_are_those_with_data_in_all_layers(folder, land):
    values, missing = land
    layers = lv.datasets.worldclim_layers(folder)
    valid = ~missing.any(axis=0)
    np.testing.assert_array_equal(layers.cells, values[:, valid].T.astype(np.float32))
    row, column = np.nonzero(valid)
    np.testing.assert_allclose(layers.latitude, 87.5 - 5 * row, rtol=1e-12)
    np.testing.assert_allclose(layers.longitude, -177.5 + 5 * column, rtol=1e-12)
    np.testing.assert_allclose(layers.weights, np.cos(np.radians(layers.latitude)), rtol=1e-12)
    assert layers.cells.dtype == np.float32
    assert not layers.cells.flags.writeable
    assert layers.names[6] == "bio7"
    assert "bio5 − bio6" in layers.descriptions[6]
    assert repr(layers) == f"Layers({valid.sum()} land cells × 19 variables)"


@pytest.mark.parametrize("weighted", [False, True])
def test_spectra_of_cells(folder, weighted):
    layers = lv.datasets.worldclim_layers(folder)
    rows = layers.cells.astype(float)
    weights = layers.weights if weighted else np.ones(len(rows))
    covariance = np.cov(rows.T, aweights=weights, bias=True)
    std = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        layers.spectrum(weighted=weighted).eigenvalues,
        np.linalg.eigvalsh(covariance / np.outer(std, std))[:0:-1],
        rtol=1e-9,
    )
    plain = layers.spectrum(weighted=weighted, standardize=False)
    np.testing.assert_allclose(plain.eigenvalues, np.linalg.eigvalsh(covariance)[:0:-1], rtol=1e-9)


def test_a_part_is_standardised_by_itself(folder):
    layers = lv.datasets.worldclim_layers(folder)
    split = layers.split((0.6, 0.2, 0.2), block_km=SIZE, seed=2)
    labels = layers.blocks(SIZE)
    assert not set(labels[split.training]) & set(labels[split.test])
    assert split.block_area == spatial.block_area(SIZE)
    part = layers.take(split.training)
    np.testing.assert_array_equal(part.cells, layers.cells[split.training])
    np.testing.assert_array_equal(part.blocks(SIZE), labels[split.training])
    known = lv.Spectrum.from_data(layers.cells[split.training], standardize=True)
    np.testing.assert_array_equal(part.spectrum().eigenvalues, known.eigenvalues)
    mask = np.zeros(len(labels), bool)
    mask[split.training] = True
    np.testing.assert_array_equal(layers.take(mask).latitude, part.latitude)


def test_where_layers_are_looked_for(folder, monkeypatch):
    monkeypatch.delenv("LANDAU_VAE_WORLDCLIM", raising=False)
    with pytest.raises(InputError, match="set LANDAU_VAE_WORLDCLIM, or fetch them"):
        lv.datasets.worldclim_layers()
    with pytest.raises(InputError, match="leave one of the two out"):
        lv.datasets.worldclim_layers(folder, download=True)
    monkeypatch.setenv("LANDAU_VAE_WORLDCLIM", str(folder))
    assert lv.datasets.worldclim_layers().folder == folder


def test_layers_that_are_not_as_they_should_be(folder, land):
    def complaint(**options):
        with pytest.raises(InputError) as problem:
            lv.datasets.worldclim_layers(folder, **options)
        assert "\n" not in str(problem.value)
        return str(problem.value)

    seventh = folder / files.LAYERS[6]
    whole = seventh.read_bytes()
    seventh.write_bytes(whole[: len(whole) // 2])
    assert "bio_7.tif is damaged or not the official one" in complaint()
    assert "bio_7.tif is damaged, or not a GeoTIFF file" in complaint(check=False)
    seventh.write_bytes(b"no map at all")
    assert "bio_7.tif is damaged, or not a GeoTIFF file" in complaint(check=False)
    seventh.unlink()
    assert "There is no layer" in complaint()
    assert "bio_7.tif: download" in complaint()
    write_layer(seventh, np.zeros((HEIGHT, WIDTH // 2)), width=WIDTH // 2)
    assert "bio_7.tif covers another map than wc2.1_10m_bio_1.tif" in complaint(check=False)
    write_layer(seventh, np.full((HEIGHT, WIDTH), -3.4e38))
    assert "No cell holds data in all 19 layers" in complaint(check=False)
    import rasterio

    metres = rasterio.Affine(5e5, 0, -2e7, 0, -5e5, 1e7)
    for name in files.LAYERS:
        write_layer(folder / name, land[0][0], transform=metres)
    assert "not in degrees of latitude and longitude" in complaint(check=False)


@pytest.mark.parametrize(("module", "download"), [("rasterio", False), ("pooch", True)])
def test_the_extra_is_named(folder, monkeypatch, module, download):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"need {module}, of the extra 'worldclim': pip install 'landau-vae\[world"):
        lv.datasets.worldclim_layers(None if download else folder, download=download)


# ------------------------------------------------------------------------------------------ download


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        self.server.asked.append(self.path)


@pytest.fixture
def site(tmp_path, folder, monkeypatch):
    """A server with an archive of the layers on this machine, and an empty cache."""
    pooch = pytest.importorskip("pooch", reason="the extra 'worldclim' is not installed")
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "bio.zip", "w") as archive:
        for name in files.LAYERS:
            archive.write(folder / name, f"inside/{name}")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    server.asked = []
    server.served = served
    monkeypatch.setattr(files, "URL", f"http://127.0.0.1:{server.server_port}/bio.zip")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_layers_are_fetched_once(site, folder, tmp_path):
    layers = lv.datasets.worldclim_layers(download=True)
    np.testing.assert_array_equal(layers.cells, lv.datasets.worldclim_layers(folder).cells)
    assert {path.name for path in layers.folder.iterdir()} - {"download.lock"} == set(files.LAYERS)  # no archive left
    assert len(site.asked) == 1
    lv.datasets.worldclim_layers(download=True)
    assert len(site.asked) == 1
    (layers.folder / files.LAYERS[3]).write_bytes(b"spoilt")
    lv.datasets.worldclim_layers(download=True)
    assert len(site.asked) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that pooch leaves open then
def test_downloads_that_fail(site, folder, monkeypatch):
    def complaint():
        with pytest.raises(InputError) as problem:
            lv.datasets.worldclim_layers(download=True)
        assert "\n" not in str(problem.value)
        return str(problem.value)

    archive = site.served / "bio.zip"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:5000])
    assert "could not be fetched" in complaint()
    with zipfile.ZipFile(archive, "w") as other:
        other.write(folder / files.LAYERS[0], files.LAYERS[0])
    assert "holds no layer wc2.1_10m_bio_2.tif" in complaint()
    with zipfile.ZipFile(archive, "w") as other:
        for name in files.LAYERS:
            other.writestr(name, b"another layer")
    assert "bio_2.tif is damaged or not the official one" in complaint()  # the first, from before, is official
    archive.unlink()
    assert "could not be fetched" in complaint()
    monkeypatch.setattr(files, "URL", "http://127.0.0.1:9/bio.zip")  # nobody listens there
    assert "try again with a network" in complaint()
    archive.write_bytes(whole)
    monkeypatch.setattr(files, "URL", f"http://127.0.0.1:{site.server_port}/bio.zip")
    assert len(lv.datasets.worldclim_layers(download=True).cells) > 0  # nothing of the failures is in the way
    gc.collect()


# -------------------------------------------------------------------------------------- the main job


def test_reproduce_on_layers(folder, capsys):
    options = ["--points", "25", "--coldest", "3e-2", "--latents", "4"]
    assert main(["reproduce", "--layers", str(folder), *options]) == 0
    out = capsys.readouterr().out
    layers = lv.datasets.worldclim_layers(folder)
    assert out.startswith(f"WorldClim 2.1, {len(layers.cells)} land cells of the layers in {folder}, 19 standardised")
    assert f"{layers.spectrum().normalized[0]:.6g}" in out


def test_reproduce_on_blocks(folder, capsys):
    options = ["--layers", str(folder), "--blocks", str(SIZE), "--points", "13", "--coldest", "1e-2", "--area-weighted"]
    main(["reproduce", *options])
    out = capsys.readouterr().out
    assert "weighted by area\nwhole blocks of " in out
    assert "distortion, as a share of the training part's variance" in out
    main(["reproduce", *options, "--json"])
    result = json.loads(capsys.readouterr().out)
    layers = lv.datasets.worldclim_layers(folder)
    split = layers.split(block_km=SIZE)
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    assert result["parts"] == {name: len(rows) for name, rows in parts.items()}
    assert result["blocks"] == dict(zip(parts, split.blocks, strict=True))
    known = layers.take(split.training).spectrum(weighted=True)
    np.testing.assert_allclose([mode["pca"] for mode in result["modes"]], known.normalized, rtol=1e-9)
    # At T = 1 every latent is dead: what is lost of a part is its own second moment about the training mean.
    rows, weights = layers.cells.astype(float), layers.weights
    mean = np.average(rows[split.training], axis=0, weights=weights[split.training])
    variance = np.average((rows[split.training] - mean) ** 2, axis=0, weights=weights[split.training])
    for name in ("validation", "test"):
        second = np.average((rows[parts[name]] - mean) ** 2, axis=0, weights=weights[parts[name]])
        lost = result[f"{name}_distortion"]
        assert lost[0] == pytest.approx((second / variance).mean(), rel=1e-6)
        assert lost[-1] < 0.5


def test_reproduce_with_networks(folder, capsys, tmp_path, monkeypatch):
    """Tiny ones: they resolve nothing and say so; the second time they are read from the folder."""
    pytest.importorskip("jax")
    monkeypatch.setitem(networks.BUDGETS, "quick", replace(networks.BUDGETS["quick"], points=2, updates=5))
    monkeypatch.setattr(networks, "WIDTH", 4)
    monkeypatch.setattr(lv.plotting, "spectroscopy_page", lambda _: Figure())
    options = ["--blocks", str(SIZE), "--depth", "1", "--workers", "1", "--output", str(tmp_path)]
    assert main(["reproduce", "--neural", "--layers", str(folder), *options]) == 1
    out = capsys.readouterr().out
    assert "2 networks of 1 × 4 SiLU units" in out
    assert "0 onsets resolved" in out
    monkeypatch.delattr(lv.training.Neural, "train")
    assert main(["reproduce", "--neural", "--layers", str(folder), *options, "--json"]) == 1
    result = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert result["limits"].startswith("Quick: ")
    assert set(result["onset"]) == {None}
    assert {path.name for path in tmp_path.iterdir()} >= {"spectroscopy.png", "results.json", "scan.nc"}


def test_blocks_need_layers(capsys):
    assert main(["reproduce", "--blocks", "500"]) == 2
    assert "name the folder of the layers (--layers DIR)" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- the real layers


def test_the_real_cells_in_blocks(layers_folder):
    layers = lv.datasets.worldclim_layers(layers_folder)
    split = layers.split()
    assert sum(split.blocks) == len(np.unique(layers.blocks()))
    np.testing.assert_allclose(
        [len(part) / len(layers.cells) for part in (split.training, split.validation, split.test)],
        [0.8, 0.1, 0.1],
        atol=0.003,
    )
    spectrum = layers.take(split.training).spectrum()
    np.testing.assert_allclose(spectrum.normalized, layers.spectrum().normalized, rtol=0.05)  # not equal, alike
    assert (spectrum.modes, spectrum.unresolved) == (18, 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_main_job_on_the_real_cells(layers_folder, capsys, tmp_path, weighted):
    """The follow-up's row of ranks, from the layers to trained models and their figures."""
    options = ["--layers", str(layers_folder), "--json", "--output", str(tmp_path / "out")]
    assert main(["reproduce", *options, *(["--area-weighted"] if weighted else [])]) == 0
    assert (tmp_path / "out" / "overview.png").exists()
    ranks = json.loads(capsys.readouterr().out)["ranks"]
    assert [row["trained"] for row in ranks] == [6, 9, 10, 12, 16 if weighted else 15, 17]
