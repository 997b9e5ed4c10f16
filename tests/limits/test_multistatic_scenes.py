"""Scenes beyond the printed one: in space, own arrays, gains of elements, beams that follow."""

from dataclasses import replace

import numpy as np
import pytest

from cfisac import arrays, fisher, scenarios
from cfisac.limits import multistatic
from cfisac.scenarios import MultistaticScene
from cfisac.waveforms import OFDM

FRAME = OFDM(64, 32, 120e3, 2e-6)


def in_space(rng, reference="array"):
    """Four planar transmitters of two sizes, two rings that listen, all turned at random."""
    turns = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(6)]
    turns = [turn * np.sign(np.linalg.det(turn)) for turn in turns]
    sending = [arrays.turned(arrays.planar(2 + p % 2, 3), turns[p]) for p in range(4)]
    hearing = [arrays.turned(arrays.circular(5 + r, 0.7, 3), turns[4 + r]) for r in range(2)]
    return MultistaticScene(
        transmitters=np.array([[0, 0, 8], [60, 0, 9], [60, 60, 7], [0, 60, 8.0]]),
        receivers=np.array([[30, -5, 6], [35, 66, 8.0]]),
        targets=rng.uniform(15, 45, (2, 3)) * [1, 1, 0.1],
        velocities=rng.normal(size=(2, 3)),
        waveform=FRAME, carrier_frequency=3.5e9, mean_rcs=2.0, noise_figure_db=7.0,
        transmit_arrays=sending, receive_arrays=hearing, gain_reference=reference,
    )  # fmt: skip


@pytest.mark.parametrize("reference", ["array", "element"])
@pytest.mark.parametrize("seed", range(4))
def test_own_arrays_in_space_are_the_bound_of_the_summary(seed, reference):
    """Built twice, once by the limits and once by the scene: also point by point in a map."""
    scene = in_space(np.random.default_rng(seed), reference)
    power = scenarios.equal_power(scene, 2.0)
    efim = multistatic.position_efim(scene, power)
    assert efim.shape == (2, 3, 3)
    np.testing.assert_allclose(
        fisher.position_error_bound(efim), scene.summary(power).peb, rtol=1e-9
    )
    for target in range(2):
        places = scene.targets[target] + [[0.0, 0, 0], [1, -2, 0.5], [-4, 3, 1]]
        mapped = multistatic.position_map(scene, power, places, target=target)
        for place, got in zip(places, mapped, strict=True):
            moved = scene.targets.copy()
            moved[target] = place
            right = multistatic.position_efim(replace(scene, targets=moved), power)[target]
            np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-9 * right.max())


def test_gains_of_elements_add_up_to_those_of_arrays():
    """Eight antennas of 3 dBi each: eight times the gain at both ends."""
    scene = scenarios.fan_scene(np.random.default_rng(1), 12, 1, 2, n_antennas=8)
    power = scenarios.equal_power(scene)
    whole = multistatic.position_efim(scene, power)
    each = replace(scene, gain_reference="element")
    np.testing.assert_allclose(multistatic.position_efim(each, power), 64 * whole, rtol=1e-12)
    points = scene.targets + [[0.0, 0.0], [3.0, 1.0]]
    np.testing.assert_allclose(
        multistatic.position_map(each, power, points),
        64 * multistatic.position_map(scene, power, points), rtol=1e-12,
    )  # fmt: skip
    gains = multistatic.rms_gains(each) / multistatic.rms_gains(scene)
    np.testing.assert_allclose(gains, 8.0, rtol=1e-12)


def test_a_line_of_elements_is_a_uniform_linear_array():
    """The same scene, with the arrays as elements: the general road and the printed one."""
    scene = scenarios.fan_scene(np.random.default_rng(2), 12, 2, 3, n_antennas=6)
    power = scenarios.equal_power(scene)
    own = replace(
        scene, transmit_axes=None, receive_axes=None, n_antennas=None,
        transmit_arrays=arrays.linear(6, 0.5, scene.transmit_axes),
        receive_arrays=arrays.linear(6, 0.5, scene.receive_axes),
    )  # fmt: skip
    right = multistatic.position_efim(scene, power)
    scale = right.max()
    for bound in ("exact", "approximate"):
        right = multistatic.position_efim(scene, power, bound)
        got = multistatic.position_efim(own, power, bound)
        np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-11 * scale)
    points = scene.targets[:, None] + [[2.0, 1.0], [-5.0, 3.0]]
    np.testing.assert_allclose(
        multistatic.position_map(own, power, points),
        multistatic.position_map(scene, power, points), rtol=1e-8, atol=1e-10 * scale,
    )  # fmt: skip
    with pytest.raises(ValueError, match="scene must lie in the plane"):
        multistatic.joint_efim(own, power, multistatic.rms_gains(own))
    with pytest.raises(ValueError, match="backend must be 'numpy'"):
        multistatic.position_map(own, power, points, backend="fast")


@pytest.mark.parametrize("bound", ["exact", "approximate"])
@pytest.mark.parametrize("target", [0, 1])
def test_a_beam_that_follows_is_aimed_anew_at_every_point(bound, target):
    scene = scenarios.fan_scene(np.random.default_rng(3), 14, 2, 3)
    power = scenarios.equal_power(scene)
    rng = np.random.default_rng(4)
    points = scene.targets[target] + 30 * rng.normal(size=(6, 2))
    got = multistatic.position_map(scene, power, points, bound, target, following=True)
    for place, efim in zip(points, got, strict=True):
        targets, beams = scene.targets.copy(), scene.beams.copy()
        targets[target], beams[:, target] = place, scene.beams_to(place[None])[:, 0]
        aimed = replace(scene, targets=targets, beams=beams)
        right = multistatic.position_efim(aimed, power, bound)[target]
        np.testing.assert_allclose(efim, right, rtol=1e-9, atol=1e-11 * right.max())


def test_a_beam_that_follows_in_space():
    scene = in_space(np.random.default_rng(5))
    power = scenarios.equal_power(scene)
    place = scene.targets[0] + [3.0, 2.0, 0.5]
    got = multistatic.position_map(scene, power, place, following=True)
    targets, beams = scene.targets.copy(), scene.beams.copy()
    targets[0], beams[:, 0] = place, scene.beams_to(place[None])[:, 0]
    right = multistatic.position_efim(replace(scene, targets=targets, beams=beams), power)[0]
    np.testing.assert_allclose(got, right, rtol=1e-8, atol=1e-9 * right.max())


def test_what_lies_outside_is_refused_or_nan():
    flat = scenarios.fan_scene(np.random.default_rng(6), 12, 1, 1, waveform=FRAME)
    for scene in (in_space(np.random.default_rng(6)), flat):
        power = scenarios.equal_power(scene)
        points = np.array([scene.targets[0], scene.transmitters[0], scene.targets[0] + 1e4])
        got = multistatic.position_map(scene, power, points, outside="nan")
        np.testing.assert_array_equal(np.isnan(got).all(axis=(1, 2)), [False, True, True])
        with pytest.raises(ValueError, match="points must not coincide"):
            multistatic.position_map(scene, power, points[:2])
        with pytest.raises(ValueError, match=r"points.*cyclic prefix|longer"):
            multistatic.position_map(scene, power, points[[0, 2]])
        with pytest.raises(ValueError, match="points must have shape"):
            multistatic.position_map(scene, power, np.zeros((3, 5 - scene.dimension)))
