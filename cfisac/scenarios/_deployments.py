"""Where access points stand: the grid and the deployments of zhang and commit."""

import numpy as np

from cfisac import _checks
from cfisac.scenarios._common import Array

DEPLOYMENTS = ("cell-free grid", "cell-free random", "centralised", "random base station")
"""The deployments that Figure 3 of zhang compares."""


def square_grid(n_aps: int, side: float = 200.0) -> Array:
    """Access points at the centres of a square grid of cells.

    Parameters
    ----------
    n_aps : int
        M, a square number >= 1.
    side : float
        Side of the square around the origin, > 0 (m). zhang's studies use 200 m; commit prints
        none.

    Returns
    -------
    (M, 2)
        Positions in metres.

    Raises
    ------
    ValueError
        If ``n_aps`` is not a square number or ``side`` is not positive.

    Examples
    --------
    >>> square_grid(4, side=200.0)
    array([[-50., -50.],
           [ 50., -50.],
           [-50.,  50.],
           [ 50.,  50.]])
    """
    number = _checks.one("n_aps", n_aps, _checks.count)
    side = _checks.one("side", side, _checks.positive)
    per_side = round(np.sqrt(number))
    if per_side**2 != number:
        raise ValueError(f"n_aps must be a square number for a square grid, got {n_aps}")
    ticks = (np.arange(per_side) + 0.5) / per_side * side - side / 2
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def deploy(
    rng: np.random.Generator, deployment: str, n_aps: int, n_users: int, side: float = 200.0
) -> Array:
    """Draw the access points that each user sees (zhang, Fig. 3).

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    deployment : str
        One of :data:`DEPLOYMENTS`: a fixed grid, access points drawn anew for every user, all of
        them at the centre, or all of them at one place drawn anew for every user.
    n_aps : int
        M, how many access points a user sees.
    n_users : int
        How many users.
    side : float
        Side of the square around the origin (m).

    Returns
    -------
    (n_users, M, 2)
        Positions in metres.

    Raises
    ------
    ValueError
        If ``deployment`` is none of them, or a number is out of range.

    Examples
    --------
    >>> deploy(np.random.default_rng(1), "cell-free grid", n_aps=9, n_users=100).shape
    (100, 9, 2)
    """
    counts = (("n_users", n_users), ("n_aps", n_aps))
    shape = (*(_checks.one(name, value, _checks.count) for name, value in counts), 2)
    half = _checks.one("side", side, _checks.positive) / 2
    if deployment == "cell-free grid":
        return np.broadcast_to(square_grid(n_aps, side), shape)
    if deployment == "cell-free random":
        return rng.uniform(-half, half, shape)
    if deployment == "centralised":
        return np.zeros(shape)
    if deployment == "random base station":
        return np.broadcast_to(rng.uniform(-half, half, (shape[0], 1, 2)), shape)
    raise ValueError(f"deployment must be one of {', '.join(DEPLOYMENTS)}; got {deployment!r}")
