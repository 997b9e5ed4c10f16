"""An upper bound on what any powers can reach, in closed form from prices.

For prices ``v_p >= 0`` of power, ``mu_q >= 0`` of interference and ``Q_t >= 0`` of information, sum
the constraints of a target t::

    mu_q / t (S_q - t D_q) >= 0,   v_p (1 - sum_b eta_pb) >= 0,
    <Q_t, F_t> - (Tr sqrt(Q_t))^2 >= 0,

the last because ``Tr sqrt(Q) = Tr(Q^1/2 F^1/2 F^-1/2) <= sqrt(<Q, F> Tr F^-1)``. The power of a
beam is then worth ``<Q_t, F_pbt>`` and costs ``v_p + sum_q mu_q a_pqb``; if no sensing beam is
worth its cost and ``theta_pq > 0`` is what a data beam costs on balance, Cauchy and Schwarz bound
``S_q <= sum_p g_pq^2 / theta_pq  sum_p theta_pq eta_pq``. So if what the prices ask for is more
than the power they pay, ``sum mu + sum (Tr sqrt(Q_t))^2 >= sum v``, no powers reach more than::

    max_q  mu_q sum_p g_pq^2 / theta_pq.

Nothing in it hangs on the solver that found the prices.
"""

import numpy as np
from numpy.typing import NDArray

from cfisac.designs._power_chosen import Chosen

Array = NDArray[np.float64]

_ROUNDS = 60


def upper_bound(
    chosen: Chosen, share: Array, price: Array, interference: Array, information: Array
) -> float:
    """Certified bound on the least SINR from any prices; the better the prices, the lower.

    Parameters
    ----------
    chosen : Chosen
        P access points, K users, T limited targets.
    share : (P, B)
        Powers near the optimum, at which the spread of the beams is made linear.
    price : (P,)
        v, of the power of an access point.
    interference : (K,)
        mu.
    information : (T, D, D)
        Q, symmetric.
    """
    values, vectors = np.linalg.eigh((information + np.swapaxes(information, -1, -2)) / 2)
    values = np.clip(values, 0.0, None)
    prices = (vectors * values[:, None]) @ np.swapaxes(vectors, -1, -2)
    asked = float(np.sum(np.sqrt(values).sum(axis=1) ** 2))
    worth = np.einsum("pbt,ptij,tij->pb", chosen.hit, chosen.base, prices, optimize=True)
    if chosen.depart is not None:
        lean = chosen.departure(chosen.leaning(share))
        worth = worth + np.einsum("pbtij,tij->pb", lean, prices, optimize=True)
    price, mu = np.clip(price, 0.0, None), np.clip(interference, 0.0, None)
    if not mu.sum() > 0:
        return np.inf
    best = _bound(chosen, price, mu, worth, asked)
    left = float(price.sum() - mu.sum())
    if asked > left > 0:  # prices of a target far out of reach: less for information will do
        best = min(best, _bound(chosen, price, mu, worth * left / asked, left))
    return best


def _bound(chosen: Chosen, price: Array, mu: Array, worth: Array, asked: float) -> float:
    """The bound from prices that are made to pay for each other."""
    data, power_gain, best = slice(chosen.n_sensing, None), chosen.gain**2, np.inf
    # None may vanish: where it does, a beam might be free.
    mu = np.maximum(mu, 1e-12 * mu.max())
    for _ in range(_ROUNDS):
        cost = np.einsum("pqb,q->pb", chosen.interference, mu)
        paid = np.maximum(price, _need(worth - cost))
        grow = (float(paid.sum()) - asked) / mu.sum()
        if not grow > 0:
            break
        if grow < 1:  # lower prices of interference make a sensing beam worth more on balance
            mu = mu * max(grow, 0.5)
            cost = np.einsum("pqb,q->pb", chosen.interference, mu)
            paid = np.maximum(price, _need(worth - cost))
            grow = max(1.0, (float(paid.sum()) - asked) / mu.sum())
        mu = mu * grow
        theta = paid[:, None] + np.einsum("pqb,q->pb", chosen.interference, mu) - worth
        if np.any(theta[:, data] <= 0):
            break
        reach = mu * np.sum(power_gain / theta[:, data], axis=0)
        found = float(reach.max())
        if not found < best * (1 - 1e-13):
            break
        best = found
        mu = mu * np.sqrt(found / reach)
    return best


def _need(balance: Array) -> Array:
    """The least price of power at which no beam is worth more than it costs."""
    return np.max(balance, axis=1, initial=0.0) * (1 + 1e-12)
