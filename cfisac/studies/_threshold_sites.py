"""The five scenes of the study of places: where access points stand, and what is searched."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]


class _Site(NamedTuple):
    """A scene of the study.

    Attributes
    ----------
    n_aps, n_subcarriers : int
        Access points in the corners of 350 m, and subcarriers of 120 kHz.
    half : float
        Of the side of the square that is searched (m), around the middle.
    decay : float
        The SNR falls with this power of the distance; ``snr_db`` is that at 247.5 m.
    n_search, n_count : int
        Places along each side, of the estimator and of the prediction.
    near : tuple of float
        SNRs (dB) where the error leaves the bound: drawn more often.
    """

    n_aps: int
    n_subcarriers: int
    half: float
    decay: float
    n_search: int
    n_count: int
    near: tuple[float, ...]


SITES = {
    "4 APs": _Site(4, 32, 100.0, 0.0, 30, 30, (6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 10.0)),
    "2 APs": _Site(2, 32, 100.0, 0.0, 30, 30, (8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 12.0)),
    "1 AP": _Site(1, 32, 100.0, 0.0, 30, 30, (10.0, 10.5, 11.0, 11.5, 12.0, 12.5, 13.0, 13.5)),
    "4 APs, wide band": _Site(4, 128, 100.0, 0.0, 80, 40, (8.5, 9.0, 9.5, 10.0, 10.5, 11.0)),
    "4 APs, one lobe": _Site(4, 32, 50.0, 4.0, 15, 24, (4.0, 5.0, 6.0, 7.0, 8.0, 9.0)),
}
N_ANTENNAS, SIDE, CARRIER = 8, 350.0, 3.5e9
FAR = SIDE / np.sqrt(2)


def site_scene(site: str, truth: Array | None = None) -> MonostaticScene:
    """The access points of a site, and a target.

    Parameters
    ----------
    site : str
        One of :data:`SITES`.
    truth : (2,), optional
        Place of the target (m); by default in the middle.
    """
    kind = SITES[site]
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]) * SIDE
    return MonostaticScene(
        aps=corners[: kind.n_aps],
        targets=np.full((1, 2), SIDE / 2) if truth is None else truth[None],
        n_antennas=N_ANTENNAS,
        waveform=OFDM(kind.n_subcarriers, 1, 120e3, 3e-6),
        carrier_frequency=CARRIER,
        noise_figure_db=7.0,
        transmit_power=0.01,
        axes=np.tile([0.0, 1.0], (kind.n_aps, 1)),
    )


def site_box(site: str) -> Array:
    """Corners (2, 2) of the square that is searched (m).

    Parameters
    ----------
    site : str
        One of :data:`SITES`.
    """
    half = SITES[site].half
    return np.array([[SIDE / 2 - half] * 2, [SIDE / 2 + half] * 2])


def site_snr(site: str, truth: Array, snr_db: float) -> Array:
    """SNR (..., L) of the echoes of targets in all their samples.

    Parameters
    ----------
    site : str
        One of :data:`SITES`.
    truth : (..., 2)
        In metres.
    snr_db : float
        At 247.5 m.
    """
    offset = np.asarray(truth)[..., None, :] - site_scene(site).aps
    distance = np.linalg.norm(offset, axis=-1)
    return np.asarray(10 ** (snr_db / 10) * (FAR / distance) ** SITES[site].decay)
