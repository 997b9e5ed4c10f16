"""A summary says what the bounds say."""

import dataclasses

import numpy as np
import pytest

from cfisac import arrays, scenarios
from cfisac.limits import cooperative, multistatic


def test_fan_summary_is_the_bound():
    scene = scenarios.fan_scene(np.random.default_rng(1))
    power = scenarios.equal_power(scene, 2.0)
    summary = scene.summary(power)
    np.testing.assert_allclose(
        summary.peb, multistatic.position_error_bound(scene, power), rtol=1e-9
    )
    gains = np.abs(multistatic.rms_gains(scene)) ** 2
    np.testing.assert_allclose(scene.mean_power_gains, gains, rtol=1e-12)
    lit = scenarios.illumination(scene, power, scene.targets)[0]
    expected = gains * lit[:, None] * 128**2 / scene.noise_variance
    np.testing.assert_allclose(summary.total_snr, expected, rtol=1e-12)
    np.testing.assert_allclose(scene.summary().peb, scene.summary(1 / 12).peb, rtol=1e-12)


def test_liu_summary_is_the_bound_with_unknown_velocity():
    scene = scenarios.liu_scene(np.random.default_rng(2))
    efim = cooperative.state_efim(
        scene.targets, scene.velocities, scene.aps, scene.n_antennas, scene.sample_snr.T,
        scene.waveform, scene.carrier_frequency,
    )  # fmt: skip
    np.testing.assert_allclose(
        scene.summary().peb, cooperative.position_error_bound(efim), rtol=1e-9
    )
    with pytest.raises(ValueError, match="power"):
        scene.summary(1.0)


def test_resolutions():
    scene = scenarios.fan_scene(np.random.default_rng(1))
    summary = scene.summary()
    assert summary.range_resolution == pytest.approx(299792458 / 128e6)
    frame = 128 / 500e3
    assert summary.speed_resolution == pytest.approx(scene.wavelength / 2 / frame)
    rayleigh = np.degrees(1 / (0.5 * np.sqrt(16**2 - 1)))
    np.testing.assert_allclose(summary.angle_resolution, rayleigh, rtol=1e-9)
    liu = scenarios.liu_scene(np.random.default_rng(1))
    lone = dataclasses.replace(liu, n_antennas=[1, 2, 4, 8])
    angle = lone.summary().angle_resolution
    assert np.isinf(angle[0])
    np.testing.assert_allclose(angle[1:], np.degrees(2 / np.sqrt([3, 15, 63])), rtol=1e-9)


def test_what_it_prints():
    rng = np.random.default_rng(1)
    scene = scenarios.MultistaticScene(
        transmitters=[[0, 0, 10], [60, 0, 10]], receivers=[[30, 50, 10], [0, 50, 10]],
        targets=[[28, 20, 1]], transmit_arrays=arrays.planar(4, 4),
        receive_arrays=[arrays.planar(2, 2), arrays.planar(4, 4)], facing=[30, 20, 0],
        waveform=scenarios.fan_scene(rng).waveform, carrier_frequency=28e9, noise_figure_db=7.0,
        mean_rcs=1.0, gain_reference="element",
    )  # fmt: skip
    assert str(scene.summary()) == (
        "1 target, 2 transmitters, 2 receivers, 2 W in all\n"
        "noise +7.0 dB over k T B of 64 MHz\n"
        "resolution: 2.34 m, 20.9 m/s, 29.6 to 66.2 degrees\n"
        "target  SNR of its paths (dB)      PEB (m)\n"
        "        weakest  median  strongest\n"
        "     0     45.0    47.1       49.3      0.0241"
    )
    silent = scene.summary(0.0)
    assert "-inf" in str(silent)
    assert "inf" in str(silent).splitlines()[-1].split()[-1]
    assert repr(silent) == str(silent)


@pytest.mark.parametrize("power", [-1.0, np.nan, np.ones(7)])
def test_refusals(power):
    with pytest.raises(ValueError, match="power"):
        scenarios.fan_scene(np.random.default_rng(1), 6, n_users=0).summary(power)
