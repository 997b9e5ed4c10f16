"""What is taken out of a scene is gone, what is added is there, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from cfisac import arrays, scenarios
from cfisac.limits import multistatic


def fan(seed=1, **changes):
    return scenarios.fan_scene(np.random.default_rng(seed), 8, n_users=2, **changes)


def test_without_transmitters_and_receivers():
    scene = fan()
    n_send = len(scene.transmitters)
    np.testing.assert_array_equal(
        scene.aps, np.concatenate([scene.transmitters, scene.receivers])
    )  # fmt: skip
    less = scene.without([1, n_send])
    np.testing.assert_array_equal(less.transmitters, np.delete(scene.transmitters, 1, axis=0))
    np.testing.assert_array_equal(less.beams, np.delete(scene.beams, 1, axis=0))
    np.testing.assert_array_equal(less.receive_axes, scene.receive_axes[1:])
    np.testing.assert_array_equal(less.users, scene.users)
    silent = np.array(scenarios.equal_power(scene))
    silent[1] = 0.0  # a transmitter without power is as good as none
    only = scene.without(1)
    np.testing.assert_allclose(
        multistatic.position_error_bound(only, scenarios.equal_power(only)),
        multistatic.position_error_bound(scene, silent),
        rtol=1e-9,
    )  # fmt: skip


def test_an_access_point_of_both_roles_is_taken_out_of_both():
    scene = fan(full_duplex=True)
    assert len(scene.aps) == len(scene.transmitters) == 8
    hears = next(i for i, ap in enumerate(scene.aps) if (scene.receivers == ap).all(axis=1).any())
    less = scene.without(hears)
    assert len(less.transmitters) == 7
    assert len(less.receivers) == len(scene.receivers) - 1
    assert not (less.receivers == scene.aps[hears]).all(axis=1).any()


def test_without_keeps_unlike_arrays_and_trims_the_padding():
    own = [arrays.circular(n, 0.5) for n in (3, 6, 4)]
    scene = scenarios.MultistaticScene(
        transmitters=[[0, 0], [9, 0], [0, 9]], receivers=[[20, 20]], targets=[[5, 5]],
        transmit_arrays=own, receive_arrays=own[:1], waveform=fan().waveform,
        carrier_frequency=3e9, noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip
    less = scene.without(np.int64(1))
    assert less.n_transmit_antennas.tolist() == [3, 4]
    np.testing.assert_array_equal(less.beams, scene.beams[::2, :, :4, :4])
    np.testing.assert_allclose(less.total_snr(1.0), scene.total_snr(1.0)[::2], rtol=1e-12)


def test_without_of_a_monostatic_scene():
    scene = replace(scenarios.liu_scene(np.random.default_rng(1)), n_antennas=[4, 5, 6, 7])
    less = scene.without([0, 2])
    np.testing.assert_array_equal(less.aps, scene.aps[1::2])
    assert less.n_antennas.tolist() == [5, 7]
    np.testing.assert_array_equal(less.sample_snr, scene.sample_snr[1::2])


def test_with_target_adds_a_matched_beam_behind_the_sensing_beams():
    scene = fan()
    more = scene.with_target([100.0, 120.0], [1.0, 2.0], 5.0)
    assert more.targets.shape == (3, 2)
    assert more.mean_rcs.tolist() == [1, 1, 5]
    np.testing.assert_array_equal(more.velocities[2], [1, 2])
    np.testing.assert_array_equal(more.beams[:, [0, 1, 3, 4]], scene.beams)
    np.testing.assert_array_equal(more.users, scene.users)
    alone = np.zeros((len(more.transmitters), 5))
    alone[:, 2] = 1.0
    lit = scenarios.illumination(more, alone, more.targets)[0]
    np.testing.assert_allclose(lit[:, 2], 1.0, rtol=1e-12)
    # The others see no difference if the new beam has no power.
    power = scenarios.equal_power(scene)
    wide = np.insert(power, 2, 0.0, axis=1)
    np.testing.assert_allclose(
        multistatic.position_error_bound(more, wide)[:2],
        multistatic.position_error_bound(scene, power),
        rtol=1e-9,
    )


def test_with_target_of_a_monostatic_scene():
    scene = scenarios.liu_scene(np.random.default_rng(1))
    more = scene.with_target([150.0, 160.0])
    np.testing.assert_array_equal(more.sample_snr[:, :3], scene.sample_snr)
    assert more.velocities[3].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("ap", "name"),
    [
        (99, "ap must be in 0..7"), (-1, "ap must be"), (1.0, "ap must be"), (True, "ap must be"),
        ([0, "one"], "ap must be"), (range(8), "transmitters"), ([6, 7], "receivers"),
    ],
)  # fmt: skip
def test_without_refuses(ap, name):
    scene = fan(n_receivers=2)
    with pytest.raises(ValueError, match=name):
        scene.without(ap)


def test_without_refuses_the_last_ap():
    with pytest.raises(ValueError, match="aps"):
        scenarios.liu_scene(np.random.default_rng(1)).without(range(4))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([1.0, 2.0, 3.0],), "position"), (([[1.0, 2.0]],), "position"),
        (([1.0, 2.0], [1.0]), "velocity"), (([1.0, 2.0], None, -1.0), "rcs"),
        (([1.0, 2.0], None, [1.0, 2.0]), "rcs"),
    ],
)  # fmt: skip
def test_with_target_refuses(arguments, name):
    with pytest.raises(ValueError, match=name):
        fan().with_target(*arguments)
