"""Checks of a table's columns, which name the row."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BACK = 1e-3  # how far (rad) the two ends of a path may disagree about its mirrors
_MOST = 2**53  # beyond it floating-point numbers skip whole ones
_ZERO = 1e-13  # a delay (s), 0.03 mm, that no path between two places has


def column(name: str, value: ArrayLike, number: int, dtype: type = float) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind in "fc":
        refuse(name, "finite", array, ~np.isfinite(array))
    array = _checks.finite(name, array, dtype)
    if array.shape not in ((), (number,)):
        raise ValueError(f"{name} must have shape ({number},), one entry a row, got {array.shape}")
    return np.broadcast_to(array, (number,))


def words(name: str, value: Any, number: int) -> NDArray[np.str_]:
    array = np.asarray(value)
    if array.dtype.kind != "U" and array.size:
        raise ValueError(f"{name} must be words, got {array.dtype}")
    if array.shape not in ((), (number,)):
        raise ValueError(f"{name} must have shape ({number},), one entry a row, got {array.shape}")
    return np.broadcast_to(array.astype(str), (number,))


def unit(name: str, value: ArrayLike, number: int, eps: float) -> Array:
    array = np.asarray(value)
    if array.ndim != 2 or len(array) != number or array.shape[1] not in (2, 3):
        raise ValueError(
            f"{name} must have shape ({number}, 2) or ({number}, 3), got {array.shape}"
        )
    if array.dtype.kind == "f":
        refuse(name, "finite", array, ~np.all(np.isfinite(array), axis=-1))
    array = _checks.finite(name, array)
    length = np.linalg.norm(array, axis=-1)
    refuse(name, "a unit vector", array, np.abs(length - 1) > max(1e-9, 8 * eps))
    return array / length[:, None] if eps > np.finfo(float).eps else array


def not_whole(value: Array, least: int) -> NDArray[np.bool_]:
    """Tell which are no whole numbers from ``least`` to what an index can be."""
    return np.asarray((value != np.round(value)) | (value < least) | (value > _MOST))


def refuse(name: str, allowed: str, column: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
    if np.any(wrong):
        row = int(np.argmax(wrong)) if wrong.ndim else 0
        shown = column[row].tolist() if column.ndim else column.item()
        raise ValueError(f"{name} must be {allowed}; row {row} has {shown}")


def refuse_gone(transmitter: IntArray, receiver: IntArray, delay: Array) -> None:
    if not len(delay):
        return
    _, link = np.unique(np.stack([transmitter, receiver]), axis=1, return_inverse=True)
    first = np.full(link.max() + 1, np.inf)
    np.minimum.at(first, link, delay)
    if np.all(np.abs(first) <= _ZERO):
        raise ValueError(
            "delay must be absolute, but every link starts with the delay zero: the range is gone. "
            "Delays counted from the first arrival cannot place anything"
        )
    refuse("delay", "> 0", delay, delay <= _ZERO)


def mirrors(value: ArrayLike | None, kept: Mapping[str, Any]) -> Array | None:
    """Mirrors that fit the ends of their paths; lines of sight must have none."""
    depart, arrive = kept["depart"], kept["arrive"]
    apart = np.linalg.norm(depart + arrive, axis=-1)
    wrong = (kept["kind"] == "los") & (apart > _BACK)
    refuse("arrive", "-depart in a line of sight: it points back to the source", arrive, wrong)
    if value is None:
        return None
    try:
        mirror = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("mirror must be an array of real numbers") from error
    n, dimension = depart.shape
    if mirror.shape != (n, dimension, dimension):
        raise ValueError(
            f"mirror must have shape ({n}, {dimension}, {dimension}), got {mirror.shape}"
        )
    known = np.all(np.isfinite(mirror), axis=(-2, -1))
    told = np.where(known[:, None, None], mirror, np.eye(dimension))
    gram = told @ np.swapaxes(told, -1, -2)
    off = np.max(np.abs(gram - np.eye(dimension)), axis=(-2, -1), initial=0.0)
    refuse("mirror", "orthogonal", mirror, off > _BACK)
    apart = np.linalg.norm((told @ depart[..., None])[..., 0] + arrive, axis=-1)
    wrong = known & (kept["kind"] == "reflection") & (apart > _BACK)
    refuse("mirror", "such that mirror @ depart = -arrive", mirror, wrong)
    return np.where(known[:, None, None], mirror, np.nan)
