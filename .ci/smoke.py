"""What a new user does first, with the package that is installed: `cd ELSEWHERE && python -P …/.ci/smoke.py`.

Made for a bare environment: each optional extra is asked for, and must be named with the command that installs it.
"""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path

import numpy as np

import landau_vae as lv

PROGRAM = Path(sys.executable).with_name("landau-vae")
COMMANDS = {  # and what they print
    "--help": "Predict from the spectrum",
    "--version": lv.__version__,
    "thresholds --dataset worldclim --beta 0.05 --reconstruction mean": "collapses at β",
    "thresholds rows.csv --standardize --json": '"beta"',
    "reproduce --points 31 --output reproduction": "resolved modes agree",
    "derive loss": "✓ the best variance",
    "diagnose posterior.npz --data rows.csv --beta 0.5 --output page.html": "healthy",
}


def of_zarr() -> None:
    """Ask for a file of Zarr's."""
    Path("rows.zarr").mkdir(exist_ok=True)
    lv.Spectrum.from_file("rows.zarr")


MISSING: dict[str, Callable[[], object] | None] = {  # what needs an extra; None: nothing that one meets without it
    "dask": None,
    "datasets": None,  # what "sklearn" was called
    "docs": None,
    "jax": lambda: lv.training.Neural(),
    "sklearn": lambda: lv.LinearVAE(),
    "test": None,
    "worldclim": lambda: lv.datasets.worldclim_layers(download=True),
    "zarr": of_zarr,
}


def trained(price: float) -> None:
    """Write rows, and the codes that a linear model has of them at its optimum."""
    rows = np.random.default_rng(0).standard_normal((500, 3)) * [2.0, 1.0, 0.5]
    rows -= rows.mean(axis=0)
    lam, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    share = 1 - price / lam[lam > price]
    mean = rows @ vectors[:, lam > price] * np.sqrt(share / lam[lam > price])
    np.savez("posterior.npz", mean=mean, log_variance=np.log(np.broadcast_to(1 - share, mean.shape)))
    np.savetxt("rows.csv", rows, delimiter=",", header="a,b,c", comments="")


def main() -> None:
    """Run all of it; the first thing that fails ends it."""
    assert Path(sys.prefix) in Path(lv.__file__).parents, f"{lv.__file__} is not what was installed"
    trained(0.5)
    for arguments, expected in COMMANDS.items():
        done = subprocess.run([PROGRAM, *arguments.split()], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout, f"landau-vae {arguments} printed\n{done.stdout}"
        print(f"landau-vae {arguments}")
    assert {path.suffix for path in Path("reproduction").iterdir()} >= {".png", ".json"}
    assert Path("page.html").stat().st_size > 10_000
    extras = metadata("landau-vae").get_all("Provides-Extra") or []
    assert set(extras) == set(MISSING), f"{set(extras) ^ set(MISSING)}: what meets one who has not installed it?"
    for extra, need in MISSING.items():
        if need is not None:
            said = refusal(need)
            assert f"pip install 'landau-vae[{extra}]'" in said, said
            print(f"without [{extra}]: {said}")


def refusal(need: Callable[[], object]) -> str:
    """What is said to one who lacks an extra."""
    try:
        need()
    except lv.InputError as error:
        return str(error)
    return "nothing: the extra is installed here"


if __name__ == "__main__":
    main()
