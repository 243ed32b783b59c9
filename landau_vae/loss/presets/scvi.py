"""The likelihoods of scvi-tools: softmax over genes, times the total of the cell, which the decoder is given."""

from collections.abc import Mapping
from typing import Any

from landau_vae.errors import InputError
from landau_vae.likelihoods import POISSON, Likelihood, dispersed, negative_binomial, sized, zero_inflated

OF_NUMBERS = {"zinb": zero_inflated, "nb": negative_binomial}


def counts_of(given: Mapping[str, Any]) -> Likelihood:
    """Return the likelihood by gene_likelihood ("zinb") and dispersion: "gene", "gene-cell", or θ of a trained model.

    >>> counts_of({}).name, counts_of({"gene_likelihood": "nb", "dispersion": 2.0}).name
    ('total(fitted-zero-inflated)', 'total(negative-binomial(2))')
    """
    kind, dispersion = given.get("gene_likelihood") or "zinb", given.get("dispersion")
    if kind not in OF_NUMBERS:  # Poisson
        if dispersion is not None:
            raise InputError("A Poisson likelihood has no dispersion: leave it out.", "dispersion")
        return sized(POISSON)
    if dispersion is not None and not isinstance(dispersion, str):
        return sized(OF_NUMBERS[kind](dispersion))
    if dispersion not in (None, "gene", "gene-cell"):
        expected = "'gene', 'gene-cell' or numbers θ are expected (of one batch or label, 'gene' is the same)"
        raise InputError(f"dispersion is {dispersion!r}, but {expected}.", "dispersion")
    return sized(dispersed(kind == "zinb", per_feature=dispersion != "gene-cell"))
