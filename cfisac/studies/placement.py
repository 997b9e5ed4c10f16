"""Placement of access points after liu, Section V A: Figure 5, and what its gain is made of.

Each design is judged by three bounds, whatever it was made for: the printed one, (6) and (14) with
(7)-(13) and (15); the same with the Jacobians (13) and (15) mended; and the right one, the joint
bound with unknown gains of ``limits.cooperative``.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac.designs import placement
from cfisac.designs.placement import Placement, Problem
from cfisac.limits import cooperative
from cfisac.scenarios import LIU_TABLE, MonostaticScene, liu_scene
from cfisac.studies import Study, liu
from cfisac.waveforms import OFDM

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

N_TARGETS = 20
REACH = 10.0  # m
AREA = [[LIU_TABLE["nearest_corner"]] * 2, [LIU_TABLE["farthest_corner"]] * 2]
N_PER_SIDE, N_HEADINGS = 6, 8
CENTRE = np.mean(AREA, axis=0)
BOUNDS = ("printed", "fixed", "right")


class PrintedBound(placement.Criterion):
    """Traces of (6) and (14) for every target, the second in (m/s)^2 plus rad^2.

    Parameters
    ----------
    scene : MonostaticScene
    fixed : bool
        Whether (13) and (15) are mended. If not, they stand as printed, with the velocity restored
        that (15) lacks.
    """

    def __init__(self, scene: MonostaticScene, fixed: bool) -> None:
        self._scene, self._fixed = scene, fixed
        distance = geometry.sight(scene.targets[:, None], scene.aps).distance
        # Per antenna that focuses the beam, and at 1 m: alpha read as the amplitude received.
        self._loud = scene.sample_snr.T * distance**4 / np.asarray(scene.n_antennas)

    def traces(self, aps: NDArray[Any], n_antennas: NDArray[Any]) -> NDArray[Any]:
        """See :meth:`cfisac.designs.placement.Criterion.traces`."""
        scene, each = self._scene, aps[..., None, :, :]
        place = scene.targets - np.zeros((*aps.shape[:-2], 1, 1))
        offset = place[..., None, :] - each
        n = np.broadcast_to(n_antennas[..., None, :], offset.shape[:-1])
        snr = self._loud * n / np.sum(offset**2, axis=-1) ** 2
        knows = liu.printed_information(snr, n, scene.waveform, scene.spacing)
        speed = np.hypot(*scene.velocities.T)
        jacobians = liu.printed_jacobians(
            place, scene.velocities, each, scene.carrier_frequency, speed
        )
        if self._fixed:
            by_position, by_velocity = jacobians
            by_position[..., 2, 1] *= offset[..., 0] ** 2 / np.sum(offset**2, axis=-1)
            by_velocity[..., :2, :] = 0
        found = []
        for jacobian in jacobians:
            fim = np.sum(np.swapaxes(jacobian, -1, -2) @ knows @ jacobian, axis=-3)
            determinant = fim[..., 0, 0] * fim[..., 1, 1] - fim[..., 0, 1] * fim[..., 1, 0]
            found.append((fim[..., 0, 0] + fim[..., 1, 1]) / determinant)
        return np.stack(found, axis=-2)


def problem_of(scene: MonostaticScene, bound: str, reach: float = REACH) -> Problem:
    """The placement problem of a scene under one of :data:`BOUNDS`."""
    if bound == "right":
        return Problem(scene, reach)
    return Problem(scene, reach, criterion=PrintedBound(scene, bound == "fixed"))


@functools.cache
def area_problem(reach: float = REACH) -> Problem:
    """The right problem for targets all over the area, two speeds and eight headings at each."""
    scene = _wide(liu_scene(np.random.default_rng(0), 1))
    turns = np.arange(N_HEADINGS) * np.pi / N_HEADINGS
    ahead = np.column_stack([np.cos(turns), np.sin(turns)])
    moving = np.concatenate([LIU_TABLE["min_speed"] * ahead, LIU_TABLE["max_speed"] * ahead])
    return Problem(placement.spread_targets(scene, AREA, N_PER_SIDE, moving), reach)


@functools.cache
def area_design(reach: float = REACH) -> Placement:
    """Its optimum."""
    return placement.direct(area_problem(reach))


def random_design(problem: Problem, rng: np.random.Generator) -> Placement:
    """Places uniform in the discs, and one of the ways to share all antennas."""
    n_aps = len(problem.scene.aps)
    angle, radius = rng.uniform(0, 2 * np.pi, n_aps), problem.reach * np.sqrt(rng.random(n_aps))
    offset = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    ways = placement.compositions(int(np.sum(problem.scene.n_antennas)), n_aps)
    return problem.placement(problem.scene.aps + offset, ways[rng.integers(len(ways))], "random")


METHODS: Mapping[str, Callable[[Problem, np.random.Generator], Placement]] = {
    "random": random_design,
    "ADMM, step 3 as printed": lambda problem, rng: placement.admm(
        problem, repairs=("sign", "feasible")
    ),
    "ADMM, mended": lambda problem, rng: placement.admm(problem),
    "direct": lambda problem, rng: placement.search(problem),
    "direct, whole antennas": lambda problem, rng: placement.integers(problem),
    "direct, whole area": lambda problem, rng: area_design(problem.reach),
}
"""Each makes a design for a problem."""


def over_initial(problem: Problem, design: Placement) -> float:
    """The objective of a design over that of the initial placement."""
    return float(problem.values(design.aps, design.n_antennas).max() / problem.initial.objective)


def figure_trial(rng: np.random.Generator, method: str, made_for: str) -> Mapping[str, float]:
    """Figure 5 for one draw of 20 targets: by each bound, and over the whole area.

    Where the iteration as printed ends depends on the last digit of the machine. Kept of it is
    only whether its U, which cannot rise again, is soon below zero and so below every bound.
    """
    scene = liu_scene(rng, N_TARGETS)
    problem, right = problem_of(scene, made_for), problem_of(scene, "right")
    chaotic = method == "ADMM as printed"
    if chaotic:
        design = placement.admm(problem, repairs=(), rng=rng, n_iterations=3)
    else:
        design = METHODS[method](problem, rng)
    result = {
        f"{bound}_over_initial": over_initial(problem_of(scene, bound), design) for bound in BOUNDS
    }
    after, before = _worst(right, design), _worst(right, right.initial)
    result["position_over_initial"], result["velocity_over_initial"] = map(float, after / before)
    result["area_over_initial"] = over_initial(area_problem(), design)
    if chaotic:
        result = dict.fromkeys(result, math.nan)
    lost = design.joint is not None and design.history["level"][-1] < 0
    return result | {"level_below_zero_share": float(lost)}


def _worst(problem: Problem, design: Placement) -> Array:
    """Largest traces of the two bounds."""
    assert problem.criterion is not None
    return np.asarray(problem.criterion.traces(design.aps, design.n_antennas)).max(axis=-1)


def ablation_trial(
    rng: np.random.Generator, targets: str, reach_m: float, what: str
) -> Mapping[str, float]:
    """The right objective over the initial one if only some of it may change."""
    if targets == "whole area":
        return {"over_initial": _area_ratio(reach_m, what)}
    problem = Problem(_wide(liu_scene(rng, N_TARGETS)), reach_m)
    return {"over_initial": _ratio(problem, what)}


@functools.cache
def _area_ratio(reach: float, what: str) -> float:
    """Nothing is drawn here: once is enough."""
    return _ratio(area_problem(reach), what)


def _ratio(problem: Problem, what: str) -> float:
    if what == "everything, beams not focused":
        problem = replace(problem, focused=False, criterion=None, scales=None)
    kept = problem.scene.n_antennas
    if what.startswith("everything"):
        return over_initial(problem, placement.search(problem))
    if what == "antennas":
        still = replace(problem, reach=0.0)
        return over_initial(problem, placement.search(still))
    if what == "straight inward":
        ahead = CENTRE - problem.scene.aps
        inward = problem.scene.aps + problem.reach * ahead / np.linalg.norm(ahead, axis=1)[:, None]
        return over_initial(problem, problem.placement(inward, kept, what))
    moved = placement.direct(problem, n_antennas=kept)
    if what == "places":
        return over_initial(problem, moved)
    loss, geometry_of = (moved.aps, problem.scene.aps)[:: 1 if what == "places: path loss" else -1]
    worst = _mixed(problem, loss, geometry_of).max()
    return float(worst / problem.initial.objective)


def _mixed(problem: Problem, loss: Array, geometry_of: Array) -> Array:
    """f_u with the distances of one placement in the SNR and the gradients of another."""
    scene = problem.scene
    old, new = (geometry.sight(scene.targets[:, None], aps).distance for aps in (scene.aps, loss))
    efim = cooperative.state_efim(
        scene.targets,
        scene.velocities,
        geometry_of,
        scene.n_antennas,
        scene.sample_snr.T * (old / new) ** 4,
        scene.waveform,
        scene.carrier_frequency,
        scene.spacing,
    )
    both = cooperative.position_error_bound(efim), cooperative.velocity_error_bound(efim)
    weights = np.array([problem.position_weight, 1 - problem.position_weight]) * np.asarray(
        problem.scales
    )
    return np.asarray(weights @ np.square(both))


def _wide(scene: MonostaticScene) -> MonostaticScene:
    """The scene with the extended cyclic prefix: 12 symbols in 0.5 ms."""
    frame = scene.waveform
    spacing = frame.subcarrier_spacing
    longer = OFDM(frame.n_subcarriers, frame.n_symbols, spacing, 0.5e-3 / 12 - 1 / spacing)
    return replace(scene, waveform=longer)


def plot_figure(study: Study, table: "pd.DataFrame", figure: "Figure") -> None:
    """Draw the reduction of the right objective by each method."""
    part = table[np.isfinite(table["right_over_initial"])]
    axes = figure.subplots()
    label = part["method"] + ", for " + part["made_for"]
    errors = part["right_over_initial_se"]
    axes.errorbar(part["right_over_initial"], range(len(part)), xerr=errors, fmt="o")
    axes.set_yticks(range(len(part)), label, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1.0, color="0.4", ls="--")
    axes.set_xlabel("worst target's weighted bound over the initial one")


ASSUMPTIONS = {
    "targets": "20 in a scene, uniform in the square, speed 90 to 120 m/s, heading 0 to pi",
    "objective": "alpha = 0.5; psi_p and psi_a make the largest traces of the initial placement "
    "one, for each bound by itself",
    "snr": "matched beams: the SNR of a sample is proportional to N_A r^-4; its level drops out",
    "antennas": "32 shared by four, 8 each at first; continuous unless whole",
    "whole area": f"{N_PER_SIDE} x {N_PER_SIDE} points with the corners, {N_HEADINGS} headings, 90 "
    "and 120 m/s",
}

STUDIES = (
    Study(
        id="liu-fig5",
        source="liu",
        title="Objective and bounds after placement, over those of the initial one (Fig. 5)",
        trial=figure_trial,
        cells=[
            {"method": method, "made_for": bound}
            for method in ("ADMM as printed", *METHODS)
            for bound in BOUNDS
            if bound == "right"
            or method == "direct"
            or (bound == "printed" and method.endswith("as printed"))
        ],
        n_trials={"smoke": 2, "book": 4, "paper": 32},
        seed=2024,
        assumptions=ASSUMPTIONS
        | {
            "reach": "10 m",
            "printed": "(6) and (14) with (7)-(13) and (15), alpha read as the amplitude received, "
            "and with the velocity restored that (15) lacks",
            "fixed": "the same with (13) and (15) mended: gains and the other half of the state "
            "known, (m/s)^2 and rad^2 added",
            "right": "joint bound, gains unknown, Cartesian velocity",
            "ADMM as printed": "rho = (0.01, 0.01, 0.6) kept; multipliers uniform in [0, 1); 3 "
            "iterations; truncated Newton steps of at most 200 evaluations",
            "ADMM, step 3 as printed": "the sign in (30) mended, z bounded, lambda = chi = 0 and "
            "gamma = -1/20 at first, 200 iterations",
            "ADMM, mended": "as that, with U and varpi updated together, 200 iterations",
            "direct": "the best of up to 11 starts: the initial placement, and the ways to share "
            "the antennas that no move of one antenna improves at the places found from there",
            "over initial": "largest value over the targets, by that of the initial placement: the "
            "objective by each bound, the right traces of position and velocity, and the right "
            "objective over the whole area",
            "level below zero": "whether U, the smallest objective that an ADMM still allows, is",
        },
        shows="right_over_initial",
        plot=plot_figure,
    ),
    Study(
        id="liu-ablation",
        source="liu",
        title="What the gain of placement is made of: path loss, geometry, antennas (Fig. 5)",
        trial=ablation_trial,
        cells=[
            {"targets": targets, "reach_m": reach, "what": what}
            for targets in ("20 drawn", "whole area")
            for reach in (5.0, 10.0, 20.0, 50.0)
            for what in (
                "everything",
                "places",
                "places: path loss",
                "places: geometry",
                "antennas",
                "straight inward",
                "everything, beams not focused",
            )
        ],
        n_trials={"smoke": 2, "book": 8, "paper": 40},
        seed=17,
        assumptions=ASSUMPTIONS
        | {
            "bound": "the right one",
            "symbols": "with the extended cyclic prefix, or 50 m of reach would be too far",
            "places": "antennas kept at 8 each",
            "places: path loss": "the best such places, but directions, and what moves them, as at "
            "the initial ones; geometry: the other way round",
            "antennas alone": "places kept",
            "straight inward": "every access point moves by its reach to the centre, 8 antennas "
            "each",
            "beams not focused": "the SNR of a sample does not grow with N_A",
        },
    ),
)
