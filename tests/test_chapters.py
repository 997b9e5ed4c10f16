"""Every chapter has the shape that readers were promised, whatever it is about."""

import re
from pathlib import Path

import jupytext
import pytest

BOOK = Path(__file__).resolve().parents[1] / "book"
PARTS = ("foundations", "limits", "estimators", "designs")
CHAPTERS = [path for part in PARTS for path in sorted((BOOK / part).glob("*.md"))]
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
MOST_CODE = 120  # lines that a reader sees without asking
EARLY = 1 / 5  # of the words, before the first figure


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text()


def cells(text):
    return jupytext.reads(text, fmt="md:myst").cells


def words(text):
    """How many words of prose there are in Markdown."""
    text = re.sub(r"\$\$.*?\$\$|```\{math\}.*?```", "", text, flags=re.S)
    text = re.sub(r"^(:\w|[`:]{3,}).*$", "", text, flags=re.M)
    return len(re.findall(r"[A-Za-z][\w’'-]+", re.sub(r"\$[^$]*\$", "x", text)))


def test_it_opens_with_what_it_teaches_and_closes_with_five_lines(text):
    assert re.search(r"^# .+\n\n```\{opening\}\n:level: [123]\n", text, flags=re.M)
    _, _, end = text.partition("\n## In five lines\n")
    lines = re.findall(r"^(?:\d\.|[-*]) ", end.partition("\n## ")[0], flags=re.M)
    assert len(lines) == 5


def test_it_has_three_to_five_exercises_with_stars_and_minutes(text):
    found = re.findall(r"^`{3,}\{exercise(?:-start)?\}(.*)$", text, flags=re.M)
    assert 3 <= len(found) <= 5
    assert all(re.search(r"★+.*\d+ min", title) for title in found)
    levels = {title.count("★") for title in found}
    assert 1 in levels
    assert max(levels) > 1
    assert len(re.findall(r"^`{3,}\{solution-start\}", text, flags=re.M)) == len(found)


def test_it_shows_no_more_code_than_one_reads(text):
    seen = [
        cell.source
        for cell in cells(text)
        if cell.cell_type == "code" and not FOLDED & set(cell.metadata.get("tags", []))
    ]
    assert sum(bool(line.strip()) for line in "\n".join(seen).splitlines()) <= MOST_CODE


def test_a_figure_comes_early(text):
    before = 0
    for cell in cells(text):
        if cell.cell_type == "markdown":
            drawn = re.search(r"^```\{(figure|image)\}", cell.source, flags=re.M)
            before += words(cell.source[: drawn.start()] if drawn else cell.source)
            if drawn:
                break
        elif "image" in cell.metadata.get("mystnb", {}) or "Interactive(" in cell.source:
            break
    else:
        pytest.fail("no figure")
    assert before <= EARLY * sum(words(c.source) for c in cells(text) if c.cell_type == "markdown")
