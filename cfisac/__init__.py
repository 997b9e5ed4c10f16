"""Limits of cell-free integrated sensing and communication (ISAC), checked.

Five sources, one signal model, one theorem: every path is a complex gain times a receive, a
transmit and a waveform factor in complex Gaussian noise, and with the gain unknown the Fisher
information is twice the SNR times the covariance of each factor.

The rooms, lowest first: each imports from those before it, and ``import cfisac`` loads none.

``arrays``
    Where the antennas are: steering vectors and their spread.
``waveforms``
    OFDM, OTFS and a flat spectrum: modems, operators, delay-Doppler covariances.
``geometry``
    Delays, angles and Doppler shifts of positions and velocities, with exact gradients.
``propagation``
    How much of a signal arrives: path loss, radar equation, scattering, noise.
``fisher``
    Information of Gaussian signals, nuisance parameters, position error bounds.
``paths``
    What every bound is a sum over: paths, from places, a ray tracer or a measurement, and what
    may be unknown about them.
``scenarios``
    Scenes of your own, and those of the sources from their parameter tables.
``signals``
    What the antennas of a scene receive: noise-free samples, gains and noise to draw.
``limits``
    The published bounds: ``angle_gain``, ``information``, ``toa_aoa``, ``multistatic``,
    ``cooperative``, ``synchronisation``; where they stop being true: ``threshold``; gains that
    fade: ``fading``; targets that overlap: ``coupled``.
``estimators``
    Algorithms that meet the bounds, or show where they cannot be met: ``angle_ml``,
    ``position_ml``, ``tensor``, ``joint_ml``, ``pilot_data``.
``designs``
    What the bounds are for: pilots and antennas, powers, modes of access points, their places, and
    the tradeoff of rate and position error, each with a certificate: ``pilots``, ``power``,
    ``modes``, ``placement``, ``tradeoff``.
``montecarlo``
    Seeded, resumable, parallel trials.
``plotting``
    The house style and interactive figures.
``studies``
    The published figures as declared experiments: ``zhang``, ``fan``, ``liu``, ``commit``,
    ``maps``, ``synchronisation``, ``threshold``, ``fading``, ``pilots``, ``modes``,
    ``placement``, ``tradeoff``, ``pilot_data``, ``tensor``, ``joint``, ``scaling``; a terminal
    calls them by ``cfisac list | run | verify``.
``ledger``
    What each source claims, and what became of each claim.
"""

import sys
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cfisac")
except PackageNotFoundError:
    raise ModuleNotFoundError(
        f"cfisac is not installed in {sys.executable}. In its checkout, run 'make venv' and use "
        ".venv/bin/python; or install the checkout with pip.",
        name=__name__,
    ) from None
__all__ = ["__version__"]
