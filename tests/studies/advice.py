"""Carry out what the first finding advises, train again, and see whether that cures the model.

python tests/studies/advice.py --cache DIR

A cure is the change of the setting that the named cause and its advice call for. Where β is recommended, it is
`recommendations[0].beta`, which promises a number of active latents. A model is cured if nothing alarms any more, the
measured price is that of its loss, and as many latents are active as were promised, give or take one. Writes
advice.json.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge import CAUSES, Record, truth_of
from models import Setting, Trained, kept, load, once, path_of, save
from record import rounded, written

LONG: dict[str, Any] = {"rate": 5e-3, "schedule": "cosine", "start": 1.0}
LEAST = 16_000  # updates of a model that is to be at rest
WEIGHT: dict[str, Any] = {"factor": 1.0}

CURES: dict[str, dict[str, Any]] = {  # cause → what its advice changes
    "kl-weight": WEIGHT,
    "features-averaged": WEIGHT,
    "latents-averaged": WEIGHT,
    "batch": WEIGHT,
    "warm-up": {"warm_up": 0.3, "schedule": "cosine", "rate": 5e-3},
    "updates": LONG,
    "plateau": LONG,
    "learning-rate": {"rate": 2e-3},
    "frozen-variance": {"sigma": "exp"},
    "softplus-head": {"sigma": "exp"},
    "free-bits": {"free_bits": 0.0},
    "free-bits-total": {"total_bits": 0.0},
    "masked-kl": {"free": 0},
    "too-few-latents": {"latents": 10},
    "one-sided-mean": {"mu": "linear"},
    "metastable": {"warm_up": 0.6, "updates": 20_000},
}
SICK = (
    "slip-kl-x2-digits-0", "slip-kl-x2-cells-1", "slip-kl-x10-digits-0", "slip-kl-x10-clusters-2",
    "slip-kl-x0.1-cells-1", "slip-features-averaged-digits-0", "slip-features-averaged-clusters-2",
    "slip-latents-averaged-digits-0", "slip-batch-summed-cells-1", "slip-warm-up-ended-cells-1",
    "slip-few-updates-cells-1", "slip-plateau-cells-1", "slip-rate-too-large-digits-0", "slip-sigma-frozen-digits-0",
    "slip-sigma-softplus-digits-0", "slip-free-bits-factors-1", "slip-total-bits-wine-2", "slip-kl-masked-digits-0",
    "slip-too-few-latents-digits-0", "slip-too-few-latents-tumours-2", "gauss-64-relu-K6-0.1-mu=relu",
    "clusters-128-relu-K4-1.25-schedule=drop",
)  # fmt: skip
LOWER = (  # models of which the next onset is told: one that has rightly collapsed, and right ones with spare latents
    "digits-128-relu-K10-1.2", "digits-64-silu-K10-0.9-form=variance", "digits-64-silu-K10-0.3-batch_norm=True",
    "gauss-32-relu-K6-0.2-seed=1", "exponential-64-relu-K4-0.3-seed=1", "wine-16-tanh-K3-0.5-seed=1",
    "breast_cancer-32-relu-K6-0.1", "worldclim-64x64-silu-K6-0.3-trainer=package", "digits-counts-64-silu-K6-0.3",
)  # fmt: skip


def cured(trained: Trained, cache: Path) -> Record:
    """Carry out the advice of the first finding, if it names the cause."""
    cause, first = CAUSES[truth_of(trained)], trained.diagnose().findings[0]
    changes = CURES[cause] if cause in first.evidence.get("causes", ()) else {}
    return outcome(trained, cache, changes)


def lowered(trained: Trained, cache: Path) -> Record:
    """Take the β that the first recommendation names, for one more latent."""
    found = trained.diagnose()
    advice = found.recommendations[0]
    price = advice.beta * float(found.loss.price_per_beta(found.spectrum))
    return outcome(trained, cache, {"price": price / trained.first_threshold}, advice.latents)


def outcome(trained: Trained, cache: Path, changes: dict[str, Any], promised: int | None = None) -> Record:
    """Train the changed setting, long enough to come to rest, and return what became of the model."""
    s, before = trained.setting, trained.diagnose()
    longer = {"name": f"advice-{s.name}", "truth": "healthy", "updates": max(s.updates, LEAST)}
    after = again(replace(s, **longer | changes), cache).diagnose()
    active, alarms = int(after.is_active.sum()), [each.code for each in after.findings if each.alarm]
    price = after.price_in_effect
    return {
        "name": s.name,
        "truth": truth_of(trained),
        "first": next(iter(before.codes), None),
        "changes": changes,
        "before": int(before.is_active.sum()),
        "active": active,
        "promised": promised,
        "first_after": next(iter(after.codes), None),
        "alarms": alarms,
        "price": None if price is None else rounded(price / after.price),
        "cured": bool(changes) and not alarms and (promised is None or abs(active - promised) <= 1),
    }


def again(s: Setting, cache: Path) -> Trained:
    """Train a setting, unless that was done."""
    if not kept(s, cache):
        save(once(s), cache)
    return load(path_of(s, cache))


def main() -> None:
    """Print and write what became of each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".studies"))
    cache, rows = parser.parse_args().cache, []
    for name in SICK + LOWER:
        trained = load(cache / f"{name}.pkl")
        rows.append(each := (cured if name in SICK else lowered)(trained, cache))
        print(*each.values(), sep=" | ", flush=True)
    print(f"{sum(each['cured'] for each in rows)} of {len(rows)} are cured.")
    written("advice.json", rows, cured=sum(each["cured"] for each in rows))


if __name__ == "__main__":
    main()
