"""What any VAE could reach on given rows, whatever its encoder, depth, prior and number of latents.

    F_any(c) = min_q −c ⟨ln Σ_y q(y) e^{−ℓ(x, y)/c}⟩ ≤ ⟨ℓ(x, f(z))⟩ + c ⟨KL⟩

Conditions: the decoder takes z alone, ⟨ℓ⟩ is that of sampled z, all KL terms have one
weight. For squared errors the collapsed state, one constant output, is the best of all
from c = τ on where

    τ ≥ σ²_sG = sup_u 2 ln⟨e^{u·x}⟩/‖u‖²

the optimal sub-Gaussian proxy of the centred rows. A row of share p at a distance m
from the mean makes that at least m²/(2 ln 1/p). Source: this package.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from landau_vae.checks import Count, Seed, checked
from landau_vae.display import Array, Column, Integers, Result, Table, counted, progress_bar, readonly, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import natural_parameter
from landau_vae.limits import MEMORISED
from landau_vae.loss import Loss
from landau_vae.networks.mixture import TOLERANCE, alone, fitted
from landau_vae.networks.priced_rows import CanonicalRows, Mixture, OtherRows, Rows
from landau_vae.numeric._equilibrium import equilibrium
from landau_vae.spectrum._score import of_rest
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.threads import one_thread
from landau_vae.training.training_set import TrainingSet, asked, collapsed_state, training_set

MOST = 2000  # rows
DIRECTIONS = 20  # principal components from which ascents start
CLIMBED = 8  # ascents to σ²_sG
LENGTHS = (0.01, 0.1, 0.3)  # of starts along principal components, beside 1, in 2 ln n/‖x‖
ROUNDED = 1e-8  # λ₁‖u‖² below which ln⟨e^{u·x}⟩/‖u‖² is rounding
NO_RATE = 1e-12  # nats
TINY = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class Frontier(Result):
    """The least loss of any VAE, by price. Losses are per row, in units of ½‖x − x̂‖² or of −ln p."""

    json_fields = (
        "beta", "price", "dead", "linear", "any", "bound", "gain", "held_out", "held_out_gain", "effective_rows",
        "first", "proxy", "memorising", "memorised", "rows", "unit",
    )  # fmt: skip

    loss: Loss  #: the loss as given
    unit: float  #: of losses here, in that loss: Loss.gaussian(half=False) has 2
    price: Array  #: price of a nat at each β, (b,): τ of squared errors
    perfect: float  #: loss of outputs that equal their rows: 0 of squared errors
    dead: float  #: loss of the best constant output
    linear: Array  #: loss of the best linear VAE, (b,); NaN unless errors are squared
    any: Array  #: loss of the best VAE as it was reached, an upper bound, (b,)
    bound: Array  #: lower bound of it, as far as ascents have found the largest violation, (b,)
    held_out: Array  #: loss of the same outputs on as many other rows, (b,); NaN without other rows
    held_out_dead: float  #: loss of the constant output on these other rows
    first: float  #: price from which the collapsed state is locally stable: λ₁ of squared errors
    proxy: float  #: σ²_sG, the price from which it is the best state; NaN unless errors are squared
    memorising: float  #: price below which a single row is worth an output of its own; NaN unless errors are squared
    entropy: float  #: nats that name a row: ln n of n distinct ones
    rows: int  #: number of rows that were used
    encoded: tuple[Integers, ...]  #: which rows the best VAE encodes, for each β, in the order of the data
    effective_rows: Array  #: how many rows share the rate, (Σ R)²/Σ R² with R the nats of a row, (b,); 0 if collapsed
    mixtures: tuple[Mixture, ...] = field(repr=False)  #: outputs of the best VAE and their weights, for each β

    @property
    def beta(self) -> Array:
        """The β of the loss, (b,)."""
        return readonly(self.loss.beta.ravel())

    @property
    def gain(self) -> Array:
        """The most that the loss of any VAE may be below the collapsed state, (b,)."""
        return readonly(np.maximum(self.dead - self.bound, 0.0))

    @property
    def held_out_gain(self) -> Array:
        """The amount by which the same outputs are below the constant one on other rows, (b,)."""
        return readonly(self.held_out_dead - self.held_out)

    @property
    def memorised(self) -> Array:
        """Loss of a model that names each row, over which the loss of the best VAE never is, (b,)."""
        return readonly(self.perfect + self.price * self.entropy)

    @checked
    def certified(self, price: float) -> bool:
        """Return whether it is known that no VAE of any kind is better than the collapsed state at a price.

        Parameters
        ----------
        price : float
            Price of a nat.

        Returns
        -------
        bool
            True from σ²_sG on, and from each price on at which nothing better was found.
        """
        return bool(price >= self.best_from)

    def _shown(self, scale: float) -> Callable[[float], str]:
        """Return how losses of this size are shown: to three digits, but none that is not known."""
        gap = self.unit * max(float((self.any - self.bound).max()), TOLERANCE * float(self.price.max()))
        digits = max(0, int(min(-np.log10(gap), 3 - np.floor(np.log10(max(scale, gap))))))
        return lambda value: "—" if np.isnan(value) else f"{value:.{digits}f}"

    def __repr__(self) -> str:
        at = ", ".join(f"{significant(float(beta), 3)}: {significant(float(gain), 3)}" for beta, gain in
                       zip(self.beta[:4], self.unit * self.gain[:4], strict=True))  # fmt: skip
        more = ", …" * (len(self.beta) > 4)
        return f"Frontier({counted(self.rows, 'row')}; gain of any VAE at {self.loss.knob} = {at}{more})"

    def content(self) -> Iterable[str | Table]:
        """Yield the losses by β, and what follows from them."""
        unit, gain = self.unit, self.unit * (self.dead - self.any)
        loss, gains = self._shown(unit * self.dead), self._shown(float(gain.max()))
        yield (
            f"Least loss of any VAE on {counted(self.rows, 'row')}, per row, for the loss {self.loss.formula}. "
            f"The collapsed state: {loss(unit * self.dead)}."
        )
        columns = [
            Column(self.loss.knob, self.beta, lambda b: significant(float(b), 4), "beta"),
            Column("linear VAE", unit * self.linear, loss, "linear"),
            Column("any VAE", unit * self.any, loss, "any"),
            Column("not below", np.where(self._unfinished, unit * self.bound, np.nan), loss, "bound"),
            Column("gain", gain, gains, "gain"),
            Column("on other rows", unit * self.held_out_gain, gains, "held_out_gain"),
            Column("rows encoded", self.effective_rows, "{:.0f}".format, "effective_rows"),
        ]
        yield Table([column for column in columns if not np.isnan(column.values).all()])
        yield from self._notes()

    @property
    def _unfinished(self) -> NDArray[np.bool_]:
        return np.asarray(self.any - self.bound > 2 * TOLERANCE * self.price)

    @property
    def best_from(self) -> float:
        """Price from which the collapsed state is the best one, as far as it is known; NaN where it is not."""
        seen = np.append(self.price[self.gain <= TOLERANCE * self.price], self.proxy)
        return float(np.fmin.reduce(seen))

    @property
    def memorised_to(self) -> float:
        """Price up to which single rows are memorised; NaN where none are."""
        alone = [self.memorising] if self.memorising > self.first else []
        return max([*alone, *self.price[self.any > MEMORISED * self.memorised]], default=np.nan)

    @checked
    def beta_at(self, price: float) -> float:
        """Return the β of a price.

        Parameters
        ----------
        price : float
            Price of a nat.

        Returns
        -------
        float
        """
        return float(price * self.beta[0] / self.price[0])

    def _notes(self) -> Iterator[str]:
        knob = self.loss.knob

        def at(price: float) -> str:
            return f"{knob} = {significant(self.beta_at(price), 4)}"

        where = f"From {at(self.first)} on" if self.first > 0 else f"At every {knob}"
        yield f"{where} the collapsed state is stable: training from small weights does not leave it."
        if not np.isnan(self.best_from):
            sign = " (σ²_sG)" if self.best_from == self.proxy else ""
            yield f"From {at(self.best_from)} on{sign} no VAE of any architecture can use these rows."
        if not np.isnan(self.memorised_to):
            yield (
                f"Up to {at(self.memorised_to)} single rows are worth being memorised: such gains are those of the "
                "training loss, and do not carry over to other rows."
            )
        if self._unfinished.any():
            places = ", ".join(significant(float(beta), 4) for beta in self.beta[self._unfinished])
            yield f"The search ended before it converged at {knob} = {places}: the least loss is not below 'not below'."
        yield (
            "This holds for reconstructions from sampled z, a decoder that takes z alone, and one weight of all KL "
            "terms. 'Rows encoded' is how many rows share the KL."
        )


@checked
@one_thread()
def frontier(data: Any, loss: Loss, *, rows: Count = MOST, seed: Seed = 0, progress: bool = False) -> Frontier:
    """Return the least loss that any VAE can have on some rows, at each β of the loss.

    Parameters
    ----------
    data : (n, d) array, DataFrame or TrainingSet
        The rows that are trained on.
    loss : Loss
        With one β or several, and any likelihood; of squared errors with a fixed variance.
    rows : int, default 2000
        How many rows are used, at most; as many others give the held-out values.
    seed : int, default 0
        Of the choice of rows.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    Frontier

    Raises
    ------
    InputError
        For a `Spectrum`, which has no rows, and a learned variance.

    Notes
    -----
    The optimum over distributions of outputs is a convex problem, solved to a gap that
    is reported. What is found holds for the rows that were used. A row's rate is the
    information that its posterior over the outputs has on it; the rows that count as
    encoded are those of the highest rates, as many as share the rate: (Σ R)²/Σ R².

    Examples
    --------
    >>> x = np.repeat([[-1.0], [1.0]], 50, axis=0)  # λ₁ = σ²_sG = 1
    >>> found = frontier(x, Loss.gaussian([1.1, 0.5]))
    >>> found.gain.round(3).tolist(), round(found.proxy, 3), found.certified(1.1)
    ([0.0, 0.163], 1.0, True)
    """
    table = training_set(data)
    if table.rows is None:
        raise InputError("data is a Spectrum, but the frontier needs the rows: give the table.", "data")
    if loss.constraint:
        raise InputError("The loss has a constraint: give the plain loss at the price in effect (Loss.price).", "loss")
    if loss.learned or not loss.likelihood.bounded:
        raise InputError("The loss learns its variance, which has no bound here: give the variance reached.", "loss")
    if not loss.sampler.honest:
        raise OutsideTheory(f"z is drawn with {loss.sampler.words}: then the KL does not bound what z can carry.")
    weights = np.ones(len(table.rows)) if table.weights is None else table.weights
    order = np.random.default_rng(seed).permutation(np.flatnonzero(weights))
    chosen, others = np.sort(order[:rows]), np.sort(order[rows : 2 * rows])
    used, price = training_set(table.rows[chosen], weights=weights[chosen]), loss.charge(table.features).ravel()
    first, squared = first_price(loss, used), loss.likelihood.squared
    # Squared errors are solved about the mean, in units of √λ₁: then they do not depend on the unit of the data.
    center, scale = (used.mean, float(np.sqrt(first))) if squared else (np.zeros(table.features), 1.0)
    here, which = _distinct((table.rows[chosen] - center) / scale, weights[chosen], loss)
    elsewhere, _ = _distinct((table.rows[others] - center) / scale, weights[others], loss, here)
    starts, mixtures = _starts(here), []
    with progress_bar(len(price), "frontier", progress, unit=" prices") as bar:
        for c in price:
            mixtures.append(fitted(replace(here, price=float(c) / scale**2), starts))
            bar.update()
    constant = alone(here)
    best, area = np.array([here.loss(mixture) for mixture in mixtures]), scale**2
    bound = np.fmax(best - [mixture.gap for mixture in mixtures], here.perfect)
    sharing = [_sharing(here, mixture) for mixture in mixtures]
    return Frontier(
        loss, loss.weights(table.features)[0] * loss.likelihood.curvature_of_term, readonly(price),
        area * here.perfect, area * here.loss(constant),
        readonly(_linear(used.spectrum, loss, price) if squared else np.full(len(price), np.nan)),
        readonly(area * best), readonly(area * bound),
        readonly([area * elsewhere.loss(mixture) for mixture in mixtures]), area * elsewhere.loss(constant), first,
        area * _proxy(here, starts, 1.0) if squared else np.nan, area * _memorising(here) if squared else np.nan,
        float(here.share @ -np.log(here.share)), len(chosen), tuple(chosen[mask[which]] for mask, _ in sharing),
        readonly([share * len(chosen) for _, share in sharing]),
        tuple(replace(each, outputs=scale * each.outputs, price=area * each.price) for each in mixtures),
    )  # fmt: skip


def bounds(rows: Array, weights: Array) -> tuple[float, float]:
    """Return σ²_sG of rows, and the price below which a single row is worth an output of its own."""
    used = training_set(rows, weights=weights)
    scale = float(np.sqrt(used.spectrum.eigenvalues[0]))
    here, _ = _distinct((rows - used.mean) / scale, weights, Loss.gaussian())
    return scale**2 * _proxy(here, _starts(here), 1.0), scale**2 * _memorising(here)


def first_price(loss: Loss, data: TrainingSet) -> float:
    """Return the price from which the collapsed state is stable; 0 if it is so at every price."""
    assert data.rows is not None
    likelihood = loss.likelihood
    if likelihood.squared:
        return float(data.spectrum.eigenvalues[0])
    state = collapsed_state(likelihood, data)
    return 0.0 if state.stuck else float(of_rest(likelihood, state, data.rows, data.weights).eigenvalues[0])


def _distinct(table: Array, weights: Array, loss: Loss, like: Rows | None = None) -> tuple[Rows, Integers]:
    """Return distinct rows with their shares, and which of them each row is; outputs count as those of `like` do."""
    distinct, which = np.unique(table, axis=0, return_inverse=True)
    parts = distinct, np.bincount(which, weights) / max(weights.sum(), TINY), loss.likelihood
    if loss.likelihood.canonical:
        return CanonicalRows(*parts), which
    if isinstance(like, OtherRows):
        return OtherRows(*parts, rest=like.rest), which
    rest = asked(loss.likelihood, "rest", distinct, parts[1])
    if not (finite := np.isfinite(rest.output)).all():  # of constant columns
        at_end = natural_parameter(loss.likelihood, parts[1] @ distinct)
        rest = rest._replace(output=np.where(finite, rest.output, at_end))
    return OtherRows(*parts, rest=rest), which


def _starts(rows: Rows) -> Array:
    """Return where outputs are looked for: at rows, nearer to the mean, and along principal components."""
    spectrum = Spectrum.from_data(rows.own, weights=rows.share)
    assert spectrum.vectors is not None
    axes = (spectrum.vectors * np.sqrt(spectrum.eigenvalues)[: spectrum.vectors.shape[1]]).T[:DIRECTIONS]
    return np.vstack([rows.own, rows.mean + 0.3 * (rows.own - rows.mean), rows.mean + axes, rows.mean - axes])


def _sharing(rows: Rows, mixture: Mixture) -> tuple[NDArray[np.bool_], float]:
    """Return which rows count as encoded, and the share of rows that share the rate."""
    rate = rows.rates(mixture)
    mean = rows.share @ rate
    share = float(mean**2 / (rows.share @ rate**2)) if mean > NO_RATE else 0.0
    order = np.argsort(-rate, kind="stable")
    mask = np.empty(len(rate), bool)
    mask[order] = np.cumsum(rows.share[order]) - rows.share[order] / 2 < share
    return mask, share


def _linear(spectrum: Spectrum, loss: Loss, price: Array) -> Array:
    """Return ½V − Σ ½[λ − τ − τ ln(λ/τ)] over modes above the price, (b,); of another sampler by its law."""
    if not loss.sampler.plain:
        return equilibrium(spectrum, loss.at(loss.beta.ravel())).free_energy
    ratio = np.maximum(spectrum.eigenvalues / price[:, None], 1.0)
    return 0.5 * (spectrum.total_variance - price * (ratio - 1 - np.log(ratio)).sum(axis=1))


def _memorising(rows: Rows) -> float:
    """Return the largest m²/(2 ln 1/p) of centred rows of share p."""
    return float(np.max(0.5 * np.square(rows.table).sum(axis=1) / -np.log(rows.share)))


def _proxy(rows: Rows, starts: Array, first: float) -> float:
    """Return σ²_sG of centred rows, by ascents of 2 ln⟨e^{u·x}⟩/‖u‖² from `starts`, at several lengths.

    It tends to λ₁ as u → 0, where rounding takes over.
    """

    def heights(u: Array) -> Array:
        return 2 * logsumexp(u @ rows.table.T, axis=1, b=rows.share) / np.square(u).sum(axis=1)

    def height(u: Array) -> tuple[float, Array]:
        inner, square = rows.table @ u, u @ u
        total, share = logsumexp(inner, b=rows.share), rows.share * np.exp(inner - inner.max())
        slope = 2 * (share @ rows.table / share.sum()) / square - 4 * total * u / square**2
        return -2 * total / square, -slope

    square = np.square(starts).sum(axis=1)
    directions = 2 * np.log(1 / rows.share.min()) * starts[square > 0] / square[square > 0, None]
    u = np.vstack([directions, *(length * directions[-2 * DIRECTIONS :] for length in LENGTHS)])
    best = np.argsort(-heights(u), kind="stable")[:CLIMBED]
    found = [minimize(height, u[i], jac=True, method="L-BFGS-B") for i in best]
    return max([first, *(-float(each.fun) for each in found if first * each.x @ each.x > ROUNDED)])
