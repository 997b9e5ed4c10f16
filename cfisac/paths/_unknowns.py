"""Unknowns that belong to somebody: a clock per access point, an orientation per array.

What all paths share goes into the state (:meth:`cfisac.paths.Paths.with_unknown`). What differs
from owner to owner (access points, users, walls) is an :class:`Unknown`: each owner has a few
numbers, drawn with a known standard deviation, and a path is touched by those of one or two
owners. :func:`information` removes them owner by owner.

It does so among slopes, never in a matrix: the owner's numbers and their prior are columns, and
what they can explain of the slopes is projected out. What remains is often exactly zero, and a
Schur complement would know it only to the root of a rounding.

Signs: a clock that is ahead by b makes a delay read ``tau + b_receiver - b_transmitter``, a fast
oscillator a Doppler shift ``nu + e_transmitter - e_receiver``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac.paths import _elimination
from cfisac.paths._core import Paths

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

WIDEST_PHASE = np.pi / np.sqrt(3)
"""Standard deviation of a phase that may be anything (rad): a prior must be narrower."""


@dataclass(frozen=True, eq=False)
class Unknown:
    """Numbers of G owners, m for each, independent with mean zero and known deviations.

    Parameters
    ----------
    pool : str
        Who owns them, ``"ap"`` or ``"user"``. The unknowns of one owner are removed together.
    std : (G, m) float
        Standard deviations, in the units of the columns: 0 is known, ``inf`` unknown.
    terms : sequence of (owner, columns)
        Which owner touches a path, and how; two pairs where a path has two ends. ``owner`` (...)
        holds whole numbers over the path axes, -1 for nobody; ``columns`` (..., k, m) are the
        derivatives of the k parameters by the numbers of that owner.

    Raises
    ------
    ValueError
        If ``std`` is negative or nan, an owner is no whole number in -1..G-1, columns are not
        finite, or the shapes do not fit.

    Examples
    --------
    One clock that two of three delays share, which nobody knows:

    >>> from cfisac.paths import one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> owner = np.array([0, 0, -1])
    >>> unknown = Unknown("user", np.array([[np.inf]]), [(owner, paths.columns["clock"])])
    >>> information(paths, unknown).shape
    (2, 2)
    """

    pool: str
    std: Array
    terms: Sequence[tuple[IntArray, Array]]

    def __post_init__(self) -> None:
        """Refuse what belongs to nobody."""
        std = _deviations("std", self.std)
        if std.ndim != 2 or std.shape[1] == 0:
            raise ValueError(f"std must have shape (owners, numbers >= 1), got {std.shape}")
        terms = []
        for owner, columns in self.terms:
            index, slope = _owners("owner", owner), _checks.finite("columns", columns)
            if np.any(index >= len(std)):
                raise ValueError(f"owner must be in -1..{len(std) - 1}, got {index.max()}")
            if slope.ndim < 2 or slope.shape[-1] != std.shape[1]:
                raise ValueError(f"columns must have {std.shape[1]} columns, got {slope.shape}")
            _checks.must_broadcast(owner=index.shape, columns=slope.shape[:-2])
            terms.append((index, slope))
        if not terms:
            raise ValueError("terms must hold one pair or more")
        object.__setattr__(self, "std", std)
        object.__setattr__(self, "terms", tuple(terms))


def clock(
    paths: Paths,
    std: ArrayLike,
    receiver: ArrayLike | None = None,
    transmitter: ArrayLike | None = None,
    pool: str = "ap",
) -> Unknown:
    """Clock of each owner (s).

    Parameters
    ----------
    paths : Paths
        From :func:`cfisac.paths.echo` or :func:`cfisac.paths.one_way`.
    std : (G,) float or one number
        By how much the clocks are off (s): 0 is known, ``inf`` unknown.
    receiver, transmitter : (...) int, optional
        Which owner each path ends and begins at, over the path axes, -1 for nobody. On a path
        from a user to an access point one of them is the access point's.
    pool : str
        Who owns the clocks.

    Returns
    -------
    Unknown
        In its pool.

    Raises
    ------
    ValueError
        If the paths have no such column, or as :class:`Unknown`.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> for std in (0.0, 1e-9, 1e-8):  # s
    ...     own = clock(paths, std, receiver=np.arange(3))
    ...     print(f"{position_error_bound(information(paths, own)):.2f} m")
    0.26 m
    0.45 m
    3.68 m
    """
    return _of_ends("clock", paths, std, receiver, transmitter, pool, sign=-1.0)


def oscillator(
    paths: Paths,
    std: ArrayLike,
    receiver: ArrayLike | None = None,
    transmitter: ArrayLike | None = None,
    pool: str = "ap",
) -> Unknown:
    """Offset of each owner's carrier (Hz); arguments as for :func:`clock`.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import echo
    >>> factors = np.diag([1e15, 1e-2])  # of the waveform, s^-2 and Hz^-2
    >>> sends, hear = [[0.0, 0.0]], [[80.0, 0.0], [0.0, 60.0], [80.0, 60.0]]  # m
    >>> paths = echo([30.0, 40.0], [20.0, 0.0], sends, hear, 28e9, 1e3, factors)
    >>> for std in (0.0, 10.0):  # Hz
    ...     own = oscillator(paths, std, receiver=np.arange(3))
    ...     print(f"{position_error_bound(information(paths, own)):.3f} m")
    0.009 m
    0.170 m
    """
    return _of_ends("oscillator", paths, std, receiver, transmitter, pool)


def orientation(
    paths: Paths,
    std: ArrayLike,
    receiver: ArrayLike | None = None,
    transmitter: ArrayLike | None = None,
    pool: str = "ap",
) -> Unknown:
    """Turn of each owner's array (rad): one number in the plane, three in space.

    Arguments as for :func:`clock`; ``std`` may be (G, 3) in space. On a path from a user to an
    access point the array is the access point's, whichever end it is.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import one_way
    >>> aps, rows = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [[0.0, 7.2]]  # m, rad
    >>> paths = one_way([30.0, 40.0], aps, 1e3, delay_variance=0.0, aperture=rows)
    >>> own = orientation(paths, np.radians(0.5), receiver=np.arange(3))
    >>> print(f"{position_error_bound(information(paths, own)):.2f} m")
    0.59 m
    """
    return _of_ends("orientation", paths, std, receiver, transmitter, pool)


def displacement(
    paths: Paths,
    std: ArrayLike,
    receiver: ArrayLike | None = None,
    transmitter: ArrayLike | None = None,
    pool: str = "ap",
) -> Unknown:
    """Error of each owner's place, per axis (m).

    Arguments as for :func:`clock`; ``std`` may be (G, D).

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> own = displacement(paths, 0.3, receiver=np.arange(3))  # 0.3 m along x and along y
    >>> print(f"{position_error_bound(information(paths, own)):.2f} m")
    0.45 m
    """
    return _of_ends("displacement", paths, std, receiver, transmitter, pool)


def phase(
    paths: Paths,
    std: ArrayLike,
    receiver: ArrayLike | None = None,
    transmitter: ArrayLike | None = None,
    pool: str = "ap",
) -> Unknown:
    """Phase of each owner's carrier (rad), for :func:`coherent` paths.

    Arguments as for :func:`clock`, and on every path it turns the same way as the clock would.

    Raises
    ------
    ValueError
        Also if ``std`` is finite and not below 1.8 rad, which is that of a phase that may be
        anything: a phase is known modulo a turn, and a wide Gaussian prior would claim more.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import coherent, one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> carriers = coherent(paths, 3.5e9)
    >>> own = phase(carriers, 0.1, receiver=np.arange(3))  # rad
    >>> print(f"{1e3 * position_error_bound(information(carriers, own)):.2f} mm")
    1.71 mm
    """
    given = _deviations("std", std)
    if np.any(np.isfinite(given) & (given >= WIDEST_PHASE)):
        raise ValueError(
            f"std of a phase must be below {WIDEST_PHASE:.2f} rad (a phase that may be anything) "
            f"or inf, got {given[np.isfinite(given)].max():g}"
        )
    return _of_ends("phase", paths, given, receiver, transmitter, pool, sign=-1.0)


def information(paths: Paths, *unknown: Unknown, prior: ArrayLike | None = None) -> Array:
    """Information about the state that all paths leave when the owners' numbers are unknown.

    Parameters
    ----------
    paths : Paths
        Of any shape; summed over all its axes.
    *unknown : Unknown
        Whose numbers are removed. Kinds of one pool form one block for each owner.
    prior : (n, n) float, optional
        Information about the state from elsewhere, symmetric and positive semidefinite.

    Returns
    -------
    (n, n)
        Equivalent FIM, in the inverse products of the units of the state. Unknowns that no path
        sees, and offsets common to all, cost nothing and are no error; what is but rounding is
        exactly zero.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``prior`` is no information.

    Notes
    -----
    Owners no two of which share a path are projected out one by one; the others, as few as a
    greedy search finds, become columns beside the state and go last. So the cost is linear in the
    access points of a user, and ``P (n + R m)^2`` for P senders and R < P listeners.

    Examples
    --------
    >>> from cfisac.fisher import position_error_bound
    >>> from cfisac.paths import one_way
    >>> aps = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]]  # m
    >>> paths = one_way([30.0, 40.0], aps, snr=1e3, delay_variance=1e15)  # s^-2
    >>> alike = clock(paths, np.inf, receiver=np.zeros(3, dtype=int))  # one for all
    >>> for unknown in ((), (alike,)):
    ...     print(f"{position_error_bound(information(paths, *unknown)):.2f} m")
    0.26 m
    0.31 m
    """
    if not all(isinstance(each, Unknown) for each in unknown):
        raise ValueError("unknown must hold nothing but Unknown: clock(paths, ...) makes one")
    n = paths.jacobian.shape[-1]
    slopes, rounding = _elimination.what_remains(paths, unknown)
    total = fisher.information(slopes, rounding)
    if prior is None:
        return total
    known = _checks.finite("prior", prior)
    if known.shape != (n, n):
        raise ValueError(f"prior must have shape ({n}, {n}), got {known.shape}")
    try:
        fisher.crlb(known)
    except ValueError as error:
        raise ValueError(f"prior must be symmetric and positive semidefinite: {error}") from error
    return total + (known + known.T) / 2


def _of_ends(
    what: str, paths: Paths, std: ArrayLike, receiver: ArrayLike | None,
    transmitter: ArrayLike | None, pool: str, sign: float = 1.0,
) -> Unknown:  # fmt: skip
    """Columns of both ends; a one-way path has one, with a sign if its owner sends."""
    one_way, suffix = ("anchor", "") if what == "displacement" else (what, f" {what}")
    given = {"receiver": (receiver, 1.0), "transmitter": (transmitter, sign)}
    terms: list[tuple[IntArray, Any]] = []
    for end, (owner, signed) in given.items():
        if owner is None:
            continue
        index, name = _owners(end, owner), f"{end}{suffix}"
        found = [paths.columns[name]] if name in paths.columns else []
        found += [signed * paths.columns[one_way]] if one_way in paths.columns else []
        if not found:
            raise ValueError(f"paths must have a column {name!r} for the {what}")
        terms.append((index, sum(found[1:], found[0])))
    if not terms:
        raise ValueError("receiver or transmitter must say whose unknowns these are")
    deviation = _deviations("std", std)
    m, most = terms[0][1].shape[-1], max(1 + int(each.max(initial=0)) for each, _ in terms)
    if deviation.ndim < 2:
        length = deviation.shape or (most,)
        deviation = np.broadcast_to(deviation[..., None], (*length, m))
    return Unknown(pool, deviation, terms)


def _deviations(name: str, std: ArrayLike) -> Array:
    return _checks.or_inf(name, std, _checks.non_negative)


def _owners(name: str, owner: ArrayLike) -> IntArray:
    index = np.asarray(owner)
    if index.dtype.kind not in "iu" or np.any(index < -1):
        raise ValueError(f"{name} must be whole numbers >= -1, got {owner!r}")
    return index.astype(np.int64)
