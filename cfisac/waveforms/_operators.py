"""The delay–Doppler operators of OTFS: a delay that is exact between samples, and fan_conf (9)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac.waveforms._frames import Array, ComplexArray, Frame, rotations


def delayed(frame: ComplexArray, late: Array) -> ComplexArray:
    """Delay every symbol (..., N, M) by ``late`` samples; what leaves one enters the next."""
    n, m = frame.shape[-2:]
    turn = rotations(-late / m, np.arange(m))[..., None, :]
    inside = np.fft.ifft(np.fft.fft(frame, axis=-1) * turn, axis=-1)
    symbol = np.floor((np.arange(m) - late[..., None]) / m).astype(np.int64)
    source = (np.arange(n)[:, None] + symbol[..., None, :]) % n
    source = source.reshape((1,) * (inside.ndim - source.ndim) + source.shape)
    return np.take_along_axis(inside, source, axis=-2)


def exact(waveform: Frame, late: Array, doppler: Array) -> ComplexArray:
    """The sampled operator (..., MN, MN) for checked delays in samples and Doppler shifts in Hz."""
    bins, rows = np.arange(waveform.n_subcarriers), np.arange(waveform.n_symbols)
    behind = bins - late[..., None]  # where in its symbol the sample was sent, (..., l)
    symbol = np.floor(behind / waveform.n_subcarriers)
    phase = rotations(doppler * waveform.sample_period, behind)
    wrap = np.exp(2j * np.pi / waveform.n_symbols * symbol[..., None] * rows)  # (..., l, k')
    by_doppler = kernel(rows[:, None] - rows, doppler * waveform.frame_duration)
    by_delay = kernel(bins[:, None] - bins, late).conj()
    psi = np.einsum("...kK,...lL,...l,...lK->...klKL", by_doppler, by_delay, phase, wrap)
    size = waveform.n_subcarriers * waveform.n_symbols
    return psi.reshape(*psi.shape[:-4], size, size)


def printed(waveform: Frame, late: Array, doppler: Array, mended: bool) -> ComplexArray:
    """The operator (..., MN, MN) as fan_conf (9) prints it, or with its sign mended."""
    bins, rows = np.arange(waveform.n_subcarriers), np.arange(waveform.n_symbols)
    wrapped = bins >= waveform.n_subcarriers - np.ceil(late)[..., None]
    turns = doppler[..., None, None] * waveform.symbol_period + rows[:, None] / waveform.n_symbols
    wrap = np.where(wrapped[..., None, :], np.exp(-2j * np.pi * turns), 1)  # (..., k', l')
    phase = rotations(doppler * waveform.sample_period, bins)
    by_doppler = kernel(rows[:, None] - rows, doppler * waveform.frame_duration)
    by_delay = kernel(bins[:, None] - bins, late)
    by_delay = by_delay.conj() if mended else by_delay
    psi = np.einsum("...kK,...lL,...L,...KL->...klKL", by_doppler, by_delay, phase, wrap)
    size = waveform.n_subcarriers * waveform.n_symbols
    return psi.reshape(*psi.shape[:-4], size, size)


def kernel(apart: NDArray[Any], shift: Array) -> ComplexArray:
    """``mean_n exp(j 2 pi (-apart + shift) n / size)`` for received minus sent index ``apart``."""
    size = len(apart)
    lag = shift[..., None, None] - apart
    return np.exp(2j * np.pi / size * lag[..., None] * np.arange(size)).mean(axis=-1)
