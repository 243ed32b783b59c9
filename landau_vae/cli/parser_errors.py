"""What the parser of the command line complains about, in sentences like those of the package itself."""

import inspect
from collections.abc import Sequence
from typing import Any

from landau_vae.checks import expected, shown


def sentence(problem: Any, words: Sequence[str]) -> str:
    """Return the parser's complaint about the words of a command line, as one sentence.

    A value of the wrong kind is described as our own checks do.
    """
    option = getattr(problem, "param", None)
    value = None if option is None else _value(option.opts, words)
    if option is not None and value is not None and problem.cmd is not None:
        annotation = inspect.signature(problem.cmd.callback).parameters[option.name].annotation
        if (wanted := expected(value, annotation)) is not None:
            return f"{option.opts[0]} is {shown(value)}, but {wanted} is expected."
    message = problem.format_message()
    if (unknown := getattr(problem, "option_name", None)) and unknown not in words:  # "-d", of the word "-data"
        message = message.replace(unknown, next((word for word in words if word.startswith(unknown)), unknown))
    return message if message.endswith((".", "?")) else f"{message}."


def _value(names: Sequence[str], words: Sequence[str]) -> str | None:
    """Return what stands after an option the last time it is given; None where nothing does."""
    for word, following in reversed(list(zip(words, [*words[1:], None], strict=True))):
        name, joined, value = word.partition("=")
        if name in names:
            return value if joined else following
    return None
