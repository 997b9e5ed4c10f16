"""Maximum-likelihood angle and gain: exact recovery, independent maximisation, bound, threshold."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import angle_gain

SEEDS = st.integers(0, 2**32 - 1)
ANTENNAS = (1, 2, 3, 5, 8, 16, 64)


def complex_normal(rng, *shape):
    """Circular noise of unit variance."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def snapshots(rng, array, snr, n, share=1.0):
    """``n`` noisy channels and their angles, u = sin(phi) uniform in [-share, share]."""
    phi = np.arcsin(rng.uniform(-share, share, n))
    gain = np.sqrt(snr) * np.exp(2j * np.pi * rng.uniform(size=n))
    clean = gain[:, None] * array.steering(phi)
    return clean + complex_normal(rng, n, array.n_antennas), phi, gain


def power(channel, array, u):
    """``|a^H y|^2`` written out, for u of any shape."""
    index = np.arange(array.n_antennas)
    steering = np.exp(2j * np.pi * array.spacing * np.multiply.outer(u, index))
    return np.abs(steering.conj() @ channel) ** 2 / array.n_antennas


def best_u(channel, array):
    """Global maximiser of the likelihood: a dense grid, then scipy's bounded minimiser."""
    grid = np.linspace(-1, 1, 64 * array.n_antennas + 1)
    start = grid[np.argmax(power(channel, array, grid))]
    bracket = np.clip([start - grid[1] + grid[0], start + grid[1] - grid[0]], -1, 1)
    inside = minimize_scalar(
        lambda u: -power(channel, array, u), bounds=bracket, method="bounded",
        options={"xatol": 1e-12},
    ).x  # fmt: skip
    candidates = np.array([inside, *bracket])  # the minimiser never tries the ends themselves
    return candidates[np.argmax(power(channel, array, candidates))]


# ------------------------------------------------------------------------------ the likelihood


def test_least_squares_channel_is_sufficient():
    """Known pilots: ||X - alpha a s^T||^2 - ||s||^2 ||y - alpha a||^2 holds no parameter."""
    n_antennas, n_pilots = 2, 2
    x = sp.Matrix(n_antennas, n_pilots, sp.symbols("x:4"))
    s = sp.Matrix(1, n_pilots, sp.symbols("s:2"))
    mean = sp.Matrix(sp.symbols("m:2"))  # alpha a(phi), any complex vector
    energy = (s * s.H)[0]
    y = x * s.H / energy

    def square(matrix):
        return (matrix.H * matrix).trace()

    rest = sp.expand(square(x - mean * s) - energy * square(y - mean))
    assert all(not sp.simplify(rest).has(symbol) for symbol in mean)


def test_profile_likelihood_is_the_matched_filter():
    """||y - alpha a||^2 = ||y||^2 - |a^H y|^2 + |alpha - a^H y|^2 for a unit-norm a."""
    alpha, turn = sp.symbols("alpha"), sp.symbols("t", real=True)
    y = sp.Matrix(sp.symbols("y:3"))
    a = sp.Matrix([sp.exp(sp.I * turn * index) for index in range(3)]) / sp.sqrt(3)
    matched = (a.H * y)[0]

    def square(vector):
        return (vector.H * vector)[0]

    left = square(y - alpha * a)
    gap = alpha - matched
    right = square(y) - matched * sp.conjugate(matched) + gap * sp.conjugate(gap)
    assert sp.simplify(sp.expand(left - right)) == 0


# ------------------------------------------------------------------------------- the estimator


@given(seed=SEEDS, n_pilots=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_pilots_enter_through_the_least_squares_channel(seed, n_pilots):
    rng = np.random.default_rng(seed)
    array = UniformLinearArray(8)
    pilots = complex_normal(rng, 3, n_pilots)
    channel, _, _ = snapshots(rng, array, 100.0, 3)
    noise = complex_normal(rng, 3, 8, n_pilots)
    observations = channel[:, :, None] * pilots[:, None, :] + noise
    least_squares = np.array(
        [np.linalg.lstsq(s[:, None], x.T, rcond=None)[0][0]
         for s, x in zip(pilots, observations, strict=True)]
    )  # fmt: skip
    gain, phi = angle_ml.estimate(observations, pilots, array)
    expected_gain, expected_phi = angle_ml.estimate_from_channel(least_squares, array)
    error = angle_ml.angle_error_in_sine(phi, expected_phi)
    np.testing.assert_allclose(error, 0, atol=1e-9)
    np.testing.assert_allclose(np.abs(gain), np.abs(expected_gain), rtol=1e-9)


@given(
    seed=SEEDS,
    n_antennas=st.integers(2, 64),
    spacing=st.sampled_from([0.5, 0.45, 0.3, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_noise_free_data_return_the_truth(seed, n_antennas, spacing):
    """Any angle, half of them within 1e-3 of endfire in u; the error is taken in u."""
    rng = np.random.default_rng(seed)
    array = UniformLinearArray(n_antennas, spacing)
    u = rng.uniform(-1, 1, 20)
    u[:10] = np.sign(u[:10]) * (1 - 1e-3 * rng.uniform(size=10))
    phi, gain = np.arcsin(u), complex_normal(rng, 20)
    found_gain, found = angle_ml.estimate_from_channel(gain[:, None] * array.steering(phi), array)
    np.testing.assert_allclose(angle_ml.angle_error_in_sine(found, phi), 0, atol=1e-10)
    np.testing.assert_allclose(np.abs(found_gain), np.abs(gain), rtol=1e-10)
    inside = np.abs(u) < 1 - 1e-9  # across the endfire seam the phase reference turns too
    np.testing.assert_allclose(found_gain[inside], gain[inside], rtol=1e-7)
    np.testing.assert_allclose(found[10:], phi[10:], atol=1e-7)


@pytest.mark.parametrize("phi", [np.pi / 2, -np.pi / 2])
@pytest.mark.parametrize("spacing", [0.5, 0.3])
def test_endfire_is_found(phi, spacing):
    array = UniformLinearArray(8, spacing)
    _, found = angle_ml.estimate_from_channel(2j * array.steering(phi), array)
    assert abs(np.sin(found)) == pytest.approx(1, abs=1e-10)
    if spacing < 0.5:
        assert found == pytest.approx(phi, abs=1e-4)  # u is flat there: sqrt(2e-10)


@pytest.mark.parametrize("spacing", [0.5, 0.3])
@pytest.mark.parametrize("n_antennas", ANTENNAS)
def test_estimate_maximises_the_likelihood(n_antennas, spacing):
    """Equals dense grid + scipy at 20 dB, also with the peak cut off by endfire."""
    rng = np.random.default_rng([n_antennas, round(10 * spacing)])
    array = UniformLinearArray(n_antennas, spacing)
    channel, _, _ = snapshots(rng, array, 100.0, 40)
    gain, phi = angle_ml.estimate_from_channel(channel, array)
    for y, found_gain, found in zip(channel, gain, phi, strict=True):
        best = best_u(y, array)
        top = power(y, array, best)
        assert power(y, array, np.sin(found)) == pytest.approx(top, rel=1e-9)
        assert abs(found_gain) ** 2 == pytest.approx(top, rel=1e-9)
        if n_antennas > 1:  # scipy compares values of the flat top: half the digits
            error = angle_ml.angle_error_in_sine(found, np.arcsin(best))
            assert abs(error) < 1e-6
    assert np.all(np.abs(phi) <= np.pi / 2)


@pytest.mark.parametrize("spacing", [0.5, 0.3, 0.1])
@pytest.mark.parametrize("n_antennas", [2, 4, 16, 64])
def test_in_pure_noise_the_peak_is_among_the_highest(n_antennas, spacing):
    """A bin is within 1/8 beamwidth of the top, so a peak 10 % higher cannot be missed."""
    rng = np.random.default_rng(n_antennas)
    array = UniformLinearArray(n_antennas, spacing)
    channel = complex_normal(rng, 200, n_antennas)
    gain, _ = angle_ml.estimate_from_channel(channel, array)
    grid = np.linspace(-1, 1, 64 * n_antennas + 1)
    top = power(channel.T, array, grid).max(axis=0)
    assert np.all(np.abs(gain) ** 2 > 0.9 * top)
    assert np.mean(np.abs(gain) ** 2 > (1 - 1e-9) * top) > 0.9


def test_far_below_the_threshold_few_estimates_miss_the_top(monkeypatch):
    """What bins, steps and their clip are for: one worse choice of any of them fails here."""
    array = UniformLinearArray(8)
    channel, _, _ = snapshots(np.random.default_rng(0), array, 1.0, 100_000)
    gain, phi = angle_ml.estimate_from_channel(channel, array)
    top = np.max(np.abs(np.fft.fft(channel, 256, axis=1)) ** 2, axis=1) / 8
    assert np.all(np.abs(gain) ** 2 > 0.9 * top)
    assert np.mean(np.abs(gain) ** 2 < (1 - 1e-9) * top) < 0.02
    monkeypatch.setattr(angle_ml, "_NEWTON_STEPS", 40)
    _, converged = angle_ml.estimate_from_channel(channel, array)
    moved = np.abs(angle_ml.angle_error_in_sine(phi, converged))
    assert np.mean(moved > 1e-9) < 1e-3


@given(seed=SEEDS, n_antennas=st.integers(2, 20))
@settings(max_examples=40, deadline=None)
def test_pilot_phases_scale_and_mirror(seed, n_antennas):
    """Pilot phases cancel, the gain scales, and conjugate data give the mirrored angle."""
    rng = np.random.default_rng(seed)
    array = UniformLinearArray(n_antennas)
    channel, _, _ = snapshots(rng, array, 300.0, 4, share=0.9)
    pilots = np.exp(2j * np.pi * rng.uniform(size=(4, 5)))
    turn = np.exp(2j * np.pi * rng.uniform(size=(4, 5)))
    noise = complex_normal(rng, 4, n_antennas, 5)
    base = channel[:, :, None] * pilots[:, None, :] + noise
    gain, phi = angle_ml.estimate(base, pilots, array)
    turned = angle_ml.estimate(base * turn[:, None, :], pilots * turn, array)
    scaled = angle_ml.estimate(base * (3 - 4j), pilots, array)
    mirrored = angle_ml.estimate(base.conj(), pilots.conj(), array)
    np.testing.assert_allclose(turned[0], gain, rtol=1e-8)
    np.testing.assert_allclose(turned[1], phi, atol=1e-8)
    np.testing.assert_allclose(scaled[0], (3 - 4j) * gain, rtol=1e-8)
    np.testing.assert_allclose(scaled[1], phi, atol=1e-8)
    np.testing.assert_allclose(mirrored[0], gain.conj(), rtol=1e-8)
    np.testing.assert_allclose(mirrored[1], -phi, atol=1e-8)


def test_one_antenna_gives_a_gain_and_some_angle():
    gain, phi = angle_ml.estimate_from_channel([[3.0 + 4.0j]], UniformLinearArray(1))
    assert gain[0] == pytest.approx(3 + 4j)
    assert abs(phi[0]) <= np.pi / 2


def test_blocks_agree_with_single_snapshots_and_shapes_are_kept():
    """Longer than the internal block, and leading axes."""
    rng = np.random.default_rng(4)
    array = UniformLinearArray(4)
    channel, _, _ = snapshots(rng, array, 10.0, 5000)
    gain, phi = angle_ml.estimate_from_channel(channel, array)
    for index in (0, 2047, 2048, 4999):
        one = angle_ml.estimate_from_channel(channel[index], array)
        assert one[0].shape == one[1].shape == ()
        np.testing.assert_allclose(one[0], gain[index], rtol=1e-12)
        np.testing.assert_allclose(one[1], phi[index], atol=1e-12)
    folded = angle_ml.estimate_from_channel(channel.reshape(50, 100, 4), array)
    np.testing.assert_array_equal(folded[0], gain.reshape(50, 100))
    np.testing.assert_array_equal(folded[1], phi.reshape(50, 100))
    empty = angle_ml.estimate_from_channel(np.empty((0, 4)), array)
    assert empty[0].shape == empty[1].shape == (0,)


def test_inputs_are_not_changed():
    rng = np.random.default_rng(5)
    observations, pilots = complex_normal(rng, 4, 3), complex_normal(rng, 3)
    before = observations.copy(), pilots.copy()
    angle_ml.estimate(observations, pilots, UniformLinearArray(4))
    np.testing.assert_array_equal(observations, before[0])
    np.testing.assert_array_equal(pilots, before[1])


# ------------------------------------------------------------------------------------ the bound


@pytest.mark.parametrize("spacing", [0.5, 0.3])
@pytest.mark.parametrize("n_antennas", [2, 8])
def test_estimator_attains_the_bound_on_gain_and_angle(n_antennas, spacing):
    """zhang (40), (41) and the couplings of (37), at 25 dB.

    With the errors whitened by the bound, the n snapshots' sample covariance has entries of
    standard deviation sqrt(2/n) on the diagonal and sqrt(1/n) beside it: five of them are
    allowed, and 3/rho for the next order of the expansion that the bound leaves out.
    """
    n, snr, n_pilots, noise_variance = 40_000, 10**2.5, 4, 0.7
    array = UniformLinearArray(n_antennas, spacing)
    phi, gain = 0.4, np.sqrt(snr * noise_variance / n_pilots) * np.exp(1.1j)
    rng = np.random.default_rng([n_antennas, round(10 * spacing)])
    pilots = np.exp(2j * np.pi * rng.uniform(size=n_pilots))
    noise = np.sqrt(noise_variance) * complex_normal(rng, n, n_antennas, n_pilots)
    observations = gain * np.outer(array.steering(phi), pilots) + noise
    found_gain, found = angle_ml.estimate(observations, pilots, array)

    off = found_gain - gain
    error = np.stack([off.real, off.imag, found - phi], axis=1)
    bound = angle_gain.crlb(gain, phi, array, n_pilots, noise_variance)
    white = np.linalg.solve(np.linalg.cholesky(bound), error.T)
    tolerance = 5 * np.sqrt(2 / n) + 3 / snr
    np.testing.assert_allclose(white @ white.T / n, np.eye(3), atol=tolerance)
    ratio = np.mean(error**2, axis=0) / np.diag(bound)
    np.testing.assert_allclose(ratio, 1, atol=tolerance)


# -------------------------------------------------------------------------------- the threshold


def alternating_sum(rho, n_antennas):
    """Exact terms of the outlier probability."""
    return sum(
        (-1) ** (k + 1) * sp.binomial(n_antennas - 1, k)
        * sp.exp(-rho * sp.Rational(k, k + 1)) / (k + 1)
        for k in range(1, n_antennas)
    )  # fmt: skip


def test_noncoherent_expectation_behind_the_sum():
    """E exp(-k |sqrt(rho) + w|^2) = exp(-rho k/(k+1)) / (k+1) for w ~ CN(0, 1)."""
    x, y = sp.symbols("x y", real=True)
    k, peak = sp.symbols("k s", positive=True)
    density = [sp.exp(-((x - peak) ** 2)), sp.exp(-(y**2))]
    real, imaginary = (
        sp.integrate(d * sp.exp(-k * v**2), (v, -sp.oo, sp.oo)) / sp.sqrt(sp.pi)
        for d, v in zip(density, (x, y), strict=True)
    )
    expected = sp.exp(-(peak**2) * k / (k + 1)) / (k + 1)
    assert sp.simplify(real * imaginary / expected) == 1


@pytest.mark.parametrize("n_antennas", [2, 8, 16])
def test_outlier_probability_is_the_alternating_sum(n_antennas):
    rho = [0, sp.Rational(1, 10), 1, 5, 12, 30]
    exact = [float(alternating_sum(each, n_antennas).evalf(30)) for each in rho]
    found = angle_ml.outlier_probability([float(each) for each in rho], n_antennas)
    np.testing.assert_allclose(found, exact, rtol=1e-9)


@pytest.mark.parametrize("snr", [0.5, 4.0, 8.0])
def test_outlier_probability_is_that_of_orthogonal_beams(snr):
    """L beams with independent noise, the first with the signal; five standard deviations."""
    n, n_antennas = 100_000, 8
    beams = complex_normal(np.random.default_rng(7), n, n_antennas)
    beams[:, 0] += np.sqrt(snr)
    wrong = np.mean(np.argmax(np.abs(beams), axis=1) != 0)
    expected = angle_ml.outlier_probability(snr, n_antennas)
    assert abs(wrong - expected) < 5 * np.sqrt(expected * (1 - expected) / n)


@given(n_antennas=st.integers(1, 2000))
@settings(max_examples=40, deadline=None)
def test_outlier_probability_limits(n_antennas):
    """1 - 1/L without signal, falling to 0; one antenna has no wrong beam."""
    chance = angle_ml.outlier_probability(np.linspace(0, 60, 61), n_antennas)
    assert chance[0] == pytest.approx(1 - 1 / n_antennas, abs=1e-10)
    assert np.all(np.diff(chance) <= 1e-15)
    assert np.all(chance >= 0)
    assert chance[-1] <= n_antennas * np.exp(-30) / 2  # union bound: each beam e^{-rho/2}/2


def test_predicted_mse_limits():
    """The bound of u above the threshold, the circle's variance for many beams below it."""
    for n_antennas in (2, 8, 64):
        array = UniformLinearArray(n_antennas)
        bound = angle_gain.angle_crlb(np.sqrt(1e4), 0.0, array, 1, 1.0)
        assert angle_ml.predicted_mse(1e4, array) == pytest.approx(bound, rel=1e-9)
    array, snr = UniformLinearArray(8), np.array([1.0, 10.0])
    chance = angle_ml.outlier_probability(snr, 8)
    bound = 6 / (snr * np.pi**2 * 63)
    expected = chance / 3 + (1 - chance) * bound
    np.testing.assert_allclose(angle_ml.predicted_mse(snr, array), expected, rtol=1e-12)
    assert angle_ml.predicted_mse(0.01, UniformLinearArray(1000)) == pytest.approx(1 / 3, rel=2e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_antennas", [2, 8, 2000])
def test_predictions_hold_at_any_snr(n_antennas):
    """No outlier from 40 dB on, and the bound of u, which falls by 10 dB for every 10 dB."""
    snr, array = 10.0 ** (np.arange(0, 3001, 1) / 10), UniformLinearArray(n_antennas)
    chance = angle_ml.outlier_probability(snr, n_antennas)
    assert np.all(np.diff(chance) <= 1e-15)
    assert np.all(chance[20:40] <= n_antennas * np.exp(-snr[20:40] / 2))
    assert not np.any(chance[400:])
    bound = 6 / (snr * np.pi**2 * (n_antennas**2 - 1))
    np.testing.assert_allclose(angle_ml.predicted_mse(snr, array)[400:], bound[400:], rtol=1e-12)
    assert np.all(np.diff(angle_ml.predicted_mse(snr, array)) < 0)
    assert angle_ml.outlier_probability(1e308, n_antennas) == 0


@pytest.mark.parametrize("n_antennas", [2, 8, 64])
def test_predicted_mse_is_never_more_than_a_blind_guess_makes(n_antennas):
    snr = np.logspace(-12, 2, 57)
    predicted = angle_ml.predicted_mse(snr, UniformLinearArray(n_antennas))
    assert np.all(predicted <= (1 + 1e-12) / 3)
    assert predicted[0] == pytest.approx(1 / 3, rel=1e-9)


def test_interval_errors_predict_the_order_of_the_threshold():
    """Low by up to a factor 2 at 10 dB: it counts too few wrong beams."""
    array = UniformLinearArray(8)
    channel, phi, _ = snapshots(np.random.default_rng(8), array, 10.0, 100_000)
    _, found = angle_ml.estimate_from_channel(channel, array)
    mse = np.mean(angle_ml.angle_error_in_sine(found, phi) ** 2)
    assert 1.3 < mse / angle_ml.predicted_mse(10.0, array) < 2.0


@given(phi=st.floats(-1.5, 1.5), other=st.floats(-1.5, 1.5))
def test_error_in_sine_lives_on_the_circle(phi, other):
    error = angle_ml.angle_error_in_sine(phi, other)
    assert -1 <= error < 1
    plain = np.sin(phi) - np.sin(other)
    assert np.exp(1j * np.pi * error) == pytest.approx(np.exp(1j * np.pi * plain), abs=1e-12)
    if abs(plain) < 0.999:
        assert error == pytest.approx(plain, abs=1e-12)


def test_error_across_the_endfire_seam_is_small():
    near = np.arcsin(1 - 1e-4)
    assert angle_ml.angle_error_in_sine(-near, near) == pytest.approx(2e-4, rel=1e-9)


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("observations", "pilots", "match"),
    [
        (np.ones((4, 3)), np.ones(2), "same T"),
        (np.ones(4), np.ones(4), "observations"),
        (np.ones((4, 3)), np.float64(1.0), "pilots"),
        (np.ones((4, 0)), np.ones(0), "pilots must not all be zero"),
        (np.ones((4, 3)), np.zeros(3), "pilots must not all be zero"),
        (np.ones((2, 4, 3)), np.stack([np.ones(3), np.zeros(3)]), "pilots must not all be zero"),
        (np.full((4, 3), np.nan), np.ones(3), "observations must be finite"),
        (np.ones((4, 3)), np.array([1, np.inf, 1]), "pilots must be finite"),
        (np.ones((5, 3)), np.ones(3), "must have length 4"),
        ("echo", np.ones(3), "observations must be an array"),
    ],
)
def test_bad_observations_are_refused(observations, pilots, match):
    with pytest.raises(ValueError, match=match):
        angle_ml.estimate(observations, pilots, UniformLinearArray(4))


def test_bad_channels_are_refused():
    with pytest.raises(ValueError, match="must have length 4"):
        angle_ml.estimate_from_channel(np.ones(5), UniformLinearArray(4))
    with pytest.raises(ValueError, match="must have length 4"):
        angle_ml.estimate_from_channel(1.0, UniformLinearArray(4))
    with pytest.raises(ValueError, match="channel must be finite"):
        angle_ml.estimate_from_channel([1, np.nan], UniformLinearArray(2))
    with pytest.raises(ValueError, match=r"spacing must be <= 0\.5"):
        angle_ml.estimate_from_channel(np.ones(4), UniformLinearArray(4, 0.6))


@pytest.mark.parametrize("snr", [-1.0, np.nan, np.inf])
def test_bad_snr_is_refused(snr):
    with pytest.raises(ValueError, match="snr must be"):
        angle_ml.outlier_probability(snr, 8)
    with pytest.raises(ValueError, match="snr must be"):
        angle_ml.predicted_mse(snr, UniformLinearArray(8))


@pytest.mark.parametrize("n_antennas", [0, 2.5, -3])
def test_bad_antenna_numbers_are_refused(n_antennas):
    with pytest.raises(ValueError, match="n_antennas must be a whole number >= 1"):
        angle_ml.outlier_probability(1.0, n_antennas)


def test_prediction_needs_a_half_wavelength_array_that_sees_an_angle():
    with pytest.raises(ValueError, match="snr must be > 0"):
        angle_ml.predicted_mse(0.0, UniformLinearArray(8))
    for array in (UniformLinearArray(1), UniformLinearArray(8, 0.3)):
        with pytest.raises(ValueError, match=r"n_antennas >= 2 and spacing 0\.5"):
            angle_ml.predicted_mse(1.0, array)


@pytest.mark.parametrize("bad", [np.nan, "left"])
def test_bad_angles_are_refused(bad):
    with pytest.raises(ValueError, match="estimate"):
        angle_ml.angle_error_in_sine(bad, 0.0)
    with pytest.raises(ValueError, match="phi"):
        angle_ml.angle_error_in_sine(0.0, bad)


def test_other_arrays_shapes_and_sizes_are_named():
    array, seen = UniformLinearArray(8), np.ones((3, 8, 6))
    for match, call in (
        ("array must", lambda: angle_ml.estimate(seen, np.ones(6), None)),
        ("array must", lambda: angle_ml.estimate_from_channel(np.ones(8), "x")),
        ("array must", lambda: angle_ml.predicted_mse(1.0, 3)),
        ("array spacing must", lambda: angle_ml.estimate_from_channel(
            np.ones(8), UniformLinearArray(8, 0.7))),
        ("observations and pilots must", lambda: angle_ml.estimate(seen, np.ones((2, 6)), array)),
        ("observations must", lambda: angle_ml.estimate(1e200 * seen, np.ones(6), array)),
        ("pilots must", lambda: angle_ml.estimate(seen, 1e200 * np.ones(6), array)),
        ("channel must", lambda: angle_ml.estimate_from_channel(1e200 * np.ones(8), array)),
        ("channel must", lambda: angle_ml.estimate_from_channel(np.ones(7), array)),
        ("estimate and phi must", lambda: angle_ml.angle_error_in_sine([1, 2, 3], [1, 2])),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
