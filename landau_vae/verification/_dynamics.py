"""Does each mode activate when the theory of the plateau says so? Times of models on their way, by gradient descent.

    amplitude of mode k ∝ (1 + 2aηκ_k)^n,   κ_k ∝ 1 − T/T_k near T_k (critical slowing down)

A mode activates at half of its final amplitude (`arrivals`). Predicted is the latest time, for latents that have
parted, and the earliest, for latents that go on sharing modes; for the first mode they are one. Both are good to a
fraction of a power of e in amplitude: the logistic law of saturation is off by −0.25 … 0.35 (λ ≥ 0.1, any T and K).
Half a power is allowed, 10 % of the time from a start of 0.01: of 3900 activations (2 to 7 modes, λ = 0.1 … 12, 1 to 10
latents, starts of 0.001 … 0.03) three were further out, by up to 0.72, all with two modes within 10 % of one another
and too few latents. A mode is *overshadowed*, and not compared, where those before it leave less than 0.4 of its start.
Times in linear networks: Saxe et al., arXiv:1312.6120; in the linear VAE: Ichikawa & Hukushima, arXiv:2310.15440.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landau_vae.display import Array, jsonable, readonly, significant, table
from landau_vae.errors import InputError
from landau_vae.numeric.plateau_growth import growth
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.schema import Status
from landau_vae.verification.activation_times import Arrivals, arrivals
from landau_vae.verification.descent import Descent, descent

if TYPE_CHECKING:
    import xarray

__all__ = ["Dynamics", "dynamics"]

TOLERANCE = 0.5  # powers of e in amplitude
NOISE = 0.1  # of a start's power: what the noise of batches may bring in before it counts as a start of its own
SHADOW = 0.4  # of a start's amplitude: what others have to leave of it, for they turn a little before they activate
FAILURES = ("disagrees", "missing", "diverged")


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Times are in updates at the full learning rate; arrays are (seeds, temperatures, modes) unless said otherwise."""

    spectrum: Spectrum = field(repr=False)  #: of the data
    descent: Descent = field(repr=False)  #: the settings that were assumed
    temperature: Array  #: T, (temperatures,), ascending
    predicted: Array  #: latest time: latents have parted
    earliest: Array  #: earliest time: latents go on sharing what is active
    measured: Array  #: NaN where it was not seen
    bracket: Array  #: the snapshots around it, (…, 2)
    verdict: NDArray[np.str_]  #: agrees, disagrees, missing, not reached, or why there is nothing to compare

    @property
    def worth(self) -> float:
        """Of the whole run."""
        return float(self.descent.clock[-1])

    @cached_property
    def rate(self) -> Array:
        """Powers of e per update on the plateau, (temperatures, modes); NaN from T_k on."""
        return self.rate_at(self.temperature)

    def rate_at(self, temperature: ArrayLike) -> Array:
        """The same at any temperatures, (…, modes)."""
        price = np.asarray(temperature)[..., None] * self.spectrum.total_variance
        lam = self.spectrum.eigenvalues
        return readonly(np.where(lam > price, self.descent.pace(growth(lam, price)), np.nan))

    @property
    def compared(self) -> NDArray[np.bool_]:
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
        what = f"{count} of {count + failed} activations at the predicted time"
        return f"Dynamics({what}, η = {self.descent.learning_rate:g})"

    def summary(self) -> str:
        """The table of modes over all seeds and temperatures, and what it means."""
        header = ["mode", "T_k", "compared", "measured/predicted", "earliest/predicted", "outside", "verdicts"]
        rows = []
        for k in range(self.verdict.shape[2]):
            here = self.compared[..., k]
            ratio, early = self.ratio[..., k][here], self.earliest[..., k][here] / self.predicted[..., k][here]
            words, counts = np.unique(self.verdict[..., k][self.verdict[..., k] != "dead"], return_counts=True)
            numbers = ["—"] * 3
            if here.any():
                off = self.outside[..., k][here].max()
                numbers = [f"{ratio.mean():.3f} ± {ratio.std():.3f}", f"{early.mean():.3f}", f"{off:.2f}"]
            verdicts = ", ".join(f"{count} {word}" for word, count in zip(words, counts, strict=True))
            rows.append([str(k + 1), significant(self.spectrum.normalized[k]), str(here.sum()), *numbers, verdicts])
        lines = [repr(self), table(header, rows)]
        lines.append(
            "Mean ± standard deviation; outside: the most by which a time misses [earliest, predicted], in powers of e "
            f"of the amplitude; {TOLERANCE:g} is allowed. The run is worth {self.worth:.0f} updates."
        )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and arrays as strict JSON."""
        names = ("agrees", "worth", "temperature", "rate", "predicted", "earliest", "measured", "verdict")
        return jsonable({"learning_rate": self.descent.learning_rate, **{name: getattr(self, name) for name in names}})


def dynamics(
    scan: "xarray.Dataset", spectrum: Spectrum | None = None, *, learning_rate: float | None = None
) -> Dynamics:
    """Compare when modes activate in a scan by gradient descent with when they should.

    The scan's trainer is `Sampled(optimizer=SGD(…), start=0.01, history=300, …)`: small starts, snapshots on the way,
    and exact gradients (`batch=None, noise=False`) or at least large batches. Without a `spectrum` it is that of the
    rows that were trained on; a `learning_rate` replaces the recorded one. Raises `InputError` for other scans.

    A verdict is agrees, disagrees, missing (should have been seen), not reached (should not, and was not), or why there
    is nothing to compare: dead (T ≥ T_k), no latent (none of its own), no plateau (the start is too large), noise (of
    the batches, above 10 % of the start's power), overshadowed, diverged.

    >>> from landau_vae import scan
    >>> from landau_vae.training import SGD, Sampled, Schedule
    >>> constant = Schedule(((0, 1),))
    >>> how = Sampled(4000, None, SGD(0.005), constant, noise=False, start=0.01, history=200)
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.05, 0.1], trainer=how)
    >>> dynamics(models), dynamics(models, learning_rate=0.007)
    (Dynamics(3 of 3 activations at the predicted time, η = 0.005), Dynamics(0 of 3 activations at ...))
    """
    how = descent(scan, learning_rate)
    own = Spectrum.from_covariance(scan.covariance.values) if "covariance" in scan else None
    spectrum = spectrum or own
    if spectrum is None or scan.sizes["feature"] != len((own or spectrum).covariance):
        raise InputError(
            f"The models were trained on {scan.sizes['feature']} features, but there is no covariance of so many: "
            "give the spectrum that was trained on."
        )
    data = scan.sortby("temperature").transpose("seed", "temperature", "update", "feature", "latent", ...)
    known = own or spectrum  # without a covariance the features are the modes themselves
    vectors = np.eye(known.modes) if known.matrix is None else known.vectors
    assert vectors is not None
    vectors = vectors[:, : spectrum.modes]
    encoders = data.encoder_history.transpose(..., "latent", "feature")
    clock, temperature = how.clock[data["update"].values], readonly(data.temperature.values)
    ends = how.clock[data.updates.values] if "updates" in data else np.full(data.decoder_history.shape[:2], clock[-1])
    found, verdict = [], []
    for seed, t in np.ndindex(ends.shape):
        weights = data.decoder_history.values[seed, t], encoders.values[seed, t]
        price = float(temperature[t]) * spectrum.total_variance
        one = arrivals(*weights, clock, vectors, spectrum, price, how)
        diverged = "status" in data and data.status.values[seed, t] == Status.DIVERGED
        found.append(one)
        verdict.append(_verdict(one, float(ends[seed, t]), bool(diverged)))

    def gather(name: str) -> Array:
        values = np.stack([getattr(one, name) for one in found])
        return readonly(values.reshape(*ends.shape, *values.shape[1:]))

    return Dynamics(
        spectrum, how, temperature, gather("latest"), gather("earliest"), gather("measured"), gather("bracket"),
        readonly(np.reshape(verdict, gather("latest").shape), np.str_),
    )  # fmt: skip


def _verdict(one: Arrivals, end: float, diverged: bool) -> NDArray[np.str_]:
    """What is to be said of each mode of a model, (modes,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        late = one.latest + TOLERANCE / one.rate
        early = one.earliest - TOLERANCE / one.rate
        within = (one.bracket[:, 0] <= late) & (one.bracket[:, 1] >= early)
    seen = np.isfinite(one.measured)
    words = np.where(seen, np.where(within, "agrees", "disagrees"), np.where(late < end, "missing", "not reached"))
    words = np.where(np.isinf(one.latest), "no latent", words)  # or that of another mode, at some later time
    words = np.where(one.kept < SHADOW, "overshadowed", words)
    words = np.where(one.noise > NOISE, "noise", words)
    words = np.where(one.begun, "no plateau", words)
    words = np.where(np.isnan(one.latest), "dead", words)
    return np.where(diverged & ~np.isnan(one.latest), "diverged", words)
