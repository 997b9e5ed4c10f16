"""Access points and path gains from tables: comma-separated text with units in the names."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac.scenarios import _plausible
from cfisac.scenarios._common import Array, ComplexArray

_LENGTHS = {"m": 1.0, "km": 1e3, "cm": 1e-2, "mm": 1e-3}
_ANGLES = {"rad": 1.0, "deg": np.pi / 180}
_NUMBERS = {"": 1.0}
_WAVELENGTHS = {"wavelengths": 1.0}
_DECIBELS = {"db": 1.0}
_ROLES = {"transmit": (True, False), "receive": (False, True), "both": (True, True)}

_Known = Mapping[str, Mapping[str, float] | None]
_AP_COLUMNS: _Known = {
    "name": None, "role": None, "x": _LENGTHS, "y": _LENGTHS, "z": _LENGTHS,
    "heading": _ANGLES, "tilt": _ANGLES, "antennas": _NUMBERS, "spacing": _WAVELENGTHS,
}  # fmt: skip
_GAIN_COLUMNS: _Known = {
    "transmitter": _NUMBERS, "receiver": _NUMBERS, "ap": _NUMBERS, "target": _NUMBERS,
    "real": _NUMBERS, "imag": _NUMBERS, "power": _DECIBELS, "phase": _ANGLES,
}  # fmt: skip
_WHOLE = ("transmitter", "receiver", "ap", "target", "antennas")


@dataclass(frozen=True, eq=False)
class ApTable:
    """Access points as :func:`read_aps` found them in a table.

    Parameters
    ----------
    names : tuple of str
        Names, or the numbers of the rows from 0.
    positions : (n, D)
        In metres; D = 3 if the table has a column z.
    sends, hears : (n,) bool
        Roles; everybody has both if the table does not say.
    headings : (n,) or None
        Azimuth of each array's broadside (rad), counter-clockwise from the x axis.
    tilts : (n,) or None
        Its elevation above the horizon (rad).
    n_antennas : (n,) int or None
        Of each access point.
    spacing : (n,) or None
        Of its antennas, in wavelengths.

    Examples
    --------
    >>> table = ApTable(
    ...     names=("roof", "wall"), positions=np.array([[0.0, 0.0], [80.0, 0.0]]),
    ...     sends=np.array([True, False]), hears=np.array([True, True]),
    ...     headings=np.radians([30.0, 150.0]),
    ... )
    >>> table.transmitters
    array([[0., 0.]])
    >>> table.receive_axes.round(3)
    array([[-0.5  ,  0.866],
           [-0.5  , -0.866]])
    """

    names: tuple[str, ...]
    positions: Array
    sends: NDArray[np.bool_]
    hears: NDArray[np.bool_]
    headings: Array | None = None
    tilts: Array | None = None
    n_antennas: NDArray[np.int64] | None = None
    spacing: Array | None = None

    @property
    def axes(self) -> Array | None:
        """Unit vectors (n, D) along linear arrays with these headings, to the left; else None."""
        if self.headings is None:
            return None
        axes = np.zeros(self.positions.shape)
        axes[:, 0], axes[:, 1] = -np.sin(self.headings), np.cos(self.headings)
        return axes

    @property
    def rotations(self) -> Array | None:
        """What :func:`cfisac.arrays.turned` takes, (n,) or (n, 3, 3); None without headings."""
        if self.headings is None or self.axes is None or self.positions.shape[1] == 2:
            return self.headings
        up = np.zeros(len(self.headings)) if self.tilts is None else self.tilts
        level = np.cos(up)
        looks = [level * np.cos(self.headings), level * np.sin(self.headings), np.sin(up)]
        unit, across = np.stack(looks, axis=-1), self.axes
        return np.stack([unit, across, np.cross(unit, across)], axis=-1)

    @property
    def transmitters(self) -> Array:
        """Positions of those that send, (P, D)."""
        return self.positions[self.sends]

    @property
    def receivers(self) -> Array:
        """Positions of those that hear, (R, D)."""
        return self.positions[self.hears]

    @property
    def transmit_axes(self) -> Array | None:
        """:attr:`axes` of those that send, (P, D)."""
        return None if self.axes is None else self.axes[self.sends]

    @property
    def receive_axes(self) -> Array | None:
        """:attr:`axes` of those that hear, (R, D)."""
        return None if self.axes is None else self.axes[self.hears]


def read_aps(file: str | Path) -> ApTable:
    """Read access points from a table of comma-separated values, one row for each.

    Parameters
    ----------
    file : str or Path
        Its first line names the columns, with units: ``x_m``, ``y_m`` (or km, cm, mm), and
        optionally ``z_m``, ``heading_deg`` and ``tilt_deg`` (or rad) of the arrays' broadside,
        ``antennas``, ``spacing_wavelengths``, ``name``, and ``role``: transmit, receive or both.

    Returns
    -------
    ApTable

    Raises
    ------
    ValueError
        If a column or a unit is unknown, twice there or missing, or an entry is empty, no finite
        number, or not allowed; it names the row, counted from 1 below the names, and the column.
        So it does where z is given for some rows and not for others.

    Warns
    -----
    ImplausibleWarning
        If a heading in radians is more than a whole turn.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, rows = Path(folder) / "aps.csv", [[0, 0, 30], [80, 0, 150]]
    ...     np.savetxt(file, rows, "%g", ",", header="x_m,y_m,heading_deg", comments="")
    ...     table = read_aps(file)
    >>> table.positions
    array([[ 0.,  0.],
           [80.,  0.]])
    >>> table.axes.round(3)
    array([[-0.5  ,  0.866],
           [-0.5  , -0.866]])
    """
    columns = _read(file, _AP_COLUMNS, ("x", "y"))
    places = [columns[name] for name in ("x", "y", "z") if name in columns]
    texts = columns.get("role", np.array(["both"] * len(places[0])))
    roles = []
    for row, text in enumerate(texts.tolist(), 1):
        if text not in _ROLES:
            raise ValueError(f"row {row}, column role must be {', '.join(_ROLES)}; got {text!r}")
        roles.append(_ROLES[text])
    if "tilt" in columns and ("z" not in columns or "heading" not in columns):
        raise ValueError("column tilt needs columns z and heading")
    for name, most in (("heading", 2 * np.pi), ("tilt", np.pi)):
        if name in columns:
            _plausible.angle(name, columns[name], most)
    names = columns.get("name", np.arange(len(texts)).astype(str))
    sends, hears = np.array(roles).T
    return ApTable(
        names=tuple(names.tolist()),
        positions=np.stack(places, axis=-1),
        sends=sends,
        hears=hears,
        headings=columns.get("heading"),
        tilts=columns.get("tilt"),
        n_antennas=columns.get("antennas"),
        spacing=columns.get("spacing"),
    )


def read_gains(file: str | Path, shape: tuple[int, ...] | None = None) -> ComplexArray:
    """Read the gains of paths from a table of comma-separated values, one row for each path.

    Parameters
    ----------
    file : str or Path
        Its first line names the columns: ``transmitter``, ``receiver`` and ``target``, or ``ap``
        and ``target``, numbers from 0; and ``real`` and ``imag`` of the linear amplitude, or
        ``power_db`` and ``phase_deg`` (or rad; 0 if there is no such column).
    shape : tuple of int, optional
        (P, R, T) or (L, U); by default what the largest numbers need.

    Returns
    -------
    (P, R, T) or (L, U) complex
        Gains as :func:`cfisac.limits.multistatic.position_efim` takes them. A path without a row is
        blocked: its gain is 0.

    Raises
    ------
    ValueError
        As :func:`read_aps`; also if a path is there twice or outside ``shape``.

    Warns
    -----
    ImplausibleWarning
        If a gain is above one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, rows = Path(folder) / "gains.csv", [[0, 0, -100], [1, 0, -106]]
    ...     np.savetxt(file, rows, "%g", ",", header="ap,target,power_db", comments="")
    ...     gains = read_gains(file)
    >>> (20 * np.log10(np.abs(gains))).round(1)
    array([[-100.],
           [-106.]])
    """
    columns = _read(file, _GAIN_COLUMNS, ("target",))
    ends = ("ap",) if "ap" in columns else ("transmitter", "receiver")
    _have(columns, (*ends, "target"), file)
    if "ap" in columns and ("transmitter" in columns or "receiver" in columns):
        raise ValueError("column ap must not stand beside transmitter and receiver")
    index = np.stack([columns[name] for name in (*ends, "target")], axis=-1)
    if "power" in columns:
        if "real" in columns or "imag" in columns:
            raise ValueError("column power must not stand beside real and imag")
        size = 10 ** (columns["power"] / 20)
        values = size * np.exp(1j * columns.get("phase", np.zeros(len(size))))
    else:
        _have(columns, ("real", "imag"), file)
        if "phase" in columns:
            raise ValueError("column phase must not stand beside real and imag")
        values = columns["real"] + 1j * columns["imag"]
    sizes = tuple((index.max(axis=0) + 1).tolist()) if shape is None else tuple(shape)
    if len(sizes) != index.shape[1]:
        raise ValueError(f"shape must have {index.shape[1]} numbers, got {sizes}")
    seen: set[tuple[int, ...]] = set()
    gains = np.zeros(_checks.room("gains", sizes), dtype=complex)
    for row, (which, value) in enumerate(zip(map(tuple, index.tolist()), values, strict=True), 1):
        if which in seen or any(i >= n for i, n in zip(which, sizes, strict=True)):
            what = "is there twice" if which in seen else f"is outside the shape {sizes}"
            raise ValueError(f"row {row}, columns {', '.join((*ends, 'target'))}: {which} {what}")
        seen.add(which)
        gains[which] = value
    _plausible.gains("gains", gains)
    return gains


def _read(file: str | Path, known: _Known, needed: tuple[str, ...]) -> dict[str, Any]:
    """Read columns by their names without units, in SI units."""
    text = io.StringIO(_checks.utf8(file), newline="")
    rows = [row for row in csv.reader(text) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ValueError(f"{file} must have a line of column names and one row or more")
    for row, cells in enumerate(rows[1:], 1):
        if len(cells) != len(rows[0]):
            raise ValueError(f"row {row} must have {len(rows[0])} columns, got {len(cells)}")
    columns: dict[str, Any] = {}
    for title, *cells in zip(*rows, strict=True):
        name, unit = _column(title.strip(), known)
        if name in columns:
            raise ValueError(f"column {title} gives {name} a second time")
        texts = [cell.strip() for cell in cells]
        if unit is None:
            columns[name] = np.array(texts)
            continue
        whole = {"antennas": 1}.get(name, 0) if name in _WHOLE else None
        numbers = [_number(row, title, text, whole) for row, text in enumerate(texts, 1)]
        columns[name] = unit * np.array(numbers) if whole is None else np.array(numbers, int)
    _have(columns, needed, file)
    return columns


def _column(title: str, known: _Known) -> tuple[str, float | None]:
    """Name of a column and what its unit is in SI units; None for text."""
    name, _, unit = title.lower().partition("_")
    if name not in known:
        raise ValueError(f"column {title!r} is unknown; known are {', '.join(known)}")
    units = known[name]
    if units is None and not unit:
        return name, None
    if units is None or unit not in units:
        allowed = [f"{name}_{each}".rstrip("_") for each in units or ("",)]
        raise ValueError(f"column {title!r} must be {' or '.join(allowed)}, with its unit")
    return name, units[unit]


def _number(row: int, title: str, text: str, least: int | None) -> float:
    """A finite number; a whole one, ``least`` or more, if that is given."""
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    fits = np.isfinite(number)
    if least is not None:
        fits = fits and number == round(number) and least <= number <= 2**53
    if not fits:
        wanted = "a finite number" if least is None else f"a whole number >= {least}"
        raise ValueError(f"row {row}, column {title} must be {wanted}, got {text!r}")
    return number


def _have(columns: Mapping[str, Any], needed: tuple[str, ...], file: str | Path) -> None:
    for name in needed:
        if name not in columns:
            raise ValueError(f"column {name} must be in {file}, got {', '.join(columns)}")
