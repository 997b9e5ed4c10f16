"""Figures and tables of fan_conf and fan_journal."""

from collections.abc import Mapping

import numpy as np

from cfisac.studies import Study
from cfisac.studies.fan._estimator import FAN_JOURNAL_FIG4, figure_4_scene, figure_4_trial
from cfisac.studies.fan._power import FAN_CONF_FIG3, FAN_CONF_FIG4, FAN_JOURNAL_FIG9
from cfisac.studies.fan._scenes import (
    N_GAINS,
    N_SCENES,
    SCENES,
    angle_error_bound,
    aoa_known,
    draw_scene,
    median_error,
    peb_known,
    scene_bounds,
    single_target_scenes,
    turned_bounds,
    turned_receivers,
)
from cfisac.studies.fan._simulation import (
    FAR,
    GRID,
    POINTING,
    SHORT,
    TARGETS_PER_TRIAL,
    coarse_search,
    draw_frame_scene,
    frame_error,
    locate,
    simulation_trial,
)
from cfisac.waveforms import OFDM, OTFS

__all__ = [
    "FAN_CONF_FIG2",
    "FAN_CONF_FIG3",
    "FAN_CONF_FIG4",
    "FAN_JOURNAL_FIG4",
    "FAN_JOURNAL_FIG5",
    "FAN_JOURNAL_FIG9",
    "FAN_JOURNAL_TABLE_5",
    "FAR",
    "GRID",
    "N_GAINS",
    "N_SCENES",
    "POINTING",
    "SCENES",
    "SHORT",
    "STUDIES",
    "TABLE_5",
    "TABLE_5_CP_SAMPLES",
    "TARGETS_PER_TRIAL",
    "angle_error_bound",
    "aoa_known",
    "coarse_search",
    "draw_frame_scene",
    "draw_scene",
    "figure_4_scene",
    "figure_4_trial",
    "frame_error",
    "locate",
    "median_error",
    "peb_known",
    "scene_bounds",
    "simulation_trial",
    "single_target_scenes",
    "table_5_known",
    "turned_bounds",
    "turned_receivers",
]

TABLE_5 = {"OFDM": (0.500, 0.500, 1.71), "OTFS": (0.0078, 0.992, 3.31)}
TABLE_5_CP_SAMPLES = 128


def table_5_known(waveform: str) -> Mapping[str, float]:
    """One row of Table V: overhead, pre-log, and what the frame tells about delay and Doppler.

    The overhead is counted as the table counts it: the share of the time on air that goes into
    cyclic prefixes. The last three columns are the published ones.
    """
    spacing, size = 500e3, 128
    frame: OFDM | OTFS = OTFS(size, size, spacing)
    on_air = size * size + TABLE_5_CP_SAMPLES
    if waveform == "OFDM":
        frame = OFDM(size, size, spacing, TABLE_5_CP_SAMPLES / (size * spacing))
        on_air = size * (size + TABLE_5_CP_SAMPLES)
    delay, doppler = np.diag(frame.delay_doppler_covariance())
    published = TABLE_5[waveform]
    return {
        "cp_overhead": 1 - size * size / on_air,
        "prelog": float(frame.prelog(TABLE_5_CP_SAMPLES)),
        "time_on_air_s": on_air * frame.sample_period,
        "delay_variance_rad2_per_s2": delay,
        "doppler_variance_rad2_s2": doppler,
        "published_cp_overhead": published[0],
        "published_prelog": published[1],
        "published_se_bit_per_s_per_hz": published[2],
    }


FAN_JOURNAL_TABLE_5 = Study(
    id="fan_journal-table5",
    source="fan_journal",
    title="CP overhead, pre-log and waveform covariances of OFDM and OTFS (Table V)",
    trial=None,
    cells=[{"waveform": waveform} for waveform in TABLE_5],
    n_trials={"smoke": 1, "book": 1, "paper": 1},
    seed=5,
    assumptions={
        "draws": "none: all columns are exact",
        "frame": "M = N = 128, 64 MHz (Table III), so 500 kHz between subcarriers, T = 2 us",
        "cp": "128 samples, 2 us, which the printed 50 % and 0.78 % imply",
        "published columns": "typed from Table V; the spectral efficiency is not recomputed",
    },
    known=table_5_known,
)

FAN_CONF_FIG2 = Study(
    id="fan_conf-fig2",
    source="fan_conf",
    title="PEB, exact, approximate and simulated, against targets and RCS (Fig. 2; journal Fig. 3)",
    trial=simulation_trial,
    cells=[
        {"n_targets": n_targets, "receivers": receivers, "rcs_dbsm": rcs_dbsm}
        for receivers in ("two", "two per target")
        for n_targets in (1, 2, 4)
        for rcs_dbsm in (-10, 0, 10)
        if n_targets > 1 or receivers == "two"  # for one target both are the same
    ],
    n_trials={"smoke": 2, "book": 6, "paper": 96},
    seed=2,
    assumptions=SCENES
    | {
        "bounds": f"at the mean RCS, in the table's frame, mean over {N_SCENES} scenes and all "
        f"targets; 'fluctuating': mean over {N_GAINS} Swerling I draws instead",
        "receivers": "'two': those nearest to any target, for all of them; 'two per target': the "
        "union of each target's two nearest",
        "simulation": "maximum likelihood over all positions of a drawn frame with Swerling I "
        "gains; frame of 8 symbols instead of 128 and noise 12 dB lower, so that the frame has the "
        "SNR of the table's; over the exact bound of that frame and those gains; 'coupled': the "
        "bound with all paths of the drawn frame together, instead",
        "start": "where the beams of the frame point, drawn anew for each: 1 m off per axis; then "
        "the best of 3 x 3 points 1.5 m apart around it, target by target, then uphill. The truth "
        "is not used",
        "outliers": "estimates more than 5 standard deviations of the coupled bound away, on "
        "another peak; outlier_share counts them, mse_over_crlb leaves them out",
        "trials": "each locates 8 targets, in 8 / n_targets frames",
        "symbols": "Gaussian, independent at every transmitter; by (13) all transmitters send the "
        "same ones, which couples paths of nearly equal delay and Doppler shift",
        "steps": "the likelihood is searched with each sample kept in its symbol, because it has "
        "a small step wherever a delay passes a whole sample",
    },
    known=peb_known,
    shows="peb_exact_m",
)


FAN_JOURNAL_FIG5 = Study(
    id="fan_journal-fig5",
    source="fan_journal",
    title="PEB against the angle between the receiving arrays and the target (Fig. 5)",
    trial=None,
    cells=[
        {"receivers": receivers, "aoa_deg": aoa_deg}
        for receivers in ("RX1", "RX2", "both")
        for aoa_deg in (0, 0.5, 1, 2, 5, 10, 15, 30, 45, 60, 90, 120, 150, 165, 175, 179, 180)
    ],
    n_trials={"smoke": 1, "book": 1, "paper": 1},
    seed=5,
    assumptions=SCENES
    | {
        "draws": f"the same {N_SCENES} scenes with one target behind every row, seeded apart",
        "bounds": "exact, at the mean RCS of 1 m^2",
        "receivers": "RX1 is the AP nearest to the target, RX2 the next; the other 30 transmit",
        "aoa": "angle between array and line of sight, the same at both receivers",
        "ratio": "of position error bounds, scene by scene, then the mean",
        "standard error of a median": "half the distance of the quantiles 1/2 +- 1/(2 sqrt(n))",
    },
    known=aoa_known,
    shows="peb_mean_m",
)

STUDIES: tuple[Study, ...] = (
    FAN_CONF_FIG2,
    FAN_CONF_FIG3,
    FAN_CONF_FIG4,
    FAN_JOURNAL_FIG4,
    FAN_JOURNAL_FIG5,
    FAN_JOURNAL_TABLE_5,
    FAN_JOURNAL_FIG9,
)
