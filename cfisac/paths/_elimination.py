"""Removal of owners' unknowns from slopes, owner by owner, with the rounding carried along."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac.paths._core import Paths

if TYPE_CHECKING:
    from cfisac.paths._unknowns import Unknown

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
_EPS = np.finfo(float).eps
_AT_ONCE = 2**15  # entries that stay in the cache


class _Term(NamedTuple):
    """What one end of all paths has of one kind: its owner's node, and where its columns are."""

    node: IntArray  # (paths,), -1 for nobody
    std: Array  # (paths, m), of the owner; less where that is more than the slopes tell
    source: slice  # among the columns of the slopes
    within: slice  # among the columns of the owner


def what_remains(paths: Paths, unknown: Sequence["Unknown"]) -> tuple[Array, Array]:
    """Slopes (rows, n) of the state that the owners' numbers cannot explain, and their rounding."""
    n, k = paths.jacobian.shape[-2:][::-1]
    pairs = [pair for each in unknown for pair in each.terms]
    for _, columns in pairs:
        if columns.shape[-2] != k:
            raise ValueError(f"columns must have {k} rows, one per parameter, got {columns.shape}")
    shape = _checks.must_broadcast(
        paths=paths.shape,
        **{f"owner {i}": owner.shape for i, (owner, _) in enumerate(pairs)},
        **{f"columns {i}": columns.shape[:-2] for i, (_, columns) in enumerate(pairs)},
    )
    slopes, rounding = paths.with_unknown(*(columns for _, columns in pairs)).slopes()
    slopes, rounding = (
        np.broadcast_to(each, (*shape, *slopes.shape[-2:])).reshape(-1, *slopes.shape[-2:])
        for each in (slopes, rounding)
    )
    if not unknown:
        return slopes.reshape(-1, n), rounding.reshape(-1, n)
    pool, std, terms = _nodes(unknown, n, shape, slopes)
    first = _independent(terms, len(pool))
    # The others stand beside the state until the end.
    width = std.shape[1]
    beside = np.full(len(pool), -1)
    touched = np.unique(np.concatenate([term.node for term in terms]))
    later = touched[(touched >= 0) & ~first[touched]]
    beside[later] = np.arange(len(later))
    state = _beside(slopes, terms, beside, len(later) * width, n)
    wrong = _beside(rounding, terms, beside, len(later) * width, n)
    home = np.full(len(slopes), -1)
    for term in terms:
        mine = (term.node >= 0) & first[term.node]
        home[mine] = term.node[mine]
    own = _of_owner(slopes, terms, home, width)
    blur = _of_owner(rounding, terms, home, width)
    rows, noise = _one_by_one(home, own, blur, state, wrong, std)
    if len(later):
        kept = _prior_rows(std[later].ravel())
        rows = np.concatenate([rows, np.pad(kept, ((0, 0), (n, 0)))])
        noise = np.concatenate([noise, np.zeros((len(kept), n + kept.shape[1]))])
        rows, noise = project(rows[:, n:], noise[:, n:], rows[:, :n], noise[:, :n])
    return rows, noise


def project(columns: Array, blur: Array, slopes: Array, rounding: Array) -> tuple[Array, Array]:
    """Remove from slopes what columns explain; rounding as the root of a sum of squares.

    Columns (..., r, m) one after another, slopes (..., r, n). A column that is within its
    rounding, because the ones before it explain it, explains nothing.
    """
    m = columns.shape[-1]
    unit_of = _largest(np.maximum(np.abs(columns), blur), -2)
    columns, blur = columns / unit_of, blur / unit_of  # or squares would overflow
    both = np.swapaxes(np.concatenate([columns, slopes], axis=-1), -1, -2).copy()
    error = np.swapaxes(np.concatenate([blur, rounding], axis=-1), -1, -2) ** 2
    for j in range(m):
        off = error[..., j, :]
        # Entry by entry, or a faint prior would let rounding explain something.
        column = np.where(both[..., j, :] ** 2 <= off, 0.0, both[..., j, :])
        hidden = np.all(column == 0, axis=-1, keepdims=True)
        if np.all(hidden):
            continue
        longest = _largest(np.abs(column), -1)
        unit = column / longest
        length = np.sqrt(np.einsum("...r,...r->...", unit, unit))[..., None]
        unit = unit / np.where(hidden, 1.0, length)
        with np.errstate(over="ignore"):
            tilt = np.minimum(np.sqrt(off) / longest, 1.0) ** 2 / np.where(
                hidden, np.inf, length**2
            )
        rest, noise = both[..., j + 1 :, :], error[..., j + 1 :, :]
        size = np.einsum("...cr,...cr->...c", rest, rest)
        share = np.einsum("...cr,...r->...c", rest, unit)
        rest -= share[..., None] * unit[..., None, :]
        rest -= np.einsum("...cr,...r->...c", rest, unit)[..., None] * unit[..., None, :]
        square = unit**2
        common = np.einsum("...cr,...r->...c", noise, square) + (4 * _EPS) ** 2 * size
        noise += common[..., None] * square[..., None, :]
        noise += (share**2)[..., None] * tilt[..., None, :]
    left, wrong = both[..., m:, :], np.sqrt(error[..., m:, :])
    return np.swapaxes(left, -1, -2), np.swapaxes(wrong, -1, -2)


def _largest(size: Array, axis: int) -> Array:
    """The largest along an axis, which stays; 1 where all are zero."""
    largest = np.max(size, axis=axis, keepdims=True, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def _nodes(
    unknown: Sequence["Unknown"], n: int, shape: tuple[int, ...], slopes: Array
) -> tuple[list[str], Array, list[_Term]]:
    """All owners in one row, their deviations (nodes, width; 0 where there is none), all terms.

    Deviations are in units in which the largest slope of a number is one.
    """
    pools: dict[str, list[Unknown]] = {}
    for each in unknown:
        pools.setdefault(each.pool, []).append(each)
    sizes = {name: max(len(each.std) for each in kinds) for name, kinds in pools.items()}
    base = dict(zip(pools, np.cumsum([0, *sizes.values()]), strict=False))
    width = max(sum(each.std.shape[1] for each in kinds) for kinds in pools.values())
    std = np.zeros((sum(sizes.values()), width))
    used, terms, source = dict.fromkeys(pools, 0), [], n
    for each in unknown:
        m, start = each.std.shape[1], used[each.pool]
        within = slice(start, start + m)
        steep = np.abs(slopes[..., source : source + m * len(each.terms)])
        steep = np.max(steep.reshape(-1, len(each.terms), m), axis=(0, 1), initial=0.0)
        steep = np.where(steep > 0, steep, 1.0)
        with np.errstate(over="ignore"):  # beyond a number is as good as unknown
            own = each.std * steep
        std[base[each.pool] : base[each.pool] + len(own), within] = own
        scale = np.minimum(own, 1.0) / steep
        for owner, _ in each.terms:
            index = np.broadcast_to(owner, shape).ravel()
            node = np.where(index < 0, -1, index + base[each.pool])
            terms.append(_Term(node, scale[index], slice(source, source + m), within))
            source += m
        used[each.pool] += m
    return [name for name in pools for _ in range(sizes[name])], std, terms


def _independent(terms: Sequence[_Term], number: int) -> NDArray[np.bool_]:
    """Owners no two of which share a path, those with few neighbours first."""
    from scipy import sparse  # imported late: few bounds come this way

    pairs = [
        np.stack([a.node, b.node])[:, (a.node >= 0) & (b.node >= 0) & (a.node != b.node)]
        for i, a in enumerate(terms)
        for b in terms[:i]
    ]
    edges = np.unique(np.concatenate([np.zeros((2, 0), int), *pairs], axis=1), axis=1)
    graph = sparse.coo_array((np.ones(edges.shape[1]), edges), shape=(number, number)).tocsr()
    graph = (graph + graph.T).tocsr()
    degree = np.diff(graph.indptr)
    chosen, blocked = degree == 0, np.zeros(number, dtype=bool)
    for node in np.argsort(degree, kind="stable")[np.count_nonzero(chosen) :]:
        if not blocked[node]:
            chosen[node] = True
            blocked[graph.indices[graph.indptr[node] : graph.indptr[node + 1]]] = True
    return chosen


def _beside(values: Array, terms: Sequence[_Term], beside: IntArray, width: int, n: int) -> Array:
    """State and the numbers of owners that stand beside it, (paths, k, n + width)."""
    count, k = values.shape[:2]
    whole = np.concatenate([values[..., :n], np.zeros((count, k, width))], axis=-1)
    if not width:
        return whole
    each = width // (beside.max() + 1)
    for term in terms:
        mine = np.nonzero((term.node >= 0) & (beside[term.node] >= 0))[0]
        place = n + each * beside[term.node[mine]]
        for j, column in enumerate(range(term.source.start, term.source.stop)):
            part = values[mine, :, column] * term.std[mine, None, j]
            whole[mine, :, place + term.within.start + j] += part
    return whole


def _of_owner(values: Array, terms: Sequence[_Term], home: IntArray, width: int) -> Array:
    """Columns of the owner that each path is sorted under, (paths, k, width)."""
    whole = np.zeros((*values.shape[:2], width))
    for term in terms:
        mine = np.nonzero((term.node >= 0) & (term.node == home))[0]
        part = values[mine][..., term.source] * term.std[mine][:, None]
        whole[mine, :, term.within] += part
    return whole


def _one_by_one(
    home: IntArray, own: Array, blur: Array, state: Array, wrong: Array, std: Array
) -> tuple[Array, Array]:
    """Project out the owner that each path is sorted under; owners with as many paths at once."""
    k, width, n = own.shape[1], own.shape[2], state.shape[2]
    free = home < 0
    rows, noise = [state[free].reshape(-1, n)], [wrong[free].reshape(-1, n)]
    order = np.argsort(home, kind="stable")[np.count_nonzero(free) :]
    nodes, start, count = np.unique(home[order], return_index=True, return_counts=True)
    # Filled up to the next power of two, so that there are few sizes and no long tail.
    level = np.ceil(np.log2(np.maximum(count, 1))).astype(int)
    for size in np.unique(level):
        group = np.nonzero(level == size)[0]
        at = start[group, None] + np.arange(2**size)
        there = np.arange(2**size) < count[group, None]
        path = order[np.where(there, at, start[group, None])]
        blocks = [
            np.where(there[..., None, None], each[path], 0.0).reshape(len(group), -1, each.shape[2])
            for each in (own, blur, state, wrong)
        ]
        extra = _prior_rows(std[nodes[group]])
        none = np.zeros((len(group), width, n))
        filled = [
            np.concatenate([block, more], axis=1)
            for block, more in zip(blocks, (extra, 0 * extra, none, none), strict=True)
        ]
        step = max(1, _AT_ONCE // filled[0][0].size)
        parts = [
            project(*(block[i : i + step] for block in filled)) for i in range(0, len(group), step)
        ]
        left, off = (np.concatenate(each) for each in zip(*parts, strict=True))
        real = np.concatenate([np.repeat(there, k, axis=1), np.ones((len(group), width), bool)], 1)
        rows.append(left[real])
        noise.append(off[real])
    return np.concatenate(rows), np.concatenate(noise)


def _prior_rows(std: Array) -> Array:
    """Rows that a prior adds, in units of the deviations, but of one where they are more.

    None where nothing or all is known.
    """
    row = 1 / np.maximum(std, 1.0)
    return np.eye(std.shape[-1]) * np.where(std > 0, row, 0.0)[..., None]
