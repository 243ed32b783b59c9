"""What people hold, as arrays: tensors, sparse matrices, AnnData, loaders, batches, images, spatial latents.

Where numbers are compared, they are the same numbers in another container: exactly equal, unless said.
"""

import sys
import tracemalloc
from types import SimpleNamespace

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.sparse as sp

import landau_vae as lv
from landau_vae import InputError, Loss, Spectrum
from landau_vae.data.convert import as_array, as_rows, variances


class FakeTensor:
    """A tensor of PyTorch as NumPy meets it: it refuses to be read before `detach().cpu()`."""

    def __init__(self, array, dtype="torch.float32", here=False):
        self.array, self.shape, self.ndim, self.dtype, self.here = array, array.shape, array.ndim, dtype, here

    def detach(self):
        return self

    def cpu(self):
        return FakeTensor(self.array, self.dtype, here=True)

    def float(self):
        return FakeTensor(self.array, here=self.here)

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        if not self.here:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


class Eager:
    """A tensor of TensorFlow."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def numpy(self):
        return self.array


class RandomSampler:
    pass


class Loader:
    """A data loader: it can be gone through, and has a length, but no items by number."""

    def __init__(self, batches, sampler=None):
        self.batches, self.sampler = batches, sampler

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


class DataSet:
    """A data set of PyTorch: rows by number, and no way to go through them."""

    def __init__(self, rows):
        self.rows = rows

    def __getitem__(self, index):
        return self.rows[index]

    def __len__(self):
        return len(self.rows)

    __iter__ = None


@pytest.fixture
def rows(rng):
    return rng.standard_normal((12, 4)).astype(np.float32)


def held(rows):
    """Name → the same rows as another library holds them."""
    labels = np.arange(12)
    parts = [(rows[:5], labels[:5]), (rows[5:], labels[5:])]
    return {
        "tensor": FakeTensor(rows), "bfloat16": FakeTensor(rows, "torch.bfloat16"), "eager": Eager(rows),
        "jax": jnp.asarray(rows), "csr": sp.csr_array(rows), "coo matrix": sp.coo_matrix(rows),
        "batches": [rows[:5], rows[5:]], "batches of tensors": (FakeTensor(rows[:5]), FakeTensor(rows[5:])),
        "list of rows": list(rows), "list of tensors": [FakeTensor(row) for row in rows],
        "rows and labels": list(zip(rows, range(12), strict=True)), "batches and labels": parts,
        "loader": Loader([list(part) for part in parts]), "loader of x": Loader([rows[:5], rows[5:]]),
        "loader of dictionaries": Loader([{"label": y, "x": x} for x, y in parts]),
        "generator": (x for x, _ in parts), "data set": DataSet(list(zip(rows, labels, strict=True))),
        "data set of tuples": DataSet([(row,) for row in rows]),
        "data set of pairs": DataSet(list(zip(rows, rows, strict=True))), "nested lists": rows.tolist(),
        "shuffled loader": Loader([rows], RandomSampler()),
        "AnnData": SimpleNamespace(X=rows, var_names=list("abcd")),
        "sparse AnnData": SimpleNamespace(X=sp.csc_matrix(rows), var_names=list("abcd")),
    }  # fmt: skip


@pytest.mark.parametrize("name", held(np.zeros((12, 4))))
def test_the_same_rows(rows, name):
    table, names, of_row = as_rows(held(rows)[name])
    np.testing.assert_array_equal(table, rows)
    assert table.dtype == (np.float64 if name == "nested lists" else np.float32)
    assert names == (tuple("abcd") if "AnnData" in name else None)
    assert of_row == (4,)
    spectrum = Spectrum.from_data(held(rows)[name])
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(rows).eigenvalues, rtol=1e-12)  # other blocks
    assert spectrum.names == names


def test_what_is_in_memory_is_shared(rows):
    for value in (rows, FakeTensor(rows), Eager(rows), SimpleNamespace(X=rows, var_names="abcd")):
        assert np.shares_memory(as_rows(value)[0], rows)
    images = np.zeros((3, 1, 2, 2))
    assert np.shares_memory(as_rows(images)[0], images)


def test_half_precision_of_jax(rows):
    halves = rows.astype(ml_dtypes.bfloat16)
    for value in (halves, jnp.asarray(rows, dtype=jnp.bfloat16), FakeTensor(halves.astype(np.float32))):
        table = as_rows(value)[0]
        assert table.dtype == np.float32
        np.testing.assert_array_equal(table, halves.astype(np.float32))


def test_chunks_are_batches_of_loaders(rows):
    chunks = [[rows[:5], np.zeros(5)], [rows[5:], np.zeros(7)]]
    for each in (chunks, Loader(chunks), ({"x": FakeTensor(x)} for x, _ in chunks)):
        assert Spectrum.from_chunks(each).samples == 12
    two = Spectrum.from_chunks([(rows[0], rows[1]), rows[2:]])  # a tuple of two rows is no row with its label
    assert two.samples == 12


def test_lists_of_images(rows):
    """Equal images may be batches of rows: the expected number of rows decides, where it is known."""
    images = [row.reshape(2, 2) for row in rows]
    assert as_rows(images, rows=12)[0].shape == (12, 4)
    assert as_rows(images)[0].shape == (24, 2)
    labelled = as_rows(list(zip(images, range(12), strict=True)))
    assert labelled[0].shape == (12, 4)
    assert labelled[2] == (2, 2)


def test_images_are_flattened(rng):
    images = rng.standard_normal((9, 2, 3, 1))
    table, _, of_row = as_rows(images)
    assert of_row == (2, 3, 1)
    np.testing.assert_array_equal(table[4], images[4].ravel())
    np.testing.assert_array_equal(
        Spectrum.from_data(images).eigenvalues, Spectrum.from_data(images.reshape(9, 6)).eigenvalues
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [([np.ones((2, 3)), np.ones((2, 4))], r"rows have the shapes \(3,\) and \(4,\)"), (Loader([]), "no batches"),
     (np.ones(3), "reshape a single variable"), (Loader([1.0, 2.0]), r"has shape \(2,\)"),
     (Loader([{}]), "reshape a single variable"), (Loader([{}, {}]), "reshape a single variable"),
     ({"x": np.ones((3, 2))}, "objects that are not numbers"),
     (sp.csr_array(np.eye(3) * 1j), "complex128"), (np.ones((3, 0, 2)), "is empty")],
)  # fmt: skip
def test_what_is_no_table(value, words):
    with pytest.raises(InputError, match=words) as caught:
        Spectrum.from_data(value)
    assert "\n" not in str(caught.value)


def test_sparse_matrices_that_have_no_room():
    huge = sp.csr_array((10**7, 10**6))
    with pytest.raises(InputError, match=r"sparse matrix of shape \(10000000, 1000000\) takes 7.45e\+04 GiB"):
        as_array(huge, "data")


def test_sparse_rows_are_made_dense_block_by_block():
    """A dense copy would take 480 MB; blocks of 2^22 numbers and the 300 × 300 moments take less than a quarter."""
    matrix = sp.random_array((200_000, 300), density=1e-3, rng=np.random.default_rng(0), format="csc")
    matrix = matrix + sp.csc_array((np.ones(300), (np.arange(300), np.arange(300))), shape=matrix.shape)
    weights = np.ones(200_000)
    tracemalloc.start()
    spectrum = Spectrum.from_data(matrix, weights=weights, names=list(map(str, range(300))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6
    assert spectrum.samples == 200_000
    covariance = (matrix.T @ matrix).toarray() / 200_000 - np.outer(*[matrix.sum(axis=0) / 200_000] * 2)
    np.testing.assert_allclose(spectrum.total_variance, np.trace(covariance), rtol=1e-12)


def test_batches_are_not_held_twice():
    """One copy and one batch; a second copy of all batches would double the peak."""
    batches = (np.ones((10_000, 100)) for _ in range(20))
    tracemalloc.start()
    table = as_rows(batches)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # tracemalloc counts the pages of np.empty at once, the system only when they are written: batches + the whole
    assert peak < 2.1 * table.nbytes
    assert table.shape == (200_000, 100)


def test_frameworks_are_not_imported(rows):
    before = set(sys.modules)
    for value in held(rows).values():
        as_rows(value)
    assert not {"torch", "tensorflow", "anndata"} & (set(sys.modules) - before)


# ------------------------------------------------------------------------------------------- of `diagnose`


@pytest.fixture
def model(rng):
    """Rows, means and variances of a converged linear model of four latents, three of them active."""
    lam = np.array([8.0, 4.0, 2.0, 0.5])
    raw = rng.standard_normal((600, 4))
    scores = np.linalg.qr(raw - raw.mean(axis=0))[0] * np.sqrt(600)
    signal = np.maximum(1 - 1 / lam, 0)
    return scores * np.sqrt(lam), scores * np.sqrt(signal), np.tile(1 - signal, (600, 1))


def diagnosed(data, mean, **spread):
    return lv.diagnose(mean, data=data, loss=Loss.gaussian(1.0), **spread)


def test_spatial_latents_and_images(model):
    data, mean, variance = model
    flat = diagnosed(data, mean, variance=variance)
    spatial = diagnosed(
        data.reshape(-1, 1, 2, 2), mean.reshape(-1, 1, 2, 2), variance=FakeTensor(variance.reshape(-1, 1, 2, 2))
    )
    np.testing.assert_array_equal(spatial.posterior.rate, flat.posterior.rate)
    loader = Loader([[data[:400], np.zeros(400)], [data[400:], np.zeros(200)]])
    batches = diagnosed(loader, [mean[:400], mean[400:]], variance=variance)
    np.testing.assert_array_equal(batches.posterior.rate, flat.posterior.rate)


def test_rows_that_are_not_those_of_the_posteriors(model):
    data, mean, variance = model
    with pytest.raises(InputError, match=r"data cannot be used. The array has shape \(300, 2, 4\), but 600 rows"):
        diagnosed(data.reshape(300, 2, 4), mean, variance=variance)
    with pytest.raises(InputError, match=r"The data loader shuffles its rows.*shuffle=False"):
        diagnosed(Loader([data], RandomSampler()), mean, variance=variance)


def test_full_covariances(model):
    data, mean, variance = model
    full = np.einsum("nk,kl->nkl", variance, np.eye(4)) + 0.01 * (1 - np.eye(4))
    np.testing.assert_array_equal(variances(full), variance)
    np.testing.assert_array_equal(
        diagnosed(data, mean, covariance=full).posterior.rate, diagnosed(data, mean, variance=variance).posterior.rate
    )
    with pytest.raises(InputError, match="2 of variance, log_variance, std and covariance"):
        diagnosed(data, mean, covariance=full, variance=variance)
    with pytest.raises(InputError, match=r"has shape \(600, 4\), but one K × K matrix"):
        diagnosed(data, mean, covariance=variance)
    with pytest.raises(InputError, match="Cholesky factors"):
        diagnosed(data, mean, covariance=np.linalg.cholesky(full))
