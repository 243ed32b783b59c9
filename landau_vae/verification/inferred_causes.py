"""Causes that are inferred from the models: what their thresholds, distortions and unrest have in common."""

from typing import TYPE_CHECKING

import numpy as np

from landau_vae.display import Array, listed, significant
from landau_vae.loss.slips import slips_that_make
from landau_vae.numeric.plateau_activation import activation
from landau_vae.verification.evidence import Cause, Evidence
from landau_vae.verification.record import learning_rate_schedule, trained_loss

if TYPE_CHECKING:
    import xarray

__all__ = ["convention", "ended_early", "nonlinear", "one_seed", "unexplained"]

COMMON = 0.05  # spread of the factor between measured and predicted thresholds, up to which it is one factor
WATCHED = 0.3  # T/T_k at which a mode is watched leaving the plateau
ODD = 0.2  # relative distance from the median over seeds at which a threshold is another one
RESTED = 0.8  # share of a seed's latents that have to be at rest for it to be told from one that ended early
CROOKED = 0.02  # relative difference of the distortion from that of a linear decoder with the same matrix


def nonlinear(evidence: Evidence) -> Cause | None:
    """A linear decoder with the recorded matrix would reconstruct otherwise."""
    scan, measured = evidence.scan, evidence.branches
    if evidence.decoder == "bernoulli" or "distortion" not in scan:
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


def convention(evidence: Evidence) -> Cause | None:
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
    sizes = evidence.scan.sizes
    matches = slips_that_make(1 / factor, sizes["feature"], sizes["latent"])
    meaning = ": the KL weight, or β at the end of training, is not what was assumed"
    if matches:
        meaning = f", as that of a loss with {' or with '.join(slip.words for slip in matches[:2])}"
    return Cause(
        "wrong-convention",
        f"Every threshold is {significant(factor, 4)} times its prediction: in training a nat had "
        f"{significant(1 / factor, 4)} times the price that the temperatures say{meaning}.",
        recorded=False,
    )


def one_seed(evidence: Evidence) -> Cause | None:
    """A seed whose branches end elsewhere than those of the others, or nowhere."""
    modes = len(evidence.verdict)
    ends = evidence.branches.lines[:, :modes, 0]
    known = np.count_nonzero(np.isfinite(ends), axis=0) >= max(3, len(ends) - 1)  # in all others, at least
    if len(ends) < 4 or not known.any() or set(evidence.verdict) <= {"agrees", "outside the grid"}:
        return None
    middle = np.nanmedian(ends[:, known], axis=0)
    away = ~(np.abs(ends[:, known] / middle - 1) <= ODD)
    odd = np.flatnonzero(away.mean(axis=1) > 0.5)
    if len(odd) != 1 or evidence.branches.at_rest[odd[0], :, :modes].mean() < RESTED:
        return None
    seed = int(evidence.scan.seed.values[odd[0]])
    return Cause(
        "one-seed",
        f"Seed {seed} differs from all others: its branches end elsewhere, or nowhere. Look at its models by "
        f"themselves, or compare without it (scan.drop_sel(seed={seed})).",
        recorded=False,
    )


def ended_early(evidence: Evidence) -> Cause | None:
    """Latents that moved or waited when the run ended."""
    late = [k for k, verdict in enumerate(evidence.verdict) if verdict == "not converged"]
    if not late:
        return None
    scan = evidence.scan
    waiting = int(np.count_nonzero(scan.waiting.values > 0)) if "waiting" in scan else 0
    moving = int(np.count_nonzero(~scan.converged.values)) - waiting - evidence.lost
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
    return "" if evidence.lost else ", or with a larger learning rate"


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


def unexplained(evidence: Evidence) -> Cause:
    """What is left to say where none of the others shows."""
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
