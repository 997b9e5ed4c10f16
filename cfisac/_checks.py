"""Argument checks shared by the public functions: they name the argument and what is allowed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite(name: str, value: ArrayLike, dtype: type = float) -> NDArray[Any]:
    """Return ``value`` as a finite array of ``dtype``."""
    try:
        array = np.asarray(value)
        if dtype is float and np.iscomplexobj(array):
            raise TypeError
        array = array.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        kind = "real" if dtype is float else "complex"
        raise ValueError(f"{name} must be an array of {kind} numbers") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite; it holds nan or inf")
    return array


def positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return ``value`` as a finite array of positive numbers."""
    array = finite(name, value)
    if not np.all(array > 0):
        raise ValueError(f"{name} must be > 0, got {array.min():g}")
    return array


def non_negative(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return ``value`` as a finite array of numbers that are zero or more."""
    array = finite(name, value)
    if not np.all(array >= 0):
        raise ValueError(f"{name} must be >= 0, got {array.min():g}")
    return array


def count(name: str, value: ArrayLike, least: int = 1) -> NDArray[np.int64]:
    """Return ``value`` as an array of whole numbers, each ``least`` or more."""
    array = finite(name, value)
    if not (np.all(array == np.round(array)) and np.all(array >= least)):
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return array.astype(np.int64)
