"""The rate-PEB region of commit on its square, and users whose pilots overlap.

The section draws the region with an interactive figure whose parameters are lost. Here it is for
the worked example's access points, for a user at the centre and for the median user, in five
systems that differ in what becomes of the pilots and what the data are worth.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac import fisher, geometry, scenarios
from cfisac.arrays import UniformLinearArray
from cfisac.designs import tradeoff
from cfisac.limits import toa_aoa
from cfisac.studies import Study
from cfisac.studies.commit import BANDWIDTH, EXPONENT, N_APS, SNR

Array = NDArray[np.float64]

SIDE = 100.0  # m
ARRAY = UniformLinearArray(8)
USERS_PER_TRIAL = 500
NEAREST = 1.0  # m

SYSTEMS = {
    "pilots cancelled, data not used": "the region as the section describes it",
    "pilots stay, data not used": "what is sent for positioning is noise to the decoder",
    "pilots stay, time shared": "all power on pilots or on data, in turn",
    "data decoded and used": "all symbols known in the end",
    "data never known": "their delays and angles are used as those of an unknown waveform",
}


def links(users: Array) -> tuple[Array, Array, Array, Array]:
    """Per-antenna SNR, and delay and angle variance (n, M) of all power; the combined SNR (n,).

    Parameters
    ----------
    users : (n, 2)
        In metres. The mean of the SNRs in dB is 10 dB at the centre of the square.
    """
    aps = scenarios.square_grid(N_APS, SIDE)
    far = geometry.line_of_sight(np.zeros(2), aps)[0]
    near = np.linalg.norm(users[:, None] - aps, axis=-1)
    local = SNR * np.exp(EXPONENT * (np.mean(np.log(far)) - np.log(near)))
    energy = ARRAY.n_antennas * local
    by_delay = toa_aoa.delay_variance(BANDWIDTH, energy)
    by_angle = toa_aoa.angle_variance(0.0, ARRAY, energy)
    return local, by_delay, by_angle, energy.sum(axis=-1)


def operating_points(system: str, users: Array, split: float) -> tuple[Array, Array]:
    """Rate (bit/s/Hz) and PEB (m) of users (n, 2) for a split, one symbol of energy.

    Raises
    ------
    ValueError
        If ``system`` is none of ``SYSTEMS``.
    """
    if system not in SYSTEMS:
        raise ValueError(f"system must be one of {', '.join(SYSTEMS)}; got {system!r}")
    _, by_delay, by_angle, snr = links(users)
    aps = scenarios.square_grid(N_APS, SIDE)
    efim = toa_aoa.position_efim(users, aps, by_delay, by_angle)
    if system == "pilots stay, time shared":
        peb = fisher.position_error_bound((1 - split) * efim)
        return split * np.log2(1 + snr), peb
    data = np.zeros_like(efim)
    if system == "data decoded and used":
        data = efim
    elif system == "data never known":
        data = tradeoff.unknown_data_efim(users, aps, by_delay, by_angle, snr)
    leakage = 1.0 if system.startswith("pilots stay") else 0.0
    found = tradeoff.region(np.full(len(users), split), snr, efim, data, leakage)
    return found.rate, found.peb


def region_known(system: str, split: float) -> Mapping[str, float]:
    """Rate and PEB of a user at the centre."""
    rate, peb = operating_points(system, np.zeros((1, 2)), split)
    return {"rate_centre_bit_s_hz": float(rate[0]), "peb_centre_m": float(peb[0])}


def region_trial(rng: np.random.Generator, system: str, split: float) -> Mapping[str, float]:
    """Median rate and PEB of a block of users anywhere in the square."""
    users = rng.uniform(-SIDE / 2, SIDE / 2, (USERS_PER_TRIAL, 2))
    near = np.linalg.norm(users[:, None] - scenarios.square_grid(N_APS, SIDE), axis=-1).min(axis=1)
    rate, peb = operating_points(system, users[near > NEAREST], split)
    # Where nothing tells of the position there is no median to average: it is inf at the centre.
    found = {"median_rate_bit_s_hz": float(np.median(rate))}
    return found | {"median_information_per_m2": float(np.median(peb**-2.0))}


# ------------------------------------------------------------------- users whose pilots overlap


def kept_information(rng: np.random.Generator, n_antennas: int, n_users: int) -> Array:
    """Share of its angle information that each of K users keeps when all send the same pilot.

    Users anywhere, equal powers, one array, all gains unknown: the array alone tells them apart.
    """
    omega = np.pi * rng.uniform(-1, 1, n_users)
    index = np.arange(n_antennas) - (n_antennas - 1) / 2
    a = np.exp(1j * np.outer(index, omega)) / np.sqrt(n_antennas)
    slope = 1j * index[:, None] * a * np.exp(2j * np.pi * rng.uniform(size=n_users))
    gain = np.linalg.qr(a)[0]
    rest = slope - gain @ (gain.conj().T @ slope)
    fim = np.real(rest.conj().T @ rest)
    alone = np.mean(index**2)
    bound = np.diagonal(fisher.crlb(fim))
    return np.asarray(1 / (bound * alone))


def overlap_trial(rng: np.random.Generator, n_antennas: int, n_users: int) -> Mapping[str, float]:
    """Median share over one draw of users, and how many keep half."""
    kept = kept_information(rng, n_antennas, n_users)
    return {"median_share": float(np.median(kept)), "keep_half": float(np.mean(kept > 0.5))}


STUDIES = (
    Study(
        id="commit-region",
        source="commit",
        title="Rate-PEB region by power split (Fig. 1)",
        trial=region_trial,
        known=region_known,
        shows="peb_centre_m",
        cells=[
            {"system": system, "split": split / 10} for system in SYSTEMS for split in range(11)
        ],
        n_trials={"smoke": 2, "book": 10, "paper": 100},
        seed=18,
        assumptions={
            "deployment": "16 access points on a 4 x 4 grid in a square of 100 m, 8 antennas each",
            "SNR": "10 dB at each antenna for a user at the centre (mean in dB), falling as d^-3.5",
            "rate": "all antennas of all access points are combined",
            "bound": "of the energy of one symbol; of T symbols it is 1 / sqrt(T) of it",
            "arrays": "each faces the user; all antennas time the delay; clocks known",
            "users": f"uniform in the square, {NEAREST:g} m or more from access points",
            **SYSTEMS,
        },
    ),
    Study(
        id="commit-overlap",
        source="commit",
        title="Angle information that users keep when all send the same pilot",
        trial=overlap_trial,
        shows="median_share",
        cells=[
            {"n_antennas": antennas, "n_users": users}
            for antennas in (8, 64)
            for users in (2, 4, 8, 16, 32)
            if users < antennas / 2
        ],
        n_trials={"smoke": 8, "book": 100, "paper": 2000},
        seed=19,
        assumptions={
            "users": "electrical angles uniform, powers equal, phases uniform",
            "pilots": "one symbol, the same for all: no orthogonality but that of the array",
            "unknown": "the angle and the complex gain of every user",
        },
    ),
)
