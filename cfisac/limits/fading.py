"""Gains that fade: the mean of the bound, the bound of the mean, and who needs whom.

The powers of L paths are ``g_l`` times their means, independent, of the Gamma law with mean one and
shape m: 1 is Rayleigh fading (Swerling I), 2 is Swerling III, infinity does not fade. With the
information ``F_l`` of each path at its mean power, a frame tells ``F(g) = sum_l g_l F_l``. Its
bound is right for a receiver that is unbiased at every g, and its mean, not the bound at the mean
power, is what the errors of many frames are to be compared with::

    (E F)^-1  <=  L m / (L m - 1) (E F)^-1  <=  E F^-1.
"""

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac._rounding import a_square, refuse_negative, unit_diagonal
from cfisac.limits._diversity import silence
from cfisac.limits._fading_draws import inverses
from cfisac.paths import Paths

Array = NDArray[np.float64]

_UNEVEN = 30_000.0  # growth of a bound without one path, from which on draws are too few
_EDGE = 1.5  # how far, in orders of the tail, a mean must be from infinity to be sampled


class MeanBound(NamedTuple):
    """A mean over fading gains.

    Attributes
    ----------
    mean : (n, n) or scalar float
        ``inf`` where the theorem says so, never because of a draw.
    standard_error : (n, n) or scalar float
        Of ``mean``; 0 where it is exact.
    size : int
        Number of draws.

    Examples
    --------
    >>> found = mean_crlb(np.ones((3, 1, 1)), np.random.default_rng(1))
    >>> found.mean.round(3), found.size  # 3 / 2 of the bound 1 / 3 at the mean power
    (array([[0.5]]), 20000)
    """

    mean: Array
    standard_error: Array
    size: int


def diversity(each: ArrayLike) -> NDArray[np.int64]:
    """How many paths must fall silent together before a parameter is lost.

    A path is *indispensable* to a parameter of diversity one.

    Parameters
    ----------
    each : (L, n, n) float
        F_l, information of every path by itself: ``paths.each()``, its path axes in one.

    Returns
    -------
    (n,) int
        0 for a parameter that all paths together do not tell. With k paths and the Gamma shape m
        the bound of the parameter has a tail ``P(CRB > t)`` of the order ``t^(-k m)``.

    Raises
    ------
    ValueError
        If ``each`` is no stack of information matrices, or asks for more than 200 000 sets of
        paths, ``C(L, 0) + ... + C(L, n - 1)``.

    Examples
    --------
    Three ranges from two sides: the one from the south is alone.

    >>> east, south = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    >>> diversity([east, 2 * east, south])
    array([2, 1])
    """
    return silence(_units(each)[1]).order


def mean_crlb(
    each: ArrayLike, rng: np.random.Generator, fading_shape: float = 1.0, size: int = 20_000
) -> MeanBound:
    """Mean of the bound over fading gains, ``E (sum_l g_l F_l)^-1``.

    A diagonal entry is finite exactly where ``k m > 1``, k the :func:`diversity` of the parameter:
    under Rayleigh fading, where no single path is indispensable to it. This is decided from the
    ranges of the F_l. What is finite is drawn: the sum of all gains is independent of how they
    share it and its mean is exact, so only shares are drawn; and where the mean square would not
    be finite, half of the draws have more silent paths than there are, with the weight for it.

    Parameters
    ----------
    each : (L, n, n) float
        F_l, information of every path by itself at its mean power: ``paths.each()``, its path
        axes in one. Unknowns that all paths share (a velocity, a clock) belong into the n.
    rng : numpy.random.Generator
        Source of the draws.
    fading_shape : float
        m >= 0.5 of the Gamma law of the powers.
    size : int
        Number of draws, >= 2.

    Returns
    -------
    MeanBound
        Matrices, in the order of the parameters; ``inf`` on the diagonal of what has no finite
        mean, and 0 beside it.

    Raises
    ------
    ValueError
        If ``each`` is no stack of information matrices or too large for :func:`diversity`,
        ``fading_shape``, ``size`` or ``rng`` is out of range, ``1 < k m < 1.5``: finite, but so
        near the edge that no sample of this kind tells its value; or if without one path a bound
        would be more than 30 000 times as large: then the mean hangs on gains too rare to be drawn.

    Examples
    --------
    Four ranges, two from each side: the mean is twice the bound at the mean powers.

    >>> sides = [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]
    >>> found = mean_crlb(2 * sides, np.random.default_rng(1))
    >>> bool(abs(np.trace(found.mean) - 2) < 4 * np.trace(found.standard_error))
    True
    >>> mean_crlb(sides, np.random.default_rng(1)).mean
    array([[inf,  0.],
           [ 0., inf]])
    """
    scale, units = _units(each)
    silent = silence(units)
    m, number = _shape_and_size(fading_shape, size, rng)
    finite = _has_mean(silent.order, m, 1.0)
    if not np.any(finite):
        return _with_inf(np.zeros(units.shape[1:]), np.zeros(units.shape[1:]), finite, number)
    _refuse_uneven(units, finite)
    mean, square = np.zeros(units.shape[1:]), np.zeros(units.shape[1:])
    for covariance, weight in inverses(units, silent, finite, m, 1.0, rng, number):
        values = weight[:, None, None] * covariance
        mean, square = mean + values.sum(axis=0), square + np.sum(values**2, axis=0)
    factor = _of_total(len(units), m, 1.0) / (scale[:, None] * scale)
    mean, square = mean / number, square / number
    error = np.sqrt(np.maximum(square - mean**2, 0.0) / (number - 1))
    return _with_inf(factor * mean, factor * error, finite, number)


def mean_position_error_bound(
    each: ArrayLike,
    rng: np.random.Generator,
    fading_shape: float = 1.0,
    size: int = 20_000,
    n_keep: int = 2,
) -> MeanBound:
    """Mean of the position error bound over fading gains, ``E sqrt(tr F(g)^-1)``.

    As :func:`mean_crlb`, but a length, and finite already where ``k m > 1/2``: under Rayleigh
    fading, wherever the position is identifiable. It says little of the errors to expect where
    their squares have no mean; quote a quantile there.

    Parameters
    ----------
    each, rng, fading_shape, size
        As in :func:`mean_crlb`.
    n_keep : int
        How many parameters, the first, are the position; the others are unknown, too.

    Returns
    -------
    MeanBound
        Numbers, in metres.

    Raises
    ------
    ValueError
        As :func:`mean_crlb`, with ``1/2 < k m < 3/4``; or if ``n_keep`` is not in 1..n.

    Examples
    --------
    One path that tells everything: ``sqrt(pi)`` times the bound at its mean power.

    >>> found = mean_position_error_bound([np.eye(2)], np.random.default_rng(1))
    >>> print(f"{found.mean / np.sqrt(2):.4f}")
    1.7725
    """
    scale, units = _units(each)
    kept = _checks.one("n_keep", n_keep, _checks.count)
    if kept > units.shape[-1]:
        raise ValueError(f"n_keep must be a whole number in 1..{units.shape[-1]}, got {n_keep!r}")
    silent = silence(units)
    m, number = _shape_and_size(fading_shape, size, rng)
    finite = _has_mean(silent.order[:kept], m, 0.5)
    if not np.all(finite):
        return MeanBound(np.array(inf), np.array(0.0), number)
    draws = []
    for covariance, weight in inverses(units, silent, finite, m, 0.5, rng, number):
        variance = np.diagonal(covariance, axis1=-2, axis2=-1)[:, :kept] / scale[:kept] ** 2
        draws.append(weight * np.sqrt(variance.sum(axis=-1)))
    values = _of_total(len(units), m, 0.5) * np.concatenate(draws)
    return MeanBound(values.mean(), values.std(ddof=1) / np.sqrt(number), number)


def floor(n_paths: ArrayLike, fading_shape: ArrayLike = 1.0) -> Array:
    """Least factor by which fading raises the mean bound, ``L m / (L m - 1)``.

    ``E F^-1 >= floor (E F)^-1`` for any L paths, with equality if all F_l are equal.

    Parameters
    ----------
    n_paths : (...) int
        L >= 1.
    fading_shape : (...) float
        m > 0.

    Returns
    -------
    (...)
        ``inf`` where ``L m <= 1``.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> floor([1, 2, 4, 8]).round(3)
    array([  inf, 2.   , 1.333, 1.143])
    """
    return _floor(n_paths, fading_shape, 1.0)


def root_floor(n_paths: ArrayLike, fading_shape: ArrayLike = 1.0) -> Array:
    """Least factor by which fading raises the mean position error bound.

    ``sqrt(L m) Gamma(L m - 1/2) / Gamma(L m)``, as :func:`floor` for the root of the trace.

    Parameters
    ----------
    n_paths, fading_shape
        As in :func:`floor`.

    Returns
    -------
    (...)
        ``inf`` where ``L m <= 1/2``.

    Raises
    ------
    ValueError
        As :func:`floor`.

    Examples
    --------
    >>> root_floor([1, 2, 4, 8]).round(3)
    array([1.772, 1.253, 1.108, 1.05 ])
    """
    return _floor(n_paths, fading_shape, 0.5)


def unconditional_paths(paths: Paths) -> Paths:
    """Paths whose information is that of the Rayleigh model itself: ``SNR^2 / (1 + SNR)`` for SNR.

    If the gain is CN(0, SNR) and belongs to the model, a path ``y = a f(theta) + noise`` is
    Gaussian with the covariance ``I + SNR f f^H``, and tells ``2 SNR^2 / (1 + SNR)`` times its
    spread, whether SNR is known or not.

    Parameters
    ----------
    paths : cfisac.paths.Paths
        At their mean SNRs, each with a gain of its own, constant over the frame.

    Returns
    -------
    Paths
        For :func:`unconditional_efim`, or to make clocks unknown.

    Raises
    ------
    ValueError
        If ``paths`` is no ``Paths``.

    Examples
    --------
    >>> unconditional_paths(Paths(1.0, np.eye(1), np.eye(1))).snr
    array(0.5)
    """
    if not isinstance(paths, Paths):
        raise ValueError(f"paths must be Paths, got {type(paths).__name__}")
    told = paths.snr / (1 + paths.snr) * paths.snr
    return Paths(
        told, paths.spread, paths.jacobian, paths.rounding, paths.columns, paths.columns_rounding
    )


def unconditional_efim(paths: Paths) -> Array:
    """Information on the state of Rayleigh paths (Slepian and Bangs), summed over all of them.

    ``F_u = sum_l 2 SNR_l^2 / (1 + SNR_l) J_l^T C_l J_l``. Its inverse may lie above or below the
    mean of :func:`mean_crlb`: there is no order between them.

    Parameters
    ----------
    paths : cfisac.paths.Paths
        As in :func:`unconditional_paths`.

    Returns
    -------
    (n, n)

    Raises
    ------
    ValueError
        As :func:`unconditional_paths`.

    Examples
    --------
    >>> unconditional_efim(Paths([1.0, 3.0], np.eye(1), np.eye(1)))  # 2 (1/2 + 9/4)
    array([[5.5]])
    """
    return unconditional_paths(paths).information()


# --------------------------------------------------------------------------------- what they share


def _refuse_uneven(units: Array, finite: NDArray[np.bool_]) -> None:
    """Refuse paths (L, n, n) of which one is nearly indispensable: draws would seldom miss it."""
    with_all = np.diag(fisher.crlb(units.sum(axis=0)))[finite]
    for index in range(len(units)):
        others = np.delete(units, index, axis=0).sum(axis=0)
        growth = np.diag(fisher.crlb(others))[finite] / with_all
        worst = float(growth[np.isfinite(growth)].max(initial=1.0))
        if worst > _UNEVEN:
            raise ValueError(
                f"each must hold no path without which a bound is more than {_UNEVEN:g} times as "
                f"large, got path {index} with {worst:.3g} times: the mean hangs on gains too "
                "rare to be drawn"
            )


def _units(each: ArrayLike) -> tuple[Array, Array]:
    """Units (n,) in which the diagonal of the sum is one, and the paths (L, n, n) in them."""
    given = a_square("each", _checks.finite("each", each))
    if given.ndim != 3 or len(given) == 0:
        raise ValueError(f"each must have shape (L, n, n) with L >= 1, got {given.shape}")
    scale = unit_diagonal(given.sum(axis=0))[1]
    units = given / (scale[:, None] * scale)
    refuse_negative("each", np.linalg.eigvalsh(unit_diagonal(units)[0]), _checks.precision(each))
    return scale, units


def _shape_and_size(fading_shape: float, size: int, rng: np.random.Generator) -> tuple[float, int]:
    _checks.generator("rng", rng)
    m = _checks.one("fading_shape", fading_shape, _checks.positive)
    if m < 0.5:
        raise ValueError(f"fading_shape must be >= 0.5, got {m:g}")
    return m, _checks.one("size", size, _checks.count, 2)


def _has_mean(order: NDArray[np.int64], m: float, power: float) -> NDArray[np.bool_]:
    """Tell where ``E CRB^power`` is finite; refuse what is, but cannot be sampled."""
    tail = order * m / power
    if np.any((tail > 1) & (tail < _EDGE)):
        raise ValueError(
            f"fading_shape times the diversity must be <= {power:g} or >= {_EDGE * power:g}, got "
            f"{tail[(tail > 1) & (tail < _EDGE)].min() * power:g}: no sample tells such a mean"
        )
    return np.asarray(tail > 1)


def _of_total(n_paths: int, m: float, power: float) -> float:
    """``E G^-power`` of the sum G of all gains."""
    from scipy.special import poch

    return float(m**power * poch(n_paths * m, -power))


def _floor(n_paths: ArrayLike, fading_shape: ArrayLike, power: float) -> Array:
    from scipy.special import poch

    number = _checks.count("n_paths", n_paths)
    m = _checks.positive("fading_shape", fading_shape)
    _checks.must_broadcast(n_paths=number.shape, fading_shape=m.shape)
    total = number * m
    above = np.where(total > power, total, 1.0 + power)
    return np.asarray(np.where(total > power, above**power * poch(above, -power), np.inf))


def _with_inf(mean: Array, error: Array, finite: NDArray[np.bool_], size: int) -> MeanBound:
    both = finite[:, None] & finite
    mean, error = np.where(both, mean, 0.0), np.where(both, error, 0.0)
    mean[~finite, ~finite] = np.inf
    return MeanBound(mean, error, size)
