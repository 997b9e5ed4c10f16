"""The scene of fan: some access points transmit, others listen, targets stand between them."""

from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac._hermitian import are_semidefinite
from cfisac.scenarios import _arrays, _plausible
from cfisac.scenarios._beams import illumination, sensing_beams
from cfisac.scenarios._common import (
    NEEDED,
    Array,
    ComplexArray,
    Waveform,
    distances,
    keep,
    keep_what_all_have,
    need,
    places,
)
from cfisac.scenarios._operations import Scene, sites


@dataclass(frozen=True, eq=False)
class MultistaticScene(Scene):
    """Access points that transmit, access points that listen, and targets between them (fan).

    Parameters
    ----------
    transmitters : (P, D)
        Positions (m) of those that transmit, in the plane or in space: D = 2 or 3, throughout.
    receivers : (R, D)
        Positions (m) of those that listen.
    transmit_axes : (P, D), optional
        Unit vectors along uniform linear arrays, from the first antenna to the last. Given
        together with ``receive_axes``, or else ``facing``, or arrays of one's own.
    receive_axes : (R, D), optional
        The same for the receivers.
    targets : (T, D)
        Positions (m).
    velocities : (T, D), optional
        Of the targets (m/s); by default they stand still.
    n_antennas : int, optional
        M_t of every array if they are uniform and linear; None with arrays of one's own.
    beams : (P, B, M_t, M_t) complex, optional
        Covariance C of each beam, of trace one: the first T are the sensing beams in the order of
        the targets, the others carry data. A beam of power eta sends ``eta a^H C a`` towards the
        electrical angle omega, with the unit-norm ``a_l = exp(j omega l) / sqrt(M_t)``. Arrays of
        different sizes have beams of the size of the largest: the rows and columns of the
        antennas that an array does not have are zero. By default :func:`sensing_beams` to the
        targets; they stay where they are when ``dataclasses.replace`` moves the targets.
    waveform : OTFS or OFDM
        What every beam carries, with independent symbols.
    carrier_frequency : float
        f_c > 0 (Hz).
    noise_variance : float
        sigma^2 > 0 of each complex sample (W), in the whole band: that of ``noise_bandwidth``.
    mean_rcs : float or (T,)
        Mean radar cross section of the targets, >= 0 (m^2).
    transmit_gain, receive_gain : float
        Linear gains, > 0; of what, ``gain_reference`` says.
    spacing : float
        Distance of neighbouring antennas in wavelengths, > 0, if they are uniform and linear.
    full_duplex : bool
        Whether one access point may transmit and listen at the same time. Without it, a place
        that is both transmitter and receiver is refused.
    users : (B - T, D), optional
        Where the users of the data beams stand (m). No bound needs it.
    transmit_arrays, receive_arrays : sequence of (N, D), optional
        Elements of each access point's array in wavelengths (:mod:`cfisac.arrays`), as many as
        there are transmitters and receivers and of any sizes, or one array (N, D) for all of
        them. Instead of axes and ``n_antennas``.
    gain_reference : {"array", "element"}
        Whether ``transmit_gain`` and ``receive_gain`` are those of a whole array, in the
        direction in which it sends and hears best (as in fan, whose steering vectors have unit
        norm), or of one element. An array of N elements then has N times that.
    facing : (D,), optional
        Only for the constructor: a point (m) that all arrays look at, see
        :func:`cfisac.scenarios.facing`. Uniform linear arrays get their axes from it, arrays of
        one's own, which look along x, are turned.
    noise_figure_db : float, optional
        Only for the constructor: F >= 0 (dB). ``noise_variance`` is then k T B F at 290 K.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, an axis is not a unit vector, a beam is
        not Hermitian and positive semidefinite of trace one, a target stands on an access point,
        an access point has both roles without ``full_duplex``, or a path is longer than the
        waveform's ``longest_delay``: its cyclic prefixes, if it has any, or a frame of OTFS. That
        is beyond the symbol up to which fan's operator (9) holds.

    Warns
    -----
    ImplausibleWarning
        If a number looks like one of another unit.

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

    Examples
    --------
    >>> from cfisac.waveforms import OFDM
    >>> scene = MultistaticScene(
    ...     transmitters=[[0, 0], [0, 60]], receivers=[[80, 0], [80, 60]], targets=[[30, 40]],
    ...     n_antennas=8, facing=[40, 30], waveform=OFDM(64, 14, 120e3, cp_duration=1e-6),
    ...     carrier_frequency=28e9, noise_figure_db=7, mean_rcs=1.0,
    ... )
    >>> print(scene.summary())  # of 1 W from each transmitter
    1 target, 2 transmitters, 2 receivers, 2 W in all
    noise +7.0 dB over k T B of 7.68 MHz
    resolution: 19.5 m, 41 m/s, 14.4 degrees
    target  SNR of its paths (dB)      PEB (m)
            weakest  median  strongest
         0     15.2    17.3       19.5       0.898
    """

    transmitters: Array
    receivers: Array
    transmit_axes: Array = NEEDED
    receive_axes: Array = NEEDED
    targets: Array = NEEDED
    velocities: Array = NEEDED
    n_antennas: int = NEEDED
    beams: ComplexArray = NEEDED
    waveform: Waveform = NEEDED
    carrier_frequency: float = NEEDED
    noise_variance: float = NEEDED
    mean_rcs: float | Array = NEEDED
    transmit_gain: float = 1.0
    receive_gain: float = 1.0
    spacing: float = 0.5
    full_duplex: bool = False
    users: Array | None = None
    transmit_arrays: _arrays.Elements | None = field(default=None, kw_only=True)
    receive_arrays: _arrays.Elements | None = field(default=None, kw_only=True)
    gain_reference: str = field(default="array", kw_only=True)
    facing: InitVar[ArrayLike | None] = field(default=None, kw_only=True)
    noise_figure_db: InitVar[float | None] = field(default=None, kw_only=True)

    def __post_init__(self, facing: ArrayLike | None, noise_figure_db: float | None) -> None:
        """Refuse a scene that cannot be; keep copies that cannot change."""
        need(self, "targets", "waveform", "carrier_frequency", "mean_rcs")
        keep(self, "transmitters", places("transmitters", self.transmitters))
        for name in ("receivers", "targets"):
            keep(
                self, name, places(name, getattr(self, name), None, self.dimension, "transmitters")
            )
        keep_what_all_have(self, noise_figure_db)
        if not isinstance(self.full_duplex, bool | np.bool_):
            raise ValueError(f"full_duplex must be True or False, got {self.full_duplex!r}")
        self._keep_arrays(facing)
        self._refuse_impossible()
        if self.beams is None:
            keep(self, "beams", self.beams_to(self.targets))
        else:
            keep(self, "beams", self._checked_beams())
        if self.users is not None:
            number = self.n_beams - len(self.targets)
            keep(self, "users", places("users", self.users, number, self.dimension))
        elements = () if self.transmit_arrays is None else self.transmit_elements
        nearest = (distances(each, self.targets) for each in (self.transmitters, self.receivers))
        shortest = [each.min(axis=0) for each in nearest]
        first = np.argmin(shortest[0] * shortest[1])
        _plausible.scene(self, (shortest[0][first], shortest[1][first]), elements)

    @property
    def n_beams(self) -> int:
        """B, how many beams every transmitter sends."""
        return int(self.beams.shape[1])

    @property
    def aps(self) -> Array:
        """Places of all access points, (n, D), first of transmitters, then of other receivers."""
        return sites(self.transmitters, self.receivers)

    @property
    def noise_bandwidth(self) -> float:
        """Band (Hz) in which power is counted, so that of ``noise_variance``; the waveform's.

        A beam's power is that of the whole band, for OTFS and OFDM alike, and a sample is one of
        ``waveform.bandwidth`` a second. A unitary transform leaves its variance to every
        delay-Doppler bin and every subcarrier.
        """
        return self.waveform.bandwidth

    @property
    def transmit_gains(self) -> Array:
        """Linear gain of every transmitting array in its best direction, (P,)."""
        return self._gains(self.transmit_gain, self.n_transmit_antennas)

    @property
    def receive_gains(self) -> Array:
        """The same of every listening array, (R,)."""
        return self._gains(self.receive_gain, self.n_receive_antennas)

    @property
    def mean_power_gains(self) -> Array:
        """Mean ``|beta|^2`` of every path, (P, R, T), by radar equation, array gains, mean RCS."""
        loss = propagation.radar_gain(
            distances(self.transmitters, self.targets)[:, None],
            distances(self.receivers, self.targets)[None],
            self.wavelength,
            self.transmit_gains[:, None, None],
            self.receive_gains[None, :, None],
        )
        return self.mean_rcs * loss

    @property
    def delays(self) -> Array:
        """Delay of every path, transmitter to target to receiver, (P, R, T) in seconds."""
        there = distances(self.transmitters, self.targets)
        back = distances(self.receivers, self.targets)
        return (there[:, None] + back[None, :]) / SPEED_OF_LIGHT

    def beams_to(self, points: ArrayLike) -> ComplexArray:
        """Matched beams of all transmitters to points (T, D), (P, T, M_t, M_t)."""
        return sensing_beams(
            self.transmitters,
            self.transmit_axes,
            points,
            self.n_antennas,
            self.spacing,
            transmit_arrays=self.transmit_arrays,
        )

    def total_snr(self, power: ArrayLike) -> Array:
        """Mean SNR of every path over all its samples and antennas, (P, R, T).

        ``E|beta|^2 b M N / sigma^2`` with the power b that all beams send towards the target.

        Parameters
        ----------
        power : (P, B) float, or one that broadcasts to it
            Of every beam (W), >= 0.

        Raises
        ------
        ValueError
            If ``power`` is out of range or does not fit.
        """
        lit = illumination(self, power, self.targets)[0]
        n_samples = self.waveform.n_subcarriers * self.waveform.n_symbols
        return self.mean_power_gains * lit[:, None] * n_samples / self.noise_variance

    def _gains(self, gain: float, number: NDArray[np.int64]) -> Array:
        shares = number if self.gain_reference == "element" else np.ones(number.shape)
        return np.asarray(gain * shares, dtype=float)

    def _linear(self, end: str) -> tuple[NDArray[np.int64], Array]:
        axes: Array = getattr(self, f"{end}_axes")
        return np.full(len(axes), self.n_antennas), axes

    def _keep_arrays(self, point: ArrayLike | None) -> None:
        """Uniform linear arrays of given axes or facing a point, or arrays of one's own."""
        ends = {"transmit": self.transmitters, "receive": self.receivers}
        if self.transmit_arrays is None and self.receive_arrays is None:
            need(self, "n_antennas")
            keep(self, "n_antennas", _checks.one("n_antennas", self.n_antennas, _checks.count))
            for end, stand in ends.items():
                keep(self, f"{end}_axes", self._axes(f"{end}_axes", stand, point))
            return
        for name in ("transmit_axes", "receive_axes", "n_antennas"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} must not be given with arrays of one's own")
        need(self, "transmit_arrays", "receive_arrays")
        for end, stand in ends.items():
            turn = None if point is None else _arrays.facing(stand, point)
            given: Any = getattr(self, f"{end}_arrays")
            kept = _arrays.own(f"{end}_arrays", given, len(stand), self.dimension, turn)
            keep(self, f"{end}_arrays", kept)

    def _axes(self, name: str, stand: Array, point: ArrayLike | None) -> Array:
        return _arrays.axes(name, getattr(self, name), stand, point)

    def _checked_beams(self) -> ComplexArray:
        beams: ComplexArray = _checks.finite("beams", self.beams, complex).copy()
        sizes = self.n_transmit_antennas
        n_targets, size = len(self.targets), int(sizes.max())
        fits = beams.ndim == 4 and beams.shape[::2] == (len(self.transmitters), size)
        if not fits or beams.shape[3] != size or beams.shape[1] < n_targets:
            raise ValueError(
                f"beams must be (P, B, M_t, M_t) with P = {len(self.transmitters)} transmitters, "
                f"B >= {n_targets} targets and M_t = {size} antennas, got {beams.shape}"
            )
        absent = np.arange(size) >= sizes[:, None]
        if np.any(beams[np.broadcast_to(absent[:, None], beams.shape[:3])]):
            raise ValueError("beams must be zero at the antennas that smaller arrays do not have")
        if np.any(np.abs(np.trace(beams, axis1=-2, axis2=-1) - 1) > 1e-9):
            raise ValueError("beams must have trace one")
        if not are_semidefinite(beams, 1e-9):
            raise ValueError("beams must be Hermitian and positive semidefinite")
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
