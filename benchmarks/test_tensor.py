"""Separating echoes, and fusing them: ours, and what it replaces."""

import numpy as np
import pytest

from cfisac.estimators import _tensor_cp, tensor
from cfisac.studies import _tensor_search as search
from cfisac.studies import tensor as study
from cfisac.studies.joint import received, scene_at


@pytest.fixture(scope="module")
def heard():
    rng = np.random.default_rng(3)
    scene = scene_at(rng, 3, 0.0)
    samples = received(scene, rng)[1]
    return scene, samples, tensor.separate(scene, samples, 3)


@pytest.mark.benchmark(group="tensor: echoes of one access point, 8 x 128 x 128")
def test_decompose(benchmark, heard):
    assert benchmark(tensor.decompose, heard[1][0], 3).converged


@pytest.mark.benchmark(group="tensor: echoes of one access point, 8 x 128 x 128")
def test_plain_alternating_least_squares(benchmark, heard):
    """The same start, then 60 sweeps over all samples."""
    samples = heard[1][0] / np.sqrt(np.mean(np.abs(heard[1][0]) ** 2))

    def plain():
        bases, small = _tensor_cp._compressed(samples, 9)
        start = _tensor_cp._start(small, bases, 2, 3)
        whole = [basis @ each for basis, each in zip(bases, start, strict=True)]
        return _tensor_cp._als(samples, whole, 1e-12, 60)

    assert len(benchmark(plain)) == 3


@pytest.mark.benchmark(group="tensor: (P3) of one target")
def test_grid_and_bfgs(benchmark, heard):
    scene, _, separated = heard
    goal = tensor.objective(scene, separated, 0)
    grid = np.stack(np.meshgrid(*[np.arange(0.0, 351, 10)] * 2), axis=-1).reshape(-1, 2)
    from cfisac.estimators import _tensor_fusion

    assert benchmark(lambda: _tensor_fusion.climb(goal, grid))[1]


@pytest.mark.benchmark(group="tensor: (P3) of one target")
def test_bees_with_printed_settings(benchmark, heard):
    """20 bees and 50 epochs on the exact objective."""
    scene, _, separated = heard
    goal = tensor.objective(scene, separated, 0)

    class Plain(search.Quick):
        def __call__(self, points):
            self.n_asked += len(points)
            return goal.value(points)

    def bees():
        return search.bees(Plain(goal), study.BOX, 1000, np.random.default_rng(1))

    assert benchmark(bees).shape == (2,)


@pytest.mark.benchmark(group="tensor: three targets, from samples to positions")
def test_estimate(benchmark, heard):
    scene, samples, _ = heard
    assert benchmark(tensor.estimate, scene, samples, 3).converged
