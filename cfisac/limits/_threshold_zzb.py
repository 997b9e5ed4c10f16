"""Ziv-Zakai bounds: integrals of binary tests over what lies between two places."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.limits import _threshold_contour as contour
from cfisac.limits._threshold_landscape import _box, _metric, _target, alike, correlated
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
Pairs = tuple[Array, Array, Array, Array]

_EQUAL, _POINTS = 128, 6  # panels of one length, and nodes in each of all panels
_FINEST = 1e-8  # of the width: where panels that halve begin
_STEPS = np.linspace(-8.0, 4.6, 37)  # displacements, as logarithms of h / (side - h)
_NEAR = 0.5  # standard deviations: the least displacement, or less
_PER_SIDE = 2  # places along each side of what two shifted boxes share
_BLOCK = 2**22  # entries of the largest temporary


def ziv_zakai(
    snr: ArrayLike,
    correlation: Callable[[Array], Any],
    width: float,
    circular: bool = False,
    fading: str = "phase",
) -> Array:
    """Ziv-Zakai bound on the mean squared error of a delay, an angle or a Doppler shift.

    Of one path, the parameter being uniform in an interval or on a circle, the phase of the gain
    unknown. In an interval, with V the least non-increasing function above::

        MSE >= int_0^W h V{(1 - h/W) P(h)} dh,        on a circle  int_0^(W/2) h P(h) dh,

    with P of :func:`pairwise_error`, which no test of two places can beat.

    Parameters
    ----------
    snr : (...) float
        ``rho = |alpha|^2 / sigma^2`` >= 0 in all samples, or its mean; at most 1e12.
    correlation : callable
        ``|r(h)|`` in [0, 1] of two echoes h apart, such as :func:`uniform` gives.
    width : float
        W > 0: length of the interval, or of the circle.
    circular : bool
        Whether errors are taken round a circle.
    fading : {"phase", "rayleigh"}
        A known modulus and a uniform phase; or a gain CN(0, snr), one draw for all samples.

    Returns
    -------
    (...)
        In the square of the unit of h. Without signal W^2/12, and on a circle W^2/16.

    Raises
    ------
    ValueError
        If a number is out of range, or the correlation is none.

    Examples
    --------
    >>> from cfisac.limits import threshold
    >>> bound = ziv_zakai([0.0, 10.0, 100.0], threshold.uniform(16), 1.0, circular=True)
    >>> crlb = 12 / (2 * 100.0 * (2 * np.pi) ** 2 * (16**2 - 1))
    >>> print(f"{bound[0]:.4f} {bound[1]:.5f} {bound[2] / crlb:.2f}")
    0.0625 0.00050 1.01
    """
    return scalar(correlation, width, circular, _chance(snr, fading))


def scalar(
    correlation: Callable[[Array], Any],
    width: float,
    circular: bool,
    chance: tuple[Array, Callable[[Array, Array], Array]],
) -> Array:
    """The integral with any pairwise error ``chance(snr, |r|)`` at each SNR (...)."""
    snr, error = chance
    wide = _checks.one("width", width, _checks.positive)
    _checks.squarable("width", wide, float)
    end = wide / 2 if _checks.yes_or_no("circular", circular) else wide
    h, weights = _panels(end)
    likeness = correlated(correlation, h)
    bounds = np.empty(snr.size)
    for i, rho in enumerate(snr.ravel()):
        height = error(np.full(h.shape, rho), likeness)
        if not circular:
            height = _valley_filled((1 - h / wide) * height)
        bounds[i] = weights @ (h * height)
    return bounds.reshape(snr.shape)


def ziv_zakai_position(
    scene: MonostaticScene,
    snr: ArrayLike,
    corners: ArrayLike,
    target: int = 0,
    fading: str = "phase",
) -> Array:
    """Ziv-Zakai bound on the mean squared error of a place that is uniform in a box.

    The vector form of Bell, Steinberg, Ephraim and Van Trees for each coordinate in turn: the
    displacement that is told apart worst, among those with the same step along it. Every access
    point hears the echo with the same SNR wherever the target is.

    Parameters
    ----------
    scene : MonostaticScene
        With OFDM. Its targets' places do not matter.
    snr : (..., L) float
        rho_l >= 0 at each access point, at most 1e12.
    corners : (2, D) float
        Of the box (m).
    target : int
        Whose velocity is that of the place; it is known.
    fading : {"phase", "rayleigh"}
        As in :func:`pairwise_error`.

    Returns
    -------
    (...)
        Bound on the summed mean squared error of all coordinates (m^2).

    Raises
    ------
    ValueError
        If an argument is no such thing or out of range.

    Notes
    -----
    Two places are told apart by ``sum_l |s_l^H y_l|^2``. For gains CN(0, rho) of equal rho no test
    is better. For several access points and known moduli one with ``sum_l ln I_0`` is, by a
    little, and by as little this may exceed the strict bound. One displacement serves all places
    of the box, and in space fewer of them are tried. Where the best one turns from place to
    place, the bound stays below the Cramér-Rao bound at high SNR.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> box = [[150.0, 150.0], [200.0, 200.0]]
    >>> bound = ziv_zakai_position(scene, [[0.0] * 4, [10.0] * 4], box)
    >>> print(f"{bound[0] / (2 * 50.0**2 / 12):.2f}")  # no signal: the variance of the box
    1.00
    """
    index = _target(scene, target)
    _checks.one_of("fading", fading, "phase", "rayleigh")
    box = _box(scene, corners)
    heard = _few("snr", snr)
    n_aps = len(scene.aps)
    if heard.ndim < 1 or heard.shape[-1] != n_aps:
        raise ValueError(f"snr must have shape (..., {n_aps}), got {heard.shape}")
    rows = heard.reshape(-1, n_aps)
    if not len(rows):
        return np.empty(heard.shape[:-1])
    pairs = displaced(scene, box, scene.velocities[index], rows.max(axis=0))
    return np.array([of_pairs(pairs, rho, fading) for rho in rows]).reshape(heard.shape[:-1])


def of_pairs(pairs: list[Pairs], snr: Array, fading: str) -> float:
    """The bound from what :func:`displaced` found, at one SNR (L,)."""
    total = 0.0
    for h, weights, likeness, shared in pairs:
        highest = np.empty(len(h))
        part = max(1, _BLOCK // (16 * likeness[0].size))
        for start in range(0, len(h), part):
            few = slice(start, start + part)
            apart = np.sqrt(np.maximum(1 - likeness[few] ** 2, 0.0))
            chance = contour.probability(np.broadcast_to(snr, apart.shape), apart, fading, 16)
            highest[few] = np.max(shared[few] * chance.mean(axis=-1), axis=-1)
        height = _valley_filled(highest)
        total += float(weights @ height + h[0] ** 2 / 2 * height[0])
    return total


def displaced(
    scene: MonostaticScene, box: Array, velocity: Array, most: ArrayLike = 0.0
) -> list[Pairs]:
    """How alike pairs of places are, displaced by steps along each axis and anything across it.

    Steps begin where even the SNRs ``most`` (L,) tell hardly anything of them.

    Returns
    -------
    list of (h, weights, likeness, shared)
        For each coordinate: m steps (m,) in metres, and what h dh is for each; likeness
        (m, k, n, L) for k displacements across and n places; the share (m, k) of the box that
        still lies in it when displaced.
    """
    sides = box[1] - box[0]
    snr = np.broadcast_to(np.asarray(most, dtype=float), len(scene.aps))
    places = box[0] + sides * _inside(scene.dimension)
    metric = np.einsum("nlij,l->nij", _metric(scene, places, velocity), snr)
    told = np.sqrt(2 * np.diagonal(metric, axis1=-2, axis2=-1).max(axis=0))
    pairs = []
    spacing = _STEPS[1] - _STEPS[0]
    for axis, (side, known) in enumerate(zip(sides, told, strict=True)):
        begin = np.log(_NEAR) - np.log(max(side * known, _NEAR))
        more = max(0, int(np.ceil((_STEPS[0] - begin) / spacing)))
        steps = np.concatenate([_STEPS[0] - spacing * np.arange(more, 0, -1), _STEPS])
        h = _room(-steps) * side
        # The trapezoidal rule in the logarithm, of which dh = h (1 - h / side).
        weights = h**2 * _room(steps) * spacing
        pairs.append((h, weights, *_along(scene, box, axis, _room(-steps), velocity)))
    return pairs


def _inside(dimension: int) -> Array:
    """Some places (n, D) in a box of sides one."""
    along = [(np.arange(_PER_SIDE) + 0.5) / _PER_SIDE] * dimension
    return np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, dimension)


def _along(
    scene: MonostaticScene, box: Array, axis: int, steps: Array, velocity: Array
) -> tuple[Array, Array]:
    """Likeness and shared part of the box of displacements by steps along one axis."""
    d = scene.dimension
    sides = box[1] - box[0]
    signed = np.concatenate([-steps[::-1], [0.0], steps])
    if d > 2:  # any displacements give a bound; every third along each axis is a ninth of all
        signed = signed[len(steps) % 3 :: 3]
    across = np.stack(np.meshgrid(*[signed] * (d - 1), indexing="ij"), axis=-1).reshape(-1, d - 1)
    grid = _inside(d)
    others = [each for each in range(d) if each != axis]
    likeness = np.empty((len(steps), len(across), len(grid), len(scene.aps)))
    shared = np.empty((len(steps), len(across)))
    tones = scene.waveform.n_subcarriers + scene.waveform.n_symbols
    part = max(1, _BLOCK // (len(grid) * len(scene.aps) * tones))
    for i, step in enumerate(steps):
        move = np.empty((len(across), d))
        move[:, axis], move[:, others] = step, across
        room = 1 - np.abs(move)
        shared[i] = room.prod(axis=-1)
        for start in range(0, len(across), part):
            few = slice(start, start + part)
            begin = np.maximum(-move[few], 0.0)[:, None] + room[few, None] * grid
            first = (box[0] + sides * begin).reshape(-1, d)
            second = (box[0] + sides * (begin + move[few, None])).reshape(-1, d)
            found = alike(scene, first, second, velocity)
            likeness[i, few] = found.reshape(-1, *likeness.shape[2:])
    return likeness, shared


def _chance(snr: ArrayLike, fading: str) -> tuple[Array, Callable[[Array, Array], Array]]:
    """SNRs and the pairwise error of one path at them."""
    _checks.one_of("fading", fading, "phase", "rayleigh")

    def error(rho: Array, likeness: Array) -> Array:
        apart = np.sqrt(np.maximum(1 - likeness**2, 0.0))
        return contour.probability(rho[:, None], apart[:, None], fading, 32)

    return _few("snr", snr), error


def _few(name: str, snr: ArrayLike) -> Array:
    found = _checks.non_negative(name, snr)
    if np.any(found > 1e12):
        raise ValueError(f"{name} must be <= 1e12, got {found.max():g}")
    return found


def _panels(end: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes in panels that halve towards zero and are equal elsewhere."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    halves = np.exp2(np.arange(np.floor(np.log2(_FINEST * _EQUAL)), 0.0, 0.5)) / _EQUAL
    edges = np.concatenate([[0.0], halves, np.arange(1, _EQUAL + 1) / _EQUAL])
    half = np.diff(edges)[:, None] / 2
    h = edges[:-1, None] + half * (nodes + 1)
    return (end * h).ravel(), (end * half * weights).ravel()


def _valley_filled(height: Array) -> Array:
    """The least non-increasing function above."""
    return np.asarray(np.maximum.accumulate(height[::-1])[::-1])


def _room(x: Array) -> Array:
    """``1 / (1 + e^x)``: what a displacement of that logarithm leaves of a side."""
    return np.asarray(1 / (1 + np.exp(x)))
