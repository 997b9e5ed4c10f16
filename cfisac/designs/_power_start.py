"""Where a power allocation starts, what it does about rounding, and what is out of reach."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac.designs._power_certificate import upper_bound
from cfisac.designs._power_chosen import Chosen, choose
from cfisac.designs._power_coefficients import Bound, Coefficients
from cfisac.designs._power_conic import least_power
from cfisac.designs._solve import Infeasible

Array = NDArray[np.float64]

_HALVINGS = 12  # of a range of 32 nepers: to a hundredth of the step


def start(
    chosen: Chosen,
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None,
    hears: ArrayLike | None,
    bound: Bound,
) -> Array:
    """Equal powers, or next to them some that locate all targets."""
    equal = np.full((chosen.shape[0], coefficients.n_beams), 1 / coefficients.n_beams)
    if chosen.worst(equal) <= 1:
        return equal
    factor, sensing = least_power(chosen)
    if factor > 1:
        raise _explained(coefficients, crlb_max, sends, hears, bound)
    return sensing + (1 - factor) * equal


def repaired(chosen: Chosen, share: Array, feasible: Array) -> Array:
    """The powers, moved towards feasible ones just as far as rounding asks for.

    ``Tr F^-1`` is convex, so on the way it comes below one and stays there.
    """
    if chosen.worst(share) <= 1:
        return share
    shortest, enough = np.log(1e-14), 0.0
    for _ in range(_HALVINGS):
        part = (shortest + enough) / 2
        if chosen.worst(share + np.exp(part) * (feasible - share)) <= 1:
            enough = part
        else:
            shortest = part
    return share + np.exp(enough) * (feasible - share) if enough < 0 else feasible


def without_sensing(chosen: Chosen, share: Array) -> float:
    """A bound from the simplest prices: all alike, and none of information."""
    n_aps, n_users, n_targets = chosen.shape
    nothing = np.zeros((n_targets, *chosen.base.shape[2:]))
    price, interference = np.ones(n_aps), np.full(n_users, 0.5 * n_aps / n_users)
    return upper_bound(chosen, share, price, interference, nothing)


def _explained(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None,
    hears: ArrayLike | None,
    bound: Bound,
) -> Infeasible:
    """Say which target is out of reach, and how well it can be located."""
    asked = np.broadcast_to(np.asarray(crlb_max, dtype=float), coefficients.n_targets)
    for target in np.flatnonzero(np.isfinite(asked)):
        alone = np.full(asked.shape, np.inf)
        alone[target] = asked[target]
        factor = least_power(choose(coefficients, alone, sends, hears, bound))[0]
        if factor > 1:
            return Infeasible(
                f"target {target} can be located to {np.sqrt(factor * asked[target]):.3g} m at "
                f"best, {np.sqrt(asked[target]):.3g} m are asked for by crlb_max"
            )
    factor = least_power(choose(coefficients, asked, sends, hears, bound))[0]
    return Infeasible(
        f"all targets together can be located to {np.sqrt(factor):.4g} times what crlb_max asks "
        "for at best, each alone can"
    )
