"""The price of each convention, against the loss as a training loop would compute it."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import Loss, Spectrum


def loop_loss(x, x_hat, kl, beta, variance, reconstruction, kl_reduction, half):
    """One sample's loss in the words of a training loop."""
    squares = ((x - x_hat) ** 2 / variance) * (0.5 if half else 1.0)
    return getattr(squares, reconstruction)() + beta * getattr(kl, kl_reduction)()


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("kl", ["sum", "mean"])
@pytest.mark.parametrize("reconstruction", ["sum", "mean"])
@pytest.mark.parametrize("variance", [1.0, 0.05**2])
def test_price_is_the_exchange_rate_of_the_loop(rng, variance, reconstruction, kl, half):
    """τ nats-to-data² is where a bit more error and a bit less rate leave the loop's loss unchanged: b/(2a)."""
    features, latents, beta = 7, 3, 2.5
    loss = Loss.gaussian(beta, decoder_variance=variance, reconstruction=reconstruction, kl=kl, half=half,
                         latents=latents)  # fmt: skip
    x, x_hat, rates = rng.standard_normal(features), rng.standard_normal(features), rng.uniform(0, 1, latents)

    def loop(x_hat, rates):
        return loop_loss(x, x_hat, rates, beta, variance, reconstruction, kl, half)

    per_square = (loop(2 * x_hat - x, rates) - loop(x_hat, rates)) / (3 * np.sum((x - x_hat) ** 2))
    per_nat = (loop(x_hat, rates + 1.0) - loop(x_hat, rates)) / latents
    spectrum = Spectrum.from_eigenvalues(np.ones(features))
    assert loss.weights(features) == pytest.approx((per_square, per_nat), rel=CLOSED)
    assert float(loss.price(spectrum)) == pytest.approx(per_nat / (2 * per_square), rel=CLOSED)
    assert float(loss.beta_at(loss.price(spectrum), spectrum)) == pytest.approx(beta, rel=CLOSED)


def test_many_betas_keep_their_shape():
    loss = Loss.gaussian(np.ones((2, 3)), reconstruction="mean")
    assert loss.price(Spectrum.from_eigenvalues([1, 1])).shape == (2, 3)
    assert loss.at(5.0).reconstruction == "mean"


def test_explanation_names_what_was_done():
    spectrum = Spectrum.from_eigenvalues([4, 1])
    text = Loss.gaussian(3.0, decoder_variance=0.5, kl="mean", latents=8, half=False).explain(spectrum)
    for part in ("(x − x̂)²/0.5", "β mean KL", "costs a = 2,", "b = β/K", "K = 8", "τ = b/2a = 0.03125 β",
                 "0.09375 at β = 3"):  # fmt: skip
        assert part in text
    assert "½" not in text
    assert Loss.gaussian([1.0, 2.0]).explain(spectrum).endswith("τ = b/2a = 1 β.")


def test_a_loss_is_shown_as_its_formula_and_its_weight():
    assert repr(Loss.preset("pytorch-vae", 0.5)) == "Loss(mean(x − x̂)² + β Σ KL, kld_weight = 0.5)"
    assert repr(Loss.gaussian([1.0, 2.0, 4.0])) == "Loss(½ Σ(x − x̂)² + β Σ KL, β = 1 … 4)"
