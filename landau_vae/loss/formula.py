"""A loss in words: its formula, how its β became a price, and what that β is in another loss."""

from typing import TYPE_CHECKING

from landau_vae.display import significant

if TYPE_CHECKING:
    from landau_vae.loss.loss import Loss
    from landau_vae.spectrum.spectrum import Spectrum

__all__ = ["ERRORS", "explain", "formula", "translation"]

ERRORS = {"gaussian": "(x − x̂)²", "bernoulli": "BCE(x, x̂)", "poisson": "−ln Poisson(x; x̂)", "family": "−ln p(x | x̂)"}
CHARGED = {
    "gaussian": "squared unit",
    "bernoulli": "nat of cross-entropy",
    "poisson": "nat of −ln p",
    "family": "nat of −ln p",
}


def formula(loss: "Loss") -> str:
    """The loss of one sample."""
    reduction = "mean" if loss.reconstruction == "mean" else "Σ"
    factor = "" if loss.reconstruction_weight == 1.0 else f"{significant(loss.reconstruction_weight)} "
    gap = "" if loss.likelihood == "gaussian" else " "
    errors = f"{factor}{'½ ' if loss.half else ''}{reduction}{gap}{loss.likelihood.term}"
    if loss.learned:
        errors += "/σ², σ² learned,"
    elif loss.decoder_variance != 1.0:
        errors += f"/{significant(float(loss.decoder_variance))}"
    weight = "" if loss.kl_weight == 1.0 else f"{significant(loss.kl_weight)} "
    return f"{errors} + {weight}β {'mean' if loss.kl == 'mean' else 'Σ'} KL"


def explain(loss: "Loss", spectrum: "Spectrum") -> str:
    """How β became a price, and what was found of a measured loss."""
    a, per_beta = loss.weights(spectrum.dimension)[0], loss.price_per_beta(spectrum)
    size = f"d = {spectrum.dimension}" + (f", K = {loss.latents}" if loss.kl == "mean" else "")
    weight = "β" if loss.kl_weight == 1.0 else f"{significant(loss.kl_weight)} β"
    divided = "b/2a" if loss.likelihood == "gaussian" else "b/a"
    text = (
        f"The loss {loss.formula} charges a = {significant(a)} per {loss.likelihood.unit}"
        f"{'/σ²' * loss.learned} and b = {weight}{'/K' if loss.kl == 'mean' else ''} per nat ({size}),\n"
        f"so τ = {divided} = {significant(per_beta)} β{' σ²' * loss.learned}"
    )
    notes = "\n" + " ".join(loss.notes) if loss.notes else ""
    if loss.likelihood != "gaussian":
        name = "this" if loss.likelihood == "family" else f"a {loss.likelihood.title}"
        notes += f"\nOf {name} decoder the first threshold is exact; later ones are those seen from collapse."
    if loss.beta.ndim:
        return f"{text}.{notes}"
    tau = float(loss.price(spectrum))
    more = f"T = τ/V = {significant(tau / spectrum.total_variance)}"
    if loss.learned:
        more += f", σ² = {significant(tau / (per_beta * float(loss.beta)))}"
    return f"{text}: {significant(tau)} at β = {significant(float(loss.beta))} ({more}).{notes}"


def translation(loss: "Loss", other: "Loss", known: "Spectrum") -> str:
    """What β of one loss is in the other."""
    there = loss.equivalent(other, known)
    here, tau = significant(float(loss.beta)), significant(float(loss.price(known)))
    sizes = [f"d = {known.dimension}"] + [f"K = {each.latents}" for each in (loss, other) if each.kl == "mean"]
    return (
        f"{loss.knob} = {here} in {_called(loss)} is {other.knob} = {significant(float(there.beta))} "
        f"in {_called(other)} ({', '.join(dict.fromkeys(sizes))}): τ = {tau}."
    )


def _called(loss: "Loss") -> str:
    return loss.formula if loss.name in (None, "measured") else loss.name
