"""Where maximum likelihood leaves its bound: a delay, an angle, and a place seen by access points.

Beyond the sources, which trust their bounds at every SNR. :func:`line_trial` measures one delay and
one angle, :func:`position_trial` a place, by the estimators that the bounds are made for; the
known columns hold what the Ziv-Zakai bound and counted rivals say, with nothing fitted.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import _threshold_zzb, threshold
from cfisac.studies import Study
from cfisac.studies._threshold_ml import Search
from cfisac.studies._threshold_sites import N_ANTENNAS, SITES, site_box, site_scene, site_snr

Array = NDArray[np.float64]

# ------------------------------------------------------------------------- one delay, one angle

LINES = {"angle": (16, 0.5), "delay": (64, 0.125)}
"""Samples, and half of the searched interval in cycles from sample to sample.

Sixteen antennas half a wavelength apart see a circle. A delay behind 64 subcarriers, known to a
quarter of the time after which it repeats, gives the samples of an angle at 64 antennas an eighth
of a wavelength apart: the estimator is the same.
"""
SNAPSHOTS_PER_TRIAL = 8192
_PLACES = 5  # nodes of the mean over truths, along each axis
_GAINS = np.linspace(np.log(1e-6), np.log(40.0), 41)  # logarithms of |gain|^2


def line_trial(
    rng: np.random.Generator, line: str, fading: str, snr_db: float
) -> Mapping[str, float]:
    """Mean square error of maximum likelihood over a block of snapshots, by its bound."""
    number, half = LINES[line]
    array, snr = UniformLinearArray(number, half), 10 ** (snr_db / 10)
    phi = np.arcsin(rng.uniform(-1, 1, SNAPSHOTS_PER_TRIAL))
    parts = rng.normal(scale=np.sqrt(0.5), size=(2, SNAPSHOTS_PER_TRIAL, number))
    gain = np.full(SNAPSHOTS_PER_TRIAL, np.sqrt(snr))
    if fading == "rayleigh":
        gain = gain * np.sqrt(rng.exponential(size=SNAPSHOTS_PER_TRIAL))
    received = gain[:, None] * array.steering(phi) + parts[0] + 1j * parts[1]
    _, found = angle_ml.estimate_from_channel(received, array)
    if line == "angle":
        error = half * angle_ml.angle_error_in_sine(found, phi)
    else:
        error = half * (np.sin(found) - np.sin(phi))
    return {"mse_over_crlb": float(np.mean(error**2)) * 2 * snr * line_spread(line)}


def line_spread(line: str) -> float:
    """Information of a sample's place in the line for each 2 SNR, in the inverse square of cycles.

    Parameters
    ----------
    line : str
        One of :data:`LINES`.
    """
    return float((2 * np.pi) ** 2 * (LINES[line][0] ** 2 - 1) / 12)


def line_known(line: str, fading: str, snr_db: float) -> Mapping[str, float]:
    """What is predicted of a row, in units of the Cramér-Rao bound of the mean SNR."""
    number, half = LINES[line]
    snr, circular = 10 ** (snr_db / 10), line == "angle"
    bound = 1 / (2 * snr * line_spread(line))
    alike, width = threshold.uniform(number), 2 * half
    zzb = threshold.ziv_zakai(snr, alike, width, circular, fading)
    gains = np.exp(_GAINS) if fading == "rayleigh" else np.ones(1)
    weights = gains * np.exp(-gains) if fading == "rayleigh" else gains
    weights = weights / weights.sum()
    counted = weights @ counted_line(line, 10 * np.log10(snr * gains))
    outliers = angle_ml.outlier_probability(snr * gains, round(number * width))
    blind = width**2 / (12 if circular else 6)
    interval = weights @ (outliers * blind + (1 - outliers) * np.minimum(bound / gains, blind))
    coherent = _threshold_zzb.scalar(alike, width, circular, (np.array([snr]), _coherent))
    return {
        "sample_snr_db": snr_db - float(10 * np.log10(number)),
        "ziv_zakai_over_crlb": float(zzb / bound),
        "coherent_over_crlb": float(coherent[0] / bound) if fading == "phase" else np.nan,
        "interval_over_crlb": float(interval / bound),
        "counted_over_crlb": float(counted / bound),
    }


def counted_line(line: str, snr_db: Array) -> Array:
    """Mean square error (n,) that counted rivals predict, the truth being uniform in the interval.

    Parameters
    ----------
    line : str
        One of :data:`LINES`.
    snr_db : (n,)
        Of gains of known modulus.
    """
    number, half = LINES[line]
    nodes, weights = np.polynomial.legendre.leggauss(_PLACES)
    if line == "angle":  # all truths are alike
        nodes, weights = np.zeros(1), np.full(1, 2.0)
    else:  # both halves of the interval are
        nodes, weights = nodes[2:], np.array([1.0, 2.0, 2.0]) * weights[2:]
    total = np.zeros(np.shape(snr_db))
    for node, weight in zip(nodes, weights, strict=True):
        places = threshold.line(
            1.0, threshold.uniform(number), line_spread(line), 2 * half, half * (1 + node),
            line == "angle", 192,
        )  # fmt: skip
        total += weight / 2 * threshold.rivals(places, snr_db).mse
    return total


def _coherent(rho: Array, likeness: Array) -> Array:
    """Error of the test whose phase is known, which is not the one at hand."""
    from scipy.stats import norm

    return np.asarray(norm.sf(np.sqrt(rho * (1 - likeness))))


# ------------------------------------------------------------------------------------ a place


USUAL_SNR_DB = (-21.0, -15.0, -10.0, -6.0, -3.0, 0.0, 2.0, 4.0, 6.0)
HIGH_SNR_DB = (12.0, 15.0, 18.0, 22.0)
SNAPSHOTS = {"usual": 128, "near": 768, "near, wide": 512}


@lru_cache(maxsize=len(SITES))
def _search(site: str) -> Search:
    return Search(site_scene(site), site_box(site), SITES[site].n_search)


@lru_cache(maxsize=len(SITES))
def _pairs(site: str) -> list[_threshold_zzb.Pairs]:
    return _threshold_zzb.displaced(site_scene(site), site_box(site), np.zeros(2))


@lru_cache(maxsize=len(SITES))
def _truths(site: str) -> tuple[list[threshold.Landscape], Array]:
    """Landscapes at 0 dB of truths all over the square, and weights of their mean."""
    nodes, weights = np.polynomial.legendre.leggauss(_PLACES)
    box = site_box(site)
    middle, half = box.mean(axis=0), (box[1] - box[0]) / 2
    truths = [middle + half * np.array([x, y]) for x in nodes for y in nodes]
    scapes = [
        threshold.landscape(
            site_scene(site, truth), box, SITES[site].n_count, snr=site_snr(site, truth, 0.0)
        )
        for truth in truths
    ]
    return scapes, np.outer(weights, weights).ravel() / 4


def site_mean(site: str, snr_db: float) -> dict[str, float]:
    """Means of a prediction over the square: the fields of :class:`threshold.Prediction`.

    Parameters
    ----------
    site : str
        One of :data:`SITES`.
    snr_db : float
        At 247.5 m.
    """
    scapes, weights = _truths(site)
    found = [threshold.rivals(each, snr_db) for each in scapes]
    return {
        name: float(weights @ [float(getattr(each, name)) for each in found])
        for name in threshold.Prediction._fields
    }


@lru_cache(maxsize=len(SITES))
def _crlb(site: str) -> float:
    """Mean Cramér-Rao bound (m^2) over the square at 0 dB."""
    scapes, weights = _truths(site)
    bounds = [
        np.trace(np.linalg.inv(2 * np.einsum("l,lij->ij", each.snr, each.truth_metric)))
        for each in scapes
    ]
    return float(weights @ bounds)


def position_trial(
    rng: np.random.Generator, site: str, snr_db: float, snapshots: int
) -> Mapping[str, float]:
    """Mean square error of joint maximum likelihood over its mean bound; truths uniform."""
    search = _search(site)
    low, high = search.box
    truth = rng.uniform(low, high, (snapshots, 2))
    received, _ = search.draw(rng, site_snr(site, truth, snr_db), truth)
    error = np.sum((search.estimate(received) - truth) ** 2, axis=-1)
    return {"mse_over_crlb": float(np.mean(error)) * 10 ** (snr_db / 10) / _crlb(site)}


def position_known(site: str, snr_db: float, snapshots: int) -> Mapping[str, float]:
    """Bound (m), what counted rivals predict, and the Ziv-Zakai bound where all SNRs are equal."""
    mean = site_mean(site, snr_db)
    bound, kind = mean["crlb"], SITES[site]
    zzb = np.nan
    if kind.decay == 0:
        zzb = _threshold_zzb.of_pairs(
            _pairs(site), site_snr(site, site_box(site).mean(axis=0), snr_db), "phase"
        )
    return {
        "sample_snr_db": snr_db - float(10 * np.log10(N_ANTENNAS * kind.n_subcarriers)),
        "root_crlb_m": float(np.sqrt(bound)),
        "ziv_zakai_over_crlb": zzb / bound,
        "counted_over_crlb": mean["mse"] / bound,
        "predicted_outliers": mean["outlier_probability"],
    }


# ------------------------------------------------------------------------------------- levels


def crossing(snr_db: Array, ratio: Array, level: float) -> float:
    """SNR (dB) where a falling ratio passes a level for the last time, between logarithms.

    Parameters
    ----------
    snr_db : (n,)
        Ascending.
    ratio : (n,)
        Of mean squared error to bound.
    level : float
        Such as two.

    Returns
    -------
    float
        ``nan`` where the ratio does not pass the level.
    """
    db, height = np.asarray(snr_db, dtype=float), np.log(np.asarray(ratio, dtype=float) / level)
    above = np.flatnonzero(height > 0)
    if not above.size or above[-1] + 1 == len(db):
        return float("nan")
    i = above[-1]
    return float(db[i] + (db[i + 1] - db[i]) * height[i] / (height[i] - height[i + 1]))


def _position_cells() -> list[dict[str, float | int | str]]:
    cells: list[dict[str, float | int | str]] = []
    for site, kind in SITES.items():
        near = "near, wide" if "wide" in site else "near"
        often = dict.fromkeys(kind.near, SNAPSHOTS[near])
        rest = [
            snr for snr in (*USUAL_SNR_DB, *HIGH_SNR_DB)
            if snr < min(kind.near) - 0.2 or snr > max(kind.near) + 0.2
        ]  # fmt: skip
        for snr, number in sorted((dict.fromkeys(rest, SNAPSHOTS["usual"]) | often).items()):
            cells.append({"site": site, "snr_db": snr, "snapshots": number})
    return cells


STUDIES = (
    Study(
        id="delay-threshold",
        source="beyond",
        title="Mean square error of a delay and an angle over its bound, fixed and fading gains",
        trial=line_trial,
        cells=[
            {"line": line, "fading": fading, "snr_db": snr_db}
            for line in LINES
            for fading in ("phase", "rayleigh")
            for snr_db in (
                -33.0,
                -27.0,
                -21.0,
                -15.0,
                -9.0,
                -6.0,
                -3.0,
                0.0,
                3.0,
                6.0,
                8.0,
                10.0,
                11.0,
                12.0,
                12.5,
                13.0,
                13.5,
                14.0,
                14.5,
                15.0,
                16.0,
                18.0,
                20.0,
                25.0,
                30.0,
            )
        ],
        n_trials={"smoke": 2, "book": 8, "paper": 32},
        seed=31,
        assumptions={
            "snr_db": "rho = |alpha|^2 / sigma^2 of all samples together, or its mean",
            "angle": "16 antennas, u = sin(phi) uniform on the circle that they see",
            "delay": "64 subcarriers, uniform in a quarter of the time after which it repeats",
            "gain": "unknown; of one modulus (phase), or CN(0, rho) (rayleigh)",
            "snapshots": f"{SNAPSHOTS_PER_TRIAL} per trial",
        },
        known=line_known,
        shows="mse_over_crlb",
    ),
    Study(
        id="position-threshold",
        source="beyond",
        title="Mean square error of joint ML positioning over its bound, in five scenes",
        trial=position_trial,
        cells=_position_cells(),
        n_trials={"smoke": 2, "book": 4, "paper": 32},
        seed=32,
        assumptions={
            "snr_db": "rho of each access point's echo in all its samples (at 247.5 m)",
            "scene": "access points in the corners of 350 m, 8 antennas along y, 32 subcarriers of "
            "120 kHz (wide band: 128), one symbol, a target at rest, gains unknown",
            "truth": "uniform in the square that is searched: 75 to 275 m (one lobe: 125 to 225 m, "
            "where the SNR falls with the fourth power of the distance)",
            "prediction": f"mean over {_PLACES} x {_PLACES} truths, nothing fitted",
        },
        known=position_known,
        shows="mse_over_crlb",
    ),
)
