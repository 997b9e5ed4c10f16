"""The study of EM: what the stored gains say of unknown data (commit headline6)."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.studies import pilot_data

TABLE = studies.stored("commit-em").set_index(["pilot_share", "quantity", "data", "snr_db"])
SCENES = 200 * studies.get("commit-em").n_trials["paper"]
LEVELS = (-3.0, 0.0, 3.0, 6.0, 10.0, 15.0)


def gain(share, quantity, data, snr_db):
    """Gain of EM over the pilots alone (dB), and its standard error, if they were independent."""
    row = TABLE.loc[share, quantity, data, snr_db]
    pilots, em = row.pilots_mse_over_bound, row.em_mse_over_bound
    relative = np.hypot(row.pilots_mse_over_bound_se / pilots, row.em_mse_over_bound_se / em)
    return 10 * np.log10(pilots / em), 10 / np.log(10) * relative


@pytest.mark.parametrize("quantity", ["angle", "delay difference"])
def test_gaussian_data_add_gamma_over_one_plus_gamma(quantity):
    """commit headline6: the mean square error is that of P + chi D pilots, at each level."""
    for snr_db in LEVELS:
        row = TABLE.loc[0.5, quantity, "gaussian", snr_db]
        chi = 10 ** (snr_db / 10) / (1 + 10 ** (snr_db / 10))
        assert row.gaussian_share == pytest.approx(chi)
        exact = 1 / (0.5 + 0.5 * chi)
        more = 0.06 * 10 ** (-(snr_db + 3) / 10)  # noise times noise, and a rare outlier
        assert abs(row.em_mse_over_bound - exact) < 4 * row.em_mse_over_bound_se + more * exact
        got, error = gain(0.5, quantity, "gaussian", snr_db)
        assert abs(got - row.gaussian_gain_db) < 4 * error


def test_gaussian_data_add_nothing_to_a_delay_that_all_share():
    for snr_db in LEVELS:
        row = TABLE.loc[0.5, "mean delay", "gaussian", snr_db]
        assert row.gaussian_share == 0
        assert row.em_mse_over_bound == pytest.approx(row.pilots_mse_over_bound, rel=0.01)
        assert row.em_mse_over_bound > 1.8 * row.decoded_mse_over_bound


def test_symbols_that_can_be_decoded_become_pilots():
    """QPSK from 6 dB for an angle, from 10 dB for a delay that all share; never worse than CN."""
    for quantity, first in (("angle", 6.0), ("delay difference", 6.0), ("mean delay", 10.0)):
        for snr_db in (level for level in LEVELS if level >= first):
            row = TABLE.loc[0.5, quantity, "qpsk", snr_db]
            assert row.em_mse_over_bound < 1.06 * row.decoded_mse_over_bound
    low = TABLE.loc[0.5, "mean delay", "qpsk", 0.0]
    assert low.em_mse_over_bound > 1.5 * low.decoded_mse_over_bound


def test_known_symbols_are_on_the_bound():
    for _, row in TABLE.iterrows():
        assert abs(row.decoded_mse_over_bound - 1) < 4 * row.decoded_mse_over_bound_se + 0.01


def test_three_to_five_db_need_a_small_pilot_share_and_loud_data():
    """commit headline6: 3-5 dB for pilots that hold 50-31 % of the energy, if data are loud."""
    for share, decoded in ((0.5, 3.01), (0.3125, 5.05)):
        row = TABLE.loc[share, "angle", "gaussian", 10.0]
        assert row.decoded_gain_db == pytest.approx(decoded, abs=0.01)
        loud, error = gain(share, "angle", "gaussian", 10.0)
        assert decoded - 0.5 - 4 * error < loud < decoded + 4 * error
        faint, error = gain(share, "angle", "gaussian", 0.0)
        assert faint < decoded - 1.0
        qpsk, error = gain(share, "angle", "qpsk", 15.0)
        assert abs(qpsk - decoded) < 4 * error


def test_a_trial_uses_what_it_is_given():
    """Same generator, same numbers; and errors are of the order of the bound."""
    one, two = (
        pilot_data.em_trial(np.random.default_rng(3), "delay difference", "qpsk", 10.0, 0.5)
        for _ in range(2)
    )
    assert one == two
    assert 0.5 < one["decoded_mse_over_bound"] < 2
