"""Scenes as frozen dataclasses, the sources' parameter tables, and samplers.

A scene is everything a bound needs to know: who stands where, what is transmitted, how loud the
noise is. Samplers take a Generator and draw what a source's table leaves to chance; what the
table leaves out is a keyword, with our value as its default.
"""

from cfisac.scenarios._beams import equal_power, sensing_beams
from cfisac.scenarios._common import Waveform
from cfisac.scenarios._deployments import DEPLOYMENTS, deploy, square_grid
from cfisac.scenarios._monostatic import MonostaticScene
from cfisac.scenarios._multistatic import MultistaticScene
from cfisac.scenarios._samplers import FAN_TABLE, LIU_TABLE, fan_scene, liu_scene

__all__ = [
    "DEPLOYMENTS",
    "FAN_TABLE",
    "LIU_TABLE",
    "MonostaticScene",
    "MultistaticScene",
    "Waveform",
    "deploy",
    "equal_power",
    "fan_scene",
    "liu_scene",
    "sensing_beams",
    "square_grid",
]
