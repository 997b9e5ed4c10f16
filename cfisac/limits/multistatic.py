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

from cfisac import _checks, fisher, geometry, propagation, waveforms
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.limits import _map, coupled
from cfisac.paths import Paths, echo_seen
from cfisac.scenarios import MultistaticScene
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Bound = Literal["exact", "approximate"]

_LATE = 1 + 1e-9  # share of the longest delay that counts as it, in waveforms.refuse_late too
_WEAK = 2**16  # paths by way of weak points of a map worked on at a time: memory


# --------------------------------------------------------------------------------- one path


def beam_gains(transmit_angle: ArrayLike, beam_covariance: ArrayLike) -> tuple[Array, Array]:
    """Power and angular spread of the beams in the direction of a target.

    Parameters
    ----------
    transmit_angle : (...) float
        omega_t, the electrical angle of departure (rad per antenna step).
    beam_covariance : (..., M_t, M_t) complex
        V in watts, Hermitian and positive semidefinite.

    Returns
    -------
    power : (...)
        ``b = a^H V a`` in watts.
    spread : (...)
        ``c = adot^H V adot - |a^H V adot|^2 / b`` in watts per rad^2: what the angle of departure
        changes in the signal beyond its complex scale. Zero, up to rounding, for a single beam;
        0 where b = 0.

    Raises
    ------
    ValueError
        If an argument is not finite, ``beam_covariance`` is not Hermitian positive semidefinite,
        or the shapes do not broadcast.
    """
    omega = _checks.finite("transmit_angle", transmit_angle)
    covariance = _hermitian("beam_covariance", beam_covariance)
    _checks.must_broadcast(transmit_angle=omega.shape, beam_covariance=covariance.shape[:-2])
    return _beam_gains(omega, covariance)


def path_fim(
    gain: ArrayLike,
    transmit_angle: ArrayLike,
    beam_covariance: ArrayLike,
    waveform: OTFS | OFDM,
    noise_variance: ArrayLike,
    n_receive_antennas: int | None = None,
    delay: ArrayLike = 0.0,
) -> Array:
    """FIM of (omega_r, omega_t, tau, nu, Re beta, Im beta) of one path (fan_conf (14)-(17)).

    Every entry is a receive factor times a transmit factor times a signal factor. The transmit
    factors are those of (13), ``h^T`` times the conjugate precoder; fan_conf Appendix A is exact
    for ``h^H`` times the precoder, which conjugates the cross entries of omega_t. For arrays that
    turn like fan's, give ``-transmit_angle`` and change the signs of the first two rows and
    columns.

    Parameters
    ----------
    gain : (...) complex
        beta, amplitude of the path.
    transmit_angle : (...) float
        omega_t (rad per antenna step).
    beam_covariance : (..., M_t, M_t) complex
        V in watts, Hermitian and positive semidefinite.
    waveform : OTFS or OFDM
        Gives the signal factors; its M N symbols have unit energy.
    noise_variance : (...) float
        sigma^2 > 0 per antenna and sample, in watts.
    n_receive_antennas : int, optional
        M_r; by default M_t.
    delay : (...) float
        tau in seconds: 0 <= tau < T for OTFS, within the CP for OFDM. In an OTFS frame it moves
        samples from one symbol to the next, which changes this matrix but not its Schur complement.
        For ``T Delta f`` other than one this is no longer (31), whose sums then belong to no
        sampled signal: the samples keep the times ``n T + l / (M Delta f)`` at which they arrive.

    Returns
    -------
    (..., 6, 6)
        In the inverse products of rad, rad, s, Hz, 1 and 1.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.
    """
    gain, omega, covariance, noise, n_receive = _path(
        gain, transmit_angle, beam_covariance, noise_variance, n_receive_antennas
    )
    delay = _checks.non_negative("delay", delay)
    leading = np.broadcast_shapes(gain.shape, omega.shape, covariance.shape[:-2], noise.shape)
    _checks.must_broadcast(gain=leading, delay=delay.shape)
    index = np.arange(n_receive)
    receive = np.array([[1, 1j * index.mean()], [-1j * index.mean(), np.mean(index**2)]])
    response, slope = _response(omega, covariance.shape[-1])
    columns = np.stack([response, slope], axis=-1)
    transmit = np.swapaxes(columns.conj(), -1, -2) @ covariance @ columns
    energy, r10, r01, *_ = np.broadcast_arrays(*waveform.signal_factors(delay))
    if isinstance(waveform, OTFS):
        # (31) takes what a delay moves into the next symbol to be T late, which it is only for
        # T Delta f = 1: it is 1 / Delta f late, M samples.
        gap = waveform.symbol_period - 1 / waveform.subcarrier_spacing
        moved = np.ceil(np.round(delay * waveform.bandwidth, 9)) / waveform.n_subcarriers
        r01 = r01 + 2j * np.pi * energy * gap * moved
    r11 = np.conj(r10) * r01 / energy
    r20, r02 = (
        energy * variance + np.abs(mean) ** 2 / energy
        for mean, variance in zip(
            (r10, r01), np.diagonal(waveform.delay_doppler_covariance()), strict=True
        )
    )
    rows = [[energy, r10, r01], [np.conj(r10), r20, r11], [np.conj(r01), np.conj(r11), r02]]
    signal = np.moveaxis(np.array(rows), (0, 1), (-2, -1))
    # Inner products of the path and its derivatives by omega_r, omega_t, tau and nu.
    r, t, s = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 2]]).T
    gram = receive[np.ix_(r, r)] * transmit[..., t[:, None], t] * signal[..., s[:, None], s]
    # The six columns of the Jacobian: beta times the derivatives, then the path and j times it.
    weight = np.zeros((*gain.shape, 6, 5), dtype=complex)
    weight[..., range(4), range(1, 5)] = gain[..., None]
    weight[..., 4, 0], weight[..., 5, 0] = 1, 1j
    fim = np.real(weight.conj() @ gram @ np.swapaxes(weight, -1, -2))
    return (fim + np.swapaxes(fim, -1, -2)) / noise[..., None, None]


def path_efim(
    gain: ArrayLike,
    transmit_angle: ArrayLike,
    beam_covariance: ArrayLike,
    waveform: OTFS | OFDM,
    noise_variance: ArrayLike,
    n_receive_antennas: int | None = None,
) -> Array:
    """Equivalent FIM of (omega_r, omega_t, tau, nu) of one path with unknown gain.

    The Schur complement (fan_conf (19)) of :func:`path_fim` in closed form, for any beam
    covariance. fan_conf (33) is its special case of a single beam.

    Parameters
    ----------
    gain : (...) complex
        beta, amplitude of the path; only its modulus matters.
    transmit_angle : (...) float
        omega_t (rad per antenna step).
    beam_covariance : (..., M_t, M_t) complex
        V in watts, Hermitian and positive semidefinite.
    waveform : OTFS or OFDM
        Its M N symbols have unit energy.
    noise_variance : (...) float
        sigma^2 > 0 per antenna and sample, in watts.
    n_receive_antennas : int, optional
        M_r; by default M_t.

    Returns
    -------
    (..., 4, 4)
        ``(2 |beta|^2 / sigma^2) M N diag{b v_r, c, b v_tau, b v_nu}``.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not broadcast.
    """
    gain, omega, covariance, noise, n_receive = _path(
        gain, transmit_angle, beam_covariance, noise_variance, n_receive_antennas
    )
    power, spread = _beam_gains(omega, covariance)
    n_samples = waveform.n_subcarriers * waveform.n_symbols
    snr = 2 * np.abs(gain) ** 2 * n_samples / noise
    efim = np.zeros((*np.broadcast_shapes(snr.shape, power.shape), 4, 4))
    efim[..., 0, 0] = snr * power * _index_variance(n_receive)
    efim[..., 1, 1] = snr * spread
    efim[..., 2:, 2:] = (snr * power)[..., None, None] * waveform.delay_doppler_covariance()
    return efim


# ------------------------------------------------------------------------- targets of a scene


def rms_gains(scene: MultistaticScene) -> ComplexArray:
    """Root of the mean power of every path gain, (P, R, T): the gains at the mean RCS.

    ``beta_prt = sqrt(xi_prt sigma_rcs^2)`` with the radar equation's ``xi``. Bounds at these gains
    are optimistic: a position error bound is a convex function of the path powers, so its mean over
    fluctuating targets is larger.
    """
    return np.sqrt(_radar_gain(scene, scene.targets) * _mean_rcs(scene)).astype(complex)


def draw_gains(scene: MultistaticScene, rng: np.random.Generator) -> ComplexArray:
    """Draw the gains of all paths, (P, R, T), of Swerling I targets.

    ``beta_prt = sqrt(xi_prt) alpha_prt`` with independent ``alpha_prt ~ CN(0, sigma_rcs^2)``, which
    stay the same for the frame.
    """
    xi = _radar_gain(scene, scene.targets)
    return np.sqrt(xi) * propagation.swerling_one(rng, _mean_rcs(scene), xi.shape)


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
    (T, 2, 2)
        In m^-2. Unknown: the position and all gains. Known: velocity, symbols, beams, clocks.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not match.
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
    """
    power = _power(scene, power)
    if bound == "exact":
        covariance: ComplexArray | None = _beam_covariance(scene, power)
    elif bound == "approximate":
        covariance = None
    else:
        raise ValueError(f"bound must be 'exact' or 'approximate', got {bound!r}")
    own = power[:, : len(scene.targets)]
    return _by_way_of(scene, covariance, own, scene.targets, scene.velocities, _snr(scene, gains))


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
        Targets in one place cannot be told apart: neither has any information then.
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
        If an argument is not finite or out of range, or the shapes do not match.
    """
    power = _power(scene, power)
    return coupled.paths(scene, power, _gains(scene, gains), *_parameters(scene))


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
    """
    if bound not in ("exact", "approximate", "joint"):
        raise ValueError(f"bound must be 'exact', 'approximate' or 'joint', got {bound!r}")
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
) -> Array:
    """Equivalent FIM of a target's position if it stood at each of many points.

    The beams stay where they point. :func:`position_efim` at the mean RCS, in a form that costs
    O(P M_t + R) operations per point although it sums over P R paths: power and spread of the
    beams are trigonometric polynomials of omega_t, and the gains are a product of a transmitter's
    part and a receiver's. Where next to nothing is left of the sums in some direction, path by
    path.

    Parameters
    ----------
    scene : MultistaticScene
        Gives everything but the position of the target.
    power : (P, B) float, or one that broadcasts to it
        ``eta_pq >= 0`` in watts.
    points : (..., 2) float
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

    Returns
    -------
    (..., 2, 2)
        In m^-2; see :func:`cfisac.fisher.position_error_bound`.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, or the shapes do not match.
    ImportError
        If the package that ``backend`` needs is not installed.

    Notes
    -----
    Beside scene, points and result, memory grows neither with the number of points nor, but for
    ``8 M_t`` numbers each, with that of transmitters: "numpy" and "fast" need less than 10 MB,
    "jax" 0.4 GB for a million points, and on an accelerator a few times 2^22 numbers.
    """
    power = _power(scene, power)
    points = _checks.finite("points", points)
    if points.ndim < 1 or points.shape[-1] != 2:
        raise ValueError(f"points must have shape (..., 2), got {points.shape}")
    whole = isinstance(target, int | np.integer) and not isinstance(target, bool)
    if not whole or target not in range(len(scene.targets)):
        raise ValueError(f"target must be in 0..{len(scene.targets) - 1}, got {target!r}")
    for name, value, allowed in (
        ("bound", bound, ("exact", "approximate")),
        ("backend", backend, ("numpy", "fast", "jax")),
        ("outside", outside, ("raise", "nan")),
    ):
        if value not in allowed:
            *first, last = map(repr, allowed)
            raise ValueError(f"{name} must be {', '.join(first)} or {last}, got {value!r}")
    flat, own = points.reshape(-1, 2), power[:, target]
    transmitters, receivers = _ends(scene, power, None if bound == "exact" else own)
    scale = _snr_of_pair(scene) * _mean_rcs(scene)[target]
    efim, weak = np.empty((len(flat), 2, 2)), np.zeros(len(flat), dtype=bool)
    for block, sums, terms, way, on_end in _map.information(
        transmitters, receivers, flat, _map_weights(scene, target), backend
    ):
        gone = on_end | (way / SPEED_OF_LIGHT > scene.waveform.longest_delay * _LATE)
        if np.any(gone) and outside == "raise":
            if np.any(on_end):
                raise ValueError("points must not coincide with an access point")
            waveforms.refuse_late(scene.waveform, "points", way / SPEED_OF_LIGHT)
        weak[block] = ~(_smaller_eigenvalue(sums) > 1e-9 * terms) & ~gone
        np.multiply(sums, scale, out=efim[block])
        efim[block][gone] = np.nan
    where = np.flatnonzero(weak)
    step = max(1, _WEAK // (len(scene.transmitters) * len(scene.receivers)))
    for some in (where[start : start + step] for start in range(0, len(where), step)):
        snr = _snr_per_square_metre(scene, flat[some]) * _mean_rcs(scene)[target]
        covariance = _beam_covariance(scene, power) if bound == "exact" else None
        each = np.broadcast_to(own[:, None], (len(own), len(some)))
        velocity = scene.velocities[target]
        efim[some] = _path_by_path(scene, covariance, each, flat[some], velocity, snr)
    return efim.reshape(*points.shape, 2)


def _smaller_eigenvalue(matrices: Array) -> Array:
    """Of symmetric matrices (..., 2, 2)."""
    first, second, beside = matrices[..., 0, 0], matrices[..., 1, 1], matrices[..., 0, 1]
    half = (first - second) / 2
    return (first + second) / 2 - np.sqrt(half * half + beside * beside)


def _ends(scene: MultistaticScene, power: Array, own: Array | None) -> tuple[_map.Ends, _map.Ends]:
    """Transmitters and receivers of a map; with ``own`` (P,), those of Proposition 1."""
    places = scene.transmitters, scene.transmit_axes
    if own is None:
        transmitters = _map.shining(*places, power, scene.beams)
    else:
        transmitters = _map.shining_alike(*places, own, 0.0)
    listening = np.ones(len(scene.receivers)), _index_variance(scene.n_antennas)
    return transmitters, _map.shining_alike(scene.receivers, scene.receive_axes, *listening)


def _map_weights(scene: MultistaticScene, target: int) -> _map.Weights:
    v_tau, v_nu = np.diagonal(scene.waveform.delay_doppler_covariance()).tolist()
    v_x, v_y = (scene.velocities[target] / scene.wavelength * np.sqrt(v_nu)).tolist()
    return _map.Weights(2 * np.pi * scene.spacing, v_x, v_y, v_tau / SPEED_OF_LIGHT**2)


def _beam_covariance(scene: MultistaticScene, power: Array) -> ComplexArray:
    """``V_p = sum_q eta_pq B_pq``, (P, M_t, M_t)."""
    n_transmitters, n_beams, size, _ = scene.beams.shape
    flat = scene.beams.reshape(n_transmitters, n_beams, size * size)
    return (power[:, None] @ flat).reshape(n_transmitters, size, size)


def _path_by_path(
    scene: MultistaticScene,
    covariance: ComplexArray | None,
    own: Array,
    positions: Array,
    velocities: Array,
    snr: Array,
) -> Array:
    """EFIMs of n positions from the slopes of all P R paths each, (n, 2, 2)."""
    return _by_way_of(scene, covariance, own, positions, velocities, snr).information((0, 1))


def _by_way_of(
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
        towards, spread = _beam_gains(omega, covariance[:, None])
        spread = spread / np.where(towards > 0, towards, 1.0)
    sent = kappa * np.sqrt(spread)[..., None] * scene.transmit_axes[:, None]
    heard = kappa * np.sqrt(_index_variance(scene.n_antennas)) * scene.receive_axes
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


# ----------------------------------------------------------------------------------- helpers


def _response(omega: Array, n_antennas: int) -> tuple[ComplexArray, ComplexArray]:
    """Array response a(omega) and its derivative, (..., M_t)."""
    index = np.arange(n_antennas)
    response = np.exp(1j * omega[..., None] * index) / np.sqrt(n_antennas)
    return response, 1j * index * response


def _beam_gains(omega: Array, covariance: ComplexArray) -> tuple[Array, Array]:
    response, slope = _response(omega, covariance.shape[-1])
    seen = _apply(covariance, response)
    power = _above(np.sum(response.conj() * seen, axis=-1).real, covariance, response)
    # The share of the derivative that the gain hides is taken off before squaring.
    hidden = np.sum(seen.conj() * slope, axis=-1)
    share = np.divide(hidden, power, where=power > 0, out=np.zeros_like(hidden))
    rest = slope - share[..., None] * response
    spread = np.sum(rest.conj() * _apply(covariance, rest), axis=-1).real
    return power, np.where(power > 0, _above(spread, covariance, rest), 0.0)


def _above(square: Array, covariance: ComplexArray, vector: ComplexArray) -> Array:
    """``vector^H V vector``, or 0 where that is but the rounding of its terms (in a null)."""
    size = np.abs(vector)
    terms = np.sum(size * _apply(np.abs(covariance), size), axis=-1)
    return np.where(square > 8 * np.finfo(float).eps * terms, square, 0.0)


def _apply(matrix: ComplexArray, vector: ComplexArray) -> ComplexArray:
    """Matrix times vector; vectors along the last leading axis may share a matrix."""
    if vector.ndim > 1 and (matrix.ndim == 2 or matrix.shape[-3] == 1):
        shared = matrix if matrix.ndim == 2 else matrix[..., 0, :, :]
        return vector @ np.swapaxes(shared, -1, -2)
    return (matrix @ vector[..., None])[..., 0]


def _index_variance(n_antennas: int) -> float:
    """Variance of the antenna indices, ``(M^2 - 1) / 12`` (fan_conf (32), with d_11)."""
    return (n_antennas**2 - 1) / 12


def _parameters(scene: MultistaticScene) -> tuple[Array, Array]:
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


def _mean_rcs(scene: MultistaticScene) -> Array:
    return np.broadcast_to(np.asarray(scene.mean_rcs, dtype=float), len(scene.targets))


def _radar_gain(scene: MultistaticScene, points: Array) -> Array:
    """Radar equation of every path by way of points (n, 2), (P, R, n)."""
    return propagation.radar_gain(
        np.linalg.norm(points - scene.transmitters[:, None, None], axis=-1),
        np.linalg.norm(points - scene.receivers[:, None], axis=-1),
        SPEED_OF_LIGHT / scene.carrier_frequency,
        scene.transmit_gain,
        scene.receive_gain,
    )


def _snr(scene: MultistaticScene, gains: ArrayLike | None) -> Array:
    """``2 |beta|^2 M N / sigma^2`` of every path, per watt of beam power."""
    if gains is None:
        return _snr_per_square_metre(scene, scene.targets) * _mean_rcs(scene)
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return 2 * n_samples * np.abs(_gains(scene, gains)) ** 2 / scene.noise_variance


def _snr_per_square_metre(scene: MultistaticScene, points: Array) -> Array:
    """The same for targets of 1 m^2 at points (n, 2), (P, R, n)."""
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return 2 * n_samples * _radar_gain(scene, points) / scene.noise_variance


def _snr_of_pair(scene: MultistaticScene) -> float:
    """The same for distances of 1 m."""
    per_area = propagation.radar_gain(
        1.0, 1.0, scene.wavelength, scene.transmit_gain, scene.receive_gain
    )
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    return float(2 * n_samples * per_area / scene.noise_variance)


def _gains(scene: MultistaticScene, gains: ArrayLike) -> ComplexArray:
    shape = len(scene.transmitters), len(scene.receivers), len(scene.targets)
    checked = _checks.finite("gains", gains, complex)
    if checked.shape != shape:
        raise ValueError(
            f"gains must have the shape (transmitters, receivers, targets) = {shape}, "
            f"got {checked.shape}"
        )
    return checked


def _power(scene: MultistaticScene, power: ArrayLike) -> Array:
    shape = scene.beams.shape[:2]
    checked = _checks.non_negative("power", power)
    try:
        return np.broadcast_to(checked, shape)
    except ValueError as error:
        raise ValueError(
            f"power must broadcast to {shape}, transmitters x beams, got {checked.shape}"
        ) from error


def _path(
    gain: ArrayLike,
    transmit_angle: ArrayLike,
    beam_covariance: ArrayLike,
    noise_variance: ArrayLike,
    n_receive_antennas: int | None,
) -> tuple[ComplexArray, Array, ComplexArray, Array, int]:
    """Check the arguments of a path."""
    gain = _checks.finite("gain", gain, complex)
    omega = _checks.finite("transmit_angle", transmit_angle)
    covariance = _hermitian("beam_covariance", beam_covariance)
    noise = _checks.positive("noise_variance", noise_variance)
    n_receive = covariance.shape[-1]
    if n_receive_antennas is not None:
        n_receive = _checks.one("n_receive_antennas", n_receive_antennas, _checks.count)
    _checks.must_broadcast(
        gain=gain.shape,
        transmit_angle=omega.shape,
        beam_covariance=covariance.shape[:-2],
        noise_variance=noise.shape,
    )
    return gain, omega, covariance, noise, n_receive


def _hermitian(name: str, value: ArrayLike) -> ComplexArray:
    matrix = _checks.finite(name, value, complex)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., M_t, M_t), got {matrix.shape}")
    adjoint = np.conj(np.swapaxes(matrix, -1, -2))
    size = np.max(np.abs(matrix), axis=(-2, -1), initial=0.0)
    skew = np.max(np.abs(matrix - adjoint), axis=(-2, -1), initial=0.0)
    wrong = bool(np.any(skew > 1e-8 * size))
    try:  # faster than eigenvalues; the shift lets rounding pass, and zero
        shift = 1e-8 * size + np.finfo(float).tiny
        np.linalg.cholesky(matrix + shift[..., None, None] * np.eye(matrix.shape[-1]))
    except np.linalg.LinAlgError:
        wrong = True
    if wrong:
        raise ValueError(f"{name} must be Hermitian and positive semidefinite")
    return matrix
