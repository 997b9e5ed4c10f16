"""How many pilots, antennas and access points: the integer program of zhang (47)-(59).

Every candidate access point (AP) knows what one pilot tells it. With T pilots, L antennas at each
AP and the best M of the candidates the source minimises::

    J(T, L, M) = c_M / (T (L^2 - 1)) + beta T/T_c + mu M/M_max + nu M L/N_max,     M L <= N_max,

with ``c_M = 6 sigma^2 / (kappa^2 G_M)``. All that the scene has to say is in the ``c_M``:
:func:`angle_coefficients` gives those of the source, :func:`position_coefficients` those that make
the first term a squared position error. :func:`exhaustive` finds the optimum of either, and
:func:`alternating` is the source's search.
"""

from typing import NamedTuple

import numpy as np

from cfisac import _checks
from cfisac.designs._pilots_coefficients import (
    Coefficients,
    angle_coefficients,
    position_coefficients,
)
from cfisac.designs._pilots_problem import Allocation, Problem
from cfisac.designs._solve import Infeasible, SolverError

__all__ = [
    "Allocation",
    "Coefficients",
    "Problem",
    "Search",
    "alternating",
    "angle_coefficients",
    "exhaustive",
    "position_coefficients",
]

MOST_ROUNDS = 10_000


class Search(NamedTuple):
    """Where the alternating search ended, and every round before it.

    Parameters
    ----------
    allocation : Allocation
        zhang (59).
    trace : tuple of Allocation
        The start, then what each round of three updates made of it; the last two entries differ
        by the tolerance at most.

    Examples
    --------
    >>> problem = Problem([1.0], (1, 9), (2, 4), 4, 100, pilot_weight=1.0)
    >>> [step.n_pilots for step in alternating(problem, (1, 2, 1)).trace]
    [1, 6, 3, 3]
    """

    allocation: Allocation
    trace: tuple[Allocation, ...]


def exhaustive(problem: Problem) -> Allocation:
    """The optimum of zhang (48): every pair (L, M) that fits, each with its best T.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Allocation
        Of equally good ones that with the fewest APs, then antennas, then pilots.

    Examples
    --------
    >>> problem = Problem([1.0, 0.5], (1, 1), (2, 3), 6, 200, ap_weight=0.02, antenna_weight=0.36)
    >>> best = exhaustive(problem)
    >>> best.n_antennas, best.n_aps, round(best.cost, 4)
    (3, 1, 0.315)
    """
    low, high = problem.antenna_range
    length = np.arange(low, min(high, problem.antenna_budget) + 1)
    m = np.arange(1, min(problem.n_aps, problem.antenna_budget // low) + 1)[:, None]
    _checks.room("the table of antenna_range by coefficients", (m.size, length.size))
    t = problem._best_n_pilots(problem._per_pilot(length, m))
    value = problem._cost(t, length, m)
    value[m * length > problem.antenna_budget] = np.inf
    row, column = divmod(int(np.argmin(value)), length.size)
    return problem._allocation(t[row, column], length[column], m[row, 0])


def alternating(
    problem: Problem, initial: tuple[int, int, int], tolerance: float = 1e-12
) -> Search:
    """The search of zhang (51)-(59), as printed: T, then L, then M, each the best for the others.

    It ends where no single number can be improved, which need not be the optimum.

    Parameters
    ----------
    problem : Problem
    initial : (int, int, int)
        T, L and M to start from; feasible.
    tolerance : float
        epsilon >= 0 of (58), in the unit of J.

    Returns
    -------
    Search

    Raises
    ------
    ValueError
        If ``tolerance`` is negative or ``initial`` holds no three whole numbers.
    Infeasible
        If ``initial`` is outside the constraints of (48).
    SolverError
        If 10 000 rounds were not enough.

    Examples
    --------
    >>> problem = Problem([1.0, 0.5], (1, 1), (2, 3), 6, 200, ap_weight=0.02, antenna_weight=0.36)
    >>> stuck = alternating(problem, (1, 2, 2)).allocation
    >>> stuck.n_antennas, stuck.n_aps, round(stuck.cost, 4)
    (2, 2, 0.4267)
    """
    epsilon = _checks.one("tolerance", tolerance, _checks.non_negative)
    whole = _checks.count("initial", initial, 0)
    if whole.shape != (3,):
        raise ValueError(f"initial must hold T, L and M, got {initial!r}")
    t, length, m = whole.tolist()
    if not problem.is_feasible(t, length, m):
        raise Infeasible(
            f"initial (T, L, M) = ({t}, {length}, {m}) is not feasible: T in "
            f"{_told(problem.pilot_range)}, L in {_told(problem.antenna_range)}, M in "
            f"1..{problem.n_aps} and M L <= {problem.antenna_budget}"
        )
    trace = [problem._allocation(t, length, m)]
    for _ in range(MOST_ROUNDS):
        t = int(problem._best_n_pilots(problem._per_pilot(np.asarray(length), np.asarray(m))))
        length = _best_n_antennas(problem, t, m)
        m = _best_n_aps(problem, t, length)
        trace.append(problem._allocation(t, length, m))
        if not np.isfinite(trace[-2].cost):  # a start that identifies nothing
            continue
        if abs(trace[-1].cost - trace[-2].cost) <= epsilon:
            return Search(trace[-1], tuple(trace))
    raise SolverError("alternating search", f"{MOST_ROUNDS} rounds")


def _best_n_antennas(problem: Problem, t: int, m: int) -> int:
    """Minimise zhang (54) over (55)."""
    low, high = problem.antenna_range
    length = np.arange(low, min(high, problem.antenna_budget // m) + 1)
    value = problem._per_pilot(length, np.asarray(m)) / t
    value += problem.antenna_weight * m * length / problem.antenna_budget
    return int(length[np.argmin(value)])


def _best_n_aps(problem: Problem, t: int, length: int) -> int:
    """Minimise zhang (56) over (57)."""
    m = np.arange(1, min(problem.n_aps, problem.antenna_budget // length) + 1)
    value = problem._per_pilot(np.asarray(length), m) / t
    value += problem.ap_weight * m / problem.n_aps
    value += problem.antenna_weight * m * length / problem.antenna_budget
    return int(m[np.argmin(value)])


def _told(ends: tuple[int, int]) -> str:
    return f"{ends[0]}..{ends[1]}"
