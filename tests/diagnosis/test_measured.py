"""What the decoder says: price in effect, units, rows, heads, the next onset; on linear models, where all is known.

Rows have the eigenvalues 6, 3, 2, 0.6, 0.3 exactly, and models are at their equilibrium: only z is random.
"""

import numpy as np
import pytest
from diagnosed_models import LAMBDA, rows, trained

import landau_vae as lv
from landau_vae.loss import Loss

DRAWN = 4  # standard errors, as the diagnosis itself gives them


def model(price, **how):
    """Arguments of `diagnose` for a linear model that was trained at this price, but for its loss."""
    X, mu, variance, decode = trained(price, **how)
    return {"mean": mu, "variance": variance, "data": X, "decode": decode}


def said(result):
    return " ".join(f"{finding.sentence} {finding.advice}" for finding in result.findings)


def first(result):
    return result.findings[0]


@pytest.mark.parametrize("factor", [1.0, 3.0, 0.5, 0.1])
def test_the_price_in_effect(factor):
    result = lv.diagnose(**model(0.2 * factor), loss=Loss.gaussian(0.2))
    assert result.price_in_effect == pytest.approx(0.2 * factor, abs=DRAWN * result.price_in_effect_error)
    assert result.price_in_effect_error < 0.025 * 0.2 * factor
    assert result.healthy == (factor == 1)
    if factor != 1:
        assert first(result).code == ("lower-price" if factor < 1 else "higher-price")
        assert "kl-weight" in first(result).evidence["causes"]


@pytest.mark.parametrize(
    ("stated", "trained_at", "cause"),
    [
        (Loss.gaussian(0.2), 0.1, "half-missing"),
        (Loss.gaussian(0.2), 0.04, "latents-averaged"),
        (Loss.gaussian(0.2), 1.0, "features-averaged"),
        (Loss.gaussian(0.4), 0.05, "warm-up"),
        (Loss.gaussian(0.4), 0.05, "free-bits-total"),
        (Loss.gaussian(0.4), 0.05, "batch"),
        (Loss.bernoulli(0.2), None, None),
    ],
)
def test_slips_are_among_the_causes(stated, trained_at, cause):
    if trained_at is None:
        with pytest.raises(lv.InputError, match="from 0 to 1"):
            lv.diagnose(**model(0.2), loss=stated)
        return
    assert cause in first(lv.diagnose(**model(trained_at), loss=stated)).evidence["causes"]


def test_a_learned_variance_is_recognised_by_the_error_of_the_model():
    """At β = 1 the price is the mean squared error of a feature; the loss says σ² = 1."""
    spectrum = lv.Spectrum.from_data(rows()[0])
    learned = Loss.gaussian(2.0, decoder_variance="learned").with_latents(5)
    price = float(learned.price(spectrum))
    found = lv.diagnose(**model(price), loss=Loss.gaussian(2.0))
    assert "variance-learned" in first(found).evidence["causes"]
    right = lv.diagnose(**model(price), loss=Loss.gaussian(2.0, decoder_variance="learned"))
    assert right.healthy
    assert right.price == pytest.approx(price, rel=0.02)  # the model's own error, by four draws of 2000 rows


@pytest.mark.parametrize("scale", [16.0, 255.0, 1 / 255])
def test_data_in_other_units(scale):
    given = model(1.0)
    result = lv.diagnose(**given | {"data": scale * given["data"]}, loss=Loss.gaussian(1.0))
    assert first(result).code == "other-units"
    assert first(result).evidence["slope"] == pytest.approx(scale, rel=0.05)  # noise of the sampled reconstructions


def test_shuffled_rows():
    given = model(1.0)
    order = np.random.default_rng(3).permutation(2000)
    result = lv.diagnose(**given | {"data": given["data"][order]}, loss=Loss.gaussian(1.0))
    assert first(result).code == "rows-mismatched"


def test_a_diverged_latent():
    given = model(1.0, latents=3)
    given["variance"] = given["variance"] * [1, np.exp(30), 1]
    result = lv.diagnose(**given, loss=Loss.gaussian(1.0))
    assert first(result).code == "diverged"
    assert "Latent 2 has diverged" in said(result)
    assert result.status[1] == "diverged"
    assert "e+12" in result.summary()


def test_heads_that_cannot_give_what_is_asked_for():
    given = model(0.5)
    X, turn = rows()
    lam = np.array(LAMBDA)
    square, weight = np.maximum(np.sqrt(lam / 0.5) - 1, 0), np.sqrt(np.maximum(np.sqrt(lam * 0.5) - 0.5, 0))
    frozen = {"mean": X @ turn * np.sqrt(square / lam), "variance": np.ones((2000, 5)), "data": X}
    frozen["decode"] = lambda z: (z * weight) @ turn.T
    result = lv.diagnose(**frozen, loss=Loss.gaussian(0.5))
    assert first(result).code == "frozen-variance"
    assert first(result).evidence["expected_mean_square"] == pytest.approx(result.posterior.mean_square)  # its own law
    logs = np.random.default_rng(0).uniform(0.001, 0.02, (2000, 5))
    bounded = {key: value for key, value in frozen.items() if key != "variance"} | {"log_variance": logs}
    assert first(lv.diagnose(**bounded, loss=Loss.gaussian(0.5))).code == "bounded-variance"
    relu = given | {"mean": np.maximum(given["mean"], 0)}
    assert first(lv.diagnose(**relu, loss=Loss.gaussian(0.5))).code == "one-sided-mean"


def test_an_offset_that_costs_nats():
    given = model(1.0)
    given["mean"] = given["mean"] + [0, 0, 0, 0, 1.5]  # the decoder does not use the last latent
    result = lv.diagnose(**given, loss=Loss.gaussian(1.0))
    assert first(result).code == "offset"
    assert first(result).evidence["cost"] == pytest.approx([1.125])


def test_some_latents_pay_nothing():
    """The KL is a sum over the first two of three latents: the third one is as narrow as its encoder can make it."""
    X, turn = rows()
    lam, price = np.array(LAMBDA[:3]), np.array([0.5, 0.5, 0.005])
    signal = 1 - price / lam
    mu = X @ turn[:, :3] * np.sqrt(signal / lam)
    result = lv.diagnose(
        mu, variance=np.tile(1 - signal, (len(mu), 1)), data=X, loss=Loss.gaussian(0.5),
        decode=lambda z: z @ (turn[:, :3] * np.sqrt(signal * lam)).T,
    )  # fmt: skip
    assert first(result).code == "several-prices"
    assert list(first(result).evidence["latents"]) == [3]


def test_too_few_latents_and_the_next_onset():
    """Two latents where three pay: the third mode, 2, would become active below β = 2; with three, 0.6."""
    few = lv.diagnose(**model(1.0, latents=2), loss=Loss.gaussian(1.0))
    assert few.healthy
    assert first(few).code == "further-latent"
    assert "too-few-latents" in first(few).evidence["causes"]
    assert few.next_onset.value == pytest.approx(2.0, abs=DRAWN * few.next_onset.error)
    enough = lv.diagnose(**model(1.0, latents=5), loss=Loss.gaussian(1.0))
    assert first(enough).code == "rightly-inactive"
    # linear w may also follow a living mode: its residual s P(exactly one success) is below λ₄ = .6 here
    assert enough.next_onset.value == pytest.approx(0.6, abs=DRAWN * enough.next_onset.error)
    weak = lv.diagnose(**model(0.5, latents=5), loss=Loss.gaussian(0.5))  # the weakest living mode leaves .5²/.6 = .42
    assert weak.next_onset.value == pytest.approx(0.3, abs=DRAWN * weak.next_onset.error)
    doubled = lv.diagnose(**model(1.0, latents=5), loss=Loss.gaussian(2.0, half=False))
    assert doubled.next_onset.value == pytest.approx(1.2, abs=DRAWN * doubled.next_onset.error)  # in the user's own β


def test_gradients_in_place_of_a_decoder():
    """∂ℓ/∂z of a linear decoder, in closed form, averaged over z."""
    given = model(0.6)
    decode = given.pop("decode")
    W = decode(np.eye(5))
    mu, variance, X = given["mean"], given["variance"], given["data"]
    by_mean = (mu @ W - X) @ W.T
    by_log_variance = 0.5 * variance * np.square(W).sum(axis=1)
    result = lv.diagnose(**given, loss=Loss.gaussian(0.2), gradients=(by_mean, by_log_variance))
    assert first(result).code == "higher-price"
    assert result.price_in_effect == pytest.approx(0.6, rel=1e-6)  # no draws; float64 sums
    halved = lv.diagnose(**given, loss=Loss.gaussian(1.2, half=False), gradients=(2 * by_mean, 2 * by_log_variance))
    assert halved.healthy
    assert halved.price_in_effect == pytest.approx(0.6, rel=1e-6)


def test_a_reconstruction_term_of_ones_own():
    """Three times the squared error, as a function: prices are in its units, the stated one is the KL's weight."""
    term = {"reconstruction": lambda x, x_hat: 3 * np.square(x - x_hat).sum(axis=1)}
    result = lv.diagnose(**model(0.5), loss=Loss.gaussian(3.0), **term)  # τ = 3/(2 · 3)
    assert result.healthy
    assert result.price_in_effect == pytest.approx(3.0, abs=DRAWN * result.price_in_effect_error)
    assert result.price == 3.0
    other = lv.diagnose(**model(0.5), loss=Loss.gaussian(1.0), **term)
    assert first(other).code == "higher-price"


def test_a_condition_that_the_decoder_sees():
    """The data are a code plus what a label adds: right with `given`, other units or another decoder without it."""
    given, label = model(1.0), np.random.default_rng(5).integers(3, size=2000)
    shift = np.random.default_rng(6).standard_normal((3, 5)) * 4
    X, plain = given["data"], given["decode"]
    told = given | {"data": X + shift[label], "decode": lambda z, c: plain(z) + shift[c]}
    result = lv.diagnose(**told, given=label, loss=Loss.gaussian(1.0))
    assert result.healthy
    assert result.price_in_effect == pytest.approx(1.0, abs=DRAWN * result.price_in_effect_error)
    untold = lv.diagnose(**told | {"decode": lambda z: plain(z) + shift[0]}, loss=Loss.gaussian(1.0))
    assert "conditional-decoder" in first(untold).evidence["causes"]


def test_nothing_is_held_against_a_nonlinear_model_without_its_decoder():
    """Widths that differ from row to row: not a linear model. Its linear reading is 4 times the price: a remark."""
    given = model(2.0)
    del given["decode"]
    given["variance"] = given["variance"] * np.random.default_rng(0).uniform(0.99, 1.01, given["mean"].shape)
    result = lv.diagnose(**given, loss=Loss.gaussian(0.4))
    assert result.healthy
    assert result.price_in_effect is None
    assert first(result).code == "unmeasured"
    assert "Give decode=…" in said(result)


@pytest.mark.parametrize("rows", ["training", "held-out"])
def test_which_rows_are_meant_is_said(rows):
    result = lv.diagnose(**model(1.0), loss=Loss.gaussian(1.0), rows=rows)
    assert ("held-out rows" in result.basis) == (rows == "held-out")
    assert result.healthy


@pytest.mark.parametrize("layout", ["image", "sequence"])
def test_latents_with_positions_tell_one_price_per_channel(layout):
    """Four active columns as 2 channels at 2 positions; the decoder is handed what it takes."""
    given = model(0.2, latents=4)
    plain, order = given["decode"], [0, 1, 2, 3] if layout == "image" else [0, 2, 1, 3]
    shape = (2000, 2, 1, 2) if layout == "image" else (2000, 2, 2)
    given["mean"], given["variance"] = (given[name][:, order].reshape(shape) for name in ("mean", "variance"))
    back = np.argsort(order)

    def decode(z):
        assert z.shape[1:] == shape[1:]
        return plain(z.reshape(len(z), 4)[:, back])

    result = lv.diagnose(**given | {"decode": decode}, loss=Loss.gaussian(0.2))
    assert result.healthy
    assert len(result.prices.width) == 2
    assert result.price_in_effect == pytest.approx(0.2, abs=DRAWN * result.price_in_effect_error)
    assert np.isfinite(result.price_ratios["width"]).all()


def test_a_batch_norm_on_the_mean_is_named_and_no_fault():
    """All means have one variance; widths are what training makes them, and tell the price."""
    given = model(0.5, latents=4)
    X, variance = given["data"], given["variance"]
    scale = np.sqrt(0.6) / given["mean"].std(axis=0)
    given |= {"mean": (given["mean"] - given["mean"].mean(axis=0)) * scale}
    del given["decode"]
    result = lv.diagnose(**given, loss=Loss.gaussian(0.5))
    assert "normalised-mean" in result.codes
    assert X.shape[1] == 5
    assert variance.shape[1] == 4


def test_counts_by_a_negative_binomial_of_ones_own():
    """A likelihood that the package does not know, as a function: nothing is refused for a reason that is not its own.

    x is counts with mean exp(f), f linear in one latent; at the price of a scan over τ the model is stationary for the
    one that its own identity gives, so that stating that price is healthy and three times it is not.
    """
    rng = np.random.default_rng(0)
    code = rng.standard_normal((3000, 1))
    rate = np.exp(1.0 + code @ [[0.8, -0.5, 0.3]])
    x = rng.negative_binomial(5, 5 / (5 + rate)).astype(float)
    logs = np.log1p(x) - np.log1p(x).mean(axis=0)
    mean = logs @ np.linalg.lstsq(logs, code, rcond=None)[0]

    def term(x, f):
        return (-x * f + (x + 5) * np.logaddexp(f, np.log(5))).sum(axis=1)

    given = {
        "mean": mean,
        "variance": np.full((3000, 1), 1 - mean.var()),
        "data": x,
        "decode": lambda z: 1.0 + z @ [[0.8, -0.5, 0.3]],
    }
    measured = lv.diagnose(**given, loss=Loss.gaussian(1.0), reconstruction=term)
    price = measured.price_in_effect
    assert measured.next_onset is None  # no score of this term is known
    right = lv.diagnose(**given, loss=Loss.gaussian(price), reconstruction=term)
    assert not {"lower-price", "higher-price"} & set(right.codes)
    wrong = lv.diagnose(**given, loss=Loss.gaussian(3 * price), reconstruction=term)
    assert "lower-price" in wrong.codes


def test_a_decoder_of_mean_and_variance():
    """The mean is taken, and what was returned beside it is said."""
    given = model(1.0)
    plain = given["decode"]
    pair = lv.diagnose(**given | {"decode": lambda z: (plain(z), np.ones((len(z), 5)))}, loss=Loss.gaussian(1.0))
    assert pair.healthy
    assert pair.measured.decoder.spread is not None
    assert "[0]" in pair.basis


def test_a_term_of_ones_own_is_not_told_what_squared_errors_do(tmp_path):
    result = lv.diagnose(**model(0.5), loss=Loss.gaussian(3.0), reconstruction=lambda x, f: 3 * np.square(x - f).sum(1))
    assert list(result.tables()) == ["latents"]
    assert "your own function" in result.summary()
    assert "(x − x̂)²" not in result.summary()
    assert "Modes of the data" not in lv.report.write_page(tmp_path / "page.html", result).read_text(encoding="utf-8")


def test_rows_in_a_periodic_order():
    """Ten groups in turn: rows that are looked at are drawn by chance, not at even distances."""
    n, rng = 40_960, np.random.default_rng(0)
    X = (3 * rng.standard_normal((10, 5)))[np.arange(n) % 10] + 0.3 * rng.standard_normal((n, 5))
    spectrum = lv.Spectrum.from_data(X)
    lam, V = spectrum.eigenvalues[:3], spectrum.vectors[:, :3]
    signal = 1 - 0.5 / lam
    result = lv.diagnose(
        (X - X.mean(0)) @ V * np.sqrt(signal / lam), variance=np.tile(1 - signal, (n, 1)), data=X,
        loss=Loss.gaussian(0.5), decode=lambda z: z @ (V * np.sqrt(signal * lam)).T + X.mean(0),
    )  # fmt: skip
    assert result.healthy


def test_gradients_of_nothing():
    given = model(0.6)
    del given["decode"]
    nothing = np.zeros_like(given["mean"])
    with pytest.raises(lv.InputError, match="0 throughout"):
        lv.diagnose(**given, loss=Loss.gaussian(0.6), gradients=(nothing, nothing))


def test_a_price_that_is_near_the_stated_one_but_not_the_same():
    result = lv.diagnose(**model(0.26), loss=Loss.gaussian(0.2))
    assert result.healthy
    assert first(result).code == "price-differs"
    assert "kl-weight" in first(result).evidence["causes"]


def test_what_an_active_latent_leaves_is_no_onset():
    """One latent of M² = .2 on a mode of 4 leaves 3.3 of it; the next latent begins at 2, the other mode.

    Four standard errors, and 1 % for what 8 000 rows have in common by chance.
    """
    rng = np.random.default_rng(1)
    X = rng.standard_normal((8000, 2)) * [2.0, 2.0**0.5]
    mean = np.tanh(X[:, :1])
    mean *= (0.2**0.5) / mean.std()
    result = lv.diagnose(mean, variance=np.full((8000, 1), 0.8), data=X, loss=Loss.gaussian(3.2))
    assert result.by_codes.bulk > 2.5
    assert not result.pays
    onset, truth = result.next_onset, X[:, 1].var()
    assert abs(onset.value - truth) < 4 * onset.error + 0.02
    assert onset.error < 0.2


def test_codes_alone_give_both_readings_or_say_why_not():
    """Without a decoder, of a nonlinear encoder: in bulk and in places, in the user's β; silent where rows are few."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((4000, 3)) * [2.0, 0.7, 0.5]
    X[:, 1] += 0.5 * (X[:, 0] ** 2 / 4 - 1)
    mean = np.tanh(X[:, :1] / 3) / np.tanh(X[:, :1] / 3).std() * 0.8
    result = lv.diagnose(mean, variance=np.full((4000, 1), 0.36), data=X, loss=Loss.gaussian(2.0, half=False))
    onset = result.next_onset
    read = result.by_codes if result.pays else result.beside_codes
    assert onset.value == pytest.approx(2 * read.bulk)  # β is twice the price of ½‖x − x̂‖²
    assert onset.places == pytest.approx(2 * read.places)
    assert 0 < onset.places_error < onset.places
    assert "in bulk" in result.basis
    assert "in places" in result.basis
    few = lv.diagnose(mean[:300], variance=np.full((300, 1), 1e-4), data=X[:300], loss=Loss.gaussian(1e-3))
    assert few.next_onset is None
    assert few.by_codes.silent
    assert "rows (median), but 10 are needed" in few.basis
