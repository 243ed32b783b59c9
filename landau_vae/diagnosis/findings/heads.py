"""Can the encoder give what the loss asks for? Diverged, frozen, one-sided or bounded posteriors, constant offsets."""

import numpy as np

from landau_vae import limits
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.display import counted, listed, significant
from landau_vae.findings import Finding, alarm, remark


def diverged(c: Comparison) -> Finding | None:
    """Find posteriors that are far wider than the prior."""
    if not c.diverged.size:
        return None
    variance, rate = c.posterior.variance[c.diverged], c.posterior.rate[c.diverged]
    several = c.diverged.size > 1
    return alarm(
        "diverged",
        f"{listed(list(c.diverged), 'Latent')} {'have' if several else 'has'} diverged: "
        f"{'their' if several else 'its'} posterior is far wider than the prior (σ² up to "
        f"{significant(float(variance.max()), 3)}) and {'they pay' if several else 'it pays'} "
        f"{significant(float(rate.sum()), 3)} nats for it. No optimum has σ² > 1.",
        "Lower the learning rate or clip gradients, clamp ln σ² in the encoder (to −20 … 2, say), and look for the "
        "update at which the KL jumps; scale the data to about unit variance.",
        {"latents": c.diverged + 1, "variance": variance, "rate": rate, "limit": limits.DIVERGED}
        | {"causes": ("diverged",)},
    )


def frozen_variance(c: Comparison) -> Finding | None:
    """Find a σ that is one number in all rows and latents."""
    q = c.posterior
    if not c.frozen:
        return None
    value = float(q.variance[0])
    spectrum = c.spectrum.eigenvalues[: q.latents]
    law = np.maximum(np.sqrt(spectrum / c.price) - 1, 0.0)
    return alarm(
        "frozen-variance",
        f"σ² is constant, {significant(value, 4)} in every row and latent: it was not trained, or its head cannot "
        "leave this value (a ReLU on the log-variance gives σ² = 1 throughout). Then ⟨μ²⟩ + ⟨σ²⟩ is not 1 at rest, "
        "and latents pay for a noise that they cannot lower: a linear model with σ² = 1 would have ⟨μ²⟩ = √(λ/τ) − "
        f"1 ({', '.join(significant(float(each), 3) for each in law[:3])}{', …' if len(law) > 3 else ''}).",
        f"If σ is fixed on purpose, state it: sampler=Sampler(variance={significant(value, 4)}). Else let "
        "the head be linear in ln σ², without an activation, and see that its weights are given to the optimiser and "
        "that its gradient is not stopped.",
        {"variance": value, "mean_square": q.mean_square, "expected_mean_square": law, "causes": ("frozen-variance",)},
    )


def bounded_variance(c: Comparison) -> Finding | None:
    """Find a head that cannot make posteriors narrower than the prior."""
    q = c.posterior
    if q.frozen or not c.is_active.any() or c.diverged.size or float(q.narrowest.min()) < 1 - limits.FROZEN:
        return None
    if c.loss.sampler.bounds[0] >= 1:  # it is stated
        return None
    return alarm(
        "bounded-variance",
        f"No σ² is below 1, in any row or latent (least {significant(float(q.narrowest.min()), 5)}), although "
        f"{counted(int(c.is_active.sum()), 'latent')} encode the rows by their means: the log-variance head cannot "
        "fall below 0, as with a softplus or a ReLU on it.",
        "Let the head be linear in ln σ² (no activation), or apply the softplus to σ itself and pass std=… . If it is "
        "to stay, state it: sampler=Sampler(least=1). Until then the price in effect cannot be read from widths, and "
        "each nat buys less than it should.",
        {"least": float(q.narrowest.min()), "second_moment": q.second_moment, "causes": ("softplus-head",)},
    )


def one_sided(c: Comparison) -> Finding | None:
    """Find means that are never negative."""
    q = c.posterior
    active = np.flatnonzero(c.is_active)
    if not active.size or not np.all(q.lowest[active] >= 0):
        return None
    return alarm(
        "one-sided-mean",
        f"No mean is negative in any row: μ of {listed(list(active), 'latent')} comes from a ReLU, a softplus or an "
        "exponential, and can use only half of the prior.",
        "Let the head of μ be linear, without an activation.",
        {"latents": active + 1, "causes": ("one-sided-mean",)},
    )


def offset(c: Comparison) -> Finding | None:
    """Find latents that pay nats for a mean that is the same in all rows."""
    q = c.posterior
    cost = q.offset**2 / 2
    paying = np.flatnonzero((cost > limits.OFFSET_COST) & (cost > limits.OFFSET_SHARE * q.rate))
    if not c.converged:  # active latents that are not at rest have offsets too
        paying = np.setdiff1d(paying, np.flatnonzero(c.is_active))
    untrained = c.collapsed and c.unstable_below > limits.SURELY_UNSTABLE * c.price
    if c.prices is not None:  # where the KL costs nothing, an offset does not either
        paying = np.setdiff1d(paying, c.prices.latent[c.prices.width < limits.NO_KL * c.price])
    if not paying.size or untrained:
        return None
    several = paying.size > 1
    return alarm(
        "offset",
        f"{listed(list(paying), 'Latent')} pay{'' if several else 's'} {significant(float(cost[paying].sum()), 3)} "
        "nats for a mean that is the same in all rows "
        f"({', '.join(significant(float(m), 3) for m in q.offset[paying][:4])}): it encodes nothing, and the "
        "decoder's bias can do the same for nothing.",
        "See that the bias of the mean head is trained (not frozen, not left out of the optimiser), that the prior is "
        "N(0, 1), and train longer: at rest the offset of a latent is 0.",
        {
            "latents": paying + 1,
            "offset": q.offset[paying],
            "cost": cost[paying],
            "causes": ("offset", "updates", "prior"),
        },
    )


def batch_norm(c: Comparison) -> Finding | None:
    """Find means that all have one variance, the inactive ones too."""
    q = c.posterior
    spread = q.mean_variance
    if not c.normalised:
        return None
    return remark(
        "normalised-mean",
        f"Var μ is {significant(float(spread.mean()), 3)} for every latent: a batch norm on the mean. It holds "
        "every latent active; ⟨μ²⟩ + ⟨σ²⟩ = 1 does not hold then, the price in effect by widths does.",
        "Judge its latents by their rate and utility, not by M².",
        {"mean_variance": spread, "causes": ("batch-norm",)},
    )
