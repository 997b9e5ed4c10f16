"""Every path of a drawn frame, sample by sample, and the likelihood of positions given them.

Gains are fitted, not assumed; derivatives are exact.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac.scenarios import MultistaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class Paths(NamedTuple):
    """Every path with unit gain, and its derivatives by the target's coordinates.

    ``time`` (R, 3, T, P, MN) are samples: of the path, and of its derivatives by x and y;
    ``array`` (R, 3, T, M_t) are receive vectors, likewise. The path is ``array (x) time``.
    """

    time: ComplexArray
    array: ComplexArray


class Place(NamedTuple):
    """What all receivers share when the targets stand at certain positions."""

    parameters: Array  # (R, T, P, 4)
    jacobian: Array  # (R, T, P, 4, 2), by x and y
    arrive: ComplexArray  # (R, T, M_t), receive vectors
    towards: ComplexArray  # (2, T, P, N, M), sent to the targets, and its derivative by omega_t


def place_at(scene: MultistaticScene, sent: ComplexArray, positions: Array) -> Place:
    """What the receivers share with the targets at ``positions`` (T, 2)."""
    parameters, jacobian = geometry.bistatic(
        positions[:, None],
        scene.velocities[:, None],
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
    return Place(parameters, jacobian[..., :2], arrive, towards)


class Arrivals(NamedTuple):
    """Paths to one receiver with unit gain, and what they are made of."""

    path: ComplexArray  # (T, P, NM)
    lag: ComplexArray  # (T, P, 1, M), phase of the delay at each subcarrier
    behind: NDArray[np.bool_]  # (T, P, 1, M), samples where the symbol before still arrives
    turn: tuple[ComplexArray, ComplexArray]  # phase of the Doppler shift, by symbol and by sample


def arrivals(scene: MultistaticScene, place: Place, r: int) -> Arrivals:
    """Each sample as OTFS's ``apply`` does.

    Which symbol a sample belongs to is taken from the scene's own targets: where a delay passes a
    whole sample one of M samples jumps to the next symbol, and the likelihood has a step that no
    derivative, and no bound, sees.
    """
    waveform = scene.waveform
    bins, rows = np.arange(waveform.n_subcarriers), np.arange(waveform.n_symbols)
    delay, doppler = np.moveaxis(place.parameters[r, ..., 2:, None, None], 2, 0)
    lag = np.exp(_by_delay(scene) * delay)
    behind = bins < scene.delays[:, r].T[..., None, None] * waveform.bandwidth
    turn = (
        np.exp(2j * np.pi * waveform.symbol_period * rows[:, None] * doppler),
        np.exp(2j * np.pi * waveform.sample_period * bins * doppler),
    )
    path = np.fft.ifft(place.towards[0] * lag, axis=-1, norm="ortho")
    path = _later(path, behind, 1)
    path *= turn[0]
    path *= turn[1]
    return Arrivals(path.reshape(*path.shape[:2], -1), lag, behind, turn)


def _by_delay(scene: MultistaticScene) -> ComplexArray:
    """Derivative of the phase of each subcarrier by the delay, (M,)."""
    waveform = scene.waveform
    slope: ComplexArray = np.arange(waveform.n_subcarriers).astype(complex)
    return slope * (-2j * np.pi * waveform.subcarrier_spacing)


def _later(grid: ComplexArray, behind: NDArray[np.bool_], symbols: int) -> ComplexArray:
    """Samples (..., N, M), those ``behind`` moved on by that many symbols."""
    moved: ComplexArray = np.roll(grid, symbols, axis=-2)
    np.copyto(moved, grid, where=~behind)
    return moved


def signatures(scene: MultistaticScene, sent: ComplexArray, positions: Array) -> Paths:
    """Compute all paths for targets at ``positions`` (T, 2), and their derivatives.

    In time, where the demodulator is not needed: it is unitary and leaves the likelihood as it is.
    Gains count their phase from the first sample.
    """
    place = place_at(scene, sent, positions)
    index, waveform = np.arange(scene.n_antennas), scene.waveform
    by_receive = np.moveaxis(place.jacobian[:, :, 0, 0], -1, 0)[..., None]
    array = np.stack([place.arrive, *(1j * index * by_receive * place.arrive)])
    moment = 2j * np.pi * waveform.sample_period * np.arange(sent[0, 0].size)
    time = []
    for r in range(len(scene.receivers)):
        path, lag, behind, turn = arrivals(scene, place, r)
        spectrum, by_omega = place.towards * lag
        _, to_angle, to_delay, to_doppler = np.moveaxis(place.jacobian[r], (2, 3), (0, 1))[
            ..., None
        ]
        moved = to_delay[..., None] * (_by_delay(scene) * spectrum) + to_angle[..., None] * by_omega
        moved = _later(np.fft.ifft(moved, axis=-1, norm="ortho"), behind, 1) * turn[0] * turn[1]
        moved = moved.reshape(2, *path.shape) + to_doppler * (moment * path)
        time.append(np.concatenate([path[None], moved]))
    return Paths(np.array(time), array.swapaxes(0, 1))


def received(paths: Paths, gains: ComplexArray) -> ComplexArray:
    """Noise-free samples at every receiver, (R, M_t, MN)."""
    total = (gains.transpose(1, 2, 0)[..., None, :] @ paths.time[:, 0])[..., 0, :]
    return np.einsum("rta,rtk->rak", paths.array[:, 0], total)


def profile_likelihood(
    paths: Paths,
    samples: ComplexArray,
    noise_variance: float,
    gains: ComplexArray | None = None,
) -> tuple[float, Array, Array]:
    """Log-likelihood of the positions with the best gains (fan_journal (19)), and its slopes.

    Each receiver fits the gains of all paths together. With its residual e and the projection Q
    that removes all paths, the derivatives D of the fitted mean give the score
    ``2 Re D^H e / sigma^2`` and the information ``2 Re D^H Q D / sigma^2``.

    Parameters
    ----------
    paths : Paths
        At the positions in question.
    samples : (R, M_t, MN) complex
        What the receivers saw.
    noise_variance : float
        sigma^2.
    gains : (P, R, T) complex, optional
        For D; by default the fitted ones. With the true gains at the true positions, score and
        information are those of the Cramer-Rao bound.

    Returns
    -------
    value : float
        Log-likelihood, counted from that of no paths at all.
    score : (2 T,)
        Its derivatives, in the order x_1, y_1, x_2, ...
    information : (2 T, 2 T)
        Of this frame at the fitted gains, with all paths coupled.
    """
    n_targets, n_transmitters = paths.time.shape[2:4]
    size, n_paths = 2 * n_targets, n_targets * n_transmitters
    value, slope, curvature = 0.0, np.zeros(size), np.zeros((size, size))
    owner = np.repeat(np.arange(n_targets), 2)
    for r, (time, array, seen) in enumerate(zip(paths.time, paths.array, samples, strict=True)):
        here, turned = array[0], array[1:].swapaxes(0, 1).reshape(size, -1)
        path = time[0].reshape(n_paths, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        gram = (path.conj() @ path.T) * overlap
        heard = here.conj() @ seen
        match = (time[0].conj() @ heard[..., None]).ravel()
        best = np.linalg.solve(gram, match)
        value += np.vdot(match, best).real
        best = best.reshape(n_targets, n_transmitters)
        explained = (best[:, None] @ time[0])[:, 0]  # here_t (x) this, summed over t: the fit
        rest, turned_rest = (heard - beams @ explained)[owner], turned.conj() @ seen
        used = best if gains is None else gains[:, r].T
        fitted = (used[:, None] @ time)[:, :, 0]  # (3, T, MN)
        whole, moved = fitted[0], fitted[1:].swapaxes(0, 1).reshape(size, -1)
        # Column (t, i) of D is turned (x) whole_t + here_t (x) moved.
        cross, both = turned.conj() @ here.T, turned.conj() @ turned.T
        whole, turned_rest = whole[owner], turned_rest - cross @ explained
        slope += np.real(np.sum(whole.conj() * turned_rest + moved.conj() * rest, axis=1))
        mixed = cross[:, owner] * (whole.conj() @ moved.T)
        inner = both * (whole.conj() @ whole.T) + mixed + mixed.conj().T
        inner += beams[np.ix_(owner, owner)] * (moved.conj() @ moved.T)
        by_path = np.repeat(np.arange(n_targets), n_transmitters)
        onto = cross.conj().T[by_path] * (path.conj() @ whole.T)
        onto += beams[np.ix_(by_path, owner)] * (path.conj() @ moved.T)
        curvature += np.real(inner - onto.conj().T @ np.linalg.solve(gram, onto))
    return value / noise_variance, 2 / noise_variance * slope, 2 / noise_variance * curvature


def likelihood(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, positions: Array
) -> tuple[float, Array]:
    """Value and score of :func:`profile_likelihood` in half the time, without the information.

    The derivatives of the paths are not formed: the residual is carried back to the spectra that
    were sent (the adjoint of ``arrivals``), one transform for all parameters.
    """
    place = place_at(scene, sent, positions)
    n_targets, n_transmitters = place.towards.shape[1:3]
    n_paths, index = n_targets * n_transmitters, np.arange(scene.n_antennas)
    moment = 2j * np.pi * scene.waveform.sample_period * np.arange(sent[0, 0].size)
    value, slope = 0.0, np.zeros((n_targets, 2))
    for r, seen in enumerate(samples):
        path, lag, behind, turn = arrivals(scene, place, r)
        here, every = place.arrive[r], path.reshape(n_paths, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        heard = here.conj() @ seen
        match = (path.conj() @ heard[..., None]).ravel()
        best = np.linalg.solve((every.conj() @ every.T) * overlap, match)
        value += np.vdot(match, best).real
        best = best.reshape(n_targets, n_transmitters)
        fit = (best[:, None] @ path)[:, 0]
        rest = heard - beams @ fit
        turned = (1j * index * here).conj()
        turned_rest = turned @ seen - (turned @ here.T) @ fit
        by = np.empty((4, n_targets, n_transmitters), dtype=complex)
        by[0] = np.sum(fit.conj() * turned_rest, axis=1)[:, None] / n_transmitters
        by[3] = (path.conj() @ (moment.conj() * rest)[..., None])[..., 0] * best.conj()
        back = rest.reshape(n_targets, 1, *sent.shape[2:]) * turn[0].conj() * turn[1].conj()
        back = np.fft.fft(_later(back, behind, -1), axis=-1, norm="ortho")
        back *= lag.conj() * best.conj()[..., None, None]
        by[1] = np.einsum("tpnm,tpnm->tp", place.towards[1].conj(), back)
        by[2] = np.einsum("tpnm,tpnm,m->tp", place.towards[0].conj(), back, _by_delay(scene).conj())
        slope += np.einsum("ktp,tpki->ti", by.real, place.jacobian[r])
    return value / scene.noise_variance, 2 / scene.noise_variance * slope.ravel()
