"""What the stored tables of the modes say, and that their certified columns hold."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.designs import Infeasible, modes
from cfisac.designs.power import max_min_sinr
from cfisac.studies import modes as scenes

GAP = studies.stored("modes-gap")
STEPS = studies.stored("fan_journal-fig6")
SECONDS = studies.stored("fan_journal-table4").set_index("n_aps")
POSSIBLE = GAP[GAP.listeners != "none possible"]
SEARCHES = ("closest", "joint_printed", "joint_inner", "swap", "random")


def column(table, name):
    return table[f"{name}_se_bit_per_s_per_hz"].fillna(0.0).to_numpy()


def test_the_scenes_of_the_gap():
    assert dict(GAP.n_aps.value_counts()) == scenes.N_SCENES
    assert len(GAP) >= 20
    assert {8, 16, 32} == set(POSSIBLE.n_aps)


@pytest.mark.parametrize("row", [0, 5, 17, 30])
def test_stored_listeners_reach_what_is_stored(row):
    """The certified columns are not computed again by `verify`: here their powers are."""
    stored = POSSIBLE.iloc[row % len(POSSIBLE)]
    _, each = scenes.draw(int(stored.n_aps), int(stored.scene))
    hears = np.isin(np.arange(stored.n_aps), [int(at) for at in stored.listeners.split()])
    found = max_min_sinr(each, stored.peb_max_m**2, ~hears, hears, tolerance=1e-5)
    best = scenes.efficiency(found.value)
    assert best == pytest.approx(stored.best_se_bit_per_s_per_hz, rel=2e-5)
    bound = scenes.efficiency(found.value * (1 + stored.sinr_gap))
    assert bound == pytest.approx(stored.bound_se_bit_per_s_per_hz, rel=2e-5)


def test_no_algorithm_exceeds_a_bound():
    for name in SEARCHES:
        assert np.all(column(POSSIBLE, name) <= column(POSSIBLE, "bound") * (1 + 1e-6))
        impossible = GAP[GAP.listeners == "none possible"]
        assert np.all(column(impossible, name) == 0)
    assert np.all(column(POSSIBLE, "best") >= column(POSSIBLE, "swap") * (1 - 1e-5))


def test_the_local_search_is_never_worse_than_the_sources_algorithms():
    for name in ("closest", "joint_printed", "joint_inner"):
        assert np.all(column(POSSIBLE, "swap") >= column(POSSIBLE, name) * (1 - 1e-5))


def test_neither_of_both_is_always_the_better():
    joint, near = column(POSSIBLE, "joint_inner"), column(POSSIBLE, "closest")
    assert np.mean(joint) > np.mean(near)
    assert np.any(joint < near * (1 - 1e-3))
    assert np.any(joint > near * (1 + 1e-3))
    best = column(POSSIBLE, "best")
    for name in ("joint_inner", "closest"):
        assert np.mean(column(POSSIBLE, name) / best) < np.mean(column(POSSIBLE, "swap") / best)


def test_small_networks_are_certified_and_one_is_enumerated():
    small = POSSIBLE[POSSIBLE.n_aps == 8]
    assert np.all(small.sinr_gap <= 1.01e-3)
    stored = small.iloc[0]
    best = modes.exhaustive(scenes.draw(8, int(stored.scene))[1], stored.peb_max_m**2)
    assert scenes.efficiency(best.value) == pytest.approx(stored.best_se_bit_per_s_per_hz, rel=1e-3)


def test_a_stored_impossibility_is_one():
    stored = GAP[(GAP.listeners == "none possible") & (GAP.n_aps == 8)].iloc[0]
    with pytest.raises(Infeasible, match="none of all modes"):
        modes.exhaustive(scenes.draw(8, int(stored.scene))[1], stored.peb_max_m**2)


def test_steps_from_inside_settle_and_printed_ones_need_not():
    runs = STEPS.drop_duplicates(["n_aps", "form"]).groupby("form").sum()
    inner, printed = runs.loc["inner"], runs.loc["printed"]
    assert inner.n_settled == inner.n_located == 14
    assert (printed.n_settled, printed.n_located) == (4, 12)
    rows = STEPS[(STEPS.form == "inner") & STEPS.objective.notna()]
    for _, run in rows.groupby("n_aps"):
        kept = run[run.missed_share <= 1e-3]
        assert np.all(np.diff(kept.objective) >= -2e-3)


def test_the_binary_gap_need_not_vanish():
    last = STEPS[STEPS.objective.notna()].groupby(["n_aps", "form"]).last()
    assert last.loc[(32, "inner"), "binary_gap"] > 0.1


def test_seconds_beside_the_published_ones():
    assert SECONDS.plain_joint_seconds[32] > 100 * SECONDS.joint_seconds[32]
    grown = SECONDS.loc[64] / SECONDS.loc[8]
    assert grown.joint_seconds > grown.closest_seconds
    published = SECONDS.published_joint_seconds[32]
    assert 0.1 < SECONDS.plain_joint_seconds[32] / published < 10
    assert SECONDS.published_joint_seconds[32] == pytest.approx(1129.86)
