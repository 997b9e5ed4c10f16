"""Links and anchors of the built pages, without a browser."""

import functools
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urldefrag

from bs4 import BeautifulSoup


@functools.cache
def soup(path):
    return BeautifulSoup(path.read_text(), "html.parser")


@functools.cache
def anchors(path):
    """Read without a parser, which takes seconds for a long page."""
    found = re.findall(r"""<[^<>]*?\sid=["']([^"']+)["']""", path.read_text())
    return {unescape(each) for each in found} | {"", "top"}


def test_every_link_leads_somewhere(html, page_name):
    page, lost = html / page_name, []
    for tag in soup(page).find_all("a", href=True):
        address, anchor = urldefrag(tag["href"])
        if ":" in address or address.startswith("//"):
            continue  # another site
        address = address.partition("?")[0]  # what follows is for a page's filters
        target = (page.parent / unquote(address)).resolve() if address else page
        if target.is_dir():
            target /= "index.html"
        found = target.exists() and (target.suffix != ".html" or unquote(anchor) in anchors(target))
        if not found:
            lost.append(tag["href"])
    assert not lost


def test_the_page_names_its_language_and_title(html, page_name):
    page = soup(html / page_name)
    assert page.html["lang"].startswith("en")
    assert page.title.text.strip()


def test_the_book_says_nothing_of_the_folder_it_was_built_in(html, page_name):
    """Neither a page nor the notebook it offers: a default or a message may show a path."""
    offered = html / "_sources" / Path(page_name).with_suffix(".ipynb")
    shown = [html / page_name, *([offered] if offered.exists() else [])]
    assert not [path.name for path in shown if str(html.parents[1]) in path.read_text()]


def test_the_index_leads_to_the_first_page(html):
    assert "url=intro.html" in (html / "index.html").read_text()
    assert (html / "intro.html").exists()


def test_the_whole_book_is_no_more_than_40_megabytes(html):
    assert sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) < 40e6


def test_every_chapter_can_be_downloaded_and_launched(html, page_name):
    """The notebook offered installs the package and has outputs; Colab gets one, not Markdown."""
    page = soup(html / page_name)
    download = page.select_one("a.btn-download-notebook-button")
    if download is None:
        return  # a page without code
    notebook = json.loads((html / page_name).parent.joinpath(unquote(download["href"])).read_text())
    setup, *code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert "import cfisac" in "".join(setup["source"])
    assert code
    assert all(cell["execution_count"] for cell in code)
    launch = [a["href"] for a in page.select("a[href*='colab.research']")]
    stored = f"tests/notebooks/{page_name.removesuffix('.html')}.ipynb"
    assert launch
    assert all(address.endswith(stored) for address in launch)
    assert (html.parents[1] / stored).exists()
