"""Paths: the room that everything passes through, from a scene down to a bound.

:class:`Paths` holds what a bound is a sum over. :func:`one_way` and :func:`echo` make paths of
places and arrays, :class:`PathTable` of what a ray tracer or a measurement says
(:func:`from_sionna`, :func:`from_deepmimo`), :func:`join` puts unlike ones in one row. What belongs
to an access point or a user, a clock or an orientation, is an :class:`Unknown`, which
:func:`information` removes.
"""

from cfisac.paths._core import Paths, join
from cfisac.paths._links import echo, echo_seen, one_way
from cfisac.paths._table import PathTable
from cfisac.paths._tracers import from_deepmimo, from_sionna, street_canyon
from cfisac.paths._unknowns import (
    Unknown,
    clock,
    displacement,
    information,
    orientation,
    oscillator,
    phase,
)
from cfisac.paths._wider import apart, coherent

__all__ = [
    "PathTable",
    "Paths",
    "Unknown",
    "apart",
    "clock",
    "coherent",
    "displacement",
    "echo",
    "echo_seen",
    "from_deepmimo",
    "from_sionna",
    "information",
    "join",
    "one_way",
    "orientation",
    "oscillator",
    "phase",
    "street_canyon",
]
