"""Other spectra, each against the direct minimisation of its own loss, written out here from its definition.

The minimiser knows nothing of eigenvectors: all weights, random starts, L-BFGS on the expected loss.
"""

import itertools

import numpy as np
import pytest
from conftest import CLOSED, SOLVED
from scipy.optimize import minimize

import landau_vae as lv
from landau_vae import spectrum as spectra
from landau_vae.loss import Loss
from landau_vae.numeric import fixed_encoder, hierarchy


def draw(rng, n=60, p=4, q=3):
    """Related tables x (n, p) and y (n, q), centred."""
    x = rng.standard_normal((n, p)) @ rng.standard_normal((p, p))
    y = x @ rng.standard_normal((p, q)) * 0.7 + rng.standard_normal((n, q)) @ rng.standard_normal((q, q))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def minimum(loss, size, rng, starts=6):
    """The best of several random starts of an unconstrained minimisation, polished by Newton-like restarts."""
    best = None
    for _ in range(starts):
        point = rng.standard_normal(size) * 0.3
        for _ in range(3):  # L-BFGS forgets its curvature at a restart, which frees it where it stalls
            found = minimize(loss, point, jac=True, method="L-BFGS-B",
                             options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 0, "gtol": 1e-11})  # fmt: skip
            point = found.x
        best = found if best is None or found.fun < best.fun else best
    return best.x


def order_parameters(encoder, covariance, log_variance):
    """M²_k of a linear encoder on what it sees, falling."""
    signal = np.einsum("kp,pr,kr->k", encoder, covariance, encoder)
    return np.sort(signal / (signal + np.exp(log_variance)))[::-1]


def bottleneck(seen, target, direct, inverse_noise, beta, K):
    """Loss and gradient of ½⟨(t − Wz − Bd)ᵀ Ψ⁻¹ (…)⟩ + β Σ KL with z ~ N(E seen, diag e^v); all averages over rows."""
    n = len(seen)
    P, Q, R = seen.shape[1], target.shape[1], direct.shape[1]
    sizes = np.cumsum([0, Q * K, K * P, K, Q * R])

    def unpack(point):
        W, E, v, B = (point[a:b] for a, b in itertools.pairwise(sizes))
        return W.reshape(Q, K), E.reshape(K, P), v, B.reshape(Q, R)

    def loss(point):
        W, E, v, B = unpack(point)
        mu, s = seen @ E.T, np.exp(v)
        residual = target - mu @ W.T - direct @ B.T
        weighed = residual @ inverse_noise
        WPW = np.einsum("qk,qr,rk->k", W, inverse_noise, W)
        value = 0.5 * np.sum(weighed * residual) / n + 0.5 * s @ WPW
        value += 0.5 * beta * (np.sum(mu**2) / n + np.sum(s - 1 - v))
        dW = -weighed.T @ mu / n + inverse_noise @ W * s
        dE = (-weighed @ W + beta * mu).T @ seen / n
        dv = 0.5 * s * WPW + 0.5 * beta * (s - 1)
        dB = -weighed.T @ direct / n
        return value, np.concatenate([dW.ravel(), dE.ravel(), dv, dB.ravel()])

    return loss, unpack, sizes[-1]


def solved(rng, seen, target, direct, noise, beta, K):
    """M² of the best minimum."""
    inverse = np.linalg.inv(noise)
    loss, unpack, size = bottleneck(seen, target, direct, inverse, beta, K)
    _, E, v, _ = unpack(minimum(loss, size, rng))
    return order_parameters(E, seen.T @ seen / len(seen), v)


def predicted(spectrum, beta, K):
    found = np.zeros(K)
    alive = lv.equilibrium(spectrum, Loss.gaussian(beta, latents=K)).signal_fraction[:K]
    found[: len(alive)] = alive
    return found


def none(n):
    return np.zeros((n, 0))


@pytest.mark.parametrize("seed", range(3))
def test_noise_metric(seed):
    rng = np.random.default_rng(seed)
    _, y = draw(rng, q=4)
    root = rng.standard_normal((4, 4))
    for noise in (root @ root.T + 0.3 * np.eye(4), np.diag(rng.uniform(0.3, 3, 4))):
        spectrum = spectra.noise_metric(y, noise if noise[0, 1] else noise.diagonal())
        beta = float(np.sqrt(spectrum.eigenvalues[1] * spectrum.eigenvalues[2]))  # two of four live
        assert solved(rng, y, y, none(len(y)), noise, beta, 3) == pytest.approx(
            predicted(spectrum, beta, 3), abs=SOLVED
        )


@pytest.mark.parametrize("seed", range(3))
def test_supervised_target(seed):
    rng = np.random.default_rng(seed)
    x, y = draw(rng)
    noise = np.diag(rng.uniform(0.5, 2, 3))
    spectrum = spectra.supervised(x, y, noise=noise.diagonal())
    beta = float(np.sqrt(spectrum.eigenvalues[0] * spectrum.eigenvalues[1]))
    assert solved(rng, x, y, none(len(y)), noise, beta, 2) == pytest.approx(predicted(spectrum, beta, 2), abs=SOLVED)


def test_denoising_is_a_target():
    rng = np.random.default_rng(5)
    clean = rng.standard_normal((80, 3)) * [2, 1, 0.5]
    clean -= clean.mean(axis=0)
    noisy = clean + rng.standard_normal((80, 3))
    noisy -= noisy.mean(axis=0)
    spectrum = spectra.supervised(noisy, clean)
    got = solved(rng, noisy, clean, none(80), np.eye(3), 0.4, 3)
    assert got == pytest.approx(predicted(spectrum, 0.4, 3), abs=SOLVED)
    # Less can be told than the clean data hold, and at every β what is not told stays.
    assert spectrum.eigenvalues.sum() < spectrum.total_variance
    assert spectrum.total_variance == pytest.approx(clean.var(axis=0).sum(), rel=CLOSED)
    left = lv.equilibrium(spectrum, Loss.gaussian(1e-9)).total_distortion
    assert float(left) == pytest.approx(1 - spectrum.eigenvalues.sum() / spectrum.total_variance, abs=1e-8)  # τ modes/V


@pytest.mark.parametrize("seed", range(3))
def test_conditional(seed):
    rng = np.random.default_rng(seed)
    x, y = draw(rng, p=2)
    noise = np.diag(rng.uniform(0.5, 2, 3))
    spectrum = spectra.conditional(x, y, noise=noise)
    beta = float(np.sqrt(spectrum.eigenvalues[0] * spectrum.eigenvalues[1]))
    both = np.concatenate([x, y], axis=1)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert spectrum.total_variance == pytest.approx(np.sum(residual.var(axis=0) / noise.diagonal()), rel=1e-10)
    assert solved(rng, both, y, x, noise, beta, 2) == pytest.approx(predicted(spectrum, beta, 2), abs=SOLVED)


@pytest.mark.parametrize("seed", range(3))
def test_fixed_encoder_variances_and_their_pairing(seed):
    rng = np.random.default_rng(seed)
    _, y = draw(rng, q=4)
    spectrum, s, tau = lv.Spectrum.from_data(y), np.array([1.5, 0.2, 0.7]), 0.8
    loss, unpack, size = bottleneck(y, y, none(len(y)), np.eye(4), tau, 3)
    free = np.ones(size, dtype=bool)
    free[12 + 12 : 12 + 12 + 3] = False  # the log-variances
    full = np.zeros(size)
    full[~free] = np.log(s)

    def held(point):
        full[free] = point
        value, gradient = loss(full)
        return value, gradient[free]

    point = minimum(held, int(free.sum()), rng)
    value, _ = held(point)
    W, E, v, _ = unpack(full)
    signal = np.einsum("kp,pr,kr->k", E, y.T @ y / len(y), E)
    found = fixed_encoder(spectrum, Loss.gaussian(tau, latents=3), s)
    expected = np.zeros(3)
    expected[found.latent] = found.signal_fraction
    assert signal / (signal + s) == pytest.approx(expected, abs=SOLVED)
    norms = np.zeros(3)
    norms[found.latent] = found.decoder_norm
    assert np.linalg.norm(W, axis=0) == pytest.approx(norms, abs=SOLVED * 10)  # square roots of small gradients
    distortion = 2 * (value - tau * (0.5 * np.sum(signal) + 0.5 * np.sum(s - 1 - v))) / spectrum.total_variance
    assert found.total_distortion == pytest.approx(distortion, abs=SOLVED)


def test_a_fixed_encoder_in_words():
    found = fixed_encoder(lv.Spectrum.from_eigenvalues([4.0, 1.0, 0.3]), Loss.gaussian(1.0, latents=3), [0.5, 0.5, 0.5])
    assert repr(found) == "FixedEncoder(2 of 3 latents active at τ = 1, β = 8 … 0.6)"


@pytest.mark.parametrize("seed", range(6))
def test_hierarchy(seed):
    """Two levels, one mode of each of three variances, by minimising the averaged loss of five unknowns."""
    rng = np.random.default_rng(seed)
    b1, b2, S, s1 = rng.uniform(0.4, 2.5, 4)
    spectrum = lv.Spectrum.from_eigenvalues(np.sort(rng.uniform(0.2, 12, 3))[::-1])
    found = hierarchy(spectrum, first_beta=b1, second_beta=b2, decoder_variance=S, first_variance=s1)
    for k, lam in enumerate(spectrum.eigenvalues):

        def loss(point, lam=lam):
            w1, v1, w2, v2, t = point
            A, s2 = v1**2 * lam + s1, np.exp(t)
            first = lam - 2 * w1 * v1 * lam + w1**2 * A
            second = A * (1 - w2 * v2) ** 2 + w2**2 * s2
            r1 = second / (2 * S) - 0.5 * (1 + np.log(s1 / S))  # ⟨ln q(z₁|x) − ln p(z₁|z₂)⟩
            r2 = 0.5 * (v2**2 * A + s2 - 1 - t)
            return first / (2 * S) + b1 * r1 + b2 * r2

        rough = [minimize(loss, rng.standard_normal(5), method="BFGS") for _ in range(12)]
        start = min(rough, key=lambda each: each.fun).x
        _, v1, _, v2, t = minimize(loss, start, method="BFGS", jac="3-point", options={"gtol": 1e-11}).x
        A = v1**2 * lam + s1
        assert v1**2 * lam / A == pytest.approx(found.first[k], abs=SOLVED)
        assert v2**2 * A / (v2**2 * A + np.exp(t)) == pytest.approx(found.second[k], abs=SOLVED)


def test_negative_binomial_threshold():
    """K = 1, log link, dispersion 2: the best loss falls below the collapsed one below the threshold, not above it."""
    rng = np.random.default_rng(7)
    theta = 2.0
    mean = 3 * np.exp(0.5 * rng.standard_normal((300, 1)) * np.array([[1.0, 0.7, 0.3]]))
    X = rng.negative_binomial(theta, theta / (theta + mean)).astype(float)
    spectrum = spectra.exponential_family(X, lambda m: m + m**2 / theta)
    first = float(lv.transitions(spectrum, Loss.of("family")).beta[0])
    assert first == pytest.approx(spectrum.eigenvalues[0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    centred = X - X.mean(axis=0)

    def loss(point, beta):
        W, b, E, t = point[:3], point[3:6], point[6:9], point[9]
        mu = centred @ E
        eta = b + (mu[:, None] + np.exp(t / 2) * nodes)[..., None] * W  # (n, nodes, 3)
        nll = (X[:, None] + theta) * np.log(theta + np.exp(eta)) - X[:, None] * eta
        kl = 0.5 * (np.mean(mu**2) + np.exp(t) - 1 - t)
        return np.einsum("njd,j->", nll, weights) / len(X) + beta * kl

    def signal(beta):
        start = np.concatenate(
            [0.3 * rng.standard_normal(3), np.log(X.mean(axis=0)), 0.05 * rng.standard_normal(3), [0]]
        )
        x = minimize(loss, start, args=(beta,), method="BFGS", options={"gtol": 1e-7}).x
        power = np.mean((centred @ x[6:9]) ** 2)
        return power / (power + np.exp(x[9]))

    assert signal(1.02 * first) < 1e-4
    assert 1e-3 < signal(0.98 * first) < 0.06  # M² ≈ (1 − β/β_c) times a number of order one


# ------------------------------------------------------------------------------------------ other properties


def test_weights_are_repeated_rows(rng):
    x, y = draw(rng, n=30)
    times = rng.integers(1, 4, 30)
    for function in (spectra.supervised, spectra.conditional):
        weighted = function(x, y, weights=times)
        repeated = function(np.repeat(x, times, axis=0), np.repeat(y, times, axis=0))
        assert weighted.eigenvalues == pytest.approx(repeated.eigenvalues, rel=1e-9)


def test_scales_of_conditions_and_inputs_do_not_matter(rng):
    x, y = draw(rng, p=3)
    for function in (spectra.supervised, spectra.conditional):
        turned = function(x @ rng.standard_normal((3, 3)) + 5, y - 2)
        assert turned.eigenvalues == pytest.approx(function(x, y).eigenvalues, rel=1e-8)


def test_standardised_targets(rng):
    x, y = draw(rng)
    scaled = spectra.conditional(x, y, standardize=True)
    assert scaled.eigenvalues == pytest.approx(spectra.conditional(x, y / y.std(axis=0)).eigenvalues, rel=1e-10)


def test_unit_noise_changes_nothing_and_a_spectrum_will_do(rng):
    _, y = draw(rng)
    plain = lv.Spectrum.from_data(y)
    assert spectra.noise_metric(y, np.ones(3)).eigenvalues == pytest.approx(plain.eigenvalues, rel=1e-10)
    assert spectra.noise_metric(plain, 2 * np.eye(3)).eigenvalues == pytest.approx(plain.eigenvalues / 2, rel=1e-10)
    wide = rng.standard_normal((4, 9))
    assert spectra.noise_metric(wide, np.ones(9)).eigenvalues == pytest.approx(
        lv.Spectrum.from_data(wide).eigenvalues, rel=1e-8
    )


def test_everything_downstream_takes_them(rng):
    x, y = draw(rng)
    for spectrum in (spectra.supervised(x, y), spectra.conditional(x, y), spectra.noise_metric(y, [1, 2, 3])):
        lv.transitions(spectrum, Loss.gaussian()).summary()
        lv.plotting.cascade(spectrum, Loss.gaussian())
        assert lv.choose_beta(spectrum, Loss.gaussian(), keep=1).equilibrium.active == 1
        assert "exact" in spectrum.note


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: spectra.supervised(x[:-1], y), "x has 59 rows and y has 60"),
        (lambda x, y: spectra.conditional(x, y, weights=-np.ones(60)), "not negative"),
        (lambda x, y: spectra.conditional(x, y, weights=np.zeros(60)), "All weights are zero"),
        (lambda x, y: spectra.conditional(x, y, weights=np.ones(3)), "one weight per row"),
        (lambda x, y: spectra.conditional(np.c_[x, x[:, 0] + x[:, 1]], y), "conditions 0, 1, 4 depend on one another"),
        (lambda x, y: spectra.conditional(np.c_[x, np.ones(60)], y), "condition 4 is constant"),
        (lambda x, y: spectra.conditional(x, x[:, :2]), "Nothing is left to encode"),
        (lambda x, y: spectra.supervised(np.ones((60, 2)), y), "say nothing about y"),
        (lambda x, y: spectra.supervised(x, np.ones((60, 1)), standardize=True), "Column 0 of y is constant"),
        (lambda x, y: spectra.supervised(np.where(x > 1, np.nan, x), y), "x cannot be used.*NaN"),
        (lambda x, y: spectra.noise_metric(y, np.ones(2)), "2 variances, but there are 3"),
        (lambda x, y: spectra.noise_metric(y, [1, 0, 1]), "of feature 1 is 0.0"),
        (lambda x, y: spectra.noise_metric(y, np.ones((3, 3))), "metric is singular"),
        (lambda x, y: spectra.noise_metric(y, np.eye(4)), "but there are 3 features"),
        (lambda x, y: spectra.noise_metric(lv.Spectrum.from_eigenvalues([2, 1]), [1, 1]), "only eigenvalues"),
        (lambda x, y: spectra.exponential_family(np.abs(y), lambda m: m * 0), "is 0 at the mean"),
        (
            lambda x, y: spectra.exponential_family(np.abs(y), lambda m: m[:2]),
            "could not be broadcast|variance function",
        ),
        (lambda x, y: spectra.exponential_family(np.abs(y), lambda m: 1 / 0), "raised ZeroDivisionError"),
        (lambda x, y: lv.transitions(spectra.exponential_family(np.abs(y), np.abs), Loss.gaussian()), "family"),
        (
            lambda x, y: fixed_encoder(lv.Spectrum.from_data(y), Loss.gaussian(latents=2), [1, 1, 1]),
            r"\(2,\) is expected",
        ),
        (lambda x, y: fixed_encoder(lv.Spectrum.from_data(y), Loss.gaussian(), 0.0), "variances are positive"),
        (lambda x, y: fixed_encoder(lv.Spectrum.from_data(y), Loss.gaussian([1, 2]), 1.0), "2 values"),
        (lambda x, y: hierarchy(lv.Spectrum.from_data(y), first_variance=0), "first_variance is 0"),
    ],
)
def test_bad_input(rng, call, words):
    x, y = draw(rng)
    with pytest.raises(lv.InputError, match=words):
        call(x, y)


# --------------------------------------------------------------------------- what a second reader found wrong


def test_units_of_the_inputs_do_not_matter_down_to_rounding(rng):
    y = rng.standard_normal((400, 1))
    told = y + 0.3 * rng.standard_normal((400, 1))
    noise = rng.standard_normal((400, 3))
    whole = spectra.supervised(np.c_[noise, told], y).eigenvalues
    for unit in (1e-12, 1e9):
        found = spectra.supervised(np.c_[noise, unit * told], y)
        assert found.eigenvalues == pytest.approx(whole, rel=1e-9)
    assert "exact" in found.note


def test_few_rows_for_many_inputs_are_said_to_tell_by_chance(rng):
    note = spectra.supervised(rng.standard_normal((50, 20)), rng.standard_normal((50, 3))).note
    assert "20 columns of x in 50 rows explain 41% of any noise" in note
    assert "chance" not in spectra.supervised(rng.standard_normal((500, 2)), rng.standard_normal((500, 3))).note


@pytest.mark.parametrize("build", [spectra.supervised, spectra.conditional])
def test_no_noise_floor_for_spectra_of_another_law(rng, build):
    spectrum = build(rng.standard_normal((200, 5)), rng.standard_normal((200, 4)))
    with pytest.raises(lv.OutsideTheory, match="known for the covariance of samples"):
        lv.choose_beta(spectrum, Loss.gaussian(), noise_floor=True)


def test_rows_with_other_labels_are_not_joined(rng):
    pd = pytest.importorskip("pandas")
    x, y = draw(rng)
    left, right = pd.DataFrame(x), pd.DataFrame(y)
    with pytest.raises(lv.InputError, match="labelled otherwise"):
        spectra.supervised(left, right.iloc[::-1])


def test_truncated_spectra_are_refused_where_the_rest_would_count(rng):
    short = lv.Spectrum.from_data(rng.standard_normal((200, 30)), modes=4)
    with pytest.raises(lv.OutsideTheory, match="all modes, but only the 4 strongest were kept"):
        fixed_encoder(short, Loss.gaussian(0.1), 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: lv.transitions([4, 1], Loss.gaussian()),
        lambda: lv.equilibrium([4, 1], Loss.gaussian()),
        lambda: lv.choose_beta(np.ones((3, 3)), Loss.gaussian(), keep=1),
        lambda: fixed_encoder([4, 1], Loss.gaussian(), 1.0),
        lambda: hierarchy([4, 1], first_variance=1.0),
    ],
)
def test_a_list_is_no_spectrum(call):
    with pytest.raises(lv.InputError, match=r"spectrum is .*, but a Spectrum such as Spectrum.from_data"):
        call()


def test_a_word_is_no_loss():
    with pytest.raises(lv.InputError, match=r"loss is .pythae., but a Loss such as Loss.gaussian"):
        lv.choose_beta(lv.Spectrum.from_eigenvalues([4, 1]), "pythae", keep=1)


def test_complex_noise_is_refused(rng):
    with pytest.raises(lv.InputError, match="cannot be read as numbers"):
        spectra.noise_metric(rng.standard_normal((20, 2)), np.array([1 + 5j, 2]))


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_a_noise_metric_is_singular_by_its_shape_not_by_its_unit(rng, unit):
    """Ψ → uΨ divides every eigenvalue by u; a direction without noise stays one in any unit."""
    y = rng.standard_normal((60, 3))
    full = np.diag([1.0, 2.0, 1e-6]) + 0.1
    assert spectra.noise_metric(y, unit * full).eigenvalues * unit == pytest.approx(
        spectra.noise_metric(y, full).eigenvalues, rel=1e-10
    )
    with pytest.raises(lv.InputError, match="metric is singular"):
        spectra.noise_metric(y, unit * (np.diag([1.0, 2.0, 1e-12])))
    with pytest.raises(lv.InputError, match="metric is singular"):  # two directions without noise beside one with
        spectra.noise_metric(y, unit * (np.diag([1e-12, 2.0, 2e-12])))


def test_names_that_users_give_are_the_spectrum_s(rng):
    pandas = pytest.importorskip("pandas")
    x, y = rng.random((60, 2)), rng.random((60, 3))
    names = ["wind", "rain", "sun"]
    for rows in (y, pandas.DataFrame(y, columns=list("abc"))):  # names of one's own go before those of a table
        for spectrum in (
            lv.Spectrum.from_data(rows, names=names),
            spectra.noise_metric(rows, [1, 2, 3], names=names),
            spectra.exponential_family(rows, lambda mean: mean, names=names),
            spectra.score(rows, Loss.gaussian(), names=names),
            spectra.supervised(x, rows, names=names),
            spectra.conditional(x, rows, names=names),
        ):
            assert list(spectrum.names) == names, spectrum.kind
