"""Run every derivation and write its page beside it: `python derivations/build.py [NAME …]`.

A page is written only if all its checks hold. Pages are made in two processes.
"""

import sys
from concurrent.futures import ProcessPoolExecutor

from landau_vae.symbolic import derive, names, typeset
from landau_vae.symbolic.catalogue import scripts


def rendered(name: str) -> str:
    """The Markdown of one derivation."""
    return typeset.markdown(derive(name))


def main(wanted: list[str]) -> None:
    """Write the pages that are named, or all."""
    with ProcessPoolExecutor(2) as pool:
        chosen = wanted or names()
        for name, page in zip(chosen, pool.map(rendered, chosen), strict=True):
            path = scripts()[name].with_suffix(".md")
            path.write_text(page, encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
