"""What clocks cost in the scenes of commit, liu and fan, and where coherent bounds begin to hold.

Not a published figure: all three sources take their clocks for granted. :func:`clock_trial` takes
that back, and :func:`coherent_trial` asks how strong a signal must be before the bound of a
phase-coherent network is more than a promise.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac import arrays, fisher, geometry, paths, scenarios
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.limits import cooperative, multistatic
from cfisac.paths import Paths
from cfisac.studies import Study

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

N_APS, SIDE, BANDWIDTH, SNR, N_ANTENNAS = 16, 200.0, 100e6, 10.0, 8
STD_NS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, np.inf)
"""Standard deviations of the access points' clocks (ns)."""

SCENES = {
    "commit": "16 APs on 200 m, user's clock known",
    "commit, user's clock unknown": "16 APs on 200 m",
    "liu": "4 APs, each its own echo",
    "fan": "about 30 senders, 2 listeners, one target",
    "fan, receivers' clocks only": "the senders are synchronous",
    "fan, two targets": "their listeners hear both, jointly",
}
SCENES_PER_TRIAL = 25


def commit_paths(user: Array) -> Paths:
    """Line of sight to 16 APs on 200 m: 10 dB for the delay, 10 dB per antenna for the angle.

    Parameters
    ----------
    user : (2,)
        In metres. Every array of eight faces it.
    """
    aps = scenarios.square_grid(N_APS, SIDE)
    unit = geometry.sight(user, aps).unit
    across = np.stack([-unit[:, 1], unit[:, 0]], axis=-1)
    aperture = arrays.aperture(arrays.linear(N_ANTENNAS, 0.5, across))
    by_delay = (2 * np.pi * BANDWIDTH) ** 2 / 12
    return paths.one_way(user, aps, SNR, by_delay, np.sqrt(N_ANTENNAS) * aperture)


def liu_paths(scene: scenarios.MonostaticScene) -> Paths:
    """Each AP's own echo of the first target, its velocity unknown too."""
    return cooperative.paths(
        scene.targets[0], scene.velocities[0], scene.aps, scene.n_antennas,
        scene.sample_snr[:, 0], scene.waveform, scene.carrier_frequency, scene.spacing,
    )  # fmt: skip


def fan_paths(scene: scenarios.MultistaticScene) -> Paths:
    """Paths (P, R, T) of fan's scene, equal powers, mean gains, velocities known."""
    return multistatic.paths(scene, scenarios.equal_power(scene))


def peb(scene: str, rng: np.random.Generator) -> Array:
    """PEB (m) of one draw of a scene, for each of :data:`STD_NS`.

    Raises
    ------
    ValueError
        If ``scene`` is none of ``SCENES``.
    """
    if scene not in SCENES:
        raise ValueError(f"scene must be one of {', '.join(SCENES)}; got {scene!r}")
    make = _commit if scene.startswith("commit") else _liu if scene == "liu" else _fan
    those, ends, more = make(scene, rng)
    bounds = [
        fisher.crlb(paths.information(those, paths.clock(those, 1e-9 * std, *ends), *more))
        for std in STD_NS
    ]
    return np.sqrt([bound[0, 0] + bound[1, 1] for bound in bounds])


_Ends = tuple[NDArray[np.int64], NDArray[np.int64] | None]  # who listens, who sends
_Parts = tuple[Paths, _Ends, list[paths.Unknown]]


def _commit(scene: str, rng: np.random.Generator) -> _Parts:
    those = commit_paths(rng.uniform(-SIDE / 2, SIDE / 2, 2))
    user = np.zeros(N_APS, dtype=int)
    unknown = [paths.clock(those, np.inf, None, user, "user")] if "unknown" in scene else []
    return those, (np.arange(N_APS), None), unknown


def _liu(scene: str, rng: np.random.Generator) -> _Parts:
    those = liu_paths(scenarios.liu_scene(rng, 1))
    own = np.arange(those.shape[0])
    return those, (own, own), []


def _fan(scene: str, rng: np.random.Generator) -> _Parts:
    drawn = scenarios.fan_scene(rng, n_targets=1 + ("two" in scene))
    those = fan_paths(drawn)
    n_out = len(drawn.transmitters)
    senders = np.arange(n_out)[:, None, None]
    listeners = n_out + np.arange(len(drawn.receivers))[:, None]
    if "only" in scene:
        senders = np.full_like(senders, -1)
    return paths.apart(those, 2), (listeners, senders), []


def clock_trial(rng: np.random.Generator, scene: str) -> Mapping[str, float]:
    """Median, 10th and 90th percentile of the PEB over a block of scenes, for each deviation."""
    bounds = np.array([peb(scene, rng) for _ in range(SCENES_PER_TRIAL)])
    result = {}
    for name, share in (("median", 0.5), ("p10", 0.1), ("p90", 0.9)):
        for std, value in zip(STD_NS, np.quantile(bounds, share, axis=0), strict=True):
            result[f"{name}_peb_m_at_{std:g}_ns"] = float(value)
    return result


# ------------------------------------------------------------------------------- coherence

CARRIER = 3.5e9  # Hz
N_TONES = 8  # across the bandwidth
TONES = (np.arange(N_TONES) - (N_TONES - 1) / 2) * BANDWIDTH / N_TONES


def coherent_bounds(unit: Array, snr: float) -> tuple[float, float]:
    """PEB (m) of APs with known phases, and with an unknown phase each; one antenna, no angles."""
    by_delay = (2 * np.pi) ** 2 * float(np.var(TONES))
    parts = by_delay + (2 * np.pi * CARRIER) ** 2, by_delay
    each = 2 * snr / speed_of_light**2 * unit.T @ unit
    coherent, apart = (float(fisher.position_error_bound(part * each)) for part in parts)
    return coherent, apart


def coherent_trial(rng: np.random.Generator, n_aps: int, snr_db: float) -> Mapping[str, float]:
    """Maximum likelihood over all lobes within four deviations of the incoherent bound.

    A user anywhere in the middle of the square; phases and clocks known, amplitudes positive and
    unknown. The ratio is the squared error over the coherent bound of its square.
    """
    snr, aps = 10 ** (snr_db / 10), scenarios.square_grid(n_aps, SIDE)
    unit = geometry.sight(rng.uniform(-SIDE / 4, SIDE / 4, 2), aps).unit
    bound, incoherent = coherent_bounds(unit, snr)
    noise = rng.normal(size=(n_aps, N_TONES, 2)) @ [1, 1j] / np.sqrt(2)
    seen = np.sqrt(snr / N_TONES) + noise
    wavelength = speed_of_light / CARRIER
    reach = 4 * incoherent / np.sqrt(2)
    step, best = float(wavelength / 8), np.zeros(2)
    half = int(np.ceil(reach / step))
    ticks = step * np.arange(-half, half + 1)
    while True:
        x, y = best[0] + ticks, best[1] + ticks
        height = _likelihood(seen, unit, x, y)
        i, j = np.unravel_index(np.argmax(height), height.shape)
        best = np.array([x[i], y[j]])
        if step < bound / 10:
            break
        step = step / 4
        ticks = step * np.arange(-5, 6)
    square = float(best @ best)
    return {
        "squared_error_ratio": square / bound**2,
        "wrong_lobe": float(square > (wavelength / 4) ** 2),
    }


def _likelihood(seen: ComplexArray, unit: Array, x: Array, y: Array) -> Array:
    """Log-likelihood, up to a constant, of places around the truth (wavefronts are plane)."""
    total, part = np.zeros((2, len(x), len(y)))
    turn = 2j * np.pi * (CARRIER + TONES) / speed_of_light
    for each, direction in zip(seen, unit, strict=True):
        along = np.exp(np.multiply.outer(x * direction[0], turn)) * each
        across = np.exp(np.multiply.outer(turn, y * direction[1]))
        np.matmul(np.hstack([along.real, -along.imag]), np.vstack([across.real, across.imag]), part)
        np.maximum(part, 0.0, out=part)
        np.square(part, out=part)
        total += part
    return total


STUDIES = (
    Study(
        id="sync-knee",
        source="commit, liu, fan",
        title="PEB over the standard deviation of the access points' clocks",
        trial=clock_trial,
        cells=[{"scene": scene} for scene in SCENES],
        n_trials={"smoke": 2, "book": 4, "paper": 8},
        seed=15,
        assumptions={
            "scenes": f"{SCENES_PER_TRIAL} per trial; quantiles over them, then means over trials",
            "clocks": "an independent Gaussian offset per access point, constant in the frame",
            "commit": "square grid of 16 APs on 200 m, user uniform in the square; 100 MHz, 10 dB "
            "for the delay, 10 dB at each of 8 antennas, every array facing the user",
            "liu": "as in liu_scene, one target of 1 m^2, 1 W, its velocity unknown",
            "fan": "Table I, ten users, equal powers, mean gains of 1 m^2, 3 dBi elements; the "
            "first target counts; velocities, oscillators and orientations known",
        },
    ),
    Study(
        id="coherent-threshold",
        source="commit",
        title="Maximum likelihood of a phase-coherent network over its bound",
        trial=coherent_trial,
        cells=[
            *({"n_aps": 16, "snr_db": snr} for snr in (3.0, 4.0, 5.0, 6.0, 7.0, 8.0)),
            *({"n_aps": 4, "snr_db": snr} for snr in (14.0, 18.0, 22.0, 26.0, 30.0, 34.0)),
        ],
        n_trials={"smoke": 10, "book": 200, "paper": 3000},
        seed=16,
        assumptions={
            "scene": "square grid on 200 m, user uniform in its middle half, one antenna per AP, "
            f"{N_TONES} tones over 100 MHz at 3.5 GHz, snr_db in all of them, at every AP",
            "known": "phases and clocks of all APs; amplitudes are positive and unknown",
            "search": "all of a square of four deviations of the incoherent bound to each side, "
            "an eighth of a wavelength apart and finer around the best; plane wavefronts",
        },
    ),
)
