"""zhang Theorem 2: SymPy identities, brute force, limits, Monte Carlo, bad input."""

import warnings

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cfisac import fisher
from cfisac.arrays import UniformLinearArray
from cfisac.limits import angle_gain
from cfisac.scenarios import ImplausibleWarning

QUICK = settings(deadline=None, max_examples=50)
SCENES = st.integers(0, 2**32 - 1).map(lambda seed: Scene(np.random.default_rng(seed)))


class Scene:
    """A random regular case with its signal written out, independent of the package."""

    def __init__(self, rng):
        self.n_antennas = int(rng.integers(2, 17))
        self.spacing = rng.uniform(0.2, 1.0)
        self.n_pilots = int(rng.integers(1, 9))
        self.pilots = np.exp(2j * np.pi * rng.random(self.n_pilots))
        self.noise_variance = 10 ** rng.uniform(-2, 2)
        self.theta = np.array([*rng.normal(size=2), rng.uniform(-1.3, 1.3)])
        self.array = UniformLinearArray(self.n_antennas, self.spacing)

    @property
    def gain(self):
        return complex(self.theta[0], self.theta[1])

    @property
    def phi(self):
        return self.theta[2]

    @property
    def arguments(self):
        return self.gain, self.phi, self.array, self.n_pilots, self.noise_variance

    def signal(self, theta):
        """The noise-free observation (1)-(3), antenna after antenna."""
        phase = 2 * np.pi * self.spacing * np.arange(self.n_antennas) * np.sin(theta[2])
        a = np.exp(1j * phase) / np.sqrt(self.n_antennas)
        return np.outer((theta[0] + 1j * theta[1]) * a, self.pilots).ravel()

    def jacobian(self):
        return derivative(self.signal, self.theta, scale=2 * np.pi * self.spacing * self.n_antennas)

    def draw(self, rng, n):
        """Draw ``n`` noisy observations."""
        mean = self.signal(self.theta)
        noise = rng.normal(size=(2, n, mean.size)) * np.sqrt(self.noise_variance / 2)
        return mean + noise[0] + 1j * noise[1]

    def log_likelihood(self, theta, observation):
        """(5), up to its constant."""
        return -np.sum(np.abs(observation - self.signal(theta)) ** 2) / self.noise_variance

    def scores(self, theta, observation):
        """(10), (13), (15) as printed; observations (..., L T)."""
        a = self.array.steering(theta[2])
        slope = self.array.steering_derivative(theta[2])
        gain = theta[0] + 1j * theta[1]
        residual = observation - self.signal(theta)
        columns = [np.kron(a, self.pilots), np.kron(gain * slope, self.pilots)]
        projected = [residual @ column.conj() for column in columns]
        parts = [projected[0].real, (-1j * projected[0]).real, projected[1].real]
        return 2 / self.noise_variance * np.stack(parts, axis=-1)


def derivative(function, theta, scale=1.0):
    """``scale`` is the fastest phase rate of the function."""
    return oracle.derivatives(function, theta, 0.05 / max(scale, 1.0))


def assert_matrices_close(actual, expected):
    names = "Re gain", "Im gain", "phi"
    oracle.assert_matrices_close(actual, expected, 1e-9, names)


def symbolic():
    """Printed FIM (36), inverse (37), and the symbols they are written with."""
    n, pilots = sp.symbols("L T", integer=True, positive=True)
    kappa, sigma = sp.symbols("kappa sigma", positive=True)
    real, imag, phi = sp.symbols("alpha_R alpha_I phi", real=True)
    power = real**2 + imag**2
    c = kappa * sp.cos(phi) * (n - 1) / 2
    eta = kappa**2 * sp.cos(phi) ** 2 * (n - 1) * (2 * n - 1) / 6
    xi = power * kappa**2 * sp.cos(phi) ** 2 * (n**2 - 1) / 12
    fim = sp.Matrix([[1, 0, -c * imag], [0, 1, c * real], [-c * imag, c * real, power * eta]])
    inverse = sp.Matrix(
        [
            [1 + c**2 * imag**2 / xi, -(c**2) * real * imag / xi, c * imag / xi],
            [-(c**2) * real * imag / xi, 1 + c**2 * real**2 / xi, -c * real / xi],
            [c * imag / xi, -c * real / xi, 1 / xi],
        ]
    )
    unit = 2 * pilots / sigma**2
    symbols = {
        "L": n, "T": pilots, "kappa": kappa, "sigma": sigma,
        "real": real, "imag": imag, "phi": phi, "power": power,
    }  # fmt: skip
    return unit * fim, inverse / unit, symbols


# ------------------------------------------------------------------------------- symbolic


def test_local_fim_is_derived_for_any_number_of_antennas():
    """zhang (76)-(78), (36): Jacobian, product and sum over a symbolic L."""
    printed, _, s = symbolic()
    index = sp.symbols("l", integer=True, nonnegative=True)
    entry = sp.exp(sp.I * s["kappa"] * index * sp.sin(s["phi"])) / sp.sqrt(s["L"])
    signal = (s["real"] + sp.I * s["imag"]) * entry
    slopes = [sp.diff(signal, s[name]) for name in ("real", "imag", "phi")]
    for i in range(3):
        for j in range(3):
            term = sp.expand(sp.simplify(sp.conjugate(slopes[i]) * slopes[j]))
            total = sp.re(sp.expand(sp.summation(term, (index, 0, s["L"] - 1))))
            assert sp.simplify(2 * s["T"] / s["sigma"] ** 2 * total - printed[i, j]) == 0


def test_closed_form_is_the_schur_inverse():
    """zhang (37)-(39): (37) times (36) is the identity for every L, and xi the Schur complement."""
    fim, inverse, _ = symbolic()
    assert sp.simplify(fim * inverse) == sp.eye(3)
    schur = fim[2, 2] - (fim[2, :2] * fim[:2, :2].inv() * fim[:2, 2])[0]
    assert sp.simplify(schur * inverse[2, 2] - 1) == 0


def test_theorem_2_follows_from_the_diagonal():
    """zhang (40), (41)."""
    _, inverse, s = symbolic()
    ratio, per_part = 3 * (s["L"] - 1) / (s["L"] + 1), s["sigma"] ** 2 / (2 * s["T"])
    share = s["imag"] ** 2 / s["power"], s["real"] ** 2 / s["power"]
    for k in range(2):
        assert sp.simplify(inverse[k, k] - per_part * (1 + ratio * share[k])) == 0
    aperture = s["kappa"] ** 2 * sp.cos(s["phi"]) ** 2 * (s["L"] ** 2 - 1)
    angle = 6 * s["sigma"] ** 2 / (s["T"] * s["power"] * aperture)
    assert sp.simplify(inverse[2, 2] - angle) == 0


def test_determinant_vanishes_exactly_in_the_three_degenerate_cases():
    """The det of (36) is 2 T^3 kappa^2 cos^2(phi) (L^2 - 1) |alpha|^2 / (3 sigma^6)."""
    fim, _, s = symbolic()
    expected = (
        2 * s["T"] ** 3 * s["kappa"] ** 2 * sp.cos(s["phi"]) ** 2
        * (s["L"] ** 2 - 1) * s["power"] / (3 * s["sigma"] ** 6)
    )  # fmt: skip
    assert sp.simplify(fim.det() - expected) == 0


# ------------------------------------------------------------------------- score and signal


def test_sympy_derivatives_and_scores_of_one_antenna():
    """zhang (9), (10), (12)-(15), (62): any entry of (2), any pilot; sums over both are linear."""
    real, imag, phi = theta = sp.symbols("alpha_R alpha_I phi", real=True)
    x_r, x_i, s_r, s_i = sp.symbols("x_R x_I s_R s_I", real=True)
    kappa, sigma, n = sp.symbols("kappa sigma L", positive=True)
    index = sp.symbols("l", integer=True, nonnegative=True)
    gain, pilot = real + sp.I * imag, s_r + sp.I * s_i
    entry = sp.exp(sp.I * kappa * index * sp.sin(phi)) / sp.sqrt(n)  # (71)
    slope = entry * sp.I * kappa * index * sp.cos(phi)  # (72)
    printed = entry * pilot, sp.I * entry * pilot, gain * slope * pilot
    residual = x_r + sp.I * x_i - gain * entry * pilot
    log_likelihood = -residual * sp.conjugate(residual) / sigma**2
    factors = sp.conjugate(entry * pilot), -sp.I * sp.conjugate(entry * pilot)
    factors += (sp.conjugate(gain * slope * pilot),)
    for parameter, column, factor in zip(theta, printed, factors, strict=True):
        assert sp.simplify(sp.diff(gain * entry * pilot, parameter) - column) == 0
        product = factor * residual
        score = (product + sp.conjugate(product)) / sigma**2  # 2 Re{.} / sigma^2
        assert sp.simplify(sp.expand(sp.diff(log_likelihood, parameter) - score)) == 0


@QUICK
@given(scene=SCENES, seed=st.integers(0, 2**32 - 1))
def test_log_likelihood_is_that_of_independent_gaussian_parts(seed, scene):
    """zhang (4), (5): real parts of variance sigma^2 / 2; the constant is -L T ln(pi sigma^2)."""
    rng = np.random.default_rng(seed)
    observation, theta = scene.draw(rng, 1)[0], scene.theta + 0.1 * rng.normal(size=3)
    parts = [each(observation - scene.signal(theta)) for each in (np.real, np.imag)]
    dense = stats.norm.logpdf(parts, scale=np.sqrt(scene.noise_variance / 2)).sum()
    constant = -observation.size * np.log(np.pi * scene.noise_variance)
    expected = scene.log_likelihood(theta, observation) + constant
    np.testing.assert_allclose(dense, expected, rtol=1e-9, atol=1e-9 * abs(constant))


@QUICK
@given(scene=SCENES, seed=st.integers(0, 2**32 - 1))
def test_scores_are_the_gradient_of_the_log_likelihood(scene, seed):
    """zhang (8)-(17): (10), (13), (15) by finite differences of (5), off the truth."""
    rng = np.random.default_rng(seed)
    observation = scene.draw(rng, 1)[0]
    theta = scene.theta + 0.1 * rng.normal(size=3)
    rate = 2 * np.pi * scene.spacing * scene.n_antennas
    numeric = derivative(lambda each: scene.log_likelihood(each, observation), theta, rate)
    # Round-off of the log-likelihood, divided by the step of the derivative.
    noise = 1e-13 * rate / 0.05 * max(1.0, -scene.log_likelihood(theta, observation))
    analytic = scene.scores(theta, observation)
    np.testing.assert_allclose(numeric, analytic, rtol=1e-8, atol=30 * noise)


@QUICK
@given(scene=SCENES)
def test_jacobian_of_the_signal(scene):
    """zhang (9), (12), (14), (62), (63)."""
    a, slope = scene.array.steering(scene.phi), scene.array.steering_derivative(scene.phi)
    columns = [a, 1j * a, scene.gain * slope]
    printed = np.stack([np.kron(column, scene.pilots) for column in columns], axis=-1)
    scale = np.abs(printed).max(axis=0)
    np.testing.assert_allclose(scene.jacobian() / scale, printed / scale, rtol=0, atol=1e-10)


def test_scores_at_the_truth_have_the_fim_as_covariance():
    """zhang (6), (11), (16), (17): mean zero, covariance (36), from 200 000 draws."""
    rng = np.random.default_rng(11)
    scene, n = Scene(rng), 200_000
    scores = scene.scores(scene.theta, scene.draw(rng, n))
    fim = angle_gain.local_fim(*scene.arguments)
    whitened = scores @ np.linalg.inv(np.linalg.cholesky(fim)).T
    # Deviations for n unit normals: mean 1/sqrt(n), mean square sqrt(2/n), product 1/sqrt(n).
    assert np.abs(whitened.mean(axis=0)).max() < 4.5 / np.sqrt(n)
    deviation = np.sqrt((1 + np.eye(3)) / n)
    assert np.all(np.abs(whitened.T @ whitened / n - np.eye(3)) < 4.5 * deviation)
    # Gaussian, as (11) and (16) say: fourth moment 3; the variance of x^4 is 96.
    assert np.abs(np.mean(whitened**4, axis=0) - 3).max() < 4.5 * np.sqrt(96 / n)


# ------------------------------------------------------------------------------ brute force


@QUICK
@given(scene=SCENES)
def test_local_fim_equals_finite_differences_of_the_signal(scene):
    """zhang (36), (76)-(78) to 1e-9."""
    numeric = fisher.gaussian_fim(scene.jacobian(), scene.noise_variance)
    assert_matrices_close(angle_gain.local_fim(*scene.arguments), numeric)


@QUICK
@given(scene=SCENES)
def test_crlb_equals_the_inverse_of_the_finite_difference_fim(scene):
    """zhang (37) to 1e-9, from the written-out signal."""
    numeric = fisher.gaussian_fim(scene.jacobian(), scene.noise_variance)
    scale = np.sqrt(np.diag(numeric))
    inverse = np.linalg.inv(numeric / np.outer(scale, scale)) / np.outer(scale, scale)
    assert_matrices_close(angle_gain.crlb(*scene.arguments), inverse)


@QUICK
@given(scene=SCENES)
def test_crlb_equals_the_printed_closed_forms(scene):
    """zhang (37)-(41) typed in as printed, to 1e-9."""
    real, imag = scene.theta[:2]
    n, kappa, power = scene.n_antennas, 2 * np.pi * scene.spacing, abs(scene.gain) ** 2
    c = kappa * np.cos(scene.phi) * (n - 1) / 2
    xi = power * kappa**2 * np.cos(scene.phi) ** 2 * (n**2 - 1) / 12
    per_part = scene.noise_variance / (2 * scene.n_pilots)
    cross = c**2 * real * imag / xi
    printed = per_part * np.array(
        [
            [1 + c**2 * imag**2 / xi, -cross, c * imag / xi],
            [-cross, 1 + c**2 * real**2 / xi, -c * real / xi],
            [c * imag / xi, -c * real / xi, 1 / xi],
        ]
    )
    bound = angle_gain.crlb(*scene.arguments)
    assert_matrices_close(bound, printed)
    ratio = 3 * (n - 1) / (n + 1)
    theorem = [
        per_part * (1 + ratio * imag**2 / power),
        per_part * (1 + ratio * real**2 / power),
        6 * scene.noise_variance
        / (scene.n_pilots * power * kappa**2 * np.cos(scene.phi) ** 2 * (n**2 - 1)),
    ]  # fmt: skip
    np.testing.assert_allclose(np.diag(bound), theorem, rtol=1e-9)


@QUICK
@given(scene=SCENES)
def test_crlb_equals_the_generic_bound_and_angle_crlb_its_corner(scene):
    """zhang (24), (39), (41): three ways to the same numbers."""
    bound = angle_gain.crlb(*scene.arguments)
    assert_matrices_close(fisher.crlb(angle_gain.local_fim(*scene.arguments)), bound)
    np.testing.assert_allclose(angle_gain.angle_crlb(*scene.arguments), bound[2, 2], rtol=1e-12)


@QUICK
@given(scene=SCENES)
def test_angle_crlb_is_the_factor_theorem(scene):
    """zhang (41) is one over 2 SNR times the variance of the array factor."""
    a, slope = scene.array.steering(scene.phi), scene.array.steering_derivative(scene.phi)
    snr = scene.n_pilots * abs(scene.gain) ** 2 / scene.noise_variance
    information = 2 * snr * fisher.factor_covariance(a, slope[:, None])[0, 0]
    np.testing.assert_allclose(angle_gain.angle_crlb(*scene.arguments), 1 / information, rtol=1e-9)


@QUICK
@given(seed=st.integers(0, 2**32 - 1), n_aps=st.integers(2, 4))
def test_independent_access_points_give_a_block_diagonal_fim_and_inverse(seed, n_aps):
    """zhang (31), (32), (67) embedded: the stacked signal of M access points, brute force."""
    rng = np.random.default_rng(seed)
    scenes = [Scene(rng) for _ in range(n_aps)]
    noise_variance = scenes[0].noise_variance

    def network(theta):
        return np.concatenate(
            [scene.signal(own) for scene, own in zip(scenes, theta.reshape(-1, 3), strict=True)]
        )

    theta = np.concatenate([scene.theta for scene in scenes])
    jacobian = derivative(network, theta, scale=2 * np.pi * 16)
    dense = fisher.gaussian_fim(jacobian, noise_variance)
    inverse = fisher.crlb(dense)
    for row, scene in enumerate(scenes):
        own = (scene.gain, scene.phi, scene.array, scene.n_pilots, noise_variance)
        for column in range(n_aps):
            rows, columns = slice(3 * row, 3 * row + 3), slice(3 * column, 3 * column + 3)
            if row != column:
                assert not dense[rows, columns].any()
                assert np.abs(inverse[rows, columns]).max() < 1e-12 * np.abs(inverse).max()
            else:
                assert_matrices_close(dense[rows, columns], angle_gain.local_fim(*own))
                assert_matrices_close(inverse[rows, columns], angle_gain.crlb(*own))


@QUICK
@given(seed=st.integers(0, 2**32 - 1), n_aps=st.integers(1, 5))
def test_exact_trace_of_the_inverse_and_the_looser_bounds(seed, n_aps):
    """zhang (25)-(29): exact Tr of the inverse, eigenvalue sums, and 9 M^2 / Tr I below it."""
    rng = np.random.default_rng(seed)
    scene = Scene(rng)
    n, kappa, pilots = scene.n_antennas, 2 * np.pi * scene.spacing, scene.n_pilots
    gain = rng.normal(size=n_aps) + 1j * rng.normal(size=n_aps)
    phi = rng.uniform(-1.3, 1.3, n_aps)
    arguments = gain, phi, scene.array, pilots, scene.noise_variance
    aperture = kappa**2 * np.cos(phi) ** 2 * (n**2 - 1)
    exact = np.sum(2 + 3 * (n - 1) / (n + 1) + 12 / (np.abs(gain) ** 2 * aperture))
    exact *= scene.noise_variance / (2 * pilots)
    np.testing.assert_allclose(
        np.trace(angle_gain.crlb(*arguments), axis1=-2, axis2=-1).sum(), exact, rtol=1e-9
    )
    fim = angle_gain.local_fim(*arguments)
    eigenvalues = np.linalg.eigvalsh(fim)
    trace = np.trace(fim, axis1=-2, axis2=-1).sum()
    np.testing.assert_allclose(eigenvalues.sum(), trace, rtol=1e-9)
    np.testing.assert_allclose(np.sum(1 / eigenvalues), exact, rtol=1e-6)
    assert exact * trace >= 9 * n_aps**2 * (1 - 1e-12)


# ---------------------------------------------------------------- what the formulas mean


@QUICK
@given(scene=SCENES)
def test_gain_coupling_vanishes_at_the_array_centre(scene):
    """The 3(L-1)/(L+1) of zhang (40) is the phase reference: alpha at the centroid has none."""

    def centred(theta):
        rate = 2 * np.pi * scene.spacing * (scene.n_antennas - 1) / 2
        return scene.signal(theta) * np.exp(-1j * rate * np.sin(theta[2]))

    rate = 2 * np.pi * scene.spacing * scene.n_antennas
    fim = fisher.gaussian_fim(derivative(centred, scene.theta, rate), scene.noise_variance)
    per_part = scene.noise_variance / (2 * scene.n_pilots)
    expected = np.diag([per_part, per_part, angle_gain.angle_crlb(*scene.arguments)])
    assert_matrices_close(fisher.crlb(fim), expected)


@QUICK
@given(scene=SCENES)
def test_the_amplitude_is_never_coupled_to_the_angle(scene):
    """Var |alpha| >= sigma^2 / 2T in any reference; only the phase of alpha pays."""
    radius, phase = abs(scene.gain), np.angle(scene.gain)
    turn = np.eye(3)
    turn[:2, 0] = np.cos(phase), np.sin(phase)
    turn[:2, 1] = -radius * np.sin(phase), radius * np.cos(phase)
    bound = fisher.crlb(fisher.change_parameters(angle_gain.local_fim(*scene.arguments), turn))
    per_part = scene.noise_variance / (2 * scene.n_pilots)
    ratio = 3 * (scene.n_antennas - 1) / (scene.n_antennas + 1)
    np.testing.assert_allclose(bound[0, 0], per_part, rtol=1e-9)
    np.testing.assert_allclose(bound[1, 1], per_part / radius**2 * (1 + ratio), rtol=1e-9)


@QUICK
@given(scene=SCENES, other=st.floats(-1.3, 1.3), factor=st.floats(1e-3, 1e3))
def test_gain_bounds_depend_neither_on_the_angle_nor_on_the_power(scene, other, factor):
    """zhang (40) holds no phi, and only the phase of alpha."""
    gain, phi, *rest = scene.arguments
    reference = np.diag(angle_gain.crlb(gain, phi, *rest))[:2]
    changed = np.diag(angle_gain.crlb(factor * gain, other, *rest))[:2]
    np.testing.assert_allclose(changed, reference, rtol=1e-9)


@QUICK
@given(scene=SCENES, factor=st.integers(2, 9))
def test_scaling_with_pilots_noise_power_and_antennas(scene, factor):
    """zhang (41): 1/T, sigma^2, 1/|alpha|^2 and 1/(L^2 - 1) at fixed |alpha|^2, exactly."""
    gain, phi, array, pilots, noise = scene.arguments
    base = angle_gain.crlb(*scene.arguments)
    more = angle_gain.crlb(gain, phi, array, factor * pilots, noise)
    np.testing.assert_allclose(more, base / factor, rtol=1e-12)
    louder = angle_gain.crlb(gain, phi, array, pilots, factor * noise)
    np.testing.assert_allclose(louder, base * factor, rtol=1e-12)
    stronger = angle_gain.angle_crlb(factor * gain, phi, array, pilots, noise)
    np.testing.assert_allclose(stronger, base[2, 2] / factor**2, rtol=1e-12)
    n = array.n_antennas
    large = UniformLinearArray(factor * n, array.spacing)
    gained = angle_gain.angle_crlb(gain, phi, large, pilots, noise)
    ratio = (n**2 - 1) / (factor**2 * n**2 - 1)
    np.testing.assert_allclose(gained, base[2, 2] * ratio, rtol=1e-12)


@pytest.mark.parametrize(("per_antenna", "exponent"), [(False, -2), (True, -3)])
def test_exponents_in_pilots_and_antennas(per_antenna, exponent):
    """1/(T L^2) holds at fixed |alpha|^2; at fixed gain per antenna it is 1/(T L^3)."""

    def bound(n, n_pilots):
        gain = np.sqrt(n) if per_antenna else 1.0
        return angle_gain.angle_crlb(gain, 0.3, UniformLinearArray(n), n_pilots, 1.0)

    slope = np.log(bound(2000, 16) / bound(1000, 16)) / np.log(2)
    assert abs(slope - exponent) < 1e-5
    assert bound(1000, 32) == pytest.approx(bound(1000, 16) / 2, rel=1e-12)


def test_network_bound_adds_information_on_different_angles():
    """zhang (42)-(46): bounds one common angle; for own angles it is below all of them."""
    rng = np.random.default_rng(46)
    gain, phi = rng.normal(size=5) + 1j * rng.normal(size=5), rng.uniform(-1, 1, 5)
    array, pilots, noise = UniformLinearArray(8), 16, 0.7
    quality = np.abs(gain) ** 2 * np.cos(phi) ** 2
    network = 6 * noise / (pilots * np.pi**2 * 63 * quality.sum())
    each = angle_gain.angle_crlb(gain, phi, array, pilots, noise)
    common = fisher.change_parameters(np.diag(1 / each), np.ones((5, 1)))
    np.testing.assert_allclose(1 / common[0, 0], network, rtol=1e-12)
    assert network < each.min()
    assert each.mean() > 5 * network  # arithmetic over harmonic mean


# ------------------------------------------------------------------------ degenerate cases

DEGENERATE = {
    "alpha = 0": (0.0, 0.4, 8),
    "cos phi = 0": (1 - 2j, np.pi / 2, 8),
    "cos phi = 0, behind": (1 - 2j, -np.pi / 2, 8),
    "L = 1": (1 - 2j, 0.4, 1),
    "all": (0.0, np.pi / 2, 1),
}


@pytest.mark.parametrize("case", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_cases_leave_the_angle_infinite_and_the_gain_finite(case):
    """Theorem 2 repaired: alpha = 0, cos phi = 0 or L = 1. No warning is raised."""
    gain, phi, n = case
    arguments = gain, phi, UniformLinearArray(n), 16, 3.0
    expected = np.diag([3 / 32, 3 / 32, np.inf])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(angle_gain.crlb(*arguments), expected)
    fim = angle_gain.local_fim(*arguments)
    assert np.linalg.matrix_rank(fim) == 2
    np.testing.assert_allclose(fisher.crlb(fim), expected, rtol=1e-12)
    assert angle_gain.angle_crlb(*arguments) == np.inf


def test_one_antenna_is_a_counterexample_to_theorem_2_as_printed():
    """Both printed conditions hold for alpha = 1 - 2j, phi = 0.4, and the FIM is singular."""
    gain, phi = 1 - 2j, 0.4
    assert gain != 0
    assert np.cos(phi) != 0
    assert np.linalg.matrix_rank(angle_gain.local_fim(gain, phi, UniformLinearArray(1), 9, 1)) == 2
    fim = angle_gain.local_fim(gain, phi, UniformLinearArray(2), 9, 1)
    assert np.linalg.matrix_rank(fim) == 3


@pytest.mark.parametrize("phase", [0.0, 0.7, np.pi / 2])
def test_the_gain_bound_jumps_at_a_vanishing_signal(phase):
    """(40) keeps its value as alpha -> 0 or phi -> pi/2, and drops to sigma^2 / 2T there."""
    array, unit = UniformLinearArray(8), 1 / 32
    excess = 3 * 7 / 9 * np.sin(phase) ** 2
    gain = np.exp(1j * phase)
    for fading, phi in ((1e-8 * gain, 0.4), (gain, np.pi / 2 - 1e-6)):
        bound = angle_gain.crlb(fading, phi, array, 16, 1.0)
        np.testing.assert_allclose(bound[0, 0], unit * (1 + excess), rtol=1e-9)
    at_zero = angle_gain.crlb([0, gain], [0.4, np.pi / 2], array, 16, 1.0)
    np.testing.assert_array_equal(at_zero[:, 0, 0], unit)


# -------------------------------------------------------------------------- random pilots


@QUICK
@given(scene=SCENES, seed=st.integers(0, 2**32 - 1))
def test_known_pilots_count_with_their_energy(scene, seed):
    """zhang (77), (78): given pilots that are not unit modulus, T stands for sum |s_t|^2."""
    rng = np.random.default_rng(seed)
    scene.pilots = (rng.normal(size=scene.n_pilots) + 1j * rng.normal(size=scene.n_pilots)) / 2**0.5
    energy = np.sum(np.abs(scene.pilots) ** 2)
    numeric = fisher.gaussian_fim(scene.jacobian(), scene.noise_variance)
    unit_modulus = angle_gain.local_fim(*scene.arguments)
    assert_matrices_close(numeric, unit_modulus * energy / scene.n_pilots)


def test_gaussian_pilots_cost_exactly_t_over_t_minus_1():
    """zhang (77): E|s|^2 = 1 averages the information; the mean bound has E[1 / sum |s|^2]."""
    energy, k = sp.symbols("x k", positive=True)  # k = T - 1
    density = energy**k * sp.exp(-energy) / sp.gamma(k + 1)
    mean_inverse = sp.integrate(density / energy, (energy, 0, sp.oo))
    assert sp.simplify(mean_inverse - 1 / k) == 0

    rng = np.random.default_rng(77)
    n_draws, gain, phi, array = 100_000, 0.4 + 1.1j, 0.5, UniformLinearArray(8)
    for n_pilots in (4, 16):
        power = np.sum(rng.normal(size=(n_draws, n_pilots, 2)) ** 2, axis=(1, 2)) / 2
        # E[x^-2] = 1 / ((T-1)(T-2)), so the deviation of 1/x is 1 / ((T-1) sqrt(T-2)).
        deviation = 1 / ((n_pilots - 1) * np.sqrt(n_pilots - 2) * np.sqrt(n_draws))
        assert abs(np.mean(1 / power) - 1 / (n_pilots - 1)) < 4.5 * deviation
        # The same through the package, which takes whole pilots: scale the noise instead.
        some = power[:1000]
        given_pilots = angle_gain.angle_crlb(gain, phi, array, n_pilots, n_pilots / some)
        average = angle_gain.angle_crlb(gain, phi, array, n_pilots, 1.0)
        np.testing.assert_allclose(given_pilots / average, n_pilots / some, rtol=1e-12)


# ----------------------------------------------------------------- shapes and bad input

FUNCTIONS = (angle_gain.local_fim, angle_gain.crlb, angle_gain.angle_crlb)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-155, 1e-6, 1e150, 1e300])
def test_no_gain_is_too_small_or_too_large_for_its_own_bound(size):
    """The bound of the gain depends on its phase alone, down to the last floating-point gain."""
    array = UniformLinearArray(8)
    with np.errstate(all="raise", over="ignore", under="ignore"):
        bound = angle_gain.crlb(size * np.exp(0.6j), 0.4, array, 16, 1.0)
    usual = angle_gain.crlb(np.exp(0.6j), 0.4, array, 16, 1.0)
    np.testing.assert_allclose(bound[:2, :2], usual[:2, :2], rtol=1e-12)
    np.testing.assert_allclose(bound[:2, 2] * size, usual[:2, 2], rtol=1e-12)
    if 1e-150 < size < 1e150:
        assert bound[2, 2] * size**2 == pytest.approx(usual[2, 2], rel=1e-12)
    assert angle_gain.angle_crlb(size * np.exp(0.6j), 0.4, array, 16, 1.0) == bound[2, 2]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_broadcasting_equals_a_loop(function):
    rng = np.random.default_rng(1)
    gain = rng.normal(size=(3, 1, 4)) + 1j * rng.normal(size=(3, 1, 4))
    gain[1, 0, 2] = 0  # one that cannot be identified
    phi, pilots = rng.uniform(-1, 1, (5, 1)), rng.integers(1, 20, 4)
    noise, array = rng.uniform(0.1, 2, (3, 5, 1)), UniformLinearArray(5, 0.4)
    together = function(gain, phi, array, pilots, noise)
    scene = np.broadcast_arrays(gain, phi, pilots, noise)
    assert together.shape[:3] == (3, 5, 4)
    for index in np.ndindex(3, 5, 4):
        g, p, t, s = (each[index] for each in scene)
        np.testing.assert_allclose(together[index], function(g, p, array, t, s), rtol=1e-13)


def test_scalars_give_one_matrix_and_empty_arrays_none():
    array = UniformLinearArray(4)
    assert angle_gain.local_fim(1j, 0.1, array, 4, 1.0).shape == (3, 3)
    assert angle_gain.crlb(1j, 0.1, array, 4, 1.0).shape == (3, 3)
    assert np.shape(angle_gain.angle_crlb(1j, 0.1, array, 4, 1.0)) == ()
    assert angle_gain.crlb(np.zeros(0), 0.1, array, 4, 1.0).shape == (0, 3, 3)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_arrays_around_the_block_size_agree_with_single_evaluations(extra):
    """The blocks of ``crlb`` have no seams."""
    rng, block = np.random.default_rng(8), angle_gain._BLOCK
    n = 2 * block + extra
    gain = rng.normal(size=n) + 1j * rng.normal(size=n)
    phi = rng.uniform(-1.5, 1.5, n)
    array = UniformLinearArray(8)
    together = angle_gain.crlb(gain, phi, array, 16, 0.3)
    for index in (0, block - 1, block, 2 * block - 2, n - 1):
        single = angle_gain.crlb(gain[index], phi[index], array, 16, 0.3)
        np.testing.assert_allclose(together[index], single, rtol=1e-13)
    np.testing.assert_allclose(
        together[:, 2, 2], angle_gain.angle_crlb(gain, phi, array, 16, 0.3), rtol=1e-12
    )


def test_inputs_are_left_as_they_were():
    gain, phi = np.array([1j, 0]), np.array([0.1, np.pi / 2])
    for function in FUNCTIONS:
        function(gain, phi, UniformLinearArray(4), 4, 1.0)
    np.testing.assert_array_equal(gain, [1j, 0])
    np.testing.assert_array_equal(phi, [0.1, np.pi / 2])


BAD = [
    ({"n_pilots": 0}, "n_pilots must be .* >= 1"),
    ({"n_pilots": 2.5}, "n_pilots must be a whole number"),
    ({"n_pilots": [4, -1]}, "n_pilots must be"),
    ({"noise_variance": 0.0}, "noise_variance must be > 0"),
    ({"noise_variance": -1.0}, "noise_variance must be > 0"),
    ({"noise_variance": np.nan}, "noise_variance must be finite"),
    ({"gain": np.inf}, "gain must be finite"),
    ({"gain": "loud"}, "gain must be an array of complex numbers"),
    ({"phi": np.nan}, "phi must be finite"),
    ({"phi": 1j}, "phi must be an array of real numbers"),
    ({"gain": np.ones(3), "phi": np.zeros(2)}, r"must broadcast, got shapes \(3,\), \(2,\)"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(function, changes, message):
    good = {
        "gain": 1 + 1j, "phi": 0.2, "array": UniformLinearArray(4),
        "n_pilots": 8, "noise_variance": 1.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        function(**good | changes)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_angle_in_degrees_warns_once(function):
    """One warning for all angles of a call; half a turn and no angle at all are silent."""
    array, degrees = UniformLinearArray(4), [0.2, 20.0, -70.0]
    with pytest.warns(ImplausibleWarning, match="^phi of 70 .*radians expected") as caught:
        in_degrees = function(1.0, degrees, array, 4, 1.0)
    assert [each.filename for each in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        in_radians = function(1.0, np.array([0.2, np.pi, -np.pi]), array, 4, 1.0)
        function(1.0, [], array, 4, 1.0)
    np.testing.assert_array_equal(in_degrees[0], in_radians[0])


def test_pilots_of_several_scenes_give_a_curve():
    pilots = np.array([1, 2, 4, 8])
    for function in FUNCTIONS:
        curve = function(0.3 - 1j, 0.2, UniformLinearArray(4), pilots, 0.5)
        for value, n_pilots in zip(curve, pilots, strict=True):
            alone = function(0.3 - 1j, 0.2, UniformLinearArray(4), n_pilots, 0.5)
            np.testing.assert_array_equal(value, alone)


@pytest.mark.parametrize("n", [0, -3, 2.5, np.nan])
def test_an_array_without_antennas_is_refused(n):
    with pytest.raises(ValueError, match="n_antennas"):
        UniformLinearArray(n)
