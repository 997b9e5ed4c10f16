"""What can be done with any scene: take an access point away, add a target, sum it up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.scenarios import _arrays
from cfisac.scenarios._common import Array, ComplexArray, Waveform, distances

if TYPE_CHECKING:
    from cfisac.scenarios._summary import Summary


class Scene:
    """What scenes have in common. Not to be used by itself."""

    targets: Array
    velocities: Array
    waveform: Waveform
    carrier_frequency: float
    noise_variance: float
    mean_rcs: float | Array
    spacing: float

    @property
    def dimension(self) -> int:
        """D, which is 2 for a scene in the plane and 3 for one in space."""
        stand: Array = cast(Any, self).transmitters if _bistatic(self) else cast(Any, self).aps
        return int(stand.shape[1])

    @property
    def wavelength(self) -> float:
        """Wavelength of the carrier (m)."""
        return SPEED_OF_LIGHT / self.carrier_frequency

    @property
    def transmit_elements(self) -> tuple[Array, ...]:
        """Elements (N, D) of every array that sends, in wavelengths."""
        return self._elements("transmit")

    @property
    def receive_elements(self) -> tuple[Array, ...]:
        """Elements (N, D) of every array that listens, in wavelengths."""
        return self._elements("receive")

    @property
    def n_transmit_antennas(self) -> NDArray[np.int64]:
        """Number of elements of every array that sends, (n,)."""
        return self._sizes("transmit")

    @property
    def n_receive_antennas(self) -> NDArray[np.int64]:
        """Number of elements of every array that listens, (n,)."""
        return self._sizes("receive")

    @property
    def receive_apertures(self) -> Array:
        """:func:`cfisac.arrays.aperture` of every array that listens, (n, D, D) in rad."""
        return _arrays.apertures(self.receive_elements)

    def with_target(
        self, position: ArrayLike, velocity: ArrayLike | None = None, rcs: float = 1.0
    ) -> Self:
        """Return the scene with one more target, behind the others.

        Every transmitter of a :class:`MultistaticScene` gets one more sensing beam, matched to
        the place of the target, behind the sensing beams that it has: P x (B + 1) beams.

        Parameters
        ----------
        position : (D,) float
            In metres.
        velocity : (D,) float, optional
            In m/s; by default the target stands still.
        rcs : float
            Its mean radar cross section, >= 0 (m^2).

        Raises
        ------
        ValueError
            If a number is out of range or does not fit the scene.
        """
        number, dimension = self.targets.shape
        place = _one_point("position", position, dimension)
        speed = _one_point("velocity", np.zeros(dimension) if velocity is None else velocity,
                           dimension)  # fmt: skip
        mean = np.broadcast_to(self.mean_rcs, (number,))
        own = _checks.one("rcs", rcs, _checks.non_negative)
        changes: dict[str, Any] = {
            "targets": np.concatenate([self.targets, place[None]]),
            "velocities": np.concatenate([self.velocities, speed[None]]),
            "mean_rcs": np.append(mean, own),
        }
        if _bistatic(self):
            scene = cast(Any, self)
            beams: list[ComplexArray] = [
                scene.beams[:, :number],
                scene.beams_to(place[None]),
                scene.beams[:, number:],
            ]
            changes["beams"] = np.concatenate(beams, axis=1)
        return cast(Self, replace(cast(Any, self), **changes))

    def without(self, ap: int | Sequence[int] | NDArray[np.int64]) -> Self:
        """Return the scene without some access points: all that they send and all that they hear.

        Parameters
        ----------
        ap : int or sequence of int
            Which rows of ``aps``; in a :class:`MultistaticScene` these are the places of the
            transmitters and then those of the receivers that are not among them.

        Raises
        ------
        ValueError
            If there is no such access point, or nobody would be left to send or to hear.
        """
        scene = cast(Any, self)
        gone = np.zeros(len(scene.aps), dtype=bool)
        for each in np.atleast_1d(np.asarray(ap)).tolist():
            if not isinstance(each, int) or isinstance(each, bool) or not 0 <= each < len(gone):
                raise ValueError(f"ap must be in 0..{len(gone) - 1}, got {each!r}")
            gone[each] = True
        ends: dict[str, tuple[str, ...]]
        ends = {"aps": ("axes", "n_antennas", "transmit_arrays", "receive_arrays")}
        if _bistatic(self):
            ends = {
                "transmitters": ("transmit_axes", "transmit_arrays", "beams"),
                "receivers": ("receive_axes", "receive_arrays"),
            }
        kept = {
            who: (~gone[site_of(getattr(scene, who), scene.aps)], (who, *names))
            for who, names in ends.items()
        }
        changes: dict[str, Any] = {}
        for who, (stays, names) in kept.items():
            if not stays.any():
                raise ValueError(f"ap must leave one of the {who} or more, got {ap!r}")
            for name in names:
                value = getattr(self, name)
                if isinstance(value, tuple):
                    value = tuple(v for v, stay in zip(value, stays, strict=True) if stay)
                elif value is not None:
                    value = value[stays]
                changes[name] = value
        if changes.get("transmit_arrays") is not None and "beams" in changes:
            size = max(len(each) for each in changes["transmit_arrays"])  # the largest that is left
            changes["beams"] = changes["beams"][..., :size, :size]
        return cast(Self, replace(scene, **changes))

    def summary(self, power: ArrayLike | None = None) -> "Summary":
        """Sum the scene up: SNR of its paths, resolutions, and the PEB of each target.

        Prints as a table. What is in it, see :class:`cfisac.scenarios.Summary`.

        Parameters
        ----------
        power : (P, B) float, or one that broadcasts to it, optional
            Of every beam of a :class:`MultistaticScene` (W); by default 1 W of each transmitter,
            shared equally. A :class:`MonostaticScene` has its ``transmit_power``.

        Raises
        ------
        ValueError
            If ``power`` is out of range, does not fit, or is given for a monostatic scene.

        Warns
        -----
        ImplausibleWarning
            If a PEB is below a thousandth of the wavelength.
        """
        from cfisac.scenarios import _summary  # late: it imports the scenes, which have this class

        return _summary.summary(cast(Any, self), power)

    def _elements(self, end: str) -> tuple[Array, ...]:
        given: _arrays.Elements | None = getattr(self, f"{end}_arrays")
        if given is not None:
            return given
        number, axes = self._linear(end)
        return _arrays.linear(number, self.spacing, axes)

    def _sizes(self, end: str) -> NDArray[np.int64]:
        given: _arrays.Elements | None = getattr(self, f"{end}_arrays")
        return self._linear(end)[0] if given is None else _arrays.sizes(given)

    def _linear(self, end: str) -> tuple[NDArray[np.int64], Array]:
        """Numbers of antennas (n,) and axes (n, D) of uniform linear arrays."""
        raise NotImplementedError


def sites(*stands: Array) -> Array:
    """Places (n, D) without repetition, in the order in which they come."""
    every = np.concatenate(stands)
    first = np.argmax(distances(every, every) == 0, axis=1)
    return np.asarray(every[first == np.arange(len(every))])


def site_of(stand: Array, aps: Array) -> NDArray[np.int64]:
    """Which of the access points each place is, (n,)."""
    return np.argmax(distances(stand, aps) == 0, axis=1)


def _bistatic(scene: Scene) -> bool:
    return hasattr(scene, "transmitters")


def _one_point(name: str, value: ArrayLike, dimension: int) -> Array:
    point = _checks.points(name, value, 1, (dimension,))
    if point.ndim != 1:
        raise ValueError(f"{name} must have shape ({dimension},), got {point.shape}")
    return point
