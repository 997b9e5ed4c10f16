"""Maps, small matrices and imports against what they were, side by side (``make bench``).

Nothing here asserts a speed: the ratio of two lines of a group is the claim. Times are those of
the processor, so that a busy machine counts less, but for two threads, where it is the clock's.
"""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cfisac import fisher
from cfisac.limits import multistatic
from cfisac.scenarios import equal_power, fan_scene

sys.path.insert(0, str(Path(__file__).parent))
import before  # frozen beside this file

EXTRAS = {"fast": "numba", "jax": "jax"}
ROUNDS = 5


def interleaved(functions, clock=time.process_time, rounds=ROUNDS):
    """Least time of each function in seconds, one after the other in every round, and results."""
    results = {name: function() for name, function in functions.items()}  # and warm
    least = dict.fromkeys(functions, np.inf)
    for _ in range(rounds):
        for name, function in functions.items():
            start = clock()
            function()
            least[name] = min(least[name], clock() - start)
    return least, results


def tell(title, least):
    first, *_ = least.values()
    print(f"\n{title}")
    for name, seconds in least.items():
        print(f"  {name:24s}{seconds * 1e3:10.3f} ms {first / seconds:8.2f} x")


def once(benchmark, title, functions, **options):
    """Run the comparison within pytest-benchmark, which times it as a whole."""
    least, results = benchmark.pedantic(interleaved, (functions,), options, rounds=1)
    tell(title, least)
    benchmark.extra_info.update(least)
    return results


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.benchmark(group="as it was, and as it is (times: printed)")
def test_map(benchmark, threads):
    scene = fan_scene(np.random.default_rng(1), n_receivers=2)
    ticks = (np.arange(500) + 0.5) * 300 / 500
    points, power = np.stack(np.meshgrid(ticks, ticks), axis=-1), equal_power(scene)
    functions = {"before": lambda: before.position_map(scene, power, points)}
    if threads == 1:
        functions["numpy"] = lambda: multistatic.position_map(scene, power, points)
    for backend in ("fast", "jax") if threads == 1 else ("fast",):
        if importlib.util.find_spec(EXTRAS[backend]):
            functions[backend] = lambda backend=backend: multistatic.position_map(
                scene, power, points, backend=backend
            )
    if "fast" in functions:
        import numba

        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    clock = time.process_time if threads == 1 else time.perf_counter
    results = once(benchmark, f"map of 500 x 500 points, {threads} threads", functions, clock=clock)
    reference = results.pop("before")
    scale = np.trace(reference, axis1=-2, axis2=-1)[..., None, None]
    for name, efim in results.items():
        off = np.max(np.abs(efim - reference) / scale)
        print(f"  {name}: largest difference {off:.1e} of the trace")
        assert off < 1e-11


@pytest.mark.benchmark(group="as it was, and as it is (times: printed)")
def test_small_matrices(benchmark):
    rng = np.random.default_rng(2)
    slopes = rng.normal(size=(10**6, 12, 4))
    fim = np.swapaxes(slopes, -1, -2) @ slopes
    pairs, triples = (np.ascontiguousarray(fim[:, :n, :n]) for n in (2, 3))

    def compare():
        for title, name, arguments in (
            ("position_error_bound of 1e6 2 x 2", "position_error_bound", (pairs,)),
            ("equivalent_fim of 1e6 3 x 3", "equivalent_fim", (triples, 2)),
            ("equivalent_fim of 1e6 4 x 4", "equivalent_fim", (fim, 2)),
        ):
            least, results = interleaved(
                {
                    "before": lambda n=name, a=arguments: getattr(before, n)(*a),
                    "now": lambda n=name, a=arguments: getattr(fisher, n)(*a),
                },
                rounds=2,
            )
            tell(title, least)
            np.testing.assert_allclose(results["now"], results["before"], rtol=1e-9, atol=1e-9)

    benchmark.pedantic(compare, rounds=1)


@pytest.mark.benchmark(group="imports and commands (times: printed)")
def test_imports(benchmark):
    """Processor time of fresh interpreters; "before" imports what used to come along."""
    used_to = "import scipy.constants, scipy.special"
    lists = "from cfisac import cli; cli.main(['list'])"
    cases = {
        "numpy alone": "import numpy",
        "multistatic before": f"{used_to}; import cfisac.limits.multistatic",
        "multistatic": "import cfisac.limits.multistatic",
        "cfisac list before": f"{used_to}, scipy.optimize, scipy.linalg, pandas, joblib; {lists}",
        "cfisac list": lists,
    }

    def seconds(code):
        tail = "\nimport os, sys; print(sum(os.times()[:2]), file=sys.stderr)"
        command = [sys.executable, "-c", code + tail]
        run = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
        return float(run.stderr.split()[-1])

    def compare():
        least = dict.fromkeys(cases, np.inf)
        for _ in range(5):
            for name, code in cases.items():
                least[name] = min(least[name], seconds(code))
        return least

    for name, value in benchmark.pedantic(compare, rounds=1).items():
        print(f"\n  {name:24s}{value * 1e3:8.0f} ms", end="")


@pytest.mark.parametrize("backend", ["numpy", "fast"])
@pytest.mark.benchmark(group="1e4 transmitters x 8 receivers x 2e4 points (memory: printed)")
def test_city(benchmark, backend):
    """A fifth of the points of a city's map; its memory is the same."""
    import tracemalloc

    import gpu_map

    if backend == "fast" and importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    scene = gpu_map.city(10**4, 8, 16)
    points = gpu_map.places(2 * 10**4 if backend == "fast" else 2000)
    multistatic.position_map(scene, 1.0, points[:100], backend=backend)
    arguments = (scene, 1.0, points)
    benchmark.pedantic(multistatic.position_map, arguments, {"backend": backend}, rounds=1)
    tracemalloc.start()
    multistatic.position_map(*arguments, backend=backend)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    pairs = len(points) * 10**4
    print(f"\n{backend}: {benchmark.stats['min'] / pairs * 1e9:.1f} ns a pair, {peak:.0f} MB")
