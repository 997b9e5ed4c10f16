"""Print the book: python tools/pdf.py makes _build/pdf/cfisac.pdf of the built pages.

tools/one_page.py merges them, a Chromium prints the result. It knows no page numbers while it lays
out the contents: they are printed by themselves and laid over.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # Ctrl-C while the rest is imported: the end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from one_page import FOLDER, MERGED, Chapter, chapters, merge

import book

PRINTED = FOLDER / "cfisac.pdf"
SCALE = 0.75  # of the sizes that the pages have on a screen
COLUMN = round((210 - 2 * 18) / 25.4 * 96 / SCALE)  # px: A4 less the margins of custom.css
HIGH = round((297 - 18 - 20) / 25.4 * 96 / SCALE)  # px: the same of a page's height
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
NO_CHROMIUM = "no Chromium found (Debian: apt-get install chromium; else: CHROMIUM=/path/to/chrome)"


def chromium() -> str | None:
    """The browser that the tests use, too."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


# -------------------------------------------------------------------------------------- printing

DRAWN = """() => MathJax.startup.promise.then(() => document.fonts.ready).then(() =>
  [...document.images].every(n => n.complete)
  && [...document.querySelectorAll('figure.interactive > div')]
    .every(n => n.querySelector('svg.main-svg')))"""

# What is too wide for the paper becomes smaller (printed text that would be unreadable is broken),
# and what is short stays on one page: boxes, tables, lists, code with its output, and paragraphs of
# three lines, of which Chromium keeps two before a break and leaves one alone after it. Then what
# still is too wide, and what is missing.
FIT = """() => {
  const boxes = [...document.querySelectorAll(
      'article table, article mjx-container[display="true"], article pre')]
    .filter(n => !n.closest('figure.interactive'));
  const wide = n => n.parentElement.clientWidth && n.scrollWidth > n.parentElement.clientWidth + 1;
  boxes.filter(wide).forEach(n => {
    const zoom = Math.floor(1000 * n.parentElement.clientWidth / n.scrollWidth) / 1000;
    if (n.tagName === 'PRE' && zoom < 0.6) n.style.whiteSpace = 'pre-wrap';
    else n.style.zoom = zoom;
  });
  const high = (n, share) => n.getBoundingClientRect().height > share * HIGH;
  const all = names => [...document.querySelectorAll(`article :is(${names})`)];
  const line = n => parseFloat(getComputedStyle(n).lineHeight);
  const whole = [
    ...all('.admonition, table').filter(n => !high(n, 0.33)),
    ...all('.cell').filter(n => !high(n, 0.25)),
    ...all('ul, ol').filter(n => !high(n, 0.2)),
    ...all('p').filter(n => n.clientHeight < 3.9 * line(n))];
  whole.forEach(n => { n.style.breakInside = 'avoid'; });
  const edge = document.querySelector('article').getBoundingClientRect().right + 2;
  const where = n => n.closest('article').id;
  const bare = n => !n.querySelector('mjx-container');
  return [
    ...boxes.filter(n => n.getBoundingClientRect().right > edge)
      .map(n => `${where(n)}: ${n.tagName} is cut off: ${n.textContent.trim().slice(0, 40)}`),
    ...[...document.querySelectorAll('article img')].filter(n => !n.naturalWidth)
      .map(n => `${where(n)}: ${n.src} is not there`),
    ...[...document.querySelectorAll('article .math')].filter(bare)
      .map(n => `${where(n)}: no formula: ${n.textContent.slice(0, 40)}`)];
}""".replace("HIGH", str(HIGH))

# A figure that leaves a fifth of a page empty becomes up to 30 % smaller, if it then fits there:
# columns of the size of a page break where pages do.
FILL = """() => document.querySelectorAll('.printed-chapter:has(figure)').forEach(chapter => {
  const kept = chapter.style.cssText;
  chapter.style.cssText += `; width: WIDEpx; height: HIGHpx; columns: WIDEpx; column-gap: 50px;
    column-fill: auto`;
  const origin = chapter.getBoundingClientRect();
  const page = box => Math.floor((box.left - origin.left + 5) / (WIDE + 50));
  chapter.querySelectorAll('figure').forEach(figure => {
    let block = figure;
    while (!block.previousElementSibling && block !== chapter) block = block.parentElement;
    const last = [...(block.previousElementSibling?.getClientRects() ?? [])].pop();
    const drawing = figure.querySelector('img, div[role="img"]');
    const box = figure.getBoundingClientRect();
    if (!last || !drawing || page(box) === page(last)) return;
    const left = HIGH - (last.bottom - origin.top), drawn = drawing.getBoundingClientRect().height;
    const share = Math.min((left - (box.height - drawn) - 60) / drawn, 0.98);  // 60: margins
    if (left < HIGH / 5 || share < 0.7) return;
    drawing.style.zoom = share;
    if (page(figure.getBoundingClientRect()) !== page(last)) drawing.style.zoom = '';
  });
  chapter.style.cssText = kept;
})""".replace("HIGH", str(HIGH)).replace("WIDE", str(COLUMN))

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


def write() -> int:
    """Print, and add outline and page numbers; how many problems there were."""
    from pypdf import PdfReader

    start = time.perf_counter()
    found = chapters()
    merge(found)
    body, contents = FOLDER / "body.pdf", FOLDER / "contents.pdf"
    settings = {"prefer_css_page_size": True, "print_background": True, "scale": SCALE}
    with opened() as tab:
        problems = tab.evaluate(FIT)
        tab.evaluate(FILL)
        tab.pdf(path=body, tagged=True, **settings)
        numbers = page_numbers(PdfReader(body))
        tab.evaluate(FOLIOS, numbers)
        tab.pdf(path=contents, tagged=False, **settings | {"print_background": False})
    count = finish(found, numbers, body, contents)
    body.unlink()
    contents.unlink()
    size, took = PRINTED.stat().st_size / 1e6, time.perf_counter() - start
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"Printed {count} pages ({size:.0f} MB) in {took:.0f} s. Open {PRINTED.as_uri()}")
    return len(problems)


def page_numbers(reader) -> dict[str, int]:
    """Page of each place that a link leads to, counted from one."""
    pages = {each.indirect_reference.idnum: n for n, each in enumerate(reader.pages, 1)}
    return {
        name.removeprefix("/"): pages[place.raw_get("/Page").idnum]
        for name, place in reader.named_destinations.items()
    }


def finish(found: list[Chapter], numbers: dict[str, int], body: Path, contents: Path) -> int:
    """Lay the page numbers over the contents, add the outline, write the file; its pages."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import Fit

    config = yaml.safe_load((book.ROOT / "_config.yml").read_text())
    writer = PdfWriter(body, incremental=True)  # what stays as it is is copied as it is
    for target, folios in zip(writer.pages, PdfReader(contents).pages, strict=False):
        target.merge_page(folios)
    places = writer.named_destinations
    parts: dict[str, object] = {}

    def item(title: str, where: str, parent=None):
        place = places["/" + where]
        return writer.add_outline_item(
            title=title,
            page_number=numbers[where] - 1,
            parent=parent,
            fit=Fit.xyz(left=0, top=place["/Top"]),
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
    writer.metadata = {"/Title": config["title"], "/Author": config["author"]}  # no date of today
    writer.page_mode = "/UseOutlines"
    writer.write(PRINTED)
    return len(writer.pages)


def older() -> str:
    """The source that has been edited last, if the built pages are older."""
    sources = [*book.BOOK.rglob("*.*"), *book.ROOT.glob("_*.yml")]
    last = max(sources, key=lambda path: path.stat().st_mtime)
    built = (book.HTML / "intro.html").stat().st_mtime
    return last.relative_to(book.ROOT).as_posix() if last.stat().st_mtime > built else ""


def main() -> int:
    """Print what has been built; the exit code."""
    book.heed_signals()
    if chromium() is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 1
    if not (book.HTML / "intro.html").exists():
        print("There are no pages to print: make book", file=sys.stderr)
        return 1
    if source := older():
        print(f"The pages are older than {source}: make book builds them anew.")
    return bool(write())


if __name__ == "__main__":
    sys.exit(main())
