"""Did this model collapse as predicted? Posteriors from any framework, beside what spectrum and loss predict.

    M²_k = ⟨μ_k²⟩/(⟨μ_k²⟩ + ⟨σ_k²⟩) against [1 − τ/λ]₊,   A²_k = ⟨μ_k²⟩ + ⟨σ_k²⟩ against 1,   τ̂ = (1 − M²) λ against τ

Exact for linear models (J. Hirn, arXiv:2605.22691). For any network the price at which the
collapsed state loses its stability is exact; that a collapsed state is the best one, and what is
predicted of active latents, is not. z_k → c z_k, undone by the decoder's first layer, changes
nothing but ½(c² A²_k − ln c²) of the KL. Hence A²_k = 1 at any stationary point of any VAE with a
prior N(0, 1), whatever its β: it shows whether training has converged, and whether the KL has an
effect.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from landau_vae import limits
from landau_vae.checks import Count, Positive, Share, checked
from landau_vae.data.convert import as_rows, variances
from landau_vae.diagnosis.comparison import Comparison
from landau_vae.diagnosis.criteria import criteria_table, scores
from landau_vae.diagnosis.findings import find
from landau_vae.diagnosis.findings.data import code_mismatch, zeros_and_ones
from landau_vae.diagnosis.modes import Observed, mode_cross, observe
from landau_vae.diagnosis.posterior import Posterior, Rows, Spread, read_posterior, read_with_data
from landau_vae.diagnosis.ranked_pruning import dimensions_table, effective_dimensions, prune
from landau_vae.diagnosis.recommendations import TOLERANCES, Recommendation, recommend, recommendations_table
from landau_vae.display import Column, Result, Table, counted, jsonable, readonly, significant
from landau_vae.errors import InputError
from landau_vae.findings import Finding, in_words
from landau_vae.loss import Loss
from landau_vae.networks.decoder import Decoder
from landau_vae.numeric._equilibrium import Equilibrium
from landau_vae.numeric._noise_floor import noise_floor, why_no_noise_floor
from landau_vae.numeric.plateau_activation import Activation, activation
from landau_vae.spectrum.build import fields_of
from landau_vae.spectrum.spectrum import Spectrum

SHOWN = 40  # latents in a printed table
OF_LATENTS = ("signal_fraction", "rate", "second_moment", "mean_variance", "variance", "offset", "quiet")


@dataclass(frozen=True, eq=False)
class Diagnosis(Comparison, Result):
    """A trained model beside what spectrum and loss predict of it, and what was found.

    Latents are in the model's own order, modes by falling eigenvalue. Observed quantities of
    latents are those of `posterior`: `signal_fraction` (M²), `rate`, `second_moment` (A²),
    `mean_variance`, `variance`, each (K,). Those of modes are in `observed`, where the data were
    given.
    """

    findings: tuple[Finding, ...] = ()  #: what was found, alarms first

    json_fields = ("verdict", "healthy", "findings", "loss", "posterior.samples", "price", "implied_price", "criteria",
                   "dimensions", "recommendations")  # fmt: skip

    # ------------------------------------------------------------------------------------ the verdict

    @property
    def healthy(self) -> bool:
        """Whether there is no alarm."""
        return not any(finding.alarm for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, alarms first."""
        return tuple(finding.code for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The code of the first alarm, or "healthy"."""
        return "healthy" if self.healthy else self.findings[0].code

    @property
    def conclusion(self) -> str:
        """The findings in words, alarms marked with "!"."""
        return in_words(self.findings) or "Nothing to report."

    @property
    def explanation(self) -> str:
        """How β became a price, in words."""
        problem = self.loss.without_price(self.spectrum)
        return self.loss.explain(self.spectrum) if problem is None else f"The loss is {self.loss.formula}. {problem}"

    @cached_property
    def status(self) -> tuple[str, ...]:
        """The state of each latent, (K,).

        One of "active", "inactive, as predicted", "should be active", "inactive, undecided" (its
        mode is near the threshold, or the theory is not exact for this model) and "active below
        threshold".
        """
        states = ["active" if active else "inactive, as predicted" for active in self.is_active]
        ranked = self.posterior.ranking
        inactive, active = ranked[~self.is_active[ranked]], ranked[self.is_active[ranked]]
        unencoded = np.flatnonzero((self.expected_signal > 0) & (self.observed_signal < limits.ACTIVE))
        undecided = len(np.setdiff1d(unencoded, self.missing))
        # Which of the inactive latents would have taken a missing mode is chance: the first ones by rank stand for it.
        waiting = ["should be active"] * len(self.missing) + ["inactive, undecided"] * undecided
        for k, state in zip(inactive, waiting, strict=False):
            states[k] = state
        if self.observed is None:
            below = active[int(np.count_nonzero(self.expected_signal > 0)) :]
        else:
            linear, mode = self.observed.linear, self.observed.mode
            below = active[(linear > limits.MOSTLY_LINEAR)[active] & np.isin(mode, self.below_threshold)[active]]
        for k in below:
            states[k] = "active below threshold"
        return tuple(states)

    # ------------------------------------------------------------------------------------ answers to questions

    @cached_property
    def criteria(self) -> tuple[dict[str, Any], ...]:
        """Each criterion with its rule, its source, and how many latents it calls active: observed and predicted."""
        return scores(self.posterior, self.price, self.spectrum.eigenvalues)

    @cached_property
    def dimensions(self) -> tuple[dict[str, Any], ...]:
        """How many ranked latents (or principal components) lose no more of the variance than each tolerance."""
        linear = None if self.observed is None else self.observed.prefix
        return effective_dimensions(self.spectrum, linear, self.decoded)

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """Recommended β for as many latents as the model has, for tolerances, and for the noise floor."""
        return self.recommend()

    @checked
    def recommend(
        self, keep: Count | None = None, tolerances: Sequence[Share] = TOLERANCES
    ) -> tuple[Recommendation, ...]:
        """Recommend β for a number of latents, for tolerated losses of variance, and for the noise floor.

        Parameters
        ----------
        keep : int, optional
            How many latents are to be active; as many as the model has, unless given.
        tolerances : sequence of float, default (0.05, 0.01)
            Shares of the variance that may be lost.

        Returns
        -------
        tuple of Recommendation
            To each question an answer, or the reason why it has no answer.

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        samples = None if self.floor is None else self.floor.samples
        keep = keep or self.posterior.latents
        return recommend(self.spectrum, self.loss, keep=keep, tolerances=tolerances, samples=samples)

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        return (
            f"Diagnosis({self.verdict}: {int(self.is_active.sum())} of {counted(self.posterior.latents, 'latent')} "
            f"active, {int(self.predicted.active)} predicted, τ = {significant(self.price, 4)})"
        )

    def content(self) -> Iterator[str | Table]:
        """Yield the verdict, how β became a price, the findings, and the tables."""
        yield f"{self!r}\n{self.explanation}"
        yield self.conclusion
        yield from self.tables().values()

    def tables(self) -> dict[str, Table]:
        """Return the tables by name: latents, modes, criteria, dimensions, recommendations."""
        return {
            "latents": self._latents(),
            "modes": self._modes(),
            "criteria": criteria_table(self.criteria),
            "dimensions": dimensions_table(self.dimensions, self.observed is not None, self.decoded is not None),
            "recommendations": recommendations_table(self.recommendations, self.loss.knob),
        }

    def _latents(self) -> Table:
        q, order = self.posterior, self.posterior.ranking
        four = "{:.4f}".format
        columns = [
            Column("latent", order + 1),
            Column("M²", q.signal_fraction[order], four, "signal_fraction"),
            Column("R [nat]", q.rate[order], four, "rate"),
            Column("A²", q.second_moment[order], four, "second_moment"),
            Column("Var μ", q.mean_variance[order], "{:.4g}".format, "mean_variance"),
            Column("σ²", q.variance[order], "{:.4g}".format, "variance"),
        ]
        if self.observed is not None:
            columns.append(Column("mode", [self._mode_of(self.observed)[k] for k in order]))
            columns.append(Column("linear", self.observed.linear[order], "{:.0%}".format))
        columns.append(Column("verdict", [self.status[k] for k in order], key="status", text=True))
        note = (
            "M²: share of a latent's second moment that is signal (0: inactive, 1: free of noise). R: rate, its mean\n"
            "KL. A²: second moment ⟨μ²⟩ + ⟨σ²⟩, 1 where training has converged. linear: share of μ linear in the data."
        )
        return Table(columns, note=note, limit=SHOWN)

    def _modes(self) -> Table:
        shown = max(int(np.count_nonzero(self.detected | (self.predicted_signal > 0))) + 1, 3)
        four, source = "{:.4f}".format, "by rank" if self.observed is None else "observed"
        thresholds = self.loss.beta_at(self.spectrum.eigenvalues, self.spectrum)[: len(self.observed_signal)]
        columns = [
            Column("mode", np.arange(1, len(self.observed_signal) + 1)),
            Column("λ", self.eigenvalues, key="eigenvalue"),
            Column(f"collapses at {self.loss.knob}", thresholds, lambda b: significant(float(b), 4), "threshold_beta"),
            Column("M² predicted", self.predicted_signal, four, "predicted"),
            Column(f"M² {source}", self.observed_signal, four, "observed"),
        ]
        note = "λ: variance of the data along a mode. A mode is worth a latent where λ is above the price τ of a nat."
        return Table(columns, note=note, limit=shown)

    def _mode_of(self, observed: Observed) -> list[int | None]:
        """Return the mode of each active latent, counted from 1."""
        return [int(mode) + 1 if active else None for mode, active in zip(observed.mode, self.is_active, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints, as strict JSON."""
        latents: dict[str, Any] = {name: getattr(self.posterior, name) for name in OF_LATENTS}
        latents |= {"status": self.status, "alive": self.is_active}
        if self.observed is not None:
            latents |= {"mode": self._mode_of(self.observed), "linear": self.observed.linear}
        modes = {column.key: column.values for column in self._modes().columns if column.key}
        linear = None if self.observed is None else self.observed.prefix
        curves = {"rank_distortion": self.decoded, "linear_rank_distortion": linear, "noise_floor": self.floor}
        return super().to_dict() | jsonable({"latents": latents, "modes": modes, **curves})


@checked
def diagnose(
    mean: ArrayLike,
    *,
    variance: ArrayLike | None = None,
    log_variance: ArrayLike | None = None,
    std: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    loss: Loss,
    data: Any = None,
    spectrum: Spectrum | None = None,
    standardize: bool = False,
    decode: Callable[[Any], Any] | None = None,
    updates: Count | None = None,
    learning_rate: Positive | None = None,
    optimizer: Literal["gradient descent", "adam"] = "adam",
) -> Diagnosis:
    """Diagnose a trained model by its posteriors: which latents are active, which should be, and why the two differ.

    The verdict is read off `Diagnosis.verdict`, in words off `Diagnosis.summary()`. The arrays may be of any framework
    and on any device, data loaders or lists of batches, as `Spectrum.from_data` takes them; latents with positions
    (n, k, h, w) are taken one by one, as K = k·h·w.

    Parameters
    ----------
    mean : (n, K) array
        Posterior means μ of the n encoded rows.
    variance, log_variance, std : (n, K) array
        What the encoder returns beside the mean: σ², ln σ² or σ, exactly one of them.
    covariance : (n, K, K) array, optional
        Full covariances of the posteriors, in place of `variance`; their diagonals are used.
    loss : Loss
        The loss that the model was trained with, at its one β.
    data : (n, d) array, optional
        The very rows that were encoded, in their order, as the loss had them (with `standardize`,
        before each feature was divided by its standard deviation). Give either `data` or
        `spectrum`.
    spectrum : Spectrum, optional
        Of the data, where the rows cannot be given; what needs the rows is left out.
    standardize : bool, default False
        Whether the model was trained on features divided by their standard deviations.
    decode : callable, optional
        Decoder that takes latents (m, K), as arrays or tensors of any framework, to reconstructions (m, d) in the
        scale of the data (with `standardize`, of the standardised data): a method of the model as it stands, or the
        model. Ranked pruning is measured with it.
    updates : int, optional
        Number of updates of the run. With `learning_rate` it says how long modes wait on the plateau.
    learning_rate : float, optional
        Learning rate of the run.
    optimizer : {"adam", "gradient descent"}, default "adam"
        Optimiser of the run.

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
    Diagnosis(healthy: 1 of 2 latents active, 1 predicted, τ = 1.05)
    >>> result.status
    ('active', 'inactive, as predicted')
    """
    if loss.beta.ndim:
        raise InputError("The loss has a list of β, but a trained model has one: give the β it was trained at.", "loss")
    if (data is None) == (spectrum is None):
        raise InputError("Give the data that were encoded (data=X) or their spectrum (spectrum=…), one of the two.")
    if decode is not None and data is None:
        raise InputError("decode needs the data to compare its reconstructions with: give data=X.", "decode")
    named = {"variance": variance, "log_variance": log_variance, "std": std, "covariance": covariance}
    given = [name for name, values in named.items() if values is not None]
    if len(given) != 1:
        raise InputError(
            f"{len(given) or 'None'} of variance, log_variance, std and covariance {'are' if given else 'is'} given, "
            "but exactly one is needed: name what the encoder returns."
        )
    if covariance is not None:
        named["variance"], given = variances(covariance), ["variance"]
    kind: Any = given[0]
    mu, _, shape = as_rows(mean, "mean of the posterior", ordered=True)
    spread = as_rows(named[kind], f"{kind} of the posterior", rows=len(mu), ordered=True)[0]
    if loss.latents not in (None, mu.shape[1]):
        raise InputError(
            f"The loss is one of {loss.latents} latents, but the posterior has {mu.shape[1]}: give the loss of this "
            "model, or leave its latents out.",
            "loss",
        )
    loss = loss.with_latents(mu.shape[1])
    if spectrum is not None:
        result = _compare(read_posterior(mu, spread, kind), spectrum, loss)
    else:
        rows, names, of_row = as_rows(data, "data", rows=len(mu), ordered=True)
        wrap = None if decode is None else partial(Decoder.wrap, decode, features=of_row, shape=shape)
        result = _compare_with_data(mu, spread, kind, (rows, names), loss, standardize, wrap)
    result = replace(result, run=_run(result.spectrum, loss, updates, learning_rate, optimizer))
    return replace(result, findings=find(result))


def _compare(posterior: Posterior, spectrum: Spectrum, loss: Loss, observed: Observed | None = None) -> Diagnosis:
    """Return posteriors beside what spectrum and loss predict."""
    # Where a learned σ² has no equilibrium, the prediction is that of a price below all modes.
    price = loss.price(spectrum) if loss.without_price(spectrum) is None else np.asarray(spectrum.floor)
    floor = None if why_no_noise_floor(spectrum, spectrum.samples or 0) else noise_floor(spectrum)
    return Diagnosis(posterior, observed, spectrum, loss, Equilibrium(spectrum, loss, readonly(price)), floor)


def _compare_with_data(
    mu: Rows, spread: Rows, kind: Spread, data: tuple[Rows, tuple[str, ...] | None],
    loss: Loss, standardize: bool, wrap: Callable[..., Decoder] | None,
) -> Diagnosis:  # fmt: skip
    """Return the same with what the latents encode of each mode, from one pass over rows and posteriors."""
    rows, names = data
    posterior, moments, _ = reading = read_with_data(mu, spread, kind, rows)
    moments.vectors_needed = True  # by `mode_cross`
    fields = fields_of(moments, names, standardize=standardize, likelihood=loss.likelihood)
    spectrum, scale, decoded = Spectrum(**fields), fields["scale"], None
    cross = mode_cross(reading, fields["decomposition"], spectrum.modes, scale, mu)
    if wrap is not None:
        decoded = prune(
            wrap(mu[:2]), mu, spread, kind, rows, posterior.ranking, moments.mean, scale, standardized=standardize
        )
    result = _compare(posterior, spectrum, loss, observe(posterior, spectrum, cross))
    result = replace(result, binary=zeros_and_ones(moments), decoded=decoded)
    if result.linear_share < limits.LINEAR_SHARE:
        result = replace(result, code_mismatch=code_mismatch(mu, rows, scale, result.is_active))
    return result


def _run(
    spectrum: Spectrum, loss: Loss, updates: int | None, learning_rate: float | None, optimizer: Any
) -> Activation | None:
    if (updates is None) != (learning_rate is None):
        raise InputError("Of a run both are needed, updates=… and learning_rate=…: give the other one too.")
    # How long the plateau lasts is known for squared errors of a fixed variance.
    if updates is None or learning_rate is None or loss.learned or not loss.likelihood.squared:
        return None
    return activation(spectrum, loss, learning_rate=learning_rate, updates=updates, optimizer=optimizer)
