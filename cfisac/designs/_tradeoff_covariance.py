"""What access points should send together: the covariance of most rate for a position error bound.

Stacked antennas send ``x`` with covariance S; the user's receiver knows the channel H, those that
locate know the symbols. Towards a place, array q has the response ``a_q``. What shines on it is
``b_q = a_q^H S a_q``, and what the direction changes in the signal beyond its complex scale, along
``e_q``, is ``c_q = e_q^H S e_q - |e_q^H S a_q|^2 / a_q^H S a_q``. Then::

    R = log2 det(I + H S H^H),        J = sum_q b_q F_q + c_q G_q,

with the informations F, G per watt. R is a concave function of S and so is J, as a matrix; hence
``1 / tr J^-1`` is concave and the program semidefinite.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks, fisher
from cfisac.designs._solve import Infeasible, SolverError, solve
from cfisac.designs._tradeoff_light import (
    Light,
    a_matrix,
    covariance_rate,
    expression,
    lighting,
    through,
)

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

# Optima are of low rank and often not unique: the solver's linear systems need more than its usual
# regularisation. What comes back is made feasible and bounded here, so that neither depends on it.
_TRIES: tuple[dict[str, Any], ...] = tuple(
    {
        "static_regularization_constant": 1e-7,
        **{f"{kind}tol_{name}": size
           for kind in ("", "reduced_") for name in ("feas", "gap_abs", "gap_rel")},
    }
    for size in (1e-8, 1e-7)
)  # fmt: skip
_ROOM = 1e-6  # relative: by how much an answer may miss a demand
_EDGE = 1e-4  # the same: how near to the sharpest a solver gets


@dataclass(frozen=True, eq=False)
class Covariance:
    """What is sent, what it gives, and what nothing else can exceed.

    Parameters
    ----------
    matrix : (n, n) complex
        S in watts.
    rate : float
        bit/s/Hz.
    peb : float
        In metres.
    upper_bound : float
        Certificate: of :func:`best_covariance`, no S within the demands has a larger rate; of
        :func:`sharpest_covariance`, none a larger ``1 / PEB^2`` (m^-2). Computed from S and the
        multipliers by weak duality; true whatever the solver did.

    Examples
    --------
    >>> nothing = Covariance(np.zeros((2, 2)), rate=0.0, peb=np.inf, upper_bound=0.0)
    >>> nothing.peb
    inf
    """

    matrix: ComplexArray
    rate: float
    peb: float
    upper_bound: float


def best_covariance(
    channel: ArrayLike, light: Light, largest_peb: float, total_power: ArrayLike = 1.0
) -> Covariance:
    """Covariance of the largest rate whose position error bound is small enough.

    Parameters
    ----------
    channel : (m, n) complex
        H over the root of the noise variance (W^-1/2), from all n antennas to the user.
    light : Light
        How the same antennas light the place.
    largest_peb : float
        In metres, > 0; ``inf`` asks for the rate alone.
    total_power : (P,) float
        Of each of P access points with n / P antennas each, > 0 (W); one number is the power of
        all antennas together.

    Returns
    -------
    Covariance
        With an upper bound on the rate. If ``largest_peb`` is within 1e-4 of the best reachable
        one it is a mixture with the sharpest covariance, and its bound may be far above its rate.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not fit.
    Infeasible
        If no covariance is so sharp; it says how sharp one can be.
    SolverError
        If the solver finds no optimum, or one that misses the demand.

    Examples
    --------
    >>> a = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    >>> per_watt = np.array([np.diag([90.0, 10.0]), np.diag([10.0, 90.0])])
    >>> channel = 3 * a[:1]  # the user stands where the first beam points
    >>> best = best_covariance(channel, Light(a, per_watt), largest_peb=0.25)
    >>> round(best.rate, 2), round(best.peb, 2), round(best.upper_bound - best.rate, 4)
    (3.15, 0.25, 0.0)
    """
    n = light.responses.shape[1]
    h, powers = a_matrix("channel", channel), _powers(total_power, n)
    if h.shape[1] != n:
        raise ValueError(f"channel must have a column for each of {n} antennas, got {h.shape}")
    limit = np.asarray(_checks.or_inf("largest_peb", largest_peb, _checks.positive))
    if limit.ndim:
        raise ValueError(f"largest_peb must be one number, got {largest_peb!r}")
    most = None
    if np.isfinite(limit):
        most = sharpest_covariance(h, light, powers)
        if limit < most.peb * (1 - _ROOM):
            raise Infeasible(
                f"largest_peb of {limit:g} m is asked for, {most.peb:g} m is the best reachable"
            )
    edge = limit if most is None else np.maximum(limit, most.peb * (1 + _EDGE))
    program = _Program(light, h, powers, float(edge))
    if most is not None:
        program.demand(1.0)
    program.maximise(program.rate, "covariance")
    matrix, prices = program.found()
    if most is not None and edge > limit:
        # A solver wants a set with an inside; a mixture with the sharpest is sharp enough.
        ends = 1 / most.peb**2, 1 / _peb(light, matrix) ** 2
        part = float(np.clip((ends[0] - 1 / limit**2) / max(ends[0] - ends[1], 1e-300), 0.0, 1.0))
        matrix = (1 - part) * most.matrix + part * matrix
    peb = _peb(light, matrix)
    if peb > limit * (1 + _ROOM):
        raise SolverError("covariance", f"optimal, but its PEB is {peb:g} m, not {limit:g} m")
    unit = program.rate_per_unit()
    weight = unit * program.weight() if most is not None else np.zeros((2, 2))
    bound = _bound(h, light, float(limit), powers, unit * prices, weight, program.shares())
    return Covariance(matrix, covariance_rate(matrix, h), peb, bound)


def _bound(
    h: ComplexArray,
    light: Light,
    limit: float,
    powers: Array,
    prices: Array,
    weight: Array,
    shares: ComplexArray,
) -> float:
    """Upper bound on the rate of every covariance within the powers and the PEB.

    By weak duality, for any prices of the powers, any Z >= 0 (``weight``) and any w (``shares``).
    With ``c <= (e - w a)^H S (e - w a)`` and ``<Z, J> tr J^-1 >= (tr Z^1/2)^2`` the demand is
    ``<M, S> >= (tr Z^1/2)^2 / PEB^2``, and what is left is water-filling on the channel seen
    through ``W = prices - M``. The solver is not trusted: prices are raised until W >= 0.
    """
    z, root_trace = _root_trace(weight)
    m = lighting(light, z, shares)
    each, scaled, raised = _raised(m, prices, powers)
    # What is left has an inverse: prices are a little above what W >= 0 asks for.
    left = raised * np.eye(len(m)) - scaled
    seen = h / np.sqrt(each)
    gains = np.linalg.eigvalsh(seen @ np.linalg.solve(left, seen.conj().T)) / np.log(2)
    wet = gains[gains > 1]
    water = float(np.sum(np.log2(wet) - (1 - 1 / wet) / np.log(2)))
    spent = float(each.reshape(len(powers), -1)[:, 0] @ powers)
    return water + raised * spent - root_trace**2 / limit**2


def sharpest_covariance(
    channel: ArrayLike, light: Light, total_power: ArrayLike = 1.0
) -> Covariance:
    """Covariance of the smallest position error bound, whatever the rate.

    Takes the arguments of :func:`best_covariance`.

    Returns
    -------
    Covariance
        With an upper bound on ``1 / PEB^2`` in m^-2.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not fit.
    Infeasible
        If no covariance fixes the position.
    SolverError
        If the solver finds no optimum.

    Examples
    --------
    >>> a = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    >>> per_watt = np.array([np.diag([90.0, 10.0]), np.diag([10.0, 90.0])])
    >>> print(f"{sharpest_covariance(a[:1], Light(a, per_watt)).peb:.3f} m")
    0.200 m
    """
    n = light.responses.shape[1]
    h, powers = a_matrix("channel", channel), _powers(total_power, n)
    start = _peb(light, _even(powers, n))
    if not np.isfinite(start):
        raise Infeasible("light fixes no position: even with all antennas lit the PEB is inf")
    program = _Program(light, np.zeros((0, n), dtype=complex), powers, start)
    program.demand(0.0)
    program.maximise(program.sharpness, "sharpest covariance")
    matrix, prices = program.found()
    # With the same duality: (tr Z^1/2)^2 / PEB^2 <= <Z, J> <= <M, S> <= prices of the powers.
    z, root_trace = _root_trace(program.weight())
    each, _, raised = _raised(lighting(light, z, program.shares()), prices, powers)
    bound = raised * float(each.reshape(len(powers), -1)[:, 0] @ powers) / root_trace**2
    return Covariance(matrix, covariance_rate(matrix, h), _peb(light, matrix), bound)


class _Program:
    """The semidefinite program, in watts of the largest power and in units of a PEB.

    Only what the channel and the place see of each access point's antennas is unknown: power
    anywhere else is lost on both.
    """

    def __init__(self, light: Light, h: ComplexArray, powers: Array, peb: float) -> None:
        import cvxpy as cp

        self.scale, self.powers, self.peb = float(powers.max()), powers, peb
        self.cones: list[Any] = []
        self.basis, blocks = _seen(light, h, len(powers))
        self.share = cp.Variable((blocks[-1], blocks[-1]), hermitian=True)
        self.limits = [
            cp.real(cp.trace(self.share[i:j, i:j])) <= power / self.scale
            for i, j, power in zip(blocks[:-1], blocks[1:], powers, strict=True)
        ]
        self.parts: list[Any] = [*self.limits, self.share >> 0]
        self.light, self.unit = through(light, self.basis), self.scale * peb**2
        self.m, self.rate = len(h), cp.Variable()
        if self.m == 0:
            self.parts.append(self.rate == 0)
            return
        # Whitened by what evenly spread power brings: the determinant has size one.
        whole = np.eye(self.m) + h @ _even(powers, h.shape[1]) @ h.conj().T
        root = np.linalg.inv(np.linalg.cholesky(whole))
        gain, noise = root @ h @ self.basis * np.sqrt(self.scale), root @ root.conj().T
        heard = noise + gain @ self.share @ gain.conj().T
        # Monotone functions of the rate, without a logarithm where it can be had.
        if self.m == 1:
            self.parts.append(self.rate <= cp.real(heard[0, 0]))
        elif self.m == 2:  # rate^2 <= det
            first, second = (cp.real(heard[i, i]) for i in range(2))
            edge = [2 * self.rate, 2 * cp.real(heard[0, 1]), 2 * cp.imag(heard[0, 1])]
            self.parts.append(cp.SOC(first + second, cp.hstack([*edge, first - second])))
        else:
            real, imaginary = cp.real(heard), cp.imag(heard)
            both = cp.bmat([[real, -imaginary], [imaginary, real]])
            self.parts.append(self.rate <= cp.log_det((both + both.T) / 2) / 2)

    def demand(self, least: float) -> None:
        """Let ``1 / tr J^-1`` of a 2 x 2 information be a variable, at least ``least``."""
        import cvxpy as cp

        told, cones = expression(self.light, self.share, self.unit)
        self.sharpness = cp.Variable()
        edge = [2 * self.sharpness, told[0, 0] - told[1, 1], 2 * told[0, 1]]
        trace = told[0, 0] + told[1, 1]
        self.cone = cp.SOC(trace - 2 * self.sharpness, cp.hstack(edge))
        self.cones = cones
        self.parts += [*cones, self.cone, self.sharpness >= least]

    def maximise(self, what: Any, name: str) -> None:
        """Solve it."""
        import cvxpy as cp

        problem = cp.Problem(cp.Maximize(what), self.parts)
        try:
            solve(problem, name, **_TRIES[0])
        except SolverError:
            solve(problem, name, **_TRIES[1])

    def found(self) -> tuple[ComplexArray, Array]:
        """The covariance in watts, and the prices of a watt of each power."""
        inside = self.basis @ self.share.value @ self.basis.conj().T
        prices = [float(np.asarray(each.dual_value).item()) for each in self.limits]
        return _cleaned(self.scale * inside, self.powers), np.array(prices) / self.scale

    def weight(self) -> Array:
        """Z of the demand, ``<Z, J>`` in units of the objective."""
        head, edge = (np.ravel(each) for each in self.cone.dual_value)
        z = np.array([[head[0] + edge[1], edge[2]], [edge[2], head[0] - edge[1]]])
        return np.asarray(z * self.peb**2)

    def shares(self) -> ComplexArray:
        """Share w of each direction of departure: how much of the response hides in its slope."""
        found = []
        for cone in self.cones:
            head, edge = (np.ravel(each) for each in cone.dual_value)
            total = head[0] + edge[2]
            found.append(-(edge[0] - 1j * edge[1]) / total if total > 0 else 0.0)
        return np.array(found, dtype=complex)

    def rate_per_unit(self) -> float:
        """Derivative of the rate (bit/s/Hz) by the objective."""
        value = float(self.rate.value)
        slope = {1: 1 / value, 2: 2 / value}.get(self.m, 1.0)
        return slope / float(np.log(2))


def _seen(light: Light, h: ComplexArray, n_aps: int) -> tuple[ComplexArray, list[int]]:
    """Orthonormal columns that span what is seen of each access point, and where each begins."""
    slopes = [] if light.response_slopes is None else [light.response_slopes]
    vectors = np.concatenate([light.responses, h.conj(), *slopes]).T
    n = len(vectors)
    size = n // n_aps
    whole: ComplexArray = np.zeros((n, 0), dtype=complex)
    starts = [0]
    for p in range(n_aps):
        own = vectors[p * size : (p + 1) * size]
        own = own[:, np.any(own != 0, axis=0)]
        columns = np.linalg.qr(own)[0] if own.size else np.eye(size, 1)
        padded = np.zeros((n, columns.shape[1]), dtype=complex)
        padded[p * size : (p + 1) * size] = columns
        whole = np.concatenate([whole, padded], axis=1)
        starts.append(whole.shape[1])
    return whole, starts


def _peb(light: Light, matrix: ComplexArray) -> float:
    return float(fisher.position_error_bound(light.information(matrix)))


def _root_trace(weight: Array) -> tuple[Array, float]:
    """The nearest Z >= 0, and the trace of its root."""
    values, vectors = np.linalg.eigh((weight + weight.T) / 2)
    values = np.maximum(values, 0.0)
    return (vectors * values) @ vectors.T, float(np.sum(np.sqrt(values)))


def _raised(m: ComplexArray, prices: Array, powers: Array) -> tuple[Array, ComplexArray, float]:
    """Price of each antenna's power, M in units of them, and by how much they must be raised."""
    floor = 1e-9 * max(float(np.max(prices)), float(np.abs(m).max() * (prices.max() <= 0)), 1e-30)
    each = np.repeat(np.maximum(prices, floor), len(m) // len(powers))
    scaled = m / np.sqrt(np.outer(each, each))
    largest = float(np.linalg.eigvalsh((scaled + scaled.conj().T) / 2)[-1])
    return each, scaled, max(1.0, largest) * (1 + 1e-9)


def _cleaned(matrix: ComplexArray, powers: Array) -> ComplexArray:
    """The nearest covariance to what a solver gave, within the powers to the last digit."""
    values, vectors = np.linalg.eigh((matrix + matrix.conj().T) / 2)
    clean = (vectors * np.maximum(values, 0.0)) @ vectors.conj().T
    size = len(clean) // len(powers)
    spent = np.real(np.diagonal(clean)).reshape(len(powers), size).sum(axis=1)
    keep = np.repeat(np.sqrt(np.minimum(1.0, powers / np.maximum(spent, 1e-300))), size)
    return np.asarray(keep[:, None] * clean * keep)


def _even(powers: Array, n: int) -> ComplexArray:
    size = n // len(powers)
    return np.diag(np.repeat(powers / size, size)).astype(complex)


def _powers(total_power: ArrayLike, n: int) -> Array:
    powers = np.atleast_1d(_checks.positive("total_power", total_power))
    if powers.ndim != 1 or n % len(powers):
        raise ValueError(
            f"total_power must be one number or a list whose length divides {n} antennas, "
            f"got shape {powers.shape}"
        )
    return powers
