"""Positions from frames: another maximiser, exact recovery, bound, grid, floor, bad input."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from cfisac import fisher, signals
from cfisac.estimators import position_ml
from cfisac.limits import _scene, multistatic
from cfisac.scenarios import fan_scene
from cfisac.waveforms import OFDM, OTFS

FRAME = OTFS(32, 8, 2e6)  # 64 MHz like the table's, 256 samples


def drawn(seed, n_targets=1, frame=FRAME, n_antennas=4, speed=20.0, n_aps=6):
    """A small scene with two receivers, what is sent, and gains."""
    rng = np.random.default_rng(seed)
    scene = fan_scene(
        rng, n_aps, n_targets, 0, n_antennas, waveform=frame, side=60.0, max_delay=4e-7,
        max_speed=speed, n_receivers=2, min_distance=5.0,
    )  # fmt: skip
    sent = signals.draw_spectra(scene, 0.5, rng)
    return scene, sent, multistatic.draw_gains(scene, rng), rng


def heard(scene, sent, gains, rng=None, snr_gain=1.0):
    clean = signals.received(signals.path_signatures(scene, sent), gains)
    return clean if rng is None else signals.with_noise(clean, scene.noise_variance / snr_gain, rng)


# ------------------------------------------------------------------------- (13) to (20)


def dense_paths(scene, sent, r):
    """Columns of (13) on the delay-Doppler grid, from the dense operator: (M_r MN, T P)."""
    parameters, _ = _scene.parameters(scene)
    index = np.arange(scene.n_antennas)
    columns = []
    for t in range(len(scene.targets)):
        for p in range(len(scene.transmitters)):
            omega_r, omega_t, delay, doppler = parameters[p, r, t]
            grid = np.fft.fft(np.fft.ifft(sent[p], axis=-1, norm="ortho"), axis=-2, norm="ortho")
            towards = np.exp(1j * omega_t * index) @ grid.reshape(index.size, -1)
            echo = scene.waveform.operator(delay, doppler) @ towards / index.size
            columns.append(np.multiply.outer(np.exp(1j * omega_r * index), echo).ravel())
    return np.transpose(columns)


def test_13_to_19_on_the_delay_doppler_grid():
    """c^H G^-1 c is what least squares explains, with paths from the dense operator."""
    scene, sent, gains, rng = drawn(3, 2, OTFS(32, 2, 2e6))
    samples = heard(scene, sent, gains, rng)
    frames = scene.waveform.demodulate(samples, 0)
    value = 0.0
    for r, frame in enumerate(frames):
        paths, seen = dense_paths(scene, sent, r), frame.ravel()
        best, rest, *_ = np.linalg.lstsq(paths, seen, rcond=None)
        value += (np.vdot(seen, seen).real - rest[0]) / scene.noise_variance
        correlation, gram = paths.conj().T @ seen, paths.conj().T @ paths  # (17a), (17b)
        explained = np.vdot(correlation, np.linalg.solve(gram, correlation)).real
        assert explained == pytest.approx(np.vdot(seen, seen).real - rest[0], rel=1e-9)
    here = position_ml.log_likelihood(scene, sent, samples, scene.targets)
    assert here == pytest.approx(value, rel=1e-9)
    found = position_ml.likelihood(
        signals.path_signatures(scene, sent), samples, scene.noise_variance
    )
    assert found.value == pytest.approx(value, rel=1e-9)
    turned = np.abs(found.gains[:, 1].T.ravel())  # phases belong to the first sample
    np.testing.assert_allclose(turned, np.abs(best), rtol=1e-8)


def test_14_15_are_the_density_of_circular_noise():
    """Log of the density of real and imaginary parts: - ||y - mean||^2 / sigma^2 - constant."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=5) + 1j * rng.normal(size=5)
    mean, variance = rng.normal(size=5) + 1j * rng.normal(size=5), 0.7
    parts, centre = np.concatenate([y.real, y.imag]), np.concatenate([mean.real, mean.imag])
    density = multivariate_normal(centre, variance / 2 * np.eye(10)).logpdf(parts)
    square = np.sum(np.abs(y - mean) ** 2)
    assert -square / variance - 5 * np.log(np.pi * variance) == pytest.approx(density)


def test_16_to_19_complete_a_square():
    """SymPy, two paths: b^H G b - 2 Re b^H c = (b - G^-1 c)^H G (b - G^-1 c) - c^H G^-1 c."""
    first, second, turn, wide = sp.symbols("g1 g2 u w", positive=True)
    overlap = turn + sp.I * wide
    gram = sp.Matrix([[first, overlap], [sp.conjugate(overlap), second]])
    real = sp.symbols("b1:5 c1:5", real=True)
    b = sp.Matrix([real[0] + sp.I * real[1], real[2] + sp.I * real[3]])
    c = sp.Matrix([real[4] + sp.I * real[5], real[6] + sp.I * real[7]])
    best = gram.inv() * c
    left = (b.H * gram * b)[0] - (b.H * c)[0] - (c.H * b)[0]
    right = ((b - best).H * gram * (b - best))[0] - (c.H * best)[0]
    assert sp.simplify(left - right) == 0


def test_20_is_19_where_paths_do_not_overlap():
    scene, sent, gains, rng = drawn(5, n_aps=3)
    assert len(scene.transmitters) == 1
    samples = heard(scene, sent, gains, rng)
    shifts = rng.normal(size=(4, 1, 2))
    full, simple = (
        position_ml.log_likelihood(scene, sent, samples, scene.targets + shifts, kind)
        for kind in ("full", "simplified")
    )
    np.testing.assert_allclose(full, simple, rtol=1e-10)


def test_lemma_1_paths_of_different_transmitters_forget_each_other_as_frames_grow():
    """Mean |correlation|^2 of two paths by way of one target is 1 / (MN), within five errors."""
    for frame in (OTFS(32, 2, 2e6), OTFS(32, 16, 2e6)):
        scene, _, _, rng = drawn(7, frame=frame)
        squares = []
        for _ in range(60):
            sent = signals.draw_spectra(scene, 0.5, rng)
            path = signals.path_signatures(scene, sent).samples[0, 0, 0]
            gram = path.conj() @ path.T
            root = np.sqrt(np.diag(gram).real)
            rho = np.abs(gram / np.outer(root, root))[np.triu_indices(len(root), 1)]
            squares.append(np.mean(rho**2))
        size = frame.n_subcarriers * frame.n_symbols
        error = np.std(squares, ddof=1) / np.sqrt(len(squares))
        assert abs(np.mean(squares) - 1 / size) < 5 * error
        assert error < 0.1 / size


def test_remark_1_counts_dimensions():
    """Two states per target; (20) splits by target, (19) does not, and gains cost no dimension."""
    scene, sent, gains, rng = drawn(9, 2)
    samples = heard(scene, sent, gains, rng)
    found = position_ml.likelihood(
        signals.path_signatures(scene, sent), samples, scene.noise_variance
    )
    parameters, _ = _scene.parameters(scene)
    assert found.score.size == 4
    assert parameters.size == 4 * len(scene.transmitters) * len(scene.receivers) * 2

    def both(kind, first, second):
        places = scene.targets + np.array([[first, 0.0], [second, 0.0]])
        return float(position_ml.log_likelihood(scene, sent, samples, places, kind))

    def mixed(kind):  # zero if the value is a sum over the targets
        pieces = [both(kind, a, b) * sign for a, b, sign in
                  ((0.4, 0.4, 1), (0.4, 0.0, -1), (0.0, 0.4, -1), (0.0, 0.0, 1))]  # fmt: skip
        return abs(sum(pieces)) / both(kind, 0.0, 0.0)

    assert mixed("simplified") < 1e-12
    assert mixed("full") > 1e-6


@pytest.mark.parametrize("objective", ["full", "simplified"])
@pytest.mark.parametrize("unknown_velocity", [False, True])
def test_score_is_the_slope_of_the_value(objective, unknown_velocity):
    scene, sent, gains, rng = drawn(11, 2)
    samples = heard(scene, sent, gains, rng)
    states = np.concatenate([scene.targets + 0.3, scene.velocities + 1.0], axis=1)
    states = states if unknown_velocity else states[:, :2]

    def at(flat):
        here = flat.reshape(2, -1)
        speed = here[:, 2:] if unknown_velocity else None
        paths = signals.path_signatures(
            scene, sent, here[:, :2], speed, unknown_velocity=unknown_velocity, edges=scene.targets
        )
        return position_ml.likelihood(paths, samples, scene.noise_variance, objective=objective)

    found = at(states.ravel())
    deviation = 1 / np.sqrt(np.diag(found.information))
    slopes = oracle.derivatives(lambda x: at(x).value, states.ravel(), 1e-2 * deviation, order=2)
    np.testing.assert_allclose(slopes * deviation, found.score * deviation, atol=1e-4)


@pytest.mark.parametrize("unknown_velocity", [False, True])
def test_information_is_the_schur_complement_of_the_dense_fim(unknown_velocity):
    """At the true gains: brute-force FIM over states and gains, gains taken out."""
    scene, sent, gains, _ = drawn(13, 2, OTFS(32, 2, 2e6), n_aps=4)
    n_states = 4 if unknown_velocity else 2
    states = np.concatenate([scene.targets, scene.velocities], axis=1)[:, :n_states]
    scale = np.abs(gains).mean()

    def mean(theta):
        here = theta[: states.size].reshape(2, n_states)
        parts = theta[states.size :].reshape(2, *gains.shape) * scale
        speed = here[:, 2:] if unknown_velocity else None
        paths = signals.path_signatures(scene, sent, here[:, :2], speed, edges=scene.targets)
        return signals.received(paths, parts[0] + 1j * parts[1]).ravel()

    truth = np.concatenate([states.ravel(), gains.real.ravel() / scale, gains.imag.ravel() / scale])
    step = np.concatenate(
        [np.tile([0.01, 0.01, 1.0, 1.0][:n_states], 2), np.full(2 * gains.size, 0.1)]
    )
    dense = oracle.dense_fim(mean, truth, scene.noise_variance, step)
    dense = oracle.without(dense, range(states.size, truth.size))
    paths = signals.path_signatures(scene, sent, unknown_velocity=unknown_velocity)
    samples = signals.received(paths, gains)
    found = position_ml.likelihood(paths, samples, scene.noise_variance, gains)
    oracle.assert_matrices_close(found.information, dense, 1e-5)


# ------------------------------------------------------------------------- the search


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_targets=st.integers(1, 2))
def test_without_noise_the_targets_are_found_exactly(seed, n_targets):
    scene, sent, gains, rng = drawn(seed, n_targets)
    samples = heard(scene, sent, gains)
    start = scene.targets + rng.uniform(-0.3, 0.3, scene.targets.shape)
    found = position_ml.refine(scene, sent, samples, start)
    truth = position_ml.log_likelihood(scene, sent, samples, scene.targets)
    if found.converged and found.value > truth * (1 - 1e-9):
        np.testing.assert_allclose(found.positions, scene.targets, atol=1e-6)
        np.testing.assert_allclose(found.gains, gains, atol=1e-4 * np.abs(gains).max())
    else:  # a local maximum, or a place where nothing leads uphill: lower, never silently wrong
        gap = np.linalg.norm(scene.targets[0] - scene.targets[-1])
        assert n_targets == 2
        assert gap < 20


def test_without_noise_velocities_are_found_too():
    scene, sent, gains, rng = drawn(17, 2, OTFS(32, 32, 2e6))
    samples = heard(scene, sent, gains)
    found = position_ml.refine(
        scene, sent, samples, scene.targets + 0.2, scene.velocities + rng.normal(size=(2, 2)),
        unknown_velocity=True,
    )  # fmt: skip
    assert found.converged
    np.testing.assert_allclose(found.positions, scene.targets, atol=1e-6)
    np.testing.assert_allclose(found.velocities, scene.velocities, atol=1e-4)
    assert found.covariance.shape == (8, 8)


def test_both_stages_find_two_targets_in_their_hotspots():
    scene, sent, gains, rng = drawn(19, 2, OTFS(64, 16, 1e6))
    samples = heard(scene, sent, gains, rng, 1e4)
    found = position_ml.estimate(
        scene, sent, samples, scene.targets + rng.normal(size=(2, 2)), 8.0, 0.5
    )
    deviation = np.sqrt(np.diag(found.covariance)) / 100
    assert found.converged
    assert np.all(np.abs(found.positions - scene.targets).ravel() < 6 * deviation)


def test_refined_estimate_is_the_maximum_of_19_to_a_millimetre():
    """Nelder-Mead on the plain likelihood, which shares no derivative with the climb."""
    scene, sent, gains, rng = drawn(23)
    samples = heard(scene, sent, gains, rng, 10.0)
    found = position_ml.refine(scene, sent, samples, scene.targets)

    def fall(place):
        return -position_ml.log_likelihood(scene, sent, samples, place[None])

    simplex = found.positions[0] + 0.05 * np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]])
    best = minimize(
        fall, simplex[0], method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-9},
    )  # fmt: skip
    assert np.linalg.norm(best.x - found.positions[0]) < 1e-3
    assert -best.fun <= found.value + 1e-6


def test_weak_echoes_are_climbed_too():
    """Wherever the climb ends no point nearby is higher, but for the steps of the likelihood."""
    for seed in range(8):
        scene, sent, gains, rng = drawn(100 + seed)
        samples = heard(scene, sent, gains, rng, 1e-1)
        found = position_ml.refine(scene, sent, samples, scene.targets)
        value = position_ml.log_likelihood(scene, sent, samples, found.positions)
        assert found.value == pytest.approx(float(value), rel=1e-12)
        assert found.converged
        deviation = np.sqrt(np.diag(found.covariance))
        near = found.positions + deviation * rng.normal(size=(40, 1, 2)) / 100
        around = position_ml.log_likelihood(scene, sent, samples, near)
        assert around.max() < value + 0.05


@pytest.mark.parametrize("unknown_velocity", [False, True])
def test_moving_or_renaming_everything_moves_or_renames_the_estimate(unknown_velocity):
    scene, sent, gains, rng = drawn(29, 2, OTFS(32, 16, 2e6))
    samples = heard(scene, sent, gains, rng, 1e3)

    def search(scene, sent, samples):
        return position_ml.refine(
            scene, sent, samples, scene.targets, unknown_velocity=unknown_velocity
        )

    found = search(scene, sent, samples)
    by = np.array([123.0, -45.0])
    moved = replace(
        scene, transmitters=scene.transmitters + by, receivers=scene.receivers + by,
        targets=scene.targets + by,
    )  # fmt: skip
    there = search(moved, sent, samples)
    np.testing.assert_allclose(there.positions - by, found.positions, atol=1e-7)
    order, heard_by = rng.permutation(len(sent)), [1, 0]
    renamed = replace(
        scene, targets=scene.targets[::-1], velocities=scene.velocities[::-1],
        transmitters=scene.transmitters[order], transmit_axes=scene.transmit_axes[order],
        receivers=scene.receivers[heard_by], receive_axes=scene.receive_axes[heard_by],
        beams=scene.beams[order][:, ::-1],
    )  # fmt: skip
    there = search(renamed, sent[order], samples[heard_by])
    np.testing.assert_allclose(there.positions[::-1], found.positions, atol=1e-7)
    np.testing.assert_allclose(there.velocities[::-1], found.velocities, atol=1e-5)
    np.testing.assert_allclose(
        there.gains[:, ::-1, ::-1], found.gains[order], atol=1e-6 * np.abs(gains).max()
    )


def test_errors_have_the_covariance_of_the_bound():
    """200 frames, strong echoes: e^T J e has mean 2 and variance 4 if the bound is attained."""
    scene, sent, gains, rng = drawn(31)
    paths = signals.path_signatures(scene, sent)
    gains, n = 10 * gains, 200
    clean = signals.received(paths, gains)
    information = position_ml.likelihood(paths, clean, scene.noise_variance, gains).information
    errors = []
    for _ in range(n):
        samples = signals.with_noise(clean, scene.noise_variance, rng)
        errors.append(position_ml.refine(scene, sent, samples, scene.targets).positions[0])
    errors = np.array(errors) - scene.targets[0]
    squares = np.einsum("ni,ij,nj->n", errors, information, errors)
    assert abs(squares.mean() - 2) < 5 * 2 / np.sqrt(n)
    mean_square = np.mean(np.sum(errors**2, axis=1))
    bound = np.trace(np.linalg.inv(information))
    assert abs(mean_square / bound - 1) < 5 * np.sqrt(2 / n)
    efim = multistatic.position_efim(scene, 0.5, gains=gains)  # mean over symbols, no coupling
    assert fisher.position_error_bound(efim)[0] == pytest.approx(np.sqrt(bound), rel=0.15)


# ------------------------------------------------------------------------- the map


def test_fast_map_is_the_plain_one():
    """With a tile for each sample only the edges of symbols are held; with few, height is lost."""
    scene, sent, gains, rng = drawn(37, frame=OTFS(64, 16, 1e6))
    samples = heard(scene, sent, gains, rng, 10.0)
    centre = scene.targets[0] + [0.4, -0.3]
    plain = None
    for tiles, near, far in (((16, 64), 0.05, 0.1), ((4, 16), 0.1, 0.35)):
        found = position_ml.hotspot_map(scene, sent, samples, centre, 6.0, 1.0, tiles=tiles)
        if plain is None:
            plain = position_ml.log_likelihood(
                scene, sent, samples, found.points.reshape(-1, 1, 2), "simplified"
            ).reshape(found.values.shape)
        scale = plain.max()
        off = np.abs(found.values - plain) / scale
        assert off[2:5, 2:5].max() < near
        assert off.max() < far
        assert np.argmax(found.values) == np.argmax(plain)


def test_fast_map_follows_the_doppler_shift_from_point_to_point():
    """A long frame and a target so fast that the map is as narrow as its Doppler shifts."""
    scene, sent, gains, _ = drawn(39, frame=OTFS(32, 512, 2e6), n_aps=4)
    scene = replace(scene, velocities=np.array([[900.0, -600.0]]))
    samples, centre = heard(scene, sent, gains), scene.targets[0] + [0.5, -0.25]
    found = position_ml.hotspot_map(scene, sent, samples, centre, 2.0, 0.25, tiles=(32, 8))
    plain = position_ml.log_likelihood(
        scene, sent, samples, found.points.reshape(-1, 1, 2), "simplified"
    ).reshape(found.values.shape)
    assert np.abs(found.values - plain).max() < 0.1 * plain.max()
    assert plain[5, 3] < 0.5 * plain[5, 2] == 0.5 * plain.max()


def test_a_map_in_parts_is_the_map():
    """Interpolated between nodes, and cut into parts: within a thousandth of the plain sums."""
    scene, sent, gains, _ = drawn(41, frame=OTFS(64, 16, 1e6), n_antennas=16)
    samples = heard(scene, sent, gains)
    fine = position_ml.hotspot_map(scene, sent, samples, scene.targets[0], 8.0, 0.1)
    coarse = position_ml.hotspot_map(scene, sent, samples, scene.targets[0], 8.0, 4.0)
    assert fine.values.shape == (81, 81)
    assert coarse.values.shape == (3, 3)
    np.testing.assert_allclose(fine.points[::40, ::40], coarse.points, atol=1e-9)
    off = np.abs(fine.values[::40, ::40] - coarse.values)
    assert off.max() < 1e-3 * coarse.values.max()
    np.testing.assert_allclose(fine.best, scene.targets[0], atol=0.15)


def test_points_of_a_map():
    scene, sent, gains, _ = drawn(43)
    samples, centre = heard(scene, sent, gains), scene.targets[0]
    for side, step, expected in (
        (0.0, 1.0, 1), (1.0, 1.0, 2), (2.0, 1.0, 3), (2.9, 1.0, 3), (30.0, 10.0, 4), (0.8, 0.1, 9),
    ):  # fmt: skip
        found = position_ml.hotspot_map(
            scene, sent, samples, centre, side, step, tiles=(2, 4)
        ).points
        assert found.shape == (expected, expected, 2)
        np.testing.assert_allclose(found.mean(axis=(0, 1)), centre, atol=1e-9)
        if expected > 1:
            np.testing.assert_allclose(np.diff(found[0, :, 0]), step)


# ------------------------------------------------------------------------- the grid


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_grid_error_is_that_of_the_nearest_point_in_the_metric(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(2, 2))
    efim = root @ root.T + 0.05 * np.trace(root @ root.T) * np.eye(2)
    step = rng.uniform(0.5, 2.0, 2)
    line = np.arange(-8, 9)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) * step
    places = rng.uniform(-0.5, 0.5, (2000, 2)) * step
    off = places[:, None] - grid
    away = off[np.arange(2000), np.argmin(np.einsum("nki,ij,nkj->nk", off, efim, off), axis=1)]
    squares = np.sum(away**2, axis=1)
    error = squares.std() / np.sqrt(2000)
    exact = position_ml.grid_error(step, efim)
    assert abs(squares.mean() - exact**2) < 5 * error
    assert exact >= position_ml.grid_floor(step) * (1 - 1e-9)


def test_grid_floor_holds_for_information_without_tilt_whatever_its_condition():
    for ratio in (1.0, 30.0, 1e6):
        for step in (0.1, [1.0, 3.0]):
            error = position_ml.grid_error(step, np.diag([1.0, ratio]))
            assert error == pytest.approx(position_ml.grid_floor(step), rel=1e-9)


def test_grid_floor_fails_where_the_information_is_tilted():
    """At a condition of 1000, over all tilts: up to eleven times, five on average."""
    tilts = np.linspace(0, np.pi, 181)[:-1]
    ratio = []
    for tilt in tilts:
        unit = np.array([np.cos(tilt), np.sin(tilt)])
        efim = np.eye(2) + 999 * np.outer(unit, unit)
        ratio.append(position_ml.grid_error(1.0, efim) / position_ml.grid_floor(1.0))
    assert min(ratio) == pytest.approx(1.0)
    assert 4.5 < np.mean(ratio) < 5.2
    assert 11 < max(ratio) < 11.5


def test_grid_search_without_noise_comes_to_grid_error():
    """Grids of half a metre, thrown at random over a target: by the likelihood itself."""
    scene, sent, gains, rng = drawn(47, frame=OTFS(64, 8, 1e6), n_aps=4)
    samples = heard(scene, sent, gains)
    paths = signals.path_signatures(scene, sent)
    efim = position_ml.likelihood(paths, samples, scene.noise_variance, gains).information
    line = 0.5 * np.arange(-4, 5)
    mesh = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 1, 2)
    squares = []
    for _ in range(12):
        places = scene.targets + mesh + rng.uniform(-0.25, 0.25, 2)
        values = position_ml.log_likelihood(scene, sent, samples, places)
        squares.append(np.sum((places[np.argmax(values), 0] - scene.targets[0]) ** 2))
    error = np.std(squares, ddof=1) / np.sqrt(len(squares))
    assert abs(np.mean(squares) - position_ml.grid_error(0.5, efim) ** 2) < 5 * error


# ------------------------------------------------------------------------- the floor of (20)


def test_floor_of_20_is_its_first_order_error():
    for seed in (53, 59, 61):
        scene, sent, gains, _ = drawn(seed, frame=OTFS(64, 16, 1e6), n_antennas=8)
        bias = position_ml.simplified_bias(scene, sent, gains)
        samples = heard(scene, sent, gains)
        top = position_ml.refine(scene, sent, samples, scene.targets, objective="simplified")
        off = top.positions - scene.targets
        assert top.converged
        assert np.linalg.norm(off) > 1e-3
        assert np.linalg.norm(off - bias) < 0.2 * np.linalg.norm(off)
        exact = position_ml.refine(scene, sent, samples, scene.targets + 0.1)
        assert np.linalg.norm(exact.positions - scene.targets) < 1e-8


def test_floor_of_20_falls_with_the_root_of_the_frame():
    """Sixteen times the samples, a quarter of the floor: root mean square over 40 draws each."""
    floors = []
    for frame in (OTFS(32, 16, 2e6), OTFS(32, 256, 2e6)):
        scene, _, _, rng = drawn(67, frame=frame, speed=0.0)
        squares = []
        for _ in range(40):
            sent = signals.draw_spectra(scene, 0.5, rng)
            gains = multistatic.rms_gains(scene) * np.exp(2j * np.pi * rng.uniform(size=(4, 2, 1)))
            squares.append(np.sum(position_ml.simplified_bias(scene, sent, gains) ** 2))
        floors.append(np.sqrt(np.mean(squares)))
    assert floors[0] / floors[1] == pytest.approx(4, rel=0.5)


# ------------------------------------------------------------------------- bad input


@pytest.fixture(scope="module")
def given_scene():
    scene, sent, gains, _ = drawn(71)
    return scene, sent, heard(scene, sent, gains)


def bad(array, value=np.nan):
    copy = np.array(array)
    copy.flat[0] = value
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": bad}, "samples must be finite"),
        ({"sent": bad}, "sent must be finite"),
        ({"samples": lambda y: y[..., :-1]}, "samples must have shape"),
        ({"sent": lambda s: s[:, :-1]}, "sent must have shape"),
        ({"centre": lambda _: [np.nan, 0.0]}, "centre must be finite"),
        ({"centre": lambda _: [[0.0, 0.0]]}, "centre must be one point"),
        ({"centre": lambda _: [1e4, 0.0]}, "hotspot is empty"),
        ({"side": lambda _: -1.0}, "side must be >= 0"),
        ({"step": lambda _: 0.0}, "step must be > 0"),
        ({"step": lambda _: 1e-4}, "at most"),
        ({"target": lambda _: 1}, "target must be in"),
        ({"tiles": lambda _: (3, 4)}, "tiles must divide"),
    ],
)
def test_a_map_refuses(given_scene, change, message):
    scene, sent, samples = given_scene
    arguments = {
        "sent": sent, "samples": samples, "centre": scene.targets[0], "side": 2.0, "step": 1.0,
        "target": 0, "tiles": (2, 4),
    }  # fmt: skip
    arguments |= {name: make(arguments[name]) for name, make in change.items()}
    with pytest.raises(ValueError, match=message):
        position_ml.hotspot_map(scene, **arguments)


def test_searches_refuse_what_cannot_be(given_scene):
    scene, sent, samples = given_scene
    for start, message in (
        (scene.targets[0], "start must have shape"),
        (bad(scene.targets), "start must be finite"),
        (scene.targets + 1e4, "no path longer than a symbol"),
        (scene.receivers[:1], "must not coincide|coincide"),
    ):
        with pytest.raises(ValueError, match=message):
            position_ml.refine(scene, sent, samples, start)
    with pytest.raises(ValueError, match="max_steps"):
        position_ml.refine(scene, sent, samples, scene.targets, max_steps=0)
    with pytest.raises(ValueError, match="objective"):
        position_ml.refine(scene, sent, samples, scene.targets, objective="exact")
    with pytest.raises(ValueError, match="noise_variance must be > 0"):
        position_ml.likelihood(signals.path_signatures(scene, sent), samples, 0.0)
    with pytest.raises(ValueError, match="gains must"):
        signals.received(signals.path_signatures(scene, sent), np.ones((1, 2, 1)))
    with pytest.raises(ValueError, match="step must"):
        position_ml.grid_floor([1.0, 0.0])
    with pytest.raises(ValueError, match="positive definite"):
        position_ml.grid_error(1.0, [[1.0, 1.0], [1.0, 1.0]])
    other = replace(scene, waveform=OFDM(32, 8, 2e6, cp_duration=4e-7))
    with pytest.raises(ValueError, match="OTFS"):
        position_ml.refine(other, sent, samples, scene.targets)


def test_two_targets_in_one_place_are_named():
    scene, sent, gains, _ = drawn(73, 2)
    samples = heard(scene, sent, gains)
    with pytest.raises(ValueError, match="targets 0 and 1 cannot be told apart"):
        position_ml.refine(scene, sent, samples, scene.targets[[0, 0]], scene.velocities[[0, 0]])


def test_what_does_not_determine_a_position_is_no_estimate():
    """One delay is one ellipse; and of silence nothing follows."""
    scene, sent, gains, _ = drawn(79, n_aps=3, n_antennas=1, speed=0.0)
    one = replace(scene, receivers=scene.receivers[:1], receive_axes=scene.receive_axes[:1])
    samples = heard(one, sent, gains[:, :1])
    found = position_ml.refine(one, sent, samples, scene.targets + 0.5)
    assert not found.converged
    assert "do not determine" in found.reason
    assert np.isinf(np.diag(found.covariance)).all()
    silent = position_ml.refine(one, sent, np.zeros_like(samples), scene.targets)
    assert not silent.converged
    assert silent.reason


@pytest.mark.parametrize("off", [1e3, 1e5])
def test_a_search_far_from_the_origin_converges_as_well(off):
    scene, sent, samples = position_ml.example(np.random.default_rng(1))
    here = position_ml.refine(scene, sent, samples, scene.targets + 0.2)
    moved = replace(
        scene, transmitters=scene.transmitters + off, receivers=scene.receivers + off,
        targets=scene.targets + off,
    )  # fmt: skip
    there = position_ml.refine(moved, sent, samples, moved.targets + 0.2)
    assert there.converged
    np.testing.assert_allclose(there.positions - off, here.positions, atol=1e-9)


def test_a_target_outside_its_hotspot_is_no_success():
    scene, sent, samples = position_ml.example(np.random.default_rng(1))
    for off in ([4.0, 0.0], [12.0, 5.0]):
        found = position_ml.estimate(scene, sent, samples, scene.targets + off, 6.0, tiles=(4, 8))
        near = np.linalg.norm(found.positions - scene.targets) < 0.1
        assert near or not found.converged


@pytest.mark.parametrize(
    "tiles",
    [4, (), (4,), (4, 8, 2), [[4, 8]], (3, 8), (0, 8), (1.5, 8), "ab", None, (np.nan, 8), (4, 8j)],
)
def test_tiles_are_two_divisors(tiles):
    scene, sent, samples = position_ml.example(np.random.default_rng(1))
    for call in (
        lambda: position_ml.hotspot_map(
            scene, sent, samples, scene.targets[0], 2.0, 1.0, tiles=tiles),
        lambda: position_ml.estimate(scene, sent, samples, scene.targets, 2.0, 1.0, tiles=tiles),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^tiles must"):
            call()


def test_tiles_may_be_whole_numbers_of_any_type():
    scene, sent, samples = position_ml.example(np.random.default_rng(1))
    plain, other = (
        position_ml.hotspot_map(scene, sent, samples, scene.targets[0], 2.0, 1.0, tiles=tiles)
        for tiles in ((4, 8), np.array([4.0, 8.0]))
    )
    np.testing.assert_array_equal(plain.values, other.values)


def test_other_objects_and_sizes_are_named():
    scene, sent, samples = position_ml.example(np.random.default_rng(1))
    paths = signals.path_signatures(scene, sent)
    here = scene.targets
    for match, call in (
        ("scene must", lambda: position_ml.refine("scene", sent, samples, here)),
        ("scene must", lambda: position_ml.estimate(None, sent, samples, here, 2.0)),
        ("sent must", lambda: position_ml.refine(scene, 1e200 * sent, samples, here)),
        ("samples must", lambda: position_ml.refine(scene, sent, 1e200 * samples, here)),
        ("samples must", lambda: position_ml.likelihood(paths, 1e-200 * samples, 1.0)),
        ("start must", lambda: position_ml.refine(scene, sent, samples, here + 1e6)),
        ("edges must", lambda: signals.path_signatures(scene, sent, edges=here + 1e6)),
        ("unknown_velocity must", lambda: position_ml.refine(
            scene, sent, samples, here, unknown_velocity="no")),
        ("signatures must", lambda: position_ml.likelihood(None, samples, 1.0)),
        ("gains must", lambda: position_ml.likelihood(
            paths, samples, 1.0, 1e300 * np.ones((4, 2, 1)))),
        ("step must", lambda: position_ml.hotspot_map(scene, sent, samples, here[0], 1e9, 0.5)),
        ("centre must", lambda: position_ml.hotspot_map(
            scene, sent, samples, scene.transmitters[0], 2.0, 0.5)),
        ("rng must", lambda: position_ml.example(1)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
