"""Junk of any type, given for any argument of any public name, is answered by a value or by `InputError`.

Every name has a valid call below (`calls`). Each of its arguments in turn is replaced by each piece of junk. The answer
may be a value, an `InputError` or an `OutsideTheory`, within seconds, and the error names the argument. Methods that
the package itself calls with arrays of its own making, thousands of times in a run, are left out (`HOOKS`).
`python tests/test_junk.py NAME` prints what goes wrong.
"""

import contextlib
import inspect
import io
import re
import signal
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
import xarray
from public_objects import function_of, is_property, objects

import landau_vae as lv
from landau_vae.display import Column

SECONDS = 10  # for one call on a busy machine; all take well below one

HOOKS = re.compile(
    r"(numeric\.problems\.\w+|networks\.FreeDecoder)\.\w+"  # a problem's functions
    r"|numeric\.continuation\.(Branch|SpecialPoint)\.\w+"
    r"|training\.(Adam|SGD|Exact|Sampled|Neural|Trainer|LinearVAE)\.\w+"  # what a scan asks of its trainer
    r"|loss\.Likelihood\.\w+|loss\.Sampler\.noise|diagnosis\.(Criterion|Evidence|Finding)\b.*"
    r"|Loss\.must_be_(fixed|plain)|Spectrum\.must_be_whole|intervals\.Uncertainty\.cells|\w*(Error|Theory|Samples)"
    r"|numeric\.Landscape\.(hessian_eigenvalues|escapes)|diagnosis\.Recommendation\.sentence|training\.Trainer"
    r"|LinearVAE\.\w+"  # scikit-learn checks the rows; tests/estimator tries junk for the parameters
    r"|adapters\..*"  # frameworks call them, in their own environments: see tests/adapters
    r"|Monitor\.update"  # it warns, and never raises: tests/diagnosis/test_monitor.py tries junk
    r"|datasets\.Layers\..*|datasets\.worldclim_layers|numeric\.Transitions\.summary"
)
CONSTRUCTED = {
    "Loss", "loss.Sampler", "networks.FreeDecoder", "networks.Moments", "numeric.problems.ExponentialFamily",
    "numeric.problems.Linear", "numeric.problems.Symbolic", "symbolic.Landau", "training.Adam", "training.Exact",
    "training.Patience", "training.SGD", "training.Sampled", "training.Neural", "training.Schedule",
    "training.TrainingSet", "diagnosis.RunLog", "loss.Logged", "Monitor",
}  # fmt: skip  # all other classes are results, or have factories


TABLES = "array|table|row|column|data|sample|block|file|feature|number"
WORDS = {"beta": "β", "kl": "KL", "data": TABLES, "chunks": TABLES, "x": TABLES, "y": TABLES, "array": TABLES,
         "source": TABLES, "path": "file|folder|name"}  # fmt: skip  # how messages may call an argument


class Own(Exception):
    """An error of the caller's own generator: it reaches the caller as it is."""


def raising():
    yield np.ones((2, 3))
    raise Own


class Odd:
    """Knows nothing, not even how to be compared."""

    def __eq__(self, other):
        raise TypeError("not comparable")

    __hash__ = None

    def __repr__(self):
        return "<odd>"


def junk(folder):
    """Name → a function that makes it anew."""
    return {
        "None": lambda: None, "text": lambda: "text", "empty text": lambda: "", "bytes": lambda: b"x", "-1": lambda: -1,
        "0": lambda: 0, "2.5": lambda: 2.5, "nan": lambda: float("nan"), "inf": lambda: float("inf"),
        "10**400": lambda: 10**400, "True": lambda: True, "[]": list, "ragged": lambda: [[1], [1, 2]],
        "ragged chunks": lambda: [np.ones((2, 3)), np.ones((2, 4))], "{}": dict, "object": object, "odd": Odd,
        "lambda": lambda: lambda *_, **__: None, "a class": lambda: int, "texts": lambda: np.array(["a"]),
        "nothing": lambda: np.zeros((0, 0)), "cube": lambda: np.ones((2, 2, 2)), "1j": lambda: 1j,
        "complex": lambda: np.array([1j, 2]), "objects": lambda: np.array([None, {}], dtype=object),
        "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"), "dataset": xarray.Dataset,
        "wrong dataset": lambda: xarray.Dataset({"x": ("a", [1.0, np.nan])}), "set": lambda: {1, "a"},
        "generator": raising, "cut file": lambda: folder / "cut.npz", "cut scan": lambda: folder / "cut.nc",
        "folder": lambda: folder, "no file": lambda: folder / "none" / "at" / "all.csv",
    }  # fmt: skip


class World:
    """Small valid things."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "cut.npz").write_bytes(b"PK\x03\x04 and then no more")
        (self.folder / "cut.nc").write_bytes(b"\x89HDF\r\n\x1a\n and then no more")
        rng = np.random.default_rng(0)
        self.rows = rng.standard_normal((40, 3)) * [2, 1, 0.5]
        self.bits = (rng.random((20, 2)) < 0.5).astype(float)
        np.save(self.folder / "rows.npy", self.rows)
        (self.folder / "run.csv").write_text("step,kl,mse\n0,0.5,1.0\n")
        self.spectrum = lv.Spectrum.from_data(self.rows)
        self.loss = lv.Loss.gaussian(0.5)
        self.labelled = xarray.DataArray(self.rows, dims=("time", "place"), coords={"place": list("abc")})
        self.part = lv.spectrum.Partial.from_data(self.rows)
        self.part.save(self.folder / "part.npz")
        self.linear = lv.numeric.problems.Linear(lv.Spectrum.from_eigenvalues([1.0]))
        self.adam = lv.training.Adam(0.01)
        self.quick = lv.training.Sampled(2, batch=4)
        x = rng.standard_normal((150, 3)) * [2, 1, 0.5]  # 100 rows are needed
        self.codes = {"mean": x[:, :1] * 0.433, "deviation": x[:, :1] * 0 + 0.5}  # at rest at the price 1
        self.model = {"x": x, "active": [0], **self.codes}
        self.moments = {"first": 4.0, "skewness": 0.2, "fourth": 3.0, "cross": [0.3, 0.0], "across": [0.5, 0.1]}

    @property
    def collapse(self):
        return lv.networks.quartic_collapse(lv.networks.Moments(**self.moments))

    @property
    def scan(self):
        return scanned()

    @property
    def verified(self):
        return lv.verify(self.scan)

    @property
    def decoded(self):
        mean, std = self.codes.values()
        return lv.diagnose(mean, std=std, data=self.model["x"], loss=lv.Loss.gaussian(1.0), decode=self.decode)

    def decode(self, z):
        return z * [[3**0.5, 0, 0]]

    def term(self, z):
        return np.square(self.model["x"] - self.decode(z)).sum(axis=1) / 2

    @property
    def diagnosed(self):
        return lv.diagnose(self.rows[:, :1] * 0.4, variance=self.rows[:, :1] * 0 + 0.5, loss=self.loss, data=self.rows)

    @property
    def diagram(self):
        return followed()


@cache
def scanned():
    return lv.scan(lv.Spectrum.from_eigenvalues([2.0, 1.0]), np.geomspace(0.9, 0.01, 6), seeds=(0, 1))


@cache
def followed():
    return lv.follow(world().linear, 2.0, 0.5)


def special():
    return next(point for branch in followed().branches for point in branch.special)


@cache
def world():
    return World()


def calls(w):
    """Name → keyword arguments of a valid call, or what makes them; under "self" what a method is called on."""
    lam, a, s, t = sp.symbols("lam a s t", positive=True)
    slow, fast = sp.Symbol("x", real=True), sp.Symbol("y", positive=True)
    quartic = {"loss": (t - 1) * slow**2 / 2 + slow**4 / 4 + (fast - 1) ** 2, "slow": slow, "fast": (fast,),
               "control": t, "collapsed": {slow: sp.Integer(0), fast: sp.Integer(1)}}  # fmt: skip
    two = {"x": w.rows[:, :1], "y": w.rows[:, 1:]}
    between = {"problem": w.linear, "high": 1.5, "low": 0.7}
    layout = {"spectrum": w.spectrum, "loss": w.loss}
    table = {
        "Loss.preset": {"name": "pytorch-vae", "latents": 4, "batch": 8, "channels": 3, "valid": 2,
                        "likelihood": "gaussian", "noise_scale": 0.5, "kl_weight": 2.0, "reconstruction_weight": 2.0},
        "Loss.gaussian": {}, "Loss.bernoulli": {}, "Loss.poisson": {}, "Loss": {"beta": 1.0},
        "Loss.of": {"likelihood": "poisson"},
        "Loss.measure": {"function": mine, "features": 2, "latents": 1, "batch": 2},
        "Loss.weights": {"self": w.loss, "dimension": 3}, "Loss.price": {"self": w.loss, "spectrum": w.spectrum},
        "Loss.charge": {"self": w.loss, "features": 3}, "Loss.at": {"self": w.loss, "beta": 2.0},
        "Loss.beta_at": {"self": w.loss, "price": 0.3, "spectrum": w.spectrum},
        "Loss.price_per_beta": {"self": w.loss, "spectrum": w.spectrum},
        "Loss.with_latents": {"self": w.loss, "latents": 3}, "Loss.at_most_features": {"self": w.loss, "features": 3},
        "Loss.explain": {"self": w.loss, "spectrum": w.spectrum},
        "Loss.equivalent": lambda: {"self": w.loss, "other": lv.Loss.gaussian(half=False), "spectrum": w.spectrum},
        "Loss.translation": lambda: {"self": w.loss, "other": lv.Loss.gaussian(half=False), "spectrum": w.spectrum},
        "loss.Sampler": {}, "loss.Sampler.law": lambda: {"self": lv.loss.Sampler(log_std=True), "ratio": 0.5},
        "loss.Sampler.ratio": {"self": lv.loss.Sampler(log_std=True), "residual": 0.5},
        "Loss.from_dict": {"content": w.loss.to_dict()}, "Loss.reductions": {"self": w.loss, "features": 2},
        **{f"Loss.{name}": {"self": w.loss, "spectrum": w.spectrum} for name in
           ("without_price", "nominal_price", "demand")},
        **{f"Loss.{name}": {"self": w.loss, "price": 0.3, "spectrum": w.spectrum} for name in
           ("without_beta", "collapse_beta")},
        "Loss.constrained": {"self": w.loss, "kind": "hinge", "value": 1.0},
        "loss.Constraint": {"kind": "hinge", "value": 1.0},
        "loss.Constraint.formula": {"self": lv.loss.Constraint("hinge", 1.0), "error": "½ Σ(x − x̂)²", "weight": "",
                                    "reduction": "Σ"},
        "numeric.free_bits": lambda: {"spectrum": w.spectrum,
                                      "loss": w.loss.with_latents(2).constrained("hinge", 0.1, per="latent")},
        "Spectrum.from_data": {"data": w.rows}, "Spectrum.from_chunks": {"chunks": [w.rows[:20], w.rows[20:]]},
        "Spectrum.from_file": {"path": w.folder / "rows.npy"},
        "Spectrum.from_xarray": {"array": w.labelled, "samples": "time"},
        "Spectrum.from_covariance": {"covariance": np.eye(2)}, "Spectrum.from_eigenvalues": {"eigenvalues": [2.0, 1.0]},
        "Spectrum.rank": {"self": w.spectrum, "tolerance": 0.1},
        "choose_beta": {**layout, "keep": 1}, "equilibrium": layout, "transitions": layout,
        "diagnose": {"mean": w.rows[:, :1] * 0.4, "variance": w.rows[:, :1] * 0 + 0.5, "loss": w.loss, "data": w.rows},
        "expected": {**layout, "schedule": [0.5, 1.0], "updates": 10},
        "explain": {**layout, "kl": 0.5, "reconstruction": 1.0},
        "follow": {"problem": w.linear, "start": 2.0, "stop": 0.5, "max_points": 30}, "hysteresis": between,
        "frontier": {"data": w.rows, "loss": w.loss},
        **{f"networks.Frontier.{name}": lambda: {"self": lv.frontier(w.rows, w.loss), "price": 1.0} for name in
           ("certified", "beta_at")},
        "networks.Moments": w.moments,
        **{f"networks.Moments.{name}": lambda: {"self": lv.networks.Moments(**w.moments), "ratio": 1.0} for name in
           ("brackets", "curvature")},
        "networks.quartic_collapse": lambda: {"moments": lv.networks.Moments(**w.moments)},
        "networks.QuarticCollapse.phase": lambda: {"self": w.collapse, "ratio": 1.0},
        "networks.QuarticCollapse.potential": lambda: {"self": w.collapse, "ratio": 1.0, "mean": 0.1, "width": 0.1},
        "onset": {"data": w.rows, "loss": w.loss, "blocks": np.arange(40), "degree": 4},
        "networks.Onset.linear_gain": lambda: {"self": lv.onset(w.rows, w.loss, degree=4), "ratio": [0.5, 1.0]},
        "networks.first_collapse": {"data": w.rows, "order": 4, "most": 1.5},
        "networks.FirstCollapse.potential": lambda: {
            "self": lv.networks.first_collapse(w.rows, order=4, most=1.5), "price": 1.0
        },
        "networks.FreeDecoder": {"data": w.rows},
        "networks.row_moments": {"data": w.rows},
        "networks.RowMoments.error_of": lambda: {
            "self": lv.networks.row_moments(w.rows), "influence": np.ones(40)
        },
        "networks.prices_in_effect": {**w.codes, "term": w.term, "latents": [0]},
        "networks.prices_from_gradients": {
            **w.codes, "by_mean": -w.codes["mean"], "by_log_variance": w.codes["deviation"]
        },
        "networks.next_latent": {**w.model, "output": w.decode, "likelihood": lv.loss.GAUSSIAN},
        "networks.next_latent_by_kernel": w.model,
        "networks.NextLatent.gain": lambda: {
            "self": lv.networks.next_latent(**w.model, output=w.decode, likelihood=lv.loss.GAUSSIAN), "price": 0.5,
        },
        "scan": {"source": w.rows, "temperatures": [0.5, 0.1], "trainer": w.quick, "latents": 1},
        "uncertainty": {"data": w.rows}, "verify": lambda: {"scan": w.scan},
        "datasets.load": {"name": "worldclim"}, "datasets.counts": {"cells": 20, "genes": 5}, "datasets.worldclim": {},
        "datasets.Dataset.select": lambda: {"self": lv.datasets.load("worldclim")},
        "datasets.Dataset.prepared": lambda: {"self": lv.datasets.load("worldclim")},
        "datasets.Dataset.spectrum": lambda: {"self": lv.datasets.load("worldclim")},
        "datasets.WorldClim.spectrum": lambda: {"self": lv.datasets.worldclim()},
        "Monitor": layout, "Monitor.log": lambda: {"self": lv.Monitor(**layout)},
        "diagnosis.RunLog": {"kl": [0.5, 0.6], "reconstruction": [1.0, 0.9]},
        "diagnosis.read_run": {"path": w.folder / "run.csv"},
        "diagnosis.Diagnosis.recommend": lambda: {"self": w.diagnosed},
        "diagnosis.recommend": {**layout, "keep": 1, "samples": 40},
        "intervals.bootstrap": {"data": w.rows, "replications": 20},
        "loss.Logged": {},
        **{f"loss.Logged.{name}": {"self": lv.loss.Logged(), quantity: 0.5, "loss": w.loss, "features": 3}
           for name, quantity in (("rate", "kl"), ("logged_rate", "rate"), ("error", "reconstruction"),
                                  ("logged_error", "error"))},
        "loss.possible_slips": {"features": 4, "latents": 2, "loss": w.loss},
        "loss.slips_that_make": {"factor": 2.0, "features": 4, "latents": 2},
        "loss.as_likelihood": {"likelihood": "poisson"},
        "loss.any_loss": {"function": lambda x, f: (x - f) ** 2}, "loss.categorical": {"groups": [2, 3]},
        "loss.gaussian": {}, "loss.huber": {}, "loss.laplace": {}, "loss.mixed": {"groups": [("gaussian", [0, 1])]},
        "loss.dispersed": {}, "loss.sized": {"likelihood": lv.loss.POISSON},
        "loss.negative_binomial": {"dispersion": 2.0}, "loss.perceptual": {"features": lambda x: x},
        "loss.quadratic": {"metric": np.eye(2)}, "loss.smooth_l1": {}, "loss.student_t": {"freedom": 4.0},
        "loss.zero_inflated": {"dispersion": 2.0},
        "numeric.Equilibrium.utility": lambda: {"self": lv.equilibrium(**layout)},
        "numeric.Landscape.plateau": lambda: {"self": lv.numeric.landscape(**layout)},
        "numeric.Landscape.summary": lambda: {"self": lv.numeric.landscape(**layout)},
        "numeric.LearnedVariance.price": lambda: {
            "self": lv.numeric.learned_variance(w.spectrum, latents=1), "beta": 1.0
        },
        "numeric.WeightDecay.signal_fraction": lambda: {
            "self": lv.numeric.weight_decay(w.spectrum, decoder=0.1), "beta": 0.3
        },
        "numeric.activation": {**layout, "learning_rate": 0.01}, "numeric.landscape": layout,
        "numeric.continuation.Diagram.table": lambda: {
            "self": followed(), "columns": Column("κ₄", [1.0] * len(followed().special)),
        },
        "numeric.continuation.Sweep.at": lambda: {"self": lv.hysteresis(**between).down, "control": 0.9},
        "numeric.continuation.coexistence": {**between, "places": 2, "starts": 2},
        "numeric.continuation.landau_potential": lambda: {
            "problem": w.linear, "special": special(), "control": [0.9, 1.0], "amplitude": [0.0, 0.1]
        },
        "numeric.continuation.telling_potential": lambda: {"problem": w.linear, "special": special()},
        "numeric.continuation.minima": {"problem": w.linear, "control": 0.8, "starts": 2},
        "numeric.continuation.sweep": {"problem": w.linear, "start": 1.5, "stop": 0.7, "max_points": 30},
        "numeric.fixed_encoder": {**layout, "variance": [0.5]},
        "numeric.hierarchy": {"spectrum": w.spectrum, "first_variance": 0.5},
        "numeric.count_noise": {"data": np.abs(w.rows), "loss": "poisson"},
        "numeric.learned_variance": {"spectrum": w.spectrum}, "numeric.noise_floor": {"spectrum": w.spectrum},
        "numeric.population_threshold": {"threshold": 3.0, "noise": 1.0, "samples": 50, "features": 20},
        "numeric.spiked": {"spikes": [2.0], "noise": 1.0, "samples": 50, "features": 20},
        "numeric.weight_decay": {"spectrum": w.spectrum, "decoder": 0.1},
        "numeric.problems.ExponentialFamily": {"data": w.bits}, "numeric.problems.Linear": {"spectrum": w.spectrum},
        "numeric.problems.Symbolic": lambda: {"theory": lv.symbolic.Landau(**quartic)},
        "report.check_picture": {"path": "a.png"}, "report.make_folder": {"folder": w.folder / "made"},
        "report.save_figure": lambda: {"path": w.folder / "a.png", "picture": figure()},
        "report.write": lambda: {"folder": w.folder / "written", "result": w.verified, "scan": w.scan},
        "report.write_page": lambda: {"path": w.folder / "a.html", "result": w.diagnosed},
        "spectrum.Partial.from_data": {"data": w.rows}, "spectrum.Partial.from_chunks": {"chunks": [w.rows]},
        "spectrum.Partial.from_file": {"path": w.folder / "rows.npy"},
        "spectrum.Partial.from_xarray": {"array": w.labelled, "samples": "time"},
        "spectrum.Partial.load": {"path": w.folder / "part.npz"},
        "spectrum.Partial.save": {"self": w.part, "path": w.folder / "saved.npz"},
        "spectrum.Partial.spectrum": {"self": w.part}, "spectrum.Partial.merge": {"self": w.part, "others": w.part},
        "spectrum.conditional": two, "spectrum.supervised": two,
        "spectrum.noise_metric": {"data": w.rows, "noise": [1.0, 2.0, 3.0]},
        "spectrum.score": {"data": w.rows, "loss": lv.loss.huber()},
        "spectrum.exponential_family": {"data": w.bits, "variance": lambda mean: mean * (1 - mean)},
        "symbolic.Landau": quartic,
        "symbolic.Landau.with_loss": lambda: {"self": lv.symbolic.Landau(**quartic), "loss": a},
        "symbolic.Landau.hessian": lambda: {"self": lv.symbolic.Landau(**quartic)},
        "symbolic.Landau.characteristic": lambda: {"self": lv.symbolic.Landau(**quartic), "rate": s},
        "symbolic.Landau.elimination": lambda: {"self": lv.symbolic.Landau(**quartic), "order": 2},
        "symbolic.Landau.expansion": lambda: {"self": lv.symbolic.Landau(**quartic), "order": 4},
        "symbolic.cumulants": {"variance": lam, "mean": lam, "order": 3}, "symbolic.derive": {"name": "collapse"},
        "symbolic.exponential_family": {"families": [[a, a, a]], "direction": [sp.Integer(1)], "order": 2},
        "symbolic.gaussian_mean": {"expression": slow**2, "variables": [slow], "covariance": {(slow, slow): a}},
        "symbolic.moment": {"features": 2}, "symbolic.title": {"name": "collapse"},
        "symbolic.vanishes": {"expression": slow - slow},
        "training.Adam": {"learning_rate": 0.1}, "training.SGD": {"learning_rate": 0.1}, "training.Exact": {},
        "training.Patience": {}, "training.Sampled": {}, "training.Schedule": {"points": ((0.0, 1.0),)},
        "training.TrainingSet": {"spectrum": w.spectrum}, "training.Neural": {},
        "training.trained_model": lambda: {"scan": w.scan, "temperature": 0.1},
        "training.TrainedModel.encode": lambda: {"self": model(), "rows": [[1.0, 2.0]]},
        "training.TrainedModel.decode": lambda: {"self": model(), "latents": [[1.0, 2.0]]},
        "training.TrainedModel.output": lambda: {"self": model(), "latents": [[1.0, 2.0]]},
        "training.anneal": {"start": 2.0}, "training.cosine": {}, "training.cyclical": {"cycles": 2},
        "training.warm_up": {"share": 0.1},
        "training.plan": {"source": w.rows, "temperatures": [0.5, 0.1], "trainer": w.quick},
        "training.save_scan": lambda: {"path": w.folder / "scan.nc", "dataset": w.scan},
        "training.load_scan": lambda: {"path": lv.training.save_scan(w.folder / "scan.nc", w.scan)},
        "training.validate": lambda: {"scan": w.scan},
        "verification.branches": lambda: {"scan": w.scan, "spectrum": lv.Spectrum.from_eigenvalues([2.0, 1.0])},
        "verification.dataset_size": {"features": 6, "ratios": [2], "seeds": (0, 1)},
        "verification.dynamics": lambda: {"scan": descended(), "learning_rate": 0.01},
        "verification.onsets": lambda: {"scan": w.scan},
        **{name: lambda: {"fit": fit, "betas": [0.5, 0.1], "data": w.rows} for name in
           ("spectroscopy", "verification.spectroscopy")},
        "report.write_onsets": lambda: {"folder": w.folder / "found", "found": lv.verification.onsets(w.scan)},
        "verification.Branches.utility": lambda: {"self": w.verified.branches, "reconstruction": "mean"},
        "verification.Branches.rank_distortion": lambda: {"self": w.verified.branches, "reconstruction": "mean"},
        "verification.Dynamics.rate_at": lambda: {"self": lv.verification.dynamics(descended()), "temperature": 0.3},
        "verification.Verification.summary": lambda: {"self": w.verified},
    }  # fmt: skip
    asked = {"beta": {"loss": w.loss}, "active": {"loss": w.loss}, "dimension": {"tolerance": 0.1}, "summary": {},
             "to_dict": {}}  # fmt: skip
    for method, arguments in asked.items():
        table[f"intervals.Uncertainty.{method}"] = lambda e=arguments: {"self": lv.uncertainty(w.rows), **e}
    pictures = {
        "activation": lambda: {"dynamics": lv.verification.dynamics(descended())}, "cascade": layout,
        "bifurcation_page": lambda: {"diagram": followed(), "potential": None},
        "bifurcations": lambda: {"diagram": followed()},
        "dataset_size": lambda: {"result": lv.verification.dataset_size(features=6, ratios=[2], seeds=(0, 1))},
        "landau_potential": lambda: {"potential": lv.numeric.continuation.telling_potential(w.linear, special())},
        **{name: lambda: {"result": w.verified} for name in
           ("branches", "overview", "rate_distortion", "spectra", "universal_law")},
        **{name: lambda: {"found": lv.verification.onsets(w.scan)} for name in
           ("distortion_curves", "effective_dimension", "identity", "onset_branches", "onset_rates", "rank_distortion",
            "spectroscopy_page")},
        "expected": lambda: {"result": lv.expected(**layout, schedule=[0.5, 1.0])},
        "frontier": lambda: {"result": lv.frontier(w.rows, w.loss)},
        "onset": lambda: {"result": lv.onset(w.rows, w.loss, degree=4)},
        "prices_in_effect": lambda: {"result": w.decoded},
        "hysteresis_loop": lambda: {"down": w.scan, "up": w.scan},
        **{name: lambda: {"result": w.diagnosed} for name in
           ("diagnosed_cascade", "latent_bars", "rank_distortion_of", "spectrum_with_floor")},
    }  # fmt: skip
    return table | {f"plotting.{name}": arguments for name, arguments in pictures.items()}


def model():
    return lv.training.trained_model(scanned(), 0.1)


def fit(beta, seed):
    mean = np.outer(np.arange(40.0), [0.01])
    return mean, mean * 0 - 0.1, lambda z: np.tile(z, 3)


@cache
def descended():
    how = {"batch": None, "noise": False, "learning_rate": lv.training.Schedule(((0.0, 1.0),)), "start": 0.01}
    trainer = lv.training.Sampled(400, optimizer=lv.training.SGD(0.05), history=40, **how)
    return lv.scan(lv.Spectrum.from_eigenvalues([2.0, 1.0]), [0.1, 0.3], latents=2, trainer=trainer)


def mine(x, x_hat, mean, log_variance):
    return ((x - x_hat) ** 2).sum() / 2 + (mean**2 + np.exp(log_variance) - 1 - log_variance).sum() / 2


def figure():
    return plt.figure(figsize=(1, 1))


def wanted():
    """Public names that take arguments from users: functions, constructors, methods."""
    for name, thing in objects().items():
        function = thing if inspect.isclass(thing) else function_of(thing)
        if is_property(thing) or HOOKS.fullmatch(name) or (inspect.isclass(thing) and name not in CONSTRUCTED):
            continue
        if set(inspect.signature(function).parameters) - {"self", "cls"}:
            yield name


@cache
def table():
    with contextlib.redirect_stdout(io.StringIO()):
        return calls(world())


def callable_of(name, arguments):
    """The function to call, and its signature without self."""
    if "self" in arguments:
        return getattr(arguments["self"], name.rpartition(".")[2])
    target = lv
    for part in name.split("."):
        target = getattr(target, part)
    return target


def called(function, arguments):
    parameters = inspect.signature(function).parameters
    several = [name for name, each in parameters.items() if each.kind is each.VAR_POSITIONAL]
    keywords = dict(arguments)
    first = []
    if several and several[0] in arguments:  # what stands before it can only be given by its place
        first = [keywords.pop(name) for name in list(parameters)[: list(parameters).index(several[0]) + 1]]
    return function(*first, **keywords)


class TooSlow(Exception):
    pass


def stop(*_):
    raise TooSlow(f"longer than {SECONDS} s")


def answer(function, arguments, argument):
    """None where a call with junk is answered as it should be, else what it did instead."""
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        called(function, arguments)
    except lv.InputError as error:
        words = "|".join([re.escape(argument), WORDS.get(argument, argument), *argument.rstrip("s").split("_")])
        named = error.argument == argument or re.search(words, str(error), re.IGNORECASE)
        return None if named else f"does not name {argument}: {' '.join(str(error).split())[:80]}"
    except (lv.OutsideTheory, Own):
        return None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        plt.close("all")
    return None


def complaints(name):
    """{"name argument junk": what went wrong} of all calls of one name."""
    valid = table()[name]
    valid = valid() if callable(valid) else valid
    base = {key: value for key, value in valid.items() if key != "self"}
    function = callable_of(name, valid)
    called(function, base)  # the valid call is one
    plt.close("all")
    found = {}
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for kind, make in junk(world().folder).items():
            problem = answer(function, {**base, argument: make()}, argument)
            if problem:
                found[f"{name} {argument} {kind.replace(' ', '-')}"] = problem
    return found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a name such as "text" may become a file


def test_every_name_has_a_valid_call():
    assert sorted(wanted()) == sorted(set(wanted()) & set(table()))


@pytest.mark.parametrize("name", sorted(set(wanted()) & set(table())))
def test_junk(name):
    found = complaints(name)
    assert not found, "\n".join(f"{call}: {problem}" for call, problem in found.items())


if __name__ == "__main__":
    import os
    import time

    warnings.simplefilter("error")
    prefix = sys.argv[1] if len(sys.argv) > 1 else ""
    missing = sorted(set(wanted()) - set(table()))
    print("no valid call:", missing, file=sys.stderr)
    os.chdir(tempfile.mkdtemp())
    for name in wanted():
        if name in table() and prefix in name:
            began = time.perf_counter()
            try:
                for call, problem in complaints(name).items():
                    print(f"{call}: {problem}", flush=True)
            except Exception as error:
                print(f"{name}: the valid call: {type(error).__name__}: {error}", file=sys.stderr)
            if (seconds := time.perf_counter() - began) > 1:
                print(f"{seconds:.1f} s for {name}", file=sys.stderr)
