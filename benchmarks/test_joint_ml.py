"""Three targets from 4 tensors of 8 x 128 x 128: the joint estimator and liu's pipeline.

Nothing here asserts a speed. ``python -m pytest benchmarks/test_joint_ml.py -s`` prints the ratio.
"""

import time

import numpy as np
import pytest

from cfisac.estimators import _tensor_cp, joint_ml, tensor
from cfisac.studies import _tensor_search as search
from cfisac.studies import joint
from cfisac.studies import tensor as study

GROUP = "three targets from the samples of 4 access points"
SWEEPS = 100  # of alternating least squares; the source does not print a number


@pytest.fixture(scope="module")
def received():
    rng = np.random.default_rng(1)
    scene = joint.scene_at(rng, 3, 0.0)
    return scene, joint.received(scene, rng)[1]


def as_printed(scene, samples):
    """Random starts, sweeps over all samples, MUSIC as a matched filter, bees for (P3) and (P4)."""
    rng, parts = np.random.default_rng(1), []
    for each in samples:
        scale = np.sqrt(np.mean(np.abs(each) ** 2))
        start = [rng.normal(size=(n, 3)) + 1j * rng.normal(size=(n, 3)) for n in each.shape]
        factors = _tensor_cp._als(each / scale, start, 1e-12, SWEEPS)
        parts.append(_tensor_cp._components(each, factors, scale, ""))
    separated = tensor.associate(scene, parts)

    def bees(goal, box):
        class Plain(search.Quick):  # the objective itself, not a table of it
            def __call__(self, points):
                points = search.cartesian(points) if box is study.POLAR else points
                self.n_asked += len(points)
                return goal.value(points)

        return search.bees(Plain(goal), box, study.PRINTED["abc"], rng)

    states = []
    for target in range(3):
        place = bees(tensor.objective(scene, separated, target), study.BOX)
        pace = bees(tensor.objective(scene, separated, target, place), study.POLAR)
        states.append((place, search.cartesian(pace)))
    return states


@pytest.mark.benchmark(group=GROUP)
def test_joint(benchmark, received):
    benchmark(joint_ml.estimate, *received, 3)


@pytest.mark.benchmark(group=GROUP)
def test_fused_echoes(benchmark, received):
    benchmark(joint_ml.estimate, *received, 3, fusion="echoes")


@pytest.mark.benchmark(group=GROUP)
def test_search(benchmark, received):
    benchmark.pedantic(
        joint_ml.detect, (*received, 1, joint.AREA, joint.MAX_SPEED), rounds=3, warmup_rounds=1
    )


@pytest.mark.benchmark(group=GROUP)
def test_mended_pipeline(benchmark, received):
    benchmark.pedantic(tensor.estimate, (*received, 3), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group=GROUP)
def test_pipeline_as_printed(benchmark, received):
    benchmark.pedantic(as_printed, received, rounds=3, warmup_rounds=1)


def fastest(function, *args, rounds):
    def seconds():
        start = time.perf_counter()
        function(*args)
        return time.perf_counter() - start

    return min(seconds() for _ in range(rounds))


def test_ratio(received):
    """The figures of the group in one line, by the fastest of some rounds."""
    ours = fastest(joint_ml.estimate, *received, 3, rounds=10)
    mended = fastest(tensor.estimate, *received, 3, rounds=3)
    printed = fastest(as_printed, *received, rounds=2)
    print(
        f"\njoint {1e3 * ours:.0f} ms; liu's pipeline as printed {printed:.2f} s, "
        f"{printed / ours:.0f} times as long, mended {mended:.2f} s, {mended / ours:.0f} times"
    )
