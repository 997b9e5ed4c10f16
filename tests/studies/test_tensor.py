"""The studies of the tensor estimator: their searches, their tables, and what the tables say."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.estimators import tensor as estimator
from cfisac.studies import _tensor_search as search
from cfisac.studies import tensor


@pytest.fixture(scope="module")
def one():
    return tensor.one_target(np.random.default_rng(1), 10.0)


def test_tables_of_matched_filters_are_the_objective(one):
    """Except where a filter is nearly zero; and the truth is nearly all that can be had."""
    scene, separated = one
    for _, goal, box, best, _ in tensor._problems(scene, separated):
        quick = search.Quick(goal, box is tensor.POLAR)
        points = np.random.default_rng(2).uniform(box[0], box[1], (400, 2))
        plain = search.cartesian(points) if box is tensor.POLAR else points
        top = goal.tones.weights @ np.sum(np.abs(goal.tones.factors), axis=1)
        off = np.abs(quick(points) - goal.value(plain) / top)
        assert np.median(off) < 1e-6
        assert off.max() < 2e-3
        assert goal.value(best) / top == pytest.approx(1, abs=1e-3)
        assert quick.n_asked == 400


@pytest.mark.parametrize("name", search.SEARCHES)
def test_every_search_keeps_to_its_evaluations_and_its_seed(one, name):
    scene, separated = one
    goal = estimator.objective(scene, separated, 0)
    ends = []
    for _ in range(2):
        quick = search.Quick(goal)
        ends.append(search.SEARCHES[name](quick, tensor.BOX, 2000, np.random.default_rng(3)))
        assert 0.8 * 2000 <= quick.n_asked <= 2002
    np.testing.assert_array_equal(*ends)
    assert np.all((ends[0] >= tensor.BOX[0]) & (ends[0] <= tensor.BOX[1]))
    assert search.Quick(goal)(ends[0][None])[0] > 0.9


def test_errors_move_estimates_into_the_region():
    scene = tensor.scene_at(np.random.default_rng(1), 2, 0.0)
    far = scene.targets[::-1] + [[0, 0], [1e6, 0]]
    place, pace = tensor.errors(scene, far, 10 * scene.velocities[::-1])
    assert place[1] == 0
    assert place[0] == pytest.approx(np.hypot(350 - scene.targets[0, 0], 0))
    assert np.all(pace < 2 * tensor.FASTEST)


def test_a_profile_of_one_tone_has_one_peak(one):
    scene, separated = one
    assert tensor.peaks(estimator.objective(scene, separated, 0), tensor.BOX).size == 1
    low = tensor.peaks(estimator.objective(scene, separated, 0), tensor.BOX, 0.3)
    assert low.size > 1
    assert np.all(np.diff(low) <= 0)


def test_the_jackknife_is_that_of_plain_loops(monkeypatch):
    means = np.random.default_rng(1).uniform(1, 2, (2, 5, 2))
    monkeypatch.setattr(tensor, "batch_means", lambda _: (["a", "b"], means))
    value, error = tensor.gain("any", "a", "b")

    def share(one, two):
        return 1 - np.sqrt(one.mean() / two.mean())

    for row, (one, two) in enumerate(zip(means[..., 0], means[..., 1], strict=True)):
        left = [share(np.delete(one, k), np.delete(two, k)) for k in range(5)]
        assert error[row] == pytest.approx(np.sqrt(4) * np.std(left))
        assert value[row] == pytest.approx(share(one, two))


# -------------------------------------------------------------------- what stored tables say (liu)


def test_fixed_targets_are_found_and_drawn_ones_not_always():
    """Headline 7: three targets at 0 dB, no ghosts."""
    table = studies.stored("liu-fig8").set_index("targets")
    assert table.loc["fixed", "all_found_share"] == 1
    assert table.loc["fixed", "position_ghosts"] == table.loc["fixed", "velocity_ghosts"] == 0
    drawn = table.loc["drawn"]
    assert drawn.all_found_share + 4 * drawn.all_found_share_se < 1
    assert drawn.velocity_ghosts > 2 * drawn.velocity_ghosts_se


def test_surfaces_are_not_convex_and_least_at_the_target():
    for name, keys, truth in (
        ("liu-fig3", ("x_m", "y_m"), tensor.surfaces()[0].targets[0]),
        ("liu-fig4", ("speed_m_per_s", "heading_deg"), None),
    ):
        table = studies.stored(name)
        assert table.objective.min() >= 1
        wide = table.pivot(index=keys[1], columns=keys[0], values="objective").to_numpy()
        inner = wide[1:-1, 1:-1]
        around = [np.roll(np.roll(wide, i, 0), j, 1)[1:-1, 1:-1]
                  for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]  # fmt: skip
        assert np.sum(np.all([inner < each for each in around], axis=0)) > 1
        if truth is not None:
            best = table.loc[table.objective.idxmin(), list(keys)]
            assert np.abs(best - truth).max() <= 10


def test_no_swarm_is_as_sure_as_a_grid():
    """Headline 4: at equal evaluations bees and genes are not the best, and a grid never fails."""
    table = studies.stored("liu-fig6")
    table = table.set_index(table.evaluations.astype(str))
    for kind in ("position", "velocity"):
        assert (table[f"grid_bfgs_{kind}_missed_share"] == 0).all()
    printed = table.loc["printed"]
    for name in ("abc", "sa"):
        assert printed[f"{name}_position_missed_share"] > 0.8
        assert printed.pso_position_missed_share < 0.1
        assert printed.pso_position_m2 < printed[f"{name}_position_m2"]
        assert printed.pso_velocity_m_per_s2 < printed[f"{name}_velocity_m_per_s2"]
    for asked in ("200", "1000", "4000"):
        row = table.loc[asked]
        for square in ("position_m2", "velocity_m_per_s2"):
            others = [row[f"{name}_{square}"] for name in search.SEARCHES if name != "abc"]
            assert row[f"abc_{square}"] > min(others)


def test_bfgs_mends_what_is_in_the_right_basin():
    """Headline 5."""
    row = studies.stored("liu-fig6").assign(key=lambda t: t.evaluations.astype(str))
    row = row.set_index("key").loc["1000"]
    assert row.abc_bfgs_position_m2 < 0.01 * row.abc_position_m2
    assert row.abc_bfgs_position_m2 == pytest.approx(row.grid_bfgs_position_m2, rel=1e-6)
    assert row.abc_bfgs_velocity_missed_share > 4 * row.abc_bfgs_velocity_missed_share_se


def test_the_decomposition_is_far_from_the_bound_and_joint_ml_is_on_it():
    """The mean of 324 squared errors, exponential at worst, has a relative deviation of 6 %."""
    for _, row in studies.stored("liu-fig9").iterrows():
        for square in ("position_m2", "velocity_m2_per_s2"):
            bound = row[f"bound_{square}"]
            assert row[f"joint_{square}"] == pytest.approx(bound, rel=4 * 0.06 + 0.1)
            assert row[f"sfo_{square}"] > 100 * bound
        assert row.joint_lost_share == 0


def test_gains_over_data_level_fusion_are_outliers():
    """Headline 2: from 0 dB on not in medians, where 50 % is outside four standard errors."""
    for column in ("median_position_m", "median_velocity_m_per_s"):
        value, error = tensor.gain("liu-fig9", f"sfo_{column}", f"mle_apart_{column}")
        assert np.all(np.abs(value[:2]) < 3 * error[:2] + 0.02)
        assert value[2] > 4 * error[2]  # at -20 dB
        assert value[1] + 4 * error[1] < 0.5
        value, error = tensor.gain("liu-fig9", f"sfo_{column}", f"mle_{column}")
        assert value[1] + error[1] < 0
    for square in ("position_m2", "velocity_m2_per_s2"):
        _, error = tensor.gain("liu-fig9", f"sfo_{square}", f"mle_apart_{square}")
        assert error[1] > 0.5  # the RMSE does not determine it


def test_gains_over_a_lattice_grow_with_its_step():
    """Headline 1, in medians at 20 dB; in the RMSE outliers hide it."""
    for column in ("median_position_m", "median_velocity_m_per_s"):
        last = 0.0
        for step in tensor.STEPS:
            name = f"lattice_{step:g}".replace(".", "p")
            value, error = tensor.gain("liu-fig9", f"sfo_{column}", f"{name}_{column}")
            assert value[1] > last + error[1]
            last = value[1]
        assert last > 0.9
    value, _ = tensor.gain("liu-fig9", "sfo_position_m2", "lattice_0p1_position_m2")
    assert np.abs(value).max() < 0.01


def test_more_bees_need_fewer_epochs_and_a_higher_snr_as_many():
    """Headline 6, within four standard errors where nothing should change."""
    table = studies.stored("liu-fig7").set_index("snr_db")
    for kind in ("position_m", "velocity_m_per_s"):
        for _, row in table.iterrows():
            name = "{}_squared_{}_bees_{}_epochs".format
            for epochs in (5, 10, 20, 50):
                few, some, many = (name(kind, n, epochs) for n in tensor.POPULATIONS)
                for less, more in ((few, some), (some, many)):
                    one_target = row[f"{more}_se"] > 0.5 * row[more]  # lost, makes the mean
                    spread = np.hypot(row[f"{less}_se"], row[f"{more}_se"])
                    assert row[less] > row[more] - 4 * spread * one_target
                assert epochs < 20 or row[few] > 10 * row[many]
        for size in tensor.POPULATIONS:
            low, high = table.loc[10.0], table.loc[50.0]
            key = name(kind, size, 10)
            spread = np.hypot(low[f"{key}_se"], high[f"{key}_se"])
            assert abs(low[key] - high[key]) < 4 * spread
        best = table[f"{kind}_squared_at_best"]
        assert best[50.0] < 1e-3 * best[10.0]


def test_a_better_placement_helps_what_sits_on_the_bound():
    """Headline 8: joint ML gains what the bound does, within four standard errors."""
    for column in ("position_m2", "velocity_m2_per_s2"):
        value, error = tensor.gain(
            "liu-fig10", f"optimal_joint_{column}", f"initial_joint_{column}"
        )
        bound, _ = tensor.gain("liu-fig10", f"optimal_bound_{column}", f"initial_bound_{column}")
        assert bound[0] > 0.05
        assert value[0] == pytest.approx(bound[0], abs=4 * error[0])
        assert value[0] > 2 * error[0]
    value, error = tensor.gain("liu-fig10", "optimal_sfo_position_m2", "initial_sfo_position_m2")
    assert abs(value[0]) < 2 * error[0]
