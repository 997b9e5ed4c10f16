"""The echoes that each access point hears by itself: matching pursuit, then Fisher scoring."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators._joint_data import Charts, Heard, Products, highest, products

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_ROUNDING = 1e-14  # of what an unknown gain takes of a derivative
_RIDGE = 1e-13  # of a Gram matrix: two echoes that coincide share one gain
_STEPS_EACH, _STEPS_LAST = 2, 4
_LAST = 1e-6  # nats that a step promises, twice: from it on another one moves nothing
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
    efim : (L, U, 3, U, 3)
        Of the sights in cells, each access point by itself; what is but rounding is zero.
    """

    value: Array
    gains: ComplexArray
    slope: Array
    efim: Array


def climb(heard: Heard, sights: Array) -> Climb:
    """Likelihood of echoes at sights (L, U, 3) in cells, gains at their best, and its slopes."""
    found = products(heard, sights)
    n_aps, _, n_targets = found.heard.shape
    gram = best_gram(found)
    cross = found.gram[:, 1:, :, 0].reshape(n_aps, 3 * n_targets, n_targets)
    both = np.concatenate([found.heard[:, 0, :, None], cross.conj().swapaxes(-1, -2)], axis=-1)
    solved: Any = np.linalg.solve(gram, both)
    gains, fit = np.asarray(solved[..., 0], dtype=complex), solved[..., 1:]
    value = np.einsum("lu,lu->l", found.heard[:, 0].conj(), gains).real
    left = found.heard[:, 1:] - (cross @ gains[..., None]).reshape(n_aps, 3, n_targets)
    slope = 2 * np.real(gains.conj()[:, None] * left).swapaxes(-1, -2)
    whole = found.gram[:, 1:, :, 1:].reshape(n_aps, 3 * n_targets, 3 * n_targets)
    apart = whole - cross @ fit
    size = np.diagonal(whole, axis1=-2, axis2=-1).real
    lost = np.diagonal(apart, axis1=-2, axis2=-1).real <= _ROUNDING * size
    apart[lost[:, :, None] | lost[:, None, :]] = 0.0
    efim = apart.reshape(n_aps, 3, n_targets, 3, n_targets)
    efim = 2 * np.real(efim * gains.conj()[:, None, :, None, None] * gains[:, None, None, None])
    return Climb(value, gains, slope, efim.transpose(0, 2, 1, 4, 3))


def best_gram(found: Products) -> ComplexArray:
    """Products of the echoes (L, U, U); what two that coincide share is split between them."""
    gram = found.gram[:, 0, :, 0]
    size = np.einsum("luu->l", gram).real / max(gram.shape[-1], 1)
    ridged: ComplexArray = gram + _RIDGE * size[:, None, None] * np.eye(gram.shape[-1])
    return ridged


def solve_damped(efim: Array, slope: Array, damping: Array | float) -> Array:
    """``(F + damping diag F)^-1 slope``; nothing moves that the data say nothing about."""
    size = np.diagonal(efim, axis1=-2, axis2=-1)
    root = np.sqrt(np.where(size > 0, size, np.inf))
    scaled = efim / (root[..., :, None] * root[..., None, :])
    damped = scaled + np.multiply.outer(np.asarray(damping) + 1e-12, np.eye(size.shape[-1]))
    damped = damped + np.eye(size.shape[-1]) * (size <= 0)[..., None, :]
    step: Array = np.linalg.solve(damped, (slope / root)[..., None])[..., 0] / root
    return step


def echoes(heard: Heard, charts: Charts, n_targets: int) -> Local:
    """The strongest echo, then the strongest of what is left, and all together after each."""
    n_aps = len(heard.data)
    sights, gains = np.empty((n_aps, 0, 3)), np.empty((n_aps, 0), dtype=complex)
    for number in range(1, n_targets + 1):
        peaks, _ = highest(heard, charts, sights, gains)
        sights = np.concatenate([sights, peaks[:, None]], axis=1)
        here = refined(heard, sights, _STEPS_LAST if number == n_targets else _STEPS_EACH)
        sights, gains = here[0], here[1].gains
    efim = here[1].efim.reshape(n_aps, 3 * n_targets, -1)
    return Local(sights, _weights(efim).reshape(sights.shape))


def refined(heard: Heard, sights: Array, n_steps: int) -> tuple[Array, Climb]:
    """Fisher scoring, each access point by itself; a step that goes down is not taken."""
    span, n_aps = heard.span[:, None], len(sights)
    here = climb(heard, sights)
    damping = np.zeros(n_aps)
    for _ in range(n_steps):
        efim = here.efim.reshape(n_aps, here.slope[0].size, -1)
        slope = here.slope.reshape(n_aps, -1)
        step = solve_damped(efim, slope, damping)
        last = not damping.any() and np.all(np.sum(slope * step, axis=-1) < _LAST)
        step = np.clip(step.reshape(sights.shape), -_FARTHEST, _FARTHEST)
        trial = np.clip(sights + step, span[..., 0], span[..., 1])
        there = climb(heard, trial)
        better = there.value >= here.value
        damping = np.where(better, damping / 4, np.maximum(8 * damping, 0.1))
        sights = np.where(better[:, None, None], trial, sights)
        here = Climb(*(
            np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(there, here, strict=True)
        ))  # fmt: skip
        if last:
            break
    return sights, here


def _weights(efim: Array) -> Array:
    """Inverse of the diagonal of the inverse, zero where that is infinite, (L, 3 U)."""
    size = np.diagonal(efim, axis1=-2, axis2=-1)
    root = np.sqrt(np.where(size > 0, size, 1.0))
    scaled = efim / (root[..., :, None] * root[..., None, :])
    scaled = scaled + np.eye(size.shape[-1]) * ((size <= 0)[..., None, :] + 1e-12)
    variance = np.diagonal(np.linalg.inv(scaled), axis1=-2, axis2=-1) / root**2
    return np.where((size > 0) & (variance > 0), 1 / np.abs(variance), 0.0)
