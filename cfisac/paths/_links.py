"""Paths of a scene: what geometry makes of lines of sight and of echoes."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, geometry
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac._sight import root_sum
from cfisac.geometry import Sight
from cfisac.paths._core import Paths

Array = NDArray[np.float64]


def one_way(
    position: ArrayLike,
    aps: ArrayLike,
    snr: ArrayLike,
    delay_variance: ArrayLike,
    aperture: ArrayLike | None = None,
) -> Paths:
    """Paths in line of sight between a user and access points (commit, in any dimension).

    Parameters
    ----------
    position : (..., D) float
        The user (m), D = 2 or 3.
    aps : (..., D) float
        The access points (m), one axis of which is usually the path axis.
    snr : (...) float
        Of the whole path: all samples and antennas.
    delay_variance : (...) float
        Variance of the spectrum by the delay, ``(2 pi)^2 Var f`` in s^-2: the first entry of a
        waveform's ``delay_doppler_covariance()``. Zero if no delay is measured.
    aperture : (..., m, D) float, optional
        Of the access points' arrays (:func:`cfisac.arrays.aperture`); without it no direction is
        measured.

    Returns
    -------
    Paths
        State: the position. Columns: ``"clock"`` (by which the user is ahead of its access
        points, s), ``"orientation"`` of the array (rad, one number in the plane, a rotation
        vector in space), ``"anchor"`` (the access point's place, m).

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not fit, or the user stands on
        an access point.

    Examples
    --------
    >>> from cfisac import arrays, fisher
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> rows = arrays.aperture(arrays.linear(8))
    >>> paths = one_way([30.0, 40.0], aps, 1e3, delay_variance=1e15, aperture=rows)
    >>> print(f"{fisher.position_error_bound(paths.information()):.2f} m")
    0.17 m
    """
    seen = geometry.sight(position, aps, names=("position", "aps"))
    by_delay = _checks.non_negative("delay_variance", delay_variance)
    rows = _aperture("aperture", aperture, seen)
    jacobian, rounding = _stack(
        _directions(seen, rows),
        (seen.unit[..., None, :] / speed_of_light, seen.rounding[..., None, None] / speed_of_light),
    )
    m = jacobian.shape[-2] - 1
    clock = np.zeros((m + 1, 1))
    clock[m] = 1.0
    columns = _Late({
        "clock": lambda: clock,
        "orientation": lambda: _pad(_turned(seen, rows), 0, 1),
        "anchor": lambda: -jacobian,
    })  # fmt: skip
    spread = _unit_rows(m, by_delay[..., None, None])
    heard = _checks.non_negative("snr", snr)
    return Paths(heard, spread, jacobian, rounding, columns, _Late({"anchor": lambda: rounding}))


def echo(
    position: ArrayLike,
    velocity: ArrayLike,
    transmitters: ArrayLike,
    receivers: ArrayLike,
    carrier_frequency: float,
    snr: ArrayLike,
    delay_doppler_covariance: ArrayLike,
    transmit_aperture: ArrayLike | None = None,
    receive_aperture: ArrayLike | None = None,
) -> Paths:
    """Paths by way of a target, from transmitters to receivers (fan, liu, in any dimension).

    Parameters
    ----------
    position, velocity : (..., D) float
        Of the target (m, m/s), D = 2 or 3.
    transmitters, receivers : (..., D) float
        The ends of the paths (m); the same place twice is an echo of one's own.
    carrier_frequency : float
        f_c > 0 (Hz).
    snr : (...) float
        Of the whole path: all samples and antennas.
    delay_doppler_covariance : (..., 2, 2) float
        Of the waveform, ``waveform.delay_doppler_covariance()`` (s^-2, 1, Hz^-2).
    transmit_aperture, receive_aperture : (..., m, D) float, optional
        Of the arrays (:func:`cfisac.arrays.aperture`, :func:`cfisac.arrays.beam_aperture`);
        without them no direction is measured there.

    Returns
    -------
    Paths
        State: the position. Columns: ``"velocity"`` (m/s), ``"transmitter clock"``,
        ``"receiver clock"`` (by which they are ahead, s), ``"transmitter oscillator"``,
        ``"receiver oscillator"`` (by which they are fast, Hz), ``"transmitter orientation"``,
        ``"receiver orientation"`` (rad), ``"transmitter"``, ``"receiver"`` (places, m).

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not fit, or the target stands
        on an access point.

    Examples
    --------
    >>> from cfisac import fisher, waveforms
    >>> frame = waveforms.OFDM(64, 14, 120e3).delay_doppler_covariance()
    >>> sends, hear = [[0.0, 0.0]], [[80.0, 0.0], [0.0, 60.0], [80.0, 60.0]]  # m
    >>> paths = echo([30.0, 40.0], [5.0, 0.0], sends, hear, 28e9, 1e3, frame)
    >>> print(f"{fisher.position_error_bound(paths.information()):.2f} m")
    0.46 m
    """
    out, back = (
        geometry.sight(
            position, anchor, velocity, transmitters, receivers, names=("position", name)
        )
        for name, anchor in (("transmitters", transmitters), ("receivers", receivers))
    )
    speed = _checks.points("velocity", velocity, dimensions=geometry.PLANE_OR_SPACE)
    _checks.same_dimension(position=out.unit, receivers=back.unit, velocity=speed)
    _checks.must_broadcast(
        position_and_transmitters=out.distance.shape,
        position_and_receivers=back.distance.shape,
        velocity=speed.shape[:-1],
    )
    both_factors = _checks.finite("delay_doppler_covariance", delay_doppler_covariance)
    if both_factors.shape[-2:] != (2, 2):
        raise ValueError(
            f"delay_doppler_covariance must have shape (..., 2, 2), got {both_factors.shape}"
        )
    return echo_seen(
        out,
        back,
        speed,
        _checks.one("carrier_frequency", carrier_frequency, _checks.positive),
        _checks.non_negative("snr", snr),
        both_factors,
        _aperture("transmit_aperture", transmit_aperture, out),
        _aperture("receive_aperture", receive_aperture, back),
    )


def echo_seen(
    out: Sight,
    back: Sight,
    velocity: Array,
    carrier_frequency: float,
    snr: Array,
    delay_doppler_covariance: Array,
    transmit_aperture: Array,
    receive_aperture: Array,
) -> Paths:
    """:func:`echo` of a target that has been looked at, from checked arrays.

    Parameters
    ----------
    out, back : Sight
        Of the target from the transmitters and from the receivers (:func:`cfisac.geometry.sight`).
    velocity, carrier_frequency, snr, delay_doppler_covariance, transmit_aperture, receive_aperture
        As in :func:`echo`.

    Returns
    -------
    Paths

    Examples
    --------
    >>> from cfisac import waveforms
    >>> target, velocity, none = [30.0, 40.0], np.array([5.0, 0.0]), np.zeros((0, 2))
    >>> out, back = (geometry.sight(target, each) for each in ([[0.0, 0.0]], [[80.0, 0.0]]))
    >>> frame = waveforms.OFDM(64, 14, 120e3).delay_doppler_covariance()
    >>> echo_seen(out, back, velocity, 28e9, np.array(1e3), frame, none, none).shape
    (1,)
    """
    arrive, size_back = _directions(back, receive_aperture)
    depart, size_out = _directions(out, transmit_aperture)
    both, turned = geometry.both_ways(out, back, velocity)
    wrong = (out.rounding + back.rounding)[..., None, None]
    rate = carrier_frequency / speed_of_light
    length = root_sum(velocity)
    drift = 2 * rate * length * (out.rounding / out.distance + back.rounding / back.distance)
    jacobian, rounding = _stack(
        (arrive, size_back),
        (depart, size_out),
        (both[..., None, :] / speed_of_light, wrong / speed_of_light),
        (-rate * turned[..., None, :], drift[..., None, None]),
    )
    k, m_r, m_t = jacobian.shape[-2], arrive.shape[-2], depart.shape[-2]

    def at(row: int, value: float) -> Array:
        return value * np.eye(k)[:, row, None]

    def displaced(end: Sight, rows: Array, before: int, after: int) -> Array:
        """Derivatives by the place of one end: what its sight gives, with a minus."""
        by_delay, by_doppler = end.unit / speed_of_light, -rate * end.turning(velocity)
        parts = _pad(rows, before, after), by_delay[..., None, :], by_doppler[..., None, :]
        return -_stack(*((part, np.zeros(1)) for part in parts))[0]

    columns = _Late({
        "velocity": lambda: _pad(-rate * both[..., None, :], k - 1, 0),
        "transmitter clock": lambda: at(-2, -1.0),
        "receiver clock": lambda: at(-2, 1.0),
        "transmitter oscillator": lambda: at(-1, 1.0),
        "receiver oscillator": lambda: at(-1, -1.0),
        "transmitter orientation": lambda: _pad(_turned(out, transmit_aperture), m_r, 2),
        "receiver orientation": lambda: _pad(_turned(back, receive_aperture), 0, m_t + 2),
        "transmitter": lambda: displaced(out, depart, m_r, 0),
        "receiver": lambda: displaced(back, arrive, 0, m_t),
    })  # fmt: skip
    wrong_columns = _Late({
        "velocity": lambda: _pad(rate * wrong, k - 1, 0),
        "transmitter": lambda: rounding,
        "receiver": lambda: rounding,
    })  # fmt: skip
    spread = _unit_rows(m_r + m_t, delay_doppler_covariance)
    return Paths._trusted(snr, spread, jacobian, rounding, columns, wrong_columns)


def _aperture(name: str, aperture: ArrayLike | None, seen: Sight) -> Array:
    dimension = seen.unit.shape[-1]
    if aperture is None:
        return np.zeros((0, dimension))
    rows = _checks.finite(name, aperture)
    if rows.ndim < 2 or rows.shape[-1] != dimension:
        raise ValueError(f"{name} must have shape (..., m, {dimension}), got {rows.shape}")
    _checks.must_broadcast(**{"sight": seen.distance.shape, name: rows.shape[:-2]})
    return rows


def _directions(seen: Sight, rows: Array) -> tuple[Array, Array]:
    """Derivatives (..., m, D) of an array's electrical angles ``R u`` by the place; rounding."""
    each = Sight(seen.distance[..., None], seen.unit[..., None, :], seen.rounding[..., None])
    size = root_sum(rows) * 2 * (seen.rounding / seen.distance)[..., None]
    return each.turning(rows), size[..., None]


def _turned(seen: Sight, rows: Array) -> Array:
    """Derivatives of the same by the array's orientation, one number or three.

    Turning the array by a small psi changes u, as the array sees it, by ``-psi x u``.
    """
    if seen.unit.shape[-1] == 2:
        swung = np.stack([seen.unit[..., 1], -seen.unit[..., 0]], axis=-1)
        return np.sum(rows * swung[..., None, :], axis=-1, keepdims=True)
    return np.cross(rows, seen.unit[..., None, :])  # r . (u x psi) = psi . (r x u)


class _Late(Mapping[str, Array]):
    """Arrays that are made when they are asked for."""

    def __init__(self, makers: dict[str, Callable[[], Array]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> Array:
        return self._makers[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _stack(*pairs: tuple[Array, Array]) -> tuple[Array, Array]:
    """Rows below each other, and their rounding, with all leading axes."""
    n = pairs[0][0].shape[-1]
    leading = np.broadcast_shapes(*(rows.shape[:-2] for rows, _ in pairs))
    k = sum(rows.shape[-2] for rows, _ in pairs)
    stacked, rounding, at = np.empty((*leading, k, n)), np.empty((*leading, k, n)), 0
    for rows, wrong in pairs:
        part = slice(at, at := at + rows.shape[-2])
        stacked[..., part, :], rounding[..., part, :] = rows, wrong
    return stacked, rounding


def _pad(rows: Array, before: int, after: int) -> Array:
    """Rows of zeros before and after."""
    m, n = rows.shape[-2:]
    padded = np.zeros((*rows.shape[:-2], before + m + after, n))
    padded[..., before : before + m, :] = rows
    return padded


def _unit_rows(m: int, rest: Array) -> Array:
    """Spread of m electrical angles of spread one and what comes behind them."""
    k = m + rest.shape[-1]
    spread = np.zeros((*rest.shape[:-2], k, k))
    spread[..., range(m), range(m)] = 1.0
    spread[..., m:, m:] = rest
    return spread
