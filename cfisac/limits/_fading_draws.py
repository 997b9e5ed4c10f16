"""Draws of how faded paths share their power, and the bounds that go with them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cfisac._rounding import seen_ones, transpose
from cfisac.limits._diversity import Silence

Array = NDArray[np.float64]

_BLOCK = 2048  # draws worked on at a time
_FLATTEST = 0.25  # shape of the flattest proposal: below it draws leave floating point


def inverses(
    units: Array,
    silent: Silence,
    finite: NDArray[np.bool_],
    m: float,
    power: float,
    rng: np.random.Generator,
    size: int,
) -> Iterator[tuple[Array, Array]]:
    """Yield inverses (b, n, n) of sums of paths (L, n, n) with random shares, and weights (b,).

    The weighted mean is that over Gamma gains of shape m that sum to one. For a parameter that is
    lost without k paths, ``CRB^power`` grows as ``r^-power`` where these have shares of the order
    r, of which there are ``r^(k m - 1) dr``. Its square has no mean if ``k m <= 2 power``; then
    half of the draws give such paths the shape ``m - power / k``, with which weight times bound
    stays bounded (or 1/4 if that is more, with which its square has a mean).
    """
    n_paths = len(units)
    order = np.where(finite, silent.order[: len(finite)], n_paths + 1)
    flat = np.full(n_paths, m)
    k = int(order.min())
    if k * m <= 2 * power and k < n_paths:
        near = (order * m <= 2 * power) & finite
        flat[np.any(silent.critical[: len(finite)][near], axis=0)] = max(m - power / k, _FLATTEST)
    roots, unseen = _roots(units), _unseen(units.sum(axis=0))
    for start in range(0, size, _BLOCK):
        number = min(_BLOCK, size - start)
        shape = np.broadcast_to(np.full(n_paths, m), (number, n_paths)).copy()
        if np.any(flat != m):
            shape[::2] = flat
        parts = rng.standard_gamma(shape)
        share = parts / parts.sum(axis=-1, keepdims=True)
        yield _inverse(share, roots, unseen), _weight(share, flat, m, number)


def _weight(share: Array, flat: Array, m: float, number: int) -> Array:
    """Density of shares over that of which they were drawn, half from each."""
    from scipy.special import gammaln

    changed = flat != m
    if not np.any(changed):
        return np.ones(number)
    constant = gammaln(flat.sum()) - gammaln(m * len(flat)) + np.sum(gammaln(m) - gammaln(flat))
    ratio = np.exp(constant + np.log(share[:, changed]) @ (flat - m)[changed])
    flatter = (number + 1) // 2 / number
    return np.asarray(1 / (1 - flatter + flatter * ratio))


def _roots(units: Array) -> Array:
    """R_l (L, r, n) with ``R_l^T R_l = F_l``; what is but rounding is left out."""
    values, vectors = np.linalg.eigh(units)
    noise = 64 * units.shape[-1] * np.finfo(float).eps
    told = values > noise * values[:, -1:]
    rows = np.sqrt(np.where(told, values, 0.0))[..., None] * transpose(vectors)
    return np.asarray(rows[:, np.any(told, axis=0)])


def _unseen(total: Array) -> Array:
    """Unit rows (d, n) along what no path sees; a parameter that they do not move keeps its bound.

    (The inverse of the sum with these rows is the pseudo-inverse of the sum, and the rows.)
    """
    values, vectors = np.linalg.eigh(total)
    return np.asarray(vectors[:, ~seen_ones(values, np.finfo(float).eps)].T)


def _inverse(share: Array, roots: Array, unseen: Array) -> Array:
    """Inverses (b, n, n) of sums of paths, by the factor of their stacked roots.

    Through the roots a share of 1e-20 counts, which in the sum itself would be lost.
    """
    rows = (np.sqrt(share)[:, :, None, None] * roots).reshape(len(share), -1, roots.shape[-1])
    rows = np.concatenate([rows, np.broadcast_to(unseen, (len(rows), *unseen.shape))], axis=1)
    half = np.linalg.inv(np.linalg.qr(rows, mode="r"))
    return np.asarray(half @ transpose(half))
