"""The choice of modes: every answer against enumeration, its scene, and what was asked for."""

from dataclasses import replace

import numpy as np
import pytest
from modes_scenes import PEB, distance, draw

from cfisac.designs import Infeasible, SolverError, modes
from cfisac.designs.power import max_min_sinr
from cfisac.limits import multistatic

SMALL = {"n_aps": 5, "n_users": 3, "n_targets": 1, "n_antennas": 8}
LIMIT = PEB[8] ** 2


def all_modes(n_aps):
    for number in range(1, 2**n_aps - 1):
        yield number >> np.arange(n_aps) & 1 == 1


def refuses(function, *arguments, match, error=ValueError, **named):
    with pytest.raises(error, match=match):
        function(*arguments, **named)


# ------------------------------------------------------------------------------- the best modes


@pytest.mark.parametrize("seed", [2, 4])
def test_enumeration_is_the_best_of_all_power_allocations(seed):
    """Each of the 30 choices by `max_min_sinr`, whose own certificate holds."""
    _, each = draw(seed, **SMALL)
    best, which = 0.0, None
    for sends in all_modes(5):
        try:
            found = max_min_sinr(each, 0.8**2, sends, ~sends)
        except Infeasible:
            continue
        if found.value > best:
            best, which = found.value, sends
    found = modes.exhaustive(each, 0.8**2)
    assert found.value == pytest.approx(best, rel=1e-6)
    np.testing.assert_array_equal(found.sends, which)


@pytest.mark.parametrize("seed", range(13))
def test_the_tree_finds_what_enumeration_finds(seed):
    """10 users, 2 targets; five of the thirteen scenes have no modes that locate both."""
    _, each = draw(seed)
    try:
        best = modes.exhaustive(each, LIMIT)
    except Infeasible:
        assert seed in (1, 6, 7, 8, 10, 12)
        refuses(modes.certified, each, LIMIT, match="provably no modes", error=Infeasible)
        return
    found = modes.certified(each, LIMIT, tolerance=1e-4)
    assert found.value == pytest.approx(best.value, rel=1e-4)
    assert found.upper_bound >= best.value * (1 - 1e-7)
    assert found.gap <= 1e-4 * 1.001
    assert found.root_bound >= found.upper_bound


def test_a_tree_that_is_stopped_tells_a_true_gap():
    _, each = draw(0)
    best = modes.exhaustive(each, LIMIT).value
    gaps = []
    for nodes in (1, 8, 20, 200):
        found = modes.certified(each, LIMIT, max_nodes=nodes)
        assert found.n_nodes <= nodes
        assert found.value <= best * (1 + 1e-6)
        assert found.upper_bound >= best * (1 - 1e-7)
        gaps.append(found.gap)
    assert gaps[0] > gaps[-1]
    assert gaps[-1] <= 1.001e-3
    slow = modes.certified(each, LIMIT, max_seconds=1e-9)
    assert slow.upper_bound == pytest.approx(slow.root_bound)


def test_a_tree_shows_its_progress(capsys):
    _, each = draw(0, **SMALL)
    modes.certified(each, 1.0, progress=True)
    assert "gap" in capsys.readouterr().err


def test_roles_that_the_scene_fixes_stay():
    """Two access points that only send, one that only hears."""
    _, each = draw(5, **SMALL)
    fixed = replace(
        each,
        can_send=np.array([1, 1, 1, 1, 0], bool),
        can_hear=np.array([0, 0, 1, 1, 1], bool),
    )
    best, which = 0.0, None
    for sends in all_modes(5):
        if not (sends[:2].all() and not sends[4]):
            continue
        try:
            found = max_min_sinr(each, 1.0, sends, ~sends)
        except Infeasible:
            continue
        if found.value > best:
            best, which = found.value, sends
    assert which is not None
    for search in (modes.exhaustive, modes.swap_search, modes.certified):
        found = search(fixed, 1.0)
        assert found.sends[:2].all()
        assert not found.sends[4]
        assert found.value <= best * (1 + 1e-6)
    assert modes.exhaustive(fixed, 1.0).value == pytest.approx(best, rel=1e-6)


# ------------------------------------------------------------------------- what every answer is


def searches(drawn, each, limit):
    yield modes.closest(each, limit, distance(drawn))
    yield modes.random(each, 4 * limit, 3, np.random.default_rng(3))
    for form in ("printed", "inner"):
        yield modes.joint(each, limit, form=form)
    yield modes.swap_search(each, limit)
    yield modes.certified(each, limit)


def test_every_answer_passes_the_checks_of_its_scene():
    """Powers, SINR by the formula, and bounds by the paths of a scene with those modes."""
    drawn, each = draw(5)
    values = []
    for number, found in enumerate(searches(drawn, each, LIMIT)):
        power, sends = found.allocation.power, found.sends
        assert not power[~sends].any()
        assert np.all(power >= 0)
        assert np.all(power.sum(axis=1) <= 1 + 1e-9)
        signal = np.sum(each.gain * np.sqrt(power[:, 2:]), axis=0) ** 2
        noise = 1 + sum(each.interference[p] @ power[p] for p in range(8))
        assert found.value == pytest.approx(np.min(signal / noise), rel=1e-12)
        scene = replace(
            drawn.scene,
            transmitters=drawn.scene.transmitters[sends],
            transmit_axes=drawn.scene.transmit_axes[sends],
            beams=drawn.scene.beams[sends],
            receivers=drawn.scene.receivers[found.hears],
            receive_axes=drawn.scene.receive_axes[found.hears],
            full_duplex=False,
        )
        peb = multistatic.position_error_bound(scene, power[sends], "approximate")
        assert np.all(peb <= PEB[8] * (2 if number == 1 else 1) * (1 + 1e-6))
        assert found.allocation.gap <= 1e-5
        values.append(found.value)
    assert max(values) <= values[-1] * (1 + 1e-3)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_swapping_is_never_worse_than_its_start(seed):
    drawn, each = draw(seed)
    near = modes.closest(each, LIMIT, distance(drawn))
    joint = modes.joint(each, LIMIT)
    found = modes.swap_search(each, LIMIT, [near.sends, joint.sends])
    assert found.value >= max(near.value, joint.value) * (1 - 1e-6)
    for change in np.eye(8, dtype=bool):  # and no flip is better
        other = found.sends ^ change
        if other.any() and not other.all():
            try:
                value = max_min_sinr(each, LIMIT, other, ~other).value
            except Infeasible:
                continue
            assert value <= found.value * (1 + 1e-5)


def test_the_closest_listen():
    """By hand: each target's nearest access point, then one after the other."""
    drawn, each = draw(5)
    away = distance(drawn)
    found = modes.closest(each, LIMIT, away)
    order = np.argsort(away.min(axis=1))
    listening = set(np.argmin(away, axis=0).tolist())
    values = [(max_min_sinr(each, LIMIT, *modes_of(listening)).value, set(listening))]
    for at in order:
        listening.add(int(at))
        if len(listening) > len(values[-1][1]):
            values.append((max_min_sinr(each, LIMIT, *modes_of(listening)).value, set(listening)))
        if values[-1][0] < values[0][0]:
            break
    assert found.value == pytest.approx(max(values[:-1])[0], rel=1e-6)
    assert set(np.flatnonzero(found.hears).tolist()) == max(values[:-1])[1]


def modes_of(listening):
    hears = np.isin(np.arange(8), sorted(listening))
    return ~hears, hears


def test_the_closest_go_on_while_the_targets_are_out_of_reach():
    drawn, each = draw(13)
    away = distance(drawn)
    first = np.isin(np.arange(8), np.argmin(away, axis=0))
    with pytest.raises(Infeasible):
        max_min_sinr(each, 0.56**2, ~first, first)
    assert modes.closest(each, 0.56**2, away).hears.sum() > first.sum()


def test_a_random_choice_is_as_large_as_asked_for_and_seeded():
    _, each = draw(0)
    found = [modes.random(each, 4.0, 3, np.random.default_rng(5)) for _ in range(2)]
    assert found[0].hears.sum() == 3
    np.testing.assert_array_equal(found[0].sends, found[1].sends)


# ------------------------------------------------------------------------------------- bad input


def test_what_is_out_of_reach_says_what_is_in_reach():
    drawn, each = draw(1)
    away = distance(drawn)
    message = r"locate the targets to 0\.5, 0\.5 m.*could send and listen at once, 0\.566, 0\.566 m"
    refuses(modes.certified, each, LIMIT, match=message, error=Infeasible)
    for search in (modes.exhaustive, modes.swap_search, modes.joint):
        refuses(search, each, LIMIT, match=message, error=Infeasible)
    refuses(modes.closest, each, LIMIT, away, match="closest access", error=Infeasible)
    refuses(
        modes.random, each, LIMIT, 2, np.random.default_rng(1), match="located", error=Infeasible
    )


def test_a_limit_before_anything_is_found_is_an_error():
    """Neither a start nor a proof: the search had no time."""
    _, each = draw(12)
    refuses(
        modes.certified, each, LIMIT, max_seconds=1e-9, match="a limit after", error=SolverError
    )


def test_arguments_out_of_range_are_refused():
    drawn, each = draw(0)
    away = distance(drawn)
    rng = np.random.default_rng(1)
    for limit in (0.0, -1.0, np.nan, [1.0, 1.0, 1.0]):
        refuses(modes.certified, each, limit, match="crlb_max must be one number or 2, > 0")
    refuses(modes.certified, each, np.inf, match="crlb_max must be finite for one target or more")
    refuses(modes.certified, each, 1.0, tolerance=1e-6, match="tolerance must be >= 1e-5")
    refuses(modes.certified, each, 1.0, max_nodes=0, match="max_nodes")
    refuses(modes.certified, each, 1.0, max_seconds=0.0, match="max_seconds")
    refuses(modes.closest, each, 1.0, away[:-1], match="distance must be")
    refuses(modes.closest, each, 1.0, away * 0, match="distance must")
    for number in (0, 8, 2.5):
        refuses(modes.random, each, 1.0, number, rng, match="n_receivers must")
    for sends in (np.ones(8, bool), np.zeros(8, bool)):
        refuses(modes.swap_search, each, 1.0, sends, match="must leave one access point or more")
    for sends in (np.ones(7, bool), np.ones(8)):
        refuses(modes.swap_search, each, 1.0, sends, match="start must be 8 times True or False")
    refuses(modes.exhaustive, draw(0, n_aps=9)[1], 1.0, match="must have at most 8 access points")
    nobody = replace(each, can_hear=np.zeros(8, bool))
    refuses(modes.certified, nobody, 1.0, match="one access point or more to send and to hear")
    some = replace(each, can_hear=np.arange(8) < 7)
    refuses(modes.joint, some, 1.0, match="must let all access points send and hear")
    space = replace(each, information=np.zeros((8, 8, 2, 3, 3)))
    refuses(modes.certified, space, 1.0, match="scene in the plane")
    for name, value in (("penalty", 0.0), ("start", 1.0), ("start", 0.0), ("max_steps", 0)):
        refuses(modes.joint, each, 1.0, match=name, **{name: value})
    refuses(modes.joint, each, 1.0, form="exact", match="form must be 'printed' or 'inner'")


def test_a_target_that_need_not_be_located_is_left_out():
    _, each = draw(0)
    one = modes.certified(each, [LIMIT, np.inf])
    both = modes.certified(each, LIMIT)
    assert one.value >= both.value * (1 - 1e-3)
    assert np.all(one.allocation.power[:, 1] < 1e-6)
