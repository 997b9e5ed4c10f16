"""Fast paths and plain ones, side by side in one run (``make bench``).

Nothing here asserts a speed. Each group holds the same work done two ways, or by one worker and
two; the ratio of two lines of a group is the claim.
"""

import os
import tracemalloc

import numpy as np
import pytest

from cfisac import montecarlo
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import angle_gain
from cfisac.studies import zhang

ARRAY = UniformLinearArray(8)
N_SETS = 10**6
LOOP_SHARE = 100  # the loop does 1/100 of the sets; multiply its time by this
N_SNAPSHOTS = 200_000


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(1)
    gain = rng.normal(size=N_SETS) + 1j * rng.normal(size=N_SETS)
    return gain, rng.uniform(-1.5, 1.5, N_SETS)


def dense_loop(gains, angles, n_pilots, noise_variance):
    """Build and invert each FIM from its Jacobian, one set after the other."""
    index = np.arange(ARRAY.n_antennas)
    bounds = np.empty((len(gains), 3, 3))
    for number, (gain, phi) in enumerate(zip(gains, angles, strict=True)):
        steering = np.exp(1j * ARRAY.kappa * index * np.sin(phi)) / np.sqrt(len(index))
        slope = 1j * ARRAY.kappa * index * np.cos(phi) * steering
        jacobian = np.stack([steering, 1j * steering, gain * slope], axis=1)
        fim = 2 * n_pilots / noise_variance * np.real(jacobian.conj().T @ jacobian)
        bounds[number] = np.linalg.inv(fim)
    return bounds


@pytest.mark.benchmark(group="crlb of 1e6 parameter sets (the loop does 1e4: times 100)")
def test_crlb_batched(benchmark, scene):
    bounds = benchmark(angle_gain.crlb, *scene, ARRAY, 10, 0.3)
    part = slice(0, 100)
    expected = dense_loop(scene[0][part], scene[1][part], 10, 0.3)
    np.testing.assert_allclose(bounds[part], expected, rtol=1e-9)


@pytest.mark.benchmark(group="crlb of 1e6 parameter sets (the loop does 1e4: times 100)")
def test_crlb_loop_of_dense_inverses(benchmark, scene):
    part = slice(0, N_SETS // LOOP_SHARE)
    benchmark.pedantic(
        dense_loop, (scene[0][part], scene[1][part], 10, 0.3), rounds=3, warmup_rounds=1
    )


@pytest.mark.benchmark(group="maximum-likelihood angle of 2e5 snapshots, L = 8 (ops: times 2e5)")
def test_angle_ml(benchmark):
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(2, N_SNAPSHOTS, ARRAY.n_antennas))
    phi = np.arcsin(rng.uniform(-1, 1, N_SNAPSHOTS))
    channel = 10 * ARRAY.steering(phi) + noise[0] + 1j * noise[1]
    benchmark(angle_ml.estimate_from_channel, channel, ARRAY)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.benchmark(group="Monte-Carlo engine on angle-threshold, 62 cells of 64 trials")
def test_engine(benchmark, workers):
    study = next(study for study in zhang.STUDIES if study.id == "angle-threshold")
    benchmark.pedantic(
        montecarlo.run,
        (study.trial, study.cells, 64, study.seed),
        {"workers": workers},
        rounds=3,
        warmup_rounds=1,
    )
    benchmark.extra_info["cores"] = os.cpu_count()


@pytest.mark.parametrize("n_trials", [200, 2000, 20_000])
@pytest.mark.benchmark(group="Monte-Carlo engine, one cell of trivial trials (memory: printed)")
def test_engine_memory(benchmark, n_trials):
    tracemalloc.start()
    benchmark.pedantic(montecarlo.run, (_small_trial, [{}], n_trials, 1), rounds=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\n{n_trials} trials: peak of {peak / 1024:.0f} KiB allocated")


def _small_trial(rng):
    return {"x": float(rng.normal())}
