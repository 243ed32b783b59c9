"""A measured loss is that of training: at the x of like, in gradients, and after many calls."""

import numpy as np
import pytest

from landau_vae import Loss
from landau_vae.errors import InputError

B, D, K = 12, 40, 3
RNG = np.random.default_rng(0)
X, MEAN = RNG.uniform(0.1, 0.9, (B, D)), RNG.normal(size=(B, K))
ZEROS = X * (RNG.random((B, D)) < 0.6)
HOLES = np.where(ZEROS == 0, np.nan, X)
ODD_WORDS = "values of x are treated unlike.*any_loss"
EXACT = 1e-9  # squares in double precision, but for rounding


def rate(mu, logvar):
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(axis=1).mean()


def squares(x, x_hat):
    return ((x - x_hat) ** 2).sum(axis=1).mean()


def priced(error, x=X, rate=rate):
    like = (x, X, MEAN, 0.1 * MEAN)
    loss = Loss.measure(lambda x, x_hat, mu, logvar: error(x, x_hat) + rate(mu, logvar), like=like, beta=1)
    return float(loss.charge(D))


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (ZEROS, lambda x, y: ((x != 0) * (x - y) ** 2).sum() / B),
        (ZEROS, lambda x, y: ((x != 0) * (x - y) ** 2).sum() / (x != 0).sum()),
        (HOLES, lambda x, y: np.nansum((x - y) ** 2) / B),
        (3 * X, lambda x, y: ((1 + (x > 1)) * (x - y) ** 2).sum() / B),
        (X, lambda x, y: squares(x, y) / x.var()),
    ],
    ids=["mask", "mean over a mask", "NaN", "weights", "scale"],
)
def test_values_of_x_that_are_treated_unlike(x, error):
    """From 0.2 to 0.8 each of them is a plain squared error; at like's x it is not."""
    with pytest.raises(InputError, match=ODD_WORDS):
        priced(error, x)


@pytest.mark.parametrize("x", [X, ZEROS, 255 * X, -1e3 * X, X.astype(np.float32), np.zeros((B, D))])
def test_any_x_has_the_same_price(x):
    assert priced(squares, x) == pytest.approx(0.5, rel=EXACT)


class Counting:
    """A weight of the KL, or of the error, that changes with the calls."""

    def __init__(self, every):
        self.calls, self.every = 0, every

    def __call__(self, *arrays):
        self.calls += 1
        return (1 + self.calls // self.every) * rate(*arrays)


@pytest.mark.parametrize("every", [1, 7, 15])
def test_a_function_that_counts_its_calls(every):
    """Also one whose first calls agree, so that it seems to draw no random numbers."""
    with pytest.raises(InputError, match="counts its calls"):
        priced(squares, rate=Counting(every))


def test_a_late_change_is_seen():
    """The weight doubles after all forms have been found, at the last but one call of a measurement."""
    counted = Counting(10**9)
    priced(squares, rate=counted)
    with pytest.raises(InputError, match=r"counts its calls.*gave .* at first and .* in the end"):
        priced(squares, rate=Counting(counted.calls - 4))


def test_geco_is_not_random_numbers():
    """Its multiplier has run to its bound when weights are measured, and no longer changes."""
    state = {"weight": 1.0}

    def error(x, y):
        state["weight"] = np.clip(state["weight"] * np.exp(squares(x, y)), 1e-6, 1e6)
        return state["weight"] * squares(x, y)

    with pytest.raises(InputError, match="counts its calls"):
        priced(error)


def test_weight_by_an_error_that_is_zero_at_rest():
    """At x̂ = x nothing is charged, which is not a KL that is missing."""
    with pytest.raises(InputError, match="GECO"):
        Loss.measure(lambda x, y, m, s: squares(x, y) * (1 + rate(m, s)), like=(X, X, MEAN, 0.1 * MEAN), beta=1)


def test_an_objective_that_is_maximised():
    with pytest.raises(InputError, match=r"ELBO.*Turn its sign"):
        Loss.measure(lambda x, y, m, s: -squares(x, y) - rate(m, s), like=(X, X, MEAN, 0.1 * MEAN), beta=1)


def test_terms_apart_are_said():
    """Whether a term holds its weight already cannot be seen, so what is multiplied is said."""
    apart = Loss.measure(
        lambda x, y, m, s: {"recon": squares(x, y), "kl": rate(m, s)}, like=(X, X, MEAN, 0.1 * MEAN), beta=3
    )
    assert "the loss is taken as recon + 3 × kl" in " ".join(apart.notes)


def test_much_noise_is_not_rounded_away():
    """A weight that is known to 10 % is not read as the nearest usual one, ½ or 1, which would be a factor of two."""
    rng = np.random.default_rng(3)
    error = lambda x, y: 0.75 * squares(x + 0.05 * rng.standard_normal(x.shape), y)  # noqa: E731
    prices = [priced(error) for _ in range(5)]
    np.testing.assert_allclose(prices, 1 / 1.5, rtol=0.2)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def in_torch(torch, function):
    like = [torch.as_tensor(each) for each in (X, X, MEAN, 0.1 * MEAN)]
    return Loss.measure(function, like=tuple(like), beta=1)


@pytest.mark.parametrize(("share", "words"), [(0.0, "is 0 times"), (0.2, "is 0.2 times"), (1.0, None)])
def test_gradients_show_what_is_detached(torch, share, words):
    """Values are those of the plain loss; the KL's gradient is a share of it (KL balancing has 0.2)."""

    def loss(x, x_hat, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        return ((x - x_hat) ** 2).sum(1).mean() + share * kl + (1 - share) * kl.detach()

    if words is None:
        assert float(in_torch(torch, loss).charge(D)) == pytest.approx(0.5, rel=EXACT)
        return
    with pytest.raises(InputError, match=f"gradient with respect to mu {words}"):
        in_torch(torch, loss)


def test_an_evaluation_without_gradients_is_measured(torch):
    @torch.no_grad()
    def loss(x, x_hat, mu, logvar):
        return ((x - x_hat) ** 2).sum(1).mean() + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()

    assert float(in_torch(torch, loss).charge(D)) == pytest.approx(0.5, rel=EXACT)


def test_weights_that_are_trained(torch):
    """Kendall's weights of two tasks: the KL's falls as training goes on."""

    class Weighted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.s = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))

        def forward(self, x, x_hat, mu, logvar):
            kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
            error = ((x - x_hat) ** 2).sum(1).mean()
            return error * torch.exp(-self.s[0]) + kl * torch.exp(-self.s[1]) + self.s.sum()

    with pytest.raises(InputError, match=r"weight of the KL is trained \(s\)"):
        in_torch(torch, Weighted())


@pytest.mark.parametrize("more", [{"label_smoothing": 0.1}, {"ignore_index": 0}, {"weight": [0.5, 1.0, 1.0, 2.0, 3.0]}])
def test_cross_entropies_that_are_not_plain(torch, more):
    more = {key: torch.tensor(value, dtype=torch.float64) if key == "weight" else value for key, value in more.items()}

    def loss(x, x_hat, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        return torch.nn.functional.cross_entropy(x_hat, x, **more) + kl

    like = (torch.arange(B) % 5, torch.zeros(B, 5), torch.zeros(B, K), torch.zeros(B, K))
    with pytest.raises(InputError, match="not a plain cross-entropy"):
        Loss.measure(loss, like=like, beta=1)
