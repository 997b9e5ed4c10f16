"""Figure 4 of fan_journal: errors of searches over grids, and of those that go on from there."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators import position_ml
from cfisac.limits import multistatic
from cfisac.propagation import from_decibel
from cfisac.scenarios import (
    ImplausibleWarning,
    MultistaticScene,
    equal_power,
    fan_scene,
    sensing_beams,
)
from cfisac.signals import draw_spectra, path_signatures, received, with_noise
from cfisac.studies import Study

Array = NDArray[np.float64]

N_FIGURE_4_SCENES = 8
HOTSPOT = 30.0  # m, side of the square that is searched
NEAR = 2.4  # m, side of the finest map, about the best point of the one before


@lru_cache(maxsize=N_FIGURE_4_SCENES)
def figure_4_scene(number: int) -> MultistaticScene:
    """A quarter of the table's square with a quarter of its access points, and one target."""
    rng = np.random.default_rng([4, number])
    return fan_scene(rng, n_aps=8, n_targets=1, n_receivers=2, side=150.0)


def figure_4_trial(rng: np.random.Generator, rcs_dbsm: float) -> Mapping[str, float]:
    """Square errors of all searches in one drawn frame, and what they should come to.

    All see the same samples. The hotspot lies about the point that the beams look at, and its
    grids anywhere about that.
    """
    scene = figure_4_scene(int(rng.integers(N_FIGURE_4_SCENES)))
    rough = scene.targets + rng.normal(size=scene.targets.shape)  # m, as the table's scenes err
    beams = scene.beams.copy()
    beams[:, :1] = sensing_beams(scene.transmitters, scene.transmit_axes, rough, scene.n_antennas)
    with warnings.catch_warnings():  # a car of 1000 m^2
        warnings.simplefilter("ignore", ImplausibleWarning)
        scene = replace(scene, beams=beams, mean_rcs=float(from_decibel(rcs_dbsm)))
    power = equal_power(scene)
    gains = multistatic.draw_gains(scene, rng)
    sent = draw_spectra(scene, power, rng)
    paths = path_signatures(scene, sent)
    samples = with_noise(received(paths, gains), scene.noise_variance, rng)
    truth = position_ml.likelihood(paths, samples, scene.noise_variance, gains)
    efim = multistatic.position_efim(scene, power, gains=gains)[0]
    grids, start = grid_searches(rng, scene, sent, samples, rough[0])
    climbs = {
        "continuous": position_ml.refine(scene, sent, samples, start[None]),
        "simplified": position_ml.refine(scene, sent, samples, start[None], objective="simplified"),
    }
    found = grids | {name: climb.positions[0] for name, climb in climbs.items()}
    squares = {
        f"{name}_square_error_m2": float(np.sum((place - scene.targets[0]) ** 2))
        for name, place in found.items()
    }
    off = (climbs["continuous"].positions - scene.targets)[0]
    covariance = np.linalg.inv(truth.information)
    crlb, linear = float(np.trace(covariance)), covariance @ truth.score
    ratios = {
        f"{name}_over_crlb": float(
            1 + (squares[f"{name}_square_error_m2"] - linear @ linear) / crlb
        )
        for name in climbs
    }
    bias = position_ml.simplified_bias(scene, sent, gains)[0]
    return squares | {
        **ratios,
        "crlb_m2": crlb,
        "uncoupled_crlb_m2": float(np.trace(np.linalg.inv(efim))),
        "grid_1_m_without_noise_m2": position_ml.grid_error(1.0, efim) ** 2,
        "grid_01_m_without_noise_m2": position_ml.grid_error(0.1, efim) ** 2,
        "simplified_without_noise_m2": float(bias @ bias),
        "normalised_square_error": float(off @ truth.information @ off) / 2,
        "outlier_share": float(off @ truth.information @ off > 25),
        "converged_share": float(all(climb.converged for climb in climbs.values())),
    }


def grid_searches(
    rng: np.random.Generator,
    scene: MultistaticScene,
    sent: NDArray[np.complex128],
    samples: NDArray[np.complex128],
    rough: Array,
) -> tuple[dict[str, Array], Array]:
    """The likeliest points of grids of 10 m, 1 m and 0.1 m, and the last of them.

    Points of the first are points of the second, every tenth. The third lies about the best point
    of the second, which is within its main lobe, or all is lost.
    """
    centre = rough + rng.uniform(-0.5, 0.5, 2)
    whole = position_ml.hotspot_map(scene, sent, samples, centre, HOTSPOT, 1.0)
    first = rng.integers(10, size=2)
    rows, columns = (slice(int(k), None, 10) for k in first)
    values = whole.values[rows, columns]
    coarse = whole.points[rows, columns].reshape(-1, 2)[np.argmax(values)]
    centre = whole.best + rng.uniform(-0.05, 0.05, 2)
    fine = position_ml.hotspot_map(scene, sent, samples, centre, NEAR, 0.1).best
    return {"grid_10_m": coarse, "grid_1_m": whole.best, "grid_01_m": fine}, fine


FAN_JOURNAL_FIG4 = Study(
    id="fan_journal-fig4",
    source="fan_journal",
    title="Errors of searches over grids and beyond, against the radar cross section (Fig. 4)",
    trial=figure_4_trial,
    cells=[{"rcs_dbsm": rcs_dbsm} for rcs_dbsm in (-20, -12, 0, 10, 20, 30)],
    n_trials={"smoke": 2, "book": 8, "paper": 24},
    seed=4,
    assumptions={
        "scene": f"{N_FIGURE_4_SCENES} scenes of 150 m x 150 m with 8 access points, 2 of which "
        "listen, 10 users and one target: as dense as the table's 32 in 300 m x 300 m. A trial "
        "draws one of them",
        "frame": "that of the table, M = N = 128, 16 antennas; Gaussian symbols, independent at "
        "every transmitter; 1 W shared equally by all beams of a transmitter",
        "gains": "Swerling I, drawn anew for each trial, every path by itself",
        "hotspot": f"a square of {HOTSPOT:g} m about the point that the beams look at, which errs "
        "by 1 m per axis; the paper does not state its own",
        "grids": "of 10 m, 1 m and 0.1 m, shifted at random; the likeliest point by (20). The one "
        f"of 0.1 m is searched within {NEAR:g} m about the best point of that of 1 m",
        "continuous": "Gauss-Newton on (19) from the best point of the finest grid; 'simplified': "
        "the same on (20)",
        "crlb": "of the drawn frame, symbols and gains; 'uncoupled': in the mean over symbols, "
        "every path by itself",
        "over crlb": "square error over the bound of the same frame; the error of the linearised "
        "problem, whose mean square is that bound, is a control variate",
        "without noise": "grids: mean square of the likeliest point's error, tilted information "
        "and all; simplified: first-order error of (20) from paths that overlap",
        "outliers": "farther off than 5 standard deviations; they stay in all means",
        "common": "all columns of a trial come from the same samples",
    },
    shows="continuous_square_error_m2",
)
