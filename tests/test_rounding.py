"""Rounding is never information: what is finite and what is ``inf``, against exact arithmetic.

Places are whole numbers, so that every information matrix is rational, although the directions
are not: ``u u^T = o o^T / d^2`` with a whole offset o. Fractions say which bounds are infinite and
what the others are; the package must say the same.
"""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from scipy.constants import speed_of_light

from cfisac import fisher, geometry
from cfisac.arrays import UniformLinearArray
from cfisac.limits import angle_gain, cooperative, toa_aoa
from cfisac.waveforms import OFDM

INF = float("inf")
TRIPLES = [(3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (1, 0, 1), (0, 1, 1)]


def exact_bound(fim):
    """Diagonal of the bound of a rational FIM: z_i of F z = e_i, ``inf`` where there is none."""
    n = len(fim)
    rows = [
        [*map(Fraction, row), *(Fraction(i == j) for j in range(n))] for i, row in enumerate(fim)
    ]
    pivots = []
    for column in range(n):
        at = len(pivots)
        found = next((i for i in range(at, n) if rows[i][column] != 0), None)
        if found is None:
            continue
        rows[at], rows[found] = rows[found], rows[at]
        rows[at] = [x / rows[at][column] for x in rows[at]]
        for i in range(n):
            if i != at and rows[i][column] != 0:
                factor = rows[i][column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[at], strict=True)]
        pivots.append(column)
    bound = []
    for i in range(n):
        solvable = not any(row[n + i] for row in rows[len(pivots) :])
        here = rows[pivots.index(i)][n + i] if i in pivots else Fraction(0)
        bound.append(float(here) if solvable else INF)
    return np.array(bound)


def product(left, right):
    """Product of two matrices of fractions."""
    return [
        [sum(map(Fraction.__mul__, row, col)) for col in zip(*right, strict=True)] for row in left
    ]


def fractions(rows):
    return [[Fraction(x) for x in row] for row in rows]


def added(slopes):
    """S^T S of rational slopes."""
    return product([list(column) for column in zip(*slopes, strict=True)], slopes)


def exact_position(user, aps, by_delay, by_angle):
    """Sum of w o o^T / d^2 + v a a^T / d^4, the weights being whole numbers (0: not measured)."""
    fim = [[Fraction(0)] * 2 for _ in range(2)]
    for ap, w, v in zip(aps, by_delay, by_angle, strict=True):
        x, y = (int(u) - int(a) for u, a in zip(user, ap, strict=True))
        d2 = x * x + y * y
        for i, j in np.ndindex(2, 2):
            along, across = (x, y), (-y, x)
            fim[i][j] += Fraction(int(w) * along[i] * along[j], d2)
            fim[i][j] += Fraction(int(v) * across[i] * across[j], d2 * d2)
    return exact_bound(fim)


def measured(user, aps, by_delay, by_angle, clock=0.0):
    """The same by the package."""
    with np.errstate(divide="ignore"):
        variances = 1 / (speed_of_light**2 * np.abs(by_delay)), 1 / np.abs(by_angle).astype(float)
    efim = toa_aoa.position_efim(user, aps, *variances, clock)
    return np.diagonal(fisher.crlb(efim), axis1=-2, axis2=-1)


def assert_same(actual, expected, rtol=1e-6):
    """The same are infinite, and the finite ones agree."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    wrong = np.flatnonzero(np.any(np.isinf(actual) != np.isinf(expected), axis=-1))
    assert not len(wrong), (len(wrong), wrong[:3], actual[wrong[:3]], expected[wrong[:3]])
    np.testing.assert_allclose(actual, expected, rtol=rtol)


# ------------------------------------------------------------------------- what fractions say


def test_sympy_agrees_with_the_fractions():
    """Identifiable is what no null vector moves; its bound is that of the pseudo-inverse."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        n = int(rng.integers(1, 5))
        fim = sp.Matrix(rng.integers(-2, 3, (int(rng.integers(1, n + 2)), n)))
        fim = fim.T * fim
        blind = [any(v[i] != 0 for v in fim.nullspace()) for i in range(n)]
        bound = [INF if b else float(fim.pinv()[i, i]) for i, b in enumerate(blind)]
        np.testing.assert_allclose(exact_bound(fim.tolist()), bound, rtol=1e-12)


# --------------------------------------------------------------------------------- positions


def singular_scenes(rng, n, n_aps, far):
    """APs at whole places on a line with the user; a direction, or all of it, is not measured."""
    user = rng.integers(-200, 200, (n, 1, 2)) + far
    step = rng.integers(-9, 10, (n, 1, 2)) * np.where(rng.random((n, 1, 1)) < 0.3, [0, 1], 1)
    step = np.where(np.any(step, axis=-1, keepdims=True), step, [[[1, 0]]])
    times = rng.permuted(np.tile(np.delete(np.arange(-40, 41), 40), (n, 1)), axis=1)[:, :n_aps]
    weights = rng.integers(0, 9, (2, n, n_aps))
    weights[rng.integers(2, size=n), np.arange(n)] = 0
    return user[:, 0], user + times[..., None] * step, *weights


@pytest.mark.parametrize("far", [0, 10**6])
@pytest.mark.parametrize("n_aps", [1, 2, 3])
def test_singular_scenes_at_whole_places(n_aps, far):
    """10 000 scenes in all, half of them 1000 km from the origin."""
    scenes = singular_scenes(np.random.default_rng(2 + n_aps), 1700, n_aps, far)
    expected = np.array([exact_position(*scene) for scene in zip(*scenes, strict=True)])
    assert np.all(np.isinf(expected).any(axis=-1))
    assert 0.1 < np.mean(np.isinf(expected).all(axis=-1)) < 0.9
    assert_same(measured(*scenes), expected)


@pytest.mark.parametrize("n_aps", [1, 2, 3])
def test_scenes_at_whole_places(n_aps):
    """Any places, near lines too: what is identifiable stays finite and right."""
    rng = np.random.default_rng(5)
    user, aps = rng.integers(-30, 30, (300, 2)), rng.integers(-30, 30, (300, n_aps, 2))
    aps[:100] = user[:100, None] + rng.integers(1, 9, (100, n_aps, 1)) * [0, 100]
    aps[:100, 0, 0] += 1  # one of them a little beside the line
    aps = np.where(np.all(aps == user[:, None], axis=-1, keepdims=True), aps + 1, aps)
    scenes = user, aps, *rng.integers(0, 9, (2, 300, n_aps))
    expected = np.array([exact_position(*scene) for scene in zip(*scenes, strict=True)])
    assert_same(measured(*scenes), expected)


@pytest.mark.parametrize("others", [[], [180], [0, 180], [45, 225], [90]])
@pytest.mark.parametrize(("w", "v"), [(1, 0), (0, 1), (1, 1)])
def test_all_headings_in_steps_of_one_degree(others, w, v):
    """APs 100 m away at the heading, and others turned against it.

    Delays see along the headings and bearings across them, so at whole quarters of a turn one
    coordinate may be known alone, with all APs on one line.
    """
    whole = np.arange(360)[:, None] + np.array([0, *others])
    aps = 100 * np.stack([np.cos(np.radians(whole)), np.sin(np.radians(whole))], axis=-1)
    for shift in ([0.0, 0.0], [3e3, -2e3]):
        number = np.ones(whole.shape)
        got = measured(np.array(shift), aps + shift, w * number, v * number)
        line = np.all(whole % 180 == whole[:, :1] % 180, axis=1) & (w * v == 0)
        on_axis = line & (whole[:, 0] % 90 == 0)
        east = on_axis & (whole[:, 0] % 180 == 0)  # delays see x, bearings see y
        seen = np.stack([east, on_axis & ~east], axis=-1)[:, :: 1 if w else -1]
        np.testing.assert_array_equal(np.isinf(got), line[:, None] & ~seen)
        one = w / len(whole[0]) + v * 1e4 / len(whole[0])
        np.testing.assert_allclose(got[seen], one, rtol=1e-9)


def test_the_worked_cases():
    """Delays, 1 m each, APs at 100 m; one bearing in the axes along and across the sight."""

    def delays(*headings):
        turn = np.radians(headings)
        aps = 100 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        return measured([0.0, 0.0], aps, np.ones(len(aps)), 0 * turn)

    np.testing.assert_allclose(delays(90), [INF, 1])
    np.testing.assert_allclose(delays(0, 180), [0.5, INF])
    np.testing.assert_allclose(delays(90, 270), [INF, 0.5])
    for place in ([1.0, 1.0], [1.0, 4.0], [4.0, 1.0]):
        _, jacobian = geometry.toa_aoa(place, [0.0, 0.0])
        along, across = jacobian[0] * speed_of_light, jacobian[1] * np.hypot(*place)
        bearing = fisher.change_parameters([[1.0]], jacobian[1:])
        turned = fisher.change_parameters(bearing, np.stack([along, across], axis=1))
        np.testing.assert_allclose(np.diag(fisher.crlb(turned)), [INF, np.sum(np.square(place))])


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2, np.pi / 2])
@pytest.mark.parametrize("off", [1e-6, 1e-5, 1e-3])
def test_a_microradian_off_the_line_is_seen(angle, off):
    """Two delays, 1 m each: det F = sin^2(off), and what rounding takes is rounding / off^2."""
    turn = np.array([angle, angle + off])
    aps = -100 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    got = measured([0.0, 0.0], aps, np.ones(2), np.zeros(2))
    right = np.array([np.sum(np.sin(turn) ** 2), np.sum(np.cos(turn) ** 2)]) / np.sin(off) ** 2
    np.testing.assert_allclose(got, right, rtol=1e-9 + 64 * np.finfo(float).eps / off**2)


@pytest.mark.parametrize("angle", [1e-4, 1e-7, 1e-10, 1e-11, 1e-12])
def test_a_line_that_is_nearly_north_is_a_line(angle):
    """At coordinates of 5000 km a direction over 100 m is known to 4e-11, not to 2e-16."""
    rng = np.random.default_rng(6)
    origin = rng.uniform(1e6, 5e6, (300, 1, 2))
    distance = rng.uniform(50, 200, (300, 3, 1)) * [[1], [-1], [1]]
    aps = origin + distance * [np.sin(angle), np.cos(angle)]
    got = measured(origin[:, 0], aps, np.ones((300, 3)), np.zeros((300, 3)))
    assert np.all(np.isinf(got[:, 0]))
    if angle >= 1e-10:
        assert np.all(np.isinf(got[:, 1]))
    if angle == 1e-12:  # not told from north itself, which leaves y alone
        np.testing.assert_allclose(got[:, 1], 1 / 3)


def test_an_unknown_clock_at_whole_places():
    """Directions of whole right triangles: u and its mean over the APs are rational."""
    rng, n = np.random.default_rng(7), 300
    for n_aps in (1, 2, 3, 4):
        weights = rng.integers(1, 9, (n, n_aps))
        chosen, expected = rng.integers(len(TRIPLES), size=(n, n_aps)), []
        sign = rng.choice([-1, 1], (n, n_aps, 2))
        sides = np.array(TRIPLES)[chosen]
        for row in range(n):
            slopes = [
                [Fraction(int(s * x), int(d)) for s, x in zip(sign[row, m], side, strict=True)]
                for m, (*side, d) in enumerate(sides[row])
            ]
            total = int(np.sum(weights[row]))
            mean = [
                sum(int(w) * u[i] for w, u in zip(weights[row], slopes, strict=True)) / total
                for i in (0, 1)
            ]
            fim = [[Fraction(0)] * 2 for _ in range(2)]
            for (i, j), (w, u) in (
                (ij, wu) for ij in np.ndindex(2, 2) for wu in zip(weights[row], slopes, strict=True)
            ):
                fim[i][j] += int(w) * (u[i] - mean[i]) * (u[j] - mean[j])
            expected.append(exact_bound(fim))
        aps = -7.0 * sign * sides[..., :2]
        got = measured(np.zeros(2), aps, weights, np.zeros((n, n_aps)), np.inf)
        assert_same(got, np.array(expected))


# ------------------------------------------------------------------- matrices and parameters


def rotation(rng, n):
    """A rational rotation of n parameters, from right triangles."""
    whole = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]
    for i in range(n - 1):
        a, b, c = TRIPLES[rng.integers(len(TRIPLES))]
        turn = [[Fraction(int(p == q)) for q in range(n)] for p in range(n)]
        turn[i][i] = turn[i + 1][i + 1] = Fraction(a, c)
        turn[i][i + 1], turn[i + 1][i] = Fraction(-b, c), Fraction(b, c)
        whole = product(whole, turn)
    return whole


@pytest.mark.parametrize("exponent", [-12, 0, 12])
def test_a_change_of_parameters_keeps_what_is_singular(exponent):
    """Rational slopes of low rank, rational rotations, units that differ by up to 1e24."""
    rng, infinite = np.random.default_rng(8), 0
    for _ in range(400):
        n = int(rng.integers(2, 5))
        rank = int(rng.integers(1, n + 1))
        fim = added(fractions(rng.integers(-3, 4, (rank, n)).tolist()))
        turn = rotation(rng, n)
        changed = product(product([list(c) for c in zip(*turn, strict=True)], fim), turn)
        expected = exact_bound(changed)
        units = 10.0 ** (exponent * rng.uniform(-1, 1, n))
        jacobian = np.array(turn, float) * units
        got = fisher.crlb(fisher.change_parameters(np.array(fim, float), jacobian))
        assert_same(np.diag(got) * units**2, expected)
        infinite += np.sum(np.isinf(expected))
    assert infinite > 100


def test_there_and_back_keeps_what_is_singular():
    """Turned twice: what the first turn leaves of a zero, the second meets as it is."""
    rng = np.random.default_rng(9)
    for _ in range(300):
        n = int(rng.integers(2, 5))
        fim = added(fractions(rng.integers(-3, 4, (int(rng.integers(1, n)), n)).tolist()))
        turn = np.array(rotation(rng, n), float)
        there = fisher.change_parameters(np.array(fim, float), turn)
        assert_same(np.diag(fisher.crlb(fisher.change_parameters(there, turn.T))), exact_bound(fim))


def test_a_nuisance_keeps_what_is_singular():
    """Schur complements of rational matrices: two of interest, one or two of nuisance."""
    rng, infinite = np.random.default_rng(10), 0
    for _ in range(600):
        n = int(rng.integers(3, 5))
        slopes = rng.integers(-3, 4, (int(rng.integers(n - 2, n + 2)), n))
        fim = slopes.T @ slopes
        if np.linalg.matrix_rank(slopes[:, 2:]) < n - 2:
            continue
        expected = exact_bound(fim.tolist())[:2]
        unit = np.array(rotation(rng, n - 2), float) if n == 4 else np.eye(1)  # rounding, at last
        mixed = np.block([[np.eye(2), np.zeros((2, n - 2))], [np.zeros((n - 2, 2)), unit]])
        efim = fisher.equivalent_fim(mixed.T @ fim @ mixed / 3, 2)
        assert_same(np.diag(fisher.crlb(efim)), 3 * expected)
        infinite += np.sum(np.isinf(expected))
    assert infinite > 100


def test_what_the_fit_magnifies_counts_for_its_own_parameter_alone():
    """Two nuisances 1e-3 apart imitate the first parameter; of the second 1e-10 is left."""
    slopes = np.zeros((6, 5))
    slopes[:2, 0] = 1, 1  # hidden by the difference of the next two, 1e3 of it
    slopes[:2, 2:4] = [[1, 1], [0, 1e-3]]
    slopes[2:4, 1], slopes[2, 4] = [1, 1e-5], 1
    efim = fisher.equivalent_fim(fisher.gaussian_fim(slopes, 2.0), 2)
    np.testing.assert_allclose(efim, np.diag([0, 1e-10]), rtol=1e-4)


# ------------------------------------------------------------------------ echoes and arrays


def test_two_arrays_at_endfire_see_no_position():
    """Angles alone, the target on the axes of both arrays: their gradients are exactly zero."""
    rng = np.random.default_rng(11)
    for far in (0.0, 1e5):
        target = rng.uniform(-50, 50, (2000, 2)) + far
        ends = target[:, None] + rng.uniform(5, 100, (2000, 2, 1)) * _directions(
            rng.uniform(0, 2 * np.pi, (2000, 2))
        )
        axes = target[:, None] - ends
        axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
        for off in (0.0, 1e-6):
            c, s = np.cos(off), np.sin(off)
            turned = axes @ np.array([[c, -s], [s, c]])
            _, jacobian = geometry.bistatic(
                target, [0.0, 0.0], ends[:, 0], ends[:, 1], turned[:, 0], turned[:, 1], 3e9
            )
            efim = fisher.change_parameters(np.diag([1.0, 1.0]), jacobian[:, :2, :2])
            bound = np.diagonal(fisher.crlb(efim), axis1=1, axis2=2)
            assert np.all(np.isinf(bound) if off == 0 else np.isfinite(bound))


def right_triangle(rng):
    """A direction with rational components (x, y) / z."""
    *sides, z = TRIPLES[rng.integers(len(TRIPLES))]
    x, y = (int(sign) * side for sign, side in zip(rng.choice([-1, 1], 2), sides, strict=True))
    return (x, y, z) if rng.random() < 0.5 else (y, x, z)


def exact_echo(there, back, axes):
    """Gradients of both electrical angles and of the path, rational; spacing 1 / 2 pi."""

    def turning(k, x, y, z, axis):
        dot = Fraction(-y * axis[0] + x * axis[1], z * axis[2])
        return [dot * Fraction(-y, k * z * z), dot * Fraction(x, k * z * z)]

    both = [Fraction(there[i], there[3]) + Fraction(back[i], back[3]) for i in (1, 2)]
    return [turning(*back, axes[1]), turning(*there, axes[0]), both]


@pytest.mark.parametrize("place", [(0.0, 0.0), (1000.1, -2000.3), (123456.7, 5e5)])
def test_echoes_over_right_triangles(place):
    """Up to three reflected paths, each with angles or a delay; endfire and baselines among them.

    Summed path by path, and as slopes.
    """
    expected, summed, stacked = [], [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        pool, exact, rows, total = [right_triangle(rng), right_triangle(rng)], [], [], 0
        for _ in range(rng.integers(1, 4)):
            there, back = ((int(rng.integers(1, 9)), *pool[rng.integers(2)]) for _ in range(2))
            if rng.random() < 0.3:  # opposite: the target is on the baseline
                back = (back[0], -there[1], -there[2], there[3])
            axes = [end[1:] if rng.random() < 0.4 else right_triangle(rng) for end in (there, back)]
            chosen = rng.integers(0, 2, 3)
            gradients = exact_echo(there, back, axes)
            exact += [[int(w) * x for x in row] for w, row in zip(chosen, gradients, strict=True)]
            ends = [np.array(place) - k * np.array([x, y]) for k, x, y, _ in (there, back)]
            along = [np.array(axis[:2]) / axis[2] for axis in axes]
            _, jacobian = geometry.bistatic(place, (0, 0), *ends, *along, 1e9, 0.5 / np.pi)
            rows.append(jacobian[:3, :2] * np.array([1, 1, speed_of_light])[:, None])
            total = total + fisher.change_parameters(np.diag(chosen), rows[-1])
            rows[-1] *= chosen[:, None]
        expected.append(exact_bound(added(exact)))
        summed.append(np.diag(fisher.crlb(total)))
        stacked.append(np.diag(fisher.crlb(fisher.information(np.concatenate(rows)))))
    assert 0.3 < np.mean(np.isinf(expected)) < 0.7
    assert_same(summed, expected)
    assert_same(stacked, expected)


def test_on_the_baseline_a_reflected_delay_says_nothing():
    rng = np.random.default_rng(12)
    ends, share = rng.uniform(-100, 100, (2, 2000, 2)) + 1e4, rng.uniform(0.1, 0.9, (2000, 1))
    target, velocity = ends[0] + share * (ends[1] - ends[0]), rng.normal(size=(2000, 2))
    parameters, jacobian = geometry.bistatic(target, velocity, *ends, [1.0, 0.0], [1.0, 0.0], 3e9)
    assert not np.any(jacobian[:, 2])
    assert not np.any(parameters[:, 3])
    assert not np.any(jacobian[:, 3, 2:])


def test_a_radial_velocity_gives_no_gradient():
    rng = np.random.default_rng(13)
    aps, offset = rng.uniform(-100, 100, (2000, 2)), rng.uniform(-100, 100, (2000, 2))
    _, jacobian = geometry.monostatic(aps + offset, 0.3 * offset, aps, 3e9)
    assert not np.any(jacobian[:, 2, :2])
    _, jacobian = geometry.monostatic(aps + offset, 0.3 * offset[:, ::-1], aps, 3e9)
    assert np.all(np.any(jacobian[:, 2, :2], axis=-1))


def _directions(turn):
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


# -------------------------------------------------------------- the type in which it came


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_rounding_is_that_of_the_type_that_came_in(kind):
    array = UniformLinearArray(8)
    for function in (angle_gain.angle_crlb, lambda *a: angle_gain.crlb(*a)[..., 2, 2]):
        for end in (kind(np.pi / 2), np.array([-np.pi / 2], kind), [kind(np.pi / 2)]):
            assert np.all(np.isinf(function(1.0, end, array, 16, 1.0)))
    assert np.isinf(toa_aoa.angle_variance(kind(np.pi / 2), array, 1.0))
    w = np.random.default_rng(14).uniform(0.5, 2, (50, 2)).astype(kind)
    outer = w[:, :, None] * w[:, None, :]
    assert outer.dtype == kind
    assert np.all(np.isinf(fisher.position_error_bound(outer)))
    assert np.all(np.isinf(np.diagonal(fisher.crlb(outer), axis1=1, axis2=2)))
    turn = np.radians(np.arange(0, 360, 7))[:, None] + [0, np.pi]
    aps = (100 * _directions(turn)).astype(kind)
    one = np.ones(turn.shape)
    assert np.all(np.isinf(measured(np.zeros(2, kind), aps, one, 0 * one)).any(axis=-1))
    assert np.all(np.isfinite(measured(np.zeros(2, kind), aps, one, one)))
    assert np.all(np.isinf(measured(np.zeros(2), aps.astype(object), one, 0 * one)).any(axis=-1))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_a_weighted_sum_in_a_coarse_type_is_symmetric_enough(kind):
    rng = np.random.default_rng(15)
    for _ in range(100):
        slopes, weights = rng.normal(size=(9, 3)), rng.uniform(0.5, 2, 9)
        coarse = slopes.astype(kind)
        fim = (coarse.T * weights.astype(kind)) @ coarse
        assert fim.dtype == kind
        exact = np.diag(np.linalg.inv((slopes.T * weights) @ slopes))
        rtol = 100 * np.finfo(kind).eps
        np.testing.assert_allclose(np.diag(fisher.crlb(fim)), exact, rtol=rtol)
        fisher.equivalent_fim(fim, 2)
        fisher.change_parameters(fim, np.eye(3))


def test_slopes_in_float32_that_are_parallel_stay_parallel():
    rng = np.random.default_rng(16)
    for _ in range(100):
        slopes = np.outer(rng.uniform(1, 9, 5), rng.uniform(-1, 1, 3)).astype(np.float32)
        for fim in (fisher.gaussian_fim(slopes, 1.0), fisher.information(slopes)):
            assert np.all(np.isinf(np.diag(fisher.crlb(fim))))


@pytest.mark.parametrize("n", [10, 300, 10_000, 300_000])
def test_a_long_sum_does_not_hide_that_its_terms_are_parallel(n):
    """The rounding of a sum grows with its length; that of the slopes does not."""
    rng = np.random.default_rng(17)
    for equal in (True, False):
        samples = np.full(n, np.exp(1j)) if equal else rng.normal(size=n) + 1j
        slopes = samples[:, None] * rng.uniform(-1, 1, 3)
        fim = fisher.gaussian_fim(slopes, 1.0)
        assert np.all(np.isinf(np.diag(fisher.crlb(fim))))
        power = np.linalg.norm(slopes, axis=0)
        np.testing.assert_allclose(fim, 2 * np.outer(power, power) * np.sign(fim), rtol=1e-10)
        beside = np.concatenate([slopes[:, :1], 1e-6j * slopes[:, 1:2] + slopes[:, :1]], axis=1)
        assert np.all(np.isfinite(np.diag(fisher.crlb(fisher.gaussian_fim(beside, 1.0)))))


def test_whole_numbers_are_exact():
    assert np.array_equal(fisher.crlb(np.array([[1, 2], [2, 4]])), np.diag([INF, INF]))
    np.testing.assert_allclose(np.diag(fisher.crlb([[1, 2], [2, 5]])), [5, 1])


# -------------------------------------------------------------------------- sums of slopes


@pytest.mark.parametrize("units", [(1e-12, 1e12), (1.0, 1.0), (1e12, 1.0)])
def test_slopes_within_their_rounding_say_nothing(units):
    """One parameter of rounding, and a line of which rounding is not told: in any units."""
    noise = 1e-12
    for row in ([3e-13, 1.0], [0.0, 1.0]):
        slopes = np.array([row, [-4e-13, 2.0]])
        fim = fisher.information(slopes * units, np.full((2, 2), noise) * units)
        np.testing.assert_allclose(np.diag(fim) / np.square(units), [0, np.sum(slopes[:, 1] ** 2)])
    line = np.array([[1e-6, 1.0], [2e-6 + 3e-13, 2.0]])
    fim = fisher.information(line * units, np.full((2, 2), noise) * units)
    assert np.all(np.isinf(np.diag(fisher.crlb(fim))))
    line[1, 0] += 3e-10
    told = fisher.information(line * units, np.full((2, 2), noise) * units)
    assert np.all(np.isfinite(np.diag(fisher.crlb(told))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0],), "slopes must have shape"),
        (([[np.nan]],), "slopes must be finite"),
        (([[1.0]], -1.0), "rounding must be >= 0"),
        (([[1.0]], np.ones(2)), "rounding must broadcast to slopes"),
        (([[1.0, 2.0]], np.ones(3)), "slopes and rounding must broadcast"),
    ],
)
def test_bad_slopes_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        fisher.information(*arguments)


@pytest.mark.parametrize("clock", [0.0, 1e12, np.inf])
def test_accurate_delays_with_a_poor_clock_do_not_tilt_the_line(clock):
    """Two APs in one direction, delays to 0.1 mm: the strong rows are rounding, the weak not."""
    for degrees in range(360):
        heading = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        aps = np.array([100 * heading, 300 * heading])
        c2 = speed_of_light**2
        efim = toa_aoa.position_efim([0.0, 0.0], aps, 1e-8 / c2, np.inf, clock / c2)
        assert fisher.position_error_bound(efim) == np.inf, degrees


def test_collinear_places_in_float32_stay_collinear():
    rng = np.random.default_rng(8)
    for _ in range(500):
        user, heading = rng.uniform(-1500, 1500, 2), rng.uniform(0, 2 * np.pi)
        step = np.outer(rng.uniform(1, 300, 3) * rng.choice([-1, 1], 3), [1, 1])
        aps = user + step * [np.cos(heading), np.sin(heading)]
        given = user.astype(np.float32), aps.astype(np.float32)
        efim = toa_aoa.position_efim(*given, 1 / speed_of_light**2, np.inf)
        assert fisher.position_error_bound(efim) == np.inf


@pytest.mark.parametrize("seed", range(6))
def test_near_echoes_never_have_a_small_bound_for_a_huge_one(seed):
    """The bound of two echoes d apart grows as 1 / d; it may become inf, but not fall."""
    rng = np.random.default_rng([77, seed])
    aps, frame = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 60.0]]), OFDM(4, 3, 1e6, 2e-6)
    amplitudes = np.exp(2j * np.pi * rng.random((2, 3)))
    way = np.array([np.cos(seed), np.sin(seed)])

    def bound(apart):
        places = np.array([[20.0, 30.0], [20.0, 30.0] + apart * way])
        efim = cooperative.joint_efim(places, np.zeros((2, 2)), aps, 2, amplitudes, frame, 1e10)
        return cooperative.position_error_bound(efim).max()

    law = bound(1e-2) * 1e-2
    assert np.isfinite(law)
    for apart in 10.0 ** np.arange(-4, -14, -0.5):
        assert bound(apart) > 0.5 * law / apart
