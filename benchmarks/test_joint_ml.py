"""Three targets from 4 tensors of 8 x 128 x 128: the joint estimator and the published pipeline.

Nothing here asserts a speed. ``python -m pytest benchmarks/test_joint_ml.py -s`` prints the ratio.
"""

import time

import numpy as np
import pytest

from cfisac.estimators import joint_ml
from cfisac.studies import joint

GROUP = "three targets from the samples of 4 access points"


@pytest.fixture(scope="module")
def received():
    rng = np.random.default_rng(1)
    scene = joint.scene_at(rng, 3, 0.0)
    return scene, joint.received(scene, rng)[1]


@pytest.fixture(scope="module")
def pipeline():
    """The published pipeline, where this version of the package has it."""
    tensor = pytest.importorskip("cfisac.estimators.tensor")
    if not hasattr(tensor, "estimate"):
        pytest.skip("cfisac.estimators.tensor has no estimate")
    return tensor.estimate


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
def test_published_pipeline(benchmark, received, pipeline):
    benchmark.pedantic(pipeline, (*received, 3), rounds=3, warmup_rounds=1)


def fastest(function, *args, rounds):
    def seconds():
        start = time.perf_counter()
        function(*args)
        return time.perf_counter() - start

    return min(seconds() for _ in range(rounds))


def test_ratio(received, pipeline):
    """The figures of the group in one line, by the fastest of some rounds."""
    ours = fastest(joint_ml.estimate, *received, 3, rounds=10)
    theirs = fastest(pipeline, *received, 3, rounds=2)
    print(f"\njoint {1e3 * ours:.0f} ms; published pipeline {theirs:.2f} s, "
          f"{theirs / ours:.0f} times as long")  # fmt: skip
