"""Information about a position at each of many points, from sums that cost O(P + R) a point.

A path by way of a point has a weight and slopes that are a transmitter's part times, or plus, a
receiver's. So the sum over P R paths is made of a few sums over the transmitters and the same over
the receivers. With the distance d, the unit vector u from the end to the point, ``a`` that vector
turned by +90 degrees, the power b and the angular spread c of the beams, ``w = b / d^2``, the slope
``o = kappa (a . axis)`` of the electrical angle times d and ``f = sqrt(v_nu) (a . v) / lambda`` of
the Doppler shift, they are the entries of::

    all  = sum w,                                  from = sum w u,
    turn = sum [(c o^2 + b f^2) / d^4 - v_tau w] a a^T,      drift = sum (w f / d) a,

and the information, in units of what is common to all paths, is::

    all_r turn_t + all_t turn_r + 2 v_tau all_t all_r I
        + v_tau (from_t from_r^T + from_r from_t^T) + drift_t drift_r^T + drift_r drift_t^T.

A receiver is an end that shines equally everywhere: b = 1, c = (M_r^2 - 1) / 12. A last sum is what
the others would be if nothing cancelled.

Power and spread are ratios of trigonometric polynomials of the electrical angle omega. Each is kept
as ``p(cos omega) + sin(omega) q(cos omega)``, both in Chebyshev polynomials: half as many functions
to evaluate as there are cosines and sines, all by one matrix product.

The sums come from one of three backends, which differ in nothing but rounding: NumPy below,
:mod:`cfisac.limits._map_fast` and :mod:`cfisac.limits._map_jax`.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Backend = Literal["numpy", "fast", "jax"]
Outside = Literal["raise", "nan"]

ROWS = 11  # nine sums, the largest and the smallest square of the distance
_EXTRAS = {"fast": ("_map_fast", "numba", "fast"), "jax": ("_map_jax", "jax", "gpu")}
_BLOCK = {"numpy": 6 * 2**10, "fast": 2**14, "jax": 2**20}  # points whose sums are held at a time
_ENDS = 2**8  # transmitters whose beam covariances are turned into polynomials at a time
_TURN = 2**14  # entries in the table of cosines and sines
_STEP = 2 * np.pi / _TURN
_COSINE, _SINE = (  # both halves of a turn from zero, where angles are known best
    f(_STEP * (np.arange(_TURN) - _TURN * (np.arange(_TURN) > _TURN // 2)))
    for f in (np.cos, np.sin)
)
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Ends:
    """All transmitters, or all receivers, as a map sees them.

    ``places`` and ``axes`` (P, 2); ``series`` (P, 8, K), the Chebyshev coefficients of
    :func:`beam_series`; ``limits`` (P, 3), what these are known to: see :func:`_rounding`.
    """

    places: Array
    axes: Array
    series: Array
    limits: Array


class Weights(NamedTuple):
    """The numbers that the sums are weighted with.

    ``kappa`` (rad) times a share of an axis is an electrical angle; ``v_x`` and ``v_y`` are the
    velocity over the wavelength times the root of the waveform's ``v_nu``, without a unit;
    ``v_tau`` (m^-2) is its other variance over c^2.
    """

    kappa: float
    v_x: float
    v_y: float
    v_tau: float


Sums = Callable[[Ends, Array, Weights], Array]


def information(
    transmitters: Ends, receivers: Ends, points: Array, weights: Weights, backend: Backend
) -> Iterator[tuple[slice, Array, Array, Array, NDArray[np.bool_]]]:
    """Information at points (n, 2), block after block.

    Yields the block, its matrices (m, 2, 2), the size (m,) of the terms that they are sums of, the
    longest way by way of each point (m,), and whether it stands on an end (m,), where the rest is
    of no meaning. Whatever the number of points and ends, a block takes bounded memory.
    """
    sums = _sums_of(backend)
    for start in range(0, len(points), _BLOCK[backend]):
        block = slice(start, start + _BLOCK[backend])
        with np.errstate(all="ignore"):  # of points on an end, and points too far away
            t, r = (sums(ends, points[block], weights) for ends in (transmitters, receivers))
            efim, terms = _combined(t, r, weights)
            way = np.sqrt(t[9]) + np.sqrt(r[9])
            yield block, efim, terms, way, np.minimum(t[10], r[10]) == 0


def _combined(t: Array, r: Array, weights: Weights) -> tuple[Array, Array]:
    """Matrices and terms from the sums over transmitters and over receivers."""
    all_t, all_r, v_tau = t[0], r[0], weights.v_tau
    trace, xx, xy = (all_r * t[i] + all_t * r[i] for i in (1, 2, 3))
    both = 2 * v_tau * all_t * all_r
    efim = np.empty((t.shape[1], 2, 2))
    efim[:, 0, 0] = trace - xx + both + 2 * (v_tau * t[4] * r[4] + t[7] * r[7])
    efim[:, 1, 1] = xx + both + 2 * (v_tau * t[5] * r[5] + t[6] * r[6])
    across = v_tau * (t[4] * r[5] + t[5] * r[4]) - (t[6] * r[7] + t[7] * r[6])
    efim[:, 0, 1] = efim[:, 1, 0] = across - xy
    return efim, all_t * r[8] + all_r * t[8] + 2 * both


def _sums_of(backend: Backend) -> Sums:
    """The function that adds up; ``ImportError`` if its package is not installed."""
    if backend == "numpy":
        return numpy_sums
    module, package, extra = _EXTRAS[backend]
    try:
        return importlib.import_module(f"cfisac.limits.{module}").sums
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(
            f"backend {backend!r} needs {package}, the extra {extra!r}: "
            f"pip install 'cfisac[{extra}]'",
            name=package,
        ) from error


# ---------------------------------------------------------------------------------- beams


def shining_alike(places: Array, axes: Array, power: Array, spread: float) -> Ends:
    """Ends whose power (P,) and spread are the same in every direction."""
    lags = np.zeros((len(places), 4, 1))
    lags[:, 0, 0], lags[:, 3, 0] = power, spread
    return Ends(places, axes, _half_basis(lags), _rounding(lags))


def shining(
    places: Array, axes: Array, power: Array, beams: ComplexArray, following: Array | None = None
) -> Ends:
    """Ends that send beams (P, B, M_t, M_t) with powers (P, B).

    And with powers (P,) one more that points at every point in turn: it adds its power, and no
    slope.
    """
    parts = []
    for start in range(0, len(places), _ENDS):
        some = slice(start, start + _ENDS)
        lags = _lag_sums(np.einsum("pq,pqij->pij", power[some], beams[some]))
        if following is not None:
            lags[:, 0, 0] += following[some]
        parts.append((_half_basis(lags), _rounding(lags)))
    series, limits = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Ends(places, axes, series, limits)


def _lag_sums(covariance: ComplexArray) -> Array:
    """Coefficients of four real trigonometric polynomials of omega_t, (P, 4, 2 M_t - 1).

    They are b, Re and Im of ``a^H V C a``, and ``a^H C V C a``, with C the antenna indices counted
    from the array's middle, in the basis (1, cos, sin, cos 2, sin 2, ...).
    """
    n = covariance.shape[-1]
    index = np.arange(n) - (n - 1) / 2
    product = index[:, None] * index
    mean, half = (index[:, None] + index) / 2, (index - index[:, None]) / 2j
    kinds = np.stack([np.ones((n, n)), mean, half, product])
    weighted = covariance[:, None] * kinds / n
    lags = [np.trace(weighted, k, axis1=-2, axis2=-1) for k in range(n)]
    table = np.empty((*weighted.shape[:2], 2 * n - 1))
    table[..., 0] = lags[0].real
    for k in range(1, n):  # element (m, m + k) turns by k omega, and (m + k, m) the other way
        table[..., 2 * k - 1], table[..., 2 * k] = 2 * lags[k].real, -2 * lags[k].imag
    return table


def _half_basis(lags: Array) -> Array:
    """The same polynomials as p + sin q: the four p and the four q, (P, 8, M_t).

    ``sin k omega = sin(omega) U_(k-1)(cos omega)``, and ``U_(k-1)`` is twice the sum of
    ``T_(k-1), T_(k-3), ...``, but once ``T_0``.
    """
    cosines, sines = lags[..., [0, *range(1, lags.shape[-1], 2)]], lags[..., 2::2]
    factors = np.zeros_like(cosines)
    for k in range(sines.shape[-1] - 1, -1, -1):
        above = factors[..., k + 2] if k + 2 < factors.shape[-1] else 0.0
        factors[..., k] = above + 2 * sines[..., k]
    factors[..., 0] /= 2
    return np.concatenate([cosines, factors], axis=-2)


def _rounding(lags: Array) -> Array:
    """What the polynomials of :func:`_lag_sums` are known to, (P, 3).

    Each polynomial to a few roundings of its coefficients, ``r_i``. A power up to ``r_0`` is none.
    With the part ``h = |a^H V C a|^2 / b`` of the spread that the gain hides, a spread up to
    ``r_3 + 2 sqrt(h / b) (r_1 + r_2) + (h / b) r_0`` is none; so is one up to
    ``r_3 + (r_1 + r_2)^2 / r_0 + (h / b) 2 r_0``, which is at most about twice that and costs no
    root. The three numbers are ``r_0``, the constant and the factor of h / b.
    """
    off = 8 * _EPS * np.abs(lags).sum(axis=-1)
    floor = np.maximum(off[:, 0], np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        least = off[:, 3] + (off[:, 1] + off[:, 2]) ** 2 / floor
    return np.stack([floor, least, 2 * floor], axis=-1)


# ---------------------------------------------------------------------------------- NumPy


def numpy_sums(ends: Ends, points: Array, weights: Weights) -> Array:
    """The nine sums, and the largest and smallest squared distance, of points (n, 2): (11, n).

    In the order all, the trace of turn and what x x and x y stand for in it, from (x, y), drift
    over (x, y), terms. One end after the other, every operation in place, so that rows of a few
    thousand numbers stay in the cache.
    """
    n = len(points)
    total, space = np.empty((ROWS, n)), _Space(n, ends.series.shape[-1])
    total[:10], total[10] = 0.0, np.inf
    here_x, here_y = points.T.copy()
    x, y, square, near, angle, drift, row, other = space.rows[:8]
    kappa, v_x, v_y, v_tau = weights
    fast = 2 * (v_x**2 + v_y**2)
    multiply = np.multiply
    for place, axis, series, limits in zip(
        ends.places.tolist(), ends.axes.tolist(), ends.series, ends.limits.tolist(), strict=True
    ):
        np.subtract(here_x, place[0], out=x)
        np.subtract(here_y, place[1], out=y)
        multiply(x, x, out=square)
        square += multiply(y, y, out=row)
        np.maximum(total[9], square, out=total[9])
        np.minimum(total[10], square, out=total[10])
        np.divide(1.0, square, out=square)  # 1 / d^2 from here
        np.sqrt(square, out=near)
        x *= near
        y *= near
        multiply(x, kappa * axis[0] / _STEP, out=angle)
        angle += multiply(y, kappa * axis[1] / _STEP, out=row)
        power, spread = _power_and_spread(series, limits, angle, space)
        multiply(x, v_y, out=drift)
        drift -= multiply(y, v_x, out=row)
        weight = multiply(square, power, out=row)
        total[0] += weight
        # What the terms are at most, and what turns: a . axis from u . axis.
        square *= square
        multiply(square, kappa**2 * spread, out=other)
        angle *= angle
        angle *= -((_STEP / kappa) ** 2)
        angle += 1
        angle *= other
        square *= power
        total[8] += other
        total[8] += multiply(square, fast, out=other)
        multiply(drift, drift, out=other)
        other *= square
        angle += other
        angle -= multiply(weight, v_tau, out=other)
        total[1] += angle
        angle *= x
        total[2] += multiply(angle, x, out=other)
        total[3] += multiply(angle, y, out=other)
        # What adds up between the two ends.
        drift *= near
        drift *= weight
        total[6] += multiply(drift, x, out=other)
        total[7] += multiply(drift, y, out=other)
        total[4] += multiply(weight, x, out=x)
        total[5] += multiply(weight, y, out=y)
    return total


class _Space:
    """Room for the rows that are worked on, and for the basis of degrees below K."""

    def __init__(self, n: int, degrees: int) -> None:
        self.rows, self.basis, self.series = (np.empty((k, n)) for k in (12, degrees, 8))
        self.basis[0] = 1.0
        self.index = np.empty(n, dtype=np.int64)
        self.marks = np.empty((2, n), dtype=bool)


def _power_and_spread(
    series: Array, limits: list[float], steps: Array, space: _Space
) -> tuple[Any, Any]:
    """Power b and spread c of one end's beams at angles (n,) in steps of the table."""
    floor, least, factor = limits
    if series.shape[-1] == 1:  # the same in every direction
        alike, wide = float(series[0, 0]), float(series[3, 0])
        return (alike, wide if wide > least else 0.0) if alike > floor else (0.0, 0.0)
    sine = _chebyshev(steps, space)
    both = np.matmul(series, space.basis, out=space.series)
    power, real, imag, spread = np.multiply(both[4:], sine, out=both[4:])
    for row, more in zip((power, real, imag, spread), both[:4], strict=True):
        row += more
    heard, seen = space.marks
    np.greater(power, floor, out=heard)
    below = np.maximum(power, floor, out=sine)
    if not heard.all():
        power *= heard
    real *= real
    real += np.multiply(imag, imag, out=imag)
    real /= below
    spread -= real
    real /= below
    real *= factor
    real += least
    np.greater(spread, real, out=seen)
    seen &= heard
    if not seen.all():
        spread *= seen
    return power, spread


def _chebyshev(steps: Array, space: _Space) -> Array:
    """Fill the basis with ``T_k(cos omega)``; return ``sin omega``.

    Cosine and sine are those of the nearest entry of the table, turned by what is missing: less
    than 2e-4 rad, of which two terms of each series are exact to a rounding.
    """
    basis, (rest, cosine, sine, row) = space.basis, space.rows[8:]
    c, s, _, other = space.series[:4]
    np.rint(steps, out=rest)
    space.index[...] = rest
    space.index &= _TURN - 1
    np.subtract(steps, rest, out=rest)
    np.take(_COSINE, space.index, out=cosine, mode="clip")
    np.take(_SINE, space.index, out=sine, mode="clip")
    np.multiply(rest, rest, out=row)
    np.multiply(row, -(_STEP**2) / 2, out=c)
    c += 1
    np.multiply(row, -(_STEP**3) / 6, out=s)
    s += _STEP
    s *= rest
    first = np.multiply(cosine, c, out=basis[1])
    first -= np.multiply(sine, s, out=other)
    sine *= c
    sine += np.multiply(cosine, s, out=other)
    top = 1
    while top < len(basis) - 1:  # T_(m + k) = 2 T_m T_k - T_|m - k|, for k = 1 .. m at once
        more = min(top, len(basis) - 1 - top)
        twice, new = np.multiply(basis[top], 2, out=cosine), basis[top + 1 : top + more + 1]
        np.multiply(twice, basis[1 : more + 1], out=new)
        new -= basis[top - more : top][::-1]
        top += more
    return sine
