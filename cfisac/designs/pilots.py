"""How many pilots, antennas and access points: the integer program of zhang (47)-(59).

Every candidate access point (AP) knows what one pilot tells it. With T pilots, L antennas at each
AP and the best M of the candidates the source minimises::

    J(T, L, M) = c_M / (T (L^2 - 1)) + beta T/T_c + mu M/M_max + nu M L/N_max,     M L <= N_max,

with ``c_M = 6 sigma^2 / (kappa^2 G_M)``. All that the scene has to say is in the ``c_M``:
:func:`angle_unit_bounds` gives those of the source, :func:`position_unit_bounds` those that make
the first term a squared position error. :func:`exhaustive` finds the optimum of either, and
:func:`alternating` is the source's search.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac.designs._pilots_bounds import (
    UnitBounds,
    angle_unit_bounds,
    position_unit_bounds,
)
from cfisac.designs._pilots_problem import Allocation, Problem, best_n_pilots
from cfisac.designs._solve import Infeasible, SolverError

__all__ = [
    "Allocation",
    "Problem",
    "Search",
    "UnitBounds",
    "alternating",
    "angle_unit_bounds",
    "best_n_pilots",
    "exhaustive",
    "position_unit_bounds",
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
    _checks.room("the table of antenna_range by unit_bounds", (m.size, length.size))
    t = problem._best_n_pilots(problem._per_pilot(length, m))
    value = problem._cost(t, length, m)
    value[m * length > problem.antenna_budget] = np.inf
    row, column = divmod(int(np.argmin(value)), length.size)
    return problem._allocation(t[row, column], length[column], m[row, 0])


def alternating(problem: Problem, initial: tuple[int, int, int], tolerance: float = 0.0) -> Search:
    """The search of zhang (51)-(59), as printed: T, then L, then M, each the best for the others.

    A number changes only for a smaller J, so the search ends where no single number can be
    improved. That need not be the optimum.

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
        t = _next_n_pilots(problem, t, length, m)
        length = _next_n_antennas(problem, t, length, m)
        m = _next_n_aps(problem, t, length, m)
        trace.append(problem._allocation(t, length, m))
        if not np.isfinite(trace[-2].cost):  # a start that identifies nothing
            continue
        if abs(trace[-1].cost - trace[-2].cost) <= epsilon:
            return Search(trace[-1], tuple(trace))
    raise SolverError("alternating search", f"{MOST_ROUNDS} rounds")


def _next_n_pilots(problem: Problem, t: int, length: int, m: int) -> int:
    """Minimise zhang (51) over (52)."""
    per_pilot = problem._per_pilot(np.asarray(length), np.asarray(m))
    choices = np.array([problem._best_n_pilots(per_pilot), t])
    slope = problem.pilot_weight / problem.coherence_length
    return _best(choices, per_pilot / choices + slope * choices, t)


def _next_n_antennas(problem: Problem, t: int, length: int, m: int) -> int:
    """Minimise zhang (54) over (55)."""
    low, high = problem.antenna_range
    choices = np.arange(low, min(high, problem.antenna_budget // m) + 1)
    value = problem._per_pilot(choices, np.asarray(m)) / t
    value += problem.antenna_weight * m * choices / problem.antenna_budget
    return _best(choices, value, length)


def _next_n_aps(problem: Problem, t: int, length: int, m: int) -> int:
    """Minimise zhang (56) over (57)."""
    choices = np.arange(1, min(problem.n_aps, problem.antenna_budget // length) + 1)
    value = problem._per_pilot(np.asarray(length), choices) / t
    value += problem.ap_weight * choices / problem.n_aps
    value += problem.antenna_weight * choices * length / problem.antenna_budget
    return _best(choices, value, m)


def _best(choices: NDArray[np.int64], value: NDArray[np.float64], now: int) -> int:
    """The best choice: the present one if none is better, or else the smallest of the best."""
    best = int(np.argmin(value))
    stays = value[np.flatnonzero(choices == now)[-1]] <= value[best]
    return now if stays else int(choices[best])


def _told(ends: tuple[int, int]) -> str:
    return f"{ends[0]}..{ends[1]}"
