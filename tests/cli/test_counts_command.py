"""Counts on the command line: library sizes, files of cells, how many latents they need."""

import json

import h5py
import numpy as np
import pytest

import landau_vae as lv
from landau_vae.cli import main


def asked(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.fixture
def file(tmp_path, rng):
    """Cells with their depth in obs and counts in a layer."""
    data = lv.datasets.counts(200, 8, factors=1)
    with h5py.File(path := tmp_path / "cells.h5ad", "w") as file:
        file["X"], file["layers/counts"] = np.log1p(data.table), data.table
        for name, labels in (("var", data.names), ("obs", [f"c{i}" for i in range(200)])):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group["_index"] = labels
        file["obs/depth"] = data.target[:, 0]
    return path, data


def test_how_many_latents_drawn_cells_need(capsys):
    arguments = ("thresholds", "--dataset", "counts", "--loss", "scvi-tools", "--gene-likelihood", "nb")
    page = asked(capsys, *arguments)
    assert "n_latent: 4 modes above the price, 3 of them above what chance makes" in page
    assert "The total of each row is given to the decoder." in page
    content = json.loads(asked(capsys, *arguments, "--json"))
    assert content["n_latent"] == 3
    assert content["loss"]["likelihood"] == "total(fitted-negative-binomial)"
    assert content["count_noise"]["modes"] == 3


def test_sizes_are_a_column_or_the_totals(file, tmp_path, capsys):
    path, data = file
    np.save(tmp_path / "with.npy", np.column_stack([data.target, data.table]))
    known = lv.spectrum.score(data.table, "poisson", sizes=data.target).eigenvalues
    for source in ([str(path), "--layer", "counts", "--sizes", "depth"], [str(tmp_path / "with.npy"), "--sizes", "0"]):
        found = json.loads(asked(capsys, "thresholds", *source, "--likelihood", "poisson", "--json"))
        np.testing.assert_allclose(found["spectrum"]["eigenvalues"], known, rtol=1e-9)
    page = asked(
        capsys, "choose", str(path), "--layer", "counts", "--likelihood", "poisson", "--sizes", "total", "--keep", "1"
    )
    assert "keep 1 mode" in page


def test_posteriors_of_counts(file, tmp_path, capsys, rng):
    path, data = file
    first = lv.spectrum.score(data.table, "poisson", sizes=data.target).eigenvalues[0]
    np.savez(tmp_path / "codes.npz", mean=1e-3 * rng.standard_normal((200, 2)), variance=np.ones((200, 2)))
    source = ["diagnose", str(tmp_path / "codes.npz"), "--data", str(path), "--layer", "counts", "--json"]
    loss = ["--likelihood", "poisson", "--beta"]
    main([*source, *loss, str(1.3 * first), "--sizes", "depth"])
    assert set(json.loads(capsys.readouterr().out)["latents"]["status"]) == {"inactive, as predicted"}
    main([*source, *loss, str(0.7 * first), "--sizes", "depth"])
    assert "should be active" in json.loads(capsys.readouterr().out)["latents"]["status"]


def test_options_that_do_not_fit(file, capsys):
    path, _ = file
    for arguments, words in (
        ([str(path), "--likelihood", "poisson", "--sizes", "type"], "no column 'type' in obs"),
        ([str(path), "--sizes", "depth"], "Sizes multiply the means of counts"),
        (["--dataset", "counts", "--likelihood", "poisson", "--sizes", "gene_1"], "no column 'gene_1' of sizes"),
        (["--dataset", "counts", "--gene-likelihood", "nb"], "--gene-likelihood belongs to losses of code bases"),
        (
            ["--dataset", "counts", "--loss", "scvi-tools", "--with", "dispersion=x"],
            "--with dispersion=x cannot be used",
        ),
        (["--dataset", "counts", "--loss", "scvi-tools", "--gene-likelihood", "normal"], "'normal'"),
    ):
        assert main(["thresholds", *arguments]) == 2
        assert words in capsys.readouterr().err
