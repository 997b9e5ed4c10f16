"""Flat spectrum, OFDM and OTFS: modems, delay–Doppler operators and delay–Doppler covariances.

A path delays the waveform by tau and shifts it by nu::

    r(t) = s(t - tau) exp(j 2 pi nu (t - tau)).

OTFS takes this literally; OFDM leaves a common phase of it to the gain (see there). With an
unknown complex gain on the path, the information about (tau, nu) is ``2 SNR`` times the
covariance of the waveform factor (the factor theorem), here averaged over symbols x of mean
zero, uncorrelated and of equal energy: ``E[x x^H]`` a multiple of the identity. Grids have the
symbols (or Doppler bins) in the rows and the subcarriers (or delay bins) in the columns, shape
(..., N, M).
"""

import numpy as np

from cfisac.waveforms._flat import FlatSpectrum
from cfisac.waveforms._frames import WHOLE, Array, SignalFactors
from cfisac.waveforms._ofdm import OFDM
from cfisac.waveforms._otfs import OTFS

__all__ = ["OFDM", "OTFS", "FlatSpectrum", "SignalFactors", "refuse_late"]


def refuse_late(waveform: OFDM | OTFS, name: str, delay: Array) -> None:
    """Refuse delays beyond the model of the waveform; ``name`` is the argument they come from.

    One rule for scenes, maps and bounds. A path that is later than the cyclic prefix disturbs the
    next symbol and loses a part of itself, which no bound here counts. An OFDM without a cyclic
    prefix, ``cp_duration=0``, is one whose prefix is not modelled: any delay will do. A frame of
    OTFS has one prefix, which is taken to be long enough for any delay within the frame.

    Parameters
    ----------
    waveform : OFDM or OTFS
    name : str
        Argument to blame.
    delay : (...) float
        In seconds.

    Raises
    ------
    ValueError
        If one is longer than ``waveform.longest_delay``.

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.waveforms import OFDM, refuse_late
    >>> refuse_late(OFDM(8, 4, 60e3, cp_duration=1e-6), 'position', np.array([2e-6]))
    Traceback (most recent call last):
        ...
    ValueError: position must be so near that no path exceeds the cyclic prefix of ...
    """
    limit = waveform.longest_delay
    if np.any(delay > limit * (1 + WHOLE)):
        what = "cyclic prefix" if isinstance(waveform, OFDM) else "frame"
        raise ValueError(
            f"{name} must be so near that no path exceeds the {what} of {limit:g} s; "
            f"the longest takes {np.max(delay):g} s"
        )
