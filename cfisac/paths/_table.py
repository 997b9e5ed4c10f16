"""A table of paths: what ray tracers, measurements and spreadsheets say of a scene.

One row is one path. Directions are unit vectors in global axes, delays are absolute, gains turn
with the carrier; nothing else of the scene is needed. For the user at one end of a specular path
(a line of sight, or any number of plane mirrors) Fermat's principle gives the gradient of its
length, and the images of the user in the mirrors give that of the direction at the access point::

    grad (c tau) = -u_user,      du_ap / dx = (I - u_ap u_ap^T) M / (c tau).

Both u point from their end along the path; M is the product of the mirrors, the unit matrix for a
line of sight and ``I - 2 n n^T`` for one bounce, n being parallel to ``u_user + u_ap``.
"""

from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.paths import _csv, _user
from cfisac.paths._core import Paths
from cfisac.paths._rows import column, mirrors, not_whole, refuse, refuse_gone, unit, words
from cfisac.paths._user import Unresolved

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

KINDS = ("los", "reflection", "scatter", "echo", "reference")
"""What a path may be: the line of sight; by way of mirrors; by way of points that stay where they
are; by way of a target; between two ends that are both known."""


@dataclass(frozen=True, eq=False)
class PathTable:
    """N paths between transmitters and receivers, one row each.

    Parameters
    ----------
    transmitter, receiver : (N,) int
        Numbers of the two ends, >= 0.
    gain : (N,) complex
        Amplitude received over amplitude sent, between single elements, with the phase
        ``-2 pi f_c tau`` of the carrier in it.
    delay : (N,) float
        tau > 0 (s), absolute: the length of the path over the speed of light.
    depart, arrive : (N, D) float
        Unit vectors in global axes, D = 2 or 3: along the path from the transmitter, and from the
        receiver back along it, towards where the wave comes from.
    carrier_frequency : float
        f_c > 0 (Hz).
    kind : (N,) str
        ``"los"``, ``"reflection"``, ``"scatter"``, ``"echo"`` or ``"reference"``;
        one for all if it is one word.
    target : (N,) int
        By way of which target an echo comes, -1 for all others.
    doppler : (N,) float
        Hz, positive while the path gets shorter.
    bounces : (N,) int, optional
        How many mirrors a reflection has, >= 1; by default one.
    mirror : (N, D, D) float, optional
        M, the product of a path's mirrors, the last one before the receiver on the left:
        ``M depart = -arrive``. Rows of nan where it is not known; lines of sight need none.
        Without this column it is found where the ends tell it: for one bounce, and in the plane.
    label : (N,) str, optional
        What tells a path again in another table, such as the walls that it has met.
    rounding : (N,) float, optional
        How far components of ``depart`` and ``arrive`` may be off, >= 0; by default eight roundings
        of the type in which they came.

    Raises
    ------
    ValueError
        If a column does not fit or holds what it must not; the row and the column are named. If
        every link starts with the delay zero: delays counted from the first arrival have no range.
        If the two ends of a line of sight, or of mirrors given, contradict each other: often an
        ``arrive`` that points along the wave.

    Notes
    -----
    The arrays are copies and cannot be written to.

    Examples
    --------
    >>> there = np.array([[1.0, 0.0]])
    >>> table = PathTable([0], [0], [1e-4], [1e-7], there, -there, 28e9)
    >>> len(table), str(table.kind[0])
    (1, 'los')
    """

    transmitter: IntArray
    receiver: IntArray
    gain: NDArray[np.complex128]
    delay: Array
    depart: Array
    arrive: Array
    carrier_frequency: float
    kind: Any = "los"
    target: Any = -1
    doppler: Any = 0.0
    bounces: Any = None
    mirror: Array | None = None
    label: NDArray[np.str_] | None = None
    rounding: Any = None

    def __post_init__(self) -> None:
        """Refuse rows that are no paths; keep copies that cannot change."""
        eps = _checks.precision(self.depart, self.arrive)
        number = np.shape(np.atleast_1d(self.delay))[0]
        carrier = _checks.one("carrier_frequency", self.carrier_frequency, _checks.positive)
        kept: dict[str, Any] = {"carrier_frequency": carrier}
        for name, least in (("transmitter", 0), ("receiver", 0), ("target", -1)):
            ends = column(name, getattr(self, name), number)
            refuse(name, f"a whole number >= {least}", ends, not_whole(ends, least))
            kept[name] = ends.astype(np.int64)
        kept["gain"] = column("gain", self.gain, number, complex)
        kept["delay"] = column("delay", self.delay, number)
        kept["doppler"] = column("doppler", self.doppler, number)
        for name in ("depart", "arrive"):
            kept[name] = unit(name, getattr(self, name), number, eps)
        _checks.same_dimension(depart=kept["depart"], arrive=kept["arrive"])
        kept["kind"] = words("kind", self.kind, number)
        refuse("kind", f"one of {', '.join(KINDS)}", kept["kind"], ~np.isin(kept["kind"], KINDS))
        echo = kept["kind"] == "echo"
        wrong = echo != (kept["target"] >= 0)
        refuse("target", ">= 0 for an echo and -1 else", kept["target"], wrong)
        reflected = kept["kind"] == "reflection"
        bounces = reflected.astype(int) if self.bounces is None else self.bounces
        times = column("bounces", bounces, number)
        wrong = not_whole(times, 0) | (reflected & (times < 1))
        refuse("bounces", "a whole number, >= 1 for a reflection", times, wrong)
        kept["bounces"] = times.astype(np.int64)
        kept["label"] = None if self.label is None else words("label", self.label, number)
        off = 8 * eps if self.rounding is None else self.rounding
        kept["rounding"] = column("rounding", off, number)
        refuse("rounding", ">= 0", kept["rounding"], kept["rounding"] < 0)
        refuse_gone(kept["transmitter"], kept["receiver"], kept["delay"])
        kept["mirror"] = mirrors(self.mirror, kept)
        for name, value in kept.items():
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """N, the number of paths."""
        return len(self.delay)

    @property
    def dimension(self) -> int:
        """D, 2 in the plane and 3 in space."""
        return int(self.depart.shape[-1])

    def where(self, **columns: Any) -> "PathTable":
        """Rows whose columns have given values.

        Parameters
        ----------
        **columns : a value or a sequence of values
            Such as ``receiver=[0, 2, 3]`` (without the access point 1) or ``kind="los"``.

        Returns
        -------
        PathTable
            Those rows, in the same order.

        Raises
        ------
        ValueError
            If there is no such column.

        Examples
        --------
        >>> there = np.eye(2)
        >>> table = PathTable(0, [0, 1], 1e-4, [1e-7, 2e-7], there, -there, 28e9)
        >>> table.where(receiver=1).delay
        array([2.e-07])
        """
        allowed = ("transmitter", "receiver", "target", "kind", "bounces", "label")
        chosen = np.ones(len(self), dtype=bool)
        for name, values in columns.items():
            if name not in allowed or getattr(self, name) is None:
                raise ValueError(f"columns must be of {', '.join(allowed)}, got {name!r}")
            chosen &= np.isin(getattr(self, name), np.atleast_1d(values))
        return self.take(chosen)

    def take(self, rows: ArrayLike) -> "PathTable":
        """Some of the rows, in the order given.

        Parameters
        ----------
        rows : (K,) int or (N,) bool
            Their numbers, or which of them.

        Returns
        -------
        PathTable

        Raises
        ------
        ValueError
            If there is no such row.
        """
        chosen = np.asarray(rows)
        if chosen.size == 0:
            chosen = chosen.astype(int)
        fits = chosen.ndim == 1 and (
            len(chosen) == len(self)
            if chosen.dtype == bool
            else chosen.dtype.kind in "iu" and np.all((chosen >= 0) & (chosen < len(self)))
        )
        if not fits:
            raise ValueError(f"rows must be of 0 to {len(self) - 1}, one axis of them")
        columns = self._columns()
        given = {k: v[chosen] if isinstance(v, np.ndarray) else v for k, v in columns.items()}
        return PathTable(**given)

    def _columns(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def save(self, file: str | PathLike[str]) -> None:
        """Write the table to an ``.npz`` file, which :meth:`load` reads."""
        columns = {k: v for k, v in self._columns().items() if v is not None}
        np.savez_compressed(file, **columns)

    @classmethod
    def load(cls, file: str | PathLike[str]) -> "PathTable":
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        file : path
            An ``.npz`` file with the columns of the table by name.

        Raises
        ------
        ValueError
            If a column is missing or there are others, or the rows are not paths.
        """
        known = [each.name for each in fields(cls)]
        with np.load(file, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in stored.files}
        strange, missing = set(columns) - set(known), set(known[:7]) - set(columns)
        if strange or missing:
            raise ValueError(
                f"{file} must hold the columns {', '.join(known)}; unknown "
                f"{sorted(strange) or 'none'}, missing {sorted(missing) or 'none'}"
            )
        columns["carrier_frequency"] = columns["carrier_frequency"].item()
        return cls(**columns)

    @classmethod
    def from_csv(cls, file: str | PathLike[str], carrier_frequency: float) -> "PathTable":
        """Read a text table whose columns say their units.

        Parameters
        ----------
        file : path
            The first line names the columns: ``transmitter``, ``receiver``, ``target``,
            ``bounces``, ``kind``, ``label``; ``delay_ns`` (or s, ms, us; or ``length_m``);
            ``gain_db`` and ``phase_deg`` (or rad), or ``gain_re`` and ``gain_im``; ``doppler_hz``
            (or khz); ``depart_x``, ``depart_y``, ``depart_z`` or ``depart_azimuth_deg`` and, in
            space, ``depart_elevation_deg`` above the horizon or ``depart_zenith_deg`` (or rad);
            the same for ``arrive``. A phase that is not given is that of the carrier.
        carrier_frequency : float
            f_c > 0 (Hz).

        Raises
        ------
        ValueError
            If a column or its unit is unknown, a column is missing, or an entry is no finite
            number: the row, counted from 0, and the column are named.
        """
        carrier = _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
        return cls(**_csv.read(file, carrier), carrier_frequency=carrier)

    def paths(
        self,
        arrays: Any,
        waveform: Any,
        noise_variance: float,
        user: Literal["transmitter", "receiver"] = "transmitter",
        walls: Literal["unknown", "known"] = "unknown",
        power: float = 1.0,
    ) -> Paths:
        """What the paths tell about the position of the user at one of their ends.

        Parameters
        ----------
        arrays : (m, D) float, or a sequence or mapping of them, or None
            Elements of the access points' arrays in wavelengths, in global axes
            (:mod:`cfisac.arrays`): one array for all, or one for each number of an access point.
            None is one antenna each. The user has one antenna.
        waveform : OTFS or OFDM
            What is sent over every path.
        noise_variance : float
            sigma^2 > 0 of each complex sample (W): the noise in the whole band.
        user : {"transmitter", "receiver"}
            Which end is the user. There must be one; choose with :meth:`where`.
        walls : {"unknown", "known"}
            With unknown walls every reflection has an image point of its own, which takes as many
            numbers as the path tells: reflections drop out, and the lines of sight count alone.
            With known walls reflections and scatterers count; where M is not known, only their
            delays. Echoes and reference paths never count here.
        power : float
            > 0, sent by the user or by each access point over the whole band (W).

        Returns
        -------
        Paths
            One path axis, of the rows that count, in their order; none of them is no information,
            and the bound ``inf``. State: the position (m). Columns: ``"clock"`` (s, added to all
            delays), ``"orientation"`` of the access points' arrays (rad), ``"anchor"`` (their
            places, m), as :func:`cfisac.paths.one_way` has them.

        Raises
        ------
        ValueError
            If an argument is out of range, there are several users, or an access point has no
            array.

        Notes
        -----
        Gains are unknown, and the paths resolvable: see :meth:`unresolved`. The user's velocity is
        taken as known.
        """
        return _user.paths(self, arrays, waveform, noise_variance, user, walls, power)

    def gains(self, shape: tuple[int, int, int] | None = None) -> NDArray[np.complex128]:
        """Gains of the echoes, as a :class:`cfisac.scenarios.MultistaticScene` takes them.

        Parameters
        ----------
        shape : (P, R, T), optional
            Numbers of transmitters, receivers and targets; by default those that occur.

        Returns
        -------
        (P, R, T) complex
            Zero where there is no path. Steering vectors there have unit norm: for the array gain
            of M_t and M_r elements, multiply by ``sqrt(M_t M_r)``.

        Raises
        ------
        ValueError
            If a target is seen twice on one link, or a number does not fit ``shape``.
        """
        echo = self.kind == "echo"
        index = np.stack([self.transmitter, self.receiver, self.target])[:, echo]
        least = tuple(int(each) for each in index.max(axis=1, initial=-1) + 1)
        size = least if shape is None else tuple(shape)
        if len(size) != 3 or any(np.less(size, least)):
            raise ValueError(f"shape must be (P, R, T) of at least {least}, got {shape}")
        _, first, many = np.unique(index, axis=1, return_index=True, return_counts=True)
        if np.any(many > 1):
            row = int(np.flatnonzero(echo)[first[np.argmax(many)]])
            raise ValueError(f"target of row {row} must be seen once on its link, keep one of them")
        gains = np.zeros(_checks.room("gains", size), dtype=complex)
        gains[tuple(index)] = self.gain[echo]
        return gains

    def unresolved(
        self,
        waveform: Any,
        arrays: Any = None,
        user: Literal["transmitter", "receiver"] = "transmitter",
        cells: float = 1.0,
    ) -> Unresolved:
        """Pairs of paths that are closer than the resolution, which :class:`Paths` leaves out.

        Parameters
        ----------
        waveform : OTFS or OFDM
            Whose band and duration tell delays and Doppler shifts apart.
        arrays : optional
            Of the access points, as in :meth:`paths`; they tell directions apart.
        user : {"transmitter", "receiver"}
            Which end is the user.
        cells : float
            > 0, how many resolution cells apart is far enough.

        Returns
        -------
        Unresolved
            For every pair on one link the distance is the root of the summed squares of its
            differences in delay times bandwidth W, Doppler shift times duration, and direction: for
            a uniform linear array of N elements, the difference of the sines times N times the
            spacing. In one of them alone a cell is the first zero of the correlation. At one cell
            in delay about half of the delay's information is left, at two more than nine tenths.

        Raises
        ------
        ValueError
            If an argument is out of range, or an access point has no array.
        """
        return _user.unresolved(self, waveform, arrays, user, cells)
