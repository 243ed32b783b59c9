"""Files that a command may be given: name → (what becomes of it, how it is made).

FINE files are read, BAD ones must be refused, and of ODD ones either is right, as long as it is done in one sentence.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import socket
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray

import landau_vae as lv

FINE, ODD, BAD = "fine", "odd", "bad"

ROWS = np.random.default_rng(20).standard_normal((60, 3)) * [2, 1, 0.5] + [1, 0, 3]
COUNTS = np.random.default_rng(21).poisson(3.0, (60, 3))
FRAME = pd.DataFrame(ROWS, columns=list("abc"))
TEXT = FRAME.to_csv(index=False)
LOG = "step,kl,mse\n" + "".join(f"{step},{0.4 + 0.01 * step},{1 - 0.01 * step}\n" for step in range(9))


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(shape, descr="'<f8'", body=b"1" * 80):
    """An NPY file that claims this shape, whatever it holds."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


def parquet(frame):
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def table(**columns):
    return pd.DataFrame(columns).to_csv(index=False)


def posterior(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


MEAN = ROWS[:, :1] * 0.4
CODES = {"mean": MEAN, "variance": MEAN * 0 + 0.5}

# What a command takes as its data.
DATA = {
    "good.csv": (FINE, TEXT),
    "good.npy": (FINE, npy(ROWS)),
    "good.npz": (FINE, archive(x=npy(ROWS))),
    "good.parquet": (FINE, lambda path: FRAME.to_parquet(path)),
    "good.csv.gz": (FINE, gzip.compress(TEXT.encode())),
    "good.tsv": (FINE, FRAME.to_csv(index=False, sep="\t")),
    "named with blanks.csv": (FINE, TEXT),
    "ünïcödé 数.csv": (FINE, TEXT),
    "bom.csv": (FINE, b"\xef\xbb\xbf" + TEXT.encode()),
    "crlf.csv": (FINE, TEXT.replace("\n", "\r\n")),
    "fortran.npy": (FINE, npy(np.asfortranarray(ROWS))),
    "big_endian.npy": (FINE, npy(ROWS.astype(">f8"))),
    "counts.csv": (FINE, pd.DataFrame(COUNTS).to_csv(index=False)),
    "float32.npy": (FINE, npy(ROWS.astype("f4"))),
    "whole.npy": (FINE, npy(COUNTS)),
    "semicolons.csv": (ODD, FRAME.to_csv(index=False, sep=";")),
    "wide.npy": (FINE, npy(ROWS[:20].T @ ROWS[:20, :1])),
    "decimal_commas.csv": (ODD, FRAME.to_csv(index=False, sep=";", decimal=",")),
    "old_mac.csv": (ODD, TEXT.replace("\n", "\r")),
    "utf16.csv": (ODD, TEXT.encode("utf-16")),
    "latin.csv": (ODD, TEXT.replace("a", "ä").encode("latin-1")),
    "no_header.csv": (ODD, FRAME.to_csv(header=False)),
    "blank_lines.csv": (ODD, TEXT.replace("\n", "\n\n")),
    "trailing_commas.csv": (ODD, TEXT.replace("\n", ",\n")),
    "comments.csv": (ODD, "# made by hand\n" + TEXT),
    "blanks.csv": (ODD, TEXT.replace(",", " , ")),
    "quoted.csv": (ODD, FRAME.to_csv(index=False, quoting=1)),
    "link.csv": (ODD, lambda path: os.symlink("good.csv", path)),
    "two_rows.csv": (ODD, "a,b\n1,2\n3,5\n"),
    "one_column.csv": (ODD, FRAME[["a"]].to_csv(index=False)),
    "tiny.npy": (ODD, npy(ROWS * 1e-200)),
    "huge.npy": (ODD, npy(ROWS * 1e200)),
    "vast.npy": (ODD, npy(ROWS * 1e300)),
    "subnormal.npy": (ODD, npy(ROWS * 1e-310)),
    "offset.npy": (ODD, npy(ROWS + 1e12)),
    "uneven.npy": (ODD, npy(ROWS * [1e-150, 1, 1e150])),
    "bits.npy": (ODD, npy(ROWS > 1)),
    "half.npy": (ODD, npy(ROWS.astype("f2"))),
    "equal_columns.npy": (ODD, npy(ROWS[:, [0, 0, 1]])),
    "identity.npy": (ODD, npy(np.eye(3))),
    "covariance.npy": (ODD, npy(np.cov(ROWS.T))),
    "constant_column.csv": (ODD, FRAME.assign(c=7).to_csv(index=False)),
    "part.npz": (ODD, lambda path: part(path)),
    "upper.CSV": (ODD, TEXT),
    "two_arrays.npz": (ODD, archive(x=npy(ROWS), y=npy(ROWS))),
    "names_twice.csv": (ODD, TEXT.replace("a,b,c", "a,a,c")),
    "unsigned.npy": (ODD, npy(COUNTS.astype("u8"))),
    "labelled.nc": (ODD, lambda path: xarray.DataArray(ROWS, dims=("t", "p"), name="x").to_netcdf(path)),
    "rectangular.nc": (ODD, lambda path: xarray.Dataset({"x": ("t", [1.0]), "y": ("u", [1.0])}).to_netcdf(path)),
    "xz.csv.xz": (ODD, lzma.compress(TEXT.encode())),
    "bz2.csv.bz2": (ODD, bz2.compress(TEXT.encode())),
    "scan.nc": (ODD, lambda path: lv.training.save_scan(path, scan())),
    "hugeint.csv": (BAD, f"a,b\n1{'0' * 400},1\n2,2\n3,5\n"),
    "longfield.csv": (BAD, "a" * 200_000 + ",b\n1,2\n2,4\n3\n"),
    "bomb.csv.gz": (BAD, lambda path: path.write_bytes(gzip.compress(b"a" * 300_000_000, 1))),
    "deep.npy": (BAD, header("(" * 5000)),
    "no_shape.npy": (BAD, header("(True, 2)")),
    "text.npy": (BAD, header("'x'")),
    "overflow.npy": (BAD, header("(4294967296, 4294967296)")),
    "negative.npy": (BAD, header("(-5, -2)")),
    "zero_by_huge.npy": (BAD, header("(0, 10000000000000000000000)")),
    "float_shape.npy": (BAD, header("(5.0, 2)")),
    "claims_much.npy": (BAD, header("(1000000000, 4)")),
    "no_dtype.npy": (BAD, header("(5, 2)", "'<q9'")),
    "dtype_of_code.npy": (BAD, header("(5, 2)", "__import__('os')")),
    "cut.npy": (BAD, npy(ROWS)[:-9]),
    "version9.npy": (BAD, b"\x93NUMPY\x09\x00" + npy(ROWS)[8:]),
    "none.npy": (BAD, npy(ROWS)[:0]),
    "magic.npy": (BAD, npy(ROWS)[:6]),
    "pickle.npy": (BAD, npy(np.array([{}, None], dtype=object))),
    "huge.npz": (BAD, archive(x=header("(1000000000000, 1000)"))),
    "claims_much.npz": (BAD, archive(x=header("(1000000000, 4)"))),
    "cut.npz": (BAD, archive(x=npy(ROWS))[:-40]),
    "empty.npz": (BAD, archive()),
    "nothing.npz": (BAD, b""),
    "no_arrays.npz": (BAD, archive(x=b"no array")),
    "cut.parquet": (BAD, lambda path: path.write_bytes(parquet(FRAME)[:-40])),
    "nothing.parquet": (BAD, b"PAR1PAR1"),
    "cut.csv.gz": (BAD, gzip.compress(TEXT.encode())[:-30]),
    "damaged.csv.gz": (BAD, gzip.compress(TEXT.encode()).replace(b"\x00", b"\x07")),
    "plain.csv.gz": (BAD, TEXT),
    "pickle.csv": (BAD, pickle.dumps({"a": [1, 2]})),
    "json.csv": (BAD, json.dumps({"a": [1, 2], "b": [3, 4]})),
    "page.csv": (BAD, "<!DOCTYPE html>\n<html><body><p>1,2</p></body></html>\n"),
    "pdf.csv": (BAD, b"%PDF-1.7\n1 0 obj\n"),
    "zip.csv": (BAD, archive(x=npy(ROWS))),
    "array.csv": (BAD, npy(ROWS)),
    "bytes.csv": (BAD, bytes(range(256)) * 4),
    "empty.csv": (BAD, ""),
    "blank.csv": (BAD, " \n\n \n"),
    "only_header.csv": (BAD, "a,b,c\n"),
    "one_row.csv": (ODD, "a,b\n1,2\n"),
    "nan.csv": (BAD, TEXT.replace("\n", "\nnan,1,2\n", 1)),
    "inf.npy": (BAD, npy(np.r_[ROWS, [[np.inf, 0, 0]]])),
    "nan.npy": (BAD, npy(np.r_[ROWS, [[np.nan, 0, 0]]])),
    "too_large.csv": (BAD, "a,b\n1e400,1\n2,2\n3,5\n"),
    "ragged.csv": (BAD, TEXT + "1,2\n"),
    "long_row.csv": (BAD, TEXT + "1,2,3,4\n"),
    "words.csv": (BAD, TEXT + "1,two,3\n"),
    "dates.csv": (BAD, table(a=["2020-01-01", "2020-01-02"], b=["x", "y"])),
    "open_quote.csv": (BAD, TEXT + '"1,2,3\n'),
    "nul.csv": (BAD, TEXT + "1,\x00,3\n"),
    "hex.csv": (BAD, TEXT + "0x1p3,1,2\n"),
    "percent.csv": (BAD, TEXT + "5%,1,2\n"),
    "formula.csv": (BAD, TEXT + "=1+1,1,2\n"),
    "constant.csv": (BAD, "a,b\n" + "1,2\n" * 9),
    "complex.npy": (BAD, npy(ROWS + 1j)),
    "dates.npy": (BAD, npy(np.array([["2020-01-01"]] * 5, dtype="M8[D]"))),
    "texts.npy": (BAD, npy(np.array([["a", "b"]] * 5))),
    "scalar.npy": (BAD, npy(np.float64(3))),
    "records.npy": (BAD, npy(np.zeros(5, dtype=[("a", "f8"), ("b", "i4")]))),
    "no_columns.npy": (BAD, npy(np.zeros((5, 0)))),
    "no_rows.npy": (BAD, npy(np.zeros((0, 3)))),
    "not.nc": (BAD, b"\x89HDF\r\n\x1a\n and then no more"),
    "not.h5ad": (BAD, b"\x89HDF\r\n\x1a\n" * 9),
    "not.zarr": (BAD, "text"),
    "empty.zarr": (BAD, lambda path: path.mkdir()),
    "folder.csv": (BAD, lambda path: path.mkdir()),
    "dangling.csv": (BAD, lambda path: os.symlink("nowhere", path)),
    "loop.csv": (BAD, lambda path: os.symlink("loop.csv", path)),
    "fifo.csv": (BAD, os.mkfifo),
    "socket.csv": (BAD, lambda path: bound(path)),
    "table.xlsx": (BAD, archive(x=b"xl")),
    "table.json": (BAD, "[[1, 2], [3, 4]]"),
    "table": (BAD, TEXT),
    ".csv": (ODD, TEXT),
    "script.py": (BAD, "print(1)"),
    "table.txt.": (BAD, TEXT),
}

# Paths at which nothing is made.
PATHS = {
    "none.csv": BAD,
    "no/such/folder/x.csv": BAD,
    "good.csv/x.csv": BAD,
    "x" * 300 + ".csv": BAD,
    "x/" * 3000: BAD,
    "": BAD,
    ".": BAD,
    "..": BAD,
    "/": BAD,
    "~": BAD,
    "~nobody/x.csv": BAD,
    "/dev/zero": BAD,
    "/dev/null": BAD,
    "/dev/random": BAD,
    "/proc/self/mem": BAD,
    "/proc/self/environ": BAD,
    "/etc/shadow": BAD,
    "-": BAD,
    "http://localhost/x.csv": BAD,
    "s3://x/y.parquet": BAD,
    "*.csv": BAD,
    "good.csv ": BAD,
    " good.csv": BAD,
    "\udcff.csv": BAD,
    "\n.csv": BAD,
    "\x1b[31m.csv": BAD,
    "none.xyz": BAD,
    "./good.csv": FINE,
    "folder.csv/": BAD,
}

# What `diagnose` takes as the posterior, `explain` as the log, `verify` as a scan.
POSTERIORS = {
    "codes.npz": (FINE, posterior(**CODES)),
    "codes_mu.npz": (FINE, posterior(mu=MEAN, logvar=MEAN * 0 - 0.7)),
    "codes_short.npz": (BAD, posterior(mean=MEAN[:9], variance=MEAN[:9] * 0 + 0.5)),
    "codes_unequal.npz": (BAD, posterior(mean=MEAN, variance=MEAN[:9] * 0 + 0.5)),
    "codes_alone.npz": (BAD, posterior(mean=MEAN)),
    "codes_negative.npz": (BAD, posterior(mean=MEAN, variance=MEAN * 0 - 1)),
    "codes_zero.npz": (ODD, posterior(mean=MEAN, variance=MEAN * 0)),
    "codes_nan.npz": (BAD, posterior(mean=MEAN * np.nan, variance=MEAN * 0 + 1)),
    "codes_text.npz": (BAD, posterior(mean=["a"], variance=["b"])),
    "codes_huge.npz": (ODD, posterior(mean=MEAN * 1e200, variance=MEAN * 0 + 0.5)),
    "codes_flat.npz": (ODD, posterior(mean=MEAN[:, 0], variance=MEAN[:, 0] * 0 + 0.5)),
    "codes_cube.npz": (BAD, posterior(mean=MEAN[..., None], variance=MEAN[..., None])),
    "codes_wide.npz": (ODD, posterior(mean=np.tile(MEAN, 9), variance=np.tile(MEAN * 0 + 0.5, 9))),
    "codes_both.npz": (BAD, posterior(**CODES, std=MEAN * 0 + 1)),
    "codes_none.npz": (BAD, posterior(mean=MEAN[:0], variance=MEAN[:0])),
    "codes_claim.npz": (BAD, archive(mean=header("(1000000000, 4)"), variance=header("(1000000000, 4)"))),
    "codes_pickle.npz": (BAD, archive(mean=npy(np.array([{}], dtype=object)), variance=npy(MEAN))),
}
LOGS = {
    "run.csv": (FINE, LOG),
    "run_short.csv": (FINE, "step,kl,mse\n0,0.5,1.0\n"),
    "run_nan.csv": (ODD, LOG + "9,nan,inf\n"),
    "run_all_nan.csv": (ODD, "step,kl,mse\n0,nan,nan\n"),
    "run_words.csv": (BAD, "step,kl,mse\na,b,c\n"),
    "run_no_kl.csv": (BAD, "step,x,y\n0,1,2\n"),
    "run_negative.csv": (ODD, LOG + "9,-5,-7\n"),
    "run_back.csv": (ODD, LOG + "3,0.4,0.9\n"),
    "run_cut.csv": (ODD, LOG + "9,0."),
    "run_twice.csv": (ODD, "step,kl,KL,mse\n0,0.5,0.6,1\n"),
    "run_empty.csv": (BAD, ""),
    "run_huge.csv": (ODD, LOG + "1" + "0" * 400 + ",1,1\n"),
    "run_bytes.csv": (BAD, bytes(range(256))),
    "run.json": (BAD, '{"kl": 1}'),
    "run_ragged.csv": (ODD, LOG + "1,2,3,4,5\n"),
}
SCANS = {
    "cut.nc": (BAD, b"\x89HDF\r\n\x1a\n and then no more"),
    "no_scan.nc": (BAD, lambda path: xarray.Dataset({"x": 1}).to_netcdf(path)),
    "damaged.nc": (ODD, lambda path: damaged(path)),
    "linear.nc": (ODD, lambda path: lv.training.save_scan(path, scan())),
    "text.nc": (BAD, TEXT),
}

FILES = DATA | POSTERIORS | LOGS | SCANS


def scan():
    return lv.scan(lv.Spectrum.from_eigenvalues([2.0, 1.0]), [0.5, 0.1], seeds=(0,), workers=1)


def damaged(path):
    lv.training.save_scan(path, scan())
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)


def part(path):
    lv.spectrum.Partial.from_data(ROWS, names=list("abc")).save(path)


def bound(path):
    socket.socket(socket.AF_UNIX).bind(path.name)  # a path of at most 107 letters


def make(name):
    """Make one file in the working folder, in place of what is there."""
    path, content = Path(name), FILES[name][1]
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
