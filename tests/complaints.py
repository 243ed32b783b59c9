"""What the command line says of bad input: one sentence on standard error, exit code 2, nothing else."""

from landau_vae.cli import main


def complaint(capsys, *arguments):
    """What the command says on standard error, once it has been checked to be one sentence and no more."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("landau-vae: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err
