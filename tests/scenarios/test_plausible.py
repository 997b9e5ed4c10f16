"""Numbers of another unit warn once and name the unit; the sources' scenes are silent."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from cfisac import arrays, propagation, scenarios
from cfisac.scenarios import ImplausibleWarning, _plausible
from cfisac.waveforms import OFDM, OTFS


def street(**changes):
    given = {
        "transmitters": [[0.0, 0.0], [60.0, 0.0]], "receivers": [[30.0, 50.0]],
        "targets": [[28.0, 20.0]], "facing": [30.0, 20.0], "n_antennas": 8,
        "waveform": OFDM(16, 14, 120e3), "carrier_frequency": 28e9, "mean_rcs": 1.0,
    }  # fmt: skip
    if "noise_variance" not in changes:
        given["noise_figure_db"] = 7.0
    return scenarios.MultistaticScene(**(given | changes))


def test_the_sources_and_a_sound_scene_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(5):
            scenarios.fan_scene(np.random.default_rng(seed)).summary()
            scenarios.liu_scene(np.random.default_rng(seed)).summary()
        street().summary()
        street(noise_figure_db=0.0)
        panel = arrays.planar(4, 4, axes=np.eye(3)[:2])[:, :2]
        street(n_antennas=None, transmit_arrays=panel, receive_arrays=panel)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"carrier_frequency": 28.0, "mean_rcs": 0.0}, "Hz expected"),
        ({"spacing": 0.00535}, "wavelengths expected"),
        ({"spacing": 0.0428, "carrier_frequency": 3.5e9}, "wavelengths expected"),
        ({"spacing": 0.15, "carrier_frequency": 1e9}, "wavelengths expected"),
        (
            {"n_antennas": None, "transmit_arrays": 0.005 * np.eye(2), "receive_arrays": np.eye(2)},
            "wavelengths expected",
        ),
        ({"noise_variance": float(propagation.noise_power(120e3, 7.0))}, "5 dB below k T B"),
        ({"noise_variance": 1e-20}, "below k T B"), ({"noise_variance": -94 + 1e2}, "above k T B"),
        ({"mean_rcs": 1e14}, "gain above one"),
    ],
)  # fmt: skip
def test_traps_warn_and_name_the_unit(changes, words):
    with pytest.warns(ImplausibleWarning, match=words):
        street(**changes)


def test_the_noise_of_a_subcarrier_belongs_into_a_monostatic_scene_only():
    """``noise_power(subcarrier_spacing)`` is right there, and M times too little in the band."""
    liu = scenarios.liu_scene(np.random.default_rng(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replace(liu, noise_variance=float(propagation.noise_power(30e3, 5.0)))
    with pytest.warns(ImplausibleWarning, match="above k T B"):
        replace(liu, noise_variance=float(propagation.noise_power(128 * 30e3, 7.0)))
    with pytest.warns(ImplausibleWarning, match="below k T B"):
        replace(liu, waveform=OTFS(128, 128, 30e3))


def test_it_warns_where_the_package_was_called_from():
    with pytest.warns(ImplausibleWarning) as caught:
        replace(street(), carrier_frequency=1e5, spacing=0.5)
    assert {each.filename for each in caught} == {__file__}


def test_one_place_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for power in range(5):
            street(noise_variance=(1 + power / 1000) * 1e-18)
    assert len(caught) == 1


def test_angles_in_degrees_warn():
    rng = np.random.default_rng(1)
    for name in ("path_sector", "angle_spread"):
        with pytest.warns(ImplausibleWarning, match=f"{name}.*radians expected"):
            scenarios.fan_scene(rng, 6, n_users=1, **{name: 15.0})


def test_a_bound_below_a_thousandth_of_the_wavelength_warns():
    scene = street()
    with pytest.warns(ImplausibleWarning, match="PEB"):
        scene.summary(1e14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scene.summary(1.0)


@pytest.mark.parametrize("seed", range(20))
def test_an_snr_with_its_axes_interchanged_is_found(seed):
    """Also with unlike antennas and cross sections, which are factors of one axis."""
    rng = np.random.default_rng(seed)
    liu = replace(
        scenarios.liu_scene(rng, 4),
        n_antennas=rng.integers(2, 16, 4),
        mean_rcs=rng.uniform(1, 9, 4),
    )
    distance = np.linalg.norm(liu.targets[:, None] - liu.aps, axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _plausible.transposed("snr", liu.sample_snr.T, distance)
        _plausible.transposed("snr", liu.sample_snr.T[:2, :2], distance[:2, :2])
        _plausible.transposed("snr", rng.uniform(1, 2, (4, 4)), distance)
        _plausible.transposed("snr", np.ones((4, 4)), distance)
        _plausible.transposed("snr", np.zeros((4, 4)), distance)
        _plausible.transposed("snr", liu.sample_snr[:3], distance)
    with pytest.warns(ImplausibleWarning, match="axes interchanged"):
        _plausible.transposed("snr", liu.sample_snr, distance)
