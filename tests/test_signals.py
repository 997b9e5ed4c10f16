"""Samples of a scene: their information is that of its paths; phases, sizes and draws."""

from dataclasses import replace

import numpy as np
import oracle
import pytest

from cfisac import signals
from cfisac.limits import cooperative
from cfisac.scenarios import MonostaticScene, liu_scene
from cfisac.waveforms import OFDM, OTFS


def small(rng, n_targets=2):
    return MonostaticScene(
        aps=rng.uniform(-50, 50, (3, 2)), n_antennas=[2, 3, 5],
        targets=rng.uniform(-50, 50, (n_targets, 2)),
        velocities=rng.uniform(-30, 30, (n_targets, 2)), facing=[0.0, 0.0],
        waveform=OFDM(6, 5, 200e3, cp_duration=2e-6), carrier_frequency=3.5e9,
        noise_figure_db=7, transmit_power=1.0,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_information_of_the_samples_is_that_of_the_echoes(seed):
    rng = np.random.default_rng(seed)
    scene = small(rng)
    amplitudes = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))

    def samples(theta):
        states, parts = theta[:8].reshape(2, 4), theta[8:].reshape(2, 3, 2)
        factors = signals.echo_factors(scene, states[:, :2], states[:, 2:])
        tensors = signals.echo_tensors(scene, parts[0] + 1j * parts[1], factors)
        return np.concatenate([each.ravel() for each in tensors])

    truth = np.concatenate([
        np.hstack([scene.targets, scene.velocities]).ravel(),
        amplitudes.real.ravel(), amplitudes.imag.ravel(),
    ])  # fmt: skip
    step = np.concatenate([np.tile([0.01, 0.01, 1.0, 1.0], 2), np.full(12, 0.1)])
    dense = oracle.without(oracle.dense_fim(samples, truth, 1.0, step), range(8, 20))
    efim = cooperative.joint_efim(
        scene.targets, scene.velocities, scene.aps, scene.n_antennas, amplitudes.T,
        scene.waveform, scene.carrier_frequency, scene.spacing, scene.axes,
    )  # fmt: skip
    oracle.assert_matrices_close(efim, dense, 1e-6)


def test_a_far_target_is_late_and_one_that_leaves_falls_in_frequency():
    scene = small(np.random.default_rng(1), 1)
    away = scene.targets - scene.aps[0]
    unit = away / np.linalg.norm(away)
    factors = signals.echo_factors(scene, scene.targets, 10 * unit)
    period, spacing = scene.waveform.symbol_period, scene.waveform.subcarrier_spacing
    turn = np.angle(factors.subcarrier[0, 0, 1] / factors.subcarrier[0, 0, 0])
    assert turn == pytest.approx(-2 * np.pi * spacing * scene.delays[0, 0])
    turn = np.angle(factors.symbol[0, 0, 1] / factors.symbol[0, 0, 0])
    assert turn == pytest.approx(-2 * np.pi * period * 20 * 3.5e9 / 299792458)


def test_draws_have_the_power_that_the_scene_says():
    scene = liu_scene(np.random.default_rng(1))
    power = scene.sample_snr * scene.noise_variance
    drawn = [
        signals.draw_amplitudes(scene, np.random.default_rng(seed), "rayleigh") / np.sqrt(power)
        for seed in range(500)
    ]
    n = np.size(drawn)
    assert np.mean(np.abs(drawn) ** 2) == pytest.approx(1, abs=5 / np.sqrt(n))
    assert abs(np.mean(drawn)) < 5 / np.sqrt(n)


def test_bad_input_is_named():
    scene, rng = small(np.random.default_rng(1)), np.random.default_rng(2)
    with pytest.raises(ValueError, match="amplitudes must have shape"):
        signals.echo_tensors(scene, np.ones((2, 3)))
    with pytest.raises(ValueError, match="amplitudes must be finite"):
        signals.echo_tensors(scene, np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="positions and velocities must have shape"):
        signals.echo_factors(scene, np.ones((2, 3)))
    with pytest.raises(ValueError, match="fading must be"):
        signals.draw_amplitudes(scene, rng, "rice")
    with pytest.raises(ValueError, match="noise_variance must be >= 0"):
        signals.with_noise(np.ones(3), -1.0, rng)


def test_a_target_on_an_access_point_has_no_direction():
    scene = small(np.random.default_rng(1))
    for near in (scene.aps[:1], [[1e200, 0.0]]):
        with pytest.raises(ValueError, match=r"^positions must"):
            signals.echo_factors(scene, near)


def test_echoes_of_otfs_are_no_outer_products():
    scene = replace(small(np.random.default_rng(1)), waveform=OTFS(6, 5, 200e3))
    for call in (
        lambda: signals.echo_tensors(scene, np.ones((3, 2))),
        lambda: signals.echo_factors(scene),
        lambda: signals.phase_slopes(scene),
    ):
        with pytest.raises(ValueError, match=r"scene must have the waveform OFDM.*got OTFS"):
            call()


def test_other_scenes_generators_and_factors_are_named():
    scene, rng = small(np.random.default_rng(1)), np.random.default_rng(2)
    for call in (
        lambda each: signals.draw_amplitudes(each, rng),
        signals.phase_slopes,
        signals.echo_factors,
        lambda each: signals.echo_tensors(each, np.ones((3, 2))),
        lambda each: signals.draw_spectra(each, 1.0, rng),
        lambda each: signals.path_signatures(each, 1.0),
    ):
        for bad in ("scene", None):
            with pytest.raises(ValueError, match="scene must be a"):
                call(bad)
    with pytest.raises(ValueError, match="scene must be a MultistaticScene"):
        signals.draw_spectra(scene, 1.0, rng)
    for bad in (None, 3, "x"):
        with pytest.raises(ValueError, match="rng must be"):
            signals.draw_amplitudes(scene, bad)
        with pytest.raises(ValueError, match="rng must be"):
            signals.with_noise(1.0, 1.0, bad)
    with pytest.raises(ValueError, match="signatures must be"):
        signals.received((1, 2), 1.0)
    good = signals.echo_factors(scene)
    for name, factors in (
        ("factors must be", "x"),
        ("factors.symbol must", good._replace(symbol=np.ones((3, 1, 5)))),
        ("factors.subcarrier must", good._replace(subcarrier=3.0)),
        ("factors.antenna must", good._replace(antenna=good.antenna[:2])),
        ("factors.antenna must", good._replace(antenna=good.antenna[::-1])),
    ):
        with pytest.raises(ValueError, match=name):
            signals.echo_tensors(scene, np.ones((3, 2)), factors)
