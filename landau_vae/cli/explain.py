"""`landau-vae explain RUN.csv --data DATA`: what the logged KL and reconstruction mean, and what they should be."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import landau_vae as lv
from landau_vae.checks import Range
from landau_vae.cli.options import DataInputs
from landau_vae.cli.program import AsJson, command, option, say, say_written
from landau_vae.data.door import is_file
from landau_vae.display import counted, significant
from landau_vae.errors import InputError
from landau_vae.loss import Logged
from landau_vae.loss.logged import LoggedError, LoggedKL

PAUSE = 0.5  # seconds between two looks at a file
BROKEN = "! The run has diverged: from step {} on it logs NaN or infinity. What follows is of the last numbers before."
CLEAR = "\x1b[2J\x1b[H"  # what clears a terminal

of_log = partial(option, panel="Log")


@dataclass(frozen=True)
class LogOptions:
    """Which columns of the log hold what, and in which units."""

    kl_column: Annotated[str | None, of_log("Column of the KL (found)", metavar="NAME")] = None
    reconstruction_column: Annotated[str | None, of_log("Column of the reconstruction (found)", metavar="NAME")] = None
    total_column: Annotated[str | None, of_log("Column of the loss (found)", metavar="NAME")] = None
    beta_column: Annotated[str | None, of_log("Column of β (found)", metavar="NAME")] = None
    step_column: Annotated[str | None, of_log("Column of steps or epochs (found)", metavar="NAME")] = None
    validation: Annotated[bool, of_log("Prefer columns of validation", "--validation")] = False
    kl_as: Annotated[LoggedKL, of_log("KL: unweighted, weighted, row, latent, feature (first)", metavar="HOW")] = (
        "unweighted"
    )
    reconstruction_as: Annotated[LoggedError, of_log("Error: loss, row, feature (loss)", metavar="HOW")] = "loss"
    rows_summed: Annotated[int, Range(1), of_log("Rows that both are summed over (1: means)")] = 1
    constant: Annotated[float, of_log("What the reconstruction has beyond its term (0)")] = 0.0

    @property
    def logged(self) -> Logged:
        """Return what the numbers are."""
        return Logged(self.kl_as, self.reconstruction_as, self.rows_summed, self.constant)

    def read(self, path: Path) -> "lv.diagnosis.RunLog | str":
        """Return the log as it is now, or a sentence that says why it cannot be read."""
        kinds = ("kl", "reconstruction", "total", "beta", "step")
        names = {kind: name for kind in kinds if (name := getattr(self, f"{kind}_column")) is not None}
        return lv.diagnosis.run_log.log_or_problem(path, names, validation=self.validation)


@command
def explain(
    log: Annotated[Path, typer.Argument(help="CSV that the run logs to", show_default=False)],
    inputs: DataInputs,
    columns: LogOptions,
    follow: Annotated[bool, option("Explain again as the file grows, until Ctrl-C", "--follow")] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, option("Draw log and expectation (.png, .pdf, .svg)")] = None,
) -> int:
    """Explain the KL and the reconstruction that a run logs."""
    if output is not None:
        lv.report.check_picture(output)
    show = partial(_show, log, inputs, columns, as_json=as_json, output=output)
    if follow:
        assert inputs.spectrum.modes  # bad data are an error now: only a log may still become good
        return _followed(log, show)
    if (problem := show()) is not None:
        raise InputError(problem)
    return 0


def _show(log: Path, inputs: DataInputs, columns: LogOptions, *, as_json: bool, output: Path | None) -> str | None:
    """Print, and draw, what the log says now; return why it says nothing yet."""
    run = columns.read(log)
    if isinstance(run, str):
        return run
    result = _explained(run, inputs, columns.logged)
    content = {"log": log.name, "file": inputs.name, "steps": len(run), "broken": run.broken, **result.to_dict()}
    heading = f"{log.name} ({counted(len(run), 'step')}) on {inputs.heading()}"
    if run.broken is not None:
        heading += f"\n{BROKEN.format(significant(run.broken))}"
    say(content if as_json else f"{heading}\n{result.summary()}")
    if output is not None:
        say_written(lv.report.save_figure(output, _drawn(run, result)))
    return None


def _explained(run: "lv.diagnosis.RunLog", inputs: DataInputs, logged: Logged) -> "lv.diagnosis.Explanation":
    """Return the explanation; a β of the command line goes before that of the log."""
    beta = None if inputs.terms.beta is not None else run.beta
    needs_rows = not inputs.loss.likelihood.squared and inputs.has_rows
    data = {"data": inputs.loaded.values} if needs_rows else {"spectrum": inputs.spectrum}
    return lv.explain(run.kl, run.reconstruction, loss=inputs.loss, logged=logged, step=run.step, beta=beta, **data)


def _drawn(run: "lv.diagnosis.RunLog", result: "lv.diagnosis.Explanation") -> Any:
    """Return the picture of a log beside what is expected at rest, step by step."""
    beta = result.course.beta
    schedule = np.full(len(run), result.loss.beta) if beta is None else beta
    curves = lv.expected(
        result.spectrum, result.loss, schedule, steps=run.step, logged=result.logged, mean_error=result.mean_error
    )
    return lv.plotting.expected(curves, log=run)


def _followed(path: Path, show: Callable[[], str | None]) -> int:
    """Show whenever the file has changed, until the user interrupts."""
    seen: object = ()
    try:
        while True:
            state = path.stat() if is_file(path) else None
            now = state and (state.st_mtime_ns, state.st_size, state.st_ino)
            if now != seen:
                seen = now
                if sys.stdout.isatty():
                    print(CLEAR, end="")
                if (problem := show()) is not None:
                    print(f"landau-vae: {problem}", file=sys.stderr, flush=True)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return 0
