"""Coefficients of the access points that send, in units in which a solver sees numbers about one.

Powers are counted in those of their access point, the information about a target in units of what
is asked for: ``Tr F^-1 <= 1``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.designs._power_coefficients import Bound, Coefficients
from cfisac.designs._solve import Infeasible

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Modes = NDArray[np.bool_]

_NOTHING = 1e-8


@dataclass(frozen=True, eq=False)
class Chosen:
    """P access points that send, T targets whose bound is limited; powers are shares of P_d."""

    sends: Modes
    gain: Array  # (P, K)
    interference: Array  # (P, K, B)
    base: Array  # (P, T, D, D), of all receivers, times crlb_max
    hit: Array  # (P, B, T), of Proposition 1 or of all beams
    depart: tuple[ComplexArray, Array, Array] | None
    """If all beams count: cross (P, B, T, D-1), slope (P, B, T, D-1, D-1), the vectors (P, T, D,
    D-1) by which a spread becomes information in the units of ``base``."""
    n_sensing: int  # how many beams of an access point are no data beams

    @property
    def shape(self) -> tuple[int, int, int]:
        """P, K, T."""
        return len(self.gain), self.gain.shape[1], self.base.shape[1]

    def signal(self, share: Array) -> Array:
        """``(sum_p g sqrt(eta))^2`` of every user."""
        return np.asarray(np.sum(self.gain * np.sqrt(share[:, self.n_sensing :]), axis=0) ** 2)

    def disturbance(self, share: Array) -> Array:
        """``1 + sum a eta`` of every user."""
        return np.asarray(1 + np.einsum("pqb,pb->q", self.interference, share))

    def efim(self, share: Array) -> Array:
        """Information about every limited target in units of what is asked for, (T, D, D)."""
        total = np.einsum("pb,pbt,ptij->tij", share, self.hit, self.base, optimize=True)
        if self.depart is not None:
            lean = self.leaning(share)
            total += np.einsum("pb,pbtij->tij", share, self.departure(lean), optimize=True)
        return np.asarray(total)

    def leaning(self, share: Array) -> ComplexArray:
        """The xi (P, T, D-1) that makes the spread of the beams least: ``a^H V a' / a^H V a``."""
        assert self.depart is not None
        below = np.einsum("pb,pbt->pt", share, self.hit)[..., None]
        above = np.einsum("pb,pbti->pti", share, self.depart[0])
        return np.divide(above, below, where=below > 0, out=np.zeros_like(above))

    def departure(self, lean: ComplexArray) -> Array:
        """Information of each beam by its departure, (P, B, T, D, D), at a given xi.

        ``(a' - xi a)^H C (a' - xi a)``, linear in the powers and never below the true spread.
        """
        assert self.depart is not None
        cross, slope, vectors = self.depart
        xi = lean[:, None]
        mixed = (cross.conj()[..., :, None] * xi[..., None, :]).real
        own = (xi.conj()[..., :, None] * xi[..., None, :]).real * self.hit[..., None, None]
        spread = slope - mixed - np.swapaxes(mixed, -1, -2) + own
        return vectors[:, None] @ spread @ np.swapaxes(vectors, -1, -2)[:, None]

    def scaled_departure(self) -> tuple[Array, ComplexArray, Array, Array]:
        """``hit``, ``cross`` and ``slope``, the largest about one, and vectors that make up for it.

        Each transmitter and target in units of its own. What is next to nothing there is nothing:
        its square is below rounding.
        """
        assert self.depart is not None
        cross, slope, vectors = self.depart
        largest = np.trace(slope, axis1=-2, axis2=-1).max(axis=1), self.hit.max(axis=1)
        root, bright = (np.sqrt(np.where(each > 0, each, 1.0)) for each in largest)
        beside = cross / (bright * root)[:, None, :, None]
        return (
            _clean(self.hit / bright[:, None] ** 2),
            _clean(beside.real) + 1j * _clean(beside.imag),
            _clean(slope / root[:, None, :, None, None] ** 2),
            vectors * root[..., None, None],
        )

    def worst(self, share: Array) -> float:
        """The largest ``Tr F^-1`` over what is asked for; ``inf`` if a target cannot be located."""
        if not self.shape[2]:
            return 0.0
        efim = self.efim(share)
        least = np.linalg.eigvalsh(efim)[:, 0]
        if np.any(least <= 1e-12 * np.trace(efim, axis1=-2, axis2=-1)):
            return np.inf
        return float(np.trace(np.linalg.inv(efim), axis1=-2, axis2=-1).max())


def choose(
    coefficients: Coefficients,
    crlb_max: ArrayLike,
    sends: ArrayLike | None,
    hears: ArrayLike | None,
    bound: Bound,
) -> Chosen:
    """Coefficients of given modes, checked and scaled."""
    sending, hearing = coefficients.modes(sends, hears)
    _checks.one_of("bound", bound, "exact", "approximate")
    n_targets = coefficients.n_targets
    limit = np.asarray(crlb_max, dtype=float)
    if limit.shape not in ((), (n_targets,)) or np.any(np.isnan(limit)) or np.any(limit <= 0):
        raise ValueError(
            f"crlb_max must be one number or {n_targets}, > 0 (m^2) or inf, got {crlb_max!r}"
        )
    limit = np.broadcast_to(limit, n_targets)
    limited = np.isfinite(limit)
    budget, limit = coefficients.max_power[sending], limit[limited]
    if np.any(coefficients.gain[sending].max(axis=0) <= 0):
        unheard = np.flatnonzero(coefficients.gain[sending].max(axis=0) <= 0).tolist()
        raise Infeasible(f"no access point that sends reaches the users {unheard}")
    base = coefficients.information[np.ix_(sending, hearing)].sum(axis=1)[:, limited]
    base = base * (budget[:, None] * limit)[..., None, None]
    hit = np.zeros(coefficients.hit[sending][..., limited].shape)
    depart = None
    if bound == "approximate":
        for at, target in enumerate(np.flatnonzero(limited)):
            hit[:, target, at] = 1.0
    else:
        hit = coefficients.hit[sending][..., limited]
        weight = coefficients.weight[np.ix_(sending, hearing)].sum(axis=1)[:, limited]
        root = np.sqrt(weight * budget[:, None] * limit)[..., None, None]
        vectors = root * coefficients.across[sending][:, limited]
        depart = (
            coefficients.cross[sending][:, :, limited],
            coefficients.slope[sending][:, :, limited],
            vectors,
        )
    return Chosen(
        sends=sending,
        gain=coefficients.gain[sending] * np.sqrt(budget)[:, None],
        interference=coefficients.interference[sending] * budget[:, None, None],
        base=base,
        hit=hit,
        depart=depart,
        n_sensing=n_targets,
    )


def _clean(values: Array) -> Array:
    return np.where(np.abs(values) < _NOTHING, 0.0, values)
