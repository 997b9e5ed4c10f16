"""Bounds on the gain and the angle of arrival that one access point learns from pilots (zhang).

The access point with an array a(phi) of L antennas sees ``T`` known unit-modulus pilots::

    x_t = alpha a(phi) s_t + n_t,      n_t ~ CN(0, sigma^2 I_L),

and the parameters are (Re alpha, Im alpha, phi), in this order. The steering vector has unit
norm, so ``|alpha|^2`` is the signal power after combining all antennas.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.arrays import UniformLinearArray, projection
from cfisac.scenarios import _plausible

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_BLOCK = 8192  # parameter sets worked on at a time, so that every temporary stays in the cache


def local_fim(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """FIM of (Re alpha, Im alpha, phi) at one access point, known pilots.

    Parameters
    ----------
    gain : (...) complex
        alpha, the post-combining channel gain.
    phi : (...) float
        Angle of arrival from broadside (rad).
    array : UniformLinearArray
        The receiving array.
    n_pilots : (...) int
        T >= 1 pilots with ``|s_t| = 1``. One number for each scene; an array holds several scenes,
        like the other arguments, as for a curve over T.
    noise_variance : (...) float
        sigma^2 > 0 per antenna and pilot. For other known pilots, whose energy counts, give
        ``sigma^2 T / sum |s_t|^2``.

    Returns
    -------
    (..., 3, 3)
        zhang (36), (78).

    Warns
    -----
    ImplausibleWarning
        If an angle is more than half a turn, as one in degrees would be.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.

    Examples
    --------
    >>> fim = local_fim(0.3 + 0.4j, 0.2, UniformLinearArray(8), n_pilots=16, noise_variance=0.1)
    >>> fim.shape, np.diag(fim).round()
    ((3, 3), array([  320.,   320., 13272.]))
    """
    gain, slope, per_part = _scene(gain, phi, array, n_pilots, noise_variance)
    coupling = slope * array.mean_index
    fim = np.zeros((*gain.shape, 3, 3))
    fim[..., 0, 0] = fim[..., 1, 1] = 1.0
    fim[..., 0, 2] = fim[..., 2, 0] = -coupling * gain.imag
    fim[..., 1, 2] = fim[..., 2, 1] = coupling * gain.real
    fim[..., 2, 2] = np.abs(gain) ** 2 * slope**2 * array.mean_square_index
    return fim / per_part[..., None, None]


def crlb(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Closed-form inverse of :func:`local_fim`: the bound on (Re alpha, Im alpha, phi).

    Takes the arguments of :func:`local_fim`.

    Returns
    -------
    (..., 3, 3)
        zhang (37), whose diagonal is (40) and (41). Where the angle cannot be identified
        (alpha = 0, cos phi = 0 or L = 1) its variance is ``inf``, the covariances with it are 0
        and the gain keeps ``sigma^2 / (2 T)`` per real part: the angle then does not reach the
        data, so not knowing it costs nothing.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.

    Examples
    --------
    >>> bound = crlb(0.3 + 0.4j, [0.2, 1.2], UniformLinearArray(8), n_pilots=16, noise_variance=0.1)
    >>> np.degrees(np.sqrt(bound[:, 2, 2])).round(2)  # standard deviation of both angles
    array([0.91, 2.46])
    """
    scene = _scene(gain, phi, array, n_pilots, noise_variance)
    flat = [each.reshape(-1) for each in scene]
    bound = np.zeros((flat[0].size, 3, 3))
    for start in range(0, len(bound), _BLOCK):
        part = slice(start, start + _BLOCK)
        _fill_crlb(bound[part], array, *(each[part] for each in flat))
    return bound.reshape(*scene[0].shape, 3, 3)


def angle_crlb(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Bound on the variance of the angle alone, in rad^2 (zhang (41)).

    Takes the arguments of :func:`local_fim`; the gain is an unknown nuisance.

    Returns
    -------
    (...)
        Variance in rad^2; ``inf`` where the angle cannot be identified (alpha = 0, cos phi = 0
        or L = 1).

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.

    Examples
    --------
    >>> variance = angle_crlb(0.5, 0.2, UniformLinearArray(8), n_pilots=16, noise_variance=0.1)
    >>> print(f"{np.degrees(np.sqrt(variance)):.2f} degrees")
    0.91 degrees
    """
    gain, slope, per_part = _scene(gain, phi, array, n_pilots, noise_variance)
    return _angle_bound(np.abs(gain) * slope, per_part, array)


def _angle_bound(swing: Array, per_part: Array, array: UniformLinearArray) -> Array:
    """Bound on the angle, from ``|alpha| kappa cos(phi)`` and ``sigma^2 / 2T``.

    The root is divided, not its square, so that no gain is too small or too large; a bound that
    is too large for a number is ``inf``.
    """
    spread = swing * np.sqrt(array.index_variance)
    with np.errstate(divide="ignore", over="ignore"):
        return (np.sqrt(per_part) / spread) ** 2


def _fill_crlb(
    bound: Array, array: UniformLinearArray, gain: ComplexArray, slope: Array, per_part: Array
) -> None:
    """Write the bounds of a block of parameter sets into ``bound`` of shape (n, 3, 3)."""
    size = np.abs(gain)
    swing = size * slope
    known = (swing != 0) & (array.n_antennas > 1)
    phase = np.divide(gain, size, where=known, out=np.zeros_like(gain))
    # c^2 |alpha|^2 / xi and c |alpha| / xi of zhang (37), with what cancels cancelled.
    excess = per_part * (3 * (array.n_antennas - 1) / (array.n_antennas + 1))
    cross = np.divide(per_part, swing, where=known, out=np.zeros_like(per_part))
    cross *= 6 / (array.n_antennas + 1)
    bound[:, 0, 0] = per_part + excess * phase.imag**2
    bound[:, 1, 1] = per_part + excess * phase.real**2
    bound[:, 0, 1] = bound[:, 1, 0] = 0.0 - excess * phase.real * phase.imag
    bound[:, 0, 2] = bound[:, 2, 0] = cross * phase.imag
    bound[:, 1, 2] = bound[:, 2, 1] = 0.0 - cross * phase.real
    bound[:, 2, 2] = _angle_bound(swing, per_part, array)


def _scene(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> tuple[NDArray[Any], ...]:
    """Check the arguments; gain, ``kappa cos(phi)`` and ``sigma^2 / 2T``, of one shape."""
    alpha, cosine = _checks.finite("gain", gain, complex), projection(phi)
    _plausible.angle("phi", phi)
    pilots = _checks.count("n_pilots", n_pilots)
    noise = _checks.positive("noise_variance", noise_variance)
    try:
        return np.broadcast_arrays(alpha, array.kappa * cosine, noise / (2 * pilots))
    except ValueError as error:
        shapes = ", ".join(str(each.shape) for each in (alpha, cosine, pilots, noise))
        raise ValueError(
            f"gain, phi, n_pilots and noise_variance must broadcast, got shapes {shapes}"
        ) from error
