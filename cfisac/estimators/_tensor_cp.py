"""Echoes of several targets taken apart: a tensor as a sum of outer products (liu (31)-(36))."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.estimators._tensor_doubt import no_tone, one_cell

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_FIRST, _NEXT, _LAST = 10, 20, 5  # sweeps from each start, from the best, and over all samples
_STILL = 1e-7  # movement of any entry of the factors in a Gauss-Newton step
_ROUNDING = 1e-12  # of what is left: no reason to refuse a step, or processors part ways
_ROOM = 3  # directions of each mode that are kept, for each target


class Components(NamedTuple):
    """What one access point hears, target by target, in no order that others share.

    Attributes
    ----------
    antenna : (U, N) complex
        Factors by antenna; those of each mode have a mean square of one and an unknown phase.
    subcarrier : (U, M) complex
        Factors by subcarrier.
    symbol : (U, N_s) complex
        Factors by symbol.
    amplitude : (U,) float
        Modulus of each echo in a sample.
    residual : float
        Mean square of what is left of a sample.
    turns : (U, 3) float
        Phase from antenna to antenna, subcarrier to subcarrier and symbol to symbol of the tone
        that fits each factor best, in (-pi, pi].
    converged : bool
        Whether the factors came to rest, are tones, and lie in different resolution cells.
    reason : str
        Empty, or why not.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> samples = signals.echo_tensors(scene, np.ones((4, 1)))
    >>> found = tensor.decompose(samples[0], 1)
    >>> found.converged, found.amplitude.round(3)
    (True, array([1.]))
    """

    antenna: ComplexArray
    subcarrier: ComplexArray
    symbol: ComplexArray
    amplitude: Array
    residual: float
    turns: Array
    converged: bool
    reason: str


def decompose(
    samples: ArrayLike,
    n_targets: int,
    regularisation: float = 1e-12,
    max_steps: int = 200,
) -> Components:
    """Decompose an echo tensor by alternating least squares from an ESPRIT start (liu (35)).

    ESPRIT gives the tones along one mode, least squares what belongs to each, and the largest
    singular value its two other factors. That is done for every mode that is long enough. After
    a few iterations from each, the best goes on.

    Parameters
    ----------
    samples : (N, M, N_s) complex
        Antennas x subcarriers x symbols, such as :func:`cfisac.signals.echo_tensors` gives.
    n_targets : int
        U >= 1. For several, ``min(N, U) + min(M, U) + min(N_s, U) >= 2 U + 2`` (Kruskal).
    regularisation : float
        Of every least-squares step, as a share of the energy of the two factors that are held:
        >= 0. It keeps a step defined where two targets coincide.
    max_steps : int
        Gauss-Newton steps, >= 1.

    Returns
    -------
    Components
        With ``converged=False`` and a reason if the iteration went on moving, a factor is no
        tone, or two targets share a resolution cell: their sum is one echo to this access point.

    Raises
    ------
    ValueError
        If the samples are not finite, not of three axes, all zero, or cannot carry so many
        targets.

    Notes
    -----
    Where targets are close in two modes, alternating least squares crawl along a valley for
    thousands of sweeps. Here they only lead the way, seen through the strongest directions of each
    mode; damped Gauss-Newton steps for all factors at once go to its end, and a few sweeps over
    all samples come last.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=2)
    >>> samples = signals.echo_tensors(scene, [[1.0, 0.5]] * 4)
    >>> decompose(samples[0], 2).amplitude.round(3)
    array([1. , 0.5])
    """
    tensor = _checked(samples)
    n_targets = _checks.one("n_targets", n_targets, _checks.count)
    share = _checks.one("regularisation", regularisation, _checks.non_negative)
    limit = _checks.one("max_steps", max_steps, _checks.count)
    _refuse_too_many(tensor.shape, n_targets)
    scale = np.sqrt(np.mean(np.abs(tensor) ** 2))
    factors, still = _iterate(tensor / scale, n_targets, share, limit)
    return _components(tensor, factors, scale, "" if still else f"still moves after {limit} steps")


def tone(factors: ArrayLike) -> Array:
    """Phase from sample to sample of the tone that fits each row best, in (-pi, pi].

    The peak of ``|sum_n a_n exp(-j n w)|``, found by an FFT and Newton steps: the matched filter,
    which liu's MUSIC (37)-(39) of a single vector is, too. The covariance ``a a^H`` has rank one,
    so that the printed spectrum equals ``1 / (N - |a(w)^H a|^2 / |a|^2)``.

    Parameters
    ----------
    factors : (..., N) complex
        One tone in each row, in noise.

    Raises
    ------
    ValueError
        If a factor is not finite or has no entries.

    Examples
    --------
    >>> print(f"{tone(np.exp(-2j * np.arange(16))):.3f}")
    -2.000
    """
    from cfisac.arrays import UniformLinearArray
    from cfisac.estimators import angle_ml

    rows = _checks.squarable("factors", factors)
    if rows.ndim < 1 or rows.shape[-1] == 0:
        raise ValueError(f"factors must have shape (..., N), got {rows.shape}")
    if rows.shape[-1] == 1:
        return np.zeros(rows.shape[:-1])
    _, phi = angle_ml.estimate_from_channel(rows, UniformLinearArray(rows.shape[-1]))
    return np.asarray(np.pi * np.sin(phi))


def match(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> NDArray[np.int64]:
    """Which row of the second factors belongs to each row of the first, whatever their phases.

    Parameters
    ----------
    first, second : sequences of (U, N_k) complex
        Factors of the same modes. Rows are matched by the product over the modes of ``|a^H b|``.

    Returns
    -------
    (U,)
        Row of ``second`` for each row of ``first``; no row is taken twice.

    Raises
    ------
    ValueError
        If the numbers of modes, of rows or their lengths differ, or an entry is not finite.

    Examples
    --------
    >>> two = np.array([[1, 1j], [1, -1j]])
    >>> match([two], [1j * two[::-1]])
    array([1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    for name, given in (("first", first), ("second", second)):
        if not isinstance(given, Sequence | np.ndarray) or getattr(given, "ndim", 1) == 0:
            raise ValueError(f"{name} must be a sequence of factors, got {given!r}")
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(
            f"first and second must have as many modes, got {len(first)}, {len(second)}"
        )
    alike: Any = 1.0
    for one, two in zip(first, second, strict=True):
        a, b = (_checks.finite(name, x, complex) for name, x in (("first", one), ("second", two)))
        if a.ndim != 2 or a.shape != b.shape:
            raise ValueError(f"first and second must have equal shapes, got {a.shape}, {b.shape}")
        norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        alike = alike * np.abs(a.conj() @ b.T) / np.maximum(norms, np.finfo(float).tiny)
    _, columns = linear_sum_assignment(-alike)
    return np.asarray(columns, dtype=np.int64)


def _checked(samples: ArrayLike) -> ComplexArray:
    tensor: ComplexArray = _checks.squarable("samples", samples)
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise ValueError(
            f"samples must have shape (antennas, subcarriers, symbols), got {tensor.shape}"
        )
    if not tensor.any():
        raise ValueError("samples must not all be zero")
    return tensor


def _refuse_too_many(shape: tuple[int, ...], n_targets: int) -> None:
    ranks = sum(min(size, n_targets) for size in shape)
    if n_targets > 1 and ranks < 2 * n_targets + 2:
        raise ValueError(
            f"n_targets must be fewer: a tensor of shape {shape} has k-ranks that add up to "
            f"{ranks} at most, and {n_targets} targets need {2 * n_targets + 2}"
        )
    if max(shape) <= n_targets:
        raise ValueError(
            f"n_targets must be below the longest axis of the samples, {max(shape)}; "
            f"got {n_targets}"
        )


def _iterate(
    tensor: ComplexArray, rank: int, share: float, limit: int
) -> tuple[list[ComplexArray], bool]:
    """Factors (N_k, U) of the best start, and whether they came to rest.

    Most of the way the tensor is seen through its strongest directions in each mode, which makes
    it small; the last steps are of the tensor itself.
    """
    bases, small = _compressed(tensor, _ROOM * rank)
    starts = [
        _start(small, bases, mode, rank) for mode in range(3) if tensor.shape[mode] > max(rank, 1)
    ]
    tried = [_als(small, each, share, _FIRST) for each in starts]
    factors = min(tried, key=lambda each: _left(small, each))
    factors = _als(small, factors, share, _NEXT)
    factors, still = _gauss_newton(small, factors, limit)
    whole = [basis @ each for basis, each in zip(bases, factors, strict=True)]
    return _als(tensor, whole, share, _LAST), still


def _gauss_newton(
    small: ComplexArray, factors: list[ComplexArray], limit: int
) -> tuple[list[ComplexArray], bool]:
    """Damped Gauss-Newton steps for all factors at once, which no valley slows down.

    The model is analytic in the factors, so that complex least squares are the real ones. The
    damping also holds the scales that the factors of an echo share.
    """
    sizes = [each.size for each in factors]
    rank, damping, left = factors[0].shape[1], 1e-3, _left(small, factors)
    nothing = (np.finfo(float).eps * np.linalg.norm(small)) ** 2
    for _ in range(limit):
        jacobian = np.concatenate(_slopes(factors), axis=1)
        normal = jacobian.conj().T @ jacobian
        pull = jacobian.conj().T @ (small - _whole(factors)).ravel()
        held = damping * np.trace(normal).real / len(normal)
        step = np.linalg.solve(normal + held * np.eye(len(normal)), pull)
        moved = [
            each + part.reshape(-1, rank)
            for each, part in zip(factors, np.split(step, np.cumsum(sizes)[:-1]), strict=True)
        ]
        now = _left(small, moved)
        still = bool(np.abs(step).max() < _STILL)
        if now <= left * (1 + _ROUNDING) + nothing:
            factors, left, damping = moved, now, max(damping / 10, 1e-8)
        else:
            damping = min(10 * damping, 1e3)
        if still:
            return factors, True
    return factors, False


def _slopes(factors: list[ComplexArray]) -> list[ComplexArray]:
    """Derivatives of all samples by each factor's entries, (samples, N_k U)."""
    a, b, c = factors
    shape = len(a), len(b), len(c)
    found = []
    for axis, pair in enumerate(((b, c), (a, c), (a, b))):
        held = pair[0][:, None, :] * pair[1][None, :, :]
        eye = np.eye(shape[axis])
        block = eye[:, None, None, :, None] * held[None, :, :, None, :]
        found.append(np.moveaxis(block, 0, axis).reshape(np.prod(shape), -1))
    return found


def _als(
    tensor: ComplexArray, factors: list[ComplexArray], share: float, steps: int
) -> list[ComplexArray]:
    """Solve for one factor after the other, the last two of mean square one at each end."""
    unfolded = [np.moveaxis(tensor, k, 0).reshape(tensor.shape[k], -1) for k in range(3)]
    factors = _balanced(factors)
    eye = np.eye(factors[0].shape[1])
    for _ in range(steps):
        for k in range(3):
            one, two = (factors[m].conj() for m in range(3) if m != k)
            gram = (one.T @ one.conj()) * (two.T @ two.conj())
            held = share * np.trace(gram).real / len(eye)
            both = (one[:, None, :] * two[None, :, :]).reshape(-1, len(eye))
            factors[k] = _solved(gram + held * eye, (unfolded[k] @ both).T).T
    return _balanced(factors)


def _solved(normal: ComplexArray, pull: ComplexArray) -> ComplexArray:
    """Least squares; the shortest answer where equal targets leave a choice."""
    try:
        return np.asarray(np.linalg.solve(normal, pull))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(normal, pull, rcond=None)[0])


def _compressed(tensor: ComplexArray, rank: int) -> tuple[list[ComplexArray], ComplexArray]:
    """Orthonormal directions (N_k, R) that hold most of the energy, and the tensor in them."""
    bases: list[Any] = [None] * 3
    small: Any = tensor
    for mode in np.argsort(tensor.shape, kind="stable")[::-1].tolist():
        unfolded = np.moveaxis(small, mode, 0).reshape(small.shape[mode], -1)
        _, vectors = np.linalg.eigh(unfolded @ unfolded.conj().T)
        bases[mode] = vectors[:, ::-1][:, :rank]
        small = np.moveaxis(np.tensordot(bases[mode].conj().T, small, axes=(1, mode)), 0, mode)
    return bases, small


def _start(
    small: ComplexArray, bases: list[ComplexArray], mode: int, rank: int
) -> list[ComplexArray]:
    """ESPRIT along one mode; the other two factors of each tone by its largest singular value."""
    signal = bases[mode][:, :rank]
    shift = np.linalg.lstsq(signal[:-1], signal[1:], rcond=None)[0]
    turns = np.angle(np.linalg.eigvals(shift))
    tones = np.exp(1j * np.outer(np.arange(len(signal)), turns))
    inside = bases[mode].conj().T @ tones
    unfolded = np.moveaxis(small, mode, 0).reshape(len(inside), -1)
    others = np.linalg.lstsq(inside, unfolded, rcond=None)[0]
    sizes = [size for axis, size in enumerate(small.shape) if axis != mode]
    u, s, v = np.linalg.svd(others.reshape(rank, *sizes), full_matrices=False)
    rest = [(u[:, :, 0] * s[:, :1]).T, v[:, 0].T]
    rest.insert(mode, inside)
    return _balanced(rest)


def _balanced(factors: list[ComplexArray]) -> list[ComplexArray]:
    """The same products, the second and third factors having a mean square of one."""
    first, *rest = factors
    for each in rest:
        size = np.sqrt(np.mean(np.abs(each) ** 2, axis=0))
        first = first * size
    return [first, *map(_unit, rest)]


def _unit(factor: ComplexArray) -> ComplexArray:
    size = np.sqrt(np.mean(np.abs(factor) ** 2, axis=0))
    return factor / np.maximum(size, np.finfo(float).tiny)


def _whole(factors: list[ComplexArray]) -> ComplexArray:
    """The sum of the outer products."""
    a, b, c = factors
    plane = (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])
    return (plane @ c.T).reshape(len(a), len(b), len(c))


def _left(tensor: ComplexArray, factors: list[ComplexArray]) -> float:
    """Squared norm of what the factors leave."""
    return float(np.sum(np.abs(tensor - _whole(factors)) ** 2))


def _components(
    tensor: ComplexArray, factors: list[ComplexArray], scale: float, moving: str
) -> Components:
    amplitude = scale * np.sqrt(np.mean(np.abs(factors[0]) ** 2, axis=0))
    order = np.argsort(-amplitude, kind="stable")
    n_free = max(tensor.size - sum(tensor.shape) * len(order), 1)
    residual = float(scale**2 * _left(tensor / scale, factors) / n_free)
    rows = [_unit(each).T[order] for each in factors]
    turns = np.stack([tone(each) for each in rows], axis=-1)
    reason = moving or no_tone(rows, turns) or one_cell(turns, tensor.shape)
    return Components(
        rows[0], rows[1], rows[2], amplitude[order], residual, turns, not reason, reason
    )
