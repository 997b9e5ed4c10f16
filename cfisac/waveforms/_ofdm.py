"""OFDM: a cyclic prefix before every symbol, and the path as a diagonal matrix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cfisac import _checks
from cfisac.waveforms._frames import (
    WHOLE,
    Array,
    ComplexArray,
    Frame,
    SignalFactors,
    checked_grid,
    checked_path,
    extent_or_zero,
    frame_samples,
    rotations,
    sums_like,
)


@dataclass(frozen=True)
class OFDM(Frame):
    """N symbols of M subcarriers, each symbol with its own cyclic prefix (CP).

    Parameters
    ----------
    n_subcarriers : int
        M >= 1. With 1 the delay cannot be identified.
    n_symbols : int
        N >= 1. With 1 the Doppler shift cannot be identified.
    subcarrier_spacing : float
        Delta f in Hz, 1e-100 to 1e100.
    cp_duration : float
        T_cp in seconds, 0 or 1e-100 to 1e100. It is the largest delay that :meth:`operator` and
        :meth:`apply` take.

    Raises
    ------
    ValueError
        If a parameter is not one number in its range.

    Notes
    -----
    The path multiplies the symbol on subcarrier m of symbol n by
    ``exp(-j 2 pi m Delta f tau) exp(j 2 pi n T_o nu)``, ``T_o = 1 / Delta f + T_cp``
    (fan_journal (63)-(64), reconstructed). This leaves out the leakage between subcarriers that a
    Doppler shift causes inside a symbol; it is small as long as ``|nu|`` is far below ``Delta f``.
    A common phase ``exp(-j 2 pi nu tau)`` and the mean turn inside a symbol are left to the gain of
    the path; put them back before adding paths.

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.waveforms import OFDM
    >>> frame = OFDM(n_subcarriers=8, n_symbols=4, subcarrier_spacing=60e3, cp_duration=4 / 480e3)
    >>> print(f'{frame.bandwidth:g} Hz, {frame.frame_duration:.3g} s, {frame.prelog():.3f}')
    480000 Hz, 0.0001 s, 0.667
    >>> grid = np.ones((4, 8))
    >>> np.allclose(frame.demodulate(frame.modulate(grid)), grid)
    True
    >>> frame.apply(grid, delay=1e-6, doppler=100.0).shape
    (4, 8)
    >>> print([f'{v:.3g}' for v in np.diag(frame.delay_doppler_covariance())])  # s^-2, s^2
    ['7.46e+11', '3.08e-08']
    """

    cp_duration: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a frame that cannot exist."""
        super().__post_init__()
        cp_duration = _checks.one("cp_duration", self.cp_duration, extent_or_zero)
        object.__setattr__(self, "cp_duration", cp_duration)

    @property
    def symbol_period(self) -> float:
        """``T_o = 1 / Delta f + T_cp`` in seconds, from one symbol to the next."""
        return 1 / self.subcarrier_spacing + self.cp_duration

    @property
    def longest_delay(self) -> float:
        """Largest delay that the model holds for, the CP, in s; ``inf`` if none is modelled."""
        return self.cp_duration if self.cp_duration > 0 else np.inf

    @property
    def cp_samples(self) -> int:
        """Length of one CP in samples; ``ValueError`` if that is no whole number."""
        samples = self.cp_duration * self.bandwidth
        if abs(samples - round(samples)) > WHOLE * max(1.0, samples):
            raise ValueError(
                f"cp_duration must be a whole number of samples of {self.sample_period:g} s, "
                f"got {samples:g}"
            )
        return round(samples)

    def delay_doppler_covariance(self) -> Array:
        """Covariance of the waveform factor for (tau, nu), averaged as the module says.

        Returns
        -------
        (2, 2)
            ``diag((2 pi Delta f)^2 (M^2 - 1), (2 pi T_o)^2 (N^2 - 1)) / 12`` in s^-2 and s^2,
            ``diag(d_33, d_44) / MN`` of fan_journal Corollary 1. Exactly 0 where there is one
            subcarrier or one symbol: the bound is then infinite.
        """
        return np.diag(
            [
                (2 * np.pi * self.subcarrier_spacing) ** 2 * (self.n_subcarriers**2 - 1) / 12,
                (2 * np.pi * self.symbol_period) ** 2 * (self.n_symbols**2 - 1) / 12,
            ]
        )

    def signal_factors(self, delay: ArrayLike = 0.0) -> SignalFactors:
        """Sums of fan_journal Corollary 1 (reconstructed), with the signs of :meth:`operator`.

        Parameters
        ----------
        delay : (...) float
            tau in seconds, 0 <= tau <= ``cp_duration``. It only gives the sums their shape; the
            argument is there so that both waveforms are called alike.

        Returns
        -------
        SignalFactors
            Six sums of shape (...).

        Raises
        ------
        ValueError
            If ``delay`` is outside the CP.
        """
        delay = _checks.non_negative("delay", delay)
        self._within_cp(delay)
        m, n = self.n_subcarriers, self.n_symbols
        energy, by_delay, by_doppler = m * n, self.subcarrier_spacing, self.symbol_period
        return sums_like(
            delay,
            R00=float(energy),
            R10=-1j * np.pi * by_delay * (m - 1) * energy,
            R01=1j * np.pi * by_doppler * (n - 1) * energy,
            R11=-(np.pi**2) * by_delay * by_doppler * (m - 1) * (n - 1) * energy,
            R20=(2 * np.pi * by_delay) ** 2 * energy * (m - 1) * (2 * m - 1) / 6,
            R02=(2 * np.pi * by_doppler) ** 2 * energy * (n - 1) * (2 * n - 1) / 6,
        )

    def prelog(self, cp_samples: ArrayLike | None = None) -> Array:
        """Share of the time that carries data, ``M / (M + N_cp)``; ``N_cp`` >= 0 of shape (...).

        Without an argument ``N_cp`` is :attr:`cp_samples`.
        """
        cp_samples = self.cp_samples if cp_samples is None else cp_samples
        cp_samples = _checks.count("cp_samples", cp_samples, least=0)
        return np.asarray(self.n_subcarriers / (self.n_subcarriers + cp_samples))

    def modulate(self, grid: ArrayLike) -> ComplexArray:
        """Samples of a frame of time–frequency symbols, a CP before each OFDM symbol.

        Parameters
        ----------
        grid : (..., N, M) complex
            One symbol per OFDM symbol n and subcarrier m.

        Returns
        -------
        (..., N * (N_cp + M)) complex
            Samples at the rate ``M Delta f``. Without the CPs their energy is that of the grid.

        Raises
        ------
        ValueError
            If ``grid`` does not fit or ``cp_duration`` is no whole number of samples <= M.
        """
        grid = checked_grid("grid", grid, self)
        cp = self._cp_within_a_symbol()
        time = np.fft.ifft(grid, axis=-1, norm="ortho")
        with_cp = np.concatenate([time[..., self.n_subcarriers - cp :], time], axis=-1)
        return with_cp.reshape(*grid.shape[:-2], -1)

    def demodulate(self, samples: ArrayLike) -> ComplexArray:
        """Drop the CPs and transform back, (..., N * (N_cp + M)) -> (..., N, M).

        Raises
        ------
        ValueError
            If ``samples`` does not fit or ``cp_duration`` is no whole number of samples <= M.
        """
        cp = self._cp_within_a_symbol()
        length = self.n_symbols * (self.n_subcarriers + cp)
        samples = frame_samples("samples", samples, length)
        blocks = samples.reshape(*samples.shape[:-1], self.n_symbols, self.n_subcarriers + cp)
        return np.fft.fft(blocks[..., cp:], axis=-1, norm="ortho")

    def _cp_within_a_symbol(self) -> int:
        if self.cp_samples > self.n_subcarriers:
            raise ValueError(
                f"cp_duration must be at most one symbol of {1 / self.subcarrier_spacing:g} s "
                f"in the modem, got {self.cp_duration:g} s"
            )
        return self.cp_samples

    def operator(self, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        """Diagonal matrix (..., MN, MN) of :meth:`apply`, index ``n M + m``, for small frames."""
        response = self._response(delay, doppler)
        size = self.n_subcarriers * self.n_symbols
        return response.reshape(*response.shape[:-2], size)[..., None] * np.eye(size)

    def apply(self, grid: ArrayLike, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        """Received time–frequency grid of one path, without leakage between subcarriers.

        Parameters
        ----------
        grid : (..., N, M) complex
            Symbols sent.
        delay : (...) float
            tau in seconds, 0 <= tau <= ``cp_duration``.
        doppler : (...) float
            nu in Hz, at most 1e6 turns within the frame.

        Returns
        -------
        (..., N, M) complex

        Raises
        ------
        ValueError
            If an argument does not fit or ``delay`` or ``doppler`` is out of range.
        """
        grid, response = checked_grid("grid", grid, self), self._response(delay, doppler)
        _checks.must_broadcast(
            grid=grid.shape[:-2], delay=np.shape(delay), doppler=np.shape(doppler)
        )
        return grid * response

    def _response(self, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        delay, doppler = checked_path(delay, doppler, self)
        self._within_cp(delay)
        by_carrier = rotations(-self.subcarrier_spacing * delay, np.arange(self.n_subcarriers))
        by_symbol = rotations(self.symbol_period * doppler, np.arange(self.n_symbols))
        return by_symbol[..., :, None] * by_carrier[..., None, :]

    def _within_cp(self, delay: Array) -> None:
        if not np.all(delay <= self.cp_duration * (1 + WHOLE)):
            raise ValueError(
                f"delay must be within the CP, 0 <= delay <= {self.cp_duration:g} s, "
                f"got {delay.max():g}"
            )
