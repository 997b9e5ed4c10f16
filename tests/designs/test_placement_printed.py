"""liu (16)-(30), (59) and (60) as printed: what each step of Algorithm 2 minimises, by SymPy."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cfisac.designs import placement
from cfisac.designs._placement_problem import within_reach
from cfisac.scenarios import liu_scene

QUICK = settings(deadline=None, max_examples=20)
SEEDS = st.integers(0, 2**32 - 1)


def problem(seed=1, n_targets=20, reach=10.0):
    return placement.Problem(liu_scene(np.random.default_rng(seed), n_targets), reach)


def test_17_is_the_weighted_sum_of_both_traces():
    task = problem(2)
    traces = task.criterion.traces(task.scene.aps, task.scene.n_antennas)
    expected = 0.5 * task.scales[0] * traces[0] + 0.5 * task.scales[1] * traces[1]
    np.testing.assert_allclose(task.initial.per_target, expected, rtol=1e-12)


def test_18_has_the_same_optimum_as_16():
    """Epigraph and copies change nothing: max f at the optimum of (18) is that of (16)."""
    task = problem(3, 5)
    found = placement.direct(task)  # solves (18) with the copies eliminated

    def worst(x):  # (16), no t, no gradients, an exact penalty for the budget
        aps = task.scene.aps + within_reach(x[:8].reshape(4, 2), 10.0)
        numbers = np.clip(x[8:], 1, 29)
        return task.values(aps, numbers * min(1, 32 / numbers.sum())).max()

    start = np.r_[(found.aps - task.scene.aps).ravel(), found.n_antennas]
    again = optimize.minimize(worst, start, method="Nelder-Mead", options={"maxiter": 4000})
    assert worst(start) == pytest.approx(found.objective, rel=1e-9)
    assert again.fun > found.objective * (1 - 1e-6)


def test_20_and_21_completed_are_the_squares_of_29():
    a, c, lam, rho = sp.symbols("a c lambda rho", real=True)
    term = lam * (a - c) + rho / 2 * (a - c) ** 2
    square = rho / 2 * (a - c + lam / rho) ** 2
    rest = sp.expand(square - term)
    assert rest.equals(lam**2 / (2 * rho))  # free of z: (29) has the minimiser of (19)


def test_22_completed_is_the_square_of_29():
    w, f, gamma, rho = sp.symbols("varpi f gamma rho_3", real=True)
    term = gamma * (w - f) + rho / 2 * (w - f) ** 2
    square = rho / 2 * (w - f + gamma / rho) ** 2
    assert sp.expand(square - term).equals(gamma**2 / (2 * rho))


def test_23_has_the_gradient_59_and_the_minimiser_24_and_60():
    a, c, lam = (sp.Matrix(sp.symbols(f"{name}_1:3", real=True)) for name in ("a", "c", "l"))
    rho = sp.symbols("rho_1", positive=True)
    goal = (lam.T * (a - c))[0] + rho / 2 * ((a - c).T * (a - c))[0]  # c: C z - c_hat
    gradient = sp.Matrix([sp.diff(goal, each) for each in a])
    assert (gradient - (lam + rho * (a - c))).expand() == sp.zeros(2, 1)  # (59)
    centre = c - lam / rho
    assert gradient.subs(dict(zip(a, centre, strict=True))).expand() == sp.zeros(2, 1)
    # Round contours about it: the nearest point of the disc is the constrained minimiser.
    rest = sp.expand(goal - rho / 2 * ((a - centre).T * (a - centre))[0])
    assert not rest.has(*a)


@QUICK
@given(seed=SEEDS)
def test_24_is_the_minimiser_on_the_disc(seed):
    rng = np.random.default_rng(seed)
    centre, lam, rho = rng.normal(0, 12, 2), rng.normal(0, 0.1, 2), 1e-2
    best = within_reach((centre - lam / rho)[None], 10.0)[0]

    def goal(a):
        return lam @ (a - centre) + rho / 2 * np.sum((a - centre) ** 2)

    angle, radius = rng.uniform(0, 2 * np.pi, 400), 10 * np.sqrt(rng.random(400))
    tried = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    assert np.hypot(*best) <= 10 * (1 + 1e-12)
    assert goal(best) <= min(goal(each) for each in tried) + 1e-12


def test_27_has_the_minimiser_28():
    w, f, gamma, level = sp.symbols("varpi f gamma U", real=True)
    rho = sp.symbols("rho_3", positive=True)
    goal = gamma * (w - f) + rho / 2 * (w - f) ** 2
    (free,) = sp.solve(sp.diff(goal, w), w)
    assert sp.expand(free - (f - gamma / rho)) == 0
    # Convex, so under varpi <= U the minimum is at the smaller of both.
    assert sp.diff(goal, w, 2) == rho
    slope = sp.diff(goal, w).subs(w, level)
    assert sp.expand(slope - rho * (level - free)) == 0  # negative for U < free: U it is


def test_26_with_all_targets_alike_lets_no_multiplier_rest_but_minus_one_over_u():
    """At a fixed point the multipliers of the worst targets sum to -1: the stationarity in U."""
    gamma = np.full(20, -1 / 20)
    f = np.full(20, 0.8)
    from cfisac.designs._placement_admm import joint_level

    level = joint_level(f - gamma / 0.6, 0.6)
    assert level == pytest.approx(0.8)
    np.testing.assert_allclose(np.minimum(level, f - gamma / 0.6), f)  # (17) holds
    shifted = joint_level(f - 2 * gamma / 0.6, 0.6)
    assert shifted > 0.8  # prices too high in all: U rises, which the printed step cannot


def test_the_residuals_below_30_divide_by_zero_at_the_initial_places():
    """|a_l| is zero where an access point has not moved; there the reach is the unit."""
    from cfisac.designs import _placement_admm as inner

    task = problem(4)
    state = inner._start(task, np.array([1e-2, 1e-2, 0.6]), None)
    before = state.z, state.offsets, state.numbers, state.varpi
    assert np.all(np.hypot(*state.offsets.T) == 0)
    primal, dual = inner._residuals(task, state, before)
    assert np.all(np.isfinite(primal))
    assert np.all(dual == 0)
