"""The shipped climate statistics: the published numbers, and the layers where they are present. Public data sets."""

import json
import sys

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import InputError, Spectrum, datasets
from landau_vae import spectrum as spectra
from landau_vae.cli import main
from landau_vae.cli.options import Inputs, Reading
from landau_vae.datasets._worldclim_layers import write_statistics

UNWEIGHTED = """.564316 .178218 .106205 .0596682 .0350937 .0246745 .0147642 .00693978 .00499673 .00302007 8.38733e-4
5.98306e-4 2.77678e-4 1.76566e-4 1.47423e-4 5.28669e-5 9.89754e-6 2.69027e-6"""
WEIGHTED = """.510914 .223964 .0993687 .0647636 .0347429 .0282072 .0164136 .00953057 .00599030 .00364065 9.39816e-4
8.14801e-4 2.81881e-4 1.65932e-4 1.53562e-4 9.19455e-5 1.29909e-5 4.24957e-6"""


@pytest.mark.parametrize(
    ("weighted", "published", "ranks"),
    [(False, UNWEIGHTED, [6, 9, 10, 12, 15, 17]), (True, WEIGHTED, [6, 9, 10, 12, 16, 17])],
)
def test_published_spectra(weighted, published, ranks):
    """Six digits were published: half a unit of the sixth. Ranks: Table I of the follow-up to arXiv:2605.22691."""
    spectrum = datasets.worldclim(weighted=weighted).spectrum()
    np.testing.assert_allclose(spectrum.normalized, np.array(published.split(), dtype=float), rtol=5e-6)
    assert [spectrum.rank(share) for share in (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)] == ranks
    assert (spectrum.dimension, spectrum.unresolved, spectrum.samples) == (19, 1, 808_053)
    assert spectrum.dependencies() == [("bio5", "bio6", "bio7")]


def test_statistics_are_labelled():
    climate = datasets.worldclim()
    assert climate.names[6] == "bio7"
    assert "bio5 − bio6" in climate.descriptions[6]
    assert climate.mean[6] == pytest.approx(climate.mean[4] - climate.mean[5], rel=1e-7)  # float32 layers
    assert "redistribution" in climate.licence
    assert "Fick" in climate.citation
    np.testing.assert_array_equal(climate.correlation, climate.correlation.T)


def test_the_layers_give_the_shipped_file(layers_folder, tmp_path):
    write_statistics(datasets.worldclim_layers(layers_folder), tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    for weighted, key in ((False, "unweighted"), (True, "area_weighted")):
        shipped = datasets.worldclim(weighted=weighted)
        for name in ("mean", "std", "correlation"):
            np.testing.assert_allclose(again[key][name], getattr(shipped, name), rtol=CLOSED, atol=CLOSED)
    assert again["cells"] == shipped.cells


@pytest.mark.parametrize(
    ("weighted", "published", "ranks"),
    [(False, UNWEIGHTED, [6, 9, 10, 12, 15, 17]), (True, WEIGHTED, [6, 9, 10, 12, 16, 17])],
)
def test_the_layers_give_the_published_spectra(layers_folder, weighted, published, ranks):
    """The same numbers from 808 053 cells of float32, no shipped statistics in between."""
    layers = datasets.worldclim_layers(layers_folder)
    spectrum = layers.spectrum(weighted=weighted)
    np.testing.assert_allclose(spectrum.normalized, np.array(published.split(), dtype=float), rtol=5e-6)
    assert [spectrum.rank(share) for share in (0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5)] == ranks
    assert (len(layers.cells), spectrum.modes, spectrum.unresolved) == (808_053, 18, 1)


# ---------------------------------------------------------------------------------- public data sets


def bundled(name):
    """A data set, if the library that it comes with is installed."""
    if name not in ("counts", "terrain", "worldclim"):
        pytest.importorskip("sklearn", reason="the extra 'sklearn' is not installed")
    return datasets.load(name)


def ask(capsys, *arguments):
    """What the command prints."""
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_set_says_what_it_is(name):
    data = bundled(name)
    assert data.name == name
    assert data.names == tuple(dict.fromkeys(data.names))
    assert data.table.shape == ((len(data.names) if data.covariance else data.samples), len(data.names))
    assert np.isfinite(data.table).all()
    assert not data.table.flags.writeable
    assert len(data.source) > 50
    assert not {*data.names} & {*data.target_names, "target"}
    if data.target is not None:
        assert data.target.shape == (data.samples, len(data.target_names))
        assert not data.target.flags.writeable
    spectrum = data.spectrum()
    assert spectrum.standardized is data.standardize or data.covariance
    assert spectrum.total_variance == pytest.approx(
        len(data.names) if data.standardize else data.table.var(axis=0).sum(), rel=CLOSED
    )
    assert spectrum.samples == data.samples


def test_digits_for_each_decoder():
    data = bundled("digits")
    assert (data.table.min(), data.table.max()) == (0.0, 1.0)
    binary = data.prepared("bernoulli")
    assert set(np.unique(binary.table)) == {0.0, 1.0}
    pixel = binary.names.index("pixel_3_3")
    np.testing.assert_array_equal(binary.table[:, pixel], data.table[:, data.names.index("pixel_3_3")] * 16 > 8)
    assert "13 constant columns left out (pixel_0_0, " in binary.note
    spectrum = data.spectrum("bernoulli")
    varied = binary.table[:, binary.table.std(axis=0) > 0]
    np.testing.assert_allclose(
        spectrum.eigenvalues, Spectrum.from_data(varied, likelihood="bernoulli").eigenvalues, rtol=CLOSED
    )
    counts = data.prepared("poisson").table
    assert counts.max() == 16
    np.testing.assert_array_equal(counts, np.rint(counts))
    assert data.spectrum().unresolved == 3  # pixels that are never inked
    assert data.spectrum(standardize=True).unresolved == 0


def test_classes_as_a_condition_and_as_a_target():
    """Conditioned on the class, what is left is the covariance within classes; all of it for the last class too."""
    data = bundled("digits")
    condition, names = data.condition
    assert names == tuple(f"digit_{digit}" for digit in range(9))
    within = data.table.copy()
    for column in range(10):
        members = data.target[:, column] == 1
        within[members] -= within[members].mean(axis=0)
    np.testing.assert_allclose(
        spectra.conditional(condition, data.table).eigenvalues,
        Spectrum.from_data(within).eigenvalues,
        rtol=1e-9,  # a solve with the covariance of nine indicators on the way
    )
    assert bundled("diabetes").condition[1] == ("progression",)
    with pytest.raises(InputError, match="terrain has no target"):
        _ = bundled("terrain").condition


def test_terrain_is_cut_into_patches():
    data = bundled("terrain")
    first, right = data.table[0].reshape(8, 8), data.table[1].reshape(8, 8)
    step = np.abs(np.diff(first, axis=1)).mean()
    assert np.abs(right[:, 0] - first[:, -1]).mean() < 3 * step  # neighbours, where the map goes on


def test_sets_that_a_decoder_cannot_take():
    with pytest.raises(InputError, match="worldclim is neither binary nor counts"):
        datasets.load("worldclim").spectrum("bernoulli")
    with pytest.raises(InputError, match="only a covariance is known"):
        datasets.load("worldclim").spectrum(divisor="n-1")
    with pytest.raises(InputError, match="There is no data set 'mnist': the names are breast_cancer"):
        datasets.load("mnist")


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match=r"pip install 'landau-vae\[sklearn\]'"):
        datasets.load("digits")


def test_thresholds_of_a_set(capsys):
    bundled("digits")
    result = json.loads(ask(capsys, "thresholds", "--dataset", "digits", "--json"))
    assert result["file"] == "digits"
    np.testing.assert_allclose(
        result["transitions"]["beta"], datasets.load("digits").spectrum().eigenvalues, rtol=CLOSED
    )
    heading = ask(capsys, "thresholds", "--dataset", "digits", "--likelihood", "bernoulli").splitlines()
    assert "51 modes in 51 dimensions" in heading[0]
    assert heading[1].startswith("binarised: 1 above 8 of 16, else 0; 13 constant columns left out (")
    assert "standardised" in ask(capsys, "thresholds", "--dataset", "wine").splitlines()[0]
    chosen = ask(capsys, "thresholds", "--dataset", "wine", "--column", "alcohol", "--column", "hue").splitlines()[0]
    assert "2 modes in 2 dimensions" in chosen


def test_conditions_and_targets_of_a_set(capsys):
    data = bundled("digits")
    result = json.loads(ask(capsys, "thresholds", "--dataset", "digits", "--given", "target", "--json"))
    known = spectra.conditional(data.condition[0], data.table)
    np.testing.assert_allclose(result["spectrum"]["eigenvalues"], known.eigenvalues, rtol=CLOSED)
    data = bundled("iris")
    known = spectra.supervised(data.table, data.target)
    result = json.loads(ask(capsys, "choose", "--dataset", "iris", "--target", "target", "--keep", "1", "--json"))
    np.testing.assert_allclose(result["spectrum"]["eigenvalues"], known.eigenvalues, rtol=CLOSED)
    result = json.loads(ask(capsys, "thresholds", "--dataset", "iris", "--target", "virginica", "--json"))
    assert result["spectrum"]["names"] == ["virginica"]
    out = ask(capsys, "thresholds", "--dataset", "diabetes", "--target", "progression")
    assert ", standardised\nSpectrum of what x explains of the target" in out


def test_the_climate_as_a_set(capsys):
    out = ask(
        capsys, "thresholds", "--dataset", "worldclim", "--column", "bio5", "--column", "bio6", "--column", "bio7"
    )
    assert "2 modes in 3 dimensions" in out
    assert "linearly dependent: bio5, bio6, bio7" in out
    assert "18 of 18 resolved modes agree" in ask(
        capsys, "verify", "--dataset", "worldclim", "--exact", "--seeds", "1", "--workers", "1"
    )


def test_other_commands_on_sets(capsys):
    bundled("iris")
    out = ask(capsys, "verify", "--dataset", "iris", "--exact", "--seeds", "1", "--workers", "1")
    assert "4 of 4 resolved modes agree" in out
    assert ask(capsys, "bifurcate", "--dataset", "iris").count("supercritical pitchfork") == 4


def test_a_decoder_that_is_no_loss():
    """`bifurcate --decoder bernoulli`, whose loss option still says gaussian, gets binary rows and says so."""
    bundled("digits")
    inputs = Inputs(dataset="digits", reading=Reading(columns=["pixel_2_3", "pixel_3_3"]))
    assert set(np.unique(inputs.rows("bernoulli").values)) == {0.0, 1.0}
    assert inputs.preparation("bernoulli") == "binarised: 1 above 8 of 16, else 0"
    assert len(np.unique(inputs.rows().values)) == 17
    assert inputs.preparation() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [("", "No data were given: name a FILE, or a public data set (--dataset breast_cancer, "),
     ("x.csv --dataset worldclim", "Both the file x.csv and the data set worldclim were given"),
     ("--dataset mnist", "no data set 'mnist'"),
     ("--dataset terrain --weights cell_0_0", "--weights says how to read a file"),
     ("--dataset worldclim --covariance", "--covariance says how to read a file"),
     ("--dataset terrain --column nope", "terrain has no column 'nope'"),
     ("--dataset terrain --given target", "terrain has no target"),
     ("--dataset terrain --given nope", "no column 'nope'"),
     ("--dataset worldclim --given bio1", "only a covariance is known"),
     ("--dataset terrain --likelihood bernoulli", "neither binary nor counts")],
)  # fmt: skip
def test_bad_choices_of_a_set(capsys, arguments, words):
    assert main(["thresholds", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
