"""Beams and how power is shared among them."""

import numpy as np
from numpy.typing import ArrayLike

from cfisac import _checks
from cfisac.arrays import UniformLinearArray
from cfisac.scenarios._common import Array, ComplexArray, distances, local_angle, places
from cfisac.scenarios._multistatic import MultistaticScene


def sensing_beams(
    transmitters: ArrayLike,
    transmit_axes: ArrayLike,
    points: ArrayLike,
    n_antennas: int,
    spacing: float = 0.5,
) -> ComplexArray:
    """Covariances ``a a^H`` of beams from every transmitter to every point (fan_conf (12)).

    Parameters
    ----------
    transmitters : (P, 2)
        Positions (m).
    transmit_axes : (P, 2)
        Unit vectors along the arrays.
    points : (T, 2)
        Where the targets are believed to be (m).
    n_antennas : int
        M_t.
    spacing : float
        Distance of neighbouring antennas in wavelengths.

    Returns
    -------
    (P, T, M_t, M_t)
        Of rank and trace one, as the first beams of a :class:`MultistaticScene`.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, or a point is a transmitter.
    """
    transmitters, points = places("transmitters", transmitters), places("points", points)
    axes = places("transmit_axes", transmit_axes, len(transmitters))
    _checks.unit_vectors("transmit_axes", axes)
    if np.any(distances(transmitters, points) == 0):
        raise ValueError("points must not be positions of transmitters")
    array = UniformLinearArray(n_antennas, spacing)
    steering = array.steering(local_angle(transmitters, axes, points))
    return steering[..., :, None] * np.conj(steering[..., None, :])


def equal_power(scene: MultistaticScene, total_power: float = 1.0) -> Array:
    """Power of every beam if each transmitter shares its own equally, (P, B) in watts.

    fan's ``eta = P_d / sum b``, with beams of trace one ``P_d / B``.

    Parameters
    ----------
    scene : MultistaticScene
        Whose beams share.
    total_power : float
        P_d of one transmitter, >= 0 (W).

    Returns
    -------
    (P, B)

    Raises
    ------
    ValueError
        If ``total_power`` is negative or not finite.
    """
    total = _checks.one("total_power", total_power, _checks.non_negative)
    return np.full(scene.beams.shape[:2], total / scene.n_beams)
