"""Antenna arrays: steering vectors, and what their elements know of a direction.

:class:`UniformLinearArray` is the sources' array, with angles from broadside. All others are the
positions of their elements in wavelengths, in the plane or in space (:func:`linear`,
:func:`planar`, :func:`circular`, or any of your own), and directions are unit vectors: then an
array's orientation is :func:`turned` elements, and no convention for angles is needed. A bound
asks of an array no more than its :func:`aperture`.
"""

from cfisac.arrays._elements import (
    aperture,
    beam_aperture,
    circular,
    linear,
    planar,
    spread,
    steering,
    turned,
)
from cfisac.arrays._uniform import UniformLinearArray, projection

__all__ = [
    "UniformLinearArray",
    "aperture",
    "beam_aperture",
    "circular",
    "linear",
    "planar",
    "projection",
    "spread",
    "steering",
    "turned",
]
