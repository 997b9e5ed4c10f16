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

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, _differences, _small
from cfisac._rounding import (
    DOUBTFUL,
    a_matrix,
    a_square,
    adjoint,
    bound_of,
    left_of,
    lost_in_sum,
    real_rows,
    refuse_negative,
    seen_ones,
    sum_of_squares,
    symmetric,
    transpose,
    unit_diagonal,
    without_hidden,
    without_rounding,
)  # fmt: skip

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)


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
    eps, jacobian = _checks.precision(jacobian), a_matrix("jacobian", jacobian, complex)
    noise_variance = _checks.positive("noise_variance", noise_variance)[..., None, None]
    _checks.must_broadcast(jacobian=jacobian.shape[:-2], noise_variance=noise_variance.shape[:-2])
    total = symmetric(np.real(adjoint(jacobian) @ jacobian))
    doubtful = lost_in_sum(total, 2 * jacobian.shape[-2]) | (eps > DOUBTFUL)
    if np.any(doubtful):
        slopes = real_rows(jacobian[doubtful])
        total[doubtful] = without_hidden(slopes, eps * np.abs(slopes))
    return 2 / noise_variance * total


def fim_of(
    signal: Callable[[Any], ArrayLike],
    parameters: ArrayLike,
    noise_variance: ArrayLike,
    steps: ArrayLike | None = None,
) -> Array:
    """Fisher information matrix of a mean that is given as a function.

    For what has no closed form: the signal is differentiated numerically, with differences of
    eighth order whose steps shrink until their error is known (SciPy's ``differentiate``).

    Parameters
    ----------
    signal : callable
        Takes parameters (..., k) and returns the noise-free samples (..., n), real or complex.
        A function of one set only becomes one with ``np.vectorize(f, signature="(k)->(n)")``.
    parameters : (..., k) float
        Where the FIM is wanted, each parameter in its own unit.
    noise_variance : (...) float
        sigma^2 > 0 of the circular noise, per complex sample.
    steps : (..., k) float, optional
        First steps of the differences, > 0 and clearly above the rounding of the parameters;
        they are halved from there. By default 7 % of the parameter (0.7, if that is zero), taken
        up or down by factors of ten until the signal changes by more than 0.5 % and less than
        half, and not back and forth.

    Returns
    -------
    (..., k, k)
        F of :func:`gaussian_fim`. A parameter, or a direction, that the signal does not depend
        on, to the error of the derivatives, gets exactly no information.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not fit, or ``signal`` does
        not return such samples.
    RuntimeError
        If a derivative is not known to five digits of the largest of its parameter, or is not the
        same to both sides: the signal is not smooth there. The message has the parameter, and the
        sample and SciPy's status if these tell it.

    Examples
    --------
    Amplitude and phase (in degrees) of a tone:

    >>> tone = lambda p: p[..., :1] * np.exp(1j * np.pi / 180 * p[..., 1:] * np.ones(8))
    >>> np.diag(fim_of(tone, [2.0, 30.0], 1.0)).round(4)
    array([16.    ,  0.0195])
    """
    noise_variance = _checks.positive("noise_variance", noise_variance)
    slopes, error = _differences.slopes_of(signal, parameters, steps)
    _checks.must_broadcast(parameters=slopes.shape[:-2], noise_variance=noise_variance.shape)
    root = np.sqrt(2 / noise_variance)[..., None, None]
    with np.errstate(over="ignore"):
        rows, wrong = root * slopes, root * error
    try:
        return information(rows, wrong)
    except ValueError as beyond:
        raise ValueError("parameters must be in units in which all is finite") from beyond


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
    eps, slopes = _checks.precision(slopes), a_matrix("slopes", slopes, float)
    rounding = _checks.non_negative("rounding", rounding)
    if _checks.must_broadcast(slopes=slopes.shape, rounding=rounding.shape) != slopes.shape:
        raise ValueError(f"rounding must broadcast to slopes {slopes.shape}, got {rounding.shape}")
    return sum_of_squares(slopes, np.maximum(rounding, eps * np.abs(slopes)))


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
    eps, fim = _checks.precision(fim), a_square("fim", fim)
    whole = isinstance(n_keep, int | np.integer) and not isinstance(n_keep, bool)
    if not whole or not 1 <= n_keep <= fim.shape[-1]:
        raise ValueError(f"n_keep must be a whole number in 1..{fim.shape[-1]}, got {n_keep!r}")
    if n_keep == fim.shape[-1]:
        return symmetric(fim)
    if fim.shape[-1] <= _small.MOST and eps == _EPS:
        left, clear = _small.eliminated(fim, n_keep)
        if not np.all(clear):
            left[~clear] = left_of(fim[~clear], n_keep, eps)
        return left
    return left_of(fim, n_keep, eps)


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
    fim, jacobian = a_square("fim", fim), a_matrix("jacobian", jacobian, float)
    if jacobian.shape[-2] != fim.shape[-1]:
        raise ValueError(
            f"jacobian must have {fim.shape[-1]} rows, one per parameter of fim, "
            f"got {jacobian.shape[-2]}"
        )
    _checks.must_broadcast(fim=fim.shape[:-2], jacobian=jacobian.shape[:-2])
    changed = symmetric(transpose(jacobian) @ fim @ jacobian)
    # In units in which the terms of the diagonal are one, every entry is known to a rounding.
    size = np.abs(jacobian)
    terms = np.sum(size * (np.abs(fim) @ size), axis=-2)
    unit = np.sqrt(np.where(terms > 0, terms, 1.0))
    outer = unit[..., :, None] * unit[..., None, :]
    floor = max(8 * jacobian.shape[-1], jacobian.shape[-2]) * eps
    return outer * without_rounding("fim", changed / outer, floor)


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
    fim, scale = unit_diagonal(a_square("fim", fim))
    outer = scale[..., :, None] * scale[..., None, :]
    eigenvalues, vectors = np.linalg.eigh(fim)
    refuse_negative("fim", eigenvalues, eps)
    seen = seen_ones(eigenvalues, eps)
    inverse = np.where(seen, 1 / np.where(seen, eigenvalues, 1.0), 0.0)
    bound = (vectors * inverse[..., None, :]) @ transpose(vectors) / outer
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
    derivatives = a_matrix("derivatives", derivatives, complex)
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
    centred = derivatives - column * (adjoint(column) @ derivatives / energy)
    spread = symmetric(np.real(adjoint(centred) @ centred))
    before = np.sum(np.abs(derivatives) ** 2, axis=-2, keepdims=True)
    left = np.diagonal(spread, axis1=-2, axis2=-1)
    doubtful = np.any(before[..., 0, :] * (8 * eps / DOUBTFUL) ** 2 > left, axis=-1)
    doubtful |= lost_in_sum(spread, 2 * factor.shape[-1])
    if np.any(doubtful):
        centred = centred - column * (adjoint(column) @ centred / energy)  # to the last digit
        size = np.abs(derivatives) + np.abs(column) * np.sqrt(before / energy)
        slopes, rounding = real_rows(centred[doubtful]), 4 * eps * size[doubtful]
        spread[doubtful] = without_hidden(slopes, np.concatenate([rounding] * 2, axis=-2))
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
    eps, efim = _checks.precision(efim), a_square("efim", efim)
    if efim.shape[-1] == 2 and eps == _EPS:
        bound, clear = _small.bound_of_pairs(efim)
        if not np.all(clear):
            bound[~clear] = bound_of(efim[~clear], eps)
        return bound
    return bound_of(efim, eps)
