"""Rate against position error: one waveform, two purposes (commit).

A user's signal is split into data and pilots, ``x = x_c + x_p``. With the share ``rho`` of the
power on the data and all of it worth ``Gamma`` at the receiver, of one sample::

    R = log2(1 + Gamma rho / (1 + leakage Gamma (1 - rho))),
    1 / PEB^2 = 1 / tr((1 - rho) J + rho J_data)^-1,

with J the information of all power in pilots, and J_data that of all power in data. Information
adds over time, so ``1 / PEB^2`` and not PEB is what time sharing averages, at least. Further on:
the spectrum and the covariance that give the most rate for a bound, each with an upper bound on
what any other could, and what random symbols cost.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac.designs._solve import Infeasible
from cfisac.designs._tradeoff_covariance import (
    Covariance,
    best_covariance,
    sharpest_covariance,
)
from cfisac.designs._tradeoff_data import (
    random_data_loss,
    random_pilot_loss,
    unknown_data_efim,
)
from cfisac.designs._tradeoff_light import Light, covariance_rate
from cfisac.designs._tradeoff_service import in_unit, on_demand, pilot_overhead, report_delay
from cfisac.designs._tradeoff_spectrum import (
    Spectrum,
    largest_delay_information,
    shape_spectrum,
    spectrum_information,
    spectrum_rate,
)

__all__ = [
    "Covariance",
    "Light",
    "Region",
    "Spectrum",
    "best_covariance",
    "best_split",
    "covariance_rate",
    "largest_delay_information",
    "largest_leakage",
    "on_demand",
    "pilot_overhead",
    "random_data_loss",
    "random_pilot_loss",
    "region",
    "report_delay",
    "shape_spectrum",
    "share_time",
    "sharpest_covariance",
    "spectrum_information",
    "spectrum_rate",
    "unknown_data_efim",
]

Array = NDArray[np.float64]


class Region(NamedTuple):
    """Points of a rate-PEB region, one for each split.

    ``rate`` in bit/s/Hz and ``peb`` in metres (``inf`` where nothing is told of the position).

    Examples
    --------
    >>> Region(np.array(5.0), np.array(0.2)).peb.item()
    0.2
    """

    rate: Array
    peb: Array


# ------------------------------------------------------------------------- power, split in two


def region(
    split: ArrayLike,
    sample_snr: ArrayLike,
    efim: ArrayLike,
    data_efim: ArrayLike | None = None,
    leakage: ArrayLike = 0.0,
) -> Region:
    """Rate and position error bound when power is split between data and pilots.

    commit (19), (20), reconstructed.

    Parameters
    ----------
    split : (...) float
        rho, the share of the power on the data, in [0, 1]. Splits on the leading axes of the
        result; ``efim`` may have leading axes that broadcast with it.
    sample_snr : (...) float
        Gamma >= 0, the SNR of one sample of the data after the receivers are combined, with all
        power on the data.
    efim : (..., n, n) float
        J in m^-2 with all power on the pilots, nuisances removed: ``paths.information()``.
    data_efim : (..., n, n) float, optional
        The same with all power on the data. By default zero: the data are not used. Data that
        were decoded are pilots, ``efim`` itself; for data that nobody knows see
        :func:`unknown_data_efim`.
    leakage : (...) float
        Share of the pilots' power, in [0, 1], that disturbs the data: 0 if the pilots are
        cancelled before decoding, 1 if they stay.

    Returns
    -------
    Region

    Raises
    ------
    ValueError
        If an argument is out of range, a matrix is not an information, or shapes do not fit.

    Examples
    --------
    >>> ends = region([0.0, 0.5, 1.0], sample_snr=100.0, efim=np.diag([50.0, 50.0]))
    >>> ends.rate.round(2), ends.peb.round(2)
    (array([0.  , 5.67, 6.66]), array([0.2 , 0.28,  inf]))
    """
    split = in_unit("split", split)
    snr = _checks.non_negative("sample_snr", sample_snr)
    left = in_unit("leakage", leakage)
    pilots = np.asarray(_checks.finite("efim", efim))
    data = np.zeros_like(pilots) if data_efim is None else _checks.finite("data_efim", data_efim)
    if data.shape[-2:] != pilots.shape[-2:]:
        raise ValueError(
            f"data_efim must have the size of efim, got {data.shape} and {pilots.shape}"
        )
    _checks.must_broadcast(
        split=split.shape, sample_snr=snr.shape, leakage=left.shape,
        efim=pilots.shape[:-2], data_efim=data.shape[:-2],
    )  # fmt: skip
    rate = np.log2(1 + snr * split / (1 + left * snr * (1 - split)))
    share = split[..., None, None]
    return Region(rate, fisher.position_error_bound((1 - share) * pilots + share * data))


def largest_leakage(sample_snr: ArrayLike) -> Array:
    """Share of the pilots that may stay in the data with the region still convex.

    ``1 / (Gamma + 2)``: up to it the rate is a concave function of the split, so power splitting
    alone fills a region that is convex in rate and ``1 / PEB^2`` (and in rate and PEB). Beyond it
    time sharing finds better points. In words: what is left of the pilots must not exceed the
    noise.

    Parameters
    ----------
    sample_snr : (...) float
        Gamma >= 0, of one sample of the data, as in :func:`region`.

    Returns
    -------
    (...)

    Raises
    ------
    ValueError
        If ``sample_snr`` is negative or not finite.

    Examples
    --------
    >>> largest_leakage(98.0).item()  # 20 dB of cancellation at 20 dB
    0.01
    """
    return 1 / (_checks.non_negative("sample_snr", sample_snr) + 2)


def share_time(rate: ArrayLike, peb: ArrayLike, target_rate: ArrayLike) -> Array:
    """Smallest PEB that time sharing among operating points has at given rates.

    Information adds over time, so shares of time average the rate and, for matrices in
    proportion to each other, exactly ``1 / PEB^2``; for others that is a lower bound of it. What
    comes back is the upper concave envelope over the rate.

    Parameters
    ----------
    rate : (n,) float
        Of the points, >= 0 (bit/s/Hz).
    peb : (n,) float
        Of the points, > 0 (m); ``inf`` for one that tells nothing.
    target_rate : (...) float
        Rates to be had, in [0, max rate].

    Returns
    -------
    (...)
        PEB in metres.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.
    Infeasible
        If a target exceeds every rate.

    Examples
    --------
    >>> share_time([0.0, 1.0, 2.0], [0.1, 1.0, np.inf], 1.0).round(3).item()
    0.141
    """
    x = _checks.non_negative("rate", rate)
    y = 1 / _checks.or_inf("peb", peb, _checks.positive) ** 2
    at = _checks.non_negative("target_rate", target_rate)
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"rate and peb must be lists of equal length, got {x.shape}, {y.shape}")
    if np.any(at > x.max() * (1 + 1e-12)):
        raise Infeasible(f"target_rate {at.max():g} is asked for, {x.max():g} is the largest rate")
    order = np.lexsort((-y, x))
    hull: list[tuple[float, float]] = [(0.0, float(y.max()))]  # less rate can always be had
    for point in zip(x[order].tolist(), y[order].tolist(), strict=True):
        while len(hull) > 1 and _below(hull[-2], hull[-1], point):
            hull.pop()
        if point[0] > hull[-1][0]:
            hull.append(point)
    corners = np.array(hull)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.sqrt(np.interp(at, corners[:, 0], corners[:, 1])))


def best_split(
    price: ArrayLike, sample_snr: ArrayLike, peb: ArrayLike, data_share: ArrayLike = 0.0
) -> Array:
    """Share of the power on the data that maximises ``R - price PEB^2``, pilots cancelled.

    commit (23), reconstructed, in closed form. With ``a = price peb^2 ln 2`` and the share ``t`` of
    the full information, ``t = sqrt(a^2 / 4 + a (1 + (1 - chi) / Gamma)) - a / 2`` within
    ``[chi, 1]``, and ``rho = (1 - t) / (1 - chi)``.

    Parameters
    ----------
    price : (...) float
        mu >= 0, what a square metre is worth (bit/s/Hz per m^2).
    sample_snr : (...) float
        Gamma > 0, of one sample of the data, as in :func:`region`.
    peb : (...) float
        With all power on the pilots, > 0 (m).
    data_share : (...) float
        chi in [0, 1]: the information of the data is chi times that of pilots of their power. With
        1 there is nothing to trade, and all power goes on the data.

    Returns
    -------
    (...)
        rho in [0, 1].

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> best_split([1.0, 100.0], sample_snr=100.0, peb=0.2).round(3)
    array([0.846, 0.213])
    """
    snr = _checks.positive("sample_snr", sample_snr)
    mu = _checks.non_negative("price", price)
    best = _checks.positive("peb", peb)
    chi = in_unit("data_share", data_share)
    _checks.must_broadcast(
        price=mu.shape, sample_snr=snr.shape, peb=best.shape, data_share=chi.shape
    )
    a = mu * best**2 * np.log(2)
    rest = 1 + (1 - chi) / snr
    # a rest / (a / 2 + root) is the same without the cancellation, large or small.
    root = np.sqrt(a**2 / 4 + a * rest)
    below = np.where(a > 0, a / 2 + root, 1.0)
    share = np.clip(a * rest / below, chi, 1.0)
    room = np.where(chi < 1, 1 - chi, 1.0)
    return np.asarray(np.where(chi < 1, (1 - share) / room, 1.0))


def _below(
    first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Whether the middle point does not rise above the line between the other two."""
    rise = (middle[1] - first[1]) * (last[0] - first[0])
    return rise <= (last[1] - first[1]) * (middle[0] - first[0])
