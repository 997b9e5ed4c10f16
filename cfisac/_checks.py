"""Argument checks shared by the public functions: they name the argument and what is allowed."""

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Number
from os import PathLike
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

P = ParamSpec("P")
R = TypeVar("R")

_UNIT = 1e-9  # how far a length may be from one
_ROOM = 2**28  # entries, 4 GB of complex numbers
_MOST = 2**53  # beyond it floating-point numbers skip whole ones
_LOUDEST, _FAINTEST = 1e100, 1e-100  # moduli whose squares and their sums stay numbers


def finite(name: str, value: ArrayLike, dtype: type = float) -> NDArray[Any]:
    """Return ``value`` as a finite array of ``dtype``."""
    try:
        array = np.asarray(value)
        kind = array.dtype.kind
        if kind not in ("Obiuf" if dtype is float else "Obiufc") or (
            kind == "O" and not all(isinstance(each, Number) for each in array.flat)
        ):
            raise TypeError  # numpy would read numbers out of text and dates
        array = array.astype(dtype, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = "real" if dtype is float else "complex"
        raise ValueError(f"{name} must be an array of {wanted} numbers") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; it holds nan or inf")
    return array


def precision(*values: ArrayLike) -> float:
    """Return the rounding (eps) of the coarsest type among the values, float64's at least.

    What came in as float32 is known to no more than that, whatever it is computed with.
    """
    kinds: set[Any] = {np.float64}
    for value in values:
        try:
            array = np.asarray(value)
        except ValueError:  # ragged: what checks it will say so by its name
            continue
        objects = array.flat if array.dtype.kind == "O" else ()
        kinds |= {type(each) for each in objects if isinstance(each, np.inexact)}
        kinds |= {array.dtype.type} if array.dtype.kind in "fc" else set()
    return max(float(np.finfo(kind).eps) for kind in kinds)


def squarable(name: str, value: ArrayLike, dtype: type = complex) -> NDArray[Any]:
    """Return ``value`` as a finite array whose energy neither overflows nor vanishes.

    For samples and what they are multiplied by: their squares would be ``inf``, or zero.
    """
    array = finite(name, value, dtype)
    parts = (array.real, array.imag) if np.iscomplexobj(array) else (array,)
    largest = max(float(f(each, initial=0.0)) * sign for each in parts for f, sign in
                  ((np.max, 1), (np.min, -1)))  # fmt: skip
    if largest > _LOUDEST or 0 < largest < _FAINTEST:
        raise ValueError(
            f"{name} must be zero or have a largest entry in [{_FAINTEST:g}, {_LOUDEST:g}], "
            f"got {largest:g}"
        )
    return array


def each_of(name: str, value: Any, n_expected: int, what: str) -> list[Any]:
    """Return the entries of a sequence that has as many as there are ``what``."""
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if not listed and not (isinstance(value, np.ndarray) and value.ndim > 0):
        raise ValueError(
            f"{name} must be a sequence, one for each of {n_expected} {what}, got "
            f"{type(value).__name__}"
        )
    if len(value) != n_expected:
        raise ValueError(
            f"{name} must be of {n_expected} {what}, one for each of them, got {len(value)}"
        )
    return list(value)


def kind(name: str, value: Any, *allowed: type) -> Any:
    """Return ``value``, which is an object of one of some classes."""
    if not isinstance(value, allowed):
        wanted = " or ".join(each.__name__ for each in allowed)
        raise ValueError(f"{name} must be a {wanted}, got {type(value).__name__}")
    return value


def generator(name: str, value: Any) -> np.random.Generator:
    """Return ``value``, which draws random numbers."""
    if not isinstance(value, np.random.Generator):
        raise ValueError(
            f"{name} must be a numpy.random.Generator, such as numpy.random.default_rng(1), got "
            f"{type(value).__name__}"
        )
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """Return ``value``, which is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return ``value`` as a finite array of positive numbers."""
    array = finite(name, value)
    if not (array > 0).all():
        raise ValueError(f"{name} must be > 0, got {array.min():g}")
    return array


def non_negative(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return ``value`` as a finite array of numbers that are zero or more."""
    array = finite(name, value)
    if not (array >= 0).all():
        raise ValueError(f"{name} must be >= 0, got {array.min():g}")
    return array


def or_inf(
    name: str, value: ArrayLike, check: Callable[[str, ArrayLike], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return ``value`` as an array that passes ``check`` where it is not ``inf``.

    For deviations and variances: ``inf`` is that of what is not known at all.
    """
    try:
        given = np.asarray(value)
    except ValueError:  # ragged
        return check(name, value)
    if given.dtype.kind not in "fO":
        return check(name, value)
    if np.any(given == -np.inf):
        raise ValueError(f"{name} must be >= 0 or inf, got -inf")
    endless = np.asarray(given == np.inf, dtype=bool)
    return np.where(endless, np.inf, check(name, np.where(endless, 1.0, given)))


def room(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape that fits into memory: numbers of things are counted from zero."""
    if math.prod(shape) > _ROOM:
        raise ValueError(
            f"{name} must have at most 2**28 entries, got {shape}; are rows numbered from zero?"
        )
    return shape


def utf8(file: str | PathLike[str]) -> str:
    """Return what a text file holds."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            return stream.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} must be text in UTF-8: {error}") from error


def count(name: str, value: ArrayLike, least: int = 1) -> NDArray[np.int64]:
    """Return ``value`` as an array of whole numbers, each ``least`` or more."""
    array = finite(name, value)
    if not ((array == np.rint(array)) & (array >= least)).all():
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    if not (array <= _MOST).all():
        raise ValueError(f"{name} must be <= 2**53, got {value!r}")
    return array.astype(np.int64)


def one(name: str, value: ArrayLike, check: Callable[..., NDArray[Any]], *more: int) -> Any:
    """Return ``value`` as one plain number that passes ``check``."""
    if np.ndim(value) != 0 or value is None or isinstance(value, str | bytes):
        raise ValueError(f"{name} must be one real number, got {value!r}")
    return check(name, value, *more).item()


def points(
    name: str, value: ArrayLike, axes: int = 1, dimensions: tuple[int, ...] = (2,)
) -> NDArray[np.float64]:
    """Return ``value`` as a finite array (..., D) of at least ``axes`` axes, D being allowed."""
    array = finite(name, value)
    if array.ndim < axes or array.shape[-1] not in dimensions:
        before = ", ".join(["...", *["n"] * (axes - 1)])
        allowed = " or ".join(f"({before}, {d})" for d in dimensions)
        raise ValueError(f"{name} must have shape {allowed}, got {array.shape}")
    return array


def same_dimension(**arrays: NDArray[Any]) -> int:
    """Return D of arrays (..., D); refuse a plane mixed with space."""
    sizes = {name: array.shape[-1] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"{' and '.join(sizes)} must have the same dimension, got {told}")
    return next(iter(sizes.values()))


def unit_vectors(
    name: str, value: ArrayLike, dimensions: tuple[int, ...] = (2,)
) -> NDArray[np.float64]:
    """Return ``value`` as an array (..., D) of vectors whose length is one to 1e-9.

    Or to the rounding of the type in which they came, if that is coarser.
    """
    vectors = points(name, value, dimensions=dimensions)
    length = np.sqrt((vectors * vectors).sum(axis=-1))
    if not (np.abs(length - 1) <= max(_UNIT, 4 * precision(value))).all():
        worst = length.ravel()[np.argmax(np.abs(length - 1))]
        raise ValueError(f"{name} must be unit vectors, got one of length {worst:.9g}")
    return vectors


def one_of(name: str, value: Any, *allowed: str) -> str:
    """Return ``value``, which is one of some words."""
    if not isinstance(value, str) or value not in allowed:
        *first, last = map(repr, allowed)
        raise ValueError(f"{name} must be {', '.join(first)} or {last}, got {value!r}")
    return value


def must_broadcast(**leading: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the leading axes together; refuse those that do not fit each other."""
    try:
        return np.broadcast_shapes(*leading.values())
    except ValueError as error:
        *first, last = leading
        shapes = ", ".join(f"{name} {shape}" for name, shape in leading.items())
        raise ValueError(
            f"{', '.join(first)} and {last} must broadcast over their leading axes, got {shapes}"
        ) from error


def renamed(**old: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let keywords go by their old names for one release, with a ``DeprecationWarning``.

    Parameters
    ----------
    **old : str
        ``old=new`` for each: after ``@renamed(snr="sample_snr")``, ``f(snr=3)`` warns and calls
        ``f(sample_snr=3)``.

    Raises
    ------
    ValueError
        When the function is called with a keyword by both names.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for before, now in old.items():
                if before not in kwargs:
                    continue
                if now in kwargs:
                    raise ValueError(f"{now} must be given once, not as {before} too")
                _warn(f"{function.__qualname__}: {before} is now called {now}")
                kwargs[now] = kwargs.pop(before)
            return function(*args, **kwargs)

        return call

    return decorate


def old_name(name: str, function: Callable[P, R]) -> Callable[P, R]:
    """Return a function under its old name for one release: each call warns and says the new one.

    ``peb = old_name("peb", position_error_bound)``, or for a property of a class
    ``snr = property(old_name("snr", _sample_snr))``.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        _warn(f"{name} is now called {function.__qualname__}")
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Old name of :func:`{function.__name__}`; it goes with the next release."
    return call


def _warn(text: str) -> None:
    warnings.warn(f"{text}; the old name goes with the next release", DeprecationWarning, 3)
