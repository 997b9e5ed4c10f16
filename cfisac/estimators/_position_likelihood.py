"""Likelihood of positions given the samples, with all gains fitted: value, score, information."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac.scenarios import MultistaticScene
from cfisac.signals import PathSignatures
from cfisac.signals._multistatic import arrivals, by_delay, later, place_at

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_ALIKE = 1 - 1e-9  # correlation from which on two paths are one
_DARK = 1e-20  # share of the strongest path's energy below which a path is none


class Likelihood(NamedTuple):
    """Log-likelihood of states with the best gains, its slopes, and the information.

    Attributes
    ----------
    value : float
        Counted from that of no paths at all.
    score : (d T,)
        Derivatives, target by target, in the order x, y (v_x, v_y).
    information : (d T, d T)
        Of this frame at the gains used.
    gains : (P, R, T) complex
        The best ones.

    Examples
    --------
    >>> from cfisac.estimators import position_ml
    >>> scene, sent, samples = position_ml.example(np.random.default_rng(1))
    >>> paths = position_ml.path_signatures(scene, sent)
    >>> found = position_ml.likelihood(paths, samples, scene.noise_variance)
    >>> bool(found.value > 0), bool(np.all(np.linalg.eigvalsh(found.information) > 0))
    (True, True)
    """

    value: float
    score: Array
    information: Array
    gains: ComplexArray


class Alike(ValueError):
    """Two paths to a receiver cannot be told apart, so their gains cannot be fitted."""


def solve_gains(gram: ComplexArray, match: ComplexArray, n_transmitters: int = 1) -> ComplexArray:
    """``G^-1 c`` for the paths that have energy, zero for the others; refuses equal paths.

    Paths are sorted by target, those of each by transmitter.
    """
    energy = np.diagonal(gram).real
    live = energy > _DARK * energy.max(initial=0.0)
    root = np.sqrt(energy[live])
    unit = gram[np.ix_(live, live)] / np.outer(root, root)
    off = np.abs(unit - np.diag(np.diagonal(unit)))
    if off.max(initial=0.0) > _ALIKE:
        pair = np.unravel_index(np.argmax(off), off.shape)
        first, second = sorted(np.flatnonzero(live)[list(pair)] // n_transmitters)
        raise Alike(f"targets {first} and {second} cannot be told apart at a receiver")
    best = np.zeros(match.shape, dtype=complex)
    scale = root if match.ndim == 1 else root[:, None]
    best[live] = np.linalg.solve(unit, match[live] / scale) / scale
    return best


def full(
    signatures: PathSignatures,
    samples: ComplexArray,
    noise_variance: float,
    gains: ComplexArray | None = None,
) -> Likelihood:
    """Fan_journal (19): each receiver fits the gains of all paths together.

    With its residual e and the projection Q that removes all paths, the derivatives D of the
    fitted mean give the score ``2 Re D^H e / sigma^2`` and the information
    ``2 Re D^H Q D / sigma^2``. ``gains`` (P, R, T) are those for D, by default the fitted ones.
    """
    time_rows, n_targets, n_transmitters = signatures.samples.shape[1:4]
    n_states = time_rows - 1
    size, n_paths = n_states * n_targets, n_targets * n_transmitters
    value, slope, curvature = 0.0, np.zeros(size), np.zeros((size, size))
    owner = np.repeat(np.arange(n_targets), n_states)
    by_path = np.repeat(np.arange(n_targets), n_transmitters)
    every = []
    for r, (time, array, seen) in enumerate(zip(*signatures, samples, strict=True)):
        here, turned = array[0], array[1:].swapaxes(0, 1).reshape(size, -1)
        path = time[0].reshape(n_paths, -1)
        beams = here.conj() @ here.T
        gram = (path.conj() @ path.T) * beams[np.ix_(by_path, by_path)]
        heard = here.conj() @ seen
        match = (time[0].conj() @ heard[..., None]).ravel()
        best = solve_gains(gram, match, n_transmitters)
        value += np.vdot(match, best).real
        best = best.reshape(n_targets, n_transmitters)
        every.append(best.T)
        explained = (best[:, None] @ time[0])[:, 0]  # here_t (x) this, summed over t: the fit
        rest, turned_rest = (heard - beams @ explained)[owner], turned.conj() @ seen
        used = best if gains is None else gains[:, r].T
        fitted = (used[:, None] @ time)[:, :, 0]  # (1 + d, T, MN)
        whole, moved = fitted[0], fitted[1:].swapaxes(0, 1).reshape(size, -1)
        # Column (t, i) of D is turned (x) whole_t + here_t (x) moved.
        cross, both = turned.conj() @ here.T, turned.conj() @ turned.T
        whole, turned_rest = whole[owner], turned_rest - cross @ explained
        slope += np.real(np.sum(whole.conj() * turned_rest + moved.conj() * rest, axis=1))
        mixed = cross[:, owner] * (whole.conj() @ moved.T)
        inner = both * (whole.conj() @ whole.T) + mixed + mixed.conj().T
        inner += beams[np.ix_(owner, owner)] * (moved.conj() @ moved.T)
        onto = cross.conj().T[by_path] * (path.conj() @ whole.T)
        onto += beams[np.ix_(by_path, owner)] * (path.conj() @ moved.T)
        curvature += np.real(inner - onto.conj().T @ solve_gains(gram, onto))
    scale = 2 / noise_variance
    fits = np.stack(every, axis=1)
    return Likelihood(value / noise_variance, scale * slope, scale * curvature, fits)


def simplified(
    signatures: PathSignatures, samples: ComplexArray, noise_variance: float
) -> Likelihood:
    """Fan_journal (20): each path by itself, as if no two of them overlapped.

    ``sum |g^H y|^2 / ||g||^2`` over all paths, each target by itself; the information is that of
    its paths one by one.
    """
    n_states, n_targets = signatures.antenna.shape[1] - 1, signatures.antenna.shape[2]
    value, slope = 0.0, np.zeros((n_targets, n_states))
    blocks = np.zeros((n_targets, n_states, n_targets, n_states))
    every = []
    for time, array, seen in zip(*signatures, samples, strict=True):
        heard = np.einsum("ita,ak->itk", array.conj(), seen)
        path, moved = time[0], time[1:]
        energy = np.sum(np.abs(path) ** 2, axis=-1)
        live = energy > _DARK * energy.max()
        unit = np.divide(1.0, energy, where=live, out=np.zeros_like(energy))
        match = np.einsum("tpk,tk->tp", path.conj(), heard[0])
        best = match * unit
        by_array = np.einsum("tpk,itk->itp", path.conj(), heard[1:])
        by_time = np.einsum("itpk,tk->itp", moved.conj(), heard[0])
        # <g, d g> = <a, d a> E + <s, d s>, and norms of what is left after g is taken off.
        turn = np.einsum("ta,ita->it", array[0].conj(), array[1:])
        along = np.einsum("tpk,itpk->itp", path.conj(), moved) * unit
        change = 2 * (along.real + turn.real[..., None])  # of the energy, by itself
        value += np.sum(np.abs(match) ** 2 * unit)
        rise = 2 * np.real(best.conj() * (by_array + by_time))
        slope += np.sum(rise - np.abs(match) ** 2 * unit * change, axis=2).T
        spread = np.einsum("ita,jta->ijt", array[1:].conj(), array[1:])
        spread = spread - turn[:, None].conj() * turn[None]
        inner = np.einsum("itpk,jtpk->ijtp", moved.conj(), moved) * unit
        inner = inner - along[:, None].conj() * along[None] + spread[..., None]
        weight = np.abs(best) ** 2 * energy
        added = np.einsum("ijtp,tp->tij", inner.real, weight)
        for t in range(n_targets):
            blocks[t, :, t] += added[t]
        every.append(best.T)
    size = n_targets * n_states
    fits = np.stack(every, axis=1)
    return Likelihood(
        value / noise_variance,
        slope.ravel() / noise_variance,
        2 / noise_variance * blocks.reshape(size, size),
        fits,
    )


def value_and_score(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    positions: Array,
    late: Array,
) -> tuple[float, Array]:
    """Value and score of :func:`full` in half the time, without the information.

    The derivatives of the paths are not formed: the residual is carried back to the spectra that
    were sent (the adjoint of ``arrivals``), one transform for all parameters.
    """
    place = place_at(scene, sent, positions)
    n_targets, n_transmitters = place.towards.shape[1:3]
    n_paths, index = n_targets * n_transmitters, np.arange(scene.n_antennas)
    moment = 2j * np.pi * scene.waveform.sample_period * np.arange(sent[0, 0].size)
    value, slope = 0.0, np.zeros((n_targets, 2))
    for r, seen in enumerate(samples):
        path, lag, behind, turn = arrivals(scene, place, r, late)
        here, every = place.arrive[r], path.reshape(n_paths, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        heard = here.conj() @ seen
        match = (path.conj() @ heard[..., None]).ravel()
        best = solve_gains((every.conj() @ every.T) * overlap, match, n_transmitters)
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
        back = np.fft.fft(later(back, behind, -1), axis=-1, norm="ortho")
        back *= lag.conj() * best.conj()[..., None, None]
        by[1] = np.einsum("tpnm,tpnm->tp", place.towards[1].conj(), back)
        by[2] = np.einsum("tpnm,tpnm,m->tp", place.towards[0].conj(), back, by_delay(scene).conj())
        slope += np.einsum("ktp,tpki->ti", by.real, place.jacobian[r, ..., :2])
    return value / scene.noise_variance, 2 / scene.noise_variance * slope.ravel()
