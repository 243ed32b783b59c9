"""Pictures of a spectroscopy hold the numbers that they say they hold."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import InputError, plotting, report
from landau_vae.training.schema import Status
from landau_vae.verification import onsets

GRID = np.geomspace(1, 1e-3, 25)


@pytest.fixture(scope="module")
def scan():
    return lv.scan(lv.Spectrum.from_eigenvalues([4, 1, 0.25]), GRID, seeds=2)


@pytest.fixture(scope="module")
def found(scan):
    return onsets(scan)


def lines(ax):
    return [np.asarray(line.get_xydata()) for line in ax.get_lines()]


def test_branches_and_onsets(found):
    drawn = lines(plotting.onset_branches(found))
    np.testing.assert_allclose(drawn[0], np.c_[found.temperature, found.signal_fraction[:, 0]], rtol=CLOSED)
    assert [line[0, 0] for line in drawn if len(line) == 1] == pytest.approx(found.onset.tolist())


def test_rates_beside_utilities(found):
    drawn = lines(plotting.onset_rates(found))
    for k in range(3):
        rates = [[found.predicted_rate[0, k], 0], found.rate[:, k]]
        for line, rate in zip(drawn[2 * k : 2 * k + 2], rates, strict=True):
            np.testing.assert_allclose(line[:, 1], rate, rtol=CLOSED)


def test_identity(found):
    ax = plotting.identity(found)
    (points,) = [line for line in lines(ax) if len(line) == 3]
    np.testing.assert_allclose(points, np.c_[found.drop, found.onset], rtol=CLOSED)
    assert "1.000" in " ".join(text.get_text() for text in ax.texts)


def test_distortions_by_rank_and_temperature(found):
    (pca, trained, *_) = lines(plotting.rank_distortion(found))
    np.testing.assert_allclose(trained[:, 1], found.best[1:], rtol=CLOSED)
    np.testing.assert_allclose(pca[:2, 1], [1.25 / 5.25, 0.25 / 5.25], rtol=1e-9)
    curves = lines(plotting.distortion_curves(found))
    np.testing.assert_allclose(curves[1][:, 1], found.rank_distortion[:, 2], rtol=CLOSED)


def test_steps_are_the_dimensions_of_the_table(found):
    for line, name in zip(plotting.effective_dimension(found).get_lines(), ("trained", "pca"), strict=False):
        for row in found.dimensions:
            if row[name] is not None:  # x falls; at a step, the upper end counts
                x, y = np.asarray(line.get_path().vertices).T
                assert y[np.flatnonzero(x <= row["tolerance"])[0]] == row[name]


def none_drawn(scan, found):
    unknown = np.full_like(found.rank_distortion, np.nan)
    diverged = onsets(scan.assign(status=scan.status * 0 + Status.DIVERGED, converged=scan.converged & False))
    latents, onset = "no latent is active", "no onset resolved"
    yield replace(found, rank_distortion=unknown), ["", "", *["no distortions"] * 4]
    yield onsets(scan.isel(temperature=[15])), ["", "", onset, "", "", ""]
    yield onsets(scan.isel(temperature=[0])), [latents, latents, onset, "", "", ""]
    yield diverged, ["all models diverged"] * 6


def test_pictures_of_what_is_not_there_say_so(scan, found):
    for each, words in none_drawn(scan, found):
        page = plotting.spectroscopy_page(each)
        page.draw_without_rendering()
        said = [" ".join(text.get_text() for text in ax.texts[1:] if not text.get_text().isdigit()) for ax in page.axes]
        assert said == words


def test_the_folder(found, tmp_path):
    files = report.write_onsets(tmp_path / "out", found)
    assert [path.name for path in files] == ["spectroscopy.png", "results.json", "scan.nc"]
    assert lv.training.load_scan(files[2]).identical(found.scan)


def test_a_loop_of_two_sweeps(scan):
    down = scan.assign_attrs(start="down")
    up = scan.assign(signal_fraction=0.5 * scan.signal_fraction).assign_attrs(start="up")
    ax = plotting.hysteresis_loop(down, up)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["swept down", "swept up"]
    first, other = (np.asarray(line.get_xydata()) for line in ax.get_lines() if "swept" in str(line.get_label()))
    np.testing.assert_allclose(other[:, 1], 0.5 * first[:, 1], rtol=CLOSED)
    np.testing.assert_allclose(first[:, 0], np.sort(GRID), rtol=CLOSED)


def test_a_loop_is_labelled_by_what_the_scans_are(scan):
    down, up, warm = (scan.assign_attrs(start=start) for start in ("down", "up", "another scan"))
    for given, expected in [((up, down), ["swept up", "swept down"]),
                            ((scan, warm), ["from random weights", "from another scan"])]:  # fmt: skip
        ax = plotting.hysteresis_loop(*given)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == expected
    for other in (up.isel(temperature=slice(3)), up.assign_coords(temperature=GRID * 2)):
        with pytest.raises(InputError, match="up has other temperatures than down"):
            plotting.hysteresis_loop(down, other)


def test_bad_arguments(scan):
    with pytest.raises(InputError, match="found"):
        plotting.onset_branches(scan)
    with pytest.raises(InputError, match="up"):
        plotting.hysteresis_loop(scan, 3)
