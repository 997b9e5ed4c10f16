"""The built pages as one page for paper: what a reader turns over, in the order of _toc.yml.

What needs a screen stays behind: buttons, folded code but for the line that says what it proves,
the entries to cite, and the pages on the package, which are read beside an editor. Solutions go to
the end. Ids get the name of their page, and links between pages become links within one.
"""

from __future__ import annotations

import copy
import html
import os
import re
import subprocess
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urldefrag

import yaml
from bs4 import BeautifulSoup, SoupStrainer, Tag

import book

FOLDER = book.BUILD / "pdf"
MERGED = FOLDER / "book.html"
# Docstrings grow with every release; a page that is one table of all rows needs its filters.
LEFT_OUT = "api", "ledger/rows"
ON_SCREEN = (
    "a.headerlink, button, label, select, input, details.above-input, details.opening-cite, "
    ".toctree-wrapper, script, iframe"
)
# Folds whose line says nothing on paper; the lines of the others say what is computed or proved.
SAYS_NOTHING = "Show the code", "Show code cell", "Set-up", "Numbers for the", "The interactive"


@dataclass
class Chapter:
    """A page of the book, or all solutions: what the contents and the outline list."""

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
    return [
        (part, name)
        for part, name in pages
        if not f"{name}/".startswith(tuple(f"{each}/" for each in LEFT_OUT))
    ]


def anchor(name: str, fragment: str = "") -> str:
    """An id that no other page has."""
    return (name + (f"--{fragment}" if fragment else "")).replace("/", "-")


def page(name: str, kept: set[str]) -> Tag:
    """The article of a built page, with ids, links and pictures as the merged page needs them."""
    path = book.HTML / f"{name}.html"
    only = SoupStrainer("article", class_="bd-article")
    article = BeautifulSoup(path.read_text(), "html.parser", parse_only=only).article.extract()
    for fold in article.select("details.above-input"):
        line = fold.select_one(".collapsed").get_text(strip=True)
        if not line.startswith(SAYS_NOTHING):
            fold.name, fold["class"], fold.string = "p", ["folded"], line
    for tag in article.select(ON_SCREEN):
        if not (tag.name == "script" and tag.find_parent("figure", class_="interactive")):
            tag.decompose()
    for cell in article.select("div.cell"):  # its code was folded, and it showed nothing
        if not cell.get_text(strip=True) and not cell.find("img"):
            cell.decompose()
    for details in article.find_all("details"):
        details["open"] = ""
    for drawing in article.select("figure.interactive > div[role=group]"):
        drawing["role"] = "img"  # on paper there is nothing to move
    for code in article.select(".ledger-formula > code"):  # on screen, set when it comes into view
        code.name, code["class"] = "div", ["math", "notranslate", "nohighlight"]
        code.string = rf"\[{code.get_text()}\]"
    for tag in article.find_all(id=True):
        tag["id"] = anchor(name, tag["id"])
    for drawn in article.select('use[href^="#"]'):
        drawn["href"] = "#" + anchor(name, drawn["href"][1:])
    for script in article.select("figure.interactive > script:not([type])"):
        script.string = re.sub(
            r'(?<=getElementById\(")(?!plotly-js)[^"]+', lambda i: anchor(name, i[0]), script.string
        )
    for link in article.find_all("a", href=True):
        lead(link, name, kept)
    for picture in article.find_all(src=True):
        if not re.match(r"\w+:", picture["src"]):
            there = (path.parent / unquote(picture["src"])).resolve()
            picture["src"] = quote(os.path.relpath(there, FOLDER))
        picture.attrs.pop("loading", None)
    for mark in article.select("span[id]:empty"):  # a place of no size, which is not printed
        there = mark.find_next_sibling()
        if there and not there.get("id"):
            there["id"] = mark["id"]
            mark.decompose()
    for section in article.select("section[id]"):  # it may begin a page before its heading
        heading = section.find(re.compile("^h[1-6]$"), recursive=False)
        if heading and not heading.get("id"):
            heading["id"] = section.attrs.pop("id")
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
            exercise = article.find(id=solution.select_one(".admonition-title a")["href"][1:])
            solution["class"] = [each for each in solution["class"] if each != "dropdown"]
            solutions.body.append(solution.extract())
            way = BeautifulSoup(
                f'<p class="to-solution"><a href="#{solution["id"]}">Solution</a></p>',
                "html.parser",
            )
            exercise.append(way.p)
        for section in article.select("article > section > section"):
            if section.h2:
                chapter.sections.append((plain(section.h2), section.h2["id"]))
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
        git = ["git", "-C", str(book.ROOT), "log", "-1"]
        git += ["--format=%h of %cd", "--date=format:%-d %B %Y"]
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
        '<section class="contents"><div class="title">Contents</div>'
        '<p class="folded">before a result names the code behind it, which the pages on a screen '
        "unfold. Solutions are at the end.</p>"
        f"<ul>{''.join(rows)}</ul></section>"
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
        if "window.MathJax =" in str(kept):  # the copy for screen readers never comes into the file
            head.append(
                "<script>MathJax.options.menuOptions = {settings: {assistiveMml: false}};</script>"
            )
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
