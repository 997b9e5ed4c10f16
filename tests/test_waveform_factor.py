"""The waveform factor of OTFS and OFDM: SymPy sums, brute force, invariances, Monte Carlo."""

import itertools

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cfisac import fisher, studies
from cfisac.waveforms import OFDM, OTFS, FlatSpectrum

QUICK = settings(deadline=None, max_examples=30)
SIZES = st.integers(1, 5)
# Fractional delays away from the jumps at whole samples, in samples; Doppler shifts in bins.
INSIDE = st.integers(0, 4).flatmap(lambda whole: st.floats(0.1, 0.9).map(lambda f: whole + f))
BINS = st.floats(-1.5, 1.5)


# --------------------------------------------------- fan_conf (9) and (30), written out again


def parts(delay, doppler, m_size, n_size, period):
    """alpha and beta of (9) as printed, axes k, k', l, l' and n' or m'; spacing 1."""
    k, sent_k, bin_, sent = indices(m_size, n_size)
    late = int(np.ceil(delay * m_size))
    wrap = sent >= m_size - late
    alpha = np.exp(
        2j
        * np.pi
        * (sent_k - k + doppler * n_size * period)[..., None]
        * np.arange(n_size)
        / n_size
    )
    phase = (sent - bin_ + delay * m_size)[..., None] * np.arange(m_size) / m_size
    phase = (
        phase + (doppler * sent / m_size - wrap * (doppler * period + sent_k / n_size))[..., None]
    )
    return alpha, np.exp(2j * np.pi * phase)


def indices(m_size, n_size):
    return np.ix_(*(np.arange(size) for size in (n_size, n_size, m_size, m_size)))


def printed_operator(delay, doppler, m_size, n_size, period):
    alpha, beta = parts(delay, doppler, m_size, n_size, period)
    return alpha.mean(-1) * beta.mean(-1)


def printed_slopes(delay, doppler, m_size, n_size, period, sent):
    """(30); with ``sent`` g is taken of l', else of l as printed."""
    alpha, beta = parts(delay, doppler, m_size, n_size, period)
    bins = indices(m_size, n_size)[3 if sent else 2]
    g = bins / m_size - period * (bins >= m_size - np.ceil(delay * m_size))
    by_delay = alpha.mean(-1) * (beta * np.arange(m_size)).mean(-1)
    in_n = period * (alpha * np.arange(n_size)).mean(-1) + g * alpha.mean(-1)
    return 2j * np.pi * by_delay, 2j * np.pi * in_n * beta.mean(-1)


def differences(function, delay, doppler):
    """Slopes of ``function(delay, doppler)`` by either."""
    slopes = oracle.derivatives(lambda at: function(*at), [delay, doppler], 1e-3)
    return np.moveaxis(slopes, -1, 0)


def six_sums(operator, by_delay, by_doppler):
    """(29a)-(29f)."""
    pairs = (
        (operator, operator), (operator, by_delay), (operator, by_doppler),
        (by_delay, by_doppler), (by_delay, by_delay), (by_doppler, by_doppler),
    )  # fmt: skip
    return np.array([np.vdot(*pair) for pair in pairs])


def assert_sums_close(actual, expected, rtol=1e-6):
    """Relative to the size that the Cauchy–Schwarz inequality allows each sum."""
    r00, r20, r02 = (np.sqrt(np.abs(expected[i])) for i in (0, 4, 5))
    scale = np.array([r00**2, r00 * r20, r00 * r02, r20 * r02, r20**2, r02**2])
    assert np.all(np.abs(actual - expected) <= rtol * scale + 1e-9)


def covariance_of_sums(sums):
    """Covariance of the waveform factor from the six sums."""
    r00, r10, r01, r11, r20, r02 = sums
    delay = r20 / r00 - np.abs(r10 / r00) ** 2
    doppler = r02 / r00 - np.abs(r01 / r00) ** 2
    cross = r11 / r00 - np.conj(r10) * r01 / r00**2
    return np.real([[delay, cross], [cross, doppler]])


# ------------------------------------------------------------------------------- symbolic

M, N, LATE, M_T = sp.symbols("M N l_tau M_t", integer=True, positive=True)
n, m, k, sent_k, received_l, sent_l = sp.symbols("n m k k' l l'", integer=True)
T, SPACING, T_O = sp.symbols("T Delta_f T_o", positive=True)
BIN, G = sp.symbols("b", integer=True, nonnegative=True), sp.Symbol("g")
TURN = 2 * sp.pi * sp.I


def over_bins(term):
    """Sum over the sent bins, g being another function in the last l_tau of them."""
    first = sp.expand(term.subs(G, BIN / (M * SPACING)))
    last = sp.expand(term.subs(G, BIN / (M * SPACING) - T))
    return sp.summation(first, (BIN, 0, M - LATE - 1)) + sp.summation(last, (BIN, M - LATE, M - 1))


def over_cells(term):
    total = sp.summation(sp.expand(term), (n, 0, N - 1))
    return sp.expand(sp.summation(sp.expand(total), (m, 0, M - 1)))


@pytest.fixture(scope="module")
def derived():
    """The six sums of (29), derived: every triple (n, m, l') counts 1 / M."""
    speeds = TURN * SPACING * m, TURN * (n * T + G)
    terms = (
        sp.Integer(1), speeds[0], speeds[1],
        -speeds[0] * speeds[1], -(speeds[0] ** 2), -(speeds[1] ** 2),
    )  # fmt: skip
    return [sp.factor(over_cells(over_bins(sp.expand(term))) / M) for term in terms]


def test_a_term_of_the_operator_turns_with_the_sent_bin():
    """fan_conf (30), fan_journal (59): both kinds of term of (9), symbolic; g(l'), not g(l)."""
    alpha = sp.exp(TURN * (sent_k - k + sp.Symbol("nu") * N * T) * n / N)
    beta = sp.exp(TURN * (sent_l - received_l + sp.Symbol("tau") * M * SPACING) * m / M)
    beta *= sp.exp(TURN * sp.Symbol("nu") * sent_l / (M * SPACING))
    last_bins = sp.exp(-TURN * (sp.Symbol("nu") * T + sent_k / N))
    for term, g in (
        (alpha * beta, sent_l / (M * SPACING)),
        (alpha * beta * last_bins, sent_l / (M * SPACING) - T),
    ):
        slopes = [sp.simplify(sp.diff(term, sp.Symbol(x)) / term) for x in ("tau", "nu")]
        assert sp.simplify(slopes[0] - TURN * SPACING * m) == 0
        assert sp.simplify(slopes[1] - TURN * (n * T + g)) == 0
        assert not slopes[1].has(received_l)


def test_the_six_sums_are_exact_but_for_a_missing_t_delta_f(derived):
    """fan_conf (31a)-(31f), fan_journal (60): any M, N, T, l_tau; (31d) needs T Delta f = 1."""
    g, g2 = over_bins(G), over_bins(G**2)
    printed = [
        M * N,
        sp.I * sp.pi * SPACING * (M - 1) * M * N,
        sp.I * sp.pi * (T * (N - 1) * M * N + 2 * N * g),
        sp.pi**2 * (M - 1) * N * ((N - 1) * M + 2 * SPACING * g),
        (2 * sp.pi * SPACING) ** 2 * (M - 1) * M * N * (2 * M - 1) / 6,
        (2 * sp.pi * T) ** 2 * (N - 1) * M * N * (2 * N - 1) / 6
        + (2 * sp.pi) ** 2 * N * (g2 + T * (N - 1) * g),
    ]
    gaps = [sp.simplify(mine - theirs) for mine, theirs in zip(derived, printed, strict=True)]
    assert [i for i, gap in enumerate(gaps) if gap != 0] == [3]
    assert sp.simplify(gaps[3].subs(SPACING, 1 / T)) == 0
    mended = sp.pi**2 * (M - 1) * N * (T * SPACING * (N - 1) * M + 2 * SPACING * g)
    assert sp.simplify(derived[3] - mended) == 0


def test_closed_forms_are_free_of_g_and_of_the_delay(derived):
    """d_11, d_33, d_44 of fan_conf (33): variances of ramps; no cross term for any T."""
    r00, r10, r01, r11, r20, r02 = derived
    assert sp.simplify(r11 + r10 * r01 / r00) == 0
    d33, d44 = r20 + r10**2 / r00, r02 + r01**2 / r00
    assert sp.simplify(d33 - (2 * sp.pi * SPACING) ** 2 * M * N * (M**2 - 1) / 12) == 0
    ramp = (2 * sp.pi * T / M) ** 2 * M * N * ((M * N) ** 2 - 1) / 12
    assert sp.simplify((d44 - ramp).subs(SPACING, 1 / T)) == 0
    unmoved = T**2 * (N**2 - 1) / 12 + (M**2 - 1) / (12 * (M * SPACING) ** 2)
    share = LATE / M
    excess = T * (T - 1 / SPACING) * share * (1 - share)
    assert sp.simplify(d44 - (2 * sp.pi) ** 2 * M * N * (unmoved + excess)) == 0
    d11 = (M_T - 1) * (2 * M_T - 1) * M * N / 6 - (M_T - 1) ** 2 * M * N / 4
    assert sp.simplify(d11 - M * N * (M_T**2 - 1) / 12) == 0


def test_ofdm_sums_and_closed_forms():
    """fan_journal Corollary 1, (64), reconstructed: any M, N, T_o."""
    speeds = -2 * sp.pi * SPACING * m, 2 * sp.pi * n * T_O
    energy = M * N
    r10, r01 = (sp.I * over_cells(speed) for speed in speeds)
    r11, r20, r02 = (
        over_cells(a * b) for a, b in ((speeds[0], speeds[1]), (speeds[0],) * 2, (speeds[1],) * 2)
    )
    expected = OFDM_SUMS
    for mine, closed in zip((r10, r01, r11, r20, r02), expected, strict=True):
        assert sp.simplify(mine - closed) == 0
    assert sp.simplify(r11 + r10 * r01 / energy) == 0
    d33, d44 = r20 + r10**2 / energy, r02 + r01**2 / energy
    assert sp.simplify(d33 - (2 * sp.pi * SPACING) ** 2 * energy * (M**2 - 1) / 12) == 0
    assert sp.simplify(d44 - (2 * sp.pi * T_O) ** 2 * energy * (N**2 - 1) / 12) == 0


OFDM_SUMS = (
    -sp.I * sp.pi * SPACING * (M - 1) * M * N,
    sp.I * sp.pi * T_O * (N - 1) * M * N,
    -(sp.pi**2) * SPACING * T_O * (M - 1) * (N - 1) * M * N,
    (2 * sp.pi * SPACING) ** 2 * M * N * (M - 1) * (2 * M - 1) / 6,
    (2 * sp.pi * T_O) ** 2 * M * N * (N - 1) * (2 * N - 1) / 6,
)


# ---------------------------------------------------------------- brute force: the printed (9)


@QUICK
@given(m_size=SIZES, n_size=SIZES, late=INSIDE, bins=BINS, period=st.floats(0.8, 1.4))
def test_derivatives_of_the_operator_need_the_sent_bin(m_size, n_size, late, bins, period):
    """fan_conf (30), fan_journal (59): finite differences of (9) agree with g(l')."""
    delay, doppler = late % m_size / m_size, bins / n_size

    def operator(x, y):
        return printed_operator(x, y, m_size, n_size, period)

    numeric = differences(operator, delay, doppler)
    typed = printed_slopes(delay, doppler, m_size, n_size, period, sent=True)
    for mine, theirs in zip(numeric, typed, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-8 * (1 + np.abs(theirs).max()))


def test_the_printed_derivative_is_wrong_and_the_sums_do_not_see_it():
    """fan_conf (30) with g(l): off by more than a third, blind sums, a wrong bound for a frame."""
    at = 0.4, 0.13, 4, 3, 1.0
    operator = printed_operator(*at)
    printed, mended = (printed_slopes(*at, sent=sent) for sent in (False, True))
    error = np.linalg.norm(printed[1] - mended[1]) / np.linalg.norm(mended[1])
    assert error > 1 / 3
    np.testing.assert_allclose(
        six_sums(operator, *printed), six_sums(operator, *mended), rtol=0, atol=1e-9
    )
    frame = np.exp(0.5j * np.pi * np.random.default_rng(1).integers(4, size=(3, 4)))
    variances = []
    for slopes in (printed, mended):
        sent = [np.einsum("abcd,bd->ac", each, frame).ravel() for each in (operator, *slopes)]
        variances.append(fisher.factor_covariance(sent[0], np.stack(sent[1:], axis=1))[1, 1])
    assert variances[0] < 0.8 * variances[1]


@QUICK
@given(m_size=SIZES, n_size=SIZES, late=INSIDE, bins=BINS, period=st.floats(0.8, 1.4))
def test_the_package_sums_are_those_of_the_operator(m_size, n_size, late, bins, period):
    """fan_conf (31) mended, all six, any T: finite differences of (9) to 1e-6."""
    delay, doppler = late % m_size / m_size, bins / n_size
    assume(delay < period)

    def operator(x, y):
        return printed_operator(x, y, m_size, n_size, period)

    brute = six_sums(operator(delay, doppler), *differences(operator, delay, doppler))
    sums = np.array(OTFS(m_size, n_size, 1.0, period).signal_factors(delay))
    signs = np.array([1, -1, 1, -1, 1, 1])  # the package delays the other way, as it must
    assert_sums_close(signs * brute, sums)


def test_31d_as_printed_misses_t_delta_f():
    """fan_conf (31d): right for T Delta f = 1, a quarter off for 1.25 in the book's example."""

    def printed(delay, period):
        bins = np.arange(4)
        g = bins / 4 - period * (bins >= 4 - np.ceil(4 * delay))
        return np.pi**2 * 3 * 3 * (2 * 4 + 2 * g.sum())

    for period, right in ((1.0, True), (1.25, False)):
        at = 0.4, 0.13, 4, 3, period
        brute = six_sums(printed_operator(*at), *printed_slopes(*at, sent=True))[3].real
        assert np.isclose(brute, printed(0.4, period)) == right
        assert np.isclose(brute, -OTFS(4, 3, 1.0, period).signal_factors(0.4).R11.real)
    assert printed(0.4, 1.25) < 0.8 * brute


def test_the_sums_are_the_mean_over_all_frames():
    """fan_conf (29), fan_journal (58): inner products averaged over all 64 frames of +-1."""
    at = 0.4, 0.13, 3, 2, 1.0
    tensors = [printed_operator(*at), *printed_slopes(*at, sent=True)]
    matrices = [each.transpose(0, 2, 1, 3).reshape(6, 6) for each in tensors]
    frames = np.array(list(itertools.product((-1.0, 1.0), repeat=6))).T
    mean = six_sums(*(matrix @ frames for matrix in matrices)) / frames.shape[1]
    np.testing.assert_allclose(mean, six_sums(*tensors), rtol=1e-12)


# --------------------------------------------------------------- brute force: exact operators


@QUICK
@given(m_size=SIZES, n_size=SIZES, late=INSIDE, bins=BINS)
def test_covariance_is_that_of_the_exact_operator(m_size, n_size, late, bins):
    """The closed forms hold for the sampled frame itself, at any delay and Doppler shift."""
    frame = OTFS(m_size, n_size, 1.0)
    delay, doppler = late % m_size / m_size, bins / n_size
    slopes = differences(frame.operator, delay, doppler)
    sums = six_sums(frame.operator(delay, doppler), *slopes)
    np.testing.assert_allclose(
        covariance_of_sums(sums), frame.delay_doppler_covariance(), rtol=1e-6, atol=1e-6
    )
    # The exact path has the phase -2 pi nu tau and its moments start at -tau: the means move.
    closed = frame.signal_factors(delay)
    moved = closed.R10 / closed.R00 - 2j * np.pi * doppler
    np.testing.assert_allclose(sums[1] / sums[0], moved, atol=1e-6)
    start = np.ceil(late % m_size) / m_size - delay
    moved = closed.R01 / closed.R00 + 2j * np.pi * start
    np.testing.assert_allclose(sums[2] / sums[0], moved, atol=1e-6)


@QUICK
@given(m_size=SIZES, n_size=SIZES, prefix=st.floats(0.5, 2), doppler=st.floats(-0.5, 0.5))
def test_ofdm_sums_are_those_of_its_channel(m_size, n_size, prefix, doppler):
    """fan_journal (64) and Corollary 1 (reconstructed), all six, by finite differences to 1e-6."""
    frame = OFDM(m_size, n_size, 1.0, prefix)
    carrier, symbol = np.arange(m_size), np.arange(n_size)[:, None]

    def channel(delay, shift):
        return np.exp(2j * np.pi * (symbol * (1 + prefix) * shift - carrier * delay))

    brute = six_sums(channel(0.3, doppler), *differences(channel, 0.3, doppler))
    assert_sums_close(brute, np.array(frame.signal_factors()))
    np.testing.assert_allclose(
        covariance_of_sums(brute), frame.delay_doppler_covariance(), rtol=1e-6, atol=1e-6
    )
    values = {M: m_size, N: n_size, SPACING: 1, T_O: 1 + prefix}
    closed = [m_size * n_size, *(complex(each.subs(values)) for each in OFDM_SUMS)]
    assert_sums_close(brute, np.array(closed))


def received_ofdm(grid, prefix, late, turns):
    """Echo of a CP-OFDM frame by its waveform at each sample, then the receiver's transforms.

    ``late`` in samples, ``turns`` = Doppler shift over the subcarrier spacing.
    """
    n_size, m_size = grid.shape
    time = np.arange(n_size)[:, None] * (m_size + prefix) + np.arange(m_size)
    inside = (np.arange(m_size) - late) / m_size  # the CP makes every symbol periodic
    waves = np.exp(2j * np.pi * inside[:, None] * np.arange(m_size)) / np.sqrt(m_size)
    samples = (grid @ waves.T) * np.exp(2j * np.pi * turns * time / m_size)
    return np.fft.fft(samples, axis=1, norm="ortho")


def test_each_ofdm_cell_is_a_channel_of_its_own():
    """fan_journal (63), (64), reconstructed: exact without Doppler; with it, a leak is left out."""
    rng = np.random.default_rng(4)
    m_size, n_size, prefix, late = 16, 6, 5, 3.3
    grid = rng.normal(size=(n_size, m_size)) + 1j * rng.normal(size=(n_size, m_size))
    frame = OFDM(m_size, n_size, 1.0, prefix / m_size)
    still = received_ofdm(grid, prefix, late, 0.0)
    np.testing.assert_allclose(still, frame.apply(grid, late / m_size, 0.0), atol=1e-12)
    turns = 0.02
    moving = received_ofdm(grid, prefix, late, turns)
    model = frame.apply(grid, late / m_size, turns)
    own = np.mean(np.exp(2j * np.pi * turns * np.arange(m_size) / m_size))
    leak = np.linalg.norm(moving - own * model) / np.linalg.norm(moving)
    share = 1 - abs(own) ** 2  # of the energy, on average over the grid
    assert 0.5 * share < leak**2 < 2 * share
    assert np.isclose(share, np.pi**2 / 3 * turns**2 * (1 - 1 / m_size**2), rtol=1e-2)


def test_the_leak_adds_the_spread_within_a_symbol():
    """Sample by sample the Doppler variance of OFDM is larger by (2 pi T)^2 (1 - 1/M^2) / 12."""
    m_size, n_size, prefix = 6, 3, 2
    cells = np.eye(m_size * n_size).reshape(-1, n_size, m_size)

    def operator(late, turns):
        return np.array([received_ofdm(cell, prefix, late, turns).ravel() for cell in cells])

    sums = six_sums(operator(0.3, 0.1), *differences(operator, 0.3, 0.1))
    covariance = covariance_of_sums(sums) * np.outer([m_size, 1], [m_size, 1])
    expected = OFDM(m_size, n_size, 1.0, prefix / m_size).delay_doppler_covariance()
    expected[1, 1] += (2 * np.pi) ** 2 * (1 - 1 / m_size**2) / 12
    np.testing.assert_allclose(covariance, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_any_waveform_gives_the_same_structure(seed):
    """fan_journal abstract: RX x TX x six sums for any operator, and no cross terms without gain.

    The symbols of all beams are uncorrelated; the FIM is averaged over them.
    """
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    waves, rx, tx, beams = draw(3, 4, 4), draw(2, 3), draw(2, 5), draw(5, 6)
    gain = complex(draw())
    unit = [rx[0], tx[0], waves[0]]
    # Parameter: receive angle, transmit angle, delay, Doppler, Re and Im of the gain.
    factors = [
        (gain, rx[1], tx[0], waves[0]), (gain, rx[0], tx[1], waves[0]),
        (gain, rx[0], tx[0], waves[1]), (gain, rx[0], tx[0], waves[2]),
        (1.0, *unit), (1j, *unit),
    ]  # fmt: skip
    columns = [scale * np.kron(np.kron(a, b @ beams), s.ravel()) for scale, a, b, s in factors]
    dense = fisher.gaussian_fim(np.stack(columns, axis=1), 0.7)
    covariance = beams @ beams.conj().T
    structure = [
        [
            2 / 0.7 * np.real(
                np.conj(x[0]) * y[0] * np.vdot(x[1], y[1])
                * (np.conj(x[2]) @ (covariance.conj() @ y[2])) * np.vdot(x[3], y[3])
            )
            for y in factors
        ]
        for x in factors
    ]  # fmt: skip
    np.testing.assert_allclose(dense, structure, rtol=1e-10, atol=1e-10 * dense.max())
    efim = fisher.equivalent_fim(dense, 4)
    snr = np.linalg.norm(columns[4]) ** 2 * abs(gain) ** 2 / 0.7
    sums = six_sums(*waves)
    expected = 2 * snr * covariance_of_sums(sums)
    np.testing.assert_allclose(efim[2:, 2:], expected, atol=1e-9 * efim.max())
    assert np.abs(efim[0, 1:]).max() < 1e-9 * efim.max()
    assert np.abs(efim[1, 2:]).max() < 1e-9 * efim.max()


# ------------------------------------------------------------------- limits and invariances


@QUICK
@given(
    size=st.integers(2, 400).map(lambda x: 4 * x), pieces=st.sampled_from([1, 2, 4]),
    bandwidth=st.floats(1e5, 1e9),
)  # fmt: skip
def test_at_a_fixed_band_only_the_number_of_samples_counts(size, pieces, bandwidth):
    """Cut MN samples as one will: same Doppler variance, delay variance up to 1 / M^2."""
    whole = OTFS(size, 1, bandwidth / size).delay_doppler_covariance()
    m_size = size // pieces
    cut = OTFS(m_size, pieces, bandwidth / m_size).delay_doppler_covariance()
    np.testing.assert_allclose(cut[1, 1], whole[1, 1], rtol=1e-9)
    flat = FlatSpectrum(bandwidth).delay_variance
    np.testing.assert_allclose(cut[0, 0], flat * (1 - 1 / m_size**2), rtol=1e-9)


@QUICK
@given(m_size=st.integers(2, 200), n_size=st.integers(2, 200), spacing=st.floats(1e3, 1e6))
def test_at_a_fixed_spacing_each_number_buys_its_own(m_size, n_size, spacing):
    """M buys band, N time; a prefix as long as a symbol quadruples OFDM's Doppler variance."""
    otfs = OTFS(m_size, n_size, spacing).delay_doppler_covariance()
    band, duration = m_size * spacing, n_size / spacing
    exact = (
        (2 * np.pi) ** 2
        / 12
        * np.array([band**2 * (1 - m_size**-2), duration**2 * (1 - (m_size * n_size) ** -2.0)])
    )
    np.testing.assert_allclose(np.diag(otfs), exact, rtol=1e-9)
    ofdm = OFDM(m_size, n_size, spacing, 1 / spacing).delay_doppler_covariance()
    np.testing.assert_allclose(ofdm[0, 0], otfs[0, 0], rtol=1e-12)
    ratio = 4 * (1 - n_size**-2.0) / (1 - (m_size * n_size) ** -2.0)
    np.testing.assert_allclose(ofdm[1, 1] / otfs[1, 1], ratio, rtol=1e-9)


def test_what_cannot_be_known_has_an_infinite_bound():
    """One subcarrier: no delay. One symbol of OFDM: no Doppler shift, but OTFS still has one."""
    no_delay = fisher.crlb(OTFS(1, 8, 500e3).delay_doppler_covariance())
    assert np.isinf(no_delay[0, 0])
    assert np.isfinite(no_delay[1, 1])
    no_doppler = fisher.crlb(OFDM(8, 1, 500e3).delay_doppler_covariance())
    assert np.isfinite(no_doppler[0, 0])
    assert np.isinf(no_doppler[1, 1])
    assert np.isfinite(fisher.crlb(OTFS(8, 1, 500e3).delay_doppler_covariance())).all()


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: OTFS(0, 4, 1.0).delay_doppler_covariance(), "n_subcarriers"),
        (lambda: OFDM(4, 4, 1.0, -0.1).signal_factors(), "cp_duration"),
        (lambda: OTFS(4, 4, 1.0).signal_factors(-0.1), "delay"),
        (lambda: OTFS(4, 4, 1.0).prelog(-1), "cp_samples"),
        (lambda: FlatSpectrum(np.nan), "bandwidth"),
    ],
)
def test_bad_input(build, name):
    with pytest.raises(ValueError, match=name):
        build()


# ----------------------------------------------------------------------------- Monte Carlo


def test_one_frame_deviates_from_the_average_as_predicted():
    """QPSK frames of OTFS: energies are white but for each delay bin's (or the frame's) sum."""
    m_size, n_size, draws = 8, 8, 2000
    frame, rng = OTFS(m_size, n_size, 1.0), np.random.default_rng(8)
    grids = np.exp(0.5j * np.pi * rng.integers(4, size=(draws, n_size, m_size)))

    def echo(delay, doppler):
        return frame.apply(grids, delay, doppler).reshape(draws, -1)

    slopes = np.stack(differences(echo, 0.0375, 0.01), axis=-1)
    covariance = fisher.factor_covariance(echo(0.0375, 0.01), slopes)
    variance = np.diag(frame.delay_doppler_covariance())
    relative = np.diagonal(covariance, axis1=1, axis2=2) / variance
    carrier = np.broadcast_to(np.arange(m_size) - 3.5, (n_size, m_size)) ** 2
    moment = (np.arange(m_size * n_size).reshape(n_size, m_size) - 31.5) ** 2 / m_size**2
    spread = np.array([
        np.sum((carrier - carrier.mean()) ** 2),
        np.sum((moment - moment.mean(axis=0)) ** 2),
    ])  # fmt: skip
    predicted = np.sqrt(spread) / (m_size * n_size) * (2 * np.pi) ** 2 / variance
    # Mean: the energy-weighted centroid of 64 cells costs 1/64; its error is predicted/sqrt(n).
    error = 4.5 * predicted / np.sqrt(draws)
    assert np.all(np.abs(relative.mean(axis=0) - (1 - 1 / 64)) < error + 0.25 / 64)
    # A deviation from n draws is known to 1/sqrt(2 n); the second order in 1/MN adds 3 %.
    allowed = 4.5 / np.sqrt(2 * draws) + 0.03
    assert np.all(np.abs(relative.std(axis=0) / predicted - 1) < allowed)
    assert np.all(np.abs(predicted / np.sqrt(0.8 / 64) - 1) < 0.03)
    cross = covariance[:, 0, 1] / np.sqrt(variance.prod())
    assert abs(cross.mean()) < 4.5 / np.sqrt(64 * draws)
    assert abs(cross.std() * 8 - 1) < allowed + 0.02


def test_a_qpsk_frame_of_ofdm_is_the_average():
    frame, rng = OFDM(8, 6, 1.0, 0.5), np.random.default_rng(9)
    grid = np.exp(0.5j * np.pi * rng.integers(4, size=(6, 8)))

    def echo(delay, doppler):
        return frame.apply(grid, delay, doppler).ravel()

    slopes = np.stack(differences(echo, 0.2, 0.05), axis=-1)
    np.testing.assert_allclose(
        fisher.factor_covariance(echo(0.2, 0.05), slopes),
        frame.delay_doppler_covariance(), rtol=1e-6, atol=1e-6,
    )  # fmt: skip


# --------------------------------------------------------------------------------- Table V


def test_table_5():
    """fan_journal Table V: overheads and pre-logs as printed; the rates' ratio is below theirs."""
    table = studies.stored("fan_journal-table5").set_index("waveform")
    assert list(table.index) == ["OFDM", "OTFS"]
    study = studies.get("fan_journal-table5")
    fresh = [list(study.known(**cell).values()) for cell in study.cells]
    np.testing.assert_allclose(fresh, table.to_numpy(), rtol=1e-9)
    overhead, prelog = table["cp_overhead"], table["prelog"]
    np.testing.assert_allclose(overhead, [128 / 256, 128 / 16512], rtol=1e-9)
    np.testing.assert_allclose(prelog, [128 / 256, 16384 / 16512], rtol=1e-9)
    assert np.all(np.abs(overhead - table["published_cp_overhead"]) <= 5e-5)
    assert np.all(np.abs(prelog - table["published_prelog"]) <= 5e-4)
    rate = table["published_se_bit_per_s_per_hz"]
    largest = (rate["OTFS"] + 0.005) / (rate["OFDM"] - 0.005)
    assert largest < prelog["OTFS"] / prelog["OFDM"]  # whatever was rounded away
    delay, doppler = table["delay_variance_rad2_per_s2"], table["doppler_variance_rad2_s2"]
    np.testing.assert_allclose(delay, (2 * np.pi * 64e6) ** 2 / 12 * (1 - 128**-2), rtol=1e-9)
    times = np.array([4e-6**2 * (128**2 - 1), (2e-6 / 128) ** 2 * (128**4 - 1)]) / 12
    np.testing.assert_allclose(doppler, (2 * np.pi) ** 2 * times, rtol=1e-9)
    np.testing.assert_allclose(table["time_on_air_s"], [512e-6, 258e-6], rtol=1e-9)
