"""Maximum-likelihood positions straight from the frames of a multistatic scene (fan_journal III).

Receiver r hears the paths of all transmitters p by way of all targets t, each with an unknown
complex gain, in noise of variance sigma^2 (fan_journal (13))::

    y_r = sum_pt beta_prt g_prt(x_t) + w_r,    g_prt = a_r(x_t) (x) s_prt(x_t).

The best gains are a linear fit. With ``c = G^H y`` and ``G^H G`` of all paths to a receiver, what
is left of the likelihood is a function of the positions alone (19)::

    l(x) = sum_r c_r^H (G_r^H G_r)^-1 c_r / sigma^2,

and if no two paths overlap the matrix is diagonal and each target stands by itself (20)::

    l_t(x) = sum_pr |g_prt(x)^H y_r|^2 / (sigma^2 ||g_prt(x)||^2).

The search has two stages: the best point of a map of (20) over the hotspot of each target, then
Gauss-Newton to the top of (19). Scenes lie in the plane, with uniform linear arrays, and carry
OTFS; symbols, beams and clocks are known, and so are the velocities unless they are asked for.
Samples (R, M_r, MN) are in time; of frames on the delay-Doppler grid (R, M_r, N, M) they are
``scene.waveform.modulate(frames, 0)``, a unitary transform that no likelihood sees.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators import _position_climb as _climb
from cfisac.estimators import _position_map as _map
from cfisac.estimators._position_grid import grid_error, grid_floor
from cfisac.estimators._position_likelihood import Likelihood, full, simplified
from cfisac.scenarios import MultistaticScene
from cfisac.scenarios._common import distances
from cfisac.signals import PathSignatures, path_signatures, received
from cfisac.signals._multistatic import checked_sent, checked_states, delays

__all__ = [
    "HotspotMap",
    "Likelihood",
    "PositionEstimate",
    "estimate",
    "grid_error",
    "grid_floor",
    "hotspot_map",
    "likelihood",
    "log_likelihood",
    "refine",
    "simplified_bias",
]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Objective = Literal["full", "simplified"]

_TILES = (8, 16)  # of symbols and of subcarriers
_MOST_POINTS = 2**20


class HotspotMap(NamedTuple):
    """Fan_journal (20) over a square, such as :func:`hotspot_map` gives.

    Attributes
    ----------
    points : (n, n, 2)
        Positions (m), rows by y and columns by x.
    values : (n, n)
        Log-likelihood over that of noise alone; ``-inf`` where no target can be: on an access
        point, or farther than a symbol.
    best : (2,)
        The point with the largest value (m).
    """

    points: Array
    values: Array
    best: Array


class PositionEstimate(NamedTuple):
    """Where a search for all targets ended.

    Attributes
    ----------
    positions, velocities : (T, 2)
        In m and m/s; the velocities are those given if they were known.
    gains : (P, R, T) complex
        Fitted to the samples.
    covariance : (d T, d T)
        Inverse of the information of the frame at the fitted gains, target by target over x, y
        (v_x, v_y); ``inf`` on the diagonal where there is none.
    value : float
        Log-likelihood over that of noise alone.
    converged : bool
        Whether the slope vanished. If not, ``reason`` says why and the positions are the best that
        were seen.
    reason : str
    n_iterations : int
    """

    positions: Array
    velocities: Array
    gains: ComplexArray
    covariance: Array
    value: float
    converged: bool
    reason: str
    n_iterations: int


def likelihood(
    signatures: PathSignatures,
    samples: ArrayLike,
    noise_variance: float,
    gains: ArrayLike | None = None,
    objective: Objective = "full",
) -> Likelihood:
    """Log-likelihood at one state of all targets, its slopes and the information.

    Parameters
    ----------
    signatures : PathSignatures
        At the states in question, from :func:`cfisac.signals.path_signatures`.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    noise_variance : float
        sigma^2 > 0 of each sample (W).
    gains : (P, R, T) complex, optional
        For the derivatives of the mean; by default the fitted ones. With the true gains at the
        true states, score and information are those of the Cramer-Rao bound.
    objective : {"full", "simplified"}
        fan_journal (19), or (20), which takes the fitted gains only.

    Returns
    -------
    Likelihood

    Raises
    ------
    ValueError
        If an argument is not finite, does not fit or is out of range, or two targets cannot be
        told apart at a receiver.

    Examples
    --------
    >>> scene, sent, samples = _example()
    >>> found = likelihood(path_signatures(scene, sent), samples, scene.noise_variance)
    >>> found.score.shape, found.information.shape, found.gains.shape
    ((2,), (2, 2), (4, 2, 1))
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    variance = _checks.one("noise_variance", noise_variance, _checks.positive)
    n_receivers, _, n_targets, n_transmitters, n_samples = signatures.time.shape
    shape = n_receivers, signatures.array.shape[-1], n_samples
    seen = _checked_samples(samples, shape)
    if gains is None:
        return (full if exact else simplified)(signatures, seen, variance)
    if not exact:
        raise ValueError("gains must not be given with the simplified objective")
    beta = _checks.finite("gains", gains, complex)
    if beta.shape != (n_transmitters, n_receivers, n_targets):
        raise ValueError(f"gains must have shape (P, R, T), got {beta.shape}")
    return full(signatures, seen, variance, beta)


def log_likelihood(
    scene: MultistaticScene,
    sent: ArrayLike,
    samples: ArrayLike,
    positions: ArrayLike,
    objective: Objective = "full",
) -> Array:
    """Log-likelihood over that of noise alone, point by point, for any positions of all targets.

    The plain way, sample by sample; :func:`hotspot_map` is the fast one.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the positions of its T targets.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    positions : (..., T, 2)
        Of all targets together (m).
    objective : {"full", "simplified"}
        fan_journal (19); or (20), added up over the targets.

    Returns
    -------
    (...)

    Raises
    ------
    ValueError
        If an argument is not finite or does not fit, a position is impossible, or two targets
        cannot be told apart at a receiver.

    Examples
    --------
    >>> scene, sent, samples = _example()
    >>> shifts = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> values = log_likelihood(scene, sent, samples, scene.targets + shifts[:, None])
    >>> bool(values[0] > values[1])
    True
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    sent, seen = checked_sent(scene, sent), _samples_of(scene, samples)
    every = _checks.finite("positions", positions)
    if every.shape[-2:] != scene.targets.shape:
        raise ValueError(f"positions must be (..., {len(scene.targets)}, 2), got {every.shape}")
    flat = every.reshape(-1, *scene.targets.shape)
    values = np.empty(len(flat))
    for k, here in enumerate(flat):
        late = delays(scene, here)
        if exact:
            values[k] = _climb.value_of(scene, sent, seen, here, late)
        else:
            values[k] = _climb.matched_energy(scene, sent, seen, here, late).sum()
    if not exact:
        values /= scene.noise_variance
    return values.reshape(every.shape[:-2])


def hotspot_map(
    scene: MultistaticScene,
    sent: ArrayLike,
    samples: ArrayLike,
    centre: ArrayLike,
    side: float,
    step: float,
    target: int = 0,
    *,
    tiles: tuple[int, int] = _TILES,
) -> HotspotMap:
    """Map of fan_journal (20) over a hotspot, a hundred times faster than point by point.

    Everything heard is turned back to the delay and Doppler shift of the centre and multiplied by
    what was sent, antenna by antenna; what a point of the hotspot adds to the phases is then slow
    over subcarriers and symbols, and is summed over tiles of them. Between points the phases of
    antennas and tiles separate. The map loses height, not place: off the centre, by the phase that
    turns within a tile.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the position of the target.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    centre : (2,)
        Of the hotspot (m).
    side : float
        Of the square (m), >= 0. Points lie symmetrically about the centre, as many as fit.
    step : float
        From point to point (m), > 0.
    target : int
        Whose velocity is meant.
    tiles : (int, int)
        How many of symbols and of subcarriers; divisors of N and M, fewer than them make it fast.

    Returns
    -------
    HotspotMap

    Raises
    ------
    ValueError
        If an argument is not finite, does not fit or is out of range, the hotspot has no point
        where a target can be, or more than 2^20 points.

    Examples
    --------
    >>> scene, sent, samples = _example()
    >>> centre = scene.targets[0]
    >>> found = hotspot_map(scene, sent, samples, centre, side=4.0, step=0.5, tiles=(4, 8))
    >>> found.values.shape
    (9, 9)
    >>> bool(np.allclose(found.best, scene.targets[0]))
    True
    """
    sent, seen = checked_sent(scene, sent), _samples_of(scene, samples)
    middle = _checks.points("centre", centre)
    if middle.shape != (2,):
        raise ValueError(f"centre must be one point (2,), got {middle.shape}")
    width = _checks.one("side", side, _checks.non_negative)
    apart = _checks.one("step", step, _checks.positive)
    if _checks.one("target", target, _checks.count, 0) >= len(scene.targets):
        raise ValueError(f"target must be in 0..{len(scene.targets) - 1}, got {target!r}")
    _refuse_tiles(scene, tiles)
    half = width / apart / 2
    if half > 512:
        raise ValueError("the hotspot must have at most 2^20 points; make step larger")
    number = 2 * np.floor(half + 1e-9) + 1 if half % 1 < 0.5 - 1e-9 else 2 * np.floor(half + 0.5)
    line = apart * (np.arange(number) - (number - 1) / 2)
    points = middle + np.stack(np.meshgrid(line, line), axis=-1)
    possible = _possible(scene, points)
    if not possible.any() or not _possible(scene, middle[None])[0]:
        raise ValueError("the hotspot is empty: no target can be there, or not at its centre")
    safe = np.where(possible[..., None], points, middle)
    energy = _map.fast_map(scene, sent, seen, int(target), safe, middle, tiles)
    values = np.where(possible, energy / scene.noise_variance, -np.inf)
    best = points[np.unravel_index(np.argmax(values), values.shape)]
    return HotspotMap(points, values, best)


def refine(
    scene: MultistaticScene,
    sent: ArrayLike,
    samples: ArrayLike,
    start: ArrayLike,
    velocities: ArrayLike | None = None,
    *,
    unknown_velocity: bool = False,
    objective: Objective = "full",
    max_steps: int = 60,
) -> PositionEstimate:
    """Climb to the top of the likelihood of all positions by Gauss-Newton.

    For echoes so weak that this is slow the curvature is measured after a few steps, by differences
    of the score.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the states of its T targets.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    start : (T, 2)
        Where the climb begins (m): within the main lobe, about half of c / B, of each target.
    velocities : (T, 2), optional
        Known, or where the climb begins if they are unknown (m/s); by default the scene's.
    unknown_velocity : bool
        Whether to estimate the velocities, too.
    objective : {"full", "simplified"}
        fan_journal (19), or (20), whose top is off the target where paths overlap.
    max_steps : int
        Before it gives up; >= 1.

    Returns
    -------
    PositionEstimate
        A local maximum, to 1e-9 of a standard deviation. Where a delay passes a whole sample the
        likelihood has a small step: near the top samples at the edges of symbols are sorted anew,
        and the climb repeated, as long as that leads higher. (At the edge of a step the slope does
        not vanish.) If the samples do not determine the states, or no step leads uphill,
        ``converged`` is False and ``reason`` says so.

    Raises
    ------
    ValueError
        If an argument is not finite or does not fit, or a start is impossible.

    Examples
    --------
    >>> scene, sent, samples = _example()
    >>> found = refine(scene, sent, samples, scene.targets + 0.4)
    >>> found.converged, bool(np.allclose(found.positions, scene.targets, atol=1e-6))
    (True, True)
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    sent, seen = checked_sent(scene, sent), _samples_of(scene, samples)
    most = int(_checks.one("max_steps", max_steps, _checks.count))
    states = checked_states("start", scene, start, scene.targets)
    speed = checked_states("velocities", scene, velocities, scene.velocities)
    if unknown_velocity:
        states = np.concatenate([states, speed], axis=1)
    top = _climb.gauss_newton(scene, sent, seen, states, speed, exact, most)
    found, ends = top.found, top.states
    return PositionEstimate(
        positions=ends[:, :2],
        velocities=ends[:, 2:] if unknown_velocity else speed,
        gains=found.gains,
        covariance=_climb.covariance(found.information),
        value=found.value,
        converged=not top.reason,
        reason=top.reason,
        n_iterations=top.n_iterations,
    )


def estimate(
    scene: MultistaticScene,
    sent: ArrayLike,
    samples: ArrayLike,
    centres: ArrayLike,
    side: float,
    step: float = 0.5,
    *,
    unknown_velocity: bool = False,
    tiles: tuple[int, int] = _TILES,
) -> PositionEstimate:
    """Both stages: the best point of each target's map, then the top of fan_journal (19).

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the positions of its T targets.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (R, M_r, MN) complex
        What the receivers heard, in time.
    centres : (T, 2)
        Of the hotspots (m), such as the points that the sensing beams look at.
    side : float
        Of every hotspot (m).
    step : float
        Of the maps (m): a small part of c / B, which is as wide as the main lobe.
    unknown_velocity : bool
        Whether to estimate the velocities, too; those of the scene are where it begins.
    tiles : (int, int)
        As in :func:`hotspot_map`.

    Returns
    -------
    PositionEstimate

    Raises
    ------
    ValueError
        As :func:`hotspot_map` and :func:`refine`.

    Examples
    --------
    >>> scene, sent, samples = _example()
    >>> found = estimate(scene, sent, samples, scene.targets + 0.7, 6.0, 0.5, tiles=(4, 8))
    >>> bool(np.allclose(found.positions, scene.targets, atol=1e-6))
    True
    """
    middles = checked_states("centres", scene, centres, scene.targets)
    start = [
        hotspot_map(scene, sent, samples, middle, side, step, t, tiles=tiles).best
        for t, middle in enumerate(middles)
    ]
    return refine(scene, sent, samples, np.array(start), unknown_velocity=unknown_velocity)


def simplified_bias(scene: MultistaticScene, sent: ArrayLike, gains: ArrayLike) -> Array:
    """How far the top of fan_journal (20) is off each target, without any noise, (T, 2) in m.

    Paths that overlap disturb each other's matched filters. The disturbance does not fall with the
    noise: it is a floor. To first order it is one Gauss-Newton step of (20) from the truth.

    Parameters
    ----------
    scene : MultistaticScene
        With the targets where they are.
    sent : (P, M_t, N, M) complex
        What each antenna sends, by symbol and subcarrier.
    gains : (P, R, T) complex
        True ones.

    Raises
    ------
    ValueError
        If an argument is not finite or does not fit, or a position cannot be identified.

    Examples
    --------
    >>> scene, sent, _ = _example()
    >>> bias = simplified_bias(scene, sent, np.ones((4, 2, 1)))
    >>> top = refine(
    ...     scene, sent, received(path_signatures(scene, sent), np.ones((4, 2, 1))),
    ...     scene.targets, objective="simplified",
    ... )
    >>> bool(np.linalg.norm(top.positions - scene.targets - bias) < 0.2 * np.linalg.norm(bias))
    True
    """
    paths = path_signatures(scene, sent)
    found = simplified(paths, received(paths, gains), scene.noise_variance)
    spread = _climb.covariance(found.information)
    if not np.isfinite(spread).all():
        raise ValueError("gains must let every position be identified")
    return np.asarray((spread @ found.score).reshape(-1, 2))


def _samples_of(scene: MultistaticScene, samples: ArrayLike) -> ComplexArray:
    n_samples = scene.waveform.n_symbols * scene.waveform.n_subcarriers
    return _checked_samples(samples, (len(scene.receivers), scene.n_antennas, n_samples))


def _checked_samples(samples: ArrayLike, shape: tuple[int, ...]) -> ComplexArray:
    seen: ComplexArray = _checks.finite("samples", samples, complex)
    if seen.shape != shape:
        raise ValueError(f"samples must have shape (R, M_r, MN) = {shape}, got {seen.shape}")
    return seen


def _refuse_tiles(scene: MultistaticScene, tiles: tuple[int, int]) -> None:
    sizes = scene.waveform.n_symbols, scene.waveform.n_subcarriers
    for number, size in zip(_checks.count("tiles", tiles), sizes, strict=True):
        if size % number:
            raise ValueError(f"tiles must divide symbols and subcarriers {sizes}, got {tiles}")


def _possible(scene: MultistaticScene, points: Array) -> NDArray[np.bool_]:
    """Points (..., 2) on no access point, with all paths within one symbol."""
    flat = points.reshape(-1, 2)
    out, back = (distances(each, flat) for each in (scene.transmitters, scene.receivers))
    near = (out.max(axis=0) + back.max(axis=0)) <= scene.waveform.symbol_period * SPEED_OF_LIGHT
    off = np.minimum(out.min(axis=0), back.min(axis=0)) > 0
    return np.asarray((near & off).reshape(points.shape[:-1]))


def _example() -> tuple[MultistaticScene, ComplexArray, ComplexArray]:
    """Draw a small scene, what is sent in it, and noise-free samples; for the examples above."""
    from cfisac.scenarios import fan_scene
    from cfisac.signals import draw_spectra
    from cfisac.waveforms import OTFS

    rng = np.random.default_rng(1)
    scene = fan_scene(
        rng, 6, 1, 0, 4, waveform=OTFS(32, 8, 2e6), side=60.0, max_delay=5e-7, max_speed=5.0
    )
    sent = draw_spectra(scene, 1.0, rng)
    gains = np.exp(2j * np.pi * rng.uniform(size=(4, len(scene.receivers), 1)))
    return scene, sent, received(path_signatures(scene, sent), gains)
