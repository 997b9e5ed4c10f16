"""Fading gains: which means are finite, what they are, and what no draw may decide."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy import integrate

from cfisac import fisher
from cfisac.limits import fading
from cfisac.limits._diversity import silence
from cfisac.limits._fading_draws import inverses
from cfisac.paths import Paths, echo, one_way

CIRCLE = 247.5  # m


def rng(seed=1):
    return np.random.default_rng(seed)


def ranges(*degrees, weights=1.0):
    """Information of ranges measured from these directions."""
    angle = np.radians(degrees)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.reshape(weights, (-1, 1, 1)) * unit[:, :, None] * unit[:, None]


def trace(found):
    """The trace, and a safe standard error of it: entries of one draw move together."""
    return np.trace(found.mean), np.trace(found.standard_error)


def direct(each, shape, size, seed=2):
    """Plain means over drawn gains: of the inverse, and of the root of its trace."""
    gains = rng(seed).gamma(shape, 1 / shape, (size, len(each)))
    inverse = np.linalg.inv(np.einsum("sl,lij->sij", gains, each))
    root = np.sqrt(np.trace(inverse, axis1=1, axis2=2))
    return inverse.mean(0), inverse.std(0) / np.sqrt(size), root.mean(), root.std() / np.sqrt(size)


# ------------------------------------------------------------------------------------- by algebra


def test_the_floor_by_algebra():
    """E 1/G of the sum of L gains, times L: the factor of Jensen's inequality over shares."""
    x, total, m = sp.symbols("x k m", positive=True)
    density = m**total * x ** (total - 1) * sp.exp(-m * x) / sp.gamma(total)  # total = L m
    above = sp.symbols("a", positive=True)  # L m - 1
    mean = sp.integrate((density / x).subs(total, above + 1), (x, 0, sp.oo))
    assert sp.simplify(mean - m / above) == 0
    for n_paths, shape in ((2, 1.0), (5, 1.0), (3, 2.0)):
        exact = n_paths * mean.subs({m: shape, above: n_paths * shape - 1})
        assert fading.floor(n_paths, shape) == pytest.approx(float(exact), rel=1e-12)
    half = sp.integrate((density / sp.sqrt(x)).subs({total: 4, m: 1}), (x, 0, sp.oo))
    assert fading.root_floor(4) == pytest.approx(float(2 * half), rel=1e-12)
    assert fading.floor([1, 2], 0.5).tolist() == [np.inf, np.inf]
    assert fading.root_floor(1, 0.5) == np.inf


def test_slepian_bangs_by_algebra():
    """In the basis of f and what f' has beside it, R is diagonal, and the phase drops out."""
    rho, s, mu = sp.symbols("rho s mu", positive=True)
    f, slope = sp.Matrix([1, 0]), sp.Matrix([sp.I * mu, s])  # f' = j mu f + s (a unit vector)
    covariance = sp.eye(2) + rho * f * f.H
    turned = rho * (slope * f.H + f * slope.H)
    white = covariance.inv() * turned
    assert sp.simplify((white * white).trace() - 2 * rho**2 / (1 + rho) * s**2) == 0
    louder = covariance.inv() * f * f.H  # an unknown SNR does not mix with the angle
    assert sp.simplify((white * louder).trace()) == 0


def test_no_order_by_algebra():
    """n equal branches: E CRB is below the bound of the Rayleigh model iff SNR < n - 1."""
    n, rho = sp.symbols("n rho", positive=True)
    gap = (1 + 1 / rho) - n / (n - 1)  # over the bound at the mean powers
    assert sp.simplify(gap * rho * (n - 1) - (n - 1 - rho)) == 0
    one = np.eye(1)
    for branches, snr, first in ((4, 100.0, False), (128, 1.0, True)):
        paths = Paths(np.full(branches, snr), one, one)
        mean = 1 / paths.information()[0, 0]
        below = fading.floor(branches) * mean < 1 / fading.unconditional_efim(paths)[0, 0]
        assert below == first


def test_the_modified_bound_depends_on_where_phases_begin():
    """Mean FIM for known gains: from the first antenna 2 (2 N - 1) / (N + 1) times as large."""
    n = sp.symbols("N", positive=True)
    k = sp.symbols("k", integer=True)
    square = sp.summation(k**2, (k, 0, n - 1)) / n
    variance = square - (sp.summation(k, (k, 0, n - 1)) / n) ** 2
    assert sp.simplify(square / variance - 2 * (2 * n - 1) / (n + 1)) == 0
    lags = np.arange(8.0)
    for start, factor in ((lags.mean(), 1.0), (0.0, 2 * 15 / 9)):
        beam = np.exp(1j * (lags - start) * 0.7) / np.sqrt(8)
        known = fisher.gaussian_fim((1j * (lags - start) * beam)[:, None], 1.0)
        assert known[0, 0] == pytest.approx(2 * lags.var() * factor)


# ----------------------------------------------------------------------------------- the theorem


def by_trying(each):
    """Diversity from all sets of silent paths."""
    n_paths, n = each.shape[:2]
    found = np.full(n, -1)
    for size in range(n_paths + 1):
        for silent in combinations(range(n_paths), size):
            left = np.delete(each, silent, axis=0).sum(axis=0)
            lost = np.isinf(np.diag(fisher.crlb(left)))
            found = np.where((found < 0) & lost, size, found)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_diversity_is_what_trying_all_silences_finds(seed):
    """Few directions and ranks below n, so that many paths are collinear, at random strengths."""
    draw = rng(seed)
    n, n_paths = draw.integers(1, 5), draw.integers(1, 7)
    stock = draw.integers(-1, 2, (4, n)).astype(float)  # directions to choose from
    each = []
    for _ in range(n_paths):
        rows = stock[draw.integers(0, 4, draw.integers(1, 3))]
        each.append(10 ** draw.uniform(-6, 6) * rows.T @ rows)
    assert fading.diversity(each).tolist() == by_trying(np.array(each)).tolist()


def test_a_path_counts_however_weak_it_is():
    """Finite is finite: the bound of the mean needs the weak path rarely, but for sure."""
    each = ranges(0, 0, 90, 90, weights=[1.0, 1e-20, 1.0, 1.0])
    assert fading.diversity(each).tolist() == [2, 2]
    assert fading.diversity(each[1:]).tolist() == [1, 2]
    none = fading.diversity(ranges(0, 0, 90, weights=[1.0, 0.0, 1.0]))
    assert none.tolist() == [1, 1]


def test_diversity_of_a_network():
    """A range needs company, a range and an angle do not; a clock or a velocity costs paths."""
    turn = 2 * np.pi * np.arange(4) / 4
    aps = CIRCLE * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    along = np.stack([-np.sin(turn), np.cos(turn)], axis=1)
    rows = np.sqrt(8) * 7.2 * along[:, None]
    user = np.array([20.0, -30.0])
    only = one_way(user, aps, 10.0, 1e15)
    both = one_way(user, aps, 10.0, 1e15, rows)
    assert fading.diversity(only.each()).tolist() == [3, 3]
    assert fading.diversity(both.each()).tolist() == [4, 4]
    clock = only.with_unknown("clock")
    assert fading.diversity(clock.each()).tolist() == [2, 2, 2]
    assert fading.diversity(only.each()[:2]).tolist() == [1, 1]
    moving = echo(user, [1.0, 2.0], aps, aps, 28e9, 10.0, np.diag([1e15, 1e-5]), None, rows)
    assert fading.diversity(moving.with_unknown("velocity").each()).tolist() == [4, 4, 3, 3]


@pytest.mark.parametrize(
    ("shape", "silent", "infinite"),
    [(1.0, 1, True), (1.0, 2, False), (2.0, 1, False), (0.5, 2, True), (0.5, 3, False)],
)
def test_the_mean_is_infinite_where_k_times_m_is_at_most_one(shape, silent, infinite):
    """Several ranges from the east and one set from the north: means known exactly."""
    each = ranges(*[0] * silent, *[90] * 6)
    found = fading.mean_crlb(each, rng(), shape, 4000)
    assert np.isinf(found.mean[0, 0]) == infinite
    assert found.standard_error[0, 0] == 0 or not infinite
    for axis, number in ((0, silent), (1, 6)):
        exact = float(fading.floor(number, shape)) / number
        error = found.standard_error[axis, axis]
        assert found.mean[axis, axis] == exact or abs(found.mean[axis, axis] - exact) < 5 * error


def test_infinity_is_not_sampled():
    """Whatever the draws are, and however few, and the plain mean of draws is finite there."""
    each = ranges(0, 70)
    for seed in range(5):
        found = fading.mean_crlb(each, rng(seed), size=2)
        assert np.all(np.isinf(np.diag(found.mean)))
        assert not found.standard_error.any()
    assert np.all(np.isfinite(direct(each, 1.0, 1000)[0]))


def test_the_tail_of_the_bound():
    """P(CRB > t) falls as t^-k: for three ranges, two of which must fall silent, as t^-2."""
    size, each = 2_000_000, ranges(0, 120, 240)
    gains = rng().exponential(size=(size, 3))
    determinant = 0.75 * (gains.sum(1) ** 2 - (gains**2).sum(1)) / 2  # Cauchy and Binet
    bound = gains.sum(1) / determinant
    whole = np.einsum("l,lij->ij", gains[0], each)
    assert bound[0] == pytest.approx(np.trace(np.linalg.inv(whole)), rel=1e-9)
    counts = [np.sum(bound > t) for t in (20.0, 40.0)]
    ratio, error = counts[0] / counts[1], 4 / np.sqrt(counts[1])
    assert abs(ratio / 4 - 1) < 4 * error / 4 + 0.05  # 0.05: the next term of the tail
    assert counts[1] > 400


# ------------------------------------------------------------------------------------- the values


@pytest.mark.parametrize(("shape", "silent"), [(1.0, 2), (1.5, 1), (2.0, 1)])
def test_no_single_draw_rules_the_mean(shape, silent):
    """Where the mean square of plain draws is infinite, weighted ones stay bounded."""
    each = ranges(*[0] * silent, *[90] * 6)
    found = silence(each)
    finite = np.array([True, True])
    largest, mean, size = 0.0, 0.0, 200_000
    for covariance, weight in inverses(each, found, finite, shape, 1.0, rng(), size):
        draws = weight * covariance[:, 0, 0]
        largest, mean = max(largest, draws.max()), mean + draws.sum() / size
    assert largest < 40 * mean


def test_three_ranges_by_quadrature():
    """E tr F^-1 over shares is a double integral, done once by hand: 2.34 times that of E F."""

    def inner(c):  # over the first share, the third being c
        a = 1 - c
        root = np.sqrt(a**2 + 4 * a * c)
        return 2 / root * np.log((root + a) / (root - a))

    over_shares = 2 * integrate.quad(inner, 0, 1, epsabs=1e-10)[0]
    exact = 0.5 * over_shares * 4 / 3  # E 1/G = 1/2
    found, error = trace(fading.mean_crlb(ranges(0, 120, 240), rng(), size=100_000))
    assert abs(found - exact) < 4 * error
    assert error < 0.01 * exact
    assert exact / (4 / 3) == pytest.approx(2.34, abs=0.005)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("means", [(1.0, 0.01, 3.0, 0.2), (5.0, 5.0, 5.0, 5.0)])
def test_one_parameter_by_laplace(shape, means):
    """E 1/X of X = sum g_l f_l is the integral of its Laplace transform."""
    f = np.array(means)

    def transform(s):
        return np.prod((1 + s * f / shape) ** -shape)

    exact = integrate.quad(transform, 0, np.inf, epsabs=1e-12, limit=400)[0]
    found = fading.mean_crlb(f[:, None, None], rng(3), shape, 40_000)
    assert abs(found.mean[0, 0] - exact) < 4 * found.standard_error[0, 0] + 1e-6 * exact
    assert found.standard_error[0, 0] < 0.02 * exact


@pytest.mark.parametrize("seed", range(4))
def test_means_are_those_of_drawn_gains(seed):
    draw = rng(seed)
    shape = [1.0, 2.0, 1.5, 1.0][seed]
    rows = draw.normal(size=(6, 2, 3)) * 10 ** draw.uniform(-1, 1, (6, 1, 1)) * [1, 1e3, 1e-6]
    each = np.swapaxes(rows, 1, 2) @ rows
    found = fading.mean_crlb(each, rng(seed), shape, 40_000)
    mean, error, _, _ = direct(each, shape, 100_000)
    assert np.all(np.abs(found.mean - mean) < 5 * np.hypot(error, found.standard_error))
    peb = fading.mean_position_error_bound(each, rng(seed), shape, 40_000, n_keep=3)
    root, doubt = direct(each, shape, 100_000)[2:]
    assert abs(peb.mean - root) < 5 * np.hypot(doubt, peb.standard_error)


def test_what_a_hidden_direction_does_not_move_stays():
    """One range in a plane with an unknown that nothing tells: crlb's rule, and its mean."""
    third = np.diag([0.0, 0.0, 0.0])
    each = [third + np.pad(part, (0, 1)) for part in ranges(0, 90, 0, 90)]
    turn = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, -0.8, 0.6]])  # mixes the second and the third
    each = np.array([turn.T @ part @ turn for part in each])
    found = fading.mean_crlb(each, rng(), size=20_000)
    assert fading.diversity(each).tolist() == [2, 0, 0]
    assert abs(found.mean[0, 0] - 1.0) < 4 * found.standard_error[0, 0]
    assert found.mean[1, 1] == found.mean[2, 2] == np.inf
    assert found.mean[0, 1] == 0


def mean_where_drawn(*args, **options):
    """The mean, but where one path is nearly indispensable: that is refused."""
    try:
        return fading.mean_crlb(*args, **options)
    except ValueError as error:
        if "no path without which" in str(error):
            reject()
        raise


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neither_units_nor_axes_matter(seed):
    draw = rng(seed)
    each = ranges(*draw.uniform(0, 180, 4), weights=10 ** draw.uniform(-2, 2, 4))
    change = np.linalg.qr(draw.normal(size=(2, 2)))[0] @ np.diag(10 ** draw.uniform(-6, 6, 2))
    there = mean_where_drawn(np.swapaxes(change[None], 1, 2) @ each @ change, rng(), size=500)
    here = mean_where_drawn(each, rng(), size=500)
    back = change @ there.mean @ change.T
    np.testing.assert_allclose(back, here.mean, rtol=1e-6, atol=1e-6 * np.abs(here.mean).max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_jensen_floor_and_order(seed):
    """(E F)^-1 <= floor (E F)^-1 <= E F^-1, and CRB <= that of the Rayleigh model."""
    draw = rng(seed)
    n_paths, shape = draw.integers(4, 9), draw.choice([1.0, 2.0])
    rows = draw.normal(size=(n_paths, 1, 2)) * 10 ** draw.uniform(-1, 1, (n_paths, 1, 1))
    paths = Paths(10 ** draw.uniform(-1, 2, n_paths), np.eye(1), rows)
    bound = np.linalg.inv(paths.information())
    found = mean_where_drawn(paths.each(), rng(seed), shape, 2000)
    least = float(fading.floor(n_paths, shape))
    gap = np.trace(found.mean) - least * np.trace(bound)
    assert gap > -5 * np.trace(found.standard_error)
    peb = fading.mean_position_error_bound(paths.each(), rng(seed), shape, 2000)
    low = fading.root_floor(n_paths, shape) * np.sqrt(np.trace(bound))
    assert peb.mean - low > -5 * peb.standard_error
    rayleigh = np.linalg.inv(fading.unconditional_efim(paths))
    assert np.linalg.eigvalsh(rayleigh - bound).min() > -1e-9 * np.trace(rayleigh)


def test_proportional_paths_need_no_draws():
    each = np.array([1.0, 3.0, 0.1])[:, None, None] * np.array([[2.0, 0.5], [0.5, 1.0]])
    found = fading.mean_crlb(each / 4.1 * 3, rng(), size=10)
    equal = fading.mean_crlb(np.repeat(each[:1], 3, axis=0), rng(), size=10)
    exact = 1.5 * np.linalg.inv(3 * each[0])
    np.testing.assert_allclose(equal.mean, exact, rtol=1e-12)
    assert np.all(found.mean.diagonal() > exact.diagonal())  # unequal means cost more


def test_rayleigh_information_by_finite_differences():
    """Slepian and Bangs for two arrays, their SNRs unknown, against covariances moved a little."""
    lags, step = np.arange(5.0), 1e-5
    spots, user = np.array([[0.0, 0.0], [60.0, 10.0]]), np.array([25.0, 40.0])
    axes, snr = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.7, 9.0])

    def covariance(theta, index):
        away = theta[:2] - spots[index]
        sine = away @ axes[index] / np.hypot(*away)
        beam = np.exp(1j * np.pi * lags * sine) / np.sqrt(5)  # phases from the first antenna
        return np.eye(5) + theta[2 + index] * np.outer(beam, beam.conj())

    theta, fim = np.concatenate([user, snr]), np.zeros((4, 4))
    for index in range(2):
        inverse = np.linalg.inv(covariance(theta, index))
        white = [
            inverse @ (covariance(theta + h, index) - covariance(theta - h, index)) / (2 * step)
            for h in step * np.eye(4)
        ]
        fim += np.einsum("aij,bji->ab", white, white).real
    gradient = []
    for index in range(2):
        away = user - spots[index]
        d = np.hypot(*away)
        unit = away / d
        gradient.append((axes[index] - unit * (unit @ axes[index])) / d)
    paths = Paths(snr, np.array([[np.pi**2 * lags.var()]]), np.array(gradient)[:, None])
    closed = fading.unconditional_efim(paths)
    np.testing.assert_allclose(fisher.equivalent_fim(fim, 2), closed, rtol=1e-6)


def test_bad_input():
    each = ranges(0, 60, 120)
    for arguments, words in (
        ((np.eye(2), rng()), r"each must have shape \(L, n, n\)"),
        ((np.full((2, 2, 2), np.nan), rng()), "each must be finite"),
        (([[[1.0, 2.0], [0.0, 1.0]]], rng()), "each must be symmetric"),
        (([-np.eye(2)], rng()), "each must be positive semidefinite"),
        ((np.zeros((0, 2, 2)), rng()), "L >= 1"),
        ((each, rng(), 0.3), "fading_shape must be >= 0.5"),
        ((each, rng(), np.inf), "fading_shape must be finite"),
        ((each, rng(), 1.0, 1), "size must be a whole number >= 2"),
        ((ranges(0, 90), rng(), 1.2), "no sample tells such a mean"),
    ):
        with pytest.raises(ValueError, match=words):
            fading.mean_crlb(*arguments)
    with pytest.raises(ValueError, match=r"n_keep must be a whole number in 1\.\.2"):
        fading.mean_position_error_bound(each, rng(), n_keep=3)
    with pytest.raises(ValueError, match="fewer paths or unknowns"):
        fading.diversity(np.tile(np.eye(4), (200, 1, 1)))
    with pytest.raises(ValueError, match="n_paths must be a whole number"):
        fading.floor(0)
    with pytest.raises(ValueError, match="fading_shape must be > 0"):
        fading.root_floor(2, 0.0)
    with pytest.raises(ValueError, match="paths must be Paths"):
        fading.unconditional_paths(np.eye(2))


@pytest.mark.parametrize("strength", [1e-3, 1e-5])
def test_a_path_that_is_nearly_indispensable_is_refused_and_others_are_not(strength):
    """Two paths of strengths 1 and epsilon have the mean -ln(epsilon) / (1 - epsilon)."""
    each = np.array([1.0, strength])[:, None, None]
    if strength < 1e-4:
        with pytest.raises(ValueError, match="each must hold no path without which"):
            fading.mean_crlb(each, np.random.default_rng(0))
        return
    found = fading.mean_crlb(each, np.random.default_rng(0), size=100_000)
    exact = -np.log(strength) / (1 - strength)
    assert abs(found.mean[0, 0] - exact) < 4 * found.standard_error[0, 0]


@pytest.mark.parametrize("rng", [None, 3, np.random])
def test_what_draws_is_a_generator(rng):
    for mean in (fading.mean_crlb, fading.mean_position_error_bound):
        with pytest.raises(ValueError, match=r"rng must be a numpy.random.Generator"):
            mean(np.stack([np.eye(2)] * 4), rng)
