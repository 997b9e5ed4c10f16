"""The scene of liu: its parameter table, and a sampler of its scenes."""

from typing import Any

import numpy as np

from cfisac import _checks, propagation, waveforms
from cfisac.scenarios._common import directions
from cfisac.scenarios._monostatic import MonostaticScene

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
