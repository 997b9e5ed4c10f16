"""Fisher information against mutual information: zhang's Theorem 1, printed and repaired.

The access points m = 1..M see unit-modulus pilots as in :mod:`cfisac.limits.angle_gain`. Arrays
over access points keep them on the last axis; the global FIM is block diagonal over them.
Information is in nats unless a name says bits.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.arrays import UniformLinearArray, projection
from cfisac.limits import angle_gain

Array = NDArray[np.float64]


def fim_trace(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Trace of the global FIM, ``(2T / sigma^2) sum_m (2 + |alpha_m|^2 eta_m)``.

    Parameters
    ----------
    gain : (..., M) complex
        alpha_m of each access point.
    phi : (..., M) float
        phi_m of each access point (rad).
    array : UniformLinearArray
        The array of every access point.
    n_pilots : (...) int
        T >= 1 pilots of modulus one, common to the access points.
    noise_variance : (...) float
        sigma^2 > 0, common to the access points.

    Returns
    -------
    (...)
        Exact value of the left-hand side of zhang (20)-(22).

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> print(f"{fim_trace(gain, phi, array, n_pilots=16, noise_variance=0.1):.0f}")
    16474
    """
    fim = _local_fims(gain, phi, array, n_pilots, noise_variance)
    return np.trace(fim, axis1=-2, axis2=-1).sum(axis=-1)


def largest_eigenvalue(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Largest eigenvalue of the global FIM: the smallest sub-Gaussian parameter N^2, zhang (60).

    In closed form, over the access points, the maximum of::

        (T / sigma^2) [1 + |alpha|^2 eta + sqrt((1 - |alpha|^2 eta)^2 + 4 c^2 |alpha|^2)].

    Takes the arguments of :func:`fim_trace`.

    Returns
    -------
    (...)
        lambda_max; it mixes the units of the gain and of the angle, as the source's proof does.

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> print(f"{largest_eigenvalue(gain, phi, array, n_pilots=16, noise_variance=0.1):.0f}")
    13498
    """
    fim = _local_fims(gain, phi, array, n_pilots, noise_variance)
    scale, angle = fim[..., 0, 0], fim[..., 2, 2]
    coupling = fim[..., 0, 2] ** 2 + fim[..., 1, 2] ** 2
    return np.max((scale + angle + np.hypot(scale - angle, 2 * np.sqrt(coupling))) / 2, axis=-1)


def claimed_trace_bound(
    mutual_information: ArrayLike,
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Right-hand side of zhang's Claims 1 and 2 as printed, (20) = (21). It is not a bound.

    ``(4 M T / sigma^2) (2 + max|alpha|^2 kappa^2 max cos^2(phi) (L-1)(2L-1)/6) I(x; s)``. With
    ``I = 2 b M L T`` it is the right-hand side of Claim 3 (22).

    Parameters
    ----------
    mutual_information : (...) float
        I(x; s) >= 0 between observations and pilots, in nats.
    gain, phi, array, n_pilots, noise_variance
        As in :func:`fim_trace`.

    Returns
    -------
    (...)
        To be compared with :func:`fim_trace`, which exceeds it when the information is below
        :func:`claim_threshold`.

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> claimed = claimed_trace_bound(0.01, gain, phi, array, 16, 0.1)  # at 0.01 nat
    >>> bool(claimed < fim_trace(gain, phi, array, 16, 0.1))  # no bound
    True
    """
    information = _checks.non_negative("mutual_information", mutual_information)
    n_aps, loudest = _loudest(gain, phi, array)
    energy = _energy(n_pilots, noise_variance)
    return 4 * n_aps * energy * loudest * information


def claim_threshold(gain: ArrayLike, phi: ArrayLike, array: UniformLinearArray) -> Array:
    """Least mutual information, in nats, at which Claims 1 and 2 of zhang hold.

    ``sum_m (2 + |alpha_m|^2 eta_m) / [2 M (2 + max|alpha|^2 max eta)]``: never more than half a
    nat, and exactly that when every ``|alpha_m|^2 eta_m`` is as large as the product of the two
    maxima, as for equal access points. It depends neither on T nor on the noise.

    Parameters
    ----------
    gain : (..., M) complex
        alpha_m of each access point.
    phi : (..., M) float
        phi_m of each access point (rad).
    array : UniformLinearArray
        The array of every access point.

    Returns
    -------
    (...)
        In nats, at most 1/2; for zhang (20) and (21).

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> print(f"{claim_threshold(gain, phi, array):.3f} nat")
    0.296 nat
    """
    n_aps, loudest = _loudest(gain, phi, array)
    one_pilot = np.asarray(fim_trace(gain, phi, array, 1, 1.0)) / 2
    return one_pilot / (2 * n_aps * loudest)


def bpsk_information(snr: ArrayLike) -> Array:
    """Mutual information of one BPSK pilot seen in complex Gaussian noise, in nats.

    Parameters
    ----------
    snr : (...) float
        ``|alpha|^2 / sigma^2`` >= 0 after combining. The pilot is +1 or -1 with equal odds and the
        channel is known, so half of the noise is irrelevant.

    Returns
    -------
    (...)
        Between 0 and ln 2, by Gauss-Hermite quadrature good to 1e-9.

    Raises
    ------
    ValueError
        If ``snr`` is negative or not finite.

    Examples
    --------
    >>> (bpsk_information([0.0, 0.1, 1.0, 10.0]) / np.log(2)).round(3)  # bits
    array([0.   , 0.131, 0.721, 1.   ])
    """
    amplitude = np.sqrt(2 * _checks.non_negative("snr", snr))[..., None]
    nodes, weights = _hermite(240)
    log_ratio = np.logaddexp(0.0, -2 * amplitude * (amplitude + nodes))
    return np.clip(np.log(2) - log_ratio @ weights / np.sqrt(2 * np.pi), 0.0, np.log(2))


def digest_trace_bound(
    n_bits: ArrayLike,
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    """Repaired Theorem 1: Fisher information that survives in a digest of a few bits.

    If the observations of all access points are reduced to a message Q of ``n_bits`` bits, by
    any rule, known or random, that does not know the parameters, then::

        Tr I_Q <= min{ Tr I_x,  2 lambda_max(I_x) n_bits ln 2 }.

    Parameters
    ----------
    n_bits : (...) float
        B >= 0, length of the message in bits (an entropy will do).
    gain, phi, array, n_pilots, noise_variance
        As in :func:`fim_trace`.

    Returns
    -------
    (...)
        The bound, in the units of the FIM's trace.

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> digest_trace_bound([0, 0.5, 1], gain, phi, array, 16, 0.1).round()
    array([    0.,  9356., 16474.])
    """
    nats = np.log(2) * _checks.non_negative("n_bits", n_bits)
    scene = (gain, phi, array, n_pilots, noise_variance)
    return np.minimum(fim_trace(*scene), 2 * largest_eigenvalue(*scene) * nats)


def useful_bits(gain: ArrayLike, phi: ArrayLike, array: UniformLinearArray) -> Array:
    """Digest length below which :func:`digest_trace_bound` says more than ``Tr I_x``, in bits.

    ``Tr I_x / (2 ln 2 lambda_max)``, at most ``3 M / (2 ln 2)``: 2.16 bits for each access
    point, however long the block.

    Parameters
    ----------
    gain : (..., M) complex
        alpha_m of each access point.
    phi : (..., M) float
        phi_m of each access point (rad).
    array : UniformLinearArray
        The array of every access point.

    Returns
    -------
    (...)
        In bits, for all M access points together.

    Raises
    ------
    ValueError
        If an argument is not finite, out of range, or M < 1.

    Examples
    --------
    >>> gain, phi, array = [0.5, 0.3j], [0.2, -0.9], UniformLinearArray(8)  # two access points
    >>> print(f"{useful_bits(gain, phi, array):.2f} bits")
    0.88 bits
    """
    scene = (gain, phi, array, 1, 1.0)
    return fim_trace(*scene) / (2 * np.log(2) * largest_eigenvalue(*scene))


@cache
def _hermite(n_nodes: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss-Hermite rule, which are slow to find."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights


def _loudest(gain: ArrayLike, phi: ArrayLike, array: UniformLinearArray) -> tuple[int, Array]:
    """Give M and zhang (19)'s ``2 + max|alpha|^2 max eta``."""
    gain, phi = _over_aps(gain, phi)
    steepest = np.max((array.kappa * projection(phi)) ** 2, axis=-1) * array.mean_square_index
    return gain.shape[-1], 2 + np.max(np.abs(gain) ** 2, axis=-1) * steepest


def _energy(n_pilots: ArrayLike, noise_variance: ArrayLike) -> Array:
    pilots = _checks.count("n_pilots", n_pilots)
    return pilots / _checks.positive("noise_variance", noise_variance)


def _local_fims(
    gain: ArrayLike,
    phi: ArrayLike,
    array: UniformLinearArray,
    n_pilots: ArrayLike,
    noise_variance: ArrayLike,
) -> Array:
    one_pilot = angle_gain.local_fim(*_over_aps(gain, phi), array, 1, 1.0)
    return one_pilot * _energy(n_pilots, noise_variance)[..., None, None, None]


def _over_aps(gain: ArrayLike, phi: ArrayLike) -> tuple[NDArray[np.complex128], Array]:
    """Check gain and angle, broadcast them, and refuse a network without access points."""
    gain, phi = _checks.finite("gain", gain, complex), _checks.finite("phi", phi)
    shape = _checks.must_broadcast(gain=gain.shape, phi=phi.shape)
    if not shape or shape[-1] == 0:
        raise ValueError("gain and phi must have shape (..., M) with M >= 1 access points")
    return np.broadcast_to(gain, shape), np.broadcast_to(phi, shape)
