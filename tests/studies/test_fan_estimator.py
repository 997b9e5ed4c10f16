"""Figure 4 of fan_journal: what the stored table says of grids, of the climbs and of the bound."""

from dataclasses import replace

import numpy as np
import pytest

from cfisac import signals, studies
from cfisac.estimators import position_ml
from cfisac.limits import multistatic
from cfisac.scenarios import equal_power
from cfisac.studies import fan
from cfisac.studies.fan import _estimator
from cfisac.waveforms import OTFS

TABLE = studies.stored("fan_journal-fig4").set_index("rcs_dbsm")
STRONG = TABLE.loc[[20, 30]]


def square(name, rows):
    return rows[f"{name}_square_error_m2"], rows[f"{name}_square_error_m2_se"]


def test_every_climb_ends_at_a_top():
    assert (TABLE.converged_share == 1).all()


def test_the_climb_on_19_is_on_the_bound_where_echoes_are_strong():
    rows = TABLE.loc[[10, 20, 30]]
    mean, error = square("continuous", rows)
    assert (np.abs(mean - rows.crlb_m2) < 4 * error).all()
    off = np.abs(rows.continuous_over_crlb - 1)  # with a control variate
    assert (off < 4 * rows.continuous_over_crlb_se + 0.01).all()
    assert (rows.continuous_over_crlb_se < 0.06).all()
    normalised = rows.normalised_square_error  # mean 1, and 1 / sqrt(n) off, for a normal error
    assert (np.abs(normalised - 1) < 4 * np.maximum(rows.normalised_square_error_se, 0.2)).all()
    assert (rows.outlier_share == 0).all()


def test_weak_echoes_lose_the_target():
    share = TABLE.outlier_share
    assert share[-20] > share[0]
    mean, error = square("continuous", TABLE)
    assert mean[-20] - 4 * error[-20] > TABLE.crlb_m2[-20]


@pytest.mark.parametrize("name", ["grid_1_m", "grid_01_m"])
def test_fine_grids_come_to_their_error_without_noise(name):
    """Plus what noise still adds: 1 m from 20 dBsm on, 0.1 m at 30 dBsm."""
    mean, error = square(name, STRONG)
    expected = STRONG[f"{name}_without_noise_m2"] + STRONG.crlb_m2
    assert (np.abs(mean - expected) < 4 * error).all()


def test_a_grid_coarser_than_the_main_lobe_does_not():
    mean, error = square("grid_10_m", TABLE)
    formula = position_ml.grid_floor(10.0) ** 2
    assert (mean - 4 * error > formula).any()
    assert (mean > formula * 0.9).all()


def test_the_climb_on_20_has_a_floor():
    """At 30 dBsm: the bound and the first-order error of overlaps, as squares."""
    mean, error = square("simplified", TABLE)
    expected = TABLE.crlb_m2[30] + TABLE.simplified_without_noise_m2[30]
    assert abs(mean[30] - expected) < 4 * error[30] + 0.1 * expected
    assert TABLE.simplified_over_crlb[30] - 3 * TABLE.simplified_over_crlb_se[30] > 1
    # It does not depend on the cross section: the same within the spread of the draws.
    floors = TABLE.simplified_without_noise_m2
    assert floors.max() < 3 * floors.min()


def test_a_tenth_of_a_metre_is_near_the_bound_only_between():
    """Not where echoes are weak, and not where the bound is far below the step."""
    ratio = np.sqrt(TABLE.grid_01_m_square_error_m2 / TABLE.crlb_m2)
    assert ratio[0] < 1.25
    assert ratio[-20] > 1.3
    assert ratio[30] > 4


def test_paths_of_a_frame_couple_little():
    assert (TABLE.crlb_m2 / TABLE.uncoupled_crlb_m2).between(0.95, 1.05).all()


def test_the_grids_of_a_trial_are_what_they_are_called():
    """On a short frame: steps, membership, and the likeliest point of each."""
    scene = replace(fan.figure_4_scene(1), waveform=OTFS(128, 8, 500e3), users=None)
    rng = np.random.default_rng(3)
    sent = signals.draw_spectra(scene, equal_power(scene), rng)
    gains = 10 * multistatic.draw_gains(scene, rng)
    samples = signals.received(signals.path_signatures(scene, sent), gains)
    target = scene.targets[0]
    found, start = _estimator.grid_searches(rng, scene, sent, samples, target)
    apart = found["grid_10_m"] - found["grid_1_m"]
    np.testing.assert_allclose(apart, np.rint(apart), atol=1e-9)
    assert np.abs(found["grid_10_m"] - target).max() < 16
    assert np.abs(found["grid_1_m"] - target).max() < 2
    assert np.abs(start - target).max() < 0.3
    np.testing.assert_array_equal(start, found["grid_01_m"])
