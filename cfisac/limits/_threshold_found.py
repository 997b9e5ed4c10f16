"""How often the truth's own peak is the highest, rivals that share some of its energy included."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.limits._threshold_count import log_peak_density
from cfisac.limits._threshold_landscape import Landscape

Array = NDArray[np.float64]

_STRANGER = 0.01  # r^2 at every access point, up to which a place has nothing of the truth
_NODES = 64  # of what the truth's matched filters hear
_SHARES = 32  # of how a peak of noise is made up of access points
_HALVINGS = 32  # of the interval that holds a saddle
_BLOCK = 2**17  # numbers worked on at a time
_MOST_DB = 300.0
_CERTAIN = 100.0  # logarithm of a number of rivals, of which one is surely louder


def found_probability(landscape: Landscape, boost_db: ArrayLike = 0.0, edge: float = 0.0) -> Array:
    """Chance that noncoherent maximum likelihood finds the truth's own peak.

    The truth's peak is as high as ``S_0 = sum_l e_l + c``: ``2 e_l`` is noncentral chi-squared with
    two degrees of freedom and noncentrality ``2 rho_l``, and ``2 c``, by which climbing lifts the
    peak, chi-squared with d of them. Given all e_l, the number of rivals above it is::

        N = (A' / A) (A nu_d(S_0) + edge nu_(d-1)(S_0)),     P_found = E exp(-N),

    where nu_d is the density of peaks of pure noise, ``A = int E_w sqrt(det sum_l w_l J_l) dp`` the
    size of the region, the shares w uniform on the simplex, and A' the same with each place counted
    as often as its echoes make it win: a place that shares an access point's echo with the truth
    starts with the energy ``r_l^2 e_l``, and only has to beat the rest.

    Parameters
    ----------
    landscape : Landscape
        The truth and all that is not its own peak: unlike :func:`rivals`, every place counts.
    boost_db : (...) float
        By how much the SNR of every access point is raised (dB), at most 300 either way.
    edge : float
        Half the size of the region's boundary, in the unit of A without its last factor: peaks
        that the boundary cuts. By default none is counted.

    Returns
    -------
    (...)

    Raises
    ------
    ValueError
        If an argument is no such thing or out of range, or no place tells all parameters.

    Notes
    -----
    :func:`rivals` averages over the e_l of the truth before it counts. That is good while the e_l
    matter through S_0 alone, and hides the rivals that win because one or two access points heard
    too little. The places have to be closer than the peaks of these access points are wide. The
    mean over the e_l is one over 64 quasi-random nodes; of several truths it errs less than of one.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from cfisac.limits import threshold
    >>> here = np.eye(2)[None] * [[[1.0]], [[1.0]]]  # two access points, each tells both numbers
    >>> places = np.broadcast_to(here, (3, 2, 2, 2))
    >>> volumes, errors = [99.0] * 3, [1.0] * 3
    >>> none = threshold.Landscape([6.0] * 2, np.zeros((3, 2)), places, here, volumes, errors)
    >>> shared = replace(none, correlation=[[0.0, 0.0], [0.0, 0.0], [0.95, 0.0]])
    >>> print(f"{found_probability(none):.2f} {found_probability(shared):.2f}")
    0.84 0.59
    """
    if not isinstance(landscape, Landscape):
        raise ValueError(f"landscape must be a Landscape, got {landscape!r}")
    boost = _checks.finite("boost_db", boost_db)
    if np.any(np.abs(boost) > _MOST_DB):
        raise ValueError(f"boost_db must be in [-{_MOST_DB:g}, {_MOST_DB:g}], got {boost_db!r}")
    rim = _checks.one("edge", edge, _checks.non_negative)
    sizes = region_size(landscape.metric) * landscape.volumes
    if not sizes.sum() > 0:
        raise ValueError(
            "landscape must hold a place at which the metrics together tell all parameters"
        )
    related = np.any(landscape.correlation**2 > _STRANGER, axis=1)
    found = [
        _found(landscape, landscape.snr * 10 ** (each / 10), sizes, related, rim)
        for each in boost.ravel()
    ]
    return np.array(found).reshape(boost.shape)


def region_size(metric: Array) -> Array:
    """Density ``E_w sqrt(det sum_l w_l J_l)`` (n,) of resolution cells, from J (n, L, d, d).

    High above its mean a peak of ``sum_l |n_l|^2`` has shares w of its energy from the access
    points that are uniform on the simplex, and it is as sharp as these make it.
    """
    n_branches = metric.shape[1]
    if n_branches == 1:
        return np.asarray(np.sqrt(np.linalg.det(metric[:, 0]).clip(0)))
    each = -np.log(quasi_random(n_branches, _SHARES))
    shares = each / each.sum(axis=1, keepdims=True)
    total = np.zeros(len(metric))
    for share in shares:
        total += np.sqrt(np.linalg.det(np.einsum("l,nlij->nij", share, metric)).clip(0))
    return np.asarray(total / len(shares))


def quasi_random(dimension: int, number: int) -> Array:
    """The first points of Sobol's sequence (number, dimension), none of them on 0 or 1."""
    from scipy.stats import qmc  # here, or every command would wait for it

    bits = int(np.ceil(np.log2(number)))
    points = qmc.Sobol(dimension, scramble=False).random_base2(bits)[:number]
    return np.asarray(points + 0.5 / 2**bits)


def heard(snr: Array, dimension: int) -> tuple[Array, Array]:
    """Nodes of the energies (m, L) at the truth, and of what climbing adds (m,), equal weights."""
    from scipy.special import gammaincinv, ndtri

    nodes = quasi_random(2 * len(snr) + 1, _NODES)
    parts = ndtri(nodes[:, 1:]).reshape(len(nodes), len(snr), 2) / np.sqrt(2)
    energies = (np.sqrt(snr) + parts[..., 0]) ** 2 + parts[..., 1] ** 2
    climbed: Array = np.asarray(gammaincinv(dimension / 2, nodes[:, 0]), dtype=float)
    return np.asarray(energies, dtype=float), climbed


def _found(places: Landscape, snr: Array, sizes: Array, related: Array, edge: float) -> float:
    from scipy.special import logsumexp

    energies, climbed = heard(snr, places.dimension)
    level = energies.sum(axis=1) + climbed
    n_branches, d = len(snr), places.dimension
    number = np.log(sizes.sum()) + log_peak_density(level, n_branches, d)
    if edge > 0:
        number = np.logaddexp(number, np.log(edge) + log_peak_density(level, n_branches, d - 1))
    with np.errstate(divide="ignore"):  # places that no peak can be at
        shares = np.log(sizes[related] / sizes.sum())
    counted = np.full(len(level), 1.0 - sizes[related].sum() / sizes.sum())
    counted = np.log(np.maximum(counted, np.finfo(float).tiny))
    step = max(1, _BLOCK // max(1, int(related.sum())))
    for start in range(0, len(level) if related.any() else 0, step):
        block = slice(start, start + step)
        often = _how_often(
            places.correlation[related] ** 2, places.metric[related], energies[block], level[block]
        )
        counted[block] = np.logaddexp(counted[block], logsumexp(often + shares, axis=1))
    return float(np.mean(np.exp(-np.exp(np.minimum(number + counted, _CERTAIN)))))


def _how_often(alike: Array, metric: Array, energies: Array, level: Array) -> Array:
    """Log (m, n) of how many times as often as a stranger each place wins; energies are (m, L)."""
    half = metric.shape[-1] / 2
    chance, s, power = _tail(alike, energies[:, None], level[:, None])
    far, s_far, blunt = _tail(np.zeros((1, alike.shape[1])), energies[:, None], level[:, None])
    plain = np.linalg.det(metric.sum(axis=1)).clip(0)
    sharp = np.linalg.det(np.einsum("mnl,nlij->mnij", power, metric)).clip(0)
    growth = np.divide(sharp, plain, out=np.zeros_like(sharp), where=plain > 0)
    with np.errstate(divide="ignore"):
        rate = half * np.log(s / (s_far * blunt[..., 0])) + np.log(growth) / 2
    return np.asarray(chance - far + rate)


def _tail(alike: Array, energies: Array, level: Array) -> tuple[Array, Array, Array]:
    """Logarithm of the chance that a place is above a level, its saddle, and its powers there.

    Of ``sum_l |r_l z_l + kappa_l n_l|^2``, where ``|z_l|^2`` are the energies at the truth: the
    first term of the expansion at the saddle, which is wrong by as much for all places.
    """
    own, apart = alike * energies, np.maximum(1 - alike, 0.0)  # (m, n, L)
    low = np.zeros(np.broadcast_shapes(apart.shape[:-1], level.shape))
    high = np.broadcast_to(1 / np.maximum(apart.max(axis=-1), 1e-12), low.shape).copy()
    for _ in range(_HALVINGS):
        s = (low + high) / 2
        pole = 1 - apart * s[..., None]
        rising = (apart / pole + own / pole**2).sum(axis=-1) - level - 1 / s > 0
        high, low = np.where(rising, s, high), np.where(rising, low, s)
    s = (low + high) / 2
    pole = 1 - apart * s[..., None]
    height = (s[..., None] * own / pole - np.log(pole)).sum(axis=-1) - s * level - np.log(s)
    bend = (apart**2 / pole**2 + 2 * apart * own / pole**3).sum(axis=-1) + 1 / s**2
    chance = np.minimum(height - np.log(2 * np.pi * bend) / 2, 0.0)
    return chance, s, apart / pole + own / pole**2
