"""The studies of zhang against exact integrals, and what their stored tables say."""

import numpy as np
import oracle
import pytest
from scipy.integrate import dblquad

from cfisac import scenarios, studies
from cfisac.arrays import UniformLinearArray
from cfisac.studies import zhang

FIG2, FIG3, THRESHOLD = (
    studies.stored(name) for name in ("zhang-fig2", "zhang-fig3", "angle-threshold")
)


def mean_square_distance(ap):
    """E[max(d, 10 m)^2] over users uniform in the square."""
    half = zhang.SIDE / 2
    total, _ = dblquad(
        lambda y, x: max((x - ap[0]) ** 2 + (y - ap[1]) ** 2, zhang.NEAREST**2),
        *(-half, half, -half, half),
        epsrel=1e-7,
    )
    return total / zhang.SIDE**2


def exact_mean_crlb(aps, n_antennas, n_pilots):
    """Mean of (41): the mean of 1/|alpha|^2 times the mean of 1/cos^2 over a panel."""
    inverse_power = np.mean([mean_square_distance(ap) for ap in aps]) / (
        zhang.REFERENCE_POWER * zhang.REFERENCE_DISTANCE**2
    )
    inverse_square_cosine = np.tan(zhang.PANEL) / zhang.PANEL
    return 6 * inverse_power * inverse_square_cosine / (n_pilots * np.pi**2 * (n_antennas**2 - 1))


def deployment(name):
    return FIG3[FIG3.deployment == name].set_index("n_aps")


def test_figure_2_is_the_exact_mean():
    """Every stored mean is the integral, within five standard errors."""
    # Corner, edge and inner access point: 4, 8 and 4 of them.
    aps = scenarios.square_grid(16, zhang.SIDE)[[0, 1, 5]]
    exact = np.average([exact_mean_crlb([ap], 4, 1) for ap in aps], weights=[4, 8, 4])
    scale = FIG2.n_pilots * (FIG2.n_antennas**2 - 1) / 15
    scores = (FIG2.mean_angle_crlb_rad2 - exact / scale) / FIG2.mean_angle_crlb_rad2_se
    assert scores.abs().max() < 5


def test_figure_2_slopes():
    """Slope -1 in T; in L the slope of 1 / (L^2 - 1), steeper than the -2 of the text."""
    log = np.log(FIG2[["n_antennas", "n_pilots", "mean_angle_crlb_rad2"]])
    design = np.column_stack([log.n_antennas, log.n_pilots, np.ones(len(log))])
    slopes, *_ = np.linalg.lstsq(design, log.mean_angle_crlb_rad2, rcond=None)
    antennas = np.log([4, 8, 16, 32])
    expected = -np.polyfit(antennas, np.log(np.array([4, 8, 16, 32]) ** 2 - 1), 1)[0]
    assert slopes[0] == pytest.approx(expected, abs=0.01)
    assert expected < -2
    assert slopes[1] == pytest.approx(-1, abs=0.01)


def test_figure_3_centralised_is_the_exact_mean():
    """One place at the centre: the mean of (41) does not depend on the number of arrays."""
    rows = deployment("centralised")
    exact = exact_mean_crlb([(0.0, 0.0)], 8, 16)
    scores = (rows.mean_ap_crlb_rad2 - exact) / rows.mean_ap_crlb_rad2_se
    assert scores.abs().max() < 5


def test_figure_3_one_access_point_is_its_own_network():
    for name in scenarios.DEPLOYMENTS:
        row = deployment(name).loc[1]
        assert row.network_crlb_rad2 == pytest.approx(row.mean_ap_crlb_rad2, rel=1e-12)


def test_figure_3_ordering_of_the_deployments():
    """By (46) the grid is best from four access points on, as the source's figure has it."""
    grid, central, base = (
        deployment(name).network_crlb_rad2
        for name in ("cell-free grid", "centralised", "random base station")
    )
    for n_aps in (4, 9, 16, 25):
        assert grid[n_aps] < central[n_aps] < base[n_aps]


def test_random_access_points_beat_the_centre_only_when_there_are_enough():
    random, central = deployment("cell-free random"), deployment("centralised")
    gap = random.network_crlb_rad2 - central.network_crlb_rad2
    noise = np.hypot(random.network_crlb_rad2_se, central.network_crlb_rad2_se)
    assert (gap[[1, 2, 3]] > 5 * noise[[1, 2, 3]]).all()
    assert (gap[[6, 9, 16, 25]] < -5 * noise[[6, 9, 16, 25]]).all()


def test_the_literal_average_of_the_bounds_reverses_the_ordering():
    """Averaged over access points, (41) is lowest for the centralised deployment."""
    for n_aps in (4, 9, 16, 25):
        grid, central = (
            deployment(name).mean_ap_crlb_rad2[n_aps] for name in ("cell-free grid", "centralised")
        )
        assert central < 0.7 * grid


def test_arrays_in_one_place_fix_no_position():
    for name in ("centralised", "random base station"):
        assert np.isinf(deployment(name).median_peb_m).all()
    grid = deployment("cell-free grid").median_peb_m
    assert np.isinf(grid[1])
    assert (np.diff(grid[[4, 9, 16, 25]]) < 0).all()


def test_network_bound_is_no_mean_of_bounds():
    """AM-HM: the mean of the M bounds is at least M times (46)."""
    assert (FIG3.mean_ap_crlb_rad2 >= FIG3.n_aps * FIG3.network_crlb_rad2 * (1 - 1e-12)).all()


def test_without_panels_the_mean_does_not_exist():
    """P(1/cos^2 > x) falls like x^(-1/2): the sample mean grows without end."""
    rng = np.random.default_rng(4)
    tail = 1 / np.cos(rng.uniform(-np.pi, np.pi, 10**6)) ** 2
    for x in (1e2, 1e4):
        share = np.mean(tail > x)
        expected = 2 / np.pi * np.arcsin(1 / np.sqrt(x))
        assert share == pytest.approx(expected, abs=5 * np.sqrt(expected / 10**6))


def test_angle_threshold_sits_on_the_bound_at_high_snr():
    """The excess over the bound falls from a few per cent at 20 dB to nothing at 30 dB."""
    high = THRESHOLD[THRESHOLD.snr_db >= 28]
    assert ((high.mse_over_crlb - 1).abs() < 5 * high.mse_over_crlb_se + 0.003).all()


def test_angle_threshold_prediction_is_of_the_right_size():
    """Below the bound's reach the method of interval errors is low, by less than half."""
    low = THRESHOLD[THRESHOLD.snr_db <= 12]
    ratio = low.predicted_over_crlb / low.mse_over_crlb
    assert ratio.between(0.5, 1.0).all()


def test_bearing_gradient_is_the_finite_difference():
    """Beyond the nearest distance the gradient is that of the bearing."""
    aps = np.array([[[0.0, 0.0], [30.0, -40.0]]])
    user = np.array([[60.0, 80.0]])
    _, gradient = zhang.angle_information(
        np.random.default_rng(0), aps, user, UniformLinearArray(4), 1
    )

    def bearing(position):
        offset = position - aps[0]
        return np.arctan2(offset[:, 1], offset[:, 0])

    slopes = oracle.derivatives(bearing, user[0], 1e-5, order=2)
    np.testing.assert_allclose(gradient[0], slopes, rtol=1e-8)
