"""`diagnose`: arrays of a trained model → what was observed, what is predicted, what was found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landau_vae import limits
from landau_vae.checks import Count, Positive, Seed, checked, numbers
from landau_vae.data.convert import as_rows, variances
from landau_vae.diagnosis.condition import as_condition, rest_of
from landau_vae.diagnosis.constrained import in_effect
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.findings.data import code_mismatch, zeros_and_ones
from landau_vae.diagnosis.measured import NUMBERS, ROWS, by_sampler, measure, tells_a_price
from landau_vae.diagnosis.modes import Observed, mode_cross, observe
from landau_vae.diagnosis.posterior import Posterior, deviation, read_posterior, read_with_data, some_rows
from landau_vae.diagnosis.ranked_pruning import prune
from landau_vae.diagnosis.totals import Rows, Spread
from landau_vae.display import Array, readonly
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import Dispersed, Likelihood, Rest, Sized, natural_parameter, with_sizes
from landau_vae.loss import Loss
from landau_vae.networks import KernelOnset, next_latent_by_kernel, prices_from_gradients
from landau_vae.networks.decoder import Decoder, choose_link, row_term
from landau_vae.networks.kernel_onset import FEW, FEWEST
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import noise_floor, why_no_noise_floor
from landau_vae.numeric.plateau_activation import Activation, activation
from landau_vae.spectrum._score import as_score, as_sizes, in_unit, of_rest, standardized
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum

SAMPLE = 2000  # rows that are kept for the frontier
DISPERSION = 0x646973  # stream of the draws that a dispersion is found with
CODES = 2**14  # rows whose codes say alone whether a further latent would pay, at most


@checked
def diagnose(
    mean: Any,
    *,
    variance: Any = None,
    log_variance: Any = None,
    std: Any = None,
    covariance: Any = None,
    prior: tuple[Any, Any] | None = None,
    loss: Loss,
    data: Any = None,
    spectrum: Spectrum | None = None,
    standardize: bool = False,
    decode: Any = None,
    given: Any = None,
    sizes: Any = None,
    reconstruction: Callable[..., Any] | None = None,
    gradients: tuple[Any, Any] | None = None,
    rows: Literal["training", "held-out"] = "training",
    updates: Count | None = None,
    learning_rate: Positive | None = None,
    optimizer: Literal["gradient descent", "adam"] = "adam",
    seed: Seed = 0,
) -> Diagnosis:
    """Diagnose a trained model: which price is in effect, which latents are active, and which should be.

    The verdict is read off `Diagnosis.verdict`, in words off `Diagnosis.summary()`.
    Arrays may be of any framework: PyTorch, JAX or TensorFlow tensors, DataFrames,
    sparse matrices, lists of batches.

    Parameters
    ----------
    mean : (n, K) array
        Posterior means μ of the n encoded rows. Of sequences (n, T, k) and images (n,
        k, h, w) every position is a latent here; prices are those of channels.
    variance, log_variance, std : (n, K) array
        What the encoder returns beside the mean: σ², ln σ² or σ, exactly one of them.
    covariance : (n, K, K) array
        Full covariances in place of these; their diagonal is used.
    prior : pair of floats or (K,) arrays, optional
        Mean m and variance v of the prior, fixed or as it was learned, if it is not
        N(0, 1). All that is found counts in its units: (μ − m)/√v, σ²/v, thresholds as
        with N(0, 1).
    loss : Loss
        The loss that the model was trained with, at its one β, and with its sampler if
        z is not drawn as μ + σε with a free σ.
    data : (n, d) array, optional
        The very rows that were encoded, in their order, as the loss had them (with
        `standardize`, before each feature was divided by its standard deviation).
        Images and sequences are
        flattened. Give either `data` or `spectrum`.
    spectrum : Spectrum, optional
        Of the data, where the rows cannot be given; what needs the rows is left out.
    standardize : bool, default False
        Whether the model was trained on features divided by their standard deviations.
    decode : callable, optional
        The trained decoder, as it is: `decode=model.decode`. It takes latents of its own
        framework to outputs in the scale of the data (with `standardize`, of the
        standardised data). With it the price in effect is measured, and whether a
        further latent would pay.
    given : (n, …) array, optional
        What the decoder is given beside z, numbers or labels, one entry for each row:
        it is called as `decode(z, given)`. The spectrum is that of the data less what
        is linear in it.
    sizes : "total" or (n,) array, optional
        Of counts: what multiplies the decoder's means in each row (library sizes, size
        factors), or the totals of the rows. `decode(z)` returns means or their logarithms
        without it: shares of a cell, say. Losses of scvi-tools have the totals of
        themselves. A dispersion that the loss does not state is found: without latents for
        what is predicted, at the model's own outputs for its price.
    reconstruction : callable, optional
        The reconstruction term of each row, `reconstruction(x, output)` → (n,), where
        the loss is neither a squared error nor a likelihood. Prices are in its units
        then, and the stated one is the weight of the KL.
    gradients : pair of (n, K) arrays, optional
        ∂ℓ/∂μ and ∂ℓ/∂ ln σ² of the reconstruction term of each row as the loss has it,
        from automatic differentiation, in place of `decode`.
    rows : {"training", "held-out"}, default "training"
        Whether the model was trained on these rows. The identities hold on training
        rows, in the mode of training; on others a price is 2 to 8 % low, and nothing is
        concluded from the scale of latents.
    updates : int, optional
        Number of updates of the run. With `learning_rate` it says how long modes wait
        on the plateau.
    learning_rate : float, optional
        Learning rate of the run.
    optimizer : {"adam", "gradient descent"}, default "adam"
        Optimiser of the run.
    seed : int, default 0
        Of the draws of z.

    Returns
    -------
    Diagnosis
        Every observed number with its prediction, and what was found.

    Raises
    ------
    InputError
        If arrays do not fit each other, or are not what their names say.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((4000, 3)) * [2.0, 1.0, 0.5]
    >>> mu = np.column_stack([X[:, 0] * 0.433, np.zeros(4000)])  # one latent for mode 1 (λ = 4, M² = ¾), one inactive
    >>> result = diagnose(mu, variance=np.tile([0.25, 1.0], (4000, 1)), data=X, loss=Loss.gaussian(1.05))
    >>> result
    Diagnosis(healthy: 1 of 2 latents active, 1 in a linear model, τ = 1.05, in effect ...)
    >>> result.status
    ('active', 'inactive, as predicted')
    """
    if loss.beta.ndim:
        raise InputError("The loss has a list of β, but a trained model has one: give the β it was trained at.", "loss")
    if (data is None) == (spectrum is None):
        raise InputError("Give the data that were encoded (data=X) or their spectrum (spectrum=…), one of the two.")
    for name, value in {"decode": decode, "gradients": gradients}.items():
        if value is not None and data is None:
            raise InputError(f"{name} needs the data to compare its reconstructions with: give data=X.", name)
    if decode is not None and gradients is not None:
        raise InputError("decode and gradients are two ways to one measurement: give one of them.", "gradients")
    if reconstruction is not None and decode is None and gradients is None:
        raise InputError("reconstruction is used with the decoder only: give decode=… too.", "reconstruction")
    for name, value in {"given": given, "sizes": sizes}.items():
        if value is not None and data is None:
            raise InputError(f"{name} needs the rows that it belongs to: give data=X.", name)
    mu, spread, kind, shape = _posterior_of(mean, variance, log_variance, std, covariance)
    units = None if prior is None else _units(prior, mu.shape[1])
    if units is not None:
        mu, spread = _in_units(mu, spread, kind, *units)
    stated, loss = loss, loss.with_latents(mu.shape[1])
    if spectrum is not None:
        loss = loss.at_most_features(spectrum.dimension)
        result = compare(read_posterior(mu, spread, kind, loss.sampler), spectrum, loss)
    else:
        x, names, of_row = as_rows(data, "data", rows=len(mu), ordered=True)
        loss = loss.at_most_features(x.shape[1])
        likelihood, x = with_sizes(loss.likelihood, x, as_sizes(sizes))
        if isinstance(likelihood, Sized | Dispersed):
            x = np.asarray(x, dtype=np.float64)
            likelihood.must_hold(x)
            loss = replace(loss, likelihood=likelihood.settled(x))
        if standardize and not loss.likelihood.by_mean:  # scores are those of rows as the loss had them
            x, standardize = standardized(np.asarray(x, dtype=np.float64)), False
        how = (names, given, loss, standardize, rows == "training", seed)
        model = _Model(mu, spread, kind, shape, units, x, of_row, *how, likelihood)
        result = model.compared()
        if decode is not None:
            result = model.decoded(result, decode, reconstruction)
        elif gradients is not None:
            result = model.differentiated(result, gradients, own_term=reconstruction is not None)
        elif 0 < result.is_active.sum() <= FEW and loss.likelihood.squared and given is None and not result.linear:
            found = model.by_kernel(result)
            result = replace(result, by_codes=found)
            if found is not None and not found.silent:
                result = replace(result, following=found, beside_codes=model.by_kernel(result, beside=True))
    run = _run(result.spectrum, loss, updates, learning_rate, optimizer)
    result = replace(result, run=run, stated=stated, trained_on=rows == "training")
    assert result.findings is not None  # they are found now: an error belongs to this call
    return result


def _posterior_of(
    mean: Any, variance: Any, log_variance: Any, std: Any, covariance: Any
) -> tuple[Rows, Rows, Spread, tuple[int, ...]]:
    """Return means and spreads as tables, what the spreads are, and the shape of one code."""
    named: dict[str, Any] = {"variance": variance, "log_variance": log_variance, "std": std, "covariance": covariance}
    given = [name for name, values in named.items() if values is not None]
    if len(given) != 1:
        raise InputError(
            f"{len(given) or 'None'} of variance, log_variance, std and covariance {'are' if given else 'is'} given, "
            "but exactly one is needed: name what the encoder returns."
        )
    mu, _, shape = as_rows(mean, "mean of the posterior", ordered=True)
    if covariance is not None:
        return mu, variances(covariance), "variance", shape
    kind: Spread = given[0]  # type: ignore[assignment]
    return mu, as_rows(named[kind], f"{kind} of the posterior", rows=len(mu), ordered=True)[0], kind, shape


def _units(prior: tuple[Any, Any], latents: int) -> tuple[Array, Array]:
    """Return m and √v of the prior, (K,) each."""
    pair = [numbers(each, "prior", finite=True) for each in prior]
    if any(each.shape not in ((), (latents,)) for each in pair) or np.any(pair[1] <= 0):
        found = f"prior has shapes {pair[0].shape} and {pair[1].shape} and a least variance of {pair[1].min():g}"
        raise InputError(f"{found}: give its mean and its variance, each as a number or one for each latent.", "prior")
    m, v = (np.broadcast_to(each, (latents,)) for each in pair)
    return m, np.sqrt(v)


def _in_units(mu: Rows, spread: Rows, kind: Spread, m: Array, deviation: Array) -> tuple[Rows, Rows]:
    """Return means and spreads in units of the prior."""
    if kind == "log_variance":
        return (mu - m) / deviation, spread - 2 * np.log(deviation)
    return (mu - m) / deviation, spread / (deviation if kind == "std" else deviation**2)


def compare(posterior: Posterior, spectrum: Spectrum, loss: Loss, observed: Observed | None = None) -> Diagnosis:
    """Return posteriors beside what spectrum and loss predict."""
    loss = in_effect(loss, spectrum, posterior)
    # Where a learned σ² has no equilibrium, the prediction is that of a price below all modes.
    price = loss.price(spectrum) if loss.without_price(spectrum) is None else np.asarray(spectrum.floor)
    floor = None if why_no_noise_floor(spectrum, spectrum.samples or 0) else noise_floor(spectrum)
    return Diagnosis(posterior, observed, spectrum, loss, Equilibrium(spectrum, loss, readonly(price)), floor)


@dataclass(frozen=True, eq=False)
class _Model:
    """A model's arrays, and what is done with them."""

    mu: Rows
    spread: Rows
    kind: Spread
    shape: tuple[int, ...]  # of one code
    units: tuple[Array, Array] | None  # m and √v of the prior, in which μ and σ are given here
    x: Rows
    of_row: tuple[int, ...]  # shape of one row of x
    names: tuple[str, ...] | None
    given: Any  # what the decoder is given beside z
    loss: Loss
    standardize: bool
    trained_on: bool
    seed: int
    unsettled: Likelihood  # whose dispersion may have been trained too

    def compared(self) -> Diagnosis:
        """Return posteriors beside their prediction, from one pass over rows and posteriors."""
        likelihood, rest = self.loss.likelihood, self.rest
        if rest is not None and callable(rest.curvature):  # too many outputs for modes of each row
            spectrum = of_rest(likelihood, rest, np.asarray(self.x, dtype=np.float64), names=self.names)
            result = compare(read_posterior(self.mu, self.spread, self.kind), spectrum, self.loss)
            return replace(result, shape=self.shape, conditional=self.given is not None)
        x = self.x if rest is None else in_unit(rest, None)
        x = x if self.given is None else rest_of(np.asarray(x, dtype=np.float64), self.given)
        posterior, moments, _ = reading = read_with_data(self.mu, self.spread, self.kind, x, self.loss.sampler)
        moments.vectors_needed = True  # by `mode_cross`
        if self.rest is None:
            fields = fields_of(moments, self.names, standardize=self.standardize, likelihood=likelihood)
            spectrum = Spectrum(**fields)
        else:
            fields = fields_of(moments, None)
            spectrum = as_score(Spectrum(**fields), likelihood, self.rest, self.features, names=self.names)
        cross = mode_cross(reading, fields["decomposition"], spectrum.modes, fields["scale"], self.mu)
        result = compare(posterior, spectrum, self.loss, observe(posterior, spectrum, cross))
        result = replace(
            result,
            binary=zeros_and_ones(moments),
            conditional=self.given is not None,
            first_error=0.0 if self.rest is None else self.rest.error,
            shape=self.shape,
            sample=partial(self.seen, some_rows(len(self.x), SAMPLE), result),
        )
        if result.linear_share < limits.LINEAR_SHARE:
            # Rows of counts are neighbours by their sizes, so their scores are compared.
            plainly = self.rest is None or isinstance(likelihood, Sized)
            rows, scale = (x, fields["scale"]) if plainly else (self.x, np.ones(self.x.shape[1]))
            mismatch = code_mismatch(self.mu, rows, scale, result.is_active)
            result = replace(result, code_mismatch=mismatch)
        return result

    @property
    def features(self) -> Array:
        """Rows without the column of their sizes, if they have one."""
        likelihood = self.loss.likelihood
        return np.asarray(self.x[:, :-1] if isinstance(likelihood, Sized) and likelihood.column else self.x)

    @cached_property
    def rest(self) -> Rest | None:
        """The collapsed state; None where the means of the data are enough for their spectrum."""
        if (likelihood := self.loss.likelihood).by_mean:
            return None
        x = np.asarray(self.x, dtype=np.float64)
        likelihood.must_hold(x)
        rest = likelihood.rest(x)
        if rest.stuck:
            raise OutsideTheory(
                f"{rest.note} The price in effect is measured with reconstruction=… and decode=… .", rest
            )
        return rest

    def seen(self, rows: NDArray[np.intp], result: Diagnosis) -> Array:
        """Return some rows as the loss had them."""
        x = np.asarray(self.x[rows], dtype=np.float64)
        if not self.standardize:
            return x
        # The spectrum of rows less a condition has the deviations of these.
        scale = result.spectrum.scale if self.given is None else np.std(self.x, axis=0, dtype=np.float64)
        return (x - np.asarray(result.spectrum.mean)) / np.asarray(scale)

    def decoded(self, result: Diagnosis, decode: Any, reconstruction: Any) -> Diagnosis:
        """Return the result with what the user's decoder says."""
        n, d = self.x.shape
        rows = some_rows(n, min(ROWS, max(64, NUMBERS // d)))
        mean = np.asarray(self.mu[rows], dtype=np.float64)
        width, x = deviation(self.spread[rows], self.kind), self.seen(rows, result)
        likelihood = self.loss.likelihood
        outputs = d if reconstruction is not None else likelihood.outputs(d)
        own = {"shape": self.shape, "prior": self.units, "given": self.given, "rows": rows[:2], "outputs": outputs}
        decoder = Decoder.wrap(decode, mean[:2], self.of_row, **own)
        term: Callable[[Array, Array], Array]
        if reconstruction is None:
            decoder = choose_link(decoder, mean, x, likelihood, rows)
        else:
            term = row_term(reconstruction, decoder, x, decoder(mean[:3], rows[:3]))
        origin = _without_code(likelihood, x, None if self.given is None else as_condition(self.given, n)[rows])
        if isinstance(likelihood, Sized) and reconstruction is None:
            decoder, likelihood, x, origin = self._at_sizes(decoder, likelihood, x, origin)
        if reconstruction is None:
            counts = self.unsettled.base if isinstance(self.unsettled, Sized) else self.unsettled
            if isinstance(counts, Dispersed) and counts.per_feature:  # θ of the model, far from that without latents
                z = mean + width * np.random.default_rng((self.seed, DISPERSION)).standard_normal(mean.shape)
                likelihood = counts.fitted(x, decoder.output(z, rows))
            term = partial(_term, likelihood)
        measured = measure(
            decoder, result.posterior, mean, width, x, rows, likelihood, origin, term, self.shape,
            all_rows=self.trained_on and len(rows) == n, onset=reconstruction is None, seed=self.seed,
        )  # fmt: skip
        # What outputs are is known of likelihoods only, and their spectrum is of errors if it is of means.
        decoded = None
        if reconstruction is None and self.rest is None:
            unit = np.ones(d) if likelihood.squared else np.asarray(result.spectrum.scale)
            decoded = prune(
                lambda z: likelihood.mean(decoder.output(z, rows)), mean, np.sqrt(self.loss.sampler.noise(width**2)),
                x, unit, result.posterior.ranking,
            )  # fmt: skip
        return replace(
            result,
            decoded=decoded,
            measured=measured,
            prices=measured.prices,
            following=measured.following,
            own_term=reconstruction is not None,
        )

    def _at_sizes(
        self, decoder: Decoder, likelihood: Sized, x: Array, origin: Array
    ) -> tuple[Decoder, Likelihood, Array, Array]:
        """Return decoder and best constant as those of the counts of each row, whose size is put into their outputs."""
        log_size = likelihood.parts(np.asarray(self.x, dtype=np.float64))[1]
        counts, own = likelihood.parts(x)
        d = counts.shape[1]

        def at_rows(f: Array, rows: Any) -> Array:
            return np.asarray(likelihood.at_sizes(f, log_size[rows], d))

        decoder = replace(decoder, at_rows=at_rows)
        return decoder, likelihood.base, counts, np.asarray(likelihood.at_sizes(origin, own, d))

    def differentiated(self, result: Diagnosis, gradients: tuple[Any, Any], *, own_term: bool) -> Diagnosis:
        """Return the result with the prices that the user's own gradients tell."""
        by_mean, by_log = (as_rows(each, "gradient", rows=len(self.mu), ordered=True)[0] for each in gradients)
        for each in (by_mean, by_log):
            if each.shape != self.mu.shape:
                found = f"gradients have shape {each.shape}, but the means have {self.mu.shape}"
                raise InputError(f"{found}: give ∂ℓ/∂μ and ∂ℓ/∂ ln σ² of each row and latent.", "gradients")
        if self.units is not None:
            by_mean = by_mean * self.units[1]
        if not (np.any(by_mean) and (np.any(by_log) or self.loss.sampler.frozen)):
            raise InputError(
                "gradients are 0 throughout, but latents that are used have some: take them of the reconstruction "
                "term by the μ and ln σ² that z was made of, before anything is detached.",
                "gradients",
            )
        telling = tells_a_price(result.posterior, self.shape)
        if not telling.size:
            return result
        width = deviation(self.spread, self.kind)
        a, _ = self.loss.weights(result.spectrum.dimension)
        unit = 1.0 if own_term else a * self.loss.likelihood.curvature_of_term
        gradients = by_mean / unit, by_log / unit
        prices = prices_from_gradients(self.mu, width, *gradients, list(telling), sampler=self.loss.sampler)
        return replace(result, prices=prices, own_term=own_term)

    def by_kernel(self, result: Diagnosis, *, beside: bool = False) -> KernelOnset | None:
        """Return whether a further latent would pay, from the codes of few active latents alone; None of few rows."""
        rows, active = some_rows(len(self.x), CODES), np.flatnonzero(result.is_active)
        if len(rows) < FEWEST:
            return None
        sampler, mean = self.loss.sampler, np.asarray(self.mu[rows], dtype=np.float64)
        width = np.sqrt(sampler.noise(deviation(self.spread[rows], self.kind) ** 2))
        found = next_latent_by_kernel(mean, width, self.seen(rows, result), active, beside=beside, seed=self.seed)
        return by_sampler(found, sampler)


def _term(likelihood: Likelihood, x: Array, f: Array) -> Array:
    """Return the reconstruction term of each row at weight 1."""
    if likelihood.squared:
        return 0.5 * np.square(x - f).sum(axis=1)
    return np.asarray(likelihood.row_value(x, f))


def _without_code(likelihood: Likelihood, x: Array, given: Any) -> Array:
    """Return the best output without z: one constant, or one for each condition; within the range of the likelihood."""
    if not likelihood.by_mean:
        return likelihood.rest(x).output
    mean = x.mean(axis=0) if given is None else x - rest_of(x, given) + x.mean(axis=0)
    return mean if likelihood.squared else natural_parameter(likelihood, mean)


def _run(
    spectrum: Spectrum, loss: Loss, updates: int | None, learning_rate: float | None, optimizer: Any
) -> Activation | None:
    if (updates is None) != (learning_rate is None):
        raise InputError("Of a run both are needed, updates=… and learning_rate=…: give the other one too.")
    return (
        None if updates is None or learning_rate is None else plateau(spectrum, loss, updates, learning_rate, optimizer)
    )


def plateau(
    spectrum: Spectrum, loss: Loss, updates: int | None, learning_rate: float, optimizer: Any
) -> Activation | None:
    """Return how long modes wait on the plateau, where it is known: of squared errors of a fixed variance."""
    known = loss.likelihood.squared and loss.sampler.plain and not (loss.learned or loss.constraint)
    if not known:
        return None
    return activation(spectrum, loss, learning_rate=learning_rate, updates=updates, optimizer=optimizer)
