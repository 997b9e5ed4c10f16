"""Draw the picture of the README: python tools/picture.py writes book/_static/factors.svg."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt

from cfisac import fisher, plotting

TARGET = Path(__file__).resolve().parents[1] / "book" / "_static" / "factors.svg"
APS = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 70.0], [0.0, 70.0]])
DEVIATION = 0.02  # rad, of the bearing that each access point measures
MAGNIFIED = 3.0
SCENES = (("one access point", 1), ("two", 2), ("four", 4))


def position_fim(position: np.ndarray, aps: np.ndarray) -> np.ndarray:
    """Information about a position from one bearing per access point: rank one each."""
    offset = position - aps
    square = np.sum(offset**2, axis=1)
    gradient = np.stack([-offset[:, 1], offset[:, 0]], axis=1) / square[:, None]
    return np.einsum("ni,nj->ij", gradient, gradient) / DEVIATION**2


def draw() -> None:
    """Three panels: what one, two and four access points know about three targets."""
    plotting.style()
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 2.9), sharey=True)
    turn = np.linspace(0, 2 * np.pi, 100)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    targets = np.array([[30.0, 42.0], [62.0, 22.0], [80.0, 52.0]])
    for axis, (title, count) in zip(axes, SCENES, strict=True):
        for target in targets:
            fim = position_fim(target, APS[:count])
            values, vectors = np.linalg.eigh(fim)
            if np.isinf(fisher.position_error_bound(fim)):
                half = 150 * vectors[:, 0]
                axis.plot(*np.stack([target - half, target + half]).T, "C1", lw=1.2, ls="--")
            else:
                ellipse = vectors @ (MAGNIFIED / np.sqrt(values)[:, None] * circle)
                axis.fill(*(target[:, None] + ellipse), color="C1", alpha=0.45, lw=0)
        axis.plot(*targets.T, "o", color="C1", ms=3)
        axis.plot(*APS[:count].T, "^", color="C0", ms=8)
        axis.set(title=title, xlabel="x (m)", aspect="equal", xlim=(-8, 108), ylim=(-8, 78))
    axes[0].set_ylabel("y (m)")
    figure.savefig(TARGET, metadata={"Date": None})


if __name__ == "__main__":
    draw()
