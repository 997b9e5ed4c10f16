"""A city's map on an accelerator: 1e4 transmitters, 8 receivers, 1e6 points (cfisac and JAX).

    python benchmarks/gpu_map.py [--points N] [--transmitters P] [--receivers R] [--pairs K]

Prints the device, the time of the first call (with compilation) and of the best of three more,
the peak memory of the device, and the largest difference from NumPy on sampled points, as a share
of the trace. On a processor it does a small map instead, unless the sizes are given. Needs neither
a network nor more than cfisac, NumPy, SciPy and jax.
"""

import argparse
import platform
import time

import numpy as np

from cfisac.limits import multistatic
from cfisac.scenarios import MultistaticScene
from cfisac.waveforms import OFDM

SIDE = 3000.0  # m


def city(n_transmitters, n_receivers, n_antennas, seed=0):
    """Access points anywhere in a square, each with a beam in some direction and others around."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(0, SIDE, (n_transmitters + n_receivers, 2))
    angle = rng.uniform(0, 2 * np.pi, len(ends))
    axes = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    omega = rng.uniform(-np.pi, np.pi, (n_transmitters, 1))
    beam = np.exp(1j * omega * np.arange(n_antennas)) / np.sqrt(n_antennas)
    around = np.eye(n_antennas) / n_antennas
    beams = (beam[:, :, None] * beam[:, None].conj() + around) / 2
    return MultistaticScene(
        transmitters=ends[:n_transmitters], receivers=ends[n_transmitters:],
        transmit_axes=axes[:n_transmitters], receive_axes=axes[n_transmitters:],
        targets=np.full((1, 2), SIDE / 2), velocities=np.array([[10.0, 5.0]]),
        n_antennas=n_antennas, beams=beams[:, None], waveform=OFDM(128, 128, 500e3),
        carrier_frequency=38e9, noise_variance=1e-12, mean_rcs=1.0,
    )  # fmt: skip


def places(n_points, seed=1):
    return np.random.default_rng(seed).uniform(0, SIDE, (n_points, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("points", "transmitters", "receivers", "antennas", "pairs", "samples"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    import jax

    from cfisac.limits import _map_jax

    (device, *_) = jax.devices()
    large = device.platform != "cpu"
    n_points = options.points or (10**6 if large else 2000)
    n_transmitters = options.transmitters or (10**4 if large else 1000)
    if options.pairs:
        _map_jax._MANY = _map_jax._PAIRS["cpu"] = options.pairs
    scene = city(n_transmitters, options.receivers or 8, options.antennas or 16)
    points = places(n_points)
    print(f"{device.device_kind} ({device.platform}), jax {jax.__version__}, numpy "
          f"{np.__version__}, {platform.python_version()}")  # fmt: skip
    print(f"{n_transmitters} transmitters x {len(scene.receivers)} receivers x {n_points} points, "
          f"{scene.n_antennas} antennas")  # fmt: skip

    def run():
        start = time.perf_counter()
        efim = multistatic.position_map(scene, 1.0, points, backend="jax")
        return time.perf_counter() - start, efim

    first, efim = run()
    best = min(run()[0] for _ in range(3))
    pairs = n_points * n_transmitters
    print(f"first call {first:.2f} s; best of three more {best:.3f} s, {best / pairs * 1e9:.4f} ns "
          "a pair of transmitter and point")  # fmt: skip
    used = (device.memory_stats() or {}).get("peak_bytes_in_use")
    print(f"peak memory of the device: {used / 1e9:.2f} GB" if used else "peak memory: not told")
    some = np.random.default_rng(2).choice(n_points, min(options.samples or 500, n_points), False)
    start = time.perf_counter()
    expected = multistatic.position_map(scene, 1.0, points[some])
    seconds = (time.perf_counter() - start) * n_points / len(some)
    scale = np.trace(expected, axis1=-2, axis2=-1)[:, None, None]
    off = np.max(np.abs(efim[some] - expected) / scale)
    print(f"NumPy on one core, from {len(some)} points: about {seconds:.0f} s for all")
    print(f"largest difference from NumPy: {off:.1e} of the trace")
    assert off < 1e-12


if __name__ == "__main__":
    main()
