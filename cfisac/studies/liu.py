"""The bounds of liu, one correction at a time.

What liu prints in (7)-(15) is kept here and nowhere else in the package: the information
about (delay, sine of the angle, Doppler shift) at each access point (AP) for a known gain, and the
two Jacobians. :func:`bounds` starts from there and mends one thing after another. The first thing
is a unit: one entry of (15) lacks a velocity, so that until then the bound of the speed depends on
the unit in which speeds are measured.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import fisher, geometry
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.limits import cooperative
from cfisac.scenarios import LIU_TABLE, MonostaticScene, liu_scene
from cfisac.studies import Study
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]

REFERENCE_DISTANCE = LIU_TABLE["side"] / np.sqrt(2)  # m, from a corner to the centre
SCENES_PER_TRIAL = 1000

CORRECTIONS = (
    "printed",
    "velocity restored",
    "Jacobians",
    "noise density",
    "joint state",
    "unknown gains",
    "without Doppler",
)
"""Each but the last keeps the ones before it; "unknown gains" is the right bound."""


def sample_snr(position: ArrayLike, aps: ArrayLike, reference: float = 1.0) -> Array:
    """SNR of one sample at each AP, falling with the fourth power of the distance.

    Parameters
    ----------
    position : (..., 2)
        Targets (m).
    aps : (L, 2)
        APs (m).
    reference : float
        SNR at 247.5 m, from a corner to the centre of liu's square.

    Returns
    -------
    (..., L)
        ``|a_l|^2 / sigma^2`` per antenna, subcarrier and symbol.
    """
    offset = np.asarray(position)[..., None, :] - np.asarray(aps)
    return reference * (REFERENCE_DISTANCE / np.linalg.norm(offset, axis=-1)) ** 4


def printed_information(
    snr: ArrayLike, n_antennas: ArrayLike, waveform: OFDM | OTFS, spacing: float = 0.5
) -> Array:
    """Information on delay, sine of the angle and Doppler shift as printed, (..., L, 3, 3).

    The diagonal entries [A]_ll to [F]_ll of liu (7)-(12), sorted by AP, with ``snr`` (..., L) for
    ``|alpha|^2 / sigma_z^2``. The gain is known, its phase refers to index zero, and antennas,
    subcarriers and symbols are counted from one.
    """
    antennas = np.asarray(n_antennas)
    sizes = (np.full(antennas.shape, waveform.n_subcarriers), antennas)
    size = np.stack([*sizes, np.full(antennas.shape, waveform.n_symbols)], axis=-1)
    step = np.array([-waveform.subcarrier_spacing, spacing, waveform.symbol_period])
    mean = (size[..., :, None] + 1) * (size[..., None, :] + 1) / 4
    index = np.arange(3)
    mean[..., index, index] = (2 * size + 1) * (size + 1) / 6
    samples = np.prod(size, axis=-1)
    scale = 4 * np.pi**2 * np.asarray(snr) * samples
    information: Array = scale[..., None, None] * np.outer(step, step) * mean
    return information


def printed_jacobians(
    position: ArrayLike,
    velocity: ArrayLike,
    aps: ArrayLike,
    carrier_frequency: float,
    missing: ArrayLike = 1.0,
) -> tuple[Array, Array]:
    """Print of liu (13) and (15), transposed: (..., L, 3, 2) by (x, y) and by (speed, heading).

    The derivative of the delay by the speed has the unit s in (15), not s^2/m: it lacks the
    ``missing`` velocity (...,) in the denominator (m/s). One is (15) as it stands with all
    quantities in SI units, 1/3.6 as it stands with km/h, and the speed of the target mends the
    unit.
    """
    offset = np.asarray(position)[..., None, :] - np.asarray(aps)
    speed, heading = _polar(np.asarray(velocity)[..., None, :])
    lacking = np.asarray(missing)[..., None]
    big_theta, epsilon = offset[..., 0], offset[..., 1]
    eta = np.sqrt(big_theta**2 + epsilon**2)  # complex numbers may come here: placement has slopes
    cos = (big_theta * np.cos(heading) + epsilon * np.sin(heading)) / eta
    sin = (epsilon * np.cos(heading) - big_theta * np.sin(heading)) / eta
    per_speed = -2 * carrier_frequency / speed_of_light
    doppler, xi = per_speed * speed * cos, per_speed * speed * sin  # xi = doppler * tan
    by_position = [
        [2 * big_theta / (eta * speed_of_light), 2 * epsilon / (eta * speed_of_light)],
        [-epsilon * big_theta / eta**3, big_theta**2 / eta**3],
        [xi * epsilon / eta**2, -xi / big_theta],
    ]
    by_velocity = [
        [
            epsilon * big_theta * doppler / (eta * xi * speed_of_light * lacking),
            epsilon * big_theta / (2 * eta * speed_of_light),
        ],
        [cos**2 / (speed * sin), big_theta / eta],
        [per_speed * cos, per_speed * speed * sin],
    ]
    return _matrix(by_position), _matrix(by_velocity)


def bounds(correction: str, scene: MonostaticScene, snr: ArrayLike) -> tuple[Array, Array, Array]:
    """Bounds on position (m), speed (m/s) and heading (rad) after some of the corrections.

    Parameters
    ----------
    correction : str
        The last one that is made, from :data:`CORRECTIONS`.
    scene : MonostaticScene
        With U targets, each taken alone, and OFDM.
    snr : (U, L)
        As from :func:`sample_snr`.

    Returns
    -------
    position, speed, heading : (U,)
        Roots of the trace of the bound of the position, and of the two variances in the bound of
        the velocity.

    Raises
    ------
    ValueError
        If the correction is none of the list.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}; got {correction!r}")
    position, velocity, aps = scene.targets, scene.velocities, scene.aps
    carrier, waveform, spacing = scene.carrier_frequency, scene.waveform, scene.spacing
    known = printed_information(snr, scene.n_antennas, waveform, spacing)
    if correction in ("printed", "velocity restored"):
        missing = 1.0 if correction == "printed" else _polar(velocity)[0]
        return _apart(known, *printed_jacobians(position, velocity, aps, carrier, missing))
    _, jacobian = geometry.monostatic(position[:, None], velocity[:, None], aps, carrier)
    turn = _by_speed_and_heading(velocity)
    jacobian = jacobian @ turn[:, None]
    by_position, by_velocity = jacobian[..., :2], jacobian[..., 2:]
    if correction == "Jacobians":
        return _apart(known, by_position, by_velocity)
    if correction == "noise density":
        return _apart(2 * known, by_position, by_velocity)
    if correction == "joint state":
        variance = _variances(2 * known, jacobian)
    else:
        if correction == "without Doppler":  # one symbol with the energy of all
            snr = np.asarray(snr) * waveform.n_symbols
            waveform = replace(waveform, n_symbols=1)
        efim = cooperative.state_efim(
            position, velocity, aps, scene.n_antennas, snr, waveform, carrier, spacing
        )
        variance = _variances(efim[:, None], turn[:, None])
    root = np.sqrt(variance)
    return np.hypot(root[:, 0], root[:, 1]), root[:, 2], root[:, 3]


def correction_trial(rng: np.random.Generator, correction: str) -> Mapping[str, float]:
    """Medians over a block of scenes of the three bounds, and the spread of their ratios.

    The ratios are those to the right bounds; 10th and 90th percentile stand beside the median.
    """
    scene = liu_scene(rng, SCENES_PER_TRIAL)
    snr = sample_snr(scene.targets, scene.aps)
    here, right = (bounds(each, scene, snr) for each in (correction, "unknown gains"))
    result = {}
    for name, bound in zip(("position_m", "speed_m_per_s", "heading_rad"), here, strict=True):
        result[f"median_{name}"] = float(np.median(bound))
    for name, bound, true in zip(("position", "speed", "heading"), here, right, strict=True):
        ratio = bound / true
        result[f"median_{name}_ratio"] = float(np.median(ratio))
        low, high = np.quantile(ratio, [0.1, 0.9], method="lower")
        result[f"p10_{name}_ratio"], result[f"p90_{name}_ratio"] = float(low), float(high)
    return result


def _apart(
    information: Array, by_position: Array, by_velocity: Array
) -> tuple[Array, Array, Array]:
    """Bounds of the position for a known velocity, and of the velocity for a known position."""
    position = np.sqrt(_variances(information, by_position))
    velocity = np.sqrt(_variances(information, by_velocity))
    return np.hypot(position[:, 0], position[:, 1]), velocity[:, 0], velocity[:, 1]


def _variances(information: Array, jacobian: Array) -> Array:
    """Diagonal of the bound from what all APs know, (U, L, n, n) and (U, L, n, k) -> (U, k)."""
    fim = np.sum(fisher.change_parameters(information, jacobian), axis=-3)
    return np.diagonal(fisher.crlb(fim), axis1=-2, axis2=-1)


def _by_speed_and_heading(velocity: Array) -> Array:
    """Derivatives of (x, y, v_x, v_y) by (x, y, speed, heading), (..., 4, 4)."""
    speed, _ = _polar(velocity)
    ahead = velocity / speed[..., None]
    turn = np.zeros((*speed.shape, 4, 4))
    turn[..., 0, 0] = turn[..., 1, 1] = 1.0
    turn[..., 2:, 2] = ahead
    turn[..., 2:, 3] = np.stack([-velocity[..., 1], velocity[..., 0]], axis=-1)
    return turn


def _polar(velocity: Array) -> tuple[Array, Array]:
    """Speed and heading."""
    x, y = velocity[..., 0], velocity[..., 1]
    return np.hypot(x, y), np.arctan2(y, x)


def _matrix(rows: list[list[Array]]) -> Array:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


STUDIES = (
    Study(
        id="liu-bounds",
        source="liu",
        title="Bounds on position and velocity, one correction at a time (Theorems 1 and 2)",
        trial=correction_trial,
        cells=[{"correction": correction} for correction in CORRECTIONS],
        n_trials={"smoke": 2, "book": 10, "paper": 40},
        seed=13,
        assumptions={
            "snr": "|a|^2 / sigma^2 = 0 dB per antenna, subcarrier and symbol at 247.5 m, ~ r^-4",
            "a": "sqrt(P_t) chi alpha, the amplitude received, stands for alpha in (7)-(12)",
            "symbols": "0.5 ms / 14 long with their prefix",
            "arrays": "eight antennas per access point, half a wavelength apart, along y",
            "velocity": "speed 90 to 120 m/s, heading 0 to pi, both uniform",
            "printed": "(15) as it stands, with speeds in m/s; it would be another bound in km/h",
            "scenes": "1000 per trial; medians and 10th and 90th percentiles over them, then means "
            "over trials",
            "ratio": "to the joint bound with unknown gains, scene by scene",
        },
    ),
)
