"""Judge a diagnosis by what is known to be true of the model: `judged`, and over many models `summary`.

A slip is named if the first finding has its cause in `evidence["causes"]`. A healthy model is one without a false
alarm; only settled ones count. Where all latents of a healthy model are rightly inactive ("certified"), the right
answer is that the price is too high, with the certificate.
"""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from models import Setting, Trained
from record import rounded

from landau_vae.findings import Finding

Record = dict[str, Any]

CAUSES = {
    "kl-x10": "kl-weight",
    "kl-x2": "kl-weight",
    "kl-x0.1": "kl-weight",
    "features-averaged": "features-averaged",
    "latents-averaged": "latents-averaged",
    "batch-summed": "batch",
    "warm-up-ended": "warm-up",
    "few-updates": "updates",
    "plateau": "plateau",
    "rate-too-large": "learning-rate",
    "variance-learned": "variance-learned",
    "sigma-frozen": "frozen-variance",
    "sigma-softplus": "softplus-head",
    "offset": "offset",
    "exploded": "diverged",
    "free-bits": "free-bits",
    "total-bits": "free-bits-total",
    "kl-masked": "masked-kl",
    "too-few-latents": "too-few-latents",
    "units-x16": "data-units",
    "units-x255": "data-units",
    "rows-shuffled": "shuffled-rows",
    "logits-for-means": "logits-for-means",
    "condition-undeclared": "conditional-decoder",
    "teacher-undeclared": "teacher-forcing",
    "latents-of-another": "latents",
    "features-of-another": "features",
    "odd head": "one-sided-mean",
    "metastable": "metastable",
    "certified": "price-too-high",
}  # fmt: skip  # truth → cause

OWN = ("training rows", "constant rate")  # kinds of which the intervals of prices are checked
UNUSED = 0.001  # nats, below which no latent is used


def truth_of(trained: Trained) -> str:
    """Return what is true of a model: a healthy one may use no latent, and rightly so."""
    s = trained.setting
    return "certified" if s.healthy and trained.rate < UNUSED else s.truth


def kind_of(s: Setting) -> str:
    """Return what the measurement of a healthy model has to cope with."""
    if s.judged == "held-out":
        return "held-out rows"
    if s.batch_norm or any(s.dropout) or s.mu == "batch norm":
        return "batch norm, dropout"
    other = {"averaged weights": s.ema, "stopped early": s.patience, "constant rate": s.schedule == "constant"}
    return next((kind for kind, applies in other.items() if applies), "training rows")


def named(truth: str, findings: tuple[Finding, ...]) -> bool:
    """Return whether the first finding names the truth; a metastable state without an alarm, a collapse certified."""
    if truth not in CAUSES or not findings:  # nothing is wrong
        return truth not in CAUSES and not any(each.alarm for each in findings)
    first = findings[0]
    if (truth == "metastable" and first.alarm) or (truth == "certified" and first.evidence.get("gain") != 0):
        return False
    return CAUSES[truth] in first.evidence.get("causes", ())


def judged(trained: Trained) -> Record:
    """Return what a diagnosis finds in a model, with its decoder and without, beside the truth."""
    begin = time.process_time()
    found = trained.diagnose()
    findings = found.findings  # which are found when they are first asked for
    seconds, truth, s = time.process_time() - begin, truth_of(trained), trained.setting
    first = findings[0] if findings else None
    record = {
        "name": s.name,
        "truth": truth,
        "kind": kind_of(s),
        "data": s.data,
        "seed": s.seed,
        "settled": trained.settled if s.healthy else None,
        "first": first.code if first else None,
        "severity": first.severity if first else None,
        "causes": list(first.evidence.get("causes", ())) if first else [],
        "named": named(truth, findings),
        "alarms": _alarms(findings),
        "alarms_without_decoder": _alarms(trained.diagnose(decode=False).findings),
        "active": int(found.is_active.sum()),
        "seconds": round(seconds, 2),
    }
    return record | (measured(trained, found) if truth == "healthy" else {})


def _alarms(findings: tuple[Finding, ...]) -> list[str]:
    return [each.code for each in findings if each.alarm]


def measured(trained: Trained, found: Any) -> Record:
    """Return measurements of a healthy model over their true values: prices, onset, slope, shift."""
    others, c = trained.diagnose(rows="held-out"), trained.price
    same = trained.setting.judged == "training"
    onset = np.nan if found.following is None else found.following.value / c
    return {
        "price": None if found.price_in_effect is None else rounded(found.price_in_effect / c),
        "price_error": None if found.price_in_effect is None else rounded(found.price_in_effect_error / c),
        "width": rounded(found.prices.width / c) if found.prices else [],
        "width_error": rounded(found.prices.width_error / c) if found.prices else [],
        "mean": rounded(found.prices.mean / c) if found.prices else [],
        "width_held_out": rounded(others.prices.width / c) if others.prices else [],
        "alarms_held_out": _alarms(others.findings) if same else [],
        "second_moment": rounded(found.posterior.second_moment[found.is_active]),
        "onset": rounded(onset),
        "spare": found.spare,
        "slope": rounded(found.measured.slope) if found.measured else None,
        "shift": rounded(found.measured.shift) if found.measured else None,
    }


# ------------------------------------------------------------------------------------------- over many models


def summary(records: list[Record]) -> Record:
    """Return counts over models: false alarms, truths that were named, coverage, and spreads of measurements."""
    healthy = [each for each in records if each["truth"] == "healthy"]
    settled = [each for each in healthy if each["settled"]]
    truths = dict.fromkeys(each["truth"] for each in records if each["truth"] != "healthy")
    return {
        "healthy": {
            "settled": len(settled),
            "false alarms with decoder": _with(settled, "alarms"),
            "false alarms without decoder": _with(settled, "alarms_without_decoder"),
            "false alarms on held-out rows": _with(settled, "alarms_held_out"),
            "not settled": len(healthy) - len(settled),
            "alarms of those": _with([each for each in healthy if not each["settled"]], "alarms"),
        },
        "named": {truth: _named([each for each in records if each["truth"] == truth]) for truth in truths},
        "coverage": coverage(settled) if settled else {},
        "spreads": spreads(settled) if settled else {},
        "seconds": rounded(float(np.median([each["seconds"] for each in records]))),
    }


def _with(records: list[Record], key: str) -> list[str]:
    return [each["name"] for each in records if each[key]]


def _named(records: list[Record]) -> Record:
    return {
        "models": len(records),
        "named": sum(each["named"] for each in records),
        "alarms": sum(bool(each["alarms"]) for each in records),
        "place": [_place(each) for each in records],
        "causes listed": [len(each["causes"]) for each in records],
        "first": [f"{each['first']} ({each['severity']})" for each in records],
    }


def _place(record: Record) -> int | None:
    """Return at which place the causes of the first finding have the truth, counted from 1."""
    cause = CAUSES.get(record["truth"])
    return record["causes"].index(cause) + 1 if cause in record["causes"] else None


def coverage(records: list[Record], floor: float = 0.0) -> Record:
    """Return how often ± 1.96 standard errors hold the true price, of models on their training rows.

    `floor` is added to the error, in squares.
    """
    own = [each for each in records if each["kind"] in OWN and each["price"] is not None]
    pairs = [(each["price"], each["price_error"]) for each in own]
    latents = [pair for each in own for pair in zip(each["width"], each["width_error"], strict=True)]
    return {name: _covered(np.array(each), floor) for name, each in {"models": pairs, "latents": latents}.items()}


def _covered(pairs: np.ndarray, floor: float) -> Record:
    off, error = pairs[:, 0] - 1, np.hypot(pairs[:, 1], floor)
    return {
        "n": len(off),
        "covered": rounded(float(np.mean(np.abs(off) <= 1.96 * error))),
        "mean off": rounded(float(off.mean())),
        "r.m.s. off": rounded(float(np.sqrt(np.mean(off**2)))),
        "r.m.s. off over error": rounded(float(np.sqrt(np.mean((off / error) ** 2)))),
        "median error": rounded(float(np.median(error))),
    }


def spreads(records: list[Record]) -> Record:
    """Return how measurements of healthy models scatter: prices over the true one by kind, and what else is tested."""
    kinds = dict.fromkeys(each["kind"] for each in records)
    by_kind = {f"ĉ_σ/c, {kind}": _all([e for e in records if e["kind"] == kind], "width") for kind in kinds}
    spare = [each for each in records if each["spare"] and each["onset"] is not None]
    return {name: quantiles(values) for name, values in by_kind.items()} | {
        "ĉ_σ/c, held-out rows of all": quantiles(_all(records, "width_held_out")),
        "ĉ_μ/c": quantiles(_all(records, "mean")),
        "ln A²": quantiles(np.log(_all(records, "second_moment"))),
        "median |ln A²| of a model": quantiles(
            [np.median(np.abs(np.log(each["second_moment"]))) for each in records if each["second_moment"]]
        ),
        "Λ*/c, with spare latents": quantiles([each["onset"] for each in spare]),
        "Λ*/c, all latents active": quantiles(
            [e["onset"] for e in records if not e["spare"] and e["onset"] is not None]
        ),
        "slope": quantiles([each["slope"] for each in records if each["slope"] is not None]),
        "shift": quantiles([each["shift"] for each in records if each["shift"] is not None]),
    }


def _all(records: list[Record], key: str) -> list[float]:
    return [value for each in records for value in each[key] if value is not None]


def quantiles(values: Iterable[float]) -> Record:
    """Return least, greatest and the middle of some numbers."""
    numbers = np.asarray(list(values), dtype=float)
    if not numbers.size:
        return {"n": 0}
    shares = {"least": 0, "5 %": 5, "median": 50, "95 %": 95, "greatest": 100}
    return {"n": len(numbers)} | {name: rounded(float(np.percentile(numbers, at))) for name, at in shares.items()}


def table(found: Record) -> str:
    """Return the summary as Markdown."""
    lines = [
        "| truth | models | named | with an alarm | at place | of causes | first finding |",
        "|---|---|---|---|---|---|---|",
    ]
    for truth, each in found["named"].items():
        first = ", ".join(dict.fromkeys(each["first"]))
        places, listed = _span(each["place"]), _span(each["causes listed"])
        counts = f"{each['models']} | {each['named']} | {each['alarms']}"
        lines.append(f"| {truth} | {counts} | {places} | {listed} | {first} |")
    healthy = found["healthy"]
    lines += ["", f"Healthy, settled: {healthy['settled']} models."]
    lines += [
        f"- {key}: {len(value)}{' (' + ', '.join(value) + ')' if value else ''}"
        for key, value in healthy.items()
        if isinstance(value, list)
    ]
    lines += ["", "| | n | covered | mean off | r.m.s. off | over the error |", "|---|---|---|---|---|---|"]
    for name, each in found["coverage"].items():
        numbers = (each["n"], each["covered"], each["mean off"], each["r.m.s. off"], each["r.m.s. off over error"])
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} |")
    lines += ["", "| | n | least | 5 % | median | 95 % | greatest |", "|---|---|---|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(map(str, each.values()))} |" for name, each in found["spreads"].items()]
    return "\n".join(lines)


def _span(values: list[int | None]) -> str:
    known = [value for value in values if value is not None]
    ends = sorted({min(known), max(known)}) if known else []
    return "–".join(map(str, ends)) or "-"
