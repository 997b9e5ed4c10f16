"""Paths: the room that everything passes through, from a scene down to a bound.

:class:`Paths` holds what a bound is a sum over. :func:`one_way` and :func:`echo` make paths of
places and arrays, :class:`PathTable` of what a ray tracer or a measurement says
(:func:`from_sionna`, :func:`from_deepmimo`), :func:`join` puts unlike ones in one row.
"""

from cfisac.paths.core import Paths, join
from cfisac.paths.links import echo, echo_seen, one_way
from cfisac.paths.table import PathTable
from cfisac.paths.tracers import from_deepmimo, from_sionna, street_canyon

__all__ = [
    "PathTable",
    "Paths",
    "echo",
    "echo_seen",
    "from_deepmimo",
    "from_sionna",
    "join",
    "one_way",
    "street_canyon",
]
