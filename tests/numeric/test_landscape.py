"""The landscape against dense Hessians that SymPy derives from the loss, and against gradient descent itself."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
import sympy as sp

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum
from landau_vae.symbolic import linear


@cache
def dense(p, K):
    """Gradient and Hessian of the whole loss as functions of (λ, τ, W, E, s), derived, not typed."""
    W, E, s = linear.variables(p, K)
    lam = linear.mode_variances(p)
    variables = [*W, *E, *s]
    loss = linear.loss(W, E, s, sp.diag(*lam))
    gradient = [sp.diff(loss, v) for v in variables]
    arguments = [*lam, linear.tau, *variables]
    return sp.lambdify(arguments, gradient, cse=True), sp.lambdify(arguments, sp.hessian(loss, variables), cse=True)


def parameters(scene, point):
    """λ, τ and one member of the family, as the arguments of the derived functions."""
    lam, tau, p, K = scene.spectrum.eigenvalues, scene.price, scene.spectrum.modes, scene.latents
    W, E, s = np.zeros((p, K)), np.zeros((K, p)), np.ones(K)
    for k, mode in enumerate(point.active):
        w = np.sqrt(lam[mode - 1] - tau)
        W[mode - 1, k], E[k, mode - 1], s[k] = w, w / lam[mode - 1], tau / lam[mode - 1]
    return [*lam, tau, *W.ravel(), *E.ravel(), *s]


def draws():
    """200 random (spectrum, K, τ), every third with a double or triple eigenvalue."""
    rng = np.random.default_rng(2026)
    shapes = [(3, 2), (4, 2), (3, 3), (2, 3)]
    for n in range(200):
        p, K = shapes[n % 4]
        lam = np.sort(rng.uniform(0.2, 3.0, p))[::-1]
        if n % 3 == 0:
            at = rng.integers(0, p - 1)
            lam[at : at + rng.integers(2, 4)] = lam[at]
        yield lv.numeric.landscape(Spectrum.from_eigenvalues(lam), Loss.gaussian(beta=rng.uniform(0.1, 2.5), latents=K))


def test_every_point_of_200_draws_against_the_dense_hessian():
    """Curvatures that vanish come out at rounding, those that do not are far above: 1e-9 tells them apart."""
    points = 0
    for scene in draws():
        gradient, hessian = dense(scene.spectrum.modes, scene.latents)
        for point in scene.points:
            values = parameters(scene, point)
            assert np.abs(gradient(*values)).max() < 1e-12
            expected = np.linalg.eigvalsh(np.array(hessian(*values), dtype=float))
            np.testing.assert_allclose(scene.hessian_eigenvalues(point), expected, rtol=0, atol=1e-11 * expected[-1])
            assert point.index == np.count_nonzero(expected < -1e-9)
            assert point.flat == np.count_nonzero(np.abs(expected) < 1e-9)
            escapes = sorted(rate for e in scene.escapes(point) for rate in [e.rate] * e.multiplicity)
            np.testing.assert_allclose(escapes, -expected[expected < -1e-9][::-1], rtol=1e-9)
            points += 1
        assert scene.minimum.index == 0
        assert [point.index for point in scene.points].count(0) == 1
        assert scene.counts == Counter(point.index for point in scene.points)
    assert points > 700


def test_the_minimum_is_the_equilibrium(climate):
    for price in (10.0, 0.5, 1e-3):
        loss = Loss.gaussian(beta=price, latents=7)
        scene, state = lv.numeric.landscape(climate, loss), lv.equilibrium(climate, loss)
        assert scene.minimum.active == tuple(range(1, int(state.active) + 1))
        assert scene.minimum.free_energy == pytest.approx(float(state.free_energy), rel=1e-12)


def test_the_growing_direction():
    """(w, e) ∝ (1, tilt) is an eigenvector of the collapsed Hessian's block."""
    scene = lv.numeric.landscape(Spectrum.from_eigenvalues([3.0, 1.0]), Loss.gaussian(beta=0.4))
    for escape in scene.escapes(scene.collapsed):
        lam = scene.spectrum.eigenvalues[escape.mode - 1]
        direction = np.array([1.0, escape.tilt])
        block = np.array([[1.0, -lam], [-lam, lam * 0.4]])
        np.testing.assert_allclose(block @ direction, -escape.rate * direction, rtol=1e-12)
        assert (escape.latent, escape.multiplicity) == (None, 2)


def test_more_points_than_can_be_listed():
    """Twenty modes have a million points: the ladder is listed, all are counted; a thousand are not even counted."""
    scene = lv.numeric.landscape(Spectrum.from_eigenvalues(np.geomspace(10, 1, 20)), Loss.gaussian(beta=0.5))
    assert not scene.complete
    assert sum(scene.counts.values()) == 2**20
    assert [len(point.active) for point in scene.points] == list(range(20, -1, -1))
    assert "Too many to list" in scene.summary()
    many = lv.numeric.landscape(
        Spectrum.from_eigenvalues(np.geomspace(10, 1, 1000)), Loss.gaussian(beta=2.0, latents=30)
    )
    assert many.counts is None
    assert len(many.points) == 31
    assert len(many.hessian_eigenvalues(many.minimum)) == 30 * 2001


@pytest.mark.parametrize("convention", [{}, {"reconstruction": "mean", "half": False}, {"decoder_variance": 3.0}])
def test_steps_of_gradient_descent(convention):
    """A thousandth of the start costs ln(1000)/ln(1 + ηκ) steps more, in the user's own loss."""
    lam, rate = 2.0, 0.02
    loss = Loss.gaussian(beta=0.3, **convention)
    spectrum = Spectrum.from_eigenvalues([lam, 0.5])
    scene = lv.numeric.landscape(spectrum, loss)
    a, b = loss.weights(2)

    def steps(start):
        w = start * np.sqrt(lam - scene.price)
        e, s, n = scene.escapes(scene.collapsed)[0].tilt * w, 1.0, 0
        while w**2 < (lam - scene.price) / 2:
            d_w = 2 * a * (w * (e**2 * lam + s) - e * lam)
            d_e = 2 * a * lam * (w**2 * e - w) + b * e * lam
            d_s = a * w**2 + b * (1 - 1 / s) / 2
            w, e, s, n = w - rate * d_w, e - rate * d_e, s - rate * d_s, n + 1
        return n

    longer = scene.plateau(1e-6, rate)[0] - scene.plateau(1e-3, rate)[0]
    assert steps(1e-6) - steps(1e-3) == pytest.approx(longer, abs=1.5)  # whole steps at both ends
    assert scene.plateau(1e-3)[0] == pytest.approx(scene.plateau(1e-3, 1e-7)[0] * 1e-7, rel=1e-6)


def test_output():
    scene = lv.numeric.landscape(Spectrum.from_eigenvalues([4, 2, 1]), Loss.gaussian(beta=0.5, latents=2))
    assert repr(scene) == "Landscape(τ = 0.5, 7 families of pure stationary points, minimum with 2 active)"
    assert scene.summary().splitlines()[-2].split() == [
        "3.5",
        "6",
        "0",
        f"{scene.escapes(scene.collapsed)[0].rate:.4g}",
    ]
    content = scene.to_dict()
    assert content["points"][0] == {"active": [1, 2], "free_energy": scene.minimum.free_energy, "index": 0, "flat": 0}


def test_nothing_above_the_price():
    scene = lv.numeric.landscape(Spectrum.from_eigenvalues([1.0, 0.5]), Loss.gaussian(beta=3.0))
    assert [(point.active, point.index) for point in scene.points] == [((), 0)]
    assert scene.plateau().shape == (0,)
    assert scene.escapes(scene.minimum) == ()


def test_what_cannot_be_drawn():
    spectrum = Spectrum.from_eigenvalues([1.0, 0.5])
    with pytest.raises(InputError, match="β holds 2: give one number"):
        lv.numeric.landscape(spectrum, Loss.gaussian(beta=[0.1, 0.2]))
    scene = lv.numeric.landscape(spectrum, Loss.gaussian(beta=0.1))
    for start in (0, 1, -0.5, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            scene.plateau(start)
    with pytest.raises(InputError, match="above 0"):
        scene.plateau(0.1, learning_rate=0)
