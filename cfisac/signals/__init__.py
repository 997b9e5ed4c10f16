"""What the antennas of a scene receive: noise-free samples, gains and noise to draw.

Estimators, brute-force tests and studies all draw their samples here, so that one convention holds
for all: **the gain of an echo belongs to the middle** of its antennas, subcarriers and symbols, so
that it does not turn when a delay, an angle or a Doppler shift is a little off.
"""

from cfisac.signals._draws import draw_amplitudes, with_noise
from cfisac.signals._monostatic import (
    EchoFactors,
    PhaseSlopes,
    echo_factors,
    echo_tensors,
    phase_slopes,
)

__all__ = [
    "EchoFactors",
    "PhaseSlopes",
    "draw_amplitudes",
    "echo_factors",
    "echo_tensors",
    "phase_slopes",
    "with_noise",
]
