"""The FIM of a signal that is a function: derivatives by differences whose error is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._rounding import sum_of_squares

Array = NDArray[np.float64]
Signal = Callable[[Any], ArrayLike]

_LARGEST, _SMALLEST = 0.5, 5e-3  # change of the signal by one step, as a share of the signal
_TRIES = 60  # factors of ten
_FIRST = 0.0739085  # first step as a share of the parameter: no whole share, as periods often are
_INNER = (
    (0.11, 0.3),
    (0.31, 0.6),
    (0.53, 0.8),
    (0.73, 0.95),
)  # at a share of a step, the most that it may have changed
_SEEN = 1e-12  # change of the signal, as a share of it, that is more than its rounding
_AGAIN, _SMALLER = 4, 1e3  # tries with smaller steps
_CLOSE = 2.0**-6  # share of a step at which a bend is told from a kink
_WORST = 1e-5  # error of a derivative, as a share of the largest of its parameter


def fim_of(
    signal: Signal,
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
        F of :func:`cfisac.fisher.gaussian_fim`. A parameter, or a direction, that the signal does
        not depend on, to the error of the derivatives, gets exactly no information.

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
    slopes, error = slopes_of(signal, parameters, steps)
    _checks.must_broadcast(parameters=slopes.shape[:-2], noise_variance=noise_variance.shape)
    root = np.sqrt(2 / noise_variance)[..., None, None]
    with np.errstate(all="ignore"):
        slopes = root * slopes
        if not np.all(np.isfinite(np.sum(slopes**2, axis=-2))):
            raise ValueError("parameters must be in units in which their information is finite")
    rounding = np.maximum(root * error, np.finfo(float).eps * np.abs(slopes))
    return sum_of_squares(slopes, rounding)


def slopes_of(
    signal: Signal, parameters: ArrayLike, steps: ArrayLike | None
) -> tuple[Array, Array]:
    """Derivatives (..., 2 n, k) of real parts above imaginary parts, and their errors.

    See :func:`fim_of`.
    """
    from scipy.differentiate import jacobian  # takes as long to import as all of the rest

    if not callable(signal):
        raise ValueError(f"signal must be a function of the parameters, got {signal!r}")
    at = _checks.finite("parameters", parameters)
    if at.ndim < 1 or at.shape[-1] == 0:
        raise ValueError(f"parameters must have shape (..., k) with k >= 1, got {at.shape}")
    flat = at.reshape(-1, at.shape[-1]).T.astype(float)  # (k, points)

    def parts(places: Array) -> Array:
        """Samples (2 n, ...) at places (k, ...)."""
        given = np.array(np.moveaxis(places, 0, -1))  # its own copy, whatever it does with it
        try:
            value = np.asarray(signal(given))
        except ValueError as error:
            raise ValueError(f"signal must take parameters (..., k): {error}") from error
        if value.ndim != places.ndim or value.shape[:-1] != places.shape[1:]:
            raise ValueError(
                "signal must take parameters (..., k) and return samples (..., n): it made "
                f"{value.shape} of {(*places.shape[1:], len(places))}"
            )
        if value.dtype.kind not in "biufc":
            raise ValueError(f"signal must return numbers, got {value.dtype}")
        return np.moveaxis(np.concatenate([value.real, value.imag], axis=-1), -1, 0)

    here = parts(flat)
    if not np.all(np.isfinite(here)):
        raise ValueError("signal must be finite at the parameters")
    step = _steps(parts, flat, here) if steps is None else _given(steps, at)
    for attempt in range(_AGAIN):
        found = jacobian(parts, flat, initial_step=step, order=8, maxiter=12)
        slopes, error = found.df, np.asarray(found.error)  # (2 n, k, points)
        # What the rounding of the samples makes of a derivative, at the last step.
        size = np.maximum(np.max(np.abs(here), axis=0, initial=0.0), _reach(parts, flat, step))
        noise = 8 * np.finfo(float).eps * size * 2.0 ** np.asarray(found.nit) / step
        error = np.maximum(error, noise)
        bad = ~(error <= np.maximum(_WORST * np.max(np.abs(slopes), axis=0, initial=0.0), noise))
        smaller = np.maximum(step / _SMALLER, np.minimum(step, _least(flat)))
        if steps is not None or not np.any(bad) or attempt == _AGAIN - 1:
            break
        step = np.where(np.any(bad, axis=0), smaller, step)  # finer than the step, perhaps
    if np.any(bad):
        sample, which, _ = (axis[0] for axis in np.nonzero(bad))
        raise RuntimeError(
            f"signal could not be differentiated by parameter {which}: sample "
            f"{sample % (len(slopes) // 2)} has a derivative of {slopes[bad][0]:.3g} with an "
            f"error of {error[bad][0]:.3g} (status {np.asarray(found.status)[bad][0]}); it must "
            "be smooth, and steps, if given, no larger than what changes it by half"
        )
    _refuse_kinks(parts, flat, here, step)
    leading = (*at.shape[:-1], len(slopes), len(flat))
    slopes, error = (np.moveaxis(each, -1, 0).reshape(leading) for each in (slopes, error))
    return slopes, error


def _given(steps: ArrayLike, parameters: Array) -> Array:
    step = _checks.positive("steps", steps)
    shape = _checks.must_broadcast(steps=step.shape, parameters=parameters.shape)
    if shape != parameters.shape:
        raise ValueError(f"steps must broadcast to {parameters.shape}, got {step.shape}")
    least = np.spacing(np.abs(parameters)) * 2**16  # they are halved twelve times
    if np.any(step < least):
        raise ValueError(f"steps must be more than the rounding of parameters, >= {least.max():g}")
    return np.broadcast_to(step, parameters.shape).reshape(-1, parameters.shape[-1]).T


def _least(at: Array) -> Array:
    """Steps at which rounding leaves no more than some digits."""
    return np.asarray(np.spacing(np.abs(at)) * 2**20)


def _moved(parts: Callable[[Array], Array], at: Array, row: int, by: Array) -> Array:
    """Samples with one parameter moved."""
    places = at.copy()
    places[row] += by
    with np.errstate(all="ignore"):
        return parts(places)


def _reach(parts: Callable[[Array], Array], at: Array, step: Array) -> Array:
    """The largest sample (k, points) a last step away, where the signal itself may be zero."""
    ends = [_moved(parts, at, row, _CLOSE * step[row]) for row in range(len(at))]
    return np.array([np.max(np.abs(end), axis=0, initial=0.0) for end in ends])


def _refuse_kinks(parts: Callable[[Array], Array], at: Array, here: Array, step: Array) -> None:
    """Refuse what differences to both sides cannot see: a kink at the very place, as of ``abs``.

    Of a smooth signal the second difference goes with the square of the step.
    """
    for row, far in enumerate(step):
        sizes = np.array([
            np.abs(_moved(parts, at, row, by) + _moved(parts, at, row, -by) - 2 * here)
            for by in (_CLOSE * far, _CLOSE**2 * far)
        ])  # fmt: skip
        least = _SEEN * np.max(np.abs(here), axis=0, initial=0.0)
        if np.any((sizes[1] > 0.5 * _CLOSE * sizes[0]) & (sizes[1] > least)):
            raise RuntimeError(
                f"signal could not be differentiated by parameter {row}: its slope is not the "
                "same to both sides; it must be smooth"
            )


def _steps(parts: Callable[[Array], Array], at: Array, here: Array) -> Array:
    """Steps (k, points) that change the signal neither by much nor by next to nothing.

    And not back and forth: at a part of a step it has changed by less.
    """
    step = np.where(at != 0, np.abs(at), 10.0) * _FIRST
    size = np.sqrt(np.sum(here**2, axis=0))
    least = _least(at)
    for row in range(len(at)):
        grown = np.zeros(size.shape, bool)

        def change(share: float, row: int = row) -> Array:
            away = _moved(parts, at, row, share * step[row]) - here
            with np.errstate(all="ignore"):
                return np.sqrt(np.sum(away**2, axis=0))

        for _ in range(_TRIES):
            whole = change(1.0)
            turns = np.any([change(part) > most * whole for part, most in _INNER], axis=0)
            far = ~(whole <= _LARGEST * size)  # nan is too far as well
            far |= turns & (whole > _SEEN * size)
            near = ~far & (whole < _SMALLEST * size)
            shrink = far & (step[row] / 10 > least[row])
            grow = near & ~grown & (step[row] < 1e30)
            if not np.any(shrink | grow):
                break
            grown |= shrink  # once it had to shrink it does not grow again
            step[row] = np.where(shrink, step[row] / 10, np.where(grow, step[row] * 10, step[row]))
    return step
