"""Odd command lines: building blocks, a generator that combines them by a seed, and what must hold for each.

`python odd_lines.py SEED COUNT` runs so many lines in this process, one after another, and prints what is wrong with
them as lines of JSON, and the totals last. `python odd_lines.py --one thresholds FILE …` shows a single line.
"""

import contextlib
import inspect
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import tty
import typing
import warnings
from pathlib import Path

import typer
from odd_files import BAD, DATA, FILES, FINE, LOGS, ODD, PATHS, POSTERIORS, SCANS, make

from landau_vae.cli import main
from landau_vae.cli.commands import app
from landau_vae.datasets import NAMES
from landau_vae.loss import PRESETS

WAIT = 60  # seconds that a run may take without a sign of progress
WATCHED = 3  # seconds after which a run that shows progress is interrupted: it has shown that it would go on
MEGABYTES = 300  # of memory beyond that in use before, for data of two megabytes at most
ADDRESSES = 5 * 2**30  # bytes: what would take more ends in a MemoryError
LETTERS = 300  # in a message, beside the words that it quotes from the command line
CODES = {0, 1, 2, 3, 130}  # those of landau_vae.exits

# ---- building blocks ------------------------------------------------------------------------------------------------

NO_NUMBER = ["x", "", "nan", "1,5", "1..2", "0x1p3", "1/2", "50%", "½", "None", "True", "1 2", "−3", "[1]", "1e", "--1",
             "1;2", "1_", "π", "\udcff"]  # fmt: skip
REALS = {
    BAD: [*NO_NUMBER, "inf", "-inf", "1e400"],
    ODD: ["0", "-1", "-0.0", "1e-320", "1e-300", "1e308", "1e30", "１", "1_000", " 7 ", "9" * 400, "1e-9", "1000000"],
    FINE: ["0.5", "1", "1e-2", "0.25"],
}
WHOLE = {
    BAD: [*NO_NUMBER, "1.5", "1e3", "0x10", "inf", "9" * 23, "9" * 5000],
    ODD: ["0", "-1", "-99", "2147483648", "1000000000", "１", "1_000", " 7 ", "007", "5000", "+4"],
    FINE: ["1", "2", "3"],
}
TEXTS = ["", " ", "x" * 400, "no such", "a\nb", "\x1b[31mred", "数", "a,b", "None", "🦆", "\udcff", "%s{0}", "../x",
         "-1", "0", "1e400", "a=b", "=", "a=", "capacity=nan", "capacity=20", "A", "total", "target", "object at 0x",
         "'"]  # fmt: skip
# Names that an option takes; all other texts are wrong there.
NAMED = {
    "--dataset": [*NAMES], "--divisor": ["n", "n-1"], "--loss": [*PRESETS], "--reconstruction": ["sum", "mean"],
    "--kl": ["sum", "mean"], "--likelihood": ["gaussian", "bernoulli", "poisson", "laplace", "huber(0.5)"],
    "--gene-likelihood": ["zinb", "nb", "poisson"], "--optimizer": ["adam", "sgd"], "--unit": ["nats", "bits"],
    "--decoder": ["gaussian", "bernoulli", "poisson"], "--budget": ["quick"], "--rows": ["training", "held-out"],
    "--kl-as": ["unweighted", "row"], "--reconstruction-as": ["loss", "row"],
    "RESULT": ["collapse", "loss", "hierarchy", "order-parameter"], "--from": [*PRESETS], "--to": [*PRESETS],
}  # fmt: skip
COLUMNS = ["a", "b", "c", "0", "kl", "mean", "x"]
OUTPUTS = ["new.png", "new.pdf", "new.svg", "new.html", "new.npz", "new", "new.exe", "", ".", "..", "no/such/x.png",
           "x" * 300 + ".png", "/dev/null/x.png", "/dev/null", "good.csv", "good.csv/x.png", "folder.csv", "fifo.csv",
           "loop.csv", "/proc/x.html", "/proc/x.npz", "\udcff.png", "\n.png", "new.PNG", ".png", "~nobody/x.png",
           "named with blanks.csv", "/sys/new", "dangling.csv"]  # fmt: skip

# A line that is fine, for each command: F is a file of data.
FINE_LINES = {
    "thresholds": ["F"], "choose": ["F", "--keep", "1"], "onset": ["F", "--rows", "50"],
    "verify": ["F", "--exact", "--points", "3", "--seeds", "1", "--workers", "1"],
    "diagnose": ["codes.npz", "--data", "F"], "explain": ["run.csv", "--data", "F"], "convert": [], "bifurcate": ["F"],
    "derive": [], "gather": ["F", "--output", "new.npz"],
    "reproduce": ["--points", "3", "--coldest", "0.1", "--latents", "2"],
}  # fmt: skip
OTHER_FILES = {"POSTERIOR": POSTERIORS, "LOG": LOGS, "--scan": SCANS, "--down": SCANS}
VERDICTS = {"verify", "diagnose", "bifurcate", "reproduce"}  # commands that answer 1 where theory and numbers disagree
ENDLESS = {"--follow"}  # ends by Ctrl-C only
NEURAL = {"--neural"}  # takes JAX, and hours

TWISTS = {  # what hurried fingers do to a line
    "unknown option": lambda line, rng: [*line, "--no-such-option", "1"],
    "value left out": lambda line, rng: [*line, rng.choice(["--beta", "--output", "--likelihood"])],
    "one argument more": lambda line, rng: [*line, "good.csv"],
    "a dash left out": lambda line, rng: [word[1:] if word.startswith("--") else word for word in line] + ["-json"],
    "long dashes": lambda line, rng: [*line, "—json"],
    "short option": lambda line, rng: [*line, "-x"],
    "joined": lambda line, rng: [*line, "--beta=1.0=2"],
    "empty word": lambda line, rng: [*line, ""],
    "end of options": lambda line, rng: [*line[:1], "--", *line[1:]],
    "twice": lambda line, rng: [*line, *line[1:]],
    "backwards": lambda line, rng: [*line[:1], *line[:0:-1]],
    "capitals": lambda line, rng: [*line[:1], *(word.upper() for word in line[1:])],
    "command misspelt": lambda line, rng: [line[0] + rng.choice(["s", "", "-", " "]), *line[1:]],
    "help": lambda line, rng: [*line, "--help"],
    "cut": lambda line, rng: line[: rng.randrange(1, len(line) + 1)],
}


def options():
    """Command → {option or ARGUMENT: its annotation without help}, as the program registers them."""
    parsers = typer.main.get_command(app).commands
    table = {}
    for registered in app.registered_commands:
        name, parts = registered.callback.__name__, inspect.signature(registered.callback).parameters
        table[name] = {
            each.opts[0] if each.opts[0].startswith("-") else each.name.upper(): parts[each.name].annotation.__origin__
            for each in parsers[name].params
        }
    return table


# ---- generator ------------------------------------------------------------------------------------------------------


class Line:
    """The words of a command line, and the worst of its blocks."""

    def __init__(self, words, fate=FINE):
        self.words, self.fate = words, fate

    def add(self, words, fate):
        self.words += words
        self.worsen(fate)

    def worsen(self, fate):
        self.fate = max(self.fate, fate, key=[FINE, ODD, BAD].index)


def lines(seed, count):
    """Yield command lines: all commands in turn, with odd files, odd values of options, and odd orders of words."""
    rng = random.Random(f"odd lines {seed}")
    known = options()
    for _ in range(count):
        command = rng.choice(list(FINE_LINES))
        line = Line([command])
        for word in FINE_LINES[command]:
            if word == "F":
                name, fate = data_file(rng)
            elif word in ("codes.npz", "run.csv"):
                name, fate = other_file(rng, POSTERIORS if word == "codes.npz" else LOGS, 0.3)
            else:
                name, fate = word, FINE
            line.add([name], fate)
        for option in rng.sample(list(known[command]), rng.choice([0, 0, 1, 1, 1, 2, 3])):
            if option not in ENDLESS:
                line.add(*given(option, known[command][option], rng))
        if rng.random() < 0.12:
            line.words = TWISTS[rng.choice(list(TWISTS))](line.words, rng)
            line.fate = ODD
        yield line


def data_file(rng):
    if rng.random() < 0.08:
        return rng.choice(list(PATHS.items()))
    return other_file(rng, DATA, 0.35)


def other_file(rng, files, odd):
    names = [name for name, (fate, _) in files.items() if (fate != FINE) == (rng.random() < odd)]
    name = rng.choice(names or list(files))
    return name, files[name][0]


def given(option, annotation, rng):
    """An option with a value (a switch without one), and what must become of the value alone."""
    kinds = {annotation, *typing.get_args(annotation)}
    if bool in kinds:
        return [option], BAD if option in NEURAL else ODD
    if option in NAMED and not kinds & {int, float}:
        fate = rng.choice([ODD, ODD, BAD])
        value = rng.choice(NAMED[option]) if fate == ODD else rng.choice(TEXTS[:11])
    elif option in OTHER_FILES:
        value, fate = other_file(rng, OTHER_FILES[option], 0.6)
        fate = max(fate, ODD)
    elif Path in kinds or list[Path] in kinds:
        value, fate = (rng.choice(OUTPUTS), ODD) if option == "--output" else data_file(rng)
        fate = BAD if fate == BAD else ODD
    elif kinds & {int, float}:
        fate = rng.choice([FINE, FINE, ODD, ODD, BAD])
        value = rng.choice((WHOLE if int in kinds else REALS)[fate])
        fate = BAD if fate == BAD else ODD  # a good value may be one too many
    else:
        value, fate = rng.choice(TEXTS + COLUMNS * 3), ODD
    return ([value] if option.isupper() else [option, value] if rng.random() < 0.8 else [f"{option}={value}"]), fate


# ---- checker --------------------------------------------------------------------------------------------------------

INSIDES = re.compile(
    r"object at 0x|<class|(?<!, )\bNone\b|NoneType|array\(|dtype\(|np\.(float|int|str|nan)|\w+Error\b|\w+Exception\b"
    r"|Errno|\x1b|\x00|_[a-z]+_[a-z]+_"
)
SUBJECTS = ("column", "row", "command", "likelihood", "latents", "variance", "data", "page", "posterior", "file",
            "argument", "option", "figure", "values")  # fmt: skip


def complaints(line, result):
    """Yield what is wrong with the answer to a command line."""
    code, out, err, grown = result
    said = [each for each in re.sub(r"[^\n]*\r", "", err).split("\n") if each.strip()]  # without progress bars
    said = [each for each in said if not re.match(r"written: |\d+ models? in ", each)]
    if "Traceback" in err + out:
        yield "traceback: " + said[-1]
        return
    if code not in CODES:
        yield f"exit code {code}"
    if "Warning" in err:
        yield "a warning: " + next(each for each in said if "Warning" in each)
        return
    if grown > MEGABYTES:
        yield f"{grown} MB of memory"
    if code == 0 and line.fate == BAD:
        yield "accepted: " + " ".join(out.split())[:120]
    if code == 1 and line.words[0] not in VERDICTS:
        yield "exit 1 of a command that gives no verdict"
    if code in (0, 1):
        yield from wrong_answer(line, out)
        if said and not (code == 1 and said == ["landau-vae: continuation and closed forms disagree; see the table."]):
            yield f"fine, but stderr says: {said[0]}"
    if code in (2, 3):
        yield from wrong_sentence(line, said)
        if out and line.words[1:]:
            yield f"refused after an answer: {out[:80]!r}"
    if code == 130 and len(said) != 1:
        yield f"interrupted: {said}"


def wrong_answer(line, out):
    if not out.strip():
        yield "no answer"
    if "--json" in line.words and "--help" not in line.words:
        try:
            json.loads(out, parse_constant=lambda word: 1 / 0)
        except (ValueError, ZeroDivisionError):
            yield f"no JSON: {out[:80]!r}"


def wrong_sentence(line, said):
    if len(said) != 1:
        yield f"{len(said)} lines on stderr: {said[:3]}"
        return
    sentence = said[0]
    if not sentence.startswith("landau-vae: "):
        yield f"does not begin with the program's name: {sentence}"
    own = sentence.removeprefix("landau-vae: ")
    quoted = {part for word in line.words for part in [word, *word.split("=", 1)] if len(part) > 1}
    for part in sorted(quoted, key=len, reverse=True):
        own = own.replace(part, "…")
    if len(own) > LETTERS:
        yield f"{len(own)} letters: {sentence}"
    if not re.search(r"""[.?][)"']*$""", own):
        yield f"does not end like a sentence: {sentence}"
    if re.search(INSIDES, own):
        yield f"shows insides ({re.search(INSIDES, own)[0]}): {sentence}"
    if not names_something(line, sentence):
        yield f"names nothing of what was given: {sentence}"


def names_something(line, sentence):
    """Whether a message names an option, a file, or a value of the line."""
    text = sentence.lower()
    words = [re.sub(r"[\n\x1b\udcff]", "?", each) for each in line.words] + [ascii(each)[1:-1] for each in line.words]
    for word in words:
        option, _, value = word.partition("=")
        spoken = option.lstrip("-").replace("-", " ").lower()
        for part in (option.lower(), spoken, spoken.replace(" ", "_"), value.lower(), Path(word).name.lower()[:40]):
            if part.strip() and part in text:
                return True
    return any(word in text for word in SUBJECTS)


class Streams:
    """Standard output in a file, standard error on a terminal: what a run of `main` writes, whatever writes it."""

    def __enter__(self):
        self.kept = os.dup(1), os.dup(2)
        self.out = tempfile.TemporaryFile()
        master, slave = os.openpty()
        tty.setraw(slave)
        self.err, self.reader = bytearray(), threading.Thread(target=self.read, args=(master,), daemon=True)
        os.dup2(self.out.fileno(), 1)
        os.dup2(slave, 2)
        os.close(slave)
        self.reader.start()
        self.python = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        return self

    def read(self, master):
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(master, 65536):
                self.err += part
        os.close(master)

    def __exit__(self, *_):
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = self.python
        for number, kept in zip((1, 2), self.kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
        self.reader.join(0.5)  # longer only where a process that the run has started still lives
        self.out.seek(0)
        self.out, self.err = self.out.read().decode(errors="replace"), self.err.decode(errors="replace")


class TooLong(BaseException):
    """No sign of progress for too long."""


def memory(reset=False):
    """The most memory in use since the last reset, in MB (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def run(line):
    """The exit code, standard output, standard error, and the memory taken."""
    began = time.monotonic()

    def look(*_):
        if b"%|" in streams.err or b"it/s" in streams.err or b"s/it" in streams.err:
            raise KeyboardInterrupt
        if time.monotonic() - began > WAIT:
            raise TooLong

    before, code = memory(reset=True), None
    previous = signal.signal(signal.SIGALRM, look)
    with Streams() as streams:
        signal.setitimer(signal.ITIMER_REAL, WATCHED, 1)
        try:
            code = main(line.words)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)
    return code, streams.out, streams.err, memory() - before


def fingerprint():
    return {
        each.name: (each.stat(follow_symlinks=False).st_mtime_ns, each.is_dir(follow_symlinks=False))
        for each in os.scandir(".")
    }


def left_behind(before, line):
    """Yield which file of the user's was touched; remove what is new."""
    after = fingerprint()
    for name in before.keys() - after.keys() | {n for n in before if n in after and before[n] != after[n]}:
        if name not in line.words and f"--output={name}" not in line.words:
            yield f"{name} is changed"
        make(name)
        before[name] = fingerprint()[name]
    for name in after.keys() - before.keys():
        if not any(name in word for word in line.words):
            yield f"{name} is left behind"
        shutil.rmtree(name) if after[name][1] else os.unlink(name)


def show(line):
    return " ".join(word if len(word) < 50 else f"{word[:20]}…({len(word)})" for word in map(ascii, line.words))


def main_job(seed, count):
    for name in FILES:
        make(name)
    before = fingerprint()
    totals = {"runs": 0, "refused": 0, "fine": 0, "wrong": 0, "slowest": 0.0, "memory": 0}
    for line in lines(seed, count):
        began = time.process_time()
        result = run(line)
        found = [*complaints(line, result), *left_behind(before, line)]
        seconds = time.process_time() - began
        totals["runs"] += 1
        totals["refused"] += result[0] == 2
        totals["fine"] += result[0] == 0
        totals["wrong"] += bool(found)
        totals["memory"] = max(totals["memory"], result[3])
        totals["slowest"] = max(totals["slowest"], round(seconds, 1))
        if seconds > 5:
            print(json.dumps({"slow": show(line), "seconds": seconds}), flush=True)
        if found:
            print(json.dumps({"line": show(line), "code": result[0], "wrong": found}), flush=True)
    print(json.dumps(totals))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    for kind in (RuntimeWarning, UserWarning, FutureWarning):
        warnings.filterwarnings("always", category=kind)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if sys.argv[1] == "--one":
            for name in FILES:
                make(name)
            line = Line(sys.argv[2:], ODD)
            result = run(line)
            print(*result, sep="\n---\n")
            print(*complaints(line, result), sep="\n")
        else:
            main_job(sys.argv[1], int(sys.argv[2]))
        os.chdir("/")
