"""Onsets, utilities and effective dimensions from observables alone."""

import numpy as np
import pytest
from conftest import CLOSED

import landau_vae as lv
from landau_vae import InputError, Spectrum, equilibrium
from landau_vae.training import Status
from landau_vae.training.schema import UNTRAINED
from landau_vae.verification import onsets

GRID = np.geomspace(1, 1e-4, 61)
LAMBDA = np.array([4.0, 1.0, 0.25, 0.05])


def made(temperature, onset, drop, seeds=1, noise=0.0, rng=None):
    """A scan whose rates are ½ ln(T_c/T) and whose best distortions fall by `drop`, as a nonlinear decoder could."""
    import xarray

    rng = rng or np.random.default_rng(0)
    rate = np.maximum(0, 0.5 * np.log(np.asarray(onset) / temperature[:, None]))
    rate = np.stack([rate + noise * rng.standard_normal(rate.shape) * (rate > 0) for _ in range(seeds)]).clip(0)
    fraction = 1 - np.exp(-2 * rate)
    kept = 1 - np.concatenate([[0], np.cumsum(drop)])
    pruned = np.broadcast_to(kept, (seeds, len(temperature), 2, len(kept)))
    dims = ("seed", "temperature", "latent")
    return xarray.Dataset(
        {
            "signal_fraction": (dims, fraction),
            "rate": (dims, rate),
            "pruned_distortion": (("seed", "temperature", "reconstruction", "rank"), pruned.copy()),
            "status": (dims[:2], np.zeros(fraction.shape[:2], np.int8)),
        },
        {"seed": np.arange(seeds), "temperature": temperature, "reconstruction": ["mean", "sampled"]},
        {"total_variance": 1.0},
    )


def test_a_linear_scan_is_its_spectrum():
    """Three spectra are one: onsets, utilities and PCA. Distortions of the mean are off by the T²/λ of the coldest."""
    spectrum = Spectrum.from_eigenvalues(LAMBDA)
    found = onsets(lv.scan(spectrum, GRID))
    np.testing.assert_allclose(found.onset, spectrum.normalized, rtol=1e-6)
    np.testing.assert_allclose(found.drop, spectrum.normalized, rtol=1e-3)
    assert found.identity == pytest.approx(1, abs=1e-5)
    assert [row["trained"] for row in found.dimensions] == [row["pca"] for row in found.dimensions]
    state = equilibrium(spectrum, lv.Loss.gaussian(GRID[::-1] * spectrum.total_variance))
    np.testing.assert_allclose(found.rate[:, :4], state.rate, atol=1e-5)
    np.testing.assert_allclose(found.predicted_rate, state.rate, atol=1e-3)


def test_a_rank_begins_below_the_next_place_where_it_is_inactive():
    """One place, 2 nats: a line of slope −½ would begin at e⁴ times it. M² is below .1 at .2, so it may begin at .2/.9.

    A place where this seed was not trained says nothing.
    """
    scan = made(np.array([0.1, 0.2, 0.4]), [0.1], [0.1])
    scan.rate[0, 0], scan.signal_fraction[0, 0] = 2.0, 0.5
    assert onsets(scan).begins[0] == pytest.approx(0.2 / 0.9, rel=1e-12)
    scan.rate[0, 1], scan.signal_fraction[0, 1], scan.status[0, 1] = np.nan, np.nan, UNTRAINED
    scan.attrs["trainer"] = '{"name": "fit"}'
    assert onsets(scan).begins[0] == pytest.approx(0.4 / 0.9, rel=1e-12)
    scan.rate[0, 0] = 0.01
    assert onsets(scan).begins[0] == pytest.approx(0.1 * np.exp(0.02), rel=1e-12)


def test_onsets_need_not_be_utilities():
    """T_c off the diagonal by a factor is measured as such; R² about the diagonal says how far."""
    drop = np.array([0.5, 0.2, 0.1, 0.05])
    found = onsets(made(GRID, 1.5 * drop, drop))
    np.testing.assert_allclose(found.onset, 1.5 * drop, rtol=CLOSED)
    spread = np.sum((np.log(1.5 * drop) - np.log(1.5 * drop).mean()) ** 2)
    assert found.identity == pytest.approx(1 - 4 * np.log(1.5) ** 2 / spread, rel=1e-9)
    for factor, words in ((1.5, "are not seen to be utilities: R²"), (1.01, "are utilities: R²")):
        assert f"Onsets {words}" in onsets(made(GRID, factor * drop, drop)).conclusion()


def test_equal_onsets_say_nothing_about_utilities():
    """Of isotropic data onsets differ by rounding: R² about the diagonal would divide by it."""
    found = onsets(lv.scan(Spectrum.from_eigenvalues(np.ones(3)), np.geomspace(1, 1e-3, 25)))
    assert found.resolved.all()
    assert np.isnan(found.identity)
    assert "do not differ by more than their errors" in found.conclusion()


def test_a_seed_without_a_fit_is_left_out():
    """Points and errors are those of the seeds that resolve a rank; the summary says which ranks some do not."""
    drop = np.array([0.5, 0.2])
    scan = made(GRID, drop, drop, seeds=2, noise=0.05)
    alone = onsets(scan.isel(seed=[0]))
    scan.rate.values[1, :, 1] = scan.signal_fraction.values[1, :, 1] = 0
    found = onsets(scan)
    assert found.seeds.tolist() == [2, 1]
    assert found.points[1] == alone.points[1] > 3
    assert (found.onset[1], found.onset_error[1]) == (alone.onset[1], alone.onset_error[1])
    assert "Rank 2: resolved from some seeds only" in found.summary()


def test_a_learned_variance_is_read_at_its_price():
    """Models of `Neural` with σ_dec² = 3: the coordinate is T of σ_dec² = V/d, the price is three times as large."""
    drop = np.array([0.5, 0.2])
    scan = made(GRID, drop, drop)
    scan["price"] = (("seed", "temperature"), GRID[None].copy())
    scan = scan.assign_coords(temperature=GRID / 3).assign_attrs(trainer='{"learned_variance": true}')
    np.testing.assert_allclose(onsets(scan).onset, drop, rtol=CLOSED)


def test_errors_over_seeds_cover_the_truth():
    """95 % of 200 intervals of 5 seeds, by Student's 2.78: 190 ± 3."""
    drop, rng, inside = np.array([0.5, 0.2]), np.random.default_rng(3), 0
    for _ in range(100):
        found = onsets(made(GRID[::2], drop, drop, seeds=5, noise=0.1, rng=rng))
        inside += np.count_nonzero(np.abs(np.log(found.onset / drop)) < 2.776 * found.onset_error)
    assert 178 <= inside <= 199


def test_what_is_not_resolved_is_said():
    """A rank whose window lies below the grid, and one that is never active."""
    drop = np.array([0.5, 0.2, 1e-4, 0.0])
    found = onsets(made(np.geomspace(1, 1e-2, 11), np.add(drop, (0, 0, 0.05, 1e-9)), drop))
    assert found.resolved.tolist() == [True, True, False, False]
    assert "2 onsets resolved" in found.summary()
    assert "Rank 3: not resolved" in found.summary()
    assert np.isnan(found.identity)


def test_models_that_diverged_count_for_nothing():
    drop = np.array([0.5, 0.2, 0.1])
    scan = made(GRID, drop, drop, seeds=2)
    whole = onsets(scan)
    for name in ("signal_fraction", "rate", "pruned_distortion"):
        scan[name].values[0, 3] = np.nan
    scan.status.values[0, 3] = Status.DIVERGED
    scan.status.values[1, 4] = Status.MOVING
    found = onsets(scan)
    np.testing.assert_allclose(found.onset, whole.onset, rtol=CLOSED)
    assert (found.diverged, found.unsettled) == (1, 1)
    assert "1 model diverged, left out everywhere. Lower the learning rate, or bring the data to" in found.summary()
    assert "Not settled: 1 model" in found.summary()
    scan.status.values[:] = Status.DIVERGED
    none = onsets(scan).summary()
    assert "0 onsets resolved" in none
    assert "decoder" not in none


def test_exponent_of_a_power_law():
    ranks = np.arange(20)
    kept = np.concatenate([[1.0], 0.5 * ranks[1:] ** -4.0])
    drop = -np.diff(kept)
    found = onsets(made(GRID, np.full(19, 0.5), drop))
    assert found.exponent == pytest.approx(-4, abs=1e-9)
    assert found.to_dict()["exponent"] == pytest.approx(-4)


@pytest.mark.parametrize(
    ("trainer", "variance", "standardized", "advice"),
    [
        ("fit", None, None, "Lower the learning rate, or bring the data to unit scale."),
        ("Sampled", 1.0, "yes", "Lower the learning rate."),
        ("Sampled", 1e4, "no", "variance of 1e+04: bring the data to unit scale (standardize=True), or lower the"),
        ("Neural", 1.0, "yes", "Lower the learning rate, or take smaller initial weights (Neural(start=…))."),
    ],
)
def test_advice_on_divergence_is_by_what_is_known(trainer, variance, standardized, advice):
    scan = made(GRID, [0.5], [0.5]).assign_attrs(trainer=f'{{"name": "{trainer}"}}', standardized=standardized)
    if variance:
        scan["covariance"] = (("feature", "other_feature"), variance * np.eye(3))
    scan.status.values[0, 3] = Status.DIVERGED
    assert advice in onsets(scan).conclusion()


def test_bad_scans():
    for cold in (0.0, -0.1, np.nan):
        with pytest.raises(InputError, match=f"has the temperature {cold:g}, but T = τ/V is positive"):
            onsets(made(np.array([0.3, 0.1]), [0.5], [0.5]).assign_coords(temperature=[0.3, cold]))
    with pytest.raises(InputError, match=r"a Dataset from lv\.scan"):
        onsets([1, 2])
    with pytest.raises(InputError, match="no variable rate"):
        onsets(made(GRID, [0.5], [0.5]).drop_vars("rate"))
