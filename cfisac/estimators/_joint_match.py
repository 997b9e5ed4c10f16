"""Which echo belongs to which target: every way to choose one echo at each access point."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._joint_data import axes_of, seen_at
from cfisac.estimators._joint_local import Local
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_CAP = 100.0  # of a squared distance in standard deviations: beyond, an echo is another's
_STARTS = 3  # places that each choice of echoes is fitted from
_FITS = 6
_MOST_CHOICES, _MOST_WAYS = 20_000, 200_000


def states(
    scene: MonostaticScene, cells_of_all: Array, local: Local, corners: Array | None
) -> tuple[Array, Array]:
    """Positions and velocities (U, 2) of the targets, in an order of no meaning.

    Every choice of one echo at each of some access points is fitted by weighted least squares with
    a cap, so that an access point at which two targets are one does no harm. Of all ways to give
    each echo to one target the one that fits best is taken.
    """
    used = _used(local)
    n_targets = local.sights.shape[1]
    choices = np.array(list(itertools.product(range(n_targets), repeat=len(used))))
    cells = cells_of_all[used]
    rows = np.arange(len(used))
    measured = local.sights[used][rows, choices]  # (H, l, 3)
    weights = local.weights[used][rows, choices]
    places = _places(scene, used, cells, measured, corners)
    position, velocity, cost = _fitted(scene, used, cells, measured, weights, places)
    chosen = _best_way(cost.reshape((n_targets,) * len(used)), choices, cost)
    return position[chosen], velocity[chosen]


def _used(local: Local) -> Index:
    """As many access points as can be tried in all combinations, those that know most first."""
    n_aps, n_targets = local.sights.shape[:2]
    number = n_aps
    while number > 2 and (
        n_targets**number > _MOST_CHOICES or math.factorial(n_targets) ** (number - 1) > _MOST_WAYS
    ):
        number -= 1
    known = np.log(np.maximum(local.weights, 1e-30)).sum(axis=(1, 2))
    return np.sort(np.argsort(-known)[:number])


def _places(
    scene: MonostaticScene, used: Index, cells: Array, measured: Array, corners: Array | None
) -> Array:
    """Where each access point by itself sees the target, before and behind it, (H, 2l, 2)."""
    axes = axes_of(scene)[used]
    normal = np.stack([axes[:, 1], -axes[:, 0]], axis=-1)
    distance = measured[..., 0] * cells[:, 0] * SPEED_OF_LIGHT / 2
    sine = np.clip(measured[..., 1] * cells[:, 1], -1, 1)
    across = np.sqrt(1 - sine**2)
    both = [
        scene.aps[used] + np.maximum(distance, 1e-3)[..., None]
        * (sine[..., None] * axes + side * across[..., None] * normal)
        for side in (1, -1)
    ]  # fmt: skip
    found = np.concatenate(both, axis=-2)
    if corners is not None:
        found = np.clip(found, corners[0], corners[1])
    return found


def _mismatch(
    scene: MonostaticScene, used: Index, cells: Array, measured: Array, position: Array,
    velocity: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """What was measured less what a state would give, (..., l, 3) in cells, and its Jacobian."""
    axes = axes_of(scene)[used]
    sights, jacobian = seen_at(
        scene, position[..., None, :], velocity[..., None, :], scene.aps[used], axes
    )
    return measured - sights / cells, jacobian / cells[..., None]


def _fitted(
    scene: MonostaticScene, used: Index, cells: Array, measured: Array, weights: Array,
    places: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """States of each choice (H, 2), (H, 2) and their capped costs (H,), the best of some starts."""
    still = np.zeros_like(places)
    off, _ = _mismatch(scene, used, cells, measured[:, None], places, still)
    apart = np.sum((weights[:, None] * off**2)[..., :2], axis=-1)  # (H, 2l, l)
    capped = np.sum(apart / (1 + apart / _CAP), axis=-1) + 1e-9 * np.sum(apart, axis=-1)
    best = np.argsort(capped, axis=1)[:, :_STARTS]
    position = np.take_along_axis(places, best[..., None], axis=1)
    trust = 1 / (1 + np.take_along_axis(apart, best[..., None], axis=1) / _CAP) ** 2
    velocity = _velocities(scene, used, cells, measured, weights, position, trust)
    for _ in range(_FITS):
        off, jacobian = _mismatch(scene, used, cells, measured[:, None], position, velocity)
        apart = np.sum(weights[:, None] * off**2, axis=-1)
        limit = np.maximum(_CAP, 3 * np.median(apart, axis=-1, keepdims=True))
        weighted = weights[:, None] / ((1 + apart / limit) ** 2)[..., None]
        step = _least_squares(jacobian, weighted, off)
        position, velocity = position + step[..., :2], velocity + step[..., 2:]
    off, _ = _mismatch(scene, used, cells, measured[:, None], position, velocity)
    apart = np.sum(weights[:, None] * off**2, axis=-1)
    cost = np.sum(apart / (1 + apart / _CAP), axis=-1)  # (H, starts)
    winner = np.argmin(cost, axis=1)[:, None]
    return (
        np.take_along_axis(position, winner[..., None], axis=1)[:, 0],
        np.take_along_axis(velocity, winner[..., None], axis=1)[:, 0],
        np.take_along_axis(cost, winner, axis=1)[:, 0],
    )


def _velocities(
    scene: MonostaticScene, used: Index, cells: Array, measured: Array, weights: Array,
    position: Array, trust: Array,
) -> Array:  # fmt: skip
    """Velocities that explain the Doppler shifts at given places, by least squares."""
    still = np.zeros_like(position)
    off, jacobian = _mismatch(scene, used, cells, measured[:, None], position, still)
    only = np.zeros_like(off)
    only[..., 2] = weights[:, None, :, 2] * trust
    return _least_squares(jacobian[..., 2:], only, off)


def _least_squares(jacobian: Array, weights: Array, off: Array) -> Array:
    """Weighted least-squares step (..., n), of rows (..., l, 3, n)."""
    rows = jacobian.reshape(*jacobian.shape[:-3], -1, jacobian.shape[-1])
    weighted = np.swapaxes(rows * weights.reshape(*rows.shape[:-1], 1), -1, -2)
    slope, efim = (weighted @ off.reshape(*rows.shape[:-1], 1))[..., 0], weighted @ rows
    size = np.sqrt(np.maximum(np.diagonal(efim, axis1=-2, axis2=-1), 1e-300))
    scaled = efim / (size[..., :, None] * size[..., None, :]) + 1e-9 * np.eye(size.shape[-1])
    step: Array = np.linalg.solve(scaled, (slope / size)[..., None])[..., 0] / size
    return step


def _best_way(table: Array, choices: Index, cost: Array) -> Index:
    """Rows of ``choices``, one for each target, that share no echo and cost least together."""
    n_targets, n_aps = len(table), table.ndim
    if math.factorial(n_targets) ** (n_aps - 1) > _MOST_WAYS:
        return _greedy_way(choices, cost)
    orders = np.array(list(itertools.permutations(range(n_targets))))
    ways = np.array(list(itertools.product(range(len(orders)), repeat=n_aps - 1)))
    chosen = orders[ways]  # (ways, n_aps - 1, U)
    total = np.zeros(len(ways))
    flat = np.zeros((len(ways), n_targets), dtype=np.int64)
    for target in range(n_targets):
        index = np.full(len(ways), target)
        for number in range(n_aps - 1):
            index = index * n_targets + chosen[:, number, target]
        flat[:, target] = index
        total += table.ravel()[index]
    return np.asarray(flat[np.argmin(total)])


def _greedy_way(choices: Index, cost: Array) -> Index:
    """The cheapest choice, then the cheapest that shares no echo with it, and so on."""
    n_targets = int(choices.max()) + 1
    taken = np.zeros((choices.shape[1], n_targets), dtype=bool)
    found: list[int] = []
    for row in np.argsort(cost):
        if len(found) == n_targets:
            break
        if not taken[np.arange(len(taken)), choices[row]].any():
            taken[np.arange(len(taken)), choices[row]] = True
            found.append(int(row))
    return np.array(found)
