"""fan's printed bounds for many transmitters and receivers, and what repairs them.

Everything is checked against frames, arrays and beams written out here, sample by sample.
"""

from dataclasses import replace

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light

from cfisac import fisher, geometry, scenarios
from cfisac.limits import multistatic
from cfisac.montecarlo import estimate
from cfisac.waveforms import OFDM, OTFS, SignalFactors

QUICK = settings(deadline=None, max_examples=30)
SEEDS = st.integers(0, 2**32 - 1)


def normal(rng, *shape):
    return rng.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)


def derivative(function, theta, step=1e-2):
    """In the units of a path every derivative is of order one."""
    return oracle.derivatives(function, theta, step)


class Path:
    """One path of a small OTFS frame, as fan_conf (8), (11) and (13) build it.

    The units of ``theta`` are rad, rad, samples, Doppler bins, 1 and 1, so that every derivative
    is of order one.
    """

    def __init__(self, seed, n_beams=3):
        rng = np.random.default_rng(seed)
        self.waveform = OTFS(5, 4, 15e3)
        self.n_antennas, self.noise_variance = 3, 0.3
        self.theta = np.array(
            [*rng.uniform(-2, 2, 2), rng.uniform(0.1, 3), rng.uniform(-1, 1), *rng.normal(size=2)]
        )
        self.beams = normal(rng, self.n_antennas, n_beams)  # sqrt(eta) times the precoders
        self.rng = rng

    @property
    def units(self):
        return np.array([1, 1, self.waveform.sample_period, 1 / self.waveform.frame_duration, 1, 1])

    @property
    def covariance(self):
        """V_p of fan_conf (17)."""
        return self.beams @ self.beams.conj().T

    @property
    def gain(self):
        return complex(*self.theta[4:])

    @property
    def delay(self):
        return self.theta[2] * self.waveform.sample_period

    def steering(self, omega):
        """Array response of fan_conf (11)."""
        return np.exp(-1j * omega * np.arange(self.n_antennas)) / np.sqrt(self.n_antennas)

    def echo(self, theta, frames=None, conjugate=False):
        """Mean of the echo (13); without ``frames``, what every single symbol adds to it.

        With ``conjugate`` the transmit factor is h^H and the precoder, for (13)'s h^T and its
        conjugate.
        """
        omega_r, omega_t, samples, bins, real, imag = theta
        psi = self.waveform.operator(
            samples * self.waveform.sample_period, bins / self.waveform.frame_duration
        )
        towards = self.steering(omega_t) @ self.beams.conj()  # h^T times the conjugate precoders
        if conjugate:
            towards = self.steering(omega_t).conj() @ self.beams
        if frames is None:
            sent = np.einsum("b,xy->xby", towards, psi).reshape(len(psi), -1)
        else:
            sent = (psi @ (towards @ frames))[:, None]
        return (complex(real, imag) * np.multiply.outer(self.steering(omega_r), sent)).ravel()

    def dense(self, frames=None):
        """FIM of one frame; without ``frames`` its mean over independent symbols."""
        jacobian = derivative(lambda theta: self.echo(theta, frames), self.theta)
        return fisher.gaussian_fim(jacobian, self.noise_variance)

    def frames(self):
        """QPSK symbols of every beam."""
        size = self.waveform.n_subcarriers * self.waveform.n_symbols
        return np.exp(0.5j * np.pi * self.rng.integers(4, size=(self.beams.shape[1], size)))

    def appendix(self, printed):
        """The entries of Appendix A by name, dots restored: as ``printed`` (h^H), or for (13), h^T.

        ``v[i, j]`` is the transmit factor with i dots on the left and j on the right.
        """
        index = np.arange(self.n_antennas)
        h, g = self.steering(self.theta[1]), self.steering(self.theta[0])
        dots = [h, index * h]
        v = np.array([[x.conj() @ self.covariance @ y for y in dots] for x in dots])
        m = [np.sum(index**k * np.abs(g) ** 2) for k in range(3)]
        r = self.sums()
        beta, power = np.conj(self.gain), abs(self.gain) ** 2
        sign, left = (1, v[0, 1]) if printed else (-1, v[1, 0])
        entries = {
            (0, 0): power * m[2] * v[0, 0] * r.R00,
            (1, 1): power * m[0] * v[1, 1] * r.R00,
            (2, 2): power * m[0] * v[0, 0] * r.R20,
            (3, 3): power * m[0] * v[0, 0] * r.R02,
            (4, 4): m[0] * v[0, 0] * r.R00,
            (5, 5): m[0] * v[0, 0] * r.R00,
            (0, 1): -sign * power * m[1] * v[0, 1] * r.R00,
            (0, 2): 1j * power * m[1] * v[0, 0] * r.R10,
            (0, 3): 1j * power * m[1] * v[0, 0] * r.R01,
            (0, 4): 1j * beta * m[1] * v[0, 0] * r.R00,
            (0, 5): -beta * m[1] * v[0, 0] * r.R00,
            (1, 2): -sign * 1j * power * m[0] * left * r.R10,
            (1, 3): -sign * 1j * power * m[0] * left * r.R01,
            (1, 4): -sign * 1j * beta * m[0] * left * r.R00,
            (1, 5): sign * beta * m[0] * left * r.R00,
            (2, 3): power * m[0] * v[0, 0] * r.R11,
            (2, 4): beta * m[0] * v[0, 0] * np.conj(r.R10),
            (2, 5): 1j * beta * m[0] * v[0, 0] * np.conj(r.R10),
            (3, 4): beta * m[0] * v[0, 0] * np.conj(r.R01),
            (3, 5): 1j * beta * m[0] * v[0, 0] * np.conj(r.R01),
            (4, 5): 1j * m[0] * v[0, 0] * r.R00,
        }
        fim = np.zeros((6, 6))
        for (i, j), entry in entries.items():
            fim[i, j] = fim[j, i] = 2 / self.noise_variance * np.real(entry)
        return fim

    def sums(self):
        """The six sums (29), term by term, of the frame's exact operator; units as in theta."""

        def operator(theta):
            units = self.units[2:4]
            return self.waveform.operator(*(theta * units)).ravel()

        psi = operator(self.theta[2:4])
        by_delay, by_doppler = derivative(operator, self.theta[2:4]).T
        return SignalFactors(
            R00=np.vdot(psi, psi).real,
            R10=np.vdot(psi, by_delay),
            R01=np.vdot(psi, by_doppler),
            R11=np.vdot(by_delay, by_doppler),
            R20=np.vdot(by_delay, by_delay).real,
            R02=np.vdot(by_doppler, by_doppler).real,
        )

    def closed_form(self):
        """diag{b d11, c MN, b d33, b d44}, from the printed d11, d33 and d44 of (33)."""
        h = self.steering(self.theta[1])
        slope, v = np.arange(self.n_antennas) * h, self.covariance
        b = (h.conj() @ v @ h).real
        c = (slope.conj() @ v @ slope).real - abs(slope.conj() @ v @ h) ** 2 / b
        d11, d22, d33, d44 = printed_d(self.n_antennas, self.waveform, self.delay)
        assert d22 == 0
        size = self.waveform.n_subcarriers * self.waveform.n_symbols
        diagonal = 2 * abs(self.gain) ** 2 / self.noise_variance
        diagonal *= np.array([b * d11, c * size, b * d33, b * d44])
        return np.diag(diagonal * self.units[:4] ** 2)


def printed_d(n_antennas, waveform, delay):
    """d11, d22, d33 and d44 as they stand below fan_conf (33)."""
    size, m = waveform.n_subcarriers * waveform.n_symbols, n_antennas
    r = waveform.signal_factors(delay)
    d11 = (m - 1) * (2 * m - 1) * size / 6 - (m - 1) ** 2 * size / 4
    d33, d44 = r.R20 + r.R10**2 / size, r.R02 + r.R01**2 / size
    assert abs(np.imag(d33)) < 1e-9 * abs(d33)
    return d11, 0, np.real(d33), np.real(d44)


def assert_close(actual, expected, tolerance=1e-8):
    """Every entry, measured against the diagonal of ``expected``."""
    root = np.sqrt(np.abs(np.diag(expected)))
    root = np.maximum(root, 1e-3 * root.max())
    difference = np.abs(actual - expected) / np.outer(root, root)
    np.testing.assert_array_less(difference, tolerance)


# --------------------------------------------------------------- one path, (15) to (19)


@pytest.mark.parametrize("seed", range(3))
def test_fim_is_the_curvature_of_the_likelihood(seed):
    """(15), for given symbols: the Hessian of the mean log-likelihood ratio, by differences."""
    path = Path(seed)
    frames = path.frames()
    truth = path.echo(path.theta, frames)

    def divergence(theta):
        return np.sum(np.abs(path.echo(theta, frames) - truth) ** 2) / path.noise_variance

    def gradient(theta):
        return derivative(divergence, theta, 2e-3)

    hessian = derivative(gradient, path.theta, 2e-3)
    assert_close(hessian, path.dense(frames), 1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_appendix_a_is_exact_for_the_conjugate_transmit_convention(seed):
    """All 21 printed entries are the FIM of h_tr h_pt^H; (13) writes h_tr h_pt^T."""
    path = Path(seed)
    jacobian = derivative(lambda theta: path.echo(theta, conjugate=True), path.theta)
    dense = fisher.gaussian_fim(jacobian, path.noise_variance)
    assert_close(path.appendix(printed=True), dense, 1e-7)
    # With the transpose of (13) the five cross entries of omega_t, and only they, differ.
    apart = np.abs(path.appendix(printed=True) - path.dense()) > 1e-6 * dense.max()
    apart[1, :] = apart[:, 1] = False
    assert not apart.any()


@pytest.mark.parametrize("seed", range(4))
def test_every_entry_is_a_product_of_three_in_the_convention_of_13(seed):
    """(16), (17): every entry is a product of three, in the mean over independent symbols."""
    path = Path(seed)
    dense = path.dense()
    assert_close(path.appendix(printed=False), dense)
    printed = path.appendix(printed=True)
    wrong = np.abs(printed - dense) > 1e-6 * np.sqrt(np.outer(np.diag(dense), np.diag(dense)))
    expected = np.zeros((6, 6), dtype=bool)
    expected[1, [0, 2, 3, 4, 5]] = expected[[0, 2, 3, 4, 5], 1] = True
    # Appendix A has the other convention: all cross entries with omega_t differ, no others.
    np.testing.assert_array_equal(wrong, expected)


@pytest.mark.parametrize("seed", range(4))
def test_side_of_the_dot_counts_only_next_to_the_gain(seed):
    """By (13), ^T, the dot of omega_t stands on the left h; without the gain, either will do."""
    path = Path(seed)
    power, r = abs(path.gain) ** 2, path.sums()
    h = path.steering(path.theta[1])
    slope = np.arange(path.n_antennas) * h
    right = np.real(1j * power * (h.conj() @ path.covariance @ slope) * r.R10)
    left = np.real(1j * power * (slope.conj() @ path.covariance @ h) * r.R10)
    scale = 2 / path.noise_variance
    true = path.dense()[1, 2]
    assert scale * left == pytest.approx(true, rel=1e-7)
    # R10 is imaginary, so only the real part of the transmit factor counts, and that agrees ...
    assert right == pytest.approx(left, rel=1e-9)
    # ... but with the gain it does not: beta is complex.
    beta = np.conj(path.gain)
    wrong = np.real(1j * beta * (h.conj() @ path.covariance @ slope) * r.R00)
    assert abs(2 / path.noise_variance * wrong - path.dense()[1, 4]) > 1e-3


def test_sympy_derivative_of_the_response_has_the_sign_of_11():
    """(11): da/d omega = -j c * a, so <dt, t> = +j hdot^H V h for every Hermitian V."""
    omega = sp.symbols("omega", real=True)
    n = 3
    index = sp.diag(*range(n))
    h = sp.Matrix([sp.exp(-sp.I * k * omega) / sp.sqrt(n) for k in range(n)])
    x, y = sp.symbols("x0:6", real=True), sp.symbols("y0:3", real=True)
    upper = sp.Matrix(
        [[0, x[3] + sp.I * y[0], x[4] + sp.I * y[1]], [0, 0, x[5] + sp.I * y[2]], [0, 0, 0]]
    )
    covariance = sp.diag(*x[:3]) + upper + upper.H
    product = (h.diff(omega).H * covariance * h)[0]
    conjugated = sp.I * ((index * h).H * covariance * h)[0]
    printed = -sp.I * (h.H * covariance * (index * h))[0]
    assert sp.expand(product - conjugated) == 0
    assert sp.expand(product - printed) != 0
    # With amplitudes h^H b in place of h^T b^* it is the printed one.
    hermitian = (h.H * covariance * h.diff(omega))[0]
    assert sp.expand(hermitian - printed) == 0


@pytest.mark.parametrize("seed", range(3))
def test_both_transmit_conventions_have_the_same_equivalent_fim(seed):
    """(18), (19): Appendix A (h^H) and (13) (h^T) share their Schur complement."""
    path = Path(seed)
    printed, dense = path.appendix(printed=True), path.dense()
    assert np.abs(printed - dense).max() > 1e-3 * dense.max()
    for fim in (printed, dense):
        assert_close(fisher.equivalent_fim(fim, 4), path.closed_form())


@pytest.mark.parametrize("seed", range(3))
def test_one_frame_couples_what_the_mean_over_symbols_does_not(seed):
    """(16) is true of the mean alone: one QPSK frame has cross terms, of order 1 / sqrt(MN)."""
    path = Path(seed)
    single = fisher.equivalent_fim(path.dense(path.frames()), 4)
    root = np.sqrt(np.diag(single))
    coupling = np.abs(single / np.outer(root, root) - np.eye(4)).max()
    assert 1e-3 < coupling < 1


def test_sympy_schur_complement_for_any_beams():
    """(18), (19), (33): general inner products, four by four out of six by six.

    Nothing is assumed of the beams (b real, s complex, m real), of the arrays or of the frame,
    except (31d): R11 = R10^* R01 / R00.
    """
    b, m, r0, r20, r02, m1, m2, sigma2 = sp.symbols("b m R R20 R02 m1 m2 sigma2", positive=True)
    s_real, s_imag, rho1, rho2 = sp.symbols("s_R s_I rho1 rho2", real=True)
    real, imag = sp.symbols("beta_R beta_I", real=True)
    s, beta = s_real + sp.I * s_imag, real + sp.I * imag  # s = h^H V hdot
    receive = sp.Matrix([[1, -sp.I * m1], [sp.I * m1, m2]])
    transmit = sp.Matrix([[b, -sp.I * s], [sp.I * sp.conjugate(s), m]])
    signal = sp.Matrix(
        [
            [r0, sp.I * rho1, sp.I * rho2],
            [-sp.I * rho1, r20, rho1 * rho2 / r0],
            [-sp.I * rho2, rho1 * rho2 / r0, r02],
        ]
    )
    kinds = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2), (0, 0, 0), (0, 0, 0)]
    weights = [beta] * 4 + [1, sp.I]

    def entry(i, j):
        (x, y, z), (u, v, w) = kinds[i], kinds[j]
        gram = receive[x, u] * transmit[y, v] * signal[z, w]
        return 2 / sigma2 * sp.re(sp.expand(sp.conjugate(weights[i]) * weights[j] * gram))

    fim = sp.Matrix(6, 6, entry)
    equivalent = fim[:4, :4] - fim[:4, 4:] * fim[4:, 4:].inv() * fim[4:, :4]
    power = real**2 + imag**2
    c = m - (s_real**2 + s_imag**2) / b
    expected = sp.diag(
        b * r0 * (m2 - m1**2), c * r0, b * (r20 - rho1**2 / r0), b * (r02 - rho2**2 / r0)
    )
    assert sp.simplify(equivalent - 2 * power / sigma2 * expected) == sp.zeros(4)
    # The printed d11, and d33 = R20 + R10^2 / MN with the imaginary R10 = j rho1.
    n = sp.symbols("M_t", positive=True)
    spread = (n - 1) * (2 * n - 1) / 6 - ((n - 1) / 2) ** 2
    assert sp.simplify(spread - (n**2 - 1) / 12) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_beams", [1, 2, 5])
def test_33_holds_for_any_beams(seed, n_beams):
    """(33) repaired, against the dense Schur complement and the package."""
    path = Path(seed, n_beams)
    dense = fisher.equivalent_fim(path.dense(), 4)
    assert_close(dense, path.closed_form())
    # The package counts the phase of an array the other way, hence the minus.
    package = multistatic.path_efim(
        path.gain,
        -path.theta[1],
        path.covariance,
        path.waveform,
        path.noise_variance,
    )
    assert_close(package * np.outer(path.units[:4], path.units[:4]), path.closed_form())
    if n_beams == 1:
        assert dense[1, 1] < 1e-9 * dense.max()  # d22 = 0 for every beam of rank one
    else:
        assert dense[1, 1] > 1e-4 * dense.max()


@pytest.mark.parametrize("seed", range(4))
def test_33_as_printed_needs_one_beam_that_points_at_the_target(seed):
    path = Path(seed, n_beams=1)
    eta = 0.7
    d = np.diag(printed_d(path.n_antennas, path.waveform, path.delay))
    d = d * 2 * abs(path.gain) ** 2 * eta / path.noise_variance
    printed = d * np.outer(path.units[:4], path.units[:4])
    path.beams = np.sqrt(eta) * path.steering(path.theta[1])[:, None]
    assert_close(fisher.equivalent_fim(path.dense(), 4), printed)
    path.beams = np.sqrt(eta) * path.steering(path.theta[1] + 0.4)[:, None]
    off = fisher.equivalent_fim(path.dense(), 4)
    gain = abs(np.vdot(path.steering(path.theta[1]), path.steering(path.theta[1] + 0.4))) ** 2
    assert_close(off, gain * printed)
    assert gain < 0.95


def test_sums_32_and_the_identity_behind_them():
    """(32): the receive factors always, the transmit factors for a matched beam alone."""
    n = sp.symbols("M_t", integer=True, positive=True)
    k = sp.symbols("k", integer=True, nonnegative=True)
    assert sp.summation(1 / n, (k, 0, n - 1)) == 1
    assert sp.simplify(sp.summation(k / n, (k, 0, n - 1)) - (n - 1) / 2) == 0
    assert sp.simplify(sp.summation(k**2 / n, (k, 0, n - 1)) - (n - 1) * (2 * n - 1) / 6) == 0
    # (a . b)^H (c . d) = (a . d)^H (c . b) for real b and d, not for all.
    rng = np.random.default_rng(32)
    a, c = normal(rng, 2, 5)
    b, d = rng.normal(size=(2, 5))
    assert np.vdot(a * b, c * d) == pytest.approx(np.vdot(a * d, c * b))
    b = b * np.exp(1j)
    assert abs(np.vdot(a * b, c * d) - np.vdot(a * d, c * b)) > 1e-3
    # The transmit factors, matched and not.
    path = Path(1)
    index, eta = np.arange(path.n_antennas), 0.7
    for offset, matched in ((0.0, True), (0.5, False)):
        h, beam = path.steering(0.3), path.steering(0.3 + offset)
        v = eta * np.outer(beam, beam.conj())
        factors = [x.conj() @ v @ y for x, y in ((h, h), (h, index * h), (index * h, index * h))]
        right = eta * np.array([1, (3 - 1) / 2, ((3 - 1) / 2) ** 2])
        assert np.allclose(factors, right) == matched


def test_exact_bound_needs_no_sum_over_the_frame():
    """headline: the sums (29) cost (MN)^2, the closed form nothing that grows with the frame."""
    path = Path(0)
    psi = path.waveform.operator(path.delay, 0.0)

    def operator(theta):
        return path.waveform.operator(theta[0] * path.waveform.sample_period, 0.0).ravel()

    (slope,) = derivative(operator, path.theta[2:3]).T  # per sample
    size = len(psi)
    assert slope.size == size**2
    literal = np.vdot(slope, slope).real - abs(np.vdot(psi.ravel(), slope)) ** 2 / size
    _, _, d33, _ = printed_d(path.n_antennas, path.waveform, path.delay)
    assert d33 * path.units[2] ** 2 == pytest.approx(literal, rel=1e-8)
    # A frame with 10^10 cells; the literal sums would have 10^20 terms for each path.
    huge = OTFS(100_000, 100_000, 15e3)
    efim = multistatic.path_efim(1.0, 0.3, path.covariance, huge, 1.0)
    ratio = (
        np.diag(efim)[[0, 1]]
        / np.diag(multistatic.path_efim(1.0, 0.3, path.covariance, OTFS(1, 1, 15e3), 1.0))[[0, 1]]
    )
    np.testing.assert_allclose(ratio, 1e10, rtol=1e-12)


# ------------------------------------------------------------------------ Proposition 1


def random_scene(seed, pointing_error=0.0, **changes):
    arguments = {"n_targets": 1, "n_aps": 12, "n_antennas": 8, "n_users": 3} | changes
    return scenarios.fan_scene(
        np.random.default_rng(seed), pointing_error=pointing_error, **arguments
    )


@QUICK
@given(seed=SEEDS)
def test_proposition_1_is_a_bound_if_the_beam_points_at_the_target(seed):
    """(23): V - eta h h^H >= 0 makes b >= eta, and c >= 0. Any other beams, any powers."""
    rng = np.random.default_rng(seed)
    n, eta = int(rng.integers(2, 9)), rng.uniform(0.1, 2)
    waveform, omega = OTFS(4, 3, 15e3), rng.uniform(-3, 3)
    h = np.exp(1j * omega * np.arange(n)) / np.sqrt(n)
    others = normal(rng, n, int(rng.integers(1, 5))) * rng.uniform(0, 1)
    v = eta * np.outer(h, h.conj()) + others @ others.conj().T
    exact = multistatic.path_efim(0.4 - 1j, omega, v, waveform, 0.3)
    own = multistatic.path_efim(0.4 - 1j, omega, eta * np.outer(h, h.conj()), waveform, 0.3)
    power, spread = multistatic.beam_gains(omega, v)
    assert power >= eta * (1 - 1e-12)
    assert spread >= 0
    assert np.all(np.diag(exact - own) >= -1e-12 * np.diag(exact))


@pytest.mark.parametrize("seed", range(6))
def test_proposition_1_bounds_the_peb_of_whole_scenes(seed):
    scene = random_scene(seed, n_targets=2)
    power = np.random.default_rng(seed).uniform(0, 0.1, scene.beams.shape[:2])
    exact, upper = (
        multistatic.position_error_bound(scene, power, bound) for bound in ("exact", "approximate")
    )
    assert np.all(exact < upper)
    difference = np.subtract(
        *(multistatic.position_efim(scene, power, bound) for bound in ("exact", "approximate"))
    )
    assert np.all(np.linalg.eigvalsh(difference) > 0)


def test_proposition_1_fails_with_one_beam_that_misses():
    """No users, one target: with any pointing error the 'upper bound' is below the bound."""
    for seed in range(4):
        scene = random_scene(seed, pointing_error=0.3, n_users=0)
        power = scenarios.equal_power(scene)
        exact, printed = (
            multistatic.position_error_bound(scene, power, b)[0] for b in ("exact", "approximate")
        )
        assert exact > printed * (1 + 1e-6)


def test_proposition_1_fails_in_full_scenes_with_narrow_beams():
    """64 antennas, three metres of uncertainty, ten users: a counterexample and the repair."""
    failures = 0
    for seed in range(8):
        scene = random_scene(
            seed, pointing_error=3.0, n_aps=16, n_antennas=64, n_users=2, angle_spread=0.05
        )
        power = scenarios.equal_power(scene)
        exact, printed = (
            multistatic.position_error_bound(scene, power, b)[0] for b in ("exact", "approximate")
        )
        failures += exact > printed
        assert exact <= repaired_peb(scene, power) * (1 + 1e-9)
    assert failures >= 1


def repaired_peb(scene, power):
    """Proposition 1 with the power that the own beam really brings, eta |h^H hhat|^2."""
    alone = replace(scene, beams=scene.beams[:, :1], users=None)
    return multistatic.position_error_bound(alone, power[:, :1], "exact")[0]


def test_sympy_loss_of_a_beam_that_misses_a_little():
    """|h^H hhat|^2 = 1 - (M_t^2 - 1) delta^2 / 12 + O(delta^4): the condition of the repair."""
    n, k = sp.symbols("n k", integer=True, positive=True)
    delta = sp.symbols("delta", real=True)
    cosine = sp.series(sp.cos(k * delta), delta, 0, 4).removeO()
    kernel = n + 2 * sp.summation(sp.expand((n - k) * cosine), (k, 1, n - 1))
    loss = 1 - kernel / n**2
    assert sp.simplify(loss - (n**2 - 1) * delta**2 / 12) == 0
    h = np.exp(1j * 1e-3 * np.arange(16)) / 4  # and the kernel is the gain
    gain = abs(h.sum() / 4) ** 2
    assert 1 - gain == pytest.approx(255e-6 / 12, rel=1e-4)


def test_gap_is_the_other_beams_and_grows_with_targets():
    """headlines: with perfect pointing the gap is what all other beams add, nothing else."""
    gains = []
    for seed in range(6):
        scene = random_scene(seed, n_aps=16)
        power = scenarios.equal_power(scene)
        exact, upper = (
            multistatic.position_error_bound(scene, power, b)[0] for b in ("exact", "approximate")
        )
        alone = replace(scene, beams=scene.beams[:, :1], users=None)
        assert multistatic.position_error_bound(alone, power[:, :1], "exact")[0] == pytest.approx(
            upper, rel=1e-9
        )
        assert exact < upper
        gains.append(more_beams(scene, seed))
    assert np.all(np.diff(np.mean(gains, axis=0), axis=0) > 0)  # bound and gap, both grow


def more_beams(scene, seed):
    """Bound and gap of one target while 0, 2, 6 other targets take their beams from its power."""
    rng = np.random.default_rng(1000 + seed)
    rows = []
    for others in (0, 2, 6):
        points = np.vstack([scene.targets, rng.uniform(0, 300, (others, 2))])
        sensing = scenarios.sensing_beams(
            scene.transmitters, scene.transmit_axes, points, scene.n_antennas
        )
        beams = np.concatenate([sensing, scene.beams[:, 1:]], axis=1)
        crowded = replace(scene, beams=beams, users=None)
        power = scenarios.equal_power(crowded)
        exact, upper = (
            multistatic.position_error_bound(crowded, power, b)[0] for b in ("exact", "approximate")
        )
        rows.append([exact, upper / exact])
    return np.array(rows)


def test_more_targets_cost_accuracy_only_if_they_bring_no_receivers():
    """headline: two receivers in all, or the two nearest of each target for all of them."""
    fixed, growing = np.empty((2, 12)), np.empty((2, 12))
    for bounds, receivers in ((fixed, 2), (growing, None)):
        for row, n_targets in enumerate((1, 4)):
            for seed in range(12):
                scene = scenarios.fan_scene(
                    np.random.default_rng(seed), n_targets=n_targets, n_receivers=receivers,
                    n_antennas=8,
                )  # fmt: skip
                bounds[row, seed] = multistatic.position_error_bound(
                    scene, scenarios.equal_power(scene)
                ).mean()
    np.testing.assert_array_equal(fixed[0], growing[0])
    change = [np.log(each[1] / each[0]) for each in (fixed, growing)]
    error = [each.std(ddof=1) / np.sqrt(each.size) for each in change]
    assert np.mean(change[0]) > 3 * error[0]
    assert np.mean(change[1]) < np.mean(change[0]) - 3 * np.hypot(*error)
    assert np.mean(change[1]) < 0


# ------------------------------------------------------------- from paths to a position, (20)


@pytest.mark.parametrize("seed", range(3))
def test_20_is_the_sum_over_paths_that_do_not_meet(seed):
    """(20) and the package: gradients by differences, path by path."""
    scene = random_scene(seed, n_aps=6, pointing_error=1.0)
    power = np.random.default_rng(seed).uniform(0, 0.3, scene.beams.shape[:2])
    gains = multistatic.draw_gains(scene, np.random.default_rng(seed))
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    total = np.zeros((2, 2))
    for p in range(len(scene.transmitters)):
        for r in range(len(scene.receivers)):

            def path(position, p=p, r=r):
                u, v = position - scene.transmitters[p], position - scene.receivers[r]
                far, near = np.linalg.norm(u), np.linalg.norm(v)
                rate = (u / far + v / near) @ scene.velocities[0]
                return np.array(
                    [
                        np.pi * v @ scene.receive_axes[r] / near,
                        np.pi * u @ scene.transmit_axes[p] / far,
                        (far + near) / speed_of_light,
                        rate / scene.wavelength,
                    ]
                )

            jacobian = derivative(path, scene.targets[0])
            efim = multistatic.path_efim(
                gains[p, r, 0], path(scene.targets[0])[1], covariance[p], scene.waveform,
                scene.noise_variance,
            )  # fmt: skip
            total += jacobian.T @ efim @ jacobian
    np.testing.assert_allclose(
        multistatic.position_efim(scene, power, gains=gains)[0], total, rtol=1e-6
    )


def joint_over_sum(scene, rng):
    """PEB with the coupling of all paths, in one frame that all transmitters share, over (22).

    The frame is written out; every path keeps its own unknown gain. One target.
    """
    frame, index = scene.waveform, np.arange(scene.n_antennas)
    values, vectors = np.linalg.eigh(scene.beams)
    root = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    root = root @ vectors.conj().swapaxes(-1, -2)  # Hermitian, so unique
    beams = np.einsum("pqij,pqj->pqi", root, normal(rng, *values.shape))
    beams /= np.linalg.norm(beams, axis=-1, keepdims=True)
    scene = replace(scene, beams=np.einsum("pqi,pqj->pqij", beams, beams.conj()))
    power = scenarios.equal_power(scene)
    gains = multistatic.draw_gains(scene, rng)
    grid = (scene.beams.shape[1], frame.n_symbols, frame.n_subcarriers)
    symbols = np.exp(0.5j * np.pi * rng.integers(4, size=grid))
    parameters, jacobian = geometry.bistatic(
        scene.targets[0], scene.velocities[0], scene.transmitters[:, None], scene.receivers,
        scene.transmit_axes[:, None], scene.receive_axes, scene.carrier_frequency,
    )  # fmt: skip
    units = np.array([1, 1, frame.sample_period, 1 / frame.frame_duration])
    efim = np.zeros((2, 2))
    for r in range(len(scene.receivers)):
        columns, slopes = [], 0
        for p in range(len(scene.transmitters)):

            def signal(theta, p=p, r=r):
                h = np.exp(1j * theta[1] * index) / np.sqrt(len(index))
                sent = np.tensordot(np.sqrt(power[p]) * (beams[p].conj() @ h), symbols, 1)
                return frame.apply(sent, *(theta[2:] * units[2:])).ravel()

            theta = parameters[p, r] / units
            step = 1e-4
            moves = [
                (signal(theta + e) - signal(theta - e)) / (2 * step) for e in step * np.eye(4)[1:]
            ]
            columns.append(signal(theta))
            gradient = jacobian[p, r, :, :2] / units[:, None]
            slopes = slopes + gains[p, r, 0] * np.transpose(moves) @ gradient[1:]
        columns = np.transpose(columns)
        span = np.linalg.qr(columns)[0]
        left = slopes - span @ (span.conj().T @ slopes)
        # The receive angle is common to all paths; its spread is not seen by any gain.
        turn = np.sum(np.abs(columns @ gains[:, r, 0]) ** 2) * (len(index) ** 2 - 1) / 12
        bearing = jacobian[0, r, 0, :2]
        efim += 2 / scene.noise_variance * np.real(left.conj().T @ left)
        efim += 2 / scene.noise_variance * turn * np.outer(bearing, bearing)
    apart = multistatic.position_efim(scene, power, gains=gains)[0]
    return fisher.position_error_bound(efim) / fisher.position_error_bound(apart)


def test_paths_that_share_symbols_couple_in_short_frames():
    """(20) leaves the coupling out: small for long frames, not for short ones."""
    cost = {}
    for size in (16, 64):
        ratios = [
            joint_over_sum(
                random_scene(seed, n_aps=12, n_antennas=4, waveform=OTFS(size, size, 500e3)),
                np.random.default_rng(seed),
            )
            for seed in range(48)
        ]
        cost[size] = np.log(ratios)
    long, gap = estimate(cost[64]), estimate(cost[16] - 2 * cost[64])
    assert long.mean + 4 * long.standard_error < 0.12
    assert gap.mean > 3 * gap.standard_error  # more than twice as much in the short ones


def with_unknown_velocity(scene, power):
    """EFIM of the position when the velocity is a nuisance."""
    parameters, jacobian = geometry.bistatic(
        scene.targets, scene.velocities, scene.transmitters[:, None, None],
        scene.receivers[:, None], scene.transmit_axes[:, None, None],
        scene.receive_axes[:, None], scene.carrier_frequency,
    )  # fmt: skip
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)[:, None, None]
    paths = multistatic.path_efim(
        multistatic.rms_gains(scene), parameters[..., 1], covariance, scene.waveform,
        scene.noise_variance,
    )  # fmt: skip
    state = np.einsum("prtki,prtkl,prtlj->tij", jacobian, paths, jacobian)
    return state, fisher.equivalent_fim(state, 2)


@pytest.mark.parametrize("seed", range(3))
def test_known_velocity_is_worth_something(seed):
    """(20), (21) take the velocity as known; a nuisance velocity can only take information away."""
    scene = random_scene(seed)
    power = scenarios.equal_power(scene)
    state, unknown = with_unknown_velocity(scene, power)
    known = multistatic.position_efim(scene, power)
    np.testing.assert_allclose(state[:, :2, :2], known, rtol=1e-9)
    assert np.all(np.linalg.eigvalsh(known - unknown) > -1e-9 * np.trace(known[0]))
    assert (
        multistatic.position_error_bound(scene, power)[0] < fisher.position_error_bound(unknown)[0]
    )


def test_mean_radar_cross_section_flatters():
    """The PEB is convex in the path powers, so its mean over Swerling I targets is larger."""
    s, u, w = sp.symbols("s u w", real=True)
    matrix = sp.Matrix([[s + u, w], [w, s - u]])
    harmonic = sp.simplify(1 / matrix.inv().trace())
    assert sp.simplify(harmonic - (s - (u**2 + w**2) / s) / 2) == 0  # concave for s > 0
    hessian = sp.hessian(harmonic, (s, u, w))
    vector = sp.Matrix([u / s, -1, 0]), sp.Matrix([w / s, 0, -1])
    expected = -(vector[0] * vector[0].T + vector[1] * vector[1].T) / s
    assert sp.simplify(hessian - expected) == sp.zeros(3)  # negative semidefinite
    rng = np.random.default_rng(1)
    for seed in range(2):
        scene = random_scene(seed)
        power = scenarios.equal_power(scene)
        draws = np.array(
            [
                multistatic.position_error_bound(
                    scene, power, gains=multistatic.draw_gains(scene, rng)
                )[0]
                for _ in range(400)
            ]
        )
        error = draws.std(ddof=1) / np.sqrt(draws.size)
        assert draws.mean() - 4 * error > multistatic.position_error_bound(scene, power)[0]


def test_one_radar_cross_section_for_all_paths_flatters_most():
    """With a single alpha the mean PEB is sqrt(pi) times the printed, the mean CRLB infinite."""
    x = sp.symbols("x", positive=True)
    assert sp.integrate(sp.exp(-x) / sp.sqrt(x), (x, 0, sp.oo)) == sp.sqrt(sp.pi)
    assert sp.integrate(sp.exp(-x) / x, (x, 0, sp.oo)) == sp.oo
    scene = random_scene(0)
    power = scenarios.equal_power(scene)
    gains = multistatic.rms_gains(scene)
    half = multistatic.position_error_bound(scene, power, gains=gains / 2)
    np.testing.assert_allclose(half, 2 * multistatic.position_error_bound(scene, power), rtol=1e-12)


# --------------------------------------------------------------------- other signals, geometry


@pytest.mark.parametrize("waveform", [OTFS(8, 6, 30e3), OFDM(8, 6, 30e3, 5e-6)])
def test_only_the_signal_factor_changes_with_the_waveform(waveform):
    """headline: receive and transmit factors stay, only Cov_s is exchanged."""
    path = Path(2)
    arguments = path.gain, -path.theta[1], path.covariance
    efim = multistatic.path_efim(*arguments, waveform, path.noise_variance)
    size = waveform.n_subcarriers * waveform.n_symbols
    power, spread = multistatic.beam_gains(*arguments[1:])
    scale = 2 * abs(path.gain) ** 2 * size / path.noise_variance
    angles = np.diag([power * (path.n_antennas**2 - 1) / 12, spread])
    np.testing.assert_allclose(efim[:2, :2], scale * angles, rtol=1e-12)
    covariance = waveform.delay_doppler_covariance()
    np.testing.assert_allclose(efim[2:, 2:], scale * power * covariance, rtol=1e-12)
    assert np.all(efim[:2, 2:] == 0)


def test_printed_sign_of_rho_spoils_the_bound():
    """(10), (21) as printed: the gradient of d_tr - d_pt instead of that of the sum."""
    worse = []
    for seed in range(6):
        scene = random_scene(seed)
        power = scenarios.equal_power(scene)
        printed = printed_jacobian_peb(scene, power)
        worse.append(printed / multistatic.position_error_bound(scene, power)[0])
    assert np.max(np.abs(np.log(worse))) > 0.05


def printed_jacobian_peb(scene, power):
    parameters, jacobian = geometry.bistatic(
        scene.targets[0], scene.velocities[0], scene.transmitters[:, None], scene.receivers,
        scene.transmit_axes[:, None], scene.receive_axes, scene.carrier_frequency,
    )  # fmt: skip
    u = geometry.line_of_sight(scene.targets[0], scene.transmitters)[1][:, None]
    v = geometry.line_of_sight(scene.targets[0], scene.receivers)[1]
    jacobian = jacobian[..., :2].copy()
    jacobian[..., 2, :] = (v - u) / speed_of_light
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)[:, None]
    gains = multistatic.rms_gains(scene)[..., 0]
    paths = multistatic.path_efim(
        gains, parameters[..., 1], covariance, scene.waveform, scene.noise_variance
    )
    efim = np.einsum("prki,prkl,prlj->ij", jacobian, paths, jacobian)
    return fisher.position_error_bound(efim)


@pytest.mark.parametrize("seed", range(3))
def test_either_unit_vector_of_10_may_be_turned(seed):
    """(10), (21): as printed a contradiction; each of the two repairs, and what it makes of nu."""
    scene = random_scene(seed)
    place, velocity, carrier = scene.targets[0], scene.velocities[0], speed_of_light / 0.01
    ends = scene.transmitters[0], scene.receivers[0]
    axes = scene.transmit_axes[0], scene.receive_axes[0]

    def fan_10(at, turns):
        out, home = (sign * (at - end) for sign, end in zip(turns, ends, strict=True))
        far, near = np.linalg.norm(out), np.linalg.norm(home)
        angles = [np.pi * home @ axes[1] / near, np.pi * out @ axes[0] / far]
        nu = velocity @ (out / far + home / near) / 0.01
        return np.array([*angles, (far + near) / speed_of_light, nu])

    def fan_21(at, turns):
        (u, flat_p), (v, flat_r) = (
            (sign * d / (r := np.linalg.norm(d)), (np.eye(2) - np.outer(d, d) / r**2) / r)
            for sign, d in zip(turns, (at - ends[0], at - ends[1]), strict=True)
        )  # fmt: skip
        rows = [np.pi * axes[1] @ flat_r, np.pi * axes[0] @ flat_p, (u + v) / speed_of_light]
        return np.array([*rows, velocity @ (flat_r + flat_p) / 0.01])

    def lateness(time):
        return fan_10(place + time * velocity, (1, 1))[2]

    shift = -carrier * (lateness(1e-3) - lateness(-1e-3)) / 2e-3  # of the phase -2 pi f_c tau
    information = []
    for turns, doppler in (((1, 1), -shift), ((-1, -1), shift)):
        assert fan_10(place, turns)[3] == pytest.approx(doppler, rel=1e-6, abs=1e-6)
        gradient = derivative(lambda at, turns=turns: fan_10(at, turns), place)
        rows = fan_21(place, turns)
        assert np.all(
            np.abs(gradient - turns[0] * rows) <= 1e-6 * np.linalg.norm(rows, axis=1)[:, None]
        )
        information.append(rows.T @ rows)
    np.testing.assert_array_equal(*information)
    printed = (-1, 1)
    gradient = derivative(lambda at: fan_10(at, printed), place)
    wrong = np.linalg.norm(gradient - fan_21(place, printed), axis=1) / np.linalg.norm(
        gradient, axis=1
    )
    assert wrong[0] < 1e-6
    assert np.all(wrong[1:] > 0.1)
    assert not np.isclose(abs(fan_10(place, printed)[3]), abs(shift), rtol=0.01)


@pytest.mark.parametrize("unit", [1e-3, 60.0, 1e6])
def test_printed_forms_do_not_depend_on_the_units(unit):
    """Lengths and times in another unit, in which light is as fast; powers in another watt.

    For the bound with (21) as printed, the exact bound and Proposition 1.
    """
    scene, watt = random_scene(2), 7.0
    power, frame = scenarios.equal_power(scene), scene.waveform
    assert isinstance(frame, OTFS)
    other = replace(
        scene,
        transmitters=unit * scene.transmitters,
        receivers=unit * scene.receivers,
        targets=unit * scene.targets,
        mean_rcs=unit**2 * np.asarray(scene.mean_rcs),
        carrier_frequency=scene.carrier_frequency / unit,
        noise_variance=watt * scene.noise_variance,
        waveform=OTFS(frame.n_subcarriers, frame.n_symbols, frame.subcarrier_spacing / unit),
    )
    forms = [printed_jacobian_peb, multistatic.position_error_bound]
    forms.append(lambda scene, power: multistatic.position_error_bound(scene, power, "approximate"))
    for form in forms:
        here, there = form(scene, power), form(other, watt * power)
        np.testing.assert_allclose(there, unit * here, rtol=1e-9)
