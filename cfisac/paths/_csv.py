"""Text tables of paths, with the unit in every column's name."""

import csv
import io
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light

Array = NDArray[np.float64]

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_RADIANS = {"rad": 1.0, "deg": np.pi / 180}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "delay": _SECONDS,
    "length": {"m": 1 / speed_of_light},
    "gain": {"db": 1.0, "re": 1.0, "im": 1.0},
    "phase": _RADIANS,
    "doppler": {"hz": 1.0, "khz": 1e3},
    **{f"{end}": {"x": 1.0, "y": 1.0, "z": 1.0} for end in ("depart", "arrive")},
    **{
        f"{end}_{angle}": _RADIANS
        for end in ("depart", "arrive")
        for angle in ("azimuth", "elevation", "zenith")
    },
}
_WHOLE = ("transmitter", "receiver", "target", "bounces")
_WORDS = ("kind", "label")


def read(file: str | PathLike[str], carrier: float) -> dict[str, Any]:
    """Columns of a :class:`cfisac.paths.PathTable` from a text table, but for the carrier."""
    lines = [line for line in csv.reader(io.StringIO(_checks.utf8(file), newline="")) if line]
    if not lines:
        raise ValueError(f"{file} must begin with a line that names the columns")
    head = [name.strip() for name in lines[0]]
    if len(set(head)) < len(head):
        raise ValueError(f"columns must differ, got {', '.join(head)}")
    for row, line in enumerate(lines[1:]):
        if len(line) != len(head):
            raise ValueError(f"row {row} must have {len(head)} entries, got {len(line)}")
    text = {name: [line[k].strip() for line in lines[1:]] for k, name in enumerate(head)}
    found: dict[str, Array] = {}
    columns: dict[str, Any] = {}
    for name, entries in text.items():
        if name in _WORDS:
            columns[name] = np.array(entries, dtype=str)
        elif name in _WHOLE:
            columns[name] = _numbers(name, entries)
        else:
            found[name] = _numbers(name, entries) * _scale(name)
    delay = _one_of(found, "delay", tuple(f"delay_{unit}" for unit in _SECONDS) + ("length_m",))
    columns["delay"] = delay
    columns["gain"] = _gain(found, delay, carrier)
    columns["depart"], columns["arrive"] = (_unit(found, end) for end in ("depart", "arrive"))
    if any(name.startswith("doppler") for name in found):
        columns["doppler"] = _one_of(found, "doppler", ("doppler_hz", "doppler_khz"))
    if found:
        raise ValueError(f"columns must not say one thing twice, got {', '.join(found)} as well")
    missing = [name for name in ("transmitter", "receiver", "kind") if name not in columns]
    if missing:
        raise ValueError(f"columns must hold {', '.join(missing)}, got {', '.join(head)}")
    return columns


def _scale(name: str) -> float:
    quantity, _, unit = name.rpartition("_")
    if quantity in _UNITS:
        if unit.lower() in _UNITS[quantity]:
            return _UNITS[quantity][unit.lower()]
        raise ValueError(
            f"column {name!r} has the unknown unit {unit!r}, allowed: {', '.join(_UNITS[quantity])}"
        )
    if name in _UNITS:
        raise ValueError(f"column {name!r} must say its unit: {name}_{next(iter(_UNITS[name]))}")
    known = [*_WHOLE, *_WORDS, *(f"{each}_{next(iter(units))}" for each, units in _UNITS.items())]
    raise ValueError(f"column {name!r} is unknown, allowed: {', '.join(known)} and other units")


def _numbers(name: str, entries: list[str]) -> Array:
    numbers = np.empty(len(entries))
    for row, entry in enumerate(entries):
        try:
            numbers[row] = float(entry)
        except ValueError:
            numbers[row] = np.nan
        if not np.isfinite(numbers[row]):
            raise ValueError(f"row {row}, column {name!r} must be a finite number, got {entry!r}")
    return numbers


def _one_of(found: dict[str, Array], what: str, names: tuple[str, ...]) -> Array:
    given = [name for name in names if name in found]
    if len(given) != 1:
        raise ValueError(f"{what} must be in one column of {', '.join(names)}, got {given}")
    return found.pop(given[0])


def _gain(found: dict[str, Array], delay: Array, carrier: float) -> NDArray[np.complex128]:
    if "gain_re" in found and "gain_im" in found and "gain_db" not in found:
        return np.asarray(found.pop("gain_re") + 1j * found.pop("gain_im"))
    size = 10 ** (_one_of(found, "gain", ("gain_db",)) / 20)
    given = [name for name in ("phase_deg", "phase_rad") if name in found]
    phase = found.pop(given[0]) if given else -2 * np.pi * np.mod(carrier * delay, 1.0)
    return np.asarray(size * np.exp(1j * phase))


def _unit(found: dict[str, Array], end: str) -> Array:
    names = [name for name in (f"{end}_x", f"{end}_y", f"{end}_z") if name in found]
    if names:
        if names[:2] != [f"{end}_x", f"{end}_y"]:
            raise ValueError(f"{end} must have {end}_x and {end}_y, and {end}_z in space")
        parts = [found.pop(name) for name in names]
        vectors = np.stack(parts, axis=-1)
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
        wrong = np.abs(length[:, 0] - 1) > 1e-3
        if np.any(wrong):
            row = int(np.argmax(wrong))
            raise ValueError(f"row {row}, column '{end}_x' and on must be a unit vector")
        return np.asarray(vectors / length)
    around = _one_of(found, end, (f"{end}_azimuth_deg", f"{end}_azimuth_rad"))
    flat = np.stack([np.cos(around), np.sin(around)], axis=-1)
    tilts = [f"{end}_{kind}_{unit}" for kind in ("elevation", "zenith") for unit in _RADIANS]
    if not any(name in found for name in tilts):
        return flat
    zenith = any("zenith" in name for name in tilts if name in found)
    up = _one_of(found, end, tuple(tilts))
    if zenith:
        up = np.pi / 2 - up
    return np.concatenate([np.cos(up)[:, None] * flat, np.sin(up)[:, None]], axis=-1)
