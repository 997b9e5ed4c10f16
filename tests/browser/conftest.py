"""Each built page visited once, with every outside host unreachable.

Each worker has one Chromium and one server, and all that is asked of one page goes to one worker.
"""

import functools
import hashlib
import http.server
import importlib.util
import io
import sys
import tarfile
import threading
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"


def tool(name):
    """A program of tools/; what it imports from there is found."""
    folder = HTML.parents[1] / "tools"
    spec = importlib.util.spec_from_file_location(f"tool_{name}", folder / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


PRINTER = tool("pdf")


def built_pages():
    """Every page by its address from the top; index.html only redirects to the first one."""
    pages = [path.relative_to(HTML).as_posix() for path in sorted(HTML.rglob("*.html"))]
    return [page for page in pages if not page.startswith("_static") and page != "index.html"]


def pytest_collection_modifyitems(items):
    """The book is printed first: it takes longer than anything else, and one worker."""
    items.sort(key=lambda item: item.path.name != "test_pdf.py")


def pytest_generate_tests(metafunc):
    if "page_name" in metafunc.fixturenames:
        together = pytest.mark.xdist_group
        pages = [pytest.param(page, marks=together(page)) for page in built_pages()]
        metafunc.parametrize("page_name", pages)


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    found = PRINTER.chromium()
    if found is None:
        pytest.skip(PRINTER.NO_CHROMIUM)
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=found, args=list(PRINTER.ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reader(chromium):
    """Who reads one page after another, as a reader does: scripts are kept, compiled."""
    context = chromium.new_context(color_scheme="light")
    yield context
    context.close()


@pytest.fixture(scope="session")
def server():
    """The built book on a free port of 127.0.0.1."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Stay quiet."""

    handler = functools.partial(Handler, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


READ = """() => {
  const article = document.querySelector('article.bd-article') || document.body;
  const clone = article.cloneNode(true);
  clone.querySelectorAll('script, style, pre, code, mjx-container').forEach(n => n.remove());
  const text = clone.textContent;
  return {
    bare: [...document.querySelectorAll('.math')]
      .filter(n => !n.querySelector('mjx-container')).map(n => n.textContent.slice(0, 60)),
    broken: [...document.querySelectorAll('mjx-merror, mjx-container [data-mjx-error]')]
      .map(n => n.getAttribute('data-mjx-error') || n.textContent),
    raw: [/\\\\[()\\[\\]]/g, /\\$[^$\\n]*[\\\\^_{}][^$\\n]*\\$/g, /\\\\(frac|mathbf|begin|eqref)/g]
      .flatMap(pattern => text.match(pattern) || []),
    mute: [...article.querySelectorAll('img')]
      .filter(n => !(n.getAttribute('alt') || '').trim()).map(n => n.src),
    undrawn: [...document.querySelectorAll('figure.interactive > div')]
      .filter(n => !n.querySelector('svg.main-svg')).map(n => n.id),
    figures: [...document.querySelectorAll('figure.interactive > div')].map(n => n.id),
  };
}"""

WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const page = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  if (page <= width) { return []; }
  const boxed = n => ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(n).overflowX);
  const scrolls = n => n && n !== document.body && (boxed(n) || scrolls(n.parentElement));
  return [`the page is ${page} px wide`].concat(
    [...document.querySelectorAll('main *')]
      .filter(n => n.getBoundingClientRect().right > width + 1 && !scrolls(n.parentElement))
      .slice(0, 5).map(n => `${n.tagName}.${n.className}: ${n.textContent.trim().slice(0, 40)}`));
}"""

BLANK = """() => [...document.querySelectorAll('figure.interactive > div')].flatMap(node => {
  const {xaxis: x, yaxis: y, _size: room} = node._fullLayout;
  if (!y || !y.scaleanchor) { return []; }
  const tall = room.w * (y.range[1] - y.range[0]) / (x.range[1] - x.range[0]);
  return room.h > tall + 2 ? [`${node.id}: ${Math.round(room.h - tall)} px above the plot`] : [];
})"""

READY = """() => (!document.querySelector('.math') || (window.MathJax && MathJax.startup
  && MathJax.startup.promise && MathJax.startup.promise.then(() => true)))"""


VERSION = "4.10.2"
ARCHIVE = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
SHA256 = "b511cd9dec01c76f4b2ad1723b66b6db37d4c2eb4ed199076e1829d9ee7b75e3"  # of axe.min.js
FOUND = """only => axe.run(document, {preload: false, resultTypes: ['violations'], ...only}).then(
  result => result.violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => `${found.id}: ` + found.nodes.slice(0, 3)
      .map(node => node.html.slice(0, 150)).join(' ... ') + ` (${found.nodes.length})`))"""
# Of words of code, of rows of a table and of entries of a menu, one of each look. Of formulas, one
# whole; of the others of each look, one with a letter in it.
THIN = """() => {
  const one = (what, look) => {
    const known = new Set();
    return [...document.querySelectorAll(what)].filter(n => known.size === known.add(look(n)).size);
  };
  const colour = n => getComputedStyle(n).color;
  const inside = n => [...new Set([...n.querySelectorAll('*')].map(m => m.tagName + m.className))];
  const classes = n => n ? classes(n.parentElement) + ' ' + n.className : '';
  document.querySelectorAll('wbr').forEach(n => n.remove());
  const plain = (n, text) => n.replaceWith(text);
  one('mjx-container', n => classes(n.parentElement) + colour(n)).forEach(n => plain(n, 'x'));
  [...document.querySelectorAll('mjx-container')].slice(1).forEach(n => n.replaceChildren('x'));
  one('.highlight pre span', n => classes(n) + colour(n)).forEach(n => plain(n, n.textContent));
  one('nav li', n => classes(n) + inside(n).sort()).forEach(n => n.remove());
  one('tbody tr', n => classes(n) + inside(n).sort()).forEach(n => n.remove());
}"""
# Of all texts of one look, one: to a colour, the words are the same.
THINNER = """() => {
  const looks = new Map(), known = new Set();
  const look = n => {
    if (n && !looks.has(n)) {
      const own = n.tagName + '.' + n.getAttribute('class') + '.' + n.getAttribute('style');
      looks.set(n, look(n.parentElement) + ' ' + own);
    }
    return looks.get(n) || '';
  };
  document.body.querySelectorAll('*').forEach(n => {
    const words = [...n.childNodes].filter(m => m.nodeType === 3 && m.data.trim());
    const {color, fill, fontSize, fontWeight} = getComputedStyle(n);
    const seen = words.length && [look(n), color, fill, fontSize, fontWeight].join();
    if (seen && known.size === known.add(seen).size) words.forEach(m => m.remove());
  });
}"""
WORDS = {"rules": {"color-contrast": {"enabled": False}}}
COLOURS = {"runOnly": ["color-contrast"]}  # all that a theme changes


def judge(page, script):
    """What axe-core holds against a page that is open, in light and in dark."""
    page.evaluate(script)
    page.evaluate(THIN)
    found = page.evaluate(FOUND, WORDS)
    page.evaluate(THINNER)
    page.add_style_tag(content="* { transition: none !important; }")  # colours change at once
    found += page.evaluate(FOUND, COLOURS)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    return found + page.evaluate(FOUND, COLOURS)


@dataclass
class Visit:
    """What one page did and holds."""

    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    content: dict[str, list[str]] = field(default_factory=dict)
    wide: list[str] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    judged: bool = False

    @property
    def outside(self) -> list[str]:
        """Requests that left the machine."""
        local = {"data", "blob", "file", "about"}
        parts = {url: urlsplit(url) for url in self.requests}
        return [
            url
            for url, part in parts.items()
            if part.scheme not in local and part.hostname != "127.0.0.1"
        ]


def look(reader, address, axe=None):
    """Open a page, wait until it is drawn, and write down everything that went wrong."""
    visit = Visit()
    page = reader.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("requestfailed", lambda request: visit.failures.append(request.url))
    page.on(
        "response", lambda r: visit.failures.append(f"{r.status} {r.url}") if r.status > 399 else 0
    )
    page.on(
        "console",
        lambda m: visit.messages.append(m.text) if m.type in ("error", "warning") else 0,
    )
    page.on("pageerror", lambda error: visit.messages.append(str(error)))
    page.goto(address, wait_until="load")
    page.wait_for_function(READY, timeout=60_000)
    if page.locator("figure.interactive").count():
        page.wait_for_function(
            "[...document.querySelectorAll('figure.interactive > div')]"
            ".every(n => n.querySelector('svg.main-svg'))",
            timeout=60_000,
        )
    visit.content = page.evaluate(READ)
    for name in visit.content["figures"]:
        visit.figures += _slider_problems(page, name)
    page.set_viewport_size({"width": 390, "height": 844})
    if visit.content["figures"]:
        page.wait_for_timeout(300)  # they fit themselves to the window, after a while
    visit.wide = page.evaluate(WIDE)
    visit.blank = page.evaluate(BLANK)
    if axe:
        page.set_viewport_size({"width": 1280, "height": 900})
        visit.judged, visit.findings = True, judge(page, axe)
    page.close()
    return visit


def _slider_problems(page, name):
    """A slider that is there must change what is drawn."""
    from playwright.sync_api import TimeoutError as NothingChanged

    steps = page.locator(f"#{name} .slider-rail-touch-rect")
    if not steps.count():
        return []
    drawn = """name => {
      const copy = document.getElementById(name).cloneNode(true);
      copy.querySelectorAll('.slider-container').forEach(n => n.remove());
      return copy.innerHTML;
    }"""
    before = page.evaluate(drawn, name)
    changed = f"([name, before]) => ({drawn})(name) !== before"
    steps.first.scroll_into_view_if_needed()
    box = steps.first.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    try:
        page.wait_for_function(changed, arg=[name, before], timeout=5_000)
    except NothingChanged:
        return [f"{name}: its slider moves nothing"]
    return []


@pytest.fixture(scope="session")
def axe():
    """axe-core, fetched once from the npm registry, checked, and kept in _build; or nothing."""
    kept = HTML.parent / f"axe-{VERSION}.min.js"
    if not kept.exists():
        try:
            with urllib.request.urlopen(ARCHIVE, timeout=30) as answer:
                archive = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            warnings.warn(f"axe-core cannot be fetched: {error}", stacklevel=1)
            return None
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            script = members.extractfile("package/axe.min.js").read()
        assert hashlib.sha256(script).hexdigest() == SHA256
        kept.write_bytes(script)
    return kept.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def visit(reader, server, axe):
    """A function from page name to what that page did; each page is opened once."""

    def once(page_name):
        docstrings = page_name.startswith("api/") and page_name != "api/signals.html"
        return look(reader, server + page_name, None if docstrings else axe)

    return functools.cache(once)


@pytest.fixture(scope="session", name="look")
def look_fixture():
    return look


@pytest.fixture(scope="session", name="judge")
def judge_fixture():
    return judge


@pytest.fixture(scope="session")
def html():
    return HTML


@pytest.fixture(scope="session")
def printer():
    return PRINTER
