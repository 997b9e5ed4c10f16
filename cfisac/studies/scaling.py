"""What computations cost against their sizes, and a city of ten thousand access points."""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cfisac import fisher, montecarlo, scenarios, signals
from cfisac.limits import cooperative, multistatic
from cfisac.scenarios import MultistaticScene
from cfisac.studies import Study
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]
Job = Callable[[], object]  # one call of what is measured

DENSITY = 1e4 / 3000.0**2  # access points per square metre: 30 m from each to the next
LISTENERS, ANTENNAS = 8, 16
POINTS_PER_TRIAL = 250
_LEAST_SECONDS = 0.3  # a job is repeated until it has taken as long
_LONG_SECONDS = 3.0  # and three times if that is not too long


@cache
def city(n_transmitters: int, n_listeners: int, n_antennas: int) -> MultistaticScene:
    """A square of one access point for every 30 m x 30 m; its target, beams and listeners drawn.

    Each sends one beam in some direction, with half of its power, and the rest all around.
    """
    rng = np.random.default_rng(n_transmitters)
    side = np.sqrt(n_transmitters / DENSITY)
    sends, hears = rng.uniform(0, side, (n_transmitters, 2)), rng.uniform(0, side, (n_listeners, 2))
    turn = rng.uniform(0, 2 * np.pi, n_transmitters + n_listeners)
    axes = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    omega = rng.uniform(-np.pi, np.pi, (n_transmitters, 1))
    beam = np.exp(1j * omega * np.arange(n_antennas)) / np.sqrt(n_antennas)
    beams = (beam[:, :, None] * beam[:, None].conj() + np.eye(n_antennas) / n_antennas) / 2
    return MultistaticScene(
        transmitters=sends, receivers=hears, transmit_axes=axes[:n_transmitters],
        receive_axes=axes[n_transmitters:], targets=np.full((1, 2), side / 2),
        velocities=np.array([[10.0, 5.0]]), n_antennas=n_antennas, beams=beams[:, None],
        waveform=OFDM(128, 128, 500e3), carrier_frequency=38e9, noise_variance=1e-12,
        mean_rcs=1.0,
    )  # fmt: skip


def points_of(rng: np.random.Generator, n_transmitters: int, n_points: int) -> Array:
    """Places anywhere in the city, (n_points, 2) in metres."""
    return rng.uniform(0, np.sqrt(n_transmitters / DENSITY), (n_points, 2))


def _map(n_aps: int, n_listeners: int, n_antennas: int, size: int, backend: str) -> Job:
    scene = city(n_aps, n_listeners, n_antennas)
    points = points_of(np.random.default_rng(1), n_aps, size)
    how = cast(Any, backend)
    return lambda: multistatic.position_map(scene, 1.0, points, backend=how)


def _echoes(n_aps: int, n_listeners: int, n_antennas: int, size: int) -> Job:
    aps = np.random.default_rng(2).uniform(-200, 200, (n_aps, 2))
    places = np.random.default_rng(3).uniform(300, 400, (size, 2))
    frame, speed = OFDM(128, 128, 30e3), np.array([105.0, 0.0])
    return lambda: cooperative.state_efim(places, speed, aps, n_antennas, 1.0, frame, 3.5e9)


def _together(n_aps: int, n_listeners: int, n_antennas: int, size: int) -> Job:
    rng = np.random.default_rng(4)
    aps, places = rng.uniform(-200, 200, (n_aps, 2)), rng.uniform(300, 700, (size, 2))
    frame, still = OFDM(128, 128, 30e3), np.zeros((size, 2))
    loud = np.ones((size, n_aps))
    return lambda: cooperative.joint_efim(places, still, aps, n_antennas, loud, frame, 3.5e9)


def _tensors(n_aps: int, n_listeners: int, n_antennas: int, size: int) -> Job:
    scene = scenarios.liu_scene(np.random.default_rng(5), n_targets=3)
    frame = OFDM(size, size, 30e3)
    scene = scene.__class__(**{**vars(scene), "waveform": frame})
    return lambda: signals.echo_tensors(scene, np.ones((4, 3)))


def nothing_trial(rng: np.random.Generator, mean: float) -> Mapping[str, float]:
    """A trial that costs nothing: what is left is the way to a worker and back."""
    return {"value": rng.normal(mean)}


# job: how it is made, and how its operations are counted from (n_aps, listeners, antennas, size).
JOBS: Mapping[str, tuple[Callable[..., Job], Callable[[int, int, int, int], int]]] = {
    "map, numpy": (partial(_map, backend="numpy"), lambda p, _r, _m, q: p * q),
    "map, numba": (partial(_map, backend="fast"), lambda p, _r, _m, q: p * q),
    "own echoes": (_echoes, lambda p, _r, _m, q: p * q),
    "overlapping echoes": (_together, lambda p, _r, _m, u: p * u * u),
    "echo tensors": (_tensors, lambda p, _r, m, n: p * m * n * n),
}


def cost_known(
    job: str, n_aps: int, n_listeners: int, n_antennas: int, size: int
) -> Mapping[str, float]:
    """How many operations the model counts: pairs, samples, batches."""
    return {"n_operations": float(JOBS[job][1](n_aps, n_listeners, n_antennas, size))}


def cost_measured(
    job: str, n_aps: int, n_listeners: int, n_antennas: int, size: int
) -> Mapping[str, float]:
    """Seconds of the processor and peak memory of one call.

    ``nan`` if the optional package that a job needs is not there.
    """
    try:
        work = JOBS[job][0](n_aps, n_listeners, n_antennas, size)
        work()
    except ImportError:
        return {"seconds": np.nan, "peak_mb": np.nan}
    seconds = _least_seconds(work)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"seconds": seconds, "peak_mb": peak / 1e6}


def _least_seconds(work: Job) -> float:
    """Seconds of this process, the best of several calls."""
    taken: list[float] = []
    while sum(taken) < _LEAST_SECONDS or (len(taken) < 3 and sum(taken) < _LONG_SECONDS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def overhead_measured(n_batches: int) -> Mapping[str, float]:
    """Seconds of the processor that client and scheduler need for trials that cost nothing.

    Two workers on this machine; ``nan`` without the package ``distributed``.
    """
    try:
        from distributed import LocalCluster
    except ImportError:
        return {"seconds": np.nan}
    cells = [{"mean": float(cell)} for cell in range(n_batches // montecarlo.MAX_BATCHES)]
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:

        def work() -> object:
            address = cluster.scheduler_address
            n_trials = montecarlo.MAX_BATCHES
            return montecarlo.run(nothing_trial, cells, n_trials, 1, scheduler=address)

        work()  # the workers import what they need
        return {"seconds": _least_seconds(work)}


def city_trial(rng: np.random.Generator, n_aps: int) -> Mapping[str, float]:
    """Position error bound at a block of places anywhere in the city."""
    points = points_of(rng, n_aps, POINTS_PER_TRIAL)
    efim = multistatic.position_map(city(n_aps, LISTENERS, ANTENNAS), 1.0, points)
    median, most = np.quantile(fisher.position_error_bound(efim), [0.5, 0.9])
    return {"median_peb_m": float(median), "p90_peb_m": float(most)}


_COLUMNS = "job", "n_aps", "n_listeners", "n_antennas", "size"
_MAPS = (
    *((p, 8, 16, 2000) for p in (100, 1000, 10_000)),
    *((1000, 8, 16, q) for q in (500, 8000)),
    *((1000, 8, m, 2000) for m in (8, 32, 64)),
    *((1000, r, 16, 2000) for r in (2, 32)),
)

STUDIES = (
    Study(
        id="scaling",
        source="all five",
        title="Seconds and memory against the sizes of scenes, frames and runs",
        trial=None,
        known=cost_known,
        measured=cost_measured,
        shows="seconds",
        cells=[
            dict(zip(_COLUMNS, row, strict=True))
            for row in (
                *(("map, numpy", *sizes) for sizes in _MAPS),
                ("map, numpy", 10_000, 8, 16, 20_000),
                *(("map, numba", *sizes) for sizes in _MAPS),
                ("map, numba", 10_000, 8, 16, 200_000),
                *(("own echoes", p, 1, 8, q) for p in (4, 64) for q in (100, 1000, 10_000)),
                *(("overlapping echoes", 4, 1, 8, u) for u in (2, 4, 8, 16, 32)),
                *(("echo tensors", 4, 1, 8, n) for n in (32, 64, 128, 256)),
            )
        ],
        n_trials={"smoke": 1, "book": 1, "paper": 1},
        seed=24,
        assumptions={
            "seconds": "of the processor, the best of several calls",
            "peak_mb": "most memory that one call holds beside its input",
            "map": "multistatic.position_map of a drawn city; size: number of positions",
            "own echoes": "cooperative.state_efim; size: number of positions",
            "overlapping echoes": "cooperative.joint_efim; size: number of targets",
            "echo tensors": "signals.echo_tensors of three targets; size: subcarriers and symbols",
            "n_operations": "positions x senders; targets^2 x access points; samples",
        },
    ),
    Study(
        id="dask-overhead",
        source="all five",
        title="What client and scheduler of a Dask cluster need for each batch",
        trial=None,
        measured=overhead_measured,
        shows="seconds",
        cells=[{"n_batches": n_batches} for n_batches in (32, 160)],
        n_trials={"smoke": 1, "book": 1, "paper": 1},
        seed=26,
        assumptions={
            "trials": "of no cost, one in each batch",
            "seconds": "of the processor, of client and scheduler together, the best of several "
            "runs; two workers on the same machine",
        },
    ),
    Study(
        id="city",
        source="all five",
        title="Position error bound in cities of up to ten thousand senders",
        trial=city_trial,
        cells=[{"n_aps": n_aps} for n_aps in (100, 1000, 10_000)],
        n_trials={"smoke": 2, "book": 4, "paper": 16},
        seed=25,
        assumptions={
            "city": "one sender for every 30 m x 30 m, anywhere; 16 antennas, one beam of half a "
            "watt in a drawn direction, half a watt all around; 8 listeners, drawn",
            "target": "RCS 1 m^2 on average, at one place after the other, velocity known",
            "frame": "OFDM, 128 subcarriers of 500 kHz, 128 symbols, at 38 GHz; no limit of delay",
            "places": "250 per trial, uniform",
        },
    ),
)
