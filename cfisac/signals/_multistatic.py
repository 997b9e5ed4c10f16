"""Samples of a multistatic scene (fan (13)): every path of a frame of OTFS by itself."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, geometry
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.scenarios import MultistaticScene
from cfisac.scenarios._beams import beam_power
from cfisac.scenarios._common import distances
from cfisac.waveforms import OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class PathSignatures(NamedTuple):
    """Every path with unit gain, and its derivatives by the state of its target.

    The path by way of target t from transmitter p is ``antenna (x) samples``.
    Row 0 is the path, the others its derivatives by x and y and, if the velocity is unknown, by
    v_x and v_y.

    Attributes
    ----------
    samples : (R, 1 + d, T, P, MN) complex
        By time, and their derivatives.
    antenna : (R, 1 + d, T, M_r) complex
        Receive vectors of norm one, and their derivatives.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(
    ...     np.random.default_rng(1), 6, 1, 0, 4, waveform=OTFS(32, 4, 2e6), side=60.0,
    ...     max_delay=5e-7,
    ... )
    >>> found = path_signatures(scene, draw_spectra(scene, 1.0, np.random.default_rng(2)))
    >>> np.allclose(np.linalg.norm(found.antenna[:, 0], axis=-1), 1)
    True
    """

    samples: ComplexArray
    antenna: ComplexArray


class Place(NamedTuple):
    """What all receivers share when the targets are in certain states."""

    parameters: Array  # (R, T, P, 4)
    jacobian: Array  # (R, T, P, 4, 4), by x, y, v_x, v_y
    arrive: ComplexArray  # (R, T, M_t), receive vectors
    towards: ComplexArray  # (2, T, P, N, M), sent to the targets, and its derivative by omega_t


class Arrivals(NamedTuple):
    """Paths to one receiver with unit gain, and what they are made of."""

    path: ComplexArray  # (T, P, NM)
    lag: ComplexArray  # (T, P, 1, M), phase of the delay at each subcarrier
    behind: NDArray[np.bool_]  # (T, P, 1, M), samples where the symbol before still arrives
    turn: tuple[ComplexArray, ComplexArray]  # phase of the Doppler shift, by symbol and by sample


def draw_spectra(
    scene: MultistaticScene, power: ArrayLike, rng: np.random.Generator
) -> ComplexArray:
    """Draw what the antennas of each transmitter send, by symbol and subcarrier.

    Gaussian symbols: on the delay-Doppler grid, on the time-frequency grid and in time they are
    equally white, so no transform is needed.

    Parameters
    ----------
    scene : MultistaticScene
        P transmitters with uniform linear arrays in the plane, B beams each.
    power : (P, B) float, or one that broadcasts to it
        Of every beam (W), >= 0.
    rng : Generator
        Source of the draws.

    Returns
    -------
    (P, M_t, N, M) complex
        Of covariance ``conj(sum_q eta_pq B_pq)`` over the antennas.

    Raises
    ------
    ValueError
        If ``power`` is out of range or does not fit, or the scene is not in print: in space, with
        arrays of its own, or with another waveform than OTFS.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(
    ...     np.random.default_rng(1), 6, 1, 0, 4, waveform=OTFS(32, 4, 2e6), side=60.0,
    ...     max_delay=5e-7,
    ... )
    >>> draw_spectra(scene, 1.0, np.random.default_rng(2)).shape
    (4, 4, 4, 32)
    """
    refuse_other_scenes(scene)
    _checks.generator("rng", rng)
    covariance = np.einsum("pq,pqij->pij", beam_power(scene, power), scene.beams)
    values, vectors = np.linalg.eigh(covariance)
    # The Hermitian root, which is unique; the eigenvectors are not.
    root = vectors * np.sqrt(np.clip(values, 0, None))[:, None] @ vectors.conj().swapaxes(-1, -2)
    shape = scene.waveform.n_symbols, scene.waveform.n_subcarriers
    parts = rng.normal(scale=np.sqrt(0.5), size=(2, *covariance.shape[:2], np.prod(shape)))
    sent = root.conj() @ (parts[0] + 1j * parts[1])
    return np.asarray(sent.reshape(*sent.shape[:2], *shape))


def path_signatures(
    scene: MultistaticScene,
    sent: ArrayLike,
    positions: ArrayLike | None = None,
    velocities: ArrayLike | None = None,
    *,
    unknown_velocity: bool = False,
    edges: ArrayLike | None = None,
) -> PathSignatures:
    """Compute all paths of a scene and their derivatives, by sample (fan_journal (13)).

    Parameters
    ----------
    scene : MultistaticScene
        P transmitters, R receivers, T targets; uniform linear arrays in the plane, OTFS.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier, such as :func:`draw_spectra` gives.
    positions : (T, 2), optional
        Where the targets stand; by default the scene's (m).
    velocities : (T, 2), optional
        By default the scene's (m/s).
    unknown_velocity : bool
        Whether the derivatives by the velocities are wanted, too.
    edges : (T, 2), optional
        Positions that decide which samples of a symbol still belong to the one before; by default
        ``positions``. Where a delay passes a whole sample one of M samples jumps, and the
        likelihood has a step that no derivative, and no bound, sees; with ``edges`` held it has
        none.

    Returns
    -------
    PathSignatures
        In time, where the demodulator is not needed: it is unitary and leaves the likelihood as it
        is. Samples are those of ``scene.waveform.apply``, turned by ``exp(j 2 pi nu tau)``: the
        gain, which is unknown, belongs to the first sample and the first antenna.

    Raises
    ------
    ValueError
        If an argument is not finite or does not fit, a path would be longer than one symbol, a
        target would stand on an access point, or the scene is not in print.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(
    ...     np.random.default_rng(1), 6, 1, 0, 4, waveform=OTFS(32, 4, 2e6), side=60.0,
    ...     max_delay=5e-7,
    ... )
    >>> sent = draw_spectra(scene, 1.0, np.random.default_rng(2))
    >>> found = path_signatures(scene, sent)
    >>> found.samples.shape, found.antenna.shape
    ((2, 3, 1, 4, 128), (2, 3, 1, 4))
    """
    sent = checked_sent(scene, sent)
    more = _checks.yes_or_no("unknown_velocity", unknown_velocity)
    here = checked_states("positions", scene, positions, scene.targets)
    speed = checked_states("velocities", scene, velocities, scene.velocities)
    held = here if edges is None else checked_states("edges", scene, edges, here)
    delays(scene, here)
    late = delays(scene, held, "edges")
    return signatures(scene, place_at(scene, sent, here, speed), late, 4 if more else 2)


def received(signatures: PathSignatures, gains: ArrayLike) -> ComplexArray:
    """Noise-free samples at every receiver, (R, M_r, MN) (fan_journal (13)).

    Parameters
    ----------
    signatures : PathSignatures
        Of all paths.
    gains : (P, R, T) complex
        Of each path.

    Raises
    ------
    ValueError
        If the gains are not finite or do not fit.

    Notes
    -----
    ``scene.waveform.demodulate(samples, 0)`` gives the frames on the delay-Doppler grid, and
    ``modulate(frames, 0)`` leads back.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(
    ...     np.random.default_rng(1), 6, 1, 0, 4, waveform=OTFS(32, 4, 2e6), side=60.0,
    ...     max_delay=5e-7,
    ... )
    >>> sent = draw_spectra(scene, 1.0, np.random.default_rng(2))
    >>> samples = received(path_signatures(scene, sent), np.ones((4, 2, 1)))
    >>> samples.shape, scene.waveform.demodulate(samples, 0).shape
    ((2, 4, 128), (2, 4, 4, 32))
    """
    _checks.kind("signatures", signatures, PathSignatures)
    beta = _checks.squarable("gains", gains)
    n_receivers, _, n_targets, n_transmitters, _ = signatures.samples.shape
    shape = n_transmitters, n_receivers, n_targets
    if beta.shape != shape:
        raise ValueError(f"gains must have shape (P, R, T) = {shape}, got {beta.shape}")
    total = (beta.transpose(1, 2, 0)[..., None, :] @ signatures.samples[:, 0])[..., 0, :]
    return np.einsum("rta,rtk->rak", signatures.antenna[:, 0], total)


# ---------------------------------------------------------------------- what estimators share


def refuse_other_scenes(scene: MultistaticScene) -> None:
    """Samples are made of frames of OTFS and of uniform linear arrays in the plane."""
    _checks.kind("scene", scene, MultistaticScene)
    own_arrays = scene.transmit_arrays is not None or scene.receive_arrays is not None
    waveform = scene.waveform
    if scene.dimension != 2 or own_arrays or not isinstance(waveform, OTFS):
        raise ValueError("scene must lie in the plane, have uniform linear arrays and carry OTFS")
    if abs(waveform.symbol_period * waveform.subcarrier_spacing - 1) > 1e-9:
        raise ValueError("scene must have symbols of 1 / subcarrier_spacing")


def checked_sent(scene: MultistaticScene, sent: ArrayLike) -> ComplexArray:
    refuse_other_scenes(scene)
    checked: ComplexArray = _checks.squarable("sent", sent)
    waveform = scene.waveform
    shape = len(scene.transmitters), scene.n_antennas, waveform.n_symbols, waveform.n_subcarriers
    if checked.shape != shape:
        raise ValueError(f"sent must have shape (P, M_t, N, M) = {shape}, got {checked.shape}")
    return checked


def checked_states(
    name: str, scene: MultistaticScene, given: ArrayLike | None, default: Array
) -> Array:
    states: Array = default if given is None else _checks.squarable(name, given, float)
    if states.shape != scene.targets.shape:
        raise ValueError(f"{name} must have shape {scene.targets.shape}, got {states.shape}")
    return states


def delays(scene: MultistaticScene, positions: Array, name: str = "positions") -> Array:
    """Delay of every path, (P, R, T) in seconds, none longer than a symbol."""
    there = distances(scene.transmitters, positions)
    back = distances(scene.receivers, positions)
    late = (there[:, None] + back[None, :]) / SPEED_OF_LIGHT
    longest = scene.waveform.symbol_period
    if late.max() > longest * (1 + 1e-9):
        raise ValueError(
            f"{name} must make no path longer than a symbol of {longest:g} s, got {late.max():g}"
        )
    return np.asarray(late)


def place_at(
    scene: MultistaticScene, sent: ComplexArray, positions: Array, velocities: Array | None = None
) -> Place:
    """What the receivers share with the targets at ``positions`` (T, 2)."""
    speed = scene.velocities if velocities is None else velocities
    parameters, jacobian = geometry.bistatic(
        positions[:, None],
        speed[:, None],
        scene.transmitters,
        scene.receivers[:, None, None],
        scene.transmit_axes,
        scene.receive_axes[:, None, None],
        scene.carrier_frequency,
        scene.spacing,
    )
    index = np.arange(scene.n_antennas)
    response = np.exp(1j * parameters[..., :2, None] * index) / np.sqrt(scene.n_antennas)
    arrive, depart = response[:, :, 0, 0], response[0, :, :, 1]  # (R, T, M_t), (T, P, M_t)
    both = np.stack([depart, 1j * index * depart]).transpose(2, 0, 1, 3)  # (P, 2, T, M_t)
    towards = both.reshape(len(sent), -1, index.size) @ sent.reshape(*sent.shape[:2], -1)
    towards = towards.swapaxes(0, 1).reshape(2, len(positions), -1, *sent.shape[2:])
    return Place(parameters, jacobian, arrive, towards)


def arrivals(scene: MultistaticScene, place: Place, r: int, late: Array) -> Arrivals:
    """Each sample as OTFS's ``apply`` does; ``late`` (P, R, T) decides where symbols end."""
    waveform = scene.waveform
    bins, rows = np.arange(waveform.n_subcarriers), np.arange(waveform.n_symbols)
    delay, doppler = np.moveaxis(place.parameters[r, ..., 2:, None, None], 2, 0)
    lag = np.exp(by_delay(scene) * delay)
    samples = late[:, r].T[..., None, None] * waveform.bandwidth
    whole = np.rint(samples)  # as OTFS has it, a delay that is whole but for rounding is whole
    behind = bins < np.where(np.abs(samples - whole) < 1e-9, whole, samples)
    turn = (
        np.exp(2j * np.pi * waveform.symbol_period * rows[:, None] * doppler),
        np.exp(2j * np.pi * waveform.sample_period * bins * doppler),
    )
    path = np.fft.ifft(place.towards[0] * lag, axis=-1, norm="ortho")
    path = later(path, behind, 1)
    path *= turn[0]
    path *= turn[1]
    return Arrivals(path.reshape(*path.shape[:2], -1), lag, behind, turn)


def by_delay(scene: MultistaticScene) -> ComplexArray:
    """Derivative of the phase of each subcarrier by the delay, (M,)."""
    waveform = scene.waveform
    slope: ComplexArray = np.arange(waveform.n_subcarriers).astype(complex)
    return slope * (-2j * np.pi * waveform.subcarrier_spacing)


def later(grid: ComplexArray, behind: NDArray[np.bool_], symbols: int) -> ComplexArray:
    """Samples (..., N, M), those ``behind`` moved on by that many symbols."""
    moved: ComplexArray = np.roll(grid, symbols, axis=-2)
    np.copyto(moved, grid, where=~behind)
    return moved


def signatures(
    scene: MultistaticScene, place: Place, late: Array, n_states: int = 2
) -> PathSignatures:
    """All paths and their derivatives by the first ``n_states`` of x, y, v_x, v_y."""
    index, waveform = np.arange(scene.n_antennas), scene.waveform
    by_receive = np.moveaxis(place.jacobian[:, :, 0, 0, :n_states], -1, 0)[..., None]
    array = np.stack([place.arrive, *(1j * index * by_receive * place.arrive)])
    n_samples = waveform.n_symbols * waveform.n_subcarriers
    moment = 2j * np.pi * waveform.sample_period * np.arange(n_samples)
    time = []
    for r in range(len(scene.receivers)):
        path, lag, behind, turn = arrivals(scene, place, r, late)
        spectrum, by_omega = place.towards * lag
        slopes = np.moveaxis(place.jacobian[r], (2, 3), (0, 1))[..., None]  # (4, 4, T, P, 1)
        to_angle, to_delay, to_doppler = slopes[1:, :2]
        moved = to_delay[..., None] * (by_delay(scene) * spectrum) + to_angle[..., None] * by_omega
        moved = later(np.fft.ifft(moved, axis=-1, norm="ortho"), behind, 1) * turn[0] * turn[1]
        moved = moved.reshape(2, *path.shape) + to_doppler * (moment * path)
        if n_states > 2:
            moved = np.concatenate([moved, slopes[3, 2:] * (moment * path)])
        time.append(np.concatenate([path[None], moved]))
    return PathSignatures(np.array(time), array.swapaxes(0, 1))
