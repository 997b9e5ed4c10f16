"""Maximum likelihood from pilots and unknown data together, by expectation-maximisation (EM).

Receivers r hear symbols x on tones k: ``y_rkt = h_rk x_kt + noise``, the first P symbols known
(pilots), the others not (data). Each round of EM takes the symbols at their mean given the last
channel, with the energy that goes with it, and fits the channel to them as to pilots::

    z_rk = sum_t E[x_kt]^* y_rkt,   e_k = sum_t E|x_kt|^2,   h = the best fit to z and e.

The likelihood of pilots and data never falls on the way. Two channels: one array that hears an
angle, and access points that hear a delay each, with phases that nobody knows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Fit = Callable[[ComplexArray, Array], tuple[ComplexArray, ComplexArray, Array]]


class Found(NamedTuple):
    """What EM found.

    Attributes
    ----------
    gain : (...) or (..., A) complex
        Of the unit-norm array response, or of each access point at its first tone.
    value : (...) or (..., A) float
        The angle (rad), or the delays (s).
    converged : bool
        Whether the channel moved by less than the tolerance in the last step. If not, there were
        too few steps: the values are those of the last one.
    n_iterations : int

    Examples
    --------
    >>> Found(np.array(1j), np.array(0.3), True, 12).value.item()
    0.3
    """

    gain: ComplexArray
    value: Array
    converged: bool
    n_iterations: int


def angle(
    observations: ArrayLike,
    pilots: ArrayLike,
    array: UniformLinearArray,
    noise_variance: float,
    data: str = "gaussian",
    tolerance: float = 1e-10,
    max_steps: int = 500,
) -> Found:
    """Gain and angle at one array, from pilots and from data that nobody knows.

    EM climbs from the estimate of the pilots alone: where that one has missed the main lobe, as a
    single weak pilot does, it ends at another top of the likelihood.

    Gaussian data of power one add ``Gamma / (1 + Gamma)`` of what they would tell as pilots,
    Gamma the SNR of one sample over all antennas.

    Parameters
    ----------
    observations : (..., L, T) complex
        Of L antennas, the pilots first.
    pilots : (..., P) complex
        The first P <= T symbols, not all zero. With P = T this is
        :func:`cfisac.estimators.angle_ml.estimate`, from which EM starts in any case.
    array : UniformLinearArray
        Of two antennas or more, with a spacing of at most half a wavelength.
    noise_variance : float
        sigma^2 > 0.
    data : {"gaussian", "qpsk"}
        Law of the unknown symbols: CN(0, 1), or ``(+-1 +- j) / sqrt(2)`` alike.
    tolerance : float
        EM stops when the channel moves by less than this share of it.
    max_steps : int

    Returns
    -------
    Found
        ``value`` in [-pi/2, pi/2].

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> array, pilots = UniformLinearArray(8), np.ones(4)
    >>> symbols = np.concatenate([pilots, rng.normal(size=(60, 2)) @ [1, 1j] / np.sqrt(2)])
    >>> heard = 2 * np.outer(array.steering(0.3), symbols)  # no noise
    >>> print(f"{angle(heard, pilots, array, 1e-6).value:.4f}")
    0.3000
    """
    if not isinstance(array, UniformLinearArray) or array.n_antennas < 2:
        raise ValueError(
            f"array must be a UniformLinearArray of at least 2 antennas, got {array!r}"
        )
    seen = _checks.squarable("observations", observations)
    if seen.ndim < 2 or seen.shape[-2] != array.n_antennas:
        raise ValueError(
            f"observations must have shape (..., L, T) with L = {array.n_antennas}, the array's "
            f"n_antennas, got {seen.shape}"
        )

    def fit(z: ComplexArray, energy: Array) -> tuple[ComplexArray, ComplexArray, Array]:
        gain, phi = angle_ml.estimate_from_channel(z[..., 0] / energy, array)
        return (gain[:, None] * array.steering(phi))[..., None], gain, phi

    known = _checks.squarable("pilots", pilots)
    if known.ndim < 1:
        raise ValueError(f"pilots must have shape (..., P), got {known.shape}")
    found = _em(
        seen[..., None, :], known[..., None, :], fit, noise_variance, data, tolerance, max_steps
    )
    shape = seen.shape[:-2]
    return found._replace(gain=found.gain.reshape(shape), value=found.value.reshape(shape))


def delays(
    observations: ArrayLike,
    pilots: ArrayLike,
    subcarrier_spacing: float,
    noise_variance: float,
    data: str = "gaussian",
    tolerance: float = 1e-10,
    max_steps: int = 500,
) -> Found:
    """Gains and delays at access points that are processed together, from pilots and data.

    ``h_rk = gain_r exp(-2 pi j k Delta_f tau_r)``, k = 0, 1, ... Unknown data tell how the delays
    differ. They say nothing of the delay that all share, which remains what the pilots tell.

    Parameters
    ----------
    observations : (..., A, K, T) complex
        Of A access points on K >= 2 tones, the pilots first.
    pilots : (..., K, P) complex
        The first P <= T symbols of each tone; none of the tones without any.
    subcarrier_spacing : float
        Delta_f > 0 (Hz).
    noise_variance, data, tolerance, max_steps
        As in :func:`angle`.

    Returns
    -------
    Found
        ``value`` holds the delays (..., A), modulo ``1 / Delta_f`` in [-1/2, 1/2) of it.

    Raises
    ------
    ValueError
        As :func:`angle`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> tones, true = 1e6 * np.arange(16), np.array([30e-9, -45e-9])
    >>> symbols = rng.normal(size=(16, 8, 2)) @ [1, 1j] / np.sqrt(2)
    >>> heard = np.exp(-2j * np.pi * true[:, None] * tones)[..., None] * symbols  # no noise
    >>> (1e9 * delays(heard, symbols[:, :2], 1e6, 1e-6).value).round(3) + 0.0
    array([ 30., -45.])
    """
    seen = _checks.squarable("observations", observations)
    known = _checks.squarable("pilots", pilots)
    spacing = _checks.one("subcarrier_spacing", subcarrier_spacing, _checks.positive)
    _checks.squarable("subcarrier_spacing", spacing, float)
    if seen.ndim < 3 or seen.shape[-2] < 2:
        raise ValueError(
            f"observations must have shape (..., A, K, T) with K >= 2, got {seen.shape}"
        )
    n_aps, n_tones = seen.shape[-3:-1]
    if known.ndim < 2 or known.shape[-2] != n_tones:
        raise ValueError(f"pilots must have shape (..., {n_tones}, P), got {known.shape}")
    tones = UniformLinearArray(n_tones)  # a delay turns tones as an angle turns antennas

    def fit(z: ComplexArray, energy: Array) -> tuple[ComplexArray, ComplexArray, Array]:
        scaled = z * (n_tones / energy.sum(axis=-1))[:, None, None]
        gain, phi = angle_ml.estimate_from_channel(scaled, tones)
        channel = gain[..., None] * tones.steering(phi)
        return channel, gain / np.sqrt(n_tones), -np.sin(phi) / (2 * spacing)

    found = _em(seen, known, fit, noise_variance, data, tolerance, max_steps)
    shape = (*seen.shape[:-3], n_aps)
    late = (found.value * spacing + 0.5) % 1 - 0.5
    return found._replace(gain=found.gain.reshape(shape), value=(late / spacing).reshape(shape))


def _em(
    seen: ComplexArray,
    pilots: ComplexArray,
    fit: Fit,
    noise_variance: float,
    data: str,
    tolerance: float,
    max_steps: int,
) -> Found:
    """EM for (..., R, K, T) samples and (..., K, P) pilots, started from the pilots alone."""
    variance = _checks.one("noise_variance", noise_variance, _checks.positive)
    _checks.one_of("data", data, "gaussian", "qpsk")
    allowed = _checks.one("tolerance", tolerance, _checks.positive)
    limit = _checks.one("max_steps", max_steps, _checks.count)
    n_pilots = pilots.shape[-1]
    if n_pilots == 0 or 0 in seen.shape[-3:]:
        raise ValueError(
            "observations and pilots must hold at least one receiver, tone and pilot, got shapes "
            f"{seen.shape} and {pilots.shape}"
        )
    if n_pilots > seen.shape[-1]:
        raise ValueError(f"pilots must be at most T = {seen.shape[-1]} symbols, got {n_pilots}")
    leading = seen.shape[:-3]
    if _checks.must_broadcast(observations=leading, pilots=pilots.shape[:-2]) != leading:
        raise ValueError(f"pilots must not have more leading axes than observations {leading}")
    pilots = np.broadcast_to(pilots, (*leading, *pilots.shape[-2:]))
    pilots = pilots.reshape(-1, 1, *pilots.shape[-2:])  # alike at all receivers
    own = np.sum(np.abs(pilots[:, 0]) ** 2, axis=-1)
    if not np.all(own > 0):
        raise ValueError("pilots must not all be zero, on any tone")
    flat = seen.reshape(-1, *seen.shape[-3:])
    known, unknown = flat[..., :n_pilots], flat[..., n_pilots:]
    if not np.all(np.any(known != 0, axis=(2, 3))):
        raise ValueError("observations must not be zero in all pilots of a receiver")
    base = np.sum(known * pilots.conj(), axis=-1)
    channel, gain, value = fit(base, own)
    if unknown.shape[-1] == 0 or len(flat) == 0:
        return Found(gain, value, True, 0)
    for step in range(1, limit + 1):
        mean, energy = _symbols(channel, unknown, variance, data)
        before = channel
        z = base + np.einsum("brkt,bkt->brk", unknown, mean.conj())
        channel, gain, value = fit(z, own + energy)
        moved = np.sum(np.abs(channel - before) ** 2, axis=(1, 2))
        if np.all(moved <= allowed**2 * np.sum(np.abs(channel) ** 2, axis=(1, 2))):
            return Found(gain, value, True, step)
    return Found(gain, value, False, limit)


def _symbols(
    channel: ComplexArray, unknown: ComplexArray, variance: float, data: str
) -> tuple[ComplexArray, Array]:
    """Means (B, K, D) of the unknown symbols given the channel, and their mean energy (B, K)."""
    combined = np.einsum("brk,brkt->bkt", channel.conj(), unknown)
    power = np.sum(np.abs(channel) ** 2, axis=1)
    n_data = unknown.shape[-1]
    if data == "qpsk":
        soft = np.sqrt(2) / variance * combined
        mean = (np.tanh(soft.real) + 1j * np.tanh(soft.imag)) / np.sqrt(2)
        return mean, np.full(power.shape, float(n_data))
    mean = combined / (power + variance)[..., None]
    left = variance / (power + variance)
    return mean, np.sum(np.abs(mean) ** 2, axis=-1) + n_data * left
