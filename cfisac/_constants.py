"""Exact constants of the SI, as ``scipy.constants`` has them, which takes 0.1 s to import."""

SPEED_OF_LIGHT = 299792458.0  # m/s
BOLTZMANN = 1.380649e-23  # J/K
