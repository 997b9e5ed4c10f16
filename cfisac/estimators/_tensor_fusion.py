"""Fusion of separated echoes at the level of symbols: liu's (P3) and (P4), and their maximum."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._tensor_association import (
    Separated,
    axes_of,
    heard_amplitude,
    noise_of_sample,
    refuse_others,
)
from cfisac.estimators._tensor_cp import Array, ComplexArray
from cfisac.scenarios import MonostaticScene

_FINER = 8  # bins of an FFT for each resolution cell, where a coarse grid reads its values
_NEWTON = 8  # steps after BFGS


class Tones(NamedTuple):
    """Factors of one target at all access points, and how a phase grows along each.

    Attributes
    ----------
    factors : (K, N) complex
        One tone in each row, padded with zeros; counted from the middle.
    counts : (K, N) float
        Counted from the middle of what is not padded.
    weights : (K,) float
        Of each row's matched filter.
    """

    factors: ComplexArray
    counts: Array
    weights: Array


class Objective(NamedTuple):
    """What (P3) or (P4) maximises for one target.

    Attributes
    ----------
    tones : Tones
        Delay and antenna factors for (P3), symbol factors for (P4).
    aps : (K, 2) float
        The access point of each tone (m).
    axes : (K, 2) float
        For an antenna factor, the axis of its array.
    kind : (K,) int
        0 for a delay, 1 for a sine, 2 for a Doppler shift.
    rate : (K,) float
        Phase from sample to sample per metre, per unit of the sine, per m/s.
    position : (2,) float or None
        Of the target, for (P4).

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> samples = signals.echo_tensors(scene, np.ones((4, 1)))
    >>> found = tensor.objective(scene, tensor.separate(scene, samples, 1), 0)
    >>> found.aps.shape, found.kind  # a delay and an angle at each of four
    ((8, 2), array([0, 0, 0, 0, 1, 1, 1, 1]))
    """

    tones: Tones
    aps: Array
    axes: Array
    kind: NDArray[np.int64]
    rate: Array
    position: Array | None

    def value(self, points: ArrayLike) -> Array:
        """Weighted sum of the moduli of the matched filters at points (..., 2)."""
        here = _checks.squarable("points", _checks.points("points", points), float)
        flat = here.reshape(-1, 2)
        found = np.concatenate(
            [self._value(flat[k : k + 512]) for k in range(0, max(len(flat), 1), 512)]
        )
        return np.asarray(found.reshape(here.shape[:-1]))

    def _value(self, flat: Array) -> Array:
        turns = self.turns(flat)
        total = np.zeros(len(flat))
        for k, (row, index) in enumerate(zip(self.tones.factors, self.tones.counts, strict=True)):
            beams = np.exp(-1j * turns[:, k, None] * index) @ row
            total += self.tones.weights[k] * np.abs(beams)
        return total

    def coarse(self, points: Array) -> Array:
        """The same at points (G, 2), each filter read from the nearest bin of an FFT."""
        size = _FINER * self.tones.factors.shape[1]
        spectrum = np.abs(np.fft.fft(self.tones.factors, size, axis=1))
        turns = self.turns(points)
        bins = np.rint(turns / (2 * np.pi) * size).astype(int) % size
        return np.asarray(
            sum(w * spectrum[k, bins[:, k]] for k, w in enumerate(self.tones.weights))
        )

    def slopes(self, point: Array) -> tuple[float, Array, Array]:
        """Value, gradient (2,) and Hessian (2, 2) at one point."""
        turns, gradient, hessian = self._turns(point[None])
        index = self.tones.counts
        moved = self.tones.factors * np.exp(-1j * turns[0][:, None] * index)
        beam, first, second = (np.sum((-1j * index) ** n * moved, axis=1) for n in range(3))
        size = np.maximum(np.abs(beam), 1e-300)
        rise = np.real(beam.conj() * first) / size
        bend = (np.abs(first) ** 2 + np.real(beam.conj() * second) - rise**2) / size
        w = self.tones.weights
        slope = (w * rise) @ gradient[0]
        curve = np.einsum("k,ki,kj->ij", w * bend, gradient[0], gradient[0])
        curve = curve + np.einsum("k,kij->ij", w * rise, hessian[0])
        return float(w @ size), slope, curve

    def turns(self, points: Array) -> Array:
        """Phase from sample to sample of every tone at points (G, 2), (G, K)."""
        return self._turns(points, slopes=False)[0]

    def _turns(self, points: Array, slopes: bool = True) -> tuple[Array, Array, Array]:
        """Phase from sample to sample (G, K), with its gradients and Hessians."""
        nothing = np.empty(0)
        place = points if self.position is None else np.broadcast_to(self.position, points.shape)
        offset = place[:, None] - self.aps
        distance = np.maximum(np.sqrt(np.sum(offset**2, axis=-1)), 1e-9)
        unit = offset / distance[..., None]
        if self.position is not None:
            turns = self.rate * np.sum(unit * points[:, None], axis=-1)
            if not slopes:
                return turns, nothing, nothing
            return turns, self.rate[:, None] * unit, np.zeros((*turns.shape, 2, 2))
        sine = np.sum(unit * self.axes, axis=-1)
        turns = self.rate * np.where(self.kind == 0, distance, sine)
        if not slopes:
            return turns, nothing, nothing
        far, along = distance[..., None], sine[..., None]
        delay = (self.kind == 0)[:, None]
        gradient = np.where(delay, unit, (self.axes - along * unit) / far)
        outer = unit[..., :, None] * unit[..., None, :]
        mixed = unit[..., :, None] * self.axes[:, None, :]
        mixed = mixed + np.swapaxes(mixed, -1, -2)
        bent = (3 * outer - np.eye(2)) * along[..., None] - mixed
        hessian = np.where(
            delay[..., None], (np.eye(2) - outer) / far[..., None], bent / far[..., None] ** 2
        )
        return turns, self.rate[:, None] * gradient, self.rate[:, None, None] * hessian


def objective(
    scene: MonostaticScene,
    separated: Separated,
    target: int,
    position: ArrayLike | None = None,
    weighting: str = "right",
) -> Objective:
    """The objective of (P3), or for a given position that of (P4), for one target (liu (41)-(52)).

    The printed problems minimise one over the sum that is maximised here. Direction and Doppler
    shift come from unit vectors; the arc tangents printed below (47) and (50) lose the half plane
    left of an access point, and (50) the duration of a symbol.

    Parameters
    ----------
    scene : MonostaticScene
        Its access points, arrays and waveform.
    separated : Separated
        From :func:`separate`.
    target : int
        Which of the targets of ``separated``.
    position : (2,), optional
        Where it is (m), for (P4).
    weighting : {"right", "printed"}
        By the inverse noise variance of each factor. A delay factor has ``s^2 / (g^2 N M_s)``
        and an antenna factor ``s^2 / (g^2 M M_s)``, for an amplitude g and noise s^2 in each
        sample, N antennas, M subcarriers, M_s symbols: they differ by M / N. As printed, both
        have the weight of the delay factor.

    Raises
    ------
    ValueError
        If the target is none of them, or the weighting is neither.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> separated = tensor.separate(scene, signals.echo_tensors(scene, np.ones((4, 1))), 1)
    >>> found = tensor.objective(scene, separated, 0)
    >>> value, slope, _ = found.slopes(scene.targets[0])
    >>> bool(abs(slope).max() < 1e-6 * value)  # per metre
    True
    """
    _checks.one_of("weighting", weighting, "right", "printed")
    refuse_others(scene, separated)
    number = _checks.one("target", target, _checks.count, 0)
    if number >= separated.order.shape[1]:
        raise ValueError(f"target must be below {separated.order.shape[1]}, got {target}")
    axes, frame = axes_of(scene), scene.waveform
    n_aps = len(scene.aps)
    picked = [
        (each, int(separated.order[row, number])) for row, each in enumerate(separated.components)
    ]
    # One over the noise variance of a factor, divided by the number of samples of its mode.
    strength = [
        heard_amplitude(each)[i] ** 2 / noise_of_sample(each) * _samples(each) for each, i in picked
    ]
    if position is not None:
        rows = [each.symbol[i] for each, i in picked]
        per_speed = -2 * scene.carrier_frequency / SPEED_OF_LIGHT
        rate = np.full(n_aps, 2 * np.pi * frame.symbol_period * per_speed)
        weights = [s / len(row) for s, row in zip(strength, rows, strict=True)]
        here = _checks.squarable("position", _checks.points("position", position), float)
        if here.shape != (2,):
            raise ValueError(f"position must be one point (2,), got {here.shape}")
        return Objective(
            _tones(rows, weights), scene.aps, axes, np.full(n_aps, 2), rate, np.asarray(here)
        )
    delays = [each.subcarrier[i] for each, i in picked]
    angles = [each.antenna[i] for each, i in picked]
    shared = [s / len(row) for s, row in zip(strength, delays, strict=True)]
    own = [s / len(row) for s, row in zip(strength, angles, strict=True)]
    rates = (
        -4 * np.pi * frame.subcarrier_spacing / SPEED_OF_LIGHT,
        2 * np.pi * scene.spacing,
    )
    return Objective(
        _tones([*delays, *angles], [*shared, *(own if weighting == "right" else shared)]),
        np.tile(scene.aps, (2, 1)),
        np.tile(axes, (2, 1)),
        np.repeat([0, 1], n_aps),
        np.repeat(rates, n_aps),
        None,
    )


def climb(goal: Objective, grid: Array, start: ArrayLike | None = None) -> tuple[Array, bool]:
    """The highest point near the best of a grid (or near a start), and whether it is one.

    BFGS, then Newton steps with the exact Hessian. BFGS' own verdict is not asked, nor its
    ``hess_inv`` used: the first complains of rounding at the very top, and the second is no
    covariance. A top is where the Hessian is negative definite and Newton's step is short.
    """
    from scipy.optimize import minimize

    first = grid[np.argmax(goal.coarse(grid))] if start is None else np.asarray(start, dtype=float)
    scale = max(float(goal.slopes(first)[0]), np.finfo(float).tiny)

    def downhill(point: Array) -> tuple[float, Array]:
        value, slope, _ = goal.slopes(point)
        return -value / scale, -slope / scale

    point = np.asarray(minimize(downhill, first, jac=True, method="BFGS").x)
    step = np.full(2, np.inf)
    for _ in range(_NEWTON):
        value, slope, curve = goal.slopes(point)
        if np.linalg.eigvalsh(curve)[-1] >= 0:
            return point, False
        step = -np.linalg.solve(curve, slope)
        if goal.slopes(point + step)[0] < value * (1 - 1e-12):
            break
        point = point + step
    return point, bool(np.linalg.norm(step) < 1e-6)


def _samples(each: object) -> int:
    factors = each[:3]  # type: ignore[index]
    return int(np.prod([factor.shape[1] for factor in factors]))


def _tones(rows: list[ComplexArray], weights: list[float]) -> Tones:
    longest = max(map(len, rows))
    factors = np.zeros((len(rows), longest), dtype=complex)
    index = np.zeros((len(rows), longest))
    for k, row in enumerate(rows):
        factors[k, : len(row)] = row
        index[k, : len(row)] = np.arange(len(row)) - (len(row) - 1) / 2
    share = np.array(weights)
    return Tones(factors, index, share / share.sum())


def far(goal: Objective, point: Array) -> bool:
    """Whether a tone at the point is more than a resolution cell from the factor's own."""
    from cfisac.estimators._tensor_cp import tone

    turns = goal.turns(point[None])[0]
    for factor, count, turn in zip(goal.tones.factors, goal.tones.counts, turns, strict=True):
        own = factor[: int(np.rint(1 - 2 * count[0]))]
        off = (tone(own) - turn + np.pi) % (2 * np.pi) - np.pi
        if abs(off) > 2 * np.pi / len(own):
            return True
    return False
