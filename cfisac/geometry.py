"""Ranges, bearings, delays and Doppler shifts of a position and velocity, with exact gradients.

Everything lies in a plane. Points have the shape (..., 2) in metres, velocities (..., 2) in
metres per second, and the last axis is (x, y). All arguments broadcast against each other over
their leading axes: for P points and M access points (APs) call with ``position[:, None, :]`` of
shape (P, 1, 2) and ``aps`` of shape (M, 2).

Each function returns the parameters and their Jacobian: one row for each parameter, one column
for each coordinate of the state, as :func:`cfisac.fisher.change_parameters` expects it. The unit
vectors ``u`` point from the anchor (AP, transmitter, receiver) to the target, and
``across = (-u_y, u_x)`` is ``u`` turned by +90 degrees. With them every gradient is short::

    grad d = u,      grad u = across across^T / d.

Places are known to the rounding of their coordinates, and a direction to that over the distance
(:func:`direction_rounding`). What is not above it is exactly zero: on the axis of an array, on the
line between two access points, straight above or beside an anchor.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light

Array = NDArray[np.float64]


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
    eps = _checks.precision(position, anchor)
    position, anchor = _checks.points("position", position), _checks.points("anchor", anchor)
    _checks.must_broadcast(position=position.shape[:-1], anchor=anchor.shape[:-1])
    return _sight(position, anchor, "anchor", eps)


def direction_rounding(position: ArrayLike, anchor: ArrayLike) -> Array:
    """How far the components of a unit vector may be off because coordinates are rounded.

    Four roundings of the largest coordinate over the distance. Far from the origin that is much
    more than a rounding of the unit vector: moving a scene by 1000 km costs four digits of every
    direction over 100 m.

    Parameters
    ----------
    position, anchor : (..., 2) float
        The two points (m). Coordinates that come as float32 are known to the rounding of that.

    Returns
    -------
    (...)
        Largest error of ``u_x`` and ``u_y``.

    Raises
    ------
    ValueError
        As :func:`line_of_sight`.
    """
    eps = _checks.precision(position, anchor)
    here, there = _checks.points("position", position), _checks.points("anchor", anchor)
    _checks.must_broadcast(position=here.shape[:-1], anchor=there.shape[:-1])
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
    eps = _checks.precision(position, aps)
    position, aps = _checks.points("position", position), _checks.points("aps", aps)
    _checks.must_broadcast(position=position.shape[:-1], aps=aps.shape[:-1])
    distance, unit, across = _sight(position, aps, "aps", eps)
    bearing = np.arctan2(unit[..., 1], unit[..., 0])
    parameters = np.stack([distance / speed_of_light, bearing], axis=-1)
    rows = [unit / speed_of_light, across / distance[..., None]]
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
    eps = _checks.precision(position, velocity, aps, axes)
    position, velocity = _checks.points("position", position), _checks.points("velocity", velocity)
    aps, axes = _checks.points("aps", aps), _checks.unit_vectors("axes", axes)
    carrier_frequency = _checks.positive("carrier_frequency", carrier_frequency)
    shape = _checks.must_broadcast(
        position=position.shape[:-1],
        velocity=velocity.shape[:-1],
        aps=aps.shape[:-1],
        carrier_frequency=carrier_frequency.shape,
        axes=axes.shape[:-1],
    )
    distance, unit, across = _sight(position, aps, "aps", eps)
    wrong = _direction_rounding(position, aps, distance, eps) + _SAFETY * eps
    scale = -2 * carrier_frequency / speed_of_light
    parameters = np.empty((*shape, 3))
    parameters[..., 0] = 2 * distance / speed_of_light
    parameters[..., 1] = _dot(unit, axes)
    parameters[..., 2] = scale * _dot(unit, velocity)
    jacobian = np.zeros((*shape, 3, 4))
    jacobian[..., 0, :2] = 2 * unit / speed_of_light
    jacobian[..., 1, :2] = _turning(axes, distance, across, wrong)
    jacobian[..., 2, :2] = scale[..., None] * _turning(velocity, distance, across, wrong)
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
    eps = _checks.precision(
        position, velocity, transmitters, receivers, transmit_axes, receive_axes
    )
    position, velocity = _checks.points("position", position), _checks.points("velocity", velocity)
    transmitters = _checks.points("transmitters", transmitters)
    receivers = _checks.points("receivers", receivers)
    transmit_axes = _checks.unit_vectors("transmit_axes", transmit_axes)
    receive_axes = _checks.unit_vectors("receive_axes", receive_axes)
    carrier_frequency = _checks.positive("carrier_frequency", carrier_frequency)
    kappa = 2 * np.pi * _checks.positive("spacing", spacing)
    shape = _checks.must_broadcast(
        position=position.shape[:-1],
        velocity=velocity.shape[:-1],
        transmitters=transmitters.shape[:-1],
        receivers=receivers.shape[:-1],
        transmit_axes=transmit_axes.shape[:-1],
        receive_axes=receive_axes.shape[:-1],
        carrier_frequency=carrier_frequency.shape,
        spacing=kappa.shape,
    )
    out, from_transmitter, across_out = _sight(position, transmitters, "transmitters", eps)
    back, from_receiver, across_back = _sight(position, receivers, "receivers", eps)
    wrong_out = _direction_rounding(position, transmitters, out, eps) + _SAFETY * eps
    wrong_back = _direction_rounding(position, receivers, back, eps) + _SAFETY * eps
    both = _without(from_transmitter + from_receiver, (wrong_out + wrong_back)[..., None])
    scale = -carrier_frequency / speed_of_light
    parameters = np.empty((*shape, 4))
    parameters[..., 0] = kappa * _dot(from_receiver, receive_axes)
    parameters[..., 1] = kappa * _dot(from_transmitter, transmit_axes)
    parameters[..., 2] = (out + back) / speed_of_light
    parameters[..., 3] = scale * _dot(both, velocity)
    jacobian = np.zeros((*shape, 4, 4))
    jacobian[..., 0, :2] = kappa[..., None] * _turning(receive_axes, back, across_back, wrong_back)
    jacobian[..., 1, :2] = kappa[..., None] * _turning(transmit_axes, out, across_out, wrong_out)
    jacobian[..., 2, :2] = both / speed_of_light
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    jacobian[..., 3, :2] = scale[..., None] * _without(
        _turning(velocity, out, across_out, wrong_out)
        + _turning(velocity, back, across_back, wrong_back),
        (2 * speed * (wrong_out / out + wrong_back / back))[..., None],
    )
    jacobian[..., 3, 2:] = scale[..., None] * both
    return parameters, jacobian


_SAFETY = 4  # roundings of the inputs that a difference of them is known to


def _sight(position: Array, anchor: Array, name: str, eps: float) -> tuple[Array, Array, Array]:
    """Distance, unit vector and its turn, for points that have been checked."""
    offset, distance = _offset(position, anchor, name)
    rounding = np.minimum(_direction_rounding(position, anchor, distance, eps), 0.5)
    unit = offset / distance[..., None]
    zero = np.abs(unit) <= rounding[..., None]
    if np.any(zero):
        unit = np.where(zero, 0.0, np.where(zero[..., ::-1], np.sign(unit), unit))
    return distance, unit, np.stack([0.0 - unit[..., 1], unit[..., 0]], axis=-1)


def _offset(position: Array, anchor: Array, name: str) -> tuple[Array, Array]:
    """Difference and distance of two points, which must differ by more than nothing."""
    with np.errstate(over="ignore", under="ignore"):
        offset = position - anchor
        distance = np.hypot(offset[..., 0], offset[..., 1])
        apart = distance**2 > 0  # gradients of an angle go with 1/d, its information with 1/d^2
    if not np.all(apart):
        raise ValueError(f"position must not coincide with {name}: no direction leads from it")
    if not np.all(np.isfinite(distance)):
        raise ValueError(f"position and {name} are too far apart for a floating-point number")
    return offset, distance


def _direction_rounding(position: Array, anchor: Array, distance: Array, eps: float) -> Array:
    largest = [
        np.maximum(np.abs(point[..., 0]), np.abs(point[..., 1])) for point in (position, anchor)
    ]
    return _SAFETY * eps * (np.maximum(*largest) / distance)


def _turning(vector: Array, distance: Array, across: Array, wrong: Array) -> Array:
    """Gradient of ``u . vector`` by the position, ``(I - u u^T) vector / d``."""
    size = np.hypot(vector[..., 0], vector[..., 1])
    return (_without(_dot(across, vector), size * wrong) / distance)[..., None] * across


def _without(value: Array, rounding: Array) -> Array:
    """Replace what is not above its rounding by zero."""
    return np.where(np.abs(value) <= rounding, 0.0, value)


def _dot(left: Array, right: Array) -> Array:
    return np.sum(left * right, axis=-1)
