"""Position and velocity bounds of access points that each hear their own echo (liu, corrected).

Each access point (AP) sends a frame of its own and hears the echo of a target with an array of
N_A antennas, on N_c subcarriers and N_s symbols::

    y_l = a_l  r(sin theta_l) (x) s(tau_l, nu_l) + noise,      noise ~ CN(0, sigma^2 I),

with one unknown complex gain ``a_l`` for each AP and target (it holds ``sqrt(P_t)``, the transmit
beam, the path loss and the radar cross section). The frames of different APs do not disturb
each other. The state of a target is (x, y, v_x, v_y), in this order, in metres and metres per
second; all four are unknown.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher, geometry
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]


def state_efim(
    position: ArrayLike,
    velocity: ArrayLike,
    aps: ArrayLike,
    n_antennas: ArrayLike,
    snr: ArrayLike,
    waveform: OFDM | OTFS,
    carrier_frequency: float,
    spacing: float = 0.5,
    axes: ArrayLike = (0.0, 1.0),
) -> Array:
    """Information on the state of one target, the gains of all APs being unknown.

    The repaired form of liu (6) and (14): with ``SNR_l = snr_l N_A N_c N_s`` and the Jacobian
    ``J_l`` of :func:`cfisac.geometry.monostatic`::

        F = sum_l 2 SNR_l J_l^T W_l J_l,

    where ``W_l`` holds the delay-Doppler covariance of the waveform and, for the sine of the
    angle, ``(2 pi spacing)^2 (N_A^2 - 1) / 12``.

    Parameters
    ----------
    position : (..., 2) float
        The target (m).
    velocity : (..., 2) float
        Its velocity (m/s), Cartesian.
    aps : (..., L, 2) float
        The APs (m).
    n_antennas : (..., L) or scalar int
        N_A >= 1 of each AP. One antenna tells nothing about the angle.
    snr : (..., L) or scalar float
        ``|a_l|^2 / sigma^2 >= 0`` per sample: per antenna, subcarrier and symbol. Zero is an AP
        that hears nothing. A :class:`cfisac.scenarios.MonostaticScene` has it as ``snr.T``.
    waveform : OFDM or OTFS
        Its delay-Doppler covariance and the number of its samples count. With OFDM the model is
        liu (1): the Doppler shift turns the phase from symbol to symbol, not within one.
    carrier_frequency : float
        f_c > 0 (Hz).
    spacing : float
        d / lambda > 0 of the arrays.
    axes : (..., L, 2) or (2,) float
        Unit vectors along the arrays; by default the y axis, as in liu.

    Returns
    -------
    (..., 4, 4)
        Equivalent FIM over (x, y, v_x, v_y), in the inverse squares of m and m/s. For the bounds
        see :func:`position_bound`, :func:`velocity_bound` and :func:`cfisac.fisher.crlb`.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not broadcast, or the target
        stands on an AP.
    """
    n_antennas, spacing = _arrays(n_antennas, spacing)
    snr = _checks.non_negative("snr", snr)
    if not isinstance(waveform, OFDM | OTFS):
        raise ValueError(f"waveform must be OFDM or OTFS, got {waveform!r}")
    _, jacobian = _look("position", position, "velocity", velocity, aps, carrier_frequency, axes)
    shape = _checks.must_broadcast(
        aps=jacobian.shape[:-2], n_antennas=n_antennas.shape, snr=snr.shape
    )
    weight = np.zeros((*n_antennas.shape, 3, 3))
    weight[..., ::2, ::2] = waveform.delay_doppler_covariance()
    weight[..., 1, 1] = (2 * np.pi * spacing) ** 2 * (n_antennas**2 - 1) / 12
    total_snr = snr * n_antennas * (waveform.n_subcarriers * waveform.n_symbols)
    weighted = (2 * total_snr)[..., None, None] * (weight @ jacobian)
    rows = (*shape[:-1], 3 * shape[-1], 4)  # the three rows of every AP, one AP below the other
    weighted = np.broadcast_to(weighted, (*shape, 3, 4)).reshape(rows)
    jacobian = np.broadcast_to(jacobian, (*shape, 3, 4)).reshape(rows)
    return _symmetric(np.swapaxes(jacobian, -1, -2) @ weighted)


def joint_efim(
    positions: ArrayLike,
    velocities: ArrayLike,
    aps: ArrayLike,
    n_antennas: ArrayLike,
    amplitudes: ArrayLike,
    waveform: OFDM,
    carrier_frequency: float,
    spacing: float = 0.5,
    axes: ArrayLike = (0.0, 1.0),
) -> Array:
    """Information on the states of several targets that are heard at the same time.

    As :func:`state_efim`, but every AP hears the sum of U echoes, and each echo has an unknown
    gain of its own at each AP. Echoes that overlap in delay, angle and Doppler shift hide each
    other. Where they do not, the matrix falls into the blocks of :func:`state_efim`.

    Parameters
    ----------
    positions : (..., U, 2) float
        The targets (m).
    velocities : (..., U, 2) float
        Their velocities (m/s), Cartesian.
    aps : (..., L, 2) float
        The APs (m).
    n_antennas : (..., L) or scalar int
        N_A >= 1 of each AP.
    amplitudes : (..., U, L) complex
        ``a_l / sigma`` of each echo per sample, with its phase in the middle of the antennas,
        subcarriers and symbols. ``|amplitude|^2`` is the ``snr`` of :func:`state_efim`. The
        phases matter where echoes overlap.
    waveform : OFDM
        With the pilots removed, as in liu (55).
    carrier_frequency, spacing, axes
        As in :func:`state_efim`.

    Returns
    -------
    (..., 4U, 4U)
        Equivalent FIM over (x, y, v_x, v_y) of the first target, then of the second, and so on.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not broadcast, or a target
        stands on an AP.

    Notes
    -----
    Nothing of size N_A N_c N_s is built: an inner product of two echoes is a product of three
    sums, over antennas, subcarriers and symbols. An echo of amplitude zero still has its unknown
    gain. Where two echoes are exactly equal the information is larger than close by: shifting
    gain from one to the other then changes nothing, so not knowing it takes nothing away. Echoes
    so close that the bound is hundreds of times that of one target alone lose their digits. A
    target that nobody hears still costs the others up to its unknown gains: leave it out.
    """
    if not isinstance(waveform, OFDM):
        raise ValueError("waveform must be OFDM, whose echoes are products of three factors")
    n_antennas, spacing = _arrays(n_antennas, spacing)
    amplitudes = _checks.finite("amplitudes", amplitudes, complex)
    if amplitudes.ndim < 2:
        raise ValueError(f"amplitudes must have shape (..., U, L), got {amplitudes.shape}")
    echoes, jacobian = _look(
        "positions", positions, "velocities", velocities, aps, carrier_frequency, axes, several=True
    )
    _checks.must_broadcast(
        aps=jacobian.shape[:-2],
        amplitudes=np.swapaxes(amplitudes, -1, -2).shape,
        n_antennas=(*n_antennas.shape, 1),
    )
    steps = (-waveform.subcarrier_spacing, spacing, waveform.symbol_period)  # turns per unit
    sizes = (waveform.n_subcarriers, n_antennas, waveform.n_symbols)
    factors = [
        _inner_products(echoes[..., i], 2 * np.pi * steps[i], np.asarray(sizes[i]))
        for i in range(3)
    ]
    samples = n_antennas * (waveform.n_subcarriers * waveform.n_symbols)
    seen = _without_gains(factors, np.swapaxes(amplitudes, -1, -2))  # (..., L, 3U, 3U)
    n_targets = seen.shape[-1] // 3
    seen = (2 * samples)[..., None, None] * seen
    seen = seen.reshape(*seen.shape[:-2], n_targets, 3, n_targets, 3)
    states = np.einsum("...luia,...luivj,...lvjb->...uavb", jacobian, seen, jacobian)
    efim = _symmetric(states.reshape(*states.shape[:-4], 4 * n_targets, 4 * n_targets))
    return _without_negative(efim)


def position_bound(efim: ArrayLike) -> Array:
    """Bound on the error of the position (m), the velocity being unknown.

    Parameters
    ----------
    efim : (..., 4U, 4U)
        From :func:`state_efim` (then U is 1) or :func:`joint_efim`.

    Returns
    -------
    (...) for one target, (..., U) for several
        Root of the summed variances of x and y; ``inf`` where the position cannot be identified.
        The other targets are unknown as well.

    Raises
    ------
    ValueError
        If ``efim`` is not a finite, symmetric, positive semidefinite matrix of such a size.
    """
    return _root_sum(efim, slice(0, 2))


def velocity_bound(efim: ArrayLike) -> Array:
    """Bound on the error of the velocity (m/s), the position being unknown.

    Takes, returns and raises the same as :func:`position_bound`, for v_x and v_y. The velocity
    cannot be identified from one symbol, nor when all APs see the target along the same line.
    """
    return _root_sum(efim, slice(2, 4))


def _root_sum(efim: ArrayLike, part: slice) -> Array:
    efim = _checks.finite("efim", efim)
    size = efim.shape[-1] if efim.ndim >= 2 and efim.shape[-1] == efim.shape[-2] else 0
    if size == 0 or size % 4 != 0:
        raise ValueError(f"efim must have shape (..., 4U, 4U) with U >= 1, got {efim.shape}")
    variance = np.diagonal(fisher.crlb(efim), axis1=-2, axis2=-1)
    variance = variance.reshape(*variance.shape[:-1], -1, 4)
    bound: Array = np.sqrt(np.sum(variance[..., part], axis=-1))
    return bound[..., 0] if bound.shape[-1] == 1 else bound


def _inner_products(
    values: Array, step: float, size: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Inner products of one factor for all pairs of echoes, over its energy.

    The factor is ``exp(j step value k)`` at ``size`` indices k around zero, so that all of them
    are real. For ``values`` of shape (..., L, U) returns three arrays (..., L, U, U), row u and
    column v: ``<f_u, f_v>``, ``<f_u, f_v'>`` and ``<f_u', f_v'>``.
    """
    size = size[..., None]
    index = np.arange(np.max(size))
    slope = (step * (index - (size - 1) / 2))[..., None, None, :]
    share = ((index < size) / size)[..., None, None, :]
    phase = (values[..., None, :] - values[..., :, None])[..., None] * slope
    cosine = share * np.cos(phase)
    first = -(share * slope * np.sin(phase)).sum(-1)
    return cosine.sum(-1), first, (slope**2 * cosine).sum(-1)


def _without_gains(
    factors: list[tuple[Array, Array, Array]], amplitudes: NDArray[np.complex128]
) -> Array:
    """What an AP learns about (delay, sine, Doppler shift) of all its echoes, gains unknown.

    Takes :func:`_inner_products` of the three factors and the amplitudes (..., L, U); returns
    (..., L, 3U, 3U), the parameters of the first echo first, over ``2 * samples``.
    """
    plain = [factor[0] for factor in factors]
    gram = plain[0] * plain[1] * plain[2]  # <s_u, s_v>
    n = gram.shape[-1]
    cross = np.empty((*gram.shape, 3))  # <s_u, d_j s_v>
    both = np.empty((*gram.shape[:-1], 3, n, 3))  # <d_i s_u, d_j s_v>
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        cross[..., i] = factors[i][1] * plain[j] * plain[k]
        both[..., i, :, i] = factors[i][2] * plain[j] * plain[k]
        both[..., i, :, j] = -factors[i][1] * factors[j][1] * plain[k]
        both[..., j, :, i] = both[..., i, :, j]
    # Equal echoes: gain shifted from one to the other changes nothing and takes nothing away.
    values, vectors = np.linalg.eigh(gram)
    unseen = values <= 32 * n * np.finfo(float).eps * values[..., -1:]
    gram = gram + (vectors * unseen[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    pairs = np.conj(amplitudes)[..., :, None] * amplitudes[..., None, :]
    both = both * pairs.real[..., :, None, :, None]
    leading = both.shape[:-4]
    fim = np.zeros((*leading, 5 * n, 5 * n))  # over the parameters, Re gains, Im gains
    fim[..., : 3 * n, : 3 * n] = both.reshape(*leading, 3 * n, 3 * n)
    for k, gains in ((3, amplitudes.real), (4, amplitudes.imag)):
        part = slice(k * n, (k + 1) * n)
        coupling = (cross * gains[..., None, :, None]).reshape(*leading, n, 3 * n)
        fim[..., part, part] = gram
        fim[..., part, : 3 * n] = coupling
        fim[..., : 3 * n, part] = np.swapaxes(coupling, -1, -2)
    return fisher.equivalent_fim(fim, n_keep=3 * n)


def _without_negative(efim: Array) -> Array:
    """Set to zero the negative eigenvalues that rounding leaves where echoes nearly coincide."""
    scale = np.sqrt(np.diagonal(efim, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    outer = scale[..., :, None] * scale[..., None, :]
    values, vectors = np.linalg.eigh(efim / outer)
    if not np.any(values < 0):
        return efim
    kept = np.clip(values, 0, None)[..., None, :]
    clipped = _symmetric((vectors * kept) @ np.swapaxes(vectors, -1, -2)) * outer
    return np.where(np.any(values < 0, axis=-1)[..., None, None], clipped, efim)


def _arrays(n_antennas: ArrayLike, spacing: float) -> tuple[NDArray[np.int64], float]:
    """Check the arrays; their numbers of antennas and their spacing."""
    return (
        _checks.count("n_antennas", n_antennas),
        _checks.one("spacing", spacing, _checks.positive),
    )


def _look(
    position_name: str,
    position: ArrayLike,
    velocity_name: str,
    velocity: ArrayLike,
    aps: ArrayLike,
    carrier_frequency: float,
    axes: ArrayLike,
    several: bool = False,
) -> tuple[Array, Array]:
    """Parameters (..., L, 3) and their Jacobian (..., L, 3, 4); for several (..., L, U, 3), ..."""
    points = [
        _checks.points(name, value, 1 + several)
        for name, value in ((position_name, position), (velocity_name, velocity))
    ]
    aps, axes = _checks.points("aps", aps, 2), _checks.finite("axes", axes)
    _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
    if several:  # (..., 1, U, 2) against (..., L, 1, 2)
        points = [each[..., None, :, :] for each in points]
        aps, axes = aps[..., None, :], axes[..., None, :]
    else:
        points = [each[..., None, :] for each in points]
    return geometry.monostatic(points[0], points[1], aps, carrier_frequency, axes)


def _symmetric(matrix: Array) -> Array:
    return (matrix + np.swapaxes(matrix, -1, -2)) / 2
