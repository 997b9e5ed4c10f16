"""Which access points send and which listen (fan_journal, Algorithms 1 and 2), with proofs.

fan_journal (41) asks for the modes and powers that make the least SINR largest while every target
stays located. For given modes that is :func:`cfisac.designs.power.max_min_sinr`; the modes are
2^A - 2 choices. Here are the source's algorithms (:func:`closest`, :func:`joint`, :func:`random`),
a local search, enumeration, and a branch and bound whose bounds are proved in closed form
(:mod:`cfisac.designs._modes_bound`). All but :func:`closest` and :func:`random` count the sensing
beam of a target alone (Proposition 1) and want a scene in the plane.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._modes_choice import Selection, closest, out_of_reach, powers, random
from cfisac.designs._modes_joint import Joint, joint
from cfisac.designs._modes_program import Network, checked_start, network
from cfisac.designs._modes_search import best_of, local_search, start_of
from cfisac.designs._modes_tree import Level, Search
from cfisac.designs._power_coefficients import Coefficients
from cfisac.designs._solve import SolverError

__all__ = [
    "Certified",
    "Joint",
    "Selection",
    "certified",
    "closest",
    "exhaustive",
    "joint",
    "random",
    "swap_search",
]

Modes = NDArray[np.bool_]

_MOST_ENUMERATED = 8


@dataclass(frozen=True, eq=False)
class Certified(Selection):
    """The best modes that a branch and bound found, and what no modes exceed.

    Parameters
    ----------
    upper_bound : float
        No modes and powers give every user a larger SINR.
    root_bound : float
        The same before the first branch: if all did both.
    n_nodes : int
        Of the tree.
    seconds : float
        Of the search.

    Examples
    --------
    >>> from cfisac.designs.power import Allocation
    >>> allocation = Allocation(np.ones((2, 2)), np.array([3.0]), 3.0, np.array([3.0]))
    >>> found = Certified(np.array([True, False]), allocation, 3.3, 4.5, 7, 0.1)
    >>> round(found.gap, 3)
    0.1
    """

    upper_bound: float
    root_bound: float
    n_nodes: int
    seconds: float

    @property
    def gap(self) -> float:
        """By how much the upper bound exceeds the least SINR, as a share of it."""
        return self.upper_bound / self.value - 1


def swap_search(
    coefficients: Coefficients, crlb_max: ArrayLike, start: ArrayLike | None = None
) -> Selection:
    """Change one mode, or swap two, as long as that helps: a local search for fan_journal (41).

    Whether a neighbour is better is one conic program. Without ``start`` the search begins with
    the best of: for each target, the 1 .. 6 access points that hear most of it; single ones; and
    relaxed modes that were rounded. If none of these locates all targets, modes are changed until
    they do. At most 160 neighbours are tried from each point, the most promising by its prices.

    Parameters
    ----------
    coefficients : Coefficients
        A access points.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).
    start : (A,) or (n, A) bool, optional
        Who sends at first; the best of several.

    Returns
    -------
    Selection
        No worse than any start.

    Raises
    ------
    ValueError, SolverError
        As :func:`joint`.
    Infeasible
        If no start locates all targets.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> found = swap_search(each, 0.5**2)
    >>> np.flatnonzero(found.hears), round(found.value, 2)
    (array([1, 2]), 7.39)
    """
    found = _searched(network(coefficients, crlb_max), coefficients, start)
    if found is None:
        raise out_of_reach("no start", coefficients, crlb_max)
    return Selection(found[0], powers(coefficients, crlb_max, found[0]))


def _searched(
    net: Network, coefficients: Coefficients, start: ArrayLike | None
) -> tuple[Modes, Level] | None:
    """Where the local search ends; None if no start locates all targets."""
    if start is None:
        best = start_of(net)
    else:
        best = best_of(net, [checked_start(coefficients, each) for each in np.atleast_2d(start)])
    return None if best is None else local_search(net, *best)


def exhaustive(coefficients: Coefficients, crlb_max: ArrayLike) -> Selection:
    """The optimum of fan_journal (41) by trying all modes, for at most 8 access points.

    Parameters
    ----------
    coefficients : Coefficients
        A <= 8 access points.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).

    Returns
    -------
    Selection

    Raises
    ------
    ValueError, SolverError
        As :func:`joint`, or if there are more access points.
    Infeasible
        If no modes locate all targets.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=5, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> found = exhaustive(each, 1.0)
    >>> np.flatnonzero(found.hears), round(found.value, 2)
    (array([4]), 3.01)
    """
    net = network(coefficients, crlb_max)
    free = np.flatnonzero(net.can_send & net.can_hear)
    if len(net.can_send) > _MOST_ENUMERATED:
        raise ValueError(
            f"coefficients must have at most {_MOST_ENUMERATED} access points, "
            f"got {len(net.can_send)}; certified takes more"
        )
    choices = []
    for number in range(2 ** len(free)):
        sends = net.can_send.copy()
        sends[free] = number >> np.arange(len(free)) & 1 == 1
        choices.append(sends)
    best = best_of(net, sorted(choices, key=lambda sends: -int(sends.sum())))
    if best is None:
        raise out_of_reach("none of all modes", coefficients, crlb_max)
    return Selection(best[0], powers(coefficients, crlb_max, best[0]))


def certified(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    *,
    tolerance: float = 1e-3,
    start: ArrayLike | None = None,
    max_nodes: int | None = None,
    max_seconds: float | None = None,
    progress: bool = False,
) -> Certified:
    """The optimum of fan_journal (41), with a proof, by branch and bound.

    It begins with :func:`swap_search` and ends when no modes can be better by more than
    ``tolerance``, or at a limit; the gap is true whenever it ends.

    Parameters
    ----------
    coefficients : Coefficients
        A access points.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).
    tolerance : float
        Gap at which it ends, a share of the SINR, >= 1e-5.
    start : (A,) or (n, A) bool, optional
        As for :func:`swap_search`.
    max_nodes : int, optional
        Limit on the tree.
    max_seconds : float, optional
        Limit on the time; what is found then depends on the machine.
    progress : bool
        Show a bar with the gap on standard error.

    Returns
    -------
    Certified

    Raises
    ------
    ValueError, SolverError
        As :func:`joint`; or if a limit is reached before any modes that locate all targets.
    Infeasible
        If it is proved that no modes locate all targets.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> found = certified(each, 0.5**2)
    >>> np.flatnonzero(found.hears), round(found.value, 2), found.gap < 1.01e-3
    (array([1, 2]), 7.39, True)
    """
    share = _checks.one("tolerance", tolerance, _checks.positive)
    if share < 1e-5:
        raise ValueError(f"tolerance must be >= 1e-5, got {share:g}")
    if max_nodes is not None:
        _checks.one("max_nodes", max_nodes, _checks.count)
    if max_seconds is not None:
        _checks.one("max_seconds", max_seconds, _checks.positive)
    net = network(coefficients, crlb_max)
    search = Search(net, share)
    first = _searched(net, coefficients, start)
    if first is not None:
        search.offer(first[1].value, first[0])
    search.run(max_nodes, max_seconds, progress)
    if search.sends is None:
        if search.bound > 0:
            raise SolverError("choice of modes", f"a limit after {search.n_nodes} nodes")
        raise out_of_reach("provably no modes", coefficients, crlb_max)
    found = powers(coefficients, crlb_max, search.sends)
    return Certified(
        search.sends, found, max(search.bound, found.value), search.root_bound,
        search.n_nodes, search.seconds,
    )  # fmt: skip
