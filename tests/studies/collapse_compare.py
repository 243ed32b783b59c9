"""Predict the first collapse of the study's rows, and compare with the networks that were trained on them.

python tests/studies/collapse_compare.py predict [NAME …]   # 20 minutes; resumes; into collapse_predicted.json
python tests/studies/collapse_compare.py table              # of both records, as it stands in README.md

Order: first-order if a latent is in use at λ₁ (by more than 0.01 nats), where a continuous collapse is complete. Place:
where F = F₀. It agrees within 10 %.
"""

import argparse
from typing import Any

import numpy as np
from collapse_limit import limit
from collapse_observed import Observed, active, observed
from collapse_sets import SETS, condensed, rows
from record import HERE, read, rounded, written

from landau_vae.networks import first_collapse

PREDICTED = "collapse_predicted.json"
DEGREES = {"clusters": 6}  # where the degree is not left to `first_collapse`: with 8 none of its starts comes to rest
ALLOWED = 0.1  # share of the predicted price, between it and the Maxwell point of the networks
HEAD = "| data | order | τ_M | no limit | τ_s | networks | F = F₀ | warm collapse | fresh collapse | order | place |"

Prediction = dict[str, Any]


def predicted(name: str) -> Prediction:
    """Return the prediction on the rows of a set, by a polynomial decoder and by one without limit."""
    x, (some, share) = rows(name), condensed(name)
    found, free = first_collapse(some, share, order=DEGREES.get(name)), limit(some, share)
    return {
        "data": name, "rows": len(x), "features": x.shape[1], "threshold": rounded(found.first), "degree": found.order,
        "maxwell": rounded(found.maxwell.price), "change": rounded(found.change),
        "error": rounded(found.maxwell.error), "spinodal": rounded(found.spinodal.price),
        "jump": rounded(found.jump[1]),
        "few_live_to": rounded(max((phase.stop for phase in found.outliers), default=np.nan)),
        "stable": _branch(found.stable), "unstable": _branch(found.unstable),
        "unlimited": {key: rounded(value) for key, value in vars(free).items()},
    }  # fmt: skip


def _branch(states: Any) -> dict[str, list[float]]:
    return {"ratio": rounded(states.price), "loss": rounded(states.loss), "rate": rounded(states.rate)}


def first_order(prediction: Prediction) -> bool:
    """Return whether the latent of the free decoder is in use at λ₁."""
    branch = prediction["stable"]
    at_threshold = {key: float(np.interp(1.0, branch["ratio"], branch[key])) for key in ("loss", "rate")}
    return branch["ratio"][-1] >= 1 and active(at_threshold)


def agreement(prediction: Prediction, seen: Observed) -> tuple[bool, bool]:
    """Return whether networks agree in order, and in place."""
    return first_order(prediction) == seen.first_order, abs(seen.maxwell / prediction["maxwell"] - 1) <= ALLOWED


def line(prediction: Prediction, seen: Observed) -> str:
    """Return a line of the table."""
    order = {True: "first", False: "continuous"}
    spans = (
        f"{low:g}–{high:g}" if np.isfinite(high) else f"> {low:g}" for low, high in (seen.warm_ends, seen.fresh_ends)
    )
    cells = [
        prediction["data"], order[first_order(prediction)], f"{prediction['maxwell']:.3f}",
        f"{prediction['unlimited']['maxwell']:.3f}", f"{prediction['spinodal']:.3f}", order[seen.first_order],
        f"{seen.maxwell:.3f} ± {seen.error:.3f}", *spans,
        *("yes" if agrees else "no" for agrees in agreement(prediction, seen)),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table(networks: list[dict[str, Any]], predictions: list[Prediction]) -> str:
    """Return the table of all sets."""
    lines = [line(each, observed(networks, each["data"])) for each in predictions]
    return "\n".join([HEAD, "|" + "---|" * HEAD.count(" | ") + "---|", *lines])


def predict(names: list[str]) -> None:
    """Predict what the record lacks, and write it after each set."""
    kept = read(PREDICTED)["models"] if (HERE / PREDICTED).exists() else []
    for name in names:
        if name not in {each["data"] for each in kept}:
            kept = sorted([*kept, predicted(name)], key=lambda each: SETS.index(each["data"]))
            written(PREDICTED, kept)
            print(name, [each["maxwell"] for each in kept if each["data"] == name], flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["predict", "table"])
    parser.add_argument("names", nargs="*", default=SETS)
    chosen = parser.parse_args()
    if chosen.command == "predict":
        predict(chosen.names)
    else:
        print(table(read("collapse.json")["models"], read(PREDICTED)["models"]))


if __name__ == "__main__":
    main()
