"""The integer program of zhang (48): what is minimised, over which numbers."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._solve import Infeasible

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Allocation(NamedTuple):
    """An answer to zhang (48), and what it costs.

    Parameters
    ----------
    n_pilots, n_antennas, n_aps : int
        T, L of each active AP, and M, how many are active.
    cost : float
        J, in the unit of the bound (rad^2, or m^2).

    Examples
    --------
    >>> Allocation(n_pilots=16, n_antennas=8, n_aps=4, cost=0.5).n_aps
    4
    """

    n_pilots: int
    n_antennas: int
    n_aps: int
    cost: float


@dataclass(frozen=True, eq=False)
class Problem:
    """The program (48): what is minimised, and over which numbers.

    Parameters
    ----------
    unit_bounds : (M_max,) float
        c_M > 0, ``inf`` where M access points identify nothing (:class:`UnitBounds`).
    pilot_range : (int, int)
        T_min and T_max, 1 <= T_min <= T_max.
    antenna_range : (int, int)
        L_min and L_max of each AP, 2 <= L_min <= L_max: one antenna sees no angle.
    antenna_budget : int
        N_max >= 1, antennas of all active APs together.
    coherence_length : float
        T_c > 0, in pilots.
    pilot_weight, ap_weight, antenna_weight : float
        beta, mu, nu >= 0, in the unit of ``unit_bounds``, and not all zero.

    Raises
    ------
    ValueError
        If an argument is out of range, a number is not whole, or all weights are zero.
    Infeasible
        If the budget is below L_min, so that not one AP can be active, or no number of APs that
        fits identifies anything.

    Examples
    --------
    >>> problem = Problem([1.0, 0.5], (1, 1), (2, 3), 6, 200, ap_weight=0.02, antenna_weight=0.36)
    >>> problem.n_aps, round(float(problem.cost(1, 2, 2)), 4)
    (2, 0.4267)
    """

    unit_bounds: ArrayLike
    pilot_range: tuple[int, int]
    antenna_range: tuple[int, int]
    antenna_budget: int
    coherence_length: float
    pilot_weight: float = 0.0
    ap_weight: float = 0.0
    antenna_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what has no optimum, by name."""
        c = _checks.or_inf("unit_bounds", self.unit_bounds, _checks.positive)
        if c.ndim != 1 or c.size == 0:
            raise ValueError(f"unit_bounds must have shape (M_max,), got {c.shape}")
        pilots = _range("pilot_range", self.pilot_range, 1)
        antennas = _range("antenna_range", self.antenna_range, 2)
        budget = _checks.one("antenna_budget", self.antenna_budget, _checks.count)
        given = {
            "unit_bounds": c, "pilot_range": pilots, "antenna_range": antennas,
            "antenna_budget": budget,
            "coherence_length": _checks.one(
                "coherence_length", self.coherence_length, _checks.positive
            ),
        }  # fmt: skip
        for name in ("pilot_weight", "ap_weight", "antenna_weight"):
            given[name] = _checks.one(name, getattr(self, name), _checks.non_negative)
        if not (given["pilot_weight"] or given["ap_weight"] or given["antenna_weight"]):
            raise ValueError(
                "one of pilot_weight, ap_weight and antenna_weight must be > 0: without a price "
                "the most of everything is best"
            )
        if budget < antennas[0]:
            raise Infeasible(
                f"antenna_budget is {budget}: not one access point can have the {antennas[0]} "
                "antennas of antenna_range"
            )
        most = min(len(c), budget // antennas[0])
        if not np.any(np.isfinite(c[:most])):
            raise Infeasible(f"no number of access points up to {most} identifies anything")
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def n_aps(self) -> int:
        """M_max, the number of candidates."""
        return len(np.asarray(self.unit_bounds))

    def is_feasible(self, n_pilots: int, n_antennas: int, n_aps: int) -> bool:
        """Whether the constraints of (48) hold.

        Examples
        --------
        >>> problem = Problem([1.0, 0.5], (1, 9), (2, 3), 5, 200, pilot_weight=0.1)
        >>> problem.is_feasible(1, 2, 2), problem.is_feasible(1, 3, 2)
        (True, False)
        """
        within = (
            (n_pilots, *self.pilot_range), (n_antennas, *self.antenna_range),
            (n_aps, 1, self.n_aps), (n_aps * n_antennas, 1, self.antenna_budget),
        )  # fmt: skip
        return all(low <= value <= high for value, low, high in within)

    def cost(self, n_pilots: ArrayLike, n_antennas: ArrayLike, n_aps: ArrayLike) -> Array:
        """J of zhang (47), whether feasible or not.

        Parameters
        ----------
        n_pilots : (...) int
            T >= 1.
        n_antennas : (...) int
            L >= 2.
        n_aps : (...) int
            M in 1 .. M_max.

        Raises
        ------
        ValueError
            If a number is out of range, or the shapes do not broadcast.

        Examples
        --------
        >>> problem = Problem([6.0], (1, 9), (2, 4), 4, 10, pilot_weight=1.0)
        >>> problem.cost([1, 2], 2, 1).round(2)
        array([2.1, 1.2])
        """
        t, (length, m) = _checks.count("n_pilots", n_pilots), self._sizes(n_antennas, n_aps)
        _checks.must_broadcast(n_pilots=t.shape, n_antennas=length.shape, n_aps=m.shape)
        return self._cost(t, length, m)

    def best_n_pilots(self, n_antennas: ArrayLike, n_aps: ArrayLike) -> IntArray:
        """Best T for given L and M, :func:`best_n_pilots` of A, zhang (49).

        Parameters
        ----------
        n_antennas : (...) int
            L >= 2.
        n_aps : (...) int
            M in 1 .. M_max.

        Raises
        ------
        ValueError
            If a number is out of range, or the shapes do not broadcast.

        Examples
        --------
        >>> problem = Problem([6.0, 3.0], (1, 9), (2, 4), 8, 10, pilot_weight=1.0)
        >>> problem.best_n_pilots([2, 2, 3], [1, 2, 1])
        array([4, 3, 3])
        """
        length, m = self._sizes(n_antennas, n_aps)
        _checks.must_broadcast(n_antennas=length.shape, n_aps=m.shape)
        return self._best_n_pilots(self._per_pilot(length, m))

    def _sizes(self, n_antennas: ArrayLike, n_aps: ArrayLike) -> tuple[IntArray, IntArray]:
        length, m = _checks.count("n_antennas", n_antennas, 2), _checks.count("n_aps", n_aps)
        if np.any(m > self.n_aps):
            raise ValueError(f"n_aps must be in 1..{self.n_aps}, got {int(m.max())}")
        return length, m

    def _per_pilot(self, length: IntArray, m: IntArray) -> Array:
        """A of zhang (49)."""
        return np.asarray(self.unit_bounds)[m - 1] / (np.square(length, dtype=float) - 1)

    def _best_n_pilots(self, per_pilot: Array) -> IntArray:
        return _smallest_best(per_pilot, self.pilot_range, self.coherence_length, self.pilot_weight)

    def _cost(self, t: IntArray, length: IntArray, m: IntArray) -> Array:
        return (
            self._per_pilot(length, m) / t
            + self.pilot_weight * t / self.coherence_length
            + self.ap_weight * m / self.n_aps
            + self.antenna_weight * (m * length) / self.antenna_budget
        )

    def _allocation(self, t: int, length: int, m: int) -> Allocation:
        value = self._cost(np.asarray(t), np.asarray(length), np.asarray(m))
        return Allocation(int(t), int(length), int(m), float(value))


def best_n_pilots(
    per_pilot: ArrayLike,
    pilot_range: tuple[int, int],
    coherence_length: float,
    pilot_weight: float,
) -> IntArray:
    """Number of pilots that minimises ``A / T + beta T / T_c``, zhang (50), in closed form.

    ``min {T : T (T + 1) >= A T_c / beta}``, clipped to the range: one more pilot pays exactly
    while ``T (T + 1)`` is smaller. It takes the place of (53) and of the search after it.

    Parameters
    ----------
    per_pilot : (...) float
        A > 0 of zhang (49), the first term of J at T = 1; ``inf`` where nothing is identified.
    pilot_range : (int, int)
        T_min and T_max, 1 <= T_min <= T_max.
    coherence_length : float
        T_c > 0, in pilots.
    pilot_weight : float
        beta >= 0, in the unit of A. Pilots that cost nothing: the most.

    Returns
    -------
    (...) int
        Of two equally good numbers the smaller.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> best_n_pilots([2.0, 2.1, 600.0], (1, 20), coherence_length=1.0, pilot_weight=1.0)
    array([ 1,  2, 20])
    """
    return _smallest_best(
        _checks.or_inf("per_pilot", per_pilot, _checks.positive),
        _range("pilot_range", pilot_range, 1),
        _checks.one("coherence_length", coherence_length, _checks.positive),
        _checks.one("pilot_weight", pilot_weight, _checks.non_negative),
    )


def _smallest_best(
    per_pilot: Array, ends: tuple[int, int], coherence_length: float, pilot_weight: float
) -> IntArray:
    low, high = ends
    with np.errstate(divide="ignore", over="ignore"):
        ratio = per_pilot * coherence_length / np.float64(pilot_weight)
    ratio = np.minimum(ratio, float(high) * (high + 1))
    t = np.ceil((np.sqrt(1 + 4 * ratio) - 1) / 2)
    t -= (t - 1) * t >= ratio  # the root is rounded, the comparison is not
    t += t * (t + 1) < ratio
    return np.clip(t, low, high).astype(np.int64)


def _range(name: str, value: tuple[int, int], least: int) -> tuple[int, int]:
    ends = _checks.count(name, value, least)
    if ends.shape != (2,) or ends[0] > ends[1]:
        raise ValueError(f"{name} must be two increasing whole numbers >= {least}, got {value!r}")
    return int(ends[0]), int(ends[1])
