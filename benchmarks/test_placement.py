"""Placing access points: the direct solution and 200 iterations of ADMM, side by side.

Nothing here asserts a speed. ``python -m pytest benchmarks/test_placement.py -s`` prints the ratios
that the lines of the group give.
"""

import time

import numpy as np
import pytest

from cfisac.designs import _placement_admm, placement
from cfisac.scenarios import liu_scene

GROUP = "placement of 4 access points for 20 targets"


@pytest.fixture(scope="module")
def problem():
    return placement.Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)


@pytest.mark.benchmark(group=GROUP)
def test_direct(benchmark, problem):
    benchmark(placement.direct, problem)


@pytest.mark.benchmark(group=GROUP)
def test_admm_mended_200_iterations(benchmark, problem):
    benchmark.pedantic(placement.admm, (problem,), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group=GROUP)
def test_admm_mended_200_iterations_newton_steps_not_refined(benchmark, problem, monkeypatch):
    monkeypatch.setattr(_placement_admm, "_POLISH", 0)
    benchmark.pedantic(placement.admm, (problem,), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group=GROUP)
def test_whole_antennas_4495_ways(benchmark, problem):
    design = placement.direct(problem)
    benchmark.pedantic(placement.integers, (problem, design), rounds=3, warmup_rounds=1)


def fastest(function, *args, rounds):
    def seconds():
        start = time.perf_counter()
        function(*args)
        return time.perf_counter() - start

    return min(seconds() for _ in range(rounds))


def test_ratios(problem, monkeypatch):
    """The figures of the group in one line, by the fastest of some rounds."""
    placement.direct(problem)
    direct = fastest(placement.direct, problem, rounds=10)
    refined = fastest(placement.admm, problem, rounds=2)
    monkeypatch.setattr(_placement_admm, "_POLISH", 0)
    plain = fastest(placement.admm, problem, rounds=2)
    print(
        f"\ndirect {1e3 * direct:.1f} ms; 200 mended ADMM iterations {plain:.2f} s, "
        f"{plain / direct:.0f} times as long; {refined:.2f} s with refined Newton steps, "
        f"{refined / direct:.0f} times"
    )
