"""The scenes behind the figures and their bounds: averages over the same 32 scenes everywhere."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cfisac.limits import multistatic
from cfisac.montecarlo import estimate
from cfisac.propagation import from_decibel
from cfisac.scenarios import MultistaticScene, equal_power, fan_scene

Array = NDArray[np.float64]

N_SCENES = 32  # behind every row of bounds; the simulation draws from the same ones
N_GAINS = 8  # draws of the radar cross sections per scene
SCENES = {
    "scene": "32 APs, targets and 10 users uniform in 300 m x 300 m, arrays turned at random, "
    "targets at least 10 m from every AP, no path longer than 2 us",
    "element gains": "3 dBi for transmitting and receiving antennas",
    "user beams": "covariances of MMSE channel estimates: 4 paths, local scattering of 15 degrees, "
    "profile e^-i, urban microcell without line of sight, pilots of 0.1 W x 128",
    "sensing beams": "pointed at a position that errs by 1 m per axis",
    "power": "1 W shared equally by all beams of a transmitter",
}


def draw_scene(number: int, n_targets: int, receivers: str) -> MultistaticScene:
    """Scene of that number; equal numbers share access points and users.

    ``receivers`` is "two", those nearest to any target, or "two per target", the union of each
    target's two nearest.
    """
    rng = np.random.default_rng([2, number])
    return fan_scene(rng, n_targets=n_targets, n_receivers=2 if receivers == "two" else None)


@lru_cache
def scene_bounds(n_targets: int, receivers: str) -> Mapping[str, Array]:
    """Position error bounds at 1 m^2, mean over the targets, for all N_SCENES scenes (m)."""
    bounds: dict[str, list[float]] = {"exact": [], "approximate": [], "fluctuating": []}
    for number in range(N_SCENES):
        scene = draw_scene(number, n_targets, receivers)
        power = equal_power(scene)
        rng = np.random.default_rng([3, number])
        draws = [multistatic.draw_gains(scene, rng) for _ in range(N_GAINS)]
        drawn = [
            multistatic.position_error_bound(scene, power, gains=gains).mean() for gains in draws
        ]
        bounds["exact"].append(multistatic.position_error_bound(scene, power).mean())
        bounds["approximate"].append(
            multistatic.position_error_bound(scene, power, "approximate").mean()
        )
        bounds["fluctuating"].append(float(np.mean(drawn)))
    return {name: np.array(values) for name, values in bounds.items()}


def peb_known(n_targets: int, receivers: str, rcs_dbsm: float) -> Mapping[str, float]:
    """Bounds of a row: the scenes' mean and its standard error, exactly as 1 / sqrt(RCS)."""
    unit = float(from_decibel(-rcs_dbsm / 2))
    columns = {}
    for name, values in scene_bounds(n_targets, receivers).items():
        over_scenes = estimate(unit * values)
        columns[f"peb_{name}_m"] = over_scenes.mean
        columns[f"peb_{name}_m_se"] = over_scenes.standard_error
    return columns


@lru_cache
def single_target_scenes() -> tuple[MultistaticScene, ...]:
    """The scenes with one target and two receivers, the nearer one first."""
    scenes = []
    for number in range(N_SCENES):
        scene = draw_scene(number, 1, "two")
        order = np.argsort(np.linalg.norm(scene.receivers - scene.targets, axis=1))
        scenes.append(
            replace(
                scene,
                receivers=scene.receivers[order],
                receive_axes=scene.receive_axes[order],
            )
        )
    return tuple(scenes)


def turned_receivers(scene: MultistaticScene, receivers: str, aoa_deg: float) -> MultistaticScene:
    """The scene with receivers "RX1", "RX2" or "both", arrays ``aoa_deg`` from the target."""
    from scipy.special import cosdg, sindg  # here, or every command would wait for it

    which = {"RX1": [0], "RX2": [1], "both": [0, 1]}[receivers]
    places = scene.receivers[which]
    sight = (scene.targets - places) / np.linalg.norm(scene.targets - places, axis=1)[:, None]
    along, across = cosdg(aoa_deg), sindg(aoa_deg)
    turn = np.array([[along, across], [-across, along]])
    return replace(scene, receivers=places, receive_axes=sight @ turn)


@lru_cache
def turned_bounds(receivers: str, aoa_deg: float) -> Array:
    """Position (m) and angle error bounds (deg) of every scene, (2, N_SCENES)."""
    bounds = []
    for scene in single_target_scenes():
        turned = turned_receivers(scene, receivers, aoa_deg)
        power = equal_power(turned)
        angle = angle_error_bound(turned, power, aoa_deg)
        bounds.append([multistatic.position_error_bound(turned, power)[0], angle])
    return np.array(bounds).T


def aoa_known(receivers: str, aoa_deg: float) -> Mapping[str, float]:
    """Position error bound, and bound on the angle of arrival at the nearer receiver in use.

    The ratio to the bound at 90 degrees is taken scene by scene.
    """
    peb, angle = turned_bounds(receivers, aoa_deg)
    mean = estimate(peb)
    ratio = estimate(peb / turned_bounds(receivers, 90)[0])
    return {
        "n_scenes": len(peb),
        "peb_mean_m": mean.mean,
        "peb_mean_m_se": mean.standard_error,
        "peb_median_m": float(np.median(peb)),
        "peb_median_m_se": median_error(peb),
        "peb_over_peb_at_90_deg": ratio.mean,
        "peb_over_peb_at_90_deg_se": ratio.standard_error,
        "angle_error_median_deg": float(np.median(angle)),
        "angle_error_median_deg_se": median_error(angle),
    }


def median_error(draws: Array) -> float:
    """Standard error of a median: half the distance of the quantiles that lie as far off in rank.

    Of n draws a binomial number lies below the true median, with the deviation ``sqrt(n) / 2``.
    """
    if np.isinf(draws).any():
        return np.nan
    off = 0.5 / np.sqrt(len(draws))
    return float(np.ptp(np.quantile(draws, [0.5 - off, 0.5 + off])) / 2)


def angle_error_bound(scene: MultistaticScene, power: Array, aoa_deg: float) -> float:
    """Bound on the angle of arrival at the first receiver, from all its paths (deg)."""
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    offset = scene.targets[0] - scene.transmitters
    unit = offset / np.linalg.norm(offset, axis=1)[:, None]
    omega = 2 * np.pi * scene.spacing * np.sum(unit * scene.transmit_axes, axis=1)
    gains = multistatic.rms_gains(scene)[:, 0, 0]
    efim = multistatic.path_efim(gains, omega, covariance, scene.waveform, scene.noise_variance)
    from scipy.special import sindg

    information = efim[:, 0, 0].sum() * (2 * np.pi * scene.spacing * sindg(aoa_deg)) ** 2
    with np.errstate(divide="ignore"):
        return float(np.rad2deg(1 / np.sqrt(information)))
