"""What a covariance sends to a user and towards a place: rate, information, and its gradient."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, arrays, geometry
from cfisac.limits import multistatic
from cfisac.scenarios import MultistaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def covariance_rate(matrix: ArrayLike, channel: ArrayLike) -> float:
    """Rate ``log2 det(I + H S H^H)`` of a covariance.

    Parameters
    ----------
    matrix : (n, n) complex
        S in watts.
    channel : (m, n) complex
        H over the root of the noise variance (W^-1/2).

    Returns
    -------
    float
        bit/s/Hz.

    Raises
    ------
    ValueError
        If the shapes do not fit or an argument is not finite.

    Examples
    --------
    >>> round(covariance_rate(np.eye(2) / 2, [[2.0, 0.0], [0.0, 2.0]]), 2)
    3.17
    """
    h = a_matrix("channel", channel)
    s = _square("matrix", matrix, h.shape[1])
    return float(np.linalg.slogdet(np.eye(len(h)) + h @ s @ h.conj().T)[1] / np.log(2))


@dataclass(frozen=True, eq=False)
class Light:
    """How arrays light a place, and what their echoes tell of it per watt.

    Of n antennas in all, those of Q arrays one after the other, that send with the covariance S.
    Array q lights the place with ``b_q = a_q^H S a_q``. What its direction changes in the signal
    beyond a complex scale is ``c_q = e_q^H S e_q - |e_q^H S a_q|^2 / b_q``.

    Parameters
    ----------
    responses : (Q, n) complex
        a_q, zero at the antennas of others.
    per_watt : (Q, 2, 2) float
        F_q: information in the echoes of one watt of b_q, as ``paths.each()`` gives it.
    response_slopes : (Q, n) complex, optional
        e_q, along the derivative of a_q by the direction and of any length; without it directions
        of departure count for nothing.
    slope_per_watt : (Q, 2, 2) float, optional
        G_q: information per watt of c_q.

    Raises
    ------
    ValueError
        If the shapes do not fit or an argument is not finite.

    Examples
    --------
    >>> light = Light(np.ones((1, 2)) / np.sqrt(2), 4 * np.eye(2)[None])
    >>> light.information(np.eye(2))
    array([[4., 0.],
           [0., 4.]])
    """

    responses: ComplexArray
    per_watt: Array
    response_slopes: ComplexArray | None = None
    slope_per_watt: Array | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        a, f = a_matrix("responses", self.responses), _checks.finite("per_watt", self.per_watt)
        if f.shape != (len(a), 2, 2):
            raise ValueError(f"per_watt must have shape ({len(a)}, 2, 2), got {f.shape}")
        given: dict[str, Any] = {"responses": a, "per_watt": f}
        if (self.response_slopes is None) != (self.slope_per_watt is None):
            raise ValueError("response_slopes and slope_per_watt must be given together")
        if self.response_slopes is not None and self.slope_per_watt is not None:
            e = a_matrix("response_slopes", self.response_slopes)
            g = _checks.finite("slope_per_watt", self.slope_per_watt)
            if e.shape != a.shape or g.shape != f.shape:
                raise ValueError(
                    "response_slopes and slope_per_watt must have the shapes of responses and "
                    f"per_watt, got {e.shape} and {g.shape}"
                )
            given |= {"response_slopes": e, "slope_per_watt": g}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_scene(cls, scene: MultistaticScene, target: int = 0) -> "Light":
        """How the transmitters of a scene light one of its targets, paths seen by all receivers.

        Parameters
        ----------
        scene : MultistaticScene
            In the plane, with transmitting arrays of one size.
        target : int

        Raises
        ------
        ValueError
            If the scene lies in space, has arrays of different sizes, or has no such target.
        """
        if scene.dimension != 2 or len(set(scene.n_transmit_antennas.tolist())) > 1:
            raise ValueError("scene must lie in the plane and have transmit arrays of one size")
        if target not in range(len(scene.targets)):
            raise ValueError(f"target must be in 0..{len(scene.targets) - 1}, got {target!r}")
        unit = geometry.sight(scene.targets[target], scene.transmitters).unit
        turned = np.stack([-unit[:, 1], unit[:, 0]], axis=-1)
        elements = np.stack(scene.transmit_elements)
        elements = elements - elements.mean(axis=1, keepdims=True)
        a = arrays.steering(elements, unit)
        e = 1j * np.einsum("pnd,pd->pn", elements, turned) * a
        size = np.linalg.norm(e, axis=1, keepdims=True)
        e = e / np.where(size > 0, size, 1.0)
        # Half a watt on each of the two beams: b = c = 1/2.
        both = [np.einsum("pi,pj->pij", each, each.conj()) for each in (a, e)]
        mixed = np.where((size > 0)[..., None], (both[0] + both[1]) / 2, both[0])
        one = replace(
            scene, targets=scene.targets[[target]], velocities=scene.velocities[[target]],
            beams=mixed[:, None], users=None,
            mean_rcs=float(np.broadcast_to(scene.mean_rcs, len(scene.targets))[target]),
        )  # fmt: skip
        f, mean = (
            multistatic.paths(one, 1.0, bound).information(1)[:, 0]
            for bound in ("approximate", "exact")
        )
        g = np.where((size > 0)[..., None], 2 * mean - f, 0.0)
        p, n = a.shape
        placed = np.zeros((2, p, p, n), dtype=complex)
        placed[:, range(p), range(p)] = a, e
        a, e = (each.reshape(p, p * n) for each in placed)
        return cls(a, f, e, g)

    def information(self, matrix: ArrayLike) -> Array:
        """Information (2, 2) about the place in what a covariance sends, ``sum b F + c G``.

        Parameters
        ----------
        matrix : (n, n) complex
            S in watts.

        Raises
        ------
        ValueError
            If the shape does not fit or an entry is not finite.
        """
        s = _square("matrix", matrix, self.responses.shape[1])
        lit = _forms(self.responses, s, self.responses)
        told = np.einsum("q,qij->ij", np.maximum(lit, 0.0), self.per_watt)
        if self.response_slopes is not None and self.slope_per_watt is not None:
            rest = self.response_slopes - _hidden(self, s)[:, None] * self.responses
            by_slope = np.maximum(_forms(rest, s, rest), 0.0)
            told = told + np.einsum("q,qij->ij", by_slope, self.slope_per_watt)
        return np.asarray((told + told.T) / 2)


def _forms(left: ComplexArray, s: ComplexArray, right: ComplexArray) -> Array:
    return np.real(np.einsum("qi,ij,qj->q", left.conj(), s, right))


def through(light: Light, basis: ComplexArray) -> Light:
    """The same light of what is sent through the columns of a basis (n, k)."""
    slopes = None if light.response_slopes is None else light.response_slopes @ basis.conj()
    return Light(light.responses @ basis.conj(), light.per_watt, slopes, light.slope_per_watt)


def gradient(light: Light, s: ComplexArray) -> ComplexArray:
    """Derivative of ``1 / tr J^-1`` by the covariance, where J has an inverse."""
    inverse = np.linalg.inv(light.information(s))
    return lighting(light, inverse @ inverse / np.trace(inverse) ** 2, _hidden(light, s))


def lighting(light: Light, weight: Array, shares: ComplexArray) -> ComplexArray:
    """M of ``<Z, J(S)> <= <M, S>``, an equality for the shares that are right for S."""
    by_light = np.einsum("ij,qij->q", weight, light.per_watt)
    total = np.einsum("q,qi,qj->ij", by_light, light.responses, light.responses.conj())
    if light.response_slopes is not None and light.slope_per_watt is not None:
        rest = light.response_slopes
        if shares.size:
            rest = rest - shares[:, None] * light.responses
        by_slope = np.einsum("ij,qij->q", weight, light.slope_per_watt)
        total = total + np.einsum("q,qi,qj->ij", by_slope, rest, rest.conj())
    return np.asarray(total)


def expression(light: Light, share: Any, scale: float) -> tuple[Any, list[Any]]:
    """J times ``scale`` of a CVXPY variable, and the cones that keep the c_q true."""
    import cvxpy as cp

    def forms(left: ComplexArray, right: ComplexArray) -> list[Any]:
        return [x.conj() @ share @ y for x, y in zip(left, right, strict=True)]

    lit = [cp.real(each) for each in forms(light.responses, light.responses)]
    told = sum(scale * f * b for f, b in zip(light.per_watt, lit, strict=True))
    cones = []
    if light.response_slopes is not None and light.slope_per_watt is not None:
        kept = cp.Variable(len(lit), nonneg=True)
        steep = forms(light.response_slopes, light.response_slopes)
        for q, cross in enumerate(forms(light.response_slopes, light.responses)):
            left = cp.real(steep[q]) - kept[q]
            edge = cp.hstack([2 * cp.real(cross), 2 * cp.imag(cross), left - lit[q]])
            cones.append(cp.SOC(left + lit[q], edge))
            told = told + scale * light.slope_per_watt[q] * kept[q]
    return (told + told.T) / 2, cones


def _hidden(light: Light, s: ComplexArray) -> ComplexArray:
    """Share w that makes ``(e - w a)^H S (e - w a)`` least: what the gain takes of a slope."""
    if light.response_slopes is None:
        return np.zeros(0, dtype=complex)
    lit = _forms(light.responses, s, light.responses)
    cross = np.einsum("qi,ij,qj->q", light.responses.conj(), s, light.response_slopes)
    floor = 1e-14 * np.max(np.abs(s), initial=0.0)
    return np.asarray(np.where(lit > floor, cross / np.where(lit > floor, lit, 1.0), 0.0))


def a_matrix(name: str, value: ArrayLike) -> ComplexArray:
    """Return ``value`` as a finite complex matrix."""
    given = _checks.finite(name, value, complex)
    if given.ndim != 2 or 0 in given.shape:
        raise ValueError(f"{name} must have two axes, got {given.shape}")
    return given


def _square(name: str, value: ArrayLike, n: int) -> ComplexArray:
    given = a_matrix(name, value)
    if given.shape != (n, n):
        raise ValueError(f"{name} must have shape ({n}, {n}), got {given.shape}")
    return given
