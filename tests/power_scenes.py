"""Scenes of which the tests of power allocation and of AP modes make use."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from cfisac import arrays, waveforms
from cfisac.designs.power import coefficients
from cfisac.scenarios import MultistaticScene, fan_network


@lru_cache
def network(seed=1, **settings):
    settings = {"n_aps": 8, "n_users": 3, "n_targets": 2, "n_antennas": 8, **settings}
    return fan_network(np.random.default_rng(seed), **settings)


@lru_cache
def scene_coefficients(seed=1, **settings):
    drawn = network(seed, **settings)
    return coefficients(drawn.scene, drawn.channels, drawn.estimates)


def some_power(each, sends, seed=2):
    power = np.random.default_rng(seed).dirichlet(np.ones(each.n_beams), size=len(sends))
    return power * sends[:, None] * each.max_power[:, None]


def in_space():
    """A scene in space with planar arrays, two users and one target."""
    rng = np.random.default_rng(4)
    stand = np.column_stack([rng.uniform(0, 200, (6, 2)), rng.uniform(5, 20, 6)])
    form = arrays.planar(2, 3)
    beams = rng.normal(size=(6, 2, 6, 6, 2)) @ [1, 1j]
    beams = beams @ np.conj(np.swapaxes(beams, -1, -2))
    beams /= np.trace(beams, axis1=-2, axis2=-1).real[..., None, None]
    plain = MultistaticScene(
        transmitters=stand,
        receivers=stand,
        targets=[[90.0, 110.0, 30.0]],
        velocities=[[10.0, 5.0, 2.0]],
        transmit_arrays=form,
        receive_arrays=form,
        waveform=waveforms.OTFS(64, 32, 500e3),
        carrier_frequency=28e9,
        noise_figure_db=7,
        mean_rcs=10.0,
        full_duplex=True,
        facing=[100.0, 100.0, 10.0],
    )
    scene = replace(plain, beams=np.concatenate([plain.beams, beams], axis=1))
    loss = 10 ** rng.uniform(-11, -10, (6, 2, 1, 1))
    return scene, 1.2 * loss * beams * 6, loss * beams * 6
