"""Path loss, radar equation, Swerling, local scattering, channel estimates, noise."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import constants, special, stats

from cfisac import propagation
from cfisac.arrays import UniformLinearArray

QUICK = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)


def written_out_path_loss(d2, f_ghz, h_bs, h_ut, line_of_sight):
    """Table 7.4.1-1 of 3GPP TR 38.901, row UMi, branch by branch."""
    d3 = np.sqrt(d2**2 + (h_bs - h_ut) ** 2)
    breakpoint_distance = 4 * (h_bs - 1) * (h_ut - 1) * f_ghz * 1e9 / 3e8
    if d2 <= breakpoint_distance:
        direct = 32.4 + 21 * np.log10(d3) + 20 * np.log10(f_ghz)
    else:
        direct = 32.4 + 40 * np.log10(d3) + 20 * np.log10(f_ghz)
        direct -= 9.5 * np.log10(breakpoint_distance**2 + (h_bs - h_ut) ** 2)
    hidden = 22.4 + 35.3 * np.log10(d3) + 21.3 * np.log10(f_ghz) - 0.3 * (h_ut - 1.5)
    return direct if line_of_sight else max(direct, hidden)


def random_covariance(rng, size, rank=None):
    """Hermitian positive semidefinite matrix of the given rank."""
    root = rng.normal(size=(size, rank or size, 2)) @ [1, 1j]
    return root @ root.conj().T / size


def complex_normal(rng, *shape):
    return rng.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)


# ------------------------------------------------------------------------------- path loss


def test_path_loss_of_a_micro_cell_in_round_numbers():
    """100 m away on one level (d3 = d2) at 1 GHz every logarithm is 2 or 0."""
    loss = propagation.urban_microcell_path_loss
    assert loss(100, 1e9, 10, 10) == pytest.approx(22.4 + 35.3 * 2 - 0.3 * 8.5, abs=1e-12)
    assert loss(100, 1e9, 10, 10, True) == pytest.approx(32.4 + 21 * 2, abs=1e-12)
    assert loss(100, 10e9, 10, 10, True) - loss(100, 1e9, 10, 10, True) == pytest.approx(20)
    assert loss(100, 10e9) - loss(100, 1e9) == pytest.approx(21.3)


@QUICK
@given(
    st.floats(10, 5000), st.floats(0.5, 100), st.floats(1.1, 30), st.floats(1.5, 22.5),
    st.booleans(),
)  # fmt: skip
def test_path_loss_is_the_published_table(d2, f_ghz, h_bs, h_ut, line_of_sight):
    loss = propagation.urban_microcell_path_loss(d2, f_ghz * 1e9, h_bs, h_ut, line_of_sight)
    written = written_out_path_loss(d2, f_ghz, h_bs, h_ut, line_of_sight)
    assert loss == pytest.approx(written, abs=1e-9)


def test_sympy_both_branches_meet_at_the_breakpoint():
    d, rise, f = sp.symbols("d_bp Delta f", positive=True)

    def lg(x):
        return sp.log(x) / sp.log(10)

    space = sp.sqrt(d**2 + rise**2)
    near = sp.Rational("32.4") + 21 * lg(space) + 20 * lg(f)
    far = sp.Rational("32.4") + 40 * lg(space) + 20 * lg(f) - sp.Rational("9.5") * lg(space**2)
    assert sp.simplify(sp.expand_log(near - far, force=True)) == 0


def test_path_loss_is_continuous_at_the_breakpoint_and_breaks_there():
    """At 3 GHz and 10 m / 1.5 m the breakpoint is 180 m; the slope goes from 21 to 40."""
    near, far = propagation.urban_microcell_path_loss([180 - 1e-9, 180 + 1e-9], 3e9, 10, 1.5, True)
    assert near == pytest.approx(far, abs=1e-8)
    space = np.hypot([150, 179, 181, 210], 8.5)
    loss = propagation.urban_microcell_path_loss([150, 179, 181, 210], 3e9, 10, 1.5, True)
    slopes = np.diff(loss) / np.diff(np.log10(space))
    assert slopes[0] == pytest.approx(21)
    assert slopes[2] == pytest.approx(40)


@QUICK
@given(SEEDS)
def test_path_loss_rises_with_distance_and_without_sight(seed):
    rng = np.random.default_rng(seed)
    d = np.sort(rng.uniform(10, 5000, 50))
    carrier = rng.uniform(0.5e9, 100e9)
    clear = propagation.urban_microcell_path_loss(d, carrier, line_of_sight=True)
    hidden = propagation.urban_microcell_path_loss(d, carrier)
    assert (np.diff(clear) >= 0).all()
    assert (np.diff(hidden) >= 0).all()
    assert (hidden >= clear).all()
    mixed = propagation.urban_microcell_path_loss(d, carrier, line_of_sight=np.arange(50) % 2 == 0)
    np.testing.assert_array_equal(mixed, np.where(np.arange(50) % 2 == 0, clear, hidden))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((9.99, 38e9), "distance"), ((5001, 38e9), "distance"), ((np.nan, 38e9), "distance"),
        ((100, 0.4e9), "carrier_frequency"), ((100, 101e9), "carrier_frequency"),
        ((100, 38e9, 1.0), "ap_height"), ((100, 38e9, 10, 1.4), "user_height"),
        ((100, 38e9, 10, 23), "user_height"), ((100, 38e9, 10, 1.5, 1), "line_of_sight"),
        ((100, 38e9, 10, 1.5, "yes"), "line_of_sight"),
    ],
)  # fmt: skip
def test_path_loss_refuses_what_the_report_does_not_cover(arguments, name):
    with pytest.raises(ValueError, match=name):
        propagation.urban_microcell_path_loss(*arguments)


# -------------------------------------------------------------------------- radar equation


def test_sympy_radar_equation_from_two_spheres_and_an_aperture():
    """Below fan_conf (13): power density, reflected power, density again, aperture."""
    p, g_t, g_r, rcs, wavelength, d_t, d_r = sp.symbols(
        "P G_t G_r sigma lambda d_t d_r", positive=True
    )
    at_target = p * g_t / (4 * sp.pi * d_t**2)
    at_receiver = at_target * rcs / (4 * sp.pi * d_r**2)
    received = at_receiver * g_r * wavelength**2 / (4 * sp.pi)
    printed = wavelength**2 * g_t * g_r / ((4 * sp.pi) ** 3 * d_t**2 * d_r**2)
    assert sp.simplify(received / (p * rcs) - printed) == 0
    values = {p: 1, rcs: 1, g_t: 2, g_r: 3, wavelength: 0.008, d_t: 40, d_r: 90}
    gain = propagation.radar_gain(40, 90, 0.008, 2, 3)
    assert gain == pytest.approx(float(received.subs(values)), rel=1e-12)


@QUICK
@given(SEEDS)
def test_radar_gain_scales_and_is_reciprocal(seed):
    rng = np.random.default_rng(seed)
    d_t, d_r, wavelength = rng.uniform(1, 500, (3, 4))
    gain = propagation.radar_gain(d_t, d_r, wavelength)
    np.testing.assert_allclose(propagation.radar_gain(d_r, d_t, wavelength), gain, rtol=1e-13)
    np.testing.assert_allclose(propagation.radar_gain(2 * d_t, d_r, wavelength), gain / 4)
    np.testing.assert_allclose(propagation.radar_gain(d_t, d_r, wavelength, 2, 5), 10 * gain)
    both = propagation.radar_gain(d_t, d_t, wavelength)
    liu = wavelength**2 / ((4 * np.pi) ** 3 * d_t**4)  # liu, below (1)
    np.testing.assert_allclose(both, liu, rtol=1e-12)


def test_radar_gain_broadcasts():
    assert propagation.radar_gain(np.ones((3, 1)), np.ones(4), 0.1).shape == (3, 4)


@pytest.mark.parametrize(
    "name", ["transmit_distance", "receive_distance", "wavelength", "transmit_gain", "receive_gain"]
)
@pytest.mark.parametrize("value", [0, -1, np.inf, np.nan, "1"])
def test_radar_gain_refuses(name, value):
    good = {"transmit_distance": 10, "receive_distance": 10, "wavelength": 0.1}
    with pytest.raises(ValueError, match=name):
        propagation.radar_gain(**(good | {name: value}))


# ------------------------------------------------------------------------------- Swerling I


def test_sympy_squared_modulus_of_a_circular_gaussian_is_exponential():
    s, radius, x = sp.symbols("s r x", positive=True)
    density = sp.exp(-(radius**2) / s) / (sp.pi * s)  # CN(0, s), in polar coordinates
    tail = sp.integrate(2 * sp.pi * radius * density, (radius, sp.sqrt(x), sp.oo))
    assert sp.simplify(tail - sp.exp(-x / s)) == 0


def test_swerling_draws_are_exponential_in_power_and_uniform_in_phase():
    n, mean = 100_000, 2.5
    alpha = propagation.swerling_one(np.random.default_rng(5), mean, n)
    power = np.abs(alpha) ** 2
    # One deviation of the mean of n exponentials is mean / sqrt(n); of the mean of alpha, too.
    assert abs(power.mean() - mean) < 4.5 * mean / np.sqrt(n)
    assert abs(alpha.mean()) < 4.5 * np.sqrt(mean / n)
    assert stats.kstest(power, stats.expon(scale=mean).cdf).pvalue > 1e-4
    assert stats.kstest(np.angle(alpha), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4


def test_swerling_shapes_seeds_and_zero():
    draw = propagation.swerling_one
    assert draw(np.random.default_rng(1), 1.0).shape == ()
    assert draw(np.random.default_rng(1), [1.0, 0.0]).shape == (2,)
    assert draw(np.random.default_rng(1), [1.0, 0.0], (5, 2)).shape == (5, 2)
    assert (draw(np.random.default_rng(1), 0.0, 7) == 0).all()
    first, again = (draw(np.random.default_rng(1), 1.0, 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(draw(np.random.default_rng(1), 4.0, 7), 2 * first, rtol=1e-15)


@pytest.mark.parametrize(("mean", "size"), [(-1, None), (np.inf, None), ([1, 2], 3), ("1", None)])
def test_swerling_refuses(mean, size):
    with pytest.raises(ValueError, match="mean_rcs"):
        propagation.swerling_one(np.random.default_rng(1), mean, size)


# ------------------------------------------------------------------------- local scattering


def quadrature(n_antennas, angle, spread, spacing, n_points=20_001):
    """First column of the covariance by the trapezoidal rule over nine deviations."""
    delta = np.linspace(-9, 9, n_points) * spread
    weight = np.exp(-((delta / spread) ** 2) / 2)
    lag = np.arange(n_antennas)
    phase = 2 * np.pi * spacing * np.outer(lag, np.sin(angle + delta))
    return np.exp(1j * phase) @ (weight / weight.sum())


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 12), st.floats(-np.pi, np.pi), st.floats(1e-3, 3), st.floats(0.2, 1)
)  # fmt: skip
def test_local_scattering_is_the_integral(n_antennas, angle, spread, spacing):
    matrix = propagation.local_scattering_covariance(n_antennas, angle, spread, spacing)
    column = quadrature(n_antennas, angle, spread, spacing)
    np.testing.assert_allclose(matrix[:, 0], column, rtol=0, atol=1e-11)


def test_gauss_hermite_converges_to_the_series():
    """A second quadrature: the error falls by decades with the nodes, down to rounding."""
    exact = propagation.local_scattering_covariance(8, 0.4, np.radians(15))[:, 0]
    lag, error = np.arange(8), []
    for n_nodes in (10, 20, 40, 80):
        x, weight = special.roots_hermite(n_nodes)
        phase = np.pi * np.outer(lag, np.sin(0.4 + np.sqrt(2) * np.radians(15) * x))
        error.append(np.abs(np.exp(1j * phase) @ weight / np.sqrt(np.pi) - exact).max())
    assert error[0] > 0.1
    assert error[1] < error[0] / 10
    assert error[2] < error[1] / 1e4
    assert error[3] < 1e-14


@QUICK
@given(SEEDS)
def test_local_scattering_is_a_covariance(seed):
    """Hermitian, Toeplitz, ones on the diagonal, no negative eigenvalue; front equals back."""
    rng = np.random.default_rng(seed)
    size, spacing = int(rng.integers(1, 33)), rng.uniform(0.2, 1)
    angle, spread = rng.uniform(-np.pi, np.pi, 3), 10 ** rng.uniform(-3, 1, 3)
    matrix = propagation.local_scattering_covariance(size, angle, spread, spacing)
    assert matrix.shape == (3, size, size)
    np.testing.assert_allclose(matrix, np.conj(np.swapaxes(matrix, -1, -2)), atol=1e-15)
    np.testing.assert_array_equal(matrix[:, 1:, 1:], matrix[:, :-1, :-1])
    np.testing.assert_array_equal(np.trace(matrix, axis1=-2, axis2=-1), size)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * size
    behind = propagation.local_scattering_covariance(size, np.pi - angle, spread, spacing)
    np.testing.assert_allclose(behind, matrix, atol=1e-12)


@QUICK
@given(SEEDS)
def test_local_scattering_without_spread_is_one_direction(seed):
    rng = np.random.default_rng(seed)
    array = UniformLinearArray(int(rng.integers(1, 65)), rng.uniform(0.2, 1))
    angle = rng.uniform(-1.5, 1.5)
    steering = array.steering(angle) * np.sqrt(array.n_antennas)
    matrix = propagation.local_scattering_covariance(array.n_antennas, angle, 0, array.spacing)
    np.testing.assert_allclose(matrix, np.outer(steering, steering.conj()), atol=1e-12)


def test_local_scattering_from_everywhere_is_a_bessel_function():
    """Waves from all around: J_0 of the distance in radians, the model of Clarke and Jakes."""
    matrix = propagation.local_scattering_covariance(16, 0.3, 20.0)
    np.testing.assert_allclose(matrix[:, 0], special.j0(np.pi * np.arange(16)), atol=1e-14)


def test_small_spreads_approach_the_closed_form():
    """The exp(-(kappa k s cos phi)^2 / 2) of a linearised sine: its error falls like s^2."""
    lag, angle, error = np.arange(16), 0.4, []
    for spread in (0.004, 0.002, 0.001):
        damping = np.exp(-((np.pi * lag * spread * np.cos(angle)) ** 2) / 2)
        closed = np.exp(1j * np.pi * lag * np.sin(angle)) * damping
        exact = propagation.local_scattering_covariance(16, angle, spread)[:, 0]
        error.append(np.abs(exact - closed).max())
    ratio = np.divide(error[:-1], error[1:])
    assert ratio == pytest.approx(4, rel=0.1)


def test_local_scattering_is_the_mean_of_random_waves():
    """Four thousand draws of the angle; each entry's error has variance below 1 / n."""
    n, spread, rng = 4000, 0.3, np.random.default_rng(8)
    angle = 0.5 + spread * rng.normal(size=n)
    wave = np.exp(1j * np.pi * np.outer(np.sin(angle), np.arange(8)))
    sample = wave.T @ wave.conj() / n
    exact = propagation.local_scattering_covariance(8, 0.5, spread)
    assert np.abs(sample - exact).max() < 4.5 / np.sqrt(n)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 0.1, 0.1), "n_antennas"), ((2.5, 0.1, 0.1), "n_antennas"),
        ((4, np.nan, 0.1), "phi"), ((4, 0.1, -0.1), "angle_spread"),
        ((4, 0.1, np.inf), "angle_spread"),
        ((4, 0.1, 0.1, 0), "spacing"), (([4, 8], 0.1, 0.1), "n_antennas"),
        ((4, 0.1, 0.1, [0.5, 1]), "spacing"),
    ],
)  # fmt: skip
def test_local_scattering_refuses(arguments, name):
    with pytest.raises(ValueError, match=name):
        propagation.local_scattering_covariance(*arguments)


# ------------------------------------------------------------------------- channel estimate


@QUICK
@given(SEEDS)
def test_estimate_and_error_share_the_covariance(seed):
    """R - B is the conditional covariance of the channel given the pilot, rank-deficient or not."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 7))
    r = random_covariance(rng, size, int(rng.integers(1, size + 1)))
    energy, noise = 10 ** rng.uniform(-2, 2, 2)
    b = propagation.mmse_estimate_covariance(r, energy, noise)
    observed = energy * r + noise * np.eye(size)
    error = r - np.sqrt(energy) * r @ np.linalg.inv(observed) @ (np.sqrt(energy) * r)
    np.testing.assert_allclose(b + error, r, atol=1e-10)
    for matrix in (b, r - b):
        assert np.linalg.eigvalsh(matrix).min() > -1e-10 * np.abs(r).max()


def test_monte_carlo_of_the_linear_estimate():
    """Covariance B, error covariance R - B, and no correlation between the two."""
    rng, n, size, energy, noise = np.random.default_rng(3), 40_000, 4, 2.0, 0.7
    r = random_covariance(rng, size)
    channel = complex_normal(rng, n, size) @ np.linalg.cholesky(r).T
    pilot = np.sqrt(energy) * channel + np.sqrt(noise) * complex_normal(rng, n, size)
    filter_ = np.sqrt(energy) * r @ np.linalg.inv(energy * r + noise * np.eye(size))
    estimate = pilot @ filter_.T
    b = propagation.mmse_estimate_covariance(r, energy, noise)
    error = channel - estimate
    # Products of two circular Gaussians of variances u, v: the mean has variance u v / n.
    for left, right, expected in (
        (estimate, estimate, b),
        (error, error, r - b),
        (error, estimate, 0),
    ):
        sample = left.T @ right.conj() / n
        deviation = np.sqrt(np.outer(*(np.mean(np.abs(x) ** 2, axis=0) for x in (left, right))) / n)
        assert (np.abs(sample - expected) < 4.5 * deviation).all()


def test_estimate_covariance_limits_and_one_antenna():
    r = random_covariance(np.random.default_rng(2), 5)
    np.testing.assert_allclose(propagation.mmse_estimate_covariance(r, 0, 1), 0, atol=1e-15)
    np.testing.assert_allclose(propagation.mmse_estimate_covariance(r, 1e12, 1), r, atol=1e-9)
    alone = propagation.mmse_estimate_covariance([[3.0]], 2.0, 5.0)
    assert alone == pytest.approx(2 * 3**2 / (2 * 3 + 5))
    tiny = propagation.mmse_estimate_covariance(1e-12 * r, 12.8, 1e-12)  # as small as path gains
    np.testing.assert_allclose(
        tiny, 1e-12 * propagation.mmse_estimate_covariance(r, 12.8, 1), rtol=1e-9
    )
    assert (propagation.mmse_estimate_covariance(np.zeros((3, 3)), 1, 1) == 0).all()


@pytest.mark.parametrize("noise", [0.0, 1e-300, 1e-16, 1e-12])
def test_without_noise_the_channel_is_known_whatever_its_rank(noise):
    """The inverse of the pilot's covariance may not exist; no direction in doubt needs it."""
    rng = np.random.default_rng(5)
    stack = [np.ones((4, 4)), *(random_covariance(rng, 4, rank) for rank in (1, 2, 3, 4))]
    known = propagation.mmse_estimate_covariance(stack, 1.0, noise)
    np.testing.assert_allclose(known, stack, atol=1e-10)
    pilotless = propagation.mmse_estimate_covariance(stack, 0.0, noise)
    np.testing.assert_array_equal(pilotless, np.zeros((5, 4, 4)))
    coarse = np.ones((4, 4), np.complex64) / np.float32(3)
    np.testing.assert_allclose(
        propagation.mmse_estimate_covariance(coarse, 1.0, noise), coarse, atol=1e-7
    )


@pytest.mark.parametrize("kind", ["array", "any", "low rank"])
@pytest.mark.parametrize("size", [1, 2, 5, 16, 64])
def test_estimate_covariance_by_one_weight_per_eigenvector(kind, size):
    """Whatever road is taken: many matrices or few, real ones or complex, much noise or little."""
    rng = np.random.default_rng(size)
    rank = max(1, size // 2) if kind == "low rank" else size
    stack = np.stack([random_covariance(rng, size, rank) for _ in range(3)])
    if kind == "array":
        stack = propagation.local_scattering_covariance(size, [-0.5, 0.1, 1.2], [0.1, 0.0, 0.3])
    snr = 10.0 ** np.arange(-12, 15, 3)
    known = propagation.mmse_estimate_covariance(1e-9 * stack[:, None], 12.8, 12.8e-9 / snr)
    values, vectors = np.linalg.eigh(stack)
    values = np.clip(values, 0.0, None)[:, None]
    weighted = values * values / (values + 1 / snr[:, None])
    expected = (vectors[:, None] * weighted[..., None, :]) @ np.conj(
        np.swapaxes(vectors[:, None], -1, -2)
    )
    far = np.abs(1e9 * known - expected).max(axis=(-2, -1))
    assert (far < 1e-13 * np.abs(expected).max(axis=(-2, -1))).all()


def test_estimate_covariance_broadcasts():
    rng = np.random.default_rng(4)
    stack = np.stack([random_covariance(rng, 3) for _ in range(2)])
    both = propagation.mmse_estimate_covariance(stack, [[1.0], [2.0]], 1.0)
    assert both.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(both[1, 0], propagation.mmse_estimate_covariance(stack[0], 2, 1))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([1.0, 2.0], 1, 1), "covariance"), ((np.ones((2, 3)), 1, 1), "covariance"),
        (([[1, 2], [0, 1]], 1, 1), "covariance"), (([[1, 2], [2, 1]], 1, 1), "covariance"),
        (([[1, 0], [0, -1]], 1, 1), "covariance"), (([[np.nan]], 1, 1), "covariance"),
        (([[1]], -1, 1), "pilot_energy"), (([[1]], 1, -1), "noise_variance"),
        (([[1, 0], [0, -1e-6]], 1, 1), "covariance"), ((np.eye(3)[[[0, 1, 2]] * 3], [1, 2], 1),
                                                       "pilot_energy"),
    ],
)  # fmt: skip
def test_estimate_covariance_refuses(arguments, name):
    with pytest.raises(ValueError, match=name):
        propagation.mmse_estimate_covariance(*arguments)


# ------------------------------------------------------------------------ noise and decibels


def test_noise_is_minus_174_dbm_in_one_hertz_and_minus_89_in_the_table():
    assert propagation.decibel(propagation.noise_power(1.0)) + 30 == pytest.approx(-174, abs=0.03)
    assert propagation.noise_power(2.0, 3.0, 100.0) == pytest.approx(
        2 * constants.Boltzmann * 100 * 10**0.3
    )
    table = propagation.decibel(propagation.noise_power(64e6, 7.0)) + 30
    assert table == pytest.approx(-89, abs=0.1)


@QUICK
@given(st.floats(-300, 300))
def test_decibels_there_and_back(level):
    assert propagation.decibel(propagation.from_decibel(level)) == pytest.approx(level, abs=1e-10)
    assert propagation.from_dbm(level) == pytest.approx(propagation.from_decibel(level - 30))


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (propagation.decibel, (0,), "ratio"), (propagation.from_decibel, (np.inf,), "level"),
        (propagation.from_decibel, (5000,), "level"),
        (propagation.from_dbm, ("-89",), "level"), (propagation.noise_power, (0,), "bandwidth"),
        (propagation.noise_power, (1, -1), "noise_figure_db"),
        (propagation.noise_power, (1, 0, 0), "temperature"),
    ],
)  # fmt: skip
def test_levels_refuse(function, arguments, name):
    with pytest.raises(ValueError, match=name):
        function(*arguments)
