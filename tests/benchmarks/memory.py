"""The peak memory of `Spectrum.from_data` in units of its input, and of a stream of ten times the rows.

Each case runs in a process of its own, which makes the array and then reads its own peak before and after the work
(from /proc: a child's `ru_maxrss` starts at its parent's). The bare product needs two d × d matrices of its own.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from timing import Row, fold, verdict

import landau_vae as lv

BAR_INPUT = 1.3
BAR_STREAM = 1.1  # ten times the rows; a stream keeps d × d matrices and one block
STATUS = Path("/proc/self/status")
CHUNK = 2000


def rows(quick: bool) -> Iterator[Row]:
    """Arrays of several shapes, then a stream."""
    if not STATUS.exists():
        yield ("peak memory", "—", "skipped: there is no /proc to read it from", "—", "—", "—")
        return
    for n, d in [(20_000, 19)] if quick else [(1_000_000, 19), (200_000, 100), (20_000, 1000), (1000, 5000)]:
        size = 8 * n * d
        ours, bare = (size + _measured(how, n, d) for how in ("ours", "bare"))
        work = f"peak memory, {n:_} × {d:_}".replace("_", " ")
        rival = f"input {_megabytes(size)}, bare product {_megabytes(bare)}"
        yield (work, _megabytes(ours), rival, fold(ours / size), *verdict(ours / size, BAR_INPUT, fold))
    n, d = (2 * CHUNK, 100) if quick else (10 * CHUNK, 1000)
    short, long = _measured("stream", n, d), _measured("stream", 10 * n, d)
    work = f"peak memory, stream of {10 * n:_} × {d:_}".replace("_", " ")
    rival = f"a tenth of the rows {_megabytes(short)}"
    yield (work, _megabytes(long), rival, fold(long / short), *verdict(long / short, BAR_STREAM, fold))


def bounded(work: str, path: Path, bar: float) -> Row:
    """One row: the peak of a fresh process that takes the spectrum of a file, the interpreter included."""
    if not STATUS.exists():
        return (work, "—", "skipped: there is no /proc to read it from", "—", "—", "—")
    command = [sys.executable, __file__, "file", str(path)]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (work, _megabytes(peak), "—", "—", *verdict(peak, bar, _megabytes))


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def _measured(how: str, n: int, d: int) -> int:
    """Bytes by which the peak of a fresh process rises during the work."""
    command = [sys.executable, __file__, how, str(n), str(d)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _work(how: str, n: int, d: int) -> int:
    from spectrum import bare

    rng = np.random.default_rng(0)
    lv.Spectrum.from_data(rng.standard_normal((9, 3)))  # what the first call loads is not the data's fault
    data = rng.standard_normal((CHUNK if how == "stream" else n, d))
    data += 10.0
    before = _peak()
    if how == "stream":
        lv.Spectrum.from_chunks(data for _ in range(n // CHUNK))
    elif how == "ours":
        lv.Spectrum.from_data(data)
    else:
        bare(data)
    return _peak() - before


def _peak() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    if sys.argv[1] == "file":
        lv.Spectrum.from_file(sys.argv[2])
        print(_peak())
    else:
        print(_work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
