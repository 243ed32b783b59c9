"""The numbers that decide verdicts, each with what it limits and where it was measured.

A `Limit` is a float that knows its meaning and its origin; `table()` lists them all. A rule that needs another number
adds it here. Every one that was measured names the models or data it was measured on.
"""

from landau_vae.display import Column, Table

__all__ = ["Limit", "table"]


class Limit(float):
    """A number that decides a verdict.

    >>> limit = Limit(0.1, "M² from which a latent is active", "Hirn, arXiv:2605.22691")
    >>> 0.2 > limit, limit.meaning
    (True, 'M² from which a latent is active')
    """

    meaning: str  #: what it limits, with its unit
    origin: str  #: a source, or where and on what it was measured

    def __new__(cls, value: float, meaning: str, origin: str) -> "Limit":
        """Make the number and remember where it is from."""
        limit = super().__new__(cls, value)
        limit.meaning, limit.origin = meaning, origin
        return limit


def table() -> Table:
    """Return all limits: name, value, meaning, origin."""
    limits = {name: value for name, value in globals().items() if isinstance(value, Limit)}
    return Table(
        [
            Column("limit", list(limits), text=True),
            Column("value", list(limits.values()), lambda value: f"{value:g}"),
            Column("meaning", [each.meaning for each in limits.values()], text=True),
            Column("origin", [each.origin for each in limits.values()], text=True),
        ]
    )


# ---------------------------------------------------------------------------------- of both: diagnosis and verification

ACTIVE = Limit(0.1, "M² from which a latent counts as active", "J. Hirn, arXiv:2605.22691")

# ------------------------------------------------------------------------------------ slips of convention

FACTOR_OF_SLIP = Limit(
    0.05, "|ln| of the ratio of two factors on every threshold that are taken for the same", "chosen; not measured"
)
PRICE_OF_SLIP = Limit(
    0.1, "|ln| of the ratio of two prices of one model that are taken for the same", "chosen; not measured"
)
