"""Branch and bound over the modes: a target at a time, the node with the largest bound first.

The targets are ``(1 + epsilon)`` times the best SINR so far, for an epsilon that falls step by
step to what is asked for. At a node the relaxed program either gives prices that prove the target
out of reach, and the node's bound falls to it; or the node is split at the access point whose
change of mode costs most: what it is worth to users times what it hears is worth to sensing. So at
any time the largest bound of the nodes that are left is a bound on all modes. Every bound rests on
:func:`cfisac.designs._modes_bound.out_of_reach` alone; the solver only suggests prices.
"""

import heapq
import itertools
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cfisac.designs._modes_bound import excess, out_of_reach
from cfisac.designs._modes_program import (
    Network,
    Node,
    Prices,
    Range,
    Relaxed,
    most_disturbance,
    relax,
)
from cfisac.designs._solve import SolverError

Array = NDArray[np.float64]
Modes = NDArray[np.bool_]

_LADDER = 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002
_STEPS, _TOLERANCE, _ROUNDING = 25, 1e-7, 1e-9
_EVERY = 5  # at every so manieth node that is split, what is relaxed is rounded and tried
_RENEW = 1.1  # growth of the best SINR at which the ranges of the disturbance are found anew


@dataclass(frozen=True, eq=False)
class Level:
    """SINR that all users have at given modes, and what proves and helps."""

    value: float
    eta: Array
    prices: Prices
    size: Array


def best_powers(
    net: Network, sends: Modes, hears: Modes, beyond: float = 0.0, size: Array | None = None
) -> tuple[Level | None, Relaxed]:
    """Largest SINR of given modes by Dinkelbach, if it is larger than ``beyond``.

    Together with what the last program said.
    """
    node = Node(sends, hears, np.zeros_like(sends))
    target, level = beyond, None
    if size is None:
        n_beams = net.shape[1] + net.shape[2]
        size = net.disturbance(np.full((len(sends), n_beams), 1 / n_beams) * sends[:, None])
    for _ in range(_STEPS):
        relaxed = relax(net, node, target, size)
        # At a target of zero the margin is minus what the bounds on sensing are missed by.
        if relaxed.margin < (-_TOLERANCE if target <= 0 else 1e-9 * target):
            return level, relaxed
        value = float(np.min(net.signal(relaxed.eta) / net.disturbance(relaxed.eta)))
        if level is not None and value <= level.value * (1 + _TOLERANCE):
            break
        size = net.disturbance(relaxed.eta)
        level = Level(value, relaxed.eta, relaxed.prices, size)
        target = value
    return level, relaxed


@dataclass
class Search:
    """A branch and bound that can be stopped at any time.

    ``best`` and ``sends`` are what was found so far (0 and None if nothing), ``bound`` what no
    modes exceed, ``root_bound`` the bound at the first node.
    """

    net: Network
    tolerance: float
    best: float = 0.0
    sends: Modes | None = None
    bound: float = np.inf
    root_bound: float = np.inf
    n_nodes: int = 0
    n_pruned: int = 0
    seconds: float = 0.0
    _heap: list[tuple[float, int, Node, Prices | None]] = field(default_factory=list)
    _stuck: float = 0.0
    _tried: set[bytes] = field(default_factory=set)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    _range: Range | None = None
    _ranged: float = -1.0

    def offer(self, value: float, sends: Modes) -> None:
        """Tell of modes that reach a value."""
        if value > self.best:
            self.best, self.sends = value, sends.copy()

    def run(
        self, max_nodes: int | None = None, max_seconds: float | None = None, progress: bool = False
    ) -> None:
        """Go on until the gap is within the tolerance, nothing is left, or a limit is reached."""
        start = time.monotonic()
        if not self._heap and not self._root():
            self.seconds += time.monotonic() - start
            return
        limit = np.inf if max_seconds is None else max_seconds
        with tqdm(total=max_nodes, desc="modes", unit="node", disable=not progress) as bar:
            while self._heap and self._next_goal() is not None:
                late = time.monotonic() - start >= limit
                if late or (max_nodes is not None and self.n_nodes >= max_nodes):
                    break
                self._step()
                bar.update()
                bar.set_postfix_str(f"SINR {self.best:.5g}, gap {self._gap():.2%}", refresh=False)
        left = -self._heap[0][0] if self._heap else 0.0
        goal = self.best * (1 + self.tolerance)
        self.bound = min(self.bound, max(goal, left, self._stuck))
        self.seconds += time.monotonic() - start

    def _gap(self) -> float:
        left = -self._heap[0][0] if self._heap else self.best
        return left / self.best - 1 if self.best > 0 else np.inf

    def _goals(self) -> list[float]:
        """Targets from the largest to what is asked for; zero while nothing is known to do."""
        if self.best <= 0:
            return [0.0]
        ladder = [each for each in _LADDER if each > 1.5 * self.tolerance]
        return [self.best * (1 + each) for each in [*ladder, self.tolerance]]

    def _next_goal(self) -> float | None:
        """The largest target below the largest bound."""
        top = -self._heap[0][0]
        return next((goal for goal in self._goals() if goal < top), None)

    def _root(self) -> bool:
        """All who may do both do both; False if even that locates no target."""
        net = self.net
        free = net.can_send & net.can_hear
        node = Node(net.can_send & ~free, net.can_hear & ~free, free)
        level, relaxed = best_powers(net, *node.both()[:2])
        if level is None:
            proof = out_of_reach(net, node.both(), 0.0, relaxed.prices)
            self.bound = 0.0 if proof else np.inf
            return False
        self._size = level.size
        top = level.value * (1 + 1e-6)
        while not out_of_reach(net, node.both(), top, relaxed.prices):
            top = level.value + 2 * (top - level.value)
            if top > 4 * level.value:
                raise SolverError("choice of modes", "no bound at the root")
        self._root_node = node
        self.bound = self.root_bound = top
        self._push(top, node, None)
        return True

    def _push(self, bound: float, node: Node, prices: Prices | None) -> None:
        heapq.heappush(self._heap, (-bound, next(self._order), node, prices))

    def _reach(self) -> Range:
        """Certified range of the disturbance of all powers that reach the last target."""
        goal = self._goals()[-1]
        if self._range is not None and goal <= self._ranged * _RENEW:
            return self._range
        net, node, n_users = self.net, self._root_node.both(), self.net.shape[1]
        each = np.concatenate([net.to_users, net.to_targets], axis=2)
        # What no powers exceed, whether they reach anything or not.
        ends = [np.ones(n_users), 1 + each.max(axis=2).sum(axis=0)]
        for q in range(n_users):
            for end, sign in enumerate((-1.0, 1.0)):
                try:
                    prices = most_disturbance(net, node, goal, self._size, q, sign)
                except (SolverError, ValueError):
                    continue
                worth = sign * each[:, q] / self._size[q]
                h, terms = excess(net, node, goal, prices, None, worth)
                h = float(h + _ROUNDING * terms) * self._size[q]
                ends[end][q] = min(ends[1][q], 1 + h) if sign > 0 else max(ends[0][q], 1 - h)
        self._range, self._ranged = Range(*ends), goal
        return self._range

    def _step(self) -> None:
        net, goal = self.net, self._next_goal()
        assert goal is not None
        top, _, node, prices = heapq.heappop(self._heap)
        bound = -top
        self.n_nodes += 1
        if not (np.any(node.sends | node.free) and np.any(node.hears | node.free)):
            self.n_pruned += 1
            return
        if not node.free.any():
            self._leaf(node, bound)
            return
        reach = self._reach()
        if prices is not None and self._closed(node, goal, prices, reach, bound):
            return
        try:
            relaxed = relax(net, node, goal, self._size, reach)
        except SolverError:
            at = int(np.argmax(np.where(node.free, net.information.sum(axis=(0, 2, 3, 4)), -1.0)))
            self._split(node, at, bound, prices)
            return
        if self._closed(node, goal, relaxed.prices, reach, bound):
            return
        if self.best <= 0 or self.n_nodes % _EVERY == 1:
            self._round(node, relaxed)
        worth = (relaxed.lost_users + 1e-12) * (relaxed.lost_information + 1e-12)
        self._split(node, int(np.argmax(np.where(node.free, worth, -1.0))), bound, relaxed.prices)

    def _closed(self, node: Node, goal: float, prices: Prices, reach: Range, bound: float) -> bool:
        """Lower a node's bound as far as the prices prove; False if not even to ``goal``."""
        goals = [each for each in self._goals() if each <= goal]
        if not out_of_reach(self.net, node, goals[0], prices, reach):
            return False
        if out_of_reach(self.net, node, goals[-1], prices, reach):
            self.n_pruned += 1
            return True
        low, high = 0, len(goals) - 1  # proved at low, not at high
        while high - low > 1:
            middle = (low + high) // 2
            proved = out_of_reach(self.net, node, goals[middle], prices, reach)
            low, high = (middle, high) if proved else (low, middle)
        self._push(min(bound, goals[low]), node, prices)
        return True

    def _leaf(self, node: Node, bound: float) -> None:
        level, relaxed = best_powers(
            self.net, node.sends, node.hears, self._goals()[-1], self._size
        )
        if level is not None:
            self.offer(level.value, node.sends)
        proved = out_of_reach(self.net, node, self._goals()[-1], relaxed.prices)
        self.n_pruned += int(proved)
        if not proved:  # the gap will say so
            self._stuck = max(self._stuck, bound)

    def _round(self, node: Node, relaxed: Relaxed) -> None:
        """Try the whole modes next to relaxed ones."""
        sends = node.sends | (node.free & (relaxed.send >= 0.5))
        if not sends.any() or sends.all() or sends.tobytes() in self._tried:
            return
        self._tried.add(sends.tobytes())
        level, _ = best_powers(self.net, sends, ~sends, self._goals()[-1], self._size)
        if level is not None:
            self.offer(level.value, sends)

    def _split(self, node: Node, at: int, bound: float, prices: Prices | None) -> None:
        free = node.free.copy()
        free[at] = False
        one = np.arange(len(free)) == at
        self._push(bound, Node(node.sends | one, node.hears, free), prices)
        self._push(bound, Node(node.sends, node.hears | one, free), prices)
