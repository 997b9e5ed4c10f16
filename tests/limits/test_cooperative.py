"""liu Theorems 1 and 2, repaired: SymPy, dense tensors, degenerate cases, Monte Carlo."""

import warnings
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.constants import speed_of_light as c

from cfisac import fisher
from cfisac.limits import _overlap, cooperative
from cfisac.scenarios import ImplausibleWarning, liu_scene
from cfisac.waveforms import OFDM, OTFS

QUICK = settings(deadline=None, max_examples=25)
SEEDS = st.integers(0, 2**32 - 1)
CARRIER = 3.5e9


class Scene:
    """Random APs and targets with the whole tensor written out, independent of the package."""

    def __init__(self, rng, n_aps=None, n_targets=1):
        self.n_aps = int(rng.integers(2, 5)) if n_aps is None else n_aps
        self.n_targets = n_targets
        self.aps = rng.uniform(-200, 200, (self.n_aps, 2))
        turn = rng.uniform(0, 2 * np.pi, self.n_aps)
        self.axes = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        self.positions = rng.uniform(-200, 200, (n_targets, 2))
        self.velocities = rng.uniform(-40, 40, (n_targets, 2))
        self.n_antennas = rng.integers(1, 6, self.n_aps)
        n, m = (int(each) for each in rng.integers(2, 6, 2))
        spacing = 10 ** rng.uniform(4.5, 6)
        longest = 2 * np.linalg.norm(self.positions[:, None] - self.aps, axis=-1).max() / c
        self.waveform = OFDM(n, m, spacing, cp_duration=rng.uniform(1, 1.3) * longest)
        self.spacing = rng.uniform(0.3, 0.7)
        shape = (n_targets, self.n_aps)
        self.amplitudes = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        self.origin = rng.integers(-3, 4, 3)  # where the indices begin

    @property
    def snr(self):
        return np.abs(self.amplitudes) ** 2

    @property
    def rest(self):
        return self.waveform, CARRIER, self.spacing, self.axes

    def efim(self, **changes):
        """The function under test, for the first target alone."""
        scene = {
            "position": self.positions[0], "velocity": self.velocities[0], "aps": self.aps,
            "n_antennas": self.n_antennas, "sample_snr": self.snr[0], "waveform": self.waveform,
            "carrier_frequency": CARRIER, "spacing": self.spacing, "axes": self.axes,
        }  # fmt: skip
        return cooperative.state_efim(**scene | changes)

    def joint_efim(self):
        where = self.positions, self.velocities, self.aps
        return cooperative.joint_efim(*where, self.n_antennas, self.amplitudes, *self.rest)

    @property
    def truth(self):
        """States of all targets, then real and imaginary parts of all gains."""
        states = np.concatenate([self.positions, self.velocities], axis=1).ravel()
        return np.concatenate([states, self.amplitudes.real.ravel(), self.amplitudes.imag.ravel()])

    def tensor(self, theta):
        """What all APs receive, without the noise: the samples of (53) before they are summed."""
        n_states = 4 * self.n_targets
        states = theta[:n_states].reshape(self.n_targets, 4)
        parts = theta[n_states:].reshape(2, self.n_targets, self.n_aps)
        frame, (first_p, first_n, first_m) = self.waveform, self.origin
        n = first_n + np.arange(frame.n_subcarriers)
        m = first_m + np.arange(frame.n_symbols)
        duration = 1 / frame.subcarrier_spacing + frame.cp_duration
        received = []
        for ap in range(self.n_aps):
            p = first_p + np.arange(self.n_antennas[ap])
            total = np.zeros((p.size, n.size, m.size), complex)
            for u, (x, y, v_x, v_y) in enumerate(states):
                offset = np.array([x, y]) - self.aps[ap]
                r = np.hypot(*offset)
                doppler = -2 * CARRIER * (offset @ [v_x, v_y]) / (r * c)
                sine = offset @ self.axes[ap] / r
                gain = parts[0, u, ap] + 1j * parts[1, u, ap]
                # The gain belongs to the middle of the tensor, wherever the indices begin.
                turns = self.spacing * sine * (p - p.mean())[:, None, None]
                turns = turns - 2 * r / c * frame.subcarrier_spacing * (n - n.mean())[:, None]
                turns = turns + doppler * duration * (m - m.mean())
                total += gain * np.exp(2j * np.pi * turns)
            received.append(total.ravel())
        return np.concatenate(received)

    def dense_fim(self):
        """FIM of the states and all gains from numerical derivatives of the tensor."""
        distance = np.linalg.norm(self.positions[:, None] - self.aps, axis=-1).min()
        frame = self.waveform
        per_metre = 2 * np.pi * (
            2 * frame.bandwidth / c + 5 * self.spacing / distance
            + 2 * CARRIER / c * 60 / distance * frame.frame_duration
        ) + 4 / distance  # fmt: skip
        per_speed = 2 * np.pi * 2 * CARRIER / c * frame.frame_duration
        rates = np.tile([per_metre, per_metre, per_speed, per_speed], self.n_targets)
        rates = np.concatenate([rates, np.ones(2 * self.n_targets * self.n_aps)])
        return fisher.gaussian_fim(oracle.derivatives(self.tensor, self.truth, 0.05 / rates), 1.0)


def assert_close(actual, expected, size=None, tolerance=1e-7):
    names = "x", "y", "v_x", "v_y"
    oracle.assert_matrices_close(actual, expected, tolerance, names, size)


def is_more(larger, smaller):
    """Whether the difference is positive semidefinite, up to rounding."""
    scale = np.sqrt(np.diag(larger))
    scale[scale == 0] = 1
    return np.linalg.eigvalsh((larger - smaller) / np.outer(scale, scale)).min() > -1e-10


# ------------------------------------------------------------------------------- symbolic


def symbols():
    positive = {"integer": True, "positive": True}
    names = sp.symbols("N_A N_c M", **positive)
    rates = sp.symbols("delta_f d T", positive=True)  # d in wavelengths
    return names, rates, sp.symbols("alpha sigma", positive=True)


@cache
def known_gain_fim(first):
    """FIM of (tau, sin, f_D) at one AP from the samples (55), gain known; 2 / sigma^2 Re D^H D."""
    (n_a, n_c, n_m), (delta_f, d, t), (alpha, sigma) = symbols()
    p, n, m = index = sp.symbols("p n m", integer=True)
    tau, sine, doppler = theta = sp.symbols("tau s f", real=True)
    phase = 2 * sp.pi * (doppler * m * t - n * delta_f * tau + p * d * sine)
    sample = alpha * sp.exp(sp.I * phase)  # (55)
    slopes = [sp.diff(sample, each) for each in theta]

    def entry(i, j):
        term = sp.expand(sp.simplify(sp.conjugate(slopes[i]) * slopes[j]))
        for k, size in zip(index, (n_a, n_c, n_m), strict=True):
            term = sp.summation(term, (k, first, first + size - 1))
        return 2 / sigma**2 * sp.factor(term)

    def coupling(i):
        """With Im a: <d_i s, j s / a>; with Re a it vanishes."""
        term = sp.expand(sp.simplify(sp.conjugate(slopes[i]) * sp.I * sample / alpha))
        for k, size in zip(index, (n_a, n_c, n_m), strict=True):
            term = sp.summation(term, (k, first, first + size - 1))
        return 2 / sigma**2 * sp.factor(term)

    energy = 2 / sigma**2 * n_a * n_c * n_m
    return sp.Matrix(3, 3, entry), sp.Matrix(3, 1, lambda i, _: coupling(i)), energy


def printed_sums():
    """(7)-(12) as printed, sorted as [[A, B, C], [B, D, E], [C, E, F]]."""
    (n_a, n_c, m), (delta_f, d, t), (alpha, sigma) = symbols()
    unit = 4 * sp.pi**2 * alpha**2 / sigma**2
    a = unit * delta_f**2 * (2 * n_c + 1) * (n_c + 1) * n_c * m * n_a / 6
    b = -unit * d * delta_f * (n_a + 1) * n_a * (n_c + 1) * n_c * m / 4
    cc = -unit * t * delta_f * (m + 1) * m * (n_c + 1) * n_c * n_a / 4
    dd = unit * d**2 * (2 * n_a + 1) * (n_a + 1) * n_a * n_c * m / 6
    e = unit * d * t * (n_a + 1) * n_a * (m + 1) * m * n_c / 4
    f = unit * t**2 * (2 * m + 1) * (m + 1) * m * n_a * n_c / 6
    return sp.Matrix([[a, b, cc], [b, dd, e], [cc, e, f]])


def test_printed_sums_are_half_the_information_for_a_known_gain():
    """liu (7)-(12): sums and signs of all six entries are right, the prefactor is half."""
    fim, _, _ = known_gain_fim(sp.Integer(1))
    assert (fim - 2 * printed_sums()).applyfunc(sp.simplify) == sp.zeros(3)


@pytest.mark.parametrize("first", [sp.Integer(1), sp.Symbol("k_0", integer=True)])
def test_an_unknown_gain_leaves_variances_and_no_cross_terms(first):
    """Schur complement over the gain: N(N^2 - 1)/12 for N(N+1)(2N+1)/6, from any first index."""
    (n_a, n_c, m), (delta_f, d, t), (alpha, sigma) = symbols()
    fim, column, energy = known_gain_fim(first)
    left = (fim - column * column.T / energy).applyfunc(sp.simplify)
    snr = alpha**2 / sigma**2 * n_a * n_c * m
    rates = ((delta_f, n_c), (d, n_a), (t, m))
    variances = [(2 * sp.pi * rate) ** 2 * (n**2 - 1) / 12 for rate, n in rates]
    expected = 2 * snr * sp.diag(*variances)
    assert (left - expected).applyfunc(sp.simplify) == sp.zeros(3)


def test_cross_terms_are_half_for_a_known_gain_and_none_for_an_unknown_one():
    test_printed_sums_are_half_the_information_for_a_known_gain()
    test_an_unknown_gain_leaves_variances_and_no_cross_terms(1)


def test_the_printed_density_is_none_for_complex_samples():
    """liu (54), (56): over the plane it integrates to (2 pi sigma^2)^(1/2) per AP; mended, to 1."""
    sigma, radius = sp.symbols("sigma r", positive=True)

    def total(density):
        return sp.simplify(sp.integrate(density * 2 * sp.pi * radius, (radius, 0, sp.oo)))

    printed = sp.exp(-(radius**2) / (2 * sigma**2)) / sp.sqrt(2 * sp.pi * sigma**2)
    mended = sp.exp(-(radius**2) / sigma**2) / (sp.pi * sigma**2)
    assert sp.simplify(total(printed) - sp.sqrt(2 * sp.pi) * sigma) == 0
    assert total(mended) == 1
    # The mean of |z|^2 is sigma^2 for the mended one; (56) belongs to a density with 2 sigma^2.
    assert total(mended * radius**2) == sigma**2
    assert total(printed * radius**2) / total(printed) == 2 * sigma**2


def test_jacobian_times_covariance_is_the_sum_over_access_points():
    """The closed form of the chapter with H_l, u_l and w_l, typed in."""
    scene = Scene(np.random.default_rng(5), n_aps=3)
    p, v = scene.positions[0], scene.velocities[0]
    frame, total = scene.waveform, np.zeros((4, 4))
    duration = 1 / frame.subcarrier_spacing + frame.cp_duration
    for ap in range(3):
        offset = p - scene.aps[ap]
        r = np.hypot(*offset)
        u = offset / r
        w = np.array([-u[1], u[0]])
        h = np.zeros((4, 3))
        h[:2, 0] = 2 / c * u
        h[:2, 1] = w @ scene.axes[ap] / r * w
        h[:2, 2] = -2 * CARRIER / c * (w @ v) / r * w
        h[2:, 2] = -2 * CARRIER / c * u
        sizes = np.array([frame.n_subcarriers, scene.n_antennas[ap], frame.n_symbols])
        rates = np.array([frame.subcarrier_spacing, scene.spacing, duration])
        weights = np.diag(rates**2 * (sizes**2 - 1) / 12)
        total += 8 * np.pi**2 * scene.snr[0, ap] * np.prod(sizes) * h @ weights @ h.T
    assert_close(scene.efim(), total, tolerance=1e-12)


# ------------------------------------------------------------------------------ brute force


@QUICK
@given(seed=SEEDS)
def test_state_efim_is_the_schur_complement_of_the_dense_tensor(seed):
    """liu (6), (14) repaired: 4 states, 2 L gains, derivatives and inverse by brute force."""
    scene = Scene(np.random.default_rng(seed))
    fim = scene.dense_fim()
    assert_close(scene.efim(), fisher.equivalent_fim(fim, 4), size=fim[:4, :4])


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, n_targets=st.integers(2, 3))
def test_joint_efim_is_the_schur_complement_of_the_dense_tensor(seed, n_targets):
    """Several targets: 4 U states, 2 U L gains, overlapping echoes, by brute force."""
    scene = Scene(np.random.default_rng(seed), n_targets=n_targets)
    fim, n = scene.dense_fim(), 4 * n_targets
    spectrum = np.linalg.eigvalsh(fim[n:, n:])
    assume(spectrum[0] > 1e-6 * spectrum[-1])  # else the dense inverse has no digits
    assert_close(scene.joint_efim(), fisher.equivalent_fim(fim, n), size=fim[:n, :n])


def test_bounds_are_roots_of_sums_in_the_dense_inverse():
    scene = Scene(np.random.default_rng(7), n_aps=4, n_targets=2)
    inverse = np.diag(np.linalg.inv(scene.dense_fim()))  # of states and gains
    joint = scene.joint_efim()
    expected = np.sqrt([[inverse[i] + inverse[i + 1] for i in (0, 4)],
                        [inverse[i] + inverse[i + 1] for i in (2, 6)]])  # fmt: skip
    np.testing.assert_allclose(cooperative.position_error_bound(joint), expected[0], rtol=1e-5)
    np.testing.assert_allclose(cooperative.velocity_error_bound(joint), expected[1], rtol=1e-5)
    variance = np.diag(np.linalg.inv(scene.efim()))
    for bound, part in (
        (cooperative.position_error_bound, [0, 1]),
        (cooperative.velocity_error_bound, [2, 3]),
    ):
        assert bound(scene.efim()) == pytest.approx(np.sqrt(variance[part].sum()), rel=1e-6)


@QUICK
@given(seed=SEEDS)
def test_joint_efim_of_one_target_is_state_efim(seed):
    scene = Scene(np.random.default_rng(seed))
    assert_close(scene.joint_efim(), scene.efim(), tolerance=1e-10)


@QUICK
@given(seed=SEEDS)
def test_chain_rule_gives_the_bound_of_the_position_for_a_known_velocity(seed):
    """liu (5), Lemma 1: [P J P^T]^-1 is that bound, and below the one for an unknown velocity."""
    scene = Scene(np.random.default_rng(seed), n_aps=3)
    dense = scene.dense_fim()
    known_velocity = np.delete(np.delete(dense, [2, 3], axis=0), [2, 3], axis=1)
    chain = scene.efim()[:2, :2]  # sum over APs of P_l J_l P_l^T
    assert_close(chain, fisher.equivalent_fim(known_velocity, 2), size=dense[:2, :2])
    bound = fisher.crlb(scene.efim())[:2, :2]
    assume(np.all(np.isfinite(bound)))
    assert is_more(bound, fisher.crlb(chain))


def test_the_summed_observation_has_rank_two():
    """liu (53): one complex number per AP: rank two with the gain known, nothing without it."""
    rng = np.random.default_rng(53)
    grids = np.meshgrid(np.arange(1, 9), np.arange(1, 17), np.arange(1, 13), indexing="ij")
    for _ in range(20):
        turns = rng.uniform(0, 0.02, 3)
        echo = np.exp(2j * np.pi * sum(t * g for t, g in zip(turns, grids, strict=True)))
        columns = [2j * np.pi * grid * echo for grid in grids] + [echo, 1j * echo]
        tensor = np.stack([column.ravel() for column in columns], axis=1)
        fim, summed = (fisher.gaussian_fim(each, 1.0) for each in (tensor, tensor.sum(0)[None]))
        assert np.linalg.matrix_rank(fim[:3, :3]) == 3
        assert np.linalg.matrix_rank(summed[:3, :3]) == 2
        assert np.linalg.matrix_rank(fisher.equivalent_fim(fim, 3)) == 3
        left = fisher.equivalent_fim(summed, 3)
        assert np.abs(left).max() < 1e-9 * np.abs(summed[:3, :3]).max()


@QUICK
@given(seed=SEEDS)
def test_access_points_give_diagonal_blocks(seed):
    """liu (57): A to F are diagonal, because an AP's echo knows its own delay, angle and Doppler.

    Here for the samples (55), gains known: 3 L parameters, dense.
    """
    rng = np.random.default_rng(seed)
    n_aps, sizes = 3, (3, 4, 5)
    grids = np.meshgrid(*(np.arange(1, n + 1) for n in sizes), indexing="ij")
    gains = rng.normal(size=n_aps) + 1j * rng.normal(size=n_aps)

    def network(theta):
        turns = np.einsum("li,ipnm->lpnm", theta.reshape(n_aps, 3), np.array(grids))
        return (gains[:, None] * np.exp(2j * np.pi * turns).reshape(n_aps, -1)).ravel()

    theta = rng.uniform(0, 1, 3 * n_aps)
    slopes = oracle.derivatives(network, theta, 0.05 / (10 * np.pi))
    fim = fisher.gaussian_fim(slopes, 1.0).reshape(n_aps, 3, n_aps, 3)
    index = np.array(sizes)
    one = np.outer(index + 1, index + 1) / 4
    np.fill_diagonal(one, (2 * index + 1) * (index + 1) / 6)
    for ap in range(n_aps):
        for k in range(n_aps):
            own = 8 * np.pi**2 * abs(gains[ap]) ** 2 * 60 * one
            expected = own if k == ap else np.zeros((3, 3))
            np.testing.assert_allclose(fim[ap, :, k], expected, atol=1e-6 * fim.max())


# ---------------------------------------------------------------- limits and invariances


@QUICK
@given(seed=SEEDS)
def test_moving_turning_and_relabelling_change_nothing_else(seed):
    """Translation; a turn of everything, arrays too; another order of the APs."""
    rng = np.random.default_rng(seed)
    scene = Scene(rng)
    efim, (p,), (v,) = scene.efim(), scene.positions, scene.velocities
    shift = rng.normal(size=2) * 100
    assert_close(scene.efim(position=p + shift, aps=scene.aps + shift), efim, tolerance=1e-9)
    phi = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(phi), -np.sin(phi)], [np.sin(phi), np.cos(phi)]])
    turned = scene.efim(
        position=turn @ p, velocity=turn @ v, aps=scene.aps @ turn.T, axes=scene.axes @ turn.T
    )
    both = np.kron(np.eye(2), turn)
    assert_close(both.T @ turned @ both, efim, tolerance=1e-9)
    order = rng.permutation(scene.n_aps)
    mixed = {"aps": scene.aps[order], "sample_snr": scene.snr[0, order], "axes": scene.axes[order]}
    assert_close(scene.efim(**mixed, n_antennas=scene.n_antennas[order]), efim, tolerance=1e-12)


def test_the_default_arrays_lie_along_y_and_see_a_quarter_turn():
    """With fixed arrays a half turn and a mirror change nothing; a quarter turn does."""
    rng = np.random.default_rng(2)
    aps, p, v = rng.uniform(-100, 100, (3, 2)), np.array([20.0, 30.0]), np.array([3.0, -8.0])
    frame = OFDM(8, 8, 30e3)

    def bound(change):
        scene = p @ change, v @ change, aps @ change, 4, 1.0, frame, CARRIER
        return cooperative.position_error_bound(cooperative.state_efim(*scene))

    straight = bound(np.eye(2))
    for same in (-np.eye(2), np.diag([-1, 1]), np.diag([1, -1])):
        assert bound(same) == pytest.approx(straight, rel=1e-12)
    assert abs(bound(np.array([[0, 1], [-1, 0]])) / straight - 1) > 0.01
    explicit = cooperative.state_efim(p, v, aps, 4, 1.0, frame, CARRIER, axes=[[0, -1]] * 3)
    assert cooperative.position_error_bound(explicit) == pytest.approx(straight, rel=1e-12)


@QUICK
@given(seed=SEEDS, factor=st.floats(0.1, 10))
def test_units(seed, factor):
    """Metres stretched, frequencies shrunk: bounds stretch. More SNR: information grows with it."""
    scene = Scene(np.random.default_rng(seed))
    efim, (p,), (v,) = scene.efim(), scene.positions, scene.velocities
    frame = OFDM(
        scene.waveform.n_subcarriers, scene.waveform.n_symbols,
        scene.waveform.subcarrier_spacing / factor, scene.waveform.cp_duration * factor,
    )  # fmt: skip
    # Distances, times and wavelengths by the factor: velocities stay, so do all phases.
    stretched = scene.efim(
        position=factor * p, aps=factor * scene.aps, waveform=frame,
        carrier_frequency=CARRIER / factor,
    )  # fmt: skip
    unit = np.array([factor, factor, 1, 1])
    assert_close(stretched * np.outer(unit, unit), efim, tolerance=1e-9)
    assert_close(scene.efim(sample_snr=factor * scene.snr[0]), factor * efim, tolerance=1e-12)
    assert v.shape == (2,)


@QUICK
@given(seed=SEEDS)
def test_information_adds_over_access_points_and_more_never_hurts(seed):
    scene = Scene(np.random.default_rng(seed), n_aps=4)
    efim, frame = scene.efim(), scene.waveform
    single = [
        scene.efim(
            aps=scene.aps[[ap]], sample_snr=scene.snr[0, [ap]],
            axes=scene.axes[ap], n_antennas=scene.n_antennas[ap],
        )
        for ap in range(4)
    ]  # fmt: skip
    assert_close(sum(single), efim, tolerance=1e-12)
    more = {
        "antennas": scene.efim(n_antennas=scene.n_antennas + 1),
        "subcarriers": scene.efim(waveform=replace(frame, n_subcarriers=frame.n_subcarriers + 1)),
        "symbols": scene.efim(waveform=replace(frame, n_symbols=frame.n_symbols + 1)),
        "snr": scene.efim(sample_snr=1.1 * scene.snr[0]),
        "spacing": scene.efim(spacing=1.1 * scene.spacing),
    }
    fewer = [efim - each for each in single]
    base = cooperative.position_error_bound(efim), cooperative.velocity_error_bound(efim)
    for each in more.values():
        assert is_more(each, efim)
        assert cooperative.position_error_bound(each) <= base[0] * (1 + 1e-9)
        assert cooperative.velocity_error_bound(each) <= base[1] * (1 + 1e-9)
    for each in fewer:
        assert is_more(efim, each)


@QUICK
@given(seed=SEEDS)
def test_a_known_gain_or_velocity_only_adds_information(seed):
    """What an unknown gain takes away is positive semidefinite; so is what the velocity takes."""
    scene = Scene(np.random.default_rng(seed), n_aps=4)
    efim, dense = scene.efim(), scene.dense_fim()
    assert is_more(dense[:4, :4], efim)
    bound = fisher.crlb(efim)
    assume(np.all(np.isfinite(bound)))
    assert is_more(efim[:2, :2], np.linalg.inv(bound[:2, :2]))


def test_joint_efim_falls_into_blocks_for_targets_far_apart_and_in_no_order():
    rng = np.random.default_rng(4)
    aps = np.array([[0.0, 0], [3000, 0], [0, 3000], [3000, 3000]])
    positions = np.array([[800.0, 900], [2100, 1300], [1000, 2400]])
    velocities = rng.uniform(-40, 40, (3, 2))
    amplitudes = np.exp(2j * np.pi * rng.random((3, 4)))
    frame = OFDM(256, 64, 120e3)
    joint = cooperative.joint_efim(positions, velocities, aps, 16, amplitudes, frame, CARRIER)
    alone = cooperative.state_efim(positions, velocities, aps, 16, 1.0, frame, CARRIER)
    np.testing.assert_allclose(
        cooperative.position_error_bound(joint), cooperative.position_error_bound(alone), rtol=5e-3
    )
    order = [2, 0, 1]
    mixed = cooperative.joint_efim(
        positions[order], velocities[order], aps, 16, amplitudes[order], frame, CARRIER
    )
    rows = np.reshape([4 * u + np.arange(4) for u in order], -1)
    assert_close(mixed, joint[np.ix_(rows, rows)], tolerance=1e-10)


@QUICK
@given(seed=SEEDS)
def test_a_second_target_never_helps(seed):
    scene = Scene(np.random.default_rng(seed), n_aps=3, n_targets=2)
    joint, alone = scene.joint_efim(), scene.efim()
    assert is_more(alone, joint[:4, :4])
    bound, free = fisher.crlb(joint)[:4, :4], fisher.crlb(alone)
    assume(np.all(np.isfinite(bound)))
    assert is_more(bound, free)
    # It is the phase between the two echoes that decides how much; a common phase does not count.
    scene.amplitudes = scene.amplitudes * np.exp(2j * np.pi * np.random.default_rng(1).random(3))
    assert_close(scene.joint_efim(), joint, size=joint, tolerance=1e-8)


def test_echoes_merge_as_two_targets_approach():
    """The closer, the larger the bound, without end."""
    aps = 350 * np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    frame = OFDM(128, 128, 30e3)
    gaps = np.array([64, 16, 4, 1, 0.25])
    positions = np.array([[150.0, 160.0], [150.0, 160.0]]) + np.zeros((5, 2, 2))
    positions[:, 1, 0] += gaps
    joint = cooperative.joint_efim(positions, np.full((2, 2), 50.0), aps, 8, np.ones((2, 4)), frame,
                                   CARRIER)  # fmt: skip
    bound = cooperative.position_error_bound(joint)
    assert bound.shape == (5, 2)
    assert np.all(np.diff(bound[1:, 0]) > 0)
    assert bound[-1, 0] > 10 * bound[0, 0]


# ------------------------------------------------------------------------ degenerate cases

FRAME = OFDM(8, 6, 30e3)


def bounds(position, velocity, aps, n_antennas=4, frame=FRAME, snr=1.0, axes=(0.0, 1.0)):
    aps = np.array(aps, float)
    with np.errstate(all="raise", under="ignore"):
        efim = cooperative.state_efim(
            position, velocity, aps, n_antennas, snr, frame, CARRIER, axes=axes
        )
        return cooperative.position_error_bound(efim), cooperative.velocity_error_bound(efim), efim


SQUARE = [[0, 0], [100, 0], [0, 100], [100, 100]]


@pytest.mark.parametrize(
    ("what", "position_known", "velocity_known"),
    [
        ({"aps": [[0, 0]]}, True, False),  # range and angle; Doppler along the line of sight
        ({"aps": [[0, 0]], "n_antennas": 1}, False, False),
        ({"aps": [[0, 0], [0, 0]]}, True, False),  # twice the same place
        ({"aps": [[0, 0], [70, 0]]}, True, True),
        ({"aps": [[0, 0], [70, 0]], "n_antennas": 1}, True, True),
        ({"aps": SQUARE, "frame": OFDM(8, 1, 30e3)}, True, False),  # no Doppler
        ({"aps": SQUARE, "frame": OFDM(1, 6, 30e3)}, True, True),  # no delay
        ({"aps": SQUARE, "frame": OFDM(1, 1, 30e3)}, True, False),  # angles alone
        ({"aps": SQUARE, "frame": OFDM(1, 1, 30e3), "n_antennas": 1}, False, False),
        ({"aps": SQUARE, "frame": OFDM(1, 6, 30e3), "n_antennas": 1}, True, True),  # four Dopplers
        ({"aps": SQUARE[:3], "frame": OFDM(1, 6, 30e3), "n_antennas": 1}, False, False),  # three
        ({"aps": SQUARE, "snr": 0.0}, False, False),
        ({"aps": SQUARE, "snr": [1.0, 0.0, 0.0, 0.0]}, True, False),
        ({"aps": SQUARE, "snr": [1.0, 1.0, 0.0, 0.0]}, True, True),
        # On the line through all APs (at 30 and 40 m along (3, 4)): no velocity across it.
        ({"aps": [[0, 0], [-30, -40]]}, True, False),
        # The same without angles: the Doppler shifts, seen from two distances, tell the place.
        ({"aps": [[0, 0], [-30, -40]], "n_antennas": 1}, True, False),
        ({"aps": [[0, 0], [-30, -40]], "n_antennas": 1, "velocity": [0.0, 0.0]}, False, False),
        # On the axis of the only array: its angle is stationary.
        ({"aps": [[0, 0]], "position": [0.0, 50.0]}, False, False),
        ({"aps": [[0, 0]], "position": [0.0, 50.0], "axes": [1.0, 0.0]}, True, False),
    ],
)
def test_what_cannot_be_identified_is_infinite_and_nothing_else(
    what, position_known, velocity_known
):
    scene = {"position": [30.0, 40.0], "velocity": [7.0, -3.0]} | what
    position, velocity, _ = bounds(**scene)
    assert np.isfinite(position) == position_known
    assert np.isfinite(velocity) == velocity_known


def test_one_antenna_has_no_angle_although_the_printed_entry_is_positive():
    """liu (10) at N_A = 1 is 4 pi^2 snr (d/lambda)^2 N_c M > 0; the unknown gain leaves nothing."""
    (n_a, *_), _, _ = symbols()
    assert printed_sums()[1, 1].subs(n_a, 1) != 0
    _, _, efim = bounds([30.0, 40.0], [7.0, -3.0], [[0, 0]], n_antennas=1)
    unit = np.array([0.6, 0.8])  # along the line of sight, and nothing across it
    across = np.array([-0.8, 0.6])
    static = bounds([30.0, 40.0], [0.0, 0.0], [[0, 0]], n_antennas=1)[2][:2, :2]
    assert unit @ static @ unit > 0
    assert abs(across @ static @ across) < 1e-12 * (unit @ static @ unit)
    assert np.linalg.matrix_rank(efim) == 2


def test_radial_velocity_is_known_where_the_whole_velocity_is_not():
    """One AP on the x axis: v_x has a finite bound, v_y an infinite one."""
    _, velocity, efim = bounds([50.0, 0.0], [7.0, -3.0], [[0, 0]])
    variance = np.diag(fisher.crlb(efim))
    assert np.isinf(velocity)
    assert np.isinf(variance[3])
    np.testing.assert_allclose(variance[2], 1 / efim[2, 2], rtol=0.5)
    assert np.all(np.isfinite(variance[:3]))


@QUICK
@given(seed=SEEDS, n_aps=st.integers(1, 4))
def test_doppler_sharpens_the_position_from_three_access_points_on(seed, n_aps):
    """Two unknown velocity components use up two Doppler shifts."""
    scene = Scene(np.random.default_rng(seed), n_aps=n_aps)
    scene.n_antennas = np.full(n_aps, 4)
    frame = scene.waveform
    still = replace(frame, n_symbols=1)
    with_doppler = cooperative.position_error_bound(scene.efim())
    without = cooperative.position_error_bound(
        scene.efim(waveform=still, sample_snr=scene.snr[0] * frame.n_symbols)
    )
    if n_aps <= 2:
        assert with_doppler == pytest.approx(without, rel=1e-6)
    else:
        assert with_doppler < without * (1 - 1e-12)


@pytest.mark.parametrize("second", [0.5, 0.5j])
def test_equal_echoes_tell_nothing_of_their_targets(second):
    """Two targets that mirror each other in the array of an AP, gains in and out of phase.

    The same tensor comes from one of the gains being zero, and the other target anywhere: no
    estimator of its place is unbiased, so that AP must not count.
    """
    positions, velocities = np.array([[30.0, 40], [-30, 40]]), np.array([[5.0, 2], [-5, 2]])
    scene = positions, velocities, [[0.0, 0]], 4, [[1.0], [second]], FRAME, CARRIER
    np.testing.assert_array_equal(cooperative.joint_efim(*scene), np.zeros((8, 8)))
    aps = [[0.0, 0], [50.0, 10.0], [-20.0, 5.0]]
    where = positions, velocities, aps, 4
    all_three = cooperative.joint_efim(*where, np.full((2, 3), second), FRAME, CARRIER)
    assert np.all(np.isfinite(cooperative.position_error_bound(all_three)))
    others = positions, velocities, aps[1:], 4
    two = cooperative.joint_efim(*others, np.full((2, 2), second), FRAME, CARRIER)
    assert_close(all_three, two, tolerance=1e-12)
    # The distribution of what the AP receives is the same, whatever the place of the second.
    world = Scene(np.random.default_rng(1), n_aps=1, n_targets=2)
    world.aps, world.axes = np.zeros((1, 2)), np.array([[0.0, 1.0]])
    state = np.concatenate([positions, velocities], axis=1)
    elsewhere = np.concatenate([state[0], [170.0, -90.0, 3.0, 1.0]])
    gains = np.array([1.0, second])
    one = world.tensor(np.concatenate([state.ravel(), gains.real, gains.imag]))
    total = np.array([gains.sum(), 0])
    other = world.tensor(np.concatenate([elsewhere, total.real, total.imag]))
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_targets_in_one_place_cannot_be_told_apart():
    """At all APs, whatever the phases; a third target has no more than the bound of the limit."""
    rng = np.random.default_rng(8)
    aps, positions = rng.uniform(-200, 200, (4, 2)), rng.uniform(-100, 100, (3, 2))
    velocities = rng.uniform(-30, 30, (3, 2))
    velocities[2] = velocities[0]
    gains = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    gaps = np.array([[0.0, 0.0], [1e-3, 0.0], [0.0, 1e-3]])
    places = np.broadcast_to(positions, (3, 3, 2)).copy()
    places[:, 2] = positions[0] + gaps
    joint = cooperative.joint_efim(places, velocities, aps, 8, gains, OFDM(64, 32, 120e3), CARRIER)
    bound = cooperative.position_error_bound(joint)
    assert list(np.isinf(bound[0])) == [True, False, True]
    assert np.all(bound[1:, [0, 2]] > 100)
    assert np.all(bound[0, 1] < bound[1:, 1])
    np.testing.assert_allclose(bound[0, 1], bound[1:, 1], rtol=0.02)
    # Beside a near one: the pair is lost, and it is not.
    chain = positions[1] + np.array([[0.0, 0.0], [0.3, 0.2], [0.3, 0.2]])
    joint = cooperative.joint_efim(
        chain, np.tile(velocities[0], (3, 1)), aps, 8, gains, OFDM(64, 32, 120e3), CARRIER
    )
    assert list(np.isinf(cooperative.position_error_bound(joint))) == [False, True, True]


def test_geometric_sums_have_all_digits_in_and_outside_the_main_lobe():
    """Mean of exp(j k x) and two derivatives against 60 digits; zero exactly for one sample."""
    turns = np.array([0, 1e-300, 1e-30, 1e-9, 1e-3, 0.1, 0.9, 1.1, 3, 6.28, 2 * np.pi, 6.3, -40])
    for size in (1, 2, 3, 8, 129):
        for turn in np.concatenate([turns, turns / size]):
            sums = _overlap.geometric_sums(np.array(turn), size)
            with mp.workdps(60):
                exact = [float(each) for each in kernel(mp.mpf(turn), size)]
            scale = np.array([1, size / 2, size**2 / 4])
            np.testing.assert_allclose(sums / scale, exact / scale, rtol=0, atol=4e-15 * size)
            if size == 1:
                assert list(sums[1:]) == [0, 0]
            elif abs(turn) * size < 1:  # to all digits near zero, where the slope is zero
                np.testing.assert_allclose(sums, exact, rtol=1e-14)


# ------------------------------------------------------------- close echoes, with 60 digits


def exact_bounds(positions, velocities, aps, n_antennas, amplitudes, frame):
    """Position and velocity bounds of a few targets by the closed sums, in 60 digits."""
    with mp.workdps(60):
        rates = [-2 * mp.pi * mp.mpf(frame.subcarrier_spacing), mp.pi]
        rates.append(2 * mp.pi * (1 / mp.mpf(frame.subcarrier_spacing) + frame.cp_duration))
        antennas, n = np.broadcast_to(n_antennas, len(aps)), len(positions)
        total, turn = mp.zeros(4 * n), -2 * mp.mpf(CARRIER) / mp.mpf(c)
        for ap, place in enumerate(aps):
            sizes = frame.n_subcarriers, int(antennas[ap]), frame.n_symbols
            values, slopes = [], mp.zeros(3 * n, 4 * n)
            for u, (position, velocity) in enumerate(zip(positions, velocities, strict=True)):
                x, y = (mp.mpf(p) - mp.mpf(q) for p, q in zip(position, place, strict=True))
                v_x, v_y = map(mp.mpf, velocity)
                r = mp.hypot(x, y)
                a, b = x / r, y / r
                values.append((2 * r / c, b, turn * (a * v_x + b * v_y)))
                across = turn * (a * v_y - b * v_x) / r
                rows = [[2 * a / c, 2 * b / c, 0, 0], [-a * b / r, a * a / r, 0, 0],
                        [-across * b, across * a, turn * a, turn * b]]  # fmt: skip
                for i, row in enumerate(rows):
                    for k, entry in enumerate(row):
                        slopes[3 * u + i, 4 * u + k] = entry
            gram, cross, both = mp.zeros(n), mp.zeros(n, 3 * n), mp.zeros(3 * n)
            for u, v in np.ndindex(n, n):
                sums = [kernel(rates[i] * (values[v][i] - values[u][i]), sizes[i])
                        for i in range(3)]  # fmt: skip
                gram[u, v] = sums[0][0] * sums[1][0] * sums[2][0]
                for i in range(3):
                    one = [sums[k][k == i] for k in range(3)]
                    cross[u, 3 * v + i] = rates[i] * one[0] * one[1] * one[2]
                    for j in range(3):
                        two = [sums[k][(k == i) + (k == j)] for k in range(3)]
                        both[3 * u + i, 3 * v + j] = -rates[i] * rates[j] * mp.fprod(two)
            left = both - cross.T * mp.inverse(gram) * cross
            for u, v in np.ndindex(n, n):
                gains = mp.mpc(complex(amplitudes[u][ap])), mp.mpc(complex(amplitudes[v][ap]))
                for i, j in np.ndindex(3, 3):
                    left[3 * u + i, 3 * v + j] *= mp.re(mp.conj(gains[0]) * gains[1])
            total += 2 * mp.fprod(sizes) * slopes.T * left * slopes
        variance = mp.inverse(total)
        parts = [[4 * u + k + i for i in (0, 1)] for k in (0, 2) for u in range(n)]
        bound = [float(mp.sqrt(variance[i, i] + variance[j, j])) for i, j in parts]
        return np.array(bound[:n]), np.array(bound[n:])


def kernel(turn, size):
    """Mean of exp(j k turn) over ``size`` steps around zero and two derivatives, in mpmath."""
    if abs(turn) < 1e-25:  # sixty digits would not do
        second = -mp.mpf(size**2 - 1) / 12
        return mp.mpf(1), second * turn, second
    s, y = mp.sin(turn / 2), size * turn / 2
    cotangent, mean = mp.cot(turn / 2), mp.sin(y) / (size * s)
    slope = mp.cos(y) / (2 * s) - cotangent * mean / 2
    bend = -(size**2) * mean / 4 - mp.cos(y) * cotangent / (4 * s)
    return mean, slope, bend + mean / (4 * s**2) - cotangent * slope / 2


@pytest.mark.parametrize("gap", [30.0, 1.0, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("in_phase", [False, True])
def test_close_echoes_have_the_digits_of_exact_arithmetic_or_none(gap, in_phase):
    """Two targets 30 m to 1 um apart: right to what the docstring promises, never too small."""
    rng = np.random.default_rng(3)
    aps = 350 * np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    frame, alone = OFDM(128, 128, 30e3), np.ones((2, 4))
    positions = np.array([[150.0, 160.0], [150.0 + gap, 160.0]])
    velocities = np.full((2, 2), 50.0)
    gains = alone if in_phase else np.exp(2j * np.pi * rng.random((2, 4)))
    scene = positions, velocities, aps, 8
    joint = cooperative.joint_efim(*scene, gains, frame, CARRIER)
    single = cooperative.state_efim(*scene, 1.0, frame, CARRIER)
    exact = exact_bounds(*scene, gains, frame)
    bounds_of = cooperative.position_error_bound, cooperative.velocity_error_bound
    price = np.max([e / of(single) for of, e in zip(bounds_of, exact, strict=True)])
    allowed = 1e-14 * max(price, 10) ** 2
    for bound, expected in zip(bounds_of, exact, strict=True):
        got = bound(joint)
        if price < 1e6:
            np.testing.assert_allclose(got, expected, rtol=allowed)
        else:  # too close for a matrix of doubles
            assert np.all(got > 0.95 * expected)
    if gap >= 1e-2 and not in_phase:
        assert allowed < 1e-6


def test_near_and_far_echoes_in_one_batch_are_what_they_are_alone():
    """Items with different pairs of near echoes, three of them, and antennas of their own."""
    rng = np.random.default_rng(21)
    aps, frame = rng.uniform(-200, 200, (3, 2)), OFDM(16, 8, 120e3)
    positions = rng.uniform(-100, 100, (5, 3, 2))
    positions[1, 2] = positions[1, 0] + 0.05
    positions[2, 1] = positions[2, 0] + 0.3
    positions[3, 1:] = positions[3, 0] + [[0.2, 0.0], [0.0, 0.2]]
    velocities = np.broadcast_to(rng.uniform(-20, 20, 2), (3, 2))
    gains = rng.normal(size=(5, 3, 3)) + 1j * rng.normal(size=(5, 3, 3))
    antennas = np.array([2, 8, 3])
    together = cooperative.joint_efim(positions, velocities, aps, antennas, gains, frame, CARRIER)
    for i in range(5):
        one = cooperative.joint_efim(
            positions[i], velocities, aps, antennas, gains[i], frame, CARRIER
        )
        assert_close(together[i], one, tolerance=1e-12)
        exact = exact_bounds(positions[i], velocities, aps, antennas, gains[i], frame)
        got = cooperative.position_error_bound(together[i])
        np.testing.assert_allclose(got, exact[0], rtol=1e-5)


# ------------------------------------------------------- singular scenes, exact arithmetic


def rank(rows):
    """Rank of a matrix of fractions."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column] != 0), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / rows[found][column]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


class Singular:
    """A scene at whole places that often cannot be identified: APs in line, still, endfire."""

    AXES = ((0, 1), (1, 0), (Fraction(3, 5), Fraction(4, 5)), (Fraction(-5, 13), Fraction(12, 13)))

    def __init__(self, rng):
        scale = int(rng.choice([1, 7, 100]))
        self.position = [int(x) * scale for x in rng.integers(-5, 6, 2)]
        line = [int(x) for x in rng.integers(1, 4, 2)] if rng.random() < 0.7 else [0, 1]
        in_line, n_aps, self.aps = rng.integers(3), int(rng.integers(1, 5)), []
        while len(self.aps) < n_aps:
            if in_line == 0 or (in_line == 1 and rng.random() < 0.5):
                step = int(rng.integers(-4, 5)) * scale
                place = [p + step * k for p, k in zip(self.position, line, strict=True)]
            else:
                place = [int(x) * scale for x in rng.integers(-6, 7, 2)]
            if place != self.position:
                self.aps.append(place)
        ways = [0, 0], [5 * k for k in line], [int(x) for x in rng.integers(-9, 10, 2)]
        self.velocity = ways[rng.integers(3)]
        self.axes = [self.AXES[k] for k in rng.integers(4, size=n_aps)]
        self.delay, self.angle, self.doppler = (bool(x) for x in rng.integers(0, 2, 3))
        self.heard = [int(x) for x in rng.random(n_aps) < 0.85]

    def known(self):
        """Which of (x, y, v_x, v_y) are identifiable: all in rational numbers, squares of slopes.

        The irrational distance is a common factor of a slope, which does not change the rank.
        """
        rows = [[Fraction(0)] * 4]
        for place, axis, heard in zip(self.aps, self.axes, self.heard, strict=True):
            x, y = (Fraction(p - q) for p, q in zip(self.position, place, strict=True))
            turn, spin = x * axis[1] - y * axis[0], x * self.velocity[1] - y * self.velocity[0]
            square = x * x + y * y
            slopes = [
                (self.delay, [x, y, 0, 0]),
                (self.angle, [-y * turn, x * turn, 0, 0]),
                (self.doppler, [-y * spin / square, x * spin / square, x, y]),
            ]
            rows += [row for counts, row in slopes if counts and heard]
        unit = [[Fraction(int(k == i)) for k in range(4)] for i in range(4)]
        return [rank([*rows, each]) == rank(rows) for each in unit]

    def efim(self, turn=0.0, shift=(0.0, 0.0), unit=1.0):
        """Turned by an angle, moved, and with another unit of the SNR."""
        way = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        axes = np.array(self.axes, dtype=float) @ way.T
        frame = OFDM(8 if self.delay else 1, 6 if self.doppler else 1, 30e3)
        return cooperative.state_efim(
            way @ self.position + shift, way @ self.velocity, self.aps @ way.T + shift,
            4 if self.angle else 1, np.array(self.heard) * unit, frame, CARRIER, axes=axes,
        )  # fmt: skip


def test_what_is_identifiable_is_what_exact_arithmetic_says():
    """500 scenes: each coordinate; turned by whole degrees and moved, place and velocity."""
    rng, singular = np.random.default_rng(500), 0
    for _ in range(500):
        scene = Singular(rng)
        known, units = scene.known(), 10.0 ** rng.integers(-12, 13)
        got = np.isfinite(np.diag(fisher.crlb(scene.efim(unit=units))))
        assert list(got) == known
        shift = rng.choice([0, 1, 1e3]) * rng.normal(size=2)
        efim = scene.efim(np.deg2rad(rng.integers(360)), shift, units)
        assert np.isfinite(cooperative.position_error_bound(efim)) == (known[0] and known[1])
        assert np.isfinite(cooperative.velocity_error_bound(efim)) == (known[2] and known[3])
        singular += not all(known)
    assert 300 < singular < 480


@pytest.mark.parametrize("n_aps", [1, 2, 3])
def test_delays_along_one_line_know_the_distance_and_nothing_else(n_aps):
    """All headings in steps of a degree: inf for x and y, but 1 / information on the axes."""
    frame = OFDM(8, 1, 30e3)
    for degree in range(360):
        way = np.array([np.cos(np.deg2rad(degree)), np.sin(np.deg2rad(degree))])
        aps = np.array([-100.0, 100.0, 250.0])[:n_aps, None] * way
        efim = cooperative.state_efim([0.0, 0.0], [3.0, 1.0], aps, 1, 1.0, frame, CARRIER)
        variance = np.diag(fisher.crlb(efim))
        assert np.isinf(cooperative.position_error_bound(efim))
        for i in (0, 1):
            if degree % 180 == 90 * i:
                assert variance[i] == pytest.approx(1 / np.trace(efim), rel=1e-12)
            else:
                assert np.isinf(variance[i])


# ------------------------------------------------------------------------------ late echoes


def test_echoes_after_the_cyclic_prefix_are_refused_by_all_bounds():
    aps, frame = [[0.0, 0.0], [100.0, 0.0]], OFDM(8, 6, 30e3, 1e-6)
    near, far = [60.0, 50.0], [60.0, 150.0]  # 149.9 m there and back in 1 us
    cooperative.state_efim(near, [1.0, 2.0], aps, 4, 1.0, frame, CARRIER)
    with pytest.raises(ValueError, match=r"position must be so near .* cyclic prefix of 1e-06 s"):
        cooperative.state_efim([near, far], [1.0, 2.0], aps, 4, 1.0, frame, CARRIER)
    with pytest.raises(ValueError, match="positions must be so near"):
        cooperative.joint_efim(
            [near, far], [[1.0, 2.0]] * 2, aps, 4, np.ones((2, 2)), frame, CARRIER
        )
    without = cooperative.state_efim(far, [1.0, 2.0], aps, 4, [0.0, 0.0], frame, CARRIER)
    np.testing.assert_array_equal(without, np.zeros((4, 4)))  # what is not heard is not late
    frame = OTFS(8, 2, 1e6)  # a frame of 2 us
    cooperative.state_efim(far, [1.0, 2.0], aps, 4, 1.0, frame, CARRIER)
    with pytest.raises(ValueError, match=r"position must be so near .* frame of 2e-06 s"):
        cooperative.state_efim([60.0, 400.0], [1.0, 2.0], aps, 4, 1.0, frame, CARRIER)


# ------------------------------------------------------------------------------ Monte Carlo


def ml_errors(rng, n_draws):
    """Errors of the maximum-likelihood state, by Gauss-Newton from the truth, and the EFIM."""
    aps = np.array([[0.0, 0], [200, 20], [40, 180]])
    frame, sizes = OFDM(8, 6, 480e3), np.array([8, 4, 6])
    truth, snr = np.array([90.0, 70.0, 20.0, -35.0]), 1e3
    rates = 2 * np.pi * np.array([-frame.subcarrier_spacing, 0.5, frame.symbol_period])
    n, p, m = (g.ravel() for g in np.meshgrid(*(np.arange(k) for k in sizes), indexing="ij"))
    phase = rates[:, None] * np.stack([n, p, m])

    def model(state):
        offset = state[:, None, :2] - aps
        r = np.linalg.norm(offset, axis=-1)
        u = offset / r[..., None]
        w = np.stack([-u[..., 1], u[..., 0]], axis=-1)
        radial, tangential = (np.einsum("nli,ni->nl", e, state[:, 2:]) for e in (u, w))
        scale = -2 * CARRIER / c
        values = np.stack([2 * r / c, u[..., 1], scale * radial], axis=-1)
        gradient = np.zeros((*r.shape, 3, 4))
        gradient[..., 0, :2] = 2 * u / c
        gradient[..., 1, :2] = w * (u[..., :1] / r[..., None])
        gradient[..., 2, :2] = scale * w * (tangential / r)[..., None]
        gradient[..., 2, 2:] = scale * u
        s = np.exp(1j * values @ phase)
        slopes = 1j * s[..., None] * np.einsum("ik,nlij->nlkj", phase, gradient)
        return s, slopes

    s, _ = model(truth[None])
    gains = np.sqrt(snr) * np.exp(2j * np.pi * rng.random((1, 3, 1)))
    noise = rng.normal(size=(2, n_draws, *s.shape[1:])) / np.sqrt(2)
    received = gains * s + noise[0] + 1j * noise[1]
    state = np.repeat(truth[None], n_draws, axis=0)
    for _ in range(4):
        s, slopes = model(state)
        gain = np.mean(s.conj() * received, axis=-1, keepdims=True)
        slopes = (
            slopes - s[..., None] * np.mean(s.conj()[..., None] * slopes, axis=-2)[..., None, :]
        )
        slopes = gain[..., None] * slopes
        left = np.einsum("nlki,nlkj->nij", slopes.conj(), slopes).real
        right = np.einsum("nlki,nlk->ni", slopes.conj(), received - gain * s).real
        step = np.linalg.solve(left, right[..., None])[..., 0]
        state = state + step
    efim = cooperative.state_efim(truth[:2], truth[2:], aps, 4, snr, frame, CARRIER)
    assert np.abs(step).max() < 1e-3 * np.sqrt(np.diag(np.linalg.inv(efim))).max()
    return state - truth, efim


def test_maximum_likelihood_attains_the_bound():
    """500 draws at high SNR: e^T F e has mean 4 and variance 8, whitened errors the unit matrix."""
    errors, efim = ml_errors(np.random.default_rng(6), 500)
    whitened = errors @ np.linalg.cholesky(efim)
    n = len(errors)
    square = np.sum(whitened**2, axis=1)
    assert abs(square.mean() - 4) < 4.5 * np.sqrt(8 / n)
    assert np.abs(whitened.mean(axis=0)).max() < 4.5 / np.sqrt(n)
    deviation = np.sqrt((1 + np.eye(4)) / n)
    assert np.all(np.abs(whitened.T @ whitened / n - np.eye(4)) < 4.5 * deviation)


# ----------------------------------------------------------------- shapes and bad input


def test_maps_broadcast_and_equal_single_calls():
    rng = np.random.default_rng(9)
    aps = rng.uniform(-200, 200, (4, 2))
    points, velocity = rng.uniform(-100, 100, (3, 5, 2)), rng.uniform(-30, 30, (5, 2))
    snr, antennas = rng.uniform(0.1, 1, (3, 5, 4)), np.array([1, 2, 3, 4])
    together = cooperative.state_efim(points, velocity, aps, antennas, snr, FRAME, CARRIER)
    assert together.shape == (3, 5, 4, 4)
    assert cooperative.position_error_bound(together).shape == (3, 5)
    for i, j in np.ndindex(3, 5):
        one = cooperative.state_efim(
            points[i, j], velocity[j], aps, antennas, snr[i, j], FRAME, CARRIER
        )
        assert_close(together[i, j], one, tolerance=1e-12)
    empty = cooperative.state_efim(np.zeros((0, 2)), [1.0, 1.0], aps, 4, 1.0, FRAME, CARRIER)
    assert empty.shape == (0, 4, 4)
    many_aps = cooperative.state_efim(
        [1.0, 2.0], [1.0, 1.0], rng.uniform(50, 90, (7, 4, 2)), 4, 1.0, FRAME, CARRIER
    )
    assert many_aps.shape == (7, 4, 4)


def test_joint_broadcasts_and_equals_single_calls():
    rng = np.random.default_rng(10)
    aps, antennas = rng.uniform(-200, 200, (3, 2)), np.array([1, 2, 5])
    positions, velocities = rng.uniform(-100, 100, (6, 2, 2)), rng.uniform(-30, 30, (2, 2))
    gains = rng.normal(size=(6, 2, 3)) + 1j * rng.normal(size=(6, 2, 3))
    together = cooperative.joint_efim(positions, velocities, aps, antennas, gains, FRAME, CARRIER)
    assert together.shape == (6, 8, 8)
    assert cooperative.velocity_error_bound(together).shape == (6, 2)
    for i in range(6):
        one = cooperative.joint_efim(
            positions[i], velocities, aps, antennas, gains[i], FRAME, CARRIER
        )
        assert_close(together[i], one, tolerance=1e-10)
    more_gains = cooperative.joint_efim(
        positions[0], velocities, aps, 3, gains, FRAME, CARRIER, axes=[1.0, 0.0]
    )
    assert more_gains.shape == (6, 8, 8)
    one = cooperative.joint_efim(
        positions[0], velocities, aps, 3, gains[4], FRAME, CARRIER, axes=[1.0, 0.0]
    )
    assert_close(more_gains[4], one, tolerance=1e-10)
    more_aps = cooperative.joint_efim(
        positions[0], velocities, aps + rng.normal(size=(5, 1, 2)), 3, gains[0], FRAME, CARRIER
    )
    assert more_aps.shape == (5, 8, 8)


def test_otfs_counts_with_its_own_covariance():
    """Doppler is measured over the whole frame, delay bin by delay bin."""
    scene = Scene(np.random.default_rng(12), n_aps=4)
    frame = OTFS(6, 5, 30e3)
    efim = scene.efim(waveform=frame)
    like = OFDM(6, 5, 30e3)
    ratio = frame.delay_doppler_covariance()[1, 1] / like.delay_doppler_covariance()[1, 1]
    velocity = efim[2:, 2:] / scene.efim(waveform=like)[2:, 2:]
    np.testing.assert_allclose(velocity, ratio, rtol=1e-9)


def test_inputs_are_left_as_they_were():
    scene = Scene(np.random.default_rng(3), n_targets=2)
    copies = [np.copy(e) for e in (scene.aps, scene.positions, scene.amplitudes, scene.n_antennas)]
    scene.efim()
    scene.joint_efim()
    after = scene.aps, scene.positions, scene.amplitudes, scene.n_antennas
    for before, now in zip(copies, after, strict=True):
        np.testing.assert_array_equal(before, now)


BAD = [
    ({"position": [0.0, 0.0]}, "position must not coincide with aps"),
    ({"position": [1.0, 2.0, 3.0]}, r"position must have shape \(\.\.\., 2\)"),
    ({"position": 3.0}, "position must have shape"),
    ({"position": [np.nan, 0.0]}, "position must be finite"),
    ({"velocity": [1.0]}, "velocity must have shape"),
    ({"velocity": "fast"}, "velocity must be an array of real numbers"),
    ({"aps": [0.0, 0.0]}, r"aps must have shape \(\.\.\., n, 2\)"),
    ({"aps": [[np.inf, 0.0]]}, "aps must be finite"),
    ({"n_antennas": 0}, "n_antennas must be a whole number >= 1"),
    ({"n_antennas": 2.5}, "n_antennas must be a whole number"),
    ({"n_antennas": [4, 4, 4]}, "must broadcast"),
    ({"sample_snr": -1.0}, "sample_snr must be >= 0"),
    ({"sample_snr": 1j}, "sample_snr must be an array of real numbers"),
    ({"sample_snr": [1.0, 1.0, 1.0]}, "must broadcast"),
    ({"carrier_frequency": 0.0}, "carrier_frequency must be > 0"),
    ({"carrier_frequency": [1e9, 2e9]}, "carrier_frequency must be one real number"),
    ({"spacing": 0.0}, "spacing must be > 0"),
    ({"spacing": [0.5, 0.5]}, "spacing must be one real number"),
    ({"axes": [1.0, 1.0]}, "axes must be unit vectors"),
    ({"axes": 1.0}, r"axes must have shape"),
    ({"waveform": None}, "waveform must be"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[f"{k}" for k in range(len(BAD))])
def test_bad_input_is_named(changes, message):
    good = {
        "position": [50.0, 60.0], "velocity": [1.0, 2.0], "aps": [[0.0, 0.0], [100.0, 0.0]],
        "n_antennas": 4, "sample_snr": 1.0, "waveform": FRAME, "carrier_frequency": CARRIER,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        cooperative.state_efim(**good | changes)


BAD_JOINT = [
    ({"positions": [1.0, 2.0]}, r"positions must have shape \(\.\.\., n, 2\)"),
    ({"velocities": [[1.0, 2.0, 3.0]]}, "velocities must have shape"),
    ({"positions": [[0.0, 0.0], [1.0, 1.0]]}, "must not coincide"),
    ({"amplitudes": 1.0}, r"amplitudes must have shape \(\.\.\., U, L\)"),
    ({"amplitudes": np.ones((3, 2))}, "must broadcast"),
    ({"amplitudes": [[np.nan, 1], [1, 1]]}, "amplitudes must be finite"),
    ({"n_antennas": [1, 2, 3]}, "must broadcast"),
    ({"n_antennas": 0}, "n_antennas must be"),
    ({"waveform": OTFS(4, 4, 30e3)}, "waveform must be OFDM"),
    ({"spacing": -1.0}, "spacing must be > 0"),
]


@pytest.mark.parametrize(
    ("changes", "message"), BAD_JOINT, ids=[f"{k}" for k in range(len(BAD_JOINT))]
)
def test_bad_input_is_named_for_several_targets(changes, message):
    good = {
        "positions": [[50.0, 60.0], [20.0, 30.0]], "velocities": [[1.0, 2.0], [3.0, 4.0]],
        "aps": [[0.0, 0.0], [100.0, 0.0]], "n_antennas": 4, "amplitudes": np.ones((2, 2)),
        "waveform": FRAME, "carrier_frequency": CARRIER,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        cooperative.joint_efim(**good | changes)


@pytest.mark.parametrize(
    "bound", [cooperative.position_error_bound, cooperative.velocity_error_bound]
)
@pytest.mark.parametrize("efim", [1.0, np.eye(3), np.zeros((0, 0)), np.eye(4)[None, :3]])
def test_bounds_refuse_other_matrices(bound, efim):
    with pytest.raises(ValueError, match="efim must have shape"):
        bound(efim)
    with pytest.raises(ValueError, match="efim must be finite"):
        bound(np.full((4, 4), np.nan))


def test_close_echoes_of_random_phase_give_bounds_and_no_crash():
    """From one metre down to a micrometre: valid input is never refused."""
    rng = np.random.default_rng(77)
    wave = OFDM(128, 128, 30e3, 0.5e-3 / 14 - 1 / 30e3)
    aps = np.array([[0.0, 0.0], [350.0, 0.0], [0.0, 350.0], [350.0, 350.0]])
    for gap in np.geomspace(1, 1e-6, 13):
        places = np.array([[155.0, 165.0], [155.0 + gap, 165.0]])
        turn = np.exp(2j * np.pi * rng.random((2, 4)))
        for amplitudes in (turn, np.ones((2, 4))):
            efim = cooperative.joint_efim(
                places, np.full((2, 2), 60.0), aps, 8, amplitudes, wave, 3.5e9
            )
            assert not np.any(np.isnan(cooperative.position_error_bound(efim)))


def test_what_does_not_fit_or_overflows_is_named():
    aps = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    wave = OFDM(16, 4, 60e3, 5e-6)
    with pytest.raises(ValueError, match="position and velocity must broadcast"):
        cooperative.state_efim(np.ones((2, 2)), np.ones((3, 2)), aps, 4, 1.0, wave, 3e9)
    places = np.array([[30.0, 40.0], [31.0, 40.0]])
    with pytest.raises(ValueError, match="amplitudes must be below"):
        cooperative.joint_efim(places, 0 * places, aps, 4, np.full((2, 3), 1e200), wave, 3e9)


def test_snrs_with_their_axes_interchanged_warn():
    """As many targets as APs: (L, U) has the shape of (U, L), and would go unnoticed."""
    drawn = liu_scene(np.random.default_rng(3), 4)
    rest = drawn.waveform, drawn.carrier_frequency
    places = drawn.targets, drawn.velocities, drawn.aps, drawn.n_antennas
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cooperative.state_efim(*places, drawn.sample_snr.T, *rest)
    with pytest.warns(ImplausibleWarning, match="sample_snr fits .* axes interchanged"):
        cooperative.state_efim(*places, drawn.sample_snr, *rest)
