"""Maximum likelihood of a place, exact and independent; the stored tables and their claims."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cfisac import fisher, studies
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.limits import threshold as limits
from cfisac.studies import _threshold_ml, threshold
from cfisac.studies._threshold_sites import SITES, site_box, site_scene, site_snr

SEEDS = st.integers(0, 2**32 - 1)


def plain(received, place, search):
    """The likelihood of one snapshot (L, N, M), written out."""
    total = 0.0
    for samples, ap in zip(received, search.scene.aps, strict=True):
        offset = place - ap
        distance = np.hypot(*offset)
        antenna = np.exp(2j * np.pi * search.elements * offset[1] / distance)
        tone = np.exp(-2j * np.pi * search.tones * 2 * distance / speed_of_light)
        total += abs(antenna.conj() @ samples @ tone.conj()) ** 2
    return total


@pytest.mark.parametrize("site", SITES)
def test_noise_free_places_are_found(site):
    search = threshold._search(site)
    truth = np.random.default_rng(1).uniform(*search.box, (30, 2))
    received, _ = search.draw(np.random.default_rng(2), site_snr(site, truth, 300.0), truth)
    np.testing.assert_allclose(search.estimate(received), truth, atol=1e-7)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_height_and_its_derivatives(seed):
    """Against the sum written out, and finite differences of it."""
    rng, site = np.random.default_rng(seed), "2 APs"
    search = threshold._search(site)
    place = rng.uniform(*search.box, (3, 2))
    received, _ = search.draw(rng, site_snr(site, place, 3.0), place + 5.0)
    height, slope, bend = search._height(received, place)
    step = 1e-3
    for i in range(3):
        one = received[:, i]
        assert height[i] == pytest.approx(plain(one, place[i], search), rel=1e-9)
        for j, move in enumerate(step * np.eye(2)):
            ends = [plain(one, place[i] + sign * move, search) for sign in (1, -1)]
            size = np.abs(bend[i]).max()
            assert slope[i, j] == pytest.approx((ends[0] - ends[1]) / 2 / step, abs=1e-3 * size)
            slopes = [
                search._height(one[:, None], (place[i] + sign * move)[None])[1][0]
                for sign in (1, -1)
            ]
            np.testing.assert_allclose(
                bend[i, j], (slopes[0] - slopes[1]) / 2 / step, atol=1e-4 * size
            )


@pytest.mark.parametrize("snr_db", [0.0, 8.0, 15.0])
@pytest.mark.parametrize("site", ["4 APs", "1 AP", "4 APs, one lobe"])
def test_estimates_maximise_the_likelihood(site, snr_db):
    """A dense grid and scipy's minimiser find no higher place; at 0 dB in nine cases of ten."""
    rng, search = np.random.default_rng(7), threshold._search(site)
    truth = rng.uniform(*search.box, (12, 2))
    received, _ = search.draw(rng, site_snr(site, truth, snr_db), truth)
    found = search.estimate(received)
    assert np.all((found >= search.box[0]) & (found <= search.box[1]))
    ticks = np.linspace(0, 1, 61)
    grid = search.box[0] + (search.box[1] - search.box[0]) * np.stack(
        np.meshgrid(ticks, ticks), axis=-1
    ).reshape(-1, 2)
    best = []
    for i in range(12):
        one = np.repeat(received[:, i, None], len(grid), axis=1)
        start = grid[search._height(one, grid)[0].argmax()]
        better = minimize(
            lambda p, i=i: -plain(received[:, i], p, search), start, method="L-BFGS-B",
            bounds=search.box.T,
        )  # fmt: skip
        best.append(-better.fun)
    height = [plain(received[:, i], found[i], search) for i in range(12)]
    reached = np.array(height) > np.array(best) * (1 - 1e-6)
    assert reached.sum() >= (10 if snr_db == 0 else 12)


def test_above_threshold_the_place_attains_the_sandwich():
    """20 dB, one truth, 3000 snapshots: the whitened covariance is one, five deviations."""
    site, n, rng = "2 APs", 3000, np.random.default_rng(3)
    search = threshold._search(site)
    truth = np.tile([150.0, 205.0], (n, 1))
    snr = site_snr(site, truth, 20.0)
    received, _ = search.draw(rng, snr, truth)
    error = search.estimate(received) - truth
    scape = limits.landscape(site_scene(site, truth[0]), site_box(site), 5, snr=snr[0])
    efim = 2 * np.einsum("l,lij->ij", scape.snr, scape.truth_metric)
    white = error @ np.linalg.cholesky(efim)
    covariance = white.T @ white / n
    np.testing.assert_allclose(covariance, 1.01 * np.eye(2), atol=5 * np.sqrt(2 / n))
    assert np.trace(fisher.crlb(efim)) == pytest.approx(limits.rivals(scape).crlb)


def test_a_delay_in_a_window_is_an_angle_of_a_narrow_array():
    """The samples of 64 tones at a delay are those of 64 antennas at an eighth of a wavelength."""
    from cfisac.arrays import UniformLinearArray

    number, half = threshold.LINES["delay"]
    sine = 0.3
    steering = UniformLinearArray(number, half).steering(np.arcsin(sine))
    tones = np.exp(2j * np.pi * np.arange(number) * half * sine) / np.sqrt(number)
    np.testing.assert_allclose(steering, tones, atol=1e-12)


def test_line_trial_is_on_its_bound_at_high_snr():
    for line in threshold.LINES:
        found = threshold.line_trial(np.random.default_rng(4), line, "phase", 25.0)
        n = threshold.SNAPSHOTS_PER_TRIAL
        assert found["mse_over_crlb"] == pytest.approx(1.005, abs=5 * np.sqrt(2 / n))


def test_crossing_interpolates_logarithms():
    assert threshold.crossing([0, 1, 2], [8.0, 4.0, 1.0], 2.0) == pytest.approx(1.5)
    assert np.isnan(threshold.crossing([0, 1], [1.0, 0.5], 2.0))
    assert np.isnan(threshold.crossing([0, 1], [8.0, 4.0], 2.0))


def test_bins_cover_their_values():
    values = np.random.default_rng(0).uniform(-3, 5, 50)
    at, index = _threshold_ml._bins(values, 0.2)
    assert np.abs(at[index] - values).max() <= 0.1 + 1e-12


# ------------------------------------------------------------------------- the stored tables


def rows():
    line = studies.stored("delay-threshold")
    for keys, part in line.groupby(["line", "fading"]):
        yield " ".join(keys), part
    for site, part in studies.stored("position-threshold").groupby("site"):
        yield site, part


def test_ziv_zakai_is_below_every_simulation():
    """Within four standard errors of the mean square error, in every row that has one."""
    n_rows = 0
    for name, part in rows():
        known = part[np.isfinite(part.ziv_zakai_over_crlb)]
        room = known.mse_over_crlb + 4 * known.mse_over_crlb_se - known.ziv_zakai_over_crlb
        assert (room > 0).all(), name
        n_rows += len(known)
    assert n_rows > 150


def test_counted_rivals_are_within_a_decibel_in_five_scenes():
    """At 1.1 and 2 times the bound of the root mean square error, and at twice that of the MSE."""
    worst = {}
    for name, part in rows():
        if "rayleigh" in name:
            continue
        for level in (1.1**2, 2.0, 4.0):
            measured, counted = (
                threshold.crossing(part.snr_db, part[f"{kind}_over_crlb"], level)
                for kind in ("mse", "counted")
            )
            worst[name, level] = abs(counted - measured)
    assert len(worst) == 21
    assert max(worst.values()) < 1.0
    assert sum(value < 0.5 for value in worst.values()) >= 17


def test_fading_alone_has_no_threshold():
    """From 10 dB to 30 dB the ratio moves by less than half, and counting follows it to 10 %."""
    table = studies.stored("delay-threshold")
    fading = table[(table.fading == "rayleigh") & (table.snr_db > -10)]
    off = (fading.counted_over_crlb - fading.mse_over_crlb).abs()
    assert (off < 0.1 * fading.mse_over_crlb + 4 * fading.mse_over_crlb_se).all()
    for _, part in fading[fading.snr_db >= 15].groupby("line"):
        ends = part.counted_over_crlb.iloc[[0, -1]].to_numpy()
        assert 1 < ends[1] / ends[0] < 1.15


def test_tables_reach_from_minus_45_db_to_the_bound():
    for name, part in rows():
        assert part.sample_snr_db.min() <= -44.9, name
        if "rayleigh" not in name:
            last = part.iloc[-1]
            assert abs(last.mse_over_crlb - 1) < 0.02 + 4 * last.mse_over_crlb_se, name
