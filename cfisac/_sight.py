"""One look from an anchor at a point: all the geometry there is, in the plane or in space."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT

Array = NDArray[np.float64]

PLANE_OR_SPACE = (2, 3)


class Sight(NamedTuple):
    """What an anchor sees of a point: how far, where, and how well coordinates tell that.

    Parameters
    ----------
    distance : (...)
        d in metres.
    unit : (..., D)
        u, from the anchor to the point.
    rounding : (...)
        How far components of u may be off because coordinates are rounded.

    Examples
    --------
    >>> seen = sight([30.0, 40.0], [0.0, 0.0])
    >>> print(f"{seen.distance:.1f} m")
    50.0 m
    >>> seen.unit.round(3)
    array([0.6, 0.8])
    >>> seen.turning(np.array([0.0, 1.0])).round(4)  # gradient of the sine of the angle (1/m)
    array([-0.0096,  0.0072])
    """

    distance: Array
    unit: Array
    rounding: Array

    def turning(self, vector: Array) -> Array:
        """Gradient (..., D) of ``u . vector`` by the position, ``(I - u u^T) vector / d``.

        From the areas ``u_k a_i - u_i a_k`` that u and the vector span, of which what is but
        rounding is exactly zero: so is the gradient where they are parallel.
        """
        limit = root_sum(vector) * self.rounding
        n = self.unit.shape[-1]
        u, a = ([each[..., i] for i in range(n)] for each in (self.unit, vector))
        gradient: Array = np.zeros((*limit.shape, n))
        for i, k in itertools.combinations(range(n), 2):
            area = without(u[k] * a[i] - u[i] * a[k], limit) / self.distance
            gradient[..., i] += area * u[k]
            gradient[..., k] -= area * u[i]
        return gradient

    def bending(self, vector: Array) -> Array:
        """Second derivatives (..., D, D) of ``u . vector`` by the position.

        ``(3 (u . a) u u^T - (u . a) I - u a^T - a u^T) / d^2``.
        """
        u, a = np.broadcast_arrays(self.unit, vector)
        along, mixed = (u * a).sum(axis=-1)[..., None, None], u[..., :, None] * a[..., None, :]
        second = along * (3 * (u[..., :, None] * u[..., None, :]) - np.eye(u.shape[-1]))
        bent: Array = second - (mixed + np.swapaxes(mixed, -1, -2))
        return bent / self.distance[..., None, None] ** 2


def sight(
    position: ArrayLike,
    anchor: ArrayLike,
    *others: ArrayLike,
    names: tuple[str, str] = ("position", "anchor"),
) -> Sight:
    """Distance and direction from an anchor to a point, in the plane or in space.

    Parameters
    ----------
    position : (..., D) float
        p, the point (m).
    anchor : (..., D) float
        p_l, the anchor (m).
    *others : array
        What the bound depends on besides: all is known to the rounding of the coarsest type.
    names : pair of str
        What errors call the two.

    Returns
    -------
    Sight
        ``d = |p - p_l|`` in metres, ``u = (p - p_l) / d``, and how far the components of u may be
        off because coordinates are rounded: four roundings of the largest coordinate over the
        distance, and of one.

    Raises
    ------
    ValueError
        If an argument is not an array of finite points, a plane is mixed with space, the shapes do
        not broadcast, or a point coincides with its anchor: there is no direction then. So does
        one that is so near that the square of the distance is zero as a floating-point number.

    Examples
    --------
    >>> aps = [[0.0, 0.0, 10.0], [60.0, 0.0, 10.0]]
    >>> seen = sight([30.0, 40.0, 10.0], aps)
    >>> seen.distance.round(2)
    array([50., 50.])
    >>> seen.unit.round(3)
    array([[ 0.6,  0.8,  0. ],
           [-0.6,  0.8,  0. ]])
    """
    return look(names[0], position, names[1], anchor, PLANE_OR_SPACE, *others)


def direction_rounding(position: ArrayLike, anchor: ArrayLike) -> Array:
    """How far the components of a unit vector may be off because coordinates are rounded.

    Four roundings of the largest coordinate over the distance. Far from the origin that is much
    more than a rounding of the unit vector: moving a scene by 1000 km costs four digits of every
    direction over 100 m.

    Parameters
    ----------
    position, anchor : (..., D) float
        The two points (m). Coordinates that come as float32 are known to the rounding of that.

    Returns
    -------
    (...)
        Largest error of a component of u.

    Raises
    ------
    ValueError
        As :func:`line_of_sight`.

    Examples
    --------
    >>> near = direction_rounding([30.0, 40.0], [0.0, 0.0])
    >>> far = direction_rounding([1e6 + 30.0, 40.0], [1e6, 0.0])  # 1000 km from the origin
    >>> print(f"{near:.1e}, {far:.1e}")
    7.1e-16, 1.8e-11
    """
    eps = _checks.precision(position, anchor)
    here, there = _pair("position", position, "anchor", anchor, PLANE_OR_SPACE)
    _, distance = _offset(here, there, "position", "anchor")
    return _direction_rounding(here, there, distance, eps)


def both_ways(out: Sight, back: Sight, velocity: Array) -> tuple[Array, Array]:
    """``u_t + u_r`` of a path by way of a target, and its turning by a velocity.

    Parameters
    ----------
    out, back : Sight
        Of the target from the transmitter and from the receiver.
    velocity : (..., D) float
        v (m/s).

    Returns
    -------
    both : (..., D)
        The gradient of the path's length. Exactly zero on the line between the two.
    turned : (..., D)
        Gradient of ``(u_t + u_r) . v`` by the position (1/s).

    Examples
    --------
    >>> out, back = (sight([30.0, 40.0], anchor) for anchor in ([0.0, 0.0], [80.0, 0.0]))
    >>> both, turned = both_ways(out, back, np.array([0.0, 10.0]))
    >>> both.round(3)  # how fast the path grows along x and y
    array([-0.181,  1.425])
    >>> turned.round(3)  # how that rate, for 10 m/s along y, changes (1/s)
    array([-0.02 ,  0.167])
    """
    both = without(out.unit + back.unit, (out.rounding + back.rounding)[..., None])
    wrong = 2 * root_sum(velocity) * (out.rounding / out.distance + back.rounding / back.distance)
    return both, without(out.turning(velocity) + back.turning(velocity), wrong[..., None])


def without(value: Array, rounding: Array) -> Array:
    """Replace what is not above its rounding by zero.

    Examples
    --------
    >>> without(np.array([0.5, 1e-17]), np.array(1e-16))
    array([0.5, 0. ])
    """
    return np.where(np.abs(value) <= rounding, 0.0, value)


def root_sum(vector: Array) -> Array:
    """Length (...) of vectors (..., n) of usual size: for a few of them faster than NumPy's norm.

    Examples
    --------
    >>> float(root_sum(np.array([3.0, 4.0])))
    5.0
    """
    return np.sqrt((vector * vector).sum(axis=-1))


def echo(
    seen: Sight, velocity: Array, axes: Array, carrier_frequency: ArrayLike
) -> tuple[Array, Array]:
    """:func:`cfisac.geometry.monostatic` of a sight, and of arguments that have been checked.

    Examples
    --------
    >>> seen = sight([30.0, 40.0], [0.0, 0.0])
    >>> parameters, _ = echo(seen, np.array([5.0, 0.0]), np.array([0.0, 1.0]), 28e9)
    >>> (parameters * [1e9, 1, 1]).round(2)  # ns, sine of the angle, Hz
    array([ 333.56,    0.8 , -560.39])
    """
    scale = np.asarray(-2 * np.asarray(carrier_frequency) / SPEED_OF_LIGHT)
    shape = np.broadcast_shapes(
        seen.distance.shape, velocity.shape[:-1], scale.shape, axes.shape[:-1]
    )
    parameters, jacobian = np.empty((*shape, 3)), np.zeros((*shape, 3, 4))
    parameters[..., 0] = 2 * seen.distance / SPEED_OF_LIGHT
    parameters[..., 1] = (seen.unit * axes).sum(axis=-1)
    parameters[..., 2] = scale * (seen.unit * velocity).sum(axis=-1)
    jacobian[..., 0, :2] = 2 * seen.unit / SPEED_OF_LIGHT
    jacobian[..., 1, :2] = seen.turning(axes)
    jacobian[..., 2, :2] = scale[..., None] * seen.turning(velocity)
    jacobian[..., 2, 2:] = scale[..., None] * seen.unit
    return parameters, jacobian


_SAFETY = 4  # roundings of the inputs that a difference of them is known to


def _pair(
    name: str, position: ArrayLike, anchor_name: str, anchor: ArrayLike, allowed: tuple[int, ...]
) -> tuple[Array, Array]:
    """Check a point and its anchor, which must fit each other."""
    here = _checks.points(name, position, dimensions=allowed)
    there = _checks.points(anchor_name, anchor, dimensions=allowed)
    _checks.same_dimension(**{name: here, anchor_name: there})
    _checks.must_broadcast(**{name: here.shape[:-1], anchor_name: there.shape[:-1]})
    return here, there


def look(
    name: str,
    position: ArrayLike,
    anchor_name: str,
    anchor: ArrayLike,
    allowed: tuple[int, ...] = PLANE_OR_SPACE,
    *others: ArrayLike,
) -> Sight:
    """:func:`sight`, known to the rounding of the coarsest of all arguments."""
    eps = _checks.precision(position, anchor, *others)
    here, there = _pair(name, position, anchor_name, anchor, allowed)
    return seen_from(here, there, eps, name, anchor_name)


def seen_from(here: Array, there: Array, eps: float, name: str, anchor_name: str) -> Sight:
    """:func:`sight` of checked points, known to ``eps``."""
    offset, distance = _offset(here, there, name, anchor_name)
    wrong = _direction_rounding(here, there, distance, eps)
    unit = offset / distance[..., None]
    zero = np.abs(unit) <= np.minimum(wrong, 0.5)[..., None]
    if np.any(zero):
        alone = np.sum(~zero, axis=-1, keepdims=True) == 1  # the only component left is one
        unit = np.where(zero, 0.0, np.where(alone, np.sign(unit), unit))
    return Sight(distance, unit, wrong + _SAFETY * eps)


def _offset(position: Array, anchor: Array, name: str, other: str) -> tuple[Array, Array]:
    """Difference and distance of two points, which must differ by more than nothing."""
    with np.errstate(over="ignore", under="ignore"):
        offset = position - anchor
        distance = _length(offset)
        apart = distance**2 > 0  # gradients of an angle go with 1/d, its information with 1/d^2
    if not np.all(apart):
        raise ValueError(f"{name} must not coincide with {other}: no direction leads from it")
    if not np.all(np.isfinite(distance)):
        raise ValueError(f"{name} and {other} are too far apart for a floating-point number")
    return offset, distance


def _direction_rounding(position: Array, anchor: Array, distance: Array, eps: float) -> Array:
    largest = np.maximum(*(np.max(np.abs(point), axis=-1) for point in (position, anchor)))
    return _SAFETY * eps * (largest / distance)


def _length(vector: Array) -> Array:
    """Length (...) of vectors (..., D), which neither overflows nor underflows on the way."""
    length = np.hypot(vector[..., 0], vector[..., 1])
    return length if vector.shape[-1] == 2 else np.hypot(length, vector[..., 2])
