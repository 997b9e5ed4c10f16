"""Rate against position error: the region, its shape, the best split, and what data are worth."""

import itertools

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cfisac import fisher
from cfisac.arrays import UniformLinearArray
from cfisac.designs import Infeasible, tradeoff
from cfisac.limits import toa_aoa
from cfisac.montecarlo import estimate

GAMMA = 100.0
J = np.array([[40.0, 6.0], [6.0, 25.0]])  # m^-2
K2 = np.trace(np.linalg.inv(J))  # PEB^2 with all power on the pilots


# ------------------------------------------------------------------------------- the region


def test_a_split_gives_the_rate_and_the_schur_complement_of_its_signal():
    """commit (19), (20): samples of pilots and, once decoded, of data; gains unknown."""
    rng = np.random.default_rng(19)
    aps, axes = 50 * rng.normal(size=(3, 2)), np.array([[0.0, 1.0]] * 3)
    array, tones = UniformLinearArray(4), np.linspace(-5e7, 5e7, 6)
    gains = rng.normal(size=(3, 2)) @ [1, 1j]
    truth = np.array([3.0, -2.0, *gains.real, *gains.imag])

    def efim(power):
        def samples(theta):
            amplitude = np.sqrt(power) * (theta[2:5] + 1j * theta[5:])
            return toa_aoa.signal(theta[:2], aps, axes, amplitude, array, tones).ravel()

        steps = [
            (samples(truth + h) - samples(truth - h)) / 2e-4 for h in 1e-4 * np.eye(len(truth))
        ]
        return fisher.equivalent_fim(fisher.gaussian_fim(np.stack(steps, axis=1), 0.1), 2)

    whole = efim(1.0)
    for split, worth in itertools.product((0.0, 0.3, 0.8), (0.0, 1.0)):
        found = tradeoff.region(split, GAMMA, whole, worth * whole)
        sent = efim(1.0 - split + worth * split)
        assert found.peb == pytest.approx(fisher.position_error_bound(sent), rel=1e-6)
        assert found.rate == pytest.approx(np.log2(1 + GAMMA * split))
    # Pilots that stay are noise to the decoder: I = log2(|all|) - log2(|without the data|).
    stays = tradeoff.region(0.3, GAMMA, whole, leakage=0.25).rate
    rest = 1 + 0.25 * 0.7 * GAMMA
    assert stays == pytest.approx(np.log2(rest + 0.3 * GAMMA) - np.log2(rest))


def test_no_pilots_and_unused_data_tell_nothing():
    ends = tradeoff.region([0.0, 1.0], GAMMA, J)
    assert ends.peb[0] == pytest.approx(np.sqrt(K2))
    assert np.isinf(ends.peb[1])
    assert ends.rate.tolist() == [0.0, np.log2(1 + GAMMA)]


def test_decoded_data_leave_nothing_to_trade():
    """commit (21), headline 1: with chi = 1 all power on the data is best for both."""
    split = np.linspace(0, 1, 11)
    found = tradeoff.region(split, GAMMA, J, J)
    np.testing.assert_allclose(found.peb, np.sqrt(K2), rtol=1e-12)
    assert np.argmax(found.rate) == 10
    assert tradeoff.best_split(5.0, GAMMA, np.sqrt(K2), data_share=1.0) == 1.0


# -------------------------------------------------------------------------------- its shape


def shape_by_algebra():
    """1 / PEB^2 and R as functions of the pilots' share s, in units in which tr J^-1 = 1."""
    s, gamma, leak, chi = sp.symbols("s Gamma epsilon chi", positive=True)
    rate = sp.log(1 + gamma * (1 - s) / (1 + leak * gamma * s))
    return s, gamma, leak, chi, rate, chi + (1 - chi) * s


def test_the_region_is_convex_if_the_pilots_are_cancelled():
    """commit (22) by SymPy: in R and PEB, PEB^2, 1 / PEB^2, for every worth of the data."""
    s, gamma, leak, chi, rate, told = shape_by_algebra()
    clean = rate.subs(leak, 0)
    by_rate = lambda f: sp.diff(f, s) / sp.diff(clean, s)  # noqa: E731
    second = sp.factor(by_rate(by_rate(told)))
    left = sp.symbols("r", positive=True)  # 1 + Gamma (1 - s)
    second = sp.simplify(second.subs(s, 1 - (left - 1) / gamma))
    assert sp.simplify(second + (1 - chi) * left / gamma) == 0  # concave for chi < 1
    # Of a concave positive q, q^-1 and q^-1/2 are convex.
    q, slope, bend = sp.symbols("q q1 q2")
    for power in (-1, sp.Rational(-1, 2)):
        y = sp.symbols("y")
        f = sp.Function("f")(y)
        curve = sp.diff(f**power, y, 2).subs(sp.diff(f, y, 2), bend)
        curve = curve.subs(sp.diff(f, y), slope).subs(f, q)
        expected = (
            power * (power - 1) * q ** (power - 2) * slope**2 + power * q ** (power - 1) * bend
        )
        assert sp.simplify(curve - expected) == 0  # both terms >= 0 for q > 0 >= q2


def test_pilots_that_stay_make_the_curve_bend_the_other_way():
    """commit (22), the counterexample: 1 / PEB^2 is convex in R, so time sharing wins."""
    s, gamma, leak, _, rate, _ = shape_by_algebra()
    stays = rate.subs(leak, 1)
    r = sp.symbols("R", nonnegative=True)
    inverse = ((1 + gamma) * sp.exp(-r) - 1) / gamma
    assert sp.simplify(stays.subs(s, inverse) - r) == 0
    assert sp.simplify(sp.diff(inverse, r, 2) - (1 + gamma) / gamma * sp.exp(-r)) == 0
    half = np.log2(1 + GAMMA) / 2
    split = np.linspace(0, 1, 2001)
    curve = tradeoff.region(split, GAMMA, J, leakage=1.0)
    alone = np.interp(half, curve.rate, curve.peb)
    shared = tradeoff.share_time(curve.rate, curve.peb, half)
    assert alone / shared == pytest.approx(np.sqrt(50 / (np.sqrt(101) - 1)), rel=1e-5)  # 2.35


@pytest.mark.parametrize(("chi", "convex"), [(0.0, (True, True)), (0.05, (False, False))])
def test_in_peb_convexity_fails_once_data_tell_a_little(chi, convex):
    """Pilots that stay: PEB and PEB^2 are convex in R for chi = 0, and not for chi = 5 %."""
    # By algebra: with y = (1 + Gamma) / 2^R, (q^-1/2)'' has the sign of b y / 2 - a.
    split = np.linspace(0, 0.9999, 4001)
    found = tradeoff.region(split, GAMMA, J, chi * J, leakage=1.0)
    for power, expected in zip((1, 2), convex, strict=True):
        slope = np.diff(found.peb**power) / np.diff(found.rate)
        assert bool(np.all(np.diff(slope) >= -1e-9 * np.abs(slope[:-1]))) == expected
    b, a = (1 - chi) / GAMMA, chi - (1 - chi) / GAMMA
    assert (b / 2 >= a) == convex[0]


@pytest.mark.parametrize("gamma", [0.1, 1.0, 100.0, 1e4])
def test_the_leakage_that_is_allowed(gamma):
    """1 / (Gamma + 2) by algebra and by second differences on both sides of it."""
    s, big, leak, _, rate, _ = shape_by_algebra()
    at_end = sp.factor(sp.diff(rate, s, 2).subs(s, 0))
    root = sp.solve(sp.numer(sp.together(at_end)), leak)
    assert 1 / (big + 2) in [sp.simplify(each) for each in root]
    most = tradeoff.largest_leakage(gamma)
    split = np.linspace(0, 1, 401)
    for leakage, concave in ((0.99 * most, True), (1.03 * most, False)):
        bends = np.diff(tradeoff.region(split, gamma, J, leakage=leakage).rate, 2)
        assert bool(np.all(bends <= 1e-13)) == concave


@pytest.mark.parametrize("seed", range(10))
def test_convexity_is_that_of_covariances(seed):
    """commit (22), (31): R concave and J affine in S, so the mean of two does better than both."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(2, 4, 2)) @ [1, 1j]
    a = rng.normal(size=(3, 4, 2)) @ [1, 1j]
    roots = rng.normal(size=(3, 2, 2))
    light = tradeoff.Light(a, roots @ roots.swapaxes(-1, -2))
    factors = rng.normal(size=(2, 4, 4, 2)) @ [1, 1j]
    one, two = factors @ factors.conj().swapaxes(-1, -2)
    peb = [fisher.position_error_bound(light.information(s)) for s in (one, (one + two) / 2, two)]
    rate = [tradeoff.covariance_rate(s, h) for s in (one, (one + two) / 2, two)]
    assert rate[1] >= (rate[0] + rate[2]) / 2
    assert peb[1] ** -2 >= (peb[0] ** -2 + peb[2] ** -2) / 2
    assert peb[1] <= (peb[0] + peb[2]) / 2
    assert tradeoff.share_time(rate, peb, min(rate[0], rate[2])) <= max(peb[0], peb[2])


def test_time_sharing_is_the_best_pair():
    rng = np.random.default_rng(7)
    rate, peb = rng.uniform(0, 5, 30), rng.uniform(0.1, 2, 30)
    peb[4] = np.inf
    for target in (0.0, 1.3, rate.max()):
        best = max(
            part * peb[i] ** -2 + (1 - part) * peb[j] ** -2
            for i, j in itertools.product(range(30), repeat=2)
            for part in [1.0 if rate[i] == rate[j] else (target - rate[j]) / (rate[i] - rate[j])]
            if 0 <= part <= 1 and part * rate[i] + (1 - part) * rate[j] >= target - 1e-12
        )
        best = max([best, *(peb[rate >= target] ** -2)])
        assert tradeoff.share_time(rate, peb, target) ** -2 == pytest.approx(best, rel=1e-12)


def test_a_power_split_does_not_reach_every_point_and_points_outside_it_exist():
    """commit (24): outside the split's curve lie time sharing, and another spectrum."""
    split = np.linspace(0, 1, 101)
    curve = tradeoff.region(split, GAMMA, J, leakage=1.0)
    shared = tradeoff.share_time(curve.rate, curve.peb, curve.rate[1:-1])
    assert np.all(shared < curve.peb[1:-1] * (1 - 1e-6))
    tones = np.linspace(-5e7, 5e7, 32)
    snr = np.full(32, 320.0)
    flat = np.full(32, 1 / 32)
    told = tradeoff.spectrum_information(flat, tones, snr)
    shaped = tradeoff.shape_spectrum(snr, tones, 1.2 * told)
    assert shaped.delay_information > told  # the same power, all of it data, and known
    assert shaped.rate > 0.98 * tradeoff.spectrum_rate(flat, snr)


# ---------------------------------------------------------------------------- the best split


@given(
    st.floats(-6, 6), st.floats(-3, 6), st.floats(-2, 2), st.sampled_from([0.0, 0.1, 0.7, 0.999])
)
def test_the_best_split_is_the_best(price, snr, peb, chi):
    """commit (23): no split nearby does better, to the rounding of the objective."""
    price, snr, peb = 10.0**price, 10.0**snr, 10.0**peb

    def worth(split):
        share = 1 - split + chi * split
        return np.log2(1 + snr * split) - price * peb**2 / share

    found = float(tradeoff.best_split(price, snr, peb, chi))
    assert 0 <= found <= 1
    others = np.concatenate([np.linspace(0, 1 - 1e-12, 101), found + np.linspace(-0.01, 0.01, 101)])
    others = others[(others >= 0) & (others < 1)]
    best = worth(min(found, 1 - 1e-15))
    assert np.all(worth(others) <= best + 1e-9 * (1 + abs(best)))


def test_the_best_split_by_algebra():
    """The printed closed form for unused data, and where it stops."""
    rho, a, gamma = sp.symbols("rho a Gamma", positive=True)
    star = 1 + a / 2 - sp.sqrt(a + a**2 / 4 + a / gamma)
    slope = sp.diff(sp.log(1 + gamma * rho) - a / (1 - rho), rho)
    assert sp.simplify(slope.subs(rho, star)) == 0
    assert sp.simplify((star - 1 - a / 2).subs(a, gamma) ** 2 - (1 + gamma / 2) ** 2) == 0
    mu = 3.0
    number = float(star.subs({a: mu * K2 * np.log(2), gamma: GAMMA}))
    assert tradeoff.best_split(mu, GAMMA, np.sqrt(K2)) == pytest.approx(number, rel=1e-12)
    free = 1.001 * GAMMA / (K2 * np.log(2))
    assert tradeoff.best_split(free, GAMMA, np.sqrt(K2)) == 0.0
    assert tradeoff.best_split(0.0, GAMMA, np.sqrt(K2)) == 1.0


def test_prices_walk_along_the_whole_boundary_only_where_it_is_convex():
    """commit (23): tangents find every point if the pilots are cancelled; not if they stay."""
    split = np.linspace(0, 0.999, 2000)
    for chi, leakage, all_found in ((0.0, 0.0, True), (0.05, 1.0, False)):
        curve = tradeoff.region(split, GAMMA, J, chi * J, leakage)
        prices = np.geomspace(1e-4, 1e4, 4000)
        best = np.argmax(curve.rate - prices[:, None] * curve.peb**2, axis=1)
        missed = np.diff(np.unique(split[best])).max()
        assert (missed < 0.05) == all_found


# ----------------------------------------------------------------------- what data are worth


@pytest.mark.parametrize("snr", [0.05, 1.0, 30.0])
def test_unknown_data_are_known_data_without_a_clock(snr):
    """commit (21): the stochastic FIM of all samples of three arrays, gains unknown."""
    rng = np.random.default_rng(21)
    aps, turns = 40 * rng.normal(size=(3, 2)), rng.uniform(0, np.pi, 3)
    axes = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    array, tones = UniformLinearArray(3), np.linspace(-5e7, 5e7, 5)
    gains = rng.normal(size=(3, 2)) @ [1, 1j]
    gains *= np.sqrt(snr / (3 * np.sum(np.abs(gains) ** 2)))  # of all nine antennas
    truth = np.array([3.0, -5.0, *gains.real, *gains.imag])

    def covariance(theta):
        mean = toa_aoa.signal(theta[:2], aps, axes, theta[2:5] + 1j * theta[5:], array, tones)
        seen = np.moveaxis(mean, 1, 0).reshape(len(tones), -1)  # (K, M N)
        return seen[:, :, None] * seen[:, None, :].conj() + np.eye(seen.shape[1])

    h = 1e-5
    slopes = [(covariance(truth + h * e) - covariance(truth - h * e)) / (2 * h) for e in np.eye(8)]
    white = [np.linalg.solve(covariance(truth), each) for each in slopes]
    fim = np.array([[np.einsum("kij,kji->", x, y).real for y in white] for x in white])
    # The common phase of the gains hides in the data: a pseudoinverse, in even units.
    unit = np.diag(fim)[2:] ** -0.5
    nuisance = np.linalg.pinv(fim[2:, 2:] * np.outer(unit, unit), rcond=1e-8) * np.outer(unit, unit)
    left = fim[:2, :2] - fim[:2, 2:] @ nuisance @ fim[2:, :2]
    offset = truth[:2] - aps
    sine = np.sum(offset * axes, axis=1) / np.linalg.norm(offset, axis=1)
    energy = np.abs(gains) ** 2 * 3 * 5
    closed = tradeoff.unknown_data_efim(
        truth[:2], aps, toa_aoa.delay_variance(np.sqrt(12) * np.std(tones), energy),
        toa_aoa.angle_variance(np.arcsin(sine), array, energy), snr,
    )  # fmt: skip
    np.testing.assert_allclose(left, closed, rtol=2e-5)


def test_one_access_point_hears_the_angle_of_unknown_data_and_no_delay():
    """N rho / (1 + N rho): 98.8 % for 8 antennas at 10 dB."""
    told = tradeoff.unknown_data_efim([30.0, 0.0], [[0.0, 0.0]], 1e-18, 1e-4, 80.0)
    known = toa_aoa.position_efim([30.0, 0.0], [[0.0, 0.0]], np.inf, 1e-4)
    np.testing.assert_allclose(told, 80 / 81 * known, rtol=1e-12)
    assert np.linalg.matrix_rank(told) == 1
    # Two delays of equal SNR: their difference as with known data, one of them alone half.
    two = tradeoff.unknown_data_efim([0.0, 0.0], [[-9.0, 0.0], [0.0, -9.0]], 1e-18, np.inf, 1e9)
    both = toa_aoa.position_efim([0.0, 0.0], [[-9.0, 0.0], [0.0, -9.0]], 1e-18, np.inf)
    apart = np.array([1.0, -1.0])
    assert apart @ two @ apart == pytest.approx(apart @ both @ apart, rel=1e-8)
    assert two[0, 0] == pytest.approx(both[0, 0] / 2, rel=1e-8)


@pytest.mark.parametrize(("m", "t", "db"), [(4, 8, 3.01), (8, 64, 0.58)])
def test_gaussian_pilots_cost_t_over_t_minus_m(m, t, db):
    """Monte Carlo of tr (X X^H)^-1 against orthogonal rows; four standard errors."""
    rng = np.random.default_rng(29)
    x = rng.normal(size=(4000, m, t, 2)) @ [1, 1j] / np.sqrt(2)
    gram = x @ x.conj().swapaxes(-1, -2)
    cost = np.trace(np.linalg.inv(gram), axis1=-2, axis2=-1).real * t / m
    found, exact = estimate(cost), tradeoff.random_pilot_loss(t, m)
    assert abs(found.mean - exact) < 4 * found.standard_error
    assert found.standard_error < 0.02 * exact
    assert 10 * np.log10(exact) == pytest.approx(db, abs=0.005)


def test_too_few_random_pilots_tell_nothing_in_the_mean():
    assert tradeoff.random_pilot_loss([3, 4, 5], 4).tolist() == [np.inf, np.inf, 5.0]


def test_a_direction_of_departure_has_two_unknowns_before_the_data():
    """c of the sample covariance is the energy of T - 1 symbols: T / (T - 2) in 1 / c."""
    rng, t, n = np.random.default_rng(30), 12, 20_000
    x = rng.normal(size=(n, 2, t, 2)) @ [1, 1j] / np.sqrt(2)  # along a and along its derivative
    s = x @ x.conj().swapaxes(-1, -2) / t
    c = (s[:, 1, 1] - np.abs(s[:, 0, 1]) ** 2 / s[:, 0, 0]).real
    found = estimate(1 / c)
    assert abs(found.mean - tradeoff.random_pilot_loss(t, 2)) < 4 * found.standard_error
    assert abs(estimate(c).mean - (t - 1) / t) < 4 * estimate(c).standard_error


@pytest.mark.parametrize("t", [3, 8])
def test_mean_of_inverses_and_inverse_of_the_mean(t):
    """Jensen's gap for several transmitters, between none and that of one alone."""
    rng = np.random.default_rng(31)
    one = estimate(tradeoff.random_data_loss(J[None], t, rng, 40_000))
    assert abs(one.mean - t / (t - 1)) < 4 * one.standard_error
    rows = rng.normal(size=(6, 2, 2))
    each = rows @ rows.swapaxes(-1, -2)
    six = estimate(tradeoff.random_data_loss(each, t, rng, 40_000))
    assert 1 + 4 * six.standard_error < six.mean < t / (t - 1) - 4 * six.standard_error
    same = estimate(tradeoff.random_data_loss(np.tile(J, (6, 1, 1)), t, rng, 40_000))
    assert abs(same.mean - 6 * t / (6 * t - 1)) < 4 * same.standard_error


# ------------------------------------------------------------------------------- in practice


def test_pilots_on_demand_lose_the_duty_of_what_they_lose_always():
    """commit (32): true if only the measurement counts; if old pilots do, spreading is best."""
    always, scheduled, spread = tradeoff.on_demand(GAMMA, 0.4, 0.02)
    free = np.log2(1 + GAMMA)
    assert free - scheduled == pytest.approx(0.02 * (free - always), rel=1e-9)
    power, duty = np.meshgrid(np.linspace(0, 1, 11), np.linspace(0, 1, 11))
    always, scheduled, spread = tradeoff.on_demand(GAMMA, power, duty)
    assert np.all(always <= scheduled + 1e-12)
    assert np.all(scheduled <= spread + 1e-12)


def test_a_few_per_cent_of_the_grid_for_periods_of_ten_to_forty_milliseconds():
    """commit (33): counted on a grid, resource element by resource element."""
    slots, n_tones, comb = 40, 24, 4  # 20 ms of slots of half a millisecond
    grid = np.zeros((14 * slots, n_tones), dtype=int)
    for pilot in range(16):
        first = 4 * (pilot // comb)
        for symbol in range(4):
            grid[first + symbol, (pilot + symbol) % comb :: comb] += 1
    assert grid.max() == 1  # orthogonal
    found = tradeoff.pilot_overhead(16, 4, comb, 0.020)
    assert found == pytest.approx(grid.mean(), rel=1e-12)
    few = tradeoff.pilot_overhead(16, 4, 4, np.array([0.004, 0.010, 0.040, 0.160]))
    np.testing.assert_allclose(100 * few, [14.29, 5.71, 1.43, 0.36], atol=0.005)
    # Each user its own uplink pilot: in proportion to their number (commit (35)).
    users = tradeoff.pilot_overhead([1, 10, 200], 4, 4, 0.020)
    np.testing.assert_allclose(users / users[0], [1, 10, 200])


def test_a_grid_costs_more_than_the_least_that_the_energy_must_cost():
    """commit (33): pilots on top of the data and cancelled cost ln(1 + Gamma) times less."""
    share = 1e-4
    grid = share * np.log2(1 + GAMMA)
    least = np.log2(1 + GAMMA) - tradeoff.region(1 - share, GAMMA, J).rate
    assert grid / least == pytest.approx((1 + 1 / GAMMA) * np.log(1 + GAMMA), rel=1e-3)


def test_short_loud_pilots_come_near_the_curve_of_cancelled_ones():
    """commit (33): in slots of their own, for the share theta of the time, with all of s P."""
    share = 0.1
    cancelled = tradeoff.region(1 - share, GAMMA, J).rate
    for theta, near in ((0.1, 0.04), (0.01, 0.005), (1e-4, 1e-4)):
        own = (1 - theta) * np.log2(1 + GAMMA * (1 - share) / (1 - theta))
        assert 0 < cancelled - own < near * cancelled + theta * cancelled


def test_a_report_waits_for_the_next_pilots():
    """commit (34): a request at a random time; long periods do not go with 10-40 ms."""
    rng = np.random.default_rng(34)
    asked = rng.uniform(0, 0.16, 20_000)
    waits = np.ceil(asked / 0.02) * 0.02 - asked + 0.02 + 0.01  # two occasions, 10 ms
    mean, worst = tradeoff.report_delay(0.02, 0.01, 2)
    found = estimate(waits)
    assert abs(found.mean - mean) < 4 * found.standard_error
    assert waits.max() <= worst < waits.max() + 1e-4
    for period, inside in ((0.004, True), (0.02, True), (0.16, False)):
        assert (tradeoff.report_delay(period, 0.01)[1] <= 0.040) == inside


# --------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tradeoff.region(1.2, 1.0, J), r"split must be in \[0, 1\], got 1.2"),
        (lambda: tradeoff.region(0.5, -1.0, J), "sample_snr must be >= 0"),
        (lambda: tradeoff.region(0.5, 1.0, J, leakage=2.0), r"leakage must be in \[0, 1\]"),
        (lambda: tradeoff.region(0.5, 1.0, J, np.eye(3)), "data_efim must have the size of efim"),
        (lambda: tradeoff.region([0.5] * 3, [1.0] * 2, J), "must broadcast"),
        (lambda: tradeoff.region(0.5, 1.0, -J), "positive semidefinite"),
        (lambda: tradeoff.best_split(-1.0, 1.0, 1.0), "price must be >= 0"),
        (lambda: tradeoff.best_split(1.0, 0.0, 1.0), "sample_snr must be > 0"),
        (lambda: tradeoff.best_split(1.0, 1.0, 0.0), "peb must be > 0"),
        (lambda: tradeoff.best_split(1.0, 1.0, 1.0, 1.5), r"data_share must be in \[0, 1\]"),
        (lambda: tradeoff.share_time([1.0], [1.0, 2.0], 0.5), "must be lists of equal length"),
        (lambda: tradeoff.share_time([1.0], [0.0], 0.5), "peb must be > 0"),
        (lambda: tradeoff.random_pilot_loss(2.5, 1), "n_pilots must be a whole number"),
        (lambda: tradeoff.random_data_loss(J, 4, None, 10), r"efim must have shape \(P, n, n\)"),
        (lambda: tradeoff.random_data_loss(J[None], 1, None, 10), "n_pilots must be a whole"),
        (lambda: tradeoff.random_data_loss(0 * J[None], 4, None, 10), "efim must fix the position"),
        (lambda: tradeoff.on_demand(1.0, 0.5, 1.5), r"duty must be in \[0, 1\]"),
        (lambda: tradeoff.pilot_overhead(0, 4, 4, 1.0), "n_resources must be a whole number"),
        (lambda: tradeoff.pilot_overhead(1, 4, 4, 0.0), "period must be > 0"),
        (lambda: tradeoff.report_delay(0.02, -1.0), "processing must be >= 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_rate_that_nobody_has_is_infeasible():
    with pytest.raises(Infeasible, match="target_rate 3 is asked for, 2 is the largest rate"):
        tradeoff.share_time([1.0, 2.0], [0.1, 0.2], 3.0)
