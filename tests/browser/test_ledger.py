"""The tables of the ledger as a reader uses them: look up, filter, link, print."""

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.xdist_group("ledger")

READY = "!!(window.MathJax && MathJax.startup && MathJax.startup.promise)"
SHOWN = "[...document.querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => r.id)"


@pytest.fixture
def page(chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    page.close()
    assert not page.errors


def opened(page, address):
    page.goto(address, wait_until="load")
    page.wait_for_function(READY)
    return page


def test_a_link_to_a_row_opens_it_with_both_formulas(page, server):
    opened(page, f"{server}ledger/rows.html#liu-15")
    row = page.locator("#liu-15")
    expect(row.locator("mjx-container")).to_have_count(2)
    expect(row.locator("details")).to_have_attribute("open", "")
    expect(row).to_be_in_viewport()
    assert row.locator(".ledger-caption").all_inner_texts() == ["as printed", "repaired"]
    bar = page.locator(".ledger-filter").bounding_box()
    assert row.bounding_box()["y"] >= bar["y"] + bar["height"] - 1  # not under the fields


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("liu 15", ["liu-15"]),
        ("Liu (15)", ["liu-15"]),
        ("zhang figure 2", ["zhang-fig2"]),
        ("fan_conf 10", ["fan_conf-10", "fan_conf-headline10"]),
        ("fan_conf equation 10", ["fan_conf-10"]),
        ("no such word anywhere", []),
    ],
)
def test_a_row_is_found_by_what_one_would_call_it(page, server, text, first):
    opened(page, f"{server}ledger/rows.html")
    page.get_by_label("Find").fill(text)
    assert page.evaluate(SHOWN) == first
    assert page.get_by_role("status").inner_text().startswith(f"{len(first)} of ")


def test_filters_are_reached_by_the_keyboard_and_work_together(page, server):
    opened(page, f"{server}ledger/rows.html")
    form = page.get_by_role("search", name="Filter the rows")
    form.get_by_label("Find").focus()
    for label in ("Source", "Verdict", "Chapter"):
        page.keyboard.press("Tab")
        expect(form.get_by_label(label)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show all")).to_be_focused()
    every = page.evaluate(SHOWN)
    form.get_by_label("Source").select_option("Liu et al.")
    form.get_by_label("Verdict").select_option("corrected")
    form.get_by_label("Chapter").select_option("From places to delays")
    assert page.evaluate(SHOWN) == ["liu-13", "liu-15"]
    address = page.url
    page.get_by_role("button", name="Show all").press("Enter")
    page.wait_for_function(f"({SHOWN}).length == {len(every)}")
    opened(page, address)  # what was chosen can be linked
    assert page.evaluate(SHOWN) == ["liu-13", "liu-15"]


def test_a_link_from_a_note_shows_a_row_that_the_filters_hide(page, server):
    opened(page, f"{server}ledger/rows.html?text=zhang+46")
    assert page.evaluate(SHOWN) == ["zhang-46"]
    page.locator("#zhang-46 .ledger-note a").first.click()
    page.wait_for_function("!document.getElementById('zhang-45').hidden")
    expect(page.locator("#zhang-45")).to_be_in_viewport()


@pytest.mark.parametrize("name", ["rows", "errata"])
def test_all_is_typeset_for_print_and_fits_a_phone(page, server, name):
    opened(page, f"{server}ledger/{name}.html")
    page.wait_for_function("MathJax.startup.promise.then(() => true)")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".ledger-formula > code").count() == 0
    assert page.locator(".ledger-formula mjx-container").count() > 50
    assert page.locator("mjx-merror").count() == 0
    assert page.locator(".ledger-rows details:not([open])").count() == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
