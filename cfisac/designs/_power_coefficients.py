"""What a power allocation needs of a scene: gains, interference and information, all per watt."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher, geometry
from cfisac.arrays import steering
from cfisac.limits import multistatic
from cfisac.scenarios import MultistaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Modes = NDArray[np.bool_]
Bound = Literal["exact", "approximate"]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """All that a choice of modes and powers needs of a scene, over all its access points.

    A access points, K users, T targets, B = T + K beams: first those to the targets, then those to
    the users. Gains and interference are over the noise. Entries of access points that cannot send
    or cannot hear are zero, so that a choice of modes is an index.

    Parameters
    ----------
    gain : (A, K)
        ``g_pq = sqrt(tr B_pq / sigma^2)``, amplitude at user q of its own beam (W^-1/2).
    interference : (A, K, B)
        ``a_pqb = tr(R_pq C_pb) / sigma^2``, mean power at user q of the beam b (1/W).
    printed_interference : (A, K, B)
        ``tr(B_pq C_pb) / sigma^2``, with the covariance of the estimate, as in fan_conf (24).
    information : (A, A, T, D, D)
        ``F_prt`` of the position of target t on the path from p to r, for each watt that hits it,
        without what the angle of departure tells (m^-2 W^-1).
    hit : (A, B, T)
        ``a^H C_pb a``, share of the power of a beam that goes towards a target.
    cross : (A, B, T, D-1) complex
        ``a^H C_pb a'``, with the derivatives by the directions across the line of sight.
    slope : (A, B, T, D-1, D-1)
        ``Re a'^H C_pb a'``.
    weight : (A, A, T)
        Twice the SNR of a path for each watt that hits the target (1/W).
    across : (A, T, D, D-1)
        Directions across the line of sight over its length, by which a' goes over to the place
        (1/m).
    max_power : (A,)
        P_d of each access point (W).
    can_send, can_hear : (A,) bool
        What access points may do in the scene.

    Examples
    --------
    >>> from cfisac.scenarios import fan_network
    >>> network = fan_network(np.random.default_rng(1), n_aps=6, n_users=3, n_targets=1)
    >>> each = coefficients(network.scene, network.channels, network.estimates)
    >>> each.gain.shape, each.interference.shape, each.information.shape
    ((6, 3), (6, 3, 4), (6, 6, 1, 2, 2))
    """

    gain: Array
    interference: Array
    printed_interference: Array
    information: Array
    hit: Array
    cross: ComplexArray
    slope: Array
    weight: Array
    across: Array
    max_power: Array
    can_send: Modes
    can_hear: Modes

    @property
    def n_users(self) -> int:
        """K."""
        return self.gain.shape[1]

    @property
    def n_targets(self) -> int:
        """T."""
        return self.hit.shape[2]

    @property
    def n_beams(self) -> int:
        """B, of each access point."""
        return self.hit.shape[1]

    def as_printed(self) -> "Coefficients":
        """With the interference of fan_conf (24), which forgets the error of the estimate."""
        return replace(self, interference=self.printed_interference)

    def modes(self, sends: ArrayLike | None, hears: ArrayLike | None) -> tuple[Modes, Modes]:
        """Check a choice of modes; by default all do what they can."""
        chosen = []
        for name, given, able in (
            ("sends", sends, self.can_send),
            ("hears", hears, self.can_hear),
        ):
            mode = able if given is None else np.asarray(given)
            if mode.dtype != bool or mode.shape != able.shape:
                raise ValueError(f"{name} must be {len(able)} times True or False, got {given!r}")
            if np.any(mode & ~able):
                unable = np.flatnonzero(mode & ~able).tolist()
                raise ValueError(f"{name} must not be True for {unable}, which cannot in the scene")
            if not mode.any():
                raise ValueError(f"{name} must leave one access point or more")
            chosen.append(mode)
        return chosen[0], chosen[1]

    def checked_power(self, power: ArrayLike) -> Array:
        """Check powers of all beams, (A, B)."""
        checked, shape = _checks.non_negative("power", power), self.hit.shape[:2]
        if checked.shape != shape:
            raise ValueError(f"power must be {shape}, access points x beams, got {checked.shape}")
        return checked

    def sinr(self, power: ArrayLike) -> Array:
        """SINR of each user, (K,), fan_conf (24): ``(sum g sqrt(eta))^2 / (1 + sum a eta)``.

        Parameters
        ----------
        power : (A, B) float
            Of all beams (W); zero for access points that do not send.
        """
        power = self.checked_power(power)
        own = power[:, self.n_targets :]
        signal = np.sum(self.gain * np.sqrt(own), axis=0) ** 2
        return signal / (1 + np.einsum("pqb,pb->q", self.interference, power))

    def efim(
        self, power: ArrayLike, hears: ArrayLike | None = None, bound: Bound = "approximate"
    ) -> Array:
        """Information about the position of each target, (T, D, D) in m^-2.

        Parameters
        ----------
        power : (A, B) float
            Of all beams (W).
        hears : (A,) bool, optional
            Who listens; by default all that can.
        bound : {"approximate", "exact"}
            Proposition 1 of fan, the beam to the target alone, or all beams.
        """
        power = self.checked_power(power)
        _checks.one_of("bound", bound, "exact", "approximate")
        hears = self.modes(None, hears)[1]
        base = self.information[:, hears].sum(axis=1)
        if bound == "approximate":
            return np.einsum("pt,ptij->tij", power[:, : self.n_targets], base)
        towards, cross, slope = (
            np.einsum("pb,pb...->p...", power, each) for each in (self.hit, self.cross, self.slope)
        )
        lost = np.einsum("pti,ptj->ptij", cross.conj(), cross).real
        below = np.where(towards > 0, towards, 1.0)[..., None, None]
        spread = (slope - lost / below) * self.weight[:, hears].sum(axis=1)[..., None, None]
        turned = self.across @ spread @ np.swapaxes(self.across, -1, -2)
        return np.asarray(np.einsum("pt,ptij->tij", towards, base) + turned.sum(axis=0))

    def crlb(
        self, power: ArrayLike, hears: ArrayLike | None = None, bound: Bound = "approximate"
    ) -> Array:
        """Bound on the squared position error of each target, (T,) in m^2.

        Takes the arguments of :meth:`efim`; ``inf`` where the position cannot be identified.
        """
        return fisher.position_error_bound(self.efim(power, hears, bound)) ** 2


def coefficients(
    scene: MultistaticScene,
    channels: ArrayLike,
    estimates: ArrayLike,
    max_power: ArrayLike = 1.0,
) -> Coefficients:
    """Gains, interference and information of all beams and paths of a scene.

    User q estimates the channel ``h_pq ~ CN(0, R_pq)`` with covariance ``B_pq``; transmitters send
    beams ``C_pq = B_pq / tr B_pq`` of power eta. Then its symbol comes with the mean amplitude
    ``sum_p sqrt(eta_pq tr B_pq)``, and all else counts as noise: the beam b brings the power
    ``eta_pb tr(R_pq C_pb)``, for b = q too, where it is the fluctuation of the amplitude.
    fan_conf (24) has ``B_pq`` in place of ``R_pq``, which is the same if the estimate has no error.

    Parameters
    ----------
    scene : MultistaticScene
        P transmitters. To be free in the modes, let all access points have both roles
        (:func:`cfisac.scenarios.fan_network`). Data beams may be any of trace one.
    channels : (P, K, M_t, M_t) complex
        R_pq, of the channel from each transmitter to each user, all its paths together.
    estimates : (P, K, M_t, M_t) complex
        B_pq, of its estimate; not above R_pq.
    max_power : float or (A,)
        P_d > 0 of each access point of ``scene.aps`` (W).

    Returns
    -------
    Coefficients

    Raises
    ------
    ValueError
        If there is no user, a shape does not fit, or a number is not finite or out of range.

    Examples
    --------
    >>> from cfisac.scenarios import fan_network
    >>> network = fan_network(np.random.default_rng(1), n_aps=6, n_users=3, n_targets=1)
    >>> each = coefficients(network.scene, network.channels, network.estimates)
    >>> print(each.sinr(np.full((6, 4), 0.25)).round(2))  # all send, the same to each
    [3.51 9.05 1.24]
    """
    aps, n_targets = scene.aps, len(scene.targets)
    n_users, size = scene.n_beams - n_targets, scene.beams.shape[-1]
    if n_users < 1:
        raise ValueError("scene must have one data beam or more")
    sender, hearer = (
        np.argmin(np.linalg.norm(aps - stand[:, None], axis=-1), axis=1)
        for stand in (scene.transmitters, scene.receivers)
    )
    shape = (len(sender), n_users, size, size)
    covariances = []
    for name, value in (("channels", channels), ("estimates", estimates)):
        given: ComplexArray = _checks.finite(name, value, complex)
        if given.shape != shape:
            raise ValueError(f"{name} must be {shape}, transmitters x users, got {given.shape}")
        covariances.append(given / scene.noise_variance)
    channel, estimate = covariances
    power = np.trace(estimate, axis1=-2, axis2=-1).real
    all_power = np.trace(channel, axis1=-2, axis2=-1).real
    if np.any(power < 0) or np.any(power > all_power * (1 + 1e-9)):
        raise ValueError("estimates must have traces between zero and those of channels")
    budget = _checks.positive("max_power", max_power)
    if budget.shape not in ((), (len(aps),)):
        raise ValueError(f"max_power must be one number or {len(aps)}, got {budget.shape}")

    def everywhere(value: NDArray[np.generic], paths: bool = False) -> NDArray[np.generic]:
        """Over all access points, zero where there is nothing."""
        shape = (len(aps), len(aps), *value.shape[2:]) if paths else (len(aps), *value.shape[1:])
        spread = np.zeros(shape, value.dtype)
        spread[np.ix_(sender, hearer) if paths else sender] = value
        return spread

    def met(covariance: ComplexArray) -> Array:
        """``tr(R_pq C_pb)``."""
        flat = covariance.reshape(*shape[:2], -1), scene.beams.reshape(shape[0], -1, size * size)
        return np.einsum("pqi,pbi->pqb", flat[0], flat[1].conj(), optimize=True).real

    unit = np.zeros(scene.beams.shape[:2])
    unit[:, :n_targets] = 1.0
    paths = multistatic.paths(scene, unit, "approximate")
    hit, cross, slope, across = _departures(scene)
    given_all = {
        "gain": everywhere(np.sqrt(power)),
        "interference": everywhere(met(channel)),
        "printed_interference": everywhere(met(estimate)),
        "information": everywhere(paths.each(), paths=True),
        "hit": everywhere(hit),
        "cross": everywhere(cross),
        "slope": everywhere(slope),
        "weight": everywhere(2 * np.broadcast_to(paths.snr, paths.shape), paths=True),
        "across": everywhere(across),
        "max_power": np.broadcast_to(budget, len(aps)).copy(),
        "can_send": np.isin(np.arange(len(aps)), sender),
        "can_hear": np.isin(np.arange(len(aps)), hearer),
    }
    for array in given_all.values():
        array.setflags(write=False)
    return Coefficients(**given_all)  # type: ignore[arg-type]


def _departures(scene: MultistaticScene) -> tuple[Array, ComplexArray, Array, Array]:
    """``hit``, ``cross``, ``slope`` and ``across`` of all transmitters.

    A steering vector is differentiated by a turn of the direction, ``a' = 2 pi j e^T v a`` with a
    unit vector v across the line of sight; the place moves the direction by v over the distance.
    """
    seen = geometry.sight(scene.targets, scene.transmitters[:, None])
    tangents = _tangents(seen.unit)  # (P, T, D, D-1)
    n_antennas = scene.beams.shape[-1]
    response = np.zeros((*seen.unit.shape[:2], n_antennas), dtype=complex)
    turned = np.zeros((*response.shape, tangents.shape[-1]), dtype=complex)
    for p, elements in enumerate(scene.transmit_elements):
        centred = elements - elements.mean(axis=0)
        one = steering(centred, seen.unit[p])
        response[p, :, : len(elements)] = one
        turned[p, :, : len(elements)] = 2j * np.pi * one[..., None] * (centred @ tangents[p])
    lit = np.einsum("pbij,ptj->pbti", scene.beams, response, optimize=True)
    edge = np.einsum("pbij,ptjk->pbtik", scene.beams, turned, optimize=True)
    hit = np.einsum("pti,pbti->pbt", response.conj(), lit, optimize=True).real
    cross = np.einsum("pti,pbtik->pbtk", response.conj(), edge, optimize=True)
    slope = np.einsum("ptil,pbtik->pbtlk", turned.conj(), edge, optimize=True).real
    across = tangents / seen.distance[..., None, None]
    return np.clip(hit, 0.0, None), cross, slope, across


def _tangents(unit: Array) -> Array:
    """Orthonormal vectors across unit vectors, (..., D, D-1)."""
    if unit.shape[-1] == 2:
        return np.stack([-unit[..., 1], unit[..., 0]], axis=-1)[..., None]
    least = np.eye(3)[np.argmin(np.abs(unit), axis=-1)]
    first = np.cross(unit, least)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(unit, first)], axis=-1)
