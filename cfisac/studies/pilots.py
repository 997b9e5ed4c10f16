"""Figures 4 and 5 of zhang, and how far its alternating search stays from the optimum.

The scene is that of :mod:`cfisac.studies.zhang`, 16 access points (APs) on a grid. The text gives
no weight of the cost (47); those here are chosen so that each kind of curve that it describes
occurs. The first term of the cost is in rad^2, and so are the weights.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac.arrays import UniformLinearArray
from cfisac.designs import pilots
from cfisac.scenarios import deploy
from cfisac.studies import Study, zhang

Array = NDArray[np.float64]

N_APS = 16
PILOT_RANGE, COHERENCE_LENGTH = (1, 100), 200.0
BUDGET = 256
ANTENNA_RANGE = (2, 64)
FIG4_WEIGHTS = (5e-5, 1e-6, 3e-6)  # beta, mu, nu (rad^2)
FIG5_WEIGHTS = (2e-5, 2e-6, 1e-5)
USERS_PER_TRIAL = 1000
INSTANCES_PER_TRIAL = 500
WEIGHT_DECADES = ((-6, -3), (-7, -4), (-7, -4))  # beta, mu, nu of the instances, log-uniform
BUDGETS = (64, 256, 1024)

STARTS = {
    "least": "T = 1, L = 2, M = 1",
    "all access points": "T = 100, L = 2, M = 16",
    "one large array": "T = 100, L = 64, M = 1",
    "random": "a feasible (T, L, M), T uniform, then M uniform, then L uniform in what is left",
    "best of four": "the best of the four searches",
}

ASSUMPTIONS = zhang.ASSUMPTIONS | {
    "deployment": "16 access points at (+-25, +-75) m",
    "ranges": "T in 1..100, T_c = 200, M_max = 16",
}


def user_unit_bounds(rng: np.random.Generator, n_users: int) -> Array:
    """c_M of a block of users, (n_users, 16), each with panels turned at random.

    Parameters
    ----------
    rng : Generator
        For places and orientations.
    n_users : int
        How many users.
    """
    users = rng.uniform(-zhang.SIDE / 2, zhang.SIDE / 2, (n_users, 2))
    aps = deploy(rng, "cell-free grid", N_APS, n_users, zhang.SIDE)
    information, _ = zhang.angle_information(rng, aps, users, UniformLinearArray(2), 1)
    return 3 / np.cumsum(np.sort(information, axis=1)[:, ::-1], axis=1)  # L^2 - 1 = 3


def utility(
    unit_bounds: Array,
    n_antennas: int,
    n_aps: int,
    pilot_weight: float,
    ap_weight: float,
    antenna_weight: float,
) -> tuple[Array, NDArray[np.int64]]:
    """-min_T J of each user, and that T; ``unit_bounds`` is c_M, (n_users, 16)."""
    per_pilot = unit_bounds[:, n_aps - 1] / (n_antennas**2 - 1)
    t = pilots.best_n_pilots(per_pilot, PILOT_RANGE, COHERENCE_LENGTH, pilot_weight)
    cost = per_pilot / t + pilot_weight * t / COHERENCE_LENGTH
    cost += ap_weight * n_aps / N_APS + antenna_weight * n_aps * n_antennas / BUDGET
    return -cost, t


def fig4_trial(rng: np.random.Generator, n_antennas: int, n_aps: int) -> Mapping[str, float]:
    """Figure 4: mean utility of a block of users, and what the last of its APs adds to it."""
    unit_bounds = user_unit_bounds(rng, USERS_PER_TRIAL)
    value, t = utility(unit_bounds, n_antennas, n_aps, *FIG4_WEIGHTS)
    before = utility(unit_bounds, n_antennas, max(n_aps - 1, 1), *FIG4_WEIGHTS)[0]
    return _means(value, before, t)


def fig5_trial(rng: np.random.Generator, n_aps: int, n_antennas: int) -> Mapping[str, float]:
    """Figure 5: mean utility, and what the last antenna of each AP adds to it."""
    unit_bounds = user_unit_bounds(rng, USERS_PER_TRIAL)
    value, t = utility(unit_bounds, n_antennas, n_aps, *FIG5_WEIGHTS)
    before = utility(unit_bounds, max(n_antennas - 1, 2), n_aps, *FIG5_WEIGHTS)[0]
    return _means(value, before, t)


def _means(value: Array, before: Array, t: NDArray[np.int64]) -> Mapping[str, float]:
    return {
        "utility_rad2": float(np.mean(value)),
        "last_step_rad2": float(np.mean(value - before)),
        "n_pilots": float(np.mean(t)),
    }


def instance(rng: np.random.Generator, antenna_budget: int) -> pilots.Problem:
    """A user of the scene, and three weights.

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    antenna_budget : int
        N_max.
    """
    weights = [10 ** rng.uniform(*decades) for decades in WEIGHT_DECADES]
    return pilots.Problem(
        user_unit_bounds(rng, 1)[0],
        PILOT_RANGE,
        ANTENNA_RANGE,
        antenna_budget,
        COHERENCE_LENGTH,
        *weights,
    )


def starts(rng: np.random.Generator, antenna_budget: int) -> dict[str, tuple[int, int, int]]:
    """Four starts (T, L, M), by their names in :data:`STARTS`."""
    t, m = int(rng.integers(1, PILOT_RANGE[1] + 1)), int(rng.integers(1, N_APS + 1))
    length = int(rng.integers(2, min(ANTENNA_RANGE[1], antenna_budget // m) + 1))
    low, high = ANTENNA_RANGE
    return {
        "least": (1, low, 1),
        "all access points": (PILOT_RANGE[1], low, N_APS),
        "one large array": (PILOT_RANGE[1], high, 1),
        "random": (t, length, m),
    }


def gap_trial(rng: np.random.Generator, antenna_budget: int, start: str) -> Mapping[str, float]:
    """How often and how far the search ends above the optimum, over a block of instances."""
    gaps = np.array([gap(rng, antenna_budget, start) for _ in range(INSTANCES_PER_TRIAL)])
    return {
        "stuck_share": float(np.mean(gaps > 1e-9)),
        "above_1_percent_share": float(np.mean(gaps > 0.01)),
        "above_10_percent_share": float(np.mean(gaps > 0.1)),
        "gap": float(np.mean(gaps)),
        "largest_gap_of_500": float(np.max(gaps)),
    }


def gap(rng: np.random.Generator, antenna_budget: int, start: str) -> float:
    """Relative excess of the search over the optimum on one instance.

    Parameters
    ----------
    rng : Generator
        Source of the instance.
    antenna_budget : int
        N_max.
    start : str
        One of :data:`STARTS`.
    """
    problem = instance(rng, antenna_budget)
    points = starts(rng, antenna_budget)
    chosen = points.values() if start == "best of four" else [points[start]]
    found = min(pilots.alternating(problem, point, 0.0).allocation.cost for point in chosen)
    return found / pilots.exhaustive(problem).cost - 1


STUDIES = (
    Study(
        id="zhang-fig4",
        source="zhang",
        title="Sensing utility against the number of active access points (Fig. 4)",
        trial=fig4_trial,
        cells=[
            {"n_antennas": antennas, "n_aps": n_aps}
            for antennas in (4, 8, 16)
            for n_aps in range(1, N_APS + 1)
        ],
        n_trials={"smoke": 4, "book": 50, "paper": 400},
        seed=4,
        assumptions=ASSUMPTIONS
        | {
            "utility": "-min_T J, the mean over users",
            "last step": "against one AP less, the same users; 0 for the first",
            "budget": "N_max = 256",
            "weights": "beta, mu, nu = 5e-5, 1e-6, 3e-6 rad^2",
        },
    ),
    Study(
        id="zhang-fig5",
        source="zhang",
        title="Sensing utility against the number of antennas per access point (Fig. 5)",
        trial=fig5_trial,
        cells=[
            {"n_aps": n_aps, "n_antennas": antennas}
            for n_aps in (2, 4, 8, 16)
            for antennas in range(2, 37)
            if n_aps * antennas <= BUDGET
        ],
        n_trials={"smoke": 4, "book": 50, "paper": 400},
        seed=5,
        assumptions=ASSUMPTIONS
        | {
            "utility": "-min_T J, the mean over users",
            "last step": "against one antenna less, the same users; 0 for the first",
            "budget": "N_max = 256",
            "weights": "beta, mu, nu = 2e-5, 2e-6, 1e-5 rad^2",
        },
    ),
    Study(
        id="zhang-gap",
        source="zhang",
        title="How often and how far the alternating search (51)-(59) misses the optimum of (48)",
        trial=gap_trial,
        cells=[
            {"antenna_budget": budget, "start": start} for budget in BUDGETS for start in STARTS
        ],
        n_trials={"smoke": 2, "book": 10, "paper": 32},
        seed=48,
        assumptions=ASSUMPTIONS
        | {
            "antennas": "L in 2..64; a budget of 1024 never binds",
            "weights": "log-uniform: beta in 1e-6..1e-3, mu and nu in 1e-7..1e-4 rad^2",
            "instances": "500 per trial",
            "stuck": "more than 1e-9 of the optimum above it; epsilon = 0",
        }
        | {f"start, {name}": point for name, point in STARTS.items()},
        shows="stuck_share",
    ),
)
