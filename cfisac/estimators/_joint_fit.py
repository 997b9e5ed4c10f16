"""Fisher scoring of the states of all targets at once, and what may be wrong with the result."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import fisher
from cfisac.estimators import _joint_local
from cfisac.estimators._joint_data import (
    Charts,
    Heard,
    axes_of,
    checked_frame,
    highest,
    products,
    seen_at,
)
from cfisac.limits import coupled
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_STEPS = 40
_STILL = 1e-16  # nats that a step may still promise
_ROUNDING = 1e-13  # of the energy of the data
_SAME = 1e-12  # of delays, angles and Doppler shifts in cells: no further than they are known
_FALSE_ALARM = 1e-6  # chance that noise alone looks like an echo that is left
_TOLD_APART = 7.0  # standard deviations from one target to another in the same cell
_ON_A_LINE = 0.05  # width over length of the access points' places
_TWIN_STEPS = 10
_CELLS = 1e8  # states that noise alone could look like, generously


class Fit(NamedTuple):
    """States of U targets, their likelihood, and which way is up.

    Attributes
    ----------
    positions, velocities : (U, 2)
    sights : (L, U, 3)
        In cells.
    gains : (L, U) complex
        Over the root of the noise variance.
    value : float
        Energy of the data that the echoes explain, over the noise variance.
    slope : (4 U,)
        Of the log likelihood.
    efim : (4 U, 4 U)
        At these states and gains.
    promised : float
        By how much the next step would raise the log likelihood (nats), twice.
    """

    positions: Array
    velocities: Array
    sights: Array
    gains: ComplexArray
    value: float
    slope: Array
    efim: Array
    promised: float = np.inf


def fit_at(scene: MonostaticScene, heard: Heard, positions: Array, velocities: Array) -> Fit:
    """The likelihood at some states, its gradient and its information."""
    axes = axes_of(scene)[:, None]
    sights, jacobian = seen_at(scene, positions, velocities, scene.aps[:, None], axes)
    cells = heard.cells[:, None]
    here = _joint_local.climb(heard, sights / cells)
    by_cells = jacobian / cells[..., None]
    slope = np.einsum("lukn,luk->un", by_cells, here.slope).ravel()
    half = np.einsum("luki,lukvj->luivj", by_cells, here.efim)
    efim = np.einsum("luivj,lvjn->uivn", half, by_cells).reshape(slope.size, -1)
    value = float(here.value.sum())
    return Fit(positions, velocities, sights / cells, here.gains, value, slope, efim)


def ordered(fit: Fit, order: NDArray[np.int64]) -> Fit:
    """The same fit, its targets in another order."""
    n_targets = len(order)
    efim = fit.efim.reshape(n_targets, 4, n_targets, 4)[order][:, :, order]
    return fit._replace(
        positions=fit.positions[order],
        velocities=fit.velocities[order],
        sights=fit.sights[:, order],
        gains=fit.gains[:, order],
        slope=fit.slope.reshape(n_targets, 4)[order].ravel(),
        efim=efim.reshape(fit.efim.shape),
    )


def exact_efim(scene: MonostaticScene, heard: Heard, fit: Fit) -> Array:
    """That of a fit by closed sums, where what cannot be known is zero and no rounding."""
    axes = axes_of(scene)[:, None]
    sights, jacobian = seen_at(scene, fit.positions, fit.velocities, scene.aps[:, None], axes)
    return coupled.echoes(
        sights,
        jacobian,
        np.sqrt(heard.n_samples)[:, None] * fit.gains,
        np.asarray(scene.n_antennas),
        scene.spacing,
        checked_frame(scene),
    )


def climb(scene: MonostaticScene, heard: Heard, start: Fit, max_steps: int = _STEPS) -> Fit:
    """Fisher scoring until a step promises nothing more; a step that goes down is damped."""
    here, damping = start, 0.0
    rounding = _ROUNDING * heard.energy.sum()
    for _ in range(max_steps):
        step = _joint_local.solve_damped(here.efim, here.slope, 0.0)
        here = here._replace(promised=float(here.slope @ step))
        if damping > 0:
            step = _joint_local.solve_damped(here.efim, here.slope, damping)
        if here.promised <= _STILL or damping > 1e6:
            break
        each = step.reshape(-1, 4)
        there = fit_at(scene, heard, here.positions + each[:, :2], here.velocities + each[:, 2:])
        moved = np.abs(there.sights - here.sights) / (1 + np.abs(here.sights))
        if damping == 0 and np.all(moved <= _SAME):
            here = here._replace(promised=0.0)
            break
        if there.value >= here.value - rounding:
            here, damping = there, damping / 4 if damping > 1e-3 else 0.0
        else:
            damping = max(8 * damping, 0.1)
    return here


def overlaps(sights: Array) -> list[tuple[int, int, int]]:
    """Access points at which two targets share a resolution cell, and these two."""
    apart = np.abs(sights[:, :, None] - sights[:, None]).max(axis=-1)  # (L, U, U)
    found = np.argwhere((apart < 1) & np.triu(np.ones(apart.shape[1:], bool), 1))
    return [(int(ap), int(first), int(second)) for ap, first, second in found]


def complaint(
    scene: MonostaticScene,
    heard: Heard,
    charts: Charts,
    fit: Fit,
    corners: Array | None,
    rare: float = _FALSE_ALARM / _CELLS,
) -> str:
    """What is wrong with a fit, or nothing.

    ``rare`` is the chance, at one state, that noise alone is as loud as the least target.
    """
    for first, second in _one_cell(fit.sights):
        if _apart(fit.efim, fit.positions, fit.velocities, first, second) < _TOLD_APART**2:
            return (
                f"targets {first} and {second} lie in one resolution cell of every access point, "
                "and the samples do not tell them apart"
            )
    strength = _strengths(heard, fit)
    unheard = np.flatnonzero(strength.sum(axis=0) < least_strength(len(heard.data), rare))
    if len(unheard):
        return f"target {_listed(unheard)} is not heard above the noise"
    hidden = np.flatnonzero(_only_beside_others(fit.sights, strength, rare))
    if len(hidden):
        return (
            f"target {_listed(hidden)} is only heard where it shares a resolution cell with "
            "another: they may be one"
        )
    energy = float(heard.energy.sum())
    if not fit.promised <= 1e-6 + _ROUNDING * energy:
        return "the likelihood still rises after the last step"
    outside = np.flatnonzero(~_inside(heard, fit, corners))
    if len(outside):
        return f"target {_listed(outside)} was found outside of where targets can be"
    blind = ~np.isfinite(np.diag(fisher.crlb(fit.efim))).reshape(-1, 4)
    lost = np.flatnonzero(blind.any(axis=1))
    if len(lost):
        return f"target {_listed(lost)} cannot be identified by these access points"
    twins = mirrored(scene, heard, fit, corners)
    if len(twins):
        return f"target {_listed(twins)} may as well be on the other side of the access points"
    loud = np.flatnonzero(left_over(heard, charts, fit) > least_left(charts) + 1e-20 * heard.energy)
    if len(loud):
        return (
            f"access point {_listed(loud)} hears more than the targets found: there are more of "
            "them, or one is somewhere else"
        )
    return ""


def _one_cell(sights: Array) -> list[tuple[int, int]]:
    """Pairs of targets that share a resolution cell at every access point."""
    pairs = [pair for _, *pair in overlaps(sights)]
    return [
        (first, second)
        for first, second in sorted({(first, second) for first, second in pairs})
        if pairs.count([first, second]) == len(sights)
    ]


def _apart(efim: Array, positions: Array, velocities: Array, first: int, second: int) -> float:
    """Squared distance of two states by the information about their difference."""
    states = np.concatenate([positions, velocities], axis=1)
    difference = np.zeros((4, efim.shape[0]))
    difference[:, 4 * first : 4 * first + 4] = np.eye(4)
    difference[:, 4 * second : 4 * second + 4] = -np.eye(4)
    covariance = fisher.crlb(efim)
    if not np.isfinite(covariance).all():
        return 0.0
    off = states[first] - states[second]
    spread = difference @ covariance @ difference.T
    scale = np.sqrt(np.diag(spread))
    return float(off / scale @ np.linalg.solve(spread / np.outer(scale, scale), off / scale))


def left_over(heard: Heard, charts: Charts, fit: Fit) -> Array:
    """Highest peak of the matched filter in what the echoes leave, (L,), noise having mean 1."""
    return highest(heard, charts, fit.sights, fit.gains)[1]


def least_left(charts: Charts) -> Array:
    """What noise alone reaches anywhere with the chance of a false alarm, (L,)."""
    cells = np.array([each.size for each in charts.maps])
    found: Array = np.log(len(cells) * cells / _FALSE_ALARM)
    return found


def _strengths(heard: Heard, fit: Fit) -> Array:
    """Energy over noise that would be lost without each target, (L, U)."""
    gram = products(heard, fit.sights).gram[:, 0, :, 0]
    size = np.einsum("luu->l", gram).real / gram.shape[-1]
    unit = gram / size[:, None, None] + 1e-13 * np.eye(gram.shape[-1])
    inverse = np.diagonal(np.linalg.inv(unit), axis1=-2, axis2=-1).real
    lost: Array = size[:, None] * np.abs(fit.gains) ** 2 / inverse
    return lost


def least_strength(n_aps: int, rare: float) -> float:
    """What a sum of n_aps exponentials of mean one exceeds with the chance ``rare``."""
    from scipy.special import gammainccinv  # imported late: it takes as long as all the rest

    return float(gammainccinv(n_aps, rare))


def _only_beside_others(sights: Array, strength: Array, rare: float) -> NDArray[np.bool_]:
    """Which targets access points hear only where these share a cell with another, (U,)."""
    alone = np.ones(strength.shape, dtype=bool)
    for ap, *pair in overlaps(sights):
        alone[ap, pair] = False
    number = alone.sum(axis=0)
    least = np.array([least_strength(max(1, n), rare) for n in number])
    free = np.sum(strength * alone, axis=0)
    return (number > 0) & (number < len(sights)) & (free < least)


def _inside(heard: Heard, fit: Fit, corners: Array | None) -> NDArray[np.bool_]:
    """Which targets are where echoes can come from, and in the rectangle to five deviations."""
    span = heard.span[:, None]
    near = (fit.sights >= span[..., 0] - 0.5) & (fit.sights <= span[..., 1] + 0.5)
    found = near.all(axis=(0, 2))
    if corners is not None:
        variance = np.diag(fisher.crlb(fit.efim)).reshape(-1, 4)[:, :2]
        margin = 5 * np.sqrt(np.where(np.isfinite(variance), variance, 0.0))
        low, high = corners[0] - margin, corners[1] + margin
        found &= ((fit.positions >= low) & (fit.positions <= high)).all(axis=1)
    return np.asarray(found)


def mirrored(
    scene: MonostaticScene, heard: Heard, fit: Fit, corners: Array | None
) -> NDArray[np.int64]:
    """Targets whose mirror image explains the samples as well, and may be there.

    Only access points that stand nearly on a line leave that doubt.
    """
    centre = scene.aps.mean(axis=0)
    _, spread, rows = np.linalg.svd(scene.aps - centre)
    if len(spread) > 1 and spread[1] > _ON_A_LINE * spread[0]:
        return np.array([], dtype=np.int64)
    along = rows[0] if len(scene.aps) > 1 else axes_of(scene)[0]
    normal = np.array([along[1], -along[0]])
    found = []
    for target in range(len(fit.positions)):
        image, back = fit.positions.copy(), fit.velocities.copy()
        image[target] -= 2 * ((image[target] - centre) @ normal) * normal
        back[target] -= 2 * (back[target] @ normal) * normal
        if corners is not None and not np.all(
            (image[target] >= corners[0]) & (image[target] <= corners[1])
        ):
            continue
        twin = climb(scene, heard, fit_at(scene, heard, image, back), _TWIN_STEPS)
        apart = np.linalg.norm(twin.positions[target] - fit.positions[target])
        whole = np.linalg.norm(image[target] - fit.positions[target])
        if apart > whole / 2 and twin.value >= fit.value + np.log(_FALSE_ALARM):
            found.append(target)
    return np.array(found, dtype=np.int64)


def _listed(numbers: NDArray[np.int64]) -> str:
    return ", ".join(map(str, numbers))
