"""Pilots, antennas and access points: the exact search, the source's, and the plain one.

Nothing here asserts a speed (``make bench``). The problem has 25 access points and 2 to 30 antennas
at each: 725 pairs, with 100 numbers of pilots each.
"""

import numpy as np
import pytest

from cfisac.designs import pilots

SHOWN = {"rounds": 200, "warmup_rounds": 5, "iterations": 5}
RNG = np.random.default_rng(48)
GAIN, PHI = np.sqrt(RNG.exponential(10.0, 25)), RNG.uniform(-1, 1, 25)
RANGES = {"pilot_range": (1, 100), "antenna_range": (2, 30), "antenna_budget": 750,
          "coherence_length": 200.0}  # fmt: skip
WEIGHTS = {"pilot_weight": 5e-5, "ap_weight": 1e-4, "antenna_weight": 1e-3}
GROUP = "the program (48) of zhang, 725 pairs (L, M), 100 numbers of pilots"


def made():
    found = pilots.angle_unit_bounds(GAIN, PHI, 1.0)
    return pilots.Problem(found.unit_bounds, **RANGES, **WEIGHTS)


def from_gains():
    return pilots.exhaustive(made())


def every_point(problem):
    """All (T, L, M) in one table."""
    t, length, m = np.meshgrid(np.arange(1, 101), np.arange(2, 31), np.arange(1, 26))
    return problem.cost(t, length, m).min()


@pytest.mark.benchmark(group=GROUP)
def test_exact_with_closed_pilots(benchmark):
    benchmark.pedantic(pilots.exhaustive, (made(),), **SHOWN)


@pytest.mark.benchmark(group=GROUP)
def test_exact_from_gains_and_angles(benchmark):
    benchmark.pedantic(from_gains, **SHOWN)


@pytest.mark.benchmark(group=GROUP)
def test_alternating_as_printed(benchmark):
    found = benchmark.pedantic(pilots.alternating, (made(), (1, 2, 1)), **SHOWN)
    assert found.allocation.cost >= pilots.exhaustive(made()).cost


@pytest.mark.benchmark(group=GROUP)
def test_every_point_in_a_table(benchmark):
    least = benchmark.pedantic(every_point, (made(),), rounds=10, warmup_rounds=1)
    assert least == pytest.approx(pilots.exhaustive(made()).cost, rel=1e-12)
