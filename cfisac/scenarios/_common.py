"""What all scenes share: types, checks of places and waveforms, and read-only fields."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, waveforms

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Waveform = waveforms.OTFS | waveforms.OFDM


def places(name: str, value: ArrayLike, number: int | None = None) -> Array:
    """Return a copy of ``value`` as points of the plane, one or more, or exactly ``number``."""
    array = _checks.finite(name, value)
    fits = array.ndim == 2 and array.shape[1] == 2
    if not fits or (len(array) != number if number is not None else len(array) == 0):
        wanted = "n >= 1" if number is None else f"{number}"
        raise ValueError(f"{name} must be ({wanted}, 2), got shape {array.shape}")
    return array.astype(float)


def refuse_other_waveforms(waveform: Any) -> None:
    if not isinstance(waveform, Waveform):
        raise ValueError(f"waveform must be an OTFS or an OFDM, got {waveform!r}")


def cross_section(mean_rcs: ArrayLike, n_targets: int) -> float | Array:
    rcs = _checks.non_negative("mean_rcs", mean_rcs)
    if rcs.shape not in ((), (n_targets,)):
        raise ValueError(f"mean_rcs must be one number or one per target, got {rcs.shape}")
    return rcs.copy() if rcs.ndim else float(rcs)


def keep(scene: Any, name: str, value: Any) -> None:
    """Set a field of a frozen scene; nobody can write to its arrays."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    object.__setattr__(scene, name, value)


def distances(origins: Array, points: Array) -> Array:
    """Distance of every point from every origin, (n_origins, n_points)."""
    return np.linalg.norm(points - origins[:, None], axis=-1)


def directions(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def local_angle(origins: Array, axes: Array, points: Array) -> Array:
    """Angle from broadside of every point seen from every array, (n_origins, n_points).

    A linear array cannot tell front from back: both get the angle in front.
    """
    offset = points - origins[:, None]
    along = np.einsum("pti,pi->pt", offset, axes) / np.linalg.norm(offset, axis=-1)
    return np.arcsin(np.clip(along, -1, 1))
