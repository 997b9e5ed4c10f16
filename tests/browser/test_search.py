"""The search of the built pages finds what a reader types."""

import pytest

ASKED = """asked => Search._performSearch(...Search._parseQuery(asked)).reverse()
  .map(([page, title, place, , score]) =>
    [title.replace(/<[^>]*>/g, ''), page + '.html' + place, Math.ceil(score)])"""


@pytest.fixture(scope="module")
def answers(reader, server, html):
    """A function from what is asked to title, address and score of the answers, best first."""
    if not (html / "searchindex.js").exists():
        pytest.skip("the book is not built")
    page = reader.new_page()
    page.goto(f"{server}search.html")
    page.wait_for_function("typeof Search !== 'undefined' && Search.hasIndex()", timeout=30_000)
    yield lambda asked: page.evaluate(ASKED, asked)
    page.close()


def test_what_is_asked_for_is_shown(reader, server, html):
    if not (html / "searchindex.js").exists():
        pytest.skip("the book is not built")
    page = reader.new_page()
    page.goto(f"{server}search.html?q=liu+15")
    page.wait_for_selector("ul.search li .context", timeout=30_000)
    first = page.locator("ul.search li").first
    assert first.locator("a").get_attribute("href") == "ledger/rows.html#liu-15"
    assert "(15)" in first.inner_text()  # the row itself
    page.close()


@pytest.mark.parametrize("asked", ["Cramer-Rao", "GDOP", "planar array", "CRB", "Ziv-Zakai", "PEB"])
def test_the_search_leads_to_the_glossary(answers, asked):
    assert any(place.startswith("glossary") for _, place, _ in answers(asked))


@pytest.mark.parametrize(
    ("asked", "row"),
    [("liu 15", "liu-15"), ("Liu (15)", "liu-15"), ("fan journal 43", "fan_journal-43")]
    + [("zhang fig 2", "zhang-fig2"), ("Zhang Theorem 1", "zhang-theorem1")],
)
def test_the_search_leads_to_the_row_that_judges_an_equation(answers, asked, row):
    assert answers(asked)[0][1] == f"ledger/rows.html#{row}"


def test_equally_good_answers_come_in_the_order_of_the_book(answers):
    found = answers("beam")
    numbered = [
        (score, int(title.split(".")[0])) for title, _, score in found if title[0].isdigit()
    ]
    assert len({number for _, number in numbered}) > 10
    assert numbered == sorted(numbered, key=lambda each: (-each[0], each[1]))
