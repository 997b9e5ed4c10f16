"""The scene of fan: some access points transmit, others listen, targets stand between them."""

from dataclasses import dataclass

import numpy as np
from scipy import constants

from cfisac import _checks, waveforms
from cfisac.scenarios._common import (
    Array,
    ComplexArray,
    Waveform,
    cross_section,
    distances,
    keep,
    places,
    refuse_other_waveforms,
)


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
            keep(self, name, places(name, getattr(self, name)))
        for name, like in (
            ("transmit_axes", self.transmitters),
            ("receive_axes", self.receivers),
            ("velocities", self.targets),
        ):
            keep(self, name, places(name, getattr(self, name), len(like)))
        for name in ("transmit_axes", "receive_axes"):
            _checks.unit_vectors(name, getattr(self, name))
        keep(self, "n_antennas", _checks.one("n_antennas", self.n_antennas, _checks.count))
        for name in (
            "carrier_frequency", "noise_variance", "transmit_gain", "receive_gain", "spacing",
        ):  # fmt: skip
            keep(self, name, _checks.one(name, getattr(self, name), _checks.positive))
        keep(self, "mean_rcs", cross_section(self.mean_rcs, len(self.targets)))
        if not isinstance(self.full_duplex, bool | np.bool_):
            raise ValueError(f"full_duplex must be True or False, got {self.full_duplex!r}")
        refuse_other_waveforms(self.waveform)
        keep(self, "beams", self._checked_beams())
        if self.users is not None:
            keep(self, "users", places("users", self.users, self.n_beams - len(self.targets)))
        self._refuse_impossible()

    @property
    def n_beams(self) -> int:
        """B, how many beams every transmitter sends."""
        return int(self.beams.shape[1])

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier (m)."""
        return constants.speed_of_light / self.carrier_frequency

    @property
    def delays(self) -> Array:
        """Delay of every path, transmitter to target to receiver, (P, R, T) in seconds."""
        there = distances(self.transmitters, self.targets)
        back = distances(self.receivers, self.targets)
        return (there[:, None] + back[None, :]) / constants.speed_of_light

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
        if not self.full_duplex and np.any(distances(self.transmitters, self.receivers) == 0):
            raise ValueError(
                "transmitters and receivers share an access point, which needs full_duplex=True"
            )
        for name in ("transmitters", "receivers"):
            if np.any(distances(getattr(self, name), self.targets) == 0):
                raise ValueError(f"targets must not stand on an access point of {name}")
        waveforms.refuse_late(self.waveform, "targets", self.delays)
