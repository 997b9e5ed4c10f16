"""The page for teachers, the plan of the slides and the glossary name what exists."""

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
PAGE = (BOOK / "teaching.md").read_text()
PLAN = yaml.safe_load((BOOK / "slides.yml").read_text())
GLOSSARY = (BOOK / "glossary.md").read_text()


def chapters():
    return "\n".join(path.read_text() for path in BOOK.rglob("*.md") if path.stem != "teaching")


def labels(text):
    """Labels that a text defines: boxes, equations, figures, places."""
    found = re.findall(
        r"^:label: *(\S+)|^\(([\w-]+)\)=|^ +name: *(\S+)|^\$\$ \(([\w-]+)\)", text, re.M
    )
    return {label for each in found for label in each if label}


def entries():
    """The glossary: terms of one meaning, and what they mean."""
    body = re.search(r"^```\{glossary\}\n:sorted:\n\n(.*?)^```", GLOSSARY, re.M | re.S)[1]
    for block in body.strip().split("\n\n"):
        lines = block.split("\n")
        yield [x for x in lines if not x.startswith(" ")], " ".join(x for x in lines if x[0] == " ")


def test_every_exercise_that_is_named_exists():
    named = re.findall(r"\{ref\}`(ex-[^`]+)`", PAGE)
    assert len(named) > 40
    assert set(named) <= labels(chapters())


def test_each_lecture_has_reading_slides_board_and_exercises():
    lectures = re.split(r"^\(lecture-\d\)=\n", PAGE.split("(plan-two)=")[0], flags=re.M)[1:]
    assert len(lectures) == len(PLAN) == 6
    for number, (text, plan) in enumerate(zip(lectures, PLAN, strict=True), 1):
        parts = dict(re.findall(r"^(\w[\w ]+)\n: (.*)$", text, re.M))
        assert list(parts) == ["Read before", "Slides", "On the board", "In class", "At home"]
        assert f"### Lecture {number}: {plan['title']}\n" in text
        assert f'href="slides.html#lecture-{number}"' in parts["Slides"]
        assert parts["In class"] == f"{{ref}}`{plan['exercise']}`"
        assert {f"{{doc}}`{name}`" for name in plan["read"]} <= set(
            re.findall(r"\{doc\}`[^`]+`", parts["Read before"])
        )


def test_the_semester_has_fourteen_weeks_and_uses_every_lecture_and_lab():
    weeks = re.findall(r"^\| (\d+) \|.*$", PAGE, re.M)
    assert weeks == [str(n) for n in range(1, 15)]
    table = PAGE.split("(plan-semester)=")[1].split("## Labs")[0]
    assert {f"lecture-{n}" for n in range(1, 7)} <= set(re.findall(r"<([\w-]+)>", table))
    labs = set(re.findall(r"^\((lab-\w+)\)=", PAGE, re.M))
    assert labs == set(re.findall(r"\{ref\}`(lab-\w+)`", table))


def test_the_exam_has_twelve_questions_of_hundred_marks_and_solutions_that_are_checked():
    exam = PAGE.split("(exam)=")[1]
    questions = re.findall(
        r"\{exercise-start\} .*\((\d+) marks\)\n:label: (exam-[\w-]+)$", exam, re.M
    )
    assert len(questions) == 12
    assert sum(int(marks) for marks, _ in questions) == 100
    solutions = re.split(r"^```\{solution-start\} ", exam, flags=re.M)[1:]
    assert [text.split("\n")[0] for text in solutions] == [label for _, label in questions]
    for marks, text in zip((int(marks) for marks, _ in questions), solutions, strict=True):
        assert re.search(r"```\{code-cell\}[^`]*assert ", text), text[:40]
        text = text.split("{solution-end}")[0]
        given = [int(each) for each in re.findall(r"\((\d+) marks?[),]", text)]
        assert sum(given) == marks, text[:40]


def test_the_student_edition_of_the_exam_keeps_questions_and_loses_solutions():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import notebooks
    finally:
        sys.path.remove(str(ROOT / "tools"))
    made = notebooks.notebook(notebooks.without_solutions(PAGE), notebooks.Known())
    source = "\n".join(cell.source for cell in made.cells)
    assert source.count("# your answer") == 12
    assert "Two antennas half a wavelength apart" in source
    assert "The variance of the indices 0 and 1" not in source
    assert "solution-" not in source


def test_slides_name_what_exists_and_are_one_idea_each():
    known = labels(chapters())
    titles = [slide["title"] for lecture in PLAN for slide in lecture["slides"]]
    assert len(titles) == len(set(titles))
    for lecture in PLAN:
        assert 12 <= len(lecture["slides"]) + 3 <= 18  # title, exercise, solution
        assert lecture["exercise"] in known
        for name in lecture["read"]:
            assert (BOOK / f"{name}.md").exists()
        for slide in lecture["slides"]:
            assert set(slide.get("show", [])) <= known, slide["title"]
            assert len(slide.get("show", [])) <= 2
            assert len(slide["text"].split()) < 75, slide["title"]


def test_no_number_is_typed_on_a_slide():
    for lecture in PLAN:
        for slide in lecture["slides"]:
            prose = re.sub(
                r"\$[^$]*\$|^\d\. ", "", slide["title"] + "\n" + slide["text"], flags=re.M
            )
            assert not re.search(r"\d", prose), prose


def test_the_glossary_has_each_term_once_with_its_chapter():
    found = list(entries())
    terms = [term for names, _ in found for term in names]
    assert len(found) >= 60
    assert len(terms) == len(set(terms))
    for names, meaning in found:
        assert len(meaning.split()) >= 5, names
        assert re.search(r"\{(doc|ref|prf:ref)\}`", meaning), names


@pytest.mark.parametrize(
    "term",
    ["CRB", "CRLB", "Cramer-Rao bound", "Cramér–Rao bound", "PEB", "AEB", "GDOP", "EFIM", "FIM",
     "OTFS", "OFDM", "ULA", "planar array", "RCS", "bistatic", "monostatic", "cell-free",
     "nuisance parameter", "ambiguity", "threshold SNR", "Ziv–Zakai bound"],
)  # fmt: skip
def test_a_reader_finds_the_term(term):
    assert term in [each for names, _ in entries() for each in names]
