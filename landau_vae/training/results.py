"""What tasks bring home, put where it belongs, as one labelled `xarray.Dataset` that says where it comes from."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landau_vae.data.moments import Moments
from landau_vae.display import Array, jsonable
from landau_vae.training.memory import ScanPlan
from landau_vae.training.tasks import Task, Work
from landau_vae.training.trainer import Named, TrainingSet

if TYPE_CHECKING:
    import xarray

__all__ = ["STATUS", "Results"]

STATUS = ("converged", "moving", "plateau", "diverged")  # 0, 1, 2, 3
DESCRIPTIONS = {  # name → (what it is, its unit)
    "decoder": ("W", "data"),
    "encoder": ("E", "1 / data"),
    "posterior_variance": ("s", "1"),
    "mean_square": ("mean square of the encoder mean", "1"),
    "signal_fraction": ("order parameter M2", "1"),
    "rate": ("R", "nat"),
    "distortion": ("share of the training part's total variance that is not reconstructed", "1"),
    "loss": ("the trainer's loss", "data2"),
    "covariance": ("of the training part, as models saw it", "data2"),
}


class Results:
    """Arrays of the whole scan, filled task by task; they are allocated once the first task shows their shapes."""

    def __init__(self, work: Work, plan: ScanPlan) -> None:
        self.work, self.plan = work, plan
        self.place = {seed: row for row, seed in enumerate(work.seeds)}
        self.arrays: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {}

    def put(self, task: Task, named: Named) -> None:
        """Put what came of a task in its place; `InputError` if a trainer's results turn out larger than may be."""
        if not self.arrays:
            size = sum(values.nbytes for _, values in named.values()) // len(task.places) * self.plan.models
            replace(self.plan, result=max(size, self.plan.result)).check()
        for name, (dims, values) in named.items():
            if name not in self.arrays:
                shape = (len(self.work.seeds), len(self.work.temperature), *values.shape[1:])
                self.arrays[name] = (("seed", "temperature", *dims), np.empty(shape, values.dtype))
            self.arrays[name][1][self.place[task.seed], task.part] = values

    def dataset(self, *, standardize: bool, splits: Sequence[float] | None) -> "xarray.Dataset":
        """All of it, with labels and provenance."""
        import xarray

        work, spectrum = self.work, self.work.data.spectrum
        variables: dict[str, Any] = {
            name: (dims, values, _described(name)) for name, (dims, values) in self.arrays.items()
        }
        dims, status = self.arrays["status"]
        flags = {"flag_values": np.arange(len(STATUS), dtype=np.int8), "flag_meanings": " ".join(STATUS)}
        variables["status"] = (dims, status.astype(np.int8), {"long_name": "how training ended"} | flags)
        variables["converged"] = (dims, status == 0)
        arrays = self.arrays.values()
        sizes = {dim: size for dims, values in arrays for dim, size in zip(dims, values.shape, strict=True)}
        features = sizes.get("feature", len(spectrum.covariance))
        labels = list(spectrum.names or ()) if len(spectrum.names or ()) == features else np.arange(features)
        coords: dict[str, Any] = {
            "seed": list(work.seeds),
            "temperature": work.temperature,
            "latent": np.arange(work.latents),
            "feature": labels,
        }
        covariance = _covariance(work.data, features)
        variables["covariance"] = (("feature", "other_feature"), covariance, _described("covariance"))
        coords["other_feature"] = labels
        own: dict[str, Any] = getattr(work.trainer, "coordinates", dict)()
        coords |= {dim: values for dim, values in own.items() if dim in sizes}
        return xarray.Dataset(variables, coords, self._attributes(standardize, splits))

    def _attributes(self, standardize: bool, splits: Sequence[float] | None) -> dict[str, Any]:
        spectrum = self.work.data.spectrum
        attributes = {
            "title": "beta-VAEs trained at normalised temperatures",
            "temperature": "T = tau / V; distortion is a share of V, rates are in nats",
            "total_variance": spectrum.total_variance,
            "trainer": json.dumps(jsonable(self.work.trainer.to_dict()), sort_keys=True),
            "standardized": "yes" if standardize or spectrum.standardized else "no",
            "landau_vae": version("landau-vae"),
            "numpy": np.__version__,
        }
        if spectrum.samples is not None:
            attributes["samples"] = spectrum.samples
        if splits is not None:
            attributes["splits"] = json.dumps(dict(zip(("training", "validation", "test"), splits, strict=True)))
        return attributes


def _covariance(data: TrainingSet, features: int) -> Array:
    """As models saw it: of wide data that of the modes, or of the features for a trainer that goes through rows."""
    if data.rows is None or len(data.spectrum.covariance) == features:
        return data.spectrum.covariance
    moments = Moments(features)
    moments.add(data.rows, data.weights)
    return moments.covariance


def _described(name: str) -> dict[str, str]:
    if name not in DESCRIPTIONS:
        return {}
    return dict(zip(("long_name", "units"), DESCRIPTIONS[name], strict=True))
