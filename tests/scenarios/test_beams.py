"""Which power and aperture beams light a point with, also when they follow it."""

from dataclasses import replace

import numpy as np
import pytest

from cfisac import arrays, scenarios
from cfisac.limits import multistatic


def unlike(rng, dimension):
    """Three transmitters with arrays of different sizes, two targets, one data beam."""
    own = [rng.normal(size=(n, dimension)) for n in (2, 5, 4)]
    given = {"transmitters": rng.uniform(0, 50, (3, dimension)), "transmit_arrays": own}
    targets = rng.uniform(0, 50, (2, dimension))
    rough = np.concatenate([targets, targets[:1]]) + 3 * rng.normal(size=(3, dimension))
    beams = scenarios.sensing_beams(points=rough, **given)
    return scenarios.MultistaticScene(
        **given, receivers=rng.uniform(0, 50, (1, dimension)), receive_arrays=own[0],
        targets=targets, beams=beams, waveform=scenarios.fan_scene(rng).waveform,
        carrier_frequency=3e9, noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip


def by_definition(elements, covariance, unit):
    """``a^H V a`` and ``C / b`` of one array, from its own elements alone."""
    e = elements - elements.mean(axis=0)
    a = np.exp(2j * np.pi * e @ unit) / np.sqrt(len(e))
    slopes = 2j * np.pi * e * a[:, None]
    power = np.real(a.conj() @ covariance @ a)
    hidden = slopes.conj().T @ covariance @ a
    spread = slopes.conj().T @ covariance @ slopes - np.outer(hidden, hidden.conj()) / power
    return power, spread.real / power


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("following", [None, 0, 1])
def test_illumination_is_the_definition_point_by_point(following, dimension):
    rng = np.random.default_rng(dimension)
    scene = unlike(rng, dimension)
    power = rng.uniform(0.5, 2, (3, 3))
    points = rng.uniform(0, 50, (7, dimension))
    lit, aperture = scenarios.illumination(scene, power, points, following)
    assert lit.shape == (3, 7)
    assert aperture.shape == (3, 7, dimension, dimension)
    for n, point in enumerate(points):
        beams = scene.beams.copy()
        if following is not None:
            beams[:, following] = scene.beams_to(point[None])[:, 0]
        for p, elements in enumerate(scene.transmit_elements):
            size, offset = len(elements), point - scene.transmitters[p]
            covariance = np.einsum("q,qij->ij", power[p], beams[p, :, :size, :size])
            b, spread = by_definition(elements, covariance, offset / np.linalg.norm(offset))
            assert lit[p, n] == pytest.approx(b, rel=1e-10)
            found = aperture[p, n].T @ aperture[p, n]
            np.testing.assert_allclose(found, spread, atol=1e-9 * np.abs(spread).max())


def test_illumination_of_uniform_arrays_is_that_of_the_bound():
    scene = scenarios.fan_scene(np.random.default_rng(3), 8, n_users=3)
    power = scenarios.equal_power(scene)
    lit, aperture = scenarios.illumination(scene, power, scene.targets)
    offset = scene.targets - scene.transmitters[:, None]
    unit = offset / np.linalg.norm(offset, axis=-1, keepdims=True)
    omega = np.pi * np.einsum("ptd,pd->pt", unit, scene.transmit_axes)
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    b, c = multistatic.beam_gains(omega, covariance[:, None])
    np.testing.assert_allclose(lit, b, rtol=1e-11)
    along = np.pi * scene.transmit_axes[:, None]
    spread = np.swapaxes(aperture, -1, -2) @ aperture
    expected = (c / b)[..., None, None] * along[..., :, None] * along[..., None, :]
    np.testing.assert_allclose(spread, expected, atol=1e-9 * np.abs(expected).max())


def test_a_following_beam_alone_has_its_power_and_no_aperture():
    scene = scenarios.fan_scene(np.random.default_rng(3), 8, n_users=0, n_targets=1)
    points = np.random.default_rng(1).uniform(0, 300, (500, 2))
    lit, aperture = scenarios.illumination(scene, 0.7, points, following=0)
    np.testing.assert_allclose(lit, 0.7, rtol=1e-12)
    assert not np.any(aperture)


def test_blocks_change_nothing(monkeypatch):
    scene = scenarios.fan_scene(np.random.default_rng(3), 8, n_users=1)
    points = np.random.default_rng(1).uniform(0, 300, (50, 2))
    whole = scenarios.illumination(scene, 1.0, points, 1)
    monkeypatch.setattr("cfisac.scenarios._beams._NUMBERS", 2000)
    for one, other in zip(whole, scenarios.illumination(scene, 1.0, points, 1), strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(other), atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3])
def test_matched_beams_of_any_array_get_all_power_there(dimension):
    rng = np.random.default_rng(4)
    own = [rng.normal(size=(n, dimension)) for n in (3, 1, 6)]
    places, points = rng.normal(size=(3, dimension)), 5 + rng.normal(size=(2, dimension))
    beams = scenarios.sensing_beams(places, points=points, transmit_arrays=own)
    assert beams.shape == (3, 2, 6, 6)
    for p, elements in enumerate(own):
        size = len(elements)
        assert not np.any(beams[p, :, size:])
        assert not np.any(beams[p, :, :, size:])
        for t, point in enumerate(points):
            unit = (point - places[p]) / np.linalg.norm(point - places[p])
            a = arrays.steering(elements, unit)
            np.testing.assert_allclose(a.conj() @ beams[p, t, :size, :size] @ a, 1, rtol=1e-12)


def test_beams_by_default_point_at_the_targets():
    scene = scenarios.fan_scene(np.random.default_rng(2), 6, n_users=0, pointing_error=0.0)
    default = replace(scene, beams=None, users=None)
    np.testing.assert_allclose(default.beams, scene.beams, atol=1e-12)


def test_refusals():
    scene = scenarios.fan_scene(np.random.default_rng(2), 6, n_users=0)
    for arguments, name in (
        ((-1.0, scene.targets), "power"), ((np.ones(5), scene.targets), "power"),
        ((1.0, [[1.0, 2.0, 3.0]]), "points"), ((1.0, scene.transmitters), "points"),
        ((1.0, scene.targets, 2), "following"), ((1.0, scene.targets, True), "following"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            scenarios.illumination(scene, *arguments)
    places = [[0.0, 0.0]]
    for given, name in (
        ({}, "points"), ({"points": [[1.0, 1.0]]}, "n_antennas"),
        ({"points": [[1.0, 1.0]], "n_antennas": 2}, "transmit_axes"),
        ({"points": [[1.0, 1.0]], "transmit_arrays": np.eye(2), "n_antennas": 2}, "n_antennas"),
        ({"points": [[1.0, 1.0, 1.0]], "transmit_arrays": np.eye(2)}, "points"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            scenarios.sensing_beams(places, **given)
