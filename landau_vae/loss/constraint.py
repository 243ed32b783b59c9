"""Constraints on the rate or on the distortion, in place of a plain β KL.

    hinge   β max(R, C)      absolute   β |R − C|      square   β (R − C)²
    target  β such that R = C                          distortion  β such that ⟨error⟩ = C

`price_in_effect` says which price of a nat results.
"""

from dataclasses import dataclass
from typing import Any, Literal

from landau_vae.checks import Positive, check_fields, checked
from landau_vae.display import significant
from landau_vae.errors import InputError

Kind = Literal["hinge", "absolute", "square", "target", "distortion"]
Per = Literal["mean", "sample", "latent"]


@dataclass(frozen=True)
class Constraint:
    """What a loss demands of the rate, or of the distortion.

    `kind` says what takes the place of the rate R = ⟨KL⟩ in the loss: max(R, C) for "hinge"
    (free bits in total, World Models, sketch-rnn), |R − C| for "absolute", (R − C)² for
    "square". For "target" a controller moves β until R = C (ControlVAE; with an upper bound on
    its β it is a "hinge" at that bound). For "distortion" the reconstruction term is held at C
    (GECO, with the term's own sums, means and weights).

    With `per="latent"` each latent has C free nats on the average over rows (free bits as in
    Kingma et al., arXiv:1606.04934).

    With `per="sample"` the KL of each row stands in place of R (World Models, MusicVAE, pythae),
    and the price returned is that of a constraint on the mean, as if the KL of all rows were the
    same. How far that is off was measured on 126 linear decoders of Gaussian rows with linear or
    free encoders (tests/studies/constraint_per_row.py). Limits at half the rate without them
    change nothing; at that rate itself the price is 0.61 … 0.84 and the rate 1.13 … 1.27 times
    the one returned. A binding "hinge" or "absolute" has 0.90 … 1.29 times the price and
    0.86 … 1.06 times the rate where the KL of rows has a spread (sd/mean) below 0.2 (30
    latents), and 0.71 … 3.48 and 0.86 … 1.30 times up to a spread of 0.84 (one latent).
    A "square" has 0.84 … 2.66 times the price and 0.98 … 1.03 times the rate. So the rate is
    known, and the price of few latents is not.

    Examples
    --------
    >>> Constraint("hinge", 2.0)
    Constraint(kind='hinge', value=2.0, per='mean')
    >>> Constraint("hinge", 2.0).formula("Σ(x − x̂)²", "", "Σ")
    'Σ(x − x̂)² + β max(⟨Σ KL⟩, 2)'
    """

    kind: Kind  #: what is done with the difference to `value`
    value: (
        Positive  #: C: nats, of the sum or the mean of the KL as the loss has it; the loss's own unit of a distortion
    )
    per: Per = "mean"  #: of what the rate is: the mean over rows, each row, or the mean of each latent

    def __post_init__(self) -> None:
        check_fields(self)
        if self.per == "latent" and self.kind != "hinge":
            raise InputError(
                "A constraint on each latent has to be free bits: give kind='hinge' with per='latent'.", "per"
            )
        if self.per == "sample" and self.sets_price:
            raise InputError(f"A {self.kind} is reached on the average over rows: leave per='sample' out.", "per")

    @property
    def sets_price(self) -> bool:
        """Whether the price follows from C alone, whatever β."""
        return self.kind in ("target", "distortion")

    @property
    def charges_beta(self) -> bool:
        """Whether a nat beyond C costs β."""
        return self.kind in ("hinge", "absolute")

    @checked
    def formula(self, error: str, weight: str, reduction: str) -> str:
        """Return the loss as a formula.

        Parameters
        ----------
        error : str
            The reconstruction term.
        weight : str
            A further factor of β, with a space after it; may be empty.
        reduction : str
            What is done over latents, "Σ" or "mean".

        Returns
        -------
        str
            With ⟨…⟩ for the mean over rows.
        """
        limit = significant(self.value)
        if self.sets_price:
            held = f"{reduction} KL" if self.kind == "target" else error
            return f"{error} + {weight}β {reduction} KL, β such that ⟨{held}⟩ = {limit}"
        outer, rate = "", f"⟨{reduction} KL⟩"
        if self.per == "latent":
            outer, rate = f"{reduction} ", "⟨KL⟩"
        if self.per == "sample":
            rate = f"{reduction} KL"
        shapes = {"hinge": f"max({rate}, {limit})", "absolute": f"|{rate} − {limit}|", "square": f"({rate} − {limit})²"}
        charged = f"⟨{shapes[self.kind]}⟩" if self.per == "sample" else shapes[self.kind]
        return f"{error} + {weight}β {outer}{charged}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return dict(vars(self))
