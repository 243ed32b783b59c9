"""A trained model out of a scan: its encoder and decoder as NumPy functions."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from landau_vae.checks import Natural, Positive, checked, numbers
from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.likelihoods import Likelihood, as_likelihood
from landau_vae.training.network import Network, Weights
from landau_vae.training.record import recorded_likelihood, trainer_settings
from landau_vae.training.schema import validate


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """One model of a scan. Rows and reconstructions are in the units of the rows that the scan was given."""

    temperature: float  #: T = τ/V
    seed: int  #: of its start and minibatches
    network: Network  #: its architecture
    weights: Weights = field(repr=False)  #: of its layers
    likelihood: Likelihood  #: of its decoder
    mean: Array = field(repr=False)  #: x̄ of the rows that it was trained on, (d,)
    scale: Array = field(repr=False)  #: by which they were divided, (d,); 1 unless they were standardised

    def encode(self, rows: ArrayLike) -> tuple[Array, Array]:
        """Return the posterior of rows.

        Parameters
        ----------
        rows : (n, d) array

        Returns
        -------
        mean, log_variance : (n, K) array
            μ and ln σ².
        """
        table = numbers(rows, "rows", finite=True)
        if table.ndim != 2 or table.shape[1] != self.network.features:
            raise InputError(f"rows has shape {table.shape}, but (n, {self.network.features}) is expected.", "rows")
        return self.network.encode(self.weights, (table - self.mean) / self.scale)

    def decode(self, latents: ArrayLike) -> Array:
        """Return x̂, the mean of x given z.

        Parameters
        ----------
        latents : (n, K) array
            z.

        Returns
        -------
        (n, d) array
            NaN of a likelihood that does not say its mean: there is `output`.
        """
        output = self.output(latents)
        return output * self.scale + self.mean if self.likelihood.squared else self.likelihood.mean(output)

    def output(self, latents: ArrayLike) -> Array:
        """Return the decoder's output: x̂ − x̄ of squared errors, else what the likelihood takes, such as logits.

        Parameters
        ----------
        latents : (n, K) array
            z.

        Returns
        -------
        (n, d) array
        """
        z = numbers(latents, "latents")
        if z.ndim != 2 or z.shape[1] != self.network.latents:
            raise InputError(f"latents has shape {z.shape}, but (n, {self.network.latents}) is expected.", "latents")
        return self.network.decode(self.weights, z)


@checked
def trained_model(
    scan: Any, temperature: Positive, seed: Natural | None = None, likelihood: Likelihood | str | None = None
) -> TrainedModel:
    """Return the model that a scan trained at a temperature, from a seed.

    Parameters
    ----------
    scan : xarray.Dataset
        Of `Neural`, `Sampled` or `Exact`, with its weights.
    temperature : float
        T. The nearest of the grid is taken, as a ratio.
    seed : int, optional
        By default the scan's first.
    likelihood : Likelihood, optional
        Of a scan with a likelihood of your own, which a file has by name only.

    Returns
    -------
    TrainedModel

    Raises
    ------
    InputError
        For a scan without weights, for a seed that it does not have, and for another likelihood
        than it was trained with.

    Examples
    --------
    >>> from landau_vae import Spectrum, scan
    >>> models = scan(Spectrum.from_eigenvalues([4, 1]), [0.4, 0.08])
    >>> model = trained_model(models, 0.08)
    >>> mean, log_variance = model.encode([[2.0, 1.0]])
    >>> model.decode(mean).round(3).tolist()  # each mode shrunk by its M², 0.9 and 0.6
    [[1.8, 0.6]]
    """
    settings = trainer_settings(validate(scan, values=False))
    seeds = scan.seed.values.tolist()
    if seed is not None and seed not in seeds:
        raise InputError(f"seed is {seed}, but the scan has {seeds}.", "seed")
    place = int(np.argmin(np.abs(np.log(scan.temperature.values / temperature))))
    model = scan.isel(seed=0 if seed is None else seeds.index(seed), temperature=place)
    decoder = _decoder(settings, likelihood)
    if "network" in scan:
        network = recorded_network(scan, decoder)
        weights = network.weights(model.network.values.astype(np.float64))
    elif {"decoder", "encoder"} <= set(scan.data_vars):
        validate(scan, "posterior_variance", values=False)
        network = Network(scan.sizes["feature"], scan.sizes["latent"])
        weights = _linear(model)
    else:
        raise InputError("The scan has no weights: give one that lv.scan trained, with keep_weights=True.", "scan")
    plain = {"mean": np.zeros(network.features), "scale": np.ones(network.features)}
    mean, scale = (scan[name].values if name in scan else default for name, default in plain.items())
    at = float(scan.temperature.values[place])
    return TrainedModel(at, int(model.seed), network, weights, decoder, mean, scale)


def recorded_network(scan: Any, likelihood: Likelihood | None = None, name: str = "scan") -> Network:
    """Return the architecture of a scan's networks; `InputError` if it is not recorded, or weights are left out.

    Their outputs are those of the likelihood: the one on record, unless another is given.
    """
    settings = trainer_settings(scan)
    try:
        own = tuple(settings["hidden"]), settings["activation"], settings["learned_variance"]
        outputs = (likelihood or recorded_likelihood(settings)).outputs(scan.sizes["feature"])
        network = Network(scan.sizes["feature"], scan.sizes["latent"], *own, outputs)
    except (KeyError, TypeError):
        found = f"The {name} does not say what its networks are like"
        raise InputError(f"{found}: give it with its attributes, as lv.scan gave it.", name) from None
    if network.size != scan.sizes["weight"]:
        found = f"The {name} has {scan.sizes['weight']} weights of each model, but its networks have {network.size}"
        raise InputError(f"{found}: give it whole, as lv.scan gave it.", name)
    return network


def _decoder(settings: dict[str, Any], likelihood: Likelihood | str | None) -> Likelihood:
    """Return the likelihood on record; one of which only the name is, as it is given."""
    recorded = recorded_likelihood(settings)
    if likelihood is None or likelihood == recorded.name:
        if recorded == Likelihood(recorded.name):
            found = f"The scan has only the name of its likelihood, {recorded.name!r}"
            raise InputError(f"{found}: give the object that it was trained with, likelihood=….", "likelihood")
        return recorded
    if (given := as_likelihood(likelihood)).name != recorded.name:
        found = f"likelihood is {given.name!r}, but the scan was trained with {recorded.name!r}"
        raise InputError(f"{found}: give that one.", "likelihood")
    return given


def _linear(model: Any) -> Weights:
    """Return the weights of a linear model as a network without hidden layers has them."""
    encoder, variance = model.encoder.values, model.posterior_variance.values
    if np.any(variance <= 0):
        raise InputError("The scan has posterior variances that are not positive: give it as trained.", "scan")
    spread = np.log(variance)
    encoder_bias = model.encoder_bias.values if "encoder_bias" in model else np.zeros(len(spread))
    heads = np.vstack([encoder, np.zeros_like(encoder)]).T, np.concatenate([encoder_bias, spread])
    bias = model.decoder_bias.values if "decoder_bias" in model else np.zeros(encoder.shape[1])
    return Weights((heads, (model.decoder.values.T, bias)), np.zeros(0))
