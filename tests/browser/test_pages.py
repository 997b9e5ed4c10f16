"""The built pages in a real browser, with every outside host unreachable."""

import re

import pytest


def test_loads_without_an_error_or_an_outside_request(visit, page_name):
    seen = visit(page_name)
    assert not seen.outside
    assert not seen.failures
    assert not seen.messages


def test_maths_is_typeset(visit, page_name):
    content = visit(page_name).content
    assert not content["bare"]
    assert not content["broken"]
    assert not content["raw"]


def test_figures_have_alt_text_and_are_drawn(visit, page_name):
    seen = visit(page_name)
    assert not seen.content["mute"]
    assert not seen.content["undrawn"]
    assert not seen.figures


def test_a_phone_does_not_scroll_sideways(visit, page_name):
    assert not visit(page_name).wide


def test_a_plot_leaves_no_blank_on_a_phone(visit, page_name):
    assert not visit(page_name).blank


@pytest.mark.parametrize("kind", ["maths", "interactive"])
def test_works_from_a_file(reader, html, look, kind):
    """Opened by double click: the same page over file://."""
    mark = {"maths": 'class="math', "interactive": 'class="interactive"'}[kind]
    pages = [path for path in sorted(html.rglob("*.html")) if mark in path.read_text()]
    if not pages:
        pytest.skip(f"the book has no page with {kind}")
    seen = look(reader, pages[-1].as_uri())
    assert not seen.outside
    # Icons are drawn by a script; a browser refuses to preload their fonts from a file, harmlessly.
    harmless = re.compile(r"\.woff2|Failed to load resource")
    assert not [text for text in seen.failures + seen.messages if not harmless.search(text)]
    assert not seen.content["bare"] + seen.content["broken"] + seen.content["undrawn"]
