"""The one door to the solvers: what it refuses, and that an answer is an optimum or an error."""

import clarabel
import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse

from cfisac.designs import Infeasible, SolverError
from cfisac.designs._solve import LARGEST, SMALLEST, conic, solve


def nearest(radius=1.0):
    """The point of a disc nearest to (3, 4), and the program that finds it."""
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.norm(x - np.array([3.0, 4.0]))), [cp.norm(x) <= radius])
    return x, problem


def test_an_optimum_comes_back_with_its_value():
    x, problem = nearest()
    assert solve(problem, "distance") == pytest.approx(4, abs=1e-7)
    np.testing.assert_allclose(x.value, [0.6, 0.8], atol=1e-6)


def test_two_solvers_agree_on_a_semidefinite_program():
    """max 1^T X 1 with unit diagonal on a random Gram matrix: the second opinion of SCS."""
    rows = np.random.default_rng(1).normal(size=(4, 4))
    x = cp.Variable((4, 4), PSD=True)
    problem = cp.Problem(cp.Maximize(cp.trace(rows @ rows.T @ x)), [cp.diag(x) == 1])
    first, second = (solve(problem, "program", name) for name in ("CLARABEL", "SCS"))
    assert first == pytest.approx(second, rel=1e-5)


def test_an_empty_set_is_infeasible_with_the_solvers_word():
    x = cp.Variable()
    with pytest.raises(Infeasible, match="budget has no feasible point") as caught:
        solve(cp.Problem(cp.Minimize(x), [x >= 1, x <= 0]), "budget")
    assert caught.value.status == "infeasible"


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_a_solver_at_its_limit_raises_with_its_status(solver):
    limit = {"CLARABEL": {"max_iter": 2}, "SCS": {"max_iters": 3}}[solver]
    rows = np.random.default_rng(2).normal(size=(8, 8))
    x = cp.Variable((8, 8), PSD=True)
    problem = cp.Problem(cp.Maximize(cp.trace(rows @ rows.T @ x)), [cp.diag(x) == 1])
    with pytest.raises(SolverError, match="program: the solver stopped with status") as caught:
        solve(problem, "program", solver, **limit)
    assert caught.value.status not in ("optimal", "infeasible")


def test_a_solver_that_gives_up_raises_the_same_error():
    """CVXPY raises an error of its own, which says neither what was solved nor the status."""
    x = cp.Variable(2)
    thin = [cp.exp(x[0]) <= 1, x[0] >= 0, cp.log(x[1] + 1) >= 0, x[1] <= 0]  # no interior
    problem = cp.Problem(cp.Maximize(cp.log1p(x[0] - x[1])), thin)
    with pytest.raises(SolverError, match="thin set: the solver stopped with status"):
        solve(problem, "thin set", tol_feas=1e-30, reduced_tol_feas=1e-30,
              tol_gap_abs=1e-30, tol_gap_rel=1e-30, reduced_tol_gap_abs=1e-30,
              reduced_tol_gap_rel=1e-30)  # fmt: skip


def test_settings_of_one_call_do_not_stick():
    """CVXPY keeps settings with a problem's cache; a later call must have the strict ones again."""
    x, problem = nearest()
    solve(problem, "distance", tol_gap_abs=1e-1, tol_gap_rel=1e-1, tol_feas=1e-1)
    loose = np.abs(x.value - [0.6, 0.8]).max()
    solve(problem, "distance")
    assert np.abs(x.value - [0.6, 0.8]).max() < 1e-6 < loose


@pytest.mark.parametrize("size", [SMALLEST / 10, LARGEST * 10, np.inf])
def test_numbers_that_absolute_tolerances_cannot_see_are_refused(size):
    """Among them a form that is not convex but so small that it would pass as convex."""
    w = cp.Variable(2)
    if np.isfinite(size):
        bound = cp.quad_form(w, np.diag([size, size]), assume_PSD=True) <= 1
    else:
        bound = w <= size
    with pytest.raises(ValueError, match=r"a constant of form must be zero or have a largest"):
        solve(cp.Problem(cp.Minimize(cp.sum_squares(w - 1)), [bound]), "form")


def test_the_solver_is_named_and_known():
    with pytest.raises(ValueError, match="solver must be one of CLARABEL, SCS, HIGHS"):
        solve(nearest()[1], "distance", "ECOS")


# ------------------------------------------------------------------------------------ by itself


def disc():
    """The same program by itself: (t, x) with t >= |x - (3, 4)| and |x| <= 1."""
    rows = sparse.csc_matrix(-np.vstack([np.eye(3), np.zeros((1, 3)), np.eye(3)[1:]]))
    bounds = np.array([0.0, -3.0, -4.0, 1.0, 0.0, 0.0])
    cones = [clarabel.SecondOrderConeT(3), clarabel.SecondOrderConeT(3)]
    return np.array([1.0, 0.0, 0.0]), rows, bounds, cones


def test_a_conic_program_gives_what_cvxpy_gives():
    found = conic(*disc(), "distance")
    assert found.value == pytest.approx(4, abs=1e-7)
    np.testing.assert_allclose(found.x[1:], [0.6, 0.8], atol=1e-6)


def test_multipliers_of_a_conic_program_prove_its_value():
    """Weak duality by NumPy: c = -A^T z with z in the dual cones gives the bound -b^T z."""
    cost, rows, bounds, _ = disc()
    found = conic(cost, rows, bounds, disc()[3], "distance")
    np.testing.assert_allclose(cost, -rows.T @ found.z, atol=1e-7)
    assert all(np.linalg.norm(z[1:]) <= z[0] + 1e-9 for z in found.z.reshape(2, 3))
    assert -bounds @ found.z == pytest.approx(found.value, abs=1e-7)


def test_a_conic_program_without_a_point_is_infeasible():
    rows = sparse.csc_matrix([[1.0], [-1.0]])
    with pytest.raises(Infeasible, match="interval has no feasible point") as caught:
        conic(np.ones(1), rows, np.array([0.0, -1.0]), [clarabel.NonnegativeConeT(2)], "interval")
    assert caught.value.status == "PrimalInfeasible"


def test_a_conic_program_without_a_floor_raises_with_its_status():
    rows = sparse.csc_matrix([[1.0]])
    with pytest.raises(SolverError, match="status DualInfeasible"):
        conic(np.ones(1), rows, np.zeros(1), [clarabel.NonnegativeConeT(1)], "half line")


@pytest.mark.parametrize(
    ("row", "bound", "message"),
    [
        ([[1e-9]], 0.0, "a row of power must be zero or have a largest entry"),
        ([[1e9]], 0.0, "divide gains by the noise variance"),
        ([[np.nan]], 0.0, "a row of power must be zero or have a largest entry"),
        ([[1.0]], np.inf, "power must have a finite cost and finite bounds"),
    ],
)
def test_rows_of_unusual_size_and_endless_bounds_are_refused(row, bound, message):
    with pytest.raises(ValueError, match=message):
        conic(np.ones(1), sparse.csc_matrix(row), np.array([bound]),
              [clarabel.NonnegativeConeT(1)], "power")  # fmt: skip
