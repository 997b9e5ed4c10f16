"""The echoes that each access point hears by itself: matching pursuit, then Fisher scoring."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators._joint_data import (
    Grid,
    Heard,
    Products,
    checked_frame,
    grid_of,
    matched_filter,
    power,
    products,
    residual,
)
from cfisac.limits import coupled
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_RIDGE = 1e-13  # of a Gram matrix: two echoes that coincide share one gain
_STEPS_EACH, _STEPS_LAST = 2, 4
_FARTHEST = 0.5  # cells that one step may go


class Local(NamedTuple):
    """Echoes of L access points, U each.

    Attributes
    ----------
    sights : (L, U, 3)
        Delay, sine and Doppler shift in resolution cells.
    weights : (L, U, 3)
        Inverse variances of these by the bound; zero where it is infinite.
    """

    sights: Array
    weights: Array


class Climb(NamedTuple):
    """Where a likelihood stands and which way is up.

    Attributes
    ----------
    value : (L,)
        Energy of the data that echoes explain, over the noise variance.
    gains : (L, U) complex
        Of the echoes, over the root of the noise variance.
    slope : (L, U, 3)
        Of the log likelihood by cells.
    """

    value: Array
    gains: ComplexArray
    slope: Array


def climb(heard: Sequence[Heard], sights: Array) -> Climb:
    """Likelihood of echoes at sights (L, U, 3) in cells, gains at their best, and its gradient."""
    value, gains, slope = [], [], []
    for each, places in zip(heard, sights, strict=True):
        found = products(each, places)
        best = best_gains(found)
        value.append(np.vdot(found.heard, best).real)
        gains.append(best)
        left = found.heard_slopes - found.gram_slopes @ best
        slope.append(2 * np.real(best.conj() * left).T)
    return Climb(np.array(value), np.array(gains, dtype=complex), np.array(slope))


def best_gains(found: Products) -> ComplexArray:
    """Least-squares gains (U,)."""
    size = float(np.mean(np.diag(found.gram).real))
    gram = found.gram + _RIDGE * size * np.eye(len(found.gram))
    return np.asarray(np.linalg.solve(gram, found.heard), dtype=complex)


def information(
    scene: MonostaticScene, heard: Sequence[Heard], sights: Array, gains: ComplexArray
) -> Array:
    """EFIM (L, 3 U, 3 U) of sights in cells, each access point by itself."""
    cells = np.array([each.cells for each in heard])
    by_cells = np.broadcast_to(np.einsum("lk,kn->lkn", cells, np.eye(3))[:, None, None],
                               (len(heard), 1, sights.shape[1], 3, 3))  # fmt: skip
    return coupled.echoes(
        (sights * cells[:, None])[:, None],
        by_cells,
        (root_samples(heard)[:, None] * gains)[:, None],
        np.asarray(scene.n_antennas)[:, None],
        scene.spacing,
        checked_frame(scene),
    )


def root_samples(heard: Sequence[Heard]) -> Array:
    """Root of the number of samples of each access point, (L,)."""
    return np.sqrt([float(np.prod([len(slope) for slope in each.slopes])) for each in heard])


def solve_damped(efim: Array, slope: Array, damping: Array | float) -> Array:
    """``(F + damping diag F)^-1 slope``; nothing moves that the data say nothing about."""
    size = np.diagonal(efim, axis1=-2, axis2=-1)
    root = np.sqrt(np.where(size > 0, size, np.inf))
    scaled = efim / (root[..., :, None] * root[..., None, :])
    damped = scaled + np.multiply.outer(np.asarray(damping) + 1e-12, np.eye(size.shape[-1]))
    damped = damped + np.eye(size.shape[-1]) * (size <= 0)[..., None, :]
    step: Array = np.linalg.solve(damped, (slope / root)[..., None])[..., 0] / root
    return step


def echoes(scene: MonostaticScene, heard: Sequence[Heard], n_targets: int) -> Local:
    """The strongest echo, then the strongest of what is left, and all together after each."""
    sights = np.empty((len(heard), 0, 3))
    grids = [grid_of(each) for each in heard]
    left = list(heard)
    for number in range(1, n_targets + 1):
        peaks = [_peak(*pair) for pair in zip(left, grids, strict=True)]
        sights = np.concatenate([sights, np.array(peaks)[:, None]], axis=1)
        last = number == n_targets
        sights, gains = refined(scene, heard, sights, _STEPS_LAST if last else _STEPS_EACH)
        if not last:
            left = [residual(*each) for each in zip(heard, sights, gains, strict=True)]
    efim = information(scene, heard, sights, gains)
    return Local(sights, _weights(efim).reshape(sights.shape))


def _peak(heard: Heard, grid: Grid) -> list[float]:
    """Delay, sine and Doppler shift of the loudest point of the grid."""
    loud = power(matched_filter(heard, grid))
    sine, delay, doppler = np.unravel_index(int(np.argmax(loud)), loud.shape)
    return [float(grid.delay[delay]), float(grid.sine[sine]), float(grid.doppler[doppler])]


def refined(
    scene: MonostaticScene, heard: Sequence[Heard], sights: Array, n_steps: int
) -> tuple[Array, ComplexArray]:
    """Fisher scoring, each access point by itself; a step that goes down is not taken."""
    span = np.array([each.span for each in heard])[:, None]
    here = climb(heard, sights)
    damping = np.zeros(len(heard))
    for _ in range(n_steps):
        efim = information(scene, heard, sights, here.gains)
        step = solve_damped(efim, here.slope.reshape(len(heard), -1), damping)
        step = np.clip(step.reshape(sights.shape), -_FARTHEST, _FARTHEST)
        trial = np.clip(sights + step, span[..., 0], span[..., 1])
        there = climb(heard, trial)
        better = there.value >= here.value
        damping = np.where(better, damping / 4, np.maximum(8 * damping, 0.1))
        sights = np.where(better[:, None, None], trial, sights)
        here = Climb(
            np.where(better, there.value, here.value),
            np.where(better[:, None], there.gains, here.gains),
            np.where(better[:, None, None], there.slope, here.slope),
        )
    return sights, here.gains


def _weights(efim: Array) -> Array:
    """Inverse of the diagonal of the inverse, zero where that is infinite, (L, 3 U)."""
    size = np.diagonal(efim, axis1=-2, axis2=-1)
    root = np.sqrt(np.where(size > 0, size, 1.0))
    scaled = efim / (root[..., :, None] * root[..., None, :])
    scaled = scaled + np.eye(size.shape[-1]) * ((size <= 0)[..., None, :] + 1e-12)
    variance = np.diagonal(np.linalg.inv(scaled), axis1=-2, axis2=-1) / root**2
    return np.where((size > 0) & (variance > 0), 1 / np.abs(variance), 0.0)
