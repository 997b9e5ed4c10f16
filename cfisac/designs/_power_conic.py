"""The step of a power allocation as one conic program, written for Clarabel without a go-between.

For a target t and the powers eta^k of the last step, with ``n_q = t D_q(eta^k)``::

    max delta   subject to   S_q(eta) - t D_q(eta) >= delta n_q,   sum_b eta_pb <= 1,
                             Tr F_t(eta)^-1 <= 1.

``S_q = (sum_p g_pq sqrt(eta_pq))^2`` is concave, ``S_q >= z`` holds exactly if there are u with
``u_pq^2 <= eta_pq z`` and ``sum_p g_pq u_pq >= z``. In the plane the last constraint is a
second-order cone, in space a semidefinite one.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import clarabel
import numpy as np
from numpy.typing import NDArray

from cfisac.designs._power_chosen import Chosen
from cfisac.designs._power_cones import Rows, frames, prices, sensing
from cfisac.designs._solve import Solution, SolverError, conic

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Solved = TypeVar("Solved")

_TOLERANCES = 1e-8, 1e-7, 1e-6  # the next one where a solver gives up: the certificate will tell
_UNREFINED = 0.99e-8  # the first one, without the solver's refinement: a quarter of its time


class Step(NamedTuple):
    """What one program gives: powers, and prices of power, interference and information."""

    share: Array
    price: Array
    interference: Array
    information: Array


def step(chosen: Chosen, target: float, share: Array, strict: int = 0) -> Step:
    """Solve the program for ``target`` and the powers ``share`` (P, B) of the last step.

    ``strict`` asks for as many digits more than usual.

    Raises
    ------
    Infeasible, SolverError
        As :func:`cfisac.designs._solve.conic`.
    """
    return _by_any_tolerance(lambda tolerance: _step(chosen, target, share, tolerance), strict)


def least_power(chosen: Chosen) -> tuple[float, Array]:
    """Smallest share of its power that every access point needs for sensing alone, and how.

    All information is linear in the powers, so it is also the factor by which the bounds asked for
    would have to grow; ``inf`` if a target cannot be located. The powers (P, B) are that share of
    each access point's or less.
    """
    n_beams = chosen.hit.shape[1]
    equal = np.full((chosen.shape[0], n_beams), 1 / n_beams)
    worst = chosen.worst(equal)
    if not 0 < worst < np.inf:
        return worst, 0 * equal
    near = replace(
        chosen,
        base=chosen.base * worst,
        depart=chosen.depart and (*chosen.depart[:2], chosen.depart[2] * np.sqrt(worst)),
    )
    found = _by_any_tolerance(lambda tolerance: _least(near, equal, tolerance))
    # Its own rounding is put right: all powers by the same factor.
    factor = near.worst(found)
    return worst * factor * float(found.sum(axis=1).max()), worst * factor * found


def _by_any_tolerance(solve: Callable[[float], Solved], strict: int = 0) -> Solved:
    """The answer at the strictest tolerance at which there is one."""
    first = _UNREFINED if strict == 0 else _TOLERANCES[0] * 0.1**strict
    for tolerance in (first, *_TOLERANCES[:-1]):
        try:
            return solve(tolerance)
        except SolverError:
            continue
    return solve(_TOLERANCES[-1])


def _least(chosen: Chosen, equal: Array, tolerance: float) -> Array:
    eta, n_aps = np.arange(equal.size).reshape(equal.shape), len(equal)
    rows, most = Rows(), eta.size
    at = rows.add("power", n_aps, [clarabel.NonnegativeConeT(n_aps)])
    rows.put(at + np.arange(n_aps)[:, None], eta, -1.0)
    rows.put(at + np.arange(n_aps), most, 1.0)
    at = rows.add("sign", eta.size, [clarabel.NonnegativeConeT(eta.size)])
    rows.put(at + np.arange(eta.size), eta.ravel(), 1.0)
    width = sensing(rows, chosen, eta, most + 1, 0.0, frames(chosen, equal))
    found = _solve(rows, width, most, 1.0, "sensing with the least power", tolerance)
    return np.clip(found.x[eta], 0.0, None)


def _solve(
    rows: Rows, width: int, variable: int, sign: float, what: str, tolerance: float
) -> Solution:
    """Make one variable, times a sign, as small as possible."""
    cost = np.zeros(width)
    cost[variable] = sign
    names = "tol_gap_abs", "tol_gap_rel", "tol_feas"
    settings: dict[str, float | int] = dict.fromkeys(names, tolerance)
    if tolerance == _UNREFINED:
        settings["iterative_refinement_enable"] = False
    else:  # more regularised than usual, its factors exist where others do not
        settings["static_regularization_constant"] = 1e-6
    return conic(
        cost, rows.matrix(width), np.concatenate(rows.bounds), rows.cones, what, **settings
    )


def _step(chosen: Chosen, target: float, share: Array, tolerance: float) -> Step:
    n_aps, n_users, n_targets = chosen.shape
    n_beams, n_sensing = share.shape[1], chosen.n_sensing
    eta = np.arange(n_aps * n_beams).reshape(n_aps, n_beams)
    u = eta.size + np.arange(n_aps * n_users).reshape(n_aps, n_users)
    zeta = eta.size + u.size + np.arange(n_users)
    delta = eta.size + u.size + n_users
    disturbed = chosen.disturbance(share)
    # z in units of what it will be about, whatever the target was a guess of.
    scale = np.maximum(target * disturbed, 1e-9)
    q, data = np.arange(n_users), eta[:, n_sensing:]
    rows = Rows()

    at = rows.add("power", n_aps, [clarabel.NonnegativeConeT(n_aps)], 1.0)
    rows.put(at + np.arange(n_aps)[:, None], eta, -1.0)
    if n_sensing:
        at = rows.add("sign", n_aps * n_sensing, [clarabel.NonnegativeConeT(n_aps * n_sensing)])
        rows.put(at + np.arange(n_aps * n_sensing), eta[:, :n_sensing].ravel(), 1.0)
    loss = target / scale
    at = rows.add("sinr", n_users, [clarabel.NonnegativeConeT(n_users)], -loss)
    rows.put(at + q, zeta, 1.0)
    rows.put(at + q, delta, -loss * disturbed)
    rows.put(at + q[:, None], eta[:, None], -loss[:, None] * chosen.interference)
    at = rows.add("signal", n_users, [clarabel.NonnegativeConeT(n_users)])
    # Users differ by orders: each row over its largest entry.
    amplitude = chosen.gain / np.sqrt(scale)
    size = np.maximum(amplitude.max(axis=0), 1.0)
    rows.put(at + q, u, amplitude / size)
    rows.put(at + q, zeta, -1.0 / size)
    n_cones = n_aps * n_users
    cones: list[object] = [clarabel.SecondOrderConeT(3)] * n_cones
    at = rows.add("root", 3 * n_cones, cones)
    corner = at + 3 * np.arange(n_cones).reshape(n_aps, n_users)
    for offset, sign in ((0, 1.0), (1, -1.0)):
        rows.put(corner + offset, data, 1.0)
        rows.put(corner + offset, zeta, sign)
    rows.put(corner + 2, u, 2.0)
    width = delta + 1
    frame = np.zeros((0, 2, 2))
    if n_targets:
        # It asks for a little more, so that its rounding is no violation.
        margin, frame = 0.1 * tolerance, frames(chosen, share)
        width = sensing(rows, chosen, eta, width, margin, frame)
    found = _solve(rows, width, delta, -1.0, "power allocation", tolerance)
    price, sinr = (found.z[rows.starts[name] :] for name in ("power", "sinr"))
    share = np.clip(found.x[eta], 0.0, None)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1.0)
    return Step(
        share=share,
        price=price[:n_aps],
        interference=sinr[:n_users] * loss,
        information=prices(found.z, rows, chosen, frame),
    )
