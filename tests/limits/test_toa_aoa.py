"""Delays and angles (commit): SymPy identities, brute force, limits, Monte Carlo, bad input."""

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light

from cfisac import fisher
from cfisac.arrays import UniformLinearArray
from cfisac.limits import toa_aoa

QUICK = settings(deadline=None, max_examples=40)
SEEDS = st.integers(0, 2**32 - 1)
SCENES = SEEDS.map(lambda seed: Scene(np.random.default_rng(seed)))
BANDWIDTH, SNR, N_ANTENNAS = 100e6, 10.0, 8  # of the worked example


class Scene:
    """A random network with its signal written out sample by sample, independent of the package."""

    def __init__(self, rng):
        self.n_aps = int(rng.integers(2, 5))
        self.n_antennas = int(rng.integers(2, 7))
        self.spacing = rng.uniform(0.3, 0.7)
        self.position = rng.uniform(-30, 30, 2)
        away = rng.uniform(20, 90, self.n_aps)
        turn = rng.uniform(0, 2 * np.pi, self.n_aps)
        self.aps = self.position + np.stack([away * np.cos(turn), away * np.sin(turn)], axis=-1)
        facing = turn + rng.uniform(-1.1, 1.1, self.n_aps) + np.pi / 2
        self.axes = np.stack([np.cos(facing), np.sin(facing)], axis=-1)
        self.gains = rng.normal(size=(self.n_aps, 2)) @ [1, 1j] + 0.3
        self.frequencies = rng.uniform(-1, 1, int(rng.integers(4, 9))) * 10 ** rng.uniform(7, 8)
        self.noise_variance = 10 ** rng.uniform(-2, 0)
        self.carrier = np.inf
        self.first = False  # phases and places from the first antenna, not from the centre
        self.spherical = False
        self.array = UniformLinearArray(self.n_antennas, self.spacing)

    def signal(self, theta):
        """What all APs receive; theta is (x, y, clock offset in metres, gain parts)."""
        samples = []
        for m, (ap, axis) in enumerate(zip(self.aps, self.axes, strict=True)):
            gain = theta[3 + 2 * m] + 1j * theta[4 + 2 * m]
            for n in range(self.n_antennas):
                place = n - (0 if self.first else (self.n_antennas - 1) / 2)
                distance = np.hypot(*(theta[:2] - ap))
                ahead = place * (theta[:2] - ap) @ axis / distance  # in spacings
                if self.spherical:
                    length = self.spacing * speed_of_light / self.carrier
                    antenna = ap + place * length * axis
                    ahead = (distance - np.hypot(*(theta[:2] - antenna))) / length
                for f in self.frequencies:
                    turn = -f * (distance + theta[2]) / speed_of_light
                    turn += self.spacing * ahead * (1 + f / self.carrier)
                    samples.append(gain * np.exp(2j * np.pi * turn))
        return np.array(samples)

    def dense(self):
        """FIM of (x, y, clock, gains) by finite differences of eighth order."""
        theta = np.concatenate([self.position, [0.0], self.gains.view(float)])
        return oracle.dense_fim(self.signal, theta, self.noise_variance, 1e-2)

    def efim(self, clock_variance=0.0):
        """Dense Schur complement over the gains, and over a clock with this variance (s^2)."""
        fim = self.dense()
        if clock_variance == 0:
            return fisher.equivalent_fim(np.delete(np.delete(fim, 2, 0), 2, 1), 2)
        fim[2, 2] += 1 / (speed_of_light**2 * clock_variance)
        return fisher.equivalent_fim(fim, 2)

    def variances(self):
        """The two variances of every AP, from the total energy that it captures."""
        energy = np.abs(self.gains) ** 2 * self.n_antennas * len(self.frequencies)
        snr = energy / self.noise_variance
        offset = self.position - self.aps
        sine = np.sum(offset * self.axes, axis=1) / np.linalg.norm(offset, axis=1)
        bandwidth = np.sqrt(12) * np.std(self.frequencies)
        return (
            toa_aoa.delay_variance(bandwidth, snr),
            toa_aoa.angle_variance(np.arcsin(sine), self.array, snr),
        )

    def bound(self, clock_variance=0.0):
        return toa_aoa.position_efim(self.position, self.aps, *self.variances(), clock_variance)


def assert_close(actual, expected, tolerance):
    """Equal in every direction, relative to the information there is."""
    root = np.linalg.cholesky(np.linalg.inv(expected))
    np.testing.assert_allclose(root.T @ actual @ root, np.eye(len(root)), rtol=0, atol=tolerance)


def peb(*arguments):
    return fisher.position_error_bound(toa_aoa.position_efim(*arguments))


def square(side):
    """The 16 APs of the worked example, cell-centred."""
    ticks = (np.arange(4) + 0.5) / 4 * side - side / 2
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def example_variances():
    array = UniformLinearArray(N_ANTENNAS)
    return (
        toa_aoa.delay_variance(BANDWIDTH, SNR),
        toa_aoa.angle_variance(0.0, array, N_ANTENNAS * SNR),
    )


# ------------------------------------------------------------------------------- symbolic


def test_nuisance_gain_leaves_the_covariance_of_the_phase_speeds():
    """commit (1)-(3): partition, Schur complement over Re and Im of the gain, for any speeds."""
    n = 4
    speeds = sp.Matrix(n, 2, sp.symbols(f"s0:{2 * n}", real=True))
    real, imag = sp.symbols("b_R b_I", real=True)
    phases = [sp.exp(sp.I * t) for t in sp.symbols(f"t0:{n}", real=True)]
    mean = [(real + sp.I * imag) * phase for phase in phases]
    columns = [[sp.I * speeds[k, i] * mean[k] for k in range(n)] for i in range(2)]
    columns += [phases, [sp.I * phase for phase in phases]]

    def entry(i, j):
        pairs = zip(columns[i], columns[j], strict=True)
        product = sum(sp.expand(sp.conjugate(a) * b, complex=False) for a, b in pairs)
        return sp.re(sp.expand(sp.simplify(product)))

    fim = sp.Matrix(4, 4, lambda i, j: sp.simplify(entry(i, j)))
    schur = fim[:2, :2] - fim[:2, 2:] * fim[2:, 2:].inv() * fim[2:, :2]
    mean_speed = sp.Matrix([[sum(speeds[:, i]) / n for i in range(2)]])
    centred = speeds - sp.ones(n, 1) * mean_speed
    expected = (real**2 + imag**2) * centred.T * centred
    assert sp.simplify(schur - expected) == sp.zeros(2)


def symbolic_information(with_carrier):
    """2 SNR times the covariance of the phase speeds by (x, y); array along x, flat spectrum.

    Returns it with the symbols; the user is at d (u, v), and v is the cosine from broadside.
    """
    x, y, f, n = sp.symbols("x y f n", real=True)
    c, kappa, width, snr, d, u, v = sp.symbols("c kappa W SNR d u v", positive=True)
    count, index = sp.symbols("N l", integer=True, positive=True)
    epsilon = sp.symbols("epsilon", positive=True) if with_carrier else sp.Integer(0)  # 1 / f_c
    distance = sp.sqrt(x**2 + y**2)
    phase = -2 * sp.pi * f * distance / c + kappa * (1 + epsilon * f) * n * x / distance
    at = {distance: d, x: d * u, y: d * v}
    speeds = [sp.expand(sp.together(sp.diff(phase, each)).subs(at)) for each in (x, y)]
    of_f = [sp.integrate(f**k / width, (f, -width / 2, width / 2)) for k in range(3)]
    centre = (count - 1) / 2
    of_n = [
        sp.factor(sp.summation(sp.expand((index - centre) ** k), (index, 0, count - 1)) / count)
        for k in range(3)
    ]

    def mean(term):
        terms = sp.Poly(sp.expand(term), f, n).terms()
        return sum(factor * of_f[i] * of_n[j] for (i, j), factor in terms)

    means = [mean(each) for each in speeds]
    information = sp.Matrix(
        2, 2, lambda i, j: 2 * snr * (mean(speeds[i] * speeds[j]) - means[i] * means[j])
    )
    return information.subs(u**2, 1 - v**2), (c, kappa, width, snr, d, u, v, count, epsilon)


def test_theorem_is_the_covariance_of_the_phase_speeds():
    """commit (9), (10), (15), (16), Theorem: one AP, any number of antennas, any direction."""
    information, (c, kappa, width, snr, d, u, v, count, _) = symbolic_information(False)
    by_delay = 1 / (8 * sp.pi**2 * (width**2 / 12) * snr)
    by_angle = 6 / (snr * kappa**2 * v**2 * (count**2 - 1))
    along, across = sp.Matrix([u, v]), sp.Matrix([-v, u])
    theorem = along * along.T / (c**2 * by_delay) + across * across.T / (d**2 * by_angle)
    direction = {u: sp.sqrt(1 - v**2)}
    assert sp.simplify((information - theorem).subs(direction)) == sp.zeros(2)
    assert theorem.rank() == 2
    assert theorem.subs(count, 1).rank() == 1


def test_wide_aperture_adds_only_angle_information_at_the_centre_of_the_array():
    """Steering by f/f_c: a factor 1 + W^2 / (12 f_c^2) on the angle, no cross term."""
    narrow, _ = symbolic_information(False)
    wide, (_, kappa, width, snr, d, u, v, count, epsilon) = symbolic_information(True)
    across = sp.Matrix([-v, u])
    angle = snr * kappa**2 * v**2 * (count**2 - 1) / 6 / d**2
    expected = angle * epsilon**2 * width**2 / 12 * across * across.T
    direction = {u: sp.sqrt(1 - v**2)}
    assert sp.simplify((wide - narrow - expected).subs(direction)) == sp.zeros(2)


def test_unknown_clock_leaves_the_spread_of_the_directions():
    """The Schur complement over a common offset, three APs, any weights and directions."""
    weights = sp.symbols("w0:3", positive=True)
    turns = sp.symbols("b0:3", real=True)
    units = [sp.Matrix([sp.cos(b), sp.sin(b)]) for b in turns]
    total = sum(weights)
    known = sum((w * u * u.T for w, u in zip(weights, units, strict=True)), sp.zeros(2))
    coupling = sum((w * u for w, u in zip(weights, units, strict=True)), sp.zeros(2, 1))
    schur = known - coupling * coupling.T / total
    mean = coupling / total
    spread = sum(
        (w * (u - mean) * (u - mean).T for w, u in zip(weights, units, strict=True)), sp.zeros(2)
    )
    assert sp.simplify(schur - spread) == sp.zeros(2)


def test_any_nuisance_is_orthogonal_at_a_point_under_another_name():
    """commit (7), (8): b' = c b + mean(u) . p for the clock; the EFIM stays as it was."""
    rng = np.random.default_rng(8)
    weight, unit = rng.uniform(1, 9, 5), _directions(rng.uniform(0, 2 * np.pi, 5))
    ranges = np.column_stack([unit, np.ones(5)])  # by x, y and c b
    fim = ranges.T * weight @ ranges
    renamed = np.eye(3)  # (x, y, c b) by (x, y, b')
    renamed[2, :2] = -weight @ unit / np.sum(weight)
    other = renamed.T @ fim @ renamed
    assert np.abs(fim[:2, 2]).max() > 1
    np.testing.assert_allclose(other[:2, 2], 0, atol=1e-12)
    np.testing.assert_allclose(
        fisher.equivalent_fim(other, 2), fisher.equivalent_fim(fim, 2), rtol=1e-9
    )


def test_price_of_an_unknown_phase():
    """commit (7), (8): zero at the centroid, at most 6.02 dB at an end, 41.7 dB for a carrier."""
    n, k = sp.symbols("N k", integer=True, positive=True)
    reference = sp.symbols("s", real=True)
    moment = sp.summation((k - reference) ** 2, (k, 0, n - 1)) / n
    spread = (n**2 - 1) / 12
    price = sp.simplify(moment / spread)
    assert sp.simplify(price.subs(reference, 0) - 2 * (2 * n - 1) / (n + 1)) == 0
    assert sp.simplify(price.subs(reference, (n - 1) / 2) - 1) == 0
    assert sp.limit(price.subs(reference, 0), n, sp.oo) == 4
    decibels = [10 * np.log10(float(price.subs({reference: 0, n: m}))) for m in (2, 4, 8)]
    np.testing.assert_allclose(decibels, [3.01, 4.47, 5.23], atol=0.005)
    f, width, offset = sp.symbols("f W f_0", positive=True)
    second = sp.integrate((f + offset) ** 2 / width, (f, -width / 2, width / 2))
    delay = sp.simplify(second / (width**2 / 12))
    assert sp.simplify(delay - (1 + 12 * offset**2 / width**2)) == 0
    assert delay.subs(offset, width / 2) == 4
    coherent = float(delay.subs({offset: 3.5e9, width: 100e6}))
    assert 10 * np.log10(coherent) == pytest.approx(41.67, abs=0.005)


def test_nuisance_costs_nothing_exactly_when_it_is_orthogonal():
    """commit (7): B C^-1 B^T = 0 if and only if B = 0; its trace is a sum of squares."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        root = rng.normal(size=(3, 3))
        nuisance = root @ root.T
        coupling = rng.normal(size=(2, 3))
        loss = coupling @ np.linalg.inv(nuisance) @ coupling.T
        whitened = np.linalg.solve(np.linalg.cholesky(nuisance), coupling.T)
        assert np.trace(loss) == pytest.approx(np.sum(whitened**2), rel=1e-9)
        assert np.trace(loss) > np.sum(coupling**2) / np.linalg.eigvalsh(nuisance)[-1] * 0.999


# ------------------------------------------------------------------------------ brute force


@QUICK
@given(scene=SCENES)
def test_theorem_equals_the_schur_complement_of_the_whole_signal(scene):
    """commit (3), (10), Theorem: gains unknown, clock known, to 1e-6 in every direction."""
    assert_close(scene.bound(), scene.efim(), 1e-6)


@QUICK
@given(scene=SCENES, clock=st.sampled_from([1e-19, 1e-17, 1e-13, np.inf]))
def test_clock_is_one_more_nuisance_of_the_whole_signal(scene, clock):
    """An unknown or partly known offset of the user's clock, to 1e-6."""
    assert_close(scene.bound(clock), scene.efim(clock), 1e-6)


@QUICK
@given(scene=SCENES)
def test_theorem_does_not_depend_on_phase_reference_or_frequency_origin(scene):
    before = scene.bound()
    scene.first = True
    scene.frequencies = scene.frequencies + 3e8
    assert_close(before, scene.bound(), 1e-9)
    assert_close(before, scene.efim(), 1e-6)


@QUICK
@given(scene=SCENES, carrier=st.floats(1e9, 1e11), offset=st.floats(-1e-7, 1e-7))
def test_signal_is_the_one_written_out(scene, carrier, offset):
    scene.carrier = carrier
    theta = [*scene.position, offset * speed_of_light, *scene.gains.view(float)]
    got = toa_aoa.signal(
        scene.position, scene.aps, scene.axes, scene.gains, scene.array,
        scene.frequencies, carrier, offset,
    )  # fmt: skip
    shape = (scene.n_aps, len(scene.frequencies), scene.n_antennas)
    assert got.shape == shape
    written = scene.signal(np.array(theta)).reshape(shape[0], shape[2], shape[1])
    np.testing.assert_allclose(got, written.swapaxes(1, 2), rtol=0, atol=1e-10)


def test_signal_broadcasts_over_users():
    scene = Scene(np.random.default_rng(3))
    users = scene.position + np.random.default_rng(4).normal(size=(5, 2))
    arguments = scene.aps, scene.axes, scene.gains, scene.array, scene.frequencies
    together = toa_aoa.signal(users, *arguments)
    for user, own in zip(users, together, strict=True):
        np.testing.assert_array_equal(toa_aoa.signal(user, *arguments), own)


@QUICK
@given(scene=SCENES)
def test_wideband_array_changes_the_bound_by_less_than_1e_4_at_100_mhz(scene):
    """Narrowband aperture: information grows by at most 1 + var(f)/f_c^2, up to 100 MHz / 3.5 GHz.

    The frequencies are symmetric, so that steering by f/f_c loses nothing at any of them.
    """
    half = np.linspace(1e6, 50e6, 5)
    scene.frequencies = np.concatenate([-half, half])
    narrow, scene.carrier = scene.bound(), 3.5e9
    wide = scene.efim()
    root = np.linalg.cholesky(np.linalg.inv(narrow))
    gain = np.linalg.eigvalsh(root.T @ wide @ root)
    most = np.mean(scene.frequencies**2) / scene.carrier**2
    assert gain.min() > 1 - 1e-8
    assert gain.max() < 1 + most + 1e-8
    assert most < 1e-4


@QUICK
@given(scene=SCENES)
def test_wideband_array_divides_the_angle_variance_by_the_mean_square_of_its_steering(scene):
    """Any frequencies: the factor is E(1 + f/f_c)^2, and delay and angle do not couple."""
    scene.carrier = 3.5e9
    by_delay, by_angle = scene.variances()
    by_angle = by_angle / np.mean((1 + scene.frequencies / scene.carrier) ** 2)
    expected = toa_aoa.position_efim(scene.position, scene.aps, by_delay, by_angle)
    assert_close(scene.efim(), expected, 1e-6)


def test_far_field_error_is_small_at_the_distances_of_the_example():
    """Spherical waves on the arrays of the worked example (100 m side, 3.5 GHz)."""
    scene = Scene(np.random.default_rng(0))
    scene.aps, scene.n_aps, scene.n_antennas, scene.spacing = square(100.0), 16, 8, 0.5
    scene.position = np.array([3.0, 1.0])
    offset = scene.position - scene.aps
    unit = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    turned = np.stack([-unit[:, 1], unit[:, 0]], axis=-1)
    scene.axes = np.cos(0.5) * turned + np.sin(0.5) * unit
    scene.gains = np.ones(16, dtype=complex)
    scene.frequencies = np.linspace(-50e6, 50e6, 4)
    scene.array, scene.carrier = UniformLinearArray(8), 3.5e9
    plane = fisher.position_error_bound(scene.efim())
    scene.spherical = True
    assert fisher.position_error_bound(scene.efim()) == pytest.approx(plane, rel=1e-3)


def test_independent_sensors_give_the_same_sum():
    """commit (12), (15): Gaussian measurements of delay and bearing, by finite differences."""
    rng = np.random.default_rng(15)
    aps, user = rng.uniform(-50, 50, (5, 2)), np.array([3.0, 8.0])
    by_delay, by_angle = 1e-18 * rng.uniform(1, 4, 5), 1e-4 * rng.uniform(1, 4, 5)

    def measured(position):
        offset = position - aps
        delay = np.hypot(*offset.T) / speed_of_light
        bearing = np.arctan2(offset[:, 1], offset[:, 0])
        return np.concatenate([delay / np.sqrt(by_delay), bearing / np.sqrt(by_angle)])

    slopes = oracle.derivatives(measured, user, 1e-4, order=2)
    expected = slopes.T @ slopes
    assert_close(toa_aoa.position_efim(user, aps, by_delay, by_angle), expected, 1e-6)
    for m, ap in enumerate(aps):  # a delay sees only along, an angle only across
        unit = (user - ap) / np.linalg.norm(user - ap)
        across = np.array([-unit[1], unit[0]])
        by_range = toa_aoa.position_efim(user, aps[m : m + 1], by_delay[m], np.inf)
        by_bearing = toa_aoa.position_efim(user, aps[m : m + 1], np.inf, by_angle[m])
        assert np.abs(by_range @ across).max() < 1e-12 * np.trace(by_range)
        assert np.abs(by_bearing @ unit).max() < 1e-12 * np.trace(by_bearing)


def test_variances_are_those_of_the_factors():
    """commit (9): 2 SNR times the covariance of a flat spectrum, and of the array."""
    frequencies = (np.arange(2000) + 0.5) / 2000 * 80e6 - 40e6
    spread = fisher.factor_covariance(np.ones(2000), 2e-9j * np.pi * frequencies[:, None])
    by_delay = 1e-18 / (2 * 7.0 * spread[0, 0])
    assert toa_aoa.delay_variance(80e6, 7.0) == pytest.approx(by_delay, rel=1e-6)
    array = UniformLinearArray(5, 0.4)
    slope = array.steering_derivative(0.3)[:, None]
    spread = fisher.factor_covariance(array.steering(0.3), slope)
    angle = 1 / (2 * 7.0 * spread[0, 0])
    assert toa_aoa.angle_variance(0.3, array, 7.0) == pytest.approx(angle, rel=1e-12)
    assert toa_aoa.angle_error_bound(0.3, array, 7.0) == pytest.approx(np.sqrt(angle), rel=1e-12)


def test_angle_error_bound_is_the_corner_of_the_whole_fim():
    """commit (5): delay, angle and gain of one AP in one dense FIM."""
    array, snr = UniformLinearArray(6), 20.0
    frequencies, phi = np.linspace(-1, 1, 9), 0.4
    n, f = np.meshgrid(np.arange(6), frequencies, indexing="ij")
    mean = np.exp(1j * array.kappa * n * np.sin(phi)).ravel()
    columns = [
        1j * array.kappa * np.cos(phi) * n.ravel() * mean,
        -2j * np.pi * f.ravel() * mean,
        mean,
        1j * mean,
    ]
    fim = fisher.gaussian_fim(np.stack(columns, axis=-1), mean.size / snr)
    corner = np.sqrt(fisher.crlb(fim)[0, 0])
    assert toa_aoa.angle_error_bound(phi, array, snr) == pytest.approx(corner, rel=1e-9)


# ---------------------------------------------------------------------- limits, invariances


def random_network(seed, n_aps=5):
    rng = np.random.default_rng(seed)
    position = rng.uniform(-50, 50, 2)
    aps = position + rng.uniform(5, 50, (n_aps, 1)) * _directions(rng.uniform(0, 2 * np.pi, n_aps))
    by_delay, by_angle = 10 ** rng.uniform(-19, -16, n_aps), 10 ** rng.uniform(-6, -2, n_aps)
    return rng, position, aps, by_delay, by_angle, rng.choice([0.0, 1e-18, np.inf])


def _directions(turn):
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


@QUICK
@given(seed=SEEDS)
def test_symmetries_of_the_plane(seed):
    """Moved, turned, relabelled, and in another unit of length."""
    rng, position, aps, by_delay, by_angle, clock = random_network(seed)
    efim = toa_aoa.position_efim(position, aps, by_delay, by_angle, clock)
    shift, turn = rng.uniform(-100, 100, 2), rng.uniform(0, 2 * np.pi)
    moved = toa_aoa.position_efim(position + shift, aps + shift, by_delay, by_angle, clock)
    assert_close(moved, efim, 1e-7)
    rotation = np.stack([_directions(turn), _directions(turn + np.pi / 2)], axis=1)
    turned = toa_aoa.position_efim(
        position @ rotation.T, aps @ rotation.T, by_delay, by_angle, clock
    )
    assert_close(rotation.T @ turned @ rotation, efim, 1e-7)
    order = rng.permutation(len(aps))
    relabelled = toa_aoa.position_efim(
        position, aps[order], by_delay[order], by_angle[order], clock
    )
    assert_close(relabelled, efim, 1e-9)
    scaled = toa_aoa.position_efim(7 * position, 7 * aps, 49 * by_delay, by_angle, 49 * clock)
    assert_close(49 * scaled, efim, 1e-9)


@QUICK
@given(seed=SEEDS)
def test_more_information_never_raises_the_bound(seed):
    """One more AP, a smaller variance, a better clock: J grows in every direction."""
    _, position, aps, by_delay, by_angle, clock = random_network(seed)
    efim = toa_aoa.position_efim(position, aps, by_delay, by_angle, clock)
    worse_delay, worse_angle = by_delay.copy(), by_angle.copy()
    worse_delay[0] *= 3
    worse_angle[1] = np.inf
    less = [
        toa_aoa.position_efim(position, aps[1:], by_delay[1:], by_angle[1:], clock),
        toa_aoa.position_efim(position, aps, worse_delay, by_angle, clock),
        toa_aoa.position_efim(position, aps, by_delay, worse_angle, clock),
        toa_aoa.position_efim(position, aps, by_delay, by_angle, 10 * clock + 1e-20),
    ]
    for each in less:
        assert np.linalg.eigvalsh(efim - each)[0] > -1e-9 * np.trace(efim)
        assert fisher.position_error_bound(each) >= fisher.position_error_bound(efim) * (1 - 1e-9)


@QUICK
@given(seed=SEEDS)
def test_clock_goes_from_known_to_unknown(seed):
    _, position, aps, by_delay, by_angle, _ = random_network(seed)
    at = [
        toa_aoa.position_efim(position, aps, by_delay, by_angle, v)
        for v in (0.0, 1e-30, 1e-5, np.inf)
    ]
    assert_close(at[1], at[0], 1e-6)
    assert_close(at[2], at[3], 1e-6)


@QUICK
@given(seed=SEEDS)
def test_maps_are_the_same_as_point_by_point(seed):
    rng, _, aps, by_delay, by_angle, clock = random_network(seed)
    points = rng.uniform(-200, 200, (3, 4, 2))
    together = toa_aoa.position_efim(points, aps, by_delay, by_angle, clock)
    assert together.shape == (3, 4, 2, 2)
    for index in np.ndindex(3, 4):
        own = toa_aoa.position_efim(points[index], aps, by_delay, by_angle, clock)
        np.testing.assert_allclose(together[index], own, rtol=1e-12)
    each_own = toa_aoa.position_efim(
        points, aps, by_delay, by_angle, np.array([0.0, 1e-18, np.inf])[:, None]
    )
    for row, clock in enumerate((0.0, 1e-18, np.inf)):
        own = toa_aoa.position_efim(points[row], aps, by_delay, by_angle, clock)
        np.testing.assert_allclose(each_own[row], own, rtol=1e-9, atol=1e-12 * np.trace(own[0]))


def test_rank_of_one_access_point():
    """commit (16), (17), (headline): known clock 1 from a delay, 2 with an angle; unknown 0, 1."""
    user, ap = np.array([3.0, 40.0]), np.array([[12.5, -37.5]])
    by_delay, by_angle = example_variances()
    cases = {
        (by_delay, np.inf, 0.0): 1,
        (np.inf, by_angle, 0.0): 1,
        (by_delay, by_angle, 0.0): 2,
        (by_delay, by_angle, 1e-18): 2,
        (by_delay, by_angle, np.inf): 1,
        (by_delay, np.inf, np.inf): 0,
        (np.inf, np.inf, 0.0): 0,
        (np.inf, np.inf, np.inf): 0,
    }
    for arguments, rank in cases.items():
        efim = toa_aoa.position_efim(user, ap, *arguments)
        assert np.linalg.matrix_rank(efim) == rank, arguments
        assert np.isinf(fisher.position_error_bound(efim)) == (rank < 2)
        if rank == 0:
            np.testing.assert_array_equal(efim, np.zeros((2, 2)))


def test_one_delay_with_an_unknown_clock_is_worth_exactly_nothing():
    """Wherever the AP stands, and for several of them in one direction: 0, not its rounding."""
    rng = np.random.default_rng(17)
    aps = rng.uniform(-100, 100, (500, 1, 2))
    behind = aps * rng.uniform(1, 9, (500, 5, 1))
    for places in (aps, behind):
        weights = 10 ** rng.uniform(-19, -16, places.shape[:-1])
        efim = toa_aoa.position_efim([0.0, 0.0], places, weights, np.inf, np.inf)
        np.testing.assert_array_equal(efim, np.zeros((500, 2, 2)))


def test_delays_alone_on_one_line_fix_no_position():
    """APs and user on a line: infinite. Off the line: finite with two APs, three without clock."""
    line = np.stack([np.linspace(-50, 50, 6), 2 * np.linspace(-50, 50, 6)], axis=-1)
    by_delay, by_angle = example_variances()
    on, off = np.array([3.0, 6.0]), np.array([3.0, 20.0])
    for clock in (0.0, 1e-18, np.inf):
        assert np.isinf(peb(on, line, by_delay, np.inf, clock))
        assert np.isfinite(peb(on, line, by_delay, by_angle, clock))
        assert np.isfinite(peb(off, line, by_delay, np.inf, clock))
    assert np.isfinite(peb(off, line[:2], by_delay, np.inf, 0.0))
    assert np.isinf(peb(off, line[:2], by_delay, np.inf, np.inf))
    assert np.isfinite(peb(off, line[:3], by_delay, np.inf, np.inf))
    assert np.isinf(peb(on, line, np.inf, by_angle, 0.0))  # bearings along one line


def test_variances_are_infinite_without_signal_or_aperture():
    assert np.isinf(toa_aoa.delay_variance(1e6, 0.0))
    array = UniformLinearArray(4)
    assert np.isinf(toa_aoa.angle_variance(0.0, array, 0.0))
    assert np.isinf(toa_aoa.angle_variance(np.pi / 2, array, 1.0))
    assert np.isinf(toa_aoa.angle_variance(0.0, UniformLinearArray(1), 1.0))


# ---------------------------------------------------------------------- the worked example


def test_worked_example_digits():
    """commit (25)-(28), Example: c = 299 792 458 m/s; 3e8 would give 0.1596 for 200 m."""
    by_delay, by_angle = example_variances()
    assert np.sqrt(by_delay) * 1e9 == pytest.approx(1.2328, abs=5e-5)
    assert np.sqrt(by_angle) == pytest.approx(0.01098, abs=5e-6)
    assert np.degrees(np.sqrt(by_angle)) == pytest.approx(0.629, abs=5e-4)
    assert speed_of_light * np.sqrt(by_delay) == pytest.approx(0.3696, abs=5e-5)
    bounds = [peb([0.0, 0.0], square(side), by_delay, by_angle) for side in (50, 100, 200, 400)]
    np.testing.assert_allclose(bounds, [0.0726, 0.1201, 0.1595, 0.1774], atol=5e-5)
    delays_only = peb([0.0, 0.0], square(100.0), by_delay, np.inf)
    assert delays_only == pytest.approx(0.1848, abs=5e-5)
    other_light = (3e8 / speed_of_light) ** 2 * by_delay
    assert peb([0.0, 0.0], square(200.0), other_light, by_angle) == pytest.approx(0.1596, abs=5e-5)


@QUICK
@given(seed=SEEDS)
def test_symmetry_step_holds_for_any_radial_weight(seed):
    """commit (27): sum w(d) u u^T = (sum w / 2) I under quarter turns; not for cos^2 weights."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(1, 2, 40)
    aps = square(rng.uniform(20, 300))
    distance = np.linalg.norm(aps, axis=1)
    _, ring = np.unique(distance.round(6), return_inverse=True)
    by_delay, by_angle = 1e-18 * weights[ring], 1e-4 * weights[-1 - ring]
    efim = toa_aoa.position_efim([0.0, 0.0], aps, by_delay, by_angle)
    along = np.sum(1 / (speed_of_light**2 * by_delay))
    across = np.sum(1 / (distance**2 * by_angle))
    np.testing.assert_allclose(efim, (along + across) / 2 * np.eye(2), atol=1e-9 * along)
    cosine = aps[:, 0] / distance  # all arrays along y
    one_way = toa_aoa.position_efim([0.0, 0.0], aps, by_delay, by_angle / cosine**2)
    assert abs(one_way[0, 0] - one_way[1, 1]) > 1e-3 * across


def test_gain_of_eight_antennas_depends_on_distance_and_energy():
    """commit (18): sqrt(N (1 + r)) on a ring; 3 to 5 only from 8.16 to 33.65 m."""
    ring = _directions(np.arange(8) * np.pi / 4)
    array = UniformLinearArray(8)

    def ratio(distance, captured):
        one = toa_aoa.delay_variance(BANDWIDTH, SNR)
        eight = toa_aoa.delay_variance(BANDWIDTH, captured)
        angle = toa_aoa.angle_variance(0.0, array, captured)
        many = peb([0.0, 0.0], distance * ring, eight, angle)
        return peb([0.0, 0.0], distance * ring, one, np.inf) / many

    def r(distance):
        return 63 * speed_of_light**2 / (4 * BANDWIDTH**2 * distance**2)

    for distance in (5.0, 20.0, 80.0):
        expected = np.sqrt(8 * (1 + r(distance)))
        assert ratio(distance, 8 * SNR) == pytest.approx(expected, rel=1e-9)
        assert ratio(distance, SNR) == pytest.approx(np.sqrt(1 + r(distance)), rel=1e-9)
    assert ratio(8.16, 8 * SNR) == pytest.approx(5, abs=0.005)
    assert ratio(33.65, 8 * SNR) == pytest.approx(3, abs=0.001)
    assert ratio(50.0, SNR) == pytest.approx(1.03, abs=0.005)
    assert ratio(10.0, SNR) == pytest.approx(1.55, abs=0.005)
    assert ratio(1e6, 8 * SNR) == pytest.approx(np.sqrt(8), rel=1e-6)


@pytest.mark.parametrize(
    ("side", "known", "unknown"), [(50, 3.785, 4.758), (100, 3.123, 3.561), (200, 2.908, 3.051)]
)
def test_gain_of_eight_antennas_is_3_to_5_for_the_median_user_of_small_squares(
    side, known, unknown
):
    """commit (18): the example's grid, the same power of the user; clock known and unknown.

    Tolerance: 4.5 deviations of a median, from the quantiles about it, and half a digit.
    """
    users = np.random.default_rng(18).uniform(-side / 2, side / 2, (20_000, 2))
    aps, eight, (one, angle) = square(side), 8 * SNR, example_variances()
    for clock, expected in ((0.0, known), (np.inf, unknown)):
        many = peb(users, aps, toa_aoa.delay_variance(BANDWIDTH, eight), angle, clock)
        ratio = peb(users, aps, one, np.inf, clock) / many
        low, high = np.quantile(ratio, [0.45, 0.55])
        deviation = 0.5 / np.sqrt(len(users)) * (high - low) / 0.1
        assert abs(np.median(ratio) - expected) < 4.5 * deviation + 0.005


# ------------------------------------------------------------------------------ Monte Carlo


def test_no_estimator_beats_the_bound_and_least_squares_attains_it():
    """commit (4), (6): 40 000 users, small errors; the unweighted fit is worse."""
    rng = np.random.default_rng(6)
    n, aps, user = 40_000, square(100.0)[:6], np.array([10.0, -7.0])
    by_delay, by_angle = 1e-20 * rng.uniform(1, 20, 6), 1e-7 * rng.uniform(1, 20, 6)

    def measured(position):
        offset = position[:, None, :] - aps
        length = np.hypot(offset[..., 0], offset[..., 1])
        return np.concatenate([length, np.arctan2(offset[..., 1], offset[..., 0])], axis=1)

    spread = np.concatenate([speed_of_light * np.sqrt(by_delay), np.sqrt(by_angle)])
    observed = measured(np.tile(user, (n, 1))) + spread * rng.normal(size=(n, 12))

    def fit(weight):
        estimate = np.tile(user + 0.3, (n, 1))
        for _ in range(5):
            offset = estimate[:, None, :] - aps
            length = np.hypot(offset[..., 0], offset[..., 1])[..., None]
            turned = np.stack([-offset[..., 1], offset[..., 0]], axis=-1) / length**2
            slope = np.concatenate([offset / length, turned], axis=1) * weight[:, None]
            residual = (observed - measured(estimate)) * weight
            normal = np.einsum("nki,nkj->nij", slope, slope)
            gradient = np.einsum("nki,nk->ni", slope, residual)
            estimate = estimate + np.linalg.solve(normal, gradient[..., None])[..., 0]
        return estimate - user

    crlb = np.linalg.inv(toa_aoa.position_efim(user, aps, by_delay, by_angle))
    error = fit(1 / spread)
    deviation = np.sqrt(2 * np.trace(crlb @ crlb) / n)
    assert abs(np.mean(np.sum(error**2, axis=1)) - np.trace(crlb)) < 4.5 * deviation
    assert np.mean(np.sum(fit(1 / spread**0.5) ** 2, axis=1)) > 1.05 * np.trace(crlb)


def clock_loss(n_aps, n=200_000):
    """Loss of an unknown clock in dB of PEB^2, delays of equal variance, uniform in a square."""
    rng = np.random.default_rng(n_aps)
    aps, users = rng.uniform(-1, 1, (n, n_aps, 2)), rng.uniform(-1, 1, (n, 2))
    known = toa_aoa.position_efim(users, aps, 1e-18, np.inf)
    unknown = toa_aoa.position_efim(users, aps, 1e-18, np.inf, np.inf)
    return 20 * np.log10(fisher.position_error_bound(unknown) / fisher.position_error_bound(known))


@pytest.mark.parametrize(("n_aps", "decibels"), [(4, 10.8), (8, 5.2), (16, 3.2)])
def test_unknown_clock_costs_3_to_11_db(n_aps, decibels):
    """commit (8): the median. Tolerance: 4.5 deviations of a median, from the quartiles' width."""
    loss = clock_loss(n_aps)
    low, high = np.quantile(loss, [0.45, 0.55])
    deviation = 0.5 / np.sqrt(len(loss)) * (high - low) / 0.1
    assert abs(np.median(loss) - decibels) < 4.5 * deviation + 0.05


def test_unknown_clock_costs_nothing_at_the_centre_of_the_grid():
    by_delay, by_angle = example_variances()
    for angle in (by_angle, np.inf):
        known = peb([0.0, 0.0], square(100.0), by_delay, angle)
        assert peb([0.0, 0.0], square(100.0), by_delay, angle, np.inf) == pytest.approx(known)


# -------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position", [1.0, 2.0, 3.0]),
        ("position", "here"),
        ("position", [np.nan, 0.0]),
        ("aps", [1.0, 2.0]),
        ("aps", [[1.0, np.inf]]),
        *(("delay_variance", v) for v in (0.0, -1.0, np.nan, -np.inf, "1", None, 1j)),
        *(("angle_variance", v) for v in (0.0, -1.0, np.nan, "1")),
        *(("clock_variance", v) for v in (-1.0, np.nan, "1")),
        ("delay_variance", np.ones(3)),
        ("angle_variance", np.ones(3)),
    ],
)
def test_bad_input_is_named(name, value):
    arguments = {
        "position": [3.0, 4.0], "aps": [[0.0, 0.0], [9.0, 0.0]],
        "delay_variance": 1e-18, "angle_variance": 1e-4, "clock_variance": 0.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=name):
        toa_aoa.position_efim(**arguments | {name: value})


def test_a_user_on_an_access_point_is_refused():
    with pytest.raises(ValueError, match="position must not coincide with one of aps"):
        toa_aoa.position_efim([9.0, 0.0], [[0.0, 0.0], [9.0, 0.0]], 1e-18, 1e-4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("away", "message"), [(1e-200, "coincide"), (1e-158, "too near")])
def test_a_user_whose_information_is_beyond_every_number_is_refused(away, message):
    for clock in (0.0, np.inf):
        with pytest.raises(ValueError, match=f"position .*{message}"):
            toa_aoa.position_efim([away, 0.0], [[0.0, 0.0], [9.0, 0.0]], 1e-18, 1e-4, clock)


def test_infinite_variances_may_come_as_objects():
    given = np.array([np.inf, 1e-4], dtype=object)
    arguments = [3.0, 4.0], [[0.0, 0.0], [9.0, 0.0]], 1e-18
    got = toa_aoa.position_efim(*arguments, given)
    np.testing.assert_array_equal(got, toa_aoa.position_efim(*arguments, given.astype(float)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("axes", [[2.0, 0.0]]), ("axes", [0.0]), ("gain", np.nan), ("frequencies", 1.0),
        ("carrier_frequency", 0.0), ("carrier_frequency", [1e9, 2e9]), ("clock_offset", np.nan),
        ("gain", np.ones(3)),
    ],
)  # fmt: skip
def test_bad_input_of_the_signal_is_named(name, value):
    arguments = {
        "position": [3.0, 4.0], "aps": [[0.0, 0.0], [9.0, 0.0]], "axes": [[0.0, 1.0]] * 2,
        "gain": 1.0, "array": UniformLinearArray(2), "frequencies": [0.0, 1e6],
    }  # fmt: skip
    with pytest.raises(ValueError, match=name):
        toa_aoa.signal(**arguments | {name: value})


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: toa_aoa.delay_variance(0.0, 1.0), "bandwidth"),
        (lambda: toa_aoa.delay_variance(1e6, -1.0), "snr"),
        (lambda: toa_aoa.delay_variance(np.ones(2), np.ones(3)), "bandwidth and snr must"),
        (lambda: toa_aoa.angle_variance(np.nan, UniformLinearArray(2), 1.0), "phi"),
        (lambda: toa_aoa.angle_variance(0.0, UniformLinearArray(2), -1.0), "snr"),
        (
            lambda: toa_aoa.angle_variance(np.ones(2), UniformLinearArray(2), np.ones(3)),
            "phi and snr must",
        ),
        (lambda: toa_aoa.angle_error_bound(0.0, UniformLinearArray(2), np.inf), "snr"),
    ],
)
def test_bad_input_of_the_variances_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()


@pytest.mark.parametrize("unit", [1e-3, 60.0, 1e6])
def test_commit_10_does_not_depend_on_the_units(unit):
    """Lengths and times in another unit, in which light is as fast."""
    rng = np.random.default_rng(10)
    user, aps = rng.uniform(0, 100, 2), rng.uniform(0, 100, (5, 2))
    delays, angles = rng.uniform(1, 4, 5) * 1e-18, rng.uniform(1, 4, 5) * 1e-4
    here = fisher.position_error_bound(toa_aoa.position_efim(user, aps, delays, angles))
    there = fisher.position_error_bound(
        toa_aoa.position_efim(unit * user, unit * aps, unit**2 * delays, angles)
    )
    np.testing.assert_allclose(there, unit * here, rtol=1e-9)
