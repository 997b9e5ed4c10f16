"""What the bounds of a multistatic scene ask of it: paths, gains, SNRs, and checks."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, geometry, propagation
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.limits._one_path import gains_of_beams, index_variance
from cfisac.paths import Paths, echo_seen
from cfisac.scenarios import MultistaticScene, illumination

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def beam_covariance(scene: MultistaticScene, power: Array) -> ComplexArray:
    """``V_p = sum_q eta_pq B_pq``, (P, M_t, M_t)."""
    n_transmitters, n_beams, size, _ = scene.beams.shape
    flat = scene.beams.reshape(n_transmitters, n_beams, size * size)
    return (power[:, None] @ flat).reshape(n_transmitters, size, size)


def path_by_path(
    scene: MultistaticScene,
    covariance: ComplexArray | None,
    own: Array,
    positions: Array,
    velocities: Array,
    snr: Array,
) -> Array:
    """EFIMs of n positions from the slopes of all P R paths each, (n, 2, 2)."""
    return by_way_of(scene, covariance, own, positions, velocities, snr).information((0, 1))


def by_way_of(
    scene: MultistaticScene,
    covariance: ComplexArray | None,
    own: Array,
    positions: Array,
    velocities: Array,
    snr: Array,
) -> Paths:
    """Paths (P, R, n) by way of n positions.

    ``covariance`` is that of each transmitter's beams (P, M_t, M_t), or None for Proposition 1,
    which takes ``own`` (P, n) instead; ``snr`` (P, R, n) is twice that of the path, per watt.
    """
    out, back = (
        geometry.sight(positions, places)
        for places in (scene.transmitters[:, None, None], scene.receivers[:, None])
    )
    kappa = 2 * np.pi * scene.spacing
    if covariance is None:
        towards, spread = own, np.zeros(own.shape)
    else:
        omega = kappa * np.sum(out.unit[:, 0] * scene.transmit_axes[:, None], axis=-1)
        towards, spread = gains_of_beams(omega, covariance[:, None])
        spread = spread / np.where(towards > 0, towards, 1.0)
    sent = kappa * np.sqrt(spread)[..., None] * scene.transmit_axes[:, None]
    heard = kappa * np.sqrt(index_variance(scene.n_antennas)) * scene.receive_axes
    return echo_seen(
        out,
        back,
        velocities,
        scene.carrier_frequency,
        snr * towards[:, None] / 2,
        scene.waveform.delay_doppler_covariance(),
        sent[:, None, :, None],
        heard[:, None, None],
    )


def of_own_arrays(scene: MultistaticScene, power: Array | None, own: Array, snr: Array) -> Paths:
    """Paths (P, R, T) by way of the targets for arrays of any kind.

    ``power`` (P, B), or None for Proposition 1; ``own`` (P, T) and ``snr`` as in
    :func:`by_way_of`.
    """
    out, back = (
        geometry.sight(scene.targets, places)
        for places in (scene.transmitters[:, None, None], scene.receivers[:, None])
    )
    if power is None:
        towards, sent = own, np.zeros((*own.shape, 0, scene.dimension))
    else:
        towards, sent = illumination(scene, power, scene.targets)
    return echo_seen(
        out,
        back,
        scene.velocities,
        scene.carrier_frequency,
        snr * towards[:, None] / 2,
        scene.waveform.delay_doppler_covariance(),
        sent[:, None],
        scene.receive_apertures[:, None],
    )


def refuse_others(scene: MultistaticScene, what: str) -> None:
    """Refuse a scene that is not one of uniform linear arrays in the plane."""
    if scene.transmit_arrays is not None or scene.dimension != 2:
        raise ValueError(
            f"scene must have uniform linear arrays in the plane for {what}; "
            "paths and position_efim take any"
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


def radar_gain(scene: MultistaticScene, points: Array) -> Array:
    """Radar equation of every path by way of points (n, 2), (P, R, n)."""
    return propagation.radar_gain(
        np.linalg.norm(points - scene.transmitters[:, None, None], axis=-1),
        np.linalg.norm(points - scene.receivers[:, None], axis=-1),
        SPEED_OF_LIGHT / scene.carrier_frequency,
        scene.transmit_gains[:, None, None],
        scene.receive_gains[None, :, None],
    )


def path_snr(scene: MultistaticScene, gains: ArrayLike | None) -> Array:
    """``2 |beta|^2 M N / sigma^2`` of every path, per watt of beam power."""
    if gains is None:
        return snr_per_square_metre(scene, scene.targets) * mean_rcs(scene)
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return 2 * n_samples * np.abs(checked_gains(scene, gains)) ** 2 / scene.noise_variance


def snr_per_square_metre(scene: MultistaticScene, points: Array) -> Array:
    """The same for targets of 1 m^2 at points (n, 2), (P, R, n)."""
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return 2 * n_samples * radar_gain(scene, points) / scene.noise_variance


def snr_of_pair(scene: MultistaticScene) -> float:
    """The same for distances of 1 m; uniform linear arrays are all alike."""
    per_area = propagation.radar_gain(
        1.0, 1.0, scene.wavelength, scene.transmit_gains[0], scene.receive_gains[0]
    )
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


def checked_power(scene: MultistaticScene, power: ArrayLike) -> Array:
    shape = scene.beams.shape[:2]
    checked = _checks.non_negative("power", power)
    try:
        return np.broadcast_to(checked, shape)
    except ValueError as error:
        raise ValueError(
            f"power must broadcast to {shape}, transmitters x beams, got {checked.shape}"
        ) from error
