"""Positioning as a service: pilots on demand, what their grid costs, how long a fix takes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]


def on_demand(
    sample_snr: ArrayLike, pilot_power: ArrayLike, duty: ArrayLike
) -> tuple[Array, Array, Array]:
    """Rates of three ways to serve a position fix every now and then, pilots cancelled.

    A fix needs pilots with the share s of the power for the share d of the time.

    Parameters
    ----------
    sample_snr : (...) float
        Gamma >= 0, of one sample of the data with all power on them.
    pilot_power : (...) float
        s in [0, 1].
    duty : (...) float
        d in [0, 1]: length of a measurement over the time from request to request.

    Returns
    -------
    always : (...)
        ``log2(1 + Gamma (1 - s))``: the pilots never stop (bit/s/Hz).
    scheduled : (...)
        ``d log2(1 + Gamma (1 - s)) + (1 - d) log2(1 + Gamma)``: pilots when they are asked for.
    spread : (...)
        ``log2(1 + Gamma (1 - s d))``: the energy of one measurement spread evenly from request to
        request; the largest of the three, and of use only if old pilots count as much as new ones.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> [each.round(3).item() for each in on_demand(100.0, pilot_power=0.5, duty=0.02)]
    [5.672, 6.638, 6.644]
    """
    snr = _checks.non_negative("sample_snr", sample_snr)
    power, part = in_unit("pilot_power", pilot_power), in_unit("duty", duty)
    _checks.must_broadcast(sample_snr=snr.shape, pilot_power=power.shape, duty=part.shape)
    always, free = np.log2(1 + snr * (1 - power)), np.log2(1 + snr)
    return always, part * always + (1 - part) * free, np.log2(1 + snr * (1 - power * part))


def pilot_overhead(
    n_resources: ArrayLike,
    pilot_symbols: ArrayLike,
    comb: ArrayLike,
    period: ArrayLike,
    symbol_period: float = 1e-3 / 28,
) -> Array:
    """Share of a grid's resources that orthogonal pilots take.

    ``n T_s L / (K T)``: each of n pilots has every K-th subcarrier of L symbols, once a period T.

    Parameters
    ----------
    n_resources : (...) int
        How many pilots are told apart: of access points downlink, of users uplink.
    pilot_symbols : (...) int
        L, symbols that one pilot lasts.
    comb : (...) int
        K; so many pilots share the same symbols.
    period : (...) float
        T > 0 (s).
    symbol_period : float
        T_s > 0 (s), cyclic prefix included; by default 14 symbols in half a millisecond.

    Returns
    -------
    (...)
        Above one it cannot be done.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> pilot_overhead(16, pilot_symbols=4, comb=4, period=[0.004, 0.020, 0.160]).round(4)
    array([0.1429, 0.0286, 0.0036])
    """
    n, length = (
        _checks.count("n_resources", n_resources),
        _checks.count("pilot_symbols", pilot_symbols),
    )
    shared, time = _checks.count("comb", comb), _checks.positive("period", period)
    step = _checks.one("symbol_period", symbol_period, _checks.positive)
    _checks.must_broadcast(
        n_resources=n.shape, pilot_symbols=length.shape, comb=shared.shape, period=time.shape
    )
    return np.asarray(n * length * step / (shared * time))


def report_delay(
    period: ArrayLike, processing: ArrayLike, n_occasions: ArrayLike = 1
) -> tuple[Array, Array]:
    """Time from the request of a fix to its report, with periodic pilots.

    Parameters
    ----------
    period : (...) float
        T > 0 (s), from one occasion to the next.
    processing : (...) float
        Everything else, >= 0 (s): signalling, measurement, computation.
    n_occasions : (...) int
        How many occasions are needed: repetitions, or the turns of a muting pattern.

    Returns
    -------
    mean, worst : (...)
        ``processing + (n - 1/2) T`` for a request at a random time, and ``processing + n T`` (s).

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not broadcast.

    Examples
    --------
    >>> mean, worst = report_delay([0.020, 0.160], processing=0.010)
    >>> mean.round(3), worst.round(3)
    (array([0.02, 0.09]), array([0.03, 0.17]))
    """
    time = _checks.positive("period", period)
    rest = _checks.non_negative("processing", processing)
    n = _checks.count("n_occasions", n_occasions)
    _checks.must_broadcast(period=time.shape, processing=rest.shape, n_occasions=n.shape)
    return rest + (n - 0.5) * time, rest + n * time


def in_unit(name: str, value: ArrayLike) -> Array:
    """Return ``value`` as an array of numbers in [0, 1]."""
    array = _checks.finite(name, value)
    if not ((array >= 0) & (array <= 1)).all():
        worst = array.ravel()[np.argmax(np.abs(array - 0.5))]
        raise ValueError(f"{name} must be in [0, 1], got {worst:g}")
    return array
