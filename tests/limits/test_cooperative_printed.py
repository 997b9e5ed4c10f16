"""liu as printed: each formula evaluated as it stands, and where it holds.

The dense tensors here are written out from (55) alone, sample by sample.
"""

import itertools
import sys

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.constants import speed_of_light

from cfisac import fisher, geometry
from cfisac.scenarios import liu_scene
from cfisac.studies import liu
from cfisac.waveforms import OFDM

QUICK = settings(deadline=None, max_examples=20)
SEEDS = st.integers(0, 2**32 - 1)
CARRIER = 3.5e9


class Network:
    """Three access points, arrays along y, gains known: the samples (55) by (x, y, v, theta_u)."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.aps = np.array([[0.0, 0.0], [200.0, 20.0], [40.0, 180.0]]) + rng.uniform(-9, 9, (3, 2))
        self.n_antennas, self.frame = np.array([3, 2, 4]), OFDM(4, 3, 30e3, 2e-6)
        self.gains = rng.normal(size=(3, 2)) @ [1, 1j]
        self.noise_variance = rng.uniform(0.2, 2)  # sigma_z^2
        # Off the axes of the arrays and off the lines of sight, where (13) and (15) have poles.
        self.state = np.array([*rng.uniform(80, 120, 2), rng.uniform(60, 120), 2.6])

    @property
    def place(self):
        x, y, speed, heading = self.state
        velocity = speed * np.array([np.cos(heading), np.sin(heading)])
        return np.array([x, y]), velocity, self.aps, CARRIER

    @property
    def information(self):
        """(7)-(12), printed."""
        snr = np.abs(self.gains) ** 2 / self.noise_variance
        return liu.printed_information(snr, self.n_antennas, self.frame)

    @property
    def mended(self):
        """Gradients by (x, y) and by (speed, heading) that the finite differences confirm."""
        position, velocity, aps, carrier = self.place
        rows = geometry.monostatic(position, velocity, aps, carrier)[1]
        rows = rows @ liu._by_speed_and_heading(velocity)
        return rows[..., :2], rows[..., 2:]

    def samples(self, state):
        x, y, speed, heading = state
        received = []
        for (a, b), n_antennas, gain in zip(self.aps, self.n_antennas, self.gains, strict=True):
            r, theta = np.hypot(x - a, y - b), np.arctan2(y - b, x - a)
            doppler = -2 * CARRIER * speed * np.cos(theta - heading) / speed_of_light
            p, n, m = np.ix_(*(1 + np.arange(k) for k in (n_antennas, 4, 3)))
            turns = doppler * m * (1 / 30e3 + 2e-6) - n * 30e3 * 2 * r / speed_of_light
            received.append((gain * np.exp(2j * np.pi * (turns + 0.5 * p * np.sin(theta)))).ravel())
        return np.concatenate(received)

    def dense(self, per_real_part):
        """FIM of (x, y, v, theta_u), gains known, for sigma_z^2 per real part or in all."""
        variance = self.noise_variance * (2 if per_real_part else 1)
        steps = [0.02, 0.02, 2.0, 0.02]
        return oracle.dense_fim(self.samples, self.state, variance, steps, order=4)


def agree(one, two, tolerance=1e-5):
    """Equal in units in which the diagonal of the second is one."""
    size = np.sqrt(np.diag(two))
    return np.abs((one - two) / np.outer(size, size)).max() < tolerance


def product(information, jacobian):
    """P J P^T of (5), (6) and (14): the blocks A to F are diagonal, so it is a sum over APs."""
    return np.einsum("lik,lij,ljm->km", jacobian, information, jacobian)


# ------------------------------------------------------------------ (7)-(12), (54) and (56)


@QUICK
@given(seed=SEEDS)
def test_7_to_12_are_what_the_printed_likelihood_gives(seed):
    """Curvature of (56), over all samples and gain known; it is that of sigma_z^2 per real part."""
    rng = np.random.default_rng(seed)
    sizes, noise = (3, 4, 5), rng.uniform(0.1, 2)
    frame = OFDM(4, 5, 30e3, 2e-6)
    rates = np.array([-30e3, 0.45, frame.symbol_period])  # delay, sine, Doppler
    index = np.meshgrid(*(np.arange(1, k + 1) for k in sizes), indexing="ij")
    turn = rates[:, None] * np.stack([index[1], index[0], index[2]]).reshape(3, -1)
    gain, truth = rng.normal(size=2) @ [1, 1j], rng.uniform(0, 1, 3) / np.abs(rates)

    def signal(theta):
        return gain * np.exp(2j * np.pi * theta @ turn)

    def printed_likelihood(theta):  # (56), its mean over the noise, but for constants
        return -np.sum(np.abs(signal(truth) - signal(theta)) ** 2) / (2 * noise)

    steps = np.diag(1e-3 / np.abs(rates))
    curvature = np.zeros((3, 3))
    for i, j in itertools.product(range(3), repeat=2):
        for a, b in itertools.product((1, -1), repeat=2):
            shifted = printed_likelihood(truth + a * steps[i] + b * steps[j])
            curvature[i, j] -= a * b * shifted / (4 * steps[i, i] * steps[j, j])
    printed = liu.printed_information(np.array([abs(gain) ** 2 / noise]), 3, frame, 0.45)[0]
    assert agree(curvature, printed, 2e-3)
    slopes = (2j * np.pi * turn * signal(truth)).T
    assert agree(fisher.gaussian_fim(slopes, 2 * noise), printed, 1e-12)  # per real part
    assert agree(fisher.gaussian_fim(slopes, noise), 2 * printed, 1e-12)  # CN(0, sigma_z^2)


# ------------------------------------------------------------------------------- (6) and (14)


@QUICK
@given(seed=SEEDS)
def test_6_holds_for_known_gains_and_velocity_with_13_mended(seed):
    """Theorem 1 as printed, (7)-(12) and (13) in it, against finite differences of all samples."""
    network = Network(seed)
    dense = network.dense(per_real_part=True)[:2, :2]
    assert agree(product(network.information, network.mended[0]), dense)
    # As printed, the last entry of (13) in it, it is not the information under any known noise.
    printed = product(network.information, liu.printed_jacobians(*network.place)[0])
    noise = np.trace(np.linalg.solve(dense, printed)) / 2
    assert not agree(printed / noise, dense, 1e-3)
    # And for CN(0, sigma_z^2) there is twice as much.
    assert agree(2 * product(network.information, network.mended[0]), network.dense(False)[:2, :2])


@QUICK
@given(seed=SEEDS)
def test_14_holds_for_known_gains_and_position_with_15_mended(seed):
    """Theorem 2 as printed, with (15) as it stands, with its unit mended, and mended."""
    network = Network(seed)
    dense = network.dense(per_real_part=True)[2:, 2:]
    assert agree(product(network.information, network.mended[1]), dense)
    for missing in (1.0, network.state[2], 2 * network.state[2]):
        jacobian = liu.printed_jacobians(*network.place, missing)[1]
        assert np.all(jacobian[:, :2] != 0)
        printed = product(network.information, jacobian)
        assert np.linalg.inv(printed)[0, 0] < 0.9 * np.linalg.inv(dense)[0, 0]


def test_printed_bounds_are_below_what_unknown_velocity_and_gains_allow():
    """In the scene of Section V, CN(0, sigma_z^2), whatever the velocity that (15) lacks."""
    scene = liu_scene(np.random.default_rng(614), 500)
    snr = liu.sample_snr(scene.targets, scene.aps)
    right = liu.bounds("unknown gains", scene, snr)
    for correction in ("printed", "velocity restored"):
        for below, bound in zip(liu.bounds(correction, scene, snr), right, strict=True):
            assert np.all(below < bound)


# ------------------------------------------------------------------------------------- units


def in_units(scene, metre, second):
    """The same scene with lengths and times measured in other units."""
    frame = scene.waveform
    return type(scene)(
        aps=scene.aps * metre,
        n_antennas=scene.n_antennas,
        targets=scene.targets * metre,
        velocities=scene.velocities * metre / second,
        waveform=OFDM(
            frame.n_subcarriers, frame.n_symbols,
            frame.subcarrier_spacing / second, frame.cp_duration * second,
        ),
        carrier_frequency=scene.carrier_frequency / second,
        noise_variance=scene.noise_variance,
        transmit_power=scene.transmit_power,
    )  # fmt: skip


def change_the_speed_of_light(monkeypatch, light):
    """In every module of the package that has it, by whatever name."""
    changed = 0
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "cfisac":
            for constant in ("speed_of_light", "SPEED_OF_LIGHT"):
                if hasattr(module, constant):
                    monkeypatch.setattr(module, constant, light)
                    changed += 1
    assert changed > 5


@pytest.mark.parametrize(("metre", "second"), [(1e-3, 1 / 3600), (100.0, 1.0), (1.0, 1e9)])
def test_no_bound_depends_on_the_units_but_the_one_from_15_as_it_stands(monkeypatch, metre, second):
    """Kilometres and hours, centimetres, nanoseconds: every formula of liu that is evaluated."""
    scene = liu_scene(np.random.default_rng(15), 40)
    snr = liu.sample_snr(scene.targets, scene.aps)
    speed = np.linalg.norm(scene.velocities, axis=-1)
    place = scene.targets, scene.velocities, scene.aps, scene.carrier_frequency
    before = (
        liu.printed_information(snr, scene.n_antennas, scene.waveform),
        liu.printed_jacobians(*place),
        liu.printed_jacobians(*place, speed),
        geometry.monostatic(*(each[:, None] for each in place[:2]), *place[2:])[0],
        {name: liu.bounds(name, scene, snr) for name in liu.CORRECTIONS},
    )
    light = speed_of_light * metre / second
    change_the_speed_of_light(monkeypatch, light)
    other = in_units(scene, metre, second)
    place = other.targets, other.velocities, other.aps, other.carrier_frequency
    after = (
        liu.printed_information(snr, other.n_antennas, other.waveform),
        liu.printed_jacobians(*place),
        liu.printed_jacobians(*place, speed * metre / second),
        geometry.monostatic(*(each[:, None] for each in place[:2]), *place[2:])[0],
        {name: liu.bounds(name, other, snr) for name in liu.CORRECTIONS},
    )
    observable = np.array([second, 1.0, 1 / second])  # delay, sine, Doppler shift
    velocity = metre / second
    same = {"rtol": 1e-9, "atol": 0}
    np.testing.assert_allclose(  # (7)-(12)
        after[0], before[0] / np.outer(observable, observable), **same
    )
    np.testing.assert_allclose(after[3], before[3] * observable, **same)  # (4)
    for k in (1, 2):  # (13)
        expected = before[k][0] * observable[:, None] / metre
        np.testing.assert_allclose(after[k][0], expected, **same)
    by_velocity = observable[:, None] / np.array([velocity, 1.0])  # (15)
    np.testing.assert_allclose(after[2][1], before[2][1] * by_velocity, **same)
    ratio = after[1][1] / (before[1][1] * by_velocity)
    fault = np.ones((3, 2))
    fault[0, 0] = velocity  # what the entry lacks in the denominator
    np.testing.assert_allclose(ratio, np.broadcast_to(fault, ratio.shape), **same)
    for name in liu.CORRECTIONS:  # (6) and (14), and what mends them
        for k, unit in enumerate((metre, velocity, 1.0)):
            expected = before[4][name][k] * unit
            if name == "printed" and k and velocity != 1:
                assert not np.allclose(after[4][name][k], expected, rtol=1e-6, atol=0)
            else:
                np.testing.assert_allclose(after[4][name][k], expected, rtol=1e-6)


def test_15_as_it_stands_in_km_per_h_is_that_with_another_velocity_missing(monkeypatch):
    """One in the unit in use: in SI units 1 m/s, with km and h 1 km/h."""
    scene = liu_scene(np.random.default_rng(3), 20)
    place = scene.targets, scene.velocities, scene.aps, scene.carrier_frequency
    expected = liu.printed_jacobians(*place, 1 / 3.6)[1][..., 0, 0]
    monkeypatch.setattr(liu, "speed_of_light", speed_of_light * 3.6)
    other = in_units(scene, 1.0, 1.0)
    found = liu.printed_jacobians(
        1e-3 * other.targets, 3.6 * other.velocities, 1e-3 * other.aps, 3600 * CARRIER
    )[1][..., 0, 0]  # h / (km/h)
    np.testing.assert_allclose(found * 3600 * 3.6, expected, rtol=1e-9)


def test_15_delay_and_sine_are_not_zero_whatever_velocity_is_missing():
    network = Network(15)
    wrong = liu.printed_jacobians(*network.place, 1e9)[1][:, :2]
    assert np.all(np.abs(wrong[:, 1, 1]) > 0.1)  # the sine by the heading
    assert np.all(np.abs(wrong[:, 0, 1]) > 1e-9)  # the delay by the heading (s)
    assert np.all(network.mended[1][:, :2] == 0)


def test_50_lacks_the_duration_of_a_symbol():
    """It must undo (34), symbol by symbol; without T its exponent is a frequency."""
    m, t, f, v, c, theta, heading, unit = sp.symbols("m T f_c v c theta theta_u k", positive=True)
    doppler = -2 * f * v * sp.cos(theta - heading) / c
    factor = sp.exp(2 * sp.pi * sp.I * m * doppler * t)  # (34)
    turns = m * 2 * f * v * sp.cos(theta - heading) / c
    printed, mended = (sp.exp(2 * sp.pi * sp.I * each) for each in (turns, turns * t))
    assert sp.simplify(factor * mended) == 1
    assert sp.simplify(factor * printed) != 1
    # Seconds measured in units k times as small: f / k, v / k, c / k, k T.
    scaled = {f: f / unit, v: v / unit, c: c / unit, t: unit * t}
    assert sp.simplify(mended.subs(scaled, simultaneous=True) / mended) == 1
    assert sp.simplify(printed.subs(scaled, simultaneous=True) / printed) != 1


# ------------------------------------------------------- statements whose chapters are to come


def test_30_second_sign_contradicts_22_and_29():
    """The multiplier moves along the residual of its constraint, as (22) and (29) have it."""
    w, gamma, rho, a, bound_p, bound_a = sp.symbols("varpi gamma rho_3 alpha B_p B_a")
    residual = w - a * bound_p - (1 - a) * bound_a
    term_22 = gamma * residual + rho / 2 * residual**2
    term_29 = rho / 2 * (residual + gamma / rho) ** 2
    assert sp.simplify(term_29 - term_22 - gamma**2 / (2 * rho)) == 0
    assert sp.expand(sp.diff(term_22, gamma) - residual) == 0
    printed_30 = w - a * bound_p + (1 - a) * bound_a
    assert sp.expand(printed_30 - residual) == sp.expand(2 * (1 - a) * bound_a)
    # Where the constraint (17) holds, the multiplier should rest; the printed one moves on.
    assert residual.subs(w, a * bound_p + (1 - a) * bound_a).expand() == 0
    assert printed_30.subs(w, a * bound_p + (1 - a) * bound_a).expand() != 0


@QUICK
@given(seed=SEEDS)
def test_step_3_never_raises_the_objective_that_the_joint_step_would_raise(seed):
    """(28), then U = max of it, is at most the U before; (P2.3) has its minimum elsewhere."""
    rng = np.random.default_rng(seed)
    f, gamma, rho = rng.uniform(0.5, 1, 5), -rng.uniform(0.01, 0.5, 5), 0.6
    goal = f - gamma / rho

    def objective(u):  # (26) with (22), at the best varpi <= u
        w = np.minimum(u, goal)
        return u + np.sum(gamma * (w - f) + rho / 2 * (w - f) ** 2)

    joint = optimize.minimize_scalar(objective, bounds=(-5, 5), method="bounded")
    for start in (0.1, 0.3, 2.0):
        printed = np.minimum(start, goal).max()  # (28) and the line after it
        assert printed <= start
        assert objective(joint.x) <= objective(printed) + 1e-9
    assert rho * np.maximum(goal - joint.x, 0).sum() == pytest.approx(1, abs=1e-4)
    assert joint.x > 0.1  # from there the printed step stays, below the bounds that it stands for


def test_39_is_a_periodogram():
    """One vector has a covariance of rank one: (39) is 1 / (N_c - |a^H y|^2 / |y|^2)."""
    rng = np.random.default_rng(39)
    n = np.arange(1, 17)
    grid = np.exp(-2j * np.pi * np.outer(np.linspace(0, 1, 301), n))
    received = grid[77] + 0.3 * rng.normal(size=(16, 2)) @ [1, 1j]
    values, vectors = np.linalg.eigh(np.outer(received, received.conj()))
    assert np.sum(values > 1e-9 * values.max()) == 1
    noise = vectors[:, :-1]  # all but the largest
    spectrum = 1 / np.sum(np.abs(grid.conj() @ noise) ** 2, axis=1)
    matched = np.abs(grid.conj() @ received) ** 2 / np.sum(np.abs(received) ** 2)
    np.testing.assert_allclose(spectrum, 1 / (16 - matched), rtol=1e-9)
    assert np.argmax(spectrum) == np.argmax(matched)


def k_rank(matrix):
    """The largest k such that any k columns are independent."""
    n = matrix.shape[1]
    for k in range(n, 0, -1):
        if all(
            np.linalg.matrix_rank(matrix[:, list(chosen)], tol=1e-9) == k
            for chosen in itertools.combinations(range(n), k)
        ):
            return k
    return 0


def ramps(size, turns):
    return np.exp(2j * np.pi * np.outer(np.arange(1, size + 1), turns))


@pytest.mark.parametrize(
    ("size", "turns", "holds"),
    [
        (8, [0.1, 0.2, 0.35], True),
        (2, [0.1, 0.2, 0.35], True),
        (1, [0.1, 0.2, 0.35], False),
        (8, [0.1, 0.1, 0.35], False),
        (8, [0.1, 1.1, 0.35], False),  # a whole turn apart
    ],
)
def test_kruskals_condition_needs_two_antennas_and_no_shared_angle(size, turns, holds):
    """Three targets; where it fails, a second decomposition gives the same tensor.

    The three factors of (31) play the same part, so this is as true of a delay or a Doppler shift.
    """
    rng = np.random.default_rng(10)
    factors = [ramps(size, turns), ramps(6, rng.random(3)), ramps(5, rng.random(3))]
    ranks = [k_rank(each) for each in factors]
    assert ranks[1:] == [3, 3]
    if not holds:
        assert ranks[0] == 1
        # Mix the first two, which look alike to the array: V B and W B^-T in their place.
        mix = np.eye(3)
        mix[:2, :2] = [[1.0, 0.7], [0.2, 1.1]]
        share = factors[0] / factors[0][0]  # first entries one: equal columns
        scaled = [share, factors[1] * factors[0][0], factors[2]]
        other = [share, scaled[1] @ mix, scaled[2] @ np.linalg.inv(mix).T]
        one, two = (np.einsum("pu,nu,mu->pnm", *each) for each in (factors, other))
        np.testing.assert_allclose(one, two, atol=1e-12)
    assert (sum(ranks) >= 2 * 3 + 2) == holds
