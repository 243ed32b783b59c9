"""Odd surroundings of a command: streams that are closed or full, folders that are gone, limits, odd variables.

`python odd_surroundings.py SEED COUNT` runs commands in COUNT surroundings that a seed draws, each in a process of its
own.
"""

import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from odd_files import BAD, FINE, make
from odd_lines import VERDICTS, Line, complaints, show, wrong_sentence

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "landau_vae"]
SECONDS = 100  # until a process is ended; each takes about one, more on a machine that is busy

# How the shell starts the program ("$@"). Output may not arrive then: a sentence and exit 2 or 3 are right, too.
HARSH = {
    "stdout is closed": '"$@" >&-',
    "stderr is closed": '"$@" 2>&-',
    "all streams are closed": '"$@" <&- >&- 2>&-',
    "stdout is full": '"$@" >/dev/full',
    "stderr is full": '"$@" 2>/dev/full',
    "both are full": '"$@" >/dev/full 2>&1',
    "stdout cannot be written": '"$@" 1</dev/null',
    "nobody reads": '"$@" | true',
    "one line is read": '"$@" | head -1 >/dev/null',
    "the folder is gone": 'mkdir gone && cd gone && rmdir ../gone && "$@"',
    "no file may grow": 'ulimit -f 0; "$@"',
    "few files may be open": 'ulimit -n 12; "$@"',
    "no processes": 'ulimit -u 1; "$@"',
    "folder without writing": 'cd /proc && "$@"',
    "little memory": 'ulimit -v 900000; "$@"',
    "small stack": 'ulimit -s 256; "$@"',
    "no core": 'ulimit -c 0; "$@"',
}
# What must change nothing at all.
MILD = {
    "stdin is closed": '"$@" <&-',
    "stdin is full": '"$@" </dev/full',
    "nohup": 'nohup "$@"',
    "own session": 'setsid -w "$@"',
    "pipes are ignored": "trap '' PIPE; \"$@\"",
    "interrupts are ignored": "trap '' INT; \"$@\"",
    "umask": 'umask 777; "$@"',
    "low priority": 'nice -n 19 "$@"',
    "appended": '"$@" >>out.txt; code=$?; cat out.txt; exit $code',
}
# Variables of the environment; None: not set. They must change nothing either, but how letters look.
VARIABLES = {
    "HOME": [None, "", "/nonexistent", "/dev/null"],
    "USER": [None],
    "PATH": [None, ""],
    "TMPDIR": ["/nonexistent", "/dev/null", ""],
    "LANG": [None, "C", "POSIX", "xx_YY.bogus", "de_DE.UTF-8", "ja_JP.SJIS"],
    "LC_ALL": ["C", "POSIX", "xx_YY.bogus", "tr_TR.UTF-8"],
    "LC_NUMERIC": ["de_DE.UTF-8"],
    "LANGUAGE": ["tlh"],
    "PYTHONIOENCODING": ["ascii", "latin-1", "utf-16", "ascii:strict"],
    "PYTHONUTF8": ["0", "1"],
    "COLUMNS": ["0", "1", "-5", "x", "100000", ""],
    "LINES": ["0", "x"],
    "TERM": [None, "dumb", "bogus", ""],
    "NO_COLOR": ["1"],
    "FORCE_COLOR": ["1"],
    "TTY_COMPATIBLE": ["1"],
    "MPLBACKEND": ["nonsense", "TkAgg", ""],
    "MPLCONFIGDIR": ["/dev/null", "/nonexistent"],
    "DISPLAY": ["nowhere:9", ""],
    "XDG_CONFIG_HOME": ["/dev/null"],
    "XDG_CACHE_HOME": ["/dev/null"],
    "PYTHONOPTIMIZE": ["2"],
    "PYTHONDONTWRITEBYTECODE": ["1"],
    "PYTHONHASHSEED": ["0"],
    "PYTHONUNBUFFERED": ["1"],
    "PYTHONFAULTHANDLER": ["1"],
    "PYTHONDEVMODE": ["0"],
    "PYTHONWARNINGS": ["ignore"],
    "OMP_NUM_THREADS": ["x", "0", "99"],
    "OPENBLAS_NUM_THREADS": ["0", "x", None],
    "MKL_NUM_THREADS": ["x"],
    "JOBLIB_TEMP_FOLDER": ["/nonexistent"],
    "LOKY_MAX_CPU_COUNT": ["1"],
    "TZ": ["bogus", ""],
    "PAGER": ["false"],
    "EDITOR": ["false"],
    "JAX_PLATFORMS": ["bogus"],
    "JAX_ENABLE_X64": ["0"],
    "CUDA_VISIBLE_DEVICES": ["x"],
    "NPY_DISABLE_CPU_FEATURES": [""],
    "HDF5_USE_FILE_LOCKING": ["FALSE"],
    "_TYPER_STANDARD_TRACEBACK": ["1"],
    "_LANDAU_VAE_COMPLETE": ["x"],
    "LANDAU_VAE_WORLDCLIM": ["/nonexistent"],
    "BETA": ["2"],
    "TQDM_DISABLE": ["x"],
}
LINES = [  # F: a file of data, O: a place for output
    ["thresholds", "F"],
    ["thresholds", "F", "--json"],
    ["thresholds", "F", "--output", "O.png"],
    ["choose", "F", "--keep", "1"],
    ["verify", "F", "--exact", "--points", "3", "--seeds", "1", "--workers", "1", "--output", "O"],
    ["bifurcate", "F"],
    ["gather", "F", "--output", "O.npz"],
    ["convert"],
    ["derive", "collapse"],
    ["derive", "loss", "--latex"],
    ["--version"],
    ["--help"],
    ["thresholds", "--help"],
    ["onset", "F", "--rows", "50"],
    ["explain", "LOG", "--data", "F"],
    ["diagnose", "POSTERIOR", "--data", "F", "--output", "O.html"],
    ["reproduce", "--points", "3", "--coldest", "0.1", "--latents", "2"],
    ["verify", "F", "--updates", "20", "--points", "3", "--seeds", "2", "--workers", "2"],
]
WRONG = [
    ["thresholds", "none.csv"],
    ["thresholds", "F", "--beta", "x"],
    ["derive", "nonsense"],
    ["gather", "F"],
    ["nonsense"],
]


def surroundings(rng, count, first=0, step=1):
    """Yield (name, shell text, variables, whether output may fail): every `step`-th of so many."""
    every = [(name, text, {}, True) for name, text in HARSH.items()]
    every += [(name, text, {}, False) for name, text in MILD.items()]
    every += [
        (f"{name}={value}", '"$@"', {name: value}, False) for name, values in VARIABLES.items() for value in values
    ]
    rng.shuffle(every)
    yield from itertools.islice(itertools.cycle(every), first, count, step)


def line_of(rng, folder):
    """A command line with absolute paths, and whether it is fine."""
    words, fate = (rng.choice(WRONG), BAD) if rng.random() < 0.25 else (rng.choice(LINES), FINE)
    files = {"F": "good.csv", "LOG": "run.csv", "POSTERIOR": "codes.npz", "none.csv": "none.csv"}
    files |= {f"O{suffix}": f"new{time.monotonic_ns()}{suffix}" for suffix in ("", ".png", ".npz", ".html")}
    return Line([str(folder / files[word]) if word in files else word for word in words], fate)


def run(line, text, variables):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    environment = {name: value for name, value in environment.items() if value is not None}
    words = ["/bin/bash", "-o", "pipefail", "-c", text, "bash", *PROGRAM, *line.words]
    try:
        process = subprocess.run(words, env=environment, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None, "", "Traceback: does not end"
    return process.returncode, in_letters(process.stdout), in_letters(process.stderr)


def in_letters(output):
    """Text, from UTF-16 too, which a variable asks for: its letters without what stands between them."""
    return output.decode(errors="replace").replace("\0", "").lstrip("\ufffd")


def wrong(line, text, variables, harsh):
    """Yield what is wrong with a run."""
    code, out, err = run(line, text, variables)
    if "Traceback" in err or "Fatal Python error" in err or "Exception ignored" in err:
        yield "traceback: " + err.strip().splitlines()[-1]
    elif harsh:
        said = [each for each in err.split("\n") if each.strip() and not re.match(r"written: |\d+ models? in ", each)]
        if code not in (0, 1, 2, 3):
            yield f"exit code {code}: {err[-100:]}"
        elif code >= 2 and said:
            yield from wrong_sentence(Line([*line.words, "output", "memory", "folder", "process"]), said)
    else:
        err = re.sub(r"(nohup|/bin/bash): .*\n", "", err)
        yield from complaints(line, (code, out, err, 0))
        if code != {FINE: 0, BAD: 2}[line.fate] and line.words[0] not in VERDICTS:
            yield f"exit code {code}: {err[-200:]}"


def main_job(seed, count, first=0, step=1):
    rng = random.Random(f"odd surroundings {seed}")
    folder = Path.cwd()
    for name in ("good.csv", "run.csv", "codes.npz"):
        make(name)
    totals = {"runs": 0, "wrong": 0}
    for name, text, variables, harsh in surroundings(rng, count, first, step):
        line = line_of(rng, folder)
        found = [*wrong(line, text, variables, harsh)]
        totals["runs"] += 1
        totals["wrong"] += bool(found)
        if found:
            print(
                json.dumps({"surroundings": name, "line": show(line).replace(f"{folder}/", ""), "wrong": found}),
                flush=True,
            )
    print(json.dumps(totals))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main_job(sys.argv[1], *map(int, sys.argv[2:]))
        os.chdir("/")
