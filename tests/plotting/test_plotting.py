"""Pictures show the numbers they claim to show."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import landau_vae as lv
from landau_vae import plotting, report
from landau_vae.numeric.continuation import Diagram, follow, landau_potential, telling_potential
from landau_vae.numeric.problems import Linear, Symbolic
from landau_vae.plotting import style
from landau_vae.symbolic import Landau


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
    for draw in (plotting.branches, plotting.universal_law, plotting.spectra, plotting.rate_distortion):
        ax = Figure().add_subplot()
        assert draw(result, ax) is ax
        assert len(lines(ax)) > 0


# ------------------------------------------------------------------------------- branches and potentials


def linear(*eigenvalues, **options):
    spectrum = lv.Spectrum.from_eigenvalues(eigenvalues)
    return Linear(spectrum, lv.Loss.gaussian(latents=len(eigenvalues)), **options)


@pytest.fixture(scope="module")
def beside_its_trunk():
    problem = linear(4, 2, 1)
    return Diagram(problem, follow(problem, 8, 0.1).branches + follow(problem, 8, 0.1, switch="never").branches)


@pytest.fixture(scope="module")
def first_order():
    return follow(linear(1, encoder_decay=0.8), 1, 0.05, switch="always")


@pytest.fixture(scope="module")
def transcritical():
    a, c = sp.symbols("a c", real=True)
    theory = Landau(a**4 / 4 - a**3 / 3 + c * a**2 / 2, a, (), c, {a: 0})
    return follow(Symbolic(theory, order_parameters=[a]), 0.5, -0.5, switch="always")


def drawn(ax, style, *, at_rest=False):
    """The lines of one style that are drawn in the axes' own coordinates: those at 0, or the others."""
    own = [line for line in ax.get_lines() if line.get_transform() == ax.transData]
    found = [line for line in own if line.get_linestyle() == style]
    return [line for line in found if bool(np.nanmax(np.abs(line.get_ydata())) == 0) == at_rest]


def marks(ax, marker):
    """Where there are markers of a kind, and whether they are filled."""
    found = [line for line in ax.get_lines() if line.get_linestyle() == "None" and line.get_marker() == marker]
    return {(*map(float, np.round(line.get_xydata()[0], 7)), line.get_markerfacecolor() != "white") for line in found}


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_stable_branches_are_solid_from_the_point_where_they_are_born(beside_its_trunk):
    ax = plotting.bifurcations(beside_its_trunk)
    by_colour = {}
    for line in drawn(ax, "-"):
        by_colour.setdefault(to_hex(line.get_color()), []).append(line.get_xydata())
    assert len(by_colour) == 3
    for threshold, colour in zip((4, 2, 1), plotting.style.colours(3), strict=True):
        pieces = by_colour[to_hex(colour)]
        assert pieces[0][0] == pytest.approx([threshold, 0], abs=1e-9)
        for piece, following in pairwise(pieces):
            assert following[0] == pytest.approx(piece[-1], abs=1e-12)  # no gap
        assert pieces[-1][-1, 0] == pytest.approx(0.1)
        for piece in pieces:
            np.testing.assert_allclose(piece[:, 1], 1 - piece[:, 0] / threshold, atol=1e-6)
    [at_rest], [unstable] = drawn(ax, "-", at_rest=True), drawn(ax, "--", at_rest=True)
    assert list(at_rest.get_xdata()) == pytest.approx([1, 8])  # the last latent wakes at 1
    assert list(unstable.get_xdata()) == pytest.approx([0.1, 4])  # the trunk
    assert not drawn(ax, "--")


def test_special_points_and_thresholds_are_marked(beside_its_trunk):
    ax = plotting.bifurcations(beside_its_trunk)
    assert marks(ax, "o") == {(4, 0, True), (2, 0, True), (1, 0, True)}
    assert [text.get_text() for text in ax.texts if text.get_text().startswith("×")] == ["×3", "×2"]
    [ticks] = [line for line in ax.get_lines() if line.get_transform() == ax.get_xaxis_transform()]
    assert list(ticks.get_xdata()) == pytest.approx([4, 2, 1])
    assert legend(ax) == ["stable", "unstable", "supercritical pitchfork", "threshold in closed form"]
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "$\\beta$", "signal fraction $M^2_k$")
    assert "threshold in closed form" not in legend(plotting.bifurcations(beside_its_trunk, predicted=False))


def test_points_in_which_branches_end_are_marked(beside_its_trunk):
    living = beside_its_trunk.branches[3]  # all three latents
    upwards = follow(beside_its_trunk.problem, living.control[-1], 8, x=living.x[-1])
    assert marks(plotting.bifurcations(upwards), "o") == {(4, 0, True), (2, 0, True), (1, 0, True)}


def test_unstable_stretches_are_dashed_up_to_the_fold(first_order):
    ax = plotting.bifurcations(first_order)
    [pitchfork, fold], [trunk, branch] = first_order.special, first_order.branches
    height = first_order.problem.order_parameters(fold.x, fold.control)[0]
    [dashed], [solid] = drawn(ax, "--"), drawn(ax, "-")
    assert dashed.get_xydata()[0] == pytest.approx([pitchfork.control, 0])
    assert dashed.get_xydata()[-1] == pytest.approx([fold.control, height])
    assert solid.get_xydata()[0] == pytest.approx([fold.control, height])
    for line, there in ((dashed, branch.index > 0), (solid, branch.index == 0)):
        points = np.column_stack([branch.control, branch.order_parameters[:, 0]])[there]
        near = np.abs(points[:, None] - line.get_xydata()).max(-1).min(1)
        assert near.max() < 1e-12  # each state that was found is on its line
    assert marks(ax, "o") == {(0.2, 0, False)}  # open: subcritical
    assert marks(ax, "^") == {(*np.round([fold.control, height], 7), True)}
    assert list(drawn(ax, "-", at_rest=True)[0].get_xdata()) == pytest.approx([0.2, 1])
    assert list(drawn(ax, "--", at_rest=True)[0].get_xdata()) == pytest.approx([0.05, 0.2])
    assert trunk.order_parameters.max() == 0


def test_a_theory_of_ones_own(transcritical):
    ax = plotting.bifurcations(transcritical)
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("linear", "c", "order parameters")
    assert marks(ax, "s") == {(0, 0, True)}
    assert marks(ax, "^") == {(0.25, 0.5, True)}
    assert legend(ax) == ["stable", "unstable", "transcritical", "fold"]
    for dash, stable in (("-", True), ("--", False)):
        c, a = np.concatenate([line.get_xydata() for line in drawn(ax, dash)]).T
        np.testing.assert_allclose(a**2 - a + c, 0, atol=1e-9)
        inside = np.abs(a - 0.25) < 0.25 - 1e-6  # between the point where it is born and the fold
        assert inside.any() != stable


def test_dashes_upon_dashes_are_left_out():
    problem = linear(4)
    trunk = follow(problem, 8, 1, switch="never")
    grown = follow(problem, 8, 1).branches[1]
    copies = [replace(grown, index=np.full(len(grown.index), one)) for one in (1, 2)]
    ax = plotting.bifurcations(Diagram(problem, (*trunk.branches, *copies)))
    assert len(drawn(ax, "--")) == 1
    assert len(drawn(ax, "-")) == 0


def test_branches_that_came_to_no_end():
    ax = plotting.bifurcations(follow(linear(4, 2), 8, 0.1, max_points=20, switch="always", max_branches=3))
    assert len(marks(ax, "x")) > 0
    assert "ended early" in legend(ax)
    nothing = follow(linear(4, 2, learned_variance=True), 0.1, 0.05)
    ax = plotting.bifurcations(nothing)
    assert not drawn(ax, "-")
    assert any(text.get_text().split() == nothing.reason.split() for text in ax.texts)


def minima(ax):
    return [line.get_xydata() for line in ax.get_lines() if line.get_marker() == "o"]


def test_a_potential_has_its_minima_where_the_branch_is():
    problem = linear(4)
    [special] = follow(problem, 8, 2).special
    potential = landau_potential(problem, special, [4.6, 4.0, 2.8], np.linspace(0, 3, 121))
    ax = plotting.landau_potential(potential)
    above, at, below = minima(ax)
    assert above == pytest.approx(np.zeros((1, 2)), abs=1e-9)
    assert at == pytest.approx(np.zeros((1, 2)), abs=1e-9)
    assert below[0] == pytest.approx(below[1] * [-1, 1])
    signal = np.interp(below[1, 0], potential.amplitude, potential.order_parameters[2, :, 0])
    assert signal == pytest.approx(1 - 2.8 / 4, abs=1e-3)
    gain = lv.equilibrium(problem.spectrum, lv.Loss.gaussian(2.8))
    assert below[1, 1] == pytest.approx(0.5 * (1 - 4 / 2.8) + float(gain.total_rate), abs=1e-5)
    curves = drawn(ax, "-")
    for curve, value in zip(curves, potential.value, strict=True):
        r, drawn_value = curve.get_xydata().T
        np.testing.assert_allclose(drawn_value, np.interp(np.abs(r), potential.amplitude, value), atol=1e-12)
        assert r[0] == -3
    assert legend(ax) == ["1.15 β*", "β*", "0.7 β*"]
    assert [to_hex(curve.get_color()) for curve in curves] == [style.COOL, style.INK, style.WARM]
    low, high = ax.get_ylim()
    assert low < below[0, 1] < 0 < high < -3 * below[0, 1]
    assert ax.get_ylabel() == "$V(r) - V(0)$  [nat]"


def test_a_first_order_potential_has_two_kinds_of_minima(first_order):
    pitchfork, fold = first_order.special
    potential = landau_potential(first_order.problem, pitchfork, [0.38, 0.34156, 0.32], np.linspace(0, 4, 161))
    ax = plotting.landau_potential(potential)
    collapsed, maxwell, living = minima(ax)
    assert fold.control < 0.38  # beyond the fold nothing else is left
    assert len(collapsed) == 1
    assert np.abs(maxwell[:, 1]).max() < 1e-4
    assert len(maxwell) == len(living) == 3
    assert living[[0, 2], 1].max() < -0.01
    assert legend(ax) == ["1.9 β*", "1.708 β*", "1.6 β*"]


def test_potentials_without_symmetry_and_without_states(transcritical):
    problem, special = transcritical.problem, transcritical.special[0]
    r = np.linspace(0, 1.5, 61)
    potential = landau_potential(problem, special, [0.1, -0.1], special.form.direction[0] * r)
    ax = plotting.landau_potential(potential)
    curves = drawn(ax, "-")
    assert [len(curve.get_xdata()) for curve in curves] == [61, 61]  # not mirrored
    assert legend(ax) == ["c = 0.1", "c = -0.1"]
    assert "transcritical at c* = 0;" in ax.texts[0].get_text()
    assert ax.get_ylabel() == "$V(r) - V(0)$"
    lost = replace(potential, value=np.full((2, 61), np.nan))
    assert not plotting.landau_potential(lost).get_lines()


def test_an_axes_of_ones_own_is_used_for_branches_too(first_order):
    potential = landau_potential(first_order.problem, first_order.special[0], [0.3], np.linspace(0, 4, 81))
    for draw, what in ((plotting.bifurcations, first_order), (plotting.landau_potential, potential)):
        ax = Figure().add_subplot()
        assert draw(what, ax) is ax
        assert len(lines(ax)) > 0


def test_nothing_half_written_is_left(result, tmp_path, monkeypatch):
    scan = lv.scan(result.spectrum, [0.1])

    def fail(*_, **__):
        raise OSError(28, "No space left")

    monkeypatch.setattr(type(scan), "dump_to_store", fail)
    with pytest.raises(lv.InputError, match="No space left"):
        report.write(tmp_path, result, scan)
    assert not (tmp_path / "scan.nc").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_page_of_branches_and_a_potential():
    problem = linear(4, 2)
    diagram = follow(problem, 8, 0.7)
    potential = telling_potential(problem, diagram.special[0])
    left, right = plotting.bifurcation_page(diagram, potential).axes
    assert len(marks(left, "o")) == 2
    above, at, below = minima(right)
    assert (len(above), len(at), len(below)) == (1, 1, 2)
    assert below[1, 1] < -1e-3
    assert len(plotting.bifurcation_page(diagram, None).axes) == 1


def test_a_potential_that_does_not_tell():
    problem = Linear(lv.Spectrum.from_eigenvalues([1.0]), lv.Loss.gaussian(latents=1), encoder_decay=0.8)
    pitchfork, fold = follow(problem, 1, 0.1).special
    for special in (pitchfork, fold):
        with pytest.raises(lv.OutsideTheory, match=f"normal form of a {special.kind} does not say"):
            telling_potential(problem, special)
