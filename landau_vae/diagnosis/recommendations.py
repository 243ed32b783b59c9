"""Which β, in the user's own convention, keeps so many latents, reaches a tolerance, or stays above sampling noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landau_vae.checks import Count, Share, checked
from landau_vae.display import Column, Table, counted, significant
from landau_vae.errors import OutsideTheory
from landau_vae.loss import Loss
from landau_vae.numeric._choose_beta import Choice, choice_or_refusal
from landau_vae.spectrum.spectrum import Spectrum

TOLERANCES = (0.05, 0.01)
CLEARLY = 0.7  # of the β at which a latent becomes active: there its M² is about 0.3


@dataclass(frozen=True, eq=False)
class Recommendation:
    """An answer to a question about β, or the reason why it has no answer."""

    question: str  #: in words
    choice: Choice | None  #: the answer, if there is one
    refusal: str = ""  #: why the question has no answer
    basis: str = "exact for a linear model"  #: what the answer rests on
    onset: float | None = None  #: β below which one more latent becomes active, read off the model itself
    active: int = 0  #: latents that are active now

    @property
    def beta(self) -> float | None:
        """The recommended β, if there is one."""
        if self.onset is not None:
            return CLEARLY * self.onset
        return None if self.choice is None else float(self.choice.beta)

    @property
    def latents(self) -> int | None:
        """How many latents the model needs for it: as many as are active there."""
        if self.onset is not None:
            return self.active + 1
        return None if self.choice is None else int(self.choice.equilibrium.active)

    @property
    def interval(self) -> str:
        """The interval of β that does as well, in words."""
        if self.onset is not None:
            return f"below {significant(self.onset, 3)}"
        if self.choice is None:
            return "—"
        low, high = self.choice.interval
        return f"{significant(low, 4)} … {significant(high, 4)}" if low else f"below {significant(high, 4)}"

    @property
    def lost(self) -> float | None:
        """Share of the variance that is lost."""
        return None if self.choice is None else float(self.choice.equilibrium.total_distortion)

    @property
    def condition(self) -> str:
        """A condition of the answer, in words; an empty text if it has no condition."""
        doubtful = self.choice is not None and self.choice.caveat
        return "if the noise is isotropic (it does not look so)" if doubtful else ""

    def sentence(self, knob: str = "β") -> str:
        """Return the answer in words.

        Parameters
        ----------
        knob : str, default "β"
            Name of the weight of the KL in the user's code.

        Returns
        -------
        str
            One sentence without a period.
        """
        if self.beta is None:
            return f"{self.question}: {self.refusal}"
        lost = "" if self.lost is None else f", {self.lost:.1%} of the variance lost"
        return (
            f"{self.question}: {knob} = {significant(self.beta, 4)} ({self.interval}), "
            f"{counted(self.latents or 0, 'latent')}{lost}{f', {self.condition}' if self.condition else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return question and answer for JSON."""
        names = ("beta", "interval", "caveat")
        choice = self.choice and {"distortion": self.lost, **{name: getattr(self.choice, name) for name in names}}
        answer = {"beta": self.beta, "latents": self.latents, "basis": self.basis, "refusal": self.refusal}
        return {"question": self.question, "choice": choice, **answer}


@checked
def recommend(
    spectrum: Spectrum, loss: Loss, *, keep: Count, samples: Count | None, tolerances: Sequence[Share] = TOLERANCES
) -> tuple[Recommendation, ...]:
    """Recommend β for a number of latents, for tolerated losses of variance, and for the noise floor.

    Parameters
    ----------
    spectrum : Spectrum
        Of the data.
    loss : Loss
        The convention in which β is read.
    keep : int
        How many latents are to be active, at least 1.
    samples : int or None
        Number of rows behind the spectrum; None leaves the noise floor out.
    tolerances : sequence of float, default (0.05, 0.01)
        Shares of the variance that may be lost.

    Returns
    -------
    tuple of Recommendation
        To each question an answer, or the reason why it has no answer.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([16, 4, 1])
    >>> print(recommend(spectrum, Loss.gaussian(), keep=2, samples=None)[0].sentence())
    To keep 2 latents: β = 2 (1 … 4), 2 latents, 23.8% of the variance lost
    """
    free = loss  # with as many latents as it takes, where their number does not change the price
    if loss.latents is not None and loss.kl == "sum":
        free = loss.with_latents(max(loss.latents, spectrum.modes))
    keep = min(keep, spectrum.modes)
    same = loss if loss.latents is None else loss.with_latents(max(keep, loss.latents))
    answers = [_answer(spectrum, same, f"To keep {counted(keep, 'latent')}", keep=keep)]
    answers += [_answer(spectrum, free, f"To lose {a:.0%} of the variance", tolerance=a) for a in tolerances]
    if samples is not None:
        answers.append(_answer(spectrum, free, "To stay above sampling noise"))
    return tuple(answers)


def _answer(spectrum: Spectrum, loss: Loss, question: str, **asked: Any) -> Recommendation:
    answer = choice_or_refusal(spectrum, loss, **asked)
    if isinstance(answer, OutsideTheory):
        return Recommendation(question, None, str(answer))
    return Recommendation(question, answer)


def recommendations_table(answers: Sequence[Recommendation], knob: str) -> Table:
    """Return one row per question; why some have no answer stands below."""
    betas, lost = [each.beta for each in answers], [each.lost for each in answers]
    columns = [
        Column("question", [each.question for each in answers], text=True),
        Column(knob, betas, lambda beta: significant(beta, 4) if beta else "—", "beta"),
        Column("from … to", [each.interval for each in answers], key="interval"),
        Column("latents", [each.latents for each in answers]),
        Column("variance lost", lost, lambda share: "—" if share is None else f"{share:.1%}", "distortion"),
        Column("rests on", [each.basis for each in answers], key="basis", text=True),
    ]
    reasons = [(each.question, each.refusal or (each.condition and f"only {each.condition}")) for each in answers]
    bases = {each.basis for each in answers}
    if len(bases) > 1 and any("linear model" in basis for basis in bases):
        reasons.append(("A linear model", "a network often needs fewer latents for the same"))
    return Table(columns, note="\n".join(f"{question}: {reason}" for question, reason in reasons if reason))
