"""The house style of the figures, and interactive figures that need no network.

``style`` sets matplotlib up once per chapter. ``Interactive`` wraps a plotly figure so that the
built book draws it with its own copy of plotly.js, and so that its numbers are text as well.
"""

import html
import json
import re
import sys
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
  const draw = () => Plotly.newPlot(node, figure);
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
    the book's own plotly.js, over http or from a file. It follows the width of the page and keeps
    a white ground, so that it is readable in dark mode. Readers without scripts, and the tests,
    get the summary.

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
        If `name` is not such an id, or if `summary` or `alt` is empty.
    """

    def __init__(self, figure: "go.Figure", name: str, summary: str, alt: str) -> None:
        if not re.fullmatch(r"[A-Za-z][\w-]*", name, flags=re.ASCII):
            raise ValueError(f"name must be a letter, then letters, digits, - or _; got {name!r}")
        for argument, value in (("summary", summary), ("alt", alt)):
            if not value.strip():
                raise ValueError(f"{argument} must not be empty")
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
