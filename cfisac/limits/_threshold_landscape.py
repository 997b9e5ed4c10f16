"""What the rivals of a true place look like: how alike their echoes are, and how sharp."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, paths, signals
from cfisac.paths import Paths
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landscape:
    """A truth and its rivals: the places of a region that an estimator searches.

    Parameters
    ----------
    snr : (L,) float
        ``rho_l = |alpha_l|^2 / sigma^2`` >= 0 of each access point's echo, in all its samples.
    correlation : (n, L) float
        ``r_l = |s_l(p)^H s_l(p_0)|`` in [0, 1] of each place p with the truth p_0, norms one.
    metric : (n, L, d, d) float
        J_l at each place: the information of an echo is ``2 rho_l J_l``, its gain being unknown.
    truth_metric : (L, d, d) float
        The same at the truth.
    volumes : (n,) float
        Of the cells that the places stand for, > 0, in the unit of the d parameters.
    squared_error : (n,) float
        What counts as the squared error of each place, >= 0.
    n_keep : int, optional
        How many parameters, the first, count in that error; by default all d.

    Raises
    ------
    ValueError
        If a shape does not fit or a number is out of range.

    Examples
    --------
    >>> here = np.eye(1)[None]
    >>> Landscape([10.0], [[0.0]], [here], here, [5.0], [2.0]).dimension
    1
    """

    snr: Array
    correlation: Array
    metric: Array
    truth_metric: Array
    volumes: Array
    squared_error: Array
    n_keep: int | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together; keep arrays."""
        given = {
            "snr": _checks.non_negative("snr", self.snr),
            "correlation": _checks.non_negative("correlation", self.correlation),
            "metric": _checks.finite("metric", self.metric),
            "truth_metric": _checks.finite("truth_metric", self.truth_metric),
            "volumes": _checks.positive("volumes", self.volumes),
            "squared_error": _checks.non_negative("squared_error", self.squared_error),
        }
        n, n_branches = given["volumes"].size, given["snr"].size
        d = given["truth_metric"].shape[-1] if given["truth_metric"].ndim else 0
        wanted = {
            "snr": (n_branches,), "correlation": (n, n_branches), "metric": (n, n_branches, d, d),
            "truth_metric": (n_branches, d, d), "volumes": (n,), "squared_error": (n,),
        }  # fmt: skip
        for name, shape in wanted.items():
            if given[name].shape != shape or 0 in shape:
                raise ValueError(
                    f"{name} must have shape {shape}, n places, L access points and d parameters "
                    f"each at least one, got {given[name].shape}"
                )
            object.__setattr__(self, name, given[name])
        if given["correlation"].max() > 1 + 1e-9:
            raise ValueError(f"correlation must be <= 1, got {given['correlation'].max():g}")
        kept = d if self.n_keep is None else _checks.one("n_keep", self.n_keep, _checks.count)
        if kept > d:
            raise ValueError(f"n_keep must be <= {d}, the number of parameters, got {kept}")
        object.__setattr__(self, "n_keep", kept)

    @property
    def dimension(self) -> int:
        """d, the number of parameters."""
        return int(self.truth_metric.shape[-1])

    @property
    def blind_mse(self) -> float:
        """Mean squared error of a guess anywhere in the region."""
        return float(self.volumes @ self.squared_error / self.volumes.sum())


def landscape(
    scene: MonostaticScene,
    corners: ArrayLike,
    n_per_side: int = 40,
    target: int = 0,
    snr: ArrayLike | None = None,
) -> Landscape:
    """Rivals of a target of a scene in a box of places, its velocity being known.

    Parameters
    ----------
    scene : MonostaticScene
        With OFDM, whose echoes are products of three factors.
    corners : (2, D) float
        Two opposite corners of the box that the estimator searches (m).
    n_per_side : int
        Places along each side, in the middle of cells; several to a resolution cell.
    target : int
        Which target of the scene is the truth.
    snr : (L,) float, optional
        Of each access point's echo in all its samples; by default the scene's ``total_snr``.

    Returns
    -------
    Landscape
        In metres.

    Raises
    ------
    ValueError
        If the waveform is not OFDM, the box has no extent or does not hold the target, an access
        point stands on one of the places, or a number is out of range.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> places = landscape(scene, [[75.0, 75.0], [275.0, 275.0]], 10)
    >>> places.correlation.shape, places.dimension
    ((100, 4), 2)
    """
    index = _target(scene, target)
    box = _box(scene, corners)
    n_side = _checks.one("n_per_side", n_per_side, _checks.count)
    truth, velocity = scene.targets[index], scene.velocities[index]
    if not np.all((box[0] <= truth) & (truth <= box[1])):
        raise ValueError(f"corners must hold the target at {truth}, got {box.tolist()}")
    _checks.room("n_per_side", (n_side**scene.dimension, len(scene.aps), scene.dimension**2))
    ticks = (np.arange(n_side) + 0.5) / n_side
    axes = [low + (high - low) * ticks for low, high in box.T]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, scene.dimension)
    if np.min(np.linalg.norm(points[:, None] - scene.aps, axis=-1)) == 0:
        raise ValueError("n_per_side must not put a place on an access point")
    heard = scene.total_snr[:, index] if snr is None else _checks.non_negative("snr", snr)
    if heard.shape not in ((), (len(scene.aps),)):
        raise ValueError(f"snr must have shape ({len(scene.aps)},), got {heard.shape}")
    metric = _metric(scene, np.vstack([truth, points]), velocity)
    return Landscape(
        np.broadcast_to(heard, len(scene.aps)),
        alike(scene, truth[None], points, velocity),
        metric[1:],
        metric[0],
        np.full(len(points), np.prod((box[1] - box[0]) / n_side)),
        np.sum((points - truth) ** 2, axis=-1),
    )


def line(
    snr: float,
    correlation: Callable[[Array], Any],
    spread: float,
    width: float,
    place: float | None = None,
    circular: bool = False,
    n_cells: int = 512,
) -> Landscape:
    """Rivals of one delay, angle or Doppler shift of one path.

    Parameters
    ----------
    snr : float
        ``rho`` >= 0 of the path in all its samples.
    correlation : callable
        ``|r(h)|`` of two echoes h apart, such as :func:`uniform`.
    spread : float
        J > 0: the information is ``2 rho J``.
    width : float
        W > 0: length of the interval, or of the circle, that the estimator searches.
    place : float, optional
        Of the truth in [0, W]; by default in the middle. On a circle all are alike.
    circular : bool
        Whether errors are taken round a circle.
    n_cells : int
        Places in the interval.

    Returns
    -------
    Landscape
        In the unit of h.

    Raises
    ------
    ValueError
        If a number is out of range, or the correlation is not one.

    Examples
    --------
    >>> spread = (2 * np.pi) ** 2 * (16**2 - 1) / 12  # of 16 samples, delay in cycles
    >>> line(10.0, uniform(16), spread, 1.0, circular=True).blind_mse.__round__(4)
    0.0833
    """
    wide = _checks.one("width", width, _checks.positive)
    _checks.squarable("width", wide, float)
    sharp = _checks.one("spread", spread, _checks.positive)
    number = _checks.one("n_cells", n_cells, _checks.count)
    _checks.room("n_cells", (number,))
    truth = wide / 2 if place is None else _checks.one("place", place, _checks.non_negative)
    if truth > wide:
        raise ValueError(f"place must be in [0, width], got {truth:g}")
    away = wide * (np.arange(number) + 0.5) / number - truth
    if _checks.yes_or_no("circular", circular):
        away = (away + wide / 2) % wide - wide / 2
    return Landscape(
        np.array([_checks.one("snr", snr, _checks.non_negative)]),
        correlated(correlation, np.abs(away))[:, None],
        np.full((number, 1, 1, 1), sharp),
        np.full((1, 1, 1), sharp),
        np.full(number, wide / number),
        away**2,
    )


def strangers(
    several: Paths, volumes: float, squared_error: float, n_keep: int | None = None
) -> Landscape:
    """Rivals of which nothing is known but how large their region is.

    For paths of any kind, from a ray tracer for instance: all places of the region count as
    unlike the truth (``r = 0``), their echoes as sharp as that of the truth. Good where the region
    holds many resolution cells.

    Parameters
    ----------
    several : Paths
        At the truth, with n unknowns; each path has a gain of its own.
    volumes : float
        Of the region, in the units of the n unknowns: an area in m^2 for a place in the plane.
    squared_error : float
        Mean squared error of a guess anywhere in the region.
    n_keep : int, optional
        How many unknowns, the first, count in the error; by default all.

    Returns
    -------
    Landscape

    Raises
    ------
    ValueError
        If an argument is no such thing.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> from cfisac.limits import cooperative
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> heard = cooperative.paths(
    ...     scene.targets[0], scene.velocities[0], scene.aps, 8, scene.sample_snr[:, 0],
    ...     scene.waveform, scene.carrier_frequency)
    >>> volume = 100.0**2 * 240.0**2  # m^2 (m/s)^2: a square and all its velocities
    >>> strangers(heard, volume, 100.0**2 / 6, n_keep=2).dimension
    4
    """
    if not isinstance(several, Paths):
        raise ValueError(f"several must be Paths, got {several!r}")
    metric = unit_metric(several)
    size = _checks.one("volumes", volumes, _checks.positive)
    error = _checks.one("squared_error", squared_error, _checks.non_negative)
    snr = np.broadcast_to(several.snr, several.shape).reshape(-1)
    none = np.zeros((1, len(snr)))
    cell, square = np.array([size]), np.array([error])
    return Landscape(snr, none, metric[None], metric, cell, square, n_keep)


def uniform(n_samples: int) -> Callable[[ArrayLike], Array]:
    """Correlation of equal samples, evenly spaced in frequency, time or space.

    Parameters
    ----------
    n_samples : int
        n >= 1: tones of a waveform, symbols or antennas.

    Returns
    -------
    callable
        ``|sin(pi n h) / (n sin(pi h))|`` of h in cycles from sample to sample: the delay times the
        tones' spacing, or the sine of the angle times the antennas' spacing in wavelengths. Its
        ``spread`` is ``(2 pi)^2 (n^2 - 1) / 12``.

    Raises
    ------
    ValueError
        If ``n_samples`` is no whole number >= 1.

    Examples
    --------
    >>> uniform(8)([0.0, 1 / 16, 1 / 8]).round(3)
    array([1.   , 0.641, 0.   ])
    """
    number = _checks.one("n_samples", n_samples, _checks.count)

    def at(h: ArrayLike) -> Array:
        phase = np.pi * _checks.finite("h", h)
        below = number * np.sin(phase)
        near = np.abs(below) < 1e-9 * number
        found = np.abs(np.sin(number * phase) / np.where(near, 1.0, below))
        return np.where(near, 1.0, np.minimum(found, 1.0))

    return at


def correlated(correlation: Callable[[Array], Any], h: Array) -> Array:
    """Values of a correlation, which must be in [0, 1]."""
    if not callable(correlation):
        raise ValueError(f"correlation must be a function of the distance, got {correlation!r}")
    found = np.abs(_checks.finite("correlation", correlation(h), complex))
    if found.shape != h.shape or np.any(found > 1 + 1e-9):
        raise ValueError(
            "correlation must give one number in [0, 1] for each distance, got "
            f"{found.max(initial=0):g} at most, in shape {found.shape} for {h.shape}"
        )
    return np.minimum(found, 1.0)


def alike(scene: MonostaticScene, first: Array, second: Array, velocity: Array) -> Array:
    """``|s_l(p)^H s_l(q)|`` of places p (n or 1, D) and q (n, D) at each access point, (n, L)."""
    one, two = (
        signals.echo_factors(scene, places, np.broadcast_to(velocity, places.shape))
        for places in (first, second)
    )
    antenna = np.stack([
        np.abs(np.mean(a.conj() * b, axis=-1))
        for a, b in zip(one.antenna, two.antenna, strict=True)
    ], axis=-1)  # fmt: skip
    tone, symbol = (
        np.abs(np.mean(a.conj() * b, axis=-1)).T
        for a, b in ((one.subcarrier, two.subcarrier), (one.symbol, two.symbol))
    )
    return np.minimum(antenna * tone * symbol, 1.0)


def unit_metric(several: Paths) -> Array:
    """J (L, d, d) of paths: half of what each would tell at an SNR of one."""
    one = Paths(np.ones(several.shape), several.spread, several.jacobian, several.rounding)
    each = one.each()
    return np.asarray(each.reshape(-1, *each.shape[-2:]) / 2)


def _metric(scene: MonostaticScene, places: Array, velocity: Array) -> Array:
    """J_l (n, L, D, D) at each place."""
    waveform = scene.waveform
    seen = paths.echo(
        places[:, None],
        velocity,
        scene.aps,
        scene.aps,
        scene.carrier_frequency,
        1.0,
        waveform.delay_doppler_covariance(),
        None,
        scene.receive_apertures,
    )
    return seen.each() / 2


def _target(scene: MonostaticScene, target: int) -> int:
    if not isinstance(scene, MonostaticScene) or not isinstance(scene.waveform, OFDM):
        raise ValueError("scene must be a MonostaticScene with OFDM")
    index = int(_checks.one("target", target, _checks.count, 0))
    if index >= len(scene.targets):
        raise ValueError(f"target must be < {len(scene.targets)}, got {index}")
    return index


def _box(scene: MonostaticScene, corners: ArrayLike) -> Array:
    box = _checks.finite("corners", corners)
    if box.shape != (2, scene.dimension) or np.any(box[0] == box[1]):
        raise ValueError(
            f"corners must be two points (2, {scene.dimension}) that differ in all coordinates, "
            f"got {box.tolist()}"
        )
    return np.sort(box, axis=0)
