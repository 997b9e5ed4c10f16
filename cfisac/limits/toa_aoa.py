"""Bounds on the position of a user whose delay and angle every access point measures (commit).

The user sends, each access point (AP) receives the line of sight with an array and knows neither
the gain nor the phase of the path. That leaves independent errors on the delay and on the angle of
each AP, and the position collects them along and across every line of sight::

    J = sum_l  u_l u_l^T / (c^2 var(tau_l))  +  across_l across_l^T / (d_l^2 var(phi_l)).

The source's chapter prints the sum; the constants of the two variances are reconstructed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher, geometry
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.arrays import UniformLinearArray
from cfisac.geometry import Sight
from cfisac.limits import angle_gain
from cfisac.paths import Paths

Array = NDArray[np.float64]


def delay_variance(bandwidth: ArrayLike, snr: ArrayLike) -> Array:
    """Bound on the variance of a delay seen through a flat spectrum, unknown complex gain.

    ``1 / (8 pi^2 beta^2 SNR)`` with the effective bandwidth ``beta = W / sqrt(12)``
    (commit (9), (25), reconstructed).

    Parameters
    ----------
    bandwidth : (...) float
        W > 0, the width of the spectrum (Hz). For any other spectrum give ``sqrt(12)`` times the
        standard deviation of its frequencies, each weighted by its energy.
    snr : (...) float
        SNR >= 0, the energy of *all* samples that are used, antennas included, over the noise
        variance of one of them.

    Returns
    -------
    (...)
        Variance in s^2; ``inf`` without a signal.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.

    Examples
    --------
    >>> std = np.sqrt(delay_variance(bandwidth=100e6, snr=1e3))
    >>> print(f"{1e9 * std:.3f} ns")
    0.123 ns
    """
    bandwidth = _checks.positive("bandwidth", bandwidth)
    snr = _checks.non_negative("snr", snr)
    _checks.must_broadcast(bandwidth=bandwidth.shape, snr=snr.shape)
    with np.errstate(divide="ignore"):
        return 3 / (2 * np.pi**2 * bandwidth**2 * snr)


def angle_variance(phi: ArrayLike, array: UniformLinearArray, snr: ArrayLike) -> Array:
    """Bound on the variance of an angle of arrival, unknown complex gain.

    ``6 / ((N^2 - 1) kappa^2 cos^2(phi) SNR)`` (commit (9), (26), reconstructed; zhang (41)). With
    the same SNR at every antenna, N times that stands for ``SNR``.

    Parameters
    ----------
    phi : (...) float
        Angle from broadside (rad).
    array : UniformLinearArray
        N antennas, kappa.
    snr : (...) float
        SNR >= 0, as in :func:`delay_variance`.

    Returns
    -------
    (...)
        Variance in rad^2; ``inf`` without a signal, at endfire or for one antenna.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.

    Examples
    --------
    >>> std = np.sqrt(angle_variance(np.radians([0.0, 60.0]), UniformLinearArray(8), snr=1e3))
    >>> np.degrees(std).round(2)
    array([0.18, 0.36])
    """
    snr = _checks.non_negative("snr", snr)
    _checks.must_broadcast(phi=_checks.finite("phi", phi).shape, snr=snr.shape)
    return angle_gain.angle_crlb(np.sqrt(snr), phi, array, 1, 1.0)


def angle_error_bound(phi: ArrayLike, array: UniformLinearArray, snr: ArrayLike) -> Array:
    """AEB in rad, the root of :func:`angle_variance` (commit (5), reconstructed).

    Takes the arguments of :func:`angle_variance`.

    Returns
    -------
    (...)
        Smallest standard deviation of the angle, in rad; ``inf`` where it is not identifiable.

    Raises
    ------
    ValueError
        As :func:`angle_variance`.

    Examples
    --------
    >>> print(f"{np.degrees(angle_error_bound(0.2, UniformLinearArray(8), snr=1e3)):.2f} degrees")
    0.18 degrees
    """
    return np.sqrt(angle_variance(phi, array, snr))


def position_efim(
    position: ArrayLike,
    aps: ArrayLike,
    delay_variance: ArrayLike,
    angle_variance: ArrayLike,
    clock_variance: ArrayLike = 0.0,
) -> Array:
    """Information about the position of a user, from a delay and an angle at each of M APs.

    Parameters
    ----------
    position : (..., 2) float
        p, the user (m).
    aps : (..., M, 2) float
        The APs (m).
    delay_variance : (..., M) or scalar float
        Variance of each delay in s^2, > 0; ``inf`` for a delay that is not measured.
    angle_variance : (..., M) or scalar float
        Variance of each angle in rad^2, > 0; ``inf`` for an angle that is not measured.
    clock_variance : (...) float
        Variance, in s^2, of an offset that all delays share: 0 for a user whose clock is known,
        ``inf`` for one whose clock is unknown. Errors that differ from AP to AP belong into
        ``delay_variance``.

    Returns
    -------
    (..., 2, 2)
        J in m^-2, commit (10). With a clock offset the Schur complement over it:
        the delays count as ``sum w (u - m)(u - m)^T`` about the weighted mean m of the directions,
        plus what is known of the clock. So one AP's delay says nothing if the clock is unknown.

    Raises
    ------
    ValueError
        If an argument is out of range, the shapes do not broadcast, or the user stands on an AP or
        so near to one that the information is beyond a floating-point number.

    Notes
    -----
    The errors of different measurements must be independent. For :func:`delay_variance` and
    :func:`angle_variance` of one path with unknown gain they are (the factor theorem), if the
    antennas see one spectrum, see the user under one angle, and ``position`` is far away.

    Examples
    --------
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> for clock in (0.0, np.inf):  # known, unknown
    ...     efim = position_efim([30.0, 40.0], aps, (1e-9) ** 2, 0.01**2, clock_variance=clock)
    ...     print(f"{fisher.position_error_bound(efim):.2f} m")
    0.29 m
    0.31 m
    """
    measured = paths(position, aps, delay_variance, angle_variance)
    clock = _checks.or_inf("clock_variance", clock_variance, _checks.non_negative)[..., None]
    shape = _checks.must_broadcast(position_and_aps=measured.shape, clock_variance=clock.shape)
    if not np.any(clock):
        return measured.information(-1)
    slopes, rounding = (np.broadcast_to(each, (*shape, 2, 2)) for each in measured.slopes())
    # What delays tell beside a clock: how their directions differ, and how all of them move it.
    by_clock = np.sqrt(measured.spread[..., 1, 1, None]) / speed_of_light
    total = np.sum(by_clock**2, axis=-2, keepdims=True)
    share = np.divide(by_clock, total, where=total > 0, out=np.zeros(by_clock.shape))
    mean = np.sum(share * slopes[..., 1, :], axis=-2, keepdims=True)
    off = np.sum(share * rounding[..., 1, :], axis=-2, keepdims=True)
    off = off + shape[-1] * np.finfo(float).eps
    with np.errstate(divide="ignore"):  # no delay at all, or a known clock: 1 / 0 is inf
        common = np.sqrt(1 / (1 / total + speed_of_light**2 * clock[..., None]))
    return fisher.information(
        np.concatenate([slopes[..., 0, :], slopes[..., 1, :] - by_clock * mean, common * mean], -2),
        np.concatenate(
            [rounding[..., 0, :], rounding[..., 1, :] + by_clock * off, common * off], -2
        ),
    )


def paths(
    position: ArrayLike, aps: ArrayLike, delay_variance: ArrayLike, angle_variance: ArrayLike
) -> Paths:
    """The bearing and the delay at each AP (..., M), of which :func:`position_efim` is the sum.

    Takes the arguments of :func:`position_efim`; the variances are taken as those of a path of
    SNR 1/2. :func:`cfisac.paths.one_way` makes the paths of arrays and spectra instead.

    Returns
    -------
    Paths
        State: (x, y). Column: ``"clock"``, by which the user is ahead (s).

    Raises
    ------
    ValueError
        As :func:`position_efim`.

    Examples
    --------
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> each = paths([30.0, 40.0], aps, (1e-9) ** 2, 0.01**2).each()
    >>> fisher.position_error_bound(each).round(2)  # of every AP alone
    array([0.58, 0.71, 0.47])
    """
    seen = _look(position, aps)
    by_delay = _checks.or_inf("delay_variance", delay_variance, _checks.positive)
    by_angle = _checks.or_inf("angle_variance", angle_variance, _checks.positive)
    shape = _checks.must_broadcast(
        position_and_aps=seen.distance.shape,
        delay_variance=by_delay.shape,
        angle_variance=by_angle.shape,
    )
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if not np.all(np.isfinite(1 / (np.minimum(seen.distance, 1.0) ** 2 * by_angle))):
            raise ValueError("position is too near to one of aps, or angle_variance is too small")
        across = np.stack([0.0 - seen.unit[..., 1], seen.unit[..., 0]], axis=-1)
        spread = np.zeros((*shape, 2, 2))
        spread[..., 0, 0], spread[..., 1, 1] = 1 / by_angle, 1 / by_delay
    rows = across / seen.distance[..., None], seen.unit / speed_of_light
    wrong = seen.rounding / seen.distance, seen.rounding / speed_of_light
    return Paths(
        np.asarray(0.5),
        spread,
        np.stack(rows, axis=-2),
        np.stack(wrong, axis=-1)[..., None],
        {"clock": np.array([[0.0], [1.0]])},
    )


def signal(
    position: ArrayLike,
    aps: ArrayLike,
    axes: ArrayLike,
    gain: ArrayLike,
    array: UniformLinearArray,
    frequencies: ArrayLike,
    carrier_frequency: float = np.inf,
    clock_offset: ArrayLike = 0.0,
) -> NDArray[np.complex128]:
    """Noise-free samples behind the bound: every antenna of every AP at every frequency.

    ``gain exp(-2 pi j f (d/c + b)) exp(j kappa (1 + f/f_c) (n - (N-1)/2) u . axis)``, the far field
    of one path. With a finite carrier the array is as wide as it is: it steers differently at
    each frequency.

    Parameters
    ----------
    position : (..., 2) float
        The user (m).
    aps : (..., M, 2) float
        Centres of the arrays (m).
    axes : (..., M, 2) float
        Unit vectors along the arrays; ``u . axis`` is the sine of the angle from broadside.
    gain : (..., M) complex
        Amplitude and phase of each path at the centre of the array and at f = 0.
    array : UniformLinearArray
        N antennas, spacing in wavelengths of the carrier.
    frequencies : (K,) float
        f, from the carrier (Hz).
    carrier_frequency : float
        f_c > 0 (Hz); ``inf`` for a narrowband array.
    clock_offset : (...) float
        b, the offset of the user's clock (s).

    Returns
    -------
    (..., M, K, N) complex
        SNR of one AP, as :func:`delay_variance` counts it: ``K N |gain|^2 / sigma^2``.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not broadcast, or the user
        stands on an AP.

    Examples
    --------
    >>> aps, axes = [[0.0, 0.0], [80.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]
    >>> tones = np.linspace(-50e6, 50e6, 64)  # Hz
    >>> signal([30.0, 40.0], aps, axes, [1e-4, 1e-4], UniformLinearArray(8), tones).shape
    (2, 64, 8)
    """
    distance, unit, _ = _look(position, aps)
    axes, gain = _checks.unit_vectors("axes", axes), _checks.finite("gain", gain, complex)
    frequencies = _checks.finite("frequencies", frequencies)
    carrier = _checks.or_inf("carrier_frequency", carrier_frequency, _checks.positive)
    offset = _checks.finite("clock_offset", clock_offset)[..., None]
    if frequencies.ndim != 1 or carrier.ndim != 0:
        raise ValueError("frequencies must have shape (K,) and carrier_frequency be one number")
    _checks.must_broadcast(
        position_and_aps=distance.shape,
        axes=axes.shape[:-1],
        gain=gain.shape,
        clock_offset=offset.shape,
    )
    sine = np.sum(unit * axes, axis=-1)[..., None]
    delay = (distance / speed_of_light + offset)[..., None]
    index = np.arange(array.n_antennas) - array.mean_index
    by_frequency = np.exp(-2j * np.pi * frequencies * delay)
    step = array.kappa * (1 + frequencies / carrier) * sine
    by_antenna = np.exp(1j * step[..., None] * index)
    return gain[..., None, None] * by_frequency[..., None] * by_antenna


def _look(position: ArrayLike, aps: ArrayLike) -> Sight:
    """Look from every AP (..., M) at the user."""
    user, places = _checks.points("position", position), _checks.points("aps", aps, 2)
    _checks.must_broadcast(position=(*user.shape[:-1], 1), aps=places.shape[:-1])
    here = np.asarray(position)[..., None, :]  # in the type in which it came
    return geometry.sight(here, aps, names=("position", "one of aps"))
