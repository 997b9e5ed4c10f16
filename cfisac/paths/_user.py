"""What a table of paths tells about the user at one end of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac import arrays as _arrays
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.geometry import Sight
from cfisac.paths._core import Paths
from cfisac.paths._links import _directions, _pad, _turned, _unit_rows

if TYPE_CHECKING:
    from cfisac.paths._table import PathTable

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CELL = 2 * np.pi / np.sqrt(12)  # deviation of a phase that turns once over a flat factor


class Unresolved(NamedTuple):
    """Pairs of paths on one link that are closer than the resolution, nearest first.

    Parameters
    ----------
    first, second : (K,) int
        Rows of the table.
    cells : (K,)
        How far apart they are, in resolution cells.
    """

    first: IntArray
    second: IntArray
    cells: Array


def paths(
    table: "PathTable", arrays: Any, waveform: Any, noise_variance: float, user: str, walls: str,
    power: float,
) -> Paths:  # fmt: skip
    """See :meth:`cfisac.paths.PathTable.paths`."""
    ap, here, there = _ends(table, user)
    if walls not in ("unknown", "known"):
        raise ValueError(f"walls must be 'unknown' or 'known', got {walls!r}")
    counted = ("los",) if walls == "unknown" else ("los", "reflection", "scatter")
    chosen = np.isin(table.kind, counted)
    numbers = np.unique(getattr(table, user)[chosen])
    if len(numbers) > 1:
        raise ValueError(
            f"{user} must be one user, got {numbers.tolist()}: choose by where({user}=...)"
        )
    ap, here, there = ap[chosen], here[chosen], there[chosen]
    rows, elements = _each_aperture(arrays, ap, table.dimension)
    image, loose, known = _images(table, user)
    rows = np.where(known[chosen, None, None], rows, 0.0)
    length = speed_of_light * table.delay[chosen]
    wrong = table.rounding[chosen]
    seen = Sight(length, there, wrong)
    by_image, size = _directions(seen, rows)
    by_place = by_image @ image[chosen]
    size = size + loose[chosen, None, None] * np.linalg.norm(by_image, axis=-1, keepdims=True)
    ahead = np.concatenate([by_place, -here[:, None, :] / speed_of_light], axis=-2)
    size = np.concatenate(
        [np.broadcast_to(size, by_place.shape),
         np.broadcast_to(wrong[:, None, None] / speed_of_light, here[:, None, :].shape)], axis=-2
    )  # fmt: skip
    m = rows.shape[-2]
    clock = np.zeros((m + 1, 1))
    clock[m] = 1.0
    moved = np.concatenate([by_image, there[:, None, :] / speed_of_light], axis=-2)
    noise = _checks.one("noise_variance", noise_variance, _checks.positive)
    energy = _checks.one("power", power, _checks.positive) * _samples(waveform)
    snr = np.abs(table.gain[chosen]) ** 2 * elements * energy / noise
    by_delay = np.asarray(waveform.delay_doppler_covariance())[:1, :1]
    columns = {"clock": clock, "orientation": _pad(_turned(seen, rows), 0, 1), "anchor": -moved}
    return Paths(snr, _unit_rows(m, by_delay), ahead, size, columns)


def unresolved(
    table: "PathTable", waveform: Any, arrays: Any, user: str, cells: float
) -> Unresolved:
    """See :meth:`cfisac.paths.PathTable.unresolved`."""
    limit = _checks.one("cells", cells, _checks.positive)
    ap, _, there = _ends(table, user)
    rows, _ = _each_aperture(arrays, ap, table.dimension)
    phases = (rows @ there[..., None])[..., 0]
    root = np.sqrt(np.diagonal(np.asarray(waveform.delay_doppler_covariance())))
    place = np.concatenate(
        [phases, table.delay[:, None] * root[0], table.doppler[:, None] * root[1]], axis=-1
    )
    pairs: list[tuple[float, int, int]] = []
    _, link = np.unique(np.stack([table.transmitter, table.receiver]), axis=1, return_inverse=True)
    for number in range(int(link.max(initial=-1)) + 1):
        index = np.flatnonzero(link == number)
        apart = np.linalg.norm(place[index, None] - place[index], axis=-1) / _CELL
        for i, k in np.argwhere(np.triu(apart < limit, 1)):
            pairs.append((float(apart[i, k]), int(index[i]), int(index[k])))
    pairs.sort()
    return Unresolved(
        np.array([each[1] for each in pairs], dtype=np.int64),
        np.array([each[2] for each in pairs], dtype=np.int64),
        np.array([each[0] for each in pairs], dtype=float),
    )


def _ends(table: "PathTable", user: str) -> tuple[IntArray, Array, Array]:
    """Numbers of the access points, and unit vectors at the user's end and at theirs."""
    if user == "transmitter":
        return table.receiver, table.depart, table.arrive
    if user == "receiver":
        return table.transmitter, table.arrive, table.depart
    raise ValueError(f"user must be 'transmitter' or 'receiver', got {user!r}")


def _images(table: "PathTable", user: str) -> tuple[Array, Array, NDArray[np.bool_]]:
    """M (N, D, D): how the image that an access point sees moves with the user.

    Also how far its entries may be off, and whether it is known.
    """
    n, dimension = table.depart.shape
    loose = np.zeros(n)
    image = np.broadcast_to(np.eye(dimension), (n, dimension, dimension)).copy()
    known = np.ones(n, dtype=bool)
    reflected = table.kind == "reflection"
    if table.mirror is None:
        normal = table.depart + table.arrive
        size = np.linalg.norm(normal, axis=-1)
        known = ~reflected | (size > np.sqrt(table.rounding))
        loose[reflected & known] = 4 * table.rounding[reflected & known]
        loose /= np.where(size > 0, size, 1.0)
        unit = normal / np.where(size > 0, size, 1.0)[:, None]
        flipped = np.eye(dimension) - 2 * unit[:, :, None] * unit[:, None, :]
        if dimension == 2:  # an even number of mirrors is a turn
            even = table.bounces % 2 == 0
            flipped[even], known[even] = _turn(table.depart, -table.arrive)[even], True
        else:
            known &= ~reflected | (table.bounces == 1)
        image[reflected & known] = flipped[reflected & known]
    else:
        finite = np.all(np.isfinite(table.mirror), axis=(-2, -1))
        known = ~reflected | finite
        image[reflected & finite] = table.mirror[reflected & finite]
        loose[reflected] = 4 * table.rounding[reflected]
    image[table.kind == "scatter"] = 0.0  # the last point of the path stays where it is
    return (image if user == "transmitter" else np.swapaxes(image, -1, -2)), loose, known


def _samples(waveform: Any) -> int:
    try:
        return int(waveform.n_subcarriers * waveform.n_symbols)
    except AttributeError as error:
        raise ValueError(f"waveform must be an OTFS or OFDM frame, got {waveform!r}") from error


def _each_aperture(arrays: Any, ap: IntArray, dimension: int) -> tuple[Array, Array]:
    """Aperture (N, m, D) and number of elements (N,) at the access point of every row."""
    if arrays is None:
        return np.zeros((len(ap), 0, dimension)), np.ones(len(ap))
    several = isinstance(arrays, Mapping) or (
        isinstance(arrays, Sequence | np.ndarray) and len(arrays) > 0 and np.ndim(arrays[0]) == 2
    )
    rows = np.zeros((len(ap), dimension, dimension))
    elements = np.ones(len(ap))
    for number in np.unique(ap).tolist():
        try:
            own = arrays[number] if several else arrays
        except (KeyError, IndexError) as error:
            raise ValueError(f"arrays must hold one for access point {number}") from error
        places = _checks.points("arrays", own, 2, (dimension,))
        rows[ap == number] = _arrays.aperture(places)
        elements[ap == number] = len(places)
    return rows, elements


def _turn(one: Array, other: Array) -> Array:
    """Rotations (N, 2, 2) that take one unit vector to the other."""
    cosine = np.sum(one * other, axis=-1)
    sine = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)
