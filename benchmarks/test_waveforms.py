"""The delay–Doppler operator, fast and dense, and the OTFS modem (``make bench``).

Nothing here asserts a speed. Each group holds the same work done in two ways, or at growing
sizes; the ratio of two lines of a group is the claim.
"""

import numpy as np
import pytest

from cfisac.waveforms import OTFS

SPACING = 500e3
DELAY, DOPPLER = 0.31e-6, 4.2e3
DENSE = (16, 24, 32)  # 32 x 32 already takes 16 MiB per operator, 128 x 128 would take 4 GiB


def frame(size, *leading):
    symbols = np.random.default_rng(1).integers(4, size=(*leading, size, size))
    return np.exp(0.5j * np.pi * symbols)


@pytest.mark.parametrize("size", [*DENSE, 64, 128, 256])
@pytest.mark.benchmark(group="one path through an M = N frame, O(MN log MN)")
def test_apply(benchmark, size):
    otfs, grid = OTFS(size, size, SPACING), frame(size)
    received = benchmark(otfs.apply, grid, DELAY, DOPPLER)
    np.testing.assert_allclose(np.linalg.norm(received), size, rtol=1e-9)


@pytest.mark.parametrize("size", DENSE)
@pytest.mark.benchmark(group="the same through the dense operator, O((MN)^2)")
def test_dense_operator(benchmark, size):
    otfs, grid = OTFS(size, size, SPACING), frame(size)

    def through():
        return (otfs.operator(DELAY, DOPPLER) @ grid.ravel()).reshape(size, size)

    received = benchmark.pedantic(through, rounds=3, warmup_rounds=1)
    np.testing.assert_allclose(received, otfs.apply(grid, DELAY, DOPPLER), atol=1e-10)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.benchmark(group="modem round trip (CP of one symbol, one path), M = N, 16 antennas")
def test_round_trip(benchmark, size):
    otfs, grid = OTFS(size, size, SPACING), frame(size, 16)

    def through():
        sent = otfs.modulate(grid, size)
        return otfs.demodulate(otfs.channel(sent, DELAY, DOPPLER, size), size)

    received = benchmark(through)
    np.testing.assert_allclose(received, otfs.apply(grid, DELAY, DOPPLER), atol=1e-10)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.benchmark(group="16 antennas through one path")
def test_apply_to_all_antennas(benchmark, size):
    benchmark(OTFS(size, size, SPACING).apply, frame(size, 16), DELAY, DOPPLER)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.benchmark(group="16 antennas through one path")
def test_apply_antenna_by_antenna(benchmark, size):
    otfs, grids = OTFS(size, size, SPACING), frame(size, 16)
    benchmark(lambda: [otfs.apply(grid, DELAY, DOPPLER) for grid in grids])


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.benchmark(group="delay–Doppler covariance: closed form and a dense operator")
def test_covariance_dense(benchmark, size):
    """Sums (29) of finite differences of the dense operator."""
    otfs = OTFS(size, size, SPACING)
    step = 1e-3 * otfs.sample_period

    def sums():
        psi = otfs.operator(DELAY, DOPPLER).ravel()
        later, earlier = (otfs.operator(DELAY + k * step, DOPPLER).ravel() for k in (1, -1))
        slope = (later - earlier) / (2 * step)
        return np.vdot(slope, slope).real / psi.size**0.5 - abs(np.vdot(psi, slope) / size**2) ** 2

    variance = benchmark.pedantic(sums, rounds=3, warmup_rounds=1)
    np.testing.assert_allclose(variance, otfs.delay_doppler_covariance()[0, 0], rtol=1e-4)


@pytest.mark.parametrize("size", [8, 16, 128])
@pytest.mark.benchmark(group="delay–Doppler covariance: closed form and a dense operator")
def test_covariance_closed(benchmark, size):
    benchmark(OTFS(size, size, SPACING).delay_doppler_covariance)
