"""The linear VAE and theories in symbols as problems: the loss against slow statements of it, its derivatives against
differences, its thresholds against closed forms and against the Hessian itself."""

import numpy as np
import pytest
import sympy as sp
from conftest import CLOSED
from oracles import close, raw_loss, slope

from landau_vae import InputError, Loss, Spectrum, transitions
from landau_vae.numeric._learned_variance import learned_variance
from landau_vae.numeric._weight_decay import weight_decay
from landau_vae.numeric.continuation import follow
from landau_vae.numeric.problems import Linear, Symbolic
from landau_vae.symbolic import Landau, hierarchy, linear, variations

DIFFERENCE = 1e-8  # of the largest entry: Richardson's rule at h = 4e-3 leaves h⁴ ~ 3e-10 times a fifth derivative

EIGENVALUES = [2.5, 1.2, 1.2, 0.3]
CONVENTIONS = {
    "plain": {},
    "decoder variance": {"decoder_variance": 3.0},
    "mean": {"reconstruction": "mean"},
    "no half": {"half": False},
    "kl mean": {"kl": "mean"},
    "all": {"decoder_variance": 0.4, "reconstruction": "mean", "half": False, "kl": "mean"},
}
LIKELIHOODS = {name: CONVENTIONS[name] for name in ("plain", "mean", "kl mean")}  # what a learned variance goes with
DECAYS = {"decoder_decay": 0.3, "encoder_decay": 0.7}


def cases():
    """(convention, options) of all problems."""
    for name, convention in CONVENTIONS.items():
        yield pytest.param(convention, {}, id=name)
        yield pytest.param(convention, DECAYS, id=f"{name}, decay")
        yield pytest.param(convention, {"prior_variance": 2.5}, id=f"{name}, prior")
        yield pytest.param(convention, {**DECAYS, "prior_variance": 0.6}, id=f"{name}, decay and prior")
    for name, convention in LIKELIHOODS.items():
        yield pytest.param(convention, {"learned_variance": True}, id=f"{name}, learned")
        both = {"learned_variance": True, "prior_variance": 2.5}
        yield pytest.param(convention, both, id=f"{name}, learned and prior")


every_case = pytest.mark.parametrize(("convention", "options"), list(cases()))


def problem_of(convention, options, spectrum=None, latents=3):
    spectrum = Spectrum.from_eigenvalues(EIGENVALUES) if spectrum is None else spectrum
    return Linear(spectrum, Loss.gaussian(latents=latents, **convention), **options)


def parts(problem, x):
    """W, G, s in the documented order, and σ_dec² where it is learned, else 1."""
    K = problem.latents
    d = (len(x) - K - problem.learned) // (2 * K)
    W, G, t, scale = np.split(x, [d * K, 2 * d * K, 2 * d * K + K])
    return W.reshape(d, K), G.reshape(d, K), np.exp(t), np.exp(scale[0]) if problem.learned else 1.0


def states(problem, rng):
    """A random state, one with an idle latent, one hardly off the collapsed state."""
    rest = problem.rest(1.0)
    generic = rest + 0.6 * rng.normal(size=len(rest))
    idle = generic.copy()
    W, G, *_ = parts(problem, idle)
    W[:, 0] = G[:, 0] = 0  # views of the state
    assert np.count_nonzero(idle == 0) == 2 * len(W)
    return [generic, idle, rest + 1e-6 * (generic - rest)]


def check_derivatives(problem, x, control):
    close(problem.gradient(x, control), slope(lambda at: problem.loss(at, control), x), DIFFERENCE)
    hessian = problem.hessian(x, control)
    close(hessian, slope(lambda at: problem.gradient(at, control), x), DIFFERENCE)
    close(hessian, hessian.T, CLOSED)
    moved = slope(lambda at: problem.gradient(x, at[0]), np.array([control]))
    close(problem.drift(x, control), moved[0], DIFFERENCE)


# ---------------------------------------------------------------------------------------- the linear VAE's loss


def slow_loss(problem, x, beta, covariance, axes, options):
    """F from the user's own loss, term by term, with W and E in the features' basis (columns of `axes`: principal)."""
    loss = problem.user_loss
    W, G, s, learned = parts(problem, x)
    lam = np.diagonal(axes.T @ covariance @ axes)
    inverse = np.array([1 / np.sqrt(v) if v > 1e-9 else 0.0 for v in lam])
    W, E = axes @ W, (axes @ (inverse[:, None] * G)).T
    d, K = W.shape
    noise = sum(v * w @ w for v, w in zip(s, W.T, strict=True))
    residual = np.eye(d) - W @ E
    squares = np.trace(residual @ covariance @ residual.T) + noise
    eta2 = options.get("prior_variance", 1.0)
    signal = np.diagonal(E @ covariance @ E.T)
    rates = [0.5 * ((m + v) / eta2 - 1 - np.log(v / eta2)) for m, v in zip(signal, s, strict=True)]
    total = (0.5 if loss.half else 1.0) * squares / (loss.decoder_variance * learned)
    if problem.learned:
        total += 0.5 * problem.spectrum.dimension * np.log(learned)
    if loss.reconstruction == "mean":
        total /= problem.spectrum.dimension
    weight = beta / (K if loss.kl == "mean" else 1)
    decay = options.get("decoder_decay", 0) * np.sum(W**2) / 2 + options.get("encoder_decay", 0) * np.sum(E**2) / 2
    return (total + decay) / weight + sum(rates)


def in_a_basis(eigenvalues, rng):
    """A full covariance with this spectrum, its principal axes in the same order, and the `Spectrum` of it."""
    axes = np.linalg.qr(rng.normal(size=(len(eigenvalues),) * 2))[0]
    covariance = (axes * eigenvalues) @ axes.T
    covariance = (covariance + covariance.T) / 2
    return covariance, axes, Spectrum.from_covariance(covariance)


@every_case
@pytest.mark.parametrize("last", [0.3, 0.0], ids=["full rank", "rank deficient"])
def test_loss_is_the_users_own(convention, options, last, rng):
    """In the data's own features; no encoder gives a signal along an axis without variance, so G is 0 there."""
    covariance, axes, spectrum = in_a_basis([2.5, 1.2, 1.2, last], rng)
    problem = problem_of(convention, options, spectrum)
    for x in states(problem, rng):
        if last == 0:
            parts(problem, x)[1][-1] = 0
        expected = slow_loss(problem, x, 0.7, covariance, axes, options)
        assert problem.loss(x, 0.7) == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize("last", [0.3, 0.0], ids=["full rank", "rank deficient"])
def test_loss_is_the_oracles(last, rng):
    """F = σ_dec² L/τ; directions without variance may be left out of the spectrum or not."""
    eigenvalues = np.array([2.5, 1.2, 0.8, last])
    covariance, axes, spectrum = in_a_basis(eigenvalues, rng)
    whole, short = (
        Linear(spectrum, Loss.gaussian(latents=2)),
        Linear(Spectrum.from_eigenvalues(eigenvalues), Loss.gaussian(latents=2)),
    )
    x = states(whole, rng)[0]
    W, G, s, _ = parts(whole, x)
    if last == 0:
        W[-1] = G[-1] = 0
    inverse = np.append(1 / np.sqrt(eigenvalues[:3]), 1 / np.sqrt(last) if last else 0.0)
    expected = raw_loss(axes @ W, (axes @ (inverse[:, None] * G)).T, s, covariance, 0.7) / 0.7
    assert whole.loss(x, 0.7) == pytest.approx(expected, rel=CLOSED)
    kept = np.concatenate([W[: short.spectrum.modes].ravel(), G[: short.spectrum.modes].ravel(), np.log(s)])
    assert len(short.rest(1.0)) == len(kept)
    assert short.loss(kept, 0.7) == pytest.approx(expected, rel=CLOSED)


def test_loss_is_that_of_the_symbols(rng):
    """`symbolic.linear.loss`, two modes and two latents, with ½γ‖·‖² added to it."""
    W, E, s = linear.variables(2, 2)
    gammas = sp.symbols("gamma_W gamma_E")
    decay = (gammas[0] * sum(v**2 for v in W) + gammas[1] * sum(v**2 for v in E)) / 2
    stated = linear.loss(W, E, s, sp.diag(*linear.mode_variances(2))) + decay
    evaluate = sp.lambdify([*W, *E, *s, *linear.mode_variances(2), linear.tau, *gammas], stated)
    lam = np.array([2.5, 0.8])
    for decays in ((0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)):
        problem = Linear(
            Spectrum.from_eigenvalues(lam), Loss.gaussian(latents=2), decoder_decay=decays[0], encoder_decay=decays[1]
        )
        for x in states(problem, rng):
            decoder, code, variances, _ = parts(problem, x)
            encoder = (code / np.sqrt(lam)[:, None]).T
            expected = evaluate(*decoder.ravel(), *encoder.ravel(), *variances, *lam, 0.7, *decays) / 0.7
            assert problem.loss(x, 0.7) == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize(
    ("theory", "options"),
    [
        (linear.mode_theory(), {}),
        (variations.weight_decay(sp.Rational(3, 10), sp.Rational(7, 10)), DECAYS),
        (variations.prior_variance(sp.Rational(5, 2)), {"prior_variance": 2.5}),
    ],
    ids=["plain", "decay", "prior"],
)
def test_one_mode_is_its_theory(theory, options, rng):
    """Loss and derivatives of one mode are those of its theory in symbols: e = g/√λ, and F is the loss over τ."""
    lam, tau = 2.0, 0.7
    array = Linear(Spectrum.from_eigenvalues([lam]), Loss.gaussian(latents=1), **options)
    symbols = Symbolic(theory, {linear.lam: lam})
    to_symbols = np.array([1, 1 / np.sqrt(lam), 1])
    for x in states(array, rng):
        assert symbols.loss(x * to_symbols, tau) / tau == pytest.approx(array.loss(x, tau), rel=CLOSED)
        close(to_symbols * symbols.gradient(x * to_symbols, tau) / tau, array.gradient(x, tau), CLOSED)
        hessian = np.outer(to_symbols, to_symbols) * symbols.hessian(x * to_symbols, tau) / tau
        close(hessian, array.hessian(x, tau), CLOSED)
    close(symbols.rest(tau), array.rest(tau), CLOSED)


# -------------------------------------------------------------------------------------- derivatives, symmetry


@every_case
def test_derivatives(convention, options, rng):
    problem = problem_of(convention, options)
    for x in states(problem, rng):
        check_derivatives(problem, x, 0.7)
        close(problem.metric(x, 0.7), np.diagonal(problem.hessian(x, 0.7)), CLOSED)


@pytest.mark.parametrize("latents", [1, 2, 6])
def test_derivatives_of_other_sizes(latents, rng):
    _, _, deficient = in_a_basis([2.5, 1.2, 0.0], rng)
    for spectrum in (deficient, Spectrum.from_eigenvalues([2.5, 1.2, 0.0])):
        problem = problem_of({}, {"encoder_decay": 0.7}, spectrum, latents)
        check_derivatives(problem, states(problem, rng)[0], 0.7)
        assert np.all(problem.metric(states(problem, rng)[0], 0.7) > 0)


@every_case
def test_rest_is_stationary(convention, options):
    problem = problem_of(convention, options)
    for beta in (0.1, 1.0, 10.0):
        rest = problem.rest(beta)
        close(problem.gradient(rest, beta), np.zeros(len(rest)), CLOSED)
        np.testing.assert_array_equal(problem.order_parameters(rest, beta), np.zeros(3))


def turned(problem, x, i, j, angle):
    """The state with its axes i and j turned into one another."""
    x = x.copy()
    c, s = np.cos(angle), np.sin(angle)
    for block in parts(problem, x)[:2]:
        block[[i, j]] = np.array([[c, -s], [s, c]]) @ block[[i, j]]
    return x


@every_case
def test_a_multiplet_turns_for_nothing(convention, options, rng):
    """Axes 2 and 3 have equal variance: any rotation costs nothing, which one of axes 1 and 2 does not."""
    problem = problem_of(convention, options)
    for x in states(problem, rng)[:2]:
        orbit = problem.orbit(x)
        rate = slope(lambda at, x=x: turned(problem, x, 1, 2, at[0]), np.zeros(1))
        assert np.linalg.matrix_rank(orbit) == 1
        assert np.linalg.matrix_rank(np.vstack([orbit, rate]), tol=DIFFERENCE) == 1
        close(orbit @ problem.gradient(x, 0.7), np.zeros(len(orbit)), CLOSED)
        before = problem.loss(x, 0.7)
        assert problem.loss(turned(problem, x, 1, 2, 0.8), 0.7) == pytest.approx(before, rel=CLOSED)
        assert problem.loss(turned(problem, x, 0, 1, 0.8), 0.7) != pytest.approx(before, rel=1e-6)


def test_orbit_of_three_equal_modes(rng):
    """Three rotations, and the state of rest, which none of them moves."""
    problem = problem_of({}, {}, Spectrum.from_eigenvalues([1.2, 1.2, 1.2, 0.3]))
    x = states(problem, rng)[0]
    assert np.linalg.matrix_rank(problem.orbit(x)) == 3
    np.testing.assert_array_equal(problem.orbit(problem.rest(1.0)), 0)
    assert problem_of({}, {}, Spectrum.from_eigenvalues([2.5, 1.2, 0.3])).orbit(x).shape == (0, len(x))


@pytest.mark.parametrize("split", [1e-4, 1e-5, 1e-6])
def test_a_split_multiplet_turns_for_almost_nothing(split):
    """Two living latents may share λ and λ(1 − δ) in any way for about δ²; one of them alone may not."""
    lam, tau = np.array([1.2, 1.2 * (1 - 0.99 * split)]), 0.5
    problem = Linear(Spectrum.from_eigenvalues(lam), Loss.gaussian(latents=2))

    def alive(count):
        x = np.zeros(10)
        W, G, *_ = parts(problem, x)
        for k in range(count):
            W[k, k], G[k, k], x[8 + k] = *np.sqrt([lam[k] - tau, 1 - tau / lam[k]]), np.log(tau / lam[k])
        return x

    both = alive(2)
    close(problem.gradient(both, tau), np.zeros(10), CLOSED)
    cost = problem.loss(turned(problem, both, 0, 1, 0.8), tau) - problem.loss(both, tau)
    assert -CLOSED < cost < split**2 + CLOSED
    assert np.linalg.matrix_rank(problem.orbit(both)) == 1
    assert not np.any(problem.orbit(alive(1)))


def test_order_parameters(rng):
    """M² is unchanged by a rescaling of a latent's mean and deviation, and ordered."""
    problem = problem_of({}, {})
    x = states(problem, rng)[0]
    _, G, s, _ = parts(problem, x)
    signal = (G**2).sum(0)
    close(problem.order_parameters(x, 0.7), np.sort(signal / (signal + s))[::-1], CLOSED)
    G *= np.array([0.1, 3.0, 1.0])
    x[-3:] += 2 * np.log([0.1, 3.0, 1.0])
    close(problem.order_parameters(x, 0.7), np.sort(signal / (signal + s))[::-1], CLOSED)


# ------------------------------------------------------------------------------------------------ thresholds


def index_at_rest(problem, beta):
    x = problem.rest(beta)
    scale = np.sqrt(problem.metric(x, beta))
    return int(np.count_nonzero(np.linalg.eigvalsh(problem.hessian(x, beta) / np.outer(scale, scale)) < 0))


def steps(problem, predicted):
    """By how much the index of the collapsed state grows at each predicted threshold."""
    return [index_at_rest(problem, beta * (1 - 1e-7)) - index_at_rest(problem, beta * (1 + 1e-7)) for beta in predicted]


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
@pytest.mark.parametrize("latents", [2, 3, 5])
@pytest.mark.parametrize("prior", [1.0, 2.5])
def test_predicted_thresholds_of_the_plain_loss(convention, latents, prior):
    """Those of `transitions`; at each, every idle latent grows along each mode of the multiplet, one without too."""
    problem = problem_of(convention, {"prior_variance": prior}, latents=latents)
    cascade = transitions(problem.spectrum, problem.user_loss)
    predicted = problem.predicted()
    np.testing.assert_allclose([beta for beta, _ in predicted], cascade.beta, rtol=CLOSED)
    assert [count for _, count in predicted] == cascade.multiplicity.tolist()
    sizes = [1, 2, 1][: len(predicted)]
    assert steps(problem, cascade.beta) == [latents * size for size in sizes]


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
def test_predicted_thresholds_under_decay(convention):
    """Those of `weight_decay`, without the modes whose collapsed state is stable at every β."""
    problem = problem_of(convention, DECAYS, latents=4)
    decay = weight_decay(problem.spectrum, problem.user_loss, decoder=0.3, encoder=0.7)
    unstable = np.isfinite(decay.price)
    predicted = problem.predicted()
    np.testing.assert_allclose([beta for beta, _ in predicted], decay.unstable_beta[unstable], rtol=CLOSED)
    assert [count for _, count in predicted] == decay.multiplicity[unstable].tolist()
    assert steps(problem, [beta for beta, _ in predicted]) == [4 * count for _, count in predicted]
    assert index_at_rest(problem, 1e-9) == 4 * sum(count for _, count in predicted)


@pytest.mark.parametrize("prior", [0.6, 2.5])
def test_predicted_thresholds_under_decay_and_another_prior(prior):
    """A rescaling of z turns η² into 1 and the decays into γ_W/η² and γ_E η²."""
    problem = problem_of({}, {**DECAYS, "prior_variance": prior}, latents=4)
    decay = weight_decay(problem.spectrum, problem.user_loss, decoder=0.3 / prior, encoder=0.7 * prior)
    unstable = np.isfinite(decay.price)
    predicted = problem.predicted()
    assert steps(problem, decay.unstable_beta[unstable]) == (4 * decay.multiplicity[unstable]).tolist()
    np.testing.assert_allclose([beta for beta, _ in predicted], decay.unstable_beta[unstable], rtol=CLOSED)
    assert (problem.certificate is None) == ("first-order" in decay.kind)


@pytest.mark.parametrize("convention", LIKELIHOODS.values(), ids=LIKELIHOODS)
@pytest.mark.parametrize("latents", [2, 5])
@pytest.mark.parametrize("prior", [1.0, 2.5])
def test_predicted_thresholds_of_a_learned_variance(convention, latents, prior):
    """Those of `learned_variance`, in the user's β; the first is where the collapsed state loses its stability.

    With a latent for each mode the last one is where the loss ceases to have a minimum: it is none to be found.
    """
    problem = problem_of(convention, {"learned_variance": True, "prior_variance": prior}, latents=latents)
    known = learned_variance(problem.spectrum, latents)
    price = float(problem.user_loss.at(1.0).price(problem.spectrum))  # τ/σ_dec² at β = 1
    predicted = problem.predicted()
    count = len(known.beta) - (known.singular is not None)
    assert count == 2
    np.testing.assert_allclose([beta for beta, _ in predicted], known.beta[:count] / price, rtol=CLOSED)
    assert [count for _, count in predicted] == known.multiplicity[:count].tolist()
    assert steps(problem, [predicted[0][0]]) == [latents]


def test_certificates():
    """Weight decay of the encoder beyond γ_tri = λ²(1 + 2γ_W)/2(1 + γ_W)² of any mode voids the theorem."""
    spectrum = Spectrum.from_eigenvalues([2.0, 1.0])
    assert "global" in Linear(spectrum).certificate
    assert "one equilibrium" in Linear(spectrum, learned_variance=True).certificate
    limit = (1 + 2 * 0.3) / (2 * 1.3**2)
    below, above = (Linear(spectrum, decoder_decay=0.3, encoder_decay=limit * factor) for factor in (0.99, 1.01))
    assert "γ_tri" in below.certificate
    assert above.certificate is None
    one = Linear(spectrum, Loss.gaussian(latents=1), decoder_decay=0.3, encoder_decay=limit * 1.01)
    assert "γ_tri" in one.certificate  # the weaker mode has no latent


def test_units_of_the_data(rng):
    """With data and decoder in other units, F at the price in these units is the same, and thresholds go along."""
    for eigenvalues in ([2.5, 1.2, 0.3], [2.5, 1.2, 0.0]):
        spectra = (Spectrum.from_eigenvalues(np.multiply(unit, eigenvalues)) for unit in (1, 49.0))
        one, other = (Linear(spectrum, Loss.gaussian(latents=2)) for spectrum in spectra)
        x = states(one, rng)[0]
        scaled = x.copy()
        parts(one, scaled)[0][:] *= 7.0
        assert other.loss(scaled, 49.0 * 0.7) == pytest.approx(one.loss(x, 0.7), rel=CLOSED)
        np.testing.assert_allclose(np.array(other.predicted())[:, 0], 49.0 * np.array(one.predicted())[:, 0])


def test_a_mode_of_no_variance_counts_as_a_feature_only():
    """It changes what a mean over features costs, and has no threshold of its own."""
    for reduction, d in (("sum", 1.0), ("mean", 3.0)):
        loss = Loss.gaussian(reconstruction=reduction, latents=3)
        assert Linear(Spectrum.from_eigenvalues([4, 1, 0]), loss).predicted() == [(4 / d, 1), (1 / d, 1)]


@pytest.mark.parametrize("prior", [0.4, 2.5])
def test_another_prior_changes_no_threshold(prior):
    """Followed, not told: 1e-8 is what `follow` brackets to."""
    loss = Loss.gaussian(latents=3, reconstruction="mean")
    problem = Linear(Spectrum.from_eigenvalues([4, 1, 1, 0]), loss, prior_variance=prior)
    diagram = follow(problem, 1.5, 0.05)
    assert [point.control for point in diagram.special] == pytest.approx([1.0, 0.25], rel=1e-8)
    last = diagram.branches[-1]
    assert last.order_parameters[-1] == pytest.approx([0.95, 0.8, 0.8], rel=1e-6)
    assert np.sort(np.exp(last.x[-1][-3:])) == pytest.approx(prior * np.array([0.05, 0.2, 0.2]), rel=1e-6)


# ------------------------------------------------------------------------------------------ theories in symbols


m, c = sp.symbols("m c", real=True)
TILTED = Landau(
    linear.mode_loss() + (linear.w * c) ** 2 / 2 + linear.tau * (c - m) ** 2 / 2,
    slow=linear.w, fast=(linear.e, linear.s, c), control=linear.tau,
    collapsed={linear.w: 0, linear.e: 0, linear.s: 1, c: m}, symmetry={linear.w: -linear.w, linear.e: -linear.e},
)  # fmt: skip
LEVELS = {hierarchy.s1: 0.8, hierarchy.beta1: 1.3, hierarchy.beta2: 0.7, hierarchy.sigma: 1.1}


@pytest.mark.parametrize(
    ("theory", "parameters"),
    [
        (linear.mode_theory(), {linear.lam: 2}),
        (variations.weight_decay(1, 2), {linear.lam: 2}),
        (variations.fixed_variance(), {linear.lam: 2, linear.s: 0.6}),
        (TILTED, {linear.lam: 2, m: 0.5}),
        (hierarchy.mode_theory(hierarchy.w1, linear.lam), LEVELS),
        (hierarchy.mode_theory(hierarchy.w2, hierarchy.s1), {**LEVELS, linear.lam: 2, hierarchy.s1: hierarchy.s1}),
    ],
    ids=["mode", "decay", "fixed variance", "tilted prior", "hierarchy", "its second level"],
)
def test_derivatives_of_symbols(theory, parameters, rng):
    problem = Symbolic(theory, parameters)
    rest = problem.rest(0.7)
    close(problem.gradient(rest, 0.7), np.zeros(len(rest)), CLOSED)
    for scale in (0.4, 1e-6):
        check_derivatives(problem, rest + scale * rng.normal(size=len(rest)), 0.7)
    assert problem.logarithmic  # all of these controls are prices or variances


def test_positive_unknowns_are_logarithms():
    """s of the theory is exp of the third unknown; an amplitude and a control of either sign are what they are."""
    problem = Symbolic(linear.mode_theory(), {linear.lam: 2})
    x = np.array([0.3, 0.2, np.log(0.5)])
    assert problem.loss(x, 0.7) == pytest.approx(
        0.5 * (2 - 2 * 0.3 * 0.2 * 2 + 0.09 * (0.04 * 2 + 0.5)) + 0.35 * (0.04 * 2 + 0.5 - 1 - np.log(0.5)), rel=CLOSED
    )
    assert problem.order_parameters(x, 0.7) == pytest.approx([0.09], rel=CLOSED)
    a, h = sp.symbols("a h", real=True)
    linear_control = Symbolic(Landau(a**4 / 4 - h * a**2 / 2, a, (), h, {a: 0}))
    assert (linear_control.logarithmic, linear_control.control) == (False, "h")
    assert linear_control.loss(np.array([2.0]), -1.0) == 6.0
    assert linear_control.hessian(np.array([2.0]), -1.0).tolist() == [[13.0]]


def test_order_parameters_and_control_of_ones_own():
    """Expressions in unknowns, parameters and control; any symbol may be the control."""
    theory = linear.mode_theory()
    order = [linear.signal_fraction(), linear.lam * linear.tau * linear.s]
    problem = Symbolic(theory, {linear.tau: 0.7}, control=linear.lam, order_parameters=order, certificate="so it is")
    assert (problem.control, problem.certificate) == ("lambda", "so it is")
    x, signal = np.array([0.3, 0.2, np.log(0.5)]), 0.04 * 2
    assert problem.order_parameters(x, 2.0) == pytest.approx([signal / (signal + 0.5), 2 * 0.7 * 0.5], rel=CLOSED)
    check_derivatives(problem, x, 2.0)
    other = Symbolic(theory, {linear.lam: 2})
    assert problem.loss(x, 2.0) == pytest.approx(other.loss(x, 0.7), rel=CLOSED)


def test_what_is_missing_is_named():
    with pytest.raises(InputError, match=r"but the control tau; m is left over.*give parameters=\{symbol: number\}"):
        Symbolic(TILTED, {linear.lam: 2})
    with pytest.raises(InputError, match="lambda, m is left over"):
        Symbolic(TILTED)
    with pytest.raises(InputError, match="but the control tau; nothing is left over"):
        Symbolic(TILTED, {linear.lam: 2, m: 1, linear.tau: 1})
    with pytest.raises(InputError, match="but the control m; tau is left over"):
        Symbolic(TILTED, {linear.lam: 2}, control=m)


@pytest.mark.parametrize(("lam", "tilt"), [(2.0, 0.5), (0.3, 2.0), (5.0, 0.0)])
def test_a_theory_of_ones_own(lam, tilt):
    """The prior of mean m: threshold λ/(m² + 1), and below it w² = λ − (m² + 1)τ. 1e-8: what `follow` brackets to."""
    problem = Symbolic(TILTED, {linear.lam: lam, m: sp.Rational(tilt)})
    threshold = lam / (tilt**2 + 1)
    diagram = follow(problem, 1.7 * threshold, 0.4 * threshold)
    [point] = diagram.special
    assert point.kind == "supercritical pitchfork"
    assert point.control == pytest.approx(threshold, rel=1e-8)
    assert point.interval[0] <= threshold <= point.interval[1]
    branch = diagram.branches[-1]
    np.testing.assert_allclose(branch.order_parameters[:, 0], lam - (tilt**2 + 1) * branch.control, atol=1e-9 * lam)


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decoder_decay": -1}, "decoder_decay is -1, but a number from 0 on is expected"),
        ({"encoder_decay": -0.5}, "encoder_decay is -0.5, but a number from 0 on"),
        ({"encoder_decay": float("nan")}, "encoder_decay is nan"),
        ({"decoder_decay": float("inf")}, "decoder_decay is inf"),
        ({"decoder_decay": "1"}, "decoder_decay is '1'"),
        ({"prior_variance": 0}, "prior_variance is 0, but a number above 0 is expected"),
        ({"prior_variance": -1.0}, "prior_variance is -1.0, but a number above 0"),
        ({"prior_variance": float("nan")}, "prior_variance is nan"),
        ({"prior_variance": None}, "prior_variance is None"),
        ({"learned_variance": True, "decoder_decay": 1.0}, "leave out weight decay"),
        ({"learned_variance": True, "encoder_decay": 1.0}, "leave out weight decay"),
        ({"learned_variance": True, "loss": Loss.gaussian(half=False)}, "with its ½ and no decoder variance"),
        ({"learned_variance": True, "loss": Loss.gaussian(decoder_variance=2.0)}, "with its ½ and no decoder variance"),
    ],
)
def test_bad_input(options, words):
    with pytest.raises(InputError) as caught:
        Linear(Spectrum.from_eigenvalues([2.0, 1.0]), **options)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
