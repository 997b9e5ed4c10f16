"""Figures 3, 4 and 6 to 10 of liu: tensor decomposition, association and symbol-level fusion.

The scenes and the SNR are those of :mod:`cfisac.studies.joint`. The estimates of all methods are
moved into the square between the access points, and below 150 m/s, if they lie outside.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cfisac.estimators import _tensor_fusion, joint_ml, tensor
from cfisac.estimators.tensor import Objective, Separated
from cfisac.limits import cooperative
from cfisac.scenarios import LIU_TABLE, MonostaticScene
from cfisac.studies import Study, get, placement, table_path
from cfisac.studies._tensor_search import PRINTED, SEARCHES, Quick, bees, cartesian
from cfisac.studies.joint import bound_of, received, scene_at

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

SIDE = LIU_TABLE["side"]
BOX = np.array([[0.0, 0.0], [SIDE, SIDE]])
FASTEST = 150.0  # m/s
PACE = np.array([[-FASTEST] * 2, [FASTEST] * 2])
POLAR = np.array([[0.0, -np.pi], [FASTEST, np.pi]])  # speed and heading
LOST_M, LOST_M_PER_S = 5.0, 5.0
SCENES_PER_TRIAL = 9
STEPS = (0.1, 0.25, 1.0)  # of lattices, in m and m/s
DIGITS = 3  # what searches find is rounded to: nearer the top, rounding decides which point is best
FACTOR_DIGITS = 6  # of the factors of one target, entries of modulus one
EPOCHS = (1, 2, 5, 10, 20, 50)
POPULATIONS = (10, 50, 100)
FIXED = np.array([[145.0, 150.0], [205.0, 165.0], [170.0, 210.0]])  # m
FIXED_PACE = np.array([[95.0, 40.0], [-60.0, 85.0], [0.0, 110.0]])  # m/s


def errors(scene: MonostaticScene, positions: Array, velocities: Array) -> tuple[Array, Array]:
    """Errors (U,) of positions and velocities, each target with the estimate nearest in all."""
    places = np.clip(np.nan_to_num(positions), *BOX)
    speed = np.hypot(*np.nan_to_num(velocities).T)
    paces = np.nan_to_num(velocities) * np.minimum(1, FASTEST / np.maximum(speed, 1e-9))[:, None]
    apart = np.linalg.norm(scene.targets[:, None] - places, axis=-1)
    rows, mine = linear_sum_assignment(apart)
    return apart[rows, mine], np.linalg.norm(scene.velocities - paces[mine], axis=-1)


def figure_9_trial(rng: np.random.Generator, snr_db: float) -> Mapping[str, float]:
    """A block of scenes of three targets: what every method makes of the same samples."""
    kept: dict[str, list[tuple[Array, Array]]] = {}
    flagged = 0
    for _ in range(SCENES_PER_TRIAL):
        scene = scene_at(rng, 3, snr_db)
        amplitudes, samples = received(scene, rng)
        separated = tensor.separate(scene, samples, 3)
        fused = tensor.fuse(scene, separated)
        flagged += not fused.converged
        found: dict[str, Any] = {
            "sfo": fused,
            "printed": tensor.fuse(scene, separated, "printed"),
            "mle": tensor.data_level(scene, separated),
            "mle_apart": tensor.data_level(scene, separated, observables="apart"),
            "mle_ranges": tensor.data_level(scene, separated, observables="ranges"),
            "joint": joint_ml.estimate(scene, samples, 3),
        }
        for step in STEPS:
            name = f"lattice_{step:g}".replace(".", "p")
            found[name] = tensor.lattice(scene, separated, fused, step, step)
        for name, each in found.items():
            kept.setdefault(name, []).append(errors(scene, each.positions, each.velocities))
        efim = bound_of(scene, amplitudes)
        bounds = cooperative.position_error_bound(efim), cooperative.velocity_error_bound(efim)
        kept.setdefault("bound", []).append(bounds)
    result = {"flagged_share": flagged / SCENES_PER_TRIAL}
    for name, pairs in kept.items():
        result |= _summary(name, *map(np.concatenate, zip(*pairs, strict=True)))
    return result


def _summary(name: str, place: Array, pace: Array) -> dict[str, float]:
    result = {
        f"{name}_position_m2": float(np.mean(place**2)),
        f"{name}_velocity_m2_per_s2": float(np.mean(pace**2)),
        f"{name}_median_position_m": float(np.median(place)),
        f"{name}_median_velocity_m_per_s": float(np.median(pace)),
    }
    if name != "bound":
        lost = (place > LOST_M) | (pace > LOST_M_PER_S)
        result[f"{name}_lost_share"] = float(np.mean(lost))
    return result


def figure_10_trial(rng: np.random.Generator, snr_db: float) -> Mapping[str, float]:
    """The same targets, phases and noise for the initial and the optimised placement."""
    design = placement.area_design()
    kept: dict[str, list[tuple[Array, Array]]] = {}
    for _ in range(SCENES_PER_TRIAL):
        initial = scene_at(rng, 3, snr_db)
        seed = int(rng.integers(2**32))
        for name, aps in (("initial", initial.aps), ("optimal", design.aps)):
            scene = replace(initial, aps=aps)
            amplitudes, samples = received(scene, np.random.default_rng(seed))
            fused = tensor.estimate(scene, samples, 3, corners=BOX)
            sure = joint_ml.estimate(scene, samples, 3)
            efim = bound_of(scene, amplitudes)
            for kind, pair in (
                ("sfo", errors(scene, fused.positions, fused.velocities)),
                ("joint", errors(scene, sure.positions, sure.velocities)),
                ("bound", (cooperative.position_error_bound(efim),
                           cooperative.velocity_error_bound(efim))),
            ):  # fmt: skip
                kept.setdefault(f"{name}_{kind}", []).append(pair)
    result: dict[str, float] = {}
    for name, pairs in kept.items():
        place, pace = map(np.concatenate, zip(*pairs, strict=True))
        result[f"{name}_position_m2"] = float(np.mean(place**2))
        result[f"{name}_velocity_m2_per_s2"] = float(np.mean(pace**2))
        result[f"{name}_median_position_m"] = float(np.median(place))
        result[f"{name}_median_velocity_m_per_s"] = float(np.median(pace))
    return result


def one_target(rng: np.random.Generator, snr_db: float) -> tuple[MonostaticScene, Separated]:
    """One target, its echo separated; rounded, or processors decide a swarm's near ties."""
    scene = scene_at(rng, 1, snr_db)
    separated = tensor.separate(scene, received(scene, rng)[1], 1)
    rounded = tuple(
        each._replace(
            antenna=np.round(each.antenna, FACTOR_DIGITS),
            subcarrier=np.round(each.subcarrier, FACTOR_DIGITS),
            symbol=np.round(each.symbol, FACTOR_DIGITS),
            amplitude=np.array([float(f"{x:.6g}") for x in each.amplitude]),
            residual=float(f"{each.residual:.6g}"),
        )
        for each in separated.components
    )
    return scene, separated._replace(components=rounded)


def _problems(
    scene: MonostaticScene, separated: Separated
) -> list[tuple[str, Objective, Array, Array, Array]]:
    """(P3), and (P4) at the best position: name, objective, box, optimum, truth."""
    fused = tensor.fuse(scene, separated)
    place, pace = fused.positions[0], fused.velocities[0]
    return [
        ("position_m", tensor.objective(scene, separated, 0), BOX, place, scene.targets[0]),
        (
            "velocity_m_per_s",
            tensor.objective(scene, separated, 0, place),
            POLAR,
            pace,
            scene.velocities[0],
        ),
    ]


def figure_6_trial(rng: np.random.Generator, evaluations: str) -> Mapping[str, float]:
    """One target at 10 dB: five searches of (P3) and (P4), and BFGS from where the bees end."""
    scene, separated = one_target(rng, 10.0)
    result: dict[str, float] = {}
    for problem, goal, box, best, truth in _problems(scene, separated):
        unit = problem.removeprefix("position_").removeprefix("velocity_")
        kind = problem[: -len(unit) - 1]
        ends = {}
        for name, search in SEARCHES.items():
            asked = PRINTED[name] if evaluations == "printed" else int(evaluations)
            end = search(Quick(goal, box is POLAR), box, asked, rng.spawn(1)[0])
            ends[name] = np.round(cartesian(end) if box is POLAR else end, DIGITS)
        for name in ("abc", "pso"):
            ends[f"{name}_bfgs"] = _tensor_fusion.climb(goal, box, ends[name])[0]
        ends["grid_bfgs"] = best
        for name, end in ends.items():
            off = float(np.linalg.norm(end - truth))
            result[f"{name}_{kind}_{unit}2"] = off**2
            result[f"{name}_{kind}_missed_share"] = float(np.linalg.norm(end - best) > 1.0)
    return result


def figure_7_trial(rng: np.random.Generator, snr_db: float) -> Mapping[str, float]:
    """One target: squared errors of bee colonies of several sizes after some epochs."""
    scene, separated = one_target(rng, snr_db)
    result: dict[str, float] = {}
    for problem, goal, box, best, truth in _problems(scene, separated):
        result[f"{problem}_squared_at_best"] = float(np.sum((best - truth) ** 2))
        for size in POPULATIONS:
            history: list[Array] = []
            quick = Quick(goal, box is POLAR)
            bees(quick, box, 2 * size * max(EPOCHS), rng.spawn(1)[0], size, history)
            for epoch in EPOCHS:
                here = history[min(epoch, len(history)) - 1]
                here = np.round(cartesian(here) if box is POLAR else here, DIGITS)
                name = f"{problem}_squared_{size}_bees_{epoch}_epochs"
                result[name] = float(np.sum((here - truth) ** 2))
    return result


def figure_8_trial(rng: np.random.Generator, targets: str) -> Mapping[str, float]:
    """Three targets at 0 dB: how many are found, and peaks above 0.7 that are none of them."""
    scene = scene_at(rng, 3, 0.0)
    if targets == "fixed":
        scene = replace(scene, targets=FIXED, velocities=FIXED_PACE)
    separated = tensor.separate(scene, received(scene, rng)[1], 3)
    fused = tensor.fuse(scene, separated)
    place, pace = errors(scene, fused.positions, fused.velocities)
    ghosts = np.zeros(2)
    for target, at in enumerate(fused.positions):
        here = tensor.objective(scene, separated, target)
        moving = tensor.objective(scene, separated, target, at)
        for k, (goal, box) in enumerate(((here, BOX), (moving, PACE))):
            ghosts[k] += peaks(goal, box)[1:].size
    return {
        "found_share": float(np.mean((place < 1) & (pace < 1))),
        "all_found_share": float(np.all((place < 1) & (pace < 1))),
        "position_ghosts": float(ghosts[0]),
        "velocity_ghosts": float(ghosts[1]),
        "mean_square_position_m2": float(np.mean(place**2)),
        "mean_square_velocity_m2_per_s2": float(np.mean(pace**2)),
        "flagged_share": float(not fused.converged),
    }


def peaks(goal: Objective, box: Array, level: float = 0.7, n_per_side: int = 101) -> Array:
    """Local maxima on a grid above a share of the highest, the highest first."""
    sides = [np.linspace(low, high, n_per_side) for low, high in box.T]
    points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
    value = Quick(goal)(points.reshape(-1, 2)).reshape(points.shape[:2])
    around = np.full((n_per_side + 2,) * 2, -np.inf)
    around[1:-1, 1:-1] = value
    n = n_per_side
    top = np.max(
        [around[1 + i : 1 + i + n, 1 + j : 1 + j + n]
         for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j], axis=0,
    )  # fmt: skip
    high = value[(value > top) & (value > level * value.max())]
    return np.sort(high)[::-1]


@functools.cache
def surfaces() -> tuple[MonostaticScene, Objective, Objective]:
    """The target of Figures 3 and 4, at 10 dB, and its two objectives."""
    scene, separated = one_target(np.random.default_rng(34), 10.0)
    position = tensor.fuse(scene, separated).positions[0]
    here = tensor.objective(scene, separated, 0, weighting="printed")
    return scene, here, tensor.objective(scene, separated, 0, position, "printed")


def _inverse(goal: Objective, point: Array) -> float:
    """One over the sum in (48), (52), which is one at most for tones without noise."""
    top = goal.tones.weights @ np.sum(np.abs(goal.tones.factors), axis=1)
    return float(top / goal.value(point))


def figure_3(x_m: float, y_m: float) -> Mapping[str, float]:
    """(P3) at a place, over its least possible value."""
    return {"objective": _inverse(surfaces()[1], np.array([x_m, y_m]))}


def figure_4(speed_m_per_s: float, heading_deg: float) -> Mapping[str, float]:
    """(P4) at a speed and heading, over its least possible value."""
    turn = np.deg2rad(heading_deg)
    velocity = speed_m_per_s * np.array([np.cos(turn), np.sin(turn)])
    return {"objective": _inverse(surfaces()[2], velocity)}


def batch_means(study_id: str) -> "tuple[list[str], Array]":
    """Columns of a stored table that were simulated, and their means (rows, batches, columns)."""
    provenance = json.loads(table_path(get(study_id), "paper").with_suffix(".json").read_text())
    names = list(provenance["simulated"])
    return names, np.array(provenance["batches"])[..., ::2]


def gain(study_id: str, method: str, benchmark: str) -> tuple[Array, Array]:
    """By which share an error is below another, row by row, with its standard error.

    Parameters
    ----------
    study_id : str
        A stored study whose batches are equally large.
    method, benchmark : str
        Columns of mean squares, of which roots are taken, or of medians.

    Returns
    -------
    gain, standard_error : (rows,)
        One minus the ratio of both errors; the standard error by the jackknife over batches, in
        which both have the same scenes.
    """
    names, means = batch_means(study_id)
    one, two = (means[..., names.index(each)] for each in (method, benchmark))
    power, n = 1.0 if "median" in method else 0.5, one.shape[1]
    whole = 1 - (one.mean(axis=1) / two.mean(axis=1)) ** power
    rest_one, rest_two = (each.sum(axis=1)[:, None] - each for each in (one, two))
    left_out = 1 - (rest_one / rest_two) ** power
    spread = np.sum((left_out - left_out.mean(axis=1)[:, None]) ** 2, axis=1)
    return whole, np.sqrt((n - 1) / n * spread)


def plot_figure_9(study: Study, table: "pd.DataFrame", figure: "Figure") -> None:
    """Draw the RMSE of the position against the SNR."""
    axes = figure.subplots()
    for name in ("sfo", "mle_apart", "lattice_1", "joint", "bound"):
        axes.semilogy(table["snr_db"], np.sqrt(table[f"{name}_position_m2"]), "o-", label=name)
    axes.set(xlabel="SNR (dB)", ylabel="RMSE of the position (m)")
    axes.legend()


ASSUMPTIONS = {
    "snr": "of one sample of a target 247.5 m away, ~ r^-4, phases uniform, beams matched",
    "decomposition": "regularised ALS from an ESPRIT start",
    "region": "the square between the access points, speeds to 150 m/s",
}
ONE = ASSUMPTIONS | {"targets": "one, drawn as in Section V"}
THREE = ASSUMPTIONS | {
    "targets": "three, uniform in the square, speed 90 to 120 m/s, heading 0 to pi",
}

STUDIES = (
    Study(
        id="liu-fig3", source="liu", title="Surface of the position objective (Fig. 3)", trial=None,
        cells=[{"x_m": float(x), "y_m": float(y)}
               for x in range(0, 351, 10) for y in range(0, 351, 10)],
        n_trials={"smoke": 1, "book": 1, "paper": 1}, seed=34, known=figure_3,
        assumptions=ONE | {"snr": "10 dB", "weights": "as printed", "half plane": "atan2"},
    ),
    Study(
        id="liu-fig4", source="liu", title="Surface of the velocity objective (Fig. 4)", trial=None,
        cells=[{"speed_m_per_s": float(v), "heading_deg": float(h)}
               for v in range(0, 151, 5) for h in range(-180, 180, 10)],
        n_trials={"smoke": 1, "book": 1, "paper": 1}, seed=34, known=figure_4,
        assumptions=ONE | {"snr": "10 dB", "T": "restored in (50)", "half plane": "atan2"},
    ),
    Study(
        id="liu-fig6", source="liu", title="Five optimisers of (P3) and (P4) (Fig. 6)",
        trial=figure_6_trial,
        cells=[{"evaluations": each} for each in ("printed", "200", "1000", "4000")],
        n_trials={"smoke": 2, "book": 16, "paper": 104}, seed=61,
        assumptions=ONE | {
            "snr": "10 dB", "objective": "the right weights; (P4) over speed and heading",
            "digits": "what a search finds is rounded to 1 mm, 1 mm/s",
            "printed": ", ".join(f"{k} {v} evaluations" for k, v in PRINTED.items()),
            "abc": "20 bees, a source is left after 50 failures", "ga": "tournaments of two, "
            "blend crossover, Gaussian mutation of a tenth of the box, one elite",
            "pso": "80 particles, fewer where five rounds would be more than is allowed",
            "sa": "sees a grid of 1e-4 of the box; jumps of 1e8 boxes carry rounding",
            "factors": "rounded to six digits",
            "missed": "more than 1 m or 1 m/s from the maximum",
        },
        shows="abc_position_m2",
    ),
    Study(
        id="liu-fig7", source="liu", title="Bee colony against epochs and population (Fig. 7)",
        trial=figure_7_trial,
        cells=[{"snr_db": snr} for snr in (10.0, 30.0, 50.0)],
        n_trials={"smoke": 2, "book": 8, "paper": 104}, seed=71,
        assumptions=ONE | {"epoch": "employed bees and onlookers, half of the population each",
                           "digits": "what a search finds is rounded to 1 mm, 1 mm/s",
                           "factors": "rounded to six digits"},
        shows="position_m_squared_50_bees_10_epochs",
    ),
    Study(
        id="liu-fig8", source="liu", title="Three targets at 0 dB: found, and ghosts (Fig. 8)",
        trial=figure_8_trial, cells=[{"targets": "fixed"}, {"targets": "drawn"}],
        n_trials={"smoke": 2, "book": 8, "paper": 104}, seed=81,
        assumptions=THREE | {"fixed": "at (145, 150), (205, 165), (170, 210) m, not printed",
                             "found": "within 1 m and 1 m/s",
                             "ghosts": "local maxima above 0.7 of the highest, on 101 x 101 "
                             "points, summed over the three targets"},
        shows="all_found_share",
    ),
    Study(
        id="liu-fig9", source="liu", title="Errors against SNR, with benchmarks and bound (Fig. 9)",
        trial=figure_9_trial,
        cells=[{"snr_db": x} for x in (0.0, 20.0, -20.0, -10.0, 10.0)],
        n_trials={"smoke": 1, "book": 2, "paper": 12}, seed=91,
        assumptions=THREE | {"block": f"{SCENES_PER_TRIAL} scenes in a trial; medians over its "
                             "targets, then means over trials",
                             "lost": "more than 5 m or 5 m/s off",
                             "bound": "joint, gains unknown, with overlap: mean squares"},
        shows="sfo_position_m2", plot=plot_figure_9,
    ),
    Study(
        id="liu-fig10", source="liu", title="Errors before and after placement (Fig. 10)",
        trial=figure_10_trial, cells=[{"snr_db": x} for x in (20.0, 10.0, 30.0)],
        n_trials={"smoke": 1, "book": 2, "paper": 12}, seed=101,
        assumptions=THREE | {"optimal": "best for the whole area, 10 m of reach, 8 antennas each",
                             "common": "targets, phases and noise; the SNR is that of the initial "
                             "placement"},
        shows="initial_sfo_position_m2",
    ),
)  # fmt: skip
