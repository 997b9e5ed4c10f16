"""A proof, in closed form and from any prices, that no modes below a node reach a target.

Suppose some powers and whole a reach t. Multiply what they fulfil by prices and add it up:

1. For who sends, ``mu g sqrt(eta z) <= theta eta + mu^2 w z`` with ``w = g^2 / (4 theta)``, for any
   theta > 0. Who is free has ``zeta = a z`` in place of z, and for any f in [0, 1]
   ``zeta <= f (z - (1 - a) t D_min) + (1 - f) a t D_max``.
2. So with ``B_q = sum w_pq`` (times f for who is free) the amplitudes pay ``(mu - mu^2 B) z``. Let
   that be ``lambda z``: ``mu = (1 +- sqrt(1 - kappa)) / (2 B)``, ``lambda = kappa / (4 B)``. And
   ``z = t D``, which counts all beams: that of a user then costs ``theta_pq - t sum lambda a``,
   which is v_p for the right theta.
3. ``<Q, F> >= (tr sqrt(Q))^2`` if ``Tr F^-1 <= 1``; what a free r hears of one watt is worth at
   most ``(<Q, F_prt> - omega_pr)^+``, and ``omega_pr`` is paid once if it listens.

What is left is linear in each a, hence largest at zero or one. If the sum h is negative, nothing
reaches t. lambda and theta depend on each other; a few rounds of a fixed point bring them together,
and the last one counts whatever they still differ by, so that nothing hangs on it. With a linear
form c of the powers, the same sum bounds c from above.
"""

import numpy as np
from numpy.typing import NDArray

from cfisac.designs._modes_program import Network, Node, Prices, Range

Array = NDArray[np.float64]

_ROUNDS = 40
_ROUNDING = 1e-9  # of the terms that are added


def excess(
    net: Network,
    node: Node,
    target: float,
    prices: Prices,
    reach: Range | None = None,
    worth: Array | None = None,
) -> tuple[Array, Array]:
    """The sum h and the size of its terms, (...).

    Parameters
    ----------
    net, node, target
        Of A access points, K users and T targets; one node or several, (..., A), who are asked
        whether ``target`` is out of reach.
    prices
        Any: they make the sum small, not true.
    reach
        Bounds on the disturbance of any powers that reach ``target``; needed if any are free.
    worth : (A, K + T), optional
        c of a linear form of the powers, which h then bounds.
    """
    n_users = net.shape[1]
    sends, hears, free = node
    active, some = sends | free, bool(free.any())
    root, information = _psd(prices.information)
    value = np.einsum("prtij,tij->prt", net.information, information)
    sensing = np.einsum("prt,...r->...pt", value, hears.astype(float))
    listening: Array | float = 0.0
    if some:
        omega = np.where(active[..., :, None] & free[..., None, :], prices.listening, 0.0)
        more = np.clip(value - omega[..., None], 0.0, None)
        sensing += np.einsum("...prt,...r->...pt", more, free.astype(float))
        listening = omega.sum(axis=-2)
    own = np.zeros(net.gain.shape)
    if worth is not None:
        own, sensing = worth[:, :n_users], sensing + worth[:, n_users:]
    flat_users = net.to_users.transpose(1, 0, 2).reshape(n_users, -1)
    flat_targets = net.to_targets.transpose(1, 0, 2).reshape(n_users, -1)
    split = np.where(free[..., None], prices.split, 1.0)
    quarter = np.where(active[..., None], net.gain**2 / 4, 0.0)
    paid, users = np.where(active, prices.power, 0.0), prices.users

    def costs(users: Array) -> tuple[Array, Array]:
        cost = target * (users @ flat_users).reshape(*users.shape[:-1], *own.shape)
        lost = target * (users @ flat_targets).reshape(*users.shape[:-1], len(own), -1)
        return cost - own, sensing - lost

    kappa = side = np.empty(0)
    for number in range(_ROUNDS):
        cost, gained = costs(users)
        paid = np.maximum(paid, np.max(gained, axis=-1))
        paid = np.maximum(paid, np.max(-cost, axis=-1) + 1e-12)
        theta = paid[..., None] + cost
        weight = quarter / theta
        total = np.maximum((split * weight).sum(axis=-2), 1e-300)
        if number == 0:
            kappa = np.minimum(4 * total * users, 1.0)
            side = np.where(prices.amplitude * 2 * total > 1, 1.0, -1.0) * np.sqrt(1 - kappa)
        before, users = users, kappa / (4 * total)
        if np.all(np.abs(users - before) <= 1e-13 * users):
            break
    mu = (1 + side) / (2 * total)
    # With what was found, whatever it is: the prices of power that make no beam worth more.
    cost, gained = costs(users)
    left = np.maximum(np.max(theta - cost, axis=-1), np.max(gained, axis=-1))
    paid = np.where(active, np.clip(left, 0.0, None), 0.0)
    asked, heard = target * users.sum(axis=-1), np.sum(listening, axis=-1)
    fixed = np.sum(root**2)
    h = np.sum(paid * sends, axis=-1) + heard - asked - fixed
    terms = paid.sum(axis=-1) + heard + asked + fixed
    if some:
        assert reach is not None
        amount = mu[..., None, :] ** 2 * weight * target * free[..., None]
        least = (split * amount) @ reach.least
        most = ((1 - split) * amount) @ reach.most
        h = h - least.sum(axis=-1)
        h += np.sum(np.clip(paid + least + most - listening, 0.0, None) * free, axis=-1)
        terms = terms + least.sum(axis=-1) + most.sum(axis=-1)
    return h, terms


def out_of_reach(
    net: Network, node: Node, target: float, prices: Prices, reach: Range | None = None
) -> NDArray[np.bool_]:
    """Whether the prices prove that nothing below each node (...) reaches the target."""
    h, terms = excess(net, node, target, prices, reach)
    # Nobody left to send, or to listen: no information.
    idle = ~np.any(node.sends | node.free, axis=-1) | ~np.any(node.hears | node.free, axis=-1)
    proved: NDArray[np.bool_] = idle | (h < -_ROUNDING * terms)
    return proved


def _psd(information: Array) -> tuple[Array, Array]:
    """``tr sqrt(Q_t)`` and Q_t, made semidefinite; 2 x 2."""
    values, vectors = np.linalg.eigh(information)
    values = np.clip(values, 0.0, None)
    near = (vectors * values[:, None]) @ np.swapaxes(vectors, -1, -2)
    return np.sqrt(values).sum(axis=1), near
