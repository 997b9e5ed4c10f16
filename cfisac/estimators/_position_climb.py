"""Uphill to the top of a likelihood of positions: Gauss-Newton, and BFGS for weak echoes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._position_likelihood import (
    Array,
    ComplexArray,
    Likelihood,
    full,
    simplified,
    solve_gains,
    value_and_score,
)
from cfisac.scenarios import MultistaticScene
from cfisac.signals._multistatic import arrivals, delays, place_at, signatures

_TOLERANCE = 1e-9  # standard deviations: where Gauss-Newton stops
_ROUNDING = 1e3 * float(np.finfo(float).eps)  # of a step, as a share of the root of the value
_PATIENCE = 3  # steps after which, if they shorten slowly, the curvature is measured,
_SLOW = 0.25  # which the information only expects
_DIFFERENCE = 1e-3  # standard deviations, for that
_HALVINGS = 12  # of a step that leads downhill
_ROUNDS = 8  # how often the samples at the edges of symbols are sorted anew
_NEIGHBOURS = 4  # how many ways of that are tried each time
_REACH = 3  # standard deviations of the position, within which a delay may pass a whole sample
_LEVEL = 1e-11  # share of the value that rounding may take
_SINGULAR = 1e-13  # ratio of eigenvalues, in units of their own deviations


class Top(NamedTuple):
    """Where a climb ended."""

    states: Array  # (T, d)
    found: Likelihood
    reason: str  # why it did not converge, or nothing
    n_iterations: int


def gauss_newton(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    start: Array,
    velocities: Array,
    exact: bool,
    max_steps: int,
) -> Top:
    """Climb from ``start`` (T, 2 or 4), and again with samples sorted into symbols otherwise."""
    late = delays(scene, start[:, :2])
    bandwidth, n_states = scene.waveform.bandwidth, start.shape[1]

    def climb(start: Array, late: Array) -> tuple[Top, Array]:
        """The top with these edges, its value with its own edges, and these."""
        top = _climb(_evaluator(scene, sent, samples, velocities, late, n_states, exact), start,
                     max_steps)  # fmt: skip
        own = delays(scene, top.states[:, :2])
        if not np.array_equal(np.ceil(own * bandwidth), np.ceil(late * bandwidth)):
            here = _evaluator(scene, sent, samples, velocities, own, n_states, exact)(top.states)
            top = top._replace(found=here)
        return top, own

    best, own = climb(start, late)
    steps, tried = best.n_iterations, {np.ceil(late * bandwidth).tobytes()}
    for _ in range(_ROUNDS):
        for late in _neighbours(best, own, bandwidth):
            key = np.ceil(late * bandwidth).tobytes()
            if key in tried:
                continue
            tried.add(key)
            evaluate = _evaluator(scene, sent, samples, velocities, late, n_states, exact)
            if _promised(evaluate(best.states)) < best.found.value:
                continue
            top, there = climb(best.states, late)
            steps += top.n_iterations
            if top.found.value > best.found.value and (best.reason or not top.reason):
                best, own = top, there
                break
        else:
            break
    return best._replace(n_iterations=steps)


def _promised(here: Likelihood) -> float:
    """Value that one Gauss-Newton step would reach if the likelihood were quadratic."""
    step = _scaled_step(here.information, here.score)
    return -np.inf if step is None else here.value + float(step @ here.score) / 2


def _neighbours(top: Top, late: Array, bandwidth: float) -> list[Array]:
    """The edges of the top itself, and those with one delay moved over a whole sample nearby.

    Nearby is what the error of the position may move it by; the nearest come first.
    """
    n_states = top.states.shape[1]
    spread = np.diagonal(covariance(top.found.information)).reshape(-1, n_states)[:, :2].sum(axis=1)
    samples = late * bandwidth
    whole = np.rint(samples)
    reach = 2 * _REACH * np.sqrt(spread) / SPEED_OF_LIGHT * bandwidth
    away = np.abs(samples - whole) / np.where(np.isfinite(reach), reach, np.inf)
    found = [late]
    for flat in np.argsort(away, axis=None)[:_NEIGHBOURS]:
        path = np.unravel_index(flat, away.shape)
        if away[path] < 1:
            other = late.copy()
            other[path] = (whole[path] + np.sign(whole[path] - samples[path]) / 2) / bandwidth
            found.append(other)
    return found


def _climb(evaluate: Callable[[Array], Likelihood], states: Array, max_steps: int) -> Top:
    """Gauss-Newton with the symbols' edges held; steps that lead downhill are halved."""
    here, before = evaluate(states), np.inf
    for count in range(max_steps):
        step = _scaled_step(here.information, here.score)
        if step is None:
            return Top(states, here, "the samples do not determine the states", count)
        length = float(np.sqrt(np.maximum(step @ here.score, 0.0)))  # in standard deviations
        if count >= _PATIENCE and length > _SLOW * before:  # weak echoes: noise bends as they do
            newton = _scaled_step(_curvature(evaluate, states, here), here.score)
            step = step if newton is None else newton
        before = length
        known = 4 * float(np.finfo(float).eps) * np.abs(states[:, :2]).max()  # m, of a position
        least = known * np.sqrt(np.diagonal(here.information).max())
        tolerance = max(_TOLERANCE, _ROUNDING * np.sqrt(here.value), least)
        if length < tolerance:
            return Top(states, here, "", count)
        for halving in range(_HALVINGS):
            tried = states + step.reshape(states.shape) / 2**halving
            try:
                there = evaluate(tried)
            except ValueError:  # beyond a symbol, on an access point or on another target
                continue
            if there.value >= here.value - _LEVEL * abs(here.value):
                break
        else:
            level = length < 1e3 * tolerance
            return Top(states, here, "" if level else "no step leads uphill", count)
        states, here = tried, there
    return Top(states, here, f"not at the top after {max_steps} steps", max_steps)


def _evaluator(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    velocities: Array,
    late: Array,
    n_states: int,
    exact: bool,
) -> Callable[[Array], Likelihood]:
    def evaluate(states: Array) -> Likelihood:
        speed = states[:, 2:] if n_states > 2 else velocities
        delays(scene, states[:, :2])
        place = place_at(scene, sent, states[:, :2], speed)
        paths = signatures(scene, place, late, n_states)
        return (full if exact else simplified)(paths, samples, scene.noise_variance)

    return evaluate


def _curvature(evaluate: Callable[[Array], Likelihood], states: Array, here: Likelihood) -> Array:
    """Minus the derivative of the score, by differences."""
    steps = _DIFFERENCE / np.sqrt(np.diagonal(here.information))
    rows = []
    for move in np.diag(steps):
        ends = [evaluate(states + sign * move.reshape(states.shape)).score for sign in (1, -1)]
        rows.append((ends[1] - ends[0]) / (2 * move.max()))
    bend = np.array(rows)
    return (bend + bend.T) / 2


def _scaled_step(matrix: Array, score: Array) -> Array | None:
    """``J^-1 score``, solved in units of each state's own deviation; None if J is not positive."""
    diagonal = np.diagonal(matrix)
    if not np.all(diagonal > 0):
        return None
    scale = 1 / np.sqrt(diagonal)
    unit = matrix * np.outer(scale, scale)
    if np.linalg.eigvalsh(unit)[0] < _SINGULAR:
        return None
    return np.asarray(scale * np.linalg.solve(unit, scale * score))


def covariance(information: Array) -> Array:
    """Inverse in units of each state's own deviation; ``inf`` on the diagonal if there is none."""
    diagonal = np.diagonal(information)
    if np.all(diagonal > 0):
        scale = 1 / np.sqrt(diagonal)
        unit = information * np.outer(scale, scale)
        if np.linalg.eigvalsh(unit)[0] >= _SINGULAR:
            return np.asarray(np.linalg.inv(unit) * np.outer(scale, scale))
    return np.diag(np.full(len(information), np.inf))


def uphill(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    start: Array,
    late: Array,
) -> tuple[Array, bool]:
    """Top of fan_journal (19) by BFGS and its slope's root; for echoes too weak for Gauss-Newton.

    Works in units of standard deviations, in which the top is about a sphere. Whether the slope
    vanished is returned, too.
    """

    def climb(moves: Array) -> tuple[float, Array]:
        positions = start + (scale @ moves).reshape(-1, 2)
        value, slope = value_and_score(scene, sent, samples, positions, late)
        return -value, -scale.T @ slope

    paths = signatures(scene, place_at(scene, sent, start), late)
    information = full(paths, samples, scene.noise_variance).information
    scale = np.linalg.inv(np.linalg.cholesky(information)).T
    from scipy import optimize  # here, or every command would wait for it

    best = optimize.minimize(
        climb, np.zeros(len(scale)), jac=True, method="BFGS", options={"gtol": 1e-4}
    )
    # Near the top the likelihood itself is level to a rounding; its slope still tells the way.
    curve = np.linalg.inv(np.asarray(best.hess_inv))

    def slope(moves: Array) -> Array:
        return climb(moves)[1]

    def bend(_: Array) -> Array:
        return curve

    top = optimize.root(slope, best.x, jac=bend, tol=1e-9)
    return start + (scale @ top.x).reshape(-1, 2), bool(np.abs(slope(top.x)).max() < 1e-4)


def value_of(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    positions: Array,
    late: Array,
) -> float:
    """Value of fan_journal (19) alone."""
    place = place_at(scene, sent, positions)
    n_targets, n_transmitters = place.towards.shape[1:3]
    value = 0.0
    for r, seen in enumerate(samples):
        path = arrivals(scene, place, r, late).path
        here, every = place.arrive[r], path.reshape(n_targets * n_transmitters, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        match = (path.conj() @ (here.conj() @ seen)[..., None]).ravel()
        gram = (every.conj() @ every.T) * overlap
        value += np.vdot(match, solve_gains(gram, match, n_transmitters)).real
    return value / scene.noise_variance


def matched_energy(
    scene: MultistaticScene,
    sent: ComplexArray,
    samples: ComplexArray,
    positions: Array,
    late: Array,
) -> Array:
    """Fan_journal (20) of each target, (T,), without noise: energy after matched filters."""
    place = place_at(scene, sent, positions)
    total = np.zeros(len(positions))
    for r, seen in enumerate(samples):
        path = arrivals(scene, place, r, late).path
        heard = place.arrive[r].conj() @ seen
        match = (path.conj() @ heard[..., None])[..., 0]
        energy = np.sum(np.abs(path) ** 2, axis=-1)
        share = np.divide(np.abs(match) ** 2, energy, where=energy > 0, out=np.zeros(energy.shape))
        total += np.sum(share, axis=1)
    return total
