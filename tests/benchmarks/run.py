"""Benchmarks: `python tests/benchmarks/run.py [--quick] [NAME ...]`, names as in `NAMES`.

Ratios are ours over the rival's, taken in one run on one machine. `--quick` runs everything at tiny sizes, to see that
it still runs; its numbers mean nothing.
"""

import argparse
from importlib import import_module

from timing import report

NAMES = ["spectrum", "sources", "closed_forms", "landau", "linear_scan", "sampled_scan", "neural_scan",
         "staircase_updates", "onset", "cascade", "diagnosis", "monitor"]  # fmt: skip


def main() -> None:
    """Print one table per benchmark."""
    parser = argparse.ArgumentParser(description="Speed benchmarks: ratios of times in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)} (all by default)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that the benchmarks still run")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}: choose from {', '.join(NAMES)}")
    for name in given.names or NAMES:
        benchmark = import_module(name)
        print(report(f"{name}: {(benchmark.__doc__ or '').splitlines()[0]}", benchmark.rows(given.quick)), end="\n\n")


if __name__ == "__main__":
    main()
