"""When the modes of one model activate: as predicted from its first snapshot, and as measured on the later ones.

    predicted: n_k of `numeric.plateau_growth`, from W and E at update 0      measured: v_kᵀ W E v_k = M²_k/4

The gain v_kᵀ W E v_k ends at M²_k = 1 − T/T_k whichever latents carry it and on whatever scale. ‖v_kᵀW‖ does not: far
below T_k nothing but the price fixes the scale of a latent, and half of its final value may come ten times as late.
Times are those of a clock of updates at the full learning rate,

    clock(n) = Σ_{i<n} (factor of the learning-rate schedule in update i)

because amplitudes that grow by 1 + ηf_iκ in update i grow like (1 + ηκ)^clock, up to terms of order ηκ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.display import Array
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.limits import ALIKE_MODES, WEAK_MODE
from landau_vae.loss import Loss
from landau_vae.numeric.plateau_growth import HALF, growth, per_update, projections, succession
from landau_vae.spectrum.spectrum import Spectrum
from landau_vae.training.gradients import recorded_decoder
from landau_vae.training.schedules import Schedule
from landau_vae.training.schema import trainer_settings


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent on the user's loss, which is `scale` × σ_dec² L."""

    learning_rate: float  #: η
    momentum: float  #: μ
    scale: float  #: 2a
    clock: Array  #: after 0 … N updates, in updates at the full learning rate, (N + 1,)
    batch: float  #: rows per update that noise is drawn for; ∞ where the gradient is exact

    def pace(self, rate: Array) -> Array:
        """Return powers of e per update, of what grows at a rate κ of σ_dec² L; any shape."""
        return np.asarray(per_update(self.scale * rate, self.learning_rate, self.momentum))


def descent_of(scan: Any, learning_rate: float | None = None) -> Descent:
    """Return the settings of a scan by `Sampled` with SGD; a `learning_rate` replaces the recorded one.

    Raises `InputError` for a scan without snapshots, and `OutsideTheory` where growth under its settings is not known.
    """
    trainer = trainer_settings(scan)
    if trainer.get("name") != "Sampled" or "decoder_history" not in scan or scan.sizes["update"] < 2:
        raise InputError(
            "The scan holds no snapshots during training: scan with trainer=Sampled(optimizer=SGD(1e-3), history=300).",
            "scan",
        )
    optimizer = trainer["optimizer"]
    if optimizer["name"] != "SGD":
        raise OutsideTheory(
            f"The models were trained by {optimizer['name']}, but growth rates are those of gradient descent: "
            "train with SGD (`activation` has a bound for Adam)."
        )
    linear = recorded_decoder(trainer).linear and trainer["encoder"] == "constant" and not trainer["learned_variance"]
    if not linear or optimizer["weight_decay"]:
        raise OutsideTheory(
            "Growth is known for linear Gaussian decoders of fixed variance without weight decay: "
            "leave these settings of Sampled at their defaults."
        )
    if any(factor != 1.0 for _, factor in trainer["beta"]["points"]):
        raise OutsideTheory("Rates belong to one β, but training had a β schedule: train at constant β.")
    rate = optimizer["learning_rate"] if learning_rate is None else learning_rate
    scale = 2 * Loss.from_dict(trainer["loss"]).weights(scan.sizes["feature"])[0]
    factors = Schedule(**trainer["learning_rate"])(np.arange(trainer["updates"]) / trainer["updates"])
    clock = np.concatenate([[0.0], np.cumsum(factors)])
    batch = float(trainer["batch"] or scan.attrs.get("samples", np.inf)) if trainer["noise"] else np.inf
    return Descent(rate, optimizer["momentum"], scale, clock, batch)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Times of one model in updates at the full learning rate, (modes,); NaN from T_k on."""

    rate: Array  #: powers of e per update on the plateau
    latest: Array  #: predicted for latents that have parted, ∞ for a mode that gets none
    earliest: Array  #: predicted for latents that go on sharing what is active
    measured: Array  #: NaN where it was not seen
    bracket: Array  #: the snapshots before and after, (modes, 2)
    started: NDArray[np.bool_]  #: whether the first snapshot is beyond the plateau already
    kept: Array  #: of the start's amplitude, what is orthogonal to the modes that activate before
    noise: Array  #: power that the noise of batches brings in, over that of the start


def arrivals(
    decoder: Array, encoder: Array, clock: Array, vectors: Array, spectrum: Spectrum, price: float, descent: Descent
) -> Arrivals:
    """Return the times of a model from snapshots of W (snapshots, d, K) and E; `vectors` are v_k, (d, modes)."""
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
    with np.errstate(divide="ignore", invalid="ignore"):
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


def _crossing(share: Array, clock: Array) -> tuple[Array, Array]:
    """Return when the share first reaches HALF, interpolated in its logarithm, and the snapshots before and after."""
    modes = share.shape[1]
    after = np.argmax(share >= HALF, axis=0)
    before, at = np.maximum(after - 1, 0), np.arange(modes)
    low, high = (np.log(np.maximum(share[i, at], 1e-300)) for i in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(after > before, (np.log(HALF) - low) / (high - low), 0.0)
    seen = share[after, at] >= HALF
    bracket = np.where(seen[:, None], np.stack([clock[before], clock[after]], axis=1), np.nan)
    return bracket[:, 0] + fraction * (bracket[:, 1] - bracket[:, 0]), bracket


def _noise(lam: Array, price: float, latents: int, rate: Array, descent: Descent) -> Array:
    """Return the share of M² that the noise of batches is worth as a start, (modes,).

    In each update the decoder's entries along v_k get noise of variance (2aη)² λ/n, the encoder's none; early noise is
    worth most, Σ z^(−2i) = 1/(2 ln z), and momentum adds up 1/(1 − μ) updates.
    """
    kick = np.square(descent.scale * descent.learning_rate / (1 - descent.momentum)) * lam / descent.batch
    kappa = growth(lam, price)
    power = 1 / np.square(1 + np.square((1 + kappa) / lam))  # of the power, in the growing direction
    return latents * kick * power / (2 * rate) * (1 + kappa) / (lam - price)
