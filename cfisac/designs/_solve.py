"""One door to every solver: it names the solver, sets every tolerance, and takes only an optimum.

Solvers judge by absolute tolerances. Numbers in raw watts or of gains of 1e-11 slip below these: a
program that is not convex passes as convex, and a power of zero as optimal. So every number that
comes through this door must be of usual size, and every answer is checked by whoever asked for it.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    import cvxpy

Array = NDArray[np.float64]

SMALLEST, LARGEST = 1e-7, 1e7  # what the largest number of an array, or of a row, may be

# Settings stay with a problem until they are set again: all of them, every time.
_CLARABEL: Mapping[str, float | int] = {
    "max_iter": 200,
    "tol_gap_abs": 1e-9,
    "tol_gap_rel": 1e-9,
    "tol_feas": 1e-9,
    "tol_infeas_abs": 1e-9,
    "tol_infeas_rel": 1e-9,
    "tol_ktratio": 1e-7,
    # An answer that is almost one is none.
    "reduced_tol_gap_abs": 1e-9,
    "reduced_tol_gap_rel": 1e-9,
    "reduced_tol_feas": 1e-9,
    "reduced_tol_infeas_abs": 1e-9,
    "reduced_tol_infeas_rel": 1e-9,
    "reduced_tol_ktratio": 1e-7,
}
_SETTINGS: Mapping[str, Mapping[str, float | int]] = {
    "CLARABEL": _CLARABEL,
    "SCS": {"max_iters": 100_000, "eps_abs": 1e-8, "eps_rel": 1e-8, "eps_infeas": 1e-9},
    "HIGHS": {
        "primal_feasibility_tolerance": 1e-9,
        "dual_feasibility_tolerance": 1e-9,
        "mip_rel_gap": 1e-9,
        "mip_abs_gap": 1e-9,
    },
}
_INFEASIBLE = ("infeasible", "PrimalInfeasible")


class SolverError(RuntimeError):
    """A solver that did not find an optimum; ``status`` is what it said.

    Examples
    --------
    >>> str(SolverError("power allocation", "user_limit"))
    'power allocation: the solver stopped with status user_limit'
    """

    def __init__(self, what: str, status: str) -> None:
        super().__init__(f"{what}: the solver stopped with status {status}")
        self.status = status


class Infeasible(ValueError):
    """What is asked for cannot be had; ``status`` is the solver's word, or ``"checked"``.

    Examples
    --------
    >>> error = Infeasible("target 1 can be located to 0.31 m at best, 0.1 m are asked for")
    >>> error.status
    'checked'
    """

    def __init__(self, reason: str, status: str = "checked") -> None:
        super().__init__(reason)
        self.status = status


class Solution(NamedTuple):
    """Of a conic program: what minimises it, its multipliers, its slacks, its value."""

    x: Array
    z: Array
    s: Array
    value: float


def solve(
    problem: "cvxpy.Problem", what: str, solver: str = "CLARABEL", **settings: float | int
) -> float:
    """Solve a CVXPY problem to optimality and return its value.

    Parameters
    ----------
    problem : cvxpy.Problem
        Whose constants and parameters are of usual size: gains over the noise, norms about one.
    what : str
        What errors call it.
    solver : {"CLARABEL", "SCS", "HIGHS"}
        Never left to CVXPY, which sends semidefinite programs to SCS.
    **settings
        Instead of those above, for this call alone.

    Raises
    ------
    ValueError
        If a number is so large or small that absolute tolerances could not see what it does.
    Infeasible, SolverError
        If there is no point in the set, or the solver says anything but "optimal".

    Examples
    --------
    >>> import cvxpy as cp
    >>> x = cp.Variable()
    >>> round(solve(cp.Problem(cp.Minimize((x - 1) ** 2), [x >= 2]), "distance"), 6)
    1.0
    """
    from cvxpy import error as errors

    if solver not in _SETTINGS:
        raise ValueError(f"solver must be one of {', '.join(_SETTINGS)}, got {solver!r}")
    for leaf in [*problem.constants(), *problem.parameters()]:
        if leaf.value is not None:
            _usual_size(f"a constant of {what}", float(abs(leaf.value).max()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")  # it raises below
        try:
            problem.solve(solver=solver, **{**_SETTINGS[solver], **settings})
        except errors.SolverError as error:  # CVXPY's, where a solver has given up
            raise SolverError(what, problem.status or "solver_error") from error
    if problem.status in _INFEASIBLE:
        raise Infeasible(f"{what} has no feasible point", problem.status)
    if problem.status != "optimal":
        raise SolverError(what, problem.status)
    return float(problem.value)


def conic(
    cost: Array,
    rows: sparse.csc_matrix,
    bounds: Array,
    cones: Sequence[Any],
    what: str,
    **settings: float | int,
) -> Solution:
    """Minimise ``cost x`` subject to ``bounds - rows x`` in the cones, by Clarabel.

    Parameters
    ----------
    cost : (n,)
        Linear; a square goes into a cone.
    rows : (m, n) sparse
        Each row of usual size, as each is judged by the same absolute tolerance.
    bounds : (m,)
        Finite: a bound that is none has no row.
    cones : sequence of clarabel cones
        One after the other, of m rows in all.
    what : str
        What errors call it.
    **settings
        Instead of those above.

    Raises
    ------
    ValueError
        If a number is not finite or a row not of usual size.
    Infeasible, SolverError
        As :func:`solve`.

    Examples
    --------
    >>> import clarabel
    >>> from scipy import sparse
    >>> least = conic(np.ones(1), sparse.csc_matrix([[-1.0]]), np.array([-2.0]),
    ...               [clarabel.NonnegativeConeT(1)], "smallest number above two")
    >>> round(least.value, 6)
    2.0
    """
    import clarabel

    if not (np.all(np.isfinite(cost)) and np.all(np.isfinite(bounds))):
        raise ValueError(f"{what} must have a finite cost and finite bounds")
    rows = sparse.csc_matrix(rows)
    size = np.asarray(abs(rows).max(axis=1).todense()).ravel()
    for extreme in (size.max(initial=0.0), size.min(where=size != 0, initial=1.0)):
        _usual_size(f"a row of {what}", extreme)
    options = clarabel.DefaultSettings()
    options.verbose = False
    for name, value in {**_CLARABEL, **settings}.items():
        setattr(options, name, value)
    empty = sparse.csc_matrix((len(cost), len(cost)))
    found = clarabel.DefaultSolver(empty, cost, rows, bounds, list(cones), options).solve()
    status = str(found.status)
    if status in _INFEASIBLE:
        raise Infeasible(f"{what} has no feasible point", status)
    if status != "Solved":
        raise SolverError(what, status)
    x, z, s = (np.array(each) for each in (found.x, found.z, found.s))
    return Solution(x, z, s, float(found.obj_val))


def _usual_size(name: str, largest: float) -> None:
    """Refuse an array whose largest number a solver would take for nothing, or for infinity."""
    if not np.isfinite(largest) or (largest > 0 and not SMALLEST <= largest <= LARGEST):
        raise ValueError(
            f"{name} must be zero or have a largest entry in [{SMALLEST:g}, {LARGEST:g}], "
            f"got {largest:g}; divide gains by the noise variance and matrices by their norm"
        )
