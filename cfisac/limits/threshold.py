"""Where a Cramér-Rao bound stops being true: tests of two places, Ziv-Zakai, counted rivals.

A bound made of derivatives at the truth knows no other place. Below some SNR a wrong place, a
*rival*, wins so often that the bound is worth nothing. Access point l receives ``y_l = alpha_l
s_l(p) + noise``, noise CN(0, sigma^2 I), the echo s_l of unit norm and the gain unknown; ``rho_l =
|alpha_l|^2 / sigma^2`` is the SNR of all its samples together. Maximum likelihood takes the place
with the largest ``sum_l |s_l(p)^H y_l|^2``. Four tools, from the exact to the useful:

:func:`pairwise_error`
    How often one rival wins: exact for this test, any number of access points.
:func:`ziv_zakai`, :func:`ziv_zakai_position`
    A bound for all SNRs. It knows one rival at a time, so it is optimistic where many matter.
:func:`rivals`
    A prediction: all rivals of a :class:`Landscape` counted. :func:`snr_at` turns it into the SNR
    above which the Cramér-Rao bound may be trusted.
:func:`found_probability`
    Whether the truth is found at all, where many rivals share echoes of some access points with it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.limits import _threshold_contour as contour
from cfisac.limits._threshold_count import (
    Prediction,
    best_weights,
    local_covariance,
    rivals,
)
from cfisac.limits._threshold_found import found_probability
from cfisac.limits._threshold_landscape import Landscape, landscape, line, strangers, uniform
from cfisac.limits._threshold_zzb import ziv_zakai, ziv_zakai_position

__all__ = [
    "Landscape",
    "Prediction",
    "best_weights",
    "found_probability",
    "landscape",
    "line",
    "local_covariance",
    "pairwise_error",
    "rivals",
    "snr_at",
    "strangers",
    "uniform",
    "ziv_zakai",
    "ziv_zakai_position",
]

Array = NDArray[np.float64]

_TINIEST = 1e-100  # separation whose square is still a number; below it, equal echoes
_LARGEST = 1e12  # SNR at which squares of it still have digits to spare
_STEP_DB, _CLOSE_DB = 2.0, 1e-9
_RANGE_DB = 100.0  # on either side of the landscape's own SNR


def pairwise_error(snr: ArrayLike, separation: ArrayLike, fading: str = "phase") -> Array:
    """Probability that one wrong place beats the true one.

    Of two places p (true) and q, the test says q where ``sum_l |s_l(q)^H y_l|^2`` is the larger.
    With ``kappa^2 = 1 - |s(q)^H s(p)|^2``::

        P = 1/(2 pi j) int_(c - j inf)^(c + j inf) prod_l M_l(s) ds/s,

        M = exp(-rho kappa^2 s (1 - s) / (1 - kappa^2 s^2)) / (1 - kappa^2 s^2)     fixed modulus
        M = 1 / (1 - kappa^2 s^2 + rho kappa^2 s (1 - s))                   gain CN(0, rho)

    along a line through the saddle of the integrand. The trapezoidal rule gives nine digits.

    Parameters
    ----------
    snr : (..., L) float
        rho_l >= 0 of each access point in all its samples, or its mean; at most 1e12.
    separation : (..., L) float
        kappa_l in [0, 1]: 0 for equal echoes, 1 for orthogonal ones.
    fading : {"phase", "rayleigh"}
        A fixed modulus and any phase (Swerling 0); or one draw from CN(0, rho) for all samples of
        an access point, independent of the others' (Swerling I).

    Returns
    -------
    (...)
        One half where no access point tells the places apart.

    Raises
    ------
    ValueError
        If a number is out of range or the shapes do not broadcast.

    Notes
    -----
    For one access point no test is better. For several none is if the gains are CN(0, rho) of
    equal rho; of unequal ones weights ``rho / (1 + rho)`` belong to the powers, and gains of known
    moduli ask for ``sum_l ln I_0(2 sqrt(rho_l) |s_l^H y_l|)`` instead.

    Examples
    --------
    >>> print(f"{pairwise_error([10.0], [1.0]):.6f}")  # one half of exp(-rho / 2)
    0.003369
    >>> print(f"{pairwise_error([2.5] * 4, [1.0] * 4):.6f}")  # the same energy on four
    0.017362
    """
    heard = _checks.non_negative("snr", snr)
    apart = _checks.non_negative("separation", separation)
    _checks.one_of("fading", fading, "phase", "rayleigh")
    if np.any(heard > _LARGEST):
        raise ValueError(f"snr must be <= {_LARGEST:g}, got {heard.max():g}")
    if np.any(apart > 1):
        raise ValueError(f"separation must be in [0, 1], got {apart.max():g}")
    shape = _checks.must_broadcast(snr=heard.shape, separation=apart.shape)
    if not shape or shape[-1] == 0:
        raise ValueError(f"snr and separation must have shape (..., L), got {shape}")
    apart = np.where(apart < _TINIEST, 0.0, apart)
    flat = [np.broadcast_to(each, shape).reshape(-1, shape[-1]) for each in (heard, apart)]
    return contour.probability(flat[0], flat[1], fading).reshape(shape[:-1])


def snr_at(ratio: float, landscapes: Landscape | Sequence[Landscape]) -> float:
    """Boost (dB) from which on the predicted root mean squared error is that close to the bound.

    Parameters
    ----------
    ratio : float
        Of the root mean squared error to the root of the Cramér-Rao bound, > 1: 1.1, or the root
        of 2 for a mean squared error of twice the bound.
    landscapes : Landscape or sequence of them
        One truth, or several; of several, error and bound are averaged first.

    Returns
    -------
    float
        How many dB the SNR of every access point of the landscapes has to rise (if negative: may
        fall) for :func:`rivals` to predict that ratio, and less at any higher SNR. ``inf`` where
        the bound is, and ``-inf`` if the ratio is not exceeded within 100 dB.

    Raises
    ------
    ValueError
        If ``ratio`` is not above one, there is no landscape, or 100 dB more do not suffice.

    Examples
    --------
    >>> spread = (2 * np.pi) ** 2 * (16**2 - 1) / 12  # of 16 antennas on half a wavelength
    >>> angle = line(10.0, uniform(16), spread, 1.0, circular=True)
    >>> print(f"{10 + snr_at(1.1, angle):.1f} dB")  # at 10 dB now
    14.0 dB
    """
    wanted = _checks.one("ratio", ratio, _checks.positive)
    if wanted <= 1:
        raise ValueError(f"ratio must be > 1, got {wanted:g}")
    several = [landscapes] if isinstance(landscapes, Landscape) else list(landscapes)
    if not several or not all(isinstance(each, Landscape) for each in several):
        raise ValueError("landscapes must be a Landscape or a sequence of them, and not empty")

    def excess(boost: float) -> float:
        found = [rivals(each, boost) for each in several]
        crlb, mse = (np.mean([getattr(each, name) for each in found]) for name in ("crlb", "mse"))
        return float(np.log(mse / crlb / wanted**2)) if np.isfinite(crlb) else np.inf

    if np.isinf(excess(0.0)):
        return np.inf
    high = _RANGE_DB
    if excess(high) > 0:
        raise ValueError(f"ratio must be reached within {_RANGE_DB:g} dB, {wanted:g} is not")
    while excess(high - _STEP_DB) <= 0:
        high -= _STEP_DB
        if high < -_RANGE_DB:
            return -np.inf
    from scipy.optimize import brentq

    return float(brentq(excess, high - _STEP_DB, high, xtol=_CLOSE_DB))
