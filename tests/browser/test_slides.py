"""The slides in a real browser: one file that asks for nothing, and fits its screen and paper."""

import re
import shutil

import pytest
import yaml

BROKEN = "document.querySelectorAll('mjx-merror, [data-mjx-error]').length"
READY = "window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => true)"
AT = "document.querySelector('.slide.now').id"
TOO_LARGE = """() => slides.flatMap((slide, number) => {
  show(number);
  const inner = slide.firstElementChild, box = slide.getBoundingClientRect();
  const out = [...inner.querySelectorAll('p, li, img, figcaption, mjx-container')]
    .map(n => n.getBoundingClientRect())
    .filter(r => r.bottom > box.bottom || r.right > box.right + 1);
  const over = inner.scrollHeight > inner.clientHeight + 1 || out.length;
  return over ? [inner.innerText.slice(0, 40)] : [];
})"""


@pytest.fixture(scope="module")
def alone(html, tmp_path_factory):
    """The page by itself, as it would be carried around."""
    if not (html / "slides.html").exists():
        pytest.skip("the book is not built")
    return shutil.copy(html / "slides.html", tmp_path_factory.mktemp("stick") / "slides.html")


@pytest.fixture
def page(chromium, alone):
    asked, said = [], []
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(alone.as_uri() + "#lecture-2", wait_until="load")
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_selector("body.show", state="attached")
    yield page
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [alone.as_uri()]
    assert not said


def test_keys_turn_the_slides(page):
    assert page.evaluate(AT) == "lecture-2"
    first = page.evaluate("at")
    for key, moved in (
        ("ArrowRight", 1),
        ("PageDown", 2),
        (" ", 3),
        ("ArrowLeft", 2),
        ("PageUp", 1),
    ):
        page.keyboard.press(key)
        assert page.evaluate("at") - first == moved
    page.keyboard.press("4")
    assert page.evaluate(AT) == "lecture-4"
    page.keyboard.press("Escape")
    assert not page.locator("body.show").count()
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(AT) == "lecture-4"


def test_every_slide_fits_and_every_formula_and_figure_is_drawn(page, html):
    plan = yaml.safe_load((html.parents[1] / "book" / "slides.yml").read_text())
    assert page.evaluate("slides.length") == sum(len(each["slides"]) + 3 for each in plan)
    assert page.evaluate(BROKEN) == 0
    bare = "[...document.querySelectorAll('.math')].filter(n => !n.querySelector('mjx-container'))"
    assert page.evaluate(f"{bare}.length") == 0
    blank = "[...document.images].filter(n => !n.complete || !n.naturalWidth || !n.alt.trim())"
    assert page.evaluate(f"{blank}.length") == 0
    assert page.evaluate(TOO_LARGE) == []
    small = (
        "slides.filter(s => parseFloat(s.firstElementChild.style.getPropertyValue('--fit')) < 0.6)"
    )
    assert page.evaluate(f"{small}.map(s => s.innerText.slice(0, 40))") == []


def test_printed_each_slide_has_its_page(page):
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    count = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert count == page.evaluate("slides.length")
