"""What the stored tables of power allocation say, and that their scenes are what they say."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.designs.power import max_min_sinr
from cfisac.studies.fan import _power as fan

FIG3 = studies.stored("fan_conf-fig3")
FIG4 = studies.stored("fan_conf-fig4")
FIG9 = studies.stored("fan_journal-fig9")
SE = "se_bit_per_s_per_hz"
EXACT, APPROXIMATE = "se_exact_bit_per_s_per_hz", "se_approximate_bit_per_s_per_hz"


def curve(n_aps, power_w, column=EXACT):
    part = FIG3[(FIG3["n_aps"] == n_aps) & (FIG3["power_w"] == power_w)]
    return part.sort_values("peb_m")[column].to_numpy()


def frame(held, n_subcarriers, n_symbols):
    part = FIG4[(FIG4["held"] == held) & (FIG4["n_subcarriers"] == n_subcarriers)]
    return part[part["n_symbols"] == n_symbols].sort_values("speed_km_per_h")[SE].to_numpy()


def duplex(waveform, kind, column=SE):
    part = FIG9[(FIG9["waveform"] == waveform) & (FIG9["duplex"] == kind)]
    return part.sort_values("rcs_dbsm")[column].to_numpy()


@pytest.mark.parametrize("column", [EXACT, APPROXIMATE])
def test_figure_3_rises_and_levels_off(column):
    for n_aps, power_w in ((32, 1.0), (16, 1.0), (8, 1.0), (1, 5.0), (1, 32.0)):
        values = curve(n_aps, power_w, column)
        assert np.all(np.diff(values) > -1e-6)
    for n_aps in (32, 16):
        values = curve(n_aps, 1.0, column)
        assert values[-1] < 1.05 * values[-3]
    assert np.all(curve(32, 1.0, column) >= curve(16, 1.0, column))
    assert np.all(curve(16, 1.0, column) >= curve(8, 1.0, column))


def test_the_exact_bound_serves_at_least_as_well_where_beams_hit():
    """Beams of 16 and 32 antennas are wider than the error of a metre; those of 512 are not."""
    for n_aps in (32, 16):
        assert np.all(curve(n_aps, 1.0) >= curve(n_aps, 1.0, APPROXIMATE) - 1e-3)
    assert np.any(curve(1, 32.0) < curve(1, 32.0, APPROXIMATE))


def test_cell_free_needs_enough_access_points():
    assert np.all(curve(32, 1.0) > curve(1, 5.0))
    assert np.all(curve(32, 1.0) > curve(1, 32.0))
    assert curve(8, 1.0)[-1] < curve(1, 5.0)[-1]  # with no bound to keep, eight are too few


def test_figure_4_rises_with_speed_and_frame():
    for held, m, n in (("bandwidth", 128, 128), ("bandwidth", 64, 64), ("spacing", 64, 128)):
        assert np.all(np.diff(frame(held, m, n)) > 0)
    assert np.all(frame("bandwidth", 128, 128) > frame("bandwidth", 64, 128))
    assert np.all(frame("bandwidth", 64, 128) > frame("bandwidth", 64, 64))


def test_neither_n_nor_m_matters_more_at_a_fixed_bandwidth():
    half_m, half_n = frame("bandwidth", 64, 128), frame("bandwidth", 128, 64)
    np.testing.assert_allclose(half_m, half_n, rtol=1e-3)
    assert np.all(frame("spacing", 64, 128) < half_n)  # 128 x 64 has the same spacing


def test_speed_acts_by_the_position_bound_alone():
    """Gains and interference of a scene do not change with speed; its information does."""
    still, fast = (fan.moving(0, 128, 128, "bandwidth", speed)[0] for speed in (0, 300))
    np.testing.assert_array_equal(still.gain, fast.gain)
    np.testing.assert_array_equal(still.interference, fast.interference)
    more = np.trace(fast.information - still.information, axis1=-2, axis2=-1)
    assert np.all(more >= -1e-9 * np.abs(np.trace(still.information, axis1=-2, axis2=-1)))
    assert more.max() > 0
    roles = fan.moving(0, 128, 128, "bandwidth", 0)[1]
    free = [max_min_sinr(each, np.inf, *roles).value for each in (still, fast)]
    assert free[0] == pytest.approx(free[1], rel=1e-6)


def test_more_paths_of_the_same_pilot_make_the_amplitude_smaller():
    drawn = [fan.fan_network(np.random.default_rng(3), n_aps=8, n_paths=n) for n in (1, 2, 4, 8)]
    known, total = (
        [np.trace(getattr(each, name), axis1=-2, axis2=-1).real.sum() for each in drawn]
        for name in ("estimates", "channels")
    )
    np.testing.assert_allclose(total, total[0], rtol=1e-9)
    assert np.all(np.diff(known) < 0)


def test_figure_9_ratio_of_waveforms_and_gain_of_full_duplex():
    ratio = duplex("OTFS", "half") / duplex("OFDM", "half")
    assert ratio[-1] == pytest.approx(2 * 128 / 129, rel=1e-3)
    assert ratio[0] < 1.9
    gain = duplex("OTFS", "full") / duplex("OTFS", "half")
    assert 1.05 < gain[2] < 1.15
    assert np.all(np.diff(gain) < 0)
    assert np.all(duplex("OTFS", "full", "feasible") == 1)
    reach = duplex("OFDM", "half", "feasible"), duplex("OTFS", "half", "feasible")
    assert np.all(reach[0] >= reach[1])
    assert reach[0][0] > reach[1][0]


def test_all_rows_share_their_scenes():
    """The number of a trial is that of its scene, in whatever cell."""
    sequences = [np.random.SeedSequence(3, spawn_key=(cell, 5)) for cell in (0, 7)]
    numbers = [fan.scene_number(np.random.default_rng(each)) for each in sequences]
    assert numbers == [5, 5]
    small, large = (fan.shared_antennas(1, 8)[0] for _ in range(2))
    assert small is large


def test_the_base_station_hears_itself():
    each, (sends, hears) = fan.shared_antennas(0, 1)
    assert sends.tolist() == hears.tolist() == [True]
    assert np.all(np.trace(each.information[0, 0], axis1=-2, axis2=-1) > 0)


def test_a_scene_out_of_reach_counts_as_zero():
    each, roles = fan.shared_antennas(0, 8)
    assert fan.spectral_efficiency_of(each, 1e-3, roles, "exact") == (0.0, 0.0)
