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
