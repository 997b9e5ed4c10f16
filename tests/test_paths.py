"""Paths in the plane and in space: the sum over them is the FIM of the sampled signal."""

import numpy as np
import oracle
import pytest
from scipy.constants import speed_of_light

from cfisac import arrays, fisher, geometry, scenarios
from cfisac.limits import cooperative, coupled, multistatic, toa_aoa
from cfisac.paths import Paths, echo, join, one_way
from cfisac.waveforms import OTFS

CARRIER = 3e8  # a metre is about a wavelength, so that differences are well scaled


def rotation(rng, dimension):
    """A rotation: an angle in the plane, a matrix in space."""
    if dimension == 2:
        return rng.uniform(-np.pi, np.pi)
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return matrix * np.sign(np.linalg.det(matrix))


def some_array(rng, dimension):
    """Linear, planar, circular or arbitrary, turned at random."""
    kinds = [
        lambda: arrays.linear(4, 0.4, np.eye(dimension)[0]),
        lambda: arrays.circular(5, 0.6, dimension),
        lambda: rng.normal(size=(6, dimension)),
    ]
    if dimension == 3:
        kinds.append(lambda: arrays.planar(2, 3))
    chosen = kinds[rng.integers(len(kinds))]()
    return arrays.turned(chosen, rotation(rng, dimension))


def turn_by(elements, psi):
    """Elements turned by a small rotation vector (or angle), to second order and beyond."""
    if elements.shape[1] == 2:
        return arrays.turned(elements, psi[0])
    cross = np.cross(psi, np.eye(3))  # rows psi x e_i: its transpose is the generator of the turn
    angle = np.linalg.norm(psi)
    matrix = np.eye(3) + (np.sin(angle) / angle) * cross.T if angle else np.eye(3)
    if angle:
        matrix = matrix + ((1 - np.cos(angle)) / angle**2) * (cross.T @ cross.T)
    return elements @ matrix.T


def by_brute_force(signal, state, n_gains, noise_variance, step=1e-4):
    """EFIM of all but the gains, from eighth-order differences of the samples."""
    slopes = oracle.derivatives(signal, state, step)
    fim = fisher.gaussian_fim(slopes, noise_variance)
    return fisher.equivalent_fim(fim, len(state) - n_gains)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_one_way_paths_are_the_fim_of_the_sampled_signal(dimension, seed):
    """Position, clock, and one orientation and displacement shared by all APs."""
    rng = np.random.default_rng(seed)
    array = some_array(rng, dimension)
    aps, user = 20 * rng.normal(size=(6, dimension)), rng.normal(size=dimension)
    frequencies = np.linspace(-1e6, 1e6, 7) + 2e6  # a carrier costs nothing
    gains, noise = rng.normal(size=(6, 2)) @ [1, 1j], 0.5
    n_turn = 1 if dimension == 2 else 3

    def signal(state):
        user, clock, psi, shift, gain = np.split(
            state, np.cumsum([dimension, 1, n_turn, dimension])
        )
        gain = gain[:6] + 1j * gain[6:]
        offset = user - (aps + shift)
        distance = np.linalg.norm(offset, axis=-1)
        phase = offset / distance[:, None] @ turn_by(array, psi).T
        delay = distance / speed_of_light + 1e-9 * clock
        by_frequency = np.exp(-2j * np.pi * delay[:, None] * frequencies)
        by_antenna = np.exp(2j * np.pi * phase)
        return (gain[:, None, None] * by_antenna[:, :, None] * by_frequency[:, None]).ravel()

    rest = np.zeros(1 + n_turn + dimension)
    state = np.concatenate([user, rest, gains.real, gains.imag])
    dense = by_brute_force(signal, state, 12, noise)
    paths = one_way(
        user, aps, np.abs(gains) ** 2 * len(array) * 7 / noise,
        (2 * np.pi) ** 2 * frequencies.var(), arrays.aperture(array),
    )  # fmt: skip
    unknown = [1e-9 * paths.columns["clock"], "orientation", "anchor"]
    summed = paths.with_unknown(*unknown).information()
    np.testing.assert_allclose(summed, dense, atol=1e-9 * np.abs(dense).max())
    np.testing.assert_allclose(
        paths.each().sum(axis=0), summed[:dimension, :dimension], rtol=1e-12,
        atol=1e-12 * np.abs(summed).max(),
    )  # fmt: skip


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_echoes_are_the_fim_of_the_sampled_signal(dimension, seed):
    """Position, velocity, and clocks, oscillators, orientations and places of both ends."""
    rng = np.random.default_rng(seed)
    sent, heard = some_array(rng, dimension), some_array(rng, dimension)
    ends = 10 * rng.normal(size=(2, 9, dimension))
    transmitters, receivers = ends[0, :3, None], ends[1, :3]
    target, velocity = rng.normal(size=dimension), 3 * rng.normal(size=dimension)
    frequencies, times = np.linspace(-3e6, 3e6, 5), np.linspace(0, 0.3, 4)
    gains, noise = rng.normal(size=(3, 3, 2)) @ [1, 1j], 0.5
    beams = rng.normal(size=(2, len(sent), 2)) @ [1, 1j]  # independent beams: rows of S
    n_turn = 1 if dimension == 2 else 3
    sizes = [dimension, dimension, 1, 1, 1, 1, n_turn, n_turn, dimension, dimension]

    def signal(state):
        p, v, b_t, b_r, e_t, e_r, psi_t, psi_r, d_t, d_r, gain = np.split(state, np.cumsum(sizes))
        gain = (gain[:9] + 1j * gain[9:]).reshape(3, 3)
        out, back = p - (transmitters + d_t), p - (receivers + d_r)
        far, near = np.linalg.norm(out, axis=-1), np.linalg.norm(back, axis=-1)
        u_t, u_r = out / far[..., None], back / near[..., None]
        lit = np.exp(2j * np.pi * u_t @ turn_by(sent, psi_t).T) @ beams.T  # (3, 1, B)
        seen = np.exp(2j * np.pi * u_r @ turn_by(heard, psi_r).T)  # (3, M)
        delay = (far + near) / speed_of_light + 1e-8 * (b_r - b_t)
        doppler = -CARRIER / speed_of_light * ((u_t + u_r) @ v) + e_t - e_r
        by_frequency = np.exp(-2j * np.pi * delay[..., None] * frequencies)
        by_time = np.exp(2j * np.pi * doppler[..., None] * times)
        return np.einsum(
            "pr,prb,prm,prf,prt->prbmft", gain, np.broadcast_to(lit, (3, 3, 2)),
            np.broadcast_to(seen, (3, 3, len(heard))), by_frequency, by_time,
        ).ravel()  # fmt: skip

    rest = np.zeros(sum(sizes[2:]))
    state = np.concatenate([target, velocity, rest, gains.real.ravel(), gains.imag.ravel()])
    dense = by_brute_force(signal, state, 18, noise)
    unit = geometry.sight(target, transmitters).unit
    centred = sent - sent.mean(axis=0)  # S acts on the response counted from the middle
    root = beams * np.exp(2j * np.pi * 0) * np.sqrt(len(sent))
    power, lit = arrays.beam_aperture(centred, unit, root)
    spread = np.diag([frequencies.var(), times.var()]) * (2 * np.pi) ** 2
    paths = echo(
        target, velocity, transmitters, receivers, CARRIER,
        np.abs(gains) ** 2 * power * len(heard) * 20 / noise, spread, lit, arrays.aperture(heard),
    )  # fmt: skip
    clocks = [1e-8 * paths.columns[end + " clock"] for end in ("transmitter", "receiver")]
    names = [
        f"{end} {kind}" for kind in ("oscillator", "orientation") for end in
        ("transmitter", "receiver")
    ]  # fmt: skip
    whole = paths.with_unknown("velocity", *clocks, *names, "transmitter", "receiver")
    summed = whole.information()
    np.testing.assert_allclose(summed, dense, atol=2e-9 * np.abs(dense).max())


def test_the_sources_bounds_are_sums_over_paths():
    """commit, liu and fan, each with its own formulas, to rounding."""
    rng = np.random.default_rng(5)
    aps, user = rng.uniform(-100, 100, (16, 2)), rng.uniform(-50, 50, 2)
    ula = arrays.UniformLinearArray(8)
    snr = rng.uniform(1, 30, 16)
    rows = arrays.aperture(arrays.linear(8))
    paths = one_way(user, aps, snr, (2 * np.pi * 1e8) ** 2 / 12, rows)
    sine = geometry.sight(user, aps).unit[:, 1]
    printed = toa_aoa.position_efim(
        user, aps, toa_aoa.delay_variance(1e8, snr),
        toa_aoa.angle_variance(np.arcsin(sine), ula, snr),
    )  # fmt: skip
    np.testing.assert_allclose(paths.information(), printed, rtol=1e-12)

    scene = scenarios.liu_scene(rng)
    state = cooperative.state_efim(
        scene.targets, scene.velocities, scene.aps, scene.n_antennas, scene.sample_snr.T,
        scene.waveform, scene.carrier_frequency,
    )  # fmt: skip
    total = scene.sample_snr * 8 * scene.waveform.n_subcarriers * scene.waveform.n_symbols
    each = echo(
        scene.targets, scene.velocities, scene.aps[:, None], scene.aps[:, None],
        scene.carrier_frequency, total, scene.waveform.delay_doppler_covariance(),
        None, rows,
    ).with_unknown("velocity")  # fmt: skip
    np.testing.assert_allclose(each.information(0), state, rtol=1e-11)

    scene = scenarios.fan_scene(rng)
    power = scenarios.equal_power(scene)
    printed = multistatic.position_efim(scene, power)
    elements = arrays.linear(16, 0.5, scene.transmit_axes[:, None, None])
    unit = geometry.sight(scene.targets, scene.transmitters[:, None, None]).unit
    root = np.sqrt(power)[..., None, None] * coupled._unit_roots(scene)
    sent, lit = arrays.beam_aperture(elements, unit, root.reshape(len(power), 1, 1, -1, 16))
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    each = echo(
        scene.targets, scene.velocities, scene.transmitters[:, None, None],
        scene.receivers[:, None], scene.carrier_frequency,
        np.abs(multistatic.rms_gains(scene)) ** 2 * sent * n_samples / scene.noise_variance,
        scene.waveform.delay_doppler_covariance(), lit,
        arrays.aperture(arrays.linear(16, 0.5, scene.receive_axes[:, None])),
    )  # fmt: skip
    np.testing.assert_allclose(each.information((0, 1)), printed, rtol=1e-10)


def test_unlike_paths_in_one_row():
    """A delay here, delay and direction there: the information is the sum of both."""
    aps, user = np.array([[30.0, 0.0], [0.0, 40.0], [-20.0, 5.0]]), [1.0, 2.0]
    rows = arrays.aperture(arrays.linear(4))
    blind, seeing = one_way(user, aps[:2], 10.0, 1e15), one_way(user, aps[2], 20.0, 1e14, rows)
    whole = join(blind, seeing)
    assert whole.shape == (3,)
    apart = blind.information() + seeing.information()
    np.testing.assert_allclose(whole.information(), apart, rtol=1e-12)
    clocks = [each.with_unknown("clock", "orientation") for each in (blind, seeing)]
    both = join(*clocks).information()
    np.testing.assert_allclose(both, sum(each.information() for each in clocks), rtol=1e-12)
    np.testing.assert_allclose(
        whole.with_unknown("clock", "orientation").information(), both, rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(200))
def test_two_arrays_at_endfire_tell_nothing_across(seed):
    """The target on the axes of both arrays: with angles alone the truth is ``inf``."""
    rng = np.random.default_rng(seed)
    for dimension in (2, 3):
        target = rng.uniform(-100, 100, dimension)
        axes = rng.normal(size=(2, dimension))
        axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
        aps = target + rng.uniform(10, 100, (2, 1)) * axes
        rows = arrays.aperture(arrays.linear(8, 0.5, axes))
        paths = one_way(target, aps, 1e4, 0.0, rows)
        assert not np.any(paths.information())
        off = target + 1e-4 * rng.normal(size=dimension) * np.linalg.norm(target - aps[0])
        seen = one_way(off, aps, 1e4, 0.0, rows).information()
        assert np.all(np.diagonal(seen) > 0)


@pytest.mark.parametrize("seed", range(20))
def test_moving_and_turning_everything_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    turn, shift = rotation(rng, 3), 50 * rng.normal(size=3)
    aps, target, velocity = 30 * rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3)
    array = arrays.turned(arrays.planar(3, 4), rotation(rng, 3))
    spread = np.diag([4e13, 2e-3])

    def information(move):
        rows = arrays.aperture(move(array, 0))
        p, v, places = move(target, 1), move(velocity, 0), move(aps, 1)
        paths = echo(p, v, places[:2, None], places[2:], 3e9, 1e3, spread, rows, rows)
        return paths.with_unknown("velocity").information()

    before = information(lambda x, moved: x)
    after = information(lambda x, moved: x @ turn.T + moved * shift)
    whole = np.kron(np.eye(2), turn)
    np.testing.assert_allclose(after, whole @ before @ whole.T, rtol=1e-9,
                               atol=1e-11 * np.abs(before).max())  # fmt: skip


def test_bad_input_is_named():
    jacobian = np.ones((3, 2, 2))
    for arguments, named in (
        ((-1.0, np.eye(2), jacobian), "snr"),
        ((np.nan, np.eye(2), jacobian), "snr"),
        ((1.0, np.eye(3), jacobian), "spread and jacobian"),
        ((1.0, np.array([[1.0, 0.5], [0.0, 1.0]]), jacobian), "spread must be symmetric"),
        ((1.0, -np.eye(2), jacobian), "spread must be positive"),
        ((np.ones(4), np.eye(2), jacobian), "must broadcast"),
        ((1.0, np.eye(2), jacobian, -1.0), "rounding"),
        ((1.0, np.eye(2), jacobian, 0.0, {"clock": np.ones((1, 1))}), "clock must have 2 rows"),
    ):
        with pytest.raises(ValueError, match=named):
            Paths(*arguments)
    with pytest.raises(ValueError, match="semidefinite"):
        Paths(1.0, np.array([[1.0, 2.0], [2.0, 1.0]]), jacobian).information()
    paths = Paths(1.0, np.eye(2), jacobian)
    with pytest.raises(ValueError, match="one of none, got 'clock'"):
        paths.with_unknown("clock")
    with pytest.raises(ValueError, match="same unknowns"):
        join(paths, Paths(1.0, np.eye(2), np.ones((2, 3))))
    with pytest.raises(ValueError, match="one Paths or more"):
        join()
    with pytest.raises(ValueError, match="same dimension, got position 3, aps 2"):
        one_way(np.zeros(3), np.ones((4, 2)), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"aperture must have shape \(..., m, 2\)"):
        one_way(np.zeros(2), np.ones((4, 2)), 1.0, 1.0, np.eye(3))
    with pytest.raises(ValueError, match="coincide"):
        one_way(np.ones(2), np.ones((4, 2)), 1.0, 1.0)
    with pytest.raises(ValueError, match="delay_doppler_covariance"):
        echo(np.zeros(2), np.zeros(2), np.ones(2), np.ones(2), 1e9, 1.0, 1.0)


def test_units_do_not_matter():
    """A spread in s^-2 beside one in rad^2 and in Hz^-2, all rescaled."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(5, 3, 3))
    spread, jacobian = root @ root.swapaxes(-1, -2), rng.normal(size=(5, 3, 2))
    plain = Paths(2.0, spread, jacobian).information()
    units = np.array([1e-9, 1.0, 1e6])
    other = Paths(2.0, spread / np.outer(units, units), jacobian * units[:, None])
    np.testing.assert_allclose(other.information(), plain, rtol=1e-12)
    np.testing.assert_allclose(
        plain, 4 * np.einsum("pki,pkl,plj->ij", jacobian, spread, jacobian), rtol=1e-12
    )


def test_an_otfs_frame_and_a_planar_array_in_space():
    frame = OTFS(16, 8, 1e5)
    paths = echo(
        [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [[10.0, 0.0, 3.0]], [[8.0, 6.0, 3.0]], 3e9, 1e4,
        frame.delay_doppler_covariance(), None, arrays.aperture(arrays.planar(4, 4)),
    )  # fmt: skip
    assert np.isfinite(fisher.position_error_bound(paths.information()))
    flat = echo(
        [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [[10.0, 0.0, 0.0]], [[0.0, 10.0, 0.0]], 3e9, 1e4,
        frame.delay_doppler_covariance(), None, None,
    )  # fmt: skip
    assert fisher.position_error_bound(flat.information()) == np.inf


def test_axes_are_path_axes_and_named_once():
    rng = np.random.default_rng(0)
    paths = Paths(rng.uniform(1, 2, (2, 3)), np.eye(2), rng.normal(size=(2, 3, 2, 2)))
    each = paths.each()
    for axes, over in ((0, 0), (-1, 1), ((0, -1), (0, 1)), ((), ()), (np.array([1, 0]), (0, 1))):
        np.testing.assert_allclose(paths.information(axes), each.sum(axis=over))
    for axes in (2, -3, (0, 5), (0, 0), (0, -2), 0.0, (0, 1.5), True, "a", [[0, 1]]):
        with pytest.raises(ValueError, match="axes must"):
            paths.information(axes)
    with pytest.raises(ValueError, match="axes must be among the 0 path axes"):
        Paths(1.0, np.eye(2), np.eye(2)).information(-1)


def test_what_is_given_beside_the_jacobian_is_named():
    jacobian, one = np.ones((3, 1, 2)), np.ones((1, 1))
    paths = Paths(np.ones(3), np.eye(1), jacobian)
    for unknown in (1.0, np.ones(1), np.ones((2, 1)), np.ones((4, 1, 1)), None):
        with pytest.raises(ValueError, match="unknown"):
            paths.with_unknown(unknown)
    for rounding in (np.ones(3), np.ones((2, 2)), np.ones((4, 1, 1)), [[np.nan, 0.0]]):
        with pytest.raises(ValueError, match="rounding"):
            Paths(np.ones(3), np.eye(1), jacobian, rounding)
    for wrong in (-one, np.ones((2, 1)), np.ones((4, 1, 1)), np.nan * one):
        with pytest.raises(ValueError, match="columns_rounding"):
            Paths(np.ones(3), np.eye(1), jacobian, 0.0, {"clock": one}, {"clock": wrong})
    with pytest.raises(ValueError, match="columns must be a mapping"):
        Paths(np.ones(3), np.eye(1), jacobian, 0.0, [one])
    with pytest.raises(ValueError, match="several must hold"):
        join(paths, one)
    coarse = paths.with_unknown(np.float32([[1 / 3]]))
    assert np.all(coarse.rounding[..., 2] > 1e-8)  # known to the rounding of float32
