"""The spectrum, by every constructor, against the definition of a covariance."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import covariance

from landau_vae import Spectrum
from landau_vae.data.moments import Moments


def eigenvalues(matrix):
    return np.sort(np.linalg.eigvals(matrix).real)[::-1]


def assert_same(spectrum, expected):
    """Equal up to rounding, which is relative to the largest eigenvalue."""
    expected = np.asarray(expected)[: spectrum.modes]
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=0, atol=CLOSED * expected[0])


@pytest.fixture
def data(rng):
    return rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4)) + [0, 3, -500, 1e4]


def test_data_give_the_eigenvalues_of_their_covariance(data):
    spectrum = Spectrum.from_data(data)
    assert_same(spectrum, eigenvalues(covariance(data)))
    assert spectrum.total_variance == pytest.approx(np.trace(covariance(data)), rel=CLOSED)
    assert (spectrum.dimension, spectrum.modes, spectrum.samples) == (4, 4, 60)


def test_weights_are_multiplicities(data):
    counts = np.arange(60) % 4
    repeated = np.repeat(data, counts, axis=0)
    weighted = Spectrum.from_data(data, weights=counts)
    assert_same(weighted, Spectrum.from_data(repeated).eigenvalues)
    assert_same(weighted, eigenvalues(covariance(data, counts)))
    assert_same(Spectrum.from_data(data, weights=counts * 7.5), weighted.eigenvalues)


def test_standardising_gives_the_correlation_matrix(data):
    spectrum = Spectrum.from_data(data, standardize=True)
    assert_same(spectrum, eigenvalues(np.corrcoef(data.T)))
    assert spectrum.total_variance == pytest.approx(4, rel=CLOSED)
    assert_same(Spectrum.from_covariance(covariance(data), standardize=True), spectrum.eigenvalues)


def test_divisor_is_named(data):
    np.testing.assert_allclose(Spectrum.from_data(data, divisor="n-1").matrix, np.cov(data.T), rtol=CLOSED)
    both = [Spectrum.from_data(data, divisor=divisor, standardize=True).eigenvalues for divisor in ("n", "n-1")]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, np.int16, np.uint8, bool])
def test_every_real_dtype(rng, kind):
    data = (rng.integers(0, 2, (40, 3)) if kind is bool else rng.integers(0, 9, (40, 3))).astype(kind)
    assert_same(Spectrum.from_data(data), eigenvalues(covariance(data)))


@pytest.mark.parametrize("order", ["C", "F", "strided", "big-endian"])
def test_every_memory_layout(data, order):
    stored = {"C": data, "F": np.asfortranarray(data), "strided": np.repeat(data, 2, axis=0)[::2],
              "big-endian": data.astype(">f8")}[order]  # fmt: skip
    assert_same(Spectrum.from_data(stored), Spectrum.from_data(data.tolist()).eigenvalues)


def test_frames_bring_their_names(data):
    frame = pd.DataFrame(data, columns=["a", "b", "c", "d"])
    frame["e"] = pd.array([1, 2, 3] * 20, dtype="Int64")
    spectrum = Spectrum.from_data(frame)
    assert spectrum.names == ("a", "b", "c", "d", "e")
    assert_same(spectrum, eigenvalues(covariance(frame.astype(float))))


def test_fewer_rows_than_columns(rng):
    data = rng.standard_normal((12, 30)) + 100
    spectrum = Spectrum.from_data(data)
    assert_same(spectrum, eigenvalues(covariance(data)))
    assert (spectrum.modes, spectrum.dimension, spectrum.unresolved) == (11, 30, 19)
    weights = rng.uniform(0.1, 1, 12)
    assert_same(Spectrum.from_data(data, weights=weights), eigenvalues(covariance(data, weights)))
    assert_same(Spectrum.from_data(data, standardize=True), eigenvalues(np.corrcoef(data.T)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 200), max_size=12), order=st.randoms())
def test_a_stream_is_its_array_however_it_is_cut_and_ordered(seed, cuts, order):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((200, 5)) * [1, 10, 1e-3, 1, 1] + [0, 1e3, 0, -7, np.pi]
    edges = sorted([0, 200, *cuts])  # with empty chunks
    chunks = [data[a:b] for a, b in itertools.pairwise(edges)]
    order.shuffle(chunks)
    whole, stream = Spectrum.from_data(data), Spectrum.from_chunks(iter(chunks))
    assert_same(stream, whole.eigenvalues)
    merged = Moments(5)
    for chunk in chunks:
        part = Moments(5)
        part.add(chunk)
        merged.merge(part)
    np.testing.assert_allclose(merged.covariance, whole.matrix, rtol=0, atol=CLOSED * whole.eigenvalues[0])


@pytest.mark.parametrize("rows", [2, 50])
def test_a_stream_may_reuse_its_buffer_and_drift(rng, rows):
    """Each block far from the mean of those before it: the provisional shift has to be renewed again and again."""
    blocks = [rng.standard_normal((rows, 5)) + 1e6 * k for k in range(20)]

    def stream():
        buffer = np.empty((rows, 5))
        for block in blocks:
            buffer[:] = block
            yield buffer

    assert_same(Spectrum.from_chunks(stream()), eigenvalues(covariance(np.concatenate(blocks))))


def test_frames_in_a_stream_bring_their_names(data):
    frame = pd.DataFrame(data, columns=list("abcd"))
    assert Spectrum.from_chunks(frame[i : i + 7] for i in range(0, 60, 7)).names == tuple("abcd")
    named = Spectrum.from_chunks(np.array_split(data, 3), names=["p", "q", "r", "s"])
    assert named.names == ("p", "q", "r", "s")


def test_streamed_weights_run_along(rng):
    data, weights = rng.standard_normal((90, 3)), rng.uniform(0, 2, 90)
    stream = Spectrum.from_chunks(np.split(data, 9), weights=np.split(weights, 9))
    assert_same(stream, Spectrum.from_data(data, weights=weights).eigenvalues)


def test_a_short_stream_is_a_wide_table(rng):
    data = rng.standard_normal((12, 30))
    stream = Spectrum.from_chunks(np.array_split(data, 5))
    assert_same(stream, Spectrum.from_data(data).eigenvalues)
    assert stream.unresolved == 19


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_rotations_permutations_and_scales(seed, scale):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((80, 4)) * [3, 1, 0.5, 0.1]
    reference = Spectrum.from_data(data)
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    for changed in (data @ rotation, data[:, rng.permutation(4)], data[rng.permutation(80)], data + 11.0):
        assert_same(Spectrum.from_data(changed), reference.eigenvalues)
    scaled = Spectrum.from_data(scale * data)
    assert_same(scaled, scale**2 * reference.eigenvalues)
    np.testing.assert_allclose(scaled.normalized, reference.normalized, rtol=1e-11)  # smallest is 1e-3 of the largest


@pytest.mark.parametrize("samples", [20, 1000, 200_000])
@pytest.mark.parametrize("standardize", [False, True])
def test_rank_deficiency_is_unresolved_not_a_mode(rng, samples, standardize):
    parts = rng.standard_normal((samples, 3)) + 30
    data = np.column_stack([parts, parts @ [1.0, -2.0, 0.5], parts[:, 0] + parts[:, 1]])
    spectrum = Spectrum.from_data(data, standardize=standardize)
    assert (spectrum.modes, spectrum.unresolved) == (3, 2)
    assert np.all(spectrum.eigenvalues > spectrum.floor)


def test_rounding_of_float32_is_no_mode(rng):
    """c = a + b, stored in float32: the rounding of c is real variance of the numbers, yet no variance of the data."""
    parts = (rng.standard_normal((5000, 2)) + 300).astype(np.float32)
    data = np.column_stack([parts, (parts[:, 0] + parts[:, 1]).astype(np.float32)])
    faked = np.linalg.eigvalsh(np.cov(data.T.astype(float)))[0]
    spectrum = Spectrum.from_data(data)
    assert spectrum.modes == 2
    assert faked > spectrum.floor  # the floor of double precision would miss it


def test_rounding_of_one_float32_column_hides_no_mode_of_another(rng):
    """Pressure in Pa is rounded by 1e-3, humidity by 1e-9: that is what its modes have to be held against."""
    pressure, humidity = rng.normal(1e5, 1e3, (5000, 1)), rng.normal(0.01, [0.005, 0.003], (5000, 2))
    data = np.hstack([pressure, humidity]).astype(np.float32)
    spectrum = Spectrum.from_data(data)
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(data.astype(float)).eigenvalues, rtol=1e-3)
    assert spectrum.modes == 3  # rtol: double precision resolves 1e-10 of λ₁ = 1e6, the last is 1e-5


def test_dependencies_name_the_variables(rng):
    a, b, c, d = rng.standard_normal((4, 100))
    frame = pd.DataFrame({"range": a - b, "max": a, "min": b, "rain": c, "rain_inch": c / 25.4, "wind": d})
    groups = Spectrum.from_data(frame, standardize=True).dependencies()
    assert sorted(map(sorted, groups)) == [["max", "min", "range"], ["rain", "rain_inch"]]
    assert Spectrum.from_data(frame[["max", "rain"]]).dependencies() == []


def test_multiplets():
    starts, counts = Spectrum.from_eigenvalues([5, 2, 2, 2 * (1 + 1e-16), 1, 1, 0]).multiplets
    assert starts.tolist() == [0, 1, 4]
    assert counts.tolist() == [1, 3, 2]


def test_rank_counts_what_is_lost():
    spectrum = Spectrum.from_eigenvalues([50, 30, 15, 4, 1])
    assert [spectrum.rank(share) for share in (0.6, 0.5, 0.49, 0.2, 0.05, 0.01, 0.009)] == [1, 1, 2, 2, 3, 4, 5]


def test_results_are_sealed(data):
    spectrum = Spectrum.from_data(data)
    for array in (spectrum.eigenvalues, spectrum.matrix, spectrum.normalized):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_input_is_left_as_it_was(data):
    before = data.copy()
    Spectrum.from_data(data, standardize=True, weights=np.ones(60))
    np.testing.assert_array_equal(data, before)


def test_a_mapped_array_is_read_without_staying_in_memory(tmp_path, rng):
    data = rng.standard_normal((40_000, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", data)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert_same(Spectrum.from_data(mapped), Spectrum.from_data(data).eigenvalues)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[:20_000] = 0  # changes that live in memory only must survive being read
    assert_same(Spectrum.from_data(private), eigenvalues(np.cov(np.asarray(private, float).T, ddof=0)))
    assert not private[:20_000].any()
