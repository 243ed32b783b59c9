"""Crafted and damaged partial results, scans and folders of scans: one sentence, or the very answer of what was whole.

Everything is drawn from a fixed seed. A change may leave an answer as it is (bytes of an archive's own, a variable
that nothing reads); none may raise anything else, or give another answer than the whole file does.
"""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError, OutsideTheory, Spectrum
from landau_vae.data import archive
from landau_vae.spectrum import Partial
from landau_vae.training import SGD, Sampled, Schedule, load_scan, save_scan, trained_model, validate
from landau_vae.training.netcdf import _last_line
from landau_vae.verification import branches, dynamics, onsets

SPECTRUM = Spectrum.from_eigenvalues([4, 1])
SHARE = 0.6  # of the questions are asked of each damaged scan


def refused(ask):
    """The answer, or None if it is refused in one sentence."""
    try:
        return ask()
    except (InputError, OutsideTheory) as problem:
        text = str(problem)
        assert "\n" not in text, text
        assert len(text) < 500, text
        return None


# --------------------------------------------------------------------------------- partial results

JUNK = [
    None, True, -1, 0, 1, 2.5, 10**30, float("nan"), float("inf"), "x", "", [], [1], [[]], {}, {"a": 1}, [None, "b"],
]  # fmt: skip


def crafted(path, content, arrays):
    """Write a partial result with a checksum that is right, whatever it holds."""
    with np.errstate(all="ignore"):
        return archive.save_arrays(path, archive.HEADER, content, arrays)


def contents(part, path):
    """What a saved part holds: its header and its arrays."""
    content, arrays = archive.load_arrays(part.save(path), archive.HEADER)
    return content, arrays


def junk_arrays(array, rng):
    """An array in the place of another one: another type, shape, or numbers."""
    flat = np.array(array)
    spoiled = flat.astype(float)
    spoiled.flat[rng.integers(spoiled.size)] = rng.choice([np.nan, np.inf, -np.inf, -1e6])
    yield spoiled
    yield from (flat[..., None], flat[:1], flat[..., :1], flat[:0], flat.astype(complex) * 1j, flat.astype("U9"))
    yield from (flat.astype("S4"), np.array(1.0), np.broadcast_to(flat.sum(), (2, 3, 4)))
    yield from (-np.abs(flat) - 1, flat > 0, flat.astype([("a", "f8")]) if flat.dtype.kind == "f" else flat)


@pytest.fixture(params=[3, 40], ids=["rows", "moments"])
def part(request, rng):
    return Partial.from_data(rng.standard_normal((request.param, 4)) * [3, 2, 1, 0.5], names=list("abcd"))


def test_a_crafted_partial_result_is_refused(part, tmp_path, rng):
    """Whatever the header or an array is replaced by, and whatever is left out: else it is that of some other rows."""
    content, arrays = contents(part, tmp_path / "whole.npz")
    tried = []
    for name in content:
        tried += [({**content, name: junk}, arrays) for junk in JUNK]
        tried.append(({key: value for key, value in content.items() if key != name}, arrays))
    for name in arrays:
        tried += [(content, {**arrays, name: junk}) for junk in junk_arrays(arrays[name], rng)]
        tried.append((content, {key: value for key, value in arrays.items() if key != name}))
    answers = 0
    for change, others in tried:
        path = crafted(tmp_path / "part.npz", change, others)
        loaded = refused(lambda path=path: Partial.load(path))
        spectrum = None if loaded is None else refused(loaded.spectrum)
        if spectrum is not None:
            answers += 1
            assert np.all(np.isfinite(spectrum.eigenvalues) & (spectrum.eigenvalues > 0))
    assert answers < len(tried) / 3


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([3.0, 2, 1, -0.1]), "scatter is not that of real rows"),
        (np.eye(4) + np.diag([0.9] * 3, 1) + np.diag([0.9] * 3, -1), "scatter is not that of real rows"),
        (np.eye(4) + np.diag([0.1] * 3, 1), "scatter is not that of real rows"),
        (np.full((4, 4), np.nan), "scatter is not that of real rows"),
        (1 - np.eye(4), "scatter is not that of real rows"),
    ],
    ids=["negative", "beyond correlations of 1", "asymmetric", "NaN", "no variances"],
)
def test_a_scatter_is_that_of_rows(tmp_path, rng, matrix, words):
    """λ = 1 + 1.8 cos(kπ/5) of the second one is −0.46: positive variances are not enough."""
    content, arrays = contents(Partial.from_data(rng.standard_normal((40, 4))), tmp_path / "whole.npz")
    path = crafted(tmp_path / "part.npz", content, arrays | {"scatter": matrix})
    with pytest.raises(InputError, match=words):
        Partial.load(path)
    with pytest.raises(InputError, match=words):
        Spectrum.from_file(path)


@pytest.mark.parametrize("count", [0, -3, 3, 2.5, True, "40", None, 10**30])
def test_a_count_is_a_whole_number_of_rows(tmp_path, rng, count):
    """Moments are formed from as many rows as columns on; 10³⁰ is one, if an unlikely one."""
    content, arrays = contents(Partial.from_data(rng.standard_normal((40, 4))), tmp_path / "whole.npz")
    path = crafted(tmp_path / "part.npz", content | {"count": count}, arrays)
    if count == 10**30:
        assert Partial.load(path).samples == count
        return
    with pytest.raises(InputError, match=r"it counts .*, but has moments of 4 columns"):
        Partial.load(path)


def test_a_bomb_is_not_inflated(tmp_path, rng):
    """A compressed archive, and a header that claims 8 TB: refused before memory is taken."""
    content, arrays = contents(Partial.from_data(rng.standard_normal((40, 4))), tmp_path / "whole.npz")
    labelled = np.array(json.dumps(content | {"checksum": ""}))
    np.savez_compressed(tmp_path / "part.npz", **{archive.HEADER: labelled, "mean": np.zeros(10**6)}, **{
        name: arrays[name] for name in ("scatter",)})  # fmt: skip
    with pytest.raises(InputError, match="is damaged"):
        Partial.load(tmp_path / "part.npz")
    claim = io.BytesIO()
    np.lib.format.write_array_header_2_0(claim, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "part.npz", "w") as file:
        file.writestr("mean.npy", claim.getvalue())
        text = io.BytesIO()
        np.save(text, labelled)
        file.writestr(f"{archive.HEADER}.npy", text.getvalue())
    with pytest.raises(InputError, match="is damaged"):
        Partial.load(tmp_path / "part.npz")


def test_flipped_and_cut_partial_results(part, tmp_path, rng):
    """150 files with up to three flipped bits, bytes left out, doubled or cut off."""
    whole, path = part.save(tmp_path / "whole.npz").read_bytes(), tmp_path / "part.npz"
    before = part.spectrum().eigenvalues
    for _ in range(150):
        path.write_bytes(damaged(whole, rng))
        spectrum = refused(lambda: Partial.load(path).spectrum())
        if spectrum is not None:
            np.testing.assert_array_equal(spectrum.eigenvalues, before)


def damaged(content, rng):
    """Return some bytes with flipped bits, or with bytes left out, doubled or cut off."""
    changed, at = bytearray(content), int(rng.integers(len(content)))
    kind, length = rng.integers(4), int(rng.integers(1, 64))
    if kind == 0:
        for place in rng.integers(len(changed), size=rng.integers(1, 4)):
            changed[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del changed[at : at + length]
    elif kind == 2:
        changed[at:at] = changed[at : at + length]
    else:
        del changed[at:]
    return bytes(changed)


# ------------------------------------------------------------------------------------------- scans


@pytest.fixture(scope="module")
def snapshots():
    trainer = Sampled(600, None, SGD(0.05), Schedule(((0, 1),)), noise=False, start=0.05, history=30)
    return lv.scan(SPECTRUM, [0.05, 0.1], trainer=trainer)


@pytest.fixture(scope="module")
def exact():
    return lv.scan(SPECTRUM, np.geomspace(0.95, 0.02, 8))


def questions(models):
    """Everything that takes a scan, and what it answers, as text."""
    asked = {
        "verify": lambda scan: lv.verify(scan).summary(),
        "branches": lambda scan: repr(branches(scan, SPECTRUM).thresholds.tolist()),
        "onsets": lambda scan: onsets(scan).summary(),
        "model": lambda scan: repr([each.tolist() for each in trained_model(scan, 0.05).encode(np.eye(2))]),
        "valid": lambda scan: str(validate(scan) is scan),
    }
    return asked | ({"dynamics": lambda scan: dynamics(scan).summary()} if "decoder_history" in models else {})


def changes(models, rng):
    """Scans that something has happened to, and what."""
    variables, attributes, coordinates = (
        sorted(map(str, each)) for each in (models.data_vars, models.attrs, models.coords)
    )
    for name in variables:
        yield f"no {name}", models.drop_vars(name)
        array = models[name]
        for kind in ("U4", "S4", object, complex, "datetime64[s]", np.float16, np.longdouble, np.float32, np.int8):
            with np.errstate(all="ignore"):
                yield f"{name} as {kind}", models.assign({name: array.astype(kind)})
        yield f"{name} of text", models.assign({name: (array.dims, np.full(array.shape, "x"))})
        yield f"{name} a number", models.assign({name: 1.0})
        yield f"{name} transposed", models.assign({name: array.transpose()})
        yield f"{name} with one dimension more", models.assign({name: array.expand_dims("other")})
        if array.ndim:
            yield f"{name} of other dimensions", models.assign({name: array.rename({array.dims[-1]: "other"})})
            yield f"{name} cut", models.drop_vars(name).assign({name: array.isel({array.dims[-1]: 0}, drop=True)})
        for value in (np.nan, np.inf, -1e300, 1e300):
            spoiled = array.astype(float).copy(deep=True)
            spoiled.values.flat[rng.integers(spoiled.size)] = value
            yield f"{name} with {value}", models.assign({name: spoiled})
    for name in attributes:
        yield f"no attribute {name}", models.assign_attrs({}).drop_attrs(deep=False).assign_attrs(
            {key: value for key, value in models.attrs.items() if key != name})  # fmt: skip
        for junk in (*JUNK, np.nan, np.zeros(3), np.array("x"), b"x", "{", "null", "[]", '{"name": 3}', "[" * 10**5):
            yield f"attribute {name} = {junk!r:.40}", models.assign_attrs({name: junk})
    for name in coordinates:
        yield f"no coordinate {name}", models.drop_vars(name)
        values = models[name].values
        for junk in (values[::-1], np.full(values.shape, values[0]), values.astype(str), values.astype(object)):
            yield f"{name} = {junk!r:.40}", models.assign_coords({name: (name, junk)})
        if values.dtype.kind in "if":
            for junk in (-1.0 - values, values * np.nan, values + np.inf, values + 0.5, values * 1j):
                yield f"{name} = {junk!r:.40}", models.assign_coords({name: (name, junk)})
    for dim in models.dims:
        yield f"{dim} cut", models.isel({dim: slice(0, -1)})
        yield f"{dim} empty", models.isel({dim: slice(0, 0)})
        yield f"{dim} chosen", models.isel({dim: 0})
        yield f"{dim} doubled", models.isel({dim: np.arange(models.sizes[dim]).repeat(2)})
        yield f"{dim} renamed", models.rename({dim: "other"})


def check_answers(asked, scan, what, rng):
    """Of the questions that are drawn each is answered, or refused in one sentence: nothing else is raised."""
    for name, ask in asked.items():
        if rng.random() > SHARE:
            continue
        try:
            refused(lambda ask=ask: ask(scan))
        except Exception as problem:
            raise AssertionError(f"{name} of a scan with {what}: {problem!r}") from problem


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exact", "snapshots"])
def test_a_scan_that_was_tampered_with(kind, request, rng):
    """Anything that takes a scan answers in its own words, or refuses."""
    models = request.getfixturevalue(kind)
    asked = questions(models)
    for ask in asked.values():
        assert ask(models)
    for what, changed in changes(models, rng):
        check_answers(asked, changed, what, rng)


@pytest.mark.slow
def test_records_of_a_trainer_that_were_tampered_with(snapshots, rng):
    """Each setting, and each setting inside one, replaced by junk or left out."""
    models, settings, asked = snapshots, json.loads(snapshots.attrs["trainer"]), questions(snapshots)
    inner = [(name, key) for name, value in settings.items() if isinstance(value, dict) for key in value]
    for place in [*((name,) for name in settings), *inner]:
        for junk in (None, True, -1, 10**30, float("nan"), "x", [[]], {"a": 1}, ...):
            changed = json.loads(json.dumps(settings))
            owner = changed if len(place) == 1 else changed[place[0]]
            owner[place[-1]] = junk
            if junk is ...:
                del owner[place[-1]]
            scan = models.assign_attrs(trainer=json.dumps(changed))
            check_answers(asked, scan, f"{place} = {junk!r}", rng)


def test_a_crafted_file_of_a_scan_is_refused(exact, tmp_path, rng):
    """HDF5 of all kinds under a checksum that is right; arrays of terabytes that take no place."""
    path = tmp_path / "scan.nc"
    whole = save_scan(path, exact).read_bytes()
    body = whole[: -len(_last_line(path, 0))]

    def sealed(content):
        path.write_bytes(content)
        path.write_bytes(content + _last_line(path, len(content)))
        return refused(lambda: load_scan(path))

    for _ in range(60):
        loaded = sealed(damaged(body, rng))
        assert loaded is None or loaded.sizes  # it was changed on purpose: HDF5 itself has no checksum
    for shape in ((10**12,), (10**6, 10**6)):
        inside = tmp_path / "inside.nc"
        inside.write_bytes(body)
        with h5py.File(inside, "a") as file:
            file.create_dataset("temperature_of_all", shape, "f8", chunks=True)
        assert sealed(inside.read_bytes()) is None
    with h5py.File(tmp_path / "inside.nc", "w") as file:
        file["x"] = np.zeros(3)
    assert sealed((tmp_path / "inside.nc").read_bytes()) is None
    assert sealed(b"") is None


def test_a_damaged_folder_of_a_scan_is_trained_again(tmp_path, rng):
    """Files of tasks, and what says which scan it is: the same bits, or one sentence."""
    grid, folder = np.geomspace(0.9, 0.05, 4), tmp_path / "scan"
    whole = lv.scan(SPECTRUM, grid, folder=folder)
    names = ["scan.json", *sorted(each.name for each in folder.glob("task-*.npz"))]
    kept = {name: (folder / name).read_bytes() for name in names}
    for i in range(20):
        name = names[i % len(names)]
        (folder / name).write_bytes(damaged(kept[name], rng))
        again = refused(lambda: lv.scan(SPECTRUM, grid, folder=folder))
        assert again is None or again.identical(whole)
        for each, content in kept.items():
            (folder / each).write_bytes(content)


def test_a_crafted_task_is_trained_again(tmp_path, rng):
    """With the identity of its scan and a checksum that is right."""
    from landau_vae.training.resume import HEADER

    grid, folder = np.geomspace(0.9, 0.05, 4), tmp_path / "scan"
    whole = lv.scan(SPECTRUM, grid, folder=folder)
    (task,) = folder.glob("task-*.npz")
    content, arrays = archive.load_arrays(task, HEADER)
    tried = [({**content, name: junk}, arrays) for name in content for junk in JUNK if name != "device"]
    tried += [
        (content, {**arrays, "rate": junk}) for junk in junk_arrays(arrays["rate"], rng) if junk.dtype.kind != "f"
    ]
    tried += [(content, {key: value for key, value in arrays.items() if key != name}) for name in arrays]
    for change, others in tried:
        archive.save_arrays(task, HEADER, change, others)
        again = refused(lambda: lv.scan(SPECTRUM, grid, folder=folder))
        assert again is None or again.identical(whole)
