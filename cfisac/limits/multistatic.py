"""Position bounds of targets seen by many transmitters and receivers (fan).

Transmitter p sends the beams q = 1 .. B with powers ``eta_pq``; their symbols are known to the
central unit, independent of each other and of those of other transmitters, with mean zero (fan
(13) lets all transmitters send the same symbols, which couples their paths a little). By way of
target t they reach receiver r as one path, whose mean is::

    beta_prt (h_r h_t^T (x) Psi(tau, nu)) s_p,      E{s_p s_p^H} = V_p^* (x) I,

with the beam covariance ``V_p = sum_q eta_pq B_pq``, unit-norm array responses
``a(omega) = [1, e^{j omega}, ...] / sqrt(M_t)``, which turn the other way than fan_conf (11) and
like all arrays of this package, and an unknown complex gain ``beta_prt``. All
informations below are means over the symbols. Each path obeys the factor theorem: its equivalent
information about (omega_r, omega_t, tau, nu) is a direct sum, whatever the beams are::

    (2 |beta|^2 / sigma^2) M N diag{b v_r, c, b v_tau, b v_nu},
    b = a^H V a,    c = adot^H V adot - |a^H V adot|^2 / b,

where ``v_r = (M_r^2 - 1) / 12`` and ``v_tau, v_nu`` are the waveform's variances. So the exact
bound costs O(M_t^2) operations per path, not O(M^2 N^2).

Velocities are known. Each path is seen alone, as if no two of them overlapped in delay, Doppler
shift and direction; :func:`joint_efim` lets those by way of several targets overlap.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher, propagation
from cfisac.limits import _map, _scene, coupled
from cfisac.limits._one_path import beam_gains, path_efim, path_fim
from cfisac.paths import Paths
from cfisac.scenarios import MultistaticScene
from cfisac.scenarios._beams import beam_power

__all__ = [
    "beam_gains",
    "draw_gains",
    "joint_efim",
    "path_efim",
    "path_fim",
    "paths",
    "peb",
    "position_efim",
    "position_error_bound",
    "position_map",
    "rms_gains",
]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bound = Literal["exact", "approximate"]

_WEAK = 2**16  # paths by way of weak points of a map worked on at a time: memory


# ------------------------------------------------------------------------- targets of a scene


def rms_gains(scene: MultistaticScene) -> ComplexArray:
    """Root of the mean power of every path gain, (P, R, T): the gains at the mean RCS.

    ``beta_prt = sqrt(xi_prt sigma_rcs^2)`` with the radar equation's ``xi``. Bounds at these gains
    are optimistic: a position error bound is a convex function of the path powers, so its mean over
    fluctuating targets is larger.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> gains = rms_gains(scene)
    >>> gains.shape, len(scene.transmitters), len(scene.receivers)
    ((6, 4, 2), 6, 4)
    """
    return np.sqrt(scene.mean_power_gains).astype(complex)


def draw_gains(scene: MultistaticScene, rng: np.random.Generator) -> ComplexArray:
    """Draw the gains of all paths, (P, R, T), of Swerling I targets.

    ``beta_prt = sqrt(xi_prt) alpha_prt`` with independent ``alpha_prt ~ CN(0, sigma_rcs^2)``, which
    stay the same for the frame.

    Examples
    --------
    >>> from cfisac.scenarios import fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> rng = np.random.default_rng(2)
    >>> draws = np.array([draw_gains(scene, rng) for _ in range(1000)])
    >>> print(f"{np.mean(np.abs(draws) ** 2) / np.mean(np.abs(rms_gains(scene)) ** 2):.1f}")
    1.0
    """
    return propagation.swerling_one(rng, scene.mean_power_gains)


def position_efim(
    scene: MultistaticScene,
    power: ArrayLike,
    bound: Bound = "exact",
    gains: ArrayLike | None = None,
) -> Array:
    """Equivalent FIM of each target's position, summed over its paths (fan_conf (20), (23)).

    Symbols are independent within a transmitter; the paths of different transmitters, which by
    fan_conf (13) send the same symbols, and those by way of different targets count as uncoupled.

    Parameters
    ----------
    scene : MultistaticScene
        P transmitters, R receivers, T targets, B beams per transmitter.
    power : (P, B) float, or one that broadcasts to it
        ``eta_pq >= 0`` in watts.
    bound : {"exact", "approximate"}
        With "exact" every beam counts, in all four parameters. With "approximate", Proposition 1
        of fan, only the beam of the target itself does, as if it pointed at it perfectly
        (b = eta_pt, c = 0).
    gains : (P, R, T) complex, optional
        beta_prt; by default :func:`rms_gains`.

    Returns
    -------
    (T, D, D)
        In m^-2. Unknown: the position and all gains. Known: velocity, symbols, beams, clocks.
        Arrays may be of any kind and scenes in space.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not match.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> position_efim(scene, equal_power(scene))[0].round(1)  # of the first target
    array([[190.1,  34.8],
           [ 34.8,  54.1]])
    """
    return paths(scene, power, bound, gains).information((0, 1))


def paths(
    scene: MultistaticScene,
    power: ArrayLike,
    bound: Bound = "exact",
    gains: ArrayLike | None = None,
) -> Paths:
    """All paths of a scene (P, R, T), of which :func:`position_efim` is the sum.

    Takes the arguments of :func:`position_efim`.

    Returns
    -------
    Paths
        State: the position of the target. See :func:`cfisac.paths.echo` for what else may become
        unknown: velocities, clocks, orientations, places.

    Raises
    ------
    ValueError
        As :func:`position_efim`.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> every = paths(scene, equal_power(scene))
    >>> slow = every.with_unknown("velocity").information((0, 1))
    >>> every.shape, slow.shape
    ((6, 4, 2), (2, 4, 4))
    """
    power = beam_power(scene, power)
    _checks.one_of("bound", bound, "exact", "approximate")
    own = power[:, : len(scene.targets)] if bound == "approximate" else None
    squares = _scene.power_gains(scene, gains)
    return _scene.by_way_of(scene, power, own, scene.targets, scene.velocities, squares)


def joint_efim(scene: MultistaticScene, power: ArrayLike, gains: ArrayLike) -> Array:
    """Equivalent FIM of all targets' positions together, with the coupling of their paths.

    The paths of one transmitter by way of two targets carry the same symbols to a receiver, so
    neither the positions nor the gains of the two are estimated apart as :func:`position_efim`
    supposes. Paths of different transmitters are taken to carry independent symbols, which do not
    correlate in the mean over them. (By fan_conf (13) all transmitters send the same symbols, each
    by its own beams; then their paths, too, overlap where they agree in delay and Doppler shift.)

    Parameters
    ----------
    scene : MultistaticScene
        In the plane, with uniform linear arrays. Targets in one place cannot be told apart:
        neither has any information then.
    power : (P, B) float, or one that broadcasts to it
        ``eta_pq >= 0`` in watts.
    gains : (P, R, T) complex
        beta_prt; here their phases count.

    Returns
    -------
    (2 T, 2 T)
        In m^-2, over (x_1, y_1, x_2, y_2, ...). Unknown: all positions and all gains. A path in a
        null of all its beams, to rounding, tells nothing of its target but keeps its unknown gain.
        For paths that coincide or nearly do see :func:`cfisac.limits.cooperative.joint_efim`.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not match, or the scene lies
        in space or has arrays of its own.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> joint_efim(scene, equal_power(scene), draw_gains(scene, np.random.default_rng(2))).shape
    (4, 4)
    """
    power = beam_power(scene, power)
    beta = _scene.checked_gains(scene, gains)
    if not _scene.is_printed(scene):
        raise ValueError("scene must lie in the plane and have uniform linear arrays")
    return coupled.paths(scene, power, beta, *_scene.parameters(scene))


def position_error_bound(
    scene: MultistaticScene,
    power: ArrayLike,
    bound: Literal["exact", "approximate", "joint"] = "exact",
    gains: ArrayLike | None = None,
) -> Array:
    """Position error bound of each target, in metres (fan_conf (22)).

    Takes the arguments of :func:`position_efim`. With ``bound="joint"`` the coupling of the
    targets' paths is taken into account (:func:`joint_efim`) and ``gains`` must be given.

    Returns
    -------
    (T,)
        ``inf`` where the position cannot be identified.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not match.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> position_error_bound(scene, equal_power(scene)).round(3)  # m
    array([0.164, 0.196])
    """
    _checks.one_of("bound", bound, "exact", "approximate", "joint")
    if bound != "joint":
        return fisher.position_error_bound(position_efim(scene, power, bound, gains))
    if gains is None:
        raise ValueError("gains must be given for the joint bound, which depends on their phases")
    variance = np.diagonal(fisher.crlb(joint_efim(scene, power, gains)))
    return np.sqrt(variance.reshape(-1, 2).sum(axis=1))


peb = _checks.old_name("peb", position_error_bound)


# -------------------------------------------------------------------------------------- maps


def position_map(
    scene: MultistaticScene,
    power: ArrayLike,
    points: ArrayLike,
    bound: Bound = "exact",
    target: int = 0,
    *,
    backend: _map.Backend = "numpy",
    outside: _map.Outside = "raise",
    following: bool = False,
) -> Array:
    """Equivalent FIM of a target's position if it stood at each of many points.

    The beams stay where they point, or the target's own follows it. :func:`position_efim` at the
    mean RCS, in a form that costs
    O(P M_t + R) operations per point although it sums over P R paths: power and spread of the
    beams are trigonometric polynomials of omega_t, and the gains are a product of a transmitter's
    part and a receiver's. Where next to nothing is left of the sums in some direction, path by
    path; so are scenes in space and arrays other than uniform linear ones, by NumPy.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the position of the target.
    power : (P, B) float, or one that broadcasts to it
        ``eta_pq >= 0`` in watts.
    points : (..., D) float
        Positions in metres.
    bound : {"exact", "approximate"}
        As in :func:`position_efim`.
    target : int
        Whose velocity, RCS and, for the approximate bound, beam are meant.
    backend : {"numpy", "fast", "jax"}
        What adds up: NumPy on one thread; compiled loops on all of numba's threads (the extra
        ``fast``); JAX on its default device, in double precision (the extra ``gpu``). They differ
        by rounding, about 1e-14 of a matrix's trace where it is well conditioned.
    outside : {"raise", "nan"}
        Points on an access point, and points so far that a path would exceed
        ``scene.waveform.longest_delay``, are refused, or their matrices are ``nan``.
    following : bool
        Whether the sensing beam of the target points at each point in turn, perfectly. It adds
        its power and, as it is broad at its maximum, no slope.

    Returns
    -------
    (..., D, D)
        In m^-2; see :func:`cfisac.fisher.position_error_bound`.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not match, or the arrays are
        not uniform, linear and in the plane.
    ImportError
        If the package that ``backend`` needs is not installed.

    Notes
    -----
    Beside scene, points and result, memory grows neither with the number of points nor, but for
    ``8 M_t`` numbers each, with that of transmitters: "numpy" and "fast" need less than 10 MB,
    "jax" 0.4 GB for a million points, and on an accelerator a few times 2^22 numbers.

    Examples
    --------
    >>> from cfisac.scenarios import equal_power, fan_scene
    >>> scene = fan_scene(np.random.default_rng(1), n_aps=10, n_targets=2, n_users=0)
    >>> grid = np.stack(np.meshgrid([-50.0, 0.0, 50.0], [-20.0, 20.0]), axis=-1)  # m
    >>> efim = position_map(scene, equal_power(scene), grid)
    >>> fisher.position_error_bound(efim).round(2)
    array([[5.58, 3.51, 1.12],
           [5.83, 2.05, 0.67]])
    """
    power = beam_power(scene, power)
    points = _checks.points("points", points, 1, (scene.dimension,))
    whole = isinstance(target, int | np.integer) and not isinstance(target, bool)
    if not whole or target not in range(len(scene.targets)):
        raise ValueError(f"target must be in 0..{len(scene.targets) - 1}, got {target!r}")
    _checks.one_of("bound", bound, "exact", "approximate")
    _checks.one_of("backend", backend, "numpy", "fast", "jax")
    refuse = _checks.one_of("outside", outside, "raise", "nan") == "raise"
    dimension = scene.dimension
    flat = points.reshape(-1, dimension)
    efim, weak = np.empty((len(flat), dimension, dimension)), np.ones(len(flat), dtype=bool)
    rcs = _scene.mean_rcs(scene)[target : target + 1]
    if _scene.is_printed(scene):
        kind = bound, target, following
        scale = _scene.snr_of_pair(scene) * rcs
        for block, sums, gone, left in _scene.map_blocks(scene, power, flat, kind, backend):
            if refuse and np.any(gone):
                _scene.are_outside(scene, flat[block], refuse)
            np.multiply(sums, scale, out=efim[block])
            efim[block][gone], weak[block] = np.nan, left
    elif backend != "numpy":
        raise ValueError(f"backend must be 'numpy' for such a scene, got {backend!r}")
    else:
        gone = _scene.are_outside(scene, flat, refuse)
        efim[gone], weak = np.nan, ~gone
    where = np.flatnonzero(weak)
    step = max(1, _WEAK // (len(scene.transmitters) * len(scene.receivers)))
    for some in (where[start : start + step] for start in range(0, len(where), step)):
        own = np.broadcast_to(power[:, target, None], (len(power), len(some)))
        seen = _scene.by_way_of(
            scene, power, own if bound == "approximate" else None, flat[some],
            scene.velocities[target], rcs, target if following else None,
        )  # fmt: skip
        efim[some] = seen.information((0, 1))
    return efim.reshape(*points.shape, dimension)
