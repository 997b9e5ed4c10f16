"""Maximum likelihood in drawn frames: how far the estimates of the positions are off."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators import position_ml
from cfisac.estimators._position_climb import matched_energy, uphill
from cfisac.limits import multistatic
from cfisac.propagation import from_decibel
from cfisac.scenarios import ImplausibleWarning, MultistaticScene, equal_power, sensing_beams
from cfisac.signals import draw_spectra, path_signatures, received, with_noise
from cfisac.studies.fan._scenes import N_SCENES, draw_scene
from cfisac.waveforms import OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

SHORT = OTFS(128, 8, 500e3)  # frame of the simulation: 8 of the table's 128 symbols
TARGETS_PER_TRIAL = 8
POINTING = 1.0  # m per axis, by which the beams err, and the start of the search
GRID = 1.5 * np.arange(-1, 2)  # m, along x and y about the start
FAR = 5.0  # standard deviations from which an estimate is an outlier


def simulation_trial(
    rng: np.random.Generator, n_targets: int, receivers: str, rcs_dbsm: float
) -> Mapping[str, float]:
    """Square error of the maximum-likelihood positions over the bound, in a few drawn frames.

    In each frame all transmitters point at positions that err by ``POINTING`` per axis, and
    the search for the estimate begins there. An estimate that misses the target by more than
    ``FAR`` standard deviations of the frame's bound has found another peak: it is counted as
    an outlier and not among the square errors. Frames are drawn until ``TARGETS_PER_TRIAL``
    targets have been looked for, and one of them found.
    """
    ratios: list[float] = []
    outliers, coupled, n_frames = [], [], 0
    while n_frames * n_targets < TARGETS_PER_TRIAL or not ratios:
        scene, start = draw_frame_scene(rng, n_targets, receivers, rcs_dbsm)
        ratio, far, cost = frame_error(rng, scene, start)
        ratios += ratio[~far].tolist()
        outliers.append(np.mean(far))
        coupled.append(np.mean(cost))
        n_frames += 1
    return {
        "mse_over_crlb": float(np.mean(ratios)),
        "outlier_share": float(np.mean(outliers)),
        "coupled_over_crlb": float(np.mean(coupled)),
    }


def draw_frame_scene(
    rng: np.random.Generator, n_targets: int, receivers: str, rcs_dbsm: float
) -> tuple[MultistaticScene, Array]:
    """One of the scenes with the short frame, its beams pointed anew, and where they point."""
    scene = _scene(int(rng.integers(N_SCENES)), n_targets, receivers)
    rough = scene.targets + POINTING * rng.normal(size=scene.targets.shape)
    beams = scene.beams.copy()
    beams[:, :n_targets] = sensing_beams(
        scene.transmitters, scene.transmit_axes, rough, scene.n_antennas
    )
    shorter = SHORT.n_symbols / scene.waveform.n_symbols
    with warnings.catch_warnings():  # the noise falls with the frame, so that the SNR stays
        warnings.simplefilter("ignore", ImplausibleWarning)
        scene = replace(
            scene,
            beams=beams,
            waveform=SHORT,
            noise_variance=scene.noise_variance * shorter,
            mean_rcs=float(from_decibel(rcs_dbsm)),
        )
    return scene, rough


_scene = lru_cache(maxsize=N_SCENES)(draw_scene)


def frame_error(
    rng: np.random.Generator, scene: MultistaticScene, start: Array
) -> tuple[Array, NDArray[np.bool_], Array]:
    """For one drawn frame and each target: square error over bound, outlier or not, coupling.

    The error that the linearised problem would have, which attains the bound of this frame with
    all paths coupled, is a control variate: its square is taken off and its exact mean put in.
    (Its mean without the outliers is a little lower: by about 1 % where 5 % are outliers.)
    """
    power = equal_power(scene)
    gains = multistatic.draw_gains(scene, rng)
    sent = draw_spectra(scene, power, rng)
    paths = path_signatures(scene, sent)
    samples = with_noise(received(paths, gains), scene.noise_variance, rng)
    error = locate(scene, sent, samples, start) - scene.targets
    truth = position_ml.likelihood(paths, samples, scene.noise_variance, gains)
    covariance = np.linalg.inv(truth.information)
    linear = (covariance @ truth.score).reshape(-1, 2)
    own = covariance.reshape(len(error), 2, len(error), 2).diagonal(axis1=0, axis2=2)
    own = np.moveaxis(own, -1, 0)  # (T, 2, 2)
    deviations = np.einsum("ti,tij,tj->t", error, np.linalg.inv(own), error)
    coupled = np.trace(own, axis1=1, axis2=2)
    efim = multistatic.position_efim(scene, power, gains=gains)
    bound = np.trace(np.linalg.inv(efim), axis1=1, axis2=2)
    excess = np.sum(error**2, axis=1) - np.sum(linear**2, axis=1)
    return (coupled + excess) / bound, deviations > FAR**2, coupled / bound


def locate(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, start: Array
) -> Array:
    """Positions (T, 2) at the top of fan_journal (19), all gains fitted, uphill from ``start``.

    ``start`` is first moved to the best point of a grid around it, target by target. Which symbol
    a sample belongs to is taken from the scene's own targets: where a delay passes a whole sample
    one of M samples jumps to the next symbol, and the likelihood has a step that no derivative,
    and no bound, sees.
    """
    start = coarse_search(scene, sent, samples, start)
    found, _ = uphill(scene, sent, samples, start, scene.delays)
    return found


def coarse_search(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, start: Array
) -> Array:
    """The point of a grid around each start, (T, 2), with the most energy after matched filters."""
    offsets = [np.array([x, y]) for x in GRID for y in GRID]
    energy = [
        matched_energy(scene, sent, samples, start + offset, scene.delays) for offset in offsets
    ]
    return start + np.array(offsets)[np.argmax(energy, axis=0)]
