"""The studies of placement: three bounds to design for, and what stored tables say."""

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfisac import studies
from cfisac.designs import placement as designs
from cfisac.scenarios import liu_scene
from cfisac.studies import liu, placement

QUICK = settings(deadline=None, max_examples=10)
SEEDS = st.integers(0, 2**32 - 1)


@QUICK
@given(seed=SEEDS, fixed=st.booleans())
def test_printed_traces_are_those_of_the_bounds_study(seed, fixed):
    scene = liu_scene(np.random.default_rng(seed), 5)
    task = placement.problem_of(scene, "fixed" if fixed else "printed")
    found = task.criterion.traces(scene.aps, scene.n_antennas)
    correction = "Jacobians" if fixed else "velocity restored"
    position, speed, heading = liu.bounds(correction, scene, scene.sample_snr.T)
    np.testing.assert_allclose(found, [position**2, speed**2 + heading**2], rtol=1e-9)


@QUICK
@given(seed=SEEDS, fixed=st.booleans())
def test_their_slopes_are_those_of_differences(seed, fixed):
    rng = np.random.default_rng(seed)
    scene = liu_scene(rng, 3)
    task = placement.problem_of(scene, "fixed" if fixed else "printed")
    z = np.column_stack([scene.aps + rng.normal(0, 2, (4, 2)), rng.uniform(4, 12, 4)])

    def at(flat):
        moved = flat.reshape(4, 3)
        return task.criterion.traces(moved[:, :2], moved[:, 2])

    found = oracle.derivatives(at, z.ravel(), 1e-3, order=4).reshape(2, 3, 4, 3)
    value, slope = task.criterion.slopes(z[:, :2], z[:, 2])
    np.testing.assert_allclose(value, at(z.ravel()), rtol=1e-12)
    size = np.abs(found).max(axis=(-2, -1), keepdims=True)
    assert np.abs((slope - found) / size).max() < 1e-4  # (15) has poles, where differences fail


def test_the_snr_falls_with_the_fourth_power_and_grows_with_the_antennas():
    """As in the scene: the traces of a moved scene are those of its own criterion."""
    scene = liu_scene(np.random.default_rng(4), 5)
    moved = type(scene)(
        aps=scene.aps + [[5, 5], [-5, 5], [5, -5], [-5, -5]], n_antennas=np.array([4, 8, 12, 8]),
        targets=scene.targets, velocities=scene.velocities, waveform=scene.waveform,
        carrier_frequency=scene.carrier_frequency, noise_variance=scene.noise_variance,
        transmit_power=scene.transmit_power,
    )  # fmt: skip
    for bound in placement.BOUNDS:
        one, two = (placement.problem_of(each, bound).criterion for each in (scene, moved))
        np.testing.assert_allclose(
            one.traces(moved.aps, moved.n_antennas), two.traces(moved.aps, moved.n_antennas),
            rtol=1e-9,
        )  # fmt: skip


def test_the_parts_of_a_change_multiply_to_nothing_else():
    """With both halves from one placement the mixed bound is the bound of that placement."""
    scene = liu_scene(np.random.default_rng(5), 6)
    task = placement.problem_of(scene, "right")
    aps = placement.random_design(task, np.random.default_rng(1)).aps
    np.testing.assert_allclose(
        placement._mixed(task, aps, aps), task.values(aps, scene.n_antennas), rtol=1e-9
    )


@pytest.mark.parametrize("what", ["everything", "places", "antennas", "straight inward"])
def test_less_freedom_is_no_better(what):
    cell = {"targets": "20 drawn", "reach_m": 10.0}
    ratio = placement.ablation_trial(np.random.default_rng(6), **cell, what=what)["over_initial"]
    best = placement.ablation_trial(np.random.default_rng(6), **cell, what="everything")
    assert best["over_initial"] <= ratio * (1 + 1e-6)
    assert ratio < 1


def test_random_designs_are_feasible_and_share_everything():
    task, rng = placement.problem_of(liu_scene(np.random.default_rng(7), 4), "right"), None
    rng = np.random.default_rng(8)
    drawn = [placement.random_design(task, rng) for _ in range(50)]
    assert all(each.n_antennas.sum() == 32 for each in drawn)
    assert max(each.n_antennas.max() for each in drawn) > 16


# ----------------------------------------------------------------------------------- stored tables


@pytest.fixture(scope="module")
def figure():
    return studies.stored("liu-fig5").set_index(["method", "made_for"])


def test_the_printed_iteration_soon_asks_for_less_than_nothing(figure):
    for made_for in ("printed", "right"):
        assert figure.loc[("ADMM as printed", made_for), "level_below_zero_share"] > 0.9
    other = figure.drop("ADMM as printed")
    assert np.all(other["level_below_zero_share"] == 0)


def test_direct_is_better_than_the_mended_iteration_and_that_than_the_printed_step(figure):
    value = figure["right_over_initial"]
    best = value["direct", "right"]
    assert best < value["ADMM, mended", "right"] < best + 0.03
    assert value["ADMM, step 3 as printed", "right"] > 0.95
    assert best < value["direct, whole antennas", "right"] < best + 0.02
    assert value["random", "right"] > 1


def test_each_design_is_the_best_for_the_bound_that_it_was_made_for(figure):
    for bound in placement.BOUNDS:
        column = figure[f"{bound}_over_initial"]
        made = {other: column["direct", other] for other in placement.BOUNDS}
        assert min(made, key=made.get) == bound


def test_only_the_design_for_the_whole_area_is_the_best_there(figure):
    area = figure["area_over_initial"].dropna()
    assert area.idxmin() == ("direct, whole area", "right")
    task, found = placement.area_problem(), placement.area_design()
    assert designs.kkt_residual(task, found) < 1e-6
    assert area.min() == pytest.approx(found.objective / task.initial.objective, rel=1e-6)


def test_nearly_all_the_gain_is_path_loss():
    table = studies.stored("liu-ablation")
    for targets in ("20 drawn", "whole area"):
        part = table[(table["targets"] == targets) & (table["reach_m"] == 10)]
        gain = 1 - part.set_index("what")["over_initial"]
        assert gain["places: path loss"] > 0.85 * gain["places"]
        assert gain["places: geometry"] < 0.15 * gain["places"]
        assert gain["straight inward"] > 0.85 * gain["everything"]
        assert gain["antennas"] < 0.3 * gain["everything"]
