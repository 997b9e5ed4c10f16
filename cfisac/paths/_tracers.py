"""Path tables from ray tracers, of which nothing is imported here.

Both adapters read what the tracers' objects hold, by name (duck typing), and turn it into a
:class:`cfisac.paths.PathTable`: absolute delays, gains with the carrier's phase, unit vectors in
global axes. They are tried with sionna-rt 2.2.0 and DeepMIMO 4.0.5.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac import _book, _checks
from cfisac.paths._table import PathTable

Array = NDArray[np.float64]

_SPECULAR, _DIFFUSE, _REFRACTION, _DIFFRACTION, _SENSING = 1, 2, 4, 8, 16  # of sionna.rt
_DEEPMIMO = np.array([0, _SPECULAR, _DIFFRACTION, _DIFFUSE, _REFRACTION])  # digit -> the same
_MOST = 25  # paths that DeepMIMO keeps of a user
_EPS = float(np.finfo(np.float32).eps)  # both store float32


def from_sionna(
    paths: Any, carrier_frequency: float, antennas: tuple[int, int] | None = None
) -> PathTable:
    """Table of the paths that a ``sionna.rt.PathSolver`` has found.

    Parameters
    ----------
    paths : sionna.rt.Paths, or any object with its attributes
        ``a``, ``tau``, ``valid``, ``sources``, ``targets``, ``vertices``, ``interactions``,
        ``objects``, ``primitives``, ``doppler``, ``theta_t``, ``phi_t``, ``theta_r``, ``phi_r``
        and ``synthetic_array``.
    carrier_frequency : float
        f_c > 0 (Hz), ``scene.frequency``: ``paths.a`` has no carrier phase, here it gets it.
    antennas : pair of int, optional
        Which antenna of the receivers and of the transmitters is meant. Trace with one at each
        end, and give the arrays to :meth:`cfisac.paths.PathTable.paths`; arrays that were traced
        along are refused unless one antenna of each is chosen.

    Returns
    -------
    PathTable
        One row for each valid path. The directions, and the product of the mirrors, come from the
        vertices, which are more exact than the angles. A path that is refracted through thin walls
        and nothing else counts as a line of sight; one with a diffuse reflection is "scatter"; one
        that is diffracted is a reflection without a known mirror, of which the delay alone counts;
        one that ends at a sensing target is an echo. Labels hold interaction, object and primitive
        of every vertex: paths of two traces are paired by them, never by their order, which no
        seed fixes.

    Raises
    ------
    ValueError
        If there are several antennas and none is chosen, an attribute is missing, the directions
        contradict the angles, or delays do not fit :class:`~cfisac.paths.PathTable`: those of
        ``cir``, ``cfr`` and ``taps`` are counted from each link's first arrival.

    Examples
    --------
    Here an object with what one line of sight along x needs takes the place of the solver's:

    >>> from types import SimpleNamespace
    >>> flat, none = np.zeros((1, 1, 1)), np.zeros((0, 1, 1, 1))
    >>> traced = SimpleNamespace(
    ...     a=np.full((2, 1, 1, 1, 1, 1), 1e-5), tau=flat + 1e-7, valid=flat == 0, doppler=flat,
    ...     theta_t=flat + np.pi / 2, phi_t=flat, theta_r=flat + np.pi / 2, phi_r=flat + np.pi,
    ...     interactions=none, objects=none, primitives=none, vertices=np.zeros((0, 1, 1, 1, 3)),
    ...     sources=np.zeros((3, 1)), targets=[[29.979], [0.0], [0.0]], synthetic_array=True,
    ... )
    >>> table = from_sionna(traced, carrier_frequency=28e9)
    >>> table.kind.tolist(), table.depart.round(3)
    (['los'], array([[1., 0., 0.]]))
    """
    carrier = _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
    get = _getter(paths, "paths")
    try:
        real, imaginary = (np.asarray(part) for part in get("a"))
        gain = real + 1j * imaginary  # (R, M_r, T, M_t, P)
    except (TypeError, ValueError) as error:
        raise ValueError("paths.a must be a pair, real and imaginary parts") from error
    if gain.ndim != 5:
        raise ValueError(f"paths.a must have the axes (R, M_r, T, M_t, P), got {gain.shape}")
    chosen = _chosen_antennas(gain.shape[1], gain.shape[3], antennas)
    gain = gain[:, chosen[0], :, chosen[1]]
    synthetic = bool(get("synthetic_array"))

    def link(name: str, behind: int = 0) -> NDArray[Any]:
        """(..., R, T, P), of the antennas chosen."""
        value = np.asarray(get(name))
        if name == "valid" or not synthetic:
            if value.ndim == 3:
                return value
            last = value.ndim - behind
            value = np.take(value, chosen[1], axis=last - 2)
            value = np.take(value, chosen[0], axis=last - 4)
        return value

    tau = link("tau").astype(float)
    found = link("valid") & (tau >= 0)  # padding has tau = -1
    receiver, transmitter, _ = np.nonzero(found)
    sizes = gain.shape[0], gain.shape[1]
    ends = []
    for name, number, which, own in (
        ("sources", sizes[1], chosen[1], transmitter), ("targets", sizes[0], chosen[0], receiver),
    ):  # fmt: skip
        places = np.asarray(get(name), dtype=float).T
        ends.append(places.reshape(number, -1, 3)[own, 0 if synthetic else which])

    def met_by(name: str, behind: int = 0) -> NDArray[Any]:
        """(N, depth, ...) of the paths found."""
        return np.moveaxis(link(name, behind)[:, found], 0, 1)

    met, objects, primitives = (
        met_by(name).astype(np.int64) for name in ("interactions", "objects", "primitives")
    )
    vertices = met_by("vertices", 1).astype(float)
    geometry = _geometry(ends[0], ends[1], vertices, met)
    _refuse_other_angles(link, found, geometry)
    target = np.full(len(met), -1)
    sensed = met == _SENSING
    target[np.any(sensed, axis=1)] = objects[sensed] if sensed.any() else -1
    delay = tau[found]
    turn = np.exp(-2j * np.pi * np.mod(carrier * delay, 1.0))
    return PathTable(
        transmitter, receiver, gain[found] * turn, delay, *geometry[:2], carrier, geometry[2],
        target, link("doppler")[found].astype(float), geometry[3], geometry[4],
        _labels(met, objects, primitives), geometry[5],
    )  # fmt: skip


def from_deepmimo(
    dataset: Any, carrier_frequency: float | None = None, phase_has_carrier: bool | None = None
) -> PathTable:
    """Table of the paths of a DeepMIMO dataset: users receive, base stations transmit.

    Parameters
    ----------
    dataset : deepmimo.Dataset, or any object with its attributes, or several
        ``power`` (dB), ``phase``, ``aod_az``, ``aod_el``, ``aoa_az``, ``aoa_el`` (degrees; "el" is
        the zenith angle), ``delay`` (s), ``inter``, ``inter_pos``, ``rx_pos``, ``tx_pos``. A
        ``MacroDataset`` holds several base stations, one dataset each.
    carrier_frequency : float, optional
        f_c > 0 (Hz); by default ``dataset.rt_params["frequency"]``.
    phase_has_carrier : bool, optional
        Whether ``phase`` has the phase ``-2 pi f_c tau`` of the carrier in it. By default not, and
        it is added, if ``dataset.rt_params["raytracer_name"]`` says Sionna: from there every line
        of sight comes with the phase 0.

    Returns
    -------
    PathTable
        One row for each path, padding (nan) left out. The receiver's number is the user's. Kinds
        and mirrors are found as by :func:`from_sionna`.

    Warns
    -----
    UserWarning
        If a user has 25 paths, the most that DeepMIMO keeps: there may have been more.

    Raises
    ------
    ValueError
        If an attribute is missing, or the carrier or the tracer is not told.

    Examples
    --------
    Here an object with one user in line of sight, 30 m along x, takes the place of a dataset:

    >>> from types import SimpleNamespace
    >>> dataset = SimpleNamespace(
    ...     power=[[-90.0]], phase=[[0.0]], delay=[[1e-7]], inter=[[0]],
    ...     inter_pos=np.full((1, 1, 1, 3), np.nan), aod_az=[[0.0]], aod_el=[[90.0]],
    ...     aoa_az=[[180.0]], aoa_el=[[90.0]],
    ...     tx_pos=[[0.0, 0.0, 5.0]], rx_pos=[[29.979, 0.0, 5.0]],
    ... )
    >>> table = from_deepmimo(dataset, carrier_frequency=28e9, phase_has_carrier=False)
    >>> table.kind.tolist(), table.depart.round(3)
    (['los'], array([[1., 0., 0.]]))
    """
    several = _members(dataset)
    tables = [
        _one_deepmimo(each, number, carrier_frequency, phase_has_carrier)
        for number, each in enumerate(several)
    ]
    if not tables:
        raise ValueError("dataset must hold one base station or more")
    columns = {
        name: np.concatenate([getattr(each, name) for each in tables])
        for name in ("transmitter", "receiver", "gain", "delay", "depart", "arrive", "kind",
                     "bounces", "mirror", "rounding")
    }  # fmt: skip
    return PathTable(**columns, carrier_frequency=tables[0].carrier_frequency)


def street_canyon() -> PathTable:
    """Table of a street canyon, as sionna-rt 2.2.0 has traced it.

    Returns
    -------
    PathTable
        28 GHz, at most two bounces. Four access points transmit, at (-40, 8.5, 8), (-10, -7.5, 6),
        (26, 8.5, 10) and (52, -7.5, 7) m. 41 users receive, 1.5 m above the middle of the street
        (y = 2 m) from x = -60 m to 60 m every 3 m, and drive along x at 10 m/s.

    Examples
    --------
    >>> len(street_canyon().where(receiver=20, kind="los"))
    4
    """
    return PathTable.load(_book.FOLDER / "results" / "street-canyon.npz")


def _members(dataset: Any) -> list[Any]:
    """One dataset for each base station; a macro dataset answers to every name with a list."""
    try:
        return list(dataset.datasets)
    except (AttributeError, KeyError):
        alone = _held(dataset, "power") is not None or not isinstance(dataset, Iterable)
        return [dataset] if alone else list(dataset)


def _one_deepmimo(
    dataset: Any, number: int, carrier: float | None, phase_has_carrier: bool | None
) -> PathTable:
    get = _getter(dataset, "dataset")
    power = np.asarray(get("power"), dtype=float)
    about = _held(dataset, "rt_params") or {}
    if carrier is None:
        if "frequency" not in about:
            raise ValueError(
                "carrier_frequency must be given: dataset.rt_params does not tell the frequency"
            )
        carrier = float(np.asarray(about["frequency"]).item())
    if phase_has_carrier is None:
        if "raytracer_name" not in about:
            raise ValueError("phase_has_carrier must be given: rt_params does not name the tracer")
        phase_has_carrier = "sionna" not in str(about["raytracer_name"]).lower()
    found = np.isfinite(power)
    user = np.nonzero(found)[0]
    full = np.flatnonzero(found.sum(axis=-1) >= _MOST)
    if len(full):
        warnings.warn(
            f"user {full[0]} of base station {number} has {_MOST} paths, the most that DeepMIMO "
            f"keeps ({len(full)} users have): there may have been more",
            stacklevel=4,
        )
    codes = np.asarray(get("inter"), dtype=float)[found]
    met = _digits(codes)
    vertices = np.asarray(get("inter_pos"), dtype=float)[found][:, : met.shape[1]]
    here = np.asarray(get("tx_pos"), dtype=float).reshape(-1, 3)
    there = np.asarray(get("rx_pos"), dtype=float)[user]
    geometry = _geometry(np.broadcast_to(here[0], there.shape), there, vertices, met)
    zeniths = (("aod_el", "aod_az"), ("aoa_el", "aoa_az"))

    def link(name: str) -> NDArray[Any]:
        index = ("theta_t", "phi_t", "theta_r", "phi_r").index(name)
        return np.deg2rad(np.asarray(get(zeniths[index // 2][index % 2]), dtype=float))

    _refuse_other_angles(link, found, geometry)
    delay = np.asarray(get("delay"), dtype=float)[found]
    gain = 10 ** (power[found] / 20) * np.exp(1j * np.deg2rad(np.asarray(get("phase"))[found]))
    if not phase_has_carrier:
        gain = gain * np.exp(-2j * np.pi * np.mod(carrier * delay, 1.0))
    return PathTable(
        np.full(len(user), number), user, gain, delay, *geometry[:2], carrier, geometry[2],
        bounces=geometry[3], mirror=geometry[4], rounding=geometry[5],
    )  # fmt: skip


def _held(holder: Any, name: str) -> Any:
    """An attribute or None; DeepMIMO 4.0.5 raises a KeyError for what it has not."""
    try:
        return getattr(holder, name)
    except (AttributeError, KeyError):
        return None


def _getter(holder: Any, name: str) -> Any:
    def get(attribute: str) -> Any:
        try:
            return getattr(holder, attribute)
        except (AttributeError, KeyError) as error:
            raise ValueError(f"{name} must have the attribute {attribute}") from error

    return get


def _chosen_antennas(
    receive: int, transmit: int, antennas: tuple[int, int] | None
) -> tuple[int, int]:
    if antennas is None:
        if (receive, transmit) != (1, 1):
            raise ValueError(
                f"antennas must be chosen among {receive} of each receiver and {transmit} of each "
                "transmitter; or trace one antenna at each end"
            )
        return 0, 0
    if len(antennas) != 2 or not (0 <= antennas[0] < receive and 0 <= antennas[1] < transmit):
        raise ValueError(f"antennas must be below {(receive, transmit)}, got {antennas}")
    return int(antennas[0]), int(antennas[1])


def _digits(codes: Array) -> NDArray[np.int64]:
    """Interactions (N, depth) in the order met, of DeepMIMO's decimal codes."""
    depth = max(1, *(len(f"{int(code)}") for code in codes)) if len(codes) else 1
    met = np.zeros((len(codes), depth), dtype=np.int64)
    for row, code in enumerate(codes):
        digits = [int(each) for each in f"{int(code)}" if each != "0"]
        if any(each >= len(_DEEPMIMO) for each in digits):
            raise ValueError(f"inter must have the digits 0 to 4; row {row} has {code:g}")
        met[row, : len(digits)] = _DEEPMIMO[digits]
    return met


def _geometry(
    source: Array, end: Array, vertices: Array, met: NDArray[np.int64]
) -> tuple[Array, Array, NDArray[np.str_], NDArray[np.int64], Array, Array]:
    """Departure, arrival, kind, bounces, mirrors and rounding of the directions."""
    n, depth = met.shape
    place, mirror = source, np.broadcast_to(np.eye(3), (n, 3, 3)).copy()
    depart = arrive = np.zeros((n, 3))
    rounding = np.zeros(n)
    largest = np.max(np.abs(np.concatenate([source, end], axis=-1)), axis=-1, initial=0.0)
    steps, begun = [], np.zeros(n, dtype=bool)
    for k in range(depth + 1):
        used = met[:, k] != 0 if k < depth else np.ones(n, dtype=bool)
        after = np.where(used[:, None], vertices[:, k] if k < depth else end, place)
        length = np.linalg.norm(after - place, axis=-1)
        along = (after - place) / np.where(length > 0, length, 1.0)[:, None]
        if np.any(used & (length == 0)):
            raise ValueError(f"vertices of path {np.argmax(used & (length == 0))} must differ")
        if k < depth:
            largest = np.where(used, np.maximum(largest, np.abs(after).max(axis=-1)), largest)
        depart = np.where((used & ~begun)[:, None], along, depart)
        arrive = np.where(used[:, None], -along, arrive)
        off = 2 * _EPS * largest / np.where(length > 0, length, 1.0)
        rounding = np.where(used, np.maximum(rounding, off), rounding)
        steps.append((used, along))
        begun, place = begun | used, after
    before = steps[0][1]
    for k in range(depth):
        nothing = ~steps[k][0]
        if k:
            before = np.where(nothing[:, None], before, steps[k][1])
        later = before
        for used, along in reversed(steps[k + 1 :]):
            later = np.where(used[:, None], along, later)
        normal = before - later
        size = np.linalg.norm(normal, axis=-1)
        unit = normal / np.where(size > 0, size, 1.0)[:, None]
        flip = np.eye(3) - 2 * unit[:, :, None] * unit[:, None, :]
        one = met[:, k] == _SPECULAR
        mirror[one] = flip[one] @ mirror[one]
        mirror[~np.isin(met[:, k], (0, _SPECULAR, _REFRACTION))] = np.nan
    bounces = np.sum(~np.isin(met, (0, _REFRACTION)), axis=1)
    kind = np.where(bounces == 0, "los", "reflection")
    kind = np.where(np.any(met == _DIFFUSE, axis=1), "scatter", kind)
    kind = np.where(np.any(met == _SENSING, axis=1), "echo", kind)
    return depart, arrive, kind, bounces, mirror, rounding + 8 * _EPS


def _refuse_other_angles(link: Any, found: NDArray[np.bool_], geometry: Any) -> None:
    """Vertices and angles must tell the same: zenith and azimuth, both ends pointing outwards."""
    for end, angles in zip(("depart", "arrive"), ("t", "r"), strict=True):
        theta, phi = (link(f"{name}_{angles}")[found].astype(float) for name in ("theta", "phi"))
        told = np.stack(
            [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1
        )
        apart = np.linalg.norm(told - geometry[0 if end == "depart" else 1], axis=-1)
        if np.any(apart > 1e-2):
            row = int(np.argmax(apart > 1e-2))
            raise ValueError(
                f"the angles of {end} must be zenith and azimuth, in global axes and pointing away "
                f"from the device, as the vertices have it; path {row} is {apart[row]:.2g} rad off"
            )


def _labels(
    met: NDArray[np.int64], objects: NDArray[np.int64], primitives: NDArray[np.int64]
) -> NDArray[np.str_]:
    """Interaction, object and primitive of every vertex."""
    names = [
        ">".join(f"{i}:{o}:{p}" for i, o, p in zip(*each, strict=True) if i) or "los"
        for each in zip(met, objects, primitives, strict=True)
    ]
    return np.array(names, dtype=str)
