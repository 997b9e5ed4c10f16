"""Paths with more parameters or a longer state: coherent ones, those of several users."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac.paths._core import Paths

Array = NDArray[np.float64]


def coherent(paths: Paths, carrier_frequency: float) -> Paths:
    """Paths whose carrier phases are measured against each other, not only within each path.

    One more parameter, ``-2 pi f_c tau``, of the spread one: what an unknown gain hides. Its
    amplitude stays unknown and costs nothing. It must be followed by what is known of the phases
    (:func:`phase`), or by an estimator that has found the right one of many lobes.

    Parameters
    ----------
    paths : Paths
        From :func:`cfisac.paths.echo` or :func:`cfisac.paths.one_way`, with a column of a clock,
        which tells the delays. Arrays and beams must be centred: the phase is that of their
        middle, in the middle of the frame.
    carrier_frequency : float
        Middle of the band (Hz), > 0.

    Returns
    -------
    Paths
        With one row more, and the column ``"phase"``. Clocks do not turn the carrier, places do.

    Raises
    ------
    ValueError
        If the carrier is not positive or no column of a clock is there.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> for each in (paths, coherent(paths, 3.5e9)):
    ...     print(f"{1e3 * position_error_bound(each.information()):.2f} mm")
    259.40 mm
    0.37 mm
    """
    carrier = _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
    delays = [name for name in ("clock", "receiver clock") if name in paths.columns]
    if not delays:
        raise ValueError("paths must have a column 'clock' or 'receiver clock', which tells delays")
    by_delay = np.asarray(sum(paths.columns[name] for name in delays))[..., 0]

    def below(rows: Array, turn: float) -> Array:
        last = turn * np.einsum("...k,...kn->...n", by_delay, rows)[..., None, :]
        return _stacked(rows, last)

    turn = -2 * np.pi * carrier
    places = ("anchor", "transmitter", "receiver")
    columns = {
        name: below(rows, turn if name in places else 0.0) for name, rows in paths.columns.items()
    }
    k = paths.spread.shape[-1]
    spread = np.zeros((*paths.spread.shape[:-2], k + 1, k + 1))
    spread[..., :k, :k], spread[..., k, k] = paths.spread, 1.0
    jacobian, rounding = paths.jacobian, np.asarray(paths.rounding)
    return Paths(
        paths.snr, spread, below(jacobian, turn),
        below(np.broadcast_to(rounding, (*rounding.shape[:-2], *jacobian.shape[-2:])), abs(turn)),
        columns | {"phase": np.eye(k + 1)[:, k:]},
    )  # fmt: skip


def apart(paths: Paths, axis: int) -> Paths:
    """Paths of several users or targets, each with a state of its own, in one long state.

    Parameters
    ----------
    paths : Paths
        With U entries along the axis.
    axis : int
        The path axis of the users.

    Returns
    -------
    Paths
        The same paths over a state of U n unknowns, user after user.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> from cfisac.paths import one_way
    >>> users, aps = [[[30.0, 40.0]], [[50.0, 20.0]]], [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]
    >>> paths = one_way(users, aps, snr=1e3, delay_variance=1e15)
    >>> paths.shape, apart(paths, axis=0).information().shape  # over x and y of both
    ((2, 3), (4, 4))
    """
    shape, n = paths.shape, paths.jacobian.shape[-1]
    whole = isinstance(axis, int | np.integer) and not isinstance(axis, bool)
    if not whole or not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must be one of the {len(shape)} path axes, got {axis!r}")
    at = axis % len(shape)
    own = np.eye(shape[at]).reshape(
        shape[at], *(1,) * (len(shape) - at - 1), 1, shape[at], 1
    )  # fmt: skip

    def wide(value: Array) -> Array:
        whole = np.broadcast_to(value, (*shape, *value.shape[-2:]))
        spread_out = whole[..., None, :] * own
        return spread_out.reshape(*shape, value.shape[-2], shape[at] * n)

    return replace(paths, jacobian=wide(paths.jacobian), rounding=wide(np.asarray(paths.rounding)))


def _stacked(above: Array, below: Array) -> Array:
    leading = np.broadcast_shapes(above.shape[:-2], below.shape[:-2])
    return np.concatenate(
        [np.broadcast_to(each, (*leading, *each.shape[-2:])) for each in (above, below)], axis=-2
    )
