"""Random gains of echoes, and noise."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac.scenarios import MonostaticScene

ComplexArray = NDArray[np.complex128]


def draw_amplitudes(
    scene: MonostaticScene, rng: np.random.Generator, fading: str = "phase"
) -> ComplexArray:
    """Draw the amplitude of each echo in a sample, (L, U).

    Parameters
    ----------
    scene : MonostaticScene
        Its ``sample_snr`` times ``noise_variance`` is the mean power of an echo in a sample.
    rng : Generator
        Source of the draws.
    fading : {"phase", "rayleigh"}
        A uniform phase and the root of the mean power (Swerling 0); or CN(0, mean power), one
        draw for each echo of a frame (Swerling I).

    Raises
    ------
    ValueError
        If ``fading`` is neither, or the scene or ``rng`` is something else.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1))
    >>> amplitudes = draw_amplitudes(scene, np.random.default_rng(2))
    >>> np.allclose(abs(amplitudes) ** 2, scene.sample_snr * scene.noise_variance)
    True
    """
    _checks.kind("scene", scene, MonostaticScene)
    _checks.generator("rng", rng)
    _checks.one_of("fading", fading, "phase", "rayleigh")
    root = np.sqrt(scene.sample_snr * scene.noise_variance)
    if fading == "phase":
        turned: ComplexArray = root * np.exp(2j * np.pi * rng.uniform(size=root.shape))
        return turned
    parts = rng.normal(scale=np.sqrt(0.5), size=(2, *root.shape))
    drawn: ComplexArray = root * (parts[0] + 1j * parts[1])
    return drawn


def with_noise(samples: ArrayLike, noise_variance: float, rng: np.random.Generator) -> ComplexArray:
    """Samples (...) and CN(0, sigma^2) added to each.

    Parameters
    ----------
    samples : (...) complex
        Without noise.
    noise_variance : float
        sigma^2 >= 0 (W).
    rng : Generator
        Source of the draws.

    Raises
    ------
    ValueError
        If the samples are not finite, ``noise_variance`` is negative or ``rng`` no generator.

    Examples
    --------
    >>> noise = with_noise(np.zeros(100_000), 2.0, np.random.default_rng(1))
    >>> print(f"{np.mean(abs(noise) ** 2):.2f}")
    2.00
    """
    clean = _checks.finite("samples", samples, complex)
    variance = _checks.one("noise_variance", noise_variance, _checks.non_negative)
    _checks.generator("rng", rng)
    parts = rng.normal(scale=np.sqrt(variance / 2), size=(2, *clean.shape))
    noisy: ComplexArray = clean + parts[0] + 1j * parts[1]
    return noisy
