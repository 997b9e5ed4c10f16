"""What counted rivals say of the search for one target, by all access points and by each."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cfisac import geometry
from cfisac._constants import SPEED_OF_LIGHT
from cfisac.estimators._joint_data import axes_of, cells_of
from cfisac.limits import cooperative, threshold
from cfisac.limits._threshold_found import quasi_random, region_size
from cfisac.paths import Paths
from cfisac.scenarios import LIU_TABLE, MonostaticScene, liu_scene

Array = NDArray[np.float64]

AREA = [[LIU_TABLE["nearest_corner"]] * 2, [LIU_TABLE["farthest_corner"]] * 2]
MAX_SPEED = LIU_TABLE["max_speed"]

_TRUTHS = 16
_STATES = 4096  # places of a landscape of states
_SIGHTS = 2048  # of delays, sines and Doppler shifts
_NEAR_M = 30.0  # where places are drawn that share echoes with the truth
_NEAR_CELLS = 1.5  # of speed towards an access point
_UNIFORM = 1 / 3  # of the places, all over the region


def predicted(snr_db: float) -> dict[str, float]:
    """Shares of successes that are predicted at an SNR of a sample at the middle of the area.

    ``strangers`` counts rivals as if none had anything in common with the target, ``counted`` those
    that share the echo of some access points as well.
    """
    joint = [threshold.found_probability(each, snr_db, edge_of_states()) for each in states()]
    alone = np.array([
        [threshold.found_probability(each, snr_db, edge) for each, edge in aps] for aps in sights()
    ])  # fmt: skip
    wrong = 1 - alone
    none = np.prod(wrong, axis=1)
    one = sum(
        alone[:, ap] * np.prod(np.delete(wrong, ap, axis=1), axis=1) for ap in range(wrong.shape[1])
    )
    blind = [1 - float(threshold.rivals(each, snr_db).outlier_probability) for each in strangers()]
    return {
        "joint_counted": float(np.mean(joint)),
        "joint_strangers": float(np.mean(blind)),
        "all_aps_counted": float(np.mean(np.prod(alone, axis=1))),
        "two_aps_counted": float(np.mean(1 - none - one)),
        "one_ap_counted": float(np.mean(alone)),
    }


def searched() -> dict[str, tuple[float, float]]:
    """Sizes in resolution cells of what is searched, and of half its edge: by all APs, by each."""
    each, edge = sights()[0][0]
    together = states()[0]
    return {
        "joint": (float(region_size(together.metric) @ together.volumes), edge_of_states()),
        "one_ap": (float(region_size(each.metric) @ each.volumes), edge),
    }


@lru_cache(maxsize=1)
def _scene() -> MonostaticScene:
    return liu_scene(np.random.default_rng(0), 1)  # of which the target is not looked at


def _samples(scene: MonostaticScene) -> tuple[int, int, int]:
    frame = scene.waveform
    return frame.n_subcarriers, int(LIU_TABLE["n_antennas"]), frame.n_symbols


@lru_cache(maxsize=1)
def truths() -> tuple[Array, Array, Array]:
    """Positions and velocities (n, 2) as `liu_scene` draws them; SNR (n, L) in all at 0 dB."""
    low, high = np.array(AREA)
    draws = quasi_random(4, _TRUTHS)
    positions = low + (high - low) * draws[:, :2]
    heading = LIU_TABLE["max_heading"] * draws[:, 2]
    slow = LIU_TABLE["min_speed"]
    speed = slow + (MAX_SPEED - slow) * draws[:, 3]
    velocities = speed[:, None] * np.column_stack([np.cos(heading), np.sin(heading)])
    scene = _scene()
    middle = np.linalg.norm(scene.aps.mean(axis=0) - scene.aps, axis=1)
    far = np.linalg.norm(positions[:, None] - scene.aps, axis=-1)
    return positions, velocities, np.prod(_samples(scene)) * (middle / far) ** 4


def _paths(positions: Array, velocities: Array, sample_snr: Array | float) -> Paths:
    scene = _scene()
    return cooperative.paths(
        positions, velocities, scene.aps, LIU_TABLE["n_antennas"], sample_snr, scene.waveform,
        scene.carrier_frequency, scene.spacing,
    )  # fmt: skip


def _metric(positions: Array, velocities: Array) -> Array:
    """J_l (n, L, 4, 4) by x, y, v_x and v_y."""
    each = _paths(positions, velocities, 1.0).each()
    return np.asarray(each / (2 * np.prod(_samples(_scene()))))


def _sights(positions: Array, velocities: Array) -> Array:
    """Delay, sine and Doppler shift (n, L, 3) in cells."""
    scene = _scene()
    found, _ = geometry.monostatic(
        positions[:, None], velocities[:, None], scene.aps, scene.carrier_frequency, axes_of(scene)
    )
    return np.asarray(found / cells_of(scene))


def _alike(apart: Array) -> Array:
    """Correlation (...) of echoes that lie (..., 3) cells apart."""
    found = np.ones(apart.shape[:-1])
    for axis, number in enumerate(_samples(_scene())):
        found = found * threshold.uniform(number)(apart[..., axis] / number)
    return found


@lru_cache(maxsize=1)
def strangers() -> list[threshold.Landscape]:
    """Of each truth: all states that are searched, as unlike it as can be."""
    side = np.diff(np.array(AREA), axis=0)[0]
    volume = float(np.prod(side) * np.pi * MAX_SPEED**2)
    samples = np.prod(_samples(_scene()))
    return [
        threshold.strangers(_paths(place, speed, snr / samples), volume, float(side @ side / 6), 2)
        for place, speed, snr in zip(*truths(), strict=True)
    ]


@lru_cache(maxsize=1)
def states() -> list[threshold.Landscape]:
    """Of each truth: the states (x, y, v_x, v_y) that are wrong by a cell at one access point."""
    found = []
    for place, speed, snr in zip(*truths(), strict=True):
        positions, velocities, volumes = _drawn(place, speed)
        apart = np.abs(_sights(positions, velocities) - _sights(place[None], speed[None]))
        wrong = np.any(apart >= 1, axis=(1, 2))
        found.append(
            threshold.Landscape(
                snr,
                _alike(apart[wrong]),
                _metric(positions[wrong], velocities[wrong]),
                _metric(place[None], speed[None])[0],
                volumes[wrong],
                np.sum((positions[wrong] - place) ** 2, axis=1),
                2,
            )
        )
    return found


def _drawn(place: Array, speed: Array) -> tuple[Array, Array, Array]:
    """States (n, 2), (n, 2) of the region and the volumes (n,) they stand for.

    Some are drawn all over the region; the others near the truth's place, and with nearly its speed
    towards one access point, where echoes are alike. Each stands for one over the density of all.
    """
    from scipy.special import ndtri

    scene = _scene()
    low, high = np.array(AREA)
    draws = quasi_random(5, _STATES)
    toward = (place - scene.aps) / np.linalg.norm(place - scene.aps, axis=1)[:, None]
    across = toward[:, ::-1] * [-1.0, 1.0]
    wide = _NEAR_CELLS * cells_of(scene)[0, 2] * scene.wavelength / 2
    turn = 2 * np.pi * draws[:, 3]
    even = MAX_SPEED * np.sqrt(draws[:, 2, None]) * np.column_stack([np.cos(turn), np.sin(turn)])
    kind = np.floor((draws[:, 4] - _UNIFORM) / (1 - _UNIFORM) * len(toward)).astype(int)
    band = np.maximum(kind, 0)
    along = wide * ndtri(draws[:, 2, None]) * toward[band]
    beside = speed + along + 2 * MAX_SPEED * (2 * draws[:, 3, None] - 1) * across[band]
    uniform = draws[:, 4, None] < _UNIFORM
    velocities = np.where(uniform, even, beside)
    near = place + _NEAR_M * ndtri(draws[:, :2])
    positions = np.where(uniform, low + (high - low) * draws[:, :2], near)
    inside = np.all((positions >= low) & (positions <= high), axis=1)
    inside &= np.hypot(*velocities.T) <= MAX_SPEED
    positions, velocities = positions[inside], velocities[inside]

    def normal(x: Array, scale: float) -> Array:
        return np.asarray(np.exp(-((x / scale) ** 2) / 2) / (np.sqrt(2 * np.pi) * scale))

    # speeds beyond 2 MAX_SPEED across differ by more than two in the region can
    bands = normal((velocities - speed) @ toward.T, wide).mean(axis=1) / (4 * MAX_SPEED)
    close = np.prod(normal(positions - place, _NEAR_M), axis=1)
    volume = np.prod(high - low) * np.pi * MAX_SPEED**2
    density = _UNIFORM / volume + (1 - _UNIFORM) * close * bands
    return positions, velocities, 1 / (_STATES * density)


@lru_cache(maxsize=1)
def edge_of_states() -> float:
    """Half the size of the boundary of the square and of the disc of velocities."""
    low, high = np.array(AREA)
    draws = quasi_random(4, _STATES)
    places = low + (high - low) * draws[:, :2]
    turn = 2 * np.pi * draws[:, 3]
    round_ = np.column_stack([np.cos(turn), np.sin(turn)])
    speeds = MAX_SPEED * np.sqrt(draws[:, 2, None]) * round_
    total = 0.0
    for axis in (0, 1):
        kept = [1 - axis, 2, 3]
        for end in (low, high):
            there = places.copy()
            there[:, axis] = end[axis]
            faces = _metric(there, speeds)[:, :, kept][..., kept]
            total += (high - low)[1 - axis] * np.pi * MAX_SPEED**2 * region_size(faces).mean()
    tangents = np.zeros((_STATES, 4, 3))
    tangents[:, [0, 1], [0, 1]] = 1.0
    tangents[:, 2:, 2] = round_[:, ::-1] * [-1.0, 1.0]
    metric = _metric(places, MAX_SPEED * round_)
    rim = region_size(np.einsum("nik,nlij,njm->nlkm", tangents, metric, tangents)).mean()
    total += np.prod(high - low) * 2 * np.pi * MAX_SPEED * rim
    return float(total / 2)


@lru_cache(maxsize=1)
def sights() -> list[list[tuple[threshold.Landscape, float]]]:
    """Of each truth and access point: delays, sines and Doppler shifts in cells, and the edge."""
    scene = _scene()
    low, high = np.array(AREA)
    draws = quasi_random(3, _SIGHTS)
    places = low + (high - low) * draws[:, :2]
    seen, numbers = _sights(places, np.zeros_like(places)), np.array(_samples(scene))
    cells = cells_of(scene)[0]
    half = 2 * MAX_SPEED / scene.wavelength / cells[2] + 1  # as `detect_each` searches
    sharp = np.diag((2 * np.pi) ** 2 / 12 * (1 - 1 / numbers.astype(float) ** 2))
    there, speeds, snr = truths()
    true = _sights(there, speeds)
    metric, found = np.broadcast_to(sharp, (_SIGHTS, 1, 3, 3)), []
    for ap, position in enumerate(scene.aps):
        offset = places - position
        far = np.linalg.norm(offset, axis=1)
        # d(delay, sine) by d(x, y), arrays along y
        shrunk = 2 / SPEED_OF_LIGHT * np.abs(offset[:, 0]) / far**2 / cells[0] / cells[1]
        volumes = np.prod(high - low) * shrunk * 2 * half / _SIGHTS
        root = np.sqrt(np.diag(sharp))
        ring = _sights(_around(low, high), np.zeros((4 * _SIGHTS + 1, 2)))[:, ap, :2] * root[:2]
        length = np.linalg.norm(np.diff(ring, axis=0), axis=1).sum()
        lids = 2 * volumes.sum() / (2 * half) * root[0] * root[1]
        edge = float(lids + length * 2 * half * root[2]) / 2
        points = seen[:, ap].copy()
        points[:, 2] = half * (2 * draws[:, 2] - 1)
        row = []
        for centre, power in zip(true[:, ap], snr[:, ap], strict=True):
            apart = np.abs(points - centre)
            wrong = np.any(apart >= 1, axis=1)
            row.append((
                threshold.Landscape(
                    power[None], _alike(apart[wrong])[:, None], metric[wrong], sharp[None],
                    volumes[wrong], np.sum(apart[wrong] ** 2, axis=1),
                ),
                edge,
            ))  # fmt: skip
        found.append(row)
    return [list(each) for each in zip(*found, strict=True)]


def _around(low: Array, high: Array) -> Array:
    """Points all the way round the square (4 n + 1, 2)."""
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]], low])
    steps = np.arange(4 * _SIGHTS + 1) / _SIGHTS
    return np.column_stack([np.interp(steps, np.arange(5), corners[:, k]) for k in (0, 1)])
