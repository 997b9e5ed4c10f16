"""The map of fan_journal (20) over a hotspot, and what it refuses."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._position_map import fast_map
from cfisac.estimators._position_samples import samples_of
from cfisac.scenarios import MultistaticScene
from cfisac.scenarios._common import distances
from cfisac.signals._multistatic import checked_sent

Array = NDArray[np.float64]

TILES = (8, 16)  # of symbols and of subcarriers


class HotspotMap(NamedTuple):
    """Fan_journal (20) over a square, such as :func:`hotspot_map` gives.

    Attributes
    ----------
    points : (n, n, 2)
        Positions (m), rows by y and columns by x.
    values : (n, n)
        Log-likelihood over that of noise alone; ``-inf`` where no target can be: on an access
        point, or farther than a symbol.
    best : (2,)
        The point with the largest value (m).

    Examples
    --------
    >>> from cfisac.estimators import position_ml
    >>> scene, sent, samples = position_ml.example(np.random.default_rng(1))
    >>> centre = scene.targets[0]
    >>> found = hotspot_map(scene, sent, samples, centre, side=4.0, step=1.0, tiles=(4, 8))
    >>> bool(found.values.max() == found.values[2, 2])
    True
    """

    points: Array
    values: Array
    best: Array


def hotspot_map(
    scene: MultistaticScene,
    sent: ArrayLike,
    samples: ArrayLike,
    centre: ArrayLike,
    side: float,
    step: float,
    target: int = 0,
    *,
    tiles: tuple[int, int] = TILES,
) -> HotspotMap:
    """Map of fan_journal (20) over a hotspot, a hundred times faster than point by point.

    Everything heard is turned back to the delay and Doppler shift of the centre and multiplied by
    what was sent, antenna by antenna; what a point of the hotspot adds to the phases is then slow
    over subcarriers and symbols, and is summed over tiles of them. Between points the phases of
    antennas and tiles separate. The map loses height, not place: off the centre, by the phase that
    turns within a tile.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the position of the target.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    centre : (2,)
        Of the hotspot (m).
    side : float
        Of the square (m), >= 0. Points lie symmetrically about the centre, as many as fit.
    step : float
        From point to point (m), > 0.
    target : int
        Whose velocity is meant.
    tiles : (int, int)
        How many of symbols and of subcarriers; divisors of N and M, fewer than them make it fast.

    Returns
    -------
    HotspotMap

    Raises
    ------
    ValueError
        If an argument is not finite, does not fit or is out of range, the hotspot has no point
        where a target can be, or more than 2^20 points.

    Examples
    --------
    >>> from cfisac.estimators import position_ml
    >>> scene, sent, samples = position_ml.example(np.random.default_rng(1))
    >>> centre = scene.targets[0]
    >>> found = hotspot_map(scene, sent, samples, centre, side=4.0, step=0.5, tiles=(4, 8))
    >>> found.values.shape
    (9, 9)
    >>> bool(np.allclose(found.best, scene.targets[0]))
    True
    """
    sent, seen = checked_sent(scene, sent), samples_of(scene, samples)
    middle = _checks.squarable("centre", _checks.points("centre", centre), float)
    if middle.shape != (2,):
        raise ValueError(f"centre must be one point (2,), got {middle.shape}")
    width = _checks.one("side", side, _checks.non_negative)
    apart = _checks.one("step", step, _checks.positive)
    if _checks.one("target", target, _checks.count, 0) >= len(scene.targets):
        raise ValueError(f"target must be in 0..{len(scene.targets) - 1}, got {target!r}")
    parts = _checked_tiles(scene, tiles)
    half = width / apart / 2
    if half > 512:
        raise ValueError(
            f"step must be at least {width / 1024:g} for this side, got {apart:g}: a hotspot has "
            "at most 2^20 points"
        )
    number = 2 * np.floor(half + 1e-9) + 1 if half % 1 < 0.5 - 1e-9 else 2 * np.floor(half + 0.5)
    line = apart * (np.arange(number) - (number - 1) / 2)
    points = middle + np.stack(np.meshgrid(line, line), axis=-1)
    possible = _possible(scene, points)
    if not possible.any() or not _possible(scene, middle[None])[0]:
        raise ValueError(
            "centre must be where a target can be, on no access point and within a symbol of all: "
            f"the hotspot is empty, got {middle.tolist()}"
        )
    safe = np.where(possible[..., None], points, middle)
    energy = fast_map(scene, sent, seen, int(target), safe, middle, parts)
    values = np.where(possible, energy / scene.noise_variance, -np.inf)
    best = points[np.unravel_index(np.argmax(values), values.shape)]
    return HotspotMap(points, values, best)


def _checked_tiles(scene: MultistaticScene, tiles: tuple[int, int]) -> tuple[int, int]:
    sizes = scene.waveform.n_symbols, scene.waveform.n_subcarriers
    parts = _checks.count("tiles", tiles)
    if parts.shape != (2,) or np.any(np.array(sizes) % parts):
        raise ValueError(
            f"tiles must divide symbols and subcarriers {sizes}, two whole numbers, got {tiles!r}"
        )
    return int(parts[0]), int(parts[1])


def _possible(scene: MultistaticScene, points: Array) -> NDArray[np.bool_]:
    """Points (..., 2) on no access point, with all paths within one symbol."""
    flat = points.reshape(-1, 2)
    out, back = (distances(each, flat) for each in (scene.transmitters, scene.receivers))
    near = (out.max(axis=0) + back.max(axis=0)) <= scene.waveform.symbol_period * SPEED_OF_LIGHT
    off = np.minimum(out.min(axis=0), back.min(axis=0)) > 0
    return np.asarray((near & off).reshape(points.shape[:-1]))
