"""What may be wrong with echoes that were taken apart."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_MODES = ("antenna", "subcarrier", "symbol")
_CELLS = 0.5  # resolution cells by which two targets must differ in one mode at least
_PLANE = 0.5  # share of a factor that the best tone must explain, or it is none
_SAME = 1e-6  # cells within which two targets have one factor, and others fit as well


def no_tone(rows: list[ComplexArray], turns: Array) -> str:
    for mode, (name, factor) in enumerate(zip(_MODES, rows, strict=True)):
        index = np.arange(factor.shape[1])
        beam = np.abs(np.sum(factor * np.exp(-1j * np.outer(turns[:, mode], index)), axis=1))
        share = (beam / factor.shape[1]) ** 2
        if share.min() < _PLANE:
            return f"the {name} factor of component {int(share.argmin())} is no tone"
    return ""


def one_cell(turns: Array, shape: tuple[int, ...]) -> str:
    """Name the first two components that no mode tells apart."""
    cells = turns / (2 * np.pi) * np.array(shape)
    for one in range(len(cells)):
        for two in range(one):
            apart = cells[one] - cells[two]
            apart -= np.array(shape) * np.rint(apart / np.array(shape))
            if np.abs(apart).max() < _CELLS:
                return f"components {two} and {one} lie in one resolution cell"
            if np.abs(apart).min() < _SAME:
                mode = _MODES[int(np.abs(apart).argmin())]
                return f"components {two} and {one} have one {mode} factor: others fit as well"
    return ""
