"""The ledger is complete and true to the book, and its checks can fail."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp

from cfisac import ledger
from cfisac.ledger import _formulas, _script, _style

ROOT = Path(__file__).resolve().parents[1]

CHAPTER = """# A chapter

```{math}
:label: zhang-41
x = 1
```

(zhang-1)=
$$ y = 2 $$

$$ z = 3 $$ (zhang-2)
"""


@pytest.fixture
def root(tmp_path):
    """A checkout with one chapter, one test and a ledger in which three rows are judged."""
    for folder in ("book/ledger", "book/limits", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book/limits/angle.md").write_text(CHAPTER)
    (tmp_path / "book/ledger/empty.md").write_text("# Words only\n")
    (tmp_path / "tests/test_angle.py").write_text(
        "def test_x(n):\n    def test_nested():\n        0\n\n\ndef helper():\n    0\n\n\n"
        "class TestA:\n    def test_z(self):\n        0\n"
    )
    judged = {"verdict": "definition", "read": "limits/angle"}
    special = {
        "zhang-1": judged,
        "zhang-2": judged,
        "zhang-41": judged | {"verdict": "proved", "check": "tests/test_angle.py::test_x"},
    }
    for source, kinds in ledger.REQUIRED.items():
        entries = [
            {"id": f"{source}-{kind}{n}", "what": "something", "verdict": "open"}
            | special.get(f"{source}-{kind}{n}", {})
            for kind, count in kinds.items()
            for n in range(1, count + 1)
        ]
        (tmp_path / f"book/ledger/{source}.yml").write_text(json.dumps(entries))
    return tmp_path


def edited(root, id_, **changes):
    """The problems of the ledger after one row was changed (or dropped, with no changes)."""
    rows = ledger.load(root / "book/ledger")
    new = [replace(row, **changes) if row.id == id_ else row for row in rows]
    return ledger.problems([row for row in new if changes or row.id != id_], root)


def test_the_ledger_of_this_book_has_no_problem():
    found = ledger.problems(ledger.load())
    assert not found, "\n".join(found)


def test_a_sound_ledger_has_no_problem(root):
    assert ledger.problems(ledger.load(root / "book/ledger"), root) == []


PROVED = {"verdict": "proved", "read": "limits/angle", "check": "tests/test_angle.py::test_x"}


@pytest.mark.parametrize(
    ("id_", "changes", "problem"),
    [
        ("zhang-7", {}, "zhang.yml: zhang-7: is missing"),
        ("liu-fig10", {}, "liu.yml: liu-fig10: is missing"),
        ("zhang-8", {"id": "zhang-7"}, "zhang.yml: zhang-7: appears 2 times"),
        ("zhang-8", {"id": "zhang-81"}, "zhang.yml: zhang-81: is not a row of this source"),
        ("zhang-8", {"source": "liu"}, "liu.yml: zhang-8: is not a row of this source"),
        ("zhang-41", {"verdict": "prooved"}, "zhang-41: verdict 'prooved' is unknown"),
        ("zhang-41", {"read": ""}, "zhang-41: verdict 'proved' needs a chapter in `read`"),
        ("zhang-41", {"read": "limits/no"}, "zhang-41: chapter book/limits/no.md is not there"),
        ("zhang-7", {"read": "limits/no"}, "zhang-7: chapter book/limits/no.md is not there"),
        ("zhang-41", {"check": ""}, "zhang-41: verdict 'proved' needs a test in `check`"),
        (
            "zhang-41",
            {"check": "tests/test_no.py::test_x"},
            "zhang-41: test file tests/test_no.py is not there",
        ),
        (
            "zhang-41",
            {"check": "tests/test_angle.py::test_y"},
            "zhang-41: test test_y is not in tests/test_angle.py",
        ),
        *(
            (
                "zhang-41",
                {"check": f"tests/test_angle.py::{name}"},
                f"zhang-41: test {name} is not in tests/test_angle.py",
            )
            for name in ("helper", "test_nested", "test_z", "TestA::test_x", "TestB::test_z")
        ),
        (
            "zhang-41",
            {"check": "tests/test_angle.py"},
            "zhang-41: test (none named) is not in tests/test_angle.py",
        ),
        *(
            ("zhang-41", PROVED | {"verdict": v}, f"zhang-41: verdict '{v}' needs a note")
            for v in ledger.NEEDS_NOTE
        ),
        ("zhang-3", PROVED, "zhang-3: label zhang-3 does not occur in book/limits/angle.md"),
        *(
            ("zhang-41", PROVED | changes, f"zhang-41: {problem}")
            for v in ledger.NEEDS_REPAIR
            for changes, problem in (
                ({"verdict": v, "note": "x"}, f"verdict '{v}' needs the right formula"),
                (
                    {"verdict": v, "note": "x", "repaired": "x = 2", "read": "ledger/empty"},
                    f"verdict '{v}' needs the printed formula in book/ledger/empty.md",
                ),
                (
                    {"verdict": v, "note": "x", "repaired": "eq-other"},
                    "`repaired`: no equation eq-other in book/limits/angle.md",
                ),
            )
        ),
    ],
)
def test_each_kind_of_problem_is_found(root, id_, changes, problem):
    assert any(problem in line for line in edited(root, id_, **changes))


@pytest.mark.parametrize("name", ["test_x[3-4]", "TestA::test_z"])
def test_parametrised_tests_and_methods_are_found(root, name):
    assert edited(root, "zhang-41", check=f"tests/test_angle.py::{name}") == []


@pytest.mark.parametrize("repaired", ["x = 2", "zhang-2"])
def test_a_corrected_equation_with_both_formulas_has_no_problem(root, repaired):
    changes = PROVED | {"verdict": "corrected", "note": "x is 2"}
    assert edited(root, "zhang-41", **changes, repaired=repaired) == []


def test_only_equations_need_a_label(root):
    assert edited(root, "zhang-fig2", **PROVED) == []


@pytest.mark.parametrize(
    ("label", "problem"),
    [("zhang-99", "is a label without a row"), ("liu-7", "is shown but still open")],
)
def test_a_label_without_a_judged_row_is_found(root, label, problem):
    (root / "book/limits/other.md").write_text(f"({label})=\n# Another\n")
    found = ledger.problems(ledger.load(root / "book/ledger"), root)
    assert found == [f"limits/other.md: {label}: {problem}"]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("- {id: zhang-1, what: a, verdict: open, color: red}", "zhang-1: unknown key color"),
        ("- {id: zhang-1, what: a}", "zhang-1: has no verdict"),
        ("- {id: zhang-1, what: a, verdict: 3}", "zhang-1: verdict must be non-empty text"),
        ("- just words", "1: is not a mapping"),
        ("- {id: zhang-1", "is not YAML"),
    ],
)
def test_a_malformed_entry_is_refused(root, entry, fault):
    (root / "book/ledger/zhang.yml").write_text(entry)
    with pytest.raises(ValueError, match=re.escape(f"zhang.yml: {fault}")):
        ledger.load(root / "book/ledger")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder must hold"):
        ledger.load(tmp_path)


def test_ids_say_what_a_row_is():
    row = ledger.Row("fan_conf", "fan_conf-fig2", "a drawing", "open")
    assert (row.kind, row.name) == ("figure", "Figure 2")
    assert ledger.Row("liu", "liu-7", "an equation", "open").name == "(7)"


def test_any_edit_of_a_row_shows_in_the_plain_text(root):
    row = next(r for r in ledger.load(root / "book/ledger") if r.id == "zhang-41")
    before = ledger.table([row], "caption")._repr_mimebundle_()["text/plain"]
    for field in ("what", "verdict", "note", "repaired", "read", "check"):
        after = ledger.table([replace(row, **{field: "edited"})], "caption").text
        assert after != before, field


def test_scoreboard_counts_every_row_once(root):
    rows = ledger.load(root / "book/ledger")
    text = ledger.scoreboard(rows).text
    assert "Zhang and Pang: 99 rows: 2 definition, 1 proved, 0 verified" in text
    assert f"All: {len(rows)} rows:" in text


def test_errata_hold_the_verdicts_that_need_care_worst_first():
    rows = [
        ledger.Row("zhang", f"zhang-{n}", "what", verdict, "note")
        for n, verdict in enumerate(ledger.VERDICTS, 1)
    ]
    text = ledger.errata(rows).text
    assert re.findall(r"\[(.*?)\]", text) == ["refuted", "corrected", "conditional"]


def test_links_lead_to_the_equation(root, monkeypatch):
    monkeypatch.setattr(ledger, "FOLDER", root / "book/ledger")
    html = ledger.table(ledger.load(), "caption").html
    for anchor in ("equation-zhang-41", "zhang-1", "equation-zhang-2"):
        assert f'href="../limits/angle.html#{anchor}"' in html


PAGE = """# A title: and what it is about

```{code-cell} ipython3
text = "$$ not = mathematics $$ (zhang-9)"
```

(liu-1)=
(liu-2)=
```{math}
:label: zhang-3
:nowrap:
a &= b \\\\
c &= d.
```

$$ e = 1 $$

$$
f = 2,
$$ (zhang-4)

(zhang-5)=
Words.

````{prf:theorem} One
:::{math}
:label: zhang-6
g < 3
:::
````
"""


def test_formulas_are_those_of_the_chapter(tmp_path):
    chapter = tmp_path / "chapter.md"
    chapter.write_text(PAGE)
    split = "\\begin{split}a &= b \\\\\nc &= d\\end{split}"
    assert _formulas.formulas(chapter) == {
        "liu-1": (split, "zhang-3"),
        "liu-2": (split, "zhang-3"),
        "zhang-3": (split, "zhang-3"),
        "zhang-4": ("f = 2", "zhang-4"),
        "zhang-6": ("g < 3", "zhang-6"),
    }
    assert _formulas.title(chapter) == "A title"
    assert _formulas.title(tmp_path / "absent.md").endswith("/absent")


def test_every_labelled_equation_of_the_book_is_found():
    """What Sphinx numbers and what the ledger shows are found by different expressions."""
    for chapter in (ROOT / "book").rglob("*.md"):
        text = _formulas._CODE.sub("", chapter.read_text("utf-8"))
        theirs = set(re.findall(r"\{math\}\n:label: *(\S+)|\$\$ *\(([\w-]+)\)", text))
        assert {a or b for a, b in theirs} <= _formulas.formulas(chapter).keys(), chapter


def test_every_equation_that_a_chapter_displays_is_shown():
    """Only the statements of CommIT that it makes in words have no formula."""
    rows = [row for row in ledger.load() if row.kind == "equation"]
    bare = {row.source for row in rows if not _formulas.shown(row, ROOT / "book").printed}
    assert bare == {"commit"}


@pytest.mark.parametrize("verdict", ledger.NEEDS_REPAIR)
def test_what_is_wrong_is_shown_as_printed_and_as_it_should_be(verdict):
    """By two formulas, or, where the statement is none, by what it says and what holds."""
    for row in ledger.load():
        if row.verdict == verdict:
            both = _formulas.shown(row, ROOT / "book")
            words = row.kind != "equation" and row.what and row.note
            assert (both.printed and both.repaired and both.printed != both.repaired) or words, row


def test_a_row_shows_both_formulas_side_by_side(root, monkeypatch):
    monkeypatch.setattr(ledger, "FOLDER", root / "book/ledger")
    row = next(row for row in ledger.load() if row.id == "zhang-41")
    row = replace(row, verdict="corrected", note="It is two.", repaired="x < 2")
    html = ledger.table([row], "x").html
    for caption, formula in (("as printed", "x = 1"), ("repaired", "x &lt; 2")):
        assert f'<div class="ledger-caption">{caption}</div><code>{formula}</code>' in html
    assert "repaired: x < 2" in ledger.table([row], "x").text
    html = ledger.table([replace(row, repaired="zhang-2")], "x").html
    assert '<div class="ledger-caption">repaired</div><code>z = 3</code>' in html
    html = ledger.table([replace(row, verdict="reconstructed", repaired="")], "x").html
    assert '<div class="ledger-caption">our reconstruction</div><code>x = 1</code>' in html


def test_a_formula_that_belongs_to_another_row_says_so():
    row = next(row for row in ledger.load() if row.id == "fan_journal-5")
    assert "shown as fan_conf (5)" in ledger.table([row], "x").html


def test_the_first_sentence_of_a_reason_is_seen_and_the_rest_opens():
    first = "As in Fig. 2 of Fan et al. This is the sentence that one sees, 0.5 of them."
    note = f"{first} The rest of the reason opens, and says more than one line can hold."
    row = ledger.Row("liu", "liu-1", "what", "refuted", note)
    html = ledger.table([row], "x").html
    assert f'<div class="ledger-note">{first}</div><details>' in html
    assert "<details>" not in ledger.table([replace(row, note="Short. Both seen.")], "x").html


def test_links_name_the_chapter_by_its_title(root, monkeypatch):
    monkeypatch.setattr(ledger, "FOLDER", root / "book/ledger")
    rows = [row for row in ledger.load() if row.id == "zhang-41"]
    assert '#equation-zhang-41">A chapter</a>' in ledger.table(rows, "x").html


def test_filters_offer_what_the_rows_have():
    rows = [
        ledger.Row("zhang", "zhang-1", "what", "proved", read="limits/angle_gain"),
        ledger.Row("liu", "liu-2", "what", "refuted", "why", read="designs/power"),
    ]
    html = ledger.all_rows(rows, "x").html
    fields = dict(re.findall(r'<select name="(\w+)">(.*?)</select>', html))
    values = {name: re.findall(r"<option[^>]*>(.*?)<", text) for name, text in fields.items()}
    assert values == {
        "source": ["all", "Zhang and Pang", "Liu et al."],
        "verdict": ["all", "proved", "refuted"],
        "chapter": ["all", *(_formulas.title(ROOT / f"book/{row.read}.md") for row in rows)],
    }
    assert 'name="source"' not in ledger.table(rows[:1], "x").html
    for name in ("text", "source", "verdict", "chapter"):  # each within a label
        assert re.search(rf'<label[^>]*>\w+<(input|select)[^>]* ?name="{name}"', html)


def test_the_script_asks_nothing_of_anybody():
    assert not re.search(r"https?:|//\w+\.|fetch\(|XMLHttp|import\(", _script.SCRIPT)


def test_the_scoreboard_leads_to_the_rows_it_counts():
    html = ledger.scoreboard(ledger.load()).html
    assert 'href="rows.html?source=liu&verdict=corrected"' in html.replace("&amp;", "&")


def test_all_rows_are_counted_in_the_text_and_shown_in_the_page():
    rows = ledger.load()
    shown = ledger.all_rows(rows, "All")
    assert shown.text == f"All: {len(rows)} rows"
    assert shown.html.count("<tr id=") == len(rows)


def test_what_a_row_says_is_escaped():
    row = ledger.Row("zhang", "zhang-1", "a < b & c", "open")
    assert "a &lt; b &amp; c" in ledger.table([row], "x < y").html


def test_indices_of_symbols_are_set_and_names_are_not():
    note = "h^H over σ_z², d^−3.5; fan_conf"
    html = ledger.table([ledger.Row("liu", "liu-1", "|a_l|² and t_u^N", "proved", note)], "x").html
    assert "|a<sub>l</sub>|²" in html
    assert "t<sub>u</sub><sup>N</sup>" in html
    assert "h<sup>H</sup> over σ<sub>z</sub>², d<sup>−3.5</sup>; fan_conf" in html
    note = """The user's channel, H_pq' too, in Theorem "A step"."""
    html = ledger.table([ledger.Row("liu", "liu-1", "what", "proved", note)], "x").html
    assert "The user’s channel, H<sub>pq</sub>′ too, in Theorem “A step”." in html


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("verdict", ledger.VERDICTS)
def test_verdicts_can_be_read_in_light_and_dark_mode(verdict):
    back, ink, dark, pale, _ = _style.COLOURS[verdict]
    for pair in ((back, ink), (dark, pale)):
        low, high = sorted(luminance(colour) for colour in pair)
        assert (high + 0.05) / (low + 0.05) >= 7


def test_what_hangs_on_our_copy_is_marked(root):
    row = replace(ledger.load(root / "book/ledger")[0], copy="a prime may be lost")
    shown = ledger.table([row], "rows")
    assert "<b>Our copy:</b> a prime may be lost" in shown.html
    assert "<option>our copy</option>" in shown.html
    assert "copy: a prime may be lost" in shown.text


def test_errata_say_how_many_rows_hang_on_our_copy():
    rows = [
        ledger.Row("zhang", "zhang-1", "what", "refuted", "note", copy="a prime"),
        ledger.Row("zhang", "zhang-2", "what", "conditional", "note"),
        ledger.Row("liu", "liu-2", "what", "corrected", "note", copy="a dot"),
        ledger.Row("liu", "liu-3", "what", "proved", copy="not in the errata"),
    ]
    shown = ledger.errata(rows)
    for form in (shown.html, shown.text):
        assert "3 rows that are refuted, corrected or conditional; 2 of them hang on" in form


def stored_numbers(page):
    """The numbers that a page glues into its prose, by name, from its stored notebook."""
    notebook = json.loads((ROOT / f"tests/notebooks/{page}.ipynb").read_text("utf-8"))
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    glued = [out for out in outputs if "scrapbook" in out.get("metadata", {})]
    return {
        out["metadata"]["scrapbook"]["name"]: "".join(
            out["data"]["application/papermill.record/text/plain"]
        )
        for out in glued
    }


def test_the_errata_page_names_how_many_rows_hang_on_our_copy():
    care = ledger.needing_care(ledger.load())
    page = (ROOT / "book/ledger/errata.md").read_text("utf-8")
    numbers = stored_numbers("ledger/errata")
    for name, count in {
        "errata-rows": len(care),
        "errata-copy": sum(bool(row.copy) for row in care),
    }.items():
        assert f"`{name}`" in page
        assert numbers[name] == str(count)


def test_numbers_in_notes_lead_to_their_rows_on_the_same_page():
    rows = [
        ledger.Row("zhang", "zhang-70", "what", "refuted", "the fault"),
        ledger.Row("zhang", "zhang-71", "what", "refuted", "as (70); (71), fan_conf (9) and (70)"),
        ledger.Row("fan_conf", "fan_conf-9", "what", "corrected", "see zhang (70), (71), (72)"),
    ]
    html = ledger.errata(rows).html
    note = 'as <a href="#zhang-70">(70)</a>; (71), <a href="#fan_conf-9">fan_conf (9)</a> and (70)'
    assert note in html
    zhang = '<a href="#zhang-70">zhang (70)</a>, <a href="#zhang-71">(71)</a>, (72)'
    assert zhang in html


def entries(tex):
    """The entries of a matrix in LaTeX, as SymPy reads them."""
    inside = re.search(r"begin\{bmatrix\}(.*)\\end\{bmatrix\}", tex, re.S)[1]
    for entry in re.split(r"&|\\\\(?:\[8pt\])?", inside):
        entry = re.sub(r"\\dfrac\{(.*?)\}\{(.*?)\}", r"(\1)/(\2)", entry.replace(r"\,", " "))
        entry = entry.replace(r"\cos\theta_l", "cosine")
        tokens = re.findall(r"[A-Za-z]+_[A-Za-z]|[A-Za-z]+|\d+|\^|[-()/]", entry)
        product = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", " ".join(tokens))
        yield sp.sympify(product.replace("^", "**"))


@pytest.mark.parametrize("id_", ["liu-13", "liu-15"])
def test_repaired_jacobians_are_the_derivatives_and_printed_ones_are_not(id_):
    Theta, epsilon, v_u, f_c, c = sp.symbols("Theta epsilon v_u f_c c", positive=True)
    heading = sp.symbols("heading", real=True)
    eta, bearing = sp.sqrt(Theta**2 + epsilon**2), sp.atan2(epsilon, Theta)
    turn = bearing - heading
    f_D = -2 * f_c * v_u * sp.cos(turn) / c
    observed = sp.Matrix([2 * eta / c, epsilon / eta, f_D])
    by = (Theta, epsilon) if id_ == "liu-13" else (v_u, heading)
    names = {"eta": eta, "Xi": f_D * sp.tan(turn), "f_D": f_D, "varpi": sp.cos(turn),
             "chi": sp.sin(turn), "cosine": Theta / eta}  # fmt: skip
    at = {Theta: 0.7, epsilon: 1.9, v_u: 1.3, f_c: 2.2, c: 3.1, heading: 0.4}
    known = {str(symbol): value for symbol, value in at.items()}
    known |= {name: value.subs(at) for name, value in names.items()}
    truth = [float(each.subs(at)) for each in observed.jacobian(by).T]
    row = next(row for row in ledger.load() if row.id == id_)
    both = _formulas.shown(row, ROOT / "book")
    printed, repaired = ([float(e.subs(known)) for e in entries(each.tex)] for each in both)
    assert repaired == pytest.approx(truth)
    assert printed != pytest.approx(truth)
