"""The map's backends and its polynomials: each against the plain formula, and each other."""

import importlib.util
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.constants import speed_of_light

from cfisac import fisher
from cfisac.limits import _map, multistatic
from cfisac.scenarios import fan_scene
from cfisac.waveforms import OFDM, OTFS

EXTRAS = {"fast": "numba", "jax": "jax"}


def installed(backend):
    missing = backend in EXTRAS and importlib.util.find_spec(EXTRAS[backend]) is None
    return pytest.param(backend, marks=pytest.mark.skipif(missing, reason="not installed"))


OTHERS = [installed(name) for name in EXTRAS]
EVERY = [installed("numpy"), *OTHERS]


def drawn(seed=3, **options):
    options = {"n_aps": 6, "n_users": 2, "n_antennas": 5, "n_receivers": 2} | options
    return fan_scene(np.random.default_rng(seed), **options)


def assert_same(actual, expected, rtol=1e-12):
    """Equal, with the trace as the scale; and zero, or nan, where the other is."""
    scale = np.trace(expected, axis1=-2, axis2=-1)[..., None, None]
    np.testing.assert_array_equal(actual == 0, expected == 0)
    near = np.abs(actual - expected) <= rtol * scale
    assert np.all(near | (np.isnan(actual) & np.isnan(expected)))


# ----------------------------------------------------------------------------- identities


@pytest.mark.parametrize("n_antennas", [1, 2, 3, 7, 64])
def test_half_the_basis_is_the_trigonometric_polynomials(n_antennas):
    """Sums of p_k T_k(cos) + sin q_k T_k(cos) against those of cosines and sines."""
    rng = np.random.default_rng(n_antennas)
    lags = rng.normal(size=(3, 4, 2 * n_antennas - 1))
    omega = rng.uniform(-7, 7, 50)
    order = np.arange(1, n_antennas)[:, None] * omega
    turns = np.stack([np.cos(order), np.sin(order)], axis=1).reshape(-1, 50)
    expected = lags @ np.concatenate([np.ones((1, 50)), turns])
    chebyshev = np.cos(np.arange(n_antennas)[:, None] * np.arccos(np.cos(omega)))
    both = _map._half_basis(lags) @ chebyshev
    actual = both[:, :4] + np.sin(omega) * both[:, 4:]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * n_antennas)


def test_cosine_and_sine_from_the_table_are_exact_to_a_rounding():
    omega = np.concatenate([np.linspace(-80, 80, 20001), np.arange(-8, 9) * np.pi / 4])
    space = _map._Space(len(omega), 40)
    sine = _map._chebyshev(omega / _map._STEP, space)
    off = 5e-16 * (1 + np.abs(omega))  # the angle in steps, and its turns, are rounded
    assert np.all(np.abs(sine - np.sin(omega)) <= off)
    assert np.all(np.abs(space.basis[1] - np.cos(omega)) <= off)
    order = np.arange(40)[:, None]
    assert np.all(np.abs(space.basis - np.cos(order * omega)) <= (1 + order**2) * off)


def test_the_bound_of_the_rounding_without_a_root_covers_the_one_with_it():
    """And is at most twice that, where the spread is not above its own terms."""
    rng = np.random.default_rng(5)
    lags = rng.normal(size=(200, 4, 9))
    ratio = 10 ** rng.uniform(-4, 4, 200)  # h / b
    off = 8 * np.finfo(float).eps * np.abs(lags).sum(axis=-1).T
    exact = off[3] + 2 * np.sqrt(ratio) * (off[1] + off[2]) + ratio * off[0]
    floor, least, factor = _map._rounding(lags).T
    np.testing.assert_array_equal(floor, off[0])
    assert np.all(least + factor * ratio >= exact * (1 - 1e-15))


# ------------------------------------------------------------------------------- backends


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize(
    "options",
    [
        {"n_antennas": 1},
        {"n_antennas": 2, "full_duplex": True},
        {"n_antennas": 5},
        {"n_antennas": 16, "n_aps": 9},
        {"max_speed": 0.0},
    ],
)
def test_backends_differ_by_rounding(backend, options):
    """Also for 131 points, which are no whole number of any backend's blocks."""
    scene = drawn(**options)
    power = np.random.default_rng(0).uniform(0, 1, scene.beams.shape[:2])
    points = np.random.default_rng(1).uniform(0, 300, (131, 2))
    for wide in (scene, replace(scene, spacing=7.3)):
        for bound in ("exact", "approximate"):
            maps = [
                multistatic.position_map(wide, power, points, bound, 1, backend=each)
                for each in ("numpy", backend)
            ]
            assert_same(maps[1], maps[0])


@pytest.mark.parametrize("backend", EVERY)
def test_what_one_transmitter_sends_may_come_from_many_in_its_place(backend):
    """600 ends at 3 places, more than any chunk: the information is that of the 3."""
    scene = drawn(n_aps=5, n_receivers=2, full_duplex=False)
    copies = np.arange(600) % 3
    many = replace(
        scene,
        **{name: getattr(scene, name)[copies] for name in ("transmitters", "transmit_axes")},
        beams=scene.beams[copies],
    )
    points = np.random.default_rng(2).uniform(0, 300, (40, 2))
    few = multistatic.position_map(scene, 2.0, points, backend=backend)
    assert_same(multistatic.position_map(many, 0.01, points, backend=backend), few)


@pytest.mark.parametrize("backend", EVERY)
def test_next_to_nothing_is_told_path_by_path(backend):
    """A silent network, and one delay: exactly nothing, and nothing along the ellipse."""
    scene = drawn()
    points = np.array([[10.0, 20.0], [30.0, 70.0]])
    dark = multistatic.position_map(scene, 0.0, points, backend=backend)
    np.testing.assert_array_equal(dark, np.zeros((2, 2, 2)))
    alone = drawn(n_aps=2, n_receivers=1, n_antennas=1, max_speed=0.0)
    efim = multistatic.position_map(alone, 1.0, points, backend=backend)
    assert np.all(np.isinf(fisher.position_error_bound(efim)))
    assert np.all(np.trace(efim, axis1=-2, axis2=-1) > 0)


# -------------------------------------------------------------------------------- outside


@pytest.mark.parametrize("backend", EVERY)
@pytest.mark.parametrize("frame", [OFDM(16, 16, 1e6, 2e-6), OTFS(16, 4, 2e6)])
def test_points_outside_are_nan_on_request_and_change_no_other(backend, frame):
    scene = replace(drawn(n_antennas=3), waveform=frame)
    inside = np.random.default_rng(4).uniform(60, 240, (5, 2))
    outside = np.array([scene.transmitters[1], scene.receivers[0], scene.targets[0] + [700.0, 0]])
    points = np.stack([outside[0], *inside[:2], outside[1], *inside[2:], outside[2]])
    gone = np.array([True, False, False, True, False, False, False, True])
    efim = multistatic.position_map(scene, 1.0, points, backend=backend, outside="nan")
    np.testing.assert_array_equal(np.isnan(efim).all(axis=(1, 2)), gone)
    assert_same(efim[~gone], multistatic.position_map(scene, 1.0, inside, backend=backend))
    for point, words in zip(outside, ("coincide", "coincide", "so near"), strict=True):
        with pytest.raises(ValueError, match=words):
            multistatic.position_map(scene, 1.0, [inside[0], point], backend=backend)
    nothing = multistatic.position_map(scene, 1.0, outside, backend=backend, outside="nan")
    assert np.all(np.isnan(nothing))


def test_what_is_nan_is_what_is_refused():
    """At the longest delay itself, and either side of it."""
    scene, point = drawn(n_antennas=1), np.array([[900.0, 150.0]])
    ends = scene.transmitters, scene.receivers
    longest = sum(np.linalg.norm(point - each, axis=1).max() for each in ends) / speed_of_light
    for share, late in ((1.0, False), (1 - 1e-10, False), (1 - 1e-8, True), (1 + 1e-6, False)):
        framed = replace(scene, waveform=OFDM(8, 8, 1e6, longest * share))
        efim = multistatic.position_map(framed, 1.0, point, outside="nan")
        assert np.isnan(efim).all() == late
        if late:
            with pytest.raises(ValueError, match="so near"):
                multistatic.position_map(framed, 1.0, point)
        else:
            assert_same(multistatic.position_map(framed, 1.0, point), efim)


# --------------------------------------------------------------------------- memory, extras


@pytest.mark.parametrize("backend", [installed("numpy"), installed("fast")])
def test_memory_does_not_grow_with_points_and_ends(backend):
    scene = drawn()
    many = np.zeros(3000, dtype=int)
    crowd = replace(
        scene,
        transmitters=scene.transmitters[many], transmit_axes=scene.transmit_axes[many],
        beams=scene.beams[many],
    )  # fmt: skip
    power = np.ones(crowd.beams.shape[:2])
    peaks = []
    for which, n_points in ((scene, 50_000), (scene, 100_000), (crowd, 7000)):
        points = np.random.default_rng(6).uniform(0, 300, (n_points, 2))
        multistatic.position_map(which, power[: len(which.beams)], points[:10], backend=backend)
        tracemalloc.start()
        multistatic.position_map(which, power[: len(which.beams)], points, backend=backend)
        peaks.append((tracemalloc.get_traced_memory()[1] - 33 * n_points) / 1e6)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 0.1
    assert max(peaks) < 10


@pytest.mark.parametrize(("backend", "extra"), [("fast", "fast"), ("jax", "gpu")])
def test_a_backend_that_is_not_installed_names_its_extra(monkeypatch, backend, extra):
    monkeypatch.delitem(sys.modules, f"cfisac.limits._map_{backend}", raising=False)
    monkeypatch.setitem(sys.modules, EXTRAS[backend], None)
    with pytest.raises(ImportError, match=rf"needs {EXTRAS[backend]}, .*cfisac\[{extra}\]"):
        multistatic.position_map(drawn(), 1.0, [[10.0, 20.0]], backend=backend)


def test_unknown_choices_are_refused():
    for name, value in (("backend", "cuda"), ("outside", "zero"), ("bound", "best")):
        with pytest.raises(ValueError, match=f"{name} must be .* or .*, got '{value}'"):
            multistatic.position_map(drawn(), 1.0, [[10.0, 20.0]], **{name: value})


@pytest.mark.parametrize("backend", [installed("jax")])
def test_jax_keeps_its_own_precision(backend):
    import jax

    multistatic.position_map(drawn(), 1.0, [[10.0, 20.0]], backend=backend)
    assert jax.numpy.ones(1).dtype == np.float32
