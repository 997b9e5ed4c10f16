"""A grid over positions and velocities: what all access points hear of each state together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._joint_data import Heard, axes_of
from cfisac.estimators._joint_local import refined
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]

_POSITION_STEP = 1 / 3  # of the smallest resolution cell, and of what turns a Doppler shift by one
_VELOCITY_STEP = 1 / 3
_FINER = 4  # Doppler shifts per resolution cell
_MOST = 2**28  # entries of the largest array, 2 GB
_BLOCK = 2**21  # states looked up at a time


class Region(NamedTuple):
    """States to be searched.

    Attributes
    ----------
    positions : (P, 2)
    velocities : (V, 2)
    """

    positions: Array
    velocities: Array


def region(scene: MonostaticScene, heard: Heard, corners: Array, max_speed: float) -> Region:
    """Points in a rectangle and velocities in a disc, close enough that no peak is missed."""
    cells = heard.cells
    middle = corners.mean(axis=0)
    to_corner = np.linalg.norm(corners[1] - corners[0]) / 2
    nearest = max(
        float(np.linalg.norm(scene.aps - middle, axis=1).min() - to_corner), 0.1 * float(to_corner)
    )
    speed_cell = cells[:, 2].min() * scene.wavelength / 2
    along = cells[:, 0].min() * SPEED_OF_LIGHT / 2
    across = cells[:, 1].min() * nearest
    turning = speed_cell * nearest / max(max_speed, 1e-9)
    step = _POSITION_STEP * min(along, across, 2 * turning)
    if (2 * max_speed / (_VELOCITY_STEP * speed_cell) + 1) ** 2 > _MOST:
        raise ValueError(
            f"max_speed must be at most {_VELOCITY_STEP * speed_cell * _MOST**0.5 / 2:.3g} m/s for "
            f"this waveform, got {max_speed:g}"
        )
    number = np.prod(np.ceil((corners[1] - corners[0]) / step) + 1)
    n_shifts = _FINER * len(heard.symbol)
    if number * len(cells) * n_shifts > _MOST:
        raise ValueError(
            f"corners must hold at most {_MOST / len(cells) / n_shifts:.3g} points {step:.3g} m "
            f"apart, got {number:.3g}"
        )
    axes = [_between(low, high, step) for low, high in corners.T]
    positions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    speeds = _between(-max_speed, max_speed, _VELOCITY_STEP * speed_cell)
    velocities = np.stack(np.meshgrid(speeds, speeds, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = np.hypot(*velocities.T) <= max_speed * (1 + 1e-9) + 1e-12
    # Where all speeds lie within a step, one velocity stands for them.
    return Region(positions, velocities[inside] if inside.any() else np.zeros((1, 2)))


def _between(low: float, high: float, step: float) -> Array:
    return np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)


def profiles(scene: MonostaticScene, heard: Heard, positions: Array) -> Array:
    """Power over noise by place and Doppler shift, (L, P, F), in steps of a quarter of a cell.

    The shifts are in the order of an FFT: from zero up, then the negative ones.
    """
    still = np.zeros_like(positions)
    sights, _ = geometry.monostatic(
        positions, still, scene.aps[:, None], scene.carrier_frequency, axes_of(scene)[:, None]
    )
    found = []
    for ap, seen in enumerate(sights):
        delay, sine = (seen[:, :2] / heard.cells[ap, :2]).T
        late = np.exp(-1j * np.outer(delay, heard.subcarrier)) @ heard.basis
        turned = np.exp(-1j * np.outer(sine, heard.antenna[ap])) * heard.present[ap]
        steered = (turned[:, :, None] * late[:, None]).reshape(len(positions), -1)
        series = steered @ heard.data[ap].reshape(steered.shape[1], -1)
        spectrum = np.fft.fft(series, _FINER * len(heard.symbol), axis=-1)
        found.append((spectrum.real**2 + spectrum.imag**2) / heard.n_samples[ap])
    return np.array(found)


def loudest(scene: MonostaticScene, heard: Heard, where: Region) -> tuple[Array, NDArray[np.int64]]:
    """Largest sum of powers over velocities at each position (P,), and which velocity (P,)."""
    power = profiles(scene, heard, where.positions).astype(np.float32)
    offset = where.positions - scene.aps[:, None]
    unit = offset / np.linalg.norm(offset, axis=-1, keepdims=True)  # (L, P, 2)
    n_shifts = power.shape[-1]
    per_speed = -2 / (scene.wavelength * heard.cells[:, 2]) * _FINER  # steps per m/s
    best = np.empty(len(where.positions))
    which = np.empty(len(where.positions), dtype=np.int64)
    step = max(1, _BLOCK // len(where.velocities))
    for start in range(0, len(where.positions), step):
        block = slice(start, start + step)
        total = np.zeros((len(where.positions[block]), len(where.velocities)), dtype=np.float32)
        for ap, scale in enumerate(per_speed):
            shift = np.rint(scale * unit[ap, block] @ where.velocities.T).astype(np.int64)
            total += np.take_along_axis(power[ap, block], shift % n_shifts, axis=1)
        which[block] = np.argmax(total, axis=1)
        best[block] = np.take_along_axis(total, which[block][:, None], axis=1)[:, 0]
    return best, which


def candidates(
    scene: MonostaticScene, heard: Heard, where: Region, number: int
) -> tuple[Array, Array]:
    """States (n, 2), (n, 2) to climb from: the loudest, the loudest of what is no neighbour, ..."""
    level, which = loudest(scene, heard, where)
    velocities = where.velocities[which]
    speed_cell = heard.cells[:, 2].min() * scene.wavelength / 2
    reach = heard.cells[:, 0].min() * SPEED_OF_LIGHT / 4
    free = np.ones(len(level), dtype=bool)
    found: list[int] = []
    while len(found) < number and free.any():
        top = int(np.argmax(np.where(free, level, -np.inf)))
        found.append(top)
        near = np.linalg.norm(where.positions - where.positions[top], axis=1) < reach
        alike = np.linalg.norm(velocities - velocities[top], axis=1) < 2 * speed_cell
        free &= ~(near & alike)
        free[top] = False
    return where.positions[found], velocities[found]


def each_loudest(scene: MonostaticScene, heard: Heard, where: Region) -> tuple[Array, Array]:
    """The loudest echo at each access point: delay, sine, Doppler shift (L, 3); its energy (L,)."""
    power = profiles(scene, heard, where.positions)
    still = np.zeros_like(where.positions)
    places, _ = geometry.monostatic(
        where.positions, still, scene.aps[:, None], scene.carrier_frequency,
        axes_of(scene)[:, None],
    )  # fmt: skip
    cells = heard.cells
    fastest = 2 / scene.wavelength * float(np.hypot(*where.velocities.T).max())
    start = np.empty((len(cells), 1, 3))
    shift = np.fft.fftfreq(power.shape[-1]) * len(heard.symbol)
    for ap, cell in enumerate(cells):
        allowed = np.abs(shift * cell[2]) <= fastest + cell[2]
        index = int(np.argmax(np.where(allowed, power[ap], -1)))
        place, step = np.unravel_index(index, power.shape[1:])
        start[ap, 0] = [*places[ap, place, :2] / cell[:2], shift[step]]
    sights, here = refined(heard, start, 8)
    return sights[:, 0] * cells, here.value
