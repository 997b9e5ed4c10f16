"""The studies of pilots and antennas: what their stored tables say, and against another road."""

import itertools

import numpy as np
import pytest

from cfisac import studies
from cfisac.designs import pilots
from cfisac.studies import pilots as scenes

FIG4, FIG5, GAP = (studies.stored(f"zhang-{name}") for name in ("fig4", "fig5", "gap"))


def test_unit_bounds_of_users_are_those_of_the_design():
    """From gains and angles by (42)-(44), drawn anew from the same generator."""
    found = scenes.user_unit_bounds(np.random.default_rng(1), 3)
    rng = np.random.default_rng(1)
    users = rng.uniform(-100, 100, (3, 2))
    aps = np.array(list(itertools.product((-75, -25, 25, 75), repeat=2)))[:, ::-1]
    distance = np.maximum(np.linalg.norm(users[:, None] - aps, axis=-1), 10)
    phi = rng.uniform(-np.pi / 3, np.pi / 3, distance.shape)
    for user in range(3):
        expected = pilots.angle_unit_bounds(np.sqrt(10) * 50 / distance[user], phi[user], 1.0)
        np.testing.assert_allclose(found[user], expected.unit_bounds, rtol=1e-12)


def test_utility_is_minus_the_least_cost_over_pilots():
    rng = np.random.default_rng(2)
    bounds = scenes.user_unit_bounds(rng, 20)
    value, t = scenes.utility(bounds, 8, 5, *scenes.FIG4_WEIGHTS)
    for user in range(20):
        problem = pilots.Problem(bounds[user], (1, 100), (2, 16), 256, 200.0, *scenes.FIG4_WEIGHTS)
        every = problem.cost(np.arange(1, 101), 8, 5)
        assert value[user] == pytest.approx(-every.min(), rel=1e-12)
        assert t[user] == 1 + np.argmin(every)


def peak(table, curve, axis):
    """Where each curve is highest, by its steps: all up before, all down after, none by chance."""
    found = {}
    for name, rows in table.groupby(curve):
        rows = rows.set_index(axis).iloc[1:]
        step, error = rows.last_step_rad2, rows.last_step_rad2_se
        best = step.index[step > 0].max()
        assert (step.loc[:best] > 5 * error.loc[:best]).all()
        assert (step.loc[best + 1 :] < -5 * error.loc[best + 1 :]).all()
        found[name] = int(best)
    return found


def test_figure_4_rises_and_falls_and_fewer_access_points_do_with_larger_arrays():
    assert peak(FIG4, "n_antennas", "n_aps") == {4: 12, 8: 7, 16: 3}


def test_figure_5_rises_and_falls_and_smaller_arrays_do_with_more_access_points():
    assert peak(FIG5, "n_aps", "n_antennas") == {2: 28, 4: 19, 8: 13, 16: 9}


def test_steps_add_up_to_the_curves():
    """Each row drew its own users, so within five standard errors."""
    for table, curve in ((FIG4, "n_antennas"), (FIG5, "n_aps")):
        for _, rows in table.groupby(curve):
            off = rows.utility_rad2.iloc[-1] - rows.utility_rad2.iloc[0] - rows.last_step_rad2.sum()
            ends = rows.utility_rad2_se.iloc[[0, -1]]
            assert abs(off) < 5 * np.sqrt((ends**2).sum() + (rows.last_step_rad2_se**2).sum())


def cell(budget, start):
    return GAP[(GAP.antenna_budget == budget) & (GAP.start == start)].iloc[0]


def test_the_search_is_stuck_now_and_then_from_every_start():
    """Under any budget a few per cent at the least, and four starts are better than one."""
    for budget in scenes.BUDGETS:
        best = cell(budget, "best of four")
        for start in list(scenes.STARTS)[:4]:
            row = cell(budget, start)
            assert row.stuck_share - 5 * row.stuck_share_se > 0.03
            assert row.stuck_share - best.stuck_share > 5 * np.hypot(
                row.stuck_share_se, best.stuck_share_se
            )


def test_large_gaps_come_from_the_budget():
    """With a budget that never binds the mean gap is below a thousandth from any start."""
    crowded, free = cell(64, "all access points"), cell(1024, "all access points")
    assert crowded.gap - 5 * crowded.gap_se > 0.5
    assert free.gap + 5 * free.gap_se < 1e-3
    assert crowded.above_10_percent_share > 0.1
    assert free.above_10_percent_share < 0.001


def test_shares_are_those_of_a_search_in_loops():
    """Two dozen instances by brute force over all (T, L, M) and over each update."""
    rng = np.random.default_rng(3)
    for _ in range(24):
        problem = scenes.instance(rng, 64)
        start = scenes.starts(rng, 64)["all access points"]
        t, length, m = np.meshgrid(
            np.arange(1, 101), np.arange(2, 65), np.arange(1, 17), indexing="ij"
        )
        cost = np.where(length * m <= 64, problem.cost(t, length, m), np.inf)
        here, before = start, np.inf
        while cost[here[0] - 1, here[1] - 2, here[2] - 1] < before:
            before = cost[here[0] - 1, here[1] - 2, here[2] - 1]
            here = (1 + np.argmin(cost[:, here[1] - 2, here[2] - 1]), *here[1:])
            here = (here[0], 2 + np.argmin(cost[here[0] - 1, :, here[2] - 1]), here[2])
            here = (*here[:2], 1 + np.argmin(cost[here[0] - 1, here[1] - 2]))
        found = pilots.alternating(problem, start, 0.0).allocation.cost
        assert found == pytest.approx(before, rel=1e-12)
        assert pilots.exhaustive(problem).cost == pytest.approx(cost.min(), rel=1e-12)


def test_starts_are_feasible_under_every_budget():
    rng = np.random.default_rng(4)
    for budget in scenes.BUDGETS:
        problem = scenes.instance(rng, budget)
        for _ in range(50):
            assert all(problem.is_feasible(*point) for point in scenes.starts(rng, budget).values())
