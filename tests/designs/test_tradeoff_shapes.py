"""The best spectrum and the best covariance: certificates, second solvers, their looks."""

import re

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from cfisac import fisher, scenarios
from cfisac.designs import Infeasible, tradeoff
from cfisac.designs._solve import solve
from cfisac.designs._tradeoff_light import gradient
from cfisac.limits import multistatic
from cfisac.waveforms import OFDM

TONES = np.linspace(-5e7, 5e7, 64)
FLAT = np.full(64, 640.0)  # 10 dB on every tone with the power spread evenly
EVEN = np.full(64, 1 / 64)
TOLD = float(tradeoff.spectrum_information(EVEN, TONES, FLAT))


def drawn(seed, k=24):
    rng = np.random.default_rng(seed)
    tones = np.sort(rng.uniform(-4e7, 6e7, k))
    return tones, rng.exponential(300, k) + 1, rng.exponential(300, k)


# ------------------------------------------------------------------------------ the spectrum


def test_delay_information_is_the_variance_of_the_phase_speeds():
    """By the factor theorem, from the samples of the tones."""
    tones, _, s = drawn(1)
    p = np.random.default_rng(2).uniform(0, 1, len(tones))
    factor = np.sqrt(s * p).astype(complex)
    speed = (-2j * np.pi * tones * factor)[:, None]
    energy = np.sum(np.abs(factor) ** 2)
    spread = fisher.factor_covariance(factor / np.sqrt(energy), speed / np.sqrt(energy))
    told = tradeoff.spectrum_information(p, tones, s)
    assert told == pytest.approx(2 * energy * spread[0, 0], rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.2, 0.5, 0.8, 0.97])
def test_closed_form_and_convex_program_agree(seed, level):
    """Any gains, any tones: rates to 1e-7, both within their certificates."""
    tones, gamma, s = drawn(seed)
    asked = level * tradeoff.largest_delay_information(tones, s, 2.0)
    closed, conic = (
        tradeoff.shape_spectrum(gamma, tones, asked, 2.0, s, way) for way in (False, True)
    )
    assert closed.rate == pytest.approx(conic.rate, rel=1e-7)
    for found in (closed, conic):
        assert found.power.min() >= 0
        assert found.power.sum() <= 2.0 * (1 + 1e-9)
        told = tradeoff.spectrum_information(found.power, tones, s)
        assert told >= asked * (1 - 1e-7)
        assert found.rate <= found.upper_bound * (1 + 1e-8)
        assert found.upper_bound - found.rate < 1e-7 * found.rate
    assert closed.rate == pytest.approx(tradeoff.spectrum_rate(closed.power, gamma), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_water_lies_under_a_bent_lid(seed):
    """commit (30): KKT of the tilted form, about the centroid of what it gives."""
    tones, gamma, s = drawn(seed)
    asked = 0.7 * tradeoff.largest_delay_information(tones, s)
    p = tradeoff.shape_spectrum(gamma, tones, asked, sensing_snr=s).power
    centre = np.sum(s * p * tones) / np.sum(s * p)
    lever = s * (tones - centre) ** 2
    wet = p > 1e-9
    assert wet.sum() > 2
    # On wet tones 1 / (p + 1 / gamma) = nu - mu lever: a straight line.
    level = 1 / (p + 1 / gamma)
    mu, nu = np.polyfit(lever[wet] / lever.max(), level[wet], 1)
    assert mu < 0
    np.testing.assert_allclose(level[wet], nu + mu * lever[wet] / lever.max(), rtol=1e-6)
    dry = ~wet
    assert np.all(gamma[dry] <= (nu + mu * lever[dry] / lever.max()) * (1 + 1e-6))


def test_a_general_solver_finds_nothing_better():
    """SLSQP from many starts on eight tones."""
    tones, gamma, s = drawn(11, 8)
    asked = 0.6 * tradeoff.largest_delay_information(tones, s)
    found = tradeoff.shape_spectrum(gamma, tones, asked, sensing_snr=s)
    rng, best = np.random.default_rng(0), 0.0
    for _ in range(8):
        done = minimize(
            lambda p: -np.mean(np.log2(1 + gamma * np.abs(p))), rng.dirichlet(np.ones(8)),
            bounds=[(0, 1)] * 8, method="SLSQP", options={"ftol": 1e-12, "maxiter": 500},
            constraints=[
                {"type": "ineq", "fun": lambda p: 1 - p.sum()},
                {"type": "ineq", "fun": lambda p:
                 tradeoff.spectrum_information(np.abs(p), tones, s) / asked - 1},
            ],
        )  # fmt: skip
        told = tradeoff.spectrum_information(np.abs(done.x), tones, s)
        if done.success and told >= asked * (1 - 1e-8) and done.x.sum() <= 1 + 1e-8:
            best = max(best, -done.fun)
    assert found.rate * (1 - 1e-5) < best <= found.upper_bound + 1e-6


def test_price_of_delay_information_on_a_flat_band():
    """commit (30): +0.5 to 4 dB cost 0.3 to 41 % of the rate at 10 dB, and 4.7 dB is the end."""
    free = float(tradeoff.spectrum_rate(EVEN, FLAT))
    known = {0.5: 0.3, 1.0: 1.3, 2.0: 6.3, 3.0: 17.0, 4.0: 41.0}
    for db, cost in known.items():
        found = tradeoff.shape_spectrum(FLAT, TONES, 10 ** (db / 10) * TOLD)
        assert 100 * (1 - found.rate / free) == pytest.approx(cost, rel=0.05)
        np.testing.assert_allclose(found.power, found.power[::-1], rtol=1e-6, atol=1e-12)
        assert np.all(np.diff(found.power[32:]) >= -1e-12)  # towards the edge of the band
    most = tradeoff.largest_delay_information(np.linspace(-1, 1, 4001), np.ones(4001))
    flat = tradeoff.spectrum_information(
        np.ones(4001) / 4001, np.linspace(-1, 1, 4001), np.ones(4001)
    )
    assert 10 * np.log10(most / flat) == pytest.approx(10 * np.log10(3), abs=0.003)


def test_the_most_information_is_that_of_two_tones():
    """The closed form against a linear program over all spectra, and the spectrum that has it."""
    tones, gamma, s = drawn(5)
    most = tradeoff.largest_delay_information(tones, s)
    x, p = tones / 1e7, cp.Variable(len(tones), nonneg=True)
    w = s / s.max()
    told = (w * x**2) @ p - cp.quad_over_lin((w * x) @ p, w @ p)
    value = solve(cp.Problem(cp.Maximize(told), [cp.sum(p) <= 1]), "delay")
    assert value * s.max() * 1e14 * 8 * np.pi**2 == pytest.approx(most, rel=1e-7)
    last = tradeoff.shape_spectrum(gamma, tones, most, sensing_snr=s)
    assert np.count_nonzero(last.power) == 2
    assert last.delay_information == pytest.approx(most, rel=1e-12)
    almost = tradeoff.shape_spectrum(gamma, tones, most * (1 - 1e-7), sensing_snr=s)
    assert almost.rate == pytest.approx(last.rate, rel=1e-2)


def test_sensing_goes_where_the_lever_is_whether_the_channel_is_weak_or_strong_there():
    """commit (30): edges weak or strong, the extra power goes to them; and to the sensed gain."""
    bump = 40 + 1200 * np.exp(-((TONES / 2e7) ** 2))
    dip = 1240 - bump + 40
    for gamma in (bump, dip):
        plain = tradeoff.shape_spectrum(gamma, TONES, 0.0, sensing_snr=FLAT)
        more = tradeoff.shape_spectrum(
            gamma, TONES, 1.2 * max(plain.delay_information, TOLD), sensing_snr=FLAT
        )
        extra = more.power - plain.power
        outer = np.abs(TONES) > 4e7
        assert extra[outer].sum() > 0.8 * np.maximum(extra, 0).sum()
    # Where the delay is heard through the same channel, it too likes strong tones.
    most = tradeoff.largest_delay_information
    one_sided = np.where(TONES > 0, 900.0, 100.0)
    asked = 0.9 * most(TONES, one_sided)
    power = tradeoff.shape_spectrum(FLAT, TONES, asked, sensing_snr=one_sided).power
    heard = one_sided * power
    assert heard[TONES > 0].sum() > heard[TONES < 0].sum()


@given(st.floats(-2e8, 2e8), st.floats(-2, 2), st.floats(-3, 3))
def test_neither_the_carrier_nor_the_units_matter(shift, stretch, watts):
    """Frequencies moved and stretched, watts renamed: the same shares of the power."""
    tones, gamma, s = drawn(3, 12)
    asked = 0.6 * tradeoff.largest_delay_information(tones, s)
    plain = tradeoff.shape_spectrum(gamma, tones, asked, sensing_snr=s)
    k, w = 10.0**stretch, 10.0**watts
    moved = tradeoff.shape_spectrum(gamma / w, k * tones + shift, asked * k**2, w, s / w)
    np.testing.assert_allclose(moved.power / w, plain.power, atol=1e-6)


def test_a_cheap_demand_is_plain_water_filling():
    tones, gamma, s = drawn(4)
    plain = tradeoff.shape_spectrum(gamma, tones, 0.0, sensing_snr=s)
    again = tradeoff.shape_spectrum(gamma, tones, plain.delay_information, sensing_snr=s)
    np.testing.assert_allclose(again.power, plain.power, rtol=1e-9)
    wet = plain.power > 0
    level = plain.power + 1 / gamma
    np.testing.assert_allclose(level[wet], level[wet][0], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tone_snr": np.zeros(64)}, "tone_snr must be > 0"),
        ({"frequencies": TONES[:5]}, "frequencies and tone_snr must be lists"),
        ({"sensing_snr": -FLAT}, "sensing_snr must be >= 0"),
        ({"total_power": 0.0}, "total_power must be > 0"),
        ({"delay_information": -1.0}, "delay_information must be >= 0"),
        ({"sensing_snr": 0 * FLAT}, "delay_information of .* 0 is the most"),
    ],
)
def test_bad_input_of_a_spectrum_is_named(change, message):
    arguments = {"tone_snr": FLAT, "frequencies": TONES, "delay_information": TOLD} | change
    with pytest.raises(ValueError, match=message):
        tradeoff.shape_spectrum(**arguments)


def test_too_much_information_is_infeasible_and_says_how_much_there_is():
    most = tradeoff.largest_delay_information(TONES, FLAT)
    for conic in (False, True):
        with pytest.raises(Infeasible, match=re.escape(f"{most:g} is the most with 1 W")):
            tradeoff.shape_spectrum(FLAT, TONES, 1.001 * most, conic=conic)


# ---------------------------------------------------------------------------- the covariance


def scene(n_antennas=4):
    return scenarios.MultistaticScene(
        transmitters=[[0.0, 0.0], [90.0, 10.0], [20.0, 80.0]],
        receivers=[[60.0, 90.0], [95.0, 60.0]], targets=[[45.0, 38.0]], velocities=[[8.0, 3.0]],
        n_antennas=n_antennas, facing=[50.0, 45.0],
        waveform=OFDM(256, 14, 120e3, cp_duration=2e-6), carrier_frequency=28e9,
        noise_figure_db=7.0, mean_rcs=1.0, transmit_gain=4.0, receive_gain=4.0,
    )  # fmt: skip


SCENE = scene()
LIGHT = tradeoff.Light.of_scene(SCENE)
N = LIGHT.responses.shape[1]
CHANNEL = 6 * np.random.default_rng(8).normal(size=(2, N, 2)) @ [1, 1j] / np.sqrt(2)
POWERS = np.array([1.0, 0.7, 0.4])


def covariances(seed, n=N):
    root = np.random.default_rng(seed).normal(size=(n, n, 2)) @ [1, 1j]
    s = root @ root.conj().T
    keep = np.repeat(np.sqrt(POWERS / np.trace(s.reshape(3, n // 3, 3, n // 3).diagonal(
        axis1=0, axis2=2), axis1=0, axis2=1).real), n // 3)  # fmt: skip
    return keep[:, None] * s * keep


@pytest.mark.parametrize("seed", range(5))
def test_light_is_the_exact_bound_of_any_beams(seed):
    """`multistatic.position_efim` of the blocks, all parameters and all beams."""
    s = covariances(seed)
    blocks = np.stack([s[4 * p : 4 * p + 4, 4 * p : 4 * p + 4] for p in range(3)])
    from dataclasses import replace

    traces = np.trace(blocks, axis1=1, axis2=2).real
    sent = replace(SCENE, beams=(blocks / traces[:, None, None])[:, None])
    printed = multistatic.position_efim(sent, traces[:, None])[0]
    np.testing.assert_allclose(LIGHT.information(s), printed, rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_the_information(seed):
    s, step = covariances(seed), 1e-6 * covariances(seed + 50)
    up, down = (fisher.position_error_bound(LIGHT.information(s + sign * step)) ** -2
                for sign in (1, -1))  # fmt: skip
    slope = np.real(np.sum(gradient(LIGHT, s).conj() * step))
    assert (up - down) / 2 == pytest.approx(slope, rel=1e-5)


def check(found, limit=np.inf):
    """Feasible by our own code, and within its certificate."""
    values = np.linalg.eigvalsh(found.matrix)
    assert values[0] >= -1e-12 * values[-1]
    spent = np.real(np.diagonal(found.matrix)).reshape(3, -1).sum(axis=1)
    assert np.all(spent <= POWERS * (1 + 1e-9))
    peb = fisher.position_error_bound(LIGHT.information(found.matrix))
    assert peb == pytest.approx(found.peb, rel=1e-9)
    assert peb <= limit * (1 + 1e-6)
    h = np.linalg.slogdet(np.eye(2) + CHANNEL @ found.matrix @ CHANNEL.conj().T)[1] / np.log(2)
    assert found.rate == pytest.approx(h, rel=1e-9)


SHARPEST = tradeoff.sharpest_covariance(CHANNEL, LIGHT, POWERS)
FREE = tradeoff.best_covariance(CHANNEL, LIGHT, np.inf, POWERS)


def test_the_sharpest_covariance_is_certified():
    check(SHARPEST)
    assert SHARPEST.peb**-2 <= SHARPEST.upper_bound * (1 + 1e-9)
    assert SHARPEST.upper_bound * SHARPEST.peb**2 - 1 < 1e-5
    for seed in range(20):
        peb = fisher.position_error_bound(LIGHT.information(covariances(seed)))
        assert peb >= SHARPEST.peb


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8, 2.0])
def test_the_best_covariance_is_certified_to_1e_5(share):
    limit = SHARPEST.peb * (1 - share) + FREE.peb * share if share < 1 else FREE.peb * share
    found = tradeoff.best_covariance(CHANNEL, LIGHT, limit, POWERS)
    check(found, limit)
    assert found.rate <= found.upper_bound * (1 + 1e-7)
    assert found.upper_bound - found.rate < 1e-5 * found.rate
    if share < 1:
        assert found.peb == pytest.approx(limit, rel=1e-5)
        assert found.rate < FREE.rate


@pytest.mark.parametrize("seed", [3, 7, 33, 38])  # 1, 3, 2 and 1 antennas of the user
def test_any_scene_is_certified(seed):
    """One to four transmitters, weak and strong channels, one pool of power or several."""
    rng = np.random.default_rng(seed)
    n_tx, size, m = int(rng.integers(1, 5)), int(rng.choice([2, 4, 8, 16])), rng.choice([1, 2, 3])
    drawn = scenarios.MultistaticScene(
        transmitters=rng.uniform(0, 100, (n_tx, 2)), receivers=rng.uniform(0, 100, (2, 2)),
        targets=[[50.0, 45.0]], n_antennas=size, facing=[50, 46],
        waveform=OFDM(256, 14, 120e3, cp_duration=2e-6), carrier_frequency=28e9,
        noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip
    light = tradeoff.Light.of_scene(drawn)
    h = 10 ** rng.uniform(-1, 2) * rng.normal(size=(m, n_tx * size, 2)) @ [1, 1j]
    powers = rng.uniform(0.3, 2, n_tx) if rng.random() < 0.7 else 1.0
    sharp = tradeoff.sharpest_covariance(h, light, powers)
    assert sharp.upper_bound * sharp.peb**2 - 1 < 1e-6
    for factor in (1.02, 2.0):
        found = tradeoff.best_covariance(h, light, factor * sharp.peb, powers)
        assert found.peb <= factor * sharp.peb * (1 + 1e-6)
        assert -1e-6 < found.upper_bound / found.rate - 1 < 1e-5


def test_at_the_sharpest_there_is_still_an_answer():
    found = tradeoff.best_covariance(CHANNEL, LIGHT, SHARPEST.peb, POWERS)
    check(found, SHARPEST.peb * (1 + 2e-6))
    assert 0 < found.rate < FREE.rate


def test_without_a_place_it_is_water_filling_over_the_channel():
    """One pool of power: eigendirections of H^H H, water over their inverses."""
    found = tradeoff.best_covariance(CHANNEL, LIGHT, np.inf, 2.1)
    gains = np.linalg.svd(CHANNEL, compute_uv=False) ** 2
    level = (2.1 + np.sum(1 / gains)) / 2
    assert np.all(level > 1 / gains)
    assert found.rate == pytest.approx(np.sum(np.log2(level * gains)), rel=1e-7)
    assert found.upper_bound == pytest.approx(found.rate, rel=1e-6)


def test_a_second_solver_and_a_general_one_agree():
    """SCS on the same program with one user antenna; SLSQP over a root of S on 6 antennas."""
    small = tradeoff.Light.of_scene(scene(2))
    rng = np.random.default_rng(3)
    h = 6 * rng.normal(size=(1, 6, 2)) @ [1, 1j]
    sharp = tradeoff.sharpest_covariance(h, small, POWERS)
    free = tradeoff.best_covariance(h, small, np.inf, POWERS)
    limit = 0.6 * sharp.peb + 0.4 * free.peb
    found = tradeoff.best_covariance(h, small, limit, POWERS)
    assert found.rate < free.rate * (1 - 1e-3)

    def root(x):
        z = x.reshape(2, 6, 6)
        return z[0] + 1j * z[1]

    def spent(x):
        return np.sum(np.abs(root(x)) ** 2, axis=1).reshape(3, 2).sum(axis=1)

    def covariance(x):
        return root(x) @ root(x).conj().T

    best = 0.0
    for _ in range(4):
        done = minimize(
            lambda x: -tradeoff.covariance_rate(covariance(x), h), 0.3 * rng.normal(size=72),
            method="SLSQP", options={"maxiter": 300, "ftol": 1e-10},
            constraints=[
                {"type": "ineq", "fun": lambda x: POWERS - spent(x)},
                {"type": "ineq", "fun": lambda x: limit**2 * fisher.position_error_bound(
                    small.information(covariance(x))) ** -2 - 1},
            ],
        )  # fmt: skip
        peb = fisher.position_error_bound(small.information(covariance(done.x)))
        if np.all(spent(done.x) <= POWERS + 1e-7) and peb <= limit * (1 + 1e-7):
            best = max(best, -done.fun)
    assert best <= found.upper_bound + 1e-6
    assert best > found.rate * (1 - 1e-3)
    # SCS, without the departures, where the program is small.
    plain = tradeoff.Light(small.responses, small.per_watt)
    found = tradeoff.best_covariance(h, plain, limit, POWERS)
    s = cp.Variable((6, 6), hermitian=True)
    told = sum(limit**2 * f * cp.real(a.conj() @ s @ a)
               for f, a in zip(plain.per_watt, plain.responses, strict=True))  # fmt: skip
    power = [cp.real(cp.trace(s[2 * p : 2 * p + 2, 2 * p : 2 * p + 2])) <= POWERS[p]
             for p in range(3)]  # fmt: skip
    value = solve(
        cp.Problem(cp.Maximize(cp.real(h[0] @ s @ h[0].conj())),
                   [s >> 0, *power, cp.tr_inv(told) <= 1]), "second opinion", "SCS",
    )  # fmt: skip
    assert found.rate == pytest.approx(np.log2(1 + value), rel=1e-4)


def test_sensing_sits_where_the_place_is_seen_whatever_the_channel_is_there():
    """commit (30): in strong directions for a user at the place, in weak ones for one elsewhere."""
    there = 6 * LIGHT.responses.sum(axis=0, keepdims=True).conj()
    start = np.arange(1, N + 1)
    dark = start - (LIGHT.responses.conj() @ start) @ LIGHT.responses  # lights it with nothing
    elsewhere = 6 * dark.conj()[None] / np.linalg.norm(dark)
    kept = []
    for channel in (there, elsewhere):
        free = tradeoff.best_covariance(channel, LIGHT, np.inf, POWERS)
        found = tradeoff.best_covariance(channel, LIGHT, 1.02 * SHARPEST.peb, POWERS)
        kept.append((2**found.rate - 1) / (2**free.rate - 1))
        assert found.upper_bound - found.rate < 1e-5 * found.rate
    assert kept[0] > 0.95
    assert kept[1] < 0.2


def test_a_direction_of_departure_sits_where_a_lone_path_has_no_channel():
    """commit (30): right where the claim is made for angles of departure and one line of sight."""
    a, e = np.eye(4, dtype=complex)[:2]
    light = tradeoff.Light(
        a[None], 0.01 * np.eye(2)[None], e[None], np.array([np.diag([100.0, 90.0])])
    )
    sharp = tradeoff.sharpest_covariance(6 * a[None], light)
    assert np.real(e.conj() @ sharp.matrix @ e) > 0.95
    best = tradeoff.best_covariance(6 * a[None], light, 1.1 * sharp.peb)
    # All that counts is on the channel's one direction and on one that it does not have.
    assert np.real(np.trace(best.matrix[:2, :2])) == pytest.approx(1, rel=1e-6)


def test_what_is_too_sharp_is_infeasible_and_says_what_is_not():
    with pytest.raises(Infeasible, match=f"{SHARPEST.peb:g} m is the best reachable"):
        tradeoff.best_covariance(CHANNEL, LIGHT, 0.9 * SHARPEST.peb, POWERS)
    dark = tradeoff.Light(LIGHT.responses, 0 * LIGHT.per_watt)
    with pytest.raises(Infeasible, match="light fixes no position"):
        tradeoff.sharpest_covariance(CHANNEL, dark, POWERS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tradeoff.Light(np.eye(2), np.eye(2)), r"per_watt must have shape \(2, 2, 2\)"),
        (lambda: tradeoff.Light(np.ones(2), np.eye(2)[None]), "responses must have two axes"),
        (lambda: tradeoff.Light(np.eye(2), np.ones((2, 2, 2)), np.eye(2)), "given together"),
        (lambda: tradeoff.Light(np.eye(2), np.ones((2, 2, 2)), np.eye(3), np.ones((2, 2, 2))),
         "must have the shapes of responses and per_watt"),
        (lambda: LIGHT.information(np.eye(3)), r"matrix must have shape \(12, 12\)"),
        (lambda: tradeoff.Light.of_scene(SCENE, 1), r"target must be in 0..0, got 1"),
        (lambda: tradeoff.best_covariance(np.ones((1, 5)), LIGHT, 1.0), "channel must have"),
        (lambda: tradeoff.best_covariance(CHANNEL, LIGHT, -1.0), "largest_peb must be > 0"),
        (lambda: tradeoff.best_covariance(CHANNEL, LIGHT, [1.0, 2.0]), "largest_peb must be one"),
        (lambda: tradeoff.best_covariance(CHANNEL, LIGHT, 1.0, 0.0), "total_power must be > 0"),
        (lambda: tradeoff.best_covariance(CHANNEL, LIGHT, 1.0, [1.0] * 5), "whose length divides"),
    ],
)  # fmt: skip
def test_bad_input_of_a_covariance_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
