"""Why trained models and theory may part: likely causes, from the evidence that a scan carries.

Each cause is looked for by a trace of its own: prices that were not those of the temperatures, thresholds that are all
off by one factor, latents still moving or waiting when the run ended, a decoder that does not do what its matrix says,
data with another covariance. What is *recorded* (the trainer's settings) is told apart from what is *inferred*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.numeric.activation import activation
from landau_vae.results import Array, listed, significant
from landau_vae.spectrum import Spectrum
from landau_vae.training.ending import DIVERGED
from landau_vae.verification.branches import Branches
from landau_vae.verification.record import learning_rate_schedule, trained_loss, trained_with

if TYPE_CHECKING:
    import xarray

__all__ = ["Cause", "Evidence", "find_causes"]

COMMON = 0.05  # spread of the factor between measured and predicted thresholds, up to which it is one factor
NEAR = 0.05  # relative distance at which a factor is recognised as one of the conventions'
WATCHED = 0.3  # T/T_k at which a mode is watched leaving the plateau
CROOKED = 0.02  # relative difference of the distortion from that of a linear decoder with the same matrix


@dataclass(frozen=True)
class Cause:
    """One likely cause."""

    code: str  #: a word for programs, such as "wrong-convention"
    sentence: str  #: for people
    recorded: bool  #: whether the trainer's own record says so; otherwise it is inferred from the models

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, eq=False)
class Evidence:
    """What causes are looked for in."""

    scan: "xarray.Dataset"
    spectrum: Spectrum
    branches: Branches
    ratio: Array  #: measured over predicted thresholds, (modes,), NaN where there is none
    error: Array  #: standard error of the ratio, (modes,)
    exponent: Array  #: p of the law, (modes,)
    verdict: tuple[str, ...]
    tolerance: float

    @property
    def trainer(self) -> dict[str, Any]:
        """The trainer's settings, as far as the scan tells them."""
        return trained_with(self.scan)


def find_causes(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes that show, the surest first."""
    looks: list[Callable[[Evidence], Cause | None]] = [
        _diverged, _beta_schedule, _other_likelihood, _nonlinear, _weight_decay, _other_data, _convention, _ended_early,
    ]  # fmt: skip
    found = [cause for look in looks if (cause := look(evidence)) is not None]
    if any(cause.code in ("beta-schedule", "weight-decay", "other-data") for cause in found):
        found = [cause for cause in found if cause.code != "wrong-convention"]  # the same shift, already explained
    if not found and "disagrees" in evidence.verdict:
        found.append(_unexplained(evidence))
    return tuple(found)


def _diverged(evidence: Evidence) -> Cause | None:
    if "status" not in evidence.scan:
        return None
    lost = int(np.count_nonzero(evidence.scan.status.values == DIVERGED))
    if not lost:
        return None
    return Cause(
        "diverged",
        f"{lost} of {evidence.scan.status.size} models diverged: the learning rate is too large for these data.",
        recorded=True,
    )


def _beta_schedule(evidence: Evidence) -> Cause | None:
    """β as it stood at the end, against the one that belongs to the temperature."""
    scan = evidence.scan
    if "price" not in scan or evidence.trainer.get("learned_variance") or _decoder(evidence) == "bernoulli":
        return None
    factor = (scan.price / (scan.temperature * scan.attrs["total_variance"])).values
    factor = factor[np.isfinite(factor)]
    if factor.size == 0 or np.abs(factor - 1).max() <= evidence.tolerance:
        return None
    low, high = significant(float(factor.min()), 3), significant(float(factor.max()), 3)
    shown = low if low == high else f"{low} to {high}"
    points = evidence.trainer.get("beta", {}).get("points")
    advice = "let the schedule reach 1 and stay there, or compare at the β it ended at"
    if points and points[-1][1] == 1:  # it did
        advice = "the β schedule itself ends at 1, so it is the temperatures that have been relabelled"
    return Cause(
        "beta-schedule",
        f"β ended at {shown} times its target, so the models are those of other temperatures than they are "
        f"labelled with: {advice}.",
        recorded=True,
    )


def _other_likelihood(evidence: Evidence) -> Cause | None:
    if _decoder(evidence) != "bernoulli":
        return None
    return Cause(
        "bernoulli",
        "The decoder is a Bernoulli one: only the first threshold is that of a spectrum (of the data's correlation "
        "matrix, if they are binary); the others shift once a latent lives.",
        recorded=True,
    )


def _nonlinear(evidence: Evidence) -> Cause | None:
    """A linear decoder with the recorded matrix would reconstruct otherwise."""
    scan, measured = evidence.scan, evidence.branches
    if _decoder(evidence) == "bernoulli" or "distortion" not in scan:
        return None
    data = scan.sortby("temperature").transpose("seed", "temperature", ...)
    told = data.distortion.values * scan.attrs["total_variance"]
    with np.errstate(invalid="ignore", over="ignore"):
        crooked = np.abs((told - _offset(data)) / measured.models.distortion - 1)
    crooked = crooked[np.isfinite(crooked)]
    far = float(np.quantile(crooked, 0.75)) if crooked.size else 0.0
    if far <= CROOKED:
        return None
    if evidence.trainer.get("decoder") == "gaussian":
        return Cause(
            "changed",
            "The distortions on record are not those of these weights, although the decoder was a linear one: weights, "
            "or the order of features or latents, have been changed since training.",
            recorded=False,
        )
    return Cause(
        "nonlinear",
        f"The decoder is not linear: of every fourth model the distortion differs by more than {far:.2g} times itself "
        "from that of a linear decoder with the same weights, and the theory's lines are exact for linear ones only.",
        recorded=False,
    )


def _offset(data: "xarray.Dataset") -> Array:
    """‖W e + b‖², (seeds, temperatures): what biases e, b that noise has driven off add to the distortion, data²."""
    shift = np.zeros(data.decoder.shape[:2])[..., None]
    if "encoder_bias" in data:
        decoder = data.decoder.transpose(..., "feature", "latent").values
        shift = np.einsum("stpk,stk->stp", decoder, data.encoder_bias.values)
    if "decoder_bias" in data:
        shift = shift + data.decoder_bias.values
    return np.asarray(np.square(shift).sum(axis=-1))


def _weight_decay(evidence: Evidence) -> Cause | None:
    rule = evidence.trainer.get("optimizer", {})
    decay = float(rule.get("weight_decay", 0.0))
    told = {"disagrees", "not resolved"}
    told |= {"not converged"} if rule.get("decoupled") else set()  # what a model has to go knows of coupled decay only
    touched = [k for k, verdict in enumerate(evidence.verdict) if verdict in told]
    if not decay or not touched:
        return None
    gamma = decay / (2 * trained_loss(evidence.trainer).weights(evidence.spectrum.dimension)[0])
    shift = gamma * (1 + 1 / np.square(evidence.spectrum.eigenvalues[touched]))  # of τ_c = λ/(1 + γ) − γ/λ, relative
    if shift.max() <= evidence.tolerance:
        return None
    return Cause(
        "weight-decay",
        f"Weight decay ({significant(decay)}) moves thresholds down and adds to every price: "
        "numeric.weight_decay has them (of coupled decay), or train without.",
        recorded=True,
    )


def _other_data(evidence: Evidence) -> Cause | None:
    """The covariance that was trained on, against the one that is compared with."""
    if "covariance" not in evidence.scan or "disagrees" not in evidence.verdict:
        return None
    own = Spectrum.from_covariance(evidence.scan.covariance.values)
    modes = min(own.modes, evidence.spectrum.modes)
    off = np.abs(own.normalized[:modes] / evidence.spectrum.normalized[:modes] - 1)
    failed = [k for k, verdict in enumerate(evidence.verdict) if verdict == "disagrees" and k < modes]
    if not failed or off[failed].min() <= evidence.tolerance:
        return None
    worst = failed[int(np.argmax(off[failed]))]
    return Cause(
        "other-data",
        f"The models were trained on data with another spectrum (mode {worst + 1} has "
        f"λ/V = {significant(own.normalized[worst])} there, {significant(evidence.spectrum.normalized[worst])} in the "
        "one compared with): give the spectrum of the training set, scaled as it was for training.",
        recorded=True,
    )


def _convention(evidence: Evidence) -> Cause | None:
    """All thresholds are off by one factor."""
    known = np.isfinite(evidence.ratio) & (evidence.ratio > 0)  # a line of noise may end anywhere
    if np.count_nonzero(known) < 2 or "disagrees" not in evidence.verdict:
        return None
    ratio = evidence.ratio[known]
    factor = float(np.exp(np.mean(np.log(ratio))))
    noise = np.nan_to_num(evidence.error[known] / ratio)
    spread = np.abs(np.log(ratio / factor))
    if np.any(spread > COMMON + 3 * noise) or abs(factor - 1) <= 2 * max(evidence.tolerance, spread.max()):
        return None
    d, latents = evidence.scan.sizes["feature"], evidence.scan.sizes["latent"]
    meaning = _convention_of(1 / factor, d, latents)
    return Cause(
        "wrong-convention",
        f"Every threshold is {significant(factor, 4)} times its prediction: in training a nat had "
        f"{significant(1 / factor, 4)} times the price that the temperatures say{meaning}.",
        recorded=False,
    )


def _convention_of(factor: float, d: int, latents: int) -> str:
    """What a factor in the price looks like."""
    half = "a ½ that the squared error has in one place and not in the other"
    features, kl = f"a mean over the {d} features in place of a sum", f"a mean over the {latents} latents"
    known = [
        (2.0, half), (0.5, half),
        (d, features), (d / 2, f"{features}, without the ½"), (2 * d, f"{features}, and a ½"),
        (1 / d, f"a sum over the {d} features in place of a mean"), (2 / d, f"a sum over the {d} features, and a ½"),
        (1 / latents, f"{kl} of the KL in place of a sum"), (latents, f"a sum over the {latents} latents of the KL"),
        (d / latents, f"{features}, and {kl} of the KL"),
    ]  # fmt: skip
    near = [name for value, name in known if abs(np.log(factor / value)) <= NEAR and value != 1]
    if not near:
        return ": the KL weight, or β at the end of training, is not what was assumed"
    return f", as by {' or '.join(dict.fromkeys(near))}"


def _ended_early(evidence: Evidence) -> Cause | None:
    """Latents that moved or waited when the run ended."""
    late = [k for k, verdict in enumerate(evidence.verdict) if verdict == "not converged"]
    if not late:
        return None
    scan = evidence.scan
    waiting = int(np.count_nonzero(scan.waiting.values > 0)) if "waiting" in scan else 0
    lost = int(np.count_nonzero(scan.status.values == DIVERGED)) if "status" in scan else 0
    moving = int(np.count_nonzero(~scan.converged.values)) - waiting - lost
    length = f" ({int(scan.updates.values.max())} updates)" if "updates" in scan else ""
    parts = [f"{waiting} had latents that were still to wake"] * (waiting > 0)
    parts += [f"{moving} had latents that were still moving"] * (moving > 0)
    return Cause(
        "ended-early",
        f"Training{length} ended before mode{'s' * (len(late) > 1)} {listed(late)} had settled: of "
        f"{scan.converged.size} models {' and '.join(parts) or 'none was at rest'}; train longer"
        f"{_faster(evidence)}.{_plateau(evidence, late[0])}",
        recorded=False,
    )


def _faster(evidence: Evidence) -> str:
    """What else would help a run that ended early: not a larger learning rate where it was too large already."""
    points = evidence.trainer.get("learning_rate", {}).get("points", [[1.0, 0.0]])
    if points[-1][1] > 0:  # noise moves latents as slowness does
        return ", or let the learning rate fall to 0 at the end"
    return "" if _diverged(evidence) else ", or with a larger learning rate"


def _plateau(evidence: Evidence, k: int) -> str:
    """What is known of how long mode k needs to leave the plateau, if it is more than the run had."""
    how, spectrum = evidence.trainer, evidence.spectrum
    if how.get("name") != "Sampled" or how["decoder"] != "gaussian" or how["learned_variance"]:
        return ""
    rule, loss = how["optimizer"], trained_loss(how).with_latents(evidence.scan.sizes["latent"])
    found = activation(
        spectrum,
        loss.at(loss.beta_at(WATCHED * spectrum.eigenvalues[k], spectrum)),
        learning_rate=rule["learning_rate"],
        updates=how["updates"],
        momentum=rule.get("momentum", 0.0),
        optimizer="adam" if rule["name"] == "Adam" else "gradient descent",
        schedule=learning_rate_schedule(how),
    )
    return f" {found.warnings[int(np.count_nonzero(found.late[:k]))]}" if found.late[k] else ""


def _unexplained(evidence: Evidence) -> Cause:
    bent = [
        str(k + 1)
        for k, p in enumerate(evidence.exponent)
        if evidence.verdict[k] == "disagrees" and np.isfinite(p) and abs(p - 1) > 0.1
    ]
    if bent:
        return Cause(
            "law",
            f"The branch of mode {', '.join(bent)} is no straight line although training had come to rest: encoder or "
            "decoder are not linear, or the posterior is not the Gaussian one of the theory.",
            recorded=False,
        )
    return Cause(
        "unexplained",
        "No common cause shows: is the spectrum that of the very data (and scale) that went into training?",
        recorded=False,
    )


def _decoder(evidence: Evidence) -> str:
    return str(evidence.trainer.get("decoder", "gaussian"))
