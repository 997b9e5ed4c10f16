"""What unknown data are worth beside pilots: maximum likelihood by EM (commit's last technique)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfisac import signals
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml, pilot_data
from cfisac.studies import Study

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

ARRAY, SYMBOLS = UniformLinearArray(8), 128
N_APS, N_TONES, BLOCKS, SPACING = 2, 16, 32, 1e6  # Hz
SCENES_PER_TRIAL = 200
QUANTITIES = ("angle", "delay difference", "mean delay")


def em_trial(
    rng: np.random.Generator, quantity: str, data: str, snr_db: float, pilot_share: float
) -> Mapping[str, float]:
    """Mean square errors over the bound of symbols that are all known."""
    errors, bound = (_angle if quantity == "angle" else _delays)(rng, quantity, data, snr_db,
                                                                pilot_share)  # fmt: skip
    return {
        f"{name}_mse_over_bound": float(np.mean(error**2) / bound)
        for name, error in zip(("pilots", "em", "decoded"), errors, strict=True)
    }


def em_known(quantity: str, data: str, snr_db: float, pilot_share: float) -> Mapping[str, float]:
    """Share of a symbol's information that it keeps if nobody knows it, and what is predicted."""
    snr = 10 ** (snr_db / 10)
    kept = 0.0 if quantity == "mean delay" else snr / (1 + snr)
    return {
        "gaussian_share": kept,
        "gaussian_gain_db": float(10 * np.log10(1 + kept * (1 / pilot_share - 1))),
        "decoded_gain_db": float(-10 * np.log10(pilot_share)),
    }


def _angle(
    rng: np.random.Generator, quantity: str, data: str, snr_db: float, pilot_share: float
) -> tuple[list[Array], float]:
    """Errors of u = sin(phi): from the pilots, by EM, all known; and the bound of the last."""
    snr, n_pilots = 10 ** (snr_db / 10), round(pilot_share * SYMBOLS)
    u = rng.uniform(-1, 1, SCENES_PER_TRIAL)
    symbols = draw_symbols(rng, data, (SCENES_PER_TRIAL, SYMBOLS), n_pilots)
    gains = np.sqrt(snr) * np.exp(2j * np.pi * rng.uniform(size=SCENES_PER_TRIAL))
    beams = gains[:, None] * ARRAY.steering(np.arcsin(u))
    heard = signals.with_noise(beams[..., None] * symbols[:, None], 1.0, rng)
    phi = np.arcsin(u)
    errors = [
        angle_ml.angle_error_in_sine(
            pilot_data.angle(heard[..., :last], symbols[:, :known], ARRAY, 1.0, data).value, phi
        )
        for known, last in ((n_pilots, n_pilots), (n_pilots, SYMBOLS), (SYMBOLS, SYMBOLS))
    ]
    return errors, 1 / (2 * snr * SYMBOLS * ARRAY.kappa**2 * ARRAY.index_variance)


def _delays(
    rng: np.random.Generator, quantity: str, data: str, snr_db: float, pilot_share: float
) -> tuple[list[Array], float]:
    """The same for the difference or the mean of two delays, in periods of the tones."""
    snr, n_pilots = 10 ** (snr_db / 10), round(pilot_share * BLOCKS)
    delay = rng.uniform(-0.5, 0.5, (SCENES_PER_TRIAL, N_APS))  # in periods
    symbols = draw_symbols(rng, data, (SCENES_PER_TRIAL, N_TONES, BLOCKS), n_pilots)
    phases = np.exp(2j * np.pi * rng.uniform(size=(SCENES_PER_TRIAL, N_APS, 1)))
    turned = phases * np.exp(-2j * np.pi * delay[..., None] * np.arange(N_TONES))
    clean = np.sqrt(snr / N_APS) * turned[..., None] * symbols[:, None]
    heard = signals.with_noise(clean, 1.0, rng)
    wanted = np.array([1.0, -1.0]) if quantity == "delay difference" else np.array([0.5, 0.5])
    errors = []
    for known, last in ((n_pilots, n_pilots), (n_pilots, BLOCKS), (BLOCKS, BLOCKS)):
        found = pilot_data.delays(heard[..., :last], symbols[..., :known], SPACING, 1.0, data)
        errors.append(((found.value * SPACING - delay + 0.5) % 1 - 0.5) @ wanted)
    told = 2 * snr / N_APS * N_TONES * BLOCKS * (2 * np.pi) ** 2 * (N_TONES**2 - 1) / 12
    return errors, float(wanted @ wanted / told)


def draw_symbols(
    rng: np.random.Generator, data: str, shape: tuple[int, ...], n_pilots: int
) -> ComplexArray:
    """Symbols (..., T) of power one, the first ``n_pilots`` of modulus one."""
    corners = (rng.choice([-1.0, 1.0], (2, *shape))) * np.sqrt(0.5)
    symbols: ComplexArray = corners[0] + 1j * corners[1]
    if data == "gaussian":
        drawn = signals.with_noise(np.zeros(shape), 1.0, rng)
        symbols[..., n_pilots:] = drawn[..., n_pilots:]
    return symbols


STUDIES = (
    Study(
        id="commit-em",
        source="commit",
        title="Pilots and data by maximum likelihood (Table 1): what unknown symbols are worth",
        trial=em_trial,
        known=em_known,
        cells=[
            {"quantity": quantity, "data": data, "snr_db": float(snr_db), "pilot_share": share}
            for share, quantities in ((0.5, QUANTITIES), (0.3125, QUANTITIES[:1]))
            for quantity in quantities
            for data in ("gaussian", "qpsk")
            for snr_db in (-3, 0, 3, 6, 10, 15)
        ],
        n_trials={"smoke": 2, "book": 8, "paper": 40},
        seed=23,
        assumptions={
            "snr_db": "Gamma: of one symbol, all receivers combined, pilots and data alike",
            "angle": "one array of 8 antennas, 128 symbols, u = sin(phi) uniform in [-1, 1)",
            "delays": "two access points that hear alike, 16 tones, 32 symbols on each; gains with "
            "phases that nobody knows; delays uniform over the period of the tones",
            "pilot_share": "of the symbols, which all have the same mean power",
            "data": "white, CN(0, 1) or QPSK, not coded",
            "EM": "from the estimate of the pilots alone, until the channel moves by less than "
            "1e-10 of itself",
            "decoded": "all symbols given to the same estimator",
            "scenes": "200 per trial",
        },
    ),
)
