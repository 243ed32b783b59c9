"""Where each finding begins and ends: rules asked with numbers just inside and just outside of their limits.

A rule reads a few fields of a comparison, so that a stand-in with these fields states the rule exactly. Models that
were really trained stand in `test_staged_failures.py`.
"""

from types import SimpleNamespace as Stand

import numpy as np
import pytest

from landau_vae import Loss, Spectrum, limits
from landau_vae.diagnosis.findings import (
    collapse,
    constraint,
    data,
    heads,
    latents,
    price,
    samplers,
    training,
    while_training,
)
from landau_vae.loss import Sampler

IN, OUT = 1 - 1e-9, 1 + 1e-9  # a limit is met from both sides


def code(finding):
    return finding and f"{finding.code}, {finding.severity}"


def like(**fields):
    """A comparison of a model about which nothing is to be said."""
    usual = {
        "loss": Loss.gaussian(), "stated": None, "spectrum": Spectrum.from_eigenvalues([4.0, 2.0, 1.0]), "price": 1.0,
        "effective": 1.0, "allowed": (1.0, 1.0), "prices": None, "price_in_effect": None, "price_in_effect_error": None,
        "other_price": None, "separate": np.array([], dtype=int), "kl_is_off": False, "applied": False, "spare": 0,
        "at_odds": False, "mean_price": (1.0, 0.0), "scale_error": 0.0, "trained_on": True, "converged": True,
        "progress": None, "normalised": False, "pays": False, "following": None, "linear": True, "own_term": False,
        "scales": np.array([1.0]), "is_active": np.array([True, True]), "diverged": np.array([], dtype=int),
        "frozen": False, "collapsed": False, "unstable_below": 4.0, "unreadable": False, "rows_mismatched": False,
        "measured": None, "observed": object(), "one_price": True, "binary": False, "demand": None,
    }  # fmt: skip
    return Stand(**usual | fields)


# ----------------------------------------------------------------------------------------------------- constraints


def demand(rate, *, both=False, per="sample", kind="rate", value=10.0):
    """A model that has a rate where `value` nats are demanded."""
    bound = Stand(sets_price=both, per=per, kind=kind, value=value)
    return like(demand=Stand(constraint=bound, limit=value), posterior=Stand(rate=np.array([rate]), latents=1))


@pytest.mark.parametrize("per", ["sample", "latent"])
def test_a_controlled_rate_may_be_off_either_way_and_free_nats_only_short(per):
    tolerated = limits.RATE_OF_ROWS if per == "sample" else limits.RATE_REACHED
    for away in (tolerated, -tolerated):
        assert constraint.missed(demand(10 * (1 + IN * away), both=True, per=per)) is None
        assert constraint.missed(demand(10 * (1 + OUT * away), both=True, per=per)).code == "rate-missed"
    assert constraint.missed(demand(10 * (1 - OUT * tolerated), per=per)).code == "rate-missed"
    assert constraint.missed(demand(1000.0, per=per)) is None  # nats beyond the free ones are paid for
    assert constraint.missed(like()) is None


@pytest.mark.parametrize("side", [1, -1])
def test_a_rate_that_is_far_off_is_an_alarm(side):
    away = side * limits.RATE_MISSED
    assert code(constraint.missed(demand(10 * (1 + IN * away), both=True))) == "rate-missed, remark"
    assert code(constraint.missed(demand(10 * (1 + OUT * away), both=True))) == "rate-missed, alarm"


def test_the_ratio_that_is_printed_is_rate_over_limit():
    found = constraint.missed(demand(2.5, both=True))
    assert found.evidence["ratio"] == 0.25
    assert "the rate is 2.5, 0.25 times 10" in found.sentence


def test_the_least_rate_counts_where_each_latent_has_a_limit():
    c = demand(0.0, per="latent", value=0.5)
    c.posterior = Stand(rate=np.array([0.5, 0.5 * (1 + IN * limits.RATE_REACHED), 0.1, 3.0]), latents=4)
    assert constraint.missed(c).evidence["ratio"] == pytest.approx(0.2)
    found = constraint.met(c)
    assert found.evidence["latents"].tolist() == [1, 2]
    assert found.sentence.startswith("2 latents of 4 have the free 0.5 nats")


def test_a_distortion_is_that_of_all_features():
    """GECO demands Σ (x − x̂)², here of 3 features with an error of 2 each: 6 of the 12 that are allowed."""
    c = demand(0.0, both=True, kind="distortion", value=12.0)
    c.own_variance = 2.0
    assert constraint.missed(c).evidence["ratio"] == 0.5
    c.own_variance = None
    assert constraint.missed(c) is None


def test_a_constraint_is_met_idle_or_neither():
    binding, idle = demand(10.0), demand(10.0)
    binding.allowed = (0.5, 1.0)
    assert code(constraint.met(binding)) == "constraint-met, remark"
    assert code(constraint.met(idle)) == "constraint-idle, remark"
    idle.other_price = 2.0
    assert constraint.met(idle) is None
    assert constraint.met(demand(1.0)) is None


# ------------------------------------------------------------------------------------------------------- the price


@pytest.mark.parametrize("factor", [limits.NEAR_PRICE, 1 / limits.NEAR_PRICE])
def test_a_price_near_the_stated_one_is_remarked_where_it_is_surely_another(factor):
    def at(ratio, error=1e-3, **more):
        return price.price_differs(like(prices=object(), price_in_effect=ratio, price_in_effect_error=error, **more))

    inner, outer = (factor**inside for inside in (1 - 1e-6, 1 + 1e-6))
    assert at(inner) is None
    assert code(at(outer)) == "price-differs, remark"
    assert at(outer).evidence["ratio"] == outer
    sure = abs(outer - 1) / limits.SURELY
    assert at(outer, sure * OUT) is None
    assert at(outer, sure * IN) is not None
    assert at(outer, allowed=(0.5, 2.0)) is None  # a constraint that binds leaves the price free between these
    assert at(outer, progress=object()) is None
    assert at(outer, progress=object(), applied=True) is not None
    for more in ({"other_price": 2.0}, {"separate": np.array([0])}, {"kl_is_off": True}, {"prices": None}):
        assert (
            price.price_differs(
                like(**{"prices": object(), "price_in_effect": outer, "price_in_effect_error": 1e-3} | more)
            )
            is None
        )


@pytest.mark.parametrize("side", [1, -1])
def test_means_at_odds_are_an_alarm_where_they_are_far_apart_and_the_model_is_not_at_rest(side):
    far = limits.AT_ODDS ** (2 * side)

    def at(ratio, scale_error=limits.FAR_SCALE * OUT, **more):
        how = {"at_odds": True, "price_in_effect": 1.0, "mean_price": (ratio, 0.0), "scale_error": scale_error} | more
        return code(price.means_at_odds(like(**how)))

    assert at(far ** (1 + 1e-6)) == "means-at-odds, alarm"
    assert at(far ** (1 - 1e-6)) == "means-at-odds, remark"
    assert at(far ** (1 + 1e-6), limits.FAR_SCALE * IN) == "means-at-odds, remark"
    assert at(far ** (1 + 1e-6), trained_on=False) == "means-at-odds, remark"
    assert at(-1.0) == "means-at-odds, alarm"  # means that run against the gradient have no price
    assert at(far**2, at_odds=False) is None
    assert at(far**2, price_in_effect=None) is None


def test_equal_rates_of_cheap_latents_are_free_bits():
    def at(rates, **more):
        c = like(posterior=Stand(rate=np.array(rates)), predicted=Stand(active=0), is_active=np.array([True]), **more)
        return price.free_bits(c)

    same = float(limits.EQUAL_RATES)
    assert at([1.0, 1.0, same * IN]).evidence["ratio"] == pytest.approx(same)
    assert at([1.0, 1.0, same * OUT]) is None
    assert at([1.0, 1.0]) is None
    crowd = [1.0] * 3 + [2.0 * 1.5**k for k in range(int(3 / limits.MOST_LATENTS))]
    assert at(crowd) is None  # too few of all
    group = at([0.2, 1.0, 1.0, 1.0, 1.0])
    assert group.sentence.startswith("4 latents have the same rate, 1 nats")
    for more in ({"kl_is_off": True}, {"one_price": False}, {"linear": False}, {"converged": False}):
        assert at([1.0, 1.0, 1.0], **more) is None


def test_a_price_off_by_the_rows_of_a_batch_is_another_reduction():
    """A mean over 64 rows taken for a sum makes the gradients 64 times too small, and the other way round."""
    for summed, ratio, words in ((False, 64.0, "reduction='sum'"), (True, 1 / 64, "reduction='mean'")):
        reason = price._reduction(Stand(summed=summed, batch=64), ratio)
        assert words in reason
        assert price._reduction(Stand(summed=not summed, batch=64), ratio) == ""
        near = ratio * np.exp(limits.PRICE_OF_SLIP * IN)
        assert price._reduction(Stand(summed=summed, batch=64), near)
        assert price._reduction(Stand(summed=summed, batch=64), near * 1.001) == ""
    assert price._reduction(Stand(summed=False, batch=None), 1.0) == ""
    assert price._reduction(Stand(summed=False, batch=1), 1.0) == ""
    assert price._reduction(Stand(summed=False, batch=2), 2.0)


# -------------------------------------------------------------------------------------------------------- the data


def test_few_rows_are_those_below_five_per_feature():
    def at(rows, observed=True):
        return data.few_rows(like(posterior=Stand(samples=rows), observed=observed))

    assert at(15) is None
    assert at(14).evidence["rows_per_feature"] == pytest.approx(14 / 3)
    assert at(14, observed=None) is None


@pytest.mark.parametrize("inverse", [False, True])
def test_other_units_begin_at_a_slope_or_at_a_shift(inverse):
    def at(slope=1.0, shift=0.0, **more):
        decoder = Stand(better_link=None)
        return code(
            data.other_units(like(measured=Stand(slope=slope, shift=shift, correlation=1.0, decoder=decoder), **more))
        )

    limit = 1 / limits.OTHER_SCALE if inverse else float(limits.OTHER_SCALE)
    inside, outside = (limit * (1 + sign * (2 * inverse - 1) * 1e-9) for sign in (1, -1))
    assert at(inside) is None
    assert at(outside) == "other-units, alarm"
    assert at(np.inf) is None  # not known
    assert at(shift=limits.OTHER_MEAN * IN) is None
    assert at(shift=float(limits.OTHER_MEAN)) == "other-units, alarm"
    assert at(shift=np.nan) is None
    for more in ("own_term", "unreadable", "rows_mismatched"):
        assert at(outside, **{more: True}) is None


def test_a_loss_of_other_sizes_is_named_by_both_numbers():
    def at(**sizes):
        return data.other_model(like(stated=Loss.gaussian(**sizes), posterior=Stand(latents=2)))

    assert at() is None
    assert at(features=3, latents=2) is None
    assert at(features=4, latents=2).evidence["stated_and_given"] == {"features": (4, 3)}
    assert at(features=3, latents=1).evidence["stated_and_given"] == {"latents": (1, 2)}
    assert data.other_model(like(posterior=Stand(latents=2))) is None


# --------------------------------------------------------------------------------------------------- head and noise


def test_a_bounded_head_leaves_no_variance_below_one():
    def at(least, **more):
        posterior = Stand(frozen=False, narrowest=np.array([2.0, least]), second_moment=np.ones(2))
        return code(heads.bounded_variance(like(posterior=posterior, **more)))

    assert at((1 - limits.FROZEN) * OUT) == "bounded-variance, alarm"
    assert at((1 - limits.FROZEN) * IN) is None
    assert at(1.0, is_active=np.array([False, False])) is None
    assert at(1.0, diverged=np.array([0])) is None
    assert at(1.0, loss=Loss.gaussian(sampler=Sampler(least=1.0))) is None


def test_one_sided_means_are_those_of_active_latents():
    def at(lowest, active=(True, True)):
        return code(heads.one_sided(like(posterior=Stand(lowest=np.array(lowest)), is_active=np.array(active))))

    assert at([0.0, 0.1]) == "one-sided-mean, alarm"
    assert at([0.0, -1e-9]) is None
    assert at([0.0, -1.0], (True, False)) == "one-sided-mean, alarm"
    assert at([0.0, 0.0], (False, False)) is None


def test_an_offset_is_paid_for_by_half_its_square():
    """A constant mean m costs m²/2 nats: at the limit of .05 nats m is √.1."""
    m = float(np.sqrt(2 * limits.OFFSET_COST))

    def at(offset, rate=0.1, **more):
        posterior = Stand(offset=np.array([offset, 0.0]), rate=np.array([rate, 1.0]))
        return heads.offset(like(posterior=posterior, **more))

    found = at(m * OUT)
    assert found.evidence["latents"].tolist() == [1]
    assert found.evidence["cost"] == pytest.approx(limits.OFFSET_COST)
    assert at(m * IN) is None
    assert at(m * OUT, rate=limits.OFFSET_COST / limits.OFFSET_SHARE * 1.001) is None
    assert at(-m * OUT) is not None
    assert at(m * OUT, converged=False) is None
    assert at(m * OUT, converged=False, is_active=np.array([False, True])) is not None
    assert at(m * OUT, collapsed=True, unstable_below=limits.SURELY_UNSTABLE * OUT) is None
    free = Stand(latent=np.array([0, 1]), width=np.array([limits.NO_KL * IN, 1.0]))
    assert at(m * OUT, prices=free) is None
    assert at(m * OUT, prices=Stand(latent=free.latent, width=np.array([limits.NO_KL * OUT, 1.0]))) is not None


def test_a_head_may_stay_within_its_bounds_and_a_rounding():
    def at(least, most):
        loss = Loss.gaussian(sampler=Sampler(least=0.5, most=2.0))
        return code(
            samplers.other_head(like(loss=loss, posterior=Stand(narrowest=np.array([least]), widest=np.array([most]))))
        )

    low, high = 0.5 * (1 - limits.OUT_OF_BOUNDS), 2.0 * (1 + limits.OUT_OF_BOUNDS)
    assert at(low * OUT, high * IN) is None
    assert at(low * IN, high * IN) == "other-head, alarm"
    assert at(low * OUT, high * OUT) == "other-head, alarm"


def test_a_log_variance_drawn_with_as_a_log_std_shows_in_second_moments():
    """2⟨μ²⟩ + ⟨σ²⟩ = 1 in place of ⟨μ²⟩ + ⟨σ²⟩ = 1, in two latents at least."""

    def at(mean_square, variance, **more):
        square, variance = np.array(mean_square), np.array(variance)
        posterior = Stand(mean_square=square, variance=variance, second_moment=square + variance)
        return samplers.log_variance_as_log_std(like(posterior=posterior, **more))

    found = at([0.4, 0.3], [0.2, 0.4])
    assert found.code == "log-std-sampled"
    assert found.evidence["second_moment"] == pytest.approx([0.6, 0.7])
    assert at([0.8, 0.6], [0.2, 0.4]) is None
    assert at([0.4, 0.3], [0.2, 0.4], is_active=np.array([True, False])) is None
    assert at([0.4, 0.3], [0.2, 0.4], loss=Loss.gaussian(sampler=Sampler(noise_scale=2.0))) is None


# ------------------------------------------------------------------------------------------------ rest and training


def test_training_is_said_not_to_have_converged_by_what_still_pays():
    late = Stand(value=limits.WAITING * OUT)
    waiting = {"converged": False, "scale_error": limits.SCALE_ERROR * OUT, "pays": True, "spare": 1, "linear": False}
    assert code(training.not_converged(like(**waiting, following=late))) == "not-converged, alarm"
    for change in ({"scale_error": limits.SCALE_ERROR * IN}, {"trained_on": False}, {"following": None},
                   {"following": Stand(value=limits.WAITING * IN)}):  # fmt: skip
        assert code(training.not_converged(like(**{**waiting, "following": late} | change))) == "not-converged, remark"
    assert training.not_converged(like(converged=True)) is None
    assert training.not_converged(like(converged=False, normalised=True)) is None
    assert training.not_converged(like(converged=False, pays=True, spare=0)) is None  # too few latents settle last
    assert training.not_converged(like(**{**waiting, "following": late, "spare": 0})) is None
    assert code(training.not_converged(like(converged=False))) == "not-converged, alarm"  # of a linear model


def progress(**fields):
    usual = {"looks": 100, "steady": True, "exact": True, "moving": None, "at_one_price": True, "rested": True,
             "growing": False, "outlasted": lambda modes: True}  # fmt: skip
    return Stand(**usual | fields)


def test_each_alarm_holds_from_its_own_moment_on():
    def holds(name, c=None, **fields):
        return bool(getattr(while_training, name)(c or like(progress=progress(**fields), missing=np.array([0]))))

    for name in ("_trained_for_a_while", "_steady", "_fixed_price", "_out_of_time", "at_rest"):
        assert holds(name)
        assert holds(name, like())  # a model that is given as trained
    assert not holds("_trained_for_a_while", looks=limits.LOOKS - 1)
    assert holds("_trained_for_a_while", looks=limits.LOOKS)
    assert not holds("_steady", steady=False)
    assert not holds("_steady", looks=limits.LOOKS - 1)
    assert holds("_fixed_price", looks=limits.FIRST_LOOKS)
    assert not holds("_fixed_price", looks=limits.FIRST_LOOKS - 1)
    assert not holds("_fixed_price", moving=(1.0, 0.5, 10))
    assert holds("_fixed_price", exact=False)
    assert not holds("_fixed_price", exact=False, steady=False)
    for fields in ({"moving": (1.0, 0.5, 10)}, {"at_one_price": False}, {"outlasted": lambda modes: False}):
        assert not holds("_out_of_time", **fields)
    for fields in ({"steady": False}, {"moving": (1.0, 0.5, 10)}, {"at_one_price": False}):
        assert not holds("at_rest", **fields)


def test_a_collapse_is_out_of_time_when_it_rests_or_has_waited_far_below_its_threshold():
    def holds(below, **fields):
        c = like(collapsed=True, unstable_below=below, missing=np.array([0]), progress=progress(**fields))
        return bool(while_training._out_of_time(c))

    far, near = limits.FAR_BELOW * OUT, limits.FAR_BELOW * IN
    assert holds(near)
    assert not holds(near, rested=False)
    assert holds(far, rested=False)
    assert not holds(far, rested=False, growing=True)
    assert not holds(far, rested=False, outlasted=lambda modes: False)


def test_a_collapse_below_its_threshold_is_not_at_rest():
    def holds(below, **more):
        return bool(while_training.at_rest(like(collapsed=True, unstable_below=below, progress=progress(), **more)))

    assert holds(limits.SURELY_UNSTABLE * IN)
    assert not holds(limits.SURELY_UNSTABLE * OUT)
    assert holds(limits.SURELY_UNSTABLE * OUT, own_term=True)
    assert not while_training.at_rest(like(converged=False, progress=progress()))


def test_a_frozen_variance_leaves_weak_modes_without_a_mean():
    """A linear model with σ² = 1 has ⟨μ²⟩ = √(λ/τ) − 1 where that is positive: at τ = 1.44 of 4, 2 and 1."""
    posterior = Stand(variance=np.ones(3), latents=3, mean_square=np.zeros(3))
    law = heads.frozen_variance(like(frozen=True, posterior=posterior, price=1.44)).evidence["expected_mean_square"]
    assert law == pytest.approx([2 / 1.2 - 1, 2**0.5 / 1.2 - 1, 0.0])
    assert heads.frozen_variance(like(posterior=posterior)) is None


def test_latents_are_numbered_from_one_and_counted_in_words():
    def offset(*costs):
        posterior = Stand(offset=np.sqrt(2 * np.array(costs)), rate=np.full(len(costs), 0.1))
        return heads.offset(like(posterior=posterior, is_active=np.ones(len(costs), dtype=bool)))

    assert offset(0.06, 0.0).sentence.startswith("Latent 1 pays 0.06 nats")
    assert offset(0.06, 0.07).sentence.startswith("Latents 1–2 pay 0.13 nats")
    one_sided = heads.one_sided(like(posterior=Stand(lowest=np.array([-1.0, 0.0])), is_active=np.array([False, True])))
    assert one_sided.evidence["latents"].tolist() == [2]


def test_two_latents_at_one_end_are_clamped_and_one_is_not():
    def at(*least):
        n = len(least)
        posterior = Stand(scale=np.full(n, 2.0), narrowest=np.array(least), widest=np.linspace(2, 3, n),
                          second_moment=np.full(n, 2.0))  # fmt: skip
        return samplers.clamped(like(posterior=posterior, is_active=np.ones(n, dtype=bool)))

    assert at(0.5, 0.5, 0.7).evidence["latents"].tolist() == [1, 2]
    assert at(0.5, 0.6, 0.7) is None
    assert at(1.0, 1.0, 1.0) is None  # the prior's own width is no clamp
    rest = Stand(scale=np.ones(2), narrowest=np.array([0.5, 0.5]), widest=np.array([2.0, 3.0]))
    assert samplers.clamped(like(posterior=rest)) is None


def shared(purity, *, groups=(0, 1, 2), **more):
    """Two latents, the second of which has a share of mode 2, and the rest of mode 3."""
    alignment = np.array([[1.0, 0.0, 0.0], [0.0, purity, 1 - purity]])
    observed = Stand(alignment=alignment, linear=np.ones(2))
    usual = {"observed": observed, "mode_groups": np.array(groups), "mode_price": 1.0, "missing": np.array([]),
             "below_threshold": np.array([]), "price_scatter": 0.0, "scale_error": 0.0,
             "posterior": Stand(latents=2, bounded=np.array([False, False]))}  # fmt: skip
    return like(**usual | more)


def test_latents_that_share_modes_are_mixed_unless_these_are_degenerate():
    bad = shared(0.6, price_scatter=1.0)
    found = latents.mixed(bad)
    assert code(found) == "mixed, alarm"
    assert found.evidence["latents"].tolist() == [2]
    assert found.evidence["purity"] == pytest.approx([0.6])
    assert "Latent 2 shares modes that are not degenerate (only 60% of latent 2 is one mode)" in found.sentence
    assert latents.mixed(shared(limits.PURE * OUT)) is None
    assert code(latents.mixed(shared(0.6))) == "mixed, remark"  # all else is as it should be
    assert code(latents.mixed(shared(0.6, price_scatter=1.0, converged=False))) == "mixed, remark"
    assert code(latents.mixed(shared(0.6, price_scatter=1.0, other_price=2.0))) == "mixed, remark"
    assert latents.mixed(shared(0.6, linear=False)) is None
    off, unrest = 1.0 + 2 * limits.PRICE_ERROR, limits.SCALE_NEAR_REST * OUT
    for change in ({"mode_price": None}, {"missing": np.array([1])}, {"below_threshold": np.array([1])},
                   {"mode_price": off}, {"scale_error": unrest}):  # fmt: skip
        assert code(latents.mixed(shared(0.6, **change))) == "mixed, alarm"
    degenerate = shared(0.6, groups=(0, 1, 1))
    assert latents.mixed(degenerate) is None
    assert latents.rotated(degenerate).evidence["modes"].tolist() == [2, 3]
    assert latents.rotated(bad) is None


def test_a_latent_that_would_pay_gains_what_a_mode_gains():
    """A mode at λ = rτ lowers the loss by ½τ(r − 1 − ln r) once a latent serves it: at r = 2, τ = 3 by .46."""

    def at(**more):
        usual = {"following": Stand(value=6.0, error=0.1), "effective": 3.0, "pays": True, "next_onset": "6",
                 "posterior": Stand(latents=2)}  # fmt: skip
        return collapse.further_latent(like(**usual | more))

    assert at().evidence["worth"] == pytest.approx(1.5 * (1 - np.log(2)))
    assert at().evidence["causes"] == ("too-few-latents", "updates")
    assert at(spare=1).evidence["causes"][1] == "plateau"
    for nothing in ({"following": None}, {"collapsed": True}, {"pays": False}, {"next_onset": None}):
        assert at(**nothing) is None


def test_a_collapse_is_metastable_only_where_other_rows_gain_too():
    def worth(gain, held_out=np.nan, certified=False):
        f = Stand(certified=lambda price: certified, dead=gain, any=[0.0], held_out_gain=[held_out])
        return collapse._worth(like(frontier=f))

    enough = float(limits.WORTH)
    assert worth(enough * OUT)
    assert not worth(enough * IN)
    assert worth(enough * OUT, enough * OUT)
    assert not worth(enough * OUT, enough * IN)
    assert not worth(1.0, certified=True)
    assert not collapse._worth(like(frontier=None))


def test_inactive_latents_are_right_where_what_is_left_is_worth_less_than_the_price():
    def at(value, **more):
        how = {"following": Stand(value=value, error=0.0), "spare": 1, "next_onset": "2"} | more
        return collapse.rightly_inactive(like(posterior=Stand(latents=3), **how))

    assert at(1 / limits.PAYS * IN).evidence["ratio"] == pytest.approx(1 / limits.PAYS)
    assert at(1 / limits.PAYS * OUT) is None
    for nothing in ({"following": None}, {"collapsed": True}, {"spare": 0}, {"next_onset": None}):
        assert at(0.5, **nothing) is None


# ------------------------------------------------------------------------------------------- while a model trains


def waiting(below=3.0, **fields):
    usual = {"rested": False, "outlasted": lambda modes: False, "updates": 500, "plateau": None}
    return like(collapsed=True, unstable_below=below, missing=np.array([0]), progress=progress(**usual | fields))


def test_a_plateau_is_named_while_modes_may_still_leave_it():
    found = while_training.on_plateau(waiting())
    assert found.evidence == {"updates": 500, "ratio": 3.0}
    assert "after 500 updates" in found.sentence
    assert "if the monitor is given learning_rate=…" in found.sentence
    assert while_training.on_plateau(waiting(limits.SURELY_UNSTABLE * IN)) is None
    assert while_training.on_plateau(waiting(rested=True)) is None  # the time is over: that is an alarm
    assert while_training.on_plateau(like(collapsed=True)) is None
    known = Stand(needed=np.array([12.0]), optimizer="sgd")
    assert "needs about 12 updates" in while_training.on_plateau(waiting(plateau=known)).sentence
    adam = Stand(needed=np.array([12.0]), optimizer="adam")
    assert "needs at least 12 updates" in while_training.on_plateau(waiting(plateau=adam)).sentence
    nothing = Stand(needed=np.array([]), optimizer="sgd")
    assert "learning_rate=…" in while_training.on_plateau(waiting(plateau=nothing)).sentence


def test_weights_that_have_settled_elsewhere_are_given_in_units_of_the_stated_beta():
    p = progress(at_one_price=False, in_effect=(1.0, 0.1), applied=(4.0, 0.1), updates=500)
    found = while_training.not_at_rest(like(progress=p, stated_loss=Loss.gaussian(2.0)))
    assert "settled to 0.5 of the stated price, and 2 is applied" in found.sentence
    assert while_training.not_at_rest(like(progress=progress())) is None
    assert while_training.not_at_rest(like()) is None


def test_latents_that_became_inactive_are_those_lost():
    now, before = np.array([0.5, limits.ACTIVE * IN, 0.3]), np.array([0.5, 0.6, 0.3])
    p = progress(before=before, now=now, lost=np.array([False, True, False]))
    found = while_training.became_inactive(like(progress=p, own_term=True))
    assert found.evidence["latents"].tolist() == [2]
    assert found.evidence["active"] == 2
    kept = progress(before=before, now=before, lost=np.zeros(3, dtype=bool))
    assert while_training.became_inactive(like(progress=kept)) is None
    assert while_training.became_inactive(like(progress=progress(before=None))) is None
