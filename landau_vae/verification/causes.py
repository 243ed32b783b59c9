"""Why trained models and theory may differ: likely causes, from what a scan holds.

Each cause is looked for by a trace of its own: prices that were not those of the
temperatures, thresholds that are all off by one factor, latents still moving or waiting
when the run ended, a decoder that is not linear, data with another covariance. A cause
is a `Finding` whose evidence says whether it is *recorded* (in the trainer's settings
or in the observables) or *inferred* from thresholds and movements.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from landau_vae import limits
from landau_vae.display import Array, counted, listed, significant
from landau_vae.findings import Finding, alarm, remark
from landau_vae.likelihoods import Likelihood
from landau_vae.loss.slips import slips_that_make
from landau_vae.numeric.plateau_activation import activation, is_timed
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.record import (
    TRAINERS,
    recorded,
    recorded_likelihood,
    recorded_linear,
    recorded_loss,
    squared_weight,
    trainer_settings,
)
from landau_vae.training.schedules import Schedule
from landau_vae.training.schema import Status, sound_models
from landau_vae.verification._onsets import against_divergence
from landau_vae.verification.verification import Verification


@dataclass(frozen=True, eq=False)
class Case:
    """What causes are looked for in."""

    scan: Any  #: an xarray.Dataset
    trained_on: Spectrum | None  #: the spectrum of the covariance that was trained on
    result: Verification  #: without causes
    error: Array  #: standard error of measured over predicted thresholds, (modes,)
    down: Any = None  #: the sweep down beside it, where there is one

    @cached_property
    def trainer(self) -> dict[str, Any]:
        """The trainer's settings, as far as the scan records them."""
        return trainer_settings(self.scan)

    @property
    def diverged(self) -> int:
        """How many models diverged, of the scan and of the sweep down."""
        return sum(int(np.count_nonzero(each == Status.DIVERGED)) for each in self.statuses)

    @property
    def statuses(self) -> list[Array]:
        """Status of each model, of the scan and of the sweep down, as far as they are recorded."""
        return [each.status.values for each in (self.scan, self.down) if each is not None and "status" in each]

    @property
    def likelihood(self) -> Likelihood:
        """The decoder's, by the trainer's record; the Gaussian one, as far as is known, without a record."""
        return recorded_likelihood(self.trainer)

    def modes_with(self, *verdicts: str) -> list[int]:
        """Return the modes with one of these verdicts, from 0 on."""
        return [k for k, verdict in enumerate(self.result.verdict) if verdict in verdicts]


def find_causes(case: Case) -> tuple[Finding, ...]:
    """Return the causes that show, the surest first."""
    rules: list[Callable[[Case], Finding | None]] = [
        diverged, beta_schedule, other_likelihood, changed, nonlinear, weight_decay, other_data, convention, one_seed,
        ended_early,
    ]  # fmt: skip
    causes = [cause for rule in rules if (cause := rule(case)) is not None]
    if any(cause.code in ("beta-schedule", "weight-decay", "other-data") for cause in causes):
        causes = [cause for cause in causes if cause.code != "wrong-convention"]  # the same shift, already explained
    if not causes and "disagrees" in case.result.verdict:
        causes.append(unexplained(case))
    return tuple(causes)


# ----------------------------------------------------------------------------------------------------------- recorded


def diverged(case: Case) -> Finding | None:
    """Find models that diverged."""
    if not case.diverged:
        return None
    total = sum(each.size for each in case.statuses)
    sentence = f"{case.diverged} of {total} models diverged."
    numbers = {"source": "recorded", "diverged": case.diverged, "models": total}
    return alarm("diverged", sentence, against_divergence(case.scan), numbers)


def beta_schedule(case: Case) -> Finding | None:
    """Compare β at the end of training with the one that belongs to the temperature."""
    scan = case.scan
    if "price" not in scan or case.trainer.get("learned_variance") or not case.likelihood.squared:
        return None
    factor = (scan.price / (scan.temperature * scan.attrs["total_variance"])).values
    factor = factor[np.isfinite(factor)]
    if factor.size == 0 or np.abs(factor - 1).max() <= case.result.tolerance:
        return None
    lowest, highest = float(factor.min()), float(factor.max())
    ends = " to ".join(dict.fromkeys(significant(each, 3) for each in (lowest, highest)))
    sentence = f"β ended at {ends} times its target, so the models have other temperatures than their labels say."
    points = case.trainer.get("beta", {}).get("points")
    advice = "Let the schedule reach 1 and stay there, or compare at the β it ended at."
    if points and points[-1][1] == 1:  # it did
        advice = "The β schedule itself ends at 1, so the temperatures have been relabelled."
    return alarm("beta-schedule", sentence, advice, {"source": "recorded", "lowest": lowest, "highest": highest})


def other_likelihood(case: Case) -> Finding | None:
    """Find a decoder with another likelihood than the Gaussian."""
    likelihood = case.likelihood
    if likelihood.squared:
        return None
    return remark(
        "other-likelihood",
        f"The decoder is a {likelihood.title} one: only the first threshold is exact, as that of the collapsed "
        "state's spectrum; the others shift once a latent is active.",
        evidence={"source": "recorded", "decoder": likelihood.name},
    )


@np.errstate(all="ignore")
def changed(case: Case) -> Finding | None:
    """Find observables that contradict one another, or the recorded loss, prices and V."""
    found = [(largest, what) for what, each in _contradictions(case) if (largest := float(each.max())) > limits.CHANGED]
    if not found:
        return None
    largest, what = max(found)
    sentence = f"{what} (off by up to {largest:.2g}): changed since training."
    advice = "An observable, or the order of latents, is not that of training: compare the scan as it was trained."
    return alarm("changed", sentence, advice, {"source": "recorded", "largest": largest})


def _contradictions(case: Case) -> Iterator[tuple[str, Any]]:
    """Yield what would be wrong, in words, and by how much of it, of each number that is there twice.

        M² = ⟨μ²⟩/(⟨μ²⟩ + ⟨σ²⟩)      V = tr C      L = a (D̃ V + 2 τ Σ_k R_k)

    V and L are those of squared errors with a fixed variance. A label of temperature that is not
    the model's own makes another τ.
    """
    scan, total, settings = case.scan, float(case.scan.attrs["total_variance"]), case.trainer
    if "mean_square" in scan and "posterior_variance" in scan:
        defined = scan.mean_square / (scan.mean_square + scan.posterior_variance)
        yield "M² is not mean_square/(mean_square + posterior_variance)", np.abs(defined - scan.signal_fraction)
    if settings.get("name") not in TRAINERS or not case.likelihood.squared or settings.get("learned_variance"):
        return
    if "covariance" in scan:
        trace = np.trace(scan.covariance.transpose("feature", "other_feature").values)
        yield "The attribute total_variance is not that of the covariance", np.abs(trace / total - 1)
    if {"loss", "distortion"} <= set(scan.data_vars):
        a = squared_weight(scan)
        price = scan.price if "price" in scan else scan.temperature * total
        error, information = a * total * scan.distortion, 2 * a * price * scan.rate.sum("latent")
        away = np.abs(scan.loss - error - information) / (error + information)
        yield "The loss is not that of distortion and rates at the price of the temperature", away


def nonlinear(case: Case) -> Finding | None:
    """Find models that are not linear."""
    if recorded_linear(case.trainer) or not case.likelihood.squared or case.result.claims:
        return None
    return remark(
        "nonlinear",
        "The models are not linear: the linear law is shown for comparison, and gives no verdict on them.",
        "What they have found is in verification.onsets; give data=rows to compare it with the nonlinear theory.",
        {"source": "recorded", "hidden": case.trainer.get("hidden")},
    )


def weight_decay(case: Case) -> Finding | None:
    """Find a decay that is strong enough to move the thresholds in question."""
    rule = case.trainer.get("optimizer", {})
    decay = float(rule.get("weight_decay", 0.0))
    # The distance from rest allows for coupled decay.
    touched = case.modes_with("disagrees", "not resolved", *["not converged"] * bool(rule.get("decoupled")))
    if not decay or not touched or "loss" not in case.trainer:
        return None
    gamma = decay / (2 * squared_weight(case.scan))
    shift = gamma * (1 + 1 / np.square(case.result.spectrum.eigenvalues[touched]))  # of τ_c = λ/(1 + γ) − γ/λ, relative
    if shift.max() <= case.result.tolerance:
        return None
    sentence = f"Weight decay ({significant(decay)}) moves thresholds down and adds to every price."
    advice = "Take thresholds from numeric.weight_decay (of coupled decay), or train without."
    numbers = {"source": "recorded", "weight_decay": decay, "largest_shift": float(shift.max())}
    return alarm("weight-decay", sentence, advice, numbers)


def other_data(case: Case) -> Finding | None:
    """Compare the spectrum that was trained on with the one that is compared with."""
    trained, spectrum = case.trained_on, case.result.spectrum
    if trained is None or "disagrees" not in case.result.verdict:
        return None
    modes = min(trained.modes, spectrum.modes)
    off = np.abs(trained.normalized[:modes] / spectrum.normalized[:modes] - 1)
    failed = [k for k in case.modes_with("disagrees") if k < modes]
    if not failed or off[failed].min() <= case.result.tolerance:
        return None
    worst = failed[int(np.argmax(off[failed]))]
    there, here = significant(trained.normalized[worst]), significant(spectrum.normalized[worst])
    sentence = (
        f"The models were trained on another spectrum: λ/V of mode {worst + 1} is {there} there, {here} in yours."
    )
    advice = "Give the spectrum of the training set, scaled as it was for training."
    numbers = {"source": "recorded", "mode": worst + 1, "difference": float(off[worst])}
    return alarm("other-data", sentence, advice, numbers)


# ----------------------------------------------------------------------------------------------------------- inferred


def convention(case: Case) -> Finding | None:
    """Find one factor between all thresholds and their predictions."""
    ratio = 1 + case.result.threshold_error
    known = np.isfinite(ratio) & (ratio > 0)  # a line of noise may end anywhere
    ratio = ratio[known]
    if len(ratio) < 2 or "disagrees" not in case.result.verdict:
        return None
    factor = float(np.exp(np.mean(np.log(ratio))))
    noise = np.nan_to_num(case.error[known] / ratio)
    scatter = np.abs(np.log(ratio / factor))
    one_factor = np.all(scatter <= limits.COMMON_FACTOR + 3 * noise)
    if not one_factor or abs(factor - 1) <= 2 * max(case.result.tolerance, scatter.max()):
        return None
    features = case.scan.sizes.get("feature", case.result.spectrum.dimension)
    matches = slips_that_make(1 / factor, features, case.scan.sizes["latent"])
    meaning = ": the KL weight, or β at the end of training, is not what was assumed"
    if matches:
        meaning = f", as that of a loss with {' or with '.join(slip.words for slip in matches[:2])}"
    times, price = significant(factor, 4), significant(1 / factor, 4)
    sentence = (
        f"Every threshold is {times} times its prediction: in training a nat had {price} times its price{meaning}."
    )
    numbers = {"source": "inferred", "factor": factor, "slips": [slip.code for slip in matches]}
    return alarm("wrong-convention", sentence, evidence=numbers)


def one_seed(case: Case) -> Finding | None:
    """Find a seed whose branches end elsewhere than those of the others, or nowhere."""
    modes = len(case.result.verdict)
    ends = case.result.branches.lines[:, :modes, 0]
    known = np.count_nonzero(np.isfinite(ends), axis=0) >= max(3, len(ends) - 1)  # in all others, at least
    if len(ends) < 4 or not known.any() or set(case.result.verdict) <= {"agrees", "outside the grid"}:
        return None
    middle = np.nanmedian(ends[:, known], axis=0)
    away = ~(np.abs(ends[:, known] / middle - 1) <= limits.OTHER_SEED)
    odd = np.flatnonzero(away.mean(axis=1) > 0.5)
    if len(odd) != 1 or case.result.branches.at_rest[odd[0], :, :modes].mean() < limits.SEED_AT_REST:
        return None
    seed = int(case.scan.seed.values[odd[0]])
    sentence = f"Seed {seed} differs from all others: its branches end elsewhere, or nowhere."
    advice = f"Look at its models by themselves, or compare without it (scan.drop_sel(seed={seed}))."
    return remark("one-seed", sentence, advice, {"source": "inferred", "seed": seed})


def ended_early(case: Case) -> Finding | None:
    """Find latents that moved or waited when the run ended."""
    late = case.modes_with("not converged")
    if not late:
        return None
    scan = case.scan
    waiting = int(np.count_nonzero(scan.waiting.values > 0)) if "waiting" in scan else 0
    moving = (
        int(np.count_nonzero(sound_models(scan) & ~scan.converged.transpose("seed", "temperature").values)) - waiting
    )
    length = f" ({int(scan.updates.values.max())} updates)" if "updates" in scan else ""
    counts = {"to become active": waiting, "moving": moving}
    parts = [f"{count} had latents that were still {state}" for state, count in counts.items() if count > 0]
    advice = "Train longer." if case.diverged else "Train longer, or with a larger learning rate."
    if case.trainer.get("learning_rate", {}).get("points", [[1.0, 0.0]])[-1][1] > 0:  # noise moves latents too
        advice = "Train longer, or let the learning rate fall to 0 at the end."
    return remark(
        "ended-early",
        f"Training{length} ended before {listed(late, 'mode')} had settled: of {counted(scan.converged.size, 'model')} "
        f"{' and '.join(parts) or 'none was at rest'}.{_plateau(case, late[0])}",
        advice,
        {"source": "inferred", "modes": [k + 1 for k in late], "waiting": waiting, "moving": moving},
    )


def _plateau(case: Case, k: int) -> str:
    """Return how long mode k needs to leave the plateau, as far as is known, if it is more than the run had."""
    trainer, spectrum = case.trainer, case.result.spectrum
    if trainer.get("name") != "Sampled" or trainer.get("learned_variance") or not is_timed(spectrum):
        return ""
    rule, updates, schedule = recorded(trainer, "optimizer", "updates", "learning_rate")
    loss = recorded_loss(case.scan)
    run = activation(
        spectrum,
        loss.at(loss.beta_at(limits.PLATEAU_WATCHED * spectrum.eigenvalues[k], spectrum)),
        learning_rate=rule["learning_rate"],
        updates=updates,
        momentum=rule.get("momentum", 0.0),
        optimizer="adam" if rule["name"] == "Adam" else "gradient descent",
        schedule=Schedule(**schedule),
    )
    return f" {run.warnings[int(np.count_nonzero(run.late[:k]))]}" if run.late[k] else ""


def unexplained(case: Case) -> Finding:
    """Return what can be said where no other cause shows."""
    away = np.abs(case.result.exponent - 1) > limits.EXPONENT_ERROR  # False where there is no exponent
    if bent := [k for k in case.modes_with("disagrees") if away[k]]:
        return alarm(
            "law",
            f"The branch of {listed(bent, 'mode')} is not a straight line although training had come to rest: encoder "
            "or decoder are not linear, or the posterior is not the Gaussian one of the theory.",
            evidence={"source": "inferred", "modes": [k + 1 for k in bent]},
        )
    advice = "Check that the spectrum is that of the very data (and scale) that were trained on."
    return alarm("unexplained", "No common cause shows.", advice, {"source": "inferred"})
