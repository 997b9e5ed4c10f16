"""axe-core's rules on every built page, in light and in dark: no serious and no critical finding.

What a page repeats is judged once. Of the pages made of docstrings one is judged.

axe-core is fetched once from the npm registry, checked, and kept in _build; without a network these
tests are skipped.
"""

import hashlib
import io
import tarfile
import urllib.error
import urllib.request

import pytest

VERSION = "4.10.2"
ARCHIVE = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
SHA256 = "b511cd9dec01c76f4b2ad1723b66b6db37d4c2eb4ed199076e1829d9ee7b75e3"  # of axe.min.js
FOUND = """only => axe.run(document, {resultTypes: ['violations'], ...only}).then(
  result => result.violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => `${found.id}: ` + found.nodes.slice(0, 3)
      .map(node => node.html.slice(0, 150)).join(' ... ') + ` (${found.nodes.length})`))"""
# Of formulas, of words of code, of rows of a table and of entries of a menu, one of each look.
THIN = """() => {
  const one = (what, look) => {
    const known = new Set();
    return [...document.querySelectorAll(what)].filter(n => known.size === known.add(look(n)).size);
  };
  const colour = n => getComputedStyle(n).color;
  const inside = n => [...new Set([...n.querySelectorAll('*')].map(m => m.tagName + m.className))];
  const classes = n => n ? classes(n.parentElement) + ' ' + n.className : '';
  document.querySelectorAll('wbr').forEach(n => n.remove());
  one('mjx-container', n => classes(n.parentElement) + colour(n)).forEach(n => n.replaceWith('x'));
  one('.highlight pre span', n => classes(n) + colour(n)).forEach(n => n.replaceWith(n.innerText));
  one('nav li', n => classes(n) + inside(n).sort()).forEach(n => n.remove());
  one('tbody tr', n => classes(n) + inside(n).sort()).forEach(n => n.remove());
}"""
COLOURS = {"runOnly": ["color-contrast"]}  # all that a theme changes


@pytest.fixture(scope="session")
def axe(html):
    kept = html.parent / f"axe-{VERSION}.min.js"
    if not kept.exists():
        try:
            with urllib.request.urlopen(ARCHIVE, timeout=30) as answer:
                archive = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            pytest.skip(f"axe-core cannot be fetched: {error}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            script = members.extractfile("package/axe.min.js").read()
        assert hashlib.sha256(script).hexdigest() == SHA256
        kept.write_bytes(script)
    return kept.read_text(encoding="utf-8")


def test_no_serious_finding_in_either_theme(chromium, server, axe, ready, page_name):
    if page_name.startswith("api/") and page_name != "api/signals.html":
        pytest.skip("made of docstrings as api/signals.html is, which is judged; they take minutes")
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    try:
        page.goto(server + page_name)
        page.wait_for_function(ready, timeout=60_000)
        page.evaluate(axe)
        page.evaluate(THIN)
        assert page.evaluate(FOUND, {}) == []
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_timeout(200)
        assert page.evaluate(FOUND, COLOURS) == []
    finally:
        page.close()
