"""Networks of fan that the tests of the modes share."""

from functools import lru_cache

import numpy as np

from cfisac.designs.power import coefficients
from cfisac.scenarios import fan_network

PEB = {8: 0.5, 16: 0.2, 24: 0.15, 32: 0.1}  # m, what is asked for


@lru_cache
def draw(seed, n_aps=8, **settings):
    """The scene, and its coefficients."""
    rng = np.random.default_rng([1, seed])
    drawn = fan_network(rng, n_aps=n_aps, gain_db=0.0, max_delay=1e-4, **settings)
    return drawn, coefficients(drawn.scene, drawn.channels, drawn.estimates)


def distance(drawn):
    return np.linalg.norm(drawn.scene.aps[:, None] - drawn.scene.targets, axis=-1)
