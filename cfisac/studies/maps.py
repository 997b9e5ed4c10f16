"""Maps of the position error bound, over deployments after each source.

A target or user is moved over a square grid of points; everything else stays. What a source
prints is kept, the rest is said in the assumptions. In all five the gains are unknown.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfisac import fisher, geometry, scenarios
from cfisac.arrays import UniformLinearArray
from cfisac.limits import angle_gain, cooperative, multistatic, toa_aoa
from cfisac.studies import Study
from cfisac.waveforms import OFDM

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

N_PER_SIDE = 25  # points along each side of a map
ARRAY = UniformLinearArray(8)
PANEL = np.pi / 3  # half the sector of one of three panels (rad)
LIU_VELOCITY = np.array([105.0, 0.0])  # m/s, in the range of liu's table
FAN_SEED = 32


def zhang_efim(point: Array) -> Array:
    """Angles only, 16 access points with three panels each on a 200 m square."""
    aps = scenarios.square_grid(16, 200.0)
    parameters, jacobian = geometry.toa_aoa(point, aps)
    phi = (parameters[:, 1] + PANEL) % (2 * PANEL) - PANEL
    distance = geometry.line_of_sight(point, aps)[0]
    gain = np.sqrt(10) * 50 / np.maximum(distance, 10)
    angle_variance = angle_gain.angle_crlb(gain, phi, ARRAY, 16, 1.0)
    return fisher.change_parameters(np.diag(1 / angle_variance), jacobian[:, 1])


def commit_efim(point: Array) -> Array:
    """Delay and angle at 16 access points on a 100 m square, with the variances of the source."""
    variances = toa_aoa.delay_variance(100e6, 10.0), toa_aoa.angle_variance(0.0, ARRAY, 80.0)
    return toa_aoa.position_efim(point, scenarios.square_grid(16, 100.0), *variances)


def liu_efim(point: Array) -> Array:
    """Echoes at four corners; the velocity is unknown too."""
    scene = _liu()
    distance = geometry.line_of_sight(point, scene.aps)[0]
    state = cooperative.state_efim(
        point,
        LIU_VELOCITY,
        scene.aps,
        scene.n_antennas,
        (247.5 / distance) ** 4,  # 0 dB per sample at 247.5 m
        scene.waveform,
        scene.carrier_frequency,
    )
    return fisher.equivalent_fim(state, 2)


def fan_fixed_efim(point: Array) -> Array:
    """One drawn scene with two receivers; the sensing beams follow the target."""
    return _fan_efim(point, _fan())


def fan_nearest_efim(point: Array) -> Array:
    """The same access points; the two nearest to the target listen (fan_conf, Section V)."""
    scene = _fan()
    aps = np.concatenate([scene.transmitters, scene.receivers])
    axes = np.concatenate([scene.transmit_axes, scene.receive_axes])
    beams = _everyone_transmits().beams
    order = np.argsort(geometry.line_of_sight(point, aps)[0])
    hears, sends = np.sort(order[:2]), np.sort(order[2:])
    chosen = dataclasses.replace(
        scene,
        transmitters=aps[sends],
        transmit_axes=axes[sends],
        receivers=aps[hears],
        receive_axes=axes[hears],
        beams=beams[sends],
    )
    return _fan_efim(point, chosen)


def _fan_efim(point: Array, scene: scenarios.MultistaticScene) -> Array:
    beams = np.array(scene.beams)
    beams[:, :1] = scenarios.sensing_beams(
        scene.transmitters, scene.transmit_axes, point[None], scene.n_antennas
    )
    moved = dataclasses.replace(scene, targets=point[None], beams=beams)
    return multistatic.position_efim(moved, scenarios.equal_power(moved))[0]


@functools.cache
def _liu() -> scenarios.MonostaticScene:
    """The scene of liu, with the extended cyclic prefix: the normal one is too short for a map."""
    scene = scenarios.liu_scene(np.random.default_rng(0), 1)
    table = scenarios.LIU_TABLE
    spacing = table["subcarrier_spacing"]
    prefix = 0.5e-3 / 12 - 1 / spacing
    frame = OFDM(table["n_subcarriers"], table["n_symbols"], spacing, prefix)
    return dataclasses.replace(scene, waveform=frame)


@functools.cache
def _fan() -> scenarios.MultistaticScene:
    return scenarios.fan_scene(np.random.default_rng(FAN_SEED), n_targets=1)


@functools.cache
def _everyone_transmits() -> scenarios.MultistaticScene:
    """The same draws, so the same data beams, for transmitters and then receivers of `_fan`."""
    both = scenarios.fan_scene(np.random.default_rng(FAN_SEED), n_targets=1, full_duplex=True)
    aps = np.concatenate([_fan().transmitters, _fan().receivers])
    order = [int(np.argmin(np.hypot(*(both.transmitters - ap).T))) for ap in aps]
    return dataclasses.replace(
        both,
        transmitters=both.transmitters[order],
        transmit_axes=both.transmit_axes[order],
        beams=both.beams[order],
    )


EFIMS: Mapping[str, Callable[[Array], Array]] = {
    "zhang": zhang_efim,
    "fan fixed": fan_fixed_efim,
    "fan nearest": fan_nearest_efim,
    "liu": liu_efim,
    "commit": commit_efim,
}
"""For each deployment the equivalent FIM, (2, 2) in m^-2, of a position (2,) in metres."""

SQUARES = {  # lower left corner and side, m
    "zhang": (-100.0, 200.0),
    "fan fixed": (0.0, 300.0),
    "fan nearest": (0.0, 300.0),
    "liu": (0.0, 350.0),
    "commit": (-50.0, 100.0),
}


def access_points(deployment: str) -> Array:
    """Where the access points of a map stand, (M, 2) in metres."""
    if deployment == "liu":
        return _liu().aps
    if deployment in ("zhang", "commit"):
        return scenarios.square_grid(16, SQUARES[deployment][1])
    if deployment in SQUARES:
        return np.concatenate([_fan().transmitters, _fan().receivers])
    raise ValueError(f"deployment must be one of {', '.join(SQUARES)}; got {deployment!r}")


def peb_at(deployment: str, x_m: float, y_m: float) -> Mapping[str, float]:
    """Position error bound at one point of a deployment's map."""
    efim = EFIMS[deployment](np.array([x_m, y_m]))
    return {"peb_m": float(fisher.position_error_bound(efim))}


def _points(deployment: str) -> list[dict[str, object]]:
    corner, side = SQUARES[deployment]
    ticks = corner + (np.arange(N_PER_SIDE) + 0.5) / N_PER_SIDE * side
    return [
        {"deployment": deployment, "x_m": round(float(x), 3), "y_m": round(float(y), 3)}
        for y in ticks
        for x in ticks
    ]


def plot_maps(study: Study, table: "pd.DataFrame", figure: "Figure") -> None:
    """Draw one map per deployment, on one logarithmic scale of colours."""
    from matplotlib.colors import LogNorm

    finite = table["peb_m"][np.isfinite(table["peb_m"])]
    scale = LogNorm(*np.quantile(finite, [0.01, 0.99]))
    every = figure.subplots(2, 3).ravel()
    for axes, deployment in zip(every, SQUARES, strict=False):
        part = table[table["deployment"] == deployment]
        grid = part.pivot(index="y_m", columns="x_m", values="peb_m")
        drawn = axes.pcolormesh(grid.columns, grid.index, grid, norm=scale, cmap="viridis")
        axes.set(xlabel="x (m)", ylabel="y (m)", aspect="equal")
        axes.set_title(deployment, fontsize=10)
        axes.grid(visible=False)
    every[-1].set_axis_off()
    figure.colorbar(drawn, ax=every, label="position error bound (m)")


STUDIES = (
    Study(
        id="peb-maps",
        source="all five",
        title="Position error bound over deployments after each source",
        trial=None,
        known=peb_at,
        plot=plot_maps,
        cells=[cell for deployment in SQUARES for cell in _points(deployment)],
        n_trials={"smoke": 1, "book": 1, "paper": 1},
        seed=5,
        assumptions={
            "zhang": "16 APs on a 200 m square, angles only: L = 8, T = 16, three panels per AP, "
            "|alpha|^2 / sigma^2 = 10 (50 m / d)^2, d at least 10 m",
            "fan fixed": f"Table I, one draw of the scene (seed {FAN_SEED}, one target), its two "
            "receivers fixed, equal powers, exact bound at the mean RCS, 3 dBi elements, sensing "
            "beams on the target, velocity known",
            "fan nearest": "the same access points and powers; the two APs nearest to the target "
            "listen, the rule of fan_conf",
            "liu": "4 APs at the corners, N_A = 8, 0 dB per sample at 247.5 m and r^-4, velocity "
            "105 m/s along x and unknown, gains unknown; extended cyclic prefix (12 symbols in "
            "0.5 ms), which covers the diagonal of the square",
            "commit": "16 APs on a 100 m square, N = 8, 100 MHz, wherever the user is 10 dB in all "
            "for the delay and 10 dB at each antenna for the angle (as reconstructed), seen at "
            "broadside, clock known",
        },
    ),
)
