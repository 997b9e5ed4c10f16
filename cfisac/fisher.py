"""Fisher information of complex Gaussian observations, the ground every bound stands on.

The observation is ``y = mu(theta) + w`` with ``w ~ CN(0, noise_variance * I)`` and real
parameters ``theta``, so the Fisher information matrix (FIM) is::

    F = (2 / noise_variance) Re{D^H D},        D = d mu / d theta.

All functions broadcast over leading axes and return new arrays.

Rounding is never information. A zero is made where it arises, from the size of the terms that
cancelled: of a finished matrix nobody can tell 1e-32 that was left by rounding from 1e-32 that
was measured in large units. What came in as float32 is known to the rounding of float32, and
judged by it.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, _small

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
    eps, jacobian = _checks.precision(jacobian), _matrix("jacobian", jacobian, complex)
    noise_variance = _checks.positive("noise_variance", noise_variance)[..., None, None]
    _checks.must_broadcast(jacobian=jacobian.shape[:-2], noise_variance=noise_variance.shape[:-2])
    total = _symmetric(np.real(_adjoint(jacobian) @ jacobian))
    doubtful = _lost_in_sum(total, 2 * jacobian.shape[-2]) | (eps > _DOUBTFUL)
    if np.any(doubtful):
        slopes = _real_rows(jacobian[doubtful])
        total[doubtful] = _without_hidden(slopes, eps * np.abs(slopes))
    return 2 / noise_variance * total


def information(slopes: ArrayLike, rounding: ArrayLike = 0.0) -> Array:
    """Information of independent measurements: the sum of their squared slopes, ``S^T S``.

    The way to add information whose terms may cancel. What two measurements say about one
    direction and nothing else is in their slopes to a rounding, and in the matrix ``S^T S`` only
    to the root of one.

    Parameters
    ----------
    slopes : (..., m, n) float
        S, one row for each measurement: its derivatives by the n parameters, divided by its
        standard deviation.
    rounding : (..., m, n) or scalar float
        How far each slope may be off, >= 0: the size of the terms that cancelled, times the
        rounding with which they are known. The rounding of the slopes themselves need not be in
        it.

    Returns
    -------
    (..., n, n)
        FIM, positive semidefinite. A parameter, or a direction, in which every slope is within
        its rounding gets exactly no information.

    Raises
    ------
    ValueError
        If ``slopes`` is not a finite matrix, ``rounding`` is negative or not finite, or the
        shapes do not match.
    """
    eps, slopes = _checks.precision(slopes), _matrix("slopes", slopes, float)
    rounding = _checks.non_negative("rounding", rounding)
    if _checks.must_broadcast(slopes=slopes.shape, rounding=rounding.shape) != slopes.shape:
        raise ValueError(f"rounding must broadcast to slopes {slopes.shape}, got {rounding.shape}")
    return _sum_of_squares(slopes, np.maximum(rounding, eps * np.abs(slopes)))


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
        The equivalent FIM (EFIM). A direction of which only the rounding of ``fim`` would be left
        gets exactly no information.

    Raises
    ------
    ValueError
        If ``fim`` is not a finite, symmetric, positive semidefinite matrix, ``n_keep`` is out of
        range, or the nuisance block is singular: the nuisance cannot be estimated, so nothing can
        be said about what it hides.
    """
    eps, fim = _checks.precision(fim), _square("fim", fim)
    whole = isinstance(n_keep, int | np.integer) and not isinstance(n_keep, bool)
    if not whole or not 1 <= n_keep <= fim.shape[-1]:
        raise ValueError(f"n_keep must be a whole number in 1..{fim.shape[-1]}, got {n_keep!r}")
    if n_keep == fim.shape[-1]:
        return _symmetric(fim)
    if fim.shape[-1] <= _small.MOST and eps == _EPS:
        left, clear = _small.eliminated(fim, n_keep)
        if not np.all(clear):
            left[~clear] = _left_of(fim[~clear], n_keep, eps)
        return left
    return _left_of(fim, n_keep, eps)


def _left_of(fim: Array, n_keep: int, eps: float) -> Array:
    """Schur complement of any FIM (..., n, n), known to ``eps``."""
    # Units must not decide what is singular or zero: judge, and solve, with a unit diagonal.
    fim, scale = _unit_diagonal(fim)
    coupling, nuisance = fim[..., :n_keep, n_keep:], fim[..., n_keep:, n_keep:]
    spectrum = np.linalg.eigvalsh(nuisance)
    _refuse_negative("fim", spectrum, eps)
    if not np.all(_identifiable(spectrum, eps)):
        raise ValueError("the nuisance block of the FIM is singular")
    fit = np.linalg.solve(nuisance, _transpose(coupling))
    left = _symmetric(fim[..., :n_keep, :n_keep] - coupling @ fit)
    # An entry of the FIM is known to a rounding, which the fit passes on to what is left.
    unit = np.sqrt(1 + np.sum(fit**2, axis=-2))
    outer = unit[..., :, None] * unit[..., None, :]
    left = outer * _without_rounding("fim", left / outer, 8 * fim.shape[-1] * eps)
    scale = scale[..., :n_keep]
    return left * (scale[..., :, None] * scale[..., None, :])


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
        FIM of the new parameters (fan_conf (20)). A parameter or direction of which only the
        rounding of the terms ``|J|^T |F| |J|`` would be left gets exactly no information.

    Raises
    ------
    ValueError
        If a matrix is not finite, ``fim`` is not symmetric and positive semidefinite, or the
        shapes do not match.
    """
    eps = _checks.precision(fim, jacobian)
    fim, jacobian = _square("fim", fim), _matrix("jacobian", jacobian, float)
    if jacobian.shape[-2] != fim.shape[-1]:
        raise ValueError(
            f"jacobian must have {fim.shape[-1]} rows, one per parameter of fim, "
            f"got {jacobian.shape[-2]}"
        )
    _checks.must_broadcast(fim=fim.shape[:-2], jacobian=jacobian.shape[:-2])
    changed = _symmetric(_transpose(jacobian) @ fim @ jacobian)
    # In units in which the terms of the diagonal are one, every entry is known to a rounding.
    size = np.abs(jacobian)
    terms = np.sum(size * (np.abs(fim) @ size), axis=-2)
    unit = np.sqrt(np.where(terms > 0, terms, 1.0))
    outer = unit[..., :, None] * unit[..., None, :]
    floor = max(8 * jacobian.shape[-1], jacobian.shape[-2]) * eps
    return outer * _without_rounding("fim", changed / outer, floor)


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
        If ``fim`` is not a finite, symmetric, positive semidefinite matrix.

    Notes
    -----
    In floating point a direction counts as not seen when its information, in units in which the
    diagonal is one, is below 8 n roundings of the largest; and it moves a parameter when the
    parameter's share of it exceeds 1e-7, or the rounding of that share if that is more. So the
    bound does not depend on units, and an entry on the diagonal counts however small it is:
    what is but rounding must be zero before (:func:`information`, :func:`change_parameters` and
    :func:`equivalent_fim` see to that).
    """
    eps = _checks.precision(fim)
    fim, scale = _unit_diagonal(_square("fim", fim))
    outer = scale[..., :, None] * scale[..., None, :]
    eigenvalues, vectors = np.linalg.eigh(fim)
    _refuse_negative("fim", eigenvalues, eps)
    seen = _seen(eigenvalues, eps)
    inverse = np.where(seen, 1 / np.where(seen, eigenvalues, 1.0), 0.0)
    bound = (vectors * inverse[..., None, :]) @ _transpose(vectors) / outer
    rounding = 8 * fim.shape[-1] * eps * np.max(inverse, axis=-1)
    share = np.max(np.where(seen[..., None, :], 0.0, np.abs(vectors)), axis=-1)
    blind = share > np.maximum(rounding, 1e-7)[..., None]
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
        ``Re{<d_i f, d_j f> / |f|^2 - <f, d_i f>^* <f, d_j f> / |f|^4}``. What the gain hides to
        the rounding of ``derivatives`` is exactly zero: one sample has no spread.

    Raises
    ------
    ValueError
        If the arrays are not finite, do not match, or ``factor`` is zero.
    """
    eps = _checks.precision(factor, derivatives)
    factor = _checks.finite("factor", factor, complex)
    derivatives = _matrix("derivatives", derivatives, complex)
    if factor.ndim < 1 or factor.shape[-1] != derivatives.shape[-2]:
        raise ValueError(
            f"derivatives must have one row per entry of factor, got {derivatives.shape} "
            f"for a factor of {factor.shape}"
        )
    _checks.must_broadcast(factor=factor.shape[:-1], derivatives=derivatives.shape[:-2])
    size = np.max(np.abs(factor), axis=-1, initial=0.0)[..., None, None]
    if not np.all(size > 0):
        raise ValueError("factor must not be zero: a path without signal has no spread")
    column, derivatives = factor[..., None] / size, derivatives / size
    energy = np.sum(np.abs(column) ** 2, axis=(-2, -1), keepdims=True)
    # Centred first, squared then: a carrier far above the bandwidth costs no digits.
    centred = derivatives - column * (_adjoint(column) @ derivatives / energy)
    spread = _symmetric(np.real(_adjoint(centred) @ centred))
    before = np.sum(np.abs(derivatives) ** 2, axis=-2, keepdims=True)
    left = np.diagonal(spread, axis1=-2, axis2=-1)
    doubtful = np.any(before[..., 0, :] * (8 * eps / _DOUBTFUL) ** 2 > left, axis=-1)
    doubtful |= _lost_in_sum(spread, 2 * factor.shape[-1])
    if np.any(doubtful):
        centred = centred - column * (_adjoint(column) @ centred / energy)  # to the last digit
        size = np.abs(derivatives) + np.abs(column) * np.sqrt(before / energy)
        slopes, rounding = _real_rows(centred[doubtful]), 4 * eps * size[doubtful]
        spread[doubtful] = _without_hidden(slopes, np.concatenate([rounding] * 2, axis=-2))
    return spread / energy


def position_error_bound(efim: ArrayLike) -> Array:
    """PEB ``sqrt(tr F^{-1})`` in metres; ``inf`` where the position is not identifiable.

    Parameters
    ----------
    efim : (..., k, k)
        Equivalent FIM of the position, in m^-2 (fan_conf (22)). The coordinates share one unit;
        an eigenvalue below 8 k roundings of the largest counts as zero.

    Returns
    -------
    (...)
        Root of the summed variances of all coordinates, in metres.

    Raises
    ------
    ValueError
        If ``efim`` is not a finite, symmetric, positive semidefinite matrix.
    """
    eps, efim = _checks.precision(efim), _square("efim", efim)
    if efim.shape[-1] == 2 and eps == _EPS:
        bound, clear = _small.bound_of_pairs(efim)
        if not np.all(clear):
            bound[~clear] = _bound_of(efim[~clear], eps)
        return bound
    return _bound_of(efim, eps)


def _bound_of(efim: Array, eps: float) -> Array:
    """PEB of any EFIM (..., k, k), known to ``eps``."""
    eigenvalues = np.linalg.eigvalsh(efim)
    _refuse_negative("efim", eigenvalues, eps)
    identifiable = _identifiable(eigenvalues, eps)
    trace = np.sum(1 / np.where(identifiable[..., None], eigenvalues, 1.0), axis=-1)
    return np.where(identifiable, np.sqrt(trace), np.inf)


_NEGATIVE = 1e-8  # share of the largest eigenvalue that a negative one may have and be rounding
_DOUBTFUL = 1e-8  # rounding of slopes, as a share of them, whose square is not below a rounding


_EPS = float(np.finfo(float).eps)


def _sum_of_squares(slopes: Array, rounding: Array) -> Array:
    """``S^T S``, without what slopes that are known to ``rounding`` cannot tell."""
    total = _symmetric(_transpose(slopes) @ slopes)
    noise = np.einsum("...ij,...ij->...j", rounding, rounding)
    power = np.diagonal(total, axis1=-2, axis2=-1)
    # Elsewhere the squares of the rounding are below the rounding of the sum.
    doubtful = np.any(noise > _DOUBTFUL**2 * power, axis=-1)
    doubtful |= _lost_in_sum(total, slopes.shape[-2])
    if np.any(doubtful):
        total[doubtful] = _without_hidden(slopes[doubtful], rounding[doubtful])
    return total


def _lost_in_sum(fim: Array, n_terms: int) -> NDArray[np.bool_]:
    """Tell which sums are so long, and so nearly singular, that their rounding may hide it."""
    n, floor = fim.shape[-1], n_terms * np.finfo(float).eps
    if n_terms <= 8 * n:  # no more than what bounds take for rounding anyway
        return np.zeros(fim.shape[:-2], dtype=bool)
    scaled, _ = _unit_diagonal(fim)
    try:
        np.linalg.cholesky(scaled - floor * np.eye(n))  # faster than eigenvalues
    except np.linalg.LinAlgError:
        return np.linalg.eigvalsh(scaled)[..., 0] <= floor
    return np.zeros(fim.shape[:-2], dtype=bool)


def _without_hidden(slopes: Array, rounding: Array) -> Array:
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
    rows = _few(slopes / np.where(known > 0, known, 1.0))
    right = _transpose(np.linalg.svd(rows, full_matrices=True)[2])
    told = slopes @ right
    hidden = np.all(np.abs(told) <= rounding @ np.abs(right) + floor, axis=-2, keepdims=True)
    root = _few(np.where(hidden, 0.0, told)) @ _transpose(right)
    root = np.where(blind, 0.0, root * unit)
    return _symmetric(_transpose(root) @ root)


def _few(slopes: Array) -> Array:
    """Slopes with the same ``S^T S``, no more of them than parameters; zero columns stay zero."""
    if slopes.shape[-2] <= slopes.shape[-1]:
        return slopes
    return np.asarray(np.linalg.qr(slopes, mode="r"))


def _without_rounding(name: str, fim: Array, floor: float) -> Array:
    """Set what is not above ``floor`` to zero, in units in which all entries are known to it.

    The directions first, the diagonal after them, each with its row and column, so that the
    matrix stays positive semidefinite; one that was not, by more than rounding, is refused.
    """
    eigenvalues, vectors = np.linalg.eigh(fim)
    if np.any(eigenvalues < -max(floor, _NEGATIVE)):
        raise ValueError(f"{name} must be positive semidefinite")
    hidden = eigenvalues <= floor
    if np.any(hidden):
        kept = np.where(hidden, 0.0, eigenvalues)[..., None, :]
        rest = _symmetric((vectors * kept) @ _transpose(vectors))
        fim = np.where(np.any(hidden, axis=-1)[..., None, None], rest, fim)
        blind = np.diagonal(fim, axis1=-2, axis2=-1) <= floor
        fim = np.where(blind[..., :, None] | blind[..., None, :], 0.0, fim)
    return fim


def _refuse_negative(name: str, eigenvalues: NDArray[Any], eps: float) -> None:
    """Refuse a matrix with these eigenvalues unless it is positive semidefinite."""
    largest = np.max(np.abs(eigenvalues), axis=-1, initial=0.0)
    rounding = max(_NEGATIVE, 8 * eigenvalues.shape[-1] * eps)
    if np.any(eigenvalues < -rounding * largest[..., None]):
        raise ValueError(f"{name} must be positive semidefinite")


def _seen(eigenvalues: NDArray[Any], eps: float) -> NDArray[np.bool_]:
    """Tell which eigenvalues (ascending) of a positive semidefinite matrix are not round-off."""
    floor = 8 * eigenvalues.shape[-1] * eps
    return eigenvalues > np.clip(eigenvalues[..., -1:], 0, None) * floor


def _identifiable(eigenvalues: NDArray[Any], eps: float) -> NDArray[np.bool_]:
    return np.all(_seen(eigenvalues, eps), axis=-1)


def _unit_diagonal(fim: Array) -> tuple[Array, Array]:
    """Measure every parameter in the unit that makes its diagonal entry one; the units too."""
    scale = np.sqrt(np.clip(np.diagonal(fim, axis1=-2, axis2=-1), 0, None))
    scale = np.where(scale > 0, scale, 1.0)
    return fim / (scale[..., :, None] * scale[..., None, :]), scale


def _matrix(name: str, value: ArrayLike, dtype: type) -> NDArray[Any]:
    matrix = _checks.finite(name, value, dtype)
    if matrix.ndim < 2:
        raise ValueError(f"{name} must have shape (..., rows, columns), got {matrix.shape}")
    return matrix


def _square(name: str, value: ArrayLike) -> Array:
    matrix = _matrix(name, value, float)
    if matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., n, n) with n >= 1, got {matrix.shape}")
    if np.array_equal(matrix, _transpose(matrix)):
        return matrix
    root = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    eps = 64 * _checks.precision(value)
    rounding = eps * np.max(np.abs(matrix), axis=(-2, -1), keepdims=True)
    allowed = max(1e-8, eps) * root[..., :, None] * root[..., None, :] + rounding
    if np.any(np.abs(matrix - _transpose(matrix)) > allowed):
        raise ValueError(f"{name} must be symmetric")
    return matrix


def _real_rows(matrix: NDArray[Any]) -> Array:
    """Real parts above imaginary parts."""
    return np.concatenate([matrix.real, matrix.imag], axis=-2)


def _symmetric(matrix: Array) -> Array:
    return (matrix + _transpose(matrix)) / 2


def _transpose(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrix, -1, -2)


def _adjoint(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.conj(_transpose(matrix))
