"""The README's pictures that no command draws: a diagnosis and its cure, the climate's cascade, a pitchfork.

python docs/draw.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import landau_vae as lv
from landau_vae import plotting
from landau_vae.numeric.continuation import telling_potential
from landau_vae.numeric.problems import Linear
from landau_vae.report import save_figure
from landau_vae.training import Adam, Sampled

BETA = 2.0


def diagnosis() -> Figure:
    """One data set, one β: the error averaged over its eight features, and summed."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    X = rng.standard_normal((4000, 8)) * np.sqrt([6, 3, 2, 1.2, 0.6, 0.3, 0.15, 0.08]) @ rotation.T
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    for ax, reduction in zip(figure.subplots(1, 2), ("mean", "sum"), strict=True):
        loss = lv.Loss.gaussian(BETA, reconstruction=reduction, half=False)
        spectrum = lv.Spectrum.from_data(X)
        price = float(loss.price(spectrum))
        trainer = Sampled(updates=4000, batch=128, optimizer=Adam(0.02))
        model = lv.scan(X, [price / spectrum.total_variance], latents=6, trainer=trainer).isel(seed=0, temperature=0)
        mean = (X - X.mean(axis=0)) @ model.encoder.transpose("feature", "latent").values
        variance = np.broadcast_to(model.posterior_variance.values, mean.shape)
        result = lv.diagnose(mean, variance=variance, data=X, loss=loss)
        plotting.diagnosed_cascade(result, ax=ax)
    return figure


def pitchfork() -> Axes:
    """The Landau potential of one mode of variance 1, found by continuation, above, at and below its threshold."""
    problem = Linear(lv.Spectrum.from_eigenvalues([1.0]), lv.Loss.gaussian(latents=1))
    [special] = lv.follow(problem, 1.5, 0.3).special
    return plotting.landau_potential(telling_potential(problem, special))


def main(folder: str = "") -> None:
    """Draw them into a folder, by default the one of this file."""
    target = Path(folder) if folder else Path(__file__).parent
    with matplotlib.rc_context(plotting.STYLE):
        save_figure(target / "diagnosis.png", diagnosis())
        spectrum = lv.datasets.worldclim().spectrum()
        loss = lv.Loss.gaussian(reconstruction="mean", half=False)
        save_figure(target / "pitchfork.png", pitchfork())
        save_figure(target / "cascade.png", plotting.cascade(spectrum, loss))


if __name__ == "__main__":
    main(*sys.argv[1:])
