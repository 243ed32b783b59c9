"""Logged numbers against those that loops compute, written out as their code has them."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import InputError, Loss, Spectrum, equilibrium
from landau_vae.loss import Logged

D, K, ROWS = 12, 3, 7


@pytest.fixture
def batch(rng):
    """Return squared errors (ROWS, D) and KL terms (ROWS, K) of a batch, as arrays that a loop holds."""
    return rng.exponential(size=(ROWS, D)), rng.exponential(size=(ROWS, K))


@pytest.mark.parametrize(
    ("logged", "kl"),
    [
        (Logged(), lambda kl: kl.sum(axis=1).mean()),
        (Logged(kl="weighted"), lambda kl: 4 * kl.sum(axis=1).mean()),
        (Logged(kl="latent"), lambda kl: kl.mean()),
        (Logged(kl="feature"), lambda kl: kl.sum(axis=1).mean() / D),
        (Logged(rows=ROWS), lambda kl: kl.sum()),
        (Logged(kl="latent", rows=ROWS), lambda kl: kl.mean(axis=1).sum()),
    ],
)
def test_a_kl_of_any_reduction_is_the_nats_of_a_row(batch, logged, kl):
    loss = Loss.gaussian(4.0, latents=K)
    nats = batch[1].sum(axis=1).mean()
    assert float(logged.rate(kl(batch[1]), loss, D)) == pytest.approx(nats, rel=CLOSED)
    assert float(logged.logged_rate(nats, loss, D)) == pytest.approx(kl(batch[1]), rel=CLOSED)


def test_a_mean_over_latents_is_undone_where_the_loss_has_it(batch):
    loss = Loss.gaussian(4.0, kl="mean", latents=K, kl_weight=0.1)
    nats, mean = batch[1].sum(axis=1).mean(), batch[1].mean()
    assert float(Logged().rate(mean, loss, D)) == pytest.approx(nats, rel=CLOSED)
    assert float(Logged(kl="weighted").rate(0.4 * mean, loss, D)) == pytest.approx(nats, rel=CLOSED)
    assert float(Logged(kl="row").rate(nats, loss, D)) == pytest.approx(nats, rel=CLOSED)


@pytest.mark.parametrize(
    ("loss", "logged", "error"),
    [
        (Loss.gaussian(), Logged(), lambda e: e.sum(axis=1).mean() / 2),
        (Loss.gaussian(reconstruction="mean", half=False), Logged(), lambda e: e.mean()),
        (Loss.gaussian(decoder_variance=0.25), Logged(), lambda e: e.sum(axis=1).mean() / 2 / 0.25),
        (Loss.gaussian(), Logged(reconstruction="feature"), lambda e: e.mean()),
        (Loss.gaussian(), Logged(reconstruction="row", rows=ROWS), lambda e: e.sum()),
        (Loss.gaussian(), Logged(constant=11.0), lambda e: e.sum(axis=1).mean() / 2 + 11.0),
        (Loss.gaussian(reconstruction_weight=3.0), Logged(rows=ROWS), lambda e: 3 * e.sum() / 2),
    ],
)
def test_a_reconstruction_of_any_reduction_is_the_error_of_a_row(batch, loss, logged, error):
    whole = batch[0].sum(axis=1).mean()
    assert float(logged.error(error(batch[0]), loss, D)) == pytest.approx(whole, rel=CLOSED)
    assert float(logged.logged_error(whole, loss, D)) == pytest.approx(error(batch[0]), rel=CLOSED)


def test_the_density_of_a_learned_variance_is_that_of_its_best_value():
    """½[E/σ² + d ln σ² + d ln 2π] at σ² = E/d."""
    loss, error = Loss.gaussian(2.0, decoder_variance="learned"), 5.0
    variance = error / D
    density = 0.5 * (error / variance + D * np.log(2 * np.pi * variance))
    logged = Logged(constant=0.5 * D * np.log(2 * np.pi))
    assert float(logged.error(density, loss, D)) == pytest.approx(error, rel=CLOSED)
    state = equilibrium(Spectrum.from_eigenvalues([4, 1, 1]), loss.with_latents(1))
    distortion = float(state.total_distortion) * 6
    total = float(Logged().logged_error(distortion, loss, 3)) + 2.0 * float(state.total_rate)
    assert total == pytest.approx(float(state.loss_value), rel=CLOSED)


def test_what_is_no_rate_is_refused():
    with pytest.raises(InputError, match="not a rate"):
        Logged(kl="weighted").rate(1.0, Loss.gaussian().constrained("hinge", 1.0), D)
    with pytest.raises(InputError, match="latents=K"):
        Logged(kl="latent").rate(1.0, Loss.gaussian(), D)
    with pytest.raises(InputError, match="'unweighted'"):
        Logged(kl="pixel")
