"""OTFS: one cyclic prefix before the frame, and the exact sampled delay–Doppler operator."""

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
    extent,
    frame_samples,
    rotations,
    sums_like,
    within,
)
from cfisac.waveforms._operators import delayed, exact, printed


@dataclass(frozen=True)
class OTFS(Frame):
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

    Examples
    --------
    >>> import numpy as np
    >>> from cfisac.waveforms import OTFS
    >>> frame = OTFS(n_subcarriers=8, n_symbols=4, subcarrier_spacing=60e3)
    >>> grid = np.zeros((4, 8))
    >>> grid[0, 0] = 1  # one symbol, delayed by three bins and shifted by one
    >>> late, shift = 3 * frame.sample_period, 1 / frame.frame_duration
    >>> received = frame.apply(grid, late, shift)
    >>> [int(k) for k in np.unravel_index(np.argmax(abs(received)), received.shape)]
    [1, 3]
    >>> samples = frame.channel(frame.modulate(grid, 4), late, shift, 4)
    >>> np.allclose(frame.demodulate(samples, 4), received)
    True
    """

    symbol_duration: float | None = None

    def __post_init__(self) -> None:
        """Refuse a frame that cannot exist."""
        super().__post_init__()
        if self.symbol_duration is not None:
            duration = _checks.one("symbol_duration", self.symbol_duration, extent)
            object.__setattr__(self, "symbol_duration", duration)

    @property
    def symbol_period(self) -> float:
        """T in seconds, from one symbol to the next."""
        return 1 / self.subcarrier_spacing if self.symbol_duration is None else self.symbol_duration

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
        delay = within("delay", delay, self.symbol_period, "one symbol")
        m, n = self.n_subcarriers, self.n_symbols
        spacing, period = self.subcarrier_spacing, self.symbol_period
        bins = np.arange(m)
        wrapped = bins >= m - np.ceil(self._in_samples(delay))[..., None]
        g = bins * self.sample_period - period * wrapped
        g_sum, g_square = g.sum(axis=-1), (g**2).sum(axis=-1)
        return sums_like(
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
        grid, cp_samples = checked_grid("grid", grid, self), self._cp(cp_samples)
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
        samples = frame_samples("samples", samples, cp_samples + m * n)
        delay, doppler = checked_path(delay, doppler, self)
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
        body = delayed(body.reshape(*body.shape[:-1], n, m), late)
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
        samples = frame_samples("samples", samples, cp_samples + m * n)
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
        return exact(self, *self._exact_path(delay, doppler))

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
        grid = checked_grid("grid", grid, self)
        _checks.must_broadcast(
            grid=grid.shape[:-2], delay=np.shape(delay), doppler=np.shape(doppler)
        )
        frame = delayed(np.fft.ifft(grid, axis=-2), late)
        bins, rows = np.arange(self.n_subcarriers), np.arange(self.n_symbols)
        frame = frame * rotations(doppler * self.symbol_period, rows)[..., :, None]
        phase = rotations(doppler * self.sample_period, bins - late[..., None])
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
        delay, doppler = checked_path(delay, doppler, self)
        delay = within("delay", delay, self.symbol_period, "one symbol")
        return printed(self, self._in_samples(delay), doppler, mended)

    def _exact_path(self, delay: ArrayLike, doppler: ArrayLike) -> tuple[Array, Array]:
        """Checked delay in samples and Doppler shift in Hz, of one shape."""
        self._need_critical_symbols()
        delay, doppler = checked_path(delay, doppler, self)
        delay = within("delay", delay, self.frame_duration, "the frame")
        return self._in_samples(delay), doppler

    def _in_samples(self, delay: Array) -> Array:
        late = delay * self.bandwidth
        whole = np.round(late)
        return np.where(np.abs(late - whole) <= WHOLE, whole, late)

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
