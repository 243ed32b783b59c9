"""Mutation testing: does a test fail when one operator or number of the package is changed?

`python tests/mutants.py record` changes the modules of theory, of losses, of networks and of findings, one small
change at a time, and runs the tests that ran the changed line. Mutants are drawn with a fixed seed, from each module
in proportion to its size; a larger sample contains a smaller one. `tests/mutants.json` holds every mutant, its
outcome and the test that failed; it is written after each, so that the work goes on where it was interrupted.

    python tests/mutants.py record --mutants 600     # hours; `--again` tries the survivors once more
    python tests/mutants.py check --minutes 5        # repeats a sample of the record: part of `.ci/run`
    python tests/mutants.py table                    # the scores, with their standard errors
    python tests/mutants.py survivors

Both need `pip install cosmic-ray coverage`. A mutant is killed when a test fails, cannot be imported, needs many times
the CPU that it needs without the change, or asks for more than 4 GB. What counts as no change of a result stands in
`mutation/making.py`; single mutants that are equivalent stand in `mutation/equivalent.txt`, with the
reason.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from mutation.forked import ROOT, changed, copied, failing, preload
from mutation.making import Mutant, difference, mutants, statement
from mutation.tracing import Map, trace
from scipy.stats import binomtest

RECORD = Path(__file__).with_suffix(".json")
LIST = Path(__file__).parent / "mutation" / "equivalent.txt"
EQUIVALENT = {line for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
SEED = 20260522
SCORE = 0.92  # of mutants, killed: what the tests promise
PROCESSES = 2
LIMIT = 60.0  # seconds of CPU that a repeated mutant may need
SURELY = 0.01  # the check fails where chance gives so few kills, or fewer, with this probability at most
ROOMS = ("symbolic", "numeric", "likelihoods", "spectrum/_*", "loss", "networks", "diagnosis/findings",
         "diagnosis/condition.py", "findings.py")  # fmt: skip
EVERYWHERE = ("tests/test_bad_input.py", "tests/test_checks.py", "tests/test_junk.py")
#: package → parts of the numbers on file that are made by it
NUMBERS = {"symbolic": ["symbolic"], "numeric": ["numeric", "problems", "continuation"],
           "likelihoods": ["spectrum", "loss"], "spectrum": ["spectrum", "spectra"], "loss": ["loss"],
           "diagnosis": ["diagnosis"]}  # fmt: skip
TRACED = (
    "likelihoods", "networks", "diagnosis", "spectrum", "numeric", "loss", "symbolic", "estimator", "verification",
)  # fmt: skip


def modules() -> list[str]:
    """The modules that are changed, as paths below the root."""
    found = [path for room in ROOMS for path in (ROOT / "landau_vae").glob(room)]
    files = [each for path in found for each in (path.rglob("*.py") if path.is_dir() else [path])]
    return sorted(str(path.relative_to(ROOT)) for path in files)


def rank(mutant: Mutant, seed: int) -> str:
    """The place of a mutant in the draw: known from its name alone, so that it outlives edits of other code."""
    return hashlib.sha256(f"{seed} {mutant.name}".encode()).hexdigest()


def population(copy: Path) -> dict[str, list[Mutant]]:
    """All mutants of each module, in the order of the draw."""
    made = {module: mutants(module, (copy / module).read_text(encoding="utf-8")) for module in modules()}
    possible = {module: [each for each in found if each.name not in EQUIVALENT] for module, found in made.items()}
    return {module: sorted(found, key=lambda each: rank(each, SEED)) for module, found in possible.items()}


def drawn(everything: dict[str, list[Mutant]], count: int) -> list[Mutant]:
    """About `count` mutants: of each module its share, rounded up."""
    share = count / sum(map(len, everything.values()))
    chosen = [each for found in everything.values() for each in found[: math.ceil(share * len(found))]]
    return sorted(chosen, key=lambda each: rank(each, SEED))


class Record:
    """The outcomes on disk."""

    def __init__(self) -> None:
        stored = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"mutants": []}
        self.outcomes = {each["mutant"]: each for each in stored["mutants"]}

    def add(self, mutant: Mutant, change: str, killer: str | None) -> None:
        """Keep an outcome, on disk too."""
        self.outcomes[mutant.name] = {
            "mutant": mutant.name, "module": mutant.module, "line": mutant.line, "change": change,
            "outcome": "killed" if killer else "survived", "by": killer}  # fmt: skip
        self.save()

    def keep(self, present: Iterable[Mutant]) -> None:
        """Forget the mutants whose code is gone."""
        names = {each.name for each in present}
        self.outcomes = {name: each for name, each in self.outcomes.items() if name in names}

    def save(self) -> None:
        """Write the file beside, and rename it."""
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        rows = ",\n".join(json.dumps(self.outcomes[name], ensure_ascii=False) for name in sorted(self.outcomes))
        head = f'{{"seed": {SEED}, "commit": "{commit.stdout.strip()}", "mutants": [\n'
        beside = RECORD.with_suffix(".part")
        beside.write_text(f"{head}{rows}\n]}}\n", encoding="utf-8")
        beside.replace(RECORD)

    def killers(self, mutant: Mutant, most: int = 6) -> list[str]:
        """Tests that have killed other mutants of this function, then of this module, the frequent ones first."""
        near = [
            each for each in self.outcomes.values() if each["module"] == mutant.module and "::" in (each["by"] or "")
        ]
        counts = Counter(each["by"] for each in near)
        here = f"{mutant.module}: {mutant.function}:"
        counts.update({each["by"]: 1000 for each in near if each["mutant"].startswith(here)})
        own = self.outcomes.get(mutant.name, {"by": None})["by"]  # of a sample that is repeated
        if own and own not in ("limit", "import"):
            counts[own] = 2000
        return [name for name, _ in counts.most_common(most)]


def record(count: int, seconds: float, again: bool, only: str) -> None:
    """Draw mutants and judge those that have no outcome yet."""
    preload()
    with copied() as copy:
        trace(traced_files(), copy)
        seen, known, everything = Map(traced_files()), Record(), population(copy)
        known.keep(each for found in everything.values() for each in found)
        for mutant in drawn(everything, count):
            outcome = known.outcomes.get(mutant.name, {"outcome": "new"})["outcome"]
            if only not in mutant.module or outcome == "killed" or (outcome == "survived" and not again):
                continue
            source = (copy / mutant.module).read_text(encoding="utf-8")
            text = mutant.source(source)
            if text is None:
                continue
            start = time.monotonic()
            with changed(copy / mutant.module, text):
                killer = killed_by(mutant, statement(source, mutant.line), copy, seen, known, seconds)
            known.add(mutant, difference(source, text), killer)
            print(f"{time.monotonic() - start:5.1f} s {killer or 'SURVIVED'} {mutant.name}", flush=True)


def killed_by(mutant: Mutant, lines: list[str], copy: Path, seen: Map, known: Record, seconds: float) -> str | None:
    """The test that notices the mutant, if one does: quick ones, then numbers on file, then whole files of tests."""
    tests = list(dict.fromkeys([*known.killers(mutant), *seen.tests(mutant.module, lines, seconds)]))
    limit = 10 + 4 * sum(seen.seconds.get(name, 1.0) for name in tests)
    if tests and (killer := failing(tests, copy, limit)):
        return killer
    numbers = [f"tests/test_numbers.py::test_numbers_are_those_on_file[{part}]"
               for part in NUMBERS.get(mutant.module.split("/")[1], ())]  # fmt: skip
    for name in [*numbers, *seen.files(mutant.module, lines)]:
        killer = failing([name], copy, LIMIT)
        if killer and killer != "limit":  # a file may take longer without the change, too
            return killer
    return None


def traced_files() -> list[str]:
    """What is traced, one after the other: the examples of a package, or a file of tests."""
    tests = (path for room in TRACED for path in sorted((ROOT / "tests" / room).glob("test_*.py")))
    return [*(f"landau_vae/{room}" for room in TRACED), *(str(path.relative_to(ROOT)) for path in tests), *EVERYWHERE]


def sample(known: Record) -> list[dict]:
    """The judged mutants in an order of its own. One that ended by a limit is left out: to repeat it takes long."""
    repeated = (each for each in known.outcomes.values() if each["outcome"] != "open" and each["by"] != "limit")
    return sorted(repeated, key=lambda each: hashlib.sha256(f"again {each['mutant']}".encode()).hexdigest())


def judge(part: int, parts: int, count: int, minutes: float) -> None:
    """Repeat one part of the sample and print an outcome per line: what a process of `check` does."""
    preload()
    known, end = Record(), time.monotonic() + 60 * minutes
    chosen = sample(known)[:count][part::parts]
    with copied() as copy:
        files = {each["module"]: copy / each["module"] for each in chosen}
        sources = {module: path.read_text(encoding="utf-8") for module, path in files.items() if path.exists()}
        present = {each.name: each for module, source in sources.items() for each in mutants(module, source)}
        tests = {name: known.killers(present[name]) for each in chosen if (name := each["mutant"]) in present}
        found = [present[name] for name, killers in tests.items() if killers]
        broken = failing(sorted(set().union(*tests.values())), copy, 2 * LIMIT)
        if broken:
            sys.exit(f"A test fails without any mutant: {broken}")
        for mutant in found:
            text = mutant.source(sources[mutant.module])
            if text is None or time.monotonic() > end:
                continue
            with changed(copy / mutant.module, text):
                print(json.dumps([mutant.name, failing(tests[mutant.name], copy, LIMIT)]), flush=True)


def check(count: int, minutes: float) -> None:
    """Repeat a sample of the record in two processes, and fail where tests notice less than they did."""
    call = [sys.executable, __file__, "judge", "--mutants", str(count), "--minutes", str(minutes), "--part"]
    processes = [subprocess.Popen([*call, str(part)], stdout=subprocess.PIPE, text=True) for part in range(PROCESSES)]
    outcomes = dict(json.loads(line) for each in processes for line in each.communicate()[0].splitlines())
    if any(each.returncode for each in processes) or not outcomes:
        sys.exit("The sample could not be repeated.")
    killed = sum(killer is not None for killer in outcomes.values())
    chance = float(binomtest(killed, len(outcomes), SCORE, alternative="less").pvalue)
    recorded = Record().outcomes
    lost = [name for name, killer in outcomes.items() if killer is None and recorded[name]["by"]]
    for name in lost:
        print(f"was killed by {recorded[name]['by']}, survives now: {name}")
    print(
        f"{killed} of {len(outcomes)} mutants were killed; if {SCORE:.0%} are, so few are with probability {chance:.2g}"
    )
    if lost or chance < SURELY:
        sys.exit(1)


def table() -> None:
    """Print the score of each package, with its binomial standard error.

    Open ones have passed the quick tests, and wait for whole files; until then they count as if they survived.
    """
    rooms = defaultdict(Counter)
    for each in Record().outcomes.values():
        for room in (each["module"].split("/")[1].removesuffix(".py"), "all"):
            rooms[room][each["outcome"]] += 1
    print(f"{'package':12} killed survived   open  score")
    for room, counts in sorted(rooms.items(), key=lambda row: row[0] == "all"):
        score = counts["killed"] / counts.total()
        error = (score * (1 - score) / counts.total()) ** 0.5
        print(f"{room:12} {counts['killed']:6} {counts['survived']:8} {counts['open']:6}  {score:.3f} ± {error:.3f}")


def survivors() -> None:
    """Print the mutants that no test notices."""
    for each in Record().outcomes.values():
        if each["outcome"] == "survived":
            print(f"{each['module']}:{each['line']}  {each['change']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["record", "check", "judge", "table", "survivors"])
    parser.add_argument("--mutants", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=15.0, help="CPU that the tests of one mutant may need")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--again", action="store_true", help="try survivors once more")
    parser.add_argument("--only", default="", help="a part of the names of modules")
    parser.add_argument("--part", type=int, default=0)
    given = parser.parse_args()
    if given.command == "record":
        record(given.mutants, given.seconds, given.again, given.only)
    elif given.command == "check":
        check(given.mutants, given.minutes)
    elif given.command == "judge":
        judge(given.part, PROCESSES, given.mutants, given.minutes)
    else:
        {"table": table, "survivors": survivors}[given.command]()
