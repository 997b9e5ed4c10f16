"""What the tests compare with: derivatives by differences, dense information, named deviations.

Nothing here knows the package: what it finds is brute force, slow and plain.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEIGHTS = {  # of central differences, by order: f(x + k h) - f(x - k h) over h
    2: {1: 1 / 2},
    4: {1: 2 / 3, 2: -1 / 12},
    8: {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280},
}


def derivatives(
    function: Callable[[NDArray], ArrayLike], at: ArrayLike, step: ArrayLike, order: int = 8
) -> NDArray:
    """Central differences of ``function(parameters)``, the parameter on the last axis.

    Parameters
    ----------
    function : callable
        Takes the parameters (n,), returns numbers of any shape, real or complex.
    at : (n,)
        Where.
    step : float or (n,)
        Of each parameter. With order 8, a step of 0.05 over the fastest phase rate errs by about
        1e-11 of the derivative; what is left is the rounding of the function over the step.
    order : {2, 4, 8}
    """
    at = np.asarray(at, dtype=float)
    columns = []
    for unit, size in zip(np.eye(at.size), np.broadcast_to(step, at.shape), strict=True):
        pairs = [
            weight * (np.asarray(function(at + k * size * unit)) - function(at - k * size * unit))
            for k, weight in WEIGHTS[order].items()
        ]
        columns.append(sum(pairs) / size)
    return np.stack(columns, axis=-1)


def dense_fim(
    signal: Callable[[NDArray], ArrayLike],
    at: ArrayLike,
    noise_variance: float,
    step: ArrayLike,
    order: int = 8,
) -> NDArray:
    """Fisher information (n, n) of a noise-free signal in CN(0, sigma^2), by differences.

    ``2 / sigma^2 Re{D^H D}``, of all samples together, all parameters unknown.
    """
    slopes = derivatives(lambda x: np.ravel(signal(x)), at, step, order)
    return 2 / noise_variance * np.real(slopes.conj().T @ slopes)


def without(fim: NDArray, nuisance: Sequence[int]) -> NDArray:
    """Information on the rest when these parameters are unknown: Schur's complement."""
    kept = np.setdiff1d(np.arange(len(fim)), nuisance)
    scale = np.sqrt(np.diag(fim))
    scale = np.where(scale > 0, scale, 1)
    unit = fim / np.outer(scale, scale)
    cross = unit[np.ix_(nuisance, kept)]
    rest = (
        unit[np.ix_(kept, kept)]
        - cross.T @ np.linalg.pinv(unit[np.ix_(nuisance, nuisance)]) @ cross
    )
    return rest * np.outer(scale[kept], scale[kept])


def assert_matrices_close(
    actual: ArrayLike,
    expected: ArrayLike,
    tolerance: float,
    names: Sequence[str] = (),
    size: ArrayLike | None = None,
) -> None:
    """Equal entry by entry, in units in which the diagonal of ``size`` is one.

    Parameters
    ----------
    actual, expected : (..., n, n)
        Information, covariance or any matrix that has the unit of one parameter per axis.
    tolerance : float
        Largest deviation in those units.
    names : sequence of str
        Of the parameters, to name the one that is furthest off; repeated for further targets.
    size : (..., n, n), optional
        By default ``expected``.

    Raises
    ------
    AssertionError
        Which names the entry with the largest deviation, and both numbers.
    """
    actual, expected = np.broadcast_arrays(np.asarray(actual), np.asarray(expected))
    scale = np.sqrt(np.diagonal(expected if size is None else size, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    outer = scale[..., :, None] * scale[..., None, :]
    with np.errstate(invalid="ignore"):
        off = np.abs(actual - expected) / outer
    off = np.where((actual == expected) | (np.isnan(actual) & np.isnan(expected)), 0.0, off)
    off = np.where(np.isnan(off), np.inf, off)
    if np.all(off <= tolerance):
        return
    place = np.unravel_index(np.argmax(off), off.shape)
    entry = " and ".join(_name(names, index) for index in dict.fromkeys(place[-2:]))
    where = f", matrix {tuple(map(int, place[:-2]))}" if place[:-2] else ""
    raise AssertionError(
        f"largest deviation {off[place]:.3g} of its size, allowed {tolerance:.3g}, at {entry}"
        f"{where}: got {actual[place]:.15g}, expected {expected[place]:.15g}"
    )


def _name(names: Sequence[str], index: int) -> str:
    if not len(names):
        return f"parameter {index}"
    again = index // len(names)
    return f"{names[index % len(names)]}{f' of block {again}' if again else ''}"
