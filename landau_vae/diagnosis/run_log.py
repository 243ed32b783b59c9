"""The log of a run: KL and reconstruction step by step, β and the loss where they were logged; from arrays or a CSV.

Loops call their columns differently, and loggers leave cells empty (Lightning writes training
and validation to rows of their own). A file that is being written may end in half a line.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from landau_vae.checks import checked, numbers, shown
from landau_vae.data.claims import check_room
from landau_vae.data.content import content_of
from landau_vae.data.door import brief, first_bytes, trouble
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError

#: Names that columns have, by what they hold; the earlier ones first.
USUAL = {
    kind: tuple(names.split())
    for kind, names in {
        "kl": "kl kld kl_loss kld_loss kl_div kl_divergence loss_kl loss_kld kl_local kl_term dkl latent_loss reg_loss "
        "rate",
        "reconstruction": "reconstruction recon rec recon_loss reconstruction_loss rec_loss loss_recon loss_rec "
        "recons_loss reconst_loss reconstruct_loss recon_error reconstruction_error distortion mse mse_loss bce "
        "bce_loss nll nll_loss l1_loss",
        "total": "loss total_loss loss_total elbo_loss vae_loss neg_elbo objective",
        "beta": "beta kl_weight kld_weight kl_coeff beta_kl current_beta annealing kl_scale",
        "step": "step global_step trainer_global_step iteration iter it update updates epoch batch",
    }.items()
}
HELD_OUT = ("val_", "valid_", "validation_", "test_")
PREFIXES = ("", "train_", "training_", *HELD_OUT)
SUFFIXES = ("", "_epoch", "_step", "_train", "_mean")


@dataclass(frozen=True, eq=False)
class RunLog:
    """Numbers of a run at rising steps, as its loop logged them.

    Examples
    --------
    >>> log = RunLog([0.0, 1.5], [4.0, 2.0])
    >>> len(log), log.step.tolist()
    (2, [0.0, 1.0])
    """

    kl: Array  #: (n,)
    reconstruction: Array  #: (n,)
    step: Array | None = None  #: (n,); 0, 1, 2, … unless given
    beta: Array | None = None  #: (n,)
    total: Array | None = None  #: the loss, (n,)
    broken: float | None = (
        None  #: step from which on all numbers of a file are NaN or infinite; None of a log without such a step
    )

    expected: ClassVar[str] = "a RunLog(kl, reconstruction)"  #: in messages

    def __post_init__(self) -> None:
        kl = np.atleast_1d(numbers(self.kl, "kl", finite=True))
        if kl.ndim != 1 or not len(kl):
            raise InputError(f"kl has shape {kl.shape}, but one number a step is expected.", "kl")
        object.__setattr__(self, "kl", readonly(kl))
        if self.step is None:
            object.__setattr__(self, "step", readonly(np.arange(len(kl))))
        for name in ("reconstruction", "step", "beta", "total"):
            if (values := getattr(self, name)) is None and name != "reconstruction":
                continue
            array = np.atleast_1d(numbers(values, name, finite=True))
            if array.shape != kl.shape:
                raise InputError(f"{name} has shape {array.shape}, but that of kl, {kl.shape}, is expected.", name)
            object.__setattr__(self, name, readonly(array))

    def __len__(self) -> int:
        return len(self.kl)


@checked
def read_run(path: str | Path, *, names: Mapping[str, str] | None = None, validation: bool = False) -> RunLog:
    """Return the log of a run from a CSV file.

    Parameters
    ----------
    path : path
        Of the file. Cells may be empty, and the last line may be half written.
    names : mapping, optional
        Which column is "kl", "reconstruction", "total", "beta" or "step". Others are found by
        their usual names.
    validation : bool, default False
        Whether columns of validation are preferred to those of training.

    Returns
    -------
    RunLog
        Of all rows in which there are both numbers. Where only KL, loss and β are logged, the
        reconstruction is "loss" less β times KL.

    Raises
    ------
    InputError
        If there is no such file, a column is missing, or no row has both numbers.
    """
    named = {} if names is None else {kind: names[kind] for kind in names}
    if not all(kind in USUAL and isinstance(name, str) for kind, name in named.items()):
        kinds = ", ".join(USUAL)
        raise InputError(f"names says which column holds what, by {kinds}, but {shown(names)} was given.", "names")
    found = log_or_problem(Path(path), named, validation=validation)
    if isinstance(found, str):
        raise InputError(found, "path")
    return found


def log_or_problem(path: Path, names: dict[str, str], *, validation: bool) -> RunLog | str:
    """Return the log of a run, or what it lacks so far, of a file that is still being written."""
    if (problem := trouble(path, "name the CSV file that the run logs to")) is not None:
        return problem
    if (found := content_of(first_bytes(path, 4096))) is not None:
        return f"{path.name} is {found} by its first bytes: name the CSV file that the run logs to."
    check_room(path, 8 * path.stat().st_size)  # as cells of text
    try:
        header, rows = _cells(path.read_bytes().decode("utf-8-sig", errors="replace"))
    except csv.Error as error:
        return f"{path.name} cannot be read as a log ({error}): look for a separator or a quote that is missing."
    columns_there = ", ".join(map(brief, header[:24])) + ", …" * (len(header) > 24) or "(none)"
    if unknown := [name for name in names.values() if name not in header]:
        return f"There is no column {unknown[0]!r} in {path.name}: the columns are {columns_there}."
    columns = {kind: names.get(kind) or _column(kind, header, validation) for kind in USUAL}
    if columns["kl"] is None or (columns["reconstruction"] is None and columns["total"] is None):
        missing = "kl" if columns["kl"] is None else "reconstruction"
        of = f"{path.name} has the columns {columns_there}, but none is known as its {missing}"
        return f"{of}: say which (--{missing}-column NAME)."
    places = {kind: header.index(name) for kind, name in columns.items() if name is not None}
    values = {kind: _numbers(rows, place) for kind, place in places.items()}
    terms = [place for kind, place in places.items() if kind not in ("step", "beta")]
    log = _assembled(values, np.array([any(_overflown(row[place]) for place in terms) for row in rows], dtype=bool))
    return f"No row of {path.name} has a KL and a reconstruction that are numbers." if log is None else log


def _cells(text: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows; a last line without its end is left for the next reading, and rows of odd length too."""
    whole = text[: text.rfind("\n") + 1]
    lines = [line for line in whole.splitlines() if line.strip()]
    if not lines:
        return [], []
    separator = max(",;\t", key=lines[0].count)
    header, *rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, skipinitialspace=True)
    names = [name.strip() for name in header]
    return names, [row for row in rows if len(row) == len(names)]


def _column(kind: str, header: Sequence[str], validation: bool) -> str | None:
    """Return the name of the column that holds something, or None."""
    plain = {re.sub(r"[/ .-]+", "_", name.lower()): name for name in reversed(header)}
    prefixes = sorted(PREFIXES, key=lambda prefix: prefix in HELD_OUT, reverse=True) if validation else PREFIXES
    wanted = (prefix + usual + suffix for prefix in prefixes for suffix in SUFFIXES for usual in USUAL[kind])
    return next((plain[name] for name in wanted if name in plain), None)


def _numbers(rows: Sequence[Sequence[str]], place: int) -> Array:
    """Return a column, NaN where a cell is empty or no number."""
    return np.array([_number(row[place]) for row in rows])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _overflown(cell: str) -> bool:
    """Return whether a cell holds NaN or infinity, and not nothing or a word.

    >>> _overflown("nan"), _overflown(""), _overflown("None")
    (True, False, False)
    """
    return cell.strip().lower().lstrip("+-") in ("nan", "inf", "infinity")


def _assembled(values: dict[str, Array], overflown: NDArray[np.bool_]) -> RunLog | None:
    """Return the log of the rows that have both numbers, if there are any; β and steps are those of the rows before."""
    kl = values["kl"]
    beta = _carried(values["beta"]) if "beta" in values else None
    total = values.get("total")
    if (reconstruction := values.get("reconstruction")) is None:
        reconstruction = values["total"] - (1.0 if beta is None else beta) * kl
    whole = np.isfinite(kl) & np.isfinite(reconstruction)
    if not whole.any():
        return None
    step = _carried(values["step"]) if "step" in values else np.arange(len(kl), dtype=float)
    if not np.isfinite(step[whole]).all() or np.any(np.diff(step[whole]) < 0):
        step = np.arange(len(kl), dtype=float)  # a run that was begun again
    parts: dict[str, Any] = {"step": _rising(step[whole])}
    last = np.flatnonzero(whole)[-1]
    if overflown[last:].any():
        parts["broken"] = float(step[last + np.argmax(overflown[last:])])
    for kind, column in {"beta": beta, "total": total}.items():
        if column is not None and np.isfinite(column[whole]).all():
            parts[kind] = column[whole]
    return RunLog(kl[whole], reconstruction[whole], **parts)


def _carried(column: Array) -> Array:
    """Return a column whose empty cells hold the last number before them, or else the first after."""
    known = np.flatnonzero(np.isfinite(column))
    if not known.size:
        return column
    last = np.maximum(np.searchsorted(known, np.arange(len(column)), side="right") - 1, 0)
    return column[known[last]]


def _rising(step: Array) -> Array:
    """Return steps that rise: rows of one epoch are spread over it.

    >>> _rising(np.array([0.0, 0.0, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    begins = np.flatnonzero(np.diff(step, prepend=step[0] - 1) > 0)
    if len(begins) == len(step):
        return step
    length = np.median(np.diff(step[begins])) if len(begins) > 1 else 1.0
    of = np.searchsorted(begins, np.arange(len(step)), side="right") - 1
    count = np.bincount(of)
    until = np.append(step[begins[1:]], step[begins[-1]] + length)
    return step + (np.arange(len(step)) - begins[of]) / count[of] * (until - step[begins])[of]
