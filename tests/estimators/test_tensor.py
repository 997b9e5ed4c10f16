"""The two stages of liu's Algorithm 3, mended: decomposition and association, then fusion."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light as c
from scipy.optimize import least_squares

from cfisac import signals
from cfisac.estimators import _tensor_association, _tensor_cp, tensor
from cfisac.limits import cooperative
from cfisac.scenarios import MonostaticScene, liu_scene
from cfisac.waveforms import OFDM

SEEDS = st.integers(0, 2**32 - 1)
FRAME = OFDM(48, 40, 30e3, 4e-6)


def small_scene(rng, n_targets=2, n_aps=3, least=15.0):
    """Access points around, targets in the middle that no access point hears in one cell."""
    aps = np.array([[0, 0], [350, 0], [0, 350], [350, 350]])[:n_aps]
    aps = aps + rng.uniform(-9, 9, (n_aps, 2))
    while True:
        targets = rng.uniform(90, 260, (n_targets, 2))
        velocities = rng.uniform(-90, 90, (n_targets, 2))
        unit = targets - aps[:, None]
        unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
        speed = np.sort(np.sum(unit * velocities, axis=-1), axis=1)
        if np.all(np.diff(speed, axis=1) > least):
            break
    return MonostaticScene(
        aps=aps, n_antennas=rng.integers(5, 9, n_aps), targets=targets, velocities=velocities,
        waveform=FRAME, carrier_frequency=3.5e9, noise_figure_db=7, transmit_power=0.01, axes=None,
    )  # fmt: skip


def draw(rng, scene):
    size = len(scene.aps), len(scene.targets)
    return rng.uniform(0.5, 2, size) * np.exp(2j * np.pi * rng.uniform(size=size))


def matched(scene, found):
    """Largest errors of position and velocity, each target with the nearest estimate."""
    distance = np.linalg.norm(found.positions - scene.targets[:, None], axis=-1)
    mine = distance.argmin(axis=1)
    assert sorted(mine) == list(range(len(mine)))
    return (
        np.abs(found.positions[mine] - scene.targets).max(),
        np.abs(found.velocities[mine] - scene.velocities).max(),
    )


@functools.cache
def example(snr_db=None, seed=1, n_targets=3):
    rng = np.random.default_rng(seed)
    scene = liu_scene(rng, n_targets)
    amplitudes = draw(rng, scene)
    samples = signals.echo_tensors(scene, amplitudes)
    if snr_db is not None:
        samples = [signals.with_noise(each, 10 ** (-snr_db / 10), rng) for each in samples]
    return scene, amplitudes, samples


# --------------------------------------------------------------------------------- noise-free data


@given(seed=SEEDS, n_targets=st.integers(1, 3), n_aps=st.integers(2, 4))
@settings(max_examples=8, deadline=None)
def test_noise_free_samples_return_the_truth(seed, n_targets, n_aps):
    rng = np.random.default_rng(seed)
    scene = small_scene(rng, n_targets, n_aps)
    samples = signals.echo_tensors(scene, draw(rng, scene))
    separated = tensor.separate(scene, samples, n_targets)
    fused = tensor.fuse(scene, separated, corners=[[-10, -10], [360, 360]])
    for found in (
        fused,
        tensor.fuse(scene, separated, "printed", corners=[[-10, -10], [360, 360]]),
        tensor.data_level(scene, separated, [[-10, -10], [360, 360]]),
        tensor.data_level(scene, separated, [[-10, -10], [360, 360]], "apart"),
    ):
        assert found.converged, found.reason
        place, pace = matched(scene, found)
        assert place < 1e-6
        assert pace < 1e-6


def test_liu_s_own_size_recovers_the_truth():
    scene, _, samples = example()
    found = tensor.estimate(scene, samples, 3)
    assert found.converged
    assert max(matched(scene, found)) < 1e-8


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_order_of_access_points_and_of_targets_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scene = small_scene(rng, 2, 4)
    samples = [
        signals.with_noise(y, 0.1, rng) for y in signals.echo_tensors(scene, draw(rng, scene))
    ]
    one = tensor.estimate(scene, samples, 2)
    turn = rng.permutation(4)
    other = replace(
        scene, aps=scene.aps[turn], n_antennas=scene.n_antennas[turn], targets=scene.targets[::-1]
    )
    two = tensor.estimate(other, [samples[k] for k in turn], 2)
    mine = np.linalg.norm(two.positions - one.positions[:, None], axis=-1).argmin(axis=1)
    np.testing.assert_allclose(two.positions[mine], one.positions, rtol=0, atol=1e-6)
    np.testing.assert_allclose(two.velocities[mine], one.velocities, rtol=0, atol=1e-6)


@given(seed=SEEDS, x=st.floats(-500, 500), y=st.floats(-500, 500))
@settings(max_examples=5, deadline=None)
def test_a_scene_moved_as_a_whole_moves_the_estimate(seed, x, y):
    rng = np.random.default_rng(seed)
    scene = small_scene(rng, 1, 4)
    samples = [
        signals.with_noise(y, 1.0, rng) for y in signals.echo_tensors(scene, draw(rng, scene))
    ]
    one = tensor.estimate(scene, samples, 1)
    moved = replace(scene, aps=scene.aps + [x, y], targets=scene.targets + [x, y])
    two = tensor.estimate(moved, samples, 1)
    np.testing.assert_allclose(two.positions - [x, y], one.positions, rtol=0, atol=1e-6)
    np.testing.assert_allclose(two.velocities, one.velocities, rtol=0, atol=1e-6)


# ------------------------------------------------------------------------------------ decomposition


def test_31_is_the_sum_of_outer_products_with_the_gain_in_one_factor():
    """(31)-(36): the factors found rebuild the tensor; (32) needs the alpha of (1) for that."""
    scene, amplitudes, samples = example()
    found = tensor.decompose(samples[1], 3)
    whole = np.einsum("ua,us,um->uasm", *found[:3]).reshape(3, -1)
    gains = np.linalg.lstsq(whole.T, samples[1].ravel(), rcond=None)[0]
    np.testing.assert_allclose(whole.T @ gains, samples[1].ravel(), atol=1e-9)
    truth = signals.echo_factors(scene)
    mine = tensor.match([truth.antenna[1], truth.subcarrier[1], truth.symbol[1]], list(found[:3]))
    np.testing.assert_allclose(found.amplitude[mine], np.abs(amplitudes[1]), rtol=1e-9)
    assert np.ptp(np.abs(amplitudes[1])) > 0.1  # no factor of modulus one could carry them


def test_35_is_stationary_and_below_the_truth():
    """The gradient of the squared distance is zero where the iteration rests."""
    rng = np.random.default_rng(4)
    scene = small_scene(rng, 2, 3)
    noisy = signals.with_noise(signals.echo_tensors(scene, draw(rng, scene))[0], 0.5, rng)
    found = tensor.decompose(noisy, 2)
    assert found.converged
    ones = [each.T for each in found[:3]]
    plane = np.einsum("us,um->smu", found.subcarrier, found.symbol).reshape(-1, 2)
    gains = np.linalg.lstsq(plane, noisy.reshape(len(noisy), -1).T, rcond=None)[0].T
    left = noisy - np.einsum("au,su,mu->asm", gains, *ones[1:])
    for path, held in (
        ("asm,su,mu->au", ones[1:]), ("asm,au,mu->su", [gains, ones[2]]),
        ("asm,au,su->mu", [gains, ones[1]]),
    ):  # fmt: skip
        slope = np.einsum(path, left, *(each.conj() for each in held))
        scale = np.prod([np.linalg.norm(each) for each in held]) * np.linalg.norm(noisy)
        assert np.abs(slope).max() < 1e-5 * scale
    truth = signals.echo_tensors(scene, draw(np.random.default_rng(5), scene))[0]
    assert np.sum(np.abs(left) ** 2) < np.sum(np.abs(noisy - truth) ** 2)


def test_factors_scatter_as_their_noise_variances_say():
    """sigma^2 / (g^2 N M_s) for a delay factor, sigma^2 / (g^2 M M_s) for an antenna factor.

    n = 60 draws of 48 (or 6) entries: the mean square has a relative deviation of 1 / sqrt(2880)
    (1 / sqrt(360)); one complex number of each factor is its free phase and size.
    """
    rng = np.random.default_rng(6)
    scene = replace(small_scene(rng, 1, 2), n_antennas=np.array([6, 6]))
    truth = signals.echo_factors(scene)
    clean, variance, off = signals.echo_tensors(scene, [[1.5], [1.0]])[0], 2.0, {0: [], 1: []}
    for _ in range(60):
        found = tensor.decompose(signals.with_noise(clean, variance, rng), 1)
        for mode, exact in ((0, truth.antenna[0][0]), (1, truth.subcarrier[0][0])):
            row = found[mode][0]
            share = exact.conj() @ row / len(row)
            off[mode].append(np.sum(np.abs(row / share - exact) ** 2) / (len(row) - 1))
    unit = variance / 1.5**2
    for mode, expected, n in ((0, unit / (48 * 40), 300), (1, unit / (6 * 40), 2820)):
        assert np.mean(off[mode]) == pytest.approx(expected, rel=5 / np.sqrt(n) + 0.02)


def test_38_and_39_are_the_matched_filter():
    """One vector's covariance has rank one: 1/(39) = N - |a^H v|^2 / |v|^2, by SymPy and by EVD."""
    v = sp.Matrix(sp.symbols("v:3", complex=True))
    a = sp.Matrix(sp.symbols("a:3", complex=True))
    energy = (v.H * v)[0]
    projector = sp.eye(3) - v * v.H / energy  # on what is orthogonal to the one eigenvector
    assert sp.simplify((projector * projector - projector) * energy**2).expand() == sp.zeros(3)
    printed = (a.H * projector * a)[0]
    matched_filter = (a.H * a)[0] - (a.H * v)[0] * (v.H * a)[0] / energy
    assert sp.simplify(sp.expand(printed - matched_filter)) == 0
    rng = np.random.default_rng(1)
    row = rng.normal(size=(32, 2)) @ [1, 1j]
    values, vectors = np.linalg.eigh(np.outer(row, row.conj()))
    assert np.abs(values[:-1]).max() < 1e-12 * values[-1]  # and no noise level to be read
    grid = np.linspace(-np.pi, np.pi, 4001)
    tones = np.exp(1j * np.outer(np.arange(32), grid))
    music = 1 / np.sum(np.abs(vectors[:, :-1].conj().T @ tones) ** 2, axis=0)
    assert grid[music.argmax()] == pytest.approx(float(tensor.tone(row)), abs=np.pi / 4000 * 1.01)


def test_37_brackets_the_peak():
    """The best bin of the zero-padded transform and its neighbours hold the maximum."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        row = np.exp(1j * rng.uniform(-3, 3) * np.arange(128)) + 0.3 * (
            rng.normal(size=(128, 2)) @ [1, 1j]
        )
        n_ifft = 1024
        peak = np.abs(np.fft.ifft(row.conj(), n_ifft)).argmax()
        turn = float(tensor.tone(row)) / (2 * np.pi) * n_ifft
        assert abs((turn - peak + n_ifft / 2) % n_ifft - n_ifft / 2) <= 1


def test_matching_ignores_phases_and_scale():
    rng = np.random.default_rng(3)
    factors = [rng.normal(size=(4, n, 2)) @ [1, 1j] for n in (6, 9, 7)]
    order = rng.permutation(4)
    turned = [each[order] * (rng.normal(size=(4, 1, 2)) @ [1, 1j]) for each in factors]
    np.testing.assert_array_equal(np.argsort(order), tensor.match(factors, turned))


# -------------------------------------------------------------------------------------- association


def test_40_needs_the_transpose_for_a_cycle_of_three():
    """r = d Q permutes columns by Q; what brings factors back is Q^T, and Q does not."""
    names = sp.Matrix([sp.symbols("d1:4")])
    cycle = sp.Matrix([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    heard = names * cycle
    assert heard * cycle.T == names
    assert heard * cycle != names
    swap = sp.Matrix([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert names * swap * swap == names  # two targets: no difference


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_table_gives_the_best_of_all_permutations(seed):
    """Against plain loops over all orders, and the order found is the true one."""
    rng = np.random.default_rng(seed)
    scene = small_scene(rng, 3, 3)
    parts = [
        tensor.decompose(signals.with_noise(y, 1e-3, rng), 3)
        for y in signals.echo_tensors(scene, draw(rng, scene))
    ]
    found = tensor.associate(scene, parts)
    observed, information = _tensor_association._observed(scene, parts)
    axes = _tensor_association.axes_of(scene)
    table = _tensor_association._table(scene, axes, observed, information)
    costs = {
        (one, two): sum(table[k, one[k], two[k]] for k in range(3))
        for one in itertools.permutations(range(3)) for two in itertools.permutations(range(3))
    }  # fmt: skip
    ranked = sorted(costs.values())
    assert found.cost == pytest.approx(ranked[0], rel=1e-9)
    assert found.runner_up == pytest.approx(ranked[1], rel=1e-9)
    assert tuple(map(tuple, found.order[1:])) == min(costs, key=costs.get)
    distance = np.linalg.norm(scene.targets - scene.aps[:, None], axis=-1)
    heard = c * found.observed[..., 0] / 2
    mine = np.abs(heard[0] - distance[0][:, None]).argmin(axis=1)
    np.testing.assert_allclose(heard[:, mine], distance, atol=3.0)


def test_cost_is_that_of_a_nonlinear_fit():
    """The table's linear fit against least squares on range, sine and Doppler shift."""
    scene, _, samples = example(10.0, n_targets=1)
    found = tensor.separate(scene, samples, 1)
    said, root = found.observed[:, 0], np.sqrt(found.information[:, 0])

    def residual(state):
        offset = state[:2] - scene.aps
        far = np.linalg.norm(offset, axis=1)
        doppler = -2 * 3.5e9 / c * np.sum(offset * state[2:], axis=1) / far
        return (
            root * (np.stack([2 * far / c, offset[:, 1] / far, doppler], axis=1) - said)
        ).ravel()

    first = np.concatenate([scene.targets[0], scene.velocities[0]])
    best = least_squares(residual, first, x_scale="jac", xtol=1e-15, ftol=1e-15)
    # The table's velocity is that at the position of ranges and sines alone, so it lies above.
    assert best.cost <= found.cost * (1 + 1e-3)
    assert found.cost < 6 * best.cost + 30


# ------------------------------------------------------------------------------------------- fusion


def test_48_and_52_are_sums_of_matched_filters():
    """tr|S F_d| + tr|K F_a| written out with loops and zero padding, AP by AP."""
    scene, _, samples = example(0.0)
    separated = tensor.separate(scene, samples, 3)
    point, speed = np.array([170.0, 150.0]), np.array([30.0, -80.0])
    goal = tensor.objective(scene, separated, 1, weighting="printed")
    pace = tensor.objective(scene, separated, 1, point, "printed")
    total = moving = weights = 0.0
    for number, part in enumerate(separated.components):
        k = separated.order[number, 1]
        offset = point - scene.aps[number]
        far, sine = np.hypot(*offset), offset[1] / np.hypot(*offset)
        n = np.arange(1, 129)
        fd = np.exp(2j * np.pi * n * 30e3 * 2 * far / c)  # (44)
        fa = np.exp(-2j * np.pi * np.arange(1, 9) * 0.5 * sine)  # (46), of atan2
        doppler = 2 * 3.5e9 * (offset / far) @ speed / c
        ef = np.exp(2j * np.pi * n * scene.waveform.symbol_period * doppler)  # (50) with T
        w = part.amplitude[k] ** 2 / part.residual
        weights += w
        total += w * (abs(part.subcarrier[k] @ fd) + abs(part.antenna[k] @ fa))
        moving += w * abs(part.symbol[k] @ ef)
    assert goal.value(point) * 2 * weights == pytest.approx(total, rel=1e-9)
    assert pace.value(speed) * weights == pytest.approx(moving, rel=1e-9)


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_slopes_are_those_of_differences(seed):
    rng = np.random.default_rng(seed)
    scene, _, samples = example(0.0)
    separated = tensor.separate(scene, samples, 3)
    for goal, point in (
        (tensor.objective(scene, separated, 0), rng.uniform(120, 230, 2)),
        (tensor.objective(scene, separated, 0, [170, 160]), rng.uniform(-90, 90, 2)),
    ):
        value, slope, curve = goal.slopes(point)
        assert value == pytest.approx(float(goal.value(point)), rel=1e-12)
        numeric = oracle.derivatives(lambda x, g=goal: g.value(x), point, 1e-3, order=4)
        np.testing.assert_allclose(slope, numeric, rtol=0, atol=1e-7 * value)
        second = oracle.derivatives(lambda x, g=goal: g.slopes(x)[1], point, 1e-3, order=4)
        np.testing.assert_allclose(curve, second, rtol=0, atol=1e-6 * value)


def test_right_weights_differ_by_m_over_n():
    """w_a = w_d N_c / N_A, where (42) has one weight for both."""
    scene, _, samples = example(0.0)
    separated = tensor.separate(scene, samples, 3)
    right = tensor.objective(scene, separated, 2).tones.weights
    printed = tensor.objective(scene, separated, 2, weighting="printed").tones.weights
    np.testing.assert_allclose(right[4:] / right[:4], 128 / 8, rtol=1e-12)
    np.testing.assert_allclose(printed[4:], printed[:4], rtol=1e-12)
    np.testing.assert_allclose(right[:4] / right[0], printed[:4] / printed[0], rtol=1e-12)


def test_right_weights_are_the_curvature_of_the_likelihood():
    """The Hessian of the objective is the FIM of delays and sines, in the same scale."""
    scene, _, samples = example(None, n_targets=1)
    separated = tensor.separate(scene, samples, 1)
    alike = tuple(part._replace(residual=1.0) for part in separated.components)
    separated = separated._replace(components=alike)
    _, _, curve = tensor.objective(scene, separated, 0).slopes(scene.targets[0])
    snr = np.array([p.amplitude[0] ** 2 for p in separated.components])
    still = replace(scene.waveform, n_symbols=1)  # no Doppler shift in (P3)
    efim = cooperative.state_efim(
        scene.targets[0], [0.0, 0.0], scene.aps, 8, 128 * snr, still, scene.carrier_frequency
    )
    ratio = -curve / efim[:2, :2]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)


def test_the_estimate_at_high_snr_stays_above_its_bound():
    """One target, 30 scenes: mean squared error over the bound without Doppler for the position.

    The ratio of a mean of 30 squared errors, exponential at worst, has a deviation of 0.26 at
    most; the factors of one target lose nothing.
    """
    ratio = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scene = small_scene(rng, 1, 4)
        amplitudes = draw(rng, scene)
        samples = [signals.with_noise(y, 1.0, rng) for y in signals.echo_tensors(scene, amplitudes)]
        found = tensor.estimate(scene, samples, 1, corners=[[-10, -10], [360, 360]])
        snr = 40 * np.abs(amplitudes[:, 0]) ** 2
        efim = cooperative.state_efim(
            scene.targets[0], [0.0, 0.0], scene.aps, scene.n_antennas, snr,
            replace(FRAME, n_symbols=1), 3.5e9,
        )  # fmt: skip
        bound = np.trace(np.linalg.inv(efim[:2, :2]))
        ratio.append(np.sum((found.positions - scene.targets) ** 2) / bound)
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * 0.26)
    assert np.mean(ratio) > 0.4


def test_arc_tangents_lose_the_half_plane():
    """(46), (50): arctan gives the sine and the Doppler shift the wrong sign for x < x_l."""
    x, y = sp.symbols("x y", negative=True)
    assert sp.simplify(sp.sin(sp.atan(y / x)) + y / sp.sqrt(x**2 + y**2)) == 0
    assert sp.simplify(sp.cos(sp.atan(y / x)) + x / sp.sqrt(x**2 + y**2)) == 0


def test_a_lattice_misses_by_a_sixth_of_its_squared_step():
    """n = 400 draws of 2 uniform offsets: relative deviation of the mean 0.03."""
    scene, _, samples = example()
    separated = tensor.separate(scene, samples, 3)
    fused = tensor.fuse(scene, separated)
    on = tensor.lattice(scene, separated, fused, 0.5, 0.25)
    for points, step in ((on.positions, 0.5), (on.velocities, 0.25)):
        np.testing.assert_allclose(points / step, np.rint(points / step), atol=1e-9)
    assert np.abs(on.positions - fused.positions).max() < 1.0
    offsets = np.random.default_rng(1).uniform(-0.5, 0.5, (400, 2))
    assert np.mean(np.sum(offsets**2, axis=1)) == pytest.approx(1 / 6, rel=0.12)


def test_best_near_is_the_best_of_a_wide_window():
    scene, _, samples = example(0.0)
    separated = tensor.separate(scene, samples, 3)
    fused = tensor.fuse(scene, separated)
    on = tensor.lattice(scene, separated, fused, 1.0, 1.0)
    goal = tensor.objective(scene, separated, 0)
    around = np.stack(np.meshgrid(np.arange(100, 251), np.arange(100, 251)), axis=-1).reshape(-1, 2)
    best = around[np.argmax(goal.value(around))]
    np.testing.assert_allclose(on.positions[0], best)


# ------------------------------------------------------------------------------------------- guards


def test_two_targets_in_one_cell_are_named():
    rng = np.random.default_rng(8)
    scene = small_scene(rng, 2, 3)
    close = replace(
        scene, targets=scene.targets[:1] + [[0, 0], [0.5, 0.5]],
        velocities=scene.velocities[:1] + [[0, 0], [0.3, 0]],
    )  # fmt: skip
    samples = [
        signals.with_noise(y, 0.01, rng) for y in signals.echo_tensors(close, draw(rng, close))
    ]
    found = tensor.estimate(close, samples, 2)
    assert not found.converged
    assert "access point 0" in found.reason
    assert "cell" in found.reason or "tone" in found.reason or "moves" in found.reason
    exact = tensor.decompose(signals.echo_tensors(close, np.ones((3, 2)))[0], 2)
    assert exact.reason == "components 0 and 1 lie in one resolution cell"


def test_noise_alone_is_no_target():
    rng = np.random.default_rng(9)
    scene = small_scene(rng, 1, 3)
    shapes = [(n, 48, 40) for n in scene.n_antennas]
    samples = [rng.normal(size=(*shape, 2)) @ [1, 1j] for shape in shapes]
    found = tensor.estimate(scene, samples, 1)
    assert not found.converged
    assert "is no tone" in found.reason


def test_too_few_steps_are_told():
    _, _, samples = example(0.0)
    assert "still moves" in _tensor_cp.decompose(samples[0], 3, max_steps=1).reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[0], r"samples must have shape"),
        (lambda y: np.where(np.arange(40) == 3, np.nan, y), r"samples must be finite"),
        (lambda y: 0 * y, r"samples must not all be zero"),
    ],
)
def test_bad_samples_are_refused(change, message):
    rng = np.random.default_rng(1)
    scene = small_scene(rng, 1, 3)
    samples = list(signals.echo_tensors(scene, draw(rng, scene)))
    samples[1] = change(samples[1])
    with pytest.raises(
        ValueError, match=message.replace("samples must have", "samples.*must have")
    ):
        tensor.estimate(scene, samples, 1)


def test_more_targets_than_kruskal_allows_are_refused():
    tall = np.ones((2, 3, 4), dtype=complex)
    with pytest.raises(ValueError, match="k-ranks that add up to 8 at most, and 4 targets need 10"):
        tensor.decompose(tall[:, :, :3], 4)
    with pytest.raises(ValueError, match="n_targets"):
        tensor.decompose(tall[:1], 2)
    with pytest.raises(ValueError, match="n_targets"):
        tensor.decompose(np.ones((1, 1, 1), dtype=complex), 1)


def test_unequal_counts_and_too_many_ways_are_refused():
    scene, _, samples = example()
    three, two = tensor.decompose(samples[0], 3), tensor.decompose(samples[1], 2)
    with pytest.raises(ValueError, match=r"as many echoes.*\[3, 2, 3, 3\]"):
        tensor.associate(scene, [three, two, three, three])
    with pytest.raises(ValueError, match="as many echoes"):
        tensor.associate(scene, [three])
    many = replace(scene, aps=np.vstack([scene.aps + k for k in (0, 5, 9)]), n_antennas=8)
    with pytest.raises(ValueError, match="permutations"):
        tensor.associate(many, [three] * 12)


def test_other_bad_input_is_refused():
    scene, _, samples = example()
    separated = tensor.separate(scene, samples, 3)
    with pytest.raises(ValueError, match="samples must be of 4 access points"):
        tensor.separate(scene, samples[:3], 3)
    with pytest.raises(ValueError, match="corners"):
        tensor.fuse(scene, separated, corners=[[0, 0], [0, 350]])
    with pytest.raises(ValueError, match="corners"):
        tensor.estimate(replace(scene, aps=scene.aps * [0, 1] + [[0, 0], [0, 1], [0, 2], [0, 3]]),
                        samples, 3)  # fmt: skip
    with pytest.raises(ValueError, match="max_speed"):
        tensor.fuse(scene, separated, max_speed=0)
    with pytest.raises(ValueError, match="weighting"):
        tensor.fuse(scene, separated, "best")
    with pytest.raises(ValueError, match="observables"):
        tensor.data_level(scene, separated, observables="some")
    with pytest.raises(ValueError, match="place_step"):
        tensor.lattice(scene, separated, tensor.fuse(scene, separated), 0, 1)
    with pytest.raises(ValueError, match="target must be below 3"):
        tensor.objective(scene, separated, 3)
    with pytest.raises(ValueError, match="spacing"):
        tensor.separate(replace(scene, spacing=0.7), samples, 3)
    with pytest.raises(ValueError, match="first and second"):
        tensor.match([np.ones((2, 3))], [np.ones((2, 4))])
    with pytest.raises(ValueError, match="first and second"):
        tensor.match([], [])
    with pytest.raises(ValueError, match="factors"):
        tensor.tone(np.ones((2, 0)))


def test_a_target_outside_the_region_is_told():
    scene, _, samples = example()
    found = tensor.estimate(scene, samples, 3, corners=[[0, 0], [100, 100]])
    assert not found.converged
    assert "inside the region" in found.reason


# ------------------------------------------------------------------------- not silently wrong


def skewed(targets, velocities, frame=FRAME, carrier=3.5e9):
    return MonostaticScene(
        aps=[[0, 0], [350, 5], [-5, 350], [345, 352]], n_antennas=6, targets=targets,
        velocities=velocities, waveform=frame, carrier_frequency=carrier, noise_figure_db=7,
        transmit_power=0.01, axes=None,
    )  # fmt: skip


def without_noise(scene):
    n_targets = len(scene.targets)
    samples = signals.echo_tensors(scene, np.ones((len(scene.aps), n_targets)))
    return tensor.estimate(scene, samples, n_targets)


@pytest.mark.parametrize("seed", range(4))
def test_cells_smaller_than_the_grid_are_found(seed):
    """50 MHz at 28 GHz: a cell is 3 m and the grid 10 m; the numbers of the tones lead there."""
    rng = np.random.default_rng(seed)
    scene = skewed(
        rng.uniform(60, 290, (1, 2)), rng.uniform(-30, 30, (1, 2)), OFDM(416, 14, 120e3, 4e-6), 28e9
    )
    found = without_noise(scene)
    assert found.converged
    np.testing.assert_allclose(found.positions, scene.targets, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "velocity"), [([450.0, 120.0], [30.0, -20.0]), ([150.0, 120.0], [400.0, 100.0])]
)
def test_what_is_outside_is_not_found_inside(target, velocity):
    found = without_noise(skewed([target], [velocity]))
    assert not found.converged
    assert "target 0" in found.reason


@pytest.mark.parametrize("seed", [5, 9])
def test_targets_that_share_a_factor_are_not_told_apart(seed):
    """Two that stand still have one Doppler factor, and the decomposition is not unique."""
    targets = np.random.default_rng(seed).uniform(90, 260, (2, 2))
    found = without_noise(skewed(targets, np.zeros((2, 2))))
    assert not found.converged
    assert "one symbol factor" in found.reason


# --------------------------------------------------------------------- wrong, though it looks right


def loud_scene(seed, snr_db=10.0, n_targets=2):
    rng = np.random.default_rng(seed)
    scene = small_scene(rng, n_targets, 4)
    variance = 10 ** (-snr_db / 10)
    clean = signals.echo_tensors(scene, draw(rng, scene))
    return scene, [signals.with_noise(each, variance, rng) for each in clean]


@pytest.mark.parametrize("seed", range(6))
def test_more_echoes_than_targets_asked_for_are_noticed(seed):
    scene, samples = loud_scene(seed)
    found = tensor.estimate(scene, samples, 1, corners=[[-10, -10], [360, 360]])
    assert not found.converged
    assert found.reason


def test_an_echo_that_hides_behind_a_louder_one_is_noticed():
    """25 dB below: the fit of one echo rests, its factors are tones, and all of it agrees."""
    rng = np.random.default_rng(1)
    scene = small_scene(rng, 2, 4)
    clean = signals.echo_tensors(scene, [[1.0, 0.06]] * 4)
    samples = [signals.with_noise(each, 0.1, rng) for each in clean]
    region = [[-10, -10], [360, 360]]
    assert tensor.fuse(scene, tensor.separate(scene, samples, 1), corners=region).converged
    found = tensor.estimate(scene, samples, 1, corners=region)
    assert not found.converged
    assert "more echoes than 1 stand out of the noise" in found.reason


def test_samples_in_another_order_of_access_points_are_noticed():
    """Five metres off the middle: each access point sees the place of another nearly alike."""
    rng = np.random.default_rng(2)
    scene = replace(
        small_scene(rng, 1, 4), n_antennas=8, targets=[[178.0, 172.0]], velocities=[[1.0, 2.0]]
    )
    clean = signals.echo_tensors(scene, np.ones((4, 1)))
    samples = [signals.with_noise(each, 0.01, rng) for each in clean]
    region = [[-10, -10], [360, 360]]
    good = tensor.estimate(scene, samples, 1, corners=region)
    assert good.converged, good.reason
    found = tensor.estimate(scene, samples[::-1], 1, corners=region)
    assert not found.converged
    assert found.reason


def test_access_points_on_a_line_do_not_tell_the_side():
    scene, samples = loud_scene(3, n_targets=1)
    line = replace(scene, aps=[[0, 0], [0, 110], [0, 230], [0, 350]])
    clean = signals.echo_tensors(line, np.ones((4, 1)))
    samples = [signals.with_noise(each, 0.1, np.random.default_rng(4)) for each in clean]
    blind = tensor.estimate(line, samples, 1, corners=[[-360, -10], [360, 360]])
    assert not blind.converged
    assert "other side" in blind.reason
    told = tensor.estimate(line, samples, 1, corners=[[0, -10], [360, 360]])
    assert told.converged, told.reason
    assert np.abs(told.positions - line.targets).max() < 1


@pytest.mark.parametrize("seed", range(4))
def test_good_samples_are_not_doubted(seed):
    scene, samples = loud_scene(seed, n_targets=1)
    found = tensor.estimate(scene, samples, 1, corners=[[-10, -10], [360, 360]])
    assert found.converged, found.reason


@pytest.mark.parametrize("share", [0.0, 1e-12])
def test_equal_targets_are_no_error_of_numpy(share):
    alike = tensor.decompose(np.ones((4, 24, 12)), 2, share)
    assert not alike.converged
    assert alike.reason
    scene = skewed([[100.0, 120.0]] * 2, [[30.0, -20.0]] * 2)
    found = without_noise(scene)
    assert not found.converged
    assert np.isfinite(found.positions).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"waveform": OFDM(48, 1, 30e3, 4e-6)}, "n_symbols >= 2"),
        ({"n_antennas": 1}, "n_antennas >= 2"),
        ({"aps": [[0.0, 0.0]]}, "two places"),
        ({"aps": [[5.0, 5.0]] * 3}, "two places"),
    ],
)
def test_scenes_that_tell_no_state_are_refused(change, match):
    scene = replace(small_scene(np.random.default_rng(1), 1, 3), **({"n_antennas": 6} | change))
    samples = signals.echo_tensors(scene, np.ones((len(scene.aps), 1)))
    with pytest.raises(ValueError, match=match):
        tensor.estimate(scene, samples, 1, corners=[[-10, -10], [360, 360]])


def test_other_objects_and_endless_regions_are_named():
    scene, samples = loud_scene(1, n_targets=1)
    separated = tensor.separate(scene, samples, 1)
    fused = tensor.fuse(scene, separated)
    for match, call in (
        ("scene must", lambda: tensor.estimate("scene", samples, 1)),
        ("samples must", lambda: tensor.separate(scene, None, 1)),
        ("samples must", lambda: tensor.separate(scene, (each for each in samples), 1)),
        ("samples must", lambda: tensor.decompose(1e200 * samples[0], 1)),
        ("samples must", lambda: tensor.decompose(1e-200 * samples[0], 1)),
        ("components must", lambda: tensor.associate(scene, None)),
        ("components must", lambda: tensor.associate(scene, [3] * 4)),
        ("separated must", lambda: tensor.fuse(scene, None)),
        ("separated.observed must", lambda: tensor.data_level(
            scene, separated._replace(observed=np.nan * separated.observed))),
        ("separated must", lambda: tensor.objective(
            scene, separated._replace(order=separated.order + 5), 0)),
        ("separated must", lambda: tensor.fuse(
            replace(scene, aps=scene.aps[:2], n_antennas=scene.n_antennas[:2]), separated)),
        ("fused must", lambda: tensor.lattice(scene, separated, None, 1, 1)),
        ("fused.positions must", lambda: tensor.lattice(
            scene, separated, fused._replace(positions=[[np.nan, 0]]), 1, 1)),
        ("corners must", lambda: tensor.fuse(scene, separated, corners=[[0, 0], [1e9, 1e9]])),
        ("max_speed must", lambda: tensor.fuse(scene, separated, max_speed=1e9)),
        ("position must", lambda: tensor.objective(scene, separated, 0, scene.aps)),
        ("points must", lambda: tensor.objective(scene, separated, 0).value([1, 2, 3])),
        ("points must", lambda: tensor.objective(scene, separated, 0).value([np.nan, 2])),
        ("first must", lambda: tensor.match(3, [np.eye(2)])),
        ("second must", lambda: tensor.match([np.eye(2)], None)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
