"""What a scan takes is known before it starts, is not exceeded, and what would not fit is refused in words."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import joblib
import numpy as np
import pytest
from trainers import Means

from landau_vae import InputError, Loss, Spectrum, scan
from landau_vae.display import in_words
from landau_vae.training import Exact, Neural, ScanPlan, cosine, plan
from landau_vae.training.memory_plan import available
from landau_vae.training.neural import COMPILER
from landau_vae.training.stopping import last_movement

GRID = np.geomspace(1, 0.01, 50)
SPECTRUM = Spectrum.from_eigenvalues(np.arange(1, 11))


def test_the_terms_of_a_plan():
    planned = plan(SPECTRUM, GRID, seeds=(0, 1), latents=4, memory=1e9)
    assert (planned.models, planned.tasks, planned.workers, planned.limit) == (100, 2, 1, 10**9)
    assert planned.total == planned.data + planned.result + planned.per_worker
    models = scan(SPECTRUM, GRID, seeds=(0, 1), latents=4)
    assert models.nbytes <= planned.result < 2 * models.nbytes
    assert repr(planned) == (
        f"ScanPlan(100 models in 2 tasks: data {planned.data} B + result {in_words(planned.result)} + "
        f"1 × {in_words(planned.per_worker)} = {in_words(planned.total)} of 1 GB)"
    )
    assert planned.summary() == f"{planned.sentence} of memory"
    assert planned.to_dict()["fits"] is True


def test_more_of_anything_takes_more():
    base = plan(SPECTRUM, GRID)
    for more in ({"seeds": range(9)}, {"latents": 20}, {"workers": 2, "seeds": (0, 1)}):
        assert plan(SPECTRUM, GRID, **more).total > base.total
    assert plan(SPECTRUM, GRID, keep_weights=False).total < base.total
    assert plan(SPECTRUM, GRID, workers=64).workers == 1  # there is one task


def test_data_that_are_there_already_are_not_counted(rng):
    rows = rng.standard_normal((1000, 5))
    own = plan(rows, [0.1], trainer=Means()).data
    copied = plan(rows.astype("f4"), [0.1], trainer=Means()).data
    assert copied - own == rows.nbytes
    assert plan(rows, [0.1, 0.2], trainer=Means(1), workers=2).data >= rows.nbytes  # mapped for workers


def test_a_cluster_minds_its_own_memory():
    class Elsewhere(joblib.parallel.ThreadingBackend):
        client = "a cluster"

    here = plan(SPECTRUM, GRID, seeds=range(8), workers=4)
    with joblib.parallel_config(backend=Elsewhere()):
        there = plan(SPECTRUM, GRID, seeds=range(8), workers=4)
    assert here.workers == there.workers == 4
    assert there.per_worker < 1e6 < here.per_worker


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [({"latents": 4, "seeds": range(5000)}, "is the result: train fewer temperatures, seeds or latents"),
     ({"seeds": (0, 1), "workers": 2}, "is what workers work with: give fewer workers, or smaller batches"),
     ({"trainer": Exact(), "latents": 2000, "memory": 1e6}, "is what workers work with: give fewer latents")],
)  # fmt: skip
def test_a_scan_that_would_not_fit_is_refused_before_it_starts(arguments, advice, tmp_path):
    arguments = {"memory": 1e8} | arguments
    with pytest.raises(InputError, match=f"but 1.* may be used; most of it .* {advice}") as caught:
        scan(SPECTRUM, GRID, folder=tmp_path / "scan", **arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "scan").exists()
    assert not plan(SPECTRUM, GRID, **arguments).fits


def test_data_that_would_not_fit_are_refused_before_they_are_copied(rng):
    rows = rng.standard_normal((1000, 5)).astype("f4")
    with pytest.raises(InputError, match=r"most of it .* is the data: give fewer rows"):
        scan(rows, [0.1], trainer=Means(), memory=41_000)
    with pytest.raises(InputError, match=r"scale or convert the 1000 rows takes 40 kB, but 30 kB may be used"):
        scan(rows, [0.1], trainer=Means(), memory=30_000)
    with pytest.raises(InputError, match=r"takes 60 kB, but 50 kB may be used"):
        scan(rows, [0.1], trainer=Means(), memory=50_000, splits=(0.5, 0.5, 0))


def test_results_larger_than_a_trainer_let_know_are_refused_at_the_first_task():
    class Talkative(Means):
        def train(self, data, temperature, *rest):
            return super().train(data, temperature, *rest) | {"log": (("line",), np.zeros((len(temperature), 10_000)))}

    rows = np.arange(20.0).reshape(10, 2)
    assert plan(rows, GRID, trainer=Talkative(), memory=1e6).fits
    with pytest.raises(InputError, match="is the result"):
        scan(rows, GRID, trainer=Talkative(), memory=1e6)


def test_the_plan_is_told_where_progress_is(capsys):
    scan(SPECTRUM, GRID[:3], progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("3 models in 1 task: data ")


MEASURE = """
import re, sys
from pathlib import Path
import numpy as np
from landau_vae import Spectrum, scan
from landau_vae.training import Exact, Sampled, plan
how = sys.argv[1]
features, latents, temperatures = map(int, sys.argv[2:])
if how == "exact":
    trainer, data = Exact(max_iterations=25), Spectrum.from_eigenvalues(np.geomspace(1, 1e-3, features))
else:
    trainer = Sampled(updates=40, batch=256 if how == "moments" else features // 2 - 1)
    data = np.random.default_rng(0).standard_normal((100_000, features))
first = Spectrum.from_eigenvalues([2, 1]) if how == "exact" else data[:50, :2]
scan(first, [0.1], trainer=trainer)  # what the first call loads is not this scan's
arguments = (data, np.geomspace(0.1, 1e-4, temperatures)), dict(latents=latents, trainer=trainer)
planned = plan(*arguments[0], **arguments[1])
def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = status("VmRSS")
scan(*arguments[0], **arguments[1])
print(status("VmHWM") - before, planned.total)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="there is no /proc to read the peak from")
@pytest.mark.parametrize(
    "case",
    [("exact", 250, 200, 3), ("exact", 19, 19, 1000), ("exact", 30, 200, 20), ("moments", 19, 19, 121),
     ("moments", 60, 90, 20), ("rows", 19, 19, 40), ("rows", 60, 10, 20)],
    ids=str,
)  # fmt: skip
def test_the_plan_bounds_the_peak(case):
    """Of many small models, of few large ones, and of more latents than features; nor is the bound a loose one."""
    command = [sys.executable, "-c", MEASURE, *map(str, case)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    peak, planned = map(int, run.stdout.split())
    assert peak < planned < 3 * peak + 1e7


def peak_of_numpy(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (np.arange(200_000.0).reshape(-1, 10) % 7, {"batch": 20_000}),
        (np.arange(1_000_000.0).reshape(-1, 50) % 3 / 2, {"batch": 16, "loss": Loss.bernoulli()}),
        (Spectrum.from_eigenvalues(np.ones(100)), {"batch": 16}),
    ],
    ids=["batch", "likelihood", "spectrum"],
)
def test_the_plan_bounds_what_networks_take_in_numpy(source, options):
    """Without what is reserved for the compiler. JAX's own arrays are not among what is traced."""
    pytest.importorskip("jax")
    how = {"latents": 2, "trainer": Neural(hidden=(4,), updates=8, **options)}
    planned = plan(source, [0.1], **how)
    scan(source, [0.1], **how)  # compiled
    peak = peak_of_numpy(lambda: scan(source, [0.1], **how))
    assert peak < planned.total - COMPILER < 20 * peak


def test_the_time_of_a_long_run_takes_little_memory():
    looks = np.zeros((40, 1, 1))
    assert peak_of_numpy(lambda: last_movement(cosine(), 10**6, looks, np.array([10**6]))) < 2 * 10**6


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_control_groups_bound_what_is_available(tmp_path):
    """Version 2, a limit on an outer group; version 1; none; one that cannot be seen."""
    whole = available(tmp_path)
    assert whole > 1e7
    second, first = tmp_path / "second", tmp_path / "first"
    write(second, proc__self__cgroup="0::/user/job\n")
    group = "sys__fs__cgroup__"
    write(second, **{f"{group}user__job__memory_DOT_max": "max\n", f"{group}user__job__memory_DOT_current": "5\n"})
    write(second, **{f"{group}user__job__memory_DOT_stat": "inactive_file 1\n"})
    assert available(second) == pytest.approx(whole, rel=0.2)
    write(second, **{f"{group}user__memory_DOT_max": "9000\n", f"{group}user__memory_DOT_current": "5000\n"})
    write(second, **{f"{group}user__memory_DOT_stat": "anon 4000\ninactive_file 1000\n"})
    assert available(second) == 4000  # 0.8 × (9000 − 5000 + 1000)
    write(first, proc__self__cgroup="4:cpu:/x\n7:memory:/x\n")
    base = "sys__fs__cgroup__memory__memory_DOT_"
    write(first, **{f"{base}limit_in_bytes": "2000", f"{base}usage_in_bytes": "1500", f"{base}stat": ""})
    assert available(first) == 400


def test_a_plan_alone():
    assert repr(ScanPlan(1, 1, 2, 10, 20, 30, 1000)) == (
        "ScanPlan(1 model in 1 task: data 10 B + result 20 B + 2 × 30 B = 90 B of 1 kB)"
    )
