"""Paths: the room that everything passes through, from a scene down to a bound.

:class:`Paths` holds what a bound is a sum over. :func:`one_way` and :func:`echo` make paths of
places and arrays, :func:`join` puts unlike ones in one row. What belongs to an access point or a
user, a clock or an orientation, is an :class:`Unknown`, which :func:`information` removes.
"""

from cfisac.paths.core import Paths, join
from cfisac.paths.links import echo, one_way
from cfisac.paths.unknowns import (
    Unknown,
    apart,
    clock,
    coherent,
    displacement,
    information,
    orientation,
    oscillator,
    phase,
)

__all__ = [
    "Paths",
    "Unknown",
    "apart",
    "clock",
    "coherent",
    "displacement",
    "echo",
    "information",
    "join",
    "one_way",
    "orientation",
    "oscillator",
    "phase",
]
