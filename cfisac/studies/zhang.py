"""Figures 2 and 3 of zhang, and the threshold of the estimator that attains its Theorem 2.

The text of the source gives no parameter of its figures. Assumed here: a square of 200 m, users
uniform in it, half-wavelength arrays, unit noise variance, power ``|alpha|^2 = 10 (50 m / d)^2``,
users nearer than 10 m counted as 10 m away, access points turned at random with three panels each,
so that the angle to the nearest panel is uniform in +-60 degrees. Without panels the mean does not
exist: E[1 / cos^2 phi] is infinite for an angle uniform on the circle.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import angle_gain
from cfisac.scenarios import DEPLOYMENTS, deploy
from cfisac.studies import Study

Array = NDArray[np.float64]

SIDE = 200.0  # m
NEAREST = 10.0  # m
REFERENCE_POWER, REFERENCE_DISTANCE = 10.0, 50.0  # |alpha|^2 / sigma^2 at that distance (m)
PANEL = np.pi / 3  # half the sector of one of three panels (rad)
USERS_PER_TRIAL = 1000
SNAPSHOTS_PER_TRIAL = 4096

ASSUMPTIONS = {
    "area": "square of 200 m, users uniform, users nearer than 10 m counted as 10 m away",
    "array": "L antennas half a wavelength apart (kappa = pi)",
    "noise": "sigma^2 = 1",
    "path loss": "|alpha|^2 = 10 (50 m / d)^2 after combining, whatever L",
    "orientation": "random, three panels per access point: local angle uniform in +-60 degrees",
}


def angle_information(
    rng: np.random.Generator, aps: Array, users: Array, array: UniformLinearArray, n_pilots: int
) -> tuple[Array, Array]:
    """Information on each bearing, rad^-2, and the bearing's gradient, 1/m.

    Parameters
    ----------
    rng : Generator
        For the orientations of the panels.
    aps : (n_users, M, 2)
        Access points, in metres.
    users : (n_users, 2)
        Users, in metres.
    array : UniformLinearArray
        Every panel's array.
    n_pilots : int
        T >= 1.

    Returns
    -------
    information : (n_users, M)
        The inverse of zhang (41).
    gradient : (n_users, M, 2)
        Derivative of the bearing by the user's position, ``u_perp / d``.
    """
    offset = users[:, None, :] - aps
    true_distance = np.linalg.norm(offset, axis=-1)
    distance = np.maximum(true_distance, NEAREST)
    gain = np.sqrt(REFERENCE_POWER) * REFERENCE_DISTANCE / distance
    phi = rng.uniform(-PANEL, PANEL, distance.shape)
    information = 1 / angle_gain.angle_crlb(gain, phi, array, n_pilots, 1.0)
    across = np.stack([-offset[..., 1], offset[..., 0]], axis=-1) / true_distance[..., None]
    return information, across / distance[..., None]


def mean_crlb_trial(
    rng: np.random.Generator, n_antennas: int, n_pilots: int
) -> Mapping[str, float]:
    """Figure 2: mean of (41) over a block of users and the 16 access points of a grid."""
    users = rng.uniform(-SIDE / 2, SIDE / 2, (USERS_PER_TRIAL, 2))
    aps = deploy(rng, "cell-free grid", 16, USERS_PER_TRIAL, SIDE)
    information, _ = angle_information(rng, aps, users, UniformLinearArray(n_antennas), n_pilots)
    return {"mean_angle_crlb_rad2": float(np.mean(1 / information))}


def deployment_trial(rng: np.random.Generator, deployment: str, n_aps: int) -> Mapping[str, float]:
    """Figure 3: (46) of all access points, the mean of (41), and the position error bound."""
    users = rng.uniform(-SIDE / 2, SIDE / 2, (USERS_PER_TRIAL, 2))
    aps = deploy(rng, deployment, n_aps, USERS_PER_TRIAL, SIDE)
    information, gradient = angle_information(rng, aps, users, UniformLinearArray(8), 16)
    if np.ptp(aps, axis=1).any():
        efim = np.einsum("um,umi,umj->uij", information, gradient, gradient)
        determinant = efim[:, 0, 0] * efim[:, 1, 1] - efim[:, 0, 1] ** 2
        peb = np.sqrt(np.trace(efim, axis1=1, axis2=2) / determinant)
    else:  # one place sees one bearing, however many arrays stand there
        peb = np.full(USERS_PER_TRIAL, np.inf)
    return {
        "network_crlb_rad2": float(np.mean(1 / information.sum(axis=1))),
        "mean_ap_crlb_rad2": float(np.mean(1 / information)),
        "median_peb_m": float(np.median(peb)),
    }


def threshold_trial(
    rng: np.random.Generator, n_antennas: int, snr_db: float
) -> Mapping[str, float]:
    """Mean square error of the maximum-likelihood angle over a block of snapshots, by its bound."""
    array = UniformLinearArray(n_antennas)
    snr = 10 ** (snr_db / 10)
    phi = np.arcsin(rng.uniform(-1, 1, SNAPSHOTS_PER_TRIAL))
    noise = rng.normal(scale=np.sqrt(0.5), size=(2, SNAPSHOTS_PER_TRIAL, n_antennas))
    channel = np.sqrt(snr) * array.steering(phi) + noise[0] + 1j * noise[1]
    _, estimate = angle_ml.estimate_from_channel(channel, array)
    error = angle_ml.angle_error_in_sine(estimate, phi)
    return {"mse_over_crlb": float(np.mean(error**2)) / _sine_crlb(snr, array)}


def threshold_known(n_antennas: int, snr_db: float) -> Mapping[str, float]:
    """Prediction by interval errors for a row of the threshold study."""
    array = UniformLinearArray(n_antennas)
    snr = 10 ** (snr_db / 10)
    predicted = angle_ml.predicted_mse(snr, array) / _sine_crlb(snr, array)
    return {"predicted_over_crlb": float(predicted)}


def _sine_crlb(snr: float, array: UniformLinearArray) -> float:
    """Bound on the variance of sin(phi): zhang (41) at broadside, where both agree."""
    return float(angle_gain.angle_crlb(np.sqrt(snr), 0.0, array, 1, 1.0))


STUDIES = (
    Study(
        id="zhang-fig2",
        source="zhang",
        title="Mean angle CRLB against pilots and antennas (Fig. 2)",
        trial=mean_crlb_trial,
        cells=[
            {"n_antennas": antennas, "n_pilots": pilots}
            for antennas in (4, 8, 16, 32)
            for pilots in (4, 8, 16, 32, 64)
        ],
        n_trials={"smoke": 4, "book": 50, "paper": 400},
        seed=2,
        assumptions=ASSUMPTIONS | {"deployment": "16 access points at (+-25, +-75) m"},
    ),
    Study(
        id="zhang-fig3",
        source="zhang",
        title="Angle CRLB of four deployments against the number of access points (Fig. 3)",
        trial=deployment_trial,
        cells=[
            {"deployment": deployment, "n_aps": n_aps}
            for deployment in DEPLOYMENTS
            for n_aps in (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 20, 25)
            if deployment != "cell-free grid" or n_aps in (1, 4, 9, 16, 25)
        ],
        n_trials={"smoke": 4, "book": 50, "paper": 400},
        seed=3,
        assumptions=ASSUMPTIONS
        | {
            "pilots and antennas": "T = 16, L = 8",
            "random": "access points, or the base station, drawn anew for every user",
        },
    ),
    Study(
        id="angle-threshold",
        source="zhang",
        title="Mean square error of the ML angle over its CRLB against SNR (Theorem 2)",
        trial=threshold_trial,
        cells=[
            {"n_antennas": antennas, "snr_db": snr_db}
            for antennas in (8, 16)
            for snr_db in range(31)
        ],
        n_trials={"smoke": 2, "book": 32, "paper": 256},
        seed=12,
        assumptions={
            "snr_db": "rho = T |alpha|^2 / sigma^2, after combining antennas and pilots",
            "angle": "u = sin(phi) uniform in [-1, 1), error taken on the circle of length 2",
            "array": "half a wavelength apart",
            "snapshots": "4096 per trial",
        },
        known=threshold_known,
    ),
)
