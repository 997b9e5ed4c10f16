"""What data are worth for a position: unknown ones, and known ones that were drawn at random."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac.limits import toa_aoa

Array = NDArray[np.float64]


def unknown_data_efim(
    position: ArrayLike,
    aps: ArrayLike,
    delay_variance: ArrayLike,
    angle_variance: ArrayLike,
    sample_snr: ArrayLike,
) -> Array:
    """Information in Gaussian data that nobody knows, at APs that are processed together.

    ``Gamma / (1 + Gamma)`` times what *known* data of the same power tell when the user's clock is
    unknown. A white waveform that nobody knows has no beginning: what all receivers see alike, a
    common delay, is lost. What differs between them stays, but for a share that falls with the SNR.

    Parameters
    ----------
    position, aps, delay_variance, angle_variance
        As in :func:`cfisac.limits.toa_aoa.position_efim`, of known data with this power.
    sample_snr : (...) float
        Gamma >= 0, of one sample of the data, all antennas of all APs combined: the same at every
        frequency.

    Returns
    -------
    (..., 2, 2)
        In m^-2. Unknown: the data, the gain of each AP. White in time and frequency.

    Raises
    ------
    ValueError
        As :func:`cfisac.limits.toa_aoa.position_efim`.

    Examples
    --------
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> efim = unknown_data_efim([30.0, 40.0], aps, (1e-9) ** 2, 0.01**2, sample_snr=10.0)
    >>> print(f"{fisher.position_error_bound(efim):.2f} m")
    0.33 m
    """
    snr = _checks.non_negative("sample_snr", sample_snr)[..., None, None]
    known = toa_aoa.position_efim(position, aps, delay_variance, angle_variance, np.inf)
    return np.asarray(snr / (1 + snr) * known)


def random_pilot_loss(n_pilots: ArrayLike, n_antennas: ArrayLike) -> Array:
    """Factor by which Gaussian pilots raise the mean error of a channel estimate.

    ``T / (T - M)``: least squares from T pilots of M antennas has the covariance
    ``sigma^2 (X X^H)^-1``, whose mean for Gaussian X is ``T / (T - M)`` times that of orthogonal
    rows of the same power. So any bound on M complex unknowns that stand in front of one random
    waveform.

    Parameters
    ----------
    n_pilots : (...) int
        T >= 1.
    n_antennas : (...) int
        M >= 1.

    Returns
    -------
    (...)
        ``inf`` where T <= M.

    Raises
    ------
    ValueError
        If a number is not whole and positive.

    Examples
    --------
    >>> (10 * np.log10(random_pilot_loss([8, 64], [4, 8]))).round(2)  # dB
    array([3.01, 0.58])
    """
    t, m = _checks.count("n_pilots", n_pilots), _checks.count("n_antennas", n_antennas)
    _checks.must_broadcast(n_pilots=t.shape, n_antennas=m.shape)
    spare = np.maximum(t - m, 0)
    return np.asarray(np.where(spare > 0, t / np.where(spare > 0, spare, 1), np.inf))


def random_data_loss(efim: ArrayLike, n_pilots: int, rng: np.random.Generator, size: int) -> Array:
    """Draws of what random data cost when several transmitters light one target.

    Each transmitter sends T symbols CN(0, 1), known to the receivers, so that the information is
    ``F = sum_p g_p F_p`` with ``g_p`` the energy over its mean T. The cost is
    ``tr F^-1 / tr (E F)^-1``; its mean lies between 1 and ``T / (T - 1)``, which one transmitter
    alone reaches.

    Parameters
    ----------
    efim : (P, n, n) float
        F_p of each transmitter with its mean energy: ``paths.each()``, summed over what it lights.
    n_pilots : int
        T >= 2.
    rng : numpy.random.Generator
    size : int
        How many draws.

    Returns
    -------
    (size,)

    Raises
    ------
    ValueError
        If an argument is out of range, or all transmitters together do not fix the position.

    Examples
    --------
    >>> each = np.array([np.diag([2.0, 1.0]), np.diag([1.0, 2.0])])
    >>> draws = random_data_loss(each, 4, np.random.default_rng(1), 100_000)
    >>> print(f"{np.mean(draws):.2f}, one transmitter {4 / 3:.2f}")
    1.16, one transmitter 1.33
    """
    each = _checks.finite("efim", efim)
    if each.ndim != 3 or each.shape[-1] != each.shape[-2]:
        raise ValueError(f"efim must have shape (P, n, n), got {each.shape}")
    t = _checks.one("n_pilots", n_pilots, _checks.count, 2)
    number = _checks.one("size", size, _checks.count)
    mean = fisher.position_error_bound(each.sum(axis=0)) ** 2
    if not np.isfinite(mean):
        raise ValueError("efim must fix the position when all of it is summed")
    weight = rng.gamma(t, 1 / t, (number, len(each)))
    drawn = np.einsum("sp,pij->sij", weight, each)
    return np.asarray(fisher.position_error_bound(drawn) ** 2 / mean)
