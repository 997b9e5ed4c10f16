"""Fisher information of complex Gaussian observations, the ground every bound stands on.

The observation is ``y = mu(theta) + w`` with ``w ~ CN(0, noise_variance * I)`` and real
parameters ``theta``, so the Fisher information matrix (FIM) is::

    F = (2 / noise_variance) Re{D^H D},        D = d mu / d theta.

All functions broadcast over leading axes and return new arrays.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]


def gaussian_fim(jacobian: ArrayLike, noise_variance: ArrayLike) -> Array:
    """Fisher information matrix of a mean seen in circular Gaussian noise of known variance.

    Parameters
    ----------
    jacobian : (..., n_samples, n_parameters) complex
        D, the derivatives of the noise-free observation by the real parameters.
    noise_variance : (...) float
        sigma^2 > 0 of the circular noise, per complex sample.

    Returns
    -------
    (..., n_parameters, n_parameters)
        F, in the inverse squared units of the parameters.

    Raises
    ------
    ValueError
        If ``jacobian`` is not a finite matrix or ``noise_variance`` is not positive.

    References
    ----------
    zhang (76); fan_conf (15).
    """
    jacobian = _matrix("jacobian", jacobian, complex)
    noise_variance = _checks.positive("noise_variance", noise_variance)[..., None, None]
    _must_broadcast(jacobian=jacobian.shape[:-2], noise_variance=noise_variance.shape[:-2])
    return 2 / noise_variance * np.real(_adjoint(jacobian) @ jacobian)


def equivalent_fim(fim: ArrayLike, n_keep: int) -> Array:
    """Information left about the first ``n_keep`` parameters when the rest are unknown.

    The Schur complement ``A - B C^{-1} B^T`` of the nuisance block C (fan_conf (19)).

    Parameters
    ----------
    fim : (..., n, n)
        Symmetric positive semidefinite FIM, the parameters of interest first.
    n_keep : int
        How many parameters are of interest, 1 to n. With n there is no nuisance.

    Returns
    -------
    (..., n_keep, n_keep)
        The equivalent FIM (EFIM).

    Raises
    ------
    ValueError
        If ``fim`` is not a finite symmetric matrix, ``n_keep`` is out of range, or the nuisance
        block is singular: the nuisance cannot be estimated, so nothing can be said about what
        it hides.
    """
    fim = _square("fim", fim)
    if not isinstance(n_keep, int | np.integer) or not 1 <= n_keep <= fim.shape[-1]:
        raise ValueError(f"n_keep must be a whole number in 1..{fim.shape[-1]}, got {n_keep!r}")
    kept, coupling, nuisance = (
        fim[..., :n_keep, :n_keep],
        fim[..., :n_keep, n_keep:],
        fim[..., n_keep:, n_keep:],
    )
    if n_keep == fim.shape[-1]:
        return kept.copy()
    # Units must not decide what is singular: judge, and solve, with a unit diagonal.
    scale = np.sqrt(np.diagonal(nuisance, axis1=-2, axis2=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        coupling = coupling / scale[..., None, :]
        nuisance = nuisance / (scale[..., :, None] * scale[..., None, :])
    if not np.all(scale > 0) or not np.all(_identifiable(np.linalg.eigvalsh(nuisance))):
        raise ValueError("the nuisance block of the FIM is singular")
    return kept - coupling @ np.linalg.solve(nuisance, _transpose(coupling))


def change_parameters(fim: ArrayLike, jacobian: ArrayLike) -> Array:
    """Information about new parameters that the old ones are functions of, ``J^T F J``.

    Parameters
    ----------
    fim : (..., n, n)
        FIM of the old parameters.
    jacobian : (..., n, k)
        J, the derivatives of the old parameters by the new ones.

    Returns
    -------
    (..., k, k)
        FIM of the new parameters (fan_conf (20)).

    Raises
    ------
    ValueError
        If a matrix is not finite, ``fim`` is not symmetric, or the shapes do not match.
    """
    fim, jacobian = _square("fim", fim), _matrix("jacobian", jacobian, float)
    if jacobian.shape[-2] != fim.shape[-1]:
        raise ValueError(
            f"jacobian must have {fim.shape[-1]} rows, one per parameter of fim, "
            f"got {jacobian.shape[-2]}"
        )
    _must_broadcast(fim=fim.shape[:-2], jacobian=jacobian.shape[:-2])
    return _transpose(jacobian) @ fim @ jacobian


def crlb(fim: ArrayLike) -> Array:
    """Cramer-Rao lower bound: the inverse FIM, with ``inf`` for what cannot be identified.

    Where the FIM is singular a parameter is identifiable when no direction that the data do
    not see moves it. Those keep the finite bound of the pseudo-inverse; the others get
    ``inf`` on the diagonal and 0 beside it.

    Parameters
    ----------
    fim : (..., n, n)
        Symmetric positive semidefinite FIM.

    Returns
    -------
    (..., n, n)
        Lower bound of the covariance of any unbiased estimator (zhang (24)).

    Raises
    ------
    ValueError
        If ``fim`` is not a finite symmetric matrix.
    """
    fim = _square("fim", fim)
    scale = np.sqrt(np.clip(np.diagonal(fim, axis1=-2, axis2=-1), 0, None))
    scale = np.where(scale > 0, scale, 1.0)
    outer = scale[..., :, None] * scale[..., None, :]
    eigenvalues, vectors = np.linalg.eigh(fim / outer)
    seen = _seen(eigenvalues)
    inverse = np.where(seen, 1 / np.where(seen, eigenvalues, 1.0), 0.0)
    bound = (vectors * inverse[..., None, :]) @ _transpose(vectors) / outer
    blind = np.max(np.where(seen[..., None, :], 0.0, np.abs(vectors)), axis=-1) > 1e-7
    bound = np.where(blind[..., :, None] | blind[..., None, :], 0.0, bound)
    index = np.arange(fim.shape[-1])
    bound[..., index, index] = np.where(blind, np.inf, bound[..., index, index])
    return bound


def factor_covariance(factor: ArrayLike, derivatives: ArrayLike) -> Array:
    """Spread of one factor of a path: what survives an unknown complex gain.

    A path ``gain * receive (x) transmit (x) waveform`` with unknown gain carries the
    information ``2 * snr * Cov_f`` about the parameters of each factor f, and none across
    factors (the factor theorem).

    Parameters
    ----------
    factor : (..., n) complex
        f, at the true parameters; not zero.
    derivatives : (..., n, k) complex
        df/dtheta for the factor's own k parameters.

    Returns
    -------
    (..., k, k)
        ``Re{<d_i f, d_j f> / |f|^2 - <f, d_i f>^* <f, d_j f> / |f|^4}``.

    Raises
    ------
    ValueError
        If the arrays are not finite, do not match, or ``factor`` is zero.
    """
    factor = _checks.finite("factor", factor, complex)
    derivatives = _matrix("derivatives", derivatives, complex)
    if factor.ndim < 1 or factor.shape[-1] != derivatives.shape[-2]:
        raise ValueError(
            f"derivatives must have one row per entry of factor, got {derivatives.shape} "
            f"for a factor of {factor.shape}"
        )
    _must_broadcast(factor=factor.shape[:-1], derivatives=derivatives.shape[:-2])
    energy = np.sum(np.abs(factor) ** 2, axis=-1)[..., None, None]
    if not np.all(energy > 0):
        raise ValueError("factor must not be zero: a path without signal has no spread")
    centroid = _adjoint(factor[..., None]) @ derivatives / energy
    return np.real(_adjoint(derivatives) @ derivatives / energy - _adjoint(centroid) @ centroid)


def position_error_bound(efim: ArrayLike) -> Array:
    """PEB ``sqrt(tr F^{-1})`` in metres; ``inf`` where the position is not identifiable.

    Parameters
    ----------
    efim : (..., k, k)
        Equivalent FIM of the position, in m^-2 (fan_conf (22)).

    Raises
    ------
    ValueError
        If ``efim`` is not a finite symmetric matrix.
    """
    eigenvalues = np.linalg.eigvalsh(_square("efim", efim)).astype(float, copy=False)
    identifiable = _identifiable(eigenvalues)
    trace = np.sum(1 / np.where(identifiable[..., None], eigenvalues, 1.0), axis=-1)
    return np.where(identifiable, np.sqrt(trace), np.inf)


def _seen(eigenvalues: Array) -> NDArray[np.bool_]:
    """Tell which eigenvalues (ascending) of a positive semidefinite matrix are not round-off."""
    floor = 8 * eigenvalues.shape[-1] * np.finfo(float).eps
    return eigenvalues > np.clip(eigenvalues[..., -1:], 0, None) * floor


def _identifiable(eigenvalues: Array) -> NDArray[np.bool_]:
    return np.all(_seen(eigenvalues), axis=-1)


def _matrix(name: str, value: ArrayLike, dtype: type) -> NDArray[Any]:
    matrix = _checks.finite(name, value, dtype)
    if matrix.ndim < 2:
        raise ValueError(f"{name} must have shape (..., rows, columns), got {matrix.shape}")
    return matrix


def _square(name: str, value: ArrayLike) -> Array:
    matrix = _matrix(name, value, float)
    if matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., n, n) with n >= 1, got {matrix.shape}")
    if np.any(np.abs(matrix - _transpose(matrix)) > 1e-8 * np.max(np.abs(matrix), initial=0.0)):
        raise ValueError(f"{name} must be symmetric")
    return matrix


def _must_broadcast(**leading: tuple[int, ...]) -> None:
    """Refuse arguments whose leading axes do not fit each other."""
    try:
        np.broadcast_shapes(*leading.values())
    except ValueError as error:
        shapes = " and ".join(str(shape) for shape in leading.values())
        raise ValueError(
            f"{' and '.join(leading)} must broadcast over their leading axes, got {shapes}"
        ) from error


def _transpose(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrix, -1, -2)


def _adjoint(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.conj(_transpose(matrix))
