"""Rows and cones of the conic programs of a power allocation, and what they say of sensing."""

from typing import Any

import clarabel
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cfisac.designs._power_chosen import Chosen

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_LARGE = 100.0  # what entries of a cone may be
_MOST = 1e6  # Tr W where F is far better than it needs to be


class Rows:
    """Rows of a sparse program, cone by cone."""

    def __init__(self) -> None:
        self.entries: list[tuple[Index, Index, Array]] = []
        self.bounds: list[Array] = []
        self.cones: list[Any] = []
        self.height = 0
        self.starts: dict[str, int] = {}

    def add(self, name: str, height: int, cones: list[Any], bound: ArrayLike = 0.0) -> int:
        self.starts[name] = start = self.height
        self.height += height
        self.cones += cones
        self.bounds.append(np.broadcast_to(np.asarray(bound, dtype=float), height))
        return start

    def put(self, row: Any, column: Any, value: Any) -> None:
        """Entries of ``bounds - rows x``, so that each stands as it is in the constraint."""
        rows, columns, values = np.broadcast_arrays(row, column, -np.asarray(value, dtype=float))
        self.entries.append((rows.ravel(), columns.ravel(), values.ravel()))

    def matrix(self, width: int) -> sparse.csc_matrix:
        rows, columns, values = (
            np.concatenate(list(each)) for each in zip(*self.entries, strict=True)
        )
        kept = values != 0
        shape = self.height, width
        return sparse.csc_matrix((values[kept], (rows[kept], columns[kept])), shape=shape)


def frames(chosen: Chosen, share: Array) -> Array:
    """Roots ``S = F^-1/2`` at some powers, (T, D, D), with which the 3 x 3 form is well scaled."""
    values, vectors = np.linalg.eigh(chosen.efim(share))
    fine = values[:, :1] > 1e-9 * values[:, -1:]
    root = np.where(fine, 1 / np.sqrt(np.where(fine, values, 1.0)), 1.0)
    return np.asarray((vectors * root[:, None]) @ np.swapaxes(vectors, -1, -2))


def _sizes(chosen: Chosen) -> Array:
    """What the cone of each target is divided by, (T,): loose limits make its entries large."""
    largest = np.trace(chosen.base, axis1=-2, axis2=-1).max(axis=0)
    if chosen.depart is not None:
        vectors = chosen.scaled_departure()[-1]
        largest = np.maximum(largest, np.sum(vectors**2, axis=(-2, -1)).max(axis=0))
    return np.maximum(1.0, largest / _LARGE)


def sensing(rows: Rows, chosen: Chosen, eta: Index, width: int, margin: float, frame: Array) -> int:
    """``Tr F_t^-1 <= 1`` for all targets, and the spread of the beams that F_t may count.

    For 2 x 2 matrices it is the second-order cone ``|(2, F11 - F22, 2 F12)| <= F11 + F22 - 2``:
    with eigenvalues x and y of F it says ``(x - 1)(y - 1) >= 1``, ``x + y >= 2``. For 3 x 3
    matrices it is ``[[S F S, I], [I, W]] >= 0``, ``<S^2, W> <= 1``, for any S of full rank.
    """
    n_targets, dimension = chosen.shape[2], chosen.base.shape[-1]
    upper = [(i, j) for j in range(dimension) for i in range(j + 1)]
    linear = np.einsum("pbt,ptij->pbtij", chosen.hit, chosen.base)
    unknown = [(linear, eta)]
    if chosen.depart is not None:
        vectors, spread, width = _spreads(rows, chosen, eta, width)
        unknown.append((vectors, spread))
    shrink, sizes = 1 - margin, _sizes(chosen)
    for t in range(n_targets):
        if dimension == 2:
            two = 2 / sizes[t]
            at = rows.add(f"target {t}", 4, [clarabel.SecondOrderConeT(4)], [-two, two, 0.0, 0.0])
            combine = ((0, 1.0, 1.0, 0.0), (2, 1.0, -1.0, 0.0), (3, 0.0, 0.0, 2.0))
            for values, column in unknown:
                each = values[:, :, t] * (shrink / sizes[t])
                where = column if column.ndim == 2 else column[:, :, t]
                for row, first, second, beside in combine:
                    entry = first * each[..., 0, 0] + second * each[..., 1, 1]
                    rows.put(at + row, where, entry + beside * each[..., 0, 1])
            continue
        scaled = [(frame[t] @ values[:, :, t] @ frame[t], column) for values, column in unknown]
        order = 2 * dimension
        at = rows.add(
            f"target {t}",
            order * (order + 1) // 2,
            [clarabel.PSDTriangleConeT(order)],
            _eyes(order),
        )
        inverse = np.arange(width, width + len(upper))
        width += len(upper)
        for number, (i, j) in enumerate(upper):
            root = 1.0 if i == j else np.sqrt(2)
            for values, column in scaled:
                where = column if column.ndim == 2 else column[:, :, t]
                rows.put(at + _place(i, j), where, root * values[..., i, j] * shrink)
            rows.put(at + _place(i + dimension, j + dimension), inverse[number], root)
        square = frame[t] @ frame[t]
        most = np.abs(square).max()
        square /= most
        last = rows.add(f"trace {t}", 1, [clarabel.NonnegativeConeT(1)], min(1 / most, _MOST))
        rows.put(last, inverse, [-square[i, j] * (1.0 if i == j else 2.0) for i, j in upper])
    return width


def _spreads(rows: Rows, chosen: Chosen, eta: Index, width: int) -> tuple[Array, Index, int]:
    """Variables W_pt (upper triangles) below the spread of the beams, what they add to F_t, where.

    ``[[b, d], [d^H, f - W]] >= 0``, whose real part is all that a real W asks for.
    """
    lits, besides, turneds, scaled = chosen.scaled_departure()
    n_aps, _, n_targets, across = besides.shape
    pairs = [(i, j) for j in range(across) for i in range(j + 1)]
    spread = width + np.arange(n_aps * len(pairs) * n_targets).reshape(n_aps, len(pairs), n_targets)
    for p in range(n_aps):
        for t in range(n_targets):
            lit, turned, beside = lits[p, :, t], turneds[p, :, t], besides[p, :, t]
            if across == 1:
                at = rows.add(f"spread {p} {t}", 4, [clarabel.SecondOrderConeT(4)])
                for row, sign in ((0, 1.0), (1, -1.0)):
                    rows.put(at + row, eta[p], lit + sign * turned[:, 0, 0])
                    rows.put(at + row, spread[p, 0, t], -sign)
                rows.put(at + 2, eta[p], 2 * beside[:, 0].real)
                rows.put(at + 3, eta[p], 2 * beside[:, 0].imag)
                continue
            order = 2 + across  # b, b, and W: real and imaginary part of d
            at = rows.add(
                f"spread {p} {t}", order * (order + 1) // 2, [clarabel.PSDTriangleConeT(order)]
            )
            for i in (0, 1):
                rows.put(at + _place(i, i), eta[p], lit)
            for k in range(across):
                rows.put(at + _place(0, 2 + k), eta[p], np.sqrt(2) * beside[:, k].real)
                rows.put(at + _place(1, 2 + k), eta[p], np.sqrt(2) * beside[:, k].imag)
            for number, (i, j) in enumerate(pairs):
                factor = 1.0 if i == j else np.sqrt(2)
                rows.put(at + _place(2 + i, 2 + j), eta[p], factor * turned[:, i, j])
                rows.put(at + _place(2 + i, 2 + j), spread[p, number, t], -factor)
    first, second = scaled[..., :, None, :], scaled[..., None, :, :]
    added = np.stack(
        [
            (first[..., i] * second[..., j] + first[..., j] * second[..., i]) / (1 + (i == j))
            for i, j in pairs
        ],
        axis=1,
    )
    return added, spread, width + spread.size


def prices(z: Array, rows: Rows, chosen: Chosen, frame: Array) -> Array:
    """Q_t from the multipliers of the sensing constraints, (T, D, D)."""
    n_targets, dimension = chosen.shape[2], chosen.base.shape[-1]
    found, sizes = np.zeros((n_targets, dimension, dimension)), _sizes(chosen)
    for t in range(n_targets):
        y = z[rows.starts[f"target {t}"] :]
        if dimension == 2:
            found[t] = np.array([[y[0] + y[2], y[3]], [y[3], y[0] - y[2]]]) / sizes[t]
            continue
        for j in range(dimension):
            for i in range(j + 1):
                value = y[_place(i, j)] / (1.0 if i == j else np.sqrt(2))
                found[t, i, j] = found[t, j, i] = value
        found[t] = frame[t] @ found[t] @ frame[t]
    return found


def _place(i: int, j: int) -> int:
    """Where the entry (i, j), i <= j, of an upper triangle stands, column by column."""
    return j * (j + 1) // 2 + i


def _eyes(order: int) -> Array:
    """The triangle of ``[[0, I], [I, 0]]``."""
    triangle = np.zeros(order * (order + 1) // 2)
    half = order // 2
    triangle[[_place(i, half + i) for i in range(half)]] = np.sqrt(2)
    return triangle
