"""Power allocation in the scenes of the source: Figures 3 and 4 of fan_conf, 9 of fan_journal."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfisac.designs.power import (
    Bound,
    Coefficients,
    Uncertified,
    coefficients,
    max_min_sinr,
    sensing_factor,
    spectral_efficiency,
)
from cfisac.propagation import from_dbm, from_decibel
from cfisac.scenarios import FanNetwork, fan_network
from cfisac.studies._study import Study
from cfisac.studies.fan._scenes import SCENES
from cfisac.waveforms import OFDM, OTFS

Modes = NDArray[np.bool_]

BANDWIDTH, CP_SAMPLES, LONGEST = 64e6, 128, 2e-6  # Hz, of a frame or a symbol, s
SPEED = 300 / 3.6  # m/s
TOLERANCE = 1e-7  # of every certificate
NEXT_TO_THE_BORDER = 1e-3  # what it may miss where a target is just in reach
SIDE = 300.0  # m
OTFS_FRAME = OTFS(128, 128, 500e3)
OFDM_FRAME = OFDM(128, 128, 500e3, CP_SAMPLES / BANDWIDTH)


def scene_number(rng: np.random.Generator) -> int:
    """Number of the trial, which is that of the scene: all rows share their scenes."""
    seeds: Any = rng.bit_generator.seed_seq
    return int(seeds.spawn_key[-1])


def spectral_efficiency_of(
    each: Coefficients,
    peb_m: float,
    roles: tuple[Modes, Modes],
    bound: Bound,
    waveform: OTFS | OFDM = OTFS_FRAME,
) -> tuple[float, float]:
    """Least spectral efficiency of a user at the best powers, and whether the PEB is in reach.

    Zero where it is not.
    """
    limit = peb_m**2
    if np.isfinite(limit) and sensing_factor(each, limit, *roles, bound=bound) >= 1:
        return 0.0, 0.0
    try:
        best = max_min_sinr(each, limit, *roles, bound=bound, tolerance=TOLERANCE)
    except Uncertified as error:  # next to the border of what is in reach prices are steep
        best = error.allocation
        if best.gap > NEXT_TO_THE_BORDER:
            raise
    return float(spectral_efficiency(best.value, waveform, CP_SAMPLES)), 1.0


# -------------------------------------------------------------------- Figure 3 (journal Figure 7)


@lru_cache(maxsize=64)
def shared_antennas(number: int, n_aps: int) -> tuple[Coefficients, tuple[Modes, Modes]]:
    """Scene of that number with 512 antennas at ``n_aps`` access points of 1 W, and their roles.

    One access point is a base station in the middle, which hears its own echoes.
    """
    rng = np.random.default_rng([3, number])
    alone = n_aps == 1
    settings: dict[str, Any] = {"aps": [[SIDE / 2, SIDE / 2]], "nearest": 1, "full_duplex": True}
    drawn = fan_network(
        rng, n_aps=n_aps, n_antennas=512 // n_aps, max_delay=LONGEST, **(settings if alone else {})
    )
    return coefficients(drawn.scene, drawn.channels, drawn.estimates), (drawn.sends, drawn.hears)


def antennas_trial(
    rng: np.random.Generator, n_aps: int, power_w: float, peb_m: float
) -> Mapping[str, float]:
    """Spectral efficiency of a scene under both bounds."""
    each, roles = shared_antennas(scene_number(rng), n_aps)
    each = replace(each, max_power=np.full(n_aps, power_w))
    found = {}
    bounds: tuple[Bound, Bound] = ("approximate", "exact")
    for bound in bounds:
        value, feasible = spectral_efficiency_of(each, peb_m, roles, bound)
        found[f"se_{bound}_bit_per_s_per_hz"] = value
        found[f"feasible_{bound}"] = feasible
    return found


# -------------------------------------------------------------------- Figure 4 (journal Figure 8)


@lru_cache(maxsize=256)
def moving(
    number: int, n_subcarriers: int, n_symbols: int, held: str, speed_km_per_h: float
) -> tuple[Coefficients, tuple[Modes, Modes]]:
    """Scene of that number with another frame, its targets at one speed."""
    wide = BANDWIDTH if held == "bandwidth" else 500e3 * n_subcarriers
    frame = OTFS(n_subcarriers, n_symbols, wide / n_subcarriers)
    drawn = fan_network(
        np.random.default_rng([4, number]),
        waveform=frame,
        noise_variance=float(from_dbm(-89.0)) * wide / BANDWIDTH,
        gain_db=0.0,
        max_delay=LONGEST,
    )
    directions = drawn.scene.velocities / np.linalg.norm(drawn.scene.velocities, axis=1)[:, None]
    scene = replace(drawn.scene, velocities=directions * speed_km_per_h / 3.6)
    each = coefficients(scene, drawn.channels, drawn.estimates)
    return each, (drawn.sends, drawn.hears)


def speed_trial(
    rng: np.random.Generator,
    n_subcarriers: int,
    n_symbols: int,
    held: str,
    speed_km_per_h: float,
) -> Mapping[str, float]:
    """Spectral efficiency of a scene, without the pre-log, and with it."""
    each, roles = moving(scene_number(rng), n_subcarriers, n_symbols, held, speed_km_per_h)
    value, feasible = spectral_efficiency_of(each, 0.1, roles, "approximate")
    prelog = float(OTFS_FRAME.prelog(CP_SAMPLES))
    own = float(OTFS(n_subcarriers, n_symbols, 1.0).prelog(CP_SAMPLES))
    return {"se_bit_per_s_per_hz": value / prelog * own, "feasible": feasible}


# ----------------------------------------------------------------------------- Journal Figure 9


@lru_cache(maxsize=256)
def duplex_network(number: int, waveform: str, rcs_dbsm: float) -> tuple[FanNetwork, Coefficients]:
    """Scene of that number, targets where no path between any two access points is too long."""
    drawn = fan_network(
        np.random.default_rng([9, number]),
        waveform=OFDM_FRAME if waveform == "OFDM" else OTFS_FRAME,
        mean_rcs=float(from_decibel(rcs_dbsm)),
        n_receivers=32,
        full_duplex=True,
        max_delay=LONGEST,
    )
    return drawn, coefficients(drawn.scene, drawn.channels, drawn.estimates)


def nearest_two(drawn: FanNetwork) -> Modes:
    """The two access points nearest to each target."""
    far = np.linalg.norm(drawn.scene.aps[:, None] - drawn.scene.targets, axis=-1)
    return np.isin(np.arange(len(far)), np.argsort(far, axis=0)[:2])


def duplex_trial(
    rng: np.random.Generator, waveform: str, duplex: str, rcs_dbsm: float
) -> Mapping[str, float]:
    """Spectral efficiency of a scene in half and in full duplex."""
    drawn, each = duplex_network(scene_number(rng), waveform, rcs_dbsm)
    hears = nearest_two(drawn)
    everybody = np.ones(len(hears), dtype=bool)
    roles = (~hears, hears) if duplex == "half" else (everybody, everybody)
    frame = OFDM_FRAME if waveform == "OFDM" else OTFS_FRAME
    value, feasible = spectral_efficiency_of(each, 0.1, roles, "approximate", frame)
    return {"se_bit_per_s_per_hz": value, "feasible": feasible}


# ------------------------------------------------------------------------------------- the studies

POWER = {
    "scenes": "trial t of every row has the scene t, so rows differ by what they say alone; "
    "targets at least 10 m from every AP, no path of the drawn roles longer than 2 us",
    "user beams": SCENES["user beams"],
    "sensing beams": SCENES["sensing beams"],
    "interference": "tr(B R), with the error of the channel estimates, see fan_conf (24)",
    "spectral efficiency": "MN / (MN + 128) log2(1 + SINR) of the worst user, for OFDM "
    "M / (M + 128); zero in scenes where the PEB is out of reach, which 'feasible' counts",
    "powers": "optimal: certified to 1e-7 of the SINR, next to the border of what is in reach "
    "to 1e-3",
    "receivers": "CAP without its search: each target's two nearest APs, the others transmit",
}

FAN_CONF_FIG3 = Study(
    id="fan_conf-fig3",
    source="fan_conf",
    title="Spectral efficiency against the PEB asked for, 512 antennas (Fig. 3; journal Fig. 7)",
    trial=antennas_trial,
    cells=[
        {"n_aps": n_aps, "power_w": power_w, "peb_m": peb_m}
        for n_aps, power_w in ((32, 1.0), (16, 1.0), (8, 1.0), (1, 5.0), (1, 32.0))
        for peb_m in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 100.0)
    ],
    n_trials={"smoke": 2, "book": 4, "paper": 24},
    seed=3,
    assumptions=POWER
    | {
        "element gains": "3 dBi at both ends",
        "cellular": "n_aps = 1: one array of 512 antennas in the middle of the square, of 5 W as "
        "in the journal or of 32 W, which hears its own echoes; a plane wave and no near field, "
        "although the array is 2 m long",
        "modes": "JAP, CAP and RAP of journal Fig. 7 choose modes, which this study does not",
    },
    shows="se_exact_bit_per_s_per_hz",
)

FAN_CONF_FIG4 = Study(
    id="fan_conf-fig4",
    source="fan_conf",
    title="Spectral efficiency against the targets' speed and the frame (Fig. 4; journal Fig. 8)",
    trial=speed_trial,
    cells=[
        {"n_subcarriers": m, "n_symbols": n, "held": held, "speed_km_per_h": speed}
        for m, n, held in (
            (128, 128, "bandwidth"),
            (64, 128, "bandwidth"),
            (128, 64, "bandwidth"),
            (64, 64, "bandwidth"),
            (64, 128, "spacing"),
            (64, 64, "spacing"),
        )
        for speed in (0, 100, 300)
    ],
    n_trials={"smoke": 2, "book": 4, "paper": 32},
    seed=4,
    assumptions=POWER
    | {
        "element gains": "0 dBi at both ends, with which 0.1 m is hard to reach",
        "bound": "Proposition 1, at 0.1 m",
        "held": "'bandwidth': 64 MHz for all frames; 'spacing': 500 kHz, so that a frame of 64 "
        "subcarriers has 32 MHz and half the noise",
        "speed": "of both targets, in drawn directions; users' speeds are not in the formula",
    },
    shows="se_bit_per_s_per_hz",
)

FAN_JOURNAL_FIG9 = Study(
    id="fan_journal-fig9",
    source="fan_journal",
    title="Spectral efficiency against RCS: OTFS and OFDM, half and full duplex (Fig. 9)",
    trial=duplex_trial,
    cells=[
        {"waveform": waveform, "duplex": duplex, "rcs_dbsm": rcs}
        for waveform in ("OTFS", "OFDM")
        for duplex in ("half", "full")
        for rcs in (-10, -5, 0, 5, 10)
    ],
    n_trials={"smoke": 2, "book": 4, "paper": 32},
    seed=9,
    assumptions=POWER
    | {
        "scenes": "trial t of every row has the scene t; targets where no path between any two APs "
        "is longer than 2 us, so nearer to the middle than in the other figures",
        "element gains": "3 dBi at both ends",
        "bound": "Proposition 1, at 0.1 m",
        "full duplex": "all APs send and hear, their own echoes too; no self-interference is left",
        "channel estimation": "the same for both waveforms, although the journal has two",
    },
    shows="se_bit_per_s_per_hz",
)

STUDIES = FAN_CONF_FIG3, FAN_CONF_FIG4, FAN_JOURNAL_FIG9
