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


def keep_what_all_have(scene: Any, noise_figure_db: float | None, *positive: str) -> None:
    """Check and keep the fields that all scenes have, and further numbers; targets are kept."""
    number, dimension = scene.targets.shape
    refuse_other_waveforms(scene.waveform)
    still = np.zeros(scene.targets.shape) if scene.velocities is None else scene.velocities
    keep(scene, "velocities", places("velocities", still, number, dimension))
    for name in ("carrier_frequency", "spacing", "transmit_gain", "receive_gain", *positive):
        keep(scene, name, _checks.one(name, getattr(scene, name), _checks.positive))
    keep(scene, "noise_variance", noise(scene, noise_figure_db))
    _checks.one_of("gain_reference", scene.gain_reference, "element", "array")
    rcs = _checks.non_negative("mean_rcs", scene.mean_rcs)
    if rcs.shape not in ((), (number,)):
        raise ValueError(f"mean_rcs must be one number or one per target, got {rcs.shape}")
    keep(scene, "mean_rcs", rcs.copy() if rcs.ndim else float(rcs))


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
