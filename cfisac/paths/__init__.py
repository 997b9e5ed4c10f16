"""Paths: the room that everything passes through, from a scene down to a bound.

:class:`Paths` holds what a bound is a sum over. :func:`one_way` and :func:`echo` make paths of
places and arrays, :func:`join` puts unlike ones in one row.
"""

from cfisac.paths.core import Paths, join
from cfisac.paths.links import echo, echo_seen, one_way

__all__ = ["Paths", "echo", "echo_seen", "join", "one_way"]
