"""What a search grid leaves of the error when the noise is gone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]


def grid_floor(step: ArrayLike) -> float:
    """Root mean square distance to the nearest point of a grid, ``sqrt((dx^2 + dy^2) / 12)``.

    What fan_journal's Section VI says the error of the grid search converges to.

    Parameters
    ----------
    step : float or (2,)
        dx and dy > 0 of the grid (m).

    Returns
    -------
    float
        In metres.

    Raises
    ------
    ValueError
        If ``step`` is not positive or has another shape.

    See Also
    --------
    grid_error : what the search does when the information prefers other directions.

    Examples
    --------
    >>> print(f"{grid_floor(1.0):.3f} m")
    0.408 m
    """
    both = _steps(step)
    return float(np.sqrt(np.sum(both**2) / 12))


def grid_error(step: ArrayLike, efim: ArrayLike) -> float:
    """Root mean square error of the best point of a grid, without noise.

    The search does not find the point nearest to the target but the likeliest, nearest in the
    metric of the information J: the error is uniform over the cell of the points of which the
    target is the nearest in that metric, a hexagon. Its second moment is exact. Without tilt,
    J diagonal in the axes of the grid, this is :func:`grid_floor`, and with it never less.

    Parameters
    ----------
    step : float or (2,)
        dx and dy > 0 of the grid (m), small against the main lobe of the likelihood. Where on the
        grid the target stands is uniform.
    efim : (2, 2)
        J, information on the position; positive definite (any unit).

    Returns
    -------
    float
        In metres.

    Raises
    ------
    ValueError
        If ``step`` is not positive or ``efim`` not symmetric and positive definite.

    Examples
    --------
    >>> long = np.array([1.0, 1.0]) / np.sqrt(2)  # known ten times better along it
    >>> information = np.eye(2) + 99 * np.outer(long, long)
    >>> print(f"{grid_error(1.0, information):.3f} m, not {grid_floor(1.0):.3f} m")
    0.456 m, not 0.408 m
    """
    both = _steps(step)
    matrix = _checks.finite("efim", efim)
    if matrix.shape != (2, 2) or not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0):
        raise ValueError(f"efim must be a symmetric (2, 2) matrix, got shape {matrix.shape}")
    scale = np.trace(matrix)
    if not scale > 0 or np.linalg.eigvalsh(matrix / scale)[0] <= 1e-14:
        raise ValueError("efim must be positive definite")
    root = np.linalg.cholesky(matrix / scale).T
    basis = (root * both).T  # rows: the grid's vectors where J is the identity
    back = np.linalg.inv(root)
    return float(np.sqrt(np.trace(back @ _cell_moment(basis) @ back.T)))


def _steps(step: ArrayLike) -> Array:
    checked = _checks.positive("step", step)
    if checked.shape not in ((), (2,)):
        raise ValueError(f"step must be one number or two, got shape {checked.shape}")
    return np.broadcast_to(checked, (2,))


def _cell_moment(basis: Array) -> Array:
    """Mean of ``y y^T`` over the points nearer to zero than to any other point of the grid."""
    first, second = basis
    for _ in range(200):  # Gauss's reduction; each turn shortens a vector
        if first @ first > second @ second:
            first, second = second, first
        nearer = second - np.rint(first @ second / (first @ first)) * first
        if nearer @ nearer >= second @ second * (1 - 1e-12):
            break
        second = nearer
    if first @ second > 0:
        second = -second
    three = first, second, -first - second  # no two of them at an acute angle
    corners = [_circumcentre(a, -b) for a in three for b in three if a is not b]
    corners.sort(key=lambda corner: float(np.arctan2(corner[1], corner[0])))
    moment, area = np.zeros((2, 2)), 0.0
    for u, v in zip(corners, corners[1:] + corners[:1], strict=True):
        piece = abs(u[0] * v[1] - u[1] * v[0]) / 2
        both = u + v
        moment += piece / 12 * (np.outer(u, u) + np.outer(v, v) + np.outer(both, both))
        area += piece
    return moment / area


def _circumcentre(u: Array, v: Array) -> Array:
    """Of the triangle (0, u, v)."""
    return np.linalg.solve(np.array([u, v]), np.array([u @ u, v @ v]) / 2)
