"""Which echo at one access point belongs to which at another: all permutations, scored."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._tensor_cp import Array, Components, decompose
from cfisac.scenarios import MonostaticScene
from cfisac.waveforms import OFDM

_MOST = 1_000_000  # permutations or hypotheses that are scored
_NONE = 1e-15  # amplitude that is none, as a share of the strongest echo's
_SMALL = 1e-24  # least noise of a sample, as a share of the strongest echo


class Separated(NamedTuple):
    """The echoes of several targets, taken apart and brought into one order.

    Attributes
    ----------
    components : tuple of Components
        Of each access point.
    order : (L, U) int
        Component of each access point that belongs to target u.
    cost : float
        What the best order leaves unexplained: half the weighted squares of all differences.
    runner_up : float
        The same for the second-best order; ``inf`` if there is none.
    observed : (L, U, 3) float
        Delay (s), sine of the angle along the array, Doppler shift (Hz), in the common order.
    information : (L, U, 3) float
        Of these, gains unknown, in their inverse squares.
    converged : bool
        Whether all access points could separate their echoes.
    reason : str
        Empty, or which of them could not, and why.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.estimators import tensor
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> samples = signals.echo_tensors(scene, np.ones((4, 1)))
    >>> found = tensor.separate(scene, samples, 1)
    >>> found.converged, found.order.shape, found.observed.shape
    (True, (4, 1), (4, 1, 3))
    """

    components: tuple[Components, ...]
    order: NDArray[np.int64]
    cost: float
    runner_up: float
    observed: Array
    information: Array
    converged: bool
    reason: str


def separate(
    scene: MonostaticScene, samples: Sequence[NDArray[np.complex128]], n_targets: int
) -> Separated:
    """Separate the echoes at every access point, and put them into one order (liu (31)-(40)).

    Parameters
    ----------
    scene : MonostaticScene
        Its access points, arrays and waveform; its targets are not looked at.
    samples : sequence of (N_l, M, N_s) complex
        Of each access point.
    n_targets : int
        U >= 1.

    Raises
    ------
    ValueError
        As :func:`decompose` and :func:`associate`, or if the samples do not fit the scene.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1))
    >>> separated = separate(scene, signals.echo_tensors(scene, np.ones((4, 3))), 3)
    >>> separated.converged, separated.order.shape
    (True, (4, 3))
    """
    axes_of(scene)
    frame, antennas = scene.waveform, np.asarray(scene.n_antennas)
    given = _checks.each_of("samples", samples, len(scene.aps), "access points")
    for number, each in enumerate(given):
        wanted = (int(antennas[number]), frame.n_subcarriers, frame.n_symbols)
        if np.shape(each) != wanted:
            raise ValueError(
                f"samples of access point {number} must have shape {wanted}, got {np.shape(each)}"
            )
    return associate(scene, [decompose(each, n_targets) for each in given])


def associate(scene: MonostaticScene, components: Sequence[Components]) -> Separated:
    """Find the order of the echoes that one set of positions and velocities explains best.

    Every choice of one echo per access point is a hypothesis of a target. Range and sine of each
    echo are a place, on either side of the array, with its information; the weighted mean of
    these places, then the least-squares velocity of the Doppler shifts from there, leave a cost.
    The ``(U!)^(L-1)`` ways to split the echoes into U targets are scored from the table of U^L
    costs.

    Parameters
    ----------
    scene : MonostaticScene
        Its access points, arrays and waveform.
    components : sequence of Components
        Of each access point; their amplitudes and residuals weigh them.

    Raises
    ------
    ValueError
        If the numbers of components differ, the arrays are not linear ones in the plane, or there
        are more than a million ways.

    Examples
    --------
    >>> from cfisac import signals
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1))
    >>> samples = signals.echo_tensors(scene, np.ones((4, 3)))
    >>> found = associate(scene, [decompose(each, 3) for each in samples])
    >>> found.cost < 1e-3 * found.runner_up
    True
    """
    axes = axes_of(scene)
    if not isinstance(components, Sequence) or isinstance(components, str):
        raise ValueError(f"components must be a sequence, got {type(components).__name__}")
    for each in components:
        _checks.kind("components", each, Components)
        loud = _checks.finite("components", each.amplitude)
        if loud.size == 0 or not (loud.min() >= 0 and loud.max() > 0):
            raise ValueError("components must have amplitudes >= 0, and not all zero")
    counts = [len(each.amplitude) for each in components]
    if len(counts) != len(scene.aps) or len(set(counts)) != 1:
        raise ValueError(
            "components must hold as many echoes for each access point of the scene, got "
            f"{counts} for {len(scene.aps)} of them"
        )
    n_targets, n_aps = counts[0], len(counts)
    ways = math.factorial(n_targets) ** (n_aps - 1)
    if max(ways, (2 * n_targets) ** n_aps) > _MOST:
        raise ValueError(
            f"components must be few: {n_targets} targets at {n_aps} access points are "
            f"{ways} permutations, and at most {_MOST} are scored"
        )
    observed, information = _observed(scene, components)
    table = _table(scene, axes, observed, information)
    order, cost, runner_up = _best(table, n_targets, n_aps)
    rows = np.arange(n_aps)[:, None]
    reasons = [
        f"access point {number}: {each.reason}"
        for number, each in enumerate(components)
        if not each.converged
    ]
    return Separated(
        tuple(components), order, cost, runner_up, observed[rows, order],
        information[rows, order], not reasons, "; ".join(reasons),
    )  # fmt: skip


def refuse_others(scene: MonostaticScene, separated: Separated) -> None:
    """Refuse what :func:`separate` did not make of this scene, or was changed beyond use."""
    axes_of(scene)
    _checks.kind("separated", separated, Separated)
    shape = len(separated.components), len(separated.components[0].amplitude)
    for name in ("observed", "information", "order"):
        part = _checks.finite(f"separated.{name}", getattr(separated, name))
        if part.shape[:2] != shape or shape[0] != len(scene.aps):
            raise ValueError(
                f"separated must be of {len(scene.aps)} access points of the scene, got its "
                f"{name} of shape {part.shape}"
            )
    if not np.array_equal(np.sort(separated.order, axis=1), np.indices(shape)[1]):
        raise ValueError("separated must hold an order of components at each access point")


def heard_amplitude(component: Components) -> Array:
    """Amplitudes of the echoes, so that one of none does not leave zeros to divide by."""
    return np.maximum(component.amplitude, _NONE * component.amplitude.max())


def noise_of_sample(component: Components) -> float:
    """Noise variance of a sample, as the decomposition left it; never zero."""
    return max(component.residual, _SMALL * float(component.amplitude.max()) ** 2)


def axes_of(scene: MonostaticScene) -> Array:
    """Axes (L, 2) of the arrays; refuse what is not a line in the plane, or no OFDM.

    Refused is also what tells no angle, no velocity or no position.
    """
    _checks.kind("scene", scene, MonostaticScene)
    if scene.dimension != 2 or scene.receive_arrays is not None:
        raise ValueError("scene must have uniform linear arrays in the plane")
    if not isinstance(scene.waveform, OFDM):
        raise ValueError("scene must have an OFDM waveform, whose echoes are outer products")
    if scene.spacing > 0.5:
        raise ValueError(f"scene must have spacing <= 0.5, got {scene.spacing}")
    if np.any(np.asarray(scene.n_antennas) < 2):
        raise ValueError("scene must have n_antennas >= 2: one antenna tells no angle")
    if scene.waveform.n_symbols < 2:
        raise ValueError("scene must have a waveform of n_symbols >= 2: one tells no velocity")
    if not np.ptp(scene.aps, axis=0).any():
        raise ValueError("scene must have aps at two places: one sees the radial velocity alone")
    given = getattr(scene, "axes", None)
    return np.tile([0.0, 1.0], (len(scene.aps), 1)) if given is None else np.asarray(given)


def _observed(scene: MonostaticScene, components: Sequence[Components]) -> tuple[Array, Array]:
    """Delay, sine and Doppler shift of every component, and what is known of each."""
    frame = scene.waveform
    per_turn = np.array(
        [
            -1 / (2 * np.pi * frame.subcarrier_spacing),
            1 / (2 * np.pi * scene.spacing),
            1 / (2 * np.pi * frame.symbol_period),
        ]
    )
    observed, information = [], []
    for each in components:
        turns = each.turns[:, [1, 0, 2]].copy()
        turns[:, 0] = -(-turns[:, 0] % (2 * np.pi))
        sizes = np.array([each.subcarrier.shape[1], each.antenna.shape[1], each.symbol.shape[1]])
        snr = heard_amplitude(each) ** 2 / noise_of_sample(each) * np.prod(sizes)
        observed.append(turns * per_turn)
        information.append(2 * snr[:, None] * (sizes**2 - 1) / 12 / per_turn**2)
    return np.array(observed), np.array(information)


def fixes(
    scene: MonostaticScene, axes: Array, observed: Array, information: Array
) -> tuple[Array, Array]:
    """Places (2, L, U, 2) that range and sine leave, on both sides of the array, and their FIMs."""
    distance = SPEED_OF_LIGHT * observed[..., 0] / 2
    sine = np.clip(observed[..., 1], -1, 1)
    cosine = np.sqrt(np.maximum(1 - sine**2, 1e-6))
    across = np.stack([axes[:, 1], -axes[:, 0]], axis=-1)
    side = np.array([1.0, -1.0])[:, None, None, None]
    unit = sine[..., None] * axes[:, None] + side * cosine[..., None] * across[:, None]
    turned = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
    places = scene.aps[:, None] + distance[..., None] * unit
    along = information[..., 0] * (2 / SPEED_OF_LIGHT) ** 2
    over = information[..., 1] * (cosine / np.maximum(distance, 1e-3)) ** 2
    fim = along[..., None, None] * unit[..., :, None] * unit[..., None, :]
    fim = fim + over[..., None, None] * turned[..., :, None] * turned[..., None, :]
    return places, fim


def _table(scene: MonostaticScene, axes: Array, observed: Array, information: Array) -> Array:
    """Cost of every choice of one echo per access point, (U,) * L."""
    places, fim = fixes(scene, axes, observed, information)
    n_aps, n_targets = observed.shape[:2]
    speed = -observed[..., 2] * SPEED_OF_LIGHT / (2 * scene.carrier_frequency)
    known = information[..., 2] * (2 * scene.carrier_frequency / SPEED_OF_LIGHT) ** 2
    shape = (n_targets,) * n_aps
    choice = np.stack(np.unravel_index(np.arange(n_targets**n_aps), shape), axis=-1)
    rows = np.arange(n_aps)
    best = np.full(len(choice), np.inf)
    for sides in itertools.product((0, 1), repeat=n_aps):
        where, knows = places[sides, rows, choice], fim[sides, rows, choice]
        mean, cost = weighted_mean(where, knows)
        offset = mean[:, None] - scene.aps
        unit = offset / np.maximum(np.linalg.norm(offset, axis=-1), 1e-3)[..., None]
        weight, rate = known[rows, choice], speed[rows, choice]
        _, more = _velocity(unit, weight, rate)
        best = np.minimum(best, cost + more)
    return best.reshape(shape)


def weighted_mean(places: Array, fim: Array) -> tuple[Array, Array]:
    """Mean (..., 2) of places (..., L, 2) with their information, and half of what is left."""
    total = fim.sum(axis=-3)
    pull = np.einsum("...lij,...lj->...i", fim, places)
    mean = np.linalg.solve(total, pull[..., None])[..., 0]
    off = places - mean[..., None, :]
    return mean, np.einsum("...li,...lij,...lj->...", off, fim, off) / 2


def _velocity(unit: Array, weight: Array, rate: Array) -> tuple[Array, Array]:
    """Velocity of radial speeds (..., L) seen along unit vectors, and half of what is left."""
    normal = np.einsum("...l,...li,...lj->...ij", weight, unit, unit)
    floor = 1e-9 * np.trace(normal, axis1=-2, axis2=-1)[..., None, None] * np.eye(2)
    pull = np.einsum("...l,...li->...i", weight * rate, unit)
    found = np.linalg.solve(normal + floor, pull[..., None])[..., 0]
    left = rate - np.einsum("...li,...i->...l", unit, found)
    return found, np.sum(weight * left**2, axis=-1) / 2


def _best(table: Array, n_targets: int, n_aps: int) -> tuple[NDArray[np.int64], float, float]:
    every = np.array(list(itertools.permutations(range(n_targets))))
    index = np.indices((len(every),) * (n_aps - 1)).reshape(n_aps - 1, -1)
    first = np.tile(np.arange(n_targets), (index.shape[1], 1))
    chosen = [first, *(every[each] for each in index)]
    cost = np.sum(table[tuple(chosen)], axis=-1)
    ranked = np.argsort(cost, kind="stable")
    order = np.array([each[ranked[0]] for each in chosen])
    runner_up = float(cost[ranked[1]]) if len(ranked) > 1 else math.inf
    return order, float(cost[ranked[0]]), runner_up


def start(scene: MonostaticScene, separated: Separated, corners: Array) -> tuple[Array, Array]:
    """Positions and velocities (U, 2) from the weighted means of places inside the corners."""
    places, fim = fixes(scene, axes_of(scene), separated.observed, separated.information)
    middle = corners.mean(axis=0)
    far = np.max(np.abs(places - middle) / np.maximum(np.ptp(corners, axis=0), 1e-9), axis=-1)
    rows = np.arange(places.shape[1])[:, None], np.arange(places.shape[2])
    side = np.argmin(far, axis=0)
    where, knows = places[side, *rows], fim[side, *rows]
    mean, _ = weighted_mean(np.swapaxes(where, 0, 1), np.swapaxes(knows, 0, 1))
    return mean, velocities(scene, separated, mean)


def velocities(scene: MonostaticScene, separated: Separated, positions: Array) -> Array:
    """Least-squares velocities (U, 2) of the Doppler shifts of targets at known positions."""
    offset = positions[:, None] - scene.aps
    unit = offset / np.maximum(np.linalg.norm(offset, axis=-1), 1e-3)[..., None]
    per_speed = -2 * scene.carrier_frequency / SPEED_OF_LIGHT
    found, _ = _velocity(
        unit,
        (separated.information[..., 2] * per_speed**2).T,
        (separated.observed[..., 2] / per_speed).T,
    )
    return found
