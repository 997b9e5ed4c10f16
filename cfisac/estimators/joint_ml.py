"""Maximum likelihood of the states of all targets at once, from the samples of all access points.

Each access point (AP) hears the sum of the echoes of U targets in an array, on subcarriers and over
symbols, as :func:`cfisac.signals.echo_tensors` makes them, in noise. The complex amplitude of every
echo is unknown. Given delays, sines and Doppler shifts, the best amplitudes are a linear fit, and
what is left to be maximised is the energy that echoes can explain::

    sum_l |P_l y_l|^2 / sigma^2,        P_l = S_l (S_l^H S_l)^-1 S_l^H,

over (x, y, v_x, v_y) of every target. Its information is
:func:`cfisac.limits.cooperative.joint_efim`, and the steps of Fisher scoring divide by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.estimators import _joint_fit, _joint_local, _joint_match, _joint_search
from cfisac.estimators._joint_data import Charts, Heard, cells_of, charts_of, prepare, residual
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_CANDIDATES = 5  # states of a search that are climbed from
_STEPS_EACH = 3  # before only the best goes on


@dataclass(frozen=True, eq=False)
class Estimate:
    """States of U targets, from west to east.

    Parameters
    ----------
    positions : (U, 2) float
        In metres.
    velocities : (U, 2) float
        In metres per second.
    amplitudes : (L, U) complex
        Of every echo in a sample, counted from the middle of antennas, subcarriers and symbols.
    converged : bool
        Whether this can be relied on. If not, all that is here may be wrong.
    reason : str
        Why not; empty if it can.
    efim : (4U, 4U) float
        Information on (x, y, v_x, v_y) of the first target, then of the second, and so on, at these
        states and amplitudes: its inverse is the covariance of the errors, to first order.
    overlaps : tuple of (int, int, int)
        Access points at which two targets lie in one resolution cell, and these two.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> found = estimate(scene, signals.echo_tensors(scene, np.ones((4, 1))), n_targets=1)
    >>> found.converged, found.reason, found.overlaps
    (True, '', ())
    """

    positions: Array
    velocities: Array
    amplitudes: ComplexArray
    converged: bool
    reason: str
    efim: Array
    overlaps: tuple[tuple[int, int, int], ...] = ()


def estimate(
    scene: MonostaticScene,
    samples: Sequence[ArrayLike],
    n_targets: int,
    corners: ArrayLike | None = None,
    fusion: str = "samples",
) -> Estimate:
    """Positions, velocities and amplitudes of several targets, by maximum likelihood.

    First each AP by itself: the strongest echo on a grid of delay, sine and Doppler shift, what is
    left without it, and so on (orthogonal matching pursuit), all echoes found so far being refined
    together. Then echoes of different APs are given to targets, all ways being tried. Then the
    states of all targets climb the likelihood of all samples.

    Parameters
    ----------
    scene : MonostaticScene
        Its access points, arrays, waveform, carrier and noise variance are known; its targets are
        not looked at. In the plane, with OFDM and uniform linear arrays of at least two antennas,
        at most half a wavelength apart; APs in two places or more.
    samples : sequence of L arrays (N_A, M, N) complex
        What each AP received: antennas, subcarriers, symbols.
    n_targets : int
        U >= 1.
    corners : (2, 2) float, optional
        Two corners of a rectangle that holds all targets, least and greatest (m). By default they
        may be wherever an echo is no later than ``waveform.longest_delay``.
    fusion : {"samples", "echoes"}
        Whether the samples of all APs say the last word, or the delays, sines and Doppler shifts
        that each AP found by itself, by weighted least squares.

    Returns
    -------
    Estimate
        ``converged`` is false, and ``reason`` says why, if a target is not heard above the noise or
        was found where none can be, if two share a resolution cell at every AP, if a state or its
        mirror image cannot be told by these APs, if an AP hears an echo of no target, or if the
        likelihood still rose at the end.

    Raises
    ------
    ValueError
        If the scene is another one than described, the samples have wrong shapes or are not finite,
        or ``n_targets`` exceeds the rank up to which the three factors of the samples are unique
        (Kruskal): ``2 U + 2 <= min(N_A, U) + min(M, U) + min(N, U)``.

    Notes
    -----
    Doppler shifts are known modulo one over the symbol period T: an AP that sees a target come or
    go faster than ``wavelength / (4 T)`` takes it for one that is ``wavelength / (2 T)`` slower.
    Where one velocity has all these shifts at all APs, nothing tells it from the true one.

    Targets that share a resolution cell at some APs are estimated like others, and listed in
    ``overlaps``. If they do at every AP they must be seven standard deviations apart. Near the SNR
    at which targets are no longer heard, :func:`detect` finds what no AP can find by itself.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import joint_ml
    >>> from cfisac.scenarios import liu_scene
    >>> rng = np.random.default_rng(1)
    >>> scene = liu_scene(rng, n_targets=2)
    >>> clean = signals.echo_tensors(scene, signals.draw_amplitudes(scene, rng))
    >>> samples = [signals.with_noise(each, scene.noise_variance, rng) for each in clean]
    >>> found = joint_ml.estimate(scene, samples, n_targets=2)
    >>> found.converged
    True
    >>> from_west = scene.targets[np.argsort(scene.targets[:, 0])]
    >>> bool(np.all(np.linalg.norm(found.positions - from_west, axis=1) < 0.5))  # m
    True
    """
    _checks.one_of("fusion", fusion, "samples", "echoes")
    number = _checks.one("n_targets", n_targets, _checks.count)
    area = None if corners is None else _corners(corners)
    heard = prepare(scene, samples)
    _refuse_rank(number, scene)
    charts = charts_of(heard)
    local = _joint_local.echoes(heard, charts, number)
    positions, velocities = _joint_match.states(scene, heard.cells, local, area)
    order = np.lexsort(positions.T[::-1])
    start = _joint_fit.fit_at(scene, heard, positions[order], velocities[order])
    if fusion == "echoes":
        return _estimate_of(scene, start._replace(promised=0.0), heard, charts, area)
    return _estimate_of(scene, _joint_fit.climb(scene, heard, start), heard, charts, area)


def detect(
    scene: MonostaticScene,
    samples: Sequence[ArrayLike],
    n_targets: int,
    corners: ArrayLike,
    max_speed: float,
    false_alarm: float = 0.01,
) -> Estimate:
    """Find targets that no access point can hear by itself.

    The energy that an echo of unknown amplitude explains, summed over all access points, on a grid
    of positions and velocities; the likelihood is climbed from the loudest of them. Further targets
    are sought in what the first ones leave, and all climb together.

    Parameters
    ----------
    scene, samples, n_targets
        As in :func:`estimate`.
    corners : (2, 2) float
        The rectangle to be searched: least and greatest x and y (m).
    max_speed : float
        Largest speed (m/s), > 0.
    false_alarm : float
        Chance that noise alone is taken for a target somewhere, between 0 and 1.

    Returns
    -------
    Estimate
        As of :func:`estimate`, except that a target counts as heard from the level on that noise
        alone reaches at one of the states searched with the chance ``false_alarm`` at most. Below
        it ``converged`` is false; the state found is still the most likely one.

    Raises
    ------
    ValueError
        As :func:`estimate`, or if an argument is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from cfisac import signals
    >>> from cfisac.estimators import joint_ml
    >>> from cfisac.scenarios import liu_scene
    >>> rng = np.random.default_rng(1)
    >>> scene = liu_scene(rng, n_targets=1)
    >>> scene = replace(scene, transmit_power=1e-3 * scene.transmit_power)  # -40 dB a sample
    >>> clean = signals.echo_tensors(scene, signals.draw_amplitudes(scene, rng))
    >>> samples = [signals.with_noise(each, scene.noise_variance, rng) for each in clean]
    >>> found = joint_ml.detect(scene, samples, 1, [[125, 125], [225, 225]], max_speed=120)
    >>> bool(np.linalg.norm(found.positions - scene.targets) < 20)  # m
    True
    """
    number = _checks.one("n_targets", n_targets, _checks.count)
    area = _corners(corners)
    limit = _checks.one("max_speed", max_speed, _checks.positive)
    chance = _checks.one("false_alarm", false_alarm, _checks.positive)
    if not chance < 1:
        raise ValueError(f"false_alarm must be < 1, got {chance}")
    heard = prepare(scene, samples)
    _refuse_rank(number, scene)
    where = _joint_search.region(scene, heard, area, limit)
    fit: _joint_fit.Fit | None = None
    for _ in range(number):
        fit = _one_more(scene, heard, where, fit)
    assert fit is not None
    rare = chance / (len(where.positions) * len(where.velocities))
    return _estimate_of(scene, fit, heard, charts_of(heard), area, rare)


def detect_each(
    scene: MonostaticScene, samples: Sequence[ArrayLike], corners: ArrayLike, max_speed: float
) -> tuple[Array, Array]:
    """The loudest echo that each access point hears by itself, out of the same states.

    What :func:`detect` is compared with: no access point knows of another.

    Parameters
    ----------
    scene, samples, corners, max_speed
        As in :func:`detect`.

    Returns
    -------
    sights : (L, 3) float
        Delay (s), sine of the angle and Doppler shift (Hz), as :func:`cfisac.geometry.monostatic`
        gives them.
    sight_snr : (L,) float
        Energy that each echo explains, over the noise variance.

    Raises
    ------
    ValueError
        As :func:`detect`.

    Examples
    --------
    >>> from cfisac import geometry, signals
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> clean = signals.echo_tensors(scene, np.ones((4, 1)))
    >>> found, _ = detect_each(scene, clean, [[125, 125], [225, 225]], max_speed=120)
    >>> sights, _ = geometry.monostatic(
    ...     scene.targets, scene.velocities, scene.aps, scene.carrier_frequency)
    >>> np.allclose(found, sights, rtol=1e-6)
    True
    """
    area = _corners(corners)
    limit = _checks.one("max_speed", max_speed, _checks.positive)
    heard = prepare(scene, samples)
    where = _joint_search.region(scene, heard, area, limit)
    return _joint_search.each_loudest(scene, heard, where)


def fuse(scene: MonostaticScene, sights: ArrayLike, sight_snr: ArrayLike) -> tuple[Array, Array]:
    """The state that fits best what access points found by themselves, some being wrong.

    Weighted least squares on delay, sine and Doppler shift with a cap on what one AP can cost, from
    the places at which single APs see the target.

    Parameters
    ----------
    scene : MonostaticScene
        As in :func:`estimate`.
    sights : (L, 3) float
        Delay (s), sine and Doppler shift (Hz) of one echo at each AP.
    sight_snr : (L,) float
        SNR of each over all its samples, > 0.

    Returns
    -------
    position, velocity : (2,) float
        In m and m/s.

    Raises
    ------
    ValueError
        If the scene is another one than described, or a shape does not fit.

    Examples
    --------
    >>> from cfisac import geometry
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> sights, _ = geometry.monostatic(
    ...     scene.targets, scene.velocities, scene.aps, scene.carrier_frequency)
    >>> sights[0] *= [0.9, 1.0, 3.0]  # this access point is mistaken
    >>> position, velocity = fuse(scene, sights, 20 * np.ones(4))
    >>> bool(np.linalg.norm(position - scene.targets) < 2)  # m
    True
    """
    cells = cells_of(scene)
    given = _checks.squarable("sights", sights, float)
    loud = _checks.squarable("sight_snr", _checks.positive("sight_snr", sight_snr), float)
    if given.shape != (len(scene.aps), 3) or loud.shape != given.shape[:1]:
        raise ValueError(
            f"sights and sight_snr must have shapes (L, 3) and (L,) with L = {len(scene.aps)}, "
            f"got {given.shape} and {loud.shape}"
        )
    weights = np.broadcast_to(2 * np.pi**2 / 3 * loud[:, None, None], (len(loud), 1, 3))
    local = _joint_local.Local((given / cells)[:, None], weights)
    positions, velocities = _joint_match.states(scene, cells, local, None)
    return positions[0], velocities[0]


def _one_more(
    scene: MonostaticScene,
    heard: Heard,
    where: _joint_search.Region,
    fit: _joint_fit.Fit | None,
) -> _joint_fit.Fit:
    """The likeliest states of one target more, the others being followed from where they are."""
    left = heard
    positions = velocities = np.zeros((0, 2))
    if fit is not None:
        left = residual(heard, fit.sights, fit.gains)
        positions, velocities = fit.positions, fit.velocities
    climbed = []
    for place, speed in zip(
        *_joint_search.candidates(scene, left, where, _CANDIDATES), strict=True
    ):
        start = _joint_fit.fit_at(
            scene, heard, np.vstack([positions, place]), np.vstack([velocities, speed])
        )
        climbed.append(_joint_fit.climb(scene, heard, start, _STEPS_EACH))
    return _joint_fit.climb(scene, heard, max(climbed, key=lambda each: each.value))


def _estimate_of(
    scene: MonostaticScene,
    fit: _joint_fit.Fit,
    heard: Heard,
    charts: Charts,
    corners: Array | None,
    rare: float | None = None,
) -> Estimate:
    fit = _joint_fit.ordered(fit, np.lexsort(fit.positions.T[::-1]))
    fit = fit._replace(efim=_joint_fit.exact_efim(scene, heard, fit))
    least = [] if rare is None else [rare]
    reason = _joint_fit.complaint(scene, heard, charts, fit, corners, *least)
    return Estimate(
        fit.positions,
        fit.velocities,
        fit.gains * np.sqrt(scene.noise_variance),
        not reason,
        reason,
        fit.efim,
        tuple(_joint_fit.overlaps(fit.sights)),
    )


def _corners(corners: ArrayLike) -> Array:
    area = _checks.squarable("corners", _checks.points("corners", corners, 2), float)
    if area.shape != (2, 2) or not np.all(area[0] < area[1]):
        raise ValueError(f"corners must be the least and the greatest x and y, got {area.tolist()}")
    return area


def _refuse_rank(n_targets: int, scene: MonostaticScene) -> None:
    frame = scene.waveform
    shape = int(np.min(scene.n_antennas)), frame.n_subcarriers, frame.n_symbols
    if n_targets > 1 and 2 * n_targets + 2 > sum(min(size, n_targets) for size in shape):
        raise ValueError(
            f"n_targets must be at most what samples of shape {shape} can carry, "
            f"2 U + 2 <= sum of min(size, U), got {n_targets}"
        )
