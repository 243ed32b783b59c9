"""Logs of runs as loops and loggers write them: names of columns, empty cells, half-written ends."""

import numpy as np
import pytest

from landau_vae import InputError
from landau_vae.diagnosis import RunLog, read_run


def written(tmp_path, text):
    path = tmp_path / "run.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("kl,recon", ("kl", "recon")), ("KLD,MSE", ("KLD", "MSE")), ("kl_loss,reconstruction_loss", None),
        ("train_kl,train_recon_loss", None), ("train/kl_loss,train/rec_loss", None), ("kl_div,bce", None),
        ("val_kl,val_nll", None), ("kl_epoch,recon_loss_epoch", None), ("Train KL,Train Recon Loss", None),
        ("latent_loss,l1_loss", None), ("kl_local_train,reconstruction_loss_train", None),
    ],
)  # fmt: skip
def test_usual_names(tmp_path, header, names):
    log = read_run(written(tmp_path, f"other,{header}\n9,1.5,4.0\n9,1.0,3.0\n"))
    assert log.kl.tolist() == [1.5, 1.0]
    assert log.reconstruction.tolist() == [4.0, 3.0]
    assert log.step.tolist() == [0.0, 1.0]


def test_lightning_writes_training_and_validation_to_rows_of_their_own(tmp_path):
    text = (
        "beta,epoch,step,train_kl,train_recon,train_loss,val_kl,val_recon\n"
        "0.1,0,49,1.0,5.0,5.1,,\n,0,49,,,,0.9,6.0\n0.2,1,99,2.0,4.0,4.4,,\n,1,99,,,,1.9,5.0\n"
    )
    log = read_run(written(tmp_path, text))
    assert (log.kl.tolist(), log.step.tolist(), log.beta.tolist()) == ([1.0, 2.0], [49.0, 99.0], [0.1, 0.2])
    assert log.total.tolist() == [5.1, 4.4]
    held_out = read_run(written(tmp_path, text), validation=True)
    assert (held_out.kl.tolist(), held_out.beta.tolist()) == ([0.9, 1.9], [0.1, 0.2])


def test_rows_of_one_epoch_are_spread_over_it(tmp_path):
    log = read_run(written(tmp_path, "epoch,kl,mse\n0,1,2\n0,1,2\n1,1,2\n1,1,2\n"))
    assert log.step.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_a_half_written_last_line_is_left_for_later(tmp_path):
    for end in ("2,0.7", "2,0.7,3", "2,,", '"2'):
        log = read_run(written(tmp_path, f"step,kl,mse\n0,0.5,4.0\n1,0.6,3.5\n{end}"))
        assert log.kl.tolist() == [0.5, 0.6]
    assert read_run(written(tmp_path, "step,kl,mse\n0,0.5,4.0\n1,nan,inf\n2,broken\n")).kl.tolist() == [0.5]


def test_a_reconstruction_that_was_not_logged_is_the_loss_less_the_kl(tmp_path):
    log = read_run(written(tmp_path, "kl,loss,beta\n2.0,5.0,0.5\n1.0,4.0,1.0\n"))
    assert log.reconstruction.tolist() == [4.0, 3.0]
    assert read_run(written(tmp_path, "kl,loss\n2.0,5.0\n")).reconstruction.tolist() == [3.0]


def test_a_run_that_was_begun_again_counts_its_rows(tmp_path):
    assert read_run(written(tmp_path, "step,kl,mse\n0,1,2\n5,1,2\n0,1,2\n")).step.tolist() == [0.0, 1.0, 2.0]


def test_other_separators_and_named_columns(tmp_path):
    path = written(tmp_path, "Step;Value A;Value B\n1;2.0;3.0\n")
    log = read_run(path, names={"kl": "Value A", "reconstruction": "Value B"})
    assert (log.kl[0], log.reconstruction[0], log.step[0]) == (2.0, 3.0, 1.0)


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("a,b\n1,2\n", None, "none is known as its kl"),
        ("kl,b\n1,2\n", None, "known as its reconstruction"),
        ("kl,mse\n", None, "No row"),
        ("", None, "(none)"),
        ("kl,mse\n1,2\n", {"kl": "x"}, "no column 'x'"),
    ],
)
def test_bad_logs(tmp_path, text, names, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)")):
        read_run(written(tmp_path, text), names=names)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_run(tmp_path / "none.csv")


def test_arrays_of_one_length():
    with pytest.raises(InputError, match="reconstruction has shape"):
        RunLog([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="one number a step"):
        RunLog(np.ones((2, 2)), np.ones((2, 2)))
    assert len(RunLog(1.0, 2.0)) == 1


@pytest.mark.parametrize(
    ("end", "broken"),
    [("3,nan,nan\n4,nan,nan\n", 3.0), ("3,-inf,2.0\n", 3.0), ("3,,\n4,,1.0\n", None), ("3,None,None\n", None),
     ("3,nan,nan\n4,0.5,1.0\n", None), ("", None)],
)  # fmt: skip
def test_a_run_that_ends_in_nan_has_diverged(tmp_path, end, broken):
    """Cells that are empty, or hold a word, are another logger's; a NaN in between has passed."""
    assert read_run(written(tmp_path, f"step,kl,recon\n1,0.0,4.0\n2,1.5,2.0\n{end}")).broken == broken
