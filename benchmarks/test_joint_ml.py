"""Three targets from 4 tensors of 8 x 128 x 128: the joint estimator and liu's pipeline.

Nothing here asserts a speed. ``python -m pytest benchmarks/test_joint_ml.py -s`` prints the ratio.
"""

import time

import numpy as np
import pytest
from scipy import optimize
from scipy.constants import c as SPEED_OF_LIGHT

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


def kind(scene, samples):
    """As printed, with what computes the same in less time: sweeps without copies of the samples,
    MUSIC as the periodogram that it is, all bees of a round at once, only the terms of a trace."""
    rng, parts = np.random.default_rng(1), []
    for each in samples:
        scale = np.sqrt(np.mean(np.abs(each) ** 2))
        factors = _tensor_cp._als(each / scale, random_start(each, rng), 1e-12, SWEEPS)
        parts.append(_tensor_cp._components(each, factors, scale, ""))
    separated = tensor.associate(scene, parts)

    states = []
    for target in range(3):
        place = bees(tensor.objective(scene, separated, target).value, study.BOX, rng)
        pace = bees(value_of(tensor.objective(scene, separated, target, place)), study.POLAR, rng)
        states.append((place, search.cartesian(pace)))
    return states


def value_of(goal):
    """Of speed and heading."""
    return lambda points: goal.value(search.cartesian(points))


def bees(function, box, rng):
    """20 bees for 10 epochs, the printed settings."""

    class Counted:
        n_asked = 0

        def __call__(self, points):
            self.n_asked += len(points)
            return function(points)

    return search.bees(Counted(), box, study.PRINTED["abc"], rng)


def random_start(samples, rng):
    return [rng.normal(size=(n, 3)) + 1j * rng.normal(size=(n, 3)) for n in samples.shape]


def as_printed(scene, samples):
    """Algorithm 3 as it is written down, with atan2, T and the transpose mended."""
    rng, parts = np.random.default_rng(1), []
    for each in samples:
        scale = np.sqrt(np.mean(np.abs(each) ** 2))
        factors = sweeps(each / scale, random_start(each, rng))
        parts.append(_tensor_cp._components(each, factors, scale, ""))
        for row in parts[-1].subcarrier:
            music(row, scene.waveform.subcarrier_spacing)
    separated = tensor.associate(scene, parts)
    states = []
    for target in range(3):
        goal = tensor.objective(scene, separated, target, weighting="printed")
        place = bees_and_bfgs(output(goal), study.BOX, rng)
        goal = tensor.objective(scene, separated, target, place)
        pace = bees_and_bfgs(output(goal, search.cartesian), study.POLAR, rng)
        states.append((place, search.cartesian(pace)))
    return states


def sweeps(tensor_, factors):
    """(35): alternating least squares on the unfolded tensor."""
    unfolded = [np.moveaxis(tensor_, k, 0).reshape(tensor_.shape[k], -1) for k in range(3)]
    for _ in range(SWEEPS):
        for k in range(3):
            first, second = (factors[i] for i in range(3) if i != k)
            both = np.einsum("ir,jr->ijr", first, second).reshape(-1, 3)
            normal = (first.conj().T @ first) * (second.conj().T @ second)
            factors[k] = np.linalg.solve(normal, (unfolded[k] @ both.conj()).T).T
    return factors


def music(factor, spacing, n_ifft=1024, step=0.01):
    """(37)-(39): the range of one delay factor (m).

    The source prints no step. A range has a standard deviation of 4 cm here, at best, so that
    centimetres add 0.5 % to its variance and decimetres would add half of it.
    """
    metres = SPEED_OF_LIGHT / (2 * spacing)
    peak = np.argmax(np.abs(np.fft.ifft(factor, n_ifft)))
    ranges = np.arange(peak - 1, peak + 1, step * n_ifft / metres) * metres / n_ifft
    vectors = np.linalg.eigh(np.outer(factor, factor.conj()))[1]
    noise = vectors[:, :-1]
    steering = np.exp(-2j * np.pi * np.outer(np.arange(len(factor)), ranges / metres))
    spectrum = 1 / np.sum(np.abs(noise.conj().T @ steering) ** 2, axis=0)
    found = ranges[spectrum.argmax()]
    assert abs(np.exp(1j * (_tensor_cp.tone(factor[None])[0] + 2 * np.pi * found / metres)) - 1) < (
        2 * np.pi * step / metres
    )
    return found


def output(goal, cartesian=np.asarray):
    """What (48) or (52) divides one by, whole matrices and their traces, at one point."""
    rows = goal.tones.weights[:, None] * goal.tones.factors
    kinds = [goal.kind == each for each in np.unique(goal.kind)]

    def at(point):
        turns = goal.turns(cartesian(point[None]))[0]
        beams = np.exp(-1j * turns[:, None] * goal.tones.counts)
        return np.trace(sum(np.abs(rows[each] @ beams[each].T) for each in kinds))

    assert np.isclose(at(np.array([90.0, 1.0])), goal.value(cartesian(np.array([[90.0, 1.0]])))[0])
    return at


def bees_and_bfgs(function, box, rng):
    start = bees(lambda points: np.array([function(each) for each in points]), box, rng)
    return optimize.minimize(lambda point: 1 / function(point), start, method="BFGS").x


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
def test_kind_pipeline(benchmark, received):
    benchmark.pedantic(kind, received, rounds=3, warmup_rounds=1)


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
    print(f"\njoint {1e3 * ours:.0f} ms; liu's pipeline", end="")
    for name, function in (
        ("as printed", as_printed),
        ("with what computes the same in less time", kind),
        ("mended", lambda *given: tensor.estimate(*given, 3)),
    ):
        theirs = fastest(function, *received, rounds=3)
        print(f" {name} {theirs:.2f} s, {theirs / ours:.0f} times as long", end=";")
    print()
