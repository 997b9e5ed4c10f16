"""Modes of access points, ours and plain, side by side in one run (``make bench``).

Nothing here asserts a speed. The ratio of two lines of a group is the claim.
"""

import pytest

from cfisac.designs import _modes_step, modes
from cfisac.designs._modes_program import network
from cfisac.studies import modes as scenes
from cfisac.studies._modes_plain import transcription

SCENE = scenes.TABLE_4_SCENE


@pytest.mark.parametrize("n_aps", [8, 16, 32, 64])
@pytest.mark.benchmark(group="one step of the joint algorithm (53)")
def test_step(benchmark, n_aps):
    net = network(scenes.draw(n_aps, SCENE)[1], scenes.PEB_M[n_aps] ** 2)
    point = _modes_step.first_point(net, 0.9)
    benchmark.pedantic(_modes_step.step, (net, point, 1.0, False), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("n_aps", [8, 16, 32])
@pytest.mark.benchmark(group="one step of the joint algorithm (53)")
def test_plain_step(benchmark, n_aps):
    net = network(scenes.draw(n_aps, SCENE)[1], scenes.PEB_M[n_aps] ** 2)
    point = _modes_step.first_point(net, 0.9)

    def solve():
        problem, _ = transcription(net, point, 1.0)
        problem.solve(solver="CLARABEL")

    benchmark.pedantic(solve, rounds=1)


@pytest.mark.parametrize("n_aps", [8, 16, 32])
@pytest.mark.benchmark(group="local search")
def test_swap_search(benchmark, n_aps):
    _, each = scenes.draw(n_aps, 3)
    found = benchmark.pedantic(modes.swap_search, (each, scenes.PEB_M[n_aps] ** 2), rounds=1)
    print(f"\n{n_aps} access points: SINR {found.value:.4f}")


@pytest.mark.benchmark(group="all modes of 8 access points")
def test_enumeration(benchmark):
    _, each = scenes.draw(8, 3)
    benchmark.pedantic(modes.exhaustive, (each, scenes.PEB_M[8] ** 2), rounds=3)


@pytest.mark.parametrize("n_aps", [8, 16, 32])
@pytest.mark.benchmark(group="certified modes")
def test_certified(benchmark, n_aps):
    _, each = scenes.draw(n_aps, 3)
    found = benchmark.pedantic(
        modes.certified, (each, scenes.PEB_M[n_aps] ** 2), {"max_nodes": 400}, rounds=1
    )
    root = found.root_bound / found.value - 1
    print(
        f"\n{n_aps} access points: SINR {found.value:.4f} of at most {found.upper_bound:.4f}, "
        f"gap {found.gap:.2%} after {found.n_nodes} nodes, {root:.0%} at the root"
    )
