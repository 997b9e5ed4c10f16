"""Signals that overlap: what each still tells when the gains of all of them are unknown.

A signal is a product of factors (array, subcarriers, symbols). Its inner products with the others
are products over the factors, and those of an arithmetic progression of phases have closed sums.
With the gains unknown, derivatives count only by what is orthogonal to all signals. Where two
signals nearly coincide their span is not told by them to any digit, but by one of them and the
difference: then the difference, computed as such and not as the difference of two tables, takes
the place of the second signal, and the differences of the derivatives that of its derivatives.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import _rounding
from cfisac._rounding import adjoint

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Index = NDArray[np.int64]

_EPS = float(np.finfo(float).eps)
_NEAR = 0.99  # correlation from which a signal is replaced by its difference from another
_TERMS = 19  # of the power series of (1 / x - cot x) / x in x^2


class Factor(NamedTuple):
    """One factor of the signals of many items, U signals each.

    Parameters
    ----------
    table : (n_items, 2 U, 2 U)
        Inner products of the factors and of their derivatives, the latter behind the former.
    rounding : (n_items, U)
        How far each factor may be off, in its own norm, because its argument is rounded.
    near : callable
        Takes the numbers of some items (n,), of m signals (m,) and of the m that these are near to
        (m,). Returns the vectors (n, 2 U, length) of all factors and their derivatives; (n, 4 m,
        length) those of the m others, in the scale that fits best, and the differences from them;
        and that scale (n, m).
    """

    table: NDArray[Any]
    rounding: Array
    near: Callable[[Index, Index, Index], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]


def geometric_sums(turn: Array, size: Any) -> tuple[Array, Array, Array]:
    """Mean of ``exp(j k turn)`` over ``size`` steps k around zero, and two derivatives by ``turn``.

    ``sin(n x / 2) / (n sin(x / 2))``, real because k and -k come in pairs. Where the derivatives
    would be left by a cancellation, within the main lobe, they are taken from the logarithm.

    Parameters
    ----------
    turn : (...) float
        In rad.
    size : (...) int
        n >= 1.

    Returns
    -------
    three arrays (...)
        Exact to a few roundings of their largest values, 1, n / 2 and n^2 / 4; the derivatives
        exactly zero for n = 1.
    """
    turn, n = np.broadcast_arrays(turn, np.asarray(size, dtype=float))
    whole = np.round(turn / (2 * np.pi))
    z = (turn - 2 * np.pi * whole) / 2
    y = n * z
    main = np.abs(y) <= 1
    # Outside the main lobe, from the quotient.
    safe = np.where(main, 1.0, z)
    sine, cosine = np.sin(safe), np.cos(y)
    cotangent, square = np.cos(safe) / sine, 1 / (2 * sine) ** 2
    mean = np.sin(n * safe) / (n * sine)
    slope = cosine / (2 * sine) - cotangent * mean / 2
    bend = (square - n**2 / 4) * mean - cosine * cotangent / (4 * sine) - cotangent * slope / 2
    # Inside, from the logarithm: the poles of n cot(n z) and cot(z) cancel, and what is left of
    # each is a power series.
    n_in, y_in, z_in = n[main], y[main], z[main]
    rest_y, slope_y = _cotangent_rest(y_in, _TERMS)
    rest_z, slope_z = _cotangent_rest(z_in, 12)  # |z| <= 1/2, or n is one
    away = np.where(y_in == 0, 1.0, z_in)
    mean_in = np.where(y_in == 0, 1.0, np.sin(n_in * away) / (n_in * np.sin(away)))
    by_log = (rest_z - n_in**2 * rest_y) * z_in / 2
    mean, slope, bend = (np.array(each) for each in (mean, slope, bend))
    mean[main], slope[main] = mean_in, mean_in * by_log
    bend[main] = mean_in * (by_log**2 + (slope_z - n_in**2 * slope_y) / 4)
    sign = np.where((n - 1) * whole % 2 == 0, 1.0, -1.0)
    more = np.where(n == 1, 0.0, sign)
    return np.where(n == 1, 1.0, sign * mean), more * slope, more * bend


@functools.cache
def _cotangent() -> Array:
    """Coefficients of the power series of ``(1 / x - cot x) / x`` in ``x^2``."""
    from scipy.special import zeta  # imported late: it takes as long as all the rest

    orders = np.arange(1, _TERMS + 1)
    return 2 * zeta(2.0 * orders) / np.pi ** (2 * orders)


def _cotangent_rest(x: Array, n_terms: int) -> tuple[Array, Array]:
    """``1 / x - cot x``, over x, and its derivative: 19 terms for |x| <= 1, 12 for 1/2."""
    square, rest, slope = x**2, np.zeros(x.shape), np.zeros(x.shape)
    factors = _cotangent()
    for order in range(n_terms, 0, -1):
        factor = factors[order - 1]
        rest *= square
        rest += factor
        slope *= square
        slope += (2 * order - 1) * factor
    return rest, slope


def progression(values: Array, step: float, size: Any) -> Factor:
    """Factor ``exp(j step value k) / sqrt(size)`` at ``size`` steps k around zero.

    Parameters
    ----------
    values : (n_items, U) float
    step : float
        So that the product with ``values`` is in rad.
    size : int or (n_items, 1)
        How many samples; the derivative by a value is counted from their middle.
    """
    number = np.broadcast_to(np.asarray(size), (len(values), 1))
    n = values.shape[-1]
    first, second = np.triu_indices(n)
    sums = geometric_sums(step * (values[:, second] - values[:, first]), number)
    table = hermitian(n, sums[0], step * sums[1], -(step**2) * sums[2])

    def near(items: Index, some: Index, others: Index) -> tuple[ComplexArray, ComplexArray, Array]:
        n = number[items][..., None]
        k = step * (np.arange(np.max(n)) - (n - 1) / 2)
        share = np.where(np.abs(k) < abs(step) * n / 2, 1 / np.sqrt(n), 0.0)
        own = values[items][..., None]
        signal, apart = share * np.exp(1j * own * k), share * turned_apart(own, k, some, others)
        return near_rows(signal, apart, k, others)

    rounding = 4 * _EPS * (1 + np.abs(step * values) * number / 2)
    return Factor(table, rounding, near)


def turned_apart(own: Array, k: NDArray[Any], some: Index, others: Index) -> ComplexArray:
    """``exp(j a k) - exp(j b k)`` for some of the values ``own`` (n, U, 1) and the others."""
    middle, half = ((own[:, some] + sign * own[:, others]) / 2 for sign in (1, -1))
    return 2j * np.sin(half * k) * np.exp(1j * middle * k)


def near_rows(
    signal: ComplexArray, apart: ComplexArray, k: NDArray[Any], others: Index
) -> tuple[ComplexArray, ComplexArray, Array]:
    """What ``near`` of a :class:`Factor` returns, of signals whose derivatives are j k times them.

    ``apart`` (n, m, ...) are the differences from the others, whose scale is one.
    """
    slope, scale = 1j * k * signal, np.ones(apart.shape[:2])
    close = [signal[:, others], slope[:, others], apart, 1j * k * apart]
    return np.concatenate([signal, slope], axis=1), np.concatenate(close, axis=1), scale


def repeated(factor: Factor, which: Index) -> Factor:
    """The same factor for many items, ``which`` (n_items,) of those that it was made for."""

    def near(items: Index, some: Index, others: Index) -> Any:
        return factor.near(which[items], some, others)

    return Factor(factor.table[which], factor.rounding[which], near)


def hermitian(n: int, both: NDArray[Any], one: NDArray[Any], two: NDArray[Any]) -> NDArray[Any]:
    """Table of a :class:`Factor` from its pairs u <= v of signals, (n_items, n (n + 1) / 2).

    Inner products of two factors, of the first and the second's derivative, of two derivatives. The
    derivatives are to be centred, and like j times the factor: ``<f', g> = -<f, g'>``.
    """
    first, second = np.triu_indices(n)
    table = np.empty((len(both), 2, n, 2, n), np.result_type(both, one, two))
    for i, j, each in ((0, 0, both), (0, 1, one), (1, 0, -one), (1, 1, two)):
        table[:, i, first, j, second] = each
        table[:, j, second, i, first] = np.conj(each)
    return table.reshape(len(both), 2 * n, 2 * n)


def plain_moments(tables: Sequence[NDArray[Any]], slopes: Sequence[Sequence[int]]) -> NDArray[Any]:
    """Inner products (n_items, C, C) of U signals and, behind them, their K derivatives each."""
    n_items, n, n_slopes = len(tables[0]), tables[0].shape[-1] // 2, len(slopes)
    size = n * (1 + n_slopes)
    moments = np.zeros((n_items, size, size), np.result_type(*tables))
    parts = [slice(0, n), *(slice(n + k, None, n_slopes) for k in range(n_slopes))]
    sides = [table.reshape(n_items, 2, n, 2, n) for table in tables]
    # What costs is the products: real and complex factors apart, each once, one Hermitian half.
    kinds_of_number = [np.iscomplexobj(side) for side in sides]
    apart = [[h for h, one in enumerate(kinds_of_number) if one == kind] for kind in (0, 1)]

    @functools.cache
    def product(kind: int, f: int, g: int) -> Any:
        chosen = [sides[h][:, int(h == f), :, int(h == g)] for h in apart[kind]]
        return functools.reduce(np.multiply, chosen) if chosen else 1.0

    kinds: list[Sequence[int]] = [[-1], *slopes]
    for i, left in enumerate(kinds):
        for j, right in enumerate(kinds[i:], start=i):
            block = moments[:, parts[i], parts[j]]
            for f, g in itertools.product(left, right):
                pair = [
                    product(kind, *(h if h in apart[kind] else -1 for h in (f, g)))
                    for kind in (0, 1)
                ]
                block += pair[0] * pair[1]
            if i != j:
                moments[:, parts[j], parts[i]] = adjoint(block)
    return moments


def near_moments(
    tables: Sequence[NDArray[Any]], slopes: Sequence[Sequence[int]], other: Index
) -> NDArray[Any]:
    """The same with differences from ``other`` signals (U,) in the place of near ones.

    The tables have the rows of :class:`Factor`'s ``near``: all factors and derivatives, then the
    others and the differences. The difference of two products is a sum: factor by factor one is
    turned into the other.
    """
    n, some = len(other), np.flatnonzero(other != np.arange(len(other)))
    place = {int(u): 2 * n + k for k, u in enumerate(some)}
    m, n_factors = len(some), len(tables)

    def terms(u: int, derived: int) -> list[list[int]]:
        if u not in place:
            return [[u + n * (f == derived) for f in range(n_factors)]]
        return [
            [
                u + n * (f == derived) if f > turned
                else place[u] + m * (f == derived) + 2 * m * (f == turned)
                for f in range(n_factors)
            ]
            for turned in range(n_factors)
        ]  # fmt: skip

    columns = [terms(u, -1) for u in range(n)]
    columns += [[t for f in where for t in terms(u, f)] for u in range(n) for where in slopes]
    rows = np.array([term for column in columns for term in column])
    starts = np.cumsum([0, *(len(column) for column in columns[:-1])])
    product: Any = 1.0
    for f, table in enumerate(tables):
        product = product * table[:, rows[:, f, None], rows[:, f]]
    return np.add.reduceat(np.add.reduceat(product, starts, axis=-1), starts, axis=-2)


def left_without_gains(
    factors: Sequence[Factor], slopes: Sequence[Sequence[int]]
) -> tuple[NDArray[Any], Array]:
    """What the derivatives of all signals keep that no unknown gain of any of them can imitate.

    Parameters
    ----------
    factors : sequence of Factor
        Whose products the U signals are.
    slopes : sequence of sequences of int
        For each of the K parameters of a signal, the factors that it is in.

    Returns
    -------
    left : (n_items, U K, U K)
        Inner products of the derivatives' parts that are orthogonal to all U signals; the
        parameters of the first signal first.
    size : (n_items, U K)
        Size of the terms that cancelled on the diagonal: ``left`` is known to that many roundings.

    Notes
    -----
    Signals that are linearly dependent, to rounding, keep nothing. The receiver cannot tell how
    the gain is shared between them: it would see the same if one of them had none, and that one's
    parameters could then be anything. Nor does a signal that is lost, whose norm is zero.
    The other signals are judged as if the parameters of these were known: no estimator can do
    better.
    """
    n_items, n, k = len(factors[0].table), factors[0].table.shape[-1] // 2, len(slopes)
    tables = [factor.table for factor in factors]
    whole = plain_moments(tables, slopes)
    own = np.arange(n)
    other = np.broadcast_to(own, (n_items, n))
    norm = np.sqrt(np.abs(np.diagonal(whole, axis1=-2, axis2=-1)[:, :n]))
    unit = np.where(norm > 0, norm, 1.0)
    likeness = np.tril(np.abs(whole[:, :n, :n]) / (unit[:, :, None] * unit[:, None, :]), -1)
    other = np.where(likeness.max(axis=-1) > _NEAR, likeness.argmax(axis=-1), other)
    left, size = np.empty((n_items, n * k, n * k), whole.dtype), np.empty((n_items, n * k))
    dependent = np.zeros((n_items, n), bool)
    patterns, which = np.unique(other, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        items = np.flatnonzero(which.ravel() == number)
        if np.all(pattern == own):
            all_of_them = whole if len(items) == n_items else whole[items]
            blur = np.zeros((len(items), n))
            left[items], size[items], dependent[items] = _left(all_of_them, blur)
            continue
        near = np.flatnonzero(pattern != own)
        tables, scale = [], np.ones((len(items), n), whole.dtype)
        for factor in factors:
            plain, close, fitted = factor.near(items, near, pattern[near])
            turned, known = np.swapaxes(close, -1, -2), 2 * n
            beside = np.conj(plain) @ turned
            table = np.empty((len(items), *(known + close.shape[1],) * 2), complex)
            table[:, :known, :known], table[:, :known, known:] = factor.table[items], beside
            table[:, known:, :known] = adjoint(beside)
            table[:, known:, known:] = np.conj(close) @ turned
            tables.append(table if np.iscomplexobj(whole) else table.real)
            scale[:, near] *= fitted
        moments = near_moments(tables, slopes, pattern)
        blur = np.sum([factor.rounding[items] for factor in factors], axis=0)
        blur = np.where(pattern == own, 0.0, blur + np.abs(scale) * blur[:, pattern]) * norm[items]
        # Back from the differences: each signal is the difference plus the one that it is near to.
        back = np.broadcast_to(np.eye(n, dtype=scale.dtype), (len(items), n, n)).copy()
        forth = back.copy()
        for u in near:
            back[:, :, u] += scale[:, u, None] * back[:, :, pattern[u]]
            forth[:, pattern[u], u] -= scale[:, u]
        part, terms, dependent[items] = _left(moments, blur, forth)
        back = np.einsum("xuv,ij->xuivj", back, np.eye(k)).reshape(len(items), n * k, n * k)
        left[items] = adjoint(back) @ part @ back
        size[items] = np.sum(np.abs(back) * np.sqrt(terms)[:, :, None], axis=-2) ** 2
    blind = np.repeat(dependent, k, axis=-1)
    left[blind[:, :, None] | blind[:, None, :]] = 0.0
    return left, size


def _left(
    moments: NDArray[Any], blur: Array, forth: NDArray[Any] | None = None
) -> tuple[NDArray[Any], Array, NDArray[np.bool_]]:
    """Schur complement of the first U columns, of which ``blur`` (n_items, U) is rounding.

    If these are differences, ``forth`` has them as columns, by the signals. Also the size of its
    terms, and which signals are linearly dependent.
    """
    n = blur.shape[-1]
    norm = np.sqrt(np.abs(np.diagonal(moments, axis1=-2, axis2=-1)))
    lost = norm[:, :n] <= blur
    scale = np.where(lost, 0.0, 1 / np.where(lost, 1.0, norm[:, :n]))
    gram = scale[:, :, None] * moments[:, :n, :n] * scale[:, None, :] + lost[..., None] * np.eye(n)
    cross = scale[:, :, None] * moments[:, :n, n:]
    values, vectors = np.linalg.eigh(gram)
    void = values <= 32 * n * _EPS
    inverse = np.where(void, 0.0, 1 / np.where(void, 1.0, values))
    fit = vectors @ (inverse[..., None] * (adjoint(vectors) @ cross))
    left = moments[:, n:, n:] - adjoint(cross) @ fit
    dependent = np.zeros(lost.shape, bool)
    some = np.flatnonzero(np.any(void | lost, axis=-1))
    if len(some):
        # Combinations of the signals that are nothing, one in each column.
        nothing = scale[some][:, :, None] * vectors[some] * void[some][:, None, :]
        nothing = np.concatenate([nothing, lost[some][:, :, None] * np.eye(n)], axis=-1)
        nothing = np.abs(nothing if forth is None else forth[some] @ nothing)
        dependent[some] = np.any(nothing > 1e-7 * nothing.max(axis=-2, keepdims=True), axis=-1)
    # A difference points where it does up to its rounding, whose square would pass for information.
    off = np.where(lost, 1.0, blur / np.where(lost, 1.0, norm[:, :n]))
    share = np.abs(fit)
    size = (norm[:, n:] + np.sum(share, axis=-2)) ** 2
    if np.any(off):
        size += np.sum(share * off[:, :, None], axis=-2) ** 2 / (8 * n * _EPS)
    return left, size, dependent


def without_rounding(efim: Array, terms: Array) -> Array:
    """Leave out of an EFIM (..., n, n) what is but the rounding of its ``terms`` (..., n).

    What is above a rounding of the terms that cancelled keeps its digits, the others are zero.
    """
    unit = np.sqrt(np.where(terms > 0, terms, 1.0))
    outer = unit[..., :, None] * unit[..., None, :]
    efim = (efim + np.swapaxes(efim, -1, -2)) / 2 / outer
    return outer * _rounding.without_rounding("efim", efim, 8 * efim.shape[-1] * _EPS)
