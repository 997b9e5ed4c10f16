"""Algorithm 2 of liu: the alternating direction method of multipliers, printed and mended."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from cfisac import _checks
from cfisac.designs._placement_problem import Placement, Problem, share_within, within_reach

Array = NDArray[np.float64]

REPAIRS = ("joint step", "sign", "feasible")
"""What can be mended in Algorithm 2.

``"joint step"``: U and the varpi_u of (26) are updated together, not U after (28).
``"sign"``: the multipliers of (30) move along the residual of their constraint.
``"feasible"``: the z of (29) keeps to one antenna or more, and near the discs.
"""

_INNER = 200  # evaluations that the truncated Newton method may take in one step
_POLISH, _EXACT = 20, 1e-11  # Gauss-Newton steps after it; when they end (m, antennas)
_BALANCE = 10.0  # residuals that differ by more than this change the penalties, in [25] of liu


@dataclass
class _State:
    """All variables, and f_u at z."""

    z: Array  # (L, 3)
    offsets: Array  # a, (L, 2)
    numbers: Array  # b, (L,)
    varpi: Array
    level: float  # U
    by_place: Array  # lambda
    by_number: Array  # chi
    by_target: Array  # gamma
    value: Array
    penalties: Array


def admm(
    problem: Problem,
    *,
    repairs: Collection[str] = REPAIRS,
    n_iterations: int = 200,
    penalties: Sequence[float] = (1e-2, 1e-2, 0.6),
    adapt: bool = False,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-8,
) -> Placement:
    """Algorithm 2 of liu, printed or mended.

    Steps 1 to 5: project the offsets a_l onto the discs (24), the antenna numbers b_l onto the
    budget (25), update U and the varpi_u (26)-(28), minimise (29) over z by a truncated Newton
    method, move the multipliers (30). Without repairs everything is as printed.

    Parameters
    ----------
    problem : Problem
    repairs : collection of str
        Those of :data:`REPAIRS` that are made; ``()`` for none.
    n_iterations : int
        K_max >= 1.
    penalties : (3,)
        rho_1 (1/m^2), rho_2 and rho_3, > 0, in units of the scaled objective.
    adapt : bool
        Whether the penalties are doubled or halved where one residual is ten times the other.
    rng : Generator, optional
        Draws the initial multipliers uniformly from [0, 1), "random" in the source. By default
        lambda and chi are zero and every gamma is -1/U, as at an optimum where all targets are
        alike.
    tolerance : float
        All six relative residuals below it end the iteration, >= 0.

    Returns
    -------
    Placement
        The feasible copies, ``aps`` = initial places + a and ``n_antennas`` = b, judged as they
        stand; z is ``joint``. ``history`` has ``objective`` (of the copies), ``level`` (U),
        ``z_objective`` (the largest f_u at z, which means nothing once z has left the feasible
        set), and the gaps ``place_gap`` (m), ``number_gap`` and ``target_gap`` between the copies
        and z.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> mended = admm(problem, n_iterations=60)
    >>> mended.objective < 0.85 * problem.initial.objective
    True
    """
    n_iterations = _checks.one("n_iterations", n_iterations, _checks.count)
    rho = _checks.positive("penalties", penalties)
    if rho.shape != (3,):
        raise ValueError(f"penalties must be three numbers, got shape {rho.shape}")
    tolerance = _checks.one("tolerance", tolerance, _checks.non_negative)
    for repair in repairs:
        _checks.one_of("repairs", repair, *REPAIRS)
    state = _start(problem, rho.copy(), rng)
    kept: dict[str, list[float]] = {}
    status = f"stopped after {n_iterations} iterations"
    for _ in range(n_iterations):
        before = state.z.copy(), state.offsets, state.numbers, state.varpi, state.value
        _step(problem, state, repairs)
        for name, number in _gaps(problem, state).items():
            kept.setdefault(name, []).append(number)
        primal, dual = _residuals(problem, state, before)
        if max(primal.max(), dual.max()) <= tolerance:
            status = "converged"
            break
        if adapt:
            state.penalties[primal > _BALANCE * dual] *= 2
            state.penalties[dual > _BALANCE * primal] /= 2
    return problem.placement(
        problem.scene.aps + state.offsets,
        state.numbers,
        status,
        history={name: np.array(each) for name, each in kept.items()},
        joint=state.z,
    )


def _start(problem: Problem, penalties: Array, rng: np.random.Generator | None) -> _State:
    begin = problem.initial
    n_aps, n_targets = len(begin.aps), len(begin.per_target)
    multipliers = np.zeros((n_aps, 2)), np.zeros(n_aps), np.full(n_targets, -1 / n_targets)
    if rng is not None:
        multipliers = rng.random((n_aps, 2)), rng.random(n_aps), rng.random(n_targets)
    return _State(
        np.column_stack([begin.aps, begin.n_antennas]),
        np.zeros((n_aps, 2)),
        begin.n_antennas,
        begin.per_target,
        begin.objective,
        *multipliers,
        begin.per_target,
        penalties,
    )


def _step(problem: Problem, state: _State, repairs: Collection[str]) -> None:
    """Steps 1 to 5, in place."""
    rho, home = state.penalties, problem.scene.aps
    state.offsets = within_reach(state.z[:, :2] - home - state.by_place / rho[0], problem.reach)
    most = problem._budget - len(home) + 1
    state.numbers = share_within(state.z[:, 2] - state.by_number / rho[1], problem._budget, most)
    wanted = state.value - state.by_target / rho[2]
    if "joint step" in repairs:
        state.level = joint_level(wanted, rho[2])
    state.varpi = np.minimum(state.level, wanted)  # (28)
    if "joint step" not in repairs:
        state.level = float(state.varpi.max())
    state.z = _newton(problem, state, "feasible" in repairs)
    state.value = _values(problem, state.z)[0]
    state.by_place = state.by_place + rho[0] * (state.offsets - state.z[:, :2] + home)
    state.by_number = state.by_number + rho[1] * (state.numbers - state.z[:, 2])
    by_target = state.varpi - state.value
    if "sign" not in repairs:  # (30) has + (1 - alpha) psi_a tr B_a
        traces = problem._judge.traces(state.z[:, :2], state.z[:, 2])
        by_target = by_target + 2 * problem._parts[1] * traces[1]
    state.by_target = state.by_target + rho[2] * by_target


def joint_level(wanted: Array, penalty: float) -> float:
    """The U that minimises (26) together with the varpi_u: ``penalty sum (wanted - U)_+ = 1``."""
    largest = np.sort(wanted)[::-1]
    levels = (np.cumsum(largest) - 1 / penalty) / np.arange(1, len(largest) + 1)
    enough = np.append(largest[1:] <= levels[:-1], True)
    return float(levels[np.argmax(enough)])


def _newton(problem: Problem, state: _State, feasible: bool) -> Array:
    """Minimise (29) over z by a truncated Newton method."""
    home, most = problem.scene.aps, problem._budget - len(problem.scene.aps) + 1
    bounds = None
    if feasible:
        limits = np.repeat(np.append(home, np.ones((len(home), 1)), axis=1)[..., None], 2, axis=2)
        limits[:, :2] += 2 * problem.reach * np.array([-1, 1])
        limits[:, 2, 1] = most
        bounds = limits.reshape(-1, 2)
    goal = functools.partial(_penalty, problem, state)
    minimize: Any = optimize.minimize
    found = minimize(
        goal, state.z.ravel(), jac=True, method="TNC", bounds=bounds, options={"maxfun": _INNER}
    )
    z = np.asarray(found.x)
    # Its differences of gradients leave eight digits, which 200 iterations make three of: a few
    # Gauss-Newton steps, (29) being a sum of squares.
    total, gradient, square = _penalty_and_square(problem, state, z)
    for _ in range(_POLISH):
        new = z - np.linalg.solve(square, gradient)
        new = new if bounds is None else np.clip(new, *bounds.T)
        after = _penalty_and_square(problem, state, new)
        if not after[0] <= total:
            break
        moved = np.abs(new - z).max()
        z, (total, gradient, square) = new, after
        if moved < _EXACT:
            break
    return z.reshape(-1, 3)


def _penalty(problem: Problem, state: _State, flat: Array) -> tuple[float, Array]:
    """(29) and its gradient."""
    return _penalty_and_square(problem, state, flat)[:2]


def _penalty_and_square(problem: Problem, state: _State, flat: Array) -> tuple[float, Array, Array]:
    """(29), its gradient, and its second derivatives without those of f_u."""
    z, rho = flat.reshape(-1, 3), state.penalties
    value, slope = _values(problem, z)
    place = state.offsets - z[:, :2] + problem.scene.aps + state.by_place / rho[0]
    number = state.numbers - z[:, 2] + state.by_number / rho[1]
    target = state.varpi - value + state.by_target / rho[2]
    total = rho @ [np.sum(place**2), np.sum(number**2), np.sum(target**2)] / 2
    rows = slope.reshape(len(slope), -1)
    by_copies = np.column_stack([rho[0] * place, rho[1] * number]).ravel()
    square = np.diag(np.tile(rho[[0, 0, 1]], len(z))) + rho[2] * rows.T @ rows
    return float(total), -rho[2] * target @ rows - by_copies, square


def _values(problem: Problem, z: Array) -> tuple[Array, Array]:
    """f_u and slopes at z, wherever it has gone; a very large number on top of a target."""
    try:
        return problem.slopes(z[:, :2], z[:, 2])
    except (ValueError, np.linalg.LinAlgError):
        n_targets = len(problem.scene.targets)
        return np.full(n_targets, 1e6), np.zeros((n_targets, *z.shape))


def _gaps(problem: Problem, state: _State) -> dict[str, float]:
    place = problem.scene.aps + state.offsets
    return {
        "objective": float(problem.values(place, state.numbers).max()),
        "level": state.level,
        "z_objective": float(state.value.max()),
        "place_gap": float(np.abs(place - state.z[:, :2]).max()),
        "number_gap": float(np.abs(state.numbers - state.z[:, 2]).max()),
        "target_gap": float(np.abs(state.varpi - state.value).max()),
    }


def _residuals(problem: Problem, state: _State, before: tuple[Array, ...]) -> tuple[Array, Array]:
    """Primal and dual residuals as liu defines them below (30), (3,) each.

    Relative to ``|a_l|``, which is zero for an access point at its initial place: then the change
    counts in units of the reach.
    """
    place = state.offsets - state.z[:, :2] + problem.scene.aps
    number, target = state.numbers - state.z[:, 2], state.varpi - state.value
    length: Any = functools.partial(np.linalg.norm, axis=1)
    size = np.where(length(state.offsets) > 0, length(state.offsets), max(problem.reach, 1e-300))
    small = np.maximum(np.abs(state.varpi), 1e-300)
    primal = length(place) / size, np.abs(number) / state.numbers, np.abs(target) / small
    dual = (
        length(state.offsets - before[1]) / size,
        np.abs(state.numbers - before[2]) / state.numbers,
        np.abs(state.varpi - before[3]) / small,
    )
    return (np.array([each.max() for each in primal]), np.array([each.max() for each in dual]))
