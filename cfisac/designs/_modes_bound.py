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
) -> tuple[float, float]:
    """The sum h and the size of its terms.

    Parameters
    ----------
    net, node, target
        Of A access points, K users and T targets; who is asked whether ``target`` is out of reach.
    prices
        Any: they make the sum small, not true.
    reach
        Bounds on the disturbance of any powers that reach ``target``; needed if any are free.
    worth : (A, K + T), optional
        c of a linear form of the powers, which h then bounds.
    """
    n_aps, n_users, _ = net.shape
    active, free = node.sends | node.free, node.free
    root, information = _psd(prices.information)
    value = np.einsum("prtij,tij->prt", net.information, information)
    omega = np.where(active[:, None] & free, prices.listening, 0.0)
    sensing = value[:, node.hears].sum(axis=1)
    if free.any():
        sensing += np.clip(value[:, free] - omega[:, free, None], 0.0, None).sum(axis=1)
    own = np.zeros((n_aps, n_users))
    if worth is not None:
        own, sensing = worth[:, :n_users], sensing + worth[:, n_users:]
    flat_users = net.to_users.transpose(1, 0, 2).reshape(n_users, -1)
    flat_targets = net.to_targets.transpose(1, 0, 2).reshape(n_users, -1)
    split = np.where(free[:, None], prices.split, 1.0)
    quarter = np.where(active[:, None], net.gain**2 / 4, 0.0)
    paid, users = np.where(active, prices.power, 0.0), prices.users
    kappa = side = np.empty(0)
    for number in range(_ROUNDS):
        cost = target * (users @ flat_users).reshape(own.shape)
        lost = target * (users @ flat_targets).reshape(sensing.shape)
        paid = np.maximum(paid, np.max(sensing - lost, axis=1))
        paid = np.maximum(paid, np.max(own - cost, axis=1) + 1e-12)
        theta = paid[:, None] + cost - own
        weight = quarter / theta
        total = np.maximum((split * weight).sum(axis=0), 1e-300)
        if number == 0:
            kappa = np.minimum(4 * total * users, 1.0)
            side = np.where(prices.amplitude * 2 * total > 1, 1.0, -1.0) * np.sqrt(1 - kappa)
        before, users = users, kappa / (4 * total)
        if np.all(np.abs(users - before) <= 1e-13 * users):
            break
    mu = (1 + side) / (2 * total)
    # With what was found, whatever it is: the prices of power that make no beam worth more.
    cost = target * (users @ flat_users).reshape(own.shape)
    lost = target * (users @ flat_targets).reshape(sensing.shape)
    left = np.maximum(np.max(theta - cost + own, axis=1), np.max(sensing - lost, axis=1))
    paid = np.where(active, np.clip(left, 0.0, None), 0.0)
    asked, listening = target * users.sum(), omega.sum(axis=0)
    h = paid[node.sends].sum() + listening.sum() - asked - np.sum(root**2)
    terms = paid.sum() + listening.sum() + asked + np.sum(root**2)
    if free.any():
        assert reach is not None
        amount = mu**2 * weight[free] * target
        least = (split[free] * amount) @ reach.least
        most = ((1 - split[free]) * amount) @ reach.most
        h += -least.sum() + np.clip(paid[free] + least + most - listening[free], 0.0, None).sum()
        terms += least.sum() + most.sum()
    return float(h), float(terms)


def out_of_reach(
    net: Network, node: Node, target: float, prices: Prices, reach: Range | None = None
) -> bool:
    """Whether the prices prove that nothing below the node reaches the target."""
    if not (np.any(node.sends | node.free) and np.any(node.hears | node.free)):
        return True  # nobody left to send, or to listen: no information
    h, terms = excess(net, node, target, prices, reach)
    return h < -_ROUNDING * terms


def _psd(information: Array) -> tuple[Array, Array]:
    """``tr sqrt(Q_t)`` and Q_t, made semidefinite; 2 x 2."""
    values, vectors = np.linalg.eigh(information)
    values = np.clip(values, 0.0, None)
    near = (vectors * values[:, None]) @ np.swapaxes(vectors, -1, -2)
    return np.sqrt(values).sum(axis=1), near
