"""Several moving targets from echo tensors, one access point each, then fused (liu (31)-(52)).

Two stages, as in liu's Algorithm 3. First every access point decomposes its own tensor of samples
into the echoes of the targets (:func:`decompose`), and all of them agree on whose echo is whose
(:func:`associate`; :func:`separate` does both). Then, for each target, the factors of all access
points are fused as they are, "at the level of symbols" (:func:`fuse`). Two benchmarks start from
the same first stage: :func:`data_level` fuses delays, angles and Doppler shifts instead of
factors, and :func:`lattice` takes the best point of a grid.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.estimators import _tensor_association as _association
from cfisac.estimators import _tensor_check as _check
from cfisac.estimators import _tensor_fusion as _fusion
from cfisac.estimators._tensor_association import Separated, associate, separate
from cfisac.estimators._tensor_cp import Components, decompose, match, tone
from cfisac.estimators._tensor_fusion import Objective, objective
from cfisac.estimators._tensor_squares import least_squares
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]

__all__ = [
    "Components",
    "Objective",
    "Separated",
    "TensorEstimate",
    "associate",
    "data_level",
    "decompose",
    "estimate",
    "fuse",
    "lattice",
    "match",
    "objective",
    "separate",
    "tone",
]

_PLACE, _SPEED = 10.0, 4.0  # m, m/s: coarse grids, a fraction of the lobes of liu's frame
_AROUND = 3  # points of a lattice on each side of the continuous maximum


class TensorEstimate(NamedTuple):
    """Where the targets are and how they move, in no particular order.

    Attributes
    ----------
    positions : (U, 2) float
        In metres.
    velocities : (U, 2) float
        In metres per second.
    converged : bool
        Whether every step found what it looked for. If not, do not trust the numbers.
    reason : str
        Empty, or which step did not, and where.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> samples = signals.echo_tensors(scene, np.ones((4, 1)))
    >>> found = tensor.estimate(scene, samples, 1)
    >>> found.converged, found.reason
    (True, '')
    """

    positions: Array
    velocities: Array
    converged: bool
    reason: str


def estimate(
    scene: MonostaticScene,
    samples: Sequence[NDArray[np.complex128]],
    n_targets: int,
    weighting: str = "right",
    corners: ArrayLike | None = None,
    max_speed: float = 150.0,
) -> TensorEstimate:
    """Positions and velocities of several targets (liu, Algorithm 3, mended).

    :func:`separate`, then :func:`fuse`. Known are the access points, their arrays and what they
    send; gains and noise variance are not.

    Parameters
    ----------
    scene : MonostaticScene
        Of linear arrays in the plane, with OFDM; its targets are not looked at.
    samples : sequence of (N_l, M, N_s) complex
        Of each access point: antennas x subcarriers x symbols.
    n_targets : int
        U >= 1.
    weighting, corners, max_speed
        As in :func:`fuse`.

    Returns
    -------
    TensorEstimate
        Not ``converged`` if a step of :func:`separate` or :func:`fuse` did not find what it looked
        for, if an echo that is left stands out of the noise (there are more targets), if echoes at
        the states found leave more of the samples than noise and 3 % of an echo (the access points
        do not agree, as when their samples were interchanged), or if a mirror image explains the
        samples as well: access points on a line.

    Raises
    ------
    ValueError
        If the samples do not fit the scene or are not finite, there are more targets than a
        tensor can carry, the region to search is empty or larger than a grid of four million
        points, or the scene tells no angle, position or velocity: one antenna, one access point,
        one symbol.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=2)
    >>> found = tensor.estimate(scene, signals.echo_tensors(scene, np.ones((4, 2))), 2)
    >>> found.converged
    True
    >>> np.allclose(np.sort(found.positions[:, 0]), np.sort(scene.targets[:, 0]))
    True
    """
    _association.axes_of(scene)
    region = _corners(scene, corners)
    separated = separate(scene, samples, n_targets)
    found = fuse(scene, separated, weighting, region, max_speed)
    if not found.converged:
        return found
    against = _check.complaints(scene, samples, separated, *found[:2], region)
    return found._replace(converged=not against, reason="; ".join(against))


def fuse(
    scene: MonostaticScene,
    separated: Separated,
    weighting: str = "right",
    corners: ArrayLike | None = None,
    max_speed: float = 150.0,
) -> TensorEstimate:
    """Maximise (P3) over the position and then (P4) over the velocity of every target.

    A grid of 10 m and 4 m/s, BFGS from its best point and Newton steps.

    Parameters
    ----------
    scene : MonostaticScene
        As in :func:`estimate`.
    separated : Separated
        From :func:`separate`.
    weighting : {"right", "printed"}
        See :func:`objective`.
    corners : (2, 2), optional
        Lower left and upper right of the region to search (m); by default the smallest one that
        holds all access points.
    max_speed : float
        Largest speed that is tried, > 0 (m/s).

    Raises
    ------
    ValueError
        If the region is empty, the speed not positive, or the scene of another kind.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> separated = tensor.separate(scene, signals.echo_tensors(scene, np.ones((4, 1))), 1)
    >>> found = tensor.fuse(scene, separated)
    >>> bool(abs(found.velocities - scene.velocities).max() < 1e-6)
    True
    """
    _association.refuse_others(scene, separated)
    region = _corners(scene, corners)
    fastest = _checks.one("max_speed", max_speed, _checks.positive)
    places = _check.grid("corners", region[0], region[1], _PLACE)
    speeds = _check.grid("max_speed", np.full(2, -fastest), np.full(2, fastest), _SPEED)
    speeds = speeds[np.hypot(*speeds.T) <= fastest + _SPEED]
    near, _ = _association.start(scene, separated, region)
    reasons = [separated.reason] if separated.reason else []
    positions, velocities = [], []
    for target in range(separated.order.shape[1]):
        goal = _fusion.objective(scene, separated, target, weighting=weighting)
        position, fine = _fusion.climb(goal, np.vstack([places, near[target]]))
        if (
            not fine
            or np.any(position < region[0] - _PLACE)
            or np.any(position > region[1] + _PLACE)
        ):
            reasons.append(f"target {target}: no maximum of the position inside the region")
        if _fusion.far(goal, position):
            reasons.append(f"target {target}: the position is not where its echoes come from")
        goal = _fusion.objective(scene, separated, target, position, weighting)
        pace = _association.velocities(scene, separated, np.tile(position, (len(near), 1)))[target]
        velocity, fine = _fusion.climb(goal, np.vstack([speeds, pace]))
        if not fine or np.hypot(*velocity) > fastest + _SPEED:
            reasons.append(f"target {target}: no maximum over the velocity")
        positions.append(position)
        velocities.append(velocity)
    return TensorEstimate(
        np.array(positions), np.array(velocities), not reasons, "; ".join(reasons)
    )


def data_level(
    scene: MonostaticScene,
    separated: Separated,
    corners: ArrayLike | None = None,
    observables: str = "all",
) -> TensorEstimate:
    """Fuse the delays, angles and Doppler shifts of all access points by maximum likelihood.

    Weighted least squares, each number weighted by its own information. What the factors say
    beyond the peak of each is not used.

    Parameters
    ----------
    scene, separated, corners
        As in :func:`fuse`; the corners only tell on which side of an array a target is.
    observables : {"all", "apart", "ranges"}
        All 3 L numbers of a target over its four of position and velocity at once; or delays and
        sines over the position, and then Doppler shifts over the velocity; or as that without the
        sines.

    Raises
    ------
    ValueError
        As :func:`fuse`, or if ``observables`` is none of the three.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> separated = tensor.separate(scene, signals.echo_tensors(scene, np.ones((4, 1))), 1)
    >>> found = tensor.data_level(scene, separated)
    >>> bool(abs(found.positions - scene.targets).max() < 1e-6)
    True
    """
    _checks.one_of("observables", observables, "all", "apart", "ranges")
    _association.refuse_others(scene, separated)
    region = _corners(scene, corners)
    information = np.swapaxes(separated.information, 0, 1).copy()
    if observables != "all":
        information[..., 2] = 0
    if observables == "ranges":
        information[..., 1] = 0
    seen = np.swapaxes(separated.observed, 0, 1)
    places, speeds = _association.start(scene, separated, region)
    reasons = [separated.reason] if separated.reason else []
    for target in range(len(places)):
        free = 4 if observables == "all" else 2
        state, ended = least_squares(
            scene,
            seen[target],
            np.sqrt(information[target]),
            (places[target], speeds[target]),
            free,
        )
        if not ended:
            reasons.append(f"target {target}: least squares did not end")
        places[target], speeds[target] = state[:2], state[2:]
    if observables != "all":
        speeds = _association.velocities(scene, separated, places)
    return TensorEstimate(places, speeds, not reasons, "; ".join(reasons))


def lattice(
    scene: MonostaticScene,
    separated: Separated,
    fused: TensorEstimate,
    place_step: float,
    speed_step: float,
    weighting: str = "right",
) -> TensorEstimate:
    """Replace each maximum by the best point of a lattice, as grid-based fusion finds it.

    The lattices hold all multiples of their steps. They are searched where the maximum is: three
    points on either side along each axis.

    Parameters
    ----------
    scene, separated, weighting
        As in :func:`fuse`.
    fused : TensorEstimate
        What :func:`fuse` returned.
    place_step, speed_step : float
        Of the lattices (m, m/s), > 0.

    Raises
    ------
    ValueError
        If a step is not positive.

    Notes
    -----
    The nearest point of a square lattice misses by ``step^2 / 6`` in the mean square, both axes
    taken together.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> separated = tensor.separate(scene, signals.echo_tensors(scene, np.ones((4, 1))), 1)
    >>> on = tensor.lattice(scene, separated, tensor.fuse(scene, separated), 0.5, 1.0)
    >>> print(scene.targets.round(2), on.positions)
    [[176.18 220.05]] [[176. 220.]]
    """
    step = _checks.one("place_step", place_step, _checks.positive)
    rise = _checks.one("speed_step", speed_step, _checks.positive)
    _association.refuse_others(scene, separated)
    _checks.kind("fused", fused, TensorEstimate)
    for name in ("positions", "velocities"):
        if _checks.finite(f"fused.{name}", getattr(fused, name)).shape != (
            separated.order.shape[1], 2,
        ):  # fmt: skip
            raise ValueError("fused must hold a position and a velocity of each target")
    positions, velocities = [], []
    for target, (place, speed) in enumerate(zip(fused.positions, fused.velocities, strict=True)):
        goal = _fusion.objective(scene, separated, target, weighting=weighting)
        position = _best_near(goal, place, step)
        goal = _fusion.objective(scene, separated, target, position, weighting)
        positions.append(position)
        velocities.append(_best_near(goal, speed, rise))
    return TensorEstimate(np.array(positions), np.array(velocities), fused.converged, fused.reason)


def _best_near(goal: Objective, point: Array, step: float) -> Array:
    around = np.arange(-_AROUND, _AROUND + 1)
    moves = np.stack(np.meshgrid(around, around, indexing="ij"), axis=-1).reshape(-1, 2)
    points = (np.rint(point / step) + moves) * step
    return np.asarray(points[np.argmax(goal.value(points))])


def _corners(scene: MonostaticScene, corners: ArrayLike | None) -> Array:
    if corners is None:
        region = np.array([scene.aps.min(axis=0), scene.aps.max(axis=0)])
    else:
        region = _checks.squarable("corners", _checks.points("corners", corners, 2), float)
    if region.shape != (2, 2) or not np.all(region[1] > region[0]):
        raise ValueError(
            "corners must be lower left and upper right (2, 2) of a region with an area, "
            f"got {region.tolist()}"
        )
    return np.asarray(region)
