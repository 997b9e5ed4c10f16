"""Arrays of a scene: uniform linear ones from axes, others as elements, and where they look."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, arrays, geometry
from cfisac.scenarios import _common
from cfisac.scenarios._common import Array

Elements = tuple[Array, ...]


def facing(places: ArrayLike, point: ArrayLike) -> Array:
    """Rotations that let arrays look at a point: their x axis points there, y stays level.

    What :func:`cfisac.arrays.turned` takes, for arrays as :func:`cfisac.arrays.linear` and
    :func:`cfisac.arrays.planar` make them by default: with their broadside along x.

    Parameters
    ----------
    places : (..., D) float
        Where the arrays stand (m), D = 2 or 3.
    point : (..., D) float
        What they look at (m).

    Returns
    -------
    (...) for D = 2, (..., 3, 3) for D = 3
        Angles (rad, counter-clockwise), or matrices with the columns u (towards the point),
        ``z x u`` of length one, and ``u x (z x u)``. Looking straight up or down, y stays y.

    Raises
    ------
    ValueError
        If an argument is not finite, the dimensions or shapes do not fit, or an array stands on
        the point.
    """
    unit = geometry.sight(point, places, names=("point", "places")).unit
    if unit.shape[-1] == 2:
        return np.arctan2(unit[..., 1], unit[..., 0])
    level = np.hypot(unit[..., 0], unit[..., 1])
    upright = level == 0
    below = np.where(upright, 1.0, level)
    across = np.stack(
        [-unit[..., 1] / below, np.where(upright, 1.0, unit[..., 0] / below), 0 * level], axis=-1
    )
    return np.stack([unit, across, np.cross(unit, across)], axis=-1)


def facing_axes(places: Array, point: ArrayLike) -> Array:
    """Axes (n, D) of linear arrays that look at a point: the y axis, turned by :func:`facing`."""
    turn = facing(places, point)
    if places.shape[1] == 2:
        return np.stack([-np.sin(turn), np.cos(turn)], axis=-1)
    return np.array(turn[..., 1])


def axes(name: str, given: ArrayLike | None, places: Array, point: ArrayLike | None) -> Array:
    """Axes (n, D) of linear arrays, as given or facing a point."""
    if given is None:
        if point is None:
            raise ValueError(f"{name} must be given, or facing, or arrays of one's own")
        return facing_axes(places, point)
    if point is not None:
        raise ValueError(f"facing must not be given together with {name}")
    checked = _common.places(name, given, len(places), places.shape[1])
    _checks.unit_vectors(name, checked, (2, 3))
    return checked


def own(name: str, value: Any, number: int, dimension: int, rotation: Array | None) -> Elements:
    """Check arrays (N_p, D) of one's own, one for each place or one for all; turn them."""
    several = _one_for_all(value)
    elements = [several] * number if several is not None else list(value)
    if len(elements) != number:
        raise ValueError(f"{name} must hold {number} arrays, one per place, got {len(elements)}")
    kept = []
    for index, each in enumerate(elements):
        points = _checks.points(f"{name}[{index}]", each, 2, (dimension,))
        if points.ndim != 2 or len(points) == 0:
            raise ValueError(
                f"{name}[{index}] must be (n >= 1, {dimension}), got shape {points.shape}"
            )
        turned = points if rotation is None else arrays.turned(points, rotation[index])
        kept.append(np.array(turned, dtype=float))
    return tuple(kept)


def _one_for_all(value: Any) -> Array | None:
    """Return the elements of a single array (N, D), or None if ``value`` holds several."""
    if not isinstance(value, Sequence | np.ndarray) or len(value) == 0:
        raise ValueError("arrays must be one array (N, D) or a sequence of them")
    first = value[0]
    return np.asarray(value) if np.ndim(first) == 1 else None


def linear(n_antennas: NDArray[np.int64], spacing: float, axes: Array) -> Elements:
    """Elements of uniform linear arrays, one for each axis."""
    if np.all(n_antennas == n_antennas[0]):
        return tuple(arrays.linear(int(n_antennas[0]), spacing, axes))
    return tuple(
        arrays.linear(int(number), spacing, axis)
        for number, axis in zip(n_antennas, axes, strict=True)
    )


def padded(elements: Elements) -> Array:
    """Elements (n, N, D) of arrays of different sizes: each is filled up with its own mean."""
    largest = max(len(each) for each in elements)
    return np.stack(
        [
            np.concatenate([each, np.repeat(each.mean(axis=0)[None], largest - len(each), axis=0)])
            for each in elements
        ]
    )


def apertures(elements: Elements) -> Array:
    """Aperture (n, D, D) of every array."""
    if len({len(each) for each in elements}) == 1:
        return arrays.aperture(np.stack(elements))
    return np.stack([arrays.aperture(each) for each in elements])


def sizes(elements: Elements) -> NDArray[np.int64]:
    """Number of elements of every array."""
    return np.array([len(each) for each in elements])
