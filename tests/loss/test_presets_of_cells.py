"""scvi-tools: the loss as its code computes it, with distributions of SciPy, against what the preset says of it."""

import numpy as np
import pytest
from conftest import CLOSED
from scipy.special import log_expit, softmax
from scipy.stats import nbinom, poisson

import landau_vae as lv
from landau_vae import InputError, Loss

GENES, CELLS, LATENTS = 5, 40, 3


def scvi_tools(x, px_scale, px_r, px_dropout, qz, kl_weight, gene_likelihood):
    """VAE.loss: px_rate = exp(library) · softmax, library = log x.sum(1), px_r = θ; the KL is summed over latents."""
    px_rate = np.exp(np.log(x.sum(axis=1, keepdims=True))) * softmax(px_scale, axis=-1)
    log_prob = poisson.logpmf(x, px_rate)
    if gene_likelihood != "poisson":
        log_prob = nbinom.logpmf(x, px_r, px_r / (px_r + px_rate))
    if gene_likelihood == "zinb":
        none = np.where(x == 0, log_expit(px_dropout), -np.inf)
        log_prob = np.logaddexp(none, log_expit(-px_dropout) + log_prob)
    mean, std = qz
    kl = ((mean**2 + std**2 - 1) / 2 - np.log(std)).sum(axis=-1)
    return np.mean(-log_prob.sum(axis=-1) + kl_weight * kl)


WRITTEN = {"scvi-tools": scvi_tools}
KINDS = ("zinb", "nb", "poisson")


@pytest.fixture
def cells(rng):
    x = rng.negative_binomial(2.0, 0.3, (CELLS, GENES)).astype(float)
    x[:, 0] += x.sum(axis=1) == 0
    return x


@pytest.mark.parametrize("kind", KINDS)
def test_the_written_loss_is_that_of_the_preset(kind, cells, rng):
    """Of two sets of outputs, the error by its likelihood, the KL by its weight; what x alone has is left out."""
    theta = rng.uniform(0.5, 5, GENES)
    loss = Loss.preset("scvi-tools", 0.7, gene_likelihood=kind, dispersion=None if kind == "poisson" else theta)
    written, priced = [], []
    for _ in range(2):
        scale, dropout = rng.standard_normal((2, CELLS, GENES))
        mean, std = rng.standard_normal((CELLS, LATENTS)), rng.uniform(0.1, 1, (CELLS, LATENTS))
        written.append(scvi_tools(cells, scale, theta, dropout, (mean, std), 0.7, kind))
        output = np.concatenate([scale, dropout], axis=1) if kind == "zinb" else scale
        a, b = loss.weights(GENES)
        rate = ((mean**2 + std**2 - 1) / 2 - np.log(std)).sum(axis=1).mean()
        priced.append(a * loss.likelihood.row_value(cells, output).mean() + b * rate)
    assert priced[0] - priced[1] == pytest.approx(written[0] - written[1], rel=CLOSED)
    assert loss.knob == "kl_weight"


@pytest.mark.parametrize("kind", ["zinb", "nb"])
def test_a_dispersion_of_each_cell_is_an_output(kind, cells, rng):
    loss, values = Loss.preset("scvi-tools", gene_likelihood=kind, dispersion="gene-cell"), []
    for _ in range(2):
        scale, dropout, log_r = rng.standard_normal((3, CELLS, GENES))
        written = scvi_tools(
            cells, scale, np.exp(log_r), dropout, (np.zeros((CELLS, 1)), np.ones((CELLS, 1))), 1.0, kind
        )
        output = np.concatenate([scale, *[dropout] * (kind == "zinb"), log_r], axis=1)
        values.append((written, loss.likelihood.row_value(cells, output).mean()))
    (one, first), (two, second) = values
    assert first - second == pytest.approx(one - two, rel=CLOSED)


def test_a_trained_dispersion_is_found_with_the_collapsed_state():
    """The spectrum with θ found is that with the same θ given; one of each cell has scores of its own."""
    x = lv.datasets.counts(500, 8, factors=1).table
    for kind in ("zinb", "nb"):
        loss = Loss.preset("scvi-tools", gene_likelihood=kind)
        found = lv.spectrum.score(x, loss)
        assert float(loss.price(found)) == 1.0
        given = lv.spectrum.score(x, loss.likelihood.settled(x))
        np.testing.assert_allclose(found.eigenvalues[:3], given.eigenvalues[:3], rtol=1e-4)  # both fit, one after θ
        varying = lv.spectrum.score(x, Loss.preset("scvi-tools", gene_likelihood=kind, dispersion="gene-cell"))
        assert varying.eigenvalues[0] >= found.eigenvalues[0] * (1 - 1e-6)  # the decoder can do more


def test_what_it_takes():
    assert Loss.preset("scvi-tools").likelihood == Loss.preset("scvi-tools", gene_likelihood="zinb").likelihood
    assert Loss.preset("scvi-tools", dispersion="gene").likelihood == Loss.preset("scvi-tools").likelihood
    for options, words in (
        ({"gene_likelihood": "normal"}, "'zinb', 'nb' or 'poisson' is expected"),
        ({"dispersion": "gene-batch"}, "'gene', 'gene-cell' or numbers"),
        ({"dispersion": -1.0}, "one positive number is expected"),
        ({"gene_likelihood": "poisson", "dispersion": 2.0}, "has no dispersion"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            Loss.preset("scvi-tools", **options)
        assert caught.value.argument in options
    with pytest.raises(InputError, match="gene_likelihood belongs to scvi-tools, not to pythae"):
        Loss.preset("pythae", gene_likelihood="nb")
