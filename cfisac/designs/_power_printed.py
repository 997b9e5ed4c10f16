"""The quadratic transform as fan prints it, in CVXPY: a program that reads like the paper."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfisac.designs._power_certificate import upper_bound
from cfisac.designs._power_chosen import Chosen
from cfisac.designs._solve import SolverError, solve

Array = NDArray[np.float64]

_TOLERANCES = 1e-9, 1e-8, 1e-7  # the next one where the solver gives up
_MARGIN = 1e-8  # by how much less the program asks for, so that its rounding is no violation


class Program(NamedTuple):
    """fan_conf (27): one problem for all steps, as y and its square are parameters."""

    problem: Any
    eta: Any
    z: Any
    y: Any
    y_squared: Any
    limits: tuple[Any, ...]
    """Constraints on the SINR, on the power and, one for each target, on its information."""


def program(chosen: Chosen, n_beams: int) -> Program:
    """fan_conf (27a)-(27d), powers as shares of P_d, gains over the noise, F times gamma_s.

    (27b) is a second-order cone in the plane, in space a semidefinite one.
    """
    import cvxpy as cp  # late: a second that not every command needs

    n_aps, n_users, _ = chosen.shape
    eta = cp.Variable((n_aps, n_beams), nonneg=True)
    z = cp.Variable()
    y, y_squared = cp.Parameter(n_users, nonneg=True), cp.Parameter(n_users, nonneg=True)
    amplitude = cp.sum(cp.multiply(chosen.gain, cp.sqrt(eta[:, chosen.n_sensing :])), axis=0)
    rows = np.swapaxes(chosen.interference, 0, 1).reshape(n_users, -1)
    disturbance = 1 + rows @ cp.vec(eta, order="C")
    served = 2 * cp.multiply(y, amplitude) - cp.multiply(y_squared, disturbance) >= z
    within = cp.sum(eta, axis=1) <= 1
    efim, spreads = _information(chosen, eta)
    located = [_located(each * (1 - _MARGIN)) for each in efim]
    every = [served, within, *spreads, *(each for pair in located for each in pair)]
    problem = cp.Problem(cp.Maximize(z), every)
    return Program(problem, eta, z, y, y_squared, (served, within, *(each[0] for each in located)))


def _located(efim: Any) -> list[Any]:
    """``Tr F^-1 <= 1``: a second-order cone in the plane, in space the Schur complement."""
    import cvxpy as cp

    if efim.shape[0] == 2:
        first, second, beside = efim[0, 0], efim[1, 1], efim[0, 1]
        return [cp.SOC(first + second - 2, cp.hstack([2, first - second, 2 * beside]))]
    inverse = cp.Variable(efim.shape, symmetric=True)
    unit = np.eye(efim.shape[0])
    return [cp.bmat([[efim, unit], [unit, inverse]]) >> 0, cp.trace(inverse) <= 1]


def _information(chosen: Chosen, eta: Any) -> tuple[list[Any], list[Any]]:
    """F_t of every target, and the constraints on what the beams' spread adds to it."""
    import cvxpy as cp

    efim, constraints = [], []
    for t in range(chosen.shape[2]):
        lit = cp.sum(cp.multiply(chosen.hit[:, :, t], eta), axis=1)
        total = _sum_of(np.moveaxis(chosen.base[:, t], 0, -1), lit)
        if chosen.depart is not None:
            hit, cross, slope, vectors = chosen.scaled_departure()
            if cross.shape[-1] > 1:
                raise ValueError("bound must be 'approximate' for this form in space")
            spread = cp.Variable(len(hit))
            beside = cross[:, :, t, 0]
            lit, turned, real, imaginary = (
                cp.sum(cp.multiply(each, eta), axis=1)
                for each in (hit[:, :, t], slope[:, :, t, 0, 0], beside.real, beside.imag)
            )
            rest = turned - spread
            sides = cp.vstack([lit - rest, 2 * real, 2 * imaginary])
            constraints.append(cp.SOC(lit + rest, sides, axis=0))
            along = vectors[:, t, :, 0]
            total = total + _sum_of(np.einsum("pi,pj->ijp", along, along), spread)
        efim.append(total)
    return efim, constraints


def _sum_of(rows: Array, weights: Any) -> Any:
    """Matrices (D, D, P) times weights (P,), as a matrix that CVXPY sees to be symmetric."""
    import cvxpy as cp

    size = len(rows)
    entries = {(i, j): rows[i, j] @ weights for j in range(size) for i in range(j + 1)}
    return cp.bmat([[entries[min(i, j), max(i, j)] for j in range(size)] for i in range(size)])


def steps(
    chosen: Chosen, share: Array, tolerance: float, max_steps: int
) -> tuple[Array, float, list[float]]:
    """fan_conf Algorithm 1: powers, a certified bound on what any reach, and z after each step."""
    found = program(chosen, share.shape[1])
    before, trace = 0.0, []
    for _ in range(max_steps):
        disturbance = chosen.disturbance(share)
        y = np.sqrt(chosen.signal(share)) / disturbance  # (28)
        found.y.value, found.y_squared.value = y, y**2
        _solve(found.problem)
        share = np.clip(found.eta.value, 0.0, None)
        share = share / np.maximum(share.sum(axis=1, keepdims=True), 1.0)
        trace.append(float(found.z.value))
        if abs(trace[-1] - before) <= tolerance:
            return share, _bound(chosen, found, share), trace
        before = trace[-1]
    raise SolverError("quadratic transform", f"z still changes after {max_steps} steps")


def _solve(problem: Any) -> None:
    what = "power allocation by the quadratic transform"
    names = "tol_gap_abs", "tol_gap_rel", "tol_feas"
    for tolerance in _TOLERANCES[:-1]:
        try:
            solve(problem, what, "CLARABEL", **dict.fromkeys(names, tolerance))
        except SolverError:
            continue
        return
    solve(problem, what, "CLARABEL", **dict.fromkeys(names, _TOLERANCES[-1]))


def _bound(chosen: Chosen, found: Program, share: Array) -> float:
    """From the last step's multipliers, which at the optimum are those of the problem itself."""
    served, within, *located = (each.dual_value for each in found.limits)
    value = float(np.min(chosen.signal(share) / chosen.disturbance(share)))
    size = chosen.base.shape[-1]
    information = np.zeros((len(located), size, size))
    for t, dual in enumerate(located):
        if size == 2:
            y, (_, difference, beside) = np.squeeze(dual[0]), np.ravel(dual[1])
            information[t] = [[y + difference, beside], [beside, y - difference]]
        else:
            information[t] = dual[:size, :size]
    interference = value * served / chosen.disturbance(share)
    return upper_bound(chosen, share, within, interference, information)
