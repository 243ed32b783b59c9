"""Bad input is answered in one sentence that says what was given, what was expected and how to mend it.

Files go through the command line (exit code 2, nothing on standard output, no traceback), objects through the API.
"""

import gzip

import numpy as np
import pandas as pd
import pytest
from complaints import complaint

from landau_vae import InputError, Loss, OutsideTheory, Spectrum, TooFewSamples, choose_beta, equilibrium
from landau_vae.cli import main


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.standard_normal((50, 3)), columns=["a", "b", "c"])


def say(capsys, *arguments):
    return complaint(capsys, "thresholds", *arguments)


# -------------------------------------------------------------------------------------- files that are not


def test_missing_file(folder, capsys):
    assert "no file nowhere.csv" in say(capsys, "nowhere.csv")


def test_folder_for_a_file(folder, capsys):
    assert "is a folder, not a file" in say(capsys, folder)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npy", "x.npz"])
def test_empty_file(folder, capsys, name):
    (folder / name).touch()
    assert f"{name} is empty" in say(capsys, name)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n", "has no rows"), ("\n\n", "begins with a blank line"), ("a,b\n1,2\n", "only one row"),
     ("a,b\n1,2\n3,4,5\n", "Expected 2 fields in line 3, saw 3"), ("a,b\n1,2,3,4\n2,4,5,6\n", "more fields than"),
     ("a,b\n1,2,3\n2,4,5\n", "Column 0 has no name"),
     ("1.5,NA,3\n1,2,3\n2,1,0\n", "row 0, column 1"),
     ("1.5,,3\n1,2,3\n2,1,0\n", "row 0, column 1"), ("a,b\n1,2\n3\n", "1 value is NaN"),
     ("a,a\n1,2\n3,4\n", "two columns 'a'"), ("a\n1\n1\n", "All rows are equal"),
     ("a,b\n1;2,3\n", "'1;2'"), (",a\n0,1\n1,2\n", "Column 0 has no name")],
)  # fmt: skip
def test_text_that_is_no_table(folder, capsys, text, words):
    (folder / "x.csv").write_text(text, encoding="utf-8")
    assert words in say(capsys, "x.csv")


def test_encodings(folder, capsys):
    (folder / "latin.csv").write_bytes("température,b\n1,2\n3,4\n".encode("latin-1"))
    assert "not UTF-8" in say(capsys, "latin.csv")
    (folder / "wide.csv").write_bytes("a,b\n1,2\n3,4\n".encode("utf-16"))
    assert "UTF-16" in say(capsys, "wide.csv")


def test_a_file_that_is_not_what_its_suffix_says(folder, capsys, frame):
    frame.to_parquet("real.parquet")
    np.save("real.npy", frame.to_numpy())
    np.savez("real.npz", frame.to_numpy())
    frame.to_csv("real.csv", index=False)
    for actual in ("parquet", "npy", "npz", "csv"):
        for claimed in ("parquet", "npy", "npz", "csv"):
            if actual != claimed:
                name = f"{actual}_as.{claimed}"
                (folder / name).write_bytes((folder / f"real.{actual}").read_bytes())
                assert f"{name} is not the {claimed.upper() if claimed != 'parquet' else 'Parquet'} file" in say(
                    capsys, name
                )


def test_unknown_suffix(folder, capsys):
    (folder / "x.xlsx").write_text("x")
    assert "unknown suffix '.xlsx'" in say(capsys, "x.xlsx")


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "csv.gz"])
def test_files_cut_short(folder, capsys, frame, kind):
    whole = folder / f"whole.{kind}"
    if kind == "npy":
        np.save(whole, frame.to_numpy())
    elif kind == "npz":
        np.savez(whole, frame.to_numpy())
    elif kind == "parquet":
        frame.to_parquet(whole)
    else:
        whole.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    content = whole.read_bytes()
    for share in (0.3, 0.7, 0.98):
        (folder / f"cut.{kind}").write_bytes(content[: int(share * len(content))])
        assert "damaged" in say(capsys, f"cut.{kind}")


def test_pickles_are_never_loaded(folder, capsys):
    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / "exploded"), "w"))

    bomb = np.array([Bomb()], dtype=object)
    np.save("bomb.npy", bomb, allow_pickle=True)
    np.savez("bomb.npz", x=bomb)
    for name in ("bomb.npy", "bomb.npz"):
        assert "pickled Python objects" in say(capsys, name)
    assert not (folder / "exploded").exists()


# ----------------------------------------------------------------------------------- values that are not


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy"])
def test_nan_and_infinity_are_counted_and_located(folder, capsys, frame, kind):
    big = pd.concat([frame] * 800, ignore_index=True)  # several blocks
    big.loc[30_007, "b"] = np.nan
    big.loc[39_999, "c"] = np.inf
    {"csv": lambda: big.to_csv("x.csv", index=False), "parquet": lambda: big.to_parquet("x.parquet"),
     "npy": lambda: np.save("x.npy", big.to_numpy())}[kind]()  # fmt: skip
    err = say(capsys, f"x.{kind}")
    assert "2 values are NaN or infinite" in err
    assert "row 30007, column 1" in err
    assert ("'b'" in err) == (kind != "npy")


def test_text_columns_are_named(folder, capsys, frame):
    frame["site"] = "north"
    frame.to_csv("x.csv", index=False)
    frame.to_parquet("x.parquet")
    for name in ("x.csv", "x.parquet"):
        err = say(capsys, name)
        assert "Column 'site'" in err
        assert "'north'" in err
        assert "--exclude site" in err
        assert main(["thresholds", name, "--exclude", "site"]) == 0
        capsys.readouterr()


def test_one_word_far_down_is_found(folder, capsys):
    (folder / "x.csv").write_text("a,b\n" + "1,2\n3,5\n" * 20_000 + "4,oops\n")
    err = say(capsys, "x.csv")
    assert "Column 'b'" in err
    assert "'oops'" in err


def test_dates_are_no_numbers(frame):
    frame["when"] = pd.date_range("2026-01-01", periods=50)
    with pytest.raises(InputError, match="Column 'when'"):
        Spectrum.from_data(frame)


def test_constant_columns_are_named(folder, capsys, frame):
    frame["b"] = 0.1
    frame.to_csv("x.csv", index=False)
    assert "Column 'b' is constant" in say(capsys, "x.csv", "--standardize")
    frame["c"] = 3
    frame.to_csv("x.csv", index=False)
    assert "2 columns ('b', 'c'…) are constant" in say(capsys, "x.csv", "--standardize")
    assert main(["thresholds", "x.csv"]) == 0


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.arange(3.0), "has shape (3,)"), (np.zeros((5, 28, 28)), "All rows are equal"),
     (np.eye(3) * 1j, "complex128"), (np.array([["a"]]), "real numbers are expected"), (np.zeros((0, 3)), "is empty"),
     (np.zeros((1, 3)), "only one row"), (np.ones((5, 3)), "All rows are equal"),
     (np.array([[1e200, 0], [0, 1]]), "overflow"), (np.array([[1, np.nan], [0, 1], [2, 2]]), "row 0, column 1"),
     (np.zeros(3, dtype=[("a", float)]), "real numbers are expected")],
)  # fmt: skip
def test_arrays_that_are_no_table(folder, capsys, array, words):
    np.save("x.npy", array)
    assert words in say(capsys, "x.npy")
    with pytest.raises(TooFewSamples if words == "only one row" else InputError):
        Spectrum.from_data(array)


def test_masked_entries_are_not_taken_for_values():
    masked = np.ma.masked_equal([[1.0, 2.0], [3.0, -999.0], [0.0, 1.0]], -999.0)
    with pytest.raises(InputError, match="1 masked entries"):
        Spectrum.from_data(masked)


def test_words_for_numbers(folder):
    for action, words in (
        (lambda: Spectrum.from_data("x.csv"), "Spectrum.from_file"),
        (lambda: Spectrum.from_data(folder / "x.csv"), "Spectrum.from_file"),
        (lambda: Spectrum.from_eigenvalues("four"), "eigenvalues 'four'"),
        (lambda: Loss.gaussian("four"), "beta 'four'"),
        (lambda: Spectrum.from_data([[1, 0], [0, 1]], weights="ab"), "weights 'ab'"),
    ):
        with pytest.raises(InputError, match=words):
            action()


def test_ragged_lists():
    with pytest.raises(InputError, match="rows of equal length"):
        Spectrum.from_data([[1, 2], [3]])


@pytest.mark.parametrize(
    ("weights", "words"),
    [([1, 1], "one weight per row"), ([1, -1, 1], "row 1 is -1"), ([1, np.nan, 1], "row 1 is nan"),
     ([0, 0, 0], "All weights are zero")],
)  # fmt: skip
def test_weights(weights, words):
    with pytest.raises(InputError, match=words):
        Spectrum.from_data([[1, 0], [0, 1], [2, 2]], weights=weights)
    with pytest.raises(InputError, match=words):
        Spectrum.from_chunks([[[1, 0], [0, 1], [2, 2]]], weights=[weights])


def test_streams(rng):
    with pytest.raises(InputError, match="There are no rows"):
        Spectrum.from_chunks([])
    with pytest.raises(InputError, match="A chunk has 3 columns"):
        Spectrum.from_chunks([rng.standard_normal((5, 2)), rng.standard_normal((5, 3))])
    with pytest.raises(InputError, match="weights ended"):
        Spectrum.from_chunks([[[1, 0], [0, 1]]] * 2, weights=[[1, 1]])
    chunks = [rng.standard_normal((10, 2)) for _ in range(4)]
    chunks[2][3, 1] = chunks[3][0, 0] = np.nan
    with pytest.raises(InputError, match=r"2 values .* row 23, column 1"):
        Spectrum.from_chunks(chunks)


def test_frames_whose_columns_change(rng):
    frame = pd.DataFrame(rng.standard_normal((20, 3)), columns=list("abc"))
    with pytest.raises(InputError, match="c, b, a, but those before it have a, b, c"):
        Spectrum.from_chunks([frame[:10], frame[10:][list("cba")]])
    with pytest.raises(InputError, match="chunks ended before the weights"):
        Spectrum.from_chunks([np.eye(3)], weights=[[1, 1, 1], [2, 2, 2]])


def test_missing_values_of_nullable_columns_are_located(frame):
    frame["n"] = pd.array([1, None] * 25, dtype="Int64")
    with pytest.raises(InputError, match=r"25 values are NaN .* row 1, column 3 \('n'\)"):
        Spectrum.from_data(frame)


def test_a_bad_weight_far_down_is_located(folder, capsys):
    rows = np.ones((40_000, 2))
    rows[:, 0] = np.arange(40_000)
    rows[30_000, 1] = -1
    np.savetxt("x.csv", rows, delimiter=",", header="a,w", comments="")
    assert "row 30000 is -1" in say(capsys, "x.csv", "--weights", "w")


def test_damage_inside_a_gzip(folder, capsys, frame):
    content = gzip.compress(frame.to_csv(index=False).encode())
    (folder / "x.csv.gz").write_bytes(content[:500] + b"\xff" * 60 + content[560:])
    assert "damaged" in say(capsys, "x.csv.gz")


def test_numbers_beyond_numbers(folder, capsys, frame):
    frame.to_csv("x.csv", index=False)
    assert "beyond what can be computed" in say(capsys, "x.csv", "--beta", "1e300", "--decoder-variance", "1e20")
    assert "beyond what can be computed" in say(capsys, "x.csv", "--beta", "1e-320", "--decoder-variance", "1e-10")
    np.save("c.npy", np.eye(3) * 1e308)
    assert "so large" in say(capsys, "c.npy", "--covariance")
    with pytest.raises(InputError, match="overflow"):
        Spectrum.from_eigenvalues([1e308, 1e308])
    with pytest.raises(InputError, match=r"largest variance is 1.0e-310, .* rescale"):
        Spectrum.from_eigenvalues([1e-310, 1e-320])


@pytest.mark.parametrize(
    "arguments",
    [{"latents": "a"}, {"latents": np.nan}, {"latents": np.inf}, {"decoder_variance": "x"}, {"decoder_variance": None},
     {"half": "no"}],
)  # fmt: skip
def test_losses_of_the_wrong_kind(arguments):
    with pytest.raises(InputError):
        Loss.gaussian(1.0, **arguments)


def test_names():
    with pytest.raises(InputError, match="1 names were given for 2 columns"):
        Spectrum.from_chunks([[[1, 0], [0, 1]]], names=["a"])
    with pytest.raises(InputError, match="1 names were given for 2 columns"):
        Spectrum.from_data([[1, 0], [0, 1]], names=["a"])


# ----------------------------------------------------------------------------------- matrices and losses


@pytest.mark.parametrize(
    ("matrix", "words"),
    [([[1, 0.5], [0.2, 1]], "not symmetric, entry [0, 1] is 0.5 but [1, 0] is 0.2"),
     ([[1, 2], [2, 1]], "lowest eigenvalue is -1"), ([[1, 2, 3], [2, 1, 1]], "square matrix"),
     ([[np.nan, 0], [0, 1]], "NaN"), ([[0, 0], [0, 0]], "no variance")],
)  # fmt: skip
def test_covariances(folder, capsys, matrix, words):
    np.save("x.npy", np.array(matrix, dtype=float))
    assert words in say(capsys, "x.npy", "--covariance")


def test_a_correlation_matrix_of_incomplete_rows_is_refused():
    """Pairwise deletion, the usual way to such a matrix."""
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    with pytest.raises(InputError, match="complete rows"):
        Spectrum.from_covariance(matrix)


@pytest.mark.parametrize("values", [[], [1, -1], [np.nan, 1]])
def test_eigenvalues(values):
    with pytest.raises(InputError, match="finite and not negative"):
        Spectrum.from_eigenvalues(values)


@pytest.mark.parametrize("beta", [-1, 0, "nan", "inf", "-inf"])
def test_beta(folder, capsys, frame, beta):
    frame.to_csv("x.csv", index=False)
    assert "finite number" in say(capsys, "x.csv", "--beta", beta)
    with pytest.raises(InputError, match="positive finite"):
        Loss.gaussian([1.0, float(beta)])


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--decoder-variance", "0"], "decoder_variance is 0"), (["--latents", "0"], "latents is 0"),
     (["--kl", "mean"], "--latents K"), (["--reconstruction", "max"], "'max'"), (["--beta", "four"], "--beta"),
     (["--bta", "1"], "--bta"), (["--weights", "w"], "no column 'w'"), (["--exclude", "z"], "no column 'z'"),
     (["--column", "z"], "columns are a, b, c"), (["--array", "X"], "inside an NPZ"),
        (["--modes", "-3"], "from 1 on"), (["--covariance", "--divisor", "n-1"], "leave weights and divisor out"),
     (["--weights", "a"], "not negative"),
     (["--exclude", "a", "--exclude", "b", "--exclude", "c"], "No column is left")],
)  # fmt: skip
def test_options(folder, capsys, frame, options, words):
    frame.to_csv("x.csv", index=False)
    assert words in say(capsys, "x.csv", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [([], "Ask for one thing"), (["--keep", "1", "--tolerance", "0.1"], "Ask for one thing"),
     (["--keep", "0"], "keep is 0, but a whole number from 1 on"),
     (["--keep", "2", "--mean"], "does not change which modes are active"), (["--keep", "4"], "ask for 1 to 3"),
     (["--tolerance", "1.5"], "between 0 and 1"),
     (["--keep", "3", "--latents", "2"], "by 2 latents"), (["--tolerance", "0.01", "--latents", "1"], "No β reaches")],
)  # fmt: skip
def test_choices(folder, capsys, frame, options, words):
    frame.to_csv("x.csv", index=False)
    assert words in complaint(capsys, "choose", "x.csv", *options)


def test_a_multiplet_cannot_be_split():
    with pytest.raises(OutsideTheory, match="modes 2 to 4 share one threshold and collapse together: ask for 1 or 4"):
        choose_beta(Spectrum.from_eigenvalues([3, 1, 1, 1, 0.1]), Loss.gaussian(), keep=3)


def test_kinds_of_reconstruction():
    with pytest.raises(InputError, match="'sampled' or 'mean'"):
        equilibrium(Spectrum.from_eigenvalues([1]), Loss.gaussian()).utility("average")


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--points", "1"], "points is 1"), (["--coldest", "2"], "below 1"),
     (["--latents", "0"], "latents is 0"), (["--tolerance", "0"], "tolerance is 0"), (["--seed", "-1"], "seed is -1"),
     (["--output", "/dev/null/x"], "cannot be made"), (["--depth", "2"], "--depth is an option of networks only"),
     (["--budget", "full"], "add --neural"), (["--neural", "--points", "121"], "--points is an option of linear"),
     (["--neural", "--tolerance", "1"], "leave it or --neural out"), (["--neural", "--depth", "0"], "depth is 0"),
     (["--neural", "--layers", "x", "--blocks", "0"], "blocks is 0"),
     (["--neural", "--budget", "x"], "--budget is 'x', but"),
     (["--neural", "--layers", "x", "--workers", "0"], "workers is 0"), (["--neural"], "(--layers DIR)"),
     (["--neural", "--layers", "x"], "There is no layer x")],
)  # fmt: skip
def test_reproduce(capsys, options, words):
    assert words in complaint(capsys, "reproduce", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--seeds", "0"], "seeds is 0"), (["--updates", "0"], "updates is 0"),
     (["--batch", "0"], "batch is 0"),
     (["--learning-rate", "-1"], "learning_rate is -1"), (["--optimizer", "lion"], "--optimizer is 'lion', but"),
     (["--points", "2"], "points is 2"), (["--coldest", "2"], "lowest temperature is 2"),
     (["--coldest", "0"], "lowest temperature is 0"), (["--tolerance", "0"], "tolerance is 0"),
     (["--workers", "0"], "workers is 0"), (["--latents", "0"], "latents is 0"),
     (["--output", "/dev/null/x"], "cannot be made")],
)  # fmt: skip
def test_verify(folder, capsys, frame, options, words):
    frame.to_csv("x.csv", index=False)
    assert words in complaint(capsys, "verify", "x.csv", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["nonsense"], "name one of loss, collapse"), (["loss", "--order", "8"], "has no order to choose; collapse has"),
     (["collapse", "--order", "99999"], "from 2 to 40"), (["collapse", "--order", "two"], "--order is 'two', but"),
     (["--order", "8"], "No derivation is named"), (["loss", "--latex", "--json"], "can be given")],
)  # fmt: skip
def test_derive(capsys, options, words):
    assert words in complaint(capsys, "derive", *options)


def test_no_command_and_unknown_command(capsys):
    assert main([]) == 2
    capsys.readouterr()
    assert "transmogrify" in complaint(capsys, "transmogrify")
    assert "file" in complaint(capsys, "thresholds").lower()


@pytest.mark.parametrize(
    ("name", "words"), [("x.docx", "cannot be saved"), ("no/such/folder/x.png", "There is no folder no/such/folder")]
)
def test_pictures_that_cannot_be_written(folder, capsys, frame, name, words):
    """This is said before the work, not after it."""
    frame.to_csv("x.csv", index=False)
    assert main(["thresholds", "x.csv", "--output", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
