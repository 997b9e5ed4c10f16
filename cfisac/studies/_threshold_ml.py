"""Joint maximum likelihood of a place from the echoes of several access points.

``argmax_p sum_l |s_l(p)^H y_l|^2`` over a box: a map of every access point over delay and sine of
the angle, added up on a grid of places; the best places of the three best tiles, climbed by
Newton's method with the exact second derivatives, the best of the three to the end.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cfisac import signals
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_FINE = 8  # bins of a map to a resolution cell
_TILES = 5  # along each side of the box
_BLOCK = 64  # snapshots worked on at a time, so that every temporary stays in the cache
_STARTS, _FIRST, _THEN = 3, 2, 5  # climbed, and Newton steps of all and of the best


@dataclass(frozen=True, eq=False)
class Search:
    """A scene with equal linear arrays along one axis, standing targets, and a box of places.

    Parameters
    ----------
    scene : MonostaticScene
        Of which the access points, arrays and waveform count; one symbol.
    box : (2, 2)
        Its corners (m).
    n_per_side : int
        Places along each side, a multiple of five.
    """

    scene: MonostaticScene
    box: Array
    n_per_side: int

    @cached_property
    def elements(self) -> Array:
        """Places (N,) of the antennas along their axis, in wavelengths, from their middle."""
        along = self.scene.receive_elements[0] @ self.axis
        return np.asarray(along - along.mean())

    @cached_property
    def axis(self) -> Array:
        """Unit vector along the arrays."""
        return np.array([0.0, 1.0])

    @cached_property
    def tones(self) -> Array:
        """Frequencies (M,) of the subcarriers from their middle (Hz)."""
        index = np.arange(self.scene.waveform.n_subcarriers, dtype=float)
        return np.asarray(self.scene.waveform.subcarrier_spacing * (index - index.mean()))

    @cached_property
    def places(self) -> Array:
        """The grid (n, 2), in the middle of cells; tile by tile."""
        ticks = (np.arange(self.n_per_side) + 0.5) / self.n_per_side
        x, y = (low + (high - low) * ticks for low, high in self.box.T)
        grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
        part = self.n_per_side // _TILES
        tiles = grid.reshape(_TILES, part, _TILES, part, 2).swapaxes(1, 2)
        return tiles.reshape(-1, 2)

    @cached_property
    def maps(self) -> list[tuple[ComplexArray, ComplexArray, NDArray[np.int64]]]:
        """For each access point: beams (u, N), delays (M, t), and which bin each place is in."""
        found = []
        for ap in self.scene.aps:
            offset = self.places - ap
            distance = np.hypot(*offset.T)
            sine, delay = offset @ self.axis / distance, 2 * distance / speed_of_light
            width_u = np.ptp(self.elements) * len(self.elements) / (len(self.elements) - 1)
            at_u, bin_u = _bins(sine, 1 / (_FINE * width_u))
            band = np.ptp(self.tones) * len(self.tones) / (len(self.tones) - 1)
            at_t, bin_t = _bins(delay, 1 / (_FINE * band))
            beams = np.exp(-2j * np.pi * np.outer(at_u, self.elements))
            tones = np.exp(2j * np.pi * np.outer(self.tones, at_t))
            found.append((beams, tones, bin_u * len(at_t) + bin_t))
        return found

    def draw(
        self, rng: np.random.Generator, snr: Array, truth: Array
    ) -> tuple[ComplexArray, signals.EchoFactors]:
        """Samples (L, n, N, M) of targets (n, 2), each alone, and the factors of their echoes.

        The gains have the moduli that ``snr`` (n, L) asks for and any phase; noise of variance 1.
        """
        factors = signals.echo_factors(self.scene, truth)
        size = len(self.elements) * len(self.tones)
        turn = np.exp(2j * np.pi * rng.uniform(size=snr.shape))
        amplitude = (np.sqrt(snr / size) * turn).T[..., None, None]
        antenna = np.stack(factors.antenna)
        clean = amplitude * antenna[..., None] * factors.subcarrier[..., None, :]
        return signals.with_noise(clean, 1.0, rng), factors

    def estimate(self, received: ComplexArray) -> Array:
        """Places (n, 2) of the greatest likelihood."""
        parts = range(0, received.shape[1], _BLOCK)
        return np.concatenate([self._block(received[:, i : i + _BLOCK]) for i in parts])

    def _block(self, received: ComplexArray) -> Array:
        n = received.shape[1]
        total = np.zeros((n, len(self.places)))
        for samples, (beams, tones, index) in zip(received, self.maps, strict=True):
            image = beams @ (samples @ tones)
            power = image.real**2 + image.imag**2
            total += np.take(power.reshape(n, -1), index, axis=1)
        tiles = total.reshape(n, _TILES**2, -1)
        best = np.argsort(-tiles.max(axis=-1), axis=-1, kind="stable")[:, :_STARTS]
        rows = np.arange(n)[:, None]
        inside = tiles[rows, best].argmax(axis=-1)
        start = self.places[best * tiles.shape[-1] + inside]  # (n, K, 2)
        repeated = np.repeat(received, _STARTS, axis=1)
        place, height = self._climb(repeated, start.reshape(-1, 2), _FIRST)
        winner = height.reshape(n, _STARTS).argmax(axis=-1)
        chosen = place.reshape(n, _STARTS, 2)[rows[:, 0], winner]
        return self._climb(received, chosen, _THEN)[0]

    def _climb(self, received: ComplexArray, place: Array, n_steps: int) -> tuple[Array, Array]:
        """Newton's method within the box; the place and the likelihood there."""
        low, high = self.box
        reach = np.min(high - low) / self.n_per_side
        for _ in range(n_steps):
            _, slope, bend = self._height(received, place)
            edge = ((place <= low) & (slope < 0)) | ((place >= high) & (slope > 0))
            slope = np.where(edge, 0.0, slope)
            bend = np.where(edge[:, :, None] | edge[:, None, :], 0.0, bend)
            for i in (0, 1):
                bend[:, i, i] = np.where(edge[:, i], -1.0, bend[:, i, i])
            a, b, d = bend[:, 0, 0], bend[:, 0, 1], bend[:, 1, 1]
            det = a * d - b**2
            peak = (a < 0) & (det > 0)
            safe = np.where(peak, det, 1.0)
            newton = -np.stack(
                [d * slope[:, 0] - b * slope[:, 1], a * slope[:, 1] - b * slope[:, 0]], axis=-1
            ) / safe[:, None]  # fmt: skip
            size = np.hypot(*slope.T)[:, None]
            uphill = slope * (reach / 2 / np.where(size > 0, size, 1.0))
            step = np.where(peak[:, None], newton, uphill)
            length = np.hypot(*step.T)[:, None]
            step *= np.minimum(1.0, reach / np.where(length > 0, length, reach))
            place = np.clip(place + step, low, high)
        return place, self._height(received, place)[0]

    def _height(self, received: ComplexArray, place: Array) -> tuple[Array, Array, Array]:
        """Likelihood (n,), its gradient (n, 2) and second derivatives (n, 2, 2)."""
        factors = signals.echo_factors(self.scene, place)
        rate_u, rate_t = -2j * np.pi * self.elements, 2j * np.pi * self.tones
        powers = np.arange(3)
        beams = np.stack(factors.antenna).conj()[..., None, :] * rate_u ** powers[:, None]
        delays = factors.subcarrier.conj()[..., None] * rate_t[:, None] ** powers
        z = beams @ (received @ delays)  # (L, n, 3, 3): derivatives by sine, by delay
        zero = z[..., 0, 0].conj()
        first = np.stack([z[..., 1, 0], z[..., 0, 1]], axis=-1)
        second = np.stack([z[..., 2, 0], z[..., 1, 1], z[..., 1, 1], z[..., 0, 2]], axis=-1)
        second = second.reshape(*zero.shape, 2, 2)
        by = 2 * (zero[..., None] * first).real
        both = first[..., None].conj() * first[..., None, :]
        twice = 2 * (both + zero[..., None, None] * second).real
        offset = place - self.scene.aps[:, None]
        r = np.hypot(offset[..., 0], offset[..., 1])[..., None]
        unit, axis, one = offset / r, self.axis, np.eye(2)
        u = (unit @ axis)[..., None]
        rows = np.stack([(axis - u * unit) / r, 2 * unit / speed_of_light], axis=-2)
        outer = unit[..., :, None] * unit[..., None, :]
        mixed = axis[:, None] * unit[..., None, :]
        r, u = r[..., None], u[..., None]
        curved = np.stack([
            -(mixed + np.swapaxes(mixed, -1, -2) - 3 * u * outer + u * one) / r**2,
            2 * (one - outer) / (r * speed_of_light),
        ], axis=-3)  # fmt: skip
        slope = np.einsum("lni,lnij->nj", by, rows)
        bend = np.einsum("lnai,lnab,lnbj->nij", rows, twice, rows, optimize=True)
        bend += np.einsum("lna,lnaij->nij", by, curved)
        return np.sum(np.abs(zero) ** 2, axis=0), slope, bend


def _bins(values: Array, step: float) -> tuple[Array, NDArray[np.int64]]:
    """Equidistant bins that cover values, and the nearest bin of each."""
    low = values.min()
    index = np.rint((values - low) / step).astype(np.int64)
    return low + step * np.arange(index.max() + 1), index
