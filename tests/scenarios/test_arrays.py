"""Scenes in the plane and in space, with arrays of any kind at each access point."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.constants import speed_of_light

from cfisac import arrays, fisher, geometry, scenarios
from cfisac.waveforms import OFDM, OTFS

ORDERS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def turn(rng):
    """A rotation of space."""
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return matrix * np.sign(np.linalg.det(matrix))


def unlike(seed=0, dimension=3, **changes):
    """Two transmitters and two receivers, all of different sizes, and one target."""
    rng = np.random.default_rng(seed)
    sizes = (3, 5), (4, 2)
    given = {
        "transmitters": rng.uniform(0, 60, (2, dimension)),
        "receivers": rng.uniform(0, 60, (2, dimension)),
        "targets": rng.uniform(20, 40, (1, dimension)),
        "velocities": rng.normal(size=(1, dimension)),
        "transmit_arrays": [0.4 * rng.normal(size=(n, dimension)) for n in sizes[0]],
        "receive_arrays": [0.4 * rng.normal(size=(n, dimension)) for n in sizes[1]],
        "waveform": OFDM(4, 3, 2e6), "carrier_frequency": 3.5e9, "noise_figure_db": 6.0,
        "mean_rcs": 1.0, "gain_reference": "element",
    }  # fmt: skip
    return scenarios.MultistaticScene(**(given | changes))


def peb_by_brute_force(scene, power):
    """From the samples of all paths: gains unknown, velocity known, one target."""
    n_paths = len(scene.transmitters) * len(scene.receivers)
    gains = np.sqrt(scene.mean_power_gains[..., 0]).ravel()
    m, n = np.arange(scene.waveform.n_subcarriers), np.arange(scene.waveform.n_symbols)
    roots = []
    for p, elements in enumerate(scene.transmit_elements):
        size = len(elements)
        values, vectors = np.linalg.eigh(scene.beams[p, :, :size, :size])
        rows = np.sqrt(np.maximum(values, 0) * power[p, :, None])[..., None] * np.conj(
            np.swapaxes(vectors, -1, -2)
        )
        roots.append(rows.reshape(-1, size))

    def signal(state):
        position, gain = np.split(state, [scene.dimension])
        gain = gain[:n_paths] + 1j * gain[n_paths:]
        parts = []
        for i, beta in enumerate(gain):
            p, r = divmod(i, len(scene.receivers))
            there, back = position - scene.transmitters[p], position - scene.receivers[r]
            far, near = np.linalg.norm(there), np.linalg.norm(back)
            sent = np.exp(2j * np.pi * scene.transmit_elements[p] @ there / far)
            heard = np.exp(2j * np.pi * scene.receive_elements[r] @ back / near)
            sent, heard = sent / np.sqrt(len(sent)), heard / np.sqrt(len(heard))
            doppler = -(there / far + back / near) @ scene.velocities[0] / scene.wavelength
            tone = -2j * np.pi * m * scene.waveform.subcarrier_spacing * (far + near)
            beat = 2j * np.pi * n * scene.waveform.symbol_period * doppler
            factors = roots[p] @ sent, heard, np.exp(tone / speed_of_light), np.exp(beat)
            parts.append(beta * np.einsum("a,b,c,d->abcd", *factors).ravel())
        return np.concatenate(parts)

    state = np.concatenate([scene.targets[0], gains, 0 * gains])
    step = np.concatenate([np.full(scene.dimension, 1e-3), np.full(2 * n_paths, gains.max())])
    slopes = np.stack(
        [
            sum(
                w * (signal(state + k * h * e) - signal(state - k * h * e))
                for k, w in enumerate(ORDERS, 1)
            )
            / h
            for h, e in zip(step, np.eye(len(state)), strict=True)
        ],
        axis=-1,
    )
    fim = fisher.gaussian_fim(slopes, scene.noise_variance)
    return fisher.position_error_bound(fisher.equivalent_fim(fim, scene.dimension))


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_bound_of_unlike_arrays_is_that_of_the_samples(seed, dimension):
    """Padding of beams, gains, illumination, apertures: all in one number."""
    scene = unlike(seed, dimension).with_target(np.full(dimension, 7.0))
    power = np.random.default_rng(seed).uniform(1, 2, scene.beams.shape[:2])
    alone = replace(scene, targets=scene.targets[:1], velocities=scene.velocities[:1], mean_rcs=1.0)
    bound = alone.summary(power).peb
    np.testing.assert_allclose(bound, [peb_by_brute_force(alone, power)], rtol=1e-7)


def test_gains_of_elements_and_of_arrays():
    """Energy summed antenna by antenna, weights of unit norm, by hand."""
    scene = unlike(4, transmit_gain=2.0, receive_gain=3.0)
    watts, n_samples = 0.5, 4 * 3
    for p, sent in enumerate(scene.transmit_elements):
        for r, heard in enumerate(scene.receive_elements):
            far, near = (
                np.linalg.norm(scene.targets[0] - each)
                for each in (scene.transmitters[p], scene.receivers[r])
            )
            element = 2 * 3 * (scene.wavelength / far / near) ** 2 / (4 * np.pi) ** 3
            unit = (scene.targets[0] - scene.transmitters[p]) / far
            wave = np.exp(2j * np.pi * sent @ unit)
            weights = wave.conj() / np.sqrt(len(sent))  # matched
            energy = watts * element * np.abs(wave @ weights) ** 2 * len(heard) * n_samples
            snr = scene.total_snr(watts)[p, r, 0]
            assert snr == pytest.approx(energy / scene.noise_variance, rel=1e-10)
    whole = replace(scene, gain_reference="array")
    sizes = np.multiply.outer(scene.n_transmit_antennas, scene.n_receive_antennas)
    ratio = scene.total_snr(watts) / whole.total_snr(watts)
    np.testing.assert_allclose(ratio[..., 0], sizes, rtol=1e-12)


def test_a_monostatic_scene_counts_gains_alike():
    rng = np.random.default_rng(3)
    uniform = scenarios.liu_scene(rng)
    own = replace(
        uniform, n_antennas=None, receive_arrays=[arrays.linear(8)] * 4
    )  # fmt: skip
    np.testing.assert_allclose(own.sample_snr, uniform.sample_snr, rtol=1e-14)
    with pytest.warns(DeprecationWarning, match="snr is now called sample_snr"):
        np.testing.assert_array_equal(uniform.snr, uniform.sample_snr)
    np.testing.assert_allclose(own.receive_apertures, uniform.receive_apertures, atol=1e-9)
    np.testing.assert_allclose(own.total_snr, uniform.sample_snr * 8 * 128**2, rtol=1e-13)
    element = uniform.total_snr
    whole = replace(uniform, gain_reference="array", transmit_gain=8.0, receive_gain=8.0)
    np.testing.assert_allclose(whole.total_snr, element, rtol=1e-13)
    uneven = replace(own, transmit_arrays=arrays.linear(2))  # two antennas send, eight hear
    np.testing.assert_allclose(uneven.total_snr, element / 4, rtol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_uniform_arrays_are_their_elements(seed):
    scene = scenarios.fan_scene(np.random.default_rng(seed), 8, n_users=2)
    own = replace(
        scene, transmit_axes=None, receive_axes=None, n_antennas=None,
        transmit_arrays=scene.transmit_elements, receive_arrays=scene.receive_elements,
    )  # fmt: skip
    power = scenarios.equal_power(scene)
    np.testing.assert_allclose(own.summary(power).peb, scene.summary(power).peb, rtol=1e-9)
    np.testing.assert_allclose(own.total_snr(power), scene.total_snr(power), rtol=1e-9)
    matched = own.beams_to(scene.targets)
    np.testing.assert_allclose(matched, scene.beams_to(scene.targets), atol=1e-12)


def test_a_turned_and_moved_scene_knows_the_same():
    rng = np.random.default_rng(8)
    scene, matrix, shift = unlike(8), turn(rng), np.array([3.0, -5.0, 2.0])
    moved = replace(
        scene,
        **{name: getattr(scene, name) @ matrix.T + shift
           for name in ("transmitters", "receivers", "targets")},
        velocities=scene.velocities @ matrix.T,
        **{name: [each @ matrix.T for each in getattr(scene, name)]
           for name in ("transmit_arrays", "receive_arrays")},
    )  # fmt: skip
    np.testing.assert_allclose(moved.total_snr(1.0), scene.total_snr(1.0), rtol=1e-9)
    np.testing.assert_allclose(moved.summary(1.0).peb, scene.summary(1.0).peb, rtol=1e-8)


def test_a_plane_in_space_knows_no_height():
    flat = unlike(2, 2)
    raised = {
        name: np.pad(getattr(flat, name), ((0, 0), (0, 1)))
        for name in ("transmitters", "receivers", "targets", "velocities")
    }
    own = {
        name: [np.pad(each, ((0, 0), (0, 1))) for each in getattr(flat, name)]
        for name in ("transmit_arrays", "receive_arrays")
    }
    space = replace(flat, **raised, **own)
    np.testing.assert_allclose(space.total_snr(1.0), flat.total_snr(1.0), rtol=1e-12)
    assert np.all(np.isfinite(flat.summary(1.0).peb))
    assert np.all(np.isinf(space.summary(1.0).peb))


@pytest.mark.parametrize("dimension", [2, 3])
def test_facing_looks_at_the_point(dimension):
    rng = np.random.default_rng(5)
    places, point = rng.normal(size=(6, dimension)), rng.normal(size=dimension)
    unit = geometry.sight(point, places).unit
    axes = np.eye(dimension)
    seen = arrays.turned(axes, scenarios.facing(places, point))  # x, y (, z) of each array
    np.testing.assert_allclose(seen[:, 0], unit, atol=1e-12)
    if dimension == 3:
        np.testing.assert_allclose(seen[:, 1, 2], 0, atol=1e-12)
        assert np.all(seen[:, 2, 2] >= 0)
    scene = unlike(
        6, dimension, transmit_arrays=None, receive_arrays=None, n_antennas=4, facing=point
    )
    for stand, along in (
        (scene.transmitters, scene.transmit_axes), (scene.receivers, scene.receive_axes),
    ):  # fmt: skip
        broadside = np.sum(geometry.sight(point, stand).unit * along, axis=-1)
        np.testing.assert_allclose(broadside, 0, atol=1e-12)


def test_facing_straight_down_keeps_y():
    matrix = scenarios.facing([0.0, 0.0, 5.0], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(matrix[:, :2].T, [[0, 0, -1], [0, 1, 0]])
    assert np.linalg.det(matrix) == 1


def test_facing_turns_arrays_of_ones_own_once():
    panel = arrays.planar(2, 2)
    scene = unlike(7, transmit_arrays=panel, receive_arrays=panel, facing=[30.0, 30.0, 0.0])
    turned = arrays.turned(panel, scenarios.facing(scene.transmitters[1], [30.0, 30.0, 0.0]))
    np.testing.assert_allclose(scene.transmit_elements[1], turned, atol=1e-15)
    again = replace(scene, mean_rcs=2.0)
    np.testing.assert_array_equal(again.transmit_elements[1], scene.transmit_elements[1])


def test_arrays_cannot_be_written_to_and_are_copies():
    given = [np.eye(3), np.eye(3)[:2]]
    scene = unlike(1, receive_arrays=given)
    given[0][0] = 9.0
    assert scene.receive_elements[0][0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        scene.receive_elements[0][0] = 0.0


def test_noise_of_the_band_in_which_power_is_counted():
    wide = unlike(waveform=OTFS(16, 4, 1e6))
    assert wide.noise_bandwidth == 16e6
    assert wide.noise_variance == pytest.approx(1.380649e-23 * 290 * 16e6 * 10**0.6)
    assert unlike(waveform=OFDM(16, 4, 1e6)).noise_bandwidth == 16e6
    liu = scenarios.liu_scene(np.random.default_rng(1))
    same = replace(liu, noise_variance=None, noise_figure_db=7.0)
    assert same.noise_variance == pytest.approx(liu.noise_variance, rel=1e-12)
    assert liu.noise_bandwidth == 30e3
    other = replace(liu, waveform=OTFS(128, 128, 30e3), noise_variance=None, noise_figure_db=7.0)
    assert other.noise_bandwidth == 128 * 30e3


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"receivers": np.ones((2, 2))}, "receivers.*dimension"),
        ({"targets": [[1.0, 2.0]]}, "targets.*dimension"),
        ({"velocities": [[1.0, 2.0]]}, "velocities.*dimension"),
        ({"transmit_arrays": [np.eye(3)]}, "transmit_arrays must hold 2"),
        ({"transmit_arrays": [np.eye(3), np.eye(2)]}, r"transmit_arrays\[1\]"),
        ({"receive_arrays": [np.eye(3), np.full((2, 3), np.nan)]}, r"receive_arrays\[1\]"),
        ({"receive_arrays": [np.eye(3), np.zeros((0, 3))]}, r"receive_arrays\[1\]"),
        ({"receive_arrays": None}, "receive_arrays must be given"),
        ({"receive_arrays": 4}, "arrays must be"), ({"n_antennas": 4}, "n_antennas"),
        ({"transmit_axes": np.eye(3)[:2]}, "transmit_axes"),
        ({"gain_reference": "dB"}, "gain_reference"), ({"noise_variance": 1e-13}, "noise_figure"),
        ({"noise_figure_db": None}, "noise_variance must be given"),
        ({"noise_figure_db": -1}, "noise_figure_db"), ({"targets": None}, "targets must be given"),
        ({"beams": np.broadcast_to(np.eye(5) / 5, (2, 1, 5, 5))}, "beams must be zero"),
        ({"beams": np.broadcast_to(np.eye(3) / 3, (2, 1, 3, 3))}, "M_t = 5"),
        ({"transmit_arrays": None, "receive_arrays": None}, "n_antennas must be given"),
        ({"transmit_arrays": None, "receive_arrays": None, "n_antennas": 2}, "transmit_axes must"),
        (
            {"transmit_arrays": None, "receive_arrays": None, "n_antennas": 2,
             "transmit_axes": np.eye(3)[:2], "facing": [0, 0, 0]}, "facing",
        ),
    ],
)  # fmt: skip
def test_a_scene_refuses(changes, name):
    with pytest.raises(ValueError, match=name):
        unlike(**changes)


def test_a_monostatic_scene_refuses():
    liu = scenarios.liu_scene(np.random.default_rng(1))
    for changes, name in (
        ({"receive_arrays": np.eye(2), "axes": [[0.0, 1.0]] * 4}, "axes must not"),
        ({"receive_arrays": np.eye(2)}, "n_antennas must not"),
        ({"axes": [[1.0, 0.0]]}, "axes"),
        ({"facing": [0.0, 0.0], "axes": [[0.0, 1.0]] * 4}, "facing"),
        ({"n_antennas": None, "transmit_arrays": [np.eye(2)]}, "transmit_arrays"),
        ({"gain_reference": None}, "gain_reference"), ({"targets": np.ones((3, 3))}, "targets"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            replace(liu, **changes)
    looking = replace(liu, facing=[175.0, 175.0])
    np.testing.assert_allclose(looking.axes @ [1, 1] / np.sqrt(2), [0, -1, 1, 0], atol=1e-12)
    steps = [np.diff(each, axis=0) for each in liu.receive_elements]
    np.testing.assert_allclose(steps, np.broadcast_to([0, 0.5], (4, 7, 2)))


def test_who_faces_what_is_named():
    for places, point, named in (
        ([0.0, 0.0], [0.0, 0.0], "point must not coincide with places"),
        ([0.0, 0.0], [1.0, 0.0, 0.0], "point and places must have the same dimension"),
        (np.ones((2, 2)), np.ones((3, 2)), "point and places must broadcast"),
        ("a", [0.0, 0.0], "places must be an array"),
        ([0.0, 0.0], [np.nan, 0.0], "point must be finite"),
    ):
        with pytest.raises(ValueError, match=named):
            scenarios.facing(places, point)
