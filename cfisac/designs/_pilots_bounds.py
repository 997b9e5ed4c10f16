"""What candidate access points tell, for :mod:`cfisac.designs.pilots`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_CANDIDATES = 16  # of which all sets are compared


class UnitBounds(NamedTuple):
    """What the scene says: c_M of every number of APs, and which APs these are.

    Parameters
    ----------
    unit_bounds : (M_max,) float
        The first term of J times ``T (L^2 - 1)``; rad^2 or m^2. ``inf`` where M access points
        identify nothing.
    sets : tuple of (M,) int
        The APs behind each number, M = 1 .. M_max, by their index among the candidates.

    Examples
    --------
    >>> found = angle_unit_bounds([2.0, 3.0], [0.0, 0.0], noise_variance=1.0)
    >>> [each.tolist() for each in found.sets]
    [[1], [1, 0]]
    """

    unit_bounds: Array
    sets: tuple[IntArray, ...]


def angle_unit_bounds(
    gain: ArrayLike, phi: ArrayLike, noise_variance: float, spacing: float = 0.5
) -> UnitBounds:
    """c_M = 6 sigma^2 / (kappa^2 G_M) of zhang (42)-(44) and (49): the candidates by their quality.

    Parameters
    ----------
    gain : (M_max,) complex
        alpha, the post-combining gain of each candidate.
    phi : (M_max,) float
        Angle of arrival from broadside (rad).
    noise_variance : float
        sigma^2 > 0 per antenna and pilot.
    spacing : float
        Of neighbouring antennas, in wavelengths.

    Returns
    -------
    UnitBounds
        rad^2. The first M of the candidates sorted by ``|alpha|^2 cos^2(phi)``, of equal ones
        those with the lower index.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not fit.

    Examples
    --------
    >>> found = angle_unit_bounds([1.0, 2.0j, 2.0], [0.0, 0.0, 1.2], noise_variance=1.0)
    >>> found.unit_bounds.round(3), found.sets[1].tolist()
    (array([0.152, 0.122, 0.11 ]), [1, 0])
    """
    alpha = _checks.finite("gain", gain, complex)
    angle = _checks.finite("phi", phi)
    if alpha.ndim != 1 or alpha.size == 0 or angle.shape not in ((), alpha.shape):
        raise ValueError(
            f"gain and phi must have shape (M_max,), got {alpha.shape} and {angle.shape}"
        )
    noise = _checks.one("noise_variance", noise_variance, _checks.positive)
    kappa = 2 * np.pi * _checks.one("spacing", spacing, _checks.positive)
    quality = np.abs(alpha) ** 2 * np.cos(angle) ** 2
    order = np.argsort(-quality, kind="stable")
    with np.errstate(divide="ignore"):
        unit_bounds = 6 * noise / (kappa**2 * np.cumsum(quality[order]))
    return UnitBounds(unit_bounds, tuple(order[:m] for m in range(1, len(order) + 1)))


def position_unit_bounds(each: ArrayLike, n_antennas: int) -> UnitBounds:
    """c_M with which the first term of J is a squared position error bound, in m^2.

    ``c_M = (L^2 - 1) min tr (sum of M informations)^-1``, over all sets of M candidates. The best
    set depends neither on T nor on L: both scale every information alike.

    Parameters
    ----------
    each : (M_max, D, D) float
        Information of each candidate about the position, D = 1, 2 or 3, of one pilot and arrays of
        ``n_antennas``, in m^-2: ``each()`` of its :class:`cfisac.paths.Paths`. They must grow with
        ``L^2 - 1``, as those of bearings do.
    n_antennas : int
        L >= 2 of the arrays behind ``each``.

    Returns
    -------
    UnitBounds
        m^2. ``inf`` for numbers of APs of which no set fixes the position, and for these the set
        of the first.

    Raises
    ------
    ValueError
        If the matrices are not finite or have another shape, there are more than 16 candidates, or
        L < 2.

    Examples
    --------
    >>> bearings = np.array([[1.0, 0.0], [0.99, 0.141], [0.0, 0.5]])  # two look the same way
    >>> found = position_unit_bounds(bearings[:, :, None] * bearings[:, None, :], n_antennas=2)
    >>> found.unit_bounds.round(1), found.sets[1].tolist()
    (array([ inf, 15. , 13.1]), [0, 2])
    """
    single = _checks.finite("each", each)
    if single.ndim != 3 or single.shape[1:] not in ((1, 1), (2, 2), (3, 3)):
        raise ValueError(f"each must have shape (M_max, D, D), D = 1, 2 or 3, got {single.shape}")
    if not 1 <= len(single) <= MOST_CANDIDATES:
        raise ValueError(f"each must hold 1 to {MOST_CANDIDATES} candidates, got {len(single)}")
    length = _checks.one("n_antennas", n_antennas, _checks.count, 2)
    total = np.zeros((1, *single.shape[1:]))
    for one in single:  # set number b holds candidate m where bit m of b is one
        total = np.concatenate([total, total + one])
    number = np.arange(len(total))
    bits = number[:, None] >> np.arange(len(single)) & 1
    bound = fisher.position_error_bound(total) ** 2
    size, unit_bounds, sets = bits.sum(axis=1), [], []
    for m in range(1, len(single) + 1):
        those = number[size == m]
        best = those[np.argmin(bound[those])]
        unit_bounds.append((length**2 - 1) * bound[best])
        sets.append(np.flatnonzero(bits[best]))
    return UnitBounds(np.array(unit_bounds), tuple(sets))
