"""Where access points may go and what that is worth: problem (P0) of liu, and an answer to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from cfisac import _checks, waveforms
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.designs._placement_bound import Criterion, JointBound
from cfisac.designs._solve import Infeasible
from cfisac.scenarios import MonostaticScene
from cfisac.scenarios._common import distances

Array = NDArray[np.float64]

_SLACK = 1e-9  # relative, of what counts as feasible
_ACTIVE = 1e-5  # relative, of what counts as the worst target or a boundary


@dataclass(frozen=True, eq=False)
class Placement:
    """Places and antenna numbers, and what they are worth.

    Parameters
    ----------
    aps : (L, 2)
        Places (m), within reach.
    n_antennas : (L,)
        Antennas of each access point, within the budget; whole numbers where so asked for.
    per_target : (U,)
        The weighted bound of each target, liu (17).
    status : str
        What the method that found it says.
    history : mapping of (K,), optional
        Of an iterative method, after each iteration.
    joint : (L, 3), optional
        The ADMM's variable z as (x, y, N_A): what liu prints as the answer. Unlike ``aps`` and
        ``n_antennas`` it may be out of reach, over budget or negative.

    Examples
    --------
    >>> Placement(np.zeros((1, 2)), np.ones(1), np.array([0.5, 0.7]), "by hand").objective
    0.7
    """

    aps: Array
    n_antennas: Array
    per_target: Array
    status: str
    history: Mapping[str, Array] = field(default_factory=dict)
    joint: Array | None = None

    @property
    def objective(self) -> float:
        """The worst target's: what is minimised."""
        return float(self.per_target.max())


@dataclass(frozen=True, eq=False)
class Problem:
    """Problem (P0) of liu: where to put access points and how to share the antennas.

    Minimise over places c_l and antenna numbers N_l the largest over all targets of::

        f_u = position_weight scales[0] tr B_p + (1 - position_weight) scales[1] tr B_v

    (liu (16), (17)) subject to ``|c_l - scene.aps[l]| <= reach``, ``sum N_l <= antenna_budget``
    and ``N_l >= 1``. Known: places and velocities of the targets, or of a grid of them
    (:func:`spread_targets`); B_p and B_v are the blocks of the joint bound with unknown gains.

    Parameters
    ----------
    scene : MonostaticScene
        In the plane, with linear arrays; its access points and antennas are the initial ones.
    reach : float
        epsilon >= 0 (m), how far an access point may move. No target may be within reach.
    antenna_budget : int, optional
        N_A^max, at least one for each access point; by default as many as the scene has.
    position_weight : float
        alpha in (0, 1).
    focused : bool
        As for :class:`JointBound`.
    criterion : Criterion, optional
        Another pair of traces to judge by.
    scales : (2,), optional
        psi_p and psi_a > 0; by default the inverse of the largest traces of the initial placement.

    Raises
    ------
    Infeasible
        If there are fewer antennas than access points, or the initial ones are over the budget.
    ValueError
        If an argument is out of range, a target is within reach of an access point or too far away
        for the waveform, or a target cannot be located from the initial placement.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> round(problem.initial.objective, 3)
    0.902
    """

    scene: MonostaticScene
    reach: float
    antenna_budget: int | None = None
    position_weight: float = 0.5
    focused: bool = True
    criterion: Criterion | None = None
    scales: ArrayLike | None = None

    def __post_init__(self) -> None:
        """Refuse what is no such problem, and fill in what was left out."""
        scene = self.scene
        if not isinstance(scene, MonostaticScene) or scene.dimension != 2:
            raise ValueError("scene must be a MonostaticScene in the plane")
        if scene.receive_arrays is not None or scene.gain_reference != "element":
            raise ValueError("scene must have linear arrays and the gains of their elements")
        reach = _checks.one("reach", self.reach, _checks.non_negative)
        distance = distances(scene.aps, scene.targets)
        if reach >= distance.min():
            raise ValueError(f"reach must be < {distance.min():g} m, the distance to a target")
        waveforms.refuse_late(
            scene.waveform, "reach and targets", 2 * (distance + reach) / speed_of_light
        )
        budget = int(np.sum(scene.n_antennas))
        if self.antenna_budget is not None:
            budget = _checks.one("antenna_budget", self.antenna_budget, _checks.count)
        if budget < len(scene.aps):
            raise Infeasible(f"antenna_budget must be >= {len(scene.aps)}, one for each AP")
        if (owned := int(np.sum(scene.n_antennas))) > budget:
            raise Infeasible(f"antenna_budget must be >= {owned}, the scene's; got {budget}")
        weight = _checks.one("position_weight", self.position_weight, _checks.finite)
        if not 0 < weight < 1:
            raise ValueError(f"position_weight must be in (0, 1), got {weight:g}")
        if self.criterion is not None and not isinstance(self.criterion, Criterion):
            raise ValueError(f"criterion must be a Criterion, got {self.criterion!r}")
        judge = self.criterion or JointBound(scene, self.focused)
        scales = self.scales
        if scales is None:
            scales = 1 / _identifiable(judge, scene).max(axis=-1)
        scales = _checks.positive("scales", scales)
        if scales.shape != (2,):
            raise ValueError(f"scales must be two numbers, got shape {scales.shape}")
        given = {"reach": reach, "antenna_budget": budget, "criterion": judge, "scales": scales}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def _parts(self) -> Array:
        return np.array([self.position_weight, 1 - self.position_weight]) * np.asarray(self.scales)

    @property
    def _judge(self) -> Criterion:
        assert self.criterion is not None
        return self.criterion

    @property
    def _budget(self) -> int:
        assert self.antenna_budget is not None
        return self.antenna_budget

    @property
    def initial(self) -> Placement:
        """Where the scene has its access points, with the antennas that they have there."""
        antennas = np.asarray(self.scene.n_antennas, dtype=float)
        return self.placement(self.scene.aps, antennas, "initial")

    def values(self, aps: ArrayLike, n_antennas: ArrayLike) -> Array:
        """f_u (..., U) for places (..., L, 2) in metres and antenna numbers (..., L)."""
        traces = self._judge.traces(np.asarray(aps, float), np.asarray(n_antennas, float))
        return np.einsum("a,...au->...u", self._parts, traces)

    def slopes(self, aps: Array, n_antennas: Array) -> tuple[Array, Array]:
        """f_u (U,) and its gradients (U, L, 3) by x, y and antenna number."""
        traces, gradients = self._judge.slopes(aps, n_antennas)
        return self._parts @ traces, np.tensordot(self._parts, gradients, 1)

    def check(self, aps: ArrayLike, n_antennas: ArrayLike) -> tuple[Array, Array]:
        """Return places and antenna numbers as arrays; refuse those outside the feasible set.

        Raises
        ------
        Infeasible
            If a place is out of reach, a number below one or the sum over the budget, each by more
            than 1e-9 of it.
        """
        place = _checks.points("aps", aps, 2)
        number = _checks.finite("n_antennas", n_antennas)
        n_aps = len(self.scene.aps)
        if place.shape != (n_aps, 2) or number.shape != (n_aps,):
            raise ValueError(
                f"aps and n_antennas must have shapes ({n_aps}, 2) and ({n_aps},), got "
                f"{place.shape} and {number.shape}"
            )
        away = np.hypot(*(place - self.scene.aps).T).max()
        if away > self.reach + _SLACK * max(1.0, self.reach):
            raise Infeasible(f"aps must be within reach, {self.reach:g} m; one is {away:g} m away")
        if number.min() < 1 - _SLACK:
            raise Infeasible(f"n_antennas must be >= 1, got {number.min():g}")
        if number.sum() > self._budget * (1 + _SLACK):
            raise Infeasible(f"n_antennas must sum to <= {self._budget}, got {number.sum():g}")
        return place, number

    def placement(
        self,
        aps: ArrayLike,
        n_antennas: ArrayLike,
        status: str,
        history: Mapping[str, Array] | None = None,
        joint: Array | None = None,
    ) -> Placement:
        """Judge a feasible placement; the arguments are the fields of :class:`Placement`."""
        place, number = self.check(aps, n_antennas)
        value = self.values(place, number)
        return Placement(place, number, value, status, dict(history or {}), joint)


def _identifiable(judge: Criterion, scene: MonostaticScene) -> Array:
    """Traces of the initial placement, which must exist."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            traces = judge.traces(scene.aps, np.asarray(scene.n_antennas, dtype=float))
        good = np.isfinite(traces) & (traces > 0)
    except np.linalg.LinAlgError:
        good = np.zeros((2, len(scene.targets)), dtype=bool)
    if not np.all(good):
        raise ValueError(
            "scene must let every target be located, and its velocity found, from the initial "
            f"placement; that of {np.sum(~good.all(axis=0))} cannot be"
        )
    return np.asarray(traces)


def spread_targets(
    scene: MonostaticScene, corners: ArrayLike, n_per_side: int, velocities: ArrayLike
) -> MonostaticScene:
    """Return the scene with targets all over a rectangle, the whole area of interest.

    Parameters
    ----------
    scene : MonostaticScene
        In the plane.
    corners : (2, 2)
        Two opposite corners (m).
    n_per_side : int
        Points along each side, >= 2, the corners included.
    velocities : (V, 2)
        That a target may have at each point (m/s). Opposite velocities have the same bounds.

    Returns
    -------
    MonostaticScene
        With ``n_per_side**2 V`` targets.

    Raises
    ------
    ValueError
        If a shape does not fit or ``n_per_side`` is no whole number >= 2.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), 1)
    >>> area = spread_targets(scene, [[125, 125], [225, 225]], 6, [[105.0, 0.0], [0.0, 105.0]])
    >>> len(area.targets)
    72
    """
    ends = _checks.points("corners", corners, 2)
    if ends.shape != (2, 2):
        raise ValueError(f"corners must have shape (2, 2), got {ends.shape}")
    n = _checks.one("n_per_side", n_per_side, _checks.count, 2)
    moving = _checks.points("velocities", velocities, 2)
    grid = np.stack(np.meshgrid(*np.linspace(ends[0], ends[1], n).T), axis=-1).reshape(-1, 2)
    return replace(
        scene,
        targets=np.repeat(grid, len(moving), axis=0),
        velocities=np.tile(moving, (len(grid), 1)),
        mean_rcs=float(np.mean(scene.mean_rcs)),
    )


def share_within(wanted: Array, budget: float, most: float) -> Array:
    """Nearest antenna numbers in [1, most] that sum to at most the budget: (25) of liu, solved.

    All too large ones are lowered by the same amount, but not below one.
    """
    lowered = np.clip(wanted, 1.0, most)
    if lowered.sum() <= budget:
        return lowered
    most_off = float(wanted.max() - 1)
    by = optimize.brentq(
        lambda by: float(np.clip(wanted - by, 1.0, most).sum() - budget), 0.0, most_off, xtol=1e-13
    )
    return np.clip(wanted - by, 1.0, most)


def within_reach(offset: Array, reach: float) -> Array:
    """Nearest offsets (L, 2) of length at most ``reach``: (24) and (60) of liu."""
    length = np.hypot(*offset.T)[:, None]
    return np.where(length > reach, offset * (reach / np.maximum(length, 1e-300)), offset)


def kkt_residual(problem: Problem, design: Placement) -> float:
    """How far a placement is from satisfying the first-order conditions of the min-max problem.

    At a local minimum a mean of the gradients of the worst targets, weighted by multipliers >= 0,
    is a sum of the gradients of the boundaries that hold it. This is the length of what is left,
    over the weighted mean of the lengths of the gradients: zero at a stationary point, one where
    nothing balances. Places count in units of the reach, antennas in units of their mean.

    Parameters
    ----------
    problem : Problem
    design : Placement

    Returns
    -------
    float
        In [0, 1]; 0 where nothing is free.

    Raises
    ------
    Infeasible
        If the placement is not in the feasible set.

    Examples
    --------
    >>> from cfisac.designs import placement
    >>> from cfisac.scenarios import liu_scene
    >>> problem = Problem(liu_scene(np.random.default_rng(1), 20), reach=10.0)
    >>> kkt_residual(problem, problem.initial) > 0.1
    True
    >>> kkt_residual(problem, placement.direct(problem)) < 1e-6
    True
    """
    aps, number = problem.check(design.aps, design.n_antennas)
    value, slope = problem.slopes(aps, number)
    worst = value >= value.max() * (1 - _ACTIVE)
    unit = np.array([problem.reach, problem.reach, problem._budget / len(aps)])
    pull = (slope[worst] * unit).reshape(worst.sum(), -1)
    walls, offset = [], (aps - problem.scene.aps) / max(problem.reach, 1e-300)
    for k, place in enumerate(offset):
        wall = np.zeros((len(aps), 3))
        if np.hypot(*place) > 1 - _ACTIVE:
            wall[k, :2] = place
            walls.append(wall.ravel())
        if number[k] < 1 + _ACTIVE:
            wall = np.zeros((len(aps), 3))
            wall[k, 2] = -1.0
            walls.append(wall.ravel())
    if number.sum() > problem._budget * (1 - _ACTIVE):
        wall = np.zeros((len(aps), 3))
        wall[:, 2] = 1.0
        walls.append(wall.ravel())
    size = np.abs(pull).max()
    if size == 0:
        return 0.0
    columns = np.array([*(pull / size), *walls]).T
    ones = np.r_[np.ones(len(pull)), np.zeros(len(walls))]
    weights, _ = optimize.nnls(np.vstack([columns, 1e3 * ones]), np.r_[np.zeros(len(columns)), 1e3])
    share = weights[: len(pull)]
    left = np.linalg.norm(columns @ weights)
    return float(left / max(share @ np.linalg.norm(pull / size, axis=1), 1e-300))
