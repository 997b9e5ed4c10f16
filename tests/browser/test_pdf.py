"""The book on paper: printed once from the built pages by tools/pdf.py, then read."""

import functools
import inspect
import re
import subprocess
import sys
import unicodedata

import pytest
from bs4 import BeautifulSoup

import cfisac

RAW = re.compile(r"\\[()\[\]]|\\(frac|mathbf|boldsymbol|begin|eqref|operatorname|mathsf)|\$\$")
ON_SCREEN = ("Show the code", "Hide the code", "Copy to clipboard", "Click to show")
ON_SCREEN += ("Cite this chapter", "More of the reason")


@pytest.fixture(scope="session")
def printed(html, printer):
    """The file, read by pypdf."""
    pypdf = pytest.importorskip("pypdf")
    if not (html / "intro.html").exists():
        pytest.skip("the book has not been built")
    if printer.chromium() is None:
        pytest.skip(printer.NO_CHROMIUM)
    command = [sys.executable, printer.__file__]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return pypdf.PdfReader(printer.PRINTED)


@pytest.fixture(scope="session")
def one_page():
    """What makes the page that is printed."""
    return sys.modules["one_page"]


@pytest.fixture(scope="session")
def texts(printed, printer):
    """Each page as text by PDFium, which takes seconds, not a minute; ligatures as letters."""
    pdfium = pytest.importorskip("pypdfium2")
    with pdfium.PdfDocument(printer.PRINTED) as document:
        found = [page.get_textpage().get_text_bounded() for page in document]
    assert len(found) == len(printed.pages)
    return [unicodedata.normalize("NFKC", text.replace("\r\n", "\n")) for text in found]


@pytest.fixture(scope="session")
def merged(printed, printer):
    return BeautifulSoup(printer.MERGED.read_text(), "html.parser")


@pytest.fixture(scope="session")
def places(printed):
    """Title and page (from one) of each entry of the outline, and how deep it is."""

    def walk(entries, depth):
        for entry in entries:
            if isinstance(entry, list):
                yield from walk(entry, depth + 1)
            else:
                yield entry.title, printed.get_destination_page_number(entry) + 1, depth

    return list(walk(printed.outline, 0))


@pytest.fixture(scope="session")
def figures(printed):
    """Alternative text of each figure of the tagged file, and the object that is its page."""

    def kids(node):
        found = node.get("/K", [])
        found = [kid.get_object() for kid in (found if isinstance(found, list) else [found])]
        return [kid for kid in found if hasattr(kid, "raw_get")]

    def page_of(node):
        if "/Pg" in node:
            return node.raw_get("/Pg").idnum
        return next(filter(None, map(page_of, kids(node))), None)

    def walk():
        todo = [printed.trailer["/Root"]["/StructTreeRoot"]]
        while todo:
            node = todo.pop()
            if "/Alt" in node:
                yield " ".join(node["/Alt"].split()), page_of(node)
            todo += kids(node)

    return list(walk())


def squeezed(text):
    """Letters and digits: what is left when a line is broken or a letter drawn apart."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text))


def check_every_page_is_a4_and_numbered_below(printed, texts):
    sizes = {tuple(round(float(side)) for side in page.mediabox[2:]) for page in printed.pages}
    assert sizes == {(595, 842)}
    assert not re.search(r"^1$", texts[0], re.M)
    assert not [n for n, text in enumerate(texts[1:], 2) if not re.search(rf"^{n}$", text, re.M)]


def check_the_first_page_says_what_it_is(printed, texts, merged):
    first = " ".join(texts[0].split())
    assert [
        p.get_text() for p in merged.select(".title-page p") if cfisac.__version__ in p.get_text()
    ]
    assert all(" ".join(p.get_text(" ").split()) in first for p in merged.select(".title-page p"))
    assert printed.metadata.title in first
    assert printed.metadata.author in first


def check_no_page_is_blank(printed, texts, places, figures):
    heads = {squeezed(title) for title, _, _ in places}
    drawn = {page for _, page in figures}
    bare = []
    for number, (page, text) in enumerate(zip(printed.pages, texts, strict=True), 1):
        lines = [squeezed(line) for line in text.splitlines()]
        said = "".join(line for line in lines if line not in heads and line != str(number))
        if len(said) < 40 and page.indirect_reference.idnum not in drawn:
            bare.append(number)
    assert not bare


def check_the_outline_has_every_chapter_and_section_where_its_heading_is(
    one_page, merged, places, texts
):
    expected = [link.get_text() for link in merged.select(".contents li a")]
    assert len(expected) > len(one_page.listed())
    parts = {part for part, _ in one_page.listed()}
    found = [title for title, _, _ in places if title not in parts]
    assert found == [title for title in expected if title not in parts]
    assert not [
        (title, page)
        for title, page, _ in places
        if title not in parts and squeezed(title) not in squeezed(texts[page - 1])
    ]
    assert [page for _, page, _ in places] == sorted(page for _, page, _ in places)


def check_the_contents_name_the_page_of_each_entry(places, texts, one_page):
    parts = {part for part, _ in one_page.listed()}
    pages = [str(page) for title, page, _ in places if title not in parts]
    start = min(page for _, page, _ in places)
    listed = [line for text in texts[1 : start - 1] for line in text.splitlines()]
    numbers = [line for line in listed if re.fullmatch(r"\d+", line)]
    assert re.search(r"\b" + r"\b.*?\b".join(pages) + r"\b", " ".join(numbers))


def check_every_link_leads_to_a_place_in_the_book_or_to_the_web(printed):
    known, lost = set(printed.named_destinations), []
    for number, page in enumerate(printed.pages, 1):
        for each in page.get("/Annots") or []:
            link = each.get_object()
            action = link.get("/A", {})
            target = link.get("/Dest") or action.get("/D") or action.get("/URI")
            web = isinstance(target, str) and re.match(r"https?://(?!127\.|localhost)", target)
            if target not in known and not web:
                lost.append((number, target))
    assert not lost


def check_every_figure_is_there_with_its_description(figures, merged):
    shown = [picture["alt"] for picture in merged.select("article img")]
    shown += [plot["aria-label"] for plot in merged.select("figure.interactive > div")]
    assert len(shown) > 50
    described = {alt for alt, _ in figures}
    assert not [alt for alt in shown if " ".join(alt.split()) not in described]


def check_formulas_are_typeset(texts, merged):
    code = squeezed("".join(tag.get_text() for tag in merged.select("article :is(pre, code)")))
    raw = [
        (number, text[max(found.start() - 30, 0) : found.end() + 30])
        for number, text in enumerate(texts, 1)
        for found in RAW.finditer(text)
    ]
    assert not [(n, text) for n, text in raw if squeezed(text) not in code]


def check_what_needs_a_screen_stays_behind(texts):
    assert not [(n, w) for n, text in enumerate(texts, 1) for w in ON_SCREEN if w in text]


def check_what_folded_code_proves_is_said(html, texts):
    page = BeautifulSoup((html / "limits/angle_gain.html").read_text(), "html.parser")
    folds = [tag.get_text(strip=True) for tag in page.select("details.above-input .collapsed")]
    proofs = [squeezed(line) for line in folds if line.startswith(("SymPy", "Brute force"))]
    said = squeezed(" ".join(texts))
    assert len(proofs) > 3
    assert not [line for line in proofs if line not in said]


def check_pictures_of_the_ledger_are_defined(merged):
    drawn = merged.select("article use[href]")
    assert len(drawn) > 100
    assert {tag["href"][1:] for tag in drawn} <= {tag["id"] for tag in merged.select("symbol[id]")}


def check_solutions_stand_at_the_end_and_exercises_before(places, texts, merged):
    start = next(page for title, page, _ in places if title == "Solutions")
    count = functools.partial(lambda word, some: len(re.findall(word, " ".join(some))))
    number = len(merged.select("div.exercise"))
    assert number == len(merged.select("div.solution")) > 50
    assert count(r"Solution\s+to\s+Exercise", texts[start - 1 :]) == number
    assert count(r"Solution\s+to\s+Exercise", texts[: start - 1]) == 0


def test_the_printed_book(request):
    """All checks in one test: two workers would print it twice, into the same file."""
    checks = [each for name, each in globals().items() if name.startswith("check_")]
    assert len(checks) >= 10
    for check in checks:
        names = inspect.signature(check).parameters
        check(**{name: request.getfixturevalue(name) for name in names})
