"""Least squares of what all access points measured of one target, to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac.estimators._tensor_association import axes_of
from cfisac.scenarios import MonostaticScene

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

Array = NDArray[np.float64]

_POLISH = 5  # Newton steps after least squares


def least_squares(
    scene: MonostaticScene, seen: Array, root: Array, first: tuple[Array, Array], free: int
) -> tuple[Array, bool]:
    """Weighted least squares of real residuals over the first of (x, y, v_x, v_y)."""
    from scipy.optimize import least_squares as search

    axes = axes_of(scene)
    start = np.concatenate(first)
    scale = np.linalg.norm(root * seen)

    def model(part: Array) -> tuple[Array, Array]:
        state = np.concatenate([part, start[free:]])
        sights, jacobian = geometry.monostatic(
            state[:2], state[2:], scene.aps, scene.carrier_frequency, axes
        )
        return np.asarray(sights), np.asarray(jacobian)[..., :free]

    def residual(part: Array) -> Array:  # real numbers, of order one
        return np.asarray(root * (model(part)[0] - seen) / scale).ravel()

    def slope(part: Array) -> Array:
        return np.asarray(root[..., None] * model(part)[1] / scale).reshape(-1, free)

    found = search(
        residual,
        start[:free],
        jac=slope,
        x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14,
    )  # fmt: skip
    return np.concatenate([_polished(found, residual, slope), start[free:]]), bool(found.success)


def _polished(
    found: OptimizeResult, residual: Callable[[Array], Array], slope: Callable[[Array], Array]
) -> Array:
    """Newton steps on the gradient: at its end least squares goes by a cost that rounding fills."""

    def gradient(state: Array) -> Array:
        return slope(state).T @ residual(state)

    state, size = np.asarray(found.x), 1e-6 * float(np.linalg.norm(found.x))
    for _ in range(_POLISH):
        moves = size * np.eye(len(state))
        bend = np.array([gradient(state + each) - gradient(state - each) for each in moves])
        step = np.linalg.lstsq(bend + bend.T, -4 * size * gradient(state), rcond=None)[0]
        state = state + step
        if np.linalg.norm(step) <= 1e-6 * size:
            break
    better = np.sum(residual(state) ** 2) <= 2 * found.cost * (1 + 1e-9)
    return np.asarray(state if better else found.x)
