"""Powers that serve the worst user best while every target stays located (fan).

fan_conf (25) asks for the powers of all beams that make the least SINR largest, subject to a bound
on each position error and to the power of each access point. The source calls it non-convex and
solves it by the quadratic transform. But ``(sum_p g_pq sqrt(eta_pq))^2`` is a concave function of
the powers, so for a fixed target t the set of powers with ``SINR_q >= t`` is convex: the problem is
quasi-concave, a local optimum is the optimum, and prices prove it
(:mod:`cfisac.designs._power_certificate`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._power_certificate import upper_bound
from cfisac.designs._power_chosen import Chosen, choose
from cfisac.designs._power_coefficients import Bound, Coefficients, coefficients
from cfisac.designs._power_conic import least_power, step
from cfisac.designs._power_printed import steps as printed_steps
from cfisac.designs._power_start import repaired, start, without_sensing
from cfisac.designs._solve import SolverError
from cfisac.scenarios import Waveform
from cfisac.waveforms import OTFS

__all__ = [
    "Allocation",
    "Bound",
    "Coefficients",
    "Uncertified",
    "coefficients",
    "max_min_sinr",
    "quadratic_transform",
    "sensing_factor",
    "spectral_efficiency",
]

Array = NDArray[np.float64]

_STEPS = 60
_FAILURES, _ELSEWHERE = 3, 0.97  # programs that may fail, and where to try instead
_STRICTEST = 3  # digits more than usual that are asked of the solver where it stalls
_FAR = 0.01  # gap above which the next target is guessed


@dataclass(frozen=True, eq=False)
class Allocation:
    """Powers, what they reach, and what no powers can.

    Parameters
    ----------
    power : (A, B)
        Of all beams (W), zero for access points that do not send.
    sinr : (K,)
        Of every user at these powers.
    upper_bound : float
        No powers within the limits give every user more than that, by a certificate in closed
        form.
    trace : (n,)
        The least SINR after every step.

    Examples
    --------
    >>> allocation = Allocation(np.ones((1, 2)), np.array([2.0, 3.0]), 2.1, np.array([1.0, 2.0]))
    >>> allocation.value, round(allocation.gap, 3)
    (2.0, 0.05)
    """

    power: Array
    sinr: Array
    upper_bound: float
    trace: Array

    @property
    def value(self) -> float:
        """The least SINR."""
        return float(self.sinr.min())

    @property
    def gap(self) -> float:
        """By how much the upper bound exceeds the least SINR, as a share of it."""
        return self.upper_bound / self.value - 1


class Uncertified(SolverError):
    """Powers whose certificate did not come within the tolerance; ``allocation`` has the gap.

    Next to the border of what sensing can reach, the price of its last digits goes beyond all
    bounds, and with it what rounding does to a certificate.

    Examples
    --------
    >>> allocation = Allocation(np.ones((1, 2)), np.array([2.0, 3.0]), 2.1, np.array([2.0]))
    >>> str(Uncertified(allocation))
    'power allocation: the solver stopped with status a gap of 5.0e-02 after 1 steps'
    """

    def __init__(self, allocation: Allocation) -> None:
        steps = len(allocation.trace)
        super().__init__("power allocation", f"a gap of {allocation.gap:.1e} after {steps} steps")
        self.allocation = allocation


def max_min_sinr(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None = None,
    hears: ArrayLike | None = None,
    *,
    bound: Bound = "approximate",
    tolerance: float = 1e-6,
) -> Allocation:
    """Powers with the largest least SINR, fan_conf (25), by Dinkelbach's method, with a proof.

    Each step is one conic program (:mod:`cfisac.designs._power_conic`): for the SINR t that all
    users have so far, make ``min_q (S_q - t D_q) / D_q^k`` as large as possible. It ends when the
    bound from the program's prices is within ``tolerance`` of what the powers give, both computed
    apart from the solver.

    Parameters
    ----------
    coefficients : Coefficients
        A access points, K users, T targets.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2): the square of what fan
        calls the sensing PEB threshold. ``inf`` for a target that need not be located.
    sends, hears : (A,) bool, optional
        Who transmits and who listens; by default all that can. An access point may do both.
    bound : {"approximate", "exact"}
        Proposition 1, the beam to the target alone, or the exact bound, all beams.
    tolerance : float
        Of the certificate, a share of the SINR, >= 1e-8.

    Returns
    -------
    Allocation

    Raises
    ------
    ValueError
        If an argument is out of range or does not fit, or nobody would send or hear.
    Infeasible
        If a target cannot be located so well; the message says how well it can.
    Uncertified
        If the certificate does not come within the tolerance, with what was found.
    SolverError
        If the solver fails.

    Examples
    --------
    >>> from cfisac.scenarios import fan_network
    >>> network = fan_network(np.random.default_rng(1), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(network.scene, network.channels, network.estimates)
    >>> best = max_min_sinr(each, 0.3**2, network.sends, network.hears)
    >>> print(best.sinr.round(2), best.gap < 1e-6)
    [2.93 2.93 2.93] True
    """
    limit = _checks.one("tolerance", tolerance, _checks.positive)
    if limit < 1e-8:
        raise ValueError(f"tolerance must be >= 1e-8, got {limit:g}")
    chosen = choose(coefficients, crlb_max, sends, hears, bound)
    best = feasible = start(chosen, coefficients, crlb_max, sends, hears, bound)
    value = float(np.min(chosen.signal(best) / chosen.disturbance(best)))
    least, before, trace, strict, failures = without_sensing(chosen, best), np.inf, [], 0, 0
    target, last = value**0.05 * least**0.95, 0.0
    for _ in range(_STEPS):
        try:
            solved = step(chosen, target, best, strict)
        except SolverError:
            failures += 1
            if failures > _FAILURES:
                raise
            target *= _ELSEWHERE
            continue
        prices = solved.price, solved.interference, solved.information
        least = min(least, upper_bound(chosen, solved.share, *prices))
        share = repaired(chosen, solved.share, feasible)
        reached = float(np.min(chosen.signal(share) / chosen.disturbance(share)))
        if reached > value:
            value, best = reached, share
        trace.append(value)
        gap = least / value - 1
        if gap <= limit:
            break
        # Dinkelbach's own target is value. Far off, one next to the bound is faster, if it helps.
        stalls = gap > 0.7 * before
        if stalls and target == last:  # the solver's rounding is in the way
            strict += 1
            if strict > _STRICTEST:
                break
        before, last = gap, value
        target = value**0.15 * least**0.85 if gap > _FAR and not stalls else value
    found = _allocation(coefficients, chosen, best, least, trace)
    if not least <= value * (1 + limit):
        raise Uncertified(found)
    return found


def quadratic_transform(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None = None,
    hears: ArrayLike | None = None,
    *,
    bound: Bound = "approximate",
    tolerance: float = 1e-6,
    max_steps: int = 200,
) -> Allocation:
    """Algorithm 1 of fan_conf as it is printed, in CVXPY, with the certificate that it has not.

    The step (27) is solved for ``y_q = sqrt(S_q) / D_q`` of the last powers, (28), starting from
    equal ones, until the objective z changes by ``tolerance`` or less. z rises from step to step
    and its limit is the optimum: a step changes S and D to first order as the SINR does, so powers
    that no step improves are stationary, and the problem is quasi-concave.

    Parameters
    ----------
    coefficients, crlb_max, sends, hears, bound
        As in :func:`max_min_sinr`; in space only the approximate bound.
    tolerance : float
        epsilon > 0 of Algorithm 1, of z.
    max_steps : int
        I >= 1.

    Returns
    -------
    Allocation
        ``trace`` is z after every step. Where the steps ended early, ``gap`` says by how much.

    Raises
    ------
    ValueError, Infeasible, SolverError
        As :func:`max_min_sinr`; ``SolverError`` also if z still changes after ``max_steps``.

    Examples
    --------
    >>> from cfisac.scenarios import fan_network
    >>> network = fan_network(np.random.default_rng(1), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(network.scene, network.channels, network.estimates)
    >>> printed = quadratic_transform(each, 0.3**2, network.sends, network.hears)
    >>> print(printed.trace[[0, 4, -1]].round(3), printed.gap < 1e-5)
    [2.246 2.643 2.932] True
    """
    limit = _checks.one("tolerance", tolerance, _checks.positive)
    most = _checks.one("max_steps", max_steps, _checks.count)
    chosen = choose(coefficients, crlb_max, sends, hears, bound)
    share = start(chosen, coefficients, crlb_max, sends, hears, bound)
    best, least, trace = printed_steps(chosen, share, limit, most)
    return _allocation(coefficients, chosen, best, least, trace)


def _allocation(
    coefficients: Coefficients, chosen: Chosen, share: Array, least: float, trace: list[float]
) -> Allocation:
    power = np.zeros(coefficients.hit.shape[:2])
    power[chosen.sends] = share * coefficients.max_power[chosen.sends, None]
    return Allocation(power, coefficients.sinr(power), least, np.array(trace))


def spectral_efficiency(
    sinr: ArrayLike, waveform: Waveform, cp_samples: int | None = None
) -> Array:
    """``prelog log2(1 + SINR)`` in bit/s/Hz, fan_journal Section IV-C.

    Parameters
    ----------
    sinr : (...) float
        >= 0.
    waveform : OTFS or OFDM
        One cyclic prefix for a frame, ``MN / (MN + N_cp)``, or one for each symbol,
        ``M / (M + N_cp)``.
    cp_samples : int, optional
        N_cp >= 0; needed for OTFS, by default that of an OFDM waveform.

    Returns
    -------
    (...)

    Raises
    ------
    ValueError
        If an argument is out of range, or ``cp_samples`` is missing.

    Examples
    --------
    >>> from cfisac.waveforms import OFDM, OTFS
    >>> symbol = 128 / 64e6  # s, of 128 samples
    >>> for waveform in (OTFS(128, 128, 500e3), OFDM(128, 128, 500e3, symbol)):
    ...     print(spectral_efficiency(9.0, waveform, 128).round(3))
    3.296
    1.661
    """
    ratio = _checks.non_negative("sinr", sinr)
    if cp_samples is not None:
        prelog = waveform.prelog(cp_samples)
    elif isinstance(waveform, OTFS):
        raise ValueError("cp_samples must be given for OTFS")
    else:
        prelog = waveform.prelog()
    return np.asarray(prelog * np.log2(1 + ratio))


def sensing_factor(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None = None,
    hears: ArrayLike | None = None,
    *,
    bound: Bound = "approximate",
) -> float:
    """Factor by which all bounds asked for would have to grow to be just in reach, one conic solve.

    Information is linear in the powers, so it is also the least share of its power that each access
    point would need if it served no user. Above one, what is asked for is out of reach.

    Takes the arguments of :func:`max_min_sinr`.

    Returns
    -------
    float
        ``inf`` if a target cannot be located at all.

    Raises
    ------
    ValueError, SolverError
        As :func:`max_min_sinr`.

    Examples
    --------
    >>> from cfisac.scenarios import fan_network
    >>> network = fan_network(np.random.default_rng(1), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(network.scene, network.channels, network.estimates)
    >>> print(f"{sensing_factor(each, 0.3**2, network.sends, network.hears):.2f}")
    0.12
    """
    return least_power(choose(coefficients, crlb_max, sends, hears, bound))[0]
