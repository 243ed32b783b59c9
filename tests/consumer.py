"""A program of a user who runs `mypy --strict`: `.ci/run release` checks it against the package that is installed.

Each wrong use below carries the complaint that is expected of the type checker; one that it
does not make is an error too ("unused type: ignore").
"""

import numpy as np

import landau_vae as lv
from landau_vae.diagnosis import Diagnosis
from landau_vae.numeric import Equilibrium
from landau_vae.training import Adam, Sampled


def right_uses() -> list[str]:
    """Ask the main questions, and keep each answer under its type."""
    rows = np.random.default_rng(0).standard_normal((200, 2)) * [2.0, 1.0]
    spectrum: lv.Spectrum = lv.Spectrum.from_data(rows)
    loss: lv.Loss = lv.Loss.gaussian(beta=0.5, reconstruction="sum")
    at_rest: Equilibrium = lv.equilibrium(spectrum, loss)
    beta: float = lv.choose_beta(spectrum, loss, keep=1).beta
    first: float = lv.transitions(spectrum, loss).beta[0].item()
    several = lv.Loss.gaussian(beta=[0.1, 0.2]).at(np.float32(beta))
    trainer = Sampled(updates=2, batch=8, optimizer=Adam(0.01))
    result: Diagnosis = lv.diagnose(np.zeros((200, 1)), log_variance=np.zeros((200, 1)), loss=loss, data=rows)
    words: list[str] = [str(at_rest), f"{first:.3f}", str(several), str(trainer), result.verdict]
    try:
        lv.Spectrum.from_eigenvalues([])
    except (lv.InputError, lv.OutsideTheory, lv.TooFewSamples) as error:
        words.append(str(error))
    return words


def needs_scikit_learn(rows: list[list[float]]) -> float:
    """Use what needs an extra; never called."""
    model: lv.LinearVAE = lv.LinearVAE(0.5, lv.Loss.gaussian(), n_components=1).fit(rows)
    first: float = model.thresholds_[0].item()
    return model.score(rows) + model.noise_variance_ + first


def wrong_uses(spectrum: lv.Spectrum, loss: lv.Loss) -> None:
    """Make the mistakes that types are there to find; never called."""
    lv.Loss.gaussian(beta="4")  # type: ignore[arg-type]
    lv.Loss.gaussian(reconstruction="average")  # type: ignore[arg-type]
    lv.Spectrum.from_eigenvalues("4, 1")  # type: ignore[arg-type]
    lv.equilibrium(1, loss)  # type: ignore[arg-type]
    lv.equilibrium(spectrum, loss, 3)  # type: ignore[call-arg]
    print(lv.equilibrium(spectrum, loss).no_such_field)  # type: ignore[attr-defined]
    lv.transitions(loss, spectrum)  # type: ignore[arg-type]
    lv.diagnose(np.zeros((2, 1)))  # type: ignore[call-arg]
    lv.scan(spectrum, "cold")  # type: ignore[arg-type]
    lv.spectroscopy(lambda beta, seed: None, "stairs")  # type: ignore[call-arg, arg-type]
    lv.LinearVAE(beta="4")  # type: ignore[arg-type]
    lv.LinearVAE(n_components="all")  # type: ignore[arg-type]
    lv.LinearVAE().fit()  # type: ignore[call-arg]
    print(lv.no_such_name)  # type: ignore[attr-defined]
    print(lv.numeric.no_such_name)  # type: ignore[attr-defined]
    lv.numeric.problems.Symbolic(1)  # type: ignore[arg-type]
    _: str = lv.Spectrum.from_data([[1.0]])  # type: ignore[assignment]
