"""What all scenes share: types, checks of places and waveforms, and read-only fields."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, propagation, waveforms

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Waveform = waveforms.OTFS | waveforms.OFDM

NEEDED: Any = None
"""Default of fields that must be given although they stand behind others that need not."""


def places(
    name: str,
    value: ArrayLike,
    number: int | None = None,
    dimension: int | None = None,
    like: str = "the other places",
) -> Array:
    """Return a copy of ``value`` as points of a plane or of space, of the dimension of others.

    One or more, or exactly ``number``.
    """
    array = _checks.finite(name, value)
    allowed = (2, 3) if dimension is None else (dimension,)
    fits = array.ndim == 2 and array.shape[1] in allowed
    if not fits or (len(array) != number if number is not None else len(array) == 0):
        wanted = "n >= 1" if number is None else f"{number}"
        shapes = " or ".join(f"({wanted}, {each})" for each in allowed)
        told = "" if dimension is None else f", with the dimension of {like}"
        raise ValueError(f"{name} must be {shapes}{told}, got shape {array.shape}")
    return array.astype(float)


def need(scene: Any, *names: str) -> None:
    """Refuse a scene in which a field without a default is missing."""
    for name in names:
        if getattr(scene, name) is None:
            raise ValueError(f"{name} must be given")


def refuse_other_waveforms(waveform: Any) -> None:
    """Refuse what is neither an OTFS nor an OFDM."""
    if not isinstance(waveform, Waveform):
        raise ValueError(f"waveform must be an OTFS or an OFDM, got {waveform!r}")


def cross_section(mean_rcs: ArrayLike, n_targets: int) -> float | Array:
    """One radar cross section, or one for each target."""
    rcs = _checks.non_negative("mean_rcs", mean_rcs)
    if rcs.shape not in ((), (n_targets,)):
        raise ValueError(f"mean_rcs must be one number or one per target, got {rcs.shape}")
    return rcs.copy() if rcs.ndim else float(rcs)


def noise(scene: Any, noise_figure_db: float | None) -> float:
    """The scene's ``noise_variance``, or ``k T B F`` from a noise figure."""
    if noise_figure_db is None:
        if scene.noise_variance is None:
            raise ValueError("noise_variance must be given, or noise_figure_db instead of it")
        return _checks.one("noise_variance", scene.noise_variance, _checks.positive)
    if scene.noise_variance is not None:
        raise ValueError("noise_figure_db must not be given together with noise_variance")
    figure = _checks.one("noise_figure_db", noise_figure_db, _checks.non_negative)
    return float(propagation.noise_power(scene.noise_bandwidth, figure))


def keep(scene: Any, name: str, value: Any) -> None:
    """Set a field of a frozen scene; nobody can write to its arrays."""
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, np.ndarray):
            each.setflags(write=False)
    object.__setattr__(scene, name, value)


def distances(origins: Array, points: Array) -> Array:
    """Distance of every point from every origin, (n_origins, n_points)."""
    return np.linalg.norm(points - origins[:, None], axis=-1)


def directions(angle: Array) -> Array:
    """Unit vectors of the plane at an angle from the x axis."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def local_angle(origins: Array, axes: Array, points: Array) -> Array:
    """Angle from broadside of every point seen from every array, (n_origins, n_points).

    A linear array cannot tell front from back: both get the angle in front.
    """
    offset = points - origins[:, None]
    along = np.einsum("pti,pi->pt", offset, axes) / np.linalg.norm(offset, axis=-1)
    return np.arcsin(np.clip(along, -1, 1))
