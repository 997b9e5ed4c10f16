"""Print the book: python tools/pdf.py makes _build/pdf/cfisac.pdf of the built pages.

The pages, in the order of _toc.yml, are merged into one, _build/pdf/book.html, and a Chromium
prints it. What needs a screen stays behind: buttons, folded code, and the pages on the package,
which are read beside an editor. Solutions go to the end. Chromium knows no page numbers while it
lays out the contents; they are printed by themselves and laid over.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # Ctrl-C while the rest is imported: the end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import copy
import html
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag

import yaml
from bs4 import BeautifulSoup, SoupStrainer, Tag

import book

FOLDER = book.BUILD / "pdf"
MERGED, PRINTED = FOLDER / "book.html", FOLDER / "cfisac.pdf"
SCALE = 0.8  # of the sizes that the pages have on a screen
COLUMN = round((210 - 2 * 18) / 25.4 * 96 / SCALE)  # px: A4 less the margins of custom.css
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LEFT_OUT = ("api",)  # it repeats the docstrings, and grows with every release
ON_SCREEN = "a.headerlink, button, details.above-input, .toctree-wrapper, script, style, iframe"
NO_CHROMIUM = "no Chromium found (Debian: apt-get install chromium; else: CHROMIUM=/path/to/chrome)"


def chromium() -> str | None:
    """The browser that the tests use, too."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


# --------------------------------------------------------------------------------------- merging


@dataclass
class Chapter:
    """A page of the book, a part of it, or its solutions: what the contents and the outline list."""

    title: str
    anchor: str
    part: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    body: Tag | None = None


def listed() -> list[tuple[str, str]]:
    """Every page that is printed, in order, with its part."""
    contents = yaml.safe_load((book.ROOT / "_toc.yml").read_text())
    pages = [("", contents["root"])]

    def walk(part: str, entries: list[dict]) -> None:
        for entry in entries:
            pages.append((part, entry["file"]))
            walk(part, entry.get("sections", []))

    for part in contents["parts"]:
        walk(part.get("caption", ""), part["chapters"])
    return [(part, name) for part, name in pages if name.split("/")[0] not in LEFT_OUT]


def anchor(name: str, fragment: str = "") -> str:
    """An id that no other page has."""
    return name.replace("/", "-") + (f"--{fragment}" if fragment else "")


def page(name: str, kept: set[str]) -> Tag:
    """The article of a built page, with ids, links and pictures as the merged page needs them."""
    path = book.HTML / f"{name}.html"
    soup = BeautifulSoup(path.read_text(), "html.parser", parse_only=SoupStrainer("article"))
    article = soup.article.extract()
    for figure in article.select("figure.interactive"):
        for script in figure.find_all("script"):
            known = r'getElementById\("([\w-]+)"\)'
            if script.get("type") != "application/json":
                script.string = re.sub(
                    known,
                    lambda found: (
                        found[0]
                        if found[1] == "plotly-js"
                        else f'getElementById("{anchor(name, found[1])}")'
                    ),
                    script.string,
                )
    for tag in article.select(ON_SCREEN):
        if not (tag.name == "script" and tag.find_parent("figure", class_="interactive")):
            tag.decompose()
    for cell in article.select("div.cell"):
        if not cell.find(["pre", "img", "table", "figure", "p", "math"]) and not cell.get_text(
            strip=True
        ):
            cell.decompose()
    for details in article.find_all("details"):
        details["open"] = ""
    for tag in article.find_all(id=True):
        tag["id"] = anchor(name, tag["id"])
    for tag in article.find_all(True):
        for reference in ("aria-labelledby", "aria-describedby", "for"):
            if tag.get(reference):
                tag[reference] = " ".join(anchor(name, one) for one in tag[reference].split())
    for link in article.find_all("a", href=True):
        lead(link, name, kept)
    for picture in article.find_all(src=True):
        if not re.match(r"\w+:", picture["src"]):
            there = (path.parent / unquote(picture["src"])).resolve()
            picture["src"] = quote(os.path.relpath(there, FOLDER))
        picture.attrs.pop("loading", None)
    article["id"] = anchor(name)
    return article


def lead(link: Tag, name: str, kept: set[str]) -> None:
    """Make a link lead within the merged page, or nowhere if its page is not printed."""
    address, fragment = urldefrag(link["href"])
    if ":" in address or address.startswith("//"):
        return
    there = (book.HTML / name).parent / unquote(address) if address else book.HTML / f"{name}.html"
    target = os.path.relpath(there, book.HTML).removesuffix(".html")
    if target in kept:
        link["href"] = "#" + anchor(target, unquote(fragment))
    else:
        link.name = "span"
        del link["href"]


def plain(tag: Tag) -> str:
    """A heading as text."""
    return " ".join(tag.get_text().split())


def chapters() -> list[Chapter]:
    """What is printed, the solutions last."""
    pages = listed()
    kept, found = {name for _, name in pages}, []
    answers = BeautifulSoup(
        '<article class="bd-article"><h1>Solutions</h1></article>', "html.parser"
    )
    solutions = Chapter("Solutions", "solutions", "Solutions", body=answers.article)
    solutions.body["id"] = solutions.anchor
    for part, name in pages:
        article = page(name, kept)
        chapter = Chapter(plain(article.h1), anchor(name), part, body=article)
        moved = article.select("div.solution")
        if moved:
            heading = answers.new_tag("h2", id=anchor(name, "solutions"))
            heading.string = chapter.title
            solutions.body.append(heading)
            solutions.sections.append((chapter.title, heading["id"]))
        for solution in moved:
            exercise = article.find(id=solution.select_one("a[href]")["href"][1:])
            solution["class"] = [each for each in solution["class"] if each != "dropdown"]
            solutions.body.append(solution.extract())
            way = BeautifulSoup(
                f'<p class="to-solution"><a href="#{solution["id"]}">Solution</a></p>',
                "html.parser",
            )
            exercise.append(way.p)
        for section in article.select("article > section > section"):
            if section.h2:
                chapter.sections.append((plain(section.h2), section["id"]))
        found.append(chapter)
    return [*found, *([solutions] if solutions.sections else [])]


def edition() -> str:
    """Version and date: of the release, or of the last change if there are changes since."""
    citation = yaml.safe_load((book.ROOT / "CITATION.cff").read_text())
    said = f"Version {citation['version']}"
    if "date-released" in citation:
        said += f", {citation['date-released']}"
    changes = (book.ROOT / "CHANGELOG.md").read_text().split("\n## ")
    if changes[1].startswith("Unreleased\n\n") and changes[1].count("\n") > 2:
        said += ", with the changes since"
        git = [
            "git",
            "-C",
            str(book.ROOT),
            "log",
            "-1",
            "--format=%h of %cd",
            "--date=format:%-d %B %Y",
        ]
        known = subprocess.run(git, capture_output=True, text=True)
        said += f", up to {known.stdout.strip()}" if not known.returncode else ""
    return said


def front(found: list[Chapter]) -> str:
    """Title page and contents."""
    config = yaml.safe_load((book.ROOT / "_config.yml").read_text())
    citation = yaml.safe_load((book.ROOT / "CITATION.cff").read_text())
    title, author = html.escape(config["title"]), html.escape(config["author"])
    rows, part = [], ""
    for chapter in found:
        if chapter.part != part:
            part = chapter.part
            if part != chapter.title:
                rows.append(f'<li class="part">{html.escape(part)}</li>')
        entries = [("chapter", chapter.title, chapter.anchor)]
        entries += [("section", *section) for section in chapter.sections]
        rows += [
            f'<li class="{kind}"><a href="#{where}">{html.escape(text)}</a>'
            f'<span class="folio" data-to="{where}"></span></li>'
            for kind, text, where in entries
        ]
    return (
        f'<section class="title-page"><img alt="" src="../html/_static/logo.svg">'
        f'<div class="title">{title}</div><p class="author">{author}</p><p>{edition()}</p>'
        f'<p class="abstract">{html.escape(citation["abstract"].strip())}</p>'
        f'<p class="terms">{html.escape(config["html"]["extra_footer"])}<br>'
        f'<a href="{citation["repository-code"]}">{citation["repository-code"]}</a></p></section>'
        f'<section class="contents"><div class="title">Contents</div><ul>{"".join(rows)}</ul></section>'
    )


def running_heads(found: list[Chapter]) -> str:
    """Style that puts the chapter above its pages, and the number of each page below."""
    number = '@bottom-center { content: counter(page); font: 9pt "DejaVu Sans", sans-serif; }'
    rules = [f"@page {{ {number} }}", "@page :first { @bottom-center { content: none; } }"]
    for count, chapter in enumerate(found):
        head = chapter.title.replace("\\", "").replace('"', "'")
        rules.append(
            f'@page chapter{count} {{ @top-left {{ content: "{head}"; '
            'font: 9pt "DejaVu Sans", sans-serif; color: #555; } }'
        )
    return "\n".join(rules)


def merge(found: list[Chapter]) -> None:
    """Write the merged page."""
    first = BeautifulSoup((book.HTML / "intro.html").read_text(), "html.parser")
    head = []
    for tag in first.find_all(["link", "script"]):
        kind = tag.get("rel") == ["stylesheet"] or "MathJax" in str(tag) or "mathjax" in str(tag)
        if not kind or "togglebutton" in str(tag) or "copybutton" in str(tag):
            continue
        kept = copy.copy(tag)
        for address in ("href", "src"):
            if tag.get(address):
                kept[address] = "../html/" + tag[address]
        head.append(str(kept))
    config = yaml.safe_load((book.ROOT / "_config.yml").read_text())
    FOLDER.mkdir(parents=True, exist_ok=True)
    with MERGED.open("w") as sink:
        sink.write(
            '<!DOCTYPE html>\n<html lang="en-GB" class="printed" data-theme="light" '
            'data-mode="light" data-content_root="../html/">\n<head><meta charset="utf-8">'
            f"<title>{html.escape(config['title'])}</title>\n" + "\n".join(head)
        )
        sink.write(f'\n<style id="running-heads">{running_heads(found)}</style></head>\n<body>')
        sink.write(f'<div class="bd-content">{front(found)}\n')
        for count, chapter in enumerate(found):
            sink.write(
                f'<div class="printed-chapter" style="page: chapter{count}">{chapter.body}</div>\n'
            )
        sink.write("</div></body></html>\n")


# -------------------------------------------------------------------------------------- printing

DRAWN = """() => MathJax.startup.promise.then(() => document.fonts.ready).then(() =>
  [...document.images].every(n => n.complete)
  && [...document.querySelectorAll('figure.interactive > div')]
    .every(n => n.querySelector('svg.main-svg')))"""

# What is too wide for the paper becomes smaller.
FIT = """() => [...document.querySelectorAll(
    'article table, article mjx-container[display="true"], article pre, article svg')].flatMap(n => {
  if (n.closest('figure.interactive')) { return []; }
  const room = n.parentElement.clientWidth, wide = n.scrollWidth;
  if (!room || wide <= room + 1) { return []; }
  n.style.zoom = Math.floor(1000 * room / wide) / 1000;
  return [`${n.closest('article').id}: ${n.tagName} ${wide} px in ${room}`];
})"""

FOLIOS = """numbers => {
  document.querySelectorAll('.printed-chapter').forEach(n => n.remove());
  document.getElementById('running-heads').remove();
  document.documentElement.classList.add('folios');
  document.querySelectorAll('.folio').forEach(n => { n.textContent = numbers[n.dataset.to]; });
}"""


@contextmanager
def opened() -> Iterator:
    """The merged page in a browser, drawn and fitted to the paper."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=chromium(),
            args=[*ARGUMENTS, "--allow-file-access-from-files"],
        )
        tab = browser.new_page(viewport={"width": COLUMN, "height": 1000}, color_scheme="light")
        tab.set_default_timeout(300_000)
        tab.emulate_media(media="print")
        tab.goto(MERGED.as_uri(), wait_until="load")
        tab.wait_for_function(DRAWN, polling=500)
        yield tab
        browser.close()


def write() -> None:
    """Print, and add outline, page numbers of the contents and what the file says of itself."""
    from pypdf import PdfReader

    found = chapters()
    print(f"merged {time.perf_counter():.1f}")
    merge(found)
    print(f"written {time.perf_counter():.1f}")
    body, contents = FOLDER / "body.pdf", FOLDER / "contents.pdf"
    with opened() as tab:
        print(f"drawn {time.perf_counter():.1f}")
        for line in tab.evaluate(FIT):
            print(line)
        settings = {"prefer_css_page_size": True, "print_background": True, "scale": SCALE}
        tab.pdf(path=body, tagged=True, **settings)
        print(f"printed {time.perf_counter():.1f}")
        numbers = page_numbers(PdfReader(body))
        print(f"numbers {time.perf_counter():.1f}")
        tab.evaluate(FOLIOS, numbers)
        tab.pdf(path=contents, tagged=False, **settings)
    finish(found, numbers, body, contents)


def page_numbers(reader) -> dict[str, int]:
    """Page of each place that a link leads to, counted from one."""
    pages = {each.indirect_reference.idnum: n for n, each in enumerate(reader.pages, 1)}
    return {
        name.removeprefix("/"): pages[place["/Page"].idnum]
        for name, place in reader.named_destinations.items()
    }


def finish(found: list[Chapter], numbers: dict[str, int], body: Path, contents: Path) -> None:
    """Lay the page numbers over the contents, add the outline, and write the file."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import Fit

    config = yaml.safe_load((book.ROOT / "_config.yml").read_text())
    writer = PdfWriter(clone_from=body)
    for target, folios in zip(writer.pages, PdfReader(contents).pages, strict=False):
        target.merge_page(folios)
    places = writer.named_destinations
    parts: dict[str, object] = {}

    def item(title: str, where: str, parent=None):
        place = places["/" + where]
        return writer.add_outline_item(
            title, numbers[where] - 1, parent, fit=Fit.xyz(left=0, top=place["/Top"])
        )

    for chapter in found:
        parent = None
        if chapter.part and chapter.part != chapter.title:
            if chapter.part not in parts:
                parts[chapter.part] = item(chapter.part, chapter.anchor)
            parent = parts[chapter.part]
        node = item(chapter.title, chapter.anchor, parent)
        for title, where in chapter.sections:
            item(title, where, node)
    writer.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    writer.page_mode = "/UseOutlines"
    writer.write(PRINTED)
    print(f"finished {time.perf_counter():.1f}, {len(writer.pages)} pages")


if __name__ == "__main__":
    book.heed_signals()
    write()
