"""What the built pages call things: numbers, titles and pieces, by label.

Slides and notebooks quote the site, so they ask the site: nobody counts figures twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer, Tag

ARTICLE = SoupStrainer("article")
# Coloured code and long tables: nobody quotes them, and they are most of a page.
BULKY = re.compile(r"<pre>.*?</pre>|<table(?! class=\"table).*?</table>", re.S)


@dataclass(frozen=True)
class Item:
    """A thing with a label: a figure, an equation, a theorem, an exercise, a section, a page.

    ``number`` is what the site shows, such as ``Fig. 7.1``, ``(5.12)`` or ``Theorem 3.1``; empty
    for what has none.
    """

    page: str
    number: str
    title: str
    tag: Tag

    @property
    def name(self) -> str:
        """What a reference without words of its own shows."""
        if self.number.startswith("Exercise") and self.title:
            return f"{self.number} ({self.title})"
        return self.number or self.title

    @property
    def address(self) -> str:
        """Where it is, from the first page."""
        return f"{self.page}#{self.tag['id']}" if self.tag.has_attr("id") else self.page


def key(label: str) -> str:
    """A label as an id of HTML: ``fan_conf-10`` is ``fan-conf-10`` there."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


class Pages(Mapping[str, Item]):
    """Everything with a label on the built pages; pages by their names, ``doc limits/toa_aoa``.

    Equations have names of their own, ``eq zhang-41``: a place in the text may have the same label.
    """

    def __init__(self, html: Path) -> None:
        self.html = html
        self._items: dict[str, Item] = {}
        self.solutions: dict[str, Tag] = {}  # by the label of the exercise
        self.citations: dict[str, list[str]] = {}  # of each page, in their order
        for path in sorted(html.rglob("*.html")):
            page = path.relative_to(html).as_posix()
            if not page.startswith(("_", "vendor")):
                text = BULKY.sub("", path.read_text())
                self._read(page, BeautifulSoup(text, "html.parser", parse_only=ARTICLE))

    def __getitem__(self, label: str) -> Item:
        kind, _, rest = label.rpartition(" ")
        return self._items[label if kind == "doc" else f"{kind} {key(rest)}".strip()]

    def __iter__(self):
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def shown(self, label: str) -> Item:
        """A figure, a theorem, an exercise, or else an equation."""
        found = self.get(label)
        return found if found and found.number else self[f"eq {label}"]

    def _read(self, page: str, soup: BeautifulSoup) -> None:
        article = soup.find("article")
        if article is None:
            return
        if head := article.find("h1"):
            name = f"doc {page.removesuffix('.html')}"
            self._items[name] = Item(page, "", _heading(head), Tag(name="a"))
        for tag in article.find_all(id=True):
            name = key(tag["id"])
            if tag.name == "div" and name.startswith("equation-"):
                number = _text(tag.find(class_="eqno"))
                self._items[f"eq {name.removeprefix('equation-')}"] = Item(page, number, "", tag)
            elif item := _item(page, tag):
                self._items.setdefault(name, item)
        cited = article.select(".bibtex-citation")
        self.citations[page.removesuffix(".html")] = [_text(each) for each in cited]
        for box in article.select("div.solution"):
            link = box.select_one(".admonition-title a")
            if link is not None:
                self.solutions[key(link["href"].rpartition("#")[2])] = box


def _item(page: str, tag: Tag) -> Item | None:
    """What a tag with an id is, if anybody may refer to it."""
    if tag.name == "figure":
        number, title = (
            _text(tag.select_one(f"figcaption .caption-{part}")) for part in ("number", "text")
        )
        return Item(page, number, title, tag)
    if tag.name == "div" and {"proof", "exercise"} & set(tag.get("class", [])):
        head = tag.select_one(".admonition-title")
        number = _text(head.select_one(".caption-number")) if head else ""
        title = _text(head).removeprefix(number).strip() if head else ""
        return Item(page, number, re.sub(r"^\((.*)\)$", r"\1", title, flags=re.S), tag)
    head = tag.find(re.compile(r"^h[1-6]$"))
    if head is None and tag.name == "span" and not tag.get_text():
        head = tag.find_next(re.compile(r"^h[1-6]$"))
    return Item(page, "", _heading(head), tag) if head is not None else None


def _heading(head: Tag) -> str:
    """The words of a heading, without its number."""
    number = _text(head.select_one(".section-number"))
    return _text(head).removeprefix(number).strip()


def _text(tag: Tag | None) -> str:
    if tag is None:
        return ""
    text = "".join(
        str(each)
        for each in tag.find_all(string=True)
        if "headerlink" not in (each.parent.get("class") or [])
    )
    return re.sub(r"\s+", " ", text).strip()
