"""Arrays of any form, in the plane and in space: where their elements are, and what that tells."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.arrays._uniform import UniformLinearArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def linear(n_antennas: int, spacing: float = 0.5, axis: ArrayLike = (0.0, 1.0)) -> Array:
    """Elements of a uniform linear array along an axis, around the origin.

    Parameters
    ----------
    n_antennas : int
        N >= 1.
    spacing : float
        Distance of neighbours in wavelengths, > 0.
    axis : (..., D) float
        Unit vectors from the first antenna to the last, D = 2 or 3; leading axes are arrays.

    Returns
    -------
    (..., N, D)
        Positions in wavelengths.

    Raises
    ------
    ValueError
        If a number is out of range or ``axis`` is not a unit vector.

    Examples
    --------
    >>> linear(2, axis=(0.6, 0.8)).round(2)
    array([[-0.15, -0.2 ],
           [ 0.15,  0.2 ]])
    """
    array = UniformLinearArray(n_antennas, spacing)
    along = _checks.unit_vectors("axis", axis, (2, 3))
    index = np.arange(array.n_antennas) - array.mean_index
    return array.spacing * index[:, None] * along[..., None, :]


def planar(
    n_rows: int,
    n_columns: int,
    spacing: float = 0.5,
    axes: ArrayLike = ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
) -> Array:
    """Elements of a uniform rectangular array in space, around the origin.

    Parameters
    ----------
    n_rows, n_columns : int
        Numbers of antennas along the second and the first axis, >= 1.
    spacing : float
        Distance of neighbours in wavelengths, > 0.
    axes : (..., 2, 3) float
        Two perpendicular unit vectors; by default y and z, so that the array faces along x.

    Returns
    -------
    (..., n_rows n_columns, 3)
        Positions in wavelengths, row after row.

    Raises
    ------
    ValueError
        If a number is out of range or ``axes`` are not perpendicular unit vectors.

    Examples
    --------
    >>> panel = planar(2, 4)  # 2 rows of 4, upright, looking along x
    >>> panel.shape
    (8, 3)
    >>> np.ptp(panel[:, 1:], axis=0).round(2)  # width and height in wavelengths
    array([1.5, 0.5])
    """
    pair = _checks.unit_vectors("axes", axes, (3,))
    if pair.ndim < 2 or pair.shape[-2] != 2:
        raise ValueError(f"axes must have shape (..., 2, 3), got {pair.shape}")
    if np.any(np.abs(np.sum(pair[..., 0, :] * pair[..., 1, :], axis=-1)) > 1e-9):
        raise ValueError("axes must be perpendicular to each other")
    along = linear(n_columns, spacing, pair[..., 0, :])
    up = linear(n_rows, spacing, pair[..., 1, :])
    grid = up[..., :, None, :] + along[..., None, :, :]
    return grid.reshape(*grid.shape[:-3], -1, 3)


def circular(n_antennas: int, radius: float, dimension: int = 2) -> Array:
    """Elements of a uniform circular array in the x-y plane, around the origin.

    Parameters
    ----------
    n_antennas : int
        N >= 1.
    radius : float
        In wavelengths, > 0.
    dimension : int
        2 or 3.

    Returns
    -------
    (N, D)
        Positions in wavelengths, counter-clockwise from the x axis.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> ring = circular(8, radius=1.2)
    >>> ring.shape, ring[1].round(3)
    ((8, 2), array([0.849, 0.849]))
    >>> np.diag(spread(ring)).round(2)  # sees as well in any direction
    array([28.42, 28.42])
    """
    number = _checks.one("n_antennas", n_antennas, _checks.count)
    length = _checks.one("radius", radius, _checks.positive)
    if np.ndim(dimension) or dimension not in (2, 3):
        raise ValueError(f"dimension must be 2 or 3, got {dimension!r}")
    angle, elements = 2 * np.pi * np.arange(number) / number, np.zeros((number, dimension))
    elements[:, 0], elements[:, 1] = length * np.cos(angle), length * np.sin(angle)
    return elements


def turned(elements: ArrayLike, rotation: ArrayLike) -> Array:
    """Elements of an array after a rotation.

    Parameters
    ----------
    elements : (..., N, D) float
        In wavelengths.
    rotation : (...) float or (..., 3, 3) float
        In the plane an angle (rad, counter-clockwise); in space a matrix. Leading axes are
        arrays, all turned differently.

    Returns
    -------
    (..., N, D)

    Raises
    ------
    ValueError
        If an argument is not finite, a matrix is no rotation, or the shapes do not fit.

    Examples
    --------
    >>> turned(linear(2), np.radians(30)).round(3)
    array([[ 0.125, -0.217],
           [-0.125,  0.217]])
    >>> headings = np.radians([0, 90, 180])
    >>> turned(linear(8), headings).shape  # three arrays
    (3, 8, 2)
    """
    places = _elements(elements)
    if places.shape[-1] == 2:
        angle = _checks.finite("rotation", rotation)
        sine, cosine = np.sin(angle), np.cos(angle)
        matrix = np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(*angle.shape, 2, 2)
    else:
        matrix = _checks.finite("rotation", rotation)
        if matrix.shape[-2:] != (3, 3):
            raise ValueError(f"rotation must have shape (..., 3, 3), got {matrix.shape}")
        gram = matrix @ np.swapaxes(matrix, -1, -2)
        if np.any(np.abs(gram - np.eye(3)) > 1e-9) or np.any(np.linalg.det(matrix) < 0):
            raise ValueError("rotation must be an orthogonal matrix of determinant one")
    _checks.must_broadcast(elements=places.shape[:-2], rotation=matrix.shape[:-2])
    return places @ np.swapaxes(matrix, -1, -2)


def steering(elements: ArrayLike, direction: ArrayLike) -> ComplexArray:
    """Unit-norm response of an array to a plane wave, ``exp(2 pi j e . u) / sqrt(N)``.

    Parameters
    ----------
    elements : (..., N, D) float
        e, in wavelengths; the phase is counted from their mean.
    direction : (..., D) float
        u, the unit vector from the array towards the source, or towards where it sends.

    Returns
    -------
    (..., N) complex

    Raises
    ------
    ValueError
        If an argument is not finite, ``direction`` is not a unit vector, or the shapes do not fit.

    Examples
    --------
    >>> response = steering(linear(4), [0.8, 0.6])
    >>> np.degrees(np.angle(response)).round(1)
    array([-162.,  -54.,   54.,  162.])
    >>> steering(circular(8, 1.0), [[1.0, 0.0], [0.0, 1.0]]).shape  # two directions
    (2, 8)
    """
    centred, unit = _facing(elements, direction)
    phase = np.sum(centred * unit[..., None, :], axis=-1)
    return np.exp(2j * np.pi * phase) / np.sqrt(centred.shape[-2])


def spread(elements: ArrayLike) -> Array:
    """Covariance of an array's phases by the direction, ``(2 pi)^2 Cov(e)``.

    What survives an unknown gain, in the units of :class:`cfisac.paths.Paths`: the information of
    a path about its direction u, a unit vector, is ``2 snr`` times this.

    Parameters
    ----------
    elements : (..., N, D) float
        In wavelengths, all with the same share of the energy.

    Returns
    -------
    (..., D, D)
        In rad^2. Singular for an array without aperture in some direction.

    Raises
    ------
    ValueError
        If ``elements`` are no finite points.

    Examples
    --------
    >>> np.diag(spread(planar(4, 8))).round(1)  # over x, y and z
    array([ 0. , 51.8, 12.3])
    """
    rows = aperture(elements)
    return np.swapaxes(rows, -1, -2) @ rows


def aperture(elements: ArrayLike) -> Array:
    """Rows R with ``R^T R`` the :func:`spread`: the directions in which an array is wide.

    The form in which an array enters a bound. ``R u`` are its electrical angles, one for each row,
    with the spread one; a direction without aperture has rows of exactly zero.

    Parameters
    ----------
    elements : (..., N, D) float
        In wavelengths. Arrays with different numbers of elements are reduced one by one and
        stacked: ``np.stack([aperture(each) for each in arrays])``.

    Returns
    -------
    (..., D, D)
        R in rad; the rows' signs mean nothing.

    Raises
    ------
    ValueError
        If ``elements`` are no finite points.

    Examples
    --------
    >>> rows = aperture(linear(8))
    >>> np.linalg.norm(rows, axis=0).round(2)  # none along x, the root of the spread along y
    array([0. , 7.2])
    >>> aperture(turned(linear(8), np.radians([0, 90, 180]))).shape
    (3, 2, 2)
    """
    places = _elements(elements)
    number, dimension = places.shape[-2:]
    centred = places - places.mean(axis=-2, keepdims=True)
    padded = np.zeros((*places.shape[:-2], max(number, dimension), dimension))
    padded[..., :number, :] = centred
    rows = np.asarray(np.linalg.qr(padded, mode="r")) * (2 * np.pi / np.sqrt(number))
    # What is but the rounding of the places is no aperture.
    largest = np.max(np.abs(places), axis=(-2, -1), keepdims=True, initial=0.0)
    floor = 16 * dimension * np.pi * _checks.precision(elements) * largest
    return np.where(np.abs(rows) <= floor * np.sqrt(number), 0.0, rows)


def beam_aperture(
    elements: ArrayLike,
    direction: ArrayLike,
    beams: ArrayLike,
    matched: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Power that beams send along a direction, and the aperture that they light it with.

    With ``V = S^H S`` the covariance of what the elements send, the power is ``b = a^H V a``, and
    what the direction changes in the signal beyond its complex scale is the spread ``C / b``,
    ``C = da^H V da - da^H V a a^H V da / b``. One beam alone has none: the unknown gain hides
    all that the direction changes.

    Parameters
    ----------
    elements : (..., N, D) float
        In wavelengths.
    direction : (..., D) float
        Unit vectors from the array.
    beams : (..., B, N) complex
        S, one row for each beam: its weights, conjugated, times the root of its power (W). In
        ``a^H V a`` a beam ``v`` counts as ``|v^H a|^2``.
    matched : (...) float, optional
        Power of one more beam (W), >= 0, that points along each direction itself, ``v = a``. It
        lights the point and, broad at its maximum, has no slope: only what the others hide of
        theirs behind the gain changes.

    Returns
    -------
    power : (...)
        b in watts; exactly 0 in a null, to rounding.
    aperture : (..., D, D)
        Rows R with ``R^T R`` the spread, as :func:`aperture` has them; 0 where ``b = 0``.

    Raises
    ------
    ValueError
        If an argument is not finite, ``direction`` is not a unit vector, or the shapes do not fit.

    Examples
    --------
    >>> array = linear(8)
    >>> towards = steering(array, [[1.0, 0.0], [0.8, 0.6]])  # two beams of 0.1 W
    >>> power, rows = beam_aperture(array, [0.96, 0.28], np.sqrt(0.1) * towards.conj())
    >>> print(f"{1e3 * power:.1f} mW, aperture {np.linalg.norm(rows):.2f} rad")
    5.2 mW, aperture 15.03 rad
    """
    centred, unit = _facing(elements, direction)
    weights = _checks.finite("beams", beams, complex)
    n = centred.shape[-2]
    if weights.ndim < 2 or weights.shape[-1] != n:
        raise ValueError(f"beams must have shape (..., B, {n}), got {weights.shape}")
    _checks.must_broadcast(elements_and_direction=centred.shape[:-2], beams=weights.shape[:-2])
    response = steering(centred, unit)
    slopes = 2j * np.pi * centred * response[..., None]
    signal, turn = (weights @ response[..., None])[..., 0], weights @ slopes
    eps = 8 * np.finfo(float).eps
    size = np.abs(weights)
    lost = np.abs(signal) <= eps * (size @ np.abs(response)[..., None])[..., 0]
    signal = np.where(lost, 0.0, signal)
    power = np.sum(np.abs(signal) ** 2, axis=-1)
    own = None if matched is None else _checks.non_negative("matched", matched)
    if own is not None:
        _checks.must_broadcast(beams_and_direction=power.shape, matched=own.shape)
        power = power + own
    lit = power > 0
    below = np.where(lit, power, 1.0)[..., None]
    share = np.sum(signal.conj()[..., None] * turn, axis=-2) / below
    rest = turn - signal[..., None] * share[..., None, :]
    wrong = size @ np.abs(slopes) + np.abs(signal)[..., None] * np.abs(share)[..., None, :]
    if own is not None:  # the row of the matched beam: nothing of its own, less the share
        root = np.sqrt(own)[..., None]
        rest = np.concatenate([rest, (-root * share)[..., None, :]], axis=-2)
        terms = np.sum(np.abs(signal)[..., None] * (size @ np.abs(slopes)), axis=-2) / below
        wrong = np.concatenate([wrong, (root * terms)[..., None, :]], axis=-2)
    rest = np.where((np.abs(rest) <= eps * wrong) | ~lit[..., None, None], 0.0, rest)
    rows = np.concatenate([rest.real, rest.imag], axis=-2) / np.sqrt(below)[..., None]
    short = max(0, centred.shape[-1] - rows.shape[-2])
    rows = np.pad(rows, [(0, 0)] * (rows.ndim - 2) + [(0, short), (0, 0)])
    return power, np.asarray(np.linalg.qr(rows, mode="r"))


def _elements(elements: ArrayLike) -> Array:
    places = _checks.points("elements", elements, 2, (2, 3))
    if places.shape[-2] == 0:
        raise ValueError("elements must hold one element or more")
    return places


def _facing(elements: ArrayLike, direction: ArrayLike) -> tuple[Array, Array]:
    """Elements counted from their mean, and directions, with all leading axes of both."""
    places, unit = _elements(elements), _checks.unit_vectors("direction", direction, (2, 3))
    _checks.same_dimension(elements=places, direction=unit)
    leading = _checks.must_broadcast(elements=places.shape[:-2], direction=unit.shape[:-1])
    centred = places - places.mean(axis=-2, keepdims=True)
    return np.broadcast_to(centred, (*leading, *centred.shape[-2:])), unit
