"""Are right networks of any likelihood healthy, and is their price the stated one?

    python tests/studies/any_likelihood.py                # ten minutes; into any_likelihood.json

Networks of ten likelihoods (`tests/likelihood_cases.py`: 2000 rows, two common causes), one hidden layer of 32, three
latents, 4000 updates of Adam, at four prices from above the first threshold down, each warmed up from the colder one,
three seeds. Each is diagnosed with its decoder, at its price and at a third of it. Recorded are the verdicts, M², rates
and the price in effect over the stated one, by the widths of each latent.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from likelihood_cases import NAMES, first, likelihood, networks, rows

import landau_vae as lv
from landau_vae.loss import Loss
from landau_vae.training import trained_model

RATIOS, SEEDS, UPDATES, LATENTS = (1.15, 0.7, 0.4, 0.2), 3, 4000, 3
RECORD = Path(__file__).with_suffix(".json")


def diagnosed(name, model, price):
    law, x = likelihood(name), rows(name)
    mean, log_variance = model.encode(x)
    options = {"log_variance": log_variance, "data": x, "decode": model.output}
    return lv.diagnose(mean, loss=Loss.of(law, price), **options)


def main():
    record = []
    for name in NAMES:
        for seed in range(SEEDS):
            models = networks(name, RATIOS, LATENTS, UPDATES, seed)
            for ratio, temperature in zip(RATIOS, models.temperature.values, strict=True):
                model, price = trained_model(models, temperature, likelihood=likelihood(name)), ratio * first(name)
                right, wrong = diagnosed(name, model, price), diagnosed(name, model, price / 3)
                prices = [] if right.prices is None else (right.prices.width / price).round(4).tolist()
                record.append(
                    {
                        "likelihood": likelihood(name).name, "seed": seed, "ratio": ratio, "verdict": right.verdict,
                        "codes": list(right.codes), "signal": right.posterior.signal_fraction.round(4).tolist(),
                        "rate": right.posterior.rate.round(4).tolist(), "prices": prices, "at_a_third": wrong.verdict,
                    }
                )  # fmt: skip
                print(record[-1], flush=True)
    RECORD.write_text("[\n" + ",\n".join(map(json.dumps, record)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
