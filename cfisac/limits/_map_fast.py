"""The sums of a map as one fused loop, compiled (extra ``fast``: numba).

The formula of :func:`cfisac.limits._map.numpy_sums`, without a row that leaves the first
cache: blocks of points on all threads, one transmitter or receiver after the other, and the
Chebyshev polynomials by their recurrence while the eight series are added up.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from cfisac.limits._map import ROWS, Ends, Weights

Array = NDArray[np.float64]

_N = 128  # points of a block, whose 26 rows stay in the first cache
_STEP = 4  # degrees added up between a load and a store
# pi / 2 in three parts, the first two short enough for their multiples to be exact; and the
# series of sine and cosine up to pi / 4, for which nothing compiled is at hand in numba.
_HALF_PI = 1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063e-21
_S = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_C = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip


@numba.njit(inline="always")
def _turn(angle: float) -> tuple[float, float]:
    """Cosine and sine, without a branch."""
    j = np.rint(angle * (2 / np.pi))
    r = ((angle - j * _HALF_PI[0]) - j * _HALF_PI[1]) - j * _HALF_PI[2]
    z = r * r
    s = r + r * z * (_S[0] + z * (_S[1] + z * (_S[2] + z * (_S[3] + z * (_S[4] + z * _S[5])))))
    c = _C[0] + z * (_C[1] + z * (_C[2] + z * (_C[3] + z * (_C[4] + z * _C[5]))))
    c = 1 - (0.5 * z - z * z * c)
    quarter = np.int32(j)
    odd = (quarter & 1) != 0
    cosine = s if odd else c
    sine = c if odd else s
    cosine = -cosine if ((quarter + 1) & 2) != 0 else cosine
    sine = -sine if (quarter & 2) != 0 else sine
    return cosine, sine


@numba.njit(parallel=True, fastmath={"contract"}, error_model="numpy", cache=True)
def _fill(
    out: Array, points: Array, places: Array, axes: Array, series: Array, limits: Array,
    kappa: float, v_x: float, v_y: float, v_tau: float,
) -> None:  # fmt: skip
    """Fill ``out`` (11, n), n a multiple of the block; ``series`` has 2 + a multiple of 4 rows."""
    degrees, fast = series.shape[2], 2 * (v_x * v_x + v_y * v_y)
    for block in numba.prange(points.shape[1] // _N):
        start = block * _N
        here, work, total = np.empty(2 * _N), np.empty(17 * _N), np.zeros(11 * _N)
        for i in range(_N):
            here[i], here[_N + i] = points[0, start + i], points[1, start + i]
            total[10 * _N + i] = np.inf
        for p in range(len(places)):
            p_x, p_y = places[p, 0], places[p, 1]
            a_x, a_y = axes[p, 0], axes[p, 1]
            for i in range(_N):
                x, y = here[i] - p_x, here[_N + i] - p_y
                square = x * x + y * y
                near = np.sqrt(1 / square)
                x, y = x * near, y * near
                c, s = _turn(kappa * (a_x * x + a_y * y))
                work[i], work[_N + i], work[2 * _N + i] = x, y, near
                work[3 * _N + i], work[4 * _N + i] = c, s
                work[5 * _N + i], work[6 * _N + i] = 1.0, c
                for j in range(8):
                    work[(7 + j) * _N + i] = series[p, j, 0] + series[p, j, 1] * c
                total[9 * _N + i] = max(total[9 * _N + i], square)
                total[10 * _N + i] = min(total[10 * _N + i], square)
            for k in range(2, degrees, _STEP):
                for i in range(_N):
                    twice = 2 * work[3 * _N + i]
                    t_0 = twice * work[6 * _N + i] - work[5 * _N + i]
                    t_1 = twice * t_0 - work[6 * _N + i]
                    t_2 = twice * t_1 - t_0
                    t_3 = twice * t_2 - t_1
                    work[5 * _N + i], work[6 * _N + i] = t_2, t_3
                    for j in range(8):
                        work[(7 + j) * _N + i] += (
                            series[p, j, k] * t_0 + series[p, j, k + 1] * t_1
                            + series[p, j, k + 2] * t_2 + series[p, j, k + 3] * t_3
                        )  # fmt: skip
            floor, least, factor = limits[p, 0], limits[p, 1], limits[p, 2]
            for i in range(_N):
                x, y, near, s = work[i], work[_N + i], work[2 * _N + i], work[4 * _N + i]
                power = work[7 * _N + i] + s * work[11 * _N + i]
                real = work[8 * _N + i] + s * work[12 * _N + i]
                imag = work[9 * _N + i] + s * work[13 * _N + i]
                spread = work[10 * _N + i] + s * work[14 * _N + i]
                heard = power > floor
                below = max(power, floor)
                hidden = (real * real + imag * imag) / below
                spread -= hidden
                spread = spread if heard and spread > least + factor * hidden / below else 0.0
                power = power if heard else 0.0
                along = a_x * x + a_y * y
                drift = v_y * x - v_x * y
                near_2 = near * near
                near_4 = near_2 * near_2
                weight = power * near_2
                steep, loud = kappa * kappa * spread * near_4, power * near_4
                turned = steep * (1 - along * along) + loud * drift * drift - v_tau * weight
                moved = weight * drift * near
                total[i] += weight
                total[_N + i] += turned
                total[2 * _N + i] += turned * x * x
                total[3 * _N + i] += turned * x * y
                total[4 * _N + i] += weight * x
                total[5 * _N + i] += weight * y
                total[6 * _N + i] += moved * x
                total[7 * _N + i] += moved * y
                total[8 * _N + i] += steep + fast * loud
        for row in range(11):
            for i in range(_N):
                out[row, start + i] = total[row * _N + i]


def sums(ends: Ends, points: Array, weights: Weights) -> Array:
    """The sums of :func:`cfisac.limits._map.numpy_sums`, of points (n, 2): (11, n)."""
    n, degrees = len(points), ends.series.shape[-1]
    padded = np.empty((2, -(-n // _N) * _N))
    padded[:, :n], padded[:, n:] = points.T, points[-1:].T
    series = np.zeros((*ends.series.shape[:2], 2 + max(0, -(-(degrees - 2) // _STEP)) * _STEP))
    series[..., :degrees] = ends.series
    out = np.empty((ROWS, padded.shape[1]))
    _fill(out, padded, ends.places, ends.axes, series, ends.limits, *weights)
    return out[:, :n]
