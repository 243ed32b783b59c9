"""Every convention of a β-VAE's loss → one price τ.

    per-sample loss = a Σ_features (x − x̂)² + b Σ_latents KL    ⇒    τ = b / (2a)
                      a Σ_features −ln p(x | x̂) + b Σ_latents KL ⇒   τ = b / a   (Bernoulli, Poisson, …)

τ is in data² per nat, so a user's β means nothing before this conversion: the same "β = 1" spans
τ = 1/510 … d/2 among public code bases. Mode k is inactive where λ_k ≤ τ (J. Hirn,
arXiv:2605.22691; for β = 1, Lucas et al., arXiv:1911.02469). An overall factor of the loss
drops out, and so do averages over the batch as long as both terms have them. For other
likelihoods λ_k belongs to F^(−½) C F^(−½), F the variance of the likelihood at the mean x̄
(`landau-vae derive exponential-family`): the first threshold is exact then, and later ones are
those of the collapsed state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from math import isclose
from typing import Any, ClassVar, Literal, TypedDict, Unpack

import numpy as np

from landau_vae.checks import Count, Positive, check_fields, checked, numbers, shown
from landau_vae.display import Array, Numbers, jsonable, readonly, significant
from landau_vae.errors import InputError, OutsideTheory
from landau_vae.likelihoods import BERNOULLI, FAMILY, GAUSSIAN, POISSON, Likelihood, as_likelihood
from landau_vae.loss.constraint import Constraint, Kind, Per
from landau_vae.loss.learned_price import beta_of_learned, price_of_learned, without_price
from landau_vae.loss.presets import arguments, preset_called
from landau_vae.loss.price_in_effect import Demand
from landau_vae.loss.sampler import Sampler
from landau_vae.spectrum.spectrum import Spectrum

Reduction = Literal["sum", "mean"]
Parametrisation = Literal["log_variance", "variance", "std", "log_std"]

LEAST, MOST = 1e-300, 1e300  # prices that can be computed with

RELATIVE = "β/β_now"
DOUBLE = "A nat costs 2 β: the KL is written without its ½, or β is not what the function runs at."
RELATIVELY = "β counts in multiples of the weight that the KL has now: give beta=… to have it in your own numbers."


class Options(TypedDict, total=False):
    """How a loss that is not a squared error is formed: see the fields of `Loss`."""

    reconstruction: Reduction
    kl: Reduction
    latents: int | None
    reconstruction_weight: float
    kl_weight: float
    features: int | None
    sampler: Sampler


@dataclass(frozen=True, eq=False)
class Loss:
    """The convention of a training loop, and the β it runs at.

    Examples
    --------
    >>> spectrum = Spectrum.from_eigenvalues([4, 1])
    >>> float(Loss.gaussian(beta=2.0).price(spectrum))
    2.0
    >>> float(Loss.gaussian(beta=2.0, reconstruction="mean", half=False).price(spectrum))
    2.0
    """

    expected: ClassVar[str] = "a Loss such as Loss.gaussian(beta=1)"  #: in messages

    beta: Array  #: β, weight of the KL term: a number, or an array of them (any shape)
    decoder_variance: Positive | Literal["learned"] = 1.0  #: σ_dec², data²; "learned": it is trained too
    reconstruction: Reduction = "sum"  #: over features
    kl: Reduction = "sum"  #: over latents
    half: bool = True  #: whether the squared error carries the ½ of −ln N(x; x̂, σ_dec²)
    latents: Count | None = None  #: K; None: at least as many as there are modes
    likelihood: Likelihood = GAUSSIAN  #: of the decoder
    reconstruction_weight: Positive = 1.0  #: a further factor on the reconstruction error
    kl_weight: Positive = 1.0  #: a further factor on β
    name: str | None = None  #: the code base's, or "measured"
    knob: str = "β"  #: what this code base calls β
    notes: tuple[str, ...] = ()  #: what was found by measuring, or what else one has to know of a code base's loss
    features: Count | None = None  #: d of the model, where it is stated or measured
    constraint: Constraint | None = None  #: on the rate or the distortion, in place of β KL
    sampler: Sampler = field(default_factory=Sampler)  #: how z is drawn, and which posteriors there can be

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", _checked_beta(self.beta))
        object.__setattr__(self, "likelihood", as_likelihood(self.likelihood))
        check_fields(self)
        if not self.likelihood.squared:
            object.__setattr__(self, "half", False)  # the ½ is of squared errors only
            if self.decoder_variance != 1.0:
                raise InputError(
                    f"A {self.likelihood} likelihood has no decoder variance: omit it.", "decoder_variance"
                )
        if (self.learned or self.constraint) and not self.sampler.plain:
            part = "A learned decoder variance" if self.learned else "A constraint"
            cure = "the variance that was reached" if self.learned else "the loss without it, at the β it led to"
            raise InputError(
                f"{part} is solved for the usual sampler, but z is drawn with {self.sampler.words}: give {cure}.",
                "sampler",
            )
        if self.kl == "mean" and self.latents is None:
            raise InputError(
                "A KL averaged over latents depends on their number: give latents=K (--latents K).", "latents"
            )
        if self.constraint is not None and self.constraint.per == "latent" and self.latents is None:
            raise InputError("What free bits per latent do depends on their number: give latents=K.", "latents")

    # ------------------------------------------------------------------------------ constructors

    @classmethod
    @checked
    def gaussian(
        cls,
        beta: Numbers = 1.0,
        *,
        decoder_variance: Positive | Literal["learned"] = 1.0,
        reconstruction: Reduction = "sum",
        kl: Reduction = "sum",
        half: bool = True,
        latents: Count | None = None,
        reconstruction_weight: Positive = 1.0,
        kl_weight: Positive = 1.0,
        features: Count | None = None,
        sampler: Sampler | None = None,
    ) -> "Loss":
        """Make the loss [½] reduce_features (x − x̂)² / σ_dec² + β reduce_latents KL.

        The ½ belongs to a Gaussian likelihood and is on by default; a bare `mse_loss` has none
        (`half=False`).

        Parameters
        ----------
        beta : float or array_like, default 1
            β, the weight of the KL term.
        decoder_variance : float or "learned", default 1
            σ_dec², data². "learned": it is trained, or set to the current mean squared error.
        reconstruction : {"sum", "mean"}, default "sum"
            What is done over the features.
        kl : {"sum", "mean"}, default "sum"
            What is done over the latents. A mean needs `latents`.
        half : bool, default True
            Whether the squared error carries a ½.
        latents : int, optional
            K. Unless given, there are at least as many latents as modes.
        reconstruction_weight, kl_weight : float, default 1
            What else multiplies a term. A KL without its ½ has `kl_weight=2`.
        features : int, optional
            d of the model, where it is known: a diagnosis compares it with the data.
        sampler : Sampler, optional
            How z is drawn, where it is not drawn from the posterior that the KL charges, or the
            encoder cannot give every σ².

        Returns
        -------
        Loss
            With this convention.

        Examples
        --------
        With σ² = 1 throughout a linear model has ⟨μ²⟩ = √(λ/τ) − 1.

        >>> loss = Loss.gaussian(sampler=Sampler(variance=1.0))
        >>> float(loss.sampler.law(0.25).mean_square)
        1.0
        """
        return cls(
            numbers(beta, "beta"), decoder_variance, reconstruction, kl, half, latents,
            reconstruction_weight=reconstruction_weight, kl_weight=kl_weight, features=features,
            sampler=sampler or Sampler(),
        )  # fmt: skip

    @classmethod
    def bernoulli(cls, beta: Numbers = 1.0, **options: Unpack[Options]) -> "Loss":
        """Make the loss of binary cross-entropy + β KL, for data from 0 to 1.

        Its price belongs to the spectrum F^(−½) C F^(−½) with F = x̄(1 − x̄).

        Parameters
        ----------
        beta : float or array_like, default 1
            β, the weight of the KL term.
        **options
            `reconstruction`, `kl`, `latents`, `reconstruction_weight`, `kl_weight`, `features`,
            as in `Loss.gaussian`.

        Returns
        -------
        Loss
            With this convention.

        Examples
        --------
        >>> X = [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0], [1, 1]]
        >>> spectrum = Spectrum.from_data(X, likelihood="bernoulli")  # the correlation matrix
        >>> Loss.bernoulli(beta=0.5).price(spectrum).item(), spectrum.eigenvalues.round(3).tolist()
        (0.5, [1.333, 0.667])
        """
        return cls(numbers(beta, "beta"), likelihood=BERNOULLI, **options)

    @classmethod
    def poisson(cls, beta: Numbers = 1.0, **options: Unpack[Options]) -> "Loss":
        """Make the loss −ln Poisson(x; x̂) + β KL with log-linear x̂, for counts.

        Its price belongs to the spectrum F^(−½) C F^(−½) with F = x̄.

        Parameters
        ----------
        beta : float or array_like, default 1
            β, the weight of the KL term.
        **options
            `reconstruction`, `kl`, `latents`, `reconstruction_weight`, `kl_weight`, `features`,
            as in `Loss.gaussian`.

        Returns
        -------
        Loss
            With this convention.
        """
        return cls(numbers(beta, "beta"), likelihood=POISSON, **options)

    @classmethod
    def of(cls, likelihood: Likelihood | str, beta: Numbers = 1.0, **options: Unpack[Options]) -> "Loss":
        """Make the loss ℓ(x, f) + β KL of any likelihood.

        Its price belongs to the spectrum seen from the collapsed state: `spectrum.score` makes
        it, and for exponential families `Spectrum.from_data` and `spectrum.exponential_family`
        as well.

        Parameters
        ----------
        likelihood : Likelihood or str
            An object, or its name: "laplace", "huber(0.5)", "negative-binomial(2)",
            "categorical(3,4)" and so on; "family" is an exponential family that the spectrum
            knows.
        beta : float or array_like, default 1
            β, the weight of the KL term.
        **options
            `reconstruction`, `kl`, `latents`, `reconstruction_weight`, `kl_weight`, `features`,
            as in `Loss.gaussian`.

        Returns
        -------
        Loss
            With this convention.

        Examples
        --------
        >>> geometric = Likelihood("geometric", variance=lambda m: m + m**2, support=(0, np.inf))
        >>> spectrum = Spectrum.from_data([[0, 4], [2, 4], [4, 1], [2, 3]], likelihood=geometric)
        >>> float(Loss.of(geometric, 0.5).price(spectrum)), spectrum.eigenvalues.round(4).tolist()
        (0.5, [0.4344, 0.024])
        """
        return cls(numbers(beta, "beta"), likelihood=as_likelihood(likelihood), **options)

    @classmethod
    @checked
    def preset(
        cls,
        name: str,
        beta: Numbers | None = None,
        *,
        latents: Count | None = None,
        batch: Count | None = None,
        channels: Count | None = None,
        valid: Count | None = None,
        likelihood: Likelihood | str | None = None,
        capacity: Positive | None = None,
        noise_scale: Positive | None = None,
        kl_weight: Positive | None = None,
        reconstruction_weight: Positive | None = None,
        gene_likelihood: Literal["zinb", "nb", "poisson"] | None = None,
        dispersion: Numbers | None = None,
    ) -> "Loss":
        """Return the loss of a public code base.

        Parameters
        ----------
        name : str
            One of `landau_vae.loss.PRESETS`.
        beta : float or array_like, optional
            What the code base calls β, also where it divides the KL; its own default, unless
            given.
        latents, batch, channels, valid : int, optional
            Number of latents, rows of a batch, channels of an image, entries of a sample that
            are neither padded nor masked, for losses whose price depends on them.
        likelihood : Likelihood or str, optional
            The reconstruction term of a code base whose own has no name here.
        capacity : float, optional
            Nats, in place of those of the code base's constraint: of the sum or the mean of the KL
            over latents, as the code base has it.
        noise_scale : float, optional
            In place of the code base's own factor on the noise of the latents.
        kl_weight, reconstruction_weight : float, optional
            In place of the code base's own further factor on β, and on the error.
        gene_likelihood : {"zinb", "nb", "poisson"}, optional
            Of scvi-tools, "zinb" by default.
        dispersion : {"gene", "gene-cell"} or float or (genes,) array, optional
            Of scvi-tools: a θ of each gene that is trained (the default), one that the decoder
            gives, or the θ of a trained model.

        Returns
        -------
        Loss
            With the convention of the code base, its name and the name of its β.

        Raises
        ------
        InputError
            If the name is unknown, the loss has no price, or a size is missing that the price
            depends on.

        Examples
        --------
        >>> loss = Loss.preset("pytorch-vae")
        >>> loss.formula, float(loss.price(Spectrum.from_eigenvalues([1.0] * 12288)))
        ('mean(x − x̂)² + β Σ KL', 1.536)
        """
        key, preset = preset_called(name)
        given = {"latents": latents, "batch": batch, "channels": channels, "valid": valid, "likelihood": likelihood,
                 "capacity": capacity, "noise_scale": noise_scale, "kl_weight": kl_weight,
                 "reconstruction_weight": reconstruction_weight, "gene_likelihood": gene_likelihood,
                 "dispersion": dispersion}  # fmt: skip
        return cls(**arguments(key, preset, None if beta is None else _checked_beta(beta), given))

    @classmethod
    @checked
    def measure(
        cls,
        function: Callable[..., Any],
        *,
        like: Any = None,
        features: Count | Sequence[Count] | None = None,
        latents: Count | Sequence[Count] | None = None,
        batch: Count | None = None,
        beta: Positive | None = None,
        parametrisation: Parametrisation | None = None,
        to: Callable[[Any], Any] | None = None,
    ) -> "Loss":
        """Return the loss that a function computes, measured by finite differences.

        x̂ may be a reconstruction, probabilities or logits, means of counts or their
        logarithms: which of them fits is found. A part that is detached from the gradient shows
        in PyTorch only. At the x of `like` the error must be what it is elsewhere, so that masks
        and weights by the value of x are seen.

        Parameters
        ----------
        function : callable
            It returns the loss of a batch: a number, a tuple or mapping that holds it, or its two
            terms (then `beta` is the weight of the second). Its arguments are x, x̂, the mean and
            the log-variance of the posterior, in any order that their names tell, else in this
            one.
        like : tuple of arrays or tuple or mapping, optional
            (x, x_hat, mean, log_variance) of one batch, with as many rows as in training, arrays
            of any library. They give the sizes, the batch and the kind of array. A function of
            other arguments, such as (model_output, batch) or (model, batch), has them here as it
            takes them.
        features : int or sequence of int, optional
            Shape of one sample; needed without `like`.
        latents : int or sequence of int, optional
            K, or the shape of a sample's latents; needed without `like`.
        batch : int, optional
            Rows of a training batch. It is asked for where the price depends on it.
        beta : float, optional
            The β that the function runs at. Unless given, β counts in multiples of the weight
            that the KL has now.
        parametrisation : {"log_variance", "variance", "std", "log_std"}, optional
            What the last argument of the function is. Unless given, its name or the first that
            fits tells.
        to : callable, optional
            Makes the arrays that the function takes from NumPy's, such as `torch.as_tensor`.

        Returns
        -------
        Loss
            With what was found in `notes`.

        Raises
        ------
        InputError
            If the loss is no reconstruction error plus KL; the message says what it is instead.

        Examples
        --------
        >>> def mine(x, x_hat, mean, log_variance):
        ...     kl = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum(axis=1)
        ...     return ((x - x_hat) ** 2).mean() + 4 * kl.mean()
        >>> loss = Loss.measure(mine, features=10, latents=3, beta=4)
        >>> loss.formula, float(loss.beta)
        ('mean(x − x̂)² + β Σ KL', 4.0)
        """
        from landau_vae.loss._measure import measure
        from landau_vae.loss.probes import candidates

        probes = candidates(function, like, features, latents, batch, beta, parametrisation, to)
        measured = measure(probes, beta=beta, batch_known=like is not None or batch is not None)
        value = beta or 1.0
        weight = measured.kl_weight / value
        weight = 1.0 if isclose(weight, 1.0, rel_tol=1e-6) else weight
        knob, notes = ("β", measured.notes) if beta else (RELATIVE, (*measured.notes, RELATIVELY))
        notes += (DOUBLE,) * (beta is not None and isclose(weight, 2.0, rel_tol=1e-6))
        return cls(
            numbers(value, "beta"), measured.decoder_variance, measured.reconstruction, measured.kl, measured.half,
            probes[0].latents, measured.likelihood, measured.reconstruction_weight, weight, "measured", knob, notes,
            probes[0].dimension, measured.constraint, measured.sampler,
        )  # fmt: skip

    # -------------------------------------------------------------------------------- quantities

    @property
    def learned(self) -> bool:
        """Whether the decoder's variance is trained too."""
        return self.decoder_variance == "learned"

    @checked
    def weights(self, dimension: Count) -> tuple[float, Array]:
        """Return (a, b): what one squared unit and one nat of KL cost in this loss.

        For other likelihoods a is the cost of one nat of −ln p; with a learned σ_dec² it is
        that at σ_dec² = 1.

        Parameters
        ----------
        dimension : int
            d, the number of features.

        Returns
        -------
        a : float
            Weight of the reconstruction error.
        b : array
            Weight of the KL, of the shape of `beta`.
        """
        variance = 1.0 if isinstance(self.decoder_variance, str) else self.decoder_variance
        a = (0.5 if self.half else 1.0) * self.reconstruction_weight / variance
        d = self._features_of_model(dimension)
        return (a / d if self.reconstruction == "mean" else a), self.beta * self._per_beta

    def _features_of_model(self, dimension: int) -> int:
        """Return d of the model: more than the data have where constant columns were left out, never fewer."""
        features = self.features or dimension
        if features < dimension or (self.learned and features != dimension):
            how = "was measured with" if self.name == "measured" else "is one of"
            mend = "shape of one sample (of images (channels, height, width)), or like=… with arrays of one batch"
            if features > dimension:
                mend = "number of the data's columns, or keep constant columns: a learned variance counts them"
            raise InputError(
                f"The loss {how} {features} features, but the data have {dimension}: give features=… as the {mend}.",
                "features",
            )
        return features

    @checked
    def price(self, spectrum: Spectrum) -> Array:
        """Return the price τ = b / (2a), data² per nat, of the shape of `beta`; under a constraint, that in effect.

        Parameters
        ----------
        spectrum : Spectrum
            Of the data, for the same likelihood. With a learned σ_dec² or a constraint the price
            depends on all of it and on K; otherwise on the number of features alone.

        Returns
        -------
        array
            τ; b / a for likelihoods other than squared errors.

        Raises
        ------
        OutsideTheory
            If a learned σ_dec² or a constraint leaves no price at this β (`without_price` asks
            first).
        """
        price, demand = self.nominal_price(spectrum), self.demand(spectrum)
        if demand is not None:
            if (problem := demand.without_price(price)) is not None:
                raise OutsideTheory(problem)
            price = demand.price(price)
        return _computable(price)

    @checked
    def nominal_price(self, spectrum: Spectrum) -> Array:
        """Return the price that this loss would have without its constraint, of the shape of `beta`.

        Parameters
        ----------
        spectrum : Spectrum
            Of the data, for the same likelihood.

        Returns
        -------
        array
            τ, data² per nat.

        Raises
        ------
        OutsideTheory
            If a learned σ_dec² has no equilibrium at this β.

        Examples
        --------
        >>> spectrum, loss = Spectrum.from_eigenvalues([4, 1]), Loss.gaussian(3.0).constrained("hinge", np.log(2))
        >>> float(loss.nominal_price(spectrum)), round(float(loss.price(spectrum)), 9)
        (3.0, 1.0)
        """
        with np.errstate(all="ignore"):
            scaled = np.asarray(self.beta * self.price_per_beta(spectrum))
        if not self.learned or (self.constraint is not None and self.constraint.sets_price):
            return scaled
        return np.asarray(price_of_learned(scaled, spectrum, self.latents))

    @checked
    def demand(self, spectrum: Spectrum) -> Demand | None:
        """Return what the constraint demands of these data, or None without a constraint.

        Parameters
        ----------
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        Demand or None
            The constraint in totals, with the price that it leads to.
        """
        if self.constraint is None:
            return None
        a = self.weights(spectrum.dimension)[0]
        averaged = self.latents if self.kl == "mean" and self.latents else 1
        sampler = "" if self.sampler.plain else self.sampler.words
        return Demand(self.constraint, spectrum, self.latents, averaged, a, self.learned, sampler)

    @checked
    def without_price(self, spectrum: Spectrum) -> str | None:
        """Return why a learned decoder variance or a constraint leaves no price, or None where the loss has one.

        Parameters
        ----------
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        str or None
            A sentence.

        Examples
        --------
        >>> Loss.gaussian(0.5, decoder_variance="learned").without_price(Spectrum.from_eigenvalues([4, 1]))[:26]
        'β = 0.5 has no equilibrium'
        """
        demand = self.demand(spectrum)
        if self.learned and not (demand and demand.constraint.sets_price):
            problem = without_price(self.beta * self.price_per_beta(spectrum), spectrum, self.latents)
            if problem is not None:
                return problem
        return None if demand is None else demand.without_price(self.nominal_price(spectrum))

    @checked
    def charge(self, features: Count) -> Array:
        """Return the price τ of a loss that depends on nothing but the number of features.

        Parameters
        ----------
        features : int
            d.

        Returns
        -------
        array
            As in `price`.

        Examples
        --------
        >>> float(Loss.preset("beta-vae", 4.0).charge(784))
        2.0
        """
        return self.price(_spectrum(features, self))

    @checked
    def beta_at(self, price: Numbers, spectrum: Spectrum) -> Array:
        """Return the β at which this loss has a given price.

        Parameters
        ----------
        price : float or array_like
            τ, of any shape.
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        array
            β, of the shape of `price`.

        Raises
        ------
        OutsideTheory
            If a constraint leaves this price to no β, or to many (`without_beta` asks first;
            `partial`: β where there is one, else infinity).

        Examples
        --------
        >>> loss = Loss.gaussian(reconstruction="mean")
        >>> float(loss.beta_at(3.0, Spectrum.from_eigenvalues([4, 1])))
        1.5
        """
        if (problem := self.without_beta(price, spectrum)) is not None:
            raise OutsideTheory(problem, partial=self.collapse_beta(price, spectrum))
        return self.collapse_beta(price, spectrum)

    @checked
    def without_beta(self, price: Numbers, spectrum: Spectrum) -> str | None:
        """Return why there is no β, or no single one, at which this loss has a price; None where there is one.

        Parameters
        ----------
        price : float or array_like
            τ, of any shape.
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        str or None
            A sentence.

        Examples
        --------
        >>> loss = Loss.gaussian().constrained("hinge", np.log(2))
        >>> loss.without_beta(2.0, Spectrum.from_eigenvalues([4, 1]))[:33]
        'No β gives a price of 2: the cons'
        """
        demand, most = self.demand(spectrum), float(np.max(numbers(price, "price"), initial=0.0))
        return None if demand is None else demand.without_beta(most)

    @checked
    def collapse_beta(self, price: Numbers, spectrum: Spectrum) -> Array:
        """Return the β from which on a mode of variance `price` is inactive.

        Parameters
        ----------
        price : float or array_like
            λ, data²: the price from which on the mode is inactive.
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        array
            As in `beta_at`; infinite where a constraint keeps the mode active at every β, 0 where
            it keeps it inactive, NaN where what it does is not known.

        Examples
        --------
        >>> loss = Loss.gaussian(reconstruction="mean").constrained("hinge", np.log(2))
        >>> loss.collapse_beta([4, 0.5], Spectrum.from_eigenvalues([4, 1])).tolist()
        [inf, 0.25]
        """
        scaled, demand = numbers(price, "price"), self.demand(spectrum)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = scaled if demand is None else demand.nominal(scaled)
            if self.learned:
                scaled = beta_of_learned(scaled, spectrum, self.latents)
            return np.asarray(scaled / self.price_per_beta(spectrum))

    @checked
    def price_per_beta(self, spectrum: Spectrum) -> float:
        """Return τ/β = b/(2aβ); with a learned σ_dec², that of τ/σ_dec².

        Parameters
        ----------
        spectrum : Spectrum
            Of the data, for the same likelihood.

        Returns
        -------
        float
            b/(aβ) for likelihoods other than squared errors.
        """
        if spectrum.likelihood != self.likelihood:
            maker = f"lv.spectrum.score(X, {self.likelihood.name!r})"
            maker = "lv.Spectrum.from_data(X)" if self.likelihood.squared else maker
            raise InputError(
                f"The loss has a {self.likelihood} likelihood, but the spectrum is one for a {spectrum.likelihood} "
                f"one: make it from the data with {maker}, or name the loss that you train."
            )
        a, _ = self.weights(spectrum.dimension)
        with np.errstate(all="ignore"):
            return float(_computable(np.asarray(self._per_beta / (self.likelihood.curvature_of_term * a))))

    @checked
    def must_be_fixed(self, purpose: str) -> None:
        """Raise `OutsideTheory` unless this is a squared error with a fixed decoder variance.

        Parameters
        ----------
        purpose : str
            What is known for such losses only, with its verb ("the landscape is known").
        """
        self.must_be_plain(purpose)
        if self.learned or not self.likelihood.squared or self.constraint:
            part = "a learned decoder variance" if self.learned else f"a {self.likelihood} likelihood"
            part = "a constraint" if self.constraint else part
            instead = "train networks instead (lv.training.Neural)"
            instead = "give the plain loss at the price in effect instead (Loss.price)" if self.constraint else instead
            if (self.learned or self.likelihood.canonical) and not self.constraint:
                instead = "follow the equilibria instead (lv.follow; `landau-vae bifurcate`)"
            raise OutsideTheory(
                f"The loss has {part}, but {purpose} for squared errors with a fixed decoder variance and a plain β KL "
                f"only: {instead}."
            )

    @checked
    def must_be_plain(self, purpose: str) -> None:
        """Raise `OutsideTheory` unless z is drawn from the posterior that the KL charges, with any σ².

        Parameters
        ----------
        purpose : str
            What is known for such losses only, with its verb ("the landscape is known").
        """
        if not self.sampler.plain:
            raise OutsideTheory(
                f"z is drawn with {self.sampler.words}, but {purpose} for the usual sampler only, z = μ + σε with a "
                "free σ: see lv.transitions and lv.equilibrium."
            )

    @property
    def _per_beta(self) -> float:
        """b/β."""
        return self.kl_weight / self.latents if self.kl == "mean" and self.latents else self.kl_weight

    # ------------------------------------------------------------------------------- conversions

    def at(self, beta: Numbers) -> "Loss":
        """Return the same convention at another β.

        Parameters
        ----------
        beta : float or array_like
            The new β.

        Returns
        -------
        Loss
            Otherwise as this one.
        """
        return replace(self, beta=numbers(beta, "beta"))

    def at_most_features(self, features: int) -> "Loss":
        """Return the same loss, without its number of features where data have more.

        Parameters
        ----------
        features : int
            d of the data.

        Returns
        -------
        Loss
            Its prices are those of a model of d features.
        """
        return replace(self, features=None) if self.features is not None and self.features < features else self

    def with_latents(self, latents: int) -> "Loss":
        """Return the same loss for a model of K latents.

        Parameters
        ----------
        latents : int
            K.

        Returns
        -------
        Loss
            Otherwise as this one.
        """
        return replace(self, latents=latents)

    @checked
    def constrained(self, kind: Kind, value: Positive, per: Per = "mean") -> "Loss":
        """Return the same loss with a constraint on the rate or on the distortion, in place of a plain β KL.

        Parameters
        ----------
        kind : {"hinge", "absolute", "square", "target", "distortion"}
            β max(R, C), β |R − C|, β (R − C)², a β that is moved until R = C, or one that is
            moved until the reconstruction term is C.
        value : float
            C, nats of the sum or the mean of the KL as the loss has it (1 bit is ln 2 nats), or
            in the unit of the loss's reconstruction term.
        per : {"mean", "sample", "latent"}, default "mean"
            Whether the rate is the mean over rows, that of each row, or the mean of each latent.

        Returns
        -------
        Loss
            Otherwise as this one.

        Notes
        -----
        Under a constraint on the mean the price in effect is exact for linear models, as all
        prices are. One on each row is priced as if it were one on the mean: see
        `landau_vae.loss.Constraint` for how far that is off.

        Examples
        --------
        >>> loss = Loss.gaussian(3.0).constrained("hinge", np.log(2))  # one bit is free
        >>> spectrum = Spectrum.from_eigenvalues([4, 1])
        >>> loss.formula, round(float(loss.price(spectrum)), 9)  # ½ ln(4/1) = ln 2
        ('½ Σ(x − x̂)² + β max(⟨Σ KL⟩, 0.693147)', 1.0)
        """
        return replace(self, constraint=Constraint(kind, value, per))

    @checked
    def equivalent(self, other: "Loss", spectrum: Spectrum | Count, *, theirs: Spectrum | None = None) -> "Loss":
        """Return another loss at the β at which its first latent collapses on the same data as this one's does.

        With the same likelihood and sampler, both have one price then. In linear models with
        the same likelihood the same modes are active, whatever the samplers are.

        Parameters
        ----------
        other : Loss
            Its convention is kept, its β is not.
        spectrum : Spectrum or int
            Of the data, for this loss. The number of features is enough where prices depend on
            nothing else; a hinge or an absolute value is taken not to bind then.
        theirs : Spectrum, optional
            Of the same data for the other loss, where its likelihood is another one.

        Returns
        -------
        Loss
            `other` at its own β: its price has the ratio to its first threshold that this one
            has to its own.

        Examples
        --------
        >>> mine = Loss.preset("beta-vae", 4.0)
        >>> float(mine.equivalent(Loss.preset("pytorch-vae"), 784).beta.round(9))
        0.005102041
        """
        if self.likelihood != other.likelihood and theirs is None:
            raise InputError(
                f"A loss with a {self.likelihood.title} likelihood has no equal among those with a "
                f"{other.likelihood.title} one: compare their thresholds on your data instead, or give both spectra "
                "(theirs=…).", "theirs",
            )  # fmt: skip
        mine, own = _as_far_as_known(spectrum, self, other)
        known = _spectrum(spectrum, mine, own)
        theirs = theirs or known
        first = known.eigenvalues[0] * self.sampler.threshold
        scale = theirs.eigenvalues[0] * other.sampler.threshold / first
        return other.at(own.beta_at(mine.price(known) * scale, theirs))

    @checked
    def translation(self, other: "Loss", spectrum: Spectrum | Count, *, theirs: Spectrum | None = None) -> str:
        """Return one sentence that says which β of another loss is like this one's.

        Parameters
        ----------
        other : Loss
            The other convention.
        spectrum : Spectrum or int
            Of the data for this loss, or the number of features.
        theirs : Spectrum, optional
            Of the data for the other loss, where its likelihood is another one.

        Returns
        -------
        str
            With both names, both β and the price; with what is alike where the price is not.

        Examples
        --------
        >>> print(Loss.preset("beta-vae", 4.0).translation(Loss.preset("pytorch-vae"), 784))
        beta = 4 in beta-vae is kld_weight = 0.00510204 in pytorch-vae (d = 784): τ = 2.
        """
        there = self.equivalent(other, spectrum, theirs=theirs)
        mine, own = _as_far_as_known(spectrum, self, there)
        known = _spectrum(spectrum, mine, own)
        prices = [significant(float(mine.price(known))), significant(float(own.price(theirs or known)))]
        sizes = [f"d = {known.dimension}"] + [f"K = {each.latents}" for each in (self, other) if each.kl == "mean"]
        here, equal = (f"{each.setting} in {each._title}" for each in (self, there))
        alike = f"{here} is {equal} ({', '.join(dict.fromkeys(sizes))}): τ = {prices[0]}"
        if self.likelihood != other.likelihood:
            return f"{alike} and {prices[1]}, each in its own units, at one ratio to the first threshold."
        if self.sampler != other.sampler:
            return f"{alike} and {prices[1]}, where linear models have the same active modes: the samplers differ."
        bound = [each for each in (self, other) if each.constraint and not isinstance(spectrum, Spectrum)]
        return alike + "".join(f", while the constraint of {each._title} does not bind" for each in bound) + "."

    # ------------------------------------------------------------------------------------ output

    def __repr__(self) -> str:
        first, *more = self.setting.split(", ")
        return f"Loss({self.formula}, {first}{f' … {more[-1]}' if more else ''})"

    @property
    def setting(self) -> str:
        """The code base's own knob at this β, or at a list of them; it may divide by the knob."""
        values = np.ravel(1 / self.beta if self.knob.startswith("1/") else self.beta)
        return f"{self.knob.removeprefix('1/')} = {', '.join(significant(float(value)) for value in values)}"

    @property
    def _title(self) -> str:
        return self.formula if self.name in (None, "measured") else str(self.name)

    @property
    def formula(self) -> str:
        """The loss of one sample as a formula."""
        reduction = "mean" if self.reconstruction == "mean" else "Σ"
        factor = "" if self.reconstruction_weight == 1.0 else f"{significant(self.reconstruction_weight)} "
        gap = "" if self.likelihood.squared else " "
        error = f"{factor}{'½ ' if self.half else ''}{reduction}{gap}{self.likelihood.term}"
        if self.learned:
            error += "/σ², σ² learned,"
        elif self.decoder_variance != 1.0:
            error += f"/{significant(float(self.decoder_variance))}"
        weight = "" if self.kl_weight == 1.0 else f"{significant(self.kl_weight)} "
        mean_or_sum = "mean" if self.kl == "mean" else "Σ"
        if self.constraint is not None:
            return self.constraint.formula(error, weight, mean_or_sum)
        return f"{error} + {weight}β {mean_or_sum} KL"

    @checked
    def reductions(self, features: Count) -> str:
        """Return what the loss sums and what it averages, in words that follow "this loss".

        Parameters
        ----------
        features : int
            d.

        Returns
        -------
        str
            One verb where both terms are treated alike, else two.

        Examples
        --------
        >>> Loss.gaussian(reconstruction="mean").reductions(64)
        'averages the error over its 64 features and sums the KL over its latents'
        >>> Loss.gaussian(reconstruction="mean", kl="mean", latents=10).reductions(64)
        'averages the error over its 64 features and the KL over its 10 latents'
        >>> Loss.preset("keras-io", channels=3).reductions(192)
        'sums 0.333333 times the error over its 192 features and the KL over its latents'
        """
        verbs = {"sum": "sums", "mean": "averages"}
        first, second = verbs[self.reconstruction], verbs[self.kl]
        # A weight may stem from another mean, over channels or the batch, so it is part of the statement.
        error, kl = _times(self.reconstruction_weight, "the error"), _times(self.kl_weight, "the KL")
        count = "" if self.latents is None else f"{self.latents} "
        verb = "" if second == first else f"{second} "
        return f"{first} {error} over its {features} features and {verb}{kl} over its {count}latents"

    @checked
    def explain(self, spectrum: Spectrum) -> str:
        """Return in words how β becomes a price.

        Parameters
        ----------
        spectrum : Spectrum
            Of the data.

        Returns
        -------
        str
            A line each for what is summed, for the weights and for the price; then the notes of
            a measured loss.

        Examples
        --------
        >>> spectrum = Spectrum.from_eigenvalues([4, 1])
        >>> print(Loss.gaussian(4.0, reconstruction="mean").explain(spectrum))
        The loss ½ mean(x − x̂)² + β Σ KL averages the error over its 2 features and sums the KL over its latents.
        One squared unit costs a = 0.25, one nat of KL costs b = β (d = 2), so the price of a nat is
        τ = b/2a = 2 β: 8 at β = 4 (T = τ/V = 1.6).
        """
        a, per_beta = self.weights(spectrum.dimension)[0], self.price_per_beta(spectrum)
        sizes = f"d = {self.features or spectrum.dimension}" + (f", K = {self.latents}" if self.kl == "mean" else "")
        weight = "β" if self.kl_weight == 1.0 else f"{significant(self.kl_weight)} β"
        d = self._features_of_model(spectrum.dimension)
        lines = [
            f"The loss {self.formula} {self.reductions(d)}.",
            f"One {self.likelihood.unit} costs a = {significant(a)}{'/σ²' * self.learned}, one nat of KL costs "
            f"b = {weight}{'/K' if self.kl == 'mean' else ''} ({sizes}), so the price of a nat is",
            f"τ = {'b/2a' if self.likelihood.squared else 'b/a'} = {significant(per_beta)} β{' σ²' * self.learned}"
            f"{self._price_in_words(spectrum, per_beta)}",
        ]
        if d > spectrum.dimension:
            lines.append(
                f"The data have {spectrum.dimension} of the model's {d} features: the others are taken to be constant, "
                "which cost nothing."
            )
        if not self.sampler.plain:
            lines.append(self.sampling)
        if self.notes:
            lines.append(" ".join(self.notes))
        if spectrum.of_scores:
            lines.append(spectrum.note)
        elif not self.likelihood.linear_law:
            name = f"a {self.likelihood.title}" if self.likelihood != FAMILY else "this"
            lines.append(
                f"For {name} decoder the first threshold is exact; later ones are those of the collapsed state."
            )
        return "\n".join(lines)

    @property
    def sampling(self) -> str:
        """How z is drawn, and what it does to thresholds."""
        s, ratio = self.sampler, significant(self.sampler.threshold)
        jump = (
            f"with a jump (unstable below {significant(s.unstable)} λ, active states up to {significant(s.spinodal)} λ)"
        )
        return (
            f"z is drawn with {s.words}: in a linear model a mode is lost at τ = {ratio} λ, "
            f"{jump if s.jumps else 'without a jump'}."
        )

    def _price_in_words(self, spectrum: Spectrum, per_beta: float) -> str:
        problem = self.without_price(spectrum)
        if problem is not None:
            return f". {problem}"
        if self.beta.ndim:
            return "."
        tau, demand = float(self.price(spectrum)), self.demand(spectrum)
        more = f"T = τ/V = {significant(tau / spectrum.total_variance)}"
        if demand is not None:
            return f".\n{demand.in_words(float(self.nominal_price(spectrum)), tau)} ({more})."
        if self.learned:
            more += f", σ² = {significant(tau / (per_beta * float(self.beta)))}"
        return f": {significant(tau)} at β = {significant(float(self.beta))} ({more})."

    @classmethod
    @checked
    def from_dict(cls, content: Mapping[str, Any]) -> "Loss":
        """Return the loss that `to_dict` was called on.

        Parameters
        ----------
        content : mapping
            Fields by name. Those that are missing have their defaults, and so has β.

        Returns
        -------
        Loss
            With these fields.

        Examples
        --------
        >>> Loss.from_dict(Loss.gaussian(2.0, half=False).to_dict()).formula
        'Σ(x − x̂)² + β Σ KL'
        """
        known = {each.name for each in fields(cls)} & set(content)
        given = {"beta": 1.0} | {name: content[name] for name in known}
        for name, kind in (("constraint", Constraint), ("sampler", Sampler)):
            if isinstance(part := given.get(name), Mapping):
                needed = {each.name: each.default is MISSING for each in fields(kind)}
                if not {key for key, must in needed.items() if must} <= set(part) <= set(needed):
                    found = f"{name} has the fields {shown(list(part))}, but {', '.join(needed)} are expected"
                    raise InputError(f"{found}: give it as Loss.to_dict has it.", "content")
                given[name] = kind(**part)
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as strict JSON.

        Returns
        -------
        dict
            The formula and every field, the likelihood by its name.
        """
        content = {"formula": self.formula} | {each.name: getattr(self, each.name) for each in fields(self)}
        constraint = None if self.constraint is None else self.constraint.to_dict()
        own = {"likelihood": self.likelihood.name, "constraint": constraint, "sampler": self.sampler.to_dict()}
        return jsonable(content | own)


def _checked_beta(beta: Numbers) -> Array:
    """Return β as a sealed array."""
    values = numbers(beta, "beta")
    valid = np.isfinite(values) & (values > 0)
    if values.size == 0 or not np.all(valid):
        value = "missing" if valid.size == 0 else values[~valid].flat[0]
        reason = "without a KL term information has no price and nothing collapses"
        raise InputError(f"beta is {value}, but a positive finite number is expected: {reason}.", "beta")
    return readonly(values)


def _computable(price: Array) -> Array:
    """Return a price; raises `InputError` unless it can be computed with."""
    if not np.all((price > LEAST) & (price < MOST)):
        advice = "choose a β and a decoder variance nearer to the data's own scale"
        raise InputError(f"The price τ is beyond what can be computed ({LEAST:g} … {MOST:g}): {advice}.", "beta")
    return price


def _times(weight: float, term: str) -> str:
    return term if weight == 1.0 else f"{significant(weight)} times {term}"


def _as_far_as_known(spectrum: Spectrum | int, *losses: Loss) -> tuple[Loss, ...]:
    """Return losses, without data those that charge β for a nat beyond C as where this does not bind."""
    if isinstance(spectrum, Spectrum):
        return losses
    return tuple(replace(x, constraint=None) if x.constraint and x.constraint.charges_beta else x for x in losses)


def _spectrum(spectrum: Spectrum | int, *losses: Loss) -> Spectrum:
    """Return a spectrum, made of the number of features where losses depend on nothing else."""
    if isinstance(spectrum, Spectrum):
        return spectrum
    if any(loss.learned or loss.constraint for loss in losses):
        part = "a learned decoder variance" if any(loss.learned for loss in losses) else "a constrained loss"
        raise InputError(f"The price of {part} depends on the data's spectrum: give it.", "spectrum")
    return replace(Spectrum.from_eigenvalues(np.ones(spectrum)), likelihood=losses[0].likelihood)
