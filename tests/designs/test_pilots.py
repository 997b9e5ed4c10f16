"""Pilots, antennas and access points: the source's search, the exact one, and what J is like."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from cfisac import arrays, fisher, paths
from cfisac.designs import Infeasible, SolverError, pilots
from cfisac.designs.pilots import Problem
from cfisac.limits import angle_gain

# ---------------------------------------------------------------------------- the independent road


class Exact:
    """J and the printed search, transcribed in rational numbers, one candidate at a time."""

    def __init__(self, g, t, length, budget, coherence, beta, mu, nu):
        self.g = sorted(map(Fraction, g), reverse=True)
        self.t, self.length, self.budget = t, length, budget
        weights = (coherence, beta, mu, nu)
        self.coherence, self.beta, self.mu, self.nu = map(Fraction, weights)

    def cost(self, t, length, m):
        return (
            1 / (t * (length**2 - 1) * sum(self.g[:m]))
            + self.beta * t / self.coherence
            + self.mu * m / len(self.g)
            + self.nu * m * length / self.budget
        )

    def points(self):
        t, length = (range(low, high + 1) for low, high in (self.t, self.length))
        for m, n, s in itertools.product(range(1, len(self.g) + 1), length, t):
            if m * n <= self.budget:
                yield s, n, m

    def optimum(self):
        return min(self.points(), key=lambda point: self.cost(*point))

    def update(self, point, which):
        """The best point that differs in one number only: the same if none is better."""
        those = [p for p in self.points() if all(p[i] == point[i] for i in range(3) if i != which)]
        return min(those, key=lambda p: (self.cost(*p), p != point, p[which]))

    def search(self, point):
        trace = [point]
        while True:
            for which in range(3):
                point = self.update(point, which)
            trace.append(point)
            if point == trace[-2]:
                return trace

    def problem(self):
        gains = np.sqrt([float(g) for g in self.g])
        # 6 sigma^2 / kappa^2 = 1 at half a wavelength
        c = pilots.angle_unit_bounds(gains, 0.0, np.pi**2 / 6).unit_bounds
        return Problem(c, self.t, self.length, self.budget, float(self.coherence),
                       float(self.beta), float(self.mu), float(self.nu))  # fmt: skip


def some(seed, n_aps=4):
    """A small instance whose three prices all matter."""
    rng = np.random.default_rng(seed)
    g = [Fraction(int(x), 64) for x in rng.integers(4, 256, n_aps)]
    beta, mu, nu = (Fraction(int(10 ** rng.uniform(0, 4)), 10**5) for _ in range(3))
    budget = int(rng.integers(6, 30))
    return Exact(g, (1, 9), (2, 8), budget, 20, beta, mu, nu)


# ------------------------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("seed", range(40))
def test_exhaustive_is_the_optimum_by_enumeration(seed):
    exact = some(seed)
    best = pilots.exhaustive(exact.problem())
    assert exact.cost(*best[:3]) == exact.cost(*exact.optimum())
    assert best.cost == pytest.approx(float(exact.cost(*best[:3])), rel=1e-14)


@pytest.mark.parametrize("seed", range(40))
def test_alternating_search_is_the_printed_one(seed):
    """Round by round from the cheapest, the largest and a middle start."""
    exact = some(seed)
    for start in ((1, 2, 1), (9, 2, min(4, exact.budget // 2)), (4, 3, 2)):
        trace = pilots.alternating(exact.problem(), start).trace
        expected = exact.search(start)
        assert [each[:3] for each in trace[: len(expected)]] == expected
        assert all(each[:3] == expected[-1] for each in trace[len(expected) :])


@pytest.mark.parametrize("seed", range(40, 60))
def test_updates_minimise_j_in_one_number_although_they_leave_terms_out(seed):
    """(51), (54), (56) drop what does not depend on the number: nothing is lost."""
    exact, rng = some(seed), np.random.default_rng(seed)
    problem, everything = exact.problem(), list(exact.points())
    for index in rng.integers(len(everything), size=5):
        t, length, m = everything[index]
        point = (t, length, m)
        assert (pilots._next_n_pilots(problem, *point), length, m) == exact.update(point, 0)
        assert (t, pilots._next_n_antennas(problem, *point), m) == exact.update(point, 1)
        assert (t, length, pilots._next_n_aps(problem, *point)) == exact.update(point, 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_cost_never_rises_and_the_search_ends_where_no_single_number_helps(seed):
    exact = some(seed, n_aps=6)
    problem = exact.problem()
    found = pilots.alternating(problem, (9, 2, 3), tolerance=0.0)
    costs = [exact.cost(*each[:3]) for each in found.trace]
    assert all(later <= earlier for earlier, later in itertools.pairwise(costs))
    assert found.allocation == found.trace[-1]
    for which in range(3):
        assert exact.cost(*exact.update(found.allocation[:3], which)) == costs[-1]
    assert found.allocation.cost >= pilots.exhaustive(problem).cost * (1 - 1e-12)


def test_the_search_stays_where_another_number_is_as_good():
    """T = 2 and T = 3 cost the same at ratio 6: neither is left for the other."""
    problem = Problem([18.0], (1, 9), (2, 2), 2, 1.0, pilot_weight=1.0)
    assert problem.cost(2, 2, 1) == problem.cost(3, 2, 1)
    for t in (2, 3):
        assert pilots.alternating(problem, (t, 2, 1)).allocation.n_pilots == t
    assert pilots.alternating(problem, (5, 2, 1)).allocation.n_pilots == 2


def test_a_looser_tolerance_stops_earlier():
    problem = some(3).problem()
    steps = [len(pilots.alternating(problem, (9, 2, 1), e).trace) for e in (0.0, 1e-12, 10.0)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 2


# ---------------------------------------------------------------------------------------- closed T


def test_sympy_the_root_of_53_is_the_minimiser_over_real_numbers():
    t, a, span, beta = sp.symbols("T A T_c beta", positive=True)
    part = a / t + beta * t / span
    assert sp.solve(sp.diff(part, t), t) == [sp.sqrt(a * span / beta)]
    assert sp.diff(part, t, 2).is_positive
    # One more pilot pays exactly while T (T + 1) < A T_c / beta.
    step = sp.factor((part.subs(t, t + 1) - part) * span / beta * t * (t + 1))
    assert sp.simplify(step - (t * (t + 1) - a * span / beta)) == 0


@pytest.mark.parametrize("ends", [(1, 50), (4, 9), (7, 7)])
def test_closed_form_of_t_is_the_integer_minimiser(ends):
    """On ratios all around the steps T (T + 1), and on these, where two T are equally good."""
    ratios = sorted({Fraction(k, 4) for k in range(1, 700)} | {Fraction(10**7), Fraction(1, 10**7)})
    for ratio in ratios:
        problem = Problem([float(3 * ratio)], ends, (2, 2), 2, 1.0, pilot_weight=1.0)
        choices = range(ends[0], ends[1] + 1)
        expected = min(choices, key=lambda t, r=ratio: (r / t + t, t))
        assert int(problem.best_n_pilots(2, 1)) == expected, ratio


def test_rounding_the_root_of_53_is_not_enough():
    """The nearest whole number is the minimiser or not: T = 1 for ratios up to 2, not 2.25."""
    problem = Problem([3 * 2.1], (1, 9), (2, 2), 2, 1.0, pilot_weight=1.0)
    root = np.sqrt(2.1)
    assert round(root) == 1
    assert problem.best_n_pilots(2, 1) == 2
    assert problem.cost(2, 2, 1) < problem.cost(1, 2, 1)


@pytest.mark.parametrize("t", [1, 2, 3, 17, 4097, 10**6])
def test_one_rounding_above_a_step_takes_one_pilot_more(t):
    """The root of 1 + 4 ratio is the same number on both sides of the step."""
    step = float(t * (t + 1))
    ratios = [np.nextafter(step, 0), step, np.nextafter(step, np.inf)]
    assert pilots.best_n_pilots(ratios, (1, 10**7), 1.0, 1.0).tolist() == [t, t, t + 1]


def test_pilots_without_a_price_are_the_most():
    problem = Problem([1.0], (2, 11), (2, 4), 4, 5.0, antenna_weight=1.0)
    assert problem.best_n_pilots(2, 1) == 11
    assert pilots.exhaustive(problem).n_pilots == 11


# --------------------------------------------------------------------------------------- the traps


def minimal_trap():
    return Exact([1, 1], (1, 1), (2, 3), 6, 200, 0, Fraction(2, 100), Fraction(36, 100))


def test_minimal_trap_in_rational_numbers():
    """Four points of a 2 x 2 table, none cut off by the budget: one of them is a trap."""
    exact = minimal_trap()
    assert len(list(exact.points())) == 4
    assert exact.cost(1, 2, 2) == Fraction(32, 75)
    assert exact.cost(1, 3, 1) == Fraction(63, 200)
    assert exact.cost(1, 2, 1) > exact.cost(1, 2, 2) < exact.cost(1, 3, 2)
    assert exact.optimum() == (1, 3, 1)
    assert exact.cost(1, 2, 2) / exact.cost(1, 3, 1) - 1 == Fraction(67, 189)
    found = pilots.alternating(exact.problem(), (1, 2, 2))
    assert found.allocation[:3] == (1, 2, 2)
    assert len(found.trace) == 2
    best = pilots.exhaustive(exact.problem())
    assert best[:3] == (1, 3, 1)
    assert found.allocation.cost / best.cost - 1 == pytest.approx(67 / 189, rel=1e-12)


def unbounded(n, price):
    """All APs alike, T fixed, N antennas in all: two at each of N/2 APs, or all at one."""
    return Exact([1] * (n // 2), (1, 1), (2, n), n, 1, price, price / n, price / n)


@pytest.mark.parametrize("n", [4, 8, 16, 64, 256])
def test_the_gap_of_a_trap_has_no_bound(n):
    """The ratio is 2 (N^2 - 1) / (3 N) but for prices as small as one likes."""
    price = Fraction(1, 10**6 * n**2)
    exact = unbounded(n, price)
    start, best = (1, 2, n // 2), (1, n, 1)
    ratio = exact.cost(*start) / exact.cost(*best)
    limit = Fraction(2 * (n**2 - 1), 3 * n)
    assert limit * (1 - Fraction(1, 10**5)) < ratio < limit
    assert pilots.alternating(exact.problem(), start).allocation[:3] == start
    found = pilots.exhaustive(exact.problem())
    assert found[:3] == best
    if n <= 16:
        assert all(exact.update(start, which) == start for which in range(3))
        assert exact.optimum() == best


# -------------------------------------------------------------------------- convex or not, and why


def test_sympy_the_bound_is_jointly_log_convex():
    """Minus the logarithm of T, of L^2 - 1 and of any positive concave G is convex."""
    t, length, m = sp.symbols("T L M", positive=True)
    assert sp.diff(-sp.log(t), t, 2).is_positive
    by_antennas = sp.diff(-sp.log(length**2 - 1), length, 2)
    assert sp.simplify(by_antennas - 2 * (length**2 + 1) / (length**2 - 1) ** 2) == 0
    g = sp.Function("G", positive=True)(m)
    by_aps = sp.diff(-sp.log(g), m, 2)
    expected = (sp.diff(g, m) ** 2 - g * sp.diff(g, m, 2)) / g**2  # and G'' <= 0
    assert sp.simplify(by_aps - expected) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_log_convex_along_lines_by_brute_force(seed):
    """With the piecewise linear G_M of sorted qualities, which is concave."""
    rng = np.random.default_rng(seed)
    total = np.concatenate([[0], np.cumsum(np.sort(rng.exponential(size=20))[::-1])])

    def log_bound(point):
        return -np.log(point[0] * (point[1] ** 2 - 1) * np.interp(point[2], np.arange(21), total))

    for _ in range(200):
        a, b = rng.uniform([1, 1.1, 1], [100, 64, 20], (2, 3))
        assert log_bound((a + b) / 2) <= (log_bound(a) + log_bound(b)) / 2 + 1e-12


def test_sympy_j_is_not_jointly_convex():
    """At (10, 8, 8) with c_M = 1/M and nu/N_max = 0.1: an eigenvalue of -0.1."""
    t, length, m = sp.symbols("T L M", positive=True)
    beta, mu, nu = sp.symbols("beta mu nu", positive=True)
    j = 1 / (t * (length**2 - 1) * m) + beta * t + mu * m + nu * m * length
    hessian = sp.hessian(j, (t, length, m))
    assert not hessian.free_symbols & {beta, mu}
    at = hessian.subs({t: 10, length: 8, m: 8, nu: sp.Rational(1, 10)})
    eigenvalues = np.linalg.eigvalsh(np.array(at, dtype=float))
    assert eigenvalues[0] == pytest.approx(-0.1, abs=1e-3)
    # But J along T alone, along L alone and along M alone is convex: each update is easy.
    assert np.all(np.diagonal(np.array(at, dtype=float)) > 0)


def test_sympy_in_logarithms_j_is_convex_when_all_access_points_are_alike():
    x, y, z = sp.symbols("x y z", real=True)
    log_bound = -x - sp.log(sp.exp(2 * y) - 1) - z
    curved = sp.diff(log_bound, y, 2)
    expected = 4 * sp.exp(2 * y) / (sp.exp(2 * y) - 1) ** 2
    assert sp.simplify(curved - expected) == 0
    others = [pair for pair in itertools.combinations_with_replacement((x, y, z), 2)
              if pair != (y, y)]  # fmt: skip
    assert all(sp.diff(log_bound, *pair) == 0 for pair in others)


def test_sympy_no_interior_point_is_stationary_in_l_and_m():
    """L dJ/dL < M dJ/dM wherever M G' <= G: the same antennas at fewer APs always pay."""
    t, length, m, mu, nu, k = sp.symbols("T L M mu nu k", positive=True)
    elasticity = sp.symbols("e", positive=True)  # of G, at most one
    bound = sp.Symbol("B", positive=True)
    by_antennas = -2 * bound * length**2 / (length**2 - 1) + nu * m * length
    by_aps = -bound * elasticity + mu * m + nu * m * length
    j = k / (t * (length**2 - 1) * m**elasticity) + mu * m + nu * m * length
    value = k / (t * (length**2 - 1) * m**elasticity)
    assert sp.simplify(length * sp.diff(j, length) - by_antennas.subs(bound, value)) == 0
    assert sp.simplify(m * sp.diff(j, m) - by_aps.subs(bound, value)) == 0
    margin = sp.simplify(by_aps - by_antennas)
    rest = bound * (2 * length**2 / (length**2 - 1) - elasticity) + mu * m
    assert sp.simplify(margin - rest) == 0  # > 0, as 2 L^2 / (L^2 - 1) > 2 > e


@pytest.mark.parametrize("seed", range(6))
def test_j_is_supermodular_by_enumeration(seed):
    """J(x or y) + J(x and y) >= J(x) + J(y) for all pairs of a box, in rational numbers."""
    exact = some(seed)
    box = list(itertools.product(range(1, 5), range(2, 5), range(1, 5)))
    cost = {point: exact.cost(*point) for point in box}
    for x, y in itertools.combinations(box, 2):
        above, below = tuple(map(max, x, y)), tuple(map(min, x, y))
        assert cost[above] + cost[below] >= cost[x] + cost[y]


@pytest.mark.parametrize("seed", range(10))
def test_more_of_one_asks_for_less_of_the_others(seed):
    """What supermodular costs mean for the updates (Topkis), without the budget."""
    exact = some(seed)
    exact.budget = 1000
    exact.nu *= 30
    problem = exact.problem()
    for t in (1, 5):
        best = [pilots._next_n_antennas(problem, t, 2, m) for m in range(1, 5)]
        assert best == sorted(best, reverse=True)
    for length in (2, 5):
        best = problem.best_n_pilots(length, np.arange(1, 5)).tolist()
        assert best == sorted(best, reverse=True)


def test_sympy_all_antennas_at_the_best_access_point_see_at_least_as_much():
    """(M^2 L^2 - 1) g >= (L^2 - 1) M g, and G_M <= M g."""
    m, length = sp.symbols("M L", positive=True)
    gain = (m**2 * length**2 - 1) - m * (length**2 - 1)
    assert sp.expand(gain - (m - 1) * (m * length**2 + 1)) == 0


@pytest.mark.parametrize("seed", range(60))
def test_an_optimum_is_at_one_access_point_or_cut_off_by_l_max(seed):
    best = pilots.exhaustive(some(seed, n_aps=6).problem())
    assert best.n_aps == 1 or best.n_aps * best.n_antennas > 8


# ----------------------------------------------------------------------- what the scene has to say


def test_unit_bounds_of_angles_are_the_network_bound():
    """c_M / (T (L^2 - 1)) is one over the sum of the informations of zhang (41)."""
    rng = np.random.default_rng(5)
    gain = rng.normal(size=(7, 2)) @ [1, 1j]
    phi = rng.uniform(-1.2, 1.2, 7)
    found = pilots.angle_unit_bounds(gain, phi, 0.3, spacing=0.4)
    array = arrays.UniformLinearArray(6, 0.4)
    information = 1 / angle_gain.angle_crlb(gain, phi, array, 16, 0.3)
    for m, those in enumerate(found.sets, 1):
        assert len(set(those.tolist())) == m
        expected = 1 / np.sort(information)[::-1][:m].sum()
        assert 1 / information[those].sum() == pytest.approx(expected, rel=1e-12)
        assert found.unit_bounds[m - 1] / (16 * 35) == pytest.approx(expected, rel=1e-12)


def test_a_candidate_that_is_not_heard_identifies_nothing():
    found = pilots.angle_unit_bounds([0.0, 0.0], 0.0, 1.0)
    assert np.all(np.isinf(found.unit_bounds))
    with pytest.raises(Infeasible, match="no number of access points up to 2"):
        Problem(found.unit_bounds, (1, 2), (2, 3), 6, 10, 1.0)


def bearings(n_aps, seed, n_antennas, n_pilots=1):
    """Paths of bearings from arrays turned at random to a user, and their places."""
    rng = np.random.default_rng(seed)
    aps, user = rng.uniform(-100, 100, (n_aps, 2)), rng.uniform(-50, 50, 2)
    angle = rng.uniform(0, np.pi, n_aps)
    axes = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    aperture = arrays.aperture(arrays.linear(n_antennas, 0.5, axes))
    power = 10 * 50**2 / np.sum((aps - user) ** 2, axis=1)
    return paths.one_way(user, aps, n_pilots * power, 0.0, aperture)


@pytest.mark.parametrize("seed", range(6))
def test_unit_bounds_of_positions_are_those_of_the_best_sets(seed):
    each = bearings(6, seed, 2).each()
    found = pilots.position_unit_bounds(each, 2)
    assert np.isinf(found.unit_bounds[0])
    for m in range(2, 7):
        bounds = {
            those: 3 * np.trace(np.linalg.inv(each[list(those)].sum(axis=0)))
            for those in itertools.combinations(range(6), m)
        }
        assert found.unit_bounds[m - 1] == pytest.approx(min(bounds.values()), rel=1e-9)
        assert bounds[tuple(found.sets[m - 1].tolist())] == pytest.approx(
            min(bounds.values()), rel=1e-9
        )
    assert np.all(np.diff(found.unit_bounds[1:]) <= 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_position_problem_is_solved_by_brute_force_too(seed):
    """Over all T, L and sets, with the position error bound of the paths themselves."""
    c = pilots.position_unit_bounds(bearings(5, seed, 4).each(), 4)
    problem = Problem(c.unit_bounds, (1, 6), (2, 5), 14, 20, 0.5, 1.0, 2.0)
    best = pilots.exhaustive(problem)
    least = np.inf
    for t, length in itertools.product(range(1, 7), range(2, 6)):
        each = bearings(5, seed, length, t).each()
        for m in range(1, 6):
            for those in itertools.combinations(range(5), m):
                if m * length <= 14:
                    peb = fisher.position_error_bound(each[list(those)].sum(axis=0))
                    price = 0.5 * t / 20 + m / 5 + 2.0 * m * length / 14
                    least = min(least, peb**2 + price)
    assert best.cost == pytest.approx(least, rel=1e-9)
    assert best.n_aps >= 2


def test_one_number_per_candidate_is_sorted():
    """D = 1: the best set of M is the M largest informations."""
    info = np.array([2.0, 5.0, 1.0])
    found = pilots.position_unit_bounds(info[:, None, None], 2)
    np.testing.assert_allclose(found.unit_bounds, 3 / np.array([5.0, 7.0, 8.0]))
    assert [each.tolist() for each in found.sets] == [[1], [0, 1], [0, 1, 2]]


def test_access_points_on_one_line_with_the_user_fix_no_position():
    aps = np.array([[10.0, 0.0], [35.0, 0.0], [-20.0, 0.0]])
    aperture = arrays.aperture(arrays.linear(4, 0.5, [0.0, 1.0]))
    each = paths.one_way([0.0, 0.0], aps, 1.0, 0.0, aperture).each()
    assert np.all(np.isinf(pilots.position_unit_bounds(each, 4).unit_bounds))


# ------------------------------------------------------------------------------------- invariances


def test_prices_and_bound_in_another_unit_give_the_same_allocation():
    exact = some(11)
    problem = exact.problem()
    scale = 57.3**2
    other = Problem(scale * problem.unit_bounds, exact.t, exact.length, exact.budget, 20.0,
                    scale * problem.pilot_weight, scale * problem.ap_weight,
                    scale * problem.antenna_weight)  # fmt: skip
    first, second = pilots.exhaustive(problem), pilots.exhaustive(other)
    assert first[:3] == second[:3]
    assert second.cost == pytest.approx(scale * first.cost, rel=1e-12)


def test_a_start_that_identifies_nothing_is_left_at_once():
    problem = Problem([np.inf, 2.0, 1.0], (1, 9), (2, 4), 12, 10, 0.1, 0.1, 0.1)
    found = pilots.alternating(problem, (1, 2, 1))
    assert np.isinf(found.trace[0].cost)
    assert found.allocation.n_aps >= 2
    assert np.isfinite(pilots.exhaustive(problem).cost)


def test_a_budget_of_one_array_leaves_one_access_point():
    problem = Problem([1.0, 0.1], (1, 3), (2, 9), 3, 10, pilot_weight=0.1)
    best = pilots.exhaustive(problem)
    assert (best.n_antennas, best.n_aps) == (3, 1)


# --------------------------------------------------------------------------------------- bad input

GOOD = {"unit_bounds": [1.0, 0.5], "pilot_range": (1, 9), "antenna_range": (2, 4),
        "antenna_budget": 8, "coherence_length": 20.0, "pilot_weight": 0.1}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"unit_bounds": [1.0, 0.0]}, ValueError, "unit_bounds must be > 0"),
        ({"unit_bounds": [np.nan]}, ValueError, "unit_bounds must be finite"),
        ({"unit_bounds": [[1.0]]}, ValueError, r"unit_bounds must have shape \(M_max,\)"),
        ({"unit_bounds": []}, ValueError, r"unit_bounds must have shape \(M_max,\)"),
        ({"pilot_range": (0, 9)}, ValueError, "pilot_range must be a whole number >= 1"),
        ({"pilot_range": (1, 2.5)}, ValueError, "pilot_range must be a whole number"),
        ({"pilot_range": (9, 1)}, ValueError, "pilot_range must be two increasing whole numbers"),
        ({"pilot_range": (1, 2, 3)}, ValueError, "pilot_range must be two increasing"),
        ({"antenna_range": (1, 4)}, ValueError, "antenna_range must be a whole number >= 2"),
        ({"antenna_budget": 7.5}, ValueError, "antenna_budget must be a whole number"),
        ({"antenna_budget": 1}, Infeasible, "antenna_budget is 1: not one access point"),
        ({"coherence_length": 0.0}, ValueError, "coherence_length must be > 0"),
        ({"pilot_weight": -0.1}, ValueError, "pilot_weight must be >= 0"),
        ({"pilot_weight": 0.0}, ValueError, "one of pilot_weight, ap_weight and antenna_weight"),
        ({"ap_weight": np.inf}, ValueError, "ap_weight must be finite"),
        ({"unit_bounds": [np.inf, 1.0], "antenna_budget": 3}, Infeasible,
         "no number of access points up to 1 identifies anything"),
    ],
)  # fmt: skip
def test_a_problem_without_an_answer_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        Problem(**GOOD | changes)


@pytest.mark.parametrize("point", [(0, 2, 1), (10, 2, 1), (1, 5, 1), (1, 2, 3), (1, 4, 3)])
def test_a_start_outside_the_feasible_set_is_refused(point):
    problem = Problem(**GOOD)
    assert not problem.is_feasible(*point)
    with pytest.raises(Infeasible, match=r"is not feasible: T in 1..9, L in 2..4, M in 1..2") as e:
        pilots.alternating(problem, point)
    assert e.value.status == "checked"


def test_other_bad_input_is_refused():
    problem = Problem(**GOOD)
    with pytest.raises(ValueError, match="initial must hold T, L and M"):
        pilots.alternating(problem, (1, 2))
    with pytest.raises(ValueError, match="initial must be a whole number"):
        pilots.alternating(problem, (1, 2.5, 1))
    with pytest.raises(ValueError, match="tolerance must be >= 0"):
        pilots.alternating(problem, (1, 2, 1), -1.0)
    with pytest.raises(ValueError, match=r"n_aps must be in 1..2, got 3"):
        problem.cost(1, 2, 3)
    with pytest.raises(ValueError, match="n_antennas must be a whole number >= 2"):
        problem.best_n_pilots(1, 1)
    with pytest.raises(ValueError, match="must broadcast"):
        problem.cost([1, 2], [2, 3, 4], 1)
    for wrong, name in (([-1.0], "per_pilot"), ([np.nan], "per_pilot")):
        with pytest.raises(ValueError, match=name):
            pilots.best_n_pilots(wrong, (1, 9), 1.0, 1.0)
    with pytest.raises(ValueError, match="pilot_range must be two increasing whole numbers"):
        pilots.best_n_pilots(1.0, (3, 2), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"gain and phi must have shape \(M_max,\)"):
        pilots.angle_unit_bounds([1.0, 2.0], [0.1, 0.2, 0.3], 1.0)
    with pytest.raises(ValueError, match="noise_variance must be > 0"):
        pilots.angle_unit_bounds([1.0, 2.0], 0.1, 0.0)
    with pytest.raises(ValueError, match=r"each must have shape \(M_max, D, D\)"):
        pilots.position_unit_bounds(np.eye(2), 2)
    with pytest.raises(ValueError, match="each must hold 1 to 16 candidates, got 17"):
        pilots.position_unit_bounds(np.ones((17, 1, 1)), 2)
    with pytest.raises(ValueError, match="n_antennas must be a whole number >= 2"):
        pilots.position_unit_bounds(np.ones((3, 1, 1)), 1)


def test_a_search_that_does_not_end_says_so(monkeypatch):
    monkeypatch.setattr(pilots, "MOST_ROUNDS", 1)
    with pytest.raises(SolverError, match=r"alternating search: .* 1 rounds") as caught:
        pilots.alternating(Problem(**GOOD), (9, 2, 1))
    assert caught.value.status == "1 rounds"
