"""The sums of a map by JAX, on an accelerator if there is one (extra ``gpu``: jax).

The formula of :func:`cfisac.limits._map.numpy_sums` as pure functions, compiled: one block of
points after the other, for each one chunk of transmitters or receivers after the other, so that
memory is bounded by the product of the two. In double precision, whatever JAX is set to: single
precision is 1e-6 off and no faster where the cosine has to be exact.
"""

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp
from numpy.typing import NDArray

from cfisac.limits._map import ROWS, Ends, Weights

Array = NDArray[np.float64]

_CHUNK = 512  # transmitters or receivers at a time
_PAIRS = {"cpu": 2**14}  # of these and points, at a time: what the cache holds
_MANY = 2**22  # the same on an accelerator


def sums(ends: Ends, points: Array, weights: Weights) -> Array:
    """The sums of :func:`cfisac.limits._map.numpy_sums`, of points (n, 2): (11, n).

    The last chunk is filled up with the last end, which sends nothing there.
    """
    chunk = min(_CHUNK, len(ends.places))
    pairs = _PAIRS.get(jax.default_backend(), _MANY)
    block = min(max(1, pairs // chunk), len(points))
    chunks = [
        _filled(each, chunk, by_last)
        for each, by_last in (
            (ends.places, True), (ends.axes, True), (ends.series, False), (ends.limits, True)
        )
    ]  # fmt: skip
    with jax.enable_x64(True):
        out = _all(_filled(points, block, True), *chunks, np.array(weights))
        return np.asarray(jnp.moveaxis(out, 0, 1).reshape(ROWS, -1))[:, : len(points)]


def _filled(rows: Array, size: int, by_last: bool) -> Array:
    """Rows (n, ...) as (chunks, size, ...): with the last one repeated, or zeros behind it."""
    more = -len(rows) % size
    rest = np.repeat(rows[-1:], more, axis=0)
    return np.concatenate([rows, rest if by_last else 0 * rest]).reshape(-1, size, *rows.shape[1:])


@jax.jit
def _all(points: Any, places: Any, axes: Any, series: Any, limits: Any, weights: Any) -> Any:
    """Sums (blocks, 11, n) of blocks of points (blocks, n, 2), chunks of ends (chunks, P, ...)."""

    def of_block(block: Any) -> Any:
        def add(total: Any, chunk: Any) -> tuple[Any, None]:
            new = _of_chunk(block, chunk, weights)
            plus = total[:9] + new[:9]
            far, near = jnp.maximum(total[9], new[9]), jnp.minimum(total[10], new[10])
            return jnp.concatenate([plus, far[None], near[None]]), None

        start = jnp.zeros((ROWS, len(block))).at[10].set(jnp.inf)
        return lax.scan(add, start, (places, axes, series, limits))[0]

    return lax.map(of_block, points)


def _of_chunk(points: Any, ends: Any, weights: Any) -> Any:
    """Sums (11, n) over ends (P, ...)."""
    places, axes, series, limits = ends
    kappa, v_x, v_y, v_tau = weights
    x, y = (points[:, i] - places[:, i, None] for i in range(2))
    distance_2 = x**2 + y**2
    near = jnp.sqrt(1 / distance_2)
    x, y = x * near, y * near
    along = axes[:, :1] * x + axes[:, 1:] * y
    power, spread = _power_and_spread(series, limits, kappa * along)
    drift = v_y * x - v_x * y
    weight, loud = power * near**2, power * near**4
    steep = kappa**2 * spread * near**4
    turned = steep * (1 - along**2) + loud * drift**2 - v_tau * weight
    moved = weight * drift * near
    terms = steep + 2 * (v_x**2 + v_y**2) * loud
    rows = [weight, turned, turned * x * x, turned * x * y, weight * x, weight * y,
            moved * x, moved * y, terms]  # fmt: skip
    return jnp.stack([*(row.sum(axis=0) for row in rows),
                      distance_2.max(axis=0), distance_2.min(axis=0)])  # fmt: skip


def _power_and_spread(series: Any, limits: Any, angle: Any) -> tuple[Any, Any]:
    """Power b and spread c of beams (P, 8, K) at angles (P, n)."""
    first, sine = jnp.cos(angle), jnp.sin(angle)
    before, last = jnp.ones_like(first), first
    both = [series[:, j, :1] * before for j in range(8)]
    for k in range(1, series.shape[-1]):
        both = [row + series[:, j, k, None] * last for j, row in enumerate(both)]
        before, last = last, 2 * first * last - before
    power, real, imag, spread = (p + sine * q for p, q in zip(both[:4], both[4:], strict=True))
    floor, least, factor = (limits[:, i, None] for i in range(3))
    heard, below = power > floor, jnp.maximum(power, floor)
    hidden = (real**2 + imag**2) / below
    spread = spread - hidden
    seen = heard & (spread > least + factor * (hidden / below))
    return jnp.where(heard, power, 0.0), jnp.where(seen, spread, 0.0)
