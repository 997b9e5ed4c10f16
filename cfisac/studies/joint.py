"""The joint estimator of ``estimators.joint_ml``: on its bound, and below what one AP can hear.

Both studies use the scenes of liu, Section V. Their SNR is that of one sample of a target at the
middle of the area, 247.5 m from every access point; the power of an echo falls with the fourth
power of the distance, and its phase is uniform.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cfisac import fisher, geometry, signals
from cfisac.estimators import joint_ml
from cfisac.limits import cooperative
from cfisac.scenarios import LIU_TABLE, MonostaticScene, liu_scene
from cfisac.studies import Study
from cfisac.studies._joint_count import AREA, MAX_SPEED, predicted
from cfisac.studies._joint_count import searched as _searched

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

LOST = 40.0  # squared error by its covariance in four dimensions; chance 4e-8 on the bound
CAP = 100.0  # that a squared error over its bound counts for: where a lost target is no matter
SHARE = 0.9  # of successes, at which detectors are compared


def scene_at(rng: np.random.Generator, n_targets: int, snr_db: float) -> MonostaticScene:
    """A scene of liu whose samples have this SNR at the middle of the area."""
    scene = liu_scene(rng, n_targets)
    middle = scene.aps.mean(axis=0)
    far = np.linalg.norm(scene.targets - scene.aps[:, None], axis=-1)
    there = scene.sample_snr * (far / np.linalg.norm(middle - scene.aps, axis=1)[:, None]) ** 4
    power = scene.transmit_power * 10 ** (snr_db / 10) / float(there[0, 0])
    return replace(scene, transmit_power=power)


def received(
    scene: MonostaticScene, rng: np.random.Generator
) -> tuple[ComplexArray, list[ComplexArray]]:
    """Amplitudes (L, U), and the samples of every access point with noise."""
    amplitudes = signals.draw_amplitudes(scene, rng)
    clean = signals.echo_tensors(scene, amplitudes)
    return amplitudes, [signals.with_noise(each, scene.noise_variance, rng) for each in clean]


def bound_of(scene: MonostaticScene, amplitudes: ComplexArray) -> Array:
    """EFIM (4U, 4U) of all targets, which hide each other where they overlap."""
    return cooperative.joint_efim(
        scene.targets,
        scene.velocities,
        scene.aps,
        scene.n_antennas,
        amplitudes.T / np.sqrt(scene.noise_variance),
        scene.waveform,  # type: ignore[arg-type]
        scene.carrier_frequency,
        scene.spacing,
    )


def errors(scene: MonostaticScene, found: joint_ml.Estimate) -> Array:
    """Errors (U, 4) of position and velocity, each target with the estimate that is its own."""
    apart = np.linalg.norm(found.positions[:, None] - scene.targets, axis=-1)
    _, mine = linear_sum_assignment(apart.T)
    off = found.positions[mine] - scene.targets, found.velocities[mine] - scene.velocities
    return np.concatenate(off, axis=1)


def accuracy_trial(rng: np.random.Generator, snr_db: float) -> Mapping[str, float]:
    """One scene of three targets: squared errors by their bounds, and what went wrong."""
    scene = scene_at(rng, 3, snr_db)
    amplitudes, samples = received(scene, rng)
    efim = bound_of(scene, amplitudes)
    position = cooperative.position_error_bound(efim) ** 2
    velocity = cooperative.velocity_error_bound(efim) ** 2
    covariance = fisher.crlb(efim)
    found = joint_ml.estimate(scene, samples, 3)
    off = errors(scene, found)
    blocks = covariance.reshape(3, 4, 3, 4)[np.arange(3), :, np.arange(3)]
    lost = bool(np.any(np.einsum("ui,uij,uj->u", off, np.linalg.inv(blocks), off) > LOST))
    pairs = [pair[1:] for pair in found.overlaps]
    return {
        "position_crlb_m2": float(position.mean()),
        "velocity_crlb_m2_s2": float(velocity.mean()),
        "position_mse_over_crlb": _capped(off[:, :2], position),
        "velocity_mse_over_crlb": _capped(off[:, 2:], velocity),
        "lost_share": float(lost),
        "doubted_share": float(not found.converged),
        "lost_undoubted_share": float(lost and found.converged),
        "overlap_share": float(len(pairs) > 0),
        "one_cell_share": float(any(pairs.count(pair) == len(scene.aps) for pair in pairs)),
    }


def _capped(off: Array, bound: Array) -> float:
    """Mean over targets of the squared error over its bound, each counting no more than CAP."""
    return float(np.mean(np.minimum(np.sum(off**2, axis=1) / bound, CAP)))


def detection_trial(rng: np.random.Generator, snr_db: float) -> Mapping[str, float]:
    """One target: whether all together find it to a resolution cell, and each alone."""
    scene = scene_at(rng, 1, snr_db)
    _, samples = received(scene, rng)
    true = _sights(scene, scene.targets[0], scene.velocities[0])
    together = joint_ml.detect(scene, samples, 1, AREA, MAX_SPEED)
    alone, energies = joint_ml.detect_each(scene, samples, AREA, MAX_SPEED)
    right = _within_a_cell(scene, alone, true)
    fused = joint_ml.fuse(scene, alone, energies)
    found = _sights(scene, together.positions[0], together.velocities[0])
    return {
        "joint_share": float(_within_a_cell(scene, found, true).all()),
        "all_aps_share": float(right.all()),
        "fused_share": float(_within_a_cell(scene, _sights(scene, *fused), true).all()),
        "two_aps_share": float(right.sum() >= 2),
        "one_ap_share": float(right.mean()),
        "declared_share": float(together.converged),
    }


def _sights(scene: MonostaticScene, position: Array, velocity: Array) -> Array:
    found, _ = geometry.monostatic(position, velocity, scene.aps, scene.carrier_frequency)
    return found


def _within_a_cell(scene: MonostaticScene, found: Array, true: Array) -> NDArray[np.bool_]:
    """Whether delay, sine and Doppler shift are right to a resolution cell, for each AP."""
    frame: Any = scene.waveform
    cells = np.array(
        [
            1 / frame.bandwidth,
            1 / (scene.spacing * LIU_TABLE["n_antennas"]),
            1 / (frame.n_symbols * frame.symbol_period),
        ]
    )
    return np.asarray(np.all(np.abs(found - true) < cells, axis=-1))


def level_at(
    snr_db: Array, shares: Array, n_trials: int, share: float = SHARE
) -> tuple[float, float]:
    """SNR (dB) at which a share of trials succeeds, and its standard error.

    A logistic curve in dB through the shares by maximum likelihood, with the covariance of its two
    parameters from the Fisher information.

    Parameters
    ----------
    snr_db : (n,) float
    shares : (n,) float
        Of ``n_trials`` each.
    n_trials : int
    share : float
        Between 0 and 1.

    Examples
    --------
    >>> snr = np.arange(-46.0, -38.0)
    >>> curve = 1 / (1 + np.exp(-1.5 * (snr + 43)))
    >>> level, error = level_at(snr, curve, 250, 0.9)
    >>> print(f"{level:.3f} dB, {error:.2f}")
    -41.535 dB, 0.08
    """
    middle = float(snr_db.mean())
    design = np.column_stack([np.ones(len(snr_db)), snr_db - middle])
    weights = np.array([0.0, 1.0])
    for _ in range(100):
        mean = 1 / (1 + np.exp(-design @ weights))
        fim = n_trials * design.T @ (design * (mean * (1 - mean))[:, None])
        step = np.linalg.solve(fim, n_trials * design.T @ (shares - mean))
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-12:
            break
    wanted = np.log(share / (1 - share))
    level = (wanted - weights[0]) / weights[1]
    slope = np.array([-1.0, -level]) / weights[1]
    return float(level + middle), float(np.sqrt(slope @ np.linalg.solve(fim, slope)))


def gap(table: "pd.DataFrame", n_trials: int, other: str, share: float = SHARE) -> Array:
    """By how many dB ``other`` needs more than the joint search, and its standard error.

    As if the two were independent, which makes the error rather too large.
    """
    snr = table["snr_db"].to_numpy()
    joint = level_at(snr, table["joint_share"].to_numpy(), n_trials, share)
    more = level_at(snr, table[other].to_numpy(), n_trials, share)
    return np.array([more[0] - joint[0], np.hypot(more[1], joint[1])])


def predicted_at(snr_db: Array, shares: Array, share: float = SHARE) -> float:
    """SNR (dB) at which a rising prediction passes a share, straight between its logits.

    Parameters
    ----------
    snr_db : (n,) float
        Ascending.
    shares : (n,) float
    share : float
        Between 0 and 1.

    Returns
    -------
    float
        ``nan`` if the prediction does not pass the share.

    Examples
    --------
    >>> snr = np.arange(-46.0, -38.0)
    >>> print(f"{predicted_at(snr, 1 / (1 + np.exp(-1.5 * (snr + 43))), 0.9):.3f} dB")
    -41.535 dB
    """
    kept = np.clip(np.asarray(shares, dtype=float), 1e-12, 1 - 1e-12)
    logit, wanted = np.log(kept / (1 - kept)), np.log(share / (1 - share))
    return float(np.interp(wanted, logit, snr_db, left=np.nan, right=np.nan))


def searched_cells() -> dict[str, tuple[float, float]]:
    """Sizes in resolution cells of what is searched, and of half its edge: by all APs, by each.

    Examples
    --------
    >>> for name, (size, edge) in searched_cells().items():
    ...     print(f"{name}: {size:.3g}, edge {edge:.3g}")
    joint: 1.43e+04, edge 7.97e+03
    one_ap: 472, edge 370
    """
    return _searched()


def plot_detection(study: Study, table: "pd.DataFrame", figure: "Figure") -> None:
    """Draw the shares of successes against SNR: points measured, lines predicted."""
    axes = figure.subplots()
    for number, (column, label) in enumerate(LABELS.items()):
        axes.errorbar(
            table["snr_db"], table[column], yerr=2 * table[f"{column}_se"], fmt="o",
            color=f"C{number}", label=label,
        )  # fmt: skip
        counted = column.replace("share", "counted")
        if counted in table:
            axes.plot(table["snr_db"], table[counted], color=f"C{number}")
    axes.plot(table["snr_db"], table["joint_strangers"], "C0:", label="rivals all strangers")
    axes.axhline(SHARE, color="0.5", ls="--")
    axes.set(xlabel="SNR of a sample (dB)", ylabel="share of successes", ylim=(0, 1.02))
    axes.legend()


LABELS = {
    "joint_share": "all samples together",
    "two_aps_share": "two or more access points right",
    "fused_share": "loudest echoes, fused",
    "all_aps_share": "all access points right",
}
ASSUMPTIONS = {
    "scene": "liu, Section V: 4 access points with 8 antennas, frames of 128 x 128",
    "snr": "of one sample at 247.5 m; power with the fourth power of the distance, phase uniform",
}

STUDIES = (
    Study(
        id="joint-ml",
        source="beyond liu",
        title="Error of the joint estimator of three targets, by the joint bound",
        trial=accuracy_trial,
        cells=[{"snr_db": snr} for snr in (-20.0, -10.0, 0.0, 10.0, 20.0)],
        n_trials={"smoke": 2, "book": 16, "paper": 208},
        seed=2025,
        assumptions=ASSUMPTIONS
        | {
            "bound": "joint_efim: all three states and all gains unknown, echoes overlapping",
            "over crlb": f"squared errors over their bounds, {CAP:g} at most for each target",
            "lost": f"error of a target beyond {LOST:g} of its covariance, in four dimensions",
            "doubted": "the estimator says converged = False",
            "overlap": "two targets within one resolution cell at an access point; one cell: at "
            "every one. They are counted like all others",
        },
        shows="position_mse_over_crlb",
    ),
    Study(
        id="detection-gain",
        source="beyond liu",
        title="Finding one target: all samples together against each access point alone",
        trial=detection_trial,
        cells=[{"snr_db": float(snr)} for snr in range(-46, -34)],
        n_trials={"smoke": 2, "book": 16, "paper": 64},
        seed=2026,
        assumptions=ASSUMPTIONS
        | {
            "searched": "positions in the square of 100 m, speeds up to 120 m/s; each access point "
            "alone: the delays, sines and Doppler shifts that belong to these",
            "success": "delay, sine and Doppler shift right to a resolution cell: those of the "
            "state found, at every access point; those of the loudest echo, at all of them",
            "fused": "capped least squares on the loudest echo of each access point",
            "two access points": "no fusion of loudest echoes can do with fewer",
            "declared": "louder than noise alone is somewhere with a chance of 1 %, at most",
            "counted": "nothing drawn: rivals counted, those included that share echoes of some "
            "access points with the target (threshold.found_probability), in the region that is "
            "searched and on its edge; mean over 16 targets",
            "strangers": "the same, all rivals being unlike the target, and no edge "
            "(threshold.strangers)",
        },
        known=predicted,
        shows="joint_share",
        plot=plot_detection,
    ),
)
