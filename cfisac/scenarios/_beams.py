"""Beams, how power is shared among them, and how they light a point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cfisac import _checks, arrays, geometry
from cfisac.arrays import UniformLinearArray
from cfisac.scenarios import _arrays
from cfisac.scenarios._common import Array, ComplexArray, distances, local_angle, places

if TYPE_CHECKING:
    from cfisac.scenarios._multistatic import MultistaticScene

_NUMBERS = 2**22  # of a block of points: memory


def sensing_beams(
    transmitters: ArrayLike,
    transmit_axes: ArrayLike | None = None,
    points: ArrayLike | None = None,
    n_antennas: int | None = None,
    spacing: float = 0.5,
    *,
    transmit_arrays: Sequence[ArrayLike] | ArrayLike | None = None,
) -> ComplexArray:
    """Covariances ``a a^H`` of beams from every transmitter to every point (fan_conf (12)).

    Parameters
    ----------
    transmitters : (P, D)
        Positions (m), D = 2 or 3.
    transmit_axes : (P, D), optional
        Unit vectors along the arrays, if they are uniform and linear.
    points : (T, D)
        Where the targets are believed to be (m).
    n_antennas : int, optional
        M_t, if they are uniform and linear.
    spacing : float
        Distance of neighbouring antennas in wavelengths, if they are uniform and linear.
    transmit_arrays : sequence of (N, D), optional
        Instead of axes and ``n_antennas``: elements of each array in wavelengths, of any sizes,
        or one array (N, D) for all.

    Returns
    -------
    (P, T, M_t, M_t)
        Of rank and trace one, as the first beams of a :class:`MultistaticScene`. Arrays of
        different sizes are padded with zeros to the largest: the steering vector a of an array
        has unit norm over its own elements and zeros behind them.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, or a point is a transmitter.

    Examples
    --------
    >>> aps, targets = [[0.0, 0.0], [80.0, 0.0]], [[30.0, 40.0], [50.0, 20.0], [10.0, 10.0]]
    >>> along_y = [[0.0, 1.0], [0.0, 1.0]]
    >>> sensing_beams(aps, along_y, targets, n_antennas=8).shape
    (2, 3, 8, 8)
    """
    transmitters = places("transmitters", transmitters)
    if points is None:
        raise ValueError("points must be given")
    points = places("points", points, None, transmitters.shape[1])
    if np.any(distances(transmitters, points) == 0):
        raise ValueError("points must not be positions of transmitters")
    if transmit_arrays is None:
        if n_antennas is None:
            raise ValueError("n_antennas must be given, or transmit_arrays")
        axes = _arrays.axes("transmit_axes", transmit_axes, transmitters, None)
        array = UniformLinearArray(n_antennas, spacing)
        steering = array.steering(local_angle(transmitters, axes, points))
    else:
        if transmit_axes is not None or n_antennas is not None:
            raise ValueError("transmit_axes and n_antennas must not be given with transmit_arrays")
        number, dimension = transmitters.shape
        elements = _arrays.own("transmit_arrays", transmit_arrays, number, dimension, None)
        unit = geometry.sight(points, transmitters[:, None]).unit
        steering = np.zeros((*unit.shape[:2], max(map(len, elements))), dtype=complex)
        for p, each in enumerate(elements):
            steering[p, :, : len(each)] = arrays.steering(each, unit[p])
    return steering[..., :, None] * np.conj(steering[..., None, :])


def equal_power(scene: "MultistaticScene", total_power: float = 1.0) -> Array:
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

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=7, n_targets=2, n_users=3)
    >>> equal_power(scene, total_power=1.0).round(2)  # W
    array([[0.2, 0.2, 0.2, 0.2, 0.2],
           [0.2, 0.2, 0.2, 0.2, 0.2],
           [0.2, 0.2, 0.2, 0.2, 0.2]])
    """
    total = _checks.one("total_power", total_power, _checks.non_negative)
    return np.full(scene.beams.shape[:2], total / scene.n_beams)


def illumination(
    scene: "MultistaticScene",
    power: ArrayLike,
    points: ArrayLike,
    following: int | None = None,
) -> tuple[Array, Array]:
    """Power that each transmitter's beams send towards points, and the aperture they do it with.

    :func:`cfisac.arrays.beam_aperture` of all beams of a scene, for arrays of any kind and size.
    With ``following`` the sensing beam of one target is taken to point at each point in turn, as
    if the beams followed the target over a map. A matched beam of power eta adds eta to the power
    and no slope of its own, as it is broad at its maximum: with the power b_o and the moments of
    the other beams (phases counted from the mean of the elements)::

        b = b_o + eta,    C = adot^H V_o adot - adot^H V_o a a^H V_o adot / b.

    Parameters
    ----------
    scene : MultistaticScene
        P transmitters, B beams each.
    power : (P, B) float, or one that broadcasts to it
        Of every beam (W), >= 0.
    points : (n, D) float
        In metres.
    following : int, optional
        The target whose beam follows.

    Returns
    -------
    power : (P, n)
        b (W), for steering vectors of unit norm: gains are not in it.
    aperture : (P, n, D, D)
        Rows R (rad) with ``R^T R = C / b``, what the direction changes beyond a complex scale.

    Raises
    ------
    ValueError
        If an argument is out of range or does not fit, or a point is a transmitter.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> power, aperture = illumination(scene, 0.5, [[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    >>> power.shape, aperture.shape  # six transmitters, three points
    ((6, 3), (6, 3, 2, 2))
    """
    power = np.array(beam_power(scene, power))
    points = places("points", points, None, scene.dimension)
    if np.any(distances(scene.transmitters, points) == 0):
        raise ValueError("points must not be positions of transmitters")
    matched = None
    if following is not None:
        whole = isinstance(following, int | np.integer) and not isinstance(following, bool)
        if not whole or following not in range(len(scene.targets)):
            raise ValueError(f"following must be in 0..{len(scene.targets) - 1}, got {following!r}")
        matched = power[:, following, None].copy()
        power[:, following] = 0.0
    names = "points", "transmitters"
    unit = geometry.sight(points, scene.transmitters[:, None], names=names).unit
    elements = _arrays.padded(scene.transmit_elements)
    roots = np.sqrt(power)[..., None, None] * _roots(scene.beams)
    roots = roots.reshape(len(power), -1, roots.shape[-1])
    if roots.shape[1] > roots.shape[2]:  # as few rows as there are antennas do for all beams
        roots = np.asarray(np.linalg.qr(roots, mode="r"))
    # A steering vector of unit norm over the elements of its own array, not over all places.
    roots = roots * np.sqrt(elements.shape[1] / scene.n_transmit_antennas)[:, None, None]
    n, size = len(points), (elements.shape[1] + roots.shape[1]) * (1 + scene.dimension)
    lit, aperture = np.empty((len(power), n)), np.empty((*unit.shape, scene.dimension))
    for start in range(0, n, step := max(1, _NUMBERS // (len(power) * size))):
        block = slice(start, start + step)
        lit[:, block], aperture[:, block] = arrays.beam_aperture(
            elements[:, None], unit[:, block], roots[:, None], matched
        )
    return lit, aperture


def beam_power(scene: "MultistaticScene", power: ArrayLike) -> Array:
    """Check the power of every beam, (P, B)."""
    checked, shape = _checks.non_negative("power", power), scene.beams.shape[:2]
    try:
        return np.broadcast_to(checked, shape)
    except ValueError as error:
        raise ValueError(
            f"power must broadcast to {shape}, transmitters x beams, got {checked.shape}"
        ) from error


def _roots(beams: ComplexArray) -> ComplexArray:
    """``S`` with ``S^H S = C`` for each beam, (P, B, rank, M_t)."""
    values, vectors = np.linalg.eigh(beams)
    real = values > 4 * beams.shape[-1] * np.finfo(float).eps
    rank = max(1, int(real.sum(axis=-1).max(initial=1)))
    root = vectors * np.sqrt(np.where(real, values, 0.0))[..., None, :]
    return np.asarray(np.conj(np.swapaxes(root[..., -rank:], -1, -2)))
