"""The likelihoods of scvi-tools: softmax over genes, times the total of the cell, which the decoder is given."""

from collections.abc import Mapping
from typing import Any

from landau_vae.errors import InputError
from landau_vae.likelihoods import POISSON, Likelihood, dispersed, negative_binomial, sized, zero_inflated

FITTED = {"zinb": dispersed(True), "nb": dispersed(), "poisson": POISSON}
OF_NUMBERS = {"zinb": zero_inflated, "nb": negative_binomial}


def counts_of(given: Mapping[str, Any]) -> Likelihood:
    """Return the likelihood by gene_likelihood ("zinb") and dispersion: "gene", "gene-cell", or θ of a trained model.

    >>> counts_of({}).name, counts_of({"gene_likelihood": "nb", "dispersion": 2.0}).name
    ('total(fitted-zero-inflated)', 'total(negative-binomial(2))')
    """
    kind, dispersion = given.get("gene_likelihood") or "zinb", given.get("dispersion")
    if dispersion is not None and kind not in OF_NUMBERS:
        raise InputError(f"A {FITTED[kind].title} likelihood has no dispersion: leave it out.", "dispersion")
    if dispersion is None or (isinstance(dispersion, str) and dispersion == "gene"):
        return sized(FITTED[kind])
    if not isinstance(dispersion, str):
        return sized(OF_NUMBERS[kind](dispersion))
    if dispersion != "gene-cell":
        expected = "'gene', 'gene-cell' or numbers θ are expected (of one batch or label, 'gene' is the same)"
        raise InputError(f"dispersion is {dispersion!r}, but {expected}.", "dispersion")
    return sized(dispersed(kind == "zinb", per_feature=False))
