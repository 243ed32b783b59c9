"""Do rows that follow one another move an eigenvalue alike? Neighbouring runs of rows are compared, length by length.

    z = Σ_i q_i q_{i+1} / √(Σ_i q_i² q_{i+1}²),    q_i = Σ_{rows of run i} IF(λ_k),    runs of 1, 2, 4, … rows

Of independent rows z is nearly standard normal, or narrower where tails are heavy. It is
formed for every mode and for the scalar product of all, and the largest is compared with the
normal quantile for so many. What a dependence does to errors is Σ(run q)² / Σ(row q)², of the
longest runs whose halves are still alike. Runs end where a block of rows that is worked on ends.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from landau_vae.display import Array
from landau_vae.limits import FALSE_ORDER, RUNS_COMPARED


@dataclass(frozen=True)
class Order:
    """What rows that follow one another have in common."""

    length: int = 1  #: of the longest runs whose halves are alike, in rows (blocks); 1 if rows are not
    inflation: float = 1.0  #: variance of λ_k by such runs, over that by rows, of the mode that shows it best


class Runs:
    """Sums over neighbouring runs, for each length: Σ q q', Σ (q q')² for each mode and for all, Σ q², their number."""

    def __init__(self, modes: int) -> None:
        self.modes, self.levels = modes, list[Array]()

    def add(self, own: Array) -> None:
        """Take consecutive units' influence functions, (units, modes)."""
        run, level = own, 0
        while len(run) > 1:
            if level == len(self.levels):
                self.levels.append(np.zeros((4, self.modes + 1)))
            into, square, product = self.levels[level], run**2, run[:-1] * run[1:]
            size = square.mean(axis=0)
            together = product @ np.divide(1, size, out=np.zeros_like(size), where=size > 0)
            into[0] += np.append(product.sum(axis=0), together.sum())
            product *= product
            into[1] += np.append(product.sum(axis=0), together @ together)
            into[2, :-1] += square.sum(axis=0)
            into[3] += len(run)
            even = len(run) // 2 * 2
            run, level = run[:even:2] + run[1:even:2], level + 1

    @np.errstate(divide="ignore", invalid="ignore")
    def found(self) -> Order:
        """Return what the units have in common."""
        levels = np.array([each for each in self.levels if each[3, 0] >= RUNS_COMPARED])
        if not levels.size:
            return Order()
        z = np.nan_to_num(levels[:, 0] / np.sqrt(levels[:, 1]))
        alike = z > ndtri(1 - FALSE_ORDER / z.size)
        if not alike.any():
            return Order()
        longest = int(np.flatnonzero(alike.any(axis=1))[-1])
        by_run = levels[:, 2, :-1]
        inflation = by_run[min(longest + 2, len(levels) - 1)] / by_run[0]  # what is left beyond is not resolved
        best = int(z.max(axis=0).argmax())
        return Order(2 ** (longest + 1), float(inflation[best] if best < self.modes else np.nanmedian(inflation)))
