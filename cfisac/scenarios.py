"""Scenes as frozen dataclasses, the sources' parameter tables, and samplers.

A scene is everything a bound needs to know: who stands where, what is transmitted, how loud the
noise is. Samplers take a Generator and draw what a source's table leaves to chance; what the
table leaves out is a keyword, with our value as its default.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.arrays import UniformLinearArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Waveform = waveforms.OTFS | waveforms.OFDM

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

DEPLOYMENTS = ("cell-free grid", "cell-free random", "centralised", "random base station")
"""The deployments that Figure 3 of zhang compares."""


@dataclass(frozen=True, eq=False)
class MultistaticScene:
    """Access points that transmit, access points that listen, and targets between them (fan).

    Parameters
    ----------
    transmitters : (P, 2)
        Positions (m) of those that transmit.
    receivers : (R, 2)
        Positions (m) of those that listen.
    transmit_axes : (P, 2)
        Unit vectors along the arrays, from the first antenna to the last.
    receive_axes : (R, 2)
        The same for the receivers.
    targets : (T, 2)
        Positions (m).
    velocities : (T, 2)
        Of the targets (m/s).
    n_antennas : int
        M_t of every array, which is uniform and linear.
    beams : (P, B, M_t, M_t) complex
        Covariance C of each beam, of trace one: the first T are the sensing beams in the order of
        the targets, the others carry data. A beam of power eta sends ``eta a^H C a`` towards the
        electrical angle omega, with the unit-norm ``a_l = exp(j omega l) / sqrt(M_t)``.
    waveform : OTFS or OFDM
        What every beam carries, with independent symbols.
    carrier_frequency : float
        f_c > 0 (Hz).
    noise_variance : float
        sigma^2 > 0 of each complex sample (W).
    mean_rcs : float or (T,)
        Mean radar cross section of the targets, >= 0 (m^2).
    transmit_gain, receive_gain : float
        Linear gains of the antenna elements, > 0.
    spacing : float
        Distance of neighbouring antennas in wavelengths, > 0.
    full_duplex : bool
        Whether one access point may transmit and listen at the same time. Without it, a place
        that is both transmitter and receiver is refused.
    users : (B - T, 2), optional
        Where the users of the data beams stand (m). No bound needs it.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, an axis is not a unit vector, a beam is
        not Hermitian and positive semidefinite of trace one, a target stands on an access point,
        an access point has both roles without ``full_duplex``, or a path is longer than the
        waveform's ``longest_delay``: its cyclic prefixes, if it has any, or a frame of OTFS. That
        is beyond the symbol up to which fan's operator (9) holds.

    Notes
    -----
    With the unit vector rho from an access point to a point and the axis u of its array, the
    electrical angle is ``omega = 2 pi spacing rho^T u``, for departure and arrival. An array
    that sends the symbol s with the conjugate precoder ``conj(v)``, as fan does, reaches the
    point with amplitude ``a^T conj(v)`` and power ``|a^H v|^2 = a^H (v v^H) a``: hence
    ``C = v v^H`` and no conjugate. ``v = a(omega)``, the matched beam, gets all its power there.
    fan's steering vector turns the other way, which changes no power and no bound.

    ``dataclasses.replace`` makes a changed scene and checks it again. The arrays are copies and
    cannot be written to.
    """

    transmitters: Array
    receivers: Array
    transmit_axes: Array
    receive_axes: Array
    targets: Array
    velocities: Array
    n_antennas: int
    beams: ComplexArray
    waveform: Waveform
    carrier_frequency: float
    noise_variance: float
    mean_rcs: float | Array
    transmit_gain: float = 1.0
    receive_gain: float = 1.0
    spacing: float = 0.5
    full_duplex: bool = False
    users: Array | None = None

    def __post_init__(self) -> None:
        """Refuse a scene that cannot be; keep copies that cannot change."""
        for name in ("transmitters", "receivers", "targets"):
            _keep(self, name, _points(name, getattr(self, name)))
        for name, like in (
            ("transmit_axes", self.transmitters),
            ("receive_axes", self.receivers),
            ("velocities", self.targets),
        ):
            _keep(self, name, _points(name, getattr(self, name), len(like)))
        for name in ("transmit_axes", "receive_axes"):
            _checks.unit_vectors(name, getattr(self, name))
        _keep(self, "n_antennas", _checks.one("n_antennas", self.n_antennas, _checks.count))
        for name in (
            "carrier_frequency", "noise_variance", "transmit_gain", "receive_gain", "spacing",
        ):  # fmt: skip
            _keep(self, name, _checks.one(name, getattr(self, name), _checks.positive))
        _keep(self, "mean_rcs", _cross_section(self.mean_rcs, len(self.targets)))
        if not isinstance(self.full_duplex, bool | np.bool_):
            raise ValueError(f"full_duplex must be True or False, got {self.full_duplex!r}")
        _refuse_other_waveforms(self.waveform)
        _keep(self, "beams", self._checked_beams())
        if self.users is not None:
            _keep(self, "users", _points("users", self.users, self.n_beams - len(self.targets)))
        self._refuse_impossible()

    @property
    def n_beams(self) -> int:
        """B, how many beams every transmitter sends."""
        return int(self.beams.shape[1])

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier (m)."""
        return SPEED_OF_LIGHT / self.carrier_frequency

    @property
    def delays(self) -> Array:
        """Delay of every path, transmitter to target to receiver, (P, R, T) in seconds."""
        there = _distances(self.transmitters, self.targets)
        back = _distances(self.receivers, self.targets)
        return (there[:, None] + back[None, :]) / SPEED_OF_LIGHT

    def _checked_beams(self) -> ComplexArray:
        beams: ComplexArray = _checks.finite("beams", self.beams, complex).copy()
        n_targets, size = len(self.targets), self.n_antennas
        fits = beams.ndim == 4 and beams.shape[::2] == (len(self.transmitters), size)
        if not fits or beams.shape[3] != size or beams.shape[1] < n_targets:
            raise ValueError(
                f"beams must be (P, B, M_t, M_t) with P = {len(self.transmitters)} transmitters, "
                f"B >= {n_targets} targets and M_t = {size} antennas, got {beams.shape}"
            )
        adjoint = np.conj(np.swapaxes(beams, -1, -2))
        trace = np.trace(beams, axis1=-2, axis2=-1)
        if np.any(np.abs(beams - adjoint) > 1e-9) or np.any(np.abs(trace - 1) > 1e-9):
            raise ValueError("beams must be Hermitian with trace one")
        try:  # faster than eigenvalues; the shift lets rounding pass
            np.linalg.cholesky(beams + 1e-9 * np.eye(size))
        except np.linalg.LinAlgError as error:
            raise ValueError("beams must be positive semidefinite") from error
        return beams

    def _refuse_impossible(self) -> None:
        if not self.full_duplex and np.any(_distances(self.transmitters, self.receivers) == 0):
            raise ValueError(
                "transmitters and receivers share an access point, which needs full_duplex=True"
            )
        for name in ("transmitters", "receivers"):
            if np.any(_distances(getattr(self, name), self.targets) == 0):
                raise ValueError(f"targets must not stand on an access point of {name}")
        waveforms.refuse_late(self.waveform, "targets", self.delays)


@dataclass(frozen=True, eq=False)
class MonostaticScene:
    """Access points that each listen to their own echoes (liu).

    Parameters
    ----------
    aps : (L, 2)
        Positions (m).
    n_antennas : int or (L,)
        N_A of every access point, >= 1.
    targets : (U, 2)
        Positions (m).
    velocities : (U, 2)
        Of the targets (m/s).
    waveform : OFDM or OTFS
        What every access point sends, each on its own resources: no echo meets another's.
    carrier_frequency : float
        f_c > 0 (Hz).
    noise_variance : float
        sigma^2 > 0 of each complex sample (W).
    transmit_power : float
        P_t > 0 per sample (W): on one subcarrier, if the samples are those of subcarriers.
    mean_rcs : float or (U,)
        Mean radar cross section of the targets, >= 0 (m^2).
    spacing : float
        Distance of neighbouring antennas in wavelengths, > 0.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, a target stands on an access point, or
        an echo takes longer than the waveform's ``longest_delay``.
    """

    aps: Array
    n_antennas: int | NDArray[np.int64]
    targets: Array
    velocities: Array
    waveform: Waveform
    carrier_frequency: float
    noise_variance: float
    transmit_power: float
    mean_rcs: float | Array = 1.0
    spacing: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a scene that cannot be; keep copies that cannot change."""
        _refuse_other_waveforms(self.waveform)
        for name in ("aps", "targets"):
            _keep(self, name, _points(name, getattr(self, name)))
        _keep(self, "velocities", _points("velocities", self.velocities, len(self.targets)))
        antennas = _checks.count("n_antennas", self.n_antennas)
        if antennas.shape not in ((), (len(self.aps),)):
            raise ValueError(f"n_antennas must be one number or one per AP, got {antennas.shape}")
        _keep(self, "n_antennas", np.broadcast_to(antennas, len(self.aps)).copy())
        for name in ("carrier_frequency", "noise_variance", "transmit_power", "spacing"):
            _keep(self, name, _checks.one(name, getattr(self, name), _checks.positive))
        _keep(self, "mean_rcs", _cross_section(self.mean_rcs, len(self.targets)))
        if np.any(_distances(self.aps, self.targets) == 0):
            raise ValueError("targets must not stand on an access point")
        waveforms.refuse_late(self.waveform, "targets", self.delays)

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier (m)."""
        return SPEED_OF_LIGHT / self.carrier_frequency

    @property
    def delays(self) -> Array:
        """Delay of every echo, there and back, (L, U) in seconds."""
        return 2 * _distances(self.aps, self.targets) / SPEED_OF_LIGHT

    @property
    def snr(self) -> Array:
        """Mean SNR of one sample of one antenna, (L, U), with a beam matched to the target.

        ``P_t |chi|^2 E|alpha|^2 / sigma^2``: liu's steering vectors do not have unit norm, so a
        unit-norm matched precoder gains ``|chi|^2 = N_A`` (liu (1)-(3)). As printed, liu takes the
        root of a complex Gaussian, so that ``|alpha|^2`` has a Rayleigh law, whose mean would be
        ``sqrt(pi) / 2`` of its root mean square; here ``E|alpha|^2`` is ``mean_rcs`` times the
        attenuation squared.
        """
        distance = _distances(self.aps, self.targets)
        loss = self.mean_rcs * propagation.radar_gain(distance, distance, self.wavelength)
        array_gain = np.asarray(self.n_antennas)[:, None]
        return self.transmit_power / self.noise_variance * array_gain * loss


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
        sigma^2 > 0 of each complex sample (W).
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
    _refuse_other_waveforms(waveform)
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
    aps = rng.uniform(0, side, (n_aps, 2))
    axes = _directions(rng.uniform(0, 2 * np.pi, n_aps))
    least = max(min_distance, propagation.DISTANCES[0])
    users = _away_from(rng, aps, n_users, side, least)
    turns = rng.uniform(-path_sector, path_sector, (n_aps, n_users, n_paths))
    turns[..., 0] = 0.0
    for _ in range(_TRIES):
        targets = _away_from(rng, aps, n_targets, side, min_distance)
        listens = _listeners(_distances(aps, targets), nearest, n_receivers)
        sends = np.full(n_aps, True) if full_duplex else ~listens
        if not sends.any():
            raise ValueError(f"n_aps = {n_aps} leaves no access point to transmit")
        there, back = _distances(aps[sends], targets), _distances(aps[listens], targets)
        longest = (there.max(axis=0) + back.max(axis=0)).max()
        if longest <= max_delay * SPEED_OF_LIGHT:
            break
    else:
        raise ValueError(f"max_delay of {max_delay:g} s leaves no room for the targets")
    speed = rng.uniform(0, max_speed, (n_targets, 1))
    velocities = speed * _directions(rng.uniform(0, 2 * np.pi, n_targets))
    rough = targets + pointing_error * rng.normal(size=targets.shape)

    beams = sensing_beams(aps[sends], axes[sends], rough, n_antennas)
    if n_users:
        angle = _local_angle(aps[sends], axes[sends], users)[..., None] + turns[sends]
        estimate = propagation.mmse_estimate_covariance(
            _path_covariances(
                angle, _distances(aps[sends], users), n_antennas, angle_spread, carrier_frequency
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


def sensing_beams(
    transmitters: ArrayLike,
    transmit_axes: ArrayLike,
    points: ArrayLike,
    n_antennas: int,
    spacing: float = 0.5,
) -> ComplexArray:
    """Covariances ``a a^H`` of beams from every transmitter to every point (fan_conf (12)).

    Parameters
    ----------
    transmitters : (P, 2)
        Positions (m).
    transmit_axes : (P, 2)
        Unit vectors along the arrays.
    points : (T, 2)
        Where the targets are believed to be (m).
    n_antennas : int
        M_t.
    spacing : float
        Distance of neighbouring antennas in wavelengths.

    Returns
    -------
    (P, T, M_t, M_t)
        Of rank and trace one, as the first beams of a :class:`MultistaticScene`.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, or a point is a transmitter.
    """
    transmitters, points = _points("transmitters", transmitters), _points("points", points)
    axes = _points("transmit_axes", transmit_axes, len(transmitters))
    _checks.unit_vectors("transmit_axes", axes)
    if np.any(_distances(transmitters, points) == 0):
        raise ValueError("points must not be positions of transmitters")
    array = UniformLinearArray(n_antennas, spacing)
    steering = array.steering(_local_angle(transmitters, axes, points))
    return steering[..., :, None] * np.conj(steering[..., None, :])


def equal_power(scene: MultistaticScene, total_power: float = 1.0) -> Array:
    """Power of every beam if each transmitter shares its own equally, (P, B) in watts.

    fan's ``eta = P_d / sum b``, with beams of trace one ``P_d / B``.

    Parameters
    ----------
    scene : MultistaticScene
        Whose beams share.
    total_power : float
        P_d of one transmitter, >= 0 (W).

    Returns
    -------
    (P, B)

    Raises
    ------
    ValueError
        If ``total_power`` is negative or not finite.
    """
    total = _checks.one("total_power", total_power, _checks.non_negative)
    return np.full(scene.beams.shape[:2], total / scene.n_beams)


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
        velocities=speed[:, None] * _directions(heading),
        waveform=waveforms.OFDM(
            table["n_subcarriers"], table["n_symbols"], spacing, symbol - 1 / spacing
        ),
        carrier_frequency=table["carrier_frequency"],
        noise_variance=float(propagation.noise_power(spacing, 7.0)),
        transmit_power=1.0 / table["n_subcarriers"],
    )


def square_grid(n_aps: int, side: float = 200.0) -> Array:
    """Access points at the centres of a square grid of cells.

    Parameters
    ----------
    n_aps : int
        M, a square number >= 1.
    side : float
        Side of the square around the origin, > 0 (m). zhang's studies use 200 m; commit prints
        none.

    Returns
    -------
    (M, 2)
        Positions in metres.

    Raises
    ------
    ValueError
        If ``n_aps`` is not a square number or ``side`` is not positive.
    """
    number = _checks.one("n_aps", n_aps, _checks.count)
    side = _checks.one("side", side, _checks.positive)
    per_side = round(np.sqrt(number))
    if per_side**2 != number:
        raise ValueError(f"n_aps must be a square number for a square grid, got {n_aps}")
    ticks = (np.arange(per_side) + 0.5) / per_side * side - side / 2
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def deploy(
    rng: np.random.Generator, deployment: str, n_aps: int, n_users: int, side: float = 200.0
) -> Array:
    """Draw the access points that each user sees (zhang, Fig. 3).

    Parameters
    ----------
    rng : Generator
        Source of the draws.
    deployment : str
        One of :data:`DEPLOYMENTS`: a fixed grid, access points drawn anew for every user, all of
        them at the centre, or all of them at one place drawn anew for every user.
    n_aps : int
        M, how many access points a user sees.
    n_users : int
        How many users.
    side : float
        Side of the square around the origin (m).

    Returns
    -------
    (n_users, M, 2)
        Positions in metres.

    Raises
    ------
    ValueError
        If ``deployment`` is none of them, or a number is out of range.
    """
    counts = (("n_users", n_users), ("n_aps", n_aps))
    shape = (*(_checks.one(name, value, _checks.count) for name, value in counts), 2)
    half = _checks.one("side", side, _checks.positive) / 2
    if deployment == "cell-free grid":
        return np.broadcast_to(square_grid(n_aps, side), shape)
    if deployment == "cell-free random":
        return rng.uniform(-half, half, shape)
    if deployment == "centralised":
        return np.zeros(shape)
    if deployment == "random base station":
        return np.broadcast_to(rng.uniform(-half, half, (shape[0], 1, 2)), shape)
    raise ValueError(f"deployment must be one of {', '.join(DEPLOYMENTS)}; got {deployment!r}")


def _points(name: str, value: ArrayLike, number: int | None = None) -> Array:
    """Return a copy of ``value`` as points of the plane, one or more, or exactly ``number``."""
    array = _checks.finite(name, value)
    fits = array.ndim == 2 and array.shape[1] == 2
    if not fits or (len(array) != number if number is not None else len(array) == 0):
        wanted = "n >= 1" if number is None else f"{number}"
        raise ValueError(f"{name} must be ({wanted}, 2), got shape {array.shape}")
    return array.astype(float)


def _refuse_other_waveforms(waveform: Any) -> None:
    if not isinstance(waveform, Waveform):
        raise ValueError(f"waveform must be an OTFS or an OFDM, got {waveform!r}")


def _cross_section(mean_rcs: ArrayLike, n_targets: int) -> float | Array:
    rcs = _checks.non_negative("mean_rcs", mean_rcs)
    if rcs.shape not in ((), (n_targets,)):
        raise ValueError(f"mean_rcs must be one number or one per target, got {rcs.shape}")
    return rcs.copy() if rcs.ndim else float(rcs)


def _keep(scene: Any, name: str, value: Any) -> None:
    """Set a field of a frozen scene; nobody can write to its arrays."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    object.__setattr__(scene, name, value)


def _distances(origins: Array, points: Array) -> Array:
    """Distance of every point from every origin, (n_origins, n_points)."""
    return np.linalg.norm(points - origins[:, None], axis=-1)


def _directions(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _local_angle(origins: Array, axes: Array, points: Array) -> Array:
    """Angle from broadside of every point seen from every array, (n_origins, n_points).

    A linear array cannot tell front from back: both get the angle in front.
    """
    offset = points - origins[:, None]
    along = np.einsum("pti,pi->pt", offset, axes) / np.linalg.norm(offset, axis=-1)
    return np.arcsin(np.clip(along, -1, 1))


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
        near = (_distances(aps, points) < least).any(axis=0)
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
