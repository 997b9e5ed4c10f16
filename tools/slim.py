"""Make the built pages smaller: what no page asks for goes, pictures lose digits nobody sees."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

# Pages load tex-chtml.js, and it loads extensions, its menu's tools and fonts when they are asked
# for. Formulas are HTML, never SVG; aloud they are English.
UNUSED = (
    "_static/**/*.map",
    "_static/locales/**/*",
    "_static/vendor/**/*.ttf",
    "_static/mathjax/*-chtml*.js",
    "_static/mathjax/*-svg*.js",
    "_static/mathjax/node-main.js",
    "_static/mathjax/adaptors/*",
    "_static/mathjax/input/*.js",
    "_static/mathjax/input/mml/**/*",
    "_static/mathjax/input/tex/extensions/all-packages.js",
    "_static/mathjax/output/*.js",
    "_static/mathjax/output/svg/**/*",
    "_static/mathjax/output/chtml/fonts/tex.js",
    "_static/mathjax/core.js",
    "_static/mathjax/ui/menu.js",
    "_static/mathjax/sre/mathmaps/*.js*",
)
POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3, "z": 0}  # after each command that matplotlib writes
KEPT = ("tex-chtml.js", "base.json", "en.json")


def pages(html: Path) -> None:
    """Delete what no page asks for; make the pictures smaller."""
    for pattern in UNUSED:
        for path in html.glob(pattern):
            if path.is_file() and path.name not in KEPT:
                path.unlink()
    for path in (html / "_images").glob("*.svg"):
        path.write_text(compact(path.read_text()))


def compact(svg: str) -> str:
    """A picture of matplotlib with coordinates to a hundredth of a point, and without blanks.

    One that is not by matplotlib, or compact already, stays as it is.
    """
    if "Matplotlib v" not in svg:
        return svg
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE.*?>", "", svg, flags=re.S)
    svg = re.sub(r' d="([^"]*)"', lambda found: f' d="{_path(found[1])}"', svg)
    svg = re.sub(r' (?:x|y)="[^"]*"|translate\([^)]*\)', lambda found: _rounded(found[0]), svg)
    svg = re.sub(r' style="[^"]*"', lambda found: re.sub(r"([;:]) ", r"\1", found[0]), svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # nothing refers to a group
    svg = re.sub(r"(?<=data:image/png;base64,)[^\"]+", lambda found: _by_palette(found[0]), svg)
    own = dict(re.findall(r'<path id="([^"]+)"[^>]* style="([^"]*)"', svg))
    svg = re.sub(  # a marker has its style where it is defined
        r'(<use xlink:href="#([^"]+)"[^>]*) style="([^"]*)"',
        lambda found: found[1] if own.get(found[2]) == found[3] else found[0],
        svg,
    )
    return re.sub(r"\n\s*(?=[<\"])", "", svg)


def _by_palette(encoded: str) -> str:
    """The same pixels, each as a number of a colour: a colour map has no more than 256."""
    kept = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    if kept.getcolors(256) is None:
        return encoded
    pixels = np.asarray(kept)
    colours, numbers = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    image = Image.fromarray(numbers.reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
    image.putpalette(colours[:, :3].tobytes())
    made = io.BytesIO()
    clear = {} if np.all(colours[:, 3] == 255) else {"transparency": colours[:, 3].tobytes()}
    image.save(made, "PNG", optimize=True, **clear)
    return min(encoded, base64.b64encode(made.getvalue()).decode(), key=len)


def _rounded(text: str) -> str:
    """Numbers with a point to two decimals."""
    return re.sub(r"-?\d+\.\d+", lambda found: _written(round(100 * float(found[0]))), text)


def _written(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    digits = f"{whole or ''}.{rest:02d}".rstrip("0") if rest else str(whole)
    return "-" * (hundredths < 0) + digits


def _path(drawn: str) -> str:
    """A path of absolute commands as one of relative ones, each point where it was."""
    at, start, made = (0, 0), (0, 0), ""
    for command, listed in re.findall(r"([A-Za-z])([^A-Za-z]*)", drawn):
        numbers = [round(100 * float(number)) for number in listed.split()]
        if len(numbers) != 2 * POINTS.get(command, -1):
            raise ValueError(f"a path with the command {command} {listed.strip()}")
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        steps = [_written(p - a) for point in points for p, a in zip(point, at, strict=True)]
        made += command.lower() + re.sub(r" (?=-)", "", " ".join(steps))
        at = points[-1] if points else start
        start = at if command == "M" else start
    return made
