"""Constraints on rate and distortion: prices in effect against direct minimisation of the losses, and bad input."""

import numpy as np
import pytest
from conftest import CLOSED
from scipy.optimize import brentq, minimize

import landau_vae as lv
from landau_vae.loss import Constraint

FIVE = [4.0, 2.0, 1.0, 0.5, 0.1]
MEAN_KINDS = ("hinge", "absolute", "square", "target", "distortion")
# SLSQP stops where its derivatives by differences are lost in rounding, near 1e-8 of the loss: prices are off by 1e-5.
MINIMISED = 1e-4


def spectrum(eigenvalues=FIVE):
    return lv.Spectrum.from_eigenvalues(eigenvalues)


def trained(loss, lam, K, seed):
    """Minimise a loss as its code would compute it, over E, W, ln s and a slack t; return R, D and the price by widths.

    Corners are inequalities: t ≥ R, t ≥ C for max(R, C), and t ≥ ±(R − C) for |R − C|.
    """
    rng, d, lam = np.random.default_rng(seed), len(lam), np.asarray(lam)
    c, beta, kind = loss.constraint, float(loss.beta), loss.constraint.kind
    unit = (0.5 if loss.half else 1.0) / (d if loss.reconstruction == "mean" else 1)
    averaged = K if loss.kl == "mean" else 1

    def parts(v):
        E, W, s = v[: K * d].reshape(K, d), v[K * d : 2 * K * d].reshape(d, K), np.exp(v[2 * K * d : -1])
        left = ((np.eye(d) - W @ E) ** 2 @ lam).sum() + (W**2 @ s).sum()
        rate = 0.5 * ((E**2 @ lam) + s - 1 - np.log(s)).sum() / averaged
        return unit * left, rate, (W**2 @ s).sum() / (1 - s).sum()

    def value(v):
        error, rate, _ = parts(v)
        return {"square": error + beta * (rate - c.value) ** 2, "target": error, "distortion": rate}.get(
            kind, error + beta * v[-1]
        )

    corners = {
        "hinge": [lambda v: v[-1] - parts(v)[1], lambda v: v[-1] - c.value],
        "absolute": [lambda v: v[-1] - parts(v)[1] + c.value, lambda v: v[-1] + parts(v)[1] - c.value],
        "target": [lambda v: c.value - parts(v)[1]],
        "distortion": [lambda v: c.value - parts(v)[0]],
    }
    limits = [{"type": "ineq", "fun": each} for each in corners.get(kind, [])]
    best = None
    for _ in range(3):
        start = rng.normal(size=2 * K * d + K + 1) * 0.5
        found = minimize(value, start, method="SLSQP", constraints=limits, options={"maxiter": 2000, "ftol": 1e-14})
        if best is None or found.fun < best.fun - 1e-9:
            best = found
    return parts(best.x)


@pytest.mark.parametrize("kind", MEAN_KINDS)
@pytest.mark.parametrize(
    ("latents", "beta", "value", "options"),
    [
        (3, 3.0, 1.2, {}),
        (2, 0.3, 0.9, {}),
        (3, 2.0, 0.7, {"kl": "mean", "reconstruction": "mean", "half": False}),
    ],
)
def test_the_price_in_effect_is_that_of_direct_minimisation(kind, latents, beta, value, options):
    lam = [4.0, 2.0, 1.0, 0.3]
    loss = lv.Loss.gaussian(beta, latents=latents, **options).constrained(kind, value)
    state = lv.equilibrium(spectrum(lam), loss)
    error, rate, price = trained(loss, lam, latents, seed=3)
    unit, _ = loss.weights(4)
    assert price == pytest.approx(float(state.price), rel=MINIMISED)
    averaged = latents if loss.kl == "mean" else 1
    assert rate * averaged == pytest.approx(float(state.total_rate), rel=MINIMISED)
    assert error / unit == pytest.approx(float(state.total_distortion) * sum(lam), rel=MINIMISED)
    charged = {"hinge": max(rate, value), "absolute": abs(rate - value), "square": (rate - value) ** 2}
    if kind in charged:
        # The loss is flat at its minimum; the corner is met to 1e-6 by SLSQP, at a slope of β.
        assert float(state.loss_value) == pytest.approx(error + beta * charged[kind], rel=1e-5)


def test_prices_that_were_derived_by_hand():
    """½ (ln 4 + ln 2 + ln 1 − 3 ln τ) = 2; with the square (R − C) · 2 · 5 = τ."""
    price = 8 ** (1 / 3) * np.exp(-4 / 3)
    for kind in ("hinge", "absolute", "target"):
        loss = lv.Loss.gaussian([0.1, 1.0, 100.0]).constrained(kind, 2.0)
        expected = [price if kind == "target" else 0.1, price, price]
        np.testing.assert_allclose(loss.price(spectrum()), expected, rtol=CLOSED)
    square = lv.Loss.gaussian(5.0).constrained("square", 2.0)
    tau = brentq(lambda t: 0.5 * (np.log(8) - 3 * np.log(t)) - 2 - t / 10, 0.3, 0.6, xtol=1e-15)
    assert float(square.price(spectrum())) == pytest.approx(tau, rel=CLOSED)
    assert (round(price, 4), round(tau, 4)) == (0.5272, 0.5096)


def test_squares_over_six_decades_solve_their_equation_and_come_back():
    lam = np.geomspace(10, 1e-4, 30)
    for K in (None, 1, 7):
        loss = lv.Loss.gaussian(np.geomspace(1e-4, 1e4, 41), latents=K).constrained("square", 3.0)
        state = lv.equilibrium(spectrum(lam), loss)
        np.testing.assert_allclose(2 * loss.beta * (state.total_rate - 3.0), state.price, rtol=1e-9)  # R − C cancels
        np.testing.assert_allclose(loss.beta_at(state.price, spectrum(lam)), loss.beta, rtol=1e-7)  # twice


def test_a_learned_variance_under_a_hinge_is_that_of_the_distortion_it_leaves():
    """With σ² learned, D/σ² + d ln σ² leaves ln D: minimise ½ d ln D at R = C, or the plain loss where R > C."""
    lam, d = np.array(FIVE), 5
    for beta, binds in ((4.0, True), (1.2, False)):
        plain = lv.Loss.gaussian(beta, decoder_variance="learned", latents=3)
        loss = plain.constrained("hinge", 2.0)
        found = minimize(
            lambda r, beta=beta: d / 2 * np.log(lam[:3] @ np.exp(-2 * r) + 0.6) + beta * max(r.sum(), 2.0),
            [0.9, 0.7, 0.4], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 20000},
        )  # fmt: skip
        price = float(loss.price(spectrum()))
        # A simplex on a corner finds its place to 1e-4.
        np.testing.assert_allclose(np.log(lam[:3] / price) / 2, found.x, atol=3e-4)
        assert (price < float(plain.price(spectrum()))) == binds
        value = float(lv.equilibrium(spectrum(), loss).loss_value)
        assert value == pytest.approx(found.fun + d / 2 - d / 2 * np.log(d), abs=1e-6)
    with pytest.raises(lv.OutsideTheory, match="not known where the decoder variance is learned"):
        plain.constrained("square", 2.0).price(spectrum())


def test_thresholds_in_beta_and_in_capacity():
    loss = lv.Loss.gaussian(0.3).constrained("hinge", 2.0)
    cascade = lv.transitions(spectrum(), loss)
    np.testing.assert_array_equal(cascade.beta, [np.inf, np.inf, np.inf, 0.5, 0.1])
    for value, active in ((0.34, 1), (0.35, 2), (1.03, 2), (1.05, 3), (2.08, 4), (5.31, 5)):
        # The modes that a target of that many nats has, by the equilibrium.
        assert int(lv.equilibrium(spectrum(), loss.constrained("target", value)).active) == active
        assert np.count_nonzero(cascade.capacity < value) == active
    for words in ("never", "active from C [nat]"):
        assert words in cascade.summary()
    for kind in ("target", "distortion"):
        fixed = lv.transitions(spectrum(), loss.constrained(kind, 2.0)).beta
        assert set(fixed.tolist()) == {0.0, np.inf}


def test_a_price_that_no_beta_has():
    hinge, target = (lv.Loss.gaussian(0.3).constrained(kind, 2.0) for kind in ("hinge", "target"))
    assert float(hinge.beta_at(0.2, spectrum())) == 0.2
    with pytest.raises(
        lv.OutsideTheory, match=r"No β gives a price of 1: the constraint keeps the price at most 0\.527"
    ):
        hinge.beta_at([0.2, 1.0], spectrum())
    with pytest.raises(lv.OutsideTheory, match="β has no part in the price"):
        target.beta_at(0.2, spectrum())
    with pytest.raises(lv.OutsideTheory, match="No β gives"):
        lv.Loss.gaussian(3.0).equivalent(hinge, spectrum())
    there = hinge.constrained("target", 2.0).equivalent(lv.Loss.gaussian(half=False), spectrum())
    assert float(there.beta) == pytest.approx(2 * 0.52719427, rel=1e-7)
    with pytest.raises(lv.InputError, match="price of a constrained loss depends on the data's spectrum"):
        hinge.charge(5)


def test_constraints_that_cannot_be_met():
    few = lv.Loss.gaussian(latents=2)
    with pytest.raises(lv.OutsideTheory, match=r"out of reach: as the price goes to 0, the latents still leave 0\.8"):
        few.constrained("distortion", 0.8).price(spectrum())  # ½ (1 + ½ + 0.1)
    with pytest.raises(lv.OutsideTheory, match="met without any latent"):
        few.constrained("distortion", 3.8).price(spectrum())
    with pytest.raises(lv.OutsideTheory, match="lost in rounding"):
        few.constrained("target", 100.0).price(spectrum())
    assert "squared errors only" in str(
        lv.Loss.poisson()
        .constrained("distortion", 1.0)
        .without_price(lv.Spectrum.from_data([[1, 2], [3, 1], [0, 2]], likelihood="poisson"))
    )
    rows = np.random.default_rng(0).normal(size=(50, 8)) * np.arange(1, 9)
    cut = lv.Spectrum.from_data(rows, modes=3)
    with pytest.raises(lv.OutsideTheory, match="modes beyond the 3 that were kept"):
        lv.Loss.gaussian().constrained("target", 6.0).price(cut)
    assert lv.Loss.gaussian(latents=3).constrained("target", 6.0).without_price(cut) is None
    assert lv.Loss.gaussian(1e3).constrained("hinge", 0.1).without_price(cut) is None


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (("hinge", 0.0), "value"), (("hinge", -1.0), "value"), (("hinge", float("nan")), "value"),
        (("hinge", "2"), "value"), (("hinges", 1.0), "kind"), (("square", 1.0, "latent"), "per"),
        (("target", 1.0, "sample"), "per"), (("hinge", 1.0, "row"), "per"), (("hinge", 1.0, "latent"), "latents"),
    ],
)  # fmt: skip
def test_bad_constraints_are_named(arguments, argument):
    with pytest.raises(lv.InputError) as raised:
        lv.Loss.gaussian().constrained(*arguments)
    assert raised.value.argument == argument


def test_it_survives_json_and_is_in_the_formula():
    for kind in MEAN_KINDS:
        loss = lv.Loss.gaussian(2.0, kl="mean", latents=4).constrained(kind, 0.5)
        again = lv.Loss.from_dict(loss.to_dict())
        assert again.constraint == Constraint(kind, 0.5)
        assert again.formula == loss.formula
        assert "0.5" in loss.formula
        assert "price in effect is" in loss.explain(spectrum())
    formula = lv.Loss.gaussian(latents=3).constrained("hinge", 0.5, per="latent").formula
    assert formula == "½ Σ(x − x̂)² + β Σ max(⟨KL⟩, 0.5)"
    row = lv.Loss.gaussian(2.0).constrained("hinge", 0.5, per="sample")
    assert row.formula == "½ Σ(x − x̂)² + β ⟨max(Σ KL, 0.5)⟩"
    assert "For a constraint on each row" in row.explain(spectrum())


def test_other_questions_say_that_they_are_for_plain_losses():
    loss = lv.Loss.gaussian(0.3).constrained("hinge", 2.0)
    with pytest.raises(lv.OutsideTheory, match="The loss has a constraint"):
        lv.numeric.landscape(spectrum(), loss)
    with pytest.raises(lv.InputError, match="list of β"):
        lv.numeric.free_bits(spectrum(), loss.at([1.0, 2.0]).with_latents(2).constrained("hinge", 1.0, per="latent"))
    with pytest.raises(lv.InputError, match="no free bits per latent"):
        lv.numeric.free_bits(spectrum(), loss)


def test_free_bits_leave_thresholds_open():
    """At any β latents keep their free nats, so that β = λ is not where a mode is lost."""
    loss = lv.Loss.gaussian(100.0, latents=3).constrained("hinge", 0.2, per="latent")
    assert np.allclose(lv.numeric.free_bits(spectrum(), loss).rate, 0.2)
    cascade = lv.transitions(spectrum(), loss.at(0.3))
    assert np.isnan(cascade.beta).all()
    assert "unknown" in cascade.summary()
    assert cascade.to_dict()["beta"] == [None] * 3
    assert loss.collapse_beta([0.0, 0.3], spectrum()).tolist() == [0.0, 0.3]  # λ₃ e^(−2C) = 0.67: all are alone
    with pytest.raises(lv.OutsideTheory, match="no single price"):
        loss.beta_at(1.0, spectrum())
    with pytest.raises(lv.OutsideTheory, match="has a constraint"):
        lv.onset(np.random.default_rng(0).standard_normal((60, 2)), loss)


@pytest.mark.parametrize("question", [{"keep": 1}, {"tolerance": 0.9}, {"rate": 1.0}, {"codes": 16}])
def test_a_price_that_is_not_known_is_in_no_answer(question):
    x = np.random.default_rng(0).standard_normal((60, 3))
    losses = lv.Loss.of("huber(0.5)"), lv.Loss.gaussian(decoder_variance="learned")
    for loss, words in zip(losses, ("squared errors only", "learned too"), strict=True):
        found, held = lv.spectrum.score(x, loss), loss.constrained("distortion", 1.0)
        assert np.isnan(lv.transitions(found, held).beta).all()
        with pytest.raises(lv.OutsideTheory, match=words):
            lv.choose_beta(found, held, **question)
    little = lv.Loss.gaussian(latents=2).constrained("distortion", 0.1)
    with pytest.raises(lv.OutsideTheory, match="out of reach"):
        lv.choose_beta(spectrum(), little, **question)


def test_ends_of_an_interval_under_a_constraint():
    """The least price is 0, at β = 0; a learned variance and a rate that is held have no β that collapses."""
    square = lv.Loss.gaussian(0.3).constrained("square", 2.0)
    low, high = lv.choose_beta(spectrum(), square, tolerance=0.1).interval
    assert low == 0
    assert float(lv.equilibrium(spectrum(), square.at(high)).total_distortion) == pytest.approx(0.1, rel=1e-9)
    learned = lv.Loss.gaussian(decoder_variance="learned", latents=2).constrained("hinge", 0.5)
    assert np.isinf(learned.collapse_beta(4.0, spectrum()))
