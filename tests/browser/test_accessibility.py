"""axe-core's rules on every built page, in light and in dark: no serious and no critical finding.

What a page repeats is judged once. Of the pages made of docstrings one is judged. Without a network
there is no axe-core the first time, and these tests are skipped.
"""

import pytest


def test_no_serious_finding_in_either_theme(visit, axe, page_name):
    if axe is None:
        pytest.skip("axe-core cannot be fetched")
    seen = visit(page_name)
    if not seen.judged:
        pytest.skip("made of docstrings as api/signals.html is, which is judged; they take minutes")
    assert seen.findings == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_pale_word_among_hundreds_is_found(reader, server, judge, axe, theme):
    if axe is None:
        pytest.skip("axe-core cannot be fetched")
    page = reader.new_page()
    page.goto(server + "running_at_scale.html")
    last = f"html[data-theme={theme}] article section:last-of-type > p:last-of-type"
    assert page.locator(last.replace(f"[data-theme={theme}]", "")).count()
    page.add_style_tag(content=f"{last} {{ color: #777; background: #888 }}")
    found = judge(page, axe)
    page.close()
    assert [text.split(":")[0] for text in found] == ["color-contrast"]
