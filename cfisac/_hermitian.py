"""Many Hermitian matrices at a time, cheaper where their array looks the same from its other end.

Such an array, as every uniform linear one, has covariances R = J R* J, where J reverses the order.
``U R U^H``, with the unitary ``U = ((1 + j) I + (1 - j) J) / 2``, is the real matrix
``Re R - Im R J`` then. Linear algebra takes a quarter of the time on that.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Matrix = TypeVar("Matrix", Array, ComplexArray)

_ENTRIES = 2**18  # of matrices at a time, so that they stay in the cache


def are_semidefinite(matrices: ComplexArray, tolerance: ArrayLike) -> bool:
    """Tell whether matrices (..., M, M) are all Hermitian and positive semidefinite.

    No entry is more than ``tolerance`` (...) from its counterpart, no eigenvalue below minus that.
    Matrices that are almost their own reverse are taken for it: that is right to a few thousandths
    of the tolerance.
    """
    size, leading = matrices.shape[-1], matrices.shape[:-2]
    flat = matrices.reshape(math.prod(leading), size, size)
    allowed = np.broadcast_to(np.asarray(tolerance), leading).reshape(-1, 1, 1)
    for some in _slices(*flat.shape[:2]):
        matrix, off = flat[some], allowed[some]
        if np.any(np.abs(matrix - _adjoint(matrix)) > off):
            return False
        other = np.conj(matrix[..., ::-1, ::-1])
        alike = bool(np.all(np.abs(matrix - other) <= 1e-3 / size * off))
        shift = off * np.eye(size)  # lets rounding pass, and zero
        if not _are_positive((_turned(matrix) if alike else matrix) + shift):
            return False
    return True


def filtered(matrices: ComplexArray, energy: Array, noise: Array, rounding: float) -> ComplexArray:
    """``B = e R (e R + sigma^2 I)^-1 R`` of R (..., M, M), Hermitian and positive semidefinite.

    ``e >= 0`` and ``sigma^2 >= 0`` are of shape (...) or broadcast to it. Where e is zero, B is
    zero; where only sigma^2 is, B is R. How far R may be from Hermitian and semidefinite is M
    times its largest entry times ``rounding``; ``ValueError`` if it is farther.
    """
    leading = np.broadcast_shapes(matrices.shape[:-2], energy.shape, noise.shape)
    number, size = math.prod(leading), matrices.shape[-1]
    flat = np.broadcast_to(matrices, (*leading, size, size)).reshape(number, size, size)
    energies, noises = (
        np.broadcast_to(each, leading).reshape(number, 1, 1) for each in (energy, noise)
    )
    result = np.empty_like(flat)
    for some in _slices(number, size):
        result[some] = _filtered(flat[some], energies[some], noises[some], rounding)
    return result.reshape(*leading, size, size)


def _filtered(matrix: ComplexArray, energy: Array, noise: Array, rounding: float) -> ComplexArray:
    """The same of (n, M, M), with e and sigma^2 of (n, 1, 1)."""
    adjoint = _adjoint(matrix)
    off = rounding * matrix.shape[-1] * np.abs(matrix).max(axis=(-2, -1), keepdims=True, initial=0)
    if not np.array_equal(matrix, adjoint):
        if np.any(np.abs(matrix - adjoint) > off):
            raise ValueError("covariance must be Hermitian and positive semidefinite")
        matrix = (matrix + adjoint) / 2
    if not np.array_equal(matrix[..., ::-1, ::-1], np.conj(matrix)):
        return _of_semidefinite(matrix, energy, noise, off)
    turned = _of_semidefinite(_turned(matrix), energy, noise, off)
    reverse = turned[..., ::-1, ::-1]
    result = np.empty_like(matrix)
    result.real, result.imag[..., ::-1] = (turned + reverse) / 2, (reverse - turned) / 2
    return result


def _of_semidefinite(matrix: Matrix, energy: Array, noise: Array, off: Array) -> Matrix:
    """The same of exactly Hermitian matrices that may be ``off`` from semidefinite."""
    unit = np.eye(matrix.shape[-1])
    estimate: Any
    # With so much noise, e R + sigma^2 I is positive definite even where R is off.
    if np.all(noise > 4 * energy * off) and _are_positive(matrix + off * unit):
        estimate = energy * matrix @ np.linalg.solve(energy * matrix + noise * unit, matrix)
    else:
        values, vectors = np.linalg.eigh(matrix)
        if np.any(values < -off[..., 0]):
            raise ValueError("covariance must be Hermitian and positive semidefinite")
        # Wiener's weight in every direction: 0 to 1, and 1 without noise wherever there is power.
        values = np.clip(values, 0.0, None)
        power = energy[..., 0] * values
        total = power + noise[..., 0]
        weight = np.divide(power, total, where=total > 0, out=np.zeros_like(total))
        estimate = (vectors * (weight * values)[..., None, :]) @ _adjoint(vectors)
    return (estimate + _adjoint(estimate)) / 2


def _slices(number: int, size: int) -> Iterator[slice]:
    together = max(1, _ENTRIES // max(1, size**2))
    for start in range(0, number, together):
        yield slice(start, start + together)


def _turned(matrix: ComplexArray) -> Array:
    """``U R U^H`` of matrices that equal their reverse conjugates."""
    return matrix.real - matrix.imag[..., ::-1]


def _are_positive(matrix: Array | ComplexArray) -> bool:
    """Whether all of some Hermitian matrices are positive definite; faster than eigenvalues."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def _adjoint(matrix: Matrix) -> Matrix:
    return np.conj(np.swapaxes(matrix, -1, -2))
