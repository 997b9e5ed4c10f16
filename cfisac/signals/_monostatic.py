"""Echo tensors of a monostatic scene (liu (31)): antennas x subcarriers x symbols."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class EchoFactors(NamedTuple):
    """The three factors of every echo, entries of modulus one, counted from their middle.

    Attributes
    ----------
    antenna : tuple of (U, N_l) complex
        For each access point: of its N_l antennas.
    subcarrier : (L, U, M) complex
        By the delay.
    symbol : (L, U, N) complex
        By the Doppler shift.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> factors = echo_factors(liu_scene(np.random.default_rng(1)))
    >>> np.allclose(abs(factors.symbol), 1)
    True
    """

    antenna: tuple[ComplexArray, ...]
    subcarrier: ComplexArray
    symbol: ComplexArray


class PhaseSlopes(NamedTuple):
    """By how much the phases of an echo turn with its direction, delay and Doppler shift.

    Attributes
    ----------
    antenna : tuple of (N_l, D)
        For each access point: per unit of the direction from it to the target (rad).
    subcarrier : (M,)
        Per second of delay (rad/s).
    symbol : (N,)
        Per hertz of Doppler shift (rad/Hz).

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> slopes = phase_slopes(liu_scene(np.random.default_rng(1)))
    >>> np.allclose(slopes.symbol, -slopes.symbol[::-1])  # counted from the middle
    True
    """

    antenna: tuple[Array, ...]
    subcarrier: Array
    symbol: Array


def phase_slopes(scene: MonostaticScene) -> PhaseSlopes:
    """Derivatives of the phases of :func:`echo_factors`, each counted from its middle.

    Parameters
    ----------
    scene : MonostaticScene
        Its arrays and its waveform count, its targets do not.

    Returns
    -------
    PhaseSlopes
        ``2 pi e``, ``-2 pi f`` and ``2 pi t`` of elements, subcarriers and symbols.

    Raises
    ------
    ValueError
        If the scene is none, or its waveform not OFDM: only its echoes are outer products.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> slopes = phase_slopes(liu_scene(np.random.default_rng(1)))
    >>> print((slopes.antenna[0][:, 1] / np.pi).round(2))  # half a wavelength apart, along y
    [-3.5 -2.5 -1.5 -0.5  0.5  1.5  2.5  3.5]
    """
    waveform = _checked_frame(scene)
    frequency = waveform.subcarrier_spacing * _centred(waveform.n_subcarriers)
    moment = waveform.symbol_period * _centred(waveform.n_symbols)
    antenna = tuple(
        2 * np.pi * (elements - elements.mean(axis=0)) for elements in scene.receive_elements
    )
    return PhaseSlopes(antenna, -2 * np.pi * frequency, 2 * np.pi * moment)


def echo_factors(
    scene: MonostaticScene,
    positions: ArrayLike | None = None,
    velocities: ArrayLike | None = None,
) -> EchoFactors:
    """Factors of all echoes, at the scene's targets or at states of one's own (liu (33)-(35)).

    Parameters
    ----------
    scene : MonostaticScene
        Of L access points in D dimensions.
    positions : (U, D), optional
        By default the scene's targets (m).
    velocities : (U, D), optional
        By default the scene's if the positions are, too, and zero otherwise (m/s).

    Returns
    -------
    EchoFactors
        The echo of target u at access point l is the outer product of its three factors, times
        its amplitude. With the unit vector rho from l to u and elements e in wavelengths, the
        phases are ``2 pi e^T rho``, ``-2 pi f tau`` and ``2 pi t nu``, where ``nu = -2 f_c rho^T
        v / c`` is negative for a target that leaves.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, a position is on an access point or the
        scene's waveform not OFDM.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> found = echo_factors(liu_scene(np.random.default_rng(1), n_targets=2))
    >>> found.antenna[0].shape, found.subcarrier.shape, found.symbol.shape
    ((2, 8), (4, 2, 128), (4, 2, 128))
    """
    slopes = phase_slopes(scene)
    if velocities is None:
        velocities = scene.velocities if positions is None else np.zeros(np.shape(positions))
    here = scene.targets if positions is None else _checks.squarable("positions", positions, float)
    speed = _checks.squarable("velocities", velocities, float)
    if here.ndim != 2 or here.shape[1] != scene.dimension or speed.shape != here.shape:
        raise ValueError(
            f"positions and velocities must have shape (U, {scene.dimension}), "
            f"got {here.shape} and {speed.shape}"
        )
    offset = here - scene.aps[:, None]  # (L, U, D)
    distance = np.linalg.norm(offset, axis=-1)
    if not np.all(distance > 0):
        raise ValueError("positions must not coincide with aps: no direction leads there")
    unit = offset / distance[..., None]
    delay = 2 * distance / SPEED_OF_LIGHT
    doppler = -2 * scene.carrier_frequency / SPEED_OF_LIGHT * np.sum(unit * speed, axis=-1)
    antenna = tuple(
        np.exp(1j * rho @ slope.T) for rho, slope in zip(unit, slopes.antenna, strict=True)
    )
    return EchoFactors(
        antenna,
        np.exp(1j * delay[..., None] * slopes.subcarrier),
        np.exp(1j * doppler[..., None] * slopes.symbol),
    )


def echo_tensors(
    scene: MonostaticScene, amplitudes: ArrayLike, factors: EchoFactors | None = None
) -> tuple[ComplexArray, ...]:
    """Noise-free samples of every access point, (N_l, M, N) each (liu (31)).

    Parameters
    ----------
    scene : MonostaticScene
        Of L access points and U targets.
    amplitudes : (L, U) complex
        Of the echoes in a sample, such as :func:`draw_amplitudes` gives.
    factors : EchoFactors, optional
        By default those of the scene's own targets.

    Raises
    ------
    ValueError
        If the amplitudes are not finite or not (L, U), the factors are not those of all antennas,
        subcarriers and symbols, or the scene's waveform is not OFDM.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=2)
    >>> samples = echo_tensors(scene, np.ones((4, 2)))
    >>> len(samples), samples[0].shape
    (4, (8, 128, 128))
    """
    _checked_frame(scene)
    factors = echo_factors(scene) if factors is None else _checked_factors(scene, factors)
    gains = _checks.squarable("amplitudes", amplitudes)
    if gains.shape != factors.subcarrier.shape[:2]:
        raise ValueError(
            f"amplitudes must have shape {factors.subcarrier.shape[:2]}, got {gains.shape}"
        )
    tensors = []
    for gain, antenna, subcarrier, symbol in zip(
        gains, factors.antenna, factors.subcarrier, factors.symbol, strict=True
    ):
        plane = np.einsum("up,um->upm", gain[:, None] * antenna, subcarrier)
        tensors.append(np.tensordot(plane, symbol, axes=(0, 0)))
    return tuple(tensors)


def _checked_frame(scene: MonostaticScene) -> OFDM:
    frame = _checks.kind("scene", scene, MonostaticScene).waveform
    if not isinstance(frame, OFDM):
        raise ValueError(
            "scene must have the waveform OFDM, whose echoes are outer products, got "
            f"{type(frame).__name__}"
        )
    return frame


def _checked_factors(scene: MonostaticScene, factors: EchoFactors) -> EchoFactors:
    """Factors that fit a scene of L access points, and each other."""
    given = _checks.kind("factors", factors, EchoFactors)
    frame, sizes = _checked_frame(scene), [len(each) for each in scene.receive_elements]
    antenna = _checks.each_of("factors.antenna", given.antenna, len(sizes), "access points")
    found = EchoFactors(
        tuple(_checks.finite("factors.antenna", each, complex) for each in antenna),
        _checks.finite("factors.subcarrier", given.subcarrier, complex),
        _checks.finite("factors.symbol", given.symbol, complex),
    )
    n_targets = found.subcarrier.shape[1] if found.subcarrier.ndim == 3 else 0
    wanted = {
        "subcarrier": [(len(sizes), n_targets, frame.n_subcarriers)],
        "symbol": [(len(sizes), n_targets, frame.n_symbols)],
        "antenna": [(n_targets, size) for size in sizes],
    }
    for name, shapes in wanted.items():
        part = getattr(found, name)
        got = [each.shape for each in part] if name == "antenna" else [part.shape]
        if got != shapes:
            raise ValueError(f"factors.{name} must have shape {shapes}, got {got}")
    return found


def _centred(number: int) -> Array:
    index: Array = np.arange(number, dtype=float)
    return index - index.mean()
