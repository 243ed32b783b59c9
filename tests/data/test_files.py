"""The same table in every file format gives the same spectrum, read by blocks."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED

from landau_vae import Spectrum

NAMES = ["rain", "wind", "sun"]


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.standard_normal((40_000, 3)) * [3, 1, 0.2] + [100, 0, 5], columns=NAMES)


def save(frame, path):
    suffix = "".join(path.suffixes)
    if suffix in (".csv", ".csv.gz", ".txt", ".tsv"):
        separator = {".txt": " ", ".tsv": "\t"}.get(suffix, ",")
        frame.to_csv(path, index=False, sep=separator)
    elif suffix == ".parquet":
        frame.to_parquet(path, row_group_size=7_000)
    elif suffix == ".npy":
        np.save(path, frame.to_numpy())
    else:
        np.savez(path, frame.to_numpy())
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.tsv", "x.txt", "x.parquet", "x.npy", "x.npz"])
@pytest.mark.parametrize("standardize", [False, True])
def test_every_format(tmp_path, frame, name, standardize):
    expected = Spectrum.from_data(frame, standardize=standardize)
    spectrum = Spectrum.from_file(save(frame, tmp_path / name), standardize=standardize)
    np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=CLOSED)
    assert spectrum.names == (None if name in ("x.npy", "x.npz") else tuple(NAMES))
    assert spectrum.samples == 40_000


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npy", "x.npz"])
def test_columns_and_weights_by_name_or_index(tmp_path, frame, name):
    frame["weight"] = np.arange(len(frame)) % 3
    path = save(frame, tmp_path / name)
    label = dict(zip(frame.columns, map(str, range(4)), strict=True)) if name in ("x.npy", "x.npz") else \
        {column: column for column in frame.columns}  # fmt: skip
    expected = Spectrum.from_data(frame[["rain", "sun"]], weights=frame["weight"])
    spectra = [
        Spectrum.from_file(path, weights=label["weight"], exclude=[label["wind"]]),
        Spectrum.from_file(path, weights=label["weight"], exclude=label["wind"]),
        Spectrum.from_file(path, weights=label["weight"], columns=[label["sun"], label["rain"]]),
    ]
    for spectrum in spectra:
        np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=CLOSED)
        assert spectrum.names == (label["rain"], label["sun"])


@pytest.mark.parametrize(
    ("separator", "ending", "mark"), list(itertools.product(",;\t", ["\n", "\r\n"], ["", "\ufeff"]))
)
def test_csv_dialects(tmp_path, separator, ending, mark):
    lines = [["a", '"b c"'], ["1", "2"], ["3", "4.5e0"], ["-1", " 7"]]
    text = mark + ending.join(separator.join(line) for line in lines) + ending
    (tmp_path / "x.csv").write_bytes(text.encode())
    spectrum = Spectrum.from_file(tmp_path / "x.csv")
    assert spectrum.names == ("a", "b c")
    expected = Spectrum.from_data([[1, 2], [3, 4.5], [-1, 7]])
    np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=CLOSED)


def test_csv_without_a_header(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4.5\n-1,7\n")
    spectrum = Spectrum.from_file(tmp_path / "x.csv")
    assert (spectrum.names, spectrum.samples) == (("0", "1"), 3)


def test_the_header_that_pandas_gives_an_array_is_a_header(tmp_path, rng):
    frame = pd.DataFrame(rng.standard_normal((30, 4)))
    frame.to_csv(tmp_path / "x.csv", index=False)
    spectrum = Spectrum.from_file(tmp_path / "x.csv")
    assert (spectrum.names, spectrum.samples) == (("0", "1", "2", "3"), 30)


def test_a_first_line_of_numbers_is_a_header_if_one_says_so(tmp_path, rng):
    frame = pd.DataFrame(rng.standard_normal((30, 3)), columns=["1990", "1991", "1992"])
    frame.to_csv(tmp_path / "x.csv", index=False)
    assert Spectrum.from_file(tmp_path / "x.csv").samples == 31
    named = Spectrum.from_file(tmp_path / "x.csv", header=True)
    assert (named.names, named.samples) == (("1990", "1991", "1992"), 30)


def test_headers_as_numpy_and_quotes_write_them(tmp_path, rng):
    data = rng.standard_normal((30, 2))
    expected = Spectrum.from_data(data).eigenvalues
    np.savetxt(tmp_path / "hash.txt", data, header="a b")
    np.savetxt(tmp_path / "quotes.csv", data, header='"T, mean, K";"P"', comments="", delimiter=";")
    np.savetxt(tmp_path / "spaces.txt", data, header='"mean T" "P"', comments="")
    for name, names in (("hash.txt", ("a", "b")), ("quotes.csv", ("T, mean, K", "P")), ("spaces.txt", ("mean T", "P"))):
        spectrum = Spectrum.from_file(tmp_path / name)
        assert spectrum.names == names
        np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-11)


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"]])
def test_parquet_of_any_labels_and_nullable_types(tmp_path, rng, labels):
    frame = pd.DataFrame(rng.integers(0, 9, (40, 3)), columns=labels).astype("Int64")
    frame.to_parquet(tmp_path / "x.parquet")
    spectrum = Spectrum.from_file(tmp_path / "x.parquet")
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(frame).eigenvalues, rtol=CLOSED)


def test_an_index_saved_by_pandas_is_no_variable(tmp_path, frame):
    frame.set_index(pd.Index(np.arange(len(frame)) * 1000.0, name="when")).to_parquet(tmp_path / "x.parquet")
    assert Spectrum.from_file(tmp_path / "x.parquet").names == tuple(NAMES)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npy"])
def test_more_columns_than_rows(tmp_path, rng, name):
    wide = pd.DataFrame(rng.standard_normal((15, 40)), columns=[f"v{i}" for i in range(40)])
    spectrum = Spectrum.from_file(save(wide, tmp_path / name))
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(wide).eigenvalues, rtol=1e-11)  # worst of 14
    assert spectrum.unresolved == 26


def test_float32_on_disk(tmp_path, rng):
    data = rng.standard_normal((500, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", data)
    spectrum = Spectrum.from_file(tmp_path / "x.npy")
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(data.astype(float)).eigenvalues, rtol=CLOSED)


@pytest.mark.parametrize("name", ["c.csv", "c.npy"])
def test_a_covariance_in_a_file(tmp_path, frame, name):
    matrix = pd.DataFrame(np.cov(frame.T), columns=NAMES)
    spectrum = Spectrum.from_file(save(matrix, tmp_path / name), covariance=True)
    np.testing.assert_allclose(spectrum.eigenvalues, np.linalg.eigvalsh(matrix)[::-1], rtol=1e-11)  # 200 apart
    assert spectrum.samples is None
