"""Closed forms and convex programs of the rate-PEB tradeoff, side by side (``make bench``).

Nothing here asserts a speed. The ratio of two lines of a group is the claim. The covariance is
found among what the channel and the place see of the antennas, and among all entries of S.
"""

import numpy as np
import pytest

from cfisac import scenarios
from cfisac.designs import _tradeoff_covariance, tradeoff
from cfisac.waveforms import OFDM

SHOWN = {"rounds": 3, "warmup_rounds": 1}


@pytest.mark.parametrize("n_tones", [64, 512])
@pytest.mark.parametrize("conic", [False, True], ids=["closed", "conic"])
def test_spectrum(benchmark, conic, n_tones):
    benchmark.group = f"spectrum of most rate with a delay, {n_tones} tones, random channel"
    rng = np.random.default_rng(1)
    tones = np.linspace(-5e7, 5e7, n_tones)
    gamma, heard = rng.exponential(10 * n_tones, (2, n_tones)) + 1
    asked = 0.6 * tradeoff.largest_delay_information(tones, heard)
    arguments = (gamma, tones, asked, 1.0, heard, conic)
    found = benchmark.pedantic(tradeoff.shape_spectrum, arguments, **SHOWN)
    print(
        f"\nconic: {conic}, {n_tones} tones: certified to {found.upper_bound / found.rate - 1:.1e}"
    )


def all_entries(light, h, n_aps):
    n = light.responses.shape[1]
    return np.eye(n, dtype=complex), list(range(0, n + 1, n // n_aps))


@pytest.mark.parametrize("n_antennas", [4, 8])
@pytest.mark.parametrize("unknown", ["what is seen", "all entries"])
def test_covariance(benchmark, monkeypatch, unknown, n_antennas):
    benchmark.group = f"best covariance, 3 transmitters of {n_antennas} antennas"
    scene = scenarios.MultistaticScene(
        transmitters=[[0.0, 0.0], [90.0, 10.0], [20.0, 80.0]],
        receivers=[[60.0, 90.0], [95.0, 60.0]], targets=[[45.0, 38.0]],
        n_antennas=n_antennas, facing=[50.0, 45.0],
        waveform=OFDM(256, 14, 120e3, cp_duration=2e-6), carrier_frequency=28e9,
        noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip
    light = tradeoff.Light.of_scene(scene)
    h = 6 * np.random.default_rng(8).normal(size=(2, 3 * n_antennas, 2)) @ [1, 1j]
    limit = 1.1 * tradeoff.sharpest_covariance(h, light, np.ones(3)).peb
    if unknown == "all entries":
        monkeypatch.setattr(_tradeoff_covariance, "_seen", all_entries)
    found = benchmark.pedantic(
        tradeoff.best_covariance, (h, light, limit, np.ones(3)), rounds=2, warmup_rounds=0
    )
    print(f"\n{unknown}, {n_antennas}: certified to {found.upper_bound / found.rate - 1:.1e}")
