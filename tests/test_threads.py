"""Loops over small matrices run on one thread, and leave the number of threads as they found it."""

import numpy as np
import pytest
from gradient_systems import PITCHFORK_AND_FOLD, Coupled
from threadpoolctl import threadpool_info, threadpool_limits

import landau_vae as lv
from landau_vae.threads import one_thread

LOSS = lv.Loss.gaussian(0.25)
LOOPS = {
    "onset": lambda rows: lv.onset(rows, LOSS, degree=4),
    "first_collapse": lambda rows: lv.networks.first_collapse(rows, order=4),
    "frontier": lambda rows: lv.frontier(rows, LOSS),
    "bootstrap": lambda rows: lv.intervals.bootstrap(rows, replications=20),
    "uncertainty": lv.uncertainty,
}


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


class Watched:
    """Rows that note the number of threads when they are read, which is inside the loop's function."""

    def __init__(self, rows):
        self.rows, self.seen = rows, set()

    def __array__(self, dtype=None, copy=None):
        self.seen |= blas_threads()
        return self.rows


@pytest.mark.parametrize("name", LOOPS)
def test_loops_over_small_matrices_run_on_one_thread(name):
    rows = Watched(np.random.default_rng(0).gamma(4.0, size=(60, 2)))
    with threadpool_limits(2):
        LOOPS[name](rows)
        assert rows.seen == {1}
        assert blas_threads() == {2}


CONTINUATIONS = {
    "follow": lambda continuation, problem: continuation.follow(problem, 1, -1),
    "sweep": lambda continuation, problem: continuation.sweep(problem, 1, -1),
    "hysteresis": lambda continuation, problem: continuation.hysteresis(problem, 1, -1),
    "minima": lambda continuation, problem: continuation.minima(problem, 0.1, starts=3),
    "coexistence": lambda continuation, problem: continuation.coexistence(problem, 1, -1, places=2, starts=3),
}


class WatchedSystem(Coupled):
    """A small system that notes the number of threads when its gradient is asked for."""

    def gradient(self, x, c):
        self.seen = getattr(self, "seen", set()) | blas_threads()
        return super().gradient(x, c)


@pytest.mark.parametrize("name", CONTINUATIONS)
def test_continuation_runs_on_one_thread(name):
    system = WatchedSystem(*PITCHFORK_AND_FOLD)
    with threadpool_limits(2):
        CONTINUATIONS[name](lv.numeric.continuation, system)
        assert system.seen == {1}
        assert blas_threads() == {2}


def test_an_error_gives_the_threads_back():
    @one_thread()
    def failing():
        raise ArithmeticError

    with threadpool_limits(2):
        with pytest.raises(ArithmeticError):
            failing()
        assert blas_threads() == {2}
