"""Partial results: made apart, saved, merged in any order, gathered on the command line, interrupted and resumed."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED

from landau_vae import InputError, Spectrum, TooFewSamples
from landau_vae.cli import main
from landau_vae.data import archive as stored
from landau_vae.data.gather import Gathering
from landau_vae.spectrum import Partial

NAMES = list("abcd")


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.standard_normal((500, 4)) * [3, 2, 1, 0.5] + [0, 1e3, -7, 2], columns=NAMES)


def same(a, b, rtol=CLOSED):
    assert a.modes == b.modes
    np.testing.assert_allclose(a.eigenvalues, b.eigenvalues, rtol=0, atol=rtol * b.eigenvalues[0])
    assert (a.dimension, a.samples, a.names) == (b.dimension, b.samples, b.names)
    assert a.total_variance == pytest.approx(b.total_variance, rel=rtol)


@pytest.mark.parametrize("how", [{}, {"standardize": True}, {"divisor": "n-1"}, {"modes": 2}])
def test_merged_in_any_order(frame, how):
    parts = [Partial.from_data(part) for part in (frame[:100], frame[100:130], frame[130:])]
    whole = Spectrum.from_data(frame, **how)
    for order in itertools.permutations(parts):
        same(order[0].merge(*order[1:]).spectrum(**how), whole)
    same(parts[0].merge(parts[1]).merge(parts[2]).spectrum(**how), whole)
    assert [part.samples for part in parts] == [100, 30, 370]  # merging leaves its parts as they are


@pytest.mark.parametrize("cuts", [[10], [3, 25], [25, 28], [28]])
def test_wide_parts_are_rows_until_there_are_enough(rng, cuts):
    """30 rows of 20 columns, in parts of which some, all or none have fewer rows than columns."""
    data = (rng.standard_normal((30, 20)) + 3).astype(np.float32)
    parts = [Partial.from_data(part) for part in np.split(data, cuts)]
    for order in itertools.permutations(parts):
        same(order[0].merge(*order[1:]).spectrum(), Spectrum.from_data(data), 1e-11)
    few = Partial.from_data(data[:4]).merge(Partial.from_data(data[4:9].astype(float)))
    same(few.spectrum(), Spectrum.from_data(data[:9]), 1e-11)
    assert few.collected.precision == np.finfo(np.float32).eps


def test_weights_are_kept(frame, rng):
    weights = rng.uniform(0, 2, 500)
    wide = frame[:3], weights[:3]  # held as rows
    parts = [Partial.from_data(wide[0], weights=wide[1]), Partial.from_data(frame[3:], weights=weights[3:])]
    same(parts[0].merge(parts[1]).spectrum(), Spectrum.from_data(frame, weights=weights))
    mixed = Partial.from_data(frame[:2]).merge(Partial.from_data(frame[2:4], weights=[2.0, 0.5]))
    same(mixed.spectrum(), Spectrum.from_data(frame[:4], weights=[1, 1, 2, 0.5]))


def test_a_bernoulli_spectrum_of_parts(rng):
    data = (rng.uniform(size=(300, 5)) < 0.3).astype(np.uint8)
    parts = Partial.from_data(data[:70]).merge(Partial.from_chunks(iter([data[70:200], data[200:]])))
    same(parts.spectrum(likelihood="bernoulli"), Spectrum.from_data(data, likelihood="bernoulli"))


@pytest.mark.parametrize("rows", [3, 500])
def test_saved_to_the_bit(tmp_path, frame, rows):
    part = Partial.from_data(frame[:rows].astype(np.float32), weights=np.arange(rows) % 3 + 0.1)
    path = part.save(tmp_path / "part.npz")
    back = Partial.load(path)
    np.testing.assert_array_equal(back.spectrum().eigenvalues, part.spectrum().eigenvalues)
    same(back.spectrum(standardize=True), part.spectrum(standardize=True))
    assert (back.names, back.samples, back.collected.precision) == (part.names, rows, part.collected.precision)
    assert [file.name for file in tmp_path.iterdir()] == ["part.npz"]
    with np.load(path, allow_pickle=False) as archive:
        assert json.loads(archive[stored.HEADER].item())["version"] == stored.VERSION


def test_a_file_is_a_spectrum_by_its_content(tmp_path, frame, capsys):
    path = Partial.from_data(frame).save(tmp_path / "part.npz")
    frame.to_csv(tmp_path / "x.csv", index=False)
    same(Spectrum.from_file(path, standardize=True), Spectrum.from_data(frame, standardize=True))
    same(Spectrum.from_file(path, exclude="b"), Spectrum.from_data(frame.drop(columns="b")))
    same(Spectrum.from_file(path, columns=["d", "a"]), Spectrum.from_data(frame[["a", "d"]]))
    outs = []
    for name in ("part.npz", "x.csv"):
        assert main(["thresholds", str(tmp_path / name)]) == 0
        outs.append(capsys.readouterr().out.replace(name, ""))
    assert outs[0] == outs[1]


@pytest.mark.parametrize("rows", [2, 500])
def test_damage_is_told_in_one_sentence(tmp_path, frame, rows):
    path = Partial.from_data(frame[:rows]).save(tmp_path / "part.npz")
    whole = path.read_bytes()
    for name, content in {
        "cut.npz": whole[: len(whole) // 2], "head.npz": whole[:20], "none.npz": b"", "noise.npz": os.urandom(500),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a partial result, or is cut short"):
            Partial.load(tmp_path / name)
    complaints = set()
    for at in range(100, len(whole) - 400, 97):  # one flipped bit in what is stored
        (tmp_path / "flipped.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            back = Partial.load(tmp_path / "flipped.npz")
        except InputError as problem:
            complaints.add(str(problem).split(" (")[0])
        else:  # the bit is one of the archive's own, and no number has changed
            np.testing.assert_array_equal(back.spectrum().eigenvalues, Partial.load(path).spectrum().eigenvalues)
    assert complaints == {"flipped.npz is damaged"}
    np.savez(tmp_path / "foreign.npz", x=frame.to_numpy())
    with pytest.raises(InputError, match="not a partial result"):
        Partial.load(tmp_path / "foreign.npz")


def test_another_number_or_version_is_found_out(tmp_path, frame):
    path = Partial.from_data(frame).save(tmp_path / "part.npz")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    header = json.loads(arrays[stored.HEADER].item())
    np.savez(tmp_path / "changed.npz", **arrays | {"mean": arrays["mean"] + 1})
    with pytest.raises(InputError, match="checksum does not agree"):
        Partial.load(tmp_path / "changed.npz")
    np.savez(tmp_path / "count.npz", **arrays | {stored.HEADER: np.array(json.dumps(header | {"count": 7}))})
    with pytest.raises(InputError, match="checksum does not agree"):
        Partial.load(tmp_path / "count.npz")
    np.savez(tmp_path / "pickled.npz", **arrays | {"mean": np.array([None])})
    with pytest.raises(InputError, match="damaged"):
        Partial.load(tmp_path / "pickled.npz")
    with zipfile.ZipFile(path) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    stored.save_arrays(tmp_path / "later.npz", stored.HEADER, {"version": 9}, {})
    with pytest.raises(InputError, match="format 9"):
        Partial.load(tmp_path / "later.npz")


def test_what_cannot_be_merged_or_asked(tmp_path, frame):
    part = Partial.from_data(frame)
    with pytest.raises(InputError, match="'b' and 'z'"):
        part.merge(Partial.from_data(frame.rename(columns={"b": "z"})))
    with pytest.raises(InputError, match="of 3 columns"):
        part.merge(Partial.from_data(frame.to_numpy()[:, :3]))
    assert part.merge(Partial.from_data(frame.to_numpy())).names == tuple(NAMES)
    with pytest.raises(InputError, match=r"end it in \.npz"):
        part.save(tmp_path / "part.bin")
    path = part.save(tmp_path / "part.npz")
    with pytest.raises(InputError, match="leave weights"):
        Spectrum.from_file(path, weights="a")
    with pytest.raises(InputError, match="no column 'z'"):
        Spectrum.from_file(path, exclude="z")
    with pytest.raises(InputError, match="not the rows themselves"):
        Partial.from_file(path)
    with pytest.raises(TooFewSamples, match="only one row"):
        Partial.from_data(frame[:1]).spectrum()
    with pytest.raises(InputError, match="NaN or infinite"):
        Partial.from_data(np.full((2, 5), np.nan))


# ------------------------------------------------------------------------------------------- the command


@pytest.fixture
def files(tmp_path, frame):
    """One table in three formats, the third of them a partial result."""
    frame[:200].to_csv(tmp_path / "x.csv", index=False, float_format="%.17g")
    frame[200:450].to_parquet(tmp_path / "y.parquet", row_group_size=60)
    Partial.from_data(frame[450:]).save(tmp_path / "z.npz")
    return [tmp_path / name for name in ("x.csv", "y.parquet", "z.npz")]


def test_gather(tmp_path, frame, files, capsys):
    output = tmp_path / "part.npz"
    assert main(["gather", *map(str, files), "--output", str(output)]) == 0
    assert "500 rows of 4 columns from 3 files" in capsys.readouterr().out
    same(Partial.load(output).spectrum(), Spectrum.from_data(frame))
    assert main(["gather", *map(str, files), "--output", str(output), "--exclude", "b", "--column", "a"]) == 0
    assert Partial.load(output).names == ("a",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["x.csv", "x.csv"], "given twice"), (["nowhere.csv"], "no file nowhere.csv"),
     (["x.csv", "other.csv"], "'z' where those before it have 'a'"), (["bad.csv"], "In bad.csv: 1 value is NaN"),
     (["part.npz"], "is an input and the output"), (["x.csv", "--array", "q"], "leave that option out")],
)  # fmt: skip
def test_gather_complains_in_a_sentence(tmp_path, frame, files, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    frame.rename(columns={"a": "z"}).to_csv("other.csv", index=False)
    frame.assign(c=[np.nan, *frame.c[1:]]).to_csv("bad.csv", index=False)
    assert main(["gather", *arguments, "--output", "part.npz"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "part.npz").exists()


@pytest.mark.parametrize("suffix", ["npy", "csv", "parquet"])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path, rng, monkeypatch, suffix):
    """Interrupted at every save in turn, and gone on with: the bits of a run in one go."""
    table = pd.DataFrame(rng.standard_normal((60_000, 3)) + np.array([0, 50, 1]), columns=list("abc"))
    paths = [tmp_path / f"{name}.{suffix}" for name in "xy"]
    for path, part in zip(paths, (table[:50_000], table[50_000:]), strict=True):
        if suffix == "npy":
            np.save(path, part.to_numpy())
        elif suffix == "csv":
            part.to_csv(path, index=False)
        else:
            part.to_parquet(path, row_group_size=20_000)
    whole = Gathering(paths, tmp_path / "whole.npz", {}, every=1e9).run()
    job, stops = Gathering(paths, tmp_path / "part.npz", {}, every=0), 0

    def save_and_stop(path, part, position):
        stored.save_partial(path, part, position)
        if path == job.state:
            raise KeyboardInterrupt

    monkeypatch.setattr("landau_vae.data.gather.save_partial", save_and_stop)
    while not job.output.exists():
        try:
            part = job.run(resume=stops > 0)
        except KeyboardInterrupt:
            stops += 1
            assert Partial.load(job.state).samples > 0  # it is a partial result of its own
    assert stops >= 2
    assert part.count == 60_000
    np.testing.assert_array_equal(part.result().covariance, whole.result().covariance)
    assert not job.state.exists()
    assert job.run(resume=True).count == 60_000  # nothing is left to do


def test_what_is_resumed_must_be_the_same_run(tmp_path, frame, files, monkeypatch):
    job = Gathering(files, tmp_path / "part.npz", {}, every=0)
    monkeypatch.setattr("landau_vae.data.gather.load_partial", lambda path: 1 / 0)  # stops at the third file
    with pytest.raises(ZeroDivisionError):
        job.run()
    monkeypatch.undo()
    with pytest.raises(InputError, match="--resume"):
        job.run()
    with pytest.raises(InputError, match="other files"):
        Gathering(files[:2], job.output, {}).run(resume=True)
    with pytest.raises(InputError, match="other options"):
        Gathering(files, job.output, {"exclude": ["a"]}).run(resume=True)
    frame[:201].to_csv(files[0], index=False)
    with pytest.raises(InputError, match=r"x\.csv was another file"):
        job.run(resume=True)


def test_killed_and_run_again(tmp_path, rng):
    """kill −9 in the middle, then the same arguments: the result of a run in one go."""
    data = rng.standard_normal((120_000, 8)).round(6)
    pd.DataFrame(data, columns=list("abcdefgh")).to_csv(tmp_path / "x.csv", index=False)
    command = [
        sys.executable,
        "-m",
        "landau_vae",
        "gather",
        "x.csv",
        "--output",
        "part.npz",
        "--resume",
        "--every",
        "0",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "part.npz.state").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "part.npz").exists()
    assert 0 < Partial.load(tmp_path / "part.npz.state").samples < 120_000
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    same(Partial.load(tmp_path / "part.npz").spectrum(), Spectrum.from_file(tmp_path / "x.csv"))
    assert not (tmp_path / "part.npz.state").exists()


def test_gather_overwrites_nothing_but_partial_results(tmp_path, capsys, monkeypatch):
    from landau_vae.cli import main

    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b\n1,2\n3,1\n2,2\n", encoding="utf-8")
    np.savez("mine.npz", precious=np.ones(3))
    assert main(["gather", "x.csv", "--output", "mine.npz"]) == 2
    assert "is not a partial result" in capsys.readouterr().err
    assert np.load("mine.npz")["precious"].sum() == 3
    assert main(["gather", "x.csv", "--output", "part.npz"]) == 0
    assert main(["gather", "x.csv", "--output", "part.npz", "--every", "-1"]) == 2
