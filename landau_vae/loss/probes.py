"""What a loss function answers when x̂ or the posterior is moved, and what it would answer if it were a known one.

    loss(after) − loss(before) = a Σ [ℓ(x, m_after) − ℓ(x, m_before)],   ℓ = (x − m)², BCE(x, m) or m − x ln m

m is the mean that x̂ stands for: itself, a probability given as logit, a rate given as
logarithm. These are exact for moves of any size, so moves are large (a tenth of the data's
range and more) and little is lost to cancellation against the loss itself. The same holds of
KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1 − ln σ²). All entries of x and of the moves are multiples of
1/64, which half precision holds without rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError, described
from landau_vae.likelihoods import BERNOULLI, POISSON
from landau_vae.loss.calling import SPREADS, Call, calls
from landau_vae.loss.precision import HALF, SURE, Readings
from landau_vae.loss.results import Weights, components

PARAMETRISATIONS: dict[str, Callable[[Array], Array]] = {  # of ln σ²
    "log_variance": lambda s: s, "variance": np.exp, "std": lambda s: np.exp(s / 2), "log_std": lambda s: s / 2,
}  # fmt: skip
SLOPES: dict[str, Callable[[Array], Array]] = {  # of each by ln σ²
    "log_variance": np.ones_like, "variance": np.exp, "std": lambda s: np.exp(s / 2) / 2,
    "log_std": lambda s: np.full_like(s, 0.5),
}  # fmt: skip
SQUARED: dict[str, Callable[[Array], Array]] = {  # σ² of each
    "log_variance": np.exp, "variance": np.copy, "std": np.square, "log_std": lambda s: np.exp(2 * s),
}  # fmt: skip
LINKS: dict[str, Callable[[Array], Array]] = {
    "identity": np.copy, "logit": BERNOULLI.link, "log": POISSON.link, "tanh": np.arctanh,
}  # fmt: skip
GRID = 64.0  # entries are multiples of its inverse
STEP = 8 / GRID  # of m, whose base is 0.2 … 0.8: it stays a probability
FAR = 1000.0  # of μ: even a KL of weight 1e-6 shows beside a cross-entropy then
FAR_ONES = 3  # far posteriors at the head of `posteriors`
ENTRIES = 2**15  # of an array that is probed: rows are as many as these allow, but at least two
ROWS = 8  # that a function is called with, where its batch does not matter or is a sum or a mean
MANY = 24  # calls that are averaged where a function draws random numbers

Posterior = tuple[Array, Array]  #: μ and ln σ²


class Start(NamedTuple):
    """One of the first calls, and the loss that it gave."""

    x: Array
    x_hat: Array
    posterior: Posterior
    value: float


@dataclass(frozen=True)
class Probe:
    """The user's function at a given size of its arrays."""

    call: Call
    shape: tuple[int, ...]  #: of one sample
    latent_shape: tuple[int, ...]
    batch: int  #: rows that training has
    parametrisation: str = "log_variance"
    rows: int = 0  #: rows that it is called with; those of the batch, unless given
    total: Weights = field(
        default_factory=dict
    )  #: which of the numbers it returns make the loss; the first, unless given
    draws: int = 1  #: calls that are averaged
    start: "Start | None" = None
    bits: int = 53  #: of what it returns: 24 in single precision, 12 or fewer in half precision

    def __post_init__(self) -> None:
        if not self.rows:
            object.__setattr__(self, "rows", self.batch)

    @property
    def half(self) -> bool:
        """Whether it returns what half precision holds."""
        return self.bits <= HALF

    @property
    def dimension(self) -> int:
        """d, features of one sample."""
        return int(np.prod(self.shape))

    @property
    def latents(self) -> int:
        """K of one sample."""
        return int(np.prod(self.latent_shape))

    @property
    def prior(self) -> Posterior:
        """The posterior that costs nothing."""
        mean, log_variance = np.zeros((2, self.rows, *self.latent_shape))
        return mean, log_variance

    def components(self, x: Array, x_hat: Array, posterior: Posterior | None = None) -> dict[str, float] | InputError:
        """Return all numbers in what the function returns, or the error to raise if the function raised one."""
        mean, log_variance = posterior = posterior or self.prior
        arrays = self.arrays(x, x_hat, posterior)
        signs = (1.0, -1.0) if "z" in self.call.roles else (1.0,)  # z = μ ± σ: half the sum is the mean over all z
        found: list[dict[str, float]] = []
        for sign in signs:
            z = mean + sign * np.exp(log_variance / 2) * np.where(np.indices(mean.shape).sum(axis=0) % 2, 1, -1)
            try:
                result = self.call(arrays | {"z": z})
            except Exception as problem:  # anything: it is not our code
                return self._raised(problem)
            found.append(components(result))
        return {name: sum(each.get(name, np.nan) for each in found) / len(found) for name in found[0]}

    def arrays(self, x: Array, x_hat: Array, posterior: Posterior) -> dict[str, Array]:
        """Return the arrays by role, with z at the mean."""
        mean, log_variance = posterior
        spread = PARAMETRISATIONS[self.parametrisation](log_variance)
        return {"x": x, "x_hat": x_hat, "mean": mean, "spread": spread, "z": mean}

    def _raised(self, problem: Exception) -> InputError:
        if isinstance(problem, InputError):
            return problem
        error = InputError(
            f"Your function raised {described(problem)} for x and x̂ of shape "
            f"{(self.rows, *self.shape)} and a posterior of shape {(self.rows, *self.latent_shape)}: give like=(x, "
            "x_hat, mean, log_variance) of one batch, or features=…, latents=…, batch=… and to=… as it expects them.",
            "function",
        )
        error.__cause__ = problem
        return error

    def attempt(self, x: Array, x_hat: Array, posterior: Posterior | None = None) -> float | InputError:
        """Return the loss, NaN where it is infinite, or the error to raise if the function raised one."""
        found = self.components(x, x_hat, posterior)
        if isinstance(found, InputError):
            return found
        weights = self.total or {next(iter(found)): 1.0}
        value = sum(weight * found.get(name, np.nan) for name, weight in weights.items())
        return value if np.isfinite(value) else np.nan

    def __call__(self, x: Array, x_hat: Array, posterior: Posterior | None = None) -> float:
        """Return the loss, its mean over draws; NaN where it is infinite or the function raises."""
        return float(self.read(x, [(x_hat, posterior)]).values[0])

    def read(self, x: Array, places: Sequence[tuple[Array, Posterior | None]]) -> Readings:
        """Return the loss where x̂ and the posterior are so."""
        every = np.array([[self._value(x, *place) for _ in range(self.draws)] for place in places])
        errors = SURE * every.std(axis=1, ddof=1) / np.sqrt(self.draws) if self.draws > 1 else np.zeros(len(every))
        return Readings(every.mean(axis=1), errors)

    def _value(self, x: Array, x_hat: Array, posterior: Posterior | None) -> float:
        value = self.attempt(x, x_hat, posterior)
        return np.nan if isinstance(value, InputError) else value


# ---------------------------------------------------------------------------------------------- sizes

Size = int | Sequence[int] | None


def candidates(
    function: Callable[..., Any],
    like: Any,
    features: Size,
    latents: Size,
    batch: int | None,
    beta: float | None,
    parametrisation: str | None,
    to: Callable[[Any], Any] | None,
) -> list[Probe]:
    """Return the ways in which a function may be called and what its spread may be, the likeliest first."""
    probes = []
    for call in calls(function, like, to=to, beta=beta):
        x_hat, mean = _shape(call, "x_hat"), _shape(call, "mean")
        shape, latent_shape = _given(features, x_hat, "features"), _given(latents, mean, "latents")
        rows = batch or (x_hat or mean or (ROWS,))[0]
        stated = [each for each in (parametrisation or call.spread,) if each] or SPREADS
        probes += [Probe(call, shape, latent_shape, rows, spread) for spread in stated]
    return probes


def _shape(call: Call, role: str) -> tuple[int, ...] | None:
    example = call.example(role)
    return None if example is None else tuple(example.shape)


def _given(size: Size, example: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    """Return the shape of one sample: as it is stated, else that of the example."""
    if size is None:
        if example is None:
            raise InputError(f"{name} is missing: give {name}=…, or like=(x, x_hat, mean, log_variance).", name)
        return example[1:]
    shape = (size,) if isinstance(size, int) else tuple(size)
    if example is not None and np.prod(shape) != np.prod(example[1:]):
        raise InputError(f"{name} is {size}, but the arrays of like have {example[1:]}: give one of them.", name)
    if not shape:
        raise InputError(f"{name} is empty, but a number or the shape of one sample is expected.", name)
    return shape


# ---------------------------------------------------------------------------------------------- moves


def moves(shape: tuple[int, ...], seed: int) -> list[Array]:
    """Return arrays with entries from −1 to 1: all at once, single entries, and several in one row or in many."""
    rng = np.random.default_rng(seed)
    rows, columns = shape[0], int(np.prod(shape[1:]))
    whole = rng.uniform(0.3, 1, (rows, columns)) * rng.choice([-1.0, 1.0], (rows, columns))
    single = []
    row, column = int(rng.integers(rows)), int(rng.integers(columns))
    for i, j, size in ((0, 0, 1.0), (0, 0, -1.0), (0, 0, 0.5), (rows - 1, columns - 1, -0.75), (row, column, 1.0)):
        single.append(np.zeros_like(whole))
        single[-1][i, j] = size
    pair = np.zeros_like(whole)
    pair[0, 0], pair[0, -1] = 0.75, -0.5
    last = np.zeros_like(whole)
    last[-1] = whole[-1]
    third = whole.copy()
    third.flat[-(-whole.size // 3) :] = 0
    return [on_grid(each, 8).reshape(shape) for each in (whole, *single, pair, last, third)]


def on_grid(values: Array, steps: float = GRID) -> Array:
    """Return values rounded to multiples of an inverse."""
    return np.asarray(np.round(values * steps) / steps)


def posteriors(probe: Probe) -> list[Posterior]:
    """Return posteriors to go to from the prior: first far ones, then both together, then each alone."""
    zero, _ = probe.prior
    mean, wide = moves(zero.shape, 2), moves(zero.shape, 3)
    far = [(FAR * mean[0], zero), (FAR * mean[-1], zero), (FAR * mean[-2], zero)]
    alone = [(1.5 * each, zero) for each in mean] + [(zero, 1.5 * each) for each in wide]
    return [*far, (1.5 * mean[0], 1.5 * wide[0]), *alone]


def both(probe: Probe) -> Posterior:
    """Return a posterior near the prior that differs from it in mean and spread."""
    return posteriors(probe)[FAR_ONES]


def nats(posterior: Posterior) -> Array:
    """Return the KL of every latent, of the posterior's shape."""
    mean, log_variance = posterior
    return np.asarray(mean**2 + np.expm1(log_variance) - log_variance) / 2


def kl(posterior: Posterior) -> float:
    """Return the KL, summed over the batch and the latents, nats."""
    return float(nats(posterior).sum())
