"""Bounds of targets whose echoes overlap: several positions and all gains at the same time.

No sum over resolvable paths: what a receiver hears of one target is hidden by the unknown gains of
the others where they agree in delay, direction and Doppler shift. The two public bounds are
:func:`cfisac.limits.cooperative.joint_efim` and :func:`cfisac.limits.multistatic.joint_efim`; here
are the factors that their signals are products of (``cfisac.limits._overlap`` has the algebra),
and the one sum that takes both from the parameters of echoes to the states of targets.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac._rounding import adjoint
from cfisac.limits import _overlap
from cfisac.scenarios import MultistaticScene
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Index = NDArray[np.int64]

_PAIRS = 2**12  # pairs of echoes worked on at a time: memory


def echoes(
    sights: Array,
    jacobian: Array,
    heard: ComplexArray,
    n_antennas: NDArray[np.int64],
    spacing: float,
    waveform: OFDM,
) -> Array:
    """EFIM (..., n U, n U) of the states of U targets, each of L APs hearing its own echoes.

    Parameters
    ----------
    sights : (..., L, U, 3)
        Delay (s), sine of the angle and Doppler shift (Hz).
    jacobian : (..., L, U, 3, n)
        Their derivatives by the state of the target.
    heard : (..., L, U)
        Root energy of each echo over the standard deviation of the noise.
    n_antennas : (..., L)
    spacing : float
    waveform : OFDM

    Examples
    --------
    >>> from cfisac.geometry import monostatic
    >>> targets, aps = [[30.0, 40.0], [31.0, 40.0]], [[[0.0, 0.0]], [[80.0, 0.0]]]
    >>> sights, jacobian = monostatic(targets, [0.0, 0.0], aps, 28e9)  # (L, U, 3), (L, U, 3, 4)
    >>> heard = 30 * np.ones((2, 2), dtype=complex)
    >>> echoes(sights, jacobian, heard, np.array([8, 8]), 0.5, OFDM(64, 14, 120e3)).shape
    (8, 8)
    """
    leading, n_targets = sights.shape[:-2], sights.shape[-2]
    antennas = np.broadcast_to(n_antennas, leading).reshape(-1, 1)
    flat = sights.reshape(-1, n_targets, 3)
    by_state, gains = jacobian.reshape(-1, *jacobian.shape[-3:]), heard.reshape(-1, n_targets)
    n_batches = int(np.prod(leading[:-1]))
    owner = np.arange(len(flat)) // max(leading[-1], 1)
    size = n_targets * jacobian.shape[-1]
    total, terms = np.zeros((n_batches, size, size)), np.zeros((n_batches, size))
    for start in range(0, len(flat), step := max(1, _PAIRS // n_targets**2)):
        block = slice(start, start + step)
        delay, sine, doppler = np.moveaxis(flat[block], -1, 0)
        factors = [
            *_by_waveform(waveform, delay, doppler),
            _overlap.progression(sine, 2 * np.pi * spacing, antennas[block]),
        ]
        seen = gains[block], by_state[block], owner[block]
        _collect(factors, [[0], [2], [1]], *seen, total, terms)
    efim = _overlap.without_rounding(2 * total, 2 * terms)
    return efim.reshape(*leading[:-1], size, size)


def paths(
    scene: MultistaticScene, power: Array, beta: ComplexArray, parameters: Array, jacobian: Array
) -> Array:
    """EFIM (2 T, 2 T) of the positions of all targets of a scene, by way of all its pairs.

    Parameters
    ----------
    scene : MultistaticScene
    power : (P, B)
    beta : (P, R, T)
        Gains, whose phases count.
    parameters : (P, R, T, 4)
        omega_r, omega_t, delay and Doppler shift of each path.
    jacobian : (P, R, T, 4, 2)
        Their derivatives by the position.

    Examples
    --------
    >>> from cfisac.geometry import bistatic
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> seen, jacobian = bistatic(
    ...     scene.targets, scene.velocities, scene.transmitters[:, None, None],
    ...     scene.receivers[:, None], scene.transmit_axes[:, None, None],
    ...     scene.receive_axes[:, None], scene.carrier_frequency,
    ... )
    >>> beta = np.full(seen.shape[:-1], 1e-6)
    >>> paths(scene, equal_power(scene), beta, seen, jacobian[..., :2]).shape
    (4, 4)
    """
    n_transmitters, n_receivers, n_targets = beta.shape
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    beta = np.sqrt(n_samples) * beta * _middle_phase(scene, parameters)
    beams = _beam_roots(scene, power)
    slopes = [[0], [1], [2], [3, 4] if isinstance(scene.waveform, OTFS) else [3]]
    total = np.zeros((1, 2 * n_targets, 2 * n_targets))
    terms = np.zeros((1, 2 * n_targets))
    step = max(1, _PAIRS // (n_receivers * n_targets**2))
    for start in range(0, n_transmitters, step):
        block = slice(start, start + step)
        factors, lit = _factors(scene, parameters[block], beams[block])
        heard = (beta[block] * lit[:, None]).reshape(-1, n_targets)
        by_place = jacobian[block].reshape(-1, n_targets, 4, 2)
        owner = np.zeros(len(heard), int)
        _collect(factors, slopes, heard, by_place, owner, total, terms)
    return 2 / scene.noise_variance * _overlap.without_rounding(total[0], terms[0])


def _collect(
    factors: Sequence[_overlap.Factor],
    slopes: Sequence[Sequence[int]],
    heard: ComplexArray,
    jacobian: Array,
    owner: Index,
    total: Array,
    terms: Array,
) -> None:
    """Add what items tell about the states of their targets to the sums of their owners.

    Items (n, U) are signals of U echoes with amplitudes ``heard``, ``jacobian`` (n, U, K, m) is
    that of their parameters; ``total`` (owners, U m, U m) and its terms (owners, U m) grow.
    """
    n_items, n_targets, k, m = jacobian.shape
    left, size = _overlap.left_without_gains(factors, slopes)
    columns = heard[..., None, None] * jacobian
    half = adjoint(columns) @ left.reshape(n_items, n_targets, k, -1)
    half = half.reshape(n_items, n_targets * m, n_targets, k)
    root = np.sqrt(size).reshape(n_items, n_targets, 1, k) @ np.abs(jacobian)
    grown = (np.abs(heard)[..., None] * root[..., 0, :]).reshape(n_items, -1) ** 2
    edges = np.flatnonzero(np.diff(owner, prepend=-1, append=owner[-1] + 1))
    for first, last in itertools.pairwise(edges):
        mine = slice(first, last)
        sums = np.einsum("nxui,nuij->xuj", half[mine], columns[mine], optimize=True).real
        total[owner[first]] += sums.reshape(total.shape[1:])
        terms[owner[first]] += grown[mine].sum(axis=0)


def _beam_roots(scene: MultistaticScene, power: Array) -> ComplexArray:
    """``S`` with ``S^H S = V`` for each transmitter, (P, beams times rank, M_t).

    Each beam has its own rows, so that a weak one is not lost in the rounding of a strong one.
    """
    root = np.sqrt(power)[..., None, None] * _unit_roots(scene)
    return root.reshape(len(power), -1, scene.n_antennas)


@functools.lru_cache(maxsize=4)
def _unit_roots(scene: MultistaticScene) -> ComplexArray:
    """Roots of the beams of a scene, (P, B, rank, M_t); kept, as nothing else takes so long."""
    values, vectors = np.linalg.eigh(scene.beams)
    real = values > 4 * scene.n_antennas * np.finfo(float).eps
    rank = max(1, int(real.sum(axis=-1).max()))
    root = vectors * np.sqrt(np.where(real, values, 0.0))[..., None, :]
    kept: ComplexArray = adjoint(root[..., -rank:])
    kept.setflags(write=False)
    return kept


def _middle_phase(scene: MultistaticScene, parameters: Array) -> ComplexArray:
    """Phase of each path in the middle of antennas, subcarriers and time, (P, R, T)."""
    omega_r, omega_t, delay, doppler = np.moveaxis(parameters, -1, 0)
    waveform, middle = scene.waveform, (scene.n_antennas - 1) / 2
    phase = middle * (omega_r + omega_t)
    carrier = waveform.subcarrier_spacing * (waveform.n_subcarriers - 1) / 2
    time = waveform.symbol_period * (waveform.n_symbols - 1) / 2
    if isinstance(waveform, OTFS):  # its Doppler shift turns the delayed signal
        time = time + waveform.sample_period * (waveform.n_subcarriers - 1) / 2 - delay
    return np.exp(1j * (phase + 2 * np.pi * (time * doppler - carrier * delay)))


def _factors(
    scene: MultistaticScene, parameters: Array, beams: ComplexArray
) -> tuple[list[_overlap.Factor], NDArray[np.bool_]]:
    """Factors of all paths (P, R, T, 4) of some transmitters; one item for each pair P, R.

    Also which targets each transmitter illuminates, (P, T).
    """
    n_receivers, n_targets = parameters.shape[1:3]
    delay, doppler = np.moveaxis(parameters[..., 2:].reshape(-1, n_targets, 2), -1, 0)
    waveform = scene.waveform
    p, r = np.divmod(np.arange(len(delay)), n_receivers)
    receive = _overlap.progression(parameters[0, :, :, 0], 1.0, scene.n_antennas)
    transmit, lit = _transmit(parameters[:, 0, :, 1], beams)
    factors = [
        _overlap.repeated(receive, r),
        _overlap.repeated(transmit, p),
        *_by_waveform(waveform, delay, doppler),
    ]
    if isinstance(waveform, OTFS):
        factors.append(_within_symbol(waveform, delay, doppler))
    return factors, lit


def _by_waveform(waveform: OFDM | OTFS, delay: Array, doppler: Array) -> list[_overlap.Factor]:
    """Factors over the subcarriers and over the symbols."""
    steps = -2 * np.pi * waveform.subcarrier_spacing, 2 * np.pi * waveform.symbol_period
    return [
        _overlap.progression(delay, steps[0], waveform.n_subcarriers),
        _overlap.progression(doppler, steps[1], waveform.n_symbols),
    ]


def _transmit(omega: Array, beams: ComplexArray) -> tuple[_overlap.Factor, NDArray[np.bool_]]:
    """What the beams send towards the targets (P, T), ``S a``, and whether they send anything."""
    n_antennas = beams.shape[-1]
    index = np.arange(n_antennas) - (n_antennas - 1) / 2

    def sent(response: ComplexArray, which: Any = slice(None)) -> ComplexArray:
        return response @ np.swapaxes(beams[which], -1, -2)

    response = np.exp(1j * omega[..., None] * index) / np.sqrt(n_antennas)
    signal, slope = sent(response), sent(1j * index * response)
    loud = np.sqrt(np.sum(np.abs(beams) ** 2, axis=(-2, -1)))[:, None]
    norm, eps = np.linalg.norm(signal, axis=-1), np.finfo(float).eps
    # In a null of all beams to rounding: as if the target stood a rounding beside it. Nothing is
    # learnt of it, but what little comes back may still be part of what is heard of the others.
    lost = norm <= (least := 8 * eps * loud)
    steep = np.linalg.norm(slope, axis=-1)
    beside = slope * (least / np.where(steep > 0, steep, 1.0))[..., None]
    signal = np.where(lost[..., None], beside, signal)
    norm = np.maximum(norm, least)
    # Near a null the slope is far larger than the signal, and most of it hidden by the gain.
    share = np.sum(signal.conj() * slope, axis=-1) / np.where(norm > 0, norm, 1.0) ** 2
    slope = slope - share[..., None] * signal
    rounding = 4 * eps * (1 + np.abs(omega) * n_antennas / 2) * loud
    rounding = rounding / np.where(norm > 0, norm, 1.0)
    both = np.concatenate([signal, slope], axis=1)
    table = both.conj() @ np.swapaxes(both, -1, -2)

    def near(
        p: Index, some: Index, others: Index
    ) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        apart = _overlap.turned_apart(omega[p][..., None], index, some, others)
        moved, second = sent(apart / np.sqrt(n_antennas), p), signal[p][:, others]
        # The scale that fits best, less one: whatever the beams, a scale is hidden by the gain.
        energy = np.sum(np.abs(second) ** 2, axis=-1)
        more = np.sum(second.conj() * moved, axis=-1) / np.where(energy > 0, energy, 1.0)
        scale = 1 + more
        copy, copy_slope = (scale[..., None] * each[p][:, others] for each in (signal, slope))
        moved = moved - more[..., None] * second
        close = [copy, copy_slope, moved, slope[p][:, some] - copy_slope]
        return both[p], np.concatenate(close, axis=1), scale

    return _overlap.Factor(table, rounding, near), ~lost


def _within_symbol(waveform: OTFS, delay: Array, doppler: Array) -> _overlap.Factor:
    """The Doppler shift's turns from sample to sample within the symbols of an OTFS frame.

    A sample that a delay has moved into the next symbol carries other symbols than one that
    another path, not so late, has left where it was: the two do not correlate.
    """
    m, step = waveform.n_subcarriers, 2 * np.pi * waveform.sample_period
    late = np.round(delay * waveform.bandwidth, 9)
    symbol = np.floor(late / m)  # of the frame, by which all samples are late
    moved = np.ceil(late - m * symbol)  # samples that are late by one more
    first, second = np.triu_indices(delay.shape[-1])
    few, many = (pick(moved[:, first], moved[:, second]) for pick in (np.minimum, np.maximum))
    apart = symbol[:, second] - symbol[:, first]
    more = np.sign(moved[:, first] - moved[:, second])  # 1 where the first is moved further
    turn = step * (doppler[:, second] - doppler[:, first])
    none, end = np.zeros(few.shape), np.full(few.shape, float(m))
    same, across = apart == 0, (apart == more) & (more != 0)
    sums = np.zeros((3, *turn.shape), dtype=complex)
    for start, stop, together in ((none, few, same), (few, many, across), (many, end, same)):
        some = together & (stop > start)
        number, middle = (stop - start)[some], ((start + stop - m) / 2)[some]
        mean, slope, bend = _overlap.geometric_sums(turn[some], number)
        share = number / m * np.exp(1j * turn[some] * middle)
        rows = mean, middle * mean - 1j * slope, middle**2 * mean - 2j * middle * slope - bend
        for total, row in zip(sums, rows, strict=True):
            total[some] += share * row
    n = delay.shape[-1]
    table = _overlap.hermitian(n, sums[0], 1j * step * sums[1], step**2 * sums[2])

    def near(items: Index, some: Index, others: Index) -> tuple[ComplexArray, ComplexArray, Array]:
        bins = np.arange(m)
        k, share = step * (bins - (m - 1) / 2), 1 / np.sqrt(m)
        own = doppler[items][..., None]
        sent_with = symbol[items][..., None] + (bins < moved[items][..., None])
        classes = np.unique(sent_with)[:, None]  # one after the other: they do not correlate
        where = sent_with[..., None, :] == classes
        signal = share * np.exp(1j * own * k)[..., None, :] * where
        apart = share * _overlap.turned_apart(own, k, some, others)[..., None, :]
        alike = where[:, some] & where[:, others]
        apart = np.where(alike, apart, signal[:, some] - signal[:, others])
        plain, close, scale = _overlap.near_rows(signal, apart, k, others)
        size = len(items), -1, m * len(classes)
        return plain.reshape(size), close.reshape(size), scale

    rounding = 4 * np.finfo(float).eps * (1 + np.abs(step * doppler) * m / 2)
    return _overlap.Factor(table, rounding, near)
