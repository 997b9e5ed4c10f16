"""Five global optimisers of liu, Section V B, with a count of what they ask."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators.tensor import Objective

Array = NDArray[np.float64]
Search = Callable[["Quick", Array, int, np.random.Generator], Array]

_FINER = 64
_FINEST = 1e-4  # of the box: the steps that annealing sees
_DIGITS = 9  # of a value; beyond them processors differ


class Quick:
    """An objective read from tables of its matched filters, quickly.

    Each modulus is a function of one phase; it is tabulated with its slope and read by cubic
    Hermite interpolation, to 1e-7 of the sum but where a filter is nearly zero and its modulus has
    a cusp. What is returned is the share of the sum that no maximum can exceed. Polar points are
    (speed, heading), as liu's (P4) has them.
    """

    def __init__(self, goal: Objective, polar: bool = False) -> None:
        self._goal, self._polar = goal, polar
        tones = goal.tones
        n_bins = 1 << int(np.ceil(np.log2(_FINER * tones.factors.shape[1])))
        turns = 2 * np.pi * np.arange(n_bins) / n_bins
        first = tones.counts[:, :1]
        beam, slope = (
            np.fft.fft(tones.factors * f, n_bins, axis=1) * np.exp(-1j * first * turns)
            for f in (1.0, -1j * tones.counts)
        )
        size = np.abs(beam)
        rise = np.real(beam.conj() * slope) / np.maximum(size, 1e-300) * (2 * np.pi / n_bins)
        top = tones.weights @ np.sum(np.abs(tones.factors), axis=1)
        self._size, self._rise = (tones.weights[:, None] * x / top for x in (size, rise))
        self._n, self._rows = n_bins, np.arange(len(size))
        self.n_asked = 0

    def __call__(self, points: Array) -> Array:
        """Value at points (G, 2); each counts as one evaluation."""
        self.n_asked += len(points)
        points = cartesian(points) if self._polar else points
        at = self._goal.turns(points) / (2 * np.pi) * self._n
        left = np.floor(at).astype(int)
        t = at - left
        low, high, rows = left % self._n, (left + 1) % self._n, self._rows
        a, b = self._size[rows, low], self._size[rows, high]
        c, d = self._rise[rows, low], self._rise[rows, high]
        value = a + t * (c + t * (3 * (b - a) - 2 * c - d + t * (2 * (a - b) + c + d)))
        return np.round(value.sum(axis=1), _DIGITS)


def cartesian(points: Array) -> Array:
    """Velocities (..., 2) of speeds and headings (..., 2)."""
    speed, heading = points[..., 0], points[..., 1]
    return np.stack([speed * np.cos(heading), speed * np.sin(heading)], axis=-1)


def bees(quick: Quick, box: Array, asked: int, rng: np.random.Generator, size: int = 20,
         history: list[Array] | None = None) -> Array:  # fmt: skip
    """Artificial bee colony: half of the population are sources, each left after 50 failures."""
    n = size // 2
    food = _uniform(rng, box, n)
    value, tired = quick(food), np.zeros(n, dtype=int)
    best, top = food[value.argmax()], value.max()
    while quick.n_asked + 2 * n <= asked:
        for onlookers in (False, True):
            chance = value / value.sum()
            which = rng.choice(n, n, p=chance) if onlookers else np.arange(n)
            other = (which + rng.integers(1, n, n)) % n
            axis = rng.integers(0, 2, n)
            tried = food[which].copy()
            rows = np.arange(n)
            tried[rows, axis] += rng.uniform(-1, 1, n) * (tried - food[other])[rows, axis]
            tried = np.clip(tried, *box)
            found = quick(tried)
            for row, source in enumerate(which):
                if found[row] > value[source]:
                    food[source], value[source], tired[source] = tried[row], found[row], 0
                else:
                    tired[source] += 1
        if value.max() > top:
            best, top = food[value.argmax()].copy(), value.max()
        worn = int(tired.argmax())
        if tired[worn] > 50:
            food[worn] = _uniform(rng, box, 1)[0]
            value[worn], tired[worn] = quick(food[worn][None])[0], 0
        if history is not None:
            history.append(best)
    return np.asarray(best)


def genes(quick: Quick, box: Array, asked: int, rng: np.random.Generator) -> Array:
    """Genetic algorithm of 20: tournaments of two, blend crossover 0.9, mutation 0.3, one elite."""
    size = 20
    pool = _uniform(rng, box, size)
    value = quick(pool)
    while quick.n_asked + size <= asked:
        pairs = rng.integers(0, size, (2, size, 2))
        parents = [pool[np.where(value[p[:, 0]] > value[p[:, 1]], p[:, 0], p[:, 1])] for p in pairs]
        share = rng.uniform(-0.25, 1.25, (size, 2))
        crossed = np.where(rng.random((size, 1)) < 0.9, share, 1.0)
        young = crossed * parents[0] + (1 - crossed) * parents[1]
        jump = rng.normal(0, 0.1, (size, 2)) * (box[1] - box[0])
        young = np.clip(young + jump * (rng.random((size, 2)) < 0.3), *box)
        young[0] = pool[value.argmax()]
        pool, value = young, quick(young)
    return np.asarray(pool[value.argmax()])


def swarm(quick: Quick, box: Array, asked: int, rng: np.random.Generator) -> Array:
    """Particle swarm of 80: inertia 0.5, cognitive and social component 2."""
    size = min(80, max(asked // 5, 4))
    place, speed = _uniform(rng, box, size), np.zeros((size, 2))
    own, value = place.copy(), quick(place)
    while quick.n_asked + size <= asked:
        pull = rng.random((2, size, 2))
        speed = (
            0.5 * speed + 2 * pull[0] * (own - place) + 2 * pull[1] * (own[value.argmax()] - place)
        )
        place = np.clip(place + speed, *box)
        found = quick(place)
        better = found > value
        own[better], value[better] = place[better], found[better]
    return np.asarray(own[value.argmax()])


def evolution(quick: Quick, box: Array, asked: int, rng: np.random.Generator) -> Array:
    """Differential evolution of 50: scale 0.8, crossover 0.5 (scipy, not polished)."""
    from scipy.optimize import Bounds, differential_evolution

    def low(points: Array) -> Any:
        return -quick(points.T)

    found = differential_evolution(
        low,
        Bounds(box[0], box[1]),
        init=_uniform(rng, box, 50),
        mutation=0.8,
        recombination=0.5,
        maxiter=max(asked // 50 - 1, 0),
        tol=0,
        polish=False,
        rng=rng,
        vectorized=True,
        updating="deferred",
    )
    return np.asarray(found.x)


def annealing(quick: Quick, box: Array, asked: int, rng: np.random.Generator) -> Array:
    """Generalised annealing: temperature 5230, visit 2.62, accept -5 (scipy, no local search).

    It sees a grid of 1e-4 of the box. Its jumps are up to 1e8 boxes long and are folded back, so
    that where they end is known to some 1e-8 of it only, and differs from processor to processor.
    """
    from scipy.optimize import Bounds, dual_annealing

    step = _FINEST * (box[1] - box[0])

    def low(point: Array) -> float:
        return -float(quick((np.round(point / step) * step)[None])[0])

    found = dual_annealing(
        low,
        Bounds(box[0], box[1]),
        initial_temp=5230,
        visit=2.62,
        accept=-5.0,
        maxiter=100_000,
        maxfun=asked,
        no_local_search=True,
        rng=rng,
        x0=_uniform(rng, box, 1)[0],
    )
    return np.asarray(np.round(found.x / step) * step)


SEARCHES: Mapping[str, Search] = {
    "abc": bees,
    "ga": genes,
    "pso": swarm,
    "de": evolution,
    "sa": annealing,
}
PRINTED = {"abc": 200, "ga": 1000, "pso": 16_000, "de": 1000, "sa": 400}
"""Evaluations of the printed settings; DE's generations are not printed (20), nor what an epoch of
ABC is beside ``maxiter`` (20 bees for 10 epochs), and SA visits four points a step."""


def _uniform(rng: np.random.Generator, box: Array, n: int) -> Array:
    return np.asarray(rng.uniform(box[0], box[1], (n, 2)))
