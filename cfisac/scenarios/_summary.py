"""A scene in a few numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cfisac import fisher, propagation
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.paths import Paths, echo
from cfisac.scenarios import _plausible
from cfisac.scenarios._beams import beam_power, equal_power, illumination
from cfisac.scenarios._common import Array
from cfisac.scenarios._monostatic import MonostaticScene
from cfisac.scenarios._multistatic import MultistaticScene


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What :meth:`MultistaticScene.summary` found. ``print`` shows it as a table.

    Parameters
    ----------
    total_snr : (P, R, T) or (L, U)
        Mean SNR of every path over all its samples and antennas; linear.
    range_resolution : float
        ``c / 2 B`` (m): half a path length that the band tells apart.
    speed_resolution : float
        ``lambda / 2 T`` (m/s): half a rate of the path length that the frame tells apart.
    angle_resolution : (R,) or (L,)
        ``1 / L`` (degrees) at broadside, with L the length in wavelengths of the line on which
        antennas would be spread as far as they are in their widest direction; ``inf`` for one
        antenna. L is ``spacing sqrt(N^2 - 1)`` of a uniform linear array.
    peb : (T,) or (U,)
        Position error bound (m) at the mean gains, with unknown gains. The velocity is known in a
        multistatic scene, unknown in a monostatic one.
    header : str
        What the scene is, and its noise, on two lines.

    Examples
    --------
    >>> from cfisac.scenarios import liu_scene
    >>> found = liu_scene(np.random.default_rng(1)).summary()
    >>> print(f"{found.range_resolution:.1f} m, {found.speed_resolution:.1f} m/s")
    39.0 m, 9.4 m/s
    >>> found.total_snr.shape, found.peb.round(2)
    ((4, 3), array([0.09, 0.08, 0.08]))
    """

    total_snr: Array
    range_resolution: float
    speed_resolution: float
    angle_resolution: Array
    peb: Array
    header: str

    def __str__(self) -> str:
        narrow, wide = (f"{each:.3g}" for each in np.sort(self.angle_resolution)[[0, -1]])
        angle = narrow if narrow == wide else f"{narrow} to {wide}"
        lines = [
            self.header,
            f"resolution: {self.range_resolution:.3g} m, {self.speed_resolution:.3g} m/s, "
            f"{angle} degrees",
            "target  SNR of its paths (dB)      PEB (m)",
            "        weakest  median  strongest",
        ]
        for t, bound in enumerate(self.peb):
            levels = _quantiles(self.total_snr[..., t])
            lines.append(
                f"{t:6d}  {levels[0]:7.1f} {levels[1]:7.1f}  {levels[2]:9.1f}  {bound:10.3g}"
            )
        return "\n".join(lines)

    __repr__ = __str__


def summary(scene: MultistaticScene | MonostaticScene, power: ArrayLike | None) -> Summary:
    """See :meth:`MultistaticScene.summary`."""
    noise = float(
        propagation.decibel(scene.noise_variance / propagation.noise_power(scene.noise_bandwidth))
    )
    tail = f"noise {noise:+.1f} dB over k T B of {scene.noise_bandwidth / 1e6:.4g} MHz"
    if isinstance(scene, MonostaticScene):
        if power is not None:
            raise ValueError("power must not be given: a monostatic scene has its transmit_power")
        paths, peb = _monostatic(scene)
        shown = f"{_many(len(scene.aps), 'AP')}, {scene.transmit_power:.3g} W a sample"
    else:
        watts = equal_power(scene) if power is None else beam_power(scene, power)
        paths, peb = _multistatic(scene, watts)
        ends = len(scene.transmitters), len(scene.receivers)
        shown = (
            f"{_many(ends[0], 'transmitter')}, {_many(ends[1], 'receiver')}, "
            f"{watts.sum():.3g} W in all"
        )
    _plausible.bound(peb, scene.wavelength)
    widest = np.linalg.norm(scene.receive_apertures, ord=2, axis=(-2, -1)) / (2 * np.pi)
    with np.errstate(divide="ignore"):
        angle = np.degrees(1 / (np.sqrt(12) * widest))
    return Summary(
        total_snr=paths.snr,
        range_resolution=speed_of_light / (2 * scene.waveform.bandwidth),
        speed_resolution=scene.wavelength / (2 * scene.waveform.frame_duration),
        angle_resolution=angle,
        peb=peb,
        header=f"{_many(len(scene.targets), 'target')}, {shown}\n{tail}",
    )


def _multistatic(scene: MultistaticScene, power: Array) -> tuple[Paths, Array]:
    lit, aperture = illumination(scene, power, scene.targets)
    n_samples = scene.waveform.n_subcarriers * scene.waveform.n_symbols
    paths = echo(
        scene.targets,
        scene.velocities,
        scene.transmitters[:, None, None],
        scene.receivers[:, None],
        scene.carrier_frequency,
        scene.mean_power_gains * lit[:, None] * n_samples / scene.noise_variance,
        scene.waveform.delay_doppler_covariance(),
        aperture[:, None],
        scene.receive_apertures[:, None],
    )
    return paths, fisher.position_error_bound(paths.information((0, 1)))


def _monostatic(scene: MonostaticScene) -> tuple[Paths, Array]:
    paths = echo(
        scene.targets,
        scene.velocities,
        scene.aps[:, None],
        scene.aps[:, None],
        scene.carrier_frequency,
        scene.total_snr,
        scene.waveform.delay_doppler_covariance(),
        None,
        scene.receive_apertures[:, None],
    )
    bound = fisher.crlb(paths.with_unknown("velocity").information(0))
    variance = np.diagonal(bound, axis1=-2, axis2=-1)[..., : scene.dimension]
    return paths, np.sqrt(np.sum(variance, axis=-1))


def _quantiles(snr: Array) -> Any:
    """Weakest, median and strongest level in dB; -inf for what returns nothing."""
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(snr.ravel())
    low, high = np.sort(level)[(level.size - 1) // 2], np.sort(level)[level.size // 2]
    middle = low if low == high else (low + high) / 2
    return np.round([level.min(), middle, level.max()], 1) + 0.0


def _many(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
