"""What a loss function answers when x̂ or the posterior is moved, and what it would answer if it were a known one.

    loss(after) − loss(before) = a Σ [ℓ(x, m_after) − ℓ(x, m_before)],   ℓ = (x − m)², BCE(x, m) or m − x ln m

m is the mean that x̂ stands for: itself, a probability given as logit, a rate given as
logarithm. These are exact for moves of any size, so moves are large (a tenth of the data's
range and more) and little is lost to cancellation against the loss itself. The same holds of
KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1 − ln σ²).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN, POISSON, Likelihood

PARAMETRISATIONS: dict[str, Callable[[Array], Array]] = {  # of ln σ²
    "log_variance": lambda s: s, "variance": np.exp, "std": lambda s: np.exp(s / 2), "log_std": lambda s: s / 2,
}  # fmt: skip
LINKS: dict[str, Callable[[Array], Array]] = {"identity": np.copy, "logit": BERNOULLI.link, "log": POISSON.link}
STEP = 0.12  # of m, whose base is 0.2 … 0.8: it stays a probability
WIDE = 1e6  # errors beside which a floor of σ (σ-VAE's softclip at e⁻⁶) is lost: e⁻⁶/1e6 = 2e-9
FAR = 1000.0  # of μ: even a KL of weight 1e-6 shows beside a cross-entropy then


class Tolerance(NamedTuple):
    """How far a loss may differ from a known one."""

    relative: float  #: of what the term itself changes by
    grain: float  #: of the whole loss: rounding when it is summed
    digits: int  #: what a weight is known to


# A double's sum of 1e5 terms is good to 1e-13 at worst. A logarithm that is guarded by 1e-8 shifts a change by 1e-7.
TIGHT = Tolerance(1e-6, 1e-13, 9)
# Single precision rounds at 6e-8, summed ten times that; a logarithm guarded by 1e-6 shifts a change by 1e-5 … 1e-4.
LOOSE = Tolerance(1e-3, 1e-6, 5)


@dataclass(frozen=True)
class Probe:
    """The user's function at a given size of its arrays; `order` permutes its arguments."""

    function: Callable[..., Any]
    shape: tuple[int, ...]
    latents: int
    batch: int
    parametrisation: str = "log_variance"
    to: Callable[[Any], Any] | None = None
    order: tuple[int, ...] = (0, 1, 2, 3)

    @property
    def dimension(self) -> int:
        """d, features of one sample."""
        return int(np.prod(self.shape))

    def attempt(self, x: Array, x_hat: Array, posterior: tuple[Array, Array] | None = None) -> float | InputError:
        """Return the loss, NaN where it is infinite, or the error to raise if the function raised one."""
        mean, log_variance = posterior or np.zeros((2, self.batch, self.latents))  # unless given, the prior: KL = 0
        # Copies, because a function may work in place.
        arrays = [np.array(each) for each in (x, x_hat, mean, PARAMETRISATIONS[self.parametrisation](log_variance))]
        try:
            with np.errstate(all="ignore"):  # what is tried on purpose may lie outside the function's domain
                arguments = [each if self.to is None else self.to(each) for each in (arrays[i] for i in self.order)]
                result = self.function(*arguments)
        except Exception as problem:  # anything: it is not our code
            text = "".join(str(problem).splitlines()[:1]).rstrip(".")
            error = InputError(
                f"Your function raised {type(problem).__name__}{f' ({text})' if text else ''} for x and x̂ of shape "
                f"{arrays[0].shape} and a posterior of shape {arrays[2].shape}: give features=…, latents=… and batch=… "
                "as it expects them, and to=… if it takes other arrays than NumPy's.",
                "function",
            )
            error.__cause__ = problem
            return error
        value = _number(result)
        return value if np.isfinite(value) else np.nan

    def __call__(self, x: Array, x_hat: Array, posterior: tuple[Array, Array] | None = None) -> float:
        """Return the loss; NaN where it is infinite or the function raises."""
        value = self.attempt(x, x_hat, posterior)
        return np.nan if isinstance(value, InputError) else value


@dataclass(frozen=True)
class Trial:
    """What x is, how x̂ stands for its mean, and the likelihoods that may charge it."""

    data: str
    link: str
    likelihoods: tuple[Likelihood, ...]
    learned: bool = False  #: whether the squared error enters as its logarithm

    def states(self, probe: Probe) -> tuple[Array, list[Array]]:
        """Return x, and the means to go to: first the base, then the largest move. The same at each call."""
        rng = np.random.default_rng(1)
        shape = (probe.batch, *probe.shape)
        if self.data == "fractions":  # in order, so that a part of the array differs from the whole in its curvature
            x = base = np.sort(rng.uniform(0.2, 0.8, shape), axis=None).reshape(shape)
        else:
            x = rng.integers(0, 4 if self.data == "counts" else 2, shape).astype(float)
            base = rng.uniform(0.3, 0.7, shape)
        if self.learned:  # ln of an error that is zero is infinite
            return x, [x + WIDE * move for move in moves(shape, rng)]
        return x, [base, *(base + STEP * move for move in moves(shape, rng))]

    def x_hat(self, mean: Array) -> Array:
        """Return what the function is given for the mean."""
        return LINKS[self.link](mean)

    def changes(self, likelihood: Likelihood, x: Array, means: list[Array]) -> tuple[Array, Array]:
        """Return by what Σ ℓ changes from the first mean to each other one, and the size of what is summed."""
        if self.learned:  # d/2 ln of the mean square is ½ Σ(x − m)²/σ² at the σ² that it stands for
            squares = np.array([np.sum((x - mean) ** 2) for mean in means])
            change = x.size * np.log(squares[1:] / squares[0])
            return change, np.abs(change)
        before = _term(likelihood, x, means[0])
        terms = [_term(likelihood, x, mean) - before for mean in means[1:]]
        return np.array([each.sum() for each in terms]), np.array([np.abs(each).sum() for each in terms])


def _term(likelihood: Likelihood, x: Array, mean: Array) -> Array:
    """Return ℓ as losses write it, up to terms of x alone."""
    return (x - mean) ** 2 if likelihood.squared else likelihood.value(x, likelihood.link(mean))


# In the order of trying. A cross-entropy of probabilities, which may abort outside 0 … 1, is found by the first.
TRIALS = (
    Trial("fractions", "identity", (GAUSSIAN, BERNOULLI, POISSON)),
    Trial("fractions", "logit", (BERNOULLI, GAUSSIAN)),
    Trial("fractions", "log", (POISSON,)),
    Trial("bits", "identity", (BERNOULLI,)),  # for those that insist on whole numbers
    Trial("bits", "logit", (BERNOULLI,)),
    Trial("counts", "identity", (POISSON,)),
    Trial("counts", "log", (POISSON,)),
    Trial("fractions", "identity", (GAUSSIAN,), learned=True),
)


def moves(shape: tuple[int, ...], rng: np.random.Generator) -> list[Array]:
    """Return arrays with entries from −1 to 1: all at once, single entries, and several in one row or in many."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    whole = rng.uniform(0.3, 1, (rows, columns)) * rng.choice([-1.0, 1.0], (rows, columns))
    single = []
    row, column = int(rng.integers(rows)), int(rng.integers(columns))
    for i, j, size in ((0, 0, 1.0), (0, 0, -1.0), (0, 0, 0.4), (rows - 1, columns - 1, -0.8), (row, column, 0.9)):
        single.append(np.zeros_like(whole))
        single[-1][i, j] = size
    pair = np.zeros_like(whole)
    pair[0, 0], pair[0, -1] = 0.8, -0.5
    last = np.zeros_like(whole)
    last[-1] = whole[-1]
    third = whole.copy()
    third.flat[-(-whole.size // 3) :] = 0
    return [each.reshape(shape) for each in (whole, *single, pair, last, third)]


def posteriors(probe: Probe) -> list[tuple[Array, Array]]:
    """Return (μ, ln σ²) to go to from the prior: first a far one, then both together, then each alone."""
    shape = (probe.batch, probe.latents)
    mean, zero, wide = moves(shape, np.random.default_rng(2)), np.zeros(shape), moves(shape, np.random.default_rng(3))
    both = [(1.5 * mean[0], 1.5 * wide[0])]
    alone = [(1.5 * each, zero) for each in mean] + [(zero, 1.5 * each) for each in wide]
    return [(FAR * mean[0], zero), *both, *alone]


def kl(posterior: tuple[Array, Array]) -> float:
    """Return the KL, summed over the batch and the latents, nats."""
    mean, log_variance = posterior
    return float(np.sum(mean**2 + np.expm1(log_variance) - log_variance) / 2)


def fitted(values: Array, change: Array, size: Array, tolerance: Tolerance) -> float | None:
    """Return the one weight c with values[1:] − values[0] = c · change, or None where there is none."""
    moved, best = values[1:] - values[0], int(np.argmax(np.abs(change)))
    grain = tolerance.grain * (np.abs(values[1:]) + np.abs(values[0]))
    weight = float(moved[best] / change[best])
    fits = np.abs(moved - weight * change) <= tolerance.relative * abs(weight) * size + grain
    return weight if np.all(fits) and abs(moved[best]) > 10 * grain[best] else None


def _number(result: Any) -> float:
    """Return the loss in what the function returned."""
    value = result
    match result:
        case {"loss": value} | object(loss=value) | [value, *_]:
            pass
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        shape = getattr(value, "shape", None)
        kind = f"an array of shape {tuple(shape)}" if shape else f"a {type(value).__name__}"
        raise InputError(
            f"Your function returned {kind}, but the loss of a whole batch is expected as one number (or first in a "
            "tuple, or under the key 'loss'): reduce it as the training loop does.",
            "function",
        ) from None
