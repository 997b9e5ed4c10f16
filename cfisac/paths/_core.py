"""Paths: the one thing that every bound in the book is a sum over.

A path is a complex gain times factors, seen in white Gaussian noise. With the gain unknown, all it
tells about its parameters (directions, delay, Doppler shift) is ``2 snr spread`` (the factor
theorem), and all they tell about a state (position, velocity, clocks) is in their gradients::

    F = sum over paths of  2 snr  J^T spread J.

The sum is taken over squared *slopes*, a root of the spread times the Jacobian, of which what is
within its rounding is exactly zero: squares of rounding would count as information.

Directions are unit vectors and need no angle convention, in the plane or in space; an array is its
:func:`cfisac.arrays.aperture`. Path axes may be called anything (transmitters, receivers,
reflections, targets); they broadcast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._rounding import sum_of_squares

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paths:
    """Resolvable paths with unknown gains, and how their parameters depend on the unknowns.

    Parameters
    ----------
    snr : (...) float
        Energy of the path in all its samples over the noise variance of one, >= 0.
    spread : (..., k, k) float
        Covariance of the path's factors by its k parameters, in the inverse squares of their
        units; positive semidefinite. What an unknown gain leaves.
    jacobian : (..., k, n) float
        Derivatives of the parameters by the n unknowns of the state.
    rounding : (..., k, n) float or a scalar
        How far entries of ``jacobian`` may be off, >= 0, because places are rounded.
    columns : mapping of (..., k, m) float, optional
        Derivatives of the parameters by what is known so far and may become unknown: a velocity, a
        clock, the orientation of an array. See :meth:`with_unknown`.
    columns_rounding : mapping of (..., k, m) float, optional
        How far entries of these may be off; by default a rounding of the entry.

    Raises
    ------
    ValueError
        If an argument is not finite, ``snr`` or ``rounding`` is negative, ``spread`` is not
        symmetric, or the shapes do not fit.

    Examples
    --------
    Two delays of 1 m each, from the east and from the north:

    >>> paths = Paths(0.5, np.eye(1), np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    >>> from cfisac import fisher
    >>> float(fisher.position_error_bound(paths.information()).round(3))
    1.414
    """

    snr: Array
    spread: Array
    jacobian: Array
    rounding: Array | float = 0.0
    columns: Mapping[str, Array] = field(default_factory=dict)
    columns_rounding: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no path."""
        eps = _checks.precision(self.snr, self.spread, self.jacobian)
        snr = _checks.non_negative("snr", self.snr)
        spread = _checks.finite("spread", self.spread)
        jacobian = _checks.finite("jacobian", self.jacobian)
        if jacobian.ndim < 2 or spread.shape[-2:] != (jacobian.shape[-2],) * 2:
            raise ValueError(
                "spread and jacobian must have shapes (..., k, k) and (..., k, n), got "
                f"{spread.shape} and {jacobian.shape}"
            )
        skew = np.abs(spread - np.swapaxes(spread, -1, -2))
        if np.any(skew > 1e-8 * np.max(np.abs(spread), axis=(-2, -1), keepdims=True, initial=0.0)):
            raise ValueError("spread must be symmetric")
        if np.any(np.diagonal(spread, axis1=-2, axis2=-1) < 0):
            raise ValueError("spread must be positive semidefinite")
        wrong = _checks.non_negative("rounding", self.rounding)
        _fits("rounding", wrong, "jacobian", jacobian)
        _checks.must_broadcast(
            snr=snr.shape,
            spread=spread.shape[:-2],
            jacobian=jacobian.shape[:-2],
            rounding=wrong.shape[:-2],
        )
        rounding = np.maximum(wrong, eps * abs(jacobian))
        given = {"snr": snr, "spread": spread, "jacobian": jacobian, "rounding": rounding}
        for name, value in given.items():
            object.__setattr__(self, name, value)
        for name in ("columns", "columns_rounding"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name} must be a mapping, got {getattr(self, name)!r}")
        if isinstance(self.columns, dict):  # others are made when they are asked for
            for name in self.columns:
                self.column(name)

    @classmethod
    def _trusted(
        cls,
        snr: Array,
        spread: Array,
        jacobian: Array,
        rounding: Array,
        columns: Mapping[str, Array],
        columns_rounding: Mapping[str, Array],
    ) -> "Paths":
        """Paths of arrays that have been checked, of the shapes of the class."""
        paths = object.__new__(cls)
        rounding = np.maximum(rounding, np.finfo(float).eps * np.abs(jacobian))
        for name, value in (
            ("snr", snr), ("spread", spread), ("jacobian", jacobian), ("rounding", rounding),
            ("columns", columns), ("columns_rounding", columns_rounding),
        ):  # fmt: skip
            object.__setattr__(paths, name, value)
        return paths

    @property
    def shape(self) -> tuple[int, ...]:
        """The path axes."""
        return np.broadcast_shapes(self.snr.shape, self.spread.shape[:-2], self.jacobian.shape[:-2])

    def slopes(self) -> tuple[Array, Array]:
        """Slopes (..., k, n), of which the information is the sum of squares, and their rounding.

        ``sqrt(2 snr) R J`` with ``R^T R`` the spread.
        """
        weight, diagonal = np.sqrt(2 * self.snr)[..., None], _diagonal(self.spread)
        if diagonal is not None:  # each parameter by itself
            alone = (weight * np.sqrt(diagonal))[..., None]
            return alone * self.jacobian, alone * self.rounding
        root = weight[..., None] * _root(self.spread)
        return root @ self.jacobian, np.abs(root) @ self.rounding

    def each(self) -> Array:
        """Information of every path by itself, (..., n, n)."""
        return self.information(())

    def information(self, axes: int | Sequence[int] | None = None) -> Array:
        """Information summed over path axes, by default over all of them.

        Parameters
        ----------
        axes : int or sequence of int, optional
            Which of the path axes are summed over, each once; the others remain in front.

        Returns
        -------
        (..., n, n)
            In the inverse products of the units of the state. What is but rounding is exactly
            zero.

        Raises
        ------
        ValueError
            If ``axes`` are no path axes, or one is named twice.
        """
        slopes, rounding = self.slopes()
        leading, n = slopes.shape[:-2], slopes.shape[-1]
        rounding = np.broadcast_to(rounding, slopes.shape)
        summed = list(range(len(leading))) if axes is None else _path_axes(axes, len(leading))
        kept = [axis for axis in range(len(leading)) if axis not in summed]
        order = (*kept, *summed, len(leading), len(leading) + 1)
        shape = (*(leading[axis] for axis in kept), -1, n)
        if 0 in slopes.shape:
            return np.zeros((*shape[:-2], n, n))
        slopes, rounding = (each.transpose(order).reshape(shape) for each in (slopes, rounding))
        return sum_of_squares(slopes, np.maximum(rounding, np.finfo(float).eps * np.abs(slopes)))

    def with_unknown(self, *unknown: str | ArrayLike) -> "Paths":
        """Further unknowns in the state, behind those that it has.

        Parameters
        ----------
        *unknown : str or (..., k, m) float
            Names of ``columns``, or derivatives of the parameters by the new unknowns. All
            paths share them: what differs from path to path goes through
            :class:`cfisac.paths.Unknown`.

        Returns
        -------
        Paths

        Raises
        ------
        ValueError
            If there is no such name, or the shapes do not fit.
        """
        found = [self.column(each) for each in unknown]
        pairs = [(self.jacobian, np.asarray(self.rounding)), *found]
        shape = np.broadcast_shapes(*(each.shape[:-2] for each, _ in pairs))
        size = (*shape, self.jacobian.shape[-2], sum(each.shape[-1] for each, _ in pairs))
        jacobian, rounding, at = np.empty(size), np.empty(size), 0
        for rows, wrong in pairs:
            part = slice(at, at := at + rows.shape[-1])
            jacobian[..., part], rounding[..., part] = rows, wrong
        return Paths._trusted(
            self.snr, self.spread, jacobian, rounding, self.columns, self.columns_rounding
        )

    def column(self, unknown: str | ArrayLike) -> tuple[Array, Array]:
        """Derivatives (..., k, m) by an unknown, by its name or as given, and their rounding."""
        if not isinstance(unknown, str):
            return self._rows("unknown", unknown)
        if unknown not in self.columns:
            allowed = ", ".join(self.columns) or "none"
            raise ValueError(f"unknown must be one of {allowed}, got {unknown!r}")
        found, eps = self._rows(unknown, self.columns[unknown])
        if unknown not in self.columns_rounding:
            return found, eps
        name = f"columns_rounding of {unknown}"
        wrong = _checks.non_negative(name, self.columns_rounding[unknown])
        _fits(name, wrong, unknown, found)
        _checks.must_broadcast(paths=self.shape, **{name: wrong.shape[:-2]})
        return found, np.maximum(wrong, eps)

    def _rows(self, name: str, value: ArrayLike) -> tuple[Array, Array]:
        """Derivatives (..., k, m) that fit the paths, and a rounding of each."""
        found, k = _checks.finite(name, value), self.jacobian.shape[-2]
        if found.ndim < 2 or found.shape[-2] != k:
            raise ValueError(f"{name} must have {k} rows, (..., {k}, m), got {found.shape}")
        _checks.must_broadcast(paths=self.shape, **{name: found.shape[:-2]})
        return found, _checks.precision(value) * np.abs(found)


def join(*several: Paths) -> Paths:
    """All paths of several kinds in one row, with the same state.

    Parameters
    ----------
    *several : Paths
        With the same n unknowns; their path axes become one. Parameters that others do not have
        count as not measured, columns that others do not have as zero.

    Returns
    -------
    Paths
        With one path axis.

    Raises
    ------
    ValueError
        If there is none, or the numbers of unknowns differ.

    Examples
    --------
    >>> from cfisac.paths import one_way
    >>> by_delay = one_way([30.0, 40.0], [[0.0, 0.0], [80.0, 0.0]], 1e3, delay_variance=1e15)
    >>> by_angle = one_way([30.0, 40.0], [[0.0, 60.0]], 1e3, 0.0, aperture=[[0.0, 7.2]])
    >>> both = join(by_delay, by_angle)
    >>> both.shape, both.information().shape
    ((3,), (2, 2))
    """
    if not several or not all(isinstance(each, Paths) for each in several):
        raise ValueError("several must hold one Paths or more, and nothing else")
    sizes = {paths.jacobian.shape[-1] for paths in several}
    if len(sizes) > 1:
        raise ValueError(f"several must have the same unknowns, got {sorted(sizes)} of them")
    k = max(paths.spread.shape[-1] for paths in several)
    widths = {name: each.shape[-1] for paths in several for name, each in paths.columns.items()}

    def rows(paths: Paths, value: Array, columns: int) -> Array:
        flat = np.broadcast_to(value, (*paths.shape, *value.shape[-2:]))
        flat = flat.reshape(-1, *value.shape[-2:])
        return np.pad(flat, ((0, 0), (0, k - flat.shape[1]), (0, columns - flat.shape[2])))

    def column(paths: Paths, name: str, which: int) -> Array:
        none = np.zeros((paths.spread.shape[-1], widths[name]))
        found = paths.column(name)[which] if name in paths.columns else none
        return rows(paths, found, widths[name])

    n = sizes.pop()
    snr = [np.broadcast_to(each.snr, each.shape).ravel() for each in several]
    blocks = (
        (rows(each, each.spread, k) for each in several),
        (rows(each, each.jacobian, n) for each in several),
        (rows(each, np.broadcast_to(each.rounding, each.jacobian.shape), n) for each in several),
    )
    columns, wrong = (
        {name: np.concatenate([column(p, name, which) for p in several]) for name in widths}
        for which in (0, 1)
    )
    spread, jacobian, rounding = (np.concatenate(list(each)) for each in blocks)
    return Paths(np.concatenate(snr), spread, jacobian, rounding, columns, wrong)


def _fits(name: str, rounding: Array, other: str, value: Array) -> None:
    """Refuse a rounding that has not the rows and columns of what it belongs to."""
    last = value.shape[-2:]
    if any(
        size not in (1, want) for size, want in zip(rounding.shape[::-1], last[::-1], strict=False)
    ):
        raise ValueError(
            f"{name} must broadcast to the rows and columns of {other} {last}, got {rounding.shape}"
        )


def _path_axes(axes: int | Sequence[int], number: int) -> list[int]:
    """Which of ``number`` path axes are meant, ascending."""
    given = np.asarray(axes)
    whole = given.dtype.kind in "iu" or given.size == 0
    if not whole or given.ndim > 1 or np.any((given < -number) | (given >= number)):
        raise ValueError(f"axes must be among the {number} path axes, got {axes!r}")
    chosen = sorted({int(axis) % number for axis in np.atleast_1d(given)})
    if len(chosen) < given.size:
        raise ValueError(f"axes must differ, got {axes!r}")
    return chosen


def _diagonal(spread: Array) -> Array | None:
    """The diagonal (..., k), if there is nothing beside it."""
    diagonal = np.diagonal(spread, axis1=-2, axis2=-1)
    return diagonal if np.count_nonzero(spread) == np.count_nonzero(diagonal) else None


def _root(spread: Array) -> Array:
    """R with ``R^T R = spread``, from its unit-diagonal form, so that units do not matter."""
    size = np.sqrt(np.diagonal(spread, axis1=-2, axis2=-1))
    k = size.shape[-1]
    scale = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(spread / (scale[..., :, None] * scale[..., None, :]))
    if np.any(values < -1e-8):
        raise ValueError("spread must be positive semidefinite")
    kept = np.where(values > 8 * k * np.finfo(float).eps, values, 0.0)
    root = np.sqrt(kept)[..., :, None] * np.swapaxes(vectors, -1, -2) * scale[..., None, :]
    return np.where(np.abs(root) <= 8 * k * np.finfo(float).eps * scale[..., None, :], 0.0, root)
