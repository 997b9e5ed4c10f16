"""The stored rate-PEB region, and users whose pilots overlap."""

import numpy as np
import pytest

from cfisac import fisher, scenarios, studies
from cfisac.designs import tradeoff as design
from cfisac.limits import toa_aoa
from cfisac.studies import tradeoff

REGION = studies.stored("commit-region").set_index(["system", "split"])
OVERLAP = studies.stored("commit-overlap").set_index(["n_antennas", "n_users"])
CANCELLED, STAYS, SHARED, DECODED, UNKNOWN = tradeoff.SYSTEMS


def curve(system):
    rows = REGION.loc[system]
    return rows.rate_centre_bit_s_hz.to_numpy(), rows.peb_centre_m.to_numpy()


def test_the_centre_is_the_example_with_all_antennas_timing():
    """commit (20), Fig. 1: 16 links of 10 dB at each of 8 antennas, all energy in pilots."""
    snr = tradeoff.links(np.zeros((1, 2)))[3]
    per_antenna = tradeoff.links(np.zeros((1, 2)))[0]
    assert np.mean(10 * np.log10(per_antenna)) == pytest.approx(10, abs=1e-9)
    rate, peb = curve(CANCELLED)
    assert rate[-1] == pytest.approx(np.log2(1 + snr[0]), rel=1e-9)
    aps = scenarios.square_grid(16, 100.0)
    each = np.zeros((2, 2))
    for place, antenna in zip(aps, per_antenna[0], strict=True):
        d = np.hypot(*place)
        u = -place / d
        across = np.array([-u[1], u[0]])
        beta2 = 100e6**2 / 12
        by_delay = 8 * np.pi**2 * beta2 * 8 * antenna / 299792458.0**2
        by_angle = 8 * 63 * np.pi**2 * antenna / 6 / d**2
        each += by_delay * np.outer(u, u) + by_angle * np.outer(across, across)
    assert peb[0] == pytest.approx(np.sqrt(np.trace(np.linalg.inv(each))), rel=1e-9)
    assert np.isinf(peb[-1])


def test_curves_of_the_region_lie_as_they_must():
    """commit (22), (24): cancelled above shared above staying; decoded data trade nothing."""
    for column in ("rate_centre_bit_s_hz", "median_rate_bit_s_hz"):
        assert np.all(np.diff(REGION.loc[CANCELLED][column]) > 0)
    (rate, peb), (stays, worse), (part, shared) = (curve(s) for s in (CANCELLED, STAYS, SHARED))
    inside = np.linspace(0.1, 0.9, 9) * rate[-1]
    best, kept, turns = (
        np.interp(inside, x, y**-2.0) for x, y in ((rate, peb), (stays, worse), (part, shared))
    )
    assert np.all(best > turns)
    assert np.all(turns > kept)
    assert np.ptp(curve(DECODED)[1]) < 1e-9
    np.testing.assert_allclose(design.share_time(stays, worse, inside) ** -2, turns, rtol=1e-9)


def test_data_that_nobody_knows_keep_most_of_it_at_the_centre():
    """commit (21): there an unknown clock costs nothing, and Gamma / (1 + Gamma) is near one."""
    snr = tradeoff.links(np.zeros((1, 2)))[3][0]
    peb = curve(UNKNOWN)[1]
    assert (peb[0] / peb[-1]) ** 2 == pytest.approx(snr / (1 + snr), rel=1e-9)
    rows = REGION.loc[UNKNOWN].median_information_per_m2
    assert 0.3 < rows.iloc[-1] / rows.iloc[0] < 0.95  # elsewhere the clock costs


def test_pilots_of_many_users_need_many_antennas():
    """commit (35): what users of one pilot keep, told apart by the array alone."""
    kept = OVERLAP.median_share
    assert np.all(np.diff(kept.loc[64].to_numpy()) < 0)
    assert kept.loc[64, 2] > kept.loc[8, 2]
    assert kept.loc[64, 16] == pytest.approx(0.49, abs=0.03)
    assert np.all(OVERLAP.median_share_se < 0.01)


@pytest.mark.parametrize("seed", range(5))
def test_share_that_is_kept_is_that_of_the_dense_fim(seed):
    """Angles and complex gains of all users, by differences and a Schur complement."""
    n, k = 16, 3
    kept = tradeoff.kept_information(np.random.default_rng(seed), n, k)
    rng = np.random.default_rng(seed)
    omega = np.pi * rng.uniform(-1, 1, k)
    gain = np.exp(2j * np.pi * rng.uniform(size=k))
    index = np.arange(n) - (n - 1) / 2

    def signal(theta):
        waves = np.exp(1j * np.outer(index, theta[:k])) / np.sqrt(n)
        return waves @ (theta[k : 2 * k] + 1j * theta[2 * k :])

    truth = np.concatenate([omega, gain.real, gain.imag])
    steps = [(signal(truth + h) - signal(truth - h)) / 2e-6 for h in 1e-6 * np.eye(3 * k)]
    left = fisher.equivalent_fim(fisher.gaussian_fim(np.stack(steps, axis=1), 1.0), k)
    alone = 2 * np.mean(index**2)
    np.testing.assert_allclose(kept, 1 / np.diag(np.linalg.inv(left)) / alone, rtol=1e-4)


def test_alone_everything_is_kept():
    np.testing.assert_allclose(tradeoff.kept_information(np.random.default_rng(1), 8, 1), 1.0)


def test_an_unknown_system_is_refused():
    with pytest.raises(ValueError, match="system must be one of pilots cancelled"):
        tradeoff.operating_points("magic", np.zeros((1, 2)), 0.5)


def test_systems_agree_with_the_position_bound_of_the_room_below():
    users = np.array([[13.0, -8.0]])
    _, by_delay, by_angle, _ = tradeoff.links(users)
    efim = toa_aoa.position_efim(users, scenarios.square_grid(16, 100.0), by_delay, by_angle)
    _, peb = tradeoff.operating_points(CANCELLED, users, 0.25)
    assert peb[0] == pytest.approx(fisher.position_error_bound(efim)[0] / np.sqrt(0.75), rel=1e-9)
