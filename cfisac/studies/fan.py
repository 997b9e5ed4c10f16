"""Figures and tables of fan_conf and fan_journal."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import cosdg, sindg

from cfisac import geometry
from cfisac.limits import multistatic
from cfisac.montecarlo import estimate
from cfisac.propagation import from_decibel
from cfisac.scenarios import (
    ImplausibleWarning,
    MultistaticScene,
    equal_power,
    fan_scene,
    sensing_beams,
)
from cfisac.studies import Study
from cfisac.waveforms import OFDM, OTFS

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

# ------------------------------------------------------------------- fan_journal-table5

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

# ---------------------------------------------------- fan_conf-fig2, fan_journal-fig3 and -fig5

N_SCENES = 32  # behind every row of bounds; the simulation draws from the same ones
N_GAINS = 8  # draws of the radar cross sections per scene
SHORT = OTFS(128, 8, 500e3)  # frame of the simulation: 8 of the table's 128 symbols
TARGETS_PER_TRIAL = 8
POINTING = 1.0  # m per axis, by which the beams err, and the start of the search
GRID = 1.5 * np.arange(-1, 2)  # m, along x and y about the start
FAR = 5.0  # standard deviations from which an estimate is an outlier

SCENES = {
    "scene": "32 APs, targets and 10 users uniform in 300 m x 300 m, arrays turned at random, "
    "targets at least 10 m from every AP, no path longer than 2 us",
    "element gains": "3 dBi for transmitting and receiving antennas",
    "user beams": "covariances of MMSE channel estimates: 4 paths, local scattering of 15 degrees, "
    "profile e^-i, urban microcell without line of sight, pilots of 0.1 W x 128",
    "sensing beams": "pointed at a position that errs by 1 m per axis",
    "power": "1 W shared equally by all beams of a transmitter",
}


def draw_scene(number: int, n_targets: int, receivers: str) -> MultistaticScene:
    """Scene of that number; equal numbers share access points and users.

    ``receivers`` is "two", those nearest to any target, or "two per target", the union of each
    target's two nearest.
    """
    rng = np.random.default_rng([2, number])
    return fan_scene(rng, n_targets=n_targets, n_receivers=2 if receivers == "two" else None)


@lru_cache
def scene_bounds(n_targets: int, receivers: str) -> Mapping[str, Array]:
    """Position error bounds at 1 m^2, mean over the targets, for all N_SCENES scenes (m)."""
    bounds: dict[str, list[float]] = {"exact": [], "approximate": [], "fluctuating": []}
    for number in range(N_SCENES):
        scene = draw_scene(number, n_targets, receivers)
        power = equal_power(scene)
        rng = np.random.default_rng([3, number])
        draws = [multistatic.draw_gains(scene, rng) for _ in range(N_GAINS)]
        drawn = [multistatic.peb(scene, power, gains=gains).mean() for gains in draws]
        bounds["exact"].append(multistatic.peb(scene, power).mean())
        bounds["approximate"].append(multistatic.peb(scene, power, "approximate").mean())
        bounds["fluctuating"].append(float(np.mean(drawn)))
    return {name: np.array(values) for name, values in bounds.items()}


def peb_known(n_targets: int, receivers: str, rcs_dbsm: float) -> Mapping[str, float]:
    """Bounds of a row: the scenes' mean and its standard error, exactly as 1 / sqrt(RCS)."""
    unit = float(from_decibel(-rcs_dbsm / 2))
    columns = {}
    for name, values in scene_bounds(n_targets, receivers).items():
        over_scenes = estimate(unit * values)
        columns[f"peb_{name}_m"] = over_scenes.mean
        columns[f"peb_{name}_m_se"] = over_scenes.standard_error
    return columns


def simulation_trial(
    rng: np.random.Generator, n_targets: int, receivers: str, rcs_dbsm: float
) -> Mapping[str, float]:
    """Square error of the maximum-likelihood positions over the bound, in a few drawn frames.

    In each frame all transmitters point at positions that err by :data:`POINTING` per axis, and
    the search for the estimate begins there. An estimate that misses the target by more than
    :data:`FAR` standard deviations of the frame's bound has found another peak: it is counted as
    an outlier and not among the square errors. Frames are drawn until :data:`TARGETS_PER_TRIAL`
    targets have been looked for, and one of them found.
    """
    ratios: list[float] = []
    outliers, coupled, n_frames = [], [], 0
    while n_frames * n_targets < TARGETS_PER_TRIAL or not ratios:
        scene, start = draw_frame_scene(rng, n_targets, receivers, rcs_dbsm)
        ratio, far, cost = frame_error(rng, scene, start)
        ratios += ratio[~far].tolist()
        outliers.append(np.mean(far))
        coupled.append(np.mean(cost))
        n_frames += 1
    return {
        "mse_over_crlb": float(np.mean(ratios)),
        "outlier_share": float(np.mean(outliers)),
        "coupled_over_crlb": float(np.mean(coupled)),
    }


def draw_frame_scene(
    rng: np.random.Generator, n_targets: int, receivers: str, rcs_dbsm: float
) -> tuple[MultistaticScene, Array]:
    """One of the scenes with the short frame, its beams pointed anew, and where they point."""
    scene = _scene(int(rng.integers(N_SCENES)), n_targets, receivers)
    rough = scene.targets + POINTING * rng.normal(size=scene.targets.shape)
    beams = scene.beams.copy()
    beams[:, :n_targets] = sensing_beams(
        scene.transmitters, scene.transmit_axes, rough, scene.n_antennas
    )
    shorter = SHORT.n_symbols / scene.waveform.n_symbols
    with warnings.catch_warnings():  # the noise falls with the frame, so that the SNR stays
        warnings.simplefilter("ignore", ImplausibleWarning)
        scene = replace(
            scene,
            beams=beams,
            waveform=SHORT,
            noise_variance=scene.noise_variance * shorter,
            mean_rcs=float(from_decibel(rcs_dbsm)),
        )
    return scene, rough


_scene = lru_cache(maxsize=N_SCENES)(draw_scene)


def frame_error(
    rng: np.random.Generator, scene: MultistaticScene, start: Array
) -> tuple[Array, NDArray[np.bool_], Array]:
    """For one drawn frame and each target: square error over bound, outlier or not, coupling.

    The error that the linearised problem would have, which attains the bound of this frame with
    all paths coupled, is a control variate: its square is taken off and its exact mean put in.
    (Its mean without the outliers is a little lower: by about 1 % where 5 % are outliers.)
    """
    power = equal_power(scene)
    gains = multistatic.draw_gains(scene, rng)
    sent = draw_spectra(rng, scene, power)
    paths = signatures(scene, sent, scene.targets)
    mean = received(paths, gains)
    noise = rng.normal(scale=np.sqrt(scene.noise_variance / 2), size=(2, *mean.shape))
    samples = mean + noise[0] + 1j * noise[1]
    error = locate(scene, sent, samples, start) - scene.targets
    _, score, information = profile_likelihood(paths, samples, scene.noise_variance, gains)
    covariance = np.linalg.inv(information)
    linear = (covariance @ score).reshape(-1, 2)
    own = covariance.reshape(len(error), 2, len(error), 2).diagonal(axis1=0, axis2=2)
    own = np.moveaxis(own, -1, 0)  # (T, 2, 2)
    deviations = np.einsum("ti,tij,tj->t", error, np.linalg.inv(own), error)
    coupled = np.trace(own, axis1=1, axis2=2)
    efim = multistatic.position_efim(scene, power, gains=gains)
    bound = np.trace(np.linalg.inv(efim), axis1=1, axis2=2)
    excess = np.sum(error**2, axis=1) - np.sum(linear**2, axis=1)
    return (coupled + excess) / bound, deviations > FAR**2, coupled / bound


def locate(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, start: Array
) -> Array:
    """Positions (T, 2) at the top of fan_journal (19), all gains fitted, uphill from ``start``.

    ``start`` is first moved to the best point of a grid around it, target by target.
    """
    start = coarse_search(scene, sent, samples, start)

    def climb(moves: Array) -> tuple[float, Array]:
        positions = start + (scale @ moves).reshape(-1, 2)
        value, slope = likelihood(scene, sent, samples, positions)
        return -value, -scale.T @ slope

    paths = signatures(scene, sent, start)
    information = profile_likelihood(paths, samples, scene.noise_variance)[2]
    # In units of standard deviations, in which the top is about a sphere.
    scale = np.linalg.inv(np.linalg.cholesky(information)).T
    best = optimize.minimize(
        climb, np.zeros(len(scale)), jac=True, method="BFGS", options={"gtol": 1e-4}
    )
    # Near the top the likelihood itself is level to a rounding; its slope still tells the way.
    curve = np.linalg.inv(np.asarray(best.hess_inv))

    def slope(moves: Array) -> Array:
        return climb(moves)[1]

    def bend(_: Array) -> Array:
        return curve

    top = optimize.root(slope, best.x, jac=bend, tol=1e-9)
    return start + (scale @ top.x).reshape(-1, 2)


def coarse_search(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, start: Array
) -> Array:
    """The point of a grid around each start, (T, 2), with the most energy after matched filters."""
    offsets = [np.array([x, y]) for x in GRID for y in GRID]
    energy = []
    for offset in offsets:
        place = _place(scene, sent, start + offset)
        total = np.zeros(len(start))
        for r, seen in enumerate(samples):
            path = _arrivals(scene, place, r).path
            heard = place.arrive[r].conj() @ seen
            match = (path.conj() @ heard[..., None])[..., 0]
            total += np.sum(np.abs(match) ** 2 / np.sum(np.abs(path) ** 2, axis=-1), axis=1)
        energy.append(total)
    return start + np.array(offsets)[np.argmax(energy, axis=0)]


def draw_spectra(rng: np.random.Generator, scene: MultistaticScene, power: Array) -> ComplexArray:
    """Draw what the antennas of each transmitter send, (P, M_t, N, M), by symbol and subcarrier.

    Gaussian symbols: on the delay-Doppler grid, on the time-frequency grid and in time they are
    equally white, so no transform is needed.
    """
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    values, vectors = np.linalg.eigh(covariance)
    # The Hermitian root, which is unique; the eigenvectors are not.
    root = vectors * np.sqrt(np.clip(values, 0, None))[:, None] @ vectors.conj().swapaxes(-1, -2)
    shape = scene.waveform.n_symbols, scene.waveform.n_subcarriers
    parts = rng.normal(scale=np.sqrt(0.5), size=(2, *covariance.shape[:2], np.prod(shape)))
    sent = root.conj() @ (parts[0] + 1j * parts[1])
    return sent.reshape(*sent.shape[:2], *shape)


class Paths(NamedTuple):
    """Every path with unit gain, and its derivatives by the target's coordinates.

    ``time`` (R, 3, T, P, MN) are samples: of the path, and of its derivatives by x and y;
    ``array`` (R, 3, T, M_t) are receive vectors, likewise. The path is ``array (x) time``.
    """

    time: ComplexArray
    array: ComplexArray


class Place(NamedTuple):
    """What all receivers share when the targets stand at certain positions."""

    parameters: Array  # (R, T, P, 4)
    jacobian: Array  # (R, T, P, 4, 2), by x and y
    arrive: ComplexArray  # (R, T, M_t), receive vectors
    towards: ComplexArray  # (2, T, P, N, M), sent to the targets, and its derivative by omega_t


def _place(scene: MultistaticScene, sent: ComplexArray, positions: Array) -> Place:
    parameters, jacobian = geometry.bistatic(
        positions[:, None],
        scene.velocities[:, None],
        scene.transmitters,
        scene.receivers[:, None, None],
        scene.transmit_axes,
        scene.receive_axes[:, None, None],
        scene.carrier_frequency,
        scene.spacing,
    )
    index = np.arange(scene.n_antennas)
    response = np.exp(1j * parameters[..., :2, None] * index) / np.sqrt(scene.n_antennas)
    arrive, depart = response[:, :, 0, 0], response[0, :, :, 1]  # (R, T, M_t), (T, P, M_t)
    both = np.stack([depart, 1j * index * depart]).transpose(2, 0, 1, 3)  # (P, 2, T, M_t)
    towards = both.reshape(len(sent), -1, index.size) @ sent.reshape(*sent.shape[:2], -1)
    towards = towards.swapaxes(0, 1).reshape(2, len(positions), -1, *sent.shape[2:])
    return Place(parameters, jacobian[..., :2], arrive, towards)


class Arrivals(NamedTuple):
    """Paths to one receiver with unit gain, and what they are made of."""

    path: ComplexArray  # (T, P, NM)
    lag: ComplexArray  # (T, P, 1, M), phase of the delay at each subcarrier
    behind: NDArray[np.bool_]  # (T, P, 1, M), samples where the symbol before still arrives
    turn: tuple[ComplexArray, ComplexArray]  # phase of the Doppler shift, by symbol and by sample


def _arrivals(scene: MultistaticScene, place: Place, r: int) -> Arrivals:
    """Each sample as OTFS's ``apply`` does.

    Which symbol a sample belongs to is taken from the scene's own targets: where a delay passes a
    whole sample one of M samples jumps to the next symbol, and the likelihood has a step that no
    derivative, and no bound, sees.
    """
    waveform = scene.waveform
    bins, rows = np.arange(waveform.n_subcarriers), np.arange(waveform.n_symbols)
    delay, doppler = np.moveaxis(place.parameters[r, ..., 2:, None, None], 2, 0)
    lag = np.exp(_by_delay(scene) * delay)
    behind = bins < scene.delays[:, r].T[..., None, None] * waveform.bandwidth
    turn = (
        np.exp(2j * np.pi * waveform.symbol_period * rows[:, None] * doppler),
        np.exp(2j * np.pi * waveform.sample_period * bins * doppler),
    )
    path = np.fft.ifft(place.towards[0] * lag, axis=-1, norm="ortho")
    path = _later(path, behind, 1)
    path *= turn[0]
    path *= turn[1]
    return Arrivals(path.reshape(*path.shape[:2], -1), lag, behind, turn)


def _by_delay(scene: MultistaticScene) -> ComplexArray:
    """Derivative of the phase of each subcarrier by the delay, (M,)."""
    waveform = scene.waveform
    slope: ComplexArray = np.arange(waveform.n_subcarriers).astype(complex)
    return slope * (-2j * np.pi * waveform.subcarrier_spacing)


def _later(grid: ComplexArray, behind: NDArray[np.bool_], symbols: int) -> ComplexArray:
    """Samples (..., N, M), those ``behind`` moved on by that many symbols."""
    moved: ComplexArray = np.roll(grid, symbols, axis=-2)
    np.copyto(moved, grid, where=~behind)
    return moved


def signatures(scene: MultistaticScene, sent: ComplexArray, positions: Array) -> Paths:
    """Compute all paths for targets at ``positions`` (T, 2), and their derivatives.

    In time, where the demodulator is not needed: it is unitary and leaves the likelihood as it is.
    Gains count their phase from the first sample.
    """
    place = _place(scene, sent, positions)
    index, waveform = np.arange(scene.n_antennas), scene.waveform
    by_receive = np.moveaxis(place.jacobian[:, :, 0, 0], -1, 0)[..., None]
    array = np.stack([place.arrive, *(1j * index * by_receive * place.arrive)])
    moment = 2j * np.pi * waveform.sample_period * np.arange(sent[0, 0].size)
    time = []
    for r in range(len(scene.receivers)):
        path, lag, behind, turn = _arrivals(scene, place, r)
        spectrum, by_omega = place.towards * lag
        _, to_angle, to_delay, to_doppler = np.moveaxis(place.jacobian[r], (2, 3), (0, 1))[
            ..., None
        ]
        moved = to_delay[..., None] * (_by_delay(scene) * spectrum) + to_angle[..., None] * by_omega
        moved = _later(np.fft.ifft(moved, axis=-1, norm="ortho"), behind, 1) * turn[0] * turn[1]
        moved = moved.reshape(2, *path.shape) + to_doppler * (moment * path)
        time.append(np.concatenate([path[None], moved]))
    return Paths(np.array(time), array.swapaxes(0, 1))


def received(paths: Paths, gains: ComplexArray) -> ComplexArray:
    """Noise-free samples at every receiver, (R, M_t, MN)."""
    total = (gains.transpose(1, 2, 0)[..., None, :] @ paths.time[:, 0])[..., 0, :]
    return np.einsum("rta,rtk->rak", paths.array[:, 0], total)


def profile_likelihood(
    paths: Paths,
    samples: ComplexArray,
    noise_variance: float,
    gains: ComplexArray | None = None,
) -> tuple[float, Array, Array]:
    """Log-likelihood of the positions with the best gains (fan_journal (19)), and its slopes.

    Each receiver fits the gains of all paths together. With its residual e and the projection Q
    that removes all paths, the derivatives D of the fitted mean give the score
    ``2 Re D^H e / sigma^2`` and the information ``2 Re D^H Q D / sigma^2``.

    Parameters
    ----------
    paths : Paths
        At the positions in question.
    samples : (R, M_t, MN) complex
        What the receivers saw.
    noise_variance : float
        sigma^2.
    gains : (P, R, T) complex, optional
        For D; by default the fitted ones. With the true gains at the true positions, score and
        information are those of the Cramer-Rao bound.

    Returns
    -------
    value : float
        Log-likelihood, counted from that of no paths at all.
    score : (2 T,)
        Its derivatives, in the order x_1, y_1, x_2, ...
    information : (2 T, 2 T)
        Of this frame at the fitted gains, with all paths coupled.
    """
    n_targets, n_transmitters = paths.time.shape[2:4]
    size, n_paths = 2 * n_targets, n_targets * n_transmitters
    value, slope, curvature = 0.0, np.zeros(size), np.zeros((size, size))
    owner = np.repeat(np.arange(n_targets), 2)
    for r, (time, array, seen) in enumerate(zip(paths.time, paths.array, samples, strict=True)):
        here, turned = array[0], array[1:].swapaxes(0, 1).reshape(size, -1)
        path = time[0].reshape(n_paths, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        gram = (path.conj() @ path.T) * overlap
        heard = here.conj() @ seen
        match = (time[0].conj() @ heard[..., None]).ravel()
        best = np.linalg.solve(gram, match)
        value += np.vdot(match, best).real
        best = best.reshape(n_targets, n_transmitters)
        explained = (best[:, None] @ time[0])[:, 0]  # here_t (x) this, summed over t: the fit
        rest, turned_rest = (heard - beams @ explained)[owner], turned.conj() @ seen
        used = best if gains is None else gains[:, r].T
        fitted = (used[:, None] @ time)[:, :, 0]  # (3, T, MN)
        whole, moved = fitted[0], fitted[1:].swapaxes(0, 1).reshape(size, -1)
        # Column (t, i) of D is turned (x) whole_t + here_t (x) moved.
        cross, both = turned.conj() @ here.T, turned.conj() @ turned.T
        whole, turned_rest = whole[owner], turned_rest - cross @ explained
        slope += np.real(np.sum(whole.conj() * turned_rest + moved.conj() * rest, axis=1))
        mixed = cross[:, owner] * (whole.conj() @ moved.T)
        inner = both * (whole.conj() @ whole.T) + mixed + mixed.conj().T
        inner += beams[np.ix_(owner, owner)] * (moved.conj() @ moved.T)
        by_path = np.repeat(np.arange(n_targets), n_transmitters)
        onto = cross.conj().T[by_path] * (path.conj() @ whole.T)
        onto += beams[np.ix_(by_path, owner)] * (path.conj() @ moved.T)
        curvature += np.real(inner - onto.conj().T @ np.linalg.solve(gram, onto))
    return value / noise_variance, 2 / noise_variance * slope, 2 / noise_variance * curvature


def likelihood(
    scene: MultistaticScene, sent: ComplexArray, samples: ComplexArray, positions: Array
) -> tuple[float, Array]:
    """Value and score of :func:`profile_likelihood` in half the time, without the information.

    The derivatives of the paths are not formed: the residual is carried back to the spectra that
    were sent (the adjoint of :func:`_arrivals`), one transform for all parameters.
    """
    place = _place(scene, sent, positions)
    n_targets, n_transmitters = place.towards.shape[1:3]
    n_paths, index = n_targets * n_transmitters, np.arange(scene.n_antennas)
    moment = 2j * np.pi * scene.waveform.sample_period * np.arange(sent[0, 0].size)
    value, slope = 0.0, np.zeros((n_targets, 2))
    for r, seen in enumerate(samples):
        path, lag, behind, turn = _arrivals(scene, place, r)
        here, every = place.arrive[r], path.reshape(n_paths, -1)
        beams = here.conj() @ here.T
        overlap = np.repeat(np.repeat(beams, n_transmitters, 0), n_transmitters, 1)
        heard = here.conj() @ seen
        match = (path.conj() @ heard[..., None]).ravel()
        best = np.linalg.solve((every.conj() @ every.T) * overlap, match)
        value += np.vdot(match, best).real
        best = best.reshape(n_targets, n_transmitters)
        fit = (best[:, None] @ path)[:, 0]
        rest = heard - beams @ fit
        turned = (1j * index * here).conj()
        turned_rest = turned @ seen - (turned @ here.T) @ fit
        by = np.empty((4, n_targets, n_transmitters), dtype=complex)
        by[0] = np.sum(fit.conj() * turned_rest, axis=1)[:, None] / n_transmitters
        by[3] = (path.conj() @ (moment.conj() * rest)[..., None])[..., 0] * best.conj()
        back = rest.reshape(n_targets, 1, *sent.shape[2:]) * turn[0].conj() * turn[1].conj()
        back = np.fft.fft(_later(back, behind, -1), axis=-1, norm="ortho")
        back *= lag.conj() * best.conj()[..., None, None]
        by[1] = np.einsum("tpnm,tpnm->tp", place.towards[1].conj(), back)
        by[2] = np.einsum("tpnm,tpnm,m->tp", place.towards[0].conj(), back, _by_delay(scene).conj())
        slope += np.einsum("ktp,tpki->ti", by.real, place.jacobian[r])
    return value / scene.noise_variance, 2 / scene.noise_variance * slope.ravel()


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
)


@lru_cache
def single_target_scenes() -> tuple[MultistaticScene, ...]:
    """The scenes with one target and two receivers, the nearer one first."""
    scenes = []
    for number in range(N_SCENES):
        scene = draw_scene(number, 1, "two")
        order = np.argsort(np.linalg.norm(scene.receivers - scene.targets, axis=1))
        scenes.append(
            replace(
                scene,
                receivers=scene.receivers[order],
                receive_axes=scene.receive_axes[order],
            )
        )
    return tuple(scenes)


def turned_receivers(scene: MultistaticScene, receivers: str, aoa_deg: float) -> MultistaticScene:
    """The scene with receivers "RX1", "RX2" or "both", arrays ``aoa_deg`` from the target."""
    which = {"RX1": [0], "RX2": [1], "both": [0, 1]}[receivers]
    places = scene.receivers[which]
    sight = (scene.targets - places) / np.linalg.norm(scene.targets - places, axis=1)[:, None]
    along, across = cosdg(aoa_deg), sindg(aoa_deg)
    turn = np.array([[along, across], [-across, along]])
    return replace(scene, receivers=places, receive_axes=sight @ turn)


@lru_cache
def turned_bounds(receivers: str, aoa_deg: float) -> Array:
    """Position (m) and angle error bounds (deg) of every scene, (2, N_SCENES)."""
    bounds = []
    for scene in single_target_scenes():
        turned = turned_receivers(scene, receivers, aoa_deg)
        power = equal_power(turned)
        angle = angle_error_bound(turned, power, aoa_deg)
        bounds.append([multistatic.peb(turned, power)[0], angle])
    return np.array(bounds).T


def aoa_known(receivers: str, aoa_deg: float) -> Mapping[str, float]:
    """Position error bound, and bound on the angle of arrival at the nearer receiver in use.

    The ratio to the bound at 90 degrees is taken scene by scene.
    """
    peb, angle = turned_bounds(receivers, aoa_deg)
    mean = estimate(peb)
    ratio = estimate(peb / turned_bounds(receivers, 90)[0])
    return {
        "n_scenes": len(peb),
        "peb_mean_m": mean.mean,
        "peb_mean_m_se": mean.standard_error,
        "peb_median_m": float(np.median(peb)),
        "peb_median_m_se": median_error(peb),
        "peb_over_peb_at_90_deg": ratio.mean,
        "peb_over_peb_at_90_deg_se": ratio.standard_error,
        "angle_error_median_deg": float(np.median(angle)),
        "angle_error_median_deg_se": median_error(angle),
    }


def median_error(draws: Array) -> float:
    """Standard error of a median: half the distance of the quantiles that lie as far off in rank.

    Of n draws a binomial number lies below the true median, with the deviation ``sqrt(n) / 2``.
    """
    if np.isinf(draws).any():
        return np.nan
    off = 0.5 / np.sqrt(len(draws))
    return float(np.ptp(np.quantile(draws, [0.5 - off, 0.5 + off])) / 2)


def angle_error_bound(scene: MultistaticScene, power: Array, aoa_deg: float) -> float:
    """Bound on the angle of arrival at the first receiver, from all its paths (deg)."""
    covariance = np.einsum("pq,pqij->pij", power, scene.beams)
    offset = scene.targets[0] - scene.transmitters
    unit = offset / np.linalg.norm(offset, axis=1)[:, None]
    omega = 2 * np.pi * scene.spacing * np.sum(unit * scene.transmit_axes, axis=1)
    gains = multistatic.rms_gains(scene)[:, 0, 0]
    efim = multistatic.path_efim(gains, omega, covariance, scene.waveform, scene.noise_variance)
    information = efim[:, 0, 0].sum() * (2 * np.pi * scene.spacing * sindg(aoa_deg)) ** 2
    with np.errstate(divide="ignore"):
        return float(np.rad2deg(1 / np.sqrt(information)))


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
)

# ---------------------------------------------------------------------------------------

STUDIES: tuple[Study, ...] = (FAN_CONF_FIG2, FAN_JOURNAL_FIG5, FAN_JOURNAL_TABLE_5)
