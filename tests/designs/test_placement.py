"""Places and antennas: the bound against `cooperative`, the optimum against other roads to it."""

from dataclasses import replace
from itertools import pairwise

import clarabel
import cvxpy as cp
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from cfisac import arrays, fisher, scenarios
from cfisac.designs import Infeasible, SolverError, placement
from cfisac.designs import _placement_admm as inner
from cfisac.designs import _placement_direct as solver
from cfisac.designs._placement_problem import share_within, within_reach
from cfisac.designs._solve import conic, solve
from cfisac.limits import cooperative
from cfisac.scenarios import liu_scene
from cfisac.waveforms import OTFS

QUICK = settings(deadline=None, max_examples=15)
SEEDS = st.integers(0, 2**32 - 1)


def scene(seed=1, n_targets=20):
    """Whose antennas have one valley that matters, but for seeds 31 and [36, 9]."""
    return liu_scene(np.random.default_rng(seed), n_targets)


def problem(seed=1, n_targets=20, reach=10.0, **more):
    return placement.Problem(scene(seed, n_targets), reach, **more)


def draw(task, rng):
    """A feasible placement."""
    n_aps = len(task.scene.aps)
    angle, radius = rng.uniform(0, 2 * np.pi, n_aps), task.reach * np.sqrt(rng.random(n_aps))
    aps = task.scene.aps + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    spare = task.antenna_budget - n_aps
    return task.placement(aps, 1 + spare * rng.dirichlet(np.ones(n_aps)), "drawn")


# ------------------------------------------------------------------------------------- the bound


@QUICK
@given(seed=SEEDS, focused=st.booleans(), turned=st.booleans(), otfs=st.booleans())
def test_the_bound_is_the_sum_of_the_paths_of_cooperative(seed, focused, turned, otfs):
    rng = np.random.default_rng(seed)
    place = scene(seed, 5)
    if turned:
        angle = rng.uniform(0, 2 * np.pi, 4)
        place = replace(place, axes=np.column_stack([np.cos(angle), np.sin(angle)]))
    if otfs:
        place = replace(place, waveform=OTFS(16, 12, 30e3), noise_variance=None,
                        noise_figure_db=7.0)  # fmt: skip
    task = placement.Problem(place, 10.0, focused=focused)
    aps, antennas = draw(task, rng).aps, rng.integers(1, 20, 4)
    old, new = (np.linalg.norm(place.targets[:, None] - each, axis=-1) for each in (place.aps, aps))
    snr = place.sample_snr.T * (old / new) ** 4 * (antennas / 8 if focused else 1)
    paths = cooperative.paths(
        place.targets, place.velocities, aps, antennas, snr, place.waveform,
        place.carrier_frequency, place.spacing,
        (0.0, 1.0) if place.axes is None else place.axes,
    )  # fmt: skip
    variance = np.diagonal(fisher.crlb(paths.each().sum(axis=1)), axis1=-2, axis2=-1)
    expected = variance[:, :2].sum(axis=1), variance[:, 2:].sum(axis=1)
    bound = placement.JointBound(place, focused)
    np.testing.assert_allclose(bound.traces(aps, antennas), expected, rtol=1e-9)
    np.testing.assert_allclose(bound.slopes(aps, antennas.astype(float))[0], expected, rtol=1e-9)


@QUICK
@given(seed=SEEDS, focused=st.booleans())
def test_gradients_are_those_of_differences(seed, focused):
    rng = np.random.default_rng(seed)
    task = problem(seed % 1000, 4, focused=focused)
    here = draw(task, rng)
    z = np.column_stack([here.aps, here.n_antennas])
    value, slope = task.slopes(here.aps, here.n_antennas)
    np.testing.assert_allclose(value, task.values(here.aps, here.n_antennas), rtol=1e-12)

    def at(flat):
        moved = flat.reshape(-1, 3)
        return task.criterion.traces(moved[:, :2], moved[:, 2])

    found = oracle.derivatives(at, z.ravel(), 2e-2, order=8).reshape(2, 4, 4, 3)
    _, gradients = task.criterion.slopes(here.aps, here.n_antennas)
    size = np.abs(found).max(axis=(-2, -1), keepdims=True)
    assert np.abs((gradients - found) / size).max() < 1e-8
    parts = 0.5 * task.scales
    np.testing.assert_allclose(slope, np.tensordot(parts, gradients, 1), rtol=1e-12)


def test_a_criterion_of_ones_own_is_differentiated_by_a_complex_step():
    class Product(placement.Criterion):
        def traces(self, aps, n_antennas):
            both = aps[..., 0] ** 2 * np.exp(aps[..., 1]) / n_antennas
            return both.sum(axis=-1)[..., None, None] * np.array([[1.0], [3.0]])

    aps, antennas = np.array([[1.0, 0.5], [2.0, -1.0]]), np.array([2.0, 4.0])
    value, slope = Product().slopes(aps, antennas)
    each = aps[:, 0] ** 2 * np.exp(aps[:, 1]) / antennas
    np.testing.assert_allclose(value[:, 0], each.sum() * np.array([1, 3]), rtol=1e-14)
    expected = np.column_stack([2 * each / aps[:, 0], each, -each / antennas])
    np.testing.assert_allclose(slope[:, 0], expected * np.array([1, 3])[:, None, None], rtol=1e-13)
    own = replace(problem(), criterion=Product(), scales=(1.0, 1.0))
    assert own.initial.per_target.shape == (1,)


def test_scales_make_both_parts_one_at_the_initial_placement():
    task = problem(3)
    traces = task.criterion.traces(task.scene.aps, task.scene.n_antennas)
    np.testing.assert_allclose(task.scales * traces.max(axis=1), 1.0)
    assert 0.5 < task.initial.objective <= 1


# ----------------------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("seed", [2, 31, [36, 9]])
def test_no_start_ends_below_the_search(seed):
    """Antennas have several valleys; every end is a local optimum, and search finds the lowest."""
    task, rng = problem(seed), np.random.default_rng(2)
    found = [placement.direct(task)]
    found += [placement.direct(task, initial=draw(task, rng)) for _ in range(15)]
    best = placement.search(task)
    assert best.objective <= min(each.objective for each in found) * (1 + 1e-6)
    for each in (best, *found):
        task.check(each.aps, each.n_antennas)
        assert placement.kkt_residual(task, each) < 1e-4
        assert each.objective == pytest.approx(max(task.values(each.aps, each.n_antennas)))


def test_a_valley_far_from_equal_shares_may_be_the_better_one():
    task = problem([36, 9])
    alone, best = placement.direct(task), placement.search(task)
    assert best.objective < 0.95 * alone.objective
    assert best.n_antennas.max() > 15 > alone.n_antennas.max()


def test_ways_that_no_move_of_one_antenna_improves():
    """Against a loop over all moves."""
    ways = placement.compositions(9, 3)
    score = np.random.default_rng(1).random(len(ways))
    by_way = {tuple(way): value for way, value in zip(ways.tolist(), score, strict=True)}
    for way, lowest in zip(ways, solver._no_move_is_better(ways, score), strict=True):
        moves = [
            tuple((way + np.eye(3, dtype=int)[k] - np.eye(3, dtype=int)[m]).tolist())
            for k in range(3)
            for m in range(3)
            if k != m
        ]
        better = [by_way[move] < by_way[tuple(way.tolist())] for move in moves if move in by_way]
        assert lowest == (not any(better))


def test_with_kept_antennas_every_start_ends_at_the_same_places():
    task, rng = problem(2), np.random.default_rng(3)
    kept = np.full(4, 8.0)
    ends = [
        placement.direct(task, n_antennas=kept, initial=replace(draw(task, rng), n_antennas=kept))
        for _ in range(10)
    ]
    assert np.ptp([each.objective for each in ends]) < 1e-7


def test_nothing_drawn_is_better_than_the_optimum():
    task, rng = problem(4), np.random.default_rng(4)
    best = placement.direct(task).objective
    assert best < min(draw(task, rng).objective for _ in range(300))
    near = placement.direct(task)
    for _ in range(300):  # nor is anything near it
        aps = within_reach(near.aps + rng.normal(0, 0.1, (4, 2)) - task.scene.aps, 10.0)
        numbers = share_within(near.n_antennas + rng.normal(0, 0.1, 4), 32, 29)
        assert task.values(task.scene.aps + aps, numbers).max() > best * (1 - 1e-8)


def linear_steps(task, n_steps=60):
    """The same problem by another road: trust-region linear programs with cones, by Clarabel."""
    unit = np.array([task.reach, task.reach, 8.0])
    x, trust = np.tile([0.0, 0.0, 1.0], (4, 1)), 0.3
    value = task.values(task.scene.aps, 8 * np.ones(4)).max()
    for _ in range(n_steps):
        f, slope = task.slopes(task.scene.aps + task.reach * x[:, :2], 8 * x[:, 2])
        slope = (slope * unit).reshape(len(f), 12)
        # d (12,), t: f + slope d <= t; sum of shares; one antenna; |d| <= trust; discs.
        places, shares = np.eye(13)[:12].reshape(4, 3, 13)[:, :2], np.eye(13)[2:12:3]
        linear = np.vstack([
            np.column_stack([slope, -np.ones(len(f))]), shares.sum(axis=0), -shares,
            np.eye(13)[:12], -np.eye(13)[:12],
        ])  # fmt: skip
        bounds = np.r_[-f, 4 - x[:, 2].sum(), x[:, 2] - 1 / 8, np.full(24, trust)]
        discs = [np.vstack([np.zeros(13), -place]) for place in places]
        ends = [np.r_[1.0, here[:2]] for here in x]
        cones = [clarabel.NonnegativeConeT(len(bounds))] + 4 * [clarabel.SecondOrderConeT(3)]
        rows = sparse.csc_matrix(np.vstack([linear, *discs]))
        step = conic(np.eye(13)[12], rows, np.r_[bounds, *ends], cones, "linear step").x
        new = x + step[:12].reshape(4, 3)
        numbers = share_within(8 * new[:, 2], 32, 29)
        offsets = within_reach(task.reach * new[:, :2], task.reach)
        worst = task.values(task.scene.aps + offsets, numbers).max()
        if worst < value:
            x, value = new, worst
        else:
            trust /= 2
        if trust < 1e-5:
            break
    return value


@pytest.mark.parametrize("seed", [1, 5])
def test_a_second_solver_finds_the_same(seed):
    task = problem(seed)
    assert linear_steps(task) == pytest.approx(placement.direct(task).objective, rel=1e-6)


def test_the_first_order_conditions_tell_an_optimum_from_a_start():
    task = problem(6)
    found = placement.direct(task)
    assert placement.kkt_residual(task, found) < 1e-5
    assert placement.kkt_residual(task, task.initial) > 0.05
    moved = task.placement(found.aps, found.n_antennas[[1, 0, 2, 3]], "swapped")
    assert placement.kkt_residual(task, moved) > 0.05
    still = replace(task, reach=0.0, antenna_budget=32)
    only = placement.direct(still)
    np.testing.assert_array_equal(only.aps, task.scene.aps)
    assert placement.kkt_residual(still, only) < 1e-5
    assert found.objective < only.objective < task.initial.objective


def test_kept_antenna_numbers_are_kept():
    task = problem(7)
    fixed = placement.direct(task, n_antennas=[8, 8, 8, 8])
    np.testing.assert_array_equal(fixed.n_antennas, 8)
    assert placement.direct(task).objective <= fixed.objective < task.initial.objective
    still = placement.direct(replace(task, reach=0.0), n_antennas=[8, 8, 8, 8])
    assert still.objective == task.initial.objective


def test_many_targets_enter_when_they_matter(monkeypatch):
    turns = np.arange(4) * np.pi / 4
    headings = 105 * np.column_stack([np.cos(turns), np.sin(turns)])
    grid = placement.spread_targets(scene(), [[130, 140], [220, 210]], 5, headings)
    task = placement.Problem(grid, 10.0)
    quick = placement.direct(task)
    monkeypatch.setattr(solver, "_MANY", 1000)
    assert placement.direct(task).objective == pytest.approx(quick.objective, rel=1e-7)
    monkeypatch.setattr(solver, "_MANY", 10)
    monkeypatch.setattr(solver, "_ROUNDS", 0)
    with pytest.raises(SolverError, match="no working set after 0 rounds"):
        placement.direct(task)


def test_the_optimum_for_a_square_area_has_the_symmetry_of_the_square():
    """Mirrored at its middle lines, the problem is itself, and so is its optimum."""
    turns = np.arange(8) * np.pi / 8
    headings = 105 * np.column_stack([np.cos(turns), np.sin(turns)])
    grid = placement.spread_targets(scene(), [[125, 125], [225, 225]], 5, headings)
    found = placement.direct(placement.Problem(grid, 10.0))
    np.testing.assert_allclose(found.n_antennas, 8, atol=1e-3)
    inward = np.abs(found.aps - grid.aps)
    np.testing.assert_allclose(inward, inward[[0, 0, 0, 0]], atol=1e-3)


# -------------------------------------------------------------------------------- whole antennas


def three(seed=3, reach=10.0, budget=8):
    aps = np.array([[0.0, 0.0], [350.0, 0.0], [150.0, 350.0]])
    place = replace(scene(seed, 6), aps=aps, n_antennas=np.array([2, 2, 2]))
    return placement.Problem(place, reach, budget)


def test_compositions_are_all_ways_to_share():
    for total, parts in ((5, 1), (6, 3), (8, 8), (32, 4)):
        ways = placement.compositions(total, parts)
        assert np.all(ways >= 1)
        assert np.all(ways.sum(axis=1) == total)
        assert len(np.unique(ways, axis=0)) == len(ways)
    assert len(ways) == 4495


@pytest.mark.parametrize("seed", [3, 8])
def test_whole_numbers_are_the_best_of_all_compositions_with_their_own_places(seed):
    task = three(seed)
    every = [
        placement.direct(
            task, n_antennas=way, initial=task.placement(task.scene.aps, way, "")
        ).objective
        for way in placement.compositions(8, 3)
    ]
    found = placement.integers(task, n_polished=5)
    assert found.objective == pytest.approx(min(every), rel=1e-6)
    assert np.all(found.n_antennas == np.rint(found.n_antennas))
    assert found.n_antennas.sum() == 8
    assert found.objective >= placement.direct(task).objective * (1 - 1e-9)


def test_more_antennas_never_hurt():
    task, rng = problem(9), np.random.default_rng(9)
    for _ in range(20):
        here = draw(task, rng)
        more = here.n_antennas + rng.uniform(0, 3, 4)
        assert np.all(task.values(here.aps, more) <= here.per_target)


def test_a_design_with_whole_numbers_keeps_them():
    task = problem(10)
    fixed = placement.direct(task, n_antennas=[7, 8, 8, 9])
    np.testing.assert_array_equal(placement.integers(task, fixed).n_antennas, [7, 8, 8, 9])


def test_scores_are_those_of_one_placement_each():
    task = problem(11)
    ways = placement.compositions(32, 4)[::400]
    found = placement.scores(task, task.scene.aps, ways)
    alone = [task.placement(task.scene.aps, way, "").objective for way in ways]
    np.testing.assert_allclose(found, alone, rtol=1e-12)


# ------------------------------------------------------------------------------------------ ADMM


@QUICK
@given(seed=SEEDS)
def test_24_and_25_are_projections_by_a_second_solver(seed):
    """Step 1 and Step 2 in closed form, against CVXPY (which the source uses for Step 2)."""
    rng = np.random.default_rng(seed)
    wanted, most = rng.normal(8, 12, 4), 29
    b = cp.Variable(4)
    solve(
        cp.Problem(cp.Minimize(cp.sum_squares(b - wanted)), [cp.sum(b) <= 32, b >= 1, b <= most]),
        "budget",
    )
    found = share_within(wanted, 32, most)
    np.testing.assert_allclose(found, b.value, atol=1e-4)
    assert found.sum() <= 32 * (1 + 1e-12)
    offset = rng.normal(0, 12, (4, 2))
    a = cp.Variable((4, 2))
    solve(
        cp.Problem(cp.Minimize(cp.sum_squares(a - offset)), [cp.norm(a, 2, axis=1) <= 10]), "discs"
    )
    np.testing.assert_allclose(within_reach(offset, 10.0), a.value, atol=1e-3)


@QUICK
@given(seed=SEEDS)
def test_the_joint_step_minimises_26(seed):
    rng = np.random.default_rng(seed)
    f, gamma, rho = rng.uniform(0.5, 1, 20), rng.normal(0, 0.3, 20), rng.uniform(0.1, 2)
    wanted = f - gamma / rho

    def at(level):
        varpi = np.minimum(level, wanted)
        return level + np.sum(gamma * (varpi - f) + rho / 2 * (varpi - f) ** 2)

    level = inner.joint_level(wanted, rho)
    assert rho * np.maximum(wanted - level, 0).sum() == pytest.approx(1, rel=1e-9)
    found = optimize.minimize_scalar(at, bounds=(level - 3, level + 3), method="bounded")
    assert at(level) <= found.fun + 1e-9


def test_the_gradient_of_29_is_that_of_differences():
    task, rng = problem(12), np.random.default_rng(12)
    state = inner._start(task, np.array([1e-2, 1e-2, 0.6]), rng)
    z = state.z + rng.normal(0, 0.5, state.z.shape)
    gradient = inner._penalty(task, state, z.ravel())[1]
    found = oracle.derivatives(lambda x: inner._penalty(task, state, x)[0], z.ravel(), 1e-2)
    np.testing.assert_allclose(gradient, found, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def runs():
    task = problem(1)
    random = {"rng": np.random.default_rng(2024), "n_iterations": 40}
    return task, {
        "mended": placement.admm(task, n_iterations=200),
        "printed": placement.admm(task, repairs=(), **random),
        "step 3 printed": placement.admm(task, repairs=("sign", "feasible"), n_iterations=100),
    }


def test_mended_it_comes_near_the_optimum(runs):
    task, found = runs
    best = placement.direct(task).objective
    mended = found["mended"]
    assert best <= mended.objective < best * 1.02
    assert mended.history["place_gap"][-1] < 0.1
    assert mended.history["number_gap"][-1] < 0.1
    assert mended.status == "stopped after 200 iterations"


def test_every_copy_is_feasible(runs):
    task, found = runs
    for each in found.values():
        task.check(each.aps, each.n_antennas)
        assert each.objective == pytest.approx(each.history["objective"][-1], rel=1e-12)


def test_with_step_3_as_printed_the_level_only_falls(runs):
    for name in ("printed", "step 3 printed"):
        assert np.all(np.diff(runs[1][name].history["level"]) <= 0)
    assert np.any(np.diff(runs[1]["mended"].history["level"]) > 0)


def test_as_printed_z_leaves_the_feasible_set(runs):
    task, found = runs
    z = found["printed"].joint
    with pytest.raises(Infeasible):
        task.check(z[:, :2], z[:, 2])
    assert found["printed"].history["level"][-1] < 0  # below any bound
    assert found["printed"].objective > task.initial.objective
    # Charitable: the sign mended, z held, and multipliers that rest at the start.
    charity = found["step 3 printed"].objective
    best = placement.direct(task).objective
    assert best * 1.1 < charity < task.initial.objective


def test_a_tolerance_ends_it_and_penalties_may_adapt():
    task = problem(13)
    short = placement.admm(task, tolerance=1e3)
    assert short.status == "converged"
    assert len(short.history["level"]) == 1
    adapted = placement.admm(task, n_iterations=60, adapt=True)
    assert adapted.objective < task.initial.objective


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"reach": -1.0}, ValueError, "reach must be >= 0"),
        ({"reach": 200.0}, ValueError, "reach must be < .* the distance to a target"),
        ({"reach": 90.0}, ValueError, "reach and targets"),
        ({"antenna_budget": 3}, Infeasible, "antenna_budget must be >= 4, one for each AP"),
        ({"antenna_budget": 31}, Infeasible, "antenna_budget must be >= 32, the scene's; got 31"),
        ({"antenna_budget": 40.5}, ValueError, "antenna_budget must be a whole number"),
        ({"position_weight": 0.0}, ValueError, r"position_weight must be in \(0, 1\)"),
        ({"position_weight": 1.0}, ValueError, r"position_weight must be in \(0, 1\)"),
        ({"scales": (0.0, 1.0)}, ValueError, "scales must be > 0"),
        ({"scales": (1.0, 1.0, 1.0)}, ValueError, "scales must be two numbers"),
        ({"criterion": "printed"}, ValueError, "criterion must be a Criterion"),
    ],
)
def test_bad_problems_are_refused_by_name(more, error, message):
    with pytest.raises(error, match=message):
        placement.Problem(scene(), **{"reach": 10.0, **more})


def test_scenes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="scene must be a MonostaticScene in the plane"):
        placement.Problem(scenarios.fan_scene(np.random.default_rng(0)), 10.0)
    own = replace(scene(), n_antennas=None, receive_arrays=arrays.linear(4))
    with pytest.raises(ValueError, match="scene must have linear arrays"):
        placement.Problem(own, 10.0)
    with pytest.raises(ValueError, match="scene must have linear arrays and the gains of their el"):
        placement.Problem(replace(scene(), gain_reference="array"), 10.0)
    alone = replace(scene(), aps=np.zeros((1, 2)), n_antennas=8)
    with pytest.raises(ValueError, match="its velocity found, from the initial placement; that of"):
        placement.Problem(alone, 10.0)


def test_starts_outside_the_feasible_set_are_refused():
    task = problem()
    far = replace(task.initial, aps=task.scene.aps + [10.1, 0])
    with pytest.raises(Infeasible, match=r"aps must be within reach, 10 m; one is 10\.1 m away"):
        placement.direct(task, initial=far)
    with pytest.raises(Infeasible, match="n_antennas must be >= 1, got 0"):
        placement.direct(task, n_antennas=[0, 8, 8, 8])
    with pytest.raises(Infeasible, match="n_antennas must sum to <= 32, got 36"):
        placement.kkt_residual(task, replace(task.initial, n_antennas=9 * np.ones(4)))
    with pytest.raises(ValueError, match="aps and n_antennas must have shapes"):
        placement.direct(task, n_antennas=[16, 16])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"repairs": ("all",)}, "repairs must be 'joint step', 'sign' or 'feasible'"),
        ({"n_iterations": 0}, "n_iterations must be a whole number >= 1"),
        ({"penalties": (1, 0, 1)}, "penalties must be > 0"),
        ({"penalties": (1, 1)}, "penalties must be three numbers"),
        ({"tolerance": -1.0}, "tolerance must be >= 0"),
    ],
)
def test_bad_iterations_are_refused_by_name(more, message):
    with pytest.raises(ValueError, match=message):
        placement.admm(problem(), **more)


def test_other_bad_arguments_are_refused_by_name():
    with pytest.raises(Infeasible, match="3 antennas do not suffice for 4 APs"):
        placement.compositions(3, 4)
    with pytest.raises(ValueError, match="at most 200000 ways"):
        placement.compositions(128, 5)
    with pytest.raises(ValueError, match="n_polished must be a whole number >= 1"):
        placement.integers(problem(), n_polished=0)
    with pytest.raises(ValueError, match=r"corners must have shape \(2, 2\)"):
        placement.spread_targets(scene(), [[0, 0]], 3, [[1, 0]])
    with pytest.raises(ValueError, match="n_per_side must be a whole number >= 2"):
        placement.spread_targets(scene(), [[125, 125], [225, 225]], 1, [[1, 0]])


@pytest.mark.parametrize(
    ("status", "move", "match"),
    [(9, 0.0, "Iteration limit"), (0, 0.5, "not at an optimum")],
)
def test_a_solver_that_stops_or_errs_raises_with_its_word(monkeypatch, status, move, match):
    real = optimize.minimize

    def other(*args, **kwargs):
        found = real(*args, **kwargs)
        found.status, found.message = status, "Iteration limit reached"
        found.x[:2] += move
        return found

    monkeypatch.setattr(solver.optimize, "minimize", other)
    with pytest.raises(SolverError, match=match) as caught:
        placement.direct(problem())
    assert "Iteration limit reached" in caught.value.status


def test_inputs_are_not_changed():
    task = problem(14)
    before = task.scene.aps.copy(), task.initial.per_target
    placement.admm(task, n_iterations=3)
    placement.integers(task, n_polished=1)
    np.testing.assert_array_equal(task.scene.aps, before[0])
    np.testing.assert_array_equal(task.initial.per_target, before[1])
    assert all(a != b for a, b in pairwise([*task.scales, 0.0]))
