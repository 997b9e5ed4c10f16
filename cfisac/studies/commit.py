"""The worked example and the table of techniques of commit.

The numbers of the example are missing from the text we worked from. So it is computed for four
sides of its square and for each reading of its words, and the table for one deployment: what its
published accuracies ask of a single link, and what the bound allows.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac import fisher, geometry, scenarios
from cfisac._constants import SPEED_OF_LIGHT as speed_of_light
from cfisac.arrays import UniformLinearArray
from cfisac.limits import toa_aoa
from cfisac.studies import Study

Array = NDArray[np.float64]

N_APS, BANDWIDTH, SNR = 16, 100e6, 10.0
ARRAY = UniformLinearArray(8)
EXPONENT = 3.5
CENTRE = np.zeros(2)
SIDE = 200.0  # m, of the table
USERS_PER_TRIAL = 2000

DELAY_VARIANCE = float(toa_aoa.delay_variance(BANDWIDTH, SNR))
ANGLE_VARIANCE = float(toa_aoa.angle_variance(0.0, ARRAY, ARRAY.n_antennas * SNR))

READINGS = {
    "as reconstructed": "10 dB in all for the delay, 10 dB at each of 8 antennas for the angle",
    "delay from all antennas": "10 dB at each antenna, and all 8 time the delay",
    "10 dB in all": "10 dB after combining the antennas, for the delay and for the angle",
    "exponent 3.5": "10 dB is the mean of the 16 SNRs in dB, which fall as d^-3.5",
    "exponent 3.5, linear mean": "10 dB is the mean of the 16 SNRs themselves",
    "arrays face one way": "cos(phi) = u_x: all arrays stand along y",
    "aperture of 7 steps": "the array's variance is D^2/12 of an aperture D = (N - 1) lambda/2",
    "grid edge to edge": "the outer access points stand on the sides of the square",
}


def example_variances(reading: str, aps: Array) -> tuple[Array, Array]:
    """Delay and angle variance (M,) of each access point for a user at the centre."""
    distance, unit, _ = geometry.line_of_sight(CENTRE, aps)
    snr_of_delay, snr_of_angle = SNR, ARRAY.n_antennas * SNR
    local, cosine = np.ones(len(aps)), np.ones(len(aps))
    if reading == "delay from all antennas":
        snr_of_delay = ARRAY.n_antennas * SNR
    elif reading == "10 dB in all":
        snr_of_angle = SNR
    elif reading == "exponent 3.5":
        local = distance**-EXPONENT
        local /= np.exp(np.mean(np.log(local)))
    elif reading == "exponent 3.5, linear mean":
        local = distance**-EXPONENT
        local /= np.mean(local)
    elif reading == "aperture of 7 steps":  # (N - 1)^2 in the place of N^2 - 1
        snr_of_angle *= (ARRAY.n_antennas - 1) / (ARRAY.n_antennas + 1)
    elif reading == "arrays face one way":
        cosine = np.abs(unit[:, 0])
    elif reading not in READINGS:
        raise ValueError(f"reading must be one of {', '.join(READINGS)}; got {reading!r}")
    return (
        toa_aoa.delay_variance(BANDWIDTH, snr_of_delay * local),
        toa_aoa.angle_variance(np.arccos(cosine), ARRAY, snr_of_angle * local),
    )


def example_known(side_m: float, reading: str) -> Mapping[str, float]:
    """Every number of the example: distances, information, bounds at the centre."""
    aps = scenarios.square_grid(N_APS, side_m)
    if reading == "grid edge to edge":
        aps = aps * 4 / 3
    distance = geometry.line_of_sight(CENTRE, aps)[0]
    by_delay, by_angle = example_variances(reading, aps)
    delays = toa_aoa.position_efim(CENTRE, aps, by_delay, np.inf)
    angles = toa_aoa.position_efim(CENTRE, aps, np.inf, by_angle)
    # All access points moved along their lines of sight to the mean distance.
    ring = aps * (np.mean(distance) / distance)[:, None]
    averaged = delays + toa_aoa.position_efim(CENTRE, ring, np.inf, by_angle)
    return {
        "nearest_m": float(distance.min()),
        "mean_distance_m": float(distance.mean()),
        "farthest_m": float(distance.max()),
        "delay_part_per_m2": float(delays[0, 0]),
        "angle_part_x_per_m2": float(angles[0, 0]),
        "angle_part_y_per_m2": float(angles[1, 1]),
        "peb_m": float(fisher.position_error_bound(delays + angles)),
        "peb_mean_distance_m": float(fisher.position_error_bound(averaged)),
        "peb_delays_only_m": float(fisher.position_error_bound(delays)),
    }


# What the table publishes, in metres; the last row publishes a gain of 3-5 dB instead.
PUBLISHED = {
    "Multi-RTT": (0.5, 2.0),
    "UL-TDOA": (1.0, 3.0),
    "DL-AOA": (5.0, 15.0),
    "Joint TOA+AOA": (0.1, 0.5),
    "Pilot + data ML": (np.nan, np.nan),
}
Errors = tuple[float, float, float]  # variances of delay (s^2), angle (rad^2), clock (s^2)


def technique_errors(
    technique: str, clock: str, sync_error_ns: float, array_error_deg: float, pilot_share: float
) -> Errors:
    """Variances that a row of the table stands for; ``inf`` for what it does not observe."""
    by_delay = DELAY_VARIANCE * pilot_share + (1e-9 * sync_error_ns) ** 2
    by_angle = ANGLE_VARIANCE * pilot_share + np.radians(array_error_deg) ** 2
    if technique == "Multi-RTT":  # half the sum of two delays with independent errors
        by_delay, by_angle = by_delay / 2, np.inf
    elif technique == "UL-TDOA":
        by_angle = np.inf
    elif technique == "DL-AOA":
        by_delay = np.inf
    elif technique not in PUBLISHED:
        raise ValueError(f"technique must be one of {', '.join(PUBLISHED)}; got {technique!r}")
    return by_delay, by_angle, 0.0 if clock == "known" else np.inf


def technique_known(
    technique: str, clock: str, sync_error_ns: float, array_error_deg: float, pilot_share: float
) -> Mapping[str, float]:
    """Bound at the centre, the published range, and the error of one link that would give it."""
    errors = technique_errors(technique, clock, sync_error_ns, array_error_deg, pilot_share)
    peb = float(_peb(CENTRE, errors))
    low, high = PUBLISHED[technique]
    metres = degrees = np.nan  # of one link; the bound grows in proportion to it
    if np.isinf(errors[1]):
        metres = speed_of_light * np.sqrt(errors[0]) / peb
    elif np.isinf(errors[0]):
        degrees = np.degrees(np.sqrt(errors[1])) / peb
    return {
        "peb_centre_m": peb,
        "published_low_m": low,
        "published_high_m": high,
        "link_error_low_m": low * metres,
        "link_error_high_m": high * metres,
        "link_error_low_deg": low * degrees,
        "link_error_high_deg": high * degrees,
        "gain_db": float(10 * np.log10(1 / pilot_share)),
    }


def technique_trial(
    rng: np.random.Generator,
    technique: str,
    clock: str,
    sync_error_ns: float,
    array_error_deg: float,
    pilot_share: float,
) -> Mapping[str, float]:
    """Bound of a block of users anywhere in the square: median, and what 90 % of them keep to."""
    users = rng.uniform(-SIDE / 2, SIDE / 2, (USERS_PER_TRIAL, 2))
    errors = technique_errors(technique, clock, sync_error_ns, array_error_deg, pilot_share)
    median, most = np.quantile(_peb(users, errors), [0.5, 0.9])
    return {"median_peb_m": float(median), "p90_peb_m": float(most)}


def _peb(users: Array, errors: Errors) -> Array:
    by_delay, by_angle, clock = errors
    aps = scenarios.square_grid(N_APS, SIDE)
    efim = toa_aoa.position_efim(users, aps, by_delay, by_angle, clock)
    return fisher.position_error_bound(efim)


_COLUMNS = "technique", "clock", "sync_error_ns", "array_error_deg", "pilot_share"

STUDIES = (
    Study(
        id="commit-example",
        source="commit",
        title="Position error bound at the centre of a square with 16 access points (Example)",
        trial=None,
        known=example_known,
        shows="peb_m",
        cells=[
            {"side_m": side, "reading": reading}
            for reading in READINGS
            for side in (50.0, 100.0, 200.0, 400.0)
        ],
        n_trials={"smoke": 1, "book": 1, "paper": 1},
        seed=16,
        assumptions={
            "formulas": "lost in our text; reconstructed as delay variance 1 / (8 pi^2 beta^2 SNR) "
            "with beta = W / sqrt(12), angle variance 6 / (N (N^2 - 1) kappa^2 cos^2(phi) SNR)",
            "side": "not printed: four of them",
            "grid": "4 x 4, at the centres of 16 equal cells",
            "arrays": "8 antennas half a wavelength apart, each facing the user",
            "clock": "known",
            **READINGS,
        },
    ),
    Study(
        id="commit-techniques",
        source="commit",
        title="Positioning techniques compared (Table 1): published, needed per link, and bound",
        trial=technique_trial,
        known=technique_known,
        cells=[
            dict(zip(_COLUMNS, row, strict=True))
            for row in (
                ("Multi-RTT", "known", 0.0, 0.0, 1.0),
                ("UL-TDOA", "unknown", 0.0, 0.0, 1.0),
                ("DL-AOA", "known", 0.0, 0.0, 1.0),
                ("Joint TOA+AOA", "known", 0.0, 0.0, 1.0),
                ("Joint TOA+AOA", "unknown", 0.0, 0.0, 1.0),
                ("Joint TOA+AOA", "known", 3.0, 0.0, 1.0),
                ("Joint TOA+AOA", "known", 3.0, 3.0, 1.0),
                ("Pilot + data ML", "known", 0.0, 0.0, 0.5),
                ("Pilot + data ML", "known", 0.0, 0.0, 0.316),
            )
        ],
        n_trials={"smoke": 4, "book": 20, "paper": 200},
        seed=17,
        assumptions={
            "deployment": "16 access points on a 4 x 4 grid in a square of 200 m",
            "users": "uniform in the square, 10 dB everywhere, at the broadside of every array",
            "links": "the variances of the example: 1.2328 ns, 0.629 degrees",
            "Multi-RTT": "the mean of an uplink and a downlink delay: half the variance",
            "sync and array errors": "independent from access point to access point",
            "Pilot + data ML": "the pilots have the example's energy; all data decoded, so the "
            "energy grows by 1 / pilot share",
            "published columns": "typed from the table",
        },
    ),
)
