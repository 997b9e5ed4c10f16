"""Ranges, directions, delays and Doppler shifts of a position and velocity, with exact gradients.

Everything lies in a plane or in space. Points have the shape (..., D) in metres with D = 2 or 3,
velocities (..., D) in metres per second, and the last axis is (x, y) or (x, y, z). All arguments
broadcast against each other over their leading axes: for P points and M access points (APs) call
with ``position[:, None, :]`` of shape (P, 1, D) and ``aps`` of shape (M, D).

:func:`sight` is all the geometry there is: unit vectors ``u`` that point from the anchor (AP,
transmitter, receiver) to the target, with::

    grad d = u,      grad (u . a) = (a - (u . a) u) / d

for any fixed vector a, an array's axis or a velocity (:meth:`Sight.turning`). The printed
parametrisations, :func:`toa_aoa`, :func:`monostatic` and :func:`bistatic`, are views of it: each
returns its parameters and their Jacobian, one row for each parameter and one column for each
coordinate of the state, as :func:`cfisac.fisher.change_parameters` expects it.

Places are known to the rounding of their coordinates, and a direction to that over the distance
(:func:`direction_rounding`). What is not above it is exactly zero: on the axis of an array, on the
line between two access points, straight above or beside an anchor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import speed_of_light

from cfisac import _checks

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
    """

    distance: Array
    unit: Array
    rounding: Array

    def turning(self, vector: Array) -> Array:
        """Gradient (..., D) of ``u . vector`` by the position, ``(I - u u^T) vector / d``.

        From the areas ``u_k a_i - u_i a_k`` that u and the vector span, of which what is but
        rounding is exactly zero: so is the gradient where they are parallel.
        """
        size = np.linalg.norm(vector, axis=-1)
        limit = size * self.rounding
        gradient: Array = np.zeros(np.broadcast_shapes(self.unit.shape, vector.shape))
        n = self.unit.shape[-1]
        for i in range(n):
            for k in range(i + 1, n):
                u_i, u_k = self.unit[..., i], self.unit[..., k]
                area = without(u_k * vector[..., i] - u_i * vector[..., k], limit) / self.distance
                gradient[..., i] += area * u_k
                gradient[..., k] -= area * u_i
        return gradient


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
    """
    return _sights(names[0], position, names[1], anchor, PLANE_OR_SPACE, *others)


def line_of_sight(position: ArrayLike, anchor: ArrayLike) -> tuple[Array, Array, Array]:
    """Distance and directions from an anchor to a point (commit (11)).

    Parameters
    ----------
    position : (..., 2) float
        p, the point (m).
    anchor : (..., 2) float
        p_l, the anchor (m).

    Returns
    -------
    distance : (...)
        ``d = |p - p_l|`` in metres.
    unit : (..., 2)
        ``u = (p - p_l) / d``, from the anchor to the point.
    across : (..., 2)
        ``(-u_y, u_x)``, u turned by +90 degrees.

    Raises
    ------
    ValueError
        If an argument is not an array of finite points, the shapes do not broadcast, or a point
        coincides with its anchor: there is no direction then. So does one that is so near that
        the square of the distance is zero as a floating-point number.
    """
    seen = _sights("position", position, "anchor", anchor, (2,))
    return seen.distance, seen.unit, _across(seen.unit)


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
    """
    eps = _checks.precision(position, anchor)
    here, there = _pair("position", position, "anchor", anchor, PLANE_OR_SPACE)
    _, distance = _offset(here, there, "anchor")
    return _direction_rounding(here, there, distance, eps)


def toa_aoa(position: ArrayLike, aps: ArrayLike) -> tuple[Array, Array]:
    """Delay and bearing of a user seen from APs, and their gradients (commit (13), (14)).

    Parameters
    ----------
    position : (..., 2) float
        p, the user (m).
    aps : (..., 2) float
        p_l, the APs (m).

    Returns
    -------
    parameters : (..., 2)
        Delay ``d / c`` (s) and bearing ``atan2(u_y, u_x)`` of the user as the AP sees it (rad,
        counter-clockwise from the x axis, in (-pi, pi]).
    jacobian : (..., 2, 2)
        Rows ``u / c`` (s/m) and ``across / d`` (rad/m), over (x, y).

    Raises
    ------
    ValueError
        If an argument is not an array of finite points, the shapes do not broadcast, or
        ``position`` coincides with one of ``aps``.

    Notes
    -----
    An angle measured from the broadside of an array differs from the bearing by a constant, so
    its gradient is the same, or, counted clockwise, its negative.
    """
    distance, unit, _ = _sights("position", position, "aps", aps, (2,))
    bearing = np.arctan2(unit[..., 1], unit[..., 0])
    parameters = np.stack([distance / speed_of_light, bearing], axis=-1)
    rows = [unit / speed_of_light, _across(unit) / distance[..., None]]
    return parameters, np.stack(rows, axis=-2)


def monostatic(
    position: ArrayLike,
    velocity: ArrayLike,
    aps: ArrayLike,
    carrier_frequency: ArrayLike,
    axes: ArrayLike = (0.0, 1.0),
) -> tuple[Array, Array]:
    """Round-trip delay, sine of the angle and Doppler shift of an echo (liu (4), (58)).

    Parameters
    ----------
    position : (..., 2) float
        p, the target (m).
    velocity : (..., 2) float
        v, its velocity (m/s), Cartesian.
    aps : (..., 2) float
        p_l, the APs that send and hear (m).
    carrier_frequency : (...) float
        f_c > 0 (Hz).
    axes : (..., 2) float
        Unit vectors along the arrays. By liu (58) the angle starts at the x axis, which makes
        the y axis the axis of every array: the default.

    Returns
    -------
    parameters : (..., 3)
        Delay ``2 d / c`` (s); ``u . axis``, the sine of the angle from broadside (for the
        default ``u_y``); Doppler shift ``-2 f_c u . v / c`` (Hz), negative for a target that
        moves away.
    jacobian : (..., 3, 4)
        Over (x, y, v_x, v_y): the matrix that replaces liu (13) and (15), transposed.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, ``axes`` are not unit vectors, the shapes do
        not broadcast, or ``position`` coincides with one of ``aps``.
    """
    seen = _sights("position", position, "aps", aps, (2,), velocity, axes)
    distance, unit, _ = seen
    velocity, axes = _checks.points("velocity", velocity), _checks.unit_vectors("axes", axes)
    carrier_frequency = _checks.positive("carrier_frequency", carrier_frequency)
    shape = _checks.must_broadcast(
        position_and_aps=distance.shape,
        velocity=velocity.shape[:-1],
        carrier_frequency=carrier_frequency.shape,
        axes=axes.shape[:-1],
    )
    scale = -2 * carrier_frequency / speed_of_light
    parameters = np.empty((*shape, 3))
    parameters[..., 0] = 2 * distance / speed_of_light
    parameters[..., 1] = _dot(unit, axes)
    parameters[..., 2] = scale * _dot(unit, velocity)
    jacobian = np.zeros((*shape, 3, 4))
    jacobian[..., 0, :2] = 2 * unit / speed_of_light
    jacobian[..., 1, :2] = seen.turning(axes)
    jacobian[..., 2, :2] = scale[..., None] * seen.turning(velocity)
    jacobian[..., 2, 2:] = scale[..., None] * unit
    return parameters, jacobian


def bistatic(
    position: ArrayLike,
    velocity: ArrayLike,
    transmitters: ArrayLike,
    receivers: ArrayLike,
    transmit_axes: ArrayLike,
    receive_axes: ArrayLike,
    carrier_frequency: ArrayLike,
    spacing: ArrayLike = 0.5,
) -> tuple[Array, Array]:
    """Electrical angles, delay and Doppler shift of a path by way of a target (fan (10), (21)).

    Parameters
    ----------
    position : (..., 2) float
        p, the target (m).
    velocity : (..., 2) float
        v, its velocity (m/s).
    transmitters, receivers : (..., 2) float
        The two ends of the path (m). They may coincide.
    transmit_axes, receive_axes : (..., 2) float
        Unit vectors along the arrays.
    carrier_frequency : (...) float
        f_c > 0 (Hz).
    spacing : (...) float
        d / lambda > 0, the distance of neighbouring antennas in wavelengths.

    Returns
    -------
    parameters : (..., 4)
        ``omega_r = 2 pi spacing u_r . axis_r`` and ``omega_t``, likewise (rad per antenna step);
        ``tau = (d_t + d_r) / c`` (s); ``nu = -f_c v . (u_t + u_r) / c`` (Hz), negative for a
        target that moves away. Both u point to the target. With that mended, fan's nu has the
        opposite sign, which no bound with an unknown gain and uncoupled delay and Doppler sees.
    jacobian : (..., 4, 4)
        Over (x, y, v_x, v_y). The left half is fan (21), mended (and ``-J4``).

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the axes are not unit vectors, the shapes do
        not broadcast, or ``position`` coincides with a transmitter or receiver.

    Notes
    -----
    On the straight line between transmitter and receiver ``u_t + u_r = 0``: the delay is the
    shortest possible, and its gradient and the Doppler shift vanish. On the axis of an array the
    gradient of its electrical angle vanishes.
    """
    given = velocity, transmit_axes, receive_axes
    out = _sights("position", position, "transmitters", transmitters, (2,), receivers, *given)
    back = _sights("position", position, "receivers", receivers, (2,), transmitters, *given)
    velocity = _checks.points("velocity", velocity)
    transmit_axes = _checks.unit_vectors("transmit_axes", transmit_axes)
    receive_axes = _checks.unit_vectors("receive_axes", receive_axes)
    carrier_frequency = _checks.positive("carrier_frequency", carrier_frequency)
    kappa = 2 * np.pi * _checks.positive("spacing", spacing)
    shape = _checks.must_broadcast(
        position_and_transmitters=out.distance.shape,
        position_and_receivers=back.distance.shape,
        velocity=velocity.shape[:-1],
        transmit_axes=transmit_axes.shape[:-1],
        receive_axes=receive_axes.shape[:-1],
        carrier_frequency=carrier_frequency.shape,
        spacing=kappa.shape,
    )
    both, turned = both_ways(out, back, velocity)
    scale = -carrier_frequency / speed_of_light
    parameters = np.empty((*shape, 4))
    parameters[..., 0] = kappa * _dot(back.unit, receive_axes)
    parameters[..., 1] = kappa * _dot(out.unit, transmit_axes)
    parameters[..., 2] = (out.distance + back.distance) / speed_of_light
    parameters[..., 3] = scale * _dot(both, velocity)
    jacobian = np.zeros((*shape, 4, 4))
    jacobian[..., 0, :2] = kappa[..., None] * back.turning(receive_axes)
    jacobian[..., 1, :2] = kappa[..., None] * out.turning(transmit_axes)
    jacobian[..., 2, :2] = both / speed_of_light
    jacobian[..., 3, :2] = scale[..., None] * turned
    jacobian[..., 3, 2:] = scale[..., None] * both
    return parameters, jacobian


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
    """
    both = without(out.unit + back.unit, (out.rounding + back.rounding)[..., None])
    speed = np.linalg.norm(velocity, axis=-1)
    wrong = 2 * speed * (out.rounding / out.distance + back.rounding / back.distance)
    return both, without(out.turning(velocity) + back.turning(velocity), wrong[..., None])


def without(value: Array, rounding: Array) -> Array:
    """Replace what is not above its rounding by zero."""
    return np.where(np.abs(value) <= rounding, 0.0, value)


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


def _sights(
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
    offset, distance = _offset(here, there, anchor_name)
    wrong = _direction_rounding(here, there, distance, eps)
    unit = offset / distance[..., None]
    zero = np.abs(unit) <= np.minimum(wrong, 0.5)[..., None]
    if np.any(zero):
        alone = np.sum(~zero, axis=-1, keepdims=True) == 1  # the only component left is one
        unit = np.where(zero, 0.0, np.where(alone, np.sign(unit), unit))
    return Sight(distance, unit, wrong + _SAFETY * eps)


def _offset(position: Array, anchor: Array, name: str) -> tuple[Array, Array]:
    """Difference and distance of two points, which must differ by more than nothing."""
    with np.errstate(over="ignore", under="ignore"):
        offset = position - anchor
        distance = _length(offset)
        apart = distance**2 > 0  # gradients of an angle go with 1/d, its information with 1/d^2
    if not np.all(apart):
        raise ValueError(f"position must not coincide with {name}: no direction leads from it")
    if not np.all(np.isfinite(distance)):
        raise ValueError(f"position and {name} are too far apart for a floating-point number")
    return offset, distance


def _direction_rounding(position: Array, anchor: Array, distance: Array, eps: float) -> Array:
    largest = np.maximum(*(np.max(np.abs(point), axis=-1) for point in (position, anchor)))
    return _SAFETY * eps * (largest / distance)


def _length(vector: Array) -> Array:
    """Length (...) of vectors (..., D), which neither overflows nor underflows on the way."""
    length = np.hypot(vector[..., 0], vector[..., 1])
    return length if vector.shape[-1] == 2 else np.hypot(length, vector[..., 2])


def _across(unit: Array) -> Array:
    """``u`` turned by +90 degrees in the plane."""
    return np.stack([0.0 - unit[..., 1], unit[..., 0]], axis=-1)


def _dot(left: Array, right: Array) -> Array:
    return np.sum(left * right, axis=-1)
