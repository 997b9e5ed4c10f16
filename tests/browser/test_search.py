"""The search of the built pages finds what a reader types."""

import pytest


@pytest.mark.parametrize("asked", ["Cramer-Rao", "GDOP", "planar array", "CRB", "Ziv-Zakai", "PEB"])
def test_the_search_leads_to_the_glossary(chromium, server, html, asked):
    if not (html / "searchindex.js").exists():
        pytest.skip("the book is not built")
    page = chromium.new_page()
    page.goto(f"{server}search.html?q={asked.replace(' ', '+')}")
    page.wait_for_selector("ul.search li a", timeout=30_000)
    page.wait_for_function(
        "[...document.querySelectorAll('ul.search li a')].some(n => n.href.includes('glossary'))",
        timeout=30_000,
    )
    page.close()
