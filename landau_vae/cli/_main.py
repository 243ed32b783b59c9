"""Entry point of the program: signals, errors, exit codes. Commands are loaded once signals are handled."""

import gc
import os
import sys
import traceback

from landau_vae.cli import signals, streams
from landau_vae.exits import BAD_INPUT, FAULT, INTERRUPTED, REPORT, STOPPED, leave

OPTIONS = {"start": "--from", "stop": "--to"}  # arguments that are called otherwise on the command line


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code: see `landau_vae.exits`.

    Parameters
    ----------
    arguments : list of str, optional
        The name of the command, and what follows it. By default those of this process, which
        then has no other purpose: a signal before or after the work ends it at once.

    Returns
    -------
    int
        The exit code.
    """
    whole_process = arguments is None
    if whole_process:
        streams.open_all()
        signals.handle(leave)
        os.environ["MPLBACKEND"] = "agg"  # pictures go to files; a name that Matplotlib does not know would end it
    from landau_vae.cli.commands import run

    words = sys.argv[1:] if arguments is None else arguments
    with signals.requests() as request:
        try:
            code = run(words)
        except BaseException as problem:
            if request.number or isinstance(problem, KeyboardInterrupt):
                code = INTERRUPTED
            elif (code := _explained(problem, words)) == FAULT:
                if not whole_process:
                    raise
                traceback.print_exc()
        if code == INTERRUPTED:
            code = request.code
            print(REPORT, file=sys.stderr)
    if whole_process:
        gc.freeze()  # Python would look through all objects again before it ends, for a sixth of a command's time
    return code


def _explained(problem: BaseException, words: list[str]) -> int:
    """Print in a sentence what went wrong and return the exit code; an error of the program itself has none."""
    from landau_vae.cli import parser_errors
    from landau_vae.errors import InputError, OutsideTheory, WorkerLost, reason

    sentence, code = str(problem), BAD_INPUT
    if isinstance(problem, WorkerLost):
        code = STOPPED
    elif isinstance(problem, MemoryError):
        detail = f" ({reason(problem)})" if sentence else ""
        sentence, code = f"Memory ran out{detail}: give fewer rows, columns or workers.", STOPPED
    elif isinstance(problem, OSError):
        place = problem.filename or "A file"
        sentence = f"{place} cannot be used ({reason(problem)}): make room, or name another."
    elif hasattr(problem, "format_message"):  # of the parser
        sentence = parser_errors.sentence(problem, words)
    elif not isinstance(problem, InputError | OutsideTheory):
        return FAULT
    subject, _, predicate = sentence.partition(" ")
    print(f"landau-vae: {_on_one_line(f'{OPTIONS.get(subject, subject)} {predicate}')}", file=sys.stderr)
    return code


def _on_one_line(text: str) -> str:
    """Return a text in which letters that are not printed, as file names may have them, stand as Python writes them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
