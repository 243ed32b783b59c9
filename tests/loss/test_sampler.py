"""Laws of samplers and heads against direct minimisation of the loss in w, m and σ², which knows none of them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from conftest import CLOSED
from scipy.optimize import minimize
from scipy.stats import norm

import landau_vae as lv
from landau_vae import InputError, OutsideTheory
from landau_vae.loss import Loss, Sampler

KINDS = {
    "plain": Sampler(),
    "narrow noise": Sampler(noise_scale=0.5),
    "wide noise, continuous": Sampler(noise_scale=1.4),
    "wide noise, a jump": Sampler(noise_scale=2.0),
    "log-variance for ln σ": Sampler(log_std=True),
    "the same, continuous": Sampler(log_std=True, noise_scale=0.6),
    "frozen at 1": Sampler(variance=1.0),
    "frozen at 0.3": Sampler(variance=0.3),
    "frozen, wide noise": Sampler(variance=2.0, noise_scale=1.5),
    "a floor": Sampler(least=0.3),
    "a floor above the turn": Sampler(noise_scale=2.0, least=0.5),
    "clamped": Sampler(least=0.2, most=0.7),
    "softplus": Sampler(least=1.0),
    "never wide": Sampler(most=0.5, noise_scale=3.0),
}
JUMPS = {"wide noise, a jump", "log-variance for ln σ", "a floor above the turn", "never wide"}


def noise(sampler, s):
    return sampler.noise_scale**2 * (s * s if sampler.log_std else s)


def loss(unknowns, t, sampler):
    """One mode of λ = 1: decoder w, encoder m, ln σ²."""
    w, m, log = unknowns
    s = np.exp(log)
    error = (1 - w * m) ** 2 + w * w * noise(sampler, s)
    return error / 2 + t / 2 * (m * m + s - 1 - log)


def minimum(t, sampler, start=None):
    """The least loss of many starts, or the one that is reached from one start; (w, m, σ²) there."""
    given = (sampler.variance or sampler.least, sampler.variance or sampler.most)
    low, high = (side if each is None else np.log(each) for side, each in zip((-30, 30), given, strict=True))
    places = itertools.product((0.0, 0.8), (0.0, 0.8), (-4, -1, 0))
    found = []
    for w, m, log in places if start is None else [start]:
        begin, limits = [w, m, np.clip(log, low, high)], [(None, None), (None, None), (low, high)]
        options = {"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5000}
        found.append(minimize(loss, begin, (t, sampler), "L-BFGS-B", bounds=limits, options=options))
    best = min(found, key=lambda each: each.fun)
    w, m, log = best.x
    return best.fun, (w, m, np.exp(log))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0.02, 0.3, 0.8, 0.97, 1.03, 3.0])
def test_a_mode_from_its_definition(kind, place):
    """1e-4: the minimiser differentiates numerically, so the loss is found to 1e-8, its place to 1e-4."""
    sampler = KINDS[kind]
    t = place * sampler.threshold
    value, (w, m, s) = minimum(t, sampler)
    law = sampler.law(t)
    assert 0.5 * law.residual + t * law.rate == pytest.approx(value, abs=1e-9)
    assert law.mean_square == pytest.approx(m * m, abs=1e-4)
    assert law.variance == pytest.approx(s, abs=1e-4)
    assert law.noise == pytest.approx(noise(sampler, s), abs=3e-4)
    assert law.residual == pytest.approx((1 - w * m) ** 2 + w * w * noise(sampler, s), abs=1e-4)
    assert law.residual**2 == pytest.approx((1 - w * m) ** 2, abs=2e-4)  # left with z = μ
    assert (law.residual < 1) == (place < 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_of_the_law(kind, rng):
    sampler = KINDS[kind]
    t = sampler.threshold * rng.uniform(0.001, 0.999, 100)
    np.testing.assert_allclose(sampler.ratio(sampler.law(t).residual), t, rtol=1e-9)  # a square root near a jump


@pytest.mark.parametrize("kind", KINDS)
def test_which_collapses_jump(kind):
    """From the collapsed state below and above `unstable`, from an active one below and above `spinodal`."""
    sampler = KINDS[kind]
    assert sampler.jumps == (kind in JUMPS)
    rest = np.log(sampler.rest)
    left = [minimum(f * sampler.unstable, sampler, (1e-3, 1e-3, rest))[1][0] for f in (0.99, 1.01)]
    assert abs(left[0]) > 0.01
    assert abs(left[1]) < 1e-3
    if not sampler.jumps:
        assert sampler.threshold == sampler.spinodal == sampler.unstable
        return
    assert sampler.unstable < sampler.threshold < sampler.spinodal
    law = sampler.law(0.999 * sampler.threshold)
    gain = np.sqrt(law.mean_square)
    state = ((1 - law.residual) / gain, gain, np.log(law.variance))
    kept = []
    for factor in np.append(np.linspace(sampler.threshold / sampler.spinodal, 0.998, 30), 1.002):  # it is followed
        w, m, s = minimum(factor * sampler.spinodal, sampler, state)[1]
        state = (w, m, np.log(s))
        kept.append(abs(w))
    assert min(kept[:-1]) > 0.1
    assert kept[-1] < 1e-2
    both = [minimum(f * sampler.threshold, sampler)[0] for f in (0.999, 1.001)]
    dead = [loss((0, 0, rest), f * sampler.threshold, sampler) for f in (0.999, 1.001)]
    assert both[0] < dead[0] - 1e-6
    assert both[1] == pytest.approx(dead[1], abs=1e-9)


def test_numbers_on_paper():
    """(1 + u)² = 2 (1 + u/4) at τc² = λ/2, c = ½; two rates where a log-variance is taken for ln σ."""
    narrow = Sampler(noise_scale=0.5).law(2.0)  # τc² = λ/2
    u = 1 / narrow.residual - 1
    assert 2 * 0.25 * (1 + u) ** 2 == pytest.approx(1 + 0.25 * u, rel=CLOSED)
    assert narrow.rate == pytest.approx(0.0589, abs=1e-4)
    told = Sampler(log_std=True)
    assert [float(told.law(t).rate) for t in (1.01, 1.1)] == pytest.approx([0.2178, 0.1806], abs=1e-4)
    assert told.spinodal == pytest.approx(4 / (2 * np.sqrt(2) - 1) ** 2, rel=CLOSED)
    assert Sampler(noise_scale=2.0).spinodal == pytest.approx(4 / (4 * 3), rel=CLOSED)
    frozen = Sampler(variance=0.25).law([0.01, 0.04, 4.1])
    np.testing.assert_allclose(frozen.mean_square, [np.sqrt(25) - 0.25, np.sqrt(6.25) - 0.25, 0.0], rtol=CLOSED)
    floor, plain = Sampler(least=0.2).law([0.1, 0.3]), Sampler().law([0.1, 0.3])
    assert floor.residual[1] == pytest.approx(plain.residual[1], rel=CLOSED)
    assert floor.mean_square[0] == pytest.approx(np.sqrt(0.2 / 0.1) - 0.2, rel=CLOSED)


def test_reconstruction_of_the_mean_as_a_further_error():
    """½(x − x̂)² + α(x − f(μ))² is the noise scale (1 + 2α)^−½ at the price β/(1 + 2α); 1e-4 as above."""
    alpha, beta = 0.7, 2.0
    k = 1 + 2 * alpha

    def own(unknowns):
        w, m, log = unknowns
        error = (1 - w * m) ** 2 * k + w * w * np.exp(log)
        return error / 2 + beta / 2 * (m * m + np.exp(log) - 1 - log)

    found = minimize(own, [0.8, 0.8, -0.5], options={"gtol": 1e-10})
    law = Sampler(noise_scale=k**-0.5).law(beta / k)
    w, m, log = found.x
    assert (1 - w * m) ** 2 == pytest.approx(law.residual**2, abs=1e-4)
    assert np.exp(log) == pytest.approx(law.variance, abs=1e-4)
    assert Sampler(noise_scale=k**-0.5).threshold * k == pytest.approx(k**2)  # lost at β = (1 + 2α)² λ


class Widths:
    """One latent on normal quantiles of variance 1: free means and widths, a decoder a + b z + e z²."""

    def __init__(self, sampler, rows=40):
        self.sampler = sampler
        self.y = norm.ppf((np.arange(rows) + 0.5) / rows)
        self.y /= self.y.std()
        self.z, weight = np.polynomial.hermite_e.hermegauss(12)  # exact for polynomials up to degree 23
        self.weight = weight / weight.sum()

    def gain(self, price, mean, width):
        """How much less than the collapsed loss is reached from small starts in either channel."""
        y, n = self.y, len(self.y)

        def both(x):
            mu, log, a = x[:n], x[n : 2 * n], x[2 * n :]
            s = np.exp(log)
            r = np.sqrt(noise(self.sampler, s))[:, None]
            z = mu[:, None] + r * self.z
            e = a[0] + a[1] * z + a[2] * z * z - y[:, None]
            value = np.mean(e * e @ self.weight) / 2 + price * np.mean(mu**2 + s - 1 - log) / 2
            e = e * self.weight / n
            by_z, power = e * (a[1] + 2 * a[2] * z), 2 if self.sampler.log_std else 1
            slope = [by_z.sum(1) + price * mu / n, (by_z * r * self.z).sum(1) * power / 2 + price * (s - 1) / 2 / n]
            return value, np.concatenate([*slope, [e.sum(), (e * z).sum(), (e * z * z).sum()]])

        c = self.sampler.noise_scale
        start = np.concatenate([mean * y, width * y, [-width * c * c, mean, width]])
        options = {"maxiter": 20000, "ftol": 1e-16, "gtol": 1e-10}
        return 0.5 - minimize(both, start, jac=True, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize("kind", ["plain", "narrow noise", "wide noise, a jump", "log-variance for ln σ"])
def test_where_collapse_is_stable_in_any_network(kind):
    """Means open a channel at 1/N, widths one at p²: four times λ₁ where log-variances are drawn with as ln σ."""
    sampler = KINDS[kind]
    model = Widths(sampler)
    for channel, place in {(0.05, 0.0): sampler.unstable, (0.0, 0.05): 4.0 if sampler.log_std else 1.0}.items():
        assert model.gain(0.97 * place, *channel) > 1e-5
        assert place <= sampler.stable
    for channel in ((0.05, 0.0), (0.0, 0.05)):
        assert abs(model.gain(1.03 * sampler.stable, *channel)) < 1e-9


# ------------------------------------------------------------------------------------- what is made of the laws


@pytest.mark.parametrize("kind", KINDS)
def test_the_equilibrium_adds_modes_up(kind):
    """Totals are sums over modes, and the slope of the free energy in τ is the rate (envelope theorem)."""
    spectrum = lv.Spectrum.from_eigenvalues([9.0, 4.0, 1.0, 0.2])
    whole = Loss.gaussian(np.geomspace(0.01, 30, 40), latents=3, sampler=KINDS[kind])
    state = lv.equilibrium(spectrum, whole)
    assert state.rate.shape == (40, 4)
    np.testing.assert_array_equal(state.active, np.count_nonzero(state.signal_fraction > 0, axis=-1))
    np.testing.assert_allclose(state.total_rate, state.rate.sum(-1), rtol=CLOSED, atol=CLOSED)
    np.testing.assert_allclose(state.total_distortion, state.distortion.sum(-1), rtol=CLOSED)
    left = (1 - state.signal_fraction) ** 2 * spectrum.eigenvalues + state.decoder_norm**2 * state.law.noise
    np.testing.assert_allclose(left, state.law.residual * spectrum.eigenvalues, rtol=CLOSED)
    assert np.all(state.signal_fraction[:, 3] == 0)
    assert np.all(state.posterior_variance[:, 3] == 1)
    near = [lv.equilibrium(spectrum, whole.at(whole.beta * (1 + h))).free_energy for h in (1e-6, -1e-6)]
    slope = (near[0] - near[1]) / (2e-6 * whole.beta)
    # Away from thresholds, where the rate has a kink or a step: a difference of two roundings over 2e-6.
    calm = np.all(np.abs(np.log(whole.beta[:, None] / (spectrum.eigenvalues * KINDS[kind].threshold))) > 1e-5, axis=1)
    np.testing.assert_allclose(slope[calm], state.total_rate[calm], rtol=1e-4, atol=1e-7)


def test_the_plain_law_is_as_it_was(rng):
    """Bit for bit what min(1, τ/λ) gives."""
    spectrum, price = lv.Spectrum.from_eigenvalues(rng.uniform(0.1, 9, 30)), np.geomspace(0.01, 20, 50)
    state = lv.equilibrium(spectrum, Loss.gaussian(price, latents=20))
    share = np.minimum(price[:, None] / spectrum.eigenvalues, 1.0)
    share[:, 20:] = 1.0
    np.testing.assert_array_equal(state.posterior_variance, share)
    np.testing.assert_array_equal(state.signal_fraction, 1 - share)
    np.testing.assert_array_equal(state.rate, 0.0 - 0.5 * np.log(share))
    np.testing.assert_array_equal(state.decoder_norm, np.sqrt(spectrum.eigenvalues * (1 - share)))
    np.testing.assert_array_equal(lv.transitions(spectrum, Loss.gaussian()).price, spectrum.eigenvalues)


@pytest.mark.parametrize("kind", KINDS)
def test_choices_do_what_was_asked(kind):
    spectrum, whole = lv.Spectrum.from_eigenvalues([16.0, 4.0, 1.0]), Loss.gaussian(sampler=KINDS[kind])
    for keep in (1, 2):
        chosen = lv.choose_beta(spectrum, whole, keep=keep)
        assert int(chosen.equilibrium.active) == keep
        ends = [lv.equilibrium(spectrum, whole.at(b)).active for b in np.array(chosen.interval) * [1 - 1e-9, 1 + 1e-9]]
        assert (int(ends[0]), int(ends[1])) == (keep + 1, keep - 1)
    for kept in ("sampled", "mean"):
        chosen = lv.choose_beta(spectrum, whole, tolerance=0.3, reconstruction=kept)
        left = [1 - lv.equilibrium(spectrum, whole.at(chosen.beta * f)).utility(kept).sum() for f in (1, 1 + 1e-9)]
        assert left[0] <= 0.3 + 1e-9
        assert left[1] > 0.3 - 1e-7  # just above that β more is left: by a slope, or a step
    assert bool(KINDS[kind].jumps) == ("with a jump" in (lv.choose_beta(spectrum, whole, keep=1).caveat or ""))


def test_many_latents_at_once():
    """The whole loss of three modes and three latents, from random starts, has the modes' laws: none shares a mode."""
    lam, sampler, price = np.array([6.0, 2.0, 0.7]), Sampler(noise_scale=0.6), 1.0
    state = lv.equilibrium(lv.Spectrum.from_eigenvalues(lam), Loss.gaussian(price, sampler=sampler))

    def raw(x):
        W, E, log = x[:9].reshape(3, 3), x[9:18].reshape(3, 3), x[18:]
        left = np.eye(3) - W @ E
        error = np.trace(left * lam @ left.T) + np.square(W).sum(0) @ noise(sampler, np.exp(log))
        return error / 2 + price / 2 * (np.trace(E * lam @ E.T) + np.sum(np.exp(log) - 1 - log))

    starts = np.random.default_rng(0).standard_normal((4, 21)) * 0.5
    least = min(minimize(raw, x, options={"gtol": 1e-7, "maxiter": 3000}).fun for x in starts)
    assert least == pytest.approx(float(state.free_energy), rel=1e-7)  # numerical slopes stop at 1e-7


def test_pictures_and_words(rng):
    spectrum = lv.Spectrum.from_eigenvalues([4.0, 1.0])
    for sampler in KINDS.values():
        whole = Loss.gaussian(0.5, sampler=sampler)
        assert ("z is drawn with" in whole.explain(spectrum)) == (not sampler.plain)
        assert lv.plotting.cascade(spectrum, whole) is not None
        assert Loss.from_dict(whole.to_dict()).sampler == sampler
        table = lv.transitions(spectrum, whole).summary()
        assert ("survives to β" in table) == sampler.jumps


# ------------------------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("fields", [
    {"variance": 1.0, "least": 0.5}, {"least": 2.0, "most": 1.0}, {"noise_scale": 0.0}, {"variance": -1.0},
    {"log_std": "yes"},
])  # fmt: skip
def test_samplers_that_cannot_be(fields):
    with pytest.raises(InputError):
        Sampler(**fields)


def test_ratios_that_cannot_be():
    with pytest.raises(InputError, match="positive"):
        Sampler().law([1.0, -1.0])
    with pytest.raises(InputError, match="below 0 or above 1"):
        Sampler(log_std=True).ratio(1.5)


def test_what_has_no_law_is_refused():
    """Where only the usual sampler is known, another one is refused, and never ignored."""
    spectrum, whole = lv.Spectrum.from_eigenvalues([4.0, 1.0]), Loss.gaussian(0.5, sampler=Sampler(variance=1.0))
    with pytest.raises(InputError, match="learned decoder variance is solved for the usual sampler"):
        replace(whole, decoder_variance="learned")
    with pytest.raises(InputError, match="A constraint is solved for the usual sampler"):
        whole.constrained("hinge", 2.0)
    for call in (lv.numeric.landscape, lv.numeric.weight_decay):
        with pytest.raises(OutsideTheory, match="z is drawn with σ² = 1 throughout"):
            call(spectrum, whole)
    with pytest.raises(OutsideTheory, match="usual sampler"):
        lv.numeric.problems.Linear(spectrum, whole)
    with pytest.raises(OutsideTheory, match="usual sampler"):
        lv.training.Sampled(10, loss=whole)
    x = np.repeat([[-1.0], [1.0]], 50, axis=0)
    with pytest.raises(OutsideTheory, match="usual sampler"):
        lv.onset(x, whole)
    with pytest.raises(OutsideTheory, match="does not bound"):
        lv.frontier(x, Loss.gaussian(0.5, sampler=Sampler(noise_scale=0.5)))
    assert lv.frontier(x, whole).linear[0] == pytest.approx(
        float(lv.equilibrium(lv.Spectrum.from_data(x), whole).free_energy)
    )


def test_a_state_that_leaves_everything_stands_at_the_threshold():
    """With noise cσε the collapsed state is stable from τ = λ/c² on, where the active one has nothing left."""
    assert Sampler().ratio([0.0, 1.0]).tolist() == [0.0, 1.0]
    assert float(Sampler(noise_scale=2.0).ratio(1.0)) == pytest.approx(1 / 4, rel=CLOSED)
    for residual in (-1e-9, 1 + 1e-9):
        with pytest.raises(InputError, match="a share of the variance is expected"):
            Sampler().ratio(residual)
