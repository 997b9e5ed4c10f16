"""Flat spectrum, OFDM and OTFS: modems, delay–Doppler operators and delay–Doppler covariances.

A path delays the waveform by tau and shifts it by nu::

    r(t) = s(t - tau) exp(j 2 pi nu (t - tau)).

OTFS takes this literally; OFDM leaves a common phase of it to the gain (see there). With an
unknown complex gain on the path, the information about (tau, nu) is ``2 SNR`` times the
covariance of the waveform factor (the factor theorem), here averaged over symbols x of mean
zero, uncorrelated and of equal energy: ``E[x x^H]`` a multiple of the identity. Grids have the
symbols (or Doppler bins) in the rows and the subcarriers (or delay bins) in the columns, shape
(..., N, M).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_WHOLE = 1e-9  # a delay this close to a whole number of samples, in samples, is that number
_LEAST, _MOST = 1e-100, 1e100  # Hz or s: the squares of what is outside may not fit a float
_TURNS = 1e6  # of the Doppler shift within the frame; more would cost too many digits of the phase


class SignalFactors(NamedTuple):
    """The six sums ``R^(i,j)`` of fan_conf (29), with derivatives by delay (i) and Doppler (j).

    ``R10 = <Psi, d Psi / d tau>``, ``R11 = <d Psi / d tau, d Psi / d nu>``,
    ``R20 = |d Psi / d tau|^2`` and so on, summed over all entries; ``R00 = |Psi|^2 = MN``.
    Seconds are the unit, so R20 is in s^-2 and R02 in s^2.
    """

    R00: Any
    R10: Any
    R01: Any
    R11: Any
    R20: Any
    R02: Any


@dataclass(frozen=True)
class FlatSpectrum:
    """A pulse whose energy is spread evenly over a band.

    Parameters
    ----------
    bandwidth : float
        W in Hz, 1e-100 to 1e100.

    Raises
    ------
    ValueError
        If ``bandwidth`` is not one number in that range.
    """

    bandwidth: float

    def __post_init__(self) -> None:
        """Refuse a pulse that cannot exist."""
        object.__setattr__(self, "bandwidth", _checks.one("bandwidth", self.bandwidth, _size))

    @property
    def delay_variance(self) -> float:
        """Covariance of the waveform factor for the delay, ``(2 pi W)^2 / 12`` in (rad/s)^2."""
        return (2 * np.pi * self.bandwidth) ** 2 / 12


@dataclass(frozen=True)
class OFDM:
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
    """

    n_subcarriers: int
    n_symbols: int
    subcarrier_spacing: float
    cp_duration: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a frame that cannot exist."""
        _check_frame(self)
        cp_duration = _checks.one("cp_duration", self.cp_duration, _size_or_zero)
        object.__setattr__(self, "cp_duration", cp_duration)

    @property
    def bandwidth(self) -> float:
        """``M Delta f`` in Hz."""
        return self.n_subcarriers * self.subcarrier_spacing

    @property
    def sample_period(self) -> float:
        """``1 / (M Delta f)`` in seconds."""
        return 1 / self.bandwidth

    @property
    def symbol_period(self) -> float:
        """``T_o = 1 / Delta f + T_cp`` in seconds, from one symbol to the next."""
        return 1 / self.subcarrier_spacing + self.cp_duration

    @property
    def frame_duration(self) -> float:
        """``N T_o`` in seconds."""
        return self.n_symbols * self.symbol_period

    @property
    def longest_delay(self) -> float:
        """Largest delay that the model holds for, the CP, in s; ``inf`` if none is modelled."""
        return self.cp_duration if self.cp_duration > 0 else np.inf

    @property
    def cp_samples(self) -> int:
        """Length of one CP in samples; ``ValueError`` if that is no whole number."""
        samples = self.cp_duration * self.bandwidth
        if abs(samples - round(samples)) > _WHOLE * max(1.0, samples):
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
        return _sums_like(
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
        grid = _grid("grid", grid, self)
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
        samples = _frame_samples("samples", samples, length)
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
        grid, response = _grid("grid", grid, self), self._response(delay, doppler)
        _checks.must_broadcast(
            grid=grid.shape[:-2], delay=np.shape(delay), doppler=np.shape(doppler)
        )
        return grid * response

    def _response(self, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        delay, doppler = _path(delay, doppler, self)
        self._within_cp(delay)
        by_carrier = _turns(-self.subcarrier_spacing * delay, np.arange(self.n_subcarriers))
        by_symbol = _turns(self.symbol_period * doppler, np.arange(self.n_symbols))
        return by_symbol[..., :, None] * by_carrier[..., None, :]

    def _within_cp(self, delay: Array) -> None:
        if not np.all(delay <= self.cp_duration * (1 + _WHOLE)):
            raise ValueError(
                f"delay must be within the CP, 0 <= delay <= {self.cp_duration:g} s, "
                f"got {delay.max():g}"
            )


@dataclass(frozen=True)
class OTFS:
    """N symbols of M subcarriers, rectangular pulses, one cyclic prefix (CP) before the frame.

    The data sit on the delay–Doppler grid: row k is the Doppler bin ``k / (N T)``, column l the
    delay bin ``l / (M Delta f)``.

    Parameters
    ----------
    n_subcarriers : int
        M >= 1. With 1 the delay cannot be identified.
    n_symbols : int
        N >= 1.
    subcarrier_spacing : float
        Delta f in Hz, 1e-100 to 1e100.
    symbol_duration : float, optional
        T in seconds, 1e-100 to 1e100; ``1 / Delta f`` if not given. Another T is taken by the
        covariance, the signal factors and the printed operator; the modem and the exact operator
        need ``T Delta f = 1``.

    Raises
    ------
    ValueError
        If a parameter is not one number in its range.

    Notes
    -----
    Symbol n is the waveform ``sum_m X[n, m] exp(j 2 pi m Delta f (t - n T)) / sqrt(M)`` on
    ``n T <= t < (n + 1) T``, as in fan_conf (2) with its sign mended, where X is the inverse
    symplectic Fourier transform (1) of the grid. The CP repeats the end of the last symbol. The
    receiver samples at the rate ``M Delta f`` and takes the sums (6) over those samples. A delay
    within 1e-9 of a whole number of samples counts as that number. A Doppler shift may turn by at
    most 1e6 within the frame.
    """

    n_subcarriers: int
    n_symbols: int
    subcarrier_spacing: float
    symbol_duration: float | None = None

    def __post_init__(self) -> None:
        """Refuse a frame that cannot exist."""
        _check_frame(self)
        if self.symbol_duration is not None:
            duration = _checks.one("symbol_duration", self.symbol_duration, _size)
            object.__setattr__(self, "symbol_duration", duration)

    @property
    def bandwidth(self) -> float:
        """``M Delta f`` in Hz."""
        return self.n_subcarriers * self.subcarrier_spacing

    @property
    def sample_period(self) -> float:
        """``1 / (M Delta f)`` in seconds."""
        return 1 / self.bandwidth

    @property
    def symbol_period(self) -> float:
        """T in seconds, from one symbol to the next."""
        return 1 / self.subcarrier_spacing if self.symbol_duration is None else self.symbol_duration

    @property
    def frame_duration(self) -> float:
        """``N T`` in seconds, without the CP."""
        return self.n_symbols * self.symbol_period

    @property
    def longest_delay(self) -> float:
        """Largest delay that the model holds for, the frame, in s, with a CP of that length."""
        return self.frame_duration

    def delay_doppler_covariance(self) -> Array:
        """Covariance of the waveform factor for (tau, nu), averaged as the module says.

        Returns
        -------
        (2, 2)
            In s^-2 and s^2, in the order (tau, nu):
            ``(2 pi Delta f)^2 (M^2 - 1) / 12``, the variance of the subcarriers, and
            ``(2 pi)^2 [T^2 (N^2 - 1) + (M^2 - 1) / (M Delta f)^2] / 12``, the variance of the
            sample times ``n T + l / (M Delta f)``. Exactly 0 where M = 1 or M = N = 1: the bound
            is then infinite.

            With ``T Delta f = 1`` the latter is ``(2 pi T / M)^2 ((M N)^2 - 1) / 12`` and the
            whole is ``diag(d_33, d_44) / MN`` of fan_conf (33). For another T it is that without
            the part of d_44 that depends on the delay, ``l_tau = ceil(tau M Delta f)``:
            ``(2 pi)^2 T (T - 1 / Delta f) (l_tau / M) (1 - l_tau / M)``, which
            :meth:`signal_factors` has and a sampled signal has not: its samples keep their times
            whatever the delay.
        """
        of_carriers = (self.n_subcarriers**2 - 1) / 12
        of_symbols = (self.n_symbols**2 - 1) / 12
        times = self.symbol_period**2 * of_symbols + self.sample_period**2 * of_carriers
        return (2 * np.pi) ** 2 * np.diag([self.subcarrier_spacing**2 * of_carriers, times])

    def signal_factors(self, delay: ArrayLike) -> SignalFactors:
        """Closed sums of the operator (9) with its sign mended, fan_conf (31) for any T.

        Parameters
        ----------
        delay : (...) float
            tau in seconds, 0 <= tau < T. It decides which delay bins wrap into the next symbol.

        Returns
        -------
        SignalFactors
            Six sums of shape (...), as printed but for two things: R10 and R11 are negative,
            because a delay turns subcarrier m by ``-2 pi m Delta f tau``, and R11 is
            ``-pi^2 (M - 1) N [T Delta f (N - 1) M + 2 Delta f sum g]``, which (31d) gives for
            ``T Delta f = 1``. The Doppler shift enters none of them.

        Raises
        ------
        ValueError
            If ``delay`` is not within one symbol.
        """
        delay = _within("delay", delay, self.symbol_period, "one symbol")
        m, n = self.n_subcarriers, self.n_symbols
        spacing, period = self.subcarrier_spacing, self.symbol_period
        bins = np.arange(m)
        wrapped = bins >= m - np.ceil(self._in_samples(delay))[..., None]
        g = bins * self.sample_period - period * wrapped
        g_sum, g_square = g.sum(axis=-1), (g**2).sum(axis=-1)
        return _sums_like(
            delay,
            R00=float(m * n),
            R10=-1j * np.pi * spacing * (m - 1) * m * n,
            R01=1j * np.pi * (period * (n - 1) * m * n + 2 * n * g_sum),
            R11=-(np.pi**2) * spacing * (m - 1) * n * (period * (n - 1) * m + 2 * g_sum),
            R20=(2 * np.pi * spacing) ** 2 * (m - 1) * m * n * (2 * m - 1) / 6,
            R02=(2 * np.pi) ** 2 * n * (
                period**2 * (n - 1) * m * (2 * n - 1) / 6 + g_square + period * (n - 1) * g_sum
            ),
        )  # fmt: skip

    def prelog(self, cp_samples: ArrayLike) -> Array:
        """Share of the time that carries data, ``MN / (MN + N_cp)``; ``N_cp`` >= 0, shape (...)."""
        cp_samples = _checks.count("cp_samples", cp_samples, least=0)
        size = self.n_subcarriers * self.n_symbols
        return np.asarray(size / (size + cp_samples))

    def modulate(self, grid: ArrayLike, cp_samples: int) -> ComplexArray:
        """Samples of a delay–Doppler grid: inverse symplectic transform, pulses, one CP.

        Parameters
        ----------
        grid : (..., N, M) complex
            One symbol per Doppler bin k and delay bin l.
        cp_samples : int
            N_cp, 0 to MN.

        Returns
        -------
        (..., N_cp + MN) complex
            Samples at the rate ``M Delta f`` (fan_conf (1), (2)). Without the CP their energy is
            that of the grid. The transform of (1) along the subcarriers and the sum (2) over them
            undo each other, so one transform of N points is all there is to do.

        Raises
        ------
        ValueError
            If an argument does not fit or ``symbol_duration`` is not ``1 / subcarrier_spacing``.
        """
        self._need_critical_symbols()
        grid, cp_samples = _grid("grid", grid, self), self._cp(cp_samples)
        frame = np.fft.ifft(grid, axis=-2, norm="ortho").reshape(*grid.shape[:-2], -1)
        return np.concatenate([frame[..., frame.shape[-1] - cp_samples :], frame], axis=-1)

    def channel(
        self, samples: ArrayLike, delay: ArrayLike, doppler: ArrayLike, cp_samples: int
    ) -> ComplexArray:
        """Samples of the frame after a path, before the CP is dropped.

        Parameters
        ----------
        samples : (..., N_cp + MN) complex
            From :meth:`modulate`. Nothing was sent before them.
        delay : (...) float
            tau in seconds, no longer than the CP. Between the samples each symbol is the waveform
            that the class states.
        doppler : (...) float
            nu in Hz. Its phase is zero at the first sample after the CP.
        cp_samples : int
            N_cp, 0 to MN.

        Returns
        -------
        (..., N_cp + MN) complex
            ``s(t - tau) exp(j 2 pi nu (t - tau))`` at the sample times.

        Raises
        ------
        ValueError
            If an argument does not fit, ``delay`` is longer than the CP, ``doppler`` out of range,
            or ``symbol_duration`` not ``1 / subcarrier_spacing``.
        """
        self._need_critical_symbols()
        cp_samples = self._cp(cp_samples)
        m, n = self.n_subcarriers, self.n_symbols
        samples = _frame_samples("samples", samples, cp_samples + m * n)
        delay, doppler = _path(delay, doppler, self)
        late = self._in_samples(delay)
        if not np.all(late <= cp_samples):
            raise ValueError(
                f"delay must be within the CP, 0 <= delay <= {cp_samples * self.sample_period:g} s,"
                f" got {delay.max():g}"
            )
        _checks.must_broadcast(
            samples=samples.shape[:-1], delay=np.shape(delay), doppler=np.shape(doppler)
        )
        body = samples[..., cp_samples:]
        body = self._delayed(body.reshape(*body.shape[:-1], n, m), late)
        body = body.reshape(*body.shape[:-2], -1)
        late = late[..., None]
        position = np.arange(-cp_samples, m * n)
        arrived = position - late >= -cp_samples
        phase = doppler[..., None] * self.sample_period * (position - late)
        received = np.concatenate([body[..., m * n - cp_samples :], body], axis=-1)
        return np.where(arrived, received * np.exp(2j * np.pi * phase), 0)

    def demodulate(self, samples: ArrayLike, cp_samples: int) -> ComplexArray:
        """Drop the CP and return to the grid: Wigner and symplectic transform (fan_conf (6)).

        Parameters
        ----------
        samples : (..., N_cp + MN) complex
            Received samples.
        cp_samples : int
            N_cp, 0 to MN.

        Returns
        -------
        (..., N, M) complex

        Raises
        ------
        ValueError
            If an argument does not fit or ``symbol_duration`` is not ``1 / subcarrier_spacing``.
        """
        self._need_critical_symbols()
        cp_samples = self._cp(cp_samples)
        m, n = self.n_subcarriers, self.n_symbols
        samples = _frame_samples("samples", samples, cp_samples + m * n)
        blocks = samples[..., cp_samples:].reshape(*samples.shape[:-1], n, m)
        return np.fft.fft(blocks, axis=-2, norm="ortho")

    def operator(self, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        """Exact sampled delay–Doppler operator of one path, dense: for small frames.

        Parameters
        ----------
        delay : (...) float
            tau in seconds, 0 <= tau < N T; the CP is taken to be at least as long.
        doppler : (...) float
            nu in Hz.

        Returns
        -------
        (..., MN, MN) complex
            Unitary, index ``k M + l``; primed is sent, unprimed received::

                1/N sum_n exp(j 2 pi (k' - k + nu N T) n / N)
                * 1/M sum_m exp(-j 2 pi (l' - l + tau M Delta f) m / M)
                * exp(j 2 pi nu (l / (M Delta f) - tau)) * (1 or exp(-j 2 pi k' / N)),

            the last where ``l < tau M Delta f``, once more for each whole symbol in the delay.

        Raises
        ------
        ValueError
            If ``delay`` or ``doppler`` is out of range or ``symbol_duration`` is not
            ``1 / subcarrier_spacing``.
        """
        late, doppler = self._exact_path(delay, doppler)
        bins, rows = np.arange(self.n_subcarriers), np.arange(self.n_symbols)
        behind = bins - late[..., None]  # where in its symbol the sample was sent, (..., l)
        symbol = np.floor(behind / self.n_subcarriers)
        phase = _turns(doppler * self.sample_period, behind)
        wrap = np.exp(2j * np.pi / self.n_symbols * symbol[..., None] * rows)  # (..., l, k')
        by_doppler = _kernel(rows[:, None] - rows, doppler * self.frame_duration)
        by_delay = _kernel(bins[:, None] - bins, late).conj()
        psi = np.einsum("...kK,...lL,...l,...lK->...klKL", by_doppler, by_delay, phase, wrap)
        size = self.n_subcarriers * self.n_symbols
        return psi.reshape(*psi.shape[:-4], size, size)

    def apply(self, grid: ArrayLike, delay: ArrayLike, doppler: ArrayLike) -> ComplexArray:
        """Received grid of one path, ``operator(delay, doppler) @ grid``, in O(MN log MN).

        Parameters
        ----------
        grid : (..., N, M) complex
            Symbols sent, Doppler bins in the rows and delay bins in the columns.
        delay : (...) float
            tau in seconds, 0 <= tau < N T; the CP is taken to be at least as long.
        doppler : (...) float
            nu in Hz.

        Returns
        -------
        (..., N, M) complex
            The leading axes of the three broadcast: many antennas, many paths.

        Raises
        ------
        ValueError
            If an argument does not fit, ``delay`` or ``doppler`` is out of range or
            ``symbol_duration`` is not ``1 / subcarrier_spacing``.
        """
        late, doppler = self._exact_path(delay, doppler)
        grid = _grid("grid", grid, self)
        _checks.must_broadcast(
            grid=grid.shape[:-2], delay=np.shape(delay), doppler=np.shape(doppler)
        )
        frame = self._delayed(np.fft.ifft(grid, axis=-2), late)
        bins, rows = np.arange(self.n_subcarriers), np.arange(self.n_symbols)
        frame = frame * _turns(doppler * self.symbol_period, rows)[..., :, None]
        phase = _turns(doppler * self.sample_period, bins - late[..., None])
        return np.fft.fft(frame * phase[..., None, :], axis=-2)

    def printed_operator(
        self, delay: ArrayLike, doppler: ArrayLike, mended: bool = False
    ) -> ComplexArray:
        """Operator as fan_conf (9) prints it, dense: to compare with, not to use.

        It is unitary, and equal to :meth:`operator` where the delay is a whole number of samples
        and ``T Delta f = 1``. Elsewhere, whichever sign it has, an error of order ``1 / sqrt(M)``
        is left after the best complex gain.

        Parameters
        ----------
        delay : (...) float
            tau in seconds, 0 <= tau < T.
        doppler : (...) float
            nu in Hz.
        mended : bool
            Whether to turn the subcarriers the right way, by ``-2 pi m Delta f tau``.

        Returns
        -------
        (..., MN, MN) complex
            Index ``k M + l``; primed is sent, unprimed received.

        Raises
        ------
        ValueError
            If ``delay`` is not within one symbol, ``doppler`` out of range or ``mended`` no bool.
        """
        if not isinstance(mended, bool | np.bool_):
            raise ValueError(f"mended must be True or False, got {mended!r}")
        delay, doppler = _path(delay, doppler, self)
        delay = _within("delay", delay, self.symbol_period, "one symbol")
        late = self._in_samples(delay)
        bins, rows = np.arange(self.n_subcarriers), np.arange(self.n_symbols)
        wrapped = bins >= self.n_subcarriers - np.ceil(late)[..., None]
        turns = doppler[..., None, None] * self.symbol_period + rows[:, None] / self.n_symbols
        wrap = np.where(wrapped[..., None, :], np.exp(-2j * np.pi * turns), 1)  # (..., k', l')
        phase = _turns(doppler * self.sample_period, bins)
        by_doppler = _kernel(rows[:, None] - rows, doppler * self.frame_duration)
        by_delay = _kernel(bins[:, None] - bins, late)
        by_delay = by_delay.conj() if mended else by_delay
        psi = np.einsum("...kK,...lL,...L,...KL->...klKL", by_doppler, by_delay, phase, wrap)
        size = self.n_subcarriers * self.n_symbols
        return psi.reshape(*psi.shape[:-4], size, size)

    def _delayed(self, frame: ComplexArray, late: Array) -> ComplexArray:
        """Delay every symbol (..., N, M) by ``late`` samples; what leaves one enters the next."""
        m, n = self.n_subcarriers, self.n_symbols
        turn = _turns(-late / m, np.arange(m))[..., None, :]
        inside = np.fft.ifft(np.fft.fft(frame, axis=-1) * turn, axis=-1)
        symbol = np.floor((np.arange(m) - late[..., None]) / m).astype(np.int64)
        source = (np.arange(n)[:, None] + symbol[..., None, :]) % n
        source = source.reshape((1,) * (inside.ndim - source.ndim) + source.shape)
        return np.take_along_axis(inside, source, axis=-2)

    def _exact_path(self, delay: ArrayLike, doppler: ArrayLike) -> tuple[Array, Array]:
        """Checked delay in samples and Doppler shift in Hz, of one shape."""
        self._need_critical_symbols()
        delay, doppler = _path(delay, doppler, self)
        delay = _within("delay", delay, self.frame_duration, "the frame")
        return self._in_samples(delay), doppler

    def _in_samples(self, delay: Array) -> Array:
        late = delay * self.bandwidth
        whole = np.round(late)
        return np.where(np.abs(late - whole) <= _WHOLE, whole, late)

    def _cp(self, cp_samples: int) -> int:
        cp = _checks.one("cp_samples", cp_samples, _checks.count, 0)
        size = self.n_subcarriers * self.n_symbols
        if cp > size:
            raise ValueError(f"cp_samples must be in 0..{size}, no more than the frame, got {cp}")
        return cp

    def _need_critical_symbols(self) -> None:
        if abs(self.symbol_period * self.subcarrier_spacing - 1) > 1e-12:
            raise ValueError(
                "symbol_duration must be 1 / subcarrier_spacing for the modem and the exact "
                f"operator, got {self.symbol_period:g} s for {self.subcarrier_spacing:g} Hz"
            )


def refuse_late(waveform: OFDM | OTFS, name: str, delay: Array) -> None:
    """Refuse delays beyond the model of the waveform; ``name`` is the argument they come from.

    One rule for scenes, maps and bounds. A path that is later than the cyclic prefix disturbs the
    next symbol and loses a part of itself, which no bound here counts. An OFDM without a cyclic
    prefix, ``cp_duration=0``, is one whose prefix is not modelled: any delay will do. A frame of
    OTFS has one prefix, which is taken to be long enough for any delay within the frame.

    Parameters
    ----------
    waveform : OFDM or OTFS
    name : str
        Argument to blame.
    delay : (...) float
        In seconds.

    Raises
    ------
    ValueError
        If one is longer than ``waveform.longest_delay``.
    """
    limit = waveform.longest_delay
    if np.any(delay > limit * (1 + _WHOLE)):
        what = "cyclic prefix" if isinstance(waveform, OFDM) else "frame"
        raise ValueError(
            f"{name} must be so near that no path exceeds the {what} of {limit:g} s; "
            f"the longest takes {np.max(delay):g} s"
        )


def _size(name: str, value: ArrayLike) -> Array:
    """A positive number whose square is one as well."""
    array = _checks.positive(name, value)
    if not np.all((array >= _LEAST) & (array <= _MOST)):
        raise ValueError(f"{name} must be in {_LEAST:g}..{_MOST:g}, got {array.max():g}")
    return array


def _size_or_zero(name: str, value: ArrayLike) -> Array:
    array = _checks.non_negative(name, value)
    return array if np.all(array == 0) else _size(name, array)


def _check_frame(waveform: OFDM | OTFS) -> None:
    for name, check in (
        ("n_subcarriers", _checks.count),
        ("n_symbols", _checks.count),
        ("subcarrier_spacing", _size),
    ):
        object.__setattr__(waveform, name, _checks.one(name, getattr(waveform, name), check))


def _grid(name: str, value: ArrayLike, waveform: OFDM | OTFS) -> ComplexArray:
    grid = _checks.finite(name, value, complex)
    shape = waveform.n_symbols, waveform.n_subcarriers
    if grid.shape[-2:] != shape:
        raise ValueError(f"{name} must have shape (..., {shape[0]}, {shape[1]}), got {grid.shape}")
    return grid


def _frame_samples(name: str, value: ArrayLike, length: int) -> ComplexArray:
    samples = _checks.finite(name, value, complex)
    if samples.shape[-1:] != (length,):
        raise ValueError(f"{name} must have shape (..., {length}), got {samples.shape}")
    return samples


def _path(delay: ArrayLike, doppler: ArrayLike, waveform: OFDM | OTFS) -> tuple[Array, Array]:
    delay, doppler = _checks.non_negative("delay", delay), _checks.finite("doppler", doppler)
    limit = _TURNS / waveform.frame_duration
    if not np.all(np.abs(doppler) <= limit):
        raise ValueError(
            f"doppler must be within -{limit:g}..{limit:g} Hz, {_TURNS:g} turns in the frame, "
            f"got {doppler.flat[np.abs(doppler).argmax()]:g}"
        )
    try:
        delay, doppler = np.broadcast_arrays(delay, doppler)
    except ValueError as error:
        raise ValueError(
            f"delay and doppler must broadcast, got {delay.shape} and {doppler.shape}"
        ) from error
    return delay, doppler


def _within(name: str, value: ArrayLike, limit: float, what: str) -> Array:
    checked = _checks.non_negative(name, value)
    if not np.all(checked < limit):
        raise ValueError(
            f"{name} must be within {what}, 0 <= {name} < {limit:g} s, got {checked.max():g}"
        )
    return checked


def _sums_like(delay: Array, **sums: Any) -> SignalFactors:
    """Six sums, each with the shape of the delay."""
    zeros = np.zeros(delay.shape)
    return SignalFactors(**{name: value + zeros for name, value in sums.items()})


def _turns(step: Array, index: NDArray[Any]) -> ComplexArray:
    """``exp(j 2 pi step index)``, the index on the last axis."""
    return np.exp(2j * np.pi * step[..., None] * index)


def _kernel(apart: NDArray[Any], shift: Array) -> ComplexArray:
    """``mean_n exp(j 2 pi (-apart + shift) n / size)`` for received minus sent index ``apart``."""
    size = len(apart)
    lag = shift[..., None, None] - apart
    return np.exp(2j * np.pi / size * lag[..., None] * np.arange(size)).mean(axis=-1)
