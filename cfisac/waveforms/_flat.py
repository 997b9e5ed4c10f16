"""A flat spectrum: the simplest waveform, of which only the bandwidth is known."""

from dataclasses import dataclass

import numpy as np

from cfisac import _checks
from cfisac.waveforms._frames import extent


@dataclass(frozen=True)
class FlatSpectrum:
    """A pulse whose energy is spread evenly over a band.

    Parameters
    ----------
    bandwidth : float
        W in Hz, 1e-100 to 1e100.

    Raises
    ------
    ValueError
        If ``bandwidth`` is not one number in that range.

    Examples
    --------
    >>> from cfisac.waveforms import FlatSpectrum
    >>> print(f'{FlatSpectrum(100e6).delay_variance:.3g}')  # (rad/s)^2
    3.29e+16
    """

    bandwidth: float

    def __post_init__(self) -> None:
        """Refuse a pulse that cannot exist."""
        object.__setattr__(self, "bandwidth", _checks.one("bandwidth", self.bandwidth, extent))

    @property
    def delay_variance(self) -> float:
        """Covariance of the waveform factor for the delay, ``(2 pi W)^2 / 12`` in (rad/s)^2."""
        return (2 * np.pi * self.bandwidth) ** 2 / 12
