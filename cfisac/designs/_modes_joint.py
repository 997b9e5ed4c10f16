"""The joint algorithm of fan_journal (Algorithm 1, JAP)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs import _modes_step
from cfisac.designs._modes_choice import Selection, out_of_reach, powers
from cfisac.designs._modes_program import network
from cfisac.designs._modes_search import best_of
from cfisac.designs._power_coefficients import Coefficients

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Joint(Selection):
    """What the joint algorithm ends with, and its way there.

    Parameters
    ----------
    relaxed : (A,)
        a, before it is rounded.
    objective, binary_gap : (n,)
        After every step: what (53) makes large, and ``sum a (1 - a)``.
    error : (n,)
        Of every step: by how much the constraint on sensing is missed at the new point with
        relaxed modes, the largest ``Tr F_t^-1 / gamma_s - 1``, of what is asked for.

    Examples
    --------
    >>> [name for name in Joint.__dataclass_fields__]
    ['sends', 'allocation', 'relaxed', 'objective', 'binary_gap', 'error']
    """

    relaxed: Array
    objective: Array
    binary_gap: Array
    error: Array


def joint(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    *,
    form: str = "printed",
    penalty: float = 1.0,
    start: float = 0.9,
    max_steps: int = 50,
    tolerance: float = 1e-4,
) -> Joint:
    """Modes and powers together by convex steps: fan_journal Algorithm 1 (JAP), then rounding.

    Relaxes the modes to ``0 <= a <= 1``, punishes ``a (1 - a)`` and solves (53) around the last
    point until the objective stands still (:mod:`cfisac.designs._modes_step`). As the penalty does
    not make all a whole, it ends with rounding: the k smallest a listen, for the k around the
    number of those below one half whose best powers are best.

    Parameters
    ----------
    coefficients : Coefficients
        A access points, all of which can do both.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).
    form : {"printed", "inner"}
        Taylor expansions (51), which may miss the bound, or inner approximations.
    penalty : float
        lambda > 0; its value is missing from our text.
    start : float
        The first a of all access points, in (0, 1); missing as well.
    max_steps : int
        At most so many steps.
    tolerance : float
        Relative change of the objective at which it ends, > 0.

    Returns
    -------
    Joint

    Raises
    ------
    ValueError
        If an argument is out of range or does not fit.
    Infeasible
        If no rounding locates all targets.
    SolverError
        If the solver fails.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> found = joint(each, 0.5**2)
    >>> np.flatnonzero(found.hears), round(found.value, 2)
    (array([0, 7]), 5.73)
    """
    inner = _checks.one_of("form", form, "printed", "inner") == "inner"
    weight = _checks.one("penalty", penalty, _checks.positive)
    number = _checks.one("max_steps", max_steps, _checks.count)
    first = _checks.one("start", start, _checks.positive)
    limit = _checks.one("tolerance", tolerance, _checks.positive)
    if first >= 1:
        raise ValueError(f"start must be in (0, 1), got {first:g}")
    net = network(coefficients, crlb_max)
    if not (net.can_send & net.can_hear).all():
        raise ValueError("coefficients must let all access points send and hear")
    point = _modes_step.first_point(net, first)
    traces: list[tuple[float, float, float]] = []
    for _ in range(number):
        after = _modes_step.step(net, point, weight, inner)
        gained = _modes_step.objective(point, after, weight)
        missed = _modes_step.missed(net, after, inner)
        traces.append((gained, float(np.sum(after.send * (1 - after.send))), missed))
        point = after
        if len(traces) > 1 and abs(traces[-1][0] - traces[-2][0]) <= limit * abs(traces[-1][0]):
            break
    order, about = np.argsort(point.send, kind="stable"), int(np.sum(point.send < 0.5))
    choices = []
    for k in range(max(1, about - 2), min(len(order) - 1, about + 3) + 1):
        sends = np.ones(len(order), dtype=bool)
        sends[order[:k]] = False
        choices.append(sends)
    best = best_of(net, choices)
    if best is None:
        raise out_of_reach("no rounding of the relaxed modes", coefficients, crlb_max)
    found = powers(coefficients, crlb_max, best[0])
    objective, binary_gap, error = np.array(traces).T
    return Joint(best[0], found, point.send, objective, binary_gap, error)
