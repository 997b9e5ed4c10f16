"""Which paths must fall silent together before a parameter is lost: flats of a matroid."""

from itertools import combinations, islice
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac._rounding import transpose

Array = NDArray[np.float64]

_MOST = 200_000  # sets of paths that are looked at
_BLOCK = 4096  # of them at a time
_HIDDEN = 1e-9  # share of a hidden direction that belongs to a parameter which it hides


class Silence(NamedTuple):
    """What silences cost.

    Attributes
    ----------
    order : (n,) int
        The least number of paths without which a parameter cannot be identified.
    critical : (n, L) bool
        Whether a path belongs to such a least set.
    """

    order: NDArray[np.int64]
    critical: NDArray[np.bool_]


def silence(units: Array) -> Silence:
    """Find the least sets of silent paths, for paths (L, n, n) with diagonals of size one.

    The paths that do not see a direction w can all be left, the others must fall silent. The
    largest sets that leave parameter j hidden are *flats*: all paths that lie within what a few
    of them see. At most n - 1 paths span such a flat, since each adds a dimension and one stays
    hidden, so trying all sets of that size finds them all.
    """
    n_paths, n = units.shape[:2]
    tried = sum(comb(n_paths, size) for size in range(n))
    if tried > _MOST:
        raise ValueError(
            f"each must have fewer paths or unknowns: {n_paths} paths with {n} unknowns ask for "
            f"{tried} sets of paths, {_MOST} are allowed"
        )
    trace = np.trace(units, axis1=-2, axis2=-1)[:, None, None]
    units = units / np.where(trace > 0, trace, 1.0)  # how strong a path is does not matter
    order = np.full(n, n_paths + 1)
    critical = np.zeros((n, n_paths), dtype=bool)
    for size in range(n):
        every = combinations(range(n_paths), size)
        while block := list(islice(every, _BLOCK)):
            sets = np.array(block, dtype=np.int64).reshape(len(block), size)
            hidden, silent = _flats(units, sets)
            number = silent.sum(axis=-1)
            for j in range(n):
                found = np.where(hidden[:, j], number, n_paths + 1)
                least = found.min()
                if least < order[j]:
                    order[j], critical[j] = least, False
                if least == order[j]:
                    critical[j] |= np.any(silent[found == least], axis=0)
    return Silence(order, critical)


def _flats(units: Array, sets: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which parameters (S, n) each set of paths hides, and which paths (S, L) lie outside it."""
    n = units.shape[-1]
    floor = 64 * n * np.finfo(float).eps
    values, vectors = np.linalg.eigh(units[sets].sum(axis=1))
    unseen = vectors * (values <= floor)[:, None, :]  # (S, n, n)
    hidden = np.sum(unseen**2, axis=-1) > _HIDDEN
    projector = unseen @ transpose(unseen)
    outside = np.einsum("sij,lij->sl", projector, units) > floor
    return hidden, outside
