"""A spectrum remembers where it is from: means, scales, eigenvectors; no data are read, no matrix decomposed twice."""

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import Loss, Spectrum, diagnose, uncertainty
from landau_vae.spectrum import conditional, exponential_family, noise_metric, supervised
from landau_vae.training.training_set import training_set


@pytest.fixture
def tall(rng):
    return rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6)) + [0, 3, -5, 100, 0, 1]


@pytest.fixture
def wide(rng):
    return rng.standard_normal((12, 40)) * np.linspace(2, 0.3, 40) + 7


def projections(spectrum, data):
    return (data - spectrum.mean) / spectrum.scale @ spectrum.vectors


def assert_remembered(spectrum, data, weights=None):
    """The projections of the rows on the eigenvectors are uncorrelated and have the eigenvalues for variances."""
    assert spectrum.vectors.shape == (spectrum.dimension, spectrum.modes)
    y = projections(spectrum, data)
    share = np.full(len(data), 1 / len(data)) if weights is None else weights / np.sum(weights)
    np.testing.assert_allclose(share @ y, 0, atol=CLOSED * spectrum.eigenvalues[0] ** 0.5 * 10)
    np.testing.assert_allclose(
        y.T @ (share[:, None] * y), np.diag(spectrum.eigenvalues), rtol=0, atol=CLOSED * spectrum.eigenvalues[0]
    )
    np.testing.assert_allclose(spectrum.vectors.T @ spectrum.vectors, np.eye(spectrum.modes), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_mean_scale_and_vectors_of_tables(request, rng, shape, standardize, weighted):
    data = request.getfixturevalue(shape)
    weights = rng.uniform(0.1, 2, len(data)) if weighted else None
    spectrum = Spectrum.from_data(data, standardize=standardize, weights=weights)
    assert spectrum.kind == ("correlation" if standardize else "covariance")
    assert spectrum.standardized is standardize
    np.testing.assert_allclose(spectrum.mean, np.average(data, axis=0, weights=weights), rtol=CLOSED, atol=CLOSED)
    assert_remembered(spectrum, data, weights)


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_the_divisor_leaves_vectors_as_they_are(request, shape):
    data = request.getfixturevalue(shape)
    vectors = Spectrum.from_data(data, divisor="n-1").vectors
    np.testing.assert_allclose(np.abs(np.sum(vectors * Spectrum.from_data(data).vectors, axis=0)), 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1, rtol=CLOSED)


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson"])
def test_scale_of_other_likelihoods(rng, likelihood):
    data = (rng.random((200, 4)) < [0.2, 0.5, 0.7, 0.4]).astype(float)
    spectrum = Spectrum.from_data(data, likelihood=likelihood)
    m = data.mean(axis=0)
    assert spectrum.kind == "exponential family"
    np.testing.assert_allclose(spectrum.scale, np.sqrt(m * (1 - m) if likelihood == "bernoulli" else m), rtol=CLOSED)
    assert_remembered(spectrum, data)


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_noise_metrics_remember_too(request, rng, shape):
    data = request.getfixturevalue(shape)
    d = data.shape[1]
    variances = rng.uniform(0.5, 2, d)
    spectrum = noise_metric(data, variances)
    assert spectrum.kind == "noise metric"
    np.testing.assert_allclose(spectrum.scale, np.sqrt(variances), rtol=CLOSED)
    assert_remembered(spectrum, data)
    full = noise_metric(data, np.diag(variances))
    assert full.scale is None  # a matrix mixes features
    np.testing.assert_allclose(full.eigenvalues, spectrum.eigenvalues, rtol=1e-10)
    assert (full.modes, full.unresolved) == (spectrum.modes, spectrum.unresolved)
    assert_remembered(exponential_family(np.abs(data), lambda m: m + m**2), np.abs(data))


@pytest.mark.parametrize(("n", "p", "q"), [(60, 4, 3), (20, 4, 30), (20, 30, 3), (9, 2, 7)])
@pytest.mark.parametrize("standardize", [False, True])
def test_tables_worked_on_by_rows_give_what_columns_give(rng, n, p, q, standardize):
    """Against the definition; the tables by rows are those with fewer rows than columns of x and y together."""
    x, y, weights = rng.standard_normal((n, p)), rng.standard_normal((n, q)) + 3, rng.uniform(0.2, 1, n)
    y[:, 0] += x[:, 0]
    share = weights / weights.sum()
    noise = np.eye(q) + 0.3
    xx, yy, xy = (np.einsum("n,ni,nj->ij", share, a - share @ a, b - share @ b) for a, b in ((x, x), (y, y), (x, y)))
    s = np.sqrt(yy.diagonal()) if standardize else np.ones(q)
    lam, v = np.linalg.eigh(noise)
    root = np.diag(1 / s) @ (v / np.sqrt(lam) @ v.T)
    told = xy.T @ np.linalg.pinv(xx, rcond=1e-12) @ xy
    options = {"weights": weights, "standardize": standardize, "noise": noise}
    spectrum = supervised(x, y, **options)
    part = root.T @ told @ root
    expected = np.sort(np.linalg.eigvalsh(part))[::-1]
    np.testing.assert_allclose(
        part @ spectrum.vectors, spectrum.vectors * spectrum.eigenvalues, atol=1e-10 * expected[0]
    )
    np.testing.assert_allclose(spectrum.eigenvalues, expected[: spectrum.modes], rtol=1e-9, atol=1e-10)
    assert spectrum.modes == min(p, q, n - 1)
    assert spectrum.total_variance == pytest.approx(np.trace(root.T @ yy @ root), rel=1e-10)
    assert (spectrum.kind, spectrum.dimension) == ("target", q)
    np.testing.assert_allclose(spectrum.mean, share @ y, rtol=1e-12)
    if p < n - 1:
        spectrum = conditional(x, y, **options)
        part = root.T @ (yy - told) @ root
        expected = np.sort(np.linalg.eigvalsh(part))[::-1]
        np.testing.assert_allclose(
            part @ spectrum.vectors, spectrum.vectors * spectrum.eigenvalues, atol=1e-10 * expected[0]
        )
        np.testing.assert_allclose(spectrum.eigenvalues, expected[: spectrum.modes], rtol=1e-9, atol=1e-10)
        assert spectrum.modes == min(q, n - 1 - p)
        assert spectrum.kind == "conditional"


def test_what_is_not_known_is_none(tall, monkeypatch):
    alone = Spectrum.from_eigenvalues([4, 1, 0])
    assert (alone.mean, alone.scale, alone.matrix) == (None, None, None)
    np.testing.assert_array_equal(alone.vectors, np.eye(2))
    covariance = Spectrum.from_covariance(np.cov(tall.T), standardize=True)
    assert covariance.mean is None
    np.testing.assert_allclose(covariance.scale, np.sqrt(np.cov(tall.T).diagonal()), rtol=CLOSED)
    assert covariance.kind == "correlation"
    monkeypatch.setattr("landau_vae.data.source.FORMED", 0)
    passed = Spectrum.from_data(tall, modes=2)
    assert passed.truncated
    assert passed.vectors is None
    assert passed.mean is not None


def test_the_root_makes_rows_of_that_covariance(tall, wide):
    for spectrum in (Spectrum.from_data(tall), Spectrum.from_data(wide), Spectrum.from_eigenvalues([3, 1, 1])):
        np.testing.assert_allclose(spectrum.root.T @ spectrum.root, spectrum.covariance, rtol=0, atol=1e-12 * 1e4)


# ------------------------------------------------------------------------------------------ nothing is done twice


class Counted(np.memmap):
    """A mapped array that counts what is taken from it, in times its size."""

    passes = 0.0

    def __getitem__(self, key):
        taken = super().__getitem__(key)
        self.passes += taken.size / self.size
        return taken


@pytest.fixture
def counted(tmp_path):
    def make(array):
        np.save(tmp_path / "x.npy", array)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r").view(Counted)
        mapped.passes = 0.0
        return mapped

    return make


@pytest.fixture
def decompositions(monkeypatch):
    """The shapes of the matrices that were decomposed."""
    shapes = []
    for name in ("eigh", "eigvalsh", "eig", "eigvals", "svd"):
        original = getattr(np.linalg, name)

        def spy(matrix, *args, _original=original, _name=name, **kwargs):
            shapes.append((_name, np.shape(matrix)))
            return _original(matrix, *args, **kwargs)

        monkeypatch.setattr(np.linalg, name, spy)
    return shapes


CALLS = {
    "from_data": (lambda x: Spectrum.from_data(x), 1),
    "from_data, standardised": (lambda x: Spectrum.from_data(x, standardize=True), 1),
    "training_set": (lambda x: training_set(x, standardize=True, keep_rows=False), 1),
    "exponential_family": (lambda x: exponential_family(x, lambda m: m + 1), 1),
    "noise_metric": (lambda x: noise_metric(x, np.ones(6)), 1),
    "uncertainty": (lambda x: uncertainty(x), 2),
}


@pytest.mark.parametrize("name", CALLS)
def test_passes_over_the_data(counted, rng, name):
    call, expected = CALLS[name]
    data = counted(np.abs(rng.standard_normal((5000, 6))) + 1)
    call(data)
    assert data.passes == expected


@pytest.mark.parametrize("name", CALLS)
def test_one_decomposition_per_spectrum(rng, decompositions, name):
    """Eigenvalues alone, or where vectors are needed both at once."""
    CALLS[name][0](np.abs(rng.standard_normal((500, 6))) + 1)
    assert decompositions == [("eigh" if name == "uncertainty" else "eigvalsh", (6, 6))]


@pytest.mark.parametrize(("n", "size"), [(500, 6), (5, 5)])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_diagnosis_decomposes_the_data_once(rng, decompositions, n, size, standardize):
    """Eigenvalues and eigenvectors come from one `eigh`, of the covariance or of the Gram matrix of few rows."""
    x = rng.standard_normal((n, 6))
    mean, variance = 0.7 * x[:, :2], np.full((n, 2), 0.5)
    result = diagnose(mean, variance=variance, data=x, loss=Loss.gaussian(0.5), standardize=standardize)
    assert [each for each in decompositions if each[0] != "svd"] == [("eigh", (size, size))]
    plain = Spectrum.from_data(x, standardize=standardize)
    np.testing.assert_allclose(result.spectrum.eigenvalues, plain.eigenvalues, rtol=1e-12)


def test_covariances_are_decomposed_once(tall, wide, decompositions):
    Spectrum.from_covariance(np.cov(tall.T), standardize=True)
    assert decompositions == [("eigvalsh", (6, 6))]
    spectrum = Spectrum.from_data(tall)
    for _ in range(2):
        _ = spectrum.vectors, spectrum.root, spectrum.dependencies()
    assert decompositions[1:] == [("eigvalsh", (6, 6)), ("eigh", (6, 6))]
    for make in (Spectrum.from_data, lambda x: noise_metric(x, np.ones(40)), lambda x: exponential_family(x, np.abs)):
        decompositions.clear()
        spectrum = make(wide)
        _ = spectrum.vectors, spectrum.vectors
        assert decompositions == [("eigvalsh", (12, 12)), ("eigh", (12, 12))]


def test_the_root_of_eigenvalues_needs_no_decomposition(decompositions):
    np.testing.assert_array_equal(Spectrum.from_eigenvalues([9, 4, 4]).root, [[0, 0, 2], [0, 2, 0], [3, 0, 0]])
    assert decompositions == []


@pytest.mark.parametrize("n", [30, 300])
def test_two_tables_are_decomposed_once(rng, decompositions, n):
    """Σ_xx and what is asked for: neither the whole of y, nor anything twice."""
    x, y = rng.standard_normal((n, 3)), rng.standard_normal((n, 50))
    by_rows, small = n < 53, min(n, 50)
    for make, before, size in (
        (supervised, [] if by_rows else [("eigh", (3, 3))], 3 if by_rows else 50),
        (conditional, [("eigvalsh", (3, 3))], small),
        (lambda x, y: supervised(y, x), [] if by_rows else [("eigh", (50, 50))], 3),
    ):
        decompositions.clear()
        spectrum = make(x, y)
        assert decompositions == [*before, ("eigvalsh", (size, size))]
        decompositions.clear()
        _ = spectrum.vectors, spectrum.vectors
        assert decompositions == [("eigh", (size, size))]


def test_nothing_as_large_as_columns_squared_is_formed_of_wide_tables(rng, decompositions):
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2000))
    for call in (
        lambda: noise_metric(y, np.ones(2000)), lambda: supervised(x, y), lambda: conditional(x, y),
        lambda: supervised(y, x), lambda: exponential_family(np.abs(y), lambda m: m),
    ):  # fmt: skip
        decompositions.clear()
        call()
        assert max(max(shape) for _, shape in decompositions) <= 20
