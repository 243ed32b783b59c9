"""`landau-vae derive RESULT`: print a derivation, checked as it is printed."""

import shutil
import sys
from typing import Annotated

import typer

import landau_vae as lv
from landau_vae.cli.program import AsJson, command, option, say
from landau_vae.errors import InputError


@command
def derive(
    result: Annotated[str | None, typer.Argument(help="Its name; without one: the list", show_default=False)] = None,
    order: Annotated[int | None, option("Order of the expansion, where there is one")] = None,
    markdown: Annotated[bool, option("Print Markdown with GitHub's mathematics", "--markdown")] = False,
    latex: Annotated[bool, option("Print a LaTeX document", "--latex")] = False,
    as_json: AsJson = False,
) -> int:
    """Derive a result from the loss, with every step checked."""
    from landau_vae.symbolic.page import CheckFailed

    if markdown + latex + as_json > 1:
        raise InputError("At most one of --markdown, --latex and --json can be given.")
    if result is None:
        if order is not None or markdown or latex:
            raise InputError("No derivation is named; `landau-vae derive` alone lists them.")
        titles = {name: lv.symbolic.title(name) for name in lv.symbolic.names()}
        lines = [f"{name:<{max(map(len, titles))}}  {about}" for name, about in titles.items()]
        say(titles if as_json else "\n".join(lines))
        return 0
    try:
        page = lv.symbolic.derive(result, progress=True, **({} if order is None else {"order": order}))
    except CheckFailed as problem:
        print(f"landau-vae: the derivation does not hold. {problem}", file=sys.stderr)
        return 1
    if as_json:
        say(page.to_dict())
    elif markdown or latex:
        say((lv.symbolic.typeset.markdown if markdown else lv.symbolic.typeset.latex)(page).rstrip())
    else:
        say(lv.symbolic.typeset.text(page, width=min(100, shutil.get_terminal_size().columns)))
    return 0
