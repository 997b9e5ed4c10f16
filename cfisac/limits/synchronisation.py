"""What clocks cost: the parallel sum of what links say and what is known of the clocks.

Echoes of one target reach listeners r from senders p with weights ``w_pr = 2 SNR_pr v`` (what an
unknown gain leaves of a delay, ``v`` the variance of the spectrum in s^-2). A clock per access
point shifts each delay by ``b_r - b_p``. The links are the edges of a graph, L its Laplacian, and
clocks known to the standard deviations Sigma^(1/2) leave of the delays::

    F = Xi^T (L : Sigma^-1) Xi,        A : B = A (A + B)^+ B,

the *parallel sum*, with the rows ``-u_p / c`` of senders and ``+u_r / c`` of listeners in Xi. The
sum over any other paths, and any other unknowns of access points, is
:func:`cfisac.paths.information`; here are the laws that its numbers follow, and the one that
overlapping paths of a multipath channel follow.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, geometry
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac._rounding import a_square, refuse_negative

Array = NDArray[np.float64]


def laplacian(weights: ArrayLike) -> Array:
    """Laplacian of the graph of links from senders to listeners.

    Parameters
    ----------
    weights : (..., P, R) float
        w_pr >= 0: information about each delay, ``2 SNR v`` in s^-2; zero without a link.

    Returns
    -------
    (..., P + R, P + R)
        Senders first. Its diagonal is all that is said about one clock if the place and the other
        clocks are known; its rows sum to zero, since an offset of all clocks changes nothing.

    Raises
    ------
    ValueError
        If ``weights`` is not a matrix of finite numbers >= 0.

    Examples
    --------
    >>> laplacian([[4.0, 1.0]])  # one sender, two listeners
    array([[ 5., -4., -1.],
           [-4.,  4.,  0.],
           [-1.,  0.,  1.]])
    """
    given = _checks.non_negative("weights", weights)
    if given.ndim < 2:
        raise ValueError(f"weights must have shape (..., P, R), got {given.shape}")
    p, r = given.shape[-2:]
    whole = np.zeros((*given.shape[:-2], p + r, p + r))
    whole[..., :p, p:], whole[..., p:, :p] = -given, -np.swapaxes(given, -1, -2)
    index = np.arange(p + r)
    whole[..., index, index] = -whole.sum(axis=-1)
    return whole


def parallel_sum(first: ArrayLike, second: ArrayLike) -> Array:
    """``A : B = A (A + B)^+ B``, as of resistors: of two numbers ``a b / (a + b)``.

    Parameters
    ----------
    first, second : (..., n, n) float
        Symmetric and positive semidefinite.

    Returns
    -------
    (..., n, n)
        Symmetric, below both.

    Raises
    ------
    ValueError
        If a matrix is not symmetric and positive semidefinite, or the shapes do not fit.

    Examples
    --------
    >>> np.diag(parallel_sum(np.diag([4.0, 1.0]), np.diag([4.0, 3.0]))).round(3)
    array([2.  , 0.75])
    """
    pair = [a_square("first", first), a_square("second", second)]
    for name, value, each in zip(("first", "second"), (first, second), pair, strict=True):
        refuse_negative(name, np.linalg.eigvalsh(each), _checks.precision(value))
    _checks.must_broadcast(first=pair[0].shape[:-2], second=pair[1].shape[:-2])
    if pair[0].shape[-1] != pair[1].shape[-1]:
        raise ValueError(
            f"first and second must be of the same size, got {pair[0].shape} and {pair[1].shape}"
        )
    total = pair[0] + pair[1]
    scale = np.sqrt(np.diagonal(total, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    outer = scale[..., :, None] * scale[..., None, :]
    inverse = np.linalg.pinv(total / outer, rcond=1e-12, hermitian=True) / outer
    product = pair[0] @ inverse @ pair[1]
    return (product + np.swapaxes(product, -1, -2)) / 2


def delay_information(
    position: ArrayLike,
    transmitters: ArrayLike,
    receivers: ArrayLike,
    weights: ArrayLike,
    std: ArrayLike,
) -> Array:
    """Information in the delays by way of one target, when clocks are known to ``std``.

    The parallel-sum law, with its two ends: 0 is a known clock, ``inf`` an unknown one.

    Parameters
    ----------
    position : (D,) float
        The target (m), D = 2 or 3.
    transmitters, receivers : (P, D), (R, D) float
        Senders and listeners (m), each with a clock of its own.
    weights : (P, R) float
        ``2 SNR v`` of each path (s^-2).
    std : (P + R,) float or one number
        Standard deviation of each clock (s), senders first.

    Returns
    -------
    (D, D)
        In m^-2.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not fit.

    Notes
    -----
    With all clocks unknown nothing is left, however many access points there are: ``u_p + u_r``
    is a sum of something of the sender's and something of the listener's. Here that is a zero to
    rounding, from :func:`cfisac.paths.information` an exact one.

    Examples
    --------
    >>> from cfisac import fisher
    >>> target, sends, hear = [30.0, 40.0], [[0.0, 0.0], [80.0, 60.0]], [[80.0, 0.0], [0.0, 60.0]]
    >>> for std in (0.0, 1e-9):  # s
    ...     efim = delay_information(target, sends, hear, np.full((2, 2), 1e18), std)
    ...     print(f"{fisher.position_error_bound(efim):.2f} m")
    0.22 m
    0.38 m
    """
    out = geometry.sight(position, transmitters, names=("position", "transmitters"))
    back = geometry.sight(position, receivers, names=("position", "receivers"))
    graph = laplacian(weights)
    rows = np.concatenate([-out.unit, back.unit]) / speed_of_light
    deviation = np.broadcast_to(_checks.or_inf("std", std, _checks.non_negative), len(rows))
    if graph.shape != (len(rows), len(rows)):
        raise ValueError(
            f"weights must have shape ({len(out.unit)}, {len(back.unit)}), got {np.shape(weights)}"
        )
    # A : S^-2 = A - A T (T^2 S^-2 + T A T)^-1 T A for any T: with no more than the deviations a
    # known clock does no harm, and with no more than what the links tell of it an unknown one.
    own = np.diagonal(graph)
    scale = np.minimum(deviation, 1 / np.sqrt(np.where(own > 0, own, 1.0)))
    known = np.divide(scale, deviation, where=deviation > 0, out=np.ones(len(rows)))
    inside = scale[:, None] * graph * scale + np.diag(known**2)
    half = scale[:, None] * graph @ rows
    left = rows.T @ graph @ rows - half.T @ np.linalg.pinv(inside, 1e-12, hermitian=True) @ half
    return np.asarray((left + left.T) / 2)


def knee(weights: ArrayLike, axis: int) -> Array:
    """Standard deviation of a clock that costs half of what all its links know of it.

    ``(sum w)^(-1/2)``, the deviation to which the links of one access point would measure its
    clock if the place were known. Better clocks gain little, worse ones lose much.

    Parameters
    ----------
    weights : (..., P, R) float
        ``2 SNR v`` of each path (s^-2).
    axis : int
        The axis of those at the other end: -1 for the senders' knees, -2 for the listeners'.

    Returns
    -------
    (...)
        In seconds; ``inf`` without a link.

    Raises
    ------
    ValueError
        If ``weights`` is negative or not finite.

    Examples
    --------
    >>> weights = np.full((2, 3), 1e18)  # s^-2, two senders, three listeners
    >>> (1e9 * knee(weights, axis=-1)).round(3)  # ns, of the senders
    array([0.577, 0.577])
    """
    total = _checks.non_negative("weights", weights).sum(axis=axis)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.sqrt(total))


def overlap(time_bandwidth: ArrayLike, phase: ArrayLike) -> Array:
    """Share of the information about a delay that an unresolved second path leaves.

    Both delays and both complex gains are unknown, the spectrum is flat. With its autocorrelation
    r, its variance beta^2 = -r''(0) and the phase psi between the gains::

        share = A / beta^2 (1 - cos^2(psi) C^2 / A^2),
        A = beta^2 - r'^2 / (1 - r^2),    C = -r'' - r r'^2 / (1 - r^2).

    The strength of the second path does not matter. Far apart the share is one.

    Parameters
    ----------
    time_bandwidth : (...) float
        W Delta >= 0.02, the separation of the delays times the bandwidth. Nearer by, the rounding
        of this form would show.
    phase : (...) float
        psi (rad), between the two gains, seen from the middle of the band.

    Returns
    -------
    (...)
        Between 0 and 1.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> overlap([0.5, 1.0, 1.5], phase=0.0).round(3)  # delays apart by half a resolution, and more
    array([0.011, 0.165, 0.657])
    """
    x = np.pi * _checks.finite("time_bandwidth", time_bandwidth)
    if not np.all(x >= 0.02 * np.pi):
        raise ValueError(f"time_bandwidth must be >= 0.02, got {x.min() / np.pi:g}")
    psi = _checks.finite("phase", phase)
    _checks.must_broadcast(time_bandwidth=x.shape, phase=psi.shape)
    # sin(x) / x and its derivatives, all in units of the separation times pi W
    r = np.sin(x) / x
    first = (np.cos(x) - r) / x
    second = -r - 2 * first / x
    gone = first**2 / (1 - r**2)
    a, c = 1 / 3 - gone, -second - r * gone
    return 3 * a * (1 - np.cos(psi) ** 2 * (c / a) ** 2)
