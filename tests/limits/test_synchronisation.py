"""What clocks cost: the parallel-sum law, its corollaries, and paths that overlap."""

import numpy as np
import pytest
import sympy as sp
from scipy.constants import speed_of_light

from cfisac import arrays, fisher, geometry
from cfisac.limits import synchronisation
from cfisac.paths import clock, displacement, echo, information, join, one_way

SEEDS = range(20)


def scene(rng, n_out, n_back, dimension=2):
    ends = 100 * rng.normal(size=(n_out + n_back, dimension))
    return rng.normal(size=dimension), ends[:n_out], ends[n_out:]


def delays(target, out, back, weights):
    """Paths of which only the delays are measured, with these weights."""
    spread = np.diag([1e16, 0.0])
    return echo(target, 0 * target, out[:, None], back, 3e9, weights / 2e16, spread)


def ends(n_out, n_back):
    return n_out + np.arange(n_back), np.arange(n_out)[:, None]


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_law_is_what_remains_of_the_paths(seed, dimension):
    rng = np.random.default_rng(seed)
    n_out, n_back = rng.integers(1, 9, 2)
    target, out, back = scene(rng, n_out, n_back, dimension)
    weights = 10 ** rng.uniform(16, 19, (n_out, n_back))
    paths = delays(target, out, back, weights)
    whole = paths.information()
    for std in (0.0, 1e-9, np.inf, rng.choice([0.0, 1e-10, 1e-9, np.inf], n_out + n_back)):
        law = synchronisation.delay_information(target, out, back, weights, std)
        found = information(paths, clock(paths, std, *ends(n_out, n_back)))
        np.testing.assert_allclose(law, found, atol=1e-10 * np.abs(whole).max())
    finite = 10 ** rng.uniform(-10, -8, n_out + n_back)
    rows = np.concatenate([-geometry.sight(target, out).unit, geometry.sight(target, back).unit])
    graph = synchronisation.laplacian(weights)
    printed = rows.T @ synchronisation.parallel_sum(graph, np.diag(finite**-2)) @ rows
    law = synchronisation.delay_information(target, out, back, weights, finite)
    np.testing.assert_allclose(law, printed / speed_of_light**2, atol=1e-9 * np.abs(whole).max())


def test_the_law_by_algebra():
    """Two senders, one listener, any weights and deviations: Schur complement = parallel sum."""
    w = sp.symbols("w1:3", positive=True)
    q = sp.symbols("q1:4", positive=True)  # inverse variances of the clocks
    incidence = sp.Matrix([[-1, 0, 1], [0, -1, 1]])
    weight, prior = sp.diag(*w), sp.diag(*q)
    graph = incidence.T * weight * incidence
    # Delays are incidence (Xi p + b): the clocks' block and what it takes away.
    schur = graph - graph * (graph + prior).inv() * graph
    assert sp.simplify(schur - graph * (graph + prior).inv() * prior) == sp.zeros(3)
    # A clock beside one that is perfectly known: two resistors in parallel.
    one = sp.limit(sp.limit(schur[0, 0], q[1], sp.oo), q[2], sp.oo)
    assert sp.simplify(one - w[0] * q[0] / (w[0] + q[0])) == 0


def test_the_parallel_sum_is_that_of_resistors():
    rng = np.random.default_rng(0)
    a, b, c = (root @ root.swapaxes(-1, -2) for root in rng.normal(size=(3, 5, 4, 4)))
    both = synchronisation.parallel_sum(a, b)
    np.testing.assert_allclose(both, np.linalg.inv(np.linalg.inv(a) + np.linalg.inv(b)), rtol=1e-7)
    np.testing.assert_allclose(both, synchronisation.parallel_sum(b, a), rtol=1e-9)
    np.testing.assert_allclose(
        synchronisation.parallel_sum(both, c),
        synchronisation.parallel_sum(a, synchronisation.parallel_sum(b, c)), rtol=1e-6, atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(synchronisation.parallel_sum([[2.0]], [[3.0]]), [[1.2]])
    assert not np.any(synchronisation.parallel_sum(np.zeros((2, 2)), np.eye(2)))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_way_clocks_add_to_the_variance_of_the_delay(seed):
    """The knee of one link: a clock as bad as the delay leaves half."""
    rng = np.random.default_rng(seed)
    aps, user = 50 * rng.normal(size=(9, 2)), rng.normal(size=2)
    snr, spread = rng.uniform(1, 20, 9), 4e16
    paths = one_way(user, aps, snr, spread)
    weights = 2 * snr * spread
    at_knee = synchronisation.knee(weights[:, None], -1)
    unit = geometry.sight(user, aps).unit
    for std in (at_knee, 1e-9 * np.ones(9), rng.choice([0.0, 1e-9], 9)):
        variance = speed_of_light**2 * (1 / weights + std**2)
        closed = np.einsum("li,lj,l->ij", unit, unit, 1 / variance)
        found = information(paths, clock(paths, std, np.arange(9)))
        np.testing.assert_allclose(found, closed, rtol=1e-11)
    half = information(paths, clock(paths, at_knee, np.arange(9)))
    np.testing.assert_allclose(half, paths.information() / 2, rtol=1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_knee_of_one_clock_among_synchronous_ones(seed):
    """The other clocks and the place known, its links leave half of what they say of the clock."""
    rng = np.random.default_rng(seed)
    weights = 10 ** rng.uniform(16, 18, (5, 3))
    graph = synchronisation.laplacian(weights)
    senders, listeners = synchronisation.knee(weights, -1), synchronisation.knee(weights, -2)
    np.testing.assert_allclose(np.concatenate([senders, listeners]), np.diagonal(graph) ** -0.5)
    np.testing.assert_allclose(graph.sum(axis=0), 0, atol=1e-12 * graph.max())
    known = np.full(8, 1e40)
    known[2] = senders[2] ** -2
    left = synchronisation.parallel_sum(graph[2:3, 2:3], np.diag(known)[2:3, 2:3])
    np.testing.assert_allclose(left, graph[2:3, 2:3] / 2)
    assert synchronisation.knee(np.zeros((2, 1)), -1).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("seed", SEEDS)
def test_strong_echoes_are_held_back_by_the_clocks(seed):
    """No power buys it back: the spread of -u_p and u_r about their mean, over (c sigma_b)^2."""
    rng = np.random.default_rng(seed)
    target, out, back = scene(rng, 7, 4)
    rows = np.concatenate([-geometry.sight(target, out).unit, geometry.sight(target, back).unit])
    centred = rows - rows.mean(axis=0)
    paths = delays(target, out, back, np.full((7, 4), 1e28))
    found = information(paths, clock(paths, 1e-9, *ends(7, 4)))
    np.testing.assert_allclose(found, centred.T @ centred / (1e-9 * speed_of_light) ** 2, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_duplex_network_of_equal_ways_is_free(seed):
    """Everybody sends and hears, both ways of a link weigh the same: no clock is needed."""
    rng = np.random.default_rng(seed)
    aps, target = 100 * rng.normal(size=(6, 2)), rng.normal(size=2)
    weights = 10 ** rng.uniform(16, 18, (6, 6))
    each = np.arange(6)
    for equal in (True, False):
        paths = delays(target, aps, aps, weights + weights.T if equal else weights)
        left = information(paths, clock(paths, np.inf, each, each[:, None]))
        lost = np.abs(left / paths.information() - 1).max()
        assert lost < 1e-12 if equal else lost > 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_differences_of_arrival_times_are_an_unknown_common_clock(seed):
    """TDOA with the full covariance of the differences, whoever is the reference."""
    rng = np.random.default_rng(seed)
    aps, user = 50 * rng.normal(size=(7, 2)), rng.normal(size=2)
    snr = rng.uniform(1, 20, 7)
    paths = one_way(user, aps, snr, 4e16)
    common = information(paths, clock(paths, np.inf, np.zeros(7, int), pool="user"))
    variance = 1 / (2 * snr * 4e16)
    gradient = geometry.sight(user, aps).unit / speed_of_light
    for reference in range(7):
        others = np.delete(np.eye(7), reference, axis=0) - np.eye(7)[reference]
        slope, covariance = others @ gradient, others @ np.diag(variance) @ others.T
        tdoa = slope.T @ np.linalg.solve(covariance, slope)
        np.testing.assert_allclose(tdoa, common, rtol=1e-9, atol=1e-11 * common.max())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_reference_path_calibrates_clocks(seed):
    """Delays between places that are known: columns of clocks, none of the state."""
    rng = np.random.default_rng(seed)
    target, out, back = scene(rng, 5, 3)
    echoes = join(delays(target, out, back, np.full((5, 3), 1e18)))
    who = [np.broadcast_to(each, (5, 3)).ravel() for each in ends(5, 3)]

    def peb(std_of_reference):
        quiet = echo(target, 0 * target, out[:, None], back, 3e9, 1.0, np.diag([1.0, 0.0]))
        straight = type(quiet)(
            0.5 / std_of_reference**2, quiet.spread, 0 * quiet.jacobian, 0.0,
            {k: v for k, v in quiet.columns.items() if "clock" in k},
        )  # fmt: skip
        whole = join(echoes, straight)
        both = [np.concatenate([each, each]) for each in who]
        return fisher.position_error_bound(information(whole, clock(whole, np.inf, *both)))

    perfect = fisher.position_error_bound(echoes.information())
    assert peb(1e-14) == pytest.approx(perfect, rel=1e-6)
    assert perfect < peb(1e-9) < peb(3e-9)


# ------------------------------------------------------------------------------- multipath


def reflected(point, wall):
    normal = np.array([np.cos(wall[0]), np.sin(wall[0])])
    return point - 2 * (point @ normal - wall[1]) * normal


@pytest.mark.parametrize("seed", range(4))
def test_free_walls_cost_nothing_and_known_walls_help(seed):
    """Sampled signals of direct and reflected paths, resolved: derivatives by the walls too."""
    rng = np.random.default_rng(seed)
    aps, elements = 10 * rng.normal(size=(3, 2)), rng.normal(size=(3, 5, 2))
    elements -= elements.mean(axis=1, keepdims=True)
    user = rng.normal(size=2)
    walls = np.stack([rng.uniform(0, 6, 3), rng.uniform(20, 40, 3)], axis=1)  # one for each AP
    frequencies = np.linspace(-3e6, 3e6, 7)
    gains = rng.normal(size=(6, 2)) @ [1, 1j]

    def signal(state):
        p, wall, gain = state[:2], state[2:8].reshape(3, 2), state[8:14] + 1j * state[14:]
        seen = [p - ap for ap in aps] + [
            reflected(p, each) - ap for ap, each in zip(aps, wall, strict=True)
        ]
        samples = []
        for g, offset, e in zip(gain, seen, [*elements, *elements], strict=True):
            r = np.hypot(*offset)
            by_antenna = np.exp(2j * np.pi * e @ offset / r)
            samples.append(g * np.outer(by_antenna, np.exp(-2j * np.pi * frequencies * r / 3e8)))
        return np.concatenate(samples, axis=None)

    state = np.concatenate([user, walls.ravel(), gains.real, gains.imag])
    slopes = np.stack(
        [(8 * (signal(state + h) - signal(state - h)) - signal(state + 2 * h)
          + signal(state - 2 * h)) / 12e-3 for h in 1e-3 * np.eye(20)], axis=1,
    )  # fmt: skip
    fim = fisher.gaussian_fim(slopes, 1.0)
    free = fisher.equivalent_fim(fim, 2)
    known = fisher.equivalent_fim(np.delete(np.delete(fim, range(2, 8), 0), range(2, 8), 1), 2)
    spread = (2 * np.pi) ** 2 * frequencies.var() * (speed_of_light / 3e8) ** 2
    snr = np.abs(gains) ** 2 * 35
    direct = one_way(user, aps, snr[:3], spread, arrays.aperture(elements))
    size = np.abs(known).max()
    np.testing.assert_allclose(free, direct.information(), atol=1e-7 * size)
    # A known wall is an access point at its image, with the mirror image of its array.
    normal = np.stack([np.cos(walls[:, 0]), np.sin(walls[:, 0])], axis=1)
    mirror = np.eye(2) - 2 * normal[:, :, None] * normal[:, None]
    images = np.array([reflected(ap, wall) for ap, wall in zip(aps, walls, strict=True)])
    echoed = one_way(user, images, snr[3:], spread, arrays.aperture(elements @ mirror))
    whole = join(direct, echoed)
    np.testing.assert_allclose(whole.information(), known, atol=1e-7 * size)
    wall = np.array([-1, -1, -1, 0, 1, 2])
    nobody_knows = information(whole, displacement(whole, np.inf, wall, pool="wall"))
    np.testing.assert_allclose(nobody_knows, direct.information(), atol=1e-12 * size)
    assert np.linalg.eigvalsh(known - free).min() > 0


@pytest.mark.parametrize("x", [0.05, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("psi", [0.0, 0.7, np.pi / 2])
def test_overlap_is_the_fim_of_two_paths(x, psi):
    """Both delays and both gains unknown; the strength of the second does not matter."""
    frequencies = (np.arange(4001) - 2000) / 4001  # of a flat spectrum one wide
    tone = np.exp(-2j * np.pi * frequencies * x)
    for strength in (0.1, 3.0):
        gain = strength * np.exp(1j * psi)
        slopes = np.stack([
            -2j * np.pi * frequencies, -2j * np.pi * frequencies * gain * tone,
            np.ones(4001), 1j * np.ones(4001), tone, 1j * tone,
        ], axis=1)  # fmt: skip
        fim = fisher.gaussian_fim(slopes, 1.0)
        left = fisher.equivalent_fim(fim, 1)[0, 0]
        alone = 2 * 4001 * (2 * np.pi) ** 2 * frequencies.var()
        assert synchronisation.overlap(x, psi) == pytest.approx(left / alone, rel=2e-4)


def test_overlap_near_and_far():
    """Far apart all is kept; near by a square in the mean, a fourth power at worst."""
    psi = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    assert synchronisation.overlap(200.0, psi).min() > 0.999
    small = np.pi * 0.03
    kept = synchronisation.overlap(0.03, psi)
    assert kept.mean() == pytest.approx(small**2 / 30, rel=0.01)
    assert kept.min() == pytest.approx(19e-4 * small**4, rel=0.05)
    assert np.all(synchronisation.overlap(np.linspace(0.02, 9, 50)[:, None], psi) <= 1 + 1e-12)


def test_bad_input_is_named():
    place, aps = np.zeros(2), np.ones((3, 2))
    for call, named in (
        (lambda: synchronisation.laplacian(-np.eye(2)), "weights must be >= 0"),
        (lambda: synchronisation.laplacian(1.0), "weights must have shape"),
        (lambda: synchronisation.parallel_sum(-np.eye(2), np.eye(2)), "first must be positive"),
        (lambda: synchronisation.parallel_sum(np.eye(2), [[0, 1], [0, 0]]), "second must be sym"),
        (lambda: synchronisation.parallel_sum(np.eye(2), np.eye(3)), "first and second must"),
        (lambda: synchronisation.knee(-1.0 * np.ones((2, 2)), -1), "weights must be >= 0"),
        (lambda: synchronisation.overlap(0.0, 0.0), "time_bandwidth must be >= 0.02"),
        (lambda: synchronisation.overlap(np.ones(2), np.ones(3)), "must broadcast"),
        (lambda: synchronisation.delay_information(place, aps, 2 * aps, np.ones((2, 3)), 0.0),
         r"weights must have shape \(3, 3\)"),
        (lambda: synchronisation.delay_information(place, aps, 2 * aps, np.ones((3, 3)), -1.0),
         "std must be >= 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=named):
            call()


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_prior_does_not_hide_the_others(seed):
    """One clock 1e10 times worse than the rest: the law is still what remains of the paths."""
    rng = np.random.default_rng(seed)
    target, out, back = scene(rng, 4, 3)
    weights = rng.uniform(1e19, 1e20, (4, 3))
    paths = delays(target, out, back, weights)
    for wide in (1e-6, 1.0, 1e10, 1e160, 1e300, np.inf):
        std = rng.uniform(1e-10, 1e-9, 7)
        std[rng.integers(7)] = wide
        law = synchronisation.delay_information(target, out, back, weights, std)
        left = information(paths, clock(paths, std, *ends(4, 3)))
        np.testing.assert_allclose(law, left, rtol=1e-7, atol=1e-9 * np.trace(left))


def test_parallel_matrices_are_of_one_size():
    with pytest.raises(ValueError, match="first and second must be of the same size"):
        synchronisation.parallel_sum(np.eye(1), np.eye(2))


def test_senders_and_listeners_are_named():
    ends, weights = 9 * np.eye(2), np.ones((2, 2))
    for out, back, named in (
        (0 * ends, ends, "position must not coincide with transmitters"),
        (ends, np.ones((2, 3)), "position and receivers must have the same dimension"),
    ):
        with pytest.raises(ValueError, match=named):
            synchronisation.delay_information(np.zeros(2), out, back, weights, 0.0)
