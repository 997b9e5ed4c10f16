"""The sources' array: uniform and linear, with angles from broadside."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfisac import _checks

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True)
class UniformLinearArray:
    """L antennas on a line, the first one being the phase reference.

    Parameters
    ----------
    n_antennas : int
        L >= 1.
    spacing : float
        d / lambda > 0, the distance of neighbours in wavelengths.

    Raises
    ------
    ValueError
        If ``n_antennas`` is not a whole number >= 1 or ``spacing`` is not > 0.

    Notes
    -----
    Angles are measured from broadside, in radians. Element l of the unit-norm steering vector
    is ``exp(j kappa l sin(phi)) / sqrt(L)`` with ``kappa = 2 pi d / lambda`` (zhang (1), (71)).

    Examples
    --------
    >>> array = UniformLinearArray(8)  # half a wavelength apart
    >>> array.steering([0.0, 0.3]).shape
    (2, 8)
    >>> print(f"{array.electrical_angle(0.3):.3f} rad from antenna to antenna")
    0.928 rad from antenna to antenna
    """

    n_antennas: int
    spacing: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an array that cannot exist; keep plain numbers, which do not overflow."""
        for name, check in (("n_antennas", _checks.count), ("spacing", _checks.positive)):
            object.__setattr__(self, name, _checks.one(name, getattr(self, name), check))

    @property
    def kappa(self) -> float:
        """Electrical spacing ``2 pi d / lambda`` in radians."""
        return 2 * np.pi * self.spacing

    @property
    def mean_index(self) -> float:
        """Mean of the antenna indices 0 .. L-1, ``(L - 1) / 2``."""
        return (self.n_antennas - 1) / 2

    @property
    def mean_square_index(self) -> float:
        """Mean of the squared indices, ``(L - 1)(2L - 1) / 6`` (zhang (73)-(74))."""
        return (self.n_antennas - 1) * (2 * self.n_antennas - 1) / 6

    @property
    def index_variance(self) -> float:
        """Variance of the indices, ``(L^2 - 1) / 12``, left by an unknown gain (zhang (80))."""
        return (self.n_antennas**2 - 1) / 12

    def electrical_angle(self, phi: ArrayLike) -> NDArray[np.float64]:
        """Phase step ``kappa sin(phi)`` from one antenna to the next, in radians.

        Like the two methods below it takes angles ``phi`` (rad) of any shape (...) and raises
        ``ValueError`` if they are not finite real numbers.
        """
        return self.kappa * np.sin(_checks.finite("phi", phi))

    def steering(self, phi: ArrayLike) -> ComplexArray:
        """Unit-norm steering vector, shape (..., L), for angles ``phi`` of shape (...)."""
        phase = np.multiply.outer(self.electrical_angle(phi), np.arange(self.n_antennas))
        return np.exp(1j * phase) / np.sqrt(self.n_antennas)

    def steering_derivative(self, phi: ArrayLike) -> ComplexArray:
        """Derivative of the steering vector by ``phi``, shape (..., L) (zhang (72))."""
        slope = 1j * self.kappa * np.multiply.outer(projection(phi), np.arange(self.n_antennas))
        return slope * self.steering(phi)


def projection(phi: ArrayLike) -> NDArray[np.float64]:
    """``cos(phi)``, the share of the aperture seen from ``phi``, exactly 0 at endfire.

    No floating-point number equals pi/2, so ``np.cos(np.pi / 2)`` is 6e-17 and a bound would
    come out as a large number where it is infinite. Cosines below the rounding of ``phi``
    itself, as it came (float32 is coarser), are therefore set to zero.

    Parameters
    ----------
    phi : (...) float
        Angle from broadside (rad).

    Raises
    ------
    ValueError
        If ``phi`` is not an array of finite real numbers.

    Examples
    --------
    >>> projection([0.0, np.pi / 3, np.pi / 2]).round(3)
    array([1. , 0.5, 0. ])
    """
    checked = _checks.finite("phi", phi)
    cosine = np.cos(checked)
    rounding = _checks.precision(phi) * np.maximum(1.0, np.abs(checked))
    return np.where(np.abs(cosine) <= rounding, 0.0, cosine)
