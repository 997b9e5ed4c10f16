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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac._sight import (
    PLANE_OR_SPACE,
    Sight,
    both_ways,
    direction_rounding,
    echo,
    look,
    sight,
    without,
)

__all__ = [
    "PLANE_OR_SPACE",
    "Sight",
    "bistatic",
    "both_ways",
    "direction_rounding",
    "line_of_sight",
    "monostatic",
    "sight",
    "toa_aoa",
    "without",
]

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

    Examples
    --------
    >>> distance, unit, across = line_of_sight([30.0, 40.0], [0.0, 0.0])
    >>> print(f"{distance:.1f} m")
    50.0 m
    >>> unit.round(3), across.round(3)
    (array([0.6, 0.8]), array([-0.8,  0.6]))
    """
    seen = look("position", position, "anchor", anchor, (2,))
    return seen.distance, seen.unit, _across(seen.unit)


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

    Examples
    --------
    >>> parameters, jacobian = toa_aoa([30.0, 40.0], [[0.0, 0.0], [80.0, 0.0]])  # m
    >>> (parameters * [1e9, 180 / np.pi]).round(1)  # ns and degrees at both APs
    array([[166.8,  53.1],
           [213.6, 141.3]])
    >>> jacobian.shape
    (2, 2, 2)
    """
    distance, unit, _ = look("position", position, "aps", aps, (2,))
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

    Examples
    --------
    >>> parameters, jacobian = monostatic([30.0, 40.0], [5.0, 0.0], [0.0, 0.0], 28e9)
    >>> (parameters * [1e9, 1, 1]).round(2)  # ns, sine of the angle, Hz
    array([ 333.56,    0.8 , -560.39])
    >>> jacobian.shape  # by x, y, v_x and v_y
    (3, 4)
    """
    seen = look("position", position, "aps", aps, (2,), velocity, axes)
    velocity, axes = _checks.points("velocity", velocity), _checks.unit_vectors("axes", axes)
    carrier_frequency = _checks.positive("carrier_frequency", carrier_frequency)
    _checks.must_broadcast(
        position_and_aps=seen.distance.shape,
        velocity=velocity.shape[:-1],
        carrier_frequency=carrier_frequency.shape,
        axes=axes.shape[:-1],
    )
    return echo(seen, velocity, axes, carrier_frequency)


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

    Examples
    --------
    >>> target, velocity, along_y = [30.0, 40.0], [5.0, 0.0], [0.0, 1.0]
    >>> parameters, jacobian = bistatic(
    ...     target, velocity, [0.0, 0.0], [80.0, 0.0], along_y, along_y, carrier_frequency=28e9
    ... )
    >>> (parameters * [1, 1, 1e9, 1]).round(2)  # rad, rad, ns, Hz
    array([  1.96,   2.51, 380.37,  84.46])
    >>> jacobian.shape
    (4, 4)
    """
    given = velocity, transmit_axes, receive_axes
    out = look("position", position, "transmitters", transmitters, (2,), receivers, *given)
    back = look("position", position, "receivers", receivers, (2,), transmitters, *given)
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


def _across(unit: Array) -> Array:
    """``u`` turned by +90 degrees in the plane."""
    return np.stack([0.0 - unit[..., 1], unit[..., 0]], axis=-1)


def _dot(left: Array, right: Array) -> Array:
    return np.sum(left * right, axis=-1)
