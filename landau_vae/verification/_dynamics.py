"""Does each mode activate when the theory of the plateau says so? Activation times of models under gradient descent.

    amplitude of mode k ∝ (1 + 2aηκ_k)^n,   κ_k ∝ 1 − T/T_k near T_k (critical slowing down)

A mode activates at half of its final amplitude (`arrivals`). Two times are predicted: the
latest, for latents that have parted, and the earliest, for latents that go on sharing modes;
for the first mode they are one. Both are good to a fraction of a power of e in amplitude: the
logistic law of saturation is off by −0.25 … 0.35 (λ ≥ 0.1). Half a power is allowed, 10 % of
the time from a start of 0.01 (`limits.ACTIVATION_ERROR`). A mode is *overshadowed*, and not
compared, where those before it leave less than 0.4 of its start.
Times in linear networks: Saxe et al., arXiv:1312.6120; in the linear VAE: Ichikawa & Hukushima,
arXiv:2310.15440.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.checks import Positive, checked, numbers, shown
from landau_vae.display import Array, Booleans, Column, Result, Table, readonly
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.limits import ACTIVATION_ERROR, ALIKE_MODES, BATCH_NOISE, OVERSHADOWED, WEAK_MODE
from landau_vae.numeric.plateau_growth import HALF, growth, per_update, projections, succession
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.record import recorded, squared_weight, trainer_settings
from landau_vae.training.schedules import Schedule
from landau_vae.training.schema import Status, validate
from landau_vae.verification._branches import trained_spectrum

FAILURES = ("disagrees", "missing", "diverged")


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent on the user's loss, which is `scale` × σ_dec² L.

    Times are those of a clock of updates at the full learning rate,

        clock(n) = Σ_{i<n} (factor of the learning-rate schedule in update i)

    because amplitudes that grow by 1 + ηf_iκ in update i grow like (1 + ηκ)^clock, up to terms
    of order ηκ.
    """

    learning_rate: float  #: η
    momentum: float  #: μ
    scale: float  #: 2a
    clock: Array  #: after 0 … N updates, in updates at the full learning rate, (N + 1,)
    batch: float  #: rows per update that noise is drawn for; ∞ where the gradient is exact

    def pace(self, rate: Array) -> Array:
        """Return powers of e per update, of what grows at a rate κ of σ_dec² L; any shape."""
        return per_update(self.scale * rate, self.learning_rate, self.momentum)


@dataclass(frozen=True, eq=False)
class Dynamics(Result):
    """Times are in updates at the full learning rate; arrays are (seeds, temperatures, modes) unless said otherwise."""

    json_fields = ("descent.learning_rate", "agrees", "worth", "temperature", "rate", "predicted", "earliest",
        "measured", "verdict")  # fmt: skip
    spectrum: Spectrum = field(repr=False)  #: of the data
    descent: Descent = field(repr=False)  #: the settings that were assumed
    temperature: Array  #: T, (temperatures,), ascending
    predicted: Array  #: latest time: latents have parted
    earliest: Array  #: earliest time: latents go on sharing modes
    measured: Array  #: NaN where it was not seen
    bracket: Array  #: the snapshots around it, (…, 2)
    verdict: NDArray[np.str_]  #: agrees, disagrees, missing, not reached, or why there is nothing to compare

    @property
    def worth(self) -> float:
        """Updates at the full learning rate that the whole run is worth."""
        return float(self.descent.clock[-1])

    @cached_property
    def rate(self) -> Array:
        """Powers of e per update on the plateau, (temperatures, modes); NaN from T_k on."""
        return self.rate_at(self.temperature)

    @checked
    def rate_at(self, temperature: ArrayLike) -> Array:
        """Return powers of e per update on the plateau at any temperatures.

        Parameters
        ----------
        temperature : (…) array
            T.

        Returns
        -------
        (…, modes) array
        """
        within = np.clip(numbers(temperature, "temperature", finite=True), -2, 2)  # no mode grows above T = 1
        price = within[..., None] * self.spectrum.total_variance
        lam = self.spectrum.eigenvalues
        return readonly(np.where(lam > price, self.descent.pace(growth(lam, price)), np.nan))

    @property
    def compared(self) -> Booleans:
        """Where a measured time stands beside a predicted one."""
        return np.isin(self.verdict, ("agrees", "disagrees")) & np.isfinite(self.predicted)

    @property
    def ratio(self) -> Array:
        """Measured over predicted; NaN where not compared."""
        return np.divide(self.measured, self.predicted, out=np.full(self.measured.shape, np.nan), where=self.compared)

    @property
    def outside(self) -> Array:
        """Powers of e in amplitude by which a time misses [earliest, predicted]; NaN where not compared."""
        early, late = self.earliest - self.bracket[..., 1], self.bracket[..., 0] - self.predicted
        return np.where(self.compared, np.maximum(np.maximum(early, late), 0.0) * self.rate, np.nan)

    @property
    def agrees(self) -> bool:
        """Whether something was compared and nothing failed."""
        return bool(np.any(self.verdict == "agrees") and not np.isin(self.verdict, FAILURES).any())

    def __repr__(self) -> str:
        count, failed = (int(np.isin(self.verdict, words).sum()) for words in (("agrees",), FAILURES))
        rate = self.descent.learning_rate
        return f"Dynamics({count} of {count + failed} activations at the predicted time, η = {rate:g})"

    def content(self) -> Iterable[str | Table]:
        """Yield the table of modes over all seeds and temperatures, and its meaning."""
        cells = zip(*(self._row(k) for k in range(self.spectrum.modes)), strict=True)
        labels = ("compared", "measured/predicted", "earliest/predicted", "outside", "verdicts")
        columns = [Column("mode", range(1, self.spectrum.modes + 1)), Column("T_k", self.spectrum.normalized)]
        columns += [Column(label, column) for label, column in zip(labels, cells, strict=True)]
        note = (
            "Mean ± standard deviation; outside: the most by which a time misses [earliest, predicted], in powers of e "
            f"of the amplitude; {ACTIVATION_ERROR:g} is allowed. The run is worth {self.worth:.0f} updates at the full "
            "learning rate. T_k: the temperature (price over total variance) from which mode k is inactive."
        )
        yield repr(self)
        yield Table(columns, note=note)

    def _row(self, k: int) -> tuple[str, ...]:
        """Return the cells of mode k: counts, ratios, the largest miss, verdicts."""
        here = self.compared[..., k]
        verdicts, counts = np.unique(self.verdict[..., k][self.verdict[..., k] != "inactive"], return_counts=True)
        words = ", ".join(f"{count} {word}" for word, count in zip(verdicts, counts, strict=True))
        if not here.any():
            return "0", "—", "—", "—", words
        ratio, early = self.ratio[..., k][here], self.earliest[..., k][here] / self.predicted[..., k][here]
        spread, largest = f"{ratio.mean():.3f} ± {ratio.std():.3f}", self.outside[..., k][here].max()
        return str(here.sum()), spread, f"{early.mean():.3f}", f"{largest:.2f}", words


@checked
def dynamics(scan: Any, spectrum: Spectrum | None = None, *, learning_rate: Positive | None = None) -> Dynamics:
    """Compare when modes activate in a scan by gradient descent with when theory predicts it.

    The scan's trainer is `Sampled(optimizer=SGD(…), start=0.01, history=300, …)`: small starts,
    snapshots during training, and exact gradients (`batch=None, noise=False`) or at least large
    batches.

    Parameters
    ----------
    scan : xarray.Dataset
        As `lv.scan` returned it.
    spectrum : Spectrum, optional
        Of the data. By default that of the rows that were trained on.
    learning_rate : float, optional
        Replaces the recorded one.

    Returns
    -------
    Dynamics
        A verdict is agrees, disagrees, missing (it should have been seen), not reached (it
        should not, and was not), or why nothing is compared: inactive (T ≥ T_k), no latent
        (none was left), no plateau (the start is too large), noise (of the batches, above 10 %
        of the start's power), overshadowed, diverged.

    Raises
    ------
    InputError
        For a scan without snapshots, or of other data than the spectrum.
    OutsideTheory
        For models whose growth is not known: other optimizers than SGD, decoders that are not
        linear, β schedules.

    Examples
    --------
    >>> from landau_vae import scan
    >>> from landau_vae.training import SGD, Sampled, Schedule
    >>> constant = Schedule(((0, 1),))
    >>> trainer = Sampled(4000, None, SGD(0.005), constant, noise=False, start=0.01, history=200)
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.05, 0.1], trainer=trainer)
    >>> dynamics(models), dynamics(models, learning_rate=0.007)
    (Dynamics(3 of 3 activations at the predicted time, η = 0.005), Dynamics(0 of 3 activations at ...))
    """
    descent = descent_of(validate(scan), learning_rate)
    validate(scan, "decoder_history", "encoder_history", values=False)
    known = trained_spectrum(scan) or spectrum
    if known is None or scan.sizes["feature"] != len(known.covariance):
        sizes = f"The models were trained on {scan.sizes['feature']} features, but there is no covariance of so many: "
        raise InputError(sizes + "give the spectrum that was trained on.", "spectrum")
    spectrum = spectrum or known
    data = scan.sortby("temperature").transpose("seed", "temperature", "update", "feature", "latent", ...)
    # without a covariance the features are the modes themselves
    vectors = np.eye(known.modes) if known.matrix is None else known.vectors
    assert vectors is not None
    vectors = vectors[:, : spectrum.modes]
    encoders = data.encoder_history.transpose(..., "latent", "feature").values
    clock, temperature = descent.clock[data["update"].values], readonly(data.temperature.values)
    decoders, shape = data.decoder_history.values, data.decoder_history.shape[:2]  # (seeds, temperatures)
    ends = descent.clock[data.updates.values] if "updates" in data else np.full(shape, clock[-1])
    diverged = data.status.values == Status.DIVERGED if "status" in data else np.zeros(shape, dtype=bool)
    price = temperature * spectrum.total_variance
    models = [
        arrivals(decoders[seed, t], encoders[seed, t], clock, vectors, spectrum, float(price[t]), descent)
        for seed, t in np.ndindex(shape)
    ]
    times = Arrivals(*(readonly(np.reshape(x, (*shape, *np.shape(x)[1:]))) for x in zip(*models, strict=True)))
    verdict = readonly(_verdict(times, ends[..., None], diverged[..., None]), np.str_)
    predicted = (times.latest, times.earliest, times.measured, times.bracket)
    return Dynamics(spectrum, descent, temperature, *predicted, verdict)


# -------------------------------------------------------------------------------------------------------- of one model


def descent_of(scan: Any, learning_rate: float | None = None) -> Descent:
    """Return the settings of a scan by `Sampled` with SGD; a `learning_rate` replaces the recorded one.

    Raises `InputError` for a scan without snapshots, and `OutsideTheory` where growth under its
    settings is not known.
    """
    trainer = trainer_settings(scan)
    if trainer.get("name") != "Sampled" or "decoder_history" not in scan or scan.sizes["update"] < 2:
        raise InputError(
            "The scan holds no snapshots during training: scan with trainer=Sampled(optimizer=SGD(1e-3), history=300).",
            "scan",
        )
    needed = ("optimizer", "learned_variance", "beta", "learning_rate", "updates", "batch", "noise")
    optimizer, learned, beta, schedule, updates, batch, noise = recorded(trainer, *needed)
    at = scan["update"].values
    last = int(scan["updates"].max()) if "updates" in scan else 0
    if at.dtype.kind not in "iu" or at[0] < 0 or np.any(np.diff(at.astype(float)) <= 0) or max(at[-1], last) > updates:
        found = f"The scan has snapshots at the updates {shown(at.tolist())}, and runs of {last}"
        raise InputError(f"{found}, but rising whole numbers up to {updates} are expected.", "scan")
    if optimizer["name"] != "SGD":
        raise OutsideTheory(
            f"The models were trained by {optimizer['name']}, but growth rates are those of gradient descent: "
            "train with SGD (`activation` has a bound for Adam)."
        )
    if learned or optimizer.get("weight_decay"):
        raise OutsideTheory(
            "Growth is known for decoders of fixed variance without weight decay: "
            "leave these settings of Sampled at their defaults."
        )
    if any(factor != 1.0 for _, factor in beta["points"]):
        raise OutsideTheory("Rates belong to one β, but training had a β schedule: train at constant β.")
    chosen = {} if learning_rate is None else {"learning_rate": learning_rate}
    rate, momentum = recorded(optimizer | chosen, "learning_rate", "momentum")
    scale = 2 * squared_weight(scan)
    factors = Schedule(**schedule)(np.arange(updates) / updates)
    clock = np.concatenate([[0.0], np.cumsum(factors)])
    rows = float(batch or scan.attrs.get("samples") or np.inf) if noise else np.inf
    return Descent(rate, momentum, scale, clock, rows)


class Arrivals(NamedTuple):
    """Times of one model, or of many, in updates at the full learning rate, (…, modes); NaN from T_k on."""

    rate: Array  #: powers of e per update on the plateau
    latest: Array  #: predicted for latents that have parted, ∞ for a mode that gets none
    earliest: Array  #: predicted for latents that go on sharing what is active
    measured: Array  #: NaN where it was not seen
    bracket: Array  #: the snapshots before and after, (…, modes, 2)
    started: Booleans  #: whether the first snapshot is beyond the plateau already
    kept: Array  #: of the start's amplitude, what is orthogonal to the modes that activate before
    noise: Array  #: power that the noise of batches brings in, over that of the start


@np.errstate(divide="ignore", invalid="ignore")
def _verdict(times: Arrivals, end: Array, diverged: Booleans) -> NDArray[np.str_]:
    """Return the verdict of each mode; `end` is when a run ended, and both have a last axis of length 1."""
    late = times.latest + ACTIVATION_ERROR / times.rate
    early = times.earliest - ACTIVATION_ERROR / times.rate
    within = (times.bracket[..., 0] <= late) & (times.bracket[..., 1] >= early)
    seen = np.isfinite(times.measured)
    verdict = np.where(seen, np.where(within, "agrees", "disagrees"), np.where(late < end, "missing", "not reached"))
    verdict = np.where(np.isinf(times.latest), "no latent", verdict)  # or another mode's, at some later time
    verdict = np.where(times.kept < OVERSHADOWED, "overshadowed", verdict)
    verdict = np.where(times.noise > BATCH_NOISE, "noise", verdict)
    verdict = np.where(times.started, "no plateau", verdict)
    verdict = np.where(diverged, "diverged", verdict)
    return np.where(np.isnan(times.latest), "inactive", verdict)


@np.errstate(all="ignore")
def arrivals(
    decoder: Array, encoder: Array, clock: Array, vectors: Array, spectrum: Spectrum, price: float, descent: Descent
) -> Arrivals:
    """Return the times of a model from snapshots of W (snapshots, d, K) and E; `vectors` are v_k, (d, modes).

        predicted: n_k of `numeric.plateau_growth`, from W and E at update 0      measured: v_kᵀ W E v_k = M²_k/4

    The gain v_kᵀ W E v_k ends at M²_k = 1 − T/T_k whichever latents carry it and on whatever
    scale. ‖v_kᵀW‖ does not: far below T_k nothing but the price fixes the scale of a latent,
    and half of its final value may come ten times as late.
    """
    lam = spectrum.eigenvalues
    multiplet = np.append(0, np.cumsum(np.diff(lam) < -ALIKE_MODES * lam[1:]))
    active = lam > price
    rows = vectors.T @ decoder.astype(np.float64)  # (snapshots, modes, K)
    columns = np.swapaxes(encoder.astype(np.float64) @ vectors, 1, 2)
    start = projections(lam, price, rows[0], columns[0])
    growing = (lam, multiplet, price, start, descent.pace)
    parted, sharing = (succession(*growing, shared=shared) for shared in (False, True))
    share = np.where(active, _gains(rows, columns, multiplet) / np.where(active, 1 - price / lam, 1.0), np.nan)
    rate = np.where(active, descent.pace(growth(lam, price)), np.nan)
    measured, bracket = _crossing(share, clock)
    noise = _noise(lam, price, decoder.shape[2], rate, descent) / parted.share
    early = np.maximum(0.0, np.log(WEAK_MODE / lam) / 2) / rate
    earliest = np.maximum(np.fmin(parted.updates, sharing.updates) - early, 0.0)
    return Arrivals(rate, parted.updates, earliest, measured, bracket, share[0] >= HALF, parted.kept, noise)


def _gains(rows: Array, columns: Array, multiplet: NDArray[np.intp]) -> Array:
    """Return v_kᵀ W E v_k, (snapshots, modes); of a multiplet, whose v_k are any, the singular values of its block."""
    gains = np.empty(rows.shape[:2])
    for group in np.unique(multiplet):
        members = multiplet == group
        block = rows[:, members] @ np.swapaxes(columns[:, members], 1, 2)
        gains[:, members] = np.linalg.svd(np.where(np.isfinite(block), block, 0.0), compute_uv=False)
    return gains


@np.errstate(divide="ignore", invalid="ignore")
def _crossing(share: Array, clock: Array) -> tuple[Array, Array]:
    """Return when the share first reaches HALF, interpolated in its logarithm, and the snapshots before and after."""
    after = np.argmax(share >= HALF, axis=0)
    before, at = np.maximum(after - 1, 0), np.arange(share.shape[1])
    low, high = (np.log(np.maximum(share[i, at], 1e-300)) for i in (before, after))
    fraction = np.where(after > before, (np.log(HALF) - low) / (high - low), 0.0)
    seen = share[after, at] >= HALF
    bracket = np.where(seen[:, None], np.stack([clock[before], clock[after]], axis=1), np.nan)
    return bracket[:, 0] + fraction * (bracket[:, 1] - bracket[:, 0]), bracket


def _noise(lam: Array, price: float, latents: int, rate: Array, descent: Descent) -> Array:
    """Return the share of M² that the noise of batches is worth as a start, (modes,).

    In each update the decoder's entries along v_k get noise of variance (2aη)² λ/n, the
    encoder's none; early noise is worth most, Σ z^(−2i) = 1/(2 ln z), and momentum adds up 1/(1
    − μ) updates.
    """
    kick = np.square(descent.scale * descent.learning_rate / (1 - descent.momentum)) * lam / descent.batch
    kappa = growth(lam, price)
    power = 1 / np.square(1 + np.square((1 + kappa) / lam))  # of the power, in the growing direction
    return latents * kick * power / (2 * rate) * (1 + kappa) / (lam - price)
