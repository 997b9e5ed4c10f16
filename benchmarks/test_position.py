"""The map of a hotspot at the table's size: by tiles, and sample by sample (``make bench``).

M = N = 128, 16 antennas, five transmitters and two receivers (ten paths), 101 x 101 points. Nothing
here asserts a speed. The plain way, fan_journal (19) point by point, is timed on 20 of the points
and said so; ten thousand take two minutes. The refined estimate is checked against a maximiser
that knows no derivative.
"""

import numpy as np
import pytest
from scipy.optimize import minimize

from cfisac import signals
from cfisac.estimators import position_ml
from cfisac.limits import multistatic
from cfisac.scenarios import equal_power, fan_scene

GROUP = "hotspot map, 128 x 128, 16 antennas, 10 paths"
SHOWN = {"rounds": 3, "warmup_rounds": 1}
N_PLAIN = 20


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng([4, 1])
    scene = fan_scene(rng, n_aps=7, n_targets=1, n_receivers=2, side=150.0)
    sent = signals.draw_spectra(scene, equal_power(scene), rng)
    gains = multistatic.draw_gains(scene, rng)
    clean = signals.received(signals.path_signatures(scene, sent), gains)
    return scene, sent, signals.with_noise(clean, scene.noise_variance, rng)


def whole_map(frame):
    scene, sent, samples = frame
    return position_ml.hotspot_map(scene, sent, samples, scene.targets[0] + 0.3, 10.0, 0.1)


def some_points(frame):
    scene, sent, samples = frame
    line = scene.targets + np.linspace(-5, 5, N_PLAIN)[:, None, None]
    return position_ml.log_likelihood(scene, sent, samples, line)


@pytest.mark.benchmark(group=GROUP)
def test_map_by_tiles_10201_points(benchmark, frame):
    found = benchmark.pedantic(whole_map, (frame,), **SHOWN)
    assert found.values.shape == (101, 101)
    if benchmark.stats:
        per_point = benchmark.stats.stats.median / found.values.size
        print(f"\nby tiles: {1e6 * per_point:.1f} us per point")


@pytest.mark.benchmark(group=GROUP)
def test_plain_20_points_of_10201(benchmark, frame):
    benchmark.pedantic(some_points, (frame,), **SHOWN)
    if benchmark.stats:
        per_point = benchmark.stats.stats.median / N_PLAIN
        print(f"\nplain: {1e6 * per_point:.1f} us per point, {10201 * per_point:.0f} s for the map")


@pytest.mark.benchmark(group="to the top of (19)")
def test_climb_from_the_best_point(benchmark, frame):
    scene, sent, samples = frame
    start = whole_map(frame).best
    found = benchmark.pedantic(position_ml.refine, (scene, sent, samples, start[None]), **SHOWN)

    def fall(place):
        return -position_ml.log_likelihood(scene, sent, samples, place[None])

    simplex = found.positions[0] + 0.05 * np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]])
    best = minimize(
        fall, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-5}
    )
    assert np.linalg.norm(best.x - found.positions[0]) < 1e-3
