"""The rows of a spectrum, to be gone through again: about their mean, in its unit, block by block."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from landau_vae.data.moments import Again
from landau_vae.display import Array
from landau_vae.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows z with ⟨z zᵀ⟩ = C, each times the root of its weight."""

    again: Again | None  #: goes through them; None in copies of a spectrum
    mean: Array  #: (d,)
    unit: Array | None  #: to divide columns by, (d,), or to multiply rows by, (d, d)
    factor: float  #: of C, over the mean weight

    def blocks(self) -> Iterator[Array]:
        """Yield z by blocks, (rows, d); where the source is no longer what it was, they end early."""
        with suppress(InputError):
            for rows, weights in self.again() if self.again else ():
                if rows.shape[1:] != self.mean.shape:
                    return
                block: Array = np.subtract(rows, self.mean, dtype=np.float64)
                if self.unit is not None:
                    block = block / self.unit if self.unit.ndim == 1 else block @ self.unit
                share = np.array(self.factor) if weights is None else weights[:, None] * self.factor
                yield np.multiply(block, np.sqrt(share), out=block)
