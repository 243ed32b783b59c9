"""From evidence to words: what is wrong, which evidence says so, and what to do about it."""

from collections.abc import Callable

from landau_vae.diagnosis.alarms import (
    decoder_mismatch,
    free_bits,
    kl_off,
    no_survivor,
    not_converged,
    other_price,
    rows_mismatched,
    should_live,
)
from landau_vae.diagnosis.evidence import Evidence, Finding
from landau_vae.diagnosis.remarks import (
    alive_though_dead,
    as_it_must,
    binary_data,
    few_rows,
    fits_noise,
    mixed,
    nonlinear,
    superfluous,
)

__all__ = ["find"]


def find(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, alarms first."""
    rules: list[Callable[[Evidence], Finding | None]] = [
        rows_mismatched, kl_off, no_survivor, other_price, decoder_mismatch, free_bits, not_converged, should_live,
        alive_though_dead, fits_noise, mixed, nonlinear, superfluous, as_it_must, binary_data, few_rows,
    ]  # fmt: skip
    found = [finding for rule in rules if (finding := rule(evidence)) is not None]
    return tuple(sorted(found, key=lambda finding: not finding.alarm))
