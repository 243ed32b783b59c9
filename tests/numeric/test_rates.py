"""β for a rate and for a codebook, against the equilibrium at that β, and what a codebook really does."""

import numpy as np
import pytest
from scipy.optimize import brentq

import landau_vae as lv

FIVE = lv.Spectrum.from_eigenvalues([4.0, 2.0, 1.0, 0.5, 0.1])
LOSSES = [
    lv.Loss.gaussian(),
    lv.Loss.gaussian(reconstruction="mean", half=False, latents=2),
    lv.Loss.gaussian(kl="mean", latents=4),
    lv.Loss.gaussian(decoder_variance="learned", latents=3),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.formula)
@pytest.mark.parametrize("rate", [0.1, 1.0, 4.0])
def test_the_model_has_the_rate_at_that_beta(loss, rate):
    choice = lv.choose_beta(FIVE, loss, rate=rate)

    def excess(log):
        return float(lv.equilibrium(FIVE, loss.at(np.exp(log))).total_rate) - rate

    # Bisection of the equilibrium in ln β, to 1e-12 of it.
    low = np.log(choice.beta) - 0.1
    assert np.log(choice.beta) == pytest.approx(brentq(excess, low, low + 0.3, xtol=1e-13), abs=1e-9)
    assert choice.interval == (choice.beta, choice.beta)
    assert "does too" not in choice.summary()


def test_units_of_a_rate():
    loss = lv.Loss.gaussian()
    nats = lv.choose_beta(FIVE, loss, rate=5 * np.log(2)).beta
    assert lv.choose_beta(FIVE, loss, rate=5, unit="bits").beta == pytest.approx(nats)
    assert lv.choose_beta(FIVE, loss, rate=1, unit="bits per dimension").beta == pytest.approx(nats)
    assert lv.choose_beta(FIVE, loss, codes=32).beta == pytest.approx(nats)


def test_which_modes_a_codebook_carries():
    """1024 codes are ln 1024 = 6.93 nats: all five modes, since mode 5 begins at ½ ln(4 · 2 · 1 · ½/0.1⁴) = 5.30."""
    assert int(lv.choose_beta(FIVE, lv.Loss.gaussian(), codes=1024).equilibrium.active) == 5
    assert int(lv.choose_beta(FIVE, lv.Loss.gaussian(), codes=200).equilibrium.active) == 4
    assert int(lv.choose_beta(FIVE, lv.Loss.gaussian(), codes=2).equilibrium.active) == 2


@pytest.mark.slow
def test_a_codebook_of_gaussian_rows_leaves_no_less(rng):
    """k-means of Gaussian rows: at best the distortion of the rate ln N, and modes beyond those left as they are."""
    from scipy.cluster.vq import kmeans2

    x = rng.normal(size=(40_000, 5)) * np.sqrt(FIVE.eigenvalues)
    for codes in (2, 8, 32):
        book, which = kmeans2(x, codes, minit="++", seed=1)
        left = np.mean((x - book[which]) ** 2, axis=0)
        state = lv.choose_beta(FIVE, lv.Loss.gaussian(), codes=codes).equilibrium
        assert left.sum() > float(state.total_distortion) * FIVE.total_variance
        beyond = int(state.active)
        # Finite books leave more: by less than a half here, and nearly all of the modes beyond.
        assert left.sum() < 1.5 * float(state.total_distortion) * FIVE.total_variance
        assert np.all(left[beyond:] > 0.9 * FIVE.eigenvalues[beyond:])


def test_constrained_losses_and_other_refusals():
    hinge = lv.Loss.gaussian().constrained("hinge", 2.0)
    assert lv.choose_beta(FIVE, hinge, keep=3).interval == (0.5, np.inf)  # from β = 0.5 on always three
    assert "any β from 0.5 on does too" in lv.choose_beta(FIVE, hinge, keep=3).summary()
    with pytest.raises(lv.OutsideTheory, match="constraint keeps the price at most"):
        lv.choose_beta(FIVE, hinge, rate=1.0)
    with pytest.raises(lv.OutsideTheory, match="β has no part in the price"):
        lv.choose_beta(FIVE, hinge.constrained("target", 1.0), rate=1.0)
    with pytest.raises(lv.OutsideTheory, match="lost in rounding"):
        lv.choose_beta(FIVE, lv.Loss.gaussian(), rate=1e3)
    cut = lv.Spectrum.from_data(np.random.default_rng(0).normal(size=(60, 9)) * np.arange(1, 10), modes=3)
    with pytest.raises(lv.OutsideTheory, match="beyond the 3 that were kept"):
        lv.choose_beta(cut, lv.Loss.gaussian(), rate=9.0)


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ({"rate": 0.0}, "rate"), ({"rate": -1}, "rate"), ({"codes": 0}, "codes"), ({"codes": 1}, "codes"),
        ({"codes": 2.5}, "codes"), ({"rate": 1.0, "codes": 2}, None), ({"rate": 1.0, "unit": "bit"}, "unit"),
        ({"keep": 1, "unit": "bits"}, "unit"), ({"rate": 1.0, "reconstruction": "mean"}, "reconstruction"),
    ],
)  # fmt: skip
def test_bad_questions(asked, argument):
    with pytest.raises(lv.InputError) as raised:
        lv.choose_beta(FIVE, lv.Loss.gaussian(), **asked)
    assert raised.value.argument == argument
