"""The trainer against the raw loss, finite differences and the closed forms it does not know."""

import numpy as np
import pytest
from conftest import CLOSED, TRAINED
from oracles import minimize_raw_loss, raw_loss

from landau_vae import InputError, Loss, Spectrum, equilibrium, scan
from landau_vae.training.exact import ProfileLoss
from landau_vae.training.lbfgs import Evaluation, minimize
from landau_vae.training.linear_vae import LinearVAE


def random_covariance(rng, size):
    root = rng.standard_normal((size, size))
    return root @ root.T


@pytest.fixture(params=[(4, 2), (4, 4), (4, 6), (1, 1)], ids=lambda shape: f"{shape[0]} features, {shape[1]} latents")
def problem(request, rng):
    features, latents = request.param
    price = np.array([0.3, 2.0])
    return ProfileLoss(random_covariance(rng, features), price), rng.standard_normal((2, features, latents))


def test_the_profile_is_the_raw_loss_at_the_best_encoder(problem, rng):
    loss, u = problem
    model = loss.model(u)
    value = loss.evaluate(u, np.arange(2)).value
    for b in range(2):
        parts = [model.decoder[b], model.encoder[b], model.posterior_variance[b]]
        least = raw_loss(*parts, loss.covariance, loss.price[b])
        assert least == pytest.approx(value[b] * loss.price[b], rel=CLOSED)
        assert float(model.loss[b]) == pytest.approx(least, rel=CLOSED)
        for _ in range(20):  # no encoder nearby does better
            encoder = parts[1] + 1e-3 * rng.standard_normal(parts[1].shape)
            variance = parts[2] * np.exp(1e-3 * rng.standard_normal(parts[2].shape))
            assert raw_loss(parts[0], encoder, variance, loss.covariance, loss.price[b]) > least


def test_the_gradient_is_that_of_finite_differences(problem):
    """1e-7: central differences of step 1e-5 err by 1e-10 from curvature, by 1e-11 · |ℓ| from rounding."""
    loss, u = problem
    gradient, step = loss.evaluate(u, np.arange(2)).gradient, 1e-5
    for index in np.ndindex(u.shape[1:]):
        change = np.zeros(u.shape[1:])
        change[index] = step
        up, down = (loss.evaluate(u + sign * change, np.arange(2)).value for sign in (1, -1))
        np.testing.assert_allclose(gradient[:, *index], (up - down) / (2 * step), atol=1e-7)


def test_the_preconditioner_solves_its_equation(problem, rng):
    loss, u = problem
    direction = rng.standard_normal(u.shape)
    x = loss.precondition(loss.evaluate(u, np.arange(2)), direction)
    for b in range(2):
        left = np.linalg.inv(u[b] @ u[b].T + np.eye(u.shape[1]))
        right = np.linalg.inv(u[b].T @ u[b] + np.eye(u.shape[2]))
        np.testing.assert_allclose(left @ x[b] + x[b] @ right, direction[b], atol=1e-11)  # condition ~ 10


def test_measurements_are_those_of_the_sampled_model(rng):
    """⟨μ²⟩, distortion and ranked pruning of any model, trained or not, against samples: 4 standard errors."""
    n, covariance = 200_000, random_covariance(rng, 3)
    decoder, encoder, variance = rng.standard_normal((3, 2)), rng.standard_normal((2, 3)), np.array([0.4, 1.7])
    model = LinearVAE(covariance, np.array(1.0), decoder, encoder, variance).ranked()
    x = rng.multivariate_normal(np.zeros(3), covariance, n)
    mean = x @ model.encoder.T
    sampled = mean + np.sqrt(model.posterior_variance) * rng.standard_normal((n, 2))
    np.testing.assert_array_less(np.abs((mean**2).mean(0) - model.mean_square), 4 * (mean**2).std(0) / np.sqrt(n))
    assert np.all(np.diff(model.signal_fraction) <= 0)
    for kind, z in ((False, mean), (True, sampled)):
        for kept in range(3):
            squares = ((x - z[:, :kept] @ model.decoder.T[:kept]) ** 2).sum(1)
            error = 4 * squares.std() / np.sqrt(n)
            assert abs(squares.mean() - model.pruned_distortion(sampled=kind)[kept]) < error


def test_signal_fraction_does_not_change_with_the_scale_of_a_latent(rng):
    decoder, encoder, variance = rng.standard_normal((3, 2)), rng.standard_normal((2, 3)), np.array([0.4, 1.7])
    covariance, c = random_covariance(rng, 3), np.array([0.01, 50.0])
    before = LinearVAE(covariance, np.array(1.0), decoder, encoder, variance)
    after = LinearVAE(covariance, np.array(1.0), decoder / c, encoder * c[:, None], variance * c**2)
    np.testing.assert_allclose(after.signal_fraction, before.signal_fraction, rtol=CLOSED)
    np.testing.assert_allclose(after.distortion, before.distortion, rtol=CLOSED)


class Rosenbrock:
    """Σ a(y − x²)² + (1 − x)², one a per member: a curved valley with its minimum 0 at (1, 1)."""

    def __init__(self, steepness):
        self.steepness = np.asarray(steepness, dtype=float)

    def evaluate(self, x, members):
        a, (p, q) = self.steepness[members], x.T
        value = a * (q - p**2) ** 2 + (1 - p) ** 2
        gradient = np.stack([-4 * a * p * (q - p**2) - 2 * (1 - p), 2 * a * (q - p**2)], axis=1)
        return Evaluation(value, gradient, ())

    def precondition(self, at, direction):
        return direction.copy()


def test_the_minimiser_on_a_problem_of_its_own():
    steep = [1.0, 10.0, 100.0, 1000.0]
    heard = []
    found = minimize(Rosenbrock(steep), np.tile([-1.2, 1.0], (4, 1)), tolerance=1e-9, max_iterations=500,
                     on_progress=heard.append)  # fmt: skip
    assert found.converged.all()
    assert sum(heard) == 4
    np.testing.assert_allclose(found.x, 1, atol=1e-6)  # curvature 0.5 along the valley at the least
    alone = minimize(Rosenbrock(steep[2:3]), np.array([[-1.2, 1.0]]), tolerance=1e-9, max_iterations=500)
    np.testing.assert_array_equal(found.x[2], alone.x[0])  # members of a batch do not feel one another
    assert found.iterations[2] == alone.iterations[0]


class Bowl:
    """½ Σ c_i x_i², with `size` times one for all as the preconditioner; counts what it is asked."""

    def __init__(self, size):
        self.size, self.calls, self.curvature = size, 0, np.geomspace(1, 100, 60)

    def evaluate(self, x, members):
        self.calls += 1
        return Evaluation(0.5 * x**2 @ self.curvature, x * self.curvature, ())

    def precondition(self, at, direction):
        return self.size * direction


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_the_minimiser_learns_the_size_of_steps(size):
    """A preconditioner that is a thousand times too large or too small costs a tenth at most, and a first search."""
    usual, wrong = Bowl(0.1), Bowl(size)
    for bowl in (usual, wrong):
        assert minimize(bowl, np.ones((1, 60)), tolerance=1e-9, max_iterations=1000).converged.all()
    assert wrong.calls < 1.1 * usual.calls + 20


def test_a_minimiser_that_is_stopped_says_so():
    found = minimize(Rosenbrock([100.0]), np.array([[-1.2, 1.0]]), tolerance=1e-9, max_iterations=5)
    assert not found.converged[0]
    assert found.relative_gradient[0] > 1e-9
    assert found.iterations[0] == 5


@pytest.mark.parametrize(
    ("eigenvalues", "latents"),
    [([5, 3, 1], 3), ([5, 3, 1], 2), ([5, 3, 1], 5), ([2, 1, 1, 1, 0.5], 5), ([1, 1, 1, 1], 4), ([7], 1),
     (np.geomspace(1, 1e-4, 12), 12), ([3, 1, 0, 0], 4)],
)  # fmt: skip
def test_training_finds_the_equilibrium(eigenvalues, latents):
    spectrum = Spectrum.from_eigenvalues(eigenvalues)
    grid = np.geomspace(1.5, 1e-4, 17)
    models = scan(spectrum, grid, latents=latents, seeds=(0, 1))
    assert bool(models.converged.all())
    state = equilibrium(spectrum, Loss.gaussian(grid * spectrum.total_variance, latents=latents))
    ranked = np.sort(models.signal_fraction.values)[..., ::-1]
    shared = min(latents, spectrum.modes)
    for seed in range(2):
        np.testing.assert_allclose(ranked[seed, :, :shared], state.signal_fraction[:, :shared], atol=TRAINED)
        np.testing.assert_allclose(ranked[seed, :, shared:], 0, atol=TRAINED)
        np.testing.assert_allclose(models.distortion[seed], state.total_distortion, rtol=TRAINED)
        np.testing.assert_allclose(models.loss[seed], state.free_energy, rtol=1e-9)  # quadratic in the error


def test_training_agrees_with_minimising_the_raw_loss(rng):
    """No closed form on either side."""
    data = rng.standard_normal((40, 3)) * [2.0, 1.0, 0.6]
    spectrum = Spectrum.from_data(data)
    models = scan(spectrum, [0.05, 0.2, 0.6])
    for index, temperature in enumerate(models.temperature.values):
        price = temperature * spectrum.total_variance
        least = min(minimize_raw_loss(spectrum.matrix, price, 3, seed)[0] for seed in range(2))
        assert float(models.loss[0, index]) == pytest.approx(least, rel=1e-8)


def test_models_of_a_scan_are_stationary_points_of_the_raw_loss(climate, climate_scan):
    """Gradient in W, E and ln s by finite differences along 30 random directions at T = 1e-3."""
    rng, step = np.random.default_rng(0), 1e-5
    model = climate_scan.sel(temperature=1e-3, method="nearest").isel(seed=0)
    price = float(model.temperature) * climate.total_variance
    parts = [model.decoder.values, model.encoder.values, np.log(model.posterior_variance.values)]

    def loss(t, directions):
        w, e, s = (part + t * np.abs(part).max() * change for part, change in zip(parts, directions, strict=True))
        return raw_loss(w, e, np.exp(s), climate.matrix, price) / price

    for _ in range(30):
        directions = [rng.standard_normal(part.shape) / np.sqrt(part.size) for part in parts]
        slope = (loss(step, directions) - loss(-step, directions)) / (2 * step)
        curvature = (loss(step, directions) - 2 * loss(0, directions) + loss(-step, directions)) / step**2
        assert abs(slope) < 1e-6 * curvature  # a step to the minimum along it is below 1e-6 of the weights


def test_a_seed_is_a_result_whatever_runs_beside_it():
    spectrum = Spectrum.from_eigenvalues([3, 2, 1])
    grid = [0.3, 0.1, 0.03]
    both = scan(spectrum, grid, seeds=(4, 9))
    alone = scan(spectrum, grid, seeds=(9,))
    np.testing.assert_array_equal(both.decoder.sel(seed=9), alone.decoder.sel(seed=9))
    assert np.abs(both.decoder.sel(seed=4) - both.decoder.sel(seed=9)).max() > 0.1


def test_the_size_of_batches_changes_nothing(monkeypatch):
    spectrum = Spectrum.from_eigenvalues([3, 2, 1])
    grid = np.geomspace(0.5, 0.01, 7)
    whole = scan(spectrum, grid)
    import importlib

    monkeypatch.setattr(importlib.import_module("landau_vae.training.exact"), "NUMBERS", 1)
    np.testing.assert_array_equal(scan(spectrum, grid).decoder, whole.decoder)


def test_a_scan_takes_data_and_keeps_their_names():
    import pandas as pd

    frame = pd.DataFrame({"rain": [0.0, 1, 2, 4], "wind": [1.0, 0, 1, 0]})
    models = scan(frame, [0.1])
    assert models.feature.values.tolist() == ["rain", "wind"]
    assert dict(models.sizes) == {
        "seed": 1, "temperature": 1, "feature": 2, "latent": 2, "other_feature": 2, "reconstruction": 2, "rank": 3
    }  # fmt: skip
    assert models.attrs["total_variance"] == pytest.approx(Spectrum.from_data(frame).total_variance)


def test_wide_data_train_in_the_space_of_their_modes(rng):
    models = scan(rng.standard_normal((6, 40)), [0.05], latents=5)
    assert bool(models.converged.all())
    assert models.sizes["feature"] == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [({"temperatures": [0.1, -1]}, "a list of numbers T"), ({"temperatures": []}, "a list of numbers T"),
     ({"temperatures": 0.1}, "a list of numbers T"), ({"temperatures": [0.1], "latents": 0}, "latents is 0"),
     ({"temperatures": [0.1], "seeds": ()}, "at least one seed")],
)  # fmt: skip
def test_bad_scans(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        scan(Spectrum.from_eigenvalues([1, 2]), **arguments)


def test_the_preconditioner_is_the_inverse_hessian_where_modes_are_far_apart():
    """Six decades of curvature become one number: the Hessian at the minimum, by differences of exact gradients."""
    eigenvalues, price = np.array([1e9, 1e6, 1e3]), 1.0
    loss = ProfileLoss(np.diag(eigenvalues), np.array([price]))
    u = np.diag(np.sqrt(eigenvalues / price - 1))[None]
    at = loss.evaluate(u, np.array([0]))
    basis = np.eye(9).reshape(9, 1, 3, 3)
    step = 1e-4 * np.sqrt(np.outer(eigenvalues, eigenvalues))[None] ** 0.5  # in proportion to the weights themselves

    def slope(direction):
        up, down = (loss.evaluate(u + sign * step * direction, np.array([0])).gradient for sign in (1, -1))
        return (up - down).ravel() / 2

    hessian = np.array([slope(direction) for direction in basis]) / step.ravel()[:, None]
    scaled = np.array([loss.precondition(at, row.reshape(1, 3, 3)).ravel() for row in hessian])
    assert np.linalg.cond(hessian) > 1e5
    left_out = 2 * np.sqrt(1e-3)  # the mixing of neighbours, ‖u_j‖/‖u_i‖ on either side
    np.testing.assert_allclose(np.linalg.eigvals(scaled).real, 1, atol=1.05 * left_out)
