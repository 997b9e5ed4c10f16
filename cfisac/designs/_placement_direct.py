"""The min-max problem solved as it stands: epigraph form, exact gradients, working sets."""

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from cfisac import _checks
from cfisac.designs._placement_problem import (
    Placement,
    Problem,
    share_within,
    within_reach,
)
from cfisac.designs._solve import Infeasible, SolverError

Array = NDArray[np.float64]

MOST_COMPOSITIONS = 200_000
_MANY = 64  # targets from which constraints enter only when they matter
_ROUNDS = 50  # of working sets
_SLACK = 1e-9  # relative, by which a target left out may be worse
_WHOLE = 1e-6  # how far an antenna number may be from a whole one


def direct(
    problem: Problem,
    *,
    n_antennas: ArrayLike | None = None,
    initial: Placement | None = None,
) -> Placement:
    """Solve the problem in epigraph form with exact gradients, by sequential quadratic programs.

    Minimise t over places, antenna numbers and t subject to ``t >= f_u`` for every target: SLSQP,
    from one start. The problem is not convex. Whether starts agree is for the caller to see
    (``initial``), and :func:`kkt_residual` says how nearly the answer is a local optimum. With
    many targets only those that are the worst at some step become constraints.

    Parameters
    ----------
    problem : Problem
    n_antennas : (L,), optional
        Antenna numbers that are kept, >= 1 and within the budget; by default they are free, and
        need not be whole.
    initial : Placement, optional
        Where to start; by default :attr:`Problem.initial`.

    Returns
    -------
    Placement

    Raises
    ------
    Infeasible
        If the start or ``n_antennas`` is not in the feasible set.
    SolverError
        If SLSQP stops without an optimum; nothing partial is returned.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> found = direct(problem)
    >>> round(problem.initial.objective, 3), round(found.objective, 3)
    (0.902, 0.741)
    >>> found.n_antennas.round(1)
    array([ 6.8,  7. ,  7.8, 10.3])
    """
    begin = problem.initial if initial is None else initial
    aps, number = problem.check(
        begin.aps, begin.n_antennas if n_antennas is None else np.asarray(n_antennas)
    )
    solver = _Epigraph(problem, move=problem.reach > 0, share=n_antennas is None)
    value = problem.values(aps, number)
    if not solver.free:
        return Placement(aps, number, value, "nothing to move")
    if len(value) <= _MANY:
        aps, number, status = solver.solve(aps, number, np.arange(len(value)))
        return problem.placement(aps, number, status)
    chosen = np.argsort(value)[-8:]
    for _ in range(_ROUNDS):
        aps, number, status = solver.solve(aps, number, chosen)
        value = problem.values(aps, number)
        if value.max() <= value[chosen].max() * (1 + _SLACK):
            return problem.placement(aps, number, status)
        chosen = np.union1d(chosen, np.argsort(value)[-8:])
    raise SolverError("placement", f"no working set after {_ROUNDS} rounds")


class _Epigraph:
    """The problem in the variables of SLSQP: offsets over reach, shares of the budget, t."""

    def __init__(self, problem: Problem, move: bool, share: bool) -> None:
        self._problem, self._n_aps = problem, len(problem.scene.aps)
        self._move = 2 * self._n_aps * move
        self._share = self._n_aps * share
        self.free = self._move + self._share
        self._unit = problem._budget / self._n_aps
        self._last: tuple[bytes, Any] = (b"", None)

    def solve(
        self, aps: Array, number: Array, chosen: NDArray[np.intp]
    ) -> tuple[Array, Array, str]:
        """Places and numbers that are best for the chosen targets, and what SLSQP says."""
        problem, m, n = self._problem, self._move, self.free
        self._kept, self._chosen, self._last = (aps, number), chosen, (b"", None)
        parts = []
        if m:
            parts.append(((aps - problem.scene.aps) / problem.reach).ravel())
        if self._share:
            parts.append(number / self._unit)
        first = np.concatenate(parts)
        first = np.append(first, self._at(first)[0].max())
        gradient = np.append(np.zeros(n), 1.0)
        most = problem._budget - (self._n_aps - 1)
        numbers = [(1 / self._unit, most / self._unit)] * self._share
        minimize: Any = optimize.minimize  # whose types know no such constraints
        found = minimize(
            lambda x: (x[-1], gradient),
            first,
            jac=True,
            method="SLSQP",
            bounds=[(-1.0, 1.0)] * m + numbers + [(None, None)],
            constraints={"type": "ineq", "fun": self._margins, "jac": self._margins_slope},
            options={"ftol": 1e-12, "maxiter": 500},
        )
        # 8: no descent is left at this rounding; whether that is an optimum, the value tells.
        if found.status not in (0, 8) or not np.all(np.isfinite(found.x)):
            raise SolverError("placement", str(found.message))
        place, antennas = self._split(found.x[:-1])
        place = problem.scene.aps + within_reach(place - problem.scene.aps, problem.reach)
        antennas = share_within(antennas, problem._budget, most) if self._share else antennas
        worst = self._worst(place, antennas)
        if worst > found.x[-1] * (1 + 1e-6) or worst > first[-1] * (1 + 1e-12):
            raise SolverError("placement", f"{found.message}, not at an optimum")
        return place, antennas, str(found.message)

    def _worst(self, aps: Array, number: Array) -> float:
        return float(self._problem.values(aps, number)[self._chosen].max())

    def _split(self, x: Array) -> tuple[Array, Array]:
        aps, number = self._kept
        if self._move:
            offset = x[: self._move].reshape(-1, 2)
            aps = self._problem.scene.aps + self._problem.reach * offset
        if self._share:
            number = self._unit * x[self._move :]
        return aps, number

    def _at(self, x: Array) -> tuple[Array, Array]:
        """Values (U,) and slopes (U, n) of the chosen targets; the last ones are kept."""
        key = x.tobytes()
        if self._last[0] != key:
            value, slope = self._problem.slopes(*self._split(x))
            value, slope = value[self._chosen], slope[self._chosen]
            columns = []
            if self._move:
                columns.append(self._problem.reach * slope[..., :2].reshape(len(value), -1))
            if self._share:
                columns.append(self._unit * slope[..., 2])
            self._last = key, (value, np.concatenate(columns, axis=1))
        value, slope = self._last[1]
        return value, slope

    def _margins(self, x: Array) -> Array:
        """What must not be negative: t - f_u, then the discs, then the budget."""
        parts = [x[-1] - self._at(x[:-1])[0]]
        if self._move:
            parts.append(1 - np.sum(x[: self._move].reshape(-1, 2) ** 2, axis=1))
        if self._share:
            parts.append(np.array([1 - np.mean(x[self._move : -1])]))
        return np.concatenate(parts)

    def _margins_slope(self, x: Array) -> Array:
        slope = self._at(x[:-1])[1]
        n_values, n_discs = len(slope), self._move // 2
        rows = np.zeros((n_values + n_discs + (self._share > 0), self.free + 1))
        rows[:n_values, :-1], rows[:n_values, -1] = -slope, 1.0
        for k in range(n_discs):
            rows[n_values + k, 2 * k : 2 * k + 2] = -2 * x[2 * k : 2 * k + 2]
        if self._share:
            rows[-1, self._move : -1] = -1 / self._n_aps
        return rows


def compositions(total: int, parts: int) -> NDArray[np.int64]:
    """All ways to share ``total`` antennas among ``parts`` access points, one or more for each.

    Parameters
    ----------
    total, parts : int
        Whole numbers >= 1.

    Returns
    -------
    (n, parts)
        ``n = (total - 1 choose parts - 1)`` rows, in lexicographic order.

    Raises
    ------
    Infeasible
        If there are fewer antennas than access points.
    ValueError
        If a number is no whole one >= 1, or there are more than 200 000 ways.

    Examples
    --------
    >>> compositions(4, 3)
    array([[1, 1, 2],
           [1, 2, 1],
           [2, 1, 1]])
    >>> len(compositions(32, 4))
    4495
    """
    total = _checks.one("total", total, _checks.count)
    parts = _checks.one("parts", parts, _checks.count)
    if total < parts:
        raise Infeasible(f"total must be >= parts: {total} antennas do not suffice for {parts} APs")
    number = math.comb(total - 1, parts - 1)
    if number > MOST_COMPOSITIONS:
        raise ValueError(f"total must leave at most {MOST_COMPOSITIONS} ways, got {number}")
    cuts = np.array(list(itertools.combinations(range(1, total), parts - 1)), dtype=np.int64)
    cuts = cuts.reshape(number, parts - 1)
    return np.diff(cuts, axis=1, prepend=0, append=total)


def search(problem: Problem, n_polished: int = 10) -> Placement:
    """Solve the problem from many starts: the antennas have several valleys.

    Where a few access points have most of the antennas there may be another local optimum, and it
    may be the better one. So after :func:`direct` from the initial placement all compositions of
    the budget are scored at the places found. Those that no move of one antenna improves are
    further starts, the best ``n_polished`` of them, and the best end is returned.

    Parameters
    ----------
    problem : Problem
    n_polished : int
        The most starts besides the initial placement, >= 1.

    Returns
    -------
    Placement

    Raises
    ------
    SolverError
        As :func:`direct`.
    ValueError
        If ``n_polished`` is no whole number >= 1, or there are too many compositions.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng([36, 9]), 20), reach=10.0)
    >>> alone, best = direct(problem), search(problem)
    >>> alone.n_antennas.round(1), round(alone.objective, 3)
    (array([ 6.1, 10.2,  4.7, 11. ]), 0.726)
    >>> best.n_antennas.round(1), round(best.objective, 3)
    (array([ 2.7, 17.8,  1. , 10.5]), 0.658)
    """
    n_polished = _checks.one("n_polished", n_polished, _checks.count)
    ways = compositions(problem._budget, len(problem.scene.aps))
    first = direct(problem)
    score = scores(problem, first.aps, ways)
    lowest = np.flatnonzero(_no_move_is_better(ways, score))
    starts = lowest[np.argsort(score[lowest], kind="stable")[:n_polished]]
    ends = [
        direct(problem, initial=problem.placement(first.aps, ways[k], "valley")) for k in starts
    ]
    return min([first, *ends], key=lambda each: each.objective)


def _no_move_is_better(ways: NDArray[np.int64], score: Array) -> NDArray[np.bool_]:
    """Whether no antenna that one access point gives to another lowers the score."""
    n_aps, base = ways.shape[1], int(ways.max()) + 2
    digits = base ** np.arange(n_aps)[::-1]
    keys = ways @ digits  # in the order of the rows
    lowest = np.ones(len(ways), dtype=bool)
    for k, m in itertools.permutations(range(n_aps), 2):
        moved = keys + digits[k] - digits[m]
        place = np.minimum(np.searchsorted(keys, moved), len(keys) - 1)
        exists = (ways[:, m] > 1) & (keys[place] == moved)
        lowest &= ~(exists & (score[place] < score))
    return lowest


def integers(problem: Problem, design: Placement | None = None, n_polished: int = 10) -> Placement:
    """Whole antenna numbers: score every way to share the budget, then move once more.

    At the places of a design all compositions of the budget are scored. For the best of them the
    places are found anew, and the best of these is scored again, until nothing changes. More
    antennas never hurt, so the whole budget is shared. A design whose numbers are whole already
    keeps them.

    Parameters
    ----------
    problem : Problem
    design : Placement, optional
        By default that of :func:`search`.
    n_polished : int
        For how many of the best compositions places are found anew, >= 1.

    Returns
    -------
    Placement

    Raises
    ------
    Infeasible
        If the design is not in the feasible set.
    SolverError
        As :func:`direct`.
    ValueError
        If ``n_polished`` is no whole number >= 1, or there are too many compositions.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> whole = integers(problem)
    >>> whole.n_antennas, round(whole.objective, 3)
    (array([ 7.,  7.,  8., 10.]), 0.744)
    """
    n_polished = _checks.one("n_polished", n_polished, _checks.count)
    ways = compositions(problem._budget, len(problem.scene.aps)).astype(float)
    best = search(problem) if design is None else design
    problem.check(best.aps, best.n_antennas)
    whole = np.rint(best.n_antennas)
    if np.abs(best.n_antennas - whole).max() <= _WHOLE:  # the relaxed optimum is one of them
        return direct(problem, n_antennas=whole, initial=problem.placement(best.aps, whole, ""))
    found: Placement | None = None
    while True:
        score = scores(problem, best.aps, ways)
        polished = [
            direct(problem, n_antennas=ways[k], initial=problem.placement(best.aps, ways[k], ""))
            for k in np.argsort(score, kind="stable")[:n_polished]
        ]
        better = min(polished, key=lambda each: each.objective)
        if found is not None and better.objective >= found.objective * (1 - 1e-9):
            return found
        best = found = better


def scores(problem: Problem, aps: ArrayLike, n_antennas: ArrayLike) -> Array:
    """The objective (n,) at places (L, 2) for many antenna numbers (n, L).

    Parameters
    ----------
    problem : Problem
    aps : (L, 2)
        Places (m).
    n_antennas : (n, L)
        Of each access point.

    Returns
    -------
    (n,)
        The worst target's weighted bound.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> scores(problem, problem.scene.aps, [[8, 8, 8, 8], [29, 1, 1, 1]]).round(2)
    array([ 0.9 , 13.56])
    """
    ways = _checks.finite("n_antennas", n_antennas)
    place = _checks.points("aps", aps, 2)
    parts = np.array_split(ways, max(1, len(ways) // 500))
    values = [problem.values(np.broadcast_to(place, (len(p), *place.shape)), p) for p in parts]
    return np.concatenate(values).max(axis=-1)
