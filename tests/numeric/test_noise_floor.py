"""The noise floor: noise does not cross it, spikes do, and it says where noise is not what the data end in."""

import json

import numpy as np
import pytest
from conftest import CLOSED, SAMPLED
from scipy.integrate import quad

from landau_vae import InputError, Loss, OutsideTheory, Spectrum, TooFewSamples, choose_beta, equilibrium
from landau_vae.cli import main
from landau_vae.numeric import noise_floor, spiked
from landau_vae.numeric._noise_floor import marchenko_pastur

KINDS = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "t": lambda rng, size: rng.standard_t(8, size),
}
# One training set in a hundred is above the floor by its definition, two where the tails are those of t, whose edge
# converges slowly. Of 200 sets, 5 % is 10; with a chance of 2 % each, more than that happen once in 500 trials.
ABOVE = 0.05


def floors(rng, n, d, draws, kind="normal", scale=1.0, **options):
    """The floors of many training sets with independent columns."""
    for _ in range(draws):
        yield noise_floor(Spectrum.from_data(KINDS[kind](rng, (n, d)) * scale, **options))


def columns(d, spikes):
    """Standard deviations of d columns of noise of variance 1 with spikes ρ on top."""
    scale = np.ones(d)
    scale[: len(spikes)] += spikes
    return scale**0.5


# ---------------------------------------------------------------------------------------------- the law


@pytest.mark.parametrize(("n", "d"), [(100, 100), (30, 90), (10**6, 10), (50, 49)])
def test_marchenko_pastur_is_the_integral_of_its_density(n, d):
    small, large = sorted((n, d))
    low, high = (1 - (small / large) ** 0.5) ** 2, (1 + (small / large) ** 0.5) ** 2

    def density(x):
        return np.sqrt((high - x) * (x - low)) / (2 * np.pi * x * small / large)

    points = np.linspace(low, high, 7)[1:-1]
    # The closed form subtracts numbers 1/√γ ≤ 316 larger than the result; the rest is the quadrature at its ends.
    by_parts = [quad(density, low, x, epsabs=1e-10, limit=200)[0] for x in points]
    np.testing.assert_allclose(marchenko_pastur(points, n, d), by_parts, atol=1e-8)
    assert marchenko_pastur(np.array([0, 2 * high]), n, d) == pytest.approx([0, 1], abs=1e-12)


# ------------------------------------------------------------------------------------------ noise alone


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("aspect", [0.5, 1, 4, 20])
def test_noise_stays_below_the_floor(rng, kind, aspect):
    d = 50
    found = list(floors(rng, int(aspect * d), d, 200, kind))
    above = [equilibrium(f.spectrum, Loss.gaussian(f.price)).active > 0 for f in found]  # price = β: σ_dec = 1, sums
    assert np.mean(above) <= ABOVE
    assert [f.modes > 0 for f in found] == above
    assert np.mean([f.isotropic for f in found]) >= 1 - ABOVE


def test_the_floor_is_no_higher_than_it_must_be(rng):
    """99 % of largest eigenvalues are below it, but not 99.99 %: it is within a tenth of their own maximum."""
    found = list(floors(rng, 400, 100, 300))
    strongest = max(f.spectrum.eigenvalues[0] for f in found)
    assert 0.9 * strongest < np.mean([f.price for f in found]) < 1.1 * strongest


@pytest.mark.parametrize(("n", "d"), [(5, 3), (10, 5), (5, 10), (3, 50), (20, 20)])
def test_small_training_sets(rng, n, d):
    """Centring takes one of n degrees of freedom, so n − 1 eigenvalues are not zero; by the divisor n, η is less."""
    found = list(floors(rng, n, d, 200))
    assert np.mean([f.modes > 0 for f in found]) <= ABOVE
    noise = np.array([f.noise for f in found])
    assert abs(noise.mean() - (1 - 1 / n)) < SAMPLED * noise.std() / len(noise) ** 0.5
    assert np.mean([f.isotropic for f in found]) >= 1 - ABOVE


def test_two_samples():
    floor = noise_floor(Spectrum.from_data([[0, 1, 2], [1, 3, 5]]))
    assert (floor.dimension, floor.modes, floor.spikes) == (3, 0, 0)


@pytest.mark.parametrize("aspect", [0.5, 4])
def test_standardised_columns(rng, aspect):
    """Columns of very different units, independent: their correlations follow the same law, with η = 1."""
    d = 60
    found = list(floors(rng, int(aspect * d), d, 200, scale=np.geomspace(1e-3, 1e3, d), standardize=True))
    assert np.mean([f.modes > 0 for f in found]) <= ABOVE
    assert np.mean([f.isotropic for f in found]) >= 1 - ABOVE
    np.testing.assert_allclose([f.noise for f in found if not f.spikes], 1, rtol=CLOSED)  # the trace is d


# --------------------------------------------------------------------------------------------- spikes


@pytest.mark.parametrize("aspect", [0.5, 1, 4, 20])
def test_one_spike_stands_above_and_does_not_bias_the_noise(rng, aspect):
    """A spike of five times the critical variance: λ̂, whose own scatter is √(2/n) of it, clears the floor by two."""
    d = 80
    n, spike = int(aspect * d), 5 / aspect**0.5
    found = list(floors(rng, n, d, 200, scale=columns(d, [spike])))
    assert np.mean([f.modes >= 1 for f in found]) >= 1 - ABOVE
    assert np.mean([f.modes == 1 for f in found]) >= 1 - 2 * ABOVE  # the spike, and no noise
    assert np.mean([f.isotropic for f in found]) >= 1 - ABOVE
    assert np.mean([f.noise for f in found]) == pytest.approx(1, rel=0.03)  # divisor n (1/n), and the spike's own 1/d


def test_a_spike_below_the_transition_is_none(rng):
    found = list(floors(rng, 100, 100, 200, scale=columns(100, [0.3])))
    assert np.mean([f.modes > 0 for f in found]) <= ABOVE


@pytest.mark.parametrize("count", [10, 40])
def test_many_spikes(rng, count):
    """Up to half of all, a hundred times the noise: the median of all eigenvalues alone would be far off with 40."""
    found = list(floors(rng, 400, 100, 30, scale=columns(100, np.geomspace(4, 100, count))))
    assert np.mean([f.modes for f in found]) == pytest.approx(count, abs=0.2)  # a noise mode in one set of 100
    # Divisor n, and noise that leaks into spikes: λ̂ of each is larger than ρ + η by η/α and more.
    assert np.mean([f.noise for f in found]) == pytest.approx(1, rel=0.02)
    assert np.mean([f.isotropic for f in found]) >= 0.9


def test_the_floor_of_known_noise(rng):
    """Where theory knows η, the floor read off the data is that of the theory."""
    theory = spiked([2.0], 0.5, 800, 200)
    (floor,) = floors(rng, 800, 200, 1, scale=np.r_[2.5, np.full(199, 0.5)] ** 0.5)
    # η from 800 × 200 numbers, a standard error of √(2/160 000); the spike takes a share 1/d of the edge.
    assert floor.price == pytest.approx(theory.noise_floor, rel=SAMPLED * (2 / 160_000) ** 0.5 + 1 / 200)
    assert floor.edge == pytest.approx(theory.edge, rel=SAMPLED * (2 / 160_000) ** 0.5 + 1 / 200)


def test_a_crowd_of_weak_spikes_hides_less_behind_the_median(rng, monkeypatch):
    """45 of 100 directions a little above the transition raise the mean of all more than the median of all."""
    found = list(floors(rng, 400, 100, 60, scale=columns(100, np.linspace(1, 1.25, 45))))
    assert not any(f.isotropic for f in found)
    monkeypatch.setattr("landau_vae.numeric._noise_floor._median", lambda *_: 1e-9)  # a noise beyond all: no first step
    gained = np.array([f.modes - noise_floor(f.spectrum).modes for f in found])
    assert gained.min() >= 0
    assert gained.mean() > SAMPLED * gained.std() / 60**0.5


def test_what_stands_above_is_not_in_the_bulk(rng):
    """Near the floor, too, where median and mean may disagree: what is said of the bulk is said of noise."""
    found = list(floors(rng, 40, 20, 300, scale=columns(20, [1.8])))
    assert 0.2 < np.mean([f.modes > 0 for f in found]) < 0.9  # near the floor indeed
    assert all(np.sum(f.spectrum.eigenvalues > f.normal_price) == f.spikes for f in found)
    assert np.mean([f.modes == f.spikes for f in found]) >= 1 - ABOVE  # the tails of 40 normal rows look heavy in 1 %
    crowded = noise_floor(Spectrum.from_eigenvalues([16, 4, 1], samples=1000))
    assert (crowded.spikes, crowded.modes, crowded.isotropic) == (1, 2, False)  # no more than half can be spikes


# ------------------------------------------------------------------------------- what is not such noise


def test_linear_dependencies_are_not_noise(rng):
    """Sums and copies of columns leave the rank of the rest, on which the noise is isotropic as it would be alone."""
    rows = rng.standard_normal((600, 60))
    mixed = rows @ np.linalg.qr(rng.standard_normal((100, 60)))[0].T
    alone, dependent = (noise_floor(Spectrum.from_data(x)) for x in (rows, mixed))
    assert dependent.spectrum.unresolved == 40
    assert dependent.dimension == 60
    assert dependent.price == pytest.approx(alone.price, rel=1e-9)  # a rotation, and its rounding in 100 dimensions
    assert dependent.isotropic
    # Fewer rows than columns, but more than the rank: still the rank.
    assert noise_floor(Spectrum.from_data(mixed[:80])).dimension == 60
    assert noise_floor(Spectrum.from_data(mixed[:40])).dimension == 100  # n hides it


@pytest.mark.parametrize("power", [0.5, 1])
def test_decaying_spectra_are_read_with_care(rng, power):
    scale = np.arange(1.0, 101) ** -power
    for floor in floors(rng, 2000, 100, 10, scale=scale):
        assert not floor.isotropic
        assert "read it with care" in floor.summary()


def test_noise_that_differs_between_features_is_noticed(rng):
    """Variances from 0.7 to 1.3: with 2000 rows, several features stand out as if they were spikes."""
    found = list(floors(rng, 2000, 100, 20, scale=np.linspace(0.7, 1.3, 100) ** 0.5))
    assert not any(f.isotropic for f in found)
    standardised = list(floors(rng, 2000, 100, 20, scale=np.linspace(0.7, 1.3, 100) ** 0.5, standardize=True))
    assert np.mean([f.isotropic for f in standardised]) > 0.8  # 99 of 100 in truth


def test_real_data(climate):
    floor = noise_floor(climate)
    assert not floor.isotropic
    choice = choose_beta(climate, Loss.gaussian(), noise_floor=True)
    assert choice.caveat == floor.caveat
    assert choice.summary().splitlines()[2] == floor.caveat
    assert choice.equilibrium.active == floor.modes


# ------------------------------------------------------------------------------------------ as a result


def test_units_samples_and_divisor(rng):
    rows = rng.standard_normal((200, 40)) * columns(40, [5.0])
    floor = noise_floor(Spectrum.from_data(rows))
    scaled = noise_floor(Spectrum.from_data(100 * rows))
    assert scaled.price == pytest.approx(1e4 * floor.price, rel=1e-9)  # rounding of eigenvalues
    assert scaled.modes == floor.modes == 1
    rival = noise_floor(Spectrum.from_data(rows, divisor="n-1"))
    assert rival.price == pytest.approx(floor.price * 200 / 199, rel=CLOSED)  # the floor of its own eigenvalues
    covariance = Spectrum.from_covariance(np.cov(rows.T, bias=True))
    assert noise_floor(covariance, samples=200).price == pytest.approx(floor.price, rel=1e-9)
    # Fewer samples fake more; `samples` is believed rather than the spectrum.
    assert noise_floor(floor.spectrum, samples=50).price > floor.price


def test_text_and_json(rng):
    (floor,) = floors(rng, 400, 100, 1, scale=columns(100, [4.0]))
    assert repr(floor).startswith("NoiseFloor(τ = 2.")
    assert repr(floor).endswith("1 of 100 modes above)")
    assert "n = 400 samples in 100 directions" in floor.summary()
    assert "look like isotropic noise" in floor.summary()
    data = json.loads(json.dumps(floor.to_dict(), allow_nan=False))
    assert (data["modes"], data["isotropic"], data["caveat"]) == (1, True, None)
    assert data["price"] == floor.price > data["edge"] > data["noise"]


@pytest.mark.parametrize(
    ("eigenvalues", "samples", "words"),
    [
        ([2, 1], None, "give samples=n"),
        ([2, 1], 2.5, "samples is 2.5"),
        ([2, 1], 0, "samples is 0"),
        ([2, 1], 2, "at most 1 nonzero eigenvalues, but the spectrum has 2"),
        ([2, 1], 1, "at most 0"),
    ],
)
def test_no_floor(eigenvalues, samples, words):
    with pytest.raises(InputError if "is" in words.split() else OutsideTheory, match=words):
        noise_floor(Spectrum.from_eigenvalues(eigenvalues), samples)


# ------------------------------------------------------------------------------------------ choosing β


@pytest.fixture
def measured(rng):
    """Three directions of signal in 40 features, 600 rows."""
    return Spectrum.from_data(rng.standard_normal((600, 40)) * columns(40, [9.0, 4.0, 2.0]))


@pytest.mark.parametrize(
    "loss", [Loss.gaussian(), Loss.gaussian(reconstruction="mean", kl="mean", half=False, latents=8)]
)
def test_choose_beta_above_the_noise(measured, loss):
    floor, choice = noise_floor(measured), choose_beta(measured, loss, noise_floor=True)
    assert choice.question == "stay above the noise floor"
    assert choice.caveat is None
    assert loss.at(choice.beta).price(measured) == pytest.approx(floor.price, rel=CLOSED)
    low, high = choice.interval
    assert low == choice.beta < high
    for beta, live in ((low, 3), (0.999 * high, 3), (high, 2)):
        assert equilibrium(measured, loss.at(beta)).active == live
    assert choice.summary().startswith("stay above the noise floor: β = ")
    assert "any β from" in choice.summary()


def test_choose_beta_with_few_latents(measured):
    choice = choose_beta(measured, Loss.gaussian(latents=2), noise_floor=True)
    assert choice.equilibrium.active == 2
    assert choice.interval == pytest.approx((noise_floor(measured).price, measured.eigenvalues[1]), rel=CLOSED)


def test_choose_beta_where_all_is_noise(rng):
    with pytest.raises(TooFewSamples, match="Nothing in these data stands above sampling noise"):
        choose_beta(Spectrum.from_data(rng.standard_normal((100, 50))), Loss.gaussian(), noise_floor=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise_floor": False}, "Ask for one thing"),
        ({"noise_floor": True, "keep": 1}, "Ask for one thing"),
        ({"noise_floor": True, "tolerance": 0.1}, "Ask for one thing"),
        ({"noise_floor": True, "reconstruction": "mean"}, "does not change which modes are active"),
    ],
)
def test_one_question_at_a_time(measured, options, words):
    with pytest.raises(InputError, match=words):
        choose_beta(measured, Loss.gaussian(), **options)


def test_command_line(rng, tmp_path, capsys):
    rows = rng.standard_normal((300, 20)) * columns(20, [6.0])
    np.save(tmp_path / "x.npy", rows)
    assert main(["choose", str(tmp_path / "x.npy"), "--noise-floor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["question"] == "stay above the noise floor"
    assert said["beta"] == pytest.approx(noise_floor(Spectrum.from_data(rows)).price, rel=CLOSED)
    assert said["equilibrium"]["active"] == 1
