"""Modes to begin with, and the local search from the best of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cfisac.designs._modes_bound import excess
from cfisac.designs._modes_program import Network, Node, Prices, Range, relax
from cfisac.designs._modes_tree import Level, best_powers

Array = NDArray[np.float64]
Modes = NDArray[np.bool_]

_BETTER = 1 + 1e-6
_NEAREST = 6  # listeners for each target, at most
_ROUNDED = 8  # listeners of relaxed modes, at most
_REPAIRS = 40  # changes on the way to modes that locate all targets
_ROUNDING = 1e-9  # of the terms of a sum that proves
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

    def listen(those: NDArray[np.int64]) -> None:
        listens = np.zeros(n_aps, dtype=bool)
        listens[those] = True
        choices.append(listens)

    few = min(_NEAREST, n_aps - 1)
    for k in range(1, few + 1):
        listen(order[:k].ravel())
    # One that hears all targets, and the best of each target with more and more others.
    share = hears / np.maximum(hears.max(axis=0), 1e-300)
    for at in np.argsort(-share.min(axis=1), kind="stable")[:few]:
        listen(np.array([at]))
    one_by_one = [*order[0], *np.argsort(-share.max(axis=1), kind="stable")]
    for k in range(n_targets + 1, min(_ROUNDED, n_aps - 1) + 1):
        listen(np.array(list(dict.fromkeys(one_by_one))[:k]))
    free = ~fixed
    node = Node(net.can_send & ~free, net.can_hear & ~free, free)
    level, _ = best_powers(net, *node.both()[:2])
    if level is not None and free.any():
        each = np.concatenate([net.to_users, net.to_targets], axis=2)
        loose = Range(np.ones(net.shape[1]), 1 + each.max(axis=2).sum(axis=0))
        for share in _SHARES:
            send = relax(net, node, share * level.value, level.size, loose).send
            ranked = np.argsort(send, kind="stable")
            for k in range(1, min(_ROUNDED, n_aps - 1) + 1):
                listen(ranked[:k])
    return [np.where(fixed, net.can_send, ~each) for each in choices]


def repaired(net: Network, choices: Iterable[Modes]) -> tuple[Modes, Level] | None:
    """From the choice that misses least, change the mode that helps most, until nothing is missed.

    None if no change helps any more.
    """
    nobody = np.zeros(net.shape[0], dtype=bool)
    size = np.ones(net.shape[1])

    def margin(sends: Modes) -> float:
        if not sends.any() or sends.all():
            return -np.inf
        return relax(net, Node(sends, ~sends, nobody), 0.0, size).margin

    ranked = [(margin(sends), -at, sends) for at, sends in enumerate(choices)]
    missed, _, sends = max(ranked)
    free = np.flatnonzero(net.can_send & net.can_hear)
    for _ in range(_REPAIRS):
        level, _ = best_powers(net, sends, ~sends)
        if level is not None:
            return sends, level
        one = np.eye(len(sends), dtype=bool)
        flips = [sends ^ one[at] for at in free]
        swaps = [sends ^ one[p] ^ one[r] for p in free for r in free if sends[p] and not sends[r]]
        for others in (flips, swaps):
            found, _, other = max((margin(each), -at, each) for at, each in enumerate(others))
            if found > missed * (1 - 1e-6):  # both are negative
                missed, sends = found, other
                break
        else:
            return None
    return None


def start_of(net: Network) -> tuple[Modes, Level] | None:
    """Modes to start from, the best of what is suggested; repaired if none locates all targets."""
    choices = suggestions(net)
    return best_of(net, choices) or repaired(net, choices)


def local_search(net: Network, sends: Modes, level: Level) -> tuple[Modes, Level]:
    """Change one mode or swap two until no such change helps; the most promising one first.

    How promising a neighbour is, and whether it can be better at all, prices tell in closed form:
    those of the present powers, and then those of each neighbour that was tried in vain, which
    rule out most of the others.
    """
    free = net.can_send & net.can_hear
    while True:
        talk, hear = np.flatnonzero(sends & free), np.flatnonzero(~sends & free)
        changes = [(at,) for at in np.flatnonzero(free)] + [(p, r) for p in talk for r in hear]
        neighbours = []
        for change in changes:
            other = sends.copy()
            other[list(change)] ^= True
            if other.any() and not other.all():
                neighbours.append(other)
        goal = level.value * _BETTER
        left, better = _promising(net, neighbours, goal, level.prices), False
        while left and not better:
            found, tried = best_powers(net, left[0], ~left[0], goal, level.size)
            if found is None:
                left = _promising(net, left[1:], goal, tried.prices, ranked=False)
            else:
                sends, level, better = left[0], found, True
        if not better:
            return sends, level


def _promising(
    net: Network, choices: list[Modes], goal: float, prices: Prices, ranked: bool = True
) -> list[Modes]:
    """Those of the choices that the prices do not prove to miss the goal, the best first."""
    if not choices:
        return []
    sends = np.array(choices)
    h, terms = excess(net, Node(sends, ~sends, np.zeros_like(sends)), goal, prices)
    left = np.flatnonzero(h >= -_ROUNDING * terms)
    if ranked:
        left = left[np.argsort(-h[left], kind="stable")]
    return [choices[at] for at in left]
