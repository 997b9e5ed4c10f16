"""The studies of fan: the simulator against independent computations, and what the tables say."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
import sympy as sp
from scipy.constants import speed_of_light

from cfisac import fisher, signals, studies
from cfisac.estimators import position_ml
from cfisac.estimators._position_likelihood import value_and_score
from cfisac.limits import _scene, multistatic
from cfisac.scenarios import equal_power, fan_scene
from cfisac.studies import fan
from cfisac.waveforms import OTFS

FIG2 = studies.stored("fan_conf-fig2")
FIG5 = studies.stored("fan_journal-fig5")
TABLE5 = studies.stored("fan_journal-table5").set_index("waveform")


@pytest.fixture(scope="module")
def short():
    """A scene with the short frame, its drawn spectra and gains."""
    scene = replace(fan.draw_scene(0, 2, "two"), waveform=fan.SHORT)
    rng = np.random.default_rng(7)
    power = equal_power(scene)
    return scene, power, signals.draw_spectra(scene, power, rng), multistatic.draw_gains(scene, rng)


# ------------------------------------------------------------------------- the simulator


def test_spectra_have_the_covariance_of_the_beams(short):
    """E{s s^H} = conj(V): over the frame's samples, within five standard errors."""
    scene, power, sent, _ = short
    covariance = np.einsum("pq,pqij->pij", power, scene.beams).conj()
    samples = sent.reshape(*sent.shape[:2], -1)
    drawn = samples @ samples.conj().swapaxes(-1, -2) / samples.shape[-1]
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1).real
    error = np.sqrt(diagonal[:, :, None] * diagonal[:, None] / samples.shape[-1])
    assert np.max(np.abs(drawn - covariance) / error) < 5


@pytest.mark.parametrize(("p", "r", "t"), [(0, 0, 0), (5, 1, 1), (20, 0, 1)])
def test_signatures_are_those_of_the_exact_operator(short, p, r, t):
    """In time, up to a phase that the gain hides: OTFS.apply on the delay-Doppler grid."""
    scene, _, sent, _ = short
    parameters, _ = _scene.parameters(scene)
    omega_r, omega_t, delay, doppler = parameters[p, r, t]
    index = np.arange(scene.n_antennas)
    spectrum = np.einsum("a,anm->nm", np.exp(1j * omega_t * index) / 4, sent[p])
    time = np.fft.ifft(spectrum, axis=-1, norm="ortho")
    grid = scene.waveform.apply(np.fft.fft(time, axis=0, norm="ortho"), delay, doppler)
    expected = np.fft.ifft(grid, axis=0, norm="ortho").ravel()
    paths = signals.path_signatures(scene, sent)
    turn = np.exp(2j * np.pi * delay * doppler)
    np.testing.assert_allclose(paths.samples[r, 0, t, p], expected * turn, atol=1e-12)
    np.testing.assert_allclose(paths.antenna[r, 0, t], np.exp(1j * omega_r * index) / 4, atol=1e-12)


def test_score_and_information_are_those_of_the_profile_likelihood(short):
    """Gradient by differences; at the truth, without noise, so is the curvature."""
    scene, _, sent, gains = short
    noise_variance = 1e-3 * scene.noise_variance
    mean = signals.received(signals.path_signatures(scene, sent), gains)

    def value(shift, samples=mean):
        moved = scene.targets + np.reshape(shift, (2, 2))
        paths = signals.path_signatures(scene, sent, moved, edges=scene.targets)
        return position_ml.likelihood(paths, samples, noise_variance)

    _, score, information, _ = value(np.zeros(4))
    peb = np.sqrt(np.diagonal(np.linalg.inv(information)))
    assert np.max(np.abs(score) * peb) < 1e-6
    given = position_ml.likelihood(
        signals.path_signatures(scene, sent), mean, noise_variance, gains
    )
    np.testing.assert_allclose(given[2], information, rtol=1e-6)
    away = 20 * peb * np.array([1, -1, 1, 1])
    _, score, _, _ = value(away)
    slopes = oracle.derivatives(lambda move: value(move)[0], away, 0.5 * peb, order=2)
    np.testing.assert_allclose(slopes, score, rtol=1e-3, atol=1e-3 * np.abs(score).max())
    curvature = oracle.derivatives(lambda move: value(move)[1], np.zeros(4), 1e-2 * peb, order=2)
    scale = np.sqrt(np.outer(np.diag(information), np.diag(information)))
    np.testing.assert_allclose(-curvature / scale, information / scale, atol=1e-3)


def test_value_and_score_need_no_derivative_of_a_path(short):
    """The adjoint gives what the derivatives of all paths do, anywhere."""
    scene, _, sent, gains = short
    rng = np.random.default_rng(5)
    mean = signals.received(signals.path_signatures(scene, sent), gains)
    noise = rng.normal(scale=np.sqrt(scene.noise_variance / 2), size=(2, *mean.shape))
    samples = mean + noise[0] + 1j * noise[1]
    for positions in scene.targets + rng.normal(size=(3, 2, 2)):
        value, score = value_and_score(scene, sent, samples, positions, scene.delays)
        given = position_ml.likelihood(
            signals.path_signatures(scene, sent, positions, edges=scene.targets),
            samples,
            scene.noise_variance,
        )
        assert value == pytest.approx(given[0], rel=1e-10)
        np.testing.assert_allclose(score, given[1], atol=1e-9 * np.abs(given[1]).max())


def test_the_search_starts_where_the_beams_of_the_frame_point():
    """A metre off per axis, and drawn anew for every frame."""
    rng, misses = np.random.default_rng(8), []
    for _ in range(40):
        scene, start = fan.draw_frame_scene(rng, 2, "two", 0.0)
        misses.append(start - scene.targets)
        towards = start - scene.transmitters[:, None]
        sine = np.einsum("pti,pi->pt", towards, scene.transmit_axes)
        sine /= np.linalg.norm(towards, axis=-1)
        a = np.exp(1j * np.pi * sine[..., None] * np.arange(16)) / 4
        beams = scene.beams[:, :2]
        lit = np.einsum("pti,ptij,ptj->pt", a.conj(), beams, a).real
        np.testing.assert_allclose(lit, np.trace(beams, axis1=-2, axis2=-1).real, rtol=1e-9)
    misses = np.ravel(misses)
    assert misses.std() == pytest.approx(1, abs=5 / np.sqrt(2 * misses.size))
    assert abs(misses.mean()) < 5 / np.sqrt(misses.size)


def test_the_start_decides_nothing_where_the_echoes_are_strong():
    """From three places that err by a metre the search ends at one top, that nearest the truth."""
    rng = np.random.default_rng(6)
    scene, _ = fan.draw_frame_scene(rng, 2, "two", 10.0)
    gains = multistatic.draw_gains(scene, rng)
    sent = signals.draw_spectra(scene, equal_power(scene), rng)
    mean = signals.received(signals.path_signatures(scene, sent), gains)
    noise = rng.normal(scale=np.sqrt(scene.noise_variance / 2), size=(2, *mean.shape))
    samples = mean + noise[0] + 1j * noise[1]
    best = fan.locate(scene, sent, samples, scene.targets)
    for start in scene.targets + rng.normal(size=(3, 2, 2)):
        found = fan.locate(scene, sent, samples, start)
        np.testing.assert_allclose(found, best, atol=1e-6)


def test_information_of_a_drawn_frame_is_near_the_bound(short):
    """One frame, all paths coupled, against the sum over paths in the mean over symbols."""
    scene, power, sent, gains = short
    paths = signals.path_signatures(scene, sent)
    mean = signals.received(paths, gains)
    _, _, information, _ = position_ml.likelihood(paths, mean, scene.noise_variance, gains)
    efim = multistatic.position_efim(scene, power, gains=gains)
    for t in range(2):
        block = information[2 * t : 2 * t + 2, 2 * t : 2 * t + 2]
        ratio = np.divide(*fisher.position_error_bound([block, efim[t]]))
        assert ratio == pytest.approx(1, abs=0.1)


def test_located_targets_are_at_the_top_of_the_likelihood(short):
    scene, _, sent, gains = short
    rng = np.random.default_rng(3)
    mean = signals.received(signals.path_signatures(scene, sent), gains)
    noise = rng.normal(scale=np.sqrt(scene.noise_variance / 200), size=(2, *mean.shape))
    samples = mean + noise[0] + 1j * noise[1]
    start = scene.targets + rng.normal(size=(2, 2))
    found = fan.locate(scene, sent, samples, start)
    top, score, information, _ = position_ml.likelihood(
        signals.path_signatures(scene, sent, found, edges=scene.targets),
        samples,
        scene.noise_variance / 100,
    )
    deviation = np.sqrt(np.diagonal(np.linalg.inv(information)))
    assert np.max(np.abs(score) * deviation) < 1e-4
    assert np.max(np.abs(found - scene.targets).ravel() / deviation) < 6
    truth, *_ = position_ml.likelihood(
        signals.path_signatures(scene, sent), samples, scene.noise_variance / 100
    )
    assert top >= truth


def test_the_estimator_attains_the_bound_where_the_echoes_are_strong():
    """At 20 dBsm, seeded: the mean square error is the bound of the coupled frame."""
    trials = [
        fan.simulation_trial(np.random.default_rng([50, number]), 1, "two", 20.0)
        for number in range(6)
    ]
    assert all(trial["outlier_share"] == 0 for trial in trials)
    excess = [trial["mse_over_crlb"] - trial["coupled_over_crlb"] for trial in trials]
    error = np.std(excess, ddof=1) / np.sqrt(len(excess))
    assert abs(np.mean(excess)) < 5 * error + 0.01
    assert error < 0.03  # thanks to the control variate


def test_scenes_of_one_number_share_access_points_and_users():
    one, four = (fan.draw_scene(3, n_targets, "two per target") for n_targets in (1, 4))
    np.testing.assert_array_equal(one.users, four.users)
    places = [np.concatenate([each.transmitters, each.receivers]) for each in (one, four)]
    assert {tuple(p) for p in places[0]} == {tuple(p) for p in places[1]}
    assert len(fan.draw_scene(3, 4, "two").receivers) == 2
    assert len(four.receivers) > 2


# ------------------------------------------------------------ fan_conf-fig2, fan_journal-fig3


def figure_2(receivers, rcs_dbsm=0):
    rows = FIG2[(FIG2.rcs_dbsm == rcs_dbsm)]
    rows = rows[(rows.receivers == receivers) | (rows.n_targets == 1)]
    return rows.set_index("n_targets")


def test_figure_2_falls_by_ten_decibels_of_rcs_to_its_root_tenth():
    for _, rows in FIG2.groupby(["n_targets", "receivers"]):
        for column in ("peb_exact_m", "peb_approximate_m", "peb_fluctuating_m"):
            scaled = rows[column] * 10 ** (rows.rcs_dbsm / 20)
            np.testing.assert_allclose(scaled, scaled.iloc[0], rtol=1e-9)


def test_figure_2_approximation_is_above_the_bound():
    """In these scenes, with 16 antennas and beams that err by a metre."""
    ratio = FIG2.peb_approximate_m / FIG2.peb_exact_m
    assert ratio.between(1.3, 1.7).all()


def test_figure_2_gap_grows_with_the_number_of_targets():
    for receivers in ("two", "two per target"):
        rows = figure_2(receivers)
        assert (np.diff(rows.peb_approximate_m / rows.peb_exact_m) > 0).all()


def test_figure_2_more_targets_cost_accuracy_only_at_a_fixed_number_of_receivers():
    fixed, union = figure_2("two").peb_exact_m, figure_2("two per target").peb_exact_m
    assert (np.diff(fixed) > 0).all()
    assert (np.diff(union) < 0).all()


def test_figure_2_fluctuating_targets_are_a_few_per_cent_worse():
    assert (FIG2.peb_fluctuating_m / FIG2.peb_exact_m).between(1.01, 1.08).all()


def test_figure_2_simulation_comes_down_to_the_bound():
    """At 10 dBsm the RMSE is near the bound, at -10 dBsm well above it; no row is below it."""
    strong, weak = FIG2[FIG2.rcs_dbsm == 10], FIG2[FIG2.rcs_dbsm == -10]
    assert np.sqrt(strong.mse_over_crlb).between(0.97, 1.15).all()
    assert np.sqrt(weak.mse_over_crlb.mean()) > 1.3
    floor = 1 - 4 * FIG2.mse_over_crlb_se
    assert (FIG2.mse_over_crlb > floor).all()


def test_figure_2_standard_errors_are_below_five_per_cent():
    assert (FIG2.mse_over_crlb_se < 0.05 * FIG2.mse_over_crlb).all()
    assert (FIG2.coupled_over_crlb_se < 0.01 * FIG2.coupled_over_crlb).all()


def test_figure_2_other_peaks_are_found_where_the_echoes_are_weak():
    share = FIG2.groupby("rcs_dbsm").outlier_share.mean()
    assert share[-10] > share[0] > share[10]
    assert share[10] < 0.005


def test_figure_2_echoes_are_weak_where_the_simulation_leaves_the_bound():
    """Median SNR of an echo over the whole frame: what the fit of its gain has to live on."""
    median = {}
    for n_targets in (1, 2, 4):
        echoes = []
        for number in range(6):
            scene = fan.draw_scene(number, n_targets, "two per target")
            power = equal_power(scene)
            parameters, _ = _scene.parameters(scene)
            beams = np.einsum("pq,pqij->pij", power, scene.beams)
            shine, _ = multistatic.beam_gains(parameters[:, 0, :, 1], beams[:, None])
            gains = np.abs(multistatic.rms_gains(scene)) ** 2 * shine[:, None]
            echoes.append(gains.ravel() * 128**2 / scene.noise_variance)
        median[n_targets] = np.median(np.concatenate(echoes))
    assert median[1] > median[2] > median[4]
    assert median[2] / 10 < 1 < median[4] * 10


def test_figure_2_paths_of_a_frame_couple_little():
    assert FIG2.coupled_over_crlb.between(0.98, 1.06).all()


# ----------------------------------------------------------------------------- fan_journal-fig5


def figure_5(receivers):
    return FIG5[FIG5.receivers == receivers].set_index("aoa_deg")


@pytest.mark.parametrize("receivers", ["RX1", "RX2", "both"])
def test_figure_5_angle_error_is_infinite_along_the_array_and_least_across_it(receivers):
    rows = figure_5(receivers)
    angle = rows.angle_error_median_deg
    assert np.isinf(angle[[0, 180]]).all()
    assert angle.idxmin() == 90
    inside = angle[(angle.index > 0) & (angle.index < 180)]
    sine = np.sin(np.deg2rad(inside.index.to_numpy()))
    np.testing.assert_allclose(inside * sine, angle[90], rtol=1e-9)
    # The position error stays finite, for the delays fix it; it, too, is least at 90 degrees.
    assert np.isfinite(rows.peb_mean_m).all()
    assert rows.peb_mean_m.idxmin() == 90
    assert rows.peb_mean_m[0] == rows.peb_mean_m.max()
    assert 1.3 < rows.peb_mean_m[0] / rows.peb_mean_m[90] < 1.7


def test_figure_5_flat_bottom_and_the_order_of_the_curves():
    near, far, both = (figure_5(name).peb_mean_m for name in ("RX1", "RX2", "both"))
    assert (far > near).all()
    assert (both < near).all()
    for curve in (near, far, both):  # within 60 to 120 degrees nearly nothing happens
        assert curve[60] / curve[90] < 1.06


def test_figure_5_ratios_state_their_standard_error():
    """The rise along the array is far beyond what the choice of 32 scenes may do."""
    for receivers in ("RX1", "RX2", "both"):
        rows = figure_5(receivers)
        assert (rows.n_scenes == fan.N_SCENES).all()
        assert rows.peb_over_peb_at_90_deg[90] == 1
        rise = rows.peb_over_peb_at_90_deg[0] - 1
        assert rise > 4 * rows.peb_over_peb_at_90_deg_se[0]


def test_standard_error_of_a_median():
    """Against the spread of the medians of many samples; of an infinite sample there is none."""
    draws = np.random.default_rng(2).exponential(size=(4000, 32))
    spread = np.median(draws, axis=1).std()
    claimed = np.mean([fan.median_error(sample) for sample in draws])
    assert claimed == pytest.approx(spread, rel=0.1)
    assert np.isnan(fan.median_error(np.array([1.0, 2.0, np.inf])))


def test_figure_5_depends_on_the_sine_alone():
    for receivers in ("RX1", "RX2", "both"):
        rows = figure_5(receivers)
        for low, high in ((0, 180), (1, 179), (5, 175), (15, 165), (30, 150), (60, 120)):
            assert rows.peb_mean_m[low] == pytest.approx(rows.peb_mean_m[high], rel=1e-9)


def test_antennas_do_not_help_along_the_array():
    """At 0 degrees the receiver's angle brings nothing, however many antennas there are."""
    scene = fan.turned_receivers(fan.single_target_scenes()[0], "RX1", 0)
    _, jacobian = _scene.parameters(scene)
    assert np.abs(jacobian[..., 0, :]).max() < 1e-12
    across = fan.turned_receivers(fan.single_target_scenes()[0], "RX1", 90)
    assert np.abs(_scene.parameters(across)[1][..., 0, :]).max() > 1e-2


def test_angle_error_bound_is_that_of_the_receiving_array_alone():
    """The bearing's information, by the chain rule from all paths' omega_r."""
    scene = fan.turned_receivers(fan.single_target_scenes()[1], "RX1", 40)
    power = equal_power(scene)
    parameters, _ = _scene.parameters(scene)
    beams = np.einsum("pq,pqij->pij", power, scene.beams)
    total = 0.0
    for p, gain in enumerate(multistatic.rms_gains(scene)[:, 0, 0]):
        efim = multistatic.path_efim(
            gain, parameters[p, 0, 0, 1], beams[p], scene.waveform, scene.noise_variance
        )
        total += efim[0, 0] * (np.pi * np.sin(np.deg2rad(40))) ** 2
    expected = np.rad2deg(total**-0.5)
    assert fan.angle_error_bound(scene, power, 40) == pytest.approx(expected, rel=1e-9)
    assert np.cos(np.deg2rad(40)) * np.pi == pytest.approx(parameters[0, 0, 0, 0], rel=1e-9)


# Figure 5 without the bounds of the package: from samples, with derivatives by differences.


def crossing(seed, n_transmitters=6):
    """A small scene: 64 MHz, the nearer receiver first, a target at rest, one beam of rank one.

    No delay is near a whole sample, where the operator jumps and differences would see it.
    """
    rng, near = np.random.default_rng(seed), 0.0
    while near < 0.03:
        scene = fan_scene(
            rng, n_aps=8, n_targets=1, n_users=0, n_receivers=2, n_antennas=4, side=60.0,
            min_distance=5.0, max_speed=0.0, waveform=OTFS(32, 2, 2e6),
        )  # fmt: skip
        late = scene.delays * 64e6
        near = np.abs(late - late.round()).min()
    order = np.argsort(np.linalg.norm(scene.receivers - scene.targets, axis=1))
    beams = rng.normal(size=(n_transmitters, 1, 4, 2)) @ [1, 1j]
    beams /= np.linalg.norm(beams, axis=-1, keepdims=True)
    scene = replace(
        scene,
        transmitters=scene.transmitters[:n_transmitters],
        transmit_axes=scene.transmit_axes[:n_transmitters],
        receivers=scene.receivers[order],
        receive_axes=scene.receive_axes[order],
        beams=np.einsum("pqi,pqj->pqij", beams, beams.conj()),
        users=None,
    )
    return scene, beams, equal_power(scene)


def sampled_information(scene, beams, power, p, r):
    """FIM of (x, y, bearing of the array, gain) from the samples of a path; gain is a nuisance.

    Every symbol of every beam is sent alone, which gives the mean over independent symbols. The
    bearing turns the receiving array alone.
    """
    index, target = np.arange(scene.n_antennas), scene.targets[0]
    gain = abs(multistatic.rms_gains(scene)[p, r, 0])

    def echo(theta):
        out = target + theta[:2] - scene.transmitters[p]
        home = target + theta[:2] - scene.receivers[r]
        far, near = np.linalg.norm(out), np.linalg.norm(home)
        axis = scene.receive_axes[r]
        aoa = np.arctan2(axis[0] * home[1] - axis[1] * home[0], axis @ home) + theta[2]
        arrive = np.exp(1j * np.pi * np.cos(aoa) * index) / np.sqrt(index.size)
        depart = np.exp(1j * np.pi * (out @ scene.transmit_axes[p]) / far * index)
        towards = np.sqrt(power[p]) * (beams[p].conj() @ depart) / np.sqrt(index.size)
        rate = scene.velocities[0] @ (out / far + home / near)
        psi = scene.waveform.operator((far + near) / speed_of_light, -rate / scene.wavelength)
        return gain * np.multiply.outer(np.multiply.outer(arrive, towards), psi).ravel()

    zero, units = np.zeros(3), np.array([2e-2, 2e-2, 1e-3])  # metres, radians
    here = echo(zero)
    columns = [
        (8 * (echo(e) - echo(-e)) - echo(2 * e) + echo(-2 * e)) / (12 * np.max(e))
        for e in np.diag(units)
    ]
    columns = np.transpose([*columns, here, 1j * here])
    fim = 2 / scene.noise_variance * np.real(columns.conj().T @ columns)
    return fim[:3, :3] - fim[:3, 3:] @ np.linalg.inv(fim[3:, 3:]) @ fim[3:, :3]


def sampled_bounds(scene, beams, power):
    """PEB, and information on the angle of arrival at the first receiver, from samples."""
    paths = np.array(
        [
            [sampled_information(scene, beams, power, p, r) for p in range(len(scene.transmitters))]
            for r in range(len(scene.receivers))
        ]
    )
    place = paths.sum(axis=(0, 1))[:2, :2]
    return np.sqrt(np.trace(np.linalg.inv(place))), paths[0, :, 2, 2].sum()


@pytest.mark.parametrize("seed", range(3))
def test_figure_5_from_samples(seed):
    """Least at 90 degrees, flat around it, finite at 0, both receivers below either."""
    scene, beams, power = crossing(seed)
    curves = {}
    for receivers in ("RX1", "RX2", "both"):
        for aoa in (0, 60, 90, 150):
            turned = fan.turned_receivers(scene, receivers, aoa)
            curves[receivers, aoa], _ = sampled_bounds(turned, beams, power)
            bound = multistatic.position_error_bound(turned, power)[0]
            assert bound == pytest.approx(curves[receivers, aoa], rel=1e-5)
        edge, inside, least, far = (curves[receivers, aoa] for aoa in (0, 60, 90, 150))
        assert edge > far > inside > least
    for aoa in (0, 60, 90, 150):
        assert curves["both", aoa] < min(curves["RX1", aoa], curves["RX2", aoa])


@pytest.mark.parametrize("seed", range(3))
def test_figure_5_needs_delays_by_way_of_several_transmitters(seed):
    """With one the bottom is less flat, and at 0 degrees nothing is left across the delay."""
    rise = {}
    for number in (1, 6):
        scene, beams, power = crossing(seed, number)
        turned = {aoa: fan.turned_receivers(scene, "RX1", aoa) for aoa in (0, 60, 90)}
        inside, least = (sampled_bounds(turned[aoa], beams, power)[0] for aoa in (60, 90))
        rise[number] = inside / least
        information = sum(
            sampled_information(turned[0], beams, power, p, 0)[:2, :2] for p in range(number)
        )
        blind = np.linalg.det(information) < 1e-9 * np.trace(information) ** 2
        assert blind == (number == 1)
        assert np.isinf(multistatic.position_error_bound(turned[0], power)[0]) == blind
    assert 1 < rise[6] < rise[1] < 1 / np.sin(np.pi / 3)


@pytest.mark.parametrize("seed", range(3))
def test_headline_6_from_samples(seed):
    """No information on the angle along the array, most across it, by the derivative of echoes."""
    scene, beams, power = crossing(seed)
    turned = {aoa: fan.turned_receivers(scene, "RX1", aoa) for aoa in (0, 1, 30, 90, 150, 180)}
    found = {aoa: sampled_bounds(each, beams, power)[1] for aoa, each in turned.items()}
    assert found[0] < 1e-9 * found[90]
    assert found[180] < 1e-9 * found[90]
    assert found[1] < found[30] < found[90]
    assert found[30] == pytest.approx(found[90] / 4, rel=1e-6)
    assert found[150] == pytest.approx(found[30], rel=1e-6)
    for aoa in (30, 90, 150):
        bound = fan.angle_error_bound(turned[aoa], power, aoa)
        assert bound == pytest.approx(np.rad2deg(found[aoa] ** -0.5), rel=1e-6)
    for aoa in (0, 180):
        assert np.isinf(fan.angle_error_bound(turned[aoa], power, aoa))


def test_more_antennas_do_not_help_the_angle_along_the_array():
    """Symbolic: the derivative of every antenna's phase vanishes at 0 degrees, whatever M_t."""
    angle, number = sp.symbols("phi l", real=True)
    slope = sp.diff(sp.exp(sp.I * sp.pi * number * sp.cos(angle)), angle)
    assert slope.subs(angle, 0) == 0
    squared = sp.simplify(slope * sp.conjugate(slope))
    assert sp.simplify(squared - (sp.pi * number * sp.sin(angle)) ** 2) == 0
