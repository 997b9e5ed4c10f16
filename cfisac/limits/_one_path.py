"""One path of a multistatic scene: what its beams send, its FIM and its equivalent FIM (fan)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._hermitian import are_semidefinite
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


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

    Examples
    --------
    >>> from cfisac.arrays import UniformLinearArray
    >>> array = UniformLinearArray(8)
    >>> beam = array.steering(0.2)
    >>> power, spread = beam_gains(array.electrical_angle([0.2, 0.3]), np.outer(beam, beam.conj()))
    >>> power.round(3)  # W, of a beam of 1 W towards 0.2 rad
    array([1.   , 0.599])
    """
    omega = _checks.finite("transmit_angle", transmit_angle)
    covariance = _hermitian("beam_covariance", beam_covariance)
    _checks.must_broadcast(transmit_angle=omega.shape, beam_covariance=covariance.shape[:-2])
    return gains_of_beams(omega, covariance)


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

    Examples
    --------
    >>> path_fim(1e-6, 0.3, np.eye(8) / 8, OFDM(64, 14, 120e3), noise_variance=1e-12).shape
    (6, 6)
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
    v_tau, v_nu = np.diagonal(waveform.delay_doppler_covariance())
    r20 = energy * v_tau + np.abs(r10) ** 2 / energy
    r02 = energy * v_nu + np.abs(r01) ** 2 / energy
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

    Examples
    --------
    >>> efim = path_efim(1e-6, 0.3, np.eye(8) / 8, OFDM(64, 14, 120e3), noise_variance=1e-12)
    >>> std = 1 / np.sqrt(np.diag(efim))
    >>> print(f"{std[0]:.3f} rad, {1e9 * std[2]:.1f} ns, {std[3]:.0f} Hz")
    0.029 rad, 4.8 ns, 317 Hz
    """
    gain, omega, covariance, noise, n_receive = _path(
        gain, transmit_angle, beam_covariance, noise_variance, n_receive_antennas
    )
    power, spread = gains_of_beams(omega, covariance)
    n_samples = waveform.n_subcarriers * waveform.n_symbols
    snr = 2 * np.abs(gain) ** 2 * n_samples / noise
    efim = np.zeros((*np.broadcast_shapes(snr.shape, power.shape), 4, 4))
    efim[..., 0, 0] = snr * power * index_variance(n_receive)
    efim[..., 1, 1] = snr * spread
    efim[..., 2:, 2:] = (snr * power)[..., None, None] * waveform.delay_doppler_covariance()
    return efim


def _response(omega: Array, n_antennas: int) -> tuple[ComplexArray, ComplexArray]:
    """Array response a(omega) and its derivative, (..., M_t)."""
    index = np.arange(n_antennas)
    response = np.exp(1j * omega[..., None] * index) / np.sqrt(n_antennas)
    return response, 1j * index * response


def gains_of_beams(omega: Array, covariance: ComplexArray) -> tuple[Array, Array]:
    response, slope = _response(omega, covariance.shape[-1])
    seen, size = _apply(covariance, response), np.abs(covariance)
    power = np.sum(response.conj() * seen, axis=-1).real
    terms = np.sum(size, axis=(-2, -1)) / response.shape[-1]  # all |a_l| are alike
    power = np.where(power > 8 * np.finfo(float).eps * terms, power, 0.0)
    # The share of the derivative that the gain hides is taken off before squaring.
    hidden = np.sum(seen.conj() * slope, axis=-1)
    share = np.divide(hidden, power, where=power > 0, out=np.zeros_like(hidden))
    rest = slope - share[..., None] * response
    spread = np.sum(rest.conj() * _apply(covariance, rest), axis=-1).real
    # Nothing where it is but the rounding of its terms, in a null.
    each = np.abs(rest)
    terms = np.sum(each * _apply(size, each), axis=-1)
    return power, np.where((power > 0) & (spread > 8 * np.finfo(float).eps * terms), spread, 0.0)


def _apply(matrix: ComplexArray, vector: ComplexArray) -> ComplexArray:
    """Matrix times vector; vectors along the last leading axis may share a matrix."""
    if vector.ndim > 1 and (matrix.ndim == 2 or matrix.shape[-3] == 1):
        shared = matrix if matrix.ndim == 2 else matrix[..., 0, :, :]
        return vector @ np.swapaxes(shared, -1, -2)
    return (matrix @ vector[..., None])[..., 0]


def index_variance(n_antennas: int) -> float:
    """Variance of the antenna indices, ``(M^2 - 1) / 12`` (fan_conf (32), with d_11)."""
    return (n_antennas**2 - 1) / 12


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
    size = np.max(np.abs(matrix), axis=(-2, -1), initial=0.0)
    if not are_semidefinite(matrix, 1e-8 * size + np.finfo(float).tiny):
        raise ValueError(f"{name} must be Hermitian and positive semidefinite")
    return matrix
