"""SGD and Adam against their textbook formulas, one number at a time; schedules by their values, ends and shapes."""

import json
from itertools import pairwise

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import InputError
from landau_vae.training.optimizers import SGD, Adam, Optimizer
from landau_vae.training.schedules import CONSTANT, Schedule, anneal, cosine, cyclical, warm_up

STEPS = 50
DECAYS = slice(0, 3)  # of five weights


def textbook_adam(w, gradients, rates, beta1, beta2, epsilon, decay, decoupled, decays):
    """Algorithm 1 of arXiv:1412.6980 for one weight; with L2 decay or, after arXiv:1711.05101, decoupled decay."""
    m = v = 0.0
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        g = gradient + (decay * w if decays and not decoupled else 0.0)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        step = rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        w = w - (rate * decay * w if decays and decoupled else 0.0) - step
    return w


def textbook_sgd(w, gradients, rates, momentum, decay, decoupled, decays):
    """Heavy ball as deep learning has it: the rate multiplies the velocity, not the gradient that enters it."""
    velocity = 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity + gradient + (decay * w if decays and not decoupled else 0.0)
        w = w - (rate * decay * w if decays and decoupled else 0.0) - rate * velocity
    return w


def walk(rule, start, gradients, factors):
    """(models, weights) after all the updates."""
    weights = start.copy()
    memory = rule.memory(weights)
    for update, (gradient, factor) in enumerate(zip(gradients, factors, strict=True), start=1):
        rule.step(weights, gradient.copy(), memory, factor, update, DECAYS)
    return weights


@pytest.fixture
def run(rng):
    """Start, gradients of widely different sizes, and factors of a schedule that begins at zero."""
    sizes = np.array([1e-6, 1e-2, 1.0, 30.0, 1e-12])
    factors = np.linspace(0, 1, STEPS) * np.geomspace(1, 0.1, STEPS)
    return rng.standard_normal((2, 5)), sizes * rng.standard_normal((STEPS, 2, 5)), factors


def each_weight(start, gradients, textbook):
    return np.array([[textbook(start[m, i], gradients[:, m, i], i) for i in range(5)] for m in range(2)])


@pytest.mark.parametrize(("decay", "decoupled"), [(0.0, False), (0.3, False), (0.3, True)])
@pytest.mark.parametrize("more", [{}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}, {"beta1": 0.0, "beta2": 0.0}])
def test_adam_is_that_of_the_paper(run, decay, decoupled, more):
    start, gradients, factors = run
    rule = Adam(0.02, decay, decoupled, **more)
    expected = each_weight(
        start, gradients, lambda w, g, i: textbook_adam(w, g, 0.02 * factors, rule.beta1, rule.beta2, rule.epsilon,
                                                        decay, decoupled, i < 3),
    )  # fmt: skip
    np.testing.assert_allclose(walk(rule, start, gradients, factors), expected, rtol=CLOSED, atol=CLOSED)


@pytest.mark.parametrize(("decay", "decoupled"), [(0.0, False), (0.3, False), (0.3, True)])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent_is_that_of_the_textbook(run, decay, decoupled, momentum):
    start, gradients, factors = run
    expected = each_weight(
        start, gradients, lambda w, g, i: textbook_sgd(w, g, 0.02 * factors, momentum, decay, decoupled, i < 3)
    )
    found = walk(SGD(0.02, decay, decoupled, momentum), start, gradients, factors)
    np.testing.assert_allclose(found, expected, rtol=CLOSED, atol=CLOSED)


@pytest.mark.parametrize("rule", [Adam(0.1, 0.5), Adam(0.1, 0.5, True), SGD(0.1, 0.5), SGD(0.1, 0.5, True, 0.9)])
def test_decay_leaves_biases_and_variances_alone(rule):
    start = np.ones((1, 5))
    found = walk(rule, start, np.zeros((10, 1, 5)), np.ones(10))
    assert np.all(found[:, DECAYS] < 0.9)
    np.testing.assert_array_equal(found[:, 3:], 1)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("decoupled", [False, True])
def test_decay_rests_where_its_penalty_says(decoupled, momentum):
    """Of ½(w − 1)² the minimum moves to 1/(1 + γ), the γ of the L2 term; 2000 steps of 0.05 lead there."""
    rule = SGD(0.05, 0.4, decoupled, momentum)
    weights, memory = np.zeros((1, 1)), rule.memory(np.zeros((1, 1)))
    for update in range(1, 2001):
        rule.step(weights, weights - 1, memory, 1.0, update, slice(0, 1))
    assert weights[0, 0] == pytest.approx(1 / (1 + rule.penalty), rel=1e-9)
    assert Adam(0.1, 0.4).penalty == 0.4
    assert Adam(0.1, 0.4, True).penalty == 0.0


@pytest.mark.parametrize("rule", [Adam(0.02), SGD(0.02, momentum=0.5), SGD(0.02)])
def test_models_do_not_feel_one_another(run, rule):
    start, gradients, factors = run
    both = walk(rule, start, gradients, factors)
    np.testing.assert_array_equal(walk(rule, start[1:], gradients[:, 1:], factors)[0], both[1])


def test_single_precision_stays_single(run):
    """1e-5: fifty steps, each rounded by 1e-7 of weights of order 1."""
    start, gradients, factors = run
    single = walk(Adam(0.02), start.astype(np.float32), gradients.astype(np.float32), factors)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, walk(Adam(0.02), start, gradients, factors), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [(lambda: Adam(float("nan")), "learning_rate is nan"), (lambda: Adam(0), "learning_rate is 0"),
     (lambda: SGD(-1.0), "learning_rate is -1"), (lambda: SGD("fast"), "learning_rate is 'fast'"),
     (lambda: Adam(np.inf), "learning_rate is inf"), (lambda: Adam(1.0, -0.1), "weight_decay is -0.1"),
     (lambda: SGD(1.0, None), "weight_decay is None"), (lambda: Adam(1.0, 0.1, "yes"), "decoupled is 'yes'"),
     (lambda: SGD(0.1, momentum=1.0), "momentum is 1"), (lambda: SGD(0.1, momentum=np.nan), "momentum is nan"),
     (lambda: Adam(0.1, beta1=1.0), "beta1 is 1"), (lambda: Adam(0.1, beta2=-0.1), "beta2 is -0.1"),
     (lambda: Adam(0.1, epsilon=0.0), "epsilon is 0"), (lambda: Optimizer(0.1), "give one of these")],
)  # fmt: skip
def test_bad_optimizers(make, complaint):
    check_complaint(make, complaint)


def check_complaint(make, complaint):
    """One sentence, which says what was given."""
    with pytest.raises(InputError, match=complaint) as caught:
        make()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------- schedules


def test_schedules_take_the_values_of_their_formulas():
    share = np.linspace(0, 1, 101)
    np.testing.assert_allclose(CONSTANT(share), 1, rtol=0)
    np.testing.assert_allclose(warm_up(0.4, 0.2)(share), np.minimum(0.2 + 2 * share, 1), atol=CLOSED)
    np.testing.assert_allclose(cosine(0.1)(share), 0.55 + 0.45 * np.cos(np.pi * share), atol=CLOSED)
    np.testing.assert_allclose(anneal(100.0, 0.01)(share), 100 * 1e-4**share, rtol=1e-11)
    np.testing.assert_allclose(anneal(100.0, 1.0, 0.5)(share), np.maximum(100 * 1e-4**share, 1), rtol=1e-11)
    down = (share >= 0.2) * (0.5 + 0.5 * np.cos(np.pi * (share - 0.2) / 0.8))
    np.testing.assert_allclose(
        cosine(0.0, 0.2)(share), np.where(share < 0.2, 0.5 - 0.5 * np.cos(np.pi * share / 0.2), down), atol=1e-11
    )


@pytest.mark.parametrize("cycles", [*range(1, 31), 64, 100])
@pytest.mark.parametrize("rise", [0.5, 1 / 3, 0.9])
def test_cycles_of_any_number(cycles, rise):
    """Seen inside the cycles, a hair from their ends; each ends at 1 and the next begins anew."""
    inside = np.arange(1, 20) / 20
    schedule = cyclical(cycles, rise, 0.1)
    for cycle in range(cycles):
        expected = np.minimum(0.1 + 0.9 * inside / rise, 1)
        np.testing.assert_allclose(schedule((cycle + inside) / cycles), expected, atol=1e-11)
        hair = 1e-9 / cycles
        np.testing.assert_allclose(schedule([cycle / cycles + hair, (cycle + 1) / cycles - hair]), [0.1, 1], atol=1e-8)
    assert schedule.final == 1


@pytest.mark.parametrize("schedule", [warm_up(0.3), cosine(), anneal(10.0), anneal(0.1), cosine(0.2, 0.1)])
def test_curves_are_monotone_between_their_points_and_constant_beyond(schedule):
    values = schedule(np.linspace(0, 1, 1001))
    edges = np.searchsorted(np.linspace(0, 1, 1001), [point for point, _ in schedule.points])
    for first, last in pairwise(edges):
        steps = np.diff(values[first : last + 1])
        assert np.all(steps >= -CLOSED) or np.all(steps <= CLOSED)
    assert schedule(-1.0) == schedule(0.0) == pytest.approx(schedule.points[0][1])
    assert schedule(2.0) == schedule.final
    assert schedule(0.5).shape == ()
    assert schedule(np.zeros((2, 3))).shape == (2, 3)
    assert schedule(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("curve", ["linear", "cosine", "geometric"])
def test_a_step_is_two_points_at_one_share(curve):
    schedule = Schedule(((0.0, 2.0), (0.5, 2.0), (0.5, 1.0), (1.0, 1.0)), curve)
    np.testing.assert_allclose(schedule([0.0, 0.25, 0.4999999, 0.5, 0.75, 1.0]), [2, 2, 2, 1, 1, 1], rtol=CLOSED)


@pytest.mark.parametrize(
    ("schedule", "settled"),
    [(CONSTANT, 0.0), (warm_up(0.3), 0.3), (warm_up(0.3, 1.0), 0.0), (cosine(), 1.0), (cyclical(2, 0.5), 0.75),
     (anneal(10.0, 1.0, 0.2), 0.2), (Schedule(((0.0, 1.0), (0.5, 1.0), (0.5, 2.0))), 0.5),
     (Schedule(((0.2, 1.0), (0.5, 3.0), (0.7, 1.0))), 0.7)],
)  # fmt: skip
def test_schedules_know_from_when_on_they_are_constant(schedule, settled):
    assert schedule.settled == pytest.approx(settled)
    later = np.linspace(schedule.settled, 1, 50)
    np.testing.assert_allclose(schedule(later), schedule.final, rtol=CLOSED)


@pytest.mark.parametrize("schedule", [CONSTANT, warm_up(0.1), cyclical(7), anneal(np.float64(3.0)), cosine(0.1, 0.2)])
def test_schedules_survive_printing_and_storing(schedule):
    stored = json.loads(json.dumps(schedule.to_dict()))
    assert Schedule(**stored) == schedule
    assert eval(repr(schedule)) == schedule
    assert hash(Schedule(**stored)) == hash(schedule)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [(lambda: Schedule(()), r"points is \(\)"), (lambda: Schedule(0.5), "points is 0.5"),
     (lambda: Schedule(None), "points is None"), (lambda: Schedule(((0, 1), (0.5,))), "points"),
     (lambda: Schedule(((0, 1, 2),)), "points"), (lambda: Schedule([0.0, 1.0]), "points"),
     (lambda: Schedule("ab"), "points"), (lambda: Schedule(((0.5, 1), (0.4, 1))), "in order"),
     (lambda: Schedule(((0, np.nan),)), "nan"), (lambda: Schedule(((0, 1), (1.1, 1))), "from 0 to 1"),
     (lambda: Schedule(((0, 1),), "wavy"), "'wavy'"), (lambda: Schedule(((0, -1),)), "least factor is -1"),
     (lambda: anneal(0.0), "start is 0.0"), (lambda: anneal(1.0, 0.0), "stop is 0.0"),
     (lambda: warm_up(1.5), "from 0 to 1"), (lambda: warm_up(0.5, -1), "start is -1"),
     (lambda: warm_up("a while"), "a while"), (lambda: cyclical(0), "cycles is 0"),
     (lambda: cyclical(1.5), "cycles is 1.5"),
     (lambda: cyclical(3, 1.0), "rise is 1.0"), (lambda: cyclical("many"), "cycles is 'many'"),
     (lambda: cosine(-0.1), "stop is -0.1"), (lambda: cosine(0.0, 1.5), "from 0 to 1")],
)  # fmt: skip
def test_bad_schedules(make, complaint):
    check_complaint(make, complaint)
