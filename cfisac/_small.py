"""Bounds of many small information matrices, entry by entry instead of matrix by matrix.

Closed forms on rows of entries take a tenth of what linear algebra of one small matrix after the
other does. They also say which matrices are so far from a singular one that rounding decides
nothing; the others are :mod:`cfisac.fisher`'s.
"""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 4  # parameters up to which many matrices are worked on entry by entry
_MATRICES = 2**12  # of these at a time, so that their entries stay in the cache
# Information in units of the diagonal from which a matrix is clear of every rounding, of whatever
# its inverse magnifies; and the same in one unit for both coordinates.
_CLEAR, _ROUND = 1e-3, 1e-6


def _entries(matrices: Array) -> Iterator[tuple[slice, Array]]:
    """Rows (n, n, m) of the entries of some matrices of (..., n, n) at a time."""
    n = matrices.shape[-1]
    flat = matrices.reshape(-1, n * n)
    for start in range(0, len(flat), _MATRICES):
        block = slice(start, start + _MATRICES)
        yield block, np.array(flat[block].T, order="C").reshape(n, n, -1)


def bound_of_pairs(efim: Array) -> tuple[Array, NDArray[np.bool_]]:
    """PEB of 2 x 2 matrices, ``sqrt(tr F / det F)``, and where that is clear of all rounding."""
    bound, clear = np.empty(efim.shape[:-2]), np.empty(efim.shape[:-2], dtype=bool)
    flat_bound, flat_clear = bound.reshape(-1), clear.reshape(-1)
    with np.errstate(all="ignore"):
        for block, ((first, _), (beside, second)) in _entries(efim):
            square, trace = first * second, first + second
            determinant = square - beside * beside
            sound = determinant > _CLEAR * square
            sound &= determinant > _ROUND * (trace * trace)
            sound &= trace > 0
            flat_clear[block] = sound
            np.sqrt(np.divide(trace, determinant, out=square), out=flat_bound[block])
    return bound, clear


def eliminated(fim: Array, n_keep: int) -> tuple[Array, NDArray[np.bool_]]:
    """Schur complement of small matrices, and where that is clear of all rounding.

    The parameters are eliminated from the last to the first. What is left of the diagonal each
    time, over what it was, has as its product the determinant in units of the diagonal.
    """
    n, leading = fim.shape[-1], fim.shape[:-2]
    left, clear = np.empty((*leading, n_keep, n_keep)), np.empty(leading, dtype=bool)
    flat_left, flat_clear = left.reshape(-1, n_keep, n_keep), clear.reshape(-1)
    with np.errstate(all="ignore"):
        for block, entries in _entries(fim):
            before = [entries[k, k].copy() for k in range(n)]
            share = np.ones_like(before[0])
            alike = np.ones(share.shape, dtype=bool)
            for i, j in combinations(range(n), 2):
                alike &= entries[i, j] == entries[j, i]
            for k in range(n - 1, -1, -1):
                if k == n_keep - 1:
                    for i, j in product(range(n_keep), repeat=2):
                        flat_left[block, i, j] = entries[max(i, j), min(i, j)]
                alike &= entries[k, k] > 0
                share *= entries[k, k] / before[k]
                for i in range(k):
                    fit = entries[k, i] / entries[k, k]
                    for j in range(i + 1):
                        entries[i, j] -= fit * entries[k, j]
            flat_clear[block] = alike & (share > _CLEAR)
    return left, clear
