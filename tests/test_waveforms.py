"""Waveforms of fan: SymPy sums, brute-force transmitters, limits, Monte Carlo, bad input."""

import tracemalloc

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cfisac import fisher, waveforms
from cfisac.waveforms import OFDM, OTFS, FlatSpectrum

QUICK = settings(deadline=None, max_examples=30)
FRAMES = st.integers(0, 2**32 - 1).map(lambda seed: Frame(np.random.default_rng(seed)))
SMALL = [(6, 5), (4, 1), (1, 4), (5, 4)]


class Frame:
    """A random small OTFS frame, a path whose delay is no whole number of samples, symbols."""

    def __init__(self, rng, fraction=(0.15, 0.85)):
        self.rng = rng
        self.M, self.N = (int(each) for each in rng.integers(1, 8, 2))
        self.spacing = 10 ** rng.uniform(3, 6)
        self.otfs = OTFS(self.M, self.N, self.spacing)
        self.late = rng.integers(self.M * self.N) + rng.uniform(*fraction)
        self.delay = self.late * self.otfs.sample_period
        self.doppler = rng.uniform(-1.5, 1.5) * self.spacing
        self.grid = gaussian(rng, self.N, self.M)


def gaussian(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def qpsk(rng, *shape):
    return np.exp(0.5j * np.pi * rng.integers(4, size=shape))


def to_time_frequency(grid):
    """fan_conf (1), the double sum."""
    n_rows, n_columns = grid.shape
    k, ell = np.arange(n_rows)[:, None], np.arange(n_columns)
    out = np.empty(grid.shape, complex)
    for n in range(n_rows):
        for m in range(n_columns):
            out[n, m] = np.sum(grid * np.exp(2j * np.pi * (n * k / n_rows - m * ell / n_columns)))
    return out / np.sqrt(grid.size)


def from_time_frequency(received):
    """The SFFT, the double sum that undoes (1)."""
    n_rows, n_columns = received.shape
    n, m = np.arange(n_rows)[:, None], np.arange(n_columns)
    out = np.empty(received.shape, complex)
    for k in range(n_rows):
        for ell in range(n_columns):
            turns = n * k / n_rows - m * ell / n_columns
            out[k, ell] = np.sum(received * np.exp(-2j * np.pi * turns))
    return out / np.sqrt(received.size)


def transmitter(grid, sign=1):
    """fan_conf (2) with a rectangular pulse, 1 / sqrt(M) high, and a CP; time in symbols.

    ``sign`` is that of the exponent: -1 as printed.
    """
    symbols = to_time_frequency(grid)
    n_rows, n_columns = grid.shape

    def signal(t):
        symbol = np.floor(t).astype(int)
        carriers = np.exp(sign * 2j * np.pi * np.arange(n_columns) * (t - symbol)[..., None])
        return np.sum(symbols[symbol % n_rows] * carriers, axis=-1) / np.sqrt(n_columns)

    return signal


def receiver(signal, shape, oversampling=1, middle=0.0):
    """fan_conf (6) as a sum over M samples per symbol (1), or nearly the integral (many)."""
    n_rows, n_columns = shape
    inside = (np.arange(oversampling * n_columns) + middle) / (oversampling * n_columns)
    samples = signal(np.arange(n_rows)[:, None] + inside)
    carriers = np.exp(-2j * np.pi * inside[:, None] * np.arange(n_columns))
    return samples @ carriers / np.sqrt(n_columns) / oversampling


def simulate(grid, late, doppler, **choices):
    """Delay–Doppler grid received over a path; delay in samples, Doppler shift in 1 / T."""
    sent, delay = transmitter(grid), late / grid.shape[1]

    def received(t):
        return sent(t - delay) * np.exp(2j * np.pi * doppler * (t - delay))

    return from_time_frequency(receiver(received, grid.shape, **choices))


def derivatives(function, at, steps):
    """One column per parameter of ``function(*at)``."""
    return oracle.derivatives(lambda each: function(*each).ravel(), at, steps)


def factor(operator, waveform, delay, doppler):
    """An operator as one long factor with its derivatives in units of the covariance's roots."""
    at = np.array([delay, doppler])
    steps = np.array([0.01 * waveform.sample_period, 0.01 / waveform.frame_duration])
    return operator(delay, doppler).ravel(), derivatives(operator, at, steps)


def assert_covariance(actual, expected, tolerance=1e-9):
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(actual / np.outer(scale, scale), np.eye(2), atol=tolerance)


# ------------------------------------------------------------------------------- symbolic


def symbols():
    return sp.symbols("M N", integer=True, positive=True), sp.symbols("T D", positive=True)


def variance(value, *indices):
    """Variance of ``value`` over index ranges 0 .. size - 1, by symbolic sums."""

    def mean(term):
        for index, size in indices:
            term = sp.summation(sp.expand(term), (index, 0, size - 1)) / size
        return term

    return sp.factor(sp.simplify(mean(value**2) - mean(value) ** 2))


def test_covariance_is_the_variance_of_subcarriers_and_of_sample_times():
    """fan_conf (33): d_33 / MN and d_44 / MN for any M, N, T, by SymPy; so for OFDM."""
    (M, N), (T, D) = symbols()
    m, n, ell = sp.symbols("m n l", integer=True, nonnegative=True)
    frequencies = variance(2 * sp.pi * m * D, (m, M))
    times = variance(2 * sp.pi * (n * T + ell / (M * D)), (n, N), (ell, M))
    assert sp.simplify(frequencies - (2 * sp.pi * D) ** 2 * (M**2 - 1) / 12) == 0
    critical = (2 * sp.pi * T / M) ** 2 * ((M * N) ** 2 - 1) / 12
    assert sp.simplify(times.subs(D, 1 / T) - critical) == 0
    for sizes in SMALL:
        values = {M: sizes[0], N: sizes[1], D: 15e3}
        for period in (1 / 15e3, 1.3 / 15e3):
            covariance = OTFS(*sizes, 15e3, symbol_duration=period).delay_doppler_covariance()
            expected = [float(each.subs(values).subs(T, period)) for each in (frequencies, times)]
            np.testing.assert_allclose(covariance, np.diag(expected), rtol=1e-12)
        with_cp = variance(2 * sp.pi * n * T, (n, N)).subs(values).subs(T, 1 / 15e3 + 2e-5)
        covariance = OFDM(*sizes, 15e3, cp_duration=2e-5).delay_doppler_covariance()
        expected = [float(frequencies.subs(values)), float(with_cp)]
        np.testing.assert_allclose(covariance, np.diag(expected), rtol=1e-12)


def test_closed_sums_give_a_covariance_without_delay():
    """fan_conf (31), (33): with T Delta f = 1 the wrapped g only moves the mean of the times."""
    (M, N), (T, _) = symbols()
    late, ell = sp.symbols("l_tau l", integer=True, nonnegative=True)
    plain = ell * T / M
    sums = [
        sp.summation(sp.expand(plain**power), (ell, 0, M - late - 1))
        + sp.summation(sp.expand((plain - T) ** power), (ell, M - late, M - 1))
        for power in (1, 2)
    ]
    first = sp.pi * (T * (N - 1) * M * N + 2 * N * sums[0])  # (31c) without its j
    second = (2 * sp.pi * T) ** 2 * (N - 1) * M * N * (2 * N - 1) / 6  # (31f)
    second += (2 * sp.pi) ** 2 * N * (sums[1] + T * (N - 1) * sums[0])
    d_44 = second - first**2 / (M * N)
    expected = (2 * sp.pi * T / M) ** 2 * M * N * ((M * N) ** 2 - 1) / 12
    assert sp.simplify(d_44 - expected) == 0


def test_flat_spectrum_is_the_variance_of_a_uniform_band():
    f, W, centre = sp.symbols("f W f_c", positive=True)
    moments = [sp.integrate(f**k / W, (f, centre - W / 2, centre + W / 2)) for k in (1, 2)]
    expected = (2 * sp.pi) ** 2 * sp.expand(moments[1] - moments[0] ** 2)
    for bandwidth in (1.0, 20e6):
        assert np.isclose(
            FlatSpectrum(bandwidth).delay_variance, float(expected.subs(W, bandwidth))
        )


def test_symplectic_transform_is_undone_for_any_grid():
    """fan_conf (1): unitary, with the SFFT as inverse; orthogonality by SymPy, both by sums."""
    size, lag = sp.symbols("M d", integer=True, positive=True)
    ratio = sp.exp(2 * sp.pi * sp.I * lag / size)
    geometric = (1 - ratio**size) / (1 - ratio)  # the sum of ratio**m over m, for ratio != 1
    assert sp.simplify(sp.expand_power_base(ratio**size, force=True)) == 1
    assert sp.simplify(geometric) == 0
    grid = gaussian(np.random.default_rng(1), 5, 6)
    np.testing.assert_allclose(from_time_frequency(to_time_frequency(grid)), grid, atol=1e-13)
    energy = np.linalg.norm(to_time_frequency(grid))
    np.testing.assert_allclose(energy, np.linalg.norm(grid), rtol=1e-13)


# ------------------------------------------------------------- the operator, sample by sample


@QUICK
@given(FRAMES)
def test_operator_and_apply_equal_the_continuous_transmitter(frame):
    """fan_conf (9) mended: any delay and Doppler shift, against (1), (2), (6) written out."""
    doppler = frame.doppler / frame.spacing
    expected = simulate(frame.grid, frame.late, doppler)
    dense = frame.otfs.operator(frame.delay, frame.doppler) @ frame.grid.ravel()
    fast = frame.otfs.apply(frame.grid, frame.delay, frame.doppler)
    np.testing.assert_allclose(dense.reshape(fast.shape), expected, atol=1e-12)
    np.testing.assert_allclose(fast, expected, atol=1e-12)


@QUICK
@given(FRAMES, st.integers(0, 48))
def test_whole_delays_land_on_the_sample_they_name(frame, whole):
    """A delay written as a float may miss its whole number of samples by a rounding."""
    whole %= frame.M * frame.N
    for delay in (whole / frame.otfs.bandwidth, whole * frame.otfs.sample_period):
        delay = min(delay, np.nextafter(frame.otfs.frame_duration, 0))
        fast = frame.otfs.apply(frame.grid, delay, frame.doppler)
        shifted = np.roll(np.fft.ifft(frame.grid, axis=0).ravel(), whole)
        ramp = (np.arange(shifted.size) - whole) * frame.otfs.sample_period * frame.doppler
        by_roll = (shifted * np.exp(2j * np.pi * ramp)).reshape(frame.N, frame.M)
        np.testing.assert_allclose(fast, np.fft.fft(by_roll, axis=0), atol=1e-12)


@QUICK
@given(FRAMES)
def test_operators_are_unitary(frame):
    """Exact, printed and mended: the claim behind fan_conf (31a)."""
    identity = np.eye(frame.M * frame.N)
    exact = frame.otfs.operator(frame.delay, frame.doppler)
    np.testing.assert_allclose(exact.conj().T @ exact, identity, atol=1e-12)
    within = (frame.late % frame.M) * frame.otfs.sample_period
    for mended in (False, True):
        psi = frame.otfs.printed_operator(within, frame.doppler, mended)
        np.testing.assert_allclose(psi.conj().T @ psi, identity, atol=1e-12)


@QUICK
@given(FRAMES)
def test_printed_operator_is_exact_at_whole_delays(frame):
    """fan_conf (9), either sign, any Doppler shift."""
    delay = int(frame.late % frame.M) * frame.otfs.sample_period
    exact = frame.otfs.operator(delay, frame.doppler)
    for mended in (False, True):
        printed = frame.otfs.printed_operator(delay, frame.doppler, mended)
        np.testing.assert_allclose(printed, exact, atol=1e-12)


@pytest.mark.parametrize("late", [0.5, 2.5, 3.2])
def test_error_of_the_mended_form_is_what_crosses_the_edges(late):
    """fan_conf (9) between the samples, no Doppler shift: 1 / sqrt(M) for a fixed delay."""
    errors, free, edge = [], [], int(np.ceil(late))
    for M in (8, 32, 128):
        otfs, at = OTFS(M, 3, 1.0), late / M
        difference = otfs.operator(at, 0.0) - otfs.printed_operator(at, 0.0, mended=True)
        errors.append(np.linalg.norm(difference) / np.sqrt(3 * M))
        lag = np.subtract.outer(np.arange(edge), np.arange(M - edge, M)) + M - late
        weights = np.sin(np.pi * lag) ** 2 / (M * np.sin(np.pi * lag / M)) ** 2
        assert np.isclose(errors[-1] ** 2, 4 / M * (edge - weights.sum()), rtol=1e-9)
        # As printed, the sign of the fraction is wrong as well: no better for a larger M ...
        raw = otfs.operator(at, 0.0) - otfs.printed_operator(at, 0.0)
        floor = 2 * abs(np.sin(np.pi * late))
        assert np.linalg.norm(raw) / np.sqrt(3 * M) > 0.9 * floor
        # ... but most of it is a phase. After the best gain, the printed form is like the mended.
        forms = [otfs.printed_operator(at, 0.0, mended) for mended in (False, True)]
        match = [abs(np.vdot(otfs.operator(at, 0.0), form)) / (3 * M) for form in forms]
        free.append(np.sqrt(1 - np.square(match)))
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2
    printed, mended = np.array(free).T
    assert np.all(mended < printed)
    assert np.all(printed < 2 * mended)
    assert np.all((printed[:-1] / printed[1:] > 1.6) & (printed[:-1] / printed[1:] < 2.4))


def test_printed_signs_contradict_each_other():
    """fan_conf (1), (2), (6), (9): with (1) and (6) the sign of (2) and of (9) must be turned."""
    rng = np.random.default_rng(2)
    grid = gaussian(rng, 4, 6)
    back = from_time_frequency(receiver(transmitter(grid), grid.shape))
    np.testing.assert_allclose(back, grid, atol=1e-12)
    printed = from_time_frequency(receiver(transmitter(grid, sign=-1), grid.shape))
    mirrored = grid[:, -np.arange(6) % 6]  # no channel at all, and delay bin l comes as bin -l
    np.testing.assert_allclose(printed, mirrored, atol=1e-12)
    # The other repair turns (1) and (6) instead. The kernel of (9) as printed belongs to it.
    psi = np.stack([turned_chain(each.reshape(3, 8), 2.3).ravel() for each in np.eye(24)], axis=1)
    otfs, errors = OTFS(8, 3, 1.0), []
    for exact in (psi, otfs.operator(2.3 / 8, 0.0)):
        for mended in (False, True):
            difference = otfs.printed_operator(2.3 / 8, 0.0, mended) - exact
            errors.append(np.linalg.norm(difference) / np.sqrt(24))
    assert np.isclose(errors[0], errors[3], rtol=1e-9)  # each with its own chain
    assert min(errors[1], errors[2]) > 2 * errors[0]


def test_printed_operator_belongs_to_the_chain_with_1_and_6_turned():
    """fan_conf (9) as printed, for (2) as printed: the other place that the one slip may have."""
    errors = []
    for m, late in ((8, 3.0), (8, 2.5), (32, 2.5)):
        columns = [turned_chain(each.reshape(2, m), late).ravel() for each in np.eye(2 * m)]
        printed = OTFS(m, 2, 1.0).printed_operator(late / m, 0.0)
        errors.append(np.linalg.norm(np.transpose(columns) - printed) / np.sqrt(2 * m))
    assert errors[0] < 1e-9  # whole delays
    assert 1.8 < errors[1] / errors[2] < 2.2  # between the samples it falls like 1 / sqrt(M)


def turned_chain(grid, late):
    """(1) with exp(+j 2 pi m l / M), (2) as printed, (6) with exp(+j...): carriers at -m."""
    sent = transmitter(grid[:, -np.arange(grid.shape[1]) % grid.shape[1]], sign=-1)
    return from_time_frequency(receiver(lambda t: sent(t - late / grid.shape[1]), grid.shape))


def test_wigner_sum_is_exact_and_the_integral_is_not():
    """fan_conf (6): over M samples per symbol (9) is exact; as an integral it is not."""
    rng = np.random.default_rng(3)
    errors = []
    for M in (8, 32):
        grid = qpsk(rng, 4, M)
        exact = OTFS(M, 4, 1.0).apply(grid, 3 / M, 0.0)
        np.testing.assert_allclose(simulate(grid, 3 - 1e-12, 0.0), exact, atol=1e-9)
        many = simulate(grid, 3.0, 0.0, oversampling=64, middle=0.5)
        errors.append(np.linalg.norm(many - exact) / np.linalg.norm(exact))
        still = simulate(grid, 0.0, 0.0, oversampling=64, middle=0.5)
        np.testing.assert_allclose(still, grid, atol=1e-9)
    assert 0.3 < errors[0] < 0.6
    assert 1.4 < errors[0] / errors[1] < 2.8  # halves when M is four times as large


# --------------------------------------------------------------------------------- the modem


@QUICK
@given(FRAMES)
def test_round_trip_through_the_channel_is_the_operator(frame):
    cp = min(int(np.ceil(frame.late)), frame.M * frame.N)
    sent = frame.otfs.modulate(frame.grid, cp)
    received = frame.otfs.channel(sent, frame.delay, frame.doppler, cp)
    grid = frame.otfs.demodulate(received, cp)
    expected = frame.otfs.apply(frame.grid, frame.delay, frame.doppler)
    np.testing.assert_allclose(grid, expected, atol=1e-12)
    np.testing.assert_allclose(frame.otfs.demodulate(sent, cp), frame.grid, atol=1e-13)


def test_channel_is_the_delayed_signal_from_the_first_sample_on():
    """Silence, then the CP, then the frame, each with its own phase."""
    rng = np.random.default_rng(4)
    otfs, grid, cp, late, doppler = OTFS(6, 3, 1.0), gaussian(rng, 3, 6), 5, 3.4, 0.3
    received = otfs.channel(otfs.modulate(grid, cp), late / 6, doppler, cp)
    t = np.arange(-cp, 18) / 6 - late / 6
    expected = transmitter(grid)(t) * np.exp(2j * np.pi * doppler * t)
    expected[t < -cp / 6] = 0
    np.testing.assert_allclose(received, expected, atol=1e-12)
    assert np.count_nonzero(received == 0) == 4


def test_modulator_is_the_two_sums_of_the_paper():
    """fan_conf (1), (2) sampled at the rate M Delta f, after the CP."""
    grid = gaussian(np.random.default_rng(5), 4, 6)
    samples = OTFS(6, 4, 30e3).modulate(grid, 7)
    np.testing.assert_allclose(samples, transmitter(grid)(np.arange(-7, 24) / 6), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(samples[7:]), np.linalg.norm(grid), rtol=1e-13)


def test_power_is_the_sum_of_the_coefficients():
    """fan_conf (3): for independent unit-energy symbols, a pulse 1 / sqrt(M) high, unit beams."""
    rng = np.random.default_rng(6)
    otfs, powers = OTFS(5, 3, 1.0), np.array([0.3, 1.1, 0.6])
    beams = gaussian(rng, 3, 4)
    beams /= np.linalg.norm(beams, axis=1, keepdims=True)
    # E over the symbols: the energy of every column of the modulator, beam by beam.
    columns = otfs.modulate(np.eye(15).reshape(15, 3, 5), 0)  # (symbol, sample)
    per_sample = np.sum(np.abs(columns) ** 2, axis=0)
    np.testing.assert_allclose(per_sample, 1, rtol=1e-12)
    draws = qpsk(rng, 4000, 3, 3, 5) * np.sqrt(powers)[:, None, None]
    signals = otfs.modulate(draws, 0)  # (draw, beam, sample)
    power = np.sum(np.abs(np.einsum("dbs,ba->das", signals, beams)) ** 2, axis=1).mean(axis=1)
    error = power.std() / np.sqrt(len(power))
    assert abs(power.mean() - powers.sum()) < 5 * error
    scalar = np.mean(np.abs(signals.sum(axis=1)) ** 2, axis=1)
    assert abs(scalar.mean() - powers.sum()) < 5 * scalar.std() / np.sqrt(len(power))
    longer = np.sum(np.abs(np.einsum("dbs,ba->das", signals, 2 * beams)) ** 2, axis=1)
    assert np.isclose(longer.mean(), 4 * power.mean())  # beams of norm 2: the power is not (3)


def user_scene():
    """One user, two access points of three antennas, two beams, two paths each."""
    rng = np.random.default_rng(7)
    otfs, size = OTFS(5, 4, 1.0), 20
    scene = {
        "late": rng.integers(0, 4, (2, 2)),
        "doppler": rng.uniform(-0.3, 0.3, (2, 2)),
        "paths": gaussian(rng, 2, 2, 3),  # (AP, path, antenna)
        "beams": gaussian(rng, 2, 2, 2, 3),  # (AP, beam, path, antenna), the estimates
        "symbols": qpsk(rng, 2, 4, 5),
        "powers": rng.uniform(0.5, 2, (2, 2)),
    }

    def matrix(ap, vectors):
        psi = otfs.operator(scene["late"][ap] / 5, scene["doppler"][ap])
        return sum(np.kron(row, each) for row, each in zip(vectors[:, None], psi, strict=True))

    return otfs, size, scene, matrix


def user_signal(channels):
    """fan_conf (7) with the channel ``channels(ap, q)`` in front of the beam meant for user q."""
    _, size, scene, matrix = user_scene()
    vector = np.zeros(size, complex)
    for ap in range(2):
        for q in range(2):
            precoder = matrix(ap, scene["beams"][ap, q]).conj().T
            sent = np.sqrt(scene["powers"][ap, q]) * precoder @ scene["symbols"][q].ravel()
            vector += matrix(ap, channels(ap, q)) @ sent
    return vector


def user_samples():
    """What the antennas send and user 0 receives, in samples: (1), (2), (4), (6)."""
    otfs, _, scene, matrix = user_scene()
    samples = 0
    for ap in range(2):
        sent = sum(
            np.sqrt(scene["powers"][ap, q])
            * (matrix(ap, scene["beams"][ap, q]).conj().T @ scene["symbols"][q].ravel())
            for q in range(2)
        )
        per_antenna = otfs.modulate(sent.reshape(3, 4, 5), 4)
        for path in range(2):
            late, doppler = scene["late"][ap, path], scene["doppler"][ap, path]
            arrived = otfs.channel(per_antenna, late / 5, doppler, 4)
            samples = samples + scene["paths"][ap, path] @ arrived
    return otfs.demodulate(samples, 4).ravel()


def test_user_channel_is_a_sum_of_kronecker_products():
    """fan_conf (8): antenna by antenna and path by path in samples, against H."""
    paths = user_scene()[2]["paths"]
    np.testing.assert_allclose(user_signal(lambda ap, _: paths[ap]), user_samples(), atol=1e-12)


def test_every_beam_reaches_a_user_over_the_users_own_channel():
    """fan_conf (7): H_pq in all sums; as printed, with H_pq', it is another signal."""
    paths = user_scene()[2]["paths"]
    others = gaussian(np.random.default_rng(14), *paths.shape)  # the channels of user 1
    actual = user_samples()
    np.testing.assert_allclose(user_signal(lambda ap, _: paths[ap]), actual, atol=1e-12)
    printed = user_signal(lambda ap, q: (others if q else paths)[ap])
    assert np.linalg.norm(printed - actual) > 0.3 * np.linalg.norm(actual)


def test_precoder_must_run_over_its_own_paths():
    """fan_conf (5): the estimate's own delays and Doppler shifts, undone before sending."""
    otfs, size, scene, matrix = user_scene()
    ap, q = 0, 1
    frame = otfs.modulate(scene["symbols"][q], 0)
    time, sent = np.arange(size), np.zeros((3, size), complex)
    for path in range(2):  # s(t + tau) exp(-j 2 pi nu t) along conj(h), cyclic like the CP
        late, doppler = scene["late"][ap, path], scene["doppler"][ap, path]
        t = np.where(time + late < size, time, time - size)
        advanced = np.roll(frame, -late) * np.exp(-2j * np.pi * doppler * t / 5)
        sent += np.conj(scene["beams"][ap, q, path])[:, None] * advanced
    adjoint = matrix(ap, scene["beams"][ap, q]).conj().T @ scene["symbols"][q].ravel()
    precoded = otfs.demodulate(sent, 0)
    np.testing.assert_allclose(precoded.reshape(-1), adjoint, atol=1e-12)
    # Read literally, both impulse responses at one (tau, nu): each path meets its own beam only.
    vector = matrix(ap, scene["paths"][ap]) @ adjoint
    literal = sum(
        h @ np.conj(estimate) * otfs.apply(scene["symbols"][q], late / 5, doppler)
        for h, estimate, late, doppler in zip(
            scene["paths"][ap], scene["beams"][ap, q], scene["late"][ap], scene["doppler"][ap],
            strict=True,
        )
    )  # fmt: skip
    assert np.linalg.norm(literal.ravel() - vector) > 0.5 * np.linalg.norm(vector)


def test_advancing_the_signal_is_the_adjoint_at_whole_delays_only():
    """fan_conf (5) repaired: s(t + tau) joins, then shifts; between samples that is not Psi^H."""
    rng, doppler, errors = np.random.default_rng(15), 0.21, []
    for M, late in ((5, 2), (5, 1.3), (16, 2.5), (64, 2.5)):
        otfs, grid = OTFS(M, 4, 1.0), qpsk(rng, 4, M)
        t = np.arange(4 * M) / M
        ahead = t + late / M
        in_frame = np.where(ahead < 4 - 1e-9, t, t - 4)  # where t + tau wraps, t does too
        advanced = transmitter(grid)(ahead) * np.exp(-2j * np.pi * doppler * in_frame)
        adjoint = otfs.operator(late / M, doppler).conj().T @ grid.ravel()
        gap = np.linalg.norm(otfs.demodulate(advanced, 0).ravel() - adjoint)
        errors.append(gap / np.linalg.norm(grid))
    assert errors[0] < 1e-12
    assert min(errors[1:]) > 0.1
    assert errors[3] < 0.8 * errors[2]  # about half: O(1 / sqrt(M))


def test_ofdm_modem_meets_its_model_and_leaks_with_a_doppler_shift():
    rng = np.random.default_rng(8)
    ofdm = OFDM(16, 6, 15e3, cp_duration=4 / (16 * 15e3))
    grid, late = qpsk(rng, 6, 16), 3
    sent = ofdm.modulate(grid)
    assert sent.shape == (6 * 20,)
    np.testing.assert_allclose(ofdm.demodulate(sent), grid, atol=1e-13)
    for share, limit in ((0.0, 1e-12), (0.01, 0.02), (0.3, 0.7)):  # of the subcarrier spacing
        # zero phase at the first sample after the first CP, as seen at the delay
        t = (np.arange(120) - 4 - late) * ofdm.sample_period
        shifted = np.concatenate([np.zeros(late), sent[:-late]])
        received = ofdm.demodulate(shifted * np.exp(2j * np.pi * share * 15e3 * t))
        model = ofdm.apply(grid, late * ofdm.sample_period, share * 15e3)
        gain = np.vdot(model, received) / np.vdot(model, model)
        error = np.linalg.norm(received - gain * model) / np.linalg.norm(received)
        assert limit / 10 < error < limit or (share == 0 and error < limit)
    dense = ofdm.operator(1e-6, 50.0) @ grid.ravel()
    np.testing.assert_allclose(dense.reshape(6, 16), ofdm.apply(grid, 1e-6, 50.0), atol=1e-12)


def test_leading_axes_broadcast():
    rng = np.random.default_rng(9)
    otfs, ofdm = OTFS(4, 3, 1.0), OFDM(4, 3, 1.0, cp_duration=0.5)
    grids = gaussian(rng, 2, 1, 3, 4)
    delays, dopplers = np.array([0.0, 0.3, 0.45]), np.array([0.1, 0.2, -0.4])
    for waveform in (otfs, ofdm):
        together = waveform.apply(grids, delays, dopplers)
        matrices = waveform.operator(delays, dopplers)
        assert together.shape == (2, 3, 3, 4)
        assert matrices.shape == (3, 12, 12)
        for i in range(2):
            for j in range(3):
                one = waveform.apply(grids[i, 0], delays[j], dopplers[j])
                np.testing.assert_allclose(together[i, j], one, atol=1e-13)
                np.testing.assert_allclose(
                    (matrices[j] @ grids[i, 0].ravel()).reshape(3, 4), one, atol=1e-12
                )
    assert otfs.apply(grids[0, 0], delays[:, None], dopplers).shape == (3, 3, 3, 4)
    for waveform in (otfs, ofdm):
        for shape in ((), (3,), (1, 3)):
            sums = waveform.signal_factors(delays.reshape(shape) if shape else delays[1])
            assert {np.shape(each) for each in sums} == {shape}
    printed = otfs.printed_operator(delays, dopplers)
    np.testing.assert_allclose(printed[1], otfs.printed_operator(0.3, 0.2), atol=1e-13)
    sent = otfs.modulate(grids, 2)
    arrived = otfs.channel(sent, delays, dopplers, 2)
    assert arrived.shape == (2, 3, 14)
    np.testing.assert_allclose(
        otfs.demodulate(arrived, 2), otfs.apply(grids, delays, dopplers), atol=1e-12
    )


def test_inputs_are_not_changed():
    grid = gaussian(np.random.default_rng(10), 3, 4)
    before, otfs = grid.copy(), OTFS(4, 3, 1.0)
    otfs.apply(grid, 0.3, 0.2)
    otfs.channel(otfs.modulate(grid, 2), 0.3, 0.2, 2)
    np.testing.assert_array_equal(grid, before)


def test_large_frame_needs_no_dense_matrix():
    """M = N = 128 in the memory of a few frames, not of (MN)^2; the time is in the benchmarks."""
    otfs, grid = OTFS(128, 128, 500e3), qpsk(np.random.default_rng(11), 128, 128)
    otfs.apply(grid, 0.3e-6, 2e3)
    tracemalloc.start()
    received = otfs.apply(grid, 0.3e-6, 2e3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * grid.nbytes
    np.testing.assert_allclose(np.linalg.norm(received), 128, rtol=1e-12)


# ---------------------------------------------------------------------- covariances and sums


@QUICK
@given(FRAMES)
def test_covariance_is_that_of_the_operator(frame):
    """fan_conf (29), (33): the operator as a factor, differentiated; exact, printed, mended."""
    expected = frame.otfs.delay_doppler_covariance()
    within = (frame.late % frame.M) * frame.otfs.sample_period
    for operator, delay in (
        (frame.otfs.operator, frame.delay),
        (frame.otfs.printed_operator, within),
        (lambda *at: frame.otfs.printed_operator(*at, mended=True), within),
    ):
        columns = factor(operator, frame.otfs, delay, frame.doppler)
        actual = fisher.factor_covariance(*columns)
        scale = 2 * np.pi * np.array([frame.otfs.bandwidth, frame.otfs.frame_duration])
        np.testing.assert_allclose(
            actual / np.outer(scale, scale), expected / np.outer(scale, scale), atol=1e-9
        )


def test_covariance_of_ofdm_is_that_of_its_operator():
    ofdm = OFDM(5, 4, 15e3, cp_duration=2e-5)
    columns = factor(ofdm.operator, ofdm, 1e-5, 300.0)
    # A diagonal matrix as a factor: average over independent symbols of equal energy.
    assert_covariance(fisher.factor_covariance(*columns), ofdm.delay_doppler_covariance())


@pytest.mark.parametrize("period", [1.0, 1.3])
@pytest.mark.parametrize("late", [0.4, 2.7, 4.5])
def test_closed_sums_are_those_of_the_mended_operator(period, late):
    """fan_conf (29)-(31), fractional delay and Doppler shift, also T Delta f != 1."""
    otfs = OTFS(5, 4, 1.0, symbol_duration=period)
    sums = otfs.signal_factors(late / 5)
    psi, slopes = factor(lambda *at: otfs.printed_operator(*at, mended=True), otfs, late / 5, 0.3)
    expected = brute_sums(psi, slopes)
    np.testing.assert_allclose(np.array(sums), expected, rtol=1e-9, atol=1e-9)


def brute_sums(psi, slopes):
    """fan_conf (29), in the order of SignalFactors."""
    by_delay, by_doppler = slopes.T
    return [
        np.vdot(psi, psi), np.vdot(psi, by_delay), np.vdot(psi, by_doppler),
        np.vdot(by_delay, by_doppler), np.vdot(by_delay, by_delay),
        np.vdot(by_doppler, by_doppler),
    ]  # fmt: skip


def test_printed_cross_sum_assumes_critical_symbols():
    """fan_conf (31d) as printed, with its positive sign, holds for T Delta f = 1 only."""
    M, N, late, edge = 5, 4, 2.7, 3
    for period, agrees in ((1.0, True), (1.3, False)):
        otfs = OTFS(M, N, 1.0, symbol_duration=period)
        psi, slopes = factor(otfs.printed_operator, otfs, late / M, 0.3)
        g = np.arange(M) / M - period * (np.arange(M) >= M - edge)
        printed = np.pi**2 * (M - 1) * N * ((N - 1) * M + 2 * g.sum())
        assert np.isclose(brute_sums(psi, slopes)[3], printed, rtol=1e-9) is np.bool_(agrees)


def test_sums_of_ofdm_are_those_of_its_operator():
    """fan_journal Corollary 1, reconstructed."""
    ofdm = OFDM(5, 4, 15e3, cp_duration=2e-5)
    expected = brute_sums(*factor(ofdm.operator, ofdm, 1e-5, 300.0))
    np.testing.assert_allclose(np.array(ofdm.signal_factors(1e-5)), expected, rtol=1e-9)


@pytest.mark.parametrize("size", SMALL)
def test_sums_and_covariance_say_the_same(size):
    """fan_conf (33): d_33 and d_44 from the six sums; for another T without a wrapped bin."""
    otfs, other = OTFS(*size, 15e3), OTFS(*size, 15e3, symbol_duration=1e-4)
    delays = np.append(np.linspace(0, 1, 9, endpoint=False) / 15e3, 0.3 * otfs.sample_period)
    cases = [(otfs, otfs.signal_factors(delay)) for delay in delays]
    cases += [(other, other.signal_factors(0.0))]
    cases += [(OFDM(*size, 15e3, 1e-5), OFDM(*size, 15e3, 1e-5).signal_factors())]
    for waveform, sums in cases:
        d_33 = sums.R20 - abs(sums.R10) ** 2 / sums.R00
        d_44 = sums.R02 - abs(sums.R01) ** 2 / sums.R00
        d_34 = sums.R11 - np.real(np.conj(sums.R10) * sums.R01) / sums.R00
        covariance = sums.R00 * waveform.delay_doppler_covariance()
        np.testing.assert_allclose(d_33, covariance[0, 0], rtol=1e-9, atol=1e-3)
        np.testing.assert_allclose(d_44, covariance[1, 1], rtol=1e-9, atol=1e-18)
        assert abs(d_34) <= 1e-9 * abs(sums.R11) + 1e-12


def test_covariance_is_the_mean_over_random_symbols():
    """Monte Carlo: frames of random QPSK symbols, within five standard errors."""
    rng = np.random.default_rng(12)
    otfs, late, doppler = OTFS(6, 5, 1.0), 2.4, 0.3
    _, slopes = factor(otfs.operator, otfs, late / 6, doppler)
    by_delay, by_doppler = slopes.T.reshape(2, 30, 30)
    frames = qpsk(rng, 2000, 30)
    for matrix in (by_delay, by_doppler):
        energies = np.sum(np.abs(frames @ matrix.T) ** 2, axis=1)
        error = energies.std() / np.sqrt(len(frames))
        assert abs(energies.mean() - np.sum(np.abs(matrix) ** 2)) < 5 * error
    # One long frame is close to its average already.
    long = OTFS(32, 32, 1.0)
    grid, at = qpsk(rng, 32, 32), np.array([3.4 / 32, 0.21])
    columns = derivatives(lambda *at: long.apply(grid, *at), at, [0.01 / 32, 0.01 / 32])
    one = fisher.factor_covariance(long.apply(grid, *at).ravel(), columns)
    assert_covariance(one, long.delay_doppler_covariance(), tolerance=5 / 32)


def test_symbols_of_another_mean_have_another_covariance():
    """Equal energies are not enough: a constant grid is one impulse per symbol of one bin."""
    otfs, at = OTFS(8, 8, 1.0), np.array([0.3 / 8, 0.01])
    columns = derivatives(lambda *at: otfs.apply(np.ones((8, 8)), *at), at, [0.001, 0.001])
    one = fisher.factor_covariance(otfs.apply(np.ones((8, 8)), *at).ravel(), columns)
    assert np.all(np.diag(one) < 0.1 * np.diag(otfs.delay_doppler_covariance()))


def test_another_symbol_duration_leaves_a_part_to_the_delay():
    """T Delta f != 1: the sums exceed the covariance by the wrapped bins' share of d_44."""
    otfs, edge = OTFS(5, 4, 1.0, 1.3), 3
    sums = otfs.signal_factors(2.7 / 5)
    d_44 = (sums.R02 - abs(sums.R01) ** 2 / sums.R00) / sums.R00
    excess = (2 * np.pi) ** 2 * 1.3 * 0.3 * edge / 5 * (1 - edge / 5)
    assert np.isclose(d_44, otfs.delay_doppler_covariance()[1, 1] + excess, rtol=1e-12)


# ------------------------------------------------------------------------ limits, invariances


@QUICK
@given(FRAMES, st.integers(0, 20), st.integers(0, 20))
def test_whole_delays_compose(frame, first, second):
    size = frame.M * frame.N
    first, second = first % size, second % size
    late = frame.otfs.sample_period
    twice = frame.otfs.apply(frame.otfs.apply(frame.grid, first * late, 0), second * late, 0)
    whole = (first + second) % size * late
    np.testing.assert_allclose(twice, frame.otfs.apply(frame.grid, whole, 0), atol=1e-12)


@QUICK
@given(FRAMES)
def test_a_delay_of_one_symbol_turns_the_doppler_bins(frame):
    """A whole symbol in the delay is a phase exp(-j 2 pi k / N), and one of the Doppler shift."""
    if frame.late + frame.M >= frame.M * frame.N:
        frame.late %= frame.M
    if frame.N == 1:
        return
    delay, period = frame.late * frame.otfs.sample_period, frame.otfs.symbol_period
    turns = np.exp(-2j * np.pi * np.arange(frame.N) / frame.N)[:, None]
    later = frame.otfs.apply(frame.grid, delay + period, frame.doppler)
    turned = frame.otfs.apply(turns * frame.grid, delay, frame.doppler)
    phase = np.exp(-2j * np.pi * frame.doppler * period)
    np.testing.assert_allclose(later, phase * turned, atol=1e-10)


def test_identity_without_delay_and_doppler():
    for waveform in (OTFS(5, 3, 1.0), OFDM(5, 3, 1.0)):
        np.testing.assert_allclose(waveform.operator(0, 0), np.eye(15), atol=1e-14)


def test_one_doppler_bin_moves_the_symbols_by_one_row():
    """A whole Doppler bin moves every symbol to the next row, up to a phase per column."""
    grid = gaussian(np.random.default_rng(13), 4, 6)
    moved = OTFS(6, 4, 1.0).apply(grid, 0.0, 0.25)
    ramp = np.exp(2j * np.pi * 0.25 * np.arange(6) / 6)
    np.testing.assert_allclose(moved, np.roll(grid, 1, axis=0) * ramp, atol=1e-12)


def test_what_one_carrier_or_symbol_cannot_see_has_no_information():
    """Exactly 0, so the bound is inf and not a large number."""
    cases = [
        (OTFS(1, 8, 15e3), [True, False]),
        (OTFS(8, 1, 15e3), [False, False]),  # the samples of one symbol still see Doppler
        (OTFS(1, 1, 15e3), [True, True]),
        (OFDM(1, 8, 15e3), [True, False]),
        (OFDM(8, 1, 15e3), [False, True]),
    ]
    for waveform, blind in cases:
        covariance = waveform.delay_doppler_covariance()
        np.testing.assert_array_equal(np.diag(covariance) == 0, blind)
        np.testing.assert_array_equal(np.isinf(np.diag(fisher.crlb(covariance))), blind)


def test_at_a_fixed_bandwidth_the_shape_of_the_frame_hardly_matters():
    """fan_conf (33): d_33 and d_44 depend on MN alone, up to 1 / M^2."""
    wide, long = OTFS(128, 64, 1 / 128), OTFS(64, 128, 1 / 64)
    ratio = np.diag(wide.delay_doppler_covariance()) / np.diag(long.delay_doppler_covariance())
    np.testing.assert_allclose(ratio[0], (1 - 128.0**-2) / (1 - 64.0**-2), rtol=1e-12)
    np.testing.assert_allclose(ratio[1], 1, rtol=1e-12)
    assert abs(ratio[0] - 1) < 2e-4


def test_wide_ofdm_approaches_the_flat_spectrum():
    for waveform in (OFDM(512, 4, 1e4), OTFS(512, 4, 1e4)):
        flat = FlatSpectrum(waveform.bandwidth).delay_variance
        assert np.isclose(waveform.delay_doppler_covariance()[0, 0] / flat, 1 - 512.0**-2)


def test_prelog_of_the_published_frame():
    """fan_journal Table V: one CP of 128 samples for the frame, or one for each symbol."""
    otfs, ofdm = OTFS(128, 128, 500e3), OFDM(128, 128, 500e3)
    assert round(float(otfs.prelog(128)), 3) == 0.992
    assert ofdm.prelog(128) == 0.5
    np.testing.assert_array_equal(otfs.prelog([0, 16384]), [1, 0.5])
    np.testing.assert_array_equal(ofdm.prelog([0, 384]), [1, 0.25])
    assert ofdm.prelog() == 1
    assert OFDM(128, 128, 500e3, cp_duration=2e-6).prelog() == 0.5
    with pytest.raises(ValueError, match="cp_duration"):
        OFDM(4, 3, 1.0, cp_duration=0.3).prelog()


def test_properties():
    otfs, ofdm = OTFS(8, 4, 15e3), OFDM(8, 4, 15e3, cp_duration=1e-5)
    for waveform in (otfs, ofdm):
        assert waveform.bandwidth == 120e3
        assert np.isclose(waveform.sample_period, 1 / 120e3)
    assert np.isclose(otfs.frame_duration, 4 / 15e3)
    assert np.isclose(ofdm.frame_duration, 4 * (1 / 15e3 + 1e-5))
    assert np.isclose(OTFS(8, 4, 15e3, symbol_duration=1e-4).frame_duration, 4e-4)
    assert OFDM(8, 4, 15e3, cp_duration=3 / 120e3).cp_samples == 3
    assert isinstance(OTFS(np.int64(8), 4.0, 15000).n_symbols, int)


# --------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("bad", [0, -1, 2.5, True + 1.5, np.nan, "4", [4], None])
@pytest.mark.parametrize("name", ["n_subcarriers", "n_symbols"])
@pytest.mark.parametrize("waveform", [OTFS, OFDM])
def test_a_frame_that_cannot_exist_is_refused(waveform, name, bad):
    good = {"n_subcarriers": 4, "n_symbols": 3, "subcarrier_spacing": 1.0}
    with pytest.raises(ValueError, match=name):
        waveform(**(good | {name: bad}))


@pytest.mark.parametrize("bad", [0, -1.0, np.inf, np.nan, "1", [1.0], None, 1j])
def test_durations_and_bandwidths_must_be_positive(bad):
    with pytest.raises(ValueError, match="bandwidth"):
        FlatSpectrum(bad)
    for waveform in (OTFS, OFDM):
        with pytest.raises(ValueError, match="subcarrier_spacing"):
            waveform(4, 3, bad)
    if bad is not None:
        with pytest.raises(ValueError, match="symbol_duration"):
            OTFS(4, 3, 1.0, symbol_duration=bad)
    if bad != 0:
        with pytest.raises(ValueError, match="cp_duration"):
            OFDM(4, 3, 1.0, cp_duration=bad)


@pytest.mark.parametrize("bad", [1e200, 1e-200])
def test_sizes_whose_squares_no_float_holds_are_refused(bad):
    for name, call in (
        ("bandwidth", lambda: FlatSpectrum(bad)),
        ("subcarrier_spacing", lambda: OTFS(4, 4, bad)),
        ("subcarrier_spacing", lambda: OFDM(4, 4, bad)),
        ("symbol_duration", lambda: OTFS(4, 4, 1.0, bad)),
        ("cp_duration", lambda: OFDM(4, 4, 1.0, bad)),
    ):
        with pytest.raises(ValueError, match=f"{name} must be in 1e-100..1e"):
            call()
    assert FlatSpectrum(1e100).delay_variance > 1e200


def test_refusals_say_what_is_wrong():
    with pytest.raises(ValueError, match="bandwidth must be one real number, got '64e6'"):
        FlatSpectrum("64e6")
    assert FlatSpectrum(np.array(64e6)) == FlatSpectrum(64e6)
    for bad in ("no", 1, None, np.array([True, False])):
        with pytest.raises(ValueError, match="mended must be True or False"):
            OTFS(4, 3, 1.0).printed_operator(0.0, 0.0, mended=bad)


def test_a_doppler_shift_of_too_many_turns_is_refused():
    """Beyond, its phase would be rounding."""
    otfs, ofdm, grid = OTFS(4, 3, 1.0), OFDM(4, 3, 1.0), np.ones((3, 4))
    for most in (1e6 / 3, -1e6 / 3):
        otfs.apply(grid, 0.0, most)
        for bad in (1.01 * most, [0.0, 1e300 * most / 1e6]):
            for call in (
                lambda bad=bad: otfs.apply(grid, 0.0, bad),
                lambda bad=bad: otfs.operator(0.0, bad),
                lambda bad=bad: otfs.printed_operator(0.0, bad),
                lambda bad=bad: otfs.channel(np.ones(12), 0.0, bad, 0),
                lambda bad=bad: ofdm.apply(grid, 0.0, bad),
                lambda bad=bad: ofdm.operator(0.0, bad),
            ):
                with pytest.raises(ValueError, match="doppler must be within"):
                    call()


def test_near_misses_are_not_whole():
    """Each tolerance takes a rounding and nothing more."""
    rng = np.random.default_rng(16)
    otfs, grid, jump = OTFS(6, 3, 1.0), gaussian(rng, 3, 6), 1e-6
    # A delay just beyond three samples brings one more sample from the neighbour.
    for late in (3 - jump, 3 + jump):
        received = otfs.apply(grid, late / 6, 0.2)
        np.testing.assert_allclose(received, simulate(grid, late, 0.2), atol=1e-12)
    # A CP of 0.3 s takes the delay 0.1 + 0.2 and refuses a millionth more.
    ofdm = OFDM(4, 3, 1.0, cp_duration=0.3)
    assert 0.1 + 0.2 > 0.3
    assert ofdm.apply(np.ones((3, 4)), 0.1 + 0.2, 0.0).shape == (3, 4)
    with pytest.raises(ValueError, match="delay must be within the CP"):
        ofdm.apply(np.ones((3, 4)), 0.3 * (1 + jump), 0.0)
    # A CP is a whole number of samples, or not.
    for exact in (3 / 120e3, np.nextafter(3 / 120e3, 0), np.nextafter(3 / 120e3, 1)):
        assert OFDM(8, 4, 15e3, cp_duration=exact).cp_samples == 3
    for near in (3 - jump, 3 + jump):
        with pytest.raises(ValueError, match="cp_duration"):
            _ = OFDM(8, 4, 15e3, cp_duration=near / 120e3).cp_samples
    # T Delta f = 1, or not.
    for exact in (np.nextafter(1 / 15e3, 0), np.nextafter(1 / 15e3, 1)):
        OTFS(4, 3, 15e3, symbol_duration=exact).modulate(np.ones((3, 4)), 0)
    for near in (1 - jump, 1 + jump):
        with pytest.raises(ValueError, match="symbol_duration"):
            OTFS(4, 3, 15e3, symbol_duration=near / 15e3).modulate(np.ones((3, 4)), 0)


@pytest.mark.parametrize("bad", [-0.1, 3.0, np.nan, [0.1, 3.5], "0.1", 1j])
def test_delays_outside_the_frame_are_refused(bad):
    otfs, grid = OTFS(4, 3, 1.0), np.ones((3, 4))
    calls = (
        lambda: otfs.apply(grid, bad, 0.0),
        lambda: otfs.operator(bad, 0.0),
        lambda: otfs.printed_operator(bad, 0.0),
        lambda: otfs.signal_factors(bad),
        lambda: otfs.channel(np.ones(14), bad, 0.0, 2),
        lambda: OFDM(4, 3, 1.0, cp_duration=0.25).apply(grid, bad, 0.0),
        lambda: OFDM(4, 3, 1.0, cp_duration=0.25).operator(bad, 0.0),
        lambda: OFDM(4, 3, 1.0, cp_duration=0.25).signal_factors(bad),
    )
    for call in calls:
        with pytest.raises(ValueError, match="delay"):
            call()


def test_a_target_beyond_the_cp_is_refused():
    otfs, ofdm = OTFS(4, 3, 1.0), OFDM(4, 3, 1.0, cp_duration=0.5)
    sent = otfs.modulate(np.ones((3, 4)), 2)
    otfs.channel(sent, 0.5, 0.0, 2)  # two samples: just inside
    ofdm.apply(np.ones((3, 4)), 0.5, 0.0)
    with pytest.raises(ValueError, match=r"delay must be within the CP, 0 <= delay <= 0.5 s"):
        otfs.channel(sent, 0.51, 0.0, 2)
    with pytest.raises(ValueError, match=r"delay must be within the CP, 0 <= delay <= 0.5 s"):
        ofdm.apply(np.ones((3, 4)), 0.51, 0.0)
    for call in (otfs.printed_operator, lambda delay, _: otfs.signal_factors(delay)):
        with pytest.raises(ValueError, match="delay must be within one symbol"):
            call(1.0, 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, "0", 1j, None])
def test_doppler_must_be_a_real_number(bad):
    otfs, ofdm, grid = OTFS(4, 3, 1.0), OFDM(4, 3, 1.0), np.ones((3, 4))
    for call in (
        lambda: otfs.apply(grid, 0.0, bad),
        lambda: otfs.operator(0.0, bad),
        lambda: otfs.printed_operator(0.0, bad),
        lambda: otfs.channel(np.ones(12), 0.0, bad, 0),
        lambda: ofdm.apply(grid, 0.0, bad),
    ):
        with pytest.raises(ValueError, match="doppler"):
            call()


def test_shapes_that_do_not_match_are_refused():
    otfs, ofdm = OTFS(4, 3, 1.0), OFDM(4, 3, 1.0, cp_duration=0.25)
    transposed, rows = np.ones((4, 3)), np.ones((2, 3, 4))
    for name, call in (
        ("grid", lambda: otfs.apply(transposed, 0, 0)),
        ("grid", lambda: otfs.modulate(transposed, 0)),
        ("grid", lambda: otfs.modulate(np.ones(12), 0)),
        ("grid", lambda: ofdm.apply(transposed, 0, 0)),
        ("grid", lambda: ofdm.modulate(1.0)),
        ("grid", lambda: otfs.apply(np.full((3, 4), np.nan), 0, 0)),
        ("samples", lambda: otfs.demodulate(np.ones(13), 2)),
        ("samples", lambda: otfs.channel(np.ones(13), 0, 0, 2)),
        ("samples", lambda: otfs.demodulate(1.0, 0)),
        ("samples", lambda: ofdm.demodulate(np.ones(12))),
        ("delay and doppler", lambda: otfs.apply(rows, [0, 0, 0], [0, 0])),
        ("delay and doppler", lambda: otfs.operator([0, 0, 0], [0, 0])),
        ("delay and doppler", lambda: otfs.apply(rows, [0, 0, 0], 0)),
        ("delay and doppler", lambda: ofdm.apply(rows, [0, 0, 0], 0)),
        ("delay and doppler", lambda: otfs.channel(np.ones((2, 14)), [0, 0, 0], 0, 2)),
    ):
        with pytest.raises(ValueError, match=name):
            call()


@pytest.mark.parametrize("bad", [-1, 1.5, 13, "2", [1], np.nan, None])
def test_cp_samples_must_fit_the_frame(bad):
    otfs = OTFS(4, 3, 1.0)
    for call in (
        lambda: otfs.modulate(np.ones((3, 4)), bad),
        lambda: otfs.demodulate(np.ones(14), bad),
        lambda: otfs.channel(np.ones(14), 0, 0, bad),
    ):
        with pytest.raises(ValueError, match="cp_samples"):
            call()
    for waveform in (otfs, OFDM(4, 3, 1.0)):
        with pytest.raises(ValueError, match="cp_samples"):
            waveform.prelog(-1)


def test_ofdm_modem_needs_a_cp_of_whole_samples_within_a_symbol():
    for duration in (0.3, 1.25):
        ofdm = OFDM(4, 3, 1.0, cp_duration=duration)
        with pytest.raises(ValueError, match="cp_duration"):
            ofdm.modulate(np.ones((3, 4)))
        with pytest.raises(ValueError, match="cp_duration"):
            ofdm.demodulate(np.ones(15))


def test_modem_and_exact_operator_need_critical_symbols():
    otfs, grid = OTFS(4, 3, 1.0, symbol_duration=1.2), np.ones((3, 4))
    for call in (
        lambda: otfs.modulate(grid, 0),
        lambda: otfs.demodulate(np.ones(12), 0),
        lambda: otfs.channel(np.ones(12), 0, 0, 0),
        lambda: otfs.apply(grid, 0, 0),
        lambda: otfs.operator(0, 0),
    ):
        with pytest.raises(ValueError, match="symbol_duration"):
            call()
    same = OTFS(4, 3, 15e3, symbol_duration=1 / 15e3)
    np.testing.assert_array_equal(same.apply(grid, 0, 0), OTFS(4, 3, 15e3).apply(grid, 0, 0))


def test_the_longest_delay_is_the_prefix_or_the_frame():
    assert OFDM(8, 4, 15e3, 5e-6).longest_delay == 5e-6
    assert OFDM(8, 4, 15e3).longest_delay == np.inf  # no prefix is modelled
    otfs = OTFS(8, 4, 15e3)
    assert otfs.longest_delay == otfs.frame_duration
    waveforms.refuse_late(OFDM(8, 4, 15e3), "points", np.array([1.0]))
    waveforms.refuse_late(OFDM(8, 4, 15e3, 5e-6), "points", np.array([[0.0, 5e-6]]))
    with pytest.raises(ValueError, match=r"points must be so near .* of 5e-06 s; .* 6e-06 s"):
        waveforms.refuse_late(OFDM(8, 4, 15e3, 5e-6), "points", np.array([1e-6, 6e-6]))
    with pytest.raises(ValueError, match=r"points must be so near .* frame"):
        waveforms.refuse_late(otfs, "points", np.array([1.0]))
