"""The studies of commit: the worked example's digits, and what the technique table needs."""

import numpy as np
import pytest
from scipy.constants import speed_of_light

from cfisac import fisher, geometry, scenarios, studies
from cfisac.arrays import UniformLinearArray
from cfisac.limits import toa_aoa
from cfisac.studies import commit

EXAMPLE = studies.stored("commit-example").set_index(["reading", "side_m"])
TECHNIQUES = studies.stored("commit-techniques")


def reading(name, column):
    return EXAMPLE[column].loc[name]


def rows(technique, **where):
    chosen = TECHNIQUES[TECHNIQUES.technique == technique]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    return chosen


def one(technique, **where):
    (row,) = rows(technique, **where).to_dict("records")
    return row


def test_example_digits():
    """commit (25)-(28), Example: the table for four sides."""
    known = {
        50: (8.8, 18.7, 26.5, 320.7, 0.0726, 0.0898),
        100: (17.7, 37.4, 53.0, 80.18, 0.1201, 0.1374),
        200: (35.4, 74.9, 106.1, 20.05, 0.1595, 0.1686),
        400: (70.7, 149.8, 212.1, 5.01, 0.1774, 0.1803),
    }
    for side, (near, mean, far, angle, exact, averaged) in known.items():
        row = EXAMPLE.loc[("as reconstructed", side)]
        distances = row.nearest_m, row.mean_distance_m, row.farthest_m
        np.testing.assert_allclose(distances, (near, mean, far), atol=0.051)
        assert row.delay_part_per_m2 == pytest.approx(58.57, abs=0.005)
        assert row.angle_part_x_per_m2 == pytest.approx(angle, rel=5e-4)
        assert row.angle_part_y_per_m2 == pytest.approx(row.angle_part_x_per_m2, rel=1e-9)
        assert row.peb_m == pytest.approx(exact, abs=5.1e-5)
        assert row.peb_mean_distance_m == pytest.approx(averaged, abs=5.1e-5)
        assert row.peb_delays_only_m == pytest.approx(0.1848, abs=5e-5)


def test_example_is_a_sum_over_sixteen_access_points_written_out():
    """commit (27): 16 terms added one by one, from the definitions alone."""
    for side in (50.0, 100.0, 200.0, 400.0):
        total = np.zeros((2, 2))
        for i in range(4):
            for j in range(4):
                offset = -((np.array([i, j]) + 0.5) * side / 4 - side / 2)
                d = np.hypot(*offset)
                u, across = offset / d, np.array([-offset[1], offset[0]]) / d
                beta = 100e6 / np.sqrt(12)
                by_delay = 1 / (8 * np.pi**2 * beta**2 * 10)
                by_angle = 6 / (8 * 63 * np.pi**2 * 10)
                total += np.outer(u, u) / (speed_of_light**2 * by_delay)
                total += np.outer(across, across) / (d**2 * by_angle)
        peb = np.sqrt(np.trace(np.linalg.inv(total)))
        assert reading("as reconstructed", "peb_m")[side] == pytest.approx(peb, rel=1e-9)


def test_averaging_the_distance_loses_angle_information():
    """commit (27): mean(1/d^2) is 1.695 / mean(d)^2 on this grid, whatever its side: 2.3 dB."""
    distance = np.hypot(*np.meshgrid([-3, -1, 1, 3], [-3, -1, 1, 3]))
    factor = np.mean(1 / distance**2) * np.mean(distance) ** 2
    assert factor == pytest.approx(1.695, abs=5e-4)
    alike = np.full(16, 40.0)  # the condition: all access points equally far
    assert np.mean(1 / alike**2) * np.mean(alike) ** 2 == pytest.approx(1)
    assert 10 * np.log10(factor) == pytest.approx(2.3, abs=0.05)
    table = EXAMPLE.loc["as reconstructed"]
    left = 2 / table.peb_mean_distance_m**2 - table.delay_part_per_m2
    np.testing.assert_allclose(table.angle_part_x_per_m2 / left, factor, rtol=1e-9)


def test_what_the_example_leaves_open_moves_it_by_more_than_its_digits():
    """commit (28), Example: side 100 m, eight readings of the same words."""
    at = {name: reading(name, "peb_m")[100.0] for name in commit.READINGS}
    assert at["as reconstructed"] == pytest.approx(0.1201, abs=5e-5)
    assert at["delay from all antennas"] == pytest.approx(0.0604, abs=5e-5)
    assert at["10 dB in all"] == pytest.approx(0.1708, abs=5e-5)
    assert at["exponent 3.5"] == pytest.approx(0.0513, abs=5e-5)
    assert at["exponent 3.5, linear mean"] == pytest.approx(0.0895, abs=5e-5)
    assert at["arrays face one way"] == pytest.approx(0.1427, abs=5e-5)
    assert at["aperture of 7 steps"] == pytest.approx(0.1286, abs=5e-5)
    assert at["grid edge to edge"] == pytest.approx(0.1389, abs=5e-5)


def test_only_arrays_that_face_one_way_break_the_symmetry():
    table = EXAMPLE.reset_index()
    skew = (table.angle_part_x_per_m2 / table.angle_part_y_per_m2 - 1).abs()
    broken = table.reading == "arrays face one way"
    assert (skew[broken] > 0.2).all()
    assert (skew[~broken] < 1e-9).all()


def test_a_path_loss_exponent_with_the_mean_in_db_kept():
    """The 16 SNRs of that reading have the mean 10 dB and the slope -35 dB per decade."""
    aps = np.array([[3.0, 4.0], [0.0, 50.0], [0.0, -20.0], [7.0, 0.0]])
    by_delay, by_angle = commit.example_variances("exponent 3.5", aps)
    snr_db = 10 * np.log10(commit.DELAY_VARIANCE / by_delay) + 10
    assert np.mean(snr_db) == pytest.approx(10)
    assert snr_db[0] - snr_db[1] == pytest.approx(35)
    np.testing.assert_allclose(by_angle / by_delay, commit.ANGLE_VARIANCE / commit.DELAY_VARIANCE)


def test_the_linear_mean_of_ten_decibels_is_kept_as_well():
    aps = np.array([[3.0, 4.0], [0.0, 50.0], [0.0, -20.0], [7.0, 0.0]])
    by_delay, _ = commit.example_variances("exponent 3.5, linear mean", aps)
    snr = 10 * commit.DELAY_VARIANCE / by_delay
    assert np.mean(snr) == pytest.approx(10)
    assert 10 * np.log10(snr[0] / snr[1]) == pytest.approx(35)


def test_the_aperture_of_seven_steps_is_a_uniform_one():
    """A uniform aperture D sees the variance (2 pi / lambda)^2 D^2 / 12 of the phase speed."""
    _, by_angle = commit.example_variances("aperture of 7 steps", np.array([[3.0, 4.0]]))
    aperture = 7 / 2  # wavelengths
    energy = 8 * commit.SNR
    expected = 1 / (2 * energy * (2 * np.pi * aperture) ** 2 / 12)
    assert by_angle == pytest.approx(expected, rel=1e-12)
    assert np.sqrt(by_angle) == pytest.approx(0.01245, abs=5e-6)


def test_joint_delay_and_angle_is_reproduced():
    """commit headline5: 0.16 m; 0.26 with 3 ns, 0.46 with 3 ns and 3 degrees; all in 0.1-0.5 m.

    At the centre; for the median user 0.16, 0.27, 0.47 m, and 0.19 m if the clock is unknown.
    """
    table = rows("Joint TOA+AOA", clock="known")
    np.testing.assert_allclose(table.peb_centre_m, [0.1595, 0.2649, 0.4636], atol=5e-5)
    np.testing.assert_allclose(table.median_peb_m, [0.16, 0.27, 0.47], atol=5e-3)
    unknown = one("Joint TOA+AOA", clock="unknown")
    assert unknown["median_peb_m"] == pytest.approx(0.19, abs=5e-3)
    assert table.median_peb_m.between(0.1, 0.5).all()


def test_ranges_need_errors_of_metres():
    """commit headline2, headline3: PEB = sqrt(4/16) x the error of one range, at the centre."""
    multi_rtt, tdoa = one("Multi-RTT"), one("UL-TDOA")
    for row in (multi_rtt, tdoa):
        needed = row["link_error_low_m"], row["link_error_high_m"]
        published = np.array([row["published_low_m"], row["published_high_m"]])
        np.testing.assert_allclose(needed, published / np.sqrt(4 / 16), rtol=1e-9)
    assert (multi_rtt["link_error_low_m"], multi_rtt["link_error_high_m"]) == (1.0, 4.0)
    assert (tdoa["link_error_low_m"], tdoa["link_error_high_m"]) == (2.0, 6.0)
    assert multi_rtt["peb_centre_m"] == pytest.approx(0.1307, abs=5e-5)
    assert tdoa["peb_centre_m"] == pytest.approx(0.1848, abs=5e-5)
    assert tdoa["median_peb_m"] == pytest.approx(0.265, abs=5e-4 + 5 * tdoa["median_peb_m_se"])


def test_angles_alone_need_errors_of_ten_to_thirty_degrees():
    """commit headline4: the bound is 0.32 m, a sixteenth of the published 5 m."""
    row = one("DL-AOA")
    assert row["link_error_low_deg"] == pytest.approx(9.96, abs=0.005)
    assert row["link_error_high_deg"] == pytest.approx(29.88, abs=0.005)
    assert row["peb_centre_m"] == pytest.approx(0.3159, abs=5e-5)
    assert row["median_peb_m"] < 0.1 * row["published_low_m"]


def test_with_the_three_nearest_arrays_errors_of_a_beam_width_suffice():
    """commit headline4: the median user needs 6 to 19 degrees."""
    aps = scenarios.square_grid(commit.N_APS, commit.SIDE)
    users = np.random.default_rng(4).uniform(-commit.SIDE / 2, commit.SIDE / 2, (20_000, 2))
    away = np.linalg.norm(users[:, None] - aps, axis=-1)
    near = aps[np.argsort(away, axis=1)[:, :3]]
    efim = toa_aoa.position_efim(users, near, np.inf, np.radians(1) ** 2)
    per_degree = np.median(fisher.position_error_bound(efim))
    assert 5 / per_degree == pytest.approx(6.34, abs=0.1)
    assert 15 / per_degree == pytest.approx(19.0, abs=0.3)


def test_a_bearing_taken_at_the_user_pays_for_an_unknown_heading():
    """commit headline4: one offset for all 16 bearings; nothing at the centre by symmetry."""
    aps = scenarios.square_grid(commit.N_APS, commit.SIDE)
    for user, known, unknown in (([60.0, 40.0], 0.319, 0.350), ([0.0, 0.0], 0.316, 0.316)):
        bearing = geometry.toa_aoa(user, aps)[1][:, 1]
        slopes = np.column_stack([bearing, np.ones(commit.N_APS)]) / np.sqrt(commit.ANGLE_VARIANCE)
        fim = slopes.T @ slopes
        got = (
            fisher.position_error_bound(fim[:2, :2]),
            fisher.position_error_bound(fisher.equivalent_fim(fim, 2)),
        )
        np.testing.assert_allclose(got, (known, unknown), atol=5e-4)


def test_pilots_and_data_gain_3_to_5_db_for_a_pilot_share_of_one_half_to_a_third():
    """commit headline6: the energy counts; PEB^2 falls by the gain."""
    alone = one("Joint TOA+AOA", clock="known", sync_error_ns=0)["peb_centre_m"]
    for share, gain in ((0.5, 3.01), (0.316, 5.0)):
        row = one("Pilot + data ML", pilot_share=share)
        assert row["gain_db"] == pytest.approx(gain, abs=0.005)
        assert 20 * np.log10(alone / row["peb_centre_m"]) == pytest.approx(row["gain_db"], rel=1e-9)


def test_an_unknown_clock_hurts_everywhere_but_at_the_centre():
    """commit Table 1: synchronised access points do not know the user's clock."""
    known, unknown = (
        one("Joint TOA+AOA", clock=clock, sync_error_ns=0) for clock in ("known", "unknown")
    )
    assert unknown["peb_centre_m"] == pytest.approx(known["peb_centre_m"], rel=1e-9)
    assert unknown["median_peb_m"] > 1.1 * known["median_peb_m"]
    assert one("UL-TDOA")["p90_peb_m"] > 3 * one("UL-TDOA")["peb_centre_m"]


def test_two_way_ranging_needs_no_synchronised_access_points():
    """commit Table 1: an unknown offset at each AP and at the user; up and down delays measured.

    Schur complement: as much as clean ranges of half the variance. One way leaves nothing.
    """
    rng = np.random.default_rng(16)
    aps, user, variance = rng.uniform(-50, 50, (5, 2)), np.array([4.0, 9.0]), 2.0  # m^2
    unit = (user - aps) / np.linalg.norm(user - aps, axis=1, keepdims=True)
    own, user_clock = np.eye(5), np.ones((5, 1))
    up, down = np.hstack([unit, -user_clock, own]), np.hstack([unit, user_clock, -own])
    jacobian = np.vstack([up, down])
    # Only differences of clocks are seen: the first AP's is zero.
    jacobian = np.delete(jacobian, 3, axis=1)
    whole = fisher.equivalent_fim(jacobian.T @ jacobian / variance, 2)
    np.testing.assert_allclose(whole, unit.T @ unit / (variance / 2), rtol=1e-9)
    one_way = np.delete(up, 3, axis=1)
    nothing = fisher.equivalent_fim(one_way.T @ one_way / variance, 2)
    np.testing.assert_array_equal(nothing, np.zeros((2, 2)))


def test_multi_rtt_is_the_mean_of_two_delays():
    by_delay, by_angle, clock = commit.technique_errors("Multi-RTT", "known", 3.0, 0.0, 1.0)
    assert by_delay == pytest.approx((commit.DELAY_VARIANCE + 9e-18) / 2)
    assert np.isinf(by_angle)
    assert clock == 0


def test_an_exercise_of_the_chapter_has_the_bound_of_the_sum():
    """commit (10): four corners, 1 ns, the user in the middle; the source's solution says 0.30 m.

    Printed form: sum of u u^T lambda / c^2 with lambda = 1 / variance, then sqrt(tr J^-1).
    """
    corners = 50.0 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    unit = -corners / np.linalg.norm(corners, axis=1, keepdims=True)
    printed = np.einsum("li,lj->ij", unit, unit) / (speed_of_light * 1e-9) ** 2
    assert np.sqrt(np.trace(np.linalg.inv(printed))) == pytest.approx(0.30, abs=5e-4)
    efim = toa_aoa.position_efim([0.0, 0.0], corners, 1e-18, np.inf)
    np.testing.assert_allclose(efim, printed, rtol=1e-12, atol=1e-12 * printed[0, 0])


@pytest.mark.parametrize("n_antennas", [2, 8, 64])
def test_variances_scale_as_the_summary_of_the_chapter_says(n_antennas):
    """commit (9), (25), (26): delay as 1 / (beta^2 SNR), angle as 1 / (N (D / lambda)^2 SNR).

    With the SNR of one antenna in the angle; D = N lambda / 2, but for terms of order 1 / N^2.
    """
    snr, bandwidth = commit.SNR, commit.BANDWIDTH
    delay = toa_aoa.delay_variance(bandwidth, snr)
    assert delay * bandwidth**2 / 12 * snr == pytest.approx(1 / (8 * np.pi**2))
    angle = toa_aoa.angle_variance(0.0, UniformLinearArray(n_antennas), n_antennas * snr)
    scaled = angle * n_antennas * (n_antennas / 2) ** 2 * snr
    assert scaled * (1 - 1 / n_antennas**2) == pytest.approx(6 / (4 * np.pi**2))


@pytest.mark.parametrize("n_symbols", [4, 8, 64])
def test_gaussian_symbols_cost_t_over_t_minus_1_in_the_mean_bound(n_symbols):
    """commit (29): PEB^2 of the symbols drawn, through the theorem, against constant modulus.

    E = sum |s|^2 has the mean of 1/E 1 / (T - 1) and its square 1 / ((T - 1)(T - 2)).
    """
    rng, n = np.random.default_rng(29), 20_000
    aps = scenarios.square_grid(commit.N_APS, 100.0)
    user = np.array([13.0, -8.0])

    def square(energy):
        each = np.asarray(energy, dtype=float)[..., None]
        efim = toa_aoa.position_efim(
            np.broadcast_to(user, (*np.shape(energy), 2)),
            aps,
            commit.DELAY_VARIANCE / each,
            commit.ANGLE_VARIANCE / each,
        )
        return fisher.position_error_bound(efim) ** 2

    symbols = rng.normal(size=(n, n_symbols, 2)) @ [1, 1j] / np.sqrt(2)
    cost = square(np.sum(np.abs(symbols) ** 2, axis=1)) / square(float(n_symbols))
    exact = n_symbols / (n_symbols - 1)
    second = n_symbols**2 / ((n_symbols - 1) * (n_symbols - 2))
    assert abs(np.mean(cost) - exact) < 4.5 * np.sqrt((second - exact**2) / n)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="reading must be one of"):
        commit.example_variances("guess", np.ones((1, 2)))
    with pytest.raises(ValueError, match="technique must be one of"):
        commit.technique_errors("guess", "known", 0.0, 0.0, 1.0)
