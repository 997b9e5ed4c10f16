"""Counting rivals: how many places of a region beat the truth, and what that does to the error."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac.limits import _threshold_contour as contour
from cfisac.limits._threshold_landscape import Landscape, unit_metric
from cfisac.paths import Paths

Array = NDArray[np.float64]

_LOBE = 0.25  # weighted correlation from which on a place belongs to the truth's own peak
_TWIN = 0.5  # the same, from which on a single place elsewhere decides
_OWN = 12.0  # squared distance, in units of the metric, that no peak's quarter reaches
_NODES, _REACH = 200, 8.5  # of the height of that peak, and standard deviations of it
_TAIL = 60.0  # what the tail of chi-squared needs beyond that
_MOST_DB = 300.0


class Prediction(NamedTuple):
    """What counted rivals predict for maximum likelihood.

    Attributes
    ----------
    outlier_probability : (...)
        P_out, of an estimate at a rival's place.
    mse : (...)
        Mean squared error in all.
    local_mse, outlier_mse : (...)
        Of estimates near the truth, with the noise x noise term, and of the others.
    crlb : (...)
        The Cramér-Rao bound of the same error.

    Examples
    --------
    >>> from cfisac.limits import threshold
    >>> spread = (2 * np.pi) ** 2 * (16**2 - 1) / 12
    >>> angle = threshold.line(1.0, threshold.uniform(16), spread, 1.0, circular=True)
    >>> threshold.rivals(angle, 30.0)._fields[:3]
    ('outlier_probability', 'mse', 'local_mse')
    """

    outlier_probability: Array
    mse: Array
    local_mse: Array
    outlier_mse: Array
    crlb: Array


def rivals(landscape: Landscape, boost_db: ArrayLike = 0.0) -> Prediction:
    """Predict outliers and mean squared error of noncoherent maximum likelihood.

    The estimator is ``argmax_p sum_l |s_l(p)^H y_l|^2``, each gain being unknown, of known modulus
    in the prediction. The number of rivals above the level x is ``N(x) = A nu(x)``: nu(x) is the
    density of peaks of a field of pure noise (its expected Euler characteristic), A the size of
    the region in units of that field, corrected for places that are somewhat like the truth. Then
    ``P_out = E[1 - exp(-N(S_0))]`` over the height S_0 of the truth's own peak.

    Parameters
    ----------
    landscape : Landscape
        The truth and its rivals, by :func:`landscape`, :func:`line` or :func:`strangers`.
    boost_db : (...) float
        By how much the SNR of every access point is raised (dB), at most 300 either way.

    Returns
    -------
    Prediction
        Where the parameters cannot be identified, ``crlb`` is ``inf`` and the local error is that
        of a blind guess, which it never exceeds.

    Raises
    ------
    ValueError
        If an argument is no such thing or out of range, or a place that is far from the truth has
        echoes like the truth's, as with a grating lobe or behind a row of antennas: that rival
        is not one of many.

    Notes
    -----
    A prediction, no bound. It counts on peaks that are independent of each other; the region has
    to hold a lobe or more beside the truth's. Places whose mean ``r_l^2``, weighted by ``rho_l``,
    exceeds a quarter belong to the truth's own peak and are no rivals.

    Examples
    --------
    >>> from cfisac.limits import threshold
    >>> spread = (2 * np.pi) ** 2 * (16**2 - 1) / 12
    >>> angle = threshold.line(10.0, threshold.uniform(16), spread, 1.0, circular=True)
    >>> found = rivals(angle, [0.0, 3.0, 6.0])  # at 10, 13 and 16 dB
    >>> found.outlier_probability.round(4)
    array([0.0437, 0.0009, 0.    ])
    >>> (found.mse / found.crlb).round(2)
    array([60.72,  2.67,  1.03])
    """
    if not isinstance(landscape, Landscape):
        raise ValueError(f"landscape must be a Landscape, got {landscape!r}")
    boost = _checks.finite("boost_db", boost_db)
    if np.any(np.abs(boost) > _MOST_DB):
        raise ValueError(f"boost_db must be in [-{_MOST_DB:g}, {_MOST_DB:g}], got {boost_db!r}")
    rows = [_predict(landscape, landscape.snr * 10 ** (each / 10)) for each in boost.ravel()]
    columns = np.array(rows).reshape(*boost.shape, 5)
    return Prediction(*np.moveaxis(columns, -1, 0))


def local_covariance(several: Paths, branch_weights: ArrayLike | None = None) -> Array:
    """Covariance of estimates that stay near the truth: the sandwich ``F^-1 G F^-1``.

    For the maximum of ``sum_l w_l |s_l^H y_l|^2``, with ``F = sum_l 2 w_l rho_l J_l`` and ``G =
    sum_l 2 w_l^2 (rho_l + 1) J_l``: to the bound it adds noise times noise. An access point that
    hears nothing (rho = 0) adds none to F, and ``2 w_l^2 J_l`` to G.

    Parameters
    ----------
    several : Paths
        Of one scene: all path axes are summed over.
    branch_weights : (...) float, optional
        w_l >= 0 of each path. By default equal, which is maximum likelihood for unknown gains;
        :func:`best_weights` makes the covariance smallest.

    Returns
    -------
    (n, n)
        In the units of the unknowns; ``inf`` everywhere if one cannot be identified.

    Raises
    ------
    ValueError
        If ``several`` are no Paths or the weights negative or of another shape.

    Examples
    --------
    >>> from cfisac.paths import Paths
    >>> two = Paths([10.0, 0.0], np.eye(1), np.ones((2, 1, 1)))  # the second hears nothing
    >>> local_covariance(two).round(3), local_covariance(two, best_weights([10, 0])).round(3)
    (array([[0.06]]), array([[0.055]]))
    """
    if not isinstance(several, Paths):
        raise ValueError(f"several must be Paths, got {several!r}")
    snr = np.broadcast_to(several.snr, several.shape).reshape(-1)
    weights = np.ones(several.shape) if branch_weights is None else branch_weights
    checked = _checks.non_negative("branch_weights", weights)
    if np.broadcast_shapes(checked.shape, several.shape) != several.shape:
        raise ValueError(
            f"branch_weights must broadcast to the paths {several.shape}, got {checked.shape}"
        )
    scale = np.broadcast_to(checked, several.shape).reshape(-1)
    scale = scale / max(float(scale.max(initial=0.0)), np.finfo(float).tiny)  # only ratios matter
    return _sandwich(unit_metric(several), snr, scale)


def best_weights(snr: ArrayLike) -> Array:
    """Weights ``rho / (1 + rho)`` that make :func:`local_covariance` smallest.

    With them it is ``(sum_l 2 rho_l^2 / (1 + rho_l) J_l)^-1``. They are also those of maximum
    likelihood for gains that are CN(0, rho_l).

    Parameters
    ----------
    snr : (...) float
        rho >= 0 of each path, in all its samples.

    Returns
    -------
    (...)
        In [0, 1): zero for a path that is not heard.

    Raises
    ------
    ValueError
        If ``snr`` is negative or not finite.

    Examples
    --------
    >>> best_weights([0.0, 1.0, 9.0])
    array([0. , 0.5, 0.9])
    """
    heard = _checks.non_negative("snr", snr)
    return np.asarray(heard / (1 + heard))


def _predict(places: Landscape, snr: Array) -> tuple[float, ...]:
    """P_out, MSE, local and outlier MSE, and the bound, at one SNR (L,)."""
    n_branches, d, kept = len(snr), places.dimension, places.n_keep
    bound = float(np.trace(fisher.crlb(_information(places.truth_metric, snr))[:kept, :kept]))
    blind = places.blind_mse
    local = float(np.trace(_sandwich(places.truth_metric, snr, np.ones(n_branches))[:kept, :kept]))
    density, size = _density(places, snr)
    if size == 0:
        return 0.0, min(local, blind), min(local, blind), blind, bound
    outside = float(density @ places.squared_error / density.sum())
    level, weight = _own_peak(2 * n_branches + d, float(snr.sum()))
    number = size * peak_density(level, n_branches, d)
    chance = float(-np.expm1(-number) @ weight)
    near = min(local, blind)
    return chance, chance * outside + (1 - chance) * near, near, outside, bound


def _density(places: Landscape, snr: Array) -> tuple[Array, float]:
    """Winning rivals in each cell, up to a factor, and the size A of the region they are in."""
    total = float(snr.sum())
    share = snr / total if total > 0 else np.full(len(snr), 1 / len(snr))
    alike = places.correlation**2 @ share
    outside = alike < _LOBE
    twins = _far(places, share) & (alike >= _TWIN)
    if np.any(twins):
        raise ValueError(
            "landscape must hold no place far from the truth whose echoes are like its own, got a "
            f"mean r^2 of {alike[twins].max():.2g} where {_TWIN:g} is allowed: such a place is no "
            "rival among many, and needs its own pairwise_error"
        )
    if not np.any(outside):
        return np.zeros(len(outside)), 0.0
    likeness, metric = places.correlation[outside], places.metric[outside]
    half, apart = places.dimension / 2, np.sqrt(np.maximum(1 - likeness**2, 0.0))
    rho = np.broadcast_to(snr, apart.shape)
    chance, s = contour.probability_at_saddle(rho, apart, "phase")
    power = winning_power(rho, likeness, s[:, None])
    far, s_far = contour.probability_at_saddle(snr[None], np.ones((1, len(snr))), "phase")
    sharp = np.linalg.det(np.einsum("nl,nlij->nij", power, metric))
    blunt = np.linalg.det(metric.sum(axis=1) / (1 - s_far[0]))
    mean = np.linalg.det(metric.mean(axis=1))
    seen = mean > 0
    growth = np.sqrt(np.divide(sharp, blunt, out=np.zeros_like(mean), where=seen).clip(0))
    odds = (s / (1 + s)) / (s_far[0] / (1 + s_far[0]))
    each = np.zeros(len(outside))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(far[0] > 0, chance / far[0], 0.0)
    each[outside] = relative * odds**half * growth * np.sqrt(mean.clip(0)) * places.volumes[outside]
    return each, float(each.sum())


def _far(places: Landscape, share: Array) -> NDArray[np.bool_]:
    """Places that are farther away than the truth's own peak can reach, however alike."""
    weighted = np.einsum("l,lij->ij", share, places.truth_metric)
    covariance = fisher.crlb(weighted)[: places.n_keep, : places.n_keep]
    if not np.all(np.isfinite(covariance)):
        return np.zeros(len(places.squared_error), dtype=bool)
    widest = float(np.linalg.eigvalsh(covariance)[-1])
    return np.asarray(places.squared_error > _OWN * widest)


def winning_power(snr: Array, likeness: Array, s: Array) -> Array:
    """S_l, power of a rival that wins: the mean of ``|s_l(q)^H y_l|^2`` under ``exp(s D_l)``."""
    apart = 1 - likeness**2
    pole = 1 - apart * s**2
    return np.asarray((1 + apart * s) / pole + snr * likeness**2 / pole**2)


def peak_density(level: Array, n_branches: int, dimension: int) -> Array:
    """Peaks of pure noise ``sum_l |z_l|^2`` above levels (n,), in units of ``sqrt(det J)``.

    The Euler characteristic density of a chi-squared field, by the kinematic formula ``(2
    pi)^(-d/2) (-d/dr)^(d-1) p(r)`` at ``r = sqrt(2 x)``, p the density of chi with 2L degrees of
    freedom. Where it falls with the level, which it does when peaks run into each other, the
    highest value above takes its place: fewer peaks above a lower level there cannot be.
    """
    polynomial, log_density = _euler(level, n_branches, dimension)
    order = np.argsort(level)
    plain = (polynomial * np.exp(log_density))[order].clip(0)
    found = np.empty_like(plain)
    found[order] = np.maximum.accumulate(plain[::-1])[::-1]
    return found


def log_peak_density(level: Array, n_branches: int, dimension: int) -> Array:
    """Logarithm of :func:`peak_density`, however far out; of dimension 0 that of the tail."""
    if dimension == 0:
        from scipy.special import gammaln, logsumexp

        k = np.arange(n_branches)
        terms = k * np.log(level[:, None]) - gammaln(k + 1)
        return np.asarray(logsumexp(terms, axis=1) - level)
    polynomial, log_density = _euler(level, n_branches, dimension)
    order = np.argsort(level)
    with np.errstate(divide="ignore"):
        plain = (np.log(polynomial.clip(0)) + log_density)[order]
    found = np.empty_like(plain)
    found[order] = np.maximum.accumulate(plain[::-1])[::-1]
    return found


def _euler(level: Array, n_branches: int, dimension: int) -> tuple[Array, Array]:
    """Factor and logarithm of the other one of the Euler characteristic density."""
    r, n = np.sqrt(2 * level), 2 * n_branches
    from scipy.special import gammaln

    # p^(k) = p q_k, q_(k+1) = q_k' + q_k ((n - 1) / r - r): powers of r and their factors
    powers = {0: 1.0}
    for _ in range(dimension - 1):
        following: dict[int, float] = {}
        for power, factor in powers.items():
            for shift, more in ((-1, power + n - 1), (1, -1)):
                following[power + shift] = following.get(power + shift, 0.0) + factor * more
        powers = following
    polynomial = sum(factor * r**power for power, factor in powers.items())
    log_density = (n - 1) * np.log(r) - level - (n / 2 - 1) * np.log(2) - gammaln(n / 2)
    sign = (-1) ** (dimension - 1) / (2 * np.pi) ** (dimension / 2)
    return np.asarray(sign * polynomial), np.asarray(log_density)


def _own_peak(degrees: int, total: float) -> tuple[Array, Array]:
    """Levels and weights of S_0, where ``2 S_0`` is noncentral chi-squared with ``2 total``."""
    from scipy.special import gammaln, ive

    shift = 2 * total
    mean, deviation = degrees + shift, np.sqrt(2 * (degrees + 2 * shift))
    low = max(mean - _REACH * deviation, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = (mean + _REACH * deviation + _TAIL - low) / 2
    x = low + half * (nodes + 1)
    order = degrees / 2 - 1
    if shift < 1e-8:
        log_density = order * np.log(x / 2) - x / 2 - gammaln(degrees / 2)
    else:
        root = np.sqrt(x * shift)
        log_density = order / 2 * np.log(x / shift) - (np.sqrt(x) - np.sqrt(shift)) ** 2 / 2
        log_density = log_density + np.log(ive(order, root))
    density = np.exp(log_density) * weights
    return x / 2, density / density.sum()


def _information(metric: Array, snr: Array) -> Array:
    return np.asarray(2 * np.einsum("l,lij->ij", snr, metric))


def _sandwich(metric: Array, snr: Array, weights: Array) -> Array:
    inverse = fisher.crlb(_information(metric, weights * snr))
    if not np.all(np.isfinite(inverse)):
        return np.full_like(inverse, np.inf)
    middle = _information(metric, weights**2 * (snr + 1))
    return np.asarray(inverse @ middle @ inverse)
