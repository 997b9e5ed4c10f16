"""What an access point heard, made smaller without loss, and its products with echoes.

All that is computed here is in resolution cells: a delay in ``1 / (M Delta f)``, a sine in
``1 / (N_A d / lambda)``, a Doppler shift in ``1 / (N T_o)``.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, signals
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_LOSS = 1e-12  # of an echo's amplitude, where the subcarriers are put together
_FINER = 2  # grid points per resolution cell of delay and angle
_FINER_DOPPLER = 2


class Heard(NamedTuple):
    """One access point: data and the phases of its echoes.

    Attributes
    ----------
    data : (N_A, K, N) complex
        Samples over the root of the noise variance; K numbers hold what M subcarriers say about
        echoes within the longest delay.
    basis : (M, K) complex
        Orthonormal columns that made K of M.
    slopes : tuple of (N_A,), (M,), (N,)
        By how much phases turn in a resolution cell of sine, delay and Doppler shift.
    cells : (3,)
        Resolution cells of delay (s), sine and Doppler shift (Hz).
    span : (3, 2)
        Between which delays, sines and Doppler shifts an echo can be, in cells.
    energy : float
        Of all samples, over the noise variance.
    """

    data: ComplexArray
    basis: ComplexArray
    slopes: tuple[Array, Array, Array]
    cells: Array
    span: Array
    energy: float


class Products(NamedTuple):
    """Of U echoes of amplitude one with each other and with the data.

    Attributes
    ----------
    gram : (U, U) complex
        ``S^H S``.
    gram_slopes : (3, U, U) complex
        ``(dS)^H S``, by delay, sine and Doppler shift of the first of each pair.
    heard : (U,) complex
        ``S^H y``.
    heard_slopes : (3, U) complex
        ``(dS)^H y``.
    """

    gram: ComplexArray
    gram_slopes: ComplexArray
    heard: ComplexArray
    heard_slopes: ComplexArray


def prepare(scene: MonostaticScene, samples: Sequence[ArrayLike]) -> tuple[Heard, ...]:
    """Check the samples of a scene, and make them smaller."""
    frame = checked_frame(scene)
    axes = axes_of(scene)
    sizes = np.asarray(scene.n_antennas)
    given_each = _checks.each_of("samples", samples, len(scene.aps), "access points")
    slopes = signals.phase_slopes(scene)
    longest = min(frame.longest_delay, 1 / frame.subcarrier_spacing)
    cells_of_delay = longest * frame.bandwidth
    basis = _delay_basis(frame.n_subcarriers, cells_of_delay)
    half, every_cell = frame.n_symbols / 2, cells_of(scene)
    found = []
    for index, (size, axis) in enumerate(zip(sizes, axes, strict=True)):
        shape = int(size), frame.n_subcarriers, frame.n_symbols
        given = _checks.squarable("samples", given_each[index])
        if given.shape != shape:
            raise ValueError(
                f"samples of access point {index} must have shape {shape}, got {given.shape}"
            )
        given = given / np.sqrt(scene.noise_variance)
        cells = every_cell[index]
        turns = (
            slopes.antenna[index] @ axis * cells[1],
            slopes.subcarrier * cells[0],
            slopes.symbol * cells[2],
        )
        sine = 1 / cells[1]
        span = np.array([[0.0, cells_of_delay], [-sine, sine], [-half, half]])
        data = basis.conj().T @ given
        found.append(Heard(data, basis, turns, cells, span, float(np.vdot(given, given).real)))
    return tuple(found)


def checked_frame(scene: MonostaticScene) -> OFDM:
    """Refuse scenes that the estimator is not made for; return the waveform."""
    if not isinstance(scene, MonostaticScene):
        raise ValueError(f"scene must be a MonostaticScene, got {type(scene).__name__}")
    if not isinstance(scene.waveform, OFDM):
        raise ValueError("scene must have the waveform OFDM, whose echoes are products")
    if scene.dimension != 2 or scene.receive_arrays is not None:
        raise ValueError("scene must be in the plane, with uniform linear arrays: axes")
    if scene.spacing > 0.5:
        raise ValueError(f"scene must have a spacing <= 0.5, or angles look alike: {scene.spacing}")
    if np.any(np.asarray(scene.n_antennas) < 2):
        raise ValueError("scene must have n_antennas >= 2: one antenna tells no angle")
    if not np.ptp(scene.aps, axis=0).any():
        raise ValueError("scene must have aps at two places: one sees the radial velocity alone")
    if scene.waveform.n_symbols < 2:
        raise ValueError("scene must have a waveform of n_symbols >= 2: one tells no velocity")
    if not scene.noise_variance > 0:
        raise ValueError(f"noise_variance must be > 0, got {scene.noise_variance}")
    return scene.waveform


def cells_of(scene: MonostaticScene) -> Array:
    """Resolution cells of delay (s), sine and Doppler shift (Hz) of every access point, (L, 3)."""
    frame = checked_frame(scene)
    cells = np.empty((len(scene.aps), 3))
    cells[:, 0] = 1 / frame.bandwidth
    cells[:, 1] = 1 / (np.asarray(scene.n_antennas) * scene.spacing)
    cells[:, 2] = 1 / (frame.n_symbols * frame.symbol_period)
    return cells


def axes_of(scene: MonostaticScene) -> Array:
    """Unit vectors along the arrays, (L, 2); by default along y."""
    if scene.axes is None:
        return np.broadcast_to([0.0, 1.0], scene.aps.shape)
    return np.asarray(scene.axes)


@functools.lru_cache(maxsize=8)
def _delay_basis(n_subcarriers: int, cells_of_delay: float) -> ComplexArray:
    """Orthonormal columns (M, K) whose span holds every delay up to the longest, to rounding."""
    if cells_of_delay > n_subcarriers / 2:
        return np.eye(n_subcarriers, dtype=complex)
    delays = np.linspace(0, cells_of_delay, 4 * int(np.ceil(cells_of_delay)) + 33)
    index = np.arange(n_subcarriers) - (n_subcarriers - 1) / 2
    steered = np.exp(-2j * np.pi * np.outer(index, delays) / n_subcarriers)
    left, strength, _ = np.linalg.svd(steered, full_matrices=False)
    basis: ComplexArray = left[:, strength > _LOSS * strength[0]]
    basis.setflags(write=False)
    return basis


def _factors(heard: Heard, sights: Array) -> list[tuple[ComplexArray, ComplexArray]]:
    """Factors (U, n) of delay, sine and Doppler shift, and their derivatives by cells."""
    antenna, subcarrier, symbol = heard.slopes
    found: list[tuple[ComplexArray, ComplexArray]] = []
    for value, slope in zip(sights.T, (subcarrier, antenna, symbol), strict=True):
        factor: ComplexArray = np.exp(1j * np.outer(value, slope))
        found.append((factor, 1j * slope * factor))
    first, bent = found[0]
    found[0] = first @ heard.basis.conj(), bent @ heard.basis.conj()
    return found


def products(heard: Heard, sights: Array) -> Products:
    """Of echoes at sights (U, 3), in cells, with each other and the data."""
    factors = _factors(heard, sights)
    grams = [factor.conj() @ factor.T for factor, _ in factors]
    bent = [slope.conj() @ factor.T for factor, slope in factors]
    (delay, delay_slope), (sine, sine_slope), (doppler, doppler_slope) = factors
    n_targets = len(sights)
    turned = heard.data @ np.concatenate([doppler, doppler_slope]).conj().T
    planes = np.moveaxis(turned, -1, 0)  # (2 U, N_A, K)
    plain, sloped = planes[:n_targets], planes[n_targets:]

    def add(antenna: ComplexArray, by_delay: ComplexArray, plane: ComplexArray) -> ComplexArray:
        line = (antenna.conj()[:, None] @ plane)[:, 0]  # (U, K)
        total: ComplexArray = np.sum(by_delay.conj() * line, axis=1)
        return total

    return Products(
        grams[0] * grams[1] * grams[2],
        np.stack(
            [
                bent[0] * grams[1] * grams[2],
                grams[0] * bent[1] * grams[2],
                grams[0] * grams[1] * bent[2],
            ]
        ),
        add(sine, delay, plain),
        np.stack(
            [
                add(sine, delay_slope, plain),
                add(sine_slope, delay, plain),
                add(sine, delay, sloped),
            ]
        ),
    )


def residual(heard: Heard, sights: Array, gains: ComplexArray) -> Heard:
    """What is left of the data without echoes of these gains."""
    (delay, _), (sine, _), (doppler, _) = _factors(heard, sights)
    planes = np.einsum("u,ua,uk->aku", gains, sine, delay)
    return heard._replace(data=heard.data - planes @ doppler)


class Grid(NamedTuple):
    """Where a map of the matched filter is evaluated, in cells."""

    sine: Array
    delay: Array
    doppler: Array


def grid_of(heard: Heard) -> Grid:
    """Half a cell from point to point, all over what an echo can be."""
    n_symbols = heard.data.shape[-1]
    n_doppler = _FINER_DOPPLER * n_symbols
    doppler = np.fft.fftfreq(n_doppler) * n_symbols
    spans = heard.span[:2]
    delay, sine = (
        np.linspace(low, high, int(np.ceil(_FINER * (high - low))) + 1) for low, high in spans
    )
    return Grid(sine, delay, doppler)


def matched_filter(heard: Heard, grid: Grid) -> ComplexArray:
    """``s^H y / |s|`` on a grid: (sines, delays, Doppler shifts)."""
    antenna, subcarrier, symbol = heard.slopes
    by_delay = np.exp(1j * np.outer(grid.delay, subcarrier)) @ heard.basis.conj()
    by_sine = np.exp(1j * np.outer(grid.sine, antenna))
    size = len(antenna) * len(subcarrier) * len(symbol)
    late = by_delay.conj() @ heard.data / np.sqrt(size)  # (N_A, delays, N)
    spectrum = np.fft.fft(late, len(grid.doppler), axis=-1)
    planes = by_sine.conj() @ spectrum.reshape(len(antenna), -1)
    planes = planes.reshape(len(grid.sine), *spectrum.shape[1:])
    planes *= np.exp(-1j * grid.doppler * symbol[0])
    return planes


def power(map_: ComplexArray) -> Array:
    """Squared modulus."""
    return np.asarray(map_.real**2 + map_.imag**2)
