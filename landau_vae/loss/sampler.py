"""How z is drawn from what an encoder gives, and which posteriors an encoder can give.

z = μ + c σ ε,    KL(N(μ, σ²) ‖ N(m, v))
"""

from dataclasses import dataclass
from typing import Any

from landau_vae.checks import Positive, check_fields


@dataclass(frozen=True)
class Sampler:
    """A departure from z = μ + σ ε with a free σ and the prior N(0, 1).

    Examples
    --------
    >>> Sampler(noise_scale=0.5)
    Sampler(noise_scale=0.5, variance=None, least=None, most=None, log_std=False)
    """

    noise_scale: Positive = 1.0  #: c: the noise is drawn c times as wide as the posterior that the KL charges
    variance: Positive | None = None  #: σ² where it is frozen
    least: Positive | None = None  #: σ² that the head cannot go below (softplus, ReLU, clamped log-variance)
    most: Positive | None = None  #: σ² that the head cannot go above
    log_std: bool = False  #: whether the sampler takes the KL's log-variance for ln σ, so that its noise is σ² ε

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def plain(self) -> bool:
        """Whether z is drawn from the posterior that the KL charges, which is any normal distribution."""
        return self == Sampler()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return dict(vars(self))
