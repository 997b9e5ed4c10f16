"""What an access point heard, made smaller without loss, and its products with echoes.

All that is computed here is in resolution cells: a delay in ``1 / (M Delta f)``, a sine in
``1 / (N_A d / lambda)``, a Doppler shift in ``1 / (N T_o)``.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, _sight, signals
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_LOSS = 1e-12  # of an echo's amplitude, where the subcarriers are put together
_FINER = 2  # grid points per resolution cell of delay and angle
_FINER_DOPPLER = 2
_PLAIN = 1e-150, 1e150  # energies of which nothing can be wrong with any sample


class Heard(NamedTuple):
    """What L access points heard, and the phases of echoes.

    Attributes
    ----------
    data : (L, A, K, N) complex
        Samples over the root of the noise variance, of A antennas at most; zero for those that an
        access point lacks. K numbers hold what M subcarriers say about echoes within the longest
        delay.
    basis : (M, K) complex
        Orthonormal columns that made K of M.
    antenna : (L, A)
        By how much phases turn from antenna to antenna in a resolution cell of the sine.
    present : (L, A)
        One for the antennas that there are.
    subcarrier, symbol : (M,), (N,)
        The same for cells of delay and Doppler shift.
    cells : (L, 3)
        Resolution cells of delay (s), sine and Doppler shift (Hz).
    span : (L, 3, 2)
        Between which delays, sines and Doppler shifts an echo can be, in cells.
    n_samples : (L,)
        Before K were made of M.
    energy : (L,)
        Of all samples, over the noise variance.
    """

    data: ComplexArray
    basis: ComplexArray
    antenna: Array
    present: Array
    subcarrier: Array
    symbol: Array
    cells: Array
    span: Array
    n_samples: Array
    energy: Array


class Products(NamedTuple):
    """Of U echoes of amplitude one with each other and with the data, at each access point.

    Row and column 0 belong to an echo, 1 to 3 to its derivatives by delay, sine and Doppler shift.

    Attributes
    ----------
    gram : (L, 4, U, 4, U) complex
        ``[S, dS]^H [S, dS]``.
    heard : (L, 4, U) complex
        ``[S, dS]^H y``.
    """

    gram: ComplexArray
    heard: ComplexArray


def prepare(scene: MonostaticScene, samples: Sequence[ArrayLike]) -> Heard:
    """Check the samples of a scene, and make them smaller."""
    frame = checked_frame(scene)
    sizes = np.asarray(scene.n_antennas)
    given_each = _checks.each_of("samples", samples, len(scene.aps), "access points")
    slopes, cells = signals.phase_slopes(scene), cells_of(scene)
    longest = min(frame.longest_delay, 1 / frame.subcarrier_spacing) * frame.bandwidth
    basis = _delay_basis(frame.n_subcarriers, longest)
    present = (np.arange(sizes.max()) < sizes[:, None]).astype(float)
    data = np.zeros((*present.shape, basis.shape[1], frame.n_symbols), dtype=complex)
    antenna, energy = np.zeros(present.shape), np.zeros(len(sizes))
    for index, (size, axis) in enumerate(zip(sizes, axes_of(scene), strict=True)):
        shape = int(size), frame.n_subcarriers, frame.n_symbols
        given = _samples(given_each[index])
        if given.shape != shape:
            raise ValueError(
                f"samples of access point {index} must have shape {shape}, got {given.shape}"
            )
        np.matmul(basis.conj().T, given, out=data[index, :size])
        energy[index] = np.vdot(given, given).real / scene.noise_variance
        antenna[index, :size] = slopes.antenna[index] @ axis * cells[index, 1]
    data /= np.sqrt(scene.noise_variance)
    span = np.zeros((len(sizes), 3, 2))
    span[:, 0, 1] = longest
    span[:, 1] = np.multiply.outer(1 / cells[:, 1], [-1, 1])
    span[:, 2] = np.array([-1, 1]) * frame.n_symbols / 2
    turns = slopes.subcarrier * cells[0, 0], slopes.symbol * cells[0, 2]
    n_samples = sizes * float(frame.n_subcarriers * frame.n_symbols)
    return Heard(data, basis, antenna, present, *turns, cells, span, n_samples, energy)


def _samples(given: ArrayLike) -> ComplexArray:
    """Finite and squarable, which their energy says in one pass over them."""
    if isinstance(given, np.ndarray) and given.dtype == np.complex128:
        with np.errstate(all="ignore"):
            energy = np.vdot(given, given).real
        if _PLAIN[0] < energy < _PLAIN[1]:
            return given
    return np.asarray(_checks.squarable("samples", given))


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


def seen_at(
    scene: MonostaticScene, positions: Array, velocities: Array, aps: Array, axes: Array
) -> tuple[Array, Array]:
    """:func:`cfisac.geometry.monostatic` of states that need no check: the estimator's own."""
    eps = _checks.precision(aps, axes)
    seen = _sight.seen_from(positions, aps, eps, "position", "aps")
    return _sight.echo(seen, velocities, axes, scene.carrier_frequency)


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


def factors_at(
    heard: Heard, sights: Array, slopes: bool = True
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """Of delay, sine and Doppler shift at sights (L, U, 3) in cells, (L, U, n) each.

    With ``slopes`` followed by their derivatives by cells, (L, 2, U, n).
    """
    turns = heard.subcarrier, heard.antenna[:, None], heard.symbol
    found: list[ComplexArray] = []
    for number, turn in enumerate(turns):
        factor: ComplexArray = np.exp(1j * (sights[..., number, None] * turn))
        if number == 1:
            factor *= heard.present[:, None]
        if slopes:
            factor = np.stack([factor, 1j * turn * factor], axis=1)
        found.append(factor @ heard.basis.conj() if number == 0 else factor)
    return found[0], found[1], found[2]


_BENT = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # which factor each derivative bends


def products(heard: Heard, sights: Array) -> Products:
    """Of echoes at sights (L, U, 3), in cells, with each other and the data."""
    n_aps, n_targets = sights.shape[:2]
    every = delay, sine, doppler = factors_at(heard, sights)
    gram: Any = 1.0
    for factor, bent in zip(every, _BENT, strict=True):
        flat = factor.reshape(n_aps, 2 * n_targets, -1)
        table = (flat.conj() @ flat.swapaxes(-1, -2)).reshape(n_aps, 2, n_targets, 2, n_targets)
        gram = gram * table[:, bent][:, :, :, bent]
    flat = doppler.reshape(n_aps, 2 * n_targets, -1).conj()
    turned = heard.data.reshape(n_aps, -1, flat.shape[-1]) @ flat.swapaxes(-1, -2)
    turned = turned.reshape(*heard.data.shape[:3], 2, n_targets)
    line = np.einsum("lpua,lakqu->lpquk", sine.conj(), turned)  # antennas and symbols are summed
    seen = np.einsum("lruk,lpquk->lrpqu", delay.conj(), line)
    return Products(gram, np.stack(
        [seen[:, 0, 0, 0], seen[:, 1, 0, 0], seen[:, 0, 1, 0], seen[:, 0, 0, 1]], axis=1
    ))  # fmt: skip


def residual(heard: Heard, sights: Array, gains: ComplexArray) -> Heard:
    """What is left of the data without echoes of these gains."""
    delay, sine, doppler = factors_at(heard, sights, slopes=False)
    planes = np.einsum("lu,lua,luk->laku", gains, sine, delay)
    echoes = planes.reshape(len(planes), -1, planes.shape[-1]) @ doppler
    return heard._replace(data=heard.data - echoes.reshape(heard.data.shape))


class Grid(NamedTuple):
    """Where the maps of one access point are evaluated, in cells, and the products there.

    Attributes
    ----------
    sine, delay, doppler : (S,), (D,), (F,)
    by_sine, by_delay : (S, A), (D, K) complex
        Conjugate factors.
    """

    sine: Array
    delay: Array
    doppler: Array
    by_sine: ComplexArray
    by_delay: ComplexArray


class Charts(NamedTuple):
    """Grid and map of each access point: ``s^H y / |s|``, (S, D, F), but for a phase.

    The phase is that of the Doppler shift from the first symbol to the middle.
    """

    grids: list[Grid]
    maps: list[ComplexArray]


def charts_of(heard: Heard) -> Charts:
    """Half a cell from point to point, all over what an echo can be."""
    n_symbols = len(heard.symbol)
    doppler = np.asarray(np.fft.fftfreq(_FINER_DOPPLER * n_symbols) * n_symbols, dtype=float)
    grids, maps = [], []
    for ap, (span, antenna, data) in enumerate(
        zip(heard.span, heard.antenna, heard.data, strict=True)
    ):
        delay, sine = (
            np.linspace(low, high, int(np.ceil(_FINER * (high - low))) + 1)
            for low, high in span[:2]
        )
        by_sine = np.exp(-1j * np.outer(sine, antenna)) * heard.present[ap]
        by_delay = np.exp(-1j * np.outer(delay, heard.subcarrier)) @ heard.basis
        late = (by_delay / np.sqrt(heard.n_samples[ap])) @ data  # (A, D, N)
        spectrum = np.fft.fft(late, len(doppler), axis=-1)
        planes = by_sine @ spectrum.reshape(len(spectrum), -1)
        grids.append(Grid(sine, delay, doppler, by_sine, by_delay))
        maps.append(planes.reshape(len(sine), *spectrum.shape[1:]))
    return Charts(grids, maps)


def highest(
    heard: Heard, charts: Charts, sights: Array, gains: ComplexArray
) -> tuple[Array, Array]:
    """Highest point (L, 3), in cells, of what echoes of these gains leave; its power (L,).

    The map of an echo is a product of three factors, as the echo is, so that no map is made anew.
    """
    delay, sine, doppler = factors_at(heard, sights, slopes=False)
    places, powers = [], []
    room: dict[tuple[int, ...], tuple[ComplexArray, Array, Array]] = {}  # the same for all: faster
    for ap, (grid, chart) in enumerate(zip(*charts, strict=True)):
        left = chart.reshape(-1, len(grid.doppler))
        if left.shape not in room:
            room[left.shape] = np.empty_like(left), np.empty(left.shape), np.empty(left.shape)
        echoes, power, more = room[left.shape]
        if sights.shape[1]:
            share = gains[ap, :, None] / np.sqrt(heard.n_samples[ap])
            late = share * (delay[ap] @ grid.by_delay.T)
            planes = (sine[ap] @ grid.by_sine.T)[:, :, None] * late[:, None]  # (U, S, D)
            beams = planes.reshape(len(planes), -1).T
            np.matmul(beams, np.fft.fft(doppler[ap], left.shape[1]), out=echoes)
            left = np.subtract(left, echoes, out=echoes)
        np.square(left.real, out=power)
        power += np.square(left.imag, out=more)
        index = int(np.argmax(power))
        top = np.unravel_index(index, chart.shape)
        places.append([grid.delay[top[1]], grid.sine[top[0]], grid.doppler[top[2]]])
        powers.append(power.flat[index])
    return np.array(places), np.array(powers)
