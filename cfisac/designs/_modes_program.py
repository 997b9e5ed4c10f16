"""The choice of modes at a node of the tree, relaxed to one conic program.

At a node some access points send, some listen, the others are free. For a target t, and with
``n_q`` of the size of the disturbance ``D_q``, the program asks by how much all users exceed t::

    max delta - 1000 s   subject to   S_q(eta) - t D_q(eta) >= delta n_q,   sum_b eta_pb <= a_p,
                                      Tr (F_t(eta, w) + 2 s I)^-1 <= 1,   0 <= a_p <= 1.

It always has a point; if the best is below zero, t is out of reach. A free access point p has the
share a_p of its power. It serves users by ``u_pq^2 <= eta_pq zeta_pq`` with ``zeta_pq = a_p z_q``
in place of z_q, and what p sends is heard at a free r as ``w_prt = (1 - a_r) eta_pt``. For whole
a both products are exact, and McCormick's inequalities are what is left of them between::

    zeta_pq <= a_p t D_q^max,   zeta_pq <= z_q - (1 - a_p) t D_q^min,
    w_prt <= eta_pt,            sum_t w_prt <= 1 - a_r.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import clarabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._power_coefficients import Coefficients
from cfisac.designs._power_cones import Rows
from cfisac.designs._solve import Solution, SolverError, conic

Array = NDArray[np.float64]
Modes = NDArray[np.bool_]

_PENALTY = 1e3  # of a bound that is missed; what a user can gain is far below
# The next one where the solver gives up: certificates will tell. Relaxed modes need less.
_TOLERANCES, _RELAXED = (1e-7, 1e-6, 1e-5), (1e-6, 1e-5, 1e-4)


@dataclass(frozen=True, eq=False)
class Network:
    """Coefficients of all access points in the units of the program: powers in shares of P_d."""

    gain: Array  # (A, K)
    to_users: Array  # (A, K, K), of the data beams
    to_targets: Array  # (A, K, T), of the beams to limited targets
    information: Array  # (A, A, T, 2, 2), times what is asked for; none from oneself to oneself
    can_send: Modes
    can_hear: Modes

    @property
    def shape(self) -> tuple[int, int, int]:
        """A, K, T."""
        return self.to_targets.shape

    def signal(self, eta: Array) -> Array:
        """``S_q`` of shares eta (A, K + T), data beams first."""
        root = np.sqrt(np.clip(eta[:, : self.shape[1]], 0.0, None))
        return np.asarray(np.sum(self.gain * root, axis=0) ** 2)

    def disturbance(self, eta: Array) -> Array:
        """``D_q``."""
        n_users = self.shape[1]
        data = np.einsum("pqb,pb->q", self.to_users, eta[:, :n_users])
        return np.asarray(1 + data + np.einsum("pqt,pt->q", self.to_targets, eta[:, n_users:]))


def network(coefficients: Coefficients, crlb_max: ArrayLike) -> Network:
    """Scale coefficients for a choice of modes; refuse what leaves none."""
    n_targets, limit = coefficients.n_targets, np.asarray(crlb_max, dtype=float)
    if limit.shape not in ((), (n_targets,)) or np.any(np.isnan(limit)) or np.any(limit <= 0):
        raise ValueError(
            f"crlb_max must be one number or {n_targets}, > 0 (m^2) or inf, got {crlb_max!r}"
        )
    if coefficients.information.shape[-1] != 2:
        raise ValueError("coefficients must be those of a scene in the plane")
    if not (coefficients.can_send.any() and coefficients.can_hear.any()):
        raise ValueError("coefficients must leave one access point or more to send and to hear")
    limit = np.broadcast_to(limit, n_targets)
    limited = np.flatnonzero(np.isfinite(limit))
    if not len(limited):
        raise ValueError("crlb_max must be finite for one target or more")
    budget = coefficients.max_power[:, None, None]
    apart = ~np.eye(len(budget), dtype=bool)[:, :, None, None, None]
    return Network(
        gain=coefficients.gain * np.sqrt(budget[..., 0]),
        to_users=coefficients.interference[:, :, n_targets:] * budget,
        to_targets=coefficients.interference[:, :, limited] * budget,
        information=coefficients.information[:, :, limited]
        * (budget[..., None, None] * limit[limited, None, None] * apart),
        can_send=coefficients.can_send,
        can_hear=coefficients.can_hear,
    )


class Node(NamedTuple):
    """Who sends, who listens, who is free; in a relaxation one may do both."""

    sends: Modes
    hears: Modes
    free: Modes

    def both(self) -> "Node":
        """The relaxation in which all who are free send, and listen."""
        return Node(self.sends | self.free, self.hears | self.free, np.zeros_like(self.free))


class Prices(NamedTuple):
    """Multipliers from which :mod:`cfisac.designs._modes_bound` makes a proof."""

    users: Array  # lambda (K,), of ``S_q >= t D_q``
    amplitude: Array  # mu (K,), of ``sum g u >= z``
    power: Array  # v (A,)
    listening: Array  # omega (A, A), of ``sum_t w_prt <= 1 - a_r``
    information: Array  # Q (T, 2, 2)
    split: Array  # f (A, K) in [0, 1], between both inequalities for zeta


class Relaxed(NamedTuple):
    """What a program says: ``margin < 0`` if t is out of reach, by the solver's word."""

    margin: float
    eta: Array  # (A, K + T)
    send: Array  # a (A,)
    lost_users: Array  # (A,), worth of an access point to users: sum_q mu g u
    lost_information: Array  # (A,), worth of what a free access point hears
    prices: Prices


class Range(NamedTuple):
    """Least and largest disturbance of any powers that reach t."""

    least: Array
    most: Array


def relax(
    net: Network, node: Node, target: float, size: Array, reach: Range | None = None
) -> Relaxed:
    """Solve the program of a node. ``size`` is n (K,), ``reach`` is needed if any are free.

    Raises
    ------
    SolverError
        If the solver finds no optimum at any tolerance.
    """
    program = _Program(net, node, target, size, reach)
    *strict, last = _RELAXED if node.free.any() else _TOLERANCES
    for tolerance in strict:
        try:
            return program.solve(tolerance)
        except SolverError:
            continue
    return program.solve(last)


def most_disturbance(
    net: Network, node: Node, target: float, size: Array, user: int, sign: float
) -> Prices:
    """Prices of the largest (sign 1) or least (-1) disturbance of a user among powers that reach t.

    Of a node without free access points; times ``size[user]`` they are prices in units of D.
    """
    program = _Program(net, node, target, size, None)
    return program.extreme(user, sign)


class _Program:
    def __init__(
        self, net: Network, node: Node, target: float, size: Array, reach: Range | None
    ) -> None:
        self.net, self.node, self.size, self.target = net, node, size, target
        n_users, n_targets = net.shape[1:]
        active, free = np.flatnonzero(node.sends | node.free), np.flatnonzero(node.free)
        self.active, self.free, n_active = active, free, len(active)
        self.inside = np.flatnonzero(node.free[active])
        ear = np.full(net.shape[0], -1)
        ear[free] = np.arange(len(free))
        talk, hear = np.nonzero((node.sends | node.free)[:, None] & node.free)
        apart = talk != hear
        self.pairs = talk[apart], hear[apart]
        n_pairs = int(apart.sum())
        at = np.full(net.shape[0], -1)
        at[active] = np.arange(n_active)
        counts = [n_active * (n_users + n_targets), n_active * n_users, n_users]
        counts += [len(free) * n_users, len(free), n_pairs * n_targets, 1, 1]
        edges = np.concatenate([[0], np.cumsum(counts)])
        eta, u, z, zeta, send, heard, delta, slack = (
            np.arange(start, stop) for start, stop in pairwise(edges)
        )
        self.eta = eta.reshape(n_active, n_users + n_targets)
        self.u, self.z, self.zeta = u.reshape(n_active, n_users), z, zeta.reshape(-1, n_users)
        self.send, self.heard = send, heard.reshape(n_pairs, n_targets)
        self.delta, self.slack, self.width = delta[0], slack[0], int(edges[-1])
        self.rows = Rows()
        self._powers()
        self._users()
        if len(free):
            assert reach is not None
            self._free(ear, at, reach)
        self._sensing()

    def _plain(self, name: str, height: int, bound: ArrayLike = 0.0) -> NDArray[np.int64]:
        """Rows that must not be negative."""
        cones = [clarabel.NonnegativeConeT(height)] if height else []
        start = self.rows.add(name, height, cones, bound)
        return start + np.arange(height)

    def _powers(self) -> None:
        n_users = self.net.shape[1]
        sensing = self.eta[:, n_users:].ravel()
        self.rows.put(self._plain("sign", len(sensing)), sensing, 1.0)
        row = self._plain("power", len(self.active), ~self.node.free[self.active])
        self.rows.put(row[:, None], self.eta, -1.0)
        self.rows.put(row[self.inside], self.send, 1.0)
        # Without anybody to serve, powers that locate are asked for and nothing else.
        row = self._plain("slack", 1)
        self.rows.put(row, self.slack, 1.0)
        if self.target <= 0:
            self.rows.put(self._plain("delta", 1), self.delta, 1.0)

    def _users(self) -> None:
        net, put, n_users = self.net, self.rows.put, self.net.shape[1]
        gain = net.gain[self.active] / np.sqrt(self.size)
        row = self._plain("gain", n_users)
        scale = self.scale = np.maximum(gain.max(axis=0), 1e-3)
        put(row[:, None], self.u.T, (gain / scale).T)
        put(row, self.z, -1 / scale)
        per_size = self.target / self.size
        row = self._plain("sinr", n_users, -per_size)
        put(row, self.z, 1.0)
        put(row, self.delta, -1.0)
        each = np.concatenate([net.to_users, net.to_targets], axis=2)[self.active]
        put(row[:, None], self.eta[:, None], -each * per_size[:, None])
        cone = np.broadcast_to(self.z, self.u.shape).copy()
        cone[self.inside] = self.zeta
        height = 3 * self.u.size
        start = self.rows.add("root", height, [clarabel.SecondOrderConeT(3)] * self.u.size)
        corner = start + np.arange(0, height, 3).reshape(self.u.shape)
        for offset, sign in ((0, 1.0), (1, -1.0)):
            put(corner + offset, self.eta[:, :n_users], 1.0)
            put(corner + offset, cone, sign)
        put(corner + 2, self.u, 2.0)

    def _free(self, ear: NDArray[np.int64], at: NDArray[np.int64], reach: Range) -> None:
        put, shape = self.rows.put, self.zeta.shape
        least, most = (self.target * each / self.size for each in reach)
        row = self._plain("most", self.zeta.size).reshape(shape)
        put(row, self.zeta, -1.0)
        put(row, self.send[:, None], most)
        row = self._plain("least", self.zeta.size, np.tile(-least, shape[0])).reshape(shape)
        put(row, self.zeta, -1.0)
        put(row, self.z, 1.0)
        put(row, self.send[:, None], least)
        put(self._plain("whole", len(self.send), 1.0), self.send, -1.0)
        (talk, hear), n_users = self.pairs, self.net.shape[1]
        row = self._plain("heard", self.heard.size).reshape(self.heard.shape)
        put(row, self.heard, 1.0)
        row = self._plain("below", self.heard.size).reshape(self.heard.shape)
        put(row, self.heard, -1.0)
        put(row, self.eta[at[talk], n_users:], 1.0)
        row = self._plain("listening", len(talk), 1.0)
        put(row[:, None], self.heard, -1.0)
        put(row, self.send[ear[hear]], -1.0)

    def _sensing(self) -> None:
        n_users = self.net.shape[1]
        direct = np.einsum("prtij,r->ptij", self.net.information, self.node.hears.astype(float))
        terms = [(direct[self.active], self.eta[:, n_users:])]
        if len(self.free):
            terms.append((self.net.information[self.pairs], self.heard))
        for t in range(self.net.shape[2]):
            at = self.rows.add(
                f"target {t}", 4, [clarabel.SecondOrderConeT(4)], [-2.0, 2.0, 0.0, 0.0]
            )
            self.rows.put(at, self.slack, 4.0)
            for each, column in terms:
                first, second = each[:, t, 0, 0], each[:, t, 1, 1]
                self.rows.put(at, column[:, t], first + second)
                self.rows.put(at + 2, column[:, t], first - second)
                self.rows.put(at + 3, column[:, t], 2 * each[:, t, 0, 1])

    def _conic(self, cost: Array, tolerance: float) -> Solution:
        names = "tol_gap_abs", "tol_gap_rel", "tol_feas"
        settings: dict[str, Any] = dict.fromkeys(names, tolerance)
        rows = self.rows
        return conic(
            cost, rows.matrix(self.width), np.concatenate(rows.bounds), rows.cones,
            "choice of modes", **settings,
        )  # fmt: skip

    def solve(self, tolerance: float) -> Relaxed:
        net, node = self.net, self.node
        (n_aps, n_users, n_targets), cost = net.shape, np.zeros(self.width)
        cost[self.delta], cost[self.slack] = -float(self.target > 0), _PENALTY
        found = self._conic(cost, tolerance)
        x, prices = found.x, self._prices(found)
        eta = np.zeros((n_aps, n_users + n_targets))
        eta[self.active] = np.clip(x[self.eta], 0.0, None)
        send = node.sends.astype(float)
        send[self.free] = np.clip(x[self.send], 0.0, 1.0)
        users, heard = np.zeros(n_aps), np.zeros(n_aps)
        amplitude = prices.amplitude * np.sqrt(self.size)
        users[self.active] = (net.gain[self.active] * x[self.u]) @ amplitude
        if len(self.free):
            worth = np.einsum("mtij,tij->mt", net.information[self.pairs], prices.information)
            np.add.at(heard, self.pairs[1], np.sum(worth * x[self.heard], axis=1))
        return Relaxed(-found.value, eta, send, users, heard, prices)

    def extreme(self, user: int, sign: float) -> Prices:
        cost = np.zeros(self.width)
        each = np.concatenate([self.net.to_users, self.net.to_targets], axis=2)[self.active]
        cost[self.eta] = -sign * each[:, user] / self.size[user]
        # The users keep their target, and the bounds hold.
        self.rows.put(self._plain("no slack", 1), self.slack, -1.0)
        self.rows.put(self._plain("no loss", 1), self.delta, 1.0)
        return self._prices(self._conic(cost, _TOLERANCES[0]))

    def _prices(self, found: Solution) -> Prices:
        (n_aps, n_users, n_targets), starts = self.net.shape, self.rows.starts

        def block(name: str, *shape: int) -> Array:
            start = starts[name]
            return np.clip(found.z[start : start + int(np.prod(shape))], 0.0, None).reshape(shape)

        power, listening = np.zeros(n_aps), np.zeros((n_aps, n_aps))
        power[self.active] = block("power", len(self.active))
        split = np.ones((n_aps, n_users))
        if len(self.free):
            listening[self.pairs] = block("listening", len(self.pairs[0]))
            most, least = (block(name, *self.zeta.shape) for name in ("most", "least"))
            paid = most + least
            split[self.free] = np.divide(least, paid, where=paid > 0, out=np.ones_like(paid))
        information = np.zeros((n_targets, 2, 2))
        for t in range(n_targets):
            y = found.z[starts[f"target {t}"] :][:4]
            information[t] = [[y[0] + y[2], y[3]], [y[3], y[0] - y[2]]]
        return Prices(
            users=block("sinr", n_users) / self.size,
            amplitude=block("gain", n_users) / (self.scale * self.size),
            power=power,
            listening=listening,
            information=information,
            split=split,
        )


def checked_start(coefficients: Coefficients, sends: ArrayLike) -> Modes:
    """Check the modes from which a search starts: those who send, the others listen."""
    mode = np.asarray(sends)
    able = coefficients.can_send
    if mode.dtype != bool or mode.shape != able.shape:
        raise ValueError(f"start must be {len(able)} times True or False, got {sends!r}")
    _checks.finite("start", mode.astype(float))
    coefficients.modes(mode, ~mode)
    return mode
