"""Position and velocity bounds of access points that each hear their own echo (liu, corrected).

Each access point (AP) sends a frame of its own and hears the echo of a target with an array of
N_A antennas, on N_c subcarriers and N_s symbols::

    y_l = a_l  r(sin theta_l) (x) s(tau_l, nu_l) + noise,      noise ~ CN(0, sigma^2 I),

with one unknown complex gain ``a_l`` for each AP and target (it holds ``sqrt(P_t)``, the transmit
beam, the path loss and the radar cross section). The frames of different APs do not disturb
each other. The state of a target is (x, y, v_x, v_y), in this order, in metres and metres per
second; all four are unknown.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher, geometry, waveforms
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.limits import coupled
from cfisac.paths import Paths, echo_seen
from cfisac.scenarios._plausible import transposed
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]

_LOUDEST = 1e70  # root SNR, of which fourth powers must not overflow either


@_checks.renamed(snr="sample_snr")
def state_efim(
    position: ArrayLike,
    velocity: ArrayLike,
    aps: ArrayLike,
    n_antennas: ArrayLike,
    sample_snr: ArrayLike,
    waveform: OFDM | OTFS,
    carrier_frequency: float,
    spacing: float = 0.5,
    axes: ArrayLike = (0.0, 1.0),
) -> Array:
    """Information on the state of one target, the gains of all APs being unknown.

    The repaired form of liu (6) and (14): with ``SNR_l = sample_snr_l N_A N_c N_s`` and the
    Jacobian ``J_l`` of :func:`cfisac.geometry.monostatic`::

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
    sample_snr : (..., L) or scalar float
        ``|a_l|^2 / sigma^2 >= 0`` per sample: per antenna, subcarrier and symbol. Zero is an AP
        that hears nothing. A :class:`cfisac.scenarios.MonostaticScene` has it as ``sample_snr.T``.
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
        see :func:`position_error_bound`, :func:`velocity_error_bound` and
        :func:`cfisac.fisher.crlb`.

    Warns
    -----
    ImplausibleWarning
        If the SNRs of as many targets as APs fit the distances with their axes interchanged.

    Raises
    ------
    ValueError
        If an argument is not finite or out of range, the shapes do not broadcast, the target
        stands on an AP, or an echo that is heard takes longer than ``waveform.longest_delay``. An
        AP too far away is left out by an SNR of zero.

    Examples
    --------
    >>> aps, target, velocity = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [30.0, 40.0], [5.0, 0.0]
    >>> frame = OFDM(64, 14, 120e3)
    >>> efim = state_efim(target, velocity, aps, 8, 0.1, frame, carrier_frequency=28e9)
    >>> np.sqrt(np.diag(fisher.crlb(efim))).round(2)  # of x, y (m) and v_x, v_y (m/s)
    array([0.16, 0.14, 0.55, 0.61])
    """
    return paths(
        position, velocity, aps, n_antennas, sample_snr, waveform, carrier_frequency, spacing, axes
    ).information(-1)


@_checks.renamed(snr="sample_snr")
def paths(
    position: ArrayLike,
    velocity: ArrayLike,
    aps: ArrayLike,
    n_antennas: ArrayLike,
    sample_snr: ArrayLike,
    waveform: OFDM | OTFS,
    carrier_frequency: float,
    spacing: float = 0.5,
    axes: ArrayLike = (0.0, 1.0),
) -> Paths:
    """The echoes (..., L) of which :func:`state_efim` is the sum.

    Takes the arguments of :func:`state_efim`.

    Returns
    -------
    Paths
        State: (x, y, v_x, v_y). See :func:`cfisac.paths.echo` for what else may become unknown;
        an echo of one's own needs no clock.

    Raises
    ------
    ValueError
        As :func:`state_efim`.

    Examples
    --------
    >>> aps, target, velocity = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [30.0, 40.0], [5.0, 0.0]
    >>> frame = OFDM(64, 14, 120e3)
    >>> each = paths(target, velocity, aps, 8, 0.1, frame, 28e9).each()
    >>> each.shape  # of every access point
    (3, 4, 4)
    """
    n_antennas = _checks.count("n_antennas", n_antennas)
    spacing = _checks.one("spacing", spacing, _checks.positive)
    snr = _checks.non_negative("sample_snr", sample_snr)
    if not isinstance(waveform, OFDM | OTFS):
        raise ValueError(f"waveform must be OFDM or OTFS, got {waveform!r}")
    here, speed, there, along = _places(position, velocity, aps, axes)
    carrier = _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
    seen = geometry.sight(here, there, speed, along, names=("position", "aps"))
    _checks.must_broadcast(
        aps=seen.distance.shape, n_antennas=n_antennas.shape, sample_snr=snr.shape
    )
    if snr.ndim == 2 and snr.shape == seen.distance.shape:
        transposed("sample_snr", snr, seen.distance)
    delay = 2 * seen.distance / speed_of_light
    waveforms.refuse_late(waveform, "position", np.where(snr > 0, delay, 0.0))
    variance = (n_antennas.astype(float) ** 2 - 1) / 12
    rows = 2 * np.pi * spacing * np.sqrt(variance)[..., None] * along
    heard = echo_seen(
        seen,
        seen,
        np.asarray(speed, dtype=float),
        carrier,
        snr * n_antennas * (waveform.n_subcarriers * waveform.n_symbols),
        waveform.delay_doppler_covariance(),
        np.zeros((0, 2)),
        rows[..., None, :],
    )
    return heard.with_unknown("velocity")


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
        subcarriers and symbols. ``|amplitude|^2`` is the ``sample_snr`` of :func:`state_efim`. The
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
        If an argument is not finite or out of range, the shapes do not broadcast, a target stands
        on an AP, or an echo that is heard takes longer than the cyclic prefix of the waveform.

    Notes
    -----
    Nothing of size N_A N_c N_s is built: an inner product of two echoes is a product of three
    closed sums, over antennas, subcarriers and symbols. An echo of amplitude zero still has its
    unknown gain. A target that nobody hears still costs the others up to its unknown gains: leave
    it out.

    Where two echoes coincide, or are linearly dependent with others, the AP tells nothing of these
    targets. It would receive the same if one of the echoes had no gain and another had all of it,
    and the target of the first could then be anywhere. (The FIM at that very point would say more
    than close by.) What it tells of further targets is what it would if these two were known.

    Where two echoes nearly coincide, the information about them in this matrix of floating-point
    numbers is known to a rounding of that about their common place. If the bound is k times that
    of one target alone, its relative error is of the order of ``1e-14 k^2``: ten digits for 100,
    six for 10 000. From about 1e6 on the bound is ``inf``, as it is in the limit. The bound of a
    third target that overlaps with such a pair is then of little use: it may be ``inf`` too, or
    too small by what its overlap with the pair costs.

    Examples
    --------
    >>> aps, targets = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [[30.0, 40.0], [50.0, 20.0]]
    >>> amplitudes = 0.3 * np.ones((2, 3))  # of both targets at three access points
    >>> efim = joint_efim(targets, np.zeros((2, 2)), aps, 8, amplitudes, OFDM(64, 14, 120e3), 28e9)
    >>> position_error_bound(efim).round(2)  # m
    array([0.24, 0.22])
    """
    if not isinstance(waveform, OFDM):
        raise ValueError("waveform must be OFDM, whose echoes are products of three factors")
    n_antennas = _checks.count("n_antennas", n_antennas)
    spacing = _checks.one("spacing", spacing, _checks.positive)
    amplitudes = _checks.finite("amplitudes", amplitudes, complex)
    if np.any(np.abs(amplitudes) > _LOUDEST):
        raise ValueError(f"amplitudes must be below {_LOUDEST:g}, or their squares overflow")
    if amplitudes.ndim < 2:
        raise ValueError(f"amplitudes must have shape (..., U, L), got {amplitudes.shape}")
    here, speed, there, along = _places(positions, velocities, aps, axes, several=True)
    carrier = _checks.one("carrier_frequency", carrier_frequency, _checks.positive)
    sights, jacobian = geometry.monostatic(here, speed, there, carrier, along)
    heard = np.swapaxes(amplitudes, -1, -2)
    shape = _checks.must_broadcast(
        aps=jacobian.shape[:-2], amplitudes=heard.shape, n_antennas=(*n_antennas.shape, 1)
    )
    waveforms.refuse_late(waveform, "positions", np.where(heard == 0, 0.0, sights[..., 0]))
    samples = n_antennas * (waveform.n_subcarriers * waveform.n_symbols)
    return coupled.echoes(
        np.broadcast_to(sights, (*shape, 3)),
        np.broadcast_to(jacobian, (*shape, 3, 4)),
        np.broadcast_to(np.sqrt(samples)[..., None] * heard, shape),
        n_antennas,
        spacing,
        waveform,
    )


def position_error_bound(efim: ArrayLike) -> Array:
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

    Examples
    --------
    >>> aps, target, velocity = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [30.0, 40.0], [5.0, 0.0]
    >>> frame = OFDM(64, 14, 120e3)
    >>> efim = state_efim(target, velocity, aps, 8, 0.1, frame, carrier_frequency=28e9)
    >>> print(f"{position_error_bound(efim):.2f} m")
    0.21 m
    """
    return _root_sum(efim, slice(0, 2))


def velocity_error_bound(efim: ArrayLike) -> Array:
    """Bound on the error of the velocity (m/s), the position being unknown.

    Takes, returns and raises the same as :func:`position_error_bound`, for v_x and v_y. The
    velocity cannot be identified from one symbol, nor when all APs see the target along one line.

    Examples
    --------
    >>> aps, target, velocity = [[0.0, 0.0], [80.0, 0.0], [0.0, 60.0]], [30.0, 40.0], [5.0, 0.0]
    >>> frame = OFDM(64, 14, 120e3)
    >>> efim = state_efim(target, velocity, aps, 8, 0.1, frame, carrier_frequency=28e9)
    >>> print(f"{velocity_error_bound(efim):.2f} m/s")
    0.82 m/s
    """
    return _root_sum(efim, slice(2, 4))


position_bound = _checks.old_name("position_bound", position_error_bound)
velocity_bound = _checks.old_name("velocity_bound", velocity_error_bound)


def _root_sum(efim: ArrayLike, part: slice) -> Array:
    efim = _checks.finite("efim", efim)
    size = efim.shape[-1] if efim.ndim >= 2 and efim.shape[-1] == efim.shape[-2] else 0
    if size == 0 or size % 4 != 0:
        raise ValueError(f"efim must have shape (..., 4U, 4U) with U >= 1, got {efim.shape}")
    variance = np.diagonal(fisher.crlb(efim), axis1=-2, axis2=-1)
    variance = variance.reshape(*variance.shape[:-1], -1, 4)
    bound: Array = np.sqrt(np.sum(variance[..., part], axis=-1))
    return bound[..., 0] if bound.shape[-1] == 1 else bound


def _places(
    position: ArrayLike, velocity: ArrayLike, aps: ArrayLike, axes: ArrayLike, several: bool = False
) -> tuple[NDArray[Any], ...]:
    """Check position, velocity, APs and array axes, and give them the axes (..., L, U, 2).

    Without the last but one for one target; in the types in which they came, which tell their
    rounding.
    """
    names = ("positions", "velocities") if several else ("position", "velocity")
    for name, value in zip(names, (position, velocity), strict=True):
        if 0 in _checks.points(name, value, 1 + several).shape[-2 if several else -1 :]:
            raise ValueError(f"{name} must hold one target or more")
    _checks.must_broadcast(**{names[0]: np.shape(position), names[1]: np.shape(velocity)})
    _checks.points("aps", aps, 2)
    _checks.unit_vectors("axes", axes)
    here, speed = (np.expand_dims(each, -2 - several) for each in (position, velocity))
    there, along = np.asarray(aps), np.asarray(axes)
    if several:  # (..., 1, U, 2) against (..., L, 1, 2)
        there, along = there[..., None, :], along[..., None, :]
    return here, speed, there, along
