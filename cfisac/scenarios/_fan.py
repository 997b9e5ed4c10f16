"""The scene of fan: its parameter table, and samplers of its scenes."""

import inspect
from typing import Any, NamedTuple

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
    places,
    refuse_other_waveforms,
)
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
    aps: ArrayLike | None = None,
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
    aps : (n_aps, 2) float, optional
        Places of the access points (m), instead of drawn ones: a base station in the middle.

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
    return _fan(False, **locals()).scene


class FanNetwork(NamedTuple):
    """A scene of fan in which all access points may have both roles, and what its users need.

    Attributes
    ----------
    scene : MultistaticScene
        In full duplex: every access point sends, and hears.
    sends, hears : (A,) bool
        The roles that :func:`fan_scene` gives to the same draw.
    channels, estimates : (A, K, M_t, M_t) complex
        Covariance of the channel from each access point to each user, and of its estimate; all
        paths together.

    Examples
    --------
    >>> network = fan_network(np.random.default_rng(1), n_aps=5, n_users=2, n_targets=1)
    >>> isinstance(network, FanNetwork), network.hears.sum()
    (True, np.int64(2))
    """

    scene: MultistaticScene
    sends: NDArray[np.bool_]
    hears: NDArray[np.bool_]
    channels: ComplexArray
    estimates: ComplexArray


def fan_network(rng: np.random.Generator, *, all_hear: bool = True, **settings: Any) -> FanNetwork:
    """Draw the scene that :func:`fan_scene` draws, with what a choice of roles and powers needs.

    Parameters
    ----------
    rng : Generator
        Source of the draws; the same as those of :func:`fan_scene`.
    all_hear : bool
        Whether all access points have both roles. Otherwise those that listen in
        :func:`fan_scene` have both, and the others only send: shorter paths.
    **settings
        All that :func:`fan_scene` takes. ``max_delay`` is kept by the roles of that function; a
        waveform with cyclic prefixes may be too short for all pairs of access points.

    Returns
    -------
    FanNetwork

    Raises
    ------
    ValueError
        As :func:`fan_scene`, or if a setting has another name.

    Examples
    --------
    >>> network = fan_network(np.random.default_rng(1), n_aps=20, n_users=3)
    >>> network.scene.beams.shape, network.channels.shape, int(network.hears.sum())
    ((20, 5, 16, 16), (20, 3, 16, 16), 4)
    """
    given = inspect.signature(fan_scene).parameters
    unknown = sorted(set(settings) - set(given))
    if unknown:
        raise ValueError(f"settings must be those of fan_scene, which has no {unknown[0]!r}")
    defaults = {name: each.default for name, each in given.items() if name != "rng"}
    return _fan(True, rng=rng, **{**defaults, **settings}, all_hear=all_hear)


def _fan(
    network: bool,
    *,
    rng: np.random.Generator,
    n_aps: int,
    n_targets: int,
    n_users: int,
    n_antennas: int,
    waveform: Waveform | None,
    mean_rcs: ArrayLike,
    max_speed: float,
    side: float,
    carrier_frequency: float,
    noise_variance: float,
    nearest: int,
    n_receivers: int | None,
    full_duplex: bool,
    gain_db: float,
    pointing_error: float,
    min_distance: float,
    max_delay: float | None,
    n_paths: int,
    angle_spread: float,
    path_sector: float,
    pilot_energy: float,
    aps: ArrayLike | None,
    all_hear: bool = True,
) -> FanNetwork:
    """Draw a scene with its roles, or with both roles for everybody."""
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
    stand = rng.uniform(0, side, (n_aps, 2))
    if aps is not None:
        stand = places("aps", aps, n_aps, 2)
    axes = directions(rng.uniform(0, 2 * np.pi, n_aps))
    least = max(min_distance, propagation.DISTANCES[0])
    users = _away_from(rng, stand, n_users, side, least)
    turns = rng.uniform(-path_sector, path_sector, (n_aps, n_users, n_paths))
    turns[..., 0] = 0.0
    for _ in range(_TRIES):
        targets = _away_from(rng, stand, n_targets, side, min_distance)
        listens = _listeners(distances(stand, targets), nearest, n_receivers)
        sends = np.full(n_aps, True) if full_duplex else ~listens
        if not sends.any():
            raise ValueError(f"n_aps = {n_aps} leaves no access point to transmit")
        there, back = distances(stand[sends], targets), distances(stand[listens], targets)
        longest = (there.max(axis=0) + back.max(axis=0)).max()
        if longest <= max_delay * SPEED_OF_LIGHT:
            break
    else:
        raise ValueError(f"max_delay of {max_delay:g} s leaves no room for the targets")
    speed = rng.uniform(0, max_speed, (n_targets, 1))
    velocities = speed * directions(rng.uniform(0, 2 * np.pi, n_targets))
    rough = targets + pointing_error * rng.normal(size=targets.shape)

    roles = sends, listens
    if network:
        sends, listens = np.ones(n_aps, bool), np.ones(n_aps, bool) if all_hear else listens
    beams = sensing_beams(stand[sends], axes[sends], rough, n_antennas)
    channels = estimate = np.zeros((int(sends.sum()), 0, n_antennas, n_antennas), dtype=complex)
    if n_users:
        angle = local_angle(stand[sends], axes[sends], users)[..., None] + turns[sends]
        paths = _path_covariances(
            angle, distances(stand[sends], users), n_antennas, angle_spread, carrier_frequency
        )
        channels = paths.sum(axis=-3)
        estimate = propagation.mmse_estimate_covariance(paths, pilot_energy, noise_variance)
        estimate = estimate.sum(axis=-3)
        data = estimate / np.trace(estimate, axis1=-2, axis2=-1).real[..., None, None]
        beams = np.concatenate([beams, data], axis=1)
    gain = float(propagation.from_decibel(_checks.one("gain_db", gain_db, _checks.finite)))
    scene = MultistaticScene(
        transmitters=stand[sends],
        receivers=stand[listens],
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
        full_duplex=full_duplex or network,
        users=users,
    )
    return FanNetwork(scene, *roles, channels, estimate)


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
