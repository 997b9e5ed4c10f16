"""zhang's Theorem 1 and its repair: brute force, SymPy, real digests, Monte Carlo, bad input."""

import itertools
from functools import cache

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from cfisac import fisher
from cfisac.arrays import UniformLinearArray
from cfisac.limits import angle_gain
from cfisac.limits import information as info

SEEDS = st.integers(0, 2**32 - 1)
LN2 = np.log(2)


def draw_scene(seed, n_aps=None):
    """Random (gain, phi, array, n_pilots, noise_variance) of 1 to 5 access points."""
    rng = np.random.default_rng(seed)
    n_aps = n_aps or int(rng.integers(1, 6))
    gain = 10 ** rng.uniform(-1.5, 1, n_aps) * np.exp(2j * np.pi * rng.random(n_aps))
    phi = rng.uniform(-1.5, 1.5, n_aps)
    array = UniformLinearArray(int(rng.integers(1, 10)), rng.uniform(0.1, 1.0))
    return gain, phi, array, int(rng.integers(1, 20)), rng.uniform(0.1, 3.0)


def jacobian(gain, phi, array, pilot=1.0):
    """zhang (62)-(63) of one slot, from the steering vector itself."""
    steering, slope = array.steering(phi), array.steering_derivative(phi)
    return np.stack([steering, 1j * steering, gain * slope], axis=-1) * pilot


def slot_fim(gain, phi, array, noise_variance, pilot=1.0):
    slot = jacobian(gain, phi, array, pilot)
    return 2 / noise_variance * np.real(slot.conj().T @ slot)


def dense_fim(gain, phi, array, n_pilots, noise_variance):
    """The 3M x 3M matrix, slot after slot, each block put where its access point is."""
    fim = np.zeros((3 * len(gain), 3 * len(gain)))
    for ap, _ in itertools.product(range(len(gain)), range(n_pilots)):
        place = np.zeros((3 * len(gain), 3))
        place[3 * ap : 3 * ap + 3] = np.eye(3)
        fim += place @ slot_fim(gain[ap], phi[ap], array, noise_variance) @ place.T
    return fim


def whole_jacobian(gain, phi, array, n_pilots):
    """Derivatives of all M T L noise-free samples by all 3M parameters."""
    whole = np.zeros((len(gain), n_pilots, array.n_antennas, 3 * len(gain)), complex)
    for ap in range(len(gain)):
        whole[ap, :, :, 3 * ap : 3 * ap + 3] = jacobian(gain[ap], phi[ap], array)
    return whole.reshape(-1, 3 * len(gain))


def one_bit_fim(slopes, weights, threshold, noise_variance):
    """FIM of the bit Re(w^H x) > its mean + threshold standard deviations, and its entropy.

    The bit's probability p has the derivative pdf(threshold) Re(w^H J) / deviation.
    """
    deviation = np.sqrt(noise_variance / 2) * np.linalg.norm(weights)
    slope = stats.norm.pdf(threshold) * np.real(weights.conj() @ slopes) / deviation
    on, off = stats.norm.sf(threshold), stats.norm.cdf(threshold)
    return np.outer(slope, slope) / (on * off), special.entr(on) + special.entr(off)


def unit_free_trace(fim, digest):
    """Tr(I^-1 I_Q), with every parameter in the unit that suits it."""
    scale = np.sqrt(np.diag(fim))
    outer = np.outer(scale, scale)
    return np.trace(np.linalg.solve(fim / outer, digest / outer))


def loudest(gain, phi, array):
    """2 + max|alpha|^2 max|a'|^2 of zhang (19), with the norm summed out."""
    norms = np.sum(np.abs(array.steering_derivative(phi)) ** 2, axis=-1)
    return 2 + np.max(np.abs(gain) ** 2) * np.max(norms)


def bpsk_scene(snr_db, n_pilots=10):
    return [np.sqrt(10 ** (snr_db / 10))], [0.3], UniformLinearArray(8), n_pilots, 1.0


@cache
def bpsk_quad(snr):
    """h(y) - h(n) of the real part after combining, in nats; unit noise variance."""

    def negative_log(y):
        density = (stats.norm.pdf(y, np.sqrt(2 * snr)) + stats.norm.pdf(y, -np.sqrt(2 * snr))) / 2
        return special.entr(density)

    edge = np.sqrt(2 * snr) + 12
    entropy = integrate.quad(negative_log, -edge, edge, epsabs=1e-13, limit=400)[0]
    return entropy - np.log(2 * np.pi * np.e) / 2


# The matrix, its trace and its largest eigenvalue


@given(seed=SEEDS)
def test_global_fim_is_block_diagonal_with_the_trace_of_theorem_1(seed):
    """zhang (67), embedded: its trace is (2T/sigma^2) sum(2 + |alpha|^2 eta)."""
    scene = draw_scene(seed)
    gain, phi, array, n_pilots, noise_variance = scene
    dense = dense_fim(*scene)
    np.testing.assert_allclose(info.fim_trace(*scene), np.trace(dense), rtol=1e-12)
    slopes = np.sum(np.abs(array.steering_derivative(phi)) ** 2, axis=-1)
    formula = 2 * n_pilots / noise_variance * np.sum(2 + np.abs(gain) ** 2 * slopes)
    np.testing.assert_allclose(info.fim_trace(*scene), formula, rtol=1e-12)
    for ap in range(len(gain)):
        block = slice(3 * ap, 3 * ap + 3)
        local = angle_gain.local_fim(gain[ap], phi[ap], array, n_pilots, noise_variance)
        np.testing.assert_allclose(dense[block, block], local, rtol=1e-9, atol=1e-9)
        dense[block, block] = 0
    assert not np.any(dense)


def test_largest_eigenvalue_closed_form_by_sympy():
    """zhang (60): the characteristic polynomial of (36) has the closed-form root."""
    real, imag = sp.symbols("alpha_R alpha_I", real=True)
    c, eta, energy = sp.symbols("c eta E", positive=True)  # E = T / sigma^2
    root = sp.Symbol("x")
    power = real**2 + imag**2
    rows = [[1, 0, -c * imag], [0, 1, c * real], [-c * imag, c * real, power * eta]]
    fim = 2 * energy * sp.Matrix(rows)
    surd = sp.sqrt((1 - power * eta) ** 2 + 4 * c**2 * power)
    upper, lower = (energy * (1 + power * eta + sign * surd) for sign in (1, -1))
    product = (root - 2 * energy) * (root - upper) * (root - lower)
    assert sp.expand(fim.charpoly(root).as_expr() - sp.expand(product)) == 0
    values = {real: 0.3, imag: -0.8, c: 2.0, eta: 7.0, energy: 5.0}
    dense = np.array(fim.subs(values), dtype=float)
    assert float(upper.subs(values)) == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-12)


@given(seed=SEEDS)
def test_largest_eigenvalue_equals_eigvalsh_of_the_dense_fim(seed):
    """zhang (60)."""
    scene = draw_scene(seed)
    brute = np.linalg.eigvalsh(dense_fim(*scene))[-1]
    np.testing.assert_allclose(info.largest_eigenvalue(*scene), brute, rtol=1e-10)


def test_largest_eigenvalue_is_the_smallest_sub_gaussian_parameter():
    """zhang (18), (60): scores of simulated observations; N^2 holds in every direction, less not.

    With known pilots u^T S is Gaussian, so (18) asks that its variance be at most N^2. The
    sample variance of n Gaussian draws has relative standard deviation sqrt(2/n).
    """
    gain, phi = np.array([0.8 - 0.5j, 0.3 + 0.4j]), np.array([0.3, -0.7])
    array, n_pilots, noise_variance, n = UniformLinearArray(3), 2, 0.7, 400_000
    proxy = info.largest_eigenvalue(gain, phi, array, n_pilots, noise_variance)
    rng = np.random.default_rng(18)
    scores = np.zeros((n, 6))
    for ap, _ in itertools.product(range(2), range(n_pilots)):
        noise = rng.normal(size=(n, 3, 2)) @ [1, 1j] * np.sqrt(noise_variance / 2)
        pilot = np.exp(2j * np.pi * rng.random())
        slot = jacobian(gain[ap], phi[ap], array, pilot)
        scores[:, 3 * ap : 3 * ap + 3] += 2 / noise_variance * np.real(noise @ slot.conj())
    values, vectors = np.linalg.eigh(dense_fim(gain, phi, array, n_pilots, noise_variance))
    vectors *= np.sign(np.sum(vectors, axis=0))  # LAPACK may choose the signs
    along = scores @ vectors
    tolerance = 5 * np.sqrt(2 / n)
    np.testing.assert_allclose(along.var(axis=0), values, rtol=tolerance)
    assert np.all(np.abs(stats.kurtosis(along)) < 5 * np.sqrt(24 / n))
    dominant = along[:, -1]
    rate = 1 / np.sqrt(proxy)  # lambda of (18), where the right-hand side is exp(1/2)
    sample = np.exp(rate * dominant)
    error = sample.std() / np.sqrt(n)
    assert abs(sample.mean() - np.exp(0.5)) < 5 * error  # met with equality
    assert sample.mean() - 5 * error > np.exp(0.95 * 0.5)  # 5 % less is not enough


# The chain (64)-(70)


@given(seed=SEEDS)
def test_slot_eigenvalue_below_frobenius_norm_and_never_equal(seed):
    """zhang (64)-(66): lambda_max < (2/sigma^2)|J|_F^2 = trace, also with the spectral norm."""
    gain, phi, array, _, noise_variance = draw_scene(seed, n_aps=1)
    slot = jacobian(gain[0], phi[0], array)
    largest = np.linalg.eigvalsh(slot_fim(gain[0], phi[0], array, noise_variance))[-1]
    frobenius = 2 / noise_variance * np.linalg.norm(slot, "fro") ** 2
    spectral = 2 / noise_variance * np.linalg.norm(slot, 2) ** 2
    assert largest <= spectral * (1 + 1e-12)
    # The smaller eigenvalue of the gain's two, 2/sigma^2, is always left over.
    assert largest <= frobenius - (2 / noise_variance) * (1 - 1e-9)
    np.testing.assert_allclose(
        frobenius, 2 / noise_variance * loudest(gain, phi, array), rtol=1e-12
    )


@given(seed=SEEDS, size=st.floats(0, 1))
def test_slot_bound_holds_up_to_unit_modulus_pilots(seed, size):
    """zhang (66): |s| = 1 as the appendix assumes, or any |s| <= 1, whatever its phase."""
    gain, phi, array, _, noise_variance = draw_scene(seed, n_aps=1)
    bound = 2 / noise_variance * loudest(gain, phi, array)
    for pilot in (np.exp(2j * seed), size * np.exp(1j * seed)):
        slot = slot_fim(gain[0], phi[0], array, noise_variance, pilot)
        assert np.linalg.eigvalsh(slot)[-1] < bound


def test_slot_bound_fails_for_a_loud_pilot():
    """zhang (66) with E|s|^2 = 1 only: a slot that happens to be loud breaks it."""
    array, pilots = UniformLinearArray(8), np.array([np.sqrt(1.9), np.sqrt(0.1)])
    assert np.mean(np.abs(pilots) ** 2) == pytest.approx(1)
    bound = 2 * loudest(np.array([1.0]), np.array([0.3]), array)
    loud = np.linalg.eigvalsh(slot_fim(1.0, 0.3, array, 1.0, pilots[0]))[-1]
    assert loud > 1.5 * bound


@given(seed=SEEDS)
def test_sum_over_access_points_is_loose_by_their_number(seed):
    """zhang (68)-(69): true, and with equal access points the sum is M times the maximum."""
    scene = draw_scene(seed)
    gain, phi, array, n_pilots, noise_variance = scene
    each = [
        np.linalg.eigvalsh(slot_fim(g, p, array, noise_variance))[-1]
        for g, p in zip(gain, phi, strict=True)
    ]
    total = n_pilots * np.sum(each)
    proxy = info.largest_eigenvalue(*scene)
    last = 2 * len(gain) * n_pilots / noise_variance * loudest(gain, phi, array)
    assert proxy <= total * (1 + 1e-9)
    assert total <= last * (1 + 1e-9)
    np.testing.assert_allclose(proxy, n_pilots * np.max(each), rtol=1e-9)
    same = np.full(len(gain), gain[0]), np.full(len(gain), phi[0])
    equal_proxy = info.largest_eigenvalue(*same, array, n_pilots, noise_variance)
    np.testing.assert_allclose(len(gain) * n_pilots * each[0], len(gain) * equal_proxy, rtol=1e-9)


def test_barnes_ozgur_step_fails_for_pilots_as_the_digest():
    """zhang (70): violated with the exact N^2 = lambda_max and with the larger N^2 of (69)."""
    scene = bpsk_scene(-30)
    mutual = scene[3] * bpsk_quad(1e-3)
    generous = 2 * scene[3] / scene[4] * loudest(*map(np.asarray, scene[:2]), scene[2])
    assert info.fim_trace(*scene) > 50 * 2 * info.largest_eigenvalue(*scene) * mutual
    assert info.fim_trace(*scene) > 50 * 2 * generous * mutual


# Claims 1 and 2


def test_likelihood_is_that_of_known_pilots_and_mutual_information_needs_the_mixture():
    """zhang (4), (7): one antenna, BPSK. (4) is a density for each pilot; the data have the mean
    density over pilots, and only the ratio of the two gives the mutual information."""
    gain, variance = 0.6, 1.0

    def likelihood(x, y, pilot):
        """(4) at x + jy."""
        return np.exp(-(np.abs(x + 1j * y - gain * pilot) ** 2) / variance) / (np.pi * variance)

    def mixture(x, y):
        return (likelihood(x, y, 1) + likelihood(x, y, -1)) / 2

    def integral(function):
        return integrate.dblquad(function, -7, 7, -7, 7, epsabs=1e-9)[0]

    assert integral(lambda y, x: likelihood(x, y, 1)) == pytest.approx(1, abs=1e-7)
    assert integral(lambda y, x: x * likelihood(x, y, 1)) == pytest.approx(gain, abs=1e-7)
    assert integral(lambda y, x: x * mixture(x, y)) == pytest.approx(0, abs=1e-7)
    nats = integral(lambda y, x: likelihood(x, y, 1) * np.log(likelihood(x, y, 1) / mixture(x, y)))
    assert nats == pytest.approx(info.bpsk_information(gain**2 / variance), abs=1e-7)
    assert nats > 0.2  # with one density for both, (7) would be zero


@pytest.mark.parametrize("snr", [0.0, 1e-3, 0.05, 0.3, 1.0, 4.0, 30.0, 1e3, 1e4])
def test_bpsk_information_equals_entropy_difference(snr):
    """zhang (7) for BPSK, by an adaptive quadrature of h(y) - h(n)."""
    assert info.bpsk_information(snr) == pytest.approx(bpsk_quad(snr), abs=1e-9)


def test_bpsk_information_equals_monte_carlo_over_the_array():
    """zhang (7) in the space of the L = 8 antennas; tolerance of five standard errors."""
    rng, n, snr = np.random.default_rng(7), 200_000, 0.4
    mean = np.sqrt(snr) * UniformLinearArray(8).steering(0.3)
    pilot = rng.choice([-1, 1], n)[:, None]
    x = pilot * mean + rng.normal(size=(n, 8, 2)) @ [1, 1j] / np.sqrt(2)
    log_density = -np.stack([np.sum(np.abs(x - s * pilot * mean) ** 2, axis=1) for s in (1, -1)])
    sample = log_density[0] - special.logsumexp(log_density, axis=0) + LN2
    assert abs(sample.mean() - info.bpsk_information(snr)) < 5 * sample.std() / np.sqrt(n)


def test_bpsk_information_rises_from_zero_to_one_bit():
    snr = np.concatenate([[0.0], np.logspace(-4, 4, 300)])
    information = info.bpsk_information(snr)
    assert information[0] == pytest.approx(0, abs=1e-12)
    assert np.all((information >= 0) & (information <= LN2))  # not even by a rounding
    assert information[-1] == pytest.approx(LN2, abs=1e-9)
    assert np.all(np.diff(information) > -1e-12)
    assert np.all(np.diff(information[snr < 5]) > 0)
    assert np.all(information <= snr + 1e-12)  # never more than ln(1 + snr)
    assert info.bpsk_information(1e-4) == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize(
    ("snr_db", "mutual", "trace", "claimed"),
    [
        (-30, 0.00999, 43.2, 0.862),
        (-20, 0.0990, 71.5, 14.2),
        (-13, 0.478, 198, 189),
        (-12, 0.594, 239, 284),
    ],
)
def test_claim_1_fails_for_bpsk_below_half_a_nat(snr_db, mutual, trace, claimed):
    """zhang (20): the table of the chapter, recomputed from the matrix and an entropy."""
    scene = bpsk_scene(snr_db)
    nats = scene[3] * bpsk_quad(10 ** (snr_db / 10))
    dense = np.trace(dense_fim(*scene))
    printed = 4 * scene[3] * loudest(*map(np.asarray, scene[:2]), scene[2]) * nats
    found = [float(f"{value:.3g}") for value in (nats, dense, printed)]
    assert found == pytest.approx([mutual, trace, claimed])
    assert (dense <= printed) == (nats >= 0.5)
    assert info.claimed_trace_bound(nats, *scene) == pytest.approx(printed, rel=1e-12)


def test_claim_1_with_known_pilots_reads_trace_below_zero():
    """zhang (20): known pilots have no entropy, so I(x; s) = 0."""
    scene = bpsk_scene(20)
    assert info.claimed_trace_bound(0.0, *scene) == 0
    assert info.fim_trace(*scene) > 0


def test_a_silent_channel_carries_no_information():
    """At SNR 0 the rounding of the quadrature must not make I(x; s) negative: (20) takes none."""
    nothing = info.bpsk_information(0.0)
    assert 0 <= nothing < 1e-12
    scene = ([0.0], [0.3], UniformLinearArray(8), 10, 1.0)
    claimed = info.claimed_trace_bound(nothing, *scene)
    assert 0 <= claimed < 1e-9 < info.fim_trace(*scene)


@given(seed=SEEDS)
def test_claim_threshold_is_half_a_nat_exactly_when_all_are_as_loud_as_the_maxima(seed):
    """zhang (20): the claim holds exactly from the threshold on, for any T and noise."""
    scene = draw_scene(seed)
    gain, phi, array = scene[:3]
    threshold = info.claim_threshold(gain, phi, array)
    slopes = np.sum(np.abs(array.steering_derivative(phi)) ** 2, axis=-1)
    missing = 1 - (2 + np.abs(gain) ** 2 * slopes) / loudest(gain, phi, array)
    assert np.all(missing > -1e-12)
    assert 0.5 - threshold == pytest.approx(np.mean(missing) / 2, abs=1e-12)
    assert info.claimed_trace_bound(0.999 * threshold, *scene) < info.fim_trace(*scene)
    assert info.claimed_trace_bound(1.001 * threshold, *scene) > info.fim_trace(*scene)
    same = np.full(4, gain[0]), np.full(4, phi[0])
    assert info.claim_threshold(*same, array) == pytest.approx(0.5, rel=1e-12)
    mirrored = gain[0] * np.array([1, 1j]), phi[0] * np.array([1, -1])
    assert info.claim_threshold(*mirrored, array) == pytest.approx(0.5, rel=1e-12)


@given(seed=SEEDS)
def test_claim_threshold_is_at_least_one_over_2m_at_a_common_angle_and_has_no_floor_otherwise(seed):
    """zhang (19) takes each maximum on its own: the loudest need not be the one at broadside."""
    gain, phi, array, *_ = draw_scene(seed)
    together = info.claim_threshold(gain, phi[0], array)
    assert together >= (1 - 1e-12) / (2 * len(gain))
    wide = UniformLinearArray(array.n_antennas + 1, array.spacing)
    apart = [info.claim_threshold([g, 1 / g], [np.pi / 2, 0.0], wide) for g in (1e2, 1e4)]
    assert apart[1] < 1e-3 * apart[0]


@given(seed=SEEDS)
def test_claim_2_is_claim_1_with_the_norm_written_out(seed):
    """zhang (20), (21) have one right-hand side, (74) being correct."""
    scene = draw_scene(seed)
    gain, phi, array, n_pilots, noise_variance = scene
    n_antennas = array.n_antennas
    spread = array.kappa**2 * np.max(np.cos(phi) ** 2) * (n_antennas - 1) * (2 * n_antennas - 1) / 6
    second = 2 + np.max(np.abs(gain) ** 2) * spread
    scale = 4 * len(gain) * n_pilots / noise_variance
    first = scale * loudest(gain, phi, array) * 0.7
    np.testing.assert_allclose(first, scale * second * 0.7, rtol=1e-10)
    np.testing.assert_allclose(info.claimed_trace_bound(0.7, *scene), first, rtol=1e-10)
    # And so it falls with the same BPSK pilots at -30 dB.
    low = bpsk_scene(-30)
    printed = 40 * 10 * bpsk_quad(1e-3) * (2 + 1e-3 * (np.pi * np.cos(0.3)) ** 2 * 7 * 15 / 6)
    assert np.trace(dense_fim(*low)) > 49 * printed


def mixture_trace(snr, eta):
    """Tr I of one BPSK pilot that the receiver does not know, as the chapter displays it."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    y = np.sqrt(snr) + nodes / np.sqrt(2)
    soft = np.tanh(2 * np.sqrt(snr) * y)
    terms = 4 * (y * soft - np.sqrt(snr)) ** 2 + 2 * (1 + snr * eta) * soft**2
    return weights @ terms / weights.sum()


@pytest.mark.parametrize("snr", [0.05, 0.5, 2.0])
def test_trace_with_unknown_pilots_equals_monte_carlo(snr):
    """Scores of the mixture over the pilot, by differences of its log-density, in the space of the
    antennas; tolerance of five standard errors."""
    array, rng, n = UniformLinearArray(4), np.random.default_rng(9), 200_000
    theta, step = np.array([np.sqrt(snr), 0.0, 0.3]), 1e-5

    def mean(at):
        return (at[0] + 1j * at[1]) * array.steering(at[2])

    def log_density(at):
        """Up to a constant: the mean of both likelihoods (4), log cosh kept from overflowing."""
        inner = 2 * np.real(x @ mean(at).conj())
        return np.logaddexp(inner, -inner) - np.sum(np.abs(mean(at)) ** 2)

    noise = rng.normal(size=(n, 4, 2)) @ [1, 1j] / np.sqrt(2)
    x = rng.choice([-1, 1], n)[:, None] * mean(theta) + noise
    moves = step * np.eye(3)
    scores = [(log_density(theta + m) - log_density(theta - m)) / (2 * step) for m in moves]
    sample = np.sum(np.square(scores), axis=0)
    eta = np.sum(np.abs(array.steering_derivative(0.3)) ** 2)
    assert abs(sample.mean() - mixture_trace(snr, eta)) < 5 * sample.std() / np.sqrt(n)


def test_one_unknown_pilot_breaks_claim_1_at_low_snr_and_ten_do_not():
    """zhang (20) with unknown pilots on both sides: Tr I / claimed tends to 12 / (8 T)."""
    eta = np.sum(np.abs(UniformLinearArray(8).steering_derivative(0.3)) ** 2)

    def ratio(snr, n_pilots):
        printed = 4 * n_pilots * (2 + snr * eta) * n_pilots * bpsk_quad(snr)
        return n_pilots * mixture_trace(snr, eta) / printed

    for n_pilots in (1, 10):
        assert ratio(1e-4, n_pilots) == pytest.approx(12 / (8 * n_pilots), rel=0.01)
    assert ratio(1e-4, 1) > ratio(1e-2, 1) > 1 > ratio(1.0, 1)
    assert all(ratio(snr, 10) < 1 for snr in np.logspace(-4, 2, 25))


# Claim 3 and what follows from it


@given(seed=SEEDS, n_bits=st.integers(1, 8))
def test_claim_3_is_true_from_one_bit_on_and_at_least_4btml_times_the_trace(seed, n_bits):
    """zhang (22): the same right-hand side with I = 2bMLT. With equal access points it is exactly
    4bTML times the trace, so that a pilot of no bits, which is a known pilot, breaks the claim."""
    scene = draw_scene(seed)
    gain, phi, array, n_pilots, noise_variance = scene
    size = n_bits * n_pilots * len(gain) * array.n_antennas
    printed = 8 * n_bits * n_pilots**2 * len(gain) ** 2 * array.n_antennas / noise_variance
    printed *= loudest(gain, phi, array)
    np.testing.assert_allclose(info.claimed_trace_bound(2 * size, *scene), printed, rtol=1e-12)
    assert printed >= 4 * size * info.fim_trace(*scene) * (1 - 1e-12)
    same = (np.full(len(gain), gain[0]), np.full(len(gain), phi[0]), *scene[2:])
    per_bit = info.claimed_trace_bound(2 * size / n_bits, *same)
    np.testing.assert_allclose(per_bit, 4 * size / n_bits * np.trace(dense_fim(*same)), rtol=1e-9)
    assert info.claimed_trace_bound(0.0, *scene) == 0 < info.fim_trace(*scene)


@given(seed=SEEDS)
def test_trace_bounds_of_the_inverse_by_cauchy_schwarz(seed):
    """zhang (25)-(29): mean squared error >= 9 M^2 / Tr I, with equality for equal eigenvalues.

    Re{W x} with Re{W J} = I is unbiased for x = J theta + n, with covariance
    sigma^2 / 2 Re{W W^H}; weighted least squares with any weights is such a W.
    """
    rng, noise_variance = np.random.default_rng(seed), 0.6
    n = 3 * int(rng.integers(1, 5))
    columns = rng.normal(size=(n + 2, n)) + 1j * rng.normal(size=(n + 2, n))
    rows = np.concatenate([columns.real, columns.imag])
    weighted = rows.T * rng.uniform(0.1, 10, len(rows))
    estimator = np.linalg.solve(weighted @ rows, weighted)
    np.testing.assert_allclose(estimator @ rows, np.eye(n), atol=1e-8)
    error = noise_variance / 2 * np.sum(estimator**2)
    assert error > n**2 / np.trace(fisher.gaussian_fim(columns, noise_variance))
    # Columns of one length at right angles make all eigenvalues equal; nothing is lost then.
    even = 0.7 * np.linalg.qr(rows)[0]
    fim = fisher.gaussian_fim(even[: n + 2] + 1j * even[n + 2 :], noise_variance)
    error = noise_variance / 2 * np.sum(np.linalg.pinv(even) ** 2)
    np.testing.assert_allclose(error, n**2 / np.trace(fim), rtol=1e-9)


@given(seed=SEEDS, n_bits=st.integers(1, 4))
def test_mse_bound_of_claim_3_is_true_with_a_gap_that_grows_with_everything(seed, n_bits):
    """zhang (30) <= Tr I^-1 / gap, gap = (8/9) M T b L (sqrt(5L-1) + sqrt(2L-1))^2 / (L+1)."""
    gain, phi, array, n_pilots, noise_variance = draw_scene(seed)
    n_antennas = array.n_antennas + 1  # L >= 2, or the angle has no bound
    array = UniformLinearArray(n_antennas, array.spacing)
    covariance = angle_gain.crlb(gain, phi, array, n_pilots, noise_variance)
    truth = np.trace(covariance, axis1=-2, axis2=-1).sum()
    spread = 8 * n_bits * n_pilots**2 * n_antennas * loudest(gain, phi, array)
    gap = smallest_gap(len(gain), n_antennas, n_pilots, n_bits)
    assert truth >= gap * 9 * noise_variance / spread * (1 - 1e-9)
    assert gap > 13  # and with no bits the printed bound is infinite, the truth is not
    assert np.isfinite(truth)


def smallest_gap(n_aps, n_antennas, n_pilots, n_bits):
    size = n_aps * n_pilots * n_bits * n_antennas
    roots = np.sqrt(5 * n_antennas - 1) + np.sqrt(2 * n_antennas - 1)
    return 8 / 9 * size * roots**2 / (n_antennas + 1)


@pytest.mark.parametrize(("size", "factor"), [((1, 2, 1, 1), 13.27), ((16, 16, 64, 2), 3.5805e5)])
def test_smallest_gap_of_the_mse_bound_is_reached(size, factor):
    """zhang (30): the gain that brings the printed bound nearest leaves this factor."""
    n_aps, n_antennas, n_pilots, n_bits = size
    array = UniformLinearArray(n_antennas)

    def gap(log_gain):
        gain, phi = np.full(n_aps, np.exp(log_gain)), np.full(n_aps, 0.3)
        covariance = angle_gain.crlb(gain, phi, array, n_pilots, 1.0)
        truth = np.trace(covariance, axis1=-2, axis2=-1).sum()
        return truth * 8 * n_bits * n_pilots**2 * n_antennas * loudest(gain, phi, array) / 9

    found = optimize.minimize_scalar(gap, bounds=(-8, 4), method="bounded")
    assert found.fun == pytest.approx(smallest_gap(*size), rel=1e-5)
    assert found.fun == pytest.approx(factor, rel=1e-3)


# The repaired theorem


def test_score_of_a_digest_is_the_mean_score_of_its_cell():
    """One bit Re(w^H x) > tau: E[S|q] gives the FIM that differentiating P(q) gives.

    It looks where the angle moves the mean, and tau is the mean, so that the bit says much.
    """
    gain, phi, noise_variance = np.array([0.8 - 0.5j]), np.array([0.3]), 0.7
    array, rng = UniformLinearArray(4), np.random.default_rng(3)
    slopes = jacobian(gain[0], phi[0], array)
    weights = slopes[:, 2]
    tau = np.real(np.vdot(weights, gain[0] * array.steering(phi[0])))
    deviation = np.sqrt(noise_variance / 2) * np.linalg.norm(weights)

    def probability(theta):
        mean = (theta[0] + 1j * theta[1]) * array.steering(theta[2])
        return stats.norm.sf(tau, np.real(np.vdot(weights, mean)), deviation)

    theta = np.array([gain[0].real, gain[0].imag, phi[0]])
    step = 1e-5
    slope = [probability(theta + e) - probability(theta - e) for e in step * np.eye(3)]
    slope = np.array(slope) / (2 * step)
    fim = np.sum(np.square(slope)) / (probability(theta) * (1 - probability(theta)))
    formula, _ = one_bit_fim(slopes, weights, 0.0, noise_variance)
    assert np.trace(formula) == pytest.approx(fim, rel=1e-8)

    n = 400_000
    noise = rng.normal(size=(n, 4, 2)) @ [1, 1j] * np.sqrt(noise_variance / 2)
    x = gain[0] * array.steering(phi[0]) + noise
    scores = 2 / noise_variance * np.real(noise @ slopes.conj())
    bit = np.real(x @ weights.conj()) > tau
    cells = [(np.mean(bit == q), scores[bit == q].mean(axis=0)) for q in (False, True)]
    sampled = sum(p * np.sum(v**2) for p, v in cells)
    # Each cell mean is off by at most sqrt(Tr I / n p); the square doubles it.
    trace = info.fim_trace(gain, phi, array, 1, noise_variance)
    tolerance = 10 * np.sqrt(trace * fim / n) + 25 * trace / n
    assert tolerance < 0.021 * fim
    assert sampled == pytest.approx(fim, abs=tolerance)


@given(seed=SEEDS)
def test_repaired_theorem_for_random_one_bit_digests(seed):
    """Exact I_Q of a threshold on a projection w of x, against the bound and its unit-free form.

    Half of the projections are in the direction of the largest eigenvalue, the others anywhere
    in the span of the Jacobian; to both a random share of foreign noise is added.
    """
    gain, phi, array, n_pilots, noise_variance = draw_scene(seed)
    array = UniformLinearArray(array.n_antennas + 1, array.spacing)  # an invertible FIM
    scene = gain, phi, array, n_pilots, noise_variance
    rng, fim = np.random.default_rng(seed), dense_fim(*scene)
    slopes = whole_jacobian(*scene[:4])
    anywhere = rng.normal(size=len(fim)) / np.sqrt(np.diag(fim))
    weights = slopes @ (np.linalg.eigh(fim)[1][:, -1] if seed % 2 else anywhere)
    foreign = rng.normal(size=(len(slopes), 2)) @ [1, 1j]
    size = np.linalg.norm(weights) / np.linalg.norm(foreign)
    weights = weights + 10 ** rng.uniform(-3, 1) * size * foreign
    digest, entropy = one_bit_fim(slopes, weights, rng.normal(scale=2), noise_variance)
    assert np.trace(digest) <= info.digest_trace_bound(entropy / LN2, *scene)
    assert np.trace(digest) <= info.digest_trace_bound(1, *scene)
    n, kept = len(fim), unit_free_trace(fim, digest)
    assert kept <= 2 * entropy
    assert kept <= n * (1 - np.exp(-2 * entropy / n))


@pytest.mark.parametrize("n_cells", [2, 3, 8, 32])
def test_repaired_theorem_for_random_vector_digests(n_cells):
    """Nearest-of-n cells of the whitened score, centred by k-means, by Monte Carlo.

    The sampled Tr(I^-1 I_Q) is too high by at most n_cells 6 / n on average. The cells are good
    enough to keep half of what the entropy allows, so a bound of half the height would show.
    """
    scene = draw_scene(n_cells, n_aps=2)
    fim = dense_fim(*scene)
    rng, n = np.random.default_rng(n_cells), 100_000
    root = np.linalg.cholesky(fim)
    white = rng.normal(size=(n, 6))
    scores = white @ root.T
    centres = rng.normal(size=(n_cells, 6))
    for _ in range(20):
        cell = np.argmax(white @ centres.T - np.sum(centres**2, axis=1) / 2, axis=1)
        share = np.bincount(cell, minlength=n_cells) / n
        centres = np.stack([np.bincount(cell, z, n_cells) for z in white.T], axis=1)
        centres /= n * share[:, None]
    means = np.stack([np.bincount(cell, s, n_cells) for s in scores.T], axis=1)
    means /= n * share[:, None]
    digest = (means * share[:, None]).T @ means
    entropy = np.sum(special.entr(share))
    kept, most = np.trace(np.linalg.solve(fim, digest)), 6 * (1 - np.exp(-entropy / 3))
    assert most / 2 < kept < most + 60 * n_cells / n
    slack = 10 * n_cells * np.trace(fim) / n
    assert np.trace(digest) <= info.digest_trace_bound(entropy / LN2, *scene) + slack
    assert np.trace(digest) > 0.02 * np.trace(fim)  # the digests do carry something


def test_sign_bit_keeps_two_over_pi_of_the_dominant_direction():
    """Tr I_Q = (2/pi) lambda_max, which 2 lambda_max ln 2 allows; no other projection has more."""
    scene = draw_scene(4)
    lam = info.largest_eigenvalue(*scene)
    slopes, noise_variance = whole_jacobian(*scene[:4]), scene[4]
    values, vectors = np.linalg.eigh(dense_fim(*scene))
    for value, vector in zip(values, vectors.T, strict=True):
        sign_fim, entropy = one_bit_fim(slopes, slopes @ vector, 0.0, noise_variance)
        np.testing.assert_allclose(
            sign_fim, 2 / np.pi * value * np.outer(vector, vector), atol=1e-9 * lam
        )
    assert entropy == pytest.approx(LN2)
    assert np.trace(sign_fim) == pytest.approx(2 / np.pi * lam, rel=1e-9)
    assert np.trace(sign_fim) < info.digest_trace_bound(1, *scene) <= 2 * LN2 * lam * (1 + 1e-12)
    rng = np.random.default_rng(4)
    for weights in rng.normal(size=(20, len(slopes), 2)) @ [1, 1j]:
        other, _ = one_bit_fim(slopes, weights, 0.0, noise_variance)
        assert np.trace(other) < np.trace(sign_fim)


@pytest.mark.parametrize(("n_bits", "distortion"), [(1, 0.3634), (2, 0.1175), (3, 0.03454)])
def test_lloyd_max_quantisers_keep_one_minus_their_distortion_within_the_bound(n_bits, distortion):
    """Max's table of 1960 against the fixed point, and Tr I_Q against both forms of the bound."""
    levels = stats.norm.ppf((np.arange(2**n_bits) + 0.5) / 2**n_bits)
    for _ in range(2000):
        edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        share = np.diff(stats.norm.cdf(edges))
        levels = -np.diff(stats.norm.pdf(edges)) / share
    kept = np.sum(share * levels**2)
    assert kept == pytest.approx(1 - distortion, abs=1e-4)
    scene = draw_scene(9)
    bound = info.digest_trace_bound(np.sum(special.entr(share)) / LN2, *scene)
    assert kept * info.largest_eigenvalue(*scene) <= bound
    assert kept <= 2 * np.sum(special.entr(share))
    # The sharp form of one direction: a quantiser is above the rate-distortion function.
    assert kept < 1 - np.exp(-2 * np.sum(special.entr(share)))


def test_constant_two_of_the_repaired_theorem_cannot_be_lowered():
    """A rare alarm, score above t standard deviations: Tr I_Q / (lambda I) climbs to 2."""
    t = np.array([1.2, 2.0, 5.0, 10.0, 35.0])
    p, log_p = stats.norm.sf(t), stats.norm.logsf(t)
    hazard = np.exp(stats.norm.logpdf(t) - log_p)
    trace_over_p = hazard**2 / (1 - p)
    entropy_over_p = -log_p - (1 - p) * np.log1p(-p) / p
    ratio = trace_over_p / entropy_over_p
    assert np.all(np.diff(ratio) > 0)
    assert np.all((ratio > 1) & (ratio < 2))
    assert ratio[-1] > 1.98


@given(seed=SEEDS)
def test_useful_bits_are_below_2_17_per_access_point(seed):
    """3M / (2 ln 2) bits at most; beyond them the bound is Tr I_x, whatever T and the noise."""
    scene = draw_scene(seed)
    gain, phi, array = scene[:3]
    bits = info.useful_bits(gain, phi, array)
    assert bits <= 3 * len(gain) / (2 * LN2)
    assert 3 / (2 * LN2) < 2.17
    trace = info.fim_trace(*scene)
    np.testing.assert_allclose(info.digest_trace_bound(bits * 1.0001, *scene), trace, rtol=1e-12)
    np.testing.assert_allclose(info.digest_trace_bound(bits / 2, *scene), trace / 2, rtol=1e-12)
    assert info.digest_trace_bound(0, *scene) == 0


# Shapes and bad input


def test_leading_axes_broadcast():
    gain, phi = np.ones((5, 1, 3)), np.full(3, 0.2)
    scene = (gain, phi, UniformLinearArray(4), [1, 2, 4, 8], 0.5)
    assert info.fim_trace(*scene).shape == (5, 4)
    assert info.largest_eigenvalue(*scene).shape == (5, 4)
    assert info.claimed_trace_bound(0.1, *scene).shape == (5, 4)
    assert info.digest_trace_bound(3, *scene).shape == (5, 4)
    one = info.fim_trace(np.ones(3), phi, UniformLinearArray(4), 8, 0.5)
    assert info.fim_trace(*scene)[2, 3] == pytest.approx(one, rel=1e-14)
    assert info.bpsk_information(np.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": 1.0, "phi": 0.3}, "gain and phi must have shape"),
        ({"gain": []}, "gain and phi must have shape"),
        ({"phi": []}, "gain and phi must have shape"),
        ({"gain": [1.0, 2.0], "phi": [0.1, 0.2, 0.3]}, "gain and phi must broadcast"),
        ({"gain": [np.nan]}, "gain must be finite"),
        ({"phi": [np.inf]}, "phi must be finite"),
        ({"n_pilots": 0}, "n_pilots must be a whole number >= 1"),
        ({"n_pilots": 1.5}, "n_pilots must be a whole number >= 1"),
        ({"noise_variance": 0.0}, "noise_variance must be > 0"),
        ({"noise_variance": -1.0}, "noise_variance must be > 0"),
    ],
)
def test_bad_scene_is_refused(change, message):
    scene = {
        "gain": [1.0], "phi": [0.3], "array": UniformLinearArray(4),
        "n_pilots": 2, "noise_variance": 1.0,
    } | change  # fmt: skip
    for function in (info.fim_trace, info.largest_eigenvalue):
        with pytest.raises(ValueError, match=message):
            function(**scene)
    with pytest.raises(ValueError, match=message):
        info.claimed_trace_bound(0.5, **scene)
    with pytest.raises(ValueError, match=message):
        info.digest_trace_bound(1, **scene)


def test_bad_information_is_refused():
    scene = ([1.0], [0.3], UniformLinearArray(4))
    with pytest.raises(ValueError, match="mutual_information must be >= 0"):
        info.claimed_trace_bound(-0.1, *scene, 1, 1.0)
    with pytest.raises(ValueError, match="n_bits must be >= 0"):
        info.digest_trace_bound(-1, *scene, 1, 1.0)
    with pytest.raises(ValueError, match="snr must be >= 0"):
        info.bpsk_information(-0.1)
    with pytest.raises(ValueError, match="snr must be finite"):
        info.bpsk_information(np.nan)
    for function in (info.claim_threshold, info.useful_bits):
        with pytest.raises(ValueError, match="gain and phi must have shape"):
            function(1.0, 0.3, UniformLinearArray(4))
        with pytest.raises(ValueError, match="gain and phi must have shape"):
            function([1.0], [], UniformLinearArray(4))
