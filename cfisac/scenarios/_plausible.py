"""Numbers that a scene can have but hardly means: they warn, and name the unit expected."""

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cfisac import _checks, propagation
from cfisac.scenarios._common import Array

_LEAST_CARRIER = 1e6  # Hz
_LEAST_SPACING = 0.1  # wavelengths
_FIGURES = (-1.0, 25.0)  # dB: no receiver of a network is outside
_LEAST_BOUND = 1e-3  # wavelengths


class ImplausibleWarning(UserWarning):
    """A number that is allowed, but is so unusual that its unit is probably another one.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from cfisac.scenarios import liu_scene
    >>> scene = liu_scene(np.random.default_rng(1))
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     scene = replace(scene, carrier_frequency=28.0)  # GHz, but Hz are expected
    >>> print(said[0].message)
    carrier_frequency of 30 is below 1 MHz: Hz expected
    """


def warn(message: str) -> None:
    """Warn where the package was called from.

    Python shows a warning once for each place and text; numbers in it have one digit, so that a
    sweep does not fill the screen.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, ImplausibleWarning, stacklevel=level)


def _inside(module: str) -> bool:
    return module.partition(".")[0] == "cfisac" or module == "dataclasses"


def angle(name: str, value: ArrayLike, most: float = np.pi) -> None:
    """Warn of angles of more than half a turn, or ``most``: radians are expected."""
    largest = np.abs(value).max(initial=0.0)
    if largest > most * (1 + 1e-9):
        warn(f"{name} of {_digit(largest)} is more than {most:.3g}: radians expected")


def scene(checked: Any, nearest: tuple[float, float], elements: tuple[Array, ...]) -> None:
    """Warn of a scene whose numbers look like those of other units.

    ``nearest`` are the distances of a target from the ends of its shortest path.
    """
    carrier, wavelength = checked.carrier_frequency, checked.wavelength
    if carrier < _LEAST_CARRIER:
        warn(f"carrier_frequency of {_digit(carrier)} is below 1 MHz: Hz expected")
    own = getattr(checked, "transmit_arrays", None) is not None
    apart = min(_neighbours(each) for each in elements) if own else checked.spacing
    metres = abs(apart / (wavelength / 2) - 1) < 0.02 and not 0.9 < wavelength < 1.1
    if apart < _LEAST_SPACING or metres:
        what = "elements of the arrays are" if own else "spacing is"
        warn(f"{what} {_digit(apart)} apart, which looks like metres: wavelengths expected")
    figure = 10 * np.log10(checked.noise_variance) - 10 * np.log10(
        propagation.noise_power(checked.noise_bandwidth)
    )
    if not _FIGURES[0] <= figure <= _FIGURES[1]:
        side = "below" if figure < 0 else "above"
        level = f"{_digit(checked.noise_variance)} is {_digit(abs(figure))} dB {side} k T B"
        warn(
            f"noise_variance of {level} of the {_digit(checked.noise_bandwidth)} Hz in which this "
            "scene counts power: watts of one complex sample expected, k T B F, which "
            "noise_figure_db gives"
        )
    with np.errstate(all="ignore"):
        loss = wavelength / nearest[0] / nearest[1]
        gain = np.max(checked.transmit_gain) * np.max(checked.receive_gain) * loss**2
        gain = gain * np.max(checked.mean_rcs, initial=0.0) / (4 * np.pi) ** 3
    if gain > 1:
        warn(
            f"mean_rcs lets a path return {_digit(gain)} of the power sent, a gain above one: "
            "places in metres, mean_rcs in m^2 and linear gains expected"
        )


def gains(name: str, value: Any) -> None:
    """Warn of complex gains above one: linear amplitudes are expected."""
    largest = np.max(np.abs(_checks.finite(name, value, complex)), initial=0.0)
    if largest > 1:
        warn(f"{name} of {_digit(largest)} is a gain above one: linear amplitudes expected")


def transposed(name: str, snr: Array, distance: Array) -> None:
    """Warn of an SNR of as many targets as access points, whose axes are interchanged.

    Both are (targets, access points). An SNR that falls with the fourth power of the distance is,
    times that, a factor of the target times one of the access point; with the axes interchanged
    it is not. Two of each can be explained either way, and nothing else is guessed.
    """
    square = snr.ndim == 2 and snr.shape == distance.shape == snr.shape[::-1]
    if (
        square
        and np.all(snr > 0)
        and _unlike(snr, distance) > 1e-3 > 1e6 * _unlike(snr.T, distance)
    ):
        warn(f"{name} fits the distances with its axes interchanged: (targets, APs) expected")


def _unlike(snr: Array, distance: Array) -> float:
    """How far ``snr distance^4`` is from a product of a row's and a column's factor."""
    level = np.log(snr) + 4 * np.log(distance)
    rest = level - level.mean(axis=0) - level.mean(axis=1, keepdims=True) + level.mean()
    return float(np.max(np.abs(rest)))


def bound(peb: Array, wavelength: float) -> None:
    """Warn of a position error bound below a thousandth of the wavelength."""
    least = np.min(peb, initial=np.inf)
    if least < _LEAST_BOUND * wavelength:
        warn(
            f"PEB of {_digit(least)} m is below a thousandth of the wavelength: check the watts of "
            "power and noise_variance, and that gains are linear"
        )


def _digit(number: float) -> str:
    """One digit, the others zeros."""
    return f"{float(f'{number:.1g}'):g}"


def _neighbours(elements: Array) -> float:
    """Distance of the first element from its nearest neighbour; inf for a single one."""
    apart = np.linalg.norm(elements[1:] - elements[0], axis=-1)
    return float(np.min(apart[apart > 0], initial=np.inf))
