"""The pictures of a diagnosis show its numbers, whatever is known of a model."""

import dataclasses

import numpy as np
import pytest
from diagnosed_models import CASES, LAMBDA, curved, diagnosed, staged
from matplotlib.figure import Figure

import landau_vae as lv
from landau_vae import plotting
from landau_vae.display import with_error
from landau_vae.plotting.style import plain

PICTURES = (
    plotting.prices_in_effect,
    plotting.diagnosed_cascade,
    plotting.latent_bars,
    plotting.rank_distortion_of,
    plotting.spectrum_with_floor,
)


def labelled(ax, name):
    found = [line.get_xydata() for line in ax.get_lines() if line.get_label() == name]
    return np.concatenate(found) if found else np.empty((0, 2))


def words(ax):
    legend = ax.get_legend()
    own = [text.get_text() for text in ax.texts] + (
        [] if legend is None else [t.get_text() for t in legend.get_texts()]
    )
    return " | ".join([ax.get_title("left"), ax.get_xlabel(), *own])


def test_the_cascade_has_each_mode_on_its_line_and_the_model_at_its_beta():
    ax = plotting.diagnosed_cascade(diagnosed(1.0))
    for line in (line for line in ax.get_lines() if line.get_label() == "predicted"):
        beta, signal = line.get_xydata().T
        np.testing.assert_allclose(signal, 1 - beta / beta[-1], atol=1e-12)  # it ends at its threshold
    ends = [line.get_xdata()[-1] for line in ax.get_lines() if line.get_label() == "predicted"]
    np.testing.assert_allclose(ends, LAMBDA, rtol=1e-9)
    np.testing.assert_allclose(labelled(ax, "threshold")[:, 0], LAMBDA, rtol=1e-9)
    rings, dots = labelled(ax, "ring"), labelled(ax, "observed")
    np.testing.assert_allclose(rings, [[1, 5 / 6], [1, 2 / 3], [1, 1 / 2]], atol=1e-9)
    alive = dots[dots[:, 1] > 0.1]
    np.testing.assert_allclose(alive, rings, atol=1e-9)
    assert "3 of 5 latents active at β = 1, 3 in a linear model" in words(ax)
    assert "your β = 1" in words(ax)
    assert "in effect" not in words(ax)


def test_the_cascade_shows_where_the_model_really_stands():
    result = diagnosed(0.25, beta=1.0)
    assert "lower-price" in result.codes
    ax = plotting.diagnosed_cascade(result)
    there = labelled(ax, "in effect")
    np.testing.assert_allclose(there[:, 0], 0.25, rtol=1e-6)
    np.testing.assert_allclose(there[:, 1], 1 - 0.25 / np.array(LAMBDA), atol=1e-6)
    stated = labelled(ax, "observed")
    np.testing.assert_allclose(stated[:, 0], 1)
    np.testing.assert_allclose(stated[:, 1], there[:, 1], atol=1e-9)
    assert "in effect 0.25" in words(ax)
    spectrum = plotting.spectrum_with_floor(result)
    assert "in effect = 0.25" in words(spectrum)
    assert "price τ = 1" in words(spectrum)


def test_a_nonlinear_model_is_not_held_against_the_lines():
    """Nothing is drawn in the colour of a fault, and no dot at the β in effect, where lines of linear models end."""
    assert "should be active" not in words(plotting.spectrum_with_floor(curved()))
    ax = plotting.diagnosed_cascade(curved(3.0))
    assert "in effect 0.2" in words(ax)
    assert not labelled(ax, "in effect").size


def test_prices_are_those_of_the_latents_that_tell_one():
    result = curved(3.0)
    ax = plotting.prices_in_effect(result)
    (dots,) = ax.containers
    line, _, (bars,) = dots
    np.testing.assert_allclose(line.get_xydata()[:, 1], result.prices.width / result.price, rtol=1e-12)
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * 1.96 * result.prices.width_error / result.price, rtol=1e-9)
    np.testing.assert_allclose(labelled(ax, "by means μ (settles last)")[:, 1], result.prices.mean / result.price)
    [band] = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((1 / 1.5, 1.5))
    ratio = with_error(result.price_in_effect / result.price, result.price_in_effect_error / result.price)
    assert f"A nat of KL costs {ratio} times its stated price" in words(ax)
    assert f"β = {result.price_in_effect:.3g}, in effect" in words(ax)
    assert "not drawn: 1 latent without a price" in ax.get_xlabel()
    assert "in effect" not in words(plotting.prices_in_effect(curved()))


def test_latents_that_pay_less_are_told_apart_and_far_prices_stay_in_view():
    result = curved()
    prices = dataclasses.replace(result.prices, width=result.prices.width * [1, -500])
    ax = plotting.prices_in_effect(dataclasses.replace(result, prices=prices))
    most, least = (container[0].get_ydata() for container in ax.containers)
    assert most == pytest.approx([1], abs=0.1)
    assert least == [0.01]  # the end of the view
    assert "the same, another price" in words(ax)


def test_without_a_decoder_there_is_no_price_to_draw():
    with pytest.raises(lv.InputError, match=r"give diagnose the decoder, decode=model\.decode"):
        plotting.prices_in_effect(diagnosed(1.0))


def test_bars_are_the_latents_by_verdict_and_ticks_the_prediction():
    result = diagnosed(1.0, alive=np.array([1, 0, 1, 1, 1]))
    ax = plotting.latent_bars(result)
    heights = sorted((bar.get_height() for bar in ax.patches), reverse=True)
    np.testing.assert_allclose(heights, [5 / 6, 1 / 2, 0, 0, 0], atol=1e-9)
    [ticks] = ax.collections
    np.testing.assert_allclose([segment[0, 1] for segment in ticks.get_segments()], [5 / 6, 2 / 3, 1 / 2], atol=1e-9)
    assert "active (2)" in words(ax)
    assert "should be active (1)" in words(ax)
    assert "inactive (2)" in words(ax)
    assert "A² off" not in words(ax)
    numbers = [int(text.get_text()) for text in ax.get_xticklabels()]
    assert numbers[:2] == [1, 3]
    assert "A² off 1" in words(plotting.latent_bars(diagnosed(1.0, scale=1.2)))


def test_many_latents_are_summed_up_in_words():
    ax = plotting.latent_bars(diagnosed(1.0, latents=500))
    assert len(ax.patches) == 40
    assert "not drawn: 460 inactive, as predicted" in ax.get_xlabel()
    assert "inactive (497)" in words(ax)


def test_rank_distortion_is_that_of_pca_and_of_the_decoders():
    result = diagnosed(1.0, decode=True)
    ax = plotting.rank_distortion_of(result)
    share = np.cumsum(LAMBDA) / sum(LAMBDA)
    np.testing.assert_allclose(labelled(ax, "PCA")[:5, 1], [1, *(1 - share[:4])], rtol=1e-9)
    np.testing.assert_allclose(labelled(ax, "best linear, sampled")[:, 1], result.observed.prefix, rtol=1e-12)
    np.testing.assert_allclose(labelled(ax, "your decoder")[:, 1], result.decoded.mean, rtol=1e-12)
    np.testing.assert_allclose(labelled(ax, "… sampled")[:, 1], result.decoded.sampled, rtol=1e-12)
    assert "5 %" in words(ax)
    assert "1 %" in words(ax)
    assert not labelled(plotting.rank_distortion_of(diagnosed(1.0)), "your decoder").size


def test_the_spectrum_tells_modes_that_live_from_those_that_do_not():
    result = diagnosed(1.0, alive=np.array([1, 0, 1, 1, 1]))
    ax = plotting.spectrum_with_floor(result)
    np.testing.assert_allclose(labelled(ax, "active (2)"), [[1, 6], [3, 2]], rtol=1e-9)
    np.testing.assert_allclose(labelled(ax, "should be active (1)"), [[2, 3]], rtol=1e-9)
    np.testing.assert_allclose(labelled(ax, "inactive (2)"), [[4, 0.6], [5, 0.3]], rtol=1e-9)
    assert result.floor is not None
    assert [patch.get_bbox().y1 for patch in ax.patches] == pytest.approx([result.floor.price] * len(ax.patches))
    assert ("if the noise is isotropic" in words(ax)) != result.floor.isotropic


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("draw", PICTURES)
def test_pictures_stand_whatever_is_known(case, draw):
    result = staged(case)
    if draw is plotting.prices_in_effect and result.prices is None:
        pytest.skip("no price was measured")
    ax = Figure().add_subplot()
    assert draw(result, ax) is ax
    figure = draw(result).get_figure(root=True)
    figure.canvas.draw()
    for axis in (figure.axes[0].get_xlim(), figure.axes[0].get_ylim()):
        assert np.all(np.isfinite(axis))
        assert axis[0] < axis[1]
    assert not any("$" in text for text in words(figure.axes[0]).split())


def test_numbers_are_written_as_one_writes_them():
    assert [plain(x) for x in (0.05, 200.0, 1.0, 1e-5, 3e-7, 1e6)] == ["0.05", "200", "1", "10⁻⁵", "3·10⁻⁷", "10⁶"]


def test_rank_distortion_by_a_spectrum_that_was_cut(rng):
    """The rank at 1 % is not known then."""
    X = rng.standard_normal((300, 12))
    spectrum = lv.Spectrum.from_data(X, modes=4)
    result = lv.diagnose(X[:, :2], variance=np.ones((300, 2)), spectrum=spectrum, loss=lv.Loss.gaussian())
    assert len(labelled(plotting.rank_distortion_of(result), "PCA")) == 5
