"""Tables and time series."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from landau_vae.errors import InputError
from landau_vae.likelihoods import Likelihood, quadratic
from landau_vae.loss.presets.preset import AVERAGED, LIKELIHOOD, Preset, Size

FEATURES_OF_A_STEP = Size("channels", words="channels (the features of a time step)")
ENTRIES = Size("valid", words="valid entries (time steps times features)")

MOST_ENTRIES = 2000  # a matrix of so many rows is decomposed within seconds


def _of_steps(sizes: Mapping[str, Any]) -> Likelihood:
    """Return ½ Σ(x − x̂)² with, of every time step, half of the squared mean of its differences."""
    features = sizes["channels"]
    if sizes["valid"] > MOST_ENTRIES:
        reason = "this loss measures errors by a matrix with a row for each entry"
        raise InputError(f"valid is {sizes['valid']}, but at most {MOST_ENTRIES} is expected: {reason}.", "valid")
    steps, rest = divmod(sizes["valid"], features)
    if rest:
        raise InputError(f"valid is {sizes['valid']}, but a multiple of channels = {features} is expected.", "valid")
    return quadratic(np.kron(np.eye(steps), np.eye(features) + 1 / features**2))


PRESETS: dict[str, Preset] = {
    "merlion": Preset(
        "Merlion, VAE anomaly detector", "2024-06", AVERAGED,
        note="τ = d/2: on standardised data every latent is inactive, unless one mode holds over half of the variance.",
    ),
    "timevae": Preset(
        "timeVAE, vae_base.py", "2025-03", {"likelihood": _of_steps, "reconstruction_weight": 2.0},
        "1/reconstruction_wt", 3.0, (FEATURES_OF_A_STEP, ENTRIES),
        note="Its weight multiplies Σ(x − x̂)² and, for every time step, the squared mean of its differences: a "
             "squared error in a metric.",
    ),
    "tvae": Preset(
        "CTGAN and SDV, TVAE", "2026-05", {}, "1/loss_factor", 2.0, (LIKELIHOOD,),
        note="Its factor multiplies the error, so it divides the price. Its error is lv.loss.mixed of columns with "
             "learned σ_j between 0.01 and 1, 'learned-variances(0.0001,1)', and of one-hot columns, as in "
             "'categorical(4)'.",
    ),
    "pyod": Preset(
        "PyOD, VAE", "2026-08", {},
        refused="PyOD's VAE clamps its KL to a capacity that is 0 by default, so that the KL has no gradient and "
                "information no price: set a capacity, or weigh the KL itself.",
    ),
}  # fmt: skip
