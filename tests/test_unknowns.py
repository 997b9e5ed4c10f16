"""Unknowns of owners: removed one by one they leave what the dense Schur complement leaves."""

import itertools
import time

import numpy as np
import oracle
import pytest
from scipy.constants import speed_of_light
from scipy.spatial.transform import Rotation

from cfisac import arrays, fisher
from cfisac.limits import toa_aoa
from cfisac.paths import (
    Unknown,
    apart,
    clock,
    coherent,
    displacement,
    echo,
    information,
    join,
    one_way,
    orientation,
    oscillator,
    phase,
)

CARRIER = 3e8  # a metre is about a wavelength, so that differences are well scaled
NANO = 1e-8  # s, unit of the clocks in the dense problem
MIXED = (0.0, 0.3, np.inf)


# ------------------------------------------------------------------------------- brute force


def slopes_of(signal, state, step=1e-4):
    """Eighth-order differences of the samples."""
    return oracle.derivatives(signal, state, step)


def what_is_left(fim, n_keep, std):
    """Schur complement with a prior on each nuisance: 0 is known, inf unknown."""
    kept = np.concatenate([np.ones(n_keep, bool), std > 0])
    finite = np.isfinite(std) & (std > 0)
    prior = np.concatenate([np.zeros(n_keep), np.where(finite, 1 / np.where(finite, std, 1), 0.0)])
    fim = (fim + np.diag(prior**2))[np.ix_(kept, kept)]
    scale = np.sqrt(np.diagonal(fim))
    scale = np.where(scale > 1e-9 * scale.max(), scale, 1.0)  # what nothing sees
    unit = fim / np.outer(scale, scale)
    a, b, c = unit[:n_keep, :n_keep], unit[:n_keep, n_keep:], unit[n_keep:, n_keep:]
    left = a - b @ np.linalg.pinv(c, rcond=1e-9, hermitian=True) @ b.T
    return left * np.outer(scale[:n_keep], scale[:n_keep])


def turned_elements(elements, psi):
    """Elements of each array turned by a small angle or rotation vector, (L, N, D)."""
    if elements.shape[-1] == 2:
        return arrays.turned(elements, psi[:, 0])
    return elements @ Rotation.from_rotvec(psi).as_matrix().swapaxes(-1, -2)


def some_arrays(rng, number, dimension):
    return rng.normal(size=(number, 5, dimension))


def widths(dimension):
    """Numbers per access point: clock, oscillator, orientation, place."""
    return {"clock": 1, "oscillator": 1, "orientation": 1 if dimension == 2 else 3,
            "displacement": dimension}  # fmt: skip


def some_deviations(rng, number, dimension, kinds):
    """One deviation for each number; kinds that are not asked for are known."""
    return {
        kind: rng.choice(MIXED, (number, m)) if kind in kinds else np.zeros((number, m))
        for kind, m in widths(dimension).items()
    }


KINDS = [
    ("clock",), ("orientation",), ("displacement",), ("clock", "orientation"),
    ("clock", "oscillator"), ("clock", "oscillator", "orientation", "displacement"),
]  # fmt: skip


def unknowns_of(paths, std, receiver, transmitter=None):
    """All four kinds, in the units of the columns."""
    made = [
        clock(paths, NANO * std["clock"], receiver, transmitter),
        orientation(paths, std["orientation"], receiver, transmitter),
        displacement(paths, std["displacement"], receiver, transmitter),
    ]
    if "receiver oscillator" in paths.columns:
        made.append(oscillator(paths, std["oscillator"], receiver, transmitter))
    return made


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_one_way_paths_of_several_users(seed, dimension):
    """Two users at once: the access points' numbers are common to both."""
    rng = np.random.default_rng(seed)
    n_aps, n_users = 4, 2
    elements = some_arrays(rng, n_aps, dimension)
    aps, users = 10 * rng.normal(size=(n_aps, dimension)), rng.normal(size=(n_users, dimension))
    frequencies = np.linspace(-1e6, 1e6, 7) + 2e6  # a carrier costs nothing
    gains, noise = rng.normal(size=(n_users, n_aps, 2)) @ [1, 1j], 0.5
    width = widths(dimension)
    sizes = [users.size] + [n_aps * width[k] for k in ("clock", "orientation", "displacement")]

    def signal(state):
        p, b, psi, shift, gain = np.split(state, np.cumsum(sizes))
        gain = (gain[: gains.size] + 1j * gain[gains.size :]).reshape(gains.shape)
        offset = p.reshape(n_users, 1, dimension) - (aps + shift.reshape(aps.shape))
        distance = np.linalg.norm(offset, axis=-1)
        turned = turned_elements(elements, psi.reshape(n_aps, -1))
        turns = np.einsum("uld,lnd->uln", offset / distance[..., None], turned)
        delay = distance / speed_of_light + NANO * b  # an AP that listens
        by_frequency = np.exp(-2j * np.pi * delay[..., None] * frequencies)
        return np.einsum("ul,uln,ulf->ulnf", gain, np.exp(2j * np.pi * turns), by_frequency).ravel()

    state = np.concatenate([users.ravel(), np.zeros(sum(sizes[1:])), gains.real.ravel(),
                            gains.imag.ravel()])  # fmt: skip
    fim = fisher.gaussian_fim(slopes_of(signal, state), noise)
    paths = one_way(
        users[:, None], aps, np.abs(gains) ** 2 * 5 * 7 / noise,
        (2 * np.pi) ** 2 * frequencies.var(), arrays.aperture(elements),
    )  # fmt: skip
    for kinds in KINDS:
        std = some_deviations(rng, n_aps, dimension, kinds)
        deviations = [std[k].ravel() for k in ("clock", "orientation", "displacement")]
        deviations.append(np.full(2 * gains.size, np.inf))
        dense = what_is_left(fim, users.size, np.concatenate(deviations))
        found = information(apart(paths, 0), *unknowns_of(paths, std, np.arange(n_aps)))
        np.testing.assert_allclose(found, dense, atol=2e-9 * np.abs(fim[0, 0]), err_msg=str(kinds))


SCENES = {
    "monostatic": (np.arange(3)[:, None], np.arange(3)[:, None]),
    "bistatic": (np.arange(4)[:, None], 4 + np.arange(2)),
    "duplex": (np.arange(3)[:, None], np.arange(3)),
}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("seed", range(2))
def test_echoes_by_way_of_several_targets(seed, scene, dimension):
    """Places and velocities of two targets, four kinds of unknowns at both ends."""
    rng = np.random.default_rng(seed)
    sends, hears = SCENES[scene]
    if scene == "monostatic":
        hears, sends = hears[:, 0], sends[:, 0]
    shape = np.broadcast_shapes(sends.shape, hears.shape)
    sends, hears = np.broadcast_to(sends, shape).ravel(), np.broadcast_to(hears, shape).ravel()
    n_aps, n_paths, n_targets = 1 + max(sends.max(), hears.max()), len(sends), 2
    elements = some_arrays(rng, n_aps, dimension)
    aps = 8 * rng.normal(size=(n_aps, dimension))
    places = rng.normal(size=(n_targets, dimension))
    speeds = 3 * rng.normal(size=(n_targets, dimension))
    frequencies, times = np.linspace(-3e6, 3e6, 5), np.linspace(-0.2, 0.2, 4)
    gains, noise = rng.normal(size=(n_targets, n_paths, 2)) @ [1, 1j], 0.5
    width = widths(dimension)
    sizes = [places.size, places.size] + [n_aps * m for m in width.values()]

    def signal(state):
        p, v, b, e, psi, shift, gain = np.split(state, np.cumsum(sizes))
        gain = (gain[: gains.size] + 1j * gain[gains.size :]).reshape(gains.shape)
        offset = p.reshape(n_targets, 1, dimension) - (aps + shift.reshape(aps.shape))
        distance = np.linalg.norm(offset, axis=-1)
        unit = offset / distance[..., None]
        turned = turned_elements(elements, psi.reshape(n_aps, -1))
        seen = np.exp(2j * np.pi * np.einsum("tad,and->tan", unit, turned))[:, hears]
        delay = (distance[:, sends] + distance[:, hears]) / speed_of_light
        delay = delay + NANO * (b[hears] - b[sends])
        closing = np.einsum("tpd,td->tp", unit[:, sends] + unit[:, hears],
                            v.reshape(n_targets, dimension))  # fmt: skip
        doppler = -CARRIER / speed_of_light * closing + e[sends] - e[hears]
        by_frequency = np.exp(-2j * np.pi * delay[..., None] * frequencies)
        by_time = np.exp(2j * np.pi * doppler[..., None] * times)
        return np.einsum("tp,tpn,tpf,tps->tpnfs", gain, seen, by_frequency, by_time).ravel()

    state = np.concatenate([places.ravel(), speeds.ravel(), np.zeros(sum(sizes[2:])),
                            gains.real.ravel(), gains.imag.ravel()])  # fmt: skip
    fim = fisher.gaussian_fim(slopes_of(signal, state), noise)
    order = np.arange(2 * places.size).reshape(2, n_targets, dimension).swapaxes(0, 1).ravel()
    spread = np.diag([frequencies.var(), times.var()]) * (2 * np.pi) ** 2
    paths = echo(
        places[:, None], speeds[:, None], aps[sends], aps[hears], CARRIER,
        np.abs(gains) ** 2 * 5 * 20 / noise, spread, None, arrays.aperture(elements[hears]),
    ).with_unknown("velocity")  # fmt: skip
    scale = np.sqrt(np.diagonal(fim)[: 2 * places.size][order])
    outer = np.outer(scale, scale)
    for kinds in KINDS:
        std = some_deviations(rng, n_aps, dimension, kinds)
        deviations = [*(std[kind].ravel() for kind in width), np.full(2 * gains.size, np.inf)]
        dense = what_is_left(fim, 2 * places.size, np.concatenate(deviations))
        found = information(apart(paths, 0), *unknowns_of(paths, std, hears, sends))
        np.testing.assert_allclose(
            found / outer, dense[np.ix_(order, order)] / outer, atol=2e-8, err_msg=str(kinds)
        )


# ------------------------------------------------------------------------------- identities


def some_paths(rng, n_aps=8, dimension=2, aperture=True):
    aps, user = 50 * rng.normal(size=(n_aps, dimension)), rng.normal(size=dimension)
    rows = arrays.aperture(some_arrays(rng, n_aps, dimension)) if aperture else None
    return one_way(user, aps, rng.uniform(1, 20, n_aps), (2e8) ** 2, rows)


def some_echoes(rng, n_out=6, n_back=3, dimension=2, spread=(4e16, 0.1), aperture=True):
    ends = 50 * rng.normal(size=(n_out + n_back, dimension))
    rows = arrays.aperture(some_arrays(rng, n_back, dimension)) if aperture else None
    return echo(
        rng.normal(size=dimension), 20 * rng.normal(size=dimension), ends[:n_out, None],
        ends[n_out:], 3e9, rng.uniform(1, 50, (n_out, n_back)), np.diag(spread), None, rows,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_zero_is_known_and_infinity_is_unknown(seed):
    """Within the numbers, and for some owners among others."""
    rng = np.random.default_rng(seed)
    paths, aps = some_echoes(rng), np.arange(9)
    ends = {"receiver": 6 + np.arange(3), "transmitter": np.arange(6)[:, None]}
    known = information(paths)
    np.testing.assert_array_equal(known, paths.information())
    zero = clock(paths, 0.0, **ends), orientation(paths, 0.0, **ends)
    np.testing.assert_allclose(information(paths, *zero), known, rtol=1e-12)
    size = np.abs(known).max()
    some = np.where(rng.random(9) < 0.5, 0.0, 1e-9)
    small, none = (
        information(paths, clock(paths, np.where(aps == 2, least, some), **ends))
        for least in (1e-22, 0.0)
    )
    np.testing.assert_allclose(small, none, atol=1e-12 * size)
    large, endless = (
        information(paths, clock(paths, np.where(aps == 2, most, some), **ends))
        for most in (1.0, np.inf)
    )
    np.testing.assert_allclose(large, endless, atol=1e-12 * size)
    left = [information(paths, clock(paths, std, **ends)) for std in (0, 1e-10, 1e-9, np.inf)]
    for more, less in itertools.pairwise(left):  # ignorance never helps
        assert np.linalg.eigvalsh(more - less).min() >= -1e-12 * size


@pytest.mark.parametrize("seed", range(20))
def test_one_owner_of_all_paths_is_an_unknown_of_the_state(seed):
    rng = np.random.default_rng(seed)
    paths = some_paths(rng)
    shared = fisher.equivalent_fim(paths.with_unknown(1e-9 * paths.columns["clock"]).information(),
                                   2)  # fmt: skip
    everybody = np.zeros(paths.shape, int)
    owned = information(paths, clock(paths, np.inf, transmitter=everybody, pool="user"))
    np.testing.assert_allclose(owned, shared, rtol=1e-10)
    # ... which commit's chapter has with a variance
    rng = np.random.default_rng(seed)
    aps, user = 50 * rng.normal(size=(8, 2)), rng.normal(size=2)
    snr = rng.uniform(1, 20, 8)
    bare = one_way(user, aps, snr, 4e16)
    for std in (0.0, 1e-9, np.inf):
        printed = toa_aoa.position_efim(user, aps, 1 / (2 * snr * 4e16), np.inf, std**2)
        mine = information(bare, clock(bare, std, receiver=np.zeros(8, int), pool="user"))
        np.testing.assert_allclose(mine, printed, rtol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_owners_may_be_removed_in_any_order_and_paths_in_any_row(seed):
    rng = np.random.default_rng(seed)
    paths, std = some_echoes(rng, 5, 5), rng.choice([0.0, 1e-9, np.inf], 10)
    ends = 5 + np.arange(5), np.arange(5)[:, None]
    found = information(paths, clock(paths, std, *ends), oscillator(paths, 30.0, *ends))
    swap = rng.permutation(10)
    name = np.argsort(swap)
    again = information(
        paths, oscillator(paths, 30.0, name[ends[0]], name[ends[1]]),
        clock(paths, std[swap], name[ends[0]], name[ends[1]]),
    )  # fmt: skip
    np.testing.assert_allclose(again, found, atol=1e-12 * np.abs(paths.information()).max())
    row = join(paths)
    both = [np.broadcast_to(each, paths.shape).ravel() for each in ends]
    flat = information(row, clock(row, std, *both), oscillator(row, 30.0, *both))
    np.testing.assert_allclose(flat, found, rtol=1e-11)
    # One pool or one for each kind: the same unknowns, however grouped.
    two = information(
        paths, clock(paths, std, *ends), oscillator(paths, 30.0, *ends, pool="carrier")
    )
    np.testing.assert_allclose(two, found, atol=1e-12 * np.abs(paths.information()).max())


@pytest.mark.parametrize("seed", range(100))
def test_what_remains_of_nothing_is_exactly_nothing(seed):
    """One target, disjoint roles, a clock each: the delays say nothing, in the plane and in space.

    Far from the origin too, where directions are rounded more.
    """
    rng = np.random.default_rng(seed)
    for dimension in (2, 3):
        far = rng.choice([0.0, 1e6]) * np.ones(dimension)
        n_out, n_back = rng.integers(1, 12, 2)
        ends = far + 100 * rng.normal(size=(n_out + n_back, dimension))
        paths = echo(
            far + rng.normal(size=dimension), np.zeros(dimension), ends[:n_out, None],
            ends[n_out:], 3e9, 10 ** rng.uniform(0, 8, (n_out, n_back)), np.diag([1e17, 0.0]),
        )  # fmt: skip
        clocks = clock(paths, np.inf, n_out + np.arange(n_back), np.arange(n_out)[:, None])
        assert not np.any(information(paths, clocks))
        known = clock(paths, 1e-9, n_out + np.arange(n_back), np.arange(n_out)[:, None])
        if dimension == 2 and min(n_out, n_back) > 1:
            assert np.isfinite(fisher.position_error_bound(information(paths, known)))


def test_echoes_of_ones_own_need_no_clock():
    rng = np.random.default_rng(1)
    aps = 50 * rng.normal(size=(4, 2))
    paths = echo([1.0, 2.0], [3.0, 4.0], aps, aps, 3e9, 20.0, np.diag([1e16, 0.1]))
    mine = np.arange(4)
    for kind in (clock, oscillator):
        np.testing.assert_allclose(
            information(paths, kind(paths, np.inf, mine, mine)), paths.information(), rtol=1e-14
        )


def test_unknowns_that_nothing_sees_and_a_common_offset_cost_nothing():
    rng = np.random.default_rng(2)
    paths = some_paths(rng, aperture=False)
    none = np.full(paths.shape, -1)
    for unseen in (orientation(paths, np.inf, np.arange(8)), clock(paths, np.inf, none),
                   clock(paths, np.full(20, np.inf), none)):  # fmt: skip
        np.testing.assert_allclose(information(paths, unseen), paths.information(), rtol=1e-13)
    # The user's clock and all access points' clocks: one offset is common to all.
    seeing = some_paths(rng)
    aps = clock(seeing, 1e-9, np.arange(8))
    with_user = information(seeing, aps, clock(seeing, np.inf, None, np.zeros(8, int), "user"))
    alone = information(seeing, clock(seeing, np.inf, np.arange(8)))
    both = information(
        seeing, clock(seeing, np.inf, np.arange(8)),
        clock(seeing, np.inf, None, np.zeros(8, int), "user"),
    )  # fmt: skip
    np.testing.assert_allclose(both, alone, rtol=1e-12)
    assert np.linalg.eigvalsh(with_user - both).min() > 0


def test_a_prior_on_the_state_adds():
    rng = np.random.default_rng(3)
    paths = some_paths(rng)
    prior = np.array([[2.0, 1.0], [1.0, 3.0]])
    unknown = clock(paths, np.inf, np.arange(8))
    np.testing.assert_allclose(
        information(paths, unknown, prior=prior), information(paths, unknown) + prior
    )


@pytest.mark.parametrize("seed", range(10))
def test_states_apart_are_independent_without_common_unknowns(seed):
    rng = np.random.default_rng(seed)
    aps, users = 50 * rng.normal(size=(6, 2)), rng.normal(size=(3, 2))
    paths = one_way(users[:, None], aps, rng.uniform(1, 9, (3, 6)), 4e16)
    whole = information(apart(paths, 0))
    each = paths.information(1)
    for u in range(3):
        np.testing.assert_allclose(whole[2 * u : 2 * u + 2, 2 * u : 2 * u + 2], each[u], rtol=1e-12)
    assert np.count_nonzero(whole) <= 12
    # A state of others may be an owner's number just as well.
    shared = clock(paths, np.inf, np.arange(6))
    joint = fisher.crlb(information(apart(paths, 0), shared))[:2, :2]
    mine = np.arange(3) == 0
    others = Unknown("user", np.full((3, 2), np.inf),
                     [(np.where(mine, -1, np.arange(3))[:, None], paths.jacobian)])  # fmt: skip
    first = Unknown("first", np.full((1, 2), np.inf), [(np.full((1, 1), -1), paths.jacobian)])
    masked = type(paths)(paths.snr, paths.spread, paths.jacobian * mine[:, None, None, None],
                         0.0, paths.columns)  # fmt: skip
    alone = fisher.crlb(information(masked, shared, others, first))
    np.testing.assert_allclose(alone, joint, rtol=1e-9)


# ------------------------------------------------------------------------------- coherence


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("std", [0.0, 0.4, np.inf])
@pytest.mark.parametrize("seed", range(3))
def test_coherent_paths_are_the_fim_of_a_signal_with_known_phases(seed, std, dimension):
    """Real unknown amplitudes, a phase and a clock per access point."""
    rng = np.random.default_rng(seed)
    n_aps, elements = 5, some_arrays(rng, 5, dimension)
    elements -= elements.mean(axis=1, keepdims=True)
    aps, user = 10 * rng.normal(size=(n_aps, dimension)), rng.normal(size=dimension)
    frequencies = np.linspace(-2e6, 2e6, 7)
    amplitudes, noise = rng.uniform(0.5, 2, n_aps), 0.5

    def signal(state):
        p, b, psi, amplitude = np.split(state, np.cumsum([dimension, n_aps, n_aps]))
        offset = p - aps
        distance = np.linalg.norm(offset, axis=-1)
        turns = np.einsum("ld,lnd->ln", offset / distance[:, None], elements)
        delay = distance / speed_of_light
        carrier = np.exp(-2j * np.pi * CARRIER * delay + 1j * psi)
        wave = np.exp(-2j * np.pi * (delay + NANO * b)[:, None] * frequencies)
        by_antenna = np.exp(2j * np.pi * turns)
        return np.einsum("l,l,ln,lf->lnf", amplitude, carrier, by_antenna, wave).ravel()

    state = np.concatenate([user, np.zeros(2 * n_aps), amplitudes])
    fim = fisher.gaussian_fim(slopes_of(signal, state), noise)
    stds = np.concatenate([rng.choice(MIXED, n_aps), np.full(n_aps, std), np.full(n_aps, np.inf)])
    dense = what_is_left(fim, dimension, stds)
    paths = one_way(
        user, aps, amplitudes**2 * 35 / noise, (2 * np.pi) ** 2 * frequencies.var(),
        arrays.aperture(elements),
    )  # fmt: skip
    whole, each = coherent(paths, CARRIER), np.arange(n_aps)
    clocks = [clock(those, NANO * stds[:n_aps], each) for those in (whole, paths)]
    found = information(whole, clocks[0], phase(whole, std, each))
    np.testing.assert_allclose(found, dense, atol=1e-8 * np.abs(fim[0, 0]))
    if std == np.inf:  # a phase unknown on each path: the factor theorem
        np.testing.assert_allclose(found, information(paths, clocks[1]), rtol=1e-9)


def test_coherence_is_the_spread_of_the_directions_more():
    """One common phase: the law of total variance, weights by SNR."""
    rng = np.random.default_rng(8)
    paths = some_paths(rng, 12)
    snr = np.asarray(paths.snr)
    unit = paths.jacobian[:, -1] * speed_of_light
    carrier = 3.5e9
    mean = snr @ unit / snr.sum()
    spread = ((unit - mean) * (snr / snr.sum())[:, None]).T @ (unit - mean)
    more = 2 * snr.sum() * (2 * np.pi * carrier / speed_of_light) ** 2 * spread
    whole = coherent(paths, carrier)
    found = information(whole, phase(whole, np.inf, np.zeros(12, int), pool="user"))
    np.testing.assert_allclose(found, paths.information() + more, rtol=1e-11)


def test_echoes_become_coherent_too():
    paths = some_echoes(np.random.default_rng(4))
    whole = coherent(paths, 3e9)
    k = paths.spread.shape[-1]
    turn = -2 * np.pi * 3e9
    np.testing.assert_allclose(whole.jacobian[..., k, :], turn * paths.jacobian[..., k - 2, :])
    place = whole.columns["receiver"]
    np.testing.assert_allclose(place[..., k, :], turn * place[..., k - 2, :])
    assert not np.any(whole.columns["receiver clock"][..., k, :])
    unknown = phase(whole, np.inf, np.arange(18).reshape(6, 3), pool="path")
    np.testing.assert_allclose(information(whole, unknown), paths.information(), rtol=1e-11)


# ------------------------------------------------------------------------------- the door


def test_many_access_points_take_time_in_proportion():
    rng = np.random.default_rng(6)
    number = 10_000
    aps, each = 100 * rng.normal(size=(number, 2)), np.arange(number)
    paths = one_way(np.zeros(2), aps, 10.0, 1e16, arrays.aperture(arrays.linear(8)))
    start = time.perf_counter()
    left = information(
        paths, clock(paths, 1e-9, each), orientation(paths, 0.01, each),
        displacement(paths, 0.1, each),
    )  # fmt: skip
    assert time.perf_counter() - start < 5  # a dense block of 40 000 would not fit in memory
    assert np.isfinite(fisher.position_error_bound(left))


def test_bad_input_is_named():
    rng = np.random.default_rng(9)
    paths, echoes = some_paths(rng), some_echoes(rng)
    each = np.arange(8)
    for call, named in (
        (lambda: clock(paths, -1.0, each), "std must be >= 0"),
        (lambda: clock(paths, np.nan, each), "std must be finite"),
        (lambda: clock(paths, -np.inf, each), "std must be >= 0"),
        (lambda: clock(paths, np.zeros(3), each), r"owner must be in -1..2, got 7"),
        (lambda: clock(paths, 1.0, each.astype(float)), "receiver must be whole numbers"),
        (lambda: clock(paths, 1.0, each - 2), "receiver must be whole numbers >= -1"),
        (lambda: clock(paths, 1.0), "receiver or transmitter must say"),
        (lambda: oscillator(paths, 1.0, each), "column 'receiver oscillator'"),
        (lambda: phase(paths, 0.1, each), "column 'receiver phase'"),
        (lambda: phase(coherent(paths, 1e9), 2.0, each), r"below 1.81 rad .* or inf, got 2"),
        (lambda: information(paths, clock(paths, 1.0, np.arange(5))), "must broadcast"),
        (lambda: information(paths, clock(echoes, 1.0, np.arange(3))), "columns must have 3 rows"),
        (lambda: information(paths, prior=np.eye(3)), r"prior must have shape \(2, 2\)"),
        (lambda: information(paths, prior=-np.eye(2)), "prior must be symmetric and positive"),
        (lambda: Unknown("ap", np.ones(3), [(each, np.ones((3, 1)))]), "std must have shape"),
        (lambda: Unknown("ap", np.ones((8, 2)), [(each, np.ones((3, 1)))]), "2 columns"),
        (lambda: Unknown("ap", np.ones((8, 1)), []), "terms must hold one pair"),
        (lambda: coherent(paths, 0.0), "carrier_frequency must be > 0"),
        (lambda: apart(paths, 1), "axis must be one of the 1 path axes, got 1"),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    bare = type(paths)(1.0, np.eye(1), np.ones((3, 1, 2)))
    with pytest.raises(ValueError, match="column 'clock' or 'receiver clock'"):
        coherent(bare, 1e9)


@pytest.mark.parametrize("seed", range(4))
def test_a_prior_of_any_size_lies_between_known_and_unknown(seed):
    """From 1e-300 to 1e300: no square of it overflows, and none hides another."""
    rng = np.random.default_rng(seed)
    paths, number = some_echoes(rng), 9
    receiver, transmitter = 6 + np.arange(3), np.arange(6)[:, None]

    def left(std, kind, *more):
        return information(paths, kind(paths, std, receiver, transmitter), *more)

    for kind in (clock, oscillator, orientation, displacement):
        known, unknown = left(0.0, kind), left(np.inf, kind)
        with np.errstate(all="raise", under="ignore"):
            for tiny in (1e-300, 1e-200, 1e-30):
                np.testing.assert_allclose(left(tiny, kind), known, rtol=1e-9)
            for huge in (1e30, 1e150, 1e160, 1e200, 1e300, 1.7e308):
                np.testing.assert_allclose(left(huge, kind), unknown, atol=1e-9 * np.trace(known))
    # Side by side, in one pool and in two.
    mixed = 10.0 ** rng.choice([-300, -9, 0, 200, 300], number)
    plain = np.where(mixed > 1e-3, np.inf, np.where(mixed < 1e-30, 0.0, mixed))
    pairs = (
        [orientation(paths, std, receiver, transmitter, pool) for std in (1e300, np.inf)]
        for pool in ("ap", "array")
    )
    for huge, endless in pairs:
        np.testing.assert_allclose(
            left(mixed, clock, huge), left(plain, clock, endless), atol=1e-9 * np.trace(known)
        )


@pytest.mark.parametrize("unit", [1e-150, 1e-12, 1e12, 1e150])
def test_units_of_an_owners_numbers_do_not_matter(unit):
    rng = np.random.default_rng(1)
    paths, receiver, transmitter = some_echoes(rng), 6 + np.arange(3), np.arange(6)[:, None]
    for std in (1e-9, np.inf):
        plain = clock(paths, std, receiver, transmitter)
        terms = [(owner, columns * unit) for owner, columns in plain.terms]
        other = Unknown("ap", plain.std / unit, terms)
        with np.errstate(all="raise", under="ignore"):
            left = information(paths, other)
        scale = 1e-12 * np.trace(paths.information())
        np.testing.assert_allclose(left, information(paths, plain), rtol=1e-9, atol=scale)
