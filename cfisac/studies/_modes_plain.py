"""The convex step of fan_journal (53) as one would write it down in CVXPY, to time ours against."""

from typing import TYPE_CHECKING

import numpy as np

from cfisac.designs._modes_program import Network
from cfisac.designs._modes_step import Point

if TYPE_CHECKING:
    import cvxpy as cp


def transcription(
    net: Network, point: Point, penalty: float, inner: bool = False
) -> "tuple[cp.Problem, cp.Variable]":
    """(53) in CVXPY, from its formulas, with the slack of the package; and the relaxed modes."""
    import cvxpy as cp  # late: a second that not every command needs

    n_aps, n_users, n_targets = net.shape
    u = cp.Variable((n_aps, n_users))
    eta = cp.Variable((n_aps, n_targets), nonneg=True)
    a, z, slack = cp.Variable(n_aps), cp.Variable(), cp.Variable(nonneg=True)
    # A solver would take less for nothing.
    a0, power = (np.where(x < 1e-6, 0.0, x) for x in (point.send, point.eta[:, n_users:]))
    near = np.maximum(a0, 1e-3)
    size, unit = net.disturbance(point.eta), max(point.sinr, 1e-2)
    kappa = np.sqrt(np.maximum(net.signal(point.eta), unit * size)) / unit
    held = [a >= 0, a <= 1]
    spent = cp.sum(cp.square(u), axis=1) + cp.sum(eta, axis=1)
    held += [spent <= cp.multiply(2 * near, a) - near**2]
    for q in range(n_users):
        data = cp.sum(cp.multiply(net.to_users[:, q] / size[q], cp.square(u)))
        disturbance = 1 / size[q] + data
        disturbance += cp.sum(cp.multiply(net.to_targets[:, q] / size[q], eta))
        amplitude = (2 * kappa[q] / size[q] * net.gain[:, q]) @ u[:, q]
        held += [amplitude - kappa[q] ** 2 * unit / size[q] * z >= disturbance]
    for t in range(n_targets):
        efim = 2 * slack * np.eye(2)
        for p in range(n_aps):
            for r in range(n_aps):
                if r == p:
                    continue
                if inner:
                    heard = cp.Variable()
                    x = 1 - a0[r] + power[p, t]
                    tangent = x * (2 * (1 - a[r] + eta[p, t]) - x)
                    held += [4 * heard + cp.square(1 - a[r] - eta[p, t]) <= tangent]
                else:
                    two = a0[p] * eta[p, t] + power[p, t] * (a[p] - a0[p])
                    three = a0[p] * a0[r] * eta[p, t] + a0[p] * power[p, t] * (a[r] - a0[r])
                    three = three + a0[r] * power[p, t] * (a[p] - a0[p])
                    heard = two - three
                efim = efim + heard * net.information[p, r, t]
        held += [cp.tr_inv(efim) <= 1]
    gain = unit * z - penalty * cp.sum(a - cp.multiply(a0, 2 * a - a0))
    return cp.Problem(cp.Maximize(gain - 1000 * slack), held), a
