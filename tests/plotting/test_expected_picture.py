"""The picture of an expected course shows the curves, β and the log that it claims to show."""

import numpy as np

import landau_vae as lv
from landau_vae.diagnosis import RunLog


def test_the_picture_has_the_curves_and_the_log():
    result = lv.expected(lv.Spectrum.from_eigenvalues([4, 1]), lv.Loss.gaussian(), np.linspace(0.0, 2.0, 30))
    log = RunLog(result.kl[1:] + 0.1, result.reconstruction[1:] * 1.1, step=result.step[1:], total=result.total[1:])
    left, middle, right, beta = lv.plotting.expected(result, log=log).axes
    curves = (result.kl, result.reconstruction, result.total)
    for ax, curve, points in zip((left, middle, right), curves, (log.kl, log.reconstruction, log.total), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), curve)
        np.testing.assert_allclose(ax.lines[1].get_ydata(), points)
        assert ax.get_ylim()[0] <= points.min()
        assert ax.get_ylim()[1] >= points.max()
    np.testing.assert_allclose(beta.lines[0].get_ydata(), result.beta)
    alone = lv.plotting.expected(result).axes
    assert [len(ax.lines) for ax in alone] == [1, 1, 1, 1]


def test_a_tiny_beta_does_not_stretch_the_axis():
    """At β = 1e-9 rest has 10 nats in each mode; no run gets there, and the rest of the curve would be a line."""
    beta = np.concatenate([[1e-9], np.linspace(0.5, 2.0, 99)])
    result = lv.expected(lv.Spectrum.from_eigenvalues([4, 1]), lv.Loss.gaussian(), beta)
    top = lv.plotting.expected(result).axes[0].get_ylim()[1]
    assert result.kl[0] > 10 * result.kl[1]
    assert result.kl[5] <= top < 2 * result.kl[1]
