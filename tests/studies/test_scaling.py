"""The study of costs: what it counts, what it measures, and the city behind it."""

import numpy as np
import pytest

from cfisac import fisher, studies
from cfisac.limits import multistatic
from cfisac.studies import scaling

COSTS = studies.stored("scaling").set_index("job")
CITY = studies.stored("city").set_index("n_aps")


def test_the_map_of_a_city_is_the_sum_over_its_paths():
    """Two places of a small city, each pair of sender and listener by itself."""
    scene = scaling.city(50, 3, 8)
    points = scaling.points_of(np.random.default_rng(2), 50, 2)
    found = multistatic.position_map(scene, 1.0, points)
    for point, efim in zip(points, found, strict=True):
        moved = scene.__class__(**{**vars(scene), "targets": point[None]})
        np.testing.assert_allclose(efim, multistatic.position_efim(moved, 1.0)[0], rtol=1e-7)


def test_a_city_has_one_access_point_for_every_900_square_metres():
    scene = scaling.city(400, 8, 16)
    assert scene.transmitters.max() == pytest.approx(600, rel=0.02)
    assert scaling.city(400, 8, 16) is scene
    np.testing.assert_allclose(np.trace(scene.beams[:, 0], axis1=1, axis2=2).real, 1.0)


@pytest.mark.parametrize(
    ("job", "sizes", "count"),
    [
        ("map, numpy", (20, 2, 4, 30), 600),
        ("own echoes", (3, 1, 4, 50), 150),
        ("overlapping echoes", (3, 1, 4, 2), 12),
        ("echo tensors", (4, 1, 8, 16), 8192),
    ],
)
def test_operations_are_counted(job, sizes, count):
    assert scaling.cost_known(job, *sizes) == {"n_operations": count}


@pytest.mark.parametrize(
    ("job", "sizes", "least_mb"),
    [
        ("map, numpy", (20, 2, 4, 30), 30 * 4 * 8e-6),
        ("own echoes", (3, 1, 4, 50), 50 * 16 * 8e-6),
        ("overlapping echoes", (3, 1, 4, 2), 64 * 8e-6),
        ("echo tensors", (4, 1, 8, 16), 4 * 8 * 256 * 16e-6),
    ],
)
def test_a_call_holds_at_least_what_it_returns(monkeypatch, job, sizes, least_mb):
    monkeypatch.setattr(scaling, "_LEAST_SECONDS", 0.0)
    found = scaling.cost_measured(job, *sizes)
    assert found["seconds"] >= 0
    assert found["peak_mb"] > 0.99 * least_mb


def test_a_job_whose_package_is_missing_is_nan(monkeypatch):
    def absent(*sizes):
        raise ImportError("numba")

    monkeypatch.setitem(scaling.JOBS, "map, numba", (absent, lambda *n: 1))
    found = scaling.cost_measured("map, numba", 1, 1, 1, 1)
    assert np.isnan(found["seconds"])
    assert np.isnan(found["peak_mb"])


def test_a_trial_of_the_city_uses_its_generator_alone():
    one, two = (scaling.city_trial(np.random.default_rng(3), 100) for _ in range(2))
    assert one == two
    scene = scaling.city(100, scaling.LISTENERS, scaling.ANTENNAS)
    points = scaling.points_of(np.random.default_rng(3), 100, scaling.POINTS_PER_TRIAL)
    peb = fisher.position_error_bound(multistatic.position_map(scene, 1.0, points))
    assert one["median_peb_m"] == pytest.approx(np.median(peb))


def test_stored_memory_is_that_of_the_text():
    """A map's memory grows with senders and antennas, hardly with positions or listeners."""
    maps = COSTS.loc["map, numpy"].set_index(["n_aps", "n_listeners", "n_antennas", "size"])
    peak = maps.peak_mb
    result = 2000 * 4 * 8e-6
    assert peak[1000, 8, 16, 8000] < peak[1000, 8, 16, 2000] + 4 * result + 1
    assert peak[1000, 32, 16, 2000] < 1.2 * peak[1000, 2, 16, 2000]
    assert peak[1000, 8, 64, 2000] > 5 * peak[1000, 8, 16, 2000]
    echoes = COSTS.loc["own echoes"]
    per_pair = 1e6 * echoes.peak_mb / echoes.n_operations  # bytes: nothing is done in blocks
    assert per_pair.max() < 1.3 * per_pair.min()


def test_stored_cities_are_placed_within_metres():
    assert (np.diff(CITY.median_peb_m) > 0).all()  # eight listeners for more and more ground
    assert (CITY.p90_peb_m > CITY.median_peb_m).all()
    assert (CITY.median_peb_m_se < 0.1 * CITY.median_peb_m).all()
