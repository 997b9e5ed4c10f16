"""What a placement is judged by: bounds of each target by places and antenna numbers."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]

_STEP = 1e-30  # of complex-step differentiation: there is no difference to be rounded


class Criterion(ABC):
    """Two numbers for each target that a placement shall make small.

    A class of one's own has ``traces``; if it takes complex numbers, that is enough: ``slopes``
    differentiates it by a complex step, exactly up to rounding.

    Examples
    --------
    Squared distances of one target at the origin from each of two access points:

    >>> class Distances(Criterion):
    ...     def traces(self, aps, n_antennas):
    ...         return np.sum(aps**2, axis=-1)[..., None]
    >>> value, slope = Distances().slopes(np.array([[3.0, 4.0], [0.0, 1.0]]), np.ones(2))
    >>> value.ravel(), slope[0, 0]  # by x, y and antenna number of both access points
    (array([25.,  1.]), array([[6., 8., 0.],
           [0., 0., 0.]]))
    """

    @abstractmethod
    def traces(self, aps: NDArray[Any], n_antennas: NDArray[Any]) -> NDArray[Any]:
        """For places (..., L, 2) in metres and antenna numbers (..., L): (..., 2, U).

        As a bound: the traces for the position (m^2) and for the velocity. Numbers of antennas
        need not be whole.
        """

    def slopes(self, aps: Array, n_antennas: Array) -> tuple[Array, Array]:
        """Traces (2, U) and their gradients (2, U, L, 3) by x, y and antenna number."""
        n_aps = len(aps)
        steps = 1j * _STEP * np.eye(3 * n_aps).reshape(-1, n_aps, 3)
        found = self.traces(aps + steps[..., :2], n_antennas + steps[..., 2])
        gradients = np.moveaxis(found.imag, 0, -1) / _STEP
        return found[0].real, gradients.reshape(*gradients.shape[:2], n_aps, 3)


class JointBound(Criterion):
    """Joint bound of position and velocity with unknown gains, of :mod:`.limits.cooperative`.

    Parameters
    ----------
    scene : MonostaticScene
        In the plane, with linear arrays. Its ``sample_snr`` holds where its access points stand,
        and falls with the fourth power of the distance.
    focused : bool
        Whether a matched beam of N_A antennas gains N_A, ``|chi|^2`` of liu (1); otherwise every
        access point keeps the gain that its beam has in the scene, whatever its antennas.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1), n_targets=1)
    >>> bound = JointBound(scene, focused=True)
    >>> np.sqrt(bound.traces(scene.aps, scene.n_antennas)).round(3)  # m and m/s
    array([[0.084],
           [0.032]])
    """

    def __init__(self, scene: MonostaticScene, focused: bool) -> None:
        frame = scene.waveform
        distance = geometry.sight(scene.targets[:, None], scene.aps).distance
        samples = frame.n_subcarriers * frame.n_symbols
        # Twice the SNR that one antenna makes of the samples of all it hears, times d^4: (U, L).
        self._loud = 2 * samples * scene.sample_snr.T * distance**4
        self._focused = focused
        if focused:
            self._loud /= np.asarray(scene.n_antennas)
        self._turn = (2 * np.pi * scene.spacing) ** 2
        self._root = np.linalg.cholesky(frame.delay_doppler_covariance()).T
        self._per_speed = -2 * scene.carrier_frequency / speed_of_light
        self._targets, self._velocity = scene.targets[:, None], scene.velocities[:, None]
        self._axes = np.array([0.0, 1.0]) if scene.axes is None else scene.axes

    def traces(self, aps: Array, n_antennas: Array) -> Array:
        """See :meth:`Criterion.traces`."""
        n = np.asarray(n_antennas, dtype=float)
        rows, seen = self._rows(np.asarray(aps)[..., None, :, :])
        weight = (self._loud / seen.distance**4)[..., None] * self._factors(n)[0][..., None, :, :]
        fim = np.swapaxes(rows * weight[..., None], -1, -2) @ rows
        variance = np.diagonal(np.linalg.inv(fim.sum(axis=-3)), axis1=-2, axis2=-1)
        return np.stack([variance[..., :2].sum(-1), variance[..., 2:].sum(-1)], axis=-2)

    def slopes(self, aps: Array, n_antennas: Array) -> tuple[Array, Array]:
        """See :meth:`Criterion.slopes`; here in closed form."""
        rows, seen = self._rows(aps)
        factor, factor_by_n = self._factors(n_antennas)
        level = (self._loud / seen.distance**4)[..., None]  # (U, L, 1)
        weight = level * factor
        fim = np.swapaxes(rows * weight[..., None], -1, -2) @ rows
        bound = np.linalg.inv(fim.sum(axis=1))
        half = np.stack([bound[:, :, :2], bound[:, :, 2:]])  # B W, (2, U, 4, 2)
        felt = rows @ half[:, :, None]  # (2, U, L, 3, 2)
        squares = np.sum(felt**2, axis=-1)  # h^T B W B h
        # d tr(W B) = -tr(B W B dF), with dF = sum dw h h^T + 2 w h dh^T
        turned = weight[..., None] * (felt @ np.swapaxes(half, -1, -2)[:, :, None])
        slopes = np.empty((2, *level.shape[:2], 3))
        slopes[..., :2] = 2 * self._bent(turned, seen)
        outward = (4 / seen.distance)[..., None] * seen.unit  # d log w by the access point
        slopes[..., :2] -= outward * np.sum(weight * squares, axis=-1)[..., None]
        slopes[..., 2] = -np.sum(level * factor_by_n * squares, axis=-1)
        variance = np.diagonal(bound, axis1=-2, axis2=-1)
        return np.stack([variance[:, :2].sum(-1), variance[:, 2:].sum(-1)]), slopes

    def _rows(self, aps: Array) -> tuple[Array, geometry.Sight]:
        """Gradients (..., U, L, 3, 4) of delay, Doppler shift and sine by the state.

        Those of delay and Doppler shift through the root of the waveform's covariance.
        """
        seen = geometry.sight(self._targets, aps)
        rows = np.zeros((*seen.distance.shape, 3, 4))
        rows[..., 0, :2] = 2 / speed_of_light * seen.unit
        rows[..., 1, :2] = self._per_speed * seen.turning(self._velocity)
        rows[..., 1, 2:] = self._per_speed * seen.unit
        rows[..., 2, :2] = seen.turning(self._axes)
        rows[..., :2, :] = self._root @ rows[..., :2, :]
        return rows, seen

    def _bent(self, turned: Array, seen: geometry.Sight) -> Array:
        """``sum_k turned_k . dh_k / dp``, for vectors (2, U, L, 3, 4)."""
        turned = turned.copy()
        turned[..., :2, :] = self._root.T @ turned[..., :2, :]
        by_range = 2 / speed_of_light * turned[..., 0, :2] + self._per_speed * turned[..., 1, 2:]
        across = by_range - np.sum(by_range * seen.unit, axis=-1)[..., None] * seen.unit
        bent: Array = across / seen.distance[..., None]
        for k, rate, vector in ((1, self._per_speed, self._velocity), (2, 1.0, self._axes)):
            bent += rate * (turned[..., k, None, :2] @ seen.bending(vector))[..., 0, :]
        return bent

    def _factors(self, n: Array) -> tuple[Array, Array]:
        """How the weights of delay, Doppler shift and sine grow with N_A, (..., L, 3), and d/dN."""
        heard, by_n = (n**2, 2 * n) if self._focused else (n, np.ones_like(n))
        spread, spread_by_n = self._turn * (n**2 - 1) / 12, self._turn * n / 6
        sine, sine_by_n = heard * spread, by_n * spread + heard * spread_by_n
        return np.stack([heard, heard, sine], -1), np.stack([by_n, by_n, sine_by_n], -1)
