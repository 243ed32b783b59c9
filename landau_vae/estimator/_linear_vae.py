"""A linear β-VAE that fits in closed form, as an estimator of scikit-learn.

Nothing is trained: the state in which training ends follows from the data's second moments
(`numeric.equilibrium`; J. Hirn, arXiv:2605.22691). `training.LinearVAE` is another class: the
weights of linear models that were trained.
"""

from typing import Any, Literal, Self

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError
from landau_vae.estimator.gaussian_model import gaussian_model
from landau_vae.estimator.scikit_learn import Estimator
from landau_vae.loss import Loss
from landau_vae.spectrum.partial import Partial


class LinearVAE(Estimator):
    """Fit a linear β-VAE in closed form: the exact baseline of a deep one, at the same loss and β.

    It is PCA with a price: mode k of the data, of variance λ_k, has a latent of signal fraction
    M²_k = 1 − τ/λ_k while λ_k is above the price τ of a nat, and collapses at τ = λ_k.

    Parameters
    ----------
    beta : float, optional
        β, the weight of the KL. Unless given, that of the loss: 1 for "gaussian".
    loss : "gaussian" or Loss, default "gaussian"
        What training would minimise. "gaussian" is ½ Σ(x − x̂)² + β Σ KL. A `Loss` has squared
        errors, with any reductions, weights, constraint, sampler, learned variance, or fixed
        variances of features.
    n_components : int, float, "noise-floor" or None, default None
        K, the number of latents. An int is K itself. A float between 0 and 1 is a share of the
        variance, and K the fewest modes that hold it. "noise-floor" takes the modes above
        the noise floor of the rows (`landau_vae.noise_floor`). None takes the `latents` of the
        loss, or one for each mode of the data if the loss has no such number.
    standardize : bool, default False
        Whether to divide each feature by its standard deviation; constant features stay as they
        are.

    Attributes
    ----------
    mean_ : (d,) array
        x̄, mean of the features.
    scale_ : (d,) array
        What each feature was divided by.
    n_components_ : int
        K, inactive latents included.
    components_ : (K, d) array
        Unit vectors v_k in the units of `scale_`, strongest mode first, with the signs that
        PCA gives them; 0 for latents beyond the modes.
    thresholds_ : (K,) array
        β at which each latent collapses, as in `landau_vae.transitions`; 0 for latents that are
        inactive at every β, as those beyond the modes are, and infinite where a constraint keeps
        a latent active at every β.
    n_active_ : int
        How many latents are active at this β.
    signal_fraction_ : (K,) array
        M²_k, share of the signal in the second moment of z; 0 of inactive latents.
    posterior_variance_ : (K,) array
        σ²_k; 1 of inactive latents, unless the sampler of the loss fixes another variance.
    rate_ : (K,) array
        KL of each latent, nats.
    explained_variance_ : (K,) array
        M²_k λ_k, what the latent takes off the squared error, in squared units of `scale_`. It
        tends to PCA's (with the divisor n) for β → 0.
    explained_variance_ratio_ : (K,) array
        The same as a share of the variance.
    noise_variance_ : float
        τ, the price of a nat. It is the variance of the decoder with which the loss is an
        evidence bound, in squared units of `scale_`.
    equilibrium_ : Equilibrium
        The same state with its totals, its spectrum and its loss.
    n_samples_seen_ : int
        How many rows were used.
    n_features_in_ : int
        d.
    feature_names_in_ : (d,) array of str
        Names of the features, where X had any.

    See Also
    --------
    landau_vae.equilibrium : The same from a spectrum, at many β at once.
    landau_vae.diagnose : How a trained model departs from it.
    landau_vae.training.LinearVAE : Weights of linear models that were trained.

    Notes
    -----
    A loss a (x − x̂)² + b KL is b times the negative evidence bound (β = 1) of a decoder with the
    variance τ = b/2a. `score`, `sample` and `get_covariance` are those of this model, in which
    `transform` is the exact posterior mean. Its likelihood is largest where τ is the mean
    variance of the modes that are left out. So the best β of a grid search on held-out rows is
    an estimate of the noise of the data, and `Loss.gaussian(decoder_variance="learned")` finds
    it without a search. At that price some modes of pure noise are above τ by chance, hence
    weakly active: `n_components="noise-floor"` leaves them out.

    PCA has the same axes, so the same subspace at every β, but neither shrinks its codes nor
    drops weak modes: for β → 0 `inverse_transform(transform(X))` tends to PCA's. Codes have a
    second moment 1 in all, ⟨μ²⟩ + σ² = 1, where those of PCA have the variance λ_k. With a
    learned variance and β = 1 the model is probabilistic PCA, whose likelihood PCA's `score` is
    (up to divisors n and n − 1). FactorAnalysis has a noise variance of each feature, and so
    other axes.

    `fit` keeps the moments of the rows, for a later `partial_fit`, and all modes of the data. A
    pickle holds about 5 d² numbers, or 3 copies of the rows while they are fewer than the features.

    Examples
    --------
    >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]  # variances 2 and 1/2
    >>> model = LinearVAE(beta=1).fit(X)
    >>> model.thresholds_.tolist(), model.n_active_, model.signal_fraction_.tolist()
    ([2.0, 0.5], 1, [0.5, 0.0])
    >>> model.inverse_transform(model.transform(X)).round(9).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """

    def __init__(
        self,
        beta: float | None = None,
        loss: Loss | Literal["gaussian"] = "gaussian",
        n_components: int | float | Literal["noise-floor"] | None = None,
        standardize: bool = False,
    ) -> None:
        self.beta = beta
        self.loss = loss
        self.n_components = n_components
        self.standardize = standardize

    # ------------------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to rows.

        Parameters
        ----------
        X : array_like (n, d)
            The rows.
        y : object, optional
            Not used.

        Returns
        -------
        LinearVAE
            The estimator itself.

        Raises
        ------
        InputError
            If a parameter of the estimator cannot be used, or no two rows differ.
        OutsideTheory
            If the loss has no price at this β.
        """
        return self._settle(self._moments(self._rows(X, reset=True)))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to these rows and all those before: the same as `fit` on all of them, to rounding.

        Each call solves for the modes anew, so blocks should have many more rows than features.
        Rows of a call that raises an error are not counted.

        Parameters
        ----------
        X : array_like (n, d)
            Further rows. Among the first ones two have to differ.
        y : object, optional
            Not used.

        Returns
        -------
        LinearVAE
            The estimator itself.

        Examples
        --------
        >>> model = LinearVAE().partial_fit([[2, 0], [-2, 0]]).partial_fit([[0, 1], [0, -1]])
        >>> model.thresholds_.tolist()
        [2.0, 0.5]
        """
        if not hasattr(self, "_seen"):
            return self.fit(X)
        return self._settle(self._seen.merge(self._moments(self._rows(X))))

    def _settle(self, part: Partial) -> Self:
        model = gaussian_model(part, self.beta, self.loss, self.n_components, self.standardize)
        state, law = model.state, model.law
        self._seen, self._model, self.equilibrium_ = part, model, state
        self.mean_, self.scale_, self.n_samples_seen_ = model.mean, model.scale, part.samples
        self.n_components_, self.components_ = model.latents, model.axes
        self.thresholds_, self.n_active_ = model.thresholds, int(state.active)
        self.signal_fraction_, self.posterior_variance_, self.rate_ = model.signal_fraction, law.variance, law.rate
        self.explained_variance_ = model.eigenvalues * model.signal_fraction
        self.explained_variance_ratio_ = self.explained_variance_ / state.spectrum.total_variance
        self.noise_variance_ = model.noise
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    # ------------------------------------------------------------------------------ the fitted model

    def transform(self, X: Any) -> Any:
        """Return the posterior means of rows; those of inactive latents are 0.

        Parameters
        ----------
        X : array_like (n, d)
            The rows.

        Returns
        -------
        (n, K) array
            μ(x), or a table, as `set_output` says.
        """
        rows = self._rows(X)
        return self._model.encode(rows).astype(rows.dtype, copy=False)

    def inverse_transform(self, X: Any) -> Array:
        """Return the decoder's means of codes.

        Parameters
        ----------
        X : array_like (n, K)
            Codes, such as `transform` returns.

        Returns
        -------
        (n, d) array
            x̂, in the units of the data.

        Raises
        ------
        InputError
            If there is not one column for each latent.
        """
        codes = self._codes(X)
        if codes.shape[1] != self.n_components_:
            raise InputError(f"X has {codes.shape[1]} columns, but the model has {self.n_components_} latents.", "X")
        return self._model.decode(codes).astype(codes.dtype, copy=False)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Return rows of the fitted model: z from the prior, decoded, with the decoder's noise of variance τ.

        Parameters
        ----------
        n_samples : int, default 1
            How many.
        random_state : int, RandomState or None, default None
            The seed, by scikit-learn's convention.

        Returns
        -------
        (n_samples, d) array
            Their covariance is `get_covariance`.
        """
        random = self._random(random_state)
        return self._model.draw(n_samples, random)

    def score_samples(self, X: Any) -> Array:
        """Return the log-likelihood of each row under the fitted model.

        Parameters
        ----------
        X : array_like (n, d)
            The rows.

        Returns
        -------
        (n,) array
            ln N(x; mean, covariance), nats, a density in the units of the data.
        """
        rows = self._rows(X)
        return self._model.log_density(rows)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of rows, as the `score` of PCA and FactorAnalysis.

        Parameters
        ----------
        X : array_like (n, d)
            The rows.
        y : object, optional
            Not used.

        Returns
        -------
        float
            Nats per row. On the rows of the fit, and with z drawn as usual, it is the evidence
            bound −D/2τ − R − (d/2) ln 2πτ, D the squared error and R the rate (in the units of
            `scale_`, whose logarithms are subtracted).

        Examples
        --------
        >>> X = [[2, 0], [-2, 0], [0, 1], [0, -1]]
        >>> model = LinearVAE(beta=0.5).fit(X)  # covariance diag(2, 1/2), that of the rows
        >>> print(round(model.score(X) + np.log(2 * np.pi), 9))  # −½ ln det − ½ d
        -1.0
        """
        return float(np.mean(self.score_samples(X)))

    def get_covariance(self) -> Array:
        """Return the covariance of the fitted model, W Wᵀ + τ in the units of the data.

        Returns
        -------
        (d, d) array
            That of the rows along active modes, if z is drawn as usual; τ along all others.
        """
        self._check_fitted()
        return self._model.covariance

    def _moments(self, rows: Any) -> Partial:
        """Return the moments of an array that may change later: where rows are kept, they are copied."""
        return Partial.from_chunks([rows], names=getattr(self, "feature_names_in_", None))
