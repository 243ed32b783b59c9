"""AnnData files: written here by the format's own description, and by the AnnData library where it is installed."""

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from conftest import CLOSED

from landau_vae import InputError, Spectrum
from landau_vae.data.read_file import read
from landau_vae.data.read_h5ad import read_obs

GENES = tuple(f"gene {i}" for i in range(7))


@pytest.fixture
def counts(rng):
    x = rng.poisson(1.5, (300, 7)).astype(np.float32)
    x[:, 3] = 0
    return x


def store(group, name, x, kind):
    """An array, or the parts of a compressed sparse one."""
    if kind == "array":
        group[name] = x
        return
    matrix, there = (sp.csr_matrix if kind == "csr_matrix" else sp.csc_matrix)(x), group.create_group(name)
    there.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0", "shape": x.shape})
    for part in ("data", "indices", "indptr"):
        there[part] = getattr(matrix, part)


def write(path, x, kind):
    with h5py.File(path, "w") as file:
        store(file, "X", x, kind)
        store(file, "layers/counts", 2 * x, "csr_matrix")
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"] = var.attrs["_index"] = "_index"
        obs["_index"], var["_index"] = [f"cell {i}" for i in range(len(x))], GENES
        obs["size"] = x.sum(axis=1) / 10
        obs["type/codes"], obs["type/categories"] = np.arange(len(x)) % 2, ["a", "b"]
        obs["age/values"], obs["age/mask"] = np.arange(len(x)), np.arange(len(x)) % 2 == 1
    return path


@pytest.mark.parametrize("kind", ["array", "csr_matrix", "csc_matrix"])
def test_cells_and_genes_are_rows_and_columns(tmp_path, counts, kind, monkeypatch):
    monkeypatch.setattr("landau_vae.data.read_h5ad.rows_at_a_time", lambda _: 64)  # several blocks
    path = write(tmp_path / "cells.h5ad", counts, kind)
    table = read(path)
    assert (table.names, table.rows) == (GENES, 300)
    np.testing.assert_array_equal(table.whole()[0], counts)
    np.testing.assert_array_equal(
        read(path, first=100, exclude="gene 3").whole()[0], np.delete(counts[100:], 3, axis=1)
    )
    layer = Spectrum.from_file(path, array="counts", columns=["gene 6", "gene 0"])
    assert layer.names == ("gene 0", "gene 6")
    np.testing.assert_allclose(layer.eigenvalues, Spectrum.from_data(2 * counts[:, [0, 6]]).eigenvalues, rtol=CLOSED)


def test_columns_of_the_cells(tmp_path, counts):
    path = write(tmp_path / "cells.h5ad", counts, "array")
    np.testing.assert_array_equal(read_obs(path, "size"), counts.sum(axis=1) / 10)
    np.testing.assert_array_equal(read_obs(path, "age")[:3], [0.0, np.nan, 2.0])
    with pytest.raises(InputError, match="'type' of obs holds values that are not numbers"):
        read_obs(path, "type")
    with pytest.raises(InputError, match=r"no column 'depth' in obs: its columns are age, size, type\."):
        read_obs(path, "depth")


def test_files_of_other_content(tmp_path, counts):
    path = write(tmp_path / "cells.h5ad", counts, "array")
    with pytest.raises(InputError, match=r"has no 'raw': its matrices are X, counts\."):
        read(path, array="raw")
    (tmp_path / "text.h5ad").write_text("gene,cell\n1,2\n")
    with pytest.raises(InputError, match="is not the AnnData file that its suffix says"):
        read(tmp_path / "text.h5ad")
    with h5py.File(tmp_path / "odd.h5ad", "w") as file:
        file["X"], file["var/index"] = np.ones(3), ["a"]
    with pytest.raises(InputError, match="cells × genes are expected"):
        read(tmp_path / "odd.h5ad")
    (tmp_path / "half.h5ad").write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match="cut short"):
        read(tmp_path / "half.h5ad")


@pytest.mark.filterwarnings("ignore")  # those of the other library
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_files_of_the_library(tmp_path, counts, kind):
    anndata = pytest.importorskip("anndata", reason="AnnData is not installed")
    import pandas as pd

    whole = anndata.AnnData(kind(counts), obs=pd.DataFrame({"size": counts.sum(axis=1)}), layers={"raw": kind(counts)})
    whole.obs_names = [f"c{i}" for i in range(len(counts))]
    whole.write_h5ad(path := tmp_path / "cells.h5ad")
    for layer in (None, "raw"):
        np.testing.assert_array_equal(read(path, array=layer).whole()[0], counts)
    np.testing.assert_array_equal(read_obs(path, "size"), counts.sum(axis=1))
    assert read(path).names == tuple(whole.var_names)
