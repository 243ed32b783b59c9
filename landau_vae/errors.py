"""The errors that this package raises on purpose. Each message says what was given, what was expected, how to mend it.

`InputError`: an argument cannot be used as it is. `OutsideTheory`: there is no answer, or none
that the theory knows. `TooFewSamples`: the sample is too small for an answer. What is known all
the same is in `partial`. The command line prints any of these and exits with code 2.
`WorkerLost`: a worker process has ended, and the command line exits with code 3. The package never
catches them to choose another path. `reason` and `described` put into words what the errors of
other code say.
"""

from typing import Any

MOST_LETTERS = 200  # of a reason, in a message


class InputError(ValueError):
    """Input that cannot be used as given.

    Parameters
    ----------
    message : str
        What was given, what was expected, and how to mend it.
    argument : str, optional
        Name of the argument at fault.
    partial : object, optional
        What was done before it showed, of the type that the raising function names.

    Examples
    --------
    >>> raise InputError("modes is 0, but a whole number from 1 on is expected.", "modes")
    Traceback (most recent call last):
        ...
    landau_vae.errors.InputError: modes is 0, but a whole number from 1 on is expected.
    """

    def __init__(self, message: str, argument: str | None = None, partial: Any = None) -> None:
        super().__init__(message)
        self.argument, self.partial = argument, partial


class OutsideTheory(ValueError):
    """A question that has no answer, or none that this theory knows.

    Parameters
    ----------
    message : str
        Why there is no answer, and what to ask instead.
    partial : object, optional
        What is known all the same, of the type that the raising function names.

    Examples
    --------
    >>> try:
    ...     raise OutsideTheory("Only a lower bound is known.", partial=0.5)
    ... except OutsideTheory as problem:
    ...     problem.partial
    0.5
    """

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class TooFewSamples(OutsideTheory):
    """A sample that is too small for the answer; `partial` holds the estimate that it allows.

    Parameters
    ----------
    message : str
        How many samples there are, and how many the answer needs.
    partial : object, optional
        The estimate from the samples that there are.

    Examples
    --------
    >>> issubclass(TooFewSamples, OutsideTheory)
    True
    """


class WorkerLost(RuntimeError):
    """A worker process that ended before its task: the system was out of memory, or someone ended it.

    Nothing is wrong with the input: the same call can be repeated.

    Parameters
    ----------
    message : str
        What happened, and how to go on.

    Examples
    --------
    >>> issubclass(WorkerLost, RuntimeError)
    True
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


def reason(problem: BaseException) -> str:
    """Return the reason that an exception gives, on one line and without a full stop; the name of its type if none.

    Of an `OSError` it is what the system says, of others the first line of their text.

    >>> reason(FileNotFoundError(2, "No such file", "a.csv")), reason(ValueError("Not a table.\\nSee below."))
    ('No such file', 'Not a table')
    >>> reason(AssertionError())
    'AssertionError'
    """
    text = str(getattr(problem, "strerror", None) or problem)
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    return first[:MOST_LETTERS].rstrip(". ") or type(problem).__name__


def described(problem: BaseException) -> str:
    """Return the type of an exception and, in brackets, its text on one line.

    >>> described(ValueError("Not a table.\\nSee below.")), described(AssertionError())
    ('ValueError (Not a table. See below)', 'AssertionError')
    """
    kind, text = type(problem).__name__, " ".join(str(problem).split())
    return f"{kind} ({text[:MOST_LETTERS].rstrip('. ')})" if text else kind
