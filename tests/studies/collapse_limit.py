"""One latent whose decoder has no limit at all: what the degree P of a free decoder is held against.

The best decoder for given posteriors q_i(z) is f(z) = Σ p_i q_i(z) x_i / Σ p_i q_i(z). What is left is a function of
the posteriors, here minimised on a grid of z:

    F − F₀ = −½ ∫ ‖f(z)‖² Σ p_i q_i(z) dz + τ Σ p_i KL_i

By the envelope theorem its gradient is that of the rows' own losses. Rows are in units of √λ₁.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtri

GRID, STEP = np.linspace(-7, 7, 281, retstep=True)
NARROWEST = 2 * np.log(STEP)  # ln s: a narrower posterior falls between the nodes of the grid
BEFORE, PRICE_STEP, MOST_PRICES = 0.8, 0.05, 40  # in λ₁: where states are looked for; how far apart they are followed
NOTHING = 1e-6  # λ₁: a gain that is none
CLOSE = 1e-3  # λ₁: to its root
ORDERS = 4  # starts along random directions
REST = {"ftol": 1e-13, "gtol": 1e-8, "maxcor": 30, "maxiter": 1000, "maxfun": 2000}

State = tuple[np.ndarray, np.ndarray]  # μ_i and ln s_i


def loss(x: np.ndarray, share: np.ndarray, state: State, price: float) -> tuple[float, float, np.ndarray]:
    """Return F − F₀, the rate and the gradient of F in (μ, ln s) of centred rows with shares p_i."""
    mean, log_variance = state
    deviation = np.exp(log_variance / 2)[:, None]
    score = (GRID - mean[:, None]) / deviation
    density = np.exp(-0.5 * score**2) * (STEP / np.sqrt(2 * np.pi)) / deviation
    total = share @ density
    decoder = (share[:, None] * density).T @ x / np.maximum(total, 1e-300)[:, None]
    square = np.square(decoder).sum(axis=1)
    rate = share @ (0.5 * (mean**2 + np.expm1(log_variance) - log_variance))
    row = (x @ decoder.T - 0.5 * square) * density  # what a row gains, at each z
    by_mean = price * mean - (row * score / deviation).sum(axis=1)
    by_width = 0.5 * (price * np.expm1(log_variance) - (row * (score**2 - 1)).sum(axis=1))
    return float(price * rate - 0.5 * total @ square), float(rate), np.concatenate([share * by_mean, share * by_width])


def settled(x: np.ndarray, share: np.ndarray, state: State, price: float) -> State:
    """Return the state that a descent ends in."""
    unit = np.sqrt(len(x))

    def scaled(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, _, gradient = loss(x, share, tuple(np.split(flat * unit, 2)), price)
        return value, gradient * unit

    bounds = [(GRID[0] + 1, GRID[-1] - 1)] * len(x) + [(NARROWEST, 2.0)] * len(x)
    bounds = [(low / unit, high / unit) for low, high in bounds]
    flat = minimize(scaled, np.concatenate(state) / unit, jac=True, method="L-BFGS-B", bounds=bounds, options=REST).x
    mean, log_variance = np.split(flat * unit, 2)
    return mean, log_variance


@dataclass(frozen=True)
class Limit:
    """The first collapse of a decoder without limit. Prices are in λ₁."""

    maxwell: float  #: where F = F₀; 1 where the latent is not in use at λ₁
    rate: float  #: there, in nats
    sharing: float  #: share of the rows that share the rate there
    prices: tuple[float, ...]  #: at which states were found, from λ₁ on
    losses: tuple[float, ...]  #: (F − F₀)/λ₁ of each
    rates: tuple[float, ...]  #: of each, in nats


def limit(rows: np.ndarray, share: np.ndarray) -> Limit:
    """Follow the best state from 0.8 λ₁ to where F = F₀. Any F < F₀ is a proof; a better state may have been missed."""
    rows = rows - share @ rows
    value, vector = np.linalg.eigh((rows.T * share) @ rows)
    x = rows / np.sqrt(value[-1])
    found = (settled(x, share, start, BEFORE) for start in _starts(x, vector))
    state = min(found, key=lambda each: loss(x, share, each, BEFORE)[0])
    points: list[tuple[float, float, float]] = []
    price, step, sharing = 1.0, PRICE_STEP, 1.0
    for _ in range(MOST_PRICES):
        above = settled(x, share, state, price)
        gain, rate, _ = loss(x, share, above, price)
        if gain > -NOTHING and (not points or step < PRICE_STEP):
            break
        if gain > -NOTHING:  # F is concave: from below, Newton's method stays below its root
            step = 0.0
        else:
            state, sharing = above, _sharing(above, share)
            points.append((price, gain, rate))
        price = points[-1][0] + (step or -points[-1][1] / points[-1][2])
        if step == 0 and price - points[-1][0] < CLOSE:
            break
    if not points:
        return Limit(1.0, 0.0, 1.0, (1.0,), (gain,), (rate,))
    prices, losses, rates = zip(*points, strict=True)
    return Limit(prices[-1] - losses[-1] / rates[-1], rates[-1], sharing, prices, losses, rates)


def _starts(x: np.ndarray, vectors: np.ndarray) -> Iterator[State]:
    """Yield the state of the linear model, and narrow posteriors in the order of the rows along random directions."""
    yield 0.5 * x @ vectors[:, -1], np.full(len(x), np.log(0.75))
    rng = np.random.default_rng([len(x), 19])
    for _ in range(ORDERS):
        along = x @ vectors[:, -11:] @ rng.standard_normal(vectors[:, -11:].shape[1])
        yield ndtri((along.argsort().argsort() + 0.5) / len(x)), np.full(len(x), np.log(0.02))


def _sharing(state: State, share: np.ndarray) -> float:
    """Return the share of the rows that share the rate, ⟨R⟩²/⟨R²⟩."""
    mean, log_variance = state
    rate = 0.5 * (mean**2 + np.expm1(log_variance) - log_variance)
    return float((share @ rate) ** 2 / (share @ rate**2))
