"""The noise floor and heavy tails: noise that a few rows make is no mode, and what all rows have stays one."""

import copy
import gc
import json
import os
import pickle
import re
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLED
from pandas import DataFrame
from scipy.sparse import csr_array

from landau_vae import Loss, Spectrum, TooFewSamples, choose_beta
from landau_vae.numeric import noise_floor
from landau_vae.numeric._tails import _rows

STUDIES = Path(__file__).parents[1] / "studies"
LAWS = {
    "t3": lambda rng, size: rng.standard_t(3, size),
    "lengths": lambda rng, size: rng.standard_normal(size) * np.sqrt(5 / rng.chisquare(5, (size[0], 1))),
    "lognormal": lambda rng, size: np.exp(rng.standard_normal(size)),
    "outliers": lambda rng, size: rng.standard_normal(size) * np.where(rng.random((size[0], 1)) < 0.03, 5, 1),
}


def heavy_rows(rng, n=300, d=20, signal=0.0):
    """Rows of t with three degrees of freedom, with one normal direction of more variance."""
    rows = rng.standard_t(3, (n, d)) / 3**0.5
    rows[:, 0] += signal**0.5 * rng.standard_normal(n)
    return rows


# ------------------------------------------------------------------------------------------- noise and signals


@pytest.mark.parametrize("shape", [(200, 20), (80, 120), (400, 60)])
@pytest.mark.parametrize("law", LAWS)
def test_noise_of_heavy_tails_stays_below_the_floor(rng, law, shape):
    """1 % of 60 sets would be above, so more than 4 happen once in 2 000 trials; the normal floor fails in most."""
    found = [noise_floor(Spectrum.from_data(LAWS[law](rng, shape))) for _ in range(60)]
    assert sum(f.modes > 0 for f in found) <= 4
    assert np.mean([f.spectrum.eigenvalues[0] > f.normal_price for f in found]) > 0.5
    assert all("Heavy tails: mode" in f.caveat for f in found if len(f.unconfirmed))


@pytest.mark.parametrize("shape", [(200, 20), (80, 120), (400, 60)])
def test_a_strong_signal_in_heavy_tails_stays_a_mode(rng, shape):
    """Of twenty times the critical variance in t5; a tenth of the sets may lose it among 80 rows, 8 of 40 by chance."""
    n, d = shape
    spike = 20 * (d / n) ** 0.5
    found = []
    for _ in range(40):
        rows = rng.standard_t(5, shape) / (5 / 3) ** 0.5
        rows[:, 0] += spike**0.5 * rng.standard_normal(n)
        floor = noise_floor(Spectrum.from_data(rows))
        found.append(floor.modes >= 1 and floor.spectrum.vectors[0, 0] ** 2 > 0.5)
    assert np.mean(found) >= 0.8


@pytest.mark.parametrize("shape", [(200, 20), (100, 200)])
def test_a_group_of_few_rows_is_a_mode(rng, shape):
    """A twentieth of the rows is shifted by 3 in each column: 13 (42) times the noise. One row alone stays none."""
    rows = rng.standard_normal(shape)
    rows[: shape[0] // 20] += 3
    group = noise_floor(Spectrum.from_data(rows))
    rows[1 : shape[0] // 20] -= 3
    alone = noise_floor(Spectrum.from_data(rows))
    assert (group.modes, alone.modes) == (1, 0)
    assert group.tails.carriers < 30  # tails are heavy, a third of normal rows would carry it


def test_equal_lengths_are_parted_by_the_rows_and_not_by_their_order(rng):
    """Rows of indicators have few lengths; parted in the order of the table, 4 of 15 tables changed with it."""
    for _ in range(15):
        groups = rng.integers(0, 5, 60)
        columns = [np.where(rng.random(60) < 0.7, groups, rng.integers(0, 5, 60)) for _ in range(4)]
        rows = np.concatenate([np.eye(5)[each] for each in columns], axis=1)
        orders = [rng.permutation(60) for _ in range(5)]
        found = {tuple(noise_floor(Spectrum.from_data(rows[order])).unconfirmed) for order in orders}
        assert len(found) == 1


def test_one_outlier_is_no_mode_and_is_named(rng):
    """Its λ is r²/n + η, 900/200 + 1; one row carries it, and the caveat gives the way out."""
    rows = rng.standard_normal((200, 20))
    rows[7, 3] = 30
    floor = noise_floor(Spectrum.from_data(rows))
    assert floor.unconfirmed.tolist() == [1]
    assert floor.price == floor.spectrum.eigenvalues[0] == pytest.approx(900 / 200 + 1, rel=0.2)
    assert floor.tails.carriers == pytest.approx([(5.5 / 4.5) ** 2], rel=0.1)  # the noise of the others is in Σq
    assert "of 200 rows carry it" in floor.caveat
    assert (floor.modes, floor.isotropic) == (0, True)
    with pytest.raises(TooFewSamples, match=r"Nothing in these data .* Heavy tails: mode 1 has"):
        choose_beta(floor.spectrum, Loss.gaussian(), noise_floor=True)


def test_weaker_modes_are_hidden_by_an_outlier_and_counted(rng):
    rows = rng.standard_normal((400, 20)) * np.r_[3.0, 2.5, np.ones(18)]
    clean = noise_floor(Spectrum.from_data(rows))
    rows[7, 3] = 60
    floor = noise_floor(Spectrum.from_data(rows))
    assert clean.modes == 2
    assert floor.spectrum.eigenvalues[0] == pytest.approx(9, rel=0.2)  # 3600/400 about as strong as the first signal
    assert floor.modes + len(floor.unconfirmed) >= 1
    weaker = np.sum(floor.spectrum.eigenvalues > floor.normal_price) - floor.unconfirmed[0]
    assert f"hides {weaker} weaker mode" in floor.caveat


# ------------------------------------------------------------------------------------------- by another route


def test_modes_are_confirmed_as_by_two_halves(rng):
    """The same from singular vectors of two tables: the rows sorted by length, every other one."""
    rows = heavy_rows(rng, signal=6.0)
    floor = noise_floor(Spectrum.from_data(rows))
    above = int(np.sum(floor.spectrum.eigenvalues > floor.normal_price))
    z = rows - rows.mean(axis=0)
    order = np.argsort(np.linalg.norm(z, axis=1))
    halves, modes = (z[order[::2]], z[order[1::2]]), np.linalg.svd(z, full_matrices=False)[2][:above]
    overlap = np.zeros(above)
    for one, other in (halves, halves[::-1]):
        basis = np.linalg.svd(one, full_matrices=False)[2]
        variance = np.square(other @ basis.T)
        excess = variance[:, :above] - variance[:, above:].mean(axis=1, keepdims=True)
        score = excess.mean(axis=0) / (excess.std(axis=0) / np.sqrt(len(other) - 1))
        overlap += np.square(modes @ basis[:above][score > 2.5].T).sum(axis=1) / 2
    assert above > 1  # the signal, and noise
    np.testing.assert_array_equal(floor.tails.confirmed, overlap > 0.25)
    assert floor.tails.confirmed.any()
    assert not floor.tails.confirmed.all()
    squares = np.square(z @ modes.T)
    np.testing.assert_allclose(floor.tails.carriers, squares.sum(axis=0) ** 2 / np.square(squares).sum(axis=0))


def same_tails(one, other):
    """Whether two floors have the same carriers, to rounding, and the same modes."""
    np.testing.assert_allclose(one.tails.carriers, other.tails.carriers, rtol=1e-6)
    np.testing.assert_array_equal(one.unconfirmed, other.unconfirmed)


def test_order_units_and_rotations_do_not_matter(rng):
    rows = heavy_rows(rng)
    floor = noise_floor(Spectrum.from_data(rows))
    assert len(floor.unconfirmed)
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    moved = [rows[rng.permutation(300)], rows @ rotation, rows + 5, rows * 1e-100, rows * 1e100]
    for each in moved:
        same_tails(noise_floor(Spectrum.from_data(each)), floor)


def test_wide_tables_have_the_same_tails(rng):
    """Thirty columns turned into a hundred dimensions: by the Gram matrix of forty rows as by their covariance."""
    rows = heavy_rows(rng, 60, 30)
    wide = rows @ np.linalg.qr(rng.standard_normal((100, 30)))[0].T
    tall, lifted = (noise_floor(Spectrum.from_data(each)) for each in (rows, wide))
    assert lifted.spectrum.matrix is None
    assert tall.tails is not None
    same_tails(lifted, tall)


def test_units_weights_and_divisor(rng):
    rows = heavy_rows(rng) + 0.7 * rng.standard_normal((300, 1))  # a factor of all columns, also in their own units
    plain = noise_floor(Spectrum.from_data(rows))
    same_tails(noise_floor(Spectrum.from_data(rows, weights=np.full(300, 7.0))), plain)
    same_tails(noise_floor(Spectrum.from_data(rows, divisor="n-1")), plain)
    by_hand = noise_floor(Spectrum.from_data((rows - rows.mean(axis=0)) / rows.std(axis=0)))
    same_tails(noise_floor(Spectrum.from_data(rows * np.geomspace(1, 1e3, 20), standardize=True)), by_hand)


@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"divisor": "n-1"}, {"likelihood": "poisson"}])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_have_the_covariance_of_their_spectrum(rng, options, weighted):
    rows = rng.poisson(np.geomspace(1, 9, 6), (50, 6)).astype(float)
    if weighted and options.get("divisor"):
        return
    spectrum = Spectrum.from_data(rows, weights=rng.uniform(0.1, 2, 50) if weighted else None, **options)
    blocks, vectors = _rows(spectrum)
    z = np.concatenate(list(blocks())) @ vectors
    np.testing.assert_allclose(z.T @ z / 50, np.diag(spectrum.eigenvalues) / spectrum.eigenvalues[0], atol=1e-12)


# ------------------------------------------------------------------------------------------- where rows are unknown


def test_what_is_not_known_is_said_and_is_no_caveat(rng):
    rows = heavy_rows(rng, signal=6.0)
    known = Spectrum.from_data(rows)
    changed = rows.copy()
    stale = Spectrum.from_data(changed)
    changed[0] += 100
    unknown = [
        Spectrum.from_covariance(np.cov(rows.T, bias=True), samples=300), Spectrum.from_chunks(iter([rows])), stale,
        pickle.loads(pickle.dumps(known)), copy.deepcopy(known), replace(known, rows=None),
    ]  # fmt: skip
    assert noise_floor(known).tails is not None
    for spectrum in unknown:
        floor = noise_floor(spectrum)
        assert (floor.tails, floor.tails_known) == (None, False)
        assert floor.price == floor.normal_price
        assert "assumes normal tails" in floor.summary()
        assert "tails" not in (floor.caveat or "")
        assert json.loads(json.dumps(floor.to_dict()))["tails_known"] is False


def test_files_and_lists_of_chunks_are_read_again(rng, tmp_path):
    rows = heavy_rows(rng)
    path = tmp_path / "rows.csv"
    np.savetxt(path, rows, delimiter=",", fmt="%.17g")
    spectrum, chunks = Spectrum.from_file(path), Spectrum.from_chunks([rows[:100], rows[100:]])
    for each in (spectrum, chunks):
        same_tails(noise_floor(each), noise_floor(Spectrum.from_data(rows)))
    path.unlink()
    assert noise_floor(spectrum).tails is None


@pytest.mark.parametrize("change", ["unlink", "words", "columns", "rows", "folder"])
@pytest.mark.parametrize("ending", ["csv", "npy", "npz"])
def test_files_that_have_changed_are_not_read_again(rng, tmp_path, ending, change):
    """A memory map of a file that became shorter ends the process where it is read."""
    rows, path = heavy_rows(rng), tmp_path / f"rows.{ending}"

    def write(table):
        if ending == "csv":
            return np.savetxt(path, table, delimiter=",")
        return np.save(path, table) if ending == "npy" else np.savez(path, table)

    write(rows)
    spectrum = Spectrum.from_file(path)
    if change in ("unlink", "folder"):
        path.unlink()
    {
        "unlink": lambda: None, "folder": path.mkdir, "words": lambda: path.write_text("a,b\nx,y\n"),
        "columns": lambda: write(rows[:, :3]), "rows": lambda: write(rows[:9]),
    }[change]()  # fmt: skip
    assert noise_floor(spectrum).tails is None


def test_memory_maps_that_have_become_shorter_are_not_read(rng, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, heavy_rows(rng, 2000))
    table = np.load(path, mmap_mode="r")
    for each in (table, np.asarray(table)[:, :12]):
        assert noise_floor(Spectrum.from_data(each)).tails is not None
    spectrum = Spectrum.from_data(table)
    os.truncate(path, 4096)
    assert noise_floor(spectrum).tails is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_tables_that_have_changed_are_not_believed(rng, bad):
    """Not a number of them, not their order of columns, not the blocks of a list; warnings are errors here."""
    rows = heavy_rows(rng)
    rows -= rows.mean(axis=0)
    for change in ((3, 3), slice(None)):
        table = rows.copy()
        chunks = [table]
        several = [Spectrum.from_data(table), Spectrum.from_chunks(chunks)]
        table[change] = bad if change == (3, 3) else rows[:, ::-1]
        chunks += [np.array([["a"]])]
        assert [noise_floor(each).tails for each in several] == [None, None]


def test_large_tables_are_not_kept(rng, monkeypatch):
    """A table of more numbers than the limit is freed with its last other name; until then it is known."""
    rows = heavy_rows(rng)
    for kept, limit in ((False, rows.size - 1), (True, rows.size)):
        monkeypatch.setattr("landau_vae.data.source.KEPT", limit)
        for form in (np.array, csr_array, DataFrame):
            table = form(rows)
            there, spectrum = weakref.ref(table), Spectrum.from_data(table)
            assert noise_floor(spectrum).tails is not None
            del table
            gc.collect()
            assert kept or there() is None
            assert (noise_floor(spectrum).tails is not None) == kept


def test_a_wide_spectrum_keeps_its_tails_in_a_pickle(rng):
    """Its Gram matrix travels with it."""
    spectrum = Spectrum.from_data(heavy_rows(rng, 60, 100))
    same_tails(noise_floor(pickle.loads(pickle.dumps(spectrum))), noise_floor(spectrum))


def test_seven_rows_show_no_tails():
    floor = noise_floor(Spectrum.from_data(np.vstack([np.eye(6), [[100.0, 0, 0, 0, 0, 0]]])))
    assert (floor.modes, floor.tails) == (1, None)
    assert "too few" in floor.summary()


# ------------------------------------------------------------------------------------------- the record


@pytest.fixture(scope="module")
def record():
    """tests/studies/noise_tails.json."""
    rows = json.loads((STUDIES / "noise_tails.json").read_text())["models"]
    return [row for row in rows if "signal" not in row], [row for row in rows if "signal" in row]


def test_the_record_holds_its_bars(record):
    """At most 5 % of sets of noise are above the floor, or 5 % of these without a caveat; normal signals lose 2 %."""
    noise, signals = record
    assert len({(row["law"], row["n"], row["d"]) for row in noise}) >= 100
    for row in noise:
        assert row["silent"] <= 0.05, row
        if row["law"] != "t2":  # whose variance is infinite
            assert row["above"] <= 0.05 or row["silent"] <= 0.05 * row["above"], row
    normal = [row for row in noise if row["law"] == "normal"]
    assert max(row["caveat"] for row in normal) <= 0.05
    for row in signals:
        if row["law"] == "normal":
            assert row["normal_floor"] - row["found"] <= 0.02, row
            assert row["caveat"] <= 0.05, row


def test_the_docstring_has_the_numbers_of_the_record(record):
    """Each row of its table, in the digits that are printed there."""
    laws = {"t₅": "t5", "t₃": "t3", "t₂ (infinite variance)": "t2", "1 of 20 entries is 1": "1 of 20 is one"}
    laws |= {"multivariate t₅": "lengths t5", "multivariate t₃": "lengths t3"}
    text = noise_floor.__doc__
    table = re.findall(r"^    (.{24}) ([\d.]+) … ([\d.]+) %\s+([\d.]+) %\s+([\d.]+) %$", text, re.MULTILINE)
    assert len(table) == 12
    for name, *printed in table:
        law = laws.get(name.strip(), name.strip())
        least, largest, above, silent = (
            [row[key] for row in record[0] if row["law"] == law]
            for key in ("normal_floor", "normal_floor", "above", "silent")
        )
        shares = min(least), max(largest), max(above), max(silent)
        assert printed == [f"{100 * share:g}" for share in shares]
    for law in ("t5", "t3", "lengths t5", "1 of 10 rows"):
        for multiple in (8, 16):
            found = [row["found"] for row in record[1] if (row["law"], row["signal"]) == (law, multiple)]
            assert f"{100 * min(found):g} … {100 * max(found):g} %" in " ".join(text.split())


@pytest.mark.slow
def test_a_sample_of_the_record_is_measured_again(record, monkeypatch):
    """With another seed, each share within `SAMPLED` standard errors of a difference, and one set of a hundred."""
    monkeypatch.syspath_prepend(str(STUDIES))
    study = __import__("noise_tails")
    noise, signals = record
    rows = noise[3::18] + signals[1::14]
    for row in rows:
        here, draws = (row["law"], row["n"], row["d"]), 200
        anew = study.of_signal(*here, row["signal"], draws, 1) if "signal" in row else study.of_noise(*here, draws, 1)
        for name in {"normal_floor", "above", "silent", "caveat", "found"} & row.keys():
            p = (row[name] + anew[name]) / 2
            error = np.sqrt(p * (1 - p) * (1 / draws + 1 / row["draws"]))
            assert abs(anew[name] - row[name]) <= SAMPLED * error + 0.01, (row, anew)
    sys.modules.pop("noise_tails", None)
