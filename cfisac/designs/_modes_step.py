"""One step of the joint algorithm of fan_journal (53): relaxed modes, a penalty, convex bounds.

The step (53) around a point ``(a', eta', z')`` is, in shares of P_d, with the amplitudes
``u_pq^2 <= eta_pq`` and ``kappa_q = sum_p g_pq u'_pq / z'``::

    max z - penalty sum_p (a_p - a'_p (2 a_p - a'_p))
    kappa_q (2 sum_p g_pq u_pq - kappa_q z) >= D_q(eta),  sum_b eta_pb <= a'_p (2 a_p - a'_p),
    Tr F_t^-1 <= 1.

In the printed form F_t holds the Taylor expansions (51) of ``a_p (1 - a_r) eta_pt``, which lie on
either side of the product. In the inner form it holds ``w_prt`` with ``4 w + (1 - a_r - eta)^2 <=
x (2 (1 - a_r + eta) - x)`` at ``x = 1 - a'_r + eta'``, which lies below ``(1 - a_r) eta``. Both
have a slack of 1000 on F_t, so that there is a point from any start.
"""

from typing import Any, NamedTuple

import clarabel
import numpy as np
from numpy.typing import NDArray

from cfisac.designs._modes_program import Network
from cfisac.designs._power_cones import Rows
from cfisac.designs._solve import Solution, SolverError, conic

Array = NDArray[np.float64]

_SLACK = 1e3
_LEAST = 1e-2  # SINR around which a step is made, at least
_NEAR = 1e-3  # a around which the power is limited, at least
_TOLERANCES = 1e-8, 1e-7, 1e-6, 1e-5, 1e-4


class Point(NamedTuple):
    """Where a step starts and ends."""

    send: Array  # a (A,)
    eta: Array  # (A, K + T)
    sinr: float  # z
    slack: float


def first_point(net: Network, send: float) -> Point:
    """All access points with the same a, and ``a^2`` shared equally by all beams."""
    n_aps, n_users, n_targets = net.shape
    n_beams = n_users + n_targets
    eta = np.full((n_aps, n_beams), send**2 / n_beams)
    sinr = float(np.min(net.signal(eta) / net.disturbance(eta)))
    return Point(np.full(n_aps, send), eta, sinr, np.inf)


def objective(before: Point, after: Point, penalty: float) -> float:
    """What the step makes large."""
    whole = before.send * (2 * after.send - before.send)
    return float(after.sinr - penalty * np.sum(after.send - whole))


def missed(net: Network, point: Point, inner: bool) -> float:
    """By how much ``Tr F_t^-1`` exceeds one at the worst target, with the modes as they are."""
    sending = np.ones_like(point.send) if inner else point.send
    power = sending[:, None] * point.eta[:, net.shape[1] :]
    efim = np.einsum("prtij,pt,r->tij", net.information, power, 1 - point.send, optimize=True)
    trace = efim[:, 0, 0] + efim[:, 1, 1]
    determinant = efim[:, 0, 0] * efim[:, 1, 1] - efim[:, 0, 1] ** 2
    fine = determinant > 1e-12 * trace**2
    worst = np.where(fine, trace / np.where(fine, determinant, 1.0), np.inf)
    return float(worst.max() - 1)


def step(net: Network, point: Point, penalty: float, inner: bool) -> Point:
    """Solve (53) around a point."""
    for tolerance in _TOLERANCES[:-1]:
        try:
            return _step(net, point, penalty, inner, tolerance)
        except SolverError:
            continue
    return _step(net, point, penalty, inner, _TOLERANCES[-1])


def _step(net: Network, point: Point, penalty: float, inner: bool, tolerance: float) -> Point:
    n_aps, n_users, n_targets = net.shape
    n_beams = n_users + n_targets
    eta = np.arange(n_aps * n_beams).reshape(n_aps, n_beams)
    u = eta.size + np.arange(n_aps * n_users).reshape(n_aps, n_users)
    send = eta.size + u.size + np.arange(n_aps)
    z = int(send[-1]) + 1
    slack, width = z + 1, z + 2
    rows = Rows()

    def plain(name: str, height: int, bound: Any = 0.0) -> NDArray[np.int64]:
        start = rows.add(name, height, [clarabel.NonnegativeConeT(height)], bound)
        return start + np.arange(height)

    # The tangent at any other place is below the square too; at zero it would leave no room.
    near = np.maximum(point.send, _NEAR)
    row = plain("power", n_aps, -(near**2))
    rows.put(row[:, None], eta, -1.0)
    rows.put(row, send, 2 * near)
    row = plain("whole", n_aps, 1.0)
    rows.put(row, send, -1.0)
    sensing = eta[:, n_users:].ravel()
    rows.put(plain("sign", len(sensing)), sensing, 1.0)
    rows.put(plain("slack", 1), slack, 1.0)
    # z in units of the last one, rows over the disturbance.
    unit = max(point.sinr, _LEAST)
    disturbed = net.disturbance(point.eta)
    # Any kappa gives a bound from below; that of a user who gets nothing must not be zero.
    kappa = np.sqrt(np.maximum(net.signal(point.eta), unit * disturbed)) / unit
    row = plain("sinr", n_users, -1 / disturbed)
    rows.put(row[:, None], u.T, (2 * kappa * net.gain / disturbed).T)
    rows.put(row, z, -(kappa**2) * unit / disturbed)
    each = np.concatenate([net.to_users, net.to_targets], axis=2) / disturbed[:, None]
    rows.put(row[:, None], eta[:, None], -each)
    height = 3 * u.size
    start = rows.add("root", height, [clarabel.SecondOrderConeT(3)] * u.size)
    corner = start + np.arange(0, height, 3).reshape(u.shape)
    for offset, sign in ((0, 1.0), (1, -1.0)):  # (1 + eta, 1 - eta, 2 u)
        rows.put(corner + offset, eta[:, :n_users], sign)
    rows.put(corner + 2, u, 2.0)
    rows.bounds[-1] = np.tile([1.0, 1.0, 0.0], u.size)
    terms, at = (_heard if inner else _taylor)(rows, net, point, eta[:, n_users:], send, width)
    width = at
    for t in range(n_targets):
        constant = sum((weight[:, t] for weight, column in terms if column is None), np.zeros(3))
        bound = [constant[0] - 2, 2.0, *constant[1:]]
        at = rows.add(f"target {t}", 4, [clarabel.SecondOrderConeT(4)], bound)
        rows.put(at, slack, 4.0)
        for weight, column in terms:
            if column is not None:
                for row_at, value in zip((at, at + 2, at + 3), weight[:, t], strict=True):
                    rows.put(row_at, column if column.ndim == 1 else column[:, t], value)
    cost = np.zeros(width)
    cost[z], cost[slack] = -unit, _SLACK
    cost[send] = penalty * (1 - 2 * point.send)
    found = _solve(rows, cost, tolerance)
    x = found.x
    after = np.clip(x[eta], 0.0, None)
    after[:, :n_users] = x[u] ** 2
    sinr = float(np.min(net.signal(after) / net.disturbance(after)))
    return Point(np.clip(x[send], 0.0, 1.0), after, sinr, float(x[slack]))


def _parts(information: Array) -> Array:
    """``F11 + F22, F11 - F22, 2 F12`` of (..., 2, 2), in front."""
    first, second = information[..., 0, 0], information[..., 1, 1]
    return np.stack([first + second, first - second, 2 * information[..., 0, 1]])


def _taylor(
    rows: Rows, net: Network, point: Point, sensing: Any, send: Any, width: int
) -> tuple[list[tuple[Array, Any]], int]:
    """F_t by (51): ``a' (1 - b') eta + (1 - b') eta' a - a' eta' b + a' eta' (2 b' - 1)``.

    With a of the transmitter and b of the receiver; what is left of both expansions.
    """
    a, power = point.send, point.eta[:, net.shape[1] :]
    parts = _parts(net.information)  # (3, A, A, T)
    hearing = np.einsum("cprt,r->cpt", parts, 1 - a)
    by_power = hearing * a[:, None]
    by_sender = hearing * power
    by_hearer = np.einsum("cprt,p,pt->crt", parts, a, power)
    constant = np.einsum("cprt,p,pt,r->ct", parts, a, power, 2 * a - 1)
    terms: list[tuple[Array, Any]] = [
        (np.moveaxis(by_power, 1, 2), sensing),
        (np.moveaxis(by_sender, 1, 2), send),
        (-np.moveaxis(by_hearer, 1, 2), send),
        (constant, None),
    ]
    return terms, width


def _heard(
    rows: Rows, net: Network, point: Point, sensing: Any, send: Any, width: int
) -> tuple[list[tuple[Array, Any]], int]:
    """F_t of w_prt below ``(1 - a_r) eta_pt``."""
    n_aps, n_users, n_targets = net.shape
    talk, hear = np.nonzero(~np.eye(n_aps, dtype=bool))
    heard = width + np.arange(len(talk) * n_targets).reshape(len(talk), n_targets)
    power = point.eta[talk, n_users:]
    x = 1 - point.send[hear, None] + power
    height = 3 * heard.size
    start = rows.add("product", height, [clarabel.SecondOrderConeT(3)] * heard.size)
    corner = start + np.arange(0, height, 3).reshape(heard.shape)
    own, other = sensing[talk], np.broadcast_to(send[hear][:, None], heard.shape)
    # y = x (2 (1 - a + eta) - x) - 4 w, and (1 + y, 1 - y, 2 (1 - a - eta))
    for offset, sign in ((0, 1.0), (1, -1.0)):
        rows.put(corner + offset, own, sign * 2 * x)
        rows.put(corner + offset, other, -sign * 2 * x)
        rows.put(corner + offset, heard, -sign * 4.0)
    rows.put(corner + 2, own, -2.0)
    rows.put(corner + 2, other, -2.0)
    bound = np.stack([1 + x * (2 - x), 1 - x * (2 - x), np.full(x.shape, 2.0)], axis=-1)
    rows.bounds[-1] = bound.ravel()
    parts = _parts(net.information[talk, hear])  # (3, pairs, T)
    return [(np.moveaxis(parts, 1, 2), heard)], width + heard.size


def _solve(rows: Rows, cost: Array, tolerance: float) -> Solution:
    names = "tol_gap_abs", "tol_gap_rel", "tol_feas"
    settings: dict[str, Any] = dict.fromkeys(names, tolerance)
    return conic(
        cost, rows.matrix(len(cost)), np.concatenate(rows.bounds), rows.cones,
        "step of the joint algorithm", **settings,
    )  # fmt: skip
