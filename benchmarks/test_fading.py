"""Fading gains and EM, ours and plain, side by side (``make bench``).

Nothing here asserts a speed. The ratio of two lines of a group is the claim; for means the printed
standard error counts too: draws for the same error go with its square.
"""

from itertools import combinations

import numpy as np
import pytest

from cfisac import fisher
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import pilot_data
from cfisac.limits import fading
from cfisac.studies.fading import circle_paths

SHOWN = {"rounds": 3, "warmup_rounds": 1}


def by_trying(each):
    """Least number of silent paths that lose the first parameter, over all sets of them."""
    for size in range(len(each) + 1):
        for silent in combinations(range(len(each)), size):
            left = np.delete(each, silent, axis=0).sum(axis=0)
            if np.isinf(fisher.crlb(left)[0, 0]):
                return size
    return None


@pytest.mark.parametrize("how", ["flats", "all silences"])
def test_diversity(benchmark, how):
    benchmark.group = "diversity of 10 ranges"
    each = circle_paths("range", 10).each()
    call = by_trying if how == "all silences" else lambda paths: fading.diversity(paths)[0]
    assert benchmark.pedantic(call, (each,), **SHOWN) == 8


def plain_mean(each, rng, size):
    gains = rng.exponential(size=(size, len(each)))
    inverse = np.linalg.inv(np.einsum("sl,lij->sij", gains, each))
    return fading.MeanBound(inverse.mean(axis=0), inverse.std(axis=0) / np.sqrt(size), size)


@pytest.mark.parametrize("how", ["weighted shares", "plain gains"])
@pytest.mark.parametrize("n_aps", [3, 8])
def test_mean_bound(benchmark, how, n_aps):
    benchmark.group = f"mean bound of {n_aps} ranges, 100 000 draws"
    each = circle_paths("range", n_aps).each()
    call = plain_mean if how == "plain gains" else fading.mean_crlb
    found = benchmark.pedantic(
        lambda: call(each, np.random.default_rng(1), size=100_000), **SHOWN
    )  # fmt: skip
    relative = np.trace(found.standard_error) / np.trace(found.mean)
    print(f"\n{how}, {n_aps} ranges: standard error {100 * relative:.2f} % (as far as it can tell)")


@pytest.mark.parametrize("how", ["all at once", "one by one"])
def test_em(benchmark, how):
    benchmark.group = "EM for an angle, 100 scenes, 64 pilots and 64 data"
    rng, array = np.random.default_rng(2), UniformLinearArray(8)
    symbols = rng.normal(size=(100, 128, 2)) @ [1, 1j] / np.sqrt(2)
    noise = rng.normal(size=(100, 8, 128, 2)) @ [1, 1j] / np.sqrt(2)
    heard = array.steering(0.3)[:, None] * symbols[:, None] + noise

    def together():
        return pilot_data.angle(heard, symbols[:, :64], array, 1.0).value

    def alone():
        return np.array([
            pilot_data.angle(each, own[:64], array, 1.0).value
            for each, own in zip(heard, symbols, strict=True)
        ])  # fmt: skip

    benchmark.pedantic(together if how == "all at once" else alone, **SHOWN)
