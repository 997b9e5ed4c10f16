"""estimators.joint_ml: all targets at once from the samples of all access points."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from cfisac import geometry, signals
from cfisac.estimators import _joint_data, _joint_fit, _joint_local, _joint_match, joint_ml
from cfisac.limits import cooperative
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM, OTFS

SEEDS = st.integers(0, 2**32 - 1)
APS = np.array([[0.0, 0.0], [200.0, 10.0], [-10.0, 200.0], [210.0, 190.0]])


def scene_of(rng, n_targets=2, **changes):
    """Four access points about targets in the middle; cells of 39 m, 0.33 and 9 m/s."""
    values = {
        "aps": APS,
        "targets": rng.uniform(60, 140, (n_targets, 2)),
        "velocities": rng.uniform(-60, 60, (n_targets, 2)),
        "n_antennas": 6,
        "axes": None,
        "waveform": OFDM(64, 32, 60e3, 2e-6),
        "carrier_frequency": 28e9,
        "noise_variance": 1e-15,
        "transmit_power": 1.0,
    }
    return MonostaticScene(**values | changes)


def echoes(scene, rng, snr_db=10.0, noisy=True):
    """Amplitudes of equal power at all access points, and samples."""
    root = np.sqrt(10 ** (snr_db / 10) * scene.noise_variance)
    shape = len(scene.aps), len(scene.targets)
    amplitudes = root * np.exp(2j * np.pi * rng.uniform(size=shape))
    samples = signals.echo_tensors(scene, amplitudes)
    if noisy:
        samples = [signals.with_noise(each, scene.noise_variance, rng) for each in samples]
    return amplitudes, list(samples)


def bound(scene, amplitudes):
    axes = [0.0, 1.0] if scene.axes is None else scene.axes
    return cooperative.joint_efim(
        scene.targets, scene.velocities, scene.aps, scene.n_antennas,
        amplitudes.T / np.sqrt(scene.noise_variance), scene.waveform, scene.carrier_frequency,
        scene.spacing, axes,
    )  # fmt: skip


def order(scene, found):
    """Which estimate belongs to each target."""
    apart = np.linalg.norm(found.positions[:, None] - scene.targets, axis=-1)
    return linear_sum_assignment(apart.T)[1]


def off(scene, found):
    mine = order(scene, found)
    return np.concatenate(
        [found.positions[mine] - scene.targets, found.velocities[mine] - scene.velocities], axis=1
    )


# ----------------------------------------------------------------------------- what it is made of


def test_products_are_those_of_the_samples_themselves():
    """Also after the subcarriers were put together: K of 64 numbers say the same."""
    rng = np.random.default_rng(1)
    scene = scene_of(rng, 3)
    _, samples = echoes(scene, rng)
    heard = _joint_data.prepare(scene, samples)
    assert heard.data.shape[2] < 40
    factors = signals.echo_factors(scene)
    sights, _ = geometry.monostatic(
        scene.targets, scene.velocities, scene.aps[:, None], scene.carrier_frequency
    )
    found = _joint_data.products(heard, sights / heard.cells[:, None])
    for ap, given_samples in enumerate(samples):
        plain = np.einsum(
            "ua,uk,ut->uakt", factors.antenna[ap], factors.subcarrier[ap], factors.symbol[ap]
        ).reshape(3, -1)
        assert np.allclose(found.gram[ap, 0, :, 0], plain.conj() @ plain.T, atol=1e-6, rtol=0)
        data = given_samples.ravel() / np.sqrt(scene.noise_variance)
        assert np.allclose(found.heard[ap, 0], plain.conj() @ data, rtol=1e-9)
        assert heard.energy[ap] == pytest.approx(np.vdot(data, data).real)


def test_information_of_the_climb_is_that_of_closed_sums():
    """Two roads: products of factors, and closed sums with their own care for rounding."""
    for seed in range(5):
        rng = np.random.default_rng([5, seed])
        scene = scene_of(rng, 3)
        _, samples = echoes(scene, rng)
        heard = _joint_data.prepare(scene, samples)
        fit = _joint_fit.fit_at(scene, heard, scene.targets, scene.velocities)
        exact = _joint_fit.exact_efim(scene, heard, fit)
        root = np.sqrt(np.diag(exact))
        assert np.allclose(fit.efim / np.outer(root, root), exact / np.outer(root, root), atol=1e-7)


def test_slopes_are_those_of_differences():
    rng = np.random.default_rng(2)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    heard = _joint_data.prepare(scene, samples)
    place, speed = scene.targets + 1.0, scene.velocities - 0.3
    here = _joint_fit.fit_at(scene, heard, place, speed)
    state = np.concatenate([place, speed], axis=1).ravel()
    for index, step in enumerate(np.tile([1e-3, 1e-3, 1e-4, 1e-4], 2)):
        moved = []
        for sign in (1, -1):
            there = state.copy()
            there[index] += sign * step
            both = there.reshape(2, 4)
            moved.append(_joint_fit.fit_at(scene, heard, both[:, :2], both[:, 2:]).value)
        assert here.slope[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-4)


def test_value_is_the_energy_of_a_projection():
    """Brute force: least squares on all samples of an access point."""
    rng = np.random.default_rng(3)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    heard = _joint_data.prepare(scene, samples)
    fit = _joint_fit.fit_at(scene, heard, scene.targets, scene.velocities)
    factors, total = signals.echo_factors(scene), 0.0
    for ap, given_samples in enumerate(samples):
        plain = np.einsum(
            "ua,uk,ut->uakt", factors.antenna[ap], factors.subcarrier[ap], factors.symbol[ap]
        ).reshape(2, -1)
        data = given_samples.ravel() / np.sqrt(scene.noise_variance)
        gains, *_ = np.linalg.lstsq(plain.T, data, rcond=None)
        assert np.allclose(gains, fit.gains[ap], rtol=1e-8)
        total += np.linalg.norm(plain.T @ gains) ** 2
    assert fit.value == pytest.approx(total, rel=1e-9)


def test_charts_are_the_products_with_each_echo():
    """But for their phase; access points of fewer antennas have smaller ones."""
    rng = np.random.default_rng(4)
    scene = scene_of(rng, 2)
    scene = replace(scene, n_antennas=np.where(np.arange(len(scene.aps)) == 1, 4, 6))
    _, samples = echoes(scene, rng)
    heard = _joint_data.prepare(scene, samples)
    charts = _joint_data.charts_of(heard)
    for ap, (grid, chart) in enumerate(zip(*charts, strict=True)):
        assert chart.shape == (len(grid.sine), len(grid.delay), len(grid.doppler))
        for sine, delay, doppler in rng.integers(0, chart.shape, (5, 3)):
            sights = np.zeros((len(samples), 1, 3))
            sights[ap] = grid.delay[delay], grid.sine[sine], grid.doppler[doppler]
            one = _joint_data.products(heard, sights).heard[ap, 0, 0]
            one /= np.sqrt(samples[ap].size)
            assert abs(chart[sine, delay, doppler]) == pytest.approx(abs(one), rel=1e-9)


def test_what_echoes_leave_is_the_chart_of_the_residual():
    rng = np.random.default_rng(6)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    heard = _joint_data.prepare(scene, samples)
    sights = rng.uniform(heard.span[:, None, :, 0], heard.span[:, None, :, 1], (len(samples), 2, 3))
    gains = rng.normal(size=sights.shape[:2]) + 1j * rng.normal(size=sights.shape[:2])
    where, power = _joint_data.highest(heard, _joint_data.charts_of(heard), sights, gains)
    left = _joint_data.residual(heard, sights, gains)
    charts = _joint_data.charts_of(left)
    most = [np.max(np.abs(chart) ** 2) for chart in charts.maps]
    assert np.allclose(power, most, rtol=1e-9)
    one = _joint_data.products(left, where[:, None]).heard[:, 0, 0]
    assert np.allclose(np.abs(one) ** 2 / heard.n_samples, power, rtol=1e-9)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_best_way_costs_least_of_all_ways(seed):
    rng = np.random.default_rng(seed)
    table = rng.exponential(size=(3, 3, 3))
    choices = np.array(list(itertools.product(range(3), repeat=3)))
    chosen = choices[_joint_match._best_way(table, choices, table.ravel())]
    orders = list(itertools.permutations(range(3)))
    least = min(
        sum(table[u, a[u], b[u]] for u in range(3)) for a, b in itertools.product(orders, orders)
    )
    assert sum(table[tuple(each)] for each in chosen) == pytest.approx(least)
    greedy = choices[_joint_match._greedy_way(choices, table.ravel())]
    for way in (chosen, greedy):
        assert all(sorted(column) == [0, 1, 2] for column in way.T)


def test_many_targets_and_access_points_do_not_make_the_tables_explode():
    local = _joint_local.Local(np.zeros((8, 6, 3)), np.ones((8, 6, 3)))
    used = _joint_match._used(local)
    assert 2 <= len(used) < 8
    assert 6 ** len(used) <= _joint_match._MOST_CHOICES


# ------------------------------------------------------------------------------ what it must find


@given(seed=SEEDS, n_targets=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_without_noise_all_is_recovered_to_numerical_precision(seed, n_targets):
    """Or the estimate says that it may be wrong."""
    rng = np.random.default_rng(seed)
    scene = scene_of(rng, n_targets)
    amplitudes, samples = echoes(scene, rng, 30.0, noisy=False)
    found = joint_ml.estimate(scene, samples, n_targets)
    if found.converged:
        mine = order(scene, found)
        assert np.abs(off(scene, found)).max() < 1e-6
        assert np.allclose(found.amplitudes[:, mine], amplitudes, rtol=1e-6)
    else:
        assert found.reason


def test_without_noise_random_scenes_are_recovered_without_complaint():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scene = scene_of(rng, 3)
        _, samples = echoes(scene, rng, 20.0, noisy=False)
        found = joint_ml.estimate(scene, samples, 3)
        assert found.converged, found.reason
        assert np.abs(off(scene, found)).max() < 1e-7


def test_information_is_that_of_the_joint_bound():
    rng = np.random.default_rng(5)
    scene = scene_of(rng, 2)
    amplitudes, samples = echoes(scene, rng, 10.0, noisy=False)
    found = joint_ml.estimate(scene, samples, 2)
    west = np.argsort(scene.targets[:, 0])
    sorted_scene = replace(scene, targets=scene.targets[west], velocities=scene.velocities[west])
    expected = bound(sorted_scene, amplitudes[:, west])
    scale = np.sqrt(np.diag(expected))
    assert np.allclose(found.efim / np.outer(scale, scale), expected / np.outer(scale, scale),
                       atol=1e-6)  # fmt: skip


def test_errors_are_those_of_the_bound():
    """Whitened squares of n scenes have a mean of one; five standard errors are allowed."""
    n, n_targets, squares = 30, 2, []
    for seed in range(n):
        rng = np.random.default_rng([77, seed])
        scene = scene_of(rng, n_targets)
        amplitudes, samples = echoes(scene, rng, 0.0)
        found = joint_ml.estimate(scene, samples, n_targets)
        assert found.converged, found.reason
        error = off(scene, found).ravel()
        squares.append(error @ bound(scene, amplitudes) @ error)
    assert abs(np.mean(squares) / (4 * n_targets) - 1) < 5 * np.sqrt(2 / (n * 4 * n_targets))


def test_likelihood_is_no_less_than_at_the_truth():
    for seed in range(5):
        rng = np.random.default_rng([3, seed])
        scene = scene_of(rng, 2)
        _, samples = echoes(scene, rng, -10.0)
        heard = _joint_data.prepare(scene, samples)
        found = joint_ml.estimate(scene, samples, 2)
        there = _joint_fit.fit_at(scene, heard, found.positions, found.velocities)
        true = _joint_fit.fit_at(scene, heard, scene.targets, scene.velocities)
        assert there.value > true.value
        white = there.slope @ np.linalg.solve(there.efim, there.slope)
        assert white < 1e-9  # nats: the gradient vanishes


def test_echoes_alone_do_nearly_as_well_and_never_better_in_likelihood():
    rng = np.random.default_rng(9)
    scene = scene_of(rng, 2)
    amplitudes, samples = echoes(scene, rng, 0.0)
    heard = _joint_data.prepare(scene, samples)
    both = [joint_ml.estimate(scene, samples, 2, fusion=name) for name in ("samples", "echoes")]
    values = [
        _joint_fit.fit_at(scene, heard, each.positions, each.velocities).value for each in both
    ]
    assert values[0] > values[1]
    error = off(scene, both[1]).ravel()
    assert error @ bound(scene, amplitudes) @ error < 40


# ------------------------------------------------------------------------------------- invariances


def test_order_of_access_points_does_not_matter():
    rng = np.random.default_rng(11)
    scene = scene_of(rng, 3, n_antennas=[4, 5, 6, 7])
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 3)
    turn = [2, 0, 3, 1]
    turned = replace(scene, aps=scene.aps[turn], n_antennas=scene.n_antennas[turn])
    other = joint_ml.estimate(turned, [samples[ap] for ap in turn], 3)
    assert np.allclose(found.positions, other.positions, atol=1e-6)
    assert np.allclose(found.amplitudes[turn], other.amplitudes, rtol=1e-5)


def test_targets_of_the_scene_are_not_looked_at():
    rng = np.random.default_rng(12)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    elsewhere = replace(scene, targets=[[20.0, 30.0]], velocities=[[0.0, 0.0]])
    other = joint_ml.estimate(elsewhere, samples, 2)
    assert np.array_equal(found.positions, other.positions)
    assert np.all(np.diff(found.positions[:, 0]) > 0)  # from west to east


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, 2.5])
def test_translation_and_rotation_move_the_result_with_them(angle):
    """The same samples: delays, sines and Doppler shifts do not change."""
    rng = np.random.default_rng(13)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([1000.0, -300.0])
    moved = replace(
        scene,
        aps=scene.aps @ turn.T + shift,
        targets=scene.targets @ turn.T + shift,
        axes=np.tile(turn @ [0.0, 1.0], (4, 1)),
    )
    other = joint_ml.estimate(moved, samples, 2)
    expected = found.positions @ turn.T + shift
    mine = linear_sum_assignment(np.linalg.norm(other.positions - expected[:, None], axis=-1))[1]
    assert np.allclose(other.positions[mine], expected, atol=1e-5)
    assert np.allclose(other.velocities[mine], found.velocities @ turn.T, atol=1e-5)


def test_noise_variance_and_amplitudes_scale():
    rng = np.random.default_rng(14)
    scene = scene_of(rng, 2)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    louder = replace(scene, noise_variance=scene.noise_variance * 10)
    other = joint_ml.estimate(louder, [np.sqrt(10) * each for each in samples], 2)
    assert np.allclose(found.positions, other.positions, atol=1e-7)
    assert np.allclose(np.sqrt(10) * found.amplitudes, other.amplitudes, rtol=1e-6)


# ---------------------------------------------------------------------- what it must not be sure of


def test_two_targets_at_one_place_are_not_guessed():
    rng = np.random.default_rng(15)
    scene = scene_of(rng, 2, targets=[[100.0, 90.0]] * 2, velocities=[[20.0, 5.0]] * 2)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    assert not found.converged
    assert found.reason


def test_two_targets_in_one_cell_are_named():
    """Three metres apart, a cell being 39 m, at a level where one cannot tell."""
    named = 0
    for seed in range(8):
        rng = np.random.default_rng([16, seed])
        scene = scene_of(
            rng, 2, targets=[[100.0, 90.0], [103.0, 91.0]], velocities=[[20.0, 5.0], [20.3, 5.0]]
        )
        _, samples = echoes(scene, rng, -5.0)
        found = joint_ml.estimate(scene, samples, 2)
        assert not found.converged or np.abs(off(scene, found)[:, :2]).max() < 3
        named += "targets 0 and 1 lie in one resolution cell" in found.reason
    assert named >= 2


def test_two_targets_in_one_cell_of_all_access_points_can_be_told_apart_when_loud():
    rng = np.random.default_rng(17)
    scene = scene_of(
        rng, 2, targets=[[100.0, 90.0], [115.0, 100.0]], velocities=[[20.0, 5.0], [16.0, 8.0]]
    )
    amplitudes, samples = echoes(scene, rng, 20.0)
    found = joint_ml.estimate(scene, samples, 2)
    assert found.converged, found.reason
    assert {each[1:] for each in found.overlaps} == {(0, 1)}
    error = off(scene, found).ravel()
    assert error @ bound(scene, amplitudes) @ error < 40


def test_an_echo_of_no_target_is_noticed():
    rng = np.random.default_rng(18)
    scene = scene_of(rng, 3)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    assert not found.converged
    assert "hears more than the targets found" in found.reason


def test_a_target_too_many_is_noticed():
    rng = np.random.default_rng(19)
    scene = scene_of(rng, 1)
    _, samples = echoes(scene, rng)
    found = joint_ml.estimate(scene, samples, 2)
    assert not found.converged


def test_noise_alone_is_no_target():
    rng = np.random.default_rng(20)
    scene = scene_of(rng, 1)
    _, samples = echoes(scene, rng, -200.0)
    found = joint_ml.estimate(scene, samples, 1)
    assert not found.converged
    assert found.reason == "target 0 is not heard above the noise"
    sought = joint_ml.detect(scene, samples, 1, [[60, 60], [140, 140]], 85.0)
    assert sought.reason == "target 0 is not heard above the noise"


def test_a_target_outside_of_the_corners_is_named():
    rng = np.random.default_rng(21)
    scene = scene_of(rng, 1, targets=[[100.0, 60.0]])
    _, samples = echoes(scene, rng)
    inside = joint_ml.estimate(scene, samples, 1, [[50, 50], [150, 150]])
    assert inside.converged, inside.reason
    outside = joint_ml.estimate(scene, samples, 1, [[50, 80], [150, 150]])
    assert not outside.converged
    assert outside.reason == "target 0 was found outside of where targets can be"


def test_a_line_of_access_points_does_not_tell_one_side_from_the_other():
    rng = np.random.default_rng(22)
    line = np.array([[0.0, 0.0], [0.0, 80.0], [0.0, 200.0]])
    scene = scene_of(rng, 1, aps=line, targets=[[100.0, 90.0]])
    _, samples = echoes(scene, rng)
    blind = joint_ml.estimate(scene, samples, 1)
    assert not blind.converged
    assert "on the other side" in blind.reason
    told = joint_ml.estimate(scene, samples, 1, [[1, 0], [200, 200]])
    assert told.converged, told.reason
    assert np.abs(told.positions - scene.targets).max() < 1
    left = joint_ml.estimate(scene, samples, 1, [[-200, 0], [-1, 200]])
    assert left.positions[0] == pytest.approx(told.positions[0] * [-1, 1], abs=1e-6)


def test_access_points_on_one_side_look_both_ways():
    """Arrays along y do not tell east from west; together the access points do."""
    for sign in (1, -1):
        rng = np.random.default_rng(29)
        scene = scene_of(
            rng, 1, aps=[[sign * 200.0, 0.0], [sign * 190.0, 120.0]],
            targets=[[sign * 100.0, 70.0]],
        )  # fmt: skip
        _, samples = echoes(scene, rng)
        found = joint_ml.estimate(scene, samples, 1)
        assert found.converged, found.reason
        assert np.abs(off(scene, found)[0, :2]).max() < 1


def test_a_target_that_is_only_heard_beside_another_is_doubted():
    """At the access points where it would be alone, there is nothing."""
    sights = np.zeros((3, 2, 3))
    sights[2, 1] = 5.0  # cells apart at the third access point
    loud = np.full((3, 2), 1000.0)
    assert not _joint_fit._only_beside_others(sights, loud, 1e-6).any()
    loud[2, 1] = 3.0
    assert _joint_fit._only_beside_others(sights, loud, 1e-6).tolist() == [False, True]


def test_a_target_in_line_with_all_access_points_has_no_velocity():
    """Both see the same radial speed, and nothing of the one across."""
    rng = np.random.default_rng(23)
    scene = scene_of(
        rng, 1, aps=[[0.0, 0.0], [200.0, 0.0]], targets=[[80.0, 0.0]], velocities=[[10.0, 3.0]]
    )
    _, samples = echoes(scene, rng, 20.0, noisy=False)
    found = joint_ml.estimate(scene, samples, 1)
    assert not found.converged


# ------------------------------------------------------------------------------------------ search


def test_search_finds_what_no_access_point_hears():
    """The state found is at least as likely as the true one, and near it."""
    right = 0
    for seed in range(6):
        rng = np.random.default_rng([24, seed])
        scene = scene_of(rng, 1)
        _, samples = echoes(scene, rng, -29.0)  # 12 dB in all samples of one access point
        found = joint_ml.detect(scene, samples, 1, [[60, 60], [140, 140]], 85.0)
        heard = _joint_data.prepare(scene, samples)
        value = _joint_fit.fit_at(scene, heard, found.positions, found.velocities).value
        start = _joint_fit.fit_at(scene, heard, scene.targets, scene.velocities)
        assert value >= _joint_fit.climb(scene, heard, start).value * (1 - 1e-9)
        right += bool(found.converged and np.abs(off(scene, found)[0, :2]).max() < 20)
    assert right == 6


def test_search_finds_several_targets():
    rng = np.random.default_rng(25)
    scene = scene_of(rng, 2, targets=[[80.0, 90.0], [120.0, 130.0]])
    amplitudes, samples = echoes(scene, rng, -20.0)
    found = joint_ml.detect(scene, samples, 2, [[60, 60], [140, 140]], 85.0)
    assert found.converged, found.reason
    error = off(scene, found).ravel()
    assert error @ bound(scene, amplitudes) @ error < 40


def test_each_by_itself_hears_its_own_echo():
    rng = np.random.default_rng(26)
    scene = scene_of(rng, 1, n_antennas=[4, 5, 6, 7])
    _, samples = echoes(scene, rng, 10.0, noisy=False)
    corners = [[60, 60], [140, 140]]
    sights, energies = joint_ml.detect_each(scene, samples, corners, 85.0)
    true, _ = geometry.monostatic(
        scene.targets, scene.velocities, scene.aps, scene.carrier_frequency
    )
    assert np.allclose(sights, true, rtol=1e-7)
    size = 64 * 32 * scene.n_antennas
    assert np.allclose(energies, 10 * size, rtol=1e-9)
    position, velocity = joint_ml.fuse(scene, sights, energies)
    assert np.allclose(position, scene.targets[0], atol=1e-6)
    assert np.allclose(velocity, scene.velocities[0], atol=1e-6)


# ---------------------------------------------------------------------------------------- refusals


@pytest.fixture(scope="module")
def good():
    rng = np.random.default_rng(27)
    scene = scene_of(rng, 1)
    return scene, echoes(scene, rng)[1]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"waveform": OTFS(64, 32, 60e3), "noise_variance": 1e-13}, "waveform OFDM"),
        ({"waveform": OFDM(64, 1, 60e3, 2e-6)}, "n_symbols >= 2"),
        ({"spacing": 0.7}, "spacing <= 0.5"),
        ({"n_antennas": 1}, "n_antennas >= 2"),
        ({"aps": [[0.0, 0.0]]}, "two places"),
        ({"aps": [[0.0, 0.0], [0.0, 0.0]]}, "two places"),
    ],
)
def test_other_scenes_are_refused(changes, match):
    scene = scene_of(np.random.default_rng(28), 1, **changes)
    with pytest.raises(ValueError, match=match):
        joint_ml.estimate(scene, [np.ones((6, 64, 32))] * len(scene.aps), 1)


def test_a_scene_without_noise_cannot_be():
    with pytest.raises(ValueError, match="noise_variance must be > 0"):
        scene_of(np.random.default_rng(28), 1, noise_variance=0.0)


def test_space_arrays_of_ones_own_and_other_scenes_are_refused(good):
    _, samples = good
    with pytest.raises(ValueError, match="MonostaticScene"):
        joint_ml.estimate("scene", samples, 1)
    own = replace(good[0], axes=None, n_antennas=None, receive_arrays=np.zeros((6, 2)) + [[0, 0]])
    with pytest.raises(ValueError, match="uniform linear arrays"):
        joint_ml.estimate(own, samples, 1)


def test_bad_samples_are_refused(good):
    scene, samples = good
    with pytest.raises(ValueError, match="samples must be of 4 access points"):
        joint_ml.estimate(scene, samples[:3], 1)
    with pytest.raises(
        ValueError, match=r"samples of access point 2 must have shape \(6, 64, 32\)"
    ):
        joint_ml.estimate(scene, [*samples[:2], samples[2].T, samples[3]], 1)
    spoilt = [each.copy() for each in samples]
    spoilt[1][0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="samples must be finite"):
        joint_ml.estimate(scene, spoilt, 1)


@pytest.mark.parametrize("number", [0, -1, 1.5, 60])
def test_bad_numbers_of_targets_are_refused(good, number):
    scene, samples = good
    with pytest.raises(ValueError, match="n_targets must be"):
        joint_ml.estimate(scene, samples, number)


def test_bad_settings_are_refused(good):
    scene, samples = good
    area = [[60, 60], [140, 140]]
    with pytest.raises(ValueError, match="corners must be"):
        joint_ml.estimate(scene, samples, 1, [[140, 60], [60, 140]])
    with pytest.raises(ValueError, match="corners must"):
        joint_ml.estimate(scene, samples, 1, [1.0, 2.0])
    with pytest.raises(ValueError, match="fusion must be"):
        joint_ml.estimate(scene, samples, 1, fusion="both")
    for speed in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="max_speed must be"):
            joint_ml.detect(scene, samples, 1, area, speed)
    for chance in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="false_alarm must be"):
            joint_ml.detect(scene, samples, 1, area, 85.0, chance)
    with pytest.raises(ValueError, match="sights and sight_snr must have shapes"):
        joint_ml.fuse(scene, np.ones((3, 3)), np.ones(3))
    with pytest.raises(ValueError, match="sight_snr must be > 0"):
        joint_ml.fuse(scene, np.ones((4, 3)), np.zeros(4))


def test_inputs_are_not_changed(good):
    scene, samples = good
    before = [each.copy() for each in samples]
    joint_ml.estimate(scene, samples, 1)
    assert all(np.array_equal(*pair) for pair in zip(samples, before, strict=True))


@pytest.mark.parametrize("off", [0.0, 1e-6, 1e-2])
def test_access_points_nearly_on_a_line_leave_a_doubt(off):
    """The likelihood of the mirror image is compared, not only whether the line is exact."""
    scene = scene_of(
        np.random.default_rng(1), 1, aps=[[0.0, 0.0], [off, 100.0], [0.0, 200.0]],
        targets=[[80.0, 120.0]], velocities=[[30.0, -20.0]],
    )  # fmt: skip
    for seed in range(4):
        _, samples = echoes(scene, np.random.default_rng(seed))
        found = joint_ml.estimate(scene, samples, 1)
        assert not found.converged
        assert "other side" in found.reason


def test_one_metre_off_the_line_tells_the_side():
    scene = scene_of(
        np.random.default_rng(1), 1, aps=[[0.0, 0.0], [1.0, 100.0], [0.0, 200.0]],
        targets=[[80.0, 120.0]], velocities=[[30.0, -20.0]],
    )  # fmt: skip
    _, samples = echoes(scene, np.random.default_rng(1), snr_db=20.0)
    found = joint_ml.estimate(scene, samples, 1)
    assert found.converged
    assert found.positions[0, 0] > 0


def test_a_target_too_fast_comes_out_slower_by_one_period():
    """Seen along both diagonals: one velocity turns the phases of all by whole turns a symbol."""
    aps = [[0.0, 0.0], [200.0, 0.0], [0.0, 200.0], [200.0, 200.0]]
    slow = scene_of(
        np.random.default_rng(30), 1, aps=aps, targets=[[100.0, 100.0]], velocities=[[-60.0, 20.0]]
    )
    period = slow.wavelength / (2 * slow.waveform.symbol_period)  # of the speed along a sight
    fast = replace(slow, velocities=slow.velocities + [[np.sqrt(2) * period, 0.0]])
    _, samples = echoes(fast, np.random.default_rng(31), 10.0)
    found = joint_ml.estimate(fast, samples, 1)
    assert found.converged, found.reason
    assert np.abs(found.positions - fast.targets).max() < 1
    np.testing.assert_allclose(found.velocities, slow.velocities, atol=1)
    other = scene_of(
        np.random.default_rng(30), 1, targets=[[90.0, 120.0]], velocities=[[2 * period, 0.0]]
    )
    _, samples = echoes(other, np.random.default_rng(31), 10.0)
    assert not joint_ml.estimate(other, samples, 1).converged  # no velocity has all these shifts


def test_a_search_slower_than_a_cell_of_speed_still_searches(good):
    scene, samples = good
    found = joint_ml.detect(scene, samples, 1, [[60, 60], [140, 140]], 1e-3)
    assert np.isfinite(found.positions).all()


def test_other_objects_and_endless_searches_are_named(good):
    scene, samples = good
    area = [[60, 60], [140, 140]]
    for match, call in (
        ("samples must", lambda: joint_ml.estimate(scene, None, 1)),
        ("samples must", lambda: joint_ml.estimate(scene, (each for each in samples), 1)),
        ("samples must", lambda: joint_ml.estimate(scene, [1e200 * y for y in samples], 1)),
        ("corners must", lambda: joint_ml.estimate(scene, samples, 1, [[0, 0], [1e200, 1e200]])),
        ("corners must", lambda: joint_ml.detect(scene, samples, 1, [[0, 0], [1e7, 1e7]], 85.0)),
        ("max_speed must", lambda: joint_ml.detect(scene, samples, 1, area, 1e9)),
        ("scene must", lambda: joint_ml.fuse(None, np.ones((4, 3)), np.ones(4))),
        ("sights must", lambda: joint_ml.fuse(scene, 1e200 * np.ones((4, 3)), np.ones(4))),
        ("sight_snr must", lambda: joint_ml.fuse(scene, np.ones((4, 3)), 1e300 * np.ones(4))),
    ):
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
