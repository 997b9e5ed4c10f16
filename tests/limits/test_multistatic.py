"""fan's bounds: SymPy identities, brute force, limits, invariances, Monte Carlo, bad input."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light

from cfisac import fisher
from cfisac.limits import _map, _one_path, _overlap, multistatic
from cfisac.scenarios import MultistaticScene, equal_power, fan_scene, sensing_beams
from cfisac.waveforms import OFDM, OTFS

QUICK = settings(deadline=None, max_examples=30)
SLOW = settings(deadline=None, max_examples=6, phases=[Phase.explicit, Phase.generate])
SEEDS = st.integers(0, 2**32 - 1)
SMALL_FRAMES = [OTFS(3, 2, 1e6), OFDM(3, 2, 1e6, 2e-6)]
WAVEFORMS = [OTFS(4, 3, 8e6), OTFS(3, 1, 8e6), OFDM(4, 3, 8e6, 2e-6), OFDM(3, 4, 8e6, 2e-6)]


def assert_matrices_close(actual, expected, rtol=1e-6):
    two, four = ("x", "y"), ("omega_r", "omega_t", "tau", "nu")
    names = four if np.shape(expected)[-1] == len(four) else two
    oracle.assert_matrices_close(actual, expected, rtol, names)


def covariance(rng, n, rank):
    """A random beam covariance of that rank."""
    factor = rng.normal(size=(n, rank)) + 1j * rng.normal(size=(n, rank))
    return factor @ factor.conj().T


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.conj().T


def array_response(omega, n):
    return np.exp(1j * omega * np.arange(n)) / np.sqrt(n)


def path_signal(theta, beam_root, operator, n_receive):
    """One path as the matrix that multiplies white symbols of unit energy, flattened.

    Inner products of such matrices are the means, over the symbols, of those of the signals:
    E{(A s)^H (B s)} = tr(A^H B).
    """
    omega_r, omega_t, delay, doppler = theta[:4]
    # h^T s with s = conj(V)^(1/2) x, as fan sends conjugate beams: h^T conj(root) = (root h)^T.
    sent = beam_root @ array_response(omega_t, len(beam_root))
    psi = operator(delay, doppler).ravel()
    signal = np.kron(np.kron(array_response(omega_r, n_receive), sent), psi)
    return (theta[4] + 1j * theta[5]) * signal


class Path:
    """A random path with everything that its FIM depends on."""

    def __init__(self, rng, waveform):
        self.waveform = waveform
        self.n_transmit, self.n_receive = rng.integers(1, 5, size=2)
        self.n_receive = int(self.n_receive)
        rank = int(rng.integers(1, 4))
        self.beams = 10 ** rng.uniform(-2, 2) * covariance(rng, self.n_transmit, rank)
        self.noise_variance = 10 ** rng.uniform(-3, 3)
        late = rng.integers(0, waveform.n_subcarriers) + rng.uniform(0.2, 0.8)
        self.theta = np.array(
            [
                *rng.uniform(-3, 3, 2),
                late * waveform.sample_period,
                rng.normal() * 0.2 / waveform.symbol_period,
                *rng.normal(size=2),
            ]
        )
        turns = waveform.symbol_period * waveform.n_symbols
        self.step = 0.02 / np.array([4, 4, 2 * np.pi * waveform.bandwidth, 2 * np.pi * turns, 1, 1])

    @property
    def arguments(self):
        gain = complex(*self.theta[4:])
        return (
            gain, self.theta[1], self.beams, self.waveform, self.noise_variance, self.n_receive,
        )  # fmt: skip

    def dense(self, operator):
        """FIM (15) by finite differences."""
        square_root = root(self.beams)

        def signal(theta):
            return path_signal(theta, square_root, operator, self.n_receive)

        return oracle.dense_fim(signal, self.theta, self.noise_variance, self.step)


PATHS = st.builds(
    lambda seed, waveform: Path(np.random.default_rng(seed), waveform),
    SEEDS,
    st.sampled_from(WAVEFORMS),
)


class Small:
    """A small random scene and its signal, written out without the package's geometry."""

    def __init__(self, rng, waveform, n_targets=1, full_duplex=False, apart=60.0):
        n_transmitters, n_receivers, n_antennas, n_beams = 2, 2, 3, n_targets + 2
        self.rng = rng
        transmitters = rng.uniform(0, 60, (n_transmitters, 2))
        receivers = transmitters.copy() if full_duplex else rng.uniform(0, 60, (n_receivers, 2))
        angle = rng.uniform(0, 2 * np.pi, (2, n_receivers))
        axes = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        if full_duplex:
            axes[1] = axes[0]
        centre = rng.uniform(70, 100, 2)
        beams = np.array(
            [
                [covariance(rng, n_antennas, int(rng.integers(1, 4))) for _ in range(n_beams)]
                for _ in range(n_transmitters)
            ]
        )
        beams /= np.trace(beams, axis1=-2, axis2=-1)[..., None, None]
        self.scene = MultistaticScene(
            transmitters=transmitters,
            receivers=receivers,
            transmit_axes=axes[0],
            receive_axes=axes[1],
            targets=centre + apart * rng.uniform(-0.5, 0.5, (n_targets, 2)),
            velocities=rng.normal(size=(n_targets, 2)) * 2e4,  # so fast that it counts here
            n_antennas=n_antennas,
            beams=beams,
            waveform=waveform,
            carrier_frequency=5e9,
            noise_variance=1e-9,
            mean_rcs=10 ** rng.uniform(-1, 1, n_targets),
            transmit_gain=2.0,
            receive_gain=3.0,
            spacing=0.4,
            full_duplex=full_duplex,
        )
        self.power = rng.uniform(0, 2, (n_transmitters, n_beams))
        self.gains = multistatic.draw_gains(self.scene, rng)

    def signals(self, theta):
        """Mean at each receiver of what each transmitter sends; ``theta``: positions and gains."""
        scene = self.scene
        n_targets = len(scene.targets)
        positions = theta[: 2 * n_targets].reshape(-1, 2)
        gains = theta[2 * n_targets :].reshape(*self.gains.shape, 2)
        columns = []
        for p, transmitter in enumerate(scene.transmitters):
            square_root = root(np.einsum("q,qij->ij", self.power[p], scene.beams[p]))
            for r, receiver in enumerate(scene.receivers):
                total = 0
                for t, position in enumerate(positions):
                    there, back = position - transmitter, position - receiver
                    far, near = np.hypot(*there), np.hypot(*back)
                    rate = there / far + back / near
                    geometric = [
                        2 * np.pi * scene.spacing * back @ scene.receive_axes[r] / near,
                        2 * np.pi * scene.spacing * there @ scene.transmit_axes[p] / far,
                        (far + near) / speed_of_light,
                        -scene.velocities[t] @ rate * scene.carrier_frequency / speed_of_light,
                    ]
                    path = np.array([*geometric, *gains[p, r, t]])
                    total = total + path_signal(
                        path, square_root, scene.waveform.operator, scene.n_antennas
                    )
                columns.append(total)
        return np.concatenate(columns)

    def dense(self, gains=None):
        """EFIM of all positions: finite differences, dense Schur complement."""
        gains = self.gains if gains is None else gains
        parts = np.stack([gains.real, gains.imag], axis=-1).ravel()
        theta = np.concatenate([self.scene.targets.ravel(), parts])
        size = self.scene.targets.size
        step = np.concatenate([np.full(size, 0.05), np.full(parts.size, np.abs(parts).max())])
        jacobian = oracle.derivatives(self.signals, theta, step)
        return fisher.equivalent_fim(fisher.gaussian_fim(jacobian, self.scene.noise_variance), size)

    def in_step(self):
        """Whether the differences stay clear of whole samples, where the operator jumps."""
        late = self.scene.delays * self.scene.waveform.bandwidth
        return np.all(np.abs(late - np.round(late)) > 0.01)


def small_scene(seed, *arguments, **options):
    """Draw until the finite differences are safe."""
    rng = np.random.default_rng(seed)
    while True:
        small = Small(rng, *arguments, **options)
        if small.in_step():
            return small


def table_scene(seed, **options):
    """A scene of fan's table, or a smaller one; with few access points two of them listen."""
    receivers = {"n_receivers": 2} if options.get("n_aps", 32) < 8 else {}
    return fan_scene(np.random.default_rng(seed), **(receivers | options))


def aimed(scene):
    """The same scene with every sensing beam exactly on its target."""
    beams = scene.beams.copy()
    beams[:, : len(scene.targets)] = sensing_beams(
        scene.transmitters, scene.transmit_axes, scene.targets, scene.n_antennas, scene.spacing
    )
    return replace(scene, beams=beams)


# ------------------------------------------------------------------------------- symbolic


def test_schur_complement_of_a_path_is_a_direct_sum_for_any_beams():
    """fan_conf (18), (19), (33): symbolic M, N, T, sums of g, any Hermitian V, any gain."""
    m, n, spread_m, period, spacing = sp.symbols("M N S_r T f", positive=True)
    g1, g2, b, c11 = sp.symbols("g_1 g_2 b c_11", real=True)
    x, y, beta_r, beta_i = sp.symbols("x y beta_R beta_I", real=True)
    mean_r = sp.symbols("m_r", real=True)
    receive = sp.Matrix([[1, sp.I * mean_r], [-sp.I * mean_r, spread_m]])
    transmit = sp.Matrix([[b, x + sp.I * y], [x - sp.I * y, c11]])
    r10 = -sp.I * sp.pi * spacing * (m - 1) * m * n
    r01 = sp.I * sp.pi * (period * (n - 1) * m * n + 2 * n * g1)
    r11 = -(sp.pi**2) * spacing * (m - 1) * n * (period * (n - 1) * m + 2 * g1)
    r20 = (2 * sp.pi * spacing) ** 2 * (m - 1) * m * n * (2 * m - 1) / 6
    r02 = (2 * sp.pi) ** 2 * n * (
        period**2 * (n - 1) * m * (2 * n - 1) / 6 + g2 + period * (n - 1) * g1
    )  # fmt: skip
    signal = sp.Matrix([[m * n, r10, r01], [-r10, r20, r11], [-r01, r11, r02]])
    kinds = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2)]
    gram = sp.Matrix(
        5,
        5,
        lambda i, j: (
            receive[kinds[i][0], kinds[j][0]]
            * transmit[kinds[i][1], kinds[j][1]]
            * signal[kinds[i][2], kinds[j][2]]
        ),
    )
    beta = beta_r + sp.I * beta_i
    weight = sp.zeros(6, 5)
    for k in range(4):
        weight[k, k + 1] = beta
    weight[4, 0], weight[5, 0] = 1, sp.I
    fim = (weight.conjugate() * gram * weight.T).applyfunc(lambda entry: sp.re(sp.expand(entry)))
    coupling, nuisance = fim[:4, 4:], fim[4:, 4:]
    assert nuisance == sp.eye(2) * m * n * b
    left = (fim[:4, :4] - coupling * coupling.T / (m * n * b)).applyfunc(sp.expand)
    power = beta_r**2 + beta_i**2
    # The variance of the sample times is what (31) leaves, whatever g is.
    times = (2 * sp.pi) ** 2 * (period**2 * (n**2 - 1) / 12 + g2 / m - (g1 / m) ** 2)
    expected = power * sp.diag(
        m * n * b * (spread_m - mean_r**2),
        m * n * (c11 - (x**2 + y**2) / b),
        m * n * b * (2 * sp.pi * spacing) ** 2 * (m**2 - 1) / 12,
        m * n * b * times,
    )
    assert (left - expected).applyfunc(sp.simplify) == sp.zeros(4, 4)


def test_array_moments_and_the_rank_one_spread():
    """fan_conf (32): the moments of the indices, their variance, and c = 0 for a single beam."""
    n, index = sp.symbols("M m", integer=True, positive=True)
    mean = sp.summation(index, (index, 0, n - 1)) / n
    square = sp.summation(index**2, (index, 0, n - 1)) / n
    assert sp.simplify(mean - (n - 1) / 2) == 0
    assert sp.simplify(square - (n - 1) * (2 * n - 1) / 6) == 0
    assert sp.simplify(square - mean**2 - (n**2 - 1) / 12) == 0
    assert _one_path.index_variance(16) == pytest.approx((16**2 - 1) / 12)
    # One beam, V = v v^H: with u = a^H v and w = adot^H v, b = |u|^2 and c = |w|^2 - |u w*|^2 / b.
    u, w = sp.symbols("u w", complex=True)
    power = u * sp.conjugate(u)
    spread = w * sp.conjugate(w) - u * sp.conjugate(w) * sp.conjugate(u) * w / power
    assert sp.simplify(spread) == 0


# --------------------------------------------------------------------------- brute force


@QUICK
@given(path=PATHS)
def test_path_fim_is_the_fim_of_the_sampled_path(path):
    """fan_conf (14)-(17), Appendix A for (13): dense differences of the operator (9), mended."""
    if isinstance(path.waveform, OTFS):

        def operator(delay, doppler):
            return path.waveform.printed_operator(delay, doppler, mended=True)
    else:
        operator = path.waveform.operator
    actual = multistatic.path_fim(*path.arguments, delay=path.theta[2])
    assert_matrices_close(actual, path.dense(operator))


@QUICK
@given(path=PATHS)
def test_path_efim_is_the_schur_complement_of_the_exact_operator(path):
    """fan_conf (18), (19), (33): the closed form, against the exact operator's differences."""
    dense = fisher.equivalent_fim(path.dense(path.waveform.operator), 4)
    closed = multistatic.path_efim(*path.arguments)
    full = multistatic.path_fim(*path.arguments, delay=path.theta[2])
    scale = np.sqrt(np.diagonal(full)[:4])
    outer = np.where(scale > 0, scale, 1)[:, None] * np.where(scale > 0, scale, 1)
    np.testing.assert_allclose(closed / outer, dense / outer, rtol=0, atol=1e-6)
    schur = fisher.equivalent_fim(full, 4)
    np.testing.assert_allclose(closed / outer, schur / outer, rtol=0, atol=1e-9)


def test_path_fim_has_the_transmit_convention_of_13_and_appendix_a_the_conjugate_one():
    """Rows of omega_t with fan's own (11): h^T with conjugate precoders, and h^H."""
    path = Path(np.random.default_rng(5), OTFS(4, 3, 8e6))
    path.n_transmit, path.n_receive = 3, 2
    path.beams = covariance(np.random.default_rng(6), 3, 2)
    path.theta[:2] *= -1  # an array that turns the other way sees -omega
    truth = multistatic.path_fim(*path.arguments, delay=path.theta[2])
    sign = np.array([-1, -1, 1, 1, 1, 1])
    truth = truth * sign[:, None] * sign
    h = array_response(path.theta[1], 3)
    dotted = np.arange(3) * h
    sums = path.waveform.signal_factors(path.theta[2])
    gain = complex(*path.theta[4:])
    right, left = h.conj() @ path.beams @ dotted, dotted.conj() @ path.beams @ h

    def row(transmit, sign):
        """Entries of omega_t with omega_r, tau, nu, Re beta and Im beta."""
        entries = [
            np.abs(gain) ** 2 * 0.5 * right * sums.R00,
            1j * np.abs(gain) ** 2 * transmit * sums.R10,
            1j * np.abs(gain) ** 2 * transmit * sums.R01,
            1j * np.conj(gain) * transmit * sums.R00,
            -np.conj(gain) * transmit * sums.R00,
        ]
        return sign * 2 / path.noise_variance * np.real(entries)

    expected = truth[1, [0, 2, 3, 4, 5]]
    np.testing.assert_allclose(row(left, 1), expected, rtol=1e-9)
    printed = row(right, -1)
    assert printed[0] == pytest.approx(-expected[0])
    assert np.all(np.abs(printed / expected - 1) > 0.01)
    # Amplitudes h^H b are those of the conjugate beams at the opposite angle.
    gain, omega, beams, *others = path.arguments
    other = multistatic.path_fim(gain, -omega, beams.conj(), *others, delay=path.theta[2])
    other = other * np.outer([-1, 1, 1, 1, 1, 1], [-1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(printed, other[1, [0, 2, 3, 4, 5]], rtol=1e-9)


@SLOW
@given(
    seed=SEEDS,
    waveform=st.sampled_from(SMALL_FRAMES),
    full_duplex=st.booleans(),
)
def test_position_efim_is_the_dense_one(seed, waveform, full_duplex):
    """fan_conf (20)-(22), half and full duplex: differences by the position, dense Schur."""
    small = small_scene(seed, waveform, full_duplex=full_duplex)
    dense = small.dense()
    actual = multistatic.position_efim(small.scene, small.power, gains=small.gains)
    assert_matrices_close(actual[0], dense)
    # One target is alone in its paths, so the joint matrix is the same.
    joint = multistatic.joint_efim(small.scene, small.power, small.gains)
    assert_matrices_close(joint, dense)
    np.testing.assert_allclose(
        multistatic.position_error_bound(small.scene, small.power, gains=small.gains),
        fisher.position_error_bound(dense),
        rtol=1e-6,
    )


@SLOW
@given(
    seed=SEEDS,
    waveform=st.sampled_from(SMALL_FRAMES),
    full_duplex=st.booleans(),
)
def test_joint_efim_is_the_dense_one(seed, waveform, full_duplex):
    """All positions and gains unknown, targets a few metres apart: their paths overlap."""
    small = small_scene(seed, waveform, n_targets=2, full_duplex=full_duplex, apart=30.0)
    dense = small.dense()
    actual = multistatic.joint_efim(small.scene, small.power, small.gains)
    assert_matrices_close(actual, dense)
    alone = multistatic.position_efim(small.scene, small.power, gains=small.gains)
    # What the coupling takes away is real: no target keeps what it would have alone.
    for t in range(2):
        rest = alone[t] - dense[2 * t : 2 * t + 2, 2 * t : 2 * t + 2]
        assert np.linalg.eigvalsh(rest)[0] >= -1e-6 * np.trace(alone[t])
        assert np.trace(rest) > 1e-3 * np.trace(alone[t])


@pytest.mark.parametrize("bound", ["exact", "approximate"])
@pytest.mark.parametrize("full_duplex", [False, True])
def test_map_is_the_sum_over_paths_at_every_point(bound, full_duplex):
    """The factored sums and trigonometric polynomials against (20), point by point."""
    scene = table_scene(
        3, full_duplex=full_duplex, n_aps=6, n_users=2, n_antennas=5, mean_rcs=np.array([0.5, 2.0])
    )
    power = np.random.default_rng(0).uniform(0, 1, scene.beams.shape[:2])
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 300, (3, 7, 2))
    for target in range(2):
        efim = multistatic.position_map(scene, power, points, bound, target)
        assert efim.shape == (3, 7, 2, 2)
        for index in np.ndindex(3, 7):
            targets = scene.targets.copy()
            targets[target] = points[index]
            moved = replace(scene, targets=targets)
            expected = multistatic.position_efim(moved, power, bound)[target]
            assert_matrices_close(efim[index], expected, rtol=1e-9)


def test_map_does_not_depend_on_its_blocks(monkeypatch):
    scene = table_scene(4, n_aps=5, n_users=1, n_antennas=3)
    points = np.random.default_rng(2).uniform(0, 300, (700, 2))
    whole = multistatic.position_map(scene, 1.0, points)
    monkeypatch.setattr(_map, "_BLOCK", {"numpy": 13})
    np.testing.assert_allclose(multistatic.position_map(scene, 1.0, points), whole, rtol=1e-12)
    assert multistatic.position_map(scene, 1.0, points[:0]).shape == (0, 2, 2)


def beam_polynomials(beams, omega):
    """Power and spread as the map has them, for angles (P, n)."""
    lags = _map._lag_sums(beams)
    series, space = _map._half_basis(lags), _map._Space(omega.shape[1], beams.shape[-1])
    rows = [
        [np.broadcast_to(each, omega.shape[1:]).copy() for each in both]
        for both in (
            _map._power_and_spread(of_one, limits, steps, space)
            for of_one, limits, steps in zip(
                series, _map._rounding(lags).tolist(), omega / _map._STEP, strict=True
            )
        )
    ]
    return np.moveaxis(np.array(rows), 1, 0)


@pytest.mark.parametrize("n_antennas", [1, 2, 3, 16])
def test_beam_polynomials_are_the_beam_gains(n_antennas):
    rng = np.random.default_rng(n_antennas)
    beams = np.stack([covariance(rng, n_antennas, rank) for rank in (1, 2, 0)])
    omega = rng.uniform(-4, 4, (3, 9))
    power, spread = beam_polynomials(beams, omega)
    b, c = multistatic.beam_gains(omega, beams[:, None])
    np.testing.assert_allclose(power, b, rtol=1e-10, atol=1e-12 * b.max())
    np.testing.assert_allclose(spread, c, rtol=0, atol=1e-10 * n_antennas**2 * b.max())


def test_given_symbols_scatter_around_the_mean_over_symbols():
    """Frames of random symbols: the mean of their FIMs is path_fim, within five deviations."""
    rng = np.random.default_rng(8)
    frame, n_frames = OTFS(4, 3, 8e6), 200
    path = Path(rng, frame)
    path.n_receive, path.beams = 2, covariance(rng, 3, 2)
    square_root, gain = root(path.beams), complex(*path.theta[4:])
    symbols = rng.normal(size=(n_frames, 2, 3, 3, 4)) * np.sqrt(0.5)
    white = symbols[:, 0] + 1j * symbols[:, 1]

    def signals(theta):
        towards = np.einsum(
            "a,ab,fbnm->fnm", array_response(theta[1], 3), square_root.conj(), white
        )
        heard = frame.apply(towards, theta[2], theta[3]).reshape(n_frames, -1)
        return gain * np.einsum("r,fk->frk", array_response(theta[0], 2), heard)

    def geometric(theta):
        return signals(theta).reshape(n_frames, -1)

    jacobian = oracle.derivatives(geometric, path.theta[:4], path.step[:4])
    here = signals(path.theta[:4]).reshape(n_frames, -1) / gain
    jacobian = np.concatenate([jacobian, here[..., None], 1j * here[..., None]], axis=-1)
    fims = fisher.gaussian_fim(jacobian, path.noise_variance)
    # Only what the origin of time cannot change: it differs from that of the operator (9).
    keep = np.ix_([0, 1, 4, 5], [0, 1, 4, 5])
    mean = multistatic.path_fim(*path.arguments, delay=path.theta[2])[keep]
    drawn = np.stack([fim[keep] for fim in fims])
    deviation = drawn.std(axis=0, ddof=1) / np.sqrt(n_frames)
    floor = 1e-9 * np.abs(mean).max()
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 5 * deviation + floor)
    assert np.all(deviation < 0.2 * np.sqrt(np.outer(np.diag(mean), np.diag(mean))))


# ---------------------------------------------------------------- limits and invariances


def test_single_matched_beam_gives_fan_33():
    """Beam on the target: b = eta, c = 0 and diag{d11, 0, d33, d44} of fan_conf (33)."""
    frame, m_t = OTFS(16, 8, 1e6), 5
    response = array_response(0.7, m_t)
    efim = multistatic.path_efim(2.0, 0.7, 3 * np.outer(response, response.conj()), frame, 0.1)
    size, sums = 16 * 8, frame.signal_factors(0.0)
    d11 = (m_t - 1) * (2 * m_t - 1) * size / 6 - (m_t - 1) ** 2 * size / 4
    d33 = np.real(sums.R20 + sums.R10**2 / size)
    d44 = np.real(sums.R02 + sums.R01**2 / size)
    expected = 2 * 2.0**2 * 3 / 0.1 * np.diag([d11, 0, d33, d44])
    np.testing.assert_allclose(efim, expected, rtol=1e-9, atol=1e-12 * expected.max())


@QUICK
@given(seed=SEEDS)
def test_more_beams_never_inform_less(seed):
    """b is linear and c concave and homogeneous in V, so both grow with every beam added."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    one, two = (covariance(rng, n, int(rng.integers(1, 4))) for _ in range(2))
    omega = rng.uniform(-np.pi, np.pi)
    (b1, c1), (b2, c2), (b3, c3) = (
        multistatic.beam_gains(omega, each) for each in (one, two, one + two)
    )
    assert b3 == pytest.approx(b1 + b2)
    assert c3 >= c1 + c2 - 1e-9 * b3 * n**2
    assert multistatic.beam_gains(omega, 7 * one)[1] == pytest.approx(7 * c1, abs=1e-9 * b1 * n**2)


def test_a_single_beam_tells_nothing_about_its_direction():
    rng = np.random.default_rng(3)
    power, spread = multistatic.beam_gains(rng.uniform(-3, 3, 50), covariance(rng, 8, 1))
    assert np.all(spread < 1e-12 * power * 64)


def invariant(scene):
    """A scene's bounds and the power that goes with it."""
    power = np.random.default_rng(5).uniform(0, 1, scene.beams.shape[:2])
    return power, multistatic.position_efim(scene, power)


@SLOW
@given(seed=SEEDS, angle=st.floats(-3, 3), x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3))
def test_translation_and_rotation_turn_the_information_with_the_scene(seed, angle, x, y):
    scene = table_scene(seed, n_aps=5, n_users=1, n_antennas=4)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = np.array([x, y])
    places = {name: getattr(scene, name) for name in ("transmitters", "receivers", "targets")}
    ways = {name: getattr(scene, name) for name in ("transmit_axes", "receive_axes", "velocities")}
    moved = replace(
        scene,
        users=None,
        **{name: value @ turn + shift for name, value in places.items()},
        **{name: value @ turn for name, value in ways.items()},
    )
    power, efim = invariant(scene)
    expected = turn.T @ efim @ turn
    assert_matrices_close(multistatic.position_efim(moved, power), expected, rtol=1e-8)


@SLOW
@given(seed=SEEDS)
def test_labels_of_access_points_and_targets_do_not_matter(seed):
    scene = table_scene(seed, n_aps=6, n_targets=3, n_users=1, n_antennas=3)
    power, efim = invariant(scene)
    gains = multistatic.draw_gains(scene, np.random.default_rng(1))
    rng = np.random.default_rng(seed)
    p, r, t = (rng.permutation(len(each)) for each in (power, scene.receivers, scene.targets))
    beams = np.concatenate([scene.beams[:, t], scene.beams[:, 3:]], axis=1)
    other = replace(
        scene,
        transmitters=scene.transmitters[p],
        transmit_axes=scene.transmit_axes[p],
        receivers=scene.receivers[r],
        receive_axes=scene.receive_axes[r],
        targets=scene.targets[t],
        velocities=scene.velocities[t],
        beams=beams[p],
    )
    mixed = np.concatenate([power[:, t], power[:, 3:]], axis=1)[p]
    np.testing.assert_allclose(multistatic.position_efim(other, mixed), efim[t], rtol=1e-9)
    joint = multistatic.position_error_bound(other, mixed, "joint", gains[np.ix_(p, r, t)])
    np.testing.assert_allclose(
        joint, multistatic.position_error_bound(scene, power, "joint", gains)[t], rtol=1e-6
    )


def test_units_of_power_and_of_the_radar_cross_section():
    """The information is proportional to power, RCS and 1 / noise, all in one factor."""
    scene = table_scene(6, n_aps=5, n_users=2, n_antennas=4)
    power, efim = invariant(scene)
    for other, watts in (
        (scene, 1e3 * power),
        (replace(scene, noise_variance=scene.noise_variance / 1e3), power),
        (replace(scene, mean_rcs=1e3), power),
        (replace(scene, transmit_gain=1e3 * scene.transmit_gain), power),
    ):
        np.testing.assert_allclose(multistatic.position_efim(other, watts), 1e3 * efim, rtol=1e-12)
    gains = multistatic.rms_gains(scene)
    np.testing.assert_allclose(multistatic.position_efim(scene, power, gains=gains), efim)
    turned = gains * np.exp(2j * np.pi * np.random.default_rng(0).random(gains.shape))
    np.testing.assert_allclose(multistatic.position_efim(scene, power, gains=turned), efim)


@SLOW
@given(seed=SEEDS)
def test_more_power_receivers_or_transmitters_never_raise_the_bound(seed):
    scene = table_scene(seed, n_aps=6, n_users=2, n_antennas=4)
    power, _ = invariant(scene)
    peb = multistatic.position_error_bound(scene, power)
    more = power + np.random.default_rng(seed).uniform(0, 1, power.shape)
    assert np.all(multistatic.position_error_bound(scene, more) <= peb * (1 + 1e-9))
    fewer = replace(scene, receivers=scene.receivers[:1], receive_axes=scene.receive_axes[:1])
    assert np.all(multistatic.position_error_bound(fewer, power) >= peb * (1 - 1e-9))
    silent = power.copy()
    silent[0] = 0
    assert np.all(multistatic.position_error_bound(scene, silent) >= peb * (1 - 1e-9))


@pytest.mark.parametrize("seed", range(6))
def test_proposition_1_bounds_the_peb_if_the_beams_hit(seed):
    """fan_conf (23): exact over approximate is at most one with perfect pointing, here at most."""
    scene = aimed(table_scene(seed, n_aps=12))
    power = np.random.default_rng(seed).uniform(0, 1, scene.beams.shape[:2])
    exact, upper = (
        multistatic.position_error_bound(scene, power, bound) for bound in ("exact", "approximate")
    )
    assert np.all(exact <= upper)
    # Its own beams alone, and no other: then it is exact.
    alone = replace(scene, beams=scene.beams[:, :1], targets=scene.targets[:1],
                    velocities=scene.velocities[:1], users=None)  # fmt: skip
    exact, upper = (
        multistatic.position_error_bound(alone, power[:, :1], bound)
        for bound in ("exact", "approximate")
    )
    np.testing.assert_allclose(exact, upper, rtol=1e-9)


def test_proposition_1_is_no_bound_if_the_beams_may_miss():
    """64 antennas, targets known to 3 m: the approximation is below the exact bound."""
    below = 0
    for seed in range(5):
        scene = table_scene(seed, n_targets=1, n_antennas=64, pointing_error=3.0, n_users=1)
        power = equal_power(scene)
        exact, upper = (
            multistatic.position_error_bound(scene, power, kind)
            for kind in ("exact", "approximate")
        )
        below += int(np.sum(upper < exact))
    assert below >= 2


def test_joint_bound_goes_to_the_sum_over_paths_as_the_frame_grows():
    """Targets 20 m apart: the coupling fades with the number of symbols and subcarriers."""
    scene = table_scene(11, n_receivers=2)
    targets = scene.targets[0] + np.array([[0.0, 0.0], [12.0, 16.0]])
    power, excess = equal_power(scene), []
    for size in (8, 32, 128):
        moved = replace(scene, targets=targets, waveform=OTFS(size, size, 500e3))
        gains = multistatic.draw_gains(moved, np.random.default_rng(2))
        joint = multistatic.position_error_bound(moved, power, "joint", gains)
        apart = multistatic.position_error_bound(moved, power, gains=gains)
        excess.append(np.max(joint / apart - 1))
        assert np.all(joint >= apart * (1 - 1e-9))
    assert excess[0] > 0.05
    assert excess[0] > excess[1] > excess[2]
    assert excess[2] < 0.01


def test_bound_at_the_mean_radar_cross_section_is_optimistic():
    """Swerling I: the PEB is convex in the path powers; a few per cent in the table's scenes."""
    ratios = []
    for seed in range(4):
        scene = table_scene(seed)
        power, rng = equal_power(scene), np.random.default_rng(seed)
        flat = multistatic.position_error_bound(scene, power)
        draws = [multistatic.draw_gains(scene, rng) for _ in range(100)]
        drawn = np.array(
            [multistatic.position_error_bound(scene, power, gains=gains) for gains in draws]
        )
        error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
        assert np.all(drawn.mean(axis=0) > flat - 5 * error)
        ratios.extend(drawn.mean(axis=0) / flat)
    assert 1.01 < np.mean(ratios) < 1.08


# --------------------------------------------------------- nulls, near targets, late paths


def null_scene(depth):
    """Two targets; all beams are for the second, with a null at the first but for ``depth``."""
    transmitters, targets = np.array([[0.0, 0], [120, 0]]), np.array([[40.0, 70], [75, 60]])
    axes, size, beams = np.array([[1.0, 0], [0.6, 0.8]]), 8, []
    for place, axis in zip(transmitters, axes, strict=True):
        offset = targets - place
        omega = np.pi * offset @ axis / np.linalg.norm(offset, axis=1)
        lost, lit = (array_response(each, size) for each in omega)
        beam = lit - lost * np.vdot(lost, lit)
        beam = beam / np.linalg.norm(beam) + depth * lost
        beam = beam / np.linalg.norm(beam)
        beams.append([np.outer(beam, beam.conj())] * 2)
    return MultistaticScene(
        transmitters=transmitters, receivers=np.array([[60.0, -20], [-30, 40]]),
        transmit_axes=axes, receive_axes=axes, targets=targets,
        velocities=np.array([[5.0, 3], [2, -8]]), n_antennas=size, beams=np.array(beams),
        waveform=OTFS(16, 16, 1e6), carrier_frequency=1e10, noise_variance=1e-9, mean_rcs=1.0,
    )  # fmt: skip


def test_a_target_in_a_null_does_not_change_the_bound_of_another():
    """Down to 260 dB below the other; its own bound grows as its amplitude falls."""
    gains = multistatic.draw_gains(null_scene(1e-3), np.random.default_rng(0))
    expected = multistatic.position_error_bound(null_scene(1e-3), 0.5, "joint", gains)
    for depth in 10.0 ** -np.arange(4, 14):
        peb = multistatic.position_error_bound(null_scene(depth), 0.5, "joint", gains)
        assert peb[1] == pytest.approx(expected[1], rel=1e-4)
        assert peb[0] * depth == pytest.approx(expected[0] * 1e-3, rel=0.05)
        alone = multistatic.position_error_bound(null_scene(depth), 0.5, gains=gains)
        shallow = multistatic.position_error_bound(null_scene(1e-3), 0.5, gains=gains)
        assert alone[0] * depth > shallow[0] * 1e-3 * 0.99  # inf from 150 dB on
    dark = multistatic.position_error_bound(null_scene(0.0), 0.5, "joint", gains)
    assert np.isinf(dark[0])
    alone = multistatic.position_error_bound(null_scene(0.0), 0.5, gains=gains)
    assert np.isinf(alone[0])
    assert alone[1] < dark[1] <= expected[1] * (1 + 1e-4)  # an unknown gain costs the other, still


@pytest.mark.parametrize("depth", [1e-5, 1e-6, 1e-7, 1e-9, 0.0])
def test_a_single_beam_has_no_spread_near_its_null(depth):
    """Nor do its trigonometric polynomials: what is left there is rounding."""
    scene = null_scene(depth)
    power, spread = multistatic.beam_gains(null_angle(scene), scene.beams[0, 0])
    assert spread == 0
    assert power == pytest.approx(depth**2, rel=1e-2, abs=1e-15)
    by_sums = beam_polynomials(scene.beams[:1, 0], np.array([[null_angle(scene)]]))
    assert by_sums[1][0, 0] == 0
    assert by_sums[0][0, 0] == pytest.approx(power, abs=1e-14)


def null_angle(scene):
    offset = scene.targets[0] - scene.transmitters[0]
    return np.pi * offset @ scene.transmit_axes[0] / np.linalg.norm(offset)


@pytest.mark.parametrize("waveform", [*SMALL_FRAMES, OTFS(5, 12, 4e6), OFDM(4, 3, 8e6, 2e-6)])
def test_differences_of_near_paths_and_tables_of_all_paths_agree(waveform, monkeypatch):
    """Three targets within 3 m, both ways: each path a difference from an earlier one, or none."""
    for seed in range(3):
        small = small_scene(seed, waveform, n_targets=3, apart=3.0)
        efims = []
        for near in (0.0, 2.0):
            monkeypatch.setattr(_overlap, "_NEAR", near)
            efims.append(multistatic.joint_efim(small.scene, small.power, small.gains))
        alone = multistatic.position_efim(small.scene, small.power, gains=small.gains)
        scale = np.sqrt(np.diagonal(alone, axis1=1, axis2=2).ravel())
        np.testing.assert_allclose(
            efims[0] / np.outer(scale, scale), efims[1] / np.outer(scale, scale), atol=1e-9
        )


@pytest.mark.parametrize("waveform", [OTFS(16, 16, 1e6), OFDM(16, 16, 1e6)])
def test_the_bound_of_near_targets_grows_to_infinity(waveform):
    """The closer, the larger, in proportion to 1 / gap; the same place: inf."""
    scene = replace(null_scene(0.3), waveform=waveform)
    gains, gaps = multistatic.draw_gains(scene, np.random.default_rng(1)), 10.0 ** -np.arange(5)
    peb = []
    for gap in gaps:
        targets = scene.targets[0] + np.array([[0.0, 0], [0.6 * gap, 0.8 * gap]])
        near = replace(scene, targets=targets, velocities=scene.velocities[[0, 0]])
        peb.append(multistatic.position_error_bound(near, 0.5, "joint", gains))
    ratio = np.array(peb)[1:] / np.array(peb)[:-1]
    np.testing.assert_allclose(ratio[1:], 10, rtol=0.05)
    same = replace(scene, targets=scene.targets[[0, 0]], velocities=scene.velocities[[0, 0]])
    assert np.all(np.isinf(multistatic.position_error_bound(same, 0.5, "joint", gains)))


@pytest.mark.parametrize("duration", [0.8, 1.0, 1.25, 3.0])
@pytest.mark.parametrize("late", [0.3, 2.5, 6.7])
def test_path_efim_is_the_schur_complement_for_every_symbol_duration(duration, late):
    """Samples of the waveform at the times n T + l / (M Delta f), summed by brute force.

    Symbols are independent, so the mean over them is a sum over samples and subcarriers; a sample
    belongs to the symbol that was sent when it left. With T shorter than a delay it may be any.
    """
    m, n, spacing = 8, 3, 1e6
    frame = OTFS(m, n, spacing, duration / spacing)
    arrival = (np.arange(n)[:, None] * frame.symbol_period + np.arange(m) / frame.bandwidth).ravel()
    carrier = 2 * np.pi * spacing * np.arange(m)
    delay, doppler = late / frame.bandwidth, 3e4

    def samples(theta):
        tau, nu = theta
        sent = arrival - tau
        turn = 2 * np.pi * nu * sent[:, None] + carrier * sent[:, None]
        return (np.exp(1j * turn) / np.sqrt(m)).ravel()

    step = np.array([1e-3 / frame.bandwidth, 1e-3 / frame.frame_duration])
    slopes = oracle.derivatives(samples, np.array([delay, doppler]), step)
    here = samples([delay, doppler])
    gain, power = 0.6 - 0.3j, 2.0
    jacobian = np.concatenate([gain * slopes, here[:, None], 1j * here[:, None]], axis=1)
    brute = fisher.equivalent_fim(power * fisher.gaussian_fim(jacobian, 0.7), 2)
    path = gain, 0.2, power * np.ones((1, 1)), frame, 0.7, 1
    assert_matrices_close(multistatic.path_efim(*path)[2:, 2:], brute, rtol=1e-8)
    if delay < frame.symbol_period:
        full = multistatic.path_fim(*path, delay=delay)
        assert_matrices_close(fisher.equivalent_fim(full[2:, 2:], 2), brute, rtol=1e-8)


def test_points_beyond_the_longest_delay_are_refused_as_targets_are():
    scene = table_scene(1, n_aps=4, n_users=1, n_antennas=2)
    for waveform, what in (
        (OFDM(16, 16, 1e6, 2e-6), "cyclic prefix of 2e-06 s"),
        (OTFS(16, 4, 2e6), "frame of 2e-06 s"),
    ):
        late = replace(scene, waveform=waveform)
        multistatic.position_map(late, 1.0, late.targets)
        far = late.targets[0] + [700.0, 0.0]
        with pytest.raises(ValueError, match=f"points must be so near .* {what}"):
            multistatic.position_map(late, 1.0, [late.targets[0], far])
        with pytest.raises(ValueError, match=f"targets must be so near .* {what}"):
            replace(late, targets=np.array([late.targets[0], far]))
    anywhere = replace(scene, waveform=OFDM(16, 16, 1e6))  # no prefix is modelled
    multistatic.position_map(anywhere, 1.0, [[9000.0, 0.0]])


# ------------------------------------------------------- singular scenes, exact arithmetic


class Singular:
    """A target whose access points stand in Pythagorean directions, often in line or endfire."""

    TRIPLES = ((3, 4, 5), (4, 3, 5), (5, 12, 13), (8, 15, 17), (20, 21, 29), (1, 0, 1), (0, 1, 1))

    def __init__(self, rng):
        def unit():
            x, y, z = self.TRIPLES[rng.integers(len(self.TRIPLES))]
            signs = (int(each) for each in rng.choice([-1, 1], 2))
            return tuple(Fraction(s * each, z) for s, each in zip(signs, (x, y), strict=True))

        def places(number):
            line = [line_of_all, tuple(-x for x in line_of_all)]
            ways = [line[rng.integers(2)] if rng.random() < 0.5 else unit() for _ in range(number)]
            return [(way, Fraction(int(rng.integers(1, 100)))) for way in ways]

        def axis(way):
            return (way, (-way[1], way[0]), unit())[rng.integers(3)]

        line_of_all = unit()
        self.ends = [places(int(rng.integers(1, 4))) for _ in range(2)]
        self.axes = [[axis(way) for way, _ in each] for each in self.ends]
        fast = (
            tuple(1000 * x for x in line_of_all),
            tuple(int(x) for x in rng.integers(-999, 999, 2)),
        )
        self.velocity = ((0, 0), *fast)[rng.integers(3)]
        self.angle, self.delay, self.doppler = (bool(x) for x in rng.integers(0, 2, 3))

    def known(self):
        """Whether the slopes of all paths, in rational numbers, span the plane."""

        def across(way, other):
            turn = way[0] * other[1] - way[1] * other[0]
            return -way[1] * turn, way[0] * turn

        rows = [[Fraction(0), Fraction(0)]]
        if self.angle:
            pairs = zip([*self.ends[0], *self.ends[1]], [*self.axes[0], *self.axes[1]], strict=True)
            rows += [across(way, axis) for (way, _), axis in pairs]
        for out, far in self.ends[0]:
            for back, near in self.ends[1]:
                if self.delay:
                    rows.append([x + y for x, y in zip(out, back, strict=True)])
                if self.doppler:
                    drifts = across(out, self.velocity), across(back, self.velocity)
                    rows.append([x / far + y / near for x, y in zip(*drifts, strict=True)])
        first = next((row for row in rows if any(row)), None)
        return first is not None and any(first[0] * y != first[1] * x for x, y in rows)

    def identified(self, turn=0.0, shift=(0.0, 0.0), power=1.0):
        """Whether the sum over paths, the map and the joint bound are finite."""
        way = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

        def turned(points):
            return np.array(points, dtype=float) @ way.T

        size, target = 4 if self.angle else 1, np.zeros((1, 2)) + shift
        ends = [turned([[-x * far for x in out] for out, far in end]) + shift for end in self.ends]
        beams = np.broadcast_to(np.eye(size) / size, (len(ends[0]), 1, size, size))
        scene = MultistaticScene(
            transmitters=ends[0], receivers=ends[1], transmit_axes=turned(self.axes[0]),
            receive_axes=turned(self.axes[1]), targets=target, velocities=turned([self.velocity]),
            n_antennas=size, beams=beams,
            waveform=OFDM(8 if self.delay else 1, 6 if self.doppler else 1, 1e6),
            carrier_frequency=1e10, noise_variance=1e-9, mean_rcs=1.0, full_duplex=True,
        )  # fmt: skip
        gains = multistatic.rms_gains(scene)
        on_the_map = multistatic.position_map(scene, power, target)
        return [
            np.isfinite(multistatic.position_error_bound(scene, power)[0]),
            np.isfinite(fisher.position_error_bound(on_the_map)[0]),
            np.isfinite(multistatic.position_error_bound(scene, power, "joint", gains)[0]),
        ]


def test_what_is_identifiable_is_what_exact_arithmetic_says():
    """300 scenes as drawn, and turned by whole degrees, moved, in other units of power."""
    rng, singular = np.random.default_rng(300), 0
    for _ in range(300):
        scene = Singular(rng)
        known = scene.known()
        assert scene.identified() == [known] * 3
        shift = rng.choice([0, 1, 1e3]) * rng.normal(size=2)
        power = 10.0 ** rng.integers(-12, 13)
        assert scene.identified(np.deg2rad(rng.integers(360)), shift, power) == [known] * 3
        singular += not known
    assert 50 < singular < 200


# --------------------------------------------------------------------- not identifiable


def test_what_cannot_be_identified_is_inf():
    scene = table_scene(9, n_aps=6, n_users=1, n_antennas=4)
    power, _ = invariant(scene)
    assert np.all(np.isinf(multistatic.position_error_bound(scene, 0.0)))
    dark = multistatic.position_map(scene, 0.0, np.array([10.0, 20.0]))
    np.testing.assert_array_equal(dark, np.zeros((2, 2)))
    assert np.all(np.isinf(multistatic.position_error_bound(replace(scene, mean_rcs=0.0), power)))
    one = multistatic.position_error_bound(replace(scene, mean_rcs=np.array([0.0, 1.0])), power)
    assert np.isinf(one[0])
    assert np.isfinite(one[1])
    gains = multistatic.draw_gains(scene, np.random.default_rng(0))
    gains[..., 0] = 0
    joint = multistatic.position_error_bound(scene, power, "joint", gains)
    assert np.isinf(joint[0])
    np.testing.assert_allclose(
        joint[1], multistatic.position_error_bound(scene, power, gains=gains)[1], rtol=1e-6
    )


def test_one_path_with_one_antenna_fixes_no_position():
    """A delay alone is a curve; with a Doppler shift or angles there are two coordinates."""
    scene = MultistaticScene(
        transmitters=np.array([[0.0, 0.0]]),
        receivers=np.array([[100.0, 0.0]]),
        transmit_axes=np.array([[1.0, 0.0]]),
        receive_axes=np.array([[1.0, 0.0]]),
        targets=np.array([[40.0, 70.0]]),
        velocities=np.zeros((1, 2)),
        n_antennas=1,
        beams=np.ones((1, 1, 1, 1)),
        waveform=OTFS(16, 16, 1e6),
        carrier_frequency=1e10,
        noise_variance=1e-12,
        mean_rcs=1.0,
    )
    assert np.isinf(multistatic.position_error_bound(scene, 1.0)[0])
    moving = replace(scene, velocities=np.array([[30.0, 10.0]]))
    assert np.isfinite(multistatic.position_error_bound(moving, 1.0)[0])
    angles = replace(scene, n_antennas=4, beams=np.full((1, 1, 4, 4), 0.25))
    assert np.isfinite(multistatic.position_error_bound(angles, 1.0)[0])
    assert np.isinf(
        fisher.position_error_bound(multistatic.position_map(scene, 1.0, np.array([9.0, 9.0])))
    )


# ------------------------------------------------------------------------------ bad input

EYE = np.eye(3)
FRAME = OTFS(4, 4, 1e6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((np.nan, 0.0, EYE, FRAME, 1.0), "gain"),
        (("1", 0.0, EYE, FRAME, 1.0), "gain"),
        ((1.0, np.inf, EYE, FRAME, 1.0), "transmit_angle"),
        ((1.0, 0.0, EYE[:2], FRAME, 1.0), "beam_covariance"),
        ((1.0, 0.0, -EYE, FRAME, 1.0), "beam_covariance"),
        ((1.0, 0.0, np.triu(np.ones((3, 3))), FRAME, 1.0), "beam_covariance"),
        ((1.0, 0.0, EYE, FRAME, 0.0), "noise_variance"),
        ((1.0, 0.0, EYE, FRAME, -1.0), "noise_variance"),
        ((1.0, 0.0, EYE, FRAME, 1.0, 0), "n_receive_antennas"),
        ((1.0, 0.0, EYE, FRAME, 1.0, 1.5), "n_receive_antennas"),
        ((np.ones(2), np.zeros(3), EYE, FRAME, 1.0), "gain"),
    ],
)
def test_bad_paths_are_refused(arguments, name):
    for function in (multistatic.path_fim, multistatic.path_efim):
        with pytest.raises(ValueError, match=name):
            function(*arguments)
    if name in ("transmit_angle", "beam_covariance"):
        with pytest.raises(ValueError, match=name):
            multistatic.beam_gains(*arguments[1:3])


def test_bad_arguments_of_a_scene_are_refused():
    scene = table_scene(1, n_aps=4, n_users=1, n_antennas=2)
    good = multistatic.rms_gains(scene)
    for power in (-1.0, np.nan, "1", np.ones(7)):
        for function in (
            lambda power: multistatic.position_efim(scene, power),
            lambda power: multistatic.joint_efim(scene, power, good),
            lambda power: multistatic.position_map(scene, power, np.zeros(2)),
        ):
            with pytest.raises(ValueError, match="power"):
                function(power)
    for gains in (good[..., :1], np.full(good.shape, np.nan), 1.0):
        with pytest.raises(ValueError, match="gains"):
            multistatic.position_efim(scene, 1.0, gains=gains)
        with pytest.raises(ValueError, match="gains"):
            multistatic.joint_efim(scene, 1.0, gains)
    with pytest.raises(ValueError, match="gains"):
        multistatic.position_error_bound(scene, 1.0, "joint")
    for function in (multistatic.position_error_bound, multistatic.position_efim):
        with pytest.raises(ValueError, match="bound"):
            function(scene, 1.0, "best")
    with pytest.raises(ValueError, match="bound"):
        multistatic.position_map(scene, 1.0, np.zeros((1, 2)), "best")
    for points in (np.zeros(3), np.full(2, np.inf), "here"):
        with pytest.raises(ValueError, match="points"):
            multistatic.position_map(scene, 1.0, points)
    for points in (scene.transmitters, scene.receivers[:1]):
        with pytest.raises(ValueError, match="coincide"):
            multistatic.position_map(scene, 1.0, points)
    for target in (2, -1, True, 0.5):
        with pytest.raises(ValueError, match="target"):
            multistatic.position_map(scene, 1.0, np.zeros(2), target=target)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"mean_rcs": -1.0}, "mean_rcs"),
        ({"velocities": np.zeros((3, 2))}, "velocities"),
        ({"noise_variance": 0.0}, "noise_variance"),
    ],
)
def test_scenes_that_cannot_be_are_refused(changes, name):
    with pytest.raises(ValueError, match=name):
        replace(table_scene(1, n_aps=4, n_users=1, n_antennas=2), **changes)


def test_impossible_places_are_refused():
    scene = table_scene(1, n_aps=4, n_users=1, n_antennas=2)
    targets = scene.targets.copy()
    targets[1] = scene.transmitters[0]
    with pytest.raises(ValueError, match="targets"):
        replace(scene, targets=targets)
    both = {"receivers": scene.transmitters, "receive_axes": scene.transmit_axes}
    with pytest.raises(ValueError, match="full_duplex"):
        replace(scene, **both)
    assert np.all(
        np.isfinite(multistatic.position_error_bound(replace(scene, full_duplex=True, **both), 1.0))
    )
    with pytest.raises(ValueError, match="cyclic prefix"):
        replace(scene, waveform=OFDM(16, 16, 1e6, 1e-7))


def test_bad_input_of_a_path_and_of_the_bound_is_named():
    frame, beams = OFDM(4, 3, 30e3, 5e-6), np.eye(3) / 3
    for arguments, name in (
        ({"delay": -5.0}, "delay"),
        ({"delay": 6e-6}, "delay"),  # after the cyclic prefix
        ({"delay": [0.0, 1e-6, 2e-6], "gain": [1.0, 2.0]}, "delay"),
        ({"delay": [0.0, 1e-6, 2e-6], "noise_variance": [1.0, 2.0]}, "delay"),
        ({"n_receive_antennas": [3, 4]}, "n_receive_antennas"),
    ):
        given = {"gain": 1.0, "noise_variance": 1.0, **arguments}
        with pytest.raises(ValueError, match=name):
            multistatic.path_fim(transmit_angle=0.3, beam_covariance=beams, waveform=frame, **given)
    scene = fan_scene(np.random.default_rng(1), n_targets=1, n_users=1)
    with pytest.raises(ValueError, match=r"bound must be .*'joint'"):
        multistatic.position_error_bound(scene, 0.1, "foo")
    with pytest.raises(ValueError, match="target must be"):
        multistatic.position_map(scene, 0.1, np.array([50.0, 50.0]), target=0.0)


@pytest.mark.parametrize("backend", ["numpy", "path by path"])
def test_gains_of_elements_count_as_those_of_arrays(backend):
    """N elements of gain one are an array of gain N: in bounds, maps and summaries alike."""
    whole = fan_scene(np.random.default_rng(5), n_targets=1, n_antennas=4)
    power = equal_power(whole)
    element = replace(whole, gain_reference="element")
    if backend == "numpy":
        found = [multistatic.position_map(each, power, whole.targets) for each in (element, whole)]
    else:
        found = [multistatic.position_efim(each, power) for each in (element, whole)]
    np.testing.assert_allclose(found[0], 4 * 4 * found[1], rtol=1e-12)
    peb = fisher.position_error_bound(found[0])
    np.testing.assert_allclose(peb, element.summary(power).peb, rtol=1e-9)
    gains = [np.abs(multistatic.rms_gains(each)) ** 2 for each in (element, whole)]
    np.testing.assert_allclose(gains[0], element.mean_power_gains, rtol=1e-12)
    np.testing.assert_allclose(gains[0], 16 * gains[1], rtol=1e-12)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_arrays_of_ones_own_have_the_bounds_of_the_linear_ones_that_they_are(bound):
    scene = fan_scene(np.random.default_rng(8), n_targets=2, n_antennas=4)
    own = replace(
        scene, transmit_axes=None, receive_axes=None, n_antennas=None,
        transmit_arrays=scene.transmit_elements, receive_arrays=scene.receive_elements,
    )  # fmt: skip
    power = equal_power(scene)
    gains = multistatic.draw_gains(scene, np.random.default_rng(9))
    for given_gains in (None, gains):
        expected = multistatic.position_efim(scene, power, bound, given_gains)
        actual = multistatic.position_efim(own, power, bound, given_gains)
        assert_matrices_close(actual, expected, 1e-9)
    peb = multistatic.position_error_bound(own, power)
    np.testing.assert_allclose(peb, own.summary(power).peb, rtol=1e-9)


def test_in_space_the_bounds_are_those_of_the_summary_and_of_the_map():
    scene = MultistaticScene(
        [[0, 0, 8.0], [60, 0, 7.0]], [[0, 50, 9.0], [60, 50, 6.0]], facing=[30, 25, 0],
        targets=[[20, 30, 1.0]], velocities=[[1.0, 2.0, 0.0]], n_antennas=4,
        waveform=OFDM(64, 4, 1e6), carrier_frequency=28e9, noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip
    flat = replace(
        scene, transmit_axes=None, receive_axes=None, n_antennas=None,
        transmit_arrays=scene.transmit_elements, receive_arrays=scene.receive_elements,
    )  # fmt: skip
    for each in (scene, flat):
        found = multistatic.position_error_bound(each, 1.0)
        np.testing.assert_allclose(found, each.summary(1.0).peb, rtol=1e-9)
        mapped = multistatic.position_map(each, 1.0, each.targets)
        np.testing.assert_allclose(mapped, multistatic.position_efim(each, 1.0), rtol=1e-9)
        with pytest.raises(ValueError, match="scene must lie in the plane and have"):
            multistatic.joint_efim(each, 1.0, np.ones((2, 2, 1)))
