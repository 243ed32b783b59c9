"""Learned decoder variance and weight decay against minimisations that know none of the closed forms."""

import json

import mpmath
import numpy as np
import pytest
from conftest import CLOSED, SOLVED
from hypothesis import given
from hypothesis import strategies as st
from oracles import covariance, raw_loss
from scipy.optimize import brentq, minimize, minimize_scalar

from landau_vae import InputError, Loss, OutsideTheory, Spectrum, equilibrium, transitions
from landau_vae.numeric._learned_variance import learned_variance
from landau_vae.numeric._weight_decay import weight_decay

SPECTRA = st.lists(st.integers(1, 60), min_size=1, max_size=8).map(Spectrum.from_eigenvalues)  # ties are common

# ------------------------------------------------------------------------------------ learned variance


def full_loss(log_S, beta, decoder, encoder, log_s, lam):
    """(d/2) ln σ² + [½ D + βσ² R] / σ² of a diagonal decoder and encoder, from its definition."""
    live = len(decoder)
    error = np.sum((1 - decoder * encoder) ** 2 * lam[:live] + decoder**2 * np.exp(log_s)) + lam[live:].sum()
    rate = 0.5 * np.sum(encoder**2 * lam[:live] + np.exp(log_s) - 1 - log_s)
    return len(lam) / 2 * log_S + error / (2 * np.exp(log_S)) + beta * rate


def at_given_variance(log_S, beta, lam, latents):
    """The least full loss at given σ²: each live mode at its known equilibrium (Lucas et al.), the others collapsed."""
    tau = beta * np.exp(log_S)
    live = lam[:latents][lam[:latents] > tau]
    decoder = np.sqrt(live - tau)
    return full_loss(log_S, beta, decoder, decoder / live, np.log(tau / live), lam)


@pytest.mark.parametrize(
    ("eigenvalues", "latents", "expected", "singular"),
    [
        ([4, 1, 1], None, [2.0, 1.0], 1.0),
        ([4, 1, 1], 3, [2.0, 1.0], 1.0),
        ([4, 1, 1], 7, [2.0, 1.0], 1.0),
        ([4, 1, 1], 2, [2.0, 1.0], None),
        ([4, 1, 1], 1, [2.0], None),
        ([4, 1, 1, 0, 0], None, [10 / 3, 5 / 3], 5 / 3),
        ([4, 1, 1, 0, 0], 2, [10 / 3, 5 / 3], None),
        ([3, 2, 1], None, [1.5, 1.2, 1.0], 1.0),
        ([7], None, [1.0], 1.0),
    ],
)
def test_learned_variance_in_the_head(eigenvalues, latents, expected, singular):
    cascade = learned_variance(Spectrum.from_eigenvalues(eigenvalues), latents)
    np.testing.assert_allclose(cascade.beta, expected, rtol=CLOSED)
    assert cascade.singular == singular
    assert cascade.dimension == len(eigenvalues)
    assert cascade.latents == (latents or np.count_nonzero(eigenvalues))


@given(spectrum=SPECTRA, latents=st.none() | st.integers(1, 9), zeros=st.integers(0, 3), unit=st.floats(1e-6, 1e6))
def test_the_price_solves_its_equation(spectrum, latents, zeros, unit):
    lam = spectrum.eigenvalues
    padded = Spectrum.from_eigenvalues([*lam, *[0.0] * zeros])
    cascade = learned_variance(padded, latents)
    d, K = len(lam) + zeros, latents or len(lam)
    expected = [d * v / np.minimum(lam, v).sum() for v in lam[cascade.mode - 1]]
    np.testing.assert_allclose(cascade.beta, expected, rtol=CLOSED)
    least = cascade.singular or 1e-3
    beta = least * np.array([[1 + 1e-6, 1.1], [2.0, 50.0]])
    price = cascade.price(beta)
    assert price.shape == beta.shape
    distortion = np.minimum(lam[:K], price[..., None]).sum(axis=-1) + lam[K:].sum()
    np.testing.assert_allclose(distortion / price, d / beta, rtol=CLOSED)
    for threshold, eigenvalue in zip(cascade.beta, lam[cascade.mode - 1], strict=True):
        if threshold > least:  # the last one is the singular β itself where all modes have a latent
            assert float(cascade.price(threshold)) == pytest.approx(eigenvalue, rel=1e-11)  # d/(d − nβ) ≤ 500 roundings
    scaled = learned_variance(Spectrum.from_eigenvalues([*(unit * lam), *[0.0] * zeros]), latents)
    np.testing.assert_allclose(scaled.beta, cascade.beta, rtol=CLOSED)
    # 1e-9: as above, with a slope of up to 1e6 where β is 1e-6 above the singular one, times roundings of 1e-16.
    np.testing.assert_allclose(scaled.price(beta), unit * price, rtol=1e-9)


@pytest.mark.parametrize("latents", [1, 2, 3, 4])
@pytest.mark.parametrize("beta", [0.4, 1.0, 1.3, 1.7, 2.6])
def test_the_loss_is_least_at_that_variance(latents, beta):
    """SOLVED: the minimum of a curve is found to the square root of 1e-16, times a curvature of order 1."""
    lam = np.array([3.0, 1.2, 0.5, 0.1])
    cascade = learned_variance(Spectrum.from_eigenvalues(lam), latents)
    if cascade.singular is not None and beta <= cascade.singular:
        with pytest.raises(OutsideTheory, match="has no equilibrium"):
            cascade.price(beta)
        return
    search = minimize_scalar(
        at_given_variance, bounds=(-8, 3), args=(beta, lam, latents), method="bounded", options={"xatol": 1e-9}
    )
    assert float(cascade.price(beta)) == pytest.approx(beta * np.exp(search.x), rel=SOLVED)


@pytest.mark.parametrize(("beta", "latents"), [(0.5, 2), (1.2, 2), (1.2, 3), (2.0, 3)])
def test_all_variables_at_once(beta, latents):
    """W, E, ln s and ln σ² by BFGS from a random start; 1e2 SOLVED: its numerical gradients end at 1e-8."""
    lam = np.array([3.0, 1.0, 0.4])

    def loss(v):
        return full_loss(v[0], beta, *np.split(v[1:], 3), lam)

    start = np.random.default_rng(3).uniform(0.3, 1.0, 1 + 3 * latents)
    found = minimize(loss, start, method="BFGS", jac="3-point", options={"gtol": 1e-8})
    price = learned_variance(Spectrum.from_eigenvalues(lam), latents).price(beta)
    assert beta * np.exp(found.x[0]) == pytest.approx(float(price), rel=1e2 * SOLVED)


@pytest.mark.parametrize("eigenvalues", [[2.0, 1.0, 0.5], [2.0, 1.0, 0.0]])
def test_below_the_singular_beta_the_variance_goes_to_zero(eigenvalues):
    """The slope in ln σ² is ½(d − rβ) down to σ² = 0: falling above, flat at, rising below; a line, so CLOSED."""
    lam = np.array(eigenvalues)
    cascade = learned_variance(Spectrum.from_eigenvalues(lam), 3)
    rank = np.count_nonzero(lam)
    assert cascade.singular == 3 / rank
    log_S = np.array([-20.0, -15.0, -10.0])
    for factor in (0.9, 1.0, 1.1):
        beta = factor * cascade.singular
        values = [at_given_variance(x, beta, lam[:rank], 3) + (3 - rank) / 2 * x for x in log_S]
        np.testing.assert_allclose(np.diff(values) / 5, (3 - rank * beta) / 2, rtol=CLOSED, atol=CLOSED)
        if factor <= 1:
            with pytest.raises(OutsideTheory, match=rf"3 latents encode all {rank} modes.*fewer than {rank} latents"):
                cascade.price([beta, 9.0])
    above = cascade.price(cascade.singular * (1 + 1e-12))
    assert float(above) == pytest.approx(lam[rank - 1], rel=1e-9)  # slope at most 10, times 1e-12
    latents = rank - 1
    fewer = learned_variance(Spectrum.from_eigenvalues(lam), latents)
    assert fewer.singular is None
    small = float(fewer.price(1e-9)) / 1e-9
    assert small == pytest.approx(lam[latents:].sum() / 3, rel=1e-8)  # σ² → T_K/d, with a relative correction Kβ/d


def test_learned_variance_refuses_in_words():
    cascade = learned_variance(Spectrum.from_eigenvalues([2.0]))
    with pytest.raises(OutsideTheory, match=r"β = 0\.5 has no equilibrium.* below β = d/r = 1 .*: use a larger β\."):
        cascade.price(0.5)
    with pytest.raises(InputError, match="positive finite"):
        cascade.price(-1.0)
    with pytest.raises(InputError, match="latents is 0"):
        learned_variance(Spectrum.from_eigenvalues([2.0]), 0)


def test_learned_variance_speaks():
    cascade = learned_variance(Spectrum.from_eigenvalues([4, 1, 1]))
    assert repr(cascade) == "LearnedVariance(2 of 3 modes, β = 2 … 1)"
    assert "2–3" in cascade.summary()
    assert "66.6667%" in cascade.summary()
    assert cascade.summary().endswith("Up to β = 1 σ² has no equilibrium.")
    fewer = learned_variance(Spectrum.from_eigenvalues([4, 1, 1]), 2)
    assert "no equilibrium" not in fewer.summary()
    assert json.loads(json.dumps(fewer.to_dict())) == {
        "dimension": 3, "latents": 2, "singular": None, "mode": [1, 2], "multiplicity": [1, 1], "beta": [2.0, 1.0],
    }  # fmt: skip
    with pytest.raises(ValueError, match="read-only"):
        cascade.beta[0] = 0


# ---------------------------------------------------------------------------------------- weight decay


def gain(u, lam, tau, decoder, encoder):
    """The reduced loss less that of the collapsed state."""
    return -(lam**2) * u / (2 * (lam * u + tau * lam + encoder)) + tau * np.log1p(u / tau) / 2 + decoder * u / 2


def slope(u, lam, tau, decoder, encoder):
    """Its derivative."""
    P = tau * lam + encoder
    return -(lam**2) * P / (2 * (lam * u + P) ** 2) + tau / (2 * (tau + u)) + decoder / 2


GRID = np.geomspace(1e-8, 1e5, 1500)  # of u/λ


def least(function, lam):
    """(u, value) where a function is least over u > 0: a scan, then a search between the neighbours."""
    i = int(np.clip(np.argmin(function(lam * GRID)), 1, len(GRID) - 2))
    ends = np.log(lam * GRID[[i - 1, i + 1]])
    found = minimize_scalar(lambda log: function(np.exp(log)), bounds=ends, method="bounded", options={"xatol": 1e-10})
    return np.exp(found.x), found.fun


def last_price(function, lam, decoder, encoder):
    """The price, by bisection, at which a function of u ceases to be negative anywhere."""
    low, high = 1e-4 * lam, 1.1 * lam
    for _ in range(40):
        tau = (low + high) / 2
        value = least(lambda u, tau=tau: function(u, lam, tau, decoder, encoder), lam)[1]
        low, high = (tau, high) if value < 0 else (low, tau)
    return low


def scanned_maxwell(*parameters):
    """Where the gain vanishes; the factor keeps it away from zero at u → 0 and u → ∞, where a scan could mistake it."""
    return last_price(lambda u, lam, tau, *decays: (tau + u) / u * gain(u, lam, tau, *decays), *parameters)


def scanned_spinodal(*parameters):
    """Up to where the slope is negative somewhere, so that a minimum lies behind."""
    return last_price(lambda u, lam, tau, *decays: (tau + u) * slope(u, lam, tau, *decays), *parameters)


def draws(number, first_order):
    """Random (λ, γ_W, γ_E), not too near the ends of each regime, where minima are too flat to scan."""
    rng = np.random.default_rng(12)
    for _ in range(number):
        lam, decoder = rng.uniform(0.3, 3.0), rng.uniform(0.0, 0.8)
        ends = lam**2 * np.array([0, (1 + 2 * decoder) / (2 * (1 + decoder) ** 2), 1 / max(decoder, 0.5)])
        low, high = ends[1:] if first_order else ends[:2]
        yield lam, decoder, low + (high - low) * rng.uniform(0.05, 0.9)


def one(lam, decoder, encoder):
    return weight_decay(Spectrum.from_eigenvalues([lam]), decoder=decoder, encoder=encoder)


def test_first_order_prices_against_scans_of_the_reduced_loss():
    """SOLVED: what is least is found to 1e-14 or so, and crosses zero with a slope in τ of 1e-3 or more."""
    kinds = set()
    for lam, decoder, encoder in draws(15, first_order=True):
        found = one(lam, decoder, encoder)
        assert found.kind.tolist() == ["first-order"]
        tau_c = (lam**2 / (1 + decoder) - encoder) / lam
        assert slope(0.0, lam, max(tau_c, 0.0) + 1e-9, decoder, encoder) > 0
        if tau_c > 0:
            assert found.price[0] == pytest.approx(tau_c, rel=CLOSED)
            assert slope(0.0, lam, tau_c - 1e-9, decoder, encoder) < 0
        else:
            assert np.isnan(found.price[0])
        kinds.add(bool(tau_c > 0))
        assert found.maxwell[0] == pytest.approx(scanned_maxwell(lam, decoder, encoder), rel=SOLVED)
        assert found.spinodal[0] == pytest.approx(scanned_spinodal(lam, decoder, encoder), rel=SOLVED)
        assert max(tau_c, 0) < found.maxwell[0] < found.spinodal[0]
    assert kinds == {True, False}  # collapsed state unstable at some price, and at none


def test_continuous_collapse_has_one_price():
    """SOLVED: the amplitude vanishes at the threshold, so the scan's least u, 1e-8 λ, sets the error."""
    for lam, decoder, encoder in draws(8, first_order=False):
        found = one(lam, decoder, encoder)
        assert found.kind.tolist() == ["continuous"]
        assert found.price[0] == found.maxwell[0] == found.spinodal[0]
        assert found.price[0] == pytest.approx(scanned_maxwell(lam, decoder, encoder), rel=SOLVED)
        assert found.price[0] == pytest.approx(scanned_spinodal(lam, decoder, encoder), rel=SOLVED)
        assert 0 <= found.signal_fraction(np.nextafter(found.price[0], 0))[0] < 1e-14  # linear in the distance: 1e-16


def test_the_best_state_against_scans():
    """The root of the slope that a scan brackets; CLOSED × 10, for curvatures down to a tenth."""
    rng = np.random.default_rng(5)
    for lam, decoder, encoder in [*draws(25, True), *draws(25, False)]:
        found = one(lam, decoder, encoder)
        tau = float(found.maxwell[0]) * rng.uniform(0.1, 0.98)
        parameters = (lam, tau, decoder, encoder)
        u, value = least(lambda u, parameters=parameters: gain(u, *parameters), lam)
        assert value < 0
        u = brentq(slope, 0.999 * u, 1.001 * u, args=parameters, xtol=1e-14)
        e, s = lam * np.sqrt(u) / (lam * u + tau * lam + encoder), tau / (tau + u)
        assert found.signal_fraction(tau)[0] == pytest.approx(e**2 * lam / (e**2 * lam + s), rel=10 * CLOSED)
        assert found.signal_fraction(1.0001 * found.maxwell[0]).tolist() == [0.0]


def exact_line(g, decoder):
    """(τ_M, τ_s) for λ = 1 in 60 digits, by bisection in ln y on the formulas of the derivation."""

    def bisect(strength):
        low, high = mpmath.mpf(-50), mpmath.mpf(200)
        for _ in range(250):
            middle = (low + high) / 2
            low, high = (middle, high) if strength(mpmath.exp(middle)) < g else (low, middle)
        return mpmath.exp(low)

    with mpmath.workdps(120):
        g, c = mpmath.mpf(g), mpmath.mpf(decoder)
        y = bisect(lambda y: (y - mpmath.log1p(y) + c * y**2) / (mpmath.log1p(y) + c * y) ** 2)
        v = 1 + bisect(lambda y: (2 + y + 2 * c * (1 + y) ** 2) * (1 + 2 * c * (1 + y)) / (4 * (1 + c * (1 + y)) ** 3))
        maxwell = (mpmath.log1p(y) - y / (1 + y)) / (mpmath.log1p(y) + c * y) ** 2
        return float(maxwell), float((1 + v + 2 * c * v**2) / (4 * v * (1 + c * v) ** 3))


@pytest.mark.parametrize("decoder", [0.0, 1e-3, 0.3, 2.0])
def test_the_lines_in_many_digits(decoder):
    """From the tricritical point to the end. CLOSED, over 1 − γ_W γ_E: near the end a rounding of γ_E does as much."""
    tri = (1 + 2 * decoder) / (2 * (1 + decoder) ** 2)
    strengths = [tri * (1 + x) for x in (1e-14, 1e-10, 1e-6, 1e-3, 0.1)]
    strengths += [1e3, 1e12, 1e40] if decoder == 0 else [(1 - x) / decoder for x in (0.1, 1e-3, 1e-6)]
    for encoder in strengths:
        found = one(1.0, decoder, encoder)
        assert found.kind.tolist() == ["first-order"]
        expected = exact_line(encoder, decoder)
        tolerance = CLOSED / (1 - decoder * encoder)
        np.testing.assert_allclose([found.maxwell[0], found.spinodal[0]], expected, rtol=tolerance)
        if decoder == 0:
            assert found.spinodal[0] == pytest.approx(encoder / (4 * encoder - 1), rel=CLOSED)


@pytest.mark.parametrize("decoder", [0.0, 0.2, 5.0])
def test_tricritical_point(decoder):
    """On both sides of γ_tri the three prices join: 1e-9 off, within 1e-9 |d ln τ_c/d ln γ_E| = 1e-9 (1 + 2γ_W)."""
    lam = 1.7
    tri = (1 + 2 * decoder) / (2 * (1 + decoder) ** 2) * lam**2
    below, above = (one(lam, decoder, tri * factor) for factor in (1 - 1e-9, 1 + 1e-9))
    assert below.kind.tolist() + above.kind.tolist() == ["continuous", "first-order"]
    prices = [getattr(found, name)[0] for found in (below, above) for name in ("price", "maxwell", "spinodal")]
    np.testing.assert_allclose(prices, lam / (2 * (1 + decoder) ** 2), rtol=1.01e-9 * (1 + 2 * decoder))
    assert above.price[0] <= above.maxwell[0] <= above.spinodal[0]
    at = above.maxwell[0] * (1 - 1e-6)  # the amplitude grows as a fourth root: M² as a square root of 1e-6, times O(1)
    assert 0 < above.signal_fraction(at)[0] < 1e-2


def test_never():
    """λ² ≤ γ_W γ_E, equality included: the slope is positive at every u and τ."""
    found = weight_decay(Spectrum.from_eigenvalues([3, 1, 0.5, 0.5]), decoder=0.5, encoder=2.0)
    assert found.kind.tolist() == ["continuous", "never", "never"]
    for values in (found.price, found.maxwell, found.spinodal, found.beta, found.unstable_beta, found.spinodal_beta):
        assert np.isnan(values).tolist() == [False, True, True]
    for tau in np.geomspace(1e-6, 10, 30):
        assert np.all(slope(GRID, 1.0, tau, 0.5, 2.0) > 0)
    assert found.signal_fraction(1e-6)[1:].tolist() == [0, 0, 0]
    assert "Modes 2–4 are never active" in found.summary()
    assert "Mode 2 is never active" in weight_decay(Spectrum.from_eigenvalues([3, 1]), decoder=0.5, encoder=2).summary()
    none = weight_decay(Spectrum.from_eigenvalues([1.0]), decoder=1.0, encoder=1.0)
    assert repr(none) == "WeightDecay(0 of 1 modes, 0 first-order)"
    just = weight_decay(Spectrum.from_eigenvalues([1.0]), decoder=1.0, encoder=1.0 - 1e-6)
    assert just.kind.tolist() == ["first-order"]
    assert 0 < just.maxwell[0] < just.spinodal[0] < 1e-5


@given(spectrum=SPECTRA, half=st.booleans(), latents=st.none() | st.integers(1, 9), beta=st.floats(0.01, 70))
def test_without_decay_it_is_the_cascade(spectrum, half, latents, beta):
    loss = Loss.gaussian(half=half, reconstruction="mean", latents=latents)
    plain, found = transitions(spectrum, loss), weight_decay(spectrum, loss)
    for values in (found.price, found.maxwell, found.spinodal):
        np.testing.assert_array_equal(values, plain.price)
    np.testing.assert_array_equal(found.beta, plain.beta)
    np.testing.assert_array_equal(found.mode, plain.mode)
    np.testing.assert_array_equal(found.multiplicity, plain.multiplicity)
    assert set(found.kind) == {"continuous"}
    np.testing.assert_allclose(
        found.signal_fraction(beta), equilibrium(spectrum, loss.at(beta)).signal_fraction, atol=CLOSED
    )


def test_decoder_decay_alone_moves_the_threshold_only():
    found = weight_decay(Spectrum.from_eigenvalues([4, 2]), decoder=1.0)
    assert found.kind.tolist() == ["continuous"] * 2
    assert found.price.tolist() == [2.0, 1.0]


def users_loss(W, E, s, C, beta, decoder, encoder):
    """mse_loss + β mean KL + ½ γ_W ‖W‖² + ½ γ_E ‖E‖²: no half, means over features and latents."""
    error = 2 * raw_loss(W, E, s, C, 0.0)
    nats = raw_loss(W, E, s, C, 1.0) - error / 2
    return error / len(C) + beta * nats / len(s) + decoder * np.sum(W**2) / 2 + encoder * np.sum(E**2) / 2


@pytest.mark.parametrize(("decoder", "encoder"), [(0.05, 0.1), (0.02, 0.7)])
def test_the_whole_model_in_the_users_own_convention(decoder, encoder):
    """d = 3, K = 2, in no special basis, 5 % to either side of mode 2's β: M² of the best of a few minimisations.

    1e3 SOLVED: BFGS ends at gradients of 1e-8 and the modes' directions enter M² of the latents linearly.
    """
    data = np.random.default_rng(4).standard_normal((40, 3)) * [2.0, 1.3, 0.6]
    C, spectrum = covariance(data), Spectrum.from_data(data)
    loss = Loss.gaussian(reconstruction="mean", kl="mean", half=False, latents=2)
    found = weight_decay(spectrum, loss, decoder=decoder, encoder=encoder)
    for factor, alive in ((0.95, 2), (1.05, 1)):
        beta = factor * found.beta[1]

        def parts(v):
            return v[:6].reshape(3, 2), v[6:12].reshape(2, 3), np.exp(v[12:])

        def objective(v, beta=beta):
            return users_loss(*parts(v), C, beta, decoder, encoder)

        rng = np.random.default_rng(9)
        runs = [minimize(objective, rng.standard_normal(14), method="BFGS", jac="3-point") for _ in range(5)]
        _, E, s = parts(min(runs, key=lambda run: run.fun).x)
        signal = np.diag(E @ C @ E.T)
        measured = np.sort(signal / (signal + s))[::-1]
        predicted = found.signal_fraction(beta)
        assert np.count_nonzero(predicted) == alive
        assert predicted[2] == 0
        np.testing.assert_allclose(measured, predicted[:2], atol=1e3 * SOLVED)


def test_betas_are_the_prices_in_the_loss_own_units():
    spectrum = Spectrum.from_eigenvalues([2.0, 1.0, 0.3])
    plain = weight_decay(spectrum, decoder=0.1, encoder=0.6)
    assert plain.kind.tolist() == ["continuous", "first-order", "first-order"]
    np.testing.assert_array_equal(plain.beta, plain.maxwell)
    loss = Loss.gaussian(reconstruction="mean", half=False, kl="mean", latents=2, decoder_variance=0.5)
    factor = 2 * 2 / 3  # 2a: no half, a mean over three features, over σ_dec² = ½
    same = weight_decay(spectrum, loss, decoder=0.1 * factor, encoder=0.6 * factor)
    assert same.mode.tolist() == [1, 2]
    for name in ("price", "maxwell", "spinodal"):
        np.testing.assert_allclose(getattr(same, name), getattr(plain, name)[:2], rtol=CLOSED)
    for name, beta in (("price", same.unstable_beta), ("maxwell", same.beta), ("spinodal", same.spinodal_beta)):
        np.testing.assert_allclose(beta, getattr(plain, name)[:2] * factor * 2, rtol=CLOSED)  # b = β/K
    at = 0.4 * factor * 2
    np.testing.assert_allclose(same.signal_fraction(at), [*plain.signal_fraction(0.4)[:2], 0.0], rtol=CLOSED)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "0.1", None])
@pytest.mark.parametrize("side", ["decoder", "encoder"])
def test_bad_decay(bad, side):
    with pytest.raises(InputError, match=f"{side} is .*, but a number from 0 on is expected"):
        weight_decay(Spectrum.from_eigenvalues([1.0]), **{side: bad})


@pytest.mark.parametrize("decays", [{"decoder": 1e200}, {"encoder": 1e200}])
def test_decay_beyond_computing(decays):
    with pytest.raises(InputError, match="too large to compute with"):
        weight_decay(Spectrum.from_eigenvalues([1.0, 1e-9]), **decays)


def test_one_beta_at_a_time():
    found = weight_decay(Spectrum.from_eigenvalues([1.0]), encoder=0.6)
    with pytest.raises(InputError, match="at one β, but there are 2"):
        found.signal_fraction([0.1, 0.2])
    with pytest.raises(InputError, match="positive finite"):
        found.signal_fraction(0.0)


def test_weight_decay_speaks():
    found = weight_decay(Spectrum.from_eigenvalues([4, 1, 1]), Loss.gaussian(half=False), encoder=1.5)
    assert repr(found).startswith("WeightDecay(3 of 3 modes, 2 first-order, β = 7.625 … ")
    summary = found.summary()
    assert "2–3  first-order" in summary
    assert "never" not in summary
    values = json.loads(json.dumps(found.to_dict()))
    assert values["loss"]["half"] is False
    assert (values["decoder"], values["encoder"], values["kind"]) == (0.0, 1.5, ["continuous", "first-order"])
    assert values["unstable_beta"] == [7.625, 0.5]
    assert values["beta"][1] == pytest.approx(2 * found.maxwell[1])
    assert set(values) == {
        "loss", "decoder", "encoder", "mode", "multiplicity", "kind", "price", "maxwell", "spinodal",
        "unstable_beta", "beta", "spinodal_beta",
    }  # fmt: skip
    for array in (found.kind, found.price, found.beta, found.signal_fraction(1.0)):
        assert not array.flags.writeable
