"""The house style of the figures, and interactive figures that need no network.

``style`` sets matplotlib up once per chapter, ``map`` draws a bound over a plane. ``Interactive``
wraps a plotly figure so that the built book draws it with its own copy of plotly.js, and so that
its numbers are text as well.
"""

import base64
import html
import itertools
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import ArrayLike

from cfisac import _checks
from cfisac._plotly_page import DRAW, ROOT

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#000000")
"""A cycle that stays apart for colour-blind readers (after Okabe and Ito), dark first."""


def style() -> None:
    """Apply the house style to matplotlib: colours, thin grid, readable sizes, crisp vectors.

    Inside a notebook, figures become SVG with ids that are the same in every run.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> from cfisac import plotting
    >>> with mpl.rc_context():
    ...     plotting.style()
    ...     print(mpl.rcParams['axes.grid'])
    True
    """
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.labelsize": 11,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 12,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "figure.figsize": (6.4, 4.0),
            "font.size": 11,
            "grid.color": "0.85",
            "grid.linewidth": 0.6,
            "legend.fontsize": 10,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "savefig.dpi": 200,
            "savefig.facecolor": "white",
            "svg.hashsalt": "cfisac",
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
        }
    )
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from matplotlib_inline import backend_inline

        formats: Any = backend_inline.set_matplotlib_formats
        formats("svg", metadata={"Date": None})


def map(
    points_or_axes: Any,
    values: ArrayLike,
    scene: Any = None,
    *,
    ax: "Axes | None" = None,
    label: str = "PEB (m)",
    limits: tuple[float, float] | None = None,
    log: bool = True,
    extend: str | None = None,
) -> tuple["Axes", "Colorbar"]:
    """Draw a map of a bound: light where it is small, with the access points and the targets.

    Parameters
    ----------
    points_or_axes : (n_y, n_x, D) float, or a pair of (n_x,) and (n_y,)
        The points of a grid (m), of which x and y are drawn, or its two axes.
    values : (n_y, n_x) float
        In the unit of ``label``. Where they are ``nan`` (undefined) or ``inf`` (unidentifiable)
        the map is grey.
    scene : MultistaticScene or MonostaticScene, optional
        Its access points become triangles, the listening ones of a multistatic scene filled with
        colour, and its targets crosses.
    ax : Axes, optional
        By default the axes of a new figure.
    label : str
        Of the colour bar, with the unit.
    limits : pair of float, optional
        Ends of the colour scale; by default the first and the last hundredth of the values.
    log : bool
        Whether the colour scale is logarithmic.
    extend : str, optional
        Which ends of the bar are pointed, as in ``Figure.colorbar``; by default those beyond
        which there are values.

    Returns
    -------
    ax : Axes
    bar : Colorbar

    Raises
    ------
    ValueError
        If the shapes do not fit, the points are no grid, no value is finite, or ``limits`` are
        not two increasing numbers (positive ones on a logarithmic scale).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from cfisac import plotting
    >>> x, y = np.linspace(-100, 100, 21), np.linspace(-50, 50, 11)  # m
    >>> values = 0.1 + np.hypot(*np.meshgrid(x, y)) / 100
    >>> ax, bar = plotting.map((x, y), values)
    >>> bar.ax.get_ylabel()
    'PEB (m)'
    >>> plt.close(ax.figure)
    """
    import matplotlib.pyplot as plt

    x, y = _grid(points_or_axes)
    shown = np.ma.masked_invalid(np.asarray(values, dtype=float))
    if shown.shape != (len(y), len(x)):
        raise ValueError(f"values must have shape {(len(y), len(x))}, got {shown.shape}")
    if log:
        shown = np.ma.masked_less_equal(shown, 0.0)
    found = shown.compressed()
    if found.size == 0:
        raise ValueError("values must hold a finite number" + (" above 0" if log else ""))
    low, high = np.quantile(found, [0.01, 0.99]) if limits is None else limits
    if limits is None and low == high:  # one colour, in the middle of a scale
        low, high = (low / 2, 2 * high) if log else (low - 1, high + 1)
    if not (low < high and np.isfinite(high - low) and (low > 0 or not log)):
        raise ValueError(f"limits must be two increasing numbers, got {low:g} and {high:g}")
    if ax is None:
        ax = plt.subplots()[1]
    norm = (LogNorm if log else Normalize)(low, high)
    ax.set_facecolor("0.8")
    mesh = ax.pcolormesh(
        x, y, shown, cmap="viridis_r", norm=norm, shading="nearest", rasterized=True
    )
    if extend is None:
        ends = bool(found.min() < low), bool(found.max() > high)
        extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[ends]
    bar = ax.figure.colorbar(mesh, ax=ax, extend=extend, label=label)
    if log:  # a few round-ish numbers, whatever the range
        ticks = np.geomspace(low, high, 5).tolist()
        bar.set_ticks(ticks, labels=[f"{float(f'{tick:.2g}'):g}" for tick in ticks])
        bar.minorticks_off()
    if scene is not None:
        _draw_scene(ax, scene)
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)")
    ax.grid(False)
    return ax, bar


def _grid(points_or_axes: Any) -> tuple[Any, Any]:
    """The two axes of a grid, from them or from its points."""
    if isinstance(points_or_axes, tuple) and len(points_or_axes) == 2:
        x, y = (
            _checks.finite(f"points_or_axes[{i}]", each) for i, each in enumerate(points_or_axes)
        )
        if x.ndim != 1 or y.ndim != 1 or x.size == 0 or y.size == 0:
            raise ValueError(f"points_or_axes must be two lists, got {x.shape} and {y.shape}")
        return x, y
    points = _checks.points("points_or_axes", points_or_axes, 3, (2, 3))
    if points.ndim != 3 or 0 in points.shape:
        raise ValueError(f"points_or_axes must be (n_y, n_x, 2) or 3, got {points.shape}")
    x, y = points[0, :, 0], points[:, 0, 1]
    size = np.max(np.abs(points))
    straight = np.abs(points[..., 0] - x).max(), np.abs(points[..., 1] - y[:, None]).max()
    if max(straight) > 1e-9 * size:
        raise ValueError("points_or_axes must be a grid: x along its rows, y along its columns")
    return x, y


def _draw_scene(ax: "Axes", scene: Any) -> None:
    """Access points as triangles, those that only listen in colour; targets as crosses."""
    kind: dict[str, Any] = {"ls": "none", "mec": "black", "clip_on": False, "zorder": 3}
    aps = scene.aps
    ax.plot(aps[:, 0], aps[:, 1], marker="^", mfc="white", ms=6, **kind)
    if hasattr(scene, "receivers"):
        hear = scene.receivers
        ax.plot(hear[:, 0], hear[:, 1], marker="^", mfc=COLOURS[1], ms=8, **kind)
    targets = scene.targets
    kind = {**kind, "mec": "white"}
    ax.plot(targets[:, 0], targets[:, 1], marker="X", mfc="black", ms=8, **kind)


class Interactive:
    """A plotly figure that draws offline and says in text what it shows.

    The page gets the figure (``role=img``, named by `alt`), the summary as its caption, and loads
    the book's own plotly.js, over http or from a file. It follows the width of the page, becomes
    lower where axes of one scale would leave it blank, and keeps a white ground, so that it is
    readable in dark mode. Readers without scripts, and the tests, get the summary.

    A figure with one slider animates as plotly does. Several sliders (:func:`sliders`) choose a
    frame together: a frame for each combination, named by the labels of their steps joined by
    ``|``. A point whose ``customdata`` is such a name shows that frame when it is hovered over or
    tapped.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        The figure, with its frames and sliders. It is copied.
    name : str
        HTML id: a letter, then letters, digits, ``-`` or ``_``; unique on its page.
    summary : str
        The numbers that the figure shows, as text.
    alt : str
        What the figure looks like, for a reader who cannot see it.

    Raises
    ------
    ValueError
        If `name` is not such an id, if `summary` or `alt` is empty, or if several sliders have a
        combination without a frame.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> from cfisac import plotting
    >>> figure = go.Figure(go.Scatter(x=[0, 1], y=[0.3, 0.1]))
    >>> shown = plotting.Interactive(figure, "bound", "0.3 m, then 0.1 m", alt="A falling line.")
    >>> shown.summary  # what a reader without scripts gets; the last line of a cell draws it
    '0.3 m, then 0.1 m'
    """

    def __init__(self, figure: "go.Figure", name: str, summary: str, alt: str) -> None:
        if not re.fullmatch(r"[A-Za-z][\w-]*", name, flags=re.ASCII):
            raise ValueError(f"name must be a letter, then letters, digits, - or _; got {name!r}")
        for argument, value in (("summary", summary), ("alt", alt)):
            if not value.strip():
                raise ValueError(f"{argument} must not be empty")
        labels = [[step.label for step in slider.steps] for slider in figure.layout.sliders]
        steps = {"|".join(each) for each in itertools.product(*labels)}
        missing = steps - {f.name for f in figure.frames}
        if len(labels) > 1 and missing:
            raise ValueError(f"figure must have a frame for every step; none is {min(missing)!r}")
        self.figure = _in_house_style(figure)
        self.name, self.summary, self.alt = name, summary, alt

    def to_html(self) -> str:
        """HTML fragment: the figure, its caption and the script that draws it."""
        figure = json.dumps(self._as_drawn(), sort_keys=True)
        figure = figure.replace("</", "<\\/")  # no text in it can end the script
        caption = html.escape(self.summary).replace("\n", "<br>")
        return (
            '<figure class="interactive">\n'
            f'<div id="{self.name}"{self._room()} role="group" '
            f'aria-label="{html.escape(self.alt)}"></div>\n'
            f"<figcaption>{caption}</figcaption>\n"
            f'<script type="application/json" id="{self.name}-figure">'
            f"{figure}</script>\n"
            f"<script>{DRAW % {'name': self.name, 'root': ROOT}}</script>\n"
            "</figure>"
        )

    def _as_drawn(self) -> dict[str, Any]:
        """The figure as plotly.js reads it: arrays to seven digits, in half of the room."""

        def halved(part: dict[str, Any]) -> dict[str, Any]:
            if part.get("dtype") == "f8" and "bdata" in part:
                numbers = np.frombuffer(base64.b64decode(part["bdata"]), "<f8").astype("<f4")
                short = base64.b64encode(numbers.tobytes()).decode()
                return {**part, "dtype": "f4", "bdata": short}
            return part

        read: dict[str, Any] = json.loads(self.figure.to_json(), object_hook=halved)
        return read

    def _room(self) -> str:
        """Style that keeps the figure's own height free: a responsive plot takes no room itself."""
        height = self.figure.layout.height
        return f' style="box-sizing:content-box;height:{height:g}px"' if height else ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """HTML for the book, plotly's own format for JupyterLab, text for everyone."""
        return {
            "text/html": self.to_html(),
            "application/vnd.plotly.v1+json": self._as_drawn(),
            "text/plain": self.summary,
        }


def sliders(
    choices: Mapping[str, Sequence[str]], active: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """Sliders that choose a frame of a figure, one above the other.

    Parameters
    ----------
    choices : mapping
        What each slider says before its value, such as ``"antennas "``, and the labels of its
        steps. With several sliders, frames are named by one label of each, joined by ``|``.
    active : sequence of int, optional
        The step at which each slider starts; by default the first.

    Returns
    -------
    list of dict
        For ``figure.update_layout(sliders=...)``.

    Raises
    ------
    ValueError
        If there is no slider, a slider has no step, or `active` names a step that is not there.

    Examples
    --------
    >>> from cfisac import plotting
    >>> made = plotting.sliders({'antennas ': ['4', '8'], 'pilots ': ['1', '2']}, active=[1, 0])
    >>> [slider['active'] for slider in made]
    [1, 0]
    >>> made[0]['steps'][0]['args'][0]  # the frame that it shows
    ['4|1']
    """
    if not choices or not all(choices.values()):
        raise ValueError("choices must have at least one slider, and each at least one step")
    start = [0] * len(choices) if active is None else list(active)
    sizes = [len(labels) for labels in choices.values()]
    if len(start) != len(sizes) or not all(0 <= at < n for at, n in zip(start, sizes, strict=True)):
        raise ValueError(f"active must name a step of each slider ({sizes} steps), got {start}")
    now = [labels[at] for labels, at in zip(choices.values(), start, strict=True)]
    how = {
        "mode": "immediate",
        "transition": {"duration": 0},
        "frame": {"duration": 0, "redraw": True},
    }
    made = []
    for row, (prefix, labels) in enumerate(choices.items()):
        frames = ["|".join([*now[:row], label, *now[row + 1 :]]) for label in labels]
        steps = [
            {"label": label, "method": "animate", "args": [[frame], how]}
            for label, frame in zip(labels, frames, strict=True)
        ]
        made.append(
            {
                "active": start[row],
                "currentvalue": {"prefix": prefix},
                "pad": {"t": 75 + 85 * row},
                "steps": steps,
            }
        )
    return made


def _in_house_style(figure: "go.Figure") -> "go.Figure":
    import plotly.graph_objects as go

    axis = {"gridcolor": "#d9d9d9", "linecolor": "#222222", "automargin": True, "zeroline": False}
    house = go.layout.Template(
        layout={
            "autosize": True,
            "colorway": COLOURS,
            "font": {"size": 14, "color": "#222222"},
            "margin": {"l": 60, "r": 15, "t": 30, "b": 50},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "sliderdefaults": {"pad": {"t": 50}},
            "xaxis": axis,
            "yaxis": axis,
        }
    )
    return go.Figure(figure).update_layout(template=house, autosize=True, width=None)
