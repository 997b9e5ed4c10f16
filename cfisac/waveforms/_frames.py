"""What every waveform shares: the six sums, and checks of frames, grids and paths."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

WHOLE = 1e-9  # a delay this close to a whole number of samples, in samples, is that number
LEAST, MOST = 1e-100, 1e100  # Hz or s: the squares of what is outside may not fit a float
TURNS = 1e6  # of the Doppler shift within the frame; more would cost too many digits of the phase


class SignalFactors(NamedTuple):
    """The six sums ``R^(i,j)`` of fan_conf (29), with derivatives by delay (i) and Doppler (j).

    ``R10 = <Psi, d Psi / d tau>``, ``R11 = <d Psi / d tau, d Psi / d nu>``,
    ``R20 = |d Psi / d tau|^2`` and so on, summed over all entries; ``R00 = |Psi|^2 = MN``.
    Seconds are the unit, so R20 is in s^-2 and R02 in s^2.

    Examples
    --------
    >>> from cfisac.waveforms import OTFS
    >>> sums = OTFS(4, 2, 15e3).signal_factors(0.0)
    >>> print(sums.R00, f'{abs(sums.R10):.3g}')
    8.0 1.13e+06
    """

    R00: Any
    R10: Any
    R01: Any
    R11: Any
    R20: Any
    R02: Any


@dataclass(frozen=True)
class Frame(ABC):
    """Symbols on subcarriers: the three numbers that OFDM and OTFS begin with."""

    n_subcarriers: int
    n_symbols: int
    subcarrier_spacing: float

    def __post_init__(self) -> None:
        """Refuse a frame that cannot exist."""
        for name, check in (
            ("n_subcarriers", _checks.count),
            ("n_symbols", _checks.count),
            ("subcarrier_spacing", extent),
        ):
            object.__setattr__(self, name, _checks.one(name, getattr(self, name), check))

    @property
    @abstractmethod
    def symbol_period(self) -> float:
        """In seconds, from one symbol to the next."""

    @property
    def bandwidth(self) -> float:
        """``M Delta f`` in Hz."""
        return self.n_subcarriers * self.subcarrier_spacing

    @property
    def sample_period(self) -> float:
        """``1 / (M Delta f)`` in seconds."""
        return 1 / self.bandwidth

    @property
    def frame_duration(self) -> float:
        """The symbols' time in seconds, ``N T_o`` of OFDM with its CPs, ``N T`` of OTFS without."""
        return self.n_symbols * self.symbol_period


def extent(name: str, value: ArrayLike) -> Array:
    """A positive number whose square is one as well."""
    array = _checks.positive(name, value)
    if not np.all((array >= LEAST) & (array <= MOST)):
        raise ValueError(f"{name} must be in {LEAST:g}..{MOST:g}, got {array.max():g}")
    return array


def extent_or_zero(name: str, value: ArrayLike) -> Array:
    """The same, or zero."""
    array = _checks.non_negative(name, value)
    return array if np.all(array == 0) else extent(name, array)


def checked_grid(name: str, value: ArrayLike, waveform: Frame) -> ComplexArray:
    """Symbols (..., N, M) of this waveform."""
    grid = _checks.finite(name, value, complex)
    shape = waveform.n_symbols, waveform.n_subcarriers
    if grid.shape[-2:] != shape:
        raise ValueError(f"{name} must have shape (..., {shape[0]}, {shape[1]}), got {grid.shape}")
    return grid


def frame_samples(name: str, value: ArrayLike, length: int) -> ComplexArray:
    """Samples (..., length)."""
    samples = _checks.finite(name, value, complex)
    if samples.shape[-1:] != (length,):
        raise ValueError(f"{name} must have shape (..., {length}), got {samples.shape}")
    return samples


def checked_path(delay: ArrayLike, doppler: ArrayLike, waveform: Frame) -> tuple[Array, Array]:
    """Delay and Doppler shift of one shape, both in range."""
    delay, doppler = _checks.non_negative("delay", delay), _checks.finite("doppler", doppler)
    limit = TURNS / waveform.frame_duration
    if not np.all(np.abs(doppler) <= limit):
        raise ValueError(
            f"doppler must be within -{limit:g}..{limit:g} Hz, {TURNS:g} turns in the frame, "
            f"got {doppler.flat[np.abs(doppler).argmax()]:g}"
        )
    try:
        delay, doppler = np.broadcast_arrays(delay, doppler)
    except ValueError as error:
        raise ValueError(
            f"delay and doppler must broadcast, got {delay.shape} and {doppler.shape}"
        ) from error
    return delay, doppler


def within(name: str, value: ArrayLike, limit: float, what: str) -> Array:
    """Times of at least zero and below a limit."""
    checked = _checks.non_negative(name, value)
    if not np.all(checked < limit):
        raise ValueError(
            f"{name} must be within {what}, 0 <= {name} < {limit:g} s, got {checked.max():g}"
        )
    return checked


def sums_like(delay: Array, **sums: Any) -> SignalFactors:
    """Six sums, each with the shape of the delay."""
    zeros = np.zeros(delay.shape)
    return SignalFactors(**{name: value + zeros for name, value in sums.items()})


def rotations(step: Array, index: NDArray[Any]) -> ComplexArray:
    """``exp(j 2 pi step index)``, the index on the last axis."""
    return np.exp(2j * np.pi * step[..., None] * index)
