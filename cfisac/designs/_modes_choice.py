"""A choice of modes with its powers; those of the source that need no search."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._power_coefficients import Bound, Coefficients
from cfisac.designs._solve import Infeasible
from cfisac.designs.power import Allocation, Uncertified, max_min_sinr, sensing_factor

Array = NDArray[np.float64]
Modes = NDArray[np.bool_]

_BETTER = 1 + 1e-6
_GAP = 1e-4  # of powers next to the border of what sensing can reach, at most


@dataclass(frozen=True, eq=False)
class Selection:
    """Modes, and the best powers for them.

    Parameters
    ----------
    sends : (A,) bool
        Who transmits; all others listen.
    allocation : cfisac.designs.power.Allocation
        Powers, SINR and its certified upper bound for these modes.

    Examples
    --------
    >>> allocation = Allocation(np.ones((2, 2)), np.array([3.0]), 3.0, np.array([3.0]))
    >>> Selection(np.array([True, False]), allocation).hears
    array([False,  True])
    """

    sends: Modes
    allocation: Allocation

    @property
    def hears(self) -> Modes:
        """Who listens."""
        return ~self.sends

    @property
    def value(self) -> float:
        """The least SINR."""
        return self.allocation.value


def closest(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    distance: ArrayLike,
    *,
    bound: Bound = "approximate",
) -> Selection:
    """Let those listen that are closest to the targets: fan_journal Algorithm 2 (CAP).

    At first the closest access point to each target listens, all others send. Then, of those that
    send, the one closest to any target is switched, one after the other, until the least SINR
    ceases to rise. As long as the bounds on sensing are out of reach it goes on, which the source
    does not say.

    Parameters
    ----------
    coefficients : Coefficients
        A access points, T targets.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).
    distance : (A, T)
        Of access points and targets (m).
    bound : {"approximate", "exact"}
        As in :func:`cfisac.designs.power.max_min_sinr`.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        If an argument does not fit or is out of range.
    Infeasible
        If none of the modes on the way locates all targets.
    SolverError
        As :func:`cfisac.designs.power.max_min_sinr`.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> away = np.linalg.norm(net.scene.aps[:, None] - net.scene.targets, axis=-1)
    >>> found = closest(each, 0.5**2, away)
    >>> np.flatnonzero(found.hears), round(found.value, 2)
    (array([2, 6]), 3.89)
    """
    n_aps, shape = len(coefficients.can_send), (len(coefficients.can_send), coefficients.n_targets)
    away = _checks.positive("distance", distance)
    if away.shape != shape:
        raise ValueError(f"distance must be {shape}, access points x targets, got {away.shape}")
    sends = np.ones(n_aps, dtype=bool)
    sends[np.argmin(away, axis=0)] = False
    order = [at for at in np.argsort(away.min(axis=1), kind="stable") if sends[at]]
    best: Selection | None = None
    for at in [None, *order]:
        if at is not None:
            sends[at] = False
        if not sends.any():
            break
        try:
            found = powers(coefficients, crlb_max, sends, bound)
        except Infeasible:
            if best is not None:
                break
            continue
        if best is not None and found.value <= best.value * _BETTER:
            break
        best = Selection(sends.copy(), found)
    if best is None:
        raise Infeasible("the closest access points locate the targets for no number of listeners")
    return best


def random(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    n_receivers: int,
    rng: np.random.Generator,
    *,
    bound: Bound = "approximate",
) -> Selection:
    """Let some access points listen, drawn at random: the benchmark of fan_journal (RAP).

    Parameters
    ----------
    coefficients : Coefficients
        A access points.
    crlb_max : float or (T,)
        Bound on the mean squared position error of each target, > 0 (m^2).
    n_receivers : int
        How many listen, 1 .. A - 1; the source takes about as many as :func:`joint` chooses.
    rng : Generator
        Source of the draw.
    bound : {"approximate", "exact"}
        As in :func:`cfisac.designs.power.max_min_sinr`.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError, Infeasible, SolverError
        As :func:`closest`.

    Examples
    --------
    >>> from cfisac.designs.power import coefficients
    >>> from cfisac.scenarios import fan_network
    >>> net = fan_network(np.random.default_rng(2), n_aps=8, n_users=3, n_targets=1)
    >>> each = coefficients(net.scene, net.channels, net.estimates)
    >>> found = random(each, 1.0, 2, np.random.default_rng(3))
    >>> int(found.hears.sum())
    2
    """
    n_aps = len(coefficients.can_send)
    number = int(_checks.one("n_receivers", n_receivers, _checks.count))
    if number >= n_aps:
        raise ValueError(f"n_receivers must be in 1..{n_aps - 1}, got {number}")
    sends = np.ones(n_aps, dtype=bool)
    sends[rng.permutation(n_aps)[:number]] = False
    return Selection(sends, powers(coefficients, crlb_max, sends, bound))


def powers(
    coefficients: Coefficients, crlb_max: ArrayLike, sends: Modes, bound: Bound = "approximate"
) -> Allocation:
    """The best powers for modes, certified to 1e-6, or to 1e-4 where rounding allows no more."""
    try:
        return max_min_sinr(coefficients, crlb_max, sends, ~sends, bound=bound)
    except Uncertified as error:
        if error.allocation.gap > _GAP:
            raise
        return error.allocation


def out_of_reach(which: str, coefficients: Coefficients, crlb_max: ArrayLike) -> Infeasible:
    """Say what is asked for and what is possible at best."""
    apart = ~np.eye(len(coefficients.can_send), dtype=bool)[:, :, None, None, None]
    factor = sensing_factor(
        replace(coefficients, information=coefficients.information * apart), crlb_max
    )
    asked = np.sqrt(np.broadcast_to(np.asarray(crlb_max, dtype=float), coefficients.n_targets))

    def named(lengths: Array) -> str:
        return ", ".join(f"{each:.3g}" for each in lengths)

    return Infeasible(
        f"{which} can locate the targets to {named(asked)} m, which crlb_max asks for; if all "
        "access points could send and listen at once, "
        f"{named(asked * np.sqrt(factor))} m were in reach"
    )
