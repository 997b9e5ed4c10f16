"""Path loss, radar equation, radar cross sections, local scattering, channel estimates and noise.

Distances are in metres, frequencies in hertz, powers in watts, angles in radians. Gains are
linear; only :func:`urban_microcell_path_loss` speaks decibels, as its source does. All functions
broadcast over their arguments of shape (...) and return new arrays.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, _hermitian
from cfisac._constants import BOLTZMANN

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DISTANCES = (10.0, 5000.0)  # m, where the 3GPP model holds
CARRIERS = (0.5e9, 100e9)  # Hz
USER_HEIGHTS = (1.5, 22.5)  # m
_CLUTTER_HEIGHT = 1.0  # h_E (m)
_LEVELS = (-3000.0, 3000.0)  # dB, whose ratios are floating-point numbers
_SPEED = 3.0e8  # m/s, the speed of light that the 3GPP report computes with
_NEGLIGIBLE = 9.0  # deviations after which a Gaussian weight is below 1e-17


def decibel(ratio: ArrayLike) -> Array:
    """``10 log10(ratio)`` of a positive power ratio, dB; ``ValueError`` if it is not positive.

    Examples
    --------
    >>> from cfisac.propagation import decibel
    >>> print(decibel([1, 10, 2]).round(2))
    [ 0.   10.    3.01]
    """
    return 10 * np.log10(_checks.positive("ratio", ratio))


def from_decibel(level: ArrayLike) -> Array:
    """Power ratio of a level in dB, ``10^(level / 10)``; ``ValueError`` outside +-3000 dB.

    Examples
    --------
    >>> from cfisac.propagation import from_decibel
    >>> print(from_decibel([0, 10, 3]).round(2))
    [ 1. 10.  2.]
    """
    return 10 ** (_between("level", level, _LEVELS) / 10)


def from_dbm(level: ArrayLike) -> Array:
    """Power in watts of a level in dBm (decibels above a milliwatt).

    Examples
    --------
    >>> from cfisac.propagation import from_dbm
    >>> print(f'{from_dbm(30):.3g} W')
    1 W
    """
    return 1e-3 * from_decibel(level)


def noise_power(
    bandwidth: ArrayLike, noise_figure_db: ArrayLike = 0.0, temperature: ArrayLike = 290.0
) -> Array:
    """Power of the thermal noise of a receiver, ``k T B F``.

    Sampled at the rate ``bandwidth`` it is the variance of each complex noise sample.

    Parameters
    ----------
    bandwidth : (...) float
        B > 0 (Hz).
    noise_figure_db : (...) float
        F in dB, >= 0.
    temperature : (...) float
        T > 0 (K).

    Returns
    -------
    (...)
        sigma^2 in watts.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from cfisac.propagation import decibel, noise_power
    >>> print(f'{decibel(noise_power(20e6, noise_figure_db=9)):.1f} dBW')
    -122.0 dBW
    """
    density = BOLTZMANN * _checks.positive("temperature", temperature)
    figure = from_decibel(_checks.non_negative("noise_figure_db", noise_figure_db))
    return density * _checks.positive("bandwidth", bandwidth) * figure


def urban_microcell_path_loss(
    distance: ArrayLike,
    carrier_frequency: ArrayLike,
    ap_height: float = 10.0,
    user_height: float = 1.5,
    line_of_sight: ArrayLike = False,
) -> Array:
    """Median path loss of an urban street canyon (3GPP TR 38.901, Table 7.4.1-1, UMi).

    With line of sight, up to the breakpoint ``d_bp = 4 (h_BS - 1)(h_UT - 1) f_c / c`` and beyond::

        32.4 + 21 lg d3 + 20 lg f,
        32.4 + 40 lg d3 + 20 lg f - 9.5 lg(d_bp^2 + (h_BS - h_UT)^2),

    without it the larger of that and ``22.4 + 35.3 lg d3 + 21.3 lg f - 0.3 (h_UT - 1.5)``. Here
    d3 is the distance in space (m), f the carrier in GHz, and the effective height of what stands
    in the street is 1 m. Shadowing is not included.

    Parameters
    ----------
    distance : (...) float
        Distance on the map (m), 10 to 5000.
    carrier_frequency : (...) float
        f_c (Hz), 0.5e9 to 100e9.
    ap_height : float
        h_BS (m), more than 1. The report fits its model to masts of 10 m; the formula has h_BS in
        it, but for any other height it is outside the report.
    user_height : float
        h_UT (m), 1.5 to 22.5.
    line_of_sight : (...) bool
        Whether the user sees the access point.

    Returns
    -------
    (...)
        Loss in dB, a positive number: the power gain is ``from_decibel(-loss)``.

    Raises
    ------
    ValueError
        If an argument other than ``ap_height`` lies outside the range in which the report states
        the model. The model is not stretched: below 10 m of distance it says nothing.

    Examples
    --------
    >>> from cfisac.propagation import urban_microcell_path_loss
    >>> print(urban_microcell_path_loss([50.0, 200.0], 3.5e9).round(1))  # dB
    [ 94.2 115.2]
    """
    flat = _between("distance", distance, DISTANCES)
    carrier = _between("carrier_frequency", carrier_frequency, CARRIERS)
    user = _between("user_height", user_height, USER_HEIGHTS)
    ap = _checks.finite("ap_height", ap_height)
    if not np.all(ap > _CLUTTER_HEIGHT):
        raise ValueError(f"ap_height must be > {_CLUTTER_HEIGHT:g} m, got {ap.min():g}")
    seen = np.asarray(line_of_sight)
    if seen.dtype != bool:
        raise ValueError(f"line_of_sight must be True or False, got {line_of_sight!r}")
    breakpoint_ = 4 * (ap - _CLUTTER_HEIGHT) * (user - _CLUTTER_HEIGHT) * carrier / _SPEED
    space = np.log10(np.hypot(flat, ap - user))
    giga = np.log10(carrier / 1e9)
    excess = 19 * space - 9.5 * np.log10(breakpoint_**2 + (ap - user) ** 2)
    direct = 32.4 + 21 * space + 20 * giga + np.where(flat <= breakpoint_, 0.0, excess)
    hidden = 22.4 + 35.3 * space + 21.3 * giga - 0.3 * (user - 1.5)
    return np.where(seen, direct, np.maximum(direct, hidden))


def radar_gain(
    transmit_distance: ArrayLike,
    receive_distance: ArrayLike,
    wavelength: ArrayLike,
    transmit_gain: ArrayLike = 1.0,
    receive_gain: ArrayLike = 1.0,
) -> Array:
    """Bistatic radar equation: received over transmitted power per m^2 of radar cross section.

    ``xi = lambda^2 G_t G_r / ((4 pi)^3 d_t^2 d_r^2)``, below fan_conf (13); with both distances
    equal, the square of liu's attenuation below (1).

    Parameters
    ----------
    transmit_distance, receive_distance : (...) float
        d_t, d_r > 0 (m), access point to target. Far field of target and arrays.
    wavelength : (...) float
        lambda > 0 (m).
    transmit_gain, receive_gain : (...) float
        G_t, G_r > 0, linear gains of the antenna elements over an isotropic one. Array gain is
        not in them. It is in liu's steering vectors, of norm sqrt(N_A), but not in fan's, which
        have unit norm: if you want it there, put it into G_t and G_r.

    Returns
    -------
    (...)
        xi in 1/m^2; times a radar cross section in m^2 it is the mean of ``|beta|^2``.

    Raises
    ------
    ValueError
        If an argument is not positive.

    Examples
    --------
    >>> from cfisac.propagation import decibel, radar_gain
    >>> gain = radar_gain(100.0, 50.0, wavelength=0.1)
    >>> print(f'{decibel(gain):.1f} dB for 1 m^2')
    -127.0 dB for 1 m^2
    """
    amplitude = _checks.positive("wavelength", wavelength) / (
        _checks.positive("transmit_distance", transmit_distance)
        * _checks.positive("receive_distance", receive_distance)
    )
    gain = _checks.positive("transmit_gain", transmit_gain) * _checks.positive(
        "receive_gain", receive_gain
    )
    return amplitude**2 * gain / (4 * np.pi) ** 3


def swerling_one(
    rng: np.random.Generator, mean_rcs: ArrayLike, size: int | tuple[int, ...] | None = None
) -> ComplexArray:
    """Draw reflection coefficients alpha ~ CN(0, mean_rcs), Swerling's first model.

    ``|alpha|^2`` is the radar cross section: exponentially distributed with mean ``mean_rcs``,
    constant over a frame, drawn anew for the next. fan calls the mean its variance, because it is
    the variance of alpha.

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    mean_rcs : (...) float
        Mean radar cross section >= 0 (m^2).
    size : int or tuple of int, optional
        Shape of the result; by default that of ``mean_rcs``.

    Returns
    -------
    size
        alpha, in metres.

    Raises
    ------
    ValueError
        If ``mean_rcs`` is negative or not finite, or does not broadcast to ``size``.

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.propagation import swerling_one
    >>> draws = swerling_one(np.random.default_rng(1), mean_rcs=2.0, size=100_000)
    >>> print(f'{np.mean(abs(draws) ** 2):.1f}')
    2.0
    """
    mean_rcs = _checks.non_negative("mean_rcs", mean_rcs)
    shape = mean_rcs.shape if size is None else tuple(np.atleast_1d(_checks.count("size", size, 0)))
    try:
        scale = np.broadcast_to(np.sqrt(mean_rcs / 2), shape)
    except ValueError as error:
        raise ValueError(
            f"mean_rcs must broadcast to size {shape}, not {mean_rcs.shape}"
        ) from error
    parts = rng.normal(size=(2, *shape))
    return np.asarray(scale * (parts[0] + 1j * parts[1]))


@_checks.renamed(angle="phi", spread="angle_spread")
def local_scattering_covariance(
    n_antennas: int, phi: ArrayLike, angle_spread: ArrayLike, spacing: float = 0.5
) -> ComplexArray:
    """Covariance of a path whose waves arrive from a Gaussian cone around one direction.

    Entry (l, m) is ``E[exp(j kappa (l - m) sin(phi + delta))]``, ``delta ~ N(0, s^2)`` and
    ``kappa = 2 pi spacing``, summed exactly: with ``exp(j z sin t) = sum_n J_n(z) exp(j n t)`` the
    mean is ``sum_n J_n(z) exp(j n phi - n^2 s^2 / 2)``, ``z = kappa (l - m)``. A spread of
    zero leaves the outer product of the steering vector, a large one ``J_0(z)``: waves from
    everywhere.

    Parameters
    ----------
    n_antennas : int
        M >= 1, of a uniform linear array.
    phi : (...) float
        Mean angle from broadside (rad).
    angle_spread : (...) float
        s, the standard deviation of the angle (rad), >= 0.
    spacing : float
        Distance of neighbours in wavelengths, > 0.

    Returns
    -------
    (..., M, M)
        Hermitian, Toeplitz, positive semidefinite; ones on the diagonal, so its trace is M.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range.

    Examples
    --------
    >>> from cfisac.propagation import local_scattering_covariance
    >>> matrix = local_scattering_covariance(4, phi=0.3, angle_spread=0.1)
    >>> matrix.shape, round(matrix.trace().real)
    ((4, 4), 4)
    >>> print(abs(matrix[0]).round(2))
    [1.   0.96 0.84 0.67]
    """
    from scipy import special  # imported late

    size = _checks.one("n_antennas", n_antennas, _checks.count)
    spacing = _checks.one("spacing", spacing, _checks.positive)
    angle, spread = np.broadcast_arrays(
        _checks.finite("phi", phi), _checks.non_negative("angle_spread", angle_spread)
    )
    lag = 2 * np.pi * spacing * np.arange(size)
    # J_n(z) is below rounding for n well above z, and so is the Gaussian far from zero.
    order = lag[-1] + 12 * (1 + np.cbrt(lag[-1]))
    if angle.size and (narrowest := spread.min()) > 0:
        order = min(order, _NEGLIGIBLE / narrowest)
    n = np.arange(-np.ceil(order), np.ceil(order) + 1)
    weight = np.exp(1j * n * angle[..., None] - (n * spread[..., None]) ** 2 / 2)
    column = weight @ special.jv(n[:, None], lag)  # lags 0 .. M-1
    column[..., 0] = 1.0
    both = np.concatenate([np.conj(column[..., :0:-1]), column], axis=-1)
    index = np.arange(size)
    return both[..., index[:, None] - index + size - 1]


def mmse_estimate_covariance(
    covariance: ArrayLike, pilot_energy: ArrayLike, noise_variance: ArrayLike
) -> ComplexArray:
    """Covariance of the linear estimate of a Rayleigh channel that errs least.

    The channel h ~ CN(0, R) is seen through a pilot, ``y = sqrt(e) h + w``,
    ``w ~ CN(0, sigma^2 I)``. The estimate ``sqrt(e) R (e R + sigma^2 I)^-1 y`` has covariance
    ``B = e R (e R + sigma^2 I)^-1 R``, and its error, which is independent of it, ``R - B``.

    Parameters
    ----------
    covariance : (..., M, M) complex
        R, Hermitian and positive semidefinite.
    pilot_energy : (...) float
        e >= 0: power times the number of pilot samples, in the unit of ``noise_variance``.
    noise_variance : (...) float
        sigma^2 >= 0 per sample; 0 for no noise.

    Returns
    -------
    (..., M, M)
        B, Hermitian and positive semidefinite, never above R. Without noise it is R, of whatever
        rank; without a pilot it is 0.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.propagation import mmse_estimate_covariance
    >>> known = mmse_estimate_covariance(np.diag([4.0, 1.0]), pilot_energy=1.0, noise_variance=1.0)
    >>> print(known.real.round(2))
    [[3.2 0. ]
     [0.  0.5]]
    """
    matrix = _checks.finite("covariance", covariance, complex)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"covariance must be (..., M, M), got shape {matrix.shape}")
    energy = _checks.non_negative("pilot_energy", pilot_energy)
    noise = _checks.non_negative("noise_variance", noise_variance)
    _checks.must_broadcast(
        covariance=matrix.shape[:-2], pilot_energy=energy.shape, noise_variance=noise.shape
    )
    rounding = max(1e-10, 4 * _checks.precision(covariance))
    return _hermitian.filtered(matrix, energy, noise, rounding)


def _between(name: str, value: ArrayLike, limits: tuple[float, float]) -> Array:
    """Return ``value`` as an array within ``limits``."""
    array = _checks.finite(name, value)
    low, high = limits
    if not np.all((array >= low) & (array <= high)):
        told = f"{array.min():g}..{array.max():g}"
        raise ValueError(f"{name} must be in {low:g}..{high:g}, got {told}")
    return array
