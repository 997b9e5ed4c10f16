"""Maximum-likelihood gain and angle from known pilots, and the threshold of its error.

The model is that of :mod:`cfisac.limits.angle_gain`. With known pilots everything the data say
about (alpha, phi) is in ``y = X s^* / sum|s|^2``, the least-squares channel, and the likelihood
is maximised by the peak of ``|a(phi)^H y|^2``, with ``alpha = a(phi)^H y`` there.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.arrays import UniformLinearArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_OVERSAMPLING = 4  # FFT bins per beamwidth: the peak is within 1/8 of a beamwidth of a bin
_NEWTON_STEPS = 4  # quadratic convergence: on a clear peak the fourth is below 1e-12 rad
_CERTAIN = 1e4  # SNR from which on an outlier is less likely than the smallest number, e^-5000
_BLOCK = 2048  # snapshots worked on at a time, so that every temporary stays in the cache


def estimate(
    observations: ArrayLike, pilots: ArrayLike, array: UniformLinearArray
) -> tuple[ComplexArray, Array]:
    """Maximum-likelihood estimate of gain and angle from the received pilots.

    Parameters
    ----------
    observations : (..., L, T) complex
        X, zhang (3).
    pilots : (..., T) complex
        The known pilots s_t, of any modulus.
    array : UniformLinearArray
        The receiving array, with spacing of at most half a wavelength: beyond it, two angles
        give the same data.

    Returns
    -------
    gain : (...) complex
        Estimate of alpha.
    phi : (...) float
        Estimate of the angle in [-pi/2, pi/2] (rad).

    Raises
    ------
    ValueError
        If the arrays are not finite, do not match each other or the array, all pilots of a
        snapshot are zero, or the spacing exceeds 0.5.

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.arrays import UniformLinearArray
    >>> from cfisac.estimators import angle_ml
    >>> array, pilots = UniformLinearArray(8), np.ones(4)
    >>> observations = 0.5j * np.outer(array.steering(0.3), pilots)  # no noise
    >>> gain, phi = angle_ml.estimate(observations, pilots, array)
    >>> print(f'{abs(gain):.3f} {phi:.3f}')
    0.500 0.300
    """
    observations = _checks.squarable("observations", observations)
    pilots = _checks.squarable("pilots", pilots)
    if observations.ndim < 2 or pilots.ndim < 1 or observations.shape[-1] != pilots.shape[-1]:
        raise ValueError(
            "observations must have shape (..., L, T) and pilots (..., T) with the same T >= 1, "
            f"got {observations.shape} and {pilots.shape}"
        )
    _checks.must_broadcast(observations=observations.shape[:-2], pilots=pilots.shape[:-1])
    energy = np.sum(np.abs(pilots) ** 2, axis=-1)
    if not np.all(energy > 0):
        raise ValueError("pilots must not all be zero")
    channel = (observations @ np.conj(pilots)[..., None])[..., 0] / energy[..., None]
    return estimate_from_channel(channel, array)


def estimate_from_channel(
    channel: ArrayLike, array: UniformLinearArray
) -> tuple[ComplexArray, Array]:
    """Maximum-likelihood estimate from ``y = alpha a(phi) + noise``, one snapshot per row.

    Parameters
    ----------
    channel : (..., L) complex
        y, the least-squares channel.
    array : UniformLinearArray
        The receiving array, spacing at most 0.5.

    Returns
    -------
    gain : (...) complex
        ``a(phi)^H y`` at the estimated angle.
    phi : (...) float
        Estimated angle in [-pi/2, pi/2] (rad).

    Raises
    ------
    ValueError
        If ``channel`` is not finite or its last axis is not L, or the spacing exceeds 0.5.

    Notes
    -----
    The climb starts at the highest of 4 L bins. Far below the threshold, where noise raises
    several peaks alike, the highest bin can belong to a peak a few per cent lower than the best,
    and on a peak that noise has flattened four steps may end beside the top.

    Examples
    --------
    >>> from cfisac.arrays import UniformLinearArray
    >>> from cfisac.estimators import angle_ml
    >>> array = UniformLinearArray(8)
    >>> gain, phi = angle_ml.estimate_from_channel(2 * array.steering(-0.4), array)
    >>> print(f'{abs(gain):.3f} {phi:.3f}')
    2.000 -0.400
    """
    channel = _checks.squarable("channel", channel)
    _checks.kind("array", array, UniformLinearArray)
    if channel.ndim < 1 or channel.shape[-1] != array.n_antennas:
        raise ValueError(
            f"channel must have shape (..., L): the antenna axis must have length "
            f"{array.n_antennas}, the array's n_antennas, got {channel.shape}"
        )
    if array.spacing > 0.5:
        raise ValueError(
            f"array spacing must be <= 0.5 for an unambiguous angle, got {array.spacing}"
        )
    shape = channel.shape[:-1]
    rows = channel.reshape(-1, array.n_antennas)
    gain = np.empty(len(rows), dtype=complex)
    omega = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        omega[part], gain[part] = _peak(rows[part], array.kappa)
    return gain.reshape(shape), np.arcsin(omega / array.kappa).reshape(shape)


def angle_error_in_sine(estimate: ArrayLike, phi: ArrayLike) -> Array:
    """Error of ``u = sin(phi)`` on the circle of length 2 that half-wavelength arrays see.

    Endfire left and endfire right (u = -1 and +1) give the same data, so an estimate just
    across that seam is a small error, not one of 2.

    Parameters
    ----------
    estimate : (...) float
        Estimated angle (rad).
    phi : (...) float
        True angle (rad).

    Returns
    -------
    (...)
        In [-1, 1).

    Raises
    ------
    ValueError
        If an angle is not finite or the shapes do not broadcast.

    Examples
    --------
    >>> from cfisac.estimators import angle_ml
    >>> print(f'{angle_ml.angle_error_in_sine(0.32, 0.30):.4f}')
    0.0190
    """
    said, true = _checks.finite("estimate", estimate), _checks.finite("phi", phi)
    _checks.must_broadcast(estimate=said.shape, phi=true.shape)
    return (np.sin(said) - np.sin(true) + 1) % 2 - 1


def outlier_probability(snr: ArrayLike, n_antennas: int) -> Array:
    """Probability that the peak lies in a wrong beam, by the method of interval errors.

    The chance that one of L - 1 orthogonal beams with noise alone exceeds the beam with the
    signal, which equals::

        sum_{k=1}^{L-1} (-1)^{k+1} C(L-1, k) exp(-rho k/(k+1)) / (k+1).

    The sum loses its digits for large arrays, so the expectation behind it is integrated, to an
    absolute accuracy of 1e-12.

    Parameters
    ----------
    snr : (...) float
        ``rho = T |alpha|^2 / sigma^2`` >= 0, after combining antennas and pilots.
    n_antennas : int
        L >= 1.

    Returns
    -------
    (...)
        From ``1 - 1/L`` without signal down to 0, which it is from 40 dB on.

    Raises
    ------
    ValueError
        If ``snr`` is negative or not finite, or ``n_antennas`` is not a whole number >= 1.

    Examples
    --------
    >>> from cfisac.estimators import angle_ml
    >>> print(angle_ml.outlier_probability([1.0, 10.0, 30.0], 8).round(4))
    [0.6657 0.0178 0.    ]
    """
    from scipy.special import i0e  # imported late: it takes as long as all the rest

    snr = _checks.non_negative("snr", snr)
    others = _checks.one("n_antennas", n_antennas, _checks.count) - 1
    nodes, weights = np.polynomial.legendre.leggauss(160)
    peak = np.sqrt(np.minimum(snr, _CERTAIN))[..., None]
    lower = np.maximum(peak - 7.0, 0.0)
    half = (peak + 7.0 - lower) / 2
    level = lower + half * (nodes + 1)  # amplitude of the beam that holds the signal
    density = 2 * level * np.exp(-((level - peak) ** 2)) * i0e(2 * level * peak)
    exceeded = -np.expm1(others * np.log1p(-np.exp(-(level**2))))
    return (density * exceeded * half) @ weights


def predicted_mse(snr: ArrayLike, array: UniformLinearArray) -> Array:
    """Mean square error of ``u = sin(phi)`` that the method of interval errors predicts.

    ``P / 3 + (1 - P) CRLB_u`` with P the :func:`outlier_probability`: an outlier lands anywhere
    on the circle of length 2, whose mean square is 1/3; the other estimates sit on the bound
    ``CRLB_u = 6 / (rho kappa^2 (L^2 - 1))``, zhang (41) with ``u`` as the parameter. Where that
    bound exceeds 1/3 it says less than the circle does, and 1/3 takes its place.

    Parameters
    ----------
    snr : (...) float
        ``rho = T |alpha|^2 / sigma^2`` > 0.
    array : UniformLinearArray
        L >= 2 antennas half a wavelength apart.

    Returns
    -------
    (...)
        Mean square of :func:`angle_error_in_sine`.

    Raises
    ------
    ValueError
        If ``snr`` is not positive, L < 2, or the spacing is not 0.5.

    Examples
    --------
    >>> from cfisac.arrays import UniformLinearArray
    >>> from cfisac.estimators import angle_ml
    >>> mse = angle_ml.predicted_mse([1.0, 10.0, 100.0], UniformLinearArray(8))
    >>> print([f'{each:.2g}' for each in mse])  # guesses, a few outliers, the bound
    ['0.23', '0.0069', '9.6e-05']
    """
    snr = _checks.positive("snr", snr)
    _checks.kind("array", array, UniformLinearArray)
    if array.n_antennas < 2 or array.spacing != 0.5:
        raise ValueError(f"array must have n_antennas >= 2 and spacing 0.5, got {array}")
    bound = np.minimum(1 / (2 * snr * array.kappa**2 * array.index_variance), 1 / 3)
    outliers = outlier_probability(snr, array.n_antennas)
    return outliers / 3 + (1 - outliers) * bound


def _peak(rows: ComplexArray, kappa: float) -> tuple[Array, ComplexArray]:
    """Electrical angle that maximises ``|a^H y|^2`` for each row, and ``a^H y`` there."""
    import scipy.fft

    n_antennas = rows.shape[-1]
    n_bins = scipy.fft.next_fast_len(_OVERSAMPLING * n_antennas)
    bins = 2 * np.pi * scipy.fft.fftfreq(n_bins)
    spectrum = scipy.fft.fft(rows, n_bins, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    if kappa < np.pi:  # the visible part ends between bins, and the peak may sit at an end
        visible, ends = np.abs(bins) <= kappa, np.array([-kappa, kappa])
        at_ends = np.abs(rows @ np.exp(-1j * np.outer(np.arange(n_antennas), ends))) ** 2
        bins = np.append(bins[visible], ends)
        power = np.append(power[:, visible], at_ends, axis=-1)
    omega = bins[np.argmax(power, axis=-1)]
    width = 2 * np.pi / n_bins
    columns = np.ascontiguousarray(rows.T)
    beam = np.empty(0, dtype=complex)
    for _ in range(_NEWTON_STEPS):
        beam, slope, bend = _beam(columns, omega)
        gradient = _product(beam, slope)
        curvature = _product(slope, slope) + _product(beam, bend)
        uphill = np.sign(gradient) * width / 4
        newton = np.divide(-gradient, curvature, where=curvature < 0, out=uphill)
        omega = omega + np.clip(newton, -width / 2, width / 2)
        omega = np.clip(omega, -kappa, kappa) if kappa < np.pi else _wrap(omega)
    beam, _, _ = _beam(columns, omega)
    return omega, beam / np.sqrt(n_antennas)


def _beam(columns: ComplexArray, omega: Array) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """``sum_l y_l exp(-j l omega)`` and its first two derivatives, by Horner's rule."""
    turn = np.exp(-1j * omega)
    beam, slope, bend = (np.zeros(len(omega), dtype=complex) for _ in range(3))
    for index in range(len(columns) - 1, -1, -1):
        beam *= turn
        slope *= turn
        bend *= turn
        beam += columns[index]
        slope += -1j * index * columns[index]
        bend += -(index**2) * columns[index]
    return beam, slope, bend


def _product(first: ComplexArray, second: ComplexArray) -> Array:
    return first.real * second.real + first.imag * second.imag


def _wrap(omega: Array) -> Array:
    return (omega + np.pi) % (2 * np.pi) - np.pi
