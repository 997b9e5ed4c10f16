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
from cfisac.estimators import _position_climb as _climb
from cfisac.estimators._position_grid import grid_error, grid_floor
from cfisac.estimators._position_hotspot import TILES, HotspotMap, hotspot_map
from cfisac.estimators._position_likelihood import Likelihood, full, simplified
from cfisac.estimators._position_samples import checked_samples, example, samples_of
from cfisac.scenarios import MultistaticScene
from cfisac.signals import PathSignatures, path_signatures, received
from cfisac.signals._multistatic import checked_sent, checked_states, delays

__all__ = [
    "HotspotMap",
    "Likelihood",
    "PositionEstimate",
    "estimate",
    "example",
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

    Examples
    --------
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> found = refine(scene, sent, samples, scene.targets + 0.2)
    >>> found.converged, found.reason
    (True, '')
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
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> found = likelihood(path_signatures(scene, sent), samples, scene.noise_variance)
    >>> found.score.shape, found.information.shape, found.gains.shape
    ((2,), (2, 2), (4, 2, 1))
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    variance = _checks.one("noise_variance", noise_variance, _checks.positive)
    _checks.kind("signatures", signatures, PathSignatures)
    n_receivers, _, n_targets, n_transmitters, n_samples = signatures.samples.shape
    shape = n_receivers, signatures.antenna.shape[-1], n_samples
    seen = checked_samples(samples, shape)
    if gains is None:
        return (full if exact else simplified)(signatures, seen, variance)
    if not exact:
        raise ValueError("gains must not be given with the simplified objective")
    beta = _checks.squarable("gains", gains)
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
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> shifts = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> values = log_likelihood(scene, sent, samples, scene.targets + shifts[:, None])
    >>> bool(values[0] > values[1])
    True
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    sent, seen = checked_sent(scene, sent), samples_of(scene, samples)
    every = _checks.squarable("positions", positions, float)
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
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> found = refine(scene, sent, samples, scene.targets + 0.4)
    >>> found.converged, bool(np.allclose(found.positions, scene.targets, atol=1e-6))
    (True, True)
    """
    exact = _checks.one_of("objective", objective, "full", "simplified") == "full"
    sent, seen = checked_sent(scene, sent), samples_of(scene, samples)
    most = int(_checks.one("max_steps", max_steps, _checks.count))
    more = _checks.yes_or_no("unknown_velocity", unknown_velocity)
    states = checked_states("start", scene, start, scene.targets)
    delays(scene, states, "start")
    speed = checked_states("velocities", scene, velocities, scene.velocities)
    if more:
        states = np.concatenate([states, speed], axis=1)
    top = _climb.gauss_newton(scene, sent, seen, states, speed, exact, most)
    found, ends = top.found, top.states
    return PositionEstimate(
        positions=ends[:, :2],
        velocities=ends[:, 2:] if more else speed,
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
    tiles: tuple[int, int] = TILES,
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
        Not ``converged`` where the map is highest at the edge of a hotspot, or the climb leaves
        it: the target may be elsewhere. That it is there at all, ``value`` has to tell: over
        noise alone it grows by about one for each path.

    Raises
    ------
    ValueError
        As :func:`hotspot_map` and :func:`refine`.

    Examples
    --------
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> found = estimate(scene, sent, samples, scene.targets + 0.7, 6.0, 0.5, tiles=(4, 8))
    >>> bool(np.allclose(found.positions, scene.targets, atol=1e-6))
    True
    """
    checked_sent(scene, sent)
    middles = checked_states("centres", scene, centres, scene.targets)
    start = [
        hotspot_map(scene, sent, samples, middle, side, step, t, tiles=tiles).best
        for t, middle in enumerate(middles)
    ]
    found = refine(scene, sent, samples, np.array(start), unknown_velocity=unknown_velocity)
    off = np.maximum(np.abs(found.positions - middles), np.abs(np.array(start) - middles))
    outside = np.flatnonzero(np.any(off > side / 2 - step / 4, axis=1))
    if len(outside):
        reason = f"target {', '.join(map(str, outside))}: the top is at the edge of its hotspot"
        return found._replace(converged=False, reason=found.reason or reason)
    return found


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
    >>> scene, sent, _ = example(np.random.default_rng(1))
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
