"""The studies of fading gains: what the stored tables say, and the estimator behind them."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import cooperative
from cfisac.scenarios import LIU_TABLE
from cfisac.studies import fading
from cfisac.waveforms import OFDM

BOUNDS = studies.stored("fading-bounds").set_index(["observed", "n_aps"])
ERRORS = studies.stored("fading-ml").set_index(["n_branches", "snr_db"])


def test_the_scene_is_that_of_the_cooperative_bound():
    """One access point to the east, its array along y: liu's bound with a known velocity."""
    frame = OFDM(
        LIU_TABLE["n_subcarriers"], LIU_TABLE["n_symbols"], LIU_TABLE["subcarrier_spacing"]
    )
    aps, snr = [[fading.RADIUS, 0.0]], 1 / (8 * 128 * 128)
    state = cooperative.state_efim(
        [0.0, 0.0], [0.0, 0.0], aps, 8, snr, frame, LIU_TABLE["carrier_frequency"]
    )
    found = fading.circle_paths("range and angle", 1).information()
    np.testing.assert_allclose(found, state[:2, :2], rtol=1e-9, atol=1e-12)
    alone = fading.circle_paths("range", 1).information()
    np.testing.assert_allclose(alone, np.diag([found[0, 0], 0.0]), atol=1e-12)


def test_stored_means_against_those_known_exactly():
    """Two access points face to face: the floor. Four ranges: 2. Three: by quadrature."""
    mean, error = BOUNDS.mean_crlb_over_bound, BOUNDS.mean_crlb_over_bound_se
    for cell, exact in (
        (("range and angle", 2), 2.0),
        (("range", 4), 2.0),
        (("range", 3), 2.3439),
    ):
        assert abs(mean[cell] - exact) < 4 * error[cell] + 1e-4
        assert error[cell] < 0.005
    assert np.isinf(mean["range and angle", 1])
    assert np.isinf(mean["range", 1])
    assert np.isinf(mean["range", 2])
    assert np.isinf(BOUNDS.mean_peb_over_bound["range", 1])
    # One access point that tells everything: all is in the sum of the gains.
    assert BOUNDS.mean_peb_over_bound["range and angle", 1] == pytest.approx(np.sqrt(np.pi))


def test_stored_means_keep_above_the_floors_and_fall_with_company():
    for observed in ("range and angle", "range"):
        rows = BOUNDS.loc[observed]
        finite = rows.mean_crlb_over_bound[np.isfinite(rows.mean_crlb_over_bound)]
        assert (finite - rows.crlb_floor).min() > -1e-3
        known = np.isfinite(rows.mean_peb_over_bound)
        assert (rows.mean_peb_over_bound - rows.peb_floor)[known].min() > -1e-3
        assert (np.diff(finite) < 0).all()
    assert BOUNDS.diversity["range"].tolist()[2:] == [2, 2, 4, 6, 14]
    assert BOUNDS.diversity["range and angle"].tolist() == [1, 2, 3, 4, 6, 8, 16]


def test_the_loudest_direction_is_the_top_of_the_sum():
    """Without noise the truth; with noise no direction of a fine grid is louder."""
    rng, array = np.random.default_rng(4), UniformLinearArray(16)
    u = rng.uniform(-1, 1, 50)
    gains = rng.normal(size=(50, 3, 2)) @ [1, 1j]
    clean = gains[..., None] * array.steering(np.arcsin(u))[:, None]
    found = fading.loudest_direction(clean)
    assert np.abs((found - u + 1) % 2 - 1).max() < 1e-9
    noisy = 4 * clean + rng.normal(size=(50, 3, 16, 2)) @ [1, 1j]
    top = fading.loudest_direction(noisy)
    grid = np.linspace(-1, 1, 2001)

    def power(directions):
        beams = array.steering(np.arcsin(directions)).conj()
        return np.sum(np.abs(np.einsum("bln,gn->blg", noisy, beams)) ** 2, axis=1)

    here = power(top).diagonal()
    assert np.all(here > power(grid).max(axis=1) * (1 - 1e-9))


def test_one_branch_is_the_estimator_of_one_snapshot():
    rng, array = np.random.default_rng(5), UniformLinearArray(16)
    rows = 8 * array.steering(rng.uniform(-1, 1, 40)) + rng.normal(size=(40, 16, 2)) @ [1, 1j]
    alone = np.sin(angle_ml.estimate_from_channel(rows, array)[1])
    np.testing.assert_allclose(fading.loudest_direction(rows[:, None]), alone, atol=1e-9)


def test_each_bound_is_reached_where_the_other_is_too_low():
    """Four branches: E CRB, not the Rayleigh model's. 128 at 0 dB: that of the Rayleigh model."""
    for snr_db in (20.0, 25.0, 30.0):
        row = ERRORS.loc[4, snr_db]
        # Noise times noise adds about 1 / SNR of one branch, and outliers in weak frames a little.
        assert abs(row.mse_over_bound - 4 / 3) < 4 * row.mse_over_bound_se + 10 ** (-snr_db / 10)
        assert row.mse_over_bound > row.rayleigh_over_bound + 5 * row.mse_over_bound_se
    row = ERRORS.loc[128, 0.0]
    assert abs(row.mse_over_bound / row.rayleigh_over_bound - 1) < 0.1
    assert row.mse_over_bound > row.mean_crlb_over_bound + 10 * row.mse_over_bound_se
    last = ERRORS.loc[128, 20.0]
    assert abs(last.mse_over_bound - last.rayleigh_over_bound) < 4 * last.mse_over_bound_se + 0.01


def test_neither_bound_is_the_larger_everywhere():
    gap = ERRORS.mean_crlb_over_bound - ERRORS.rayleigh_over_bound
    assert (gap.loc[4] > 0).all()
    assert (gap.loc[128][[-5.0, 0.0, 5.0, 10.0, 15.0, 20.0]] < 0).all()
