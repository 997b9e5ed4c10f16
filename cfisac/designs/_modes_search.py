"""Modes to begin with, and the local search from the best of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cfisac.designs._modes_bound import excess
from cfisac.designs._modes_program import Network, Node, Range, relax
from cfisac.designs._modes_tree import Level, best_powers

Array = NDArray[np.float64]
Modes = NDArray[np.bool_]

_BETTER = 1 + 1e-6
_NEAREST = 6  # listeners for each target, at most
_ROUNDED = 8  # listeners of relaxed modes, at most
_SHARES = 0.4, 0.6, 0.8  # of the bound at the root: targets at which modes are relaxed


def best_of(net: Network, choices: Iterable[Modes]) -> tuple[Modes, Level] | None:
    """The choice with the largest SINR, and its powers; None if none locates all targets."""
    best: tuple[Modes, Level] | None = None
    seen: set[bytes] = set()
    for sends in choices:
        if sends.tobytes() in seen or not sends.any() or sends.all():
            continue
        seen.add(sends.tobytes())
        beyond, size = (0.0, None) if best is None else (best[1].value * _BETTER, best[1].size)
        level, _ = best_powers(net, sends, ~sends, beyond, size)
        if level is not None:
            best = sends, level
    return best


def suggestions(net: Network) -> list[Modes]:
    """Those who hear most of each target listen; and relaxed modes, rounded."""
    n_aps, _, n_targets = net.shape
    fixed = ~(net.can_send & net.can_hear)
    hears = np.einsum("prtii->rt", net.information)  # of one watt from everybody
    order = np.argsort(-hears, axis=0, kind="stable")
    choices = []
    for k in range(1, min(_NEAREST, n_aps - 1) + 1):
        listens = np.zeros(n_aps, dtype=bool)
        listens[order[:k].ravel()] = True
        choices.append(listens)
    free = ~fixed
    node = Node(net.can_send & ~free, net.can_hear & ~free, free)
    level, _ = best_powers(net, *node.both()[:2])
    if level is not None and free.any():
        each = np.concatenate([net.to_users, net.to_targets], axis=2)
        loose = Range(np.ones(net.shape[1]), 1 + each.max(axis=2).sum(axis=0))
        for share in _SHARES:
            send = relax(net, node, share * level.value, level.size, loose).send
            ranked = np.argsort(send, kind="stable")
            for k in range(n_targets, min(_ROUNDED, n_aps - 1) + 1):
                listens = np.zeros(n_aps, dtype=bool)
                listens[ranked[:k]] = True
                choices.append(listens)
    return [np.where(fixed, net.can_send, ~each) for each in choices]


def local_search(net: Network, sends: Modes, level: Level) -> tuple[Modes, Level]:
    """Change one mode or swap two while that helps; the most promising neighbour first.

    How promising one is, and whether it can be better at all, the prices of the present powers
    tell in closed form.
    """
    free = net.can_send & net.can_hear
    nobody = np.zeros_like(free)
    while True:
        talk, hear = np.flatnonzero(sends & free), np.flatnonzero(~sends & free)
        changes = [(at,) for at in np.flatnonzero(free)] + [(p, r) for p in talk for r in hear]
        goal = level.value * _BETTER
        neighbours: list[tuple[float, int, Modes]] = []
        for change in changes:
            other = sends.copy()
            other[list(change)] ^= True
            if other.any() and not other.all():
                node = Node(other, ~other, nobody)
                h, terms = excess(net, node, goal, level.prices)
                if h > -1e-9 * terms:
                    neighbours.append((-h, len(neighbours), other))
        for _, _, other in sorted(neighbours):
            found, _ = best_powers(net, other, ~other, goal, level.size)
            if found is not None:
                sends, level = other, found
                break
        else:
            return sends, level
