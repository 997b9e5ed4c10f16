"""Fading gains: the mean of the bound for several access points, and estimates against it.

The sources put the mean of a radar cross section into their bounds. Here it fluctuates (Swerling I,
a draw for each frame and path), and the mean of the bound is set against the bound at the mean.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac import scenarios, signals
from cfisac.arrays import UniformLinearArray
from cfisac.limits import fading
from cfisac.paths import Paths, echo
from cfisac.studies import Study
from cfisac.waveforms import OFDM

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

RADIUS = 247.5  # m, as far as the corners of liu's square are from its centre
DRAWS_PER_TRIAL = 10_000
ARRAY = UniformLinearArray(16)
ECHOES_PER_TRIAL = 12_800  # branches times estimates
_NEWTON_STEPS = 6


def circle_paths(observed: str, n_aps: int) -> Paths:
    """Echoes of a target at rest in the middle of a circle, each heard where it was sent.

    Parameters
    ----------
    observed : {"range and angle", "range"}
        With liu's 8 antennas, standing across the line of sight, or with one.
    n_aps : int
        Evenly around the circle.
    """
    table = scenarios.LIU_TABLE
    turn = 2 * np.pi * np.arange(n_aps) / n_aps
    aps = RADIUS * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    across = np.stack([-np.sin(turn), np.cos(turn)], axis=-1)[:, None]
    slope = np.sqrt(UniformLinearArray(8).index_variance) * np.pi
    frame = OFDM(table["n_subcarriers"], table["n_symbols"], table["subcarrier_spacing"])
    rows = slope * across if observed == "range and angle" else None
    return echo(
        np.zeros(2), np.zeros(2), aps, aps, table["carrier_frequency"], 1.0,
        frame.delay_doppler_covariance(), receive_aperture=rows,
    )  # fmt: skip


def mean_trial(rng: np.random.Generator, observed: str, n_aps: int) -> Mapping[str, float]:
    """Mean of the bound and of its root over the same at the mean power."""
    each = circle_paths(observed, n_aps).each()
    bound = np.trace(np.linalg.pinv(each.sum(axis=0)))
    square = fading.mean_crlb(each, rng, size=DRAWS_PER_TRIAL)
    root = fading.mean_position_error_bound(each, rng, size=DRAWS_PER_TRIAL)
    return {
        "mean_crlb_over_bound": float(np.trace(square.mean) / bound),
        "mean_peb_over_bound": float(root.mean / np.sqrt(bound)),
    }


def mean_known(observed: str, n_aps: int) -> Mapping[str, float]:
    """The floors, and how many access points must fall silent."""
    return {
        "crlb_floor": float(fading.floor(n_aps)),
        "peb_floor": float(fading.root_floor(n_aps)),
        "diversity": float(fading.diversity(circle_paths(observed, n_aps).each()).min()),
    }


def loudest_direction(rows: ComplexArray) -> Array:
    """Maximum-likelihood ``u = sin(phi)`` of each block of snapshots with gains of their own.

    Parameters
    ----------
    rows : (B, n, N) complex
        n snapshots of N antennas half a wavelength apart.

    Returns
    -------
    (B,)
        The top of ``sum_l |a(u)^H y_l|^2``, in [-1, 1): maximum likelihood for unknown gains, and
        for Rayleigh gains of equal means.
    """
    n_antennas = rows.shape[-1]
    n_bins = 4 * n_antennas
    power = np.sum(np.abs(np.fft.fft(rows, n_bins)) ** 2, axis=1)
    omega = 2 * np.pi / n_bins * np.argmax(power, axis=-1)
    lags = np.arange(1, n_antennas)
    sums = np.fft.ifft(power)[:, 1:n_antennas]  # power = its mean + 2 Re sum_k sums_k e^(-j k w)
    for _ in range(_NEWTON_STEPS):
        turned = sums * np.exp(-1j * omega[:, None] * lags)
        gradient, curvature = turned.imag @ lags, -turned.real @ lags**2
        uphill = np.sign(gradient) * np.pi / (2 * n_bins)
        newton = np.divide(-gradient, curvature, where=curvature < 0, out=uphill)
        omega = omega + np.clip(newton, -np.pi / n_bins, np.pi / n_bins)
    return np.asarray((omega / np.pi + 1) % 2 - 1)


def angle_trial(rng: np.random.Generator, n_branches: int, snr_db: float) -> Mapping[str, float]:
    """Mean square error of one angle from branches that fade, over the bound at the mean SNR."""
    number = ECHOES_PER_TRIAL // n_branches
    snr = 10 ** (snr_db / 10)
    u = rng.uniform(-1, 1, number)
    beams = ARRAY.steering(np.arcsin(u))[:, None]
    gains = signals.with_noise(np.zeros((number, n_branches, 1)), snr, rng)
    found = loudest_direction(signals.with_noise(gains * beams, 1.0, rng))
    error = (found - u + 1) % 2 - 1
    bound = 1 / (2 * n_branches * snr * ARRAY.kappa**2 * ARRAY.index_variance)
    return {"mse_over_bound": float(np.mean(error**2) / bound)}


def angle_known(n_branches: int, snr_db: float) -> Mapping[str, float]:
    """Both candidates for the bound, over that at the mean SNR."""
    paths = Paths(np.full(n_branches, 10 ** (snr_db / 10)), np.eye(1), np.eye(1))
    mean = paths.information()[0, 0]
    return {
        "mean_crlb_over_bound": float(fading.floor(n_branches)),
        "rayleigh_over_bound": float(mean / fading.unconditional_efim(paths)[0, 0]),
    }


STUDIES = (
    Study(
        id="fading-bounds",
        source="fan, liu",
        title="Mean of the bound over fading gains, over the bound at the mean power",
        trial=mean_trial,
        known=mean_known,
        cells=[
            {"observed": observed, "n_aps": n_aps}
            for observed in ("range and angle", "range")
            for n_aps in (1, 2, 3, 4, 6, 8, 16)
        ],
        n_trials={"smoke": 2, "book": 10, "paper": 100},
        seed=21,
        assumptions={
            "gains": "power exponential (Swerling I), independent from access point to access "
            "point, constant over a frame; frame after frame, each judged by its own bound",
            "places": "access points evenly on a circle of 247.5 m, the target at rest in its "
            "centre, velocity known",
            "signals": "liu's table: 128 subcarriers of 30 kHz, 8 antennas, across the line of "
            "sight",
            "draws": "10 000 of the shares of the power per trial",
        },
    ),
    Study(
        id="fading-ml",
        source="fan, liu",
        title="Maximum likelihood of one angle from branches that fade, and two bounds",
        trial=angle_trial,
        known=angle_known,
        cells=[
            {"n_branches": n_branches, "snr_db": float(snr_db)}
            for n_branches, levels in ((4, range(5, 31, 5)), (128, range(-5, 21, 5)))
            for snr_db in levels
        ],
        n_trials={"smoke": 2, "book": 16, "paper": 320},
        seed=22,
        assumptions={
            "array": "16 antennas half a wavelength apart; u = sin(phi) uniform in [-1, 1), error "
            "on the circle of length 2",
            "branches": "snapshots of the same angle with gains CN(0, SNR) of their own: access "
            "points of a small cell, or parts of a band",
            "snr_db": "mean of one branch, antennas combined",
            "estimates": "12 800 / n_branches per trial",
        },
    ),
)
