"""Which β, in the user's own convention, keeps so many latents, reaches a tolerance, or stays above sampling noise."""

from dataclasses import dataclass
from typing import Any

from landau_vae.display import significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.loss import Loss
from landau_vae.numeric._choose_beta import Choice, choose_beta
from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["Recommendation", "recommend"]

TOLERANCES = (0.05, 0.01)


@dataclass(frozen=True, eq=False)
class Recommendation:
    """An answer, or why there is none."""

    question: str
    choice: Choice | None
    refusal: str = ""

    @property
    def latents(self) -> int | None:
        """How many latents the model needs for it: as many as live there."""
        return None if self.choice is None else int(self.choice.equilibrium.active)

    def sentence(self, knob: str = "β") -> str:
        """In words."""
        if self.choice is None:
            return f"{self.question}: {self.refusal}"
        low, high = self.choice.interval
        others = f"{significant(low, 4)} … {significant(high, 4)}" if low else f"below {significant(high, 4)}"
        share = float(self.choice.equilibrium.total_distortion)
        care = ", if the noise is isotropic (it does not look so)" if self.choice.caveat else ""
        return (
            f"{self.question}: {knob} = {significant(self.choice.beta, 4)} ({others}), {self.latents} "
            f"latent{'s' * (self.latents != 1)}, {share:.1%} of the variance lost{care}"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        choice = None
        if self.choice is not None:
            state = self.choice.equilibrium
            choice = {"beta": self.choice.beta, "interval": self.choice.interval,
                      "distortion": float(state.total_distortion), "caveat": self.choice.caveat}  # fmt: skip
        return {"question": self.question, "choice": choice, "latents": self.latents, "refusal": self.refusal}


def recommend(
    spectrum: Spectrum, loss: Loss, *, keep: int, samples: int | None, tolerances: tuple[float, ...] = TOLERANCES
) -> tuple[Recommendation, ...]:
    """For as many latents as the model has (or as were asked for), for tolerances, and for the noise floor.

    >>> spectrum = Spectrum.from_eigenvalues([16, 4, 1])
    >>> print(recommend(spectrum, Loss.gaussian(), keep=2, samples=None)[0].sentence())
    To keep 2 latents: β = 2 (1 … 4), 2 latents, 23.8% of the variance lost
    """
    free = loss  # with as many latents as it takes, where their number does not change the price
    if loss.latents is not None and loss.kl == "sum":
        free = loss.with_latents(max(loss.latents, spectrum.modes))
    keep = min(keep, spectrum.modes)
    own = loss if loss.latents is None else loss.with_latents(max(keep, loss.latents))
    answers = [_answer(spectrum, own, f"To keep {keep} latent{'s' * (keep != 1)}", {"keep": keep})]
    answers += [
        _answer(spectrum, free, f"To lose {share:.0%} of the variance", {"tolerance": share}) for share in tolerances
    ]
    if samples is not None:
        answers.append(_answer(spectrum, free, "To stay above sampling noise", {"noise_floor": True}))
    return tuple(answers)


def _answer(spectrum: Spectrum, loss: Loss, question: str, how: dict[str, Any]) -> Recommendation:
    try:
        return Recommendation(question, choose_beta(spectrum, loss, **how))
    except (InputError, OutsideTheory) as problem:
        return Recommendation(question, None, str(problem))
