"""Scenes as frozen dataclasses, the sources' parameter tables, and samplers.

A scene is everything a bound needs to know: who stands where, what is transmitted, how loud the
noise is. Samplers take a Generator and draw what a source's table leaves to chance; what the
table leaves out is a keyword, with our value as its default.

One convention for gain, power and noise holds in all of them:

- ``total_snr`` of a path is the energy of all its samples, over all antennas, subcarriers and
  symbols, over the noise variance of one: what :class:`cfisac.paths.Paths` calls ``snr``.
  ``sample_snr`` is that of one sample of one antenna.
- ``noise_variance`` is that of one complex sample, in the band in which power is counted,
  ``scene.noise_bandwidth``. A :class:`MultistaticScene` counts the power of a beam over the whole
  band, for OTFS and OFDM alike: k T F times ``waveform.bandwidth``. A :class:`MonostaticScene`
  counts it per sample: with OFDM on one subcarrier, k T F times ``subcarrier_spacing``, with OTFS
  over the whole band. An M-th of the power over an M-th of the noise is the same SNR; mixing the
  two is wrong by M. ``noise_figure_db=`` takes the right one.
- Gains are linear and, by ``gain_reference``, those of a whole array towards its best direction
  (``"array"``, the default of a multistatic scene, as in fan) or those of one element
  (``"element"``, the default of a monostatic scene, as in liu). N elements have N times the gain
  of one, to send and again to hear.

Numbers that look like ones of other units warn (:class:`ImplausibleWarning`).

Scenes lie in the plane or in space. Arrays are uniform and linear, given by their axes, or of any
form and size, given by the positions of their elements in wavelengths (``transmit_arrays``,
``receive_arrays``, see :mod:`cfisac.arrays`).
"""

from cfisac.scenarios import _deployments, _fan, _samplers
from cfisac.scenarios._arrays import facing
from cfisac.scenarios._beams import equal_power, illumination, sensing_beams
from cfisac.scenarios._common import Waveform
from cfisac.scenarios._deployments import deploy, square_grid
from cfisac.scenarios._fan import FanNetwork, fan_network, fan_scene
from cfisac.scenarios._monostatic import MonostaticScene
from cfisac.scenarios._multistatic import MultistaticScene
from cfisac.scenarios._plausible import ImplausibleWarning
from cfisac.scenarios._samplers import liu_scene
from cfisac.scenarios._summary import Summary
from cfisac.scenarios._tables import ApTable, read_aps, read_gains

FAN_TABLE = _fan.FAN_TABLE
"""Table I of fan_conf and III of fan_journal, in SI units."""

LIU_TABLE = _samplers.LIU_TABLE
"""Section V of liu, the initial configuration."""

DEPLOYMENTS = _deployments.DEPLOYMENTS
"""The deployments that Figure 3 of zhang compares."""

__all__ = [
    "DEPLOYMENTS",
    "FAN_TABLE",
    "LIU_TABLE",
    "ApTable",
    "FanNetwork",
    "ImplausibleWarning",
    "MonostaticScene",
    "MultistaticScene",
    "Summary",
    "Waveform",
    "deploy",
    "equal_power",
    "facing",
    "fan_network",
    "fan_scene",
    "illumination",
    "liu_scene",
    "read_aps",
    "read_gains",
    "sensing_beams",
    "square_grid",
]
