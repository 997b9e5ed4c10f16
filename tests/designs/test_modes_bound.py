"""The relaxed programs against CVXPY, and the closed-form proof against powers of all kinds."""

import cvxpy as cp
import numpy as np
import pytest
from modes_scenes import PEB, draw

from cfisac.designs import _modes_bound, modes
from cfisac.designs._modes_bound import excess, out_of_reach
from cfisac.designs._modes_program import (
    Node,
    Prices,
    Range,
    most_disturbance,
    network,
    relax,
)
from cfisac.designs._modes_tree import Search, best_powers
from cfisac.designs._solve import solve

LIMIT = PEB[8] ** 2
SMALL = {"n_aps": 5, "n_users": 3, "n_targets": 2, "n_antennas": 8}


def net_of(seed, limit=LIMIT, **settings):
    return network(draw(seed, **settings)[1], limit)


def loose(net):
    each = np.concatenate([net.to_users, net.to_targets], axis=2)
    return Range(np.ones(net.shape[1]), 1 + each.max(axis=2).sum(axis=0))


def random_node(rng, n_aps, sends=None):
    """Some decided, as in ``sends`` if given."""
    free = rng.random(n_aps) < 0.5
    which = rng.random(n_aps) < 0.5 if sends is None else sends
    return Node(which & ~free, ~which & ~free, free)


def transcription(net, node, target, size, reach):
    """The program of a node in CVXPY, by the formulas of its module, with matrices for F_t."""
    n_aps, n_users, n_targets = net.shape
    eta = cp.Variable((n_aps, n_users + n_targets), nonneg=True)
    u, zeta = cp.Variable((n_aps, n_users)), cp.Variable((n_aps, n_users))
    z, send = cp.Variable(n_users), cp.Variable(n_aps)
    delta, slack = cp.Variable(), cp.Variable(nonneg=True)
    held = [send >= 0, send <= 1, cp.sum(eta, axis=1) <= send]
    held += [send[p] == 1 for p in np.flatnonzero(node.sends)]
    held += [eta[p] == 0 for p in np.flatnonzero(node.hears)]
    held += [u[p] == 0 for p in np.flatnonzero(node.hears)]
    scale = np.sqrt(size)
    for q in range(n_users):
        each = np.concatenate([net.to_users[:, q], net.to_targets[:, q]], axis=1) / size[q]
        disturbance = 1 / size[q] + cp.sum(cp.multiply(each, eta))
        held += [z[q] - target * disturbance >= delta]
        held += [cp.sum(cp.multiply(net.gain[:, q] / scale[q], u[:, q])) >= z[q]]
        for p in np.flatnonzero(~node.hears):
            part = zeta[p, q] if node.free[p] else z[q]
            held += [cp.SOC(eta[p, q] + part, cp.hstack([eta[p, q] - part, 2 * u[p, q]]))]
            if node.free[p]:
                most, least = (target * end[q] / size[q] for end in (reach.most, reach.least))
                held += [zeta[p, q] <= send[p] * most]
                held += [zeta[p, q] <= z[q] - (1 - send[p]) * least]
    for t in range(n_targets):
        efim = np.zeros((2, 2))
        for p in np.flatnonzero(~node.hears):
            for r in np.flatnonzero(~node.sends):
                if node.hears[r]:
                    efim = efim + eta[p, n_users + t] * net.information[p, r, t]
        held.append((t, efim))
    plain = [each for each in held if not isinstance(each, tuple)]
    total = dict(each for each in held if isinstance(each, tuple))
    for p in np.flatnonzero(~node.hears):
        for r in np.flatnonzero(node.free):
            if p != r:
                heard = cp.Variable(n_targets, nonneg=True)
                plain += [heard <= eta[p, n_users:], cp.sum(heard) <= 1 - send[r]]
                for t in range(n_targets):
                    total[t] = total[t] + heard[t] * net.information[p, r, t]
    for efim in total.values():
        plain.append(cp.tr_inv(efim + 2 * slack * np.eye(2)) <= 1)
    return cp.Problem(cp.Maximize(delta - 1000 * slack), plain)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_program_of_a_node_is_its_transcription(seed):
    """With a semidefinite form of the constraint on sensing, by the same solver's other cones."""
    net, rng = net_of(2, 0.6**2, **SMALL), np.random.default_rng(seed)
    node, size = random_node(rng, 5), rng.uniform(1, 3, 3)
    node = node if node.free.any() and (node.sends | node.free).any() else Node(*np.eye(3, 5) > 0)
    target = 0.8
    relaxed = relax(net, node, target, size, loose(net))
    wanted = solve(transcription(net, node, target, size, loose(net)), "node")
    assert relaxed.margin == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_a_second_solver_agrees_on_a_node():
    net = net_of(2, 0.6**2, **SMALL)
    node = Node(np.arange(5) < 1, np.arange(5) == 4, np.isin(np.arange(5), [1, 2, 3]))
    size = np.full(3, 2.0)
    relaxed = relax(net, node, 0.8, size, loose(net))
    settings = {"max_iters": 200_000, "eps_abs": 1e-7, "eps_rel": 1e-7}
    problem = transcription(net, node, 0.8, size, loose(net))
    assert relaxed.margin == pytest.approx(solve(problem, "node", "SCS", **settings), abs=2e-3)


def test_freedom_that_is_relaxed_less_gives_less():
    """What all could do at once bounds whole modes and McCormick's bounds lie between."""
    for seed in (0, 2, 3, 5):
        net = net_of(seed)
        node = Node(np.zeros(8, bool), np.zeros(8, bool), np.ones(8, bool))
        level, _ = best_powers(net, *node.both()[:2])
        size, target = level.size, 0.8 * level.value
        everything = relax(net, node.both(), target, size).margin
        between = relax(net, node, target, size, loose(net)).margin
        whole = [
            relax(net, Node(sends, ~sends, np.zeros(8, bool)), target, size).margin
            for sends in random_modes(np.random.default_rng(seed), 20)
        ]
        assert max(whole) <= between + 1e-5
        assert between <= everything + 1e-5


def random_modes(rng, number):
    drawn = rng.random((number, 8)) < 0.7
    return [sends for sends in drawn if sends.any() and not sends.all()]


# ---------------------------------------------------------------------------------- the proof


def random_prices(rng, net):
    """Any at all: good ones of a program, spoiled, or pure noise."""
    n_aps, n_users, n_targets = net.shape
    square = rng.normal(size=(n_targets, 2, 2))
    return Prices(
        users=rng.exponential(size=n_users) * 10 ** rng.uniform(-3, 1),
        amplitude=rng.exponential(size=n_users) * 10 ** rng.uniform(-3, 1),
        power=rng.exponential(size=n_aps) * 10 ** rng.uniform(-3, 1),
        listening=rng.exponential(size=(n_aps, n_aps)) * 10 ** rng.uniform(-3, 1),
        information=(square + square.swapaxes(1, 2)) * 10 ** rng.uniform(-3, 1),
        split=rng.random((n_aps, n_users)),
    )


def spoiled(rng, prices):
    return Prices(*(each * rng.lognormal(sigma=0.3, size=each.shape) for each in prices))


@pytest.mark.parametrize("seed", [0, 2, 3, 5])
def test_nothing_proves_that_what_is_reached_is_out_of_reach(seed):
    """The optimal powers, at targets up to their SINR: h must not be negative, whatever the prices.

    At nodes that hold the optimal modes, for prices of programs, spoiled ones and noise.
    """
    rng = np.random.default_rng(seed)
    net = net_of(seed)
    best = modes.exhaustive(draw(seed)[1], LIMIT)
    power = best.allocation.power
    there = net.disturbance(np.concatenate([power[:, 2:], power[:, :2]], axis=1))
    for number in range(25):
        node = random_node(rng, 8, best.sends)
        # Any range that holds the disturbance of these powers; a narrow one has a price.
        around = 10 ** rng.uniform(-4, 0, (2, 10))
        reach = Range(there / (1 + around[0]), there * (1 + around[1])) if number else loose(net)
        target = best.value * (1 - 10 ** rng.uniform(-6, 0))
        size = rng.uniform(1, 5, 10)
        prices = relax(net, node, best.value * rng.uniform(0.8, 1.5), size, reach).prices
        for each in (prices, spoiled(rng, prices), random_prices(rng, net)):
            h, terms = excess(net, node, target, each, reach)
            assert h >= -1e-9 * terms
            assert not out_of_reach(net, node, target, each, reach)


def test_prices_of_a_program_prove_what_it_says():
    """Just above the largest SINR of whole modes, and of relaxed ones, the proof closes."""
    net = net_of(0)
    for sends in random_modes(np.random.default_rng(4), 12):
        level, relaxed = best_powers(net, sends, ~sends)
        node = Node(sends, ~sends, np.zeros(8, bool))
        if level is None:
            assert out_of_reach(net, node, 0.0, relaxed.prices)
            continue
        assert out_of_reach(net, node, level.value * (1 + 1e-4), relaxed.prices)
        assert not out_of_reach(net, node, level.value * (1 - 1e-6), relaxed.prices)


def test_a_linear_form_of_the_powers_is_bounded():
    """Largest and least disturbance of a user, against powers that reach the target."""
    net = net_of(5)
    sends = np.arange(8) < 6
    level, _ = best_powers(net, sends, ~sends)
    node, target = Node(sends, ~sends, np.zeros(8, bool)), 0.7 * level.value
    each = np.concatenate([net.to_users, net.to_targets], axis=2)
    there = [relax(net, node, target * f, level.size).eta for f in (1.0, 1.1, 1.3)]
    seen = np.array([net.disturbance(eta) for eta in [*there, level.eta]])
    for q in range(10):
        for sign in (1.0, -1.0):
            prices = most_disturbance(net, node, target, level.size, q, sign)
            worth = sign * each[:, q] / level.size[q]
            bound = 1 / level.size[q] * sign + excess(net, node, target, prices, None, worth)[0]
            assert np.all(sign * seen[:, q] / level.size[q] <= bound * (1 + 1e-6) + 1e-9)
            assert abs(bound) <= 20 * np.max(seen[:, q] / level.size[q])


def test_the_sum_without_users_is_that_of_the_theorem():
    """At a target of zero no beam of a user is paid for: term by term, in loops."""
    net, rng = net_of(2), np.random.default_rng(6)
    for _ in range(20):
        node, prices = random_node(rng, 8), random_prices(rng, net)
        h, _ = excess(net, node, 0.0, prices, loose(net))
        total, listening = 0.0, np.zeros(8)
        information = []
        for price in prices.information:
            values, vectors = np.linalg.eigh(price)
            information.append((vectors * np.clip(values, 0, None)) @ vectors.T)
            total -= np.sqrt(np.clip(values, 0, None)).sum() ** 2
        for p in np.flatnonzero(node.sends | node.free):
            listening += np.where(node.free, prices.listening[p], 0.0)
        for p in np.flatnonzero(node.sends | node.free):
            paid = prices.power[p]
            for t, price in enumerate(information):
                worth = 0.0
                for r in range(8):
                    heard = np.sum(price * net.information[p, r, t])
                    if node.hears[r]:
                        worth += heard
                    elif node.free[r]:
                        worth += max(heard - prices.listening[p, r], 0.0)
                paid = max(paid, worth)
            total += paid if node.sends[p] else max(paid - listening[p], 0.0)
        total += listening.sum()
        assert h == pytest.approx(total, rel=1e-9)


def test_nobody_to_send_or_to_hear_is_out_of_reach():
    net = net_of(0)
    nobody, everybody = np.zeros(8, bool), np.ones(8, bool)
    prices = random_prices(np.random.default_rng(1), net)
    assert out_of_reach(net, Node(nobody, everybody, nobody), 0.0, prices)
    assert out_of_reach(net, Node(everybody, nobody, nobody), 0.0, prices)


def test_a_tree_trusts_the_proof_and_not_the_solver(monkeypatch):
    """If no proof ever closed, nothing would be pruned and the bound would stay at the root."""
    _, each = draw(0)
    net = network(each, LIMIT)
    search = Search(net, 1e-3)
    search.run(max_nodes=3)
    monkeypatch.setattr("cfisac.designs._modes_tree.out_of_reach", lambda *_: False)
    top = search.bound
    search.run(max_nodes=30)
    assert search.bound == top
    assert search.n_pruned == 0


def test_the_identities_behind_the_proof():
    """SymPy: the inequality of step 1 is a square, and what step 2 pays is lambda."""
    import sympy as sp

    mu, g, eta, z, theta, b, kappa = sp.symbols("mu g eta z theta B kappa", positive=True)
    root = sp.sqrt(eta * z)
    left = theta * eta + mu**2 * g**2 / (4 * theta) * z - mu * g * root
    square = (sp.sqrt(theta * eta) - mu * g * sp.sqrt(z) / (2 * sp.sqrt(theta))) ** 2
    assert sp.simplify(sp.expand(left - square)) == 0
    for sign in (1, -1):
        price = (1 + sign * sp.sqrt(1 - kappa)) / (2 * b)
        assert sp.simplify(price - price**2 * b - kappa / (4 * b)) == 0


def test_the_worth_of_information_is_a_square_root():
    """min <Q, F> over Tr F^-1 <= 1 is (tr sqrt Q)^2, at F = Q^-1/2 tr sqrt Q; 2 x 2 and 3 x 3."""
    rng = np.random.default_rng(8)
    for size in (2, 3):
        for _ in range(50):
            square = rng.normal(size=(size, size))
            price = square @ square.T
            values, vectors = np.linalg.eigh(price)
            root = np.sqrt(values).sum()
            best = (vectors / np.sqrt(values)) @ vectors.T * root
            assert np.trace(np.linalg.inv(best)) == pytest.approx(1)
            assert np.sum(price * best) == pytest.approx(root**2)
            other = rng.normal(size=(size, size))
            other = other @ other.T
            other *= np.trace(np.linalg.inv(other))
            assert np.sum(price * other) >= root**2 * (1 - 1e-9)
            if size == 2:
                assert _modes_bound._psd(price[None])[0][0] == pytest.approx(root)
