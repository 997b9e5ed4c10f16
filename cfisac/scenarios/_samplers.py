"""The sources' parameter tables, and samplers of their scenes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.scenarios import _plausible
from cfisac.scenarios._beams import sensing_beams
from cfisac.scenarios._common import (
    Array,
    ComplexArray,
    Waveform,
    directions,
    distances,
    local_angle,
    refuse_other_waveforms,
)
from cfisac.scenarios._monostatic import MonostaticScene
from cfisac.scenarios._multistatic import MultistaticScene

FAN_TABLE: dict[str, Any] = {
    "carrier_frequency": 38e9,  # Hz
    "bandwidth": 64e6,  # Hz
    "n_subcarriers": 128,
    "n_symbols": 128,
    "side": 300.0,  # m
    "n_aps": 32,
    "n_antennas": 16,
    "n_users": 10,
    "n_targets": 2,
    "max_speed": 300 / 3.6,  # m/s
    "peb_threshold": 0.1,  # m
    "max_power": 1.0,  # W
    "noise_variance": float(propagation.from_dbm(-89.0)),  # W
    "mean_rcs": 1.0,  # m^2
}
"""Table I of fan_conf and III of fan_journal, in SI units."""

LIU_TABLE: dict[str, Any] = {
    "carrier_frequency": 3.5e9,  # Hz
    "subcarrier_spacing": 30e3,  # Hz
    "n_subcarriers": 128,
    "n_symbols": 128,
    "side": 350.0,  # m, between the access points at the corners
    "n_antennas": 8,  # 32 in all, shared equally
    "nearest_corner": 125.0,  # m, the targets' square along x and along y
    "farthest_corner": 225.0,  # m
    "min_speed": 90.0,  # the unit is not printed; m/s here
    "max_speed": 120.0,
    "max_heading": np.pi,  # rad
}
"""Section V of liu, the initial configuration."""

_TRIES = 1000  # draws before the square is held to have no room


def fan_scene(
    rng: np.random.Generator,
    n_aps: int = FAN_TABLE["n_aps"],
    n_targets: int = FAN_TABLE["n_targets"],
    n_users: int = FAN_TABLE["n_users"],
    n_antennas: int = FAN_TABLE["n_antennas"],
    *,
    waveform: Waveform | None = None,
    mean_rcs: ArrayLike = FAN_TABLE["mean_rcs"],
    max_speed: float = FAN_TABLE["max_speed"],
    side: float = FAN_TABLE["side"],
    carrier_frequency: float = FAN_TABLE["carrier_frequency"],
    noise_variance: float = FAN_TABLE["noise_variance"],
    nearest: int = 2,
    n_receivers: int | None = None,
    full_duplex: bool = False,
    gain_db: float = 3.0,
    pointing_error: float = 1.0,
    min_distance: float = 10.0,
    max_delay: float | None = None,
    n_paths: int = 4,
    angle_spread: float = np.pi / 12,
    path_sector: float = np.pi / 3,
    pilot_energy: float = 12.8,
) -> MultistaticScene:
    """Draw a scene with the parameters of fan's table (fan_conf Table I, fan_journal III).

    Access points, users and targets are uniform in a square, arrays and headings turned at
    random, speeds uniform up to ``max_speed``. The drawn numbers come in this order: access
    points and axes, users and their paths, targets. So scenes from equal seeds share whatever
    comes before the first difference in the numbers of things.

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    n_aps : int
        N_AP, how many access points.
    n_targets : int
        T_g >= 1.
    n_users : int
        K_u >= 0.
    n_antennas : int
        M_t, of every access point.
    waveform : OTFS or OFDM, optional
        By default the table's OTFS frame: 128 subcarriers, 128 symbols, 500 kHz.
    mean_rcs : float or (T,)
        In m^2; the table has 0 dBsm.
    max_speed : float
        Of a target (m/s).
    side : float
        Of the square (m).
    carrier_frequency : float
        f_c > 0 (Hz).
    noise_variance : float
        sigma^2 > 0 of each complex sample (W). The table's is that of its 64 MHz, 7 dB above
        k T B; a ``waveform`` of another bandwidth has another.
    nearest : int
        Every target makes this many of its nearest access points listen; they all serve every
        target, and the other access points transmit. Not in the table, but in the text.
    n_receivers : int, optional
        Fixes the number of receivers instead: those with the smallest distance to any target.
    full_duplex : bool
        Let the receivers transmit as well.
    gain_db : float
        Gain of a transmitting, and of a receiving element, G_t = G_r (dB). Not in the table.
    pointing_error : float
        Standard deviation, per axis, of the rough target position that all transmitters point
        at (m), >= 0. Not in the table.
    min_distance : float
        Users and targets stand at least this far from every access point (m), users never
        nearer than the 10 m from which the path loss model holds. Not in the table.
    max_delay : float, optional
        Targets are drawn until no path takes longer (s). By default 2 us, one symbol of the
        table's frame, up to which fan's operator (9) holds; less if the symbol, or the cyclic
        prefix, of ``waveform`` is shorter. Not in the table.
    n_paths : int
        L_pq, paths to a user. Path i has a share proportional to e^-i of the power that the urban
        microcell model without line of sight leaves. Not in the table.
    angle_spread : float
        Spread of the Gaussian local scattering of each path (rad). Not in the table.
    path_sector : float
        The first path comes from the user's direction, the others from within this angle of it
        (rad). Not in the table.
    pilot_energy : float
        Of a user's pilot (W times samples), > 0 if there are users: 0.1 W over 128 samples. Not
        in the table.

    Returns
    -------
    MultistaticScene
        With the users in ``users``. Its data beams are the covariances of the channel estimates
        (fan_conf, below (24)), divided by their trace.

    Raises
    ------
    ValueError
        If an argument is out of range, no access point would be left to transmit, or the square
        has no room for the users and targets.

    Examples
    --------
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=20, n_targets=2)
    >>> len(scene.transmitters), len(scene.receivers), scene.beams.shape
    (16, 4, (16, 12, 16, 16))
    """
    for name, value, fewest in (
        ("n_aps", n_aps, 1), ("n_targets", n_targets, 1), ("n_users", n_users, 0),
        ("n_antennas", n_antennas, 1), ("nearest", nearest, 1), ("n_paths", n_paths, 1),
        ("n_receivers", 1 if n_receivers is None else n_receivers, 1),
    ):  # fmt: skip
        _checks.one(name, value, _checks.count, fewest)
    if waveform is None:
        per_subcarrier = FAN_TABLE["bandwidth"] / FAN_TABLE["n_subcarriers"]
        waveform = waveforms.OTFS(
            FAN_TABLE["n_subcarriers"], FAN_TABLE["n_symbols"], per_subcarrier
        )
    refuse_other_waveforms(waveform)
    if max_delay is None:
        max_delay = min(2e-6, getattr(waveform, "cp_duration", 0.0) or waveform.symbol_period)
    for name, number in (("side", side), ("max_delay", max_delay)):
        _checks.one(name, number, _checks.positive)
    _checks.one("pilot_energy", pilot_energy, _checks.positive if n_users else _checks.non_negative)
    for name, number in (
        ("max_speed", max_speed), ("pointing_error", pointing_error),
        ("min_distance", min_distance), ("path_sector", path_sector),
        ("angle_spread", angle_spread),
    ):  # fmt: skip
        _checks.one(name, number, _checks.non_negative)
    for name, number in (("angle_spread", angle_spread), ("path_sector", path_sector)):
        _plausible.angle(name, number)
    aps = rng.uniform(0, side, (n_aps, 2))
    axes = directions(rng.uniform(0, 2 * np.pi, n_aps))
    least = max(min_distance, propagation.DISTANCES[0])
    users = _away_from(rng, aps, n_users, side, least)
    turns = rng.uniform(-path_sector, path_sector, (n_aps, n_users, n_paths))
    turns[..., 0] = 0.0
    for _ in range(_TRIES):
        targets = _away_from(rng, aps, n_targets, side, min_distance)
        listens = _listeners(distances(aps, targets), nearest, n_receivers)
        sends = np.full(n_aps, True) if full_duplex else ~listens
        if not sends.any():
            raise ValueError(f"n_aps = {n_aps} leaves no access point to transmit")
        there, back = distances(aps[sends], targets), distances(aps[listens], targets)
        longest = (there.max(axis=0) + back.max(axis=0)).max()
        if longest <= max_delay * SPEED_OF_LIGHT:
            break
    else:
        raise ValueError(f"max_delay of {max_delay:g} s leaves no room for the targets")
    speed = rng.uniform(0, max_speed, (n_targets, 1))
    velocities = speed * directions(rng.uniform(0, 2 * np.pi, n_targets))
    rough = targets + pointing_error * rng.normal(size=targets.shape)

    beams = sensing_beams(aps[sends], axes[sends], rough, n_antennas)
    if n_users:
        angle = local_angle(aps[sends], axes[sends], users)[..., None] + turns[sends]
        estimate = propagation.mmse_estimate_covariance(
            _path_covariances(
                angle, distances(aps[sends], users), n_antennas, angle_spread, carrier_frequency
            ),
            pilot_energy,
            noise_variance,
        ).sum(axis=-3)
        data = estimate / np.trace(estimate, axis1=-2, axis2=-1).real[..., None, None]
        beams = np.concatenate([beams, data], axis=1)
    gain = float(propagation.from_decibel(_checks.one("gain_db", gain_db, _checks.finite)))
    return MultistaticScene(
        transmitters=aps[sends],
        receivers=aps[listens],
        transmit_axes=axes[sends],
        receive_axes=axes[listens],
        targets=targets,
        velocities=velocities,
        n_antennas=n_antennas,
        beams=beams,
        waveform=waveform,
        carrier_frequency=carrier_frequency,
        noise_variance=noise_variance,
        mean_rcs=np.array(mean_rcs),
        transmit_gain=gain,
        receive_gain=gain,
        full_duplex=full_duplex,
        users=users,
    )


def liu_scene(rng: np.random.Generator, n_targets: int = 3) -> MonostaticScene:
    """Draw liu's scene: access points at the corners, targets in the middle (liu, Section V).

    The four arrays have eight antennas each. Not printed, and assumed here: 1 W shared by the 128
    subcarriers, a noise figure of 7 dB, a mean radar cross section of 1 m^2, symbols with the
    normal cyclic prefix (0.5 ms for 14 of them), speeds in m/s.

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    n_targets : int
        U >= 1.

    Returns
    -------
    MonostaticScene

    Raises
    ------
    ValueError
        If ``n_targets`` is not a whole number >= 1.

    Examples
    --------
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=2)
    >>> scene.aps.shape, scene.targets.shape, scene.n_antennas
    ((4, 2), (2, 2), array([8, 8, 8, 8]))
    """
    n_targets = _checks.one("n_targets", n_targets, _checks.count)
    table = LIU_TABLE
    positions = rng.uniform(table["nearest_corner"], table["farthest_corner"], (n_targets, 2))
    heading = rng.uniform(0, table["max_heading"], n_targets)
    speed = rng.uniform(table["min_speed"], table["max_speed"], n_targets)
    symbol = 0.5e-3 / 14  # s, useful part and cyclic prefix
    spacing = table["subcarrier_spacing"]
    return MonostaticScene(
        aps=np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * table["side"],
        n_antennas=table["n_antennas"],
        targets=positions,
        velocities=speed[:, None] * directions(heading),
        waveform=waveforms.OFDM(
            table["n_subcarriers"], table["n_symbols"], spacing, symbol - 1 / spacing
        ),
        carrier_frequency=table["carrier_frequency"],
        noise_variance=float(propagation.noise_power(spacing, 7.0)),
        transmit_power=1.0 / table["n_subcarriers"],
    )


def _path_covariances(
    angle: Array, distance: Array, n_antennas: int, spread: float, carrier_frequency: float
) -> ComplexArray:
    """Covariance of each path to each user, (P, K, L, M_t, M_t), from the paths' angles (P, K, L).

    Its trace is M_t times the power gain of the path, which falls like e^-i with its index.
    """
    share = np.exp(-np.arange(angle.shape[-1]))
    loss = propagation.urban_microcell_path_loss(distance, carrier_frequency)
    gain = propagation.from_decibel(-loss)[..., None] * share / share.sum()
    scattering = propagation.local_scattering_covariance(n_antennas, angle, spread)
    return gain[..., None, None] * scattering


def _away_from(
    rng: np.random.Generator, aps: Array, number: int, side: float, least: float
) -> Array:
    """Draw ``number`` points of the square that are ``least`` or more from every access point."""
    points = rng.uniform(0, side, (number, 2))
    for _ in range(_TRIES):
        near = (distances(aps, points) < least).any(axis=0)
        if not near.any():
            return points
        points[near] = rng.uniform(0, side, (near.sum(), 2))
    raise ValueError(f"min_distance of {least:g} m leaves no room in a square of {side:g} m")


def _listeners(distance: Array, nearest: int, number: int | None) -> NDArray[np.bool_]:
    """Which access points listen, from their distances to the targets (n_aps, n_targets)."""
    if number is None:
        chosen = np.argsort(distance, axis=0)[:nearest]
    else:
        chosen = np.argsort(distance.min(axis=1))[:number]
    return np.isin(np.arange(len(distance)), chosen)
