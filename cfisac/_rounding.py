"""What of sums and matrices is but rounding, and what is exactly zero instead."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]

NEGATIVE = 1e-8  # share of the largest eigenvalue that a negative one may have and be rounding
DOUBTFUL = 1e-8  # rounding of slopes, as a share of them, whose square is not below a rounding


def sum_of_squares(slopes: Array, rounding: Array) -> Array:
    """``S^T S``, without what slopes that are known to ``rounding`` cannot tell."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = symmetric(transpose(slopes) @ slopes)
        noise = np.einsum("...ij,...ij->...j", rounding, rounding)
    power = np.diagonal(total, axis1=-2, axis2=-1)
    if not np.all(np.isfinite(power)):
        raise ValueError("slopes must be in units in which the sum of their squares is finite")
    # Elsewhere the squares of the rounding are below the rounding of the sum.
    doubtful = np.any(noise > DOUBTFUL**2 * power, axis=-1)
    doubtful |= lost_in_sum(total, slopes.shape[-2])
    if np.any(doubtful):
        total[doubtful] = without_hidden(slopes[doubtful], rounding[doubtful])
    return total


def lost_in_sum(fim: Array, n_terms: int) -> NDArray[np.bool_]:
    """Tell which sums are so long, and so nearly singular, that their rounding may hide it."""
    n, floor = fim.shape[-1], n_terms * np.finfo(float).eps
    if n_terms <= 8 * n:  # no more than what bounds take for rounding anyway
        return np.zeros(fim.shape[:-2], dtype=bool)
    scaled, _ = unit_diagonal(fim)
    if n == 2:  # eigenvalues 1 - |r| and 1 + |r|, or one is zero
        return (
            np.min(np.diagonal(scaled, axis1=-2, axis2=-1), axis=-1) - np.abs(scaled[..., 0, 1])
            <= floor
        )
    try:
        np.linalg.cholesky(scaled - floor * np.eye(n))  # faster than eigenvalues
    except np.linalg.LinAlgError:
        return np.linalg.eigvalsh(scaled)[..., 0] <= floor
    return np.zeros(fim.shape[:-2], dtype=bool)


def without_hidden(slopes: Array, rounding: Array) -> Array:
    """``S^T S`` without the directions that every slope rounds away.

    These are looked for among slopes in units of their own rounding, or strong ones that are all
    rounding would tilt them, and weak ones then tell something there.
    """
    if 0 in slopes.shape:
        return np.zeros((*slopes.shape[:-2], slopes.shape[-1], slopes.shape[-1]))
    blind = np.all(np.abs(slopes) <= rounding, axis=-2, keepdims=True)
    slopes, rounding = np.where(blind, 0.0, slopes), np.where(blind, 0.0, rounding)
    unit = np.sqrt(np.sum(slopes**2, axis=-2, keepdims=True))
    unit = np.where(unit > 0, unit, 1.0)
    slopes, rounding = slopes / unit, rounding / unit
    eps = np.finfo(float).eps
    floor = 8 * slopes.shape[-1] * eps * np.linalg.norm(slopes, 2, axis=(-2, -1), keepdims=True)
    length, blur = (np.linalg.norm(each, axis=-1, keepdims=True) for each in (slopes, rounding))
    known = np.maximum(blur, eps * length)
    # All directions, those that a few rows leave out too.
    rows = few(slopes / np.where(known > 0, known, 1.0))
    right = transpose(np.linalg.svd(rows, full_matrices=True)[2])
    told = slopes @ right
    hidden = np.all(np.abs(told) <= rounding @ np.abs(right) + floor, axis=-2, keepdims=True)
    root = few(np.where(hidden, 0.0, told)) @ transpose(right)
    root = np.where(blind, 0.0, root * unit)
    return symmetric(transpose(root) @ root)


def few(slopes: Array) -> Array:
    """Slopes with the same ``S^T S``, no more of them than parameters; zero columns stay zero."""
    if slopes.shape[-2] <= slopes.shape[-1]:
        return slopes
    return np.asarray(np.linalg.qr(slopes, mode="r"))


def without_rounding(name: str, fim: Array, floor: float) -> Array:
    """Set what is not above ``floor`` to zero, in units in which all entries are known to it.

    The directions first, the diagonal after them, each with its row and column, so that the
    matrix stays positive semidefinite; one that was not, by more than rounding, is refused.
    """
    eigenvalues, vectors = np.linalg.eigh(fim)
    if np.any(eigenvalues < -max(floor, NEGATIVE)):
        raise ValueError(f"{name} must be positive semidefinite")
    hidden = eigenvalues <= floor
    if np.any(hidden):
        kept = np.where(hidden, 0.0, eigenvalues)[..., None, :]
        rest = symmetric((vectors * kept) @ transpose(vectors))
        fim = np.where(np.any(hidden, axis=-1)[..., None, None], rest, fim)
        blind = np.diagonal(fim, axis1=-2, axis2=-1) <= floor
        fim = np.where(blind[..., :, None] | blind[..., None, :], 0.0, fim)
    return fim


def refuse_negative(name: str, eigenvalues: NDArray[Any], eps: float) -> None:
    """Refuse a matrix with these eigenvalues unless it is positive semidefinite."""
    largest = np.max(np.abs(eigenvalues), axis=-1, initial=0.0)
    rounding = max(NEGATIVE, 8 * eigenvalues.shape[-1] * eps)
    if np.any(eigenvalues < -rounding * largest[..., None]):
        raise ValueError(f"{name} must be positive semidefinite")


def seen_ones(eigenvalues: NDArray[Any], eps: float) -> NDArray[np.bool_]:
    """Tell which eigenvalues (ascending) of a positive semidefinite matrix are not round-off."""
    floor = 8 * eigenvalues.shape[-1] * eps
    return eigenvalues > np.clip(eigenvalues[..., -1:], 0, None) * floor


def all_seen(eigenvalues: NDArray[Any], eps: float) -> NDArray[np.bool_]:
    return np.all(seen_ones(eigenvalues, eps), axis=-1)


def unit_diagonal(fim: Array) -> tuple[Array, Array]:
    """Measure every parameter in the unit that makes its diagonal entry one; the units too."""
    scale = np.sqrt(np.clip(np.diagonal(fim, axis1=-2, axis2=-1), 0, None))
    scale = np.where(scale > 0, scale, 1.0)
    return fim / (scale[..., :, None] * scale[..., None, :]), scale


def a_matrix(name: str, value: ArrayLike, dtype: type) -> NDArray[Any]:
    matrix = _checks.finite(name, value, dtype)
    if matrix.ndim < 2:
        raise ValueError(f"{name} must have shape (..., rows, columns), got {matrix.shape}")
    return matrix


def a_square(name: str, value: ArrayLike) -> Array:
    matrix = a_matrix(name, value, float)
    if matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., n, n) with n >= 1, got {matrix.shape}")
    if np.array_equal(matrix, transpose(matrix)):
        return matrix
    root = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    eps = 64 * _checks.precision(value)
    rounding = eps * np.max(np.abs(matrix), axis=(-2, -1), keepdims=True)
    allowed = max(1e-8, eps) * root[..., :, None] * root[..., None, :] + rounding
    if np.any(np.abs(matrix - transpose(matrix)) > allowed):
        raise ValueError(f"{name} must be symmetric")
    return matrix


def real_rows(matrix: NDArray[Any]) -> Array:
    """Real parts above imaginary parts."""
    return np.concatenate([matrix.real, matrix.imag], axis=-2)


def symmetric(matrix: Array) -> Array:
    return (matrix + transpose(matrix)) / 2


def transpose(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrix, -1, -2)


def adjoint(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.conj(transpose(matrix))


def left_of(fim: Array, n_keep: int, eps: float) -> Array:
    """Schur complement of any FIM (..., n, n), known to ``eps``."""
    # Units must not decide what is singular or zero: judge, and solve, with a unit diagonal.
    fim, scale = unit_diagonal(fim)
    coupling, nuisance = fim[..., :n_keep, n_keep:], fim[..., n_keep:, n_keep:]
    spectrum = np.linalg.eigvalsh(nuisance)
    refuse_negative("fim", spectrum, eps)
    if not np.all(all_seen(spectrum, eps)):
        raise ValueError("the nuisance block of the FIM is singular")
    fit = np.linalg.solve(nuisance, transpose(coupling))
    left = symmetric(fim[..., :n_keep, :n_keep] - coupling @ fit)
    # An entry of the FIM is known to a rounding, which the fit passes on to what is left.
    unit = np.sqrt(1 + np.sum(fit**2, axis=-2))
    outer = unit[..., :, None] * unit[..., None, :]
    left = outer * without_rounding("fim", left / outer, 8 * fim.shape[-1] * eps)
    scale = scale[..., :n_keep]
    return left * (scale[..., :, None] * scale[..., None, :])


def bound_of(efim: Array, eps: float) -> Array:
    """PEB of any EFIM (..., k, k), known to ``eps``."""
    eigenvalues = np.linalg.eigvalsh(efim)
    refuse_negative("efim", eigenvalues, eps)
    identifiable = all_seen(eigenvalues, eps)
    trace = np.sum(1 / np.where(identifiable[..., None], eigenvalues, 1.0), axis=-1)
    return np.where(identifiable, np.sqrt(trace), np.inf)
