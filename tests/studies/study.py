"""Train the networks of the studies, and diagnose them.

python tests/studies/study.py train [--cache DIR] [--only PATTERN] [--workers 2]
python tests/studies/study.py diagnose [--cache DIR] [--only PATTERN] [--write]
python tests/studies/study.py summary
"""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import chain, zip_longest
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

from healthy import HEALTHY, OTHERS
from judge import judged, summary, table
from models import Setting, kept, load, path_of, save, train
from record import read, written
from repeats import REPEATS
from slips import SLIPS

HEADER = f"{'name':66} {'truth':22} {'settled':8} change at twice the updates, price, rate [nat], seconds, file\n"


def settings(pattern: str) -> Iterator[Setting]:
    """Yield the settings whose name or truth fits: healthy ones and slips in turn, healthy ones first."""
    slips = sorted(SLIPS + OTHERS, key=lambda s: s.name[-1])
    mixed = chain(HEALTHY[:10], chain.from_iterable(zip_longest(HEALTHY[10:] + REPEATS, slips)))
    wanted = (s for s in mixed if s)
    return (s for s in wanted if fnmatch.fnmatch(s.name, pattern) or fnmatch.fnmatch(s.truth, pattern))


def make(s: Setting, cache: Path) -> str:
    """Train and save a model; return its line of the index."""
    begin = time.perf_counter()
    trained = train(s)
    path, seconds = save(trained, cache), time.perf_counter() - begin
    settled = str(trained.settled) if s.healthy else "-"
    numbers = f"{trained.change:+.4f} {trained.price:.4g} {trained.rate:.3f} {seconds:.0f}"
    return f"{s.name:66} {s.truth.replace(' ', '_'):22} {settled:8} {numbers} {path.name}\n"


def train_all(cache: Path, pattern: str, workers: int) -> None:
    """Train what is missing, with a line of INDEX.txt for each model."""
    cache.mkdir(parents=True, exist_ok=True)
    index, missing = cache / "INDEX.txt", [s for s in settings(pattern) if not kept(s, cache)]
    if not index.exists():
        index.write_text(HEADER)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = {pool.submit(make, s, cache): s for s in missing}
        for done, each in enumerate(as_completed(running), 1):
            line = f"{running[each].name} FAILED: {each.exception()}\n" if each.exception() else each.result()
            with index.open("a") as file:
                file.write(line)
            print(f"{done}/{len(missing)} {line}", end="", flush=True)


def diagnose_all(cache: Path, pattern: str, write: bool) -> None:
    """Print what a diagnosis finds first in each model, all its alarms, and the summary."""
    records, wanted = [], list(settings(pattern))
    for s in wanted:
        if not kept(s, cache):
            continue
        records.append(each := judged(load(path_of(s, cache))))
        mark = "" if each["named"] or each["settled"] is False else "  <--"
        alarms = f"{', '.join(each['alarms']) or '-'} / {', '.join(each['alarms_without_decoder']) or '-'}"
        print(f"{each['name']:66} {each['truth']:22} {each['first']} | {alarms}{mark}", flush=True)
    found = summary(records)
    print(f"\n{len(records)} of {len(wanted)} models are trained.\n\n{table(found)}")
    if write:
        written("results.json", records, summary=found)


def summarise() -> None:
    """Print the summary of results.json, and write it anew, with the commit of its diagnoses."""
    before = read("results.json")
    found = summary(before["models"])
    print(table(found))
    written("results.json", before["models"], commit=before["commit"], summary=found)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "diagnose", "summary"])
    parser.add_argument("--cache", type=Path, default=Path(".studies"))
    parser.add_argument("--only", default="*", help="pattern of a name or a truth, such as 'kl-*'")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write results.json")
    options = parser.parse_args()
    if options.command == "train":
        train_all(options.cache, options.only, options.workers)
    elif options.command == "summary":
        summarise()
    else:
        diagnose_all(options.cache, options.only, options.write)


if __name__ == "__main__":
    main()
