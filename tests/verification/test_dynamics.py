"""When modes leave the plateau: against maps that are iterated by hand, dense Hessians, and models that are trained."""

from dataclasses import replace

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError, Loss, OutsideTheory, Spectrum, plotting
from landau_vae.numeric.plateau_activation import distance as way
from landau_vae.numeric.plateau_activation import longest_steps
from landau_vae.numeric.plateau_growth import growth, per_update, succession
from landau_vae.training import SGD, Adam, Sampled, Schedule, cosine
from landau_vae.training.gradients import Layout, MomentGradient
from landau_vae.verification import dynamics

CONSTANT = Schedule(((0.0, 1.0),))
SPECTRUM = Spectrum.from_eigenvalues([4, 2, 1, 0.5])


def descend(spectrum, temperatures, rate=0.01, *, updates=4000, momentum=0.0, seeds=(0,), latents=6, **how):
    """A scan by gradient descent on the expected loss, from small weights, with snapshots."""
    how = {"batch": None, "noise": False, "learning_rate": CONSTANT, "start": 0.01, "history": 400} | how
    trainer = Sampled(updates, optimizer=SGD(rate, momentum=momentum), **how)
    return lv.scan(spectrum, temperatures, latents=latents, seeds=seeds, trainer=trainer)


@pytest.fixture(scope="module")
def models():
    return descend(SPECTRUM, [0.005, 0.02, 0.1, 0.2, 0.4], updates=8000, seeds=(0, 1))


@pytest.fixture(scope="module")
def result(models):
    return dynamics(models, SPECTRUM)


# ------------------------------------------------------------------------------------ rates and limits


def one_mode(lam, price, rate, momentum, start, target):
    """Updates of the raw map in (w, e, ln s), by hand, until the gain w e reaches a share of its final value."""
    kappa = -np.linalg.eigvalsh([[1, -lam], [-lam, price * lam]])[0]
    w = start * np.sqrt(lam - price)
    point, velocity = np.array([w, w * (1 + kappa) / lam, 0.0]), np.zeros(3)
    updates = 0
    while point[0] * point[1] < target * (1 - price / lam):
        w, e, s = point[0], point[1], np.exp(point[2])
        slope = [w * (e**2 * lam + s) - e * lam, e * lam * (w**2 + price) - w * lam, (w**2 * s + price * (s - 1)) / 2]
        velocity = momentum * velocity + np.array(slope)
        point, updates = point - rate * velocity, updates + 1
    return updates


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_one_mode_by_hand(momentum):
    """Starts a thousand times smaller cost ln(1000) powers of e more, whatever the nonlinear end takes."""
    lam, price, rate = 2.0, 0.7, 0.01
    found = [
        lv.numeric.activation(
            Spectrum.from_eigenvalues([lam]), Loss.gaussian(price), learning_rate=rate, momentum=momentum, start=start
        )
        for start in (1e-7, 1e-4)
    ]
    counted = [one_mode(lam, price, rate, momentum, start, 0.5) for start in (1e-7, 1e-4)]
    assert counted[0] - counted[1] == pytest.approx(float(found[0].needed[0] - found[1].needed[0]), abs=1.5)
    assert counted[1] == pytest.approx(float(found[1].needed[0]), rel=0.08)  # M²/2: the logistic law of saturation


def test_rates_are_eigenvalues_of_the_landscape():
    """Another route: the negative eigenvalues of the collapsed Hessian, one per latent and mode above the price."""
    loss = Loss.gaussian(0.2, latents=3)
    scene = lv.numeric.landscape(SPECTRUM, loss)
    values = scene.hessian_eigenvalues(scene.collapsed)
    found = lv.numeric.activation(SPECTRUM, loss, learning_rate=0.05)
    np.testing.assert_allclose(np.expm1(found.rate), -0.05 * values[values < 0][::3][:3], rtol=1e-12)
    np.testing.assert_allclose(growth(4.0, 2.0), lv.numeric.landscape(SPECTRUM, Loss.gaussian(2.0)).escapes(
        lv.numeric.landscape(SPECTRUM, Loss.gaussian(2.0)).collapsed)[0].rate, rtol=1e-12)  # fmt: skip


@pytest.mark.parametrize(("lam", "price", "latents"), [([2, 1], 0.3, 2), ([0.5, 0.2], 0.4, 3), ([2, 2, 0.1], 0.05, 4)])
@pytest.mark.parametrize("convention", [{}, {"reconstruction": "mean", "half": False}])
def test_limit_of_the_learning_rate_against_the_trainers_own_gradient(lam, price, latents, convention):
    """2/x, x the largest curvature in (W, E, biases, ln s) by central differences, at both ends of training."""
    spectrum, d = Spectrum.from_eigenvalues(lam), len(lam)
    loss = Loss.gaussian(latents=latents, **convention)
    loss = loss.at(loss.beta_at(price, spectrum))
    layout, (a, b) = Layout(d, latents), loss.weights(d)
    second = np.eye(d + 1)
    second[:d, :d] = np.diag(lam)
    engine = MomentGradient(layout, a, None, second)
    largest = 0.0
    scene = lv.numeric.landscape(spectrum, loss)
    for point in (scene.collapsed, scene.minimum):
        flat = np.zeros((2 * layout.size + 1, layout.size))
        weights = layout.parts(flat)
        for k, mode in enumerate(point.active):
            w = np.sqrt(lam[mode - 1] - price)
            weights.decoder[:, mode - 1, k], weights.encoder[:, mode - 1, k] = w, w / lam[mode - 1]
            weights.log_variance[:, k] = np.log(price / lam[mode - 1])
        step = 1e-5 * np.eye(layout.size)
        flat[: layout.size] += step
        flat[layout.size : -1] -= step
        slope = np.empty_like(flat)
        engine.gradient(layout.parts(flat), np.full((len(flat), 1), float(b)), 0, layout.parts(slope))
        assert np.abs(slope[-1]).max() < 1e-14
        hessian = (slope[: layout.size] - slope[layout.size : -1]) / 2e-5
        largest = max(largest, np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])
    found = lv.numeric.activation(spectrum, loss, learning_rate=1e-3)
    assert found.limit == pytest.approx(2 / largest, rel=1e-7)  # differences of 1e-5: 1e-10 of truncation and rounding
    heavy = lv.numeric.activation(spectrum, loss, learning_rate=1e-3, momentum=0.5)
    assert heavy.limit == pytest.approx(1.5 * found.limit, rel=1e-12)


def test_descent_beyond_the_limit_does_not_come_to_rest():
    spectrum = Spectrum.from_eigenvalues([3.0])
    limit = lv.numeric.activation(spectrum, Loss.gaussian(0.3), learning_rate=1e-3).limit
    for factor, rests in ((0.95, True), (1.05, False)):
        models = descend(spectrum, [0.1], limit * factor, latents=1, updates=3000, start=0.5)
        last = models.decoder_history.values[0, 0, -2:, 0, 0].astype(float)
        assert (abs(last[1]) == pytest.approx(np.sqrt(2.7), rel=1e-6)) == rests


# ------------------------------------------------------------------------------------------- activation


def test_late_modes_are_named():
    loss = Loss.gaussian(0.05)
    found = lv.numeric.activation(SPECTRUM, loss, learning_rate=1e-3, updates=10_000)
    np.testing.assert_array_equal(found.needed, lv.numeric.landscape(SPECTRUM, loss).plateau(0.01, 1e-3))
    assert found.late.tolist() == [False, False, False, True]
    assert found.warnings == (
        "Mode 4 needs about 25 000 updates at learning rate 0.001 to leave the plateau: "
        "the run of 10 000 ended before it could.",
    )
    assert repr(found) == "Activation(4 modes by gradient descent at 0.001, 1 300 … 25 000 updates, 1 late)"
    assert found.warnings[0] in found.summary()
    assert found.summary().count("late\n") == 1
    content = found.to_dict()
    assert (content["late"], content["mode"], content["updates"]) == ([False] * 3 + [True], [1, 2, 3, 4], 10_000)
    many = lv.numeric.activation(
        Spectrum.from_eigenvalues(np.geomspace(1, 0.1, 9)), loss, learning_rate=1e-3, updates=100
    )
    assert many.warnings[0].startswith("9 modes from 1 to 9 need about 7 ")
    assert many.warnings[0].endswith("the run of 100 ended before they could.")


def test_a_schedule_is_worth_its_sum():
    found = lv.numeric.activation(SPECTRUM, Loss.gaussian(0.05), learning_rate=1e-3, updates=10_000, schedule=cosine())
    assert found.worth == pytest.approx(5000.5, rel=1e-9)
    assert found.late.tolist() == [False, False, True, True]
    assert "the run of 10 000 (worth 5 000 at the full rate) ended" in found.warnings[0]
    bound = lv.numeric.activation(SPECTRUM, Loss.gaussian(0.05), learning_rate=1e-5, updates=4000, optimizer="adam")
    less = lv.numeric.activation(
        SPECTRUM, Loss.gaussian(0.05), learning_rate=1e-5, updates=4000, optimizer="adam", schedule=cosine()
    )
    np.testing.assert_array_equal(less.needed, bound.needed)
    assert not bound.late.any()
    assert less.late.all()


def test_modes_without_a_plateau_to_leave():
    dead = lv.numeric.activation(SPECTRUM, Loss.gaussian(5.0), learning_rate=1e-3, updates=10)
    assert (repr(dead), dead.warnings) == ("Activation(0 modes by gradient descent at 0.001, 0 late)", ())
    assert "mode" in dead.summary()
    few = lv.numeric.activation(SPECTRUM, Loss.gaussian(0.1, latents=2), learning_rate=1e-3)
    assert few.mode.tolist() == [1, 2]
    fast = lv.numeric.activation(SPECTRUM, Loss.gaussian(0.1), learning_rate=0.2)
    assert not fast.stable
    assert fast.warnings == (
        "The learning rate 0.2 is too large: above 0.118 gradient descent is unstable on the plateau or "
        "at the minimum.",
    )


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate is 0, but a number above 0"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', but a number above 0"),
        ({"updates": 0.5}, "updates is 0.5, but a whole number"),
        ({"momentum": 1.0}, "momentum is 1.0, but a number from 0 to below 1"),
        ({"start": 1}, "start is 1, but a number between 0 and 1"),
        ({"optimizer": "lbfgs"}, "optimizer is 'lbfgs', but 'gradient descent' or 'adam'"),
        ({"optimizer": "adam", "momentum": 0.5}, "Adam has its own: leave it out"),
        ({"schedule": cosine()}, "for a run of None updates"),
    ],
)
def test_settings_that_are_none(bad, sentence):
    with pytest.raises(InputError, match=sentence):
        lv.numeric.activation(SPECTRUM, Loss.gaussian(0.1), **{"learning_rate": 1e-3} | bad)
    with pytest.raises(InputError, match="give one number"):
        lv.numeric.activation(SPECTRUM, Loss.gaussian([0.1, 0.2]), learning_rate=1e-3)


# -------------------------------------------------------------------------------------------------- Adam


def test_no_gradients_make_adam_step_further(rng):
    """Random, sparse and growing ones; those that grow by β₂/β₁ attain the bound, and pass Kingma & Ba's 3.16."""
    longest, n = longest_steps(300), 300
    growing = (0.999 / 0.9) ** np.arange(n)
    sparse = rng.standard_normal((40, n)) * (rng.random((40, n)) < 0.05)
    gradients = np.concatenate([rng.standard_normal((40, n)), sparse, growing[None], rng.standard_cauchy((20, n))])
    rule, weights = Adam(1.0, epsilon=1e-300), np.zeros((len(gradients), 1))
    memory, steps = rule.memory(weights), []
    for update in range(n):
        before = weights.copy()
        rule.step(weights, gradients[:, update : update + 1].copy(), memory, 1.0, update + 1, slice(0))
        steps.append(np.abs(weights - before)[:, 0])
    steps = np.array(steps).T
    assert (steps <= longest * (1 + 1e-9)).all()
    np.testing.assert_allclose(steps[80], longest, rtol=1e-9)
    assert longest[-1] > 0.1 / np.sqrt(0.001)


@pytest.mark.parametrize("noise", [False, True])
def test_adam_is_never_faster_than_its_bound(rng, noise):
    """From starts that are no larger than what the bound assumes; and real runs are within thirty times the bound."""
    turned = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    covariance = turned @ np.diag([4, 2, 1, 0.5]) @ turned.T
    spectrum = Spectrum.from_covariance((covariance + covariance.T) / 2)
    vectors = np.linalg.eigh(spectrum.covariance)[1][:, ::-1]
    trainer = Sampled(
        3000, 64 if noise else None, Adam(2e-3), CONSTANT, noise=noise, start=0.01, history=301, precision="float32"
    )
    models = lv.scan(spectrum, [0.01, 0.05], latents=3, seeds=(0, 1), trainer=trainer)
    factors = []
    for seed, t in np.ndindex(2, 2):
        one = models.isel(seed=seed, temperature=t)
        rows, columns = vectors.T @ one.decoder_history.values, one.encoder_history.values @ vectors
        price = float(one.temperature) * spectrum.total_variance
        w = np.sqrt(spectrum.eigenvalues[:3] - price)
        begin = [
            np.linalg.norm(rows[0], axis=1)[:3] / w,
            np.linalg.norm(columns[0], axis=0)[:3] * spectrum.eigenvalues[:3] / w,
        ]
        start = float(np.max(begin))
        bound = lv.numeric.activation(
            spectrum, Loss.gaussian(price, latents=3), learning_rate=2e-3, start=start, optimizer="adam"
        )
        gain = np.einsum("ukl,ulk->uk", rows, columns)[:, :3]
        first = np.argmax(gain >= 0.5 * (1 - price / spectrum.eigenvalues[:3]), axis=0)
        reached = first[first > 0]
        assert len(reached)
        taken = one["update"].values[reached]
        assert (taken >= bound.needed[first > 0]).all()
        factors.append(taken / bound.needed[first > 0])
    assert np.concatenate(factors).max() < 30


# ---------------------------------------------------------------------------------------------- dynamics


def test_growing_modes_arrive_when_predicted(result):
    assert result.agrees
    assert set(result.verdict.ravel()) <= {"agrees", "inactive", "not reached", "overshadowed"}
    first = result.ratio[..., 0]
    np.testing.assert_allclose(first, 1, atol=0.1)  # half a power of e of about five
    assert np.nanmax(result.outside) < 0.3
    assert (result.earliest[result.compared] <= result.predicted[result.compared]).all()
    np.testing.assert_allclose(result.earliest[..., 0], result.predicted[..., 0], rtol=1e-12)
    assert (result.verdict[:, 2:, 3] == "inactive").all()  # T = 0.1 and more, of a mode with T_k = 0.067


def test_rates_slow_down_towards_the_threshold(result):
    """κ → λ²/(1+λ²) (1 − T/T_k), exactly so at the threshold."""
    for distance in (1e-3, 1e-5):
        rate = np.diagonal(result.rate_at(SPECTRUM.normalized * (1 - distance)))
        lam = SPECTRUM.eigenvalues
        np.testing.assert_allclose(rate, 0.01 * distance * lam**2 / (1 + lam**2), rtol=2 * distance + 0.01 * distance)


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_another_learning_rate_is_refuted(models, factor):
    wrong = dynamics(models, SPECTRUM, learning_rate=0.01 * factor)
    assert not wrong.agrees
    assert np.isin(wrong.verdict[..., 0], ("disagrees", "missing")).all()


def test_another_spectrum_is_refuted(models):
    assert not dynamics(models, Spectrum.from_eigenvalues([3, 2.5, 1.5, 0.5])).agrees


@pytest.mark.parametrize(
    "how",
    [
        {"rate": 0.002, "momentum": 0.9, "updates": 2500},
        {"rate": 0.02, "learning_rate": cosine()},
        {"rate": 0.02, "loss": Loss.gaussian(reconstruction="mean", half=False)},
        {"rate": 0.06, "updates": 700},
        {"rate": 0.01, "start": 0.1, "noise": True, "batch": 2048},
    ],
)
def test_other_ways_down(how):
    """Momentum, a schedule, another convention, large steps, and noise that is small beside the start."""
    found = dynamics(descend(SPECTRUM, [0.01, 0.1], **how))
    assert found.agrees
    assert np.count_nonzero(found.verdict == "agrees") >= 4


def test_a_rotated_multiplet_has_the_times_of_its_singular_vectors(rng):
    turned = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    covariance = turned @ np.diag([2, 2, 2, 0.5]) @ turned.T
    found = dynamics(descend(Spectrum.from_covariance((covariance + covariance.T) / 2), [0.02, 0.1], seeds=(0, 1)))
    assert found.agrees
    np.testing.assert_allclose(found.ratio[..., :3], 1, atol=0.1)
    assert (np.diff(found.measured[..., :3]) > 0).all()


def test_what_cannot_be_compared_says_why():
    few = dynamics(descend(SPECTRUM, [0.05], latents=1, updates=500))
    assert few.verdict[0, 0].tolist() == ["agrees", "no latent", "no latent", "no latent"]
    large = dynamics(descend(SPECTRUM, [0.05], start=1.0, updates=500))
    assert "no plateau" in large.verdict
    noisy = dynamics(descend(SPECTRUM, [0.05], noise=True, batch=8, updates=500))
    assert (noisy.verdict == "noise").all()
    assert not noisy.agrees
    with np.errstate(all="ignore"):
        wild = dynamics(descend(SPECTRUM, [0.05], 3.0, updates=500))
    assert (wild.verdict == "diverged").all()
    short = dynamics(descend(SPECTRUM, [0.05], updates=60))
    assert set(short.verdict.ravel()) <= {"not reached", "overshadowed"}
    assert "overshadowed" in dynamics(descend(SPECTRUM, [0.01], latents=4, seeds=range(4), updates=3000)).verdict


def test_a_mode_that_should_have_been_seen_is_missing(models):
    frozen = models.copy()
    for name in ("decoder_history", "encoder_history"):
        frozen[name] = frozen[name].isel(update=0).expand_dims(update=frozen["update"]).transpose(*models[name].dims)
    found = dynamics(frozen)
    assert (found.verdict[..., 0] == "missing").all()
    assert not found.agrees


def test_output_of_dynamics(result):
    count = np.count_nonzero(result.verdict == "agrees")
    assert repr(result) == f"Dynamics({count} of {count} activations at the predicted time, η = 0.01)"
    assert len(result.summary().splitlines()) == 2 + 2 + 4 + 1  # line, blank; header and rule; modes; note
    content = result.to_dict()
    assert content["learning_rate"] == 0.01
    assert np.shape(content["predicted"]) == result.predicted.shape == (2, 5, 4)


def test_scans_without_times(models):
    with pytest.raises(InputError, match="no snapshots"):
        dynamics(lv.scan(SPECTRUM, [0.1]))
    with pytest.raises(OutsideTheory, match="trained by Adam"):
        dynamics(lv.scan(SPECTRUM, [0.1], trainer=Sampled(10, None, Adam(1e-3), noise=False, history=5)))
    decaying = Sampled(10, None, SGD(1e-3, weight_decay=0.1), noise=False, history=5)
    with pytest.raises(OutsideTheory, match="leave these settings"):
        dynamics(lv.scan(SPECTRUM, [0.1], trainer=decaying))
    with pytest.raises(OutsideTheory, match="constant β"):
        dynamics(descend(SPECTRUM, [0.1], updates=10, beta=Schedule(((0.0, 0.0), (1.0, 1.0)))))
    with pytest.raises(InputError, match="learning_rate is -1, but a number above 0"):
        dynamics(models, learning_rate=-1)
    with pytest.raises(InputError, match="4 features, but"):
        dynamics(models.drop_vars("covariance"), Spectrum.from_eigenvalues([4, 2, 1]))


def test_starts_that_share_a_direction():
    """Two modes that begin in one and the same direction of latent space: the second is left without a start."""
    rows = np.array([[1e-3, 0.0], [1e-3, 0.0]])
    found = succession(np.array([2.0, 1.0]), np.arange(2), 0.1, rows, lambda rate: 0.01 * rate, shared=False)
    assert np.isfinite(found.updates).tolist() == [True, False]
    assert per_update(1.0, 1e-12) == pytest.approx(1e-12, rel=1e-9)


def test_a_latent_that_serves_two_modes_brings_the_second_sooner():
    """By hand: latents of which one carries w² have s = τ/(τ + w²), and the row of the second mode is mostly in it."""
    lam, price = np.array([2.0, 1.0]), 0.1
    rows = np.array([[0.01, 0.0], [0.004, 0.003]])
    found = succession(lam, np.arange(2), price, rows, lambda rate: 1e-3 * rate, shared=True)
    first = np.log((1 / 1e-4 - 1) / 3) / 2 / growth(2.0, price)
    whole = np.log((1 / 9e-6 - 1) / 3) / 2  # what is left of the second row beside the first one's direction
    width = price / (price + 0.0)  # the free latent carries nothing: its posterior is the prior
    second = first + (whole - growth(1.0, price, 1.0) * first) / growth(1.0, price, width)
    assert found.updates == pytest.approx([1e3 * first, 1e3 * second], rel=1e-12)
    rows = np.array([[0.01, 0.01], [0.004, -0.003]])  # the first mode is carried by both
    found = succession(lam, np.arange(2), price, rows, lambda rate: 1e-3 * rate, shared=True)
    first = np.log((1 / 2e-4 - 1) / 3) / 2 / growth(2.0, price)
    left = np.array([0.0035, -0.0035])  # half of w² = λ − τ is in either latent
    width = price / (price + 0.95)
    whole = np.log((1 / np.sum(left**2) - 1) / 3) / 2
    grown = growth(1.0, price) * first
    # before the first is active all rows count, and the whole row is what grows
    second = first + (whole - grown) / growth(1.0, price, width)
    assert found.updates == pytest.approx([1e3 * first, 1e3 * second], rel=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.01, 0.3])
def test_how_far_a_weight_has_to_go(start):
    """Moved by x, the amplitudes start · w + x and start · e + x have half of the product of the final ones."""
    spectrum, price, latents = Spectrum.from_eigenvalues([4, 2, 1, 0.05]), 0.1, 6
    x = way(spectrum, latents, price, start) * np.sqrt(latents) * 2  # ‖v‖₁ = √d of unknown eigenvectors
    w = np.sqrt(np.maximum(spectrum.eigenvalues - price, 0))
    e = w / spectrum.eigenvalues
    np.testing.assert_allclose((start * w + x) * (start * e + x), w * e / 2, rtol=1e-12)
    assert (x > 0).tolist() == [True, True, True, False]


# ----------------------------------------------------------------------------------------------- picture


def test_picture_of_activation(result):
    ax = plotting.activation(result)
    upper, lower = ax.child_axes
    lines = [line for line in upper.get_lines() if len(line.get_xdata()) > 2]
    shown = [k for k in range(4) if np.isin(result.verdict[..., k], ("agrees", "overshadowed", "not reached")).any()]
    assert len(lines) == len(shown)
    for k, line in zip(shown, lines, strict=True):
        x, y = line.get_data()
        rate = result.rate_at(x * SPECTRUM.normalized[k])[:, k]
        np.testing.assert_allclose(y * rate, y[0] * rate[0], rtol=1e-12)
    dots = [line.get_xydata()[0] for line in lower.get_lines() if line.get_marker() == "o"]
    agreeing = result.verdict == "agrees"
    expected = np.sort((result.measured / result.predicted)[agreeing | (result.verdict == "overshadowed")])
    np.testing.assert_allclose(np.sort(np.array(dots)[:, 1]), expected, rtol=1e-12)
    assert "measured" in [text.get_text() for text in lower.get_legend().get_texts()]
    nothing = replace(result, verdict=np.full(result.verdict.shape, "inactive"))
    assert plotting.activation(nothing, ax) is ax
