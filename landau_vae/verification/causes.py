"""Why trained models and theory may part: likely causes, from the evidence that a scan carries.

Each cause is looked for by a trace of its own: prices that were not those of the temperatures, thresholds that are all
off by one factor, latents still moving or waiting when the run ended, a decoder that does not do what its matrix says,
data with another covariance. What is *recorded* (the trainer's settings) is told apart from what is *inferred*.
"""

from collections.abc import Callable

from landau_vae.verification.evidence import Cause, Evidence
from landau_vae.verification.inferred_causes import convention, ended_early, nonlinear, one_seed, unexplained
from landau_vae.verification.recorded import beta_schedule, diverged, other_data, other_likelihood, weight_decay

__all__ = ["find_causes"]


def find_causes(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes that show, the surest first."""
    looks: list[Callable[[Evidence], Cause | None]] = [
        diverged, beta_schedule, other_likelihood, nonlinear, weight_decay, other_data, convention, one_seed,
        ended_early,
    ]  # fmt: skip
    found = [cause for look in looks if (cause := look(evidence)) is not None]
    if any(cause.code in ("beta-schedule", "weight-decay", "other-data") for cause in found):
        found = [cause for cause in found if cause.code != "wrong-convention"]  # the same shift, already explained
    if not found and "disagrees" in evidence.verdict:
        found.append(unexplained(evidence))
    return tuple(found)
