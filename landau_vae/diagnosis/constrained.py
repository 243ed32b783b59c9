"""A model whose loss has a constraint is at rest under a plain loss too: the one at the β of the price in effect.

So everything is compared with that loss, whose β is called "β in effect". Which prices are
possible is known of any network by its own rate: τ_β times a slope of the constraint there.
Within that range the price is the one of a linear model.
"""

from dataclasses import replace

import numpy as np

from landau_vae.diagnosis.posterior import Posterior
from landau_vae.limits import RATE_REACHED
from landau_vae.loss import Loss
from landau_vae.loss.price_in_effect import Demand
from landau_vae.spectrum.spectrum import Spectrum


def in_effect(loss: Loss, spectrum: Spectrum, posterior: Posterior) -> Loss:
    """Return the plain loss of the price in effect; a loss without a constraint as it is."""
    demand = loss.demand(spectrum)
    plain = replace(loss, constraint=None, knob=f"{loss.knob} in effect")
    if demand is None:
        return loss
    if plain.without_price(spectrum) is not None and not demand.constraint.sets_price:
        return plain
    solved = loss.price(spectrum) if loss.without_price(spectrum) is None else loss.nominal_price(spectrum)
    low, high = allowed_prices(loss, demand, posterior)
    price = float(np.clip(solved, low, high))
    return plain.at(plain.beta_at(price if price > 0 else float(solved), spectrum))


def allowed_prices(loss: Loss, demand: Demand, posterior: Posterior) -> tuple[float, float]:
    """Return the least and the largest price that a network of this rate can have at rest."""
    nominal = 0.0 if demand.constraint.sets_price else float(loss.nominal_price(demand.spectrum))
    return demand.allowed(nominal, float(posterior.rate.sum()), RATE_REACHED)
