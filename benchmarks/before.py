"""Plain forms as they were before they were made faster, frozen for ``make bench``.

No test of the package uses them; the benchmarks compare times, and say that the numbers agree.
"""

import numpy as np
from scipy.constants import speed_of_light

from cfisac import _checks, _rounding, propagation, waveforms
from cfisac.limits import _one_path, _scene

_BLOCK = 512


def position_map(scene, power, points, target=0):
    """The exact map: all cosines and sines, a block of points after the other."""
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    lags, flat = _lag_sums(covariance), points.reshape(-1, 2)
    efim = np.empty((len(flat), 2, 2))
    for start in range(0, len(flat), _BLOCK):
        block = slice(start, start + _BLOCK)
        efim[block], terms = _map_block(scene, lags, power[:, target], flat[block], target)
        half = (efim[block, 0, 0] - efim[block, 1, 1]) / 2
        middle = (efim[block, 0, 0] + efim[block, 1, 1]) / 2
        weak = middle - np.hypot(half, efim[block, 0, 1]) <= 1e-9 * terms
        assert not np.any(weak)
    return efim.reshape(*points.shape, 2)


def _map_block(scene, lags, own, points, target):
    """EFIMs of one block of points, and the size (n,) of the terms they are sums of.

    ``own`` is each transmitter's power in the target's beam.
    """
    velocity, kappa = scene.velocities[target], 2 * np.pi * scene.spacing
    turn = scene.carrier_frequency / speed_of_light
    v_tau, v_nu = np.diagonal(scene.waveform.delay_doppler_covariance())
    v_tau = v_tau / speed_of_light**2
    # From the transmitters: weights (P, n), unit vectors (P, n), gradients of omega_t and nu.
    far, u_x, u_y = _sight(points, scene.transmitters)
    steer, slope = _projections(scene.transmit_axes, u_x, u_y, kappa)
    drift = _projections(velocity[None], u_x, u_y, turn)[1] / far
    near = 1 / far**2
    if lags is None:
        towards, spread = own[:, None] * near, np.zeros_like(near)
    else:
        towards, spread = (each * near for each in _beam_polynomials(lags, steer))
    spread *= near
    # From the receivers, (R, n).
    back, r_x, r_y = _sight(points, scene.receivers)
    sway = _projections(scene.receive_axes, r_x, r_y, kappa)[1] / back
    fade = _projections(velocity[None], r_x, r_y, turn)[1] / back
    weight = 1 / back**2
    longest = (far.max(axis=0) + back.max(axis=0)) / speed_of_light
    waveforms.refuse_late(scene.waveform, "points", longest)
    # Sums over transmitters and over receivers; J1, J2 and J4 point along (-u_y, u_x).
    all_t, all_r = towards.sum(axis=0), weight.sum(axis=0)
    v_omega = _one_path.index_variance(scene.n_antennas)
    angle = weight * sway**2 * v_omega
    efim = all_t * _square_sum(angle, r_y, -r_x)
    efim += all_r * _square_sum(spread * slope**2, u_y, -u_x)
    sent, heard = (towards, u_x, u_y), (weight, r_x, r_y)
    efim += v_tau * _outer_of_sums(sent, heard, all_t, all_r)
    turned = (towards, -drift * u_y, drift * u_x), (weight, -fade * r_y, fade * r_x)
    efim += v_nu * _outer_of_sums(*turned, all_t, all_r)
    # What they would be if nothing cancelled, neither in the slopes nor in the sums.
    fast = 2 * v_nu * turn**2 * (velocity @ velocity)
    terms = all_t * np.sum(weight * (kappa**2 * v_omega + fast) / back**2, axis=0)
    terms += all_r * np.sum((kappa**2 * spread + fast * towards / far**2), axis=0)
    terms += 4 * v_tau * all_t * all_r
    wavelength = speed_of_light / scene.carrier_frequency
    per_area = propagation.radar_gain(1.0, 1.0, wavelength, scene.transmit_gain, scene.receive_gain)
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    scale = 2 * n_samples * per_area * _scene.mean_rcs(scene)[target] / scene.noise_variance
    return np.moveaxis(scale * efim, -1, 0), scale * terms


def _sight(points, anchors):
    """Distance and unit vector from each anchor to each point, (anchors, points)."""
    x, y = (points[:, i] - anchors[:, i, None] for i in range(2))
    distance = np.sqrt(x**2 + y**2)
    if not np.all(distance > 0):
        raise ValueError("points must not coincide with an access point")
    return distance, x / distance, y / distance


def _projections(axes, u_x, u_y, scale):
    """Share of the unit vectors along ``axes`` (n, 2), and across them: of (-u_y, u_x)."""
    a_x, a_y = scale * axes[:, :1], scale * axes[:, 1:]
    return a_x * u_x + a_y * u_y, a_y * u_x - a_x * u_y


def _square_sum(weight, x, y):
    """``sum_p weight (x, y)(x, y)^T`` for every point, (2, 2, n)."""
    w_x, w_y = weight * x, weight * y
    cross = np.einsum("pn,pn->n", w_x, y)
    diagonal = np.einsum("pn,pn->n", w_x, x), np.einsum("pn,pn->n", w_y, y)
    return np.array([[diagonal[0], cross], [cross, diagonal[1]]])


def _outer_of_sums(one, two, all_one, all_two):
    """``sum_pr w_p w_r (g_p + g_r)(g_p + g_r)^T`` from sums over p and over r alone, (2, 2, n)."""
    first, second = (
        np.array([np.einsum("pn,pn->n", w, x), np.einsum("pn,pn->n", w, y)])
        for w, x, y in (one, two)
    )
    mixed = first[:, None] * second[None]
    total = all_two * _square_sum(*one) + all_one * _square_sum(*two)
    return total + mixed + mixed.swapaxes(0, 1)


def _lag_sums(covariance):
    """Coefficients of four real trigonometric polynomials of omega_t, (P, 4, 2 M_t - 1).

    They are b, Re and Im of ``a^H V C a``, and ``a^H C V C a``, with C the antenna indices counted
    from the array's middle, in the basis (1, cos, sin, cos 2, sin 2, ...).
    """
    n = covariance.shape[-1]
    index = np.arange(n) - (n - 1) / 2
    product = index[:, None] * index
    mean, half = (index[:, None] + index) / 2, (index - index[:, None]) / 2j
    kinds = np.stack([np.ones((n, n)), mean, half, product])
    weighted = covariance[:, None] * kinds / n
    lags = [np.trace(weighted, k, axis1=-2, axis2=-1) for k in range(n)]
    table = np.empty((*weighted.shape[:2], 2 * n - 1))
    table[..., 0] = lags[0].real
    for k in range(1, n):  # element (m, m + k) turns by k omega, and (m + k, m) the other way
        table[..., 2 * k - 1], table[..., 2 * k] = 2 * lags[k].real, -2 * lags[k].imag
    return table


def _beam_polynomials(lags, omega):
    """Power b and spread c of the beams for angles (P, n), from :func:`_lag_sums`."""
    basis = np.empty((len(omega), lags.shape[-1], omega.shape[1]))
    basis[:, 0] = 1.0
    if lags.shape[-1] > 1:
        basis[:, 1], basis[:, 2] = np.cos(omega), np.sin(omega)
        twice = 2 * basis[:, 1]
        for k in range(3, lags.shape[-1]):  # Chebyshev: f_k = 2 cos(omega) f_(k-1) - f_(k-2)
            np.multiply(twice, basis[:, k - 2], out=basis[:, k])
            if k != 4:  # sin 2 is the one that starts from 0
                basis[:, k] -= basis[:, max(k - 4, 0)]
    power, real, imag, square = np.moveaxis(lags @ basis, 1, 0)
    # Each polynomial is known to a few roundings of its coefficients.
    off = 8 * np.finfo(float).eps * np.abs(lags).sum(axis=-1)[..., None]
    heard = power > off[:, 0]
    power = np.where(heard, power, 0.0)
    below = np.where(heard, power, 1.0)
    hidden = (real**2 + imag**2) / below
    spread = square - hidden
    slack = 2 * np.sqrt(hidden / below) * (off[:, 1] + off[:, 2]) + hidden / below * off[:, 0]
    return power, np.where(heard & (spread > off[:, 3] + slack), spread, 0.0)


def equivalent_fim(fim, n_keep):
    eps, fim = _checks.precision(fim), _square("fim", fim)
    whole = isinstance(n_keep, int | np.integer) and not isinstance(n_keep, bool)
    if not whole or not 1 <= n_keep <= fim.shape[-1]:
        raise ValueError(f"n_keep must be a whole number in 1..{fim.shape[-1]}, got {n_keep!r}")
    if n_keep == fim.shape[-1]:
        return _rounding.symmetric(fim)
    # Units must not decide what is singular or zero: judge, and solve, with a unit diagonal.
    fim, scale = _rounding.unit_diagonal(fim)
    coupling, nuisance = fim[..., :n_keep, n_keep:], fim[..., n_keep:, n_keep:]
    spectrum = np.linalg.eigvalsh(nuisance)
    _rounding.refuse_negative("fim", spectrum, eps)
    if not np.all(_rounding.all_seen(spectrum, eps)):
        raise ValueError("the nuisance block of the FIM is singular")
    fit = np.linalg.solve(nuisance, _rounding.transpose(coupling))
    left = _rounding.symmetric(fim[..., :n_keep, :n_keep] - coupling @ fit)
    # An entry of the FIM is known to a rounding, which the fit passes on to what is left.
    unit = np.sqrt(1 + np.sum(fit**2, axis=-2))
    outer = unit[..., :, None] * unit[..., None, :]
    left = outer * _rounding.without_rounding("fim", left / outer, 8 * fim.shape[-1] * eps)
    scale = scale[..., :n_keep]
    return left * (scale[..., :, None] * scale[..., None, :])


def position_error_bound(efim):
    eps = _checks.precision(efim)
    eigenvalues = np.linalg.eigvalsh(_square("efim", efim))
    _rounding.refuse_negative("efim", eigenvalues, eps)
    identifiable = _rounding.all_seen(eigenvalues, eps)
    trace = np.sum(1 / np.where(identifiable[..., None], eigenvalues, 1.0), axis=-1)
    return np.where(identifiable, np.sqrt(trace), np.inf)


def _square(name, value):
    matrix = _rounding.a_matrix(name, value, float)
    if matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., n, n) with n >= 1, got {matrix.shape}")
    root = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    eps = 64 * _checks.precision(value)
    rounding = eps * np.max(np.abs(matrix), axis=(-2, -1), keepdims=True)
    allowed = max(1e-8, eps) * root[..., :, None] * root[..., None, :] + rounding
    if np.any(np.abs(matrix - _rounding.transpose(matrix)) > allowed):
        raise ValueError(f"{name} must be symmetric")
    return matrix
