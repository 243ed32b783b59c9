"""Pictures show the numbers they claim to show."""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import plotting, report


@pytest.fixture(scope="module")
def result():
    spectrum = lv.Spectrum.from_eigenvalues([4, 2, 0.5])
    return lv.verify(lv.scan(spectrum, np.geomspace(1, 0.003, 41)), spectrum)


def lines(ax):
    return [np.asarray(line.get_xydata(), dtype=float) for line in ax.get_lines()]


def test_branches_show_theory_and_training(result):
    drawn = lines(plotting.branches(result))
    assert len(drawn) == 6
    for k in range(3):
        predicted, trained = drawn[2 * k], drawn[2 * k + 1]
        law = np.maximum(0, 1 - predicted[:, 0] / result.spectrum.normalized[k])
        np.testing.assert_allclose(predicted[:, 1], law, atol=1e-12)
        np.testing.assert_allclose(trained[:, 1], 1 - trained[:, 0] / result.spectrum.normalized[k], atol=1e-4)


def test_pictures_of_models_that_are_all_dead(tmp_path):
    spectrum = lv.Spectrum.from_eigenvalues([4, 2, 0.5])
    dead = lv.verify(lv.scan(spectrum, [2.0, 3.0]), spectrum)
    assert report.save_figure(tmp_path / "x.png", plotting.overview(dead)).stat().st_size > 10_000


def test_universal_law_collapses_all_branches(result):
    _, *points = lines(plotting.universal_law(result))
    for x, y in np.concatenate(points):
        assert y == pytest.approx(max(0, 1 - x), abs=1e-4)


def test_spectra_and_rate_distortion_and_overview(result):
    spectra = lines(plotting.spectra(result))
    np.testing.assert_array_equal(spectra[0][:, 1], result.spectrum.normalized)
    np.testing.assert_array_equal(spectra[1][:, 1], result.threshold)
    np.testing.assert_array_equal(spectra[2][:, 1], result.utility)
    curve, trained, _ = lines(plotting.rate_distortion(result))
    on_curve = np.interp(trained[:, 0], curve[::-1, 0], curve[::-1, 1])
    np.testing.assert_allclose(trained[:, 1], on_curve, rtol=1e-3)  # linear interpolation in 1000 points
    assert len(plotting.overview(result).axes) == 4


def test_cascade_counts_the_living(result):
    ax = plotting.cascade(result.spectrum, lv.Loss.gaussian(half=False), chosen=0.7)
    steps = lines(ax)[0]
    assert set(steps[:, 1]) == {0, 1, 2, 3}
    for level, threshold in ((3, 1.0), (2, 4.0), (1, 8.0)):  # without the ½, β = 2τ
        assert steps[steps[:, 1] == level, 0].max() == pytest.approx(threshold, rel=1e-9)


def test_an_axes_of_ones_own_is_used(result):
    from matplotlib.figure import Figure

    for draw in (plotting.branches, plotting.universal_law, plotting.spectra, plotting.rate_distortion):
        ax = Figure().add_subplot()
        assert draw(result, ax) is ax
        assert len(lines(ax)) > 0


def test_nothing_half_written_is_left(result, tmp_path, monkeypatch):
    scan = lv.scan(result.spectrum, [0.1])

    def fail(_, path, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left")

    monkeypatch.setattr(type(scan), "to_netcdf", fail)
    with pytest.raises(lv.InputError, match="No space left"):
        report.write(tmp_path, result, scan)
    assert not (tmp_path / "scan.nc").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
