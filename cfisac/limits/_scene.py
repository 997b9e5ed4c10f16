"""What the bounds of a multistatic scene ask of it: paths, gains, SNRs, and checks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, geometry, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac._sight import seen_from
from cfisac.limits import _map
from cfisac.limits._one_path import gains_of_beams, index_variance
from cfisac.paths import Paths, echo_seen
from cfisac.scenarios import MultistaticScene, illumination

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


_EPS = float(np.finfo(float).eps)
LATE = 1 + 1e-9  # share of the longest delay that counts as it, in waveforms.refuse_late too


def is_printed(scene: MultistaticScene) -> bool:
    """Tell whether it lies in the plane and has uniform linear arrays, as in print."""
    return scene.dimension == 2 and scene.transmit_arrays is None and scene.receive_arrays is None


def are_outside(scene: MultistaticScene, points: Array, refuse: bool) -> NDArray[np.bool_]:
    """Points (n, D) that stand on an access point, or beyond the waveform's longest delay.

    If there are any and these are to be refused, the error says why.
    """
    out, back = (
        np.linalg.norm(points - places[:, None], axis=-1)
        for places in (scene.transmitters, scene.receivers)
    )
    on_end = np.minimum(out.min(axis=0), back.min(axis=0)) == 0
    delay = (out.max(axis=0) + back.max(axis=0)) / SPEED_OF_LIGHT
    if refuse and np.any(on_end):
        raise ValueError("points must not coincide with an access point")
    if refuse:
        waveforms.refuse_late(scene.waveform, "points", delay)
    gone: NDArray[np.bool_] = on_end | (delay > scene.waveform.longest_delay * LATE)
    return gone


def beam_covariance(scene: MultistaticScene, power: Array) -> ComplexArray:
    """``V_p = sum_q eta_pq B_pq``, (P, M_t, M_t)."""
    n_transmitters, n_beams, size, _ = scene.beams.shape
    flat = scene.beams.reshape(n_transmitters, n_beams, size * size)
    return (power[:, None] @ flat).reshape(n_transmitters, size, size)


def by_way_of(
    scene: MultistaticScene,
    power: Array,
    own: Array | None,
    positions: Array,
    velocities: Array,
    gains: Array,
    following: int | None = None,
) -> Paths:
    """Paths (P, R, n) by way of n positions.

    ``power`` (P, B) is that of all beams, unless ``own`` (P, n) is given: then Proposition 1 counts
    that power alone. ``gains`` (P, R, n) are ``|beta|^2`` of every path, or (n,) the mean RCS, from
    which they follow; the beam of the target ``following`` points at each position in turn.
    """
    out = seen_from(positions, scene.transmitters[:, None, None], _EPS, "points", "a transmitter")
    back = seen_from(positions, scene.receivers[:, None], _EPS, "points", "a receiver")
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    if gains.ndim < 3:
        ends = scene.transmit_gains[:, None, None] * scene.receive_gains[:, None]
        way = 4 * np.pi * out.distance * back.distance
        gains = gains * ends * scene.wavelength**2 / (4 * np.pi * way**2)
    kappa = 2 * np.pi * scene.spacing
    if own is not None:
        towards, lit = own, np.zeros((*own.shape, 0, scene.dimension))
    elif scene.transmit_arrays is not None or following is not None:
        towards, lit = illumination(scene, power, positions, following)
    else:
        omega = kappa * np.sum(out.unit[:, 0] * scene.transmit_axes[:, None], axis=-1)
        towards, spread = gains_of_beams(omega, beam_covariance(scene, power)[:, None])
        wide = kappa * np.sqrt(spread / np.where(towards > 0, towards, 1.0))
        lit = (wide[..., None] * scene.transmit_axes[:, None])[..., None, :]
    if scene.receive_arrays is not None:
        heard = scene.receive_apertures
    else:
        wide = kappa * np.sqrt(index_variance(scene.n_antennas))
        heard = (wide * scene.receive_axes)[:, None]
    return echo_seen(
        out,
        back,
        velocities,
        scene.carrier_frequency,
        (n_samples / scene.noise_variance) * gains * towards[:, None],
        scene.waveform.delay_doppler_covariance(),
        lit[:, None],
        heard[:, None],
    )


def parameters(scene: MultistaticScene) -> tuple[Array, Array]:
    """Fan's parameters (P, R, T, 4) of all paths, and their derivatives by the position."""
    parameters, jacobian = geometry.bistatic(
        scene.targets,
        scene.velocities,
        scene.transmitters[:, None, None],
        scene.receivers[:, None],
        scene.transmit_axes[:, None, None],
        scene.receive_axes[:, None],
        scene.carrier_frequency,
        scene.spacing,
    )
    return parameters, jacobian[..., :2]


def mean_rcs(scene: MultistaticScene) -> Array:
    return np.broadcast_to(np.asarray(scene.mean_rcs, dtype=float), len(scene.targets))


def power_gains(scene: MultistaticScene, gains: ArrayLike | None) -> Array:
    """``|beta|^2`` of every path (P, R, T), or the mean RCS (T,) from which it follows."""
    return mean_rcs(scene) if gains is None else np.abs(checked_gains(scene, gains)) ** 2


def snr_of_pair(scene: MultistaticScene) -> float:
    """``2 |beta|^2 M N / sigma^2`` per watt and m^2 at 1 m, if all arrays are alike."""
    gains = scene.transmit_gains[0], scene.receive_gains[0]
    per_area = propagation.radar_gain(1.0, 1.0, scene.wavelength, *gains)
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return float(2 * n_samples * per_area / scene.noise_variance)


def checked_gains(scene: MultistaticScene, gains: ArrayLike) -> ComplexArray:
    shape = len(scene.transmitters), len(scene.receivers), len(scene.targets)
    checked = _checks.finite("gains", gains, complex)
    if checked.shape != shape:
        raise ValueError(
            f"gains must have the shape (transmitters, receivers, targets) = {shape}, "
            f"got {checked.shape}"
        )
    return checked


def map_blocks(
    scene: MultistaticScene,
    power: Array,
    points: Array,
    kind: tuple[str, int, bool],
    backend: _map.Backend,
) -> Iterator[tuple[slice, Array, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Blocks, their sums, where there is no bound, and where next to nothing is left of them."""
    bound, target, following = kind
    places = scene.transmitters, scene.transmit_axes
    own = power[:, target]
    if bound == "approximate":
        transmitters = _map.shining_alike(*places, own, 0.0)
    else:
        others = np.where(np.arange(scene.n_beams) == target, 0.0, power) if following else power
        transmitters = _map.shining(*places, others, scene.beams, own if following else None)
    listening = np.ones(len(scene.receivers)), index_variance(scene.n_antennas)
    receivers = _map.shining_alike(scene.receivers, scene.receive_axes, *listening)
    v_tau, v_nu = np.diagonal(scene.waveform.delay_doppler_covariance()).tolist()
    v_x, v_y = (scene.velocities[target] / scene.wavelength * np.sqrt(v_nu)).tolist()
    weights = _map.Weights(2 * np.pi * scene.spacing, v_x, v_y, v_tau / SPEED_OF_LIGHT**2)
    for block, sums, terms, way, on_end in _map.information(
        transmitters, receivers, points, weights, backend
    ):
        gone = on_end | (way / SPEED_OF_LIGHT > scene.waveform.longest_delay * LATE)
        yield block, sums, gone, ~(smaller_eigenvalue(sums) > 1e-9 * terms) & ~gone


def smaller_eigenvalue(matrices: Array) -> Array:
    """Of symmetric matrices (..., 2, 2)."""
    first, second, beside = matrices[..., 0, 0], matrices[..., 1, 1], matrices[..., 0, 1]
    half = (first - second) / 2
    return (first + second) / 2 - np.sqrt(half * half + beside * beside)
