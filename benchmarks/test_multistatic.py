"""The bounds of fan, fast and plain, side by side in one run (``make bench``).

Nothing here asserts a speed. The ratio of two lines of a group is the claim; the groups on points
and on access points show how the time grows.
"""

import resource
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from cfisac import fisher, geometry, propagation
from cfisac.limits import multistatic
from cfisac.scenarios import equal_power, fan_scene
from cfisac.waveforms import OTFS

FRAME = OTFS(16, 16, 500e3)
N_PATHS = 10**5
N_ANTENNAS = 16


@pytest.fixture(scope="module")
def scene():
    return fan_scene(np.random.default_rng(1), n_receivers=2)


def grid(size):
    ticks = (np.arange(size) + 0.5) * 300 / size
    return np.stack(np.meshgrid(ticks, ticks), axis=-1)


def peb_map(scene, size, bound="exact"):
    efim = multistatic.position_map(scene, equal_power(scene), grid(size), bound)
    return fisher.position_error_bound(efim)


def peak_memory():
    """Largest memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
@pytest.mark.benchmark(group="PEB map, 500 x 500 points, 30 transmitters x 2 receivers, all beams")
def test_map(benchmark, scene, bound):
    assert (len(scene.transmitters), len(scene.receivers)) == (30, 2)
    peb = benchmark.pedantic(peb_map, (scene, 500, bound), rounds=3, warmup_rounds=1)
    assert peb.shape == (500, 500)
    tracemalloc.start()
    peb_map(scene, 500, bound)
    allocated = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"\n{bound}: at most {allocated:.0f} MB allocated; process so far {peak_memory():.0f} MB")


@pytest.mark.benchmark(group="PEB of 2500 points one by one (the map does 2500, too)")
def test_map_of_2500_points(benchmark, scene):
    benchmark.pedantic(peb_map, (scene, 50), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="PEB of 2500 points one by one (the map does 2500, too)")
def test_loop_over_2500_points(benchmark, scene):
    """The same sum path by path: beam gains of every transmitter, Jacobians of all paths."""
    power = equal_power(scene)

    def loop():
        peb = np.empty(2500)
        beams = np.einsum("pq,pqij->pij", power, scene.beams)
        for number, point in enumerate(grid(50).reshape(-1, 2)):
            peb[number] = one_point(scene, beams, point)
        return peb

    peb = benchmark.pedantic(loop, rounds=1)
    np.testing.assert_allclose(peb, peb_map(scene, 50).ravel(), rtol=1e-6)


def one_point(scene, beams, point):
    parameters, jacobian = geometry.bistatic(
        point, scene.velocities[0], scene.transmitters[:, None], scene.receivers,
        scene.transmit_axes[:, None], scene.receive_axes, scene.carrier_frequency,
    )  # fmt: skip
    gain = propagation.radar_gain(
        np.linalg.norm(point - scene.transmitters, axis=1)[:, None],
        np.linalg.norm(point - scene.receivers, axis=1),
        scene.wavelength, scene.transmit_gain, scene.receive_gain,
    )  # fmt: skip
    efim = multistatic.path_efim(
        np.sqrt(gain * scene.mean_rcs), parameters[..., 1], beams[:, None], scene.waveform,
        scene.noise_variance,
    )  # fmt: skip
    total = fisher.change_parameters(efim, jacobian[..., :2]).sum(axis=(0, 1))
    return fisher.position_error_bound(total)


@pytest.mark.parametrize("size", [125, 250, 500])
@pytest.mark.benchmark(group="PEB map, growing number of points (four times as many each)")
def test_map_points(benchmark, scene, size):
    benchmark.pedantic(peb_map, (scene, size), rounds=3, warmup_rounds=1)
    benchmark.extra_info["microseconds_per_point"] = benchmark.stats["min"] / size**2 * 1e6
    print(f"\n{size**2} points: {benchmark.stats['min'] / size**2 * 1e6:.2f} us a point, "
          f"process so far {peak_memory():.0f} MB")  # fmt: skip


@pytest.mark.parametrize("n_transmitters", [15, 30, 60, 120])
@pytest.mark.benchmark(group="PEB map, 250 x 250 points, growing number of transmitters")
def test_map_paths(benchmark, n_transmitters):
    many = fan_scene(np.random.default_rng(2), n_aps=n_transmitters + 2, n_receivers=2)
    benchmark.pedantic(peb_map, (many, 250), rounds=3, warmup_rounds=1)


# ------------------------------------------------- one path, against the sums of fan_conf (29)


PATH = 3.3 * FRAME.sample_period, 0.4 / FRAME.frame_duration  # delay, Doppler shift


def summed(gain, omega, covariance, delay, doppler, noise_variance):
    """EFIM of one path with the six sums (29) over the dense operator (9) and its derivatives."""
    m, n = FRAME.n_subcarriers, FRAME.n_symbols
    period, spacing = FRAME.symbol_period, FRAME.subcarrier_spacing
    psi = FRAME.printed_operator(delay, doppler, mended=True).reshape(n, m, n, m)
    # (30): the derivatives weight the inner sums of (9) by -j 2 pi m df, and j 2 pi (n T + g).
    bins, rows = np.arange(m), np.arange(n)
    g = bins / FRAME.bandwidth - period * (bins >= m - np.ceil(delay * FRAME.bandwidth))
    lag = rows - rows[:, None] + doppler * n * period
    by_row = np.exp(2j * np.pi / n * lag[..., None] * rows)
    late = bins - bins[:, None] + delay * FRAME.bandwidth
    by_bin = np.exp(-2j * np.pi / m * late[..., None] * bins)
    row, bin_ = by_row.sum(-1), by_bin.sum(-1)
    rest = psi / (row[:, None, :, None] * bin_[None, :, None, :])
    slope_bin = by_bin @ (-2j * np.pi * spacing * bins)
    slope_row = by_row @ (2j * np.pi * period * rows)
    by_delay = rest * row[:, None, :, None] * slope_bin[None, :, None, :]
    by_doppler = rest * slope_row[:, None, :, None] * bin_[None, :, None, :] + 2j * np.pi * g * psi
    r00, r10, r01 = (np.vdot(psi, each) for each in (psi, by_delay, by_doppler))
    r11, r20, r02 = (
        np.vdot(by_delay, by_doppler), np.vdot(by_delay, by_delay), np.vdot(by_doppler, by_doppler)
    )  # fmt: skip
    index = np.arange(N_ANTENNAS)
    a = np.exp(1j * omega * index) / np.sqrt(N_ANTENNAS)
    steer = np.stack([a, 1j * index * a])
    tx = steer.conj() @ covariance @ steer.T
    rx = steer.conj() @ steer.T
    signal = np.array([[r00, r10, r01], [r10.conj(), r20, r11], [r01.conj(), r11.conj(), r02]])
    kinds = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2), (0, 0, 0), (0, 0, 0)]
    scale = [gain] * 4 + [1, 1j]
    fim = np.array(
        [
            [
                np.real(np.conj(x) * y * rx[u[0], v[0]] * tx[u[1], v[1]] * signal[u[2], v[2]])
                for v, y in zip(kinds, scale, strict=True)
            ]
            for u, x in zip(kinds, scale, strict=True)
        ]
    )
    fim *= 2 / noise_variance
    return fim[:4, :4] - fim[:4, 4:] @ np.linalg.solve(fim[4:, 4:], fim[4:, :4])


GROUP = "EFIM of a path, M = N = M_t = 16 (time per path: printed)"


@pytest.fixture(scope="module")
def paths():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(2, N_ANTENNAS, 3))
    root = root[0] + 1j * root[1]
    gain = rng.normal(size=N_PATHS) + 1j * rng.normal(size=N_PATHS)
    return gain, rng.uniform(-3, 3, N_PATHS), root @ root.conj().T


def tell(benchmark, name, n_paths):
    print(f"\n{name}: {benchmark.stats['min'] / n_paths * 1e6:.3g} us per path")


@pytest.mark.benchmark(group=GROUP)
def test_paths_in_a_map(benchmark, scene):
    """From the positions to the information about them; all of one frame, 16 x 16."""
    small = replace(scene, waveform=FRAME)
    points = grid(200)
    benchmark.pedantic(
        multistatic.position_map, (small, equal_power(small), points), rounds=3, warmup_rounds=1
    )
    n_paths = len(small.transmitters) * len(small.receivers) * points[..., 0].size
    tell(benchmark, "in a map", n_paths)


@pytest.mark.benchmark(group=GROUP)
def test_paths_of_one_transmitter(benchmark, paths):
    benchmark.pedantic(multistatic.path_efim, (*paths, FRAME, 0.3), rounds=3, warmup_rounds=1)
    tell(benchmark, f"{N_PATHS} at once, one beam covariance", N_PATHS)


@pytest.mark.benchmark(group=GROUP)
def test_path_alone(benchmark, paths):
    gain, omega, covariance = paths
    benchmark(multistatic.path_efim, gain[0], omega[0], covariance, FRAME, 0.3)
    tell(benchmark, "one call for one path", 1)


@pytest.mark.benchmark(group=GROUP)
def test_path_summed_over_29(benchmark, paths):
    """Vectorised, and with the two inner sums of (9) taken apart, kinder than as printed."""
    gain, omega, covariance = paths
    arguments = gain[0], omega[0], covariance, *PATH, 0.3
    efim = benchmark(summed, *arguments)
    tell(benchmark, "sums (29) over the dense operator", 1)
    expected = multistatic.path_efim(gain[0], omega[0], covariance, FRAME, 0.3)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(efim / scale, expected / scale, atol=1e-7)
