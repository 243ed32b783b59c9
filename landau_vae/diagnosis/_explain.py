"""`explain`: what the two numbers mean that every loop prints, KL and reconstruction.

Which latents are active? Is the reconstruction that of the mean predictor?
What should both be here? What happened on the way? Rates and prices are those of linear models
at rest (J. Hirn, arXiv:2605.22691); of networks they are predictions from the collapsed
background.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae.checks import checked, numbers
from landau_vae.data.convert import as_rows
from landau_vae.diagnosis.course import course_findings
from landau_vae.diagnosis.explained import statements
from landau_vae.diagnosis.run_log import RunLog
from landau_vae.diagnosis.two_numbers import TwoNumbers
from landau_vae.display import Column, Content, Result, Table, counted, significant
from landau_vae.errors import InputError
from landau_vae.findings import Finding, in_words, remark
from landau_vae.loss import Logged, Loss
from landau_vae.numeric import equilibrium
from landau_vae.numeric.expected_curves import mean_predictor
from landau_vae.spectrum import score
from landau_vae.spectrum.spectrum import Spectrum

NOTE = "expected: at rest at this β; exact for linear models, for others a prediction from the collapsed background"
WHOLE = (
    "The logged reconstruction is read as all of −ln p: {} nats of a row are terms of x alone, which no model changes."
)
DROPPED = "Numbers as logged have them, the others do not. Logged(constant=…) states them."
OTHER_NOTE = "expected: at rest at this β, a prediction from the collapsed background"


@dataclass(frozen=True, eq=False)
class Explanation(TwoNumbers, Result):
    """What a KL and a reconstruction mean: units, verdict, what was to be expected, and what happened on the way."""

    course: RunLog = field(repr=False)  #: the numbers up to these
    whole: float = field(default=0.0, repr=False)  #: nats of a row in terms of x alone, where the log has them
    json_fields = (
        "verdict", "loss", "kl", "reconstruction", "rate", "error", "mean_error", "explained", "active", "price",
        "by_rate", "by_error", "efficiency", "expected_kl", "expected_reconstruction", "expected_active", "findings",
    )  # fmt: skip

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the numbers mean, in words; then what happened on the way."""
        found = (*statements(self), *course_findings(self.course, self))
        return found if not self.whole else (*found, remark("whole-density", WHOLE.format(_short(self.whole)), DROPPED))

    def __repr__(self) -> str:
        latents = f" in about {counted(self.active, 'latent')}" if self.active and self.verdict == "active" else ""
        gain = "" if np.isnan(self.explained) else f", which {self.gain}"
        return f"Explanation({self.verdict}: {significant(self.rate, 4)} nats of a row{latents}{gain})"

    def content(self) -> Content:
        """Yield the table of units, and the findings."""
        yield f"{self.loss.explain(self.spectrum)}\n{self!r}"
        d, latents = self.spectrum.dimension, self.loss.latents or self.spectrum.modes
        rate = np.array([self.rate, self.expected_rate, 0.0])
        error = np.array([self.error, self.expected_error, self.mean_error])
        unit = f"Σ {self.loss.likelihood.term}"
        rows = {
            "KL, as logged": self.logged.logged_rate(rate, self.loss, d), "KL of a row [nat]": rate,
            "KL of a feature": rate / d, "KL of a latent": rate / latents,
            "reconstruction, as logged": self.logged.logged_error(error, self.loss, d), f"{unit} of a row": error,
            f"{unit} of a feature": error / d,
        }  # fmt: skip
        names = ("here", "expected", "collapsed")
        numbers_in = (
            Column(name, part, _short) for name, part in zip(names, np.transpose([*rows.values()]), strict=True)
        )
        yield Table(
            [Column("", list(rows), text=True), *numbers_in],
            note=NOTE if self.loss.likelihood.linear_law else OTHER_NOTE,
        )
        yield in_words(self.findings)


@checked
def explain(
    kl: Any,
    reconstruction: Any,
    *,
    loss: Loss,
    spectrum: Spectrum | None = None,
    data: Any = None,
    standardize: bool = False,
    logged: Logged = Logged(),  # noqa: B008
    step: Any = None,
    beta: Any = None,
    mean_error: float | None = None,
) -> Explanation:
    """Say what a logged KL and reconstruction mean, and what they should be.

    Parameters
    ----------
    kl, reconstruction : float or (n,) array
        As the loop logs them: the last numbers, or the whole course of the run.
    loss : Loss
        The loss that is trained.
    spectrum : Spectrum, optional
        Of the data. Give either this or `data`.
    data : (n, d) array, optional
        The rows as the loss has them (with `standardize`, before each feature is divided by its
        standard deviation).
    standardize : bool, default False
        Whether the model is given features divided by their standard deviations.
    logged : Logged, optional
        In which units the numbers are. Unless given, the KL is summed or averaged over latents
        as in the loss, without its weight, the reconstruction is the term of the loss, and both
        are means over rows.
    step : (n,) array, optional
        Of the numbers of a course.
    beta : float or (n,) array, optional
        β at each of them, in place of that of the loss.
    mean_error : float, optional
        Error of a row that the best constant output has, −ln p as the log counts it, where
        neither rows nor spectrum tell it.

    Returns
    -------
    Explanation
        In words by `summary()`, and `verdict`, `findings`, expected numbers.

    Raises
    ------
    InputError
        If an argument cannot be used.
    OutsideTheory
        If a question has no answer for this loss.

    Notes
    -----
    What a linear model has at rest is exact: of 33 that were trained, all are within 2 % of the
    expected KL and error. 66 nonlinear networks on eleven data sets
    (tests/studies/expected_kl.json) had 0.4 to 2 times this KL at the same price, half of them
    0.9 to 1.1 times, and 0.05 to 1 times this error. The number of active latents is that of a
    linear model of this rate: right for all linear models, and for networks off by −1 to 3.

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> result = explain(0.3466, 1.5, loss=Loss.gaussian(beta=2.0), spectrum=spectrum)
    >>> result.verdict, result.active, round(result.by_rate, 3), round(result.expected_reconstruction, 6)
    ('active', 1, 2.0, 1.5)
    >>> explain(0.0, 2.5, loss=Loss.gaussian(beta=5.0), spectrum=spectrum)
    Explanation(collapsed: 0 nats of a row, which explains 0.0% of the variance)
    """
    if (data is None) == (spectrum is None):
        raise InputError("Give the data (data=X) or their spectrum (spectrum=…), one of the two.", "data")
    course = RunLog(kl, reconstruction, step, None if beta is None else _per_step(beta, np.size(kl)))
    loss = loss if course.beta is None else loss.at(course.beta[-1])
    if loss.beta.ndim:
        raise InputError("The loss has a list of β: give it as beta, one for each number of the log.", "loss")
    left_out = 0.0
    if spectrum is None:
        spectrum, found, left_out = _of_rows(data, loss, standardize)
        mean_error = found if mean_error is None else mean_error
    if mean_error is None:
        mean_error = mean_predictor(spectrum, loss)
    state = None if loss.without_price(spectrum) else equilibrium(spectrum, loss)
    last = (float(course.kl[-1]), float(course.reconstruction[-1]))
    result = Explanation(spectrum, loss, logged, *last, mean_error, state, course)
    return _of_whole_density(result, left_out) if left_out and not (result.possible or logged.constant) else result


def _of_whole_density(result: Explanation, left_out: float) -> Explanation:
    """Return the numbers read as those of all of −ln p, where that makes them possible."""
    constant = float(result.logged.logged_error(left_out, result.loss, result.spectrum.dimension))
    whole = replace(result, logged=replace(result.logged, constant=constant), whole=left_out)
    return whole if whole.possible else result


def _per_step(beta: Any, length: int) -> Any:
    values = numbers(beta, "beta")
    return np.full(length, values) if values.ndim == 0 else values


def _of_rows(data: Any, loss: Loss, standardize: bool) -> tuple[Spectrum, float | None, float]:
    """Return the spectrum of rows from the collapsed state, the mean error of a row there (None: V), what it lacks."""
    rows, names, _ = as_rows(data, "data")
    if loss.likelihood.squared:
        return Spectrum.from_data(rows, names=names, standardize=standardize), None, 0.0
    rows = np.asarray(rows, dtype=np.float64)
    if standardize:
        rows = (rows - rows.mean(axis=0)) / np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
    spectrum = score(rows, loss, names=names)
    settled = loss.likelihood.settled(rows)
    value = settled.row_value(rows, loss.likelihood.rest(rows).output)
    return spectrum, float(np.mean(value)), float(np.mean(settled.left_out(rows)))


def _short(value: float) -> str:
    return significant(float(value), 4)
