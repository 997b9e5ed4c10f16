"""How to spread power over a band when a delay must be told: water under a bent lid.

Tones k at f_k carry p_k watts, ``gamma_k`` per watt at the receiver of the data and ``s_k`` per
watt at that of the delay. All symbols are known there, after decoding if need be, and the gain is
not, so the delay has the information ``8 pi^2 min_m sum_k s_k (f_k - m)^2 p_k`` (the minimum is at
the centroid). The most rate for so much information is a tilted water-filling,::

    p_k = [1 / (nu - mu s_k (f_k - m)^2) - 1 / gamma_k]^+,

with m the centroid of what it gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from cfisac import _checks
from cfisac.designs._solve import Infeasible, SolverError, solve

Array = NDArray[np.float64]

_UNIT = 8 * np.pi**2
_NEAR = 1e-9  # how near to the largest information the two tones take over


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Powers of tones, and what no other powers can exceed.

    Parameters
    ----------
    power : (K,)
        p_k in watts.
    rate : float
        Mean over the tones (bit/s/Hz).
    delay_information : float
        Gain of the path unknown (s^-2).
    upper_bound : float
        Certificate: no powers that keep the demands have a larger rate. From the multipliers and
        the powers alone, whoever found them.

    Examples
    --------
    >>> flat = Spectrum(np.ones(2), rate=1.0, delay_information=4.0, upper_bound=1.0)
    >>> flat.upper_bound - flat.rate
    0.0
    """

    power: Array
    rate: float
    delay_information: float
    upper_bound: float


def spectrum_rate(power: ArrayLike, tone_snr: ArrayLike) -> Array:
    """Rate of a spectrum, the mean of ``log2(1 + gamma_k p_k)`` over its tones.

    Parameters
    ----------
    power : (..., K) float
        p_k >= 0 (W).
    tone_snr : (..., K) float
        gamma_k >= 0, of one sample of a tone that has one watt.

    Returns
    -------
    (...)
        bit/s/Hz.

    Raises
    ------
    ValueError
        If an argument is negative or not finite, or the shapes do not fit.

    Examples
    --------
    >>> spectrum_rate([1.0, 3.0], [1.0, 1.0]).item()
    1.5
    """
    p = _checks.non_negative("power", power)
    gamma = _checks.non_negative("tone_snr", tone_snr)
    _checks.must_broadcast(power=p.shape, tone_snr=gamma.shape)
    return np.asarray(np.mean(np.log2(1 + gamma * p), axis=-1))


def spectrum_information(power: ArrayLike, frequencies: ArrayLike, sensing_snr: ArrayLike) -> Array:
    """Information about a delay in a spectrum, gain unknown.

    ``8 pi^2 [sum s f^2 p - (sum s f p)^2 / sum s p]``: twice the SNR times the variance of the
    phase speeds. A concave function of the powers.

    Parameters
    ----------
    power : (..., K) float
        p_k >= 0 (W).
    frequencies : (K,) float
        f_k (Hz).
    sensing_snr : (..., K) float
        s_k >= 0, of all samples of a tone that has one watt.

    Returns
    -------
    (...)
        s^-2.

    Raises
    ------
    ValueError
        If an argument is negative or not finite, or the shapes do not fit.

    Examples
    --------
    >>> two_tones = spectrum_information([0.5, 0.5], [-5e7, 5e7], [10.0, 10.0])
    >>> print(f"{1e9 / np.sqrt(two_tones):.2f} ns")
    0.71 ns
    """
    p = _checks.non_negative("power", power)
    s = _checks.non_negative("sensing_snr", sensing_snr)
    f = _checks.finite("frequencies", frequencies)
    _checks.must_broadcast(power=p.shape, frequencies=f.shape, sensing_snr=s.shape)
    heard = s * p
    total = np.sum(heard, axis=-1, keepdims=True)
    mean = np.sum(heard * f, axis=-1, keepdims=True) / np.where(total > 0, total, 1.0)
    return np.asarray(_UNIT * np.sum(heard * (f - mean) ** 2, axis=-1))


def largest_delay_information(
    frequencies: ArrayLike, sensing_snr: ArrayLike, total_power: float = 1.0
) -> float:
    """Most information about a delay that any spectrum of so much power has: two tones.

    ``8 pi^2 P max_ij s_i s_j (f_i - f_j)^2 / (sqrt s_i + sqrt s_j)^2``. Flat channels put half of
    the power at each edge of the band, which is three times (4.77 dB) what a flat spectrum tells.

    Parameters
    ----------
    frequencies, sensing_snr : (K,) float
        As in :func:`spectrum_information`.
    total_power : float
        P > 0 (W).

    Returns
    -------
    float
        s^-2.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.

    Examples
    --------
    >>> tones = np.linspace(-5e7, 5e7, 1001)
    >>> flat = spectrum_information(np.full(1001, 1 / 1001), tones, np.ones(1001))
    >>> print(f"{10 * np.log10(largest_delay_information(tones, np.ones(1001)) / flat):.2f} dB")
    4.76 dB
    """
    f, s = _tones(frequencies, sensing_snr, "sensing_snr")
    total = _checks.one("total_power", total_power, _checks.positive)
    return _UNIT * total * _pair(f, s)[0]


def shape_spectrum(
    tone_snr: ArrayLike,
    frequencies: ArrayLike,
    delay_information: float,
    total_power: float = 1.0,
    sensing_snr: ArrayLike | None = None,
    conic: bool = False,
) -> Spectrum:
    """Powers of most rate whose delay has so much information.

    Parameters
    ----------
    tone_snr : (K,) float
        gamma_k > 0, of one sample of a tone that has one watt.
    frequencies : (K,) float
        f_k (Hz).
    delay_information : float
        D >= 0 (s^-2), at least to be had.
    total_power : float
        P > 0 (W), at most to be spent.
    sensing_snr : (K,) float, optional
        s_k >= 0, of all samples of a tone that has one watt; by default ``tone_snr``.
    conic : bool
        Whether CVXPY solves the convex program; by default it is tilted water-filling, its three
        multipliers found one inside the other.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes differ.
    Infeasible
        If no spectrum has so much information; it says how much there is.
    SolverError
        If the solver finds no optimum.

    Examples
    --------
    >>> tones, snr = np.linspace(-5e7, 5e7, 64), np.full(64, 640.0)
    >>> flat = spectrum_information(np.full(64, 1 / 64), tones, snr)
    >>> for db in (0, 2, 4):
    ...     print(f"{shape_spectrum(snr, tones, 10 ** (db / 10) * flat).rate:.2f} bit/s/Hz")
    3.46 bit/s/Hz
    3.25 bit/s/Hz
    2.03 bit/s/Hz
    """
    f, gamma = _tones(frequencies, tone_snr, "tone_snr")
    _checks.positive("tone_snr", gamma)
    f, s = (f, gamma) if sensing_snr is None else _tones(f, sensing_snr, "sensing_snr")
    if s.shape != gamma.shape:
        raise ValueError(
            f"sensing_snr must have the shape of tone_snr, got {s.shape} and {gamma.shape}"
        )
    total = _checks.one("total_power", total_power, _checks.positive)
    asked = _checks.one("delay_information", delay_information, _checks.non_negative)
    most, pair, shares = _pair(f, s)
    if asked > _UNIT * total * most * (1 + _NEAR):
        raise Infeasible(
            f"delay_information of {asked:g} s^-2 is asked for, "
            f"{_UNIT * total * most:g} is the most with {total:g} W"
        )
    # Frequencies of size one, powers as shares, information as a share of the most.
    middle, half = (f.max() + f.min()) / 2, max((f.max() - f.min()) / 2, np.finfo(float).tiny)
    x, g = (f - middle) / half, gamma * total
    w = s * half**2 / most if most > 0 else np.zeros_like(s)
    level = asked / (_UNIT * total * most) if most > 0 else 0.0
    if level >= 1 - _NEAR:  # the only powers that there are
        part = np.zeros(len(f))
        part[pair] = shares
        bound = float(spectrum_rate(part, g))
    else:
        part, mu, m = (_conic if conic else _closed)(g, x, w, level)
        # Weak duality: for any price mu and any m, what maximises R + mu (information - demand).
        lever = w * (x - m) ** 2
        best = _water(g, mu * lever)
        bound = float(spectrum_rate(best, g))
        bound += mu / np.log(2) / len(f) * (float(lever @ best) - level)
    power = total * part
    told = float(spectrum_information(power, f, s))
    return Spectrum(power, float(spectrum_rate(part, g)), told, float(bound))


def _closed(g: Array, x: Array, w: Array, level: float) -> tuple[Array, float, float]:
    """Shares, price of information and centroid, by three nested roots."""
    plain = _water(g, np.zeros_like(g))
    if _variance(plain, x, w)[0] >= level:
        return plain, 0.0, 0.0

    last = 0.0  # log of the price, from one m to the next

    def at(m: float) -> tuple[Array, float]:
        nonlocal last
        d = w * (x - m) ** 2

        def short(log_mu: float) -> float:
            return float(d @ _water(g, np.exp(log_mu) * d)) - level

        if d @ plain >= level:  # about this m nothing is asked for
            return plain, 0.0
        step = 0.02
        low, high = last - step, last + step
        while short(low) > 0:
            low, step = low - step, 3 * step
        while short(high) < 0:
            high, step = high + step, 3 * step
            if high > 200:
                raise SolverError("tilted water-filling", "no multiplier of the information")
        last = float(brentq(short, low, high, xtol=1e-13, rtol=1e-14))
        return _water(g, np.exp(last) * d), float(np.exp(last))

    def off(m: float) -> float:
        return _variance(at(m)[0], x, w)[1] - m

    m = _variance(plain, x, w)[1]
    # The centroid moves little with m: a bracket begins with where it goes.
    ahead, reach = off(m), 0.0
    if abs(ahead) > 1e-13:
        reach = m + 2 * ahead
        while off(reach) * ahead > 0:
            reach += 2 * (reach - m)
        m = float(brentq(off, m, reach, xtol=1e-13))
    part, mu = at(m)
    return part, mu, m


def _water(g: Array, lift: Array) -> Array:
    """Shares ``[1 / (nu - lift) - 1 / g]^+`` that sum to one.

    With ``nu = max lift + delta`` nothing cancels. The sum falls with delta and is convex, so
    Newton from the left walks up to the root and never beyond.
    """
    below = lift.max() - lift
    delta = float(np.max(1 / (1 + 1 / g) - below))  # one tone alone would take all
    for _ in range(200):
        inverse = 1 / (delta + below)
        wet = inverse > 1 / g
        excess = float(np.sum(inverse[wet] - 1 / g[wet])) - 1
        if excess <= 1e-15 * len(g):
            break
        delta += excess / float(np.sum(inverse[wet] ** 2))
    share = np.maximum(1 / (delta + below) - 1 / g, 0.0)
    return np.asarray(share / share.sum())


def _conic(g: Array, x: Array, w: Array, level: float) -> tuple[Array, float, float]:
    """The same by CVXPY: exponential cones, and a quadratic over linear term for the centroid."""
    import cvxpy as cp

    part = cp.Variable(len(g), nonneg=True)
    told = (w * x**2) @ part - cp.quad_over_lin((w * x) @ part, w @ part)
    demand = told >= level
    rate = cp.sum(cp.log1p(cp.multiply(g, part))) / len(g)
    solve(cp.Problem(cp.Maximize(rate), [cp.sum(part) <= 1, demand]), "spectrum")
    share = np.maximum(part.value, 0.0)
    share = np.asarray(share / max(1.0, float(share.sum())))
    price = float(max(np.asarray(demand.dual_value).item(), 0.0)) * len(g)
    return share, price, _variance(share, x, w)[1]


def _variance(part: Array, x: Array, w: Array) -> tuple[float, float]:
    """Information of shares, about their own centroid, and that centroid."""
    heard = w * part
    total = heard.sum()
    mean = float(heard @ x / total) if total > 0 else 0.0
    return float(heard @ (x - mean) ** 2), mean


def _pair(f: Array, s: Array) -> tuple[float, list[int], Array]:
    """Largest variance times energy of one watt, the two tones that have it, and their shares."""
    root = np.sqrt(s)
    both = root[:, None] + root
    value = (np.outer(root, root) * (f[:, None] - f) / np.where(both > 0, both, 1.0)) ** 2
    i, j = np.unravel_index(int(np.argmax(value)), value.shape)
    total = root[i] + root[j]
    shares = np.array([root[j], root[i]]) / (total if total > 0 else 1.0)
    return float(value[i, j]), [int(i), int(j)], shares


def _tones(frequencies: ArrayLike, snr: ArrayLike, name: str) -> tuple[Array, Array]:
    f, s = _checks.finite("frequencies", frequencies), _checks.non_negative(name, snr)
    if f.ndim != 1 or f.shape != s.shape or f.size < 2:
        raise ValueError(
            f"frequencies and {name} must be lists of two tones or more, got {f.shape}, {s.shape}"
        )
    return f, s
