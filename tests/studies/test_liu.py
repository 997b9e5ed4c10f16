"""The study of liu's bounds: what is printed, each correction, and the stored table."""

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light as c

from cfisac import fisher, geometry, studies
from cfisac.limits import cooperative
from cfisac.scenarios import liu_scene
from cfisac.studies import liu
from cfisac.waveforms import OFDM

QUICK = settings(deadline=None, max_examples=25)
SEEDS = st.integers(0, 2**32 - 1)
TABLE = studies.stored("liu-bounds").set_index("correction")
NAMES = "position_m", "speed_m_per_s", "heading_rad"


def draw(seed, n=50):
    scene = liu_scene(np.random.default_rng(seed), n)
    return scene, liu.sample_snr(scene.targets, scene.aps)


def printed_entries(snr, n_antennas, frame, spacing):
    """(7)-(12), typed in one by one."""
    n_a, n_c, m = n_antennas, frame.n_subcarriers, frame.n_symbols
    df, t, d = frame.subcarrier_spacing, 1 / frame.subcarrier_spacing + frame.cp_duration, spacing
    unit = 4 * np.pi**2 * snr
    return {
        (0, 0): unit * df**2 * (2 * n_c + 1) * (n_c + 1) * n_c * m * n_a / 6,
        (0, 1): -unit * d * df * (n_a + 1) * n_a * (n_c + 1) * n_c * m / 4,
        (0, 2): -unit * t * df * (m + 1) * m * (n_c + 1) * n_c * n_a / 4,
        (1, 1): unit * d**2 * (2 * n_a + 1) * (n_a + 1) * n_a * n_c * m / 6,
        (1, 2): unit * d * t * (n_a + 1) * n_a * (m + 1) * m * n_c / 4,
        (2, 2): unit * t**2 * (2 * m + 1) * (m + 1) * m * n_a * n_c / 6,
    }


def test_information_is_as_printed():
    """liu (7)-(12), with a different number of antennas at each access point."""
    frame, snr, antennas = OFDM(7, 5, 30e3, 2e-6), np.array([[0.3, 2.0], [1, 4]]), np.array([3, 8])
    information = liu.printed_information(snr, antennas, frame, 0.4)
    assert information.shape == (2, 2, 3, 3)
    for u, ap in np.ndindex(2, 2):
        for (i, j), value in printed_entries(snr[u, ap], antennas[ap], frame, 0.4).items():
            for entry in (information[u, ap, i, j], information[u, ap, j, i]):
                assert entry == pytest.approx(value, rel=1e-12)


@QUICK
@given(seed=SEEDS)
def test_printed_information_is_half_that_of_the_samples(seed):
    """liu (7)-(12) against the dense tensor of (55), its gain known."""
    rng = np.random.default_rng(seed)
    frame, n_antennas, spacing = OFDM(4, 3, 30e3, 1e-6), 5, 0.45
    turns = rng.uniform(0, 1, 3)
    rates = np.array([-frame.subcarrier_spacing, spacing, frame.symbol_period])
    grids = np.meshgrid(*(np.arange(1, n + 1) for n in (4, n_antennas, 3)), indexing="ij")
    grids = [grid.ravel() for grid in grids]
    gain, noise = rng.normal() + 1j * rng.normal(), rng.uniform(0.1, 2)
    echo = gain * np.exp(2j * np.pi * turns @ grids)
    slopes = [2j * np.pi * rate * grid * echo for rate, grid in zip(rates, grids, strict=True)]
    fim = fisher.gaussian_fim(np.stack(slopes, axis=1), noise)
    snr = np.array([abs(gain) ** 2 / noise])
    printed = liu.printed_information(snr, n_antennas, frame, spacing)
    np.testing.assert_allclose(fim, 2 * printed[0], rtol=1e-10)


def test_printed_jacobians_against_the_exact_ones():
    """liu (13) but for one entry, (15) but for its third block, are not what they should be."""
    scene, _ = draw(15)
    velocity, aps, carrier = scene.velocities, scene.aps, scene.carrier_frequency
    by_position, by_velocity = liu.printed_jacobians(scene.targets, velocity, aps, carrier)
    _, exact = geometry.monostatic(scene.targets[:, None], velocity[:, None], aps, carrier)
    exact = exact @ liu._by_speed_and_heading(velocity)[:, None]
    scale = np.abs(exact[..., :2]).max(axis=(0, 1, 3), keepdims=True)
    wrong = np.abs(by_position - exact[..., :2]) > 1e-12 * scale
    assert not wrong[..., :2, :].any()
    assert not wrong[..., 2, 0].any()
    offset = scene.targets[:, None] - aps
    cosine = offset[..., 0] / np.linalg.norm(offset, axis=-1)
    ratio = by_position[..., 2, 1] / exact[..., 2, 1]
    np.testing.assert_allclose(ratio, 1 / cosine**2, rtol=1e-9)
    np.testing.assert_allclose(by_velocity[..., 2, :], exact[..., 2, 2:], rtol=1e-9)
    assert np.all(exact[..., :2, 2:] == 0)
    assert np.all(np.abs(by_velocity[..., :2, :]).max(axis=-1) > 0)


def test_speed_and_heading_are_finite_differences():
    velocity = np.array([[30.0, -40.0]])
    turn = liu._by_speed_and_heading(velocity)[0]

    def cartesian(speed, heading):
        return speed * np.array([np.cos(heading), np.sin(heading)])

    polar = np.array([50.0, np.arctan2(-40, 30)])
    slopes = oracle.derivatives(lambda at: cartesian(*at), polar, 1e-6, order=2)
    np.testing.assert_allclose(turn[2:, 2:], slopes, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(turn[:2], np.eye(4)[:2])


def test_each_correction_is_what_its_name_says():
    scene, snr = draw(3)
    by = {name: liu.bounds(name, scene, snr) for name in liu.CORRECTIONS}
    for half, full in zip(by["Jacobians"], by["noise density"], strict=True):
        np.testing.assert_allclose(half / full, np.sqrt(2), rtol=1e-9)  # the factor two
    for apart, joint in zip(by["noise density"], by["joint state"], strict=True):
        assert np.all(apart < joint)  # not knowing the other half costs something
    for known, unknown in zip(by["joint state"], by["unknown gains"], strict=True):
        assert np.all(known < unknown)
    assert np.all(by["unknown gains"][0] < by["without Doppler"][0])
    assert np.all(np.isinf(by["without Doppler"][1:]))
    right = cooperative.state_efim(
        scene.targets, scene.velocities, scene.aps, 8, snr, scene.waveform, scene.carrier_frequency
    )
    position, speed, heading = by["unknown gains"]
    np.testing.assert_allclose(position, cooperative.position_error_bound(right), rtol=1e-9)
    whole = speed**2 + (np.linalg.norm(scene.velocities, axis=-1) * heading) ** 2
    np.testing.assert_allclose(np.sqrt(whole), cooperative.velocity_error_bound(right), rtol=1e-9)


def test_joint_state_is_the_dense_inverse_for_known_gains():
    """Derivatives of the delays, sines and Doppler shifts by finite differences, in polar form."""
    scene, snr = draw(4, 3)
    antennas, spacing, frame = 8, scene.spacing, scene.waveform

    def observables(state):
        x, y, speed, heading = state
        offset = np.array([x, y]) - scene.aps
        r = np.linalg.norm(offset, axis=-1)
        radial = offset @ [np.cos(heading), np.sin(heading)] * speed / r
        doppler = -2 * scene.carrier_frequency * radial / c
        return np.stack([2 * r / c, offset[:, 1] / r, doppler], axis=-1)

    found = np.stack(liu.bounds("joint state", scene, snr), axis=-1)
    for u in range(3):
        v = scene.velocities[u]
        state = np.array([*scene.targets[u], np.hypot(*v), np.arctan2(v[1], v[0])])
        steps = np.array([1e-2, 1e-2, 1e-2, 1e-5])
        slopes = [
            (observables(state + h) - observables(state - h)) / (2 * h.sum())
            for h in np.diag(steps)
        ]
        jacobian = np.stack(slopes, axis=-1)  # (L, 3, 4)
        fim = np.zeros((4, 4))
        for ap in range(4):
            entries = printed_entries(snr[u, ap], antennas, frame, spacing)
            j = np.zeros((3, 3))
            for (i, k), value in entries.items():
                j[i, k] = j[k, i] = 2 * value
            fim += jacobian[ap].T @ j @ jacobian[ap]
        size = np.sqrt(np.diag(fim))
        variance = np.diag(np.linalg.inv(fim / np.outer(size, size))) / size**2
        expected = np.sqrt([variance[0] + variance[1], variance[2], variance[3]])
        np.testing.assert_allclose(found[u], expected, rtol=1e-5)


def test_the_printed_bound_of_the_speed_vanishes_for_radial_motion():
    """liu (15) divides by sin(theta - theta_u): seen from one access point on its course, 0."""
    scene, snr = draw(7, 1)
    along = scene.targets[0] / np.linalg.norm(scene.targets[0])  # away from the one at (0, 0)
    across = np.array([-along[1], along[0]])
    speeds, rights = [], []
    for turn in (1e-1, 1e-3, 1e-5):
        velocity = 100 * (np.cos(turn) * along + np.sin(turn) * across)
        one = type(scene)(
            aps=scene.aps, n_antennas=scene.n_antennas, targets=scene.targets,
            velocities=velocity[None], waveform=scene.waveform,
            carrier_frequency=scene.carrier_frequency, noise_variance=1.0, transmit_power=1.0,
        )  # fmt: skip
        speeds.append(liu.bounds("printed", one, snr)[1][0])
        rights.append(liu.bounds("unknown gains", one, snr)[1][0])
    assert speeds[0] > 50 * speeds[1] > 2500 * speeds[2]
    assert max(rights) < 2 * min(rights)


def test_snr_is_zero_decibels_at_the_centre_and_falls_with_the_fourth_power():
    scene, _ = draw(1)
    np.testing.assert_allclose(liu.sample_snr([175.0, 175.0], scene.aps), 1.0, rtol=1e-12)
    ray = np.array([[35.0, 35.0], [70.0, 70.0]])
    near, far = liu.sample_snr(ray, scene.aps[:1], reference=3.0)
    assert near[0] / far[0] == pytest.approx(16, rel=1e-12)
    with pytest.raises(ValueError, match="correction must be one of printed, "):
        liu.bounds("all", *draw(1, 1))


# --------------------------------------------------------------------------- stored table


def test_table_agrees_with_new_scenes():
    """Medians over 4000 other scenes, within five standard errors of them (bootstrap)."""
    rng = np.random.default_rng(2024)
    scene = liu_scene(rng, 4000)
    snr = liu.sample_snr(scene.targets, scene.aps)
    right = liu.bounds("unknown gains", scene, snr)
    resample = rng.integers(0, 4000, (200, 4000))
    for correction in liu.CORRECTIONS:
        here = liu.bounds(correction, scene, snr)
        for name, bound, true in zip(NAMES, here, right, strict=True):
            if np.isinf(bound).any():
                assert np.isinf(TABLE.loc[correction, f"median_{name}"])
                continue
            short = name.split("_")[0]
            for column, values in (
                (f"median_{name}", bound),
                (f"median_{short}_ratio", bound / true),
            ):
                error = np.median(values[resample], axis=1).std()
                stored = TABLE.loc[correction, column]
                assert abs(np.median(values) - stored) <= 5 * error + 1e-12, (correction, column)


def test_table_says_which_way_each_correction_goes():
    """Down by the square root of two once; up by unknown velocities and gains; ends higher."""
    position = TABLE.median_position_m
    ratio = position["Jacobians"] / position["noise density"]
    error = np.hypot(*(TABLE.median_position_m_se / position)[["Jacobians", "noise density"]])
    assert abs(ratio / np.sqrt(2) - 1) < 5 * error
    assert position["printed"] < position["Jacobians"]
    assert position["noise density"] < position["joint state"] < position["unknown gains"]
    assert 0.6 < TABLE.median_position_ratio["printed"] < 0.7
    assert TABLE.median_speed_ratio["printed"] < 0.02  # in m/s; another number in km/h
    assert 0.44 < TABLE.median_speed_ratio["velocity restored"] < 0.46
    assert 0.53 < TABLE.p10_position_ratio["printed"] < 0.54
    assert 0.74 < TABLE.p90_position_ratio["printed"] < 0.75
    assert 0.09 < TABLE.p10_speed_ratio["velocity restored"] < 0.11
    assert 0.77 < TABLE.p90_speed_ratio["velocity restored"] < 0.82
    assert TABLE.median_position_ratio["unknown gains"] == 1
    assert 1.30 < TABLE.median_position_ratio["without Doppler"] < 1.34
