"""Headers that claim more than the file holds are refused before memory is taken for it; what is sound is read."""

import gzip
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from complaints import complaint

from landau_vae import InputError, Spectrum
from landau_vae.data import claims
from landau_vae.data.read_file import read

ROWS = np.arange(12.0).reshape(4, 3) ** 2
HEADER = "{'descr': %s, 'fortran_order': False, 'shape': %s, }"


def npy(shape, body=b"", kind="'<f8'", version=1):
    """An NPY file with a header of one's own."""
    header = (HEADER % (kind, shape)).encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + body


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------------------------------- NPY and NPZ

BYTES = b"\0" * 80
HEADERS = {
    "huge": (npy("(1000000000000, 1000)", BYTES), "which takes 8 PB, but holds 80 B"),
    "overflow": (npy("(4294967296, 4294967296)", BYTES), "which takes 148 EB"),
    "a little": (npy("(11, 1)", BYTES), "which takes 88 B, but holds 80 B"),
    "less": (npy("(2, 2)", BYTES), "which takes 32 B, but holds 80 B: it is damaged or cut short, or holds several"),
    "none by much": (npy("(0, 10000000000000000000000)"), "is not that of an array"),
    "bool": (npy("(True, 10)", BYTES), "shape (True, 10) is not that of an array"),
    "negative": (npy("(-1, 10)", BYTES), "is not that of an array"),
    "nested": (npy("((2, 5),)", BYTES), "not one that NumPy writes"),
    "text": (npy("'ab'", BYTES), "not one that NumPy writes"),
    "float": (npy("(2.0, 5)", BYTES), "not one that NumPy writes"),
    "deep": (npy("(" * 5000), "not one that NumPy writes"),
    "no dtype": (npy("(2, 5)", BYTES, kind="'<q99'"), "not one that NumPy writes"),
    "empty dtype": (npy("(2, 5)", b"", kind="'<U0'"), "is not that of an array"),
    "code": (npy("__import__('os').getcwd()", BYTES), "not one that NumPy writes"),
    "long": (npy("(10, 1)" + " " * 70_000, BYTES, version=2), "not one that NumPy writes"),
    "version 9": (npy("(10, 1)", BYTES, version=9), "we only support format version"),
    "object": (npy("(10, 1)", BYTES, kind="'|O'"), "pickled Python objects"),
    "structured": (npy("(10,)", BYTES, kind="[('a', '<f8')]"), "real numbers are expected"),
    "times": (npy("(10, 1)", BYTES, kind="'<M8[D]'"), "real numbers are expected"),
    "complex": (npy("(5, 1)", BYTES, kind="'<c16'"), "split complex numbers"),
    "single": (npy("()", b"\0" * 8), "has shape ()"),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_headers_of_arrays(folder, capsys, name, suffix):
    content, words = HEADERS[name]
    path = folder / f"x{suffix}"
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    assert words in complaint(capsys, "thresholds", path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "array", [ROWS, ROWS.astype(">f8"), np.asfortranarray(ROWS), ROWS.astype("f4"), ROWS.astype("u1"), ROWS > 4,
              ROWS.astype("f2"), ROWS.astype(">i2")[:, ::-1], ROWS.reshape(4, 3, 1)]
)  # fmt: skip
def test_arrays_as_numpy_writes_them(folder, array, version):
    """Every version of the format, order of bytes and order of axes: the numbers are the same."""
    with open("x.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)
    with zipfile.ZipFile("x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write("x.npy")
    for name in ("x.npy", "x.npz"):
        np.testing.assert_array_equal(read(name).whole()[0], array.reshape(4, 3))


def test_archives(folder, capsys):
    content = io.BytesIO()
    np.save(content, ROWS)
    with zipfile.ZipFile("twice.npz", "w") as archive:
        archive.writestr("x.npy", content.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", content.getvalue())
    assert "two arrays 'x'" in complaint(capsys, "thresholds", "twice.npz")
    with zipfile.ZipFile("none.npz", "w"):
        pass
    assert "holds no array" in complaint(capsys, "thresholds", "none.npz")
    sparse = {"data": [1.0], "indices": [0], "indptr": [0, 1], "format": "csr", "shape": [1, 1]}
    np.savez("sparse.npz", **sparse)
    assert "sparse matrix of SciPy" in complaint(capsys, "thresholds", "sparse.npz")
    np.savez("locked.npz", ROWS)
    content = bytearray(Path("locked.npz").read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + place] |= 1  # the flag of encryption
    Path("locked.npz").write_bytes(content)
    assert "encrypted" in complaint(capsys, "thresholds", "locked.npz")


# --------------------------------------------------------------------- what would unpack to much more


def gzip_of_rows(path):
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2**20))


def gzip_in_parts(path):
    """Only the size of its last part stands at the end of a gzip file."""
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2**18) + gzip.compress(b"1,2\n"))


def archive_of_zeros(path):
    np.savez_compressed(path, np.zeros((2**20, 4)))


def archive_of_blanks(path):
    """A header of 4 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy("(2, 2)" + " " * 2**22, b"\0" * 32, version=2))


def parquet_of_zeros(path):
    pq.write_table(pa.table({name: np.zeros(2**20) for name in "abcd"}), path)


def hdf(**options):
    def write(path):
        with h5py.File(path, "w") as file:
            file.create_dataset("X", dtype="f8", **options)
            file["var/_index"] = ["a", "b"]
            file["var"].attrs["_index"] = "_index"

    return write


def sparse(n, indices, ends):
    def write(path):
        with h5py.File(path, "w") as file:
            file["X/data"], file["X/indices"], file["X/indptr"] = np.ones(len(indices)), indices, ends
            file["X"].attrs.update({"encoding-type": "csr_matrix", "shape": (n, 2)})
            file["var/_index"] = ["a", "b"]
            file["var"].attrs["_index"] = "_index"

    return write


def zarr_store(shape, chunks, change=None):
    def write(path):
        zarr = pytest.importorskip("zarr")
        array = zarr.open_group(path, mode="w", zarr_format=2).create_array(
            "x", shape=shape, chunks=chunks, dtype="f8", compressors=None
        )
        array.attrs["_ARRAY_DIMENSIONS"] = ["i", "j"]
        if change is not None:
            array[:] = 1
            change(path / "x")

    return write


def pickled(folder):
    """A chunk that would be unpickled, by a filter that its metadata name."""
    metadata = json.loads((folder / ".zarray").read_text())
    (folder / ".zarray").write_text(json.dumps(metadata | {"filters": [{"id": "pickle", "protocol": 5}]}))
    (folder / "0.0").write_bytes(pickle.dumps(Bomb()))


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def piped(folder):
    (folder / "0.0").unlink()
    os.mkfifo(folder / "0.0")


MUCH = "too little for a table of numbers"
MEGABYTES = {"shape": (2**30, 2), "chunks": (1000, 2)}
WIDE = {"shape": (4, 2), "maxshape": (None, None), "chunks": (2**10, 2**10)}
BOMBS = {
    "rows.csv.gz": (gzip_of_rows, "would unpack to 4.19 MB, but takes"),
    "parts.csv.gz": (gzip_in_parts, MUCH),
    "zeros.npz": (archive_of_zeros, MUCH),
    "blanks.npz": (archive_of_blanks, MUCH),
    "zeros.parquet": (parquet_of_zeros, MUCH),
    "empty.nc": (hdf(**MEGABYTES), "would unpack to 17.2 GB"),
    "empty.h5ad": (hdf(**MEGABYTES), MUCH),
    "chunk.nc": (hdf(**WIDE), MUCH),
    "elsewhere.nc": (hdf(shape=(4, 2), external=[("/dev/full", 0, 64)]), "in another file"),
    "many.h5ad": (sparse(2**40, [0, 1], [0, 1, 2]), MUCH),
    "outside.h5ad": (sparse(2, [0, 7], [0, 1, 2]), "indices must be < 2"),
    "backward.h5ad": (sparse(2, [0, 1], [0, 2, 1]), "indptr"),
    "beyond.h5ad": (sparse(2, [0, 1], [0, 1, 9]), "indptr"),
    "empty.zarr": (zarr_store((2**30, 2), (1000, 2)), MUCH),
    "chunk.zarr": (zarr_store((4, 2), (2**9, 2**9), lambda folder: None), "in chunks of 2.1 MB"),
    "pickle.zarr": (zarr_store((4, 2), (4, 2), pickled), "never loaded because loading runs code"),
    "pipe.zarr": (zarr_store((4, 2), (4, 2), piped), "holds 0.0, which is not a file"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_claims_too_much_is_refused(folder, capsys, monkeypatch, name):
    """The bound is a thousandth of what it is in use, so that these files are made quickly."""
    monkeypatch.setattr(claims, "SMALL", 2**18)
    monkeypatch.setattr(claims, "RATIO", 100)
    monkeypatch.setattr(claims, "STREAMED", 100)
    write, words = BOMBS[name]
    write(folder / name)
    assert words in complaint(capsys, "thresholds", name)
    assert not Path("exploded").exists()


def parquet_of_classes(path):
    """Rows in the order of their classes: runs of equal numbers, of which Parquet stores the lengths."""
    classes = np.arange(2**16) // 2**8
    pq.write_table(pa.table({f"{k}": np.float64(classes == k) for k in range(16)}), path)


def zarr_of_blocks(path):
    """Zarr stores no chunk in which all is zero."""
    zarr = pytest.importorskip("zarr")
    array = zarr.open_group(path, mode="w").create_array(
        "x", shape=(2**16, 16), chunks=(2**10, 16), dtype="f8", fill_value=0, dimension_names=("i", "j")
    )
    array[:100] = np.arange(1600.0).reshape(100, 16)


@pytest.mark.parametrize("write", [parquet_of_classes, zarr_of_blocks])
def test_sparse_tables_that_are_read_by_blocks(folder, monkeypatch, write):
    """Each takes 8 MB as plain numbers and a hundredth to a thousandth of it on the disk; it is read as it is."""
    monkeypatch.setattr(claims, "SMALL", 2**18)
    monkeypatch.setattr(claims, "RATIO", 20)
    path = folder / ("x.zarr" if write is zarr_of_blocks else "x.parquet")
    write(path)
    rows = read(path).whole()[0]
    assert rows.shape == (2**16, 16)
    assert rows.sum() == (1600 * 1599 / 2 if write is zarr_of_blocks else 16 * 2**8)


def test_a_zarr_array_without_names_of_dimensions(folder, capsys):
    zarr = pytest.importorskip("zarr")
    zarr.save("x.zarr", ROWS)
    assert "is one array whose dimensions have no names" in complaint(capsys, "thresholds", "x.zarr")


def test_more_features_than_names_can_be_kept_of(folder, capsys):
    hdf(shape=(1, 2**25), chunks=(1, 2**10))(folder / "x.nc")
    assert "33554432 features of each sample, but at most 16777216" in complaint(capsys, "thresholds", "x.nc")


def test_what_does_not_fit_into_memory_is_refused(folder, monkeypatch):
    np.savez("x.npz", np.zeros((1000, 4)))
    pq.write_table(pa.table({"a": np.arange(10_000.0)}), "x.parquet")
    available = type("Memory", (), {"available": 20_000})
    monkeypatch.setattr("psutil.virtual_memory", lambda: available)
    for name in ("x.npz", "x.parquet"):
        with pytest.raises(InputError, match=r"when it is read, but 20 kB of memory are free"):
            Spectrum.from_file(name)


def test_two_columns_of_one_name(folder, capsys):
    column = pa.array([1.0, 2.0, 4.0])
    pq.write_table(pa.table([column, column], names=["a", "a"]), "x.parquet")
    assert "names two columns 'a'" in complaint(capsys, "thresholds", "x.parquet")


# ---------------------------------------------------------------------------------------------- memory

PEAK = """
import re, sys
from landau_vae.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
sys.exit(code)
"""


def one_line(path):
    path.write_bytes(gzip.compress(b"a" * 300_000_000, 1))


def open_quote(path):
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10**5 + b'1,"' + b"\n" * 300_000_000, 1) + gzip.compress(b""))


def zeros(path):
    np.savez_compressed(path, np.zeros(2**26))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read the peak memory from")
@pytest.mark.parametrize(
    ("name", "write"),
    [("line.csv.gz", one_line), ("quote.csv.gz", open_quote), ("zeros.npz", zeros), ("empty.nc", hdf(**MEGABYTES)),
     ("chunk.nc", hdf(shape=(4, 2), maxshape=(None, None), chunks=(2**13, 2**13)))],
)  # fmt: skip
def test_bad_files_take_no_memory(folder, name, write):
    """300 MB is the bar; libraries alone take up to 150 of them, and each of these files would take 300 to 700 more."""
    write(folder / name)
    run = subprocess.run([sys.executable, "-c", PEAK, "thresholds", name], capture_output=True, text=True)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("\n") == 1
    assert int(re.findall(r"\d+", run.stdout)[-1]) < 300_000
