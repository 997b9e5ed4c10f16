"""The scene of liu: access points that each listen to their own echoes."""

import warnings
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.scenarios import _arrays, _plausible
from cfisac.scenarios._common import (
    NEEDED,
    Array,
    Waveform,
    distances,
    keep,
    keep_what_all_have,
    need,
    places,
)
from cfisac.scenarios._operations import Scene


@dataclass(frozen=True, eq=False)
class MonostaticScene(Scene):
    """Access points that each listen to their own echoes (liu).

    Parameters
    ----------
    aps : (L, D)
        Positions (m), in the plane or in space: D = 2 or 3, throughout.
    n_antennas : int or (L,), optional
        N_A of every access point, >= 1; None with arrays of one's own.
    targets : (U, D)
        Positions (m).
    velocities : (U, D), optional
        Of the targets (m/s); by default they stand still.
    waveform : OFDM or OTFS
        What every access point sends, each on its own resources: no echo meets another's.
    carrier_frequency : float
        f_c > 0 (Hz).
    noise_variance : float
        sigma^2 > 0 of each complex sample (W): that of ``noise_bandwidth``.
    transmit_power : float
        P_t > 0 per sample (W): on one subcarrier of OFDM, in the whole band of OTFS.
    mean_rcs : float or (U,)
        Mean radar cross section of the targets, >= 0 (m^2).
    spacing : float
        Distance of neighbouring antennas in wavelengths, > 0.
    axes : (L, D), optional
        Unit vectors along the arrays; None for the y axis, as in liu.
    transmit_arrays, receive_arrays : sequence of (N, D), optional
        Elements of each access point's array in wavelengths (:mod:`cfisac.arrays`), of any sizes,
        or one array (N, D) for all. Instead of ``axes`` and ``n_antennas``. One of the two stands
        for both.
    transmit_gain, receive_gain : float
        Linear gains, > 0; of what, ``gain_reference`` says.
    gain_reference : {"element", "array"}
        Whether the gains are those of one element (as in liu, whose steering vectors have the
        norm ``sqrt(N_A)``), so that an array of N has N times that, or of the whole array in the
        direction of the target.
    facing : (D,), optional
        Only for the constructor: a point (m) that all arrays look at, see
        :func:`cfisac.scenarios.facing`.
    noise_figure_db : float, optional
        Only for the constructor: F >= 0 (dB). ``noise_variance`` is then k T B F at 290 K.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, a target stands on an access point, or
        an echo takes longer than the waveform's ``longest_delay``.

    Warns
    -----
    ImplausibleWarning
        If a number looks like one of another unit.

    Examples
    --------
    >>> from cfisac.waveforms import OFDM
    >>> scene = MonostaticScene(
    ...     aps=[[0, 0], [80, 0], [0, 60]], targets=[[30, 40]], n_antennas=8, axes=None,
    ...     waveform=OFDM(64, 14, 120e3, cp_duration=1e-6), carrier_frequency=28e9,
    ...     noise_figure_db=7, transmit_power=0.01,
    ... )
    >>> (10 * np.log10(scene.total_snr)).round(1)  # dB, (L, U)
    array([[33.4],
           [29.1],
           [39.1]])
    """

    aps: Array
    n_antennas: int | NDArray[np.int64] = NEEDED
    targets: Array = NEEDED
    velocities: Array = NEEDED
    waveform: Waveform = NEEDED
    carrier_frequency: float = NEEDED
    noise_variance: float = NEEDED
    transmit_power: float = NEEDED
    mean_rcs: float | Array = 1.0
    spacing: float = 0.5
    axes: Array = field(default=NEEDED, kw_only=True)
    transmit_arrays: _arrays.Elements | None = field(default=None, kw_only=True)
    receive_arrays: _arrays.Elements | None = field(default=None, kw_only=True)
    transmit_gain: float = field(default=1.0, kw_only=True)
    receive_gain: float = field(default=1.0, kw_only=True)
    gain_reference: str = field(default="element", kw_only=True)
    facing: InitVar[ArrayLike | None] = field(default=None, kw_only=True)
    noise_figure_db: InitVar[float | None] = field(default=None, kw_only=True)

    def __post_init__(self, facing: ArrayLike | None, noise_figure_db: float | None) -> None:
        """Refuse a scene that cannot be; keep copies that cannot change."""
        need(self, "targets", "waveform", "carrier_frequency", "transmit_power")
        keep(self, "aps", places("aps", self.aps))
        keep(self, "targets", places("targets", self.targets, None, self.dimension, "aps"))
        keep_what_all_have(self, noise_figure_db, "transmit_power")
        self._keep_arrays(facing)
        if np.any(distances(self.aps, self.targets) == 0):
            raise ValueError("targets must not stand on an access point")
        waveforms.refuse_late(self.waveform, "targets", self.delays)
        elements = () if self.receive_arrays is None else self.receive_elements
        nearest = float(distances(self.aps, self.targets).min())
        _plausible.scene(self, (nearest, nearest), elements)

    @property
    def noise_bandwidth(self) -> float:
        """Band (Hz) in which power is counted, so that of ``noise_variance``.

        That of one sample: a subcarrier of OFDM, on which the power is ``transmit_power``, and
        ``waveform.bandwidth`` for OTFS, whose samples are those of the whole band. A M-th of the
        power over a M-th of the noise is the same SNR.
        """
        if isinstance(self.waveform, waveforms.OFDM):
            return self.waveform.subcarrier_spacing
        return self.waveform.bandwidth

    @property
    def delays(self) -> Array:
        """Delay of every echo, there and back, (L, U) in seconds."""
        return 2 * distances(self.aps, self.targets) / SPEED_OF_LIGHT

    @property
    def sample_snr(self) -> Array:
        """Mean SNR of one sample of one antenna, (L, U), with a beam matched to the target.

        ``P_t |chi|^2 E|alpha|^2 / sigma^2``: liu's steering vectors do not have unit norm, so a
        unit-norm matched precoder gains ``|chi|^2 = N_A`` (liu (1)-(3)). As printed, liu takes the
        root of a complex Gaussian, so that ``|alpha|^2`` has a Rayleigh law, whose mean would be
        ``sqrt(pi) / 2`` of its root mean square; here ``E|alpha|^2`` is ``mean_rcs`` times the
        attenuation squared and the gains. With ``gain_reference="array"`` the gain of the array
        that sends replaces N_A, and that of the one that listens is shared by its antennas.
        """
        distance = distances(self.aps, self.targets)
        loss = self.mean_rcs * propagation.radar_gain(
            distance, distance, self.wavelength, self.transmit_gain, self.receive_gain
        )
        array_gain: Any = self.n_transmit_antennas[:, None]
        if self.gain_reference == "array":
            array_gain = 1 / self.n_receive_antennas[:, None]
        return self.transmit_power / self.noise_variance * array_gain * loss

    @property
    def snr(self) -> Array:
        """Old name of :attr:`sample_snr`; it goes with the next release."""
        warnings.warn(
            "snr is now called sample_snr; the old name goes with the next release",
            DeprecationWarning,
            2,
        )
        return self.sample_snr

    @property
    def total_snr(self) -> Array:
        """Mean SNR of every echo over all its samples and antennas, (L, U)."""
        n_samples = self.waveform.n_subcarriers * self.waveform.n_symbols
        return self.sample_snr * self.n_receive_antennas[:, None] * n_samples

    def _linear(self, end: str) -> tuple[NDArray[np.int64], Array]:
        axes = self.axes
        if axes is None:
            axes = np.repeat(np.eye(self.dimension)[1:2], len(self.aps), axis=0)
        return np.asarray(self.n_antennas), axes

    def _keep_arrays(self, point: ArrayLike | None) -> None:
        """Uniform linear arrays along the y axis or facing a point, or arrays of one's own."""
        ends = "transmit_arrays", "receive_arrays"
        given: list[Any] = [value for name in ends if (value := getattr(self, name)) is not None]
        if not given:
            need(self, "n_antennas")
            antennas = _checks.count("n_antennas", self.n_antennas)
            if antennas.shape not in ((), (len(self.aps),)):
                raise ValueError(
                    f"n_antennas must be one number or one per AP, got {antennas.shape}"
                )
            keep(self, "n_antennas", np.broadcast_to(antennas, len(self.aps)).copy())
            if self.axes is not None or point is not None:
                keep(self, "axes", _arrays.axes("axes", self.axes, self.aps, point))
            return
        for name in ("axes", "n_antennas"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} must not be given with arrays of one's own")
        turn = None if point is None else _arrays.facing(self.aps, point)
        for name, value in zip(ends, given * (2 // len(given)), strict=True):
            keep(self, name, _arrays.own(name, value, len(self.aps), self.dimension, turn))
