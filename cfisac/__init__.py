"""Limits of cell-free integrated sensing and communication (ISAC), checked.

Five sources, one signal model, one theorem: every path is a complex gain times a receive, a
transmit and a waveform factor in complex Gaussian noise, and with the gain unknown the Fisher
information is twice the SNR times the covariance of each factor. The modules follow the book:

``arrays``, ``fisher``
    The signal model and its information.
``limits``
    The published bounds, as functions of arrays.
``estimators``
    Algorithms that meet the bounds, or show where they cannot be met.
``studies``, ``montecarlo``
    The published figures as declared, seeded, resumable experiments (``cfisac list``).
``ledger``
    What each source claims, and what became of each claim.
``plotting``
    The house style and interactive figures.
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
