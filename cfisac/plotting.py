"""The house style of the figures, and interactive figures that need no network.

``style`` sets matplotlib up once per chapter. ``Interactive`` wraps a plotly figure so that the
built book draws it with its own copy of plotly.js, and so that its numbers are text as well.
"""

import html
import itertools
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#000000")
"""A cycle that stays apart for colour-blind readers (after Okabe and Ito), dark first."""

_ROOT = "document.documentElement.dataset.content_root"  # Sphinx: the way up to the book's top
_DRAW = """(() => {
  const node = document.getElementById("%(name)s");
  const figure = JSON.parse(document.getElementById("%(name)s-figure").textContent);
  figure.config = {responsive: true, displaylogo: false};
  const sliders = (figure.layout || {}).sliders || [];
  const joint = sliders.length > 1;  // the sliders choose a frame together
  if (joint) { sliders.forEach(s => s.steps.forEach(step => { step.method = "skip"; })); }
  const full = (figure.layout || {}).height;
  const instant = {mode: "immediate", transition: {duration: 0},
    frame: {duration: 0, redraw: true}};
  const show = name => Plotly.animate(node, [name], instant).catch(() => {});
  const chosen = () => node.layout.sliders.map(s => s.steps[s.active || 0].label).join("|");
  const point = event => {
    const name = event.points[0].customdata;
    if (!figure.frames.some(frame => frame.name === name) || name === chosen()) { return; }
    const moved = {};
    name.split("|").forEach((label, i) => {
      moved[`sliders[${i}].active`] = sliders[i].steps.findIndex(step => step.label === label);
    });
    Plotly.relayout(node, moved).then(() => show(name));
  };
  let shape;  // height over width of a plot whose axes have one scale, before anyone zooms
  const fit = () => {  // it leaves no blank on a narrow page
    const {xaxis: x, yaxis: y, yaxis2: another, _size: room, height} = node._fullLayout;
    if (!full || another || !y || !y.scaleanchor) { return; }
    shape = shape || Math.abs((y.range[1] - y.range[0]) / (x.range[1] - x.range[0]));
    const fitting = Math.min(full, Math.ceil(height - room.h + shape * room.w));
    if (fitting === height) { return; }
    node.style.height = `${fitting}px`;
    return Plotly.relayout(node, {height: fitting, autosize: true});
  };
  const draw = () => Plotly.newPlot(node, figure).then(fit).then(() => {
    node.on("plotly_relayout", fit);
    if (!joint) { return; }
    node.on("plotly_sliderchange", () => show(chosen()));
    node.on("plotly_hover", point);
    node.on("plotly_click", point);
  });
  if (window.Plotly) { draw(); return; }
  if (%(root)s === undefined) { return; }  // not in the book: the caption still tells the numbers
  let script = document.getElementById("plotly-js");
  if (!script) {
    script = document.createElement("script");
    script.id = "plotly-js";
    script.src = %(root)s + "vendor/plotly.min.js";
    document.head.append(script);
  }
  script.addEventListener("load", draw);
})();"""


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
        missing = set(map("|".join, itertools.product(*labels))) - {f.name for f in figure.frames}
        if len(labels) > 1 and missing:
            raise ValueError(f"figure must have a frame for every step; none is {min(missing)!r}")
        self.figure = _in_house_style(figure)
        self.name, self.summary, self.alt = name, summary, alt

    def to_html(self) -> str:
        """HTML fragment: the figure, its caption and the script that draws it."""
        figure = json.dumps(json.loads(self.figure.to_json()), sort_keys=True)
        figure = figure.replace("</", "<\\/")  # no text in it can end the script
        caption = html.escape(self.summary).replace("\n", "<br>")
        return (
            '<figure class="interactive">\n'
            f'<div id="{self.name}"{self._room()} role="img" '
            f'aria-label="{html.escape(self.alt)}"></div>\n'
            f"<figcaption>{caption}</figcaption>\n"
            f'<script type="application/json" id="{self.name}-figure">'
            f"{figure}</script>\n"
            f"<script>{_DRAW % {'name': self.name, 'root': _ROOT}}</script>\n"
            "</figure>"
        )

    def _room(self) -> str:
        """Style that keeps the figure's own height free: a responsive plot takes no room itself."""
        height = self.figure.layout.height
        return f' style="box-sizing:content-box;height:{height:g}px"' if height else ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """HTML for the book, plotly's own format for JupyterLab, text for everyone."""
        return {
            "text/html": self.to_html(),
            "application/vnd.plotly.v1+json": json.loads(self.figure.to_json()),
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
