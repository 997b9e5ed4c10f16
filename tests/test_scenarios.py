"""Scenes: what they refuse, what the samplers draw, and which power a beam sends where."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import constants, stats
from scipy.optimize import least_squares

from cfisac import propagation, scenarios
from cfisac.waveforms import OFDM, OTFS, FlatSpectrum

QUICK = settings(deadline=None, max_examples=15)
SEEDS = st.integers(0, 2**32 - 1)
WAVEFORM = OTFS(128, 128, 500e3)


def scene(seed=1, **changes):
    return scenarios.fan_scene(np.random.default_rng(seed), **changes)


def electrical_angle(origin, axis, point, spacing=0.5):
    """``2 pi spacing rho^T u``, point by point."""
    rho = (point - origin) / np.linalg.norm(point - origin)
    return 2 * np.pi * spacing * rho @ axis


def power_towards(covariance, omega):
    """``a^H C a`` with the book's steering vector."""
    a = np.exp(1j * omega * np.arange(len(covariance))) / np.sqrt(len(covariance))
    return np.real(a.conj() @ covariance @ a)


# ------------------------------------------------------------------------------ conventions


@QUICK
@given(SEEDS)
def test_a_beam_sends_its_power_where_the_source_says(seed):
    """Below fan_conf (12): |h^T conj(h_hat)|^2 with fan's own sign of the steering vector."""
    rng = np.random.default_rng(seed)
    drawn = scene(seed, n_users=1, pointing_error=5.0)
    p, t = rng.integers(len(drawn.transmitters)), rng.integers(2)
    origin, axis = drawn.transmitters[p], drawn.transmit_axes[p]
    guess = drawn.targets[t] + rng.normal(size=2)

    def printed(omega):  # fan_conf (11)
        return np.exp(-1j * omega * np.arange(16)) / 4

    h = printed(electrical_angle(origin, axis, drawn.targets[t]))
    h_hat = printed(electrical_angle(origin, axis, guess))
    expected = np.abs(h @ h_hat.conj()) ** 2
    beam = scenarios.sensing_beams(origin[None], axis[None], guess[None], 16)[0, 0]
    omega = electrical_angle(origin, axis, drawn.targets[t])
    assert power_towards(beam, omega) == pytest.approx(expected, abs=1e-12)


def test_covariance_is_that_of_random_precoders():
    """Mean power of h^T conj(v), v ~ CN(0, C): a^H C a. Deviation: one mean over sqrt(n)."""
    rng, n = np.random.default_rng(6), 20_000
    drawn = scene(6, n_users=2)
    beam = drawn.beams[3, 3]
    values, vectors = np.linalg.eigh(beam)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.conj().T  # Hermitian, so unique
    v = rng.normal(size=(n, 16, 2)) @ [1, 1j] / np.sqrt(2) @ root.T
    omega = 0.7
    a = np.exp(1j * omega * np.arange(16)) / 4
    sample = np.abs(v.conj() @ a) ** 2
    expected = power_towards(beam, omega)
    assert abs(sample.mean() - expected) < 4.5 * expected / np.sqrt(n)


def test_without_pointing_error_the_target_gets_all_power():
    drawn = scene(pointing_error=0.0)
    for p, (origin, axis) in enumerate(zip(drawn.transmitters, drawn.transmit_axes, strict=True)):
        for t, target in enumerate(drawn.targets):
            omega = electrical_angle(origin, axis, target)
            assert power_towards(drawn.beams[p, t], omega) == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------------------- fan's sampler


def test_fan_table_in_si_units():
    """fan_conf Table I, fan_journal Table III."""
    table = scenarios.FAN_TABLE
    assert table["bandwidth"] == table["n_subcarriers"] * 500e3 == WAVEFORM.bandwidth
    assert table["max_speed"] * 3.6 == pytest.approx(300)
    assert table["noise_variance"] == pytest.approx(1.2589e-12, rel=1e-4)
    assert table["mean_rcs"] == propagation.from_decibel(0)
    drawn = scene()
    assert drawn.n_antennas == 16
    assert drawn.beams.shape[1] == 12
    assert len(drawn.transmitters) + len(drawn.receivers) == 32
    assert drawn.noise_variance == table["noise_variance"]
    assert drawn.wavelength == pytest.approx(constants.speed_of_light / 38e9)
    assert drawn.waveform == WAVEFORM
    assert drawn.transmit_gain == drawn.receive_gain == pytest.approx(10**0.3)


@QUICK
@given(SEEDS)
def test_receivers_are_the_nearest_two_of_each_target(seed):
    drawn = scene(seed, n_targets=3)
    aps = np.concatenate([drawn.transmitters, drawn.receivers])
    wanted = set()
    for target in drawn.targets:
        order = np.argsort(np.hypot(*(aps - target).T))
        wanted |= {tuple(aps[i]) for i in order[:2]}
    assert wanted == {tuple(each) for each in drawn.receivers}
    assert not wanted & {tuple(each) for each in drawn.transmitters}


@QUICK
@given(SEEDS)
def test_everything_is_inside_the_square_and_nobody_too_near(seed):
    drawn = scene(seed)
    aps = np.concatenate([drawn.transmitters, drawn.receivers])
    for points in (aps, drawn.targets, drawn.users):
        assert points.min() >= 0
        assert points.max() <= 300
    for points in (drawn.targets, drawn.users):
        assert np.linalg.norm(points[:, None] - aps, axis=-1).min() >= 10
    assert np.linalg.norm(drawn.velocities, axis=-1).max() <= 300 / 3.6
    assert drawn.delays.shape == (len(drawn.transmitters), len(drawn.receivers), 2)
    assert drawn.delays.max() <= 2e-6


def test_delays_are_the_two_legs():
    drawn = scene()
    legs = [
        np.linalg.norm(drawn.targets[1] - each)
        for each in (drawn.transmitters[5], drawn.receivers[2])
    ]
    assert drawn.delays[5, 2, 1] == pytest.approx(sum(legs) / constants.speed_of_light)


def test_the_draws_have_the_stated_laws():
    """Kolmogorov-Smirnov over 400 scenes; and the pointing error, per axis one metre."""
    rng = np.random.default_rng(12)
    drawn = [
        scenarios.fan_scene(rng, 8, 1, 0, 2, pointing_error=2.0, max_delay=3e-6, min_distance=0.0)
        for _ in range(400)
    ]
    turn = np.concatenate([each.transmit_axes for each in drawn])
    speed = np.concatenate([np.linalg.norm(each.velocities, axis=-1) for each in drawn])
    heading = np.concatenate([np.arctan2(*each.velocities.T) for each in drawn])
    target = np.concatenate([each.targets.ravel() for each in drawn])
    around = stats.uniform(-np.pi, 2 * np.pi)
    for sample, law in (
        (np.arctan2(*turn.T), around), (heading, around),
        (speed, stats.uniform(0, 300 / 3.6)), (target, stats.uniform(0, 300)),
    ):  # fmt: skip
        assert stats.kstest(sample, law.cdf).pvalue > 1e-4
    # The second antenna's phase tells where the beam points: compare with the true direction.
    score = []
    for each in drawn:
        p = np.argmax(np.linalg.norm(each.transmitters - each.targets, axis=-1))  # the farthest
        offset = each.targets[0] - each.transmitters[p]
        distance = np.linalg.norm(offset)
        across = np.pi * abs(each.transmit_axes[p] @ [-offset[1], offset[0]]) / distance**2
        along = electrical_angle(each.transmitters[p], each.transmit_axes[p], each.targets[0])
        error = np.angle(each.beams[p, 0, 1, 0] * np.exp(-1j * along))
        score.append(error / (2.0 * across))
    assert stats.kstest(score, stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize("n_paths", [1, 3])
def test_data_beams_step_by_step(n_paths):
    """From path angles, gains and estimates, without the package's shortcuts; one direction."""
    changes = {"n_users": 3, "angle_spread": 0.2, "path_sector": 0.0, "pilot_energy": 5.0}
    drawn = scene(3, n_paths=n_paths, **changes)
    shares = [np.exp(-i) / sum(np.exp(-j) for j in range(n_paths)) for i in range(n_paths)]
    delta = np.linspace(-9, 9, 4001) * 0.2
    weight = np.exp(-((delta / 0.2) ** 2) / 2)
    for p in (0, 7):
        for q, user in enumerate(drawn.users):
            offset = user - drawn.transmitters[p]
            sine = offset @ drawn.transmit_axes[p] / np.linalg.norm(offset)
            wave = np.exp(1j * np.pi * np.outer(np.arange(16), np.sin(np.arcsin(sine) + delta)))
            loss = propagation.urban_microcell_path_loss(np.linalg.norm(offset), 38e9)
            total = np.zeros((16, 16), complex)
            for share in shares:
                r = share * 10 ** (-loss / 10) * (wave * weight / weight.sum()) @ wave.conj().T
                total += 5 * r @ np.linalg.inv(5 * r + drawn.noise_variance * np.eye(16)) @ r
            np.testing.assert_allclose(drawn.beams[p, 2 + q], total / np.trace(total), atol=1e-9)


def test_data_beams_of_one_sharp_path_point_at_the_user():
    drawn = scene(4, n_paths=1, angle_spread=0.0)
    matched = scenarios.sensing_beams(drawn.transmitters, drawn.transmit_axes, drawn.users, 16)
    np.testing.assert_allclose(drawn.beams[:, 2:], matched, atol=1e-9)


def test_further_paths_are_weaker_and_stay_in_their_sector():
    """Sharp paths, pilots without noise: ranks and weights of the beam are those of the paths."""
    drawn = scene(5, n_users=1, n_paths=3, angle_spread=0.0, pilot_energy=1e9, n_antennas=64)
    share = np.exp(-np.arange(3))
    share /= share.sum()
    spectra = np.linalg.eigvalsh(drawn.beams[:, 2])[:, ::-1]
    assert np.median(spectra[:, 1]) > share[1] / 2  # not one path alone
    for p, (beam, values) in enumerate(zip(drawn.beams[:, 2], spectra, strict=True)):
        assert values[3] < 1e-6
        assert values[:3].sum() == pytest.approx(1)
        first = electrical_angle(drawn.transmitters[p], drawn.transmit_axes[p], drawn.users[0])
        assert power_towards(beam, first) > share[0] - 1e-6
    straight = scene(5, n_users=1, n_paths=3, angle_spread=0.0, path_sector=0.0)
    one = scene(5, n_users=1, n_paths=3, angle_spread=0.0, path_sector=0.0, pilot_energy=1e3)
    np.testing.assert_allclose(straight.beams, one.beams, atol=1e-9)


def test_the_second_path_is_uniform_in_its_sector():
    """Two sharp paths: what their plane has beside the first must be parallel to the second's."""
    drawn = scene(7, n_users=10, n_paths=2, angle_spread=0.0, path_sector=0.1, pilot_energy=1e9)
    trial, found = np.linspace(-0.4, 0.4, 801), []
    for p, (origin, axis) in enumerate(zip(drawn.transmitters, drawn.transmit_axes, strict=True)):
        for q, user in enumerate(drawn.users):
            sine = (user - origin) @ axis / np.linalg.norm(user - origin)
            if abs(sine) > 0.8:  # beyond the end of the array a sector folds back
                continue
            angle = np.arcsin(sine) + np.append(0, trial)
            a = np.exp(1j * np.pi * np.outer(np.sin(angle), np.arange(16))) / 4
            first, others = a[0], a[1:] - np.outer(a[1:] @ a[0].conj(), a[0])
            size = np.linalg.norm(others, axis=1)
            plane = np.linalg.eigh(drawn.beams[p, 2 + q])[1][:, -2:]
            beside = plane @ (plane.conj().T @ first[::-1])  # any vector of the plane
            beside -= first * (first.conj() @ beside)
            beside /= np.linalg.norm(beside)
            share = np.abs(others.conj() @ beside) / np.where(size > 0.02, size, np.inf)
            found.append(trial[np.argmax(share)])
    assert len(found) > 100
    assert np.abs(found).max() < 0.102
    assert stats.kstest(found, stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-4


def test_users_are_everywhere_and_keep_their_distance():
    drawn = [scene(seed, n_targets=1, min_distance=20.0) for seed in range(30)]
    users = np.concatenate([each.users for each in drawn])
    assert stats.kstest(users[:, 0], stats.uniform(0, 300).cdf).pvalue > 1e-4
    assert stats.kstest(users[:, 1], stats.uniform(0, 300).cdf).pvalue > 1e-4
    for each in drawn:
        aps = np.concatenate([each.transmitters, each.receivers])
        assert np.linalg.norm(each.users[:, None] - aps, axis=-1).min() >= 20


def test_every_target_has_its_own_speed_and_one_rough_place_for_all_transmitters():
    drawn = scene(2, pointing_error=3.0)
    speed = np.linalg.norm(drawn.velocities, axis=-1)
    assert abs(speed[0] - speed[1]) > 1e-3

    # The place in which the beams of two transmitters meet is where all others point, too.
    def phases(place, p):
        along = electrical_angle(drawn.transmitters[p], drawn.transmit_axes[p], place)
        return np.angle(drawn.beams[p, 0, 1, 0] * np.exp(-1j * along))

    everyone = range(len(drawn.transmitters))
    fit = least_squares(lambda place: [phases(place, p) for p in everyone], drawn.targets[0])
    assert np.abs(fit.fun).max() < 1e-6
    assert np.linalg.norm(fit.x - drawn.targets[0]) > 0.1


def test_what_is_asked_for_is_in_the_scene():
    drawn = scene(n_aps=8, noise_variance=2e-12, carrier_frequency=10e9, mean_rcs=[1.0, 4.0])
    assert drawn.noise_variance == 2e-12
    assert drawn.wavelength == pytest.approx(constants.speed_of_light / 10e9)
    assert drawn.mean_rcs.tolist() == [1, 4]
    assert scene(carrier_frequency=120e9, n_users=0).carrier_frequency == 120e9
    assert scene(n_users=0, pilot_energy=0).beams.shape[1] == 2


@pytest.mark.parametrize(
    ("waveform", "limit", "side"),
    [
        (OTFS(16, 16, 1e6), 1e-6, 150), (OTFS(16, 16, 100e3), 2e-6, 300),
        (OFDM(16, 16, 1e6, 0.8e-6), 0.8e-6, 150),
    ],
)  # fmt: skip
def test_paths_are_no_longer_than_a_symbol_or_its_prefix(waveform, limit, side):
    longest = [
        scene(seed, n_aps=8, n_targets=1, n_users=0, waveform=waveform, side=side).delays.max()
        for seed in range(40)
    ]
    assert 0.7 * limit < max(longest) <= limit


def test_equal_seeds_share_what_does_not_depend_on_the_change():
    base = scene()
    for change in ({"n_antennas": 8}, {"mean_rcs": 5.0}, {"gain_db": 0.0}):
        other = scene(**change)
        for name in ("transmitters", "receivers", "targets", "velocities", "users"):
            np.testing.assert_array_equal(getattr(base, name), getattr(other, name))
    np.testing.assert_array_equal(base.beams, scene().beams)
    more = scene(n_targets=4)
    np.testing.assert_array_equal(base.users, more.users)
    everyone = [np.concatenate([each.transmitters, each.receivers]) for each in (base, more)]
    np.testing.assert_array_equal(*(np.sort(each, axis=0) for each in everyone))
    assert not np.array_equal(scene(1).users, scene(2).users)


def test_number_of_receivers_and_full_duplex():
    fixed = scene(n_receivers=2)
    assert len(fixed.receivers) == 2
    assert len(fixed.transmitters) == 30
    for sent in fixed.transmitters:  # none of them is nearer to a target than the receivers are
        nearest = np.linalg.norm(sent - fixed.targets, axis=-1).min()
        heard = np.linalg.norm(fixed.receivers[:, None] - fixed.targets, axis=-1).min(axis=1)
        assert nearest > heard.max()
    both = scene(full_duplex=True)
    assert len(both.transmitters) == 32
    assert {tuple(each) for each in both.receivers} < {tuple(each) for each in both.transmitters}
    with pytest.raises(ValueError, match="full_duplex"):
        replace(both, full_duplex=False)
    alone = scene(n_users=0)
    assert alone.beams.shape[1] == 2
    assert alone.users.shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"n_aps": 0}, "n_aps"), ({"n_aps": 2}, "n_aps"), ({"n_targets": 0}, "n_targets"),
        ({"n_users": -1}, "n_users"), ({"n_antennas": 1.5}, "n_antennas"),
        ({"nearest": 0}, "nearest"), ({"n_receivers": 0}, "n_receivers"),
        ({"n_receivers": 32}, "n_aps"), ({"n_paths": 0}, "n_paths"), ({"side": 0}, "side"),
        ({"side": 30.0}, "min_distance"), ({"max_delay": 1e-8}, "max_delay"),
        ({"max_speed": -1}, "max_speed"), ({"pointing_error": np.nan}, "pointing_error"),
        ({"min_distance": -1}, "min_distance"), ({"path_sector": "wide"}, "path_sector"),
        ({"angle_spread": -0.1}, "angle_spread"), ({"pilot_energy": -1}, "pilot_energy"),
        ({"pilot_energy": 0}, "pilot_energy"), ({"pilot_energy": -1, "n_users": 0}, "pilot_energy"),
        ({"noise_variance": 0}, "noise_variance"), ({"mean_rcs": -1}, "mean_rcs"),
        ({"carrier_frequency": 0.1e9}, "carrier_frequency"), ({"gain_db": [1, 2]}, "gain_db"),
        ({"waveform": FlatSpectrum(1e6)}, "waveform"),
    ],
)  # fmt: skip
def test_fan_scene_refuses(changes, name):
    with pytest.raises(ValueError, match=name):
        scene(**changes)


# ------------------------------------------------------------------------ what a scene refuses


def small(**changes):
    """A scene with two transmitters, one receiver and two targets, typed in."""
    arguments = {
        "transmitters": [[0, 0], [100, 0]], "receivers": [[50, 80]],
        "transmit_axes": [[1, 0], [0.6, 0.8]], "receive_axes": [[0, 1]],
        "targets": [[40, 40], [60, 30]], "velocities": [[1, 2], [0, 0]],
        "n_antennas": 2, "beams": np.broadcast_to(np.eye(2) / 2, (2, 3, 2, 2)),
        "waveform": WAVEFORM, "carrier_frequency": 38e9, "noise_variance": 1e-12, "mean_rcs": 1.0,
    }  # fmt: skip
    return scenarios.MultistaticScene(**(arguments | changes))


def test_a_scene_keeps_copies_that_cannot_be_written_to():
    targets = np.array([[40.0, 40.0], [60.0, 30.0]])
    kept = small(targets=targets, mean_rcs=np.array([1.0, 2.0]))
    targets[0] = 0
    assert kept.targets[0, 0] == 40
    for name in ("transmitters", "receive_axes", "targets", "velocities", "beams", "mean_rcs"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(kept, name)[...] = 0
    assert small(mean_rcs=2).mean_rcs == 2.0
    assert small(users=[[1, 1]]).users.shape == (1, 2)


def test_replace_checks_again():
    kept = small()
    assert replace(kept, noise_variance=2e-12).noise_variance == 2e-12
    with pytest.raises(ValueError, match="noise_variance"):
        replace(kept, noise_variance=-1)
    with pytest.raises(ValueError, match="velocities"):
        replace(kept, targets=[[40, 40]])
    with pytest.raises(ValueError, match="targets"):
        replace(kept, targets=[[40, 40], [50, 80]])


# Trace two; not Hermitian; an eigenvalue below zero.
NOT_BEAMS = [
    np.eye(2), np.array([[0.5, 0.2], [0.0, 0.5]]), np.diag([1.5, -0.5]),
    np.diag([1 + 1e-6, -1e-6]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"transmitters": [[0, 0, 0]]}, "transmitters"), ({"receivers": []}, "receivers"),
        ({"receivers": [[np.nan, 0]]}, "receivers"), ({"transmit_axes": [[1, 0]]}, "transmit_axes"),
        ({"transmit_axes": [[1, 0], [1, 1]]}, "transmit_axes"),
        ({"receive_axes": [[0, 0]]}, "receive_axes"),
        ({"receive_axes": [[0, 1 + 1e-7]]}, "receive_axes must be unit vectors.*1.0000001"),
        ({"velocities": [[0, 0]]}, "velocities"),
        ({"n_antennas": 3}, "beams"), ({"n_antennas": 0}, "n_antennas"),
        ({"n_antennas": [2]}, "n_antennas"),
        ({"beams": np.broadcast_to(np.eye(2) / 2, (2, 1, 2, 2))}, "beams"),
        ({"beams": np.eye(2) / 2}, "beams"),
        ({"beams": np.broadcast_to(np.eye(2), (2, 3, 2, 2))}, "beams must have trace one"),
        ({"beams": np.broadcast_to([[0.5, 0.2], [0, 0.5]], (2, 3, 2, 2))}, "beams .* Hermitian"),
        ({"beams": np.broadcast_to([[0.5, 0.9], [0.9, 0.5]], (2, 3, 2, 2))}, "semidefinite"),
        *(({"beams": np.broadcast_to(each, (2, 3, 2, 2))}, "beams") for each in NOT_BEAMS),
        ({"carrier_frequency": 0}, "carrier_frequency"), ({"noise_variance": 0}, "noise_variance"),
        ({"mean_rcs": -1}, "mean_rcs"), ({"mean_rcs": [1, 2, 3]}, "mean_rcs"),
        ({"transmit_gain": 0}, "transmit_gain"), ({"receive_gain": "3"}, "receive_gain"),
        ({"spacing": 0}, "spacing"), ({"full_duplex": 1}, "full_duplex"),
        ({"receivers": [[0, 0]]}, "full_duplex"), ({"targets": [[0, 0], [1, 1]]}, "targets"),
        ({"targets": [[50, 80], [1, 1]], "full_duplex": True}, "targets"),
        ({"users": [[1, 1], [2, 2]]}, "users"), ({"waveform": None}, "waveform"),
        ({"waveform": FlatSpectrum(1e6)}, "waveform"),
        ({"waveform": OFDM(8, 8, 500e3, 1e-7)}, "cyclic prefix"),
    ],
)  # fmt: skip
def test_a_scene_refuses(changes, name):
    with pytest.raises(ValueError, match=name):
        small(**changes)


@pytest.mark.parametrize("kind", ["its own reverse", "almost", "any"])
@pytest.mark.parametrize("n_antennas", [2, 3, 16])
@pytest.mark.parametrize(("lowest", "passes"), [(-8e-10, True), (-1.2e-9, False)])
def test_a_beam_may_be_a_billionth_below_zero(n_antennas, kind, lowest, passes):
    """The only beam of 400 whose lowest eigenvalue is not clearly positive decides."""
    rng = np.random.default_rng(n_antennas)
    parts = rng.normal(size=(2, n_antennas, n_antennas))
    axes = np.linalg.qr(parts[0] + 1j * parts[1])[0]
    if kind != "any":  # columns that equal their reverse conjugates
        real = np.linalg.qr(parts[0])[0]
        axes = ((1 - 1j) * real + (1 + 1j) * real[::-1]) / 2
    values = np.full(n_antennas, (1 - lowest) / (n_antennas - 1))
    values[0] = lowest
    beam = (axes * values) @ axes.conj().T
    assert np.linalg.eigvalsh(beam)[0] == pytest.approx(lowest, rel=1e-4)
    if kind != "any":
        assert np.abs(beam - beam.conj()[::-1, ::-1]).max() < 1e-14
    if kind == "almost":
        beam[0, -1] += 1e-13
        beam[-1, 0] += 1e-13
    beams = np.broadcast_to(np.eye(n_antennas) / n_antennas, (2, 200, n_antennas, n_antennas))
    beams = beams.astype(complex)
    beams[1, 190] = beam
    if passes:
        assert small(beams=beams, n_antennas=n_antennas).beams.shape == beams.shape
    else:
        with pytest.raises(ValueError, match="semidefinite"):
            small(beams=beams, n_antennas=n_antennas)


def test_a_scene_accepts_prefixes_that_are_long_enough():
    longest = small().delays.max()
    assert small(waveform=OFDM(8, 8, 500e3, longest)).waveform.cp_duration == longest
    assert small(waveform=OFDM(8, 8, 500e3)).waveform.cp_duration == 0  # ideal, no prefix
    assert small(full_duplex=np.True_, receivers=[[0, 0]]).full_duplex


def test_the_longest_path_of_all_decides_about_the_prefix():
    by_target = small().delays.max(axis=(0, 1))
    assert by_target.min() < by_target.max()
    with pytest.raises(ValueError, match="cyclic prefix"):
        small(waveform=OFDM(8, 8, 500e3, by_target.mean()))


# ------------------------------------------------------------------------------- power shares


def test_equal_power_is_the_rule_of_the_source():
    """Text of fan_conf Section V: eta = P_d / sum of the traces b, here b = 1."""
    drawn = scene(n_users=4)
    power = scenarios.equal_power(drawn, 2.0)
    assert power.shape == drawn.beams.shape[:2]
    np.testing.assert_allclose(power.sum(axis=1), 2.0)
    traces = np.trace(drawn.beams, axis1=-2, axis2=-1).real
    np.testing.assert_allclose(power, 2.0 / traces.sum(axis=1)[:, None] * np.ones(6))
    assert (scenarios.equal_power(drawn, 0) == 0).all()
    with pytest.raises(ValueError, match="total_power"):
        scenarios.equal_power(drawn, -1)


def test_sensing_beams_of_another_spacing():
    beam = scenarios.sensing_beams([[0, 0]], [[0.6, 0.8]], [[30, 10]], 4, 0.25)[0, 0]
    omega = electrical_angle(np.zeros(2), np.array([0.6, 0.8]), np.array([30, 10]), 0.25)
    assert power_towards(beam, omega) == pytest.approx(1)


def test_sensing_beams_refuse():
    good = [[[0, 0]], [[1, 0]], [[5, 5]], 4]
    assert scenarios.sensing_beams(*good).shape == (1, 1, 4, 4)
    for place, value, name in (
        (0, [0, 0], "transmitters"), (1, [[1, 1]], "transmit_axes"), (2, [[0, 0]], "points"),
        (3, 0, "n_antennas"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            scenarios.sensing_beams(*good[:place], value, *good[place + 1 :])


# --------------------------------------------------------------------------------------- liu


def test_liu_scene_has_the_printed_parameters():
    drawn = scenarios.liu_scene(np.random.default_rng(1), 500)
    assert {tuple(each) for each in drawn.aps} == {(0, 0), (350, 0), (0, 350), (350, 350)}
    assert drawn.n_antennas.tolist() == [8, 8, 8, 8]
    assert drawn.targets.min() >= 125
    assert drawn.targets.max() <= 225
    speed, heading = np.hypot(*drawn.velocities.T), np.arctan2(*drawn.velocities.T[::-1])
    for sample, low, high in (
        (drawn.targets.ravel(), 125, 225), (speed, 90, 120), (heading, 0, np.pi),
    ):  # fmt: skip
        assert stats.kstest(sample, stats.uniform(low, high - low).cdf).pvalue > 1e-4
    waveform = drawn.waveform
    assert (waveform.n_subcarriers, waveform.n_symbols) == (128, 128)
    assert waveform.cp_duration + 1 / 30e3 == pytest.approx(0.5e-3 / 14)
    assert drawn.wavelength == pytest.approx(constants.speed_of_light / 3.5e9)


def test_liu_snr_by_hand():
    """247.5 m, 1 W over 128 subcarriers, beam gain 8, 7 dB noise figure: about -10 dB."""
    drawn = replace(
        scenarios.liu_scene(np.random.default_rng(1)), targets=[[175, 175]], velocities=[[90, 0]]
    )
    wavelength = constants.speed_of_light / 3.5e9
    distance = 175 * np.sqrt(2)
    alpha = wavelength**2 / ((4 * np.pi) ** 3 * distance**4)
    noise = constants.Boltzmann * 290 * 30e3 * 10**0.7
    np.testing.assert_allclose(
        drawn.sample_snr, np.full((4, 1), 8 * alpha / 128 / noise), rtol=1e-12
    )
    assert propagation.decibel(drawn.sample_snr[0, 0]) == pytest.approx(-9.9, abs=0.1)
    uneven = replace(drawn, n_antennas=[4, 8, 8, 12])
    np.testing.assert_allclose(uneven.sample_snr[:, 0] / drawn.sample_snr[:, 0], [0.5, 1, 1, 1.5])
    louder = replace(drawn, mean_rcs=2.0, transmit_power=drawn.transmit_power / 4)
    np.testing.assert_allclose(louder.sample_snr, drawn.sample_snr / 2)
    two = replace(drawn, targets=[[175, 175]] * 2, velocities=np.ones((2, 2)), mean_rcs=[1, 3])
    np.testing.assert_allclose(two.sample_snr, drawn.sample_snr * [1, 3])
    assert two.delays.shape == (4, 2)
    np.testing.assert_allclose(two.delays, 2 * distance / constants.speed_of_light)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"aps": [[0, 0, 0]]}, "aps"), ({"aps": [[175, 175]], "n_antennas": 8}, "targets"),
        ({"n_antennas": [8, 8]}, "n_antennas"), ({"n_antennas": 0}, "n_antennas"),
        ({"velocities": [[0, 0], [1, 1]]}, "velocities"), ({"waveform": "OFDM"}, "waveform"),
        ({"noise_variance": 0}, "noise_variance"), ({"transmit_power": 0}, "transmit_power"),
        ({"carrier_frequency": -1}, "carrier_frequency"), ({"mean_rcs": -1}, "mean_rcs"),
        ({"spacing": np.inf}, "spacing"), ({"mean_rcs": [1, 2]}, "mean_rcs"),
        ({"targets": [[5000, 0]]}, "cyclic prefix"),
    ],
)  # fmt: skip
def test_monostatic_scene_refuses(changes, name):
    drawn = replace(
        scenarios.liu_scene(np.random.default_rng(1)), targets=[[175, 175]], velocities=[[90, 0]]
    )
    with pytest.raises(ValueError, match=name):
        replace(drawn, **changes)


def test_liu_scene_refuses():
    with pytest.raises(ValueError, match="n_targets"):
        scenarios.liu_scene(np.random.default_rng(1), 0)


# ------------------------------------------------------------------------- zhang and commit


def test_square_grid():
    grid = scenarios.square_grid(16)
    assert sorted(set(grid[:, 0])) == sorted(set(grid[:, 1])) == [-75, -25, 25, 75]
    np.testing.assert_allclose(scenarios.square_grid(16, 100.0), grid / 2)
    assert scenarios.square_grid(1).tolist() == [[0, 0]]
    distance = np.linalg.norm(scenarios.square_grid(16, 100.0), axis=-1)
    assert distance.min() == pytest.approx(17.68, abs=0.01)
    assert distance.max() == pytest.approx(53.03, abs=0.01)
    for arguments, name in (((5,), "n_aps"), ((0,), "n_aps"), ((4, 0), "side"), ((4.5,), "n_aps")):
        with pytest.raises(ValueError, match=name):
            scenarios.square_grid(*arguments)


def test_deployments():
    for name in scenarios.DEPLOYMENTS:
        aps = scenarios.deploy(np.random.default_rng(2), name, 4, 7, 60.0)
        assert aps.shape == (7, 4, 2)
        assert np.abs(aps).max() <= 30
    draw = scenarios.deploy(np.random.default_rng(2), "cell-free random", 4, 7, 60.0)
    np.testing.assert_array_equal(draw, np.random.default_rng(2).uniform(-30, 30, (7, 4, 2)))
    base = scenarios.deploy(np.random.default_rng(2), "random base station", 4, 7, 60.0)
    assert (np.ptp(base, axis=1) == 0).all()
    assert np.ptp(base[:, 0], axis=0).min() > 0
    assert (scenarios.deploy(np.random.default_rng(2), "centralised", 4, 7) == 0).all()
    for arguments, name in (
        (("nowhere", 1, 1), "deployment"), (("centralised", 0, 1), "n_aps"),
        (("centralised", 1, 0), "n_users"), (("centralised", 1, 1, -1), "side"),
        (("cell-free grid", 3, 1), "n_aps"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            scenarios.deploy(np.random.default_rng(), *arguments)
