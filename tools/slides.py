"""The six lectures as slides, made of what the built pages show, and all figures as a zip archive.

book/slides.yml has the words and names figures, formulas, theorems and exercises by label. One page
comes out, ``slides.html`` beside the chapters: pictures and MathJax are inside it, so it can be
carried around. On a wide screen it shows slide by slide, printed it has a slide on each page, and
on a phone, or without scripts, one reads it from top to bottom.
"""

from __future__ import annotations

import base64
import copy
import csv
import html
import io
import re
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from bs4 import Tag
from markdown_it import MarkdownIt
from pages import Item, Pages, key

import book

HERE = Path(__file__).resolve().parent
FEWEST, MOST = 12, 18  # slides of a lecture
KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
SHOWN = " '/:;,.()[]{}<>=*@!+&|~^$?`"  # what an address that holds a picture need not escape


def read_plan() -> list[dict[str, Any]]:
    """The lectures of book/slides.yml."""
    return yaml.safe_load((book.BOOK / "slides.yml").read_text())


def labels_of(plan: list[dict[str, Any]]) -> Iterator[str]:
    """All labels of things that the slides show."""
    for lecture in plan:
        for slide in lecture["slides"]:
            yield from slide.get("show", [])
        yield lecture["exercise"]


# ----------------------------------------------------------------------------- pieces of the pages


def words(text: str) -> str:
    """Markdown with ``$maths$`` as HTML; maths is left to MathJax."""
    formulas: list[str] = []

    def keep(match: re.Match[str]) -> str:
        formulas.append(html.escape(match[1]))
        return f"\x02{len(formulas) - 1}\x03"

    shown = MarkdownIt().render(re.sub(r"\$([^$]+)\$", keep, text))
    return re.sub(
        "\x02(\\d+)\x03", lambda m: f'<span class="math">\\({formulas[int(m[1])]}\\)</span>', shown
    )


def piece(tag: Tag, page: str, pages: Pages) -> str:
    """A part of a page that can stand elsewhere: pictures inside, links from the first page."""
    tag = copy.copy(tag)
    for extra in tag.select(".headerlink, .cell, .highlight, script, button"):
        extra.decompose()
    folder = Path(page).parent
    for each in [tag, *tag.find_all(True)]:
        each.attrs.pop("id", None)
        if each.name == "img":
            each["src"] = inside(pages.html / folder / each["src"])
        elif each.name == "a" and not re.match(r"\w+:", each.get("href", "")):
            address, _, anchor = each.get("href", "").partition("#")
            place = (pages.html / folder / address).resolve() if address else pages.html / page
            each["href"] = place.relative_to(pages.html.resolve()).as_posix() + f"#{anchor}"
    return str(tag)


def inside(picture: Path) -> str:
    """A picture as an address that holds it."""
    if picture.suffix == ".svg" and "'" not in (drawn := picture.read_text()):
        return "data:image/svg+xml," + quote(drawn.replace('"', "'"), SHOWN)
    data = base64.b64encode(picture.read_bytes()).decode()
    return f"data:{KINDS[picture.suffix]};base64,{data}"


def source_of(item: Item, pages: Pages) -> str:
    """Where a piece is from: its number and its chapter, as a link."""
    chapter = pages[f"doc {item.page.removesuffix('.html')}"].title
    text = ", ".join(filter(None, [item.number, html.escape(chapter)]))
    return f'<a href="{item.address}">{text}</a>'


# ------------------------------------------------------------------------------------- the slides


def lecture_slides(number: int, lecture: dict[str, Any], pages: Pages) -> list[str]:
    """The slides of a lecture: a title, what the plan names, an exercise and its solution."""
    reading = "; ".join(
        f'<a href="{name}.html">{html.escape(pages[f"doc {name}"].title)}</a>'
        for name in lecture["read"]
    )
    made = [
        _slide(f"<h2>{html.escape(lecture['title'])}</h2><p>Read before: {reading}.</p>",
               f"Lecture {number}", f'id="lecture-{number}" class="first slide"')
    ]  # fmt: skip
    for slide in lecture["slides"]:
        items = [pages.shown(label) for label in slide.get("show", [])]
        body = f"<h3>{words(slide['title'])[3:-5]}</h3>{words(slide.get('text', ''))}"
        body += "".join(piece(item.tag, item.page, pages) for item in items)
        made.append(_slide(body, "; ".join(source_of(item, pages) for item in items)))
    exercise = pages[lecture["exercise"]]
    solution = pages.solutions[key(lecture["exercise"])]
    for heading, tag in (("Exercise", exercise.tag), ("Solution", solution)):
        body = f"<h3>{heading}</h3>{piece(tag, exercise.page, pages)}"
        made.append(_slide(body, source_of(exercise, pages)))
    return made


def _slide(body: str, foot: str, attributes: str = 'class="slide"') -> str:
    return f"<section {attributes}><div>{body}</div><footer>{foot}</footer></section>"


def page_of(plan: list[dict[str, Any]], pages: Pages) -> str:
    """All lectures as one page that asks nobody for anything."""
    lectures = [lecture_slides(n, lecture, pages) for n, lecture in enumerate(plan, 1)]
    contents = "".join(
        f'<li><a href="#lecture-{n}">{html.escape(lecture["title"])}</a></li>'
        for n, lecture in enumerate(plan, 1)
    )
    title = yaml.safe_load((book.ROOT / "_config.yml").read_text())["title"]
    fill = {
        "TITLE": html.escape(title),
        "ICON": inside(book.BOOK / "_static" / "favicon.svg"),
        "CONTENTS": contents,
        "SLIDES": "\n".join(slide for lecture in lectures for slide in lecture),
        "MATHJAX": mathjax(),
    }
    template = (HERE / "slides.html").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fill[match[1]], template)


def mathjax() -> str:
    """MathJax that draws formulas, fonts and all, in one script: from the package of the pages."""
    spec = find_spec("sphinx-mathjax-offline")
    folder = Path(next(iter(spec.submodule_search_locations)))  # type: ignore[union-attr,arg-type]
    return (folder / "static" / "mathjax" / "tex-svg-full.js").read_text()


def problems(plan: list[dict[str, Any]], pages: Pages) -> list[str]:
    """What the plan names and the pages lack; lectures that are too short or too long."""
    found = []
    for label in labels_of(plan):
        try:
            pages.shown(label)
        except KeyError:
            found.append(f"slides.yml: no page has {label}")
    for lecture in plan:
        n = len(lecture["slides"]) + 3
        if not FEWEST <= n <= MOST:
            found.append(f"slides.yml: {lecture['title']} has {n} slides ({FEWEST} to {MOST})")
        if key(lecture["exercise"]) not in pages.solutions:
            found.append(f"slides.yml: {lecture['exercise']} has no solution")
    return found


def write(pages: Pages | None = None) -> list[str]:
    """Write slides.html beside the pages; what is wrong with the plan."""
    pages = pages or Pages(book.HTML)
    plan = read_plan()
    found = problems(plan, pages)
    if not found:
        (book.HTML / "slides.html").write_text(page_of(plan, pages))
    return found


# ------------------------------------------------------------------------------------- the figures


def figures(pages: Pages) -> dict[str, tuple[Item, bytes]]:
    """Every figure with a label: the name of its file, and what is in it."""
    found = {}
    for item in pages.values():
        picture = item.tag.find("img") if item.tag.name == "figure" else None
        if picture is not None and item.number:
            path = pages.html / Path(item.page).parent / picture["src"]
            found[f"{item.tag['id']}{path.suffix}"] = item, path.read_bytes()
    return found


def write_figures(pages: Pages, target: Path) -> int:
    """A zip archive of all figures, named by label, with a table of captions; how many."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["file", "number", "page", "caption", "description"])
    found = figures(pages)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (item, data) in sorted(found.items()):
            archive.writestr(zipfile.ZipInfo(name), data)
            rows.writerow([name, item.number, item.page, item.title, item.tag.find("img")["alt"]])
        archive.writestr(zipfile.ZipInfo("captions.csv"), table.getvalue())
        archive.writestr(
            zipfile.ZipInfo("LICENSE-prose"), (book.ROOT / "LICENSE-prose").read_text()
        )
    return len(found)


def make() -> int:
    """The slides and the archive, from pages that are built; the exit code."""
    pages = Pages(book.HTML)
    if found := write(pages):
        print("\n".join(found), "\nThe slides were not written.", sep="")
        return 1
    target = book.BUILD / "figures.zip"
    count = write_figures(pages, target)
    print(f"Slides: {(book.HTML / 'slides.html').as_uri()}")
    print(f"{count} figures, with a table of captions: {target}")
    return 0
