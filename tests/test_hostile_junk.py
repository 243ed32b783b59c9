"""Hostile junk, one argument or two at once: any public call is answered by a value or by an error of this package.

`test_junk.py` tries each plain kind of junk for each argument. Here are kinds that lie about what they are, and random
pairs of any kinds. A seed draws them: `python tests/test_hostile_junk.py SEED CALLS NAME` tries others, so many for
each name that contains NAME.
"""

import datetime
import decimal
import fractions
import inspect
import math
import random
import signal
import sys
import unittest.mock
import warnings

import dask.array
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from test_junk import Own, callable_of, called, junk, stop, table, wanted, world

import landau_vae as lv

CALLS = 12  # for each name in the fast test: about 2700 in all
SECONDS = 10


class Lying:
    """An array that is none: each of its protocols fails in its own way."""

    shape, ndim, dtype = (40, 3), 2, np.dtype(float)

    def __init__(self, problem):
        self.problem = problem

    def fail(self, *_, **__):
        raise self.problem

    __array__ = __len__ = __getitem__ = __iter__ = __float__ = __int__ = __index__ = __bool__ = fail


class Returning:
    """An object whose `__array__` returns what is given."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class Endless:
    """A list that is longer than any memory, and holds nothing."""

    def __len__(self):
        return 10**12

    def __getitem__(self, place):
        raise IndexError(place)


class Number(float):
    """A float that fails where it is used."""

    def __add__(self, other):
        raise TypeError("no addition")

    __radd__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __sub__ = __rsub__ = __pow__ = __add__


class Text(str):
    """A text that fails where it is shown."""

    def __repr__(self):
        raise RuntimeError("no text")


def nested(depth):
    inner = 1.0
    for _ in range(depth):
        inner = [inner]
    return inner


def itself():
    inner = [1.0]
    inner.append(inner)
    return inner


def read_only(array):
    array.setflags(write=False)
    return array


def matrix():
    with warnings.catch_warnings(action="ignore"):
        return np.asmatrix(world().rows)


def labelled_twice():
    return pd.DataFrame(world().rows, columns=["a", "a", "b"])


def hostile():
    """Name → a function that makes it anew."""
    w = world()
    rows = w.rows
    return {
        "1e308": lambda: 1e308,
        "-1e308": lambda: -1e308,
        "1e-308": lambda: 1e-308,
        "5e-324": lambda: 5e-324,
        "-0.0": lambda: -0.0,
        "-inf": lambda: -math.inf,
        "2**31": lambda: 2**31,
        "2**63": lambda: 2**63,
        "10**30": lambda: 10**30,
        "-10**400": lambda: -(10**400),
        "False": lambda: False,
        "numpy true": lambda: np.True_,
        "1e12": lambda: 1e12,
        "numpy nan": lambda: np.float32("nan"),
        "longdouble": lambda: np.longdouble("1e4000"),
        "uint8": lambda: np.uint8(255),
        "decimal": lambda: decimal.Decimal("0.5"),
        "fraction": lambda: fractions.Fraction(1, 3),
        "nan+nanj": lambda: complex(math.nan, math.nan),
        "timedelta": lambda: datetime.timedelta(1),
        "date": datetime.date.today,
        "not a time": lambda: np.datetime64("NaT"),
        "missing": lambda: pd.NA,
        "ellipsis": lambda: ...,
        "a slice": lambda: slice(3),
        "long text": lambda: "x" * 10_000,
        "nul": lambda: "a\0b",
        "surrogate": lambda: "\udcff",
        "newline": lambda: "a\nb",
        "bytearray": lambda: bytearray(b"12"),
        "memoryview": lambda: memoryview(b"12"),
        "text that fails": lambda: Text("x"),
        "float that fails": lambda: Number(0.5),
        "()": tuple,
        "[None]": lambda: [None],
        "[nan]": lambda: [math.nan],
        "[[]]": lambda: [[]],
        "['1']": lambda: ["1", "2"],
        "mixed": lambda: [1, "a", None],
        "nested": lambda: nested(50),
        "itself": itself,
        "deep": lambda: nested(5000),
        "frozenset": lambda: frozenset([1.0]),
        "{1: 2}": lambda: {1: 2},
        "range": lambda: range(3),
        "count": lambda: iter(()),
        "zip": lambda: zip([1], [2], strict=True),
        "chunks of None": lambda: [None, None],
        "0-d": lambda: np.array(1.0),
        "0-d object": lambda: np.array(None),
        "1-d": lambda: np.ones(3),
        "empty 1-d": lambda: np.ones(0),
        "no rows": lambda: np.ones((0, 3)),
        "no columns": lambda: np.ones((3, 0)),
        "one row": lambda: rows[:1],
        "5-d": lambda: np.ones((1,) * 5),
        "negative strides": lambda: rows[::-1, ::-1],
        "read-only": lambda: read_only(rows.copy()),
        "zero strides": lambda: np.broadcast_to(1.0, (40, 3)),
        "nan rows": lambda: np.where(rows > 0, rows, np.nan),
        "inf rows": lambda: np.where(rows > 0, rows, np.inf),
        "huge rows": lambda: rows * 1e307,
        "tiny rows": lambda: rows * 1e-320,
        "constant": lambda: np.ones((40, 3)),
        "zeros": lambda: np.zeros((40, 3)),
        "booleans": lambda: rows > 0,
        "int8": lambda: np.full((40, 3), 127, dtype="i1"),
        "float16": lambda: rows.astype("f2"),
        "big endian": lambda: rows.astype(">f8"),
        "records": lambda: np.zeros(3, dtype=[("a", "f8"), ("b", "U3")]),
        "void": lambda: np.zeros(3, dtype="V8"),
        "strings": lambda: rows.astype(str),
        "masked": lambda: np.ma.masked_greater(rows, 1),
        "all masked": lambda: np.ma.masked_all((40, 3)),
        "matrix": matrix,
        "object rows": lambda: rows.astype(object),
        "object of arrays": lambda: np.array([np.ones(2), np.ones(3)], dtype=object),
        "timedeltas": lambda: np.ones((4, 3), dtype="m8[s]"),
        "frame": lambda: pd.DataFrame(rows),
        "labelled twice": labelled_twice,
        "frame of texts": lambda: pd.DataFrame({"a": ["x"] * 4}),
        "empty frame": pd.DataFrame,
        "series": lambda: pd.Series([1.0, None]),
        "categories": lambda: pd.Series(list("aab"), dtype="category"),
        "nullable": lambda: pd.DataFrame({"a": pd.array([1, None, 3])}),
        "sparse": lambda: scipy.sparse.csr_array(np.eye(3)),
        "dask": lambda: dask.array.from_array(rows, chunks=7),
        "dask of unknown length": lambda: dask.array.from_array(rows, chunks=7)[
            dask.array.from_array(rows[:, 0], chunks=7) > 0
        ],
        "lies": lambda: Lying(RuntimeError("no array")),
        "lies by type": lambda: Lying(TypeError("no array")),
        "lies by value": lambda: Lying(ValueError("no array")),
        "array of texts": lambda: Returning(np.array(["a", "b"])),
        "array of None": lambda: Returning(None),
        "endless": Endless,
        "mock": unittest.mock.MagicMock,
        "module": lambda: math,
        "package": lambda: lv,
        "spectrum": lambda: w.spectrum,
        "loss": lambda: w.loss,
        "part": lambda: w.part,
        "trainer": lambda: w.quick,
        "class of a spectrum": lambda: lv.Spectrum,
        "scan": lambda: w.scan,
        "scan without decoders": lambda: w.scan.drop_vars("decoder", errors="ignore"),
        "scan without anything": lambda: w.scan[["temperature"]],
        "figure": lambda: plt.figure(figsize=(1, 1)),
        "error": lambda: ValueError("x"),
        "not implemented": lambda: NotImplemented,
        "random generator": lambda: np.random.default_rng(0),
        "open file": lambda: sys.stdin,
        "fails when called": lambda: failing,
        "returns None": lambda: lambda *_, **__: None,
        "returns text": lambda: lambda *_, **__: "text",
        "returns nan": lambda: lambda *values, **__: math.nan,
        "takes nothing": lambda: lambda: 1.0,
        "built-in": lambda: print,
        "returns a coroutine": lambda: awaited,
        "name of a device": lambda: "/dev/zero",
        "name of nothing": lambda: "/no/such/folder/x.csv",
        "home of nobody": lambda: "~nobody/x.csv",
        "name too long": lambda: "x" * 300 + ".npz",
        "below a device": lambda: "/dev/null/x.png",
    }


def failing(*_, **__):
    raise Own


async def waiting():
    return None


def awaited(*_, **__):
    """Return a coroutine, closed: one that nobody awaits warns, whenever it is collected, in a test of any file."""
    never = waiting()
    never.close()
    return never


def answer(function, arguments):
    """None where a call is answered as it should be, else what it did instead."""
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        called(function, arguments)
    except (lv.InputError, lv.OutsideTheory) as error:
        text = str(error)
        return None if text.strip() and "object at 0x" not in text else f"message: {text[:80]!r}"
    except Own:
        return None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        plt.close("all")
    return None


def taken_apart(name):
    """The function, its valid arguments, and the names of those that junk may stand for."""
    valid = table()[name]
    valid = valid() if callable(valid) else valid
    base = {key: value for key, value in valid.items() if key != "self"}
    function = callable_of(name, valid)
    parameters = inspect.signature(function).parameters.values()
    return function, base, [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]


def tried(name, function, base, bad):
    """{what was called: what went wrong}, of one call; `bad` is {argument: (kind, maker)}."""
    arguments = base | {argument: make() for argument, (_, make) in bad.items()}
    problem = answer(function, arguments)
    shown = ", ".join(f"{argument}: {kind}" for argument, (kind, _) in bad.items())
    return {f"{name}({shown})": problem} if problem else {}


def drawn(name, seed, calls=CALLS):
    """What goes wrong in calls with one or two arguments of any kind of junk."""
    rng = random.Random(f"{seed} {name}")
    function, base, arguments = taken_apart(name)
    strange = hostile()
    plain = junk(world().folder)
    found = {}
    for _ in range(calls):
        several = rng.sample(arguments, min(len(arguments), rng.choice([1, 1, 2, 2, 3])))
        kinds = [rng.choice(list((strange if rng.random() < 0.7 else plain).items())) for _ in several]
        found |= tried(name, function, base, dict(zip(several, kinds, strict=True)))
    return found


NAMES = sorted(set(wanted()) & set(table()))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a name such as "text" may become a file


@pytest.mark.parametrize("name", NAMES)
def test_drawn_junk(name):
    assert not drawn(name, seed=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_more_drawn_junk(name):
    assert not drawn(name, seed=2026, calls=60)


if __name__ == "__main__":
    import os
    import tempfile
    import time

    warnings.simplefilter("error")
    os.chdir(tempfile.mkdtemp())
    seed, calls, part = [*sys.argv[1:], ""][:3]
    for name in NAMES:
        if part in name:
            began = time.process_time()
            found = drawn(name, seed, int(calls))
            for call, problem in found.items():
                print(f"{call}: {problem}", flush=True)
            if (seconds := time.process_time() - began) > 3:
                print(f"{seconds:.1f} s for {name}", file=sys.stderr, flush=True)
