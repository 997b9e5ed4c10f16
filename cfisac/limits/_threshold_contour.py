"""The contour integral of a binary test, for any number of branches.

``P(sum_l D_l > 0) = 1/(2 pi j) int_{c - j inf}^{c + j inf} prod_l M_l(s) ds / s`` with the moment
generating functions ``M_l(s) = E exp(s D_l)`` of ``D_l = |s_l(q)^H y_l|^2 - |s_l(p)^H y_l|^2``.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

FINE = 48  # nodes on one half of the contour: ten digits
COARSE = 16  # four digits, for counts and bounds
_REACH = np.arange(1.0, 13.0)  # where nodes may end, in the variable v of t = width sinh(v)
_DIGITS = 0.45  # by which what is left out falls with each node, as a power of e
_NEVER = -745.0  # logarithm of what is rounded to zero
_STEPS = 60  # halvings of the interval that holds the saddle, which is wider than its place needs


def exponent(s: ComplexArray, snr: Array, separation: Array, fading: str) -> ComplexArray:
    """``ln M(s)``, of the branches (..., L) summed; s has one axis more than (...)."""
    square = (separation**2)[..., None, :]
    power = snr[..., None, :]
    at = s[..., None]
    pole: ComplexArray = 1 - square * at**2
    drift: ComplexArray = power * square * at * (1 - at)
    each = -drift / pole - np.log(pole) if fading == "phase" else -np.log(pole + drift)
    summed: ComplexArray = each.sum(axis=-1)
    return summed


def saddle(snr: Array, separation: Array, fading: str) -> tuple[Array, Array]:
    """Place of the least of ``ln M(s) - ln s`` on the real axis, and its curvature there.

    Parameters
    ----------
    snr, separation : (..., L)
        The largest separation of each row is above zero.

    Returns
    -------
    place, curvature : (...)
    """
    wall = _wall(snr, separation, fading)
    low, high = np.zeros(wall.shape), wall.copy()
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rising = _slope(middle, snr, separation, fading)[0] > 0
        high, low = np.where(rising, middle, high), np.where(rising, low, middle)
    place = (low + high) / 2
    return place, _slope(place, snr, separation, fading)[1]


def probability(snr: Array, separation: Array, fading: str, n_nodes: int = FINE) -> Array:
    """Probability (...) that the wrong place has more power, from arrays (..., L)."""
    return probability_at_saddle(snr, separation, fading, n_nodes)[0]


def probability_at_saddle(
    snr: Array, separation: Array, fading: str, n_nodes: int = COARSE
) -> tuple[Array, Array]:
    """The same, and the saddle (...): the rate at which the tail of the margin falls."""
    apart = separation.max(axis=-1) > 0
    kept = np.where(apart[..., None], separation, 1.0)
    place, curvature = saddle(snr, kept, fading)
    width = 1 / np.sqrt(curvature)
    top = exponent(place[..., None].astype(complex), snr, kept, fading).real

    def height(v: Array) -> ComplexArray:
        s: ComplexArray = place[..., None] + 1j * width[..., None] * np.sinh(v)
        found = np.exp(exponent(s, snr, kept, fading) - top) * np.cosh(v) / s
        return np.asarray(found, dtype=complex)

    with np.errstate(over="ignore", invalid="ignore"):  # next to a pole, of what never happens
        last = np.abs(height(_REACH)) * place[..., None] > np.exp(-n_nodes * _DIGITS)
        reach = 1 + _REACH[np.argmax(_REACH * last, axis=-1)]
        step: Array = reach[..., None] / n_nodes
        total: Array = (
            (height(step * (np.arange(n_nodes) + 0.5)).real * step).sum(axis=-1) * width / np.pi
        )
        chance = np.clip(total * np.exp(top[..., 0]), 0.0, 1.0)
    chance = np.where(top[..., 0] < _NEVER, 0.0, chance)
    return np.where(apart, chance, 0.5), place


def _wall(snr: Array, separation: Array, fading: str) -> Array:
    """First pole of M on the positive real axis, (...)."""
    if fading == "phase":
        return np.asarray(1 / separation.max(axis=-1))
    square = np.where(separation > 0, separation**2, np.nan)
    # 1 + k rho s - k (1 + rho) s^2 = 0
    root = (snr * square + np.sqrt((snr * square) ** 2 + 4 * square * (1 + snr))) / (
        2 * square * (1 + snr)
    )
    return np.asarray(np.nanmin(root, axis=-1))


def _slope(s: Array, snr: Array, separation: Array, fading: str) -> tuple[Array, Array]:
    """First two derivatives of ``ln M(s) - ln s`` on the real axis."""
    k, at = separation**2, s[..., None]
    if fading == "phase":
        pole = 1 - k * at**2
        # -rho k s (1 - s) / pole: numerator and its derivatives
        top, top1, top2 = at * (1 - at), 1 - 2 * at, -2.0
        pole1, pole2 = -2 * k * at, -2 * k
        first = (top1 * pole - top * pole1) / pole**2
        second = (top2 * pole - top * pole2) / pole**2 - 2 * pole1 * first / pole
        slope = -snr * k * first - pole1 / pole
        bend = -snr * k * second - pole2 / pole + (pole1 / pole) ** 2
    else:
        pole = 1 + k * snr * at - k * (1 + snr) * at**2
        pole1, pole2 = k * snr - 2 * k * (1 + snr) * at, -2 * k * (1 + snr)
        slope = -pole1 / pole
        bend = -pole2 / pole + (pole1 / pole) ** 2
    return slope.sum(axis=-1) - 1 / s, bend.sum(axis=-1) + 1 / s**2
