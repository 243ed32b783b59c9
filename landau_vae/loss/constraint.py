"""Constraints on the rate or on the distortion, in place of a plain β KL.

hinge       β max(R, C)           absolute    β |R − C|          square    β (R − C)²
target      R = C                 distortion  ⟨error⟩ = C (GECO)
"""

from dataclasses import dataclass
from typing import Any, Literal

from landau_vae.checks import Positive, check_fields

Kind = Literal["hinge", "absolute", "square", "target", "distortion"]
Per = Literal["mean", "sample", "latent"]


@dataclass(frozen=True)
class Constraint:
    """What a loss demands of the rate, or of the distortion.

    Examples
    --------
    >>> Constraint("hinge", 2.0)
    Constraint(kind='hinge', value=2.0, per='mean')
    """

    kind: Kind  #: what is done with the difference to `value`
    value: Positive  #: C, nats of all latents together; of each with per="latent"; the loss's own unit of a distortion
    per: Per = "mean"  #: of what the rate is: the mean over rows, each row, or the mean of each latent

    def __post_init__(self) -> None:
        check_fields(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return dict(vars(self))
