"""The findings of a diagnosis: each rule looks for one cause and returns a `Finding`, or None.

`data`: the data are not those of the model, or too few. `price`: the price is too high, or another one than stated.
`training`: the run is not over, or the KL is not the one of the theory. `latents`: what the latents encode.
"""

from collections.abc import Callable, Mapping

from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.findings import data, latents, price, training
from landau_vae.findings import Finding, by_severity

#: What each code means, in a line.
CODES: Mapping[str, str] = {
    "rows-mismatched": "The posteriors do not belong to these rows.",
    "kl-off": "The KL term has no effect on the model.",
    "price-too-high": "All latents collapsed, and at this price the collapsed state is stable.",
    "lower-price": "The model was trained at a lower price than its loss states.",
    "higher-price": "The model was trained at a higher price than its loss states.",
    "decoder-mismatch": "The decoder does not reconstruct these data.",
    "free-bits": "The KL costs nothing up to a limit.",
    "not-converged": "Training has not converged.",
    "should-be-active": "Latents are inactive that should be active.",
    "active-below-threshold": "Latents are active that should be inactive.",
    "fits-noise": "Latents encode sampling noise.",
    "mixed": "Latents share modes that are not degenerate.",
    "rotated": "Latents are rotated within modes that are nearly degenerate.",
    "nonlinear": "The model is nonlinear, so that the theory is approximate.",
    "superfluous": "There are more latents than modes that are worth encoding.",
    "as-predicted": "Modes are encoded as the spectrum predicts.",
    "binary-data": "The data are zeros and ones, but the loss is a squared error.",
    "few-rows": "There are few rows per feature.",
}

# What an earlier rule explains, a later one does not report again: the order is that of the causes.
RULES: tuple[Callable[[Comparison], Finding | None], ...] = (
    data.rows_mismatched, price.kl_off, price.price_too_high, price.other_price, data.decoder_mismatch,
    price.free_bits, training.not_converged, training.should_be_active, latents.active_below_threshold,
    data.fits_noise, latents.mixed, latents.rotated, latents.nonlinear, latents.superfluous, latents.as_predicted,
    data.binary_data, data.few_rows,
)  # fmt: skip


def find(comparison: Comparison) -> tuple[Finding, ...]:
    """Return all findings, alarms first."""
    return by_severity([rule(comparison) for rule in RULES])
