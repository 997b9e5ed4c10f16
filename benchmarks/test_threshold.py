"""Predicting a threshold and measuring it; one contour integral and scipy's quadrature.

Nothing here asserts a speed. ``python -m pytest benchmarks/test_threshold.py -s`` prints the ratios
that the lines of the groups give.
"""

import time

import numpy as np
import pytest
from scipy.integrate import quad

from cfisac.limits import _threshold_contour, threshold
from cfisac.studies import threshold as study

N_TESTS, N_APS, SNAPSHOTS = 200, 4, 256


@pytest.fixture(scope="module")
def tests():
    rng = np.random.default_rng(1)
    return rng.exponential(8.0, (N_TESTS, N_APS)), rng.uniform(0.2, 1.0, (N_TESTS, N_APS))


def plain(snr, separation):
    """The same line through the same saddle, one test at a time by adaptive quadrature."""
    found = []
    for rho, kappa in zip(snr, separation, strict=True):
        place, bend = _threshold_contour.saddle(rho[None], kappa[None], "phase")

        def height(v, rho=rho, kappa=kappa, place=place[0], width=bend[0] ** -0.5):
            s = place + 1j * width * np.sinh(v)
            pole = 1 - kappa**2 * s**2
            value = np.exp(np.sum(-rho * kappa**2 * s * (1 - s) / pole - np.log(pole))) / s
            return value.real * width * np.cosh(v)

        found.append(quad(height, 0, 12, limit=200, epsabs=0, epsrel=1e-9)[0] / np.pi)
    return np.array(found)


@pytest.mark.benchmark(group="200 tests of two places by four access points")
def test_contour(benchmark, tests):
    benchmark(threshold.pairwise_error, *tests)


@pytest.mark.benchmark(group="200 tests of two places by four access points")
def test_quadrature(benchmark, tests):
    benchmark.pedantic(plain, tests, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="mean square error of a place, 4 access points, one SNR")
def test_counted(benchmark):
    study.site_mean("4 APs", 8.0)
    benchmark.pedantic(study.site_mean, ("4 APs", 8.0), rounds=3)


@pytest.mark.benchmark(group="mean square error of a place, 4 access points, one SNR")
def test_measured_by_16384_snapshots(benchmark):
    benchmark.pedantic(measured, (16_384,), rounds=1)


def measured(n):
    rng = np.random.default_rng(2)
    return np.mean([
        study.position_trial(rng, "4 APs", 8.0, SNAPSHOTS)["mse_over_crlb"]
        for _ in range(n // SNAPSHOTS)
    ])  # fmt: skip


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def test_ratios(tests):
    """The figures of the groups in two lines."""
    np.testing.assert_allclose(threshold.pairwise_error(*tests), plain(*tests), rtol=1e-8)
    ours = min(seconds(threshold.pairwise_error, *tests) for _ in range(10))
    print(
        f"\n{N_TESTS} tests: {1e3 * ours:.1f} ms, quadrature {seconds(plain, *tests) / ours:.0f} x"
    )
    study.site_mean("4 APs", 8.0)
    counted = min(seconds(study.site_mean, "4 APs", 8.0) for _ in range(3))
    drawn = seconds(measured, 2048) * 8
    print(f"a mean over 25 truths: {counted:.2f} s, 16384 snapshots {drawn / counted:.1f} x")
