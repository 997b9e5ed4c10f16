"""What the antennas of a scene receive: noise-free samples, gains and noise to draw.

Estimators, brute-force tests and studies all draw their samples here, so that one convention holds
for all of a kind. **The gain of a monostatic echo belongs to the middle** of its antennas,
subcarriers and symbols, so that it does not turn when a delay, an angle or a Doppler shift is a
little off. That of a path of a multistatic scene belongs to the first sample of the frame, as in
fan; no likelihood that fits the gains, and no bound, sees the difference.
"""

from cfisac.signals._draws import draw_amplitudes, with_noise
from cfisac.signals._monostatic import (
    EchoFactors,
    PhaseSlopes,
    echo_factors,
    echo_tensors,
    phase_slopes,
)
from cfisac.signals._multistatic import PathSignatures, draw_spectra, path_signatures, received

__all__ = [
    "EchoFactors",
    "PathSignatures",
    "PhaseSlopes",
    "draw_amplitudes",
    "draw_spectra",
    "echo_factors",
    "echo_tensors",
    "path_signatures",
    "phase_slopes",
    "received",
    "with_noise",
]
