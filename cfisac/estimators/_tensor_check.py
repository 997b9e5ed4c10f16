"""Whether separated and fused echoes explain the samples that they were taken from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfisac.estimators import _joint_data, _joint_fit
from cfisac.estimators._tensor_association import Separated, noise_of_sample
from cfisac.estimators._tensor_cp import Components
from cfisac.scenarios import MonostaticScene

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_ROUNDING = 1e-12  # of the energy of all echoes, where there is no noise
_MOST = 2**22  # points of a grid
_SHARE = 0.03  # of the weakest echo's energy: lost a tenth of a resolution cell off its place


def complaints(
    scene: MonostaticScene,
    samples: Sequence[NDArray[np.complex128]],
    separated: Separated,
    positions: Array,
    velocities: Array,
    corners: Array,
) -> list[str]:
    """What the samples hold against states that look right.

    The noise is what the decomposition leaves. An echo that stands out of it was not separated.
    Echoes at the fused states, their gains fitted anew, must leave little of what was separated:
    where access points see a target in different places, the mean of these is none of them. (The
    fused states are not the most likely ones, so that what they leave exceeds the noise.)
    """
    noise = np.sqrt([noise_of_sample(each) for each in separated.components])
    given = [np.asarray(each, dtype=complex) for each in samples]
    unit = np.sqrt(scene.noise_variance) / noise  # what the noise of the scene is divided by
    heard = _joint_data.prepare(
        scene, [each * factor for each, factor in zip(given, unit, strict=True)]
    )
    rest = _joint_data.prepare(
        scene,
        [
            (each - explained(part, each)) * factor
            for each, part, factor in zip(given, separated.components, unit, strict=True)
        ],
    )
    charts = _joint_data.charts_of(heard)
    least = _joint_fit.least_left(charts) + _ROUNDING * heard.energy
    louder = np.flatnonzero(peaks(rest) > least)
    if len(louder):
        return [
            f"access point {_listed(louder)}: more echoes than {len(positions)} stand out of the "
            "noise"
        ]
    fit = _joint_fit.fit_at(scene, heard, positions, velocities)
    size = np.array([float(each.size) for each in given])
    weakest = np.array([each.amplitude.min() for each in separated.components]) / noise
    off = np.flatnonzero(
        _joint_fit.left_over(heard, charts, fit) > least + _SHARE * size * weakest**2
    )
    if len(off):
        return [
            f"access point {_listed(off)}: the echoes do not come from where the targets were "
            "found; are the samples in the order of the access points?"
        ]
    twins = _joint_fit.mirrored(scene, heard, fit, corners)
    return [
        f"target {target}: may as well be on the other side of the access points"
        for target in twins
    ]


def explained(part: Components, samples: ComplexArray) -> ComplexArray:
    """The outer products of the factors with the gains that fit the samples best."""
    a, b, c = part.antenna, part.subcarrier, part.symbol
    gram = (a.conj() @ a.T) * (b.conj() @ b.T) * (c.conj() @ c.T)
    plane = samples @ c.conj().T  # (N, M, U)
    match = np.einsum("un,um,nmu->u", a.conj(), b.conj(), plane, optimize=True)
    gains = np.linalg.lstsq(gram, match, rcond=None)[0]
    whole = np.einsum("u,un,um->nmu", gains, a, b, optimize=True) @ c
    return np.asarray(whole)


def peaks(heard: _joint_data.Heard) -> Array:
    """Highest output of a matched filter at each access point, (L,), noise having mean one."""
    none = np.zeros((len(heard.data), 0), dtype=complex)
    charts = _joint_data.charts_of(heard)
    return _joint_data.highest(heard, charts, np.zeros((*none.shape, 3)), none)[1]


def grid(name: str, low: Array, high: Array, step: float) -> Array:
    """Points (G, 2) of a rectangle, at most a step apart; refuse more than memory holds."""
    number = np.ceil((high - low) / step) + 1
    if not number.prod() <= _MOST:
        raise ValueError(
            f"{name} must span at most 2^22 points {step:g} apart, got {number.prod():g}"
        )
    sides = [np.linspace(a, b, int(n)) for a, b, n in zip(low, high, number, strict=True)]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)


def _listed(numbers: NDArray[np.int64]) -> str:
    return ", ".join(map(str, numbers))
