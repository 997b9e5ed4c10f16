"""The map of fan_journal (20) over a hotspot, fast: tiles, and phases that separate."""

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac.scenarios import MultistaticScene
from cfisac.signals._multistatic import delays, later

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_CHUNK = 25  # points along a side of a part of the map worked on at a time
_EXTRA = 5  # nodes beyond the phase that an interpolated factor turns by; 1e-3 of a map or less


def fast_map(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    target: int,
    points: Array,
    centre: Array,
    tiles: tuple[int, int],
) -> Array:
    """``sum |g^H y|^2 / ||g||^2`` over all paths, (n_y, n_x), for points of that shape."""
    total = np.zeros(points.shape[:2])
    speed = scene.velocities[target]
    late = delays(scene, np.broadcast_to(centre, scene.targets.shape))[:, :, 0]
    steps = _tile_steps(scene, tiles)
    for p, symbols in enumerate(sent):
        energy = None
        for r, seen in enumerate(samples):
            middle = _parameters(scene, p, r, centre, speed)
            away = _parameters(scene, p, r, points, speed)
            energy = _energy(symbols, away[..., 1]) if energy is None else energy
            away[..., 2:] -= middle[2:]
            away *= steps
            tile = _tiles(scene, symbols, seen, middle, late[p, r], tiles)
            total += _squares(tile, away) / energy
    return total


def _parameters(scene: MultistaticScene, p: int, r: int, points: Array, velocity: Array) -> Array:
    """(omega_r, omega_t, tau, nu) of one path by way of points (..., 2), (..., 4)."""
    parameters, _ = geometry.bistatic(
        points,
        velocity,
        scene.transmitters[p],
        scene.receivers[r],
        scene.transmit_axes[p],
        scene.receive_axes[r],
        scene.carrier_frequency,
        scene.spacing,
    )
    return parameters


def _tile_steps(scene: MultistaticScene, tiles: tuple[int, int]) -> Array:
    """Phase from one entry of a factor to the next, per unit of (omega_r, omega_t, tau, nu)."""
    waveform, (by_symbol, by_carrier) = scene.waveform, tiles
    wide = waveform.n_subcarriers // by_carrier * waveform.subcarrier_spacing
    long = waveform.n_symbols // by_symbol * waveform.symbol_period
    return np.array([-1.0, -1.0, 2 * np.pi * wide, -2 * np.pi * long])


def _tiles(
    scene: MultistaticScene,
    symbols: ComplexArray,
    seen: ComplexArray,
    middle: Array,
    late: float,
    tiles: tuple[int, int],
) -> ComplexArray:
    """Products of what antennas hear and sent, turned back to the centre and summed over tiles.

    (M_r, M_t, tiles of subcarriers, tiles of symbols).
    """
    waveform = scene.waveform
    m, n = waveform.n_subcarriers, waveform.n_symbols
    _, _, delay, doppler = middle
    bins, moment = np.arange(m), np.arange(n * m) * waveform.sample_period
    heard = (seen * np.exp(-2j * np.pi * doppler * moment)).reshape(len(seen), n, m)
    heard = later(heard, bins < late * waveform.bandwidth, -1)
    spectrum = np.fft.fft(heard, axis=-1, norm="ortho")
    spectrum *= np.exp(2j * np.pi * waveform.subcarrier_spacing * delay * bins)
    by_symbol, by_carrier = tiles
    parts = by_symbol, n // by_symbol, by_carrier, m // by_carrier
    order = 3, 1, 0, 2, 4
    left = (
        spectrum.reshape(-1, *parts).transpose(order).reshape(by_carrier, by_symbol, len(seen), -1)
    )
    right = symbols.reshape(-1, *parts).transpose(order)
    right = right.reshape(by_carrier, by_symbol, len(symbols), -1)
    product = left @ right.conj().swapaxes(-1, -2)
    # Unit-norm steering vectors; phases of a tile belong to its first entry, a common turn.
    return product.transpose(2, 3, 0, 1) / np.sqrt(len(seen) * len(symbols))


def _energy(symbols: ComplexArray, omega: Array) -> Array:
    """``||g||^2`` of the path in direction omega_t (...): a trigonometric polynomial."""
    size = len(symbols)
    flat = symbols.reshape(size, -1)
    covariance = flat @ flat.conj().T
    sums = np.array([np.trace(covariance, offset) for offset in range(size)]) / size
    # S_{l, l'} goes with e^{j omega (l - l')}: offset d is l' - l.
    phases = np.exp(-1j * omega[..., None] * np.arange(size))
    energy = 2 * np.real(phases @ sums) - sums[0].real
    return np.maximum(energy, np.finfo(float).tiny)


def _squares(tile: ComplexArray, turns: Array) -> Array:
    """Square modulus of the tiles added up with phases (..., 4) per entry, part by part."""
    result = np.empty(turns.shape[:2])
    rows, columns = (
        np.array_split(np.arange(number), max(1, round(number / _CHUNK)))
        for number in turns.shape[:2]
    )
    for i in rows:
        for j in columns:
            part = np.ix_(i, j)
            summed = _sums(tile, turns[part].reshape(-1, 4))
            result[part] = (np.abs(summed) ** 2).reshape(len(i), len(j))
    return result


def _sums(tile: ComplexArray, turns: Array) -> ComplexArray:
    """``sum T_klij exp(j (k a + l b + i c + j d))`` for rows (a, b, c, d) of turns.

    Where a factor turns little over the part, it is computed at a few Chebyshev nodes and
    interpolated.
    """
    weights: list[ComplexArray] = []
    for axis, turn in enumerate(turns.T):
        index = np.arange(tile.shape[axis])
        middle, half = (turn.max() + turn.min()) / 2, np.ptp(turn) / 2
        phase = half * (index.size - 1) / 2
        n_nodes = int(np.ceil(phase + 1.5 * np.cbrt(phase))) + _EXTRA
        if n_nodes >= index.size:
            weights.append(np.exp(1j * turn[:, None] * index))
            continue
        # The mean phase is taken off the factor and does not count: only moduli are kept.
        nodes = np.cos(np.pi * (np.arange(n_nodes) + 0.5) / n_nodes)
        at = np.exp(1j * (middle * index + half * np.outer(nodes, index - index.mean())))
        tile = np.moveaxis(np.tensordot(at, tile, axes=(1, axis)), 0, axis)
        where = (turn - middle) / half if half else np.zeros(turn.shape)
        chebyshev = np.polynomial.chebyshev.chebvander
        weight = chebyshev(where, n_nodes - 1) @ np.linalg.inv(chebyshev(nodes, n_nodes - 1))
        weights.append(weight.astype(complex))
    summed = weights[0] @ tile.reshape(tile.shape[0], -1)
    for axis, weight in enumerate(weights[1:], start=1):
        summed = summed.reshape(len(turns), tile.shape[axis], -1)
        summed = (weight[:, None] @ summed)[:, 0]
    return np.asarray(summed[:, 0])
