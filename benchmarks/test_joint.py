"""The joint bounds of many targets: closed sums, and the tables they stand in for (``make bench``).

Nothing here asserts a speed. The ratio of two lines of a group is the claim, and so is that of the
two memories printed. The tables are the plain way: every phase of every pair of paths, one entry
for each antenna, subcarrier and symbol, and one Schur complement for each receiver.
"""

import tracemalloc

import numpy as np
import pytest

from cfisac import fisher, geometry
from cfisac.limits import cooperative, multistatic
from cfisac.scenarios import equal_power, fan_scene
from cfisac.waveforms import OFDM

SHOWN = {"rounds": 3, "warmup_rounds": 1}


def tables(values, step, size):
    """Inner products of exponentials and their derivatives, (..., U, U) each, by summing."""
    slope = step * (np.arange(size) - (size - 1) / 2)
    turned = np.exp(1j * (values[..., None, :] - values[..., :, None])[..., None] * slope)
    return [[turned.mean(-1), (1j * slope * turned).mean(-1)],
            [(-1j * slope * turned).mean(-1), (slope**2 * turned).mean(-1)]]  # fmt: skip


def schur(factors, where, weight, slopes, energy):
    """Sum over items of ``J^T Re{w^* w (C - B^H G^-1 B)} J``: kinds of derivatives ``where``."""

    def product(left, right):
        parts = [f[int(k in left)][int(k in right)] for k, f in enumerate(factors)]
        return np.prod(np.broadcast_arrays(*parts), axis=0)

    gram = product((), ())
    cross = np.stack([product((), right) for right in where], axis=-1)
    both = np.stack([[product(left, right) for right in where] for left in where])
    both = np.moveaxis(both, (0, 1), (-3, -1)).swapaxes(-3, -2)  # (..., u, v, i, j)
    n, k = gram.shape[-1], len(where)
    both = both.reshape(*gram.shape[:-2], n, n, k, k).swapaxes(-3, -2)
    both = both.reshape(*gram.shape[:-2], n * k, n * k)
    cross = cross.reshape(*gram.shape[:-2], n, n * k)
    left = both - np.conj(np.swapaxes(cross, -1, -2)) @ np.linalg.solve(gram, cross)
    weight = np.repeat(weight, k, axis=-1)
    left = energy * np.real(np.conj(weight)[..., :, None] * left * weight[..., None, :])
    return np.swapaxes(slopes, -1, -2) @ left @ slopes


def block_diagonal(jacobian):
    """(..., U, k, c) as (..., U k, U c)."""
    n, k, c = jacobian.shape[-3:]
    blocks = np.zeros((*jacobian.shape[:-3], n, k, n, c))
    blocks[..., range(n), :, range(n), :] = np.moveaxis(jacobian, -3, 0)
    return blocks.reshape(*jacobian.shape[:-3], n * k, n * c)


def tell(name, function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"\n{name}: at most {peak:.1f} MB allocated")


@pytest.fixture(scope="module")
def echoes():
    rng = np.random.default_rng(1)
    places = rng.uniform(-150, 150, (20, 8, 2)), rng.uniform(-30, 30, (20, 8, 2))
    gains = rng.normal(size=(2, 20, 8, 8))
    aps, frame = rng.uniform(-200, 200, (8, 2)), OFDM(1024, 14, 30e3)
    return *places, aps, 8, gains[0] + 1j * gains[1], frame, 3.5e9


def summed_echoes(positions, velocities, aps, n_antennas, gains, frame, carrier):
    values, jacobian = geometry.monostatic(
        positions[:, None], velocities[:, None], aps[:, None], carrier
    )
    rates = -2 * np.pi * frame.subcarrier_spacing, np.pi, 2 * np.pi * frame.symbol_period
    sizes = frame.n_subcarriers, n_antennas, frame.n_symbols
    factors = [tables(values[..., i], rates[i], sizes[i]) for i in range(3)]
    where, energy = [(0,), (1,), (2,)], 2 * np.prod(sizes)
    weight = np.swapaxes(gains, -1, -2)
    return schur(factors, where, weight, block_diagonal(jacobian), energy).sum(axis=1)


COOPERATIVE = "joint bound, 8 targets, 8 access points, 8 x 1024 x 14 samples, 20 scenes"


@pytest.mark.benchmark(group=COOPERATIVE)
def test_echoes_closed(benchmark, echoes):
    benchmark.pedantic(cooperative.joint_efim, echoes, **SHOWN)
    tell("closed sums", lambda: cooperative.joint_efim(*echoes))


@pytest.mark.benchmark(group=COOPERATIVE)
def test_echoes_from_tables(benchmark, echoes):
    efim = benchmark.pedantic(summed_echoes, echoes, rounds=1)
    tell("tables", lambda: summed_echoes(*echoes))
    same(efim, cooperative.joint_efim(*echoes))


@pytest.fixture(scope="module")
def scene():
    drawn = fan_scene(np.random.default_rng(2), 20, 12, n_users=2, n_receivers=8,
                      waveform=OFDM(1024, 128, 240e3, 2e-6))  # fmt: skip
    return drawn, equal_power(drawn), multistatic.draw_gains(drawn, np.random.default_rng(3))


def summed_paths(scene, power, gains):
    values, jacobian = geometry.bistatic(
        scene.targets, scene.velocities, scene.transmitters[:, None, None],
        scene.receivers[:, None], scene.transmit_axes[:, None, None], scene.receive_axes[:, None],
        scene.carrier_frequency, scene.spacing,
    )  # fmt: skip
    frame, size = scene.waveform, scene.n_antennas
    index = np.arange(size) - (size - 1) / 2
    response = np.exp(1j * values[:, 0, :, 1, None] * index) / np.sqrt(size)
    pair = np.stack([response, 1j * index * response])
    beams = np.einsum("pq,pqij->pij", power, scene.beams)
    sent = np.einsum("apti,pij,bpuj->abptu", pair.conj(), beams, pair, optimize=True)[:, :, :, None]
    rates = -2 * np.pi * frame.subcarrier_spacing, 2 * np.pi * frame.symbol_period
    factors = [
        tables(values[..., 0], 1.0, size), sent,
        tables(values[..., 2], rates[0], frame.n_subcarriers),
        tables(values[..., 3], rates[1], frame.n_symbols),
    ]  # fmt: skip
    middle = frame.subcarrier_spacing * (frame.n_subcarriers - 1) / 2
    time = frame.symbol_period * (frame.n_symbols - 1) / 2
    turns = time * values[..., 3] - middle * values[..., 2]
    phase = (size - 1) / 2 * (values[..., 0] + values[..., 1]) + 2 * np.pi * turns
    weight, slopes = gains * np.exp(1j * phase), block_diagonal(jacobian[..., :2])
    energy = 2 * frame.n_subcarriers * frame.n_symbols / scene.noise_variance
    where = [(0,), (1,), (2,), (3,)]
    return schur(factors, where, weight, slopes, energy).sum(axis=(0, 1))


MULTISTATIC = "joint bound, 12 targets, 12 transmitters x 8 receivers, 16 antennas, 1024 x 128"


@pytest.mark.benchmark(group=MULTISTATIC)
def test_paths_closed(benchmark, scene):
    benchmark.pedantic(multistatic.joint_efim, scene, **SHOWN)
    tell("closed sums", lambda: multistatic.joint_efim(*scene))


@pytest.mark.benchmark(group=MULTISTATIC)
def test_paths_from_tables(benchmark, scene):
    efim = benchmark.pedantic(summed_paths, scene, rounds=1)
    tell("tables", lambda: summed_paths(*scene))
    same(efim, multistatic.joint_efim(*scene))


def same(efim, expected):
    bound = np.diagonal(fisher.crlb((efim + np.swapaxes(efim, -1, -2)) / 2), axis1=-2, axis2=-1)
    closed = np.diagonal(fisher.crlb(expected), axis1=-2, axis2=-1)
    np.testing.assert_allclose(bound, closed, rtol=1e-6)
