"""Samples checked, and a small scene to try the estimators on."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.scenarios import MultistaticScene, fan_scene
from cfisac.signals import draw_spectra, path_signatures, received
from cfisac.waveforms import OTFS

ComplexArray = NDArray[np.complex128]


def example(rng: np.random.Generator) -> tuple[MultistaticScene, ComplexArray, ComplexArray]:
    """Draw a small scene with one target, what is sent in it, and noise-free samples.

    Parameters
    ----------
    rng : Generator
        Source of the draws.

    Returns
    -------
    scene : MultistaticScene
        Four transmitters and two receivers of four antennas within 60 m; 8 symbols of 32
        subcarriers in 64 MHz.
    sent : (4, 4, 8, 32) complex
        What each antenna sends, by symbol and subcarrier.
    samples : (2, 4, 256) complex
        What the receivers hear, gains of modulus one.

    Examples
    --------
    >>> scene, sent, samples = example(np.random.default_rng(1))
    >>> len(scene.targets), sent.shape, samples.shape
    (1, (4, 4, 8, 32), (2, 4, 256))
    """
    _checks.generator("rng", rng)
    scene = fan_scene(
        rng, 6, 1, 0, 4, waveform=OTFS(32, 8, 2e6), side=60.0, max_delay=4e-7, max_speed=5.0,
        n_receivers=2,
    )  # fmt: skip
    sent = draw_spectra(scene, 1.0, rng)
    gains = np.exp(2j * np.pi * rng.uniform(size=(4, 2, 1)))
    return scene, sent, received(path_signatures(scene, sent), gains)


def samples_of(scene: MultistaticScene, samples: ArrayLike) -> ComplexArray:
    n_samples = scene.waveform.n_symbols * scene.waveform.n_subcarriers
    return checked_samples(samples, (len(scene.receivers), scene.n_antennas, n_samples))


def checked_samples(samples: ArrayLike, shape: tuple[int, ...]) -> ComplexArray:
    seen: ComplexArray = _checks.squarable("samples", samples)
    if seen.shape != shape:
        raise ValueError(f"samples must have shape (R, M_r, MN) = {shape}, got {seen.shape}")
    return seen
