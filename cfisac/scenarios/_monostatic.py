"""The scene of liu: access points that each listen to their own echoes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from cfisac import _checks, propagation, waveforms
from cfisac.scenarios._common import (
    Array,
    Waveform,
    cross_section,
    distances,
    keep,
    places,
    refuse_other_waveforms,
)


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
        refuse_other_waveforms(self.waveform)
        for name in ("aps", "targets"):
            keep(self, name, places(name, getattr(self, name)))
        keep(self, "velocities", places("velocities", self.velocities, len(self.targets)))
        antennas = _checks.count("n_antennas", self.n_antennas)
        if antennas.shape not in ((), (len(self.aps),)):
            raise ValueError(f"n_antennas must be one number or one per AP, got {antennas.shape}")
        keep(self, "n_antennas", np.broadcast_to(antennas, len(self.aps)).copy())
        for name in ("carrier_frequency", "noise_variance", "transmit_power", "spacing"):
            keep(self, name, _checks.one(name, getattr(self, name), _checks.positive))
        keep(self, "mean_rcs", cross_section(self.mean_rcs, len(self.targets)))
        if np.any(distances(self.aps, self.targets) == 0):
            raise ValueError("targets must not stand on an access point")
        waveforms.refuse_late(self.waveform, "targets", self.delays)

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier (m)."""
        return constants.speed_of_light / self.carrier_frequency

    @property
    def delays(self) -> Array:
        """Delay of every echo, there and back, (L, U) in seconds."""
        return 2 * distances(self.aps, self.targets) / constants.speed_of_light

    @property
    def snr(self) -> Array:
        """Mean SNR of one sample of one antenna, (L, U), with a beam matched to the target.

        ``P_t |chi|^2 E|alpha|^2 / sigma^2``: liu's steering vectors do not have unit norm, so a
        unit-norm matched precoder gains ``|chi|^2 = N_A`` (liu (1)-(3)). As printed, liu takes the
        root of a complex Gaussian, so that ``|alpha|^2`` has a Rayleigh law, whose mean would be
        ``sqrt(pi) / 2`` of its root mean square; here ``E|alpha|^2`` is ``mean_rcs`` times the
        attenuation squared.
        """
        distance = distances(self.aps, self.targets)
        loss = self.mean_rcs * propagation.radar_gain(distance, distance, self.wavelength)
        array_gain = np.asarray(self.n_antennas)[:, None]
        return self.transmit_power / self.noise_variance * array_gain * loss
