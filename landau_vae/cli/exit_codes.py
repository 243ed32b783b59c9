"""Exit codes of the program."""

FINE = 0  #: done, and what was checked holds
DISAGREES = 1  #: checked, and theory and numbers disagree, or an alarm was raised
BAD_INPUT = 2  #: input, options or surroundings that cannot be used; one sentence says why
STOPPED = 3  #: the system ended a worker process, or had no more memory
FAULT = 70  #: an error of the program itself, with its traceback
INTERRUPTED = 130  #: Ctrl-C; other signals: 128 and their number

IN_WORDS = "Exit codes: 0 fine, 1 something disagrees, 2 bad input, 3 a worker was lost, 130 interrupted."
