"""`Monitor`: what a diagnosis knows of a trained model, while it trains.

    price applied  c_k = Σ μ_k (∂L/∂μ_k − ∂L/∂z_k) / Σ μ_k²      price in effect  ĉ_k = Σ εσ ∂L/∂z_k / Σ (1 − σ_k²)

The first is what the loss charges for a nat now, exact at every step of any network; the second what
the weights have settled to. They agree at rest. Both come from gradients that backpropagation has
computed anyway. Moments of the posteriors are those of `diagnose`, added up batch by batch, and the
findings are its findings: one set of rules, of which some wait until the model is at rest
(`findings/while_training`). Source: this package; derivation: `landau-vae derive identities-at-rest`.
"""

import warnings
from collections import deque
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import replace
from functools import reduce, wraps
from itertools import zip_longest
from typing import Any, Literal, TypeVar

import numpy as np

from landau_vae.checks import Count, Positive, checked
from landau_vae.diagnosis.applied import Applied, Course
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.findings.while_training import at_rest
from landau_vae.diagnosis.measured import channels_of
from landau_vae.diagnosis.prediction import Prediction
from landau_vae.diagnosis.progress import Progress, steady
from landau_vae.diagnosis.streamed import Streamed, Window, read
from landau_vae.display import counted, significant
from landau_vae.errors import InputError
from landau_vae.findings import Finding
from landau_vae.limits import EXACT_PRICE, PRICE_AT_REST, SURELY, UNKNOWN_PRICE
from landau_vae.loss import Loss
from landau_vae.spectrum.spectrum import Spectrum

T = TypeVar("T")
RECENT = 8  # batches whose prices applied are kept
DATA_EVERY = 10  # batches looked at: of which one goes into the covariance of the data, where no spectrum is given


class MonitorWarning(UserWarning):
    """What a `Monitor` could not use. It is said once, and the training goes on.

    Examples
    --------
    >>> issubclass(MonitorWarning, UserWarning)
    True
    """


def _never_raises(method: Callable[..., T]) -> Callable[..., T | None]:
    """Let a method report what goes wrong, once, and return None: nothing here may end a training."""

    @wraps(method)
    def call(self: "Monitor", *args: Any, **kwargs: Any) -> T | None:
        try:
            return method(self, *args, **kwargs)
        except MonitorWarning:  # the user lets warnings be errors
            raise
        except Exception as problem:  # of any library whose arrays come in
            self.problem = str(problem) or type(problem).__name__
            self._warn(f"{self.problem} Nothing more is looked at before reset().")
            return None

    return call


class Monitor:
    """Watch a VAE while it trains: the price that is applied, the active latents, and what is wrong.

    Call `update` after each backward pass. `log` returns numbers for any logger, `findings`
    sentences such as those of `diagnose`. A monitor changes nothing: no array, no weight, no
    random number. What it cannot use is reported once, as a `MonitorWarning`, and never ends
    a training. Monitors of several processes are added, `one + two`; they can be pickled.

    Parameters
    ----------
    spectrum : Spectrum, optional
        Of the data as the loss has them. Unless given, the covariance of x is accumulated, over
        one in ten of the batches that are looked at, and the spectrum is computed anew
        whenever it rests on twice as many rows. That takes O(d²) memory.
    loss : Loss
        The loss that is trained, at the β that is meant: with a warm-up, the one that it ends
        with.
    every : int, default 10
        Which calls of `update` are looked at: the first, and each `every`-th after it.
    memory : int, optional
        Number of batches looked at after which older ones are forgotten exponentially. Unless
        given, sums are exact and reach back to the last `reset`.
    reduction : {"mean", "sum"}, default "mean"
        Whether the loss that is differentiated is a mean over the rows of a batch, or a sum.
    learning_rate : float, optional
        Of the run. With it the least time is known that modes need to leave the plateau.
    optimizer : {"adam", "gradient descent"}, default "adam"
        Of the run.

    Notes
    -----
    The price applied is exact where the KL is a function of μ and σ, for any network, likelihood
    and sampler, at each step. A KL that is estimated from a drawn z leaves noise in it; a further
    term on μ (a penalty, a classifier) adds its own slope; of a prior N(m, v) it is the slope of
    (μ − m)/v. Latents whose KL is masked, detached or below its free bits have 0 at once. A
    warm-up in steps is a lower price as long as the first step lasts.

    Prices are those of the loss that is differentiated. A factor on all of it is in them, unless it
    is given (`loss_scale`). A wrong weight of the reconstruction alone, such as a mean over features
    where a sum is stated, is not: neither price changes, and too few latents become active. Check
    it once by `Loss.measure`, or by `diagnose` with the decoder.

    Examples
    --------
    One mode of variance 4 at β = 1: M² = ¾. The KL adds β μ to the gradient at μ.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = 2 * rng.standard_normal((1000, 1)), rng.standard_normal((1000, 1))
    >>> mean, log_variance = x * 0.433, np.full((1000, 1), np.log(0.25))
    >>> grad_z = -(3**0.5) * (x - 3**0.5 * (mean + noise / 2))
    >>> monitor = Monitor(Spectrum.from_eigenvalues([4.0]), Loss.gaussian(1.0), reduction="sum")
    >>> monitor.update(mean, log_variance, x, noise, grad_z, grad_z + 1.0 * mean)
    >>> log = monitor.log()
    >>> log["active"], log["predicted"], round(log["price_applied"], 9)
    (1.0, 1.0, 1.0)
    """

    @checked
    def __init__(
        self,
        spectrum: Spectrum | None = None,
        loss: Loss | None = None,
        *,
        every: Count = 10,
        memory: Count | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        learning_rate: Positive | None = None,
        optimizer: Literal["adam", "gradient descent"] = "adam",
    ) -> None:
        if loss is None or loss.beta.ndim:
            found = "None" if loss is None else "one with a list of β"
            raise InputError(f"loss is {found}, but the loss that is trained, at one β, is expected.", "loss")
        if spectrum is not None:
            loss.price_per_beta(spectrum)  # whether the two go together
        self.loss, self.every, self.memory, self.reduction = loss, every, memory, reduction
        self.updates = 0  #: calls of `update`
        self.problem: str | None = None  #: why nothing more is looked at, in a sentence
        self._looks, self._batch, self._reported, self._rested = 0, 0, set[str](), False
        self._prediction = Prediction(loss, spectrum, learning_rate, optimizer)
        self._course = Course(float(loss.beta))
        self._window: Window | None = None
        self._added: tuple[int, list[Streamed]] | None = None
        self._before: Streamed | None = None  # the window before the last reset
        self._recent: deque[Applied] = deque(maxlen=RECENT)

    # ------------------------------------------------------------------------------ what comes in

    @property
    def due(self) -> bool:
        """Whether the next `update` will be looked at. Hooks can skip their work otherwise."""
        return self.updates % self.every == 0 and self.problem is None

    def update(
        self,
        mean: Any,
        log_variance: Any,
        x: Any = None,
        noise: Any = None,
        grad_z: Any = None,
        grad_mean: Any = None,
        *,
        loss_scale: float = 1.0,
    ) -> None:
        """Look at the batch of one update, if it is due. Arrays may be of any library, on any device.

        Parameters
        ----------
        mean, log_variance : (n, K) array
            μ and ln σ² that the encoder gave. Of sequences (n, T, k) and images (n, k, h, w)
            every position is a latent, and prices are those of channels.
        x : (n, d) array, optional
            The rows, as the loss has them. They are needed where no spectrum is given, and for
            what latents encode of each mode.
        noise : (n, K) array, optional
            ε of z = μ + σ ε. With `grad_z` it gives the price in effect.
        grad_z : (n, K) array, optional
            Gradient of the whole loss at the decoder's input, through the decoder.
        grad_mean : (n, K) array, optional
            Gradient of the whole loss at μ. With `grad_z` it gives the price applied.
        loss_scale : float, default 1
            What the loss was multiplied with before it was differentiated: the scale of mixed
            precision, or 1/steps where gradients are accumulated.
        """
        due, self.updates = self.due, self.updates + 1
        if due:
            self._look(mean, log_variance, x, noise, grad_z, grad_mean, loss_scale)

    @_never_raises
    def _look(self, mean: Any, log_variance: Any, x: Any, noise: Any, grad_z: Any, grad_mean: Any, scale: Any) -> None:
        with np.errstate(all="ignore"):  # the result is looked at
            batch = read(
                mean, log_variance, x, noise, grad_z, grad_mean, sampler=self.loss.sampler,
                mean_over_rows=self.reduction == "mean", loss_scale=scale,
            )  # fmt: skip
            finite = batch.finite
        if not finite:
            self._warn("A batch has entries that are NaN or infinite: such batches are left out.", 5)
            return
        if self._window is None:
            features, s = self._prediction.features(batch.x), self._prediction.given
            if batch.x is not None and s is not None and batch.x.shape[1] != s.dimension:
                self._warn(f"x has {batch.x.shape[1]} columns, the spectrum is of {s.dimension}: x is left out.", 5)
            self._window = Window(Streamed(batch.shape, features, self.loss.sampler), self.memory)
        self._window.add(batch)
        if self._prediction.collects and batch.x is not None and self._looks % DATA_EVERY == 0:
            self._prediction.data.add(batch.x)
        self._looks, self._batch = self._looks + 1, len(batch.mean)
        if batch.by_kl is None or batch.rounding is None:
            self._recent.clear()
            return
        self._recent.append(Applied(batch.mean, batch.by_kl, batch.rounding, channels_of(batch.shape)))
        self._course.add(self.updates, *(each / self._prediction.per_beta for each in self._recent[-1].dearest))
        while self._course.changed == self.updates and len(self._recent) > 1:  # those before had another price
            self._recent.popleft()

    def _warn(self, sentence: str, level: int = 4) -> None:
        """Report a sentence once, also one with other numbers in it; `level`: calls up to the user's own."""
        if (kind := sentence[:20]) not in self._reported:
            self._reported.add(kind)
            warnings.warn(f"The monitor cannot use all that it was given. {sentence}", MonitorWarning, stacklevel=level)

    def reset(self) -> None:
        """Begin a new window, and look again after a problem.

        What is known of the data, and the course of the price, are kept.
        """
        if self._window is not None:
            self._before = self._halves[0].merge(self._halves[1])
        self._window, self._added, self.problem = None, None, None
        self._recent.clear()

    # ------------------------------------------------------------------------------ what is known

    @property
    def spectrum(self) -> Spectrum | None:
        """The spectrum of the data: the one given, or that of the rows so far; None of too few."""
        return self._prediction.spectrum

    @property
    def _halves(self) -> list[Streamed]:
        """The older and the newer half of the window, added up once after each look."""
        assert self._window is not None
        if self._added is None or self._added[0] != self._looks:
            self._added = self._looks, self._window.halves
        return self._added[1]

    def _state(self, *, modes: bool) -> tuple[Streamed, Diagnosis] | None:
        """Return the window, and its comparison with the prices in effect, as `diagnose` has them."""
        if self._window is None:
            return None
        old, new = self._halves
        whole = old.merge(new)
        c = self._prediction.compared(whole.posterior, whole.shape)
        observed = self._prediction.observed(c, whole) if modes else None
        return whole, replace(c, observed=observed, prices=self._prediction.in_effect(c, whole.slopes))

    def _watched(self, c: Diagnosis) -> Diagnosis:
        """Return the comparison as it counts in the middle of a training."""
        old, new = self._halves
        if self._before is not None and old.rows + new.rows < self._before.rows:
            old, new = self._before, old.merge(new)
        steadily = bool(old.rows and new.rows) and steady(old.posterior, new.posterior) and self._one_price(c)
        before = old.posterior.signal_fraction if old.rows and new.rows else None
        now = (new if new.rows else old).posterior.signal_fraction
        effect = None
        if c.prices is not None and c.price_in_effect is not None:
            effect = c.price_in_effect * c.beta_per_price, (c.price_in_effect_error or 0.0) * c.beta_per_price
        applied, beta = None, float(self.loss.beta)
        if self._recent:
            value, error = (each / self._prediction.per_beta for each in self._recent[-1].pooled)
            applied = (value, error) if error < UNKNOWN_PRICE * beta else None
        exact = applied is not None and applied[1] < EXACT_PRICE * beta and c.demand is None
        progress = Progress(
            self.updates, self._looks, self._batch or None, self.reduction == "sum", steadily, applied,
            self._course.moving, exact, effect,
            before, now, self._rested, self._prediction.plateau,
        )  # fmt: skip
        # Latents at the limit of their free bits pay in some batches: prices are averaged over a few.
        prices = self._prediction.applied(c, reduce(Applied.__add__, self._recent)) if exact else c.prices
        watched = replace(c, prices=prices, progress=progress)
        self._rested = self._rested or bool(watched.is_active.any() and at_rest(watched))
        return watched

    def _one_price(self, c: Diagnosis) -> bool:
        """Return whether all quarters of the window obey one price, as far as is known.

        Halves may agree by chance while the price moves up and down.
        """
        assert self._window is not None
        parts = [replace(c, prices=self._prediction.in_effect(c, slopes)) for slopes in self._window.slopes]
        found = [(one.price_in_effect or 0.0, one.price_in_effect_error or 0.0) for one in parts if one.prices]
        if not found:
            return True
        (low, error), (high, other) = min(found), max(found)
        return bool(high - low <= PRICE_AT_REST * high + SURELY * np.hypot(error, other))

    # ------------------------------------------------------------------------------ what it says

    @checked
    def log(self, *, per_latent: bool = False) -> dict[str, float]:
        """Return numbers for a logger, by short names; what is not known is left out.

        Prices are those of the last batch looked at, or of the window, in your own β; all else is
        averaged over the window.

        Parameters
        ----------
        per_latent : bool, default False
            Whether to add numbers of each latent, counted from 1: `signal_fraction/1`,
            `rate/1`, `price_applied/1`, `price_in_effect/1`, and so on.

        Returns
        -------
        dict
            Name to number, never NaN:

            =========================  ==========================================================
            updates, batches, rows     calls of `update`; batches and rows in the window
            active                     latents that are active, M² > 0.1
            predicted                  active latents of a linear model at the stated β
            rate                       KL of a row, nats
            expected_rate              that of a linear model at the stated β
            inactive_nats              part of the rate that inactive latents have
            price_applied              weight of the KL in the last batch, a mean over latents by ⟨μ²⟩
            price_applied_error        its standard error: rounding, if the KL is analytic
            price_in_effect            β that the weights have settled to
            price_in_effect_error      its standard error
            price_ratio                price applied (else in effect) over the stated β
            at_rest                    1 where the model has come to rest, else 0
            next_onset                 β below which one more latent becomes active
            plateau_time_left          updates that the next latent needs at least
            =========================  ==========================================================
        """
        return self._log(per_latent) or {}

    @_never_raises
    def _log(self, per_latent: bool) -> dict[str, float]:
        if (state := self._state(modes=False)) is None:
            return {}
        (whole, c), rate, active = state, state[1].posterior.rate, int(state[1].is_active.sum())
        watched, numbers = self._watched(c), dict[str, Any](updates=self.updates)
        p = watched.progress
        assert p is not None
        numbers |= {"batches": whole.batches, "rows": whole.rows, "active": active, "rate": rate.sum()}
        numbers |= {"inactive_nats": rate[~c.is_active].sum(), "at_rest": at_rest(watched)}
        if not (c.own_term or c.predicted.incomplete):
            numbers |= {"predicted": c.predicted.active, "expected_rate": c.predicted.total_rate}
        if p.in_effect is not None:
            numbers |= {"price_in_effect": p.in_effect[0], "price_in_effect_error": p.in_effect[1]}
        if p.applied is not None:
            numbers |= {"price_applied": p.applied[0], "price_applied_error": p.applied[1]}
        if prices := [each[0] for each in (p.applied, p.in_effect) if each is not None]:
            numbers["price_ratio"] = prices[0] / self.loss.beta
        if c.next_onset is not None:
            numbers["next_onset"] = c.next_onset.value
        if self._prediction.plateau is not None and active < len(self._prediction.plateau.needed):
            numbers["plateau_time_left"] = max(self._prediction.plateau.needed[active] - self.updates, 0.0)
        if per_latent:
            numbers |= self._of_latents(c)
        return {name: float(value) for name, value in numbers.items() if np.isfinite(value)}

    def _of_latents(self, c: Diagnosis) -> dict[str, float]:
        """Return the numbers of each latent; prices are those of channels."""
        values = {name: getattr(c.posterior, name) for name in ("signal_fraction", "rate", "second_moment")}
        numbers = {f"{name}/{k + 1}": each for name, column in values.items() for k, each in enumerate(column)}
        first = channels_of(c.shape)[:, 0]
        if self._recent:
            prices = self._recent[-1].each[0] / self._prediction.per_beta
            numbers |= {f"price_applied/{k + 1}": each for k, each in zip(first, prices, strict=True)}
        if c.prices is not None:
            pairs = zip(c.prices.latent, c.prices.width * c.beta_per_price, strict=True)
            numbers |= {f"price_in_effect/{k + 1}": each for k, each in pairs}
        return numbers

    def findings(self) -> tuple[Finding, ...]:
        """Return what was found, in the words of `diagnose`: alarms first.

        An alarm is raised as soon as it holds for certain. A wrong weight of the KL is known from
        the price applied, at any step; it is not judged while it moves, as in a warm-up. Without
        `grad_mean` it is known at rest only. What would only say that training is not finished
        is a remark.

        Returns
        -------
        tuple of Finding
            Empty before the first batch.
        """
        return self._findings() or ()

    @_never_raises
    def _findings(self) -> tuple[Finding, ...]:
        state = self._state(modes=True)
        return () if state is None else self._watched(state[1]).findings

    def diagnosis(self) -> Diagnosis:
        """Return the window as a `Diagnosis`, as if the model were finished.

        Returns
        -------
        Diagnosis
            What `diagnose` says of the same rows, in all that both know.

        Raises
        ------
        InputError
            Before the first batch, or where no spectrum is known.
        """
        state = self._state(modes=True)
        if state is None or state[1].own_term:
            missing = (
                "batch has been looked at" if state is None else "spectrum is known, and too few rows of x were given"
            )
            raise InputError(f"No {missing}: there is nothing to diagnose yet.")
        return state[1]

    def __repr__(self) -> str:
        numbers = self.log()
        if "rate" not in numbers:
            return f"Monitor({counted(self.updates, 'update')}, nothing known yet)"
        price = f", price {significant(numbers['price_ratio'], 3)} of the stated one" * ("price_ratio" in numbers)
        return f"Monitor({counted(self.updates, 'update')}, {int(numbers['active'])} active{price})"

    # ------------------------------------------------------------------------------ of several processes

    def __add__(self, other: "Monitor") -> "Monitor":
        """Return a monitor of the batches of both, as if one had looked at all of them."""
        if not isinstance(other, Monitor):
            return NotImplemented
        self._must_fit(other)
        total = copy(self)
        total.updates, total.problem = max(self.updates, other.updates), self.problem or other.problem
        total._looks, total._rested = max(self._looks, other._looks), self._rested or other._rested
        total._reported = self._reported | other._reported
        total._prediction = self._prediction.merge(other._prediction)
        total._course = copy(max((self._course, other._course), key=lambda course: course.now))
        total._added = None
        total._window = _both(self._window, other._window, Window.merge)
        total._before = _both(self._before, other._before, Streamed.merge)
        pairs = [*zip_longest(reversed(self._recent), reversed(other._recent))]
        recent = [_both(*pair, Applied.__add__) for pair in reversed(pairs)]
        total._recent = deque((each for each in recent if each is not None), maxlen=RECENT)
        return total

    def _must_fit(self, other: "Monitor") -> None:
        """Raise an error where two monitors are of different losses or models."""
        losses = self.loss.formula, float(self.loss.beta), self.reduction
        if losses != (other.loss.formula, float(other.loss.beta), other.reduction):
            raise InputError("The two monitors are of different losses: add those of one training.", "other")
        shapes = {(*w.parts[0].shape, w.parts[0].totals.features) for w in (self._window, other._window) if w}
        if len(shapes) > 1:
            raise InputError(
                "The two monitors are of models with other codes or rows: add those of one training.", "other"
            )


def _both(one: T | None, two: T | None, merge: Callable[[T, T], T]) -> T | None:
    """Return the sum of two things, or a copy of the one that there is."""
    return merge(one, two) if one is not None and two is not None else deepcopy(one if two is None else two)
